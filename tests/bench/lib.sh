# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For the measurements of scripts/bench, which run in a guest and print, among
# progress, a line for each figure: "data", then what this is, tab-separated.
# What is compared is measured in turns, in one guest: none (no tunnel at all),
# kernel (its own ipip), ours; and perhaps before, ours of an older commit.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck disable=SC2034
VARIANTS=(none kernel ours ${TUNL_BEFORE:+before})
ROUNDS=${TUNL_ROUNDS:-5}
round=0

bench_die() {
	echo "bench: $TEST: $*" >&2
	exit 1
}

bench_begin() {
	ktap_begin
	unload_all
}

record() { # CASE VARIANT FIGURE
	printf 'data\t%s\t%s\t%s\t%s\n' "$round" "$1" "$2" "$3"
}

unload_all() {
	local module
	for module in tunnel ipip ip_tunnel tunnel4; do
		! loaded "$module" || rmmod "$module" || return
	done
}

# Have the modules of that variant, and none of the others'.
use_modules() { # none|kernel|ours|before
	unload_all || bench_die "modules of the variant before do not go"
	case $1 in
	kernel) modprobe ipip ;;
	ours) load ipip && load tunnel ;;
	before) insmod "$TUNL_TOP/build/before/ipip.ko" && insmod "$TUNL_TOP/build/before/tunnel.ko" ;;
	esac || bench_die "modules of variant $1 do not load"
}

# The variants, each time another one first: what one leaves in the caches of
# this machine is to be everybody's advantage.
variants_in_turn() {
	local i
	for i in "${!VARIANTS[@]}"; do
		echo "${VARIANTS[(i + round) % ${#VARIANTS[@]}]}"
	done
}

in_turn() { # FUNCTION ARG...: called with each variant in each round
	local variant

	for ((round = 1; round <= ROUNDS; round++)); do
		echo "$TEST: $*: round $round of $ROUNDS"
		for variant in $(variants_in_turn); do
			use_modules "$variant"
			"$@" "$variant"
		done
	done
}

pktgen() { # FILE COMMAND...: in the current netns
	local file=/proc/net/pktgen/$1 command
	shift
	for command; do
		echo "$command" >"$file" || bench_die "pktgen: ${file##*/}: $command"
	done
}

# Prints the microseconds that the slowest took.
pktgen_run() { # IF...
	local dev most=0 text

	pktgen pgctrl start
	for dev; do
		mapfile -d '' text <"/proc/net/pktgen/$dev"
		[[ ${text[0]} =~ Result:\ OK:\ ([0-9]+)\( ]] || return
		((most > BASH_REMATCH[1])) || most=${BASH_REMATCH[1]}
	done
	echo "$most"
}

pktgen_flows() { # COUNT RUNS COMMANDS COMMAND-OF-PKTGEN... IF...
	local count=$1 runs=$2 commands=("${@:4:$3}") cpu=0 run dev
	shift $((3 + $3))

	pktgen pgctrl reset
	for dev; do
		pktgen "kpktgend_$cpu" rem_device_all "add_device $dev"
		pktgen "$dev" "xmit_mode netif_receive" "count $count" "delay 0" \
			"clone_skb 0" "burst 64" "dst_mac $(<"/sys/class/net/$dev/address")" \
			"src_mac 02:00:00:00:00:09" "udp_src_min 9" "udp_src_max 9" \
			"udp_dst_min 9" "udp_dst_max 9" "${commands[@]}"
		cpu=$((cpu + 1))
	done
	for ((run = 0; run < runs; run++)); do
		pktgen_run "$@"
	done
}
export -f pktgen bench_die pktgen_run pktgen_flows

# Packets that appear on interfaces, one flow for each processor, as if they had
# been received there; COUNT is a multiple of the burst.  Prints the nanoseconds that a packet of one of them took
# from there to wherever it ended; of several RUNS, the least.
RUNS=1
inject() { # NS COUNT COMMAND-OF-PKTGEN... -- IF...
	local ns=$1 count=$2 commands=()
	shift 2
	while [ "$1" != -- ]; do
		commands+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2016 # for the other shell
	ip netns exec "$ns" bash -c 'pktgen_flows "$@"' inject \
		"$count" "$RUNS" ${#commands[@]} "${commands[@]}" "$@" |
		awk -v count="$count" 'NR == 1 || $1 < least { least = $1 }
			END { if (!NR) exit 1; printf "%.1f\n", least * 1000 / count }'
}

transmitted() { # NS IF
	ip netns exec "$1" cat "/sys/class/net/$2/statistics/tx_packets"
}

# Measure, and see that all of it arrived at NS's interface.
through() { # CASE VARIANT SINK-NS SINK-IF NS COUNT COMMAND... -- IF...
	local case=$1 variant=$2 ns=$3 dev=$4 count=$6 warm before time sent flows
	warm=$((count < 640 ? 64 : count / 10)) # 0 is for ever
	shift 4
	RUNS=1 inject "$1" $((warm - warm % 64)) "${@:3}" >/dev/null ||
		bench_die "$case, $variant: pktgen did not run"
	sleep 0.1
	before=$(transmitted "$ns" "$dev")
	time=$(inject "$@") || bench_die "$case, $variant: pktgen did not run"
	sleep 0.1
	sent=$(($(transmitted "$ns" "$dev") - before))
	while [ "$1" != -- ]; do shift; done
	flows=$(($# - 1))
	# with a few of their own: interfaces join multicast groups
	((sent >= count * flows * RUNS && sent < count * flows * RUNS + 64)) ||
		bench_die "$case, $variant: $sent of $((count * flows * RUNS)) packets came through"
	record "$case" "$variant" "$time"
}
