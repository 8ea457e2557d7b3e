/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions that ask about the transaction, and those that set something for one transaction. */
#include "modules/tm/transaction.h"

struct name_args {
	struct span name;
};
struct number_args {
	int64_t number;
};
struct two_numbers_args {
	int64_t first, second;
};
struct status_args {
	const struct pattern *pattern;
};

/* ---- asking ------------------------------------------------------------------------------------------------ */

#define t_is_set_args name_args
static const struct field t_is_set_fields[] = { FIELD(
	struct name_args, name, "branch_route, failure_route or onreply_route", .literal = true) };
SCRIPT_HANDLER(t_is_set)
static int t_is_set(struct script_run *run, const struct name_args *args)
{
	const struct tx_context *context = tx_context(run->msg);
	struct tx_glance glance = { 0 };
	if (!context)
		return -1;
	if (context->generation && !tx_glance(run->msg, &glance))
		return -1;
	bool is_ours = context->generation;
	uint16_t number;
	if (span_starts_with(args->name, SPAN_OF("branch")))
		number = is_ours ? glance.on_branch : context->on_branch;
	else if (span_starts_with(args->name, SPAN_OF("failure")))
		number = is_ours ? glance.on_failure : context->on_failure;
	else
		number = is_ours ? glance.on_reply : context->on_reply;
	return number ? 1 : -1;
}

SCRIPT_HANDLER_PLAIN(t_lookup_request)
SCRIPT_HANDLER_PLAIN(t_is_canceled)
SCRIPT_HANDLER_PLAIN(t_is_expired)
SCRIPT_HANDLER_PLAIN(t_check_trans)
SCRIPT_HANDLER_PLAIN(t_branch_timeout)
SCRIPT_HANDLER_PLAIN(t_branch_replied)
SCRIPT_HANDLER_PLAIN(t_any_timeout)
SCRIPT_HANDLER_PLAIN(t_any_replied)
SCRIPT_HANDLER_PLAIN(t_get_status_code)
SCRIPT_HANDLER_PLAIN(t_is_retr_async_reply)
SCRIPT_HANDLER_PLAIN(t_use_uac_headers)

static int t_lookup_request(struct script_run *run)
{
	struct tx_glance glance;
	return message_is_request(run->msg) && tx_glance(run->msg, &glance) ? 1 : -1;
}

static int t_is_canceled(struct script_run *run)
{
	struct tx_glance glance;
	return tx_glance(run->msg, &glance) && (glance.flags & TX_CANCELLED) ? 1 : -1;
}

static int t_is_expired(struct script_run *run)
{
	struct tx_glance glance;
	return tx_glance(run->msg, &glance) && (glance.flags & TX_LIFETIME_OVER) ? 1 : -1;
}

/* Repetitions never come here: they were absorbed before the script. What is left to tell is whether a
 * CANCEL, or an ACK to a 2xx, has an INVITE, and a reply a transaction. */
static int t_check_trans(struct script_run *run)
{
	struct tx_context invite = { .branch = -1 };
	struct tx_glance glance;
	struct message *msg = run->msg;
	if (message_is_request(msg) && (message_method(msg) & (METHOD_CANCEL | METHOD_ACK)))
		return tx_find(msg, METHOD_INVITE, &invite) ? 1 : -1;
	return tx_glance(msg, &glance) ? 1 : -1;
}

#define t_lookup_cancel_args number_args
static const struct field t_lookup_cancel_fields[] = { FIELD(
	struct number_args, number, "1: the CANCEL gets the flags of its INVITE", .optional = true,
	.max = 1) };
SCRIPT_HANDLER(t_lookup_cancel)
static int t_lookup_cancel(struct script_run *run, const struct number_args *args)
{
	struct tx_context invite = { .branch = -1 };
	struct message *msg = run->msg;
	if (!message_is_request(msg) || message_method(msg) != METHOD_CANCEL ||
	    !tx_find(msg, METHOD_INVITE, &invite))
		return -1;
	if (args->number && tx_enter(&invite)) {
		msg->flags = invite.tx->message_flags;
		tx_leave(&invite);
	}
	return 1;
}

/* The branch that this route is about; -1 when there is none. */
static int branch_in_context(struct script_run *run, struct tx_glance *out)
{
	const struct tx_context *context = tx_context(run->msg);
	if (!context || context->branch < 0 || !tx_glance(run->msg, out) ||
	    (unsigned)context->branch >= out->branch_count)
		return -1;
	return context->branch;
}

static int t_branch_timeout(struct script_run *run)
{
	struct tx_glance glance;
	int branch = branch_in_context(run, &glance);
	return branch >= 0 && glance.branches[branch].timed_out ? 1 : -1;
}

static int t_branch_replied(struct script_run *run)
{
	struct tx_glance glance;
	int branch = branch_in_context(run, &glance);
	return branch >= 0 && glance.branches[branch].was_replied ? 1 : -1;
}

static int t_any_timeout(struct script_run *run)
{
	struct tx_glance glance;
	if (!tx_glance(run->msg, &glance))
		return -1;
	for (unsigned i = 0; i < glance.branch_count; i++)
		if (glance.branches[i].timed_out)
			return 1;
	return -1;
}

static int t_any_replied(struct script_run *run)
{
	struct tx_glance glance;
	if (!tx_glance(run->msg, &glance))
		return -1;
	for (unsigned i = 0; i < glance.branch_count; i++)
		if (glance.branches[i].was_replied)
			return 1;
	return -1;
}

/* The reply that this place is about: received, winning, or sent last. */
static unsigned status_in_context(struct script_run *run)
{
	const struct tx_context *context = tx_context(run->msg);
	struct tx_glance glance;
	if (!message_is_request(run->msg))
		return run->msg->index->status;
	if (context && context->code)
		return context->code;
	return tx_glance(run->msg, &glance) ? glance.code : 0;
}

static int t_get_status_code(struct script_run *run)
{
	unsigned code = status_in_context(run);
	return code ? (int)code : -1;
}

#define t_check_status_args status_args
static const struct field t_check_status_fields[] = { FIELD(struct status_args, pattern,
							    "regular expression for the code") };
SCRIPT_HANDLER(t_check_status)
static int t_check_status(struct script_run *run, const struct status_args *args)
{
	char text[16];
	struct writer w = writer_fixed(text, sizeof(text));
	unsigned code = status_in_context(run);
	writer_uint(&w, code);
	return code && pattern_search(args->pattern, writer_result(&w), 0, NULL, 0) ? 1 : -1;
}

#define t_grep_status_args number_args
static const struct field t_grep_status_fields[] = { FIELD(struct number_args, number,
							   "status code", .min = 100, .max = 699) };
SCRIPT_HANDLER(t_grep_status)
static int t_grep_status(struct script_run *run, const struct number_args *args)
{
	struct tx_glance glance;
	if (!tx_glance(run->msg, &glance))
		return -1;
	for (unsigned i = 0; i < glance.branch_count; i++)
		if (glance.branches[i].code == args->number && glance.branches[i].is_done)
			return 1;
	return -1;
}

static int t_is_retr_async_reply(struct script_run *run)
{
	(void)run;
	return -1; /* repeated replies are absorbed before any route runs */
}

static int t_use_uac_headers(struct script_run *run)
{
	(void)run;
	return 1; /* CANCEL and ACK are always made from what was sent */
}

/* ---- per-transaction values ------------------------------------------------------------------------------ */

/* Calls `set` on the transaction with its lease, or on nothing when there is none yet. */
#define WITH_TRANSACTION(run, context, statement)      \
	do {                                           \
		if ((context)->generation) {           \
			bool was_held = (context)->tx; \
			if (!tx_enter(context))        \
				return -1;             \
			statement;                     \
			if (!was_held)                 \
				tx_leave(context);     \
		}                                      \
	} while (0)

#define PAIR_FIELDS(first_doc, second_doc)                                                  \
	{                                                                                   \
		FIELD(struct two_numbers_args, first, first_doc, .max = 86400000),          \
			FIELD(struct two_numbers_args, second, second_doc, .max = 86400000, \
			      .optional = true),                                            \
	}
static const struct field t_set_fr_fields[] = PAIR_FIELDS(
	"ms to wait after a provisional reply; 0 keeps it", "ms to wait for any reply; 0 keeps it");
static const struct field t_set_retr_fields[] = PAIR_FIELDS(
	"ms until the first repetition; 0 keeps it", "longest interval in ms; 0 keeps it");
static const struct field t_set_max_lifetime_fields[] = PAIR_FIELDS(
	"ms that an INVITE may live; 0 keeps it", "ms that another request may live; 0 keeps it");
#define t_set_fr_args           two_numbers_args
#define t_set_retr_args         two_numbers_args
#define t_set_max_lifetime_args two_numbers_args
SCRIPT_HANDLER(t_set_fr)
SCRIPT_HANDLER(t_set_retr)
SCRIPT_HANDLER(t_set_max_lifetime)
SCRIPT_HANDLER_PLAIN(t_reset_fr)
SCRIPT_HANDLER_PLAIN(t_reset_retr)
SCRIPT_HANDLER_PLAIN(t_reset_max_lifetime)

static void set_pair(uint32_t *first, uint32_t *second, const struct two_numbers_args *args)
{
	if (args->first)
		*first = (uint32_t)args->first;
	if (args->second)
		*second = (uint32_t)args->second;
}

/* What waits now waits for the new time. */
static void restart_waiting(struct transaction *tx)
{
	for (unsigned i = 0; i < tx->branch_count; i++) {
		struct tx_branch *branch = tx->branches[i];
		if (!branch_is_done(branch) && branch->expires_ms && !branch->cancel.at)
			branch->expires_ms = clock_ms() + (branch->state == CLIENT_PROCEEDING &&
									   (tx->flags & TX_INVITE)
								   ? tx->fr_inv_ms
								   : tx->fr_ms);
	}
}

static int t_set_fr(struct script_run *run, const struct two_numbers_args *args)
{
	struct tx_context *c = tx_context(run->msg);
	if (!c)
		return -1;
	set_pair(&c->fr_inv_ms, &c->fr_ms, args);
	WITH_TRANSACTION(
		run, c, (set_pair(&c->tx->fr_inv_ms, &c->tx->fr_ms, args), restart_waiting(c->tx)));
	return 1;
}

static int t_set_retr(struct script_run *run, const struct two_numbers_args *args)
{
	struct tx_context *c = tx_context(run->msg);
	if (!c)
		return -1;
	set_pair(&c->retr1_ms, &c->retr2_ms, args);
	WITH_TRANSACTION(run, c, set_pair(&c->tx->retr1_ms, &c->tx->retr2_ms, args));
	return 1;
}

static void restart_life(struct transaction *tx)
{
	if (tx->life_ends_ms)
		tx->life_ends_ms = tx->created_ms +
				   (tx->flags & TX_INVITE ? tx->inv_life_ms : tx->noninv_life_ms);
}

static int t_set_max_lifetime(struct script_run *run, const struct two_numbers_args *args)
{
	struct tx_context *c = tx_context(run->msg);
	if (!c)
		return -1;
	set_pair(&c->inv_life_ms, &c->noninv_life_ms, args);
	WITH_TRANSACTION(
		run, c,
		(set_pair(&c->tx->inv_life_ms, &c->tx->noninv_life_ms, args), restart_life(c->tx)));
	return 1;
}

static int t_reset_fr(struct script_run *run)
{
	return t_set_fr(run, &(struct two_numbers_args){ tm_settings()->fr_inv_timer,
							 tm_settings()->fr_timer });
}

static int t_reset_retr(struct script_run *run)
{
	return t_set_retr(run, &(struct two_numbers_args){ tm_settings()->retr_timer1,
							   tm_settings()->retr_timer2 });
}

static int t_reset_max_lifetime(struct script_run *run)
{
	return t_set_max_lifetime(run,
				  &(struct two_numbers_args){ tm_settings()->max_inv_lifetime,
							      tm_settings()->max_noninv_lifetime });
}

static const struct field switch_fields[] = { FIELD(struct number_args, number, "0 or 1",
						    .max = 1) };
#define t_set_auto_inv_100_args             number_args
#define t_set_auto_inv_100_fields           switch_fields
#define t_set_disable_6xx_args              number_args
#define t_set_disable_6xx_fields            switch_fields
#define t_set_disable_failover_args         number_args
#define t_set_disable_failover_fields       switch_fields
#define t_set_disable_internal_reply_args   number_args
#define t_set_disable_internal_reply_fields switch_fields
#define t_set_no_auto_ack_args              number_args
#define t_set_no_auto_ack_fields            switch_fields
#define t_set_no_e2e_cancel_reason_args     number_args
#define t_set_no_e2e_cancel_reason_fields   switch_fields
SCRIPT_HANDLER(t_set_auto_inv_100)
SCRIPT_HANDLER(t_set_disable_6xx)
SCRIPT_HANDLER(t_set_disable_failover)
SCRIPT_HANDLER(t_set_disable_internal_reply)
SCRIPT_HANDLER(t_set_no_auto_ack)
SCRIPT_HANDLER(t_set_no_e2e_cancel_reason)

static void set_bit(uint32_t *flags, uint32_t flag, bool is_on)
{
	*flags = is_on ? *flags | flag : *flags & ~flag;
}

static int set_flag(struct script_run *run, uint32_t flag, bool is_on)
{
	struct tx_context *c = tx_context(run->msg);
	if (!c)
		return -1;
	set_bit(&c->early_flags, flag, is_on);
	WITH_TRANSACTION(run, c, set_bit(&c->tx->flags, flag, is_on));
	return 1;
}

static int t_set_auto_inv_100(struct script_run *run, const struct number_args *args)
{
	return set_flag(run, TX_NO_100, !args->number);
}

static int t_set_disable_6xx(struct script_run *run, const struct number_args *args)
{
	return set_flag(run, TX_DISABLE_6XX, args->number);
}

static int t_set_disable_failover(struct script_run *run, const struct number_args *args)
{
	return set_flag(run, TX_NO_FAILOVER, args->number);
}

static int t_set_disable_internal_reply(struct script_run *run, const struct number_args *args)
{
	return set_flag(run, TX_NO_INTERNAL_REPLY, args->number);
}

static int t_set_no_auto_ack(struct script_run *run, const struct number_args *args)
{
	return set_flag(run, TX_NO_ACK, args->number);
}

static int t_set_no_e2e_cancel_reason(struct script_run *run, const struct number_args *args)
{
	return set_flag(run, TX_NO_CANCEL_REASON, args->number);
}

#define t_drop_replies_args name_args
static const struct field t_drop_replies_fields[] = { FIELD(
	struct name_args, name, "a: all, l: those of the last leg, n: none", .optional = true) };
SCRIPT_HANDLER(t_drop_replies)
static int t_drop_replies(struct script_run *run, const struct name_args *args)
{
	struct tx_context *context = tx_context(run->msg);
	char mode = args->name.len ? args->name.at[0] : 'a';
	if (!context || !context->tx)
		return -1;
	struct transaction *tx = context->tx;
	for (unsigned i = mode == 'l' ? tx->first_leg : 0; mode != 'n' && i < tx->branch_count; i++)
		tx->branches[i]->is_dropped = true;
	return 1;
}

#define NOT_ONSEND IN_ALL_BUT_ONSEND
#define ON_FAILURE (ROUTE_FAILURE | ROUTE_BRANCH_FAILURE)

static const struct script_function functions[] = {
	FUNCTION("t_is_set", t_is_set, NOT_ONSEND, "Is a route of this kind armed?"),
	FUNCTION_PLAIN("t_lookup_request", t_lookup_request, NOT_ONSEND,
		       "Has the request a transaction?"),
	FUNCTION_PLAIN("t_exists", t_check_trans, NOT_ONSEND, "Has the message a transaction?"),
	FUNCTION("t_lookup_cancel", t_lookup_cancel, NOT_ONSEND, "Has the CANCEL an INVITE?"),
	FUNCTION_PLAIN("t_is_canceled", t_is_canceled, NOT_ONSEND,
		       "Was the transaction cancelled?"),
	FUNCTION_PLAIN("t_is_expired", t_is_expired, NOT_ONSEND,
		       "Is the transaction's lifetime over?"),
	FUNCTION_PLAIN(
		"t_check_trans", t_check_trans, NOT_ONSEND,
		"Does the message belong to a transaction? Repetitions end before the script."),
	FUNCTION_PLAIN("t_branch_timeout", t_branch_timeout, NOT_ONSEND,
		       "Did the failed branch time out?"),
	FUNCTION_PLAIN("t_branch_replied", t_branch_replied, NOT_ONSEND,
		       "Had the failed branch replied before?"),
	FUNCTION_PLAIN("t_any_timeout", t_any_timeout, NOT_ONSEND, "Did any branch time out?"),
	FUNCTION_PLAIN("t_any_replied", t_any_replied, NOT_ONSEND, "Did any branch reply?"),
	FUNCTION_PLAIN("t_get_status_code", t_get_status_code, NOT_ONSEND,
		       "The status that this place is about; -1 when there is none."),
	FUNCTION("t_check_status", t_check_status, NOT_ONSEND,
		 "Does the status that this place is about match?"),
	FUNCTION("t_grep_status", t_grep_status, NOT_ONSEND,
		 "Is this the final status of some branch?"),
	FUNCTION_PLAIN("t_is_retr_async_reply", t_is_retr_async_reply, IN_ANY_REPLY,
		       "False: repeated replies are absorbed before."),
	FUNCTION_PLAIN("t_use_uac_headers", t_use_uac_headers, NOT_ONSEND,
		       "True: CANCEL and ACK have the headers that were sent."),
	FUNCTION("t_set_fr", t_set_fr, NOT_ONSEND, "Time-outs of this transaction in ms."),
	FUNCTION_PLAIN("t_reset_fr", t_reset_fr, NOT_ONSEND, "Time-outs as configured."),
	FUNCTION("t_set_retr", t_set_retr, NOT_ONSEND,
		 "Repetition intervals of this transaction in ms."),
	FUNCTION_PLAIN("t_reset_retr", t_reset_retr, NOT_ONSEND,
		       "Repetition intervals as configured."),
	FUNCTION("t_set_max_lifetime", t_set_max_lifetime, NOT_ONSEND,
		 "Lifetimes of this transaction in ms."),
	FUNCTION_PLAIN("t_reset_max_lifetime", t_reset_max_lifetime, NOT_ONSEND,
		       "Lifetimes as configured."),
	FUNCTION("t_set_auto_inv_100", t_set_auto_inv_100, NOT_ONSEND,
		 "Is 100 sent for this INVITE?"),
	FUNCTION("t_set_disable_6xx", t_set_disable_6xx, NOT_ONSEND, "Are 6xx ordinary failures?"),
	FUNCTION("t_set_disable_failover", t_set_disable_failover, NOT_ONSEND,
		 "Stay with the first address of a destination?"),
	FUNCTION("t_set_disable_internal_reply", t_set_disable_internal_reply, NOT_ONSEND,
		 "No reply of our own when forwarding fails?"),
	FUNCTION("t_set_no_auto_ack", t_set_no_auto_ack, NOT_ONSEND,
		 "Local INVITE: no ACK of our own to a 2xx?"),
	FUNCTION("t_set_no_e2e_cancel_reason", t_set_no_e2e_cancel_reason, NOT_ONSEND,
		 "Do not copy Reason from the caller's CANCEL?"),
	FUNCTION("t_drop_replies", t_drop_replies, ON_FAILURE,
		 "Forgets replies that were collected."),
};
const struct function_table tm_question_table = ROWS(functions);
