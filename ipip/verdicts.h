/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters, and all that is said about one in one place:
 *
 *	VERDICT(value, counter in /proc/net/ipip, drop reason, what it counts, what to do)
 *
 * The enum and the table of the module are made from this list, so that no value can lack
 * a name. The sentences are for documents (scripts/counters); no table of the module
 * holds them. To be included with VERDICT() defined.
 */
VERDICT(IPIP_MALFORMED, "drop_malformed", IP_INHDR,
	"the inner version, header length or length is wrong",
	"find the program at the other end that sends such packets")
VERDICT(IPIP_CHECKSUM, "drop_checksum", IP_CSUM,
	"the checksum of the inner header is wrong",
	"find the program at the other end that sends such packets")
VERDICT(IPIP_TTL_ZERO, "drop_ttl_zero", IP_INHDR,
	"the inner packet has a TTL of 0 (RFC 2003 §3.1)",
	"find the program at the other end that sends such packets")
VERDICT(IPIP_NESTED, "drop_nested", NOT_SPECIFIED,
	"the packet has more than 4 outer headers",
	"see whether tunnels are routed through each other in a circle")
VERDICT(IPIP_ECN, "drop_ecn", NOT_SPECIFIED,
	"the outer header says congestion, and the inner packet does not know ECN (RFC 6040 §4.2)",
	"nothing, unless routers on the way mark packets that have no ECN")
VERDICT(IPIP_IPSEC, "drop_ipsec_policy", XFRM_POLICY,
	"an IPsec policy requires the packet to be protected",
	"see with `ip xfrm policy` which one, and let the other end protect it")
VERDICT(IPIP_OPTIONS, "drop_options", IP_INHDR,
	"on the ingress path: a source route, or an option of an impossible length",
	"nothing: IP checks the other options")
VERDICT(IPIP_NO_ROUTE, "drop_no_route", IP_INNOROUTES,
	"on the ingress path: this host sent the outer packet to itself, or the interface that received it was deleted",
	"nothing, unless the tunnel is to lead to this host itself: use `deliver=device`")
VERDICT(IPIP_NO_MEMORY, "drop_no_memory", NOMEM,
	"there is no memory for the packet",
	"nothing, unless it goes on: then see what uses the memory of this host")
VERDICT(IPIP_BACKLOG, "drop_backlog", CPU_BACKLOG,
	"more than `net.core.netdev_max_backlog` packets were waiting",
	"this processor is too slow: spread the packets (RPS)")
VERDICT(IPIP_REFUSED, "drop_refused", IP_NOPROTO,
	"the source is no configured endpoint, or the packet holds an outer header from one",
	"see below")
VERDICT(IPIP_DEVICE, "delivered_device", NOT_SPECIFIED,
	"decapsulated, and received on the tunnel device",
	"nothing")
VERDICT(IPIP_INGRESS, "delivered_ingress", NOT_SPECIFIED,
	"decapsulated, and received on the interface of the outer packet",
	"nothing")
#undef VERDICT
