#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=uml timeout=400
#
# tests/tcp.sh with gigabytes, where the kernel runs at native speed.
TCP_MIB=4096
. "$(dirname "$0")/tcp.sh"
