#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=60 core=yes
#
# Every drop has a name: in a counter, in the documentation, in the trace.
#
#   a (eth0 10.0.0.1, tunl 10.9.0.1) ── (10.0.0.2 eth0) init

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

load ipip
load tunnel
netns_add a
veth a eth0 init eth0
ip -n a addr add 10.0.0.1/24 dev eth0
ip addr add 10.0.0.2/24 dev eth0
ip -n a link add one type tunl
ip -n a addr add 10.9.0.1/32 dev one
ip -n a link set one up

documented() {
	grep -q "\`$1\`" "$TUNL_TOP/docs/configuration.md" || echo "$1"
}
names=$(ns a ethtool -S one | sed -n 's/^ *\([a-z_0-9]*\): .*/\1/p'
	sed -n '2,$s/ .*//p' /proc/net/ipip
	sed 's/ .*//' /proc/net/tunl)
check "there are names" test "$(wc -w <<<"$names")" -gt 25
check_eq "every counter is in docs/configuration.md" \
	"$(for name in $names; do documented "$name"; done)" ""
# shellcheck disable=SC2016
check_eq "and no other" \
	"$(grep -o '`\(tx_drop\|drop\|delivered\|icmp\)_[a-z_0-9]*`' "$TUNL_TOP/docs/configuration.md" | tr -d '`' |
		sort -u | grep -vxF -f <(echo "$names"))" ""

# Each counter that a packet makes rise has its name in the trace.
tracing=/sys/kernel/tracing
[ -e $tracing/events ] || mount -t tracefs tracefs $tracing
echo 1 >$tracing/events/tunl/enable
echo 1 >$tracing/events/ipip/enable
traced() { # what is traced meanwhile, from the colon on
	: >$tracing/trace
	"$@"
	sed -n 's/.*: \(tunl_drop\|ipip_drop\): //p' $tracing/trace | sed 's/^netns [0-9]*/netns N/'
}
check_eq "no endpoint" \
	"$(traced wire send a/one src=10.9.0.1 dst=10.9.0.2)" \
	"one: tx_drop_no_endpoint, 10.9.0.1 > 10.9.0.2, remote 0.0.0.0"
check_eq "not IPv4: addresses are whatever is there" \
	"$(traced wire send a/one ethertype=0x86dd bytes=60000000)" \
	"one: tx_drop_protocol, 0.0.0.0 > 0.0.0.0, remote 0.0.0.0"
ip -n a link set one broadcast 10.0.0.2
ns a nft 'add table ip f; add chain ip f o { type filter hook output priority 0; }; add rule ip f o ip protocol 4 drop'
check_eq "refused further down" \
	"$(traced wire send a/one src=10.9.0.1 dst=10.9.0.2)" \
	"one: tx_drop_underlay, 0.0.0.0 > 0.0.0.0, remote 10.0.0.2"
ns a nft flush ruleset
sysctl_set init net.ipv4.ipip.accept peers
check_eq "an unknown source's" \
	"$(traced wire send a outer.src=10.0.0.1 outer.dst=10.0.0.2 src=10.9.0.1 dst=10.9.0.2)" \
	"netns N: drop_refused, 10.0.0.1 > 10.0.0.2, inside 10.9.0.1 > 10.9.0.2"
sysctl_set init net.ipv4.ipip.accept any
check_eq "malformed inside" \
	"$(traced wire send a outer.src=10.0.0.1 outer.dst=10.0.0.2 src=10.9.0.1 dst=10.9.0.2 version=5)" \
	"netns N: drop_malformed, 10.0.0.1 > 10.0.0.2, inside 10.9.0.1 > 10.9.0.2"
check_eq "a source route, without its wrapper" \
	"$(traced wire send a outer.src=10.0.0.1 outer.dst=10.0.0.2 src=10.9.0.1 dst=10.9.0.2 opt=830704c000020300)" \
	"netns N: drop_options, 10.9.0.1 > 10.9.0.2, inside 0.0.0.0 > 0.0.0.0"
ip link set tunl broadcast 10.0.0.1
ip link set tunl up
inside=(outer.src=10.0.0.1 outer.dst=10.0.0.2 src=10.9.0.1 dst=10.9.0.2)
check_eq "an endpoint's is received" "$(traced wire send a "${inside[@]}")" ""
sysctl_set init net.core.netdev_max_backlog 0
check_eq "where nothing may wait, it is not" "$(traced wire send a "${inside[@]}")" \
	"netns N: drop_backlog, 10.9.0.1 > 10.9.0.2, inside 0.0.0.0 > 0.0.0.0"
check_eq "which the device counts too" "$(cat /sys/class/net/tunl/statistics/rx_dropped)" 1
echo 0 >$tracing/events/tunl/enable
echo 0 >$tracing/events/ipip/enable
: >$tracing/trace

ktap_end
