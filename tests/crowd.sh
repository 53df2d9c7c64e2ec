#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=240
#
# A gateway-mode tunnel of more endpoints than its table of routes has room for: the
# host's grows, and nobody waits for that; a container's stays as small as it was.
#
#   2000 inner networks, each by its own endpoint ── gate (card, a dummy) ── the endpoints
. "$(dirname "$0")/lib.sh"
ktap_begin

ENDPOINTS=2000
ROOM=64 # endpoints that a table has room for at first, on each processor
tracing=/sys/kernel/tracing

[ -e $tracing ] && { mountpoint -q $tracing || mount -t tracefs none $tracing; }
[ -w $tracing/events/fib/fib_table_lookup/enable ] || skip "this kernel does not trace routing lookups"

topology() { # PREFIX-COMMAND...
	local i

	"$@" ip link set lo up && "$@" ip link add card type dummy &&
		"$@" ip addr add 10.0.1.1/16 dev card && "$@" ip link set card up &&
		"$@" ip link add gate type tunl && "$@" ip addr add 10.9.0.1/32 dev gate &&
		"$@" ip link set gate up || return
	for ((i = 0; i < ENDPOINTS; i++)); do
		echo "route add 10.$((64 + i / 256)).$((i % 256)).0/24 via 10.0.$((2 + i / 250)).$((i % 250 + 1)) dev gate onlink"
		echo "neigh add 10.0.$((2 + i / 250)).$((i % 250 + 1)) lladdr 02:00:00:00:00:01 dev card nud permanent"
	done | "$@" ip -batch -
}

# A packet to each, all from one processor, whose table it is.
packets() {
	"$@" taskset -c 0 /usr/bin/python3 -IS - "$ENDPOINTS" <<-'END'
		import socket, sys
		sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		for i in range(int(sys.argv[1])):
		    sock.sendto(b"", ("10.%d.%d.1" % (64 + i // 256, i % 256), 9))
	END
}

# To how many endpoints routes are looked up for that.
lookups() {
	: >$tracing/trace
	echo 1 >$tracing/events/fib/fib_table_lookup/enable
	packets "$@"
	echo 0 >$tracing/events/fib/fib_table_lookup/enable
	grep -oE ' -> 10\.0\.[0-9]+\.[0-9]+/' $tracing/trace | sort -u | wc -l
}

remembers_all() { [ "$(lookups "$@")" -lt 10 ]; }

waits() { # [PATTERN]: calls that wait for a grace period, with that in their stacks
	grep -cE "${1:-<stack trace>}" $tracing/trace
}

echo 20000 >$tracing/buffer_size_kb
load tunnel

must netns_add g
must topology ns g
if [ -w $tracing/set_ftrace_filter ]; then
	echo "synchronize_rcu synchronize_rcu_expedited synchronize_net" >$tracing/set_ftrace_filter
	echo 1 | tee $tracing/options/func_stack_trace >$tracing/options/sym-offset # which names the module
	echo function >$tracing/current_tracer
	for ((i = 0; i < 6; i++)); do
		packets ns g
		sleep 0.2
	done
	check_eq "nobody waits for a grace period while the host's table grows" "$(waits '\[tunnel\]')" 0
	# The same eye sees who does: on every kernel whoever unmounts what a netns has.
	must ip netns exec g true
	check "one who waits is seen" test "$(waits)" -ge 1
	echo nop >$tracing/current_tracer
	echo 0 | tee $tracing/options/func_stack_trace >$tracing/options/sym-offset
	: >$tracing/set_ftrace_filter
fi

check "the host's table has grown until all are remembered" poll 20 remembers_all ns g
must ns g ip link set gate broadcast 10.0.2.1
must ns g ip link set gate broadcast 0.0.0.0
first=$(lookups ns g)
check "of a new configuration none is: $first lookups" test "$first" = $ENDPOINTS
check "and its table grows as well" poll 20 remembers_all ns g

background container init unshare -U -r -n sleep 1000
pid=$last_pid
other() { [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
must poll 10 other
inside() { nsenter -t "$pid" -U -n --preserve-credentials "$@"; }
must topology inside
for ((i = 0; i < 6; i++)); do
	packets inside
	sleep 0.1
done
after=$(lookups inside)
check "a container's has the room that it had: $after lookups" test "$after" -ge $((ENDPOINTS - ROOM))
ktap_end
