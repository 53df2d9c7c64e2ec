/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tunnel.ko and ipip.ko both know. The two share no symbol: they meet at
 * the net_device, whose private data begins with struct tunl_dev, written by
 * tunnel.ko and only read by ipip.ko.
 */
#ifndef _TUNL_H
#define _TUNL_H

#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/seqlock.h>
#include <linux/workqueue.h>
#include <net/ip_fib.h>
#include <net/ip_tunnels.h>
#include <net/lwtunnel.h>
#include <net/rtnetlink.h>

/* The version, here only: modules, packages and pages take it from this line. */
#define TUNL_VERSION "1.0.0"

/* The link kind, and the name of the device that insmod creates. */
#define TUNL_KIND "tunl"

/* The kernel's own link kind, with its defaults and rules. */
#define TUNL_KIND_STOCK "ipip"

/*
 * First word of struct tunl_dev: "tun", then the version of this layout.
 * Change the version whenever a field that ipip.ko reads moves or changes
 * its meaning.
 */
#define TUNL_MAGIC 0x74756e04U

/* Bit of the TOS parameter: copy the inner header's, as the kernel's tunnels do. */
#define TUNL_TOS_INHERIT 0x01

/* Shortest MTU IPv4 may run over (RFC 791 §3.2); below it, no addresses. */
#define TUNL_MTU_MIN 68

/**
 * struct tunl_parms - what an administrator can set of a tunnel
 * @local:	outer source; 0: the one routing picks for the endpoint
 * @remote:	outer destination; 0: pointopoint address, else gateway
 * @link:	ifindex, in the underlay, of the device that outer packets leave
 *		by; 0: any
 * @fwmark:	mark that outer routes are looked up with
 * @encap:	what goes between the outer header and the inner packet: UDP (FOU),
 *		UDP and GUE, or nothing
 * @ttl:	outer TTL, 1-255; 0: the inner header's
 * @tos:	outer DSCP in the upper six bits; with TUNL_TOS_INHERIT: the
 *		inner header's. ECN always follows the inner header
 *		(RFC 6040 §4.1)
 * @proto:	what is carried: IPPROTO_IPIP, IPPROTO_MPLS; or 0, both
 * @pmtudisc:	find out the path MTU; what that does to DF is enum tunl_df
 * @external:	endpoints and all of the outer header come with each packet, as
 *		metadata, and are handed on with received ones. Never changes
 */
struct tunl_parms {
	__be32			local;
	__be32			remote;
	u32			link;
	u32			fwmark;
	struct ip_tunnel_encap	encap;
	u8			ttl;
	u8			tos;
	u8			proto;
	bool			pmtudisc;
	bool			external;
};

/* The outer header's DF, as far as the packet fits the path. */
enum tunl_df {
	TUNL_DF_CLEAR,	/* never, as in 1994: kind tunl, no pmtudisc */
	TUNL_DF_COPY,	/* the inner one's: tunl's default; ipip, no pmtudisc */
	TUNL_DF_SET,	/* always: kind ipip's default */
};

/**
 * struct tunl_header - what goes in front of the inner packet, addresses aside
 * @encap:	UDP, UDP and GUE, or nothing, behind the outer header
 * @overhead:	bytes a packet grows by: the outer header, and @encap's
 * @df:		enum tunl_df
 * @ttl:	as in struct tunl_parms
 * @tos:	as in struct tunl_parms
 */
struct tunl_header {
	struct ip_tunnel_encap	encap;
	u16			overhead;
	u8			df;
	u8			ttl;
	u8			tos;
};

struct tunl_routes;
struct tunl_context;

/**
 * struct tunl_config - configuration in force, never changed once published
 * @parms:	the administrator's parameters, with @parms.remote resolved:
 *		explicit remote, else pointopoint address, else 0 (the gateway
 *		of each packet's route is the endpoint)
 * @header:	what they come to, for the device's kind
 * @routes:	cached routes to its endpoints, per CPU, freed with it. NULL: there was no
 *		memory, and each packet looks its route up
 * @dev:	the device. Not a reference: it lives as long as this can be found
 * @node:	among those with that @parms.remote, or of @context (RCU, writers RTNL).
 *		The device may be down
 * @context:	without a remote: where routes choose its endpoints (RTNL); or NULL
 * @free:	frees it after the last reader, where locks may be waited for
 *
 * Published in struct tunl_dev; readers hold the RCU read lock.
 */
struct tunl_config {
	struct tunl_parms	parms;
	struct tunl_header	header;
	struct tunl_routes __percpu *routes;
	struct net_device	*dev;
	struct hlist_node	node;
	struct tunl_context	*context;
	struct rcu_work		free;
};

/* Bits of tunl_fault.pending: an error to report, a path MTU. */
#define TUNL_FAULT_ERROR	0x01
#define TUNL_FAULT_MTU		0x02

/**
 * struct tunl_fault - what an ICMP error says to later packets
 * @lock:	protects the other fields. The packet path reads @pending, @remote and @since
 *		without it first, and may see a change late
 * @seq:	lets the packet path read @mtu, @mtu_remote and @mtu_expires without @lock,
 *		all three of one error
 * @pending:	TUNL_FAULT_*
 * @code:	of an error that is yet to be reported to a sender: code of a destination
 *		unreachable
 * @remote:	outer destination the error is about
 * @since:	when the error came, in jiffies
 * @mtu:	a path MTU that no route of the kernel's can keep, in bytes of outer packets
 * @mtu_remote:	outer destination of that path
 * @mtu_expires: when @mtu expires, in jiffies
 */
struct tunl_fault {
	spinlock_t	lock; /* protects all fields below */
	seqcount_spinlock_t seq;
	u8		pending;
	u8		code;
	__be32		remote;
	unsigned long	since;
	u32		mtu;
	__be32		mtu_remote;
	unsigned long	mtu_expires;
};

struct tunl_stats;

/**
 * struct tunl_dev - private data of a tunnel device
 * @magic:	TUNL_MAGIC. Together with the link kind it identifies a device
 *		of ours; other ARPHRD_TUNNEL devices look the same from outside
 * @stock:	of kind ipip. Never changes
 * @mtu_pinned:	an administrator set the MTU: do not follow the underlay (RTNL)
 * @mtu_following: the MTU is being set by us, not by an administrator (RTNL)
 * @several:	@lower is one of several nexthops' devices (RTNL)
 * @lower:	ifindex, in @underlay, of the device the endpoint was last
 *		reached through; 0: none (RTNL)
 * @config:	configuration in force; replaced under RTNL
 * @underlay:	netns the outer packets live in: the one the device was created
 *		in, wherever it has moved since. Never changes. Not a reference;
 *		the device is deleted before its underlay goes
 * @dev:	the device this belongs to
 * @stats:	drops by verdict, per CPU
 * @fault:	last ICMP error that could not be relayed at once; near the others
 *		that the packet path reads
 * @parms:	what the administrator set explicitly (RTNL)
 * @pointopoint: the pointopoint address in use as endpoint; 0: none (RTNL)
 * @link_gone:	name of the device that @parms.link was, while there is none with that
 *		ifindex; else empty (RTNL)
 * @joining:	it is being made a port, or no port any more, under the present RTNL
 *		(RTNL)
 * @rebind:	looks at the underlay again, under RTNL, when the packet path has
 *		seen it change. Holds a reference to the device while pending
 * @siblings:	in the list of devices with the same underlay (RTNL)
 *
 * ipip.ko reads @magic, @stock, @config (its @parms.local, @parms.remote,
 * @parms.link, @parms.fwmark, @parms.proto and @parms.external) and @underlay.
 */
struct tunl_dev {
	u32				magic;
	bool				stock;
	bool				mtu_pinned;
	bool				mtu_following;
	bool				several;
	int				lower;
	struct tunl_config __rcu	*config;
	struct net			*underlay;
	struct net_device		*dev;
	struct tunl_stats __percpu	*stats;
	struct tunl_fault		fault;

	struct tunl_parms		parms;
	__be32				pointopoint;
	char				link_gone[IFNAMSIZ];
	bool				joining;
	struct work_struct		rebind;
	struct list_head		siblings;
};

/**
 * tunl_dev_get_priv() - private data of a device, if it is one of ours
 * @dev:	any net_device
 *
 * Works from either module. No lock needed beyond what keeps @dev alive.
 *
 * Return: the private data, or NULL when @dev is something else.
 */
static inline struct tunl_dev *tunl_dev_get_priv(const struct net_device *dev)
{
	const struct rtnl_link_ops *ops = dev->rtnl_link_ops;
	struct tunl_dev *tunl;

	if (!ops || (strcmp(ops->kind, TUNL_KIND) &&
		     strcmp(ops->kind, TUNL_KIND_STOCK)) ||
	    ops->priv_size < sizeof(struct tunl_dev))
		return NULL;

	tunl = netdev_priv(dev);
	return tunl->magic == TUNL_MAGIC ? tunl : NULL;
}

/**
 * tunl_dev_may_choose() - may routes of the device's netns choose endpoints
 * @dev:	a device of ours
 * @tunl:	its private data
 *
 * In gateway mode a user who sets routes sets endpoints. In a container with a device
 * from outside, that user does not own the underlay.
 *
 * Return: true if both netns belong to one user namespace.
 */
static inline bool tunl_dev_may_choose(const struct net_device *dev,
				       const struct tunl_dev *tunl)
{
	return net_eq(dev_net(dev), tunl->underlay) ||
	       dev_net(dev)->user_ns == tunl->underlay->user_ns;
}

/**
 * tunl_nexthop_endpoint() - the endpoint that a route names
 * @nhc:	a nexthop of it. Under the RCU read lock
 *
 * Return: the destination of "encap ip", else the IPv4 gateway; or 0.
 */
static inline __be32 tunl_nexthop_endpoint(const struct fib_nh_common *nhc)
{
	struct lwtunnel_state *lwt = nhc->nhc_lwtstate;
	__be32 endpoint = 0;

	if (lwt && lwt->type == LWTUNNEL_ENCAP_IP)
		endpoint = lwt_tun_info(lwt)->key.u.ipv4.dst;
	if (!endpoint && nhc->nhc_gw_family == AF_INET)
		endpoint = nhc->nhc_gw.ipv4;
	return endpoint;
}

/**
 * tunl_skb_outer_headers() - how many outer headers a packet has
 * @skb:	packet whose IPv4 header, at @offset from skb->data, is pulled
 * @offset:	bytes
 * @max:	count no further
 *
 * Counted ahead in the packet, without pulling: nothing in an skb survives the
 * queues to count it. Later fragments hide the rest, and are counted when they
 * are put together.
 *
 * Return: protocol-4 headers in a row, the first one included.
 */
static inline unsigned int tunl_skb_outer_headers(const struct sk_buff *skb,
						  unsigned int offset,
						  unsigned int max)
{
	const struct iphdr *iph;
	struct iphdr copy;
	unsigned int n;

	for (n = 0; n < max; n++) {
		iph = skb_header_pointer(skb, offset, sizeof(copy), &copy);
		if (!iph || iph->protocol != IPPROTO_IPIP || iph->ihl < 5)
			break;
		offset += iph->ihl * 4;
	}

	return n;
}

#endif /* _TUNL_H */
