#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=240
#
# Routes that the modules look up themselves, for outer packets and for inner ones: by a
# rule for a TOS, or for a DSCP of six bits; and those that the kernel refuses.
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
#                             └── tunl 10.9.0.1
#
#   a's main table: 10.5.0.0/16, 10.6.0.0/16 by r
#   table 100:      10.5.0.0/16 by tunl, 10.6.0.0/16 by h, 10.0.2.2 unreachable,
#                   10.0.2.3 with a path MTU of its own

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

nl() { ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" "$@"; }
outer=(outer.src=10.0.1.1 outer.dst=10.0.2.1)
from_r=(error.src=10.0.1.254 error.dst=10.0.1.1)

# Is that true of what was carried?
carried() { # FIELD=VALUE|lost ARGUMENT-OF-WIRE...
	local out
	out=$(wire carry "${@:2}")
	echo "$out"
	[[ " $out " == *" $1 "* ]]
}

# With a rule that sends packets of TOS and any ECN bits to table 100.
by_rule() { # RULE TOS
	local what=$1 tos=$2 ecn

	ecn=$(printf 0x%02x $(($2 | 2)))

	# inner packets; of the second, by the main table, IP would send a redirect
	check "$what, ECN: an error about a packet that the rule sent to the tunnel is relayed" \
		carried icmp=3/1 r h/eth0 wait=2 "${outer[@]}" "${from_r[@]}" error.type=3 error.code=1 \
		src=10.1.0.2 dst=10.5.0.1 tos="$ecn"
	check "$what, ECN: an inner packet received on the interface goes where the rule says" \
		carried dst=10.6.0.1 r h/eth0 wait=2 outer.src=10.0.2.1 outer.dst=10.0.1.1 outer.tos="$ecn" \
		src=10.0.1.77 dst=10.6.0.1 tos="$ecn"

	# outer packets
	must ip -n a link add out type ipip remote 10.0.2.2 ttl 64 tos "$ecn"
	must ip -n a link set out up
	must ip -n a route add 10.7.0.0/16 dev out
	wire send a src=10.1.0.1 dst=10.7.0.1
	check_eq "$what, ECN: the tunnel's TOS chooses the route" "$(tx_counter a out tx_drop_no_route)" 1
	must ip -n a link set out type ipip remote 10.0.2.2 ttl 64 tos 0
	wire send a src=10.1.0.1 dst=10.7.0.1
	check_eq "$what: another TOS, another route" "$(tx_counter a out tx_drop_no_route)" 1
	must ip -n a link del out

	must ip -n a link add ext type ipip external
	must ip -n a link set ext up
	must ip -n a route add 10.7.0.0/16 encap ip dst 10.0.2.2 tos "$ecn" dev ext
	wire send a src=10.1.0.1 dst=10.7.0.1
	check_eq "$what, ECN: the metadata's TOS chooses the route" "$(tx_counter a ext tx_drop_no_route)" 1
	must ip -n a link del ext

	# the path MTU of that route
	must ip -n a link add out type ipip remote 10.0.2.3 ttl 64 tos "$tos"
	must ip -n a link set out up
	must ip -n a route add 10.7.0.0/16 dev out
	wire send a src=10.1.0.1 dst=10.7.0.1
	must wire send r outer.src=10.0.1.1 outer.dst=10.0.2.3 outer.df=1 outer.tos="$ecn" df=1 size=1400 \
		src=10.1.0.1 dst=10.7.0.1 "${from_r[@]}" error.type=3 error.code=4 error.mtu=1300
	check "$what, ECN: that route learns the path MTU" \
		poll 5 eval "ip -n a route get 10.0.2.3 tos $tos | grep 'mtu 1300'"
	check_not "$what: the main table's does not" eval "ip -n a route get 10.0.2.3 | grep mtu"
	must ip -n a link del out
	ip -n a route flush cache
}

load ipip accept=peers deliver=ingress
load tunnel
path_of_four
for dev in all default eth0 eth1; do sysctl_set a net.ipv4.conf.$dev.rp_filter 0; done
sysctl_set a net.ipv4.ipip.deliver ingress
for ns in a r; do sysctl_set $ns net.ipv4.icmp_ratelimit 0; done
must ip -n a link add tunl type ipip remote 10.0.2.1 ttl 64
must ip -n a addr add 10.9.0.1/32 dev tunl
must ip -n a link set tunl up
for net in 10.5.0.0/16 10.6.0.0/16; do must ip -n a route add $net via 10.0.1.254; done
must ip -n a route add table 100 10.5.0.0/16 dev tunl
must ip -n a route add table 100 10.6.0.0/16 via 10.1.0.2
must ip -n a route add table 100 unreachable 10.0.2.2
must ip -n a route add table 100 10.0.2.3 via 10.0.1.254
must ip -n r neigh replace 10.0.2.3 lladdr 02:00:00:00:00:03 dev eth1

# --- the kernel's answer: a route, or a reason why there is none

# What came in by eth0 with that source would have been dropped there by rp_filter. The
# answer was an error, and is a reason, which is not negative (6.13).
must ip -n a route add 10.8.0.0/16 dev tunl
must ip -n a rule add from 10.8.0.0/16 to 10.1.0.2 blackhole
sysctl_set a net.ipv4.conf.eth0.rp_filter 1
check "rp_filter drops such packets" eval "wire carry h r/eth0 wait=1 src=10.1.0.2 dst=10.8.0.1; test \
	\"\$(snmp a TcpExt IPReversePathFilter)\" = 1"
must tc -n a qdisc add dev eth0 clsact
must tc -n a filter add dev eth0 ingress protocol ip prio 1 flower dst_ip 10.8.0.0/16 \
	action mirred egress redirect dev tunl
check "one that tc redirects to the tunnel, and which is too big: its sender is told" \
	carried icmp=3/4 h h/eth0 wait=2 src=10.1.0.2 dst=10.8.0.1 df=1 size=1480
check_eq "it is dropped as too big" "$(tx_counter a tunl tx_drop_too_big)" 1
must tc -n a qdisc del dev eth0 clsact
check "an error about one is not relayed" \
	carried lost r h/eth0 wait=1 "${outer[@]}" "${from_r[@]}" error.type=3 error.code=1 src=10.1.0.2 dst=10.8.0.1
sysctl_set a net.ipv4.conf.eth0.rp_filter 0
must ip -n a rule del from 10.8.0.0/16 to 10.1.0.2 blackhole

# --- DSCP, and ECN, which routing does not look at

must ip -n a rule add tos 0x10 lookup 100
by_rule "TOS 0x10" 0x10
must ip -n a rule del tos 0x10 lookup 100

must nl dscp 46 100
if ip -n a route get 10.6.0.1 | grep -q 'via 10.0.1.254' &&
	ip -n a route get 10.6.0.1 tos 0xb8 | grep -q 'via 10.1.0.2'; then
	by_rule "DSCP 46" 0xb8
else
	result 0 "# SKIP this kernel has no rules by DSCP"
fi

ktap_end
