/* SPDX-License-Identifier: BSD-2-Clause */
/* map: the shared mapping. The supervisor maps it once, before the first fork, so that it lies at
 * the same address in every process and plain pointers into it are valid everywhere. It is handed
 * out in pages of 32 KiB: to shards, as runs of several pages, and as reservations that stay.
 *
 * The page table is the truth about who owns what: an allocation is one store into the entry of
 * its first page. The free map and the figures are derived from it and rebuilt when a process
 * died while it held the page lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHM_PAGE_SIZE ((size_t)32768)
/* Larger mappings are refused: a position in the mapping, in units of 16 bytes, takes 31 bits. */
#define SHM_MOST_BYTES ((size_t)32 << 30)

/* Maps `bytes` (rounded up to pages, at least 1 MiB); memory is taken from the system as it is
 * touched. Before the first fork, once. False when the system refuses. */
[[nodiscard]] bool shm_init(size_t bytes);
/* Unmaps everything: tests, and the supervisor at its very end. */
void shm_free(void);
/* Takes all memory from the system now (core parameter shm_force_alloc); false when it cannot. */
[[nodiscard]] bool shm_touch(void);
/* Gives the memory behind free pages back to the system. */
void shm_trim(void);

/* `size` zeroed bytes, aligned to 64, that are never freed: for start-up. `name` is for the log.
 * NULL when the limit is reached. */
[[nodiscard]] void *shm_reserve(size_t size, const char *name);

/* Who reserves from now on, for mod.stats; borrowed for ever. Before the first fork. */
void shm_set_owner(const char *owner);
/* What was reserved, by owner and name; NULL past the end. A shard set reserves under its own name. */
struct shm_reservation {
	const char *owner, *name;
	size_t bytes;
	unsigned count;
};
const struct shm_reservation *shm_reservation_at(unsigned index);

/* A run of whole pages of at least `size` bytes, not zeroed, aligned to SHM_PAGE_SIZE: script
 * images, big tables. NULL when the limit is reached. `name` is for the log. Any process may free
 * it; freeing what is no run ends the process. */
[[nodiscard]] void *shm_run_alloc(size_t size, const char *name);
void shm_run_free(void *run);
/* Bytes that the run really has. */
size_t shm_run_size(const void *run);

/* For core.shmmem and the statistics group shmem. */
struct shm_usage {
	uint64_t total;     /* size of the mapping */
	uint64_t free;      /* total - real_used */
	uint64_t used;      /* asked for: reservations, runs, live slots and their memory */
	uint64_t real_used; /* whole pages handed out, and the tables of the mapping itself */
	uint64_t max_used;  /* the largest real_used so far */
	uint64_t fragments; /* separate stretches of free pages */
};
void shm_get_usage(struct shm_usage *out_usage);

/* Not 0 while less than 1/SHM_SHORT_PART of the pages is free: what is left is for what was begun. The
 * address is valid in every process. */
#define SHM_SHORT_PART 32
const uint32_t *shm_short_address(void);
/* How much of the mapping is handed out, 0-100; takes no lock, so it may be a moment old. */
unsigned shm_percent_used(void);

/* Is this address inside the mapping? */
bool shm_contains(const void *at);
/* Walks the page table under its lock; logs each inconsistency and returns their number. */
unsigned shm_check(void);
/* Takes and releases the page lock, so that what a dead process left is repaired now. */
void shm_touch_lock(void);
