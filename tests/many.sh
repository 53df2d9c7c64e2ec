#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=90
#
# What an ICMP error from anybody costs a host with many tunnels: one lookup in each netns
# and VRF, however many devices there are. Counted by the kernel's function tracer.
#
#   a (eth0 10.0.0.1, 300 devices without a remote) ═══ (eth0 10.0.0.2) s, anybody
. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

DEVICES=300
tracing=/sys/kernel/tracing

[ -e $tracing ] && { mountpoint -q $tracing || mount -t tracefs none $tracing; }
[ -w $tracing/set_ftrace_filter ] || skip "this kernel has no function tracer"

topology() {
	local i

	netns_add a s && veth a eth0 s eth0 && ip -n a addr add 10.0.0.1/24 dev eth0 &&
		ip -n s addr add 10.0.0.2/24 dev eth0 || return
	for ((i = 0; i < DEVICES; i++)); do
		echo "link add t$i type tunl"
		echo "link set t$i up"
	done | ip -n a -batch - && ip -n a addr add 10.9.0.1/32 dev t7 &&
		ip -n a route add 10.5.0.0/16 via 10.0.0.9 dev t7 onlink &&
		poll 10 ns s ping -c 1 -W 1 10.0.0.1
}

# shellcheck disable=SC2016 # awk's, not the shell's
errors() { ns a awk '{ sum += $2 } END { print sum }' /proc/net/tunl; }
# shellcheck disable=SC2016
icmp() { ns a awk -v name="$1" '$1 == name { print $2 }' /proc/net/tunl; } # COUNTER
counted() { [ "$(errors)" -gt "$1" ]; }

error() { # OUTER-DESTINATION INNER-DESTINATION [ARGUMENT-OF-WIRE...]
	wire send s outer.src=10.0.0.1 outer.dst="$1" src=10.9.0.1 dst="$2" size=40 \
		error.src=10.0.0.2 error.dst=10.0.0.1 error.type=3 error.code=1 "${@:3}"
}

# Calls of a function for each device, while one error is looked at.
calls() { # FUNCTION OUTER-DESTINATION INNER-DESTINATION [ARGUMENT-OF-WIRE...]
	local before

	echo "$1" >$tracing/set_ftrace_filter
	: >$tracing/trace
	echo function >$tracing/current_tracer
	before=$(errors)
	# one that is nobody's is not counted: another comes behind it
	[ $# -eq 3 ] || error "${@:2}"
	error "${@:2:2}"
	poll 10 counted "$before"
	# another tracer would begin with an empty trace
	grep -c "$1" $tracing/trace
	echo nop >$tracing/current_tracer
	: >$tracing/set_ftrace_filter
}

few() { # TEXT OUTER-DESTINATION INNER-DESTINATION [ARGUMENT-OF-WIRE...]
	local n

	n=$(calls l3mdev_master_ifindex_rcu "${@:2}")
	note "$1: $n calls"
	check "$1: no look at each of $DEVICES devices" test "$n" -lt 30
}

load tunnel
must topology
few "an error about one device's packet" 10.0.0.9 10.5.0.1
check_eq "that error is heeded" "$(errors)" "$(($(icmp icmp_relayed) + $(icmp icmp_deferred)))"
few "an error about nobody's packet" 10.0.0.77 10.6.0.1
check_eq "that error is counted as not routed" "$(icmp icmp_not_routed)" 1

# About UDP: whoever has no tunnel with encap has nothing to look for.
alone=$(calls l3mdev_master_ifindex_rcu 10.0.0.9 10.5.0.1)
check_eq "an error about UDP: no look where no tunnel has encap" \
	"$(calls l3mdev_master_ifindex_rcu 10.0.0.9 10.5.0.1 outer.udp=999:5555)" "$alone"
must ip -n a link add wrapped type ipip encap fou encap-sport 999 encap-dport 5555
must ip -n a link set wrapped up
must ip -n a route add 10.4.0.0/16 via 10.0.0.8 dev wrapped onlink
few "an error about a packet in UDP" 10.0.0.8 10.4.0.1 outer.udp=999:5555
ktap_end
