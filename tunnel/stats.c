// SPDX-License-Identifier: GPL-2.0
/*
 * What happened to packets that were not sent: a counter, a statistic of the
 * device and a drop reason for each verdict.
 */
#include "tunnel.h"

/**
 * tunl_stats_name() - name of a verdict's counter in ethtool -S
 * @verdict:	any
 *
 * Return: a constant string, NULL for what is no reason to drop.
 */
const char *tunl_stats_name(enum tunl_verdict verdict)
{
	switch (verdict) {
	case TUNL_NOT_IPV4:
		return "tx_drop_not_ipv4";
	case TUNL_MALFORMED:
		return "tx_drop_malformed";
	case TUNL_TTL_ZERO:
		return "tx_drop_ttl_zero";
	case TUNL_NO_ENDPOINT:
		return "tx_drop_no_endpoint";
	case TUNL_NO_ROUTE:
		return "tx_drop_no_route";
	case TUNL_LOOP_SELF:
		return "tx_drop_loop_self";
	case TUNL_LOOP_NESTED:
		return "tx_drop_loop_nested";
	case TUNL_TOO_BIG:
		return "tx_drop_too_big";
	case TUNL_NO_MEMORY:
		return "tx_drop_no_memory";
	case TUNL_UNDERLAY:
		return "tx_drop_underlay";
	case TUNL_OK:
	case TUNL_VERDICT_MAX:
		break;
	}
	return NULL;
}

static enum skb_drop_reason stats_reason(enum tunl_verdict verdict)
{
	switch (verdict) {
	case TUNL_NOT_IPV4:
		return SKB_DROP_REASON_UNHANDLED_PROTO;
	case TUNL_MALFORMED:
	case TUNL_TTL_ZERO:
		return SKB_DROP_REASON_IP_INHDR;
	case TUNL_NO_ENDPOINT:
	case TUNL_NO_ROUTE:
	case TUNL_LOOP_SELF:
	case TUNL_LOOP_NESTED:
		return SKB_DROP_REASON_IP_OUTNOROUTES;
	case TUNL_TOO_BIG:
		return SKB_DROP_REASON_PKT_TOO_BIG;
	case TUNL_NO_MEMORY:
		return SKB_DROP_REASON_NOMEM;
	case TUNL_UNDERLAY:
	case TUNL_OK:
	case TUNL_VERDICT_MAX:
		break;
	}
	return SKB_DROP_REASON_NOT_SPECIFIED;
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
	case TUNL_NOT_IPV4:
	case TUNL_MALFORMED:
	case TUNL_TTL_ZERO:
	case TUNL_TOO_BIG:
		DEV_STATS_INC(dev, tx_errors);
		break;
	case TUNL_NO_ENDPOINT:
	case TUNL_NO_ROUTE:
		DEV_STATS_INC(dev, tx_errors);
		DEV_STATS_INC(dev, tx_carrier_errors);
		break;
	case TUNL_LOOP_SELF:
	case TUNL_LOOP_NESTED:
		DEV_STATS_INC(dev, tx_errors);
		DEV_STATS_INC(dev, collisions);
		break;
	case TUNL_NO_MEMORY:
	case TUNL_UNDERLAY:
		DEV_STATS_INC(dev, tx_dropped);
		break;
	case TUNL_OK:
	case TUNL_VERDICT_MAX:
		break;
	}
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
	kfree_skb_reason(skb, stats_reason(verdict));
}
