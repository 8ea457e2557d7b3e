/* SPDX-License-Identifier: BSD-2-Clause */
/* Transactions are made, and end. */
#include "modules/tm/store.h"

static void take_context_wishes(struct transaction *tx, const struct tx_context *context)
{
	const struct tm_settings *settings = tm_settings();
	tx->fr_ms = context->fr_ms ? context->fr_ms : (uint32_t)settings->fr_timer;
	tx->fr_inv_ms = context->fr_inv_ms ? context->fr_inv_ms : (uint32_t)settings->fr_inv_timer;
	tx->retr1_ms = context->retr1_ms ? context->retr1_ms : (uint32_t)settings->retr_timer1;
	tx->retr2_ms = context->retr2_ms ? context->retr2_ms : (uint32_t)settings->retr_timer2;
	tx->inv_life_ms =
		context->inv_life_ms ? context->inv_life_ms : (uint32_t)settings->max_inv_lifetime;
	tx->noninv_life_ms = context->noninv_life_ms ? context->noninv_life_ms
						     : (uint32_t)settings->max_noninv_lifetime;
	tx->flags |= context->early_flags;
	tx->on_failure = context->on_failure;
	tx->on_reply = context->on_reply;
	tx->on_branch = context->on_branch;
	tx->on_branch_failure = context->on_branch_failure;
	tx->life_ends_ms =
		clock_ms() + (tx->flags & TX_INVITE ? tx->inv_life_ms : tx->noninv_life_ms);
}

/* Lock held. `frozen`: bytes of the request as it is kept. NULL: no memory. */
static struct transaction *make(struct shard *shard, struct tx_key key, const struct message *msg,
				size_t frozen, const struct tx_context *context)
{
	uint32_t method = message_method(msg);
	struct transaction *tx = frozen ? slot_new(shard, key.hash) : NULL;
	if (!tx)
		return NULL;
	if (!room_open(shard, tx, msg, frozen)) {
		slot_free(shard, &tx->slot);
		return NULL;
	}
	tx->branches = tx->first_branches;
	tx->branch_room = BRANCHES_INSIDE;
	tx->check = key.check;
	tx->method = method;
	tx->flags = method == METHOD_INVITE ? TX_INVITE : 0;
	tx->uri = (uint32_t)hash_span(message_original_uri(msg));
	tx->message_flags = msg->flags;
	tx->script_flags = msg->script_flags;
	tx->created_ms = clock_ms();
	tx->maker = process_index();
	tx->maker_incarnation = process_incarnation(tx->maker);
	take_context_wishes(tx, context);
	lease_take(tx);
	return tx;
}

static void context_begin(struct tx_context *context, struct transaction *tx)
{
	context_refer(context, tx);
	context->tx = tx;
	context->is_creator = true;
	context->kept_flags = tx->message_flags;
	counter_inc(tm_counters->created);
	counter_inc(tm_counters->in_use);
}

int tx_create(struct message *msg, struct tx_context *context, struct span first_reply)
{
	if (!message_top_via(msg)) {
		log_error("a request without a Via, as of HTTP, cannot have a transaction");
		return -1;
	}
	struct tx_key key = request_key(msg);
	uint32_t tag = tag_hash(msg);
	size_t size = message_frozen_size(msg);
	struct send_target upstream;
	reply_target(msg, &upstream);
	struct shard *shard = shard_lock(store_set(), key.hash);
	if (find_locked(shard, key, message_method(msg))) {
		shard_unlock(shard);
		return 0;
	}
	struct transaction *tx = make(shard, key, msg, size, context);
	if (tx) {
		tx->flags |= TX_IN_SCRIPT;
		tx->from_tag = tag;
		tx->upstream = upstream;
		if (first_reply.at)
			room_place_reply(tx, msg, first_reply);
		slot_publish(shard, &tx->slot);
	}
	shard_unlock(shard);
	if (!tx) {
		log_error("no shared memory for a transaction; start with a larger -m");
		return -1;
	}
	context_begin(context, tx);
	msg->notes |= NOTE_TAKEN;
	counter_inc(tm_counters->uas);
	if (is_observed(tx, TM_REQUEST_IN))
		tell_observers(tx, TM_REQUEST_IN, msg, NULL, 0, NO_SPAN, NULL);
	return 1;
}

struct transaction *tx_create_local(struct message *msg, struct tx_context *context)
{
	uint32_t cseq = 0;
	if (!message_cseq(msg, &cseq))
		cseq = 0;
	struct tx_key key = { call_hash(message_value(msg, HEADER_CALL_ID), cseq), 0 };
	size_t size = message_frozen_size(msg);
	struct shard *shard = shard_lock(store_set(), key.hash);
	struct transaction *tx = make(shard, key, msg, size, context);
	if (tx) {
		tx->flags |= TX_LOCAL;
		slot_publish(shard, &tx->slot);
	}
	shard_unlock(shard);
	if (!tx) {
		log_error("no shared memory for a transaction; start with a larger -m");
		return NULL;
	}
	context_begin(context, tx);
	counter_inc(tm_counters->local);
	return tx;
}

void tx_finish(struct transaction *tx)
{
	if (tx->flags & TX_WAITING)
		return;
	tx->flags |= TX_WAITING;
	tx->life_ends_ms = 0;
	tx->wait_ends_ms = clock_ms() + tm_settings()->wt_timer;
	counter_add(tm_counters->in_use, -1);
}

struct message *tx_request(struct transaction *tx, struct arena *arena,
			   const struct tx_context *context)
{
	struct message *msg = message_thaw(tx->request, arena);
	struct tx_context *copy = msg ? tx_context(msg) : NULL;
	if (!copy)
		return NULL;
	*copy = *context;
	copy->on_failure = copy->on_reply = copy->on_branch = copy->on_branch_failure = 0;
	copy->is_creator = false;
	msg->flags = tx->message_flags;
	msg->script_flags = tx->script_flags;
	copy->kept_flags = tx->message_flags;
	copy->seen_uri = msg->target.uri.at;
	copy->seen_dst = msg->target.dst_uri.at;
	copy->main_is_used = true;
	if (tx->attributes.at &&
	    !attributes_thaw(bytes_span(tx->attributes), arena, &msg->attributes))
		return NULL;
	return msg;
}

static bool has_attributes(const struct message *msg)
{
	const struct attributes *all = &msg->attributes;
	return all->avps || all->xavps || all->xavus || all->xavis;
}

bool tx_keep_state(struct transaction *tx, const struct message *msg)
{
	tx->message_flags = msg->flags;
	tx->script_flags = msg->script_flags;
	if (!has_attributes(msg) && !tx->attributes.at)
		return true;
	struct writer w = writer_in_arena(msg->arena, 512);
	attributes_freeze(&msg->attributes, &w);
	if (w.failed)
		return false;
	if (span_equal(writer_result(&w), bytes_span(tx->attributes)))
		return true;
	/* An empty set is kept too: it says that nothing of what was frozen first is left. */
	return tx_keep(tx, &tx->attributes, w.len ? writer_result(&w) : SPAN_OF(""));
}

bool tx_keep_request_state(struct tx_context *context, struct message *msg)
{
	struct transaction *tx = context->tx;
	bool is_kept = tx_keep_state(tx, msg);
	struct span attributes = bytes_span(tx->attributes);
	context->kept_flags = msg->flags;
	context->kept_attributes =
		attributes.len ? arena_copy(msg->arena, attributes) : (struct span){ 0 };
	return is_kept;
}

/* Did the script change attributes since t_relay() kept them? If not, those that routes of quick replies
 * set meanwhile must stay. */
static bool attributes_changed(const struct message *msg, const struct tx_context *context)
{
	if (!has_attributes(msg))
		return context->kept_attributes.len > 0;
	struct writer w = writer_in_arena(msg->arena, 512);
	attributes_freeze(&msg->attributes, &w);
	return w.failed || !span_equal(writer_result(&w), context->kept_attributes);
}

static void reply_failure(struct script_run *run, struct transaction *tx)
{
	struct span reason;
	unsigned code = message_failure(run->msg, "TM", &reason);
	reply_locally(run, tx, run->msg, code, reason);
}

/* A script that ends without having answered or forwarded its request leaves nothing to wait for. */
void request_ended(struct message *msg)
{
	struct tx_context *context = tx_context(msg);
	if (!context || !context->is_creator)
		return;
	bool is_undone = msg->arena->is_short && !context->replied;
	bool is_changed = msg->flags != context->kept_flags || attributes_changed(msg, context);
	if (context->relayed && !is_changed && !is_undone) {
		tx_leave(context);
		return;
	}
	if (!tx_enter(context))
		return;
	struct transaction *tx = context->tx;
	tx_keep_state(tx, msg);
	tx->flags &= ~(uint32_t)TX_IN_SCRIPT;
	if (!tx_was_sent(tx) && tx->code < 200 && !(tx->flags & TX_SUSPENDED)) {
		struct script_run run;
		bool wants_reply = (context->relay_failed || msg->arena->is_short) &&
				   !(tx->flags & TX_NO_INTERNAL_REPLY);
		if (wants_reply && script_run_init(&run, msg, ROUTE_EVENT, NULL))
			reply_failure(&run, tx);
		tx_finish(tx);
	}
	tx_leave(context);
}
