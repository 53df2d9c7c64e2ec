#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=300
#
# On a real-time kernel, bottom halves that are off exclude nobody on their processor: a
# task preempts another in the middle of sending through a tunnel, or of receiving. Here
# they do it as often as they can, on each processor, in both directions: by a tunnel to
# a fixed endpoint, and by one without, to more endpoints than are remembered. On other
# kernels it is a load like others.
#
#   A eth0 10.0.0.1, 10.0.1.0/24 ═════ 10.0.0.2, 10.0.2.0/24 eth0 B
#     fixed 10.9.0.1                        10.9.0.2 fixed
#     hub 10.8.1.0/24                    10.8.2.0/24 hub

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

rounds=${TUNL_ROUNDS:-200}
patience=${TUNL_PATIENCE:-1}

# A tunnel of each kind.
tunnels() { # NS OWN OTHER
	local i

	{
		echo "addr add 10.0.0.$2/24 dev eth0"
		echo "route add local 10.0.$2.0/24 dev lo"
		echo "route add local 10.8.$2.0/24 dev lo"
		echo "route add 10.0.$3.0/24 via 10.0.0.$3"
		echo "link add fixed type tunl"
		echo "addr add 10.9.0.$2 peer 10.0.0.$3 dev fixed"
		echo "link set fixed up"
		echo "route add 10.9.0.$3 dev fixed"
		echo "link add hub type tunl"
		echo "addr add 10.9.1.$2/32 dev hub"
		echo "link set hub up"
		for i in {1..251}; do
			echo "route add 10.8.$3.$i via 10.0.$3.$i dev hub onlink src 10.9.0.$2"
		done
	} | ip -n "$1" -batch -
}

# What a packet passes on its way out takes some of its time.
long_way() { # NS
	{
		echo 'table ip long {'
		echo ' chain out { type filter hook output priority 0; ip protocol 4 jump rules; }'
		echo ' chain rules {'
		for _ in {1..60}; do echo '  meta mark 7 counter'; done
		echo ' }'
		echo '}'
	} | ns "$1" nft -f -
}

topology() {
	netns_add A B && veth A eth0 B eth0 && tunnels A 1 2 && tunnels B 2 1 &&
		long_way A && long_way B &&
		poll 10 ns A ping -n -c 1 -W 1 10.9.0.2 && ns A ping -n -c 1 -W 5 10.8.2.9 &&
		ns B ping -n -c 1 -W 5 10.8.1.9
}

# Remembered routes are given back and looked up again.
forgetting() { # NS
	background "forget.$1" "$1" bash -c 'exec 9<> <(:)
		while echo 1 >/proc/sys/net/ipv4/route/flush; do read -rt 0.05 -u 9; done'
}

counters() { # NS COUNTER: of both devices
	local dev sum=0

	for dev in fixed hub; do
		sum=$((sum + $(dev_counter "$1" "$dev" "$2")))
	done
	echo $sum
}

drops() { # NS: reasons, other than none
	local dev

	for dev in fixed hub; do
		ns "$1" ethtool -S $dev | awk -v dev=$dev '$2 > 0 && /tx_/ { print dev, $0 }'
	done
}

arrived() { [ "$(snmp "$1" Udp InDatagrams)" -ge "$2" ]; } # NS PACKETS

must gcc -O2 -Wall -Wextra -Werror -pthread -o "$tmp/preempt" "$TUNL_TOP/tests/preempt.c"
load ipip
load tunnel
# All that is sent may wait.
sysctl_set init net.core.netdev_max_backlog 1000000
must topology
declare -A before receiver watcher sender
for ns in A B; do
	[ $ns = A ] && here=1 there=2 || here=2 there=1
	background "receive.$ns" $ns "$tmp/preempt" receive 9
	receiver[$ns]=$last_pid
	background "watch.$ns" $ns "$tmp/preempt" watch eth0 "10.0.0.$there" "10.0.0.$here"
	watcher[$ns]=$last_pid
	must poll 10 grep -q ready "$tmp/receive.$ns"
	must poll 10 grep -q ready "$tmp/watch.$ns"
	before[$ns]="$(counters $ns tx_packets) $(counters $ns rx_packets) $(snmp $ns Udp InDatagrams)"
	forgetting $ns
done
for ns in A B; do
	[ $ns = A ] && here=1 there=2 processor=0 || here=2 there=1 processor=$(($(nproc) - 1))
	background "send.$ns" $ns "$tmp/preempt" send "$processor" "$rounds" "10.9.0.$here" \
		"10.9.0.$there" "10.8.$there.0" 9 eth0
	sender[$ns]=$last_pid
done

for ns in A B; do
	check "$ns: tasks that preempt each other send" wait "${sender[$ns]}"
	note "$(tr '\n' ' ' <"$tmp/send.$ns")"
done
for ns in A B; do
	[ $ns = A ] && other=B || other=A
	sent=$(tail -n 1 "$tmp/send.$ns")
	read -r tx _ <<<"${before[$ns]}"
	read -r _ rx udp <<<"${before[$other]}"
	check_eq "$ns: the devices have counted what was sent" \
		"$(($(counters $ns tx_packets) - tx))" "$sent"
	check_eq "$ns: nothing was dropped, not as nested either" "$(drops $ns)" ""
	check "$ns to $other: all of it arrives" \
		poll $((30 * patience)) arrived "$other" $((udp + sent))
	check_eq "$ns to $other: and is counted" "$(($(counters "$other" rx_packets) - rx))" "$sent"
	kill "${receiver[$other]}" "${watcher[$other]}"
	check "$ns to $other: each packet once" wait "${receiver[$other]}"
	check "$ns to $other: no ID twice" wait "${watcher[$other]}"
	note "$(tail -qn 1 "$tmp/receive.$other" "$tmp/watch.$other" | paste -sd ' ')"
	grep 'in packets' "$tmp/watch.$other" | head -n 20 | while read -r line; do note "$line"; done
done

ktap_end
