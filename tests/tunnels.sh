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

# A tunnel, up.
tunl_add() { # NS DEV INNER-ADDRESS ENDPOINT
	ns "$1" ip link add "$2" type tunl &&
		ns "$1" ip addr add "$3" peer "$4" dev "$2" &&
		ns "$1" ip link set "$2" up
}
