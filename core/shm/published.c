/* SPDX-License-Identifier: BSD-2-Clause */
/* Hazard pointers: a reader notes the table, then looks whether it is still the current one; a
 * writer frees what nobody has noted after it was replaced. */
#include "core/shm/published.h"

#include <stdatomic.h>

#include "core/base/log.h"
#include "core/shm/lock.h"
#include "core/shm/map.h"

#define OLD_MOST 8

struct published {
	struct lock lock; /* of writers */
	const char *name;
	_Atomic(void *) current;
	_Atomic(void *) old[OLD_MOST]; /* replaced, perhaps still read */
	struct {
		_Alignas(64) _Atomic(void *) table;
	} readers[PUBLISHED_READERS];
};

struct published *published_new(const char *name)
{
	struct published *p = shm_reserve(sizeof(*p), name);
	if (!p)
		return NULL;
	p->name = name;
	lock_init(&p->lock, LOCK_SHARD);
	return p;
}

const void *published_hold(struct published *p, unsigned process)
{
	void *table = atomic_load(&p->current);
	for (;;) {
		atomic_store(&p->readers[process].table, table);
		void *now = atomic_load(&p->current);
		if (now == table)
			return table;
		table = now;
	}
}

void published_release(struct published *p, unsigned process)
{
	atomic_store_explicit(&p->readers[process].table, NULL, memory_order_release);
}

static bool is_read(struct published *p, const void *table)
{
	for (unsigned i = 0; i < PUBLISHED_READERS; i++)
		if (atomic_load(&p->readers[i].table) == table)
			return true;
	return false;
}

/* A table that is forgotten twice would be freed twice: its entry goes first. A writer that dies in
 * between loses the memory, not the server. */
static void free_old(struct published *p)
{
	for (unsigned i = 0; i < OLD_MOST; i++) {
		void *table = atomic_load(&p->old[i]);
		if (!table || is_read(p, table))
			continue;
		atomic_store(&p->old[i], NULL);
		shm_run_free(table);
	}
}

void published_put(struct published *p, void *table)
{
	if (lock_take(&p->lock) == LOCK_OWNER_DIED)
		lock_mark_consistent(&p->lock);
	void *before = atomic_exchange(&p->current, table);
	unsigned place = 0;
	while (before && place < OLD_MOST && atomic_load(&p->old[place]))
		place++;
	if (before && place < OLD_MOST)
		atomic_store(&p->old[place], before);
	free_old(p);
	lock_release(&p->lock);
	if (before && place == OLD_MOST)
		log_warning("%s: %d older tables are still being read; the memory of one is lost",
			    p->name, OLD_MOST);
}
