#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=200 debs=ifupdown
#
# What docs/ghost-host.md has for boot, as it stands there.
#
#      A                     R                          B
#    eth0 ---------- to_a        lan ----------+------ eth0
#                  101.1      100.1            |
#    ghost0                                  eth0      ghost0
#                                       111.112.100.50
#                                              C
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/1994.sh"

topology() {
	netns_add A B R C
	veth A eth0 R to_a && veth R to_b B eth0 && veth R to_c C eth0 &&
		bridge_add R lan to_b to_c && net_1994_c C && net_1994_r R to_a lan &&
		ip -n B link set eth0 address "$B_MAC" &&
		sysctl_set B net.ipv4.neigh.eth0.proxy_delay 0
}

# The fenced block that begins with a comment of that path.
example() { # PATH
	awk -v first="# $1" '
		$0 == first { inside = 1 }
		/^```/ { inside = 0 }
		inside' "$TUNL_TOP/docs/ghost-host.md" | grep .
}

reach() { # LABEL
	check "$1: C reaches the ghost" poll 20 ns C ping -n -q -c 1 -W 1 $GHOST
	check "$1: the ghost reaches C" ns A ping -n -q -c 2 -i 0.2 -W 3 -I $GHOST 111.112.100.50
}

ktap_begin
must unpack_deb ifupdown
must topology
must load ipip
must load tunnel
mkdir -p /usr/sbin /run/network
must install -m 755 "$TUNL_TOP/scripts/ghost-host" /usr/sbin/ghost-host

# --- ifupdown

for host in A B; do
	[ $host = A ] && name=away || name=home
	example "/etc/network/interfaces.d/$name" >"$tmp/$name"
	check "ifup, $name" ns $host ifup -i "$tmp/$name" --state-dir "$tmp/state.$name" eth0
done
reach ifup
for host in A B; do
	[ $host = A ] && name=away || name=home
	check "ifdown, $name" ns $host ifdown -i "$tmp/$name" --state-dir "$tmp/state.$name" eth0
	check_not "ifdown, $name: no device left" ip -n $host link show ghost0
done
check_not "ifdown: nothing is up" ls -A /run/ghost-host/[0-9]*

# --- systemd-networkd: in a netns, and with a /sys that says that there is no udev to
# wait for; each host with its own /etc/systemd/network and /run/systemd

ip -n C neigh flush all
for host in A B; do
	[ $host = A ] && name=away || name=home
	ip -n $host addr flush dev eth0
	mkdir -p "$tmp/$name.etc" "$tmp/$name.run/netif"/{links,leases,lldp}
	for file in 20-eth0.network 30-ghost0.netdev 30-ghost0.network; do
		example "/etc/systemd/network/$name/$file" >"$tmp/$name.etc/$file"
		check "$name: $file is in the page" test -s "$tmp/$name.etc/$file"
	done
	chown -R systemd-network: "$tmp/$name.run/netif"
	chmod -R a+rX "$tmp"
	mkdir -p /etc/systemd/network /run/systemd
	background "networkd.$name" $host sh -c "mount -o remount,ro /sys &&
		mount --bind $tmp/$name.etc /etc/systemd/network &&
		mount --bind $tmp/$name.run /run/systemd && exec /usr/lib/systemd/systemd-networkd"
done
reach networkd
check "networkd, home: B answers with its card" grep -w "lladdr $B_MAC" <(ip -n C neigh show $GHOST)
check "networkd, away: the way to B is pinned" \
	grep -w 'via 111.112.101.1 dev eth0' <(ip -n A route get 111.112.100.86)

# --- the unit

example /etc/systemd/system/ghost-host.service >"$tmp/ghost-host.service"
check "the unit has no fault" systemd-analyze verify "$tmp/ghost-host.service"

ktap_end
