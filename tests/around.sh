#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300
#
# What is around a tunnel sees of it what it sees of the kernel's ipip: firewall,
# connection tracking, tc, packet sockets, XDP, IPsec, policy routing, several
# tunnels to one place, an underlay in another namespace.
# Each case writes down what came of it, with the kernel's and then with ours.
#
#   a ── eth0 10.0.1.1 ═══════ 10.0.1.2 eth0 ── b ── 10.9.3.1 ─── 10.9.3.2 c
#   ├─── eth1 10.0.2.1 ═══════ 10.0.2.2 eth1 ───┤                 └─ 10.9.4.1
#   └─ 10.9.1.1 on lo;  t1 over eth0, t2 over eth1;  10.9.2.1 on lo of b

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

network() {
	local n i

	netns_add a b c
	veth a eth0 b eth0
	veth a eth1 b eth1
	veth b eth2 c eth0
	for n in a b c; do
		for i in all default eth0; do
			sysctl_set "$n" "net.ipv4.conf.$i.rp_filter" 0
		done
		sysctl_set "$n" net.ipv4.ip_forward 1
	done
	for n in a b; do
		sysctl_set "$n" net.ipv4.conf.eth1.rp_filter 0
	done
	ip -n a -batch - <<-'END'
		addr add 10.0.1.1/24 dev eth0
		addr add 10.0.2.1/24 dev eth1
		addr add 10.9.1.1/32 dev lo
		link add t1 type ipip remote 10.0.1.2 local 10.0.1.1 ttl 64
		link add t2 type ipip remote 10.0.2.2 local 10.0.2.1 ttl 64
		link set t1 up
		link set t2 up
		route add 10.9.0.0/16 dev t1 src 10.9.1.1
	END
	ip -n b -batch - <<-'END'
		addr add 10.0.1.2/24 dev eth0
		addr add 10.0.2.2/24 dev eth1
		addr add 10.9.3.1/24 dev eth2
		addr add 10.9.2.1/32 dev lo
		link add t1 type ipip remote 10.0.1.1 local 10.0.1.2 ttl 64
		link add t2 type ipip remote 10.0.2.1 local 10.0.2.2 ttl 64
		link set t1 up
		link set t2 up
		route add 10.9.1.0/24 dev t1 src 10.9.2.1
	END
	ip -n c -batch - <<-'END'
		addr add 10.9.3.2/24 dev eth0
		addr add 10.9.4.1/32 dev lo
		route add default via 10.9.3.1
	END
	# Nothing of the neighbours' shall come in between.
	ns a ping -q -c 1 -W 5 10.0.1.2 >/dev/null
	ns a ping -q -c 1 -W 5 10.0.2.2 >/dev/null
	ns b ping -q -c 1 -W 5 10.9.3.2 >/dev/null
}
no_network() { ip netns del a && ip netns del b && ip netns del c; }

# N echo requests from a, and how many were answered.
echoes() { # N DESTINATION [OPTION OF ping...]
	local n=$1 to=$2
	shift 2
	ns a ping -q -n -c "$n" -i 0.1 -W 2 "$@" "$to" 2>/dev/null |
		sed -n "s/.*transmitted, \([0-9]*\) received.*/$to: \1 of $n answered/p"
}
counters() { # NS
	ns "$1" nft list counters |
		awk -v ns="$1" '$1 == "counter" { name = $2 }
			$1 == "packets" { print ns, name ": " $2 " packets " $4 " bytes" }' | sort
}

tracked() { # NS: connections, without what is of the moment
	ns "$1" conntrack -L 2>/dev/null | sed -E 's/ (id|mark|use|zone)=[0-9]+//g
		s/^([a-z]+ +[0-9]+) [0-9]+/\1/; s/^/'"$1"' /' | sort
}

# --- cases

# Every hook there is, for what is inside and for its wrappers.
firewall() {
	local n hook

	for n in a b; do
		{
			cat <<-'END'
				table netdev w {
					counter t1_ingress { }
					counter t1_egress { }
					counter eth0_in_wrapped { }
					counter eth0_out_wrapped { }
					chain ti { type filter hook ingress device t1 priority 0; counter name t1_ingress; }
					chain te { type filter hook egress device t1 priority 0; counter name t1_egress; }
					chain ei { type filter hook ingress device eth0 priority 0; ip protocol 4 counter name eth0_in_wrapped; }
					chain ee { type filter hook egress device eth0 priority 0; ip protocol 4 counter name eth0_out_wrapped; }
				}
			END
			echo "table ip w {"
			for hook in prerouting input forward output postrouting; do
				cat <<-END
					counter ${hook}_from_t1 { }
					counter ${hook}_to_t1 { }
					counter ${hook}_wrapped { }
					counter ${hook}_untracked { }
					chain $hook {
						type filter hook $hook priority 0
						ip protocol icmp meta iifname t1 counter name ${hook}_from_t1
						ip protocol icmp meta oifname t1 counter name ${hook}_to_t1
						ip protocol 4 counter name ${hook}_wrapped
						ip protocol 4 ct state untracked counter name ${hook}_untracked
					}
				END
			done
			cat <<-'END'
					chain raw_in { type filter hook prerouting priority raw; ip protocol 4 notrack; }
					chain raw_out { type filter hook output priority raw; ip protocol 4 notrack; }
				}
			END
		} >"$tmp/rules"
		ns "$n" nft -f "$tmp/rules" || return
	done
	echoes 3 10.9.2.1
	echoes 2 10.9.3.2
	counters a
	counters b
	# and a firewall's no is a no
	ns b nft add rule ip w input iifname t1 ip daddr 10.9.2.1 drop
	echoes 1 10.9.2.1
	ns a nft add rule ip w output oifname eth0 ip protocol 4 drop
	echoes 1 10.9.3.2
}

tracking() {
	ns a nft -f - <<-'END' || return
		table ip n {
			chain out {
				type nat hook postrouting priority srcnat
				oifname t1 ip saddr 10.9.1.7 masquerade
			}
		}
	END
	ns b nft -f - <<-'END' || return
		table ip n {
			chain in {
				type nat hook prerouting priority dstnat
				iifname t1 ip daddr 10.9.2.9 dnat to 10.9.3.2
			}
			chain known {
				type filter hook input priority 0
				ct state invalid drop
			}
		}
	END
	ip -n a addr add 10.9.1.7/32 dev lo
	ip -n a addr add 10.9.1.9/32 dev t1
	echoes 2 10.9.2.1 -I 10.9.1.7
	echoes 2 10.9.2.9
	tracked a
	tracked b
}

traffic_control() {
	tc -n b qdisc add dev t1 clsact
	tc -n b filter add dev t1 ingress protocol ip pref 1 flower dst_ip 10.9.2.8 action drop
	tc -n b filter add dev t1 ingress protocol ip pref 2 u32 match ip protocol 1 0xff action ok
	tc -n b filter add dev t1 egress protocol ip pref 1 flower ip_proto icmp action ok
	tc -n a qdisc add dev t1 root handle 1: prio
	tc -n a filter add dev t1 parent 1: protocol ip pref 1 u32 match ip dst 10.9.2.1/32 flowid 1:3
	ip -n b addr add 10.9.2.8/32 dev lo
	echoes 3 10.9.2.1
	echoes 2 10.9.2.8
	tc -n b -s filter show dev t1 ingress | grep -oE 'Sent [0-9]+ bytes [0-9]+ pkt'
	tc -n b -s filter show dev t1 egress | grep -oE 'Sent [0-9]+ bytes [0-9]+ pkt'
	tc -n a -s class show dev t1 | grep -oE 'class prio 1:[0-9]|Sent [0-9]+ bytes [0-9]+ pkt'
}

sockets() {
	local n ears=()

	for n in a b; do
		ip netns exec "$n" "$TUNL_TOP/tests/packets" hear t1 >"$tmp/heard.$n" &
		ears+=($!)
	done
	for n in a b; do
		poll 20 grep -q ready "$tmp/heard.$n"
	done
	echoes 1 10.9.2.1
	ns a "$TUNL_TOP/tests/packets" send t1 10.9.1.1 10.9.3.2
	answered() { [ "$(dev_counter a t1 rx_packets)" -ge 4 ]; }
	poll 20 answered
	kill "${ears[@]}" || return
	wait "${ears[@]}"
	# Those of different sockets come in any order.
	sort "$tmp/heard.a" | uniq -c | sed 's/^/a/'
	sort "$tmp/heard.b" | uniq -c | sed 's/^/b/'
	echo "a sent $(dev_counter a t1 tx_packets), dropped $(dev_counter a t1 tx_dropped), errors $(dev_counter a t1 tx_errors)"
	echo "b received $(dev_counter b t1 rx_packets)"
}

xdp() {
	local how

	mkdir -p "$tmp/bpf"
	mount -t bpf bpf "$tmp/bpf" || return
	"$TUNL_TOP/tests/packets" xdp 8 "$tmp/bpf/drop" || return
	ip -n b addr add 10.9.2.8/32 dev lo
	echoes 1 10.9.2.8
	for how in xdpdrv xdp xdpgeneric; do
		echo "$how:"
		ip -n b link set dev t1 "$how" pinned "$tmp/bpf/drop" 2>&1
		ip -n b link show dev t1 | grep -o 'xdp[a-z]*' | head -n 1
		echoes 2 10.9.2.8
		echoes 2 10.9.2.1
		echoes 1 10.9.2.1 -s 1400
		ip -n b link set dev t1 "$how" off 2>&1
		echoes 1 10.9.2.8
	done
	ip -n b link set dev t1 xdpgeneric pinned "$tmp/bpf/drop"
	ip -n b link del t1
	umount "$tmp/bpf"
}

association() { # FROM TO SPI: one way, in a and b
	local key=0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f n

	for n in a b; do
		ip -n "$n" xfrm state add src "$1" dst "$2" proto esp spi "$3" mode transport \
			aead 'rfc4106(gcm(aes))' "$key" 128
	done
}
protect() { # A'S-ADDRESS B'S-ADDRESS [SELECTOR...]: both ways
	local a=$1 b=$2
	shift 2
	association "$a" "$b" 0x1001
	association "$b" "$a" 0x1002
	ip -n a xfrm policy add src "$a" dst "$b" "$@" dir out tmpl proto esp mode transport
	ip -n a xfrm policy add src "$b" dst "$a" "$@" dir in tmpl proto esp mode transport
	ip -n b xfrm policy add src "$b" dst "$a" "$@" dir out tmpl proto esp mode transport
	ip -n b xfrm policy add src "$a" dst "$b" "$@" dir in tmpl proto esp mode transport
}
on_wire() { # what comes in by b's eth0, and what is in its wrappers
	ns b nft -f - <<-'END'
		table netdev w {
			counter plain_esp { }
			counter wrapped { }
			counter wrapped_esp { }
			chain in {
				type filter hook ingress device eth0 priority 0
				ip protocol 50 counter name plain_esp
				ip protocol 4 counter name wrapped
				ip protocol 4 @nh,232,8 50 counter name wrapped_esp
			}
		}
	END
}
# Not every kernel of ours counts them.
# shellcheck disable=SC2016 # for awk
xfrm_errors() {
	[ ! -e /proc/net/xfrm_stat ] || ns b awk '/^XfrmIn/ && $2 { print $1, $2 }' /proc/net/xfrm_stat
}

ipsec_below() {
	protect 10.0.1.1 10.0.1.2 proto 4
	on_wire
	echoes 3 10.9.2.1
	echoes 2 10.9.3.2
	echoes 1 10.9.2.1 -s 1400
	counters b
	echo "no longer protected:"
	ip -n a xfrm policy del src 10.0.1.1 dst 10.0.1.2 proto 4 dir out
	echoes 2 10.9.2.1
	counters b
	xfrm_errors
}

ipsec_inside() {
	protect 10.9.1.1 10.9.2.1
	on_wire
	echoes 3 10.9.2.1
	counters b
	echo "no longer protected:"
	ip -n a xfrm policy del src 10.9.1.1 dst 10.9.2.1 dir out
	echoes 2 10.9.2.1
	counters b
	xfrm_errors
}

t1=0 t2=0
received() { # what has come in by either tunnel of b since the last time
	local now1 now2
	now1=$(dev_counter b t1 rx_packets)
	now2=$(dev_counter b t2 rx_packets)
	echo "$1: t1 $((now1 - t1)), t2 $((now2 - t2))"
	t1=$now1 t2=$now2
}

policy_routing() {
	t1=0 t2=0
	ip -n b route add unreachable 10.9.4.0/24
	echoes 1 10.9.4.1
	ip -n b rule add iif t1 lookup 50
	ip -n b route add 10.9.4.0/24 via 10.9.3.2 table 50
	echoes 2 10.9.4.1
	received "by incoming device"
	ip -n a route add 10.9.2.0/24 dev t2 src 10.9.1.1 table 51
	ip -n a rule add tos 0x10 lookup 51
	echoes 2 10.9.2.1 -Q 0x10
	received "by DSCP"
	ip -n a rule add fwmark 7 lookup 51
	echoes 3 10.9.2.1 -m 7
	received "by mark"
	ip -n a rule add oif t2 lookup 51
	echoes 2 10.9.2.1 -I t2
	received "by outgoing device"
}

# From as many ports: the seed of the hash is another each time.
flows() {
	local was1=$t1 was2=$t2

	# shellcheck disable=SC2016 # for the inner shell
	ns a bash -c 'for ((i = 0; i < 64; i++)); do echo >/dev/udp/10.9.2.1/$((3000 + i)); done'
	arrived() {
		received "" >"$tmp/received"
		[ $((t1 - was1 + t2 - was2)) -ge 64 ]
	}
	poll 10 arrived
	echo "64 flows: received $((t1 - was1 + t2 - was2)), t1 $((t1 > was1)), t2 $((t2 > was2))"
}
several() {
	t1=0 t2=0
	sysctl_set a net.ipv4.fib_multipath_hash_policy 1
	ns b nft 'add table ip w; add chain ip w in { type filter hook input priority 0; }; add rule ip w in ip protocol udp drop'
	ip -n a route add 10.9.2.0/24 src 10.9.1.1 nexthop dev t1 nexthop dev t2
	flows
	ip -n a link set t2 down
	flows
	ip -n a link set t2 up
	ip -n a route replace 10.9.2.0/24 src 10.9.1.1 nexthop dev t1 nexthop dev t2
	flows
}

# The devices move, and what carries their packets stays.
elsewhere() {
	local n

	for n in a b; do
		netns_add "in_$n"
		ns "$n" nft -f - <<-'END' || return
			table ip m {
				counter outside_with_mark { }
				counter outside { }
				chain out {
					type filter hook postrouting priority 0
					ip protocol 4 counter name outside
					ip protocol 4 meta mark 9 counter name outside_with_mark
				}
				chain in {
					type filter hook prerouting priority raw
					ip protocol 4 meta mark set 6
				}
			}
		END
		ns "in_$n" nft -f - <<-'END' || return
			table ip m {
				counter inside_with_mark_out { }
				counter inside_with_mark_in { }
				chain marking {
					type route hook output priority 0
					meta mark set 9
				}
				chain out {
					type filter hook postrouting priority 0
					oifname t1 meta mark 9 counter name inside_with_mark_out
				}
				chain in {
					type filter hook prerouting priority 0
					iifname t1 meta mark 6 counter name inside_with_mark_in
				}
				chain known {
					type filter hook input priority 0
					ct state new accept
				}
			}
		END
		ip -n "$n" link set t1 netns "in_$n"
	done
	ip -n in_a -batch - <<-'END'
		addr add 10.9.1.1/32 dev t1
		link set t1 up
		route add 10.9.2.0/24 dev t1
	END
	ip -n in_b -batch - <<-'END'
		addr add 10.9.2.1/32 dev t1
		link set t1 up
		route add 10.9.1.0/24 dev t1
	END
	echo "from inside: $(ns in_a ping -q -n -c 3 -i 0.1 -W 2 10.9.2.1 | grep -o '[0-9] received')"
	echo "from outside: $(ns a ping -q -n -c 1 -W 2 10.9.2.1 2>&1 | grep -oE '[0-9] received|unreachable')"
	for n in a b; do
		counters "$n"
		counters "in_$n"
		tracked "in_$n"
	done
	ip -n in_a -d -o link show dev t1 | grep -oE 'link-netns(id)? [a-z0-9]+|remote [0-9.]+ local [0-9.]+'
	ip -n a link set eth0 down
	echo "its carrier down: $(ns in_a ping -q -n -c 1 -W 1 10.9.2.1 2>&1 | grep -oE '[0-9] received')"
	ip -n a link set eth0 up
	echo "and up: $(ns in_a ping -q -n -c 1 -W 5 10.9.2.1 2>&1 | grep -oE '[0-9] received')"
	ip -n in_a link set t1 netns a
	ip -n a link set t1 up
	ip -n a route add 10.9.2.1 dev t1 src 10.9.1.1
	echoes 2 10.9.2.1
	ip netns del in_a
	# The carrier's namespace takes the tunnel with it, wherever that is.
	ip netns del b
	gone() { ! ip -n in_b link show dev t1 >/dev/null 2>&1; }
	poll 20 gone && echo "gone with its carrier"
	ip netns del in_b
	ip netns add b
}

cases=(firewall tracking traffic_control sockets xdp elsewhere ipsec_below ipsec_inside policy_routing several)
all() { # WHOSE
	local name
	for name in "${cases[@]}"; do
		network || return
		"$name" >"$tmp/$1.$name" 2>&1
		no_network
	done
}

# --- the kernel's, which has to do something

must modprobe ipip
check "the kernel's ipip goes through it" all kernel
[ -z "${TUNL_OUT:-}" ] || cp "$tmp"/kernel.* "$TUNL_OUT/"
kernel() { # CASE LINE...: they are there
	local name=$1 line
	shift
	for line; do
		check "the kernel's, $name: $line" grep -xF -- "$line" "$tmp/kernel.$name"
	done
}
kernel firewall '10.9.2.1: 3 of 3 answered' '10.9.3.2: 2 of 2 answered' \
	'b t1_ingress: 5 packets 420 bytes' 'b t1_egress: 5 packets 420 bytes' \
	'b input_from_t1: 3 packets 252 bytes' 'b forward_from_t1: 2 packets 168 bytes' \
	'b forward_to_t1: 2 packets 168 bytes' 'b output_to_t1: 3 packets 252 bytes' \
	'b postrouting_to_t1: 5 packets 420 bytes' 'b input_untracked: 5 packets 520 bytes' \
	'b output_untracked: 5 packets 520 bytes' \
	'10.9.2.1: 0 of 1 answered' '10.9.3.2: 0 of 1 answered'
kernel tracking '10.9.2.1: 2 of 2 answered' '10.9.2.9: 2 of 2 answered' \
	'b unknown  4 src=10.0.1.1 dst=10.0.1.2 src=10.0.1.2 dst=10.0.1.1' \
	'a icmp     1 src=10.9.1.7 dst=10.9.2.1 type=8 code=0 src=10.9.2.1 dst=10.9.1.9 type=0 code=0' \
	'b icmp     1 src=10.9.1.1 dst=10.9.2.9 type=8 code=0 src=10.9.3.2 dst=10.9.1.1 type=0 code=0'
kernel traffic_control '10.9.2.1: 3 of 3 answered' '10.9.2.8: 0 of 2 answered' 'Sent 168 bytes 2 pkt'
kernel sockets 'a      1 raw from us: protocol 0x0800, type 768, address none, 84 bytes, at the header' \
	'b      1 raw to us: protocol 0x0800, type 768, address none, 84 bytes, at the header' \
	'b received 4'
kernel xdp 'xdpdrv:' 'xdpgeneric' '10.9.2.8: 0 of 2 answered' '10.9.2.8: 2 of 2 answered' \
	'10.9.2.1: 2 of 2 answered' '10.9.2.1: 1 of 1 answered'
kernel elsewhere 'from inside: 3 received' 'from outside: unreachable' 'a outside: 3 packets 312 bytes' \
	'a outside_with_mark: 0 packets 0 bytes' 'in_a inside_with_mark_out: 3 packets 252 bytes' \
	'in_b inside_with_mark_in: 0 packets 0 bytes' 'its carrier down: 0 received' 'and up: 1 received' \
	'10.9.2.1: 2 of 2 answered' 'gone with its carrier'
kernel ipsec_below '10.9.2.1: 3 of 3 answered' '10.9.3.2: 2 of 2 answered' '10.9.2.1: 0 of 2 answered' \
	'b wrapped: 0 packets 0 bytes' 'b wrapped: 2 packets 208 bytes'
kernel ipsec_inside '10.9.2.1: 3 of 3 answered' '10.9.2.1: 0 of 2 answered' \
	'b plain_esp: 0 packets 0 bytes' 'b wrapped_esp: 3 packets 420 bytes'
for name in ipsec_below ipsec_inside; do
	[ ! -e /proc/net/xfrm_stat ] ||
		check "the kernel's, $name: counted where unprotected" grep '^XfrmIn.* 2$' "$tmp/kernel.$name"
done
kernel policy_routing '10.9.4.1: 0 of 1 answered' '10.9.4.1: 2 of 2 answered' \
	'by DSCP: t1 0, t2 2' 'by mark: t1 0, t2 3' 'by outgoing device: t1 0, t2 2'
kernel several '64 flows: received 64, t1 1, t2 1' '64 flows: received 64, t1 1, t2 0'
must rmmod ipip

# --- and ours

must load ipip
must load tunnel
check "ours goes through it" all ours
[ -z "${TUNL_OUT:-}" ] || cp "$tmp"/ours.* "$TUNL_OUT/"
for name in "${cases[@]}"; do
	check "$name: the same" diff "$tmp/kernel.$name" "$tmp/ours.$name"
done

ktap_end
