/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tunnel.ko's own declarations: the encapsulator.
 */
#ifndef _TUNL_TUNNEL_H
#define _TUNL_TUNNEL_H

#include <linux/ethtool.h>
#include <linux/hash.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <net/ip.h>
#include <net/netns/hash.h>
#include <net/route.h>

#include "tunl.h"

/*
 * Tunnels one packet may go through on its way out of this machine. The core
 * allows 8 nested devices, which is deep for a kernel stack.
 */
#define TUNL_NESTING_MAX 4

/**
 * enum tunl_verdict - outcome of one step of the transmit path
 *
 * Each but TUNL_OK is a reason not to send a packet, with a counter of its own
 * and a drop reason; stats.c does not compile without them.
 *
 * @TUNL_OK:		go on
 * @TUNL_NOT_IPV4:	only IPv4 is carried
 * @TUNL_MALFORMED:	no usable inner header
 * @TUNL_TTL_ZERO:	inner TTL 0: must not travel further (RFC 2003 §3.1)
 * @TUNL_NO_ENDPOINT:	no remote, no pointopoint address, no gateway
 * @TUNL_NO_ROUTE:	no route to the endpoint
 * @TUNL_LOOP_SELF:	the route to the endpoint leads into the same device
 * @TUNL_LOOP_SOURCE:	forwarded, and comes from the endpoint (RFC 2003 §3.2)
 * @TUNL_LOOP_NESTED:	wrapped, or on this stack, TUNL_NESTING_MAX times
 * @TUNL_TOO_BIG:	inner DF set and larger than the path takes
 * @TUNL_NO_MEMORY:	no room could be made for the outer header
 * @TUNL_UNDERLAY:	the outer packet was refused further down
 * @TUNL_VERDICT_MAX:	number of verdicts
 */
enum tunl_verdict {
	TUNL_OK,
	TUNL_NOT_IPV4,
	TUNL_MALFORMED,
	TUNL_TTL_ZERO,
	TUNL_NO_ENDPOINT,
	TUNL_NO_ROUTE,
	TUNL_LOOP_SELF,
	TUNL_LOOP_SOURCE,
	TUNL_LOOP_NESTED,
	TUNL_TOO_BIG,
	TUNL_NO_MEMORY,
	TUNL_UNDERLAY,
	TUNL_VERDICT_MAX
};

/**
 * enum tunl_icmp - what became of an ICMP error
 *
 * Each but the first has a counter in /proc/net/tunl.
 *
 * @TUNL_ICMP_FOREIGN:	not about a packet of protocol 4
 * @TUNL_ICMP_RELAYED:	an error was sent to the inner source
 * @TUNL_ICMP_DEFERRED:	the quote is too short for that: path MTU lowered, or to
 *			be told with the next packet
 * @TUNL_ICMP_IGNORED:	of a kind that is not relayed (RFC 2003 §4.1, §4.3)
 * @TUNL_ICMP_NOT_OURS:	quotes an outer packet that no device here can have sent
 * @TUNL_ICMP_NOT_ROUTED: quotes an inner packet that is not routed into the
 *			device of that endpoint
 * @TUNL_ICMP_MALFORMED: checksum wrong, or no inner header in the quote
 * @TUNL_ICMP_MAX:	number of outcomes
 */
enum tunl_icmp {
	TUNL_ICMP_FOREIGN,
	TUNL_ICMP_RELAYED,
	TUNL_ICMP_DEFERRED,
	TUNL_ICMP_IGNORED,
	TUNL_ICMP_NOT_OURS,
	TUNL_ICMP_NOT_ROUTED,
	TUNL_ICMP_MALFORMED,
	TUNL_ICMP_MAX
};

/**
 * struct tunl_stats - drops of one device on one CPU
 * @drops:	packets, by verdict
 */
struct tunl_stats {
	u64 drops[TUNL_VERDICT_MAX];
};

/* main.c */
extern unsigned int tunl_net_id;

/**
 * struct tunl_net - what tunnel.ko keeps per netns
 * @devices:	devices whose underlay this netns is, by tunl_dev.siblings
 *		(RTNL)
 * @icmp:	hears ICMP errors; NULL before the first device (RTNL)
 * @icmp_count:	ICMP errors, by enum tunl_icmp
 */
struct tunl_net {
	struct list_head	devices;
	struct socket		*icmp;
	atomic_long_t		icmp_count[TUNL_ICMP_MAX];
};

/* device.c */
extern struct rtnl_link_ops tunl_link_ops;
bool tunl_device_is_ours(const struct net_device *dev);
int tunl_device_create(struct net *net, const char *name);
void tunl_device_delete_all(struct net *net, struct list_head *kill);

/* config.c */
extern struct hlist_head tunl_config_table[];
#define TUNL_CONFIG_BITS 10

/*
 * Configurations of devices that are up, over that netns and with that remote,
 * and some others: the caller compares. Under the RCU read lock.
 */
#define tunl_config_for_each(config, underlay, remote) \
	hlist_for_each_entry_rcu(config, \
				 tunl_config_bucket(underlay, remote), node)

static inline struct hlist_head *tunl_config_bucket(const struct net *underlay,
						    __be32 remote)
{
	return &tunl_config_table[hash_32((__force u32)remote ^
					  net_hash_mix(underlay),
					  TUNL_CONFIG_BITS)];
}

void tunl_config_show(struct net_device *dev);
void tunl_config_hide(struct net_device *dev);
extern const struct nla_policy tunl_config_policy[];
int tunl_config_init(struct net_device *dev);
void tunl_config_destroy(struct net_device *dev);
int tunl_config_commit(struct net_device *dev, const struct tunl_parms *parms);
int tunl_config_parse(struct tunl_parms *parms, struct nlattr *tb[],
		      struct nlattr *data[], struct netlink_ext_ack *extack);
int tunl_config_validate(const struct tunl_parms *parms,
			 struct netlink_ext_ack *extack);
void tunl_config_adopt_broadcast(struct net_device *dev);
void tunl_config_defaults(struct tunl_parms *parms);
int tunl_config_fill(struct sk_buff *msg, const struct tunl_parms *parms);
size_t tunl_config_fill_size(void);

/* endpoint.c */
int tunl_endpoint_init(void);
void tunl_endpoint_exit(void);
__be32 tunl_endpoint_gateway(const struct net_device *dev,
			     const struct sk_buff *skb);
enum tunl_verdict tunl_endpoint_route(const struct net_device *dev,
				      const struct tunl_parms *parms,
				      __be32 remote, __be32 *local,
				      struct rtable **route);

/* icmp.c */
int tunl_icmp_listen(struct net *net);
void tunl_icmp_deafen(struct net *net);
void tunl_icmp_tell(struct sk_buff *skb, struct net_device *dev, __be32 remote);

/* xmit.c */
netdev_tx_t tunl_xmit(struct sk_buff *skb, struct net_device *dev);

/* stats.c */
int tunl_stats_net_init(struct net *net);
void tunl_stats_net_exit(struct net *net);
extern const struct ethtool_ops tunl_stats_ethtool_ops;
void tunl_stats_count(struct net_device *dev, enum tunl_verdict verdict);
void tunl_stats_drop(struct net_device *dev, struct sk_buff *skb,
		     enum tunl_verdict verdict);

/* pmtu.c */
int tunl_pmtu_init(void);
void tunl_pmtu_exit(void);
enum tunl_verdict tunl_pmtu_fit(struct sk_buff *skb,
				const struct dst_entry *dst, bool pmtudisc,
				__be16 *frag_off);
void tunl_pmtu_setup(struct net_device *dev);
int tunl_pmtu_change(struct net_device *dev, int mtu);
void tunl_pmtu_follow(struct net_device *dev);
void tunl_pmtu_notice(struct net_device *dev, const struct dst_entry *dst);
void tunl_pmtu_lower_event(struct net_device *lower, unsigned long event);

#endif /* _TUNL_TUNNEL_H */
