// SPDX-License-Identifier: GPL-2.0
/*
 * Counters: one for each verdict, per netns, in /proc/net/ipip.
 */
#include <linux/netdevice.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>

#include "compat.h"
#include "ipip.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static const struct {
	const char		*name;
	enum skb_drop_reason	reason;
} stats_verdicts[IPIP_VERDICT_MAX] = {
#define VERDICT(verdict, name, reason, ...) \
	[verdict] = { name, SKB_DROP_REASON_##reason },
#include "verdicts.h"
};

static u64 stats_sum(const struct ipip_net *in, enum ipip_verdict verdict)
{
	const struct ipip_stats *stats;
	unsigned int start;
	u64 sum = 0, count;
	int cpu;

	for_each_possible_cpu(cpu) {
		stats = per_cpu_ptr(in->stats, cpu);
		do {
			start = u64_stats_fetch_begin(&stats->syncp);
			count = u64_stats_read(&stats->count[verdict]);
		} while (u64_stats_fetch_retry(&stats->syncp, start));
		sum += count;
	}

	return sum;
}

static int stats_show(struct seq_file *seq, void *unused)
{
	const struct ipip_net *in = ipip_net(seq_file_single_net(seq));
	enum ipip_verdict verdict;

	seq_printf(seq, "accept %s\n", ipip_policy_state(in));
	for (verdict = IPIP_OK + 1; verdict < IPIP_VERDICT_MAX; verdict++)
		seq_printf(seq, "%s %llu\n", stats_verdicts[verdict].name,
			   stats_sum(in, verdict));
	return 0;
}

/**
 * ipip_stats_net_init() - make the counters of a netns
 * @net:	the netns
 *
 * Return: 0 or -ENOMEM.
 */
int ipip_stats_net_init(struct net *net)
{
	struct ipip_net *in = ipip_net(net);

	in->stats = netdev_alloc_pcpu_stats(struct ipip_stats);
	if (!in->stats)
		return -ENOMEM;

	if (!proc_create_net_single("ipip", 0444, net->proc_net, stats_show,
				    NULL)) {
		free_percpu(in->stats);
		return -ENOMEM;
	}

	return 0;
}

/**
 * ipip_stats_net_exit() - undo ipip_stats_net_init()
 * @net:	the netns; no packet of it is in the receive path any more
 */
void ipip_stats_net_exit(struct net *net)
{
	remove_proc_entry("ipip", net->proc_net);
	free_percpu(ipip_net(net)->stats);
}

/**
 * ipip_stats_drop() - count, trace and free a packet
 * @in:		netns of the outer packet
 * @skb:	consumed
 * @verdict:	why
 */
void ipip_stats_drop(const struct ipip_net *in, struct sk_buff *skb,
		     enum ipip_verdict verdict)
{
	trace_ipip_drop(skb, stats_verdicts[verdict].name);
	ipip_stats_count(in, verdict);
	kfree_skb_reason(skb, stats_verdicts[verdict].reason);
}
