#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=200
#
# What a tunnel remembers goes with it: routes that hold a netns, a module, memory.
#
#   init   gone.a, next.a ══ next, a netns that is freed after the one under test
. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# Namespaces are freed one after the other: one that cannot be holds up the next, whose
# veth then stays.
freed() {
	local text=$1

	must ip netns add next
	must ip link add next.a type veth peer name next.b netns next
	must ip netns delete next
	check "$text: that netns is freed, and the next one" poll 15 eval '! ip link show next.a >/dev/null 2>&1'
}

gone() { ! ip link show "$1" >/dev/null 2>&1; } # LINK

# ---- a policy without an SA ------------------------------------------------

# Any local user: root in a user namespace of his own.
waiting_for_sa() {
	cat >"$tmp/attack" <<-'END'
		ip link set lo up
		ip link add card type dummy
		ip addr add 10.0.1.1/24 dev card
		ip link set card up
		ip neigh add 10.0.1.2 lladdr 02:00:00:00:00:01 dev card nud permanent
		case KIND in
		ipip) ip link add KIND0 type KIND remote 10.0.1.2 ;;
		tunl) ip link add KIND0 type KIND && ip link set KIND0 broadcast 10.0.1.2 ;;
		esac
		ip addr add 10.9.0.1/32 dev KIND0
		ip link set KIND0 up
		ip route add 10.5.0.0/16 dev KIND0
		ip xfrm policy add dst 10.0.1.2 proto 4 dir out tmpl proto esp mode transport
		ip xfrm monitor acquire >/dev/null 2>&1 &
		sleep 0.5
		ping -c 2 -i 0.3 -W 1 10.5.0.1 >/dev/null 2>&1
		kill %1 2>/dev/null
		ethtool -S KIND0 | sed -n 's/^ *tx_drop_ipsec: /drops /p'
		ip -j -s link show KIND0 |
			python3 -c 'import json, sys; d = json.load(sys.stdin)[0]; print("sent", d["stats64"]["tx"]["packets"], "mtu", d["mtu"])'
	END
	sed -i "s/KIND/$1/g" "$tmp/attack"
	chmod 755 "$tmp" "$tmp/attack"
	as_nobody unshare -Urn bash "$tmp/attack" >"$tmp/said" 2>&1
	check_eq "kind $1: packets that wait for an SA are counted, and not as sent" \
		"$(grep -E '^(drops|sent)' "$tmp/said" | paste -sd ' ')" "drops 2 sent 0 mtu 1480" || diag <"$tmp/said"
	freed "kind $1, a policy without an SA"
}

# ---- lightweight tunnels below ---------------------------------------------

references() { awk -v module="$1" '$1 == module { print $3 }' /proc/modules; }
no_references() { [ "$(references "$1")" = 0 ]; }

underlay() {
	netns_add u && ip -n u link add card type dummy && ip -n u addr add 10.0.1.1/24 dev card &&
		ip -n u link set card up &&
		ip -n u neigh add 10.0.1.254 lladdr 02:00:00:00:00:01 dev card nud permanent &&
		ip -n u route add 10.0.2.0/24 encap mpls 100 via inet 10.0.1.254 dev card
}

sends() { # DEV
	local before
	before=$(dev_counter u "$1" tx_packets)
	ns u ping -c 1 -W 0.2 -I "$1" 10.5.0.1
	[ "$(dev_counter u "$1" tx_packets)" -gt "$before" ]
}

labels_below() {
	must modprobe -a mpls_router mpls_iptunnel
	must underlay
	must tunl_add u tunl 10.9.0.1 10.0.2.1
	must ip -n u route add 10.5.0.0/16 dev tunl
	check "a tunnel over labels sends" sends tunl
	must ip -n u route del 10.0.2.0/24
	check "its route's module is free once the route is deleted" poll 10 no_references mpls_iptunnel
	must ip -n u route add 10.0.2.0/24 encap mpls 100 via inet 10.0.1.254 dev card
	must sends tunl
	must ip netns delete u
	check "and once the netns is" poll 10 no_references mpls_iptunnel
	check "the module can be unloaded" rmmod mpls_iptunnel
	rmmod mpls_router
}

# ---- routes that are remembered --------------------------------------------

# How many routes the kernel has; some are freed a little later.
routes() { printf '%d\n' "0x$(awk 'NR == 2 { print $1 }' /proc/net/stat/rt_cache)"; }

many_endpoints() { # NS: a packet to each
	ns "$1" /usr/bin/python3 -IS - <<-'END'
		import socket
		sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for i in range(2000):
		    sock.sendto(b"", ("10.%d.%d.1" % (64 + i // 256, i % 256), 9))
	END
}

# Each endpoint has a route of its own, as by the gateway of each.
gateways() {
	netns_add g && ip -n g link add card type dummy && ip -n g addr add 10.0.1.1/16 dev card &&
		ip -n g link set card up && ip -n g link add gate type tunl &&
		ip -n g addr add 10.9.0.1/32 dev gate && ip -n g link set gate up || return
	for ((i = 0; i < 2000; i++)); do
		echo "route add 10.$((64 + i / 256)).$((i % 256)).0/24 via 10.0.$((2 + i / 250)).$((i % 250 + 1)) dev gate onlink"
		echo "route add 10.0.$((2 + i / 250)).$((i % 250 + 1))/32 dev card"
	done | ip -n g -batch -
}

fewer() { [ "$(routes)" -lt "$1" ]; }

remembered() {
	local before with

	must gateways
	before=$(routes)
	many_endpoints g
	with=$(routes)
	note "routes before $before, with 2000 endpoints $with"
	must ip -n g link set gate broadcast 10.0.2.1
	sleep 0.1
	must ip netns delete g
	check "routes go with the netns" poll 20 fewer $((before + 200))
}

load tunnel
waiting_for_sa tunl
waiting_for_sa ipip
labels_below
remembered
check "tunnel.ko unloads" timeout 20 rmmod tunnel
ktap_end
