#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300
#
# What the RFCs ask of a packet on its way in and out that no other test shows:
# fragments, TTL, options, loops, carrier.
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
#                             └── tunl 10.9.0.1                 10.9.0.2 tunl ──┘
#                                                               10.2.0.1 eth1 ── c

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

load ipip
load tunnel
path_of_four
netns_add c
veth b eth1 c eth0
ip -n b addr add 10.2.0.1/24 dev eth1
ip -n c addr add 10.2.0.2/24 dev eth0
ip -n c route add default via 10.2.0.1
tunl_add a tunl 10.9.0.1 10.0.2.1
tunl_add b tunl 10.9.0.2 10.0.1.1
for route in 10.9.0.2 10.2.0.0/24; do ip -n a route add $route dev tunl; done
for route in 10.9.0.1 10.1.0.0/24; do ip -n b route add $route dev tunl; done
sysctl_set b net.ipv4.ip_forward 1
for ns in a b; do sysctl_set $ns net.ipv4.icmp_ratelimit 0; done

# From r, packets as a would send them; what comes out on b's tunl.
wrapped=(outer.src=10.0.1.1 outer.dst=10.0.2.1 src=10.1.0.2 dst=10.9.0.2)
leave() { wire carry r b/tunl "${wrapped[@]}" "$@"; }
brief() { grep -o 'lost\|inner=[a-z]*\|arrived=[0-9]*' | paste -sd' '; }

rises() { # NS GROUP NAME COMMAND...: by how much the counter does
	local before
	before=$(snmp "$1" "$2" "$3")
	"${@:4}" >/dev/null
	echo $(($(snmp "$1" "$2" "$3") - before))
}

# --- fragments of the outer packet

whole="inner=same arrived=1"
check_eq "outer fragments in order" \
	"$(leave size=1400 outer.pieces=0-600,600-1200,1200-1420 | brief)" "$whole"
check_eq "outer fragments in reverse" \
	"$(leave size=1400 outer.pieces=1200-1420,600-1200,0-600 | brief)" "$whole"
check_eq "the first fragment of 8 bytes" \
	"$(leave size=1400 outer.pieces=0-8,8-1420 | brief)" "$whole"
check_eq "a fragment that comes twice" \
	"$(leave size=1400 outer.pieces=0-600,0-600,600-1420 | brief)" "$whole"
# shellcheck disable=SC2016
delivered() { ns b awk '/^delivered/ { n += $2 } END { print n }' /proc/net/ipip; }
was=$(delivered)
before=$(snmp b IpExt ReasmOverlaps)
fails=$(snmp b Ip ReasmFails)
check_eq "overlapping fragments: nothing comes out" \
	"$(leave size=1400 wait=0.5 outer.pieces=0-600,592-1200,1200-1420)" lost
check_eq "and the overlap is counted" "$(snmp b IpExt ReasmOverlaps)" $((before + 1))
check "and the failure" test "$(snmp b Ip ReasmFails)" -gt "$fails"
sysctl_set b net.ipv4.ipfrag_time 1
before=$(snmp b Ip ReasmTimeout)
check_eq "an incomplete packet: nothing comes out" \
	"$(leave size=1400 wait=0.5 outer.id=2 outer.pieces=0-600,1200-1420)" lost
timed_out() { [ "$(snmp b Ip ReasmTimeout)" -gt "$before" ]; }
check "and that is counted when its time is over" poll 10 timed_out
check_eq "nothing of those was decapsulated" "$(delivered)" "$was"
sysctl_set b net.ipv4.ipfrag_time 30

# A path of fragments that a router made: CE on one of them is CE (RFC 3168 §5.3).
check "congestion marked on one fragment arrives" \
	grep -q tos=0x03 <<<"$(leave size=1400 tos=2 outer.tos=2 outer.id=3 outer.pieces=0-600,600-1420:3)"

# --- fragments inside

check "an inner fragment passes as it is, in" \
	grep -q ' mf=1 frag=0 .* inner=same' <<<" $(leave mf=1)"
check "and a later one" grep -q ' mf=0 frag=800 .* inner=same' <<<" $(leave frag=800)"
check "forwarded too, not reassembled on the way" \
	grep -q ' mf=1 frag=800 ' <<<" $(wire carry r c/eth0 "${wrapped[@]}" dst=10.2.0.2 mf=1 frag=800 size=80)"
check "and out" grep -q ' inner.mf=1 inner.frag=800 ' \
	<<<" $(wire carry h r/eth0 src=10.1.0.2 dst=10.2.0.2 mf=1 frag=800 size=80)"
check_eq "an inner fragment in outer fragments" \
	"$(leave mf=1 frag=800 size=800 outer.id=4 outer.pieces=0-400,400-820 | brief)" "$whole"

# --- options

check_eq "options of the outer header are of no account" \
	"$(leave outer.opt=0101010101010100 | brief)" "$whole"
check_eq "a recorded route neither, which routers write into" \
	"$(leave outer.opt=070b04000000000000000000 | brief)" "$whole"
check "options inside stay, in" grep -q ' ihl=7 .* inner=same' <<<" $(leave opt=9404000001010100)"

# --- TTL (RFC 2003 §3.1)

check_eq "entry, forwarded with TTL 1: time exceeded, not tunnelled" \
	"$(sent=$(dev_counter a tunl tx_packets)
	wire carry h h/eth0 src=10.1.0.2 dst=10.9.0.2 ttl=1 | grep -o 'icmp=[0-9/]*'
	echo $(($(dev_counter a tunl tx_packets) - sent)))" $'icmp=11/0\n0'
check "entry, forwarded with TTL 2: inside it is 1" \
	grep -q ' ttl=63 .* inner.ttl=1 ' <<<" $(wire carry h b/eth0 src=10.1.0.2 dst=10.9.0.2 ttl=2) "
check "exit, TTL 1 to this host: delivered" \
	grep -q ' ttl=1 .* inner=same' <<<" $(leave ttl=1)"
check_eq "exit, TTL 1 to be forwarded: time exceeded, to the inner source" \
	"$(wire carry a a/tunl src=10.9.0.1 dst=10.2.0.2 ttl=1 | grep -o 'src=10.9.0.2 .* icmp=[0-9/]*' |
		sed 's/ .* / /')" "src=10.9.0.2 icmp=11/0"
check "exit, TTL 2 to be forwarded: 1 there" \
	grep -q ' ttl=1 ' <<<" $(wire carry a c/eth0 src=10.9.0.1 dst=10.2.0.2 ttl=2) "

# --- loops (RFC 2003 §3.2)

# The endpoint routes to us what we route to it.
ip -n a addr add 10.3.0.1/24 dev eth0
ip -n a route add 10.8.0.0/24 dev tunl
before=$(tx_counter a tunl tx_drop_loop_source)
ip -n r route add 10.8.0.0/24 via 10.0.1.1
sysctl_set a net.ipv4.conf.all.rp_filter 0
ip -n b route add 10.8.0.0/24 via 10.0.2.254
check_eq "a packet from the endpoint is not sent back to it: its sender is told" \
	"$(wire carry b b/eth0 src=10.0.2.1 dst=10.8.0.1 | grep -o 'icmp=[0-9/]*')" icmp=3/1
check_eq "and it is counted" "$(tx_counter a tunl tx_drop_loop_source)" $((before + 1))
before=$(dev_counter a tunl tx_packets)
check_eq "our own outer packet, come back: not wrapped again" \
	"$(wire carry r r/eth0 wait=0.5 outer.src=10.0.1.1 outer.dst=10.8.0.1 src=10.9.0.1 dst=10.9.0.2)" lost
check_eq "nor sent otherwise" "$(dev_counter a tunl tx_packets)" "$before"

# --- carrier

flag() { ip -n a link show dev tunl | grep -q "[<,]$1[,>]"; } # NO-CARRIER
no_flag() { ! flag "$1"; }
check "carrier below: no NO-CARRIER" no_flag NO-CARRIER
ip -n r link set eth0 down
check "the card below loses its carrier: NO-CARRIER" poll 5 flag NO-CARRIER
ip -n r link set eth0 up
check "and has it back: so has the tunnel" poll 5 no_flag NO-CARRIER
errors=$(dev_counter a tunl tx_carrier_errors)
ip -n a link set eth1 down
check "the card below goes down: NO-CARRIER" poll 5 flag NO-CARRIER
check "and still senders are told" \
	grep -q icmp=3/1 <<<"$(wire carry h h/eth0 src=10.1.0.2 dst=10.9.0.2)"
check_eq "and carrier errors counted" "$(dev_counter a tunl tx_carrier_errors)" $((errors + 1))
ip -n a link set eth1 up
ip -n a route add 10.0.2.0/24 via 10.0.1.254
check "it comes up again: so does the tunnel" poll 5 no_flag NO-CARRIER
ip -n a link set eth1 mtu 1400
small() { [ "$(mtu a tunl)" = 1380 ]; }
check "and the MTU of the card is followed without a packet" poll 5 small
ip -n a link set eth1 down
poll 5 flag NO-CARRIER
ip -n a link set tunl broadcast 0.0.0.0
ip -n a addr flush dev tunl
check "without an endpoint nothing is known of a carrier" poll 5 no_flag NO-CARRIER
ip -n a link set eth1 up
ip -n a addr add 10.9.0.1 peer 10.0.1.254 dev tunl # on the card's own net
ip -n a link set eth1 down
check "with one it is, again" poll 5 flag NO-CARRIER
ip -n a link set eth1 up
check "NO-CARRIER ends" poll 5 no_flag NO-CARRIER
ip -n a link set eth1 down
poll 5 flag NO-CARRIER
ip -n a link del eth1
check "nor when the card is gone" poll 5 no_flag NO-CARRIER

ktap_end
