#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-test: guests=1 suite=full engine=qemu timeout=900
#
# tests/ghost-host.sh with every refusal, several ghosts, and each step failing once.
GHOST_HOST_THOROUGH=1
. "$(dirname "$0")/ghost-host.sh"
