# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of installing have in common; to be sourced after lib.sh.

release=$(uname -r)
modules=/lib/modules/$release
version=$(grep -m 1 -oE '^[0-9][^ ]*' "$TUNL_TOP/CHANGELOG")

# The folder that modules for this kernel are built in.
kernel_dir() {
	if [ -e "$modules/build" ]; then
		readlink -f "$modules/build"
	else
		# user-mode Linux: scripts/uml keeps it beside the modules
		# shellcheck source=/dev/null
		(. /run/control/config && echo "${modules%/root/lib/modules}/tree")
	fi
}

# kernel_tree DIR: a folder like /lib/modules/RELEASE, of the few modules that matter:
# depmod takes its time, emulated.
kernel_tree() {
	local module file

	mkdir -p "$1" || return
	for module in tunnel4 ip_tunnel sit ipip; do
		file=$(modinfo -n $module) || return
		file=${file#"$modules/"}
		install -D -m 644 -t "$1/${file%/*}" "$modules/$file" || return
	done
	ln -s "$(kernel_dir)" "$1/build"
	touch "$1"/modules.{builtin,builtin.modinfo,order}
}

# In place of the guest's own, until the test ends: it is in memory, too.
use_kernel_tree() { # DIR
	mount --bind "$1" "$modules" && depmod -a
}

# What modprobe and the kernel would load for a name.
finds() { modprobe --show-depends "$1" | awk '$1 == "insmod" { file = $2 } END { print file }'; } # MODULE

# Files that have come or changed since the stamp, where installing could put any.
changed_since() { # STAMP
	find /boot /etc /lib/modules /usr/local /usr/sbin /usr/share/man /usr/src /var/lib \
		-cnewer "$1" ! -type d 2>/dev/null
}

ours_loaded() { [ -e /proc/net/ipip ] && [ "$(cat /sys/module/ipip/version)" = "${1:-$version}" ]; }
unload_all() {
	unload && { ! loaded sit || rmmod sit; } && { ! loaded ip_tunnel || rmmod ip_tunnel; } &&
		{ ! loaded tunnel4 || rmmod tunnel4; }
}
