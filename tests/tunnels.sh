# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of the device ask of tunnels; to be sourced after lib.sh.

# Crafted packets; see there.
wire() { /usr/bin/python3 -IS "$TUNL_TOP/tests/wire.py" "$@"; }

# A counter of the encapsulator, of the decapsulator, and of any device.
tx_counter() { # NS DEV NAME
	ns "$1" ethtool -S "$2" | awk -v name="$3:" '$1 == name { print $2 }'
}

rx_counter() { # NS NAME
	# shellcheck disable=SC2016
	ns "$1" awk -v name="$2" '$1 == name { print $2 }' /proc/net/ipip
}

dev_counter() { # NS DEV NAME
	ns "$1" cat "/sys/class/net/$2/statistics/$3"
}

mtu() { ns "$1" ip -o link show dev "$2" | sed 's/.* mtu \([0-9]*\) .*/\1/'; } # NS DEV

# Carried, and arrived with those fields: what one of the others names.
arrives_as() { # FROM TO FIELD=VALUE... -- ARGUMENT-OF-WIRE...
	local from=$1 to=$2 fields=() field out
	shift 2
	while [ "$1" != -- ]; do
		fields+=("$1")
		shift
	done
	out=$(wire carry "$from" "$to" "${@:2}")
	echo "$out"
	for field in "${fields[@]}"; do
		[[ " $out " == *" $field "* ]] || { echo "no $field"; return 1; }
	done
}

# A tunnel, up.
tunl_add() { # NS DEV INNER-ADDRESS ENDPOINT
	ns "$1" ip link add "$2" type tunl &&
		ns "$1" ip addr add "$3" peer "$4" dev "$2" &&
		ns "$1" ip link set "$2" up
}

# A counter of the kernel's, as in Icmp OutDestUnreachs.
snmp() { # NS GROUP NAME
	ns "$1" cat /proc/net/snmp /proc/net/netstat | awk -v group="$2:" -v name="$3" '
		$1 == group && !n { for (i = 2; i <= NF; i++) if ($i == name) n = i; next }
		$1 == group { print $n; exit }'
}

# A sender behind the encapsulator, and a router between the endpoints:
#
#      10.1.0.2   10.1.0.1      10.0.1.1  10.0.1.254     10.0.2.254  10.0.2.1
#   h ── eth0 ═══════ eth0 ── a ── eth1 ═══ eth0 ── r ── eth1 ═══════ eth0 ── b
path_of_four() {
	netns_add h a r b
	veth h eth0 a eth0
	veth a eth1 r eth0
	veth r eth1 b eth0
	ip -n h addr add 10.1.0.2/24 dev eth0
	ip -n a addr add 10.1.0.1/24 dev eth0
	ip -n a addr add 10.0.1.1/24 dev eth1
	ip -n r addr add 10.0.1.254/24 dev eth0
	ip -n r addr add 10.0.2.254/24 dev eth1
	ip -n b addr add 10.0.2.1/24 dev eth0
	ip -n h route add default via 10.1.0.1
	ip -n a route add 10.0.2.0/24 via 10.0.1.254
	ip -n b route add 10.0.1.0/24 via 10.0.2.254
	sysctl_set a net.ipv4.ip_forward 1
	sysctl_set r net.ipv4.ip_forward 1
}

# Path MTUs learned, and sockets' too.
forget() { # NS...
	local ns
	for ns; do ip -n "$ns" route flush cache; done
}
