/* SPDX-License-Identifier: BSD-2-Clause */
/* Which transaction a message belongs to (RFC 3261 17.2.3), and what of it never comes to the script:
 * repetitions, ACKs to failures, replies. */
#include "core/shm/foresee.h"
#include "core/transport/udp.h"
#include "modules/tm/store.h"

/* ---- matching (RFC 3261 17.2.3) --------------------------------------------------------------------------- */

uint64_t call_hash(struct span call_id, uint32_t cseq)
{
	return hash_mix(hash_span(call_id), cseq);
}

static struct tx_key key_of(struct message *msg)
{
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
	return (struct tx_key){ call_hash(message_value(msg, HEADER_CALL_ID), cseq),
				hash_mix(hash_mix(parts[0], parts[1]), parts[2]) };
}

static struct tx_key new_key(struct message *msg, struct tx_context *context)
{
	context->key = key_of(msg);
	context->has_key = true;
	return context->key;
}

struct tx_key request_key(struct message *msg)
{
	struct tx_context *context = tx_context(msg);
	if (!context)
		return key_of(msg);
	return context->has_key ? context->key : new_key(msg, context);
}

struct transaction *find_locked(struct shard *shard, struct tx_key key, uint32_t method)
{
	struct transaction *tx = slot_first(shard, key.hash);
	while (tx && (tx->check != key.check || tx->method != method || (tx->flags & TX_LOCAL)))
		tx = slot_next(shard, &tx->slot);
	return tx;
}

uint32_t tag_hash(struct message *msg)
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
	if (tx->branch_count || (tx->flags & (TX_LOCAL | TX_RELAYED)) ||
	    tx->method == METHOD_CANCEL)
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
	struct shard *shard = shard_lock(store_set(), key.hash);
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
	struct shard *shard = shard_lock(store_set(), hash);
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
		const struct sip_via *via = message_top_via(msg);
		if (message_is_request(msg) ? !tx_find(msg, message_method(msg), context)
					    : !via || !tx_from_via(via->branch, context, &number))
			return false;
	}
	struct shard *shard = shard_lock_number(store_set(), context->shard);
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

/* ---- claims: before the script --------------------------------------------------------------------------------- */

/* What was foreseen of the last message: when the next one comes, it is known what else it needs. */
static struct {
	enum { NOTHING, TRANSACTION, ANSWER } wants;
	uint64_t hash;
	size_t size;
	uint32_t slot;
	bool is_final;
} foreseen;

#define FROZEN_GUESS 1024 /* what is frozen beside the bytes of a request */

/* Most requests that get a transaction are INVITEs or belong to a call. */
static void expect_transaction(const struct message *request, uint64_t hash)
{
	uint32_t method = request->index->method;
	if (method != METHOD_INVITE && (method == METHOD_ACK || !message_to_tag(request).len))
		return;
	foreseen.wants = TRANSACTION;
	foreseen.hash = hash;
	foreseen.size = request->bytes.len + FROZEN_GUESS;
}

static void expect_answer(const struct message *reply, const struct tx_context *context)
{
	foreseen.wants = ANSWER;
	foreseen.slot = context->via.slot;
	foreseen.size = reply->bytes.len;
	foreseen.is_final = reply->index->status >= 200;
}

static void foresee_answer(void)
{
	const struct transaction *tx = slot_glimpse(foreseen.slot);
	if (!tx)
		return;
	region_foresee(tx->reply.at, foreseen.size);
	if (foreseen.is_final)
		region_foresee(tx->room.at, 1);
}

static void foresee_further(void)
{
	if (foreseen.wants == NOTHING)
		return;
	if (foreseen.wants == TRANSACTION)
		shard_foresee_new(store_set(), foreseen.hash, foreseen.size);
	else
		foresee_answer();
	foreseen.wants = NOTHING;
}

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
	bool is_free = lease_is_free(tx);
	if (is_free)
		tx_confirm(shard, tx);
	if (tx->wait_ends_ms <= ends_ms)
		return;
	tx->wait_ends_ms = ends_ms;
	if (is_free)
		tx_arm(shard, tx);
}

/* An ACK to our negative final reply ends the repetition of it and goes no further; so does one to a
 * 2xx that was made here. Others pass, end to end. */
static enum claim_result claim_ack(struct message *msg, struct tx_key key)
{
	uint32_t tag = tag_hash(msg);
	struct shard *shard = shard_lock(store_set(), key.hash);
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
				tx_arm(shard, tx);
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
	return (tx->flags & TX_IN_SCRIPT) && !tx_was_sent(tx) && tx->code < 200 &&
	       tx->maker_incarnation != process_incarnation(tx->maker);
}

enum claim_result claim_request(struct message *msg)
{
	uint32_t method = message_method(msg);
	struct tx_key key = request_key(msg);
	struct send_target target;
	struct span again = NO_SPAN;
	foresee_further(); /* the last message of a batch has none behind it */
	if (method == METHOD_ACK)
		return claim_ack(msg, key);
	struct shard *shard = shard_lock(store_set(), key.hash);
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

/* Leaves a reply for whoever holds the lease, as reply_route left it. Lock held. */
static void queue_reply(struct shard *shard, struct transaction *tx, const struct message *reply,
			unsigned branch)
{
	size_t size = message_frozen_size(reply);
	struct queued *queued =
		size ? region_alloc(shard, &tx->slot, sizeof(*queued) + size) : NULL;
	if (!queued)
		return; /* lost, like a datagram: its sender repeats it */
	if (!message_freeze(reply, queued->frozen)) {
		region_free(shard, &tx->slot, queued);
		return;
	}
	queued->next = NULL;
	queued->branch = branch;
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

/* A message that came alone is worked on at once: asking beforehand gains no time. */
void claim_foresee(struct message *msg)
{
	foresee_further();
	if (udp_came_alone())
		return;
	struct tx_context *context = tx_context(msg), found;
	unsigned number;
	if (!context)
		return;
	if (message_is_request(msg)) {
		uint64_t hash = request_key(msg).hash;
		shard_foresee(store_set(), hash);
		expect_transaction(msg, hash);
		return;
	}
	const struct span branch = message_top_via(msg)->branch;
	if (!tx_from_via(branch, &found, &number))
		return;
	context->via_at = branch.at;
	context->via = context_name(&found);
	context->via_number = (uint8_t)number;
	slot_foresee(store_set(), found.shard, found.index);
	expect_answer(msg, context);
}

/* The transaction and branch that our Via names. */
static bool take_via(const struct sip_via *via, struct tx_context *context, unsigned *out_number)
{
	if (!context->via_at || context->via_at != via->branch.at)
		return tx_from_via(via->branch, context, out_number);
	context->shard = context->via.shard;
	context->index = context->via.slot;
	context->generation = context->via.generation;
	*out_number = context->via_number;
	return true;
}

enum claim_result claim_reply(struct message *reply)
{
	struct tx_context *context = tx_context(reply);
	const struct sip_via *via = message_top_via(reply);
	unsigned number;
	foresee_further();
	if (!context)
		return CLAIM_CONSUMED; /* no memory: as if it had been lost on its way */
	if (!take_via(via, context, &number))
		return stray_reply_ends(reply) ? CLAIM_CONSUMED : CLAIM_PASS;
	if (!tm_settings()->e2e_cancel_hop_by_hop)
		cancel_claims(reply, number, context);
	struct shard *shard = shard_lock_number(store_set(), context->shard);
	struct transaction *tx = slot_at(shard, context->index, context->generation);
	bool is_ours = tx && number < tx->branch_count && fits_call(tx, reply);
	bool is_taken = is_ours && lease_is_free(tx);
	if (is_taken)
		lease_take(tx);
	else if (is_ours)
		queue_reply(shard, tx, reply, number);
	shard_unlock(shard);
	if (!is_ours) {
		/* A late reply of a transaction that is gone: RFC 6026 7.3 wants it dropped. */
		bool is_ended =
			stray_reply_ends(reply) || !core_setting_int("forward_stray_replies");
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
