#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=90 core=yes
#
# A hub, whose one tunnel serves two spokes: what one sends to the other comes in by the
# tunnel and leaves by it.
#
#                  10.0.1.1 lan, h (tunl 10.9.0.1)
#                            │
#          ┌─────────────────┴───────────┐
#   s1 eth0 10.0.1.11            s2 eth0 10.0.1.12
#      tunl 10.1.0.1                tunl 10.2.0.1
. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

topology() {
	netns_add h s1 s2 && veth h to1 s1 eth0 && veth h to2 s2 eth0 && bridge_add h lan to1 to2 &&
		ip -n h addr add 10.0.1.1/24 dev lan && ip -n s1 addr add 10.0.1.11/24 dev eth0 &&
		ip -n s2 addr add 10.0.1.12/24 dev eth0 &&
		ip -n h link add tunl type tunl && ip -n h addr add 10.9.0.1/32 dev tunl &&
		ip -n h link set tunl up &&
		tunl_add s1 tunl 10.1.0.1 10.0.1.1 && tunl_add s2 tunl 10.2.0.1 10.0.1.1 &&
		ip -n s1 route add default dev tunl && ip -n s2 route add default dev tunl &&
		sysctl_set h net.ipv4.ip_forward 1 &&
		sysctl_set h net.ipv4.conf.all.send_redirects 1 &&
		sysctl_set h net.ipv4.conf.tunl.send_redirects 1 &&
		sysctl_set h net.ipv4.conf.lan.send_redirects 1
}

spokes() { # ROUTE-ARGUMENT...: to each spoke, with ADDRESS for the spoke's
	ip -n h route replace 10.1.0.0/24 "${@/ADDRESS/10.0.1.11}" dev tunl &&
		ip -n h route replace 10.2.0.0/24 "${@/ADDRESS/10.0.1.12}" dev tunl
}

heard() { tcpdump -ntr "$tmp/redirects.pcap" 2>/dev/null; }

echoes() { ns s1 ping -n -c 3 -i 0.2 -W 10 10.2.0.1; }

hairpin() { # TEXT
	must capture s1 tunl "$tmp/redirects.pcap" 'icmp[0] == 5'
	check "$1: one spoke reaches the other through the hub" echoes
	capture_stop
	check_eq "$1: the hub sends no redirect" "$(heard)" ""
}

load ipip
load tunnel
must topology
must spokes encap ip dst ADDRESS
hairpin "encap ip"
check "the hub has counted the redirects that it did not send" \
	test "$(tx_counter h tunl tx_drop_redirect)" -gt 0
must spokes via ADDRESS onlink
hairpin "gateways"

# A program may send any ICMP it likes.
program() {
	ns h /usr/bin/python3 -IS -c 'import socket
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(
    bytes.fromhex("0501faf900000000") + bytes(28), ("10.1.0.1", 0))'
}
must capture s1 tunl "$tmp/redirects.pcap" 'icmp[0] == 5'
must program
capture_stop_after 1 "$tmp/redirects.pcap"
check_eq "a redirect that a program sends passes" "$(heard | wc -l)" 1
ktap_end
