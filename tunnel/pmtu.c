// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes: the device's MTU follows the underlay's, and a packet that does not fit the path
 * is reported to its sender.
 */
#include <linux/netdevice.h>
#include <net/dst_metadata.h>
#include <net/icmp.h>
#include <net/ip_tunnels.h>
#include <net/xfrm.h>

#include "tunnel.h"

/* Tunnels over tunnels that are looked through for a circle. */
#define PMTU_CIRCLE_MAX 8

/* The outer packet may be fragmented, but must not be longer than IPv4 allows. */
static enum tunl_verdict pmtu_fragment(const struct sk_buff *skb,
				       const struct tunl_outer *outer)
{
	return skb->len + outer->header->overhead > IP_MAX_MTU && !skb_is_gso(skb) ?
	       TUNL_TOO_BIG : TUNL_OK;
}

/**
 * tunl_pmtu_fit() - does an inner packet fit the path to the endpoint
 * @skb:	inner packet; stays the caller's
 * @dev:	the tunnel
 * @outer:	@header and @route are given; @frag_off is set to the outer
 *		header's DF
 *
 * With DF set inside, DF is set outside (RFC 2003 §3.1), and what is too big
 * is answered with fragmentation needed (RFC 2003 §5.1), GSO packets included.
 * Without it the outer packet is fragmented, here or on the way. Over a path MTU that
 * is locked, or too small for the smallest IPv4 MTU and the outer header, DF
 * outside would be a black hole: it stays clear.
 *
 * Return: TUNL_OK or TUNL_TOO_BIG.
 */
enum tunl_verdict tunl_pmtu_fit(struct sk_buff *skb, struct net_device *dev,
				struct tunl_outer *outer)
{
	const struct dst_entry *dst = &outer->route->dst;
	bool inner_df = tunl_skb_is_ipv4(skb) &&
			ip_hdr(skb)->frag_off & htons(IP_DF);
	u32 mtu;

	outer->frag_off = 0;
	if (outer->header->df == TUNL_DF_CLEAR ||
	    (outer->header->df == TUNL_DF_COPY && !inner_df))
		return pmtu_fragment(skb, outer);

	mtu = dst_mtu(dst);
	if (unlikely(outer->pmtu && outer->pmtu < mtu))
		mtu = outer->pmtu;
	if (unlikely(mtu < TUNL_MTU_MIN + outer->header->overhead ||
		     ip_mtu_locked(dst)))
		return pmtu_fragment(skb, outer);

	mtu -= outer->header->overhead;
	if (likely(skb->len <= mtu) ||
	    (skb_is_gso(skb) && skb_gso_validate_network_len(skb, mtu))) {
		outer->frag_off = htons(IP_DF);
		return TUNL_OK;
	}

	if (!inner_df)
		return pmtu_fragment(skb, outer);

	tunl_report_send(skb, dev, ICMP_FRAG_NEEDED, mtu);
	return TUNL_TOO_BIG;
}

/* An MTU for the device, from one below. */
static int pmtu_less(int mtu, unsigned int overhead)
{
	return clamp_t(int, mtu - (int)overhead, TUNL_MTU_MIN,
		       IP_MAX_MTU - overhead);
}

#ifdef CONFIG_XFRM
/*
 * What IPsec leaves of a packet of @mtu bytes. The outermost state comes first in a
 * bundle, and takes its share of what the ones below leave.
 */
static int pmtu_protected(const struct dst_entry *dst, int mtu)
{
	struct xfrm_state *states[XFRM_MAX_DEPTH];
	int n = 0;

	for (; dst_xfrm(dst) && n < XFRM_MAX_DEPTH; dst = xfrm_dst_child(dst))
		states[n++] = dst_xfrm(dst);
	while (n--)
		mtu = xfrm_state_mtu(states[n], mtu);
	return mtu;
}
#else
static int pmtu_protected(const struct dst_entry *dst, int mtu)
{
	return mtu;
}
#endif

/*
 * What the underlay offers: the route's MTU metric, else the device's. Not the
 * learned path MTU, which IPsec's bundles have in their metric too: forged ICMP would
 * shrink the interface for everyone.
 */
static int pmtu_of_route(const struct tunl_outer *outer)
{
	const struct dst_entry *dst = &outer->route->dst;
	const struct dst_entry *path = xfrm_dst_path(dst);
	int mtu;

	mtu = dst_metric_raw(path, RTAX_MTU) ?: READ_ONCE(path->dev->mtu);
	if (unlikely(path != dst))
		mtu = pmtu_protected(dst, mtu);
	return pmtu_less(mtu, outer->header->overhead);
}

/* What xmit_push() will ask for, so that no head is reallocated for it. */
static unsigned int pmtu_headroom(const struct tunl_outer *outer)
{
	const struct dst_entry *dst = &outer->route->dst;

	return ip_tunnel_limit_headroom(LL_RESERVED_SPACE(dst->dev) +
					dst->header_len + outer->header->overhead);
}

/*
 * Two tunnels over each other would follow each other, MTUs down and headroom
 * up. Looks through tunnels of ours only; others do not follow.
 */
static bool pmtu_in_circle(const struct net_device *dev,
			   const struct net_device *lower)
{
	const struct tunl_dev *tunl;
	int depth;

	for (depth = 0; depth < PMTU_CIRCLE_MAX; depth++) {
		if (lower == dev)
			return true;
		if (!lower || !tunl_device_is_ours(lower))
			return false;
		tunl = netdev_priv(lower);
		lower = __dev_get_by_index(tunl->underlay, tunl->lower);
	}

	return true;
}

static void pmtu_set(struct net_device *dev, int mtu)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	tunl->mtu_following = true;
	/* Only a notifier can refuse; then the MTU stays. */
	if (dev_set_mtu(dev, mtu))
		netdev_dbg(dev, "mtu %d refused\n", mtu);
	tunl->mtu_following = false;
}

/**
 * tunl_pmtu_carrier() - the carrier of the interface below becomes the device's
 * @tunl:	private data of the tunnel
 * @lower:	the interface that its outer packets leave by; NULL: none is known
 *
 * If @lower is one of several nexthops' interfaces, others may have a carrier. Without
 * one, the device is dormant rather than netif_carrier_off():
 * both show as NO-CARRIER, but without a carrier the core would drop packets before
 * their senders could be sent an error. Caller holds RTNL.
 */
void tunl_pmtu_carrier(struct tunl_dev *tunl, const struct net_device *lower)
{
	/* Without a lower device there is no carrier to follow. */
	WRITE_ONCE(tunl->lower, lower ? lower->ifindex : 0);
	if (!lower || tunl->several ||
	    (netif_running(lower) && netif_carrier_ok(lower)))
		netif_dormant_off(tunl->dev);
	else
		netif_dormant_on(tunl->dev);
}

/* Without a fixed endpoint: follows the underlay device, if one is configured. */
static void pmtu_follow_link(struct net_device *dev,
			     const struct tunl_config *config)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct net_device *lower = NULL;

	if (config->parms.link)
		lower = __dev_get_by_index(tunl->underlay, config->parms.link);
	tunl->several = false;
	tunl_pmtu_carrier(tunl, lower);
	if (lower && !tunl->mtu_pinned && !pmtu_in_circle(dev, lower))
		pmtu_set(dev, pmtu_less(lower->mtu, config->header.overhead));
}

/**
 * tunl_pmtu_follow() - fit MTU and headroom to the route to the endpoint
 * @dev:	the tunnel
 *
 * Leaves the MTU alone if an administrator set it. Without a fixed endpoint the
 * MTU is that of the underlay device, if one is given; without a route to the
 * endpoint nothing changes. Caller holds RTNL.
 */
void tunl_pmtu_follow(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	const struct tunl_config *config;
	struct tunl_outer outer;

	ASSERT_RTNL();
	config = rtnl_dereference(tunl->config);
	if (!config->parms.remote) {
		pmtu_follow_link(dev, config);
		return;
	}

	outer = (struct tunl_outer) {
		.header = &config->header,
		.remote = config->parms.remote,
	};
	if (tunl_endpoint_route(dev, &config->parms, &outer))
		return;

	tunl->several = outer.several;
	tunl_pmtu_carrier(tunl, outer.route->dst.dev);
	if (!pmtu_in_circle(dev, outer.route->dst.dev)) {
		WRITE_ONCE(dev->needed_headroom, pmtu_headroom(&outer));
		if (!tunl->mtu_pinned)
			pmtu_set(dev, pmtu_of_route(&outer));
	}
	ip_rt_put(outer.route);
}

static void pmtu_rebind(struct work_struct *work)
{
	struct tunl_dev *tunl = container_of(work, struct tunl_dev, rebind);
	struct net_device *dev = tunl->dev;

	rtnl_lock();
	tunl->joining = false;
	if (dev->reg_state == NETREG_REGISTERED) {
		tunl_route_grow(rtnl_dereference(tunl->config));
		tunl_pmtu_follow(dev);
	}
	rtnl_unlock();
	dev_put(dev);
}

/**
 * tunl_pmtu_rebind() - look at the underlay again, soon, under RTNL
 * @dev:	the tunnel
 *
 * The work also makes a table of cached routes larger that is too small. Never sleeps.
 */
void tunl_pmtu_rebind(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	/* The work drops this reference. */
	dev_hold(dev);
	if (!queue_work(tunl_workqueue, &tunl->rebind))
		dev_put(dev);
}

/**
 * tunl_pmtu_notice() - the packet path has a new route to the endpoint
 * @dev:	the tunnel
 * @outer:	has that route
 *
 * Finds changes before struct tunl_watch does: a changed route or underlay device makes
 * cached routes invalid, so the next packet looks its route up and comes here. With
 * several nexthops, another route is no change. The MTU is changed under RTNL, so later,
 * in a work. Called with bottom halves off.
 */
void tunl_pmtu_notice(struct net_device *dev, const struct tunl_outer *outer)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	if (outer->several)
		return;
	if (READ_ONCE(tunl->lower) != outer->route->dst.dev->ifindex ||
	    READ_ONCE(dev->needed_headroom) != pmtu_headroom(outer) ||
	    (!READ_ONCE(tunl->mtu_pinned) &&
	     READ_ONCE(dev->mtu) != pmtu_of_route(outer)))
		tunl_pmtu_rebind(dev);
}

/**
 * tunl_pmtu_change() - ndo_change_mtu: an administrator sets the MTU
 * @dev:	the tunnel
 * @mtu:	bytes, at least 68; or 0: follow the underlay again
 *
 * Caller holds RTNL. Return: 0 or -EINVAL.
 */
int tunl_pmtu_change(struct net_device *dev, int mtu)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	ASSERT_RTNL();
	if (mtu && mtu < TUNL_MTU_MIN)
		return -EINVAL;

	if (!tunl->mtu_following)
		WRITE_ONCE(tunl->mtu_pinned, mtu != 0);
	WRITE_ONCE(dev->mtu, mtu ?: pmtu_less(ETH_DATA_LEN,
					      IP_MAX_MTU - dev->max_mtu));
	/* Later: the core is changing the MTU just now. */
	if (!mtu && dev->reg_state == NETREG_REGISTERED)
		tunl_pmtu_rebind(dev);
	return 0;
}

/**
 * tunl_pmtu_overhead() - the outer header has another size
 * @dev:	the tunnel; it gets the sizes of one that has no endpoint yet, until
 *		tunl_pmtu_follow()
 * @overhead:	bytes
 *
 * Caller holds RTNL, or the device is not registered yet.
 */
void tunl_pmtu_overhead(struct net_device *dev, unsigned int overhead)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	dev->max_mtu = IP_MAX_MTU - overhead;
	WRITE_ONCE(dev->needed_headroom, HH_DATA_ALIGN(ETH_HLEN) + overhead);
	if (tunl->mtu_pinned)
		return;
	if (dev->reg_state == NETREG_REGISTERED)
		pmtu_set(dev, pmtu_less(ETH_DATA_LEN, overhead));
	else
		dev->mtu = pmtu_less(ETH_DATA_LEN, overhead);
}

/**
 * tunl_pmtu_setup() - sizes of a new device that has no endpoint yet
 * @dev:	the tunnel
 */
void tunl_pmtu_setup(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	INIT_WORK(&tunl->rebind, pmtu_rebind);
	/* 0 means "follow the underlay"; tunl_pmtu_change() checks the rest. */
	dev->min_mtu = 0;
	tunl_pmtu_overhead(dev, sizeof(struct iphdr));
}
