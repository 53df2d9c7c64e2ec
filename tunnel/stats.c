// SPDX-License-Identifier: GPL-2.0
/*
 * What happened to packets that were not sent: a counter, a statistic of the
 * device and a drop reason for each verdict.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "tunnel.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static const struct {
	const char		*name;
	enum skb_drop_reason	reason;
} stats_verdicts[TUNL_VERDICT_MAX] = {
#define VERDICT(verdict, name, reason, ...) \
	[verdict] = { name, SKB_DROP_REASON_##reason },
#include "verdicts.h"
};

static const char * const stats_icmp[TUNL_ICMP_MAX] = {
#define OUTCOME(outcome, name, ...) \
	[outcome] = name,
#include "verdicts.h"
};

static int stats_show(struct seq_file *seq, void *unused)
{
	struct tunl_net *tn = net_generic(seq_file_single_net(seq),
					  tunl_net_id);
	enum tunl_icmp i;

	for (i = TUNL_ICMP_FOREIGN + 1; i < TUNL_ICMP_MAX; i++)
		seq_printf(seq, "%s %lu\n", stats_icmp[i],
			   atomic_long_read(&tn->icmp_count[i]));
	return 0;
}

/**
 * tunl_stats_net_init() - make /proc/net/tunl, for what has no device
 * @net:	the netns
 *
 * Return: 0 or -ENOMEM.
 */
int tunl_stats_net_init(struct net *net)
{
	return proc_create_net_single("tunl", 0444, net->proc_net, stats_show,
				      NULL) ? 0 : -ENOMEM;
}

/**
 * tunl_stats_net_exit() - undo tunl_stats_net_init()
 * @net:	the netns
 */
void tunl_stats_net_exit(struct net *net)
{
	remove_proc_entry("tunl", net->proc_net);
}

static int stats_string_count(struct net_device *dev, int set)
{
	return set == ETH_SS_STATS ? TUNL_VERDICT_MAX - 1 : -EOPNOTSUPP;
}

static void stats_strings(struct net_device *dev, u32 set, u8 *names)
{
	enum tunl_verdict verdict;

	if (set != ETH_SS_STATS)
		return;

	for (verdict = TUNL_OK + 1; verdict < TUNL_VERDICT_MAX; verdict++) {
		strscpy(names, stats_verdicts[verdict].name, ETH_GSTRING_LEN);
		names += ETH_GSTRING_LEN;
	}
}

static u64 stats_read(const struct tunl_stats *stats, enum tunl_verdict verdict)
{
	unsigned int start;
	u64 count;

	do {
		start = u64_stats_fetch_begin(&stats->syncp);
		count = u64_stats_read(&stats->drops[verdict]);
	} while (u64_stats_fetch_retry(&stats->syncp, start));
	return count;
}

static void stats_values(struct net_device *dev, struct ethtool_stats *unused,
			 u64 *values)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	const struct tunl_stats *stats;
	enum tunl_verdict verdict;
	int cpu;

	memset(values, 0, (TUNL_VERDICT_MAX - 1) * sizeof(*values));
	for_each_possible_cpu(cpu) {
		stats = per_cpu_ptr(tunl->stats, cpu);
		for (verdict = TUNL_OK + 1; verdict < TUNL_VERDICT_MAX; verdict++)
			values[verdict - 1] += stats_read(stats, verdict);
	}
}

const struct ethtool_ops tunl_stats_ethtool_ops = {
	.get_sset_count = stats_string_count,
	.get_strings = stats_strings,
	.get_ethtool_stats = stats_values,
	.get_link = ethtool_op_get_link,
};

/* Bottom halves are off. */
static void stats_count(struct net_device *dev, enum tunl_verdict verdict)
{
	const struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_stats *stats = this_cpu_ptr(tunl->stats);

	u64_stats_update_begin(&stats->syncp);
	u64_stats_inc(&stats->drops[verdict]);
	u64_stats_update_end(&stats->syncp);

	switch (verdict) {
	case TUNL_NO_ENDPOINT:
	case TUNL_NO_ROUTE:
		DEV_STATS_INC(dev, tx_carrier_errors);
		break;
	case TUNL_LOOP_SELF:
	case TUNL_LOOP_SOURCE:
	case TUNL_LOOP_NESTED:
		DEV_STATS_INC(dev, collisions);
		break;
	case TUNL_NO_MEMORY:
	case TUNL_UNDERLAY:
		DEV_STATS_INC(dev, tx_dropped);
		return;
	default:
		break;
	}
	DEV_STATS_INC(dev, tx_errors);
}

/**
 * tunl_stats_drop() - count, trace and free a packet
 * @dev:	the tunnel
 * @skb:	inner packet, consumed; NULL if it has been freed already
 * @remote:	outer destination, 0 if there is none
 * @verdict:	why
 */
void tunl_stats_drop(struct net_device *dev, struct sk_buff *skb, __be32 remote,
		     enum tunl_verdict verdict)
{
	trace_tunl_drop(dev, skb, remote, stats_verdicts[verdict].name);
	stats_count(dev, verdict);
	kfree_skb_reason(skb, stats_verdicts[verdict].reason);
}
