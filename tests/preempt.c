// SPDX-License-Identifier: GPL-2.0
/*
 * Threads of one processor that send, and preempt each other in the middle of it.
 *
 *   preempt send PROCESSOR ROUNDS FROM FIXED NET PORT IF
 *   preempt receive PORT
 *   preempt watch IF FROM TO
 *
 * `send`: one thread without priority sends as fast as it can, and RT_THREADS, each of a
 * higher real-time priority than the one before, send a packet ROUNDS times: mostly when
 * one of the thread before is seen on IF, so while that is in the middle of sending it;
 * else at a certain time. Every second packet goes to FIXED, the others into NET/24; half
 * of them with DF. Prints how many those were.
 *
 * `receive`: until SIGTERM; then prints how many there were of any sender, and fails if
 * one has come twice or is an unknown source's.
 *
 * `watch`: until SIGTERM; then prints how many packets of protocol 4 with those addresses
 * there were, and fails if two of them had the same ID: with DF as long as there are
 * others, without DF among the last RECENT.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RT_THREADS 7
#define ALONE 400	/* packets that are sent to see how long one takes */
#define STEPS 16	/* by so many different times they follow each other */
#define NUMBERS (1 << 20)
#define RECENT 1000

struct payload {
	uint32_t thread;
	uint32_t number;
};

struct sender {
	pthread_t thread;
	unsigned int index;
	uint32_t sent;
};

static struct sender senders[RT_THREADS + 1];
static struct sockaddr_in from, fixed, net;
static unsigned int rounds, busy, link_index;
static uint64_t takes; /* nanoseconds for a packet */
static volatile sig_atomic_t over;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void end(int signal)
{
	(void)signal;
	over = 1;
}

static struct sockaddr_in address(const char *text, unsigned int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, text, &in.sin_addr) != 1)
		die(text);
	return in;
}

/* ---- send ---- */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int sender_socket(int discover)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	if (sock < 0 || bind(sock, (void *)&from, sizeof(from)) ||
	    setsockopt(sock, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)))
		die("socket");
	return sock;
}

static void send_one(struct sender *sender, const int *socks)
{
	struct payload payload = { htonl(sender->index), htonl(sender->sent) };
	unsigned int n = sender->sent++ + sender->index;
	struct sockaddr_in to = fixed;

	if (n & 1) {
		to = net;
		/* 251 is prime: all of them, in another order for each thread */
		to.sin_addr.s_addr |= htonl(1 + n / 2 * (sender->index + 2) % 251);
	}
	if (sendto(socks[n >> 1 & 1], &payload, sizeof(payload), 0, (void *)&to,
		   sizeof(to)) < 0)
		die("sendto");
}

/*
 * By the clock: in the same periods, long enough for each thread to send its packet and
 * for the one without priority to be in the middle of another; in some periods shortly
 * one after another, in some not.
 */
static void wait_for_period(unsigned int index)
{
	const uint64_t period = takes * (RT_THREADS + 1) * 2;
	uint64_t n = now() / period + 1, wake;
	struct timespec ts;

	wake = n * period + index * (n % STEPS) * takes / (STEPS * 2);
	ts.tv_sec = wake / 1000000000;
	ts.tv_nsec = wake % 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* Sees the wrapped packets of the thread before: two headers of IPv4, and UDP. */
static int tap_socket(unsigned int index)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 20 + 20 + 8),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, index - 1, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };
	struct sockaddr_ll link = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = link_index,
	};
	int sock = socket(AF_PACKET, SOCK_DGRAM, 0);

	if (sock < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
	    bind(sock, (void *)&link, sizeof(link)))
		die("packet socket");
	return sock;
}

/* What was seen before does not count. A thread that has ended sends no more. */
static void wait_for_tap(int tap)
{
	struct pollfd fd = { .fd = tap, .events = POLLIN };
	char byte;

	while (recv(tap, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) > 0)
		;
	poll(&fd, 1, 100);
}

static void *sender_run(void *arg)
{
	struct sender *sender = arg;
	const int socks[] = {
		sender_socket(IP_PMTUDISC_DONT),
		sender_socket(IP_PMTUDISC_DO),
	};
	uint64_t start = now();
	unsigned int i;
	int tap;

	if (sender->index) {
		tap = tap_socket(sender->index);
		for (i = 0; i < rounds; i++) {
			if (i % 4 == 3)
				wait_for_period(sender->index);
			else
				wait_for_tap(tap);
			send_one(sender, socks);
		}
		__atomic_fetch_sub(&busy, 1, __ATOMIC_RELEASE);
		return NULL;
	}

	if (!takes) {
		for (i = 0; i < ALONE; i++)
			send_one(sender, socks);
		takes = (now() - start) / ALONE + 1;
		return NULL;
	}

	while (__atomic_load_n(&busy, __ATOMIC_ACQUIRE) && sender->sent < NUMBERS)
		send_one(sender, socks);
	return NULL;
}

static void sender_start(unsigned int index)
{
	struct sched_param param = { .sched_priority = index };
	pthread_attr_t attr;

	senders[index].index = index;
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, index ? SCHED_FIFO : SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &param);
	errno = pthread_create(&senders[index].thread, &attr, sender_run, &senders[index]);
	if (errno)
		die("pthread_create");
}

static int send_all(int processor)
{
	unsigned int i, sum = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");

	sender_start(0);
	pthread_join(senders[0].thread, NULL);

	busy = RT_THREADS;
	for (i = 0; i <= RT_THREADS; i++)
		sender_start(i);
	for (i = 0; i <= RT_THREADS; i++) {
		pthread_join(senders[i].thread, NULL);
		sum += senders[i].sent;
	}
	fprintf(stderr, "a packet takes %llu us; %u are of the thread without priority\n",
		(unsigned long long)takes / 1000, senders[0].sent);
	printf("%u\n", sum);
	return 0;
}

/* ---- receive and watch ---- */

static void until_the_end(int sock)
{
	const struct sigaction action = { .sa_handler = end };
	int size = 256 << 20;

	/* Without SA_RESTART: it ends a recv(). */
	sigaction(SIGTERM, &action, NULL);
	if (setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("SO_RCVBUFFORCE");
	puts("ready");
	fflush(stdout);
}

static int receive(unsigned int port)
{
	static bool seen[RT_THREADS + 1][NUMBERS];
	unsigned int count = 0, twice = 0, strange = 0;
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	struct payload payload;
	uint32_t thread, number;

	if (sock < 0 || bind(sock, (void *)&any, sizeof(any)))
		die("bind");
	until_the_end(sock);
	while (!over) {
		if (recv(sock, &payload, sizeof(payload), 0) < 0)
			continue;
		thread = ntohl(payload.thread);
		number = ntohl(payload.number);
		count++;
		if (thread > RT_THREADS || number >= NUMBERS)
			strange++;
		else if (seen[thread][number])
			twice++;
		else
			seen[thread][number] = true;
	}

	printf("%u received, %u of them twice, %u strange\n", count, twice, strange);
	return twice || strange;
}

static int watch(const char *dev, in_addr_t source, in_addr_t destination)
{
	static unsigned int seen[2][1 << 16];
	unsigned int count[2] = {}, twice[2] = {};
	struct sockaddr_ll link = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = if_nametoindex(dev),
	};
	int sock = socket(AF_PACKET, SOCK_DGRAM, 0);
	unsigned int *last;
	struct iphdr iph;
	bool df;

	if (sock < 0 || bind(sock, (void *)&link, sizeof(link)))
		die("packet socket");
	until_the_end(sock);
	while (!over) {
		if (recv(sock, &iph, sizeof(iph), 0) < (ssize_t)sizeof(iph) ||
		    iph.protocol != IPPROTO_IPIP || iph.saddr != source ||
		    iph.daddr != destination)
			continue;
		df = iph.frag_off & htons(IP_DF);
		last = &seen[df][iph.id];
		count[df]++;
		if (*last && (df ? count[df] <= 1 << 16 : count[df] - *last <= RECENT)) {
			twice[df]++;
			printf("%s DF: ID %u in packets %u and %u\n", df ? "with" : "without",
			       ntohs(iph.id), *last, count[df]);
		}
		*last = count[df];
	}

	printf("%u with DF, %u IDs twice; %u without, %u twice\n", count[1], twice[1],
	       count[0], twice[0]);
	return twice[0] || twice[1] || !count[0] || !count[1];
}

int main(int argc, char **argv)
{
	if (argc == 9 && !strcmp(argv[1], "send")) {
		link_index = if_nametoindex(argv[8]);
		rounds = atoi(argv[3]);
		from = address(argv[4], 0);
		fixed = address(argv[5], atoi(argv[7]));
		net = address(argv[6], atoi(argv[7]));
		return send_all(atoi(argv[2]));
	}
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return receive(atoi(argv[2]));
	if (argc == 5 && !strcmp(argv[1], "watch"))
		return watch(argv[2], inet_addr(argv[3]), inet_addr(argv[4]));
	fprintf(stderr, "see the beginning of %s\n", __FILE__);
	return 2;
}
