#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=200 alone=yes pkgs=openssl,keyutils
#
# A kernel that loads signed modules only, and docs/packaging.md's words about that: what
# is refused and how it is told. The kernel's own, signed by Debian, is loaded.

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/installed.sh"
ktap_begin

enforce=/sys/module/module/parameters/sig_enforce
[ -e $enforce ] || skip "this kernel knows no signatures"
cp "$TUNL_BUILD"/{tunnel/tunnel,ipip/ipip}.ko "$tmp"
cd "$tmp" || exit

# The page's own commands, on copies of the modules.
mkdir tunnel ipip
cp tunnel.ko tunnel/ && cp ipip.ko ipip/
awk '/^```$/ && inside { exit }
	/^openssl req/ { inside = 1 }
	inside' "$TUNL_TOP/docs/packaging.md" >commands
must test -s commands
check "docs: the commands run" bash -e commands
for module in tunnel ipip; do
	check_eq "docs: $module is signed" "$(modinfo -F signer $module/$module.ko)" "modules of this machine"
done
printf 'X' | dd of=ipip/ipip.ko bs=1 seek=64 conv=notrunc status=none && cp ipip/ipip.ko changed.ko

refused() { # FILE
	! insmod "$1" 2>"$tmp/error" && cat "$tmp/error" && ! loaded ipip && ! loaded tunnel
}
# error and log, of the page's table
table() { # MODULE ASKED-BY COLUMN
	awk -F ' *[|] *' -v module="$1" -v asked="$2" -v column="$3" \
		'$2 == module && ($3 == asked || $3 == "any") { print $column }' "$TUNL_TOP/docs/packaging.md"
}
refuses() { # ASKED-BY FILE:MODULE...
	local asked=$1 case file module error text
	shift
	for case; do
		file=${case%%:*} module=${case#*:}
		error=$(table "$module" "$asked" 4) text=$(table "$module" "$asked" 5)
		klog_mark
		check "$asked: $file, $module: refused" refused "$file"
		check "$asked: $file, $module: with the page's error, $error" grep -E -- ": ${error:?}$" "$tmp/error"
		[ -z "$text" ] || check_eq "$asked: $file, $module: and its line in the log" "$(klog_count "$text")" 1
	done
}
cases=(ipip.ko:unsigned tunnel.ko:unsigned "tunnel/tunnel.ko:signed, key unknown" "changed.ko:signed, and changed since")
kernels_own() {
	check "$1: the kernel's own ipip is loaded" modprobe ipip
	check_not "$1: which is not ours" ours_loaded
	must unload_all
}

check "not asked for: unsigned is loaded" insmod ipip.ko
must rmmod ipip

lockdown=/sys/kernel/security/lockdown
[ -e $lockdown ] || must mount -t securityfs securityfs /sys/kernel/security
must eval "echo integrity >$lockdown"
refuses "Secure Boot" "${cases[@]}"
kernels_own "Secure Boot"
# No key is trusted because root says so.
check_not "root cannot add a key" keyctl padd asymmetric '' %:.secondary_trusted_keys <mok.pub

must eval "echo Y >$enforce"
check_not "it is for good" eval "echo N >$enforce"
refuses "\`module.sig_enforce=1\`" "${cases[@]}"
kernels_own "module.sig_enforce=1"

ktap_end
