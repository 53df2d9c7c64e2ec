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

: "${CHURN_CYCLES:=20}" "${CHURN_CHANGES:=400}" "${CHURN_SEED:=1994}"
RANDOM=$CHURN_SEED
note "seed $CHURN_SEED"

one_of() { local n=$((RANDOM % $#)); shift "$n"; echo "$1"; }
quietly() { "$@" >/dev/null 2>&1; }

wire_up() {
	netns_add a b
	veth a eth0 b eth0
	ip -n a addr add 10.0.0.1/24 dev eth0
	ip -n b addr add 10.0.0.2/24 dev eth0
}

tunnels() { # both, as they should be
	quietly ip -n a link add tunl type tunl
	quietly ip -n b link add tunl type tunl
	quietly ip -n a addr add 10.9.0.1 peer 10.0.0.2 dev tunl
	quietly ip -n b addr add 10.9.0.2 peer 10.0.0.1 dev tunl
	quietly ip -n a link set tunl up
	quietly ip -n b link set tunl up
	quietly ip -n a route replace 10.9.0.2 dev tunl
	quietly ip -n b route replace 10.9.0.1 dev tunl
	true
}
alive() { tunnels; quietly ns a ping -n -c 1 -W 2 10.9.0.2; }

# Through the tunnels both ways, as long as there are any, and wrapped packets
# and ICMP errors that come whether or not.
traffic() {
	background ping-ab a bash -c 'while :; do ping -n -q -i 0.005 -w 60 10.9.0.2; sleep 0.1; done'
	pids=("$last_pid")
	background ping-ba b bash -c 'while :; do ping -n -q -i 0.005 -s 3000 -w 60 10.9.0.1; sleep 0.1; done'
	pids+=("$last_pid")
	background wrapped init bash -c "while :; do ip netns exec a '$tmp/hostile' eth0 wrapped \$RANDOM 300 \
		10.0.0.1 10.0.0.2 10.9.0.1 10.9.0.2 '$(ns b cat /sys/class/net/eth0/address)'; sleep 0.1; done"
	pids+=("$last_pid")
	background icmp init bash -c "while :; do ip netns exec b '$tmp/hostile' eth0 icmp \$RANDOM 100 \
		10.0.0.1 10.0.0.2 10.9.0.1 10.9.0.2 '$(ns a cat /sys/class/net/eth0/address)'; sleep 0.1; done"
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

wire_up
# Unknown names are many here, and for each the kernel would start modprobe.
sysctl_set init kernel.modprobe ""
load ipip
load tunnel
tunnels
check "before: a reaches b" poll 10 alive
traffic
cycles() {
	local i
	for ((i = 0; i < CHURN_CYCLES; i++)); do
		case $((RANDOM % 3)) in
		0) rmmod tunnel && rmmod ipip && load tunnel && load ipip ;;
		1) rmmod ipip && rmmod tunnel && load ipip && load tunnel ;;
		2) rmmod "$(one_of ipip tunnel)" && { loaded ipip || load ipip; } &&
			{ loaded tunnel || load tunnel; } ;;
		esac || return
		tunnels
		ns a ping -n -q -c 1 -W 0.2 10.9.0.2 || true
	done
}
check "modules unloaded and loaded under traffic, $CHURN_CYCLES times" cycles
check "and a reaches b" poll 20 alive

# --- namespaces, the underlay's first among them

namespaces() {
	local i what
	for ((i = 0; i < CHURN_CYCLES; i++)); do
		ip netns add n && ip netns add m && ip -n n link add away type tunl &&
			ip -n n link set away netns m && ip -n m link set away broadcast 10.0.0.9 &&
			ip -n m addr add 10.9.7.1 peer 10.9.7.2 dev away && ip -n m link set away up || return
		tunl_add n tunl 10.9.8.1 10.0.0.9 || return
		for what in $(one_of "n m" "m n" "n m"); do ip netns del "$what" || return; done
	done
}
check "namespaces made and deleted with tunnels up, $CHURN_CYCLES times" namespaces

# --- anything, at random

change() { # NS OTHER: one line for ip
	local device
	device=$(one_of tunl t1 t2)
	case $((RANDOM % 16)) in
	0) echo "link set $device down" ;;
	1) echo "link set $device up" ;;
	2) echo "link del $device" ;;
	3) echo "link add $device type tunl" ;;
	4) echo "addr flush dev $device" ;;
	5) echo "addr add 10.9.0.$((RANDOM % 4)) peer 10.0.0.$((RANDOM % 4)) dev $device" ;;
	6) echo "link set $device broadcast $(one_of 0.0.0.0 "10.0.0.$2" 10.0.0.9 224.0.0.1)" ;;
	7) echo "link set $device address $(one_of 0.0.0.0 10.0.0.1 10.0.0.2)" ;;
	8) echo "link set $device mtu $(one_of 0 68 576 1480 9000 65515)" ;;
	9) echo "link set $device name $(one_of t1 t2 tunl)" ;;
	10) echo "route replace 10.9.0.$2 dev $device" ;;
	11) echo "route replace 10.9.0.0/24 via 10.0.0.$2 dev $device onlink" ;;
	12) echo "route replace 10.0.0.$2 dev $(one_of eth0 "$device")" ;;
	13) echo "link set eth0 mtu $(one_of 68 576 1300 1500 9000)" ;;
	14) echo "link set eth0 $(one_of up down up)" ;;
	15) echo "link set $device netns $(one_of a b)" ;;
	esac
}

# 25 changes in each namespace at once; what cannot be done is not.
batch() { # [COMMAND that runs ip]
	local i
	for ((i = 0; i < 25; i++)); do change a 2; done >"$tmp/batch.a"
	for ((i = 0; i < 25; i++)); do change b 1; done >"$tmp/batch.b"
	"$@" ip -n a -force -batch "$tmp/batch.a" &
	"$@" ip -n b -force -batch "$tmp/batch.b"
	wait $!
	case $((RANDOM % 4)) in
	0) ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change tunl \
		ttl=$((RANDOM % 256)) tos=$((RANDOM % 64 * 4)) pmtudisc=$((RANDOM % 2)) ;;
	1) ns b sysctl -qw "net.ipv4.ipip.accept=$(one_of auto peers any)" \
		"net.ipv4.ipip.deliver=$(one_of device ingress)" ;;
	esac
}
changes() {
	local i
	for ((i = 0; i < CHURN_CHANGES; i += 50)); do quietly batch; done
	true
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
check "$CHURN_CHANGES changes at random" changes
quietly restore
check "and a reaches b, configured anew" poll 30 alive

# --- allocations that fail

failslab=/sys/kernel/debug/failslab
if [ -e $failslab ]; then
	# Only in that process, not in the fork before it.
	unlucky() {
		bash -c 'echo 1 >/proc/self/make-it-fail; exec "$@"' unlucky "$@"
	}
	failing() { # PER-MILLE
		echo 0 >"$failslab/verbose"
		echo Y >"$failslab/task-filter"
		echo N >"$failslab/ignore-gfp-wait"
		echo "$1" >"$failslab/interval"
		echo 100 >"$failslab/probability"
		echo -1 >"$failslab/times"
		local i
		for ((i = 0; i < CHURN_CHANGES; i += 50)); do
			quietly batch unlucky
		done
		echo 0 >"$failslab/probability"
		true
	}
	for interval in 211 53 11; do
		check "$CHURN_CHANGES changes, one allocation in $interval failing" failing "$interval"
	done
	reload() {
		local i
		echo 100 >"$failslab/probability"
		for ((i = 0; i < CHURN_CYCLES; i++)); do
			echo "$((RANDOM % 60 + 3))" >"$failslab/interval"
			quietly unlucky rmmod tunnel ipip
			for module in ipip tunnel; do
				loaded "$module" ||
					quietly unlucky insmod "$TUNL_BUILD/$module/$module.ko"
			done
		done
		echo 0 >"$failslab/probability"
		for module in ipip tunnel; do loaded "$module" || load "$module"; done
		true
	}
	check "modules loaded while allocations fail, $CHURN_CYCLES times" reload
	quietly restore
	check "and a reaches b, when they do no more" poll 30 alive
else
	note "this kernel cannot make allocations fail"
fi
silence

ktap_end
