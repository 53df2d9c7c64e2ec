#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=120
#
# What a packet takes along through a tunnel whose device has moved to another
# namespace than its underlay: its bytes, and when it is to leave.  Beside it, one
# that has not moved.
#
#     own 10.9.1.1 ── a ── eth0 10.0.1.1 ═══ 10.0.1.2 eth0 ── b
#   given 10.9.0.1 ── m (given was made in a)        tunl 10.9.0.2, 10.9.1.2

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

load ipip
load tunnel
netns_add a b m
veth a eth0 b eth0
ip -n a addr add 10.0.1.1/24 dev eth0
ip -n a addr add 10.0.1.3/24 dev eth0
ip -n b addr add 10.0.1.2/24 dev eth0
# Two from b, by a's two addresses.
ip -n a link add given type tunl
ip -n a link set given address 10.0.1.3 broadcast 10.0.1.2
ip -n a link set given netns m
ip -n m addr add 10.9.0.1/32 dev given
ip -n m link set given up
ip -n m route add 10.9.0.2 dev given
ip -n a link add own type tunl
ip -n a link set own address 10.0.1.1 broadcast 10.0.1.2 up
ip -n a addr add 10.9.1.1/32 dev own
ip -n a route add 10.9.1.2 dev own
tunl_add b tunl 10.9.0.2 10.0.1.3
ip -n b route add 10.9.0.1 dev tunl
tunl_add b other 10.9.1.2 10.0.1.1
ip -n b route add 10.9.1.1 dev other

# Marked where it enters, counted where the wrapper leaves; and the reverse.
marks='meta priority set 1:7 meta mark set 7'
rules() { # CHAIN MATCH ADDRESSES-OF-THAT-LAYER
	printf "add rule ip cross $1 $2 %s\n" "meta mark 7 counter name with_mark" \
		"meta priority 1:7 counter name with_priority" \
		"ct original ip saddr $3 counter name with_connection" "counter name with_all"
}
for ns in a m; do
	ns $ns nft -f - <<-END
		table ip cross {
			counter with_mark { }
			counter with_priority { }
			counter with_connection { }
			counter with_all { }
			chain set_out { type filter hook output priority 0; ip protocol icmp $marks; }
			chain set_in { type filter hook prerouting priority 0; ip protocol 4 $marks; }
			chain out { type filter hook output priority 100; }
			chain in { type filter hook input priority 100; }
		}
	END
done
rules out "ip protocol 4" 10.0.1.0/24 | ns a nft -f -
for ns in a m; do
	rules in "iifname { given, own } ip protocol icmp" 10.9.0.0/16 | ns $ns nft -f -
done
counted() { # NS: and begin anew
	ns "$1" nft reset counters table ip cross | awk '
		/^\tcounter/ { name = $2 } /packets/ { n[name] = $2 }
		END { print "mark " n["with_mark"] " priority " n["with_priority"] " connection " n["with_connection"] " of " n["with_all"] }'
}
counted a >/dev/null
counted m >/dev/null

echoes() { ns "$1" ping -n -q -c 3 -i 0.1 -W 5 "$2"; }
check "own: three echoes" echoes a 10.9.1.2
# Three wrappers out, three answers in, by the same table: both are marked.
check_eq "own: mark and priority go along, to the wrapper and from it; each has a connection of its own" \
	"$(counted a)" "mark 6 priority 6 connection 6 of 6"
check "given: three echoes" echoes m 10.9.0.2
check_eq "given: nothing goes along to the wrapper" "$(counted a)" "mark 0 priority 0 connection 3 of 3"
check_eq "given: nor from it" "$(counted m)" "mark 0 priority 0 connection 3 of 3"

# When a wrapper was received is what its interface saw; of what crosses, the device it
# arrives on says anew.
times() { # NS DEV TO: whether the device's receive time is the wrapper's
	/usr/bin/python3 -IS - "$@" <<-'END'
		import ctypes, socket, struct, sys

		SO_TIMESTAMPNS = 35
		libc = ctypes.CDLL(None)

		def enter(netns):
		    with open("/run/netns/" + netns) as there:
		        libc.setns(there.fileno(), 0x40000000)

		def tap(netns, dev):
		    enter(netns)
		    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
		    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
		    sock.settimeout(5)
		    sock.bind((dev, 0x0800))
		    return sock

		def received(sock, token):
		    while True:
		        data, ancillary, _, _ = sock.recvmsg(2000, 200)
		        if token in data:
		            return [value for _, kind, value in ancillary if kind == SO_TIMESTAMPNS]

		netns, dev, to = sys.argv[1:4]
		wire, device = tap("a", "eth0"), tap(netns, dev)
		enter("b")
		sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		# the core begins to take times a moment after it is asked to
		for number in range(20):
		    token = b"at what time %d" % number
		    sender.sendto(token, (to, 9))
		    outer, inner = received(wire, token), received(device, token)
		    if outer and inner and number > 9:
		        print("the wrapper's" if outer == inner else "its own")
		        break
	END
}
check_eq "own: the wrapper's receive time" "$(times a own 10.9.1.1)" "the wrapper's"
check_eq "given: a receive time of its own" "$(times m given 10.9.0.1)" "its own"

# When to leave is the sender's to say, and goes along as through any veth, or a
# container would lose its pacing; 6.1 does that for TCP only.
ns a tc qdisc replace dev eth0 root fq
delay() { # NS TO: ms until it arrives, of a packet that is to leave in one second
	/usr/bin/python3 -IS - "$@" <<-'END'
		import ctypes, socket, struct, sys, time

		SO_TXTIME = SCM_TXTIME = 61
		libc = ctypes.CDLL(None)

		def udp(netns):
		    with open("/run/netns/" + netns) as there:
		        libc.setns(there.fileno(), 0x40000000)
		    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

		receiver = udp("b")
		receiver.bind((sys.argv[2], 9))
		receiver.settimeout(5)
		sender = udp(sys.argv[1])
		sender.setsockopt(socket.SOL_SOCKET, SO_TXTIME,
		                  struct.pack("ii", time.CLOCK_MONOTONIC, 0))
		now = time.monotonic_ns()
		sender.sendmsg([b"later"], [(socket.SOL_SOCKET, SCM_TXTIME,
		               struct.pack("Q", now + 10**9))], 0, (sys.argv[2], 9))
		receiver.recv(100)
		print((time.monotonic_ns() - now) // 10**6)
	END
}
check "own: a packet leaves when it asked to" test "$(delay a 10.9.1.2)" -ge 950
late=$(delay m 10.9.0.2)
case $(uname -r) in
6.1.*) check "given: as through a veth of this kernel, at once" test "$late" -lt 700 ;;
*) check "given: as through a veth of this kernel, so does one" test "$late" -ge 950 ;;
esac

ktap_end
