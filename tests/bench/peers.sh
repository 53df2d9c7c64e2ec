#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=uml boots=1 memory=4096 timeout=1500
#
# A hundred thousand peers of one device, more than are remembered: what a packet
# costs, as in forward.sh.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
bench_begin

gateways 100000
