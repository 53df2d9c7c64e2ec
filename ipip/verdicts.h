/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What becomes of a packet; its counter in /proc/net/ipip; the drop reason. The
 * enum and the table are made from this list, so that no value can lack a name.
 * To be included with VERDICT() defined.
 */
/* inner version, header length or length is wrong */
VERDICT(IPIP_MALFORMED, "drop_malformed", IP_INHDR)
/* inner header checksum is wrong */
VERDICT(IPIP_CHECKSUM, "drop_checksum", IP_CSUM)
/* inner TTL 0: discard (RFC 2003 §3.1) */
VERDICT(IPIP_TTL_ZERO, "drop_ttl_zero", IP_INHDR)
/* more than IPIP_NESTING_MAX outer headers */
VERDICT(IPIP_NESTED, "drop_nested", NOT_SPECIFIED)
/* congestion marked on a packet that does not know ECN (RFC 6040 §4.2) */
VERDICT(IPIP_ECN, "drop_ecn", NOT_SPECIFIED)
/* an IPsec policy forbids it */
VERDICT(IPIP_IPSEC, "drop_ipsec_policy", XFRM_POLICY)
/* on the ingress path: a source route, or options of an impossible length */
VERDICT(IPIP_OPTIONS, "drop_options", IP_INHDR)
/* on the ingress path: this host sent the outer packet to itself */
VERDICT(IPIP_NO_ROUTE, "drop_no_route", IP_INNOROUTES)
/* out of memory */
VERDICT(IPIP_NO_MEMORY, "drop_no_memory", NOMEM)
/* more wait to be received than net.core.netdev_max_backlog allows */
VERDICT(IPIP_BACKLOG, "drop_backlog", CPU_BACKLOG)
/*
 * its source is no endpoint, and net.ipv4.ipip.accept says no; or it holds an outer
 * header from an endpoint
 */
VERDICT(IPIP_REFUSED, "drop_refused", IP_NOPROTO)
/* delivered, as received on the tunnel device */
VERDICT(IPIP_DEVICE, "delivered_device", NOT_SPECIFIED)
/* delivered, as received on the interface of its outer packet */
VERDICT(IPIP_INGRESS, "delivered_ingress", NOT_SPECIFIED)
#undef VERDICT
