#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=1800
#
# scripts/tunl-doctor on every kind of tunnel: without a remote, with gateways, external,
# bound to a device, in UDP, of labels, in a VRF, in another netns; and `tunl0`. Each
# state is made, found, mended by what was printed, and packets pass. The network is in
# ask.sh; the tunnel of 1994 is in doctor.sh and doctor-more.sh.
# shellcheck disable=SC2086 # constants without blanks
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ask.sh"
ktap_begin

SERVER=203.0.113.80		# behind B
OFFICE=192.0.2.7		# behind A

must modprobe tunnel4 # for who comes before ipip.ko
must load ipip
must load tunnel
must network
must ip -n R route add $OFFICE via $A
must ip -n R route add $SERVER via $B

# What A sends to the server gets there through a tunnel, and is answered past it.
passes() { check "$1: packets pass" ns A ping -c 1 -W 3 $SERVER; } # TEXT
lost() { check_not "$1: packets do not pass" ns A ping -c 1 -W 1 $SERVER; }
tunnel() { # NS DEV ADDRESS WORD...: of ip link add
	ns "$1" ip link add "$2" "${@:4}" && ns "$1" ip addr add "$3/32" dev "$2" &&
		ns "$1" ip link set "$2" up
}
to_server() { tunnel A to_b $OFFICE type ipip remote $B && ip -n A route add $SERVER dev to_b; }
server() { tunnel B wild $SERVER type ipip "$@"; } # WORD...
without() { # NS DEV...
	local dev
	for dev in "${@:2}"; do ip -n "$1" link del "$dev" 2>/dev/null; done
}

# ---- a server that takes packets of anybody --------------------------------

must to_server
for words in "" external "dev eth0" "local $B"; do
	must server $words
	passes "wildcard${words:+, $words}"
	healthy "wildcard${words:+, $words}" B
	sysctl_set B net.ipv4.conf.all.rp_filter 1
	lost "wildcard${words:+, $words}, strict"
	faulty "wildcard${words:+, $words}, strict" B rp_filter
	passes "wildcard${words:+, $words}, loose"
	sysctl_set B net.ipv4.conf.all.rp_filter 0
	ip -n B addr flush dev wild
	ip -n B link set wild down
	ip -n B addr add $SERVER/32 dev lo
	lost "wildcard${words:+, $words}, down"
	sysctl_set B net.ipv4.conf.wild.rp_filter 0
	faulty "wildcard${words:+, $words}, down" B device_down
	passes "wildcard${words:+, $words}, without an address"
	sysctl_set B net.ipv4.conf.all.rp_filter 2
	lost "wildcard${words:+, $words}, without an address, loose"
	faulty "wildcard${words:+, $words}, without an address, loose" B rp_filter
	passes "wildcard${words:+, $words}, with one"
	ip -n B addr flush dev wild
	sysctl_set B net.ipv4.conf.all.rp_filter 1
	lost "wildcard${words:+, $words}, without an address, strict"
	faulty "wildcard${words:+, $words}, without an address, strict" B rp_filter
	passes "wildcard${words:+, $words}, with one, loose"
	sysctl_set B net.ipv4.conf.all.rp_filter 0
	ip -n B addr del $SERVER/32 dev lo
	must without B wild
done

must server
ip -n B route add 111.112.101.0/24 via $A dev wild onlink
ip -n B route add $A via 111.112.100.1
healthy "wildcard with a gateway" B
sysctl_set B net.ipv4.conf.all.rp_filter 1
check_not "what the gateway itself sends is dropped" ns A ping -c 1 -W 1 -I $A $SERVER
faulty "wildcard with a gateway, strict" B rp_filter
check "and then it is not" ns A ping -c 1 -W 3 -I $A $SERVER
sysctl_set B net.ipv4.conf.all.rp_filter 0
ip -n B route del 111.112.101.0/24
ip -n B route del $A

ns B nft -f - <<-'END2'
	table inet shut {
		chain c {
			type filter hook input priority 0; policy drop;
			ip protocol icmp accept
			udp dport 53 accept
		}
	}
END2
lost "wildcard, and a firewall"
faulty "wildcard, and a firewall" B firewall
passes "wildcard, let in"
ns B nft flush ruleset
sysctl_set B net.ipv4.conf.wild.rp_filter 0

ip -n B addr add 203.0.113.81/32 dev wild
ip -n B link set wild address 111.112.100.99
lost "wildcard, whose local address is nobody's"
faulty "wildcard, whose local address is nobody's" B local_address
passes "wildcard, at any address"

# ---- routes that name no endpoint ------------------------------------------

must without A to_b
tunnel A wild $OFFICE type ipip
klog_mark
for words in "" "metric 7"; do
	ip -n A route add 203.0.113.0/24 dev wild $words
	lost "kind ipip, no remote, no gateway${words:+, $words}"
	faulty "kind ipip, no remote, no gateway${words:+, $words}" A no_endpoint ENDPOINT=$B
	passes "kind ipip, by a gateway"
	ip -n A route del 203.0.113.0/24 dev wild $words
done
check "the log asks for a remote or a gateway" \
	klog_has 'wild: no endpoint for 203.0.113.80: make the tunnel with a remote, or give the route a gateway'
check_eq "and not for a route to the inner destination" "$(klog_count 'wild: endpoint .* is routed through')" 0
ip -n A route add 203.0.113.0/24 via $B dev wild onlink
ip -n A route add $B dev wild
ns A ping -c 1 -W 1 $SERVER
check "an endpoint that is routed through the tunnel is logged as before" \
	klog_has "wild: endpoint $B is routed through wild itself"
must without A wild

tunnel A office $OFFICE type tunl
ip -n A route add 198.51.100.0/24 via $B dev office onlink
ip -n A route add 203.0.113.0/24 dev office
lost "one of two routes has no gateway"
faulty "one of two routes has no gateway" A no_endpoint ENDPOINT=$B
passes "both have"
ip -n A route replace 203.0.113.0/24 dev office table 7
ip -n A rule add to 203.0.113.0/24 table 7
lost "in another table"
faulty "in another table" A no_endpoint ENDPOINT=$B
passes "in another table"
ip -n A rule del table 7
ip -n A route flush table 7

# as in 1994, what comes is received on eth0
tunnel B back 198.51.100.9 type ipip remote $A
ip -n B route add $OFFICE dev back
through() { check "$1: packets pass" ns B ping -c 1 -W 3 -I 198.51.100.9 $OFFICE; }
through "gateway mode"
sysctl_set A net.ipv4.ipip.deliver ingress
sysctl_set A net.ipv4.conf.eth0.rp_filter 1
check_not "gateway mode, strict on eth0" ns B ping -c 1 -W 1 -I 198.51.100.9 $OFFICE
faulty "gateway mode, strict on eth0" A rp_filter
through "gateway mode, loose on eth0"
sysctl_set A net.ipv4.conf.eth0.rp_filter 0
sysctl_set A net.ipv4.ipip.deliver device
must without B back

ip -n R link set to_a down
no_carrier() { ip -n A link show dev eth0 | grep -q NO-CARRIER; }
check "the other end of the cable goes" poll 20 no_carrier
said "gateway mode, no carrier below" no_carrier A
ip -n R link set to_a up
carrier() { ! no_carrier; }
check "and comes back" poll 20 carrier
ip -n R route add $OFFICE via $A
healthy "gateway mode, a carrier below" A
must without A office

tunnel A any $OFFICE type ipip external
ip -n A route add 198.51.100.0/24 encap ip dst $B dev any
ip -n A route add 203.0.113.0/24 via $B dev any onlink
lost "external, and a gateway is no endpoint"
faulty "external, and a gateway is no endpoint" A no_endpoint ENDPOINT=$B
passes "external, encap ip"
must without A any

# ---- bound to a device -----------------------------------------------------

must ip -n A link add ppp0 type dummy
ip -n A link set ppp0 up
for type in ipip tunl; do
	case $type in
	ipip) tunnel A bound $OFFICE type ipip remote $B dev ppp0 ;;
	tunl) tunnel A bound $OFFICE type tunl && ns A ip tunnel change bound remote $B dev ppp0 ;;
	esac
	ip -n A route add $SERVER dev bound
	ip -n A link del ppp0
	lost "kind $type, bound to what is gone"
	ask A
	check "kind $type, bound to what is gone: by its name, which only the kernel's log has" \
		grep -q '^device_gone: bound is bound to ppp0 (index' "$tmp/said"
	faulty "kind $type, bound to what is gone" A device_gone
	passes "kind $type, bound to another one"
	must without A bound
	ip -n A link add ppp0 type dummy
	ip -n A link set ppp0 up
done
tunnel A bound $OFFICE type ipip dev ppp0
ip -n A route add $SERVER via $B dev bound onlink
ip -n A link del ppp0
faulty "without a remote, bound to what is gone" A device_gone OTHER=eth0
passes "without a remote, bound to another one"
must without A bound

must veth A eth1 R to_a1
ip -n A addr add 10.3.0.2/24 dev eth1
ip -n R addr add 10.3.0.1/24 dev to_a1
tunnel A bound $OFFICE type ipip remote $B dev eth1
ip -n A route add $SERVER dev bound
lost "no route by the card it is bound to"
faulty "no route by the card it is bound to" A endpoint_unreachable GATEWAY=10.3.0.1
passes "with a route by that card"
ip -n A route del $B
must without A bound eth1

# ---- in UDP ----------------------------------------------------------------

must without B wild
for type in fou gue; do
	must modprobe fou
	tunnel A to_b $OFFICE type ipip remote $B encap $type encap-sport auto encap-dport 5555
	ip -n A route add $SERVER dev to_b
	tunnel B back $SERVER type ipip remote $A encap $type encap-sport auto encap-dport 5556
	ip -n B route add $OFFICE dev back
	lost "$type without a port"
	faulty "$type without a port" B no_port PORT=5555
	passes_back() { check "$1: packets pass" ns A ping -c 1 -W 3 -I to_b $SERVER; }
	said "$type, A's port" no_port A
	check "$type, A's port: the commands run" mend A PORT=5556
	passes_back "$type"
	healthy "$type" A
	ns B nft -f - <<-END2
		table inet shut {
			chain c {
				type filter hook input priority 0; policy drop;
				ip protocol icmp accept
				udp dport 53 accept
			}
		}
	END2
	lost "$type, and a firewall"
	faulty "$type, and a firewall" B firewall
	passes_back "$type, let in"
	ns B nft flush ruleset
	ns A nft -f - <<-END2
		table inet shut {
			chain c {
				type filter hook output priority 0;
				udp dport { 5555, 5556 } drop
			}
		}
	END2
	lost "$type, dropped on its way out"
	faulty "$type, dropped on its way out" A firewall
	passes_back "$type, let out"
	ns A nft -f - <<-END2
		flush ruleset
		table inet open {
			chain c {
				type filter hook output priority 0; policy drop;
				udp dport 5000-6000 accept
				icmp type echo-request accept
			}
		}
	END2
	healthy "$type, ports that it may pass by" A
	ns A nft flush ruleset
	must without A to_b
	must without B back
	ns A ip fou del port 5556
	ns B ip fou del port 5555
done

must server

# ---- labels ----------------------------------------------------------------

must modprobe -a mpls_router mpls_iptunnel
tunnel A core $OFFICE type ipip remote $B mode mplsip
sysctl_set A net.mpls.platform_labels 1000
sysctl_set A net.mpls.conf.core.input 1
ip -n A route add $SERVER dev core
lost "IPv4 where only labels go"
faulty "IPv4 where only labels go" A mpls_only
passes "both go"
must without A core
tunnel A core $OFFICE type ipip remote $B mode mplsip
sysctl_set A net.mpls.conf.core.input 1
ip -n A route add $SERVER encap mpls 200 dev core
healthy "labels" A
tunnel B core 198.51.100.9 type ipip remote $A mode mplsip
sysctl_set B net.mpls.platform_labels 0
lost "labels that nobody takes"
said "labels that nobody takes" mpls_input B
check "labels that nobody takes: the commands run" mend B
healthy "labels that nobody takes: mended" B
ip -n B -f mpls route add 200 dev lo
passes "labels"
must without A core
must without B core wild

# ---- IPv6 ------------------------------------------------------------------

if [ -e /proc/net/if_inet6 ]; then
	tunnel A six $OFFICE type ipip remote $B
	ip -n A -6 route add 2001:db8::/32 dev six
	faulty "IPv6" A not_ipv4
	must without A six
else
	note "no IPv6 here"
fi

# ---- VRF -------------------------------------------------------------------

ip -n A -batch - <<-'END2'
	link add red type vrf table 100
	link set red up
	link set eth0 master red
	route add default via 111.112.101.1 table 100
END2
tunnel A bound $OFFICE type ipip remote $B dev eth0
ip -n A route add $SERVER dev bound
tunnel B wild $SERVER type ipip remote $A
ip -n B route add $OFFICE dev wild
passes "over a VRF"
healthy "over a VRF" A
sysctl_set A net.ipv4.raw_l3mdev_accept 0
ip -n R route add 111.112.100.86 dev lan mtu 1400
# shellcheck disable=SC2016
errors() { ns A awk '{ n += $2 } END { print n }' /proc/net/tunl; }
was=$(errors)
heard() { [ "$(errors)" -gt "$was" ]; }
large() { ns A ping -c 3 -i 0.2 -W 1 -M 'do' -s 1440 $SERVER; }
large
check_not "errors are not heard" heard
faulty "errors over a VRF are not heard" A icmp_deaf
large
check "then they are" heard
check "and the sender is told" says 'rag needed\|essage too long' large
ip -n R route del 111.112.100.86 dev lan mtu 1400
ip -n A route del default table 100
faulty "no route in the VRF" A endpoint_unreachable GATEWAY=111.112.101.1
passes "with a route in the VRF"
must without A bound
must ip -n A link set eth0 nomaster
ip -n A link del red
ip -n A route add default via 111.112.101.1

ip -n A -batch - <<-'END2'
	link add blue type vrf table 200
	link set blue up
END2
tunnel A inner $OFFICE type ipip remote $B
ip -n A link set inner master blue
ip -n A route add $SERVER dev inner table 200
sysctl_set A net.ipv4.conf.all.rp_filter 1
healthy "in a VRF, strict" A
ip -n A route del $SERVER table 200
ip -n A route add 198.51.100.0/24 dev eth0 table 200
check_not "in a VRF, strict, without a route back" ns B ping -c 1 -W 1 -I $SERVER $OFFICE
said "in a VRF, strict, without a route back" rp_filter A
check "in a VRF: the commands run" mend A
healthy "in a VRF, loose" A
sysctl_set A net.ipv4.conf.all.rp_filter 0
must without A inner blue

# ---- a remote that is not the other end's -------------------------------------

must tunnel A to_b $OFFICE type ipip remote $B
ip -n A route add $SERVER dev to_b
for type in ipip tunl; do
	must without B wild
	case $type in
	ipip) tunnel B wild $SERVER type ipip remote 111.112.101.38 ;;
	tunl) ip -n B link add wild type tunl && ip -n B addr add $SERVER peer 111.112.101.38 dev wild &&
		ip -n B link set wild up ;;
	esac
	ip -n B route add $OFFICE dev wild
	ip -n B route add 111.112.101.38 via 111.112.100.1
	background sender A ping -q -i 0.1 $SERVER
	was=$(rx_counter B drop_refused)
	refused() { [ "$(rx_counter B drop_refused)" -gt "$was" ]; }
	check "kind $type: the other end is refused" poll 20 refused
	said "kind $type: the other end is refused" drop_refused B --watch 2
	check "it names who is" grep -q "log names $A" "$tmp/said"
	commands=("${commands[@]:1}") # tcpdump is to look
	check "kind $type: the commands run" mend B ADDRESS=$A
	healthy "kind $type: the other end is accepted" B --watch 1
	passes "kind $type: the other end is accepted"
	kill "$last_pid"
	wait "$last_pid" 2>/dev/null
	ip -n B route del 111.112.101.38
done
must without A to_b
must without B wild

# ---- another netns ---------------------------------------------------------

must tunnel B wild $SERVER type ipip remote $A
ip -n B route add $OFFICE dev wild
netns_add D
move() { # WORD...: of ip link add
	tunnel A moved $OFFICE "$@" && ip -n A link set moved netns D && ip -n D addr add $OFFICE/32 dev moved &&
		ip -n D link set moved up
}
passes_d() { check "$1: packets pass" ns D ping -c 1 -W 3 $SERVER; }
lost_d() { check_not "$1: packets do not pass" ns D ping -c 1 -W 1 $SERVER; }
for words in "remote $B" "remote $B dev eth0" ""; do
	must move type ipip $words
	if [ -n "$words" ]; then
		ip -n D route add $SERVER dev moved
	else
		ip -n D route add $SERVER via $B dev moved onlink
	fi
	passes_d "in another netns${words:+, $words}"
	healthy "in another netns${words:+, $words}" D
	healthy "where its outer packets are" A
	check "it says whose" grep -q '^note: tunnel moved of network namespace D sends its outer packets from here' \
		"$tmp/said"
	# the kernel sends by a card without asking for a route, and R answers for B
	if [[ $words != *dev* ]]; then
		ip -n A route add unreachable $B
		lost_d "no route there"
		faulty "no route there" D endpoint_unreachable
		passes_d "a route there"
		ip -n A route del $B
	fi
	ns A nft 'add table inet shut; add chain inet shut c { type filter hook output priority 0; }
		add rule inet shut c ip protocol 4 drop'
	lost_d "a firewall there"
	faulty "a firewall there" D firewall
	passes_d "let out there"
	ns A nft flush ruleset
	must without D moved
done

background container init unshare -U -r -n sleep 1000
pid=$last_pid
apart() { [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
check "a container" poll 20 apart
must ip netns attach E "$pid"
inside() { nsenter -t "$pid" -U -n "$@"; }
ip -n A link add given type tunl
ip -n A link set given netns E
must inside ip addr add $OFFICE peer $B dev given
must inside ip link set given up
must inside ip route add $SERVER dev given
check_not "a container's endpoint: packets do not pass" inside ping -c 1 -W 1 $SERVER
faulty "a container's endpoint" E endpoint_refused "PID=$pid"
check "the host's endpoint: packets pass" inside ping -c 1 -W 3 $SERVER
must without E given

# ---- callers behind the other end's address --------------------------------

must without B wild
ip -n A link add tunl type tunl
ip -n B link add tunl type tunl
must commands_ip_a A
must commands_ip_b B
must ip -n B addr add 111.112.100.88/24 dev eth0
background caller init /usr/bin/python3 -IS "$TUNL_TOP/tests/wire.py" send R src=$A dst=$GHOST \
	times=2000 every=0.02
dropped() { [ "$(tx_counter B tunl tx_drop_loop_source)" -gt 0 ]; }
check "a caller behind A's own address is dropped" poll 20 dropped
said "and why" tx_drop_loop_source B --watch 2
check "it speaks of NAT" grep -q 'behind the same NAT' "$tmp/said"
was=$(packets A tunl RX)
check "the commands run" mend B ADDRESS=111.112.100.88
ns B conntrack -F 2>/dev/null
arrived() { [ "$(packets A tunl RX)" -gt "$was" ]; }
check "then they get to A" poll 20 arrived
healthy "and none is dropped any more" B --watch 1
kill "$last_pid"
wait "$last_pid" 2>/dev/null
ns B nft flush ruleset
must without A tunl
must without B tunl

# ---- who comes before ipip.ko ----------------------------------------------

if modprobe xfrm4_tunnel; then
	sysctl_set A net.ipv4.ipip.accept any
	was=$(rx_counter A delivered_ingress)
	wire carry R A/eth0 src=$OFFICE dst=$A outer.src=111.112.101.1 outer.dst=$A >/dev/null
	check_eq "a packet of an unknown source is taken by IPsec" "$(rx_counter A delivered_ingress)" "$was"
	faulty "a packet of an unknown source is taken by IPsec" A strangers_taken
	wire carry R A/eth0 src=$OFFICE dst=$A outer.src=111.112.101.1 outer.dst=$A >/dev/null
	taken() { [ "$(rx_counter A delivered_ingress)" -gt "$was" ]; }
	check "and then by ipip.ko" poll 10 taken
	sysctl_set A net.ipv4.ipip.accept auto
else
	note "no module xfrm4_tunnel here"
fi

# ---- tunl0, and a name that is taken ---------------------------------------

must rm -rf /etc/modprobe.d/tunl.conf
check_not "ip tunnel add wants tunl0" ip tunnel add branch mode ipip remote 198.51.100.1
said "tunl0" no_device init tunl0
check "it names the parameter, and a way without" grep -q 'ip link add NAME type ipip remote ENDPOINT' \
	<(tr -s '\n ' ' ' <"$tmp/said")
check "its commands run" mend init
check "tunl0 is there" test -e /sys/class/net/tunl0
check "ip tunnel add has what it wants" ip tunnel add branch mode ipip remote 198.51.100.1
check_eq "at the next boot as well" "$(cat /etc/modprobe.d/tunl.conf)" "options tunnel tunl0=1"
rm -f /etc/modprobe.d/tunl.conf
ip -n A link del tunl0
said "tunl0 is gone" no_device A tunl0
check "there is a way without" mend A NAME=branch ENDPOINT=$B
check "it makes a tunnel" ip -n A link show branch
must unload tunnel
must ip link add tunl type dummy
ip link set tunl up
check_not "a name that is taken keeps the module out" load tunnel
said "a name that is taken" not_loaded init tunl0
check "its commands run" mend init NAME=other
check "the module is loaded, and has made tunl0" test -e /sys/class/net/tunl0 -a -e /sys/class/net/tunl
ktap_end
