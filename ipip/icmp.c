// SPDX-License-Identifier: GPL-2.0
/*
 * ICMP errors about outer packets that this host sent.
 */
#include <linux/icmp.h>
#include <net/icmp.h>
#include <net/route.h>

#include "ipip.h"

/**
 * ipip_err() - an ICMP error quotes an outer packet
 * @skb:	the error; skb->data is at the quoted outer header, which is
 *		complete with 8 more bytes. Stays the caller's
 * @info:	MTU, for fragmentation needed
 *
 * Fragmentation needed lowers the path MTU to the endpoint (RFC 2003 §5.1),
 * with the kernel's own bounds and expiry. A quote that none of our devices
 * can have sent changes nothing.
 *
 * Return: 0, or -ENOENT if it is none of our business.
 */
int ipip_err(struct sk_buff *skb, u32 info)
{
	const struct iphdr *outer = (const struct iphdr *)skb->data;
	const struct icmphdr *icmp = icmp_hdr(skb);
	struct net *net = dev_net(skb->dev);

	if (!ipip_peer_could_send(ipip_net(net), outer->daddr, outer->saddr))
		return -ENOENT;

	if (icmp->type == ICMP_DEST_UNREACH && icmp->code == ICMP_FRAG_NEEDED)
		ipv4_update_pmtu(skb, net, info, 0, IPPROTO_IPIP);
	else if (icmp->type == ICMP_REDIRECT)
		ipv4_redirect(skb, net, 0, IPPROTO_IPIP);

	return 0;
}
