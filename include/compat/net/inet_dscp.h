/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A DSCP had no type of its own (5.18); compat.h looks routes up by a TOS there.
 */
#ifndef _TUNL_COMPAT_NET_INET_DSCP_H
#define _TUNL_COMPAT_NET_INET_DSCP_H

#define INET_DSCP_MASK 0xfc

#endif
