// SPDX-License-Identifier: GPL-2.0
/*
 * ipip.ko: decapsulates IP-in-IP packets bound for this host and delivers the
 * inner packets. Here: loading, unloading, and network namespaces.
 */
#include <linux/module.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "ipip.h"
#include "tunl.h"

static int __net_init main_net_init(struct net *net)
{
	struct ipip_net *in = ipip_net(net);
	int err;

	err = ipip_stats_net_init(net);
	if (err)
		return err;

	err = ipip_peer_net_init(in);
	if (err)
		goto exit_stats;

	err = ipip_policy_net_init(net);
	if (err)
		goto exit_peer;

	return 0;

exit_peer:
	ipip_peer_net_exit(in);
exit_stats:
	ipip_stats_net_exit(net);
	return err;
}

static void __net_exit main_net_exit(struct net *net)
{
	ipip_policy_net_exit(net);
	ipip_peer_net_exit(ipip_net(net));
	ipip_stats_net_exit(net);
}

static struct pernet_operations main_net_ops = {
	.init = main_net_init,
	.exit = main_net_exit,
	.id = &ipip_net_id,
	.size = sizeof(struct ipip_net),
};

static int __init main_init(void)
{
	int err;

	err = ipip_queue_init();
	if (err)
		return err;

	err = register_pernet_subsys(&main_net_ops);
	if (err)
		goto exit_queue;

	err = ipip_event_init();
	if (err)
		goto unregister_pernet;

	err = ipip_proto_init();
	if (err)
		goto exit_event;

	return 0;

exit_event:
	ipip_event_exit();
unregister_pernet:
	unregister_pernet_subsys(&main_net_ops);
exit_queue:
	ipip_queue_exit();
	return err;
}

static void __exit main_exit(void)
{
	ipip_proto_exit();
	ipip_event_exit();
	unregister_pernet_subsys(&main_net_ops);
	ipip_queue_exit();
}

module_init(main_init);
module_exit(main_exit);

MODULE_DESCRIPTION("IPv4-in-IPv4 tunnel receiver (decapsulator)");
MODULE_AUTHOR("The tunl maintainers");
MODULE_VERSION(TUNL_VERSION);
MODULE_LICENSE("GPL");
