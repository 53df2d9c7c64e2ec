#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=200 alone=yes pkgs=openssl
#
# A kernel that loads signed modules only because it was told to, without Secure Boot:
# what is refused, in docs/packaging.md's words.

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/signatures.sh"
ktap_begin
signatures_begin

check "not asked for: unsigned is loaded" insmod ipip.ko
must rmmod ipip

must eval "echo integrity >$lockdown"
refuses_all "\`lockdown=integrity\`"

must eval "echo Y >$enforce"
check_not "it is for good" eval "echo N >$enforce"
refuses_all "\`module.sig_enforce=1\`"

ktap_end
