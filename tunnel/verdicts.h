/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lists from which enums and tables are made, so that no value can lack a name.
 * To be included with VERDICT() or OUTCOME() defined, as often as needed.
 */
#ifdef VERDICT
/* Why a packet is not sent; its counter in "ethtool -S"; the drop reason. */
/* the mode does not carry that: IPv4, MPLS, or any of the two */
VERDICT(TUNL_PROTOCOL, "tx_drop_protocol", UNHANDLED_PROTO)
/* no usable inner header */
VERDICT(TUNL_MALFORMED, "tx_drop_malformed", IP_INHDR)
/* inner TTL 0: must not travel further (RFC 2003 §3.1) */
VERDICT(TUNL_TTL_ZERO, "tx_drop_ttl_zero", IP_INHDR)
/* no remote, no pointopoint address, no gateway; external: no metadata */
VERDICT(TUNL_NO_ENDPOINT, "tx_drop_no_endpoint", IP_OUTNOROUTES)
/* no route to the endpoint */
VERDICT(TUNL_NO_ROUTE, "tx_drop_no_route", IP_OUTNOROUTES)
/* an IPsec policy wants the outer packet protected, and there is no SA yet */
VERDICT(TUNL_IPSEC, "tx_drop_ipsec", XFRM_POLICY)
/* the route to the endpoint leads into the same device */
VERDICT(TUNL_LOOP_SELF, "tx_drop_loop_self", IP_OUTNOROUTES)
/* this host's own ICMP redirect about a packet that came in by the same tunnel */
VERDICT(TUNL_REDIRECT, "tx_drop_redirect", NOT_SPECIFIED)
/* forwarded, and comes from the endpoint (RFC 2003 §3.2) */
VERDICT(TUNL_LOOP_SOURCE, "tx_drop_loop_source", IP_OUTNOROUTES)
/* wrapped, or on this stack, TUNL_NESTING_MAX times */
VERDICT(TUNL_LOOP_NESTED, "tx_drop_loop_nested", IP_OUTNOROUTES)
/* inner DF set and larger than the path takes; or than IPv4 can be */
VERDICT(TUNL_TOO_BIG, "tx_drop_too_big", PKT_TOO_BIG)
/* UDP wanted, and module fou, which makes it, is not there */
VERDICT(TUNL_NO_ENCAP, "tx_drop_no_encap", NOT_SPECIFIED)
/* no room could be made for the outer header */
VERDICT(TUNL_NO_MEMORY, "tx_drop_no_memory", NOMEM)
/* the outer packet was refused further down, which has freed it */
VERDICT(TUNL_UNDERLAY, "tx_drop_underlay", NOT_SPECIFIED)
#undef VERDICT
#endif

#ifdef OUTCOME
/* What became of an ICMP error, and its counter in /proc/net/tunl. */
/* an error was sent to the inner source */
OUTCOME(TUNL_ICMP_RELAYED, "icmp_relayed")
/* not at once: path MTU lowered, or to be told with the next packet */
OUTCOME(TUNL_ICMP_DEFERRED, "icmp_deferred")
/* of a kind that is not relayed (RFC 2003 §4.1, §4.3) */
OUTCOME(TUNL_ICMP_IGNORED, "icmp_ignored")
/* quotes an outer packet that no device here can have sent */
OUTCOME(TUNL_ICMP_NOT_OURS, "icmp_not_ours")
/* quotes an inner packet that is not routed into that device */
OUTCOME(TUNL_ICMP_NOT_ROUTED, "icmp_not_routed")
/* checksum wrong, or no inner header in the quote */
OUTCOME(TUNL_ICMP_MALFORMED, "icmp_malformed")
#undef OUTCOME
#endif
