/* SPDX-License-Identifier: BSD-2-Clause */
/* All branches are done: which reply is the best (RFC 3261 16.7, 6.), and what failure_route makes of it. */
#include <limits.h>

#include "modules/tm/transaction.h"

bool all_done(const struct transaction *tx)
{
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (!branch_is_done(tx->branches[i]))
			return false;
	return !(tx->flags & (TX_SUSPENDED | TX_REPLY_SUSPENDED));
}

/* Lower is better: 6xx decide for all, then redirections, then what the caller can do something
 * about, then the rest by their numbers. */
static int reply_rank(const struct tx_branch *branch)
{
	static const uint16_t helpful[] = { 401, 407, 415, 420, 484 };
	static const uint16_t by_class[] = { 9000, 9000, 9000, 2000, 4000, 5000, 1000 };
	unsigned code = branch->code;
	int rank = by_class[code / 100 < 7 ? code / 100 : 0] + (int)(code % 100);
	for (size_t i = 0; i < ARRAY_SIZE(helpful); i++)
		if (helpful[i] == code)
			rank = 3000 + (int)(code % 100);
	return branch->is_local ? rank + (int)tm_settings()->faked_reply_prio : rank;
}

static int pick_winner(const struct transaction *tx)
{
	int best = -1;
	int best_rank = INT_MAX;
	for (unsigned i = 0; i < tx->branch_count; i++) {
		const struct tx_branch *branch = tx->branches[i];
		int rank = reply_rank(branch);
		if (branch->code >= 300 && !branch->is_dropped && branch_is_done(branch) &&
		    rank < best_rank) {
			best_rank = rank;
			best = (int)i;
		}
	}
	return best;
}

struct span local_reason(unsigned code)
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
		{ 503, SPAN("Service Unavailable") },
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
	       !is_observed(tx, TM_REPLY_OUT | TM_ANSWERED | TM_FAILED | TM_BRANCH_FAILED);
}

void forward_winner(struct transaction *tx, unsigned winner, struct message *reply,
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
		tx->relayed = (uint8_t)(winner + 1);
		relay_upstream(tx, reply);
		return;
	}
	unsigned code = reply ? 500 : branch->code;
	struct span reason = reply ? reply_reason(reply) : local_reason(code);
	struct tx_context context = context_holding(tx);
	struct message *request = tx_request(tx, arena, &context);
	struct script_run run;
	if (request && script_run_init(&run, request, ROUTE_EVENT, NULL))
		reply_locally(&run, tx, request, code, reason);
}

struct message *request_for_route(struct transaction *tx, struct tx_context *context,
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
	request->target.flags = branch->flags;
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

void tell_failure(struct transaction *tx, unsigned winner, struct message *reply,
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
	struct span reason;
	if (!request || !script_run_init(&run, request, ROUTE_EVENT, NULL))
		return;
	unsigned code = message_failure(request, "TM", &reason);
	reply_locally(&run, tx, request, code, reason);
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
	if (tx->flags & TX_REPLY_SUSPENDED) {
		resume_reply(tx, route_text, arena);
		return;
	}
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
