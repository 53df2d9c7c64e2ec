/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipip:ipip_drop, for perf, bpftrace and trace-cmd: each packet that is dropped.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ipip

#if !defined(_IPIP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IPIP_TRACE_H

#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/tracepoint.h>

/*
 * @skb: the packet, still with its outer header or already without; addresses are those
 * of its header, and of the one inside if that is an outer header. @why: the counter's
 * name; netns is the inode of the namespace whose counter it is.
 */
TRACE_EVENT(ipip_drop,
	TP_PROTO(const struct sk_buff *skb, const char *why),
	TP_ARGS(skb, why),
	TP_STRUCT__entry(
		__field(unsigned int, netns)
		__array(char, why, 24)
		__array(u8, saddr, 4)
		__array(u8, daddr, 4)
		__array(u8, inner_saddr, 4)
		__array(u8, inner_daddr, 4)
	),
	TP_fast_assign(
		int offset = skb_network_offset(skb);
		struct iphdr iph = {};
		struct iphdr inner = {};

		skb_copy_bits(skb, offset, &iph, sizeof(iph));
		if (iph.protocol == IPPROTO_IPIP)
			skb_copy_bits(skb, offset + iph.ihl * 4, &inner,
				      sizeof(inner));
		__entry->netns = dev_net(skb->dev)->ns.inum;
		strscpy(__entry->why, why, sizeof(__entry->why));
		memcpy(__entry->saddr, &iph.saddr, 4);
		memcpy(__entry->daddr, &iph.daddr, 4);
		memcpy(__entry->inner_saddr, &inner.saddr, 4);
		memcpy(__entry->inner_daddr, &inner.daddr, 4);
	),
	TP_printk("netns %u: %s, %pI4 > %pI4, inside %pI4 > %pI4",
		  __entry->netns, __entry->why, __entry->saddr,
		  __entry->daddr, __entry->inner_saddr, __entry->inner_daddr)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
