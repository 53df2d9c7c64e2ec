#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=200 alone=yes vm=--secure-boot pkgs=openssl,keyutils
#
# A machine booted by Secure Boot, whose firmware trusts one key more than the
# kernel's: modules signed with it are loaded, others are refused in docs/packaging.md's
# words. The kernel's own, signed by Debian, is loaded.

. "$(dirname "$0")/lib.sh"
. "$TUNL_TOP/tests/signatures.sh"
ktap_begin
signatures_begin

check "booted by Secure Boot" sh -c 'dmesg | grep "Secure boot enabled"'
check_eq "which locks the kernel down" "$(grep -o '\[.*\]' $lockdown)" '[integrity]'
check_eq "and asks for signatures" "$(cat $enforce)" Y

refuses_all "Secure Boot"
# No key is trusted because root says so.
check_not "root cannot add a key" keyctl padd asymmetric '' %:.secondary_trusted_keys <mok.pub

# The key in the firmware, in the place of the page's.
firmware_key=/usr/share/ovmf/PkKek-1-snakeoil
must openssl rsa -in $firmware_key.key -passin pass:snakeoil -out mok.key
must openssl x509 -in $firmware_key.pem -outform DER -out mok.pub
cp tunnel.ko tunnel/ && cp ipip.ko ipip/
must eval "sed '/^openssl/,/[^\\\\]$/d' commands >sign"
check "the firmware's key: the page's commands sign" bash -e sign
check_eq "the firmware's key: signed with it" "$(modinfo -F signer tunnel/tunnel.ko)" SnakeOil
cp ipip/ipip.ko changed.ko
printf 'X' | dd of=changed.ko bs=1 seek=64 conv=notrunc status=none
refuses "Secure Boot" "changed.ko:signed, key known, but changed since"
check "the firmware's key: ipip.ko is loaded" insmod ipip/ipip.ko
check "the firmware's key: tunnel.ko is loaded" insmod tunnel/tunnel.ko
check "the firmware's key: they are ours" ours_loaded

# Nothing of theirs is what a locked kernel forbids.
netns_add A B
veth A eth0 B eth0
end() { # NS NUMBER NUMBER-OF-THE-OTHER
	ip -n "$1" addr add "10.0.0.$2/24" dev eth0
	ip -n "$1" link add t0 type tunl
	ip -n "$1" addr add "10.9.0.$2" peer "10.0.0.$3" dev t0
	ip -n "$1" link set t0 up
}
end A 1 2
end B 2 1
ip -n A route add 10.9.0.2 dev t0
ip -n B route add 10.9.0.1 dev t0
check "the firmware's key: and a packet goes through" ns A ping -c 1 -W 5 10.9.0.2

ktap_end
