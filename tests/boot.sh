#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=200 debs=ifupdown
#
# What docs/configuration.md has for systemd-networkd and ifupdown, as it stands there.
#
#          192.0.2.1    198.51.100.1
#   a ──────── eth0 ═════ eth0 ──────── b
#   └─ office, tunl, branch             └─ tunl: to 192.0.2.1
#      192.0.2.7                           203.0.113.1

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

# The fenced block that begins with a comment of that path, put there.
install_example() { # PATH
	mkdir -p "${1%/*}"
	awk -v first="# $1" '
		$0 == first { inside = 1 }
		/^```/ { inside = 0 }
		inside' "$TUNL_TOP/docs/configuration.md" >"$1"
	[ -s "$1" ]
}
has_route() { ip -n a route get 203.0.113.1 | grep "dev $1 "; } # DEV
no_device() { ! ip -n a link show dev "$1"; }
carries() { # DEV
	local before
	before=$(dev_counter a "$1" tx_packets)
	ns a ping -q -n -c 2 -i 0.2 -W 5 -I 192.0.2.7 203.0.113.1 &&
		[ "$(dev_counter a "$1" tx_packets)" -ge $((before + 2)) ]
}

must unpack_deb ifupdown
must load ipip
must load tunnel tunl0=1
netns_add a b
veth a eth0 b eth0
ip -n a addr add 192.0.2.1/24 dev eth0
ip -n a route add 198.51.100.1 dev eth0
ip -n b -batch - <<-'END'
	addr add 198.51.100.1/24 dev eth0
	route add 192.0.2.1 dev eth0
	link add tunl type tunl
	addr add 203.0.113.1 peer 192.0.2.1 dev tunl
	link set tunl up
	route add 192.0.2.7 dev tunl
END

# --- systemd-networkd: in a netns, and with a /sys that says that there is no udev
# to wait for

rm -f /etc/systemd/network/*
must install_example /etc/systemd/network/30-office.netdev
must install_example /etc/systemd/network/30-office.network
mkdir -p /run/systemd/netif/{links,leases,lldp}
chown -R systemd-network: /run/systemd/netif
networkd() {
	background networkd a sh -c \
		'mount -o remount,ro /sys && exec /usr/lib/systemd/systemd-networkd'
}
index() { ns a cat /sys/class/net/office/ifindex; }
settings() { ip -n a -d -o link show office | grep -o 'ipip ipip .*pmtudisc'; }
configured() {
	grep -qx ADMIN_STATE=configured "/run/systemd/netif/links/$(index)"
}

networkd
check "networkd: has configured it" poll 30 configured
check_eq "networkd: as the file says" "$(settings)" \
	"ipip ipip remote 198.51.100.1 local 192.0.2.1 ttl 64 pmtudisc"
check "networkd: address" grep -q '192.0.2.7/32' <<<"$(ip -n a addr show dev office)"
check "networkd: route" has_route office
check "networkd: it carries" carries office
was=$(index)
kill "$last_pid"
wait "$last_pid" 2>/dev/null
rm -f /run/systemd/netif/links/*
networkd
check "networkd: started again, it finds its device" poll 30 configured
check_eq "networkd: which is the same" "$(index) $(settings)" \
	"$was ipip ipip remote 198.51.100.1 local 192.0.2.1 ttl 64 pmtudisc"
check "networkd: and carries" carries office
kill "$last_pid"
wait "$last_pid" 2>/dev/null
ip -n a link del office

# --- ifupdown

for dev in office tunl branch; do
	file=/etc/network/interfaces.d/$dev
	must install_example $file
	mkdir -p /run/network
	# insmod's is over the first netns
	[ $dev != tunl ] || ip -n a link add tunl type tunl
	check "ifup $dev" ns a ifup -i $file $dev
	check "ifup $dev: address" grep -q '192.0.2.7' <<<"$(ip -n a addr show dev $dev)"
	check "ifup $dev: route" has_route $dev
	check "ifup $dev: it carries" carries $dev
	check "ifdown $dev" ns a ifdown -i $file $dev
	check_not "ifdown $dev: no route left" has_route $dev
	[ $dev = tunl ] || check "ifdown $dev: no device left" no_device $dev
done

ktap_end
