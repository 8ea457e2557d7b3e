/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that scripts call. */
#include "core/net/locate.h"
#include "modules/tm/transaction.h"

struct name_args { struct span name; };
struct two_numbers_args { int64_t first, second; };
struct number_args { int64_t number; };
struct destination_args { struct span host; int64_t port; };
struct reply_args { int64_t code; struct span reason; };
struct status_args { const struct pattern *pattern; };

/* ---- making and relaying ----------------------------------------------------------------------------- */

static bool is_cancel(const struct message *msg)
{
	return message_method(msg) == METHOD_CANCEL;
}

/* Sends 100 so that the caller stops repeating its INVITE (RFC 3261 16.2). */
static void send_trying(struct script_run *run, struct transaction *tx)
{
	if ((tx->flags & (TX_INVITE | TX_NO_100)) == TX_INVITE && tm_settings()->auto_inv_100 && tx->code == 0)
		reply_locally(run, tx, run->msg, 100, tm_settings()->auto_inv_100_reason);
}

int create_current(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context)
		return -1;
	if (context->tx || context->generation)
		return 1;
	return tx_create(run->msg, context);
}

/* A CANCEL ends the branches of its INVITE and is answered here (RFC 3261 9.2, 16.10). */
static int relay_cancel(struct script_run *run)
{
	struct tx_context invite = { .branch = -1 };
	struct tx_context *own = tx_context(run->msg);
	if (!tx_find(run->msg, METHOD_INVITE, &invite)) {
		switch (tm_settings()->unmatched_cancel) {
		case 1: return forward_request(run, run->msg) ? 1 : -1;
		case 2: return 0;
		default: break;
		}
		return -2;
	}
	if (tx_create(run->msg, own) == 1) {
		reply_locally(run, own->tx, run->msg, 200, SPAN_OF("canceling"));
		tx_leave(own);
	}
	if (!tx_enter(&invite))
		return 1;
	struct transaction *tx = invite.tx;
	tx->flags |= TX_CANCELLED;
	const struct sip_header *reason = message_header(run->msg, HEADER_REASON);
	if (reason && tm_settings()->e2e_cancel_reason && !(tx->flags & TX_NO_CANCEL_REASON))
		tx_keep(tx, &tx->cancel_reason, sip_header_line(run->msg->bytes, reason));
	cancel_branches(tx, UINT32_MAX, run->msg->arena);
	if (tx->branch_count == 0 && tx->code < 200) {
		struct message *request = tx_request(tx, run->msg->arena, &invite);
		if (request)
			reply_locally(run, tx, request, 487, SPAN_OF("Request Terminated"));
	} else if (all_done(tx) && tx->server == SERVER_PROCEEDING) {
		finish_branches(tx, run->msg->arena);
	}
	tx_leave(&invite);
	return 1;
}

/* An ACK to a 2xx has no transaction (RFC 3261 17.1.1.2): it is forwarded and forgotten. */
static int relay_ack(struct script_run *run)
{
	return forward_request(run, run->msg) ? 1 : -1;
}

int relay_current(struct script_run *run, const struct send_target *forced)
{
	struct message *msg = run->msg;
	struct tx_context *context = tx_context(msg);
	if (!context)
		return -1;
	if (run->kind == ROUTE_REQUEST && message_method(msg) == METHOD_ACK)
		return relay_ack(run);
	if (run->kind == ROUTE_REQUEST && is_cancel(msg)) {
		int result = relay_cancel(run);
		if (result != -2)
			return result;
	}
	bool held = context->holds_lease;
	if (!context->generation) {
		int made = tx_create(msg, context);
		if (made <= 0)
			return made; /* 0: a repetition that another process works on */
	} else if (!tx_enter(context)) {
		return -1;
	}
	struct transaction *tx = context->tx;
	tx->message_flags = msg->flags;
	tx_keep_state(tx, msg);
	if (run->kind == ROUTE_REQUEST && context->is_creator)
		send_trying(run, tx);
	bool is_sent = relay_branches(run, tx, forced);
	context->relayed = is_sent;
	if (run->kind == ROUTE_REQUEST)
		tx_refreeze(tx, msg);
	if (!is_sent && msg->last_error == 0)
		msg->last_error = 500;
	if (!held)
		tx_leave(context);
	return is_sent ? 1 : -1;
}

bool reply_current(struct script_run *run, unsigned code, struct span reason)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context || (!context->generation && tx_create(run->msg, context) != 1))
		return false;
	bool held = context->holds_lease && !context->is_creator;
	if (!tx_enter(context))
		return false;
	bool is_sent = reply_locally(run, context->tx, run->msg, code, reason);
	context->replied = is_sent && code >= 200;
	if (!held)
		tx_leave(context);
	return is_sent;
}

SCRIPT_HANDLER_PLAIN(t_newtran)
static int t_newtran(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	int made = create_current(run);
	if (made == 1 && context->is_creator && context->holds_lease) {
		send_trying(run, context->tx);
		tx_leave(context);
	}
	return made;
}

#define t_relay_args destination_args
static const struct field t_relay_fields[] = {
	FIELD(struct destination_args, host, "host or address instead of the request's own destination", .optional = true),
	FIELD(struct destination_args, port, "its port", .optional = true, .max = 65535),
};
#define t_relay_to_udp_args destination_args
#define t_relay_to_udp_fields t_relay_fields
SCRIPT_HANDLER(t_relay)
SCRIPT_HANDLER(t_relay_to_udp)

static int relay_to(struct script_run *run, const struct destination_args *args, enum transport transport)
{
	struct send_target forced = { .to = { .transport = (uint8_t)transport } };
	struct located located;
	if (args->host.len) {
		if (!locate_host(args->host, (uint16_t)args->port, transport, &located)) {
			run->msg->last_error = 478;
			return -1;
		}
		forced.to = located.targets[0];
	}
	return relay_current(run, args->host.len || transport != TRANSPORT_NONE ? &forced : NULL);
}

static int t_relay(struct script_run *run, const struct t_relay_args *args)
{
	return relay_to(run, args, TRANSPORT_NONE);
}

static int t_relay_to_udp(struct script_run *run, const struct t_relay_to_udp_args *args)
{
	return relay_to(run, args, TRANSPORT_UDP);
}

#define t_reply_args reply_args
static const struct field t_reply_fields[] = {
	FIELD(struct reply_args, code, "status code", .min = 100, .max = 699),
	FIELD(struct reply_args, reason, "reason phrase"),
};
SCRIPT_HANDLER(t_reply)
static int t_reply(struct script_run *run, const struct t_reply_args *args)
{
	return reply_current(run, (unsigned)args->code, args->reason) ? 1 : -1;
}

/* ---- arming routes --------------------------------------------------------------------------------------- */

/* Before there is a transaction the wish waits in the context. */
static int arm(struct script_run *run, struct span *wish, size_t place_offset, struct span name)
{
	struct tx_context *context = tx_context(run->msg);
	struct span value = span_equal(name, SPAN_OF("0")) || name.len == 0 ? (struct span){ NULL, 0 } : name;
	if (!context)
		return -1;
	*wish = arena_copy(run->msg->arena, value);
	if (!context->generation)
		return 1;
	bool held = context->holds_lease;
	if (!tx_enter(context))
		return -1;
	bool is_kept = tx_keep(context->tx, (struct bytes *)(void *)((char *)context->tx + place_offset), value);
	if (!held)
		tx_leave(context);
	return is_kept ? 1 : -1;
}

#define t_on_failure_args name_args
#define t_on_reply_args name_args
#define t_on_branch_args name_args
#define t_on_branch_failure_args name_args
static const struct field t_on_failure_fields[] = {
	FIELD(struct name_args, name, "name of a failure_route, \"0\" clears", .route_kind = ROUTE_FAILURE) };
static const struct field t_on_reply_fields[] = {
	FIELD(struct name_args, name, "name of an onreply_route, \"0\" clears", .route_kind = ROUTE_TM_REPLY) };
static const struct field t_on_branch_fields[] = {
	FIELD(struct name_args, name, "name of a branch_route, \"0\" clears", .route_kind = ROUTE_BRANCH) };
static const struct field t_on_branch_failure_fields[] = {
	FIELD(struct name_args, name, "NAME of event_route[tm:branch-failure:NAME], \"0\" clears",
		.route_kind = ROUTE_BRANCH_FAILURE) };
SCRIPT_HANDLER(t_on_failure)
SCRIPT_HANDLER(t_on_reply)
SCRIPT_HANDLER(t_on_branch)
SCRIPT_HANDLER(t_on_branch_failure)

static int t_on_failure(struct script_run *run, const struct t_on_failure_args *args)
{
	return arm(run, &tx_context(run->msg)->on_failure, offsetof(struct transaction, on_failure), args->name);
}

static int t_on_reply(struct script_run *run, const struct t_on_reply_args *args)
{
	struct tx_context *context = tx_context(run->msg);
	if (run->kind == ROUTE_BRANCH) {
		context->branch_on_reply = arena_copy(run->msg->arena, args->name);
		return 1;
	}
	return arm(run, &context->on_reply, offsetof(struct transaction, on_reply), args->name);
}

static int t_on_branch(struct script_run *run, const struct t_on_branch_args *args)
{
	return arm(run, &tx_context(run->msg)->on_branch, offsetof(struct transaction, on_branch), args->name);
}

static int t_on_branch_failure(struct script_run *run, const struct t_on_branch_failure_args *args)
{
	return arm(run, &tx_context(run->msg)->on_branch_failure, offsetof(struct transaction, on_branch_failure),
		args->name);
}

#define t_is_set_args name_args
static const struct field t_is_set_fields[] = {
	FIELD(struct name_args, name, "branch_route, failure_route or onreply_route", .literal = true) };
SCRIPT_HANDLER(t_is_set)
static int t_is_set(struct script_run *run, const struct t_is_set_args *args)
{
	const struct tx_context *context = tx_context(run->msg);
	const struct transaction *tx = context ? context->tx : NULL;
	if (!context)
		return -1;
	if (span_starts_with(args->name, SPAN_OF("branch")))
		return context->on_branch.at || (tx && tx->on_branch.at) ? 1 : -1;
	if (span_starts_with(args->name, SPAN_OF("failure")))
		return context->on_failure.at || (tx && tx->on_failure.at) ? 1 : -1;
	return context->on_reply.at || (tx && tx->on_reply.at) ? 1 : -1;
}

/* ---- asking ------------------------------------------------------------------------------------------------ */

/* The transaction of the message, its own or (CANCEL, ACK) that of its INVITE. NULL when there is none.
 * Only looked at, never changed: numbers and flags are single words. */
static struct transaction *look(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context)
		return NULL;
	if (!context->generation && !tx_find(run->msg, message_method(run->msg), context))
		return NULL;
	struct shard *shard = shard_lock_number(store_set(), context->shard);
	struct transaction *tx = slot_at(shard, context->index, context->generation);
	shard_unlock(shard);
	return tx;
}

SCRIPT_HANDLER_PLAIN(t_lookup_request)
SCRIPT_HANDLER_PLAIN(t_lookup_cancel)
SCRIPT_HANDLER_PLAIN(t_is_canceled)
SCRIPT_HANDLER_PLAIN(t_check_trans)
SCRIPT_HANDLER_PLAIN(t_release)
SCRIPT_HANDLER_PLAIN(t_branch_timeout)
SCRIPT_HANDLER_PLAIN(t_branch_replied)
SCRIPT_HANDLER_PLAIN(t_any_timeout)
SCRIPT_HANDLER_PLAIN(t_any_replied)

static int t_lookup_request(struct script_run *run)
{
	return look(run) ? 1 : -1;
}

static int t_lookup_cancel(struct script_run *run)
{
	struct tx_context invite = { .branch = -1 };
	return is_cancel(run->msg) && tx_find(run->msg, METHOD_INVITE, &invite) ? 1 : -1;
}

static int t_is_canceled(struct script_run *run)
{
	const struct transaction *tx = look(run);
	return tx && (tx->flags & TX_CANCELLED) ? 1 : -1;
}

/* Repetitions never come here: they were absorbed before the script. What is left to tell is whether a
 * CANCEL, or an ACK to a 2xx, has an INVITE. */
static int t_check_trans(struct script_run *run)
{
	struct tx_context invite = { .branch = -1 };
	if (!message_is_request(run->msg))
		return look(run) ? 1 : -1;
	if (is_cancel(run->msg) || message_method(run->msg) == METHOD_ACK)
		return tx_find(run->msg, METHOD_INVITE, &invite) ? 1 : -1;
	return look(run) ? 1 : -1;
}

static int t_release(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context || !context->generation)
		return -1;
	bool held = context->holds_lease;
	if (!tx_enter(context))
		return -1;
	if (context->tx->branch_count == 0)
		tx_finish(context->tx);
	if (!held)
		tx_leave(context);
	return 1;
}

static int t_branch_timeout(struct script_run *run)
{
	const struct tx_context *context = tx_context(run->msg);
	return context && context->tx && context->branch >= 0 && context->tx->branches[context->branch]->timed_out ? 1 : -1;
}

static int t_branch_replied(struct script_run *run)
{
	const struct tx_context *context = tx_context(run->msg);
	return context && context->tx && context->branch >= 0 && context->tx->branches[context->branch]->was_replied ? 1 : -1;
}

static int t_any_timeout(struct script_run *run)
{
	const struct transaction *tx = look(run);
	for (unsigned i = 0; tx && i < tx->branch_count; i++)
		if (tx->branches[i]->timed_out)
			return 1;
	return -1;
}

static int t_any_replied(struct script_run *run)
{
	const struct transaction *tx = look(run);
	for (unsigned i = 0; tx && i < tx->branch_count; i++)
		if (tx->branches[i]->was_replied)
			return 1;
	return -1;
}

#define t_check_status_args status_args
static const struct field t_check_status_fields[] = {
	FIELD(struct status_args, pattern, "regular expression for the code") };
SCRIPT_HANDLER(t_check_status)
static int t_check_status(struct script_run *run, const struct t_check_status_args *args)
{
	char text[16];
	const struct tx_context *context = tx_context(run->msg);
	struct writer w = writer_fixed(text, sizeof(text));
	unsigned code = 0;
	if (!message_is_request(run->msg))
		code = run->msg->index->status;
	else if (context && context->code)
		code = context->code;
	else if (look(run))
		code = look(run)->code;
	writer_uint(&w, code);
	return code && pattern_search(args->pattern, writer_result(&w), 0, NULL, 0) ? 1 : -1;
}

/* ---- per-transaction values ------------------------------------------------------------------------------ */

#define t_set_fr_args two_numbers_args
static const struct field t_set_fr_fields[] = {
	FIELD(struct two_numbers_args, first, "ms to wait after a provisional reply; 0 keeps it", .min = 0, .max = 86400000),
	FIELD(struct two_numbers_args, second, "ms to wait for any reply; 0 keeps it", .min = 0, .max = 86400000, .optional = true),
};
#define t_set_retr_args two_numbers_args
#define t_set_retr_fields t_set_fr_fields
#define t_set_max_lifetime_args two_numbers_args
#define t_set_max_lifetime_fields t_set_fr_fields
SCRIPT_HANDLER(t_set_fr)
SCRIPT_HANDLER(t_set_retr)
SCRIPT_HANDLER(t_set_max_lifetime)

static int set_pair(struct script_run *run, uint32_t *first, uint32_t *second, const struct two_numbers_args *args)
{
	if (args->first)
		*first = (uint32_t)args->first;
	if (args->second)
		*second = (uint32_t)args->second;
	return 1;
}

static int t_set_fr(struct script_run *run, const struct t_set_fr_args *args)
{
	struct tx_context *c = tx_context(run->msg);
	if (c && c->tx)
		return set_pair(run, &c->tx->fr_inv_ms, &c->tx->fr_ms, args);
	return c ? set_pair(run, &c->fr_inv_ms, &c->fr_ms, args) : -1;
}

static int t_set_retr(struct script_run *run, const struct t_set_retr_args *args)
{
	struct tx_context *c = tx_context(run->msg);
	if (c && c->tx)
		return set_pair(run, &c->tx->retr1_ms, &c->tx->retr2_ms, args);
	return c ? set_pair(run, &c->retr1_ms, &c->retr2_ms, args) : -1;
}

static int t_set_max_lifetime(struct script_run *run, const struct t_set_max_lifetime_args *args)
{
	struct tx_context *c = tx_context(run->msg);
	if (c && c->tx)
		return set_pair(run, &c->tx->inv_life_ms, &c->tx->noninv_life_ms, args);
	return c ? set_pair(run, &c->inv_life_ms, &c->noninv_life_ms, args) : -1;
}

#define t_set_auto_inv_100_args number_args
#define t_set_disable_6xx_args number_args
static const struct field t_set_auto_inv_100_fields[] = { FIELD(struct number_args, number, "0 or 1", .max = 1) };
#define t_set_disable_6xx_fields t_set_auto_inv_100_fields
SCRIPT_HANDLER(t_set_auto_inv_100)
SCRIPT_HANDLER(t_set_disable_6xx)

static int set_flag(struct script_run *run, uint32_t flag, bool is_on)
{
	struct tx_context *c = tx_context(run->msg);
	if (!c)
		return -1;
	uint32_t *flags = c->tx ? &c->tx->flags : &c->early_flags;
	*flags = is_on ? *flags | flag : *flags & ~flag;
	return 1;
}

static int t_set_auto_inv_100(struct script_run *run, const struct t_set_auto_inv_100_args *args)
{
	return set_flag(run, TX_NO_100, !args->number);
}

static int t_set_disable_6xx(struct script_run *run, const struct t_set_disable_6xx_args *args)
{
	return set_flag(run, TX_DISABLE_6XX, args->number);
}

#define ON_RELAY (ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_BRANCH_FAILURE)
#define NOT_ONSEND IN_ALL_BUT_ONSEND

static const struct script_function functions[] = {
	FUNCTION("t_relay", t_relay, ON_RELAY, "Forwards the request statefully; false when nothing could be sent."),
	FUNCTION("t_relay_to_udp", t_relay_to_udp, ON_RELAY, "Forwards statefully over UDP."),
	FUNCTION("t_forward_nonack", t_relay, ON_RELAY, "The same as t_relay()."),
	FUNCTION_PLAIN("t_newtran", t_newtran, ROUTE_REQUEST, "Makes a transaction without forwarding."),
	FUNCTION("t_reply", t_reply, NOT_ONSEND, "Replies statefully."),
	FUNCTION("t_send_reply", t_reply, NOT_ONSEND, "Makes a transaction when needed and replies."),
	FUNCTION("t_on_failure", t_on_failure, NOT_ONSEND, "Arms a failure_route."),
	FUNCTION("t_on_reply", t_on_reply, NOT_ONSEND, "Arms an onreply_route."),
	FUNCTION("t_on_branch", t_on_branch, NOT_ONSEND, "Arms a branch_route."),
	FUNCTION("t_on_branch_failure", t_on_branch_failure, NOT_ONSEND, "Arms event_route[tm:branch-failure:NAME]."),
	FUNCTION("t_is_set", t_is_set, NOT_ONSEND, "Is a route of this kind armed?"),
	FUNCTION_PLAIN("t_lookup_request", t_lookup_request, NOT_ONSEND, "Has the request a transaction?"),
	FUNCTION_PLAIN("t_exists", t_lookup_request, NOT_ONSEND, "Has the message a transaction?"),
	FUNCTION_PLAIN("t_lookup_cancel", t_lookup_cancel, NOT_ONSEND, "Has the CANCEL an INVITE?"),
	FUNCTION_PLAIN("t_is_canceled", t_is_canceled, NOT_ONSEND, "Was the transaction cancelled?"),
	FUNCTION_PLAIN("t_check_trans", t_check_trans, NOT_ONSEND, "Does the message belong to a transaction?"),
	FUNCTION_PLAIN("t_release", t_release, NOT_ONSEND, "Ends a transaction that was not forwarded."),
	FUNCTION_PLAIN("t_branch_timeout", t_branch_timeout, NOT_ONSEND, "Did the failed branch time out?"),
	FUNCTION_PLAIN("t_branch_replied", t_branch_replied, NOT_ONSEND, "Had the failed branch replied before?"),
	FUNCTION_PLAIN("t_any_timeout", t_any_timeout, NOT_ONSEND, "Did any branch time out?"),
	FUNCTION_PLAIN("t_any_replied", t_any_replied, NOT_ONSEND, "Did any branch reply?"),
	FUNCTION("t_check_status", t_check_status, NOT_ONSEND, "Does the reply's code match?"),
	FUNCTION("t_set_fr", t_set_fr, NOT_ONSEND, "Time-outs of this transaction in ms."),
	FUNCTION("t_set_retr", t_set_retr, NOT_ONSEND, "Repetition intervals of this transaction in ms."),
	FUNCTION("t_set_max_lifetime", t_set_max_lifetime, NOT_ONSEND, "Lifetimes of this transaction in ms."),
	FUNCTION("t_set_auto_inv_100", t_set_auto_inv_100, NOT_ONSEND, "Is 100 sent for this INVITE?"),
	FUNCTION("t_set_disable_6xx", t_set_disable_6xx, NOT_ONSEND, "Are 6xx ordinary failures?"),
};
const struct function_table tm_function_table = ROWS(functions);
