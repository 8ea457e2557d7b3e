/* SPDX-License-Identifier: BSD-2-Clause */
/* What a transaction keeps, and how long. What only an unfinished one needs (the request, what its branches
 * sent, provisional replies) lies in its room: one block, filled without a lock and given back whole, so that
 * the next transaction finds it in the cache. A finished one has its final reply, until the caller has
 * certainly heard it. */
#include "modules/tm/store.h"

/* A reply is mostly no longer than its request with a Record-Route. */
#define REPLY_GROWS 96
/* What a branch adds to a request: Via, Record-Route, and its texts. */
#define BRANCH_GROWS (sizeof(struct tx_sent) + 384)
/* So that the room of one transaction fits the next. */
#define ROOM_STEP 512

const struct tx_sent tx_sent_nothing;

static size_t room_size(const struct message *msg, size_t frozen)
{
	size_t size = frozen + msg->bytes.len + BRANCH_GROWS;
	if (msg->index->method == METHOD_INVITE)
		size += msg->bytes.len + REPLY_GROWS;
	return (size + ROOM_STEP - 1) / ROOM_STEP * ROOM_STEP;
}

/* NULL: there is not so much left. */
static void *room_take(struct transaction *tx, size_t size)
{
	char *at = tx->room.at + tx->room.used;
	size = (size + 15) & ~(size_t)15;
	if (size > tx->room.size - tx->room.used)
		return NULL;
	tx->room.used += (uint32_t)size;
	return at;
}

bool room_open(struct shard *shard, struct transaction *tx, const struct message *msg,
	       size_t frozen)
{
	size_t size = room_size(msg, frozen);
	tx->room.at = region_alloc(shard, &tx->slot, size);
	if (!tx->room.at)
		return false;
	tx->room.size = (uint32_t)size;
	tx->request = room_take(tx, frozen);
	return message_freeze(msg, tx->request);
}

void room_place_reply(struct transaction *tx, const struct message *request, struct span reply)
{
	size_t usual = request->bytes.len + REPLY_GROWS;
	size_t room = reply.len > usual ? reply.len : usual;
	char *at = room_take(tx, room);
	if (!at)
		return;
	memcpy(at, reply.at, reply.len);
	tx->reply = (struct bytes){ at, (uint32_t)reply.len, (uint32_t)room };
}

static bool is_in_room(const struct transaction *tx, const void *at)
{
	return (uintptr_t)at - (uintptr_t)tx->room.at < tx->room.size;
}

void *tx_alloc(struct transaction *tx, size_t size)
{
	void *at = room_take(tx, size);
	if (at)
		return at;
	struct shard *shard = tx_lock(tx);
	at = region_alloc(shard, &tx->slot, size);
	shard_unlock(shard);
	return at;
}

void tx_drop(struct shard *shard, struct transaction *tx, const void *at)
{
	if (at && !is_in_room(tx, at))
		region_free(shard, &tx->slot, (void *)(uintptr_t)at);
}

void *tx_freeze(struct transaction *tx, const struct message *msg)
{
	size_t size = message_frozen_size(msg);
	void *block = size ? tx_alloc(tx, size) : NULL;
	if (!block || message_freeze(msg, block))
		return block;
	struct shard *shard = tx_lock(tx);
	tx_drop(shard, tx, block);
	shard_unlock(shard);
	return NULL;
}

bool tx_refreeze(struct transaction *tx, struct message *msg)
{
	void *block = tx_freeze(tx, msg);
	if (!block)
		return false;
	void *old = tx->request;
	tx->request = block;
	struct shard *shard = tx_lock(tx);
	tx_drop(shard, tx, old);
	shard_unlock(shard);
	return true;
}

/* Replaces a text by one that fits into its place. Whoever dies meanwhile leaves none. */
static void keep_over(struct bytes *place, struct span text)
{
	__atomic_store_n(&place->len, 0, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memcpy(place->at, text.at, text.len);
	__atomic_store_n(&place->len, (uint32_t)text.len, __ATOMIC_RELEASE);
}

/* Puts a new block in its place, or nothing. Lock held. False: memory is out. */
static bool keep_anew(struct shard *shard, struct transaction *tx, struct bytes *place,
		      struct span text)
{
	char *old = place->at;
	struct span copy = text.at ? region_copy(shard, &tx->slot, text) : text;
	if (!copy.at && text.at)
		return false;
	place->len = 0;
	place->at = (char *)(uintptr_t)copy.at;
	place->room = copy.at ? (uint32_t)region_block_size(copy.at) : 0;
	place->len = (uint32_t)copy.len;
	tx_drop(shard, tx, old);
	return true;
}

bool tx_keep(struct transaction *tx, struct bytes *place, struct span text)
{
	bool is_kept = true;
	struct shard *shard = tx_lock(tx);
	if (text.at && place->at && place->room >= text.len)
		keep_over(place, text);
	else
		is_kept = keep_anew(shard, tx, place, text);
	shard_unlock(shard);
	return is_kept;
}

bool tx_keep_reply(struct transaction *tx, struct span reply, unsigned code)
{
	if (code < 200 || !is_in_room(tx, tx->reply.at))
		return tx_keep(tx, &tx->reply, reply);
	struct shard *shard = tx_lock(tx);
	bool is_kept = keep_anew(shard, tx, &tx->reply, reply);
	shard_unlock(shard);
	return is_kept;
}

/* ---- what is finished --------------------------------------------------------------------------------- */

/* Are all branches answered, and no CANCEL on its way any more? */
static bool is_quiet(const struct transaction *tx)
{
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (tx->branches[i]->cancel_ms)
			return false;
	return all_done(tx);
}

/* What is waiting only absorbs: that takes its last reply. A negative final reply may come again and is
 * then confirmed anew; observers of what may follow an INVITE want its request, and so do scripts ($T_req). */
static bool can_forget(const struct transaction *tx)
{
	if (!tx->request || (tx->flags & TX_LOCAL) || tx->code < 200 || !is_quiet(tx))
		return false;
	return !(tx->flags & TX_INVITE) || (tx->code < 300 && !tm_keeps_requests() &&
					    !is_observed(tx, TM_ACK_IN | TM_REPLY_OUT));
}

static void forget_branch(struct shard *shard, struct transaction *tx, struct tx_branch *branch)
{
	const void *sent = branch->sent, *reply = branch->reply;
	branch->sent = &tx_sent_nothing;
	branch->reply = NULL;
	if (sent != &tx_sent_nothing)
		tx_drop(shard, tx, sent);
	tx_drop(shard, tx, reply);
}

static void forget(struct shard *shard, struct transaction *tx)
{
	void *request = tx->request, *room = tx->room.at;
	tx->request = NULL;
	tx_drop(shard, tx, request);
	for (unsigned i = 0; i < tx->branch_count; i++)
		forget_branch(shard, tx, tx->branches[i]);
	if (is_in_room(tx, tx->reply.at)) {
		tx->reply.len = 0;
		tx->reply.at = NULL;
	}
	tx->room.size = tx->room.used = 0;
	tx->room.at = NULL;
	region_free(shard, &tx->slot, room);
}

void tx_forget(struct shard *shard, struct transaction *tx)
{
	if ((tx->flags & TX_WAITING) && can_forget(tx))
		forget(shard, tx);
}

void tx_confirm(struct shard *shard, struct transaction *tx)
{
	char *reply = tx->reply.at;
	if (tx->request)
		return;
	tx->reply.len = 0;
	tx->reply.at = NULL;
	tx_drop(shard, tx, reply);
}
