/* SPDX-License-Identifier: BSD-2-Clause */
/* tmx: script extensions of tm. The counters of group tmx are tm's own. */
#include "modules/tmx/tmx.h"

const struct tm_api *tm_of_tmx;
#define tm tm_of_tmx

static struct {
	bool precheck_trans;
} settings = { .precheck_trans = true };
static const struct field setting_fields[] = {
	FIELD(settings, precheck_trans, "t_precheck_trans() may be used"),
};

/* ---- cancelling ----------------------------------------------------------------------------------------------- */

struct which_args {
	struct span which;
};
static const struct field t_cancel_branches_fields[] = { FIELD(struct which_args, which,
							       "all, others or this") };
#define t_cancel_branches_args which_args
SCRIPT_HANDLER(t_cancel_branches)

static int t_cancel_branches(struct script_run *run, const struct which_args *args)
{
	char first = args->which.len ? ascii_lower(args->which.at[0]) : 'a';
	return tm->cancel_branches(run, first == 'o'   ? TM_CANCEL_OTHERS
					: first == 't' ? TM_CANCEL_THIS
						       : TM_CANCEL_ALL);
}

struct call_args {
	struct span call_id;
	struct span cseq;
	int64_t flag;
	int64_t code;
};
static const struct field t_cancel_callid_fields[] = {
	FIELD(struct call_args, call_id, "Call-ID of the INVITE"),
	FIELD(struct call_args, cseq, "its CSeq number"),
	FIELD(struct call_args, flag, "message flag that is set when it was found", .max = 31),
	FIELD(struct call_args, code, "status that the caller gets", .optional = true, .max = 699),
};
#define t_cancel_callid_args call_args
SCRIPT_HANDLER(t_cancel_callid)

/* "7" and "7 INVITE". */
static bool read_cseq(struct span text, uint32_t *out_cseq)
{
	text = span_trim(text);
	if (span_to_uint32(span_slice(text, 0, span_find(text, ' ', 0)), out_cseq))
		return true;
	log_error("\"%.*s\" is no CSeq number", SPAN_ARGS(text));
	return false;
}

static int t_cancel_callid(struct script_run *run, const struct call_args *args)
{
	uint32_t cseq;
	if (!read_cseq(args->cseq, &cseq) ||
	    !tm->cancel_call(args->call_id, cseq, (unsigned)args->code, (struct span){ NULL, 0 }))
		return -1;
	run->msg->flags |= 1u << args->flag;
	return 1;
}

struct branch_args {
	int64_t index, label, branch;
};
static const struct field t_cancel_branch_idx_fields[] = {
	FIELD(struct branch_args, index, "$T(id_index) of the transaction"),
	FIELD(struct branch_args, label, "its $T(id_label)"),
	FIELD(struct branch_args, branch, "number of the branch", .max = 31),
};
#define t_cancel_branch_idx_args branch_args
SCRIPT_HANDLER(t_cancel_branch_idx)

static int t_cancel_branch_idx(struct script_run *run, const struct branch_args *args)
{
	struct tm_name name;
	(void)run;
	return tm->name_from_ids((uint64_t)args->index, (uint64_t)args->label, &name) &&
			       tm->cancel_branch(name, (unsigned)args->branch)
		       ? 1
		       : -1;
}

/* ---- answering and confirming ------------------------------------------------------------------------------------ */

struct reply_call_args {
	struct span call_id;
	struct span cseq;
	int64_t code;
	struct span reason;
};
static const struct field t_reply_callid_fields[] = {
	FIELD(struct reply_call_args, call_id, "Call-ID of the request"),
	FIELD(struct reply_call_args, cseq, "its CSeq number"),
	FIELD(struct reply_call_args, code, "status", .min = 100, .max = 699),
	FIELD(struct reply_call_args, reason, "reason phrase"),
};
#define t_reply_callid_args reply_call_args
SCRIPT_HANDLER(t_reply_callid)

static int t_reply_callid(struct script_run *run, const struct reply_call_args *args)
{
	uint32_t cseq;
	(void)run;
	return read_cseq(args->cseq, &cseq) && tm->reply_call(args->call_id, cseq,
							      (unsigned)args->code, args->reason)
		       ? 1
		       : -1;
}

struct ack_args {
	struct span call_id;
	struct span cseq;
	struct span headers;
	struct span body;
};
static const struct field t_uac_ack_local_fields[] = {
	FIELD(struct ack_args, call_id, "Call-ID of the local INVITE"),
	FIELD(struct ack_args, cseq, "its CSeq number"),
	FIELD(struct ack_args, headers, "header lines", .optional = true),
	FIELD(struct ack_args, body, "body", .optional = true),
};
#define t_uac_ack_local_args ack_args
SCRIPT_HANDLER(t_uac_ack_local)

static int t_uac_ack_local(struct script_run *run, const struct ack_args *args)
{
	uint32_t cseq;
	(void)run;
	return read_cseq(args->cseq, &cseq) &&
			       tm->ack_local(args->call_id, cseq, args->headers, args->body)
		       ? 1
		       : -1;
}

/* ---- state ----------------------------------------------------------------------------------------------------------- */

SCRIPT_HANDLER_PLAIN(t_flush_flags)
SCRIPT_HANDLER_PLAIN(t_is_failure_route)
SCRIPT_HANDLER_PLAIN(t_is_branch_route)
SCRIPT_HANDLER_PLAIN(t_is_reply_route)
SCRIPT_HANDLER_PLAIN(t_is_request_route)
SCRIPT_HANDLER_PLAIN(t_suspend)
SCRIPT_HANDLER_PLAIN(t_reuse_branch)
SCRIPT_HANDLER_PLAIN(t_precheck_trans)

static int t_flush_flags(struct script_run *run)
{
	return tm->flush_flags(run);
}

static int t_is_failure_route(struct script_run *run)
{
	return run->kind == ROUTE_FAILURE ? 1 : -1;
}

static int t_is_branch_route(struct script_run *run)
{
	return run->kind == ROUTE_BRANCH ? 1 : -1;
}

static int t_is_reply_route(struct script_run *run)
{
	return run->kind & IN_ANY_REPLY ? 1 : -1;
}

static int t_is_request_route(struct script_run *run)
{
	return run->kind == ROUTE_REQUEST ? 1 : -1;
}

static int t_suspend(struct script_run *run)
{
	return tm->suspend(run);
}

static int t_reuse_branch(struct script_run *run)
{
	return tm->reuse_branch(run);
}

static int t_precheck_trans(struct script_run *run)
{
	if (!settings.precheck_trans) {
		log_error(
			"t_precheck_trans() was turned off by modparam(\"tmx\", \"precheck_trans\", 0)");
		return -1;
	}
	return tm->is_known(run) ? 1 : -1;
}

struct continue_args {
	struct span index;
	struct span label;
	struct span route;
};
static const struct field t_continue_fields[] = {
	FIELD(struct continue_args, index, "$T(id_index) of the transaction"),
	FIELD(struct continue_args, label, "its $T(id_label)"),
	FIELD(struct continue_args, route, "name of the route to go on with",
	      .route_kind = ROUTE_REQUEST),
};
#define t_continue_args continue_args
SCRIPT_HANDLER(t_continue)

static int t_continue(struct script_run *run, const struct continue_args *args)
{
	int64_t index, label;
	struct tm_name name;
	(void)run;
	if (!span_to_int64(span_trim(args->index), &index) ||
	    !span_to_int64(span_trim(args->label), &label) || index < 0 ||
	    !tm->name_from_ids((uint64_t)index, (uint64_t)label, &name)) {
		log_error("\"%.*s\" and \"%.*s\" name no transaction", SPAN_ARGS(args->index),
			  SPAN_ARGS(args->label));
		return -1;
	}
	return tm->resume(name, args->route) ? 1 : -1;
}

struct drop_args {
	int64_t code;
};
static const struct field t_drop_fields[] = { FIELD(
	struct drop_args, code, "status that is remembered; 500", .optional = true, .max = 699) };
#define t_drop_args drop_args
SCRIPT_HANDLER(t_drop)

static int t_drop(struct script_run *run, const struct drop_args *args)
{
	return tm->drop(run, args->code >= 200 ? (unsigned)args->code : 500);
}

#define ON_FAILURE (ROUTE_FAILURE | ROUTE_BRANCH_FAILURE)
static const struct script_function functions[] = {
	FUNCTION("t_cancel_branches", t_cancel_branches, IN_ALL_BUT_ONSEND,
		 "Cancels branches: all, others or this."),
	FUNCTION("t_cancel_callid", t_cancel_callid, IN_ANY,
		 "Cancels an INVITE by Call-ID and CSeq."),
	FUNCTION("t_cancel_branch_idx", t_cancel_branch_idx, IN_ANY,
		 "Cancels one branch of a transaction."),
	FUNCTION("t_uac_ack_local", t_uac_ack_local, IN_ANY, "Sends the ACK of a local INVITE."),
	FUNCTION("t_reply_callid", t_reply_callid, IN_ANY,
		 "Answers a request by Call-ID and CSeq."),
	FUNCTION_PLAIN("t_flush_flags", t_flush_flags, IN_ALL_BUT_ONSEND,
		       "Gives the transaction the flags of the message."),
	FUNCTION_PLAIN("t_flush_xflags", t_flush_flags, IN_ALL_BUT_ONSEND,
		       "The same as t_flush_flags()."),
	FUNCTION_PLAIN("t_is_failure_route", t_is_failure_route, IN_ANY,
		       "Is this a failure_route?"),
	FUNCTION_PLAIN("t_is_branch_route", t_is_branch_route, IN_ANY, "Is this a branch_route?"),
	FUNCTION_PLAIN("t_is_reply_route", t_is_reply_route, IN_ANY, "Is this a route of replies?"),
	FUNCTION_PLAIN("t_is_request_route", t_is_request_route, IN_ANY, "Is this request_route?"),
	FUNCTION_PLAIN("t_suspend", t_suspend, ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_TM_REPLY,
		       "Parks the transaction until t_continue()."),
	FUNCTION("t_continue", t_continue, IN_ANY, "Goes on with a parked transaction in a route."),
	FUNCTION("t_drop", t_drop, IN_ALL_BUT_ONSEND, "Ends the transaction without a word."),
	FUNCTION_PLAIN("t_reuse_branch", t_reuse_branch, ON_FAILURE,
		       "Makes the failed branch's destination that of the request."),
	FUNCTION_PLAIN("t_precheck_trans", t_precheck_trans, ROUTE_REQUEST,
		       "Is another process at work on this very request?"),
};

static const struct module_need needs[] = {
	{ "tm", TM_API_VERSION, (const void **)(void *)&tm_of_tmx },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "tmx",
	.doc = "Script extensions of tm.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.variables = { tmx_variables, TMX_VARIABLE_COUNT },
	.needs = ROWS(needs),
};
