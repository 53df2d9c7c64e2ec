#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=qemu boots=1 memory=1024 timeout=1200
#
# One flow on one processor, then two on two, through one tunnel: nanoseconds that
# a packet of a flow takes. (Emulated: only to be compared with one another.)

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
COUNT=${TUNL_COUNT:-64000}
bench_begin

flows() { # VARIANT
	topology
	ip -n A link add in1 type dummy && ip -n A link set in1 up
	ip netns exec A sysctl -qw net.ipv4.conf.in1.rp_filter=0
	if [ "$1" = none ]; then
		ip -n A route replace 172.16.0.0/12 via 10.0.1.2
	else
		tunnel_end
		tunnel both 10.0.1.2 10.0.1.1
	fi
	flow "1 flow" "$1" B 1 64
	flow "2 flows" "$1" B 1 64 in1
	ip netns delete A
	ip netns delete B
}

modprobe dummy
modprobe pktgen
in_turn flows
