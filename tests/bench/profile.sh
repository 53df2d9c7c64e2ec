#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# For scripts/bench --profile: one variant's packets, for as long as somebody
# outside takes samples of this guest.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
COUNT=${TUNL_COUNT:-640000}
bench_begin

modprobe dummy
modprobe pktgen
use_modules "$1"
topology
if [ "$1" = none ]; then
	ip -n A route replace 172.16.0.0/12 via 10.0.1.2
else
	tunnel_end
	tunnel both 10.0.1.2 10.0.1.1
fi
flow warm "$1" B 1 64 >/dev/null
cat /proc/kallsyms >/run/tunl/kallsyms
touch /run/tunl/ready
for ((round = 1; round <= 8; round++)); do
	flow "both 64" "$1" B 1 64
done
