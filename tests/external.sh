#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300
#
# One device for any number of endpoints, which come with each packet: from its
# route (`encap ip`), from tc, from BPF; and go along with each that is received.
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1, .2
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
#                             └── ext 10.9.0.1

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

nl() { ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" "$@"; }
no_device() { ! ip -n a link show dev "$1"; }
outer() { # FIELD=VALUE... -- ARGUMENT-OF-WIRE...: carried from a, those at r
	arrives_as a r/eth0 "$@" src=10.9.0.1
}
from() { # OUTER-SOURCE INNER-SOURCE [DEV [FIELD=VALUE]]: how many of two such are received there
	local before
	before=$(dev_counter a "${3:-ext}" rx_packets)
	wire send r "outer.src=$1" outer.dst=10.0.1.1 "src=$2" dst=10.9.0.1 times=2 "${@:4}"
	sleep 0.3
	echo $(($(dev_counter a "${3:-ext}" rx_packets) - before))
}

must load ipip
must load tunnel
path_of_four
for dev in all default eth1; do sysctl_set a net.ipv4.conf.$dev.rp_filter 0; done
ip -n b addr add 10.0.2.2/24 dev eth0
must modprobe act_tunnel_key

# --- kind ipip, as the kernel's

check "ip link add external" ip -n a link add ext type ipip external
check "ip -d link shows it" grep -q 'ipip external' <<<"$(ip -n a -d link show ext)"
check "what is dumped can be sent back" nl echo ext
# kernels before 6.2 have no room for a text made up for the occasion
named='kernel log says why'
[ "$(printf '%s\n' 6.2 "$(uname -r)" | sort -V | head -n 1)" != 6.2 ] || named='ext is external already'
check "a second one is refused, by name" says "$named" ip -n a link add bad type ipip external
check "endpoints of its own too" says "EINVAL: external: local, remote" \
	nl add bad kind=ipip 19= remote=10.0.2.1
check "a change too" says "cannot be changed" nl change ext kind=ipip 19= ttl=9
check "to become one, too" says "cannot be changed" sh -c \
	"ip -n a link add plain type ipip remote 10.0.2.1 && ip -n a link set plain type ipip external"
ip -n a link del plain
check "and a link address" says "external: local" ip -n a link set ext address 10.0.1.1
check "no device was made" no_device bad
ip -n a link set ext up
ip -n a addr add 10.9.0.1/32 dev ext

ip -n a route add 10.9.1.0/24 encap ip id 5 dst 10.0.2.1 ttl 9 tos 0x10 dev ext
ip -n a route add 10.9.2.0/24 encap ip dst 10.0.2.2 src 10.0.1.1 dev ext
ip -n a route add 10.9.3.0/24 dev ext
check "a route names the endpoint, TTL and TOS" outer dst=10.0.2.1 src=10.0.1.1 proto=4 ttl=9 tos=0x12 inner=same \
	-- dst=10.9.1.1 tos=0xb2
check "another route, another" outer dst=10.0.2.2 ttl=33 tos=0x02 df=0 inner.df=1 inner=same \
	-- dst=10.9.2.1 ttl=33 tos=0xb2 df=1
check "again: the route is remembered" outer dst=10.0.2.2 arrived=3 -- dst=10.9.2.1 times=3
dropped=$(tx_counter a ext tx_drop_no_endpoint)
check "without any, the sender is told" grep -q icmp=3/1 \
	<<<"$(ip -n h route replace default via 10.1.0.1; sysctl_set a net.ipv4.ip_forward 1
	wire carry h h/eth0 src=10.1.0.2 dst=10.9.3.1)"
check_eq "and the drop counted" "$(tx_counter a ext tx_drop_no_endpoint)" $((dropped + 1))
ip -n a route add 10.9.4.0/24 encap ip dst 10.77.0.1 dev ext
ip -n a route add 10.77.0.0/24 dev ext
check "routed through itself: dropped by name" test \
	"$(wire send a src=10.9.0.1 dst=10.9.4.1; tx_counter a ext tx_drop_loop_self)" -ge 1
wire send a src=10.9.0.1 dst=10.9.4.1
check_eq "each time" "$(tx_counter a ext tx_drop_loop_self)" 2

tc -n a qdisc add dev ext clsact
tc -n a filter add dev ext egress protocol ip flower dst_ip 10.9.3.9 \
	action tunnel_key set src_ip 10.0.1.1 dst_ip 10.0.2.2 id 7 ttl 77
check "tc names the endpoint" outer dst=10.0.2.2 ttl=77 inner=same -- dst=10.9.3.9
tc -n a filter add dev ext egress protocol ip flower dst_ip 10.9.3.8 \
	action tunnel_key set src_ip 10.0.1.1 dst_ip 10.88.0.1 id 7
check "and of one without a route: no route" test "$(wire send a src=10.9.0.1 dst=10.9.3.8
	tx_counter a ext tx_drop_no_route)" -ge 1

# A program may give an outer source that is not the host's.
must mkdir "$tmp/bpf"
must mount -t bpf bpf "$tmp/bpf"
must "$TUNL_TOP/tests/packets" tunnel-key 10.0.2.2 192.0.2.77 "$tmp/bpf/key"
must tc -n a filter add dev ext egress prio 1 bpf direct-action object-pinned "$tmp/bpf/key"
check "BPF names the endpoint, and a source that a does not have" outer dst=10.0.2.2 src=192.0.2.77 ttl=64 inner=same \
	-- dst=10.9.3.7
check "without DF" outer dst=10.0.2.2 df=0 inner.df=1 -- dst=10.9.3.7 df=1
must "$TUNL_TOP/tests/packets" tunnel-key 10.0.2.2 10.0.1.1 "$tmp/bpf/df" 4
must tc -n a filter replace dev ext egress prio 1 handle 1 bpf direct-action object-pinned "$tmp/bpf/df"
check "BPF names DF" outer dst=10.0.2.2 src=10.0.1.1 df=1 inner.df=0 -- dst=10.9.3.7
must tc -n a filter del dev ext egress prio 1

# --- received: from anybody, with the outer header

tc -n a filter add dev ext ingress protocol ip flower enc_src_ip 10.0.2.1 enc_dst_ip 10.0.1.1 action pass
tc -n a filter add dev ext ingress protocol ip flower enc_src_ip 10.0.2.2 action pass
matched() { # packets that went by each filter
	tc -n a -s -j filter show dev ext ingress | /usr/bin/python3 -IS -c '
import json, sys
found = {}
for rule in json.load(sys.stdin):
    for action in rule.get("options", {}).get("actions", []):
        found[rule["options"]["keys"]["enc_src_ip"]] = action["stats"]["packets"]
print(*(found[key] for key in sorted(found)))'
}
check_eq "from one" "$(from 10.0.2.1 10.9.1.1)" 2
check_eq "from another" "$(from 10.0.2.2 10.9.1.1)" 2
check_eq "tc tells one from the other by the outer header" "$(matched)" "2 2"
dropped=$(rx_counter a drop_ecn)
wire send r outer.src=10.0.2.1 outer.dst=10.0.1.1 outer.tos=3 src=10.9.1.1 dst=10.9.0.1
check_eq "congestion that the inner packet cannot tell of: dropped" "$(rx_counter a drop_ecn)" $((dropped + 1))
if modprobe -q fou; then
	must ns a ip fou add port 5555 ipproto 4
	check_eq "in UDP, too" "$(from 10.0.2.1 10.9.1.1 ext outer.udp=999:5555)" 2
	check_eq "tc tells it by the outer header" "$(matched)" "4 2"
	must ns a ip fou del port 5555
	must rmmod fou
fi

# BPF gives packets a mark that says what their metadata does.
must "$TUNL_TOP/tests/packets" mark-df "$tmp/bpf/mark"
must tc -n a filter add dev ext ingress prio 1 bpf direct-action object-pinned "$tmp/bpf/mark"
must ns a nft -f - <<-'EOF'
	table ip told {
		set marks { type mark; flags dynamic; }
		chain pre { type filter hook prerouting priority raw; iifname "ext" update @marks { meta mark }; }
	}
EOF
told() { # DF: marks of a packet whose outer header has it
	ns a nft flush set ip told marks
	from 10.0.2.1 10.9.1.1 ext "outer.df=$1" >/dev/null
	ns a nft list set ip told marks | sed -n 's/.*elements = { \(.*\) }/\1/p'
}
if [ "$(told 0)" = 0x00000006 ]; then
	result 0 "# SKIP this kernel does not tell programs the flags of metadata"
else
	check_eq "metadata says that the outer header had DF" "$(told 1)" 0x00000004
	check_eq "metadata says that the outer header had no DF" "$(told 0)" 0x00000005
fi
must tc -n a filter del dev ext ingress prio 1
must ns a nft delete table ip told
must umount "$tmp/bpf"

ip -n a link add fixed type ipip remote 10.0.2.1
ip -n a link set fixed up
check_eq "a device with that remote goes first" "$(from 10.0.2.1 10.9.1.1 fixed)" 2
check_eq "others' packets do not go there" "$(from 10.0.2.2 10.9.1.1 fixed)" 0
check_eq "but here" "$(from 10.0.2.2 10.9.1.1)" 2
ip -n a link del fixed
sysctl_set a net.ipv4.ipip.deliver ingress
check_eq "deliver=ingress does not take it from the device" "$(from 10.0.2.2 10.9.1.1)" 2
sysctl_set a net.ipv4.ipip.deliver device

# --- errors from inside

for ns in a r; do sysctl_set $ns net.ipv4.icmp_ratelimit 0; done
error=(error.src=10.0.1.254 error.dst=10.0.1.1 error.type=3 error.code=1
	outer.src=10.0.1.1 outer.dst=10.0.2.1 src=10.1.0.2)
check "told to the sender, whose packet's route names that endpoint" \
	grep -q icmp=3/1 <<<"$(wire carry r h/eth0 "${error[@]}" dst=10.9.1.1)"

# --- what belongs to one netns is nothing to another's underlay

# One action, and what it remembers, for devices over a's network and over r's.
must ip -n r link add other type ipip external
must ip -n r link set other netns a
ip -n a link set other up
ip -n a route add 10.9.6.0/24 dev other
tc -n a qdisc add dev other clsact
tc -n a filter add dev ext egress protocol ip prio 1 flower dst_ip 10.9.3.6 \
	action tunnel_key set src_ip 0.0.0.0 dst_ip 10.0.2.2 id 7 ttl 77 index 1994
tc -n a filter add dev other egress protocol ip prio 1 flower dst_ip 10.9.6.6 action tunnel_key index 1994
at_b() { # OUTER-SOURCE INNER-DESTINATION
	arrives_as a b/eth0 "src=$1" dst=10.0.2.2 inner=same -- src=10.9.0.1 "dst=$2"
}
taskset -pc 0 $$ >/dev/null # each processor remembers for itself
check "from a, by way of r" at_b 10.0.1.1 10.9.3.6
check "the same action, from r" at_b 10.0.2.254 10.9.6.6
check "and again from a" at_b 10.0.1.1 10.9.3.6
taskset -pc 0-1023 $$ >/dev/null
ip -n a link del other

ip -n a rule add fwmark 7 to 10.0.2.0/24 unreachable
dropped=$(tx_counter a ext tx_drop_no_route)
ns a ping -q -c 1 -W 0.2 -m 7 10.9.1.1 >/dev/null
check_eq "a mark chooses the route to the endpoint" "$(tx_counter a ext tx_drop_no_route)" $((dropped + 1))
netns_add g
must ip -n a link set ext netns g
ip -n g link set ext up
ip -n g addr add 10.9.0.1/32 dev ext
ip -n g route add 10.9.1.0/24 encap ip dst 10.0.2.1 dev ext
dropped=$(tx_counter g ext tx_drop_no_route) sent=$(dev_counter g ext tx_packets)
ns g ping -q -c 1 -W 0.2 -m 7 10.9.1.1 >/dev/null
check_eq "not one from another netns" "$(tx_counter g ext tx_drop_no_route)" "$dropped"
check_eq "it is sent" "$(dev_counter g ext tx_packets)" $((sent + 1))
ip -n g link del ext
ip -n a rule del fwmark 7 to 10.0.2.0/24 unreachable

# --- kind ipip without: a route names the endpoint all the same

ip -n a link add nbma type ipip ttl 5
ip -n a link set nbma up
ip -n a addr add 10.9.0.1/32 dev nbma
ip -n a route add 10.9.1.0/24 encap ip dst 10.0.2.2 ttl 99 dev nbma
check "not external: the route's endpoint, the device's TTL" outer dst=10.0.2.2 ttl=5 -- dst=10.9.1.1
ip -n a link del nbma

# --- kind tunl: whom the routes name, and nobody else

check "kind tunl, external" nl add ext 19=
ip -n a link set ext up
ip -n a addr add 10.9.0.1/32 dev ext
ip -n a route add 10.9.1.0/24 encap ip dst 10.0.2.1 dev ext
check "a route names the endpoint; DF is the inner packet's" outer dst=10.0.2.1 df=1 -- dst=10.9.1.1 df=1
check_eq "its packets are believed, of sources that are routed to it" "$(from 10.0.2.1 10.9.1.7)" 2
check_eq "no others" "$(from 10.0.2.1 10.9.2.7)" 0
check_eq "nor another's" "$(from 10.0.2.2 10.9.1.7)" 0
check "those are refused" test "$(rx_counter a drop_refused)" -ge 4
check "a pointopoint address is no endpoint" \
	grep -q 'peer 0.0.0.0' <<<"$(ip -n a addr add 10.9.5.1 peer 10.0.2.2 dev ext; ip -n a link show ext)"
check "and keeps its route" grep -q '^10.0.2.2 .*scope link' <<<"$(ip -n a route show dev ext)"

ip -n a link del ext
check "pmtudisc=N" nl add ext 19= pmtudisc=0
ip -n a link set ext up
ip -n a addr add 10.9.0.1/32 dev ext
ip -n a route add 10.9.1.0/24 encap ip dst 10.0.2.1 dev ext
check "never DF, as without external" outer dst=10.0.2.1 df=0 inner.df=1 -- dst=10.9.1.1 df=1
df() { # a packet whose metadata has DF, and is too big: what its error comes to
	local before
	before=$(ns a cat /proc/net/tunl)
	wire send r "${error[@]}" error.code=4 error.mtu=1300 outer.df=1 size=1400 dst=10.9.1.1
	sleep 0.3
	ns a cat /proc/net/tunl | diff <(echo "$before") - | sed -n 's/^> \([^ ]*\) .*/\1/p' | tr '\n' ' '
}
check_eq "what brought DF with it has its error heard" "$(df)" "icmp_deferred "

# A container chooses no endpoints, by whatever metadata.
ip -n a link add given type tunl
background container init unshare -U -r -n sleep 600
container=$last_pid
other_user() { [ "$(readlink "/proc/$container/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
must poll 10 other_user
inside() { nsenter -t "$container" -U -n --preserve-credentials "$@"; }
ip -n a link del given
must nl add given 19=
ip -n a link set given netns "$container"
inside ip link set lo up
inside ip link set given up
inside ip addr add 10.9.7.1/24 dev given
inside ip route add 10.9.8.0/24 encap ip dst 10.0.2.2 dev given
inside ping -q -c 1 -W 1 10.9.8.1 >/dev/null
check "a container chooses no endpoints" \
	test "$(inside ethtool -S given | awk '$1 == "tx_drop_no_endpoint:" { print $2 }')" -ge 1

ktap_end
