/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies that come from branches, and the CANCEL that comes from the caller. */
#include <stdio.h>

#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

bool reply_take_state(const struct transaction *tx, unsigned number, struct message *reply)
{
	if (tx->attributes.at &&
	    !attributes_thaw(bytes_span(tx->attributes), reply->arena, &reply->attributes))
		return false;
	reply->flags = tx->message_flags;
	reply->script_flags = tx->script_flags;
	reply->target.flags = tx->branches[number]->flags;
	return true;
}

/* False when the route dropped the reply. */
static bool run_reply_route(struct transaction *tx, struct tx_context *context,
			    struct message *reply)
{
	uint16_t armed = tx->branches[context->branch]->on_reply;
	struct script_run run;
	if (!armed || !script_run_init(&run, reply, ROUTE_TM_REPLY, NULL))
		return true;
	uint32_t route = script_route(run.image, ROUTE_TM_REPLY, route_name(armed));
	if (!route || !reply_take_state(tx, (unsigned)context->branch, reply))
		return true;
	context->code = reply->index->status;
	context->reply = reply;
	script_run_route(&run, route);
	tx_keep_state(tx, reply);
	tx->branches[context->branch]->flags = reply->target.flags;
	return !run.dropped;
}

static void run_branch_failure_route(struct transaction *tx, unsigned number, struct message *reply,
				     struct arena *arena)
{
	struct script_run run;
	uint16_t armed = tx->branches[number]->on_branch_failure;
	if (!armed || (tx->flags & TX_LOCAL))
		return;
	tx->on_branch_failure = 0; /* branches that are added from now on want it armed anew */
	struct tx_context context = context_holding(tx);
	struct message *request = request_for_route(tx, &context, arena);
	if (!request || !script_run_init(&run, request, ROUTE_BRANCH_FAILURE, NULL))
		return;
	struct span name = route_name(armed);
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
	request->target.flags = tx->branches[number]->flags;
	void *outer = fiber_local();
	fiber_set_local(request);
	if (route)
		script_run_route(&run, route);
	fiber_set_local(outer);
	tx_keep_state(tx, request);
}

void keep_reason(struct transaction *tx, unsigned code)
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
	branch->code = reply->index->status;
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
	if (!(step.actions & DO_PASS) || (branch->waits && was_done)) {
		counter_inc(tm_counters->rpl_absorbed);
		return;
	}
	if (branch->waits)
		forget_waiting(tx, branch);
	if (code < 200) {
		take_provisional(tx, branch, reply, was_calling);
	} else {
		branch->code = (uint16_t)code;
		branch->expires_ms = branch->cancel_ms = 0;
	}
	bool is_kept = run_reply_route(tx, context, reply);
	if (!branch->waits)
		reply_goes_on(tx, number, reply, is_kept);
}

void reply_goes_on(struct transaction *tx, unsigned number, struct message *reply, bool is_kept)
{
	unsigned code = reply->index->status;
	struct tx_branch *branch = tx->branches[number];
	if (code < 200) {
		branch->was_replied = true;
		if (reply->arena->is_short)
			lose_reply(tx, number, code);
		else if ((code > 100 || tm_settings()->relay_100) && is_kept &&
			 tx->server == SERVER_PROCEEDING && !(tx->flags & TX_LOCAL))
			relay_upstream(tx, reply);
		return;
	}
	if (reply->arena->is_short && !(tx->flags & TX_LOCAL))
		lose_reply(tx, number, code);
	else if (code < 300)
		take_success(tx, number, reply);
	else
		take_failure(tx, number, reply);
	branch->was_replied = true;
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
	if (tx_was_sent(tx) && !all_done(tx))
		return;
	if (tx_was_sent(tx)) {
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
