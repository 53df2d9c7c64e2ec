// SPDX-License-Identifier: GPL-2.0
/*
 * What happened to packets that were not sent: a counter, a statistic of the
 * device and a drop reason for each verdict.
 */
#include "tunnel.h"

/* In the order of enum tunl_verdict. */
static const struct {
	const char		*name;
	enum skb_drop_reason	reason;
} stats_verdicts[] = {
	{ "", SKB_DROP_REASON_NOT_SPECIFIED },
	{ "tx_drop_not_ipv4", SKB_DROP_REASON_UNHANDLED_PROTO },
	{ "tx_drop_malformed", SKB_DROP_REASON_IP_INHDR },
	{ "tx_drop_ttl_zero", SKB_DROP_REASON_IP_INHDR },
	{ "tx_drop_no_endpoint", SKB_DROP_REASON_IP_OUTNOROUTES },
	{ "tx_drop_no_route", SKB_DROP_REASON_IP_OUTNOROUTES },
	{ "tx_drop_loop_self", SKB_DROP_REASON_IP_OUTNOROUTES },
	{ "tx_drop_loop_nested", SKB_DROP_REASON_IP_OUTNOROUTES },
	{ "tx_drop_too_big", SKB_DROP_REASON_PKT_TOO_BIG },
	{ "tx_drop_no_memory", SKB_DROP_REASON_NOMEM },
	{ "tx_drop_underlay", SKB_DROP_REASON_NOT_SPECIFIED },
};

static_assert(ARRAY_SIZE(stats_verdicts) == TUNL_VERDICT_MAX);

/**
 * tunl_stats_name() - name of a verdict's counter in ethtool -S
 * @verdict:	any but TUNL_OK
 *
 * Return: a constant string.
 */
const char *tunl_stats_name(enum tunl_verdict verdict)
{
	return stats_verdicts[verdict].name;
}

/**
 * tunl_stats_sum() - a counter over all CPUs
 * @tunl:	the tunnel
 * @verdict:	which
 *
 * Return: packets.
 */
u64 tunl_stats_sum(const struct tunl_dev *tunl, enum tunl_verdict verdict)
{
	const struct tunl_stats *stats;
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		stats = per_cpu_ptr(tunl->stats, cpu);
		sum += READ_ONCE(stats->drops[verdict]);
	}

	return sum;
}

/**
 * tunl_stats_count() - count a packet that was not sent
 * @dev:	the tunnel
 * @verdict:	why
 */
void tunl_stats_count(struct net_device *dev, enum tunl_verdict verdict)
{
	const struct tunl_dev *tunl = netdev_priv(dev);

	this_cpu_inc(tunl->stats->drops[verdict]);

	switch (verdict) {
	case TUNL_NO_ENDPOINT:
	case TUNL_NO_ROUTE:
		DEV_STATS_INC(dev, tx_carrier_errors);
		break;
	case TUNL_LOOP_SELF:
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
 * tunl_stats_drop() - count and free a packet
 * @dev:	the tunnel
 * @skb:	consumed
 * @verdict:	why
 */
void tunl_stats_drop(struct net_device *dev, struct sk_buff *skb,
		     enum tunl_verdict verdict)
{
	tunl_stats_count(dev, verdict);
	kfree_skb_reason(skb, stats_verdicts[verdict].reason);
}
