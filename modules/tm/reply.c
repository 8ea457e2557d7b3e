/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies: what comes from branches, which of them goes upstream (RFC 3261 16.7), and replies that
 * are made here. */
#include <limits.h>
#include <stdio.h>

#include "core/shm/map.h"
#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

static struct span reply_reason(const struct message *reply)
{
	return sip_range_span(reply->bytes, reply->index->reason);
}

/* ---- upstream ------------------------------------------------------------------------------------------------ */

/* Is there room to remember accepted calls for their whole 64*T1? */
static bool has_spare_memory(void)
{
	return shm_percent_used() < 50;
}

/* A final reply: from now on the transaction only absorbs what comes late. Over UDP the sender of an
 * INVITE hears a failure, or a 2xx that was made here, again until it sends ACK, or for 64*T1 (timer
 * H); INVITEs that come after a 2xx that passed are absorbed as long (timer L of RFC 6026), or until
 * its ACK passes. */
static void note_final(struct transaction *tx, unsigned actions, bool is_local)
{
	bool is_invite = tx->flags & TX_INVITE;
	bool repeats = (actions & DO_REPEAT) || (is_local && is_invite);
	bool is_reliable = transport_is_reliable((enum transport)tx->upstream.to.transport);
	tx_finish(tx);
	if (is_local)
		tx->flags |= TX_LOCAL_ANSWER;
	if (repeats || (is_invite && !is_reliable && has_spare_memory()))
		tx->wait_ends_ms = clock_ms() + 64 * (int64_t)tx->retr1_ms;
	if (repeats && !is_reliable) {
		tx->reply_interval_ms = tx->retr1_ms;
		tx->reply_retransmit_ms = clock_ms() + tx->retr1_ms;
	}
}

/* What is sent upstream counts, and moves the server transaction. False: not now. */
static bool upstream_step(struct transaction *tx, unsigned code, bool is_local)
{
	struct machine_step step =
		server_step(tx_kind(tx), (enum server_state)tx->server, server_event_of(code));
	if (step.actions & DO_REFUSE)
		return false;
	tx->server = step.next;
	tx->code = (uint16_t)code;
	if (step.actions & DO_STOP)
		tx->reply_retransmit_ms = 0;
	if (step.actions & DO_FINISH) {
		counter_inc(tm_counters->by_class[code / 100]);
		note_final(tx, step.actions, is_local);
	}
	return true;
}

bool send_upstream(struct transaction *tx, struct span bytes, unsigned code, bool is_local)
{
	if (!upstream_step(tx, code, is_local))
		return false;
	if (tx->flags & TX_REPLIES_SILENTLY) {
		tx->reply_retransmit_ms = 0;
		return true;
	}
	if (!tx_keep(tx, &tx->reply, bytes))
		log_error("no shared memory to keep a reply; it will not be repeated");
	/* Borrowed: both kinds of callers rendered it into an arena that outlives the batch. */
	send_bytes(&tx->upstream, bytes, false);
	counter_inc(tm_counters->rpl_sent);
	return true;
}

/* What should go upstream cannot be made for want of memory: the caller hears 500, made in memory of its
 * own. When even that fails, the transaction ends with its lifetime. */
static void refuse_upstream(struct transaction *tx)
{
	struct datagram *event = tx->server == SERVER_PROCEEDING ? datagram_take() : NULL;
	if (!event)
		return;
	struct tx_context context = context_holding(tx);
	struct message *request = tx_request(tx, &event->arena, &context);
	struct script_run run;
	log_error("no memory for a final reply; the caller hears 500");
	if (request && script_run_init(&run, request, ROUTE_EVENT, NULL))
		reply_locally(&run, tx, request, 500, SPAN_OF("Server Internal Error"));
	datagram_release(event);
}

static void relay_upstream(struct transaction *tx, struct message *reply)
{
	unsigned code = reply->index->status;
	struct writer w = writer_in_arena(reply->arena, reply->bytes.len + 256);
	render_reply(&w, reply);
	if (w.failed) {
		log_error("a reply %u is too large to relay", code);
		if (code >= 300 || (code >= 200 && !(tx->flags & TX_INVITE)))
			refuse_upstream(tx);
		return; /* a 2xx to INVITE comes again */
	}
	if (!send_upstream(tx, writer_result(&w), code, false))
		return;
	counter_inc(tm_counters->rpl_relayed);
	enum tm_event event = code >= 200 ? TM_REPLY_OUT : TM_PROVISIONAL_OUT;
	if (is_observed(tx, event))
		tell_about(tx, event, reply, code, reply_reason(reply), reply->arena, NULL);
}

struct span render_reply_to(struct message *request, unsigned code, struct span reason,
			    struct span extra)
{
	char tag[64];
	struct local_reply reply = { .request = request,
				     .code = code,
				     .reason = reason,
				     .extra_lines = extra,
				     .with_contacts = code >= 300 && code < 400,
				     .contact_details = (unsigned)tm_settings()->rich_redirect };
	if (code > 100)
		reply.to_tag =
			request->to_tag.at ? request->to_tag : stateless_to_tag(request, tag);
	struct writer w = writer_in_arena(request->arena, request->bytes.len + 512);
	render_local_reply(&w, &reply);
	return w.failed ? NO_SPAN : writer_result(&w);
}

static void run_local_response(struct message *request)
{
	const struct image *image = script_current_image();
	if (image && script_route(image, ROUTE_EVENT, SPAN_OF("tm:local-response")))
		script_run_event("tm:local-response", request, NULL, NULL);
}

bool reply_locally(struct script_run *run, struct transaction *tx, struct message *request,
		   unsigned code, struct span reason)
{
	if (tx->flags & TX_LOCAL)
		return false;
	if (tx->code >= 200 && code != tx->code) {
		log_error("a reply %u comes after the final reply %u was sent", code, tx->code);
		return false;
	}
	struct span text = render_reply_to(request, code, reason, NO_SPAN);
	if (!text.at || !send_upstream(tx, text, code, true))
		return false;
	counter_inc(tm_counters->rpl_generated);
	if (code >= 200) {
		/* Whoever was asked meanwhile need not go on. */
		cancel_branches(tx, ALL_BRANCHES, request->arena);
		tell_observers(tx, TM_REPLY_OUT, request, NULL, code, reason, NULL);
	}
	run_local_response(request);
	return true;
}

/* ---- the best of several final replies (16.7, 6.) ------------------------------------------------------------------ */

bool all_done(const struct transaction *tx)
{
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (!branch_is_done(tx->branches[i]))
			return false;
	return !(tx->flags & TX_SUSPENDED);
}

/* Lower is better: 6xx decide for all, then redirections, then what the caller can do something
 * about, then the rest by their numbers. */
static int reply_rank(const struct transaction *tx, const struct tx_branch *branch)
{
	static const uint16_t helpful[] = { 401, 407, 415, 420, 484 };
	static const uint16_t by_class[] = { 9000, 9000, 9000, 2000, 4000, 5000, 1000 };
	unsigned code = branch->code;
	int rank = by_class[code / 100 < 7 ? code / 100 : 0] + (int)(code % 100);
	for (size_t i = 0; i < ARRAY_SIZE(helpful); i++)
		if (helpful[i] == code)
			rank = 3000 + (int)(code % 100);
	if (code >= 600 && (tx->flags & TX_DISABLE_6XX || tm_settings()->disable_6xx_block))
		rank = 6000 + (int)(code % 100);
	return branch->is_local ? rank + (int)tm_settings()->faked_reply_prio : rank;
}

static int pick_winner(const struct transaction *tx)
{
	int best = -1;
	int best_rank = INT_MAX;
	for (unsigned i = 0; i < tx->branch_count; i++) {
		const struct tx_branch *branch = tx->branches[i];
		int rank = reply_rank(tx, branch);
		if (branch->code >= 300 && !branch->is_dropped && branch_is_done(branch) &&
		    rank < best_rank) {
			best_rank = rank;
			best = (int)i;
		}
	}
	return best;
}

static struct span local_reason(unsigned code)
{
	static const struct {
		unsigned code;
		struct span reason;
	} known[] = {
		{ 477, SPAN("Unfortunately error on sending to next hop occurred (477/TM)") },
		{ 478, SPAN("Unresolvable destination (478/TM)") },
		{ 416, SPAN("Unsupported URI Scheme") },
		{ 479, SPAN("Regretfully, we were not able to process the URI (479/TM)") },
		{ 440, SPAN("Max-Breadth Exceeded") },
		{ 487, SPAN("Request Terminated") },
	};
	if (code == (unsigned)tm_settings()->reply_408_code)
		return tm_settings()->reply_408_reason;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].code == code)
			return known[i].reason;
	return SPAN_OF("Server Internal Error");
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

/* Is nobody told of this time-out? Whoever sent another request than INVITE has given up by now, or
 * soon will (RFC 4320 4.2); noisy_ctimer decides about INVITEs to one that was never heard. */
static bool is_kept_silent(const struct transaction *tx, const struct tx_branch *branch)
{
	if (!(tx->flags & TX_INVITE))
		return branch->code == 408 && !tm_settings()->reply_408_noninvite;
	return !tm_settings()->noisy_ctimer && branch->timed_out && tx->branch_count == 1 &&
	       !branch->was_replied && !(tx->flags & TX_CANCELLED) &&
	       !is_observed(tx, TM_REPLY_OUT | TM_FAILED | TM_BRANCH_FAILED);
}

static void forward_winner(struct transaction *tx, unsigned winner, struct message *reply,
			   struct arena *arena)
{
	const struct tx_branch *branch = tx->branches[winner];
	if (tx->flags & TX_LOCAL) {
		if (!reply && branch->reply)
			reply = message_thaw(branch->reply, arena);
		uac_finished(tx, winner, reply, branch->code, arena);
		return;
	}
	if (is_kept_silent(tx, branch)) {
		tx_finish(tx);
		return;
	}
	if (!reply && branch->reply && !branch->is_local)
		reply = message_thaw(branch->reply, arena);
	/* 503 means "this server"; upstream it would mean us (16.7, 6.). */
	bool is_remapped = branch->code == 503 && tm_settings()->remap_503_500;
	if (reply && !is_remapped) {
		if (tm_settings()->aggregate_challenges &&
		    (branch->code == 401 || branch->code == 407))
			aggregate_challenges(tx, winner, reply);
		relay_upstream(tx, reply);
		return;
	}
	if (reply) {
		const struct sip_range reason = reply->index->reason;
		edit_replace(reply, reason.at - 4, 3, SPAN_OF("500"));
		reply->index->status = 500;
		relay_upstream(tx, reply);
		return;
	}
	struct tx_context context = context_holding(tx);
	struct message *request = tx_request(tx, arena, &context);
	struct script_run run;
	if (request && script_run_init(&run, request, ROUTE_EVENT, NULL))
		reply_locally(&run, tx, request, branch->code, local_reason(branch->code));
}

/* Prepares the stored request for a route that may send it elsewhere. */
static struct message *request_for_route(struct transaction *tx, struct tx_context *context,
					 struct arena *arena)
{
	struct message *request = tx_request(tx, arena, context);
	if (!request)
		return NULL;
	request->notes &= ~(uint32_t)(NOTE_URI_CHANGED | NOTE_DROPPED);
	message_clear_branches(request);
	return request;
}

/* Runs the armed failure_route; true when it took care (replied, or new branches are on their way). */
static bool run_failure_route(struct transaction *tx, unsigned winner, struct arena *arena)
{
	const struct tx_branch *branch = tx->branches[winner];
	struct script_run run;
	uint16_t armed = tx->on_failure;
	if (!armed || ((tx->flags & TX_LOCAL) && !tm_settings()->enable_uac_fr))
		return false;
	struct tx_context context = context_holding(tx);
	struct message *request = request_for_route(tx, &context, arena);
	if (!request || !script_run_init(&run, request, ROUTE_FAILURE, NULL)) {
		refuse_upstream(tx);
		return true;
	}
	uint32_t route = script_route(run.image, ROUTE_FAILURE, route_name(armed));
	struct tx_context *own = tx_context(request);
	tx->on_failure = 0; /* armed for one failure */
	own->code = branch->code;
	own->branch = (int)winner;
	own->reply_is_local = branch->is_local;
	own->reply = branch->reply && !branch->is_local ? message_thaw(branch->reply, arena) : NULL;
	void *outer = fiber_local();
	fiber_set_local(request);
	if (route)
		script_run_route(&run, route);
	fiber_set_local(outer);
	tx_keep_state(tx, request);
	bool is_cared_for = own->replied || (own->relayed && !all_done(tx)) || tx->code >= 200 ||
			    (tx->flags & TX_SUSPENDED);
	if (!is_cared_for && arena->is_short) {
		refuse_upstream(tx);
		return true;
	}
	return is_cared_for;
}

/* `reply`: as it came, or NULL when it has to be fetched. */
static void tell_failure(struct transaction *tx, unsigned winner, struct message *reply,
			 struct arena *arena)
{
	const struct tx_branch *branch = tx->branches[winner];
	if (!is_observed(tx, TM_FAILED))
		return;
	if (!reply && branch->reply && !branch->is_local)
		reply = message_thaw(branch->reply, arena);
	struct span reason = reply ? reply_reason(reply) : local_reason(branch->code);
	tell_about(tx, TM_FAILED, reply, branch->code, reason, arena, branch);
}

static void finish_with(struct transaction *tx, struct arena *arena)
{
	/* Each round may start a new serial leg; a leg that fails at once is looked at again. */
	for (unsigned round = 0; round < BRANCHES_MOST; round++) {
		unsigned before = tx->branch_count;
		int winner = pick_winner(tx);
		if (winner < 0)
			break;
		tell_failure(tx, (unsigned)winner, NULL, arena);
		if (run_failure_route(tx, (unsigned)winner, arena))
			return;
		if (tx->branch_count == before || !tx->on_failure)
			break;
	}
	int winner = pick_winner(tx);
	if (winner >= 0) {
		forward_winner(tx, (unsigned)winner, NULL, arena);
		return;
	}
	/* Every reply was dropped. */
	struct tx_context context = context_holding(tx);
	struct message *request = tx->branch_count ? tx_request(tx, arena, &context) : NULL;
	struct script_run run;
	if (request && script_run_init(&run, request, ROUTE_EVENT, NULL))
		reply_locally(&run, tx, request, (unsigned)tm_settings()->reply_408_code,
			      tm_settings()->reply_408_reason);
}

void finish_branches(struct transaction *tx, struct arena *arena)
{
	finish_with(tx, arena);
	/* Nothing was decided, and nothing is left that could decide it. */
	if (tx->server == SERVER_PROCEEDING && all_done(tx) && arena->is_short)
		refuse_upstream(tx);
}

void tx_resume(struct tx_context *context, struct span route_text, struct arena *arena)
{
	struct transaction *tx = context->tx;
	struct script_run run;
	if (!(tx->flags & TX_SUSPENDED))
		return;
	tx->flags &= ~(uint32_t)TX_SUSPENDED;
	tx->life_ends_ms =
		tx->created_ms + (tx->flags & TX_INVITE ? tx->inv_life_ms : tx->noninv_life_ms);
	struct tx_context own = context_holding(tx);
	struct message *request = tx_request(tx, arena, &own);
	if (!request || !script_run_init(&run, request, ROUTE_REQUEST, NULL)) {
		refuse_upstream(tx);
		return;
	}
	struct tx_context *seen = tx_context(request);
	seen->main_is_used = false;
	uint32_t route = script_route(run.image, ROUTE_REQUEST, route_text);
	if (!route)
		log_error("there is no route[%.*s] to go on with", SPAN_ARGS(route_text));
	void *outer = fiber_local();
	fiber_set_local(request);
	if (route)
		script_run_route(&run, route);
	fiber_set_local(outer);
	tx_keep_state(tx, request);
	if (tx->flags & TX_SUSPENDED)
		return;
	if (all_done(tx) && tx->server == SERVER_PROCEEDING) {
		if (tx->branch_count)
			finish_branches(tx, arena);
		else
			reply_locally(&run, tx, request, 500, SPAN_OF("Server Internal Error"));
	}
}

/* ---- a reply comes ------------------------------------------------------------------------------------------------- */

/* False when the route dropped the reply. */
static bool run_reply_route(struct transaction *tx, struct tx_context *context,
			    struct message *reply)
{
	const struct tx_branch *branch = tx->branches[context->branch];
	const uint16_t armed[] = { branch->on_reply, tx->on_reply };
	if (!armed[0] && !armed[1])
		return true;
	for (unsigned i = 0; i < 2; i++) {
		struct script_run run;
		if (!armed[i] || !script_run_init(&run, reply, ROUTE_TM_REPLY, NULL))
			continue;
		uint32_t route = script_route(run.image, ROUTE_TM_REPLY, route_name(armed[i]));
		if (!route)
			continue;
		if (tx->attributes.at &&
		    !attributes_thaw(bytes_span(tx->attributes), reply->arena, &reply->attributes))
			continue;
		reply->flags = tx->message_flags;
		reply->script_flags = tx->script_flags;
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

static void run_branch_failure_route(struct transaction *tx, unsigned number, struct message *reply,
				     struct arena *arena)
{
	struct script_run run;
	if (!tx->on_branch_failure || (tx->flags & TX_LOCAL))
		return;
	struct tx_context context = context_holding(tx);
	struct message *request = request_for_route(tx, &context, arena);
	if (!request || !script_run_init(&run, request, ROUTE_BRANCH_FAILURE, NULL))
		return;
	struct span name = route_name(tx->on_branch_failure);
	uint32_t route = script_route(run.image, ROUTE_BRANCH_FAILURE, name);
	if (!route) {
		name = arena_printf(arena, "tm:branch-failure:%.*s", SPAN_ARGS(name));
		route = script_route(run.image, ROUTE_BRANCH_FAILURE, name);
	}
	struct tx_context *own = tx_context(request);
	own->code = tx->branches[number]->code;
	own->branch = (int)number;
	own->reply_is_local = tx->branches[number]->is_local;
	own->reply = reply;
	void *outer = fiber_local();
	fiber_set_local(request);
	if (route)
		script_run_route(&run, route);
	fiber_set_local(outer);
	tx_keep_state(tx, request);
}

static void keep_reason(struct transaction *tx, unsigned code)
{
	if (tx->cancel_reason.at || !tm_settings()->local_cancel_reason || all_done(tx))
		return;
	char line[96];
	int len = snprintf(line, sizeof(line), "Reason: SIP;cause=%u%s\r\n", code,
			   code == 200 ? ";text=\"Call completed elsewhere\"" : "");
	tx_keep(tx, &tx->cancel_reason, span_make(line, (size_t)len));
}

void branch_failed(struct transaction *tx, unsigned number, struct message *reply,
		   struct arena *arena)
{
	const struct tx_branch *branch = tx->branches[number];
	struct span reason = reply ? reply_reason(reply) : local_reason(branch->code);
	if (is_observed(tx, TM_BRANCH_FAILED))
		tell_about(tx, TM_BRANCH_FAILED, reply, branch->code, reason, arena, branch);
	run_branch_failure_route(tx, number, reply, arena);
}

static bool ends_all(const struct transaction *tx, unsigned code)
{
	return code >= 600 && !(tx->flags & TX_DISABLE_6XX) && !tm_settings()->disable_6xx_block;
}

static void take_provisional(struct transaction *tx, struct tx_branch *branch,
			     struct message *reply, bool was_calling)
{
	unsigned code = reply->index->status;
	if (!(tx->flags & TX_INVITE))
		branch->interval_ms = tx->retr2_ms; /* RFC 3261 17.1.2.2 */
	else if (!branch->cancel.at &&
		 (was_calling || tm_settings()->restart_fr_on_each_reply || code > branch->code))
		branch->expires_ms = clock_ms() + tx->fr_inv_ms;
	branch->was_replied = true;
	branch->code = (uint16_t)code;
	if (branch->cancel_wanted)
		cancel_branches(tx, ALL_BRANCHES, reply->arena);
}

static void take_success(struct transaction *tx, unsigned number, struct message *reply)
{
	if (tx->flags & TX_LOCAL)
		uac_finished(tx, number, reply, reply->index->status, reply->arena);
	else
		relay_upstream(tx, reply);
	if (tx->flags & TX_INVITE) {
		keep_reason(tx, reply->index->status);
		cancel_branches(tx, ALL_BRANCHES, reply->arena);
	}
}

static void take_failure(struct transaction *tx, unsigned number, struct message *reply)
{
	struct tx_branch *branch = tx->branches[number];
	if (branch_fails_over(tx, number, reply))
		return;
	branch_failed(tx, number, reply, reply->arena);
	if (ends_all(tx, branch->code)) {
		keep_reason(tx, branch->code);
		cancel_branches(tx, ALL_BRANCHES, reply->arena);
	}
	bool is_last = all_done(tx) && tx->server == SERVER_PROCEEDING;
	/* The only branch of a request without failure_route: what came goes on as it is. */
	if (is_last && tx->branch_count == 1 && !tx->on_failure) {
		tell_failure(tx, number, reply, reply->arena);
		forward_winner(tx, number, reply, reply->arena);
		return;
	}
	branch->reply = tx_freeze(tx, reply);
	branch->is_local = branch->reply == NULL;
	if (is_last)
		finish_branches(tx, reply->arena);
}

/* Its route could not do what it should with a reply: it does not go on half done. What its sender
 * repeats by itself is waited for, in place of the rest the caller hears 500. */
static void lose_reply(struct transaction *tx, unsigned number, unsigned code)
{
	struct tx_branch *branch = tx->branches[number];
	bool comes_again = code < 200 || (code < 300 && (tx->flags & TX_INVITE));
	log_error("no memory for a reply %u; it is not passed on", code);
	if (comes_again)
		return;
	if (code < 300) {
		refuse_upstream(tx);
		return;
	}
	branch->code = 500;
	branch->is_local = true;
	struct datagram *event = datagram_take();
	if (event && all_done(tx) && tx->server == SERVER_PROCEEDING)
		finish_branches(tx, &event->arena);
	if (event)
		datagram_release(event);
}

/* What a reply means for its branch; everything that follows is the core's business. */
static void take_reply(struct tx_context *context, unsigned number, struct message *reply)
{
	struct transaction *tx = context->tx;
	struct tx_branch *branch = tx->branches[number];
	unsigned code = reply->index->status;
	bool was_calling = branch->state == CLIENT_CALLING;
	bool was_done = branch_is_done(branch);
	struct machine_step step =
		client_step(tx_kind(tx), (enum client_state)branch->state, client_event_of(code));
	branch->state = step.next;
	if (step.actions & DO_STOP)
		branch->retransmit_ms = 0;
	if (step.actions & DO_ACK)
		send_branch_ack(tx, number, reply);
	if (!(step.actions & DO_PASS)) {
		counter_inc(tm_counters->rpl_absorbed);
		return;
	}
	if (code < 200) {
		take_provisional(tx, branch, reply, was_calling);
		bool is_kept = run_reply_route(tx, context, reply);
		if (reply->arena->is_short)
			lose_reply(tx, number, code);
		else if ((code > 100 || tm_settings()->relay_100) && is_kept && tx->server == SERVER_PROCEEDING &&
		    !(tx->flags & TX_LOCAL))
			relay_upstream(tx, reply);
		return;
	}
	if (!was_done)
		branch->was_replied = branch->code != 0;
	branch->code = (uint16_t)code;
	branch->expires_ms = branch->cancel_ms = 0;
	run_reply_route(tx, context, reply);
	if (reply->arena->is_short && !(tx->flags & TX_LOCAL))
		lose_reply(tx, number, code);
	else if (code < 300)
		take_success(tx, number, reply);
	else
		take_failure(tx, number, reply);
}

void reply_received(struct tx_context *context, struct message *reply)
{
	struct transaction *tx = context->tx;
	unsigned number = (unsigned)context->branch;
	uint32_t method = message_method(reply);
	if (method == METHOD_CANCEL && tx->method != METHOD_CANCEL) {
		tx->branches[number]->cancel_ms = 0; /* our CANCEL was heard */
		return;
	}
	if (method == tx->method)
		take_reply(context, number, reply);
}

/* ---- the caller cancels ---------------------------------------------------------------------------------------------- */

/* Does a header of the caller's CANCEL go into ours? Reason does, with headers_mode all others too that
 * do not belong to the hop or the transaction. */
static bool is_copied(const struct transaction *tx, const struct sip_header *h)
{
	switch (h->id) {
	case HEADER_REASON:
		return tm_settings()->e2e_cancel_reason && !(tx->flags & TX_NO_CANCEL_REASON);
	case HEADER_VIA:
	case HEADER_FROM:
	case HEADER_TO:
	case HEADER_CALL_ID:
	case HEADER_CSEQ:
	case HEADER_ROUTE:
	case HEADER_RECORD_ROUTE:
	case HEADER_MAX_FORWARDS:
	case HEADER_CONTACT:
	case HEADER_CONTENT_LENGTH:
	case HEADER_CONTENT_TYPE:
	case HEADER_USER_AGENT: return false;
	default: return tm_settings()->headers_mode & 1;
	}
}

static void keep_caller_headers(struct transaction *tx, const struct message *cancel)
{
	struct writer w = writer_in_arena(cancel->arena, 256);
	for (unsigned i = 0; i < cancel->index->header_count; i++)
		if (is_copied(tx, &cancel->index->headers[i]))
			writer_span(&w, sip_header_line(cancel->bytes, &cancel->index->headers[i]));
	if (!w.failed && w.len)
		tx_keep(tx, &tx->cancel_reason, writer_result(&w));
}

void tx_cancel(struct transaction *tx, struct message *cancel, struct arena *arena)
{
	if (tx->server != SERVER_PROCEEDING)
		return;
	bool was_cancelled = tx->flags & TX_CANCELLED;
	tx->flags |= TX_CANCELLED;
	if (cancel && !was_cancelled)
		keep_caller_headers(tx, cancel);
	if (!was_cancelled && is_observed(tx, TM_CANCEL_IN))
		tell_about(tx, TM_CANCEL_IN, cancel, 0, NO_SPAN, arena, NULL);
	cancel_branches(tx, ALL_BRANCHES, arena);
	if (tx->branch_count && !all_done(tx))
		return;
	if (tx->branch_count) {
		finish_branches(tx, arena);
		return;
	}
	/* Nothing was sent yet: it is answered here, and t_relay() will refuse. */
	struct tx_context context = context_holding(tx);
	struct message *request = tx_request(tx, arena, &context);
	struct script_run run;
	tx->flags &= ~(uint32_t)TX_SUSPENDED;
	if (request && script_run_init(&run, request, ROUTE_EVENT, NULL))
		reply_locally(&run, tx, request, 487, SPAN_OF("Request canceled"));
}

bool stray_reply_ends(struct message *reply)
{
	struct span name = tm_settings()->on_sl_reply;
	struct script_run run;
	if (!name.len || !script_run_init(&run, reply, ROUTE_TM_REPLY, NULL))
		return false;
	uint32_t route = script_route(run.image, ROUTE_TM_REPLY, name);
	if (!route) {
		log_error("on_sl_reply: there is no onreply_route[%.*s]", SPAN_ARGS(name));
		return false;
	}
	return script_run_route(&run, route) == SCRIPT_STOP || run.dropped;
}
