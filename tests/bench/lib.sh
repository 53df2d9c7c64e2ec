# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For the measurements of scripts/bench, which run in a guest and print, among
# progress, a line for each figure: "data", then what this is, tab-separated.
# What is compared is measured in turns, in one guest: none (no tunnel at all),
# kernel (its own ipip), ours; and perhaps before, ours of an older commit.

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

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
		echo "$TEST: ${*:2}: round $round of $ROUNDS"
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
export -f pktgen bench_die

# Packets that appear on interfaces, one flow for each processor, as if they had
# been received there; COUNT is a multiple of the burst.  Prints the nanoseconds that a packet of one of them took
# from there to wherever it ended.
inject() { # NS COUNT COMMAND-OF-PKTGEN... -- IF...
	local ns=$1 count=$2 commands=()
	shift 2
	while [ "$1" != -- ]; do
		commands+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2016 # for the other shell
	ip netns exec "$ns" bash -c '
		count=$1 ncommands=$2 cpu=0
		commands=("${@:3:ncommands}")
		shift $((ncommands + 2))
		pktgen pgctrl reset
		for dev; do
			pktgen "kpktgend_$cpu" rem_device_all "add_device $dev"
			pktgen "$dev" "xmit_mode netif_receive" "count $count" "delay 0" \
				"clone_skb 0" "burst 64" "dst_mac $(cat "/sys/class/net/$dev/address")" \
				"src_mac 02:00:00:00:00:09" "udp_src_min 9" "udp_src_max 9" \
				"udp_dst_min 9" "udp_dst_max 9" "${commands[@]}"
			cpu=$((cpu + 1))
		done
		pktgen pgctrl start
		for dev; do
			sed -nE "s/^Result: OK: ([0-9]+)\(.*/\1/p" "/proc/net/pktgen/$dev"
		done | awk -v count="$count" "\$1 > max { max = \$1 }
			END { if (!NR) exit 1; printf \"%.1f\n\", max * 1000 / count }"
	' inject "$count" ${#commands[@]} "${commands[@]}" "$@"
}

transmitted() { # NS IF
	ip netns exec "$1" cat "/sys/class/net/$2/statistics/tx_packets"
}

# Measure, and see that all of it arrived at NS's interface.
through() { # CASE VARIANT SINK-NS SINK-IF NS COUNT COMMAND... -- IF...
	local case=$1 variant=$2 ns=$3 dev=$4 count=$6 warm before time sent flows
	warm=$((count / 10))
	shift 4
	inject "$1" $((warm - warm % 64)) "${@:3}" >/dev/null ||
		bench_die "$case, $variant: pktgen did not run"
	sleep 0.1
	before=$(transmitted "$ns" "$dev")
	time=$(inject "$@") || bench_die "$case, $variant: pktgen did not run"
	sleep 0.1
	sent=$(($(transmitted "$ns" "$dev") - before))
	while [ "$1" != -- ]; do shift; done
	flows=$(($# - 1))
	# with a few of their own: interfaces join multicast groups
	((sent >= count * flows && sent < count * flows + 64)) ||
		bench_die "$case, $variant: $sent of $((count * flows)) packets came through"
	record "$case" "$variant" "$time"
}
