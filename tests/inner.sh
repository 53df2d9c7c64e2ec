#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=120
#
# With a fixed endpoint the core lets go of an inner packet's route before it is
# sent; for an error it is found again, as it was found, whatever chose it.
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
#                             └── tunl 10.9.0.1

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

load tunnel
path_of_four
sysctl_set a net.ipv4.icmp_ratelimit 0
tunl_add a tunl 10.9.0.1 10.0.2.1
ip -n b route del 10.0.1.0/24 # it has no word in this
# Packets that fit the device and not the path.
ip -n a link set tunl mtu 1400
ip -n a route replace 10.0.2.0/24 via 10.0.1.254 mtu 1280
# Where packets for here go is for a rule to say.
ip -n a route add 10.7.0.0/16 dev tunl table 7
ip -n a route add blackhole 10.7.0.0/16

# What the sender of a packet is told: by whom, of what size, about which source.
told() { # FROM TO ARGUMENT-OF-WIRE...
	wire carry "$1" "$2" df=1 size=1370 wait=0.5 "${@:3}" | awk '
		$1 == "lost" { print; exit }
		{
			for (i = 1; i <= NF; i++) {
				split($i, field, "=")
				value[field[1]] = field[2]
			}
			print value["icmp"], "mtu", value["icmp.info"], "from", value["src"], "about", value["quote.src"]
		}'
}
from_h() { told h h/eth0 src=10.1.0.2 dst=10.7.0.1; }
own() { # PING-OPTION...
	ns a ping -n -M "do" -c 1 -W 1 -s 1370 "$@" 10.7.0.1 2>&1 |
		sed -n 's/.*mtu = \([0-9]*\)).*/\1/p'
}
answer="3/4 mtu 1260 from 10.1.0.1 about 10.1.0.2"

check_eq "no rule, no way: not ours to tell" "$(from_h)" lost
ip -n a rule add iif eth0 lookup 7
check_eq "forwarded, routed by the interface it came in by" "$(from_h)" "$answer"
check_eq "which this host's own are not" "$(own)" ""
ip -n a rule del iif eth0
check_eq "counted as too big" "$(tx_counter a tunl tx_drop_too_big)" 1

ip -n a rule add fwmark 7 lookup 7
ns a nft -f - <<-'END'
	table ip filter { chain pre {
		type filter hook prerouting priority mangle;
		iifname eth0 meta mark set 7
	}; }
END
forget a
check_eq "forwarded, routed by a mark" "$(from_h)" "$answer"
forget a
check_eq "its own, routed by a mark" "$(own -m 7)" 1260
check_eq "and without" "$(own)" ""

ns a nft -f - <<-'END'
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat;
			oifname tunl masquerade
		}
	}
END
forget a
check_eq "with another source than it came with" "$(from_h)" "$answer"
ns a nft delete table ip nat

ip -n a rule add uidrange 65534-65534 lookup 7
forget a
by_nobody() {
	ns a setpriv --reuid 65534 --clear-groups python3 -IS - 10.7.0.1 <<-'END'
		import errno, socket, sys, time
		sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		sock.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
		sock.connect((sys.argv[1], 9))
		try:
		    sock.send(bytes(1370))
		except OSError as error:
		    if error.errno != errno.EMSGSIZE:
		        raise
		time.sleep(0.3)
		print(sock.getsockopt(socket.IPPROTO_IP, 14))  # IP_MTU
	END
}
check_eq "its own, routed by the user whose it is" "$(by_nobody)" 1260
ip -n a rule del uidrange 65534-65534

# --- redirected past routing

ip -n a route add 10.6.0.0/16 via 10.0.1.254
must tc -n a qdisc add dev eth0 clsact
must tc -n a filter add dev eth0 ingress protocol ip matchall action mirred egress redirect dev tunl
forget a
check_eq "redirected to the tunnel, routed elsewhere" "$(told h h/eth0 src=10.1.0.2 dst=10.6.0.1)" "$answer"
check_not "the route that it did not take has learned nothing" grep mtu <<<"$(ip -n a route get 10.6.0.1)"
too_big=$(tx_counter a tunl tx_drop_too_big)
check_eq "redirected to the tunnel, and for its own address: nobody is told" \
	"$(told h h/eth0 src=10.1.0.2 dst=10.9.0.1)" lost
check_eq "counted as too big, too" "$(tx_counter a tunl tx_drop_too_big)" $((too_big + 1))
tc -n a qdisc del dev eth0 clsact
ip -n a route del 10.6.0.0/16

# --- what this host has made its own on the way

ip -n a route add 10.9.0.2 dev tunl
ip -n a route add 10.5.0.0/16 dev tunl
ip -n a xfrm state add src 10.9.0.1 dst 10.9.0.2 proto esp spi 5 mode tunnel \
	enc 'ecb(cipher_null)' '' auth digest_null ''
ip -n a xfrm policy add src 10.1.0.0/24 dst 10.5.0.0/16 dir out \
	tmpl src 10.9.0.1 dst 10.9.0.2 proto esp mode tunnel
ip -n a xfrm policy add src 10.1.0.0/24 dst 10.5.0.0/16 dir fwd action allow
forget a
encrypted() { told h h/eth0 src=10.1.0.2 dst=10.5.0.1 size=1280; }
check_eq "encrypted: the first is too big for the path, which IPsec learns" "$(encrypted)" lost
check_eq "encrypted: and the next one's sender" "$(encrypted | sed 's/mtu [0-9]*/smaller/')" \
	"3/4 smaller from 10.1.0.1 about 10.1.0.2"
ip -n a xfrm policy flush
ip -n a xfrm state flush

# --- a packet socket sends past routing

silent() { wire carry a/tunl "$@" df=1 size=1370 wait=0.5; }
forget a
check_eq "a packet socket's: the source it gives is told nothing" \
	"$(silent h/eth0 src=10.1.0.2 dst=10.7.0.1)" lost

# --- the endpoint becomes the gateway, and a fixed one again

ip -n a route replace 10.7.0.0/16 via 10.0.2.1 dev tunl onlink table 7
forget a
check "endpoint fixed: packets leave" grep -q "dst=10.0.2.1" <<<"$(wire carry h b/eth0 src=10.1.0.2 dst=10.7.0.1 df=1)"
ip -n a addr add 10.9.0.3/32 dev tunl
ip -n a addr del 10.9.0.1 peer 10.0.2.1 dev tunl
check "endpoint by gateway: packets leave" grep -q "dst=10.0.2.1" <<<"$(wire carry h b/eth0 src=10.1.0.2 dst=10.7.0.1 df=1)"
forget a
check_eq "endpoint by gateway: too big" "$(from_h)" "$answer"
ip -n a link set tunl broadcast 10.0.2.1
check "endpoint fixed again: packets leave" grep -q "dst=10.0.2.1" <<<"$(wire carry h b/eth0 src=10.1.0.2 dst=10.7.0.1 df=1)"
forget a
check_eq "endpoint fixed again: too big" "$(from_h)" "$answer"

ktap_end
