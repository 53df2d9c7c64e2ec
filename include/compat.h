/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The sources are written as for today's kernel (7.3); this file makes of an older
 * one what they expect. No file of tunnel/ or ipip/ asks what a kernel has.
 *
 * An answer comes from a macro of the kernel's own headers, or from a probe: a comment
 * "probe: NAME HEADER" with the forms that a declaration in that header may have, as
 * "ANSWER: TEXT". The first of the texts that is found there, blanks counting as one,
 * is the answer, and the macro COMPAT_NAME_ANSWER is defined; ABSENT is the answer where
 * none is, if it is among the forms, and else the build ends with the probe's name.
 * include/Kbuild asks. A header that some kernels lack altogether is in compat/. Never
 * compare LINUX_VERSION_CODE: stable series and vendors take over changes with the version
 * of before.
 */
#ifndef _TUNL_COMPAT_H
#define _TUNL_COMPAT_H

#include <linux/ip.h>
#include <linux/kmod.h>
#include <linux/local_lock.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/sysctl.h>
#include <net/dst_metadata.h>
#include <net/fib_rules.h>
#include <net/gro.h>
#include <net/inet_dscp.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/net_namespace.h>
#include <net/protocol.h>
#include <net/route.h>
#include <net/rtnetlink.h>
#include <net/sch_generic.h>

#if IS_ENABLED(CONFIG_NF_NAT)
#include <net/netfilter/nf_conntrack.h>
#endif

/* ---- devices ---- */

/*
 * Lockless transmit was a feature, and became a field (6.12); that a device does not
 * change namespaces, likewise.
 *
 * probe: NETNS_IMMUTABLE linux/netdevice.h
 *	FIELD: netns_immutable:1;
 *	LOCAL: netns_local:1;
 *	ABSENT
 */
static inline void compat_set_lltx(struct net_device *dev)
{
#ifdef NETIF_F_LLTX
	dev->features |= NETIF_F_LLTX;
#else
	dev->lltx = true;
#endif
}

static inline void compat_set_netns_immutable(struct net_device *dev)
{
#if defined(NETIF_F_NETNS_LOCAL)
	dev->features |= NETIF_F_NETNS_LOCAL;
#elif defined(COMPAT_NETNS_IMMUTABLE_LOCAL)
	dev->netns_local = true;
#else
	dev->netns_immutable = true;
#endif
}

/*
 * A device for NAPI only was one of the driver's memory (6.10). What init_dummy_netdev()
 * marks could not be freed; without the mark it can.
 *
 * probe: ALLOC_NETDEV_DUMMY linux/netdevice.h
 *	PRESENT: struct net_device *alloc_netdev_dummy(int sizeof_priv);
 *	OWN: init_dummy_netdev(struct net_device *dev);
 */
#ifdef COMPAT_ALLOC_NETDEV_DUMMY_OWN
static inline void compat_setup_dummy(struct net_device *dev)
{
	set_bit(__LINK_STATE_PRESENT, &dev->state);
	set_bit(__LINK_STATE_START, &dev->state);
}

static inline struct net_device *alloc_netdev_dummy(int sizeof_priv)
{
	return alloc_netdev(sizeof_priv, "dummy#", NET_NAME_UNKNOWN,
			    compat_setup_dummy);
}
#endif

/*
 * An address was bytes in the device, to be written (5.15; stable kernels have the
 * function, with another type).
 *
 * probe: DEV_ADDR_SET linux/netdevice.h
 *	PRESENT: __dev_addr_set(struct net_device *dev, const void *addr,
 *	BYTES: __dev_addr_set(struct net_device *dev, const u8 *addr,
 *	ABSENT
 */
#ifdef COMPAT_DEV_ADDR_SET_BYTES
#define __dev_addr_set(dev, addr, len) \
	__dev_addr_set(dev, (const u8 *)(addr), len)
#elif defined(COMPAT_DEV_ADDR_SET_ABSENT)
#define __dev_addr_set(dev, addr, len) memcpy((dev)->dev_addr, addr, len)
#endif

/*
 * A tunnel can say what a flowtable is to make of a connection's packets (6.19). Before
 * 7.3 it was not told whether they are of IPv4, and before 7.2 it could not give their
 * route: there, ours says nothing, and a connection ends up in the device itself.
 *
 * probe: TUNNEL_PATH linux/netdevice.h
 *	PRESENT: u8 inner_proto;
 *	ABSENT
 */
#ifdef COMPAT_TUNNEL_PATH_PRESENT
#define compat_ndo_fill_forward_path(function) .ndo_fill_forward_path = function,
#define compat_policy_default(net, dir) ((net)->xfrm.policy_default[dir])
#else
#define compat_ndo_fill_forward_path(function)
/* It came with 5.14; nobody asks here. */
#define compat_policy_default(net, dir) XFRM_USERPOLICY_UNSPEC

struct compat_path_ctx {
	const struct net_device	*dev;
	__be16			ether_type;
};

struct compat_path {
	int			type;
	const struct net_device	*dev;
	struct {
		struct dst_entry	*dst;
		struct in_addr		src_v4;
		struct in_addr		dst_v4;
		u8			inner_proto;
	} tun;
};

#define net_device_path_ctx compat_path_ctx
#define net_device_path compat_path
#define DEV_PATH_ETHERNET 0
#define DEV_PATH_TUN 1
#endif

/* ---- a device's counters ----
 *
 * Those that all CPUs share were plain numbers (6.2, and stable kernels): counted as
 * they are today.
 */
#ifndef DEV_STATS_INC
#define DEV_STATS_INC(dev, field) \
	atomic_long_inc((atomic_long_t *)&(dev)->stats.field)
#endif

/*
 * Packets that were dropped were counted in one number, not per CPU (5.18).
 *
 * probe: RX_DROPPED linux/netdevice.h
 *	PER_CPU: DEV_CORE_STATS_INC(rx_dropped)
 *	SHARED: atomic_long_t rx_dropped;
 */
#ifdef COMPAT_RX_DROPPED_SHARED
static inline void dev_core_stats_rx_dropped_inc(struct net_device *dev)
{
	atomic_long_inc(&dev->rx_dropped);
}
#endif

/*
 * probe: TX_ADD linux/netdevice.h
 *	PRESENT: dev_sw_netstats_tx_add(struct net_device *dev,
 *	ABSENT
 */
#ifdef COMPAT_TX_ADD_ABSENT
static inline void dev_sw_netstats_tx_add(struct net_device *dev,
					  unsigned int packets,
					  unsigned int len)
{
	struct pcpu_sw_netstats *tstats = this_cpu_ptr(dev->tstats);

	u64_stats_update_begin(&tstats->syncp);
	tstats->tx_bytes += len;
	tstats->tx_packets += packets;
	u64_stats_update_end(&tstats->syncp);
}
#endif

/*
 * probe: GET_TSTATS64 linux/netdevice.h
 *	PRESENT: dev_get_tstats64(struct net_device *dev,
 *	ABSENT
 */
#ifdef COMPAT_GET_TSTATS64_ABSENT
static inline void dev_get_tstats64(struct net_device *dev,
				    struct rtnl_link_stats64 *stats)
{
	netdev_stats_to_stats64(stats, &dev->stats);
	dev_fetch_sw_netstats(stats, dev->tstats);
}
#endif

/*
 * The driver made and freed them itself (6.7, and stable kernels): see link_init()
 * below.
 *
 * probe: PCPU_STAT_TYPE linux/netdevice.h
 *	PRESENT: enum netdev_stat_type pcpu_stat_type
 *	ABSENT
 */
static inline void compat_set_tstats(struct net_device *dev)
{
#ifdef COMPAT_PCPU_STAT_TYPE_PRESENT
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
#endif
}

/* ---- callbacks ----
 *
 * Where the kernel calls one with other parameters than today's, a macro of its name
 * makes two functions of the one that is defined: the one that the kernel calls, and
 * which calls the other with today's parameters.
 */

/*
 * probe: EXIT_RTNL net/net_namespace.h
 *	ONE: (*exit_rtnl)(struct net *net, struct list_head *
 *	BATCH: (*exit_batch_rtnl)(struct list_head *net_exit_list, struct list_head *
 */
#ifdef COMPAT_EXIT_RTNL_BATCH
#define exit_rtnl exit_batch_rtnl
#define main_net_exit_rtnl(...) \
compat_net_exit_rtnl(__VA_ARGS__); \
static void __net_exit main_net_exit_rtnl(struct list_head *nets, \
					  struct list_head *kill) \
{ \
	struct net *net; \
\
	list_for_each_entry(net, nets, exit_list) \
		compat_net_exit_rtnl(net, kill); \
} \
static void __net_exit compat_net_exit_rtnl(__VA_ARGS__)
#endif

#ifdef COMPAT_PCPU_STAT_TYPE_ABSENT
#define link_init(...) \
compat_link_init(__VA_ARGS__); \
static int link_init(struct net_device *dev) \
{ \
	int err; \
\
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats); \
	if (!dev->tstats) \
		return -ENOMEM; \
	err = compat_link_init(dev); \
	if (err) \
		free_percpu(dev->tstats); \
	return err; \
} \
static int compat_link_init(__VA_ARGS__)

#define link_destroy(...) \
compat_link_destroy(__VA_ARGS__); \
static void link_destroy(struct net_device *dev) \
{ \
	compat_link_destroy(dev); \
	free_percpu(dev->tstats); \
} \
static void compat_link_destroy(__VA_ARGS__)
#endif

/*
 * One callback was for all of a device's ioctls, with the pointer in the request (5.15).
 * It is asked for what every kind of device has, too, and by the kernel itself: then the
 * request has no pointer.
 *
 * probe: SIOCDEVPRIVATE linux/netdevice.h
 *	PRESENT: (*ndo_siocdevprivate)(struct net_device *
 *	ALL: (*ndo_do_ioctl)(struct net_device *
 */
#ifdef COMPAT_SIOCDEVPRIVATE_ALL
#define ndo_siocdevprivate ndo_do_ioctl
#define link_siocdevprivate(...) \
compat_siocdevprivate(__VA_ARGS__); \
static int link_siocdevprivate(struct net_device *dev, struct ifreq *ifr, \
			       int cmd) \
{ \
	if (cmd < SIOCDEVPRIVATE || cmd > SIOCDEVPRIVATE + 15) \
		return -EOPNOTSUPP; \
	return compat_siocdevprivate(dev, ifr, ifr->ifr_data, cmd); \
} \
static int compat_siocdevprivate(__VA_ARGS__)
#endif

/*
 * A device could not be made in another netns than its link's (6.15), so there is no
 * @link_net.
 *
 * probe: NEWLINK net/rtnetlink.h
 *	PARAMS: (*newlink)(struct net_device *dev, struct rtnl_newlink_params *
 *	SRC_NET: (*newlink)(struct net *src_net, struct net_device *dev, struct nlattr *tb[],
 *
 * The core validated a request under RTNL (6.13), after it had looked for devices. There
 * it is validated later, by newlink, which may let go of RTNL for a module: nothing has
 * been looked at by then that the core relies on.
 *
 * probe: VALIDATE net/rtnetlink.h
 *	UNLOCKED: struct srcu_struct srcu;
 *	LOCKED: struct rtnl_link_ops {
 */
#ifdef COMPAT_VALIDATE_LOCKED
static inline void compat_request_module(const char *name)
{
	rtnl_unlock();
	request_module("%s", name);
	rtnl_lock();
}

#undef request_module
#define request_module(name) compat_request_module(name)

#define link_validate(...) \
compat_link_validate(__VA_ARGS__); \
static int link_validate(struct nlattr *tb[], struct nlattr *data[], \
			 struct netlink_ext_ack *extack) \
{ \
	return 0; \
} \
static int compat_link_validate(__VA_ARGS__)
#else
#define compat_link_validate(tb, data, extack) 0
#endif

#ifdef COMPAT_NEWLINK_SRC_NET
struct rtnl_newlink_params {
	struct net *link_net;
	struct nlattr **tb;
	struct nlattr **data;
};

#define link_newlink(...) \
compat_newlink(__VA_ARGS__); \
static int link_newlink(struct net *src_net, struct net_device *dev, \
			struct nlattr *tb[], struct nlattr *data[], \
			struct netlink_ext_ack *extack) \
{ \
	struct rtnl_newlink_params params = { .tb = tb, .data = data }; \
\
	return compat_link_validate(tb, data, extack) ?: \
	       compat_newlink(dev, &params, extack); \
} \
static int compat_newlink(__VA_ARGS__)
#endif

/*
 * probe: PROC_HANDLER linux/sysctl.h
 *	CONST: proc_handler(const struct ctl_table *
 *	WRITABLE: proc_handler(struct ctl_table *
 */
#ifdef COMPAT_PROC_HANDLER_WRITABLE
#define policy_sysctl(...) \
compat_sysctl(__VA_ARGS__); \
static int policy_sysctl(struct ctl_table *table, int write, void *buffer, \
			 size_t *lenp, loff_t *ppos) \
{ \
	return compat_sysctl(table, write, buffer, lenp, ppos); \
} \
static int compat_sysctl(__VA_ARGS__)
#endif

/* ---- names ---- */

/*
 * Before there were these reasons (6.0), a drop had none for dropwatch and perf: only
 * the counters and the tracepoints of the modules name it. Kernels that had the first
 * few of them (5.17) count as having none.
 */
#ifndef DEFINE_DROP_REASON
enum compat_drop_reason { COMPAT_NO_DROP_REASON };

#define skb_drop_reason compat_drop_reason
#define kfree_skb_reason(skb, reason) kfree_skb(skb)
#define SKB_DROP_REASON_CPU_BACKLOG COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_IP_CSUM COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_IP_INHDR COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_IP_INNOROUTES COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_IP_NOPROTO COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_IP_OUTNOROUTES COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_NOMEM COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_NOT_SPECIFIED COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_PKT_TOO_BIG COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_UNHANDLED_PROTO COMPAT_NO_DROP_REASON
#define SKB_DROP_REASON_XFRM_POLICY COMPAT_NO_DROP_REASON
#endif

/*
 * A protocol had to say that it knows of namespaces (5.14), or was not registered.
 *
 * probe: NETNS_OK net/protocol.h
 *	WANTED: netns_ok:1,
 *	ABSENT
 */
#ifdef COMPAT_NETNS_OK_WANTED
#define no_policy netns_ok = 1, .no_policy
#endif

/*
 * How many packets a poll may take was a parameter (5.19).
 *
 * probe: NAPI_ADD linux/netdevice.h
 *	PRESENT: netif_napi_add(struct net_device *dev, struct napi_struct *napi, int (*poll)(struct napi_struct *, int))
 *	WEIGHT: netif_napi_add(struct net_device *dev, struct napi_struct *napi, int (*poll)(struct napi_struct *, int), int weight)
 */
#ifdef COMPAT_NAPI_ADD_WEIGHT
#define netif_napi_add(dev, napi, poll) \
	netif_napi_add(dev, napi, poll, NAPI_POLL_WEIGHT)
#endif

/*
 * Who reads from a process turned interrupts off on 32-bit machines with one processor
 * by functions of another name (6.3).
 *
 * probe: FETCH_IRQ linux/u64_stats_sync.h
 *	PRESENT: u64_stats_fetch_begin_irq(const struct u64_stats_sync *
 *	ABSENT
 */
#ifdef COMPAT_FETCH_IRQ_PRESENT
#define u64_stats_fetch_begin u64_stats_fetch_begin_irq
#define u64_stats_fetch_retry u64_stats_fetch_retry_irq
#endif

/*
 * Whom a new device is reported to was nobody in particular (6.2).
 *
 * probe: CONFIGURE_LINK net/rtnetlink.h
 *	PRESENT: rtnl_configure_link(struct net_device *dev, const struct ifinfomsg *ifm, u32
 *	SHORT: rtnl_configure_link(struct net_device *dev, const struct ifinfomsg *ifm);
 */
#ifdef COMPAT_CONFIGURE_LINK_SHORT
#define rtnl_configure_link(dev, ifm, portid, nlh) rtnl_configure_link(dev, ifm)
#endif

/*
 * A listener was not told of the nexthops there were already (5.11).
 *
 * probe: NEXTHOP_NOTIFIER net/nexthop.h
 *	PRESENT: register_nexthop_notifier(struct net *net, struct notifier_block *nb, struct
 *	SHORT: register_nexthop_notifier(struct net *net, struct notifier_block *nb);
 */
#ifdef COMPAT_NEXTHOP_NOTIFIER_SHORT
#define register_nexthop_notifier(net, nb, extack) \
	register_nexthop_notifier(net, nb)
#endif

/*
 * The bounds of learned path MTUs were one pair for all netns, and private to IPv4
 * (5.18): there an administrator's figures are not known, and the defaults count.
 *
 * probe: RT_MIN_PMTU net/netns/ipv4.h
 *	PRESENT: ip_rt_min_pmtu
 *	ABSENT
 */
static inline u32 compat_rt_min_pmtu(const struct net *net)
{
#ifdef COMPAT_RT_MIN_PMTU_PRESENT
	return READ_ONCE(net->ipv4.ip_rt_min_pmtu);
#else
	return 512 + 20 + 20;
#endif
}

static inline int compat_rt_mtu_expires(const struct net *net)
{
#ifdef COMPAT_RT_MIN_PMTU_PRESENT
	return READ_ONCE(net->ipv4.ip_rt_mtu_expires);
#else
	return 10 * 60 * HZ;
#endif
}

/*
 * Where bottom halves that are off exclude all others on a CPU, also on real-time
 * kernels, what is per CPU needs no lock (6.11).
 */
#ifndef local_lock_nested_bh
#define local_lock_nested_bh(lock) do { } while (0)
#define local_unlock_nested_bh(lock) do { } while (0)
#endif

/*
 * Real-time kernels held a lock of a device's queue while they sent from it (6.19): a
 * task that comes to that queue again, further down, would wait for itself.
 *
 * probe: QUEUE_LOCK net/sch_generic.h
 *	HELD: spinlock_t busylock
 *	ABSENT
 *
 * Under the RCU read lock.
 */
static inline bool compat_queue_is_held(struct net_device *dev)
{
#if IS_ENABLED(CONFIG_PREEMPT_RT) && defined(COMPAT_QUEUE_LOCK_HELD)
	unsigned int i;

	for (i = 0; i < dev->real_num_tx_queues; i++)
		if (rcu_dereference_bh(netdev_get_tx_queue(dev, i)->qdisc)->enqueue)
			return true;
#endif
	return false;
}

/*
 * A sysctl table ended with an empty entry; since 6.6, with the macro, entries are
 * counted.
 */
#ifndef register_net_sysctl
#define register_net_sysctl_sz(net, path, table, entries) \
	register_net_sysctl(net, path, table)
#endif

/*
 * A refusal whose text is made up for the occasion (6.2). Before, a text must
 * be there as long as the module: the kernel log has this one then.
 */
#ifndef NL_SET_ERR_MSG_FMT
#define NL_SET_ERR_MSG_FMT(extack, format, ...) \
	do { \
		net_info_ratelimited("tunnel: " format "\n", __VA_ARGS__); \
		NL_SET_ERR_MSG(extack, "refused, the kernel log says why"); \
	} while (0)
#endif

/*
 * It moved there out of skbuff.h (6.5).
 *
 * probe: GSO net/gso.h
 *	PRESENT: skb_gso_validate_network_len(
 *	ABSENT
 */
#ifdef COMPAT_GSO_PRESENT
#include <net/gso.h>
#endif

/*
 * How many packets may wait to be received was a variable of its own (6.9).
 *
 * probe: HOTDATA net/hotdata.h
 *	PRESENT: int max_backlog;
 *	ABSENT
 */
#ifdef COMPAT_HOTDATA_PRESENT
#include <net/hotdata.h>
#else
struct compat_hotdata {
	int max_backlog;
};

#define net_hotdata (*(const struct compat_hotdata *)&netdev_max_backlog)
#endif

/*
 * probe: UNSET_TRANSPORT_HEADER linux/skbuff.h
 *	PRESENT: skb_unset_transport_header(struct sk_buff *skb)
 *	ABSENT
 */
#ifdef COMPAT_UNSET_TRANSPORT_HEADER_ABSENT
static inline void skb_unset_transport_header(struct sk_buff *skb)
{
	skb->transport_header = (typeof(skb->transport_header))~0U;
}
#endif

/*
 * The flags of tunnel metadata became a bitmap, and the parameters of an old-style
 * request two structures, one for user space (6.10).
 */
#ifdef IP_TUNNEL_DECLARE_FLAGS
static inline bool compat_metadata_df(const struct ip_tunnel_info *info)
{
	return test_bit(IP_TUNNEL_DONT_FRAGMENT_BIT, info->key.tun_flags);
}
#else
#define ip_tunnel_parm_kern ip_tunnel_parm

static inline bool compat_metadata_df(const struct ip_tunnel_info *info)
{
	return info->key.tun_flags & TUNNEL_DONT_FRAGMENT;
}

#define IP_TUNNEL_DECLARE_FLAGS(name) unsigned long name[1]
#define IP_TUNNEL_DONT_FRAGMENT_BIT 0

static inline struct metadata_dst *
compat_tun_rx_dst(struct sk_buff *skb, const unsigned long *flags,
		  __be64 tunnel_id, int md_size)
{
	bool df = test_bit(IP_TUNNEL_DONT_FRAGMENT_BIT, flags);

	return ip_tun_rx_dst(skb, df ? TUNNEL_DONT_FRAGMENT : 0, tunnel_id,
			     md_size);
}

#define ip_tun_rx_dst compat_tun_rx_dst
#endif

/*
 * Metadata said nothing of UDP between the headers (6.4, and stable kernels), and
 * nothing of how the outer route is looked up (6.0).
 *
 * probe: METADATA_ENCAP net/ip_tunnels.h
 *	PRESENT: struct ip_tunnel_info { struct ip_tunnel_key key; struct ip_tunnel_encap encap;
 *	ABSENT: struct ip_tunnel_info { struct ip_tunnel_key key; #ifdef CONFIG_DST_CACHE
 *
 * probe: METADATA_FLOW_FLAGS net/ip_tunnels.h
 *	PRESENT: flow_flags
 *	ABSENT
 */
static inline struct ip_tunnel_encap
compat_metadata_encap(const struct ip_tunnel_info *info)
{
#ifdef COMPAT_METADATA_ENCAP_PRESENT
	return info->encap;
#else
	return (struct ip_tunnel_encap) { .type = TUNNEL_ENCAP_NONE };
#endif
}

static inline void compat_metadata_set_ports(struct ip_tunnel_info *info,
					     __be16 source, __be16 dest)
{
#ifdef COMPAT_METADATA_ENCAP_PRESENT
	info->encap.sport = source;
	info->encap.dport = dest;
#endif
}

static inline u8 compat_metadata_flow_flags(const struct ip_tunnel_info *info)
{
#ifdef COMPAT_METADATA_FLOW_FLAGS_PRESENT
	return info->key.flow_flags;
#else
	return 0;
#endif
}

/*
 * What goes between the headers was asked of the kernel's own struct ip_tunnel (6.4, and
 * stable kernels).
 *
 * probe: TUNNEL_ENCAP net/ip_tunnels.h
 *	PRESENT: ip_tunnel_encap(struct sk_buff *skb, struct ip_tunnel_encap *
 *	TUNNEL: ip_tunnel_encap(struct sk_buff *skb, struct ip_tunnel *
 */
#ifdef COMPAT_TUNNEL_ENCAP_TUNNEL
static inline int compat_tunnel_encap(struct sk_buff *skb,
				      struct ip_tunnel_encap *encap,
				      u8 *protocol, struct flowi4 *fl4)
{
	const struct ip_tunnel_encap_ops *ops;
	int err = -EINVAL;

	if (encap->type == TUNNEL_ENCAP_NONE)
		return 0;
	if (encap->type >= MAX_IPTUN_ENCAP_OPS)
		return -EINVAL;

	rcu_read_lock();
	ops = rcu_dereference(iptun_encaps[encap->type]);
	if (ops && ops->build_header)
		err = ops->build_header(skb, encap, protocol, fl4);
	rcu_read_unlock();
	return err;
}

#define ip_tunnel_encap(skb, encap, protocol, fl4) \
	compat_tunnel_encap(skb, encap, protocol, fl4)
#endif

/*
 * Each kind of tunnel read these attributes itself (6.1).
 *
 * probe: ENCAP_PARMS net/ip_tunnels.h
 *	PRESENT: ip_tunnel_netlink_encap_parms(struct nlattr *
 *	ABSENT
 */
#ifdef COMPAT_ENCAP_PARMS_ABSENT
static inline bool ip_tunnel_netlink_encap_parms(struct nlattr *data[],
						 struct ip_tunnel_encap *encap)
{
	*encap = (struct ip_tunnel_encap) { .type = TUNNEL_ENCAP_NONE };
	if (!data)
		return false;

	if (data[IFLA_IPTUN_ENCAP_TYPE])
		encap->type = nla_get_u16(data[IFLA_IPTUN_ENCAP_TYPE]);
	if (data[IFLA_IPTUN_ENCAP_FLAGS])
		encap->flags = nla_get_u16(data[IFLA_IPTUN_ENCAP_FLAGS]);
	if (data[IFLA_IPTUN_ENCAP_SPORT])
		encap->sport = nla_get_be16(data[IFLA_IPTUN_ENCAP_SPORT]);
	if (data[IFLA_IPTUN_ENCAP_DPORT])
		encap->dport = nla_get_be16(data[IFLA_IPTUN_ENCAP_DPORT]);
	return data[IFLA_IPTUN_ENCAP_TYPE] || data[IFLA_IPTUN_ENCAP_FLAGS] ||
	       data[IFLA_IPTUN_ENCAP_SPORT] || data[IFLA_IPTUN_ENCAP_DPORT];
}
#endif

/*
 * Nothing bounded what a tunnel asks to be left free in front of a packet (2026, stable
 * kernels too). The bound is the kernel's.
 *
 * probe: LIMIT_HEADROOM net/ip_tunnels.h
 *	PRESENT: ip_tunnel_limit_headroom(unsigned int
 *	ABSENT
 */
#ifdef COMPAT_LIMIT_HEADROOM_ABSENT
static inline unsigned int ip_tunnel_limit_headroom(unsigned int headroom)
{
	return min(headroom, 512U);
}
#endif

/*
 * In a VRF, routes were looked up by the VRF as the outgoing device (5.18, and stable
 * kernels). There is no way to have both on such a kernel.
 *
 * probe: L3MDEV net/flow.h
 *	PRESENT: #define flowi4_l3mdev
 *
 * Routes were looked up by a TOS, a number (6.18). To kernels that have IPTOS_RT_MASK,
 * its upper three bits do not matter, and rules cannot have them.
 *
 * probe: FLOWI4_DSCP net/flow.h
 *	PRESENT: #define flowi4_dscp
 *	TOS: #define flowi4_tos
 *
 * The result was an error, and is a drop reason (6.13); both are 0 for a route.
 *
 * probe: ROUTE_INPUT net/route.h
 *	DSCP: ip_route_input_noref(struct sk_buff *skb, __be32 daddr, __be32 saddr, dscp_t
 *	DSCP: ip_route_input_noref(struct sk_buff *skb, __be32 dst, __be32 src, dscp_t
 *	TOS: ip_route_input_noref(struct sk_buff *skb, __be32 dst, __be32 src, u8
 */
#ifdef COMPAT_FLOWI4_DSCP_TOS
#ifdef IPTOS_RT_MASK
#define COMPAT_DSCP_MASK (INET_DSCP_MASK & IPTOS_RT_MASK)
#else
#define COMPAT_DSCP_MASK INET_DSCP_MASK
#endif
#define flowi4_dscp flowi4_tos
#define inet_dsfield_to_dscp(dsfield) ((u8)((dsfield) & COMPAT_DSCP_MASK))
#define ip4h_dscp(iph) inet_dsfield_to_dscp((iph)->tos)
#ifdef COMPAT_ROUTE_INPUT_DSCP
#define ip_route_input_noref(skb, daddr, saddr, dscp, dev) \
	ip_route_input_noref(skb, daddr, saddr, (__force dscp_t)(dscp), dev)
#endif
#endif

/* ---- what depends on a kernel's configuration ---- */

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
