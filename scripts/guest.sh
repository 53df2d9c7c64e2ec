# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What scripts/vm and scripts/uml have in common: the folder through which host
# and guest talk, the initramfs, and what became of the guest.
# To be sourced after lib.sh.

tmp=

# The run's own temporary folder: control/ for us, share/ for the command.
guest_tmp() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/tunl.XXXXXX")
	mkdir "$tmp/control" "$tmp/share"
	: >"$tmp/console"
}

# What tests run all the time.
GUEST_PROGRAMS=(awk basename bash busybox cat chmod chown cmp cp cut date dirname dmesg env
	ethtool expr find grep head id ifconfig insmod ip iptables kill ln ls mkdir mkfifo mktemp
	modprobe mount mv nft nsenter paste pgrep ping ps python3 readlink rm rmmod route sed seq
	setpriv sh sleep socat sort ss stat stdbuf sysctl tail tc tcpdump tee timeout touch tr
	true umount uname uniq unshare wc xargs)

# guest_hot USERLAND: those programs and their libraries, with all links on the way.  The
# guest copies them into its memory: from there a program starts in half the time, as
# each opening of a file of this machine is a dozen messages between guest and QEMU.
guest_hot() {
	local file
	local -A seen=()

	printf '%s\n' bin sbin lib lib64
	if [ -n "$1" ]; then
		(cd "$1" && find usr/bin usr/sbin usr/lib/*-linux-gnu -maxdepth 1 ! -type d -size -3M)
		return
	fi
	{
		type -P "${GUEST_PROGRAMS[@]}" || true
		# shellcheck disable=SC2046 # names of programs have no blanks
		ldd $(type -P "${GUEST_PROGRAMS[@]}") 2>/dev/null | grep -o '/[^ ]*\.so[^ ]*' || true
		find /usr/lib/locale/C.utf8 /etc/ld.so.cache -type f 2>/dev/null || true
	} | sort -u | while read -r file; do
		while [ -z "${seen[$file]:-}" ]; do
			seen[$file]=1
			echo "${file#/}"
			[ ! -L "$file" ] || file=$(cd "${file%/*}" && realpath -s "$(readlink "$file")")
		done
	done
}

# guest_config ENGINE WIRE USERLAND MODULES SHARE COMMAND...: what the guest is to do.
# USERLAND: the folder that is its root; none if that is the host's.
# shellcheck disable=SC2034 # read by name, in the loop
guest_config() {
	local engine=$1 wire=$2 userland=$3 modules=$4 host_share=$5 host_root=/ var
	local clone=$TUNL_TOP directory=$TUNL_TOP guest=${TUNL_GUEST:-guest}
	shift 5

	case $modules$host_share$clone in
	*[\'\"]*) die "no quotes in the paths of clone, cache and share, please" ;;
	esac
	{
		# for busybox as well: none of bash's ways to quote
		for var in engine wire userland modules host_share host_root clone directory guest; do
			printf "%s='%s'\n" "$var" "${!var}"
		done
	} >"$tmp/control/config"
	: >"$tmp/control/hot"
	[ "$engine" = uml ] || guest_hot "$userland" >"$tmp/control/hot"
	{
		printf 'command=('
		printf ' %q' "$@"
		printf ' )\n'
		for var in "${!TUNL_@}"; do
			printf 'export %s=%q\n' "$var" "${!var}"
		done
	} >"$tmp/control/command"
}

# guest_initrd FILE ROOT RELEASE USERLAND MODULE...: busybox, the first program, and
# those of the modules, with what they depend on, that are not built in.
guest_initrd() {
	local file=$1 root=$2 release=$3 userland=$4 dir=$tmp/initrd module
	shift 4

	mkdir -p "$dir/bin" "$dir/dev" "$dir/proc" "$dir/sys" "$dir/modules"
	cp "$userland/bin/busybox" "$dir/bin/busybox"
	for module in sh mount mkdir insmod poweroff switch_root touch xargs; do
		ln -s busybox "$dir/bin/$module"
	done
	cp "$TUNL_TOP/scripts/guest-initramfs" "$dir/init"
	: >"$dir/modules/list"
	[ $# -eq 0 ] ||
		/sbin/modprobe -d "$root" -S "$release" --show-depends -a "$@" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
			while read -r module; do
				guest_module "$module" "$dir/modules"
			done
	(cd "$dir" && find . | cpio --quiet -o -H newc -R 0:0) >"$file"
}

guest_module() { # FILE DIR: copied there, plain, and noted in the list
	local name=${1##*/}

	name=${name%.xz}
	name=${name%.zst}
	case $1 in
	*.xz) xz -dc "$1" >"$2/$name" ;;
	*.zst) zstd -qdc "$1" >"$2/$name" ;;
	*) cp "$1" "$2/$name" ;;
	esac
	echo "$name" >>"$2/list"
}

# guest_wait PID SECONDS: true unless the time was up first.
guest_wait() {
	local sleeper

	setpriv --pdeathsig KILL sleep "$2" &
	sleeper=$!
	wait -n "$1" "$sleeper" 2>/dev/null || true
	if kill -0 "$1" 2>/dev/null; then
		kill -KILL "$1"
		wait "$1" 2>/dev/null || true
		return 1
	fi
	kill "$sleeper" 2>/dev/null || true
	wait "$sleeper" 2>/dev/null || true
}

# guest_result TIMED_OUT SECONDS DMESG: exit with what became of the guest.
guest_result() {
	local status log=$tmp/console

	[ ! -s "$tmp/control/dmesg" ] || log=$tmp/control/dmesg
	[ -z "$3" ] || cp "$log" "$3"
	status=$(cat "$tmp/control/status" 2>/dev/null || true)
	[ -z "$status" ] || exit "$status"

	if [ -n "$1" ]; then
		say "error: the guest did not finish within $2 s; the end of its console:"
	else
		say "error: the guest died before its command ended; the end of its console:"
	fi
	tail -n 60 "$tmp/console" | tr -d '\r' >&2
	[ -z "$1" ] || exit 124
	exit 125
}

# guest_split ARG...: at --peer, into the arrays `mine` and `peer`; `paired` says
# whether there was one.
# shellcheck disable=SC2034
guest_split() {
	local arg

	mine=() peer=() paired=''
	for arg; do
		if [ -n "$paired" ]; then
			peer+=("$arg")
		elif [ "$arg" = --peer ]; then
			paired=1
		else
			mine+=("$arg")
		fi
	done
}

# guest_pair ARRAY-A ARRAY-B: two guests, each one run of this script with those
# arguments, its lines marked. Exits with the first status, or the second if that
# is 0.
guest_pair() {
	local rc_a='' rc_b='' rc first pid_a pid_b other
	local -n args_a=$1 args_b=$2

	TUNL_GUEST=a setpriv --pdeathsig TERM "$0" "${args_a[@]}" > >(exec sed -u 's/^/A| /') 2>&1 &
	pid_a=$!
	TUNL_GUEST=b setpriv --pdeathsig TERM "$0" "${args_b[@]}" > >(exec sed -u 's/^/B| /') 2>&1 &
	pid_b=$!

	while [ -z "$rc_a" ] || [ -z "$rc_b" ]; do
		rc=0
		wait -n -p first || rc=$?
		case $first in
		"$pid_a") rc_a=$rc other=$pid_b ;;
		"$pid_b") rc_b=$rc other=$pid_a ;;
		esac
		# 2: never started; 124, 125: gone without having been asked to
		case $rc in
		2 | 124 | 125) kill "$other" 2>/dev/null || true ;;
		esac
	done
	[ "$rc_a" != 0 ] || rc_a=$rc_b
	exit "$rc_a"
}
