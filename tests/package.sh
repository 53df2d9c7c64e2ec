#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=4000 alone=yes packages=yes debs=dkms pkgs=lsb-release,patch,openssl
#
# The package tunl-dkms: installed, upgraded, rebuilt, removed, purged; each time, whose
# modules the kernel gets. And the same by hand: make install-dkms, dkms. Kernels come that
# no version of tunl knows: one is like the guest's own, with headers that one probe has no
# answer for, and then without. Emulated, compiling takes some minutes; there it is done
# once, and the rest is left to user-mode Linux.

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/installed.sh"
ktap_begin

packages=$TUNL_TOP/build/deb
next=$version+next
installed=$version
first_deb=$packages/tunl-dkms_${version}_all.deb
next_deb=$packages/tunl-dkms_${next}_all.deb
dkms_deb=$TUNL_CACHE/debs/dkms.deb
export DEBIAN_FRONTEND=noninteractive
native=
case $release in
*-tunl)
	native=1
	export MAKEFLAGS=ARCH=um # dkms hands it on to make; a variable ARCH it would empty
	;;
esac

# Folders beforehand: dpkg makes new ones by renaming, which the root of user-mode Linux
# refuses (its overlay has no extended attributes to note it in).
install_deb() { # FILE
	dpkg-deb --fsys-tarfile "$1" | tar -t | sed -n 's|^\./\(.*\)/$|/\1|p' | xargs mkdir -p &&
		dpkg --force-unsafe-io -i "$1"
}
status() { # of this kernel, if not of another one
	dkms status -m tunl -k "${1:-$release}" |
		sed 's/^\(.*\), \(.*\), .*: \(.*\)$/\1 \2 \3/; s/ (Original modules exist)$//'
}
# What the packages of a kernel and of its headers call.
hooks() { run-parts --exit-on-error --regex '^dkms' --arg="$2" "/etc/kernel/$1.d"; } # postinst|header_postinst RELEASE
# dkms from 3.1 on keeps the kernel's ipip.ko elsewhere while ours is installed.
kernels_file() {
	compgen -G "$modules/kernel/net/ipv4/ipip.ko*" ||
		{ moves_modules && compgen -G "/var/lib/dkms/tunl/original_module/$release/*/ipip.ko*"; }
}
moves_modules() { dpkg --compare-versions "$(dpkg-query -W -f '${Version}' dkms)" ge 3.1; }
the_kernels() { [ "$(finds ipip | sed 's/\.ko.*//')" = "$modules/kernel/net/ipv4/ipip" ]; }
dkms_has() { # what of ours is in dkms' and the kernel's folders
	(cd / && find etc/kernel usr/src usr/share/doc/tunl-dkms usr/share/man/man4 usr/sbin/tunl-doctor \
		usr/sbin/ghost-host var/lib/dkms "${modules#/}/updates" \( -path '*tunl*' -o -path '*/ipip.*' \) 2>/dev/null)
}
loads_ours() { # VERSION
	modprobe -a ipip tunnel && ours_loaded "$1" && [ "$(cat /sys/module/tunnel/version)" = "$1" ]
}
# Of no tunnel.ko loaded, by what the kernel itself asks modprobe for.
kind_is_ours() {
	ip link add own type ipip remote 192.0.2.1 && ethtool -S own | grep tx_drop && ip link del own
}
kind_is_kernels() {
	ip link add own type ipip remote 192.0.2.1 && ! ethtool -S own | grep tx_drop && ip link del own
}

must kernel_tree "$tmp/modules"
must kernel_tree "$tmp/other"
must use_kernel_tree "$tmp/modules"
must install_deb "$dkms_deb"
check "before: modprobe finds the kernel's ipip" the_kernels
check_eq "before: nothing of ours" "$(dkms_has)" ""

# --- installed

check "dpkg -i" install_deb "$first_deb"
check_eq "installed: dkms has built it for this kernel" "$(status)" "tunl/$version $release installed"
check "installed: modprobe finds ours" grep -x "$modules/updates/dkms/ipip\.ko.*" <<<"$(finds ipip)"
check "installed: the kernel's own ipip.ko is kept" kernels_file
check_not "installed: nothing is loaded" eval 'loaded tunnel || loaded ipip'
check "installed: modprobe loads ours" loads_ours "$version"
must unload_all
check "installed: kind ipip is ours" kind_is_ours
must unload_all
check "installed: nobody can have it loaded" \
	setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Urn ip link add own type tunl
check_eq "installed: which leaves the host closed" "$(head -n 1 /proc/net/ipip)" "accept auto (peers)"
must unload_all
if [ -x "$modules/build/scripts/sign-file" ] && grep -q CONFIG_MODULE_SIG=y "$modules/build/.config"; then
	check_eq "installed: signed with dkms' key" "$(modinfo -F signer ipip)" "DKMS module signing key"
else
	note "no sign-file for this kernel: modules are unsigned"
fi

# --- upgraded, while the old ones are loaded

if [ -n "$native" ]; then
	must modprobe -a ipip tunnel
	check "dpkg -i of a newer version" install_deb "$next_deb"
	check_eq "upgraded: dkms has the new one, no other" "$(status)" "tunl/$next $release installed"
	check_eq "upgraded: no old source" "$(ls -d /usr/src/tunl-*)" "/usr/src/tunl-$next"
	check "upgraded: the old ones stay loaded" ours_loaded "$version"
	must unload_all
	check "upgraded: then the new ones" loads_ours "$next"
	must unload_all
	installed=$next
fi

# --- a kernel comes

must dkms uninstall "tunl/$installed" -k "$release"
check "before a new kernel: modprobe finds the kernel's" the_kernels
check "a new kernel: the hooks of its package succeed" hooks postinst "$release"
check_eq "a new kernel: the modules are built and installed" "$(status)" "tunl/$installed $release installed"
check "a new kernel: modprobe finds ours" grep -x "$modules/updates/dkms/ipip\.ko.*" <<<"$(finds ipip)"

# --- a kernel comes that no version of tunl knows

other=9.9.0-1-amd64
headers=$(sed -n 's|^include \(/.*\)/Makefile$|\1|p' "$modules/build/Makefile") # Debian's are in two trees
headers=${headers:-$modules/build}
mkdir -p "/lib/modules/$other"
must mount --bind "$tmp/other" "/lib/modules/$other"
must depmod "$other"
kernel_has() { modprobe -S "$other" --show-depends ipip | sed -n "s|^insmod /lib/modules/$other/\([a-z]*\)/.*/ipip\.ko.*|\1|p"; }
hooks_say() { hooks "$1" "$other" >"$tmp/said" 2>&1; }
sed 's/flowi4_dscp/flowi4_new/g; s/flowi4_tos/flowi4_old/g' "$headers/include/net/flow.h" >"$tmp/flow.h"
must mount --bind "$tmp/flow.h" "$headers/include/net/flow.h"
for package in postinst header_postinst; do
	check "an unknown kernel with unknown headers: the hooks of its package succeed ($package)" \
		hooks_say "$package"
	check "an unknown kernel with unknown headers: one line has the probe and the known kernels ($package)" \
		grep -x "tunl $installed has no modules for kernel $other: probe FLOWI4_DSCP(net/flow\.h) has no answer\. It is known to build for 5\.10 6\.1 .*, which keeps its own ipip\." "$tmp/said"
	check_eq "an unknown kernel with unknown headers: dkms has no modules for it ($package)" "$(status $other | grep -E ' (built|installed)$')" ""
done
check_eq "an unknown kernel with unknown headers: it keeps its own ipip" "$(kernel_has)" kernel
must umount "$headers/include/net/flow.h"
if [ -n "$native" ]; then
	check "an unknown kernel with known headers: the hooks of its package succeed" hooks header_postinst "$other"
	check_eq "an unknown kernel with known headers: the modules are built and installed" \
		"$(status $other)" "tunl/$installed $other installed"
	check_eq "an unknown kernel with known headers: it gets our ipip" "$(kernel_has)" updates
fi

# --- removed, purged

must modprobe -a ipip tunnel
check "dpkg -r" dpkg -r tunl-dkms
check "removed: what is loaded stays" ours_loaded "$installed"
check "removed: modprobe finds the kernel's again" the_kernels
check_eq "removed: the other kernel has its own ipip again" "$(kernel_has)" kernel
left_hook() { [ -x /etc/kernel/postinst.d/dkms-tunl ] && hooks postinst "$release" && the_kernels; }
check "removed: the hook of the package stays, and builds nothing" left_hook
must unload_all
check "removed: kind ipip is the kernel's" kind_is_kernels
check_not "removed: it is not ours" ours_loaded
must unload_all
check "dpkg -P" dpkg -P tunl-dkms
check_eq "purged: dpkg knows nothing of it" "$(dpkg-query -W -f '${db:Status-Status}' tunl-dkms 2>/dev/null)" ""
check_eq "purged: nothing of ours left" "$(dkms_has)" ""

# --- by hand

if [ -n "$native" ]; then
	check "make install-dkms" make -s -C "$TUNL_TOP" install-dkms
	check "dkms install" dkms install "tunl/$version"
	check "by hand: loads ours" loads_ours "$version"
	must unload_all
	check "dkms remove" dkms remove "tunl/$version" --all
	check "by hand: modprobe finds the kernel's again" the_kernels
	rm -r "/usr/src/tunl-$version"
	check_eq "by hand: nothing of ours left" "$(dkms_has)" ""
fi

umount "/lib/modules/$other"
umount "$modules"
ktap_end
