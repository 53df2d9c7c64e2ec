#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=300
#
# Each allocation of an operation fails in turn, to the end: loading, a namespace,
# links of both kinds with and without encap, a change, an address, the first packet,
# a device that goes up.
# After each refusal nothing is left, and the next try works. For uml-debug: other
# kernels cannot make an allocation fail by its number.
#
#   a (eth0 10.0.0.1, tunl 10.9.0.1) ═════ (eth0 10.0.0.2) b

. "$(dirname "$0")/lib.sh"
ktap_begin

failslab=/sys/kernel/debug/failslab
[ -e /proc/self/fail-nth ] || skip "this kernel cannot make allocations fail"
must gcc -O2 -Wall -Wextra -Werror -o "$tmp/nth" "$TUNL_TOP/tests/nth.c"
# Those that may sleep, too, which is nearly all; without a stack for each.
must tee $failslab/verbose <<<0
must tee $failslab/ignore-gfp-wait <<<N

nth() { # NS OPERATION...
	local rc=0
	ns "$1" "$tmp/nth" "${@:2}" >"$tmp/nth.out" 2>&1 || rc=$?
	cat "$tmp/nth.out"
	note "${*:2}: $(cat "$tmp/nth.out")" >&8
	return "$rc"
}
exec 8>&1 # what check() hides

check "tunnel.ko is loaded, or leaves nothing" nth init load "$TUNL_BUILD/tunnel/tunnel.ko" tunnel
check "ipip.ko is loaded, or leaves nothing" nth init load "$TUNL_BUILD/ipip/ipip.ko" ipip

must load tunnel
must load ipip
netns_add a b
veth a eth0 b eth0
ip -n a addr add 10.0.0.1/24 dev eth0
ip -n b addr add 10.0.0.2/24 dev eth0
modprobe fou # not while allocations fail: that would be modprobe's

check "a network namespace is made, or leaves nothing" nth init netns
for kind in tunl ipip; do
	check "a link of kind $kind is made, or leaves nothing" nth a link "$kind"
	check "a link of kind $kind with encap is made, or leaves nothing" nth a encap "$kind"
	must ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" add "$kind.c" kind="$kind" remote=10.0.0.2
	check "a link of kind $kind is changed, or as it was" nth a change "$kind.c" "$kind"
	ip -n a link del "$kind.c"
done

ip -n a link add tunl type tunl
check "a pointopoint address is added, or is not there" nth a address tunl
ip -n a addr add 10.9.0.1 peer 10.0.0.2 dev tunl
ip -n a link set tunl up
ip -n a route add 10.9.0.2 dev tunl
check "the first packet is sent, or is not" nth a packet
ip -n a link set tunl down
klog_mark
check "the device is set up, or is not" nth a up tunl
check "an endpoint that there was no memory for is in the log" \
	klog_has 'ipip: tunl: endpoint not accepted, error -12: set the link down and up'
ip -n a link set tunl up
ip -n a route add 10.9.0.2 dev tunl
ip -n a link add gateway type tunl
klog_mark
check "a device without a remote is set up, or is not" nth a up gateway
check_eq "the log tells of both allocations that an endpoint needs" \
	"$(klog_count 'ipip: gateway: endpoint not accepted, error -12')" 2
ip -n a link del gateway
for kind in tunl ipip; do
	check "a link of kind $kind without a remote sends, or is not made" nth a gateway "$kind"
done

ip -n b link add tunl type tunl
ip -n b addr add 10.9.0.2 peer 10.0.0.1 dev tunl
ip -n b link set tunl up
ip -n b route add 10.9.0.1 dev tunl
check "and a reaches b" ns a ping -c 1 -W 5 10.9.0.2

ktap_end
