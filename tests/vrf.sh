#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=200
#
# VRFs: around what is inside a tunnel, and around the underlay; first with the
# kernel's ipip, then with ours.
#
#   a ── eth0 10.0.1.1 ═══════ eth0 10.0.1.2 ── b
#   └─ t1 10.9.0.1                └─ t1 10.9.0.2
#
# In a, eth0 is a member of VRF `under`, or t1 one of VRF `inner`, or both.

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

# t1 in a, with its routes wherever its master has them.
t1() { # WORDS of ip link add...
	ip -n a link add t1 type ipip remote 10.0.1.2 local 10.0.1.1 "$@" &&
		ip -n a link set t1 up && ip -n a addr add 10.9.0.1/24 dev t1
}
# What one case comes to: does a ping from either side arrive on t1?
both_ways() { # TEXT VRF-OF-T1
	local to=lost from=lost received
	ns a ping -q -n -c 1 -W 2 ${2:+-I "$2"} 10.9.0.2 >/dev/null 2>&1 && to=answered
	ns b ping -q -n -c 1 -W 2 10.9.0.1 >/dev/null 2>&1 && from=answered
	received=$(dev_counter a t1 rx_packets)
	echo "$1: from a $to, from b $from, received on t1 $received"
}
gone() { ip -n a link del t1; }

cases() {
	netns_add a b
	veth a eth0 b eth0
	ip -n a -batch - <<-'END'
		link add under type vrf table 10
		link set under up
		link add inner type vrf table 20
		link set inner up
		link set eth0 master under
		addr add 10.0.1.1/24 dev eth0
	END
	ip -n b -batch - <<-'END'
		addr add 10.0.1.2/24 dev eth0
		link add t1 type ipip remote 10.0.1.1 local 10.0.1.2
		addr add 10.9.0.2/24 dev t1
		link set t1 up
	END

	t1 dev under && both_ways "underlay: the VRF"
	gone
	t1 dev eth0 && both_ways "underlay: a member of it"
	gone
	t1 && both_ways "underlay: none named"
	gone

	t1 dev under && ip -n a link set t1 master inner && both_ways "in another VRF than its underlay" inner
	gone
	t1 dev under && ip -n a link set t1 master under && both_ways "in the VRF of its underlay" under
	gone
	# Two of the same addresses, told apart by the VRF only.
	t1 && ip -n a link add t2 type ipip remote 10.0.1.2 local 10.0.1.1 dev under &&
		ip -n a link set t2 up && ip -n a addr add 10.9.0.1/32 dev t2 &&
		ip -n a route replace 10.9.0.2 dev t2 && both_ways "two, the other is bound to the VRF"
	echo "received on t2 $(dev_counter a t2 rx_packets)"
	ip -n a link del t2
	gone

	ip -n a link set eth0 nomaster
	t1 && ip -n a link set t1 master inner && both_ways "inside only" inner
	gone
	ip netns del a
	ip netns del b
}

must modprobe vrf
must modprobe ipip
cases >"$tmp/kernel" 2>&1
diag <"$tmp/kernel"
for text in 'underlay: the VRF' 'underlay: a member of it' 'inside only' \
	'in another VRF than its underlay' 'in the VRF of its underlay'; do
	check "the kernel's carries: $text" grep -q "^$text: from a answered, from b answered" "$tmp/kernel"
done
check "the kernel's loses it where it names no underlay" grep -q '^underlay: none named: from a lost' "$tmp/kernel"
must rmmod ipip
must load ipip
must load tunnel
cases >"$tmp/ours" 2>&1
check "ours does the same" diff "$tmp/kernel" "$tmp/ours"

ktap_end
