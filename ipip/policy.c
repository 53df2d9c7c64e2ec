// SPDX-License-Identifier: GPL-2.0
/*
 * Whom to believe, where what he sends arrives, what others are told:
 * net.ipv4.ipip.accept, .deliver and .refuse, per netns.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/net.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysctl.h>

#include "compat.h"
#include "ipip.h"

#define POLICY_VALUE_LEN 16

static const char *const policy_accepts[] = {
	[IPIP_ACCEPT_AUTO] = "auto",
	[IPIP_ACCEPT_PEERS] = "peers",
	[IPIP_ACCEPT_ANY] = "any",
};

static const char *const policy_delivers[] = {
	[IPIP_DELIVER_DEVICE] = "device",
	[IPIP_DELIVER_INGRESS] = "ingress",
};

static const char *const policy_refusals[] = {
	[IPIP_REFUSE_SILENT] = "silent",
	[IPIP_REFUSE_UNREACHABLE] = "unreachable",
};

/**
 * struct policy_choice - one setting with a few values
 * @name:	of the sysctl and of the module parameter
 * @values:	what it can be
 * @count:	how many that are
 * @given:	the module parameter: index into @values, or -1: not given
 */
struct policy_choice {
	const char		*name;
	const char *const	*values;
	int			count;
	int			given;
};

static struct policy_choice policy_accept = {
	.name = "accept",
	.values = policy_accepts,
	.count = ARRAY_SIZE(policy_accepts),
	.given = -1,
};

static struct policy_choice policy_deliver = {
	.name = "deliver",
	.values = policy_delivers,
	.count = ARRAY_SIZE(policy_delivers),
	.given = -1,
};

static struct policy_choice policy_refuse = {
	.name = "refuse",
	.values = policy_refusals,
	.count = ARRAY_SIZE(policy_refusals),
	.given = -1,
};

/*
 * Tunnel devices were there before this module, so that it was not loaded for an open
 * decapsulator: any local user can have both modules loaded, by asking for a device.
 * "auto" begins closed in every netns, and in those made later. Set once, at loading.
 */
static bool policy_tunnels_first;

static int policy_param_set(const char *text, const struct kernel_param *kp)
{
	struct policy_choice *choice = kp->arg;
	int i;

	i = __sysfs_match_string(choice->values, choice->count, text);
	if (i < 0) {
		pr_err("%s=%s: no such value, see modinfo ipip\n",
		       choice->name, text);
		return i;
	}

	choice->given = i;
	return 0;
}

static int policy_param_get(char *buffer, const struct kernel_param *kp)
{
	const struct policy_choice *choice = kp->arg;

	return sysfs_emit(buffer, "%s\n", choice->given < 0 ? "" :
			  choice->values[choice->given]);
}

static const struct kernel_param_ops policy_param_ops = {
	.set = policy_param_set,
	.get = policy_param_get,
};

module_param_cb(accept, &policy_param_ops, &policy_accept, 0444);
MODULE_PARM_DESC(accept, "net.ipv4.ipip.accept of every netns: auto, peers or any (default: auto in the initial one, peers in all others)");
module_param_cb(deliver, &policy_param_ops, &policy_deliver, 0444);
MODULE_PARM_DESC(deliver, "net.ipv4.ipip.deliver of every netns: device or ingress (default: device)");

module_param_cb(refuse, &policy_param_ops, &policy_refuse, 0444);
MODULE_PARM_DESC(refuse, "net.ipv4.ipip.refuse of every netns: silent or unreachable (default: silent)");

static int policy_sysctl(const struct ctl_table *table, int write, void *buffer,
			 size_t *lenp, loff_t *ppos)
{
	const struct policy_choice *choice = table->extra2;
	struct ipip_net *in = table->extra1;
	u8 *value = table->data;
	char text[POLICY_VALUE_LEN];
	struct ctl_table text_table = {
		.procname = table->procname,
		.data = text,
		.maxlen = sizeof(text),
	};
	int err, i;

	strscpy(text, choice->values[READ_ONCE(*value)], sizeof(text));
	err = proc_dostring(&text_table, write, buffer, lenp, ppos);
	if (err || !write)
		return err;

	i = __sysfs_match_string(choice->values, choice->count, text);
	if (i < 0)
		return i;

	/*
	 * Writing "auto" arms it again, also if it was "auto" already; but with
	 * a tunnel up it is closed, or a boot script that applies all sysctls
	 * once more would open it. Under RTNL, or one that comes up just now
	 * would not count.
	 */
	rtnl_lock();
	if (value == &in->accept)
		WRITE_ONCE(in->latched, ipip_peer_any(in));
	WRITE_ONCE(*value, i);
	rtnl_unlock();
	return 0;
}

/* Not counted: an empty one behind them, the end to kernels before 6.6. */
#define POLICY_ENTRIES 3

static const struct ctl_table policy_table[POLICY_ENTRIES + 1] = {
	{
		.procname = "accept",
		.mode = 0644,
		.proc_handler = policy_sysctl,
		.extra2 = &policy_accept,
	},
	{
		.procname = "deliver",
		.mode = 0644,
		.proc_handler = policy_sysctl,
		.extra2 = &policy_deliver,
	},
	{
		.procname = "refuse",
		.mode = 0644,
		.proc_handler = policy_sysctl,
		.extra2 = &policy_refuse,
	},
};

/**
 * ipip_policy_net_init() - policy of a new netns, and its sysctls
 * @net:	the netns
 *
 * Whoever owns a netns other than the initial one never loaded this module,
 * and so never asked for an open decapsulator.
 *
 * Return: 0 or -ENOMEM.
 */
int ipip_policy_net_init(struct net *net)
{
	struct ipip_net *in = ipip_net(net);
	unsigned int i;

	in->accept = net_eq(net, &init_net) ? IPIP_ACCEPT_AUTO :
					      IPIP_ACCEPT_PEERS;
	if (policy_accept.given >= 0)
		in->accept = policy_accept.given;
	in->deliver = IPIP_DELIVER_DEVICE;
	if (policy_deliver.given >= 0)
		in->deliver = policy_deliver.given;
	in->refuse = IPIP_REFUSE_SILENT;
	if (policy_refuse.given >= 0)
		in->refuse = policy_refuse.given;
	in->latched = READ_ONCE(policy_tunnels_first);
	ratelimit_state_init(&in->refusals, 10 * HZ, 1);
	ratelimit_set_flags(&in->refusals, RATELIMIT_MSG_ON_RELEASE);

	in->table = kmemdup(policy_table, sizeof(policy_table), GFP_KERNEL);
	if (!in->table)
		return -ENOMEM;
	for (i = 0; i < POLICY_ENTRIES; i++)
		in->table[i].extra1 = in;
	in->table[0].data = &in->accept;
	in->table[1].data = &in->deliver;
	in->table[2].data = &in->refuse;

	in->sysctl = register_net_sysctl_sz(net, "net/ipv4/ipip", in->table,
					    POLICY_ENTRIES);
	if (!in->sysctl) {
		kfree(in->table);
		return -ENOMEM;
	}

	return 0;
}

/**
 * ipip_policy_net_exit() - undo ipip_policy_net_init()
 * @net:	the netns
 */
void ipip_policy_net_exit(struct net *net)
{
	struct ipip_net *in = ipip_net(net);

	unregister_net_sysctl_table(in->sysctl);
	kfree(in->table);
}

/**
 * ipip_policy_latch() - a tunnel has been configured
 * @in:		netns of its outer packets
 * @device:	its name, for the log
 *
 * From now on "auto" means configured endpoints only, also after the tunnel is
 * gone or while its address is being replaced: an open moment is open enough.
 */
void ipip_policy_latch(struct ipip_net *in, const char *device)
{
	if (READ_ONCE(in->latched))
		return;

	WRITE_ONCE(in->latched, true);
	if (READ_ONCE(in->accept) == IPIP_ACCEPT_AUTO)
		net_info_ratelimited("%s is configured: from now on only endpoints are decapsulated (net.ipv4.ipip.accept=any for everybody)\n",
				     device);
}

/**
 * ipip_policy_tunnels_first() - tunnel devices were there before this module
 * @device:	the name of one, for the log
 *
 * "auto" begins as configured endpoints only, in every netns. Caller holds RTNL. May
 * sleep.
 */
void ipip_policy_tunnels_first(const char *device)
{
	struct net *net;

	ASSERT_RTNL();
	if (policy_tunnels_first)
		return;

	/* Nobody makes a netns while the kernel replays devices. */
	WRITE_ONCE(policy_tunnels_first, true);
	down_read(&net_rwsem);
	for_each_net(net)
		WRITE_ONCE(ipip_net(net)->latched, true);
	up_read(&net_rwsem);

	if (READ_ONCE(ipip_net(&init_net)->accept) == IPIP_ACCEPT_AUTO)
		pr_info("loaded after %s: only endpoints of tunnels are decapsulated; writing auto to net.ipv4.ipip.accept opens it to all, until a tunnel is configured\n",
			device);
}

/**
 * ipip_policy_open() - are packets of unknown sources decapsulated
 * @in:		netns of the outer packets
 *
 * Return: true if they are.
 */
bool ipip_policy_open(const struct ipip_net *in)
{
	switch (READ_ONCE(in->accept)) {
	case IPIP_ACCEPT_ANY:
		return true;
	case IPIP_ACCEPT_AUTO:
		return !READ_ONCE(in->latched);
	default:
		return false;
	}
}

/**
 * ipip_policy_state() - policy in words, for people
 * @in:		the netns
 *
 * Return: a constant string.
 */
const char *ipip_policy_state(const struct ipip_net *in)
{
	u8 accept = READ_ONCE(in->accept);

	if (accept == IPIP_ACCEPT_AUTO)
		return ipip_policy_open(in) ? "auto (open)" : "auto (peers)";
	return policy_accepts[accept];
}

/* Anybody may have many netns: all but the initial one share a limit. */
static bool policy_may_log(const struct net *net)
{
	static DEFINE_RATELIMIT_STATE(others, DEFAULT_RATELIMIT_INTERVAL,
				      DEFAULT_RATELIMIT_BURST);

	return net_eq(net, &init_net) || __ratelimit(&others);
}

#define POLICY_WHERE_LEN sizeof("netns 4294967295: ")

/* Which netns, by the number that lsns shows; the initial one needs none. */
static const char *policy_where(const struct net *net, char *text)
{
	*text = '\0';
	if (!net_eq(net, &init_net))
		snprintf(text, POLICY_WHERE_LEN, "netns %u: ", net->ns.inum);
	return text;
}

/**
 * ipip_policy_log_accepted() - a packet of an unknown source has been decapsulated
 * @net:	netns of the outer packet
 * @outer:	its header
 *
 * Logs not more than once per netns.
 */
void ipip_policy_log_accepted(const struct net *net, const struct iphdr *outer)
{
	struct ipip_net *in = ipip_net(net);
	char where[POLICY_WHERE_LEN];

	if (likely(READ_ONCE(in->unknown_seen)) || !policy_may_log(net))
		return;

	WRITE_ONCE(in->unknown_seen, true);
	pr_notice("%sdecapsulating for %pI4, which is no configured endpoint; net.ipv4.ipip.accept=peers forbids that\n",
		  policy_where(net, where), &outer->saddr);
}

/**
 * ipip_policy_log_refused() - a packet of an unknown source has been refused
 * @net:	netns of the outer packet
 * @outer:	its header
 * @labels:	what it brought is MPLS, which no policy accepts
 *
 * Logs not more than once in ten seconds per netns.
 */
void ipip_policy_log_refused(const struct net *net, const struct iphdr *outer,
			     bool labels)
{
	char where[POLICY_WHERE_LEN];

	if (!__ratelimit(&ipip_net(net)->refusals) || !policy_may_log(net))
		return;

	if (labels)
		pr_notice("%srefused labels of %pI4, the endpoint of no tunnel of mode mplsip or any\n",
			  policy_where(net, where), &outer->saddr);
	else
		pr_notice("%srefused a packet of %pI4, which is no configured endpoint; net.ipv4.ipip.accept=any would accept it\n",
			  policy_where(net, where), &outer->saddr);
}
