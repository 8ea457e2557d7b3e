/* SPDX-License-Identifier: BSD-2-Clause */
/* sht_lock: locks of the script, which may be held while it waits. They are slots, not mutexes: who
 * waits parks its fiber, what a dead process held is free, and what nobody released is taken over. */
#include "modules/htable/items.h"

#define WAIT_STEP_MS 1
/* Longer than any sensible script holds one. */
#define HELD_MOST_MS       10000
#define LOCKS_OF_A_MESSAGE 16

/* A message of a process; the address of a message is its own while it lives. */
struct owner {
	uint32_t process, incarnation;
	const struct message *msg;
};

struct key_lock {
	struct slot slot;
	const struct table *table; /* at one address in every process */
	struct span key;           /* in the slot's region */
	struct owner owner;
	int64_t since_ms;
	uint32_t depth;
};

struct held_locks {
	unsigned count;
	struct held {
		const struct table *table;
		struct span key;
	} locks[LOCKS_OF_A_MESSAGE];
};

/* The counters of tables follow the slots; a lost slot makes its table look locked, which costs a look. */
static const struct shard_type lock_type = {
	.name = "htable-locks",
	.slot_size = sizeof(struct key_lock),
};

static struct {
	struct shard_set *set;
} state;

bool locks_prepare(void)
{
	state.set = shard_set_new(&lock_type, 4);
	return state.set != NULL;
}

static struct owner owner_of(const struct message *msg)
{
	unsigned process = process_index();
	return (struct owner){ process, process_incarnation(process), msg };
}

static uint64_t lock_hash(const struct table *table, struct span key)
{
	return hash_mix(hash_span(table->name), hash_span(key));
}

/* ---- with the lock of the shard held ---- */

static struct key_lock *find(struct shard *shard, const struct table *table, struct span key)
{
	struct key_lock *lock = slot_first(shard, lock_hash(table, key));
	while (lock && (lock->table != table || !span_equal(lock->key, key)))
		lock = slot_next(shard, &lock->slot);
	return lock;
}

static bool is_owned(const struct key_lock *lock, const struct owner *owner)
{
	return lock->owner.process == owner->process &&
	       lock->owner.incarnation == owner->incarnation && lock->owner.msg == owner->msg;
}

static bool is_stale(const struct key_lock *lock)
{
	return process_incarnation(lock->owner.process) != lock->owner.incarnation ||
	       clock_ms() - lock->since_ms > HELD_MOST_MS;
}

static void drop(struct shard *shard, struct key_lock *lock)
{
	__atomic_fetch_sub(&lock->table->shared->locks, 1, __ATOMIC_RELAXED);
	slot_free(shard, &lock->slot);
}

static bool create(struct shard *shard, const struct table *table, struct span key,
		   const struct owner *owner)
{
	struct key_lock *lock = slot_new(shard, lock_hash(table, key));
	if (!lock)
		return false;
	lock->table = table;
	lock->key = region_copy(shard, &lock->slot, key.len ? key : SPAN_OF("\0"));
	if (!lock->key.at) {
		slot_free(shard, &lock->slot);
		return false;
	}
	lock->key.len = key.len;
	lock->owner = *owner;
	lock->since_ms = clock_ms();
	lock->depth = 1;
	slot_publish(shard, &lock->slot);
	__atomic_fetch_add(&table->shared->locks, 1, __ATOMIC_RELAXED);
	return true;
}

enum attempt { TAKEN, BUSY, NO_MEMORY };

/* With `is_wanted` the lock is taken, else only looked at. */
static enum attempt try_once(const struct table *table, struct span key, const struct owner *owner,
			     bool is_wanted, bool *out_is_first)
{
	enum attempt result = TAKEN;
	struct shard *shard = shard_lock(state.set, lock_hash(table, key));
	struct key_lock *lock = find(shard, table, key);
	bool was_stale = lock && !is_owned(lock, owner) && is_stale(lock);
	if (was_stale) {
		drop(shard, lock);
		lock = NULL;
	}
	*out_is_first = !lock;
	if (lock && !is_owned(lock, owner))
		result = BUSY;
	else if (lock)
		lock->depth += is_wanted;
	else if (is_wanted && !create(shard, table, key, owner))
		result = NO_MEMORY;
	shard_unlock(shard);
	if (was_stale)
		log_warning("the lock on %.*s=>%.*s was never released and is taken over",
			    SPAN_ARGS(table->name), SPAN_ARGS(key));
	return result;
}

/* ---- for the script ---- */

/* Outside of fibers nobody can wait: such work goes on without the lock. */
static enum attempt attempt(const struct table *table, struct span key, const struct owner *owner,
			    bool is_wanted, bool *out_is_first)
{
	enum attempt result;
	while ((result = try_once(table, key, owner, is_wanted, out_is_first)) == BUSY &&
	       fiber_is_running())
		fiber_sleep_ms(WAIT_STEP_MS);
	return result;
}

void locks_wait(const struct table *table, struct span key, const struct message *msg)
{
	bool is_first;
	if (!__atomic_load_n(&table->shared->locks, __ATOMIC_RELAXED))
		return;
	const struct owner owner = owner_of(msg);
	attempt(table, key, &owner, false, &is_first);
}

static void remember(const struct table *table, struct span key, struct message *msg)
{
	struct message_notes *notes = notes_make(msg);
	if (notes && !notes->locks)
		notes->locks = ARENA_NEW(msg->arena, struct held_locks);
	struct held_locks *held = notes ? notes->locks : NULL;
	if (held && held->count < LOCKS_OF_A_MESSAGE)
		held->locks[held->count++] = (struct held){ table, arena_copy(msg->arena, key) };
}

bool locks_take(const struct table *table, struct span key, struct message *msg)
{
	bool is_first = false;
	const struct owner owner = owner_of(msg);
	enum attempt result = attempt(table, key, &owner, true, &is_first);
	if (result != TAKEN)
		log_error("%.*s=>%.*s cannot be locked: %s", SPAN_ARGS(table->name), SPAN_ARGS(key),
			  result == BUSY ? "somebody has it" : "no shared memory");
	else if (is_first)
		remember(table, key, msg);
	return result == TAKEN;
}

void locks_release(const struct table *table, struct span key, const struct message *msg)
{
	const struct owner owner = owner_of(msg);
	struct shard *shard = shard_lock(state.set, lock_hash(table, key));
	struct key_lock *lock = find(shard, table, key);
	if (lock && is_owned(lock, &owner) && --lock->depth == 0)
		drop(shard, lock);
	shard_unlock(shard);
}

void locks_forget(struct message *msg)
{
	const struct message_notes *notes = notes_of(msg);
	struct held_locks *held = notes ? notes->locks : NULL;
	const struct owner owner = owner_of(msg);
	for (unsigned i = 0; held && i < held->count; i++) {
		struct held *h = &held->locks[i];
		struct shard *shard = shard_lock(state.set, lock_hash(h->table, h->key));
		struct key_lock *lock = find(shard, h->table, h->key);
		bool is_left = lock && is_owned(lock, &owner);
		if (is_left)
			drop(shard, lock);
		shard_unlock(shard);
		if (is_left)
			log_error(
				"the script locked %.*s=>%.*s and did not unlock it; it is free again",
				SPAN_ARGS(h->table->name), SPAN_ARGS(h->key));
	}
	if (held)
		held->count = 0;
}
