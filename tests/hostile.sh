#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=200
#
# Packets of which anything may be wrong, many of them (tests/hostile.c).  What
# goes in comes out, or is in exactly one counter; and nothing breaks.
#
#   a ── eth0 10.0.0.1 ═════ 10.0.0.2 eth0 ── b ── eth1 10.2.0.1 ═════ eth0 ── c
#   └── tunl 10.9.0.1          10.9.0.2 tunl ─┘                    10.2.0.2

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

: "${HOSTILE_COUNT:=20000}" "${HOSTILE_SEEDS:=1994}"

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
ip -n a route add 10.9.0.2 dev tunl
ip -n a route add 10.2.0.0/24 dev tunl
ip -n b route add 10.9.0.1 dev tunl
for ns in a b; do sysctl_set $ns net.ipv4.ip_forward 1; done
# so that nothing but our own frames is in the counters
sysctl_set b net.ipv4.ip_early_demux 0

mac() { ns "$1" cat /sys/class/net/eth0/address; }
sum_of() { awk 'NF == 2 && $2 ~ /^[0-9]+$/ { n += $2 } END { printf "%d\n", n }'; }
decapsulated() { ns b tail -n +2 /proc/net/ipip | sum_of; }
encapsulated() {
	{
		ns a ethtool -S tunl | sed -n 's/^ *tx_drop.*: /x /p'
		echo "x $(dev_counter a tunl tx_packets)"
	} | sum_of
}
heard() { ns a cat /proc/net/tunl | sum_of; }

hostile() { # NS DEVICE MODE SEED OUTER-SRC OUTER-DST INNER-SRC INNER-DST MAC
	ns "$1" "$tmp/hostile" "$2" "$3" "$4" "$HOSTILE_COUNT" "${@:5}"
}
# once again: an error about one of the packets before may still be to be told
alive() { poll 10 ns a ping -n -c 1 -W 2 10.9.0.2; }
risen() { [ $(($($1) - $2)) = "$3" ]; } # FUNCTION BEFORE BY

check "before: a reaches b" alive
for seed in $HOSTILE_SEEDS; do
	was=$(decapsulated)
	sent=$(hostile a eth0 wrapped "$seed" 10.0.0.1 10.0.0.2 10.9.0.1 10.2.0.2 "$(mac b)")
	check "seed $seed: $sent wrapped packets: each is in one counter of ipip.ko" \
		poll 10 risen decapsulated "$was" "$sent"
	note "decapsulator: $(ns b tail -n +2 /proc/net/ipip | paste -sd' ')"

	was=$(encapsulated)
	sent=$(hostile a tunl inner "$seed" 10.0.0.1 10.0.0.2 10.9.0.1 10.2.0.2 "$(mac b)")
	check "seed $seed: $sent packets for the tunnel: each is sent or in one counter" \
		poll 10 risen encapsulated "$was" "$sent"

	was=$(heard)
	# tunnelled before, so that path MTUs can be learned and forgotten
	sent=$(hostile b eth0 icmp "$seed" 10.0.0.1 10.0.0.2 10.9.0.1 10.2.0.2 "$(mac a)")
	few() { [ $(($(heard) - was)) -gt $((sent / 10)) ] && [ $(($(heard) - was)) -le "$sent" ]; }
	check "seed $seed: $sent ICMP errors: none counted twice" few
	note "ICMP: $(ns a paste -sd' ' /proc/net/tunl)"
	forget a

	sent=$(hostile a eth0 outer "$seed" 10.0.0.1 10.0.0.2 10.9.0.1 10.2.0.2 "$(mac b)")
	check "seed $seed: after $sent with the wrapper wrong too, a reaches b" alive
	sent=$(hostile a tunl gso "$seed" 10.0.0.1 10.0.0.2 10.9.0.1 10.2.0.2 "$(mac b)")
	check "seed $seed: after $sent with lies about segments, a reaches b" alive
	check "seed $seed: which there were" test "$sent" -gt $((HOSTILE_COUNT / 50))
done

ktap_end
