#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=600
#
# Tunnelled TCP that the kernel's GRO merges beyond 64 KiB (7.3). Such a packet is longer
# than an IPv4 header can say, and both headers have a length of 0.
#
#       A                R                      B                    C
#     eth0 ─────── to_a     to_b ─────────── eth0 eth1 ─────────── eth0
#   192.0.2.2  192.0.2.1   198.51.100.1  198.51.100.2  10.3.0.1  10.3.0.2
#     tunl ............................... tunl  onward .......... tunl
#   10.1.0.1                             10.2.0.2                10.4.0.2
. "$(dirname "$0")/lib.sh"

mib=${TCP_MIB:-4}
port=7000
GSO_IPV4_MAX_SIZE=63 GRO_IPV4_MAX_SIZE=64

topology() {
	local end

	netns_add A R B C && veth A eth0 R to_a && veth R to_b B eth0 && veth B eth1 C eth0 &&
		ip -n A addr add 192.0.2.2/24 dev eth0 &&
		ip -n R addr add 192.0.2.1/24 dev to_a &&
		ip -n R addr add 198.51.100.1/24 dev to_b &&
		ip -n B addr add 198.51.100.2/24 dev eth0 &&
		ip -n B addr add 10.3.0.1/24 dev eth1 &&
		ip -n C addr add 10.3.0.2/24 dev eth0 &&
		ip -n A route add default via 192.0.2.1 &&
		ip -n B route add default via 198.51.100.1 &&
		ip -n C route add default via 10.3.0.1 &&
		sysctl_set R net.ipv4.ip_forward 1 && sysctl_set B net.ipv4.ip_forward 1 || return
	for end in A/eth0 R/to_a R/to_b B/eth0 B/eth1 C/eth0; do
		ip -n "${end%/*}" link set "${end#*/}" mtu 9000 || return
	done
	# TCP that waits for room in a window or a buffer sets PSH, behind which nothing is merged.
	for end in A B C; do
		sysctl_set "$end" net.ipv4.tcp_rmem "4096 16777216 33554432" &&
			sysctl_set "$end" net.ipv4.tcp_wmem "4096 16777216 33554432" || return
	done
	head -c 1048576 /dev/urandom >"$tmp/pattern"
}

# GRO merges nothing behind PSH, which the last segment of what TCP sends as one packet
# has: so each packet is one segment. It does not go beyond 64 KiB with what a device of
# this host still has to complete, as a tunnel's checksum: so that is done before.
tunnel() { # NS DEV INNER LOCAL REMOTE ROUTE... [ARGUMENT-OF-IP-LINK...]
	local ns=$1 dev=$2 routes=()

	ip -n "$ns" link add "$dev" type ipip local "$4" remote "$5" "${@:7}" &&
		ip -n "$ns" link set "$dev" gso_max_segs 1 && ns "$ns" ethtool -K "$dev" tx off &&
		ip -n "$ns" addr add "$3/32" dev "$dev" && ip -n "$ns" link set "$dev" up || return
	read -ra routes <<<"$6"
	for route in "${routes[@]}"; do
		ip -n "$ns" route replace "$route" dev "$dev" || return
	done
}

limit() { ns "$1" /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" limit "$2" "$3=$4"; }

# What arrives there is merged: kept until a timer says so, however fast the guest is.
merging() { # NS DEV ROUTER-DEV
	ns R ethtool -K "$3" tso off && ns "$1" ethtool -K "$2" gro on &&
		[ "$(limit "$1" "$2" $GRO_IPV4_MAX_SIZE 131072)" = 131072 ] &&
		ns "$1" sh -c "echo 20000000 >/sys/class/net/$2/gro_flush_timeout"
}

transfer() { # FROM TO ADDRESS
	port=$((port + 1))
	background serve "$2" "$TUNL_TOP/tests/stream" serve "$port" "$tmp/pattern" "$mib"
	poll 20 grep -q ready "$tmp/serve" || return
	ns "$1" "$TUNL_TOP/tests/stream" send "$3" "$port" "$tmp/pattern" "$mib"
	cat "$tmp/serve"
	wait "$last_pid" && grep -q "received $mib MiB" "$tmp/serve"
}

# A transfer, with a capture of the first few packets beyond 64 KiB at each NS/DEV. How
# much GRO merges depends on when the host runs the guest: until the first of these has
# seen some.
watched() { # FROM TO ADDRESS NS/DEV...
	local i

	for ((i = 0; i < tries; i++)); do
		watched_once "$@" || return
		[ "$(seen "$4")" = none ] || return 0
	done
	return 0 # what was seen is another check
}

watched_once() { # FROM TO ADDRESS NS/DEV...
	local place pids=() pid rc

	for place in "${@:4}"; do
		rm -f "$tmp/${place/\//.}.pcap"
		background "see.${place/\//.}" "${place%/*}" tcpdump -s 128 -c 3 -ni "${place#*/}" -Q in \
			-w "$tmp/${place/\//.}.pcap" 'ip[2:2] = 0'
		pids+=("$last_pid")
		poll 20 grep -q 'listening on' "$tmp/see.${place/\//.}" || return
	done
	transfer "$1" "$2" "$3"
	rc=$?
	for pid in "${pids[@]}"; do capture_stop "$pid"; done
	return "$rc"
}

seen() { # NS/DEV
	[ "$(tcpdump -nr "$tmp/${1/\//.}.pcap" 2>/dev/null | wc -l)" -gt 0 ] && echo "beyond 64 KiB" || echo none
}

lost() { # every counter of a drop at A, B and C
	local host

	for host in A B C; do
		ns "$host" cat /proc/net/ipip | awk -v h="$host" '/^drop/ && $2 { print h, $0 }'
		ns "$host" nstat -asz IpInHdrErrors IpInTruncatedPkts TcpInCsumErrors | awk -v h="$host" '$2 + 0 { print h, $0 }'
	done
}

ktap_begin
must topology
must sysctl_set init net.core.netdev_max_backlog 20000
must load ipip
must load tunnel
must tunnel A tunl 10.1.0.1 192.0.2.2 198.51.100.2 "10.2.0.2 10.3.0.0/24 10.4.0.2"
must tunnel B tunl 10.2.0.2 198.51.100.2 192.0.2.2 10.1.0.1

tries=3 # in vain, on kernels that do not merge so much
merging B eth0 to_b || skip "this kernel's devices have no limit of GRO for IPv4"
check "A sends B $mib MiB, and every byte arrives" watched A B 10.2.0.2 B/eth0 B/tunl
[ "$(seen B/eth0)" != none ] || skip "this kernel's GRO merges no tunnelled TCP beyond 64 KiB"
tries=10
check_eq "what GRO merged beyond 64 KiB is received on B's tunl" "$(seen B/tunl)" "beyond 64 KiB"
check_eq "A to B: nothing was dropped" "$(lost)" ""

must merging A eth0 to_a
check "B sends A $mib MiB" watched B A 10.1.0.1 A/eth0 A/tunl
check_eq "they arrive on A's tunl beyond 64 KiB" "$(seen A/eth0) $(seen A/tunl)" "beyond 64 KiB beyond 64 KiB"

must limit B eth1 $GSO_IPV4_MAX_SIZE 131072
check "B forwards $mib MiB to C" watched A C 10.3.0.2 B/tunl C/eth0
check_eq "by an interface that takes them, they leave whole" "$(seen B/tunl) $(seen C/eth0)" "beyond 64 KiB beyond 64 KiB"

must tunnel B onward 10.2.0.3 10.3.0.1 10.3.0.2 10.4.0.2
must tunnel C tunl 10.4.0.2 10.3.0.2 10.3.0.1 10.1.0.1
check "B forwards $mib MiB into another tunnel" watched A C 10.4.0.2 B/tunl C/eth0
check_eq "which gets them cut" "$(seen B/tunl) $(seen C/eth0)" "beyond 64 KiB none"

sysctl_set B net.ipv4.ipip.deliver ingress
check "deliver=ingress: A sends B $mib MiB" watched A B 10.2.0.2 B/eth0
check_eq "they were beyond 64 KiB" "$(seen B/eth0)" "beyond 64 KiB"
sysctl_set B net.ipv4.ipip.deliver device

if modprobe -q fou; then
	ip -n A link del tunl
	must tunnel A tunl 10.1.0.1 192.0.2.2 198.51.100.2 10.2.0.2 encap fou encap-sport auto encap-dport 5555
	must ns B ip fou add port 5555 ipproto 4
	check "in UDP: A sends B $mib MiB" watched_once A B 10.2.0.2 B/eth0 B/tunl
	note "in UDP: $(seen B/eth0), $(seen B/tunl)"
	must ns B ip fou del port 5555
fi

check_eq "nothing was dropped, and no header or checksum was wrong" "$(lost)" ""
ktap_end
