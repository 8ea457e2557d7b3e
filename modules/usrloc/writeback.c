/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing back: bindings are claimed and copied under the shard's lock, written without it, and marked
 * afterwards; what changed meanwhile is written again. */
#include "modules/usrloc/writeback.h"

#include <stdlib.h>

#include "core/db/mend.h"
#include "modules/usrloc/rows.h"

/* Rows of one transaction. */
#define BATCH 512
/* Slots that are looked at while a lock is held. */
#define LOOK_MOST 2048
/* Refused bindings that are told in a minute, and how much of their texts. */
#define TOLD_MOST  20
#define SHOWN_MOST 256

/* A binding whose row is being written. */
struct item {
	unsigned shard;
	uint32_t index, generation;
};

struct batch {
	struct arena arena;
	struct item items[BATCH];
	struct usrloc_contact contacts[BATCH];
	unsigned count;
};

/* ---- claims ---- */

static uint32_t own_name(void)
{
	return process_incarnation(process_index()) << 8 | (process_index() + 1);
}

static bool is_alone;

void writeback_be_alone(void)
{
	is_alone = true;
}

/* Does a process that lives write it? */
static bool is_claimed(const struct binding *binding)
{
	if (is_alone)
		return false;
	uint32_t process = (binding->writer & 0xff) - 1;
	return binding->writer && (process_incarnation(process) & 0xffffff) == binding->writer >> 8;
}

static bool has_work(const struct binding *binding)
{
	return binding->state != BINDING_SYNC && !binding->memory_only && !is_claimed(binding);
}

static void claim(struct batch *batch, unsigned number, struct binding *binding)
{
	struct usrloc_contact *contact = &batch->contacts[batch->count];
	bool is_over = binding->state != BINDING_GONE && binding_is_over(binding);
	if (is_over || !binding_copy(binding, &batch->arena, contact))
		return;
	binding->writer = own_name();
	batch->items[batch->count++] =
		(struct item){ number, binding->slot.index, binding->slot.generation };
}

/* ---- results ---- */

static void settle_one(struct shard *shard, const struct item *item,
		       const struct usrloc_contact *written, enum db_status status)
{
	struct binding *binding = slot_at(shard, item->index, item->generation);
	if (!binding || binding->writer != own_name())
		return;
	binding->writer = 0;
	if (status == DB_AWAY)
		return;
	/* What the database refused would be refused again: it lives in memory only. */
	if (written->state == BINDING_GONE)
		slot_free(shard, &binding->slot);
	else if (binding->state != BINDING_GONE)
		binding->state =
			binding->version == written->version ? BINDING_SYNC : BINDING_DIRTY;
}

static void settle(const struct batch *batch, unsigned from, unsigned to, enum db_status status)
{
	for (unsigned i = from; i < to; i++) {
		struct shard *shard = shard_lock_number(location_set(), batch->items[i].shard);
		settle_one(shard, &batch->items[i], &batch->contacts[i], status);
		shard_unlock(shard);
	}
}

static enum db_status write_range(const struct usrloc_contact *contacts, unsigned count)
{
	struct db_transaction transaction;
	enum db_status status = rows_begin(&transaction);
	if (status != DB_OK)
		return status;
	status = rows_write(&transaction, contacts, count);
	if (status == DB_OK)
		return db_commit(&transaction);
	db_rollback(&transaction);
	return status;
}

/* What only informs may be written shortened or cleaned; who is where may not. */
static enum db_status write_mended(const struct usrloc_contact *contact)
{
	struct usrloc_contact mended = *contact;
	struct db_value texts[] = { db_text(contact->user_agent), db_text(contact->call_id) };
	enum db_status status = DB_REJECTED;
	struct arena arena;
	arena_init(&arena, 1 << 12, 1 << 20);
	if (db_mend(texts, ARRAY_SIZE(texts), 0, &arena)) {
		mended.user_agent = texts[0].text;
		mended.call_id = texts[1].text;
		status = write_range(&mended, 1);
	}
	arena_free(&arena);
	return status;
}

/* Who sends such names again and again does not fill the disk with them. */
static void tell_refused(const struct usrloc_contact *contact)
{
	static int64_t minute;
	static unsigned told;
	if (minute != clock_ms() / 60000) {
		minute = clock_ms() / 60000;
		told = 0;
	}
	if (++told <= TOLD_MOST)
		log_error("the database refuses the binding %.*s of %.*s; it is kept in memory%s",
			  SPAN_ARGS(span_slice(contact->contact, 0, SHOWN_MOST)),
			  SPAN_ARGS(span_slice(contact->aor, 0, SHOWN_MOST)),
			  told == TOLD_MOST ? ". More of them are not told this minute" : " only");
}

/* A row that the database does not accept must not hold up the others: what was refused is written in
 * halves, down to the row that is to blame. */
static enum db_status write_halves(const struct batch *batch, unsigned from, unsigned to)
{
	unsigned middle = from + (to - from) / 2;
	enum db_status status = write_range(&batch->contacts[from], to - from);
	bool is_refused = status == DB_REJECTED || status == DB_DUPLICATE;
	if (is_refused && to - from > 1) {
		status = write_halves(batch, from, middle);
		if (status == DB_AWAY)
			settle(batch, middle, to, status);
		else
			status = write_halves(batch, middle, to);
		return status;
	}
	if (is_refused)
		status = write_mended(&batch->contacts[from]);
	if (status == DB_REJECTED || status == DB_DUPLICATE)
		tell_refused(&batch->contacts[from]);
	settle(batch, from, to, status);
	return status == DB_AWAY ? DB_AWAY : DB_OK;
}

static enum db_status write_batch(struct batch *batch)
{
	enum db_status status = batch->count ? write_halves(batch, 0, batch->count) : DB_OK;
	batch->count = 0;
	arena_clear(&batch->arena);
	return status;
}

/* ---- finding ---- */

static struct batch *batch_new(void)
{
	struct batch *batch = malloc(sizeof(*batch));
	if (batch) {
		batch->count = 0;
		arena_init(&batch->arena, 1 << 16, (size_t)1 << 28);
	}
	return batch;
}

static void batch_free(struct batch *batch)
{
	arena_free(&batch->arena);
	free(batch);
}

/* Claims the next bindings of a shard; false when there are no more. */
static bool claim_some(struct batch *batch, unsigned number, uint32_t *cursor)
{
	struct binding *binding = NULL;
	struct shard *shard = shard_lock_number(location_set(), number);
	for (unsigned looked = 0; looked < LOOK_MOST && batch->count < BATCH; looked++) {
		binding = slot_each(shard, cursor);
		if (!binding)
			break;
		if (has_work(binding))
			claim(batch, number, binding);
	}
	shard_unlock(shard);
	return binding != NULL;
}

enum db_status writeback_all(uint64_t *out_count)
{
	enum db_status status = DB_OK;
	uint64_t count = 0;
	struct batch *batch = batch_new();
	if (!batch)
		return DB_AWAY;
	for (unsigned number = 0; number < location_shard_count() && status == DB_OK; number++) {
		uint32_t cursor = 0;
		bool has_more = true;
		while (has_more && status == DB_OK) {
			has_more = claim_some(batch, number, &cursor);
			bool is_last = !has_more && number + 1 == location_shard_count();
			if (batch->count < BATCH && !is_last)
				continue;
			unsigned claimed = batch->count;
			status = write_batch(batch);
			count += status == DB_OK ? claimed : 0;
		}
	}
	if (batch->count)
		settle(batch, 0, batch->count, DB_AWAY);
	batch_free(batch);
	if (out_count)
		*out_count = count;
	return status;
}

enum db_status writeback_aor(unsigned domain, struct span aor)
{
	uint64_t hash = binding_hash(domain, aor);
	unsigned number = shard_number(location_set(), hash);
	struct batch *batch = batch_new();
	if (!batch)
		return DB_AWAY;
	struct shard *shard = shard_lock(location_set(), hash);
	for (struct binding *binding = slot_first(shard, hash); binding && batch->count < BATCH;
	     binding = slot_next(shard, &binding->slot))
		if (has_work(binding))
			claim(batch, number, binding);
	shard_unlock(shard);
	enum db_status status = write_batch(batch);
	batch_free(batch);
	return status;
}
