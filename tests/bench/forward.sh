#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=uml boots=3 memory=3072 timeout=1500
#
# What a packet costs on its way through two routers and the tunnel between them,
# in nanoseconds: both halves, and encapsulation alone.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
bench_begin

fixed() { # VARIANT
	local size

	topology
	[ "$1" = none ] || tunnel_end
	for half in both encap; do
		case $1:$half in
		none:both) ip -n A route replace 172.16.0.0/12 via 10.0.1.2 ;;
		none:encap) ip -n A route replace 172.16.0.0/12 via 10.0.3.2 ;;
		*:both) tunnel both 10.0.1.2 10.0.1.1 ;;
		*:encap) tunnel encap 10.0.3.2 10.0.3.1 ;;
		esac
		for size in 64 1400; do
			flow "$half $size" "$1" "$([ $half = both ] && echo B || echo A)" 1 $size
		done
		if [ "$half" = encap ]; then
			if [ "$1" != none ]; then
				ip -n A link delete t1
				tunnel encap 10.0.3.2 10.0.3.1 tos inherit
			fi
			flow "encap 64 tos" "$1" A 1 64
		fi
		[ "$1" = none ] || ip -n A link delete t1
	done
	ip netns delete A
	ip netns delete B
}

modprobe dummy
modprobe pktgen
in_turn fixed
