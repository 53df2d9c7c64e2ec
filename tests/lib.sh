# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# For the tests, which are sourced programs of one shape:
#
#   #!/bin/bash
#   # SPDX-License-Identifier: GPL-2.0
#   # tunl-test: guests=1 suite=fast engine=qemu timeout=60
#   #
#   # (the topology, drawn)
#   . "$(dirname "$0")/lib.sh"
#   ktap_begin
#   netns_add A B
#   veth A eth0 B eth0
#   check "A reaches B" ns A ping -c 1 -W 2 10.0.0.2
#   ktap_end
#
# Header: guests=1|2, suite=fast|full, engine=qemu|uml, timeout=SECONDS, and for
# two guests mixed=yes if the first and the last kernel on a wire is worth a run too;
# debs=PACKAGE,... for unpack_deb; pkgs=PACKAGE,... that others do not need, to be
# installed on the host; source=6.12,... if it reads Debian's kernel sources; packages=yes
# if it wants build/deb/ to have tunl-dkms, and one to upgrade to; alone=yes if its
# guest cannot be used for another test, and then vm=OPTION of scripts/vm.
# They are run by tests/guest, inside a guest, never on a real machine: the
# modules they load are loaded for the whole kernel.
#
# A failed check does not end the test.  What a test made, it need not remove:
# namespaces, links, processes, rules and sysctls go when it ends.

set -u

TUNL_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck disable=SC2034
TUNL_BUILD=$TUNL_TOP/build/$(uname -r)
ROLE=${TUNL_ROLE:-}		# a or b, if there are two guests
SHARE=/run/tunl			# the folder that both guests and the host see
TEST=$(basename "$0" .sh)

ktap_count=0
tmp=
background_pids=()
sysctl_undo=()

[ -e /run/control/config ] || {
	echo "Bail out! $TEST: tests run in a guest only; use scripts/check $TEST" >&2
	exit 2
}

# ---- results ---------------------------------------------------------------

ktap_begin() {
	tmp=$(mktemp -d "/tmp/$TEST.XXXXXX")
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	klog_mark
}

# The plan comes last: without it, the test is known not to have got here.
ktap_end() {
	echo "1..$ktap_count"
	exit 0
}

diag() { sed 's/^/# /'; }
note() { printf '# %s\n' "$*"; }

result() { # STATUS TEXT
	ktap_count=$((ktap_count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $ktap_count - $2"
	else
		echo "not ok $ktap_count - $2"
	fi
}

# check TEXT COMMAND...: ok if the command succeeds, and what it printed if not.
# The command runs in this shell: functions and assignments are fine.
check() {
	local text=$1 rc=0
	shift
	"$@" >"$tmp/check" 2>&1 || rc=$?
	result "$rc" "$text"
	[ "$rc" = 0 ] || {
		note "exit status $rc of: $*"
		tail -n 60 "$tmp/check" | diag
	}
	return "$rc"
}

# The same for a command that must fail.
check_not() {
	local text=$1 rc=0
	shift
	"$@" >"$tmp/check" 2>&1 || rc=$?
	if [ "$rc" != 0 ]; then
		result 0 "$text"
		return 0
	fi
	result 1 "$text"
	note "should have failed: $*"
	tail -n 60 "$tmp/check" | diag
	return 1
}

# For check: a command that fails, and says why.
says() { # TEXT COMMAND...
	local text=$1
	shift
	! "$@" >"$tmp/says" 2>&1 && cat "$tmp/says" && grep -q -- "$text" "$tmp/says"
}

# For a value: what it is, against what it should be.
check_eq() { # TEXT ACTUAL EXPECTED
	[ "$2" = "$3" ]
	set -- "$1" "$2" "$3" $?
	result "$4" "$1"
	[ "$4" = 0 ] || printf 'got:      %s\nexpected: %s\n' "$2" "$3" | diag
	return "$4"
}

# For scripts/check to add up: so much has been done to the modules.
tally() { printf '# tally %s %s\n' "$1" "$2"; } # WHAT NUMBER

# The rest of the test makes no sense here.
skip() { # REASON
	ktap_count=$((ktap_count + 1))
	echo "ok $ktap_count - # SKIP $*"
	ktap_end
}

# Without this step nothing that follows means anything.
must() {
	check "setup: $*" "$@" || exit 1
}

# poll SECONDS COMMAND...: wait for it to succeed, but no longer than that.
poll() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# ---- modules ---------------------------------------------------------------

load() { # tunnel|ipip [PARAMETER=VALUE...]
	local module=$1
	shift
	insmod "$TUNL_BUILD/$module/$module.ko" "$@"
}

loaded() { [ -e "/sys/module/$1" ]; }

unload() { # [tunnel|ipip...], by default whichever is loaded
	local module rc=0
	[ $# -gt 0 ] || set -- tunnel ipip
	for module; do
		! loaded "$module" || rmmod "$module" || rc=1
	done
	return "$rc"
}

# What the modules were built for: an answer of this kernel's headers, by a probe of
# include/compat.h. Its version says nothing: vendors take over later changes.
probed() { # NAME_ANSWER
	grep -qwe "-DCOMPAT_$1" "$TUNL_BUILD/tunnel/.main.o.cmd"
}

# What is not installed on the host, as it would start something there.
unpack_deb() { # PACKAGE...
	local package
	for package; do
		dpkg-deb --fsys-tarfile "$TUNL_CACHE/debs/$package.deb" |
			tar -x --keep-directory-symlink -C / || return
	done
}

# ---- topology --------------------------------------------------------------

# Run in a namespace; `init` is the guest's first.  Programs, not functions.
ns() { # NS COMMAND...
	local ns=$1
	shift
	case $ns:$1 in
	init:*) "$@" ;;
	*:ip) ip -n "$ns" "${@:2}" ;; # spares mounting a /sys
	*) ip netns exec "$ns" "$@" ;;
	esac
}

netns_add() { # NS...
	local ns
	for ns; do
		ip netns add "$ns" && ip -n "$ns" link set lo up || return
	done
}

# What the namespace's own stack knows of the path to an address.
path_mtu() { # NS ADDRESS
	ns "$1" python3 -c 'import socket, sys
IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
udp.connect((sys.argv[1], 9))
print(udp.getsockopt(socket.IPPROTO_IP, IP_MTU))' "$2"
}

# A pair of Ethernets, up, one end in each namespace.
veth() { # NS IF NS IF
	# Made under passing names: both may be called eth0, and init may have one.
	ip link add veth.a type veth peer name veth.b &&
		veth_end veth.a "$1" "$2" && veth_end veth.b "$3" "$4"
}

veth_end() { # LINK NS IF
	[ "$2" = init ] || ip link set "$1" netns "$2" || return
	ns "$2" ip link set "$1" name "$3" && ns "$2" ip link set "$3" up
}

# A bridge, up, with those ports.
bridge_add() { # NS BRIDGE IF...
	local ns=$1 bridge=$2 port
	shift 2
	ns "$ns" ip link add "$bridge" type bridge forward_delay 0 || return
	for port; do
		ns "$ns" ip link set "$port" master "$bridge" up || return
	done
	ns "$ns" ip link set "$bridge" up
}

# In the first namespace the old value comes back when the test ends.
sysctl_set() { # NS KEY VALUE
	[ "$1" != init ] || sysctl_undo+=("$2=$(sysctl -n "$2")")
	ns "$1" sysctl -qw "$2=$3"
}

# ---- processes -------------------------------------------------------------

# Start something that goes on until the test ends; its output is in
# $tmp/NAME.  Its process id is in $last_pid.
background() { # NAME NS COMMAND...
	local name=$1 ns=$2
	shift 2
	# Not by ns(): the process id has to be the program's, not a subshell's.
	if [ "$ns" = init ]; then
		"$@" >"$tmp/$name" 2>&1 &
	else
		ip netns exec "$ns" "$@" >"$tmp/$name" 2>&1 &
	fi
	last_pid=$!
	background_pids+=("$last_pid")
}

# Capture into FILE, from when this returns until capture_stop.
capture() { # NS IF FILE [FILTER...]
	local ns=$1 dev=$2 file=$3
	shift 3
	background "capture.${file##*/}" "$ns" \
		tcpdump -U --immediate-mode -s 0 -n -i "$dev" -w "$file" "$@"
	capture_pid=$last_pid
	poll 20 grep -q 'listening on' "$tmp/capture.${file##*/}"
}

capture_stop() { # [PID], by default the last one
	local pid=${1:-$capture_pid} file size='' last=none
	# What tcpdump has not read yet would be lost with it.
	# One that stopped by itself, for a -c, has nothing to lose.
	file=$({ tr '\0' '\n' <"/proc/$pid/cmdline" | sed -n '/^-w$/{n;p}'; } 2>/dev/null)
	for _ in {1..20}; do
		[ -n "$file" ] || break
		size=$(stat -c %s "$file")
		[ "$size" != "$last" ] || break
		last=$size
		sleep 0.2
	done
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return 0
}

# Stop the last capture once it has COUNT packets: on a busy machine tcpdump may
# be late.  Whether there are as many is for the test to check.
capture_stop_after() { # COUNT FILE
	local count=$1 file=$2
	captured_enough() {
		[ "$(tcpdump -nr "$file" 2>/dev/null | wc -l)" -ge "$count" ]
	}
	poll 10 captured_enough || note "${file##*/} has less than $count packets"
	capture_stop "$capture_pid"
}

# ---- crafted packets -------------------------------------------------------

# What became of packets that tests/craft sends from a namespace to the first
# one: which counters of /proc/net/ipip rose, as in "delivered_device+2".  Many
# tests call this often: the only processes are craft's.
fate() { # NS ARGUMENT-OF-CRAFT...
	local i never rose=() before=() now=() last=()

	mapfile -t -s 1 before </proc/net/ipip # the first line is the policy
	ns "$1" "$TUNL_TOP/tests/craft" "${@:2}" || return
	exec {never}<> <(:) # reading from it is a sleep without a process
	# done when something has changed, and changes no longer
	for ((i = 0; i < 40; i++)); do
		mapfile -t -s 1 now </proc/net/ipip
		[ "${now[*]}" = "${before[*]}" ] || [ "${now[*]}" != "${last[*]}" ] ||
			break
		last=("${now[@]}")
		read -rt 0.05 -u "$never"
	done
	exec {never}>&-
	for i in "${!now[@]}"; do
		[ "${now[i]}" = "${before[i]}" ] ||
			rose+=("${now[i]% *}+$((${now[i]#* } - ${before[i]#* }))")
	done
	echo "${rose[*]:-nothing}"
}

# ---- two guests ------------------------------------------------------------

# Returns once both guests have come here.
barrier() { # NAME
	local other=a
	[ -n "$ROLE" ] || return 0
	[ "$ROLE" = b ] || other=b
	: >"$SHARE/$TEST.$1.$ROLE"
	poll "${2:-60}" test -e "$SHARE/$TEST.$1.$other" ||
		{ note "barrier $1: guest $other did not come"; return 1; }
}

# Pass a value to the other guest.
tell() { # NAME VALUE
	printf '%s\n' "$2" >"$SHARE/.$TEST.$1.$ROLE" &&
		mv "$SHARE/.$TEST.$1.$ROLE" "$SHARE/$TEST.$1.value"
}

hear() { # NAME [SECONDS]
	poll "${2:-60}" test -e "$SHARE/$TEST.$1.value" && cat "$SHARE/$TEST.$1.value"
}

# ---- the kernel log --------------------------------------------------------

klog_number=0
klog_mark() {
	klog_number=$((klog_number + 1))
	echo "tunl-test: mark $TEST.$$.$klog_number" >/dev/kmsg
}

klog() { # what was logged since the last mark
	dmesg | awk -v mark="tunl-test: mark $TEST.$$.$klog_number" \
		'found; index($0, mark) { found = 1 }'
}

klog_has() { klog | grep -E -- "$1"; }
klog_count() { klog | grep -cE -- "$1"; }

# ---- the end ---------------------------------------------------------------

cleanup() {
	local pid ns link setting
	trap '' INT TERM
	for pid in ${background_pids[@]+"${background_pids[@]}"}; do
		kill "$pid" 2>/dev/null
	done
	# Namespaces outlive their names while a process is inside.
	for ns in $(ip netns list | cut -d' ' -f1); do
		ip netns pids "$ns" | xargs -r kill -KILL 2>/dev/null
		ip netns delete "$ns"
	done
	for pid in ${background_pids[@]+"${background_pids[@]}"}; do
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	for link in /sys/class/net/*; do
		link=${link##*/}
		case $link in
		lo | bonding_masters) ;;
		wire0) ip addr flush dev wire0; ip link set wire0 down ;;
		*) ip link delete "$link" 2>/dev/null ;; # fails for sit0 and the like
		esac
	done
	nft flush ruleset 2>/dev/null
	# backwards: what was set twice has its first value last
	for ((setting = ${#sysctl_undo[@]} - 1; setting >= 0; setting--)); do
		sysctl -qw "${sysctl_undo[setting]}" 2>/dev/null
	done
	rm -rf "$tmp"
}
