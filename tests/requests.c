// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration requests as an attacker, or a broken program, would make them,
 * in the namespace this is started in.
 *
 *   requests wild SEED COUNT [KEPT]   of every kind, of which anything may be wrong
 *   requests strict SEED COUNT        single changes, of which it is known what
 *                                     they must do
 *
 * wild: devices tunl and t1 to t4 come and go, here and in a namespace of its
 * own; no others are touched, and none of the addresses 172.31.0.0/16 and
 * 10.9.0.0/16. KEPT is a device that gets all of these requests, but is neither
 * deleted, moved nor renamed. Prints how many requests there were and how many
 * the kernel accepted; "denied" are those refused with EPERM, "mute" those with
 * EINVAL and no text.
 *
 * strict: what is refused has changed nothing, what is accepted reads back, and
 * which of both it is can be foretold; our own refusals have a text. Prints a
 * line for each request of which that is not so, and exits with status 1.
 *
 * The same seed makes the same requests, but for the numbers of devices.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h> /* before linux/if.h, which then gives way */
#include <linux/ethtool.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define DEVICES_MAX 12 /* above that, all are deleted */

enum kind {
	LINK_NEW, LINK_SET, LINK_DEL, LINK_GET, ADDRESS, ROUTE, NEIGHBOUR,
	IOCTL, ETHTOOL, SYSCTL, PROC_READ, SYSFS, PACKET, KINDS
};

static const char *const kind_names[KINDS] = {
	"link-new", "link-set", "link-del", "link-get", "address", "route",
	"neighbour", "ioctl", "ethtool", "sysctl", "proc-read", "sysfs",
	"packet",
};

static struct {
	uint32_t made, accepted, denied, mute;
} tally[KINDS];

static uint64_t state;

/* xorshift64*: the same everywhere */
static uint32_t any(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 2685821657736338717ull) >> 33) % below;
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* ---- what requests are made of --------------------------------------------- */

static const char *kept = "";
static char names[8][IFNAMSIZ] = { "tunl", "t1", "t2", "t3", "t4" };
static unsigned int names_count = 5;

/* Devices that are not to be touched, and those that are. */
static int protected[32], protected_count;
static int indices[64], indices_count;
static int kept_index;

static int sockets[2], udp; /* rtnetlink here, and in a namespace beside this */
static int namespaces[2];
static pid_t beside;

static uint32_t any_number(void)
{
	static const uint32_t numbers[] = {
		0, 1, 2, 4, 20, 64, 67, 68, 255, 576, 1400, 1480, 1500, 9000,
		65515, 65516, 65536, 0x7fffffff, 0x80000000, 0xffffffff
	};
	uint32_t random = any(65536) << 16 | any(65536);

	return any(4) ? numbers[any(COUNT_OF(numbers))] : random >> any(32);
}

/* Endpoints that there are, mostly, and addresses that are special. */
static uint32_t any_address(void)
{
	static const uint32_t special[] = {
		0, 0, 0x0a000001, 0x7f000001, 0xe0000001, 0xffffffff,
		0x0a0000ff, 0xa9fe0001, 0x00000001, 0xf0000001
	};
	uint32_t random = any(65536) << 16 | any(65536);

	switch (any(8)) {
	case 0:
		return htonl(special[any(COUNT_OF(special))]);
	case 1:
		return htonl(any(8) ? 0xc6336400 + any(256) : random);
	case 2:
	case 3:
		return htonl(0xc0000200 + any(8));
	default:
		return htonl(0x0a000002 + any(6));
	}
}

/* A name of ours; now and then with something wrong. 0-terminated. */
static const char *any_name(void)
{
	static const char odd[] = { '%', ' ', ':', '.', '/', 'd', '\0', '\x80' };
	static char name[IFNAMSIZ + 4];

	memset(name, 0, sizeof(name));
	snprintf(name, IFNAMSIZ, "%s", names[any(names_count)]);
	if (!any(12))
		name[any(4)] = odd[any(sizeof(odd))];
	if (!any(40))
		memset(name + 1, 'x', any(sizeof(name) - 1));
	if (!any(60))
		snprintf(name, IFNAMSIZ, "%s", "t%d");
	return name;
}

static int any_index(void)
{
	const char *name = any_name();
	uint32_t which = any(64), odd = any(20);

	if (!odd)
		return which;
	if (odd == 1)
		return any_number();
	if (odd < 14 && indices_count)
		return indices[which % indices_count];
	return if_nametoindex(name);
}

/* ---- messages ---------------------------------------------------------------- */

static union {
	struct nlmsghdr header;
	uint8_t bytes[16384];
} message;

static void begin(int type, int flags, const void *body, size_t len)
{
	memset(&message, 0, sizeof(message.header) + 64);
	message.header.nlmsg_type = type;
	message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	message.header.nlmsg_len = NLMSG_LENGTH(len);
	message.header.nlmsg_seq = 1;
	memcpy(NLMSG_DATA(&message.header), body, len);
}

/* Returns where, so that it can be the beginning of a nest. */
static size_t put(int type, const void *data, size_t len)
{
	size_t at = NLMSG_ALIGN(message.header.nlmsg_len);
	struct nlattr attr = { .nla_len = NLA_HDRLEN + len, .nla_type = type };

	if (at + NLA_HDRLEN + len + 4 > sizeof(message))
		return at;
	memset(message.bytes + at, 0, NLA_HDRLEN + NLA_ALIGN(len));
	memcpy(message.bytes + at, &attr, sizeof(attr));
	if (len)
		memcpy(message.bytes + at + NLA_HDRLEN, data, len);
	message.header.nlmsg_len = at + NLA_HDRLEN + NLA_ALIGN(len);
	return at;
}

static void nest_end(size_t at)
{
	uint16_t len = message.header.nlmsg_len - at;

	memcpy(message.bytes + at, &len, sizeof(len));
}

/* Where a number of one, two or four bytes is in @value. */
static void *low_bytes(uint32_t *value, size_t len)
{
	uint8_t *first = (uint8_t *)value;

	if (htonl(1) != 1 || len > sizeof(*value))
		return first;
	return first + sizeof(*value) - len;
}

static void put_u32(int type, uint32_t value)
{
	put(type, &value, sizeof(value));
}

static void put_string(int type, const char *text)
{
	put(type, text, strlen(text) + 1);
}

/* A value that should be of that many bytes; its type with flags at times. */
static void put_any(int type, const void *value, size_t len)
{
	uint8_t data[64] = {};

	memcpy(data, value, len);
	if (!any(12))
		len = any(sizeof(data));
	if (!any(24))
		type |= any(2) ? NLA_F_NESTED : NLA_F_NET_BYTEORDER;
	put(type, data, len);
}

static void put_any_number(int type, size_t len)
{
	uint32_t values[16] = { any_number() };

	put_any(type, low_bytes(values, len), len);
}

static void put_any_address(int type)
{
	put_any(type, &(uint32_t){ any_address() }, 4);
}

/* Bytes of the message, its length fields before all; never its type. */
static void mutate(void)
{
	uint32_t len = message.header.nlmsg_len, at, times = 1 + any(3);

	while (times-- && len > NLMSG_HDRLEN + 8) {
		at = NLMSG_HDRLEN + any(len - NLMSG_HDRLEN);
		switch (any(4)) {
		case 0:
			message.bytes[at] = any(256);
			break;
		case 1:
			message.bytes[at] ^= 1 << any(8);
			break;
		case 2: /* probably the length of an attribute */
			at &= ~3;
			message.bytes[at] = any(2) ? any(24) : any(256);
			message.bytes[at + 1] = any(4) ? 0 : any(256);
			break;
		case 3:
			if (any(2))
				message.header.nlmsg_len = NLMSG_HDRLEN +
					any(len + 32 - NLMSG_HDRLEN);
			break;
		}
	}
}

/* ---- what must not be hit ---------------------------------------------------- */

static int is_protected(int index)
{
	int i;

	for (i = 0; i < protected_count; i++)
		if (protected[i] == index)
			return 1;
	return 0;
}

static int is_protected_name(const char *name)
{
	int index = *name && strlen(name) < IFNAMSIZ ? if_nametoindex(name) : 0;

	return index && is_protected(index);
}

static int is_link(int type)
{
	return type == RTM_NEWLINK || type == RTM_SETLINK || type == RTM_DELLINK;
}

static int harmless_attribute(int link, int index, int type, const uint8_t *data,
			      size_t len)
{
	/* Without an index it may be by name, or be of a group. */
	int kept_target = *kept && (!index || index == kept_index);
	char name[IFNAMSIZ] = "";

	memcpy(name, data, len < IFNAMSIZ ? len : IFNAMSIZ - 1);
	if (!link)
		return type != RTA_DST || len < 2 ||
		       (memcmp(data, "\x0a\x09", 2) && memcmp(data, "\xac\x1f", 2));

	switch (type) {
	case IFLA_IFNAME:
	case IFLA_ALT_IFNAME:
		return !is_protected_name(name) &&
		       (!index || !kept_target || !strcmp(name, kept));
	case IFLA_NET_NS_FD:
	case IFLA_NET_NS_PID:
	case IFLA_TARGET_NETNSID:
	case IFLA_GROUP:
		return !kept_target;
	}
	return 1;
}

/* The message as the kernel will read it: whom would it concern? */
static int harmless(size_t sent)
{
	const uint8_t *p = message.bytes + NLMSG_HDRLEN;
	size_t left = message.header.nlmsg_len, head = 8;
	int type = message.header.nlmsg_type, route, index = 0;
	struct nlattr attr;

	left = left < sent ? left : sent;
	if (type == RTM_GETLINK || left < NLMSG_HDRLEN + 8)
		return 1;
	route = type == RTM_NEWROUTE || type == RTM_DELROUTE;
	if (route)
		head = sizeof(struct rtmsg);
	else
		memcpy(&index, p + 4, sizeof(index)); /* in all of them */
	if (index < 0) /* by name, too */
		index = 0;
	if (is_link(type))
		head = sizeof(struct ifinfomsg);
	if (index && is_protected(index))
		return 0;
	if (type == RTM_DELLINK && *kept && (!index || index == kept_index))
		return 0;
	if (left < NLMSG_HDRLEN + head)
		return 1;

	p += head;
	left -= NLMSG_HDRLEN + head;
	while (left >= NLA_HDRLEN) {
		memcpy(&attr, p, sizeof(attr));
		if (attr.nla_len < NLA_HDRLEN || attr.nla_len > left)
			break;
		if (!harmless_attribute(!route, index,
					attr.nla_type & NLA_TYPE_MASK,
					p + NLA_HDRLEN, attr.nla_len - NLA_HDRLEN) &&
		    (route || is_link(type)))
			return 0;
		if (NLA_ALIGN((size_t)attr.nla_len) >= left)
			break;
		p += NLA_ALIGN(attr.nla_len);
		left -= NLA_ALIGN(attr.nla_len);
	}
	return 1;
}

/* ---- answers ----------------------------------------------------------------- */

static struct {
	int	error; /* 1: no answer at all */
	char	text[160];
	uint8_t	link[16384]; /* of RTM_GETLINK */
	size_t	link_len;
} answer;

static void hear_error(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = NLMSG_DATA(nlh);
	size_t at = NLMSG_LENGTH(sizeof(*err)), len;
	const struct nlattr *attr;

	answer.error = err->error;
	answer.text[0] = '\0';
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    !(nlh->nlmsg_flags & NLM_F_CAPPED))
		return;
	for (; at + NLA_HDRLEN <= nlh->nlmsg_len; at += NLA_ALIGN(attr->nla_len)) {
		attr = (const void *)nlh + at;
		if (attr->nla_len < NLA_HDRLEN)
			break;
		len = attr->nla_len - NLA_HDRLEN;
		if ((attr->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG)
			snprintf(answer.text, sizeof(answer.text), "%.*s",
				 (int)len, (const char *)(attr + 1));
	}
}

static void hear(const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nlh);

	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		hear_error(nlh);
		break;
	case NLMSG_DONE:
		answer.error = 0;
		break;
	case RTM_NEWLINK:
		answer.error = answer.error == 1 ? 0 : answer.error;
		if (indices_count < (int)COUNT_OF(indices))
			indices[indices_count++] = ifi->ifi_index;
		if (nlh->nlmsg_len <= sizeof(answer.link)) {
			memcpy(answer.link, nlh, nlh->nlmsg_len);
			answer.link_len = nlh->nlmsg_len;
		}
		break;
	}
}

/* The kernel does it before sendto() returns: nothing to wait for. */
static int ask_with(int sock, size_t len)
{
	static union {
		struct nlmsghdr header;
		uint8_t bytes[65536];
	} reply;
	const struct nlmsghdr *nlh;
	ssize_t got;
	int left;

	answer.error = 1;
	answer.text[0] = '\0';
	answer.link_len = 0;
	if (send(sock, &message, len, 0) < 0)
		return answer.error = -errno;
	while ((got = recv(sock, &reply, sizeof(reply), MSG_DONTWAIT)) > 0) {
		left = got;
		for (nlh = &reply.header; NLMSG_OK(nlh, (unsigned int)left);
		     nlh = NLMSG_NEXT(nlh, left))
			hear(nlh);
	}
	return answer.error;
}

static int ask(int sock)
{
	int error, was = indices_count;

	error = ask_with(sock, message.header.nlmsg_len);
	indices_count = was;
	return error;
}

/* An ioctl, or something done to a file. */
static void count(enum kind kind, int accepted)
{
	tally[kind].made++;
	tally[kind].accepted += accepted;
	tally[kind].denied += !accepted && (errno == EPERM || errno == EACCES);
}

static void count_answer(enum kind kind)
{
	tally[kind].made++;
	tally[kind].accepted += !answer.error;
	tally[kind].denied += answer.error == -EPERM;
	tally[kind].mute += answer.error == -EINVAL && !answer.text[0];
}

/* Most of them as they are. */
static void send_wild(enum kind kind)
{
	size_t len = message.header.nlmsg_len;
	int sock = sockets[!any(16)], was = indices_count;

	if (!any(4))
		mutate();
	if (!any(40))
		len = NLMSG_HDRLEN + any(len - NLMSG_HDRLEN);
	answer.error = 1;
	if (harmless(len))
		ask_with(sock, len);
	indices_count = was;
	count_answer(kind);
}

/* ---- links ------------------------------------------------------------------- */

/* Those that make sense together only. */
static void put_encap(uint16_t type, uint16_t port)
{
	put(IFLA_IPTUN_ENCAP_TYPE, &type, sizeof(type));
	put(IFLA_IPTUN_ENCAP_DPORT, &port, sizeof(port));
}

static void put_info_data(void)
{
	static const int usual[] = {
		IFLA_IPTUN_LOCAL, IFLA_IPTUN_REMOTE, IFLA_IPTUN_TTL,
		IFLA_IPTUN_TOS, IFLA_IPTUN_PMTUDISC, IFLA_IPTUN_REMOTE,
		IFLA_IPTUN_LINK, IFLA_IPTUN_FWMARK, IFLA_IPTUN_PROTO,
		IFLA_IPTUN_ENCAP_TYPE, IFLA_IPTUN_ENCAP_FLAGS,
		IFLA_IPTUN_ENCAP_SPORT, IFLA_IPTUN_ENCAP_DPORT,
		IFLA_IPTUN_COLLECT_METADATA
	};
	int times = any(4) ? any(3) : any(40), type;
	size_t nest = put(IFLA_INFO_DATA | (any(4) ? 0 : NLA_F_NESTED), NULL, 0);

	if (!any(6))
		put_encap(any(4), any(65536));
	while (times--) {
		type = any(8) ? usual[any(COUNT_OF(usual))] : (int)any(32);
		switch (type) {
		case IFLA_IPTUN_LOCAL:
		case IFLA_IPTUN_REMOTE:
			put_any_address(type);
			break;
		case IFLA_IPTUN_LINK:
		case IFLA_IPTUN_FWMARK:
			put_any_number(type, 4);
			break;
		case IFLA_IPTUN_ENCAP_TYPE ... IFLA_IPTUN_ENCAP_DPORT:
			put_any_number(type, 2);
			break;
		case IFLA_IPTUN_COLLECT_METADATA:
			put_any_number(type, any(8) ? 0 : 4);
			break;
		default:
			put_any_number(type, 1);
		}
	}
	nest_end(nest);
}

static void put_link_info(void)
{
	size_t nest = put(IFLA_LINKINFO, NULL, 0);
	uint32_t odd = any(32);

	if (odd > 1)
		put_string(IFLA_INFO_KIND, any(3) ? "tunl" : "ipip");
	else if (odd)
		put_any_number(IFLA_INFO_KIND, 4);
	if (any(3))
		put_info_data();
	if (!any(32))
		put_any_number(any(8), any(64));
	nest_end(nest);
}

static void put_link_attribute(void)
{
	static const int numbers[] = {
		IFLA_MTU, IFLA_MTU, IFLA_LINK, IFLA_TXQLEN, IFLA_MASTER,
		IFLA_GSO_MAX_SIZE, IFLA_GSO_MAX_SEGS, IFLA_GRO_MAX_SIZE,
		IFLA_PROMISCUITY, IFLA_OPERSTATE,
		IFLA_LINKMODE, IFLA_CARRIER, IFLA_EXT_MASK, IFLA_PROTO_DOWN,
	};

	switch (any(12)) {
	case 0:
		put_any_address(IFLA_ADDRESS);
		break;
	case 1:
	case 2:
		put_any_address(IFLA_BROADCAST);
		break;
	case 3:
		put_any(IFLA_NET_NS_FD, &namespaces[any(2)], 4);
		break;
	case 4:
		put_any(IFLA_NET_NS_PID, any(2) ? &beside : &(pid_t){ getpid() }, 4);
		break;
	case 5:
		put_any(IFLA_LINK_NETNSID, &(int){ any(3) }, 4);
		break;
	case 6:
		put_any(IFLA_NEW_IFINDEX, &(int){ any(200) }, 4);
		break;
	case 7:
		put_any(any(2) ? IFLA_NUM_TX_QUEUES : IFLA_NUM_RX_QUEUES,
			&(int){ any(5) }, 4);
		break;
	case 8:
		put_any_number(any(80), 4);
		break;
	default:
		put_any_number(numbers[any(COUNT_OF(numbers))], 4);
		break;
	}
}

static void wild_link(void)
{
	static const struct {
		int type;
		enum kind kind;
	} types[] = {
		{ RTM_NEWLINK, LINK_NEW }, { RTM_NEWLINK, LINK_NEW },
		{ RTM_NEWLINK, LINK_NEW }, { RTM_NEWLINK, LINK_NEW },
		{ RTM_SETLINK, LINK_SET }, { RTM_SETLINK, LINK_SET },
		{ RTM_DELLINK, LINK_DEL }, { RTM_GETLINK, LINK_GET },
	};
	uint32_t which = any(COUNT_OF(types)), flags, times;
	int indexed = !any(3), named = !indexed || !any(3);
	struct ifinfomsg ifi = {
		.ifi_family = any(30) ? AF_UNSPEC : any(50),
		.ifi_index = indexed ? any_index() : 0,
		.ifi_flags = any(3) ? IFF_UP : any_number(),
		.ifi_change = any(2) ? IFF_UP : any_number(),
	};
	const char *name = any_name();

	if (types[which].type == RTM_GETLINK)
		flags = any(2) ? NLM_F_DUMP : 0;
	else
		flags = any(3) ? NLM_F_CREATE : any(16) << 8;
	if (types[which].type == RTM_DELLINK)
		flags = any(4) ? 0 : any(16) << 8;
	begin(types[which].type, flags, &ifi, sizeof(ifi));
	if (!any(16))
		put_string(IFLA_ALT_IFNAME, name);
	else if (named)
		put_string(IFLA_IFNAME, name);
	if (any(4) && types[which].kind != LINK_DEL)
		put_link_info();
	for (times = any(2) ? any(3) : 0; times; times--)
		put_link_attribute();
	send_wild(types[which].kind);
}

/* ---- addresses, routes, neighbours ------------------------------------------- */

static int any_flags(int new)
{
	if (!any(8))
		return any(16) << 8;
	if (!new)
		return 0;
	return any(2) ? NLM_F_CREATE | NLM_F_REPLACE : NLM_F_CREATE | NLM_F_APPEND;
}

static void wild_address(void)
{
	static const uint32_t lifetimes[] = { 0, 1, 2, 0xffffffff, 0xffffffff };
	struct ifaddrmsg ifa = {
		.ifa_family = any(30) ? AF_INET : any(50),
		.ifa_prefixlen = any(3) ? 32 : any(16) ? any(33) : any(256),
		.ifa_flags = any(8) ? 0 : any(256),
		.ifa_scope = any(8) ? 0 : any(256),
		.ifa_index = any_index(),
	};
	struct ifa_cacheinfo life = {
		.ifa_prefered = lifetimes[any(COUNT_OF(lifetimes))],
		.ifa_valid = lifetimes[any(COUNT_OF(lifetimes))],
	};
	int new = any(3);

	begin(new ? RTM_NEWADDR : RTM_DELADDR, any_flags(new), &ifa, sizeof(ifa));
	if (any(16))
		put_any_address(IFA_LOCAL);
	if (any(2))
		put_any_address(IFA_ADDRESS);
	if (!any(8))
		put_any_address(IFA_BROADCAST);
	if (!any(8))
		put_string(IFA_LABEL, any_name());
	if (!any(8))
		put_any_number(IFA_FLAGS, 4);
	if (!any(8))
		put_any(IFA_CACHEINFO, &life, sizeof(life));
	if (!any(8))
		put_any_number(IFA_RT_PRIORITY, 4);
	if (!any(16))
		put_any_number(any(16), any(16));
	send_wild(ADDRESS);
}

static void put_nexthops(void)
{
	size_t nest = put(RTA_MULTIPATH, NULL, 0), at;
	struct rtnexthop hop;
	int times = any(5);

	while (times--) {
		at = NLMSG_ALIGN(message.header.nlmsg_len);
		hop = (struct rtnexthop) {
			.rtnh_flags = any(2) ? RTNH_F_ONLINK : any(256),
			.rtnh_hops = any(8) ? 0 : any(256),
			.rtnh_ifindex = any_index(),
		};
		message.header.nlmsg_len = at + sizeof(hop);
		put_any_address(RTA_GATEWAY);
		hop.rtnh_len = message.header.nlmsg_len - at;
		if (!any(12))
			hop.rtnh_len = any(64);
		memcpy(message.bytes + at, &hop, sizeof(hop));
	}
	nest_end(nest);
}

static void put_metrics(void)
{
	size_t nest = put(RTA_METRICS, NULL, 0);
	int times = any(4);

	while (times--)
		put_any_number(any(2) ? RTAX_MTU : any(20), 4);
	nest_end(nest);
}

static void wild_route(void)
{
	static const uint8_t tables[] = { RT_TABLE_MAIN, RT_TABLE_MAIN, 0, 100,
					  RT_TABLE_LOCAL };
	static const uint8_t scopes[] = { 0, RT_SCOPE_LINK, RT_SCOPE_HOST, 255 };
	uint32_t dst = any_address();
	struct rtmsg rtm = {
		.rtm_family = any(30) ? AF_INET : any(50),
		.rtm_dst_len = any(2) ? 32 : any(16) ? any(33) : any(256),
		.rtm_src_len = any(30) ? 0 : any(33),
		.rtm_tos = any(8) ? 0 : any(256),
		.rtm_table = tables[any(COUNT_OF(tables))],
		.rtm_protocol = any(5),
		.rtm_scope = any(6) ? 0 : scopes[any(COUNT_OF(scopes))],
		.rtm_type = any(8) ? RTN_UNICAST : any(16),
	};
	int gateway = any(2), new = any(4);

	if (any(8))
		rtm.rtm_flags = gateway ? RTNH_F_ONLINK : 0;
	else
		rtm.rtm_flags = any_number();

	/* What is host part would be refused. */
	if (any(8) && rtm.rtm_dst_len < 32)
		dst = rtm.rtm_dst_len ?
			dst & htonl(~0u << (32 - rtm.rtm_dst_len)) : 0;
	begin(new ? RTM_NEWROUTE : RTM_DELROUTE, any_flags(new), &rtm, sizeof(rtm));
	if (any(16))
		put_any(RTA_DST, &dst, 4);
	if (any(8))
		put_any(RTA_OIF, &(int){ any_index() }, 4);
	if (gateway)
		put_any_address(RTA_GATEWAY);
	if (!any(8))
		put_any_address(RTA_PREFSRC);
	if (!any(8))
		put_any(RTA_PRIORITY, &(int){ any(3) }, 4);
	if (!any(8))
		put_metrics();
	if (!any(6))
		put_nexthops();
	if (!any(16))
		put_any_number(any(32), any(16));
	send_wild(ROUTE);
}

static void wild_neighbour(void)
{
	struct ndmsg ndm = {
		.ndm_family = any(30) ? AF_INET : any(50),
		.ndm_ifindex = any_index(),
		.ndm_state = any(2) ? NUD_PERMANENT : any(4) ? 1u << any(8) : any(65536),
		.ndm_flags = any(4) ? 0 : any(256),
		.ndm_type = any(8) ? 0 : any(256),
	};
	int new = any(4);

	begin(new ? RTM_NEWNEIGH : RTM_DELNEIGH, any_flags(new), &ndm, sizeof(ndm));
	put_any_address(NDA_DST);
	if (any(4))
		put_any_address(NDA_LLADDR);
	if (!any(8))
		put_any_number(any(20), any(16));
	send_wild(NEIGHBOUR);
}

/* ---- ioctls ------------------------------------------------------------------ */

static void fill_any(void *data, size_t len)
{
	uint8_t *p = data;

	while (len--)
		*p++ = any(4) ? any(256) : 0;
}

static void set_any_sockaddr(struct sockaddr *sa, int link)
{
	struct sockaddr_in sin = {
		.sin_family = any(16) ? AF_INET : any(50),
		.sin_addr.s_addr = any_address(),
	};
	uint32_t mask = any(33);

	if (!any(4)) /* perhaps a netmask */
		sin.sin_addr.s_addr = mask ? htonl(~0u << (32 - mask)) : 0;
	memcpy(sa, &sin, sizeof(sin));
	if (link) {
		sa->sa_family = any(16) ? ARPHRD_TUNNEL : any(1000);
		memcpy(sa->sa_data, &sin.sin_addr, 4);
	}
}

static int route_ioctl(void)
{
	char name[IFNAMSIZ + 4];
	struct rtentry rt = {
		.rt_flags = any(2) ? RTF_UP : any(4) ? RTF_UP | RTF_GATEWAY : any(65536),
		.rt_metric = any(4),
		.rt_mtu = any(2000),
	};

	set_any_sockaddr(&rt.rt_dst, 0);
	set_any_sockaddr(&rt.rt_gateway, 0);
	set_any_sockaddr(&rt.rt_genmask, 0);
	if (any(2))
		rt.rt_flags |= RTF_HOST;
	memcpy(name, any_name(), sizeof(name));
	if (any(8))
		rt.rt_dev = name;
	return ioctl(udp, any(3) ? SIOCADDRT : SIOCDELRT, &rt);
}

static void sound_tunnel(struct ip_tunnel_parm *tunnel)
{
	tunnel->iph.version = 4;
	tunnel->iph.ihl = 5;
	tunnel->iph.protocol = any(2) ? IPPROTO_IPIP : 0;
	tunnel->iph.frag_off = any(2) ? htons(0x4000) : 0;
	tunnel->iph.saddr = any(2) ? any_address() : 0;
	tunnel->iph.daddr = any(4) ? any_address() : 0;
	tunnel->link = any(4) ? 0 : any(12);
}

static void wild_ioctl(void)
{
	static const int requests[] = {
		SIOCSIFADDR, SIOCSIFADDR, SIOCSIFDSTADDR, SIOCSIFDSTADDR,
		SIOCSIFNETMASK, SIOCSIFBRDADDR, SIOCDIFADDR, SIOCSIFMTU,
		SIOCSIFFLAGS, SIOCSIFFLAGS, SIOCSIFHWADDR, SIOCSIFHWBROADCAST,
		SIOCSIFNAME, SIOCSIFTXQLEN, SIOCGETTUNNEL, SIOCADDTUNNEL,
		SIOCCHGTUNNEL, SIOCDELTUNNEL, SIOCSIFMAP, SIOCSIFMETRIC,
		SIOCGIFADDR, SIOCGIFCONF, SIOCGIFHWADDR, SIOCGIFINDEX,
	};
	struct ip_tunnel_parm tunnel;
	int request = requests[any(COUNT_OF(requests))];
	struct ifreq ifr = {};

	if (!any(8)) {
		count(IOCTL, !route_ioctl());
		return;
	}
	if (!any(8))
		request = SIOCDEVPRIVATE + any(16);
	if (request == SIOCGIFCONF) /* takes another struct */
		request = SIOCGIFNAME;
	memcpy(ifr.ifr_name, any_name(), IFNAMSIZ);
	if (!any(8))
		snprintf(ifr.ifr_name, IFNAMSIZ, "%s:%u", names[any(names_count)],
			 any(3));
	switch (request) {
	case SIOCSIFNAME:
		memcpy(ifr.ifr_newname, any_name(), IFNAMSIZ);
		break;
	case SIOCSIFMTU:
	case SIOCSIFTXQLEN:
		ifr.ifr_mtu = any_number();
		break;
	case SIOCSIFFLAGS:
		ifr.ifr_flags = any(2) ? IFF_UP : any(65536);
		break;
	case SIOCSIFADDR ... SIOCSIFMETRIC:
	case SIOCSIFHWADDR:
	case SIOCSIFHWBROADCAST:
		set_any_sockaddr(&ifr.ifr_addr,
				 request == SIOCSIFHWADDR || request == SIOCSIFHWBROADCAST);
		break;
	default:
		fill_any(&tunnel, sizeof(tunnel));
		if (any(4))
			sound_tunnel(&tunnel);
		if (any(2))
			memcpy(tunnel.name, any_name(), IFNAMSIZ);
		ifr.ifr_data = any(8) ? (void *)&tunnel : (void *)8;
		break;
	}
	/* What follows a colon is a label's, and not looked at. */
	if (request == SIOCSIFNAME && *kept &&
	    !strncmp(ifr.ifr_name, kept, strlen(kept)))
		request = SIOCGIFINDEX;
	count(IOCTL, ioctl(udp, request, &ifr) >= 0);
}

static void wild_ethtool(void)
{
	static const uint32_t commands[] = {
		ETHTOOL_GDRVINFO, ETHTOOL_GSTRINGS, ETHTOOL_GSTATS,
		ETHTOOL_GSSET_INFO, ETHTOOL_GFEATURES, ETHTOOL_SFEATURES,
		ETHTOOL_GCOALESCE, ETHTOOL_SCOALESCE, ETHTOOL_GLINK,
		ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETHTOOL_STSO, ETHTOOL_SGSO,
		ETHTOOL_SGRO, ETHTOOL_SSG, ETHTOOL_STXCSUM, ETHTOOL_SRXCSUM,
		ETHTOOL_GPERMADDR, ETHTOOL_GRINGPARAM, ETHTOOL_GLINKSETTINGS,
		ETHTOOL_SLINKSETTINGS, ETHTOOL_GMSGLVL, ETHTOOL_GREGS,
		ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS, ETHTOOL_GTUNABLE,
	};
	static uint32_t data[16384];
	struct ifreq ifr = { .ifr_data = (void *)data };
	uint32_t i;

	for (i = 1; i < 16; i++)
		data[i] = any(2) ? any_number() : 0;
	data[0] = any(8) ? commands[any(COUNT_OF(commands))] : any(100);
	if (data[0] == ETHTOOL_GSTRINGS && any(2))
		data[1] = ETH_SS_STATS;
	if (data[0] == ETHTOOL_SFEATURES && any(2))
		data[1] = 2;
	memcpy(ifr.ifr_name, any_name(), IFNAMSIZ);
	count(ETHTOOL, ioctl(udp, SIOCETHTOOL, &ifr) >= 0);
}

/* ---- files ------------------------------------------------------------------- */

static const char *const values[] = {
	"auto", "peers", "any", "device", "ingress", "silent", "unreachable",
	"", "Auto", "auto ",
};

/* Which of the values are whose. */
static const struct sysctl {
	const char	*file;
	int		first;
	int		end;
} sysctls[] = {
	{ "/proc/sys/net/ipv4/ipip/accept", 0, 3 },
	{ "/proc/sys/net/ipv4/ipip/deliver", 3, 5 },
	{ "/proc/sys/net/ipv4/ipip/refuse", 5, 7 },
};

/* Up to 5000 bytes; often a value, whole or not. Returns how many. */
static size_t any_value(char *text)
{
	size_t len;

	len = sprintf(text, "%s", values[any(COUNT_OF(values))]);
	if (!any(4))
		text[len++] = '\n';
	if (!any(6) && len)
		text[any(len)] = any(4) ? any(256) : 0;
	if (!any(6))
		len = any(len + 1);
	if (!any(6)) {
		size_t more = any(16) ? any(20) : any(5000 - 20);

		memset(text + len, any(3) ? any(256) : 0, more);
		len += more;
	}
	return len;
}

static void wild_sysctl(void)
{
	int fd = open(sysctls[any(COUNT_OF(sysctls))].file, O_RDWR);
	int times = any(8) ? 1 : 3;
	char text[5100];
	int ok = 0;

	while (times--) {
		size_t len = any_value(text);
		off_t at = any(4) ? 0 : any(4) ? any(20) : any_number();

		if (any(4))
			ok |= pwrite(fd, text, len, at) >= 0;
		else
			ok |= pread(fd, text, len, at) >= 0;
	}
	count(SYSCTL, ok);
	close(fd);
}

static void wild_proc_read(void)
{
	const char *file = any(2) ? "/proc/net/ipip" : "/proc/net/tunl";
	int fd = open(file, O_RDONLY), times = any(4) + 1, ok = 0;
	char text[5000];

	while (times--) {
		size_t len = any(2) ? any(8) : any(sizeof(text));

		if (any(2))
			ok |= read(fd, text, len) >= 0;
		else
			ok |= pread(fd, text, len, any(4) ? any(500) : any_number()) >= 0;
	}
	count(PROC_READ, ok);
	close(fd);
}

static void wild_sysfs(void)
{
	static const char *const files[] = {
		"/sys/class/net/%s/mtu", "/sys/class/net/%s/flags",
		"/sys/class/net/%s/tx_queue_len", "/sys/class/net/%s/ifalias",
		"/sys/class/net/%s/gro_flush_timeout",
		"/sys/class/net/%s/napi_defer_hard_irqs",
		"/sys/class/net/%s/carrier", "/sys/class/net/%s/proto_down",
		"/sys/class/net/%s/threaded", "/sys/class/net/%s/address",
		"/sys/class/net/%s/broadcast", "/sys/class/net/%s/speed",
		"/sys/class/net/%s/queues/tx-0/xps_cpus",
		"/sys/class/net/%s/queues/rx-0/rps_cpus",
		"/proc/sys/net/ipv4/conf/%s/forwarding",
		"/proc/sys/net/ipv4/conf/%s/rp_filter",
		"/proc/sys/net/ipv4/conf/%s/promote_secondaries",
	};
	/* Before an open, whose success is the kernel's: the seed decides. */
	const char *name = names[any(names_count)], *file = files[any(COUNT_OF(files))];
	uint32_t number = any_number(), form = any(8), writes = any(4);
	char path[100], text[64];
	int fd, len;

	snprintf(path, sizeof(path), file, name);
	len = snprintf(text, sizeof(text), form > 4 ? "%d" : form > 2 ? "0x%x\n" :
		       form > 1 ? "%d x" : "-%u", number);
	fd = open(path, O_RDWR);
	if (fd < 0)
		fd = open(path, O_RDONLY);
	if (writes)
		count(SYSFS, write(fd, text, len) > 0);
	else
		count(SYSFS, read(fd, text, sizeof(text)) >= 0);
	close(fd);
}

/* What all of this is about: packets go on meanwhile. */
static void wild_packet(void)
{
	static const uint8_t data[4000];
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr.s_addr = any_address(),
	};

	count(PACKET, sendto(udp, data, any(4) ? any(1500) : any(sizeof(data)),
			     MSG_DONTWAIT, (void *)&to, sizeof(to)) > 0);
}

/* ---- wild -------------------------------------------------------------------- */

static int netlink_socket(void)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int on = 1;

	if (sock < 0 || connect(sock, (void *)&kernel, sizeof(kernel)) ||
	    setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) ||
	    setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)))
		die("netlink");
	return sock;
}

/* A namespace that ends with us, and a process to name it by. */
static void namespace_beside(void)
{
	char path[40], ready;
	int ends[2];

	if (pipe(ends))
		die("pipe");
	beside = fork();
	if (!beside) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) || write(ends[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	if (beside < 0 || read(ends[0], &ready, 1) != 1)
		die("namespace");
	close(ends[0]);
	close(ends[1]);
	snprintf(path, sizeof(path), "/proc/%d/ns/net", beside);
	namespaces[0] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	namespaces[1] = open(path, O_RDONLY | O_CLOEXEC);
	if (setns(namespaces[1], CLONE_NEWNET))
		die(path);
	sockets[1] = netlink_socket();
	if (setns(namespaces[0], CLONE_NEWNET))
		die("/proc/self/ns/net");
}

static void list_devices(int sock)
{
	indices_count = 0;
	begin(RTM_GETLINK, NLM_F_DUMP, &(struct ifinfomsg){}, sizeof(struct ifinfomsg));
	ask_with(sock, message.header.nlmsg_len);
}

/* Which there are; if too many, no longer. */
static void refresh(int which)
{
	int i, n = 0;

	list_devices(sockets[which]);
	for (i = 0; i < indices_count; i++)
		if (which ? indices[i] != 1 : !is_protected(indices[i]))
			indices[n++] = indices[i];
	indices_count = n;
	if (n <= DEVICES_MAX)
		return;

	for (i = 0; i < n; i++) {
		if (!which && indices[i] == kept_index)
			continue;
		begin(RTM_DELLINK, 0, &(struct ifinfomsg){ .ifi_index = indices[i] },
		      sizeof(struct ifinfomsg));
		ask(sockets[which]);
	}
	indices_count = 0;
}

static void prepare_wild(void)
{
	char name[IFNAMSIZ];
	unsigned int i;
	int n, ours;

	namespace_beside();
	if (*kept) {
		kept_index = if_nametoindex(kept);
		if (!kept_index)
			die(kept);
		for (i = 0; i < 3; i++)
			snprintf(names[names_count++], IFNAMSIZ, "%s", kept);
	}
	list_devices(sockets[0]);
	for (n = 0; n < indices_count; n++) {
		if (!if_indextoname(indices[n], name))
			continue;
		for (ours = 0, i = 0; i < names_count; i++)
			ours |= !strcmp(name, names[i]);
		if (!ours && protected_count < (int)COUNT_OF(protected))
			protected[protected_count++] = indices[n];
	}
}

static int wild(uint32_t times)
{
	static void (*const requests[])(void) = {
		wild_link, wild_link, wild_link, wild_link, wild_link, wild_link,
		wild_address, wild_address, wild_address, wild_route, wild_route,
		wild_route, wild_neighbour, wild_ioctl, wild_ioctl, wild_ioctl,
		wild_ethtool, wild_sysctl, wild_proc_read, wild_sysfs,
		wild_packet, wild_packet,
	};
	uint32_t i, made = 0, accepted = 0, denied = 0;

	prepare_wild();
	for (i = 0; i < times; i++) {
		if (i % 32 == 0) {
			refresh(1);
			refresh(0);
		}
		requests[any(COUNT_OF(requests))]();
	}
	for (i = 0; i < KINDS; i++) {
		made += tally[i].made;
		accepted += tally[i].accepted;
		denied += tally[i].denied;
		printf("%s made %u accepted %u denied %u mute %u\n", kind_names[i],
		       tally[i].made, tally[i].accepted, tally[i].denied,
		       tally[i].mute);
	}
	printf("all made %u accepted %u denied %u\n", made, accepted, denied);
	kill(beside, SIGKILL);
	return made != times;
}

/* ---- strict ------------------------------------------------------------------ */

#define STRICT_ADDRESS 0x0a000005 /* a pointopoint address */

/* A device as RTM_GETLINK tells it, and what it does not. */
struct device {
	uint32_t mtu, txqlen, address, broadcast, local, remote, link, fwmark;
	uint32_t encap, port, external;
	uint8_t ttl, tos, proto, pmtudisc;
	int pinned;
};

#define NOT_THERE 0xdeadbeef

static uint32_t pointopoint;
static const char *const strict_name = "strict";

static uint32_t attribute(const uint8_t *p, size_t left, int type, size_t *where)
{
	struct nlattr attr;
	uint32_t value;
	size_t at, len;

	for (at = 0; at + NLA_HDRLEN <= left; at += NLA_ALIGN(attr.nla_len)) {
		memcpy(&attr, p + at, sizeof(attr));
		if (attr.nla_len < NLA_HDRLEN || attr.nla_len > left - at)
			break;
		if ((attr.nla_type & NLA_TYPE_MASK) != type)
			continue;
		value = 0;
		len = attr.nla_len - NLA_HDRLEN;
		memcpy(low_bytes(&value, len < 4 ? len : 4),
		       p + at + NLA_HDRLEN, len < 4 ? len : 4);
		if (where) {
			where[0] = at + NLA_HDRLEN;
			where[1] = len;
		}
		return value;
	}
	if (where)
		where[1] = 0;
	return NOT_THERE;
}

/* 0, or an error: no such device. */
static int look(const char *name, struct device *dev)
{
	const uint8_t *p = answer.link + NLMSG_LENGTH(sizeof(struct ifinfomsg));
	size_t where[2], left;
	int error;

	begin(RTM_GETLINK, 0, &(struct ifinfomsg){}, sizeof(struct ifinfomsg));
	message.header.nlmsg_flags = NLM_F_REQUEST;
	put_string(IFLA_IFNAME, name);
	error = ask(sockets[0]);
	if (error || !answer.link_len)
		return error ? error : -ENODEV;

	left = answer.link_len - NLMSG_LENGTH(sizeof(struct ifinfomsg));
	dev->mtu = attribute(p, left, IFLA_MTU, NULL);
	dev->txqlen = attribute(p, left, IFLA_TXQLEN, NULL);
	dev->address = attribute(p, left, IFLA_ADDRESS, NULL);
	dev->broadcast = attribute(p, left, IFLA_BROADCAST, NULL);
	attribute(p, left, IFLA_LINKINFO, where);
	p += where[0];
	left = where[1];
	attribute(p, left, IFLA_INFO_DATA, where);
	p += where[0];
	left = where[1];
	dev->local = attribute(p, left, IFLA_IPTUN_LOCAL, NULL);
	dev->remote = attribute(p, left, IFLA_IPTUN_REMOTE, NULL);
	dev->ttl = attribute(p, left, IFLA_IPTUN_TTL, NULL);
	dev->tos = attribute(p, left, IFLA_IPTUN_TOS, NULL);
	dev->pmtudisc = attribute(p, left, IFLA_IPTUN_PMTUDISC, NULL);
	dev->link = attribute(p, left, IFLA_IPTUN_LINK, NULL);
	dev->proto = attribute(p, left, IFLA_IPTUN_PROTO, NULL);
	dev->fwmark = attribute(p, left, IFLA_IPTUN_FWMARK, NULL);
	dev->encap = attribute(p, left, IFLA_IPTUN_ENCAP_TYPE, NULL);
	dev->port = attribute(p, left, IFLA_IPTUN_ENCAP_DPORT, NULL);
	dev->external = attribute(p, left, IFLA_IPTUN_COLLECT_METADATA, NULL);
	return 0;
}

/* An MTU that follows its route does so when it likes. */
static int same(const struct device *a, const struct device *b)
{
	return a->txqlen == b->txqlen && a->address == b->address &&
	       a->broadcast == b->broadcast && a->local == b->local &&
	       a->remote == b->remote && a->ttl == b->ttl && a->tos == b->tos &&
	       a->pmtudisc == b->pmtudisc && a->link == b->link &&
	       a->proto == b->proto && a->fwmark == b->fwmark &&
	       a->encap == b->encap && a->port == b->port &&
	       a->external == b->external && (!a->pinned || a->mtu == b->mtu);
}

static void print_device(const char *what, const struct device *dev)
{
	printf("  %s: address %08x broadcast %08x local %08x remote %08x ", what,
	       ntohl(dev->address), ntohl(dev->broadcast), ntohl(dev->local),
	       ntohl(dev->remote));
	printf("link %u proto %u fwmark %u encap %u port %04x external %x ", dev->link,
	       dev->proto, dev->fwmark, dev->encap, dev->port, dev->external);
	printf("ttl %u tos %u pmtudisc %u txqlen %u mtu %u%s\n", dev->ttl, dev->tos,
	       dev->pmtudisc, dev->txqlen, dev->mtu, dev->pinned ? " pinned" : "");
}

struct change {
	int	data; /* in IFLA_INFO_DATA */
	int	type;
	size_t	len;
	uint32_t value;
};

static struct change any_change(void)
{
	static const struct change changes[] = {
		{ 1, IFLA_IPTUN_LOCAL, 4, 0 }, { 1, IFLA_IPTUN_REMOTE, 4, 0 },
		{ 1, IFLA_IPTUN_TTL, 1, 0 }, { 1, IFLA_IPTUN_TOS, 1, 0 },
		{ 1, IFLA_IPTUN_PMTUDISC, 1, 0 }, { 0, IFLA_ADDRESS, 4, 0 },
		{ 0, IFLA_BROADCAST, 4, 0 }, { 0, IFLA_MTU, 4, 0 },
		{ 0, IFLA_TXQLEN, 4, 0 }, { 1, IFLA_IPTUN_FWMARK, 4, 0 },
		{ 1, IFLA_IPTUN_LINK, 4, 0 }, { 1, IFLA_IPTUN_PROTO, 1, 0 },
		{ 1, IFLA_IPTUN_FLAGS, 2, 0 }, { 1, IFLA_IPTUN_ENCAP_TYPE, 2, 0 },
		{ 1, IFLA_IPTUN_COLLECT_METADATA, 0, 0 },
	};
	struct change change = changes[any(COUNT_OF(changes))];

	if (change.type == IFLA_IPTUN_ENCAP_TYPE && change.data)
		change.value = any(4) | (any(4) ? any(65536) << 16 : 0);
	else if (change.type == IFLA_IPTUN_PROTO && change.data && any(2))
		change.value = any(2) ? 0 : 137;
	else if (change.type == IFLA_MTU && !change.data)
		change.value = any(2) ? 60 + any(2000) : any_number();
	else if (change.len == 1)
		change.value = any(256);
	else if (change.type == IFLA_IPTUN_LINK && change.data)
		change.value = any(12);
	else if (change.type == IFLA_TXQLEN && !change.data)
		change.value = any(10000); /* how much is too much is the kernel's */
	else
		change.value = any_address();
	return change;
}

static void put_change(const struct change *change)
{
	uint32_t value = change->value;
	size_t info, data;

	if (!change->data) {
		put(change->type, low_bytes(&value, change->len), change->len);
		return;
	}
	info = put(IFLA_LINKINFO, NULL, 0);
	put_string(IFLA_INFO_KIND, "tunl");
	data = put(IFLA_INFO_DATA, NULL, 0);
	if (change->type == IFLA_IPTUN_ENCAP_TYPE)
		put_encap(change->value, change->value >> 16);
	else
		put(change->type, low_bytes(&value, change->len), change->len);
	nest_end(data);
	nest_end(info);
}

static void put_kind(void)
{
	size_t info = put(IFLA_LINKINFO, NULL, 0);

	put_string(IFLA_INFO_KIND, "tunl");
	nest_end(info);
}

static int unicast(uint32_t address)
{
	return !IN_MULTICAST(ntohl(address)) && address != INADDR_BROADCAST;
}

enum verdict { TAKEN = 0, REFUSED, REFUSED_WITH_TEXT };

static enum verdict foretell_address(struct device *dev, uint32_t local,
				     uint32_t remote)
{
	if (!unicast(local) || !unicast(remote) || (remote && local == remote))
		return REFUSED_WITH_TEXT;
	dev->local = local;
	dev->remote = remote;
	dev->address = local;
	dev->broadcast = remote ? remote : pointopoint;
	return TAKEN;
}

/* Changing an MTU has no place for a text of ours. */
static enum verdict foretell_mtu(struct device *dev, uint32_t value, int new)
{
	uint32_t most = 65515 - (dev->encap ? 4 + 4 * dev->encap : 0);

	if (value > most || (value && value < 68))
		return new || value > most ? REFUSED_WITH_TEXT : REFUSED;
	if (value != dev->mtu || new) {
		dev->pinned = value != 0;
		dev->mtu = value ? value : dev->mtu;
	}
	return TAKEN;
}

/* docs/configuration.md, in C. */
static enum verdict foretell(struct device *dev, const struct change *change, int new)
{
	uint32_t value = change->value;
	char name[IFNAMSIZ];

	switch (change->type | (change->data ? 0x100 : 0)) {
	case 0x100 | IFLA_IPTUN_LOCAL:
	case IFLA_ADDRESS:
		return foretell_address(dev, value, dev->remote);
	case 0x100 | IFLA_IPTUN_REMOTE:
		return foretell_address(dev, dev->local, value);
	case IFLA_BROADCAST: /* cannot be refused, only put back */
		if (value == dev->broadcast)
			return TAKEN;
		return foretell_address(dev, dev->local, value) && new ?
			REFUSED_WITH_TEXT : TAKEN;
	case 0x100 | IFLA_IPTUN_TTL:
		dev->ttl = value;
		return TAKEN;
	case 0x100 | IFLA_IPTUN_TOS:
		if (value != 1 && (value & 3))
			return REFUSED_WITH_TEXT;
		dev->tos = value;
		return TAKEN;
	case 0x100 | IFLA_IPTUN_PMTUDISC:
		dev->pmtudisc = !!value;
		return TAKEN;
	case 0x100 | IFLA_IPTUN_LINK:
		if (value && value != dev->link &&
		    (!if_indextoname(value, name) || (!new && !strcmp(name, strict_name))))
			return REFUSED_WITH_TEXT;
		dev->link = value;
		return TAKEN;
	case 0x100 | IFLA_IPTUN_PROTO:
		if (value && value != IPPROTO_IPIP && value != IPPROTO_MPLS)
			return REFUSED_WITH_TEXT;
		dev->proto = value;
		return TAKEN;
	case 0x100 | IFLA_IPTUN_ENCAP_TYPE:
		if ((value & 0xffff) > TUNNEL_ENCAP_GUE ||
		    ((value & 0xffff) && !(value >> 16)))
			return REFUSED_WITH_TEXT;
		dev->encap = value & 0xffff;
		dev->port = value >> 16;
		return TAKEN;
	case 0x100 | IFLA_IPTUN_COLLECT_METADATA:
		if (!new)
			return REFUSED_WITH_TEXT;
		dev->external = 0;
		return TAKEN;
	case 0x100 | IFLA_IPTUN_FWMARK:
		dev->fwmark = value;
		return TAKEN;
	case IFLA_TXQLEN:
		dev->txqlen = value;
		return TAKEN;
	case IFLA_MTU:
		return foretell_mtu(dev, value, new);
	}
	return REFUSED_WITH_TEXT;
}

/* What the kernel answered to a change, kept while it is looked at. */
static char said[200];

static int ask_change(enum kind kind)
{
	int error = ask(sockets[0]);

	count_answer(kind);
	snprintf(said, sizeof(said), "%d \"%s\"", error, answer.text);
	return error;
}

static int wrong(const char *what, const struct change *change,
		 const struct device *expected, const struct device *found)
{
	printf("%s: %s%d value %08x, answer %s\n", what,
	       change->data ? "IFLA_IPTUN_" : "IFLA_", change->type,
	       ntohl(change->value), said);
	if (expected) {
		print_device("expected", expected);
		print_device("found", found);
	}
	return 1;
}

static int strict_change(struct device *dev)
{
	struct change change = any_change();
	struct device before = *dev, found = {};
	enum verdict verdict;
	int error;

	look(strict_name, &found);
	if (!same(dev, &found))
		return wrong("changed by itself, before", &change, dev, &found);
	dev->mtu = found.mtu;
	before.mtu = found.mtu;
	verdict = foretell(dev, &change, 0);

	begin(RTM_NEWLINK, 0, &(struct ifinfomsg){}, sizeof(struct ifinfomsg));
	put_string(IFLA_IFNAME, strict_name);
	put_change(&change);
	error = ask_change(LINK_SET);
	if (!error != !verdict)
		return wrong(error ? "refused" : "accepted", &change, NULL, NULL);
	if (verdict == REFUSED_WITH_TEXT && !answer.text[0])
		return wrong("refused without a text", &change, NULL, NULL);

	error = look(strict_name, &found);
	if (error || (verdict != TAKEN && !same(&before, &found)))
		return wrong("refused, and changed something", &change, &before, &found);
	if (!same(dev, &found))
		return wrong("accepted, and does not read back", &change, dev, &found);
	return 0;
}

static int strict_create(void)
{
	struct device dev = {
		.ttl = 64, .tos = 1, .pmtudisc = 1, .proto = IPPROTO_IPIP,
		.txqlen = 1000, .mtu = 1480, .external = NOT_THERE
	};
	uint32_t was = pointopoint;
	struct device found = {};
	struct change change = any_change();
	enum verdict verdict;
	int error;

	pointopoint = 0; /* is the other device's */
	verdict = foretell(&dev, &change, 1);
	pointopoint = was;
	begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){},
	      sizeof(struct ifinfomsg));
	put_string(IFLA_IFNAME, "strict2");
	if (!change.data)
		put_kind();
	put_change(&change);
	error = ask_change(LINK_NEW);
	if (!error != !verdict)
		return wrong(error ? "creation refused" : "created", &change, NULL, NULL);
	if (error && !answer.text[0])
		return wrong("creation refused without a text", &change, NULL, NULL);
	if (!look("strict2", &found) != !error)
		return wrong(error ? "refused, and made" : "not made", &change, NULL, NULL);
	if (error)
		return 0;
	if (!same(&dev, &found))
		return wrong("made otherwise", &change, &dev, &found);

	begin(RTM_DELLINK, 0, &(struct ifinfomsg){}, sizeof(struct ifinfomsg));
	put_string(IFLA_IFNAME, "strict2");
	if (ask(sockets[0]) || look("strict2", &found) != -ENODEV)
		return wrong("not deleted", &change, NULL, NULL);
	return 0;
}

/* The pointopoint address comes or goes. */
static int strict_pointopoint(struct device *dev)
{
	struct ifaddrmsg ifa = {
		.ifa_family = AF_INET, .ifa_prefixlen = 32,
		.ifa_index = if_nametoindex(strict_name),
	};
	int error;

	begin(pointopoint ? RTM_DELADDR : RTM_NEWADDR, NLM_F_CREATE, &ifa,
	      sizeof(ifa));
	put_u32(IFA_LOCAL, htonl(0xc0000201));
	put_u32(IFA_ADDRESS, htonl(STRICT_ADDRESS));
	error = ask(sockets[0]);
	count_answer(ADDRESS);
	if (error) {
		printf("pointopoint address: answer %d %s\n", error, answer.text);
		return 1;
	}
	pointopoint = pointopoint ? 0 : htonl(STRICT_ADDRESS);
	dev->broadcast = dev->remote ? dev->remote : pointopoint;
	return 0;
}

/* Whether a sysctl takes a text, and if so which of its values. */
static int strict_sysctl(void)
{
	const struct sysctl *sysctl = &sysctls[any(COUNT_OF(sysctls))];
	int fd = open(sysctl->file, O_RDWR), ok, valid = 0, i, wrote;
	char text[5100], before[20] = "", after[20] = "", first[5100] = "";
	size_t len = any_value(text);

	if (!len)
		text[len++] = '\n';
	memcpy(first, text, len);
	first[strcspn(first, "\n")] = '\0';
	for (i = sysctl->first; i < sysctl->end; i++)
		valid |= !strcmp(first, values[i]);
	ok = pread(fd, before, sizeof(before) - 1, 0) > 0;
	wrote = pwrite(fd, text, len, 0) > 0;
	count(SYSCTL, wrote);
	ok = ok && wrote == valid && pread(fd, after, sizeof(after) - 1, 0) > 0;
	after[strcspn(after, "\n")] = '\0';
	before[strcspn(before, "\n")] = '\0';
	close(fd);
	if (ok && !strcmp(after, valid ? first : before))
		return 0;
	for (i = 0; first[i]; i++)
		if (first[i] < ' ' || first[i] > '~')
			first[i] = '?';
	printf("%s: was %s, wrote \"%.40s\": %s, is %s\n", sysctl->file, before,
	       first, wrote ? "accepted" : "refused", after);
	return 1;
}

static int strict(uint32_t times)
{
	struct device dev;
	int failures = 0;
	uint32_t i;

	begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){
		.ifi_flags = IFF_UP, .ifi_change = IFF_UP }, sizeof(struct ifinfomsg));
	put_string(IFLA_IFNAME, strict_name);
	put_kind();
	if (ask(sockets[0]) || look(strict_name, &dev)) {
		printf("device %s: %s\n", strict_name, strerror(-answer.error));
		return 2;
	}
	dev.pinned = 0;
	for (i = 0; i < times && failures < 10; i++) {
		int failed;

		switch (any(16)) {
		case 0:
		case 1:
			failed = strict_create();
			break;
		case 2:
			failed = strict_pointopoint(&dev);
			break;
		case 3:
			failed = strict_sysctl();
			break;
		default:
			failed = strict_change(&dev);
			break;
		}
		/* from what there is now, so that one failure is one line */
		if (failed && look(strict_name, &dev))
			break;
		failures += failed;
	}
	printf("changes %u accepted %u, creations %u accepted %u, sysctl %u accepted %u; mute %u\n",
	       tally[LINK_SET].made, tally[LINK_SET].accepted,
	       tally[LINK_NEW].made, tally[LINK_NEW].accepted,
	       tally[SYSCTL].made, tally[SYSCTL].accepted,
	       tally[LINK_SET].mute + tally[LINK_NEW].mute);
	return failures > 0;
}

int main(int argc, char **argv)
{
	uint32_t times;

	if (argc < 4) {
		fprintf(stderr, "requests: three arguments, see its source\n");
		return 2;
	}
	state = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15ull | 1;
	times = strtoul(argv[3], NULL, 0);
	if (argc > 4)
		kept = argv[4];
	sockets[0] = netlink_socket();
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return strcmp(argv[1], "strict") ? wild(times) : strict(times);
}
