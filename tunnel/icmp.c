// SPDX-License-Identifier: GPL-2.0
/*
 * ICMP errors about outer packets: an error from inside the tunnel is reported to the
 * sender of the inner packet (RFC 2003 §4 and §5.1).
 *
 * A raw socket receives them. The owner of protocol 4, ipip.ko or tunnel4, would get them
 * too, but tunnel.ko must receive errors without either.
 */
#include <linux/icmp.h>
#include <linux/net.h>
#include <linux/udp.h>
#include <net/dst_metadata.h>
#include <net/gue.h>
#include <net/icmp.h>
#include <net/inet_dscp.h>
#include <net/ip_fib.h>
#include <net/l3mdev.h>
#include <net/netns/generic.h>
#include <net/raw.h>
#include <net/xfrm.h>

#include "tunnel.h"

/* What RFC 792 routers quote of an outer packet's payload. */
#define ICMP_QUOTE_MIN 8

/*
 * In each netns and VRF, at most so many devices are tried, if the quote is too short or
 * routes alone do not choose. Any host may send errors, so their cost is limited.
 */
#define ICMP_GUESSES_MAX 16

/**
 * struct icmp_error - an ICMP error about an outer packet, taken apart
 * @from:	source of the error
 * @to:		its destination, an address of this host
 * @icmp:	its ICMP header
 * @outer:	the outer header it quotes
 * @port:	outer destination port it quotes, if it is of UDP
 * @encap:	then also what is behind, TUNNEL_ENCAP_*
 * @labels:	then also: it is known that there are labels
 * @guessed:	then also: no tunnel with that remote sends to @port
 * @overhead:	bytes from the outer header's first to the inner one's
 * @inner:	as much of the inner header as it quotes, then zeroes
 * @quoted:	bytes of the inner packet it quotes; of a label stack, none
 * @type:	ICMP type of the report to the inner source
 * @code:	its code
 *
 * A copy, because a pull may move the headers in the skb.
 */
struct icmp_error {
	__be32		from;
	__be32		to;
	struct icmphdr	icmp;
	struct iphdr	outer;
	__be16		port;
	unsigned int	overhead;
	struct iphdr	inner;
	unsigned int	quoted;
	u8		type;
	u8		code;
	u8		encap;
	bool		labels;
	bool		guessed;
};

/* Could a device of ours have sent the quoted packet? */
enum icmp_origin {
	ICMP_ORIGIN_NO,
	ICMP_ORIGIN_MAYBE,	/* nothing speaks against it */
	ICMP_ORIGIN_YES,	/* the inner packet is routed into the device */
};

/* The socket's filter knows the first 32 types only. */
static bool icmp_of_interest(u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED;
}

/* Does the configuration send packets of the quoted protocol, to the quoted port? */
static bool icmp_sends(const struct tunl_config *config,
		       const struct icmp_error *error)
{
	const struct tunl_parms *parms = &config->parms;

	if (error->outer.protocol == IPPROTO_UDP)
		return parms->encap.type != TUNNEL_ENCAP_NONE &&
		       parms->encap.dport == error->port;
	return parms->encap.type == TUNNEL_ENCAP_NONE &&
	       (!parms->proto || parms->proto == error->outer.protocol);
}

/*
 * Is an error about UDP about a tunnel? It is if a tunnel to that destination sends to
 * that port. It may be if tunnels without a remote have encap: icmp_find_routed() finds
 * out. Of several tunnels, one is taken whose encap is as quoted, GUE or FOU.
 */
static bool icmp_encapsulated(const struct net *net, bool gue,
			      struct icmp_error *error)
{
	const struct tunl_net *tn = net_generic(net, tunl_net_id);
	const u8 quoted = gue ? TUNNEL_ENCAP_GUE : TUNNEL_ENCAP_FOU;
	const struct tunl_config *config;
	const struct tunl_dev *tunl;
	bool found = false;

	if (!READ_ONCE(tn->encaps[0]))
		goto guess;

	tunl_net_for_each(config, net, error->outer.daddr) {
		tunl = netdev_priv(config->dev);
		if (config->parms.remote != error->outer.daddr ||
		    !net_eq(tunl->underlay, net) || !icmp_sends(config, error))
			continue;
		found = true;
		error->encap = config->parms.encap.type;
		error->labels = config->parms.proto == IPPROTO_MPLS;
		if (error->encap == quoted)
			break;
	}
	if (found)
		return true;

guess:
	error->encap = quoted;
	error->guessed = true;
	return READ_ONCE(tn->encaps[1]);
}

/* An error about UDP: reads the port, and tells GUE from FOU if enough is quoted. */
static bool icmp_concerns_udp(const struct net *net, const struct sk_buff *skb,
			      unsigned int offset, struct icmp_error *error)
{
	u8 first = 0x45;

	if (skb_copy_bits(skb, offset + offsetof(struct udphdr, dest),
			  &error->port, sizeof(error->port)))
		return false;
	/* If it is not quoted, FOU is assumed. A label stack may look like either. */
	skb_copy_bits(skb, offset + sizeof(struct udphdr), &first,
		      sizeof(first));
	return icmp_encapsulated(net, first >> 4 != 4, error);
}

/* Is it about a packet that a tunnel may have sent? Reads, and moves nothing. */
static bool icmp_concerns(const struct net *net, const struct sk_buff *skb,
			  unsigned int offset, struct icmp_error *error)
{
	/* icmp_rcv() would not have taken one sent to a broadcast address. */
	if (skb->pkt_type != PACKET_HOST)
		return false;

	error->from = ip_hdr(skb)->saddr;
	error->to = ip_hdr(skb)->daddr;
	if (skb_copy_bits(skb, offset, &error->icmp, sizeof(error->icmp)) ||
	    skb_copy_bits(skb, offset + sizeof(error->icmp), &error->outer,
			  sizeof(error->outer)) ||
	    !icmp_of_interest(error->icmp.type) || error->outer.version != 4)
		return false;

	switch (error->outer.protocol) {
	case IPPROTO_IPIP:
	case IPPROTO_MPLS:
		return true;
	case IPPROTO_UDP:
		return icmp_concerns_udp(net, skb, offset + sizeof(error->icmp) +
					 sizeof(error->outer), error);
	}
	return false;
}

/*
 * Where the inner packet begins in the quote: behind the outer header and UDP, and
 * behind GUE with its options. False: there are labels, or too little is quoted.
 */
static bool icmp_quotes_ipv4(const struct sk_buff *skb,
			     struct icmp_error *error)
{
	struct guehdr gue;

	error->overhead = sizeof(error->outer);
	if (error->outer.protocol != IPPROTO_UDP)
		return error->outer.protocol == IPPROTO_IPIP;

	error->overhead += sizeof(struct udphdr);
	if (error->encap != TUNNEL_ENCAP_GUE)
		return !error->labels;

	if (skb_copy_bits(skb, error->overhead, &gue, sizeof(gue)))
		return false;
	error->overhead += sizeof(gue) + gue.hlen * sizeof(u32);
	return !gue.control && gue.proto_ctype == IPPROTO_IPIP;
}

/*
 * Leaves skb->data at the quoted outer header, that and ICMP_QUOTE_MIN bytes
 * more being linear, and skb->len at the end of the quote.
 */
static enum tunl_icmp icmp_parse(const struct net *net, struct sk_buff *skb,
				 struct icmp_error *error)
{
	unsigned int offset = ip_hdrlen(skb), len = 0;

	memset(error, 0, sizeof(*error));
	if (!icmp_concerns(net, skb, offset, error))
		return TUNL_ICMP_FOREIGN;

	if (!pskb_pull(skb, offset) || skb_checksum_simple_validate(skb) ||
	    !pskb_pull(skb, sizeof(error->icmp)))
		return TUNL_ICMP_MALFORMED;

	/* Other things may follow a quote of that many words (RFC 4884 §4). */
	if (error->icmp.type != ICMP_REDIRECT)
		len = error->icmp.un.reserved[1] * sizeof(u32);
	if (len && len < skb->len && pskb_trim(skb, len))
		return TUNL_ICMP_MALFORMED;

	/* Tunnels send no options, and a later fragment has no inner header. */
	if (error->outer.ihl != sizeof(error->outer) / 4 ||
	    error->outer.frag_off & htons(IP_OFFSET) ||
	    !pskb_may_pull(skb, sizeof(error->outer) + ICMP_QUOTE_MIN))
		return TUNL_ICMP_MALFORMED;

	if (!icmp_quotes_ipv4(skb, error) || skb->len <= error->overhead)
		return TUNL_ICMP_RELAYED;

	error->quoted = skb->len - error->overhead;
	skb_copy_bits(skb, error->overhead, &error->inner,
		      min_t(int, error->quoted, sizeof(error->inner)));
	if (error->inner.version == 4 && error->inner.ihl >= 5)
		return TUNL_ICMP_RELAYED;
	if (error->outer.protocol != IPPROTO_UDP)
		return TUNL_ICMP_MALFORMED;

	/* Labels, or what another tunnel to that port put between. */
	error->quoted = 0;
	memset(&error->inner, 0, sizeof(error->inner));
	return TUNL_ICMP_RELAYED;
}

/*
 * Sets type and code of the report to the inner source (RFC 2003 §4). False: such an
 * error is reported to no sender.
 */
static bool icmp_translate(struct icmp_error *error, bool inherit_ttl)
{
	error->type = ICMP_DEST_UNREACH;
	error->code = ICMP_HOST_UNREACH;

	if (error->icmp.type == ICMP_TIME_EXCEEDED) {
		/* The TTL that ran out was the inner packet's own. */
		if (inherit_ttl) {
			error->type = ICMP_TIME_EXCEEDED;
			error->code = ICMP_EXC_TTL;
		}
		/* A lost fragment is no routing loop. */
		return error->icmp.code == ICMP_EXC_TTL;
	}

	switch (error->icmp.code) {
	case ICMP_NET_UNREACH:
	case ICMP_NET_UNKNOWN:
	case ICMP_NET_ANO:
	case ICMP_NET_UNR_TOS:
		error->code = ICMP_NET_UNREACH;
		return true;
	case ICMP_FRAG_NEEDED:
		error->code = ICMP_FRAG_NEEDED;
		return true;
	case ICMP_PROT_UNREACH:
		/* Only the endpoint knows which protocols it has. */
		return error->from == error->outer.daddr;
	case ICMP_PORT_UNREACH:
	case ICMP_SR_FAILED:
		return false;
	default:
		return error->icmp.code <= NR_ICMP_UNREACH;
	}
}

/**
 * struct icmp_way - how the quoted inner packet is routed
 * @net:	netns it was looked up in; NULL: not yet
 * @l3mdev:	ifindex of the VRF, or 0
 * @found:	by a unicast route, @res. Under the RCU read lock
 * @res:	the route
 */
struct icmp_way {
	struct net		*net;
	int			l3mdev;
	bool			found;
	struct fib_result	res;
};

/* Looks up once for devices that follow each other in a list with the same netns and VRF. */
static void icmp_look_up(struct icmp_way *way, const struct icmp_error *error,
			 struct net *net, int l3mdev)
{
	struct flowi4 fl4 = {
		.daddr = error->inner.daddr,
		.saddr = error->inner.saddr,
		.flowi4_dscp = ip4h_dscp(&error->inner),
		.flowi4_proto = error->inner.protocol,
		.flowi4_iif = LOOPBACK_IFINDEX,
		.flowi4_l3mdev = l3mdev,
	};

	if (way->net && net_eq(way->net, net) && way->l3mdev == l3mdev)
		return;

	way->net = net;
	way->l3mdev = l3mdev;
	way->found = !fib_lookup(net, &fl4, &way->res, FIB_LOOKUP_NOREF) &&
		     way->res.type == RTN_UNICAST;
}

/*
 * Is the inner packet one that routing sends through @config's device, which has a
 * remote? Rules may look at what a quote does not have (a mark, the interface it came
 * in by): then a packet that seems to be routed elsewhere proves nothing.
 */
static enum icmp_origin icmp_origin(const struct icmp_error *error,
				    const struct tunl_config *config,
				    struct icmp_way *way)
{
	const struct net_device *dev = config->dev;

	if (error->quoted < sizeof(error->inner))
		return ICMP_ORIGIN_MAYBE;

	icmp_look_up(way, error, dev_net(dev), l3mdev_master_ifindex_rcu(dev));
	if (way->found && fib_info_nh_uses_dev(way->res.fi, dev))
		return ICMP_ORIGIN_YES;
	return fib4_has_custom_rules(dev_net(dev)) ? ICMP_ORIGIN_MAYBE :
						     ICMP_ORIGIN_NO;
}

/* Is the device up, and may its configuration have sent the quoted outer packet? */
static bool icmp_may_have_sent(const struct net *net,
			       const struct tunl_config *config, __be32 remote,
			       const struct icmp_error *error)
{
	const struct tunl_dev *tunl = netdev_priv(config->dev);

	return config->dev->flags & IFF_UP && config->parms.remote == remote &&
	       net_eq(tunl->underlay, net) &&
	       (!config->parms.local ||
		config->parms.local == error->outer.saddr) &&
	       icmp_sends(config, error) &&
	       (remote || tunl_dev_may_choose(config->dev, tunl));
}

/* The best candidate so far for having sent the quoted packet. */
struct icmp_search {
	struct tunl_config	*config;
	enum icmp_origin	origin;
	enum tunl_icmp		why;
};

static void icmp_consider(struct icmp_search *search,
			  struct tunl_config *config, enum icmp_origin origin)
{
	search->why = TUNL_ICMP_NOT_ROUTED;
	if (origin <= search->origin)
		return;
	search->origin = origin;
	search->config = config;
}

/* Devices with that remote. */
static void icmp_find_fixed(struct net *net, const struct icmp_error *error,
			    struct icmp_search *search)
{
	struct tunl_config *config;
	struct icmp_way way = {};

	tunl_net_for_each(config, net, error->outer.daddr) {
		if (!icmp_may_have_sent(net, config, error->outer.daddr, error))
			continue;
		icmp_consider(search, config, icmp_origin(error, config, &way));
		if (search->origin == ICMP_ORIGIN_YES)
			return;
	}
}

/*
 * The device without a remote that the inner destination is routed into, with the outer
 * destination as its endpoint. Of several nexthops it may have been another.
 */
static void icmp_find_routed(struct net *net, const struct icmp_error *error,
			     const struct tunl_context *context,
			     struct icmp_search *search)
{
	const struct fib_nh_common *nhc;
	struct tunl_config *config;
	struct icmp_way way = {};
	struct tunl_dev *tunl;
	__be32 endpoint;
	int i, several;

	if (error->quoted < sizeof(error->inner))
		return;

	icmp_look_up(&way, error, context->net, context->l3mdev);
	several = way.found ? fib_info_num_path(way.res.fi) : 0;
	for (i = 0; i < several; i++) {
		nhc = fib_info_nhc(way.res.fi, i);
		/* A group may have shrunk meanwhile. */
		if (!nhc || !nhc->nhc_dev || !tunl_device_is_ours(nhc->nhc_dev))
			continue;
		tunl = netdev_priv(nhc->nhc_dev);
		config = rcu_dereference(tunl->config);
		if (!icmp_may_have_sent(net, config, 0, error))
			continue;
		/* As tunl_endpoint_gateway(). */
		endpoint = tunl_nexthop_endpoint(nhc);
		if (!endpoint && tunl->stock)
			endpoint = error->inner.daddr;
		if (endpoint && endpoint == error->outer.daddr)
			icmp_consider(search, config, several > 1 ?
				      ICMP_ORIGIN_MAYBE : ICMP_ORIGIN_YES);
	}
}

/* Takes the first of a list that may have sent the packet, if routes alone do not choose. */
static void icmp_guess(struct net *net, const struct icmp_error *error,
		       const struct hlist_head *list, bool routes_choose,
		       struct icmp_search *search)
{
	struct tunl_config *config;
	int left = ICMP_GUESSES_MAX;

	hlist_for_each_entry_rcu(config, list, node) {
		if (!left--)
			return;
		if (!icmp_may_have_sent(net, config, 0, error))
			continue;
		icmp_consider(search, config, routes_choose ? ICMP_ORIGIN_NO :
							      ICMP_ORIGIN_MAYBE);
		return;
	}
}

/*
 * The configuration that sent, or may have sent, the quoted packet. Devices
 * with that remote first, then those without: by one lookup in each netns and VRF that
 * has some. tc and BPF choose without asking routes, as rules may.
 */
static void icmp_find(struct net *net, const struct icmp_error *error,
		      struct icmp_search *search)
{
	const struct tunl_net *tn = net_generic(net, tunl_net_id);
	const struct tunl_context *context;
	bool whole = error->quoted >= sizeof(error->inner);

	*search = (struct icmp_search) { .why = TUNL_ICMP_NOT_OURS };
	if (error->to != error->outer.saddr)
		return;

	icmp_find_fixed(net, error, search);
	hlist_for_each_entry_rcu(context, &tn->contexts, node) {
		if (search->origin == ICMP_ORIGIN_YES)
			return;
		icmp_find_routed(net, error, context, search);
		if (search->origin != ICMP_ORIGIN_NO)
			continue;
		icmp_guess(net, error, &context->gateways,
			   whole && !fib4_has_custom_rules(context->net),
			   search);
		icmp_guess(net, error, &context->externals, false, search);
	}
}

/*
 * Gives the skb the route that the inner packet took: an output route if its source is
 * this host, else an input route from the interface that leads to its source. A packet
 * that this host would not forward (rp_filter, no ip_forward) was never sent: its source
 * is forged, and gets no error.
 */
static bool icmp_route(struct sk_buff *skb, const struct icmp_error *error,
		       struct net_device *dev)
{
	struct flowi4 back = {
		.daddr = error->inner.saddr,
		.flowi4_l3mdev = l3mdev_master_ifindex_rcu(dev),
	};
	struct flowi4 out = {
		.daddr = error->inner.daddr,
		.saddr = error->inner.saddr,
		.flowi4_oif = dev->ifindex,
		.flowi4_proto = error->inner.protocol,
	};
	struct net_device *in;
	struct rtable *rt;
	u16 type;

	rt = __ip_route_output_key(dev_net(dev), &back);
	if (IS_ERR(rt))
		return false;

	type = rt->rt_type;
	in = rt->dst.dev;
	ip_rt_put(rt);

	if (type == RTN_LOCAL) {
		rt = __ip_route_output_key(dev_net(dev), &out);
		if (IS_ERR(rt))
			return false;
		skb_dst_set(skb, &rt->dst);
	} else if (type != RTN_UNICAST ||
		   ip_route_input_noref(skb, error->inner.daddr,
					error->inner.saddr,
					ip4h_dscp(&error->inner), in)) {
		return false;
	}

	return skb_dst(skb)->dev == dev;
}

/* Sends an error to the inner source, which quotes as much of its packet as was quoted. */
static bool icmp_relay(struct sk_buff *skb, const struct icmp_error *error,
		       struct net_device *dev, u32 info)
{
	unsigned int header = error->inner.ihl * 4;

	if (error->quoted < header + ICMP_QUOTE_MIN ||
	    error->inner.frag_off & htons(IP_OFFSET))
		return false;

	if (!pskb_pull(skb, error->overhead) ||
	    !pskb_may_pull(skb, header + ICMP_QUOTE_MIN))
		return false;

	/* A mark and the like belong to the underlay. */
	skb_scrub_packet(skb, true);
	skb_reset_network_header(skb);
	skb->dev = dev;
	if (!icmp_route(skb, error, dev))
		return false;

	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));

	if (error->code == ICMP_FRAG_NEEDED)
		skb_dst_update_pmtu_no_confirm(skb, info);
	icmp_send(skb, error->type, error->code, htonl(info));
	return true;
}

/*
 * Would the device have sent the quoted packet without DF? Then the error is forged. A
 * label stack has no DF, so it leaves with DF only if DF is always set. It cannot be
 * known of an external device, whose packets bring their DF, nor if too little is quoted
 * behind UDP.
 */
static bool icmp_never_df(const struct icmp_error *error,
			  const struct tunl_config *config)
{
	if (config->parms.external || config->header.df == TUNL_DF_SET)
		return false;
	if (config->header.df == TUNL_DF_CLEAR)
		return true;
	if (error->outer.protocol == IPPROTO_UDP &&
	    config->parms.proto != IPPROTO_MPLS &&
	    error->quoted < ICMP_QUOTE_MIN)
		return false;
	return !(error->inner.frag_off & htons(IP_DF));
}

/*
 * The route by which transmit sends to the quoted outer destination; with a reference.
 * NULL: none now, or the parameters came with the packet (external).
 */
static struct dst_entry *icmp_outer_route(const struct icmp_error *error,
					  const struct tunl_config *config)
{
	struct tunl_outer outer = {
		.header = &config->header,
		.remote = error->outer.daddr,
	};

	if (config->parms.external ||
	    tunl_endpoint_route(config->dev, &config->parms, &outer))
		return NULL;
	/* The path MTU of one of several nexthops does not hold for all packets. */
	if (outer.several) {
		ip_rt_put(outer.route);
		return NULL;
	}
	return &outer.route->dst;
}

/*
 * Prepares @skb, whose data is the quoted outer header, for the kernel's operations on a
 * route: from a quote they look the route up by addresses, protocol, TOS, mark and
 * device, so mark and TOS are made those that transmit looks up by. May reallocate the
 * skb's head.
 *
 * Return: true if that leads to @dst. A rule that goes by ports leads elsewhere.
 */
static bool icmp_leads_to(struct sk_buff *skb, struct net_device *dev,
			  const struct tunl_config *config,
			  const struct dst_entry *dst)
{
	const struct tunl_parms *parms = &config->parms;
	struct flowi4 fl4;
	struct rtable *rt;
	struct iphdr *iph;

	/* The kernel goes on to read the same bytes. */
	if (skb_ensure_writable(skb, sizeof(*iph)))
		return false;

	iph = (struct iphdr *)skb->data;
	iph->tos = tunl_parms_dscp(parms);
	skb->mark = parms->fwmark;
	skb->dev = dev;

	fl4 = (struct flowi4) {
		.daddr = iph->daddr,
		.saddr = iph->saddr,
		.flowi4_oif = netif_is_any_bridge_port(dev) ? 0 : dev->ifindex,
		.flowi4_mark = skb->mark,
		.flowi4_dscp = ip4h_dscp(iph),
		.flowi4_proto = iph->protocol,
		.flowi4_uid = sock_net_uid(dev_net(dev), NULL),
	};
	rt = __ip_route_output_key(dev_net(dev), &fl4);
	if (IS_ERR(rt))
		return false;

	ip_rt_put(rt);
	return &rt->dst == xfrm_dst_path(dst);
}

/* The skb stays the caller's; fields beside its data are changed. */
static void icmp_learn_mtu(struct net *net, struct sk_buff *skb,
			   const struct icmp_error *error,
			   struct tunl_config *config, u32 mtu)
{
	struct dst_entry *dst = icmp_outer_route(error, config);

	if (config->parms.external) {
		ipv4_update_pmtu(skb, net, mtu, config->parms.link,
				 error->outer.protocol);
		return;
	}

	if (dst && icmp_leads_to(skb, dst->dev, config, dst)) {
		skb_reset_network_header(skb);
		dst->ops->update_pmtu(dst, NULL, skb, mtu, false);
	} else {
		tunl_report_cache_mtu(net, config->dev, error->outer.daddr,
				      mtu);
	}
	if (dst)
		dst_release(dst);
}

/* A redirect about a route that the kernel cannot find by a quote is not followed. */
static void icmp_redirect(struct net *net, struct sk_buff *skb,
			  const struct icmp_error *error,
			  struct tunl_config *config)
{
	/* The socket has set skb->dev to NULL. */
	struct net_device *in = dev_get_by_index_rcu(net, skb->skb_iif);
	struct dst_entry *dst;

	if (!in)
		return;
	if (config->parms.external) {
		skb->dev = in;
		ipv4_redirect(skb, net, config->parms.link,
			      error->outer.protocol);
		return;
	}

	dst = icmp_outer_route(error, config);
	if (!dst)
		return;
	if (icmp_leads_to(skb, in, config, dst))
		dst->ops->redirect(dst, NULL, skb);
	dst_release(dst);
}

/*
 * The route to the endpoint gets the path MTU, so the kernel bounds it and lets it expire
 * (RFC 2003 §5.1). An MTU below the kernel's lower bound is not reported: the kernel
 * locks such a path, and outer packets will be fragmented.
 */
static enum tunl_icmp icmp_too_big(struct net *net, struct sk_buff *skb,
				   const struct icmp_error *error,
				   enum icmp_origin origin,
				   struct tunl_config *config)
{
	bool inner_df = error->inner.frag_off & htons(IP_DF);
	u32 mtu = ntohs(error->icmp.un.frag.mtu);
	u16 len = ntohs(error->inner.tot_len);

	/* Forged: the packet would have been fragmented, or would have fitted. */
	if (icmp_never_df(error, config) ||
	    !(error->outer.frag_off & htons(IP_DF)) ||
	    (len && mtu >= len + error->overhead))
		return TUNL_ICMP_NOT_OURS;

	/* As icmp_unreach(): with 1 the MTU is ignored, with 2 and 3 the error is. */
	switch (READ_ONCE(net->ipv4.sysctl_ip_no_pmtu_disc)) {
	case 0:
		break;
	case 1:
		mtu = 0;
		break;
	default:
		return TUNL_ICMP_IGNORED;
	}

	icmp_learn_mtu(net, skb, error, config, mtu);
	if (inner_df && origin == ICMP_ORIGIN_YES && mtu > error->overhead &&
	    mtu >= compat_rt_min_pmtu(net) &&
	    icmp_relay(skb, error, config->dev, mtu - error->overhead))
		return TUNL_ICMP_RELAYED;

	return TUNL_ICMP_DEFERRED;
}

static enum tunl_icmp icmp_receive(struct net *net, struct sk_buff *skb)
{
	struct icmp_search search;
	struct icmp_error error;
	struct tunl_config *config;
	enum tunl_icmp result;

	result = icmp_parse(net, skb, &error);
	if (result != TUNL_ICMP_RELAYED)
		return error.guessed ? TUNL_ICMP_FOREIGN : result;

	icmp_find(net, &error, &search);
	config = search.config;
	if (!config)
		return error.guessed ? TUNL_ICMP_FOREIGN : search.why;

	if (error.icmp.type == ICMP_REDIRECT) {
		icmp_redirect(net, skb, &error, config);
		return TUNL_ICMP_IGNORED;
	}

	if (!icmp_translate(&error,
			    config->parms.external || !config->parms.ttl))
		return TUNL_ICMP_IGNORED;

	if (error.code == ICMP_FRAG_NEEDED)
		return icmp_too_big(net, skb, &error, search.origin, config);

	if (search.origin == ICMP_ORIGIN_YES &&
	    icmp_relay(skb, &error, config->dev, 0))
		return TUNL_ICMP_RELAYED;

	/* The next packet may have more hops left. */
	if (error.type == ICMP_TIME_EXCEEDED)
		return TUNL_ICMP_IGNORED;

	tunl_report_defer(config->dev, error.outer.daddr, error.code);
	return TUNL_ICMP_DEFERRED;
}

/* Socket callback, in the receive path of each error. */
static void icmp_ready(struct sock *sk)
{
	struct tunl_net *tn = net_generic(sock_net(sk), tunl_net_id);
	struct sk_buff *skb;

	rcu_read_lock();
	while ((skb = skb_dequeue(&sk->sk_receive_queue))) {
		atomic_long_inc(&tn->icmp_count[icmp_receive(sock_net(sk),
							     skb)]);
		consume_skb(skb);
	}
	rcu_read_unlock();
}

/**
 * tunl_icmp_register() - receive ICMP errors that come to a netns
 * @net:	the netns, underlay of a device
 *
 * From the first device on, until the netns or this module goes. Caller holds
 * RTNL. Return: 0 or a negative errno.
 */
int tunl_icmp_register(struct net *net)
{
	struct tunl_net *tn = net_generic(net, tunl_net_id);
	struct socket *sock;
	int err;

	ASSERT_RTNL();
	if (tn->icmp)
		return 0;

	err = sock_create_kern(net, AF_INET, SOCK_RAW, IPPROTO_ICMP, &sock);
	if (err)
		return err;

	/* A set bit is a type not to be delivered. */
	raw_sk(sock->sk)->filter.data = ~(u32)(BIT(ICMP_DEST_UNREACH) |
					       BIT(ICMP_REDIRECT) |
					       BIT(ICMP_TIME_EXCEEDED));
	sock->sk->sk_data_ready = icmp_ready;
	/* "ss -K" would unhash the socket for good, unless it is bound to a port. */
	sock->sk->sk_userlocks |= SOCK_BINDPORT_LOCK;
	tn->icmp = sock;
	return 0;
}

/**
 * tunl_icmp_unregister() - undo tunl_icmp_register()
 * @net:	the netns
 *
 * A grace period must pass before the module is unloaded: the socket may still be
 * receiving an error.
 */
void tunl_icmp_unregister(struct net *net)
{
	struct tunl_net *tn = net_generic(net, tunl_net_id);

	if (tn->icmp)
		sock_release(tn->icmp);
	tn->icmp = NULL;
}
