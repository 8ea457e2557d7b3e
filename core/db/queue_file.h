/* SPDX-License-Identifier: BSD-2-Clause */
/* queue_file: a ring of records in a file that processes share. A record is there when the head has
 * moved past it, so that a process which dies while it adds one leaves nothing behind. */
#pragma once

#include <limits.h>

#include "core/base/span.h"
#include "core/shm/lock.h"

struct ring_head; /* the first page of the file */

/* In memory that processes share. */
struct ring_shared {
	struct lock lock;
	_Atomic uint64_t reserved; /* bytes of the file that the disk has promised */
};

struct ring {
	struct ring_shared *shared;
	struct ring_head *head;
	char *bytes;
	size_t capacity;
	int fd;
	char path[PATH_MAX];
};

enum ring_result { RING_OK, RING_FULL, RING_NO_DISK };

/* Opens or makes the file and takes its lock; before the first fork. False after the reason was
 * logged. */
[[nodiscard]] bool ring_open(struct ring *ring, const char *path, size_t capacity);
/* Adds a record of `len` bytes, which `write` puts in its place under the lock: it may only copy. */
enum ring_result ring_add(struct ring *ring, size_t len, void (*write)(char *to, const void *arg),
			  const void *arg);
bool ring_is_empty(const struct ring *ring);
uint64_t ring_waiting(const struct ring *ring); /* bytes */

/* The only reader: a place in the ring; zero-initialised it is the oldest record. */
struct ring_cursor {
	uint64_t position;
	bool is_set;
};
/* The next record, borrowed until ring_drop; false at the end. Damaged records are passed over and
 * told of. */
bool ring_next(struct ring *ring, struct ring_cursor *cursor, struct span *out_record);
/* Everything before the cursor is done with. */
void ring_drop(struct ring *ring, const struct ring_cursor *cursor);
/* Closes the file, and deletes it when it is empty. */
void ring_close(struct ring *ring);
