#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=150
#
# ICMP errors about tunnels whose outer packets are routed by a rule: by mark, TOS or
# port. What they say is learned by the route that the tunnel uses, and by no other.
#
#                 10.0.1.1 eth1 ═══ 10.0.1.254 r1 10.0.3.254 ═══ 10.0.3.2 eth1
#   10.9.0.1 tunnel, a                                                        b  lo 10.0.9.1
#                 10.0.2.1 eth2 ═══ 10.0.2.254 r2 10.0.4.254 ═══ 10.0.4.2 eth2
#                                                 MTU 1300
#
# Main table: by r1. Table 100: by r2.
. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

END=10.0.9.1

topology() {
	local n

	netns_add a r1 r2 b || return
	for n in 1 2; do
		veth a "eth$n" "r$n" eth0 && veth "r$n" eth1 b "eth$n" &&
			ip -n a addr add "10.0.$n.1/24" dev "eth$n" && ip -n "r$n" addr add "10.0.$n.254/24" dev eth0 &&
			ip -n "r$n" addr add "10.0.$((n + 2)).254/24" dev eth1 &&
			ip -n b addr add "10.0.$((n + 2)).2/24" dev "eth$n" &&
			ip -n b route add "10.0.$n.0/24" via 10.0.$((n + 2)).254 &&
			ip -n "r$n" route add "$END" via 10.0.$((n + 2)).2 &&
			sysctl_set "r$n" net.ipv4.ip_forward 1 || return
	done
	ip -n b addr add "$END/32" dev lo && ip -n r2 link set eth1 mtu 1300 &&
		ip -n b link set eth2 mtu 1300 && sysctl_set b net.ipv4.conf.all.rp_filter 0 &&
		ip -n a route add "$END" via 10.0.1.254 &&
		ip -n a route add "$END" via 10.0.2.254 table 100 &&
		sysctl_set a net.ipv4.conf.all.accept_redirects 1 &&
		sysctl_set a net.ipv4.conf.eth2.accept_redirects 1
}

outside() { dev_counter a eth2 tx_packets; }

# A packet that fits the device and not the path.
big() { ns a ping -n -M "do" -c 1 -W 1 -s 1400 10.5.0.1; }

main_knows_nothing() { ! ip -n a route get "$END" | grep mtu; }

# One rule and one tunnel that it is for.
learns() { # TEXT RULE -- ARGUMENT-OF-IP-LINK...
	local text=$1 rule=$2 before sent drops
	shift 3

	# shellcheck disable=SC2086 # words of a rule
	must ip -n a rule add $rule lookup 100
	must ip -n a link add tun type ipip remote $END ttl 64 "$@"
	must ip -n a addr add 10.9.0.1/32 dev tun
	must ip -n a link set tun mtu 1460 up
	must ip -n a route add 10.5.0.0/16 dev tun
	before=$(outside)
	big >/dev/null 2>&1
	check "$text: the tunnel sends by its rule's route" test "$(outside)" -gt "$before"
	forget_inner
	sent=$(dev_counter a tun tx_packets) drops=$(tx_counter a tun tx_drop_too_big)
	big >/dev/null 2>&1
	check_eq "$text: the next large packet does not go into the hole" "$(dev_counter a tun tx_packets)" "$sent"
	check_eq "$text: it is counted as too big" "$(tx_counter a tun tx_drop_too_big)" $((drops + 1))
	# About UDP the kernel itself has the main table learn, without looking at ports.
	case $rule in
	*dport*) ;;
	*) check "$text: the other route has learned nothing" main_knows_nothing ;;
	esac
	must ip -n a link del tun
	# shellcheck disable=SC2086
	must ip -n a rule del $rule lookup 100
	ip -n a route flush cache
}

# What the sender has learned himself, that he asks again.
forget_inner() {
	ip -n a route del 10.5.0.0/16 dev tun
	ip -n a route add 10.5.0.0/16 dev tun
}

redirects() {
	must ip -n a rule add fwmark 7 lookup 100
	must ip -n a link add tun type ipip remote $END local 10.0.2.1 ttl 64 fwmark 7
	must ip -n a addr add 10.9.0.1/32 dev tun
	must ip -n a link set tun up
	must ip -n a route add 10.5.0.0/16 dev tun
	must ip -n a neigh add 10.0.2.253 lladdr 02:00:00:00:00:fd dev eth2 nud permanent
	big >/dev/null 2>&1
	must wire send r2 outer.src=10.0.2.1 outer.dst=$END src=10.9.0.1 dst=10.5.0.1 size=40 \
		error.src=10.0.2.254 error.dst=10.0.2.1 error.type=5 error.code=1 error.gateway=10.0.2.253
	check "a redirect changes the route that the tunnel uses" \
		poll 5 eval "ip -n a route get $END mark 7 | grep 'via 10.0.2.253'"
	check "and no other" eval "ip -n a route get $END | grep 'via 10.0.1.254'"
	must ip -n a link del tun
}

# Of several routes each has its own path MTU, which no quote tells apart: the tunnel
# remembers it, as long as a route would.
several() {
	local drops

	ip -n a route flush cache
	must ip -n a route replace $END nexthop via 10.0.1.254 nexthop via 10.0.2.254
	must ip -n a link add tun type ipip remote $END local 10.0.2.1 ttl 64
	must ip -n a addr add 10.9.0.1/32 dev tun
	must ip -n a link set tun mtu 1460 up
	must ip -n a route add 10.5.0.0/16 dev tun
	too_big() {
		wire send r2 outer.src=10.0.2.1 outer.dst="$END" outer.df=1 src=10.9.0.1 dst=10.5.0.1 df=1 size=1400 \
			error.src=10.0.2.254 error.dst=10.0.2.1 error.type=3 error.code=4 error.mtu=1300 error.quote=28
	}
	must too_big
	check "several nexthops: no route has learned the path MTU" main_knows_nothing
	drops=$(tx_counter a tun tx_drop_too_big)
	big >/dev/null 2>&1
	check_eq "several nexthops: the tunnel has" "$(tx_counter a tun tx_drop_too_big)" $((drops + 1))
	forgotten() { forget_inner; big >/dev/null 2>&1; [ "$(tx_counter a tun tx_drop_too_big)" = "$drops" ]; }
	more() { drops=$(tx_counter a tun tx_drop_too_big); forgotten; }
	# told again; not so soon the first time, or a slow machine would be too late for it
	if ns a test -e /proc/sys/net/ipv4/route/mtu_expires; then
		sysctl_set a net.ipv4.route.mtu_expires 3
		must too_big
		check "several nexthops: and forgets it after mtu_expires" poll 10 more
	else
		result 0 "several nexthops: and forgets it # SKIP before 5.18 only after ten minutes, which mtu_expires does not change"
	fi
	must ip -n a link del tun
}

load tunnel
must topology
learns "a mark" "fwmark 7" -- fwmark 7
learns "a TOS" "tos 0x10" -- tos 0x10
modprobe fou
learns "a port" "ipproto udp dport 5555" -- encap fou encap-dport 5555
redirects
several
ktap_end
