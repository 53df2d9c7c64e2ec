#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=icount boots=1 memory=1024 timeout=3000
#
# What each function has of the instructions that count.sh counts, both halves: perf in
# the guest takes a sample of the packet's thread every so many of them. Functions
# that run with interrupts off are charged to whoever turns them on again.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/counted.sh"
bench_begin

PERIOD=${TUNL_PERIOD:-9973}

# perf counts as well what it does itself: the samples are shares of the figure without it.
profiled() { # ARRIVAL VARIANT
	local case="$1" variant=$2 whole name figure
	local -a perf=(perf record -q -a -e cpu-clock -c "$PERIOD" -o "$tmp/samples")

	whole=$(flow "$case" "$variant" B 1 64 | sed -n 's/^data\t.*\t//p')
	[ -n "$whole" ] || bench_die "$case, $variant: no figure"
	# what perf is told to run is the way itself
	RUNS=1 COUNT=${TUNL_COUNT:-16000} sampled_flow "$case" "$variant" "${perf[@]}" >/dev/null ||
		bench_die "$case, $variant: perf did not run: $(tail -n 3 "$tmp/perf")"
	perf script -i "$tmp/samples" -F comm,ip,sym 2>/dev/null |
		awk -v whole="$whole" '$1 ~ /^kpktgend/ { sum++; of[$3]++ }
			END { for (name in of) printf "%s %.1f\n", name, of[name] * whole / sum; exit sum < 1000 }' \
			>"$tmp/shares" || bench_die "$case, $variant: too few samples of packets"
	while read -r name figure; do
		record "$case: $name" "$variant" "$figure"
	done <"$tmp/shares"
}

sampled_flow() { # CASE VARIANT PERF...
	local pid rc

	rm -f "$tmp/samples"
	"${@:3}" -- sleep infinity 2>"$tmp/perf" &
	pid=$!
	until [ -s "$tmp/samples" ]; do sleep 0.1; done
	flow "$1" "$2" B 1 64
	rc=$?
	kill -INT "$pid"
	wait "$pid" || true
	return "$rc"
}

functions() { # VARIANT
	topology
	if [ "$1" = none ]; then
		ip -n A route replace 172.16.0.0/12 via 10.0.1.2
	else
		tunnel_end
		tunnel both 10.0.1.2 10.0.1.1
	fi
	profiled "64 at once" "$1"
	arrival=("burst 1")
	profiled "one by one" "$1"
	arrival=()
	ip netns delete A
	ip netns delete B
	sleep 2
}

modprobe -a dummy pktgen
in_turn functions
