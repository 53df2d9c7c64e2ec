#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=240 core=yes
#
# Every field of the outer header on the way in, and what an outer header does
# to the inner one on the way out.
#
#              10.0.1.1      10.0.1.2
#   tunl ── a ─── va ═══════════ vb ─── b ── tunl
#             └── vc ═══════════ vd ──┘
#              10.0.3.1      10.0.3.2
#
#   inner: 10.9.0.1 (a), 10.9.0.2 (b)

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

# Put an inner packet onto a's tunnel as it is, and catch the outer one at b.
enter() {
	out=$(wire carry a/tunl b/vb src=10.9.0.1 dst=10.9.0.2 "$@")
}

# Send b an outer packet, and catch the inner one on b's tunnel.
leave() {
	out=$(wire carry a b/tunl src=10.9.0.1 dst=10.9.0.2 \
		outer.src=10.0.1.1 outer.dst=10.0.1.2 "$@")
}

# All of these FIELD=VALUE are in the answer.
got() {
	local field

	echo "$out"
	for field; do
		[[ " $out " == *" $field "* ]] || return 1
	done
}


load ipip
load tunnel
netns_add a b
veth a va b vb
veth a vc b vd
ip -n a addr add 10.0.1.1/24 dev va
ip -n a addr add 10.0.3.1/24 dev vc
ip -n b addr add 10.0.1.2/24 dev vb
ip -n b addr add 10.0.3.2/24 dev vd
tunl_add a tunl 10.9.0.1 10.0.1.2
ip -n a route add 10.9.0.2 dev tunl
tunl_add b tunl 10.9.0.2 10.0.1.1
ip -n b route add 10.9.0.1 dev tunl

# --- the way in

enter tos=0 df=1 id=4711 ttl=61
check "version 4, header of 20 bytes" got version=4 ihl=5
check "total length" got len=right
check "protocol 4" got proto=4
check "header checksum" got sum=right
check "TTL 64, whatever the inner one is" got ttl=64
check "source: the address of the interface it leaves by" got src=10.0.1.1
check "destination: the pointopoint address" got dst=10.0.1.2
check "inner DF sets outer DF" got df=1
check "inner ID unchanged" got inner.id=4711
check "no other fragment bits" got mf=0 frag=0
check "inner packet unchanged" got inner=same inner.ttl=61

enter tos=0xb8 df=0 times=24
check "all of 24 packets without DF arrive" got arrived=24
check "their outer DF is clear" got df=0
check "each has an ID of its own" got ids=24
check "inner packets without DF unchanged" got inner=same inner.id=1
check "DSCP copied" got tos=0xb8

# Many at once, from several processors: each takes them in blocks. Headers are
# enough, and the capture's buffer holds them all.
capture b vb "$tmp/ids.pcap" -s 64 'ip proto 4 and src 10.0.1.1'
pings=() processors=$(nproc)
[ "$processors" -le 4 ] || processors=4
for ((cpu = 0; cpu < processors; cpu++)); do
	ns a taskset -c $cpu ping -q -M dont -f -l 32 -c 1500 10.9.0.2 >"$tmp/ping.$cpu" &
	pings+=($!)
done
wait "${pings[@]}"
capture_stop
tcpdump -vnr "$tmp/ids.pcap" 2>/dev/null |
	sed -n 's/.* id \([0-9]*\), .*proto IPIP.*/\1/p' >"$tmp/ids"
check "most of $processors times 1500 packets without DF were captured" \
	test "$(wc -l <"$tmp/ids")" -gt $((1000 * processors))
check_eq "each has an ID of its own" "$(sort "$tmp/ids" | uniq -d | wc -l)" 0

# Also with DF, which routers on the way may clear.
enter df=1 times=24
check "all of 24 packets with DF arrive" got arrived=24 df=1
check "with DF each has an ID of its own, too" got ids=24

# One sequence of them for each processor, also where each packet's route is looked up.
capture b vb "$tmp/ids.pcap" -s 64 'ip proto 4 and src 10.0.1.1'
for i in 1 2 3 4 5; do
	ip -n a route add "192.0.2.$i" dev vc
	ns a taskset -c 0 ping -q -M 'do' -c 1 -W 5 10.9.0.2 >/dev/null
done
capture_stop
check_eq "with DF they follow one another, where routes are forgotten" "$(
	tcpdump -vnr "$tmp/ids.pcap" 2>/dev/null | sed -n 's/.* id \([0-9]*\), .*proto IPIP.*/\1/p' |
		awk 'NR > 1 { printf "%d ", ($1 - last + 65536) % 65536 } { last = $1 }'
)" "1 1 1 1 "
for i in 1 2 3 4 5; do
	ip -n a route del "192.0.2.$i" dev vc
done

for tos in 0x28 0x29 0x2a 0x2b; do
	enter tos=$tos
	check "ECN $((tos & 3)) copied, and DSCP" got tos=$tos inner.tos=$tos inner=same
done

# RFC 791 router alert, and an end of options
enter opt=9404000001010100 df=1
check "inner options stay inside" got version=4 ihl=5 inner.ihl=7 inner=same
check "total length and checksum with inner options" got len=right sum=right

# A large packet: does length go beyond one byte, does DF hold
enter size=1440 df=1
check "1460 bytes: length and checksum" got len=right sum=right inner=same
enter size=0 df=1
check "a bare inner header: length and checksum" got len=right sum=right inner=same

# An inner packet that is a tunnel packet itself
out=$(wire carry a/tunl b/vb src=10.9.0.1 dst=10.9.0.2 size=8 \
	outer.src=10.9.0.1 outer.dst=10.9.0.2 outer.tos=0x04)
check "protocol 4 inside is carried like any other" \
	got tos=0x04 inner=same inner.proto=4

was=$(tx_counter a tunl tx_drop_ttl_zero)
enter ttl=0 wait=0.5
check_eq "inner TTL 0 is not encapsulated" "$out" lost
check_eq "and counted" "$(tx_counter a tunl tx_drop_ttl_zero)" $((was + 1))
enter ttl=1
check "inner TTL 1 is" got ttl=64 inner.ttl=1 inner=same

# The route decides, not the order of the interfaces or the tunnel's address.
ip -n a route add 10.0.1.2 via 10.0.3.2 dev vc
out=$(wire carry a/tunl b/vd src=10.9.0.1 dst=10.9.0.2)
check "endpoint routed another way: source is that interface's" \
	got src=10.0.3.1 dst=10.0.1.2
ip -n a route replace 10.0.1.2 dev va src 10.0.3.1
enter
check "a route with a preferred source: source is that" got src=10.0.3.1
ip -n a route del 10.0.1.2
enter
check "route gone again: source as before" got src=10.0.1.1

# --- the way out

leave ttl=9 tos=0x20 outer.tos=0x00
check "inner packet comes out unchanged" got inner=same ttl=9 tos=0x20

was=$(rx_counter b drop_ttl_zero)
leave ttl=0 wait=0.5
check_eq "inner TTL 0 is discarded" "$out" lost
check_eq "and counted" "$(rx_counter b drop_ttl_zero)" $((was + 1))

# RFC 6040, figure 4: by inner and outer, what comes out. - is dropped.
ecn=(Not-ECT 'ECT(1)' 'ECT(0)' CE)
table='
0 0 0   0 2 0   0 1 0   0 3 -
2 0 2   2 2 2   2 1 1   2 3 3
1 0 1   1 2 1   1 1 1   1 3 3
3 0 3   3 2 3   3 1 3   3 3 3'
packets=()
for triple in $(tr -s '\n' ' ' <<<"$table" | xargs -n 3 | tr ' ' ,); do
	IFS=, read -r inner outer _ <<<"$triple"
	packets+=(-- "tos=$((0x48 + inner))" "outer.tos=$((0x10 + outer))")
done
was=$(rx_counter b drop_ecn)
leave wait=1 "${packets[@]}"
mapfile -t outs <<<"$out"
for triple in $(tr -s '\n' ' ' <<<"$table" | xargs -n 3 | tr ' ' ,); do
	IFS=, read -r inner outer expected <<<"$triple"
	out=${outs[0]}
	outs=("${outs[@]:1}")
	what="ECN out: inner ${ecn[inner]}, outer ${ecn[outer]}"
	if [ "$expected" = - ]; then
		check_eq "$what: dropped" "$out" lost
	else
		check "$what: ${ecn[expected]}, DSCP kept, checksum right" \
			got "tos=$(printf '0x%02x' $((0x48 + expected)))" sum=right
	fi
done
check_eq "the dropped one is counted" "$(rx_counter b drop_ecn)" $((was + 1))

# --- module parameters: the header of 1994

ip -n a link del tunl
ip -n b link del tunl
unload tunnel
load tunnel ttl=0 pmtudisc=N
tunl_add a tunl 10.9.0.1 10.0.1.2
enter ttl=7 df=1 tos=0
check "ttl=0: outer TTL is the inner one" got ttl=7 inner=same
enter ttl=200 df=1
check "ttl=0: that of each packet" got ttl=200
check "pmtudisc=N: never DF outside" got df=0 inner.df=1
enter df=1 times=16
check "pmtudisc=N: then each packet needs an ID" got ids=16 arrived=16

ktap_end
