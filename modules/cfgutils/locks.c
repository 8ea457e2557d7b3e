/* SPDX-License-Identifier: BSD-2-Clause */
/* lock(): a set of locks that keys are hashed to. A lock is a word that says which process took it and
 * when, so that one whose process died is free, and one that nobody released is taken over. */
#include "modules/cfgutils/cfgutils.h"

#define WAIT_STEP_MS 1
/* Longer than any sensible script holds one. */
#define HELD_MOST_S 10

static uint64_t *lock_of(struct span key)
{
	if (cfgutils_shared()->lock_count)
		return &cfgutils_shared()
				->locks[hash_span(key) & (cfgutils_shared()->lock_count - 1)];
	log_error("there are no locks: set the parameter lock_set_size of cfgutils");
	return NULL;
}

/* holder = process (16 bits) incarnation (16 bits) seconds (32 bits); never 0 */
static uint64_t own_word(void)
{
	uint64_t process = process_index();
	return process << 48 | (uint64_t)(process_incarnation((unsigned)process) & 0xffff) << 32 |
	       (uint32_t)(clock_ms() / 1000 + 1);
}

static bool is_stale(uint64_t word)
{
	unsigned process = (unsigned)(word >> 48);
	uint32_t since_s = (uint32_t)word, now_s = (uint32_t)(clock_ms() / 1000 + 1);
	return (process_incarnation(process) & 0xffff) != (word >> 32 & 0xffff) ||
	       now_s - since_s > HELD_MOST_S;
}

static bool take(uint64_t *lock)
{
	uint64_t holder = __atomic_load_n(lock, __ATOMIC_RELAXED);
	bool was_stale = holder && is_stale(holder);
	if (holder && !was_stale)
		return false;
	if (!__atomic_compare_exchange_n(lock, &holder, own_word(), false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	if (was_stale)
		log_warning("a lock was never released and is taken over");
	return true;
}

bool lock_try(struct span key)
{
	uint64_t *lock = lock_of(key);
	return lock && take(lock);
}

bool lock_wait(struct span key)
{
	uint64_t *lock = lock_of(key);
	while (lock && !take(lock)) {
		if (!fiber_is_running()) {
			log_error("this route cannot wait for a lock; use trylock()");
			return false;
		}
		fiber_sleep_ms(WAIT_STEP_MS);
	}
	return lock != NULL;
}

bool lock_release(struct span key)
{
	uint64_t *lock = lock_of(key);
	if (lock)
		__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
	return lock != NULL;
}
