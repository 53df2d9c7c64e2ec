#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=300
#
# TCP while the path shrinks: how long until it goes on, and the same with the
# kernel's own ipip at both ends.
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
#                             └── tunnel 10.9.0.1             10.9.0.2 tunnel ┘

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

SIZES=(1400 1280 576)

path_of_four
sink() { # a listener that throws everything away
	ns b ss -Hltn 'sport = :7' | grep -q . && return
	background sink b socat -u TCP-LISTEN:7,fork,reuseaddr OPEN:/dev/null
	listening() { ns b ss -Hltn 'sport = :7' | grep -q .; }
	poll 10 listening
}

ours() {
	load ipip
	load tunnel
	tunl_add a tunl 10.9.0.1 10.0.2.1
	tunl_add b tunl 10.9.0.2 10.0.1.1
}

the_kernels() {
	modprobe ipip
	ip -n a link add tunl type ipip local 10.0.1.1 remote 10.0.2.1
	ip -n b link add tunl type ipip local 10.0.2.1 remote 10.0.1.1
	ip -n a addr add 10.9.0.1/32 dev tunl
	ip -n b addr add 10.9.0.2/32 dev tunl
	ip -n a link set tunl up
	ip -n b link set tunl up
}

routes() {
	ip -n a route add 10.9.0.2 dev tunl
	ip -n b route add 10.9.0.1 dev tunl
	ip -n b route add 10.1.0.0/24 dev tunl
}

wide() {
	ip -n r link set eth1 mtu 1500
	forget h a r b
	ns h ping -c 1 -W 5 10.9.0.2 >/dev/null
}

# Milliseconds from each first "fragmentation needed" of r to the first data
# that gets past r after it; one line for each size.
resumed() {
	local size
	for size in "${SIZES[@]}"; do
		{
			tcpdump -ttnr "$tmp/icmp.pcap" 2>/dev/null |
				awk -v mtu="mtu $size)" 'index($0, mtu) { print $1, "icmp"; exit }'
			tcpdump -ttnr "$tmp/data.pcap" 2>/dev/null |
				awk '$NF > 0 { print $1, "data" }'
		} | sort -n | awk '
			$2 == "icmp" { since = $1 }
			since && $2 == "data" { printf "%.1f\n", ($1 - since) * 1000; since = 0; exit }
			END { if (NR == 0 || since) print "never" }'
	done
}

# How often a sender had to wait for a timer of its own.
timers() { echo $(($(snmp "$1" TcpExt TCPTimeouts) + $(snmp "$1" TcpExt TCPLossProbes))); } # NS

# A transfer from NS, through all the sizes.
shrink() { # NAME NS
	local size data icmp before

	wide
	before=$(timers "$2")
	capture r eth0 "$tmp/icmp.pcap" -s 128 src 10.0.1.254 and icmp
	icmp=$capture_pid
	capture r eth1 "$tmp/data.pcap" -s 128 src 10.0.1.1 and ip proto 4
	data=$capture_pid
	background "$1" "$2" socat -u OPEN:/dev/zero TCP:10.9.0.2:7
	sender=$last_pid
	sleep 1
	for size in "${SIZES[@]}"; do
		ip -n r link set eth1 mtu "$size"
		sleep 1.5
	done
	kill "$sender"
	capture_stop "$icmp"
	capture_stop "$data"
	resumed >"$tmp/$1.times"
	waits=$(($(timers "$2") - before))
	note "$1, path shrinks to ${SIZES[*]}: goes on after $(paste -sd' ' "$tmp/$1.times") ms; timeouts and loss probes: $waits"
}

# How many ICMP errors h gets for a large packet of segments that are too big for
# a path known to be small.
told_large() {
	local before

	wide
	# what the transfers before left in flight
	quiet() { ! ns h ss -Htn | grep -q .; }
	poll 20 quiet
	ip -n r link set eth1 mtu 1280
	ns a ping -c 1 -W 1 -M 'do' -s 1400 10.9.0.2 >/dev/null
	before=$(snmp h Icmp InDestUnreachs)
	ns h "$TUNL_TOP/tests/stream" send-udp 10.9.0.2 9 "$tmp/pattern" 20 1400 df
	told=0
	heard() { told=$(($(snmp h Icmp InDestUnreachs) - before)) && [ "$told" -gt 0 ]; }
	poll 2 heard
}

# How many datagrams of a large packet without DF arrive over that path.
large_nodf() {
	local before

	wide
	ip -n r link set eth1 mtu 1280
	ns a ping -c 1 -W 1 -M 'do' -s 1400 10.9.0.2 >/dev/null
	before=$(snmp b Udp NoPorts)
	ns h "$TUNL_TOP/tests/stream" send-udp 10.9.0.2 9 "$tmp/pattern" 20 1400
	arrived=0
	all() { arrived=$(($(snmp b Udp NoPorts) - before)) && [ "$arrived" -ge 20 ]; }
	poll 3 all
}

median() { sort -g "$1" | sed -n 2p; } # FILE of three

head -c 1048576 /dev/urandom >"$tmp/pattern"
sysctl_set a net.ipv4.icmp_ratelimit 0
sysctl_set r net.ipv4.icmp_ratelimit 0

ours
routes
sink
wide
rtt=$(ns h ping -c 5 -i 0.2 10.9.0.2 | sed -n 's,^rtt [^=]*= [0-9.]*/\([0-9.]*\)/.*,\1,p')
limit=$(awk -v rtt="$rtt" 'BEGIN { print 200 + 2 * rtt }')
note "round trip $rtt ms"
cat >"$tmp/late.awk" <<'EOF'
$1 == "never" || $1 > limit { late++ }
END { exit late > 1 || NR != 3 }
EOF
for who in h a; do
	[ $who = h ] && name=forwarded || name=local
	shrink "$name" $who
	check "$name: goes on within 200 ms and 2 round trips of the first ICMP, but for one of three" \
		awk -v "limit=$limit" -f "$tmp/late.awk" "$tmp/$name.times"
	check_not "$name: never without going on" grep never "$tmp/$name.times"
done
told_large
check_eq "segments too big for a path known to be small: their sender is told at once" "$told" 1
large_nodf
check_eq "without DF they all arrive" "$arrived" 20

ip -n a link del tunl
ip -n b link del tunl
unload
the_kernels
routes
sink
wide
for who in h a; do
	[ $who = h ] && name=kernel-forwarded || name=kernel-local
	shrink "$name" $who
done
told_large
check_eq "with the kernel's ipip the sender of such segments is told nothing" "$told" 0
large_nodf
note "kernel's ipip: without DF $arrived of 20 arrive"
check "and with it a forwarded transfer takes longer to go on" \
	awk "BEGIN { exit !($(median "$tmp/forwarded.times") < $(median "$tmp/kernel-forwarded.times")) }"

ktap_end
