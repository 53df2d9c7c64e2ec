#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=qemu guests=2 boots=1 memory=768 timeout=1500
#
# Programs in two guests, joined by virtio network cards: TCP in bulk (Mbit/s),
# request and response (microseconds). Emulated: only to be compared with one
# another. Without a tunnel, at the same MSS.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/programs.sh"
bench_begin

case $ROLE in
a) mine=1 other=2 ;;
b) mine=2 other=1 ;;
esac

ends() { # VARIANT
	local to=10.0.1.$other

	if [ "$1" != none ]; then
		to=192.168.9.$other
		ip link add t1 type ipip remote "10.0.1.$other" local "10.0.1.$mine"
		ip addr add "192.168.9.$mine/24" dev t1
		ip link set t1 up
	fi
	barrier "up-$round-$1" || bench_die "the other guest is not ready"
	if [ "$ROLE" = a ]; then
		poll 10 ping -q -c 1 -W 1 "$to" >/dev/null
		tcp "TCP" "$1" "$to"
		latency "TCP latency" "$1" "$to" tcp
		latency "UDP latency" "$1" "$to" udp
	fi
	barrier "down-$round-$1" 300 || bench_die "the other guest has gone"
	[ "$1" = none ] || ip link del t1
}

ip addr add "10.0.1.$mine/24" dev wire0
ip link set wire0 up
if [ "$ROLE" = b ]; then
	background iperf3 init iperf3 -s
	background qperf init qperf
fi
in_turn ends
barrier end
