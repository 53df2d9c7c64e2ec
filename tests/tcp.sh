#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=240
#
# Bulk data: packets that cross the tunnel as one and are segmented later, or
# earlier, or put together again.
#
#       A                      R                      B
#     eth0 ----------- to_a        to_b ----------- eth0
#   192.0.2.2       192.0.2.1   198.51.100.1     198.51.100.2
#     tunl                                          tunl
#   10.1.0.1                                      10.2.0.2
. "$(dirname "$0")/lib.sh"

mib=${TCP_MIB:-256}
port=7000

topology() {
	netns_add A R B && veth A eth0 R to_a && veth R to_b B eth0 &&
		ns A ip addr add 192.0.2.2/24 dev eth0 &&
		ns R ip addr add 192.0.2.1/24 dev to_a &&
		ns R ip addr add 198.51.100.1/24 dev to_b &&
		ns B ip addr add 198.51.100.2/24 dev eth0 &&
		ns A ip route add default via 192.0.2.1 &&
		ns B ip route add default via 198.51.100.1 &&
		sysctl_set R net.ipv4.ip_forward 1 &&
		head -c 1048576 /dev/urandom >"$tmp/pattern"
}

tunnel() { # NS INNER REMOTE OTHER-INNER
	ns "$1" ip link add tunl type tunl &&
		ns "$1" ip addr add "$2" peer "$3" dev tunl &&
		ns "$1" ip link set tunl up && ns "$1" ip route add "$4" dev tunl
}

transfer() { # FROM TO ADDRESS MIB
	port=$((port + 1))
	background serve "$2" "$TUNL_TOP/tests/stream" serve "$port" "$tmp/pattern" "$4"
	poll 20 grep -q ready "$tmp/serve" || return
	ns "$1" "$TUNL_TOP/tests/stream" send "$3" "$port" "$tmp/pattern" "$4"
	cat "$tmp/serve"
	wait "$last_pid" && grep -q "received $4 MiB" "$tmp/serve"
}

# A transfer from A to B, with two captures of a few packets each: on R's
# interface those larger than the MTU, and any.
watched() { # MIB
	local large any rc

	background large R tcpdump -s 64 -c 5 -ni to_a -w "$tmp/large.pcap" \
		'src 192.0.2.2 and ip proto 4 and ip[2:2] > 1500'
	large=$last_pid
	background any R tcpdump -s 64 -c 5 -ni to_a -w "$tmp/any.pcap" \
		'src 192.0.2.2 and ip proto 4'
	any=$last_pid
	poll 20 grep -q 'listening on' "$tmp/large" || return
	poll 20 grep -q 'listening on' "$tmp/any" || return
	transfer A B 10.2.0.2 "$1"
	rc=$?
	capture_stop "$large"
	capture_stop "$any"
	return "$rc"
}

captured() { # FILE
	tcpdump -nr "$tmp/$1.pcap" 2>/dev/null | wc -l
}

offload() { # NS DEV SETTING...
	ns "$1" ethtool -K "${@:2}"
}

lost() { # everything that counts a loss, if it is not zero
	local host

	for host in A B; do
		ns "$host" ethtool -S tunl | awk -v h="$host" '/drop/ && $2 { print h, $0 }'
		ns "$host" cat /proc/net/ipip | awk -v h="$host" '/^drop/ && $2 { print h, $0 }'
		ns "$host" ip -s link show tunl |
			awk -v h="$host" '/[RT]X:/ { what = $1; getline; if ($3 + $4 + $5 + $6) print h, what, $0 }'
		ns "$host" nstat -asz IpInHdrErrors IpInDiscards IpOutDiscards IpReasmFails IpFragFails TcpInCsumErrors UdpInCsumErrors |
			awk -v h="$host" '$2 + 0 { print h, $0 }'
	done
	ns R nstat -asz IpInHdrErrors IpInDiscards IpOutDiscards IpFragCreates IpFragFails |
		awk '$2 + 0 { print "R", $0 }'
}

ktap_begin
must topology
# Where one processor does everything, all of TCP's window may be in one queue.
must sysctl_set init net.core.netdev_max_backlog 20000
must load ipip
must load tunnel
must tunnel A 10.1.0.1 198.51.100.2 10.2.0.2
must tunnel B 10.2.0.2 192.0.2.2 10.1.0.1

check "A sends B $mib MiB, and every byte arrives" watched "$mib"
check_eq "in packets larger than the MTU, wrapped whole" "$(captured large)" 5
check "B sends A $((mib / 8)) MiB" transfer B A 10.1.0.1 $((mib / 8))

must offload A eth0 tso off gso off tx-ipxip4-segmentation off
check "with segmentation at A's eth0, under the tunnel: $((mib / 8)) MiB" watched $((mib / 8))
check_eq "then no packet is larger than the MTU" "$(captured large) $(captured any)" "0 5"
must offload A eth0 tso on gso on tx-ipxip4-segmentation on

must offload R to_b tso off gso off tx-ipxip4-segmentation off
check "with segmentation at the router: $((mib / 8)) MiB" watched $((mib / 8))
check_eq "the packets come to it whole" "$(captured large)" 5
must offload R to_b tso on gso on tx-ipxip4-segmentation on

must offload A tunl tso off gso off tx off
check "with all offloads of A's tunl off: $((mib / 8)) MiB" watched $((mib / 8))
check_eq "no packet is larger than the MTU" "$(captured large) $(captured any)" "0 5"

# veth has no GRO where the other end could have sent the packet whole.
must offload R to_b tso off
must offload B eth0 gro on
background merged B tcpdump -s 64 -c 5 -ni tunl -Q in -w "$tmp/merged.pcap" \
	'ip proto 6 and ip[2:2] > 1480'
must poll 20 grep -q 'listening on' "$tmp/merged"
merged_pid=$last_pid
check "with GRO at B's eth0: $((mib / 8)) MiB" transfer A B 10.2.0.2 $((mib / 8))
capture_stop "$merged_pid"
check_eq "they arrive on B's tunl put together" "$(captured merged)" 5
must offload A tunl tso on gso on tx on

background udp B "$TUNL_TOP/tests/stream" serve-udp 7000 "$tmp/pattern" 40 1400
udp_pid=$last_pid
must poll 20 grep -q ready "$tmp/udp"
must capture R to_a "$tmp/large.pcap" 'src 192.0.2.2 and ip proto 4 and ip[2:2] > 1500'
check "40 datagrams leave A in one call" \
	ns A "$TUNL_TOP/tests/stream" send-udp 10.2.0.2 7000 "$tmp/pattern" 40 1400
check "and are the same 40 at B" wait "$udp_pid"
capture_stop_after 1 "$tmp/large.pcap"
check_eq "after crossing the wire as one packet" "$(captured large)" 1

check_eq "nothing was dropped, and no header or checksum was wrong" "$(lost)" ""
ktap_end
