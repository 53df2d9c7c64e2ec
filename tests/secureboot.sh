#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=120 alone=yes pkgs=openssl,keyutils
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

check "not asked for: unsigned is loaded" insmod ipip.ko
must rmmod ipip
echo Y >$enforce
check_eq "asked for" "$(cat $enforce)" Y
check_not "for good" eval "echo N >$enforce"

# the error and the log, as in the page's table
table() { # FIRST-COLUMN COLUMN
	awk -F ' *\\| *' -v first="$1" -v column="$2" '$2 == first { print $column }' "$TUNL_TOP/docs/packaging.md"
}
while IFS=: read -r what file; do
	klog_mark
	check "$what: refused" refused "$file"
	check "$what: with the page's error" grep -F "$(table "$what" 3)" "$tmp/error"
	text=$(table "$what" 4)
	[ "$text" = "(none)" ] || check_eq "$what: and a line in the log" "$(klog_count "$text")" 1
done <<-END
	unsigned:ipip.ko
	unsigned:tunnel.ko
	signed, key unknown:tunnel/tunnel.ko
	signed, and changed since:changed.ko
END

check "the kernel's own ipip is loaded" modprobe ipip
check_not "which is not ours" ours_loaded
must unload_all
# No key is trusted because root says so.
check_not "root cannot add a key" keyctl padd asymmetric '' %:.secondary_trusted_keys <mok.pub
check "unsigned is refused still" refused ipip.ko

ktap_end
