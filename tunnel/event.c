// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel reports to this module: changed addresses and interfaces, and, by
 * one work for each netns, changed routes to endpoints.
 */
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <net/fib_notifier.h>
#include <net/netns/generic.h>
#include <net/nexthop.h>

#include "tunnel.h"

/*
 * The time from a change of routes in the underlay to the work, because many changes come
 * at once; and at least so many times the duration of the last work.
 */
#define EVENT_FOLLOW_DELAY (HZ / 10)
#define EVENT_FOLLOW_SHARE 10

static struct tunl_watch *event_watch(const struct net *net)
{
	struct tunl_net *tn = net_generic(net, tunl_net_id);

	return &tn->watch;
}

static void event_routes_changed(struct tunl_watch *watch)
{
	if (READ_ONCE(watch->registered) && !READ_ONCE(watch->closing))
		queue_delayed_work(tunl_workqueue, &watch->work, watch->delay);
}

/* May be called in any context. */
static int event_fib_event(struct notifier_block *nb, unsigned long event,
			   void *ptr)
{
	const struct fib_notifier_info *info = ptr;

	if (info->family == AF_INET)
		event_routes_changed(container_of(nb, struct tunl_watch, fib));
	return NOTIFY_DONE;
}

static int event_nexthop_event(struct notifier_block *nb, unsigned long event,
			       void *ptr)
{
	event_routes_changed(container_of(nb, struct tunl_watch, nexthops));
	return NOTIFY_DONE;
}

static void event_watch_register(struct tunl_watch *watch)
{
	if (watch->registered ||
	    register_fib_notifier(watch->net, &watch->fib, NULL, NULL))
		return;

	if (register_nexthop_notifier(watch->net, &watch->nexthops, NULL)) {
		unregister_fib_notifier(watch->net, &watch->fib);
		return;
	}
	WRITE_ONCE(watch->registered, true);
}

static void event_watch_work(struct work_struct *work)
{
	struct tunl_watch *watch = container_of(to_delayed_work(work),
						struct tunl_watch, work);
	struct tunl_net *tn = container_of(watch, struct tunl_net, watch);
	unsigned long since;
	struct tunl_dev *tunl;

	/* First, or a change between the look at the devices and this would be missed. */
	event_watch_register(watch);

	rtnl_lock();
	since = jiffies;
	list_for_each_entry(tunl, &tn->devices, siblings)
		if (tunl->dev->reg_state == NETREG_REGISTERED)
			tunl_pmtu_follow(tunl->dev);
	WRITE_ONCE(watch->delay, max_t(unsigned long, EVENT_FOLLOW_DELAY,
				       EVENT_FOLLOW_SHARE * (jiffies - since)));
	rtnl_unlock();
}

/**
 * tunl_event_net_init() - a netns without tunnels
 * @net:	the netns
 */
void tunl_event_net_init(struct net *net)
{
	struct tunl_watch *watch = event_watch(net);

	watch->net = net;
	watch->delay = EVENT_FOLLOW_DELAY;
	watch->fib.notifier_call = event_fib_event;
	watch->nexthops.notifier_call = event_nexthop_event;
	INIT_DELAYED_WORK(&watch->work, event_watch_work);
}

/**
 * tunl_event_net_watch() - begin to watch the routes of a netns
 * @net:	the netns, underlay of a device
 *
 * From the first device on, until the netns or this module goes. If the notifiers cannot
 * be registered, the next device tries again. Caller holds RTNL.
 */
void tunl_event_net_watch(struct net *net)
{
	struct tunl_watch *watch = event_watch(net);

	ASSERT_RTNL();
	watch->begun = true;
	if (!READ_ONCE(watch->registered) && !watch->closing)
		queue_delayed_work(tunl_workqueue, &watch->work, 0);
}

/**
 * tunl_event_net_pre_exit() - undo tunl_event_net_watch()
 * @net:	the netns
 *
 * May sleep; RTNL is not held.
 */
void tunl_event_net_pre_exit(struct net *net)
{
	struct tunl_watch *watch = event_watch(net);

	/* No device can be created in this netns any more. */
	if (!watch->begun)
		return;

	rtnl_lock();
	WRITE_ONCE(watch->closing, true);
	rtnl_unlock();

	cancel_delayed_work_sync(&watch->work);
	if (!watch->registered)
		return;

	/* A grace period: no event is on its way to the work after this. */
	unregister_fib_notifier(net, &watch->fib);
	unregister_nexthop_notifier(net, &watch->nexthops);
	cancel_delayed_work_sync(&watch->work);
}

/*
 * An interface goes up or down, changes its carrier or MTU, or is unregistered. Tunnels
 * over it take its carrier at once; the work finds soon what routing makes of it. An
 * interface that comes up may be a new way for a tunnel whose old one is down. An event
 * of a tunnel only queues the work: if many are made, not each looks at all others.
 */
static void event_lower(struct net_device *lower, unsigned long event)
{
	struct net *net = dev_net(lower);
	struct tunl_net *tn;
	struct tunl_dev *tunl;

	ASSERT_RTNL();
	if (tunl_device_is_ours(lower)) {
		event_routes_changed(event_watch(net));
		return;
	}

	tn = net_generic(net, tunl_net_id);
	list_for_each_entry(tunl, &tn->devices, siblings) {
		if (tunl->dev->reg_state != NETREG_REGISTERED)
			continue;
		if (tunl->lower == lower->ifindex)
			tunl_pmtu_carrier(tunl, event == NETDEV_UNREGISTER ?
					  NULL : lower);
		else if (event != NETDEV_UP || !netif_dormant(tunl->dev))
			continue;
		if (event == NETDEV_UP || event == NETDEV_CHANGEMTU)
			tunl_pmtu_rebind(tunl->dev);
	}
}

static __be32 event_find_pointopoint(const struct net_device *dev)
{
	const struct in_device *in_dev = __in_dev_get_rtnl(dev);
	const struct in_ifaddr *ifa;
	__be32 found = 0;

	if (!in_dev)
		return 0;

	in_dev_for_each_ifa_rtnl(ifa, in_dev) {
		if (ifa->ifa_address != ifa->ifa_local && ifa->ifa_address) {
			found = ifa->ifa_address;
			break;
		}
	}

	if (ipv4_is_multicast(found) || ipv4_is_lbcast(found))
		return 0;
	return found;
}

/*
 * 1.1.x made no connected route for a pointopoint address. Today's FIB makes
 * one to the pointopoint address, or after a netmask to its whole network,
 * through the tunnel: the endpoint itself would be routed into the tunnel.
 *
 * The flag is taken back when the address goes, because ioctls delete an
 * address, change it and insert it again: what was a pointopoint address may
 * come back as an ordinary one, which is to keep its connected route.
 */
static void event_set_noprefixroute(struct in_ifaddr *ifa, bool up)
{
	u32 flags = ifa->ifa_flags;

	if (ifa->ifa_address == ifa->ifa_local)
		return;

	if (up)
		flags |= IFA_F_NOPREFIXROUTE;
	else
		flags &= ~IFA_F_NOPREFIXROUTE;
	WRITE_ONCE(ifa->ifa_flags, flags);
}

/*
 * A user who may set addresses in the underlay may set endpoints. In another netns, a
 * user without CAP_NET_ADMIN in the underlay may have set an address that was refused
 * as endpoint. A later change of another address must not make it the endpoint.
 */
static bool event_wanted(const struct net_device *dev,
			 const struct in_ifaddr *ifa, unsigned long event,
			 __be32 found)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	if (!tunl_endpoint_permitted(dev))
		return false;
	return net_eq(dev_net(dev), tunl->underlay) ||
	       (event == NETDEV_UP && ifa->ifa_address == found);
}

static int event_inetaddr_event(struct notifier_block *nb,
				unsigned long event, void *ptr)
{
	struct in_ifaddr *ifa = ptr;
	struct net_device *dev = ifa->ifa_dev->dev;
	struct tunl_dev *tunl;
	__be32 found;

	if (!tunl_device_is_ours(dev))
		return NOTIFY_DONE;

	tunl = netdev_priv(dev);
	/* The kernel's ipip takes no endpoint from addresses. */
	if (tunl->stock)
		return NOTIFY_DONE;

	if (!tunl->parms.remote && !tunl->parms.external)
		event_set_noprefixroute(ifa, event == NETDEV_UP);

	found = event_find_pointopoint(dev);
	if (found == tunl->pointopoint)
		return NOTIFY_DONE;

	if (found && !event_wanted(dev, ifa, event, found)) {
		net_warn_ratelimited("%s: pointopoint address %pI4 is not used as endpoint: set it with CAP_NET_ADMIN where the tunnel was created\n",
				     dev->name, &found);
		found = 0;
	}

	/* This notifier cannot refuse the change of the address. */
	tunl->pointopoint = found;
	tunl_config_commit(dev, &tunl->parms, GFP_KERNEL | __GFP_NOFAIL);
	return NOTIFY_DONE;
}

/* Before the FIB, which has priority 0, looks at the address. */
static struct notifier_block event_inetaddr_notifier = {
	.notifier_call = event_inetaddr_event,
	.priority = 1,
};

static int event_netdev_event(struct notifier_block *nb,
			      unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct netdev_notifier_pre_changeaddr_info *pre = ptr;
	struct netdev_notifier_changeupper_info *upper = ptr;

	/*
	 * If the creation of a netns fails, its devices are deleted before this module
	 * has set up its struct tunl_net there, and perhaps before it is allocated.
	 */
	if (!READ_ONCE(dev_net(dev)->list.next))
		return NOTIFY_DONE;

	switch (event) {
	case NETDEV_PRE_CHANGEADDR:
		if (tunl_device_is_ours(dev) &&
		    !tunl_device_is_ports_address(dev, pre->dev_addr))
			return notifier_from_errno(tunl_config_check_local(dev,
				pre->dev_addr, pre->info.extack));
		break;
	case NETDEV_JOIN:
	case NETDEV_CHANGEUPPER:
		if (!tunl_device_is_ours(dev))
			break;
		/* A VRF sets no address. */
		if (event == NETDEV_JOIN || netif_is_lag_master(upper->upper_dev))
			tunl_device_joins(dev);
		tunl_net_place(dev);
		break;
	case NETDEV_REGISTER:
		if (tunl_device_is_ours(dev))
			tunl_net_place(dev);
		fallthrough;
	case NETDEV_CHANGENAME:
		tunl_config_link_back(dev);
		break;
	case NETDEV_CHANGEADDR:
		if (tunl_device_is_ours(dev) &&
		    dev->reg_state == NETREG_REGISTERED)
			tunl_config_adopt_broadcast(dev);
		break;
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
	case NETDEV_CHANGEMTU:
	case NETDEV_UNREGISTER:
		if (event == NETDEV_UNREGISTER)
			tunl_config_link_gone(dev);
		event_lower(dev, event);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block event_netdev_notifier = {
	.notifier_call = event_netdev_event,
};

/**
 * tunl_event_init() - register the notifiers of addresses and interfaces
 *
 * Return: 0 or a negative errno.
 */
int tunl_event_init(void)
{
	int err;

	err = register_inetaddr_notifier(&event_inetaddr_notifier);
	if (err)
		return err;

	err = register_netdevice_notifier(&event_netdev_notifier);
	if (err)
		unregister_inetaddr_notifier(&event_inetaddr_notifier);
	return err;
}

/**
 * tunl_event_exit() - undo tunl_event_init()
 */
void tunl_event_exit(void)
{
	unregister_netdevice_notifier(&event_netdev_notifier);
	unregister_inetaddr_notifier(&event_inetaddr_notifier);
}
