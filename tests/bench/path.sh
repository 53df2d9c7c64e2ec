# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Two routers, A and B, and a tunnel between them; for what sends through it.
#
#   in0 [A: routes, encapsulates] eth0 ---- eth0 [B: decapsulates, routes] out
#                              \ out
#
# To B's `out`, a dummy that swallows: both halves. To A's: encap, the first one alone.

COUNT=${TUNL_COUNT:-320000} # whole bursts

topology() {
	netns_add A B
	veth A eth0 B eth0
	ip -n A link add in0 type dummy && ip -n A link set in0 up
	ip -n A addr add 192.168.1.1/24 dev in0
	ip -n A addr add 10.0.1.1/24 dev eth0
	ip -n B addr add 10.0.1.2/24 dev eth0
	for ns in A B; do
		ip -n $ns link add out type dummy && ip -n $ns link set out up
		ip -n $ns addr add 10.0.3.1/24 dev out
		ip -n $ns neigh add 10.0.3.2 lladdr 02:00:00:00:00:02 dev out
		ip netns exec $ns sysctl -qw net.ipv4.ip_forward=1 \
			net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	done
	ip netns exec A sysctl -qw net.ipv4.conf.in0.rp_filter=0 \
		net.ipv4.conf.eth0.rp_filter=0
	ip netns exec B sysctl -qw net.ipv4.conf.eth0.rp_filter=0
	ip -n B route add 172.16.0.0/12 via 10.0.3.2
	# for good: a neighbour that has to be asked again makes 90 instructions of each packet
	ip -n A neigh add 10.0.1.2 lladdr "$(ip netns exec B cat /sys/class/net/eth0/address)" dev eth0
	ip -n B neigh add 10.0.1.1 lladdr "$(ip netns exec A cat /sys/class/net/eth0/address)" dev eth0
}

arrival=() # more commands for pktgen

flow() { # CASE VARIANT SINK-NS PEERS SIZE [IF], a second flow
	through "$1" "$2" "$3" out A "$COUNT" "pkt_size $5" "src_min 192.168.1.2" \
		"src_max 192.168.1.2" "dst_min 172.16.0.1" \
		"dst_max 172.$((16 + $4 / 65536)).$(($4 / 256 % 256)).$(($4 % 256))" \
		"flag IPDST_RND" ${arrival[@]+"${arrival[@]}"} -- in0 ${6:+"$6"}
}

# Where the packets of that half go to.
sink() { # both|encap
	[ "$1" = both ] && echo B || echo A
}
link_of() { # both|encap: the network of A's interface
	[ "$1" = both ] && echo 10.0.1 || echo 10.0.3
}

# One peer.
tunnel() { # WAY REMOTE LOCAL ARG...
	ip -n A link add t1 type ipip remote "$2" local "$3" ttl 64 "${@:4}"
	ip -n A link set t1 up
	ip -n A route replace 172.16.0.0/12 dev t1
}

tunnel_end() {
	ip -n B link add t1 type ipip remote 10.0.1.1 ttl 64
	ip -n B link set t1 up
	ip netns exec B sysctl -qw net.ipv4.conf.t1.rp_filter=0
}

# Many: each has a route of its own, whose gateway is the endpoint.
routes() { # PEERS none|tunnel GATEWAY-OF-NONE
	awk -v n="$1" -v kind="$2" -v gateway="$3" '
		function address(first, second, i) {
			return first "." second + int(i / 65536) "." int(i / 256) % 256 "." i % 256
		}
		BEGIN { for (i = 1; i <= n; i++)
			print "route add " address(172, 16, i) " via " \
				(kind == "none" ? gateway : address(10, 128, i) " dev t1 onlink") }'
}

# Not more at once: ip keeps all of a batch in its memory.
change_routes() { # FILE
	local part

	# shellcheck disable=SC2154 # of tests/lib.sh
	rm -f "$tmp"/part.*
	split -l 10000 "$1" "$tmp/part."
	for part in "$tmp"/part.*; do
		ip -n A -batch "$part" || bench_die "routes do not go in"
	done
}

gateway_flow() { # PEERS VARIANT HALF
	flow "$3 gateway $1" "$2" "$(sink "$3")" "$1" 64
}

gateway() { # PEERS VARIANT
	local half link

	topology
	ip -n B route add local 10.128.0.0/9 dev lo
	[ "$2" = none ] || tunnel_end
	for half in both encap; do
		link=$(link_of $half).2
		ip -n A route replace 10.128.0.0/9 via "$link"
		if [ "$2" != none ]; then
			if [ "$2" != kernel ]; then
				ip -n A link add t1 address "${link%.2}.1" type tunl
			else
				ip -n A link add t1 type ipip local "${link%.2}.1" ttl 64
			fi
			ip -n A link set t1 up
		fi
		routes "$1" "$([ "$2" = none ] && echo none || echo tunnel)" "$link" >"$tmp/routes"
		change_routes "$tmp/routes"
		gateway_flow "$1" "$2" $half
		if [ "$2" = none ]; then
			sed 's/ add / del /' "$tmp/routes" >"$tmp/unroutes"
			change_routes "$tmp/unroutes"
		else
			ip -n A link delete t1
		fi
	done
	ip netns delete A
	ip netns delete B
}

gateways() { # PEERS...
	local peers

	modprobe -a dummy pktgen
	# the kernel's has a neighbour for each peer
	sysctl -qw net.ipv4.neigh.default.gc_thresh{1,2,3}=300000
	for peers; do
		in_turn gateway "$peers"
	done
}
