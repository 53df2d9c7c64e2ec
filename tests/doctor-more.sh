#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=600
#
# scripts/tunl-doctor on devices, proxy ARP, firewalls, counters, packets and tunnels of other
# kinds; more of it is in doctor.sh, the network in ask.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ask.sh"
ktap_begin

must load ipip
must load tunnel
must network
ip -n A link add tunl type tunl
ip -n B link add tunl type tunl
must commands_ip_a A
must commands_ip_b B

# ---- what is asked of it ---------------------------------------------------

check "--help" grep -q -- '--watch SECONDS' <("$DOCTOR" --help)
check_eq "--version" "$("$DOCTOR" --version)" "tunl-doctor $(modinfo -F version "$TUNL_BUILD/ipip/ipip.ko")"
status() { local rc=0; "$@" >/dev/null 2>&1 || rc=$?; echo $rc; }
check_eq "an option that there is not" "$(status ns A "$DOCTOR" --bogus)" 2
check_eq "--watch without a number" "$(status ns A "$DOCTOR" --watch)" 2
check_eq "a device that is no tunnel" "$(status ns A "$DOCTOR" eth0)" 2
check_eq "-q says nothing of what is right" "$(ns A "$DOCTOR" -q)" ""
said "a device that there is not" no_device A office
check_eq "--json: a list of findings" no_device \
	"$(ns A "$DOCTOR" --json office | python3 -c 'import json, sys; print(*(f["key"] for f in json.load(sys.stdin)["findings"]))')"
check "its command makes it" mend A
said "and then it is down" device_down A office
healthy "not asked for, it is nobody's" A
ip -n A link del office

# ---- a device --------------------------------------------------------------

ip -n A link set tunl down
faulty "down" A device_down
ip -n A route add 111.112.100.0/24 dev tunl
reaches "up again"

ip -n A addr flush dev tunl
ip -n A addr add $GHOST/32 dev tunl
ip -n A route add 111.112.100.0/24 dev tunl
faulty "no endpoint" A no_endpoint ENDPOINT=$B
reaches "with an endpoint"
ip -n A link set tunl broadcast $A
faulty "its own address as endpoint" A endpoint_local ENDPOINT=$B
ip -n A link set tunl address 111.112.101.99
faulty "a local address that is nobody's" A local_address
reaches "then"
must back

ip -n A route del $B
faulty "a route captures the endpoint" A endpoint_loop
reaches "past the tunnel"
ip -n A route del $B
ip -n A route add unreachable $B
faulty "the endpoint's route is none" A endpoint_unreachable
reaches "with a route"
must back
ip -n B route del default
faulty "no route to the endpoint" B endpoint_unreachable GATEWAY=111.112.100.1
reaches "by a gateway"
ip -n B route add default via 111.112.100.1
ip -n B route del $A

ip -n A link add one type tunl
ip -n A link add two type tunl
ip -n A addr add 10.8.1.1 peer 10.8.0.1 dev one
ip -n A addr add 10.8.1.2 peer 10.8.0.2 dev two
ip -n A link set one up
ip -n A link set two up
ip -n A route add 10.8.0.1 dev two
ip -n A route add 10.8.0.2 dev one
faulty "tunnels in a circle" A "endpoint_loop endpoint_loop"
ip -n A link del one
ip -n A link del two
ip -n A route flush 10.8.0.0/24

ip -n R link set to_a down
no_carrier() { ip -n A link show dev tunl | grep -q NO-CARRIER; }
check "the other end of the cable goes" poll 20 no_carrier
said "no carrier" no_carrier A
ip -n R link set to_a up
carrier() { ! no_carrier; }
check "and comes back" poll 20 carrier
healthy "a carrier" A

ip -n A link set tunl mtu 1500
faulty "an MTU without room for the wrapper" A mtu
check_eq "then there is room" "$(mtu A tunl)" 1480

ip -n A link add office type ipip remote $B encap fou encap-sport auto encap-dport 5555
ip -n A link set office up
rmmod fou
faulty "UDP without module fou" A "no_encap no_port" PORT=5556
ip -n A link del office

# ---- answering for the ghost -----------------------------------------------

sysctl_set B net.ipv4.ip_forward 0
faulty "no forwarding" B ip_forward
reaches "forwarding"
sysctl_set B net.ipv4.conf.tunl.forwarding 0
faulty "none from tunl" B ip_forward
reaches "forwarding from tunl"
ip -n B route del $GHOST
faulty "no route to the ghost" B proxy_arp_route
reaches "with a route"
ip -n B neigh del proxy $GHOST dev eth0
faulty "nobody answers for the ghost" B proxy_arp_missing
reaches "with an answer"
ip -n B link add card0 type veth peer name card1
ip -n B link set card0 up
ip -n B neigh add proxy $GHOST dev card0
ip -n B neigh del proxy $GHOST dev eth0
faulty "an answer on the wrong card" B proxy_arp_card
reaches "on the right one"
ip -n B link del card0
ip -n B route add 111.112.100.96/28 dev tunl
faulty "nobody answers for a network" B proxy_arp_missing
sysctl_set B net.ipv4.conf.eth0.proxy_arp 0
ip -n B route del 111.112.100.96/28

# ---- firewalls -------------------------------------------------------------

# A table for each line: name, hook, policy, rules, more of the table.  All of them are
# asked at once.
rules() { # NS
	local name hook policy list more

	{
		echo 'flush ruleset'
		while IFS='|' read -r name hook policy list more; do
			printf '%s\n' "table inet $name {" "$more" \
				"chain c { type filter hook $hook priority 0; policy $policy;" "$list" "}" "}"
		done
	} | ns "$1" nft -f -
}
forget_connections() { ns "$1" conntrack -F; }
repeat() { printf '%*s' "$1" '' | sed "s/ / $2/g; s/^ //"; } # NUMBER WORD

must rules B <<'END'
drop_in|input|drop|iif lo accept; tcp dport 22 accept; udp dport { 53, 123 } accept
END
check_not "nothing lets it in: packets do not pass" c_reaches_ghost C
faulty "nothing lets it in" B firewall
reaches "let in"
must rules B <<'END'
drop_out|output|accept|ip daddr 111.112.101.37 ip protocol != { 1, 6, 17 } drop
END
check_not "dropped on its way out: packets do not pass" c_reaches_ghost C
faulty "dropped on its way out" B firewall
reaches "let out"
must rules B <<'END'
not_forwarded|forward|drop|ct state established,related accept; tcp dport 80 drop
END
check_not "not forwarded: packets do not pass" c_reaches_ghost C
faulty "not forwarded" B "firewall firewall"
forget_connections B
reaches "forwarded"

must rules B <<'END'
icmp_only|input|drop|ip protocol icmp accept; ip saddr 10.0.0.0/8 accept; ip6 saddr ::/0 accept
then_drop|input|accept|ct state established,related accept; udp dport 53 accept; counter drop
state_map|input|drop|ct state vmap { established : accept, related : accept, invalid : drop }
number_94|input|drop|ip protocol 94 accept
a_rule|input|accept|ip protocol 4 counter drop
by_network|prerouting|accept|ip saddr 111.112.101.0/24 meta l4proto 4 drop
other_chain|input|accept|tcp dport 22 accept; iifname eth0 jump x|chain x { meta l4proto { 4, 41 } reject; }
no_return|input|drop|jump x|chain x { ip protocol 4 return; accept; }
other_family|input|drop|meta nfproto ipv6 accept
END
said "nine that drop it" "$(repeat 9 firewall)" B
for table in icmp_only then_drop state_map number_94 a_rule by_network other_chain no_return other_family; do
	check "$table is one" grep -q "^firewall: .* of table inet $table, " "$tmp/said"
done
check "94 is called ipip" grep -q 'protocol 94, which is called ipip' "$tmp/said"
check "answers pass" grep -q 'table inet then_drop, .*passes only as an answer' "$tmp/said"
check "the commands run" mend B
healthy "nine that are mended" B
forget_connections B
reaches "let in by nine"

# The name says what may let it pass.
must rules B <<'END'
protocol|input|drop|ip protocol 4 accept
in_a_set|input|drop|ip protocol { 4, 47 } accept
address|input|drop|tcp dport 22 accept; ip saddr 111.112.101.37 accept
named_set|input|drop|ip saddr @s accept|set s { type ipv4_addr; elements = { 111.112.101.37 }; }
range|input|drop|ip saddr 111.112.101.30-111.112.101.40 accept
interface|input|drop|iifname "eth0" accept
not_known|input|drop|meta mark 7 accept
other_chain|input|drop|ip saddr 111.112.0.0/16 jump x|chain x { ip protocol 4 accept; }
a_map|input|drop|meta l4proto vmap { 4 : accept, 6 : accept }
not_tcp|input|drop|meta l4proto != tcp accept
before|input|accept|ip saddr 111.112.101.37 accept; ip protocol 4 drop
others|input|accept|ip saddr != 111.112.101.37 ip protocol 4 drop; ip protocol 41 drop; iifname eth7 drop
perhaps|input|accept|meta mark 7 ip protocol 4 drop; limit rate over 5/second ip protocol 4 drop
a_comment|input|accept|tcp dport 22 accept comment "ip protocol 4 drop"
sleeping|input|drop|tcp dport 22 accept|flags dormant
tcp_too|forward|drop|tcp dport 80 accept
END
healthy "rules that let it pass, or may" B
ns B nft flush ruleset

if ns B iptables -P INPUT DROP && ns B iptables -A INPUT -p ipip -j ACCEPT; then
	faulty "iptables' policy, and -p ipip" B firewall
	reaches "let in"
	ns B iptables -F
	ns B iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	if ns B iptables -A INPUT -p 4 -m comment --comment 'let it in' -j ACCEPT; then
		healthy "iptables lets it in" B
	else
		note "iptables has no comments here"
	fi
	ns B iptables -P INPUT ACCEPT
	ns B nft flush ruleset
else
	note "no iptables here"
fi
if ns B iptables-legacy -P INPUT DROP; then
	ns B iptables-legacy -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
	ns B iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	faulty "old iptables' policy" B firewall
	forget_connections B
	reaches "let in"
	ns B iptables-legacy -F
	ns B iptables-legacy -P INPUT ACCEPT
	ns B iptables-legacy -N x
	ns B iptables-legacy -A x -p 4 -j REJECT
	ns B iptables-legacy -A INPUT -i eth0 ! -s 10.0.0.0/8 -j x
	faulty "old iptables' rule" B firewall
	reaches "let in"
	ns B iptables-legacy -F
	ns B iptables-legacy -X
else
	note "no old iptables here"
fi

must mv /usr/sbin/nft "$tmp/nft" # in the guest's memory
healthy "without nft" B
check "it says that it could not look" grep -q '^not looked at: firewall: nft is not installed' "$tmp/said"
must mv "$tmp/nft" /usr/sbin/nft
check "nor can anybody but root" grep -q '^not looked at: firewall: that takes root' \
	<(ns B setpriv --reuid 65534 --clear-groups "$DOCTOR")

# ---- counters --------------------------------------------------------------

check_eq "it knows every counter that the modules have, and no other" \
	"$(/usr/bin/python3 -IS "$TUNL_TOP/tests/doctor_test.py" --counters)" \
	"$({ ns A ethtool -S tunl | sed -n 's/^ *\([a-z_0-9]*\): .*/\1/p' && sed -n '2,$s/ .*//p' /proc/net/ipip &&
		sed 's/ .*//' /proc/net/tunl; } | sort)"
healthy "no counter rises" A --watch 1
background unknown init /usr/bin/python3 -IS "$TUNL_TOP/tests/wire.py" send R src=10.9.0.1 dst=$GHOST \
	outer.src=111.112.101.1 outer.dst=$A times=2000 every=0.02
refused() { [ "$(rx_counter A drop_refused)" -gt 0 ]; }
check "an unknown source's packets come" poll 20 refused
healthy "counted once is no fault" A
check "but said" grep -q '^note: drop_refused [0-9]*: its sender' "$tmp/said"
said "a counter that rises" drop_refused A --watch 2
kill "$last_pid"
wait "$last_pid" 2>/dev/null
healthy "and then no more" A --watch 1
background watching A "$DOCTOR" --watch 1000
watches() { grep -q '^tunnel tunl' "$tmp/watching"; }
check "it waits" poll 20 watches
kill -INT "$last_pid"
rc=0
wait "$last_pid" || rc=$?
check_eq "Ctrl-C ends it" "$rc" 130
check_eq "quietly" "$(grep -c . "$tmp/watching")" 1
ip -n R route add 10.77.0.0/24 via $A
background others R ping -q -i 0.1 10.77.0.1
arrived() { [ "$(snmp A Ip InAddrErrors)" -gt 0 ]; }
check "packets for others come to A" poll 20 arrived
said "which does not forward" ip_forward A --watch 2
kill "$last_pid"
wait "$last_pid" 2>/dev/null

# ---- with packets ----------------------------------------------------------

healthy "--probe" A --probe
healthy "--probe to C" A --probe=$C
check "C answers" grep -q "^note: $C answers through tunl, 1480 bytes as well" "$tmp/said"
healthy "--probe from B" B --probe
check "the ghost answers" grep -q "^note: $GHOST answers through tunl" "$tmp/said"
ip -n B route add blackhole 111.112.100.52
said "nobody answers" no_answer A --probe=111.112.100.52
ip -n B route del 111.112.100.52
said "not through the tunnel" no_tunnel_route A --probe=111.112.101.99
rules R <<<'hole|forward|accept|meta length > 1400 drop'
said "a black hole on the way" black_hole A --probe
check "it says how much gets there" grep -q "packets of 1400 bytes get to $B, larger" "$tmp/said"
check "the commands run" mend A
healthy "around it" A --probe
check "large packets pass" ns A ping -c 1 -W 3 -M 'do' -s 1352 $C
ns R nft flush ruleset
rules C <<<'hole|input|accept|meta length > 1300 drop'
said "a black hole behind the tunnel" black_hole_inside A --probe=$C
check "the commands run" mend A
healthy "around that" A --probe=$C
ns C nft flush ruleset
must back

# ---- other ways to the endpoint --------------------------------------------

ip -n A link add office type tunl
ip -n A addr add 192.0.2.7/32 dev office
ip -n A link set office up
ip -n A route add 203.0.113.0/24 via $B dev office onlink
ip -n A route add 203.0.114.0/24 encap ip dst $B dev office
sysctl_set A net.ipv4.conf.office.rp_filter 1
healthy "endpoints named by routes" A
sysctl_set A net.ipv4.conf.office.rp_filter 0
ip -n A route del $B
ip -n A link set tunl down
ip -n A addr flush dev tunl
ip -n A route add 111.112.100.0/24 via $B dev office onlink
faulty "a gateway that is routed through the tunnel" A endpoint_loop
ip -n A route flush dev office
faulty "no route names one" A no_endpoint ENDPOINT=$B
ip -n A link del office
ip -n A route del $B
must back
ip -n A link add any type ipip external
ip -n A link set any up
ip -n A route add 203.0.113.0/24 encap ip dst $B ttl 64 dev any
healthy "external" A
ip -n A link del any
ip -n A link add wild type ipip
ip -n A link set wild up
healthy "a wildcard device of kind ipip" A
ip -n A link del wild
ip -n A link add moved type ipip remote $C
netns_add D
ip -n A link set moved netns D
ip -n D link set moved up
healthy "a tunnel whose underlay is elsewhere" D
check_not "it looks there too" grep -q '^not looked at: moved: its outer packets' "$tmp/said"
reaches "at the end"
check_eq "every key is on its page and in the manual" \
	"$({ /usr/bin/python3 -IS "$TUNL_TOP/tests/doctor_test.py" --keys || echo none; } | while read -r key; do
		grep -q "^### \`$key\`$" "$TUNL_TOP/docs/doctor.md" && grep -qw "$key" "$TUNL_TOP/man/tunl-doctor.8" || echo "$key"
	done)" ""
ktap_end
