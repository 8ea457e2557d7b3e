/* SPDX-License-Identifier: BSD-2-Clause */
/* map: the shared mapping, its page table and what is reserved for good. */
#include "core/shm/map.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/log.h"
#include "core/shm/internal.h"

#define LEAST_BYTES ((size_t)1 << 20)
/* Alignment of the mapping: enough for page_of and for huge pages. */
#define MAP_ALIGNMENT ((size_t)2 << 20)
/* An entry: kind | pages << 8 | owner << 32. */
#define ENTRY(kind, pages, owner) \
	((uint64_t)(kind) | (uint64_t)(pages) << 8 | (uint64_t)(owner) << 32)
#define MOST_PAGES_OF_A_RUN 0xffffffu
/* Pages that are taken from the system together. */
#define TOUCH_AHEAD 4

/* Lies at the start of the mapping. */
struct shm_map {
	struct lock lock;
	size_t bytes;
	uint32_t pages;
	uint32_t high;       /* no page at or above it is in use */
	uint32_t touched;    /* pages below it were taken from the system */
	uint32_t first_word; /* no free page in the words of the free map before it */
	uint32_t words;
	uint32_t is_short; /* index: few pages are free */
	uint64_t pages_used;
	uint64_t pages_most;
	uint64_t run_pages;
	uint64_t reserved_bytes;
	char *reserve_next; /* [next, end) is left of the newest stretch of reservations */
	char *reserve_end;
	struct shard_set *sets;
	uint64_t *entries;  /* truth */
	uint64_t *free_map; /* index: a bit for each page, set when free */
};

static struct {
	struct shm_map *map;
	void *mapped; /* as mmap returned it */
	size_t mapped_bytes;
} state;

/* ---- set-up ---- */
static size_t round_up(size_t size, size_t multiple)
{
	return (size + multiple - 1) / multiple * multiple;
}

static void free_map_rebuild(struct shm_map *map);

static void map_set_up(struct shm_map *map, size_t bytes)
{
	map->bytes = bytes;
	map->pages = (uint32_t)(bytes / SHM_PAGE_SIZE);
	map->words = (map->pages + 63) / 64;
	size_t head = round_up(sizeof(*map), 64);
	map->entries = (uint64_t *)((char *)map + head);
	map->free_map = map->entries + map->pages;
	char *end = (char *)(map->free_map + map->words);
	uint32_t fixed =
		(uint32_t)(round_up((size_t)(end - (char *)map), SHM_PAGE_SIZE) / SHM_PAGE_SIZE);
	map->entries[0] = ENTRY(PAGE_FIXED, fixed, 0);
	map->reserve_next = (char *)map + round_up((size_t)(end - (char *)map), 64);
	map->reserve_end = (char *)map + fixed * SHM_PAGE_SIZE;
	lock_init(&map->lock, LOCK_LEAF);
	free_map_rebuild(map);
}

bool shm_init(size_t bytes)
{
	bug_if(state.map, "shared memory is mapped twice");
	bytes = round_up(bytes < LEAST_BYTES ? LEAST_BYTES : bytes, SHM_PAGE_SIZE);
	if (bytes > SHM_MOST_BYTES) {
		log_error("shared memory of %zu MiB: the most is %zu MiB", bytes >> 20,
			  SHM_MOST_BYTES >> 20);
		return false;
	}
	state.mapped_bytes = bytes + MAP_ALIGNMENT;
	state.mapped = mmap(NULL, state.mapped_bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (state.mapped == MAP_FAILED) {
		log_error("cannot map %zu MiB of shared memory: %s", bytes >> 20, strerror(errno));
		state.mapped = NULL;
		return false;
	}
	state.map = (struct shm_map *)round_up((uintptr_t)state.mapped, MAP_ALIGNMENT);
	map_set_up(state.map, bytes);
	return true;
}

void shm_free(void)
{
	if (state.mapped)
		munmap(state.mapped, state.mapped_bytes);
	state.mapped = NULL;
	state.map = NULL;
}

bool shm_touch(void)
{
	if (madvise(state.map, state.map->bytes, MADV_POPULATE_WRITE) == 0)
		return true;
	if (errno != EINVAL) { /* kernels before 5.14 do not know it */
		log_error("cannot take %zu MiB from the system: %s", state.map->bytes >> 20,
			  strerror(errno));
		return false;
	}
	for (size_t at = 0; at < state.map->bytes; at += 4096) {
		volatile char *byte = (volatile char *)state.map + at;
		*byte = *byte;
	}
	return true;
}

char *map_base(void)
{
	return (char *)state.map;
}

struct shard_set **map_sets(void)
{
	return &state.map->sets;
}

bool shm_contains(const void *at)
{
	uintptr_t base = (uintptr_t)state.map;
	return state.map && (uintptr_t)at >= base && (uintptr_t)at < base + state.map->bytes;
}

/* ---- the free map ---- */
static void mark_pages(struct shm_map *map, uint32_t first, uint32_t count, bool is_free)
{
	for (uint32_t page = first; page < first + count; page++) {
		uint64_t bit = (uint64_t)1 << (page & 63);
		if (is_free)
			map->free_map[page / 64] |= bit;
		else
			map->free_map[page / 64] &= ~bit;
	}
	if (is_free && first / 64 < map->first_word)
		map->first_word = first / 64;
}

static bool page_is_free(const struct shm_map *map, uint32_t page)
{
	return map->free_map[page / 64] >> (page & 63) & 1;
}

static struct page_entry entry_open(uint64_t entry)
{
	return (struct page_entry){
		.kind = (uint8_t)entry,
		.pages = (uint32_t)(entry >> 8) & MOST_PAGES_OF_A_RUN,
		.owner = (uint32_t)(entry >> 32),
	};
}

static void free_map_rebuild(struct shm_map *map)
{
	memset(map->free_map, 0, map->words * sizeof(map->free_map[0]));
	map->pages_used = map->run_pages = 0;
	map->first_word = 0;
	uint32_t high = 0; /* others read map->high meanwhile, without the lock */
	for (uint32_t page = 0; page < map->pages;) {
		struct page_entry entry = entry_open(map->entries[page]);
		if (entry.kind == PAGE_FREE) {
			mark_pages(map, page++, 1, true);
			continue;
		}
		map->pages_used += entry.pages;
		map->run_pages += entry.kind == PAGE_RUN ? entry.pages : 0;
		page += entry.pages;
		high = page;
	}
	__atomic_store_n(&map->high, high, __ATOMIC_RELEASE);
	if (map->pages_used > map->pages_most)
		map->pages_most = map->pages_used;
}

/* The first stretch of `count` free pages, or 0 (page 0 is never free). */
static uint32_t find_free(struct shm_map *map, uint32_t count)
{
	uint32_t found = 0;
	bool is_first = true;
	for (uint32_t page = map->first_word * 64; page < map->pages;) {
		if ((page & 63) == 0 && map->free_map[page / 64] == 0) {
			found = 0;
			page += 64;
			continue;
		}
		if (is_first && page_is_free(map, page)) {
			map->first_word = page / 64;
			is_first = false;
		}
		found = page_is_free(map, page) ? found + 1 : 0;
		page++;
		if (found == count)
			return page - count;
	}
	return 0;
}

/* ---- pages ---- */
static void map_lock(struct shm_map *map)
{
	if (lock_take(&map->lock) == LOCK_OWNER_DIED) {
		free_map_rebuild(map);
		lock_mark_consistent(&map->lock);
	}
}

/* Twice as many must be free again before it is over. */
static void judge_free(struct shm_map *map)
{
	uint64_t least = map->pages / SHM_SHORT_PART * (map->is_short ? 2 : 1);
	__atomic_store_n(&map->is_short, map->pages - map->pages_used < least, __ATOMIC_RELAXED);
}

const uint32_t *shm_short_address(void)
{
	return &state.map->is_short;
}

static void *take_locked(struct shm_map *map, enum page_kind kind, uint32_t owner, uint32_t pages)
{
	uint32_t first = find_free(map, pages);
	if (first == 0)
		return NULL;
	char *at = (char *)map + first * SHM_PAGE_SIZE;
	memset(at, 0, 64); /* no old header is taken for a new one */
	store_order();
	CRASH_POINT("page taken, not entered");
	__atomic_store_n(&map->entries[first], ENTRY(kind, pages, owner), __ATOMIC_RELEASE);
	store_order();
	CRASH_POINT("page entered, not marked");
	mark_pages(map, first, pages, false);
	map->pages_used += pages;
	map->run_pages += kind == PAGE_RUN ? pages : 0;
	if (map->pages_used > map->pages_most)
		map->pages_most = map->pages_used;
	judge_free(map);
	if (first + pages > map->high)
		__atomic_store_n(&map->high, first + pages, __ATOMIC_RELEASE);
	return at;
}

/* Takes the memory behind fresh pages from the system in one call, and that of some more: eight faults
 * a page cost more than clearing it. Where the system cannot do it, faults do. */
static void touch_ahead(struct shm_map *map, uint32_t first, uint32_t pages)
{
	uint32_t end = first + pages + TOUCH_AHEAD;
	uint32_t touched = __atomic_load_n(&map->touched, __ATOMIC_RELAXED);
	if (first + pages <= touched || pages > TOUCH_AHEAD)
		return;
	end = end < map->pages ? end : map->pages;
	__atomic_store_n(&map->touched, end, __ATOMIC_RELAXED);
	first = first > touched ? first : touched;
	madvise((char *)map + first * SHM_PAGE_SIZE, (end - first) * SHM_PAGE_SIZE,
		MADV_POPULATE_WRITE);
}

void *page_take(enum page_kind kind, uint32_t owner, uint32_t pages)
{
	struct shm_map *map = state.map;
	if (pages > MOST_PAGES_OF_A_RUN)
		return NULL;
	map_lock(map);
	void *at = take_locked(map, kind, owner, pages);
	lock_release(&map->lock);
	if (at)
		touch_ahead(map, page_number_of((char *)map, at), pages);
	return at;
}

void page_give(void *page)
{
	struct shm_map *map = state.map;
	uint32_t number = page_number_of((char *)map, page);
	map_lock(map);
	struct page_entry entry = entry_open(map->entries[number]);
	bug_if(entry.kind == PAGE_FREE || entry.kind == PAGE_FIXED, "page %u is freed twice",
	       number);
	__atomic_store_n(&map->entries[number], ENTRY(PAGE_FREE, 0, 0), __ATOMIC_RELEASE);
	store_order();
	CRASH_POINT("page left, not marked");
	mark_pages(map, number, entry.pages, true);
	map->pages_used -= entry.pages;
	map->run_pages -= entry.kind == PAGE_RUN ? entry.pages : 0;
	judge_free(map);
	lock_release(&map->lock);
}

void page_set_damaged(void *page)
{
	struct shm_map *map = state.map;
	uint32_t number = page_number_of((char *)map, page);
	struct page_entry entry = page_look(number);
	__atomic_store_n(&map->entries[number], ENTRY(PAGE_DAMAGED, entry.pages, entry.owner),
			 __ATOMIC_RELEASE);
}

struct page_entry page_look(uint32_t number)
{
	if (number >= state.map->pages)
		return (struct page_entry){ .kind = PAGE_FREE };
	return entry_open(__atomic_load_n(&state.map->entries[number], __ATOMIC_ACQUIRE));
}

uint32_t page_high(void)
{
	return __atomic_load_n(&state.map->high, __ATOMIC_ACQUIRE);
}

/* ---- reservations and runs ---- */
/* Makes room for `size` bytes in the stretch of reservations. */
static bool reserve_more(struct shm_map *map, size_t size)
{
	uint32_t pages = (uint32_t)((size + SHM_PAGE_SIZE - 1) / SHM_PAGE_SIZE);
	char *at = take_locked(map, PAGE_FIXED, 0, pages);
	if (!at)
		return false;
	if (at != map->reserve_end)
		map->reserve_next = at;
	map->reserve_end = at + pages * SHM_PAGE_SIZE;
	return true;
}

/* ---- reservations ------------------------------------------------------------------------------------ */

#define RESERVATIONS_MOST 256

/* Filled before the first fork, so that every process has its copy. */
static struct {
	const char *owner;
	struct shm_reservation list[RESERVATIONS_MOST];
	unsigned count;
} reserved = { .owner = "core" };

void shm_set_owner(const char *owner)
{
	reserved.owner = owner;
}

const struct shm_reservation *shm_reservation_at(unsigned index)
{
	return index < reserved.count ? &reserved.list[index] : NULL;
}

static void note_reservation(const char *name, size_t size)
{
	unsigned i = 0;
	while (i < reserved.count && (strcmp(reserved.list[i].owner, reserved.owner) != 0 ||
				      strcmp(reserved.list[i].name, name) != 0))
		i++;
	if (i == RESERVATIONS_MOST)
		return;
	if (i == reserved.count)
		reserved.list[reserved.count++] =
			(struct shm_reservation){ .owner = reserved.owner, .name = name };
	reserved.list[i].bytes += size;
	reserved.list[i].count++;
}

void *shm_reserve(size_t size, const char *name)
{
	struct shm_map *map = state.map;
	size = round_up(size ? size : 1, 64);
	char *at = NULL;
	map_lock(map);
	size_t left = (size_t)(map->reserve_end - map->reserve_next);
	if (size <= map->bytes && (size <= left || reserve_more(map, size))) {
		at = map->reserve_next;
		map->reserve_next += size;
		map->reserved_bytes += size;
	}
	lock_release(&map->lock);
	if (!at) {
		log_error("shared memory is too small: no %zu bytes for %s (more with -m)", size,
			  name);
		return NULL;
	}
	memset(at, 0, size);
	note_reservation(name, size);
	return at;
}

void *shm_run_alloc(size_t size, const char *name)
{
	if (size > state.map->bytes)
		return NULL;
	void *run = page_take(PAGE_RUN, 0,
			      (uint32_t)(round_up(size ? size : 1, SHM_PAGE_SIZE) / SHM_PAGE_SIZE));
	if (!run)
		log_warning("shared memory is out: no %zu bytes for %s", size, name);
	return run;
}

static struct page_entry run_entry(const void *run)
{
	bug_if(!shm_contains(run) || page_of(run) != run, "%p is no run of shared memory", run);
	struct page_entry entry = page_look(page_number_of((char *)state.map, run));
	bug_if(entry.kind != PAGE_RUN, "%p is no run of shared memory", run);
	return entry;
}

void shm_run_free(void *run)
{
	if (!run)
		return;
	run_entry(run);
	page_give(run);
}

size_t shm_run_size(const void *run)
{
	return run_entry(run).pages * SHM_PAGE_SIZE;
}

/* ---- figures and checks ---- */
/* Calls `visit` for every stretch of free pages below the last used one, and for the rest. */
static uint32_t each_free_stretch(struct shm_map *map, void (*visit)(char *at, size_t bytes))
{
	uint32_t stretches = 0;
	for (uint32_t page = 0; page < map->pages; page++) {
		uint32_t first = page;
		while (page < map->pages && page_is_free(map, page))
			page++;
		if (page == first)
			continue;
		stretches++;
		if (visit)
			visit((char *)map + first * SHM_PAGE_SIZE, (page - first) * SHM_PAGE_SIZE);
	}
	return stretches;
}

static void give_to_system(char *at, size_t bytes)
{
	if (madvise(at, bytes, MADV_REMOVE) != 0)
		log_debug("shared memory stays with the server: %s", strerror(errno));
}

/* The one system call under a lock: nobody may take these pages meanwhile. */
void shm_trim(void)
{
	map_lock(state.map);
	each_free_stretch(state.map, give_to_system);
	lock_release(&state.map->lock);
}

void shm_get_usage(struct shm_usage *out_usage)
{
	struct shm_map *map = state.map;
	uint64_t shard_bytes = shard_bytes_of_all_sets();
	map_lock(map);
	*out_usage = (struct shm_usage){
		.total = map->bytes,
		.free = map->bytes - map->pages_used * SHM_PAGE_SIZE,
		.used = map->reserved_bytes + map->run_pages * SHM_PAGE_SIZE + shard_bytes,
		.real_used = map->pages_used * SHM_PAGE_SIZE,
		.max_used = map->pages_most * SHM_PAGE_SIZE,
		.fragments = each_free_stretch(map, NULL),
	};
	lock_release(&map->lock);
}

unsigned shm_percent_used(void)
{
	const struct shm_map *map = state.map;
	return (unsigned)(map->pages_used * SHM_PAGE_SIZE * 100 / map->bytes);
}

void shm_touch_lock(void)
{
	map_lock(state.map);
	lock_release(&state.map->lock);
}

unsigned shm_check(void)
{
	struct shm_map *map = state.map;
	unsigned wrong = 0;
	uint64_t used = 0;
	map_lock(map);
	for (uint32_t page = 0; page < map->pages;) {
		struct page_entry entry = entry_open(map->entries[page]);
		bool is_free = entry.kind == PAGE_FREE;
		uint32_t pages = is_free ? 1 : entry.pages;
		if (entry.kind > PAGE_DAMAGED || pages == 0 || pages > map->pages - page) {
			log_error("page %u: impossible entry, kind %u, %u pages", page, entry.kind,
				  pages);
			wrong++;
			break;
		}
		used += is_free ? 0 : pages;
		for (uint32_t end = page + pages; page < end; page++) {
			if (page_is_free(map, page) == is_free)
				continue;
			log_error("page %u: the free map says %s", page, is_free ? "used" : "free");
			wrong++;
		}
	}
	if (used != map->pages_used) {
		log_error("%llu pages in use, counted %llu", (unsigned long long)map->pages_used,
			  (unsigned long long)used);
		wrong++;
	}
	lock_release(&map->lock);
	return wrong;
}
