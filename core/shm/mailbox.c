/* SPDX-License-Identifier: BSD-2-Clause */
/* mailbox: a ring of cells per box. Senders take the box's lock, write a cell and move `written`;
 * the receiver needs no lock and moves `taken`. Each of the two is one store, so a process that
 * dies anywhere leaves a ring that is valid. Long parts lie in slots of a set of shards. */
#include "core/shm/mailbox.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/shm/internal.h"

/* A long part whose sender died before it could be queued is dropped after this time. */
#define UNQUEUED_MOST_MS 10000
#define BLOCK_SHARDS     8

struct cell {
	uint32_t type;
	uint16_t sender;
	uint16_t len;
	uint32_t block_index; /* 0: no long part */
	uint32_t block_generation;
	uint8_t bytes[MAILBOX_INLINE_MOST];
};
_Static_assert(sizeof(struct cell) == 256, "cells fill cache lines");

struct mailbox {
	struct lock lock; /* senders */
	uint32_t number;
	uint32_t capacity;
	int fd;
	_Alignas(64) uint64_t written; /* cells ever written */
	_Alignas(64) uint64_t taken;   /* cells ever taken */
	uint32_t is_sleeping;          /* the receiver saw an empty box: wake it */
	struct cell *cells;
};

/* The long part of a message. */
struct mail_block {
	struct slot slot;
	void *bytes;
	size_t len;
	uint32_t box;
	uint32_t is_queued; /* a cell names it, or did; set under the box's lock */
	int64_t made_ms;
};

static const struct shard_type block_type = { .name = "mail",
					      .slot_size = sizeof(struct mail_block) };

static struct {
	struct mailbox *boxes;
	unsigned count;
	struct shard_set *blocks;
} state;

/* ---- set-up ---- */
static bool mailbox_set_up(struct mailbox *box, unsigned number, unsigned capacity)
{
	lock_init(&box->lock, LOCK_LEAF);
	box->number = number;
	box->capacity = capacity;
	box->is_sleeping = 1; /* who never asked has to be woken */
	box->cells = shm_reserve(capacity * sizeof(struct cell), "mailbox");
	box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (box->fd < 0)
		log_error("mailbox %u: no eventfd: %s", number, strerror(errno));
	return box->fd >= 0 && box->cells;
}

bool mailbox_init(unsigned count, unsigned capacity)
{
	bug_if(capacity == 0 || (capacity & (capacity - 1)), "a mailbox of %u messages", capacity);
	state.blocks = shard_set_new(&block_type, BLOCK_SHARDS);
	state.boxes = shm_reserve(count * sizeof(struct mailbox), "mailboxes");
	if (!state.boxes || !state.blocks)
		return false;
	for (state.count = 0; state.count < count; state.count++) {
		if (!mailbox_set_up(&state.boxes[state.count], state.count, capacity))
			return false;
	}
	return true;
}

void mailbox_free(void)
{
	for (unsigned number = 0; number < state.count; number++)
		close(state.boxes[number].fd);
	state.boxes = NULL;
	state.count = 0;
	state.blocks = NULL;
}

struct mailbox *mailbox_at(unsigned number)
{
	return number < state.count ? &state.boxes[number] : NULL;
}

int mailbox_fd(const struct mailbox *box)
{
	return box->fd;
}

/* ---- sending ---- */
/* A dead sender leaves at most a cell that does not count: nothing to repair. */
static void box_lock(struct mailbox *box)
{
	if (lock_take(&box->lock) == LOCK_OWNER_DIED)
		lock_mark_consistent(&box->lock);
}

static bool box_put(struct mailbox *box, const struct cell *head, const void *bytes,
		    struct mail_block *block)
{
	box_lock(box);
	uint64_t written = box->written;
	bool is_full = written - __atomic_load_n(&box->taken, __ATOMIC_ACQUIRE) >= box->capacity;
	if (!is_full) {
		struct cell *cell = &box->cells[written & (box->capacity - 1)];
		memcpy(cell, head, offsetof(struct cell, bytes));
		if (head->len)
			memcpy(cell->bytes, bytes, head->len);
		CRASH_POINT("mail written, not counted");
		if (block)
			block->is_queued = 1;
		__atomic_store_n(&box->written, written + 1, __ATOMIC_RELEASE);
		CRASH_POINT("mail counted");
	}
	lock_release(&box->lock);
	return !is_full;
}

static void box_wake(struct mailbox *box)
{
	/* Pairs with the receiver, who stores is_sleeping and then looks at `written` again. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&box->is_sleeping, __ATOMIC_RELAXED) ||
	    !__atomic_exchange_n(&box->is_sleeping, 0, __ATOMIC_SEQ_CST))
		return;
	uint64_t one = 1;
	ssize_t written = write(box->fd, &one, sizeof(one));
	(void)written; /* fails only when it is readable anyway */
}

bool mailbox_send(struct mailbox *box, uint32_t type, uint16_t sender, const void *bytes,
		  size_t len)
{
	bug_if(len > MAILBOX_INLINE_MOST, "a message of %zu bytes", len);
	struct cell head = { .type = type, .sender = sender, .len = (uint16_t)len };
	if (!box_put(box, &head, bytes, NULL))
		return false;
	box_wake(box);
	return true;
}

static struct mail_block *block_new(struct mailbox *box, unsigned number, const void *bytes,
				    size_t len)
{
	struct shard *shard = shard_lock_number(state.blocks, number);
	struct mail_block *block = slot_new(shard, 0);
	if (block) {
		block->bytes = region_alloc(shard, &block->slot, len);
		block->len = len;
		block->box = box->number;
		block->made_ms = clock_ms();
		if (block->bytes) {
			memcpy(block->bytes, bytes, len);
			slot_publish(shard, &block->slot);
		} else {
			slot_free(shard, &block->slot);
			block = NULL;
		}
	}
	shard_unlock(shard);
	return block;
}

static void block_free(unsigned number, uint32_t index, uint32_t generation)
{
	struct shard *shard = shard_lock_number(state.blocks, number);
	struct mail_block *block = slot_at(shard, index, generation);
	if (block)
		slot_free(shard, &block->slot);
	shard_unlock(shard);
}

bool mailbox_send_block(struct mailbox *box, uint32_t type, uint16_t sender, const void *bytes,
			size_t len, const void *long_bytes, size_t long_len)
{
	bug_if(len > MAILBOX_INLINE_MOST, "a message of %zu bytes", len);
	if (long_len > MAILBOX_BLOCK_MOST)
		return false;
	struct mail_block *block = block_new(box, sender % BLOCK_SHARDS, long_bytes, long_len);
	if (!block)
		return false;
	struct cell head = {
		.type = type,
		.sender = sender,
		.len = (uint16_t)len,
		.block_index = block->slot.index,
		.block_generation = block->slot.generation,
	};
	if (!box_put(box, &head, bytes, block)) {
		block_free(sender % BLOCK_SHARDS, head.block_index, head.block_generation);
		return false;
	}
	box_wake(box);
	return true;
}

/* ---- receiving ---- */
static bool box_is_empty(const struct mailbox *box)
{
	return __atomic_load_n(&box->written, __ATOMIC_ACQUIRE) == box->taken;
}

/* Nothing to take: asks to be woken, and looks once more for a sender who came in between. */
static bool box_is_empty_for_sleep(struct mailbox *box)
{
	if (!box_is_empty(box))
		return false;
	uint64_t wakes;
	ssize_t drained = read(box->fd, &wakes, sizeof(wakes));
	(void)drained; /* EAGAIN: it was not readable */
	__atomic_store_n(&box->is_sleeping, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (box_is_empty(box))
		return true;
	__atomic_store_n(&box->is_sleeping, 0, __ATOMIC_SEQ_CST);
	return false;
}

/* The block that a cell names; its slot belongs to the message, so no lock is needed to read it. */
static const struct mail_block *cell_block(const struct cell *cell)
{
	return cell->block_index
		       ? (const struct mail_block *)(map_base() +
						     ((size_t)cell->block_index << REF_SHIFT))
		       : NULL;
}

bool mailbox_receive(struct mailbox *box, struct mail *out_mail)
{
	if (box_is_empty_for_sleep(box))
		return false;
	const struct cell *cell = &box->cells[box->taken & (box->capacity - 1)];
	const struct mail_block *block = cell_block(cell);
	out_mail->type = cell->type;
	out_mail->sender = cell->sender;
	out_mail->inline_len = cell->len;
	memcpy(out_mail->bytes, cell->bytes, cell->len);
	out_mail->block = block ? block->bytes : NULL;
	out_mail->block_len = block ? block->len : 0;
	out_mail->block_index = cell->block_index;
	out_mail->block_generation = cell->block_generation;
	out_mail->block_shard = cell->sender % BLOCK_SHARDS;
	__atomic_store_n(&box->taken, box->taken + 1, __ATOMIC_RELEASE);
	CRASH_POINT("mail taken");
	return true;
}

void mail_release(struct mail *mail)
{
	if (!mail->block)
		return;
	block_free(mail->block_shard, mail->block_index, mail->block_generation);
	mail->block = NULL;
}

unsigned mailbox_waiting(const struct mailbox *box)
{
	return (unsigned)(__atomic_load_n(&box->written, __ATOMIC_ACQUIRE) -
			  __atomic_load_n(&box->taken, __ATOMIC_ACQUIRE));
}

/* ---- after a death ---- */
static bool is_waiting(const struct mailbox *box, const struct mail_block *block)
{
	for (uint64_t n = box->taken; n != box->written; n++) {
		const struct cell *cell = &box->cells[n & (box->capacity - 1)];
		if (cell->block_index == block->slot.index &&
		    cell->block_generation == block->slot.generation)
			return true;
	}
	return false;
}

/* Under the box's lock nobody is between writing a cell and saying that the block is queued. */
static bool is_forgotten(struct mailbox *box, const struct mail_block *block)
{
	box_lock(box);
	bool is_old = clock_ms() - block->made_ms > UNQUEUED_MOST_MS;
	bool result = block->is_queued ? !is_waiting(box, block) : is_old;
	lock_release(&box->lock);
	return result;
}

void mailbox_adopt(struct mailbox *box)
{
	for (unsigned number = 0; number < BLOCK_SHARDS; number++) {
		struct shard *shard = shard_lock_number(state.blocks, number);
		struct mail_block *block;
		uint32_t cursor = 0;
		while ((block = slot_each(shard, &cursor)) != NULL) {
			if (block->box == box->number && is_forgotten(box, block))
				slot_free(shard, &block->slot);
		}
		shard_unlock(shard);
	}
	uint64_t wakes;
	ssize_t drained = read(box->fd, &wakes, sizeof(wakes));
	(void)drained;
	__atomic_store_n(&box->is_sleeping, 0, __ATOMIC_SEQ_CST);
}
