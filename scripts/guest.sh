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

# guest_config ENGINE WIRE MODULES SHARE COMMAND...: what the guest is to do.
# shellcheck disable=SC2034 # read by name, in the loop
guest_config() {
	local engine=$1 wire=$2 modules=$3 host_share=$4 host_root=/ var
	local clone=$TUNL_TOP directory=$TUNL_TOP guest=${TUNL_GUEST:-guest}
	shift 4

	case $modules$host_share$clone in
	*[\'\"]*) die "no quotes in the paths of clone, cache and share, please" ;;
	esac
	{
		# for busybox as well: none of bash's ways to quote
		for var in engine wire modules host_share host_root clone directory guest; do
			printf "%s='%s'\n" "$var" "${!var}"
		done
	} >"$tmp/control/config"
	{
		printf 'command=('
		printf ' %q' "$@"
		printf ' )\n'
		for var in "${!TUNL_@}"; do
			printf 'export %s=%q\n' "$var" "${!var}"
		done
	} >"$tmp/control/command"
}

# guest_initrd FILE ROOT RELEASE MODULE...: busybox, the first program, and
# those of the modules, with what they depend on, that are not built in.
guest_initrd() {
	local file=$1 root=$2 release=$3 dir=$tmp/initrd module
	shift 3

	mkdir -p "$dir/bin" "$dir/dev" "$dir/proc" "$dir/sys" "$dir/modules"
	cp /bin/busybox "$dir/bin/busybox"
	for module in sh mount mkdir insmod poweroff switch_root; do
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
