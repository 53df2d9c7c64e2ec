#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=200
#
# Requests of which anything may be wrong, many of them (tests/requests.c): by
# netlink, ioctl, sysctl and sysfs.  Refused means that nothing has changed,
# nobody's tunnel but those asked for changes, and nothing breaks.
#
#               172.31.0.1    172.31.0.2
#   g ──────────── eth0 ═══════ eth0 ── b
#   ├── keep 10.9.0.1                   └── keep 10.9.0.2
#   └── tunl, t1 … t4: the generator's, for 10.0.0.2 … 10.0.0.7 at b
#
#   c: of root of a user namespace, nobody outside; "given" was moved there

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/tunnels.sh"
ktap_begin

seed=${TUNL_SEED:-1994} requests=${TUNL_REQUESTS:-12000}
each=$((requests / 3)) # of them by root, and twice by a container's
# Each is several requests, most of which wait for the kernel; not counted.
strict=$((each / 4 < 10000 ? each / 4 : 10000))
total=0

must gcc -O1 -Wall -Wextra -Werror -o "$tmp/requests" "$TUNL_TOP/tests/requests.c"
chmod 711 "$tmp" # nobody runs it, too
load ipip
load tunnel
netns_add g b
must veth g eth0 b eth0
ip -n g addr add 172.31.0.1/24 dev eth0
ip -n b addr add 172.31.0.2/24 dev eth0
ip -n g addr add 10.0.0.1/24 dev eth0
for ((i = 2; i <= 7; i++)); do ip -n b addr add 10.0.0.$i/24 dev eth0; done
tunl_add g keep 10.9.0.1 172.31.0.2
tunl_add b keep 10.9.0.2 172.31.0.1
ip -n g route add 10.9.0.2 dev keep
ip -n b route add 10.9.0.1 dev keep
sysctl_set b net.ipv4.ipip.accept any
must modprobe fou
# Unknown names are many here, and for each the kernel would start modprobe.
sysctl_set init kernel.modprobe ""

nl() { ns g /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" "$@"; }
kept_state() {
	nl show keep
	ip -n g -d addr show dev keep
	ip -n g route get 10.9.0.2
	ip -n b -d addr show dev keep
}
alive() { poll 10 ns g ping -n -c 1 -W 2 10.9.0.2; }
column() { awk -v kind="$1" -v name="$2" '$1 == kind { for (i = 2; i < NF; i += 2) if ($i == name) print $(i + 1) }' "$tmp/counts"; }
done_all() { [ "$(column all made)" = "$each" ]; }
some() { # COLUMN KIND...: none of them is 0
	local name=$1 kind
	shift
	cat "$tmp/counts"
	for kind; do [ "$(column "$kind" "$name")" -gt 0 ] || return; done
}
counts() { while read -r line; do note "$line"; done <"$tmp/counts"; }

# --- before

check "before: g reaches b" alive
kept=$(kept_state)
nl change keep ttl=9
check "a change to it would show" test "$(kept_state)" != "$kept"
nl change keep ttl=64
check_eq "taken back" "$(kept_state)" "$kept"
background flood b ping -n -q -i 0.01 10.9.0.1

# --- anything

wild() { ns g "$tmp/requests" wild "$seed" "$each" >"$tmp/counts"; }
made() { counts; total=$((total + $(column all made))); }
note "seed $seed"
began=$(date +%s%N)
check "$each requests made" wild
ended=$(date +%s%N)
check "all of them" done_all
made
note "$((each * 1000000 / ((ended - began) / 1000))) requests a second"
check "some of each kind are accepted" some accepted link-new link-set \
	link-del link-get address route neighbour ioctl ethtool sysctl proc-read \
	sysfs packet
check_eq "a tunnel they do not name is as it was" "$(kept_state)" "$kept"
check "and carries" alive

# --- refused changes nothing, accepted reads back

check "$strict single changes do what the documentation says" \
	ns g "$tmp/requests" strict "$seed" "$strict"
note "$(tail -n 1 "$tmp/check")"
check_eq "a tunnel they do not name is as it was" "$(kept_state)" "$kept"
check "and carries" alive

# --- root of a user namespace, nobody outside

as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
if ! as_nobody unshare -Urnm true; then
	skip "no unprivileged user namespaces here"
fi
# shellcheck disable=SC2016
background nobody init setpriv --reuid 65534 --regid 65534 --clear-groups \
	unshare -Urnm sh -c 'mount -t sysfs sysfs /sys; ip link set lo up; exec sleep infinity'
nobody=$last_pid
as_root_there() { nsenter -t "$nobody" -U -n -m "$@"; }
there() { nsenter -t "$nobody" -n "$@"; } # as root of the host
ready() { [ "$(cat "/proc/$nobody/comm")" = sleep ]; }
check "a namespace of nobody's" poll 10 ready
must nl add given local=10.0.0.1 remote=10.0.0.2 ttl=7 tos=0x10 pmtudisc=0
ip -n g link set given netns "$nobody"
there ip link set given up
given_endpoint() {
	there /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" show given
	there ip link show dev given | grep link/ipip
}
given_rest() { there ip -d addr show dev given; }
endpoint=$(given_endpoint)
rest=$(given_rest)
check "a device was moved into it" grep -q '10.0.0.1 peer 10.0.0.2' <<<"$endpoint"

contained() { as_root_there "$tmp/requests" wild "$seed" "$each" given >"$tmp/counts"; }
check "container, $each requests made" contained
check "container, all of them" done_all
made
check "container, of most kinds some are accepted" some accepted \
	link-new link-set link-del address route ioctl sysctl
check "container, some are denied" some denied link-new ioctl
check "container, some change the device" test "$(given_rest)" != "$rest"
check_eq "container, none its endpoint" "$(given_endpoint)" "$endpoint"
check_eq "container, a tunnel outside is as it was" "$(kept_state)" "$kept"

# Pointopoint addresses and gateways count where there is no explicit remote.
there /usr/bin/python3 -IS "$TUNL_TOP/tests/netlink.py" change given remote=0.0.0.0
there ip addr flush dev given
endpoint=$(given_endpoint)
check "without an explicit remote" grep -q 'peer 0.0.0.0' <<<"$endpoint"
check "container, $each requests made" contained
made
check "container, some are denied" some denied link-new ioctl
check_eq "container, none makes an endpoint" "$(given_endpoint)" "$endpoint"
check "a tunnel outside carries" alive
tally requests "$total"

ktap_end
