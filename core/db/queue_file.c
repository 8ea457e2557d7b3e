/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring: a page of positions, then records of 8-byte steps. Positions grow for ever; a record is
 * never cut in two at the end of the file, a filler is put there. Disk space is taken ahead of the
 * head, so that a full disk is an answer and no signal. */
#include "core/db/queue_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/shm/map.h"

#define PAGE           ((size_t)4096)
#define FORMAT_VERSION 1
#define STEP           ((size_t)8)
/* Disk space is taken in such pieces. */
#define PIECE  ((uint64_t)1 << 20)
#define FILLER UINT32_MAX /* as a checksum: nothing but the way to the start */

static const char magic[16] = "viaduct-queue";

struct ring_head {
	char magic[16];
	uint32_t version;
	uint32_t byte_order;
	uint64_t capacity;
	_Atomic uint64_t head, tail; /* where the next record goes, where the oldest is */
};
_Static_assert(sizeof(struct ring_head) <= PAGE, "the positions fit into a page");

struct record_head {
	uint32_t size;  /* of the whole, a multiple of STEP */
	uint32_t len;   /* of the contents */
	uint64_t check; /* of the contents; FILLER */
};

static size_t record_size(size_t len)
{
	return (sizeof(struct record_head) + len + STEP - 1) / STEP * STEP;
}

/* ---- opening ---- */

static bool fail(const char *path, const char *what)
{
	log_error("the queue of rows %s %s: %m; set the folder or make room", path, what);
	return false;
}

/* What is in the file counts; false when it is of no use. */
static bool is_right(const struct ring_head *head, uint64_t file_size)
{
	uint64_t used = head->head - head->tail;
	return !memcmp(head->magic, magic, sizeof(magic)) && head->version == FORMAT_VERSION &&
	       head->byte_order == 0x01020304u && head->capacity >= PIECE &&
	       head->capacity % PAGE == 0 && head->capacity <= (uint64_t)1 << 31 &&
	       head->head >= head->tail && used <= head->capacity && head->head % STEP == 0 &&
	       head->tail % STEP == 0 && file_size >= PAGE;
}

/* An older file keeps its size while something waits in it. */
static bool read_head(struct ring *ring, size_t capacity, bool *out_is_new)
{
	struct stat info;
	struct ring_head head;
	ring->capacity = (capacity + PAGE - 1) / PAGE * PAGE;
	if (ring->capacity < PIECE)
		ring->capacity = PIECE;
	if (fstat(ring->fd, &info) < 0)
		return fail(ring->path, "cannot be read");
	*out_is_new = info.st_size == 0;
	if (*out_is_new)
		return true;
	ssize_t got = pread(ring->fd, &head, sizeof(head), 0);
	if (got != (ssize_t)sizeof(head) || !is_right(&head, (uint64_t)info.st_size)) {
		log_error("%s is no queue of rows that this release can read; move it away",
			  ring->path);
		return false;
	}
	*out_is_new = head.head == head.tail;
	if (!*out_is_new)
		ring->capacity = head.capacity;
	return true;
}

/* Takes disk space up to `wanted` bytes of the records' part. */
static bool take_space(struct ring *ring, uint64_t wanted)
{
	uint64_t reserved = ring->shared->reserved;
	while (reserved < wanted && reserved < ring->capacity) {
		uint64_t piece =
			ring->capacity - reserved < PIECE ? ring->capacity - reserved : PIECE;
		int error = posix_fallocate(ring->fd, (off_t)(PAGE + reserved), (off_t)piece);
		errno = error;
		if (error)
			return false;
		atomic_compare_exchange_strong(&ring->shared->reserved, &reserved,
					       reserved + piece);
		reserved = ring->shared->reserved;
	}
	return true;
}

static bool map_file(struct ring *ring, bool is_new)
{
	int error = posix_fallocate(ring->fd, 0, (off_t)PAGE);
	errno = error;
	if (error)
		return fail(ring->path, "cannot be written");
	char *at =
		mmap(NULL, PAGE + ring->capacity, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (at == MAP_FAILED)
		return fail(ring->path, "cannot be mapped");
	ring->head = (struct ring_head *)at;
	ring->bytes = at + PAGE;
	if (is_new) {
		*ring->head = (struct ring_head){ .version = FORMAT_VERSION,
						  .byte_order = 0x01020304u,
						  .capacity = ring->capacity };
		memcpy(ring->head->magic, magic, sizeof(magic));
	}
	/* What was left may lie anywhere, so all of it must be there. */
	if (!take_space(ring, is_new ? PIECE : ring->capacity))
		return fail(ring->path, "cannot be written");
	return true;
}

bool ring_open(struct ring *ring, const char *path, size_t capacity)
{
	bool is_new;
	snprintf(ring->path, sizeof(ring->path), "%s", path);
	ring->shared = shm_reserve(sizeof(*ring->shared), "queue of rows");
	if (!ring->shared) {
		log_error("no shared memory for the queue of rows %s", path);
		return false;
	}
	lock_init(&ring->shared->lock, LOCK_LEAF);
	ring->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (ring->fd < 0)
		return fail(path, "cannot be opened");
	if (flock(ring->fd, LOCK_EX | LOCK_NB) < 0) {
		log_error("another server uses the queue of rows %s; give each its own run_dir",
			  path);
		close(ring->fd);
		return false;
	}
	if (read_head(ring, capacity, &is_new) && map_file(ring, is_new))
		return true;
	close(ring->fd);
	return false;
}

void ring_close(struct ring *ring)
{
	if (ring_is_empty(ring))
		unlink(ring->path);
	munmap(ring->head, PAGE + ring->capacity);
	close(ring->fd);
	ring->head = NULL;
}

/* ---- adding ---- */

static void take_lock(struct ring *ring)
{
	/* Positions are single stores: there is nothing to repair. */
	if (lock_take(&ring->shared->lock) == LOCK_OWNER_DIED)
		lock_mark_consistent(&ring->shared->lock);
}

/* Marks the rest of the ring, whose size is `left`, as empty. It may be too short for more than this. */
static void write_filler(struct ring *ring, size_t offset, size_t left)
{
	uint32_t mark[2] = { (uint32_t)left, FILLER };
	memcpy(ring->bytes + offset, mark, sizeof(mark));
}

/* Where a record of this size goes; the filler before it, if any, is written. */
static enum ring_result find_place(struct ring *ring, size_t size, uint64_t *out_head)
{
	uint64_t head = ring->head->head;
	size_t offset = head % ring->capacity, left = ring->capacity - offset;
	size_t filler = left < size ? left : 0;
	if (head - ring->head->tail + filler + size > ring->capacity)
		return RING_FULL;
	if (offset + (filler ? STEP : size) > ring->shared->reserved)
		return RING_NO_DISK;
	if (filler)
		write_filler(ring, offset, filler);
	*out_head = head + filler;
	return RING_OK;
}

enum ring_result ring_add(struct ring *ring, size_t len, void (*write)(char *to, const void *arg),
			  const void *arg)
{
	size_t size = record_size(len);
	uint64_t head;
	struct record_head record = { .size = (uint32_t)size, .len = (uint32_t)len };
	/* Ahead, because taking space may take a while. When it fails, what there is counts. */
	uint64_t ahead = ring->head->head % ring->capacity + 2 * size + PIECE / 4;
	if (ahead > ring->shared->reserved && ring->shared->reserved < ring->capacity)
		(void)take_space(ring, ahead < ring->capacity ? ahead : ring->capacity);
	take_lock(ring);
	enum ring_result result = find_place(ring, size, &head);
	if (result == RING_OK) {
		char *to = ring->bytes + head % ring->capacity;
		write(to + sizeof(record), arg);
		record.check = hash_stable(to + sizeof(record), len);
		memcpy(to, &record, sizeof(record));
		ring->head->head = head + size;
	}
	lock_release(&ring->shared->lock);
	return result;
}

bool ring_is_empty(const struct ring *ring)
{
	return ring->head->head == ring->head->tail;
}

uint64_t ring_waiting(const struct ring *ring)
{
	return ring->head->head - ring->head->tail;
}

/* ---- reading ---- */

/* Only a crash of the machine can have done this: the rest cannot be told apart. */
static bool skip_damage(struct ring *ring, struct ring_cursor *cursor, uint64_t head)
{
	log_error("%llu bytes of the queue of rows %s are damaged; their rows are lost",
		  (unsigned long long)(head - cursor->position), ring->path);
	cursor->position = head;
	return false;
}

bool ring_next(struct ring *ring, struct ring_cursor *cursor, struct span *out_record)
{
	uint64_t head = ring->head->head;
	struct record_head record;
	if (!cursor->is_set)
		*cursor = (struct ring_cursor){ ring->head->tail, true };
	while (cursor->position < head) {
		size_t offset = cursor->position % ring->capacity;
		size_t left = ring->capacity - offset;
		uint32_t mark[2];
		memcpy(mark, ring->bytes + offset, sizeof(mark));
		if (mark[1] == FILLER && mark[0] == left) {
			cursor->position += left;
			continue;
		}
		if (left < sizeof(record))
			return skip_damage(ring, cursor, head);
		const char *at = ring->bytes + offset;
		memcpy(&record, at, sizeof(record));
		if (record.size > left || record.len > left ||
		    record.size != record_size(record.len) ||
		    record.check != hash_stable(at + sizeof(record), record.len))
			return skip_damage(ring, cursor, head);
		*out_record = span_make(at + sizeof(record), record.len);
		cursor->position += record.size;
		return true;
	}
	return false;
}

void ring_drop(struct ring *ring, const struct ring_cursor *cursor)
{
	take_lock(ring);
	ring->head->tail = cursor->position;
	size_t offset = cursor->position % ring->capacity;
	/* Memory that was used once is used again, so that the disk has to hold what waited only. */
	if (ring->head->head == cursor->position && offset >= PIECE / 2 &&
	    offset + STEP <= ring->shared->reserved) {
		uint64_t start = cursor->position + ring->capacity - offset;
		write_filler(ring, offset, ring->capacity - offset);
		ring->head->head = start;
		ring->head->tail = start;
	}
	lock_release(&ring->shared->lock);
}
