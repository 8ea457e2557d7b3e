/* SPDX-License-Identifier: BSD-2-Clause */
/* lock: a mutex in shared memory that survives the death of its holder. Held for memory operations
 * only: never over a wait, a system call that can block, script or module code.
 *
 * Two ranks keep deadlocks out: a process holds at most one LOCK_SHARD at a time and, inside it, at
 * most one LOCK_LEAF (page table, mailbox). Breaking the rule ends the process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum lock_rank { LOCK_SHARD, LOCK_LEAF };

struct lock {
	struct lock *next; /* for the kernel, when two are held */
	uint32_t
		word; /* as futex(2) wants it: thread of the holder, FUTEX_WAITERS, FUTEX_OWNER_DIED */
	uint16_t rank;
	bool is_left; /* by a dead holder, and not consistent yet */
};

enum lock_result {
	LOCK_TAKEN,
	LOCK_OWNER_DIED, /* taken; repair what the lock protects, then lock_mark_consistent */
};

/* `lock` lies in shared memory; before it is used by anyone. */
void lock_init(struct lock *lock, enum lock_rank rank);
[[nodiscard]] enum lock_result lock_take(struct lock *lock);
/* Before the release; else the next one hears of the death again. */
void lock_mark_consistent(struct lock *lock);
void lock_release(struct lock *lock);

/* Does this thread hold any lock now? A fiber must not wait then. */
bool lock_is_any_held(void);
