#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=uml boots=2 memory=6144 timeout=1500
#
# Ten thousand devices: the time to make one (microseconds), its memory (KiB), what
# a packet costs among so many (nanoseconds), the time until they are gone with
# their namespace (microseconds for each).

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
bench_begin

DEVICES=${TUNL_DEVICES:-10000}
# without a tunnel there is nothing to make
VARIANTS=(kernel ours ${TUNL_BEFORE:+before})

now() { echo "${EPOCHREALTIME/./}"; }

# Without what lies about for reuse: whoever finds more of it seems to need less.
# Not by what is free, which leaves out pages that a processor keeps at hand.
used_memory() { # KiB
	local cache

	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	for cache in /sys/kernel/slab/*/shrink; do
		echo 1 >"$cache"
	done
	awk '/^(Slab|Percpu|VmallocUsed):/ { sum += $2 } END { print sum }' /proc/meminfo
}

each() { # MICROSECONDS-OR-KIB
	awk -v sum="$1" -v n="$DEVICES" 'BEGIN { printf "%.2f\n", sum / n }'
}

many() { # VARIANT
	local before start

	topology
	tunnel_end
	tunnel both 10.0.1.2 10.0.1.1
	flow "packet among 1" "$1" B 1 64

	# The other end of this goes when all interfaces of B have gone.
	ip link add watch type veth peer name watched netns B
	before=$(used_memory)
	awk -v n="$DEVICES" 'BEGIN { for (i = 1; i <= n; i++)
		print "link add d" i " type ipip local 10.0.1.2 remote 10.64." int(i / 256) "." i % 256
	}' >"$tmp/add"
	start=$(now)
	ip -n B -batch "$tmp/add" || bench_die "devices are not made"
	record "make" "$1" "$(each $(($(now) - start)))"
	record "memory" "$1" "$(each $(($(used_memory) - before)))"

	sed 's/^link add \([^ ]*\) .*/link set \1 up/' "$tmp/add" >"$tmp/up"
	start=$(now)
	ip -n B -batch "$tmp/up" || bench_die "devices do not come up"
	record "set up" "$1" "$(each $(($(now) - start)))"
	flow "packet among $DEVICES" "$1" B 1 64

	start=$(now)
	ip netns delete B
	while [ -e /sys/class/net/watch ]; do sleep 0.01; done
	record "delete with the namespace" "$1" "$(each $(($(now) - start)))"
	ip netns delete A
}

modprobe dummy
modprobe pktgen
# who comes first pays for what the core keeps of so many; that is to be nobody
use_modules kernel
many kernel >/dev/null
in_turn many
