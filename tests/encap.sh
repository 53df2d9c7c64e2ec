#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300 core=yes
#
# UDP between the outer header and the inner packet: `encap fou` and `encap gue`.
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1, .2
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
#                             └── fou, gue, many               fou, gue ──┘
#                                 10.9.0.1, 10.9.1.1           10.9.0.2, 10.9.1.2

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

nl() { ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" "$@"; }
no_device() { ! ip -n a link show dev "$1"; }
setting() { # DEV NAME: of its encap
	ip -n a -d -j link show dev "$1" | /usr/bin/python3 -IS -c '
import json, sys
print(json.load(sys.stdin)[0]["linkinfo"]["info_data"].get("encap", {}).get(sys.argv[1], "none"))' "$2"
}
outer() { # FIELD=VALUE... -- ARGUMENT-OF-WIRE...: carried from a, those at r
	arrives_as a r/eth0 "$@" src=10.9.0.1
}
pings() { ns "$1" ping -q -n -c 3 -i 0.2 -W 5 "${@:2}"; } # NS ARGUMENT-OF-PING...
# as root of a netns of his own, who is nobody here
container() { unshare -U -r -n "$@"; }

load ipip
load tunnel
path_of_four
ip -n b addr add 10.0.2.2/24 dev eth0
# what modprobe would find
must test -z "$(lsmod | grep -w ^fou)"

# --- the module comes when it is wanted

check "a container's root does not load it" says "needs module fou" \
	container ip link add bad type ipip remote 192.0.2.1 encap fou encap-dport 5555
check_not "it is not there" loaded fou
check "ip link add with encap" ip -n a link add fou type ipip \
	remote 10.0.2.1 local 10.0.1.1 ttl 64 encap fou encap-sport auto encap-dport 5555
check "has loaded it" loaded fou
ip -n a link del fou
must rmmod fou
ip -n a link add fou type ipip remote 10.0.2.1 local 10.0.1.1
change() {
	ip -n a link set fou type ipip encap fou encap-sport auto encap-dport 5555
}
# Kernels that validate a change without RTNL can load the module first.
if probed VALIDATE_UNLOCKED; then
	check "a change waits for it" change
	check_eq "and is made" "$(setting fou type)" fou
else
	check "a change does not wait for it" says "being loaded, try again" change
	check_eq "and has changed nothing" "$(setting fou type)" none
	check "tried again, it is there" poll 20 change
fi
ip -n a link del fou

# --- settings

ip -n a link add fou type ipip remote 10.0.2.1 local 10.0.1.1 ttl 64 \
	encap fou encap-sport auto encap-dport 5555
# (Debian 12's iproute2 turns ports round when it sends them back: these stay.)
ip -n a link add gue type ipip remote 10.0.2.2 ttl 64 \
	encap gue encap-sport 7710 encap-dport 5654 encap-csum encap-remcsum
for pair in type=fou dport=5555 sport=0 csum=False remcsum=False; do
	check_eq "fou: ${pair%=*}" "$(setting fou "${pair%=*}")" "${pair#*=}"
done
for pair in type=gue dport=5654 sport=7710 csum=True remcsum=True; do
	check_eq "gue: ${pair%=*}" "$(setting gue "${pair%=*}")" "${pair#*=}"
done
check "a change of something else keeps them" ip -n a link set gue type ipip ttl 9
check_eq "all of them" "$(setting gue type) $(setting gue sport) $(setting gue remcsum)" "gue 7710 True"
check "what is dumped can be sent back" nl echo gue
check_eq "fou: the MTU leaves room for it" "$(mtu a fou)" 1472
check_eq "gue: too, with its option" "$(mtu a gue)" 1460
ip -n a link set gue type ipip noencap-remcsum
check_eq "gue: without, there is more" "$(mtu a gue)" 1468
ip -n a link set gue type ipip encap none
check_eq "encap none: and more still" "$(mtu a gue) $(setting gue type)" "1480 none"
ip -n a link set gue type ipip encap gue encap-sport 7710 encap-dport 5654 encap-csum

check "without a port: refused" says "encap-dport: the port" \
	ip -n a link add bad type ipip remote 10.0.2.9 encap fou
check "an encap that there is not: refused" says "fou, gue or none" \
	nl add bad remote=10.0.2.9 encap=7 18=1111
check "a flag that there is not: refused" says "no such flag" \
	nl add bad remote=10.0.2.9 encap=1 18=1111 encap-flags=0x10
check "remcsum is gue's: refused" says "no such flag" \
	ip -n a link add bad type ipip remote 10.0.2.9 encap fou encap-dport 5 encap-remcsum
check "after all of that no device" no_device bad
check "kind tunl takes it too" nl add many ttl=64 encap=1 18=15b3
check "a change of one of them" nl change many 18=1615
check_eq "leaves the others alone" "$(nl show many | grep -oE '(encap|18)=[^ ]*' | tr '\n' ' ')" "encap=1 18=1615 "
check "and back" nl change many 18=15b3
check_eq "and leaves room" "$(mtu a many)" 1472
check "an MTU that leaves none: refused" says . ip -n a link set many mtu 65508
check "the most there can be" ip -n a link set many mtu 65507
ip -n a link set many mtu 0

# --- on the wire

for dev in fou gue many; do ip -n a link set $dev up; done
ip -n a addr add 10.9.0.1/24 dev fou
check "fou: UDP to that port, without a checksum; inside, the packet" outer proto=17 dport=5555 \
	usum=none ulen=right len=right sum=right src=10.0.1.1 dst=10.0.2.1 ttl=64 inner=same -- dst=10.9.0.2
check "DF as ever" outer df=1 inner.df=1 -- df=1 dst=10.9.0.2
check "TOS too" outer tos=0x02 inner.tos=0xbe -- tos=0xbe dst=10.9.0.2
flows() { # FLOWS: of 24 packets, how many source ports
	ns a /usr/bin/python3 -IS - "$1" <<-'END' &
		import socket, sys, time
		time.sleep(1)
		for i in range(24):
		    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		    sock.bind(("10.9.0.1", 2000 + i % int(sys.argv[1])))
		    sock.sendto(b"flow", ("10.9.0.2", 9))
		    sock.close()
	END
	ns r timeout 20 tcpdump -n -i eth0 -c 24 udp dst port 5555 2>/dev/null |
		sed -n 's/.*10\.0\.1\.1\.\([0-9]*\) > .*/\1/p' | sort -u | wc -l
	wait $!
}
check_eq "one flow has one source port" "$(flows 1)" 1
check "24 flows have nearly as many" test "$(flows 24)" -ge 20
ip -n a rule add ipproto udp dport 5555 table 99
ip -n a route add prohibit 10.0.2.1 table 99
dropped=$(tx_counter a fou tx_drop_no_route)
wire send a src=10.9.0.1 dst=10.9.0.2
check_eq "its route is that of UDP to that port" "$(tx_counter a fou tx_drop_no_route)" $((dropped + 1))
ip -n a rule del ipproto udp dport 5555 table 99
ip -n a route replace 10.9.0.0/24 dev gue
# as it is on a wire
ns a ethtool -K eth1 tx off >/dev/null
check "gue: its header, that source port, a checksum" outer proto=17 sport=7710 dport=5654 \
	gue=4 usum=right inner=same -- dst=10.9.0.2
ip -n a route replace 10.9.0.0/24 via 10.0.2.1 dev many onlink
check "kind tunl, the gateway as endpoint" outer proto=17 dport=5555 dst=10.0.2.1 inner=same -- dst=10.9.0.2
ip -n a route replace 10.9.0.0/24 dev fou

# --- there and back, received by the kernel's fou

ip -n b link add fou type ipip remote 10.0.1.1 local 10.0.2.1 encap fou encap-sport auto encap-dport 5555
ip -n b link add gue type ipip remote 10.0.1.1 local 10.0.2.2 encap gue encap-sport auto encap-dport 5654
for dev in fou gue; do ip -n b link set $dev up; done
ip -n b addr add 10.9.0.2/24 dev fou
ip -n b route add 10.1.0.0/24 dev fou
ip -n a addr add 10.9.1.1/24 dev gue
ip -n b addr add 10.9.1.2/24 dev gue
for ns in a b; do
	must ns $ns ip fou add port 5555 ipproto 4
	must ns $ns ip fou add port 5654 gue
	sysctl_set $ns net.ipv4.conf.all.rp_filter 0
	sysctl_set $ns net.ipv4.conf.fou.rp_filter 0
	sysctl_set $ns net.ipv4.conf.gue.rp_filter 0
done
must ns r nft 'table ip t { chain c { type filter hook forward priority 0; ip protocol 4 counter drop; }; }'
check "fou: there and back" pings a 10.9.0.2
check "fou: forwarded" pings h 10.9.0.2
check "received on the device" test "$(dev_counter b fou rx_packets)" -ge 6
check "gue: there and back" pings a -s 1400 10.9.1.2
check "nothing went as protocol 4" grep -q 'counter packets 0 ' <<<"$(ns r nft list table ip t)"

# Large packets reach the card whole, and so the peer.
ns a ethtool -K eth1 tx on >/dev/null
background iperf b iperf3 -s
listening() { ns b ss -Hltn 'sport = :5201' | grep .; }
must poll 20 listening
capture a eth1 "$tmp/large.pcap" -s 96 "udp dst port 5555 and greater 3000"
check "TCP" ns a iperf3 -c 10.9.0.2 -n 8M
capture_stop
check "its segments are made behind the tunnel" \
	test "$(tcpdump -nr "$tmp/large.pcap" 2>/dev/null | wc -l)" -ge 20
check "TCP with gue and a checksum" ns a iperf3 -c 10.9.1.2 -n 8M

# --- whom it believes

refused=$(rx_counter b drop_refused)
for src in 10.0.1.254 10.0.1.1; do
	wire send r outer.src=$src outer.dst=10.0.2.1 outer.udp=5:5555 src=10.9.0.1 dst=10.9.0.2
done
more() { [ "$(rx_counter b drop_refused)" = $((refused + 1)) ]; }
check "an unknown source's is refused in UDP too, and an endpoint's is not" poll 10 more

# --- errors from inside the tunnel

for ns in a r; do sysctl_set $ns net.ipv4.icmp_ratelimit 0; done
sent=(src=10.1.0.2 dst=10.9.0.2 df=1 size=1400)
ip -n r link set eth1 mtu 1400
check "too big for the path: fragmentation needed, less 28" \
	grep -q 'icmp=3/4 icmp.info=1372 ' <<<"$(wire carry h h/eth0 "${sent[@]}" times=2)"
counts() { # COUNTER of /proc/net/tunl
	# shellcheck disable=SC2016
	ns a awk -v name="$1" '$1 == name { print $2 }' /proc/net/tunl
}
ip -n a link set eth1 mtu 1500
error=(error.src=10.0.1.254 error.dst=10.0.1.1 error.type=3 error.code=1
	outer.src=10.0.1.1 outer.dst=10.0.2.1 outer.df=1 src=10.1.0.2 dst=10.9.0.2)
check "unreachable inside: told at once" \
	grep -q 'icmp=3/1 .*quote.dst=10.9.0.2' <<<"$(wire carry r h/eth0 "${error[@]}" outer.udp=999:5555)"
was=$(ns a cat /proc/net/tunl)
wire send r "${error[@]}" outer.udp=999:5554
wire send r "${error[@]}"
sleep 1
check_eq "about another port: none of ours; about protocol 4: this tunnel sends none" \
	"$(ns a cat /proc/net/tunl | diff <(echo "$was") - | grep '^>' | tr '\n' ' ')" \
	"> icmp_not_ours $(($(echo "$was" | awk '$1 == "icmp_not_ours" { print $2 }') + 1)) "
relayed=$(counts icmp_deferred)
wire send r "${error[@]}" outer.udp=999:5555 error.quote=28
deferred() { [ "$(counts icmp_deferred)" = $((relayed + 1)) ]; }
check "a quote of 8 bytes: with the next packet" poll 10 deferred
check "which is told" grep -q icmp=3/1 <<<"$(wire carry h h/eth0 src=10.1.0.2 dst=10.9.0.2)"
# Labels are not to be taken for an IPv4 header, nor for one of GUE.
what_of() { # FIELD...: which counters a quote of those raises
	local before
	before=$(ns a cat /proc/net/tunl)
	wire send r "${error[@]}" error.quote=128 "$@"
	sleep 0.3
	ns a cat /proc/net/tunl | diff <(echo "$before") - | sed -n 's/^> \([^ ]*\) .*/\1/p' | tr '\n' ' '
}
must ip -n a link add labels type ipip remote 10.0.2.2 local 10.0.1.1 mode mplsip \
	encap fou encap-sport auto encap-dport 5397
must ip -n a link set labels up
for label in 100 100000 300000 600000; do
	check_eq "label $label behind UDP: with the next packet" \
		"$(what_of outer.dst=10.0.2.2 outer.udp=999:5397 "outer.mpls=$label")" "icmp_deferred "
done
must ip -n a link set labels type ipip mode mplsip nopmtudisc encap fou encap-sport auto encap-dport 5397
check_eq "that DF is copied means none with labels: such an error is not about ours" \
	"$(what_of error.code=4 error.mtu=1300 outer.dst=10.0.2.2 outer.udp=999:5397 outer.mpls=100)" "icmp_not_ours "
must ip -n a link set labels type ipip mode mplsip encap gue encap-sport auto encap-dport 5397
check_eq "and behind GUE" \
	"$(what_of outer.dst=10.0.2.2 outer.udp=999:5397 outer.gue=1 outer.mpls=100)" "icmp_deferred "
# With 8 bytes quoted it is not known whether the inner packet had DF; ours did.
must ip -n a link set labels type ipip mode ipip nopmtudisc encap fou encap-sport auto encap-dport 5397
check_eq "fragmentation needed, 8 bytes quoted: believed" \
	"$(what_of error.code=4 error.mtu=1300 error.quote=28 outer.dst=10.0.2.2 outer.udp=999:5397)" "icmp_deferred "
ip -n a link del labels
# Two to one port of one host, the newest looked at first.
both() { # LABEL: what is behind UDP tells whose an error is
	ip -n a route replace 10.9.5.0/24 dev with
	ip -n a route replace 10.9.6.0/24 dev without
	check "$1: behind GUE, told at once" grep -q icmp=3/1 \
		<<<"$(wire carry r h/eth0 "${error[@]}" outer.dst=10.0.2.2 outer.udp=999:5397 outer.gue=1 dst=10.9.5.1)"
	check "$1: without GUE, told at once" grep -q icmp=3/1 \
		<<<"$(wire carry r h/eth0 "${error[@]}" outer.dst=10.0.2.2 outer.udp=999:5397 dst=10.9.6.1)"
}
with=(with type ipip remote 10.0.2.2 local 10.0.1.1 dev eth1 encap gue encap-sport auto encap-dport 5397)
without=(without type ipip remote 10.0.2.2 local 10.0.1.1 encap fou encap-sport auto encap-dport 5397)
must ip -n a link add "${with[@]}"
must ip -n a link add "${without[@]}"
ip -n a link set with up
ip -n a link set without up
both "FOU is newer"
ip -n a link del with
must ip -n a link add "${with[@]}"
ip -n a link set with up
both "GUE is newer"
ip -n a link del with
ip -n a link del without
ip -n r link set eth1 mtu 1500
forget a b

# --- in a circle, by way of queues: not to be seen on the stack

netns_add q
ip -n q link add d0 type dummy
ip -n q link set d0 up
ip -n q addr add 10.21.0.1/24 dev d0
circle() { # KIND OF FIRST, OF SECOND
	local dev n
	ip -n q link add c1 type ipip nopmtudisc remote 10.22.0.9 local 10.21.0.1 encap "$1" encap-sport auto encap-dport 5397
	ip -n q link add c2 type ipip nopmtudisc remote 10.23.0.9 local 10.21.0.1 encap "$2" encap-sport auto encap-dport 5397
	for dev in c1 c2; do
		ip -n q link set $dev up
		tc -n q qdisc add dev $dev root pfifo limit 100
	done
	ip -n q route add 10.22.0.9 dev c2
	ip -n q route add 10.23.0.9 dev c1
	ip -n q route add 10.24.0.0/24 dev c1
	for n in 56 1400; do
		ns q ping -q -c 1 -W 0.2 -M dont -s $n 10.24.0.5 >/dev/null
		check "$1 over $2 in a circle, $n bytes: ends, by name" test \
			"$(($(tx_counter q c1 tx_drop_loop_nested) + $(tx_counter q c2 tx_drop_loop_nested)))" -ge 1
		check_eq "$1 over $2 in a circle, $n bytes: for no other reason" \
			"$(for dev in c1 c2; do ns q ethtool -S $dev | grep -v ' 0$\|:$\|loop_nested'; done)" ""
		dev=$(dev_counter q c1 tx_packets)
		sleep 0.3
		check_eq "$1 over $2 in a circle, $n bytes: has ended" "$(dev_counter q c1 tx_packets)" "$dev"
		check "$1 over $2 in a circle, $n bytes: soon" test "$dev" -lt 100
	done
	ip -n q link del c1
	ip -n q link del c2
}
circle fou fou
circle gue none


# --- the module goes

ip -n a addr flush dev gue
ns a ip fou del port 5555
ns a ip fou del port 5654
ns b ip fou del port 5555
ns b ip fou del port 5654
must rmmod fou
dropped=$(tx_counter a fou tx_drop_no_encap)
check "without it the sender is told" \
	grep -q icmp=3/1 <<<"$(wire carry h h/eth0 src=10.1.0.2 dst=10.9.0.2)"
check_eq "and the drop has a name" "$(tx_counter a fou tx_drop_no_encap)" $((dropped + 1))
check "a line says what is missing" poll 5 klog_has "fou: encap: module fou is not loaded"
must modprobe fou
must ip -n a link add sized type ipip remote 192.0.2.9 local 10.0.1.1 \
	encap gue encap-sport auto encap-dport 5555 encap-remcsum
size=$(mtu a sized)
must rmmod fou
must ip -n a link set sized address 10.0.1.2
must modprobe fou
check_eq "a change meanwhile does not change the size of it" "$(mtu a sized)" "$size"
check "with it, it goes on" outer proto=17 dport=5555 inner=same -- dst=10.9.0.2

ktap_end
