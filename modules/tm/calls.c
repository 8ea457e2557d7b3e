/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked of transactions by name or by call, and the interface for other modules. */
#include "core/transport/udp.h"
#include "modules/tm/transaction.h"

/* $T(id_index) holds shard and slot, $T(id_label) the generation. */
void name_ids(struct tm_name name, uint64_t *out_index, uint64_t *out_label)
{
	*out_index = (uint64_t)name.slot * shard_count(store_set()) + name.shard;
	*out_label = name.generation;
}

bool name_from_ids(uint64_t index, uint64_t label, struct tm_name *out_name)
{
	uint64_t shards = shard_count(store_set());
	if (label == 0 || label > UINT32_MAX || index / shards > UINT32_MAX)
		return false;
	*out_name = (struct tm_name){ (uint32_t)(index % shards), (uint32_t)(index / shards),
				      (uint32_t)label };
	return true;
}

/* ---- looking at the transaction of a run ------------------------------------------------------------------ */

static void view_branch(const struct transaction *tx, struct arena *arena, struct tm_view *out)
{
	if (out->branch < 0 || (unsigned)out->branch >= tx->branch_count)
		return;
	const struct tx_branch *branch = tx->branches[out->branch];
	out->last_received = branch->code;
	out->branch_flags = branch->flags;
	out->branch_uri = arena_copy(arena, branch->sent->uri);
	out->ruid = arena_copy(arena, branch->sent->ruid);
}

bool tx_view(struct script_run *run, struct tm_view *out_view)
{
	struct tx_context *context = tx_context(run->msg);
	struct tx_glance glance;
	bool is_matched = context && (context->generation || message_is_request(run->msg));
	if (!is_matched || !tx_glance(run->msg, &glance))
		return false;
	*out_view = (struct tm_view){ .name = context_name(context),
				      .branch = context->branch,
				      .code = context->code,
				      .is_reply_local = context->reply_is_local };
	name_ids(out_view->name, &out_view->index, &out_view->label);
	if (context->reply)
		out_view->reason =
			sip_range_span(context->reply->bytes, context->reply->index->reason);
	else if (context->reply_is_local)
		out_view->reason = local_reason(context->code);
	struct shard *shard = shard_lock_number(store_set(), context->shard);
	const struct transaction *tx = slot_at(shard, context->index, context->generation);
	if (tx) {
		out_view->sent_code = tx->code;
		out_view->branch_count = tx->branch_count;
		out_view->is_cancelled = tx->flags & TX_CANCELLED;
		view_branch(tx, run->arena, out_view);
	}
	shard_unlock(shard);
	return tx != NULL;
}

/* ---- working on the transaction of a run -------------------------------------------------------------------- */

/* The context for work on a named transaction: that of the run when it is the same one. */
static struct tx_context *context_for(struct script_run *run, struct tm_name name,
				      struct tx_context *own)
{
	struct tx_context *current = run ? tx_context(run->msg) : NULL;
	if (current && context_names(current, name))
		return current;
	*own = (struct tx_context){
		.shard = name.shard, .index = name.slot, .generation = name.generation, .branch = -1
	};
	return own;
}

/* The stored request as it was received, without borrowing from the region. */
static struct message *copy_request(struct transaction *tx, struct arena *arena)
{
	struct message *borrowed = message_thaw(tx->request, arena), *request = NULL;
	struct span bytes = borrowed ? arena_copy(arena, borrowed->bytes) : NO_SPAN;
	const char *reason;
	if (bytes.at && (request = message_parse(arena, bytes, &borrowed->from, &reason)))
		request->flags = tx->message_flags;
	return request;
}

static struct message *api_request(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	struct tx_glance glance;
	if (!context || !tx_glance(run->msg, &glance))
		return NULL;
	bool was_held = context->tx;
	if (!tx_enter(context))
		return NULL;
	/* Only the holder may borrow from the region. */
	struct message *request = was_held ? tx_request(context->tx, run->arena, context)
					   : copy_request(context->tx, run->arena);
	if (!was_held)
		tx_leave(context);
	return request;
}

static struct message *api_best_reply(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!message_is_request(run->msg))
		return run->msg;
	return context ? context->reply : NULL;
}

static struct message *api_invite(struct script_run *run)
{
	struct tx_context invite = { .branch = -1 };
	if (!message_is_request(run->msg) || message_method(run->msg) != METHOD_CANCEL ||
	    !tx_find(run->msg, METHOD_INVITE, &invite) || !tx_enter(&invite))
		return NULL;
	struct message *request = copy_request(invite.tx, run->arena);
	tx_leave(&invite);
	return request;
}

static int api_cancel_branches(struct script_run *run, enum tm_cancel_which which)
{
	struct tx_context *context = tx_context(run->msg);
	struct tx_glance glance;
	if (!context || !tx_glance(run->msg, &glance))
		return -1;
	bool was_held = context->tx;
	if (!tx_enter(context))
		return -1;
	uint32_t own =
		context->branch >= 0 && context->branch < BRANCHES_MOST ? 1u << context->branch : 0;
	uint32_t mask = which == TM_CANCEL_ALL    ? ALL_BRANCHES
			: which == TM_CANCEL_THIS ? own
						  : ~own;
	cancel_branches(context->tx, mask, run->arena);
	if (!was_held)
		tx_leave(context);
	return 1;
}

/* Work from any process on a named transaction, with memory for it. */
struct work {
	struct tx_context context;
	struct arena arena;
};

static bool work_begin(struct work *work)
{
	if (!tx_enter(&work->context))
		return false;
	arena_init(&work->arena, 16384, 1u << 20);
	return true;
}

static void work_end(struct work *work)
{
	send_flush(); /* what was rendered lies in the arena */
	tx_leave(&work->context);
	send_flush();
	arena_free(&work->arena);
}

static bool work_reply(struct work *work, unsigned code, struct span reason)
{
	struct tx_context own = context_holding(work->context.tx);
	struct message *request = tx_request(work->context.tx, &work->arena, &own);
	struct script_run run;
	return request && script_run_init(&run, request, ROUTE_EVENT, NULL) &&
	       reply_locally(&run, work->context.tx, request, code, reason);
}

static bool api_cancel_call(struct span call_id, uint32_t cseq, unsigned reply_code,
			    struct span reason)
{
	struct work work = { .context.branch = -1 };
	if (!tx_find_call(call_id, cseq, false, &work.context) || !work_begin(&work))
		return false;
	cancel_branches(work.context.tx, ALL_BRANCHES, &work.arena);
	if (reply_code >= 300 && work.context.tx->code < 200)
		work_reply(&work, reply_code, reason.len ? reason : SPAN_OF("Canceled"));
	work_end(&work);
	return true;
}

static bool api_cancel_branch(struct tm_name name, unsigned branch)
{
	struct work work;
	context_for(NULL, name, &work.context);
	if (branch >= BRANCHES_MOST || !work_begin(&work))
		return false;
	bool is_there = branch < work.context.tx->branch_count;
	cancel_branches(work.context.tx, 1u << branch, &work.arena);
	work_end(&work);
	return is_there;
}

static bool api_reply_call(struct span call_id, uint32_t cseq, unsigned code, struct span reason)
{
	struct work work = { .context.branch = -1 };
	if (!tx_find_call(call_id, cseq, true, &work.context) || !work_begin(&work))
		return false;
	bool is_sent = work_reply(&work, code, reason);
	work_end(&work);
	return is_sent;
}

static int api_flush_flags(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context || !context->generation)
		return -1;
	bool was_held = context->tx;
	if (!tx_enter(context))
		return -1;
	context->tx->message_flags = run->msg->flags;
	context->kept_flags = run->msg->flags;
	if (!was_held)
		tx_leave(context);
	return 1;
}

/* Ends without a word: the caller hears nothing more. */
static int api_drop(struct script_run *run, unsigned code)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context || !context->generation)
		return -1;
	bool was_held = context->tx;
	if (!tx_enter(context))
		return -1;
	struct transaction *tx = context->tx;
	tx->flags = (tx->flags | TX_REPLIES_SILENTLY) & ~(uint32_t)TX_SUSPENDED;
	if (tx->server == SERVER_PROCEEDING) {
		cancel_branches(tx, ALL_BRANCHES, run->arena);
		send_upstream(tx, SPAN_OF(""), code, true);
		tx->reply_retransmit_ms = 0;
		tx->flags &= ~(uint32_t)TX_UNTOLD; /* and nobody shall hear */
	}
	context->replied = true;
	if (!was_held)
		tx_leave(context);
	return SCRIPT_STOP;
}

/* The failed branch's destination becomes the request's again. */
static int api_reuse_branch(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context || !context->tx || context->branch < 0 ||
	    context->branch >= context->tx->branch_count)
		return -1;
	const struct tx_branch *branch = context->tx->branches[context->branch];
	struct message *msg = run->msg;
	if (!message_set_uri(msg, branch->sent->uri) ||
	    !message_set_dst_uri(msg, branch->sent->dst_uri))
		return -1;
	msg->target.path = arena_copy(msg->arena, branch->sent->path);
	msg->target.ruid = arena_copy(msg->arena, branch->sent->ruid);
	msg->target.instance = arena_copy(msg->arena, branch->sent->instance);
	msg->target.flags = branch->flags;
	msg->target.socket = branch->sent->from;
	return 1;
}

static bool api_is_known(struct script_run *run)
{
	const struct tx_context *context = tx_context(run->msg);
	struct tx_context found = { .branch = -1 };
	if (!message_is_request(run->msg) || message_method(run->msg) == METHOD_ACK || !context ||
	    context->generation)
		return false;
	return tx_find(run->msg, message_method(run->msg), &found);
}

/* The ACK to a 2xx of a local INVITE that was made without one. */
static bool api_ack_local(struct span call_id, uint32_t cseq, struct span headers, struct span body)
{
	struct work work = { .context.branch = -1 };
	if (!tx_find_call(call_id, cseq, false, &work.context) || !work_begin(&work))
		return false;
	struct transaction *tx = work.context.tx;
	bool is_sent = false;
	for (unsigned i = 0; i < tx->branch_count && (tx->flags & TX_LOCAL); i++) {
		const struct tx_branch *branch = tx->branches[i];
		struct message *reply =
			branch->reply ? message_thaw(branch->reply, &work.arena) : NULL;
		if (reply && branch->code >= 200 && branch->code < 300)
			is_sent = uac_ack(tx, i, reply, headers, body);
	}
	work_end(&work);
	return is_sent;
}

static bool api_has_transaction(struct script_run *run)
{
	const struct tx_context *context = tx_context(run->msg);
	return context && context->generation && message_is_request(run->msg);
}

static int api_relay(struct script_run *run)
{
	return relay_current(run, NULL);
}

static bool api_is_cancelled(struct script_run *run)
{
	struct tx_glance glance;
	return tx_glance(run->msg, &glance) && (glance.flags & TX_CANCELLED);
}

static void api_edit_replies(struct message *request)
{
	struct tx_context *context = tx_context(request);
	if (!context)
		return;
	context->early_flags |= TX_EDITS_REPLIES;
	bool was_held = context->tx;
	if (!context->generation || !tx_enter(context))
		return;
	context->tx->flags |= TX_EDITS_REPLIES;
	if (!was_held)
		tx_leave(context);
}

const struct tm_api tm_api = {
	.observe = observe,
	.observe_methods = observe_methods,
	.has_transaction = api_has_transaction,
	.create = create_current,
	.reply = reply_current,
	.relay = api_relay,
	.is_cancelled = api_is_cancelled,
	.view = tx_view,
	.uac = uac_start,
	.suspend = suspend_current,
	.resume = resume_named,
	.name_from_ids = name_from_ids,
	.request = api_request,
	.best_reply = api_best_reply,
	.invite = api_invite,
	.cancel_branches = api_cancel_branches,
	.cancel_call = api_cancel_call,
	.cancel_branch = api_cancel_branch,
	.reply_call = api_reply_call,
	.flush_flags = api_flush_flags,
	.drop = api_drop,
	.reuse_branch = api_reuse_branch,
	.is_known = api_is_known,
	.ack_local = api_ack_local,
	.replicate = replicate_current,
	.edit_replies = api_edit_replies,
};
