#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=240
#
# scripts/ghost-host on both hosts of the example of 1994: up and down.  And all that
# can go wrong: tests/ghost-host-full.sh.
#
#      A                     R                          B
#    eth0 ---------- to_a        lan ----------+------ eth0
#  111.112.101.37    101.1      100.1          |   111.112.100.86
#    ghost0                                    |     ghost0
#  111.112.100.87                              |
#  (the ghost)                               eth0
#                                       111.112.100.50
#                                              C
#
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/1994.sh"

program=$TUNL_TOP/scripts/ghost-host
thorough=${GHOST_HOST_THOROUGH:-}

topology() {
	netns_add A B R C
	veth A eth0 R to_a && veth R to_b B eth0 && veth R to_c C eth0 &&
		bridge_add R lan to_b to_c &&
		net_1994_a A && net_1994_c C && net_1994_r R to_a lan &&
		ip -n A addr add 111.112.101.38/32 dev eth0 &&
		ip -n B link set eth0 address "$B_MAC" &&
		ip -n B addr add 111.112.100.86/24 dev eth0 &&
		ip -n B route add default via 111.112.100.1 &&
		sysctl_set B net.ipv4.neigh.eth0.proxy_delay 0
}

# Everything that it could change.
dump() { # NS
	ns "$1" ip -d link | sed 's/ tentative//'
	ns "$1" ip -4 -d addr
	ns "$1" ip -4 -d route show table all
	ns "$1" ip -d rule
	ns "$1" ip neigh show proxy
	ns "$1" ip neigh show nud permanent
	ns "$1" sysctl -a 2>/dev/null | grep -vE '^(fs|kernel|vm|dev|debug|user)\.|\.(nf_conntrack_count|stable_secret)'
	lsmod | awk '{ print $1 }' | sort
	find /run/ghost-host -mindepth 1 ! -name .lock 2>/dev/null
}

as_before() { # NS
	dump "$1" >"$tmp/now.$1"
	diff "$tmp/before.$1" "$tmp/now.$1"
}

# ghost-host on A or B; what it says is in $tmp/said.
gh() { # NS VERB OPTION...
	local rc=0
	ip netns exec "$1" env PATH="$path" "$program" "${@:2}" >"$tmp/said" 2>&1 || rc=$?
	cat "$tmp/said"
	return "$rc"
}
path=$PATH

exits() { # STATUS COMMAND...
	local rc=0
	"${@:2}" || rc=$?
	[ "$rc" = "$1" ]
}

said() { grep -qE -- "$1" "$tmp/said" || { cat "$tmp/said"; return 1; }; }

up_a() { gh A up --ghost "${1:-$GHOST}" --remote 111.112.100.86 "${@:2}"; }
up_b() { gh B up --ghost "${1:-$GHOST}" --remote 111.112.101.37 --no-probe "${@:2}"; }

reach() { # LABEL GHOST
	check "$1: C reaches $2" ns C ping -n -q -c 2 -i 0.2 -W 3 "$2"
	check "$1: $2 reaches C" ns A ping -n -q -c 2 -i 0.2 -W 3 -I "$2" 111.112.100.50
}

ktap_begin
must topology

# --- what it refuses, and what it says then

refuses() { # NS TEXT OPTION-OF-up...
	check "refused: ${*:3}" exits 2 gh "$1" up "${@:3}"
	check "refused: ${*:3}: says why" said "$2"
}

refusals() {
	check_not "no module is loaded" loaded tunnel
	dump A >"$tmp/before.A"
	refuses A 'module (ipip|tunnel) is not loaded, and not installed' --ghost $GHOST --remote 111.112.100.86
	if modprobe -q ipip && [ ! -e /proc/net/ipip ] && loaded ipip; then
		refuses A "kernel's own ipip is loaded.*rmmod ipip" --ghost $GHOST --remote 111.112.100.86
		rmmod ipip
	fi
	rmmod ip_tunnel tunnel4 2>/dev/null
	check "refused: and all is as before" as_before A

}
more_refusals() {
	refuses A 'ghost ADDRESS is missing' --remote 111.112.100.86
	refuses A 'remote ADDRESS is missing' --ghost $GHOST
	refuses A 'no IPv4 address' --ghost 111.112.100.287 --remote 111.112.100.86
	refuses A 'no IPv4 address' --ghost $GHOST --remote 111.112.100.086
	refuses A 'no IPv4 address' --ghost $GHOST --remote host.example.org
	refuses A 'no host can have' --ghost 224.0.0.1 --remote 111.112.100.86
	refuses A 'wants a value' --ghost --remote 111.112.100.86
	refuses A 'twice' --ghost $GHOST --ghost $GHOST --remote 111.112.100.86
	refuses A 'no option of up' --ghost $GHOST --remote 111.112.100.86 --gost 1.2.3.4
	refuses A 'ghost and --remote are the same' --ghost $GHOST --remote $GHOST
	refuses A 'this host itself' --ghost $GHOST --remote 111.112.101.37
	refuses A 'has no such address' --ghost $GHOST --remote 111.112.100.86 --local 111.112.101.99
	refuses A 'this host has that address already, .* eth0' --ghost 111.112.101.38 --remote 111.112.100.86
	refuses A 'which network is behind the remote' --ghost 111.112.99.87 --remote 111.112.100.86
	refuses A 'did you mean 111.112.100.0/24' --ghost $GHOST --remote 111.112.100.86 --net 111.112.100.87/24
	refuses A 'no neighbour of this host' --ghost $GHOST --remote 111.112.100.86 --via 9.9.9.9
	refuses A 'which one is this' --ghost $GHOST --remote 111.112.100.86 --net 111.112.100.0/24 --lan eth0
	refuses A 'there is such a device already' --ghost $GHOST --remote 111.112.100.86 --dev eth0
	refuses A 'no name of a device' --ghost $GHOST --remote 111.112.100.86 --dev 'a b'
	refuses B 'at home there: --net is for the other' --ghost $GHOST --remote 111.112.101.37 --net 111.112.101.0/24
	refuses B 'no such card' --ghost $GHOST --remote 111.112.101.37 --lan eth9
	refuses B 'it has no address in a network of 111.112.101.87, only 111.112.100.86/24' \
		--ghost 111.112.101.87 --remote 111.112.101.37 --lan eth0
	refuses B 'no Ethernet' --ghost $GHOST --remote 111.112.101.37 --lan lo
	refuses B 'broadcast address of 111.112.100.0/24' --ghost 111.112.100.255 --remote 111.112.101.37
	refuses B 'somebody on eth0 answers for 111.112.100.50' --ghost 111.112.100.50 --remote 111.112.101.37
	check "down: of none" exits 3 gh A down --ghost $GHOST
	check "down: which?" exits 2 gh A down
	check "status: of none" exits 3 gh A status
	check "all is as before, A" as_before A
	check "all is as before, B" as_before B

	as_nobody() { ip netns exec A setpriv --reuid 65534 --regid 65534 --clear-groups "$program" "$@"; }
	check "not root" says 'only root' as_nobody up --ghost $GHOST --remote 111.112.100.86
	check "not root: a dry run" as_nobody up -n --ghost $GHOST --remote 111.112.100.86

	ip -n A link add loop type tunl && ip -n A addr add 10.9.9.9 peer 10.9.9.8 dev loop &&
		ip -n A link set loop up && ip -n A route add 111.112.100.86 dev loop
	refuses A 'routed through a tunnel, loop' --ghost $GHOST --remote 111.112.100.86
	ip -n A link set loop broadcast 111.112.100.86
	ip -n A route del 111.112.100.86 dev loop
	refuses A 'loop is a tunnel to 111.112.100.86 already' --ghost $GHOST --remote 111.112.100.86
	ip -n A link del loop
	ip -n A route add 111.112.100.0/24 dev eth0
	refuses A 'another route to 111.112.100.0/24 already' --ghost $GHOST --remote 111.112.100.86
	ip -n A route del 111.112.100.0/24
}

[ -z "$thorough" ] || refusals
must load ipip
must load tunnel
dump A >"$tmp/before.A"
dump B >"$tmp/before.B"
[ -z "$thorough" ] || more_refusals

# --- dry run

gh A up -n --ghost $GHOST --remote 111.112.100.86 >"$tmp/dry.A"
gh B up -n --ghost $GHOST --remote 111.112.101.37 >"$tmp/dry.B"
check_eq "docs/ghost-host.md shows what it prints" \
	"$(awk '/^# this host is at home/ { inside = 1 } /^```/ { inside = 0 } inside' "$TUNL_TOP/docs/ghost-host.md")" \
	"$(cat "$tmp/dry.B")"
check "a dry run changes nothing, A" as_before A
check "a dry run changes nothing, B" as_before B

# --- up

ip -n C neigh replace $GHOST lladdr 02:00:00:00:00:99 nud stale dev eth0
must capture C eth0 "$tmp/lan.pcap" arp
check "B: up" gh B up --ghost $GHOST --remote 111.112.101.37
check_eq "B: what a dry run prints is what is done" \
	"$(head -n -1 "$tmp/said")" "$(cat "$tmp/dry.B")"
capture_stop_after 2 "$tmp/lan.pcap"
tcpdump -enr "$tmp/lan.pcap" 2>/dev/null >"$tmp/lan"
check "B: asks whether somebody has the address" \
	grep -E "$B_MAC > ff:ff:.* Request who-has $GHOST .*tell 0.0.0.0" "$tmp/lan"
check "B: announces it with a question" \
	grep -E "$B_MAC > ff:ff:.* Request who-has $GHOST .*tell $GHOST" "$tmp/lan"
check "B: announces it with an answer" \
	grep -E "$B_MAC > ff:ff:.* Reply $GHOST is-at $B_MAC" "$tmp/lan"
check "C, who knew another card, knows better" \
	grep -w "lladdr $B_MAC" <(ip -n C neigh show $GHOST)
check_eq "ip_nonlocal_bind is as before" "$(ns B sysctl -n net.ipv4.ip_nonlocal_bind)" 0
check "A: up" up_a
check_eq "A: what a dry run prints is what is done" \
	"$(head -n -1 "$tmp/said")" "$(cat "$tmp/dry.A")"
check "A: says what it found" said '# .* reached from 111.112.101.37 through eth0, gateway 111.112.101.1$'
reach up $GHOST
check_eq "B answers on its own card only, and is no router elsewhere" \
	"$(ns B sysctl -n net.ipv4.ip_forward net.ipv4.conf.eth0.forwarding | tr '\n' ' ')" "0 1 "

for host in A B; do
	check "$host: the doctor finds nothing wrong" ns $host "$TUNL_TOP/scripts/tunl-doctor"
done

if [ -z "$thorough" ]; then
	check "B: up again: nothing was changed" grep 'nothing was changed' <(up_b)
	check "B: down" gh B down --ghost $GHOST
	check "A: down" gh A down --all
	check "down: all is as before, A" as_before A
	check "down: all is as before, B" as_before B
	ktap_end
fi

for host in A B; do
	dump $host >"$tmp/up.$host"
	check "$host: status" exits 0 gh $host status
	"up_${host,}" >"$tmp/again"
	check "$host: up again: says that nothing was changed" grep 'nothing was changed' "$tmp/again"
	check_not "$host: up again: no command" grep -v '^#' "$tmp/again"
	dump $host >"$tmp/again.$host"
	check "$host: up again: all is as before" diff "$tmp/up.$host" "$tmp/again.$host"
	check "$host: other settings are refused" exits 2 gh $host up --ghost $GHOST --remote 111.112.100.1
	check "$host: and it says which there are" said 'is up with other settings'
done

# --- something is taken away

ip -n B neigh del proxy $GHOST dev eth0
check "status: something is missing" exits 1 gh B status
check "status: says what" said 'MISSING  ip neigh add proxy 111.112.100.87 dev eth0'
check "up makes it anew" up_b
check_eq "and that only" "$(grep -c '^ip ' "$tmp/said")" 1
check "status: all is there" exits 0 gh B status

# --- several ghosts

check "a second ghost, B" up_b 111.112.100.88
check "a second ghost, A" up_a 111.112.100.88
check_eq "both through one device" "$(ns A ip -o link show type tunl | grep -c ghost)" 1
reach "two ghosts" $GHOST
reach "two ghosts" 111.112.100.88
check "a third one, of another remote" gh B up --ghost 111.112.100.89 --remote 111.112.101.38 --no-probe -q
check_eq "through a device of its own" "$(ns B ip -o route get 111.112.100.89 | grep -o 'dev [^ ]*')" "dev ghost1"
check "the first goes, A" gh A down --ghost $GHOST
check "the first goes, B" gh B down --ghost $GHOST
check "what others need stays" said 'another ghost needs it still: echo 1 >/proc/sys/net/ipv4/conf/eth0/forwarding'
check_not "the first is away" ns C ping -n -q -c 1 -W 1 $GHOST
reach "one ghost" 111.112.100.88
check "all go, B" gh B down --all
check "all go, A" gh A down --all
check "down: all is as before, A" as_before A
check "down: all is as before, B" as_before B

check "B: a ghost" up_b
check "B: a second one" up_b 111.112.100.88
check "down --all --dry-run" gh B down --all --dry-run
grep '^[ie]' "$tmp/said" >"$tmp/dry.down"
check "down --all does what that says" gh B down --all
check_eq "each once" "$(grep '^[ie]' "$tmp/said")" "$(cat "$tmp/dry.down")"
check "and all is as before" as_before B

# --- somebody else's doings meanwhile

check "B: up" up_b
sysctl_set B net.ipv4.ip_forward 1
check "all cards forward by now: down" gh B down --all
check "and leaves it" said 'all cards forward by now: echo 1 >.*/eth0/forwarding stays'
check_eq "to whoever did that" "$(ns B sysctl -n net.ipv4.conf.eth0.forwarding)" 1
sysctl_set B net.ipv4.ip_forward 0
check "all is as before" as_before B

check "B: up" up_b
ip -n B link del ghost0
sysctl_set B net.ipv4.conf.default.forwarding 1
check "the device has gone: down" gh B down --all
sysctl_set B net.ipv4.conf.default.forwarding 0
check "all is as before" as_before B

# as in a netns that got the number of one that had a ghost
check "B: up" up_b
ip -n B link del ghost0
ip -n B neigh del proxy $GHOST dev eth0
check "nothing of it is there: down" gh B down --all
check_eq "does not take this netns' forwarding for its own" "$(ns B sysctl -n net.ipv4.conf.eth0.forwarding)" 1
sysctl_set B net.ipv4.conf.eth0.forwarding 0

# Debian has another arping, whose -D says something else and fails.
mkdir "$tmp/other"
printf '%s\n' '#!/bin/sh' 'echo "ARPing 2.23, by Thomas Habets"' 'exit 1' >"$tmp/other/arping"
chmod +x "$tmp/other/arping"
path=$tmp/other:$PATH
check "another arping is not asked" gh B up --ghost $GHOST --remote 111.112.101.37
check "and that is said" said 'warning: no arping of iputils here'
path=$PATH
check "B: down" gh B down --all
check "all is as before" as_before B

# --- what was there before is not ours

ns A bash -e "$tmp/dry.A"
grep -v arping "$tmp/dry.B" | ns B bash -e
reach "the printed commands, by hand" $GHOST
for host in A B; do
	dump $host >"$tmp/by-hand.$host"
	check "$host: up after that" "up_${host,}"
	check "$host: changes nothing" said 'nothing was changed'
	check "$host: status: all was there before" exits 0 gh $host status
	check_eq "$host: status: every part" "$(grep -c '# was there before' "$tmp/said")" "$(grep -c '^  there' "$tmp/said")"
	check "$host: down" gh $host down --ghost $GHOST
	dump $host >"$tmp/again.$host"
	check "$host: leaves it" diff "$tmp/by-hand.$host" "$tmp/again.$host"
	ip -n $host link del ghost0
done
ip -n A route del 111.112.100.86
ip -n B neigh del proxy $GHOST dev eth0
sysctl_set B net.ipv4.conf.eth0.forwarding 0
check "all is as before, A" as_before A
check "all is as before, B" as_before B

# --- a step fails

# An `ip` of which the FAIL_ATth change fails, or does something to the group.
mkdir "$tmp/bin"
cat >"$tmp/bin/ip" <<-'END'
	#!/bin/bash
	case " $* " in
	*' add '* | *' set '* | *' del '*)
		n=$(($(cat "$FAIL_COUNT") + 1))
		echo $n >"$FAIL_COUNT"
		if [ $n = "$FAIL_AT" ]; then
			[ -z "${FAIL_LATE:-}" ] || /usr/sbin/ip "$@"
			[ -z "${FAIL_SIGNAL:-}" ] || kill "-$FAIL_SIGNAL" 0
			echo "ip: out of luck" >&2
			exit 2
		fi
		;;
	esac
	exec /usr/sbin/ip "$@"
END
chmod +x "$tmp/bin/ip"
export FAIL_COUNT=$tmp/count FAIL_AT=0 FAIL_SIGNAL='' FAIL_LATE=''

unlucky() { # NS NUMBER OPTION-OF-up...: is there such a step?
	local rc=0
	echo 0 >"$FAIL_COUNT"
	# a group of its own, for signals
	ip netns exec "$1" env PATH="$tmp/bin:$PATH" FAIL_AT="$2" setsid --wait "$program" up "${@:3}" \
		>"$tmp/said" 2>&1 || rc=$?
	cat "$tmp/said"
	return "$rc"
}

away=(--ghost "$GHOST" --remote 111.112.100.86)
home=(--ghost "$GHOST" --remote 111.112.101.37 --no-probe)
each() { # LABEL NS OPTION-OF-up...: every step fails, and nothing is left
	local n
	for ((n = 1; n < 20; n++)); do
		if unlucky "$2" "$n" "${@:3}" >"$tmp/each"; then
			check "$1: without an accident it is up" exits 0 gh "$2" status
			check "$1: after $((n - 1)) accidents" test "$n" -gt 3
			check "$1: down" gh "$2" down --all
			break
		fi
		check "$1: step $n fails: says which, and what to do" \
			eval "said 'step [0-9]+ of [0-9]+ failed: ip .*: ip: out of luck' && said 'see '"
		check "$1: step $n fails: all is as before" as_before "$2"
	done
	check "$1: in the end all is as before" as_before "$2"
}
each A A "${away[@]}"
each B B "${home[@]}"

ro_sysctl() {
	ip netns exec B unshare -m sh -c 'mount --bind /proc/sys /proc/sys &&
		mount -o remount,bind,ro /proc/sys && exec "$@"' sh "$program" up "${home[@]}"
}
check "B: /proc/sys cannot be written" says 'step 5 of 8 failed: echo 1 >/proc/sys/.*Read-only' ro_sysctl
check "B: /proc/sys cannot be written: all is as before" as_before B


# --- it is interrupted

for late in '' 1; do
	FAIL_SIGNAL=TERM FAIL_LATE=$late
	check "B: SIGTERM${late:+ after a step was done}" exits 143 unlucky B 4 "${home[@]}"
	check "B: SIGTERM${late:+ after a step was done}: all is as before" as_before B
	FAIL_SIGNAL=HUP
	check "B: SIGHUP${late:+ after a step was done}" exits 129 unlucky B 4 "${home[@]}"
	check "B: SIGHUP${late:+ after a step was done}: all is as before" as_before B
	FAIL_SIGNAL=KILL
	check "A: SIGKILL${late:+ after a step was done}" exits 137 unlucky A 3 "${away[@]}"
	check "A: SIGKILL${late:+ after a step was done}: is left behind" exits 1 gh A status
	check "A: SIGKILL${late:+ after a step was done}: down" gh A down --ghost $GHOST
	check "A: SIGKILL${late:+ after a step was done}: all is as before" as_before A
done
FAIL_SIGNAL='' FAIL_LATE=''

# --- with modules that are installed

unload
tree=$tmp/modules
mkdir -p "$tree/updates"
cp "$TUNL_BUILD"/{tunnel/tunnel,ipip/ipip}.ko "$tree/updates/"
if [[ $(modinfo -n tunnel4) == /* ]]; then
	mkdir -p "$tree/kernel/net"
	cp "$(modinfo -n tunnel4)" "$tree/kernel/net/"
fi
: >"$tree/modules.builtin"
: >"$tree/modules.order"
must mount --bind "$tree" "/lib/modules/$(uname -r)"
must depmod -a
dump A >"$tmp/before.A"
check "modprobe: up" up_a
check "modprobe: says so" said '^modprobe tunnel$'
check "modprobe: loaded" test -e /proc/net/ipip -a -e /sys/module/tunnel
check "modprobe: up again" up_a
check "modprobe: a second ghost" up_a 111.112.100.88
check "modprobe: the first goes" gh A down --ghost $GHOST
check "modprobe: still loaded" loaded tunnel
check "modprobe: the second goes" gh A down --all
check "modprobe: and with it the modules: all is as before" as_before A
check "modprobe: up" up_a
netns_add D
ip -n D link add another type tunl
check "modprobe: down" gh A down --all
check "modprobe: another netns has a tunnel, so they stay" said 'there are other tunnels, so module tunnel stays loaded'
check "modprobe: and do" test -e /proc/net/ipip -a -e /sys/module/tunnel
umount "/lib/modules/$(uname -r)"

ktap_end
