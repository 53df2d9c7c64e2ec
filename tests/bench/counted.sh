# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What count.sh and tests/count.sh have in common; to be sourced after lib.sh.

# shellcheck source=tests/bench/path.sh
. "$(dirname "${BASH_SOURCE[0]}")/path.sh"
COUNT=${TUNL_COUNT:-640}
# shellcheck disable=SC2034 # for lib.sh
ROUNDS=1 RUNS=8

# Packets arrive 64 at once, or one by one: each has gone before the next appears.
arriving() { # HALF VARIANT CONDITION PEERS SIZE
	local sink

	sink=$(sink "$1")
	flow "$1, 64 at once, $3" "$2" "$sink" "$4" "$5"
	arrival=("burst 1")
	flow "$1, one by one, $3" "$2" "$sink" "$4" "$5"
	arrival=()
}

# What A and B have besides, before there is a tunnel.
condition() { # NS CONDITION
	local hook rule=''

	case $2 in
	'rp_filter '*) ip netns exec "$1" sysctl -qw "net.ipv4.conf.all.rp_filter=${2#* }" ;;
	nftables) rule='ip saddr 203.0.113.0/24 drop' ;;
	conntrack) rule='ct state invalid drop' ;;
	'IPsec elsewhere')
		for hook in in out fwd; do
			ip -n "$1" xfrm policy add src 203.0.113.1 dst 203.0.113.2 dir $hook \
				tmpl src 203.0.113.1 dst 203.0.113.2 proto esp mode tunnel || return
		done
		;;
	esac
	[ -z "$rule" ] || for hook in input forward output; do
		echo "add chain inet filter $hook { type filter hook $hook priority 0; }"
		echo "add rule inet filter $hook $rule"
	done | sed '1i add table inet filter' | ip netns exec "$1" nft -f -
}

# One end.
counted_tunnel() { # NS VARIANT CONDITION REMOTE [LOCAL]
	local more=(ttl 64)

	if [ "$2" != kernel ] && [ "$3" = 'kind tunl' ]; then
		ip -n "$1" link add t1 ${5:+address "$5"} broadcast "$4" type tunl
	else
		[ "$3" != 'no outer DF' ] || more=(nopmtudisc) # which a fixed TTL excludes
		ip -n "$1" link add t1 type ipip remote "$4" ${5:+local "$5"} "${more[@]}"
	fi
	ip -n "$1" link set t1 up
}

# The namespaces, and what they have registered, go in the background: wait.
counted_fixed() { # CONDITION VARIANT
	local ns half link size=64

	topology
	for ns in A B; do
		condition $ns "$1" || bench_die "no condition '$1'"
	done
	if [ "$2" = none ]; then
		ip -n B route add 192.168.1.0/24 via 10.0.1.1
	else
		counted_tunnel B "$2" "$1" 10.0.1.1
		ip -n B route add 192.168.1.0/24 dev t1
	fi
	[ "$1" != '1400 bytes' ] || size=1400
	for half in both encap; do
		link=$(link_of $half)
		if [ "$2" = none ]; then
			ip -n A route replace 172.16.0.0/12 via "$link.2"
		else
			counted_tunnel A "$2" "$1" "$link.2" "$link.1"
			ip -n A route replace 172.16.0.0/12 dev t1
		fi
		arriving $half "$2" "$1" 1 "$size"
		[ "$2" = none ] || ip -n A link delete t1
	done
	ip netns delete A
	ip netns delete B
	sleep 2
}

# Each peer has been seen before it is counted.
gateway_flow() { # PEERS VARIANT HALF
	local name="$1 gateway"

	[ "$1" = 1 ] || name+=s
	arrival=("burst 1" "flag !IPDST_RND")
	COUNT=$((($1 / 64 + 1) * 64)) RUNS=1 flow warm "$2" "$(sink "$3")" "$1" 64 >/dev/null
	arrival=()
	arriving "$3" "$2" "$name" "$1" 64
}

counted() { # CONDITION,...
	local condition conditions

	IFS=, read -ra conditions <<<"$1"
	modprobe -a dummy pktgen
	for condition in "${conditions[@]}"; do
		case $condition in
		*gateway*) gateways "${condition% *}" ;;
		*) in_turn counted_fixed "$condition" ;;
		esac
	done
}
