#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=uml boots=2 memory=1024 timeout=900
#
# Programs at both ends, over veth: TCP in bulk with and without GSO on the way
# (Mbit/s), datagrams that the kernel segments (Mbit/s sent, up to the receiver's
# socket), request and response (microseconds). Without a tunnel, at the same MSS.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/programs.sh"
bench_begin
CLIENT=(ip netns exec A)

# 44 datagrams in one call. What the socket does not take is lost, on all ways alike.
udp() { # CASE VARIANT TO
	local rate

	rate=$("${CLIENT[@]}" python3 - "$3" "$SECONDS_EACH" <<'END'
import socket, struct, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
data, sent = bytes(44 * 1400), 0
end = time.monotonic() + float(sys.argv[2])
segment = [(socket.SOL_UDP, 103, struct.pack("=H", 1400))]
start = time.monotonic()
while time.monotonic() < end:
    for _ in range(50):
        sent += sock.sendmsg([data], segment, 0, (sys.argv[1], 9000))
print("%.0f" % (sent * 8 / 1e6 / (time.monotonic() - start)))
END
	) || bench_die "$1, $2: no datagrams"
	record "$1" "$2" "$rate"
}

ends() { # VARIANT
	local to=10.0.1.2

	netns_add A B
	veth A eth0 B eth0
	ip -n A addr add 10.0.1.1/24 dev eth0
	ip -n B addr add 10.0.1.2/24 dev eth0
	if [ "$1" != none ]; then
		to=192.168.9.2
		ip -n A link add t1 type ipip remote 10.0.1.2 local 10.0.1.1
		ip -n B link add t1 type ipip remote 10.0.1.1 local 10.0.1.2
		ip -n A addr add 192.168.9.1/24 dev t1
		ip -n B addr add 192.168.9.2/24 dev t1
		ip -n A link set t1 up
		ip -n B link set t1 up
	fi
	background iperf3 B iperf3 -s
	background qperf B qperf
	background sink B python3 -c 'import socket
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("0.0.0.0", 9000))
while True: sock.recv(65536)'
	poll 10 ip netns exec A ping -q -c 1 -W 1 $to >/dev/null
	sleep 0.5
	tcp "TCP" "$1" $to
	udp "UDP with GSO" "$1" $to
	latency "TCP latency" "$1" $to tcp
	latency "UDP latency" "$1" $to udp
	ip netns exec A ethtool -K eth0 tso off gso off >/dev/null
	tcp "TCP without GSO" "$1" $to
	kill "${background_pids[@]}"
	wait "${background_pids[@]}" 2>/dev/null
	background_pids=()
	ip netns delete A
	ip netns delete B
}

in_turn ends
