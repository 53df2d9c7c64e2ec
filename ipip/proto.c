// SPDX-License-Identifier: GPL-2.0
/*
 * Who owns protocols 4 and 137: tunnel4 with this module as a handler, or this module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <net/protocol.h>
#include <net/xfrm.h>

#include "compat.h"
#include "ipip.h"

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
} proto_tunnel4 __ro_after_init = {
	.add = xfrm4_tunnel_register,
	.del = xfrm4_tunnel_deregister,
};

static int proto_tunnel4_register(struct xfrm_tunnel *handler,
				  unsigned short family)
{
	int (*add)(struct xfrm_tunnel *handler, unsigned short family);

	add = READ_ONCE(proto_tunnel4.add);
	return add(handler, family);
}

static void proto_tunnel4_deregister(struct xfrm_tunnel *handler,
				     unsigned short family)
{
	int (*del)(struct xfrm_tunnel *handler, unsigned short family);

	del = READ_ONCE(proto_tunnel4.del);
	del(handler, family);
}

/*
 * Errors about outer packets concern who sends them, and tunnel.ko hears them
 * by itself. tunnel4 calls this without looking whether it is there.
 */
static int proto_err(struct sk_buff *skb, u32 info)
{
	return -ENOENT;
}

/* The place of the kernel's own ipip, which cannot be loaded beside this. */
static struct xfrm_tunnel proto_peer_handler __read_mostly = {
	.handler = ipip_rcv_peer,
	.err_handler = proto_err,
	.priority = 1,
};

/* Last of all: what nobody else took. */
static struct xfrm_tunnel proto_unknown_handler __read_mostly = {
	.handler = ipip_rcv_unknown,
	.err_handler = proto_err,
	.priority = INT_MAX,
};

/* The same for protocol 137; sit is between the two. */
static struct xfrm_tunnel proto_mpls_peer_handler __read_mostly = {
	.handler = ipip_rcv_mpls_peer,
	.err_handler = proto_err,
	.priority = 1,
};

static struct xfrm_tunnel proto_mpls_unknown_handler __read_mostly = {
	.handler = ipip_rcv_mpls_unknown,
	.err_handler = proto_err,
	.priority = INT_MAX,
};

static const struct net_protocol proto_inet_mpls = {
	.handler = ipip_rcv_mpls,
	.no_policy = 1,
};

static const struct net_protocol proto_inet = {
	.handler = ipip_rcv,
	.no_policy = 1,
};

static bool proto_tunnel4_present(void)
{
	return READ_ONCE(proto_tunnel4.add) && READ_ONCE(proto_tunnel4.del);
}

static int proto_register_pair(struct xfrm_tunnel *peer,
			       struct xfrm_tunnel *unknown,
			       unsigned short family)
{
	int err;

	err = proto_tunnel4_register(peer, family);
	if (err)
		return err;

	err = proto_tunnel4_register(unknown, family);
	if (err)
		proto_tunnel4_deregister(peer, family);
	return err;
}

static void proto_unregister_pair(struct xfrm_tunnel *peer,
				  struct xfrm_tunnel *unknown,
				  unsigned short family)
{
	proto_tunnel4_deregister(unknown, family);
	proto_tunnel4_deregister(peer, family);
}

/**
 * ipip_proto_mpls() - take protocol 137, MPLS in IPv4 (RFC 4023), or give it back
 * @wanted:	a device wants it, or none does any more
 *
 * Caller holds RTNL. May sleep.
 */
void ipip_proto_mpls(bool wanted)
{
	static bool held;
	int err;

	ASSERT_RTNL();
	if (wanted) {
		err = proto_tunnel4_present() ?
		      proto_register_pair(&proto_mpls_peer_handler,
					  &proto_mpls_unknown_handler,
					  AF_MPLS) :
		      inet_add_protocol(&proto_inet_mpls, IPPROTO_MPLS);
		held = !err;
		if (err)
			pr_warn("protocol 137 is taken by another module: no MPLS will be received through tunnels\n");
	} else if (held) {
		held = false;
		if (proto_tunnel4_present())
			proto_unregister_pair(&proto_mpls_peer_handler,
					      &proto_mpls_unknown_handler,
					      AF_MPLS);
		else
			inet_del_protocol(&proto_inet_mpls, IPPROTO_MPLS);
	}
}

/*
 * tunnel4's own complaint, if protocol 4 is ours, does not say who holds it;
 * this line, just before it, does.
 */
static int proto_module_event(struct notifier_block *nb, unsigned long event,
			      void *data)
{
	const struct module *mod = data;

	if (event == MODULE_STATE_COMING && !strcmp(mod->name, "tunnel4"))
		pr_warn("tunnel4 cannot load (nor what needs it: sit, ip_vti, IPsec tunnels), protocol 4 is held by ipip alone: rmmod ipip, modprobe tunnel4, load ipip again\n");
	return NOTIFY_DONE;
}

static struct notifier_block proto_module_notifier = {
	.notifier_call = proto_module_event,
};

static int __init proto_register_shared(void)
{
	int err;

	err = proto_register_pair(&proto_peer_handler, &proto_unknown_handler,
				  AF_INET);
	if (!err)
		return 0;

	pr_err("tunnel4 has another handler in our place (priority 1 or last); unload it first\n");
	/* not EEXIST, by which modprobe takes ipip for loaded */
	return -EBUSY;
}

static int __init proto_register_alone(void)
{
	int err;

	err = register_module_notifier(&proto_module_notifier);
	if (err)
		return err;

	if (inet_add_protocol(&proto_inet, IPPROTO_IPIP)) {
		pr_err("protocol 4 is taken, probably by tunnel4 being loaded at this moment or by another out-of-tree tunnel: unload that, or modprobe tunnel4 and try again\n");
		unregister_module_notifier(&proto_module_notifier);
		return -EBUSY;
	}

	pr_info("holding protocol 4 alone; to use sit, ip_vti or IPsec tunnels too, modprobe tunnel4 before ipip\n");
	return 0;
}

/**
 * ipip_proto_init() - take protocol 4
 *
 * Return: 0 or -EBUSY, another module has it; or another negative errno.
 */
int __init ipip_proto_init(void)
{
	return proto_tunnel4_present() ? proto_register_shared() :
					 proto_register_alone();
}

/**
 * ipip_proto_exit() - give protocol 4 back
 */
void ipip_proto_exit(void)
{
	if (proto_tunnel4_present()) {
		proto_unregister_pair(&proto_peer_handler,
				      &proto_unknown_handler, AF_INET);
	} else {
		inet_del_protocol(&proto_inet, IPPROTO_IPIP);
		unregister_module_notifier(&proto_module_notifier);
	}
}
