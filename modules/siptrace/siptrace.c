/* SPDX-License-Identifier: BSD-2-Clause */
/* siptrace: copies of messages for people who look for what went wrong: in a table, to Homer, to another
 * server; of single messages, of transactions and dialogs, or of everything. */
#include "modules/siptrace/siptrace.h"

#include <stdatomic.h>

#include "core/net/locate.h"
#include "core/shm/map.h"
#include "core/transport/observer.h"
#include "core/transport/udp.h"
#include "modules/sl/sl_api.h"

static struct siptrace_settings settings = {
	.db_url = SPAN("mysql://kamailio:kamailiorw@localhost/kamailio"),
	.table = SPAN("sip_trace"),
	.date_column = SPAN("time_stamp"),
	.callid_column = SPAN("callid"),
	.traced_user_column = SPAN("traced_user"),
	.msg_column = SPAN("msg"),
	.method_column = SPAN("method"),
	.status_column = SPAN("status"),
	.fromip_column = SPAN("fromip"),
	.toip_column = SPAN("toip"),
	.fromtag_column = SPAN("fromtag"),
	.totag_column = SPAN("totag"),
	.direction_column = SPAN("direction"),
	.time_us_column = SPAN("time_us"),
	.trace_to_database = true,
	.trace_sl_acks = true,
	.hep_version = 1,
	.hep_capture_id = 1,
};
const struct siptrace_settings *const siptrace_settings = &settings;

static struct {
	_Atomic int64_t *is_on;
	struct end_point collector;
	const struct listener *socket;
	const struct variable_ref *users, *table;
	bool is_sending; /* this process sends a copy now */
} state;

static const void *needed_sl; /* NULL: module sl is not loaded */

static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database"),
	FIELD(settings, table, "table of messages"),
	FIELD(settings, date_column, "column of the time"),
	FIELD(settings, callid_column, "column of the Call-ID"),
	FIELD(settings, traced_user_column, "column of the traced user"),
	FIELD(settings, msg_column, "column of the message"),
	FIELD(settings, method_column, "column of the method"),
	FIELD(settings, status_column, "column of the status of replies"),
	FIELD(settings, fromip_column, "column of the sender"),
	FIELD(settings, toip_column, "column of the receiver"),
	FIELD(settings, fromtag_column, "column of the From tag"),
	FIELD(settings, totag_column, "column of the To tag"),
	FIELD(settings, direction_column, "column of the direction: in, out"),
	FIELD(settings, time_us_column, "column of the microseconds"),
	FIELD(settings, trace_flag, "message flag: sip_trace() traces the transaction; 0: none", .min = 0,
		.max = 31),
	FIELD(settings, trace_on, "tracing is on at start"),
	FIELD(settings, traced_user_avp, "AVP: users for whom messages are stored"),
	FIELD(settings, trace_table_avp, "AVP: table in place of `table`"),
	FIELD(settings, duplicate_uri, "URI where copies are sent"),
	FIELD(settings, trace_to_database, "sip_trace() stores messages"),
	FIELD(settings, trace_local_ip, "sender of what leaves here, in the table"),
	FIELD(settings, hep_mode_on, "copies are packed for Homer"),
	FIELD(settings, hep_version, "version of that", .min = 1, .max = 3),
	FIELD(settings, hep_capture_id, "number of this server there", .min = 0, .max = UINT32_MAX),
	FIELD(settings, auth_key, "key for the receiver, version 3"),
	FIELD(settings, trace_mode, "all traffic: 1 to Homer, 2 to the table, 4 to duplicate_uri", .min = 0,
		.max = 7),
	FIELD(settings, send_sock_name, "name of the socket by which copies leave"),
	FIELD(settings, send_sock_addr, "the same by a URI"),
	FIELD(settings, force_send_sock, "same as send_sock_addr"),
	FIELD_IGNORED("trace_init_mode", "both ways of tracing cost nothing while they are not used"),
	FIELD(settings, trace_db_mode, "not 0: sip_trace() does not wait for the database", .min = 0, .max = 2),
	FIELD(settings, trace_delayed, "same as trace_db_mode=1"),
	FIELD(settings, trace_sl_acks, "ACKs that module sl absorbs are traced"),
	FIELD(settings, xheaders_write, "copies for duplicate_uri say where their message came from and went to"),
	FIELD(settings, xheaders_read, "messages are such copies: what they say is traced, others are not"),
	FIELD_IGNORED("evcb_msg", "routes are in the native language"),
};

/* ---- collectors --------------------------------------------------------------------------------------------------- */

_Atomic int64_t *siptrace_switch(void)
{
	return state.is_on;
}

const struct end_point *collector_default(void)
{
	return &state.collector;
}

const struct listener *collector_socket(void)
{
	return state.socket;
}

void siptrace_send(const struct end_point *to, struct span bytes)
{
	const struct send_target target = { .to = *to, .from = state.socket };
	bool was_sending = state.is_sending;
	state.is_sending = true;
	if (send_bytes(&target, bytes, true) != SEND_OK)
		log_debug("a copy could not be sent");
	state.is_sending = was_sending;
}

/* ---- capturing ----------------------------------------------------------------------------------------------------- */

/* What the script's functions do: store, and send in the way that is configured. */
static unsigned usual_sinks(const struct end_point *collector)
{
	unsigned sinks = settings.trace_to_database ? MODE_DATABASE : 0;
	if (collector->family || state.collector.family)
		sinks |= settings.hep_mode_on ? MODE_HEP : MODE_URI;
	return sinks;
}

/* A message that waits for its fiber, in a datagram of its own. */
struct pending {
	struct datagram *home;
	struct capture capture;
};

static void take_on_fiber(void *arg)
{
	struct pending *pending = arg;
	struct datagram *home = pending->home;
	sink_take(&pending->capture);
	datagram_release(home);
	send_flush();
}

/* The database is waited for by a fiber of its own. False: there is no memory for one. */
static bool take_later(const struct capture *capture)
{
	const struct received source = { .source = capture->from, .local = capture->to };
	const char *reason;
	struct datagram *home = datagram_take();
	struct pending *pending = home ? ARENA_NEW(&home->arena, struct pending) : NULL;
	struct span copy =
		pending ? arena_copy(&home->arena, capture->bytes) : (struct span){ NULL, 0 };
	struct message *msg = copy.at ? message_parse(&home->arena, copy, &source, &reason) : NULL;
	if (msg) {
		pending->home = home;
		pending->capture = *capture;
		pending->capture.bytes = copy;
		pending->capture.msg = msg;
		pending->capture.correlation = arena_copy(&home->arena, capture->correlation);
		pending->capture.users = arena_copy(&home->arena, capture->users);
		pending->capture.table = arena_copy(&home->arena, capture->table);
		if (fiber_start(take_on_fiber, pending))
			return true;
	}
	if (home)
		datagram_release(home);
	return false;
}

static void watched_capture(struct capture *capture, const struct watch *watch)
{
	capture->sinks |= usual_sinks(&watch->collector);
	capture->collector = watch->collector;
	capture->correlation = watch->correlation;
	capture->users = watch->users;
	capture->table = watch->table;
}

/* Traffic that passes: captured when everything is, or when its transaction or dialog is watched. */
static void observe(struct span bytes, const struct end_point *from, const struct end_point *to,
		    bool is_out)
{
	const struct received source = { .source = *from, .local = *to };
	const char *reason;
	struct watch watch;
	if (!*state.is_on || state.is_sending || (!settings.trace_mode && !watch_is_on()))
		return;
	struct datagram *home = datagram_take();
	struct pending *pending = home ? ARENA_NEW(&home->arena, struct pending) : NULL;
	struct span copy = pending ? arena_copy(&home->arena, bytes) : (struct span){ NULL, 0 };
	struct message *msg = copy.at ? message_parse(&home->arena, copy, &source, &reason) : NULL;
	if (msg) {
		pending->home = home;
		pending->capture = (struct capture){ .bytes = copy,
						     .from = *from,
						     .to = *to,
						     .wall_us = clock_wall_us_now(),
						     .is_out = is_out,
						     .msg = msg,
						     .sinks = (unsigned)settings.trace_mode,
						     .runs_route = settings.trace_mode != 0 };
		if (watch_is_on() && watch_find(msg, &home->arena, &watch))
			watched_capture(&pending->capture, &watch);
		if (pending->capture.sinks && fiber_start(take_on_fiber, pending))
			return;
	}
	if (home)
		datagram_release(home);
}

static void observe_received(struct message *msg)
{
	observe(msg->bytes, &msg->from.source, &msg->from.local, false);
}

static void observe_sent(const struct send_target *target, struct span bytes)
{
	if (!sip_is_keepalive(bytes) && bytes.len)
		observe(bytes, &target->from->address, &target->to, true);
}

static const struct claim claims[] = {
	{ .name = "siptrace", .order = 0, .foresee = observe_received },
};

/* ---- functions of the script ------------------------------------------------------------------------------------------ */

/* Only the first letter counts; a variable is not yet known. */
static const char *check_mode(struct span mode, int64_t number)
{
	(void)number;
	return mode.len && strchr("mtd$", ascii_lower(mode.at[0])) ? NULL : "the mode is m, t or d";
}

struct trace_args {
	struct span address, correlation, mode;
};
static const struct field trace_fields[] = {
	FIELD(struct trace_args, address, "URI where copies are sent; empty: duplicate_uri", .optional = true),
	FIELD(struct trace_args, correlation, "correlation for Homer", .optional = true),
	FIELD(struct trace_args, mode, "m, t or d: message, transaction, dialog", .optional = true,
		.accept = check_mode),
};
SCRIPT_HANDLER_OF(sip_trace, trace)

struct mode_args {
	struct span mode;
};
static const struct field mode_fields[] = {
	FIELD(struct mode_args, mode, "m, t or d: message, transaction, dialog", .accept = check_mode),
};
SCRIPT_HANDLER_OF(sip_trace_mode, mode)

struct hlog_args {
	struct span first, second;
};
static const struct field hlog_fields[] = {
	FIELD(struct hlog_args, first, "text, or correlation before it"),
	FIELD(struct hlog_args, second, "text", .optional = true),
};
SCRIPT_HANDLER_OF(hlog, hlog)

static const struct script_function functions[] = {
	FUNCTION_OF("sip_trace", sip_trace, trace, IN_ANY, "Traces the message, its transaction or its dialog."),
	FUNCTION_OF("sip_trace_mode", sip_trace_mode, mode, IN_ANY, "The same with the usual receivers."),
	FUNCTION_OF("hlog", hlog, hlog, IN_ANY, "Sends a line for the log of Homer, as HEP 3."),
};

/* The values of the AVP, one a line, oldest last. */
static struct span users_of(struct script_run *run)
{
	struct writer w = writer_in_arena(run->arena, 64);
	struct value value;
	struct span text;
	if (!state.users || !state.users->inner.len)
		return (struct span){ NULL, 0 };
	struct avp_name name = avp_name_parse(state.users->inner);
	const struct avp *avp;
	for (unsigned i = 0; (avp = avp_find(&run->msg->attributes, name, i)); i++) {
		value = avp->value;
		if (!value_to_text(run, &value, &text) || !text.len)
			continue;
		if (w.len)
			writer_char(&w, '\n');
		writer_span(&w, text);
	}
	return writer_result(&w);
}

static struct span table_of(struct script_run *run)
{
	struct value value;
	struct span text = { NULL, 0 };
	if (state.table && variable_read(run, state.table, &value) && value.kind == VALUE_TEXT)
		text = value.text;
	return text;
}

static void capture_current(struct script_run *run, const struct watch *watch)
{
	struct message *msg = run->msg;
	struct capture capture = { .bytes = msg->bytes,
				   .from = msg->from.source,
				   .to = msg->from.local,
				   .wall_us = msg->wall_us,
				   .msg = msg };
	watched_capture(&capture, watch);
	/* In onsend_route the message is about to leave. */
	if (run->kind == ROUTE_ONSEND && run->outgoing && run->outgoing->from) {
		capture.from = run->outgoing->from->address;
		capture.to = run->outgoing->to;
		capture.is_out = true;
	}
	bool is_later =
		(settings.trace_db_mode || settings.trace_delayed) && capture.sinks & MODE_DATABASE;
	if (!is_later || !take_later(&capture))
		sink_take(&capture);
}

/* An ACK to an answer of module sl ends there: no script sees it. */
static void on_sl_ack(struct message *ack)
{
	struct script_run run;
	struct watch watch = { .is_dialog = false };
	bool is_seen =
		settings.trace_mode || (watch_is_on() && watch_find(ack, ack->arena, &watch));
	watch = (struct watch){ .is_dialog = false };
	if (*state.is_on && !is_seen && script_run_init(&run, ack, ROUTE_EVENT, NULL))
		capture_current(&run, &watch);
}

static int trace(struct script_run *run, const struct trace_args *args)
{
	struct watch watch = { .correlation = args->correlation };
	char mode = args->mode.len ? ascii_lower(args->mode.at[0]) : '\0';
	bool is_flagged = settings.trace_flag && run->msg->flags & 1u << settings.trace_flag;
	if (!*state.is_on)
		return SCRIPT_TRUE;
	if (!mode)
		mode = is_flagged ? 't' : 'm';
	if (mode != 'm' && mode != 't' && mode != 'd') {
		log_error("sip_trace: the mode is m, t or d, not \"%.*s\"", SPAN_ARGS(args->mode));
		return SCRIPT_FALSE;
	}
	if (args->address.len && !locate_address(args->address, &watch.collector)) {
		log_error("sip_trace: %.*s is no URI, or nobody knows its host",
			  SPAN_ARGS(args->address));
		return SCRIPT_FALSE;
	}
	watch.is_dialog = mode == 'd';
	watch.users = users_of(run);
	watch.table = table_of(run);
	capture_current(run, &watch);
	if (mode != 'm' && !watch_add(run->msg, &watch)) {
		log_error("sip_trace: memory is exhausted, or the message has no Call-ID");
		return SCRIPT_FALSE;
	}
	return SCRIPT_TRUE;
}

static int sip_trace(struct script_run *run, const struct trace_args *args)
{
	return trace(run, args);
}

static int sip_trace_mode(struct script_run *run, const struct mode_args *args)
{
	const struct trace_args whole = { .mode = args->mode };
	return trace(run, &whole);
}

static int hlog(struct script_run *run, const struct hlog_args *args)
{
	struct message *msg = run->msg;
	bool has_correlation = args->second.at;
	if (!settings.hep_mode_on || !state.collector.family) {
		log_error("hlog: set hep_mode_on and duplicate_uri of siptrace");
		return SCRIPT_FALSE;
	}
	struct hep_packet packet = {
		.from = msg->from.local,
		.to = msg->from.source,
		.wall_us = clock_wall_us_now(),
		.kind = HEP_LOG,
		.capture_id = (uint32_t)settings.hep_capture_id,
		.auth_key = settings.auth_key,
		.correlation = has_correlation ? args->first : message_value(msg, HEADER_CALL_ID),
		.payload = has_correlation ? args->second : args->first,
	};
	struct writer w = writer_in_arena(run->arena, packet.payload.len + 256);
	if (!hep_write(&w, &packet, 3))
		return SCRIPT_FALSE;
	siptrace_send(&state.collector, writer_result(&w));
	return SCRIPT_TRUE;
}

/* ---- the command ------------------------------------------------------------------------------------------------------- */

static void status(struct rpc_call *call)
{
	struct span text;
	if (!rpc_arg_text(call, 0, &text)) {
		rpc_fault(call, 500, "Not enough parameters (on, off or check)");
		return;
	}
	if (span_equal_nocase(text, SPAN_OF("on")))
		*state.is_on = 1;
	else if (span_equal_nocase(text, SPAN_OF("off")))
		*state.is_on = 0;
	else if (!span_equal_nocase(text, SPAN_OF("check"))) {
		rpc_fault(call, 500, "Bad parameter (on, off or check)");
		return;
	}
	rpc_add_text(call, NULL, NULL, *state.is_on ? SPAN_OF("Enabled") : SPAN_OF("Disabled"));
}

static const struct rpc_command commands[] = {
	{ "siptrace.status", status, "Switches tracing, or says whether it is on.", "on|off|check", false },
};

/* ---- life cycle ----------------------------------------------------------------------------------------------------------- */

static bool tell(struct diagnostics *diagnostics, const char *setting, const char *sentence)
{
	diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
		       module_setting_position("siptrace", setting), "siptrace: %s", sentence);
	return false;
}

static bool compile_avp(struct span text, const char *setting, struct diagnostics *diagnostics,
			const struct variable_ref **out)
{
	if (!text.len)
		return true;
	*out = variable_compile(text, startup_arena(), diagnostics,
				module_setting_position("siptrace", setting));
	return *out != NULL;
}

static bool find_socket(struct diagnostics *diagnostics)
{
	struct end_point address;
	struct span uri =
		settings.send_sock_addr.len ? settings.send_sock_addr : settings.force_send_sock;
	if (settings.send_sock_name.len) {
		state.socket = listener_by_name(settings.send_sock_name);
		return state.socket || tell(diagnostics, "send_sock_name",
					    "there is no socket of this name (listen=)");
	}
	if (!uri.len)
		return true;
	if (locate_address(uri, &address))
		state.socket = listener_find(&address);
	return state.socket ||
	       tell(diagnostics, settings.send_sock_addr.len ? "send_sock_addr" : "force_send_sock",
		    "this is no URI of a socket of this server (listen=)");
}

static bool prepare(struct diagnostics *diagnostics)
{
	state.is_on = shm_reserve(sizeof(*state.is_on), "siptrace");
	if (!state.is_on || !watch_prepare())
		return false;
	*state.is_on = settings.trace_on;
	if (settings.duplicate_uri.len && !locate_address(settings.duplicate_uri, &state.collector))
		return tell(diagnostics, "duplicate_uri",
			    "this is no SIP URI, or nobody knows its host");
	if (settings.trace_mode & (MODE_HEP | MODE_URI) && !settings.duplicate_uri.len)
		return tell(diagnostics, "trace_mode", "trace_mode 1 and 4 need duplicate_uri");
	const struct sl_api *sl = needed_sl;
	if (settings.trace_sl_acks && sl)
		sl->on_ack(on_sl_ack);
	send_set_observer(observe_sent);
	return compile_avp(settings.traced_user_avp, "traced_user_avp", diagnostics,
			   &state.users) &&
	       compile_avp(settings.trace_table_avp, "trace_table_avp", diagnostics,
			   &state.table) &&
	       find_socket(diagnostics) && sink_prepare(diagnostics);
}

static const struct module_need needs[] = {
	{ .name = "sl", .version = SL_API_VERSION, .out_functions = &needed_sl, .is_optional = true },
};

static const struct module_timer timers[] = {
	{ "siptrace expiry", watch_period_ms, watch_expire, false },
};

static const struct module_event events[] = {
	{ "siptrace:msg", ROUTE_EVENT, "a message is captured by trace_mode; drop leaves it out" },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "siptrace",
	.doc = "Copies of messages, for a table, for Homer, for another server.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = ROWS(commands),
	.timers = ROWS(timers),
	.events = ROWS(events),
	.claims = ROWS(claims),
	.needs = ROWS(needs),
	.prepare = prepare,
	.start = sink_start,
};
