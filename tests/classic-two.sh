#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=2 mixed=yes suite=fast engine=qemu timeout=180
#
# The example of 1994 on two machines, each with its own modules.
#
#   guest a                                 guest b
#      A                     R              :  lan            B
#    eth0 ---------- to_a       wire0 ------:- wire0 -+----- eth0
#  111.112.101.37    101.1      100.1       :         |  111.112.100.86
#    tunl                                   :         |     tunl
#  111.112.100.87                           :         |  111.112.100.86
#  (the ghost)                              :        eth0
#                                           :  111.112.100.50
#                                           :         C
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/1994.sh"

topology_a() {
	netns_add R && veth init eth0 R to_a &&
		ip link set wire0 netns R && ip -n R link set wire0 up &&
		net_1994_a init && net_1994_r R to_a wire0
}

topology_b() {
	netns_add LAN C && veth LAN to_b init eth0 && veth LAN to_c C eth0 &&
		ip link set wire0 netns LAN && bridge_add LAN lan wire0 to_b to_c &&
		net_1994_b init && net_1994_c C
}

insmod_1994() {
	# "insmod ipip.o ; insmod tunnel.o"
	load ipip && load tunnel
}

ktap_begin
must "topology_$ROLE"
check "insmod ipip.ko; insmod tunnel.ko" insmod_1994
check "the commands of machine ${ROLE^}" "commands_1994_$ROLE" init
# After the last packet of setting up, before the first that it is to have.
must barrier set
[ "$ROLE" = b ] || must capture R wire0 "$tmp/wire.pcap" ip
must barrier ready

if [ "$ROLE" = b ]; then
	check "C reaches the ghost" c_reaches_ghost C
	check "C takes B's card for the ghost" \
		grep -w "lladdr $B_MAC" <(ns C ip neigh show "$GHOST")
	check "with packets of 1480 bytes, the most the tunnel takes whole" \
		ns C ping -c 1 -W 3 -M 'do' -s 1452 "$GHOST"
	check "and with 3000 bytes, in fragments" \
		ns C ping -c 1 -W 3 -M dont -s 3000 "$GHOST"
	must barrier c
	must barrier ghost
else
	must barrier c
	capture_stop_after 8 "$tmp/wire.pcap"
	check "R saw packets of A and B only, with those of C and the ghost inside" \
		grep -E "IP 111.112.100.86 > 111.112.101.37: IP 111.112.100.50 > $GHOST: ICMP" \
		<(tcpdump -ntr "$tmp/wire.pcap" 2>/dev/null)
	check_eq "and none that was not wrapped" \
		"$(tcpdump -ntr "$tmp/wire.pcap" "not proto 4 and not igmp" 2>/dev/null)" ""
	check "the ghost reaches C" ghost_reaches_c init
	must barrier ghost
fi
check "tunl sent and received" \
	test "$(packets init tunl RX)" -ge 4 -a "$(packets init tunl TX)" -ge 4
must barrier finished
ktap_end
