// SPDX-License-Identifier: GPL-2.0
/*
 * Packets as an attacker, or a broken machine, would make them.
 *
 *   hostile DEVICE MODE SEED COUNT OUTER-SRC OUTER-DST INNER-SRC INNER-DST MAC
 *
 * MODE:
 *   wrapped   Ethernet frames on DEVICE: a sound outer header of protocol 4, and
 *             inside a packet of which anything may be wrong
 *   outer     the same with the outer header mutated too: length, options,
 *             fragments, nesting; checksum made right again
 *   icmp      ICMP errors from OUTER-DST to OUTER-SRC that quote such packets
 *   inner     IPv4 packets of which anything may be wrong, handed to DEVICE
 *   gso       the same with a virtio-net header that lies about segments and
 *             checksums
 *
 * The same seed makes the same packets. Prints how many the kernel took; a frame
 * that it refuses is not counted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static uint64_t state;

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
	iph.check = checksum(p, ihl * 4);
	memcpy(p, &iph, sizeof(iph));
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
static int inner_packet(uint8_t *p, uint32_t src, uint32_t dst)
{
	static const uint8_t protos[] = { 1, 6, 17, 41, 47, 50, 253 };
	int ihl = any(8) ? 5 : 5 + any(11);
	int len = ihl * 4 + (any(16) ? any(64) : any(1400));
	int i;

	for (i = ihl * 4; i < len; i++)
		p[i] = any(256);
	ip_header(p, src, dst, protos[any(sizeof(protos))], ihl, len);
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

int main(int argc, char **argv)
{
	uint32_t osrc, odst, isrc, idst, taken = 0, count, i;
	static const uint8_t icmp_types[] = { 3, 3, 3, 5, 11, 12, 42 };
	static const uint8_t gso_types[] = { 0, 1, 3, 4, 5, 0x81 };
	struct virtio_net_hdr vnet;
	static uint8_t frame[4096];
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	const char *mode;
	uint8_t mac[6] = {};
	int sock, len, on = 1, gso, ether, quote, header;

	if (argc < 10) {
		fprintf(stderr, "hostile: nine arguments, see its source\n");
		return 2;
	}
	mode = argv[2];
	state = strtoull(argv[3], NULL, 0) * 0x9e3779b97f4a7c15ull | 1;
	count = strtoul(argv[4], NULL, 0);
	osrc = inet_addr(argv[5]);
	odst = inet_addr(argv[6]);
	isrc = inet_addr(argv[7]);
	idst = inet_addr(argv[8]);
	if (sscanf(argv[9], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1],
		   &mac[2], &mac[3], &mac[4], &mac[5]) != 6) {
		fprintf(stderr, "hostile: %s: no MAC address\n", argv[9]);
		return 2;
	}

	gso = !strcmp(mode, "gso");
	ether = strcmp(mode, "inner") && !gso;
	sock = socket(AF_PACKET, ether || gso ? SOCK_RAW : SOCK_DGRAM, 0);
	to.sll_ifindex = if_nametoindex(argv[1]);
	to.sll_protocol = htons(ETH_P_IP);
	if (sock < 0 || !to.sll_ifindex) {
		perror(argv[1]);
		return 1;
	}
	if (gso && setsockopt(sock, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on))) {
		perror("PACKET_VNET_HDR");
		return 1;
	}

	for (i = 0; i < count; i++) {
		uint8_t *p = frame;

		if (ether) {
			memcpy(p, mac, 6);
			memset(p + 6, 2, 6);
			p[12] = 8;
			p[13] = 0;
			p += 14;
		} else if (gso) {
			memset(&vnet, 0, sizeof(vnet));
			vnet.flags = any(2);
			vnet.gso_type = gso_types[any(sizeof(gso_types))];
			vnet.gso_size = any(2) ? any(1500) : any(65536);
			vnet.hdr_len = any(4) ? 54 : any(200);
			vnet.csum_start = any(4) ? 20 : any(100);
			vnet.csum_offset = any(2) ? 16 : any(100);
			memcpy(p, &vnet, sizeof(vnet));
			p += sizeof(vnet);
		}

		if (!strcmp(mode, "icmp")) {
			/* error: header, ICMP, quote of outer and inner */
			header = any(10) ? 20 : 24;
			quote = header + inner_packet(p + 28 + header, isrc, idst);
			ip_header(p + 28, osrc, odst, IPPROTO_IPIP, header / 4, quote);
			if (any(2))
				p[28 + 6] |= 0x40;
			if (!any(3))
				mutate(p + 28, quote);
			if (!any(3))
				quote = any(quote + 1);
			for (len = 20; len < 28; len++)
				p[len] = any(3) ? 0 : any(256);
			p[20] = icmp_types[any(sizeof(icmp_types))];
			p[21] = any(17);
			p[22] = 0;
			p[23] = 0;
			len = 28 + quote;
			ip_header(p, odst, osrc, IPPROTO_ICMP, 5, len);
			if (any(10))
				memcpy(p + 22, &(uint16_t){ checksum(p + 20, len - 20) }, 2);
		} else if (ether) {
			header = !strcmp(mode, "outer") && !any(4) ? 5 + any(11) : 5;
			len = header * 4 + inner_packet(p + header * 4, isrc, idst);
			ip_header(p, osrc, odst, IPPROTO_IPIP, header, len);
			if (!strcmp(mode, "outer")) {
				if (!any(3)) { /* a fragment */
					p[6] = any(2) ? 0x20 | any(2) : any(32);
					p[7] = any(8) ? any(4) : any(256);
				}
				if (!any(8) && len > header * 4 + 28)
					p[header * 4 + 9] = IPPROTO_IPIP;
				if (!any(4))
					mutate(p + 1, 10);
				p[10] = 0;
				p[11] = 0;
				memcpy(p + 10, &(uint16_t){ checksum(p, header * 4) }, 2);
				if (!any(8))
					len = any(len + 1);
			}
		} else {
			len = inner_packet(p, isrc, idst);
		}

		len += p - frame;
		if (sendto(sock, frame, len, 0, (void *)&to, sizeof(to)) == len)
			taken++;
		else if (errno == ENETDOWN || errno == ENXIO)
			break;
	}
	printf("%u\n", taken);
	return 0;
}
