#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=90
#
# A router on the way clears DF and fragments, and some fragments are lost: what arrives
# is no mixture of two packets. Each packet is of one byte, and without a checksum.
#
# The last part of every eighth goes.
#
#   a (eth1 10.0.1.1) ═══ r (clears DF) ═══ MTU 600 ═══ (10.0.2.1 eth0, loses fragments) b
. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

PACKETS=600

topology() {
	path_of_four && ip -n r link set eth1 mtu 600 &&
		ns r nft -f - <<-'END' &&
			table ip clears {
				chain prerouting {
					type filter hook prerouting priority 0
					ip protocol 4 counter ip frag-off set ip frag-off & 0xbfff
				}
			}
		END
		ns b nft -f - <<-'END'
			table ip loses {
				chain prerouting {
					type filter hook prerouting priority -500
					ip frag-off & 0x1fff != 0 @nh,160,8 & 7 == 0 counter drop
				}
			}
		END
}

tunnels() {
	tunl_add a tunl 10.9.0.1 10.0.2.1 && tunl_add b tunl 10.9.0.2 10.0.1.1 &&
		ip -n a route add 10.9.0.2 dev tunl && ip -n b route add 10.9.0.1 dev tunl
}

receive() { # until nothing has come for two seconds: WHOLE MIXED
	ns b /usr/bin/python3 -IS - >"$tmp/received" <<-'END'
		import socket
		sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 24) # SO_RCVBUFFORCE
		sock.bind(("10.9.0.2", 9))
		sock.settimeout(20)
		whole = mixed = 0
		print("ready", flush=True)
		try:
		    while True:
		        data = sock.recv(2000)
		        if data == b"end":
		            break
		        same = data.count(data[0]) == len(data)
		        whole, mixed = whole + same, mixed + (not same)
		except TimeoutError:
		    pass
		print(whole, mixed)
	END
}

send() {
	ns a /usr/bin/python3 -IS - "$PACKETS" <<-'END'
		import socket, sys
		sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		sock.setsockopt(socket.SOL_SOCKET, 11, 1) # SO_NO_CHECK
		for i in range(int(sys.argv[1])):
		    sock.sendto(bytes([i % 251]) * 1000, ("10.9.0.2", 9))
		sock.sendto(b"end", ("10.9.0.2", 9))
	END
}

counted() { ns "$1" nft -j list ruleset | grep -o '"packets": [0-9]*' | sed 's/.*: //'; } # NS

load ipip
load tunnel
must topology
must tunnels
receive &
must poll 20 grep -q ready "$tmp/received"
must send
wait $!
read -r whole mixed < <(tail -n 1 "$tmp/received")
note "$(counted r) outer packets had DF cleared, $(counted b) fragments were lost: $whole whole, $mixed mixed"
check "fragments were lost, and packets arrived all the same" \
	test "$(counted b)" -ge 50 -a "$whole" -ge $((PACKETS / 4))
check_eq "none is put together of two" "$mixed" 0
ktap_end
