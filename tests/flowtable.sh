#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=600
#
# nftables' flowtables: a connection goes past the tunnel only where the header that the
# flowtable makes is the tunnel's, and no longer once the tunnel has another endpoint;
# else it ends up in the tunnel's own device.
#
#   10.1.0.2       10.1.0.1  10.0.1.1   10.0.1.2  10.2.0.1      10.2.0.2
#   c ── eth0 ═════════ in0 ── A ── out0 ═══ eth0 ── B ── lan ═══ eth0 ── s
#                               └ t                  └ t

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

ECHO='import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("10.2.0.2", 7))
print("listening", flush=True)
while True:
    data, sender = udp.recvfrom(2000)
    udp.sendto(data, sender)'

# Datagrams of one connection, each sent when the one before has come back; prints how
# many came back.
TALK='import socket, sys
port, count, size, tos, df = map(int, sys.argv[1:])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
udp.setsockopt(socket.IPPROTO_IP, 10, 2 if df else 0)
udp.bind(("10.1.0.2", port))
udp.connect(("10.2.0.2", 7))
back = 0
for i in range(count):
    udp.settimeout(5)
    try:
        udp.send(bytes(size))
        back += len(udp.recv(2000)) == size
    except OSError:
        pass
print(back)'

port=4000 size=64 tos=0 df=1
talk() { ns c /usr/bin/python3 -IS -c "$TALK" "$port" "$1" "$size" "$tos" "$df"; } # COUNT

# In the chain of forwarded packets, which a flowtable goes past.
forwarded() { ns A nft list counter ip ft seen | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }

flowtable() { # DEVICE...
	local devices=$*
	ns A nft -f - <<-END
		flush ruleset
		table ip ft {
			counter seen { }
			flowtable f { hook ingress priority 0; devices = { ${devices// /, } }; }
			chain forward {
				type filter hook forward priority 0;
				ip protocol udp counter name seen flow add @f
			}
		}
	END
}

# A new connection: of 20 datagrams there and back, how many A forwarded, how many
# left by t, and how many came back; and what the outer packets looked like.
connection() {
	local seen sent came
	port=$((port + 1))
	talk 3 >/dev/null
	seen=$(forwarded) sent=$(dev_counter A t tx_packets)
	capture B eth0 "$tmp/outer.pcap" 'dst host 10.0.1.2 or dst host 10.0.1.3'
	came=$(talk 20)
	capture_stop
	out="forwarded=$(($(forwarded) - seen)) device=$(($(dev_counter A t tx_packets) - sent)) back=$came"
	out+=" $(tcpdump -vnr "$tmp/outer.pcap" 2>/dev/null | awk '
		/^[0-9].* IP \(/ {
			ttl = tos = proto = ""
			if (match($0, /tos 0x[0-9a-f]*/)) tos = substr($0, RSTART + 4, RLENGTH - 4)
			if (match($0, /ttl [0-9]*/)) ttl = substr($0, RSTART + 4, RLENGTH - 4)
			if (match($0, /proto [A-Z]*/)) proto = substr($0, RSTART + 6, RLENGTH - 6)
			df = /\[DF\]/
			getline
			n["outer=" $1 ">" $3 proto " ttl=" ttl " tos=" tos " df=" df]++
		}
		END { for (what in n) print what, "times=" n[what] }')"
}

got() { # FIELD=VALUE...
	local field
	echo "$out"
	for field; do
		[[ " $out " == *" $field "* ]] || return 1
	done
}

went_past() { # FIELD=VALUE...
	connection
	got forwarded=0 device=0 back=20 times=20 "$@"
}

# Packet by packet, by IP and the device. Kernels that do not ask the device spare IP those
# that leave by it.
each=20
! probed TUNNEL_PATH_PRESENT || each=40
not_past() { # FIELD=VALUE...
	connection
	got forwarded="$each" device=20 back=20 "$@"
}

# Past IP, but by the device.
by_device() { # FIELD=VALUE...
	connection
	got forwarded=0 device=20 back=20 "$@"
}

knows_mtu() { ip -n A route get 10.0.1.2 | grep -w "mtu $1"; }

tunnel() { # KIND ATTRIBUTE=VALUE...
	ip -n A link del dev t 2>/dev/null
	ns A /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" add t kind="$1" remote=10.0.1.2 "${@:2}" && carry
}

carry() {
	ip -n A link set dev t up &&
		ip -n A route replace 10.2.0.0/24 dev t
}

netns_add c A B s
veth c eth0 A in0
veth A out0 B eth0
veth B lan s eth0
ip -n c addr add 10.1.0.2/24 dev eth0
ip -n c route add default via 10.1.0.1
ip -n A addr add 10.1.0.1/24 dev in0
ip -n A addr add 10.0.1.1/24 dev out0
ip -n B addr add 10.0.1.2/24 dev eth0
ip -n B addr add 10.0.1.3/24 dev eth0
ip -n B addr add 10.2.0.1/24 dev lan
ip -n s addr add 10.2.0.2/24 dev eth0
ip -n s route add default via 10.2.0.1
for router in A B; do
	sysctl_set "$router" net.ipv4.ip_forward 1
done
must load ipip
must load tunnel
must modprobe -a nf_flow_table nft_flow_offload
for other in 10.0.1.2 10.0.1.3; do
	must ip -n B link add "t${other##*.}" type ipip local "$other" remote 10.0.1.1
	ip -n B link set "t${other##*.}" up
done
must ip -n B route add 10.1.0.0/24 dev t2
background echo s /usr/bin/python3 -IS -c "$ECHO"
must poll 20 grep -q listening "$tmp/echo"

plain='outer=10.0.1.1>10.0.1.2:IPIP'

# --- a flowtable of the tunnel's own device: any kernel, any tunnel

flowtable in0 out0
must tunnel tunl
check "without its device in the flowtable, kind tunl forwards each packet" \
	not_past "$plain" ttl=64
flowtable in0 t
check "with it, packets go past IP, and get the header of the device" \
	by_device "$plain" ttl=64 times=20
must tunnel tunl ttl=33 tos=32
flowtable in0 t
check "a fixed TTL and TOS too" by_device "$plain" ttl=33 tos=0x20

if ! probed TUNNEL_PATH_PRESENT; then
	must tunnel ipip
	flowtable in0 out0
	check "this kernel does not go past a tunnel" not_past "$plain"
	flowtable in0 t
	check "kind ipip: past IP, by its device" by_device "$plain" ttl=63
	ktap_end
fi

# --- past the tunnel

must tunnel ipip
flowtable in0 out0
check "kind ipip: packets go past the tunnel" went_past "$plain" ttl=63 tos=0x0 df=1
tos=40
check "TOS, and ECN, are the inner packet's" went_past "$plain" tos=0x28
tos=0
must tunnel ipip tos=1 local=10.0.1.1
check "a local address, TOS inherited" went_past "$plain"
must tunnel tunl ttl=0 tos=1
check "kind tunl, TTL and TOS inherited" went_past "$plain" ttl=63 df=1
df=0
check "DF is the inner packet's" went_past "$plain" df=0
df=1
must tunnel ipip proto=0
check "mode any" went_past "$plain"

# --- and by the tunnel, where the header would be another

must tunnel ipip ttl=33
check "a fixed TTL: not past it" not_past "$plain" ttl=33
must tunnel ipip tos=32
check "a fixed TOS: not past it" not_past "$plain" tos=0x20
must tunnel tunl ttl=0 tos=1 pmtudisc=0
check "DF never set: not past it" not_past "$plain" df=0
must modprobe fou
must ip -n B fou add port 5555 ipproto 4
ip -n A link del dev t
must ip -n A link add name t type ipip remote 10.0.1.2 encap fou encap-sport 5555 encap-dport 5555
must carry
check "UDP between the headers: not past it" not_past
ip -n B fou del port 5555

ip -n A link del dev t
must ip -n A link add name t type ipip local 10.0.1.1
ip -n A link set dev t up
ip -n A route replace 10.2.0.0/24 via 10.0.1.2 dev t onlink
check "no remote: not past it" not_past "$plain"
flowtable in0 t
check "but past IP: each packet has its own endpoint" by_device "$plain" ttl=63
flowtable in0 out0

must tunnel ipip
ip -n A link set dev t mtu 1000
check "an MTU of its own: not past it" not_past "$plain"
must tunnel ipip
ip -n A route add 10.0.1.2 dev out0 mtu 1400
check "an MTU of the route: past it, as the flowtable sees it" went_past "$plain"
ip -n A route del 10.0.1.2 dev out0
ip -n A route add 10.0.1.2 nexthop dev out0 nexthop via 10.0.1.3 dev out0
check "several nexthops: not past it" not_past
ip -n A route del 10.0.1.2

# Of packets in: a flowtable would take those that came without it.
must tunnel ipip
check "no IPsec: past it again" went_past "$plain"
ip -n A xfrm policy add src 10.0.7.0/24 dst 10.0.1.1 dir in tmpl proto esp mode transport
check "an IPsec policy for packets in: not past it" not_past "$plain"
ip -n A xfrm policy flush
for router in A B; do
	for way in "10.0.1.1 dst 10.0.1.2 proto esp spi 1" "10.0.1.2 dst 10.0.1.1 proto esp spi 2"; do
		# shellcheck disable=SC2086 # words of a command
		must ip -n "$router" xfrm state add src $way mode transport \
			aead "rfc4106(gcm(aes))" 0x0102030405060708090a0b0c0d0e0f1011121314 128
	done
done
ip -n A xfrm policy add src 10.0.1.1 dst 10.0.1.2 proto 4 dir out tmpl proto esp mode transport
check "an IPsec policy for packets out: not past it, and protected" not_past "outer=10.0.1.1>10.0.1.2:ESP"
ip -n A xfrm policy flush

# What is sent to the endpoint belongs to the namespace that the device was made in.
netns_add U
veth U ua B ub
ip -n U addr add 10.0.5.1/24 dev ua
ip -n B addr add 10.0.5.2/24 dev ub
must ip -n B link add t5 type ipip local 10.0.5.2 remote 10.0.5.1
ip -n B link set t5 up
ip -n B route replace 10.1.0.0/24 dev t5
ip -n A link del dev t
must ip -n U link add name t type ipip local 10.0.5.1 remote 10.0.5.2
must ip -n U link set dev t netns A
must carry
check "an underlay in another namespace: not past it" not_past
ip -n A link del dev t
ip -n B route replace 10.1.0.0/24 dev t2

# --- while a smaller path MTU is known, somebody has to be sent an error

must tunnel ipip
expires_in=A
ns A test -e /proc/sys/net/ipv4/route/mtu_expires || expires_in=init
sysctl_set $expires_in net.ipv4.route.mtu_expires 60
check "before: past it" went_past "$plain"
must wire send B error.src=10.0.1.2 error.dst=10.0.1.1 error.type=3 error.code=4 \
	error.mtu=1300 outer.src=10.0.1.1 outer.dst=10.0.1.2 outer.df=1 \
	src=10.1.0.2 dst=10.2.0.2 df=1 size=1400
must poll 10 knows_mtu 1300
check "a path MTU was learned: not past it" not_past "$plain"
unknown_mtu() { ! knows_mtu 1300; }
must poll 150 unknown_mtu
check "and forgotten: past it" went_past "$plain"

# --- another endpoint ends the connections

must tunnel ipip
port=$((port + 1))
talk 3 >/dev/null
ip -n B route replace 10.1.0.0/24 dev t3
must ip -n A tunnel change t mode ipip remote 10.0.1.3
sent=$(dev_counter A t tx_packets)
capture B eth0 "$tmp/after.pcap" 'src host 10.0.1.1 and ip proto 4'
check_eq "the connection goes on at another endpoint" "$(talk 20)" 20
capture_stop
check_eq "and none of its packets went to the old one" \
	"$(tcpdump -nr "$tmp/after.pcap" 'dst host 10.0.1.2' 2>/dev/null | wc -l)" 0
check "all went to the new one" test "$(tcpdump -nr "$tmp/after.pcap" 'dst host 10.0.1.3' 2>/dev/null | wc -l)" = 20
check "the first of them by the device" test "$(dev_counter A t tx_packets)" -gt "$sent"
check_eq "a device that goes takes them along" "$(ip -n A link del dev t && talk 1)" 0

ktap_end
