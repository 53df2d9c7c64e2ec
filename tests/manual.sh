#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=fast engine=qemu timeout=200 pkgs=mandoc,man-db
#
# The manual pages: mandoc finds no fault, man shows them, and they name everything there
# is to name. Their examples are run by docs.sh.

. "$(dirname "$0")/lib.sh"
ktap_begin

cd "$TUNL_TOP/man" || exit

# Words as a reader sees them, one a line; no hyphenation.
words() { mandoc -T ascii "$1" | col -bx | tr -cs 'A-Za-z0-9_./' '\n' | sed 's/\.$//'; }
names() { # PAGE WORD...: all of them
	local page=$1
	shift
	[ $# -gt 0 ] || { echo "nothing to name"; return 1; }
	! comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u "$tmp/$page.words") | grep .
}
lint() { mandoc -T lint -W warning "$1" && ! mandoc -T lint -W warning "$1" 2>&1 | grep .; }
shown() { man --warnings -l "$1" >"$tmp/shown" 2>&1 && grep -q '^NAME$' "$tmp/shown" && ! grep -E 'warning|cannot adjust' "$tmp/shown"; }
parameters() { modinfo -F parm "$TUNL_BUILD/$1/$1.ko" | cut -d: -f1; }
counters() { sed -n 's/^[A-Z]*(\(TUNL\|IPIP\)_[A-Z_]*, "\([a-z_]*\)".*/\2/p' "$TUNL_TOP/$1/verdicts.h"; }
sysctls() { (cd /proc/sys && ls net/ipv4/ipip/*) | tr / .; }
files() { ls -d /proc/net/{tunl,ipip} /sys/kernel/tracing/events/{tunl,ipip}; }

export MANWIDTH=80 MANROFFSEQ='' LC_ALL=C.UTF-8
for page in *; do
	check "$page: mandoc finds no fault" lint "$page"
	check "$page: man shows it" shown "$page"
	words "$page" >"$tmp/$page.words"
done

must load ipip
must load tunnel
# shellcheck disable=SC2046 # words
{
	check "tunl.4 names every parameter" names tunl.4 $(parameters tunnel)
	check "ipip.4 names every parameter" names ipip.4 $(parameters ipip)
	check "tunl.4 names every counter" names tunl.4 $(counters tunnel)
	check "ipip.4 names every counter" names ipip.4 $(counters ipip)
	check "ipip.4 names every sysctl" names ipip.4 $(sysctls)
	cat "$tmp"/{tunl,ipip}.4.words >"$tmp/both.words"
	check "one of them names every file" names both $(files)
}

ktap_end
