#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300 core=yes
#
# The device: its shape, its coming and going, where it may be.
#
#       10.0.1.1    10.0.1.2
#   a ── eth0 ═══════ eth0 ── b ── tunl 10.9.0.2, for whoever is 10.9.0.1
#   └─ eth1 ═══════ eth0 ── c ── tunl 10.9.0.3
#       10.0.2.1    10.0.2.2
#
#   m: an empty namespace, for devices to move to

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

echoes() { ns "$1" ping -n -c 1 -W 10 "$2"; } # NS ADDRESS

# a's tunnel to b, in place, and packets flowing through it without end.
endpoint_a() { # NS DEV
	ip -n "$1" addr replace 10.9.0.1 peer 10.0.1.2 dev "$2" &&
		ip -n "$1" link set "$2" up &&
		ip -n "$1" route replace 10.9.0.2 dev "$2"
}

flood_end() {
	kill "$last_pid" 2>/dev/null
	wait "$last_pid" 2>/dev/null
}

flows() { # NS DEV [COUNTER]
	local before
	before=$(dev_counter "$1" "$2" "${3:-tx_packets}")
	more() { [ "$(dev_counter "$@")" -gt $((before + 20)) ]; }
	poll 10 more "$1" "$2" "${3:-tx_packets}"
}

no_device() { ! ns "$1" ip link show dev "$2"; } # NS DEV

load ipip
load tunnel

# --- as insmod leaves it

shown=$(ip -d link show tunl)
check "flags POINTOPOINT and NOARP, down" grep -q '<POINTOPOINT,NOARP>' <<<"$shown"
check "link/ipip, no addresses" grep -q 'link/ipip 0.0.0.0 .*0.0.0.0' <<<"$shown"
check "mtu 1480, no queue" grep -q 'mtu 1480 qdisc noop ' <<<"$shown"
check "kind tunl" grep -qw tunl <<<"${shown#*tunl}"
features=$(ethtool -k tunl)
for feature in scatter-gather tx-checksumming tcp-segmentation-offload \
	generic-segmentation-offload; do
	check "$feature on" grep -q "^$feature: on" <<<"$features"
done
# Visible while it was a feature flag, on 6.1.
if grep -q tx-lockless <<<"$features"; then
	check "lockless transmit" grep -q '^tx-lockless: on' <<<"$features"
fi
ip link set tunl up
check "no queue either when up" grep -q 'qdisc noqueue' <<<"$(ip link show tunl)"
check "ethtool -S names the drops" grep -q tx_drop_loop_self <<<"$(ethtool -S tunl)"
check "deleted" ip link del tunl
check "and created again" ip link add tunl type tunl
check_not "the same name twice is refused" ip link add tunl type tunl
check "renamed" ip link set tunl name other
check "created beside it" ip link add tunl type tunl
ip link del other

# --- two at once, each in a namespace

netns_add a b c m
veth a eth0 b eth0
veth a eth1 c eth0
ip -n a addr add 10.0.1.1/24 dev eth0
ip -n a addr add 10.0.2.1/24 dev eth1
ip -n b addr add 10.0.1.2/24 dev eth0
ip -n c addr add 10.0.2.2/24 dev eth0
check "created in a namespace" tunl_add b tunl 10.9.0.2 10.0.1.1
tunl_add c tunl 10.9.0.3 10.0.2.1
ip -n b route add 10.9.0.1 dev tunl
ip -n c route add 10.9.0.1 dev tunl
ip -n a link add tunl type tunl
endpoint_a a tunl
tunl_add a second 10.9.0.1 10.0.2.2
ip -n a route add 10.9.0.3 dev second
check "two tunnels: one carries" echoes a 10.9.0.2
check "two tunnels: the other carries" echoes a 10.9.0.3

stats() { # DEV: packets and bytes, out and in
	local name
	for name in tx_packets tx_bytes rx_packets rx_bytes; do
		dev_counter a "$1" $name
	done | xargs
}
read -r tp tb rp rb <<<"$(stats tunl)"
second=$(stats second)
ns a ping -n -q -c 3 -i 0.1 -W 10 -s 472 10.9.0.2 >/dev/null
check_eq "statistics: inner packets and bytes, both ways" "$(stats tunl)" \
	"$((tp + 3)) $((tb + 1500)) $((rp + 3)) $((rb + 1500))"
check_eq "statistics: the other device's did not move" "$(stats second)" "$second"
ip -n a link del second

# --- moved: packets still leave where it was created

ip -n a link set tunl netns m
endpoint_a m tunl
check "moved: it carries, from a namespace without another way out" \
	echoes m 10.9.0.2
check "moved: ip says where its packets are" \
	grep -q 'link-netns a' <<<"$(ip -n m -d link show tunl)"
ip -n m link set tunl netns a
endpoint_a a tunl
check "moved back: it carries" echoes a 10.9.0.2

# --- made in a namespace that is not its underlay: moved at once, or there from the
# beginning (6.15)

# a number for it there, if the device that was moved has not brought one
ip -n m netns set a auto 2>/dev/null
check "link-netns: made away from its underlay" ip -n m link add away link-netns a type ipip remote 10.0.2.2
ip -n m addr add 10.9.0.1/32 dev away
ip -n m link set away up
ip -n m route add 10.9.0.3 dev away
check "link-netns: packets leave by the underlay that was asked for" echoes m 10.9.0.3
check "link-netns: ip says which that is" grep -q 'link-netns a' <<<"$(ip -n m -d link show away)"
ip -n m link del away

# --- changes under traffic

flood() { background flood "$1" ping -n -f -q 10.9.0.2; }

flood a
check "traffic" flows a tunl
old=tunl
for name in x y tunl; do
	ip -n a link set $old down
	ip -n a link set $old name $name
	endpoint_a a $name
	old=$name
done
check "renamed three times under traffic: it flows" flows a tunl
for ((i = 0; i < 4; i++)); do
	ip -n a link set tunl netns m
	ip -n m link set tunl up
	ip -n m link set tunl netns a
	endpoint_a a tunl
done
check "moved away and back under traffic, four times: it flows" flows a tunl
for ((i = 0; i < 6; i++)); do
	ip -n a addr replace 10.9.0.1 peer 10.0.1.2 dev tunl
	ip -n a addr add 10.9.0.9 peer 10.0.2.2 dev tunl
	ip -n a link set tunl broadcast 10.0.1.2
	ip -n a link set tunl broadcast 0.0.0.0
	ip -n a addr del 10.9.0.9 peer 10.0.2.2 dev tunl
done
endpoint_a a tunl
check "endpoint changed under traffic: it flows" flows a tunl
for ((i = 0; i < 4; i++)); do
	ip -n a link del tunl
	ip -n a link add tunl type tunl
	endpoint_a a tunl
done
check "deleted and created under traffic, four times: it flows" flows a tunl
for ((i = 0; i < 3; i++)); do
	ip -n b link del tunl
	tunl_add b tunl 10.9.0.2 10.0.1.1
	ip -n b route add 10.9.0.1 dev tunl
done
# By what the flood gets: another ping's socket overflows with that.
check "the far end too: answers come back" flows a tunl rx_packets
flood_end

# A namespace with tunnels goes while it forwards into one: nobody is inside.
netns_add f
veth a eth2 f eth0
veth f eth1 b eth1
ip -n a addr add 10.0.3.1/24 dev eth2
ip -n f addr add 10.0.3.2/24 dev eth0
ip -n f addr add 10.0.4.1/24 dev eth1
ip -n b addr add 10.0.4.2/24 dev eth1
sysctl_set f net.ipv4.ip_forward 1
for ((i = 1; i <= 4; i++)); do
	tunl_add f tunl$i 10.9.$i.1 10.0.4.2
done
ip -n f route add 10.9.0.2 dev tunl1
ip -n a route replace 10.9.0.2 via 10.0.3.2
flood a
check "traffic forwarded into a tunnel" flows f tunl1
ip netns del f
gone() { no_device a eth2; }
check "its namespace deleted: gone" poll 20 gone
flood_end
ip -n a link set tunl up
endpoint_a a tunl

# --- the underlay goes first

netns_add u
tunl_add u moved 10.9.5.1 10.0.5.2
ip -n u link set moved netns m
ip -n m link set moved up
check "a device away from its underlay" ip -n m link show moved
ip netns del u
gone() { no_device m moved; }
check "the underlay's namespace deleted: the device goes with it" poll 20 gone

# --- root of a user namespace, nobody outside

as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
if ! as_nobody unshare -Urn true; then
	skip "no unprivileged user namespaces here"
fi
# shellcheck disable=SC2016
check "root of a user namespace can have a tunnel of its own" \
	as_nobody unshare -Urn sh -ec '
		ip link add mine type tunl
		ip addr add 10.9.0.1 peer 10.0.1.2 dev mine
		ip link set mine up
		ip link show mine | grep "peer 10.0.1.2"
		ip link set mine broadcast 10.0.1.3
		ip link set mine address 10.0.1.1
		ip link show mine | grep "link/ipip 10.0.1.1 peer 10.0.1.3"'

background nobody init setpriv --reuid 65534 --regid 65534 --clear-groups \
	unshare -Urn sleep 1000
nobody=$last_pid
elsewhere() { [ "$(readlink "/proc/$nobody/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
poll 10 elsewhere
as_root_there() { nsenter -t "$nobody" -U -n "$@"; }
poll 10 as_root_there ip link set lo up
ip link add given type tunl
check "a device of the host is moved into it" ip link set given netns "$nobody"
klog_mark
as_root_there ip addr add 10.9.0.1 peer 10.0.1.2 dev given
as_root_there ip link set given up
no_peer() { as_root_there ip link show given | tee "$tmp/given" && grep -q "ipip 0.0.0.0 peer 0.0.0.0" "$tmp/given"; }
check "a pointopoint address there is no endpoint" no_peer
check "a line says so" klog_has 'given: pointopoint address 10.0.1.2 is not used'
as_root_there ip link set given broadcast 10.0.1.2
check "link broadcast there is put back" no_peer
check "a line says so" klog_has 'given: 10.0.1.2 cannot be the remote'
reason=$(as_root_there ip link set given address 10.0.1.1 2>&1)
check "link address there is refused, and the reason given" \
	grep -q 'CAP_NET_ADMIN is needed' <<<"$reason"
check_not "netlink attributes there are refused" \
	as_root_there /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" \
	change given remote=10.0.1.2
check "nothing of that stuck" no_peer
as_root_there ip route add 10.9.0.2 via 10.0.1.2 dev given onlink
as_root_there ping -n -c 1 -W 1 10.9.0.2 >/dev/null
check "a gateway there is no endpoint" \
	grep -q 'tx_drop_no_endpoint: [1-9]' <<<"$(as_root_there ethtool -S given)"
check "it can be deleted there" as_root_there ip link del given

ktap_end
