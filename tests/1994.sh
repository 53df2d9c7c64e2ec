# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The example of the 1994 readme, for the tests that type its commands; to be
# sourced after lib.sh.  Three things are not as printed there: B's route to the
# ghost goes through tunl, a network route has a netmask, and hardware addresses
# have six octets.

GHOST=111.112.100.87
B_MAC=02:00:00:00:00:86

commands_1994_a() { # NS
	ns "$1" ifconfig tunl 111.112.100.87 pointopoint 111.112.100.86 &&
		ns "$1" ifconfig tunl netmask 255.255.255.0 &&
		ns "$1" route add 111.112.100.86 dev eth0 &&
		ns "$1" route add -net 111.112.100.0 netmask 255.255.255.0 dev tunl
}

commands_1994_b() { # NS
	ns "$1" ifconfig tunl 111.112.100.86 pointopoint 111.112.101.37 &&
		ns "$1" ifconfig tunl netmask 255.255.255.0 &&
		ns "$1" route add 111.112.100.87 dev tunl &&
		ns "$1" arp -s 111.112.100.87 "$B_MAC" pub
}

commands_ip_a() { # NS
	ns "$1" ip addr add 111.112.100.87 peer 111.112.100.86 dev tunl &&
		ns "$1" ip link set tunl up &&
		ns "$1" ip route add 111.112.100.86 dev eth0 &&
		ns "$1" ip route add 111.112.100.0/24 dev tunl
}

commands_ip_b() { # NS
	ns "$1" ip addr add 111.112.100.86 peer 111.112.101.37 dev tunl &&
		ns "$1" ip link set tunl up &&
		ns "$1" ip route add 111.112.100.87 dev tunl &&
		ns "$1" ip neigh add proxy 111.112.100.87 dev eth0
}

# The addresses they had before.  proxy_delay: a proxy would otherwise wait for
# most of a second before it answers.
net_1994_a() { # NS
	ns "$1" ip addr add 111.112.101.37/24 dev eth0 &&
		ns "$1" ip route add default via 111.112.101.1
}

net_1994_b() { # NS
	ns "$1" ip link set eth0 address "$B_MAC" &&
		ns "$1" ip addr add 111.112.100.86/24 dev eth0 &&
		ns "$1" ip route add default via 111.112.100.1 &&
		sysctl_set "$1" net.ipv4.ip_forward 1 &&
		sysctl_set "$1" net.ipv4.neigh.eth0.proxy_delay 0
}

net_1994_c() { # NS
	ns "$1" ip addr add 111.112.100.50/24 dev eth0 &&
		ns "$1" ip route add default via 111.112.100.1
}

# The net of 1994 answered for hosts behind a router.
net_1994_r() { # NS IF-TO-A IF-TO-B
	ns "$1" ip addr add 111.112.101.1/24 dev "$2" &&
		ns "$1" ip addr add 111.112.100.1/24 dev "$3" &&
		sysctl_set "$1" net.ipv4.ip_forward 1 &&
		sysctl_set "$1" "net.ipv4.conf.$2.proxy_arp" 1 &&
		sysctl_set "$1" "net.ipv4.neigh.$2.proxy_delay" 0
}

c_reaches_ghost() { # NS-OF-C
	ns "$1" ping -c 2 -i 0.2 -W 3 "$GHOST"
}

ghost_reaches_c() { # NS-OF-A
	ns "$1" ping -c 2 -i 0.2 -W 3 111.112.100.50
}

# Packets that DEV has received or sent.
packets() { # NS DEV RX|TX
	ns "$1" ip -s link show dev "$2" | awk "/$3:/ { getline; print \$2 }"
}
