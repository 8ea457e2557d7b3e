/* SPDX-License-Identifier: BSD-2-Clause */
/* Replies that their onreply_route suspended: each waits at its branch until somebody goes on with it, while
 * the other branches go their way. */
#include "modules/tm/transaction.h"

bool suspend_reply(struct tx_context *context, const struct message *reply)
{
	struct transaction *tx = context->tx;
	struct tx_branch *branch = context->branch < 0 ? NULL : tx->branches[context->branch];
	void *frozen = !branch || (tx->flags & TX_LOCAL) ? NULL : tx_freeze(tx, reply);
	if (!frozen)
		return false;
	if (branch->waits)
		forget_waiting(tx, branch);
	tx_keep_state(tx, reply);
	branch->reply = frozen;
	branch->waits = true;
	tx->flags |= TX_REPLY_SUSPENDED;
	tx->life_ends_ms = clock_ms() + tx->fr_ms;
	return true;
}

static int first_waiting(const struct transaction *tx)
{
	for (unsigned i = 0; i < tx->branch_count; i++)
		if (tx->branches[i]->waits)
			return (int)i;
	return -1;
}

void forget_waiting(struct transaction *tx, struct tx_branch *branch)
{
	void *reply = branch->reply;
	branch->waits = false;
	branch->reply = NULL;
	struct shard *shard = tx_lock(tx);
	tx_drop(shard, tx, reply);
	shard_unlock(shard);
	if (first_waiting(tx) >= 0)
		return;
	tx->flags &= ~(uint32_t)TX_REPLY_SUSPENDED;
	tx->life_ends_ms = tx->flags & TX_WAITING
				   ? 0
				   : tx->created_ms + (tx->flags & TX_INVITE ? tx->inv_life_ms
									     : tx->noninv_life_ms);
}

/* Was the caller told of another end while this 2xx waited? */
static bool comes_too_late(const struct transaction *tx, const struct message *reply)
{
	unsigned code = reply->index->status;
	return tm_settings()->reply_relay_mode && code >= 200 && code < 300 && tx->code >= 200;
}

/* Runs the route for the reply of `own`, and does what follows from that. */
static void go_on(struct transaction *tx, const struct tx_context *own, struct script_run *run,
		  uint32_t route)
{
	struct message *reply = own->reply;
	void *outer = fiber_local();
	fiber_set_local(reply);
	if (route)
		script_run_route(run, route);
	fiber_set_local(outer);
	tx_keep_state(tx, reply);
	if (tx->branches[own->branch]->waits)
		return;
	if (comes_too_late(tx, reply))
		log_debug("a 2xx that was suspended is not relayed: the caller has a final reply");
	else
		reply_goes_on(tx, (unsigned)own->branch, reply, !run->dropped);
}

void resume_reply(struct transaction *tx, struct span route_text, struct arena *arena)
{
	unsigned number = (unsigned)first_waiting(tx);
	struct tx_branch *branch = tx->branches[number];
	struct message *reply = message_thaw(branch->reply, arena);
	struct tx_context *own = reply ? tx_context(reply) : NULL;
	struct script_run run;
	if (!own || !reply_take_state(tx, number, reply) ||
	    !script_run_init(&run, reply, ROUTE_TM_REPLY, NULL)) {
		log_error("no memory to go on with a reply; it goes on waiting");
		return;
	}
	uint32_t route = script_route(run.image, ROUTE_REQUEST, route_text);
	if (!route)
		log_error("there is no route[%.*s] to go on with", SPAN_ARGS(route_text));
	*own = context_holding(tx);
	own->branch = (int)number;
	own->code = reply->index->status;
	own->reply = reply;
	/* The reply borrows from what was frozen until all is done. */
	void *frozen = branch->reply;
	branch->reply = NULL;
	forget_waiting(tx, branch);
	go_on(tx, own, &run, route);
	struct shard *shard = tx_lock(tx);
	tx_drop(shard, tx, frozen);
	shard_unlock(shard);
}

void end_waiting(struct transaction *tx, struct arena *arena)
{
	for (unsigned i = 0; i < tx->branch_count; i++) {
		struct tx_branch *branch = tx->branches[i];
		if (!branch->waits)
			continue;
		forget_waiting(tx, branch);
		if (!branch_is_done(branch))
			continue; /* only a provisional one is lost */
		branch->code = (uint16_t)tm_settings()->reply_408_code;
		branch->is_local = branch->timed_out = true;
		branch_failed(tx, i, NULL, arena);
	}
	if (all_done(tx) && tx->server == SERVER_PROCEEDING)
		finish_branches(tx, arena);
}
