#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=240 core=yes
#
# The example of 1994 with its own commands and with today's.
#
#      A                     R                          B
#    eth0 ---------- to_a        lan ----------+------ eth0
#  111.112.101.37    101.1      100.1          |   111.112.100.86
#    tunl                                      |      tunl
#  111.112.100.87                              |   111.112.100.86
#  (the ghost)                               eth0
#                                       111.112.100.50
#                                              C
#
# insmod makes a tunl in the first namespace only; A is there, then B.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/1994.sh"

topology() { # A B
	local host
	for host in "$1" "$2" R C; do
		[ "$host" = init ] || netns_add "$host" || return
	done
	veth "$1" eth0 R to_a && veth R to_b "$2" eth0 && veth R to_c C eth0 &&
		bridge_add R lan to_b to_c &&
		net_1994_a "$1" && net_1994_b "$2" && net_1994_c C &&
		net_1994_r R to_a lan
}

# So that the next scenario begins with nothing.
raze() {
	local name
	unload
	for name in $(ip netns list | cut -d' ' -f1); do
		ip netns delete "$name"
	done
	poll 20 test ! -e /sys/class/net/eth0
}

tunl_there() { # NS: one more than insmod made
	[ "$1" = init ] || ns "$1" ip link add tunl type tunl
}

rp_filter() { # VALUE NS...
	local value=$1 host
	shift
	for host; do
		sysctl_set "$host" net.ipv4.conf.all.rp_filter "$value"
	done
}

routed_through() { # NS ADDRESS DEV
	ns "$1" ip route get "$2" | grep -w "dev $3"
}

no_route_of_its_own() { # NS: but the local and broadcast ones
	! ns "$1" ip route show dev tunl | grep .
}

resolves_to_b() {
	ns C ip neigh show "$GHOST" | grep -w "lladdr $B_MAC"
}

# Packets in the capture, by what tcpdump prints of them.
captured() { # FILTER REGEX
	tcpdump -ntr "$tmp/wire.pcap" "$1" 2>/dev/null | grep -cE "$2"
}

received_as_sent() { # NS BEFORE-RX BEFORE-TX COUNT
	[ "$(packets "$1" tunl RX)" = $(($2 + $4)) ] &&
		[ "$(packets "$1" tunl TX)" = $(($3 + $4)) ]
}

redirects() { # NS
	ns "$1" nstat -asz IcmpOutRedirects | awk '/Redirects/ { print $2 }'
}

connectivity() { # LABEL A
	check "$1: C reaches the ghost" c_reaches_ghost C
	check "$1: the ghost reaches C" ghost_reaches_c "$2"
}

on_the_wire() { # LABEL A B
	local before_a before_b outer='ip proto 4 and src 111.112.100.86 and dst 111.112.101.37'
	local back='ip proto 4 and src 111.112.101.37 and dst 111.112.100.86'

	before_a="$(packets "$2" tunl RX) $(packets "$2" tunl TX)"
	before_b="$(packets "$3" tunl RX) $(packets "$3" tunl TX)"
	must capture R to_a "$tmp/wire.pcap" ip
	check "$1: C reaches the ghost while R looks" c_reaches_ghost C
	capture_stop_after 4 "$tmp/wire.pcap"
	check_eq "$1: requests go from B to A, C to the ghost inside" \
		"$(captured "$outer" "IP 111.112.100.50 > $GHOST: ICMP echo request")" 2
	check_eq "$1: answers go from A to B, the ghost to C inside" \
		"$(captured "$back" "IP $GHOST > 111.112.100.50: ICMP echo reply")" 2
	check_eq "$1: nothing else is on the wire" "$(captured ip .)" 4
	# shellcheck disable=SC2086
	check "$1: A's tunl counted two each way" received_as_sent "$2" $before_a 2
	# shellcheck disable=SC2086
	check "$1: B's tunl counted two each way" received_as_sent "$3" $before_b 2
	check "$1: C takes B's card for the ghost" resolves_to_b
}

as_delivered_in_1994() { # LABEL A B
	local before_a before_b

	sysctl_set "$2" net.ipv4.ipip.deliver ingress
	sysctl_set "$3" net.ipv4.ipip.deliver ingress
	before_a="$(packets "$2" tunl RX) $(packets "$2" tunl TX)"
	before_b="$(packets "$3" tunl RX) $(packets "$3" tunl TX)"
	connectivity "$1, deliver=ingress" "$2"
	check_eq "$1, deliver=ingress: A's tunl only sent" \
		"$(packets "$2" tunl RX) $(packets "$2" tunl TX)" \
		"${before_a% *} $((${before_a#* } + 4))"
	check_eq "$1, deliver=ingress: B's tunl only sent" \
		"$(packets "$3" tunl RX) $(packets "$3" tunl TX)" \
		"${before_b% *} $((${before_b#* } + 4))"
	check_eq "$1, deliver=ingress: B sent no redirect" "$(redirects "$3")" 0
	sysctl_set "$2" net.ipv4.ipip.deliver device
	sysctl_set "$3" net.ipv4.ipip.deliver device
}

# Taking an interface down takes its routes along; the rest stays.
down_and_up() { # LABEL A
	check "$1: A's tunl goes down" ns "$2" ifconfig tunl down
	check_not "$1: then C does not reach the ghost" \
		ns C ping -c 1 -W 1 "$GHOST"
	check "$1: A's tunl comes up again" ns "$2" ifconfig tunl up
	check "$1: with its addresses" \
		grep -E "inet $GHOST peer 111.112.100.86" <(ns "$2" ip addr show tunl)
	check "$1: without its routes" no_route_of_its_own "$2"
	check_not "$1: the route to B over eth0 is still there" \
		ns "$2" route add 111.112.100.86 dev eth0
	check "$1: the network route once more" \
		ns "$2" route add -net 111.112.100.0 netmask 255.255.255.0 dev tunl
	connectivity "$1, after that" "$2"
}

begin() { # LABEL A B COMMANDS-A COMMANDS-B
	must topology "$2" "$3"
	must load ipip
	must load tunnel
	must tunl_there "$2"
	must tunl_there "$3"
	check "$1: A's commands" "$4" "$2"
	check "$1: B's commands" "$5" "$3"
	check "$1: A reaches its endpoint over eth0" \
		routed_through "$2" 111.112.100.86 eth0
	check "$1: B reaches its endpoint over eth0" \
		routed_through "$3" 111.112.101.37 eth0
	check_eq "$1: the only route through B's tunl is the ghost's" \
		"$(ns "$3" ip route show dev tunl | sed 's/ *$//')" "$GHOST scope link"
}

with_rp_filter() { # LABEL A B
	local value

	for value in 0 2; do
		rp_filter "$value" "$2" "$3" C R
		connectivity "$1, rp_filter $value" "$2"
		# B's own address is A's endpoint: reached past the tunnel.
		check "$1, rp_filter $value: B itself reaches the ghost" \
			ns "$3" ping -c 1 -W 3 "$GHOST"
	done
	rp_filter 1 "$3"
	connectivity "$1, rp_filter 1 on B" "$2"
	rp_filter 0 "$3" "$2"
}

ktap_begin

text="A by insmod"
begin "$text" init B commands_1994_a commands_1994_b
with_rp_filter "$text" init B
on_the_wire "$text" init B
as_delivered_in_1994 "$text" init B
down_and_up "$text" init
check "$text: the modules go" unload
check_not "$text: and with them the ghost" ns C ping -c 1 -W 1 "$GHOST"
must raze

text="B by insmod"
begin "$text" A init commands_1994_a commands_1994_b
connectivity "$text" A
on_the_wire "$text" A init
must raze

text="by ip"
begin "$text" A B commands_ip_a commands_ip_b
with_rp_filter "$text" A B
on_the_wire "$text" A B

ktap_end
