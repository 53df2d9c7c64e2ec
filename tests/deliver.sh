#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=240 core=yes
#
# Where an unwrapped packet appears: net.ipv4.ipip.deliver.
#
#   A  eth0 192.0.2.2 ---+
#      lo   10.1.0.1     |          H (the first namespace), a router
#                        +--------- eth0 192.0.2.1, .9
#   C  eth0 192.0.2.3 ---+          tunl, endpoint A; 10.1.0.0/24 behind it
#      lo   10.3.0.3   (LAN: lan)
#
# A has a tunl of its own with endpoint H, and 10.3.0.0/24 behind it. H reaches
# 10.3.0.0/24 by C, over the same eth0 that A's wrappers come in by.
. "$(dirname "$0")/lib.sh"

topology() {
	netns_add A C LAN && veth A eth0 LAN to_a && veth C eth0 LAN to_c &&
		veth init eth0 LAN to_h && bridge_add LAN lan to_a to_c to_h &&
		ip addr add 192.0.2.1/24 dev eth0 && ip addr add 192.0.2.9/24 dev eth0 &&
		ip route add 10.3.0.0/24 via 192.0.2.3 &&
		ns A ip addr add 192.0.2.2/24 dev eth0 &&
		ns A ip addr add 10.1.0.1/32 dev lo &&
		ns C ip addr add 192.0.2.3/24 dev eth0 &&
		ns C ip addr add 10.3.0.3/32 dev lo &&
		ns C ip route add 10.1.0.0/24 via 192.0.2.1 &&
		sysctl_set init net.ipv4.ip_forward 1 &&
		sysctl_set init net.ipv4.conf.all.send_redirects 1 &&
		sysctl_set init net.ipv4.conf.eth0.send_redirects 1 &&
		poll 20 ping -c 1 -W 1 192.0.2.2 && poll 20 ping -c 1 -W 1 192.0.2.3
}

tunnels() {
	load ipip accept=peers && load tunnel && ip link set tunl up broadcast 192.0.2.2 &&
		ip route add 10.1.0.0/24 dev tunl &&
		ns A ip link add tunl type tunl &&
		ns A ip link set tunl up broadcast 192.0.2.1 &&
		ns A ip route add 10.3.0.0/24 dev tunl src 10.1.0.1 &&
		ns A ip route add 10.9.9.9 dev tunl src 10.1.0.1
}

# How the firewall sees what A sends from inside the tunnel, and what H itself
# says of redirects.
firewall() {
	nft -f - <<-'END'
		table ip look {
			counter by_tunl { }
			counter by_eth0 { }
			counter crafted { }
			counter arrived { }
			chain pre {
				type filter hook prerouting priority -300
				iifname tunl ip saddr 10.1.0.1 counter name by_tunl
				iifname eth0 ip saddr 10.1.0.1 counter name by_eth0
				ip saddr 10.1.0.1 udp sport 1994 counter name crafted
			}
			chain in {
				type filter hook input priority 0
				ip saddr 10.1.0.1 udp sport 1994 counter name arrived
			}
			chain nat {
				type nat hook prerouting priority -100
				ip saddr 10.1.0.1 ip daddr 10.9.9.9 dnat to 10.3.0.3
				ip daddr 10.9.9.8 dnat to 192.0.2.9
			}
		}
	END
}

hits() { # COUNTER
	nft list counter ip look "$1" | awk '/packets/ { print $2 }'
}

rx() { cat /sys/class/net/tunl/statistics/rx_packets; }

redirects() { nstat -asz IcmpOutRedirects | awk '/Redirects/ { print $2 }'; }

set_deliver() { sysctl -qw "net.ipv4.ipip.deliver=$1"; }

a_reaches() { # ADDRESS [FROM]
	ns A ping -c 3 -i 0.2 -W 3 -I "${2:-10.1.0.1}" "$1"
}

# A sends one crafted packet, which would go to H itself.
crafted() { # ARGUMENT-OF-CRAFT...
	fate A 192.0.2.2 192.0.2.1 10.1.0.1 192.0.2.1 "$@"
}

# ---- the two ways ----------------------------------------------------------

by_device() {
	local before

	must set_deliver device
	must sysctl_set init net.ipv4.conf.tunl.rp_filter 1
	nft reset counters >/dev/null
	before=$(rx)
	must capture init tunl "$tmp/tunl.pcap" icmp
	check "device: A reaches C, with strict rp_filter on H's tunl" a_reaches 10.3.0.3
	capture_stop_after 6 "$tmp/tunl.pcap"
	check_eq "device: a tap on tunl sees requests and answers" \
		"$(tcpdump -ntr "$tmp/tunl.pcap" 2>/dev/null |
			sed -n 's/,.*//; s/^IP //p' | sort | uniq -c | awk '{ $1 = $1 } 1' | paste -sd ';')" \
		"3 10.1.0.1 > 10.3.0.3: ICMP echo request;3 10.3.0.3 > 10.1.0.1: ICMP echo reply"
	check_eq "device: tunl counts what it received" "$(rx)" $((before + 3))
	check_eq "device: the firewall sees it come in by tunl" "$(hits by_tunl) $(hits by_eth0)" "3 0"
	check_eq "device: no redirect" "$(redirects)" 0
	must sysctl_set init net.ipv4.conf.tunl.rp_filter 0
}

by_ingress() {
	local before

	must set_deliver ingress
	nft reset counters >/dev/null
	before=$(rx)
	must capture init tunl "$tmp/tunl.pcap" ip
	tunl_pid=$capture_pid
	must capture init eth0 "$tmp/eth0.pcap" -Q in
	check "ingress: A reaches C" a_reaches 10.3.0.3
	capture_stop_after 9 "$tmp/eth0.pcap"
	capture_stop "$tunl_pid"
	check_eq "ingress: tunl received nothing" "$(rx)" "$before"
	check_eq "ingress: a tap on tunl sees answers only" \
		"$(tcpdump -ntr "$tmp/tunl.pcap" not src 10.3.0.3 2>/dev/null)" ""
	check_eq "ingress: the firewall sees it come in by eth0" "$(hits by_tunl) $(hits by_eth0)" "0 3"
	check_eq "ingress: a tap on eth0 sees three wrappers come in" \
		"$(tcpdump -ntr "$tmp/eth0.pcap" ip proto 4 2>/dev/null |
			grep -c '^IP 192.0.2.2 > 192.0.2.1: IP 10.1.0.1 > 10.3.0.3: ICMP echo request')" 3
	check_eq "ingress: the tap sees what was inside too, behind the Ethernet header that the outer packet had" \
		"$(tcpdump -entr "$tmp/eth0.pcap" src 10.1.0.1 2>/dev/null | cut -d: -f1-12 | sort | uniq -c |
			awk '{ print $1, $2, $3, $4 }')" \
		"3 $(ns A cat /sys/class/net/eth0/address) > $(cat /sys/class/net/eth0/address),"
	check_eq "ingress: and beside C's answers nothing else, garbage least of all" \
		"$(tcpdump -entr "$tmp/eth0.pcap" \
			'not (ip proto 4 or arp or ip6 or (icmp and (src 10.3.0.3 or src 10.1.0.1)))' 2>/dev/null)" ""
	# Redirects are for senders on the wire: A's own address, not 10.1.0.1.
	check "ingress: A reaches C from its address on the wire" a_reaches 10.3.0.3 192.0.2.2
	check_eq "ingress: no redirect, though it leaves by the interface it came in by" \
		"$(redirects)" 0
}

# The same packets unwrapped: for those H does send a redirect.
by_plain() {
	must ns A ip route add 10.3.0.3 via 192.0.2.1
	check "plain: A reaches C by way of H" a_reaches 10.3.0.3 192.0.2.2
	check "plain: and H sends a redirect" test "$(redirects)" -gt 0
	must ns A ip route del 10.3.0.3 via 192.0.2.1
}

by_unknown() {
	must ip link set tunl down
	must set_deliver device
	must sysctl -qw net.ipv4.ipip.accept=any
	nft reset counters >/dev/null
	check_eq "unknown source: let in where the outer packet came in" "$(crafted)" delivered_ingress+1
	check_eq "unknown source: and seen there by the firewall" "$(hits by_tunl) $(hits by_eth0)" "0 1"
	must sysctl -qw net.ipv4.ipip.accept=peers
	must ip link set tunl up
	must ip route add 10.1.0.0/24 dev tunl
}

# ---- both ways -------------------------------------------------------------

firewalled() { # device|ingress
	check "$1: A reaches 10.9.9.9, which H's rules turn into C" a_reaches 10.9.9.9
	check "$1: connection tracking knows both halves" \
		grep -E 'src=10\.1\.0\.1 dst=10\.9\.9\.9 .*src=10\.3\.0\.3 dst=10\.1\.0\.1' \
		<(conntrack -L -p icmp 2>/dev/null)
	conntrack -F 2>/dev/null
}

nested() { # device|ingress
	nft reset counters >/dev/null
	check_eq "$1: two wrappers come off" "$(crafted wrappers=2)" "delivered_$1+2"
	check_eq "$1: and what was inside is seen" "$(hits crafted)" 1
	check_eq "$1: four come off" "$(crafted wrappers=4)" "delivered_$1+4"
	check_eq "$1: five are too many" "$(crafted wrappers=5)" drop_nested+1
	check_eq "$1: so are sixty" "$(crafted wrappers=60)" drop_nested+1
	check_eq "$1: none of which was seen" "$(hits crafted)" 2
	[ "$1" = device ] || check_eq "ingress: a rule that turns a wrapper in the wrapper into ours" \
		"$(crafted wrappers=2 between=10.9.9.8)" delivered_ingress+2
}

malformed() { # device|ingress
	nft reset counters >/dev/null
	check_eq "$1: a sound packet is delivered" "$(crafted)" "delivered_$1+1"
	check_eq "$1: version 6" "$(crafted version=6)" drop_malformed+1
	check_eq "$1: header length 4" "$(crafted ihl=4)" drop_malformed+1
	check_eq "$1: header longer than the packet" "$(crafted ihl=15 payload=0)" drop_malformed+1
	check_eq "$1: longer than what arrived" "$(crafted length=61)" drop_malformed+1
	check_eq "$1: shorter than its header" "$(crafted length=19)" drop_malformed+1
	check_eq "$1: checksum" "$(crafted checksum=bad)" drop_checksum+1
	check_eq "$1: TTL 0" "$(crafted ttl=0)" drop_ttl_zero+1
	check_eq "$1: half a header" "$(crafted cut=10)" drop_malformed+1
	check_eq "$1: nothing at all" "$(crafted cut=0)" drop_malformed+1
	check_eq "$1: congestion marked on a packet that knows no ECN" \
		"$(crafted outer_tos=3)" drop_ecn+1
	check_eq "$1: padding behind it is no fault" "$(crafted length=40)" "delivered_$1+1"
	check_eq "$1: the sound ones are all that was seen" "$(hits crafted)" 2
}

# ---- ingress only ----------------------------------------------------------

options() {
	must sysctl_set init net.ipv4.conf.all.accept_source_route 1
	must sysctl_set init net.ipv4.conf.eth0.accept_source_route 1
	check_eq "options: a timestamp is no harm" \
		"$(crafted options=4408050000000000)" delivered_ingress+1
	check_eq "options: a loose source route is refused" \
		"$(crafted options=830b04c0000203c000020400)" drop_options+1
	check_eq "options: and a strict one" \
		"$(crafted options=890b04c0000203c000020400)" drop_options+1
	check_eq "options: one that ends too late is refused" \
		"$(crafted options=071b0400)" drop_options+1
	check_eq "options: and one without a length" \
		"$(crafted options=01010107)" drop_options+1
	check_eq "options: and one of length 0, or the scan would not end" \
		"$(crafted options=07000000)" drop_options+1
	check_eq "options: nothing is behind the end of the list" \
		"$(crafted options=00830b04)" delivered_ingress+1
	nft reset counters >/dev/null
	check_eq "options: also in a wrapper in a wrapper" \
		"$(crafted wrappers=2 options=4408050000000000)" delivered_ingress+2
	check "options: which arrives" poll 10 arrived 1
	check_eq "options: but no source route there" \
		"$(crafted wrappers=2 options=830b04c0000203c000020400)" "drop_options+1 delivered_ingress+1"
}

# A rule that goes by a mark, which the firewall sets, is followed; only then may a
# redirect be sent.
marked() {
	must ip rule add fwmark 7 blackhole
	must nft insert rule ip look pre ip saddr 192.0.2.2 icmp type echo-request mark set 7
	check_not "mark: a route chosen by the firewall's mark is taken, and that is none" \
		a_reaches 10.3.0.3 192.0.2.2
	must ip rule del fwmark 7 blackhole
	check "mark: without that rule A reaches C" a_reaches 10.3.0.3 192.0.2.2
}

arrived() { [ "$(hits arrived)" = "$1" ]; } # NUMBER

# Packets that wait for user space, where something moves them from queue to queue
# or keeps them, have nothing of the module in them.
queued() {
	must nft add rule ip look pre ip saddr 10.1.0.1 udp sport 1994 queue num 4
	background queue init /usr/bin/python3 -IS "$TUNL_TOP/tests/queue" 4 accept
	must poll 20 grep -q ready "$tmp/queue"
	nft reset counters >/dev/null
	check_eq "queue: user space lets a packet go on" "$(crafted)" delivered_ingress+1
	check "queue: which arrives" poll 10 arrived 1
	kill "$last_pid"
	wait "$last_pid" 2>/dev/null
	queued_unloading hold 'have 3'
	queued_unloading bounce moved
}

queued_unloading() { # MODE WHAT-IT-SAYS
	background "$1" init /usr/bin/python3 -IS "$TUNL_TOP/tests/queue" 4 "$1"
	must poll 20 grep -q ready "$tmp/$1"
	nft reset counters >/dev/null
	must ns A "$TUNL_TOP/tests/craft" 192.0.2.2 192.0.2.1 10.1.0.1 192.0.2.1 count=3
	check "queue, $1: user space has three packets" poll 10 grep -q "$2" "$tmp/$1"
	check "queue, $1: meanwhile ipip.ko can be unloaded" rmmod ipip
	check "queue, $1: the packets are still there" arrived 0
	kill -USR1 "$last_pid"
	check "queue, $1: user space lets them go on" poll 10 grep -q 'answered' "$tmp/$1"
	check "queue, $1: and the kernel delivers all three" poll 10 arrived 3
	kill "$last_pid"
	wait "$last_pid" 2>/dev/null
	check "queue, $1: ipip.ko loads again" load ipip accept=peers deliver=ingress
}

ktap_begin
must topology
must tunnels
must firewall
by_device
firewalled device
nested device
malformed device
by_ingress
firewalled ingress
nested ingress
malformed ingress
options
marked
by_unknown
by_plain
must set_deliver ingress
queued
ktap_end
