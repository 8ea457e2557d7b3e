/* SPDX-License-Identifier: BSD-2-Clause */
/* shard: where modules keep what all processes share. A set is a power of two of shards; a shard
 * is a robust lock, slots of one size in pages of their own, the memory of these slots (region.h),
 * their timers (wheel.h) and an index by hash that grows and shrinks in small steps.
 *
 * Slots are the truth; everything else is rebuilt from them. A slot's state is the last store of
 * an insertion or a change, so a process may be killed at any instruction: the next one that takes
 * the lock drops slots that were being made or freed (through `on_lost`), gives those that were
 * being changed their old content, rebuilds the indexes and goes on.
 *
 *	struct binding {
 *		struct slot slot;
 *		struct span contact;
 *	};
 *	struct shard *shard = shard_lock(set, hash);
 *	struct binding *binding = slot_new(shard, hash);
 *	if (binding) {
 *		binding->contact = region_copy(shard, &binding->slot, contact);
 *		timer_arm(shard, &binding->slot, EXPIRY, clock_ms() + expires_ms);
 *		slot_publish(shard, &binding->slot);
 *	}
 *	shard_unlock(shard);
 *
 * Rules: one shard lock at a time; memory operations only while it is held (no logging of long
 * texts, no sockets, no script); no slot stays building or changing when it is released. Test
 * builds end the process when a rule is broken. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/shm/region.h"
#include "core/shm/wheel.h"

struct shard;
struct shard_set;

enum slot_state {
	SLOT_FREE,
	SLOT_BUILDING, /* slot_new … slot_publish: not found by anyone */
	SLOT_LIVE,
	SLOT_CHANGING, /* slot_change_begin … _end: as before the change when its process dies now */
};

/* Every slot's struct begins with this. Read only for users; 32 bytes. */
struct slot {
	uint32_t index;      /* its name within the shard, valid for slot_at; never 0 */
	uint32_t generation; /* unique in the shard for 4 billion slots; never 0 while in use */
	uint64_t hash;
	uint32_t chain;
	uint32_t region;
	uint32_t check;
	uint16_t shard; /* number of its shard in the set */
	uint8_t state;  /* enum slot_state */
	uint8_t spare;
};

#define SHARD_TIMERS_MOST 4
#define SHARDS_MOST       4096

struct shard_type {
	const char *name; /* borrowed for ever */
	size_t slot_size; /* of the struct that begins with struct slot; at most 16000 */
	unsigned timer_count;
	int64_t timer_grace_ms; /* see wheel_collect; 0: due timers are disarmed */
	/* A slot that was being made or freed when its process died, before it is freed. Its content
	 * may be half written: believe nothing but the slot header. Lock held; it must not call
	 * functions of the shard. May be called again for the same slot when the repairer dies too.
	 * Optional. */
	void (*on_lost)(void *slot);
	/* False when a live slot's own content is impossible: it is then treated as lost by a repair
	 * and counted by a check. Lock held, memory operations only. Optional. */
	bool (*verify)(const void *slot);
};

/* A new set in shared memory; before the first fork, never freed. `type` is borrowed for ever (a
 * const table). `shard_count` is rounded up to a power of two. An empty shard takes about 2 KiB, a
 * used one at least two pages of 32 KiB: choose 1 to 16 for small tables. NULL when memory is out. */
[[nodiscard]] struct shard_set *shard_set_new(const struct shard_type *type, unsigned shard_count);
unsigned shard_count(const struct shard_set *set);
/* The number of the shard where things with this hash live. */
unsigned shard_number(const struct shard_set *set, uint64_t hash);
/* Sets one after the other, for reports: NULL gives the first, NULL ends. */
struct shard_set *shard_set_next(struct shard_set *set);
const char *shard_set_name(const struct shard_set *set);

/* Locks the shard of a hash / by number, and repairs it first when its last holder died. */
struct shard *shard_lock(struct shard_set *set, uint64_t hash);
struct shard *shard_lock_number(struct shard_set *set, unsigned number);
void shard_unlock(struct shard *shard);

/* Without lock: asks for the memory that a lookup by hash, or a slot's user, will touch soon. Any numbers
 * are safe, also ones from the network. */
void shard_foresee(struct shard_set *set, uint64_t hash);
void slot_foresee(struct shard_set *set, unsigned number, uint32_t index);

/* ---- with the shard's lock held ---- */
/* A zeroed slot (after its header) in state building; NULL when shared memory is out. `hash` must
 * belong to this shard (its shard_number), unless the slot is only ever found by slot_at. */
[[nodiscard]] void *slot_new(struct shard *shard, uint64_t hash);
/* building → live: it is found from now on. */
void slot_publish(struct shard *shard, struct slot *slot);
/* Around changes of a live slot that are more than one aligned store. One at a time in a shard. What
 * the old content points to is freed after _end only, so that a repair can go back to it. */
void slot_change_begin(struct shard *shard, struct slot *slot);
void slot_change_end(struct shard *shard, struct slot *slot);
/* Frees the slot in whatever state, with its region and timers; its (index, generation) never
 * comes back. */
void slot_free(struct shard *shard, struct slot *slot);

/* Live slots whose full 64-bit hash is `hash`, newest first; compare the key yourself. The slot
 * at hand may be freed after slot_next was called for it. */
void *slot_first(struct shard *shard, uint64_t hash);
void *slot_next(struct shard *shard, const struct slot *slot);
/* The live slot with this name, or NULL: any numbers are safe, also ones from the network. */
void *slot_at(struct shard *shard, uint32_t index, uint32_t generation);
/* Every live slot of the shard: start with *cursor = 0, NULL ends. The lock may be released between
 * calls: slots that live throughout are seen exactly once. */
void *slot_each(struct shard *shard, uint32_t *cursor);

/* ---- without lock ---- */
/* Live slots in the set / in one shard; exact when nobody changes it. */
uint64_t shard_set_live(const struct shard_set *set);
uint32_t shard_live(const struct shard_set *set, unsigned number);

struct shard_usage {
	uint64_t live;         /* slots */
	uint64_t slot_bytes;   /* of live slots, with timers */
	uint64_t region_bytes; /* of used blocks, with headers and the hash index */
	uint64_t page_bytes;   /* whole pages that the set holds */
	uint64_t repairs;      /* times that a lock's holder had died */
	uint64_t lost;         /* slots dropped by repairs */
	uint64_t quarantined;  /* slots and pages set aside because their headers were damaged */
};
void shard_set_usage(const struct shard_set *set, struct shard_usage *out_usage);
/* The same of the set with this name; all 0 when there is none. */
void shard_usage_of(const char *name, struct shard_usage *out_usage);
/* Makes the index small and returns kept empty pages to the mapping; takes every lock in turn. */
void shard_set_trim(struct shard_set *set);
