/* SPDX-License-Identifier: GPL-2.0 */
/*
 * This folder has headers that older kernels do not have. The compiler looks here after
 * the kernel's own folders: a kernel that has the header never comes here, so nothing
 * need be asked of it, and nothing here can be in the way of what it has.
 *
 * GRO was declared with devices (5.16).
 */
#ifndef _TUNL_COMPAT_NET_GRO_H
#define _TUNL_COMPAT_NET_GRO_H

#include <linux/netdevice.h>

#endif
