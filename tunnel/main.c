// SPDX-License-Identifier: GPL-2.0
/*
 * tunnel.ko: an interface that puts an outer IPv4 header on every packet and
 * sends it to its endpoint. Here: loading, unloading, namespaces.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "tunnel.h"

static bool tunl0;
module_param(tunl0, bool, 0444);
MODULE_PARM_DESC(tunl0, "make device tunl0, which \"ip tunnel add\" asks, in every netns that net.core.fb_tunnels_only_for_init_net allows (default: N)");

static int __net_init main_net_init(struct net *net)
{
	struct tunl_net *tn = net_generic(net, tunl_net_id);

	INIT_LIST_HEAD(&tn->devices);
	INIT_HLIST_HEAD(&tn->contexts);
	tunl_event_net_init(net);
	return tunl_stats_net_init(net);
}

static void __net_exit main_net_pre_exit(struct net *net)
{
	tunl_event_net_pre_exit(net);
	tunl_icmp_unregister(net);
}

static void __net_exit main_net_exit_rtnl(struct net *net,
					  struct list_head *kill)
{
	tunl_device_delete_all(net, kill);
}

static void __net_exit main_net_exit(struct net *net)
{
	tunl_stats_net_exit(net);
}

static struct pernet_operations main_net_ops = {
	.init = main_net_init,
	.pre_exit = main_net_pre_exit,
	.exit = main_net_exit,
	.exit_rtnl = main_net_exit_rtnl,
	.id = &tunl_net_id,
	.size = sizeof(struct tunl_net),
};

/*
 * A second set, so that it comes after the notifiers and the link kinds: tunl0
 * where it is wanted. It goes with the other devices of its underlay.
 */
static int __net_init main_net_init_fallback(struct net *net)
{
	static const struct tunl_parms parms;
	struct tunl_net *tn = net_generic(net, tunl_net_id);
	struct net_device *dev;

	if (!tunl0 || !tunl_device_stock || !net_has_fallback_tunnels(net))
		return 0;

	rtnl_lock();
	dev = tunl_device_add(net, "tunl0", &tunl_link_ops_stock, &parms);
	if (!IS_ERR(dev)) {
		tn->fallback = dev;
		/* The tunnels that it answers for are over this netns. */
		compat_set_netns_immutable(dev);
	}
	rtnl_unlock();

	/* A device of that name in a container must not keep the module from loading. */
	if (dev == ERR_PTR(-EEXIST) && !net_eq(net, &init_net))
		return 0;
	return PTR_ERR_OR_ZERO(dev);
}

static struct pernet_operations main_net_ops_fallback = {
	.init = main_net_init_fallback,
};

/*
 * The kernel's own ipip and our ipip.ko have the same module name, so the
 * loader refuses ours before any of its code runs. So tunnel.ko logs the reason.
 */
static int __init main_register_kinds(void)
{
	int err;

	err = rtnl_link_register(&tunl_link_ops);
	if (err) {
		pr_err("another module holds link kind %s\n", TUNL_KIND);
		return err;
	}

	if (!rtnl_link_register(&tunl_link_ops_stock))
		tunl_device_stock = &tunl_link_ops_stock;
	else
		pr_warn("the kernel's own ipip is loaded and keeps link kind %s: only kind %s is ours, and insmod of our ipip.ko will fail with EEXIST: rmmod ipip first\n",
			TUNL_KIND_STOCK, TUNL_KIND);
	return 0;
}

static void main_unregister_kinds(void)
{
	rtnl_link_unregister(&tunl_link_ops);
	/* Last: a device of either kind can be asked to make one of this. */
	if (tunl_device_stock)
		rtnl_link_unregister(&tunl_link_ops_stock);
}

static void __init main_report(const char *device, int err)
{
	if (err == -EEXIST)
		pr_err("cannot create device %s: the name is taken, rename that device first\n",
		       device);
	else if (err)
		pr_err("cannot create device %s: error %d\n", device, err);
}

static int __init main_create_tunl(void)
{
	struct net_device *dev;
	int err;

	rtnl_lock();
	dev = tunl_device_add(&init_net, TUNL_KIND, &tunl_link_ops, NULL);
	rtnl_unlock();

	err = PTR_ERR_OR_ZERO(dev);
	main_report(TUNL_KIND, err);
	return err;
}

/* Configurations are freed in a work after a grace period. */
static void main_destroy_workqueue(void)
{
	rcu_barrier();
	destroy_workqueue(tunl_workqueue);
}

static int __init main_register(void)
{
	int err;

	tunl_workqueue = alloc_workqueue("tunl", WQ_UNBOUND, 0);
	if (!tunl_workqueue)
		return -ENOMEM;

	err = register_pernet_device(&main_net_ops);
	if (err)
		goto destroy_workqueue;

	err = tunl_event_init();
	if (err)
		goto unregister_pernet;

	err = main_register_kinds();
	if (err)
		goto exit_event;

	err = register_pernet_device(&main_net_ops_fallback);
	if (err) {
		main_report("tunl0", err);
		goto unregister_kinds;
	}

	err = main_create_tunl();
	if (err)
		goto unregister_fallback;

	return 0;

unregister_fallback:
	unregister_pernet_device(&main_net_ops_fallback);
unregister_kinds:
	main_unregister_kinds();
exit_event:
	tunl_event_exit();
unregister_pernet:
	unregister_pernet_device(&main_net_ops);
destroy_workqueue:
	main_destroy_workqueue();
	return err;
}

/*
 * EEXIST means to user space that the module is loaded already: modprobe reports
 * success. Where a name is taken it is not, and this has to be another error.
 */
static int __init main_init(void)
{
	int err = main_register();

	return err == -EEXIST ? -EBUSY : err;
}

static void __exit main_exit(void)
{
	unregister_pernet_device(&main_net_ops_fallback);
	main_unregister_kinds();
	tunl_event_exit();
	unregister_pernet_device(&main_net_ops);
	main_destroy_workqueue();
}

module_init(main_init);
module_exit(main_exit);

MODULE_DESCRIPTION("IPv4-in-IPv4 tunnel interface (encapsulator)");
MODULE_AUTHOR("The tunl maintainers");
MODULE_VERSION(TUNL_VERSION);
MODULE_LICENSE("GPL");
MODULE_ALIAS_RTNL_LINK(TUNL_KIND);
MODULE_ALIAS_RTNL_LINK(TUNL_KIND_STOCK);
MODULE_ALIAS_NETDEV(TUNL_KIND);
MODULE_ALIAS_NETDEV("tunl0");
MODULE_SOFTDEP("post: ipip");
