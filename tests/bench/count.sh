#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=icount boots=1 memory=1024 timeout=3000
#
# Instructions that a packet takes on the way of forward.sh, counted: in this guest
# one instruction is one nanosecond of the clock (scripts/vm --icount). The same in
# each run, so that one round is enough.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
COUNT=${TUNL_COUNT:-640}
ROUNDS=1 RUNS=12
bench_begin

# Packets arrive 64 at once, or one by one: each has gone before the next appears.
arriving() { # WAY VARIANT SIZE [CONDITION]
	local sink=B

	[ "$1" = both ] || sink=A
	flow "$1, 64 at once${4:+, $4}" "$2" $sink 1 "$3"
	arrival=("burst 1")
	flow "$1, one by one${4:+, $4}" "$2" $sink 1 "$3"
	arrival=()
}

fixed() { # VARIANT
	topology
	[ "$1" = none ] || tunnel_end
	for half in both encap; do
		case $1:$half in
		none:both) ip -n A route replace 172.16.0.0/12 via 10.0.1.2 ;;
		none:encap) ip -n A route replace 172.16.0.0/12 via 10.0.3.2 ;;
		*:both) tunnel both 10.0.1.2 10.0.1.1 ;;
		*:encap) tunnel encap 10.0.3.2 10.0.3.1 ;;
		esac
		arriving $half "$1" 64
		[ "$1" = none ] || ip -n A link delete t1
	done
	ip netns delete A
	ip netns delete B
}

modprobe dummy
modprobe pktgen
in_turn fixed
