// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration: parsed, validated, then published as a whole. The packet path
 * sees one struct tunl_config or the next, never a mixture.
 */
#include <linux/module.h>
#include <linux/udp.h>
#include <net/gue.h>
#include <net/ip_tunnels.h>
#include <net/netns/generic.h>

#include "tunnel.h"

static unsigned char ttl = 64;
module_param(ttl, byte, 0444);
MODULE_PARM_DESC(ttl, "outer TTL of new devices, 1-255 hops; 0 = the inner header's, as in 1994 (default: 64)");

static bool pmtudisc = true;
module_param(pmtudisc, bool, 0444);
MODULE_PARM_DESC(pmtudisc, "new devices copy the inner DF to the outer header; N = never set DF, as in 1994 (default: Y)");

#define REJECT { .type = NLA_REJECT, \
	.reject_message = "this setting is not available" }

const struct nla_policy tunl_config_policy[IFLA_IPTUN_MAX + 1] = {
	[IFLA_IPTUN_LINK]		= { .type = NLA_U32 },
	[IFLA_IPTUN_LOCAL]		= { .type = NLA_U32 },
	[IFLA_IPTUN_REMOTE]		= { .type = NLA_U32 },
	[IFLA_IPTUN_TTL]		= { .type = NLA_U8 },
	[IFLA_IPTUN_TOS]		= { .type = NLA_U8 },
	[IFLA_IPTUN_PROTO]		= { .type = NLA_U8 },
	[IFLA_IPTUN_PMTUDISC]		= { .type = NLA_U8 },
	[IFLA_IPTUN_FWMARK]		= { .type = NLA_U32 },
	[IFLA_IPTUN_ENCAP_TYPE]		= { .type = NLA_U16 },
	[IFLA_IPTUN_ENCAP_FLAGS]	= { .type = NLA_U16 },
	[IFLA_IPTUN_ENCAP_SPORT]	= { .type = NLA_U16 },
	[IFLA_IPTUN_ENCAP_DPORT]	= { .type = NLA_U16 },
	[IFLA_IPTUN_COLLECT_METADATA]	= { .type = NLA_FLAG },
	[IFLA_IPTUN_ENCAP_LIMIT]	= REJECT,
	[IFLA_IPTUN_FLOWINFO]		= REJECT,
	[IFLA_IPTUN_FLAGS]		= REJECT,
	[IFLA_IPTUN_6RD_PREFIX]		= REJECT,
	[IFLA_IPTUN_6RD_RELAY_PREFIX]	= REJECT,
	[IFLA_IPTUN_6RD_PREFIXLEN]	= REJECT,
	[IFLA_IPTUN_6RD_RELAY_PREFIXLEN] = REJECT,
};

/**
 * tunl_config_defaults() - parameters of a device that is not configured
 * @parms:	filled in
 */
void tunl_config_defaults(struct tunl_parms *parms)
{
	*parms = (struct tunl_parms) {
		.ttl = ttl,
		.tos = TUNL_TOS_INHERIT,
		.proto = IPPROTO_IPIP,
		.pmtudisc = pmtudisc,
	};
}

static int config_refuse(struct netlink_ext_ack *extack,
			 struct nlattr *data[], int attr, const char *why)
{
	NL_SET_BAD_ATTR(extack, data ? data[attr] : NULL);
	if (extack)
		extack->_msg = why;
	return -EINVAL;
}

/* What the kernel's ipip allows and kind tunl does not, and the reverse. */
static int config_validate_stock(const struct net_device *dev,
				 const struct tunl_parms *parms,
				 struct nlattr *data[],
				 struct netlink_ext_ack *extack)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct tunl_net *tn = net_generic(tunl->underlay, tunl_net_id);
	const struct net_device *other;

	/* It answers for tunnels that an old-style request names by these parameters. */
	if (dev == tn->fallback &&
	    (parms->local || parms->remote || parms->link))
		return config_refuse(extack, data, IFLA_IPTUN_LOCAL,
				     "the fallback device stays as it is");

	/* IFF_POINTOPOINT depends on the remote, and programs have read the flags already. */
	if (dev->reg_state == NETREG_REGISTERED &&
	    (!parms->remote != !(dev->flags & IFF_POINTOPOINT) ||
	     ipv4_is_multicast(parms->remote) !=
	     ipv4_is_multicast(tunl->parms.remote)))
		return config_refuse(extack, data, IFLA_IPTUN_REMOTE,
				     "remote: none, a host or a group it stays; make another tunnel");

	other = tunl_net_find_stock(tunl->underlay, parms);
	if (other && other != dev) {
		NL_SET_BAD_ATTR(extack, data ? data[IFLA_IPTUN_REMOTE] : NULL);
		NL_SET_ERR_MSG_FMT(extack, "%s %s", other->name, parms->external ?
				   "is external already, and one takes all there is" :
				   "has this local, remote and dev already");
		return -EEXIST;
	}

	return 0;
}

#define CONFIG_ENCAP_FLAGS \
	(TUNNEL_ENCAP_FLAG_CSUM | TUNNEL_ENCAP_FLAG_CSUM6 | \
	 TUNNEL_ENCAP_FLAG_REMCSUM)

static int config_validate_encap(const struct ip_tunnel_encap *encap,
				 struct nlattr *data[],
				 struct netlink_ext_ack *extack)
{
	if (encap->type == TUNNEL_ENCAP_NONE)
		return 0;

	if (encap->type != TUNNEL_ENCAP_FOU && encap->type != TUNNEL_ENCAP_GUE)
		return config_refuse(extack, data, IFLA_IPTUN_ENCAP_TYPE,
				     "encap: fou, gue or none");
	if (!encap->dport)
		return config_refuse(extack, data, IFLA_IPTUN_ENCAP_DPORT,
				     "encap-dport: the port that the remote listens on is needed");
	if (encap->flags & ~CONFIG_ENCAP_FLAGS ||
	    (encap->type == TUNNEL_ENCAP_FOU &&
	     encap->flags & TUNNEL_ENCAP_FLAG_REMCSUM))
		return config_refuse(extack, data, IFLA_IPTUN_ENCAP_FLAGS,
				     "encap: no such flag, or not with fou");
	return 0;
}

static bool config_same(const struct tunl_parms *a, const struct tunl_parms *b)
{
	return a->local == b->local && a->remote == b->remote &&
	       a->link == b->link && a->fwmark == b->fwmark &&
	       !memcmp(&a->encap, &b->encap, sizeof(a->encap)) &&
	       a->ttl == b->ttl && a->tos == b->tos &&
	       a->proto == b->proto && a->pmtudisc == b->pmtudisc &&
	       a->external == b->external;
}

/* External devices take parameters from each packet, so they cannot be set here. */
static int config_validate_external(const struct net_device *dev,
				    const struct tunl_parms *parms,
				    struct nlattr *data[],
				    struct netlink_ext_ack *extack)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	if (!parms->external && !tunl->parms.external)
		return 0;

	if (parms->local || parms->remote || parms->link ||
	    parms->encap.type != TUNNEL_ENCAP_NONE)
		return config_refuse(extack, data, IFLA_IPTUN_COLLECT_METADATA,
				     "external: local, remote, dev and encap come with each packet");
	if (dev->reg_state == NETREG_REGISTERED &&
	    !config_same(parms, &tunl->parms))
		return config_refuse(extack, data, IFLA_IPTUN_COLLECT_METADATA,
				     "external: such a tunnel, or one to become such, cannot be changed; make another");
	return 0;
}

/**
 * tunl_config_validate() - may a tunnel be configured like this
 * @dev:	the tunnel, perhaps not registered yet
 * @parms:	the parameters
 * @data:	where they come from, for the refusal to point at; or NULL
 * @extack:	for the reason, or NULL
 *
 * Caller holds RTNL. Return: 0, -EINVAL, -ENODEV or -EEXIST.
 */
int tunl_config_validate(const struct net_device *dev,
			 const struct tunl_parms *parms,
			 struct nlattr *data[], struct netlink_ext_ack *extack)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	int err;

	ASSERT_RTNL();
	err = config_validate_external(dev, parms, data, extack);
	if (!err)
		err = config_validate_encap(&parms->encap, data, extack);
	if (err)
		return err;

	if (ipv4_is_multicast(parms->local) || ipv4_is_lbcast(parms->local))
		return config_refuse(extack, data, IFLA_IPTUN_LOCAL,
				     "local: not a unicast address");

	if (ipv4_is_lbcast(parms->remote) ||
	    (ipv4_is_multicast(parms->remote) && !tunl->stock))
		return config_refuse(extack, data, IFLA_IPTUN_REMOTE,
				     "remote: not a unicast address");

	if (parms->remote && parms->remote == parms->local)
		return config_refuse(extack, data, IFLA_IPTUN_REMOTE,
				     "remote and local are the same address");

	/* A request may repeat the ifindex of a device that is gone: nothing changes. */
	if (parms->link && parms->link != tunl->parms.link) {
		const struct net_device *lower;

		lower = __dev_get_by_index(tunl->underlay, parms->link);
		if (!lower || lower == dev) {
			config_refuse(extack, data, IFLA_IPTUN_LINK,
				      "dev: no such device where the tunnel was created, or the tunnel itself");
			return lower ? -EINVAL : -ENODEV;
		}
	}

	return tunl->stock ? config_validate_stock(dev, parms, data, extack) :
			     0;
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
	return tunl_config_validate(dev, &parms, NULL, extack);
}

/**
 * tunl_config_load() - load the module that a request needs
 * @data:	IFLA_IPTUN_* attributes, or NULL
 * @may_wait:	RTNL is not held: a module being loaded may wait for one that waits
 *		for RTNL
 * @extack:	for the reason of a refusal
 *
 * Only a user who may load modules has one loaded; root of a container may not.
 *
 * Return: 0, -EAGAIN if it has not been waited for, or -EPROTONOSUPPORT.
 */
int tunl_config_load(struct nlattr *data[], bool may_wait,
		     struct netlink_ext_ack *extack)
{
	struct ip_tunnel_encap encap;

	ip_tunnel_netlink_encap_parms(data, &encap);
	if (encap.type != TUNNEL_ENCAP_FOU && encap.type != TUNNEL_ENCAP_GUE)
		return 0;
	if (ip_encap_hlen(&encap) >= 0)
		return 0;

	if (!may_wait && capable(CAP_NET_ADMIN)) {
		request_module_nowait("fou");
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_IPTUN_ENCAP_TYPE],
				    "encap: module fou is being loaded, try again");
		return -EAGAIN;
	}

	/* This module must not be unloaded while this function waits. */
	if (capable(CAP_NET_ADMIN) && try_module_get(THIS_MODULE)) {
		request_module("fou");
		module_put(THIS_MODULE);
		if (ip_encap_hlen(&encap) >= 0)
			return 0;
	}

	NL_SET_ERR_MSG_ATTR(extack, data[IFLA_IPTUN_ENCAP_TYPE],
			    "encap: needs module fou, which is not loaded: modprobe fou");
	return -EPROTONOSUPPORT;
}

/*
 * The kernel's ipip resets all parameters with each request, except the mark, the
 * protocol and encap.
 */
static void config_reset_stock(struct tunl_parms *parms, struct nlattr *data[])
{
	*parms = (struct tunl_parms) {
		.fwmark = parms->fwmark,
		.encap = parms->encap,
		.proto = parms->proto,
		.pmtudisc = data,
	};
}

/* With kind ipip, a request that sets one encap attribute resets the others to 0. */
static void config_overlay_encap(const struct tunl_dev *tunl,
				 struct ip_tunnel_encap *encap,
				 struct nlattr *data[])
{
	struct ip_tunnel_encap asked;

	if (!ip_tunnel_netlink_encap_parms(data, &asked))
		return;

	if (tunl->stock || data[IFLA_IPTUN_ENCAP_TYPE])
		encap->type = asked.type;
	if (tunl->stock || data[IFLA_IPTUN_ENCAP_FLAGS])
		encap->flags = asked.flags;
	if (tunl->stock || data[IFLA_IPTUN_ENCAP_SPORT])
		encap->sport = asked.sport;
	if (tunl->stock || data[IFLA_IPTUN_ENCAP_DPORT])
		encap->dport = asked.dport;
}

/**
 * tunl_config_parse() - overlay parameters with what netlink asks for
 * @dev:	the tunnel, perhaps not registered yet
 * @parms:	what is not asked for stays, or with kind ipip is the default;
 *		undefined on error
 * @data:	IFLA_IPTUN_* attributes, or NULL
 * @extack:	for the reason of a refusal, or NULL
 *
 * Caller holds RTNL. Return: 0 with @parms valid, or a negative errno.
 */
int tunl_config_parse(const struct net_device *dev, struct tunl_parms *parms,
		      struct nlattr *data[], struct netlink_ext_ack *extack)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	if (tunl->stock)
		config_reset_stock(parms, data);
	if (!data)
		return tunl_config_validate(dev, parms, NULL, extack);

	config_overlay_encap(tunl, &parms->encap, data);
	if (data[IFLA_IPTUN_COLLECT_METADATA])
		parms->external = true;

	if (data[IFLA_IPTUN_LINK])
		parms->link = nla_get_u32(data[IFLA_IPTUN_LINK]);
	if (data[IFLA_IPTUN_LOCAL])
		parms->local = nla_get_in_addr(data[IFLA_IPTUN_LOCAL]);
	if (data[IFLA_IPTUN_REMOTE])
		parms->remote = nla_get_in_addr(data[IFLA_IPTUN_REMOTE]);
	if (data[IFLA_IPTUN_FWMARK])
		parms->fwmark = nla_get_u32(data[IFLA_IPTUN_FWMARK]);
	if (data[IFLA_IPTUN_TTL])
		parms->ttl = nla_get_u8(data[IFLA_IPTUN_TTL]);
	if (data[IFLA_IPTUN_PMTUDISC])
		parms->pmtudisc = nla_get_u8(data[IFLA_IPTUN_PMTUDISC]);
	if (data[IFLA_IPTUN_TOS]) {
		parms->tos = nla_get_u8(data[IFLA_IPTUN_TOS]);
		/* The kernel's ipip ignores the ECN bits, so kind ipip does not refuse them. */
		if (!tunl->stock && parms->tos != TUNL_TOS_INHERIT &&
		    (parms->tos & INET_ECN_MASK))
			return config_refuse(extack, data, IFLA_IPTUN_TOS,
					     "tos: the ECN bits follow the inner header and cannot be set");
	}
	if (data[IFLA_IPTUN_PROTO]) {
		parms->proto = nla_get_u8(data[IFLA_IPTUN_PROTO]);
		if (!tunl_config_mode_valid(parms->proto))
			return config_refuse(extack, data, IFLA_IPTUN_PROTO,
					     "mode: ipip, mplsip or any");
	}
	/* As the kernel's ipip: a fixed TTL sets DF. */
	if (tunl->stock && parms->ttl && data[IFLA_IPTUN_TTL])
		parms->pmtudisc = true;

	return tunl_config_validate(dev, parms, data, extack);
}

/**
 * tunl_config_fill_size() - room that tunl_config_fill() needs
 *
 * Return: bytes.
 */
size_t tunl_config_fill_size(void)
{
	return nla_total_size(sizeof(__be32)) * 2 +	/* LOCAL, REMOTE */
	       nla_total_size(sizeof(u32)) * 2 +	/* LINK, FWMARK */
	       nla_total_size(sizeof(u8)) * 4 +	/* TTL, TOS, PROTO, PMTUDISC */
	       nla_total_size(sizeof(u16)) * 4 +	/* ENCAP_* */
	       nla_total_size(0);			/* COLLECT_METADATA */
}

/**
 * tunl_config_fill() - report parameters as IFLA_IPTUN_* attributes
 * @msg:	message to append to
 * @dev:	the tunnel. What is reported, sent back, changes nothing
 *
 * Return: 0 or -EMSGSIZE.
 */
int tunl_config_fill(struct sk_buff *msg, const struct net_device *dev)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct tunl_parms *parms = &tunl->parms;

	if (nla_put_u32(msg, IFLA_IPTUN_LINK, parms->link) ||
	    nla_put_in_addr(msg, IFLA_IPTUN_LOCAL, parms->local) ||
	    nla_put_in_addr(msg, IFLA_IPTUN_REMOTE, parms->remote) ||
	    nla_put_u8(msg, IFLA_IPTUN_TTL, parms->ttl) ||
	    nla_put_u8(msg, IFLA_IPTUN_TOS, parms->tos) ||
	    nla_put_u8(msg, IFLA_IPTUN_PROTO, parms->proto) ||
	    nla_put_u8(msg, IFLA_IPTUN_PMTUDISC, parms->pmtudisc) ||
	    nla_put_u32(msg, IFLA_IPTUN_FWMARK, parms->fwmark) ||
	    nla_put_u16(msg, IFLA_IPTUN_ENCAP_TYPE, parms->encap.type) ||
	    nla_put_be16(msg, IFLA_IPTUN_ENCAP_SPORT, parms->encap.sport) ||
	    nla_put_be16(msg, IFLA_IPTUN_ENCAP_DPORT, parms->encap.dport) ||
	    nla_put_u16(msg, IFLA_IPTUN_ENCAP_FLAGS, parms->encap.flags) ||
	    (parms->external &&
	     nla_put_flag(msg, IFLA_IPTUN_COLLECT_METADATA)))
		return -EMSGSIZE;
	return 0;
}

static void config_set_link_gone(struct tunl_dev *tunl, const char *name)
{
	struct tunl_net *tn = net_generic(tunl->underlay, tunl_net_id);

	tn->links_gone += !!*name - !!*tunl->link_gone;
	strscpy(tunl->link_gone, name, sizeof(tunl->link_gone));
}

/**
 * tunl_config_hide() - the configuration is not to be found any more
 * @dev:	the tunnel, being unregistered. A grace period passes before it
 *		can go
 *
 * Caller holds RTNL.
 */
void tunl_config_hide(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);

	config_set_link_gone(tunl, "");
	tunl_net_del(rtnl_dereference(tunl->config));
}

static enum tunl_df config_df(const struct tunl_dev *tunl,
			      const struct tunl_parms *parms)
{
	if (tunl->stock)
		return parms->pmtudisc ? TUNL_DF_SET : TUNL_DF_COPY;
	return parms->pmtudisc ? TUNL_DF_COPY : TUNL_DF_CLEAR;
}

/*
 * As ip_encap_hlen(), but without module fou, which may be unloaded now and loaded again
 * before the next packet.
 */
static unsigned int config_encap_size(const struct ip_tunnel_encap *encap)
{
	unsigned int size = sizeof(struct udphdr);

	if (encap->type == TUNNEL_ENCAP_NONE)
		return 0;
	if (encap->type == TUNNEL_ENCAP_GUE) {
		size += sizeof(struct guehdr);
		if (encap->flags & TUNNEL_ENCAP_FLAG_REMCSUM)
			size += GUE_PLEN_REMCSUM + GUE_LEN_PRIV;
	}
	return size;
}

/* No packet uses the configuration any more. May sleep. */
static void config_free(struct tunl_config *config)
{
	tunl_route_free(config->routes);
	kfree(config);
}

static void config_free_work(struct work_struct *work)
{
	config_free(container_of(to_rcu_work(work), struct tunl_config, free));
}

static struct tunl_config *config_alloc(struct net_device *dev,
					const struct tunl_parms *parms,
					gfp_t gfp)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_config *config;

	config = kzalloc(sizeof(*config), gfp);
	if (!config)
		return NULL;

	config->parms = *parms;
	config->header = (struct tunl_header) {
		.encap = parms->encap,
		.overhead = sizeof(struct iphdr) + config_encap_size(&parms->encap),
		.df = config_df(tunl, parms),
		.ttl = parms->ttl,
		.tos = parms->tos,
	};
	config->routes = tunl_route_make(parms);
	config->dev = dev;
	INIT_RCU_WORK(&config->free, config_free_work);
	return config;
}

/* "ip link" shows a copy of the endpoints: link/ipip LOCAL peer REMOTE. */
static void config_mirror(struct net_device *dev,
			  const struct tunl_parms *parms)
{
	__dev_addr_set(dev, &parms->local, sizeof(parms->local));
	memcpy(dev->broadcast, &parms->remote, sizeof(parms->remote));
}

/*
 * Should packets keep their own route? If they do, the core takes a reference to it, on a
 * cache line that all CPUs with packets of that route write. With a fixed endpoint they do
 * not, and errors look the route up again: tunl_endpoint_inner(). Other code that needs
 * routes kept clears IFF_XMIT_DST_RELEASE_PERM. netdev_features_change() lets a bond
 * follow its members.
 */
static void config_keep_route(struct net_device *dev,
			      const struct tunl_parms *parms)
{
	bool kept = !(dev->priv_flags & IFF_XMIT_DST_RELEASE);
	bool keep = !parms->remote ||
		    !(dev->priv_flags & IFF_XMIT_DST_RELEASE_PERM);

	if (keep == kept)
		return;

	if (keep)
		dev->priv_flags &= ~IFF_XMIT_DST_RELEASE;
	else
		dev->priv_flags |= IFF_XMIT_DST_RELEASE;
	if (dev->reg_state == NETREG_REGISTERED)
		netdev_features_change(dev);
}

/**
 * tunl_config_commit() - put parameters into force
 * @dev:	the tunnel
 * @parms:	what the administrator set, valid
 * @gfp:	GFP_KERNEL, with __GFP_NOFAIL if the caller cannot fail
 *
 * Resolves the remote (explicit, else pointopoint address, else none) and
 * publishes the result; ipip.ko and "ip monitor" learn of it by NETDEV_CHANGEADDR.
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
	if (!resolved.remote && !resolved.external)
		resolved.remote = tunl->pointopoint;

	old = rtnl_dereference(tunl->config);
	if (!config_same(&old->parms, &resolved)) {
		new = config_alloc(dev, &resolved, gfp);
		if (!new)
			return -ENOMEM;

		config_keep_route(dev, &resolved);
		rcu_assign_pointer(tunl->config, new);
		tunl_net_add(new);
		tunl_net_del(old);
		if (new->header.overhead != old->header.overhead)
			tunl_pmtu_overhead(dev, new->header.overhead);
		queue_rcu_work(tunl_workqueue, &old->free);
	}
	if (parms->link != tunl->parms.link)
		config_set_link_gone(tunl, "");
	WRITE_ONCE(tunl->parms.link, parms->link);
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
 * Caller holds RTNL. Undone by tunl_config_hide(), then tunl_config_destroy().
 *
 * Return: 0 or -ENOMEM.
 */
int tunl_config_init(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_config *config;

	ASSERT_RTNL();
	config = config_alloc(dev, &tunl->parms, GFP_KERNEL);
	if (!config)
		return -ENOMEM;

	config_keep_route(dev, &tunl->parms);
	tunl_pmtu_overhead(dev, config->header.overhead);
	rcu_assign_pointer(tunl->config, config);
	tunl_net_add(config);
	config_mirror(dev, &tunl->parms);
	return 0;
}

/**
 * tunl_config_destroy() - free the configuration of a device that is not used any more
 * @dev:	the tunnel, all references gone
 */
void tunl_config_destroy(struct net_device *dev)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_config *config = rcu_dereference_protected(tunl->config, true);

	if (config)
		config_free(config);
}

/**
 * tunl_config_link_gone() - a device that tunnels may be bound to goes
 * @lower:	the device
 *
 * The binding stays, by name: no packet is sent until there is such a device again.
 * Caller holds RTNL.
 */
void tunl_config_link_gone(const struct net_device *lower)
{
	struct tunl_net *tn = net_generic(dev_net(lower), tunl_net_id);
	struct tunl_dev *tunl;

	ASSERT_RTNL();
	list_for_each_entry(tunl, &tn->devices, siblings) {
		if (tunl->parms.link != lower->ifindex)
			continue;
		config_set_link_gone(tunl, lower->name);
		net_info_ratelimited("%s: underlay device %s is gone: nothing is sent until there is one of that name, or another is set\n",
				     tunl->dev->name, lower->name);
	}
}

static void config_bind(struct tunl_dev *tunl, const struct net_device *lower)
{
	struct tunl_parms parms = tunl->parms;

	parms.link = lower->ifindex;
	if (tunl_config_validate(tunl->dev, &parms, NULL, NULL) ||
	    tunl_config_commit(tunl->dev, &parms, GFP_KERNEL))
		net_warn_ratelimited("%s: cannot be bound to the new %s: another tunnel has its addresses, or no memory\n",
				     tunl->dev->name, lower->name);
	else
		net_info_ratelimited("%s: bound to the new %s\n",
				     tunl->dev->name, lower->name);
}

/**
 * tunl_config_link_back() - a device appears, or has a new name
 * @lower:	the device. Tunnels that were bound to one of that name, which is gone,
 *		are bound to it: a modem's comes back at each connection
 *
 * Caller holds RTNL.
 */
void tunl_config_link_back(const struct net_device *lower)
{
	struct tunl_net *tn = net_generic(dev_net(lower), tunl_net_id);
	struct tunl_dev *tunl;

	ASSERT_RTNL();
	if (!tn->links_gone)
		return;

	list_for_each_entry(tunl, &tn->devices, siblings)
		if (lower != tunl->dev && !strcmp(tunl->link_gone, lower->name))
			config_bind(tunl, lower);
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
	    !tunl_config_validate(dev, &parms, NULL, NULL) &&
	    !tunl_config_commit(dev, &parms, GFP_KERNEL))
		return;

	net_warn_ratelimited("%s: %pI4 cannot be the remote (not permitted, another tunnel's, or no unicast address), keeping %pI4\n",
			     dev->name, &remote, &current_parms->remote);
	config_mirror(dev, current_parms);
}
