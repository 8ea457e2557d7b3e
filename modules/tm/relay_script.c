/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that scripts call to make and forward. */
#include "core/net/locate.h"
#include "modules/tm/transaction.h"

struct destination_args {
	struct span host;
	int64_t port;
};
struct proxy_args {
	struct span proxy;
	int64_t flags;
};

static bool is_cancel(const struct message *msg)
{
	return message_is_request(msg) && message_method(msg) == METHOD_CANCEL;
}

static bool is_ack(const struct message *msg)
{
	return message_is_request(msg) && message_method(msg) == METHOD_ACK;
}

/* ---- making and relaying ----------------------------------------------------------------------------- */

/* Makes a transaction; an INVITE is answered with 100, so that the caller stops repeating it
 * (RFC 3261 16.2). Holds the lease when the result is 1. */
static int create_with_100(struct message *msg, struct tx_context *context)
{
	struct span trying = NO_SPAN;
	bool wants_100 = message_method(msg) == METHOD_INVITE && tm_settings()->auto_inv_100 &&
			 !(context->early_flags & TX_NO_100);
	if (wants_100)
		trying = render_reply_to(msg, 100, tm_settings()->auto_inv_100_reason, NO_SPAN);
	int made = tx_create(msg, context, trying);
	if (made == 1 && trying.at) {
		context->tx->code = 100;
		send_bytes(&context->tx->upstream, trying, false);
		counter_inc(tm_counters->rpl_sent);
		counter_inc(tm_counters->rpl_generated);
	}
	return made;
}

/* The same for a transaction that t_newtran() made: as long as the script only thinks, nothing is
 * said; once it relays, the caller is told to wait. */
static void send_100_late(struct transaction *tx, struct message *msg)
{
	bool wants_100 = message_method(msg) == METHOD_INVITE && tm_settings()->auto_inv_100 &&
			 tx->code == 0 && !(tx->flags & TX_NO_100);
	struct span trying =
		wants_100 ? render_reply_to(msg, 100, tm_settings()->auto_inv_100_reason, NO_SPAN)
			  : NO_SPAN;
	if (!trying.at || !tx_keep(tx, &tx->reply, trying))
		return;
	tx->code = 100;
	send_bytes(&tx->upstream, trying, true);
	counter_inc(tm_counters->rpl_sent);
	counter_inc(tm_counters->rpl_generated);
}

int enter_or_create(struct script_run *run, struct tx_context *context, bool with_100)
{
	if (context->generation)
		return tx_enter(context) ? 1 : -1;
	if (!message_is_request(run->msg) || is_ack(run->msg))
		return -1;
	return with_100 ? create_with_100(run->msg, context)
			: tx_create(run->msg, context, NO_SPAN);
}

int create_current(struct script_run *run)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context)
		return -1;
	bool was_held = context->tx;
	int made = enter_or_create(run, context, false);
	if (made == 1 && !was_held)
		tx_leave(context);
	return made;
}

/* Has every branch of the INVITE its final reply? Only looked at: the answer to a CANCEL says so. */
static bool invite_is_over(const struct tx_context *invite)
{
	struct shard *shard = shard_lock_number(store_set(), invite->shard);
	const struct transaction *tx = slot_at(shard, invite->index, invite->generation);
	bool is_over = !tx || (tx->branch_count && all_done(tx));
	shard_unlock(shard);
	return is_over;
}

int relay_cancel(struct script_run *run)
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
	int made = tx_create(run->msg, own, NO_SPAN);
	if (made == 1 && !tm_settings()->e2e_cancel_hop_by_hop)
		return cancel_end_to_end(run, own, &invite) ? 1 : -1;
	if (made == 1) {
		struct span reason = invite_is_over(&invite)
					     ? SPAN_OF("ok -- no more pending branches")
					     : SPAN_OF("canceling");
		own->replied = reply_locally(run, own->tx, run->msg, 200, reason);
		tx_leave(own);
	}
	if (made != 0 && tx_enter(&invite)) {
		tx_cancel(invite.tx, run->msg, run->msg->arena);
		tx_leave(&invite);
	}
	return made ? 1 : 0;
}

/* fr_timer_avp and fr_inv_timer_avp: seconds for this transaction. */
static void take_timer_avp(const struct message *msg, struct span setting, uint32_t *ms)
{
	const size_t around = sizeof("$avp(") - 1;
	int64_t seconds = 0;
	if (span_starts_with(setting, SPAN_OF("$avp(")))
		setting = span_slice(setting, around, setting.len - around - 1);
	const struct avp *avp = avp_find(&msg->attributes, avp_name_parse(setting), 0);
	if (!avp)
		return;
	if (avp->value.kind == VALUE_TEXT && !span_to_int64(span_trim(avp->value.text), &seconds))
		return;
	if (avp->value.kind == VALUE_INT)
		seconds = avp->value.number;
	if (seconds > 0 && seconds <= 86400)
		*ms = (uint32_t)seconds * 1000;
}

/* Forwards with the lease held. */
static bool relay_held(struct script_run *run, struct tx_context *context,
		       const struct send_target *forced, bool is_frozen_now)
{
	struct message *msg = run->msg;
	struct transaction *tx = context->tx;
	const struct tm_settings *settings = tm_settings();
	if (tx->flags & TX_CANCELLED || tx->server != SERVER_PROCEEDING) {
		log_debug("a request that was cancelled or answered is not forwarded");
		msg->last_error = 487;
		return false;
	}
	bool is_kept = tx_keep_request_state(context, msg);
	msg->last_error = 0;
	if (settings->fr_timer_avp.len)
		take_timer_avp(msg, settings->fr_timer_avp, &tx->fr_ms);
	if (settings->fr_inv_timer_avp.len)
		take_timer_avp(msg, settings->fr_inv_timer_avp, &tx->fr_inv_ms);
	/* A t_newtran() before froze the request as it was then. */
	if (!is_frozen_now && context->is_creator && !tx_was_sent(tx))
		is_kept = tx_refreeze(tx, msg) && is_kept;
	if (!is_kept)
		log_error(
			"no shared memory for what failure routes need; the request is not forwarded");
	bool has_branch_route = tx->on_branch;
	bool is_sent = is_kept && relay_branches(run, tx, forced);
	if (has_branch_route) /* its reply may be there before the script has ended */
		tx_keep_request_state(context, msg);
	if (!is_sent && settings->failure_exec_mode && all_done(tx) &&
	    (tx->on_failure || msg->last_error == 477))
		is_sent = relay_nowhere(tx, msg);
	context->relayed = context->relayed || is_sent;
	context->relay_failed = !is_sent;
	if (!is_sent && msg->last_error == 0)
		msg->last_error = 500;
	return is_sent;
}

/* What scripts see of an internal error in $rc. A malformed Request-URI is -400 there, although 479 is
 * what its sender is told. */
static int failed_result(const struct message *msg)
{
	switch (msg->last_error) {
	case 416:
	case 479: return -400;
	case 477:
	case 500: return -1;
	default: return -msg->last_error;
	}
}

int relay_current(struct script_run *run, const struct send_target *forced)
{
	struct message *msg = run->msg;
	struct tx_context *context = tx_context(msg);
	if (!context)
		return -1;
	/* An ACK to a 2xx has no transaction (RFC 3261 17.1.1.2): it is forwarded and forgotten. */
	if (is_ack(msg))
		return forward_request(run, msg) ? 1 : -1;
	if (is_cancel(msg) && !context->generation) {
		int result = relay_cancel(run);
		if (result != -2)
			return result;
	}
	bool was_held = context->tx, was_made = context->generation;
	int made = enter_or_create(run, context, true);
	if (made <= 0)
		return made; /* 0: a repetition that another process works on */
	if (was_made && run->kind == ROUTE_REQUEST)
		send_100_late(context->tx, msg);
	bool is_sent = relay_held(run, context, forced, !was_made);
	if (!was_held)
		tx_leave(context);
	return is_sent ? 1 : failed_result(msg);
}

SCRIPT_HANDLER_PLAIN(t_newtran)
static int t_newtran(struct script_run *run)
{
	const struct tx_context *context = tx_context(run->msg);
	if (context && context->generation)
		return -10; /* it has one already */
	return create_current(run);
}

#define DESTINATION_FIELDS                                                                   \
	FIELD(struct destination_args, host,                                                 \
	      "host or address instead of the request's own destination", .optional = true), \
		FIELD(struct destination_args, port, "its port", .optional = true, .max = 65535)
static const struct field destination_fields[] = { DESTINATION_FIELDS };
SCRIPT_HANDLER_OF(t_relay, destination)
SCRIPT_HANDLER_OF(t_relay_to_udp, destination)
SCRIPT_HANDLER_OF(t_relay_to_tcp, destination)
SCRIPT_HANDLER_OF(t_relay_to_tls, destination)
SCRIPT_HANDLER_OF(t_relay_to_sctp, destination)

static int relay_to(struct script_run *run, const struct destination_args *args,
		    enum transport transport)
{
	struct send_target forced = { .to = { .transport = (uint8_t)transport } };
	struct located located;
	if (!args->host.len)
		return relay_current(run, transport != TRANSPORT_NONE ? &forced : NULL);
	enum transport used = transport != TRANSPORT_NONE
				      ? transport
				      : (enum transport)run->msg->from.source.transport;
	if (!locate_host(args->host, (uint16_t)args->port, used, &located)) {
		run->msg->last_error = 478;
		log_error("cannot resolve %.*s", SPAN_ARGS(args->host));
		return -1;
	}
	forced.to = located.targets[0];
	return relay_current(run, &forced);
}

static int t_relay(struct script_run *run, const struct destination_args *args)
{
	return relay_to(run, args, TRANSPORT_NONE);
}

static int t_relay_to_udp(struct script_run *run, const struct destination_args *args)
{
	return relay_to(run, args, TRANSPORT_UDP);
}

static int t_relay_to_tcp(struct script_run *run, const struct destination_args *args)
{
	return relay_to(run, args, TRANSPORT_TCP);
}

static int t_relay_to_tls(struct script_run *run, const struct destination_args *args)
{
	return relay_to(run, args, TRANSPORT_TLS);
}

static int t_relay_to_sctp(struct script_run *run, const struct destination_args *args)
{
	return relay_to(run, args, TRANSPORT_SCTP);
}

/* proxy = [proto ":"] host [":" port]; flags 1: no 100, 2: no error reply, 4: no DNS failover. Either
 * argument may stand alone. */
static const struct field proxy_fields[] = {
	FIELD(struct proxy_args, proxy, "proto:host:port, or flags", .optional = true),
	FIELD(struct proxy_args, flags, "1: no 100, 2: no error reply, 4: no DNS failover",
	      .optional = true),
};
SCRIPT_HANDLER_OF(t_relay_to, proxy)

static bool parse_proxy(struct span text, enum transport *out_transport,
			struct destination_args *out)
{
	int64_t port = 0;
	size_t colon = span_find(text, ':', 0);
	enum transport transport =
		colon < text.len ? transport_from_span(span_slice(text, 0, colon)) : TRANSPORT_NONE;
	if (transport != TRANSPORT_NONE)
		text = span_slice(text, colon + 1, text.len);
	size_t bracket = text.len && text.at[0] == '[' ? span_find(text, ']', 0) : 0;
	colon = span_find(text, ':', bracket);
	if (colon < text.len && (!span_to_int64(span_slice(text, colon + 1, text.len), &port) ||
				 port < 0 || port > 65535))
		return false;
	*out_transport = transport;
	*out = (struct destination_args){ span_slice(text, 0, colon), port };
	return out->host.len > 0;
}

static int t_relay_to(struct script_run *run, const struct proxy_args *args)
{
	struct tx_context *context = tx_context(run->msg);
	struct destination_args to = { 0 };
	enum transport transport = TRANSPORT_NONE;
	int64_t flags = args->flags, number;
	struct span proxy = args->proxy;
	if (!context)
		return -1;
	if (proxy.len && span_to_int64_any_base(proxy, &number)) {
		flags = number;
		proxy = NO_SPAN;
	}
	if (proxy.len && !parse_proxy(proxy, &transport, &to)) {
		log_error("\"%.*s\" is no proxy; write proto:host:port", SPAN_ARGS(proxy));
		return -1;
	}
	context->early_flags |= (flags & 1 ? TX_NO_100 : 0) |
				(flags & 2 ? TX_NO_INTERNAL_REPLY : 0) |
				(flags & 4 ? TX_NO_FAILOVER : 0);
	return relay_to(run, &to, transport);
}

/* ---- copies that nobody waits for ----------------------------------------------------------------------- */

struct replicate_args {
	struct span destination;
	int64_t port;
};
struct replicate_to_args {
	struct span transport, proxy;
};
static const struct field t_replicate_fields[] = {
	FIELD(struct replicate_args, destination,
	      "where the copy goes: a URI, or a host; absent: where the request would go",
	      .optional = true),
	FIELD(struct replicate_args, port, "port of the host", .optional = true, .max = 65535),
};
static const struct field t_replicate_to_fields[] = {
	FIELD(struct replicate_to_args, transport, "udp, tcp, tls or sctp"),
	FIELD(struct replicate_to_args, proxy, "host:port"),
};
#define t_replicate_args    replicate_args
#define t_replicate_to_args replicate_to_args
SCRIPT_HANDLER(t_replicate)
SCRIPT_HANDLER_OF(t_replicate_udp, destination)
SCRIPT_HANDLER_OF(t_replicate_tcp, destination)
SCRIPT_HANDLER_OF(t_replicate_tls, destination)
SCRIPT_HANDLER_OF(t_replicate_sctp, destination)
SCRIPT_HANDLER(t_replicate_to)

/* A copy of which nobody hears: relays with its answers ending here. */
static int replicate_to_host(struct script_run *run, const struct destination_args *args,
			     enum transport transport)
{
	struct tx_context *context = tx_context(run->msg);
	if (!context)
		return -1;
	context->early_flags |= TX_REPLIES_SILENTLY | TX_NO_100;
	return relay_to(run, args, transport);
}

int replicate_current(struct script_run *run)
{
	return replicate_to_host(run, &(struct destination_args){ 0 }, TRANSPORT_NONE);
}

static int t_replicate(struct script_run *run, const struct replicate_args *args)
{
	struct message *msg = run->msg;
	struct span uri = args->destination;
	if (args->port)
		return replicate_to_host(run, &(struct destination_args){ uri, args->port },
					 TRANSPORT_NONE);
	if (uri.len && !span_starts_with_nocase(uri, SPAN_OF("sip")))
		uri = arena_printf(msg->arena, "sip:%.*s", SPAN_ARGS(uri));
	if (args->destination.len && (!uri.at || !message_set_dst_uri(msg, uri)))
		return -1;
	return replicate_current(run);
}

static int t_replicate_udp(struct script_run *run, const struct destination_args *args)
{
	return replicate_to_host(run, args, TRANSPORT_UDP);
}

static int t_replicate_tcp(struct script_run *run, const struct destination_args *args)
{
	return replicate_to_host(run, args, TRANSPORT_TCP);
}

static int t_replicate_tls(struct script_run *run, const struct destination_args *args)
{
	return replicate_to_host(run, args, TRANSPORT_TLS);
}

static int t_replicate_sctp(struct script_run *run, const struct destination_args *args)
{
	return replicate_to_host(run, args, TRANSPORT_SCTP);
}

static int t_replicate_to(struct script_run *run, const struct replicate_to_args *args)
{
	struct destination_args to;
	enum transport unused, transport = transport_from_span(args->transport);
	if (transport == TRANSPORT_NONE || !parse_proxy(args->proxy, &unused, &to)) {
		log_error("t_replicate_to(\"%.*s\", \"%.*s\"): write a transport and host:port",
			  SPAN_ARGS(args->transport), SPAN_ARGS(args->proxy));
		return -1;
	}
	return replicate_to_host(run, &to, transport);
}

#define ON_RELAY (ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_BRANCH_FAILURE | ROUTE_EVENT)

static const struct script_function functions[] = {
	FUNCTION_OF("t_relay", t_relay, destination, ON_RELAY,
		 "Forwards the request by a transaction; false when nothing could be sent."),
	FUNCTION_OF("t_relay_to_udp", t_relay_to_udp, destination, ON_RELAY, "The same over UDP."),
	FUNCTION_OF("t_relay_to_tcp", t_relay_to_tcp, destination, ON_RELAY, "The same over TCP."),
	FUNCTION_OF("t_relay_to_tls", t_relay_to_tls, destination, ON_RELAY, "The same over TLS."),
	FUNCTION_OF("t_relay_to_sctp", t_relay_to_sctp, destination, ON_RELAY, "The same over SCTP."),
	FUNCTION_OF("t_relay_to", t_relay_to, proxy, ON_RELAY, "Forwards to a proxy, with flags."),
	FUNCTION_OF("t_relay_to_proxy", t_relay_to, proxy, ON_RELAY,
		 "The same; the proxy may contain variables."),
	FUNCTION_OF("t_forward_nonack", t_relay, destination, ON_RELAY, "The same as t_relay()."),
	FUNCTION_OF("t_forward_nonack_udp", t_relay_to_udp, destination, ON_RELAY, "The same as t_relay_to_udp()."),
	FUNCTION_OF("t_forward_nonack_tcp", t_relay_to_tcp, destination, ON_RELAY, "The same as t_relay_to_tcp()."),
	FUNCTION_OF("t_forward_nonack_tls", t_relay_to_tls, destination, ON_RELAY, "The same as t_relay_to_tls()."),
	FUNCTION_OF("t_forward_nonack_sctp", t_relay_to_sctp, destination, ON_RELAY,
		 "The same as t_relay_to_sctp()."),
	FUNCTION("t_replicate", t_replicate, ON_RELAY,
		 "Sends a copy elsewhere; replies to it go nowhere."),
	FUNCTION_OF("t_replicate_udp", t_replicate_udp, destination, ON_RELAY, "The same over UDP."),
	FUNCTION_OF("t_replicate_tcp", t_replicate_tcp, destination, ON_RELAY, "The same over TCP."),
	FUNCTION_OF("t_replicate_tls", t_replicate_tls, destination, ON_RELAY, "The same over TLS."),
	FUNCTION_OF("t_replicate_sctp", t_replicate_sctp, destination, ON_RELAY, "The same over SCTP."),
	FUNCTION("t_replicate_to", t_replicate_to, ON_RELAY,
		 "The same to a transport and \"host:port\"."),
	FUNCTION_PLAIN("t_newtran", t_newtran, ON_RELAY, "Makes a transaction without forwarding."),
};
const struct function_table tm_relay_table = ROWS(functions);
