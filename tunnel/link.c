// SPDX-License-Identifier: GPL-2.0
/*
 * The interface: its shape, and its netlink, ethtool and device operations.
 */
#include <linux/if_arp.h>
#include <linux/module.h>
#include <net/neighbour.h>
#include <net/ip_tunnels.h>
#include <net/netns/generic.h>

#include "tunnel.h"

#define LINK_FEATURES \
	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HIGHDMA | \
	 NETIF_F_GSO_SOFTWARE | NETIF_F_HW_CSUM)

static struct tunl_net *link_underlay(const struct tunl_dev *tunl)
{
	return net_generic(tunl->underlay, tunl_net_id);
}

static int link_init(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	int err;

	ASSERT_RTNL();
	tunl->stats = netdev_alloc_pcpu_stats(struct tunl_stats);
	if (!tunl->stats)
		return -ENOMEM;

	err = tunl_icmp_register(tunl->underlay);
	if (err)
		goto free_stats;

	err = tunl_config_init(dev);
	if (err)
		goto free_stats;

	netdev_lockdep_set_classes(dev);
	tunl_event_net_watch(tunl->underlay);
	list_add_tail(&tunl->siblings, &link_underlay(tunl)->devices);
	return 0;

free_stats:
	free_percpu(tunl->stats);
	return err;
}

static void link_uninit(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	if (link_underlay(tunl)->fallback == dev)
		link_underlay(tunl)->fallback = NULL;
	tunl_config_hide(dev);
	list_del(&tunl->siblings);
	/*
	 * A registration that failed: the core frees the device at once, and an
	 * ICMP error may be looking at its configuration.
	 */
	if (dev->reg_state != NETREG_UNREGISTERING)
		synchronize_net();
}

/*
 * Not in link_uninit(): the receive path of ipip.ko may have found the device just before
 * it was unregistered, and the grace period has not passed there yet.
 */
static void link_destroy(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	tunl_config_destroy(dev);
	free_percpu(tunl->stats);
}

/* The routes to the endpoint may be others than when the device was down. */
static int link_open(struct net_device *dev)
{
	tunl_pmtu_follow(dev);
	return 0;
}

/*
 * "ip link set DEV address LOCAL": an explicit outer source. 0.0.0.0 gives the
 * choice back to routing. Bonding and team set one address on all their ports, and get 0
 * although it is not set. The reason of a refusal is reported at NETDEV_PRE_CHANGEADDR,
 * which the core sends first.
 */
static int link_set_address(struct net_device *dev, void *addr)
{
	const struct sockaddr *sa = addr;
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_parms parms = tunl->parms;
	int err;

	if (tunl_device_is_ports_address(dev, sa->sa_data)) {
		net_info_ratelimited("%s: %pI4 is its address as a port, the local address stays %pI4\n",
				     dev->name, sa->sa_data, &parms.local);
		return 0;
	}

	err = tunl_config_check_local(dev, sa->sa_data, NULL);
	if (err)
		return err;

	memcpy(&parms.local, sa->sa_data, sizeof(parms.local));
	return tunl_config_commit(dev, &parms, GFP_KERNEL);
}

/*
 * "ip link" shows this interface behind the @. With kind ipip it is the underlay device, or
 * none. Kind tunl without an underlay device returns its own index: no @ is shown.
 */
static int link_get_iflink(const struct net_device *dev)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	int link = READ_ONCE(tunl->parms.link);

	return link || tunl->stock ? link : dev->ifindex;
}

static int link_neigh_output(struct neighbour *neigh, struct sk_buff *skb)
{
	return dev_queue_xmit(skb);
}

/*
 * Tunnels have header_ops but no link header, which the core would expect of them. So
 * neighbours send without one. The kernel does not export neigh_direct_output().
 */
static int link_neigh_construct(struct net_device *dev, struct neighbour *neigh)
{
	neigh->output = link_neigh_output;
	return 0;
}

/* "ip tunnel" and the like. */
static int link_siocdevprivate(struct net_device *dev, struct ifreq *ifr,
			       void __user *data, int cmd)
{
	return tunl_ioctl(dev, data, cmd);
}

static const struct net_device_ops link_ops = {
	.ndo_init = link_init,
	.ndo_uninit = link_uninit,
	.ndo_open = link_open,
	.ndo_start_xmit = tunl_xmit,
	.ndo_change_mtu = tunl_pmtu_change,
	.ndo_set_mac_address = link_set_address,
	.ndo_get_stats64 = dev_get_tstats64,
	.ndo_get_iflink = link_get_iflink,
	.ndo_neigh_construct = link_neigh_construct,
	.ndo_siocdevprivate = link_siocdevprivate,
	.ndo_tunnel_ctl = tunl_ioctl_ctl,
	compat_ndo_fill_forward_path(tunl_flow_path)
};

static const struct device_type link_type = {
	.name = TUNL_KIND,
};

static void link_setup(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	tunl->magic = TUNL_MAGIC;
	tunl->dev = dev;
	spin_lock_init(&tunl->fault.lock);
	seqcount_spinlock_init(&tunl->fault.seq, &tunl->fault.lock);

	dev->netdev_ops = &link_ops;
	dev->ethtool_ops = &tunl_stats_ethtool_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	SET_NETDEV_DEVTYPE(dev, &link_type);

	dev->type = ARPHRD_TUNNEL;
	dev->flags = IFF_POINTOPOINT | IFF_NOARP;
	dev->addr_len = sizeof(__be32);

	dev->features |= LINK_FEATURES;
	dev->hw_features |= LINK_FEATURES;
	compat_set_lltx(dev);

	compat_set_tstats(dev);
	dev->needs_free_netdev = true;
	dev->priv_destructor = link_destroy;

	tunl_pmtu_setup(dev);
}

/* The kernel's ipip is point-to-point only if it has a remote. */
static void link_setup_stock(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	link_setup(dev);
	tunl->stock = true;
	dev->flags &= ~IFF_POINTOPOINT;
}

/* Netlink's addresses have any length up to MAX_ADDR_LEN. */
static int link_parse_address(__be32 *addr, const struct nlattr *attr,
			      struct netlink_ext_ack *extack)
{
	if (!attr)
		return 0;

	if (nla_len(attr) != sizeof(*addr)) {
		NL_SET_ERR_MSG_ATTR(extack, attr,
				    "a tunnel's link address is an IPv4 address");
		return -EINVAL;
	}

	*addr = nla_get_in_addr(attr);
	return 0;
}

/* The core does not hold RTNL here, so this may wait for a module to be loaded. */
static int link_validate(struct nlattr *tb[], struct nlattr *data[],
			 struct netlink_ext_ack *extack)
{
	return tunl_config_load(data, true, extack);
}

/* With "link-netns", the underlay is that netns, and @dev is in another already. */
static int link_newlink(struct net_device *dev,
			struct rtnl_newlink_params *params,
			struct netlink_ext_ack *extack)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct nlattr **data = params->data;
	struct nlattr **tb = params->tb;
	struct tunl_parms parms;
	int err;

	tunl->underlay = params->link_net ?: dev_net(dev);
	tunl_config_defaults(&parms);
	err = link_parse_address(&parms.local, tb[IFLA_ADDRESS], extack);
	if (err)
		return err;
	err = link_parse_address(&parms.remote, tb[IFLA_BROADCAST], extack);
	if (err)
		return err;
	err = tunl_config_parse(dev, &parms, data, extack);
	if (err)
		return err;

	tunl->parms = parms;
	/* The core has set it already, without asking ndo_change_mtu. */
	if (tb[IFLA_MTU]) {
		err = tunl_pmtu_change(dev, dev->mtu);
		if (err) {
			NL_SET_ERR_MSG_ATTR(extack, tb[IFLA_MTU],
					    "mtu less than IPv4's minimum of 68");
			return err;
		}
	}

	return tunl_device_register(dev);
}

static int link_changelink(struct net_device *dev, struct nlattr *tb[],
			   struct nlattr *data[],
			   struct netlink_ext_ack *extack)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_parms parms = tunl->parms;
	int err;

	if (!rtnl_dev_link_net_capable(dev, tunl->underlay)) {
		NL_SET_ERR_MSG(extack, TUNL_MSG_NOT_CAPABLE);
		return -EPERM;
	}

	err = tunl_config_load(data, false, extack);
	if (err)
		return err;

	/* Old-style requests are addressed to it. The kernel's ipip refuses this too. */
	if (dev == link_underlay(tunl)->fallback) {
		NL_SET_ERR_MSG(extack,
			       "the fallback device stays as it is");
		return -EINVAL;
	}

	err = tunl_config_parse(dev, &parms, data, extack);
	if (err)
		return err;

	return tunl_config_commit(dev, &parms, GFP_KERNEL);
}

static size_t link_get_size(const struct net_device *dev)
{
	return tunl_config_fill_size();
}

static int link_fill_info(struct sk_buff *msg, const struct net_device *dev)
{
	return tunl_config_fill(msg, dev);
}

static struct net *link_get_link_net(const struct net_device *dev)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	return READ_ONCE(tunl->underlay);
}

#define LINK_OPS(kind_name, kind_setup) { \
	.kind = kind_name, \
	.priv_size = sizeof(struct tunl_dev), \
	.maxtype = IFLA_IPTUN_MAX, \
	.policy = tunl_config_policy, \
	.setup = kind_setup, \
	.validate = link_validate, \
	.newlink = link_newlink, \
	.changelink = link_changelink, \
	.get_size = link_get_size, \
	.fill_info = link_fill_info, \
	.get_link_net = link_get_link_net, \
}

struct rtnl_link_ops tunl_link_ops __read_mostly =
	LINK_OPS(TUNL_KIND, link_setup);
struct rtnl_link_ops tunl_link_ops_stock __read_mostly =
	LINK_OPS(TUNL_KIND_STOCK, link_setup_stock);
