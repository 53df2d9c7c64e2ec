// SPDX-License-Identifier: GPL-2.0
/*
 * ipip.ko: takes IP-in-IP packets bound for this host, strips the wrapper and
 * puts what was inside back into routing. Here: loading, unloading, and who
 * owns protocol 4.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <net/protocol.h>
#include <net/xfrm.h>

#include "compat.h"
#include "ipip.h"
#include "tunl.h"

unsigned int ipip_net_id __read_mostly;

/*
 * Protocol 4 has one owner. It is tunnel4 where that is loaded (sit and IPsec
 * bring it along), and then we are one of its handlers; where it is not, we
 * register with IPv4 ourselves. Weak, so that insmod works without tunnel4:
 * the loader then leaves the addresses NULL.
 */
extern int xfrm4_tunnel_register(struct xfrm_tunnel *handler,
				 unsigned short family) __weak;
extern int xfrm4_tunnel_deregister(struct xfrm_tunnel *handler,
				   unsigned short family) __weak;

/*
 * Their addresses, in memory and read from there: for code that names a weak symbol the
 * compiler for arm64 wants a global offset table, which modules do not have.
 */
static struct {
	int (*add)(struct xfrm_tunnel *handler, unsigned short family);
	int (*del)(struct xfrm_tunnel *handler, unsigned short family);
} main_tunnel4 __ro_after_init = {
	.add = xfrm4_tunnel_register,
	.del = xfrm4_tunnel_deregister,
};

static int main_tunnel4_register(struct xfrm_tunnel *handler,
				 unsigned short family)
{
	int (*add)(struct xfrm_tunnel *handler, unsigned short family);

	add = READ_ONCE(main_tunnel4.add);
	return add(handler, family);
}

static void main_tunnel4_deregister(struct xfrm_tunnel *handler,
				    unsigned short family)
{
	int (*del)(struct xfrm_tunnel *handler, unsigned short family);

	del = READ_ONCE(main_tunnel4.del);
	del(handler, family);
}

/*
 * Errors about outer packets concern who sends them, and tunnel.ko hears them
 * by itself. tunnel4 calls this without looking whether it is there.
 */
static int main_err(struct sk_buff *skb, u32 info)
{
	return -ENOENT;
}

/* The place of the kernel's own ipip, which cannot be loaded beside this. */
static struct xfrm_tunnel main_peer_handler __read_mostly = {
	.handler = ipip_rcv_peer,
	.err_handler = main_err,
	.priority = 1,
};

/* Last of all: what nobody else took. */
static struct xfrm_tunnel main_stranger_handler __read_mostly = {
	.handler = ipip_rcv_stranger,
	.err_handler = main_err,
	.priority = INT_MAX,
};

/* The same for protocol 137; sit is between the two. */
static struct xfrm_tunnel main_mpls_peer_handler __read_mostly = {
	.handler = ipip_rcv_mpls_peer,
	.err_handler = main_err,
	.priority = 1,
};

static struct xfrm_tunnel main_mpls_stranger_handler __read_mostly = {
	.handler = ipip_rcv_mpls_stranger,
	.err_handler = main_err,
	.priority = INT_MAX,
};

static const struct net_protocol main_protocol_mpls = {
	.handler = ipip_rcv_mpls,
	.no_policy = 1,
};

static const struct net_protocol main_protocol = {
	.handler = ipip_rcv,
	.no_policy = 1,
};

static bool main_tunnel4_present(void)
{
	return READ_ONCE(main_tunnel4.add) && READ_ONCE(main_tunnel4.del);
}

static int main_register_pair(struct xfrm_tunnel *peer,
			      struct xfrm_tunnel *stranger,
			      unsigned short family)
{
	int err;

	err = main_tunnel4_register(peer, family);
	if (err)
		return err;

	err = main_tunnel4_register(stranger, family);
	if (err)
		main_tunnel4_deregister(peer, family);
	return err;
}

static void main_unregister_pair(struct xfrm_tunnel *peer,
				 struct xfrm_tunnel *stranger,
				 unsigned short family)
{
	main_tunnel4_deregister(stranger, family);
	main_tunnel4_deregister(peer, family);
}

/**
 * ipip_main_mpls() - take protocol 137, MPLS in IPv4 (RFC 4023), or give it back
 * @wanted:	a device wants it, or none does any more
 *
 * Caller holds RTNL. May sleep.
 */
void ipip_main_mpls(bool wanted)
{
	static bool held;
	int err;

	ASSERT_RTNL();
	if (wanted) {
		err = main_tunnel4_present() ?
		      main_register_pair(&main_mpls_peer_handler,
					 &main_mpls_stranger_handler,
					 AF_MPLS) :
		      inet_add_protocol(&main_protocol_mpls, IPPROTO_MPLS);
		held = !err;
		if (err)
			pr_warn("protocol 137 is taken by another module: no MPLS will be received through tunnels\n");
	} else if (held) {
		held = false;
		if (main_tunnel4_present())
			main_unregister_pair(&main_mpls_peer_handler,
					     &main_mpls_stranger_handler,
					     AF_MPLS);
		else
			inet_del_protocol(&main_protocol_mpls, IPPROTO_MPLS);
	}
}

/*
 * tunnel4's own complaint, if protocol 4 is ours, does not say who holds it;
 * this line, just before it, does.
 */
static int main_module_event(struct notifier_block *nb, unsigned long event,
			     void *data)
{
	const struct module *mod = data;

	if (event == MODULE_STATE_COMING && !strcmp(mod->name, "tunnel4"))
		pr_warn("tunnel4 cannot load (nor what needs it: sit, ip_vti, IPsec tunnels), protocol 4 is held by ipip alone: rmmod ipip, modprobe tunnel4, load ipip again\n");
	return NOTIFY_DONE;
}

static struct notifier_block main_module_notifier = {
	.notifier_call = main_module_event,
};

static int __init main_register_shared(void)
{
	int err;

	err = main_register_pair(&main_peer_handler, &main_stranger_handler,
				 AF_INET);
	if (!err)
		return 0;

	pr_err("tunnel4 has another handler in our place (priority 1 or last); unload it first\n");
	/* not EEXIST, by which modprobe takes ipip for loaded */
	return -EBUSY;
}

static int __init main_register_alone(void)
{
	int err;

	err = register_module_notifier(&main_module_notifier);
	if (err)
		return err;

	if (inet_add_protocol(&main_protocol, IPPROTO_IPIP)) {
		pr_err("protocol 4 is taken, probably by tunnel4 being loaded at this moment or by another out-of-tree tunnel: unload that, or modprobe tunnel4 and try again\n");
		unregister_module_notifier(&main_module_notifier);
		return -EBUSY;
	}

	pr_info("holding protocol 4 alone; to use sit, ip_vti or IPsec tunnels too, modprobe tunnel4 before ipip\n");
	return 0;
}

static void main_unregister(void)
{
	if (main_tunnel4_present()) {
		main_unregister_pair(&main_peer_handler,
				     &main_stranger_handler, AF_INET);
	} else {
		inet_del_protocol(&main_protocol, IPPROTO_IPIP);
		unregister_module_notifier(&main_module_notifier);
	}
}

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

	err = ipip_peer_init();
	if (err)
		goto unregister_pernet;

	err = main_tunnel4_present() ? main_register_shared() :
				       main_register_alone();
	if (err)
		goto exit_peer;

	return 0;

exit_peer:
	ipip_peer_exit();
unregister_pernet:
	unregister_pernet_subsys(&main_net_ops);
exit_queue:
	ipip_queue_exit();
	return err;
}

static void __exit main_exit(void)
{
	main_unregister();
	ipip_peer_exit();
	unregister_pernet_subsys(&main_net_ops);
	ipip_queue_exit();
}

module_init(main_init);
module_exit(main_exit);

MODULE_DESCRIPTION("IPv4-in-IPv4 tunnel receiver (decapsulator)");
MODULE_AUTHOR("The tunl maintainers");
MODULE_VERSION(TUNL_VERSION);
MODULE_LICENSE("GPL");
