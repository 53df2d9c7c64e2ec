#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=400
#
# Where outer packets go, or why they go nowhere.
#
#      10.1.0.2   10.1.0.1      10.0.1.1      10.0.1.2
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══════ eth0 ── b ── tunl 10.9.0.2
#          10.9.0.1 tunl ──┤ └─ eth2 ═══════ eth0 ── c ── tunl 10.9.0.3
#                                10.0.2.1      10.0.2.2

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

B=10.0.1.2 C=10.0.2.2

# All of these words are in what ip says of a's tunnel.
link_says() { ip -n a -d link show tunl | tee "$tmp/link" && grep -q -- "$1" "$tmp/link"; }
addr() { ip -n a addr "$@" dev tunl; }
route() { ip -n a route "$@"; }

no_connected_route() {
	route show table all dev tunl | grep -v '^\(local\|broadcast\) '
	[ -z "$(route show dev tunl)" ]
}

has_route() { route show "$1" | tee "$tmp/route"; grep -q "dev tunl" "$tmp/route"; }

# A packet handed to the tunnel arrives at b or c, in a wrapper addressed to it.
goes_to() { # b|c [SOURCE]
	out=$(wire carry a/tunl "$1/eth0" src=10.9.0.1 dst=10.9.0.77)
	expect_outer "$@"
}

# The same for a packet that a routing decision brings there.
routed_to() { # b|c DESTINATION
	out=$(wire carry a "$1/eth0" src=10.9.0.1 dst="$2")
	expect_outer "$1"
}

expect_outer() {
	local address=$B
	[ "$1" = b ] || address=$C
	echo "$out"
	[[ " $out " == *" proto=4 "*" dst=$address "*" inner=same "* ]] || return 1
	[ $# -lt 2 ] || [[ " $out " == *" src=$2 "* ]]
}

echoes() { ns "$1" ping -n -c 1 -W 10 "$2"; } # NS ADDRESS

# The sender is told at once that there is no way.
unreachable() { # NS FROM
	ns "$1" ping -n -c 1 -W 10 10.9.0.2 | tee "$tmp/echo"
	grep -q "From $2 .*Destination Host Unreachable" "$tmp/echo"
}

# COUNTER grew by N during COMMAND.
counted() { # DEV COUNTER N COMMAND...
	local dev=$1 name=$2 by=$3 before after
	before=$(tx_counter a "$dev" "$name")
	shift 3
	"$@" || return
	after=$(tx_counter a "$dev" "$name")
	echo "$dev $name: $before, then $after"
	[ "$after" = $((before + by)) ]
}

load ipip
load tunnel
netns_add h a b c
veth h eth0 a eth0
veth a eth1 b eth0
veth a eth2 c eth0
ip -n h addr add 10.1.0.2/24 dev eth0
ip -n a addr add 10.1.0.1/24 dev eth0
ip -n a addr add 10.0.1.1/24 dev eth1
ip -n a addr add 10.0.2.1/24 dev eth2
ip -n b addr add $B/24 dev eth0
ip -n c addr add $C/24 dev eth0
ip -n h route add default via 10.1.0.1
sysctl_set a net.ipv4.ip_forward 1
tunl_add b tunl 10.9.0.2 10.0.1.1
tunl_add c tunl 10.9.0.3 10.0.2.1
ip -n b route add 10.9.0.1 dev tunl
ip -n c route add 10.9.0.1 dev tunl
ip -n a link add tunl type tunl

# --- the pointopoint address

ns a ifconfig tunl 10.9.0.1 pointopoint $B
check "ifconfig: the pointopoint address is the endpoint" goes_to b 10.0.1.1
check "ifconfig: ip link shows it" link_says "link/ipip 0.0.0.0 peer $B"
check "ifconfig: no connected route" no_connected_route
ns a ifconfig tunl netmask 255.255.255.0
check "netmask: no connected route" no_connected_route
check "netmask: still the endpoint" goes_to b
ns a ifconfig tunl pointopoint $C
check "pointopoint replaced" goes_to c 10.0.2.1
check "pointopoint replaced: no connected route" no_connected_route
ns a ifconfig tunl down
ns a ifconfig tunl up
check "down and up: still the endpoint" goes_to c
check "down and up: no connected route" no_connected_route

# The ioctls bring the same address back as an ordinary one.
ns a ifconfig tunl 10.9.0.7
ns a ifconfig tunl netmask 255.255.255.0
check "an ordinary address again: no endpoint" link_says "peer 0.0.0.0"
check "an ordinary address again: its connected route" has_route 10.9.0.0/24
ns a ifconfig tunl 10.9.0.1 pointopoint $B netmask 255.255.255.0
ns a ifconfig tunl dstaddr 10.9.0.1
ns a ifconfig tunl netmask 255.255.255.128
check "pointopoint taken back: its connected route" has_route 10.9.0.0/25
ip -n a addr flush dev tunl

addr add 10.9.0.1 peer $B
check "ip: the peer is the endpoint" goes_to b 10.0.1.1
check "ip: no connected route" no_connected_route
addr del 10.9.0.1 peer $B
addr add 10.9.0.1 peer $B/24
check "ip, /24: the peer is the endpoint" goes_to b
check "ip, /24: no connected route" no_connected_route

addr add 10.20.0.1/24
check "a plain address beside it keeps its connected route" has_route 10.20.0.0/24
check "and does not change the endpoint" goes_to b
addr add 10.9.0.5 peer $C
check "a second pointopoint address does not either" goes_to b
addr del 10.9.0.1 peer $B/24
check "the first one gone: the second is the endpoint" goes_to c
addr del 10.9.0.5 peer $C
check "both gone: none" link_says "peer 0.0.0.0"
addr add 10.9.0.5 peer $C
check "after the plain one: the endpoint" goes_to c
ip -n a addr flush dev tunl

addr add 10.9.0.1 peer 239.1.1.1
check "multicast is no endpoint" link_says "peer 0.0.0.0"
ip -n a addr flush dev tunl

# --- the gateway

addr add 10.9.0.1/32
ip -n a link set tunl up
route add 10.9.0.2 via $B dev tunl onlink
route add 10.9.0.3 via $C dev tunl onlink
check "gateway: one peer" routed_to b 10.9.0.2
check "gateway: another peer through the same device" routed_to c 10.9.0.3
check "gateway: one answers" echoes a 10.9.0.2
check "gateway: the other answers" echoes a 10.9.0.3
route add 10.9.0.4 dev tunl
check "no gateway and no endpoint: counted" \
	counted tunl tx_drop_no_endpoint 2 \
	wire send a src=10.9.0.1 dst=10.9.0.4 times=2
addr add 10.9.0.5 peer $B
check "pointopoint wins over gateway" routed_to b 10.9.0.3
addr del 10.9.0.5 peer $B
check "taken back: the gateway again" routed_to c 10.9.0.3

# --- ip link set broadcast, address

addr add 10.9.0.5 peer $B
ip -n a link set tunl broadcast $C
check "link broadcast: the explicit remote, before pointopoint" goes_to c 10.0.2.1
addr add 10.9.0.6 peer 10.9.0.99
check "with an explicit remote a peer has its connected route" has_route 10.9.0.99
addr del 10.9.0.6 peer 10.9.0.99
for bad in 239.1.1.1 255.255.255.255; do
	klog_mark
	ip -n a link set tunl broadcast $bad
	check "link broadcast $bad is put back" link_says "peer $C"
	check "link broadcast $bad: a line says so" \
		klog_has "tunl: $bad cannot be the remote .*keeping $C"
	check "link broadcast $bad: the endpoint is as before" goes_to c
done
ip -n a link set tunl broadcast 0.0.0.0
check "link broadcast 0.0.0.0: the pointopoint address again" goes_to b

ip -n a addr add 10.0.1.9/24 dev eth1
check "link address is accepted" ip -n a link set tunl address 10.0.1.9
check "link address: the outer source" goes_to b 10.0.1.9
check "link address: ip link shows it" link_says "link/ipip 10.0.1.9 peer $B"
ip -n a link set tunl broadcast 10.0.1.9
check "a remote that is the local address is put back" link_says "10.0.1.9 peer $B"
check_not "link address: multicast is refused" \
	ip -n a link set tunl address 239.1.1.1
check "and changes nothing" goes_to b 10.0.1.9
ip -n a link set tunl address 192.0.2.9
check "a source that is not ours: counted as without route" \
	counted tunl tx_drop_no_route 1 wire send a/tunl src=10.9.0.1 dst=10.9.0.2
ip -n a link set tunl address 0.0.0.0
check "link address 0.0.0.0: routing chooses again" goes_to b 10.0.1.1
ip -n a addr del 10.0.1.9/24 dev eth1

# --- no endpoint, no route

ip -n a addr flush dev tunl
addr add 10.9.0.1/32
route add 10.9.0.2 dev tunl
ip -n h neigh flush all
check "no endpoint: the local sender is told" \
	counted tunl tx_drop_no_endpoint 1 unreachable a 10.9.0.1
check "no endpoint: a forwarded sender is told" \
	counted tunl tx_drop_no_endpoint 1 unreachable h 10.1.0.1

ip -n a addr flush dev tunl
addr add 10.9.0.1 peer 192.0.2.1
route add 10.9.0.2 dev tunl
errors=$(dev_counter a tunl tx_carrier_errors)
check "no route to the endpoint: the local sender is told" \
	counted tunl tx_drop_no_route 1 unreachable a 10.9.0.1
check "no route to the endpoint: a forwarded sender is told" \
	counted tunl tx_drop_no_route 1 unreachable h 10.1.0.1
check_eq "no route to the endpoint: carrier errors" \
	"$(dev_counter a tunl tx_carrier_errors)" $((errors + 2))
route add blackhole 192.0.2.1
check "a blackhole on the way is no route either" \
	counted tunl tx_drop_no_route 1 wire send a/tunl src=10.9.0.1 dst=10.9.0.2
route del blackhole 192.0.2.1
route add 192.0.2.1 via $B
check "a route appears: packets flow" \
	grep -q dst=192.0.2.1 <<<"$(wire carry a/tunl b/eth0 src=10.9.0.1 dst=10.9.0.2)"

# --- loops

few() { # REGEX: at least one line, but not a flood
	klog | grep -E -- "$1"
	[ "$(klog_count "$1")" -ge 1 ] && [ "$(klog_count "$1")" -le 10 ]
}

route del 192.0.2.1
route add 192.0.2.1 dev tunl
klog_mark
check "endpoint through the tunnel itself: dropped and counted" \
	counted tunl tx_drop_loop_self 100 \
	wire send a/tunl src=10.9.0.1 dst=10.9.0.2 times=100
check "a line names device and endpoint, but not for every packet" \
	few 'tunl: endpoint 192\.0\.2\.1 is routed through tunl itself'
flood=$SECONDS

tunl_add a one 10.9.1.1 192.0.2.11
tunl_add a two 10.9.2.1 192.0.2.12
route add 192.0.2.11 dev two
route add 192.0.2.12 dev one
both() { # of the two tunnels together
	local before after
	before=$(($(tx_counter a one "$1") + $(tx_counter a two "$1")))
	wire send a/one src=10.9.0.1 dst=10.9.0.2 times=100
	after=$(($(tx_counter a one "$1") + $(tx_counter a two "$1")))
	echo "$1: $before, then $after"
	[ "$after" = $((before + 100)) ]
}
# The limit is for all such lines of the kernel: ten in five seconds.
fresh() { [ $((SECONDS - flood)) -ge 6 ]; }
poll 10 fresh
klog_mark
check "two tunnels in a circle: dropped and counted" both tx_drop_loop_nested
check "a line says so, but not for every packet" \
	few '(one|two): packet has been through .* tunnels'
sizes="$(mtu a one) $(mtu a two)"
wire send a/two src=10.9.0.1 dst=10.9.0.2 times=10
check_eq "they do not shrink each other's MTU for ever" \
	"$(mtu a one) $(mtu a two)" "$sizes"
ip -n a link del one
ip -n a link del two

# --- what is not an IPv4 packet

ipv6=60000000000000ff$(printf '%064d' 0)
check "IPv6 is counted" counted tunl tx_drop_protocol 3 \
	wire send a/tunl ethertype=0x86dd "bytes=$ipv6" times=3
check "less than a header is counted" counted tunl tx_drop_malformed 1 \
	wire send a/tunl bytes=4500001400
check "a wrong version is counted" counted tunl tx_drop_malformed 1 \
	wire send a/tunl src=10.9.0.1 dst=10.9.0.2 version=6
check "a header length below 20 is counted" counted tunl tx_drop_malformed 1 \
	wire send a/tunl src=10.9.0.1 dst=10.9.0.2 ihl=4
check_eq "these are errors of the device" \
	"$(($(dev_counter a tunl tx_errors) > 0))" 1

ktap_end
