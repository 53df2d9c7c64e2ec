// SPDX-License-Identifier: GPL-2.0
/*
 * Kind tunl for ip-link(8). For a kind that ip does not know, it loads link_KIND.so from
 * its own folder of libraries, and takes the symbol KIND_link_util.
 *
 * That interface has neither headers nor a version. What is used of it is declared in
 * link_tunl.h; an ip of another version than that of the build does not find the symbol
 * (tunl_link_util()).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "link_tunl.h"

/* ---- words, both ways -------------------------------------------------- */

struct choice {
	const char *word;
	unsigned int value;
};

/* The first one of a value is shown. */
static const struct choice modes[] = {
	{ "ipip", IPPROTO_IPIP }, { "ip4ip4", IPPROTO_IPIP }, { "ipv4/ipv4", IPPROTO_IPIP },
	{ "mplsip", IPPROTO_MPLS }, { "mpls/ipv4", IPPROTO_MPLS },
	{ "any", 0 }, { "any/ipv4", 0 },
	{ }
};

static const struct choice encaps[] = {
	{ "none", TUNNEL_ENCAP_NONE },
	{ "fou", TUNNEL_ENCAP_FOU },
	{ "gue", TUNNEL_ENCAP_GUE },
	{ }
};

static const struct choice encap_flags[] = {
	{ "csum", TUNNEL_ENCAP_FLAG_CSUM },
	{ "csum6", TUNNEL_ENCAP_FLAG_CSUM6 }, { "udp6-csum", TUNNEL_ENCAP_FLAG_CSUM6 },
	{ "remcsum", TUNNEL_ENCAP_FLAG_REMCSUM },
	{ }
};

static const struct choice *choice_named(const struct choice *choice, const char *word)
{
	while (choice->word && strcmp(choice->word, word))
		choice++;
	return choice->word ? choice : NULL;
}

static const char *choice_word(const struct choice *choice, unsigned int value)
{
	while (choice->word && choice->value != value)
		choice++;
	return choice->word ?: "unknown";
}

/* ---- from words to attributes ------------------------------------------ */

/* What this command line has said so far. */
struct request {
	struct nlmsghdr *msg;
	unsigned int seen;	/* IFLA_IPTUN_* */
	__u16 flags_on;
	__u16 flags_off;
};

/* As ip's own kinds: that of its struct iplink_req, and the header in front. */
#define MSG_MAX 1024

static int put(struct request *req, int attr, const void *data, int len)
{
	return addattr_l(req->msg, MSG_MAX, attr, data, len);
}

static int put_u8(struct request *req, int attr, __u8 value)
{
	return put(req, attr, &value, sizeof(value));
}

static int put_u16(struct request *req, int attr, __u16 value)
{
	return put(req, attr, &value, sizeof(value));
}

static int put_u32(struct request *req, int attr, __u32 value)
{
	return put(req, attr, &value, sizeof(value));
}

static int parse_address(struct request *req, int attr, const char *arg)
{
	return put_u32(req, attr, get_addr32(arg));
}

static int parse_ttl(struct request *req, int attr, const char *arg)
{
	__u8 ttl = 0;

	if (strcmp(arg, "inherit") && get_u8(&ttl, arg, 0))
		invarg("ttl is 1 to 255, or inherit", arg);
	return put_u8(req, attr, ttl);
}

static int parse_tos(struct request *req, int attr, const char *arg)
{
	__u32 tos = 1;

	if (strcmp(arg, "inherit") && rtnl_dsfield_a2n(&tos, arg))
		invarg("tos is a number of two hexadecimal digits, a name, or inherit", arg);
	return put_u8(req, attr, tos);
}

static int parse_mode(struct request *req, int attr, const char *arg)
{
	const struct choice *mode = choice_named(modes, arg);

	if (!mode)
		invarg("mode is ipip, mplsip or any", arg);
	return put_u8(req, attr, mode->value);
}

static int parse_dev(struct request *req, int attr, const char *arg)
{
	unsigned int index = ll_name_to_index(arg);

	return index ? put_u32(req, attr, index) : nodev(arg);
}

static int parse_fwmark(struct request *req, int attr, const char *arg)
{
	__u32 mark;

	if (get_u32(&mark, arg, 0))
		invarg("fwmark is a number of 32 bits", arg);
	return put_u32(req, attr, mark);
}

static int parse_encap(struct request *req, int attr, const char *arg)
{
	const struct choice *encap = choice_named(encaps, arg);

	if (!encap)
		invarg("encap is fou, gue or none", arg);
	return put_u16(req, attr, encap->value);
}

static int parse_port(struct request *req, int attr, const char *arg)
{
	bool may_be_auto = attr == IFLA_IPTUN_ENCAP_SPORT;
	__u16 port = 0;

	if (!(may_be_auto && !strcmp(arg, "auto")) && get_u16(&port, arg, 0))
		invarg(may_be_auto ? "encap-sport is a port, or auto" :
				     "encap-dport is a port", arg);
	return put_u16(req, attr, htons(port));
}

static const struct {
	const char *word;
	int attr;
	int (*parse)(struct request *req, int attr, const char *arg);
} valued[] = {
	{ "remote", IFLA_IPTUN_REMOTE, parse_address },
	{ "local", IFLA_IPTUN_LOCAL, parse_address },
	{ "ttl", IFLA_IPTUN_TTL, parse_ttl },
	{ "hoplimit", IFLA_IPTUN_TTL, parse_ttl },
	{ "hlim", IFLA_IPTUN_TTL, parse_ttl },
	{ "tos", IFLA_IPTUN_TOS, parse_tos },
	{ "dsfield", IFLA_IPTUN_TOS, parse_tos },
	{ "tclass", IFLA_IPTUN_TOS, parse_tos },
	{ "tc", IFLA_IPTUN_TOS, parse_tos },
	{ "mode", IFLA_IPTUN_PROTO, parse_mode },
	{ "dev", IFLA_IPTUN_LINK, parse_dev },
	{ "fwmark", IFLA_IPTUN_FWMARK, parse_fwmark },
	{ "encap", IFLA_IPTUN_ENCAP_TYPE, parse_encap },
	{ "encap-sport", IFLA_IPTUN_ENCAP_SPORT, parse_port },
	{ "encap-dport", IFLA_IPTUN_ENCAP_DPORT, parse_port },
};

static const __u8 yes = 1;
static const __u32 none;

/* Alone, such a word says all. */
static const struct {
	const char *word;
	int attr;
	const void *data;
	int len;
} alone[] = {
	{ "pmtudisc", IFLA_IPTUN_PMTUDISC, &yes, sizeof(__u8) },
	{ "nopmtudisc", IFLA_IPTUN_PMTUDISC, &none, sizeof(__u8) },
	{ "external", IFLA_IPTUN_COLLECT_METADATA, NULL, 0 },
	{ "nodev", IFLA_IPTUN_LINK, &none, sizeof(__u32) },
	{ "noencap", IFLA_IPTUN_ENCAP_TYPE, &none, sizeof(__u16) },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void once(struct request *req, int attr, const char *word, const char *arg)
{
	if (req->seen & 1U << attr) {
		if (arg)
			duparg(word, arg);
		duparg2(word, word);
	}
	req->seen |= 1U << attr;
}

/* Return: how many arguments there were, 0 if it is no such word, or -1. */
static int parse_valued(struct request *req, int argc, char **argv)
{
	size_t i;

	for (i = 0; i < COUNT(valued); i++) {
		if (strcmp(valued[i].word, argv[0]))
			continue;
		if (argc < 2)
			incomplete_command();
		once(req, valued[i].attr, argv[0], argv[1]);
		return valued[i].parse(req, valued[i].attr, argv[1]) ? -1 : 2;
	}
	return 0;
}

static int parse_alone(struct request *req, const char *word)
{
	size_t i;

	for (i = 0; i < COUNT(alone); i++) {
		if (strcmp(alone[i].word, word))
			continue;
		once(req, alone[i].attr, word, NULL);
		return put(req, alone[i].attr, alone[i].data, alone[i].len) ? -1 : 1;
	}
	return 0;
}

/* [no]encap-csum and the like: bits of one attribute. */
static int parse_encap_flag(struct request *req, const char *word)
{
	bool off = !strncmp(word, "no", 2);
	const struct choice *flag;

	if (strncmp(word + 2 * off, "encap-", 6))
		return 0;
	flag = choice_named(encap_flags, word + 2 * off + 6);
	if (!flag)
		return 0;

	if ((req->flags_on | req->flags_off) & flag->value)
		duparg2(word, word);
	if (off)
		req->flags_off |= flag->value;
	else
		req->flags_on |= flag->value;
	return 1;
}

static const struct rtattr *find(const void *data, int len, unsigned short type)
{
	const struct rtattr *rta = data;

	for (; RTA_OK(rta, len); rta = RTA_NEXT(rta, len))
		if ((rta->rta_type & NLA_TYPE_MASK) == type)
			return rta;
	return NULL;
}

static const struct rtattr *find_in(const struct rtattr *nest, unsigned short type)
{
	return nest ? find(RTA_DATA(nest), RTA_PAYLOAD(nest), type) : NULL;
}

static int read_encap_flags(const struct nlmsghdr *answer, __u16 *flags)
{
	const struct ifinfomsg *link = NLMSG_DATA(answer);
	const struct rtattr *rta;

	if (answer->nlmsg_len < NLMSG_LENGTH(sizeof(*link)))
		return -1;
	rta = find(IFLA_RTA(link), IFLA_PAYLOAD(answer), IFLA_LINKINFO);
	rta = find_in(find_in(rta, IFLA_INFO_DATA), IFLA_IPTUN_ENCAP_FLAGS);
	if (!rta || RTA_PAYLOAD(rta) < sizeof(*flags))
		return -1;
	memcpy(flags, RTA_DATA(rta), sizeof(*flags));
	return 0;
}

/*
 * The kernel keeps each attribute that a change does not have. The flags are one
 * attribute: those that the words do not name have to be asked for.
 */
static int current_encap_flags(const struct nlmsghdr *change, __u16 *flags)
{
	const struct ifinfomsg *link = NLMSG_DATA(change);
	struct {
		struct nlmsghdr msg;
		struct ifinfomsg link;
	} req = {
		.msg.nlmsg_len = NLMSG_LENGTH(sizeof(req.link)),
		.msg.nlmsg_flags = NLM_F_REQUEST,
		.msg.nlmsg_type = RTM_GETLINK,
		.link.ifi_index = link->ifi_index,
	};
	struct nlmsghdr *answer;
	int err;

	if (rtnl_talk(&rth, &req.msg, &answer) < 0)
		return -1;
	err = read_encap_flags(answer, flags);
	free(answer);
	if (err)
		fprintf(stderr,
			"Error: cannot read this device's encap flags: is it of kind tunl?\n");
	return err;
}

static int put_encap_flags(struct request *req)
{
	__u16 flags = 0;

	if (!(req->flags_on | req->flags_off))
		return 0;
	if (!(req->msg->nlmsg_flags & NLM_F_CREATE) &&
	    current_encap_flags(req->msg, &flags))
		return -1;
	return put_u16(req, IFLA_IPTUN_ENCAP_FLAGS,
		       (flags | req->flags_on) & ~req->flags_off);
}

static void tunl_print_help(struct link_util *lu, int argc, char **argv, FILE *f)
{
	(void)lu;
	(void)argc;
	(void)argv;
	fputs("Usage: ... tunl	[ remote ADDR ] [ local ADDR ]\n"
	      "		[ ttl TTL ] [ tos TOS ] [ [no]pmtudisc ]\n"
	      "		[ mode { ipip | mplsip | any } ]\n"
	      "		[ dev PHYS_DEV | nodev ] [ fwmark MARK ]\n"
	      "		[ encap { fou | gue | none } ]\n"
	      "		[ encap-sport { PORT | auto } ] [ encap-dport PORT ]\n"
	      "		[ [no]encap-csum ] [ [no]encap-csum6 ] [ [no]encap-remcsum ]\n"
	      "		[ external ]\n"
	      "\n"
	      "Where:	ADDR := { IP_ADDRESS | any }\n"
	      "	TTL  := { 1..255 | inherit }\n"
	      "	TOS  := { NUMBER | inherit }\n"
	      "	MARK := { 0x0..0xffffffff }\n", f);
}

static int tunl_parse_opt(struct link_util *lu, int argc, char **argv, struct nlmsghdr *msg)
{
	struct request req = { .msg = msg };
	int used;

	for (; argc > 0; argc -= used, argv += used) {
		if (!strcmp(*argv, "help")) {
			tunl_print_help(lu, argc, argv, stderr);
			return -1;
		}
		used = parse_valued(&req, argc, argv);
		if (!used)
			used = parse_alone(&req, *argv);
		if (!used)
			used = parse_encap_flag(&req, *argv);
		if (!used)
			invarg("kind tunl has no such word, see \"ip link help tunl\"", *argv);
		if (used < 0)
			return -1;
	}
	return put_encap_flags(&req);
}

/* ---- from attributes to words ------------------------------------------ */

/*
 * JSON has the keys and values of kind ipip, which programs know; as there, a mark, a device
 * or an encap that is not set is not shown. The words can be typed as they stand.
 */
static void show_string(FILE *f, const char *key, const char *word, const char *value)
{
	if (is_json_context())
		jsonw_string_field(get_json_writer(), key, value);
	else
		fprintf(f, "%s %s ", word, value);
}

static void show_hex(FILE *f, const char *key, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "0x%x", value);
	show_string(f, key, key, text);
}

/* A number, or the word for one that is not shown as such; JSON has numbers only. */
static void show_number(FILE *f, const char *key, const char *word, unsigned int value,
			const char *instead)
{
	if (is_json_context())
		jsonw_uint_field(get_json_writer(), key, value);
	else if (instead)
		fprintf(f, "%s %s ", word, instead);
	else
		fprintf(f, "%s %u ", word, value);
}

static void show_bool(FILE *f, const char *key, const char *word, bool value)
{
	if (is_json_context())
		jsonw_bool_field(get_json_writer(), key, value);
	else
		fprintf(f, "%s%s ", value ? "" : "no", word);
}

/* Return: false if there is none, or one that is too short. */
static bool attr_get(struct rtattr *tb[], int attr, void *value, size_t size)
{
	if (!tb[attr] || RTA_PAYLOAD(tb[attr]) < size)
		return false;
	memcpy(value, RTA_DATA(tb[attr]), size);
	return true;
}

static void show_address(FILE *f, struct rtattr *tb[], int attr, const char *word)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr addr;

	if (attr_get(tb, attr, &addr, sizeof(addr)))
		show_string(f, word, word, addr.s_addr == INADDR_ANY ? "any" :
			    inet_ntop(AF_INET, &addr, text, sizeof(text)));
}

static void show_header(FILE *f, struct rtattr *tb[])
{
	__u32 index, mark;
	__u8 byte;

	if (attr_get(tb, IFLA_IPTUN_LINK, &index, sizeof(index)) && index)
		show_string(f, "link", "dev", ll_index_to_name(index));
	if (attr_get(tb, IFLA_IPTUN_TTL, &byte, sizeof(byte)))
		show_number(f, "ttl", "ttl", byte, byte ? NULL : "inherit");
	if (attr_get(tb, IFLA_IPTUN_TOS, &byte, sizeof(byte))) {
		if (byte == 1 && !is_json_context())
			show_string(f, "tos", "tos", "inherit");
		else
			show_hex(f, "tos", byte);
	}
	if (attr_get(tb, IFLA_IPTUN_PMTUDISC, &byte, sizeof(byte)))
		show_bool(f, "pmtudisc", "pmtudisc", byte);
	if (attr_get(tb, IFLA_IPTUN_FWMARK, &mark, sizeof(mark)) && mark)
		show_hex(f, "fwmark", mark);
}

static void show_encap(FILE *f, struct rtattr *tb[])
{
	const struct choice *flag;
	char word[32];
	__u16 value;

	if (!attr_get(tb, IFLA_IPTUN_ENCAP_TYPE, &value, sizeof(value)) ||
	    value == TUNNEL_ENCAP_NONE)
		return;

	open_json_object("encap");
	show_string(f, "type", "encap", choice_word(encaps, value));
	if (attr_get(tb, IFLA_IPTUN_ENCAP_SPORT, &value, sizeof(value)))
		show_number(f, "sport", "encap-sport", ntohs(value), value ? NULL : "auto");
	if (attr_get(tb, IFLA_IPTUN_ENCAP_DPORT, &value, sizeof(value)))
		show_number(f, "dport", "encap-dport", ntohs(value), NULL);
	if (attr_get(tb, IFLA_IPTUN_ENCAP_FLAGS, &value, sizeof(value)))
		for (flag = encap_flags; flag->word; flag++) {
			if (strcmp(flag->word, choice_word(encap_flags, flag->value)))
				continue;
			snprintf(word, sizeof(word), "encap-%s", flag->word);
			show_bool(f, flag->word, word, value & flag->value);
		}
	close_json_object();
}

static void tunl_print_opt(struct link_util *lu, FILE *f, struct rtattr *tb[])
{
	__u8 mode;

	(void)lu;
	if (!tb)
		return;

	if (tb[IFLA_IPTUN_COLLECT_METADATA])
		show_bool(f, "external", "external", true);
	if (attr_get(tb, IFLA_IPTUN_PROTO, &mode, sizeof(mode)))
		show_string(f, "proto", "mode", choice_word(modes, mode));
	show_address(f, tb, IFLA_IPTUN_REMOTE, "remote");
	show_address(f, tb, IFLA_IPTUN_LOCAL, "local");
	show_header(f, tb);
	show_encap(f, tb);
}

/* ---- is this the ip that we were built for ----------------------------- */

static struct link_util link_util = {
	.id = "tunl",
	.maxattr = IFLA_IPTUN_MAX,
	.parse_opt = tunl_parse_opt,
	.print_opt = tunl_print_opt,
	.print_help = tunl_print_help,
};

/* Its version is in no symbol: this very program is asked for it. */
static void ask_version(char *line, int size)
{
	char path[PATH_MAX], *argv[] = { "ip", "-V", NULL };
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	posix_spawn_file_actions_t actions;
	FILE *answer = NULL;
	int ends[2];
	pid_t pid;

	if (len < 0 || pipe(ends))
		return;
	path[len] = '\0';
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	if (!posix_spawn(&pid, path, &actions, NULL, argv, environ))
		answer = fdopen(ends[0], "r");
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (!answer) {
		close(ends[0]);
		return;
	}
	if (!fgets(line, size, answer))
		line[0] = '\0';
	fclose(answer);
	waitpid(pid, NULL, 0);
}

static size_t symbol_size(const void *data)
{
	void *symbol = NULL;
	Dl_info info;

	if (!data || !dladdr1(data, &info, &symbol, RTLD_DL_SYMENT) || !symbol)
		return 0;
	return ((const ElfW(Sym) *)symbol)->st_size;
}

/* A kind that ip has itself is described by the same struct. */
static bool same_interface(void)
{
	const struct link_util *known = dlsym(RTLD_DEFAULT, "ipip_link_util");

	return symbol_size(known) == sizeof(*known) && known->id &&
	       known->parse_opt && known->print_opt && known->print_help &&
	       !known->print_xstats && !known->parse_ifla_xstats && !known->print_ifla_xstats;
}

static bool same_version(const char *version)
{
	size_t len = strlen(TUNL_IPROUTE2);

	return !strncmp(version, TUNL_IPROUTE2, len) &&
	       (version[len] < '0' || version[len] > '9');
}

static bool fits(void)
{
	static const char name[] = "iproute2-";
	char line[256] = "", *version;

	ask_version(line, sizeof(line));
	version = strstr(line, name);
	version = version ? version + strlen(name) : "?";
	version[strcspn(version, "\n, ")] = '\0';
	if (same_version(version) && same_interface())
		return true;
	fprintf(stderr,
		"link_tunl.so: not used: built for iproute2 %s, this is %s%s: make install-tools\n",
		TUNL_IPROUTE2, version, same_version(version) ? ", changed" : "");
	return false;
}

/*
 * What ip finds under this name is what the resolver returns. NULL is as if there were no
 * such file: ip goes on, and knows the kind by its name only.
 */
static void (*resolve_link_util(void))(void)
{
	static int verdict;

	if (!verdict)
		verdict = fits() ? 1 : -1;
	return verdict > 0 ? (void (*)(void))&link_util : NULL;
}

void tunl_link_util(void) __attribute__((ifunc("resolve_link_util")));
