/* SPDX-License-Identifier: BSD-2-Clause */
/* lock: a mutex in shared memory that survives the death of its holder. Held for memory operations
 * only: never over a wait, a system call that can block, script or module code.
 *
 * Two ranks keep deadlocks out: a process holds at most one LOCK_SHARD at a time and, inside it, at
 * most one LOCK_LEAF (page table, mailbox). Breaking the rule ends the process. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum lock_rank { LOCK_SHARD, LOCK_LEAF };

struct lock {
	_Alignas(64) pthread_mutex_t mutex;
	uint32_t rank;
};

enum lock_result {
	LOCK_TAKEN,
	LOCK_OWNER_DIED, /* taken; repair what the lock protects, then lock_mark_consistent */
};

/* `lock` lies in shared memory; before it is used by anyone. */
void lock_init(struct lock *lock, enum lock_rank rank);
[[nodiscard]] enum lock_result lock_take(struct lock *lock);
void lock_mark_consistent(struct lock *lock);
void lock_release(struct lock *lock);

/* Does this thread hold any lock now? A fiber must not wait then. */
bool lock_is_any_held(void);
