#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300
#
# MPLS in IPv4 (RFC 4023): modes mplsip and any.
#
#       10.0.1.1    10.0.1.2
#   a ── eth0 ═══════ eth0 ── b
#   └─ mpls 10.9.0.1          └─ mpls 10.9.0.2
#      label 200 is a's, label 100 is b's

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

nl() { ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" "$@"; }
outer() { # FIELD=VALUE... -- ARGUMENT-OF-WIRE...: carried from a, those at b
	arrives_as a b/eth0 "$@" src=10.9.0.1
}
labels() { # OUTER-SOURCE: a packet for b with b's label; counters of b that rose
	local before
	before=$(ns b cat /proc/net/ipip)
	wire send a outer.src="$1" outer.dst=10.0.1.2 outer.mpls=100 src=10.9.0.1 dst=10.9.0.2
	sleep 0.3
	ns b cat /proc/net/ipip | diff <(echo "$before") - | sed -n 's/^> \([^ ]*\) .*/\1/p' | tr '\n' ' '
}
# What b says to label 100 in protocol 137: nothing, or that there is no such protocol.
# The other end has a tunnel that takes no labels, so that it is not the sender who is wrong.
answer() {
	wire carry a a/eth0 wait=1 outer.src=10.0.1.1 outer.dst=10.0.1.2 outer.mpls=100 \
		src=10.9.0.1 dst=10.9.0.2 | grep -o 'icmp=[0-9/]*' || echo silence
}

for module in mpls_router mpls_iptunnel; do must modprobe $module; done
must load ipip
must load tunnel
netns_add a b
veth a eth0 b eth0
for side in a b; do
	sysctl_set $side net.ipv4.conf.all.rp_filter 0
	sysctl_set $side net.ipv4.conf.default.rp_filter 0
	sysctl_set $side net.ipv4.icmp_ratelimit 0
	sysctl_set $side net.mpls.platform_labels 1000
done
ip -n a addr add 10.0.1.1/24 dev eth0
ip -n a addr add 10.0.1.3/24 dev eth0
ip -n b addr add 10.0.1.2/24 dev eth0

# --- who has protocol 137

check_eq "protocol 137 is nobody's" "$(answer)" icmp=3/2
ip -n b link add four type ipip remote 10.0.1.1 local 10.0.1.2 mode ipip
ip -n b link set four up
check_eq "a tunnel for IPv4 does not change that" "$(answer)" icmp=3/2
ip -n b link del four
ip -n b link add mpls type ipip remote 10.0.1.1 local 10.0.1.2 mode mplsip ttl 64
check_eq "nor one for MPLS that is down" "$(answer)" icmp=3/2
ip -n b link set mpls up
check_eq "up, it has it" "$(answer)" silence
ip -n b link set mpls down
check_eq "down again, it is nobody's" "$(answer)" icmp=3/2
ip -n b link set mpls up
ip -n b link set mpls type ipip mode ipip
check_eq "a change of mode gives it back" "$(answer)" icmp=3/2
ip -n b link set mpls type ipip mode any
check_eq "mode any wants it" "$(answer)" silence
ip -n b link set mpls type ipip mode mplsip

# --- two of kind tunl with that remote: each gets its own

nl_b() { ns b /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" "$@"; }
ip -n b link del mpls
received() { # of an IPv4 packet and a label from there: what each of the two has
	wire send a outer.src=10.0.1.1 outer.dst=10.0.1.2 src=10.9.0.1 dst=10.9.0.2
	wire send a outer.src=10.0.1.1 outer.dst=10.0.1.2 outer.mpls=100 src=10.9.0.1 dst=10.9.0.2
	sleep 0.3
	echo "$(dev_counter b four rx_packets) $(dev_counter b lab rx_packets)"
}
for order in "four:4 lab:137" "lab:137 four:4"; do
	for dev in $order; do
		must nl_b add "${dev%:*}" remote=10.0.1.1 proto="${dev#*:}"
		must ip -n b link set "${dev%:*}" up
	done
	check_eq "$order: IPv4 to the one, labels to the other" "$(received)" "1 1"
	ip -n b link del four
	ip -n b link del lab
done
ip -n b link add mpls type ipip remote 10.0.1.1 local 10.0.1.2 mode mplsip ttl 64
ip -n b link set mpls up

# --- both ways

ip -n a link add mpls type ipip remote 10.0.1.2 local 10.0.1.1 mode mplsip ttl 64
check "ip -d link shows the mode" grep -q 'ipip mplsip remote' <<<"$(ip -n a -d link show mpls)"
ip -n a link set mpls up
sysctl_set a net.mpls.conf.mpls.input 1
sysctl_set b net.mpls.conf.mpls.input 1
for side in a b; do
	ip -n $side link set lo up
	sysctl_set $side net.mpls.conf.lo.input 1
done
ip -n a addr add 10.9.0.1/32 dev mpls
ip -n b addr add 10.9.0.2/32 dev mpls
ip -n a route add 10.9.0.2 encap mpls 100 dev mpls src 10.9.0.1
ip -n b route add 10.9.0.1 encap mpls 200 dev mpls src 10.9.0.2
ip -n b -f mpls route add 100 dev lo
ip -n a -f mpls route add 200 dev lo
check "protocol 137, the label, the packet" outer proto=137 label=100 src=10.0.1.1 dst=10.0.1.2 ttl=64 \
	tos=0x00 df=1 inner.dst=10.9.0.2 -- dst=10.9.0.2
check "there and back" ns a ping -q -n -c 3 -i 0.2 -W 5 -I 10.9.0.1 10.9.0.2
check "received on the device" test "$(dev_counter b mpls rx_packets)" -ge 3
check "a large packet in fragments" ns a ping -q -n -c 2 -i 0.2 -W 5 -s 3000 -I 10.9.0.1 10.9.0.2
ip -n a link set mpls type ipip mode mplsip ttl inherit nopmtudisc
check "ttl inherit: a label's TTL is not the way's" outer ttl=64 df=0 -- ttl=9 dst=10.9.0.2

# --- what the mode does not carry

dropped=$(tx_counter a mpls tx_drop_protocol)
ip -n a route add 10.9.1.0/24 dev mpls
wire send a src=10.9.0.1 dst=10.9.1.1
check_eq "mplsip: no IPv4 out" "$(tx_counter a mpls tx_drop_protocol)" $((dropped + 1))
wire send a outer.src=10.0.1.1 outer.dst=10.0.1.2 src=10.9.0.1 dst=10.9.0.2
refused() { [ "$(rx_counter b drop_refused)" -ge 1 ]; }
check "nor in" poll 10 refused
check "any" ip -n a link set mpls type ipip mode any
check "any: IPv4 out" outer proto=4 inner.dst=10.9.1.1 inner=same -- dst=10.9.1.1
check "any: labels out" outer proto=137 label=100 -- dst=10.9.0.2
malformed=$(tx_counter a mpls tx_drop_malformed)
wire send a/mpls ethertype=0x8847 bytes=000641
check_eq "any: three bytes are no label to send" "$(tx_counter a mpls tx_drop_malformed)" $((malformed + 1))
check "any, at the other end" ip -n b link set mpls type ipip mode any
ip -n b addr add 10.9.1.2/24 dev mpls
ip -n a addr add 10.9.1.1/24 dev mpls
check "any: IPv4 there and back" ns a ping -q -n -c 2 -i 0.2 -W 5 10.9.1.2
check "any: labels there and back" ns a ping -q -n -c 2 -i 0.2 -W 5 -I 10.9.0.1 10.9.0.2
ip -n a link set mpls type ipip mode ipip
dropped=$(tx_counter a mpls tx_drop_protocol)
wire send a src=10.9.0.1 dst=10.9.0.2
check_eq "ipip: no labels out" "$(tx_counter a mpls tx_drop_protocol)" $((dropped + 1))
ip -n a link set mpls type ipip mode any

# --- whom it believes

check_eq "labels of an unknown source are refused" "$(labels 10.0.1.3)" "drop_refused "
sysctl_set b net.ipv4.ipip.accept any
check_eq "also where anybody's IPv4 is not" "$(labels 10.0.1.3)" "drop_refused "
check_eq "the endpoint's are not" "$(labels 10.0.1.1)" "delivered_device "
sysctl_set b net.ipv4.ipip.deliver ingress
check_eq "and stay on the device" "$(labels 10.0.1.1)" "delivered_device "
sysctl_set b net.ipv4.ipip.deliver device
malformed=$(rx_counter b drop_malformed)
wire send a dst=10.0.1.2 src=10.0.1.1 proto=137 size=3
more() { [ "$(rx_counter b drop_malformed)" = $((malformed + 1)) ]; }
check "three bytes are no label" poll 10 more
check "kind tunl" nl add many proto=137
ip -n a link set many up
ip -n a route add 10.9.5.0/24 encap mpls 300 via inet 10.0.1.2 dev many onlink
check "its route's gateway is the endpoint" outer proto=137 label=300 dst=10.0.1.2 -- dst=10.9.5.1

# --- beside tunnel4, which has protocol 137 itself

must unload
must modprobe tunnel4
must load ipip
must load tunnel
for side in a b; do
	[ $side = a ] && other=2 mine=1 || other=1 mine=2
	ip -n $side link add mpls type ipip remote "10.0.1.$other" local "10.0.1.$mine" mode mplsip ttl 64
	ip -n $side link set mpls up
	sysctl_set $side net.mpls.conf.mpls.input 1
	ip -n $side addr add "10.9.0.$mine/32" dev mpls
done
ip -n a route add 10.9.0.2 encap mpls 100 dev mpls src 10.9.0.1
ip -n b route add 10.9.0.1 encap mpls 200 dev mpls src 10.9.0.2
check "there and back" ns a ping -q -n -c 3 -i 0.2 -W 5 -I 10.9.0.1 10.9.0.2
klog_mark
check_eq "an unknown source is refused" "$(labels 10.0.1.3)" "drop_refused "
check "with a line that tells what would accept labels" klog_has 'refused labels of 10\.0\.1\.3.*mplsip'
ip -n b link set mpls down
check_eq "down here, and up elsewhere: refused" "$(labels 10.0.1.1)" "drop_refused "
ip -n a link set mpls down
check_eq "down everywhere: tunnel4 answers itself" "$(answer)" icmp=3/3
# sit has a handler behind the endpoints' and before the one that refuses.
if modprobe -q sit; then
	ip -n b link set mpls up
	must ip -n b link add labels type sit remote 10.0.1.3 local 10.0.1.2 mode any
	must ip -n b link set labels up
	check_eq "beside sit: its labels are left to it" \
		"$(labels 10.0.1.3; dev_counter b labels rx_packets)" 1
	check_eq "and the endpoint's are not" "$(labels 10.0.1.1)" "delivered_device "
	ip -n b link del labels
	ip -n b link set mpls down
	must rmmod sit
else
	note "no sit here"
fi
check "what holds tunnel4 is let go" unload
check "tunnel4 goes" rmmod tunnel4

ktap_end
