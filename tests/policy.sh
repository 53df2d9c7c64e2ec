#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=400 core=yes
#
# Whom ipip.ko believes: net.ipv4.ipip.accept.
#
#   P (peer)                      H (the first namespace)
#   eth0 192.0.2.2 -----+
#                       +-------- lan 192.0.2.1, 10.0.0.1
#   S (unknown)         |         tunl, now and then, with endpoint P
#   eth0 192.0.2.3 -----+
#
# P and S send UDP to 10.0.0.1 in wrappers to 192.0.2.1.
. "$(dirname "$0")/lib.sh"

accept=/proc/sys/net/ipv4/ipip/accept

topology() {
	netns_add P S && veth P eth0 init to_p && veth S eth0 init to_s &&
		bridge_add init lan to_p to_s &&
		ip addr add 192.0.2.1/24 dev lan && ip addr add 10.0.0.1/32 dev lan &&
		ns P ip addr add 192.0.2.2/24 dev eth0 &&
		ns S ip addr add 192.0.2.3/24 dev eth0 &&
		poll 20 ns P ping -c 1 -W 1 192.0.2.1 &&
		poll 20 ns S ping -c 1 -W 1 192.0.2.1
}

peer() { # [INNER-SOURCE [ARGUMENT-OF-CRAFT...]]
	fate P 192.0.2.2 192.0.2.1 "${1:-10.9.0.2}" 10.0.0.1 "${@:2}"
}

unknown() {
	fate S 192.0.2.3 192.0.2.1 "${1:-10.9.0.3}" 10.0.0.1 "${@:2}"
}

state() { sed -n 's/^accept //p' /proc/net/ipip; }
count() { awk -v name="$1" '$1 == name { print $2 }' /proc/net/ipip; }

set_accept() { echo "$1" >"$accept"; }

endpoint_p() {
	ip addr add 10.8.0.1 peer 192.0.2.2 dev tunl
}

# ---- auto ------------------------------------------------------------------

auto_open() {
	klog_mark
	must load ipip
	check_eq "auto begins open" "$(state)" "auto (open)"
	check_eq "and lets an unknown source in, where it came in" "$(unknown)" delivered_ingress+1
	check_eq "once more" "$(peer)" delivered_ingress+1
	check_eq "with one line in the log" "$(klog_count decapsulating)" 1
	check "which names him and the switch" \
		klog_has 'decapsulating for 192\.0\.2\.3.*net\.ipv4\.ipip\.accept=peers'
	must load tunnel
	check_eq "a tunl that is not configured does not close it" "$(state)" "auto (open)"
}

auto_latch() {
	must endpoint_p
	check_eq "a pointopoint address closes auto" "$(state)" "auto (peers)"
	check "with a line in the log" klog_has 'tunl is configured.*net\.ipv4\.ipip\.accept=any'
	check_eq "then an unknown source is refused" "$(unknown)" drop_refused+1
	check_eq "and the endpoint of a tunl that is down is one" "$(peer)" drop_refused+1
	must ip link set tunl up
	check_eq "when it is up its endpoint is believed" "$(peer)" delivered_device+1
	check_eq "and nobody else" "$(unknown)" drop_refused+1
	check_not "a value that is none is refused" set_accept nobody
	check_eq "and does not open it again" "$(state)" "auto (peers)"
}

# ioctls take an address away and put the changed one back.
auto_replace() {
	local i before refused

	before=$(count delivered_ingress) refused=$(count drop_refused)
	background flood S "$TUNL_TOP/tests/craft" 192.0.2.3 192.0.2.1 10.9.0.3 10.0.0.1 seconds=60
	poll 20 test "$(count drop_refused)" -gt "$refused"
	for i in 1 2 3 4 5; do
		ifconfig tunl pointopoint "192.0.2.1$i"
		ifconfig tunl pointopoint 192.0.2.2
	done
	ip addr flush dev tunl
	endpoint_p
	kill "$last_pid"
	wait "$last_pid" 2>/dev/null
	check "the unknown source kept sending while the endpoint was replaced ten times" \
		test "$(count drop_refused)" -gt $((refused + 100))
	check_eq "not one came through" "$(count delivered_ingress)" "$before"
	check_eq "the endpoint is believed again" "$(peer)" delivered_device+1
}

auto_stays() {
	must ip link del tunl
	check_eq "auto stays closed after the tunnel is deleted" "$(unknown)" drop_refused+1
	must unload tunnel
	check_eq "and after tunnel.ko is gone" "$(unknown)" drop_refused+1
	check_eq "which makes the endpoint an unknown source" "$(peer)" drop_refused+1
	must set_accept auto
	check_eq "writing auto opens it again" "$(unknown) $(state)" "delivered_ingress+1 auto (open)"
}

auto_other_ways() {
	must load tunnel
	must ip link set tunl up
	check_eq "bringing a tunl up closes auto" "$(state)" "auto (peers)"
	must unload tunnel
	must set_accept auto
	must load tunnel
	check_eq "armed again" "$(state)" "auto (open)"
	must ip link set tunl broadcast 192.0.2.2
	check_eq "an explicit remote closes auto" "$(state)" "auto (peers)"
	must unload ipip
	must load ipip
	check_eq "a tunl configured before ipip.ko came closes auto" "$(state)" "auto (peers)"
	must unload
}

# Somebody who asks for a tunnel device has both modules loaded, tunnel.ko first.
auto_loaded_second() {
	klog_mark
	must load tunnel
	must load ipip
	check_eq "loaded when there was a tunl, auto begins closed" "$(state)" "auto (peers)"
	check_eq "with one line in the log, which says what opens it" \
		"$(klog_count 'ipip: loaded after tunl: .*writing auto to net\.ipv4\.ipip\.accept')" 1
	check_eq "and an unknown source is refused" "$(unknown)" drop_refused+1
	must set_accept auto
	check_eq "writing auto opens it" "$(unknown) $(state)" "delivered_ingress+1 auto (open)"
	must unload ipip
	must ip link del tunl
	must load ipip
	check_eq "tunnel.ko without any device closes nothing" "$(state)" "auto (open)"
	must unload

	must load tunnel
	must ip link del tunl
	must ip -n S link add own type tunl
	must load ipip accept=auto
	must netns_add later
	check_eq "a device in one namespace closes auto in all" \
		"$(state); $(ns P head -n 1 /proc/net/ipip); $(ns S head -n 1 /proc/net/ipip)" \
		"auto (peers); accept auto (peers); accept auto (peers)"
	check_eq "also in one that is made later" "$(ns later head -n 1 /proc/net/ipip)" "accept auto (peers)"
	must ns P sysctl -qw net.ipv4.ipip.accept=auto
	check_eq "writing auto opens that one" \
		"$(ns P head -n 1 /proc/net/ipip), $(ns S head -n 1 /proc/net/ipip)" \
		"accept auto (open), accept auto (peers)"
	must unload
	ip netns delete later
}

# ---- peers and any, the parameters, other namespaces -----------------------

peers_and_any() {
	must load ipip
	must set_accept peers
	check_eq "peers: an unknown source is refused, with no tunl there" "$(unknown) $(state)" \
		"drop_refused+1 peers"
	must load tunnel
	must endpoint_p
	must ip link set tunl up
	check_eq "peers: the endpoint is believed" "$(peer)" delivered_device+1
	must set_accept any
	check_eq "any: an unknown source is let in beside a configured tunl" "$(unknown) $(state)" \
		"delivered_ingress+1 any"
	check_eq "any: the endpoint's packets still arrive on tunl" "$(peer)" delivered_device+1
	must unload
}

settings() { # NS
	ns "$1" sysctl -n net.ipv4.ipip.accept net.ipv4.ipip.deliver net.ipv4.ipip.refuse | paste -sd ' '
}

parameter() { cat "/sys/module/ipip/parameters/$1"; }

parameters() {
	local value

	must load ipip
	must netns_add later
	check_eq "a namespace that was there begins with peers" "$(settings P)" "peers device silent"
	check_eq "and so does a later one" "$(settings later)" "peers device silent"
	for value in nobody '' 'any peers' ANY; do
		check_not "accept='$value' is refused" set_accept "$value"
		check_not "deliver='$value' is refused" \
			sysctl -qw "net.ipv4.ipip.deliver=$value"
		check_not "refuse='$value' is refused" \
			sysctl -qw "net.ipv4.ipip.refuse=$value"
	done
	check_eq "after that all is as it was" "$(settings init)" "auto device silent"
	must unload
	ip netns delete later

	klog_mark
	check_not "ipip.ko does not load with accept=nobody" load ipip accept=nobody
	check "and says why" klog_has 'ipip: accept=nobody'
	check_not "nor with deliver=nowhere" load ipip deliver=nowhere
	check_not "nor with refuse=politely" load ipip refuse=politely
	must load ipip accept=any deliver=ingress refuse=unreachable
	must netns_add later
	check_eq "parameters hold in the first namespace" "$(settings init)" "any ingress unreachable"
	check_eq "in one that was there" "$(settings P)" "any ingress unreachable"
	check_eq "in a later one" "$(settings later)" "any ingress unreachable"
	check_eq "and read back" "$(parameter accept) $(parameter deliver) $(parameter refuse)" \
		"any ingress unreachable"
	must unload
	must load ipip accept=auto
	check_eq "accept=auto holds for all, too" "$(settings P)" "auto device silent"
	check_eq "a parameter that was not given reads back as nothing" \
		"$(parameter accept),$(parameter deliver)" "auto,"
	must unload
}

# Somebody who is root in a namespace of his own and nobody outside.
as_nobody() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

container_root() {
	must load ipip
	# shellcheck disable=SC2016
	check_eq "root of a container opens his own namespace" \
		"$(as_nobody unshare -Urn sh -c "echo any >$accept; cat $accept" 2>&1)" any
	check_eq "not ours" "$(cat "$accept")" auto
	check_not "and may not write to ours" \
		as_nobody unshare -Ur sh -c "echo any >$accept"
	check_eq "which did not change" "$(cat "$accept")" auto
	must unload
}

# A namespace of its own, of which the log says which.
elsewhere() {
	local inode

	must load ipip
	inode=$(ns S stat -Lc %i /proc/self/ns/net)
	klog_mark
	must ns P "$TUNL_TOP/tests/craft" 192.0.2.2 192.0.2.3 10.9.0.2 10.0.0.1
	check_eq "a namespace without tunnels refuses" \
		"$(poll 10 ns S grep -q 'drop_refused 1' /proc/net/ipip && ns S grep -c '[^0-9]0$' /proc/net/ipip)" \
		"$(($(wc -l </proc/net/ipip) - 2))"
	check "and the log says which" klog_has "ipip: netns $inode: refused a packet of 192\.0\.2\.2"
	must ns S sysctl -qw net.ipv4.ipip.accept=any
	must ns P "$TUNL_TOP/tests/craft" 192.0.2.2 192.0.2.3 10.9.0.2 192.0.2.3
	check "or believes, and says which" poll 10 klog_has "ipip: netns $inode: decapsulating for 192\.0\.2\.2"
	must unload
}

# ---- refusals --------------------------------------------------------------

heard() { # what H sent to S
	tcpdump -ntr "$tmp/answers.pcap" 2>/dev/null
}

answered() { heard | grep unreachable; }

# The check for silence would see an answer.
loud() {
	must capture S eth0 "$tmp/answers.pcap" icmp and src 192.0.2.1
	ns S "$TUNL_TOP/tests/craft" 192.0.2.3 192.0.2.1 10.9.0.3 10.0.0.1
	check "$1 tells the unknown source" poll 10 answered
	capture_stop "$capture_pid"
}

silent() {
	must capture S eth0 "$tmp/answers.pcap" icmp and src 192.0.2.1
	klog_mark
	check_eq "$1: 50 refusals are counted" "$(unknown 10.9.0.3 count=50)" drop_refused+50
	check_eq "$1: logged once" "$(klog_count 'refused a packet of')" 1
	check "$1: with the switch" \
		klog_has 'refused a packet of 192\.0\.2\.3.*net\.ipv4\.ipip\.accept=any'
	capture_stop "$capture_pid"
	check_eq "$1: and answered with silence" "$(heard)" ""

	must sysctl -qw net.ipv4.ipip.refuse=unreachable
	must capture S eth0 "$tmp/answers.pcap" icmp and src 192.0.2.1
	check_eq "$1: refuse=unreachable refuses" "$(unknown)" drop_refused+1
	check "$1: and answers as a host without any tunnel" \
		poll 10 eval 'heard | grep "192.0.2.1 protocol 4 unreachable"'
	capture_stop "$capture_pid"
	# Answers that are wrapped and come back would be answered for ever.
	must capture S eth0 "$tmp/answers.pcap" icmp and src 192.0.2.1
	check_eq "$1: a wrapper in a wrapper is refused" \
		"$(unknown 10.9.0.3 wrappers=2)" drop_refused+1
	sleep 1
	capture_stop "$capture_pid"
	check_eq "$1: and not answered" "$(heard)" ""
	# Nor what may be an error itself; the echo request comes last, and has its answer.
	must capture S eth0 "$tmp/answers.pcap" icmp and src 192.0.2.1
	check_eq "$1: an ICMP error, a later fragment and an echo request are refused" \
		"$(unknown 10.9.0.3 icmp=3) $(unknown 10.9.0.3 icmp=8 frag=5) $(unknown 10.9.0.3 icmp=8)" \
		"drop_refused+1 drop_refused+1 drop_refused+1"
	check "$1: the echo request is answered" poll 10 answered
	capture_stop "$capture_pid"
	check_eq "$1: and nothing else is" "$(answered | wc -l)" 1
	must sysctl -qw net.ipv4.ipip.refuse=silent
}

refusals() {
	loud "a kernel without ipip"
	must load ipip accept=peers
	silent "protocol 4 alone"
	must unload
	must modprobe tunnel4
	loud "a kernel with tunnel4 alone"
	must load ipip accept=peers
	silent "protocol 4 shared"
	must load tunnel
	must endpoint_p
	must ip link set tunl up
	check_eq "protocol 4 shared: the endpoint is believed" "$(peer)" delivered_device+1
	must set_accept any
	check_eq "protocol 4 shared: any lets an unknown source in" "$(unknown)" delivered_ingress+1
	must unload
	must rmmod tunnel4
}

# ---- gateway mode ----------------------------------------------------------

# The route back to the inner source has to lead to the outer one.
gateway_mode() {
	must load ipip accept=peers
	must load tunnel
	must ip link set tunl up
	must ip route add 10.1.0.0/16 via 192.0.2.2 dev tunl onlink
	must ip route add 10.2.0.0/16 via 192.0.2.3 dev tunl onlink
	check_eq "gateway: what is routed to a peer may come from it" "$(peer 10.1.0.5)" delivered_device+1
	check_eq "gateway: for each its own" "$(unknown 10.2.0.5)" delivered_device+1
	check_eq "gateway: a source routed to another peer is refused" "$(peer 10.2.0.5)" drop_refused+1
	check_eq "gateway: the other way round, too" "$(unknown 10.1.0.5)" drop_refused+1
	check_eq "gateway: so is a source without a route" "$(peer 10.77.0.5)" drop_refused+1
	check_eq "gateway: one of our own" "$(peer 10.0.0.1)" drop_refused+1
	check_eq "gateway: nobody is not a peer" \
		"$(fate S 0.0.0.0 255.255.255.255 10.1.0.5 10.0.0.1 link=eth0)" drop_refused+1
	check_eq "gateway: one on the wire itself" "$(peer 192.0.2.3)" drop_refused+1

	must ip route add blackhole 10.3.0.0/16
	check_eq "gateway: a blackhole leads nowhere" "$(peer 10.3.0.5)" drop_refused+1
	must ip route del blackhole 10.3.0.0/16
	must ip route add 10.4.0.0/16 via 192.0.2.2 dev lan
	check_eq "gateway: nor does the right gateway on another device" "$(peer 10.4.0.5)" drop_refused+1
	must ip route add 10.5.0.0/16 nexthop via 192.0.2.2 dev tunl onlink \
		nexthop via 192.0.2.3 dev tunl onlink
	check_eq "gateway: of two peers in one route both may send" \
		"$(peer 10.5.0.5) $(unknown 10.5.0.5)" "delivered_device+1 delivered_device+1"
	check_eq "gateway: but no third" \
		"$(fate S 192.0.2.4 192.0.2.1 10.5.0.5 10.0.0.1)" drop_refused+1
	must ip route add 10.6.0.0/16 nexthop via 192.0.2.2 dev tunl onlink \
		nexthop via 192.0.2.3 dev lan
	check_eq "gateway: a way past the tunnel does not shut the peer out" "$(peer 10.6.0.5)" delivered_device+1
	check_eq "gateway: nor does it let its own gateway in" "$(unknown 10.6.0.5)" drop_refused+1
	must ip link add second type tunl
	must ip link set second up
	must ip route add 10.9.0.0/16 nexthop via 192.0.2.2 dev tunl onlink \
		nexthop via 192.0.2.3 dev second onlink
	must capture init second "$tmp/second.pcap" udp
	check_eq "gateway: a route through two tunnels lets in the peer of each" \
		"$(peer 10.9.0.5) $(unknown 10.9.0.5)" "delivered_device+1 delivered_device+1"
	capture_stop_after 1 "$tmp/second.pcap"
	check_eq "gateway: on its own tunnel" \
		"$(tcpdump -nr "$tmp/second.pcap" 2>/dev/null | wc -l)" 1
	must ip link del second
	must ip nexthop add id 2 via 192.0.2.2 dev tunl onlink
	must ip nexthop add id 3 via 192.0.2.3 dev tunl onlink
	must ip nexthop add id 23 group 2/3
	must ip route add 10.10.0.0/16 nhid 23
	check_eq "gateway: a group of nexthops does as well" \
		"$(peer 10.10.0.5) $(unknown 10.10.0.5)" "delivered_device+1 delivered_device+1"
	must ip nexthop del id 3
	check_eq "gateway: and its member no more, when it has left" \
		"$(peer 10.10.0.5) $(unknown 10.10.0.5)" "delivered_device+1 drop_refused+1"

	must ip link add other type dummy
	must ip link set other up
	must ip route add 10.7.0.0/16 nexthop via 192.0.2.2 dev tunl onlink \
		nexthop via 192.0.2.3 dev other onlink
	check_eq "gateway: nor does a nexthop on another device" "$(peer 10.7.0.5)" delivered_device+1
	must ip link set other down
	check_eq "gateway: nor a dead one" "$(peer 10.7.0.5)" delivered_device+1
	must ip nexthop add id 7 via 192.0.2.2 dev tunl onlink
	must ip route add 10.8.0.0/16 nhid 7
	check_eq "gateway: a nexthop object does as well" "$(peer 10.8.0.5)" delivered_device+1

	must ip route add default via 192.0.2.2 dev tunl onlink
	check_eq "gateway: the default route trusts a peer with every source left" \
		"$(peer 10.77.0.5)" delivered_device+1
	check_eq "gateway: with no other's" "$(peer 10.2.0.5)" drop_refused+1
	must ip link set tunl down
	check_eq "gateway: down, it believes nobody" "$(peer 10.1.0.5)" drop_refused+1
	must unload
}

# How often a table is asked for the way back to an address, while something runs.
lookups() { # TABLE ADDRESS COMMAND...
	local tracing=/sys/kernel/tracing

	: >$tracing/trace
	echo 1 >$tracing/events/fib/fib_table_lookup/enable
	"${@:3}" >/dev/null
	echo 0 >$tracing/events/fib/fib_table_lookup/enable
	grep -c "fib_table_lookup: table $1 .*-> $2/" $tracing/trace
}

# One look for each VRF and netns that has gateway-mode devices, however many those are.
gateway_contexts() {
	local i

	modprobe -q vrf || { note "no VRFs here"; return; }
	[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
	must load ipip accept=peers
	must load tunnel
	must ip link add red type vrf table 10
	must ip link add blue type vrf table 20
	for i in {1..50}; do
		printf 'link add r%d type tunl\nlink set r%d master red up\n' "$i" "$i"
		printf 'link add b%d type tunl\nlink set b%d master blue up\n' "$i" "$i"
		printf 'link add c%d type tunl\nlink set c%d netns S\n' "$i" "$i"
	done >"$tmp/devices"
	must ip -batch "$tmp/devices"
	for i in {1..50}; do echo "link set c$i up"; done >"$tmp/devices"
	must ip -n S -batch "$tmp/devices"
	must ip link set red up
	must ip link set blue up
	check_eq "contexts: 50 devices in each of two VRFs cost one lookup each" \
		"$(lookups 10 10.1.0.5 peer 10.1.0.5) $(lookups 20 10.1.0.5 peer 10.1.0.5)" "1 1"
	# Where a VRF has no route, the main table is asked.
	check_eq "contexts: so do 50 in a namespace" "$(lookups 254 10.1.0.5 peer 10.1.0.5)" 3
	must ip route add 10.1.0.0/16 via 192.0.2.2 dev b50 onlink table 20
	check_eq "contexts: a route of the second names the peer" "$(peer 10.1.0.5)" delivered_device+1
	must ip -n S route add 10.2.0.0/16 via 192.0.2.2 dev c1 onlink
	check_eq "contexts: a route of the namespace, too" "$(peer 10.2.0.5)" delivered_device+1
	must ip route add 10.3.0.0/16 via 192.0.2.2 dev b1 onlink table 10
	check_eq "contexts: not one of a VRF that the device is not in" "$(peer 10.3.0.5)" drop_refused+1
	must ip link set b1 master red
	must ip route replace 10.3.0.0/16 via 192.0.2.2 dev b1 onlink table 10
	check_eq "contexts: until it is, while it is up" "$(peer 10.3.0.5)" delivered_device+1
	must ip link del red
	must ip link del blue
	check_eq "contexts: without any VRF, the main table is asked for all" "$(peer 10.1.0.5)" drop_refused+1
	must ip route add 10.1.0.0/16 via 192.0.2.2 dev b50 onlink
	check_eq "contexts: and followed" "$(peer 10.1.0.5)" delivered_device+1
	must ip rule del pref 1000 # the first VRF's
	must unload
}

ktap_begin
must topology
auto_open
auto_latch
auto_replace
auto_stays
auto_other_ways
auto_loaded_second
peers_and_any
parameters
container_root
elsewhere
refusals
gateway_mode
gateway_contexts
ktap_end
