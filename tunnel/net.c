// SPDX-License-Identifier: GPL-2.0
/*
 * What is kept of a netns, and the indexes that find a configuration by its endpoint.
 */
#include <net/l3mdev.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "tunnel.h"

unsigned int tunl_net_id __read_mostly;

/* For works that wait for RTNL or for a grace period. */
struct workqueue_struct *tunl_workqueue __ro_after_init;

/* As in <linux/hashtable.h>, but for use in several files. */
struct hlist_head tunl_net_table[1 << TUNL_NET_TABLE_BITS];

static struct tunl_net *net_underlay(const struct tunl_config *config)
{
	const struct tunl_dev *tunl = netdev_priv(config->dev);

	return net_generic(tunl->underlay, tunl_net_id);
}

/* The context of the device's netns and VRF. Cannot fail: a move cannot be refused. */
static struct tunl_context *net_find_context(struct tunl_config *config)
{
	struct tunl_net *tn = net_underlay(config);
	struct net *net = dev_net(config->dev);
	int l3mdev = l3mdev_master_ifindex(config->dev);
	struct tunl_context *context;

	hlist_for_each_entry(context, &tn->contexts, node)
		if (net_eq(context->net, net) && context->l3mdev == l3mdev)
			return context;

	context = kzalloc(sizeof(*context), GFP_KERNEL | __GFP_NOFAIL);
	context->net = net;
	context->l3mdev = l3mdev;
	hlist_add_head_rcu(&context->node, &tn->contexts);
	return context;
}

static void net_enlist(struct tunl_config *config)
{
	const struct tunl_dev *tunl = netdev_priv(config->dev);
	struct tunl_context *context;

	if (config->parms.remote) {
		hlist_add_head_rcu(&config->node,
				   tunl_net_bucket(tunl->underlay,
						   config->parms.remote));
		return;
	}

	context = net_find_context(config);
	config->context = context;
	hlist_add_head_rcu(&config->node, config->parms.external ?
			   &context->externals : &context->gateways);
}

static void net_delist(struct tunl_config *config)
{
	struct tunl_context *context = config->context;

	hlist_del_init_rcu(&config->node);
	config->context = NULL;
	if (!context || !hlist_empty(&context->gateways) ||
	    !hlist_empty(&context->externals))
		return;

	hlist_del_rcu(&context->node);
	kfree_rcu(context, rcu);
}

static void net_count_encap(struct tunl_config *config, int by)
{
	unsigned int *count;

	if (config->parms.encap.type == TUNNEL_ENCAP_NONE)
		return;

	count = &net_underlay(config)->encaps[!config->parms.remote];
	WRITE_ONCE(*count, *count + by);
}

/**
 * tunl_net_add() - let a configuration be found
 * @config:	the configuration of a device, up or down
 *
 * Caller holds RTNL.
 */
void tunl_net_add(struct tunl_config *config)
{
	net_count_encap(config, 1);
	net_enlist(config);
}

/**
 * tunl_net_del() - undo tunl_net_add()
 * @config:	the configuration; a grace period must pass before it is freed
 *
 * Caller holds RTNL.
 */
void tunl_net_del(struct tunl_config *config)
{
	net_delist(config);
	net_count_encap(config, -1);
}

/**
 * tunl_net_place() - a device may be in another netns or VRF than before
 * @dev:	the tunnel
 *
 * An ICMP error that is being looked at meanwhile may miss it. Caller holds RTNL.
 */
void tunl_net_place(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_config *config = rtnl_dereference(tunl->config);
	struct tunl_context *context = config->context;

	ASSERT_RTNL();
	if (!context || (net_eq(context->net, dev_net(dev)) &&
			 context->l3mdev == l3mdev_master_ifindex(dev)))
		return;

	net_delist(config);
	net_enlist(config);
}

static bool net_is_stock(const struct tunl_config *config,
			 const struct net *underlay,
			 const struct tunl_parms *parms)
{
	const struct tunl_dev *tunl = netdev_priv(config->dev);

	return tunl->stock && net_eq(tunl->underlay, underlay) &&
	       tunl->parms.remote == parms->remote &&
	       tunl->parms.local == parms->local &&
	       tunl->parms.link == parms->link &&
	       tunl->parms.external == parms->external;
}

/**
 * tunl_net_find_stock() - the device of kind ipip with these endpoints
 * @underlay:	netns the tunnel was made in
 * @parms:	its @local, @remote and @link, and whether it is @external
 *
 * There is never a second one: of two devices with the same endpoints, one would not
 * receive. Caller holds RTNL.
 *
 * Return: the device, up or down, or NULL.
 */
struct net_device *tunl_net_find_stock(struct net *underlay,
				       const struct tunl_parms *parms)
{
	struct tunl_net *tn = net_generic(underlay, tunl_net_id);
	const struct tunl_context *context;
	const struct tunl_config *config;

	ASSERT_RTNL();
	if (parms->remote) {
		tunl_net_for_each(config, underlay, parms->remote)
			if (net_is_stock(config, underlay, parms))
				return config->dev;
		return NULL;
	}

	hlist_for_each_entry(context, &tn->contexts, node)
		hlist_for_each_entry(config, parms->external ?
				     &context->externals : &context->gateways,
				     node)
			if (net_is_stock(config, underlay, parms))
				return config->dev;
	return NULL;
}
