#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=300
#
# scripts/tunl-doctor says nothing of what is right; of each fault it says that and nothing
# else, and the commands that it prints mend it. The network is in ask.sh; what is not
# the kernel's answer is in doctor-more.sh.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/ask.sh"
ktap_begin

# ---- modules ---------------------------------------------------------------

must network

faulty "no module" init not_loaded
check "both are loaded" eval 'loaded tunnel && loaded ipip'
healthy "a decapsulator that anybody may use" init
rmmod tunnel
healthy "ipip.ko alone, open" init
said "and a tunnel is asked for" not_loaded init tunl
faulty "ipip.ko alone, closed" R refuses_all
sysctl_set R net.ipv4.ipip.accept peers
rmmod ipip

# With a tunnel device there before ipip.ko, only endpoints are accepted: a tunnel is wanted.
modprobe ipip
load tunnel
said "the kernel's own ipip: found, and nothing else" kernels_ipip init
check "the kernel's own ipip: the commands run" mend init
said "the kernel's own ipip: mended, and nothing is configured" no_tunnel init
check "ours is loaded" test -e /proc/net/ipip
unload
modprobe ipip
said "the same, without tunnel.ko: found, and nothing else" kernels_ipip init
check "the same, without tunnel.ko: the commands run" mend init
said "the same, without tunnel.ko: mended, and nothing is configured" no_tunnel init
check "ours are loaded" test -e /proc/net/ipip -a -e /proc/net/tunl
rmmod ipip

sed 's/\bversion=[0-9]/version=9/' "$TUNL_BUILD/ipip/ipip.ko" >"$tmp/ipip.ko"
insmod "$tmp/ipip.ko"
sysctl_set init net.ipv4.ipip.accept any
faulty "modules of two versions" init versions
unload

# Installed alone, as an administrator has it, and modules that are.
release=$(uname -r)
tree=$tmp/modules
mkdir -p "$tree/updates" "$tmp/sbin" "/lib/modules/0.0.1/updates"
cp "$DOCTOR" "$tmp/sbin/"
cp "$(modinfo -n tunnel4)" "$tree/"
: >"$tree/modules.builtin"
: >"$tree/modules.order"
cp "$TUNL_BUILD"/{tunnel/tunnel,ipip/ipip}.ko /lib/modules/0.0.1/updates/
mount --bind "$tree" "/lib/modules/$release"
depmod -a
DOCTOR=$tmp/sbin/tunl-doctor
said "modules for another kernel" other_kernel init
check "it names that" grep -q "built for 0.0.1, and this kernel is $release" "$tmp/said"
cp "$TUNL_BUILD"/{tunnel/tunnel,ipip/ipip}.ko "$tree/updates/"
depmod -a
said "installed, and not loaded" not_loaded init
check_eq "one command loads both" "${commands[*]}" "modprobe tunnel"
check "it runs" mend init

check "both are there" eval 'loaded tunnel && loaded ipip'
umount "/lib/modules/$release"
DOCTOR=$TUNL_TOP/scripts/tunl-doctor

# ---- what is right ---------------------------------------------------------

faulty "nothing configured" R no_tunnel ADDRESS=10.9.9.1 "ENDPOINT=$A"
ip -n R link del tunl

ip -n A link add tunl type tunl
ip -n B link add tunl type tunl
check "A's commands of 1994" commands_1994_a A
check "B's commands of 1994" commands_1994_b B
reaches "1994"
state() {
	for ns in A B; do
		ip -n $ns -d -o addr
		ip -n $ns route show table all
		ip -n $ns neigh show proxy
		ns $ns sysctl -a 2>/dev/null | grep '^net\.' | grep -v 'route.flush\|nf_conntrack_count'
		ns $ns nft list ruleset
	done
	lsmod | sort
}
nft list ruleset # from here on the module is there
state >"$tmp/before"
must capture R to_a "$tmp/sent.pcap" 'ip or arp'
for value in 0 2; do
	for ns in A B; do
		sysctl_set $ns net.ipv4.conf.all.rp_filter $value
		healthy "1994, $ns, rp_filter $value" $ns
	done
done
for ns in A B; do sysctl_set $ns net.ipv4.conf.all.rp_filter 0; done
healthy "1994, a device asked for" A tunl
capture_stop
check_eq "no packet was sent" "$(tcpdump -nr "$tmp/sent.pcap" 2>/dev/null)" ""
state >"$tmp/after"
check "nothing was changed" diff "$tmp/before" "$tmp/after"
sysctl_set B net.ipv4.conf.all.rp_filter 1
healthy "1994, B, strict: all that comes is routed back through it" B
sysctl_set B net.ipv4.conf.all.rp_filter 0
for ns in A B; do
	sysctl_set $ns net.ipv4.ipip.deliver ingress
	healthy "1994, $ns, delivered as in 1994" $ns
	sysctl_set $ns net.ipv4.ipip.deliver device
done

rmmod ipip
faulty "nobody who receives" A no_receiver
reaches "ipip.ko"

# ---- rp_filter -------------------------------------------------------------

b_reaches() { check "$1: B itself reaches the ghost" ns B ping -c 1 -W 3 $GHOST; }
sysctl_set A net.ipv4.conf.all.rp_filter 1
check_not "strict: B itself does not reach the ghost" ns B ping -c 1 -W 1 $GHOST
faulty "strict, and the endpoint past the tunnel" A rp_filter
b_reaches "loose"
sysctl_set A net.ipv4.conf.tunl.rp_filter 1
sysctl_set A net.ipv4.conf.all.rp_filter 0
faulty "strict on tunl alone" A rp_filter
b_reaches "loose"
sysctl_set A net.ipv4.conf.tunl.rp_filter 1
ip -n A route del 111.112.100.0/24
check_not "strict, without routes" c_reaches_ghost C
faulty "strict, and nothing is routed back" A rp_filter
reaches "loose"
ip -n A route add 111.112.100.0/24 dev tunl
sysctl_set A net.ipv4.ipip.deliver ingress
sysctl_set A net.ipv4.conf.eth0.rp_filter 1
check_not "strict on eth0, as delivered in 1994" c_reaches_ghost C
faulty "strict on eth0, as delivered in 1994" A rp_filter
reaches "loose"
sysctl_set A net.ipv4.ipip.deliver device
sysctl_set A net.ipv4.conf.eth0.rp_filter 0
sysctl_set A net.ipv4.conf.tunl.rp_filter 0

reaches "at the end"
ktap_end
