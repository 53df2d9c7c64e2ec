#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300 core=yes
#
# ICMP errors about outer packets (RFC 2003 §4): what becomes of them, with
# quotes long and short, and of those that are not true.  Only tunnel.ko is
# loaded: an encapsulator alone must not be deaf.
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
#                             └── tunl 10.9.0.1

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

load tunnel
path_of_four
tunl_add a tunl 10.9.0.1 10.0.2.1
ip -n a route add 10.9.0.2 dev tunl
for ns in a r; do sysctl_set $ns net.ipv4.icmp_ratelimit 0; done

outer=(outer.src=10.0.1.1 outer.dst=10.0.2.1 df=1 outer.df=1)
forwarded=(src=10.1.0.2 dst=10.9.0.2)
own=(src=10.9.0.1 dst=10.9.0.2)
from_r=(error.src=10.0.1.254 error.dst=10.0.1.1)
from_b=(error.src=10.0.2.1 error.dst=10.0.1.1)

# What the inner source gets, a line for each: TYPE/CODE, the MTU if there is
# one, its source; or "lost".
relayed() { # TO ARGUMENT-OF-WIRE...
	wire carry r "$1" wait=0.5 "${outer[@]}" "${@:2}" | awk '
		$1 == "lost" { print; next }
		{
			for (i = 1; i <= NF; i++) {
				split($i, field, "=")
				value[field[1]] = field[2]
			}
			right = value["icmp.sum"] == "right" && value["quote.sum"] == "right" &&
				value["dst"] == value["quote.src"]
			print value["icmp"] (value["icmp.info"] ? " mtu " value["icmp.info"] : ""),
				"from", value["src"] (right ? "" : " WRONG: " $0)
		}' | paste -sd, | sed 's/,/, /g'
}

# Counters that rise meanwhile, as in "icmp_relayed+1".  After wire has ended the
# error has been dealt with, unless the machine is busy.
rises() { # COMMAND...
	local before
	before=$(ns a cat /proc/net/tunl)
	"$@" >/dev/null
	for _ in 1 2 3 4 5 6; do
		ns a cat /proc/net/tunl >"$tmp/now"
		[ "$before" = "$(cat "$tmp/now")" ] || break
		sleep 0.2
	done
	paste -d' ' <(echo "$before") "$tmp/now" |
		awk '$2 != $4 { print $1 "+" $4 - $2 }' | paste -sd' '
}

path_mtu() { # NS ADDRESS: learned, or nothing
	ip -n "$1" route get "$2" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'
}

error() { wire send r "${outer[@]}" "$@"; }

# --- nobody decapsulates

check "no ipip.ko at the endpoint: the sender learns that nobody decapsulates" \
	grep -q icmp=3/1 <<<"$(wire carry h h/eth0 "${forwarded[@]}")"
ip -n b route del 10.0.1.0/24 # from now on, only the errors that we make

# --- relayed at once: the quote says who sent the packet

kinds=(
	-- error.type=11 error.code=0
	-- error.type=3 error.code=0
	-- error.type=3 error.code=1
	-- error.type=3 error.code=6
	-- error.type=3 error.code=7
	-- error.type=3 error.code=13
)
check_eq "forwarded: time exceeded, unreachables: as RFC 2003 §4 says" \
	"$(relayed h/eth0 "${forwarded[@]}" "${from_r[@]}" "${kinds[@]}")" \
	"3/1 from 10.1.0.1, 3/0 from 10.1.0.1, 3/1 from 10.1.0.1, 3/0 from 10.1.0.1, 3/1 from 10.1.0.1, 3/1 from 10.1.0.1"
check_eq "local: the same" \
	"$(relayed a/lo "${own[@]}" "${from_r[@]}" "${kinds[@]}" | sed 's/10\.9\.0\.1/self/g')" \
	"3/1 from self, 3/0 from self, 3/1 from self, 3/0 from self, 3/1 from self, 3/1 from self"
check_eq "the endpoint has no protocol 4: host unreachable" \
	"$(relayed h/eth0 "${forwarded[@]}" "${from_b[@]}" error.type=3 error.code=2)" \
	"3/1 from 10.1.0.1"
check_eq "counted" "$(rises error "${forwarded[@]}" "${from_r[@]}" error.type=11)" icmp_relayed+1

kinds=(
	-- error.type=3 error.code=3
	-- error.type=3 error.code=5
	-- error.type=3 error.code=2
	-- error.type=3 error.code=16
	-- error.type=11 error.code=1
	-- error.type=5 error.code=1
)
check_eq "port unreachable, source route failed, a router on protocols, unknown, fragment lost, redirect: never" \
	"$(relayed h/eth0 "${forwarded[@]}" "${from_r[@]}" "${kinds[@]}")" "lost, lost, lost, lost, lost, lost"
check_eq "nor with the next packet" \
	"$(relayed h/eth0 "${forwarded[@]}" "${from_r[@]}" error.quote=28 "${kinds[@]}")" \
	"lost, lost, lost, lost, lost, lost"
check_eq "counted as ignored" \
	"$(rises error "${forwarded[@]}" "${from_r[@]}" error.type=3 error.code=3)" icmp_ignored+1
check_eq "source quench and parameter problem are not even heard" \
	"$(rises error "${forwarded[@]}" "${from_r[@]}" error.type=4)$(
	rises error "${forwarded[@]}" "${from_r[@]}" error.type=12)" ""

# --- whoever ends sockets does not make it deaf

must modprobe -q raw_diag
check "its socket is one that ss lists" grep -q ':1 ' <<<"$(ns a ss -Hanw)"
ns a ss -KHanw >/dev/null
check_eq "ss -K does not end it" \
	"$(rises error "${forwarded[@]}" "${from_r[@]}" error.type=11)" icmp_relayed+1

# --- fragmentation needed

for who in forwarded own; do
	[ $who = own ] && place=a/lo source=10.9.0.1 || place=h/eth0 source=10.1.0.1
	declare -n packet=$who
	forget a
	check_eq "$who: fragmentation needed at once, with the inner MTU" \
		"$(relayed "$place" "${packet[@]}" "${from_r[@]}" size=1400 \
			error.type=3 error.code=4 error.mtu=1300 error.quote=1440)" \
		"3/4 mtu 1280 from $source"
	check_eq "$who: and the path MTU is learned" "$(path_mtu a 10.0.2.1)" 1300
	forget a
	check_eq "$who: a short quote" \
		"$(rises error "${packet[@]}" "${from_r[@]}" size=1400 \
			error.type=3 error.code=4 error.mtu=1300 error.quote=28)" icmp_deferred+1
	check_eq "$who: lowers the path MTU" "$(path_mtu a 10.0.2.1)" 1300
	check_eq "$who: and the next packet is told" \
		"$(wire carry "${place%/*}" "$place" "${packet[@]}" df=1 size=1400 | grep -o 'icmp=3/4 icmp.info=[0-9]*')" \
		"icmp=3/4 icmp.info=1280"
done
forget a h

# --- soft state: the quote does not say who sent the packet

deferred() { # ERROR...: what the next two packets are told
	[ "$(rises error "${forwarded[@]}" "${from_r[@]}" error.quote=28 "$@")" = icmp_deferred+1 ] ||
		echo "not deferred"
	wire carry h h/eth0 wait=0.5 "${forwarded[@]}" -- size=40 -- size=41 |
		grep -o 'lost\|icmp=[0-9/]*' | paste -sd' '
}
check_eq "short quote of time exceeded: the next packet is told, once" \
	"$(deferred error.type=11)" "icmp=3/1 lost"
check_eq "short quote of network unreachable: the next packet is told, once" \
	"$(deferred error.type=3 error.code=0)" "icmp=3/0 lost"
check_eq "27 bytes of inner packet are as short as 8" \
	"$(deferred error.type=11 error.quote=47)" "icmp=3/1 lost"
error "${forwarded[@]}" "${from_r[@]}" error.quote=28 error.type=11
check "the packet that is told is sent all the same" \
	grep -q dst=10.0.2.1 <<<"$(wire carry h r/eth0 "${forwarded[@]}")"

# --- what cannot be true

ip -n a route add 10.9.9.9 dev eth0
frag=(error.type=3 error.code=4 error.mtu=1300 size=1400)
lies() { # TEXT COUNTER ARGUMENT...
	forget a
	check_eq "$1: not believed, counted" "$(rises error "${frag[@]}" "${@:3}")" "$2+1"
	check_eq "$1: the path MTU stays" "$(path_mtu a 10.0.2.1)" ""
}
lies "another endpoint" icmp_not_ours "${forwarded[@]}" "${from_r[@]}" outer.dst=10.0.2.9
lies "quoted source is not whom the error is for" icmp_not_ours \
	"${forwarded[@]}" "${from_r[@]}" outer.src=10.0.1.9
lies "inner packet is routed elsewhere" icmp_not_routed \
	src=10.1.0.2 dst=10.9.9.9 "${from_r[@]}"
lies "inner packet has no route" icmp_not_routed src=10.1.0.2 dst=172.16.0.1 "${from_r[@]}"
lies "inner packet may be fragmented" icmp_not_ours "${forwarded[@]}" "${from_r[@]}" df=0
lies "it would have fitted" icmp_not_ours "${forwarded[@]}" "${from_r[@]}" size=200
lies "no DF outside" icmp_not_ours "${forwarded[@]}" "${from_r[@]}" outer.df=0
lies "options that we do not send" icmp_malformed "${forwarded[@]}" "${from_r[@]}" outer.opt=01010101
lies "checksum" icmp_malformed "${forwarded[@]}" "${from_r[@]}" error.sum=1
lies "a later fragment of an outer packet" icmp_malformed "${forwarded[@]}" "${from_r[@]}" outer.frag=8
lies "quote of 27 bytes" icmp_malformed "${forwarded[@]}" "${from_r[@]}" error.quote=27
lies "inner version 6" icmp_malformed "${forwarded[@]}" "${from_r[@]}" version=6
lies "inner header of 16 bytes" icmp_malformed "${forwarded[@]}" "${from_r[@]}" ihl=4
ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl pmtudisc=0
lies "we set no DF" icmp_not_ours "${forwarded[@]}" "${from_r[@]}"
ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl pmtudisc=1
for type in 42 200; do
	check_eq "type $type is no error at all" \
		"$(rises error "${frag[@]}" "${forwarded[@]}" "${from_r[@]}" error.type=$type)" ""
done
check_eq "sent to a broadcast address: not even looked at" \
	"$(rises error "${frag[@]}" "${forwarded[@]}" "${from_r[@]}" \
		error.dst=10.0.1.255 outer.src=10.0.1.255)" ""

# Whoever makes up an inner source has errors sent to it.
check_eq "an inner source that is a broadcast address is sent nothing" \
	"$(relayed h/eth0 src=10.1.0.255 dst=10.9.0.2 "${from_r[@]}" error.type=3 error.code=1)" lost
sysctl_set a net.ipv4.conf.all.rp_filter 1
check_eq "one behind another router is told, with strict rp_filter" \
	"$(ip -n a route add 10.7.0.0/24 via 10.1.0.2; relayed h/eth0 src=10.7.0.1 dst=10.9.0.2 \
		"${from_r[@]}" error.type=3 error.code=1 | sed 's/ from.*//')" 3/1
sysctl_set a net.ipv4.ip_forward 0
check_eq "nor any other than ours, where nothing is forwarded" \
	"$(relayed h/eth0 "${forwarded[@]}" "${from_r[@]}" error.type=3 error.code=1)" lost
sysctl_set a net.ipv4.ip_forward 1
sysctl_set a net.ipv4.conf.all.rp_filter 0
wire send h "${forwarded[@]}" # tells what is still to be told
check_eq "lies about reachability are told to nobody" \
	"$(relayed h/eth0 "${from_r[@]}" error.type=3 error.code=1 \
		-- src=10.1.0.2 dst=10.9.9.9 -- "${forwarded[@]}" outer.dst=10.0.2.9)" "lost, lost"
check_eq "not even with the next packet" \
	"$(wire carry h h/eth0 wait=0.5 "${forwarded[@]}")" lost
ip -n a route del 10.9.9.9 dev eth0

# What follows the quote (RFC 4884) is not part of it: 32 words are quoted, then
# comes an extension.
out=$(wire carry r h/eth0 "${outer[@]}" "${forwarded[@]}" "${from_r[@]}" size=88 \
	error.type=3 error.code=1 error.len=32 error.more=2000aaaa0008010100112233)
check "an extension is not taken for a part of the packet" \
	grep -q ' quote.len=right ' <<<" $out "

# --- net.ipv4.ip_no_pmtu_disc, as for the kernel's own protocols

for mode in 2 3; do
	sysctl_set a net.ipv4.ip_no_pmtu_disc $mode
	lies "ip_no_pmtu_disc=$mode" icmp_ignored "${forwarded[@]}" "${from_r[@]}"
done
sysctl_set a net.ipv4.ip_no_pmtu_disc 1
forget a
check_eq "ip_no_pmtu_disc=1: the error is heard" \
	"$(rises error "${frag[@]}" "${forwarded[@]}" "${from_r[@]}")" icmp_deferred+1
check "ip_no_pmtu_disc=1: its MTU is not believed, the path is locked at the least there is" \
	grep -q 'mtu lock 552' <<<"$(ip -n a route get 10.0.2.1)"
forget a
sysctl_set a net.ipv4.ip_no_pmtu_disc 0

# --- redirects: the route to the endpoint follows them

sysctl_set a net.ipv4.conf.all.accept_redirects 1
sysctl_set a net.ipv4.conf.eth1.accept_redirects 1
sysctl_set a net.ipv4.conf.all.secure_redirects 0
sysctl_set a net.ipv4.conf.eth1.secure_redirects 0
ip -n a addr add 10.4.4.1/24 dev eth1 # so that a gateway's second octet is a 4
ip -n a neigh add 10.4.4.9 lladdr 02:00:00:00:04:09 dev eth1
# The gateway is where other errors have the MTU, and before it two octets.
rises error "${forwarded[@]}" "${from_r[@]}" error.type=5 error.code=1 \
	error.gateway=10.4.4.9 >"$tmp/rises"
check "a redirect is followed" grep -q 'via 10.4.4.9' <<<"$(ip -n a route get 10.0.2.1)"
note "$(cat "$tmp/rises")"
ip -n a addr del 10.4.4.1/24 dev eth1
forget a

# --- tiny MTUs

check_eq "an MTU below what the kernel believes is not told" \
	"$(rises error "${frag[@]}" "${forwarded[@]}" "${from_r[@]}" error.mtu=300)" icmp_deferred+1
for mtu in 0 1 20 67 68 87 551; do
	error "${frag[@]}" "${forwarded[@]}" "${from_r[@]}" error.mtu=$mtu
done
check "and packets with DF go on, without DF outside" \
	grep -q ' df=0 .* inner.df=1 ' <<<" $(wire carry h r/eth0 "${forwarded[@]}" df=1 size=500) "
check_eq "the sender is told nothing that loops" \
	"$(wire carry h h/eth0 wait=0.5 "${forwarded[@]}" df=1 size=1400)" lost
forget a

# --- the path MTU is soft state

# before 5.18 one figure for all namespaces, in the first
expires_in=a
ns a test -e /proc/sys/net/ipv4/route/mtu_expires || expires_in=init
sysctl_set $expires_in net.ipv4.route.mtu_expires 3
error "${frag[@]}" "${forwarded[@]}" "${from_r[@]}"
learned=$(path_mtu a 10.0.2.1)
expired() { [ -z "$(path_mtu a 10.0.2.1)" ]; }
check "the path MTU is forgotten after mtu_expires" poll 10 expired
check_eq "having been there" "$learned" 1300
check "and a packet that was too big is sent again" \
	grep -q dst=10.0.2.1 <<<"$(wire carry h r/eth0 "${forwarded[@]}" df=1 size=1400)"
sysctl_set $expires_in net.ipv4.route.mtu_expires 600

# --- whose device: gateway mode, another netns, one that is down

ip -n a link add many type tunl
ip -n a addr add 10.9.1.1/32 dev many
ip -n a link set many up
ip -n a route add 10.9.2.0/24 via 10.0.2.7 dev many onlink
# to r these are there: it would say that they are not seconds later, with an error more
for host in 7 8; do
	ip -n r neigh add 10.0.2.$host lladdr 02:00:00:00:02:0$host dev eth1
done
gateway=(outer.dst=10.0.2.7 src=10.1.0.2 dst=10.9.2.2)
check_eq "gateway mode: relayed" \
	"$(relayed h/eth0 "${gateway[@]}" "${from_r[@]}" error.type=3 error.code=1)" "3/1 from 10.1.0.1"
check_eq "gateway mode: another gateway's packet is not believed" \
	"$(rises error "${gateway[@]}" outer.dst=10.0.2.8 "${from_r[@]}" error.type=3 error.code=1)" \
	icmp_not_routed+1
# Told to the next packet to that endpoint, and not to others' meanwhile.
ip -n a route add 10.9.5.0/24 via 10.0.2.8 dev many onlink
error "${gateway[@]}" "${from_r[@]}" error.quote=28 error.type=11
check_eq "gateway mode: a short quote is nothing to another gateway's packet" \
	"$(wire carry h h/eth0 wait=0.5 src=10.1.0.2 dst=10.9.5.2)" lost
check "gateway mode: but is told to the next of its own" \
	grep -q icmp=3/1 <<<"$(wire carry h h/eth0 src=10.1.0.2 dst=10.9.2.2)"
ip -n a link set many down
check_eq "of a device that is down: nobody's" \
	"$(rises error "${gateway[@]}" "${from_r[@]}" error.type=3 error.code=1)" icmp_not_ours+1
ip -n a link del many

ip netns add c
ip -n a link add away type tunl
ip -n a link set away netns c
ip -n c link set away broadcast 10.0.2.3
ip -n c addr add 10.9.3.1/32 dev away
ip -n c link set away up
ip -n c route add 10.9.4.0/24 dev away
check_eq "device in another netns: its sender is there" \
	"$(ip -n c link set lo up; relayed c/lo outer.dst=10.0.2.3 src=10.9.3.1 dst=10.9.4.1 "${from_r[@]}" \
		error.type=3 error.code=1)" "3/1 from 10.9.3.1"
ip -n a link del tunl
tunl_add a tunl 10.9.0.1 10.0.2.1
ip -n a route add 10.9.0.2 dev tunl

# --- TTL of the inner packet outside: routers inside the tunnel are hops

check_eq "with a TTL of our own: time exceeded is host unreachable" \
	"$(relayed h/eth0 "${forwarded[@]}" "${from_r[@]}" error.type=11)" "3/1 from 10.1.0.1"

ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl ttl=0
check_eq "with the inner packet's TTL: time exceeded stays what it is" \
	"$(relayed h/eth0 "${forwarded[@]}" "${from_r[@]}" error.type=11)" "11/0 from 10.1.0.1"
check_eq "with the inner packet's TTL and a short quote: nothing for the next packet" \
	"$(rises error "${forwarded[@]}" "${from_r[@]}" error.quote=28 error.type=11)" icmp_ignored+1
ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl ttl=64

# Labels behind UDP, where the tunnel to that port puts IPv4, are no inner header.
must modprobe fou
must ip -n a link add udp type ipip remote 10.0.2.5 encap fou encap-sport auto encap-dport 5397
must ip -n a link set udp up
check_eq "UDP with labels inside: with the next packet" \
	"$(rises error "${forwarded[@]}" "${from_r[@]}" outer.dst=10.0.2.5 outer.udp=999:5397 outer.mpls=600000 \
		error.type=3 error.code=1)" icmp_deferred+1
ip -n a link del udp

# With rules, routes alone do not tell where a packet went: soft state.
ip -n a rule add fwmark 1 lookup 100
check_eq "other routing rules: not relayed at once, but learned" \
	"$(forget a; rises error "${frag[@]}" src=10.1.0.2 dst=172.16.0.1 "${from_r[@]}") $(
	path_mtu a 10.0.2.1)" "icmp_deferred+1 1300"
ip -n a rule del fwmark 1 lookup 100
forget a

# --- the kernel's own limits

sysctl_set a net.ipv4.icmp_ratelimit 1000
before=$(snmp a Icmp OutDestUnreachs)
rises error "${forwarded[@]}" "${from_r[@]}" error.type=3 error.code=1 times=100 >"$tmp/rises"
after=$(snmp a Icmp OutDestUnreachs)
check "100 errors at once: the kernel's rate limit holds" test $((after - before)) -le 12
note "$(cat "$tmp/rises"): sent $((after - before))"

ktap_end
