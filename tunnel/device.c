// SPDX-License-Identifier: GPL-2.0
/*
 * What a tunnel device is: created, deleted, and given its addresses by a master.
 */
#include <net/net_namespace.h>
#include <net/netns/generic.h>
#include <net/rtnetlink.h>

#include "tunnel.h"

/* Kind ipip; NULL: the kernel's own ipip was loaded first, and has the kind. */
struct rtnl_link_ops *tunl_device_stock __ro_after_init;

/*
 * Team does not announce a new port before it sets the port's address; and an empty team
 * is still an Ethernet, with an address as long as that, whose first bytes a port gets.
 */
static bool device_is_teams_address(const struct net_device *dev,
				    const void *addr)
{
	const struct net_device *other;

	for_each_netdev(dev_net(dev), other)
		if (netif_is_team_master(other) &&
		    !memcmp(other->dev_addr, addr, dev->addr_len))
			return true;
	return false;
}

/**
 * tunl_device_is_ports_address() - is a link address set by the master of a port
 * @dev:	the tunnel
 * @addr:	the address
 *
 * A master's choice of an address is not an administrator's choice of an outer source.
 * Caller holds RTNL.
 *
 * Return: true if it is, and is not to be the local address.
 */
bool tunl_device_is_ports_address(const struct net_device *dev,
				  const void *addr)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct net_device *master;

	ASSERT_RTNL();
	if (!memcmp(dev->dev_addr, addr, dev->addr_len))
		return false;

	master = netdev_master_upper_dev_get((struct net_device *)dev);
	return tunl->joining || device_is_teams_address(dev, addr) ||
	       (master && (netif_is_bond_master(master) ||
			   netif_is_team_master(master)));
}

/**
 * tunl_device_joins() - a tunnel becomes a port, or is none any more
 * @dev:	the tunnel
 *
 * Until RTNL is released, changes of its link address come from the master. Caller holds
 * RTNL.
 */
void tunl_device_joins(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	ASSERT_RTNL();
	tunl->joining = true;
	/* The work runs after RTNL is released, and clears @joining. */
	tunl_pmtu_rebind(dev);
}

/**
 * tunl_device_register() - register a device that is configured
 * @dev:	the tunnel; its struct tunl_dev.parms and .underlay are set
 *
 * Caller holds RTNL. Return: 0, or a negative errno with @dev still the caller's.
 */
int tunl_device_register(struct net_device *dev)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	int err;

	if (tunl->parms.remote)
		dev->flags |= IFF_POINTOPOINT;
	err = register_netdevice(dev);
	if (err)
		return err;

	tunl_pmtu_follow(dev);
	return 0;
}

/**
 * tunl_device_add() - create a device outside netlink
 * @net:	netns it appears in, and its underlay
 * @name:	its name, or a pattern with %d
 * @ops:	its kind
 * @parms:	its parameters, copied; NULL: the defaults of kind tunl
 *
 * Caller holds RTNL. Return: the device, or a negative errno as a pointer, with
 * nothing left behind.
 */
struct net_device *tunl_device_add(struct net *net, const char *name,
				   struct rtnl_link_ops *ops,
				   const struct tunl_parms *parms)
{
	struct nlattr *tb[IFLA_MAX + 1] = {};
	struct net_device *dev;
	struct tunl_dev *tunl;
	int err;

	ASSERT_RTNL();
	dev = rtnl_create_link(net, name, NET_NAME_PREDICTABLE, ops, tb, NULL);
	if (IS_ERR(dev))
		return dev;

	tunl = netdev_priv(dev);
	tunl->underlay = net;
	if (parms)
		tunl->parms = *parms;
	else
		tunl_config_defaults(&tunl->parms);

	err = tunl_config_validate(dev, &tunl->parms, NULL, NULL);
	if (!err)
		err = tunl_device_register(dev);
	if (err) {
		free_netdev(dev);
		return ERR_PTR(err);
	}

	err = rtnl_configure_link(dev, NULL, 0, NULL);
	if (err) {
		unregister_netdevice(dev);
		return ERR_PTR(err);
	}

	return dev;
}

/**
 * tunl_device_delete_all() - delete the devices whose underlay is going away
 * @net:	that underlay
 * @kill:	list to put them on; the caller unregisters what is on it
 *
 * Wherever the devices are now. Caller holds RTNL.
 */
void tunl_device_delete_all(struct net *net, struct list_head *kill)
{
	struct tunl_net *tn = net_generic(net, tunl_net_id);
	struct tunl_dev *tunl, *next;

	ASSERT_RTNL();
	list_for_each_entry_safe(tunl, next, &tn->devices, siblings)
		unregister_netdevice_queue(tunl->dev, kill);
}
