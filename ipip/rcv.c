// SPDX-License-Identifier: GPL-2.0
/*
 * The way of a packet in: whose is it, is it believed, is it sound, strip the
 * outer header, deliver.
 */
#include <linux/inetdevice.h>
#include <linux/udp.h>
#include <net/dst_metadata.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>
#include <net/mpls.h>
#include <net/xfrm.h>

#include "compat.h"
#include "ipip.h"
#include "tunl.h"

/*
 * The inner packet is read where the outer one ends, at skb->data, until
 * rcv_strip() makes that the network header.
 */
static const struct iphdr *rcv_inner(const struct sk_buff *skb)
{
	return (const struct iphdr *)skb->data;
}

/* Of a label stack nothing can be wrong but its length. May reallocate the head. */
static enum ipip_verdict rcv_validate_mpls(struct sk_buff *skb)
{
	if (!pskb_may_pull(skb, sizeof(struct mpls_shim_hdr)))
		return IPIP_MALFORMED;
	return xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb) ? IPIP_OK :
							       IPIP_IPSEC;
}

/*
 * Of TCP that GRO has merged beyond 64 KiB (7.3), both headers have a length of 0, as
 * iph_totlen() knows; then that of the skb counts.
 */
static bool rcv_is_merged(const struct sk_buff *skb, const struct iphdr *inner)
{
	return !inner->tot_len && skb_is_gso(skb) && skb_is_gso_tcp(skb);
}

/*
 * Length and version, which everything after relies on. May reallocate the
 * skb's head.
 */
static enum ipip_verdict rcv_validate(struct sk_buff *skb)
{
	const struct iphdr *inner;
	unsigned int len;

	if (unlikely(!pskb_may_pull(skb, sizeof(*inner))))
		return IPIP_MALFORMED;

	inner = rcv_inner(skb);
	if (unlikely(inner->version != 4 || inner->ihl < 5 ||
		     !pskb_may_pull(skb, inner->ihl * 4)))
		return IPIP_MALFORMED;

	inner = rcv_inner(skb);
	len = ntohs(inner->tot_len);
	if (unlikely(len < inner->ihl * 4 || len > skb->len) &&
	    !rcv_is_merged(skb, inner))
		return IPIP_MALFORMED;

	if (unlikely(ip_fast_csum(inner, inner->ihl)))
		return IPIP_CHECKSUM;

	if (unlikely(!inner->ttl))
		return IPIP_TTL_ZERO;

	if (unlikely(inner->protocol == IPPROTO_IPIP &&
		     tunl_skb_outer_headers(skb, 0, IPIP_NESTING_MAX) ==
		     IPIP_NESTING_MAX))
		return IPIP_NESTED;

	if (!xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb))
		return IPIP_IPSEC;

	return IPIP_OK;
}

/* RFC 6040 §4.2. Taps share the data, so it is made ours before it is written. */
static enum ipip_verdict rcv_ecn(struct sk_buff *skb, u8 outer_tos)
{
	u8 inner_tos = ip_hdr(skb)->tos;

	if (!((outer_tos ^ inner_tos) & INET_ECN_MASK))
		return IPIP_OK;
	if (skb_ensure_writable(skb, sizeof(struct iphdr)))
		return IPIP_NO_MEMORY;
	return INET_ECN_decapsulate(skb, outer_tos, inner_tos) > 1 ? IPIP_ECN :
								     IPIP_OK;
}

/*
 * The outer header goes, and with it all that belonged to it. May reallocate
 * the skb's head.
 */
static enum ipip_verdict rcv_strip(struct sk_buff *skb, u8 proto, bool xnet)
{
	u8 outer_tos = ip_hdr(skb)->tos;
	__be16 inner = htons(ETH_P_IP);
	enum ipip_verdict verdict;

	skb_reset_network_header(skb);
	if (likely(proto == IPPROTO_IPIP)) {
		verdict = rcv_ecn(skb, outer_tos);
		if (unlikely(verdict))
			return verdict;
	} else {
		inner = htons(ETH_P_MPLS_UC);
	}

	if (iptunnel_pull_header(skb, 0, inner, xnet))
		return IPIP_NO_MEMORY;
	/* The core scrubs the mark and the timestamp, but not this. */
	if (xnet)
		skb->priority = 0;

	return IPIP_OK;
}

/*
 * What whoever reads the metadata of an external device is told (tc, BPF, routes):
 * the outer header, and the ports if there were any. With a reference.
 */
static struct metadata_dst *rcv_metadata(struct sk_buff *skb)
{
	const struct iphdr *outer = ip_hdr(skb);
	const struct udphdr *udp = (void *)outer + outer->ihl * 4;
	IP_TUNNEL_DECLARE_FLAGS(flags) = { };
	struct metadata_dst *metadata;

	/* As ip_tun_rx_dst() of today's kernel does. */
	if (outer->frag_off & htons(IP_DF))
		__set_bit(IP_TUNNEL_DONT_FRAGMENT_BIT, flags);
	metadata = ip_tun_rx_dst(skb, flags, 0, 0);
	if (metadata && outer->protocol == IPPROTO_UDP)
		compat_metadata_set_ports(&metadata->u.tun_info, udp->source,
					  udp->dest);
	return metadata;
}

/* Received on the tunnel device, in its turn. */
static void rcv_deliver_device(const struct ipip_net *in, struct sk_buff *skb,
			       struct net_device *dev)
{
	unsigned int len = skb->len;

	skb->dev = dev;
	skb_reset_mac_header(skb);
	skb_unset_transport_header(skb);
	if (unlikely(!ipip_queue_receive(skb))) {
		dev_core_stats_rx_dropped_inc(dev);
		ipip_stats_drop(in, skb, IPIP_BACKLOG);
		return;
	}

	dev_sw_netstats_rx_add(dev, len);
	ipip_stats_count(in, IPIP_DEVICE);
}

/*
 * A source route would lead the packet on behind our back; it is refused whatever
 * accept_source_route says of the wire. Options that cannot be walked to their end
 * may hide one. All others are IP's to check.
 */
static enum ipip_verdict rcv_options(const struct iphdr *iph)
{
	const u8 *end = (const u8 *)iph + iph->ihl * 4;
	const u8 *option = (const u8 *)(iph + 1);

	while (option < end && *option != IPOPT_END) {
		if (*option == IPOPT_NOOP) {
			option++;
			continue;
		}
		if (*option == IPOPT_LSRR || *option == IPOPT_SSRR ||
		    end - option < 2 || option[1] < 2 ||
		    option[1] > end - option)
			return IPIP_OPTIONS;
		option += option[1];
	}

	return IPIP_OK;
}

/*
 * The interface that the outer packet came in by. In a VRF skb->dev is the VRF; the
 * packet is received on the member, or sockets of no VRF would get it. NULL: this
 * host sent the outer packet to itself, and what is inside would pass as local.
 */
static struct net_device *rcv_ingress(const struct sk_buff *skb)
{
	struct net_device *dev = skb->dev;

	if (unlikely(IPCB(skb)->flags & IPSKB_L3SLAVE)) {
		dev = dev_get_by_index_rcu(dev_net(dev), IPCB(skb)->iif);
		if (!dev || netif_is_l3_master(dev))
			return NULL;
	}

	return dev->flags & IFF_LOOPBACK ? NULL : dev;
}

/*
 * The inner packet may well leave by the interface that the outer one came in by:
 * that is what a tunnel is for, and no reason to send a redirect (the 1994 readme's
 * closing warning). IP decides on a redirect while it looks up the route, and not for
 * a packet that has its route already. So a route for which IP would send one goes
 * with the packet. Any other is looked up by IP, after the firewall: a firewall can
 * choose the route by a mark. If it changes the destination, IP lets go of this one.
 */
static void rcv_prevent_redirect(struct sk_buff *skb)
{
	struct in_device *in_dev = __in_dev_get_rcu(skb->dev);
	const struct iphdr *iph = ip_hdr(skb);

	if (!in_dev || !IN_DEV_FORWARD(in_dev) ||
	    !IN_DEV_TX_REDIRECTS(in_dev) ||
	    compat_rules_by_mark(dev_net(skb->dev)))
		return;

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	if (!ip_route_input_noref(skb, iph->daddr, iph->saddr, ip4h_dscp(iph),
				  skb->dev) &&
	    IPCB(skb)->flags & IPSKB_DOREDIRECT)
		skb_dst_force(skb);
	else
		skb_dst_drop(skb);
}

/*
 * Received where the outer packet was, as in 1994: by the queue of that interface,
 * with its Ethernet header in front. Netfilter may keep the packet for user space as
 * long as it likes, and nothing in it refers to this module. Consumes the skb.
 */
static void rcv_deliver_ingress(const struct ipip_net *in, struct sk_buff *skb)
{
	struct net_device *dev = rcv_ingress(skb);
	enum ipip_verdict verdict;

	verdict = IPIP_NO_ROUTE;
	if (unlikely(!dev))
		goto drop;

	verdict = rcv_options(ip_hdr(skb));
	if (unlikely(verdict))
		goto drop;

	/* Packet sockets share the data, and look for the Ethernet header. */
	verdict = IPIP_NO_MEMORY;
	if (skb_cow_head(skb, 0))
		goto drop;
	skb_mac_header_rebuild(skb);

	skb->dev = dev;
	skb_orphan(skb);
	rcv_prevent_redirect(skb);
	/* The core frees and traces a packet that it does not queue. */
	ipip_stats_count(in, netif_rx(skb) == NET_RX_SUCCESS ? IPIP_INGRESS :
							       IPIP_BACKLOG);
	return;

drop:
	ipip_stats_drop(in, skb, verdict);
}

/*
 * A packet that is accepted, of @peer, or with NULL of an unknown source. Consumes the
 * skb.
 */
static void rcv_decapsulate(struct ipip_net *in, struct sk_buff *skb,
			    const struct ipip_peer *peer, u8 proto)
{
	struct net_device *dev = peer ? peer->dev : NULL;
	bool xnet = dev && !net_eq(dev_net(dev), dev_net(skb->dev));
	struct metadata_dst *metadata = NULL;
	enum ipip_verdict verdict;
	bool to_device;

	verdict = likely(proto == IPPROTO_IPIP) ? rcv_validate(skb) :
						  rcv_validate_mpls(skb);
	if (unlikely(verdict))
		goto drop;

	if (unlikely(peer && peer->external)) {
		verdict = IPIP_NO_MEMORY;
		metadata = rcv_metadata(skb);
		if (!metadata)
			goto drop;
	}

	verdict = rcv_strip(skb, proto, xnet);
	if (unlikely(verdict))
		goto drop;

	if (unlikely(metadata))
		skb_dst_set(skb, &metadata->dst);

	/*
	 * What belongs to a device elsewhere must not surface here; and where the
	 * outer packet came in, nobody reads labels or metadata.
	 */
	to_device = dev && (xnet || metadata || proto != IPPROTO_IPIP ||
			    READ_ONCE(in->deliver) == IPIP_DELIVER_DEVICE);
	/*
	 * Received on the device, a packet from inside cannot pass for another
	 * endpoint's. For an unknown source there is no device.
	 */
	if (unlikely(!to_device && ipip_peer_may_pass(in, peer, skb))) {
		verdict = IPIP_REFUSED;
		if (!dev)
			goto drop;
		to_device = true;
	}

	if (to_device)
		rcv_deliver_device(in, skb, dev);
	else
		rcv_deliver_ingress(in, skb);
	return;

drop:
	if (metadata)
		dst_release(&metadata->dst);
	if (dev) {
		DEV_STATS_INC(dev, rx_errors);
		if (verdict == IPIP_ECN)
			DEV_STATS_INC(dev, rx_frame_errors);
	}
	ipip_stats_drop(in, skb, verdict);
}

static bool rcv_peer(struct ipip_net *in, struct sk_buff *skb, u8 proto)
{
	const struct ipip_peer *peer = ipip_peer_lookup(in, skb, proto);

	if (!peer)
		return false;

	rcv_decapsulate(in, skb, peer, proto);
	return true;
}

/**
 * ipip_rcv_peer() - tunnel4 handler: what configured endpoints send
 * @skb:	outer packet, skb->data behind its header
 *
 * Called in an RCU read-side section, like the other two.
 *
 * Return: 0, the skb consumed; or -ENOENT, the skb left to the next handler.
 */
int ipip_rcv_peer(struct sk_buff *skb)
{
	struct ipip_net *in = ipip_net(dev_net(skb->dev));

	return rcv_peer(in, skb, IPPROTO_IPIP) ? 0 : -ENOENT;
}

/**
 * ipip_rcv_mpls_peer() - tunnel4 handler: labels that configured endpoints send
 * @skb:	outer packet, skb->data behind its header
 *
 * Return: 0, the skb consumed; or -ENOENT, the skb left to the next handler.
 */
int ipip_rcv_mpls_peer(struct sk_buff *skb)
{
	struct ipip_net *in = ipip_net(dev_net(skb->dev));

	return rcv_peer(in, skb, IPPROTO_MPLS) ? 0 : -ENOENT;
}

/**
 * ipip_rcv_mpls_unknown() - last tunnel4 handler: labels nobody else took
 * @skb:	outer packet, skb->data behind its header; consumed
 *
 * Refused, whatever net.ipv4.ipip.accept says of IPv4 from unknown sources: nobody has
 * asked for an open label switch.
 *
 * Return: 0 always.
 */
int ipip_rcv_mpls_unknown(struct sk_buff *skb)
{
	const struct net *net = dev_net(skb->dev);
	struct ipip_net *in = ipip_net(net);

	ipip_policy_log_refused(net, ip_hdr(skb), true);
	ipip_stats_drop(in, skb, IPIP_REFUSED);
	return 0;
}

/**
 * ipip_rcv_mpls() - handler of protocol 137 where tunnel4 is not loaded
 * @skb:	outer packet, skb->data behind its header; consumed
 *
 * Return: 0 always.
 */
int ipip_rcv_mpls(struct sk_buff *skb)
{
	if (ipip_rcv_mpls_peer(skb))
		ipip_rcv_mpls_unknown(skb);
	return 0;
}

/*
 * No error about an error, however it is wrapped, nor about what this host has
 * wrapped itself (RFC 1122 §3.2.2): our answer may be routed into a tunnel that
 * ends here, and come back as the next one to refuse, for ever. Who sent UDP would be
 * told of a protocol he has not used, with a header that is not as he sent it.
 */
static bool rcv_may_answer(const struct sk_buff *skb)
{
	const struct iphdr *inner;
	struct iphdr copy;
	const u8 *type;
	u8 type_copy;

	if (skb->dev->flags & IFF_LOOPBACK ||
	    ip_hdr(skb)->protocol != IPPROTO_IPIP)
		return false;

	inner = skb_header_pointer(skb, 0, sizeof(copy), &copy);
	if (!inner || inner->protocol == IPPROTO_IPIP)
		return false;
	if (inner->protocol != IPPROTO_ICMP)
		return true;

	type = skb_header_pointer(skb, inner->ihl * 4, sizeof(*type),
				  &type_copy);
	return type && !(inner->frag_off & htons(IP_OFFSET)) &&
	       !icmp_is_err(*type);
}

/**
 * ipip_rcv_unknown() - last tunnel4 handler: what nobody else took
 * @skb:	outer packet, skb->data behind its header; consumed
 *
 * A refusal is silent on the wire, unless net.ipv4.ipip.refuse says otherwise:
 * tunnel4's answer would tell a scanner that protocol 4 lives here, and from
 * ours he could not tell a host that has no tunnel at all.
 *
 * Return: 0 always.
 */
int ipip_rcv_unknown(struct sk_buff *skb)
{
	const struct net *net = dev_net(skb->dev);
	struct ipip_net *in = ipip_net(net);

	if (!ipip_policy_open(in)) {
		ipip_policy_log_refused(net, ip_hdr(skb), false);
		if (READ_ONCE(in->refuse) == IPIP_REFUSE_UNREACHABLE &&
		    rcv_may_answer(skb) && xfrm4_policy_check(NULL, XFRM_POLICY_IN, skb))
			icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
		ipip_stats_drop(in, skb, IPIP_REFUSED);
		return 0;
	}

	ipip_policy_log_accepted(net, ip_hdr(skb));
	rcv_decapsulate(in, skb, NULL, IPPROTO_IPIP);
	return 0;
}

/**
 * ipip_rcv() - handler of protocol 4 where tunnel4 is not loaded
 * @skb:	outer packet, skb->data behind its header; consumed
 *
 * Return: 0 always: here a negative value would mean another protocol.
 */
int ipip_rcv(struct sk_buff *skb)
{
	if (ipip_rcv_peer(skb))
		ipip_rcv_unknown(skb);
	return 0;
}
