// SPDX-License-Identifier: GPL-2.0
/*
 * Packets as an attacker, or a broken machine, would make them.
 *
 *   hostile DEVICE MODE SEED COUNT OUTER-SRC OUTER-DST INNER-SRC INNER-DST MAC
 *
 * MODE:
 *   wrapped   Ethernet frames on DEVICE: a sound outer header of protocol 4, and
 *             inside a packet of which anything may be wrong
 *   pieces    the same in two to six fragments, now and then the last one first
 *   outer     the same with the outer header mutated too: length, options,
 *             fragments, nesting; checksum made right again
 *   fou       what "wrapped" has, behind a sound UDP header for port 5555
 *   gue       the same for port 5556, behind a GUE header of which anything may be
 *             wrong, options included
 *   labels    protocol 137, with one to twelve labels, the last one cut short at times
 *   icmp      ICMP errors from OUTER-DST to OUTER-SRC that quote such packets
 *   inner     IPv4 packets of which anything may be wrong, handed to DEVICE
 *   gso       the same with a virtio-net header that lies about segments and
 *             checksums
 *
 * DEVICE is an interface, or tap:NAME for one that is a tap: then what it would
 * receive, in memory of up to six pieces cut at any byte.
 *
 * The same seed makes the same packets. Prints how many the kernel took; one
 * that it refuses is not counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PIECES_MAX 6
#define FRAME_MAX 4096

static uint64_t state;
static uint32_t outer_src, outer_dst, inner_src, inner_dst;

/* xorshift64*: the same everywhere */
static uint32_t any(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 2685821657736338717ull) >> 33) % below;
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;
	size_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	if (len & 1)
		sum += p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void ip_header(uint8_t *p, uint32_t src, uint32_t dst, int proto,
		      int ihl, int len)
{
	struct iphdr iph = {
		.version = 4, .ihl = ihl, .tot_len = htons(len), .ttl = 64,
		.id = htons(any(65536)), .protocol = proto, .saddr = src,
		.daddr = dst,
	};

	memset(p, 1, ihl * 4); /* no-operation options */
	memcpy(p, &iph, sizeof(iph));
	memcpy(p + 10, &(uint16_t){ checksum(p, ihl * 4) }, 2);
}

static const uint8_t interesting[] = { 0, 1, 4, 0x40, 0x44, 0x45, 0x4f, 0x54,
				       0x7f, 0x80, 0xff };

/* Change bytes, mostly of the header, mostly to something that matters. */
static void mutate(uint8_t *p, int len)
{
	int times = any(4), at;

	while (times--) {
		at = any(4) ? any(len < 28 ? len : 28) : any(len);
		p[at] = any(2) ? interesting[any(sizeof(interesting))] : any(256);
	}
}

/* An inner packet, sound two times in five. Never of protocol 4: it would count twice. */
static int build_inner(uint8_t *p)
{
	static const uint8_t protos[] = { 1, 6, 17, 41, 47, 50, 253 };
	int ihl = any(8) ? 5 : 5 + any(11);
	int len = ihl * 4 + (any(16) ? any(64) : any(1400));
	int i;

	for (i = ihl * 4; i < len; i++)
		p[i] = any(256);
	ip_header(p, inner_src, inner_dst, protos[any(sizeof(protos))], ihl,
		  len);
	if (any(5) > 1) {
		mutate(p, len);
		if (any(2)) {
			p[10] = 0;
			p[11] = 0;
			ihl = (p[0] & 15) * 4;
			if (ihl <= len)
				memcpy(p + 10, &(uint16_t){ checksum(p, ihl) }, 2);
		}
		if (!any(4))
			len = any(len + 1);
	}
	if (len > 9 && p[9] == IPPROTO_IPIP)
		p[9] = 253;
	return len;
}

static int build_wrapped(uint8_t *p)
{
	int len = 20 + build_inner(p + 20);

	ip_header(p, outer_src, outer_dst, IPPROTO_IPIP, 5, len);
	return len;
}

static int build_outer(uint8_t *p)
{
	int header = any(4) ? 20 : 4 * (5 + any(11));
	int len = header + build_inner(p + header);

	ip_header(p, outer_src, outer_dst, IPPROTO_IPIP, header / 4, len);
	if (!any(3)) { /* a fragment */
		p[6] = any(2) ? 0x20 | any(2) : any(32);
		p[7] = any(8) ? any(4) : any(256);
	}
	if (!any(8) && len > header + 28)
		p[header + 9] = IPPROTO_IPIP;
	if (!any(4))
		mutate(p + 1, 10);
	p[10] = 0;
	p[11] = 0;
	memcpy(p + 10, &(uint16_t){ checksum(p, header) }, 2);
	return any(8) ? len : (int)any(len + 1);
}

/* Behind the outer header there are @len bytes, UDP's included. */
static int wrap_udp(uint8_t *p, int port, int len)
{
	struct udphdr udp = {
		.source = htons(any(65536)), .dest = htons(port),
		.len = htons(len)
	};

	memcpy(p + 20, &udp, sizeof(udp));
	ip_header(p, outer_src, outer_dst, IPPROTO_UDP, 5, 20 + len);
	return 20 + len;
}

static int build_fou(uint8_t *p)
{
	return wrap_udp(p, 5555, 8 + build_inner(p + 28));
}

static int build_gue(uint8_t *p)
{
	int words = any(4) ? 0 : any(8), header = 4 + 4 * words, len, i;

	len = header + build_inner(p + 28 + header);
	p[28] = words;
	p[29] = any(8) ? IPPROTO_IPIP : any(256);
	p[30] = 0;
	p[31] = words ? any(2) : 0;
	for (i = 32; i < 28 + header; i++)
		p[i] = any(2) ? 0x80 : any(256);
	if (!any(3))
		mutate(p + 28, header);
	/* within what is UDP's: what is not is not taken */
	return wrap_udp(p, 5556, 8 + len);
}

static int build_labels(uint8_t *p)
{
	int labels = 1 + any(any(2) ? 2 : 12), len = 20 + 4 * labels, i;

	for (i = 0; i < labels; i++) {
		uint32_t entry = htonl(any(any(2) ? 40 : 1 << 20) << 12 |
				       (i == labels - 1) << 8 | any(256));

		memcpy(p + 20 + 4 * i, &entry, 4);
	}
	len += build_inner(p + len);
	if (!any(4))
		mutate(p + 20, len - 20);
	if (!any(8))
		len = 20 + any(len - 20);
	ip_header(p, outer_src, outer_dst, 137, 5, len);
	return len;
}

/* Header, ICMP, quote of outer and inner. */
static int build_icmp(uint8_t *p)
{
	static const uint8_t types[] = { 3, 3, 3, 5, 11, 12, 42 };
	int header = any(10) ? 20 : 24;
	int quote = header + build_inner(p + 28 + header);
	int i, len;

	ip_header(p + 28, outer_src, outer_dst, IPPROTO_IPIP, header / 4, quote);
	if (any(2))
		p[28 + 6] |= 0x40;
	if (!any(3))
		mutate(p + 28, quote);
	if (!any(3))
		quote = any(quote + 1);

	for (i = 20; i < 28; i++)
		p[i] = any(3) ? 0 : any(256);
	p[20] = types[any(sizeof(types))];
	p[21] = any(17);
	p[22] = 0;
	p[23] = 0;
	len = 28 + quote;
	ip_header(p, outer_dst, outer_src, IPPROTO_ICMP, 5, len);
	if (any(10))
		memcpy(p + 22, &(uint16_t){ checksum(p + 20, len - 20) }, 2);
	return len;
}

/* In front of the packet, for the kernel to believe. */
static void lie(struct virtio_net_hdr *vnet)
{
	static const uint8_t types[] = { 0, 1, 3, 4, 5, 0x81 };

	vnet->flags = any(2);
	vnet->gso_type = types[any(sizeof(types))];
	vnet->gso_size = any(2) ? any(1500) : any(65536);
	vnet->hdr_len = any(4) ? 54 : any(200);
	vnet->csum_start = any(4) ? 20 : any(100);
	vnet->csum_offset = any(2) ? 16 : any(100);
}

static const struct mode {
	const char	*name;
	int		(*build)(uint8_t *packet);
	int		ether;	/* frames with an Ethernet header */
	int		gso;
} modes[] = {
	{ .name = "wrapped", .build = build_wrapped, .ether = 1 },
	{ .name = "pieces", .build = build_wrapped, .ether = 1 },
	{ .name = "outer", .build = build_outer, .ether = 1 },
	{ .name = "fou", .build = build_fou, .ether = 1 },
	{ .name = "gue", .build = build_gue, .ether = 1 },
	{ .name = "labels", .build = build_labels, .ether = 1 },
	{ .name = "icmp", .build = build_icmp, .ether = 1 },
	{ .name = "inner", .build = build_inner },
	{ .name = "gso", .build = build_inner, .gso = 1 },
	{ }
};

static int sock, tap;
static struct sockaddr_ll to = { .sll_family = AF_PACKET };

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void open_tap(const char *name)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_NAPI | IFF_NAPI_FRAGS,
	};

	tap = 1;
	sock = open("/dev/net/tun", O_RDWR);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (sock < 0 || ioctl(sock, TUNSETIFF, &ifr))
		fail(name);
}

static void open_socket(const char *name, const struct mode *mode)
{
	int on = 1;

	sock = socket(AF_PACKET, mode->ether || mode->gso ? SOCK_RAW :
							    SOCK_DGRAM, 0);
	to.sll_ifindex = if_nametoindex(name);
	to.sll_protocol = htons(ETH_P_IP);
	if (sock < 0 || !to.sll_ifindex)
		fail(name);
	if (mode->gso &&
	    setsockopt(sock, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)))
		fail("PACKET_VNET_HDR");
}

/* True if the kernel took all of it. */
static int put(uint8_t *frame, int len)
{
	struct iovec iov[PIECES_MAX];
	int at = 0, n = 0;

	if (!tap)
		return sendto(sock, frame, len, 0, (void *)&to,
			      sizeof(to)) == len;

	/* the tap wants all of the Ethernet header in the first */
	iov[n].iov_base = frame;
	iov[n].iov_len = 14 + any(any(2) ? 8 : 60);
	while (at + (int)iov[n].iov_len < len && n < PIECES_MAX - 1) {
		at += iov[n].iov_len;
		n++;
		iov[n].iov_base = frame + at;
		iov[n].iov_len = 1 + any(any(2) ? 40 : 600);
	}
	if (n == PIECES_MAX - 1 || at + (int)iov[n].iov_len > len)
		iov[n].iov_len = len - at;
	return writev(sock, iov, n + 1) == len;
}

/* An IPv4 packet without options, behind an Ethernet header of @link bytes. */
static int put_pieces(const uint8_t *frame, int link, int len, int id)
{
	int payload = len - link - 20, cuts[PIECES_MAX + 1] = {}, n = 0;
	int last_first = any(2), ok = 1, at, size, i;
	uint8_t piece[FRAME_MAX], *p = piece + link;

	while (n < PIECES_MAX - 1 && cuts[n] + 8 < payload) {
		cuts[n + 1] = cuts[n] + 8 * (1 + any(payload / 16 + 1));
		if (cuts[n + 1] >= payload)
			break;
		n++;
	}
	cuts[++n] = payload;

	for (i = 0; i < n; i++) {
		at = last_first ? n - 1 - i : i;
		size = cuts[at + 1] - cuts[at];
		memcpy(piece, frame, link);
		memcpy(p + 20, frame + link + 20 + cuts[at], size);
		ip_header(p, outer_src, outer_dst, IPPROTO_IPIP, 5, 20 + size);
		p[4] = id >> 8;
		p[5] = id;
		p[6] = cuts[at] >> 11 | (at < n - 1 ? 0x20 : 0);
		p[7] = cuts[at] >> 3;
		p[10] = 0;
		p[11] = 0;
		memcpy(p + 10, &(uint16_t){ checksum(p, 20) }, 2);
		ok &= put(piece, link + 20 + size);
	}
	return ok;
}

/* With none to two tags of VLAN 0, which the kernel moves out of the way. */
static int ether_header(uint8_t *p, const uint8_t *mac)
{
	static const uint8_t tag[] = { 0x81, 0, 0, 0 };
	int tags = any(2) ? 0 : any(3), len = 12;

	memcpy(p, mac, 6);
	memset(p + 6, 2, 6);
	while (tags--) {
		memcpy(p + len, tag, 4);
		len += 4;
	}
	p[len++] = 8;
	p[len++] = 0;
	return len;
}

static uint32_t attack(const struct mode *mode, const uint8_t *mac,
		       uint32_t count)
{
	int pieces = !strcmp(mode->name, "pieces");
	static uint8_t frame[FRAME_MAX];
	struct virtio_net_hdr vnet;
	uint32_t taken = 0, i;

	for (i = 0; i < count; i++) {
		int link = 0, len;

		if (mode->ether) {
			link = ether_header(frame, mac);
		} else if (mode->gso) {
			memset(&vnet, 0, sizeof(vnet));
			lie(&vnet);
			memcpy(frame, &vnet, sizeof(vnet));
			link = sizeof(vnet);
		}

		len = link + mode->build(frame + link);
		if (pieces ? put_pieces(frame, link, len, i & 0xffff) :
			     put(frame, len))
			taken++;
		else if (errno == ENETDOWN || errno == ENXIO)
			break;
	}
	return taken;
}

int main(int argc, char **argv)
{
	const struct mode *mode = modes;
	uint8_t mac[6] = {};

	while (argc > 9 && mode->name && strcmp(argv[2], mode->name))
		mode++;
	if (argc < 10 || !mode->name ||
	    sscanf(argv[9], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1],
		   &mac[2], &mac[3], &mac[4], &mac[5]) != 6) {
		fprintf(stderr, "hostile: nine arguments, see its source\n");
		return 2;
	}
	state = strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15ull | 1;
	outer_src = inet_addr(argv[5]);
	outer_dst = inet_addr(argv[6]);
	inner_src = inet_addr(argv[7]);
	inner_dst = inet_addr(argv[8]);

	if (!strncmp(argv[1], "tap:", 4))
		open_tap(argv[1] + 4);
	else
		open_socket(argv[1], mode);
	printf("%u\n", attack(mode, mac, strtoul(argv[4], NULL, 0)));
	return 0;
}
