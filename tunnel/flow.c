// SPDX-License-Identifier: GPL-2.0
/*
 * Flowtables: nftables asks where packets of a forwarded connection end up below this
 * device. From then on the device underneath encapsulates and decapsulates them itself,
 * with a header of the kernel's making, and none of them comes by here.
 *
 * Such a connection ends when its routes are not valid any more, and its next packet comes
 * through the device. So whatever changes an answer given here makes the routes of the
 * netns invalid: IP does for interfaces, addresses, routes and IPsec policies, and ARP for
 * NETDEV_CHANGEADDR, which follows each change of a tunnel's configuration.
 */
#include <linux/netdevice.h>
#include <net/ip.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "tunnel.h"

/*
 * A flowtable copies TTL, TOS and DF from the inner header. It is asked for a connection,
 * not for a packet, so the two defaults of kind ipip that differ for some of its packets
 * are let pass: DF always set, and a DSCP of zero.
 */
static bool flow_header_is_ours(const struct tunl_config *config)
{
	const struct tunl_parms *parms = &config->parms;
	const struct tunl_header *header = &config->header;

	return parms->remote && !parms->external &&
	       parms->proto != IPPROTO_MPLS && !header->encap.type &&
	       !header->ttl && header->df != TUNL_DF_CLEAR &&
	       (!header->tos || header->tos & TUNL_TOS_INHERIT);
}

/*
 * A flowtable asks neither this device nor a learned path MTU whether a packet fits: where
 * one of them is smaller than what the interface takes, somebody has to be sent an error.
 */
static bool flow_fits(const struct net_device *dev,
		      const struct tunl_config *config, struct dst_entry *dst)
{
	unsigned int most = ip_dst_mtu_maybe_forward(dst, true);

	return dst_mtu(dst) >= most &&
	       READ_ONCE(dev->mtu) + config->header.overhead >= most;
}

/*
 * A flowtable takes outer packets without asking whether a policy wants them protected
 * by IPsec; of those out, the route knows.
 */
static bool flow_in_is_free(const struct net *net)
{
#ifdef CONFIG_XFRM
	return !net->xfrm.policy_count[XFRM_POLICY_IN] &&
	       compat_policy_default(net, XFRM_POLICY_IN) !=
	       XFRM_USERPOLICY_BLOCK;
#else
	return true;
#endif
}

/*
 * The outer packet's device, if a flowtable makes the same header as this device would.
 * Its packets have to come through the device where one of them may need another header,
 * an error to its sender, IPsec, a lightweight tunnel, or a nexthop of its own.
 */
static bool flow_past(struct net_device_path_ctx *ctx,
		      struct net_device_path *path)
{
	const struct net_device *dev = ctx->dev;
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct tunl_config *config = rcu_dereference(tunl->config);
	struct tunl_outer outer = { .remote = config->parms.remote };

	/* It looks for interfaces and IDs in the netns that it is in itself. */
	if (ctx->ether_type != htons(ETH_P_IP) ||
	    !net_eq(tunl->underlay, dev_net(dev)) ||
	    !flow_header_is_ours(config) || !flow_in_is_free(tunl->underlay) ||
	    tunl_endpoint_route(dev, &config->parms, &outer))
		return false;

	if (!outer.plain || outer.route->rt_type != RTN_UNICAST ||
	    !flow_fits(dev, config, &outer.route->dst)) {
		ip_rt_put(outer.route);
		return false;
	}

	path->type = DEV_PATH_TUN;
	path->dev = dev;
	path->tun.src_v4.s_addr = outer.local;
	path->tun.dst_v4.s_addr = outer.remote;
	path->tun.inner_proto = IPPROTO_IPIP;
	path->tun.dst = &outer.route->dst;
	ctx->dev = outer.route->dst.dev;
	return true;
}

/**
 * tunl_flow_path() - ndo_fill_forward_path: where packets of a connection end up
 * @ctx:	the connection's protocol, and in @dev the tunnel; @dev becomes the
 *		device that outer packets leave by, or NULL
 * @path:	the outer addresses, and their route with a reference, which is the
 *		caller's then; or the tunnel itself, as the end of the way
 *
 * Called inside an RCU read-side section, in softirq or process context.
 *
 * Return: 0. A flowtable for which the connection ends up in a device that it was not
 * made for leaves it alone.
 */
int tunl_flow_path(struct net_device_path_ctx *ctx, struct net_device_path *path)
{
	if (flow_past(ctx, path))
		return 0;

	path->type = DEV_PATH_ETHERNET;
	path->dev = ctx->dev;
	ctx->dev = NULL;
	return 0;
}
