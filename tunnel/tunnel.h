/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tunnel.ko, the encapsulator: its own declarations. include/tunl.h has those that
 * ipip.ko knows too.
 *
 * object                    owner                         protected by
 * struct tunl_dev           net_device, as private data   RTNL; fields that the packet path
 *                                                         reads: READ_ONCE
 * struct tunl_config        tunl_dev.config; a work       RTNL writes, RCU reads; never
 *                           frees it after a grace        changed, only replaced
 *                           period
 * struct tunl_routes        tunl_config.routes            its CPU: bottom halves off and
 *                                                         tunl_cpu.bh_lock; a larger
 *                                                         table is set under RTNL
 * cached route (rtable)     an entry of tunl_routes       as the entry; the packet path
 *                                                         borrows it until the end of its
 *                                                         RCU section
 * struct tunl_outer         the stack of tunl_xmit()      needs no lock
 * struct tunl_fault         tunl_dev.fault                its lock; tunl_fault.seq for the
 *                                                         path MTU; @pending: READ_ONCE
 * struct tunl_stats         tunl_dev.stats, per CPU       u64_stats
 * struct tunl_net           the netns (net_generic())     RTNL; lists and counts that ICMP
 *                                                         errors read: RCU, READ_ONCE
 * struct tunl_context       tunl_net.contexts, as long    RTNL writes, RCU reads
 *                           as a configuration is in it
 * tunl_net_table            the module                    RTNL writes, RCU reads
 * struct tunl_watch         tunl_net.watch                RTNL; @delay and @registered are
 *                                                         its work's
 * socket for ICMP errors    tunl_net.icmp, until the      RTNL; a callback runs in an RCU
 *                           netns or the module goes      section
 *
 * A device holds no reference to its underlay: when the netns goes, the devices over it
 * are deleted first. tunl_dev.rebind holds a reference to the device while it is queued.
 *
 * Order of locks, the outermost first:
 *
 *	the kernel's lock of notifiers (pernet_ops_rwsem), RTNL
 *	  tunl_fault.lock, with bottom halves off; nothing is sent under it
 *	  tunl_cpu.bh_lock, with bottom halves off; nothing is sent under it
 *
 * The last two are never held together. tunl_event_net_pre_exit() and the work of
 * tunl_watch register and unregister notifiers without RTNL: the kernel takes RTNL
 * there. RTNL is not held while the work is cancelled, which takes RTNL.
 *
 * Calls go one way. In this order, a file calls only files after it:
 *
 *	main > link > event, ioctl > device > config, xmit > icmp, pmtu
 *	     > report, route, flow, stats > endpoint, net
 */
#ifndef _TUNL_TUNNEL_H
#define _TUNL_TUNNEL_H

#include <linux/ethtool.h>
#include <linux/hash.h>
#include <linux/local_lock.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/u64_stats_sync.h>
#include <net/ip.h>
#include <net/netns/hash.h>
#include <net/route.h>

#include "compat.h"
#include "tunl.h"

/*
 * Tunnels one packet may go through on its way out of this machine. The core
 * allows 8 nested devices, which is deep for a kernel stack.
 */
#define TUNL_NESTING_MAX 4

/* An inner packet is IPv4; or MPLS, if the mode is mplsip or any (RFC 4023). */
static inline bool tunl_skb_is_ipv4(const struct sk_buff *skb)
{
	return likely(skb->protocol == htons(ETH_P_IP));
}

/* The DSCP of the lookup of a route: 0 if the outer header copies the inner DSCP. */
static inline u8 tunl_parms_dscp(const struct tunl_parms *parms)
{
	return parms->tos & TUNL_TOS_INHERIT ? 0 : parms->tos & INET_DSCP_MASK;
}

#define TUNL_MSG_NOT_CAPABLE \
	"CAP_NET_ADMIN is needed where the tunnel was created"

/* Outcome of one step of the transmit path. */
enum tunl_verdict {
	TUNL_OK,
#define VERDICT(verdict, ...) verdict,
#include "verdicts.h"
	TUNL_VERDICT_MAX
};

/* What became of an ICMP error. */
enum tunl_icmp {
	TUNL_ICMP_FOREIGN,	/* not about what tunnels send */
#define OUTCOME(outcome, ...) outcome,
#include "verdicts.h"
	TUNL_ICMP_MAX
};

/**
 * struct tunl_stats - drops of one device on one CPU
 * @drops:	packets, by verdict
 * @syncp:	for readers on 32-bit machines
 */
struct tunl_stats {
	u64_stats_t		drops[TUNL_VERDICT_MAX];
	struct u64_stats_sync	syncp;
};

/**
 * struct tunl_ids - outer IDs of one CPU for one pair of addresses
 * @stamp:	jiffies when the IDs below were taken from the kernel's counter for
 *		these addresses and IPPROTO_IPIP; they are used within that jiffy only
 * @next:	the first ID that is not used yet
 * @left:	how many IDs are not used yet
 * @block:	how many IDs were taken at once
 * @df:		the next one for a packet with DF: no two such packets need to differ,
 *		unless a router clears DF
 */
struct tunl_ids {
	u32	stamp;
	u16	next;
	u8	left;
	u8	block;
	u16	df;
};

/**
 * struct tunl_outer - the outer header that is being made for one packet
 * @header:	parameters of the header: the device's, or for an external device those
 *		that came with the packet
 * @remote:	outer destination; 0: not known yet
 * @hash:	of the inner packet's flow; 0: none
 * @flow_flags:	FLOWI_FLAG_* for the lookup of @route
 * @several:	the endpoint has several nexthops, of which @hash chooses
 * @plain:	@route may be cached: no IPsec, no lightweight tunnel, not @several
 * @counted:	@route is not cached, and the packet path holds a reference to it until
 *		the skb gets it
 * @local:	outer source
 * @route:	route to @remote
 * @ids:	for @local and @remote; NULL: none. They are part of the cached route, and
 *		valid until something else may have been sent
 * @pmtu:	path MTU that @route does not know, in bytes; 0: none
 * @frag_off:	DF or nothing
 */
struct tunl_outer {
	/* xmit.c, before the lookup */
	const struct tunl_header	*header;
	__be32				remote;
	u32				hash;
	u8				flow_flags;

	/* endpoint.c; or route.c, from a cached route */
	bool				several;
	bool				plain;
	bool				counted;
	__be32				local;
	struct rtable			*route;
	struct tunl_ids			*ids;

	/* report.c, then pmtu.c */
	u32				pmtu;
	__be16				frag_off;
};

/**
 * struct tunl_cpu - state of one CPU for all tunnels
 * @bh_lock:	protects the cached routes, IDs and @frames of this CPU on real-time
 *		kernels, where a task may run between two steps of another although bottom
 *		halves are off. On other kernels it is no lock. Nothing is sent under it
 * @frames:	real-time kernels: the tunnels that tasks are sending through
 * @depth:	other kernels: how many tunnels this CPU is sending through
 */
struct tunl_cpu {
	local_lock_t		bh_lock;
	struct hlist_head	frames;
	unsigned int		depth;
};

DECLARE_PER_CPU(struct tunl_cpu, tunl_cpu);

/**
 * struct tunl_watch - watches the routes of a netns
 * @net:	the netns
 * @work:	fits all devices over @net to their routes again, and registers the
 *		notifiers, which cannot be done under RTNL
 * @fib:	notifier of routes and rules
 * @nexthops:	notifier of nexthop objects
 * @delay:	jiffies from a change of routes to @work: so long that @work holds RTNL for
 *		at most a tenth of the time
 * @registered:	both notifiers are registered
 * @begun:	the netns has had a device (RTNL)
 * @closing:	the netns or this module goes: @work is queued no more
 */
struct tunl_watch {
	/* once, before the first device */
	struct net		*net;
	struct delayed_work	work;
	struct notifier_block	fib;
	struct notifier_block	nexthops;

	/* @work */
	unsigned long		delay;
	bool			registered;

	/* RTNL */
	bool			begun;
	bool			closing;
};

/**
 * struct tunl_context - a netns, or a VRF in one, whose routes choose the endpoints of
 *	devices without a remote
 * @net:	the netns. Not a reference: a device of it is in one of the lists
 * @l3mdev:	ifindex of the VRF, or 0
 * @node:	in tunl_net.contexts (RCU, writers RTNL)
 * @gateways:	configurations whose endpoints are the gateways of routes
 * @externals:	configurations whose endpoints come with each packet
 * @rcu:	for freeing
 *
 * One lookup in it names the device of an inner address, however many there are.
 */
struct tunl_context {
	struct net		*net;
	int			l3mdev;
	struct hlist_node	node;
	struct hlist_head	gateways;
	struct hlist_head	externals;
	struct rcu_head		rcu;
};

/**
 * struct tunl_net - what tunnel.ko keeps per netns
 * @devices:	devices whose underlay this netns is, by tunl_dev.siblings
 * @contexts:	of those without a remote (RCU)
 * @encaps:	how many configurations have encap: with a remote, without one (READ_ONCE)
 * @links_gone:	how many @devices have a tunl_dev.link_gone
 * @fallback:	the device that old-style requests are addressed to, "tunl0"; or NULL
 * @icmp:	raw socket that receives ICMP errors; NULL before the first device
 * @icmp_count:	ICMP errors, by enum tunl_icmp
 * @watch:	has the devices follow the routes to their endpoints
 */
struct tunl_net {
	/* RTNL */
	struct list_head	devices;
	struct hlist_head	contexts;
	unsigned int		encaps[2];
	unsigned int		links_gone;
	struct net_device	*fallback;
	struct socket		*icmp;

	/* each ICMP error */
	atomic_long_t		icmp_count[TUNL_ICMP_MAX];

	struct tunl_watch	watch;
};

/* main.c starts and ends all below; no file calls it. */

/* event.c */
int tunl_event_init(void);
void tunl_event_exit(void);
void tunl_event_net_init(struct net *net);
void tunl_event_net_watch(struct net *net);
void tunl_event_net_pre_exit(struct net *net);

/* link.c */
extern struct rtnl_link_ops tunl_link_ops;
extern struct rtnl_link_ops tunl_link_ops_stock;

/* flow.c */
int tunl_flow_path(struct net_device_path_ctx *ctx, struct net_device_path *path);

/* ioctl.c */
int tunl_ioctl(struct net_device *dev, void __user *data, int cmd);
int tunl_ioctl_ctl(struct net_device *dev, struct ip_tunnel_parm_kern *p, int cmd);

/* icmp.c */
int tunl_icmp_register(struct net *net);
void tunl_icmp_unregister(struct net *net);

/* xmit.c */
netdev_tx_t tunl_xmit(struct sk_buff *skb, struct net_device *dev);

/* device.c */
extern struct rtnl_link_ops *tunl_device_stock;

/**
 * tunl_device_is_ours() - was this device made by this module
 * @dev:	any net_device, kept alive by the caller
 *
 * Return: true if its private data is a struct tunl_dev.
 */
static inline bool tunl_device_is_ours(const struct net_device *dev)
{
	return tunl_dev_get_priv(dev);
}

int tunl_device_register(struct net_device *dev);
struct net_device *tunl_device_add(struct net *net, const char *name,
				   struct rtnl_link_ops *ops,
				   const struct tunl_parms *parms);
void tunl_device_delete_all(struct net *net, struct list_head *kill);
bool tunl_device_is_ports_address(const struct net_device *dev,
				  const void *addr);
void tunl_device_joins(struct net_device *dev);

/* config.c */
static inline bool tunl_config_mode_valid(u8 proto)
{
	return !proto || proto == IPPROTO_IPIP ||
	       (IS_ENABLED(CONFIG_MPLS) && proto == IPPROTO_MPLS);
}

extern const struct nla_policy tunl_config_policy[];
void tunl_config_hide(struct net_device *dev);
int tunl_config_init(struct net_device *dev);
void tunl_config_destroy(struct net_device *dev);
int tunl_config_commit(struct net_device *dev, const struct tunl_parms *parms,
		       gfp_t gfp);
int tunl_config_load(struct nlattr *data[], bool may_wait,
		     struct netlink_ext_ack *extack);
int tunl_config_parse(const struct net_device *dev, struct tunl_parms *parms,
		      struct nlattr *data[], struct netlink_ext_ack *extack);
int tunl_config_validate(const struct net_device *dev,
			 const struct tunl_parms *parms,
			 struct nlattr *data[], struct netlink_ext_ack *extack);
int tunl_config_check_local(const struct net_device *dev, const void *addr,
			    struct netlink_ext_ack *extack);
void tunl_config_adopt_broadcast(struct net_device *dev);
void tunl_config_link_gone(const struct net_device *lower);
void tunl_config_link_back(const struct net_device *lower);
void tunl_config_defaults(struct tunl_parms *parms);
int tunl_config_fill(struct sk_buff *msg, const struct net_device *dev);
size_t tunl_config_fill_size(void);

/* pmtu.c */
enum tunl_verdict tunl_pmtu_fit(struct sk_buff *skb, struct net_device *dev,
				struct tunl_outer *outer);
void tunl_pmtu_setup(struct net_device *dev);
int tunl_pmtu_change(struct net_device *dev, int mtu);
void tunl_pmtu_overhead(struct net_device *dev, unsigned int overhead);
void tunl_pmtu_carrier(struct tunl_dev *tunl, const struct net_device *lower);
void tunl_pmtu_follow(struct net_device *dev);
void tunl_pmtu_notice(struct net_device *dev, const struct tunl_outer *outer);
void tunl_pmtu_rebind(struct net_device *dev);

/* report.c */
void tunl_report_send(struct sk_buff *skb, struct net_device *dev, u8 code,
		      u32 mtu);
void tunl_report_pending(struct sk_buff *skb, struct net_device *dev,
			 struct tunl_outer *outer);
void tunl_report_cache_mtu(struct net *net, struct net_device *dev,
			   __be32 remote, u32 mtu);
void tunl_report_defer(struct net_device *dev, __be32 remote, u8 code);

/* route.c */
struct tunl_routes __percpu *tunl_route_make(const struct tunl_parms *parms);
void tunl_route_free(struct tunl_routes __percpu *routes);
bool tunl_route_find(const struct tunl_config *config,
		     struct tunl_outer *outer);
bool tunl_route_has_ids(const struct tunl_outer *outer);
void tunl_route_keep(const struct tunl_config *config,
		     struct tunl_outer *outer);
bool tunl_route_crowded(const struct tunl_config *config);
void tunl_route_grow(const struct tunl_config *config);

/* endpoint.c */
bool tunl_endpoint_permitted(const struct net_device *dev);
bool tunl_endpoint_inner(struct sk_buff *skb, struct net_device *dev);
__be32 tunl_endpoint_gateway(const struct net_device *dev,
			     const struct sk_buff *skb);
struct ip_tunnel_info *tunl_endpoint_metadata(const struct net_device *dev,
					      const struct sk_buff *skb);
enum tunl_verdict tunl_endpoint_route(const struct net_device *dev,
				      const struct tunl_parms *parms,
				      struct tunl_outer *outer);

/* stats.c */
int tunl_stats_net_init(struct net *net);
void tunl_stats_net_exit(struct net *net);
extern const struct ethtool_ops tunl_stats_ethtool_ops;
void tunl_stats_drop(struct net_device *dev, struct sk_buff *skb, __be32 remote,
		     enum tunl_verdict verdict);

/* net.c */
extern unsigned int tunl_net_id;
extern struct workqueue_struct *tunl_workqueue;
extern struct hlist_head tunl_net_table[];
#define TUNL_NET_TABLE_BITS 10

/*
 * Walks the configurations of one bucket: all over that netns with that remote, and some
 * others, so the caller compares both. The devices may be down. Configurations without
 * a remote are in tunl_net.contexts. Caller holds the RCU read lock, or RTNL.
 */
#define tunl_net_for_each(config, underlay, remote) \
	hlist_for_each_entry_rcu(config, \
				 tunl_net_bucket(underlay, remote), node, \
				 lockdep_rtnl_is_held())

static inline struct hlist_head *tunl_net_bucket(const struct net *underlay,
						 __be32 remote)
{
	return &tunl_net_table[hash_32((__force u32)remote ^
				       net_hash_mix(underlay),
				       TUNL_NET_TABLE_BITS)];
}

void tunl_net_add(struct tunl_config *config);
void tunl_net_del(struct tunl_config *config);
void tunl_net_place(struct net_device *dev);
struct net_device *tunl_net_find_stock(struct net *underlay,
				       const struct tunl_parms *parms);

#endif /* _TUNL_TUNNEL_H */
