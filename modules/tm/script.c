/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that scripts call to answer, suspend, arm routes and end. */
#include "modules/tm/transaction.h"

struct name_args {
	struct span name;
};
struct reply_args {
	struct span code;
	struct span reason;
};

/* ---- answering ---------------------------------------------------------------------------------------------- */

bool reply_current(struct script_run *run, unsigned code, struct span reason)
{
	struct tx_context *context = tx_context(run->msg);
	bool was_held = context && context->tx;
	if (!context || enter_or_create(run, context, false) != 1)
		return false;
	struct message *request = run->msg;
	if (!message_is_request(request)) {
		struct tx_context own = context_holding(context->tx);
		request = tx_request(context->tx, run->arena, &own);
	}
	if (run->arena->is_short && code >= 300 && code < 500) {
		code = 500;
		reason = SPAN_OF("Server Internal Error");
	} else if (request && run->kind == ROUTE_REQUEST && !message_to_tag(request).len &&
		   code > 100 && tx_is_merged(context->tx)) {
		code = 482;
		reason = SPAN_OF("Loop Detected");
	}
	bool is_sent = request && reply_locally(run, context->tx, request, code, reason);
	context->replied = context->replied || (is_sent && code >= 200);
	if (!was_held)
		tx_leave(context);
	return is_sent;
}

static const struct field reply_fields[] = {
	FIELD(struct reply_args, code, "status code"),
	FIELD(struct reply_args, reason, "reason phrase"),
};
SCRIPT_HANDLER_OF(t_reply, reply)
SCRIPT_HANDLER_OF(t_send_reply, reply)
SCRIPT_HANDLER_PLAIN(t_reply_error)
SCRIPT_HANDLER_PLAIN(t_retransmit_reply)

/* Takes the script's arguments; what cannot be read becomes the defaults. */
static unsigned read_reply(const struct reply_args *args, struct span *out_reason)
{
	int64_t code = 0;
	*out_reason = args->reason.at ? args->reason : tm_settings()->default_reason;
	if (span_to_int64(span_trim(args->code), &code) && code >= 100 && code <= 699)
		return (unsigned)code;
	log_warning("\"%.*s\" is no status; %d is sent", SPAN_ARGS(args->code),
		    (int)tm_settings()->default_code);
	return (unsigned)tm_settings()->default_code;
}

static int t_send_reply(struct script_run *run, const struct reply_args *args)
{
	struct span reason;
	unsigned code = read_reply(args, &reason);
	return reply_current(run, code, reason) ? 1 : -1;
}

static int t_reply(struct script_run *run, const struct reply_args *args)
{
	const struct tx_context *context = tx_context(run->msg);
	if (!context || !context->generation) {
		log_error("there is no transaction to answer; call t_newtran() first");
		return -1;
	}
	return t_send_reply(run, args);
}

static int t_reply_error(struct script_run *run)
{
	struct span reason;
	unsigned code = message_failure(run->msg, "TM", &reason);
	return reply_current(run, code, reason) ? 1 : -1;
}

static int t_retransmit_reply(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	struct tx_glance glance;
	if (!context || !tx_glance(run->msg, &glance) || glance.code == 0)
		return -1;
	bool was_held = context->tx;
	if (!tx_enter(context))
		return -1;
	bool has_reply = context->tx->reply.len;
	if (has_reply)
		send_bytes(&context->tx->upstream, bytes_span(context->tx->reply), true);
	if (!was_held)
		tx_leave(context);
	return has_reply ? 1 : -1;
}

/* ---- suspending ------------------------------------------------------------------------------------------------- */

int suspend_current(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	bool was_held = context && context->tx;
	if (context && !message_is_request(run->msg))
		return was_held && suspend_reply(context, run->msg) ? 1 : -1;
	if (!context || enter_or_create(run, context, true) != 1)
		return -1;
	struct transaction *tx = context->tx;
	bool is_open = tx->server == SERVER_PROCEEDING;
	if (is_open) {
		if (context->is_creator)
			tx_refreeze(tx, run->msg);
		tx_keep_state(tx, run->msg);
		tx->flags |= TX_SUSPENDED;
		tx->life_ends_ms =
			clock_ms() + tx->fr_ms; /* whoever goes on with it sets it back */
		context->relayed = true;
	}
	if (!was_held)
		tx_leave(context);
	return is_open ? 1 : -1;
}

bool resume_named(struct tm_name name, struct span route)
{
	struct tx_context context = {
		.shard = name.shard, .index = name.slot, .generation = name.generation, .branch = -1
	};
	struct arena arena;
	if (!tx_enter(&context))
		return false;
	bool was_suspended = context.tx->flags & (TX_SUSPENDED | TX_REPLY_SUSPENDED);
	arena_init(&arena, 16384, 4u << 20);
	tx_resume(&context, route, &arena);
	send_flush(); /* what was rendered lies in the arena */
	tx_leave(&context);
	send_flush();
	arena_free(&arena);
	return was_suspended;
}

/* ---- arming routes --------------------------------------------------------------------------------------- */

enum armed_kind { ARM_FAILURE, ARM_REPLY, ARM_BRANCH, ARM_BRANCH_FAILURE };

static uint16_t *armed_place(struct transaction *tx, struct tx_context *context,
			     enum armed_kind kind)
{
	switch (kind) {
	case ARM_FAILURE: return tx ? &tx->on_failure : &context->on_failure;
	case ARM_REPLY: return tx ? &tx->on_reply : &context->on_reply;
	case ARM_BRANCH: return tx ? &tx->on_branch : &context->on_branch;
	case ARM_BRANCH_FAILURE: break;
	}
	return tx ? &tx->on_branch_failure : &context->on_branch_failure;
}

/* Before there is a transaction the wish waits in the context. */
static int arm_route(struct script_run *run, enum armed_kind kind, struct span name)
{
	struct tx_context *context = tx_context(run->msg);
	uint16_t number;
	if (!context || !route_number(name, &number))
		return -1;
	*armed_place(NULL, context, kind) = number;
	if (!context->generation)
		return 1;
	bool was_held = context->tx;
	if (!tx_enter(context))
		return -1;
	*armed_place(context->tx, context, kind) = number;
	if (!was_held)
		tx_leave(context);
	return 1;
}

#define t_on_failure_args        name_args
#define t_on_reply_args          name_args
#define t_on_branch_args         name_args
#define t_on_branch_failure_args name_args
static const struct field t_on_failure_fields[] = { FIELD(struct name_args, name,
							  "name of a failure_route, \"0\" clears",
							  .route_kind = ROUTE_FAILURE) };
static const struct field t_on_reply_fields[] = { FIELD(struct name_args, name,
							"name of an onreply_route, \"0\" clears",
							.route_kind = ROUTE_TM_REPLY) };
static const struct field t_on_branch_fields[] = { FIELD(struct name_args, name,
							 "name of a branch_route, \"0\" clears",
							 .route_kind = ROUTE_BRANCH) };
static const struct field t_on_branch_failure_fields[] = { FIELD(
	struct name_args, name, "NAME of event_route[tm:branch-failure:NAME], \"0\" clears",
	.route_kind = ROUTE_BRANCH_FAILURE) };
SCRIPT_HANDLER(t_on_failure)
SCRIPT_HANDLER(t_on_reply)
SCRIPT_HANDLER(t_on_branch)
SCRIPT_HANDLER(t_on_branch_failure)

static int t_on_failure(struct script_run *run, const struct name_args *args)
{
	return arm_route(run, ARM_FAILURE, args->name);
}

static int t_on_reply(struct script_run *run, const struct name_args *args)
{
	return arm_route(run, ARM_REPLY, args->name);
}

static int t_on_branch(struct script_run *run, const struct name_args *args)
{
	return arm_route(run, ARM_BRANCH, args->name);
}

static int t_on_branch_failure(struct script_run *run, const struct name_args *args)
{
	return arm_route(run, ARM_BRANCH_FAILURE, args->name);
}

/* ---- CANCEL and the end ---------------------------------------------------------------------------------------------- */

SCRIPT_HANDLER_PLAIN(t_relay_cancel)
SCRIPT_HANDLER_PLAIN(t_release)
SCRIPT_HANDLER_PLAIN(t_save_lumps)
SCRIPT_HANDLER_PLAIN(t_clean)
SCRIPT_HANDLER_PLAIN(t_msg_apply_changes)

static int t_relay_cancel(struct script_run *run)
{
	struct tx_context invite = { .branch = -1 };
	if (message_method(run->msg) != METHOD_CANCEL || !tx_find(run->msg, METHOD_INVITE, &invite))
		return 1;
	return relay_cancel(run) < 0 ? -1 : SCRIPT_STOP;
}

static int t_release(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context || !context->generation)
		return -1;
	bool was_held = context->tx;
	if (!tx_enter(context))
		return -1;
	if (!tx_was_sent(context->tx))
		tx_finish(context->tx);
	if (!was_held)
		tx_leave(context);
	return 1;
}

/* Makes what failure routes will see: the request with its edits of now. */
static int t_save_lumps(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context || !context->generation)
		return 1; /* t_relay() keeps the edits anyhow */
	bool was_held = context->tx;
	if (!tx_enter(context))
		return -1;
	tx_refreeze(context->tx, run->msg);
	if (!was_held)
		tx_leave(context);
	return 1;
}

static int t_clean(struct script_run *run)
{
	(void)run;
	return 1; /* the wheel frees what is over, at its time */
}

static int t_msg_apply_changes(struct script_run *run)
{
	return message_apply_edits(run->msg) ? 1 : -1;
}

#define NOT_ONSEND IN_ALL_BUT_ONSEND

static const struct script_function functions[] = {
	FUNCTION_OF("t_reply", t_reply, reply, NOT_ONSEND,
		 "Answers by the transaction; 3xx carries the destinations as Contact."),
	FUNCTION_OF("t_send_reply", t_send_reply, reply, NOT_ONSEND,
		 "Makes a transaction when there is none, and answers."),
	FUNCTION_PLAIN("t_reply_error", t_reply_error, NOT_ONSEND,
		       "Answers with the last internal error."),
	FUNCTION_PLAIN("t_retransmit_reply", t_retransmit_reply, NOT_ONSEND,
		       "Sends the last reply again."),
	FUNCTION("t_on_failure", t_on_failure, NOT_ONSEND, "Arms a failure_route."),
	FUNCTION("t_on_reply", t_on_reply, NOT_ONSEND,
		 "Arms an onreply_route: in a branch_route for this branch only."),
	FUNCTION("t_on_branch", t_on_branch, NOT_ONSEND, "Arms a branch_route."),
	FUNCTION("t_on_branch_failure", t_on_branch_failure, NOT_ONSEND,
		 "Arms event_route[tm:branch-failure:NAME]."),
	FUNCTION_PLAIN("t_relay_cancel", t_relay_cancel, ROUTE_REQUEST,
		       "Cancels the INVITE and ends the script; true when there is none."),
	FUNCTION_PLAIN("t_release", t_release, NOT_ONSEND,
		       "Ends a transaction that was not forwarded."),
	FUNCTION_PLAIN("t_save_lumps", t_save_lumps, ROUTE_REQUEST,
		       "Lets failure routes see the request as it is now."),
	FUNCTION_PLAIN("t_clean", t_clean, IN_ANY, "True: what is over frees itself."),
	FUNCTION_PLAIN("t_msg_apply_changes", t_msg_apply_changes, ROUTE_BRANCH,
		       "Applies the edits to this branch only."),
};
const struct function_table tm_function_table = ROWS(functions);
