#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=500
#
# Published attacks on decapsulators, in every state that a tunnel can be in.
#
#   P (peer)     eth0 192.0.2.2 ──┐
#   S (unknown)  eth0 192.0.2.3 ──┼── lan 192.0.2.1  H (the first namespace)
#   G (another   eth0 192.0.2.4 ──┘   dmz 10.0.0.1 ══════ 10.0.0.5 eth0 V (behind H's
#      decapsulator)                  tunl, other, third                   firewall)
. "$(dirname "$0")/lib.sh"

topology() {
	netns_add P S G V && veth P eth0 init to_p && veth S eth0 init to_s &&
		veth G eth0 init to_g && veth V eth0 init dmz &&
		bridge_add init lan to_p to_s to_g &&
		ip addr add 192.0.2.1/24 dev lan && ip addr add 10.0.0.1/24 dev dmz &&
		ns P ip addr add 192.0.2.2/24 dev eth0 &&
		ns S ip addr add 192.0.2.3/24 dev eth0 &&
		ns G ip addr add 192.0.2.4/24 dev eth0 &&
		ns V ip addr add 10.0.0.5/24 dev eth0 && ns V ip route add default via 10.0.0.1 &&
		sysctl_set init net.ipv4.ip_forward 1 && sysctl_set G net.ipv4.ip_forward 1 &&
		poll 20 ns V ping -c 1 -W 1 10.0.0.1 &&
		for ns in P S G; do poll 20 ns "$ns" ping -c 1 -W 1 192.0.2.1 || return; done
}

# poll-able
lines() { [ "$(tcpdump -nr "$1" 2>/dev/null | wc -l)" -ge "$2" ]; } # PCAP NUMBER
saw() { [ "$(seen "$1")" = "$2" ]; } # NS NUMBER
listeners() { [ "$(ns R tail -n +2 /proc/net/udp | wc -l)" = "$1" ]; } # NUMBER

# What arrives there, of what craft sends, and what H takes for itself.
counters() {
	local ns
	for ns in V G; do
		ns "$ns" nft 'add table ip look; add counter ip look seen
			add chain ip look pre { type filter hook prerouting priority -300; }
			add rule ip look pre udp sport 1994 counter name seen' || return
	done
	nft 'add table ip look; add counter ip look seen
		add chain ip look in { type filter hook input priority 300; }
		add rule ip look in udp sport 1994 counter name seen'
}

seen() { ns "$1" nft list counter ip look seen | awk '/packets/ { print $2 }'; } # NS

inject() { # BY AS TO [ARGUMENT-OF-CRAFT...]
	local from
	from=$(ns "$1" ip -o -4 addr show dev eth0 | sed 's|.* inet \([0-9.]*\)/.*|\1|')
	fate "$1" "$from" 192.0.2.1 "$2" "$3" "${@:4}"
}

refused() { # STATE [BY]
	local by=${2:-S}
	check_eq "$1: $by as a host behind the firewall (CVE-2020-10136)" \
		"$(inject "$by" 10.0.0.7 10.0.0.5)" drop_refused+1
	check_eq "$1: $by as a third party, to another (spoofing proxy)" \
		"$(inject "$by" 198.51.100.7 192.0.2.4)" drop_refused+1
	check_eq "$1: $by as our peer, unwrapped" \
		"$(inject "$by" 192.0.2.2 10.0.0.5)" drop_refused+1
}

believed() { # STATE BY AS
	check_eq "$1: $2 is believed" "$(inject "$2" "$3" 10.0.0.5)" delivered_device+1
}

tunl_to() { # DEVICE ENDPOINT
	ip addr flush dev "$1" && ip addr add 10.8.0.1 peer "$2" dev "$1" && ip link set "$1" up
}

# Each attack, in each state.
states() {
	local before

	must load ipip
	must load tunnel
	must sysctl -qw net.ipv4.ipip.accept=any
	check_eq "accept=any: the attack of the CVE" "$(inject S 10.0.0.7 10.0.0.5)" delivered_ingress+1
	check "accept=any: does what it is famous for" poll 10 saw V 1
	must sysctl -qw net.ipv4.ipip.accept=auto

	must tunl_to tunl 192.0.2.2
	before="$(seen V) $(seen G)"
	refused "up"
	must ip link set tunl down
	refused "down"
	refused "down" P
	must ip link set tunl up
	must ip link add other type tunl
	must tunl_to other 192.0.2.4
	must ip link add third type tunl
	must ip link set third up
	must ip route add 10.77.0.0/16 via 192.0.2.2 dev third onlink
	refused "several"
	must tunl_to tunl 192.0.2.9
	refused "endpoint changed"
	refused "endpoint changed" P
	must ip link del tunl
	must ip link del other
	refused "gateway mode"
	refused "gateway mode" P
	refused "gateway mode" G
	must ip link del third
	refused "deleted"
	must unload tunnel
	refused "unloaded"
	check_eq "neither the host behind the firewall nor the other saw any of that" \
		"$(seen V) $(seen G)" "$before"

	must load tunnel
	must ip link set tunl down
	must tunl_to tunl 192.0.2.2
	believed "up again" P 10.8.0.7
	must ip link set tunl address 192.0.2.99
	refused "with another local address" P
	must ip link set tunl address 192.0.2.1
	believed "with this local address" P 10.8.0.7
	must ip link add third type tunl
	must ip link set third up
	must ip route add 10.77.0.0/16 via 192.0.2.4 dev third onlink
	believed "several" P 10.8.0.7
	believed "several" G 10.77.0.7
	must netns_add C
	must ip link set third netns C
	must ip -n C link set third up
	refused "moved away" G
	must ip -n C route add 10.77.0.0/16 via 192.0.2.4 dev third onlink
	before="$(seen V)"
	believed "moved away, routed there" G 10.77.0.7
	refused "moved away, routed there"
	check_eq "moved away: nothing surfaces here" "$(seen V)" "$before"
	must sysctl -qw net.ipv4.ipip.deliver=ingress
	believed "moved away, deliver=ingress" G 10.77.0.7
	check_eq "moved away: not with deliver=ingress either" "$(seen V)" "$before"
	must sysctl -qw net.ipv4.ipip.deliver=device
	must ip netns del C
}

# Addresses that routing can never accept, whoever sends them.
martians() { # device|ingress
	local src dst before

	must sysctl -qw "net.ipv4.ipip.deliver=$1"
	before=$(seen init)
	must inject P 10.8.0.7 10.0.0.1
	check_eq "$1: a sound packet for this host arrives" "$(seen init)" $((before + 1))
	before="$(seen init) $(seen V)"
	for src in 127.0.0.1 0.0.0.0 255.255.255.255 224.0.0.1 10.0.0.1; do
		inject P $src 10.0.0.1 >/dev/null
		inject P $src 10.0.0.5 >/dev/null
	done
	for dst in 127.0.0.1 127.1.2.3 0.0.0.0; do
		inject P 10.8.0.7 $dst >/dev/null
	done
	check_eq "$1: none with an impossible address does" "$(seen init) $(seen V)" "$before"
}

# Two decapsulators that send a packet to each other, at the cost of one sent.
ping_pong() { # H and G believe everybody
	must sysctl -qw net.ipv4.ipip.accept=any
	must ns G sysctl -qw net.ipv4.ipip.accept=any
	must capture init to_g "$tmp/pong.pcap" ip proto 4
	inject S 192.0.2.3 192.0.2.1 wrappers=60 between=192.0.2.4 >/dev/null
	inject S 192.0.2.3 192.0.2.1 wrappers=5 between=192.0.2.4 >/dev/null
	inject S 192.0.2.3 192.0.2.1 wrappers=4 between=192.0.2.4 >/dev/null
	poll 5 lines "$tmp/pong.pcap" 3
	capture_stop
	check_eq "ping-pong: of 60, 5 and 4 wrappers for each other in turn, only the last bounces" \
		"$(tcpdump -nr "$tmp/pong.pcap" 2>/dev/null | wc -l)" 3
	must sysctl -qw net.ipv4.ipip.accept=peers
	must ns G sysctl -qw net.ipv4.ipip.accept=peers
}

# Both route a network into the tunnel to the other.
circle() {
	must tunl_to tunl 192.0.2.4
	must ip route add 203.0.113.0/24 dev tunl
	must ns G ip link add tunl type tunl
	must ns G ip link set tunl up broadcast 192.0.2.1
	must ns G ip route add 203.0.113.0/24 dev tunl
	must ns G ip route add 10.0.0.0/24 dev tunl
	must capture G eth0 "$tmp/circle.pcap" ip proto 4
	must ns V "$TUNL_TOP/tests/craft" 10.0.0.5 203.0.113.9 10.0.0.5 203.0.113.9 wrappers=0 ttl=16
	poll 10 lines "$tmp/circle.pcap" 15
	capture_stop
	check_eq "circle of two: one packet of TTL 16 makes 15, and no redirect" \
		"$(tcpdump -nr "$tmp/circle.pcap" 2>/dev/null | wc -l)" 15
}

# Tunnels in tunnels, each the next one's way, with queues that the core does not
# count, cut in two now and then, so that wrappers cannot be counted either.
without_df() {
	ns D /usr/bin/python3 -IS - <<-'END'
		import socket
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER
		s.sendto(bytes(2900), ("10.6.0.1", 9))
	END
}

deep() {
	local k
	must netns_add D
	must ip -n D link add dummy0 type dummy
	must ip -n D link set dummy0 up
	must ip -n D addr add 10.5.0.1/24 dev dummy0
	must ip -n D route add 10.6.7.1 dev dummy0
	for k in 7 6 5 4 3 2 1; do
		must ip -n D link add d$k type tunl
		must ip -n D link set d$k broadcast 10.6.$k.1
		must ip -n D link set d$k up
		must tc -n D qdisc add dev d$k root pfifo
		must ip -n D route replace 10.6.$((k - 1)).1 dev d$k
	done
	must ip -n D link set d1 mtu 3000
	must ip -n D link set d2 mtu 3000
	must ip -n D link set d3 mtu 1500
	must ip -n D link set d4 mtu 3000
	must ip -n D link set d5 mtu 700
	must without_df
	check "deep: it goes down some tunnels" test "$(ns D cat /sys/class/net/d4/statistics/tx_packets)" -gt 0
	check_eq "deep: but not all of them" "$(ns D cat /sys/class/net/d6/statistics/tx_packets)" 0
	must ip netns del D
}

# UDP between the headers, so that no wrapper is seen in the wrapper: as many as a
# datagram has room for, each of which brings the packet back.
deep_in_udp() {
	local levels=200 before
	modprobe -q fou || { note "no fou here"; return; }
	must sysctl -qw net.ipv4.ipip.accept=any
	must ip fou add port 5555 ipproto 4
	before=$(ipip_count delivered_ingress)
	udp_in_udp $levels ""
	unwrapped() { [ "$(ipip_count delivered_ingress)" = $((before + levels)) ]; }
	check "deep in UDP: $levels times unwrapped, and alive" poll 20 unwrapped
	must sysctl -qw net.ipv4.conf.{all,lan}.accept_source_route=1
	before=$(ipip_count drop_options)
	udp_in_udp 2 830b04c0000203c000020400
	unwrapped() { [ "$(ipip_count drop_options)" = $((before + 1)) ]; }
	check "deep in UDP: nor is there a source route, whatever the wire has" poll 20 unwrapped
	must sysctl -qw net.ipv4.conf.{all,lan}.accept_source_route=0
	must ip fou del port 5555
	must rmmod fou
	must sysctl -qw net.ipv4.ipip.accept=auto
}

ipip_count() { awk -v name="$1" '$1 == name { print $2 }' /proc/net/ipip; } # COUNTER

udp_in_udp() { # LEVELS OPTIONS-OF-THE-INNERMOST, in hex
	ns P /usr/bin/python3 -IS - "$@" <<-'END'
		import socket, struct, sys
		def header(payload, options):
		    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options + payload),
		                       1, 0, 64, 17, 0, bytes((192, 0, 2, 2)), bytes((192, 0, 2, 1))) + options
		    total = sum(struct.unpack("!%dH" % (len(head) // 2), head))
		    while total >> 16:
		        total = (total & 0xffff) + (total >> 16)
		    return head[:10] + struct.pack("!H", ~total & 0xffff) + head[12:] + payload
		packet = b""
		for level in range(int(sys.argv[1])):
		    packet = header(struct.pack("!4H", 1994, 5555 if level else 7, 8 + len(packet), 0) + packet,
		                    b"" if level else bytes.fromhex(sys.argv[2]))
		sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		sender.sendto(packet, ("192.0.2.1", 5555))
	END
}

# An endpoint P, or somebody unknown, acts as endpoint G by an outer header in the
# packet. It is G's only if the tunnel to G leads through the tunnel to P.
nested_by() { # BY INNER-SOURCE [ARGUMENT-OF-CRAFT...]
	local from
	from=$(ns "$1" ip -o -4 addr show dev eth0 | sed 's|.* inet \([0-9.]*\)/.*|\1|')
	fate "$1" 192.0.2.4 192.0.2.1 "$2" 10.0.0.5 wrappers=2 "by=$from" "${@:3}"
}

nested_forgery() { # TEXT INNER-SOURCE
	local deliver

	for deliver in device ingress; do
		must sysctl -qw "net.ipv4.ipip.deliver=$deliver"
		check_eq "nesting, $1, $deliver: P is not believed to be G" \
			"$(nested_by P "$2")" "drop_refused+1 delivered_device+1"
		[ ! -e /sys/module/fou ] || check_eq "nesting, $1, $deliver: nor with UDP between" \
			"$(nested_by P "$2" udp=5555)" "drop_refused+1 delivered_device+1"
	done
	must sysctl -qw net.ipv4.ipip.deliver=device
}

nested_truth() { # TEXT INNER-SOURCE
	must sysctl -qw net.ipv4.ipip.deliver=device
	check_eq "nesting, $1: G's packets are" "$(nested_by P "$2")" "delivered_device+2"
	[ ! -e /sys/module/fou ] ||
		check_eq "nesting, $1: with UDP between, too" "$(nested_by P "$2" udp=5555)" "delivered_device+2"
	must sysctl -qw net.ipv4.ipip.deliver=ingress
	check_eq "nesting, $1, ingress: G's packets are" "$(nested_by P "$2")" "delivered_ingress+2"
	must sysctl -qw net.ipv4.ipip.deliver=device
}

other_rx() { ns "$1" cat "/sys/class/net/${2:-other}/statistics/rx_packets"; } # NS [DEV]

nesting() {
	local before

	must unload
	must load ipip accept=peers
	must load tunnel
	modprobe -q fou && must ip fou add port 5555 ipproto 4
	must tunl_to tunl 192.0.2.2
	must ip link add other type tunl
	must tunl_to other 192.0.2.4
	check_eq "nesting: G itself is believed" "$(inject G 10.8.0.7 10.0.0.5)" delivered_device+1
	before=$(other_rx init)
	nested_forgery "fixed endpoints" 10.8.0.7
	must sysctl -qw net.ipv4.ipip.accept=any
	check_eq "nesting: with accept=any it is an unknown source's" \
		"$(nested_by P 10.8.0.7)" "delivered_device+1 delivered_ingress+1"
	must sysctl -qw net.ipv4.ipip.deliver=ingress
	check_eq "nesting: on the ingress path, too" \
		"$(nested_by P 10.8.0.7)" "delivered_device+1 delivered_ingress+1"
	check_eq "nesting: an unknown source does not pass for G" "$(nested_by S 10.8.0.7)" drop_refused+1
	check_eq "nesting: what is no endpoint's goes on" \
		"$(fate S 192.0.2.3 192.0.2.1 10.8.0.7 10.0.0.5 wrappers=2)" delivered_ingress+2
	must sysctl -qw net.ipv4.ipip.accept=peers
	check_eq "nesting: the tunnel to G received nothing of all that" "$(other_rx init)" "$before"

	must ip route add 192.0.2.4 dev tunl
	nested_truth "G is reached through P" 10.8.0.7
	must ip route del 192.0.2.4 dev tunl
	must ip route add 192.0.2.4 nexthop dev lan nexthop dev tunl
	nested_truth "G is reached through P, and by Ethernet" 10.8.0.7
	must ip route del 192.0.2.4
	must ip link del other
	must ip link add other type ipip remote 192.0.2.4 fwmark 7
	must ip link set other up
	nested_forgery "a mark that leads nowhere else" 10.8.0.7
	must ip rule add fwmark 7 table 77
	must ip route add 192.0.2.4 dev tunl table 77
	check_eq "nesting, G is reached through P by the tunnel's mark: G's packets are" \
		"$(nested_by P 10.8.0.7)" "delivered_device+2"
	must ip rule del fwmark 7 table 77
	must ip link del other

	must netns_add C
	must ip link add other type tunl
	must ip link set other netns C
	must ip -n C link set other broadcast 192.0.2.4
	must ip -n C link set other up
	nested_forgery "G's tunnel is another tenant's" 10.8.0.7
	check_eq "nesting: who receives nothing" "$(other_rx C)" 0
	must ip netns del C
	nesting_elsewhere

	must ip link add third type tunl
	must ip link set third up
	must ip route add 10.77.0.0/16 via 192.0.2.4 dev third onlink
	check_eq "nesting: G as a gateway is believed" "$(inject G 10.77.0.7 10.0.0.5)" delivered_device+1
	nested_forgery "G is a gateway" 10.77.0.7
	must sysctl -qw net.ipv4.ipip.accept=any
	check_eq "nesting: an unknown source does not pass for G, a gateway" \
		"$(nested_by S 10.77.0.7)" drop_refused+1
	[ ! -e /sys/module/fou ] || check_eq "nesting: nor with UDP between" \
		"$(nested_by S 10.77.0.7 udp=5555)" drop_refused+1
	check_eq "nesting: nor by a first fragment that is too short to have the inner source" \
		"$(nested_by S 10.8.0.7 cut=16 second_frag=8192)" drop_refused+1
	check_eq "nesting: a whole packet as short goes on, and is malformed" \
		"$(nested_by S 10.8.0.7 cut=16)" "drop_malformed+1 delivered_ingress+1"
	check_eq "nesting: what no route says to be the gateway's goes on" \
		"$(nested_by S 10.8.0.7)" delivered_ingress+2
	must sysctl -qw net.ipv4.ipip.accept=peers
	must ip route add 192.0.2.4 dev tunl
	nested_truth "G is a gateway, reached through P" 10.77.0.7
	must ip route del 192.0.2.4 dev tunl
	must ip link del tunl
	must ip route add 10.78.0.0/16 via 192.0.2.2 dev third onlink
	check_eq "nesting, P and G are gateways of one tunnel: P is not believed to be G" \
		"$(fate P 192.0.2.4 192.0.2.1 10.77.0.7 10.0.0.5 wrappers=2 by=192.0.2.2)" drop_refused+1
	must ip link del third
	nesting_bond
	[ ! -e /sys/module/fou ] || must ip fou del port 5555
	must unload
	[ ! -e /sys/module/fou ] || must rmmod fou
	must load ipip accept=peers
	must load tunnel
}

# A tenant has been given the tunnel to P, and has one of his own to a host that has P's
# address in his network. P is not that host.
nesting_elsewhere() {
	must netns_add C
	must ip link set tunl down
	must ip link add given type tunl
	must ip link set given netns C
	must ip -n C link set given broadcast 192.0.2.2
	must ip -n C link set given up
	must ip -n C link add inside type dummy
	must ip -n C addr add 192.0.2.9/24 dev inside
	must ip -n C link set inside up
	must ip -n C link add own type tunl
	must ip -n C link set own broadcast 192.0.2.2
	must ip -n C link set own up
	fate P 192.0.2.2 192.0.2.1 10.8.0.7 10.0.0.5 wrappers=2 between=192.0.2.9 >/dev/null
	check_eq "nesting: what P sends is received on the tenant's tunnel to P" \
		"$(other_rx C given)" 1
	check "nesting: P is not believed to be the host that has its address elsewhere" \
		poll 10 ns C grep -q "^drop_refused 1" /proc/net/ipip
	check_eq "nesting: whose tunnel receives nothing" "$(other_rx C own)" 0
	must ip netns del C
	must ip link set tunl up
}

# A tunnel in a bond: its packets come by the bond.
nesting_bond() {
	modprobe -q bonding max_bonds=0 || { note "no bonding here"; return; }
	must ip link add tunl type tunl
	must ip link set tunl broadcast 192.0.2.2
	must ip link add other type tunl
	must tunl_to other 192.0.2.4
	must ip link add bond type bond mode active-backup
	must ip link set tunl master bond
	must ip link set bond up
	check_eq "nesting, P's tunnel is in a bond: P is not believed to be G" \
		"$(nested_by P 10.8.0.7)" "drop_refused+1 delivered_device+1"
	must ip route add 192.0.2.4 dev bond
	check_eq "nesting, P's tunnel is in a bond that leads to G: G's packets are" \
		"$(nested_by P 10.8.0.7)" "delivered_device+2"
	must ip link del bond
	must ip link del other
	must ip link del tunl
}

# From this host to itself: what is inside must not pass as local.
loopback() {
	must sysctl -qw net.ipv4.ipip.accept=any
	check_eq "loopback: a wrapper of our own to ourselves" \
		"$(fate init 192.0.2.1 192.0.2.1 10.0.0.7 10.0.0.5)" drop_no_route+1
	must sysctl -qw net.ipv4.ipip.accept=peers
}

# An unknown source in one VRF, a socket in none.
vrf() {
	modprobe -q vrf || { note "no VRFs here"; return; }
	must netns_add R
	must veth R eth0 init to_r
	must ip link set to_r master lan up
	must ip -n R link add red type vrf table 10
	must ip -n R link set red up
	must ip -n R link set eth0 master red
	must ip -n R addr add 192.0.2.5/24 dev eth0
	must ns R sysctl -qw net.ipv4.ipip.accept=any
	background in_red R socat -u UDP-RECV:9,reuseaddr,so-bindtodevice=red CREATE:"$tmp/got.red"
	background in_none R socat -u UDP-RECV:9,reuseaddr CREATE:"$tmp/got.none"
	must poll 10 listeners 2
	must ns S "$TUNL_TOP/tests/craft" 192.0.2.3 192.0.2.5 192.0.2.3 192.0.2.5
	check "vrf: a socket of the VRF receives what is inside" poll 10 test -s "$tmp/got.red"
	kill "${background_pids[-2]}"
	must poll 10 listeners 1
	must ns S "$TUNL_TOP/tests/craft" 192.0.2.3 192.0.2.5 192.0.2.3 192.0.2.5 count=3
	must poll 10 ns R grep -q 'delivered_ingress 4' /proc/net/ipip
	must ns S "$TUNL_TOP/tests/craft" 192.0.2.3 192.0.2.5 192.0.2.3 192.0.2.5 wrappers=3
	must poll 10 ns R grep -q 'delivered_ingress 7' /proc/net/ipip
	# What it may receive, after all that it may not: by loopback.
	must ns R "$TUNL_TOP/tests/craft" 127.0.0.1 127.0.0.1 127.0.0.1 127.0.0.1 wrappers=0 payload=7
	must poll 10 test -s "$tmp/got.none"
	check_eq "vrf: one of no VRF does not" "$(stat -c %s "$tmp/got.none")" 7

	must ns R sysctl -qw net.ipv4.ipip.accept=peers
	must ip -n R link add tunl type tunl
	must ip -n R link set tunl master red up
	must ip -n R route add 10.77.0.0/16 via 192.0.2.3 dev tunl onlink table 10
	must ns S "$TUNL_TOP/tests/craft" 192.0.2.3 192.0.2.5 10.77.0.7 192.0.2.5
	check "vrf: a gateway's tunnel in it believes by its routes" \
		poll 10 ns R grep -q 'delivered_device 1' /proc/net/ipip
	must ip -n R link set tunl nomaster
	must ns S "$TUNL_TOP/tests/craft" 192.0.2.3 192.0.2.5 10.77.0.7 192.0.2.5
	check "vrf: and out of it no more" poll 10 ns R grep -q 'drop_refused 1' /proc/net/ipip

	must ip -n R link set tunl down
	must ip -n R link set tunl broadcast 192.0.2.3
	must ip -n R link set tunl master red up
	must ip -n R link add other type tunl
	must ip -n R link set other broadcast 192.0.2.4
	must ip -n R link set other master red up
	must ns S "$TUNL_TOP/tests/craft" 192.0.2.4 192.0.2.5 10.77.0.7 192.0.2.5 wrappers=2 by=192.0.2.3
	check "vrf: what comes out of a tunnel in it is not another endpoint's" \
		poll 10 ns R grep -q 'drop_refused 2' /proc/net/ipip
	must ip -n R route add 192.0.2.4 dev tunl table 10
	must ns S "$TUNL_TOP/tests/craft" 192.0.2.4 192.0.2.5 10.77.0.7 192.0.2.5 wrappers=2 by=192.0.2.3
	check "vrf: unless that is reached through it" \
		poll 10 ns R grep -q 'delivered_device 4' /proc/net/ipip
	must ip netns del R
}

# Root of a container, nobody outside, who has been given a device of the host's.
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
as_root_there() { nsenter -t "$nobody" -U -n "$@"; }
remote_there() { nsenter -t "$nobody" -n ip -o link show "$1" | sed 's/.* peer \([0-9.]*\).*/\1/'; }
local_there() { nsenter -t "$nobody" -n ip -o link show "$1" | sed 's/.*link.ipip \([0-9.]*\).*/\1/'; }

container() {
	local nobody

	must unload
	must load ipip
	must load tunnel
	as_nobody unshare -Urn true || { note "no unprivileged user namespaces here"; return; }
	background nobody init setpriv --reuid 65534 --regid 65534 --clear-groups unshare -Urn sleep 1000
	nobody=$last_pid
	elsewhere() { [ "$(readlink "/proc/$nobody/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
	poll 10 elsewhere
	poll 10 as_root_there ip link set lo up
	must ip link add given type tunl
	must ip link set given netns "$nobody"

	must as_root_there ip link set given up
	check_eq "container: his device coming up does not close the host's auto" \
		"$(head -n 1 /proc/net/ipip)" "accept auto (open)"
	check_not "container: no tunnel over the host's underlay" \
		as_root_there ip link add mine link-netnsid 0 type tunl
	must as_root_there ip addr add 10.9.0.1 peer 198.51.100.66 dev given
	check_eq "container: his pointopoint address is no endpoint" "$(remote_there given)" 0.0.0.0
	must as_root_there ip addr add 10.9.0.2 peer 198.51.100.67 valid_lft 2 preferred_lft 2 dev given
	expired() {
		as_root_there ip addr show dev given >"$tmp/given" && grep -q 198.51.100.66 "$tmp/given" &&
			! grep -q 198.51.100.67 "$tmp/given"
	}
	must poll 60 expired
	check_eq "container: nor after another has expired" "$(remote_there given)" 0.0.0.0
	must nsenter -t "$nobody" -n ip addr add 10.9.0.3 peer 198.51.100.99 dev given
	check_eq "container: nor after the host has added one" "$(remote_there given)" 0.0.0.0
	must nsenter -t "$nobody" -n ip addr del 10.9.0.3 peer 198.51.100.99 dev given
	check_eq "container: nor after the host has taken it away" "$(remote_there given)" 0.0.0.0
	must as_root_there ip addr flush dev given
	must nsenter -t "$nobody" -n ip addr add 10.9.0.3 peer 198.51.100.99 dev given
	check_eq "container: but the host's own is" "$(remote_there given)" 198.51.100.99

	# Bonding gives one member the address of another, from a worker.
	modprobe -q bonding max_bonds=0 || { note "no bonding here"; return; }
	must as_root_there ip link add bond type bond mode active-backup miimon 100 fail_over_mac follow
	must as_root_there ip link add other type tunl
	must as_root_there ip link set other address 192.0.2.77
	must as_root_there ip link set other master bond
	must as_root_there ip link set given down
	must as_root_there ip link set given master bond
	must as_root_there ip link set bond up
	must as_root_there ip link set other down
	must poll 30 as_root_there sh -c 'ip -d link show bond | grep -q "active_slave given"'
	check_eq "container: bonding does not change the outer source for him" "$(local_there given)" 0.0.0.0
}

ktap_begin
must topology
must counters
states
martians device
martians ingress
must sysctl -qw net.ipv4.ipip.deliver=device
ping_pong
circle
deep
deep_in_udp
loopback
nesting
vrf
container
ktap_end
