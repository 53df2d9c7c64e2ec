// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration: parsed, validated, then published as a whole. The packet path
 * sees one struct tunl_config or the next, never a mixture.
 */
#include <linux/module.h>
#include <net/ip_tunnels.h>

#include "tunnel.h"

static unsigned char ttl = 64;
module_param(ttl, byte, 0444);
MODULE_PARM_DESC(ttl, "outer TTL of new devices, 1-255; 0 = the inner header's, as in 1994 (default: 64)");

static bool pmtudisc = true;
module_param(pmtudisc, bool, 0444);
MODULE_PARM_DESC(pmtudisc, "new devices copy the inner DF to the outer header; N = never set DF, as in 1994 (default: Y)");

#define REJECT { .type = NLA_REJECT, \
	.reject_message = "this setting is not available for kind " TUNL_KIND }

const struct nla_policy tunl_config_policy[IFLA_IPTUN_MAX + 1] = {
	[IFLA_IPTUN_LOCAL]		= { .type = NLA_U32 },
	[IFLA_IPTUN_REMOTE]		= { .type = NLA_U32 },
	[IFLA_IPTUN_TTL]		= { .type = NLA_U8 },
	[IFLA_IPTUN_TOS]		= { .type = NLA_U8 },
	[IFLA_IPTUN_PMTUDISC]		= { .type = NLA_U8 },
	[IFLA_IPTUN_LINK]		= REJECT,
	[IFLA_IPTUN_ENCAP_LIMIT]	= REJECT,
	[IFLA_IPTUN_FLOWINFO]		= REJECT,
	[IFLA_IPTUN_FLAGS]		= REJECT,
	[IFLA_IPTUN_PROTO]		= REJECT,
	[IFLA_IPTUN_6RD_PREFIX]		= REJECT,
	[IFLA_IPTUN_6RD_RELAY_PREFIX]	= REJECT,
	[IFLA_IPTUN_6RD_PREFIXLEN]	= REJECT,
	[IFLA_IPTUN_6RD_RELAY_PREFIXLEN] = REJECT,
	[IFLA_IPTUN_ENCAP_TYPE]		= REJECT,
	[IFLA_IPTUN_ENCAP_FLAGS]	= REJECT,
	[IFLA_IPTUN_ENCAP_SPORT]	= REJECT,
	[IFLA_IPTUN_ENCAP_DPORT]	= REJECT,
	[IFLA_IPTUN_COLLECT_METADATA]	= REJECT,
	[IFLA_IPTUN_FWMARK]		= REJECT,
};

/**
 * tunl_config_defaults() - parameters of a device nobody configured
 * @parms:	filled in
 */
void tunl_config_defaults(struct tunl_parms *parms)
{
	*parms = (struct tunl_parms) {
		.ttl = ttl,
		.tos = TUNL_TOS_INHERIT,
		.pmtudisc = pmtudisc,
	};
}

static int config_refuse(struct netlink_ext_ack *extack,
			 const struct nlattr *attr, const char *why)
{
	NL_SET_BAD_ATTR(extack, attr);
	if (extack)
		extack->_msg = why;
	return -EINVAL;
}

/**
 * tunl_config_validate() - may a tunnel be configured like this
 * @parms:	the parameters
 * @extack:	for the reason, or NULL
 *
 * Return: 0 or -EINVAL.
 */
int tunl_config_validate(const struct tunl_parms *parms,
			 struct netlink_ext_ack *extack)
{
	if (ipv4_is_multicast(parms->local) || ipv4_is_lbcast(parms->local))
		return config_refuse(extack, NULL,
				     "local: not a unicast address");

	if (ipv4_is_multicast(parms->remote) || ipv4_is_lbcast(parms->remote))
		return config_refuse(extack, NULL,
				     "remote: not a unicast address");

	if (parms->remote && parms->remote == parms->local)
		return config_refuse(extack, NULL,
				     "remote and local are the same address");

	return 0;
}

/**
 * tunl_config_check_local() - may the link address be set to this
 * @dev:	the tunnel
 * @addr:	an IPv4 address
 * @extack:	for the reason, or NULL
 *
 * Caller holds RTNL. Return: 0, -EPERM or -EINVAL.
 */
int tunl_config_check_local(const struct net_device *dev, const void *addr,
			    struct netlink_ext_ack *extack)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_parms parms = tunl->parms;

	ASSERT_RTNL();
	if (!tunl_endpoint_permitted(dev)) {
		NL_SET_ERR_MSG(extack, TUNL_MSG_NOT_CAPABLE);
		return -EPERM;
	}

	memcpy(&parms.local, addr, sizeof(parms.local));
	return tunl_config_validate(&parms, extack);
}

/**
 * tunl_config_parse() - overlay parameters with what netlink asks for
 * @parms:	what is not asked for stays; undefined on error
 * @tb:		link attributes
 * @data:	IFLA_IPTUN_* attributes, or NULL
 * @extack:	for the reason of a refusal, or NULL
 *
 * Return: 0 with @parms valid, or a negative errno.
 */
int tunl_config_parse(struct tunl_parms *parms, struct nlattr *tb[],
		      struct nlattr *data[], struct netlink_ext_ack *extack)
{
	if (!data)
		return tunl_config_validate(parms, extack);

	if (data[IFLA_IPTUN_LOCAL])
		parms->local = nla_get_in_addr(data[IFLA_IPTUN_LOCAL]);
	if (data[IFLA_IPTUN_REMOTE])
		parms->remote = nla_get_in_addr(data[IFLA_IPTUN_REMOTE]);
	if (data[IFLA_IPTUN_TTL])
		parms->ttl = nla_get_u8(data[IFLA_IPTUN_TTL]);
	if (data[IFLA_IPTUN_PMTUDISC])
		parms->pmtudisc = nla_get_u8(data[IFLA_IPTUN_PMTUDISC]);
	if (data[IFLA_IPTUN_TOS]) {
		parms->tos = nla_get_u8(data[IFLA_IPTUN_TOS]);
		if (parms->tos != TUNL_TOS_INHERIT &&
		    (parms->tos & INET_ECN_MASK))
			return config_refuse(extack, data[IFLA_IPTUN_TOS],
					     "tos: the ECN bits follow the inner header and cannot be set");
	}

	return tunl_config_validate(parms, extack);
}

/**
 * tunl_config_fill_size() - room that tunl_config_fill() needs
 *
 * Return: bytes.
 */
size_t tunl_config_fill_size(void)
{
	return nla_total_size(sizeof(__be32)) * 2 +	/* LOCAL, REMOTE */
	       nla_total_size(sizeof(u8)) * 3;		/* TTL, TOS, PMTUDISC */
}

/**
 * tunl_config_fill() - report parameters as IFLA_IPTUN_* attributes
 * @msg:	message to append to
 * @parms:	the parameters. What is reported, sent back, changes nothing
 *
 * Return: 0 or -EMSGSIZE.
 */
int tunl_config_fill(struct sk_buff *msg, const struct tunl_parms *parms)
{
	if (nla_put_in_addr(msg, IFLA_IPTUN_LOCAL, parms->local) ||
	    nla_put_in_addr(msg, IFLA_IPTUN_REMOTE, parms->remote) ||
	    nla_put_u8(msg, IFLA_IPTUN_TTL, parms->ttl) ||
	    nla_put_u8(msg, IFLA_IPTUN_TOS, parms->tos) ||
	    nla_put_u8(msg, IFLA_IPTUN_PMTUDISC, parms->pmtudisc))
		return -EMSGSIZE;
	return 0;
}

/* As in <linux/hashtable.h>, but for use in several files. */
struct hlist_head tunl_config_table[1 << TUNL_CONFIG_BITS];

static void config_show(struct tunl_config *config)
{
	const struct tunl_dev *tunl = netdev_priv(config->dev);

	hlist_add_head_rcu(&config->node,
			   tunl_config_bucket(tunl->underlay,
					      config->parms.remote));
}

/**
 * tunl_config_show() - let the configuration be found by its remote
 * @dev:	the tunnel, coming up
 *
 * It stays so when it is replaced. Caller holds RTNL.
 */
void tunl_config_show(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	config_show(rtnl_dereference(tunl->config));
}

/**
 * tunl_config_hide() - undo tunl_config_show()
 * @dev:	the tunnel, going down. A grace period passes before it can go
 *
 * Caller holds RTNL.
 */
void tunl_config_hide(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	hlist_del_init_rcu(&rtnl_dereference(tunl->config)->node);
}

static void config_free(struct tunl_config *config)
{
	dst_cache_destroy(&config->route);
	kfree(config);
}

static void config_free_rcu(struct rcu_head *rcu)
{
	config_free(container_of(rcu, struct tunl_config, rcu));
}

static struct tunl_config *config_alloc(struct net_device *dev,
					const struct tunl_parms *parms,
					gfp_t gfp)
{
	struct tunl_config *config;

	config = kzalloc(sizeof(*config), gfp);
	if (!config)
		return NULL;

	config->parms = *parms;
	config->dev = dev;
	/* Without it each packet's route is looked up: slow, but right. */
	if (dst_cache_init(&config->route, GFP_KERNEL) &&
	    !(gfp & __GFP_NOFAIL)) {
		kfree(config);
		return NULL;
	}

	return config;
}

static bool config_same(const struct tunl_parms *a, const struct tunl_parms *b)
{
	return a->local == b->local && a->remote == b->remote &&
	       a->ttl == b->ttl && a->tos == b->tos &&
	       a->pmtudisc == b->pmtudisc;
}

/* What "ip link" shows: link/ipip LOCAL peer REMOTE. A mirror, not the truth. */
static void config_mirror(struct net_device *dev,
			  const struct tunl_parms *parms)
{
	__dev_addr_set(dev, &parms->local, sizeof(parms->local));
	memcpy(dev->broadcast, &parms->remote, sizeof(parms->remote));
}

/**
 * tunl_config_commit() - put parameters into force
 * @dev:	the tunnel
 * @parms:	what the administrator set, valid
 * @gfp:	GFP_KERNEL, with __GFP_NOFAIL for who cannot refuse
 *
 * Resolves the remote (explicit, else pointopoint address, else none) and
 * publishes the result; NETDEV_CHANGEADDR tells ipip.ko and "ip monitor".
 * Caller holds RTNL.
 *
 * Return: 0, or -ENOMEM with nothing changed.
 */
int tunl_config_commit(struct net_device *dev, const struct tunl_parms *parms,
		       gfp_t gfp)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_parms resolved = *parms;
	struct tunl_config *old, *new;

	ASSERT_RTNL();
	if (!resolved.remote)
		resolved.remote = tunl->pointopoint;

	old = rtnl_dereference(tunl->config);
	if (!config_same(&old->parms, &resolved)) {
		new = config_alloc(dev, &resolved, gfp);
		if (!new)
			return -ENOMEM;

		rcu_assign_pointer(tunl->config, new);
		if (!hlist_unhashed(&old->node)) {
			config_show(new);
			hlist_del_init_rcu(&old->node);
		}
		call_rcu(&old->rcu, config_free_rcu);
	}
	tunl->parms = *parms;
	config_mirror(dev, &resolved);

	if (dev->reg_state == NETREG_REGISTERED) {
		call_netdevice_notifiers(NETDEV_CHANGEADDR, dev);
		tunl_pmtu_follow(dev);
	}
	return 0;
}

/**
 * tunl_config_init() - first configuration of a device being registered
 * @dev:	the tunnel; its struct tunl_dev.parms are set
 *
 * Caller holds RTNL. Undone by tunl_config_destroy(). Return: 0 or -ENOMEM.
 */
int tunl_config_init(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_config *config;

	ASSERT_RTNL();
	config = config_alloc(dev, &tunl->parms, GFP_KERNEL);
	if (!config)
		return -ENOMEM;

	rcu_assign_pointer(tunl->config, config);
	config_mirror(dev, &tunl->parms);
	return 0;
}

/**
 * tunl_config_destroy() - free the configuration of a device nobody uses
 * @dev:	the tunnel, all references gone
 */
void tunl_config_destroy(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	config_free(rcu_dereference_protected(tunl->config, true));
}

/**
 * tunl_config_adopt_broadcast() - take "ip link set DEV broadcast REMOTE"
 * @dev:	the tunnel, whose dev->broadcast may have been written
 *
 * The core writes dev->broadcast without asking and then announces
 * NETDEV_CHANGEADDR. Makes it the explicit remote, or puts it back if it
 * cannot be one. Caller holds RTNL.
 */
void tunl_config_adopt_broadcast(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_parms parms = tunl->parms;
	const struct tunl_parms *current_parms;
	__be32 remote;

	ASSERT_RTNL();
	current_parms = &rtnl_dereference(tunl->config)->parms;
	memcpy(&remote, dev->broadcast, sizeof(remote));
	if (remote == current_parms->remote)
		return;

	parms.remote = remote;
	if (tunl_endpoint_permitted(dev) &&
	    !tunl_config_validate(&parms, NULL) &&
	    !tunl_config_commit(dev, &parms, GFP_KERNEL))
		return;

	net_warn_ratelimited("%s: %pI4 cannot be the remote (not permitted, or not a unicast address other than the local one), keeping %pI4\n",
			     dev->name, &remote, &current_parms->remote);
	config_mirror(dev, current_parms);
}
