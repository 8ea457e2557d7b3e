/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding, making and leasing transactions. */
#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

#define SHARDS        128
#define LEASE_POLL_MS 1
#define LEASE_TRIES   10000

static void on_lost(void *slot)
{
	(void)slot;
	counter_inc(tm_counters->freed);
}

static const struct shard_type transaction_type = {
	.name = "tm",
	.slot_size = sizeof(struct transaction),
	.timer_count = 1,
	.timer_grace_ms =
		1000, /* a worker that dies over a tick does not take the deadline with it */
	.on_lost = on_lost,
};

static struct {
	struct shard_set *set;
	unsigned slot; /* of message.slots */
} store;

bool store_prepare(void)
{
	store.slot = message_slot("tm");
	store.set = shard_set_new(&transaction_type, SHARDS);
	return store.set != NULL;
}

struct shard_set *store_set(void)
{
	return store.set;
}

struct tx_context *tx_context(struct message *msg)
{
	struct tx_context *context = msg->slots[store.slot];
	if (!context) {
		context = ARENA_NEW(msg->arena, struct tx_context);
		if (context)
			context->branch = -1;
		msg->slots[store.slot] = context;
	}
	return context;
}

struct shard *tx_lock(const struct transaction *tx)
{
	return shard_lock_number(store.set, tx->slot.shard);
}

void context_refer(struct tx_context *context, const struct transaction *tx)
{
	context->shard = tx->slot.shard;
	context->index = tx->slot.index;
	context->generation = tx->slot.generation;
}

struct tx_context context_holding(struct transaction *tx)
{
	struct tx_context context = { .tx = tx, .branch = -1 };
	context_refer(&context, tx);
	return context;
}

bool context_names(const struct tx_context *context, struct tm_name name)
{
	return context->generation && context->generation == name.generation &&
	       context->shard == name.shard && context->index == name.slot;
}

/* ---- lease ---------------------------------------------------------------------------------------------- */

/* Nobody has it, or the process that has it is not the one that took it. Lock held. */
bool lease_is_free(const struct transaction *tx)
{
	return tx->lease_owner == 0 ||
	       tx->lease_incarnation != process_incarnation(tx->lease_owner - 1);
}

static void lease_take(struct transaction *tx)
{
	tx->lease_incarnation = process_incarnation(process_index());
	tx->lease_owner = process_index() + 1;
}

bool tx_enter(struct tx_context *context)
{
	if (context->tx)
		return true;
	for (int i = 0; i < LEASE_TRIES; i++) {
		struct shard *shard = shard_lock_number(store.set, context->shard);
		struct transaction *tx = slot_at(shard, context->index, context->generation);
		bool is_taken = tx && lease_is_free(tx);
		if (is_taken)
			lease_take(tx);
		shard_unlock(shard);
		if (!tx || is_taken) {
			context->tx = tx;
			return tx != NULL;
		}
		if (!fiber_is_running())
			return false;
		fiber_sleep_ms(LEASE_POLL_MS);
	}
	log_error("a transaction stays busy; giving up on it");
	return false;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return b && b < a ? b : a;
}

/* Lock held. */
static void arm(struct shard *shard, struct transaction *tx)
{
	int64_t due = INT64_MAX;
	due = earlier(due, tx->reply_retransmit_ms);
	due = earlier(due, tx->life_ends_ms);
	due = earlier(due, tx->wait_ends_ms);
	for (unsigned i = 0; i < tx->branch_count; i++) {
		const struct tx_branch *branch = tx->branches[i];
		due = earlier(due, branch->cancel_ms);
		due = earlier(due, branch->retransmit_ms);
		due = earlier(due, branch->expires_ms);
	}
	if (due == INT64_MAX)
		timer_disarm(shard, &tx->slot, TIMER);
	else
		timer_arm(shard, &tx->slot, TIMER, due);
}

static void work_off_reply(struct tx_context *context, struct queued *queued)
{
	struct datagram *event = datagram_take();
	const char *reason;
	struct message *reply = NULL;
	if (event) {
		struct span bytes =
			arena_copy(&event->arena, span_make(queued->bytes, queued->len));
		reply = bytes.at ? message_parse(&event->arena, bytes, &queued->from, &reason)
				 : NULL;
	}
	struct tx_context *own = reply ? tx_context(reply) : NULL;
	const struct sip_via *via = own ? message_top_via(reply) : NULL;
	struct tx_context named = { 0 };
	unsigned number;
	if (via && tx_from_via(via->branch, &named, &number) && number < context->tx->branch_count) {
		*own = context_holding(context->tx);
		own->branch = (int)number;
		reply_received(own, reply);
	}
	struct shard *shard = tx_lock(context->tx);
	region_free(shard, &context->tx->slot, queued);
	shard_unlock(shard);
	if (event)
		datagram_release(event);
}

static void work_off_tick(struct tx_context *context)
{
	struct datagram *event = datagram_take();
	if (!event)
		return;
	tx_tick(context->tx, &event->arena);
	datagram_release(event);
}

/* True when the transaction has nothing left to do and may go. */
static bool is_over(const struct transaction *tx)
{
	return tx->wait_ends_ms && tx->wait_ends_ms <= clock_ms() && all_done(tx);
}

/* One look under the lock: takes the next piece of work (true), or gives the lease back. */
static bool next_work(struct tx_context *context, struct queued **out_queued)
{
	struct transaction *tx = context->tx;
	struct shard *shard = tx_lock(tx);
	struct queued *queued = tx->queue;
	bool has_tick = tx->flags & TX_TICK_PENDING;
	if (queued) {
		tx->queue = queued->next;
	} else if (has_tick) {
		tx->flags &= ~(uint32_t)TX_TICK_PENDING;
	} else {
		if (is_over(tx)) {
			slot_free(shard, &tx->slot);
			counter_inc(tm_counters->freed);
		} else {
			arm(shard, tx);
			tx->lease_owner = 0;
		}
		context->tx = NULL;
	}
	shard_unlock(shard);
	*out_queued = queued;
	return context->tx != NULL;
}

void tx_leave(struct tx_context *context)
{
	struct queued *queued;
	while (context->tx && next_work(context, &queued)) {
		if (queued)
			work_off_reply(context, queued);
		else
			work_off_tick(context);
	}
}

/* ---- matching (RFC 3261 17.2.3) --------------------------------------------------------------------------- */

static uint64_t call_hash(struct span call_id, uint32_t cseq)
{
	return hash_mix(hash_span(call_id), cseq);
}

static struct tx_key request_key(struct message *msg)
{
	struct tx_context *context = tx_context(msg);
	if (context && context->has_key)
		return context->key;
	const struct sip_via *via = message_top_via(msg);
	uint64_t parts[3] = { 0 };
	uint32_t cseq = 0;
	if (!message_cseq(msg, &cseq))
		cseq = 0;
	if (tm_settings()->callid_cseq_matching) {
		parts[0] = 1;
	} else if (via && via_has_cookie(via)) {
		parts[0] = hash_span_nocase(via->branch);
		parts[1] = hash_span_nocase(via->hostport);
	} else { /* of a peer that knows RFC 2543 only: its own tag and everything else must fit */
		parts[0] = hash_span(message_from_tag(msg));
		if (tm_settings()->ruri_matching)
			parts[1] = hash_span(message_original_uri(msg));
		if (via && tm_settings()->via1_matching)
			parts[2] = hash_span(via->whole);
	}
	struct tx_key key = { call_hash(message_value(msg, HEADER_CALL_ID), cseq),
			      hash_bytes(parts, sizeof(parts)) };
	if (context) {
		context->key = key;
		context->has_key = true;
	}
	return key;
}

static struct transaction *find_locked(struct shard *shard, struct tx_key key, uint32_t method)
{
	struct transaction *tx = slot_first(shard, key.hash);
	while (tx && (tx->check != key.check || tx->method != method || (tx->flags & TX_LOCAL)))
		tx = slot_next(shard, &tx->slot);
	return tx;
}

static uint32_t tag_hash(struct message *msg)
{
	return (uint32_t)hash_span(message_from_tag(msg));
}

/* The INVITE that this ACK confirms end to end: same call, number and caller, answered with 2xx. */
static struct transaction *find_confirmed(struct shard *shard, struct tx_key key, uint32_t from_tag)
{
	struct transaction *tx = slot_first(shard, key.hash);
	while (tx && (tx->method != METHOD_INVITE || tx->from_tag != from_tag || tx->code < 200 ||
		      tx->code >= 300 || (tx->flags & TX_LOCAL)))
		tx = slot_next(shard, &tx->slot);
	return tx;
}

static bool is_older(const struct transaction *tx, const struct transaction *than)
{
	return tx->created_ms < than->created_ms ||
	       (tx->created_ms == than->created_ms && tx->slot.index < than->slot.index);
}

bool tx_is_merged(const struct transaction *tx)
{
	if (tx->branch_count || (tx->flags & (TX_LOCAL | TX_RELAYED)) || tx->method == METHOD_CANCEL)
		return false;
	struct shard *shard = tx_lock(tx);
	const struct transaction *other = slot_first(shard, tx->slot.hash);
	/* The same way: the same user. Every address that is served here is a UAS of its own. */
	while (other && (other->check == tx->check || other->method != tx->method ||
			 other->from_tag != tx->from_tag || other->uri != tx->uri ||
			 (other->flags & (TX_LOCAL | TX_RELAYED)) || other->branch_count ||
			 other->code == 482 || !is_older(other, tx)))
		other = slot_next(shard, &other->slot);
	shard_unlock(shard);
	return other != NULL;
}

bool tx_find(struct message *msg, uint32_t method, struct tx_context *out_context)
{
	struct tx_key key = request_key(msg);
	bool is_ack = msg->index->method == METHOD_ACK;
	uint32_t tag = is_ack ? tag_hash(msg) : 0;
	struct shard *shard = shard_lock(store.set, key.hash);
	struct transaction *tx = find_locked(shard, key, method);
	if (!tx && is_ack)
		tx = find_confirmed(shard, key, tag);
	if (tx)
		context_refer(out_context, tx);
	shard_unlock(shard);
	return tx != NULL;
}

bool tx_find_call(struct span call_id, uint32_t cseq, bool any_method,
		  struct tx_context *out_context)
{
	uint64_t hash = call_hash(call_id, cseq);
	struct shard *shard = shard_lock(store.set, hash);
	struct transaction *tx = slot_first(shard, hash);
	while (tx && !any_method && tx->method != METHOD_INVITE)
		tx = slot_next(shard, &tx->slot);
	if (tx)
		context_refer(out_context, tx);
	shard_unlock(shard);
	return tx != NULL;
}

bool tx_glance(struct message *msg, struct tx_glance *out)
{
	struct tx_context *context = tx_context(msg);
	if (!context)
		return false;
	if (!context->generation) {
		unsigned number;
		if (message_is_request(msg)
			    ? !tx_find(msg, message_method(msg), context)
			    : !tx_from_via(message_top_via(msg)->branch, context, &number))
			return false;
	}
	struct shard *shard = shard_lock_number(store.set, context->shard);
	const struct transaction *tx = slot_at(shard, context->index, context->generation);
	if (tx) {
		*out = (struct tx_glance){ .flags = tx->flags,
					   .code = tx->code,
					   .branch_count = tx->branch_count,
					   .on_failure = tx->on_failure,
					   .on_reply = tx->on_reply,
					   .on_branch = tx->on_branch };
		for (unsigned i = 0; i < tx->branch_count; i++) {
			const struct tx_branch *branch = tx->branches[i];
			out->branches[i].code = branch->code;
			out->branches[i].is_done = branch_is_done(branch);
			out->branches[i].timed_out = branch->timed_out;
			out->branches[i].was_replied = branch->was_replied;
		}
	}
	shard_unlock(shard);
	return tx != NULL;
}

/* ---- making ------------------------------------------------------------------------------------------------- */

void *tx_freeze(struct transaction *tx, const struct message *msg)
{
	size_t size = message_frozen_size(msg);
	struct shard *shard = tx_lock(tx);
	void *block = size ? region_alloc(shard, &tx->slot, size) : NULL;
	shard_unlock(shard);
	if (!block || message_freeze(msg, block))
		return block;
	shard = tx_lock(tx);
	region_free(shard, &tx->slot, block);
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
	region_free(shard, &tx->slot, old);
	shard_unlock(shard);
	return true;
}

bool tx_keep(struct transaction *tx, struct bytes *place, struct span text)
{
	struct shard *shard = tx_lock(tx);
	char *old = place->at;
	struct span copy = text.at ? region_copy(shard, &tx->slot, text) : text;
	if (copy.at || !text.at) {
		place->len = 0;
		place->at = (char *)(uintptr_t)copy.at;
		place->len = (uint32_t)copy.len;
		region_free(shard, &tx->slot, old);
	}
	shard_unlock(shard);
	return copy.at || !text.at;
}

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

/* Lock held. NULL: no memory. */
static struct transaction *make(struct shard *shard, struct tx_key key, const struct message *msg,
				size_t size, const struct tx_context *context)
{
	uint32_t method = message_method(msg);
	struct transaction *tx = slot_new(shard, key.hash);
	void *block = tx && size ? region_alloc(shard, &tx->slot, size) : NULL;
	if (!block || !message_freeze(msg, block)) {
		if (tx)
			slot_free(shard, &tx->slot);
		return NULL;
	}
	tx->request = block;
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
	struct shard *shard = shard_lock(store.set, key.hash);
	if (find_locked(shard, key, message_method(msg))) {
		shard_unlock(shard);
		return 0;
	}
	struct transaction *tx = make(shard, key, msg, size, context);
	if (tx) {
		tx->flags |= TX_IN_SCRIPT;
		tx->from_tag = tag;
		tx->upstream = upstream;
		struct span copy =
			first_reply.at ? region_copy(shard, &tx->slot, first_reply) : first_reply;
		tx->reply = (struct bytes){ (char *)(uintptr_t)copy.at, (uint32_t)copy.len };
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
	struct shard *shard = shard_lock(store.set, key.hash);
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

/* A script that ends without having answered or forwarded its request leaves nothing to wait for. */
void request_ended(struct message *msg)
{
	struct tx_context *context = tx_context(msg);
	if (!context || !context->is_creator)
		return;
	bool is_undone = msg->arena->is_short && !context->replied;
	bool is_changed = has_attributes(msg) || msg->flags != context->kept_flags;
	if (context->relayed && !is_changed && !is_undone) {
		tx_leave(context);
		return;
	}
	if (!tx_enter(context))
		return;
	struct transaction *tx = context->tx;
	tx_keep_state(tx, msg);
	tx->flags &= ~(uint32_t)TX_IN_SCRIPT;
	if (tx->branch_count == 0 && tx->code < 200 && !(tx->flags & TX_SUSPENDED)) {
		struct script_run run;
		bool wants_reply = (context->relay_failed || msg->arena->is_short) && !(tx->flags & TX_NO_INTERNAL_REPLY);
		if (wants_reply && script_run_init(&run, msg, ROUTE_EVENT, NULL))
			reply_locally(&run, tx, msg,
				      msg->last_error >= 400 ? (unsigned)msg->last_error : 500,
				      SPAN_OF("Server error"));
		tx_finish(tx);
	}
	tx_leave(context);
}

/* ---- our Via branch: where the transaction is, and proof that we made it ---------------------------------- */

struct span tx_via_branch(const struct transaction *tx, unsigned number, uint32_t loop,
			  char out[HOP_BRANCH_MAX])
{
	char token[HOP_TOKEN_MAX];
	struct writer w = writer_fixed(token, sizeof(token));
	writer_char(&w, 't');
	writer_hex(&w, tx->slot.shard, 2);
	writer_char(&w, '.');
	writer_hex(&w, tx->slot.index, 1);
	writer_char(&w, '.');
	writer_hex(&w, tx->slot.generation, 1);
	return hop_branch_write(&(struct hop){ writer_result(&w), loop, number }, out);
}

/* 1 to 16 hexadecimal digits up to a dot, or to the end for the last number. */
static bool take_hex(const char **at, const char *end, bool is_last, uint64_t *out_number)
{
	const char *start = *at;
	uint64_t number = 0;
	int value;
	while (*at < end && (value = ascii_hex_value(**at)) >= 0) {
		number = number << 4 | (unsigned)value;
		(*at)++;
	}
	if (*at == start || *at - start > 16)
		return false;
	*out_number = number;
	return is_last ? *at == end : *at < end && *(*at)++ == '.';
}

bool tx_from_via(struct span branch, struct tx_context *out_context, unsigned *out_number)
{
	uint64_t shard, index, generation;
	struct hop hop;
	if (!hop_branch_read(branch, &hop) || *hop.token.at != 't')
		return false;
	const char *at = hop.token.at + 1, *end = hop.token.at + hop.token.len;
	if (!take_hex(&at, end, false, &shard) || !take_hex(&at, end, false, &index) ||
	    !take_hex(&at, end, true, &generation) || shard >= shard_count(store.set) ||
	    index > UINT32_MAX || generation > UINT32_MAX || hop.number >= BRANCHES_MOST)
		return false;
	out_context->shard = (uint32_t)shard;
	out_context->index = (uint32_t)index;
	out_context->generation = (uint32_t)generation;
	*out_number = hop.number;
	return true;
}

/* ---- claims: before the script --------------------------------------------------------------------------------- */

/* Copies the stored reply so that it can be sent without the lock. */
static struct span copy_reply(const struct transaction *tx, struct arena *arena,
			      struct send_target *out_target)
{
	*out_target = tx->upstream;
	return arena_copy(arena, bytes_span(tx->reply));
}

/* The caller has heard the 2xx: no INVITE of it comes again. Lock held. */
static void end_acceptance(struct shard *shard, struct transaction *tx)
{
	int64_t ends_ms = clock_ms() + tm_settings()->wt_timer;
	if (tx->wait_ends_ms <= ends_ms)
		return;
	tx->wait_ends_ms = ends_ms;
	if (lease_is_free(tx))
		arm(shard, tx);
}

/* An ACK to our negative final reply ends the repetition of it and goes no further; so does one to a
 * 2xx that was made here. Others pass, end to end. */
static enum claim_result claim_ack(struct message *msg, struct tx_key key)
{
	uint32_t tag = tag_hash(msg);
	struct shard *shard = shard_lock(store.set, key.hash);
	struct transaction *tx = find_locked(shard, key, METHOD_INVITE);
	bool is_mine = tx && tx->code >= 300;
	if (!is_mine)
		tx = find_confirmed(shard, key, tag);
	is_mine = is_mine || (tx && (tx->flags & TX_LOCAL_ANSWER));
	bool is_told = tx && !is_mine && is_observed(tx, TM_ACK_IN);
	if (tx && !is_mine)
		end_acceptance(shard, tx);
	struct tx_context *context = is_told ? tx_context(msg) : NULL;
	struct tx_context invite = { .branch = -1 };
	if (context)
		context_refer(&invite, tx);
	if (is_mine) {
		struct machine_step step = server_step(
			MACHINE_INVITE, (enum server_state)tx->server, SERVER_HEARS_ACK);
		tx->server = step.next;
		if (step.actions & DO_STOP) {
			tx->reply_retransmit_ms = 0;
			tx->wait_ends_ms = clock_ms() + tm_settings()->wt_timer;
			if (lease_is_free(tx))
				arm(shard, tx);
		}
	}
	shard_unlock(shard);
	if (context && tx_enter(&invite)) {
		tell_about(invite.tx, TM_ACK_IN, msg, invite.tx->code, NO_SPAN, msg->arena, NULL);
		tx_leave(&invite);
	}
	return is_mine ? CLAIM_CONSUMED : CLAIM_PASS;
}

/* Did the process die in which the script of this request ran, before anything came of it? */
static bool is_orphan(const struct transaction *tx)
{
	return (tx->flags & TX_IN_SCRIPT) && tx->branch_count == 0 && tx->code < 200 &&
	       tx->maker_incarnation != process_incarnation(tx->maker);
}

enum claim_result claim_request(struct message *msg)
{
	uint32_t method = message_method(msg);
	struct tx_key key = request_key(msg);
	struct send_target target;
	struct span again = NO_SPAN;
	if (method == METHOD_ACK)
		return claim_ack(msg, key);
	struct shard *shard = shard_lock(store.set, key.hash);
	struct transaction *tx = find_locked(shard, key, method);
	if (tx && is_orphan(tx)) {
		slot_free(shard, &tx->slot);
		tx = NULL;
	}
	if (tx && tx->reply.len &&
	    (server_step(tx_kind(tx), (enum server_state)tx->server, SERVER_HEARS_AGAIN).actions &
	     DO_SEND))
		again = copy_reply(tx, msg->arena, &target);
	shard_unlock(shard);
	if (again.at) {
		send_bytes(&target, again, false);
		counter_inc(tm_counters->rpl_sent);
	}
	return tx ? CLAIM_CONSUMED : CLAIM_PASS;
}

/* Leaves a reply for whoever holds the lease. Lock held. */
static void queue_reply(struct shard *shard, struct transaction *tx, const struct message *reply)
{
	struct queued *queued = region_alloc(shard, &tx->slot, sizeof(*queued) + reply->bytes.len);
	if (!queued)
		return; /* lost, like a datagram: its sender repeats it */
	queued->next = NULL;
	queued->from = reply->from;
	queued->len = (uint32_t)reply->bytes.len;
	memcpy(queued->bytes, reply->bytes.at, reply->bytes.len);
	struct queued **last = &tx->queue;
	while (*last)
		last = &(*last)->next;
	*last = queued;
}

/* With callid_matching a reply must name its call, too. */
static bool fits_call(const struct transaction *tx, struct message *reply)
{
	uint32_t cseq;
	return !tm_settings()->callid_matching ||
	       (message_cseq(reply, &cseq) &&
		call_hash(message_value(reply, HEADER_CALL_ID), cseq) == tx->slot.hash);
}

enum claim_result claim_reply(struct message *reply)
{
	struct tx_context *context = tx_context(reply);
	const struct sip_via *via = message_top_via(reply);
	unsigned number;
	if (!context)
		return CLAIM_CONSUMED; /* no memory: as if it had been lost on its way */
	if (!tx_from_via(via->branch, context, &number))
		return stray_reply_ends(reply) ? CLAIM_CONSUMED : CLAIM_PASS;
	struct shard *shard = shard_lock_number(store.set, context->shard);
	struct transaction *tx = slot_at(shard, context->index, context->generation);
	bool is_ours = tx && number < tx->branch_count && fits_call(tx, reply);
	bool is_taken = is_ours && lease_is_free(tx);
	if (is_taken)
		lease_take(tx);
	else if (is_ours)
		queue_reply(shard, tx, reply);
	shard_unlock(shard);
	if (!is_ours) {
		/* A late reply of a transaction that is gone: RFC 6026 7.3 wants it dropped. */
		bool is_ended = stray_reply_ends(reply) ||
				!core_setting_int("forward_stray_replies");
		return is_ended ? CLAIM_CONSUMED : CLAIM_PASS;
	}
	counter_inc(tm_counters->rpl_received);
	if (is_taken) {
		context->tx = tx;
		context->branch = (int)number;
		reply_received(context, reply);
		tx_leave(context);
	}
	return CLAIM_CONSUMED;
}
