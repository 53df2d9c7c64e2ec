// SPDX-License-Identifier: GPL-2.0
/*
 * The transmit path: validate, find the endpoint, does the packet fit, push, send.
 */
#include <linux/icmp.h>
#include <net/dst_cache.h>
#include <net/dst_metadata.h>
#include <net/gue.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip_tunnels.h>
#include <net/mpls.h>

#include "tunnel.h"

/* On a real-time kernel: a tunnel, @dev, that @task is in the middle of sending through. */
struct xmit_frame {
	struct hlist_node		node;
	const struct task_struct	*task;
	const struct net_device		*dev;
};

/*
 * Tunnels that are being sent through on this stack. Counted here: the core counts
 * devices without a qdisc only, and a qdisc need not take a packet off the stack.
 * Bottom halves are off, so the stack is this CPU's; but a real-time kernel may be in the
 * middle of several tasks' sending.
 */
static unsigned int xmit_depth(void)
{
	const struct xmit_frame *frame;
	unsigned int depth = 0;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		return __this_cpu_read(tunl_cpu.depth);

	local_lock_nested_bh(&tunl_cpu.bh_lock);
	hlist_for_each_entry(frame, this_cpu_ptr(&tunl_cpu.frames), node)
		depth += frame->task == current;
	local_unlock_nested_bh(&tunl_cpu.bh_lock);
	return depth;
}

/*
 * Would this task, sent to @next, come again to a tunnel that it is in the middle of
 * sending through, and wait there for itself?
 */
static bool xmit_is_stuck(struct net_device *next)
{
	const struct xmit_frame *frame;
	bool found = false;

	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;

	local_lock_nested_bh(&tunl_cpu.bh_lock);
	hlist_for_each_entry(frame, this_cpu_ptr(&tunl_cpu.frames), node)
		found |= frame->task == current && frame->dev == next;
	local_unlock_nested_bh(&tunl_cpu.bh_lock);
	return found && compat_queue_is_held(next);
}

static int xmit_send_counted(struct net *net, struct sk_buff *skb,
			     const struct net_device *dev)
{
	struct xmit_frame frame = { .task = current, .dev = dev };
	int err;

	local_lock_nested_bh(&tunl_cpu.bh_lock);
	hlist_add_head(&frame.node, this_cpu_ptr(&tunl_cpu.frames));
	local_unlock_nested_bh(&tunl_cpu.bh_lock);

	err = ip_local_out(net, NULL, skb);

	local_lock_nested_bh(&tunl_cpu.bh_lock);
	hlist_del(&frame.node);
	local_unlock_nested_bh(&tunl_cpu.bh_lock);
	return err;
}

/*
 * Consumes the skb. struct xmit_frame is on the stack of another function: here, other
 * kernels would pay for it with each packet.
 */
static int xmit_send(struct net *net, struct sk_buff *skb,
		     const struct net_device *dev)
{
	int err;

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return xmit_send_counted(net, skb, dev);

	__this_cpu_inc(tunl_cpu.depth);
	err = ip_local_out(net, NULL, skb);
	__this_cpu_dec(tunl_cpu.depth);
	return err;
}

/* The only fault that a label stack can have is its length. */
static enum tunl_verdict xmit_validate_mpls(struct sk_buff *skb, u8 mode)
{
	if (skb->protocol != htons(ETH_P_MPLS_UC) || mode == IPPROTO_IPIP)
		return TUNL_PROTOCOL;
	if (skb_network_offset(skb) ||
	    !pskb_may_pull(skb, sizeof(struct mpls_shim_hdr)))
		return TUNL_MALFORMED;
	return xmit_depth() < TUNL_NESTING_MAX ? TUNL_OK : TUNL_LOOP_NESTED;
}

/*
 * Are these bytes an outer header of a tunnel? It is IPv4 without options, and its
 * checksum tells it from other bytes.
 */
static bool xmit_is_header(const struct iphdr *iph)
{
	return iph && iph->version == 4 && iph->ihl == sizeof(*iph) / 4 &&
	       !ip_fast_csum(iph, iph->ihl);
}

/*
 * Does the packet have more outer headers than are allowed? tunl_skb_outer_headers()
 * counts headers that follow each other; this one also those with UDP, and perhaps GUE,
 * between them.
 */
static noinline bool xmit_nested(const struct sk_buff *skb)
{
	unsigned int n, offset = 0;
	const struct guehdr *gue;
	const struct iphdr *iph;
	struct guehdr gue_copy;
	struct iphdr copy;

	for (n = 0; n <= TUNL_NESTING_MAX; n++) {
		iph = skb_header_pointer(skb, offset, sizeof(copy), &copy);
		if (!xmit_is_header(iph))
			return false;

		offset += sizeof(*iph);
		if (iph->protocol != IPPROTO_UDP)
			continue;

		offset += sizeof(struct udphdr);
		gue = skb_header_pointer(skb, offset, sizeof(gue_copy),
					 &gue_copy);
		if (!gue)
			return false;
		/* Its version is 0 in two bits, IPv4's is 4 in four. */
		if (!gue->version)
			offset += sizeof(*gue) + gue->hlen * sizeof(u32);
	}

	return true;
}

/*
 * Is this an ICMP redirect that ip_forward() sends for a packet which leaves by the tunnel
 * that it came in by? A tunnel has one other end, so there is no better router to name.
 */
static bool xmit_is_redirect(const struct sk_buff *skb)
{
	const struct iphdr *inner = ip_hdr(skb);
	u8 copy;
	const u8 *type;

	/* Only sockets of the kernel hold no reference to their netns. */
	if (inner->protocol != IPPROTO_ICMP || !skb->sk ||
	    !sk_fullsock(skb->sk) || skb->sk->sk_net_refcnt)
		return false;
	type = skb_header_pointer(skb, inner->ihl * 4, sizeof(copy), &copy);
	return type && *type == ICMP_REDIRECT;
}

/*
 * Tunnels through tunnels in a circle: every turn adds some stack, or, where a qdisc
 * takes the packet off the stack, at least a header.
 */
static bool xmit_is_circle(const struct sk_buff *skb,
			   const struct tunl_config *config, u8 protocol)
{
	if (unlikely(xmit_depth() >= TUNL_NESTING_MAX))
		return true;
	if (unlikely(config->parms.external || config->header.encap.type))
		return (protocol == IPPROTO_IPIP || protocol == IPPROTO_UDP) &&
		       xmit_nested(skb);
	return unlikely(protocol == IPPROTO_IPIP) &&
	       tunl_skb_outer_headers(skb, 0, TUNL_NESTING_MAX) == TUNL_NESTING_MAX;
}

/* May reallocate the skb's head. */
static enum tunl_verdict xmit_validate(struct sk_buff *skb,
				       const struct tunl_config *config)
{
	const u8 mode = config->parms.proto;
	const struct iphdr *inner;

	if (!tunl_skb_is_ipv4(skb))
		return xmit_validate_mpls(skb, mode);
	if (unlikely(mode == IPPROTO_MPLS))
		return TUNL_PROTOCOL;

	/* A packet socket or a BPF program may send any bytes. */
	if (unlikely(skb_network_offset(skb) ||
		     !pskb_may_pull(skb, sizeof(*inner))))
		return TUNL_MALFORMED;

	inner = ip_hdr(skb);
	if (unlikely(inner->version != 4 || inner->ihl < 5))
		return TUNL_MALFORMED;

	if (unlikely(!inner->ttl))
		return TUNL_TTL_ZERO;

	if (unlikely(xmit_is_circle(skb, config, inner->protocol)))
		return TUNL_LOOP_NESTED;

	/* TCP and UDP have larger numbers: one comparison excludes both. */
	if (unlikely(inner->protocol <= IPPROTO_IPIP) && xmit_is_redirect(skb))
		return TUNL_REDIRECT;

	return TUNL_OK;
}

static enum tunl_verdict xmit_endpoint(struct sk_buff *skb,
				       struct net_device *dev,
				       struct tunl_config *config,
				       struct tunl_outer *outer)
{
	enum tunl_verdict verdict;

	outer->header = &config->header;
	outer->remote = config->parms.remote ?: tunl_endpoint_gateway(dev, skb);
	if (unlikely(!outer->remote))
		return TUNL_NO_ENDPOINT;

	if (likely(tunl_route_find(config, outer)))
		return TUNL_OK;

	outer->hash = skb_get_hash(skb);
	verdict = tunl_endpoint_route(dev, &config->parms, outer);
	if (verdict)
		return verdict;

	tunl_route_keep(config, outer);
	if (config->parms.remote)
		tunl_pmtu_notice(dev, outer);
	else if (unlikely(tunl_route_crowded(config)))
		tunl_pmtu_rebind(dev);
	return TUNL_OK;
}

/*
 * External: the metadata of the packet takes the place of the parameters. The route is
 * cached in the metadata, as by all tunnels of the kernel, if tunl_route_keep() would
 * cache it.
 */
static noinline enum tunl_verdict xmit_metadata(struct sk_buff *skb,
						struct net_device *dev,
						const struct tunl_config *config,
						struct tunl_header *header,
						struct tunl_outer *outer)
{
	struct ip_tunnel_info *info = tunl_endpoint_metadata(dev, skb);
	const struct tunl_dev *tunl = netdev_priv(dev);
	struct ip_tunnel_encap encap;
	enum tunl_verdict verdict;
	struct tunl_parms parms;
	bool usable;
	int hlen;

	if (!info)
		return TUNL_NO_ENDPOINT;

	encap = compat_metadata_encap(info);
	hlen = ip_encap_hlen(&encap);
	if (hlen < 0)
		return TUNL_NO_ENCAP;

	parms = (struct tunl_parms) {
		.local = info->key.u.ipv4.src,
		/* A mark of another netns means nothing in the underlay. */
		.fwmark = net_eq(tunl->underlay, dev_net(dev)) ? skb->mark : 0,
		.encap = encap,
		/* 1 is "inherit", and no other odd value is */
		.tos = info->key.tos == TUNL_TOS_INHERIT ?
		       TUNL_TOS_INHERIT : info->key.tos & ~INET_ECN_MASK,
	};
	*header = (struct tunl_header) {
		.encap = encap,
		.overhead = sizeof(struct iphdr) + hlen,
		/* The kernel's ipip sets no DF here by default. */
		.df = tunl->stock ? TUNL_DF_CLEAR : config->header.df,
		.ttl = info->key.ttl,
		.tos = parms.tos,
	};
	if (compat_metadata_df(info))
		header->df = TUNL_DF_SET;
	outer->header = header;
	outer->remote = info->key.u.ipv4.dst;
	outer->flow_flags = compat_metadata_flow_flags(info);
	outer->hash = skb_get_hash(skb);
	outer->counted = true;

	usable = ip_tunnel_dst_cache_usable(skb, info);
	if (usable)
		outer->route = dst_cache_get_ip4(&info->dst_cache,
						 &outer->local);
	/* One action of tc may serve devices over several underlays. */
	if (outer->route &&
	    !net_eq(dev_net(outer->route->dst.dev), tunl->underlay)) {
		ip_rt_put(outer->route);
		outer->route = NULL;
		usable = false;
	}
	if (outer->route)
		return outer->route->dst.dev == dev ? TUNL_LOOP_SELF : TUNL_OK;

	verdict = tunl_endpoint_route(dev, &parms, outer);
	if (!verdict && usable && outer->plain)
		dst_cache_set_ip4(&info->dst_cache, &outer->route->dst,
				  outer->local);
	return verdict;
}

/*
 * ECN follows the inner header, CE included (RFC 6040 §4.1): a congested
 * packet does not become an uncongested one by entering the tunnel.
 */
static u8 xmit_tos(const struct tunl_header *header, u8 inner)
{
	if (header->tos & TUNL_TOS_INHERIT)
		return inner;
	return (header->tos & ~INET_ECN_MASK) | (inner & INET_ECN_MASK);
}

/*
 * Has module fou put UDP, and perhaps GUE, in front of the inner packet. Module fou makes
 * the source port from the flow, so that routers can spread flows by ports. May
 * reallocate the skb's head. Sets @proto to the outer protocol.
 */
static noinline enum tunl_verdict xmit_encap(struct sk_buff *skb,
					     const struct tunl_outer *outer,
					     u8 *proto)
{
	struct ip_tunnel_encap encap = outer->header->encap;
	struct flowi4 fl4 = {
		.saddr = outer->local,
		.daddr = outer->remote,
	};

	switch (ip_tunnel_encap(skb, &encap, proto, &fl4)) {
	case 0:
		return TUNL_OK;
	case -ENOMEM:
		return TUNL_NO_MEMORY;
	default:
		return TUNL_NO_ENCAP;
	}
}

/* The most IDs that a CPU takes from the kernel's counter at once. */
#define XMIT_IDS_MAX 64

/*
 * Gives a packet that may be fragmented an ID that no recent packet between these
 * addresses has (RFC 6864 §4). The kernel's counter for two addresses is found by a
 * keyed hash and shared between CPUs. So a CPU takes a block of IDs, and the next block
 * is twice as large if this one is used up within a jiffy. At the end of a jiffy the rest
 * is given up: no more than has been used, so IDs repeat at most twice as fast, and no
 * ID is used long after it was taken.
 */
static void xmit_ident_block(struct net *net, struct iphdr *iph,
			     struct tunl_ids *ids)
{
	const u32 now = jiffies;

	if (ids->stamp != now) {
		ids->stamp = now;
		ids->left = 0;
		ids->block = 0;
	}

	if (!ids->left) {
		ids->block = clamp(2 * ids->block, 1, XMIT_IDS_MAX);
		__ip_select_ident(net, iph, ids->block);
		ids->next = ntohs(iph->id);
		ids->left = ids->block;
	}

	iph->id = htons(ids->next++);
	ids->left--;
}

/*
 * Routers may clear DF and fragment, so packets with DF have different IDs too
 * (docs/rfc.md). Each CPU counts these IDs for itself.
 */
static void xmit_ident(struct iphdr *iph, struct net *net,
		       const struct tunl_outer *outer, unsigned int segments)
{
	if (unlikely(!outer->ids)) {
		__ip_select_ident(net, iph, segments);
		return;
	}

	local_lock_nested_bh(&tunl_cpu.bh_lock);
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && unlikely(!tunl_route_has_ids(outer))) {
		__ip_select_ident(net, iph, segments);
	} else if (outer->frag_off) {
		iph->id = htons(outer->ids->df);
		outer->ids->df += segments;
	} else if (likely(segments == 1 && iph->protocol == IPPROTO_IPIP)) {
		xmit_ident_block(net, iph, outer->ids);
	} else {
		__ip_select_ident(net, iph, segments);
	}
	local_unlock_nested_bh(&tunl_cpu.bh_lock);
}

/*
 * Reallocates the skb's head if it has no room. On success the skb has the
 * outer header and the route; on failure the route is still the caller's.
 */
static enum tunl_verdict xmit_push(struct sk_buff *skb, struct net_device *dev,
				   const struct tunl_outer *outer)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	bool xnet = !net_eq(tunl->underlay, dev_net(dev));
	const struct tunl_header *header = outer->header;
	struct dst_entry *dst = &outer->route->dst;
	u8 proto = IPPROTO_IPIP, tos, ttl;
	enum tunl_verdict verdict;
	unsigned int segments = 1;
	struct iphdr *iph;

	if (tunl_skb_is_ipv4(skb)) {
		tos = xmit_tos(header, ip_hdr(skb)->tos);
		ttl = header->ttl ?: ip_hdr(skb)->ttl;
	} else {
		proto = IPPROTO_MPLS;
		tos = xmit_tos(header, 0);
		ttl = header->ttl ?: ip4_dst_hoplimit(dst);
	}

	/* Segmentation and checksums need the position of the inner headers. */
	if (skb_is_gso(skb) || skb->ip_summed == CHECKSUM_PARTIAL) {
		if (unlikely(iptunnel_handle_offloads(skb, SKB_GSO_IPXIP4)))
			return TUNL_NO_MEMORY;
		skb_set_inner_ipproto(skb, proto);
		segments = skb_shinfo(skb)->gso_segs ?: 1;
	} else {
		skb->ip_summed = CHECKSUM_NONE;
		skb->encapsulation = 0;
	}

	if (unlikely(skb_cow_head(skb, LL_RESERVED_SPACE(dst->dev) +
				       dst->header_len + header->overhead)))
		return TUNL_NO_MEMORY;

	if (unlikely(header->encap.type)) {
		verdict = xmit_encap(skb, outer, &proto);
		if (unlikely(verdict))
			return verdict;
	}

	skb_scrub_packet(skb, xnet);
	/* A container cannot choose a traffic class of the underlay. */
	if (xnet)
		skb->priority = 0;
	skb_clear_hash_if_not_l4(skb);
	if (unlikely(outer->counted))
		skb_dst_set(skb, dst);
	else
		skb_dst_set_noref(skb, dst);
	*IPCB(skb) = (struct inet_skb_parm) {};

	__skb_push(skb, sizeof(*iph));
	skb_reset_network_header(skb);

	iph = ip_hdr(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) >> 2;
	iph->tos = tos;
	iph->frag_off = outer->frag_off;
	iph->ttl = ttl;
	iph->protocol = proto;
	iph->saddr = outer->local;
	iph->daddr = outer->remote;

	xmit_ident(iph, tunl->underlay, outer, segments);
	return TUNL_OK;
}

/*
 * A device of kind ipip without a remote, and a route without a gateway: the endpoint is
 * the inner destination, and the same route leads to the device again. Another route to
 * the endpoint would not help: the inner packet would take it too.
 */
static bool xmit_lacks_endpoint(const struct sk_buff *skb,
				const struct net_device *dev, __be32 remote)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct tunl_config *config = rcu_dereference_bh(tunl->config);

	return tunl->stock && !config->parms.remote &&
	       !config->parms.external && tunl_skb_is_ipv4(skb) &&
	       ip_hdr(skb)->daddr == remote;
}

static void xmit_log_loop(const struct sk_buff *skb,
			  const struct net_device *dev, __be32 remote)
{
	if (xmit_lacks_endpoint(skb, dev, remote))
		net_warn_ratelimited("%s: no endpoint for %pI4: make the tunnel with a remote, or give the route a gateway (via ENDPOINT onlink)\n",
				     dev->name, &remote);
	else
		net_warn_ratelimited("%s: endpoint %pI4 is routed through %s itself: give it a route through another device\n",
				     dev->name, &remote, dev->name);
}

/* Logs a drop that an administrator can prevent, and reports it to the inner sender. */
static void xmit_report(struct sk_buff *skb, struct net_device *dev,
			const struct tunl_outer *outer,
			  enum tunl_verdict verdict)
{
	switch (verdict) {
	case TUNL_LOOP_SELF:
		xmit_log_loop(skb, dev, outer->remote);
		break;
	case TUNL_LOOP_NESTED:
		net_warn_ratelimited("%s: packet has been through %d tunnels or twice through one, are they routed in a circle?\n",
				     dev->name, TUNL_NESTING_MAX);
		/* A report would use more of a stack that is nearly used up. */
		return;
	case TUNL_NO_ENCAP:
		net_warn_ratelimited("%s: encap: module fou is not loaded: modprobe fou\n",
				     dev->name);
		break;
	case TUNL_LOOP_SOURCE:
	case TUNL_NO_ENDPOINT:
	case TUNL_NO_ROUTE:
		break;
	default:
		return;
	}

	tunl_report_send(skb, dev, ICMP_HOST_UNREACH, 0);
}

/*
 * A loop: the endpoint routes this packet to this host, and this host routes it to the
 * endpoint (RFC 2003 §3.2). Packets of this host have no skb_iif.
 */
static bool xmit_goes_back(const struct sk_buff *skb, __be32 remote)
{
	return skb->skb_iif && tunl_skb_is_ipv4(skb) &&
	       ip_hdr(skb)->saddr == remote;
}

/**
 * tunl_xmit() - ndo_start_xmit: encapsulate and send
 * @skb:	inner packet; consumed
 * @dev:	the tunnel
 *
 * Lockless; called with bottom halves off, inside an RCU read-side section.
 *
 * Return: NETDEV_TX_OK always.
 */
netdev_tx_t tunl_xmit(struct sk_buff *skb, struct net_device *dev)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_outer outer = {};
	struct tunl_header external;
	enum tunl_verdict verdict;
	struct tunl_config *config;
	unsigned int len;
	int err;

	config = rcu_dereference_bh(tunl->config);
	verdict = xmit_validate(skb, config);
	if (unlikely(verdict))
		goto report;

	if (likely(!config->parms.external))
		verdict = xmit_endpoint(skb, dev, config, &outer);
	else
		verdict = xmit_metadata(skb, dev, config, &external, &outer);
	if (unlikely(verdict))
		goto report;

	if (unlikely(xmit_goes_back(skb, outer.remote))) {
		verdict = TUNL_LOOP_SOURCE;
		goto report;
	}

	if (unlikely(xmit_is_stuck(outer.route->dst.dev))) {
		verdict = TUNL_LOOP_NESTED;
		goto report;
	}

	if (unlikely(READ_ONCE(tunl->fault.pending)) && tunl_skb_is_ipv4(skb))
		tunl_report_pending(skb, dev, &outer);

	verdict = tunl_pmtu_fit(skb, dev, &outer);
	if (unlikely(verdict))
		goto drop;

	len = skb->len;
	verdict = xmit_push(skb, dev, &outer);
	if (unlikely(verdict))
		goto report;

	/* net_xmit_eval() evaluates its argument twice. */
	err = xmit_send(tunl->underlay, skb, dev);
	if (likely(!net_xmit_eval(err)))
		dev_sw_netstats_tx_add(dev, 1, len);
	else
		tunl_stats_drop(dev, NULL, outer.remote, TUNL_UNDERLAY);
	return NETDEV_TX_OK;

report:
	xmit_report(skb, dev, &outer, verdict);
drop:
	if (outer.counted)
		ip_rt_put(outer.route);
	tunl_stats_drop(dev, skb, outer.remote, verdict);
	return NETDEV_TX_OK;
}
