// SPDX-License-Identifier: GPL-2.0
/*
 * Where an outer packet goes: the endpoint that the packet or the gateway of its own
 * route names; and the route to it.
 */
#include <net/dst_metadata.h>
#include <net/inet_dscp.h>
#include <net/ip_fib.h>
#include <net/l3mdev.h>
#include <net/xfrm.h>

#include "tunnel.h"

/**
 * tunl_endpoint_permitted() - may the present task change endpoints
 * @dev:	the tunnel
 *
 * Kernel threads have every capability, but do what a user has asked for: delete an
 * address that expires, give one bonded device the address of another. So they change
 * endpoints of devices in their own underlay only.
 *
 * Return: true if the task has CAP_NET_ADMIN over the underlay.
 */
bool tunl_endpoint_permitted(const struct net_device *dev)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	if (current->flags & PF_KTHREAD)
		return net_eq(dev_net(dev), tunl->underlay);
	return rtnl_dev_link_net_capable(dev, tunl->underlay);
}

/* Does the route lead through @dev, or the bond, team or VRF that @dev is a port of? */
static bool endpoint_inner_leads(const struct sk_buff *skb,
				 struct net_device *dev)
{
	const struct net_device *out = skb_dst(skb)->dev;

	return out == dev || out == netdev_master_upper_dev_get_rcu(dev);
}

/*
 * As it was received. A packet that this host has changed into one of its own
 * (IPsec, for one) still says what it was received by.
 */
static bool endpoint_inner_input(struct sk_buff *skb, struct net_device *dev,
				 __be32 source)
{
	const struct iphdr *inner = ip_hdr(skb);
	struct net *net = dev_net(dev);
	struct net_device *in;

	in = skb->skb_iif ? dev_get_by_index_rcu(net, skb->skb_iif) : NULL;
	if (!in || inet_addr_type_dev_table(net, in, source) == RTN_LOCAL ||
	    ip_route_input_noref(skb, inner->daddr, source, ip4h_dscp(inner),
				 in))
		return false;

	if (endpoint_inner_leads(skb, dev))
		return true;

	skb_dst_drop(skb);
	return false;
}

/**
 * tunl_endpoint_inner() - have an inner packet's own route
 * @skb:	inner packet on its way out; given the route, if it has none
 * @dev:	the tunnel
 *
 * The core lets go of it before a packet is sent to a fixed endpoint, and only
 * errors want it. Found again as it was found: by the interface the packet came
 * in by; else, and where routing would choose differently now (NAT has changed what
 * it chooses by, or it was redirected past routing), as a packet of this host's
 * that is to leave by @dev. Bottom halves are off, in an RCU read-side section.
 *
 * Return: true if there is one.
 */
bool tunl_endpoint_inner(struct sk_buff *skb, struct net_device *dev)
{
	struct net *net = dev_net(dev);
	const struct iphdr *inner;
	struct flowi4 fl4;
	struct rtable *rt;
	__be32 source;

	/* A label stack has no source address to report to. */
	if (!tunl_skb_is_ipv4(skb))
		return false;
	/* The metadata has been read; it must not be taken for a route. */
	if (skb_metadata_dst(skb))
		skb_dst_drop(skb);
	if (skb_dst(skb))
		return skb_valid_dst(skb);
	/* A packet socket sends without a route. */
	if (skb->sk && skb->sk->sk_family == AF_PACKET)
		return false;

	source = compat_source_before_nat(skb);
	if (endpoint_inner_input(skb, dev, source))
		return true;

	inner = ip_hdr(skb);
	fl4 = (struct flowi4) {
		.daddr = inner->daddr,
		.saddr = source,
		.flowi4_oif = dev->ifindex,
		.flowi4_mark = skb->mark,
		.flowi4_dscp = ip4h_dscp(inner),
		.flowi4_proto = inner->protocol,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
		.flowi4_uid = sock_net_uid(net, skb_to_full_sk(skb)),
	};
	/* No lookup of IPsec policies: they have been applied to this packet. */
	rt = __ip_route_output_key(net, &fl4);
	if (IS_ERR(rt))
		return false;

	skb_dst_set(skb, &rt->dst);
	if (endpoint_inner_leads(skb, dev))
		return true;

	skb_dst_drop(skb);
	return false;
}

/**
 * tunl_endpoint_metadata() - find the metadata that names a packet's endpoint
 * @dev:	the tunnel
 * @skb:	inner packet, with its route ("encap ip") or metadata (tc, BPF)
 *
 * Return: the metadata, whose destination is not 0; or NULL if there is none, or the
 * owner of the device's netns may not choose endpoints.
 */
struct ip_tunnel_info *tunl_endpoint_metadata(const struct net_device *dev,
					      const struct sk_buff *skb)
{
	struct ip_tunnel_info *info = skb_tunnel_info(skb);

	if (!info || !(info->mode & IP_TUNNEL_INFO_TX) ||
	    ip_tunnel_info_af(info) != AF_INET || !info->key.u.ipv4.dst ||
	    !tunl_dev_may_choose(dev, netdev_priv(dev)))
		return NULL;
	return info;
}

/**
 * tunl_endpoint_gateway() - the endpoint that a packet's own route names
 * @dev:	the tunnel
 * @skb:	inner packet, with the route that chose the device
 *
 * One device then serves many endpoints. Without a gateway there is no endpoint:
 * sending to the inner destination itself would be a guess. The kernel's ipip
 * does guess, and with it devices of its kind.
 *
 * Return: destination of the packet's metadata; else IPv4 gateway of the route;
 * or, for kind ipip, the inner destination; or 0.
 */
__be32 tunl_endpoint_gateway(const struct net_device *dev,
			     const struct sk_buff *skb)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct ip_tunnel_info *info;
	const struct rtable *rt;

	info = tunl_endpoint_metadata(dev, skb);
	if (unlikely(info))
		return info->key.u.ipv4.dst;

	if (!skb_valid_dst(skb) || skb_dst(skb)->ops->family != AF_INET ||
	    !tunl_dev_may_choose(dev, tunl))
		return 0;

	/*
	 * A route that could not be cached (a raw socket's, for one) has the
	 * destination itself in rt_gw4 if there is no gateway.
	 */
	rt = skb_rtable(skb);
	if (rt->rt_uses_gateway && rt->rt_gw_family == AF_INET)
		return rt->rt_gw4;

	return tunl->stock && tunl_skb_is_ipv4(skb) ? ip_hdr(skb)->daddr : 0;
}

/* Several nexthops lead there, by @oif if that is not 0. Under the RCU read lock. */
static bool endpoint_nexthops(const struct fib_info *fi, int oif)
{
	const struct fib_nh_common *nhc;
	int i, n = 0;

	for (i = 0; i < fib_info_num_path(fi); i++) {
		nhc = fib_info_nhc((struct fib_info *)fi, i);
		if (nhc && (!oif || (nhc->nhc_dev && nhc->nhc_dev->ifindex == oif)))
			n++;
	}
	return n > 1;
}

/* Each flow is to have a nexthop of its own. */
static bool endpoint_has_several(struct net *net, const struct flowi4 *outer)
{
	struct flowi4 fl4 = *outer;
	struct fib_result res;
	bool several;

	fl4.flowi4_iif = LOOPBACK_IFINDEX;
	rcu_read_lock();
	several = !fib_lookup(net, &fl4, &res, FIB_LOOKUP_NOREF) &&
		  res.type == RTN_UNICAST &&
		  endpoint_nexthops(res.fi, outer->flowi4_oif);
	rcu_read_unlock();
	return several;
}

/*
 * Applies IPsec policies to a route, as ip_route_output_flow() does. Consumes @rt. While
 * a policy waits for its SA, the result is a route that drops all packets, and that holds
 * the loopback device of its netns.
 */
static enum tunl_verdict endpoint_protect(struct net *net, struct flowi4 *fl4,
					  struct rtable *rt,
					  struct tunl_outer *outer)
{
	struct dst_entry *dst;

	fl4->flowi4_oif = rt->dst.dev->ifindex;
	dst = xfrm_lookup_route(net, &rt->dst, flowi4_to_flowi(fl4), NULL, 0);
	if (IS_ERR(dst))
		return TUNL_NO_ROUTE;
	if (unlikely(dst->output == dst_discard_out)) {
		dst_release(dst);
		return TUNL_IPSEC;
	}

	if (dst != &rt->dst)
		outer->plain = false;
	outer->route = (struct rtable *)dst;
	return TUNL_OK;
}

/**
 * tunl_endpoint_route() - look up the route of outer packets
 * @dev:	the tunnel
 * @parms:	its parameters, or for an external device what came with the packet
 * @outer:	@remote, @flow_flags and @hash are given. On success @local is the
 *		outer source: the configured one, else routing's choice (the address
 *		of the interface the packet leaves by); @plain and @several say what
 *		kind of route it is; and @route has a reference
 *
 * Of the values that differ from packet to packet only @hash takes part, or the route
 * could not be cached: not a DSCP of the inner header, nor a source port made from the
 * flow.
 * Needs no lock.
 *
 * Return: TUNL_OK, TUNL_NO_ROUTE, TUNL_IPSEC or TUNL_LOOP_SELF.
 */
enum tunl_verdict tunl_endpoint_route(const struct net_device *dev,
				      const struct tunl_parms *parms,
				      struct tunl_outer *outer)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	struct flowi4 asked, fl4 = {
		.daddr = outer->remote,
		.saddr = parms->local,
		.flowi4_mark = parms->fwmark,
		.flowi4_dscp = inet_dsfield_to_dscp(tunl_parms_dscp(parms)),
		.flowi4_proto = parms->proto ?: IPPROTO_IPIP,
		.flowi4_flags = outer->flow_flags,
		.flowi4_multipath_hash = outer->hash,
	};
	enum tunl_verdict verdict;
	struct rtable *rt;

	if (parms->encap.type != TUNNEL_ENCAP_NONE) {
		fl4.flowi4_proto = IPPROTO_UDP;
		fl4.fl4_sport = parms->encap.sport;
		fl4.fl4_dport = parms->encap.dport;
	}

	/* A device of a VRF: by any member of it, as the kernel's tunnels do. */
	if (parms->link) {
		fl4.flowi4_l3mdev =
			l3mdev_master_upper_ifindex_by_index(tunl->underlay,
							     parms->link);
		fl4.flowi4_oif = fl4.flowi4_l3mdev ? 0 : parms->link;
	}

	asked = fl4;
	rt = __ip_route_output_key(tunl->underlay, &fl4);
	if (IS_ERR(rt))
		return TUNL_NO_ROUTE;

	outer->several = endpoint_has_several(tunl->underlay, &asked);
	outer->plain = !outer->several && !rt->dst.lwtstate;
	verdict = endpoint_protect(tunl->underlay, &fl4, rt, outer);
	if (verdict)
		return verdict;

	if (unlikely(outer->route->dst.dev == dev)) {
		ip_rt_put(outer->route);
		outer->route = NULL;
		return TUNL_LOOP_SELF;
	}

	outer->local = fl4.saddr;
	return TUNL_OK;
}
