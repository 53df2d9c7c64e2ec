#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=1000 alone=yes vm=--icount
#
# Counts the instructions that a tunnel adds to a packet's way (as scripts/bench count
# does), and compares them with tests/bench/ceilings. No time is measured: in this
# guest an instruction is a nanosecond of the clock, however busy the machine is.

. "$(dirname "$0")/bench/lib.sh"
. "$(dirname "$0")/bench/counted.sh"

VARIANTS=(none ours)
ceilings=bench/ceilings
kernel=$(uname -r | cut -d. -f1-2)
declare -A figures=()

record() { # CASE VARIANT FIGURE
	figures[$2, $1]=${3%.*}
}

# decapsulation is what both halves take more than the first one
added() { # HALF REST-OF-CASE
	if [ "$1" = decap ]; then
		echo $(($(added both "$2") - $(added encap "$2")))
	else
		echo $((${figures[ours, $1, $2]} - ${figures[none, $1, $2]}))
	fi
}

ceiling() { # WAY
	awk -F '\t' -v kernel="$kernel" -v way="$1" \
		'$1 == kernel && $3 == way { print $2 }' $ceilings
}

# The figure varies by some instructions from run to run.
at_most() { # COUNTED CEILING
	echo "$1 instructions were counted; tests/bench/ceilings allows $2, 1 % and 10 more"
	[ "$1" -le $(($2 + $2 / 100 + 10)) ]
}

bench_begin
# shellcheck disable=SC2154 # of lib.sh
grep -qw tunl.icount /proc/cmdline || skip "only a guest of scripts/vm --icount counts"
[ -n "$(awk -F '\t' -v kernel="$kernel" '$1 == kernel' $ceilings)" ] ||
	skip "no ceilings for kernel $kernel in tests/$ceilings"
counted "plain,200 gateways" >"$tmp/progress" || bench_die "$(tail -n 5 "$tmp/progress")"
for condition in "plain" "200 gateways"; do
	for half in both encap decap; do
		for arrival in "64 at once" "one by one"; do
			way="$half, $arrival, $condition"
			counted=$(added "$half" "$arrival, $condition")
			note "$kernel	$counted	$way"
			limit=$(ceiling "$way")
			[ -n "$limit" ] || continue
			check "the tunnel adds at most $limit instructions: $way" at_most "$counted" "$limit"
		done
	done
done
ktap_end
