// SPDX-License-Identifier: GPL-2.0
/*
 * Old-style requests: SIOC{GET,ADD,CHG,DEL}TUNNEL, as "ip tunnel" makes them.
 * Netlink has more parameters; those that a request cannot hold stay as they are.
 */
#include <linux/if_tunnel.h>
#include <linux/uaccess.h>
#include <net/ip_tunnels.h>
#include <net/netns/generic.h>

#include "tunnel.h"

static void ioctl_from_parms(struct ip_tunnel_parm_kern *p,
			     const struct net_device *dev)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct tunl_parms *parms = &tunl->parms;

	*p = (struct ip_tunnel_parm_kern) {
		.link = parms->link,
		.iph.version = 4,
		.iph.ihl = sizeof(struct iphdr) >> 2,
		.iph.tos = parms->tos,
		.iph.ttl = parms->ttl,
		.iph.protocol = parms->proto,
		.iph.frag_off = parms->pmtudisc ? htons(IP_DF) : 0,
		.iph.saddr = parms->local,
		.iph.daddr = parms->remote,
	};
	strscpy(p->name, dev->name, sizeof(p->name));
}

/* What a request says; the rest of @parms stays. */
static int ioctl_to_parms(struct tunl_parms *parms, const struct ip_tunnel_parm_kern *p,
			  bool stock)
{
	if (p->iph.version != 4 || p->iph.ihl != sizeof(struct iphdr) >> 2 ||
	    p->iph.frag_off & ~htons(IP_DF) ||
	    !tunl_config_mode_valid(p->iph.protocol))
		return -EINVAL;

	parms->local = p->iph.saddr;
	parms->remote = p->iph.daddr;
	parms->link = p->link;
	parms->ttl = p->iph.ttl;
	parms->tos = p->iph.tos;
	parms->proto = p->iph.protocol;
	parms->pmtudisc = p->iph.frag_off || (stock && p->iph.ttl);
	return 0;
}

/*
 * Requests to the fallback device are about the tunnel with the endpoints that
 * they name.
 */
static struct net_device *ioctl_find(struct net *underlay,
				     const struct ip_tunnel_parm_kern *p)
{
	const struct tunl_parms parms = {
		.local = p->iph.saddr,
		.remote = p->iph.daddr,
		.link = p->link,
	};

	return tunl_net_find_stock(underlay, &parms);
}

static int ioctl_get(struct net_device *dev, struct ip_tunnel_parm_kern *p,
		     bool fallback)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	struct net_device *found = NULL;

	if (fallback)
		found = ioctl_find(tunl->underlay, p);
	ioctl_from_parms(p, found ?: dev);
	return 0;
}

static int ioctl_add(struct net *underlay, struct ip_tunnel_parm_kern *p)
{
	struct tunl_parms parms = {};
	struct net_device *dev;
	int err;

	if (!tunl_device_stock)
		return -EOPNOTSUPP;

	err = ioctl_to_parms(&parms, p, true);
	if (err)
		return err;

	/* A device that has moved may be asked when its underlay is on its way out. */
	if (!maybe_get_net(underlay))
		return -ENODEV;
	dev = tunl_device_add(underlay, p->name[0] ? p->name :
			      TUNL_KIND_STOCK "%d", tunl_device_stock, &parms);
	put_net(underlay);
	if (IS_ERR(dev))
		return PTR_ERR(dev);

	ioctl_from_parms(p, dev);
	return 0;
}

static int ioctl_change(struct net_device *dev, struct ip_tunnel_parm_kern *p,
			bool fallback)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_parms parms;
	int err;

	if (fallback) {
		dev = ioctl_find(tunl->underlay, p);
		if (!dev)
			return -ENOENT;
		tunl = netdev_priv(dev);
	}

	parms = tunl->parms;
	err = ioctl_to_parms(&parms, p, tunl->stock);
	if (err)
		return err;

	err = tunl_config_validate(dev, &parms, NULL, NULL);
	if (err)
		return err;

	err = tunl_config_commit(dev, &parms, GFP_KERNEL);
	if (!err)
		ioctl_from_parms(p, dev);
	return err;
}

static int ioctl_delete(struct net_device *dev, struct ip_tunnel_parm_kern *p,
			bool fallback)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	/* A request deletes the fallback device only if it names the fallback device. */
	if (fallback && strcmp(p->name, dev->name)) {
		struct net_device *found = ioctl_find(tunl->underlay, p);

		if (!found)
			return -ENOENT;
		if (found == dev)
			return -EPERM;
		dev = found;
	}

	unregister_netdevice(dev);
	return 0;
}

/**
 * tunl_ioctl_ctl() - ndo_tunnel_ctl: an old-style request
 * @dev:	the tunnel it is addressed to. The fallback device answers for
 *		the tunnels over its underlay
 * @p:		the request; on success, but for a deletion, the tunnel's
 *		parameters
 * @cmd:	SIOC{GET,ADD,CHG,DEL}TUNNEL
 *
 * Also what multicast routing makes its tunnels by. Caller holds RTNL.
 *
 * Return: 0 or a negative errno.
 */
int tunl_ioctl_ctl(struct net_device *dev, struct ip_tunnel_parm_kern *p, int cmd)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct tunl_net *tn = net_generic(tunl->underlay, tunl_net_id);
	bool fallback = dev == tn->fallback;

	ASSERT_RTNL();
	if (cmd == SIOCGETTUNNEL)
		return ioctl_get(dev, p, fallback);

	/* The core has asked for no capability at all. */
	if (!ns_capable(tunl->underlay->user_ns, CAP_NET_ADMIN) ||
	    !tunl_endpoint_permitted(dev))
		return -EPERM;

	switch (cmd) {
	case SIOCADDTUNNEL:
		return ioctl_add(tunl->underlay, p);
	case SIOCCHGTUNNEL:
		return ioctl_change(dev, p, fallback);
	case SIOCDELTUNNEL:
		return ioctl_delete(dev, p, fallback);
	}
	return -EINVAL;
}

/**
 * tunl_ioctl() - an old-style request from user space
 * @dev:	the tunnel
 * @data:	a struct ip_tunnel_parm
 * @cmd:	as for tunl_ioctl_ctl()
 *
 * Caller holds RTNL. Return: 0 or a negative errno.
 */
int tunl_ioctl(struct net_device *dev, void __user *data, int cmd)
{
	struct ip_tunnel_parm user;
	struct ip_tunnel_parm_kern p = {};
	int err;

	if (copy_from_user(&user, data, sizeof(user)))
		return -EFAULT;

	/* A name that is cut off would be the name of another tunnel. */
	if (strnlen(user.name, sizeof(user.name)) == sizeof(user.name))
		return -EINVAL;

	strscpy(p.name, user.name, sizeof(p.name));
	p.link = user.link;
	p.iph = user.iph;

	err = tunl_ioctl_ctl(dev, &p, cmd);
	if (err || cmd == SIOCDELTUNNEL)
		return err;

	memset(&user, 0, sizeof(user));
	strscpy(user.name, p.name, sizeof(user.name));
	user.link = p.link;
	user.iph = p.iph;
	return copy_to_user(data, &user, sizeof(user)) ? -EFAULT : 0;
}
