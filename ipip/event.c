// SPDX-License-Identifier: GPL-2.0
/*
 * Netdevice events: from them only does this module know the tunnel devices, so
 * that tunnel.ko need not be loaded.
 */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "ipip.h"
#include "tunl.h"

/* Events are of devices that were there before (ipip_event_init()). */
static bool event_replay;

/* Protocol 137 is registered while a device carries MPLS. */
static void event_follow_mpls(void)
{
	static bool wanted;

	if (wanted == ipip_peer_any_mpls())
		return;

	wanted = !wanted;
	ipip_proto_mpls(wanted);
}

/* The device is up, and may say which outer sources it accepts. */
static bool event_peer_wanted(const struct net_device *dev,
			      const struct tunl_dev *tunl,
			      const struct tunl_parms *parms)
{
	return dev->flags & IFF_UP &&
	       (parms->remote || tunl_dev_may_choose(dev, tunl));
}

static void event_update(struct net_device *dev, const struct tunl_dev *tunl)
{
	const struct tunl_parms *parms;
	bool wanted;
	int err;

	ASSERT_RTNL();
	parms = &rtnl_dereference(tunl->config)->parms;
	wanted = event_peer_wanted(dev, tunl, parms);
	/* Not what a container did to a device that it was given. */
	if (parms->remote || wanted)
		ipip_policy_latch(ipip_net(tunl->underlay), dev->name);

	if (!wanted) {
		ipip_peer_del(dev);
		return;
	}

	err = ipip_peer_add(dev, tunl, parms);
	if (err)
		net_warn_ratelimited("ipip: %s: endpoint not accepted, error %d: set the link down and up to try again\n",
				     dev->name, err);
}

static int event_netdev(struct notifier_block *nb, unsigned long event,
			void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	const struct tunl_dev *tunl = tunl_dev_get_priv(dev);

	if (!tunl)
		return NOTIFY_DONE;

	switch (event) {
	case NETDEV_REGISTER:
		if (unlikely(READ_ONCE(event_replay)))
			ipip_policy_tunnels_first(dev->name);
		fallthrough;
	case NETDEV_UP:
	case NETDEV_CHANGEADDR:
	case NETDEV_CHANGEUPPER:
		event_update(dev, tunl);
		event_follow_mpls();
		break;
	case NETDEV_DOWN:
	case NETDEV_UNREGISTER:
		ipip_peer_del(dev);
		event_follow_mpls();
		/* A grace period after it went down, no more come for it. */
		if (event == NETDEV_UNREGISTER)
			ipip_queue_wait();
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block event_netdev_notifier = {
	.notifier_call = event_netdev,
};

/**
 * ipip_event_init() - begin to watch tunnel devices; those there are replayed
 *
 * Return: 0 or a negative errno.
 */
int ipip_event_init(void)
{
	int err;

	/* A device that comes just after the replay may count as one of before. */
	WRITE_ONCE(event_replay, true);
	err = register_netdevice_notifier(&event_netdev_notifier);
	WRITE_ONCE(event_replay, false);
	return err;
}

/**
 * ipip_event_exit() - undo ipip_event_init(); no packet looks for peers any more
 *
 * Unregistering replays NETDEV_DOWN and NETDEV_UNREGISTER: all peers go.
 */
void ipip_event_exit(void)
{
	unregister_netdevice_notifier(&event_netdev_notifier);
}
