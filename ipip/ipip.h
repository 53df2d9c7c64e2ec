/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipip.ko, the decapsulator: its own declarations. include/tunl.h has those that
 * tunnel.ko knows too.
 *
 * object                    owner                         protected by
 * struct ipip_net           the netns (net_generic())     settings and counts: READ_ONCE, and
 *                                                         RTNL to write them; the rest as
 *                                                         in the rows below
 * struct ipip_peer          ipip_net.peers, and the       RTNL writes, RCU reads; never
 *                           table of all by device        changed, only replaced; freed after
 *                                                         a grace period
 * struct ipip_context       ipip_net.contexts, as long    RTNL writes, RCU reads; @count: RTNL
 *                           as a peer is in it
 * struct ipip_stats         ipip_net.stats, per CPU       u64_stats, bottom halves off
 * packets that wait         queue.c, per CPU              that CPU: bottom halves off, and
 *                                                         queue_cpu.bh_lock
 * sysctl table              ipip_net.table, of one netns  RTNL, in the handler
 * handlers of protocols     proto.c                       those of labels: RTNL; the others
 *   4 and 137                                             come and go with the module
 *
 * A peer holds no reference to its device or netns: it is taken out when the device goes
 * down, and a grace period passes before the device can be freed. A waiting packet points
 * to its device without a reference too, so ipip_queue_wait() waits for all that came in
 * before.
 *
 * Order of locks, the outermost first: RTNL, then queue_cpu.bh_lock, with bottom halves
 * off; no packet is handed on under it.
 *
 * Calls go one way. In this order, a file calls only files after it:
 *
 *	main > event > proto > rcv > queue, stats > policy > peer > net
 */
#ifndef _TUNL_IPIP_H
#define _TUNL_IPIP_H

#include <linux/ip.h>
#include <linux/ratelimit.h>
#include <linux/rhashtable-types.h>
#include <linux/skbuff.h>
#include <linux/u64_stats_sync.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

/*
 * Protocol-4 headers one packet may have, counting the one that brought it here.
 * 1500 bytes hold some 70, and each would bring the packet back.
 */
#define IPIP_NESTING_MAX 4

/* Outcome of one step of the receive path. */
enum ipip_verdict {
	IPIP_OK,
#define VERDICT(verdict, ...) verdict,
#include "verdicts.h"
	IPIP_VERDICT_MAX
};

/* net.ipv4.ipip.accept: whose packets are decapsulated. */
enum ipip_accept {
	IPIP_ACCEPT_AUTO,	/* anybody's, until a tunnel is configured */
	IPIP_ACCEPT_PEERS,	/* configured endpoints only */
	IPIP_ACCEPT_ANY,	/* anybody's, as in 1994 */
};

/* net.ipv4.ipip.deliver: where packets of configured endpoints arrive. */
enum ipip_deliver {
	IPIP_DELIVER_DEVICE,	/* on the tunnel device */
	IPIP_DELIVER_INGRESS,	/* where the outer packet did, as in 1994 */
};

/* net.ipv4.ipip.refuse: what unknown sources are sent. */
enum ipip_refuse {
	IPIP_REFUSE_SILENT,
	IPIP_REFUSE_UNREACHABLE,	/* as by a host without any tunnel */
};

/**
 * struct ipip_stats - counters of one netns on one CPU
 * @count:	packets, by verdict. Written by that CPU with bottom halves off
 * @syncp:	where 64 bits are two words, lets readers see both of one value
 */
struct ipip_stats {
	u64_stats_t		count[IPIP_VERDICT_MAX];
	struct u64_stats_sync	syncp;
};

struct ctl_table;
struct ctl_table_header;
struct tunl_dev;
struct tunl_parms;

#define IPIP_PEER_PLACES 3

/**
 * struct ipip_context - a netns, or a VRF in it, with devices in gateway mode
 * @node:	in ipip_net.contexts (RCU, writers RTNL)
 * @net:	the devices' netns. Not a reference: they go a grace period before it
 * @l3mdev:	ifindex of the VRF; 0: none
 * @count:	of peers there (RTNL)
 * @rcu:	for freeing
 */
struct ipip_context {
	struct list_head	node;
	struct net		*net;
	int			l3mdev;
	unsigned int		count;
	struct rcu_head		rcu;
};

/**
 * struct ipip_peer - one tunnel device that is up
 * @dev:	the device. Not a reference: taken out on NETDEV_DOWN, a grace
 *		period before the device can go
 * @node:	in ipip_net.peers, unless a route names it
 * @by_dev:	among all, by @dev (RCU, writers RTNL)
 * @key:	by which it is in ipip_net.peers
 * @remote:	the device's remote; 0: none
 * @local:	outer destination its packets must have; 0: any
 * @link:	ifindex of the interface they had better come in by; 0: any
 * @proto:	what it carries: IPPROTO_IPIP, IPPROTO_MPLS; or 0, both
 * @external:	its packets are handed on with the outer header as metadata
 * @in:		netns of the outer packets
 * @context:	gateway mode: where its routes are; else NULL
 * @rcu:	for freeing
 *
 * Does not change once published: a change is a new one in, the old one out.
 */
struct ipip_peer {
	struct net_device	*dev;
	struct rhlist_head	node;
	struct hlist_node	by_dev;
	struct ipip_peer_key {
		u32	place;
		__be32	addr;
	} key;
	__be32			remote;
	__be32			local;
	u32			link;
	u8			proto;
	bool			external;
	struct ipip_net		*in;
	struct ipip_context	*context;
	struct rcu_head		rcu;
};

/**
 * struct ipip_net - what ipip.ko keeps per netns (of the outer packets)
 * @accept:	enum ipip_accept; READ_ONCE/WRITE_ONCE
 * @deliver:	enum ipip_deliver; READ_ONCE/WRITE_ONCE
 * @refuse:	enum ipip_refuse; READ_ONCE/WRITE_ONCE
 * @latched:	a tunnel has been configured, or tunnel devices were there before
 *		this module: "auto" is closed; only a write to the sysctl opens it
 *		again. READ_ONCE/WRITE_ONCE
 * @unknown_seen: the first packet of an unknown source has been logged
 * @count:	devices that are up, by where they are looked for (enum
 *		peer_place); READ_ONCE, writers RTNL
 * @bound:	of them those bound to an interface; READ_ONCE, writers RTNL
 * @peers:	devices that are up, by place and address (RCU, writers RTNL)
 * @contexts:	where devices in gateway mode are (RCU, writers RTNL)
 * @stats:	counters, per CPU
 * @refusals:	limits the log lines about refused packets
 * @sysctl:	registration of @table
 * @table:	this netns's copy of the sysctl table
 */
struct ipip_net {
	/* written by sysctl; @latched by events too: */
	u8				accept;
	u8				deliver;
	u8				refuse;
	bool				latched;

	/* written by policy.c, for the log: */
	bool				unknown_seen;

	/* written for events of devices: */
	unsigned int			count[IPIP_PEER_PLACES];
	unsigned int			bound;
	struct rhltable			peers;
	struct list_head		contexts;

	/* set once; what they hold is written by the receive path: */
	struct ipip_stats __percpu	*stats;
	struct ratelimit_state		refusals;

	/* set once: */
	struct ctl_table_header		*sysctl;
	struct ctl_table		*table;
};

/* net.c */
extern unsigned int ipip_net_id;

static inline struct ipip_net *ipip_net(const struct net *net)
{
	return net_generic(net, ipip_net_id);
}

/* event.c */
int ipip_event_init(void);
void ipip_event_exit(void);

/* proto.c */
int ipip_proto_init(void);
void ipip_proto_exit(void);
void ipip_proto_mpls(bool wanted);

/* rcv.c */
int ipip_rcv_mpls(struct sk_buff *skb);
int ipip_rcv_mpls_peer(struct sk_buff *skb);
int ipip_rcv_mpls_unknown(struct sk_buff *skb);
int ipip_rcv_peer(struct sk_buff *skb);
int ipip_rcv_unknown(struct sk_buff *skb);
int ipip_rcv(struct sk_buff *skb);

/* peer.c */
int ipip_peer_net_init(struct ipip_net *in);
void ipip_peer_net_exit(struct ipip_net *in);
const struct ipip_peer *ipip_peer_lookup(const struct ipip_net *in,
					 struct sk_buff *skb, u8 proto);
bool ipip_peer_may_pass(const struct ipip_net *in, const struct ipip_peer *peer,
			const struct sk_buff *skb);
bool ipip_peer_any(const struct ipip_net *in);
bool ipip_peer_any_mpls(void);
int ipip_peer_add(struct net_device *dev, const struct tunl_dev *tunl,
		  const struct tunl_parms *parms);
void ipip_peer_del(const struct net_device *dev);

/* policy.c */
int ipip_policy_net_init(struct net *net);
void ipip_policy_net_exit(struct net *net);
void ipip_policy_latch(struct ipip_net *in, const char *device);
void ipip_policy_tunnels_first(const char *device);
bool ipip_policy_open(const struct ipip_net *in);
void ipip_policy_log_accepted(const struct net *net, const struct iphdr *outer);
void ipip_policy_log_refused(const struct net *net, const struct iphdr *outer,
			     bool labels);
const char *ipip_policy_state(const struct ipip_net *in);

/* queue.c */
int ipip_queue_init(void);
void ipip_queue_exit(void);
bool ipip_queue_receive(struct sk_buff *skb);
void ipip_queue_wait(void);

/* stats.c */
int ipip_stats_net_init(struct net *net);
void ipip_stats_net_exit(struct net *net);

/* Bottom halves are off. */
static inline void ipip_stats_count(const struct ipip_net *in,
				    enum ipip_verdict verdict)
{
	struct ipip_stats *stats = this_cpu_ptr(in->stats);

	u64_stats_update_begin(&stats->syncp);
	u64_stats_inc(&stats->count[verdict]);
	u64_stats_update_end(&stats->syncp);
}

void ipip_stats_drop(const struct ipip_net *in, struct sk_buff *skb,
		     enum ipip_verdict verdict);

#endif /* _TUNL_IPIP_H */
