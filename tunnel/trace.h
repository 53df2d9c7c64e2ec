/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tunl:tunl_drop, for perf, bpftrace and trace-cmd: each packet that is not sent.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tunl

#if !defined(_TUNL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TUNL_TRACE_H

#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/tracepoint.h>

/*
 * @skb: the inner packet, or NULL if it has been freed further down; @remote: the
 * outer destination, 0 if there is none yet; @why: the counter's name.
 */
TRACE_EVENT(tunl_drop,
	TP_PROTO(const struct net_device *dev, const struct sk_buff *skb,
		 __be32 remote, const char *why),
	TP_ARGS(dev, skb, remote, why),
	TP_STRUCT__entry(
		__array(char, dev, IFNAMSIZ)
		__array(char, why, 24)
		__array(u8, saddr, 4)
		__array(u8, daddr, 4)
		__array(u8, remote, 4)
	),
	TP_fast_assign(
		const struct iphdr *iph = NULL;
		struct iphdr copy;

		if (skb)
			iph = skb_header_pointer(skb, skb_network_offset(skb),
						 sizeof(copy), &copy);
		strscpy(__entry->dev, dev->name, IFNAMSIZ);
		strscpy(__entry->why, why, sizeof(__entry->why));
		memset(__entry->saddr, 0, 4);
		memset(__entry->daddr, 0, 4);
		if (iph) {
			memcpy(__entry->saddr, &iph->saddr, 4);
			memcpy(__entry->daddr, &iph->daddr, 4);
		}
		memcpy(__entry->remote, &remote, 4);
	),
	TP_printk("%s: %s, %pI4 > %pI4, remote %pI4", __entry->dev,
		  __entry->why, __entry->saddr, __entry->daddr,
		  __entry->remote)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
