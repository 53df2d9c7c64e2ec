// SPDX-License-Identifier: GPL-2.0
/*
 * Reports to the senders of inner packets: ICMP errors about packets that are not sent,
 * and struct tunl_fault, what an ICMP error says to later packets.
 */
#include <net/icmp.h>

#include "tunnel.h"

/* An error that could not be relayed at once is reported within this time, or not. */
#define REPORT_FAULT_TIMEOUT (30 * HZ)

/**
 * tunl_report_send() - report to its sender that an inner packet was not sent
 * @skb:	inner packet; stays the caller's
 * @dev:	the tunnel
 * @code:	of destination unreachable
 * @mtu:	with ICMP_FRAG_NEEDED: what fits, in bytes; else 0
 *
 * Packet sockets send without a route, and get no report. Bottom halves are
 * off, in an RCU read-side section.
 */
void tunl_report_send(struct sk_buff *skb, struct net_device *dev, u8 code,
		      u32 mtu)
{
	if (!tunl_endpoint_inner(skb, dev))
		return;

	if (code == ICMP_FRAG_NEEDED)
		skb_dst_update_pmtu_no_confirm(skb, mtu);
	icmp_ndo_send(skb, ICMP_DEST_UNREACH, code, htonl(mtu));
}

/**
 * tunl_report_cache_mtu() - keep a path MTU that no route of the kernel's can keep
 * @net:	the underlay, whose bounds and expiry hold
 * @dev:	the tunnel
 * @remote:	outer destination of the path
 * @mtu:	bytes of outer packets
 *
 * Later packets to @remote find it by tunl_report_pending(). Needs no lock.
 */
void tunl_report_cache_mtu(struct net *net, struct net_device *dev,
			   __be32 remote, u32 mtu)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_fault *fault = &tunl->fault;

	spin_lock_bh(&fault->lock);
	write_seqcount_begin(&fault->seq);
	WRITE_ONCE(fault->mtu, max(mtu, compat_rt_min_pmtu(net)));
	WRITE_ONCE(fault->mtu_remote, remote);
	WRITE_ONCE(fault->mtu_expires,
		   jiffies + compat_rt_mtu_expires(net));
	write_seqcount_end(&fault->seq);
	WRITE_ONCE(fault->pending, fault->pending | TUNL_FAULT_MTU);
	spin_unlock_bh(&fault->lock);
}

/**
 * tunl_report_defer() - have the sender of the next packet to an endpoint get an error
 * @dev:	the tunnel
 * @remote:	outer destination that the error is about
 * @code:	of destination unreachable
 *
 * That packet finds it by tunl_report_pending(). Needs no lock.
 */
void tunl_report_defer(struct net_device *dev, __be32 remote, u8 code)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_fault *fault = &tunl->fault;

	spin_lock_bh(&fault->lock);
	fault->code = code;
	WRITE_ONCE(fault->remote, remote);
	WRITE_ONCE(fault->since, jiffies);
	WRITE_ONCE(fault->pending, fault->pending | TUNL_FAULT_ERROR);
	spin_unlock_bh(&fault->lock);
}

/*
 * Sets @outer->pmtu until the path MTU expires. All packets of the device come here
 * meanwhile, so no lock is taken.
 */
static void report_apply_mtu(struct tunl_fault *fault, struct tunl_outer *outer)
{
	unsigned long expires;
	unsigned int seq;
	__be32 remote;
	u32 mtu;

	do {
		seq = read_seqcount_begin(&fault->seq);
		expires = READ_ONCE(fault->mtu_expires);
		remote = READ_ONCE(fault->mtu_remote);
		mtu = READ_ONCE(fault->mtu);
	} while (read_seqcount_retry(&fault->seq, seq));

	if (time_before(jiffies, expires)) {
		if (remote == outer->remote)
			outer->pmtu = mtu;
		return;
	}

	spin_lock_bh(&fault->lock);
	if (!time_before(jiffies, fault->mtu_expires))
		WRITE_ONCE(fault->pending, fault->pending & ~TUNL_FAULT_MTU);
	spin_unlock_bh(&fault->lock);
}

/* Takes an error that is yet to be reported, if it is about that endpoint and fresh. */
static bool report_take_error(struct tunl_fault *fault, __be32 remote, u8 *code)
{
	bool fresh, taken = false;

	/* An error about one endpoint must not make packets to others wait for the lock. */
	if (READ_ONCE(fault->remote) != remote &&
	    time_before(jiffies, READ_ONCE(fault->since) + REPORT_FAULT_TIMEOUT))
		return false;

	spin_lock_bh(&fault->lock);
	fresh = time_before(jiffies, fault->since + REPORT_FAULT_TIMEOUT);
	if (fault->pending & TUNL_FAULT_ERROR &&
	    (fault->remote == remote || !fresh)) {
		WRITE_ONCE(fault->pending, fault->pending & ~TUNL_FAULT_ERROR);
		*code = fault->code;
		taken = fresh;
	}
	spin_unlock_bh(&fault->lock);
	return taken;
}

/**
 * tunl_report_pending() - report an error that could not be relayed when it came
 * @skb:	inner packet; stays the caller's, who sends it even so: the error may not hold
 *		any more
 * @dev:	the tunnel
 * @outer:	@remote is given; @pmtu is set to a path MTU that @route does not know
 *
 * For an error whose quote was too short to say who sent the packet (RFC 2003
 * §5.1: soft state), which is reported once; and for a path MTU, until it expires. The
 * report may go through a tunnel too, so @ids is not to be used after it.
 */
void tunl_report_pending(struct sk_buff *skb, struct net_device *dev,
			 struct tunl_outer *outer)
{
	struct tunl_dev *tunl = netdev_priv(dev);
	struct tunl_fault *fault = &tunl->fault;
	u8 pending = READ_ONCE(fault->pending), code;

	if (pending & TUNL_FAULT_MTU)
		report_apply_mtu(fault, outer);
	if (pending & TUNL_FAULT_ERROR &&
	    report_take_error(fault, outer->remote, &code)) {
		outer->ids = NULL;
		tunl_report_send(skb, dev, code, 0);
	}
}
