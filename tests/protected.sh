#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=90
#
# A tunnel whose outer packets IPsec protects: its MTU leaves room for what the SA takes,
# and does not follow what a forged error has the kernel learn.
#
#   a (eth0 10.0.1.1, tunl) ═══ ESP ═══ (eth0 10.0.1.2) b
. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

KEY=0x000102030405060708090a0b0c0d0e0f10111213
SPI=4660

topology() {
	netns_add a b && veth a eth0 b eth0 && ip -n a addr add 10.0.1.1/24 dev eth0 &&
		ip -n b addr add 10.0.1.2/24 dev eth0 && poll 10 ns b ping -c 1 -W 1 10.0.1.1
}

protect() {
	ip -n a xfrm state add src 10.0.1.1 dst 10.0.1.2 proto esp spi "$SPI" mode transport \
		aead 'rfc4106(gcm(aes))' "$KEY" 128 &&
		ip -n a xfrm policy add src 10.0.1.1 dst 10.0.1.2 proto 4 dir out \
			tmpl proto esp mode transport
}

# From anybody who has seen an ESP packet, or guesses the SPI.
forged() { # MTU
	ns b /usr/bin/python3 -IS - "$1" "$SPI" <<-'END'
		import socket, struct, sys
		mtu, spi = map(int, sys.argv[1:])
		def checksum(data):
		    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
		    while total >> 16:
		        total = (total & 0xffff) + (total >> 16)
		    return ~total & 0xffff
		quote = struct.pack("!BBHHHBBH4s4sII", 0x45, 0, 1400, 1, 0x4000, 64, 50, 0,
		                    socket.inet_aton("10.0.1.1"), socket.inet_aton("10.0.1.2"), spi, 1)
		error = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quote
		error = error[:2] + struct.pack("!H", checksum(error)) + error[4:]
		socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).sendto(
		    error, ("10.0.1.1", 0))
	END
}

learned() { ip -n a route get 10.0.1.2 | grep 'mtu 600'; }

# Changes routes until the tunnel has looked: a second change is looked at after the first.
looks_again() {
	local i
	for i in 1 2 3; do
		ip -n a route replace "10.77.0.$i" dev eth0 src 10.0.1.1 metric "$RANDOM" && sleep 0.3 || return
	done
	ip -n a link set tunl down && ip -n a link set tunl up
}

load tunnel
must topology
must tunl_add a tunl 10.9.0.1 10.0.1.2
check_eq "without IPsec the MTU leaves room for the outer header" "$(mtu a tunl)" 1480
must protect
must looks_again
with_esp=$(mtu a tunl)
note "MTU with ESP: $with_esp"
check "the MTU leaves room for ESP, too" test "$with_esp" -lt 1470 -a "$with_esp" -gt 1400
must ip -n a route add 10.5.0.0/16 dev tunl
sent=$(dev_counter a tunl tx_packets)
ns a ping -M "do" -c 1 -W 0.2 -s "$((with_esp - 28))" 10.5.0.1 >/dev/null 2>&1
check_eq "a packet of that size is sent, whole" \
	"$(($(dev_counter a tunl tx_packets) - sent)) $(snmp a Ip FragCreates)" "1 0"
must forged 600
check "the kernel learns a path MTU from the forged error" poll 5 learned
must looks_again
check_eq "the tunnel's MTU is as before" "$(mtu a tunl)" "$with_esp"
must ip -n a route flush cache
must ip -n a xfrm state flush
must looks_again
check_eq "and so it is while the SA is missing" "$(mtu a tunl)" "$with_esp"
ktap_end
