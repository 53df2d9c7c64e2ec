// SPDX-License-Identifier: GPL-2.0
/*
 * Peers: the tunnel devices that are up, as the receive path looks for them.
 * event.c adds and deletes them.
 */
#include <linux/hashtable.h>
#include <linux/if_arp.h>
#include <linux/netdevice.h>
#include <linux/rhashtable.h>
#include <linux/udp.h>
#include <net/gue.h>
#include <net/ip.h>
#include <net/ip_fib.h>
#include <net/l3mdev.h>
#include <net/nexthop.h>

#include "ipip.h"
#include "tunl.h"

/* Peers that carry MPLS, in all netns (RTNL). */
static unsigned int peer_mpls_count;

/* Where a peer is looked for. */
enum peer_place {
	PEER_FIXED,	/* by outer source: devices with a remote */
	PEER_WILDCARD,	/* by outer destination: kind ipip without a remote, or
			 * with a multicast group for one
			 */
	PEER_GATEWAY,	/* nowhere: gateway mode, a route names the device */
};

static DEFINE_HASHTABLE(peer_by_dev, 10);

/* In two words, not by a call of memcmp(). */
static int peer_compare(struct rhashtable_compare_arg *arg, const void *object)
{
	const struct ipip_peer *peer = object;
	const struct ipip_peer_key *key = arg->key;

	return peer->key.addr != key->addr || peer->key.place != key->place;
}

/*
 * One multiplication: entries are an administrator's, and a sender can only look. On
 * little-endian machines an address's last byte is its highest here, and is to reach all
 * bits of the upper half, hence the order. On others it is the lowest, from which a
 * multiplication reaches all.
 */
static u32 peer_hash(const void *data, u32 len, u32 seed)
{
	const struct ipip_peer_key *key = data;
	u64 value = (u64)key->place << 32 | (__force u32)key->addr;

	return hash_64(value ^ seed, 32);
}

static const struct rhashtable_params peer_params = {
	.head_offset = offsetof(struct ipip_peer, node),
	.key_offset = offsetof(struct ipip_peer, key),
	.key_len = sizeof(struct ipip_peer_key),
	.hashfn = peer_hash,
	.obj_cmpfn = peer_compare,
	.automatic_shrinking = true,
};

static struct rhlist_head *peer_list(const struct ipip_net *in,
				     enum peer_place place, __be32 addr)
{
	const struct ipip_peer_key key = { .place = place, .addr = addr };

	return rhltable_lookup((struct rhltable *)&in->peers, &key,
			       peer_params);
}

/*
 * How well a peer suits, as the kernel's ipip sees it: the lowest wins. One
 * that is bound to the interface comes before all that are not.
 */
enum peer_rank {
	PEER_RANK_PAIR,		/* remote and local */
	PEER_RANK_REMOTE,
	PEER_RANK_LOCAL,	/* or the group */
	PEER_RANK_EXTERNAL,
	PEER_RANK_ANY,
	PEER_RANK_UNBOUND,	/* added to the others */
	PEER_RANK_NONE = 2 * PEER_RANK_UNBOUND
};

/* The best so far, for packets with @proto inside that came in by @link. */
struct peer_choice {
	const struct ipip_peer	*peer;
	unsigned int		rank;
	int			link;
	u8			proto;
};

static bool peer_carries(const struct ipip_peer *peer, u8 proto)
{
	return likely(peer->proto == proto) || !peer->proto;
}

/*
 * One of kind ipip that suits by its addresses shuts out the rest even with what it
 * does not carry, as the kernel's does.
 */
static bool peer_in_question(const struct ipip_peer *peer, u8 proto)
{
	const struct tunl_dev *tunl = netdev_priv(peer->dev);

	return peer_carries(peer, proto) || tunl->stock;
}

/*
 * Inlined wherever it is called, as are the others that have a struct peer_choice: in
 * registers it costs less than in memory.
 */
static __always_inline void peer_consider(struct peer_choice *best,
					  const struct ipip_peer *peer,
					  unsigned int rank)
{
	if (peer->link != best->link)
		rank += PEER_RANK_UNBOUND;
	if (rank >= best->rank || !peer_in_question(peer, best->proto))
		return;

	best->peer = peer;
	best->rank = rank;
}

static __always_inline const struct ipip_peer *
peer_chosen(const struct peer_choice *best)
{
	return best->peer && peer_carries(best->peer, best->proto) ?
	       best->peer : NULL;
}

/* May an outer packet have come out of a tunnel? In a VRF skb->dev is the VRF. */
static bool peer_may_be_nested(const struct sk_buff *skb)
{
	return unlikely(skb->dev->type == ARPHRD_TUNNEL ||
			IPCB(skb)->flags & IPSKB_L3SLAVE);
}

/*
 * The tunnel that an outer packet came out of: a device of ours, or a bond of such;
 * NULL: none.
 */
static const struct net_device *peer_came_out_of(const struct sk_buff *skb)
{
	const struct net_device *dev = skb->dev;

	if (IPCB(skb)->flags & IPSKB_L3SLAVE)
		dev = dev_get_by_index_rcu(dev_net(dev), IPCB(skb)->iif);

	if (!dev || dev->type != ARPHRD_TUNNEL)
		return NULL;
	return tunl_dev_get_priv(dev) || netif_is_lag_master(dev) ? dev : NULL;
}

/* Does the route from @local to @remote lead through @dev, by any nexthop? */
static bool peer_route_through(const struct net_device *dev, __be32 remote,
			       __be32 local, u32 link, u32 mark)
{
	struct flowi4 fl4 = {
		.daddr = remote,
		.saddr = local,
		.flowi4_oif = link,
		.flowi4_iif = LOOPBACK_IFINDEX,
		.flowi4_l3mdev = l3mdev_master_ifindex_rcu(dev),
		.flowi4_mark = mark,
	};
	struct fib_result res;

	return !fib_lookup(dev_net(dev), &fl4, &res, FIB_LOOKUP_NOREF) &&
	       res.type == RTN_UNICAST && fib_info_nh_uses_dev(res.fi, dev);
}

/*
 * May a packet from @remote that came out of tunnel @dev be @peer's? Whoever is at the
 * other end of @dev can put any source there. It is believed if the tunnel to @peer
 * leads through @dev, or if it is that other end's own.
 */
static bool peer_may_come_out_of(const struct ipip_peer *peer,
				 const struct net_device *dev, __be32 remote,
				 __be32 local)
{
	const struct tunl_dev *tunl = tunl_dev_get_priv(dev);

	/* In another underlay, the same address is another host. */
	if (tunl && net_eq(tunl->underlay, dev_net(dev)) &&
	    rcu_dereference(tunl->config)->parms.remote == remote)
		return true;

	tunl = netdev_priv(peer->dev);
	return peer_route_through(dev, remote, local, peer->link,
				  rcu_dereference(tunl->config)->parms.fwmark);
}

static __always_inline void peer_choose_fixed(const struct ipip_net *in,
					      __be32 remote, __be32 local,
					      const struct net_device *via,
					      struct peer_choice *best)
{
	const struct ipip_peer *peer;
	struct rhlist_head *pos;

	rhl_for_each_entry_rcu(peer, pos, peer_list(in, PEER_FIXED, remote),
			       node) {
		if (via && !peer_may_come_out_of(peer, via, remote, local))
			continue;
		if (peer->local == local)
			peer_consider(best, peer, PEER_RANK_PAIR);
		else if (!peer->local)
			peer_consider(best, peer, PEER_RANK_REMOTE);
	}
}

/* An external device goes before tunl0. */
static __always_inline void peer_choose_wildcard(const struct ipip_net *in,
						 __be32 local,
						 struct peer_choice *best)
{
	const struct ipip_peer *peer;
	struct rhlist_head *pos;

	rhl_for_each_entry_rcu(peer, pos, peer_list(in, PEER_WILDCARD, local),
			       node)
		peer_consider(best, peer, PEER_RANK_LOCAL);
	rhl_for_each_entry_rcu(peer, pos, peer_list(in, PEER_WILDCARD, 0), node)
		peer_consider(best, peer, peer->external ? PEER_RANK_EXTERNAL :
							   PEER_RANK_ANY);
}

static struct ipip_peer *peer_find(const struct net_device *dev)
{
	struct ipip_peer *peer;

	hash_for_each_possible_rcu(peer_by_dev, peer, by_dev,
				   (unsigned long)dev, lockdep_rtnl_is_held())
		if (peer->dev == dev)
			return peer;
	return NULL;
}

/*
 * The peer whose device and endpoint a nexthop names: a device of @context, and the
 * outer source. In another context that device has routes of its own.
 */
static const struct ipip_peer *
peer_of_nexthop(const struct ipip_context *context,
		const struct fib_nh_common *nhc, const struct iphdr *outer)
{
	const struct ipip_peer *peer;

	if (nhc->nhc_flags & RTNH_F_DEAD || !nhc->nhc_dev ||
	    tunl_nexthop_endpoint(nhc) != outer->saddr)
		return NULL;

	peer = peer_find(nhc->nhc_dev);
	if (!peer || peer->context != context ||
	    !peer_carries(peer, IPPROTO_IPIP) ||
	    (peer->local && peer->local != outer->daddr))
		return NULL;

	return peer;
}

/*
 * One lookup of the route back to the inner source. Any of its nexthops may be the
 * peer's, as strict rp_filter is content with any that leads through the interface:
 * packets are sent to all of them.
 */
static const struct ipip_peer *
peer_way_back(const struct ipip_context *context, const struct iphdr *outer,
	      const struct iphdr *inner)
{
	struct flowi4 fl4 = {
		.daddr = inner->saddr,
		.saddr = inner->daddr,
		.flowi4_iif = LOOPBACK_IFINDEX,
		.flowi4_l3mdev = context->l3mdev,
	};
	const struct ipip_peer *peer = NULL;
	const struct fib_nh_common *nhc;
	struct fib_result res;
	unsigned int i;

	if (fib_lookup(context->net, &fl4, &res, FIB_LOOKUP_NOREF) ||
	    res.type != RTN_UNICAST)
		return NULL;

	for (i = 0; !peer && i < fib_info_num_path(res.fi); i++) {
		nhc = fib_info_nhc(res.fi, i);
		/* A group may have shrunk meanwhile. */
		if (!nhc)
			break;
		peer = peer_of_nexthop(context, nhc, outer);
	}

	return peer;
}

/*
 * The routing table says whom to believe: the route back to the inner source
 * must lead through a device to the outer source as gateway. One lookup for each
 * netns and VRF that has such devices, however many those are. Labels are no
 * addresses, and of them it says nothing. May reallocate the skb's head.
 */
static const struct ipip_peer *peer_gateway(const struct ipip_net *in,
					    struct sk_buff *skb, u8 proto)
{
	const struct ipip_context *context;
	const struct iphdr *outer, *inner;
	const struct ipip_peer *peer;

	/* A broadcast may come from 0.0.0.0, which is no gateway. */
	if (!READ_ONCE(in->count[PEER_GATEWAY]) || proto != IPPROTO_IPIP ||
	    !ip_hdr(skb)->saddr || !pskb_may_pull(skb, sizeof(*inner)))
		return NULL;

	outer = ip_hdr(skb);
	inner = (const struct iphdr *)skb->data;
	list_for_each_entry_rcu(context, &in->contexts, node) {
		peer = peer_way_back(context, outer, inner);
		if (peer)
			return peer;
	}

	return NULL;
}

/* @via: the tunnel that the packet came out of; or NULL, and then that costs nothing. */
static __always_inline const struct ipip_peer *
peer_look_up(const struct ipip_net *in, struct sk_buff *skb, u8 proto,
	     const struct net_device *via)
{
	struct peer_choice best = {
		.rank = PEER_RANK_NONE,
		.link = skb->dev->ifindex,
		.proto = proto,
	};
	const struct iphdr *outer = ip_hdr(skb);
	__be32 remote = outer->saddr, local = outer->daddr;
	const struct ipip_peer *peer;

	peer_choose_fixed(in, remote, local, via, &best);
	if (best.peer && likely(!READ_ONCE(in->bound)))
		return peer_chosen(&best);

	if (!best.peer) {
		peer = peer_gateway(in, skb, proto);
		if (peer &&
		    (!via || peer_may_come_out_of(peer, via, remote, local)))
			return peer;
	}

	if (READ_ONCE(in->count[PEER_WILDCARD]))
		peer_choose_wildcard(in, local, &best);
	return peer_chosen(&best);
}

static noinline const struct ipip_peer *
peer_look_up_nested(const struct ipip_net *in, struct sk_buff *skb, u8 proto)
{
	return peer_look_up(in, skb, proto, peer_came_out_of(skb));
}

/**
 * ipip_peer_lookup() - the device whose packet this is
 * @in:		netns of the outer packet
 * @skb:	outer packet, skb->data behind its header. Its head may be
 *		reallocated
 * @proto:	what is inside: IPPROTO_IPIP or IPPROTO_MPLS
 *
 * Devices with that remote first, with that local address too before without
 * one; then gateway mode; then devices of kind ipip that believe anybody, which
 * is what they are for, external ones among them. Only a device bound to the
 * interface the packet came in by goes before a better one that is not. What came out
 * of a tunnel is another endpoint's only if that is reached through it. Caller
 * holds the RCU read lock, and the peer and its device live as long as that.
 *
 * Return: the peer, whose device is up, or NULL.
 */
const struct ipip_peer *ipip_peer_lookup(const struct ipip_net *in,
					 struct sk_buff *skb, u8 proto)
{
	if (peer_may_be_nested(skb))
		return peer_look_up_nested(in, skb, proto);
	return peer_look_up(in, skb, proto, NULL);
}

/* May what follows such a header come to ipip_peer_lookup()? UDP's, by module fou. */
static bool peer_is_outer(u8 proto)
{
	return proto == IPPROTO_IPIP || proto == IPPROTO_MPLS ||
	       (proto == IPPROTO_UDP &&
		rcu_access_pointer(iptun_encaps[TUNNEL_ENCAP_FOU]));
}

/* Would a route say that @outer is a gateway's, with what is at @offset inside? */
static bool peer_gateway_at(const struct ipip_net *in, const struct sk_buff *skb,
			    const struct iphdr *outer, unsigned int offset)
{
	const struct ipip_context *context;
	const struct iphdr *inner;
	struct iphdr copy;

	inner = skb_header_pointer(skb, offset, sizeof(copy), &copy);
	/* A first fragment may be too short to tell. */
	if (!inner)
		return !!(outer->frag_off & htons(IP_MF));

	list_for_each_entry_rcu(context, &in->contexts, node)
		if (peer_way_back(context, outer, inner))
			return true;
	return false;
}

/*
 * Would peer_gateway() believe the outer packet at skb->data? Later fragments do not say,
 * and are nothing without the first. With UDP, there may be GUE between or not.
 */
static bool peer_gateway_ahead(const struct ipip_net *in,
			       const struct sk_buff *skb)
{
	const struct iphdr *outer = ip_hdr(skb);
	unsigned int offset = outer->ihl * 4;
	const struct guehdr *gue;
	struct guehdr copy;

	if (!READ_ONCE(in->count[PEER_GATEWAY]) || !outer->saddr ||
	    outer->protocol == IPPROTO_MPLS ||
	    outer->frag_off & htons(IP_OFFSET))
		return false;
	if (outer->protocol == IPPROTO_IPIP)
		return peer_gateway_at(in, skb, outer, offset);

	offset += sizeof(struct udphdr);
	if (peer_gateway_at(in, skb, outer, offset))
		return true;
	gue = skb_header_pointer(skb, offset, sizeof(copy), &copy);
	return gue && peer_gateway_at(in, skb, outer, offset + sizeof(*gue) +
				      gue->hlen * sizeof(u32));
}

/**
 * ipip_peer_may_pass() - might a packet from inside pass for another endpoint's
 * @in:		netns of the outer packet that is gone
 * @peer:	whose it was; NULL: an unknown source's
 * @skb:	the packet that was inside, skb->data at its header
 *
 * On the ingress path it is received where the outer packet was, and if it is an outer
 * packet itself, nothing tells that it came out of a tunnel. Caller holds the RCU read
 * lock.
 *
 * Return: true if it is one, its source may be an endpoint other than @peer's, and is
 * not reached through @peer's device.
 */
bool ipip_peer_may_pass(const struct ipip_net *in, const struct ipip_peer *peer,
			const struct sk_buff *skb)
{
	const struct iphdr *inner = ip_hdr(skb);

	if (likely(!peer_is_outer(inner->protocol)))
		return false;
	if (!peer)
		return peer_list(in, PEER_FIXED, inner->saddr) ||
		       peer_gateway_ahead(in, skb);

	return (READ_ONCE(in->count[PEER_GATEWAY]) ||
		peer_list(in, PEER_FIXED, inner->saddr)) &&
	       peer->remote != inner->saddr &&
	       !peer_route_through(peer->dev, inner->saddr, inner->daddr, 0, 0);
}

/**
 * ipip_peer_any() - is there a peer
 * @in:		netns of the outer packets
 *
 * Caller holds RTNL. Return: true if a tunnel over this netns is up.
 */
bool ipip_peer_any(const struct ipip_net *in)
{
	unsigned int place, sum = 0;

	ASSERT_RTNL();
	for (place = 0; place < IPIP_PEER_PLACES; place++)
		sum += in->count[place];
	return sum;
}

static void peer_count(struct ipip_peer *peer, int by)
{
	struct ipip_net *in = peer->in;
	u32 place = peer->key.place;

	BUILD_BUG_ON(PEER_GATEWAY + 1 != IPIP_PEER_PLACES);
	WRITE_ONCE(in->count[place], in->count[place] + by);
	if (peer->link)
		WRITE_ONCE(in->bound, in->bound + by);
}

/* The device's netns and VRF: for the first of its devices, a new one. */
static struct ipip_context *peer_context_get(struct ipip_net *in,
					     struct net_device *dev)
{
	int l3mdev = l3mdev_master_ifindex(dev);
	struct ipip_context *context;

	list_for_each_entry(context, &in->contexts, node)
		if (net_eq(context->net, dev_net(dev)) &&
		    context->l3mdev == l3mdev) {
			context->count++;
			return context;
		}

	context = kzalloc(sizeof(*context), GFP_KERNEL);
	if (!context)
		return NULL;

	context->net = dev_net(dev);
	context->l3mdev = l3mdev;
	context->count = 1;
	list_add_tail_rcu(&context->node, &in->contexts);
	return context;
}

static void peer_context_put(struct ipip_context *context)
{
	if (--context->count)
		return;

	list_del_rcu(&context->node);
	kfree_rcu(context, rcu);
}

/* Make it found, where it is looked for by address or by route. */
static int peer_publish(struct ipip_peer *peer)
{
	if (peer->key.place != PEER_GATEWAY)
		return rhltable_insert(&peer->in->peers, &peer->node,
				       peer_params);

	peer->context = peer_context_get(peer->in, peer->dev);
	return peer->context ? 0 : -ENOMEM;
}

static void peer_withdraw(struct ipip_peer *peer)
{
	peer_count(peer, -1);
	if (peer->proto != IPPROTO_IPIP)
		peer_mpls_count--;
	hash_del_rcu(&peer->by_dev);
	if (peer->key.place != PEER_GATEWAY)
		rhltable_remove(&peer->in->peers, &peer->node, peer_params);
	else
		peer_context_put(peer->context);
	kfree_rcu(peer, rcu);
}

static struct ipip_peer_key peer_key(const struct tunl_dev *tunl,
				     const struct tunl_parms *parms)
{
	if (ipv4_is_multicast(parms->remote))
		return (struct ipip_peer_key) { PEER_WILDCARD, parms->remote };
	if (parms->remote)
		return (struct ipip_peer_key) { PEER_FIXED, parms->remote };
	if (tunl->stock)
		return (struct ipip_peer_key) { PEER_WILDCARD, parms->local };
	return (struct ipip_peer_key) { PEER_GATEWAY };
}

static int peer_add(struct net_device *dev, const struct tunl_dev *tunl,
		    const struct tunl_parms *parms)
{
	struct ipip_peer *peer;
	int err;

	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return -ENOMEM;

	peer->dev = dev;
	peer->in = ipip_net(tunl->underlay);
	peer->key = peer_key(tunl, parms);
	peer->remote = parms->remote;
	peer->local = parms->local;
	peer->link = parms->link;
	peer->proto = parms->proto;
	peer->external = parms->external;
	err = peer_publish(peer);
	if (err) {
		kfree(peer);
		return err;
	}

	hash_add_rcu(peer_by_dev, &peer->by_dev, (unsigned long)dev);
	peer_count(peer, 1);
	if (peer->proto != IPPROTO_IPIP)
		peer_mpls_count++;
	return 0;
}

/* As it has to be for these parameters, in the netns and VRF where the device is. */
static bool peer_is_current(const struct ipip_peer *peer,
			    const struct tunl_parms *parms)
{
	return peer->remote == parms->remote && peer->local == parms->local &&
	       peer->link == parms->link && peer->proto == parms->proto &&
	       (!peer->context ||
		peer->context->l3mdev == l3mdev_master_ifindex(peer->dev));
}

/**
 * ipip_peer_add() - have a device that is up found, with its parameters of now
 * @dev:	the device
 * @tunl:	its private data
 * @parms:	its parameters
 *
 * Caller holds RTNL. The new peer goes in before the old one goes out, so that there
 * is always one that a packet can find.
 *
 * Return: 0; or a negative errno, and packets of its endpoint match no device.
 */
int ipip_peer_add(struct net_device *dev, const struct tunl_dev *tunl,
		  const struct tunl_parms *parms)
{
	struct ipip_peer *old;
	int err;

	ASSERT_RTNL();
	old = peer_find(dev);
	if (old && peer_is_current(old, parms))
		return 0;

	err = peer_add(dev, tunl, parms);
	if (old)
		peer_withdraw(old);
	return err;
}

/**
 * ipip_peer_del() - have a device found no more, if it was
 * @dev:	the device
 *
 * Caller holds RTNL.
 */
void ipip_peer_del(const struct net_device *dev)
{
	struct ipip_peer *peer;

	ASSERT_RTNL();
	peer = peer_find(dev);
	if (peer)
		peer_withdraw(peer);
}

/**
 * ipip_peer_any_mpls() - does a device carry MPLS
 *
 * Caller holds RTNL. Return: true if one that is up does, in any netns.
 */
bool ipip_peer_any_mpls(void)
{
	ASSERT_RTNL();
	return peer_mpls_count;
}

/**
 * ipip_peer_net_init() - a netns without peers
 * @in:		the netns
 *
 * Return: 0 or -ENOMEM.
 */
int ipip_peer_net_init(struct ipip_net *in)
{
	INIT_LIST_HEAD(&in->contexts);
	return rhltable_init(&in->peers, &peer_params);
}

/**
 * ipip_peer_net_exit() - undo ipip_peer_net_init()
 * @in:		the netns; the devices over it are gone
 */
void ipip_peer_net_exit(struct ipip_net *in)
{
	rhltable_destroy(&in->peers);
}
