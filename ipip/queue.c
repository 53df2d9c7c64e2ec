// SPDX-License-Identifier: GPL-2.0
/*
 * Decapsulated packets wait here, on the CPU that has decapsulated them, and are
 * then received many at once: no deeper stack, and every stage of what follows
 * finds its code in the cache, and often its route in the packet before.
 */
#include <linux/delay.h>
#include <linux/ip.h>
#include <linux/local_lock.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <net/net_debug.h>

#include "compat.h"
#include "ipip.h"

/**
 * struct queue_cpu - packets of one CPU
 * @bh_lock:	of @waiting, @entered and @left, where bottom halves that are off exclude
 *		nobody on that CPU (real-time kernels); else nothing
 * @waiting:	packets, skb->data at their network header. Only that CPU, with bottom
 *		halves off
 * @entered:	packets that ever came; written by that CPU only
 * @taken:	of them those that a poll has taken; written by the poll only
 * @left:	of them those that have been received; written by that CPU only
 * @napi:	receives them
 */
struct queue_cpu {
	local_lock_t		bh_lock;
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

static struct sk_buff *queue_take(struct queue_cpu *queue)
{
	struct sk_buff *skb;

	local_lock_nested_bh(&queue_cpus->bh_lock);
	skb = __skb_dequeue(&queue->waiting);
	local_unlock_nested_bh(&queue_cpus->bh_lock);
	return skb;
}

/* The next poll may have begun, and left more behind it. */
static void queue_leave(struct queue_cpu *queue, unsigned int taken)
{
	local_lock_nested_bh(&queue_cpus->bh_lock);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) || (int)(taken - queue->left) > 0)
		WRITE_ONCE(queue->left, taken);
	local_unlock_nested_bh(&queue_cpus->bh_lock);
}

static int queue_poll(struct napi_struct *napi, int budget)
{
	struct queue_cpu *queue = container_of(napi, struct queue_cpu, napi);
	unsigned int taken = queue->taken;
	struct sk_buff *skb;
	LIST_HEAD(batch);
	int n;

	/* What the poll before left to the core has been received since. */
	queue_leave(queue, taken);
	for (n = 0; n < budget; n++) {
		skb = queue_take(queue);
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
	taken += n;
	queue->taken = taken;
	if (n < budget) {
		napi_complete_done(napi, n);
		queue_leave(queue, taken);
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
	unsigned int max = READ_ONCE(net_hotdata.max_backlog);
	struct queue_cpu *queue;
	bool room;

	DEBUG_NET_WARN_ON_ONCE(!in_softirq());
	local_lock_nested_bh(&queue_cpus->bh_lock);
	queue = this_cpu_ptr(queue_cpus);
	room = skb_queue_len(&queue->waiting) < max;
	if (likely(room)) {
		__skb_queue_tail(&queue->waiting, skb);
		WRITE_ONCE(queue->entered, queue->entered + 1);
		if (skb_queue_len(&queue->waiting) == 1)
			napi_schedule(&queue->napi);
	}
	local_unlock_nested_bh(&queue_cpus->bh_lock);
	return room;
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
		local_lock_init(&queue->bh_lock);
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
