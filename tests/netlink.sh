#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=300 core=yes
#
# The attributes of kind tunl: set, changed, shown, refused.
#
#       10.0.1.1    10.0.1.2
#   a ── eth0 ═══════ eth0 ── b

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

nl() { ns a /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" "$@"; }
shows() { nl show "$1" | tee "$tmp/shown" && grep -qxF "$2" "$tmp/shown"; } # NAME ALL
no_device() { ! ns a ip link show dev "$1"; }

refused() { # TEXT ARGUMENTS of netlink.py
	local text=$1
	shift
	nl "$@" >"$tmp/refused" && return 1
	cat "$tmp/refused"
	grep -Eq "^(EINVAL|ENODEV): .*$text" "$tmp/refused"
}

outer() { # FIELD=VALUE of the outer header, then FIELD=VALUE of the inner packet
	local want=$1 out
	shift
	out=$(wire carry a/tunl b/eth0 src=10.9.0.1 dst=10.9.0.2 "$@")
	echo "$out"
	[[ " $out " == *" $want "* ]]
}

load tunnel
netns_add a b
veth a eth0 b eth0
ip -n a addr add 10.0.1.1/24 dev eth0
ip -n a addr add 10.0.1.3/24 dev eth0
ip -n b addr add 10.0.1.2/24 dev eth0

check "created without attributes" nl add plain
check "shows the defaults" shows plain \
	"link=0 local=0.0.0.0 remote=0.0.0.0 ttl=64 tos=1 proto=4 pmtudisc=1 fwmark=0"
ip -n a link del plain

check "created with all of them" nl add tunl \
	local=10.0.1.3 remote=10.0.1.2 ttl=7 tos=0x10 pmtudisc=0
check "shows them" shows tunl \
	"link=0 local=10.0.1.3 remote=10.0.1.2 ttl=7 tos=16 proto=4 pmtudisc=0 fwmark=0"
check "ip link shows the addresses" \
	grep -q 'link/ipip 10.0.1.3 peer 10.0.1.2' <<<"$(ip -n a link show tunl)"
ip -n a link set tunl up
check "remote" outer dst=10.0.1.2
check "local" outer src=10.0.1.3
check "ttl" outer ttl=7
check "tos: that DSCP, with the inner packet's ECN" outer tos=0x11 tos=0xb9
check "pmtudisc 0: no DF" outer df=0 df=1

check "ttl changed" nl change tunl ttl=9
check "nothing else changed" shows tunl \
	"link=0 local=10.0.1.3 remote=10.0.1.2 ttl=9 tos=16 proto=4 pmtudisc=0 fwmark=0"
check "the next packet has it" outer ttl=9
nl change tunl ttl=0
check "ttl 0: that of the inner packet" outer ttl=33 ttl=33
nl change tunl pmtudisc=1
check "pmtudisc changed" outer df=1 df=1
nl change tunl tos=1
check "tos 1: that of the inner packet" outer tos=0xb9 tos=0xb9
nl change tunl local=0.0.0.0
check "local taken back: routing chooses" outer src=10.0.1.1
nl change tunl remote=10.0.1.77
check "remote changed" shows tunl \
	"link=0 local=0.0.0.0 remote=10.0.1.77 ttl=0 tos=1 proto=4 pmtudisc=1 fwmark=0"
ip -n b addr add 10.0.1.77/24 dev eth0
check "the next packet goes there" outer dst=10.0.1.77
nl change tunl local=10.0.1.1 remote=10.0.1.2 ttl=5 tos=0x20 pmtudisc=0
check "all changed at once" shows tunl \
	"link=0 local=10.0.1.1 remote=10.0.1.2 ttl=5 tos=32 proto=4 pmtudisc=0 fwmark=0"

was=$(nl show tunl)$(ip -n a -d link show tunl)
check "what is shown can be sent back" nl echo tunl
check_eq "and changes nothing" "$(nl show tunl)$(ip -n a -d link show tunl)" "$was"
nl change tunl remote=0.0.0.0
ip -n a addr add 10.9.0.1 peer 10.0.1.2 dev tunl
nl echo tunl
ip -n a addr flush dev tunl
check "a pointopoint address sent back does not become explicit" \
	grep -q 'peer 0.0.0.0' <<<"$(ip -n a link show tunl)"

# --- refusals: a reason in words, and nothing happens

nl change tunl local=10.0.1.1 remote=10.0.1.2
was=$(nl show tunl)
reasons=() settings=() commands=()
while read -r reason args; do
	reasons+=("${reason//_/ }")
	settings+=("$args")
	for verb in 'add bad' 'change tunl'; do
		# shellcheck disable=SC2206
		commands+=(-- $verb $args)
	done
done <<-'END'
	remote:_not_a_unicast remote=239.1.1.1
	remote:_not_a_unicast remote=255.255.255.255
	local:_not_a_unicast local=239.1.1.1 remote=10.0.1.2
	same_address remote=10.0.1.1 local=10.0.1.1
	ECN tos=0x03
	ECN tos=0x12 ttl=99
	mode:_ipip,_mplsip_or_any proto=41
	encap-dport:_the_port encap=1 ttl=99
	fou,_gue_or_none encap=3 18=1111
	external:_local,_remote 19= remote=10.0.1.2
END
mapfile -t answers < <(nl "${commands[@]:1}")
for i in "${!reasons[@]}"; do
	for verb in 'a new device' 'a change'; do
		check "refused: $verb: ${settings[i]}" \
			grep -q "^EINVAL: .*${reasons[i]}" <<<"${answers[0]}"
		answers=("${answers[@]:1}")
	done
done
check "no device was made" no_device bad

# ENCAP_LIMIT FLOWINFO FLAGS 6RD_*
commands=()
for number in 6 7 8 11 12 13 14; do
	commands+=(-- add bad remote=10.0.1.2 "$number=01000000")
done
check_eq "every other attribute is refused, and the reason given" \
	"$(nl "${commands[@]:1}" | grep -c '^EINVAL: this setting is not available')" 7
check "an unsupported attribute is refused as a change" \
	refused "this setting is not available" change tunl ttl=99 6=01
check "an underlay device that is not there is refused" \
	refused "dev: no such device" change tunl ttl=99 link=4000
check "and the tunnel itself" \
	refused "dev: no such device" change tunl ttl=99 "link=$(ns a cat /sys/class/net/tunl/ifindex)"
check_not "two bytes are no address" nl add bad 3=0a00
check_eq "after all of that, nothing has changed" "$(nl show tunl)" "$was"
check "nor been made" no_device bad

# --- the link's own addresses

check "link address and broadcast at creation" ip -n a link add \
	own address 10.0.1.1 broadcast 10.0.1.2 type tunl
check "are local and remote" shows own \
	"link=0 local=10.0.1.1 remote=10.0.1.2 ttl=64 tos=1 proto=4 pmtudisc=1 fwmark=0"
six() { ip -n a link add bad address 02:00:00:00:00:01 type tunl; }
ethernet() { ! six 2>"$tmp/six" && cat "$tmp/six" && grep -q "IPv4 address" "$tmp/six"; }
check "an Ethernet address is refused, and the reason given" ethernet
check "and no device made" no_device bad
check "a multicast link address is refused, and the reason given" \
	says "local: not a unicast address" ip -n a link set own address 239.1.1.1
check "so is the remote's" \
	says "remote and local are the same" ip -n a link set own address 10.0.1.2
check "nothing of that stuck" shows own \
	"link=0 local=10.0.1.1 remote=10.0.1.2 ttl=64 tos=1 proto=4 pmtudisc=1 fwmark=0"

ktap_end
