// SPDX-License-Identifier: GPL-2.0
/*
 * Decapsulated packets wait here, on the CPU that has decapsulated them, and are
 * then received many at once: no deeper stack, and every stage of what follows
 * finds its code in the cache, and often its route in the packet before.
 */
#include <linux/delay.h>
#include <linux/ip.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <net/net_debug.h>

#include "compat.h"
#include "ipip.h"

/**
 * struct queue_cpu - packets of one CPU
 * @waiting:	packets, skb->data at their network header. Not locked: only that
 *		CPU, with bottom halves off
 * @entered:	packets that ever came; written by that CPU only
 * @taken:	of them those that a poll has taken
 * @left:	of them those that have been received; written by that CPU only
 * @napi:	receives them
 */
struct queue_cpu {
	struct sk_buff_head	waiting;
	unsigned int		entered;
	unsigned int		taken;
	unsigned int		left;
	struct napi_struct	napi;
};

static struct queue_cpu __percpu *queue_cpus;

/* Never registered: NAPI wants one. */
static struct net_device *queue_dev;

/*
 * Segments of a TCP connection are worth merging. The card that received them has
 * done so already if it could; others gain nothing and do not pay for a try,
 * unless somebody has asked for it. All of one flow go the same way, except while a
 * tap shares some of them.
 */
static bool queue_wants_gro(const struct sk_buff *skb)
{
	const struct net_device *dev = skb->dev;

	if (netif_elide_gro(dev) || skb_cloned(skb) ||
	    unlikely(skb->protocol != htons(ETH_P_IP)))
		return false;
	return ip_hdr(skb)->protocol == IPPROTO_TCP ||
	       dev->features & (NETIF_F_GRO_FRAGLIST | NETIF_F_GRO_UDP_FWD);
}

static int queue_poll(struct napi_struct *napi, int budget)
{
	struct queue_cpu *queue = container_of(napi, struct queue_cpu, napi);
	struct sk_buff *skb;
	LIST_HEAD(batch);
	int n;

	/* What the poll before left to the core has been received since. */
	WRITE_ONCE(queue->left, queue->taken);
	for (n = 0; n < budget; n++) {
		skb = __skb_dequeue(&queue->waiting);
		if (!skb)
			break;

		if (queue_wants_gro(skb))
			napi_gro_receive(napi, skb);
		else
			list_add_tail(&skb->list, &batch);
	}

	netif_receive_skb_list(&batch);
	/*
	 * The core would let GRO keep some for the next poll, at HZ=1000; but
	 * whoever waits for @left takes none of them to be kept. What is flushed
	 * is received by napi_complete_done(), or else when this returns.
	 */
	napi_gro_flush(napi, false);
	queue->taken += n;
	if (n < budget) {
		napi_complete_done(napi, n);
		WRITE_ONCE(queue->left, queue->taken);
	}
	return n;
}

/**
 * ipip_queue_receive() - have a packet received, soon
 * @skb:	packet, skb->data at its network header, skb->dev where it is
 *		received; consumed on success
 *
 * Called with bottom halves off. As many may wait as
 * net.core.netdev_max_backlog says.
 *
 * Return: false if there are too many, and the skb is still the caller's.
 */
bool ipip_queue_receive(struct sk_buff *skb)
{
	struct queue_cpu *queue = this_cpu_ptr(queue_cpus);

	DEBUG_NET_WARN_ON_ONCE(!in_softirq());
	if (unlikely(skb_queue_len(&queue->waiting) >= READ_ONCE(net_hotdata.max_backlog)))
		return false;

	__skb_queue_tail(&queue->waiting, skb);
	WRITE_ONCE(queue->entered, queue->entered + 1);
	if (skb_queue_len(&queue->waiting) == 1)
		napi_schedule(&queue->napi);
	return true;
}

/**
 * ipip_queue_wait() - until all that wait now have been received
 *
 * For whoever takes a device away: packets refer to it without a reference. May
 * sleep. The caller sees to it that no more come for that device.
 */
void ipip_queue_wait(void)
{
	const struct queue_cpu *queue;
	unsigned int entered;
	int cpu;

	for_each_possible_cpu(cpu) {
		queue = per_cpu_ptr(queue_cpus, cpu);
		entered = READ_ONCE(queue->entered);
		while ((int)(READ_ONCE(queue->left) - entered) < 0)
			usleep_range(100, 1000);
	}
}

/**
 * ipip_queue_init() - make the queues
 *
 * Return: 0 or -ENOMEM.
 */
int ipip_queue_init(void)
{
	struct queue_cpu *queue;
	int cpu;

	queue_cpus = alloc_percpu(struct queue_cpu);
	if (!queue_cpus)
		return -ENOMEM;

	queue_dev = alloc_netdev_dummy(0);
	if (!queue_dev) {
		free_percpu(queue_cpus);
		return -ENOMEM;
	}

	for_each_possible_cpu(cpu) {
		queue = per_cpu_ptr(queue_cpus, cpu);
		__skb_queue_head_init(&queue->waiting);
		/* Nobody waits for packets of a device that nobody sees. */
		set_bit(NAPI_STATE_NO_BUSY_POLL, &queue->napi.state);
		netif_napi_add(queue_dev, &queue->napi, queue_poll);
		napi_enable(&queue->napi);
	}

	return 0;
}

/**
 * ipip_queue_exit() - undo ipip_queue_init(); no packet comes any more
 */
void ipip_queue_exit(void)
{
	struct queue_cpu *queue;
	int cpu;

	ipip_queue_wait();
	for_each_possible_cpu(cpu) {
		queue = per_cpu_ptr(queue_cpus, cpu);
		napi_disable(&queue->napi);
		__netif_napi_del(&queue->napi);
	}
	synchronize_net();
	free_netdev(queue_dev);
	free_percpu(queue_cpus);
}
