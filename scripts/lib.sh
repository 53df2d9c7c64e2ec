# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Shared by the scripts of this folder: messages, Debian packages, the cache.
# To be sourced, after `set -eu`.

TUNL_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
TUNL_CACHE=${TUNL_CACHE:-/var/cache/tunl}
export TUNL_TOP TUNL_CACHE

kernel_table() { # its lines: NAME SUITE SERIES FLAVOUR CHECK FULL
	sed '/^#/d' "$TUNL_TOP/scripts/kernel.table"
}
# Those that every test runs on, the oldest first.
# shellcheck disable=SC2034
mapfile -t TUNL_KERNELS < <(kernel_table | awk '$5 == "all" { print $1 }')

# Package sets, installed by whoever needs them first.  The guests run on this
# machine's userland, so what a test calls is installed here too.
# shellcheck disable=SC2034
PKGS_BUILD=(build-essential gcc-12 bc bison flex libelf-dev libssl-dev kmod pahole
	cpio rsync xz-utils)
# shellcheck disable=SC2034
PKGS_VM=(qemu-system-x86 busybox-static iproute2 kmod cpio xz-utils zstd)
# shellcheck disable=SC2034
PKGS_TEST=(iproute2 net-tools iputils-ping iputils-arping iputils-tracepath
	traceroute tcpdump tshark nftables conntrack iperf3 ethtool socat procps
	python3 python3-scapy python3-pyroute2 iptables libnl-3-200 libnl-genl-3-200
	libpopt0 systemd)
# For kernels of other processors only: what emulates them, and what compiles for them.
# shellcheck disable=SC2034
PKGS_arm64=(qemu-system-arm gcc-aarch64-linux-gnu)
# shellcheck disable=SC2034
PKGS_s390x=(qemu-system-misc gcc-s390x-linux-gnu)
# shellcheck disable=SC2034
PKGS_SECURE_BOOT=(ovmf sbsigntool openssl)
# shellcheck disable=SC2034
PKGS_BENCH=(gnuplot-nox qperf linux-perf)
# shellcheck disable=SC2034
PKGS_STYLE=(shellcheck sparse codespell perl python3)
# shellcheck disable=SC2034
PKGS_PICTURES=(graphviz fonts-dejavu-core)

# shellcheck disable=SC2034
PKGS_DEB=(dpkg-dev build-essential debhelper dh-dkms lintian rsync)

# Progress goes to stderr: stdout belongs to what a script was asked for.
say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
warn() { say "warning: $*"; }
die() {
	say "error: $*"
	exit 2
}

case $TUNL_TOP in
*[[:space:]:]*) die "the path of this clone, '$TUNL_TOP', has a blank or a colon in it, which kbuild cannot work with: move the clone" ;;
esac

# Into suite, series and flavour: where a kernel comes from; into processor: Debian's
# name of the one it is for, if that is another than this machine's.
kernel_row() { # NAME
	local name

	# shellcheck disable=SC2034
	while read -r name suite series flavour _; do
		[ "$name" = "$1" ] || continue
		# shellcheck disable=SC2034
		case $suite in
		*:"$(dpkg --print-architecture)") suite=${suite%:*} processor='' ;;
		*:*) processor=${suite#*:} ;;
		*) processor='' ;;
		esac
		return
	done < <(kernel_table)
	die "no kernel '$1'; known: $(kernel_table | awk '{ printf "%s%s", (NR > 1 ? " " : ""), $1 }') (scripts/kernel list)"
}

# Run a command while holding a lock of the cache: clones share it.  In a
# subshell, and not in a condition: there `set -e` would be off.
locked() (
	if ! mkdir -p "$TUNL_CACHE" 2>/dev/null || [ ! -w "$TUNL_CACHE" ]; then
		die "cannot write in $TUNL_CACHE, where kernels are kept: run this as root, or name another folder by TUNL_CACHE=DIR"
	fi
	exec 9>"$TUNL_CACHE/$1.lock"
	if ! flock -n 9; then
		say "waiting for $TUNL_CACHE/$1.lock, held by another run"
		flock 9
	fi
	shift
	# Closed for the command: what it leaves in the background must not go
	# on holding the lock.
	"$@" 9>&-
)

# Package lists a day old name files that the archive has since removed. One at a time:
# apt waits for nobody there, and who goes on without lists finds no package.
apt_update() { # [force]
	locked lists update_lists "${1:-}"
}

update_lists() {
	local stamp=$TUNL_CACHE/apt-updated

	if [ "$1" != force ] && [ -n "$(find "$stamp" -mmin -1440 2>/dev/null)" ]; then
		return 0
	fi
	say "apt-get update"
	apt-get -qq -o Acquire::Retries=3 update >&2 ||
		warn "apt-get update failed; going on with the lists there are"
	touch "$stamp"
}

pkgs_missing() {
	# dpkg-query complains of those it has never heard of: missing as well
	comm -23 <(printf '%s\n' "$@" | sort -u) \
		<(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
			sed -n 's/^installed //p' | sort -u)
}

pkgs_install() {
	apt_update
	apt_install "$@" || {
		apt_update force
		apt_install "$@"
	}
}

apt_install() {
	# wireshark-common and iperf3 ask questions otherwise
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
		-o Dpkg::Use-Pty=0 install "$@" </dev/null >/dev/null
}

# Install those of the Debian packages that are not there yet.
need() {
	local missing

	mapfile -t missing < <(pkgs_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] ||
		die "these Debian packages are missing: ${missing[*]}; install them, or run this as root"
	command -v apt-get >/dev/null ||
		die "no apt-get here; install what Debian calls: ${missing[*]}"
	say "installing ${missing[*]}"
	locked apt pkgs_install "${missing[@]}" ||
		die "apt-get could not install: ${missing[*]}"
}

# What a kernel of another processor is built with and runs in; nothing without one.
need_processor() { # PROCESSOR, or nothing
	local packages="PKGS_$1[@]"

	[ -n "$1" ] || return 0
	[[ -v PKGS_$1 ]] || die "no emulator is known for the processor $1"
	need "${!packages}"
}

# Download .debs into the current directory without installing anything.
fetch_debs() {
	# As root: apt's own user cannot write here.
	apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 \
		download "$@" >&2
}

# Packages that would start services if they were installed here.  They are kept in
# the cache, and unpacked into the memory of the guest that wants them.
keep_debs() { # PACKAGE...
	local package

	for package; do
		[ -e "$TUNL_CACHE/debs/$package.deb" ] || locked apt keep_deb "$package" ||
			die "could not download $package; try again after apt-get update"
	done
}

keep_deb() ( # PACKAGE
	set -e
	mkdir -p "$TUNL_CACHE/debs/$1.tmp"
	cd "$TUNL_CACHE/debs/$1.tmp"
	apt_update
	fetch_debs "$1" || { apt_update force && fetch_debs "$1"; } || exit
	mv ./*.deb "../$1.deb"
	cd ..
	rm -r "$1.tmp"
)

# kconfig drops in silence what it cannot have.  Of an option that several
# fragments set, the last one counts.
options_taken() { # FRAGMENT...
	! cat "$@" | grep '^CONFIG_' | tac | sort -s -u -t= -k1,1 |
		grep -vxF -f .config | grep . || {
		echo "these options did not take"
		return 1
	}
}

# Leave of a built kernel only what modules are built with, a tenth of it.
for_modules() { # TREE
	find "$1" -mindepth 1 -maxdepth 1 -type d \
		! -name arch ! -name include ! -name scripts ! -name tools -exec rm -rf {} +
	find "$1" -name '*.o' -path "$1/*/*" \
		! -path "$1/scripts/*" ! -path "$1/tools/*" -delete
	rm -f "$1"/vmlinux.o "$1"/.tmp_vmlinux*
}

# Print the text of a `# ...` header up to the first line that is none.
usage() {
	sed -n '3,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$0"
}
