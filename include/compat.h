/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels we build for (6.1 and 6.12). This is the
 * only file with a version or feature test.
 */
#ifndef _TUNL_COMPAT_H
#define _TUNL_COMPAT_H

#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/sysctl.h>
#include <linux/version.h>
#include <net/dst_metadata.h>
#include <net/fib_rules.h>
#include <net/ip_tunnels.h>
#include <net/net_namespace.h>

#if IS_ENABLED(CONFIG_NF_NAT)
#include <net/netfilter/nf_conntrack.h>
#endif

/* skb_gso_validate_network_len() moved there out of skbuff.h (6.5). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#include <net/gso.h>
#endif

/* Lockless transmit was a feature flag, and became a field (6.12). */
static inline void compat_set_lltx(struct net_device *dev)
{
#ifdef NETIF_F_LLTX
	dev->features |= NETIF_F_LLTX;
#else
	dev->lltx = true;
#endif
}

/* A device that does not change namespaces: likewise. */
static inline void compat_set_netns_immutable(struct net_device *dev)
{
#ifdef NETIF_F_NETNS_LOCAL
	dev->features |= NETIF_F_NETNS_LOCAL;
#else
	dev->netns_immutable = true;
#endif
}

/*
 * A sysctl table ended with an empty entry; since 6.6 it is counted, and an
 * empty entry is one without a name. Tables here have the empty entry, and
 * @entries does not count it.
 */
static inline struct ctl_table_header *
compat_register_net_sysctl(struct net *net, const char *path,
			   struct ctl_table *table, size_t entries)
{
#ifdef register_net_sysctl
	return register_net_sysctl_sz(net, path, table, entries);
#else
	return register_net_sysctl(net, path, table);
#endif
}

/* Sysctl handlers are given a const table since 6.11. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define compat_ctl_table const struct ctl_table
#else
#define compat_ctl_table struct ctl_table
#endif

/* The parameters of an old-style tunnel request, inside the kernel (6.10). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define compat_tunnel_parm struct ip_tunnel_parm_kern
#else
#define compat_tunnel_parm struct ip_tunnel_parm
#endif

/*
 * A refusal whose text is made up for the occasion (6.2). Before, a text must
 * be there as long as the module: the kernel log has this one then.
 */
#ifdef NL_SET_ERR_MSG_FMT
#define compat_refuse(extack, format, ...) \
	NL_SET_ERR_MSG_FMT(extack, format, __VA_ARGS__)
#else
#define compat_refuse(extack, format, ...) \
	do { \
		net_info_ratelimited("tunnel: " format "\n", __VA_ARGS__); \
		NL_SET_ERR_MSG(extack, "refused, the kernel log says why"); \
	} while (0)
#endif

/* The flags of tunnel metadata became a bitmap (6.10). */
#ifdef IP_TUNNEL_DECLARE_FLAGS
static inline bool compat_metadata_df(const struct ip_tunnel_info *info)
{
	return test_bit(IP_TUNNEL_DONT_FRAGMENT_BIT, info->key.tun_flags);
}

static inline struct metadata_dst *compat_metadata_received(struct sk_buff *skb)
{
	IP_TUNNEL_DECLARE_FLAGS(flags) = { };

	return ip_tun_rx_dst(skb, flags, 0, 0);
}
#else
static inline bool compat_metadata_df(const struct ip_tunnel_info *info)
{
	return info->key.tun_flags & TUNNEL_DONT_FRAGMENT;
}

static inline struct metadata_dst *compat_metadata_received(struct sk_buff *skb)
{
	return ip_tun_rx_dst(skb, 0, 0, 0);
}
#endif

/* Where the transport header is has yet to be found out (6.12 has a name for it). */
static inline void compat_unset_transport_header(struct sk_buff *skb)
{
	skb->transport_header = (typeof(skb->transport_header))~0U;
}

/* How many packets may wait to be received: net.core.netdev_max_backlog (6.9). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#include <net/hotdata.h>
static inline int compat_max_backlog(void)
{
	return READ_ONCE(net_hotdata.max_backlog);
}
#else
static inline int compat_max_backlog(void)
{
	return READ_ONCE(netdev_max_backlog);
}
#endif

/*
 * The source that a packet had when it came to this host, or was made on it. By
 * the time it is sent, NAT may have given it another.
 */
static inline __be32 compat_source_before_nat(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_NAT)
	enum ip_conntrack_info ctinfo;
	const struct nf_conn *ct = nf_ct_get(skb, &ctinfo);

	if (ct && READ_ONCE(ct->status) & IPS_NAT_MASK)
		return ct->tuplehash[CTINFO2DIR(ctinfo)].tuple.src.u3.ip;
#endif
	return ip_hdr(skb)->saddr;
}

/*
 * Is there a rule of IPv4 routing that goes by the packet's mark? Kernels without
 * rules have none. Under the RCU read lock.
 */
static inline bool compat_rules_by_mark(const struct net *net)
{
#ifdef CONFIG_IP_MULTIPLE_TABLES
	const struct fib_rule *rule;

	list_for_each_entry_rcu(rule, &net->ipv4.rules_ops->rules_list, list)
		if (rule->mark_mask)
			return true;
#endif
	return false;
}

#endif /* _TUNL_COMPAT_H */
