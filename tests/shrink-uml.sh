#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=uml timeout=300
#
# tests/shrink.sh where the kernel runs at native speed.
. "$(dirname "$0")/shrink.sh"
