/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters, and all that is said about one in one place:
 *
 *	VERDICT(value, counter in "ethtool -S", drop reason, what it counts, what to do)
 *	OUTCOME(value, counter in /proc/net/tunl, what it counts, what to do)
 *
 * The enums and tables of the module are made from this list, so that no value can lack
 * a name. The sentences are for documents (scripts/counters). To be
 * included with VERDICT() or OUTCOME() defined, as often as needed.
 */
#ifdef VERDICT
/* Why a packet is not sent. */
VERDICT(TUNL_PROTOCOL, "tx_drop_protocol", UNHANDLED_PROTO,
	"the mode does not carry it: IPv6, MPLS without `mplsip` or `any`, IPv4 with `mplsip`",
	"set the mode that carries it, or route it elsewhere")
VERDICT(TUNL_MALFORMED, "tx_drop_malformed", IP_INHDR,
	"the inner header is broken",
	"find the program that sends such packets")
VERDICT(TUNL_TTL_ZERO, "tx_drop_ttl_zero", IP_INHDR,
	"the inner packet has a TTL of 0 (RFC 2003 §3.1)",
	"find the program that sends such packets")
VERDICT(TUNL_NO_ENDPOINT, "tx_drop_no_endpoint", IP_OUTNOROUTES,
	"no remote, no pointopoint address, and the route names none; external: no metadata",
	"set a remote, or give the route a gateway")
VERDICT(TUNL_NO_ROUTE, "tx_drop_no_route", IP_OUTNOROUTES,
	"there is no route to the endpoint",
	"`ip route get ENDPOINT` says why")
VERDICT(TUNL_IPSEC, "tx_drop_ipsec", XFRM_POLICY,
	"an IPsec policy requires an SA that is not there yet",
	"see with `ip xfrm state` whether the key daemon has made one")
VERDICT(TUNL_LOOP_SELF, "tx_drop_loop_self", IP_OUTNOROUTES,
	"the endpoint is routed through the device itself",
	"give the endpoint a route of its own")
VERDICT(TUNL_REDIRECT, "tx_drop_redirect", NOT_SPECIFIED,
	"an ICMP redirect of this host, about a packet that came in by the same tunnel",
	"nothing")
VERDICT(TUNL_LOOP_SOURCE, "tx_drop_loop_source", IP_OUTNOROUTES,
	"a forwarded packet has the address of the endpoint as its source (RFC 2003 §3.2)",
	"see whether the endpoint routes to this host what this host routes to the endpoint")
VERDICT(TUNL_LOOP_NESTED, "tx_drop_loop_nested", IP_OUTNOROUTES,
	"the packet goes through more than 4 tunnels, or has as many outer headers",
	"see whether tunnels are routed through each other in a circle")
VERDICT(TUNL_TOO_BIG, "tx_drop_too_big", PKT_TOO_BIG,
	"DF is set and the packet is larger than the path takes; or it is larger than IPv4 allows",
	"nothing: the sender got a report, unless a firewall drops it")
VERDICT(TUNL_NO_ENCAP, "tx_drop_no_encap", NOT_SPECIFIED,
	"`encap` is set, and module fou is not loaded",
	"`modprobe fou`")
VERDICT(TUNL_NO_MEMORY, "tx_drop_no_memory", NOMEM,
	"there is no memory for the outer header",
	"nothing, unless it goes on: then see what uses the memory of this host")
VERDICT(TUNL_UNDERLAY, "tx_drop_underlay", NOT_SPECIFIED,
	"a firewall or a queue of the underlay dropped the outer packet",
	"see the counters of the firewall and of the queues (`tc -s qdisc`)")
#undef VERDICT
#endif

#ifdef OUTCOME
/* What became of an ICMP error about an outer packet. */
OUTCOME(TUNL_ICMP_RELAYED, "icmp_relayed",
	"an error was reported to the inner source, within the kernel's rate limits",
	"nothing")
OUTCOME(TUNL_ICMP_DEFERRED, "icmp_deferred",
	"a path MTU was learned, or the sender of the next packet will get the report",
	"nothing")
OUTCOME(TUNL_ICMP_IGNORED, "icmp_ignored",
	"an error of a kind that is not relayed (RFC 2003 §4.1, §4.3)",
	"nothing")
OUTCOME(TUNL_ICMP_NOT_OURS, "icmp_not_ours",
	"an error quotes an outer packet that no tunnel here can have sent",
	"if the tunnel was not just changed, suspect an attack")
OUTCOME(TUNL_ICMP_NOT_ROUTED, "icmp_not_routed",
	"an error quotes an inner packet that is not routed into the tunnel",
	"if the tunnel was not just changed, suspect an attack")
OUTCOME(TUNL_ICMP_MALFORMED, "icmp_malformed",
	"an error has a wrong checksum or a broken quote",
	"nothing, unless there are many: then suspect an attack")
#undef OUTCOME
#endif
