#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=icount boots=1 memory=1024 timeout=100000
#
# Instructions that a packet takes on the way of forward.sh, counted: in this guest
# one instruction is one nanosecond of the clock (scripts/vm --icount). The same in
# each run, so that there are no rounds. TUNL_CONDITIONS: only these, separated by
# commas; `plain` is 64 bytes and nothing else.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/counted.sh"
bench_begin

all='plain,1400 bytes,no outer DF,kind tunl,rp_filter 1,rp_filter 2,nftables,conntrack,IPsec elsewhere,1 gateway,200 gateways,10000 gateways'
counted "${TUNL_CONDITIONS:-$all}"
