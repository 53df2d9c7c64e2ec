// SPDX-License-Identifier: GPL-2.0
/*
 * One operation again and again, in which the first allocation fails, then the second,
 * and so on, until it has so few that none fails.  After each refusal nothing may be
 * left of it; after each success it is undone.
 *
 *   nth load FILE MODULE | netns | link KIND | encap KIND | change NAME |
 *       address NAME | up NAME | packet | gateway KIND
 *
 * Addresses are those of tests/fail-nth.sh.  Prints how many allocations failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct request {
	struct nlmsghdr head;
	char body[1024];
};

/* An answer that there was no memory for: what was asked for may have been done. */
#define UNKNOWN 10000

static int self, sock, file, home, udp;
static const char *name, *module;
static struct request make, unmake, ask;
static char config[4096];
static ssize_t config_len;

static void die(const char *what, unsigned int n, int err)
{
	printf("allocation %u: %s (%s)\n", n, what, strerror(err));
	exit(1);
}

/* ---- netlink ------------------------------------------------------------- */

static void *grow(struct request *req, size_t len)
{
	void *end = (char *)req + NLMSG_ALIGN(req->head.nlmsg_len);

	req->head.nlmsg_len = NLMSG_ALIGN(req->head.nlmsg_len) + len;
	return end;
}

static void begin(struct request *req, int type, int flags, const void *what,
		  size_t len)
{
	memset(req, 0, sizeof(*req));
	req->head.nlmsg_len = NLMSG_HDRLEN;
	req->head.nlmsg_type = type;
	req->head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	memcpy(grow(req, len), what, len);
}

static struct rtattr *attribute(struct request *req, int type, const void *data,
				size_t len)
{
	struct rtattr *attr = grow(req, RTA_LENGTH(len));

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
	return attr;
}

static void end_nest(struct request *req, struct rtattr *nest)
{
	nest->rta_len = (char *)req + req->head.nlmsg_len - (char *)nest;
}

static int address(struct request *req, int type, const char *text)
{
	struct in_addr in;

	inet_pton(AF_INET, text, &in);
	return !attribute(req, type, &in, sizeof(in));
}

/* The error of the kernel's, or UNKNOWN. */
static int answer(void)
{
	char buffer[8192];
	struct nlmsghdr *head = (void *)buffer;
	ssize_t len = recv(sock, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (len < 0 || head->nlmsg_type != NLMSG_ERROR)
		return UNKNOWN;
	return -((struct nlmsgerr *)NLMSG_DATA(head))->error;
}

static int tell(struct request *req)
{
	if (send(sock, &req->head, req->head.nlmsg_len, 0) < 0)
		return errno;
	return 0;
}

/* ---- requests ------------------------------------------------------------ */

static void link_request(struct request *req, int flags, const char *device,
			 const char *kind, const char *remote, __u16 encap)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	__u16 port = encap ? htons(5555) : 0;
	struct rtattr *outer, *inner;

	begin(req, RTM_NEWLINK, flags, &info, sizeof(info));
	attribute(req, IFLA_IFNAME, device, strlen(device) + 1);
	outer = attribute(req, IFLA_LINKINFO, NULL, 0);
	attribute(req, IFLA_INFO_KIND, kind, strlen(kind));
	inner = attribute(req, IFLA_INFO_DATA, NULL, 0);
	address(req, IFLA_IPTUN_REMOTE, remote);
	attribute(req, IFLA_IPTUN_ENCAP_TYPE, &encap, sizeof(encap));
	attribute(req, IFLA_IPTUN_ENCAP_DPORT, &port, sizeof(port));
	end_nest(req, inner);
	end_nest(req, outer);
}

static void name_request(struct request *req, int type, const char *device)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };

	begin(req, type, 0, &info, sizeof(info));
	attribute(req, IFLA_IFNAME, device, strlen(device) + 1);
}

static void address_request(struct request *req, int type, int flags)
{
	struct ifaddrmsg info = {
		.ifa_family = AF_INET, .ifa_prefixlen = 32,
		.ifa_index = if_nametoindex(name),
	};

	begin(req, type, flags, &info, sizeof(info));
	address(req, IFA_LOCAL, "10.9.0.1");
	address(req, IFA_ADDRESS, "10.0.0.2");
}

static void route_request(struct request *req, int type, int flags)
{
	struct rtmsg info = {
		.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_BLACKHOLE,
	};

	begin(req, type, flags, &info, sizeof(info));
	address(req, RTA_DST, "192.0.2.99");
}

static void up_request(struct request *req, const char *device, int up)
{
	struct ifinfomsg info = {
		.ifi_family = AF_UNSPEC, .ifi_flags = up, .ifi_change = IFF_UP,
	};

	begin(req, RTM_NEWLINK, 0, &info, sizeof(info));
	attribute(req, IFLA_IFNAME, device, strlen(device) + 1);
}

static void gateway_request(struct request *req, int oif)
{
	struct rtmsg info = {
		.rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_UNICAST,
		.rtm_flags = RTNH_F_ONLINK,
	};

	begin(req, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
	address(req, RTA_DST, "10.9.0.3");
	address(req, RTA_GATEWAY, "10.0.0.2");
	attribute(req, RTA_OIF, &oif, sizeof(oif));
}

/* ---- the operations ------------------------------------------------------ */

static int do_load(void)
{
	return syscall(SYS_finit_module, file, "", 0) ? errno : 0;
}

static int undo_load(void)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK) ? errno : 0;
}

static int is_loaded(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

static int do_netns(void)
{
	return syscall(SYS_unshare, CLONE_NEWNET) ? errno : 0;
}

static int undo_netns(void)
{
	return syscall(SYS_setns, home, CLONE_NEWNET) ? errno : 0;
}

static int is_elsewhere(void)
{
	char here[64] = "", there[64] = "", path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", home);
	return readlink("/proc/self/ns/net", here, 63) < 0 ||
	       readlink(path, there, 63) < 0 || strcmp(here, there);
}

static int do_make(void)
{
	return tell(&make);
}

static int undo_make(void)
{
	return tell(&unmake) ?: answer();
}

static int is_link(void)
{
	return if_nametoindex("nth0") != 0;
}

static int is_address(void)
{
	struct ifaddrs *all, *one;
	int found = 0;

	if (getifaddrs(&all))
		return 1;
	for (one = all; one; one = one->ifa_next)
		found |= !strcmp(one->ifa_name, name) && one->ifa_addr &&
			 one->ifa_addr->sa_family == AF_INET;
	freeifaddrs(all);
	return found;
}

/* What the kernel says of the device's configuration. */
static ssize_t read_config(char *into, size_t size)
{
	char buffer[16384];
	struct nlmsghdr *head = (void *)buffer;
	struct rtattr *attr;
	ssize_t len;
	int left;

	if (tell(&ask))
		return -1;
	len = recv(sock, buffer, sizeof(buffer), 0);
	if (len < 0 || head->nlmsg_type != RTM_NEWLINK)
		return -1;
	left = head->nlmsg_len - NLMSG_LENGTH(sizeof(struct ifinfomsg));
	attr = (void *)((char *)NLMSG_DATA(head) + sizeof(struct ifinfomsg));
	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
		if (attr->rta_type == IFLA_LINKINFO && RTA_PAYLOAD(attr) <= size) {
			memcpy(into, RTA_DATA(attr), RTA_PAYLOAD(attr));
			return RTA_PAYLOAD(attr);
		}
	return -1;
}

static int is_changed(void)
{
	char now[sizeof(config)];
	ssize_t len = read_config(now, sizeof(now));

	return len != config_len || memcmp(now, config, len);
}

static int aim(const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

	inet_pton(AF_INET, text, &to.sin_addr);
	return connect(udp, (void *)&to, sizeof(to)) ? errno : 0;
}

static int do_packet(void)
{
	return send(udp, "first", 5, 0) == 5 ? 0 : errno;
}

static int undo_packet(void)
{
	/* A new route: those that are remembered count no more. */
	int err = tell(&make) ?: answer();

	return err ?: tell(&unmake) ?: answer();
}

static int is_up(void)
{
	struct ifreq req = {};

	snprintf(req.ifr_name, IFNAMSIZ, "%s", name);
	if (ioctl(udp, SIOCGIFFLAGS, &req))
		die("cannot read its flags", 0, errno);
	return req.ifr_flags & IFF_UP;
}

/* A device that is there sends, whatever it has had no memory for. */
static int undo_gateway(void)
{
	char sent[16] = "";
	int fd, err;

	up_request(&ask, "nth0", IFF_UP);
	err = tell(&ask) ?: answer();
	if (err)
		return err;
	gateway_request(&ask, if_nametoindex("nth0"));
	err = tell(&ask) ?: answer();
	if (err)
		return err;
	err = aim("10.9.0.3") ?: do_packet();
	if (err)
		return err;
	fd = open("/sys/class/net/nth0/statistics/tx_packets", O_RDONLY);
	if (read(fd, sent, sizeof(sent) - 1) < 0 || atoi(sent) != 1)
		die("it does not send", 0, 0);
	close(fd);
	return undo_make();
}

static int never(void)
{
	return 0;
}

/* ---- setting up ---------------------------------------------------------- */

struct operation {
	const char *name;
	int (*act)(void);
	int (*undo)(void);
	int (*there)(void);
	int answers;
};

static const struct operation operations[] = {
	{ "load", do_load, undo_load, is_loaded, 0 },
	{ "netns", do_netns, undo_netns, is_elsewhere, 0 },
	{ "link", do_make, undo_make, is_link, 1 },
	{ "encap", do_make, undo_make, is_link, 1 },
	{ "change", do_make, undo_make, is_changed, 1 },
	{ "address", do_make, undo_make, is_address, 1 },
	{ "up", do_make, undo_make, is_up, 1 },
	{ "packet", do_packet, undo_packet, never, 0 },
	{ "gateway", do_make, undo_gateway, is_link, 1 },
};

static void set_up(const char *what, char **argv)
{
	const int create = NLM_F_CREATE | NLM_F_EXCL;
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };

	name = argv[0];
	if (!strcmp(what, "load")) {
		file = open(argv[0], O_RDONLY);
		module = argv[1];
	} else if (!strcmp(what, "link") || !strcmp(what, "encap")) {
		link_request(&make, create, "nth0", name, "10.0.0.2",
			     strcmp(what, "encap") ? TUNNEL_ENCAP_NONE : TUNNEL_ENCAP_FOU);
		name_request(&unmake, RTM_DELLINK, "nth0");
	} else if (!strcmp(what, "change")) {
		link_request(&make, 0, name, argv[1], "10.0.0.9", TUNNEL_ENCAP_FOU);
		link_request(&unmake, 0, name, argv[1], "10.0.0.2", TUNNEL_ENCAP_NONE);
		begin(&ask, RTM_GETLINK, 0, &info, sizeof(info));
		ask.head.nlmsg_flags = NLM_F_REQUEST;
		attribute(&ask, IFLA_IFNAME, name, strlen(name) + 1);
		config_len = read_config(config, sizeof(config));
	} else if (!strcmp(what, "address")) {
		address_request(&make, RTM_NEWADDR, create);
		address_request(&unmake, RTM_DELADDR, 0);
	} else if (!strcmp(what, "up")) {
		up_request(&make, name, IFF_UP);
		up_request(&unmake, name, 0);
	} else if (!strcmp(what, "gateway")) {
		link_request(&make, create, "nth0", name, "0.0.0.0", TUNNEL_ENCAP_NONE);
		name_request(&unmake, RTM_DELLINK, "nth0");
	} else if (!strcmp(what, "packet")) {
		route_request(&make, RTM_NEWROUTE, create);
		route_request(&unmake, RTM_DELROUTE, 0);
		if (aim("10.9.0.2"))
			die("connect", 0, errno);
	}
}

/* ---- each in turn -------------------------------------------------------- */

static void arm(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(self, text, len, 0) != len)
		die("cannot write fail-nth", n, errno);
}

static unsigned int armed(void)
{
	char text[16] = "";

	if (pread(self, text, sizeof(text) - 1, 0) < 0)
		die("cannot read fail-nth", 0, errno);
	return strtoul(text, NULL, 10);
}

static int attempt(const struct operation *op, unsigned int n)
{
	unsigned int left;
	int err;

	arm(n);
	err = op->act();
	left = armed();
	arm(0);
	if (!err && op->answers)
		err = answer();
	if (err == UNKNOWN)
		err = op->there() ? 0 : ENOMEM;
	if (!err) {
		err = op->undo();
		if (err)
			die("it cannot be undone", n, err);
	} else if (left) {
		die("refused, and no allocation had failed", n, err);
	}
	if (op->there())
		die("something is left of it", n, err);
	return left != 0;
}

int main(int argc, char **argv)
{
	const struct operation *op = operations;
	const struct operation *end = op + sizeof(operations) / sizeof(*op);
	unsigned int n = 1;

	while (argc > 1 && op < end && strcmp(op->name, argv[1]))
		op++;
	self = open("/proc/self/fail-nth", O_RDWR);
	home = open("/proc/self/ns/net", O_RDONLY);
	sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (argc < 2 || op == end || self < 0 || home < 0 || sock < 0 || udp < 0) {
		perror("nth");
		return 2;
	}
	set_up(op->name, argv + 2);
	if (mlockall(MCL_CURRENT))
		die("mlockall", 0, errno);
	while (!attempt(op, n))
		n++;
	printf("%u allocations failed\n", n - 1);
	return 0;
}
