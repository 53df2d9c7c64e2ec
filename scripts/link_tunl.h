/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What iproute2's program ip has for kinds that come in a file of their own, as far as
 * link_tunl.c uses it. Debian has no header with it. It is the same in 6.1 and 6.15.
 */
#ifndef LINK_TUNL_H
#define LINK_TUNL_H

#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>

struct link_util {
	struct link_util *next;
	const char *id;
	int maxattr;
	int (*parse_opt)(struct link_util *lu, int argc, char **argv,
			 struct nlmsghdr *msg);
	void (*print_opt)(struct link_util *lu, FILE *f, struct rtattr *tb[]);
	void (*print_xstats)(struct link_util *lu, FILE *f, struct rtattr *rta);
	void (*print_help)(struct link_util *lu, int argc, char **argv, FILE *f);
	int (*parse_ifla_xstats)(struct link_util *lu, int argc, char **argv);
	int (*print_ifla_xstats)(struct nlmsghdr *msg, void *arg);
};

struct rtnl_handle;
struct json_writer;

/* Data is looked up on loading, before anything can be said about a wrong ip. */
extern struct rtnl_handle rth __attribute__((weak));
int rtnl_talk(struct rtnl_handle *handle, struct nlmsghdr *msg,
	      struct nlmsghdr **answer);
int addattr_l(struct nlmsghdr *msg, int max, int type, const void *data, int len);

__attribute__((noreturn)) void incomplete_command(void);
__attribute__((noreturn)) void invarg(const char *why, const char *arg);
__attribute__((noreturn)) void duparg(const char *key, const char *arg);
__attribute__((noreturn)) void duparg2(const char *key, const char *arg);
int nodev(const char *name);

__u32 get_addr32(const char *arg);
int get_u8(__u8 *value, const char *arg, int base);
int get_u16(__u16 *value, const char *arg, int base);
int get_u32(__u32 *value, const char *arg, int base);
int rtnl_dsfield_a2n(__u32 *value, const char *arg);
unsigned int ll_name_to_index(const char *name);
const char *ll_index_to_name(unsigned int index);

bool is_json_context(void);
struct json_writer *get_json_writer(void);
void jsonw_string_field(struct json_writer *json, const char *key, const char *value);
void jsonw_uint_field(struct json_writer *json, const char *key, unsigned int value);
void jsonw_bool_field(struct json_writer *json, const char *key, bool value);
void open_json_object(const char *key);
void close_json_object(void);

#endif
