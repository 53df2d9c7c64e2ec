#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=200 core=yes
#
# Stock iproute2, as for the kernel's own ipip: ip link, ip tunnel, tunl0.
#
#       10.0.1.1    10.0.1.2
#   a ── eth0 ═══════ eth0 ── b
#   a ── eth1 ═══════ eth1 ── b
#       10.0.2.1    10.0.2.2

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

# What "ip -d -j link" says of a setting.
setting() { # NS DEV NAME
	ns "$1" ip -d -j link show dev "$2" |
		/usr/bin/python3 -IS -c '
import json, sys
link = json.load(sys.stdin)[0]
print(link["linkinfo"]["info_data"].get(sys.argv[1], link.get(sys.argv[1])))' "$3"
}
no_device() { ! ns "$1" ip link show dev "$2"; } # NS DEV
tunnels() { ns a ip tunnel show; }

must load ipip
must load tunnel tunl0=1
must sysctl -qw net.core.fb_tunnels_only_for_init_net=0
netns_add a b
veth a eth0 b eth0
veth a eth1 b eth1
ip -n a addr add 10.0.1.1/24 dev eth0
ip -n b addr add 10.0.1.2/24 dev eth0
ip -n a addr add 10.0.2.1/24 dev eth1
ip -n b addr add 10.0.2.2/24 dev eth1

# --- ip link

check "ip link add type ipip" ip -n a link add t1 type ipip \
	remote 10.0.1.2 local 10.0.1.1 ttl 9 tos 0x10 fwmark 5 dev eth0 mode any
for pair in remote=10.0.1.2 local=10.0.1.1 ttl=9 tos=0x10 fwmark=0x5 proto=any \
	pmtudisc=True link=eth0; do
	check_eq "ip -d -j link: ${pair%=*}" "$(setting a t1 "${pair%=*}")" "${pair#*=}"
done
check "ip -d link shows them" grep -q \
	'ipip any remote 10.0.1.2 local 10.0.1.1 dev eth0 ttl 9 tos 0x10 pmtudisc fwmark 0x5' \
	<<<"$(ip -n a -d link show t1)"
check "ip link set changes one" ip -n a link set t1 type ipip ttl 11
check_eq "that one" "$(setting a t1 ttl)" 11
check_eq "and no other" "$(setting a t1 fwmark) $(setting a t1 tos) $(setting a t1 link)" \
	"0x5 0x10 eth0"
# kernels before 6.2 have no room for a text made up for the occasion
named='kernel log says why'
[ "$(printf '%s\n' 6.2 "$(uname -r)" | sort -V | head -n 1)" != 6.2 ] || named='t1 has this local'
check "the same endpoints again are refused, by name" says "$named" \
	ip -n a link add t2 type ipip remote 10.0.1.2 local 10.0.1.1 dev eth0
has_name() { klog_has "t1 has this local" || grep -q "t1 has this local" "$tmp/says"; }
check "the kernel log or the answer has the name" has_name
check "with another underlay device they are not" \
	ip -n a link add t2 type ipip remote 10.0.1.2 local 10.0.1.1 dev eth1
check "a change to what t1 has is refused" \
	says "$named" ip -n a link set t2 type ipip dev eth0
check "a remote taken away is refused" says "remote: none, a host or a group" \
	ip -n a link set t1 type ipip remote any
check "after all of that no device" no_device a t3
ip -n a link del t1
ip -n a link del t2

# --- ip tunnel

check "ip tunnel add" ns a ip tunnel add t1 mode ipip remote 10.0.1.2 local 10.0.1.1 ttl 64
check "ip tunnel show" grep -q '^t1: ip/ip remote 10.0.1.2 local 10.0.1.1 ttl 64' <<<"$(tunnels)"
check "shows tunl0 too" grep -q '^tunl0: any/ip remote any local any ttl inherit nopmtudisc' <<<"$(tunnels)"
check "ip tunnel change" ns a ip tunnel change t1 ttl 7 tos inherit
check "changes" grep -q '^t1: ip/ip remote 10.0.1.2 local 10.0.1.1 ttl 7 tos inherit' <<<"$(tunnels)"
check_eq "ip link shows the same" "$(setting a t1 ttl)" 7
check "ip tunnel add of the same is refused" says "File exists" \
	ns a ip tunnel add t2 mode ipip remote 10.0.1.2 local 10.0.1.1
ip -n a link add k1 type tunl
ip -n a addr add 10.9.0.9 peer 10.0.1.9 dev k1
check "ip tunnel show, kind tunl: no explicit remote" \
	grep -q '^k1: ip/ip remote any local any ttl 64 tos inherit' <<<"$(tunnels)"
check "ip tunnel change, kind tunl" ns a ip tunnel change k1 ttl 5
check_eq "keeps the pointopoint address" \
	"$(ip -n a -o link show k1 | sed 's/.*peer //')" 10.0.1.9
# Before 5.15 a device is asked for all ioctls in one place, and their requests have no
# pointer where old-style ones have it.
errno_of() { # DEVICE IOCTL
	ns a /usr/bin/python3 -IS -c '
import fcntl, socket, sys
try:
    fcntl.ioctl(socket.socket(), int(sys.argv[2], 16), sys.argv[1].encode().ljust(40, b"\0"))
except OSError as error:
    print(error.errno)' "$@"
}
check_eq "an ioctl of other devices, SIOCGMIIPHY, is not supported" "$(errno_of t1 8947)" 95
check "ip tunnel del, kind tunl" ns a ip tunnel del k1
check "ip tunnel del" ns a ip tunnel del t1
check "t1 is gone" no_device a t1
check "k1 is gone" no_device a k1
check "tunl0 stays in its netns" says "." ip -n a link set tunl0 netns b
check "and as it is" says "the fallback device stays as it is" \
	ip -n a link set tunl0 address 10.0.1.1
check "ip tunnel del tunl0" ns a ip tunnel del tunl0
check "tunl0 is gone" no_device a tunl0
check_not "without it there is nobody to ask" \
	ns a ip tunnel add t1 mode ipip remote 10.0.1.2
sysctl -qw net.core.fb_tunnels_only_for_init_net=1
netns_add c
check "fb_tunnels_only_for_init_net: no tunl0 in a new netns" no_device c tunl0
sysctl -qw net.core.fb_tunnels_only_for_init_net=0
check "the initial one has it" ip link show tunl0

# --- who may

ip -n a link add t1 type ipip remote 10.0.1.2 local 10.0.1.1
ip -n a link set t1 netns c
unprivileged() { ns c setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$@"; }
check "without CAP_NET_ADMIN no change" says "Operation not permitted" \
	unprivileged ip tunnel change t1 mode ipip ttl 3
check "with it there is" ns c ip tunnel change t1 mode ipip ttl 3
check_eq "in another netns: the underlay stays" "$(ns c ip tunnel show t1 | grep -c 'remote 10.0.1.2')" 1
ip -n c link del t1

# --- packets

ip -n a link add t1 type ipip remote 10.0.1.2 local 10.0.1.1
ip -n b link add t1 type ipip remote 10.0.1.1 local 10.0.1.2
for side in a b; do ip -n $side link set t1 up; done
ip -n a addr add 10.9.0.1/24 dev t1
ip -n b addr add 10.9.0.2/24 dev t1
check "a connected route as with the kernel's" grep -q 'dev t1' <<<"$(ip -n a route get 10.9.0.77)"
check "a pings b through it" ns a ping -q -c 3 -i 0.2 -W 5 10.9.0.2
check "received on the device" test "$(dev_counter b t1 rx_packets)" -ge 3
ip -n a link set t1 mtu 1500
check "pmtudisc: a packet that fits leaves with DF, which it does not have itself" \
	arrives_as a/t1 b/eth0 df=1 inner.df=0 inner=same -- src=10.9.0.1 dst=10.9.0.2 size=1000
check "pmtudisc: one that does not fit leaves in fragments without DF" \
	arrives_as a/t1 b/eth0 df=0 mf=1 inner.df=0 -- src=10.9.0.1 dst=10.9.0.2 size=1479
check_eq "pmtudisc: with DF it is too big" \
	"$(wire carry a/t1 b/eth0 wait=0.5 src=10.9.0.1 dst=10.9.0.2 df=1 size=1479; tx_counter a t1 tx_drop_too_big)" \
	"$(printf 'lost\n1')"
must ip -n a link add jumbo mtu 65535 type dummy
must ip -n a link set jumbo up
must tc -n a qdisc add dev jumbo clsact
must tc -n a filter add dev jumbo egress protocol ip matchall action mirred egress redirect dev t1
check "65515 bytes, redirected to the tunnel, leave in fragments" \
	arrives_as a/jumbo b/eth0 df=0 mf=1 -- src=10.9.0.1 dst=10.9.0.2 size=65495
dropped=$(tx_counter a t1 tx_drop_too_big)
wire send a/jumbo src=10.9.0.1 dst=10.9.0.2 size=65496
check_eq "65516 have no outer packet that is as long" "$(tx_counter a t1 tx_drop_too_big)" $((dropped + 1))
ip -n a link del jumbo
ip -n a link set t1 mtu 0
ip -n a link add t2 type ipip remote 10.0.2.2 local 10.0.1.1 dev eth1
ip -n a link set t2 up
ip -n a route add 10.8.0.1 dev t2
out=$(wire carry a/t2 b/eth1 src=10.9.0.1 dst=10.8.0.1)
check "dev: out there" grep -q ' src=10.0.1.1 .* *inner.dst=10.8.0.1' <<<" $out "

# Without a remote and a gateway: the inner destination, out there.
ip -n a link add nbma type ipip dev eth1
ip -n a link set nbma up
ip -n a route add 10.5.0.9 dev nbma
ip -n a route add 10.5.0.9 via 10.0.2.2 dev eth1 metric 9
check "no remote, no gateway: to the inner destination" grep -q ' dst=10.5.0.9 .* *inner.dst=10.5.0.9' \
	<<<" $(wire carry a b/eth1 src=10.0.1.1 dst=10.5.0.9)"
wire send b error.src=10.0.2.2 error.dst=10.0.2.1 error.type=3 error.code=4 error.mtu=1300 \
	outer.src=10.0.2.1 outer.dst=10.5.0.9 outer.df=1 src=10.0.1.1 dst=10.5.0.9 df=1 size=1400
learned() { ip -n a route get 10.5.0.9 oif eth1 | grep 'mtu 1300'; }
check "and its path MTU is learned" poll 10 learned

# A registration that fails late: the number is taken where the device goes to.
index=$(ns b cat /sys/class/net/eth0/ifindex)
check_not "a taken number is refused" ip -n a link add index "$index" netns b \
	type ipip remote 10.0.1.99

# One device, believing anybody: what an LVS real server has.
ip -n a link del t1
ip -n a link del t2
ip -n b link del t1
ip -n b link add any type ipip local 10.0.1.2
ip -n b addr add 10.9.0.2/32 dev any
ip -n b link set any up
taken() { [ "$(dev_counter b any rx_packets)" -ge 1 ]; }
wire send a outer.src=10.0.1.77 outer.dst=10.0.1.2 src=10.9.0.1 dst=10.9.0.2
check "a wildcard takes a packet of an unknown source" poll 10 taken

ktap_end
