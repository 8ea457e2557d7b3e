/* SPDX-License-Identifier: BSD-2-Clause */
/* watch: transactions and dialogs that the script wants traced, by Call-ID and, for transactions, CSeq.
 * All workers look here for each message, unless nothing is watched at all. */
#include "core/shm/map.h"
#include "modules/siptrace/siptrace.h"

#define SHARDS           16
#define TRANSACTION_MS   ((int64_t)300 * 1000)
#define DIALOG_MS        ((int64_t)12 * 3600 * 1000)
#define AFTER_BYE_MS     ((int64_t)60 * 1000)
#define LOOK_INTERVAL_MS 5000

struct watched {
	struct slot slot;
	struct span call_id;
	uint32_t cseq; /* of a transaction */
	bool is_dialog;
	struct end_point collector;
	struct span correlation, users, table;
	int64_t ends_ms;
};
static const struct shard_type watched_type = { .name = "siptrace watched",
						.slot_size = sizeof(struct watched) };

static struct {
	struct shard_set *all;
} state;

bool watch_prepare(void)
{
	state.all = shard_set_new(&watched_type, SHARDS);
	return state.all != NULL;
}

bool watch_is_on(void)
{
	return shard_set_live(state.all) > 0;
}

static struct watched *find(struct shard *shard, uint64_t hash, struct span call_id, uint32_t cseq)
{
	for (struct watched *one = slot_first(shard, hash); one; one = slot_next(shard, &one->slot))
		if (span_equal(one->call_id, call_id) && (one->is_dialog || one->cseq == cseq))
			return one;
	return NULL;
}

static bool keep(struct shard *shard, struct watched *to, struct span *field, struct span text)
{
	*field = text.len ? region_copy(shard, &to->slot, text) : (struct span){ NULL, 0 };
	return !text.len || field->at;
}

bool watch_add(const struct message *msg, const struct watch *watch)
{
	struct span call_id = message_value(msg, HEADER_CALL_ID);
	uint32_t cseq;
	if (!call_id.len || !message_cseq(msg, &cseq))
		return false;
	uint64_t hash = hash_span(call_id);
	struct shard *shard = shard_lock(state.all, hash);
	struct watched *one = find(shard, hash, call_id, cseq);
	bool is_kept = one != NULL;
	if (!one) {
		one = slot_new(shard, hash);
		is_kept = one && keep(shard, one, &one->call_id, call_id) &&
			  keep(shard, one, &one->correlation, watch->correlation) &&
			  keep(shard, one, &one->users, watch->users) &&
			  keep(shard, one, &one->table, watch->table);
		if (is_kept) {
			one->cseq = cseq;
			one->is_dialog = watch->is_dialog;
			one->collector = watch->collector;
			one->ends_ms = clock_ms() + (watch->is_dialog ? DIALOG_MS : TRANSACTION_MS);
			slot_publish(shard, &one->slot);
		} else if (one) {
			slot_free(shard, &one->slot);
		}
	}
	shard_unlock(shard);
	return is_kept;
}

bool watch_find(const struct message *msg, struct arena *arena, struct watch *out)
{
	struct span call_id = message_value(msg, HEADER_CALL_ID);
	uint32_t cseq;
	if (!call_id.len || !message_cseq(msg, &cseq))
		return false;
	uint64_t hash = hash_span(call_id);
	struct shard *shard = shard_lock(state.all, hash);
	struct watched *one = find(shard, hash, call_id, cseq);
	if (one) {
		*out = (struct watch){ one->is_dialog, one->collector,
				       arena_copy(arena, one->correlation),
				       arena_copy(arena, one->users),
				       arena_copy(arena, one->table) };
		/* Answers to the BYE still belong to it. */
		if (one->is_dialog && message_method(msg) == METHOD_BYE)
			one->ends_ms = clock_ms() + AFTER_BYE_MS;
		else if (!one->is_dialog)
			one->ends_ms = clock_ms() + TRANSACTION_MS;
	}
	shard_unlock(shard);
	return one != NULL;
}

int64_t watch_period_ms(void)
{
	return LOOK_INTERVAL_MS;
}

void watch_expire(void)
{
	int64_t now_ms = clock_ms();
	for (unsigned number = 0; number < shard_count(state.all); number++) {
		struct shard *shard = shard_lock_number(state.all, number);
		uint32_t cursor = 0;
		struct watched *one;
		while ((one = slot_each(shard, &cursor)))
			if (one->ends_ms <= now_ms)
				slot_free(shard, &one->slot);
		shard_unlock(shard);
	}
}
