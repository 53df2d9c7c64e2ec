#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=150
#
# A host with two uplinks: what its tunnels do when one goes, when routes change, and
# when both are used at once.
#
#                 10.0.1.1 eth1 ═══ eth1 10.0.1.2
#   10.9.0.1 tunl, a                             b  lo 10.0.9.1 (the endpoint)
#                 10.0.2.1 eth2 ═══ eth2 10.0.2.2
. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

END=10.0.9.1

topology() {
	netns_add a b && veth a eth1 b eth1 && veth a eth2 b eth2 &&
		ip -n a addr add 10.0.1.1/24 dev eth1 && ip -n a addr add 10.0.2.1/24 dev eth2 &&
		ip -n b addr add 10.0.1.2/24 dev eth1 && ip -n b addr add 10.0.2.2/24 dev eth2 &&
		ip -n b addr add "$END/32" dev lo && ip -n a link set eth2 mtu 1400 &&
		ip -n b route add blackhole 10.5.0.0/16
}

carrier() { ! ip -n a link show "$1" | grep -q NO-CARRIER; } # DEV
no_carrier() { ! carrier "$1"; }
mtu_is() { [ "$(mtu a "$1")" = "$2" ]; } # DEV MTU
sent() { dev_counter a "$1" tx_packets; } # DEV
route() { ip -n a route "$@"; }

# The state of tunnel $1 follows, before any packet.
quiet() { check_eq "$1: no packet was sent through the tunnel for that" "$(sent "$2")" 0; }

# ---- one at a time ---------------------------------------------------------

first_cable_pulled() {
	must route add $END via 10.0.1.2 metric 1
	must route add $END via 10.0.2.2 metric 2
	must tunl_add a tunl 10.9.0.1 $END
	check "the tunnel has the first uplink's MTU" poll 20 mtu_is tunl 1480
	must ip -n b link set eth1 down
	check "the tunnel has no carrier when the first cable is pulled" poll 20 no_carrier tunl
	must route del $END via 10.0.1.2
	check "the tunnel has a carrier once its route is by the second uplink" poll 20 carrier tunl
	check "the tunnel has the second uplink's MTU" poll 20 mtu_is tunl 1380
	quiet "a route that goes" tunl
	must ip -n b link set eth1 up
	must route add $END via 10.0.1.2 metric 1
	check "the tunnel follows a better route back to the first uplink" poll 20 mtu_is tunl 1480
	quiet "a route that comes" tunl
}

rules() {
	must route add $END via 10.0.2.2 table 100
	must ip -n a rule add to $END lookup 100
	check "the tunnel follows a rule" poll 20 mtu_is tunl 1380
	must ip -n a rule del to $END lookup 100
	check "the tunnel follows a rule that goes" poll 20 mtu_is tunl 1480
	must ip -n a nexthop add id 1 via 10.0.1.2 dev eth1
	must route replace $END nhid 1
	must ip -n a nexthop replace id 1 via 10.0.2.2 dev eth2
	check "the tunnel follows a nexthop object that is replaced" poll 20 mtu_is tunl 1380
	quiet "rules and nexthop objects" tunl
	must route del $END nhid 1
	must ip -n a nexthop del id 1
	must route flush $END
}

# A tunnel inside the other one.
nested() {
	must route add $END via 10.0.1.2
	must route add 10.8.0.1 dev tunl
	must tunl_add a within 10.7.0.1 10.8.0.1
	check "a tunnel in the tunnel has a smaller MTU" poll 20 mtu_is within 1460
	must route replace $END via 10.0.2.2
	check "a tunnel in the tunnel follows it" poll 20 mtu_is within 1360
	quiet "a tunnel in the tunnel" within
	must ip -n a link del within
	must route flush $END
}

# ---- bound to a device that comes back -------------------------------------

# A card that comes up sends something of its own: the tunnel must have sent, too.
passes() { # DEV THROUGH
	local before before_card
	before=$(sent "$1") before_card=$(sent "$2")
	ns a ping -c 1 -W 1 -I "$1" 10.5.0.1
	[ "$(sent "$1")" -gt "$before" ] && [ "$(sent "$2")" -gt "$before_card" ]
}

modem() {
	ip -n a link add "$1" type dummy && ip -n a addr add 10.0.3.1/24 dev "$1" &&
		ip -n a link set "$1" up && route add "$END" via 10.0.3.2 dev "$1" onlink metric 9 &&
		ip -n a neigh add 10.0.3.2 lladdr 02:00:00:00:00:01 dev "$1" nud permanent
}

bound() { # KIND
	local kind=$1

	must modem ppp0
	case $kind in
	ipip) must ip -n a link add dial type ipip remote $END dev ppp0 ;;
	tunl)
		must ip -n a link add dial type tunl
		must ip -n a link set dial broadcast $END
		must ns a /usr/bin/python3 "$TUNL_TOP/tests/netlink.py" change dial "link=$(ns a cat /sys/class/net/ppp0/ifindex)"
		;;
	esac
	must ip -n a addr add 10.9.1.1/32 dev dial
	must ip -n a link set dial up
	must route add 10.5.0.0/16 dev dial
	check "$kind: packets leave by the device that the tunnel is bound to" poll 20 passes dial ppp0
	klog_mark
	must ip -n a link del ppp0
	check "$kind: the log names the device that went" poll 10 klog_has 'dial: .*ppp0'
	# a decoy takes another name
	must ip -n a link add decoy type dummy
	must modem ppp0
	check "$kind: the tunnel is bound to the device again when it comes back" poll 20 passes dial ppp0
	must ip -n a link del ppp0
	must modem modem0
	must ip -n a link set modem0 down
	must ip -n a link set modem0 name ppp0
	must ip -n a link set ppp0 up
	must route add $END via 10.0.3.2 dev ppp0 onlink metric 9
	must ip -n a neigh replace 10.0.3.2 lladdr 02:00:00:00:00:01 dev ppp0 nud permanent
	check "$kind: also when it comes under another name and gets its own" poll 20 passes dial ppp0
	must ip -n a link del dial
	must ip -n a link del ppp0
	must ip -n a link del decoy
}

# Comes back as the underlay of another tunnel that has the same addresses.
bound_twice() {
	must modem ppp0
	must ip -n a link add dial type ipip remote $END dev ppp0
	must ip -n a addr add 10.9.1.1/32 dev dial
	must ip -n a link set dial up
	must ip -n a link del ppp0
	must modem modem0
	must ip -n a link add rival type ipip remote $END dev modem0
	must ip -n a addr add 10.9.1.2/32 dev rival
	must ip -n a link set rival up
	klog_mark
	must ip -n a link set modem0 down
	must ip -n a link set modem0 name ppp0
	check "the tunnel is not bound to a device by which another one has its endpoint, and the log says why" \
		poll 10 klog_has 'dial: cannot be bound to the new ppp0: another tunnel has its addresses'
	must ip -n a link del rival
	must ip -n a link del ppp0
	must modem ppp0
	must route add 10.5.0.0/16 dev dial
	check "the tunnel is bound to the next device of that name" poll 20 passes dial ppp0
	must ip -n a link del dial
	must ip -n a link del ppp0
}

# Of a group, several come or go in one request.
group() {
	local dev

	must ip -n a link add spare type dummy
	must modem ppp0
	must ip -n a link add dial type ipip remote $END dev ppp0
	must ip -n a addr add 10.9.1.1/32 dev dial
	must ip -n a link set dial up
	must route replace 10.5.0.0/16 dev dial
	must poll 10 passes dial ppp0
	for dev in ppp0 spare; do must ip -n a link set $dev group 7; done
	must ip -n a link set group 7 down
	check "the tunnel has no carrier when all devices of a group go down" poll 20 no_carrier dial
	must ip -n a link set group 7 up
	must route add $END via 10.0.3.2 dev ppp0 onlink metric 9
	must ip -n a neigh replace 10.0.3.2 lladdr 02:00:00:00:00:01 dev ppp0 nud permanent
	check "the tunnel has a carrier when all come up at once" poll 20 carrier dial
	check "packets leave" poll 20 passes dial ppp0
	# The end of the underlay is announced while the tunnel goes, too.
	must ip -n a link set dial group 7
	check "a tunnel and its underlay are deleted at once" ip -n a link del group 7
	check_eq "both are gone" "$(ip -n a -o link show | grep -c 'ppp0\|dial\|spare')" 0
}

# ---- ports of a bond -------------------------------------------------------

bond() { # KIND
	local kind=$1 i

	modprobe -q bonding max_bonds=0 || { note "no bonding here"; return; }
	must ip -n a link add bond type bond mode active-backup miimon 100
	for i in 1 2; do
		must ip -n a link add "port$i" type "$kind"
		[ "$kind" = tunl ] || must ip -n a link del "port$i"
		[ "$kind" = tunl ] || must ip -n a link add "port$i" type ipip local "10.0.$i.1" remote "10.0.$i.2"
		[ "$kind" = ipip ] || must ip -n a link set "port$i" address "10.0.$i.1" broadcast "10.0.$i.2"
	done
	must ip -n a link set port1 master bond
	must ip -n a link set port2 master bond
	must ip -n a link set bond up
	must ip -n a addr add 10.9.2.1/32 dev bond
	must route replace 10.5.0.0/16 dev bond
	for i in 1 2; do
		must ip -n a link set bond type bond active_slave "port$i"
		check "$kind: port $i of a bond sends from its own local address" \
			eval "wire carry a/port$i b/eth$i src=10.9.2.1 dst=10.5.0.7 | grep 'src=10.0.$i.1 dst=10.0.$i.2'"
	done
	must ip -n a link set port2 nomaster
	must ip -n a link set port2 up
	check "$kind: a port that leaves the bond keeps its local address" \
		eval "wire carry a/port2 b/eth2 src=10.9.2.1 dst=10.5.0.7 | grep 'src=10.0.2.1 dst=10.0.2.2'"
	if [ "$kind" = tunl ]; then
		must ip -n a addr add 10.0.2.9/24 dev eth2
		check "then an administrator's link address is its local address" \
			eval "ip -n a link set port2 address 10.0.2.9 && wire carry a/port2 b/eth2 src=10.9.2.1 dst=10.5.0.7 | grep 'src=10.0.2.9 '"
	fi
	must ip -n a link del bond
	for i in 1 2; do must ip -n a link del "port$i"; done
}

# "ip" sets no mode of a team; with a mode, each port is given the team's address.
team_mode() { # TEAM MODE
	ns a /usr/bin/python3 -IS - "$1" "$2" <<-'END'
		import socket, struct, sys
		sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
		def attribute(kind, data):
		    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
		def call(family, command, data):
		    sock.send(struct.pack("=IHHIIBBH", 20 + len(data), family, 5, 1, 0, command, 1, 0) + data)
		    return sock.recv(65536)
		family = call(16, 3, attribute(2, b"team\0"))
		at = family.index(struct.pack("=HH", 6, 1))  # CTRL_ATTR_FAMILY_ID
		family, = struct.unpack_from("=H", family, at + 4)
		option = attribute(1, b"mode\0") + attribute(3, b"\5") + attribute(4, sys.argv[2].encode() + b"\0")
		reply = call(family, 1, attribute(1, struct.pack("=I", socket.if_nametoindex(sys.argv[1]))) +
		             attribute(0x8002, attribute(0x8001, option)))
		sys.exit(struct.unpack_from("=i", reply, 16)[0] != 0)
	END
}

team() {
	local i

	modprobe -q team || { note "no team here"; return; }
	must ip -n a link add team type team
	must team_mode team roundrobin
	for i in 1 2; do
		must ip -n a link add "port$i" type tunl
		must ip -n a link set "port$i" address "10.0.$i.1" broadcast "10.0.$i.2"
		must ip -n a link set "port$i" master team
	done
	must ip -n a link set team up
	for i in 1 2; do
		check "port $i of a team sends from its own local address" \
			arrives_as "a/port$i" "b/eth$i" "src=10.0.$i.1" "dst=10.0.$i.2" -- src=10.9.2.1 dst=10.5.0.7
	done
	must ip -n a link del team
	for i in 1 2; do must ip -n a link del "port$i"; done
}

# A port of a VRF has a link address of its own: what an administrator sets at once, too.
vrf_port() {
	must ip -n a link add red type vrf table 7
	must ip -n a link add port type tunl
	printf 'link set port master red\nlink set port address 10.0.1.1\n' >"$tmp/batch"
	check "a tunnel joins a VRF and gets a local address in one go" ip -n a -batch "$tmp/batch"
	check_eq "that is its local address" "$(ip -n a -o link show dev port | sed 's/.*ipip \([0-9.]*\).*/\1/')" 10.0.1.1
	must ip -n a link del port
	must ip -n a link del red
}

# ---- both at once ----------------------------------------------------------

# 256 flows from a raw socket: all of one packet.
flows() { # FLOWS PACKETS
	ns a /usr/bin/python3 -IS - "$@" <<-'END'
		import socket, struct, sys
		flows, packets = map(int, sys.argv[1:])
		sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
		for i in range(packets):
		    flow = i % flows
		    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0,
		                     socket.inet_aton("10.9.0.1"), socket.inet_aton("10.5.0.9"))
		    udp = struct.pack("!HHHH", 1024 + flow, 9, 8, 0)
		    sock.sendto(ip + udp, ("10.5.0.9", 0))
	END
}

spread() { # FLOWS PACKETS: into one and two, what each uplink has sent
	one=$(sent eth1) two=$(sent eth2)
	flows "$@"
	one=$(($(sent eth1) - one)) two=$(($(sent eth2) - two))
	echo "eth1 $one, eth2 $two"
}

share() { # at least a quarter each
	spread 256 256 && [ "$one" -ge 64 ] && [ "$two" -ge 64 ]
}

together() {
	spread 1 100 && { [ "$one" -lt 10 ] || [ "$two" -lt 10 ]; } && [ $((one + two)) -ge 100 ]
}

# Ahead of counting: nobody is to ask for addresses then.
known() {
	local n
	for n in 1 2; do
		ip -n a neigh replace "10.0.$n.2" nud permanent dev "eth$n" \
			lladdr "$(ns b cat "/sys/class/net/eth$n/address")" || return
	done
}

both() {
	must known
	must route add $END nexthop via 10.0.1.2 nexthop via 10.0.2.2
	must ip -n a addr flush dev tunl
	must ip -n a addr add 10.9.0.1/32 dev tunl
	must route add 10.5.0.0/16 via $END dev tunl onlink
	check "gateway mode: flows share the uplinks" share
	check "gateway mode: a flow stays together" together
	must route del 10.5.0.0/16
	must ip -n a link set tunl broadcast $END
	must route add 10.5.0.0/16 dev tunl
	check "a fixed endpoint: flows share the uplinks" share
	check "a fixed endpoint: a flow stays together" together
	must ip -n b link set eth1 down
	must poll 10 eval 'ip -n a link show eth1 | grep -q NO-CARRIER'
	check "the tunnel has a carrier while one uplink has" carrier tunl
	must ip -n b link set eth1 up
	must ip -n a link add ip4 type ipip remote $END
	must ip -n a link set ip4 up
	must route replace 10.5.0.0/16 dev ip4
	check "kind ipip: flows share the uplinks" share
	check "kind ipip: a flow stays together" together
}

load tunnel
must topology
first_cable_pulled
rules
nested
both
route flush 10.5.0.0/16
ip -n a link set tunl down
route flush $END
must route add $END via 10.0.2.2 metric 1
bound ipip
bound tunl
bound_twice
group
must route replace default via 10.0.2.2
bond tunl
bond ipip
team
vrf_port
ktap_end
