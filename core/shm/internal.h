/* SPDX-License-Identifier: BSD-2-Clause */
/* internal: layouts that the files of this room share; nobody else includes it.
 *
 * A position in the mapping is a `ref`: the distance from its start in units of 16 bytes, 0 is
 * nothing. Truth, that is what a repair believes: page table entries, slot headers and timers, block
 * marks. All else is index. A truth changes by one store that the compiler must not move. */
#pragma once

#include "core/base/check.h"
#include "core/shm/crash.h"
#include "core/shm/lock.h"
#include "core/shm/map.h"
#include "core/shm/shard.h"

#define REF_SHIFT     4
#define REFS_PER_PAGE (SHM_PAGE_SIZE >> REF_SHIFT)

/* Between stores whose order a repair relies on. The killed process's own stores are seen in
 * program order, so only the compiler needs to be told. */
static inline void store_order(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* ---- pages (map.c) ---- */
enum page_kind {
	PAGE_FREE,
	PAGE_FIXED, /* tables of the mapping, reservations */
	PAGE_RUN,
	PAGE_SLOTS,
	PAGE_HEAP,
	PAGE_BIG, /* one block of a region that needs pages of its own */
	PAGE_DAMAGED,
};

/* What the page table says of a page. Pages behind the first of a run have no entry of their own. */
struct page_entry {
	uint8_t kind;
	uint32_t pages;
	uint32_t owner; /* shard->owner for PAGE_SLOTS, _HEAP, _BIG */
};

/* Pages for a shard, their first 64 bytes zero; NULL when memory is out. */
void *page_take(enum page_kind kind, uint32_t owner, uint32_t pages);
void page_give(void *page);
void page_set_damaged(void *page);
struct page_entry page_look(uint32_t number);
/* No page at or above this number is in use. */
uint32_t page_high(void);
char *map_base(void);
/* Head of the list of sets, in the mapping. */
struct shard_set **map_sets(void);

static inline uint32_t page_number_of(const char *base, const void *at)
{
	return (uint32_t)(((size_t)((const char *)at - base)) / SHM_PAGE_SIZE);
}

static inline void *page_at(char *base, uint32_t number)
{
	return base + number * SHM_PAGE_SIZE;
}

/* The mapping is aligned, so a page begins where the low bits of the address are zero. */
static inline void *page_of(const void *at)
{
	return (void *)((uintptr_t)at & ~(uintptr_t)(SHM_PAGE_SIZE - 1));
}

/* ---- slots ---- */
#define SLOT_SET_ASIDE   4 /* its header was damaged; never used again */
#define SLOT_PAGE_MAGIC  0x51075107u
#define SLOT_PAGE_HEADER 64

/* Stands at the start of a PAGE_SLOTS page. All but magic and owner is index. */
struct slot_page {
	uint32_t magic;
	uint32_t owner;
	uint32_t used;           /* slots that are not free */
	uint32_t free_first;     /* number of a free slot + 1, chained through slot.chain */
	uint32_t fresh;          /* slots from here on were never used and are in no chain */
	uint32_t next, previous; /* all slot pages of the shard by number; 0 ends */
	uint32_t next_partial, previous_partial; /* those with a free slot */
};

/* ---- timers ---- */
#define WHEEL_LEVELS   4
#define WHEEL_BITS     6
#define WHEEL_PLACES   (1 << WHEEL_BITS)
#define WHEEL_OVERDUE  (WHEEL_LEVELS * WHEEL_PLACES)
#define TIMER_IS_FIRST 0x80000000u

struct slot_timer {
	uint32_t next;
	uint32_t previous; /* TIMER_IS_FIRST | place in wheel.first when it is the first */
	uint64_t due;      /* truth: 0 not armed, else tick << 2 | which */
};

struct wheel {
	int64_t tick;      /* everything before it was collected */
	int64_t next_tick; /* nothing is due before; read without lock */
	uint32_t armed;
	uint64_t occupied[WHEEL_LEVELS];
	uint32_t first[WHEEL_OVERDUE + 1];
};

/* ---- regions ---- */
#define HEAP_PAGE_MAGIC  0x48454150u
#define HEAP_PAGE_HEADER 32
#define HEAP_UNITS       ((uint32_t)((SHM_PAGE_SIZE - HEAP_PAGE_HEADER) >> REF_SHIFT))
#define BIG_PAGE_MAGIC   0x42494742u
#define BIG_PAGE_HEADER  64
#define HEAP_LISTS       80

/* Else the index of a slot. */
enum {
	OWNER_FREE = 0,
	OWNER_INDEX = 1,
	OWNER_NOBODY = 2, /* free, but not joined with its neighbours: see struct heap */
};

struct heap_page {
	uint32_t magic;
	uint32_t owner;
};

/* Stands before every block. `mark` is the truth: owner | units << 32 | units of the block before
 * << 44 | check << 56. Units count 16 bytes, this header included; 0 in a PAGE_BIG. */
struct block {
	uint64_t mark;
	uint32_t next; /* in its slot's region, or in a free list */
	uint32_t previous;
};

/* Larger blocks that somebody gave back while he worked on their slot are in the cache, others mostly lay
 * in memory for seconds. They stay as they are, and are taken again first, the newest one first. */
#define HOT_MOST        8
#define HOT_UNITS_LEAST 32

struct hot_block {
	uint32_t ref, units;
};

struct heap {
	struct hot_block hot[HOT_MOST]; /* the newest is the last */
	uint32_t hot_count;
	uint32_t empty_pages;
	uint64_t occupied[2]; /* which lists have blocks */
	uint32_t first[HEAP_LISTS];
};

/* ---- the shard ---- */
/* One line of memory: a slot that lay in memory for seconds is in no cache, its hash here says whether it is
 * worth looking at. */
#define BUCKET_WIDTH 7
struct bucket {
	_Alignas(64) uint32_t count;
	uint32_t tags[BUCKET_WIDTH]; /* of the hashes; the newest slot is the last */
	uint32_t rest;               /* slots older than these, chained by slot.chain */
	uint32_t refs[BUCKET_WIDTH];
};

#define BUCKETS_FIRST 8
#define SEGMENTS      24

/* What nearly every use touches stands first. */
struct shard {
	_Alignas(64) struct lock lock;
	char *base;
	struct shard_set *set;
	uint32_t number;
	uint32_t owner;      /* set id << 16 | number, as in the page table */
	uint32_t generation; /* last one given */
	uint32_t live;
	uint32_t unfinished; /* slots building or changing */
	uint32_t bucket_count;
	uint32_t first_partial;
	uint32_t kept_index; /* whose slot lies in shard_kept; 0: nobody's */
	uint64_t region_bytes;
	uint64_t quarantined;
	struct heap heap;
	struct wheel wheel;
	uint32_t kept_generation;
	uint32_t first_page, last_page; /* slot pages by number */
	uint32_t empty_slot_pages;
	uint64_t page_bytes;
	uint64_t repairs;
	uint64_t lost;
	uint32_t repair_attempts;
	uint32_t segments[SEGMENTS]; /* bucket arrays: 8, 8, 16, 32 …; the first is `buckets` */
	struct bucket buckets[BUCKETS_FIRST];
};

struct shard_set {
	const struct shard_type *type;
	struct shard_set *next;
	uint32_t id;
	uint32_t count;
	uint32_t shard_bits;
	uint32_t stride; /* bytes from slot to slot */
	uint32_t timers_offset;
	uint32_t slots_per_page;
	uint32_t kept_offset;
	size_t shard_size; /* bytes from shard to shard */
	char *shards;
};

/* Asks for a line of memory that will be written; other processes may have it. */
static inline void fetch_to_write(const void *at)
{
#ifdef __x86_64__
	__asm__ volatile("prefetchw %0"
			 :
			 : "m"(*(const char *)at)); /* does nothing where unknown */
#else
	__builtin_prefetch(at, 1);
#endif
}

/* The same for so many bytes, two lines at a time. */
static inline void fetch_lines(const char *at, size_t size)
{
	for (const char *end = at + size; at < end; at += 128) {
		fetch_to_write(at);
		fetch_to_write(at + 64);
	}
}

static inline struct shard *set_shard(const struct shard_set *set, unsigned number)
{
	return (struct shard *)(set->shards + number * set->shard_size);
}

/* A slot, header and timers included, as it was before the change that is going on. */
static inline struct slot *shard_kept(const struct shard *shard)
{
	return (struct slot *)((char *)shard + shard->set->kept_offset);
}

static inline void *ref_at(const struct shard *shard, uint32_t ref)
{
	return shard->base + ((size_t)ref << REF_SHIFT);
}

static inline uint32_t ref_of(const struct shard *shard, const void *at)
{
	return (uint32_t)((size_t)((const char *)at - shard->base) >> REF_SHIFT);
}

static inline struct slot *page_slot(const struct shard *shard, void *page, uint32_t n)
{
	return (struct slot *)((char *)page + SLOT_PAGE_HEADER + (size_t)n * shard->set->stride);
}

static inline struct slot_timer *slot_timers(const struct shard *shard, const struct slot *slot)
{
	return (struct slot_timer *)((char *)slot + shard->set->timers_offset);
}

static inline bool slot_is_in_use(const struct slot *slot)
{
	return slot->state == SLOT_LIVE || slot->state == SLOT_CHANGING;
}

/* shard.c */
uint32_t slot_checksum(const struct shard *shard, const struct slot *slot);
/* The slot with this index whatever its state, NULL when there is no slot at that place. */
struct slot *slot_locate(struct shard *shard, uint32_t index);
void slot_page_append(struct shard *shard, struct slot_page *page);
void slot_page_set_partial(struct shard *shard, struct slot_page *page);
uint64_t shard_bytes_of_all_sets(void);

/* index.c, with slot_first and slot_next */
/* Without lock: asks for the memory of the bucket. */
void index_foresee(struct shard *shard, uint64_t hash);
void index_insert(struct shard *shard, struct slot *slot);
void index_remove(struct shard *shard, const struct slot *slot);
/* Grows or shrinks the index by one bucket when the number of slots asks for it. */
void index_adjust(struct shard *shard);
/* Makes the index as small as its slots allow. */
void index_trim(struct shard *shard);
/* Empties the index; forgets segments that are not there any more. */
void index_reset(struct shard *shard);
bool index_owns(const struct shard *shard, const struct block *block);
bool index_has(struct shard *shard, const struct slot *slot);
/* The slots that it has; UINT32_MAX when what it says of one is wrong. */
uint32_t index_count(struct shard *shard);

/* region.c */
struct block *heap_take(struct shard *shard, size_t size);
void heap_set_owner(struct shard *shard, struct block *block, uint32_t owner);
void heap_give(struct shard *shard, struct block *block);
void heap_reset(struct shard *shard);
/* Without lock: asks for the block that heap_take will find for this size, probably. */
void heap_foresee(const struct shard *shard, size_t size);
void heap_insert(struct shard *shard, struct block *block);
/* Writes the header of a free block. */
void heap_make_free(struct shard *shard, struct block *block, uint32_t units,
		    uint32_t units_before);
bool block_is_sound(const struct shard *shard, const struct block *block);
unsigned heap_list_of(uint32_t units);
size_t block_bytes(const struct shard *shard, const struct block *block);
void region_link(struct shard *shard, struct slot *slot, struct block *block);
void region_free_all(struct shard *shard, struct slot *slot);
void heap_trim(struct shard *shard);
/* Joins what is hot with its neighbours. */
void heap_cool(struct shard *shard);

static inline uint32_t block_owner(const struct block *block)
{
	return (uint32_t)block->mark;
}

static inline uint32_t block_units(const struct block *block)
{
	return (uint32_t)(block->mark >> 32) & 0xfff;
}

static inline uint32_t block_units_before(const struct block *block)
{
	return (uint32_t)(block->mark >> 44) & 0xfff;
}

/* repair.c */
/* May the blocks of a page with memory for regions be believed? */
bool memory_page_is_sound(const struct shard *shard, const void *page, enum page_kind kind);

/* wheel.c */
void wheel_reset(struct shard *shard, bool is_new);
/* Puts a timer whose `due` is set into the wheel. */
void wheel_link(struct shard *shard, struct slot_timer *timer);
void timer_disarm_all(struct shard *shard, struct slot *slot);
/* Walks the lists; returns the number of timers found in their right places, or UINT32_MAX. */
uint32_t wheel_count(struct shard *shard);

/* repair.c */
void shard_repair(struct shard *shard);
