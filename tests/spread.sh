#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=120
#
# Receive packet steering spreads what comes out of one tunnel over processors, by
# the inner header: outside, all packets look alike.
#
#   A (eth0 10.0.0.1, tunl) ═════ (eth0 10.0.0.2, tunl) B, 10.2.0.9: nowhere

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

PACKETS=640

topology() {
	netns_add A B && veth A eth0 B eth0 &&
		ip -n A addr add 10.0.0.1/24 dev eth0 &&
		ip -n B addr add 10.0.0.2/24 dev eth0 &&
		tunl_add A tunl 10.9.0.1 10.0.0.2 && tunl_add B tunl 10.9.0.2 10.0.0.1 &&
		ip -n A route add 10.2.0.9 dev tunl && ip -n B route add blackhole 10.2.0.9 &&
		poll 10 ip netns exec A ping -n -c 1 -W 1 10.0.0.2
}

# From a raw socket: other sockets' packets have a hash that goes with them.
flows() { # HOW-MANY: PACKETS in all, everything of the sender's on processor 0
	ns A taskset -c 0 /usr/bin/python3 -IS - "$1" "$PACKETS" <<-'END'
		import socket, struct, sys
		flows, packets = map(int, sys.argv[1:])
		sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
		for i in range(packets):
		    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0,
		                     socket.inet_aton("10.9.0.1"), socket.inet_aton("10.2.0.9"))
		    udp = struct.pack("!HHHH", 1024 + i % flows, 9, 8, 0)
		    sock.sendto(ip + udp, ("10.2.0.9", 0))
	END
}

# Packets that processor 1 has received, by its line of the kernel's statistics.
processed() {
	local line
	while read -ra line; do
		[ "${line[12]}" != 00000001 ] || echo $((16#${line[0]}))
	done </proc/net/softnet_stat
}

elsewhere() { # FLOWS: of PACKETS, those that processor 1 receives
	local before
	before=$(processed)
	flows "$1" >&2
	sleep 0.5
	echo $(($(processed) - before))
}

steer() { ns B bash -c "echo $1 >/sys/class/net/tunl/queues/rx-0/rps_cpus"; }

[ "$(nproc)" -gt 1 ] || skip "one processor: nothing to spread over"
must load ipip
must load tunnel
must topology
received=$(dev_counter B tunl rx_packets)

# A few packets of the kernel's own may come by.
count=$(elsewhere 64)
check "without steering all stay where they came in ($count of $PACKETS elsewhere)" \
	test "$count" -lt 32

must steer 3
count=$(elsewhere 64)
# of 64 flows 32 are expected, with a standard deviation of 4
check "64 flows are spread over two processors ($count of $PACKETS elsewhere)" \
	test "$count" -ge $((PACKETS / 4)) -a "$count" -le $((PACKETS * 3 / 4))
count=$(elsewhere 1)
check "one flow stays together ($count of $PACKETS elsewhere)" \
	test "$count" -lt 32 -o "$count" -ge "$PACKETS"
check_eq "all of them came through the tunnel" \
	"$(($(dev_counter B tunl rx_packets) - received))" $((3 * PACKETS))

ktap_end
