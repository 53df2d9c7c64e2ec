# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What programs get out of a path; to be sourced after lib.sh. CLIENT is how to run
# one at the sender's end; the receiver's has iperf3 -s and qperf.

CLIENT=()
SECONDS_EACH=${TUNL_SECONDS:-3}

# At the segment size that the tunnel allows, without a tunnel too.
tcp() { # CASE VARIANT TO
	local rate

	rate=$("${CLIENT[@]}" iperf3 -c "$3" -M 1428 -t "$SECONDS_EACH" -O 1 -J |
		python3 -c 'import json, sys
print("%.0f" % (json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6))') ||
		bench_die "$1, $2: iperf3 did not run"
	record "$1" "$2" "$rate"
}

latency() { # CASE VARIANT TO tcp|udp
	local time

	time=$("${CLIENT[@]}" qperf -t "$SECONDS_EACH" -ub "$3" "${4}_lat" |
		awk '$1 == "latency" { print $3 / ($4 == "ns" ? 1000 : 1) }')
	[ -n "$time" ] || bench_die "$1, $2: qperf did not run"
	record "$1" "$2" "$time"
}
