/* SPDX-License-Identifier: BSD-2-Clause */
/* sl: replies without state (RFC 3261 8.2.7). The To tag is a keyed digest of the request, so the ACK
 * to such a reply is recognised and ends here without anything being remembered. */
#include "core/module/module.h"
#include "modules/sl/sl_api.h"
#include "modules/sl/statistics.h"
#include "modules/tm/tm_api.h"

#define REPLY_ROOM 512 /* more than the request's bytes that a reply usually needs */

static struct {
	int64_t default_code;
	struct span default_reason;
	bool bind_tm;
	int64_t rich_redirect;
} settings = { .default_code = 500,
	       .default_reason = SPAN("Internal Server Error"),
	       .bind_tm = true };
static const struct field setting_fields[] = {
	FIELD(settings, default_code, "status when the script's is no number", .min = 300,
	      .max = 699, .is_live = true),
	FIELD(settings, default_reason, "reason that goes with default_code", .is_live = false),
	FIELD(settings, bind_tm, "send_reply answers by the transaction when there is one"),
	FIELD(settings, rich_redirect, "bits: what Contact of 3xx tells, 1 branch flags, 2 Path",
	      .max = 3),
	FIELD_IGNORED("event_callback_fl_ack",
		      "there is no embedded language; use event_route[sl:filtered-ack]"),
	FIELD_IGNORED("event_callback_lres_sent",
		      "there is no embedded language; use event_route[sl:local-response]"),
};

static const struct tm_api *tm;

/* ---- sending ---------------------------------------------------------------------------------------- */

static void run_event(const char *name, struct message *msg)
{
	script_run_event(name, msg, NULL, NULL);
}

/* A reply repeats these headers (RFC 3261 8.2.6.2): without them it would be as malformed as its request. */
static bool can_be_answered(const struct message *msg)
{
	static const enum sip_header_id needed[] = { HEADER_VIA, HEADER_FROM, HEADER_TO,
						     HEADER_CALL_ID, HEADER_CSEQ };
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (!message_header(msg, needed[i]))
			return false;
	return true;
}

static bool send_stateless(struct script_run *run, unsigned code, struct span reason)
{
	struct message *msg = run->msg;
	char tag[64];
	if (!message_is_request(msg) || message_method(msg) == METHOD_ACK) {
		log_debug("there is no reply to %s",
			  message_is_request(msg) ? "an ACK" : "a reply");
		count_failure();
		return false;
	}
	if (!can_be_answered(msg)) {
		log_debug("a request without From, To, Call-ID or CSeq is not answered");
		count_failure();
		return false;
	}
	if (msg->arena->is_short && code >= 300 && code < 500) {
		code = 500;
		reason = SPAN_OF("Server Internal Error");
	}
	struct local_reply reply = { .request = msg,
				     .code = code,
				     .reason = reason,
				     .with_contacts = code >= 300 && code < 400,
				     .contact_details = (unsigned)settings.rich_redirect };
	if (code > 100)
		reply.to_tag = msg->to_tag.at ? msg->to_tag : stateless_to_tag(msg, tag);
	struct writer w = writer_in_arena(msg->arena, msg->bytes.len + REPLY_ROOM);
	render_local_reply(&w, &reply);
	struct send_target target;
	reply_target(msg, &target);
	target.wants_result = true;
	if (w.failed || send_bytes(&target, writer_result(&w), false) != SEND_OK) {
		log_error("a reply %u could not be sent", code);
		count_failure();
		return false;
	}
	count_reply(code);
	if (code >= 200)
		msg->notes |= NOTE_TAKEN;
	run_event("sl:local-response", msg);
	return true;
}

static bool send_reply(struct script_run *run, unsigned code, struct span reason)
{
	if (message_is_request(run->msg) && tm && settings.bind_tm && tm->has_transaction(run))
		return tm->reply(run, code, reason);
	return send_stateless(run, code, reason);
}

static void (*sees_ack)(struct message *ack);

static void on_ack(void (*sees)(struct message *ack))
{
	sees_ack = sees;
}

static const struct sl_api api = { .send_reply = send_reply,
				   .send_stateless = send_stateless,
				   .on_ack = on_ack };

/* ---- script functions ------------------------------------------------------------------------------- */

struct reply_args {
	struct span code;
	struct span reason;
};
#define REPLY_FIELDS(type) \
	FIELD(struct type, code, "status"), FIELD(struct type, reason, "reason phrase")
static const struct field sl_send_reply_fields[] = { REPLY_FIELDS(reply_args) };
#define sl_send_reply_args reply_args
SCRIPT_HANDLER(sl_send_reply)
static const struct field any_reply_fields[] = { REPLY_FIELDS(reply_args) };
#define any_reply_args reply_args
SCRIPT_HANDLER(any_reply)

struct reply_mode_args {
	struct span code;
	struct span reason;
	int64_t mode;
};
static const struct field reply_mode_fields[] = {
	REPLY_FIELDS(reply_mode_args),
	FIELD(struct reply_mode_args, mode, "1: open no connection, 2: close it after sending",
	      .max = 3),
};
SCRIPT_HANDLER(reply_mode)

struct forward_reply_args {
	struct span code;
	struct span reason;
};
static const struct field forward_reply_args_fields[] = {
	FIELD(struct forward_reply_args, code, "new status, same class", .optional = true),
	FIELD(struct forward_reply_args, reason, "new reason phrase", .optional = true),
};
#define forward_with_fields forward_reply_args_fields
#define forward_with_args   forward_reply_args
SCRIPT_HANDLER(forward_with)
SCRIPT_HANDLER_PLAIN(sl_reply_error)
SCRIPT_HANDLER_PLAIN(any_reply_error)

#define WHERE_REQUEST \
	(ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_EVENT | ROUTE_LOCAL | ROUTE_BRANCH_FAILURE)
static const struct script_function functions[] = {
	FUNCTION("sl_send_reply", sl_send_reply, IN_REQUEST | ROUTE_EVENT,
		 "Answers without state; 3xx carries the destinations as Contact."),
	FUNCTION("sl_reply", sl_send_reply, IN_REQUEST | ROUTE_EVENT, "The same."),
	FUNCTION("send_reply", any_reply, WHERE_REQUEST | IN_ANY_REPLY,
		 "Answers by the transaction when there is one, else without state."),
	FUNCTION("send_reply_mode", reply_mode, WHERE_REQUEST | IN_ANY_REPLY,
		 "The same, and says what happens to the connection."),
	FUNCTION_PLAIN("sl_reply_error", sl_reply_error, IN_REQUEST,
		       "Answers with the last internal error, without state."),
	FUNCTION_PLAIN("send_reply_error", any_reply_error, WHERE_REQUEST,
		       "Answers with the last internal error."),
	FUNCTION("sl_forward_reply", forward_with, IN_ANY_REPLY,
		 "Forwards the current reply without state, perhaps with another status."),
};

static bool is_status(struct span text, unsigned *out_code)
{
	int64_t code = 0;
	/* As it is written as a rule. */
	if (text.len == 3 && text.at[0] >= '1' && text.at[0] <= '6' && ascii_is_digit(text.at[1]) &&
	    ascii_is_digit(text.at[2]))
		code = (text.at[0] - '0') * 100 + (text.at[1] - '0') * 10 + (text.at[2] - '0');
	else if (!span_to_int64(span_trim(text), &code) || code < 100 || code > 699)
		return false;
	*out_code = (unsigned)code;
	return true;
}

/* Takes the script's arguments; what cannot be read becomes the defaults. */
static unsigned read_reply(const struct reply_args *args, struct span *out_reason)
{
	unsigned code;
	*out_reason = args->reason.at ? args->reason : settings.default_reason;
	if (is_status(args->code, &code))
		return code;
	log_warning("\"%.*s\" is no status; %d is sent", SPAN_ARGS(args->code),
		    (int)settings.default_code);
	return (unsigned)settings.default_code;
}

static int sl_send_reply(struct script_run *run, const struct reply_args *args)
{
	struct span reason;
	unsigned code = read_reply(args, &reason);
	return send_stateless(run, code, reason) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int any_reply(struct script_run *run, const struct reply_args *args)
{
	struct span reason;
	unsigned code = read_reply(args, &reason);
	return send_reply(run, code, reason) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int reply_mode(struct script_run *run, const struct reply_mode_args *args)
{
	const struct reply_args reply = { args->code, args->reason };
	if (args->mode & 1)
		run->msg->notes |= NOTE_REPLY_NO_CONNECT;
	if (args->mode & 2)
		run->msg->notes |= NOTE_REPLY_CLOSE;
	return any_reply(run, &reply);
}

static int any_reply_error(struct script_run *run)
{
	struct span reason;
	unsigned code = message_failure(run->msg, "SL", &reason);
	return send_reply(run, code, reason) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* By the transaction when t_relay() made one, so that the caller hears one answer, not two. */
static int sl_reply_error(struct script_run *run)
{
	return any_reply_error(run);
}

/* Writes another status into the first line of the reply. */
static bool change_status(struct message *msg, const struct forward_reply_args *args)
{
	const struct sip_message_index *index = msg->index;
	int64_t code;
	if (!span_to_int64(args->code, &code) || code / 100 != index->status / 100 ||
	    index->status < 100) {
		log_error(
			"the status may only change within its class, %u to %.*s is no such change",
			index->status, SPAN_ARGS(args->code));
		return false;
	}
	uint32_t at = index->reason.at - 4; /* "NNN reason" */
	struct span reason =
		args->reason.len ? args->reason : sip_range_span(msg->bytes, index->reason);
	struct span text = arena_printf(msg->arena, "%d %.*s", (int)code, SPAN_ARGS(reason));
	return text.at && edit_replace(msg, at, index->reason.len + 4, text);
}

static int forward_with(struct script_run *run, const struct forward_reply_args *args)
{
	if (args->code.len && !change_status(run->msg, args))
		return SCRIPT_FALSE;
	return forward_reply(run->msg) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- ACKs to our replies ------------------------------------------------------------------------------ */

static enum claim_result absorb_ack(struct message *msg)
{
	char tag[64];
	if (msg->index->method != METHOD_ACK)
		return CLAIM_PASS;
	struct span received = message_to_tag(msg);
	if (received.len != STATELESS_TAG_LEN || !span_equal(received, stateless_to_tag(msg, tag)))
		return CLAIM_PASS;
	count_ack();
	if (sees_ack)
		sees_ack(msg);
	run_event("sl:filtered-ack", msg);
	return CLAIM_CONSUMED;
}

static const struct claim claims[] = {
	{ .name = "sl", .order = 20, .request = absorb_ack },
};

/* ---- module --------------------------------------------------------------------------------------------- */

static const struct module_event events[] = {
	{ "sl:filtered-ack", ROUTE_EVENT, "an ACK to one of our replies was absorbed" },
	{ "sl:local-response", ROUTE_EVENT, "a reply was sent without state" },
};

static const struct module_interface offers[] = {
	{ "sl", SL_API_VERSION, &api },
};

static const struct module_need needs[] = {
	{ "tm", TM_API_VERSION, (const void **)(void *)&tm, .is_optional = true },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "sl",
	.doc = "Replies without state.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = SL_COMMANDS,
	.counters = SL_COUNTERS,
	.events = ROWS(events),
	.claims = ROWS(claims),
	.offers = ROWS(offers),
	.needs = ROWS(needs),
};
