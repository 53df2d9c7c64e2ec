#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Record what tests/doctor_test.py gives the doctor for answers: real ones, of hosts in a
# guest. After the doctor asks something new, all are made anew:
#
#   scripts/uml --share tests/doctor -- bash tests/doctor/record.sh
#
# The network is in tests/ask.sh. User-mode Linux has no iptables: what that prints is recorded
# in a network namespace of a host whose kernel has it.
#
#   unshare -n bash tests/doctor/record.sh iptables
#
# What later versions of the programs print in another form, with those of another Debian in
# the folder ROOT, which the guest has to see:
#
#   scripts/uml --share tests/doctor -- bash tests/doctor/record.sh ROOT
# shellcheck disable=SC1091,SC2154 # files and names of tests/
# shellcheck disable=SC2016 # names of devices, for programs to stumble over
cd "$(dirname "$0")/.." || exit

answers() { # NAME QUESTION...
	/usr/bin/python3 -IS doctor_test.py --record-answers "doctor/iptables/$1.json" "${@:2}"
}
legacy() {
	answers "$1" 'read /proc/net/ip_tables_names' 'run iptables-legacy -w 2 -t filter -S'
	iptables-legacy -F
	iptables-legacy -P INPUT ACCEPT
}
if [ "${1:-}" = iptables ]; then
	set -e
	iptables-legacy -P INPUT DROP
	iptables-legacy -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
	iptables-legacy -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	iptables-legacy -A INPUT -i eth0 ! -s 10.0.0.0/8 -p udp -m udp --dport 53 -j ACCEPT
	iptables-legacy -A INPUT -p ipip -j ACCEPT
	legacy policy
	iptables-legacy -N x
	iptables-legacy -A x -p 4 -m comment --comment "no 'tunnels'" -j REJECT
	iptables-legacy -A INPUT -i eth0 ! -s 10.0.0.0/8 -j x
	legacy rule
	iptables-legacy -P INPUT DROP
	iptables-legacy -A INPUT -p 4 -m comment --comment 'let it in' -j ACCEPT
	legacy let-in
	iptables-legacy -P INPUT DROP
	iptables-legacy -A INPUT -m limit --limit 3/s -j ACCEPT
	legacy perhaps
	iptables-nft -P INPUT DROP
	iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
	iptables-nft -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
	answers nft 'run nft -j -s -t -p list ruleset' 'run iptables-nft -w 2 -t filter -S'
	exit
fi
BASH_ARGV0=$PWD/doctor-record.sh
. "$PWD/lib.sh"
. "$PWD/ask.sh"
ktap_begin

root=${1:-}
suite=''
if [ -n "$root" ]; then
	suite=$(sed -n 's/^VERSION_CODENAME=//p' "$root/etc/os-release")-
	mount --bind "$root" "$root"
	for dir in /proc /sys /dev /run /usr/lib/modules "$TUNL_TOP"; do
		mkdir -p "$root$dir"
		mount --rbind "$dir" "$root$dir"
	done
fi
record() { # NAME NS [ARGUMENT...]
	if [ -n "$suite" ]; then
		[[ " endpoints-by-routes firewall let-in names " == *" $1 "* ]] || return
		as=(chroot "$root")
	fi
	ns "$2" "${as[@]}" /usr/bin/python3 -IS "$TUNL_TOP/tests/doctor_test.py" --record \
		"$SHARE/$suite$1.json" "${@:3}"
	echo "$suite$1: $(sed -n 's/^ *"\(key\|errors\)": "\(.*\)",/\2/p' "$SHARE/$suite$1.json" | paste -sd ' ')"
}
as=()
without() { # NS DEV...
	local dev
	for dev in "${@:2}"; do ip -n "$1" link del "$dev"; done
}

record modules init
modprobe ipip && record kernels-ipip init
rmmod ipip

must load ipip
must load tunnel
must modprobe fou
must network
nft list ruleset
for ns in A B; do ip -n $ns link add tunl type tunl; done
must commands_ip_a A
must commands_ip_b B
record 1994 A
record 1994-home B
as=(setpriv --reuid 65534 --clear-groups)
chmod 777 "$SHARE"
record user A
as=()
record no-device A nosuch tunl0
record no-tunnel R
ip -n A link set tunl mtu 1500
record mtu A
ip -n A link set tunl mtu 0
ip -n A route del "$B"
record loop A
ip -n A route add unreachable "$B"
record unreachable A tunl
ip -n A route del unreachable "$B"
ip -n A route add "$B" dev eth0
sysctl_set A net.ipv4.conf.all.rp_filter 1
record rp-filter A
sysctl_set A net.ipv4.conf.all.rp_filter 0
record probe A --probe="$C"
background strangers init /usr/bin/python3 -IS "$TUNL_TOP/tests/wire.py" send R src=10.9.0.1 dst="$GHOST" \
	outer.src=111.112.101.1 outer.dst="$A" times=2000 every=0.02
refused() { [ "$(rx_counter A drop_refused)" -gt 0 ]; }
must poll 20 refused
record watch A --watch 1
kill "$last_pid"
ns B sysctl -qw net.ipv4.ip_forward=0
record forwarding B
ns B sysctl -qw net.ipv4.ip_forward=1

# one table for each way to drop a packet, or to let it pass
ns B nft -f - <<'END'
table inet by_policy { chain c { type filter hook input priority 0; policy drop;
	iif lo accept
	tcp dport 22 accept
	udp dport { 53, 123 } accept
	ip saddr 10.0.0.0/8 accept
	ip6 saddr ::/0 accept
	ct state established,related accept
	ip protocol 94 accept
	meta nfproto ipv6 accept
	ip saddr { 10.9.9.9, 192.0.2.0/24 } accept
	}
}
table inet by_rule { chain c { type filter hook output priority 0;
	ip daddr 111.112.101.37 ip protocol != { 1, 6, 17 } counter drop comment "no tunnels"
	}
}
table ip filter { chain x { ip protocol 4 return; accept; }
	chain INPUT { type filter hook input priority 0; policy drop; jump x; }
}
table inet by_state { chain c { type filter hook input priority 0; policy drop;
	ct state vmap { established : accept, invalid : drop }
	}
}
table inet forwarded { chain c { type filter hook forward priority 0; policy drop;
	tcp dport 80 drop
	}
}
END
record firewall B
ns B nft -f - <<'END'
flush ruleset
table inet a_map { chain c { type filter hook input priority 0; policy drop;
	meta l4proto vmap { 4 : accept, 6 : drop }
	}
}
table inet a_range { chain c { type filter hook input priority 0; policy drop;
	ip saddr 111.112.101.30-111.112.101.40 accept
	}
}
table inet a_set { set s { type ipv4_addr; elements = { 111.112.101.37 }; }
	chain c { type filter hook input priority 0; policy drop; ip saddr @s accept; }
}
table inet asleep { flags dormant
	chain c { type filter hook input priority 0; policy drop; tcp dport 22 accept; }
}
table inet may_be { chain c { type filter hook input priority 0;
	meta mark 7 ip protocol 4 drop
	limit rate over 5/second ip protocol 4 drop
	ip saddr != 111.112.101.37 ip protocol 4 drop
	iifname "eth7*" ip protocol 4 drop
	udp dport 5555 drop
	}
}
END
record let-in B
ns B nft flush ruleset
# as they are printed where a route has two destinations
without A tunl
ip -n A link add office type tunl
ip -n A addr add 192.0.2.7/32 dev office
ip -n A link set office up
ip -n A route add 203.0.113.0/24 via "$B" dev office onlink
ip -n A route add 203.0.114.0/24 encap ip dst "$B" dev office
ip -n A route add 203.0.115.0/24 dev office metric 7
ip -n A link add any type ipip external
ip -n A link set any up
ip -n A route add 203.0.116.0/24 encap ip dst 111.112.101.1 ttl 64 dev any
ip -n A route add 203.0.117.0/24 nexthop via 111.112.101.1 dev eth0 nexthop dev office
ip -n A route add 203.0.118.0/24 encap ip dst 198.51.100.77 dev any
ip -n A route add unreachable 198.51.100.77
record endpoints-by-routes A
without A office any

ip -n A link add ppp0 type dummy
ip -n A link set ppp0 up
ip -n A link add 'a;b$(c)' type ipip remote "$B" dev ppp0
ip -n A link set 'a;b$(c)' up
ip -n A link add $'e\e[1mx' type ipip remote 111.112.101.1
ip -n A link add labels type ipip remote 111.112.101.2 mode mplsip
ip -n A link set labels up
ip -n A route add 203.0.113.0/24 dev labels
ip -n A link add udp type ipip remote 111.112.101.3 encap gue encap-sport auto encap-dport 5555
ip -n A link set udp up
ip -n A link del ppp0
record names A
without A 'a;b$(c)' $'e\e[1mx' labels udp

ip -n A -batch - <<-END
	link add red type vrf table 100
	link set red up
	link set eth0 master red
	link add bound type ipip remote $B dev eth0
	link set bound up
	route add default via 111.112.101.1 table 100
END
sysctl_set A net.ipv4.raw_l3mdev_accept 0
record vrf A
without A bound red

netns_add D
ip -n A link add moved type ipip remote "$B"
ip -n A link set moved netns D
ip -n D link set moved up
ip -n A route add unreachable "$B"
record elsewhere D
record here A
ktap_end
