// SPDX-License-Identifier: GPL-2.0
/*
 * Routes to endpoints, cached on each CPU for the configuration that they were looked up
 * for, and released with it: a route holds modules and memory.
 *
 * A fixed endpoint has one entry. Without one, each CPU has a table:
 *
 *	bucket of an endpoint
 *	+------------------------------+------------------------------+
 *	| route, remote, local, ids    | route, remote, local, ids    |
 *	+------------------------------+------------------------------+
 *	  the last one kept              the one before; goes next
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/workqueue.h>
#include <net/dst.h>

#include "tunnel.h"

/*
 * Buckets of a table: at first, and at most (2 MiB for 65536 endpoints). The first
 * ones are charged to the user who configures the device. More are not, and are for
 * devices over a netns of the initial user namespace only.
 */
#define ROUTE_BITS_MIN 5
#define ROUTE_BITS_MAX 15
#define ROUTE_WAYS 2

/**
 * struct route_entry - a route to one endpoint
 * @route:	with a reference; NULL: empty
 * @remote:	outer destination
 * @local:	outer source
 * @ids:	for packets from @local to @remote
 */
struct route_entry {
	struct rtable	*route;
	__be32		remote;
	__be32		local;
	struct tunl_ids	ids;
} __aligned(32);

/* One cache line. */
struct route_bucket {
	struct route_entry	way[ROUTE_WAYS];
};

/**
 * struct route_table - endpoints of one configuration on one CPU
 * @bits:	logarithm of the number of buckets
 * @evicted:	routes in use that went for another, in this table
 * @free:	frees it after the last reader
 * @bucket:	touched by that CPU only, under tunl_cpu.bh_lock
 */
struct route_table {
	unsigned int		bits;
	unsigned int		evicted;
	struct rcu_work		free;
	struct route_bucket	bucket[] ____cacheline_aligned;
};

/**
 * struct tunl_routes - cached routes of one CPU for one configuration
 * @fixed:	route to the fixed endpoint; that CPU only, under tunl_cpu.bh_lock
 * @table:	without a fixed endpoint: routes to all others; or NULL (RCU,
 *		replaced under RTNL)
 */
struct tunl_routes {
	struct route_entry		fixed;
	struct route_table __rcu	*table;
};

DEFINE_PER_CPU(struct tunl_cpu, tunl_cpu) = {
	.bh_lock = INIT_LOCAL_LOCK(bh_lock),
};

static void route_forget(struct route_entry *entry)
{
	struct rtable *old = entry->route;

	entry->route = NULL;
	if (old)
		ip_rt_put(old);
}

/* No packet uses the table any more. */
static void route_table_free(struct route_table *table)
{
	unsigned long i;
	unsigned int way;

	for (i = 0; table && i < 1UL << table->bits; i++)
		for (way = 0; way < ROUTE_WAYS; way++)
			route_forget(&table->bucket[i].way[way]);
	kvfree(table);
}

static void route_table_free_work(struct work_struct *work)
{
	route_table_free(container_of(to_rcu_work(work), struct route_table,
				      free));
}

static struct route_table *route_table_make(unsigned int bits, int cpu,
					    gfp_t gfp)
{
	struct route_table *table;

	table = kvzalloc_node(struct_size(table, bucket, 1UL << bits), gfp,
			      cpu_to_node(cpu));
	if (!table)
		return NULL;

	table->bits = bits;
	INIT_RCU_WORK(&table->free, route_table_free_work);
	return table;
}

static struct route_bucket *route_bucket(struct route_table *table,
					 __be32 remote)
{
	return &table->bucket[hash_32((__force u32)remote, table->bits)];
}

static bool route_usable(const struct route_entry *entry)
{
	return entry->route && dst_check(&entry->route->dst, 0);
}

static struct route_entry *route_find(struct tunl_routes *routes,
				      __be32 remote)
{
	struct route_table *table = rcu_dereference_bh(routes->table);
	struct route_bucket *bucket;
	unsigned int way;

	if (!table)
		return NULL;

	bucket = route_bucket(table, remote);
	for (way = 0; way < ROUTE_WAYS; way++)
		if (bucket->way[way].remote == remote)
			return &bucket->way[way];
	return NULL;
}

static bool route_take(struct route_entry *entry, struct tunl_outer *outer)
{
	if (unlikely(!entry || !entry->route))
		return false;
	if (unlikely(!dst_check(&entry->route->dst, 0))) {
		route_forget(entry);
		return false;
	}

	outer->route = entry->route;
	outer->local = entry->local;
	outer->ids = &entry->ids;
	return true;
}

/**
 * tunl_route_find() - find a cached route that is still valid
 * @config:	configuration of the tunnel
 * @outer:	with @remote; @route, @local and @ids are set
 *
 * Called with bottom halves off, inside an RCU read-side section. The route is without
 * a reference, and valid until the end of that section. One that is not valid any more
 * is released.
 *
 * Return: true if there is one.
 */
bool tunl_route_find(const struct tunl_config *config, struct tunl_outer *outer)
{
	struct tunl_routes *routes;
	bool found;

	if (unlikely(!config->routes))
		return false;

	local_lock_nested_bh(&tunl_cpu.bh_lock);
	routes = this_cpu_ptr(config->routes);
	found = route_take(config->parms.remote ? &routes->fixed :
			   route_find(routes, outer->remote), outer);
	local_unlock_nested_bh(&tunl_cpu.bh_lock);
	return found;
}

/**
 * tunl_route_has_ids() - are the IDs that were found still those of this endpoint
 * @outer:	as tunl_route_find() has set it
 *
 * Caller holds tunl_cpu.bh_lock. On a real-time kernel another task may have put
 * another endpoint there since.
 *
 * Return: true if they are for packets from @outer->local to @outer->remote.
 */
bool tunl_route_has_ids(const struct tunl_outer *outer)
{
	const struct route_entry *entry;

	entry = container_of(outer->ids, struct route_entry, ids);
	return entry->remote == outer->remote && entry->local == outer->local;
}

/* The entry of the endpoint; else a free one; else the older one, which is evicted. */
static struct route_entry *route_place(struct route_table *table, __be32 remote)
{
	struct route_entry *way = route_bucket(table, remote)->way;
	unsigned int i;

	for (i = 0; i < ROUTE_WAYS; i++)
		if (way[i].remote == remote)
			return &way[i];
	for (i = 0; i < ROUTE_WAYS; i++)
		if (!route_usable(&way[i]))
			return &way[i];

	route_forget(&way[1]);
	way[1] = way[0];
	way[0] = (struct route_entry) {};
	WRITE_ONCE(table->evicted, table->evicted + 1);
	return &way[0];
}

static void route_put_into(struct route_entry *entry, struct tunl_outer *outer)
{
	route_forget(entry);
	/* IDs of the same pair of addresses go on where they were. */
	if (entry->remote != outer->remote || entry->local != outer->local)
		entry->ids = (struct tunl_ids) { .df = get_random_u32() };
	entry->route = outer->route;
	entry->remote = outer->remote;
	entry->local = outer->local;
	outer->ids = &entry->ids;
	outer->counted = false;
}

/**
 * tunl_route_keep() - cache a route
 * @config:	configuration of the tunnel
 * @outer:	with @route, @local and @remote. If it is kept, the reference is the
 *		configuration's, and @ids is set; else @counted is set
 *
 * Called with bottom halves off, inside an RCU read-side section; a cached route is valid
 * until its end. Only plain routes are cached: routes through IPsec follow policies and
 * SAs, those through lightweight tunnels hold modules, and with several nexthops each
 * flow has its own.
 */
void tunl_route_keep(const struct tunl_config *config, struct tunl_outer *outer)
{
	struct route_entry *entry = NULL;
	struct route_table *table;
	struct tunl_routes *routes;

	outer->counted = true;
	if (!outer->plain || !config->routes)
		return;

	local_lock_nested_bh(&tunl_cpu.bh_lock);
	routes = this_cpu_ptr(config->routes);
	table = rcu_dereference_bh(routes->table);
	if (config->parms.remote)
		entry = &routes->fixed;
	else if (table)
		entry = route_place(table, outer->remote);
	if (entry)
		route_put_into(entry, outer);
	local_unlock_nested_bh(&tunl_cpu.bh_lock);
}

static bool route_table_crowded(const struct route_table *table)
{
	return READ_ONCE(table->evicted) >= ROUTE_WAYS << table->bits &&
	       table->bits < ROUTE_BITS_MAX;
}

/**
 * tunl_route_crowded() - are more endpoints in use than there is room for
 * @config:	configuration of the tunnel
 *
 * Called with bottom halves off, inside an RCU read-side section.
 *
 * Return: true if tunl_route_grow() is wanted.
 */
bool tunl_route_crowded(const struct tunl_config *config)
{
	const struct tunl_dev *tunl = netdev_priv(config->dev);
	const struct route_table *table;

	if (!config->routes || tunl->underlay->user_ns != &init_user_ns)
		return false;

	table = rcu_dereference_bh(this_cpu_ptr(config->routes)->table);
	return table && route_table_crowded(table);
}

/**
 * tunl_route_grow() - make room for four times as many endpoints
 * @config:	configuration in force
 *
 * On the CPUs whose table is too small. Routes of the old table are looked up again.
 * Caller holds RTNL. Without memory the old table stays.
 */
void tunl_route_grow(const struct tunl_config *config)
{
	struct route_table __rcu **slot;
	struct route_table *old, *new;
	unsigned int bits;
	int cpu;

	ASSERT_RTNL();
	if (!config->routes)
		return;

	for_each_possible_cpu(cpu) {
		slot = &per_cpu_ptr(config->routes, cpu)->table;
		old = rtnl_dereference(*slot);
		if (!old || !route_table_crowded(old))
			continue;

		bits = min(old->bits + 2, ROUTE_BITS_MAX + 0U);
		new = route_table_make(bits, cpu, GFP_KERNEL);
		if (!new) {
			/* It is tried again after as many evictions. */
			WRITE_ONCE(old->evicted, 0);
			continue;
		}
		rcu_assign_pointer(*slot, new);
		queue_rcu_work(tunl_workqueue, &old->free);
	}
}

/**
 * tunl_route_make() - room for a new configuration's routes
 * @parms:	the configuration's
 *
 * May sleep. Memory is charged to the caller.
 *
 * Return: the room, or NULL; then no route is cached, and all else works.
 */
struct tunl_routes __percpu *tunl_route_make(const struct tunl_parms *parms)
{
	struct tunl_routes __percpu *routes;
	struct route_table *table;
	int cpu;

	BUILD_BUG_ON(sizeof(struct route_bucket) != 64);
	routes = alloc_percpu_gfp(struct tunl_routes, GFP_KERNEL_ACCOUNT);
	if (!routes || parms->remote || parms->external)
		return routes;

	for_each_possible_cpu(cpu) {
		table = route_table_make(ROUTE_BITS_MIN, cpu,
					 GFP_KERNEL_ACCOUNT);
		RCU_INIT_POINTER(per_cpu_ptr(routes, cpu)->table, table);
	}
	return routes;
}

/**
 * tunl_route_free() - give back all routes
 * @routes:	of a configuration that no packet uses any more; or NULL
 *
 * May sleep.
 */
void tunl_route_free(struct tunl_routes __percpu *routes)
{
	struct tunl_routes *one;
	int cpu;

	if (!routes)
		return;

	for_each_possible_cpu(cpu) {
		one = per_cpu_ptr(routes, cpu);
		route_forget(&one->fixed);
		route_table_free(rcu_dereference_protected(one->table, true));
	}
	free_percpu(routes);
}
