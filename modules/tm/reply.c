/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies: what comes from branches, which of them goes upstream (RFC 3261 16.7), and replies that
 * are made here. */
#include <stdio.h>

#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

#define OBSERVERS_MOST 16

static struct {
	struct observer {
		unsigned events;
		uint32_t flag_mask;
		tm_observer call;
	} list[OBSERVERS_MOST];
	unsigned count;
} observers;

/* ---- observers -------------------------------------------------------------------------------------------- */

bool observe(unsigned events, uint32_t flag_mask, tm_observer observer)
{
	if (observers.count == OBSERVERS_MOST)
		return false;
	observers.list[observers.count++] = (struct observer){ events, flag_mask, observer };
	return true;
}

static bool wants(const struct observer *observer, const struct transaction *tx, unsigned event)
{
	return (observer->events & event) && (!observer->flag_mask || (observer->flag_mask & tx->message_flags));
}

bool is_observed(const struct transaction *tx, unsigned event)
{
	for (unsigned i = 0; i < observers.count; i++)
		if (wants(&observers.list[i], tx, event))
			return true;
	return false;
}

void tell_observers(struct transaction *tx, enum tm_event event, struct message *request, struct message *reply,
	unsigned code, struct span reason, const struct branch *branch)
{
	struct script_run run;
	if (!is_observed(tx, event) || !script_run_init(&run, request, ROUTE_EVENT, NULL))
		return;
	const struct tm_event_info info = { .event = event, .run = &run, .request = request, .reply = reply,
		.code = code, .reason = reason, .is_cancelled = tx->flags & TX_CANCELLED, .branch = branch };
	for (unsigned i = 0; i < observers.count; i++)
		if (wants(&observers.list[i], tx, event))
			observers.list[i].call(&info);
}

/* Thaws the request only when somebody listens. */
static void tell_about(struct transaction *tx, enum tm_event event, struct message *reply, unsigned code,
	struct span reason, struct arena *arena, const struct tx_branch *branch)
{
	struct tx_context context = { .tx = tx, .shard = tx->slot.shard, .index = tx->slot.index,
		.generation = tx->slot.generation, .holds_lease = true, .branch = -1, .code = code, .reply = reply };
	if (!is_observed(tx, event))
		return;
	struct message *request = tx_request(tx, arena, &context);
	if (!request)
		return;
	if (branch && branch->uri.at)
		message_set_uri(request, bytes_span(branch->uri));
	if (branch)
		request->target.dst_uri = bytes_span(branch->dst_uri);
	tell_observers(tx, event, request, reply, code, reason, branch ? &request->target : NULL);
}

/* ---- upstream ------------------------------------------------------------------------------------------------ */

static struct span reply_reason(const struct message *reply)
{
	return sip_range_span(reply->bytes, reply->index->reason);
}

static void note_final(struct transaction *tx, unsigned code, bool is_local)
{
	bool is_invite = tx->flags & TX_INVITE;
	tx->server = is_invite && code < 300 ? SERVER_ACCEPTED : SERVER_COMPLETED;
	tx_finish(tx);
	/* Over UDP the sender of an INVITE hears our final reply again until it sends ACK. */
	if (is_invite && (code >= 300 || is_local) && !transport_is_reliable((enum transport)tx->upstream.to.transport)) {
		tx->reply_interval_ms = tx->retr1_ms;
		tx->reply_retransmit_ms = clock_ms() + tx->retr1_ms;
		tx->wait_ends_ms = clock_ms() + tx->fr_ms;
	}
}

/* Sends finished bytes upstream and keeps them for retransmissions. */
static bool send_upstream(struct transaction *tx, struct span bytes, unsigned code, bool is_local)
{
	if (tx->flags & TX_REPLIES_SILENTLY) {
		if (code >= 200)
			note_final(tx, code, false);
		return true;
	}
	if (!tx_keep(tx, &tx->reply, bytes))
		log_error("no shared memory to keep a reply; it will not be repeated");
	send_bytes(&tx->upstream, bytes, true);
	tx->code = (uint16_t)code;
	counter_inc(tm_counters->rpl_sent);
	if (code >= 200) {
		counter_inc(tm_counters->by_class[code / 100]);
		note_final(tx, code, is_local);
	}
	return true;
}

static void relay_upstream(struct transaction *tx, struct message *reply)
{
	unsigned code = reply->index->status;
	struct writer w = writer_in_arena(reply->arena, reply->bytes.len + 256);
	render_reply(&w, reply);
	if (w.failed) {
		log_error("a reply is too large to relay");
		return;
	}
	send_upstream(tx, writer_result(&w), code, false);
	counter_inc(tm_counters->rpl_relayed);
	if (code >= 200)
		tell_about(tx, TM_REPLY_OUT, reply, code, reply_reason(reply), reply->arena, NULL);
	else
		tell_about(tx, TM_PROVISIONAL_OUT, reply, code, reply_reason(reply), reply->arena, NULL);
}

bool reply_locally(struct script_run *run, struct transaction *tx, struct message *request, unsigned code,
	struct span reason)
{
	struct local_reply reply = { .request = request, .code = code, .reason = reason,
		.to_tag = code == 100 ? (struct span){ NULL, 0 } : bytes_span(tx->to_tag),
		.with_contacts = code >= 300 && code < 400 };
	struct writer w = writer_in_arena(request->arena, request->bytes.len + 512);
	if (tx->code >= 200) {
		log_error("a reply %u comes after the final reply %u was sent", code, tx->code);
		return false;
	}
	render_local_reply(&w, &reply);
	if (w.failed || !send_upstream(tx, writer_result(&w), code, true))
		return false;
	counter_inc(tm_counters->rpl_generated);
	if (code >= 200) {
		/* Whoever was asked meanwhile need not go on. */
		cancel_branches(tx, UINT32_MAX, request->arena);
		tell_observers(tx, TM_REPLY_OUT, request, NULL, code, reason, NULL);
	}
	return true;
}

/* ---- the best of several final replies (16.7, 6.) ------------------------------------------------------------------ */

bool all_done(const struct transaction *tx)
{
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (tx->branches[i]->state != BRANCH_DONE)
			return false;
	return !(tx->flags & TX_SUSPENDED);
}

/* Lower is better: 6xx decide for all, then redirections, then what the caller can do something
 * about, then the rest; overload and time-outs say least. */
static unsigned reply_rank(const struct transaction *tx, const struct tx_branch *branch)
{
	static const struct { uint16_t code, rank; } special[] = {
		{ 401, 300 }, { 407, 301 }, { 415, 302 }, { 420, 303 }, { 484, 304 }, { 408, 480 }, { 503, 590 },
	};
	unsigned penalty = branch->is_local ? (unsigned)tm_settings()->faked_reply_prio : 0;
	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (special[i].code == branch->code)
			return special[i].rank + penalty;
	switch (branch->code / 100) {
	case 6: return (tx->flags & TX_DISABLE_6XX ? 595 : 100) + penalty;
	case 3: return 200 + penalty;
	case 4: return 400 + branch->code % 100 / 2 + penalty;
	case 5: return 500 + branch->code % 100 / 2 + penalty;
	default: return 1000;
	}
}

static int pick_winner(const struct transaction *tx)
{
	int best = -1;
	unsigned best_rank = UINT32_MAX;
	unsigned from = tm_settings()->failure_reply_mode >= 2 ? tx->first_leg : 0;
	for (unsigned i = from; i < tx->branch_count; i++) {
		unsigned rank = reply_rank(tx, tx->branches[i]);
		if (tx->branches[i]->code >= 300 && rank < best_rank) {
			best_rank = rank;
			best = (int)i;
		}
	}
	return best;
}

static struct span local_reason(unsigned code)
{
	switch (code) {
	case 408: return tm_settings()->reply_408_reason;
	case 487: return SPAN_OF("Request Terminated");
	case 478: return SPAN_OF("Unresolvable destination (478/TM)");
	default: return code == (unsigned)tm_settings()->reply_408_code ? tm_settings()->reply_408_reason :
		SPAN_OF("Server Internal Error");
	}
}

/* Adds the challenges of the other branches, so that the caller can answer all of them (16.7, 7.). */
static void aggregate_challenges(struct transaction *tx, unsigned winner, struct message *reply)
{
	const struct sip_header *place = message_header(reply, HEADER_CONTENT_LENGTH);
	for (unsigned i = tx->first_leg; i < tx->branch_count; i++) {
		const struct tx_branch *branch = tx->branches[i];
		if (i == winner || !branch->reply || (branch->code != 401 && branch->code != 407))
			continue;
		struct message *other = message_thaw(branch->reply, reply->arena);
		for (unsigned j = 0; other && j < other->index->header_count; j++) {
			const struct sip_header *h = &other->index->headers[j];
			if (h->id != HEADER_WWW_AUTHENTICATE && h->id != HEADER_PROXY_AUTHENTICATE)
				continue;
			if (place)
				edit_insert_before(reply, place, sip_header_line(other->bytes, h));
			else
				edit_append_header(reply, sip_header_line(other->bytes, h));
		}
	}
}

/* 503 means "this server"; upstream it would mean us (16.7, 6.). */
static void remap_503(struct message *reply)
{
	struct span line = span_make(reply->bytes.at + reply->index->start, reply->index->headers_at);
	size_t at = span_find_span(line, SPAN_OF("503"));
	if (at < line.len)
		edit_replace(reply, (uint32_t)(reply->index->start + at), 3, SPAN_OF("500"));
}

static void forward_winner(struct transaction *tx, unsigned winner, struct arena *arena,
	const struct tx_context *context)
{
	const struct tx_branch *branch = tx->branches[winner];
	struct message *reply = branch->reply && !branch->is_local ? message_thaw(branch->reply, arena) : NULL;
	if (reply) {
		if (tm_settings()->aggregate_challenges && (branch->code == 401 || branch->code == 407))
			aggregate_challenges(tx, winner, reply);
		if (tm_settings()->remap_503_500 && branch->code == 503)
			remap_503(reply);
		relay_upstream(tx, reply);
		return;
	}
	struct message *request = tx_request(tx, arena, context);
	struct script_run run;
	if (request && script_run_init(&run, request, ROUTE_EVENT, NULL))
		reply_locally(&run, tx, request, branch->code, local_reason(branch->code));
}

/* Runs the armed failure_route; true when it took care (replied, or new branches are on their way). */
static bool run_failure_route(struct transaction *tx, unsigned winner, struct tx_context *context, struct arena *arena)
{
	const struct tx_branch *branch = tx->branches[winner];
	struct script_run run;
	if (!tx->on_failure.at)
		return false;
	struct message *request = tx_request(tx, arena, context);
	if (!request || !script_run_init(&run, request, ROUTE_FAILURE, NULL))
		return false;
	uint32_t route = script_route(run.image, ROUTE_FAILURE, bytes_span(tx->on_failure));
	struct tx_context *own = tx_context(request);
	tx_keep(tx, &tx->on_failure, (struct span){ NULL, 0 }); /* armed for one failure */
	request->notes &= ~(uint32_t)(NOTE_URI_CHANGED | NOTE_DROPPED);
	message_clear_branches(request);
	tx->winner = (uint8_t)winner;
	own->code = branch->code;
	own->branch = (int)winner;
	own->reply_is_local = branch->is_local;
	own->reply = branch->reply && !branch->is_local ? message_thaw(branch->reply, arena) : NULL;
	fiber_set_local(request);
	if (route)
		script_run_route(&run, route);
	tx_keep_state(tx, request);
	if (own->on_failure.at)
		tx_keep(tx, &tx->on_failure, own->on_failure);
	return own->replied || (own->relayed && !all_done(tx)) || tx->code >= 200;
}

void finish_branches(struct transaction *tx, struct arena *arena)
{
	/* Each round may start a new serial leg; a leg that fails at once is looked at again. */
	for (unsigned round = 0; round < BRANCHES_MOST; round++) {
		unsigned before = tx->branch_count;
		int winner = pick_winner(tx);
		if (winner < 0)
			return;
		struct tx_context context = { .tx = tx, .shard = tx->slot.shard, .index = tx->slot.index,
			.generation = tx->slot.generation, .holds_lease = true, .branch = winner };
		if (run_failure_route(tx, (unsigned)winner, &context, arena))
			return;
		if (tx->branch_count > before && all_done(tx) && tx->on_failure.at)
			continue;
		winner = pick_winner(tx);
		if (winner >= 0)
			forward_winner(tx, (unsigned)winner, arena, &context);
		return;
	}
}

/* ---- a reply comes ------------------------------------------------------------------------------------------------- */

/* False when the route dropped the reply. */
static bool run_reply_route(struct transaction *tx, struct tx_context *context, struct message *reply)
{
	const struct tx_branch *branch = tx->branches[context->branch];
	const struct bytes *const armed[] = { &branch->on_reply, &tx->on_reply };
	for (size_t i = 0; i < ARRAY_SIZE(armed); i++) {
		struct script_run run;
		if (!armed[i]->at || !script_run_init(&run, reply, ROUTE_TM_REPLY, NULL))
			continue;
		uint32_t route = script_route(run.image, ROUTE_TM_REPLY, bytes_span(*armed[i]));
		if (!route)
			continue;
		if (tx->attributes.at && !attributes_thaw(bytes_span(tx->attributes), reply->arena, &reply->attributes))
			continue;
		reply->flags = tx->message_flags;
		reply->target.flags = branch->flags;
		context->code = reply->index->status;
		context->reply = reply;
		script_run_route(&run, route);
		tx_keep_state(tx, reply);
		if (run.dropped)
			return false;
	}
	return true;
}

static void run_branch_failure_route(struct transaction *tx, struct tx_context *context, struct arena *arena)
{
	struct script_run run;
	if (!tx->on_branch_failure.at)
		return;
	struct message *request = tx_request(tx, arena, context);
	if (!request || !script_run_init(&run, request, ROUTE_BRANCH_FAILURE, NULL))
		return;
	struct span name = arena_printf(arena, "tm:branch-failure:%.*s", (int)tx->on_branch_failure.len,
		tx->on_branch_failure.at);
	uint32_t route = script_route(run.image, ROUTE_BRANCH_FAILURE, name);
	struct tx_context *own = tx_context(request);
	own->code = tx->branches[context->branch]->code;
	own->branch = context->branch;
	request->notes &= ~(uint32_t)NOTE_URI_CHANGED;
	message_clear_branches(request);
	if (route)
		script_run_route(&run, route);
	tx_keep_state(tx, request);
}

static void take_provisional(struct transaction *tx, struct tx_branch *branch, struct message *reply)
{
	unsigned code = reply->index->status;
	bool is_invite = tx->flags & TX_INVITE;
	if (is_invite) {
		branch->retransmit_ms = 0;
		if (!branch->cancel.at && (branch->state == BRANCH_CALLING || tm_settings()->restart_fr_on_each_reply ||
						  code > branch->code))
			branch->expires_ms = clock_ms() + tx->fr_inv_ms;
	} else {
		branch->interval_ms = tx->retr2_ms; /* RFC 3261 17.1.2.2 */
	}
	branch->state = BRANCH_PROCEEDING;
	branch->was_replied = true;
	branch->code = (uint16_t)code;
	if (branch->cancel_wanted)
		cancel_branches(tx, UINT32_MAX, reply->arena);
	if (code > 100 && tx->server == SERVER_PROCEEDING)
		relay_upstream(tx, reply);
}

static void keep_reason(struct transaction *tx, struct message *reply)
{
	if (tx->cancel_reason.at || !tm_settings()->local_cancel_reason)
		return;
	char line[96];
	int len = snprintf(line, sizeof(line), "Reason: SIP;cause=%u%s\r\n", reply->index->status,
		reply->index->status == 200 ? ";text=\"Call completed elsewhere\"" : "");
	tx_keep(tx, &tx->cancel_reason, span_make(line, (size_t)len));
}

static void take_success(struct transaction *tx, struct message *reply)
{
	bool is_invite = tx->flags & TX_INVITE;
	if (is_invite || tx->server == SERVER_PROCEEDING)
		relay_upstream(tx, reply);
	if (is_invite) {
		keep_reason(tx, reply);
		cancel_branches(tx, UINT32_MAX, reply->arena);
	}
}

static void take_failure(struct transaction *tx, struct tx_context *context, struct tx_branch *branch,
	struct message *reply)
{
	branch->reply = tx_freeze(tx, reply);
	branch->is_local = branch->reply == NULL;
	tell_about(tx, TM_BRANCH_FAILED, reply, branch->code, reply_reason(reply), reply->arena, branch);
	run_branch_failure_route(tx, context, reply->arena);
	if (branch->code >= 600 && !(tx->flags & TX_DISABLE_6XX) && !tm_settings()->disable_6xx_block) {
		keep_reason(tx, reply);
		cancel_branches(tx, UINT32_MAX, reply->arena);
	}
	if (all_done(tx) && tx->server == SERVER_PROCEEDING)
		finish_branches(tx, reply->arena);
}

/* A final reply that was heard before, or after a time-out. */
static void take_repeated(struct transaction *tx, struct tx_context *context, struct message *reply)
{
	unsigned code = reply->index->status;
	counter_inc(tm_counters->rpl_absorbed);
	if (!(tx->flags & TX_INVITE) || code < 200)
		return;
	if (code >= 300)
		send_branch_ack(tx, (unsigned)context->branch, reply);
	else
		relay_upstream(tx, reply); /* the callee waits for the caller's ACK (RFC 6026) */
}

void reply_received(struct tx_context *context, struct message *reply)
{
	struct transaction *tx = context->tx;
	const struct sip_via *via = message_top_via(reply);
	unsigned number;
	struct tx_context same = *context;
	if (!via || !tx_from_via(via->branch, &same, &number) || number >= tx->branch_count)
		return;
	context->branch = (int)number;
	struct tx_branch *branch = tx->branches[number];
	unsigned code = reply->index->status;
	if (message_method(reply) == METHOD_CANCEL && tx->method != METHOD_CANCEL) {
		branch->cancel_ms = 0; /* our CANCEL was heard */
		return;
	}
	if (message_method(reply) != tx->method)
		return;
	if (branch->state == BRANCH_DONE) {
		take_repeated(tx, context, reply);
		return;
	}
	if (code >= 300 && (tx->flags & TX_INVITE))
		send_branch_ack(tx, number, reply);
	bool is_kept = run_reply_route(tx, context, reply);
	if (code < 200) {
		if (is_kept || code == 100)
			take_provisional(tx, branch, reply);
		else
			branch->state = BRANCH_PROCEEDING;
		return;
	}
	branch->state = BRANCH_DONE;
	branch->was_replied = branch->code != 0;
	branch->code = (uint16_t)code;
	branch->retransmit_ms = branch->expires_ms = branch->cancel_ms = 0;
	if (code < 300)
		take_success(tx, reply);
	else
		take_failure(tx, context, branch, reply);
}
