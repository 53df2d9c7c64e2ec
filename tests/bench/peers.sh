#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=uml boots=1 memory=4096 timeout=1500
#
# A hundred thousand peers of one device, more than are remembered: what a packet
# costs, as in forward.sh.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
bench_begin

modprobe dummy
modprobe pktgen
# the kernel's has a neighbour for each peer
sysctl -qw net.ipv4.neigh.default.gc_thresh{1,2,3}=300000
in_turn gateway 100000
