#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=2 mixed=yes suite=fast engine=qemu timeout=240
#
# One-way pipes, and the kernel's own ipip at the other end.
#
#        guest a                      guest b
#   wire0 192.0.2.1 ------------- wire0 192.0.2.2
#    tunl 10.1.0.1                   lo 10.2.0.2
. "$(dirname "$0")/lib.sh"

if [ "$ROLE" = a ]; then
	local_outer=192.0.2.1 remote_outer=192.0.2.2
	local_inner=10.1.0.1 remote_inner=10.2.0.2
else
	local_outer=192.0.2.2 remote_outer=192.0.2.1
	local_inner=10.2.0.2 remote_inner=10.1.0.1
fi

topology() {
	ip addr add "$local_outer/24" dev wire0 && ip link set wire0 up &&
		poll 20 ping -c 1 -W 1 "$remote_outer"
}

counter() { awk -v name="$1" '$1 == name { print $2 }' /proc/net/ipip; }

no_error() { # DEV: none of its error counters has risen
	! ip -s link show dev "$1" |
		awk '/[RT]X:/ { getline; for (i = 3; i <= 6; i++) if ($i) print }' | grep .
}

reaches() { # as sender of the first packet, and with sizes around the MTU
	ping -c 2 -i 0.2 -W 3 -I "$local_inner" "$remote_inner" &&
		ping -c 1 -W 3 -I "$local_inner" -M 'do' -s 1452 "$remote_inner" &&
		ping -c 1 -W 3 -I "$local_inner" -M 'dont' -s 4000 "$remote_inner"
}

# ---- A packs, B unpacks ----------------------------------------------------

pipe_a() {
	local before

	must load tunnel
	check_not "A has no decapsulator" loaded ipip
	check "A configures its end" \
		ip addr add 10.1.0.1 peer 192.0.2.2 dev tunl
	ip link set tunl up
	check "and routes through it" ip route add 10.2.0.2 dev tunl src 10.1.0.1
	must barrier pipe-up
	must capture init wire0 "$tmp/wire.pcap" ip
	check "A reaches what is behind B" ping -c 3 -i 0.2 -W 3 10.2.0.2
	capture_stop_after 6 "$tmp/wire.pcap"
	check_eq "A's requests were wrapped" \
		"$(tcpdump -ntr "$tmp/wire.pcap" 2>/dev/null | grep -c '^IP 192.0.2.1 > 192.0.2.2: IP 10.1.0.1 > 10.2.0.2: ICMP echo request')" 3
	check_eq "B's answers came back plainly" \
		"$(tcpdump -ntr "$tmp/wire.pcap" 2>/dev/null | grep -c '^IP 10.2.0.2 > 10.1.0.1: ICMP echo reply')" 3
	before=$(ip -s link show tunl | awk '/RX:/ { getline; print $2 }')
	check_eq "and so A's tunl received nothing" "$before" 0
	must barrier pipe-used

	# Where unknown sources are refused A is one, and gets no report.
	must barrier pipe-peers
	must capture init wire0 "$tmp/refused.pcap" icmp
	check_not "A does not reach it after accept=peers on B" \
		ping -c 2 -i 0.2 -W 2 10.2.0.2
	capture_stop "$capture_pid"
	check_eq "and gets no ICMP from B about that" \
		"$(tcpdump -ntr "$tmp/refused.pcap" 2>/dev/null)" ""
	must barrier pipe-refused
	check "A unloads" unload
}

pipe_b() {
	must load ipip
	check_not "B has no encapsulator" loaded tunnel
	ip addr add 10.2.0.2/32 dev lo
	check "B's way back is an ordinary route" \
		ip route add 10.1.0.1 via 192.0.2.1 src 10.2.0.2
	check_eq "accept is auto, and open" \
		"$(awk '/^accept/' /proc/net/ipip)" "accept auto (open)"
	klog_mark
	must barrier pipe-up
	must barrier pipe-used 90
	check_eq "B delivered three packets, where they came in" \
		"$(counter delivered_device) $(counter delivered_ingress)" "0 3"
	check_eq "B logged the unknown source once" "$(klog_count 'decapsulating for 192\.0\.2\.1')" 1
	check "and the line names the switch" \
		klog_has 'decapsulating for 192\.0\.2\.1.*net\.ipv4\.ipip\.accept=peers'

	klog_mark
	check "B closes" sysctl -w net.ipv4.ipip.accept=peers
	must barrier pipe-peers
	must barrier pipe-refused 90
	check_eq "B refused and counted two packets" "$(counter drop_refused)" 2
	check "and said so, naming the switch" \
		klog_has 'refused a packet of 192\.0\.2\.1.*net\.ipv4\.ipip\.accept=any'
	check "B unloads" unload
	ip addr del 10.2.0.2/32 dev lo
}

# ---- ours at one end, the kernel's at the other ----------------------------

ours() { # PHASE
	load ipip && load tunnel &&
		ip addr add "$local_inner" peer "$remote_outer" dev tunl &&
		ip link set tunl up &&
		ip route add "$remote_inner" dev tunl src "$local_inner"
}

the_kernels() { # PHASE
	modprobe ipip || return
	if [ "$1" = first ]; then
		ip link add other type ipip local "$local_outer" remote "$remote_outer"
	else
		ip tunnel add other mode ipip local "$local_outer" remote "$remote_outer"
	fi &&
		ip addr add "$local_inner/32" dev other && ip link set other up &&
		ip route add "$remote_inner" dev other src "$local_inner"
}

unload_the_kernels() {
	ip link del other && rmmod ipip
}

interop() { # PHASE OURS|THE_KERNELS
	local dev=tunl what="the kernel's ipip there"

	if [ "$2" = the_kernels ]; then
		dev=other
		what="our modules there"
	fi
	must "$2" "$1"
	must barrier "$1-up"
	[ "$ROLE" = a ] || must barrier "$1-a" 90
	check "$1, $what: guest $ROLE reaches the other" reaches
	[ "$ROLE" = b ] || must barrier "$1-a" 90
	must barrier "$1-used" 90
	check "$1, $what: packets went both ways through $dev" \
		test "$(ip -s link show "$dev" | awk '/RX:|TX:/ { getline; n += ($2 >= 8) } END { print n }')" = 2
	check "$1, $what: without errors" no_error "$dev"
	[ "$2" = the_kernels ] ||
		check_eq "$1, $what: none from an unknown source" \
			"$(counter delivered_ingress) $(counter drop_refused)" "0 0"
	must barrier "$1-counted"
	if [ "$2" = ours ]; then must unload; else must unload_the_kernels; fi
}

ktap_begin
must topology
"pipe_$ROLE"
must barrier pipe-over
if [ "$ROLE" = a ]; then
	interop first ours
	interop second the_kernels
else
	interop first the_kernels
	interop second ours
fi
must barrier over
ktap_end
