#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=400
#
# Loading and unloading: in each order, beside others, under traffic, and when
# something is in the way.
#
#       10.0.1.1    10.0.1.2
#   a ── eth0 ═══════ eth0 ── b
#   └─ tunl 10.9.0.1          └─ tunl 10.9.0.2

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

alone='holding protocol 4 alone'
release=$(uname -r)

tunnels() {
	ip -n a -batch - <<-'END' && ip -n b -batch - <<-'END2'
		link add tunl type tunl
		addr add 10.9.0.1 peer 10.0.1.2 dev tunl
		link set tunl up
		route add 10.9.0.2 dev tunl
	END
		link add tunl type tunl
		addr add 10.9.0.2 peer 10.0.1.1 dev tunl
		link set tunl up
		route add 10.9.0.1 dev tunl
	END2
}

works() { tunnels && ns a ping -n -c 1 -W 10 10.9.0.2; }
not_loaded() { ! loaded "$1"; }
unload_others() { rmmod sit ip_tunnel tunnel4 2>/dev/null; ! loaded tunnel4; }

# Refused with that error, one line in the log that matches, nothing left.
refused() { # ERROR REGEX MODULE [PARAMETER=VALUE]
	local error=$1 regex=$2
	shift 2
	klog_mark
	load "$@" 2>"$tmp/insmod" && return 1
	cat "$tmp/insmod"
	klog
	grep -q "$error" "$tmp/insmod" && [ "$(klog_count "$regex")" = 1 ] &&
		not_loaded "$1"
}

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

nothing_left() {
	! grep -rs . /proc/net/ipip /proc/sys/net/ipv4/ipip && ! ip link show type tunl | grep .
}

# A tunnel packet out of a or b without tunnel.ko, again and again.
outer_flood() { # NAME FROM TO
	background "$1" init /usr/bin/python3 -IS "$TUNL_TOP/tests/wire.py" send \
		"$2" src=10.9.0.99 dst=10.9.0.98 "outer.src=10.0.1.$3" \
		"outer.dst=10.0.1.$((3 - $3))" times=1000000 every=0.002
}

netns_add a b
veth a eth0 b eth0
ip -n a addr add 10.0.1.1/24 dev eth0
ip -n b addr add 10.0.1.2/24 dev eth0

# --- each order, with and without tunnel4; each alone

check_eq "tunnel.ko needs no other module" \
	"$(modinfo -F depends "$TUNL_BUILD/tunnel/tunnel.ko")" ""
# sit brings tunnel4 with it
for beside in nothing sit; do
	[ $beside = nothing ] || modprobe $beside
	for order in 'ipip tunnel' 'tunnel ipip'; do
		read -r first second <<<"$order"
		klog_mark
		check "beside $beside: $first loads" load "$first"
		check "beside $beside: then $second loads" load "$second"
		check "beside $beside, $first first: packets flow" works
		if [ $beside = nothing ]; then
			check "beside $beside: a line says that protocol 4 is ours" \
				klog_has "$alone"
		else
			check_not "beside $beside: protocol 4 is shared, no complaint" \
				klog_has "$alone"
		fi
		check "beside $beside: $first unloads, $second still there" rmmod "$first"
		check "beside $beside: then $second unloads" rmmod "$second"
	done
	check "beside $beside: nothing left" nothing_left
	unload_others
done

load tunnel
tunnels
out=$(wire carry a/tunl b/eth0 src=10.9.0.1 dst=10.9.0.2)
check "tunnel.ko alone encapsulates" grep -q 'proto=4 .*inner=same' <<<"$out"
unload
for beside in nothing tunnel4; do
	[ $beside = nothing ] || modprobe $beside
	load ipip accept=any
	wire send a src=10.9.0.9 dst=10.0.1.2 outer.src=10.0.1.1 outer.dst=10.0.1.2
	arrived() { [ "$(rx_counter b delivered_ingress)" = 1 ]; }
	check "ipip.ko alone decapsulates, beside $beside" poll 5 arrived
	unload
done
unload_others

# --- unloading one under traffic, with the other still there

more() { # COMMAND that prints a number: it grows
	local before
	before=$("$@")
	grown() { [ "$("$@")" -gt "$before" ]; }
	poll 10 grown "$@"
}

for beside in nothing tunnel4; do
	[ $beside = nothing ] || modprobe $beside
	load ipip
	load tunnel
	tunnels
	background flood_ab a ping -n -q -f 10.9.0.2
	floods=$last_pid
	background flood_ba b ping -n -q -f 10.9.0.1
	floods+=" $last_pid"
	outer_flood flood_raw a 1
	floods+=" $last_pid"
	check "traffic, beside $beside" more dev_counter b tunl rx_packets
	check "ipip unloads under traffic" timeout 30 rmmod ipip
	check "tunnel goes on sending" more dev_counter a tunl tx_packets
	check "ipip loads again under traffic" load ipip
	check "and knows its peers again" more dev_counter b tunl rx_packets
	check "tunnel unloads under traffic" timeout 30 rmmod tunnel
	check "ipip goes on: now these are of unknown sources" more rx_counter b drop_refused
	check "tunnel loads again under traffic" load tunnel
	tunnels
	# Not by another ping: its socket overflows with the flood's replies.
	check "traffic flows again, and answers" more dev_counter a tunl rx_packets
	# shellcheck disable=SC2086
	kill $floods
	# shellcheck disable=SC2086
	wait $floods 2>/dev/null
	unload
	unload_others
done

# --- somebody in the way

load ipip
klog_mark
check_not "sit after a bare insmod of ipip fails" modprobe -q sit
check_eq "one line names the cause and the way out" \
	"$(klog_count 'protocol 4 is held by ipip alone: rmmod ipip, modprobe tunnel4, load ipip again')" 1
rmmod ipip
check "the way out: modprobe tunnel4" modprobe tunnel4
check "the way out: ipip" load ipip
check "the way out: sit" modprobe sit
check "and sit unloads again beside ipip" rmmod sit
unload
unload_others

check "the kernel's own ipip first" modprobe ipip
check "it is the kernel's" not_loaded tunnel
klog_mark
check "tunnel.ko loads beside it" load tunnel
check_eq "and says what will happen" \
	"$(klog_count "kernel's own ipip is loaded .*EEXIST: rmmod ipip first")" 1
check_not "our ipip.ko is refused" load ipip
check "with EEXIST" eval 'load ipip 2>&1 | grep "File exists"'
rmmod tunnel
rmmod ipip
unload_others

# A stand-in for somebody else's tunnel, which registers protocol 4 and exports
# nothing that we know: tunnel4 itself, with other names in the file, and the
# mark of a signature that no longer fits removed.
stranger=$tmp/stranger.ko
stand_in() { # MODULE SED-EXPRESSION
	local file
	file=$(modinfo -n "$1")
	case $file in
	*.xz) xz -dc "$file" ;;
	*) cat "$file" ;;
	esac | LC_ALL=C sed "$2;s/~Module signature appended~/~module signature appended~/" >"$stranger"
}
names='s/xfrm4_tunnel_reg/xfrm4_TUNNEL_reg/g;s/xfrm4_tunnel_dereg/xfrm4_TUNNEL_dereg/g;s/tunnel4\x00/tunnelX\x00/g'
stand_in tunnel4 "$names"
if insmod "$stranger"; then
	check "protocol 4 taken: refused, with a line that says so" \
		refused 'Device or resource busy' 'ipip: protocol 4 is taken' ipip
	check "nothing left" nothing_left
	check "tunnel loads all the same" load tunnel
	rmmod tunnel
	rmmod tunnelX
else
	note "the stand-in did not load"
fi
# The same with 253 in place of 4: then it has protocol 137 and not 4.
stand_in tunnel4 "$names;"'s/\xbe\x04\x00\x00\x00/\xbe\xfd\x00\x00\x00/g'
if insmod "$stranger"; then
	load ipip
	load tunnel
	ip -n a link add labels type ipip remote 10.0.1.2 mode mplsip
	klog_mark
	ip -n a link set labels up
	check_eq "protocol 137 taken: a device for labels is up, and one line says that it hears none" \
		"$(ip -n a link show labels up | grep -c LOWER_UP) $(klog_count 'protocol 137 is taken by another module')" "1 1"
	ip -n a link del labels
	unload
	klog_mark
	rmmod tunnelX
	check_not "which was not taken from it" klog_has 'remove protocol'
else
	note "the stand-in did not load"
fi

# Others that are known by our names.
stand_in dummy 's/dummy\x00/tunl\x00\x00/g'
if insmod "$stranger" numdummies=0; then
	check "kind tunl taken: tunnel is refused, with a line that says so" \
		refused 'Device or resource busy' 'tunnel: another module holds link kind tunl' tunnel
	rmmod tunl
else
	note "the stand-in did not load"
fi
modprobe ip_tunnel
modprobe tunnel4
stand_in ipip 's/ipip\x00/ipix\x00/g'
if insmod "$stranger"; then
	check "ipip's place in tunnel4 taken: refused, with a line that says so" \
		refused 'Device or resource busy' 'ipip: tunnel4 has another handler in our place' ipip
	check "nothing left" nothing_left
	rmmod ipix
else
	note "the stand-in did not load"
fi
unload_others

ip link add tunl0 type dummy
check "a device named tunl0: tunnel is refused with tunl0=1, with a line that says so" \
	refused 'Device or resource busy' 'tunnel: cannot create device tunl0: the name is taken' tunnel tunl0=1
ip link del tunl0
ip link add tunl type dummy
check "a device named tunl: tunnel is refused, with a line that says so" \
	refused 'Device or resource busy' 'tunnel: cannot create device tunl: the name is taken' tunnel
ip link del tunl
rmmod dummy

check "accept=foo: refused, with a line that says so" \
	refused 'Invalid' 'ipip: accept=foo: no such value' ipip accept=foo
check "deliver=: refused, with a line that says so" \
	refused 'Invalid' 'ipip: deliver=: no such value' ipip deliver=
check "ttl=300: refused, with a line that says so" \
	refused 'out of range' 'tunnel:.*300.*ttl' tunnel ttl=300
check "nothing left" nothing_left

# --- installed

# A small module tree in place of the guest's, or depmod takes its time.
tree=$tmp/modules
mkdir -p "$tree/kernel/net" "$tree/updates"
for module in tunnel4 ip_tunnel sit ipip; do
	cp "$(modinfo -n $module)" "$tree/kernel/net/"
done
cp "$TUNL_BUILD"/{tunnel/tunnel,ipip/ipip}.ko "$tree/updates/"
: >"$tree/modules.builtin"
: >"$tree/modules.order"
mount --bind "$tree" "/lib/modules/$release"
depmod -a

check "modprobe ipip" modprobe ipip
check "is ours" test -e /proc/net/ipip
check "with tunnel4 before it" loaded tunnel4
check "and so sit loads beside it" modprobe sit
modprobe -r ipip
modprobe -r sit
modprobe -r tunnel4
check "modprobe tunnel" modprobe tunnel
check "brings ipip along" loaded ipip
rmmod tunnel ipip
modprobe -r tunnel4
must ip link add tunl type veth peer name other
check_not "modprobe tunnel fails where another device is named tunl" modprobe tunnel
ip link del tunl
! loaded ipip || rmmod ipip
modprobe -q -r tunnel4
ifconfig tunl 10.9.0.1 pointopoint 10.0.1.2
check "ifconfig tunl loads tunnel" grep -q 'peer 10.0.1.2' <<<"$(ip link show tunl)"
check "and ipip" loaded ipip
rmmod tunnel ipip
modprobe -r tunnel4
check "ip link add type tunl loads tunnel" ip link add own type tunl
rmmod tunnel ipip
modprobe -r tunnel4
check "ip link add type ipip too" ip link add own type ipip remote 10.0.1.2
check "and the device is ours" grep -q tx_drop <<<"$(ethtool -S own)"
rmmod tunnel ipip
modprobe -r tunnel4
# Somebody without privileges asks for a device in a namespace of his own. The host must
# be as closed as it was.
must veth a outside init inside
must ip -n a addr add 10.0.3.1/24 dev outside
must ip addr add 10.0.3.2/24 dev inside
for kind in tunl ipip; do
	as_nobody unshare -Urn true || { note "no unprivileged user namespaces here"; break; }
	check "nobody's ip link add type $kind loads tunnel" \
		as_nobody unshare -Urn ip link add own type $kind
	check "and ipip, by tunnel's softdep" loaded ipip
	check_eq "type $kind: the host's auto is closed" "$(head -n 1 /proc/net/ipip)" "accept auto (peers)"
	wire send a src=10.9.0.9 dst=10.0.3.2 outer.src=10.0.3.1 outer.dst=10.0.3.2
	was_refused() { [ "$(rx_counter init drop_refused)" = 1 ]; }
	check "type $kind: the host refuses a packet from an unknown source" poll 5 was_refused
	check_eq "type $kind: and delivers none" "$(rx_counter init delivered_ingress)" 0
	rmmod tunnel ipip
	modprobe -r tunnel4
done
ip link del inside
check "modprobe ipip by itself" modprobe ipip
check_eq "is the open decapsulator of 1994" "$(head -n 1 /proc/net/ipip)" "accept auto (open)"
rmmod ipip
modprobe -r tunnel4
echo 'options tunnel tunl0=1' >/etc/modprobe.d/tunl-test.conf
check "ip tunnel add too, by way of tunl0" ip tunnel add own mode ipip remote 10.0.1.2
check "and that is ours" grep -q tx_drop <<<"$(ethtool -S own)"
rm /etc/modprobe.d/tunl-test.conf
rmmod tunnel ipip
modprobe -r tunnel4
umount "/lib/modules/$release"

# --- again and again, under traffic both ways

outer_flood flood_a a 1
floods=$last_pid
outer_flood flood_b b 2
floods+=" $last_pid"
background flood_ping a sh -c 'while :; do ping -n -q -f -c 100 10.9.0.2; sleep 0.1; done'
floods+=" $last_pid"
cycle() { # ORDER of loading, ORDER of unloading
	# shellcheck disable=SC2086
	load "${1% *}" && load "${1#* }" && tunnels && rmmod $2
}
cycles=0
for ((i = 0; i < 8; i++)); do
	[ $i != 4 ] || modprobe tunnel4
	case $((i % 4)) in
	0) cycle 'ipip tunnel' 'ipip tunnel' ;;
	1) cycle 'tunnel ipip' 'ipip tunnel' ;;
	2) cycle 'tunnel ipip' 'tunnel ipip' ;;
	3) cycle 'ipip tunnel' 'tunnel ipip' ;;
	esac || break
	cycles=$((cycles + 1))
done
check_eq "8 times loaded and unloaded under traffic" $cycles 8
# shellcheck disable=SC2086
kill $floods
unload
unload_others

load ipip
load tunnel
check "and then it still works" works
ktap_end
