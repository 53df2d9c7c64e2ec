// SPDX-License-Identifier: GPL-2.0
/*
 * Routes to endpoints, remembered on each CPU: one table for all tunnels, so that
 * neither a device with ten thousand endpoints nor ten thousand devices with one
 * look a route up for each packet.
 *
 *	bucket of (configuration, endpoint)
 *	+-------------------------------+-------------------------------+
 *	| serial, remote, local, route, | serial, remote, local, route, |
 *	| ids                           | ids                           |
 *	+-------------------------------+-------------------------------+
 *	  the last one kept               the one before; goes next
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/workqueue.h>
#include <net/dst.h>

#include "tunnel.h"

/* Buckets of a table: at first, and at most (2 MiB for 65536 endpoints). */
#define ROUTE_BITS_MIN 5
#define ROUTE_BITS_MAX 15
#define ROUTE_WAYS 2

/**
 * struct route_entry - a route to one endpoint of one configuration
 * @route:	with a reference; NULL: empty
 * @serial:	of the configuration it was looked up for
 * @remote:	outer destination
 * @local:	outer source
 * @ids:	for packets from @local to @remote
 */
struct route_entry {
	struct rtable	*route;
	u64		serial;
	__be32		remote;
	__be32		local;
	struct tunl_ids	ids;
} __aligned(32);

/* One cache line. */
struct route_bucket {
	struct route_entry	way[ROUTE_WAYS];
};

/**
 * struct route_table - what one CPU remembers
 * @bits:	logarithm of the number of buckets
 * @evicted:	routes in use that went for another, in this table
 * @bucket:	touched by that CPU only, with bottom halves off
 */
struct route_table {
	unsigned int		bits;
	unsigned int		evicted;
	struct route_bucket	bucket[] ____cacheline_aligned;
};

static DEFINE_PER_CPU(struct route_table __rcu *, route_tables);

static void route_grow(struct work_struct *work);
static DECLARE_WORK(route_grow_work, route_grow);

static struct route_table *route_table_make(unsigned int bits, int cpu)
{
	struct route_table *table;

	table = kvzalloc_node(struct_size(table, bucket, 1UL << bits),
			      GFP_KERNEL, cpu_to_node(cpu));
	if (table)
		table->bits = bits;
	return table;
}

/* Nobody uses it any more. */
static void route_table_free(struct route_table *table)
{
	unsigned long i;
	unsigned int way;

	for (i = 0; table && i < 1UL << table->bits; i++)
		for (way = 0; way < ROUTE_WAYS; way++)
			if (table->bucket[i].way[way].route)
				ip_rt_put(table->bucket[i].way[way].route);
	kvfree(table);
}

/* More endpoints are in use than there is room for: four times as much. */
static void route_grow(struct work_struct *work)
{
	struct route_table *old, *new;
	int cpu;

	for_each_possible_cpu(cpu) {
		old = rcu_dereference_protected(per_cpu(route_tables, cpu),
						true);
		if (READ_ONCE(old->evicted) < ROUTE_WAYS << old->bits ||
		    old->bits == ROUTE_BITS_MAX)
			continue;

		new = route_table_make(min(old->bits + 2, ROUTE_BITS_MAX + 0U),
				       cpu);
		/* Then it goes on with what it has. */
		if (!new)
			continue;
		rcu_assign_pointer(per_cpu(route_tables, cpu), new);
		synchronize_net();
		route_table_free(old);
	}
}

static struct route_bucket *route_bucket(struct route_table *table,
					 const struct tunl_config *config,
					 __be32 remote)
{
	u64 key = config->serial << 32 ^ (__force u32)remote;

	return &table->bucket[hash_64(key, table->bits)];
}

static bool route_is(const struct route_entry *entry,
		     const struct tunl_config *config, __be32 remote)
{
	return entry->serial == config->serial && entry->remote == remote;
}

/**
 * tunl_route_find() - a remembered route that is still good
 * @config:	configuration of the tunnel
 * @outer:	with @remote; @route, @local and @ids are set
 *
 * Called with bottom halves off, inside an RCU read-side section. The route is without
 * a reference, and good until the end of that section.
 *
 * Return: true if there is one.
 */
bool tunl_route_find(const struct tunl_config *config, struct tunl_outer *outer)
{
	struct route_table *table;
	struct route_bucket *bucket;
	struct route_entry *entry;

	table = rcu_dereference_bh(*this_cpu_ptr(&route_tables));
	bucket = route_bucket(table, config, outer->remote);
	for (entry = bucket->way; entry < bucket->way + ROUTE_WAYS; entry++) {
		if (!route_is(entry, config, outer->remote))
			continue;
		if (unlikely(!entry->route ||
			     !dst_check(&entry->route->dst, 0)))
			return false;
		outer->route = entry->route;
		outer->local = entry->local;
		outer->ids = &entry->ids;
		return true;
	}

	return false;
}

/**
 * tunl_route_keep() - remember a route
 * @config:	configuration of the tunnel
 * @remote:	endpoint
 * @local:	outer source
 * @route:	route to @remote. If it is kept, the reference is the table's
 *
 * Called with bottom halves off, inside an RCU read-side section. A route that
 * leads through IPsec is not kept: it would hold its device for as long as nobody
 * looks, and a policy that goes would go on being followed.
 *
 * Return: true if it is kept, and then good until the end of that section.
 */
bool tunl_route_keep(const struct tunl_config *config, __be32 remote,
		     __be32 local, struct rtable *route)
{
	struct route_entry *entry = NULL, *way;
	struct route_bucket *bucket;
	struct route_table *table;
	struct rtable *old;

	if (dst_xfrm(&route->dst))
		return false;

	table = rcu_dereference_bh(*this_cpu_ptr(&route_tables));
	bucket = route_bucket(table, config, remote);
	way = bucket->way;
	if (!way[0].route || route_is(&way[0], config, remote) ||
	    !dst_check(&way[0].route->dst, 0))
		entry = &way[0];
	else if (!way[1].route || route_is(&way[1], config, remote) ||
		 !dst_check(&way[1].route->dst, 0))
		entry = &way[1];

	if (entry) {
		old = entry->route;
	} else {
		old = way[1].route;
		way[1] = way[0];
		entry = &way[0];
		WRITE_ONCE(table->evicted, table->evicted + 1);
		if (table->evicted == ROUTE_WAYS << table->bits &&
		    table->bits < ROUTE_BITS_MAX)
			schedule_work(&route_grow_work);
	}

	*entry = (struct route_entry) {
		.route = route,
		.serial = config->serial,
		.remote = remote,
		.local = local,
	};
	if (old)
		ip_rt_put(old);
	return true;
}

/**
 * tunl_route_init() - make the tables
 *
 * Return: 0 or -ENOMEM.
 */
int tunl_route_init(void)
{
	struct route_table *table;
	int cpu;

	BUILD_BUG_ON(sizeof(struct route_bucket) != 64);
	for_each_possible_cpu(cpu) {
		table = route_table_make(ROUTE_BITS_MIN, cpu);
		if (!table) {
			tunl_route_exit();
			return -ENOMEM;
		}
		RCU_INIT_POINTER(per_cpu(route_tables, cpu), table);
	}

	return 0;
}

/**
 * tunl_route_exit() - forget all routes; no packet is sent any more
 */
void tunl_route_exit(void)
{
	struct route_table *table;
	int cpu;

	cancel_work_sync(&route_grow_work);
	for_each_possible_cpu(cpu) {
		table = rcu_dereference_protected(per_cpu(route_tables, cpu),
						  true);
		RCU_INIT_POINTER(per_cpu(route_tables, cpu), NULL);
		route_table_free(table);
	}
}
