#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=uml boots=3 memory=3072 timeout=1500
#
# Two hundred peers of one device, and ten thousand: what a packet costs, as in
# forward.sh.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
bench_begin

modprobe dummy
modprobe pktgen
# the kernel's has a neighbour for each peer
sysctl -qw net.ipv4.neigh.default.gc_thresh{1,2,3}=300000
for peers in ${TUNL_BENCH:-200 10000}; do
	in_turn gateway "$peers"
done
