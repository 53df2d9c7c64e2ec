#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=uml timeout=200 pkgs=man-db
#
# What `make install` and `make uninstall` do, below DESTDIR and in place. Nothing else is
# touched, and nothing is loaded. And what modinfo says of the modules.

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/installed.sh"
ktap_begin

# The modules as they were built, with the same flags, or make would compile them again;
# what else is installed beside them, in the guest's memory.
src=$TUNL_BUILD
args=(KDIR="$(kernel_dir)" W=1)
case $release in
*-tunl) args+=(ARCH=um) ;;
esac
# as for who became root by su: no sbin
run_make() { PATH=/usr/bin:/bin make -s -C "$src" "${args[@]}" "$@"; }
must cp -a "$TUNL_TOP"/{man,scripts,COPYING,CHANGELOG} "$src"

# What belongs there, from what there is in the clone.
programs() { (cd "$TUNL_TOP/scripts" && ls -d tunl-doctor ghost-host 2>/dev/null); }
expected_programs() { # PREFIX
	local name

	for name in $(programs); do echo "$1/sbin/$name"; done
	for name in "$TUNL_TOP"/scripts/completion/*; do echo "$1/share/bash-completion/completions/${name##*/}"; done
	for name in "$TUNL_TOP"/man/*; do echo "$1/share/man/man${name##*.}/${name##*/}"; done
}
expected_modules() { printf "$1/lib/modules/$release/updates/%s\n" tunnel/tunnel.ko ipip/ipip.ko; } # ROOT
# Where this ip looks for kinds, as an option of its build says.
plugin=$(strings -a "$(command -v ip)" | grep -m 1 '^/.*lib.*/ip$')/link_tunl.so
same_lines() { diff <(sort "$1") <(sort "$2"); }
loads_nothing() { ! loaded tunnel && ! loaded ipip; }

# --- modinfo

for module in tunnel ipip; do
	info() { modinfo -F "$1" "$TUNL_BUILD/$module/$module.ko"; }
	check_eq "$module: version is the changelog's" "$(info version)" "$version"
	check_eq "$module: licence" "$(info license)" GPL
	check "$module: author" test -n "$(info author)"
	check "$module: description" test -n "$(info description)"
	check "$module: has parameters" test -n "$(info parm)"
	check_eq "$module: each is described, with its default" "$(info parm | grep -v '(default: ')" ""
done
check_eq "tunnel: a unit where there is one" "$(modinfo -F parm "$TUNL_BUILD/tunnel/tunnel.ko" | grep -c '^ttl:.* hops;')" 1
check_eq "tunnel: loaded for kinds and devices" "$(modinfo -F alias "$TUNL_BUILD/tunnel/tunnel.ko" | sort | paste -sd ' ')" \
	"netdev-tunl netdev-tunl0 rtnl-link-ipip rtnl-link-tunl"

# --- below DESTDIR, where a kernel is

root=$tmp/root
must kernel_tree "$root/lib/modules/$release"
lists='/modules\.[^/]*$' # depmod's
find "$root" ! -type d | grep -v "$lists" >"$tmp/before"
touch "$tmp/stamp"
sleep 1.1 # of the file systems' clocks
check "make install DESTDIR=" run_make install DESTDIR="$root"
find "$root" ! -type d | grep -v "$lists" >"$tmp/after"
{
	cat "$tmp/before"
	expected_modules "$root"
	expected_programs "$root/usr/local"
	echo "$root$plugin"
} >"$tmp/expected"
check "installs modules, programs, pages, link_tunl.so, no more" same_lines "$tmp/expected" "$tmp/after"
check_eq "touches nothing else" "$(changed_since "$tmp/stamp")" ""
check "loads nothing" loads_nothing
check_eq "modinfo -b finds ours" "$(modinfo -b "$root" -k "$release" -n ipip)" "$(expected_modules "$root" | grep ipip)"
check_eq "modprobe -d finds ours, behind tunnel4" \
	"$(modprobe -d "$root" -S "$release" --show-depends ipip | sed 's|.*/||; s/\.ko.*//' | paste -sd ' ')" "tunnel4 ipip"
# the same folders by their other names
check "make uninstall INSTALL_MOD_PATH= PREFIX= IP_LIB=" run_make uninstall INSTALL_MOD_PATH="$root" PREFIX="$root/usr/local" IP_LIB="$root${plugin%/*}"
find "$root" ! -type d | grep -v "$lists" >"$tmp/after"
check "leaves what was there" same_lines "$tmp/before" "$tmp/after"
check_eq "modinfo -b finds the kernel's again" "$(modinfo -b "$root" -k "$release" -n ipip | sed 's/\.ko.*//')" \
	"$root/lib/modules/$release/kernel/net/ipv4/ipip"
check_not "no folder left" test -e "$root/lib/modules/$release/updates"
check_not "no folder of ip's left" test -e "$root${plugin%/*}"
without_ip() { # COMMAND...: who has no iproute2
	unshare -m sh -c 'mount --bind /bin/false /usr/bin/ip && exec "$@"' sh "$@"
}
no_tools() { without_ip make -s -C "$src" "${args[@]}" install DESTDIR="$root" >"$tmp/no-tools" 2>&1; }
check "without iproute2, make install succeeds" no_tools
check "and says what is left out" grep "link_tunl.so is left out" "$tmp/no-tools"
check_not "which is not there" test -e "$root$plugin"
check "and so does make uninstall" without_ip make -s -C "$src" "${args[@]}" uninstall DESTDIR="$root"
find "$root" ! -type d | grep -v "$lists" >"$tmp/after"
check "it leaves what was there" same_lines "$tmp/before" "$tmp/after"

check "make install-dkms DESTDIR=" run_make install-dkms DESTDIR="$tmp/dkms"
(cd "$tmp/dkms" && find . -type f | sed "s|^\./usr/src/tunl-$version/||") >"$tmp/after"
(
	cd "$TUNL_TOP" && printf '%s\n' dkms.conf dkms-try && find Kbuild COPYING include tunnel ipip -name '*.[ch]' ! -name '*.mod.c' \
		-o -name Kbuild -o -name COPYING
) >"$tmp/expected"
check "sources for dkms, no more" same_lines "$tmp/expected" "$tmp/after"
check "dkms.conf has the version" grep -x "PACKAGE_VERSION=\"$version\"" "$tmp/dkms/usr/src/tunl-$version/dkms.conf"
try=$tmp/dkms/usr/src/tunl-$version/dkms-try
check "dkms-try has the version" grep -x "version=\"$version\"" "$try"
check "dkms-try names the kernels that the modules are tried on" grep -E '^known="5\.10 6\.1 [0-9. ]+"' "$try"
check "dkms can run dkms-try" test -x "$try"
check_eq "touches nothing else" "$(changed_since "$tmp/stamp")" ""

# --- in place

must use_kernel_tree "$root/lib/modules/$release"
check_eq "before: modprobe finds the kernel's ipip" "$(finds ipip | sed 's/\.ko.*//')" "$modules/kernel/net/ipv4/ipip"
check "make install" run_make install
check "ip has the words of kind tunl" grep 'remote ADDR' <<<"$(ip link help tunl)"
check "loads nothing" loads_nothing
check_eq "modprobe finds ours" "$(finds ipip)" "$modules/updates/ipip/ipip.ko"
check "modprobe tunnel" modprobe tunnel
check "loads ours, both" ours_loaded
check_eq "which leaves the host's accept=auto closed" "$(head -n 1 /proc/net/ipip)" "accept auto (peers)"
must unload_all
for kind in tunl ipip; do
	check "nobody's ip link add type $kind loads ours" \
		setpriv --reuid=65534 --regid=65534 --clear-groups unshare -Urn ip link add own type $kind
	check "type $kind: both" ours_loaded
	check_eq "type $kind: which leaves the host closed" "$(head -n 1 /proc/net/ipip)" "accept auto (peers)"
	must unload_all
done
# by way of Debian's link /usr/local/man, perhaps
check_eq "man finds tunl(4)" "$(realpath "$(man -w 4 tunl)")" /usr/local/share/man/man4/tunl.4
for name in $(programs); do
	check "$name says how it is used" grep . <("/usr/local/sbin/$name" --help)
done
check_eq "tunl-doctor has the version" "$(/usr/local/sbin/tunl-doctor --version)" "tunl-doctor $version"
must unload_all
check "make uninstall" run_make uninstall
check_eq "modprobe finds the kernel's ipip again" "$(finds ipip | sed 's/\.ko.*//')" "$modules/kernel/net/ipv4/ipip"
check_eq "nothing left" "$(changed_since "$tmp/stamp" | grep -v "$lists")" ""
check_not "nothing left of ip's folder" test -e "${plugin%/*}"
check "a second make uninstall is no error" run_make uninstall
umount "$modules"

ktap_end
