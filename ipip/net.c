// SPDX-License-Identifier: GPL-2.0
/*
 * Where struct ipip_net of a netns is: all other files look it up, main.c registers it.
 */
#include "ipip.h"

unsigned int ipip_net_id __read_mostly;
