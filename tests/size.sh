#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=400
#
# Sizes: what fits, what is told to the sender of what does not, and the
# device's own MTU.
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
#                             └── tunl 10.9.0.1                 10.9.0.2 tunl ──┘

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

# Echo requests that are packets of that many bytes.
echo_df() { # NS BYTES [COUNT [SECONDS to wait for the last]]
	ns "$1" ping -n -M "do" -c "${3:-1}" -i 0.05 -W "${4:-10}" -s $(($2 - 28)) 10.9.0.2
}

echo_nodf() {
	ns "$1" ping -n -M dont -c "${3:-1}" -i 0.05 -W 10 -s $(($2 - 28)) 10.9.0.2
}

replies() { snmp "$1" Icmp InEchoReps; } # that NS has received, ever

# All of them answered, also those that ping gave up on (it does not wait long
# for the others once one has come).
all_echo() { # FUNCTION NS BYTES COUNT
	local before
	before=$(replies "$2")
	"$@"
	answered() { [ "$(replies "$1")" -eq $((before + $2)) ]; }
	poll 10 answered "$2" "$4"
}

# The sender learns that MTU, from its own stack or from an ICMP error.
told() { # MTU NS BYTES
	echo_df "$2" "$3" 1 1 >"$tmp/echo" 2>&1
	cat "$tmp/echo"
	grep -Eq "(message too long, mtu=|Frag needed and DF set \(mtu = )$1\b" "$tmp/echo" ||
		# ping of 2024 and later leaves the number out, where it is the own stack that knows
		{ grep -q "Message too long" "$tmp/echo" && [ "$(path_mtu "$2" 10.9.0.2)" = "$1" ]; }
}

mtu_is() { [ "$(mtu a "$1")" = "$2" ]; }

# One packet for whoever watches the packets; whether it arrives is no matter.
one_packet() { wire send a/tunl src=10.9.0.1 dst=10.9.0.2; }

# The MTU follows from the next packet on.
follows() { # MTU
	one_packet
	poll 10 mtu_is tunl "$1" || { mtu a tunl; return 1; }
}

load ipip
load tunnel
path_of_four

# The order of 1994: the endpoint, then the route to it.
ip -n a link set eth1 mtu 9000
ip -n a route del 10.0.2.0/24
tunl_add a tunl 10.9.0.1 10.0.2.1
ip -n a route add 10.9.0.2 dev tunl
check_eq "endpoint not routed yet: MTU 1480" "$(mtu a tunl)" 1480
ip -n a route add 10.0.2.0/24 via 10.0.1.254
check "route to the endpoint added later: MTU follows" follows 8980

tunl_add b tunl 10.9.0.2 10.0.1.1
ip -n b route add 10.9.0.1 dev tunl
ip -n b route add 10.1.0.0/24 dev tunl

# --- the device's MTU

for size in 9000 1400 1500; do
	ip -n a link set eth1 mtu $size
	check "underlay changed to $size: MTU follows" follows $((size - 20))
	tunl_add a new 10.9.1.1 10.0.2.1
	check_eq "a new device over $size" "$(mtu a new)" $((size - 20))
	ip -n a link del new
done

ip -n a route replace 10.0.2.0/24 via 10.0.1.254 mtu 1300
check "route with an MTU of its own" follows 1280
ip -n a link set tunl mtu 1400
check_eq "set by hand" "$(mtu a tunl)" 1400
ip -n a route replace 10.0.2.0/24 via 10.0.1.254
one_packet
check_not "and then it does not follow" poll 2 mtu_is tunl 1480
ip -n a link set tunl down
ip -n a link set tunl up
check_eq "nor when it goes down and up" "$(mtu a tunl)" 1400
check "mtu 0 is allowed" ip -n a link set tunl mtu 0
ip -n a link set eth1 mtu 1450
check "and lets it follow again" follows 1430
ip -n a link set tunl mtu 1400
ip -n a link set tunl mtu 0
check "not only from the next packet on" poll 10 mtu_is tunl 1430
ip -n a link set eth1 mtu 1500
check "back to 1480" follows 1480
check_not "mtu 67 is refused" ip -n a link set tunl mtu 67
check_eq "and changes nothing" "$(mtu a tunl)" 1480
check "mtu 68 is allowed" ip -n a link set tunl mtu 68
check_not "a device cannot be created with mtu 67" \
	ip -n a link add new mtu 67 type tunl
ip -n a link add new mtu 1000 type tunl
ip -n a addr add 10.9.1.1 peer 10.0.2.1 dev new
ip -n a link set new up
check_eq "an MTU given at creation stays" "$(mtu a new)" 1000
ip -n a link del new
ip -n a link set tunl mtu 0
check "following again" follows 1480
ip -n a route add 10.9.0.2 dev tunl 2>/dev/null

# --- what fits and what does not

for ns in a h; do
	[ $ns = a ] && who=local || who=forwarded
	check "$who: 1480 bytes with DF arrive" all_echo echo_df $ns 1480 1
	check "$who: 1481 bytes with DF: the sender is told 1480" told 1480 $ns 1481
	check "$who: 1480 bytes without DF arrive" all_echo echo_nodf $ns 1480 5
	check "$who: 1481 bytes without DF arrive" all_echo echo_nodf $ns 1481 5
	check "$who: 4000 bytes without DF arrive" all_echo echo_nodf $ns 4000 5
done
forget a h

# The device's MTU is larger than what fits: now it is the driver that sees it.
ip -n a link set tunl mtu 1500
for ns in a h; do
	[ $ns = a ] && who=local || who=forwarded
	before=$(tx_counter a tunl tx_drop_too_big)
	check "$who, MTU set too large: 1480 bytes with DF arrive" \
		all_echo echo_df $ns 1480 1
	check "$who, MTU set too large: 1481 bytes with DF: told 1480" \
		told 1480 $ns 1481
	check_eq "$who, MTU set too large: counted" \
		"$(tx_counter a tunl tx_drop_too_big)" $((before + 1))
	forget a h
	check "$who, MTU set too large: 1500 bytes without DF arrive" \
		all_echo echo_nodf $ns 1500 5
done
ip -n a link set tunl mtu 0
follows 1480

# A path below 552 is locked by the kernel: DF outside would be a black hole.
ip -n a route replace 10.0.2.0/24 via 10.0.1.254 mtu lock 1300
out=$(wire carry a/tunl b/eth0 src=10.9.0.1 dst=10.9.0.2 df=1)
check "route with a locked MTU: DF stays inside" \
	grep -q ' df=0 .* inner.df=1 ' <<<" $out "
ip -n a route replace 10.0.2.0/24 via 10.0.1.254
follows 1480

# --- a router on the way with a smaller MTU

ip -n r link set eth1 mtu 1300
ip -n b link set eth0 mtu 1300
forget a h
for ns in a h; do
	[ $ns = a ] && who=local || who=forwarded
	check "$who: smaller MTU on the way, without DF all arrive" \
		all_echo echo_nodf $ns 1400 10
done
for ns in a h; do
	[ $ns = a ] && who=local || who=forwarded
	forget a h
	check "$who: a router's fragmentation needed: told 1280" \
		poll 10 told 1280 $ns 1400
	check "$who: 1280 bytes with DF arrive" all_echo echo_df $ns 1280 1
	check "$who: without DF all arrive still" all_echo echo_nodf $ns 1400 10
done
check_eq "the device's MTU did not follow that" "$(mtu a tunl)" 1480
ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl pmtudisc=0
for ns in a h; do
	[ $ns = a ] && who=local || who=forwarded
	forget a h
	check "$who, no DF outside: 1400 bytes with DF arrive over 1300" all_echo echo_df $ns 1400 3
done
ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl pmtudisc=1

# Segments of 1480 bytes, in one large packet from h to a, who knows that they
# are too big: else the router's ICMP may reach h before its next one.
check "the smaller path is known again" poll 10 told 1280 a 1400
forget h
ip -n b link set tunl mtu 1480
before=$(tx_counter a tunl tx_drop_too_big)
head -c 2000000 /dev/urandom >"$tmp/sent"
background server b socat -u TCP-LISTEN:7,reuseaddr "CREATE:$tmp/arrived"
listening() { ns b ss -Hltn 'sport = :7' | grep -q .; }
poll 10 listening
check "TCP through the smaller path ends" \
	ns h timeout 40 socat -u "OPEN:$tmp/sent" TCP:10.9.0.2:7,connect-timeout=10
same() { cmp "$tmp/sent" "$tmp/arrived"; }
check "TCP through the smaller path arrives whole" poll 10 same
check "a large segment was too big once, and that was told" \
	test "$(tx_counter a tunl tx_drop_too_big)" -gt "$before"

# --- the headroom that the device announces

tracing=/sys/kernel/tracing
realloc() { grep -c 'realloc:.*\[tunnel\]' $tracing/trace; }
# shellcheck disable=SC2016 # a word of the kernel's
if echo 'p:tunl/realloc pskb_expand_head caller=$stack0:symbol' \
	>$tracing/kprobe_events; then
	ip -n r link set eth1 mtu 1500
	ip -n b link set eth0 mtu 1500
	forget a
	echo 1 >$tracing/events/tunl/realloc/enable
	all_echo echo_df a 1000 10 >/dev/null
	check_eq "local packets have room for the outer header" "$(realloc)" 0
	# A packet socket that does not read shares the packet's data: copied.
	background hold init /usr/bin/python3 -IS "$TUNL_TOP/tests/wire.py" hold a/tunl
	poll 10 grep -q ready "$tmp/hold"
	echo_df a 1000 3 >/dev/null
	check "a copy would have been noticed" test "$(realloc)" -ge 1
	echo 0 >$tracing/events/tunl/realloc/enable
	echo >$tracing/kprobe_events
	echo >$tracing/trace
else
	note "no kprobes: not looking for reallocations"
fi

ktap_end
