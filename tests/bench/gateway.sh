#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=uml boots=3 memory=3072 timeout=1500
#
# Two hundred peers of one device, and ten thousand: what a packet costs, as in
# forward.sh.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/path.sh"
bench_begin

# shellcheck disable=SC2086 # several numbers
gateways ${TUNL_BENCH:-200 10000}
