/* SPDX-License-Identifier: GPL-2.0 */
/*
 * No option of the kernel's turned such checks on (5.19).
 */
#ifndef _TUNL_COMPAT_NET_NET_DEBUG_H
#define _TUNL_COMPAT_NET_NET_DEBUG_H

#include <linux/build_bug.h>

#define DEBUG_NET_WARN_ON_ONCE(condition) BUILD_BUG_ON_INVALID(condition)

#endif
