/* SPDX-License-Identifier: BSD-2-Clause */
/* lock: robust locks, taken with a short spin before the process sleeps. Each thread tells the kernel where
 * it keeps what it holds (set_robust_list(2)); when it dies, however that comes, the kernel marks those
 * words and wakes who waits. Done here and not by the C library, whose way is several times longer: as a
 * thread holds two locks at most, the one it took last is `list_op_pending` all the time, and only one that
 * is held around it is in the list. */
#include "core/shm/lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/shm/internal.h"

/* Locks are held for some 100 ns: waiting a little, about 3 µs at most, is cheaper than the two
 * system calls of a sleep. Where processes share a core it neither helps nor harms (measured with
 * 0, 10, 40 and 100 rounds). */
#define SPIN_ROUNDS 40
/* Who dies between releasing a lock and waking a sleeper may leave it asleep: it looks again by itself. */
#define SLEEP_MOST_NS 50000000

/* Of this thread: helper threads of drivers must not confuse the worker. */
static _Thread_local struct holder {
	struct lock *outer; /* held around the last one; NULL: none */
	uint32_t id;        /* 0: the kernel does not know the list yet */
	struct robust_list_head list;
} mine;

_Static_assert(offsetof(struct lock, next) == 0 &&
		       sizeof(struct robust_list) == sizeof(struct lock *),
	       "the kernel's view of a lock");

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void forget_parent(void)
{
	memset(&mine, 0, sizeof(mine));
}

[[gnu::cold, gnu::noinline]] static void introduce_thread(void)
{
	mine.list.list.next = &mine.list.list;
	mine.list.futex_offset = offsetof(struct lock, word);
	/* valgrind does not know the call: nobody may die there. */
	long result = syscall(SYS_set_robust_list, &mine.list, sizeof(mine.list));
	bug_if(result != 0 && errno != ENOSYS, "no robust locks on this system: %s",
	       strerror(errno));
	mine.id = (uint32_t)syscall(SYS_gettid);
}

void lock_init(struct lock *lock, enum lock_rank rank)
{
	static bool is_prepared;
	if (!is_prepared)
		bug_if(pthread_atfork(NULL, NULL, forget_parent) != 0, "no memory at start");
	is_prepared = true;
	*lock = (struct lock){ .rank = (uint16_t)rank };
}

/* Takes it when nobody holds it: a dead holder's mark and that somebody waits stay known. */
static bool try_take(struct lock *lock, uint32_t word, uint32_t with)
{
	uint32_t taken = mine.id | (word & FUTEX_WAITERS) | with;
	return !(word & FUTEX_TID_MASK) &&
	       __atomic_compare_exchange_n(&lock->word, &word, taken, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static void sleep_for(struct lock *lock, uint32_t word)
{
	const struct timespec most = { .tv_nsec = SLEEP_MOST_NS };
	uint32_t with_waiters = word | FUTEX_WAITERS;
	if (word != with_waiters &&
	    !__atomic_compare_exchange_n(&lock->word, &word, with_waiters, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return;
	syscall(SYS_futex, &lock->word, FUTEX_WAIT, with_waiters, &most, NULL, 0);
}

[[gnu::cold, gnu::noinline]] static void wake_one(struct lock *lock)
{
	syscall(SYS_futex, &lock->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* The word as it was before it was taken. */
[[gnu::cold, gnu::noinline]] static uint32_t take_contended(struct lock *lock)
{
	uint32_t word = 0;
	for (unsigned round = 0; round < SPIN_ROUNDS; round++) {
		for (unsigned i = 0; i < round; i++)
			pause_briefly();
		word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);
		if (try_take(lock, word, 0))
			return word;
	}
	for (;;) {
		word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);
		/* Others may sleep beside it. */
		if (try_take(lock, word, FUTEX_WAITERS))
			return word;
		if (word & FUTEX_TID_MASK)
			sleep_for(lock, word);
	}
}

/* The lock that was taken last and is held, or being taken; NULL: none. */
static inline struct lock *last_of(const struct holder *me)
{
	return (struct lock *)me->list.list_op_pending;
}

static inline void set_last(struct holder *me, struct lock *lock)
{
	store_order();
	me->list.list_op_pending = (struct robust_list *)lock;
	store_order();
}

/* Puts the lock that is held into the list, because another one is taken inside it. */
[[gnu::noinline]] static void keep_outer(struct holder *me, struct lock *outer,
					 const struct lock *inner)
{
	bug_if(outer->rank == LOCK_LEAF || inner->rank == LOCK_SHARD,
	       "a second lock of rank %u is taken, or a shard inside a leaf lock", inner->rank);
	me->outer = outer;
	outer->next = (struct lock *)&me->list.list;
	store_order();
	me->list.list.next = (struct robust_list *)outer;
}

enum lock_result lock_take(struct lock *lock)
{
	struct holder *me = &mine;
	struct lock *outer = last_of(me);
	uint32_t word = 0;
	if (__builtin_expect(me->id == 0, 0))
		introduce_thread();
	if (__builtin_expect(outer != NULL, 0))
		keep_outer(me, outer, lock);
	set_last(me, lock);
	if (!__atomic_compare_exchange_n(&lock->word, &word, me->id, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		word = take_contended(lock);
	if (__builtin_expect(word & FUTEX_OWNER_DIED, 0))
		lock->is_left = true;
	return lock->is_left ? LOCK_OWNER_DIED : LOCK_TAKEN;
}

void lock_mark_consistent(struct lock *lock)
{
	bug_if(!lock->is_left, "this lock was not left by a dead process");
	lock->is_left = false;
}

void lock_release(struct lock *lock)
{
	struct holder *me = &mine;
	bug_if(last_of(me) != lock, "a lock is released that is not held, or before the one in it");
	if (__builtin_expect(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) & FUTEX_WAITERS,
			     0))
		wake_one(lock);
	/* The one around it is the last again. */
	set_last(me, me->outer);
	me->outer = NULL;
	me->list.list.next = &me->list.list;
}

bool lock_is_any_held(void)
{
	return last_of(&mine) != NULL;
}
