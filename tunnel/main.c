// SPDX-License-Identifier: GPL-2.0
/*
 * tunnel.ko: an interface that puts an outer IPv4 header on every packet and
 * sends it to its endpoint. Here: loading, unloading, namespaces.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <net/netns/generic.h>

#include "tunnel.h"

unsigned int tunl_net_id __read_mostly;

static int __net_init main_net_init(struct net *net)
{
	struct tunl_net *tn = net_generic(net, tunl_net_id);

	INIT_LIST_HEAD(&tn->devices);
	return tunl_stats_net_init(net);
}

static void __net_exit main_net_pre_exit(struct net *net)
{
	tunl_icmp_deafen(net);
}

static void __net_exit main_net_exit_batch_rtnl(struct list_head *nets,
						struct list_head *kill)
{
	struct net *net;

	list_for_each_entry(net, nets, exit_list)
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
	.exit_batch_rtnl = main_net_exit_batch_rtnl,
	.id = &tunl_net_id,
	.size = sizeof(struct tunl_net),
};

/*
 * The kernel's own ipip and our ipip.ko have the same module name, so the
 * loader refuses ours before any of its code runs. Say why, here where we can.
 */
static void __init main_warn_kernel_ipip(void)
{
	const struct rtnl_link_ops *ops;
	struct net_device *dev;

	rtnl_lock();
	for_each_netdev(&init_net, dev) {
		ops = dev->rtnl_link_ops;
		if (ops && !strcmp(ops->kind, "ipip") &&
		    !tunl_device_is_ours(dev)) {
			pr_warn("the kernel's own ipip is loaded (device %s), insmod of our ipip.ko will fail with EEXIST: rmmod ipip first\n",
				dev->name);
			break;
		}
	}
	rtnl_unlock();
}

static int __init main_init(void)
{
	int err;

	err = tunl_pmtu_init();
	if (err)
		return err;

	err = register_pernet_device(&main_net_ops);
	if (err)
		goto exit_pmtu;

	err = tunl_endpoint_init();
	if (err)
		goto unregister_pernet;

	err = rtnl_link_register(&tunl_link_ops);
	if (err) {
		pr_err("another module holds link kind %s\n", TUNL_KIND);
		goto exit_endpoint;
	}

	err = tunl_device_create(&init_net, TUNL_KIND);
	if (err) {
		pr_err("cannot create device %s%s\n", TUNL_KIND,
		       err == -EEXIST ? ": the name is taken, rename that device first" : "");
		goto unregister_link;
	}

	main_warn_kernel_ipip();
	return 0;

unregister_link:
	rtnl_link_unregister(&tunl_link_ops);
exit_endpoint:
	tunl_endpoint_exit();
unregister_pernet:
	unregister_pernet_device(&main_net_ops);
exit_pmtu:
	tunl_pmtu_exit();
	rcu_barrier();
	return err;
}

static void __exit main_exit(void)
{
	rtnl_link_unregister(&tunl_link_ops);
	tunl_endpoint_exit();
	unregister_pernet_device(&main_net_ops);
	tunl_pmtu_exit();
	/* Configurations are freed by callbacks in this module. */
	rcu_barrier();
}

module_init(main_init);
module_exit(main_exit);

MODULE_DESCRIPTION("IPv4-in-IPv4 tunnel interface (encapsulator)");
MODULE_VERSION(TUNL_VERSION);
MODULE_LICENSE("GPL");
MODULE_ALIAS_RTNL_LINK(TUNL_KIND);
MODULE_ALIAS_NETDEV(TUNL_KIND);
MODULE_SOFTDEP("post: ipip");
