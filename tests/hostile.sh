#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=200 core=yes
#
# Packets of which anything may be wrong, many of them (tests/hostile.c).  What
# goes in comes out, or is in exactly one counter; and nothing breaks.
#
#   a ── eth0 10.0.0.1 ═════ 10.0.0.2 eth0 ── b ── eth1 10.2.0.1 ═════ eth0 ── c
#   └── tunl 10.9.0.1          10.9.0.2 tunl ─┘ └─ tap0             10.2.0.2
#   └── gue, ext: the same in UDP, and with endpoints from tc

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

seed=${TUNL_SEED:-1994} packets=${TUNL_PACKETS:-100000}
each=$((packets / 16)) # kinds of them
total=0

must gcc -O2 -Wall -Wextra -Werror -o "$tmp/hostile" "$TUNL_TOP/tests/hostile.c"
load ipip
load tunnel
netns_add a b c
veth a eth0 b eth0
veth b eth1 c eth0
ip -n a addr add 10.0.0.1/24 dev eth0
ip -n b addr add 10.0.0.2/24 dev eth0
ip -n b addr add 10.2.0.1/24 dev eth1
ip -n c addr add 10.2.0.2/24 dev eth0
ip -n c route add default via 10.2.0.1
tunl_add a tunl 10.9.0.1 10.0.0.2
tunl_add b tunl 10.9.0.2 10.0.0.1
# what comes in UDP, and labels too
for module in fou mpls_router; do must modprobe $module; done
must ns b ip fou add port 5555 ipproto 4
must ns b ip fou add port 5556 gue
must ns b /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl proto=0
sysctl_set b net.mpls.platform_labels 100
sysctl_set b net.mpls.conf.tunl.input 1
ip -n b link set lo up
for ((i = 16; i < 24; i++)); do
	ip -n b -f mpls route add $i dev lo
	ip -n b -f mpls route add $((i + 8)) as $i via inet 10.2.0.2 dev eth1
done
must ip -n a link add gue type ipip remote 10.0.0.2 encap gue encap-sport auto encap-dport 5556 \
	encap-csum encap-remcsum
must ip -n a link add ext type ipip external
for dev in gue ext; do ip -n a link set $dev up; done
must tc -n a qdisc add dev ext clsact
must tc -n a filter add dev ext egress matchall action tunnel_key set src_ip 10.0.0.1 dst_ip 10.0.0.2 id 1
ip -n a route add 10.9.0.2 dev tunl
ip -n a route add 10.2.0.0/24 dev tunl
ip -n b route add 10.9.0.1 dev tunl
for ns in a b; do sysctl_set $ns net.ipv4.ip_forward 1; done
# so that nothing but our own frames is in the counters
sysctl_set b net.ipv4.ip_early_demux 0

mac() { ns "$1" cat /sys/class/net/eth0/address; }
sum_of() { awk 'NF == 2 && $2 ~ /^[0-9]+$/ { n += $2 } END { printf "%d\n", n }'; }
decapsulated() { ns b tail -n +2 /proc/net/ipip | sum_of; }
encapsulated() { # of all devices
	local dev
	for dev in tunl gue ext; do
		ns a ethtool -S $dev | sed -n 's/^ *tx_drop.*: /x /p'
		echo "x $(dev_counter a $dev tx_packets)"
	done | sum_of
}
heard() { ns a cat /proc/net/tunl | sum_of; }

# Sets $sent, how many the kernel took.
hostile() { # NS DEVICE MODE MAC
	sent=$(ns "$1" "$tmp/hostile" "$2" "$3" "$seed" "$each" 10.0.0.1 10.0.0.2 10.9.0.1 10.2.0.2 "$4")
	total=$((total + ${sent:-0}))
}
# once again: an error about one of the packets before may still be to be told
alive() { poll 10 ns a ping -n -c 1 -W 2 10.9.0.2; }
risen() { [ $(($($1) - $2)) = "$3" ]; } # FUNCTION BEFORE BY
most() { [ "${sent:-0}" -gt $((each * 9 / 10)) ]; }

wrapped() { # NS DEVICE MODE MAC WHAT
	local was
	was=$(decapsulated)
	hostile "$1" "$2" "$3" "$4"
	check "$sent $5: most of them taken" most
	check "$sent $5: each is in one counter of ipip.ko" poll 10 risen decapsulated "$was" "$sent"
}

note "seed $seed"
check "before: a reaches b" alive

wrapped a eth0 wrapped "$(mac b)" "wrapped packets"
wrapped a eth0 pieces "$(mac b)" "wrapped packets in fragments"
# In memory of several pieces each: a tap that makes them so.
[ -e /dev/net/tun ] || must modprobe tun
must ns b ip tuntap add tap0 mode tap
must ns b ip link set tap0 up
tap_mac=$(ns b cat /sys/class/net/tap0/address)
wrapped b tap:tap0 wrapped "$tap_mac" "wrapped packets in pieces of memory"
wrapped b tap:tap0 pieces "$tap_mac" "fragments in pieces of memory"
# Shared with a tap.
background taps b tcpdump -n -i any -w /dev/null
poll 20 grep -q 'listening on' "$tmp/taps"
wrapped a eth0 wrapped "$(mac b)" "wrapped packets, tapped"
kill "$last_pid"
wrapped a eth0 fou "$(mac b)" "packets in UDP"
wrapped a eth0 labels "$(mac b)" "labels"
hostile a eth0 gue "$(mac b)"
check "after $sent behind GUE headers that may be wrong, a reaches b" alive
check "which there were" most
note "decapsulator: $(ns b tail -n +2 /proc/net/ipip | paste -sd' ')"

was=$(encapsulated)
hostile a tunl inner "$(mac b)"
check "$sent packets for the tunnel: most of them taken" most
check "$sent packets for the tunnel: each is sent or in one counter" poll 10 risen encapsulated "$was" "$sent"
for dev in gue ext; do
	was=$(encapsulated)
	hostile a $dev inner "$(mac b)"
	check "$sent packets for $dev: most of them taken" most
	check "$sent packets for $dev: each is sent or in one counter" poll 10 risen encapsulated "$was" "$sent"
	check "$dev has sent some" test "$(dev_counter a $dev tx_packets)" -gt $((sent / 10))
done
background taps a tcpdump -n -i any -w /dev/null
poll 20 grep -q 'listening on' "$tmp/taps"
was=$(encapsulated)
hostile a tunl inner "$(mac b)"
check "$sent packets for the tunnel, tapped: each is sent or in one counter" poll 10 risen encapsulated "$was" "$sent"
kill "$last_pid"

was=$(heard)
# tunnelled before, so that path MTUs can be learned and forgotten
hostile b eth0 icmp "$(mac a)"
few() { [ $(($(heard) - was)) -gt $((sent / 10)) ] && [ $(($(heard) - was)) -le "$sent" ]; }
check "$sent ICMP errors: most of them taken" most
check "$sent ICMP errors: none counted twice" few
note "ICMP: $(ns a paste -sd' ' /proc/net/tunl)"
forget a

hostile a eth0 outer "$(mac b)"
check "after $sent with the wrapper wrong too, a reaches b" alive
check "which there were" test "$sent" -gt $((each / 2))
for dev in tunl gue ext; do
	hostile a $dev gso "$(mac b)"
	check "$dev: after $sent with lies about segments, a reaches b" alive
	check "which there were" test "$sent" -gt $((each / 50))
done
tally packets "$total"

ktap_end
