#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=600
#
# Everything that can change, changing under traffic: modules, namespaces,
# devices, addresses, routes, links; and allocations that fail, where the kernel
# can make them fail.
#
#   a (eth0 10.0.0.1, tunl 10.9.0.1) ═════ (eth0 10.0.0.2, tunl 10.9.0.2) b

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

cycles=${TUNL_CYCLES:-20} changes=${TUNL_CHANGES:-400}
RANDOM=${TUNL_SEED:-1994}
note "seed ${TUNL_SEED:-1994}"

# Into $it: a subshell would have random numbers of its own, another time others.
one_of() { local n=$((RANDOM % $#)); shift "$n"; it=$1; }
quietly() { "$@" >/dev/null 2>&1; }

exec 8>&1 # what check() hides
progress() { [ "$1" = 0 ] || [ $(($1 % 100)) != 0 ] || note "$1 of $2" >&8; }

wire_up() {
	# their own addresses, for frames that outlive the link
	veth a eth0 b eth0
	ip -n a link set eth0 address 02:00:00:00:00:0a
	ip -n b link set eth0 address 02:00:00:00:00:0b
	ip -n a addr add 10.0.0.1/24 dev eth0
	ip -n b addr add 10.0.0.2/24 dev eth0
}

tunnels() { # both, as they should be
	printf '%s\n' "link add tunl type tunl" "addr add 10.9.0.1 peer 10.0.0.2 dev tunl" \
		"link set tunl up" "route replace 10.9.0.2 dev tunl" | quietly ip -n a -force -batch -
	printf '%s\n' "link add tunl type tunl" "addr add 10.9.0.2 peer 10.0.0.1 dev tunl" \
		"link set tunl up" "route replace 10.9.0.1 dev tunl" | quietly ip -n b -force -batch -
	true
}
alive() { tunnels; quietly ns a ping -n -c 1 -W 2 10.9.0.2; }

# Through the tunnels both ways, as long as there are any, and wrapped packets
# and ICMP errors that come whether or not.  Of a slow kernel's time it would take
# all: it has what changes leave, which is mostly while they wait for packets that
# are under way, and so where it should be.
traffic() {
	background ping-ab a nice -n 10 bash -c 'while :; do ping -n -q -i 0.005 -w 60 10.9.0.2; sleep 0.1; done'
	pids=("$last_pid")
	background ping-ba b nice -n 10 bash -c 'while :; do ping -n -q -i 0.005 -s 3000 -w 60 10.9.0.1; sleep 0.1; done'
	pids+=("$last_pid")
	background wrapped init nice -n 10 bash -c "while :; do ip netns exec a '$tmp/hostile' eth0 wrapped \$RANDOM 300 \
		10.0.0.1 10.0.0.2 10.9.0.1 10.9.0.2 02:00:00:00:00:0b; sleep 0.1; done"
	pids+=("$last_pid")
	background icmp init nice -n 10 bash -c "while :; do ip netns exec b '$tmp/hostile' eth0 icmp \$RANDOM 100 \
		10.0.0.1 10.0.0.2 10.9.0.1 10.9.0.2 02:00:00:00:00:0a; sleep 0.1; done"
	pids+=("$last_pid")
}
silence() {
	local pid
	for pid in "${pids[@]}"; do
		pkill -P "$pid" 2>/dev/null
		kill "$pid" 2>/dev/null
	done
	wait "${pids[@]}" 2>/dev/null
	pkill -x hostile
	pkill -x ping
	true
}

must gcc -O2 -o "$tmp/hostile" "$TUNL_TOP/tests/hostile.c"

# --- modules

netns_add a b
wire_up
# Unknown names are many here, and for each the kernel would start modprobe.
sysctl_set init kernel.modprobe ""
load ipip
load tunnel
tunnels
check "before: a reaches b" poll 10 alive
traffic
reloads() {
	local i
	for ((i = 0; i < cycles; i++)); do
		progress "$i" "$cycles"
		one_of ipip tunnel
		case $((RANDOM % 3)) in
		0) rmmod tunnel && rmmod ipip && load tunnel && load ipip ;;
		1) rmmod ipip && rmmod tunnel && load ipip && load tunnel ;;
		2) rmmod "$it" && load "$it" ;;
		esac || return
		tunnels
		# now and then they work first; anyway they are in use
		[ $((i % 8)) != 0 ] || poll 20 quietly ns a ping -n -q -c 1 -W 1 10.9.0.2 || return
	done
}
arrived=$(dev_counter b eth0 rx_packets)
check "modules unloaded and loaded under traffic, $cycles times" reloads
tally reloads "$cycles"
meanwhile=$(($(dev_counter b eth0 rx_packets) - arrived))
note "$meanwhile packets on the wire meanwhile"
check "20 and more each time, on average" test "$meanwhile" -gt $((cycles * 20))
check "and a reaches b" poll 20 alive

# --- namespaces, the underlay's first among them

namespaces() {
	local i what
	for ((i = 0; i < cycles; i += 2)); do
		progress "$i" "$cycles"
		ip netns add n && ip netns add m &&
			printf '%s\n' "link add away type tunl" "link set away netns m" \
				"link add tunl type tunl" "addr add 10.9.8.1 peer 10.0.0.9 dev tunl" \
				"link set tunl up" | ip -n n -batch - &&
			printf '%s\n' "link set away broadcast 10.0.0.9" \
				"addr add 10.9.7.1 peer 10.9.7.2 dev away" \
				"link set away up" | ip -n m -batch - || return
		one_of "n m" "m n" "n m"
		for what in $it; do ip netns del "$what" || return; done
	done
}
check "namespaces made and deleted with tunnels up, $cycles of them" namespaces
tally namespaces "$cycles"

# --- anything, at random

change() { # OTHER: one line for ip
	local device n
	one_of tunl t1 t2
	device=$it n=$((RANDOM % 4))
	case $((RANDOM % 16)) in
	0) echo "link set $device down" ;;
	1) echo "link set $device up" ;;
	2) echo "link del $device" ;;
	3) echo "link add $device type tunl" ;;
	4) echo "addr flush dev $device" ;;
	5) echo "addr add 10.9.0.$n peer 10.0.0.$((RANDOM % 4)) dev $device" ;;
	6) one_of 0.0.0.0 "10.0.0.$1" 10.0.0.9 224.0.0.1 && echo "link set $device broadcast $it" ;;
	7) one_of 0.0.0.0 10.0.0.1 10.0.0.2 && echo "link set $device address $it" ;;
	8) one_of 0 68 576 1480 9000 65515 && echo "link set $device mtu $it" ;;
	9) one_of t1 t2 tunl && echo "link set $device name $it" ;;
	10) echo "route replace 10.9.0.$1 dev $device" ;;
	11) echo "route replace 10.9.0.0/24 via 10.0.0.$1 dev $device onlink" ;;
	12) one_of eth0 "$device" && echo "route replace 10.0.0.$1 dev $it" ;;
	13) one_of 68 576 1300 1500 9000 && echo "link set eth0 mtu $it" ;;
	14) one_of up down up && echo "link set eth0 $it" ;;
	15) one_of a b && echo "link set $device netns $it" ;;
	esac
}

# 25 changes in each namespace at once; what cannot be done is not.
plain_ip() { ip -n "$1" -force -batch "$2"; } # NS FILE
batch() { # [FUNCTION like plain_ip]
	local run=${1:-plain_ip}
	local i
	for ((i = 0; i < 25; i++)); do change 2; done >"$tmp/batch.a"
	for ((i = 0; i < 25; i++)); do change 1; done >"$tmp/batch.b"
	"$run" a "$tmp/batch.a" 2>>"$tmp/refused" &
	"$run" b "$tmp/batch.b" 2>>"$tmp/refused"
	wait $!
	case $((RANDOM % 6)) in
	0) ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl \
		ttl=$((RANDOM % 256)) tos=$((RANDOM % 64 * 4)) pmtudisc=$((RANDOM % 2)) ;;
	1)
		one_of auto peers any && ns b sysctl -qw "net.ipv4.ipip.accept=$it"
		one_of device ingress && ns b sysctl -qw "net.ipv4.ipip.deliver=$it"
		;;
	2) ip -n a link del eth0 && wire_up ;;
	esac
	true # what cannot be done is not
}
random_changes() {
	local i
	: >"$tmp/refused"
	for ((i = 0; i < changes; i += 50)); do
		[ $((i % 1000)) != 0 ] || progress "$i" "$changes"
		quietly batch
	done
}
restore() {
	local ns
	for ns in a b; do
		for device in tunl t1 t2; do quietly ip -n "$ns" link del "$device"; done
		ip -n "$ns" route flush scope global
		ip -n "$ns" link set eth0 mtu 1500 up
	done
	ip -n a route replace 10.0.0.0/24 dev eth0 src 10.0.0.1
	ip -n b route replace 10.0.0.0/24 dev eth0 src 10.0.0.2
	ip -n a route del 10.0.0.2
	ip -n b route del 10.0.0.1
}
check "$changes changes at random" random_changes
tally changes "$changes"
some() { [ "$(grep -c '^Command failed' "$tmp/refused")" -lt $((changes * 2 / 3)) ]; }
check "of which some could be made" some
quietly restore
check "and a reaches b, configured anew" poll 30 alive

# --- allocations that fail

failslab=/sys/kernel/debug/failslab
silence
if ! [ -e $failslab ]; then
	note "this kernel cannot make allocations fail"
	ktap_end
fi

# At random: of every Nth, it may be the same one each time that a page fault, which
# is tried again for ever, needs.
echo 0 >"$failslab/verbose"
echo N >"$failslab/ignore-gfp-wait"
echo -1 >"$failslab/times"
echo 1 >"$failslab/interval"
# Opened now: when everybody's fail, so does opening what would end it.
exec {filter}>"$failslab/task-filter" {probability}>"$failslab/probability"
fail() { # PERCENT, of those in processes that have make-it-fail
	until echo Y >&"$filter" && echo "$1" >&"$probability"; do :; done
}
# Once it has started: where user-mode Linux has no memory for an exec or a fork,
# it panics.
unlucky_ip() { # NS FILE
	local fifo=$tmp/fifo.$1 pid dog self end never
	[ -p "$fifo" ] || mkfifo "$fifo"
	ip -n "$1" -force -batch - <"$fifo" &
	pid=$!
	exec {end}>"$fifo"
	# It may wait for ever for an answer that there was no memory for. If it was
	# only slow, it has not made all its changes.
	(
		exec {end}>&- {never}<> <(:)
		read -rt "$((5 * ${TUNL_PATIENCE:-1}))" -u "$never"
		kill -KILL "$pid" 2>/dev/null
	) &
	dog=$!
	self=$(readlink /proc/self/ns/net)
	while [ "$(readlink "/proc/$pid/ns/net")" = "$self" ]; do sleep 0.01; done
	echo 1 >"/proc/$pid/make-it-fail"
	cat "$2" >&"$end"
	exec {end}>&-
	wait "$pid"
	kill "$dog" 2>/dev/null
	wait "$dog" 2>/dev/null
}
unlucky() { "$tmp/unlucky" "$@"; }
must gcc -O2 -Wall -Wextra -Werror -o "$tmp/unlucky" "$TUNL_TOP/tests/unlucky.c"

# No more than a hundred of each, however long the rest is to be. Now and then a page
# fault is what fails, and is tried again for a long time.
failing=$((changes < 100 ? changes : 100)) want=0
unlucky_cycles=$((cycles < 100 ? cycles : 100))
failing_changes() { # PERCENT
	local i
	: >"$tmp/refused"
	fail "$1"
	for ((i = 0; i < failing; i += 50)); do
		quietly batch unlucky_ip
	done
	fail 0
	refused=$(grep -cE 'Cannot allocate memory|No buffer space' "$tmp/refused")
	note "$1 %: $refused for want of memory" >&8
	want=$((want + refused))
}
traffic
for percent in 1 3 10; do
	check "$failing changes, $percent % of allocations failing" failing_changes "$percent"
	tally changes "$failing"
done
check "of which some could not be made" test "$want" -gt 0
quietly restore
silence

failing_reloads() {
	local i module refused=0
	for ((i = 0; i < unlucky_cycles; i++)); do
		progress "$i" "$unlucky_cycles"
		fail $((RANDOM % 30 + 1))
		for module in tunnel ipip; do quietly unlucky unload "$module"; done
		for module in ipip tunnel; do
			loaded "$module" ||
				quietly unlucky load "$TUNL_BUILD/$module/$module.ko" ||
				refused=$((refused + 1))
		done
	done
	fail 0
	[ "$refused" -gt 0 ] || return
	for module in ipip tunnel; do loaded "$module" || load "$module"; done
}
check "modules loaded while allocations fail, $unlucky_cycles times" failing_reloads
tally reloads "$unlucky_cycles"

failing_namespaces() {
	local i refused=0
	for ((i = 0; i < unlucky_cycles; i++)); do
		progress "$i" "$unlucky_cycles"
		fail $((RANDOM % 5 + 1))
		quietly unlucky netns || refused=$((refused + 1))
	done
	fail 0
	[ "$refused" -gt 0 ]
}
check "namespaces made while allocations fail, $unlucky_cycles times" failing_namespaces
tally namespaces "$unlucky_cycles"
# Where a module stayed, there was no memory to take its tunnels for peers perhaps.
quietly restore
check "and a reaches b, when they do no more" poll 30 alive

# Each has its socket, or has ended already.
begun() { # PID...
	local pid
	for pid; do
		readlink -q "/proc/$pid/exe" >/dev/null || continue
		find "/proc/$pid/fd" -lname 'socket:*' 2>/dev/null | grep -q . || return
	done
}
# Anywhere, so in softirqs too; meanwhile nothing may fork.
failing_packets() { # PERCENT
	local hostile=("$tmp/hostile" 10.0.0.1 10.0.0.2 10.9.0.1 10.9.0.2)
	taken=0
	background wrapped a "${hostile[0]}" eth0 wrapped "$RANDOM" $((changes * 25)) "${hostile[@]:1}" 02:00:00:00:00:0b
	pids=("$last_pid")
	background inner a "${hostile[0]}" tunl inner "$RANDOM" $((changes * 25)) "${hostile[@]:1}" 02:00:00:00:00:0b
	pids+=("$last_pid")
	# before, they cannot be started either
	poll 10 begun "${pids[@]}" || return
	fail "$1"
	echo N >&"$filter"
	wait "${pids[@]}"
	fail 0
	cat "$tmp/wrapped" "$tmp/inner"
	taken=$(awk '/^[0-9]+$/ { sum += $1 } END { print sum + 0 }' "$tmp/wrapped" "$tmp/inner")
	[ "$taken" -gt "$changes" ]
}
for percent in 1 5 25; do
	check "$((changes * 50)) packets, $percent % of allocations failing" failing_packets "$percent"
	tally packets "$taken"
	check "and a reaches b, when they do no more" poll 30 alive
done

ktap_end
