# shellcheck shell=bash disable=SC2154 # lib.sh's names
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of signed modules have in common: modules to try, in $tmp, and
# docs/packaging.md's words about what becomes of each. To be sourced after lib.sh.

. "$TUNL_TOP/tests/installed.sh"

enforce=/sys/module/module/parameters/sig_enforce
lockdown=/sys/kernel/security/lockdown

# ipip.ko, tunnel.ko: unsigned; tunnel/, ipip/: signed by the page's own commands.
signatures_begin() {
	local module

	[ -e $enforce ] || skip "this kernel knows no signatures"
	[ -e $lockdown ] || must mount -t securityfs securityfs /sys/kernel/security
	cp "$TUNL_BUILD"/{tunnel/tunnel,ipip/ipip}.ko "$tmp"
	cd "$tmp" || exit
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
}

refused() { # FILE
	! insmod "$1" 2>"$tmp/error" && cat "$tmp/error" && ! loaded ipip && ! loaded tunnel
}

# error and log, of the page's table
table() { # MODULE ASKED-BY COLUMN
	awk -F ' *[|] *' -v module="$1" -v asked="$2" -v column="$3" \
		'$2 == module && (index($3, asked) || $3 == "any") { print $column }' "$TUNL_TOP/docs/packaging.md"
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

refuses_all() { # ASKED-BY
	refuses "$1" ipip.ko:unsigned tunnel.ko:unsigned "tunnel/tunnel.ko:signed, key unknown"
	check "$1: the kernel's own ipip is loaded" modprobe ipip
	check_not "$1: which is not ours" ours_loaded
	must unload_all
}
