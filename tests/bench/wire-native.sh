#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# tunl-bench: engine=uml guests=2 boots=1 memory=768 timeout=1500
#
# wire.sh between two guests of user-mode Linux, at this machine's own speed, whose
# network cards are joined by a socket.

. "$(dirname "$0")/wire.sh"
