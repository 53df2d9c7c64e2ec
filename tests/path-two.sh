#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=2 suite=fast engine=qemu timeout=300
#
# Paths that are too small, between our encapsulator and the kernel's own ipip:
# alone, both ways, through NAT; and what tracepath and traceroute say of them.
#
#   guest a                                                        guest b
#   10.1.0.2  10.1.0.1    10.0.1.1  10.0.1.254     192.0.2.1       192.0.2.2
#   h ─ eth0 ═════ eth0 ─ a ─ eth1 ═════ veth0 ─ init ─ wire0 ════════ wire0
#                         └─ tunl 10.9.0.1                10.9.0.2 other ─┘

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

MIB=64
# the same at both ends
seq 200000 | head -c 1048576 >"$tmp/pattern"

# ---- guest b: the kernel's own ---------------------------------------------

tunnel_b() { # ENDPOINT
	ip link del other 2>/dev/null
	ip link add other type ipip local 192.0.2.2 remote "$1" ttl 64
	ip addr add 10.9.0.2/32 dev other
	ip link set other up
	ip route add 10.9.0.1 dev other src 10.9.0.2
}

guest_b() {
	ip addr add 192.0.2.2/24 dev wire0
	ip link set wire0 up
	ip route add 10.0.1.0/24 via 192.0.2.1
	# the way back to h, as long as a is an encapsulator alone: not tunnelled
	must modprobe ipip
	tunnel_b 10.0.1.1
	ip route add 10.1.0.0/24 via 192.0.2.1 src 10.9.0.2
	background alone init "$TUNL_TOP/tests/stream" serve 7 "$tmp/pattern" 1
	must poll 60 grep -q ready "$tmp/alone"
	must barrier alone
	must barrier alone-done 120
	check "encapsulator alone: every byte arrived" grep -q received "$tmp/alone"

	ip route replace 10.1.0.0/24 dev other src 10.9.0.2
	background there init "$TUNL_TOP/tests/stream" serve 7 "$tmp/pattern" "$MIB"
	must poll 10 grep -q ready "$tmp/there"
	must barrier both
	check "from the kernel's end through a shrinking path: every byte arrived" \
		"$TUNL_TOP/tests/stream" send 10.1.0.2 7 "$tmp/pattern" "$MIB"
	must barrier both-done 120
	check "to the kernel's end through a shrinking path: every byte arrived" \
		grep -q received "$tmp/there"

	must barrier nat
	tunnel_b 192.0.2.1
	must barrier nat-ready
	must barrier nat-done 120
	ip link del other
	# with tunnel4 it would be port unreachable, which says nothing (RFC 2003 §4.1)
	must rmmod ipip tunnel4
	must barrier gone
	must barrier gone-done 60
}

# ---- guest a: ours, and a router -------------------------------------------

# What the router takes, in both directions.
shrink() { # MTU
	ip route replace 192.0.2.2 dev wire0 mtu "$1"
	ip route replace 10.0.1.1 dev veth0 mtu "$1"
}

told() { # MTU BYTES NS [PING-OPTION...]
	ns "$3" ping -n -M "do" -c 1 -W 1 -s $(($2 - 28)) "${@:4}" 10.9.0.2 >"$tmp/echo" 2>&1
	cat "$tmp/echo"
	grep -Eq "(message too long, mtu=|Frag needed and DF set \(mtu = )$1\b" "$tmp/echo" ||
		# ping of 2024 and later leaves the number out, where it is the own stack that knows
		{ grep -q "Message too long" "$tmp/echo" && [ "$(path_mtu "$3" 10.9.0.2)" = "$1" ]; }
}

echoes() { ns "$1" ping -n -M "$2" -c 3 -i 0.1 -W 5 -s $(($3 - 28)) 10.9.0.2; } # NS do|dont BYTES

hops() { # what traceroute prints, an address a hop
	ns h traceroute -n -I -q 1 -w 3 -m 6 10.9.0.2 | awk 'NR > 1 { print $2 $5 }' | paste -sd' '
}

# shellcheck disable=SC2016
relayed() { ns a awk '$1 == "icmp_relayed" { print $2 }' /proc/net/tunl; }

guest_a() {
	local ns before begin done_mib=0

	must load tunnel
	check_not "the encapsulator is alone" loaded ipip
	netns_add h a
	veth h eth0 a eth0
	veth a eth1 init veth0
	ip -n h addr add 10.1.0.2/24 dev eth0
	ip -n a addr add 10.1.0.1/24 dev eth0
	ip -n a addr add 10.0.1.1/24 dev eth1
	ip addr add 10.0.1.254/24 dev veth0
	ip addr add 192.0.2.1/24 dev wire0
	ip link set wire0 up
	ip route add 10.1.0.0/24 via 10.0.1.1
	ip -n h route add default via 10.1.0.1
	ip -n a route add default via 10.0.1.254
	sysctl_set init net.ipv4.ip_forward 1
	sysctl_set a net.ipv4.ip_forward 1
	for ns in init a; do sysctl_set "$ns" net.ipv4.icmp_ratelimit 0; done
	tunl_add a tunl 10.9.0.1 192.0.2.2
	ip -n a route add 10.9.0.2 dev tunl
	must barrier alone

	shrink 1300
	check "encapsulator alone: the path MTU is learned, and h told" poll 10 told 1280 1400 h
	check "encapsulator alone: what fits arrives" echoes h 'do' 1280
	check "encapsulator alone: without DF all arrive" echoes h dont 1400
	forget h a
	check "encapsulator alone: TCP" ns h timeout 60 "$TUNL_TOP/tests/stream" send 10.9.0.2 7 "$tmp/pattern" 1
	must barrier alone-done

	shrink 1500
	forget h a
	must load ipip
	background here h "$TUNL_TOP/tests/stream" serve 7 "$tmp/pattern" "$MIB"
	must poll 10 grep -q ready "$tmp/here"
	must barrier both
	before=$(relayed)
	begin=$(dev_counter a tunl tx_bytes)
	background there h "$TUNL_TOP/tests/stream" send 10.9.0.2 7 "$tmp/pattern" "$MIB"
	past() { [ "$(dev_counter a tunl tx_bytes)" -gt $((begin + ($1 << 20))) ]; }
	for mtu in 1400 1280 576; do
		poll 30 past $((done_mib += 4))
		shrink "$mtu"
	done
	sent() { ! kill -0 "$1" 2>/dev/null; }
	check "TCP in both directions ends" poll 90 sent "$last_pid"
	check "to the kernel's end: the sender is content" test ! -s "$tmp/there"
	check "errors were relayed" test "$(relayed)" -gt "$before"
	must barrier both-done 90

	shrink 1300
	forget h a
	tracepath() { ns h tracepath -n -m 4 10.9.0.2; }
	check "tracepath finds the path MTU" grep -q 'Resume: pmtu 1280 hops 2' <<<"$(tracepath)"
	check_eq "traceroute: one hop" "$(hops)" "10.1.0.1 10.9.0.2"
	ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl ttl=0
	check_eq "traceroute with the inner packet's TTL: a hop for each router inside" \
		"$(hops)" "10.1.0.1 10.1.0.1 10.9.0.2"
	ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl ttl=64

	# b sees everything from 10.9.0.1, and the outer packets from 192.0.2.1
	ns a nft -f - <<-EOF
		table ip nat { chain post {
			type nat hook postrouting priority srcnat;
			oifname "tunl" masquerade
		}; }
	EOF
	nft -f - <<-EOF
		table ip nat { chain post {
			type nat hook postrouting priority srcnat;
			oifname "wire0" ip protocol 4 masquerade
		}; }
	EOF
	must barrier nat
	must barrier nat-ready
	forget h a
	check "NAT inside and outside: packets flow" echoes h dont 600
	check "NAT inside and outside: h is told" poll 10 told 1280 1400 h
	check "NAT inside and outside: what fits arrives" echoes h 'do' 1280
	# NAT's reassembly and all: what is fragmented outside comes through
	check "NAT inside and outside: without DF all arrive" echoes h dont 1400
	must barrier nat-done
	must barrier gone
	check "NAT inside and outside: nobody decapsulates there, and h learns it" \
		grep -q "Destination Host Unreachable" <<<"$(ns h ping -n -c 2 -W 2 10.9.0.2)"
	must barrier gone-done
}

"guest_$ROLE"
barrier end
ktap_end
