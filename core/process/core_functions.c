/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that the language has without loading a module. */
#include <stdlib.h>
#include <unistd.h>

#include "core/process/core_functions.h"
#include "core/script/uri_edit.h"

struct number_args {
	int64_t number;
};
struct text_args {
	struct span text;
};

/* ---- flags ------------------------------------------------------------------------------------------ */

static const struct field setflag_fields[] = {
	FIELD(struct number_args, number, "flag 0-31 or its name", .max = 31, .flag_kind = FLAG_KIND_MESSAGE),
};
#define resetflag_fields setflag_fields
#define isflagset_fields setflag_fields
#define setflag_args     number_args
#define resetflag_args   number_args
#define isflagset_args   number_args
SCRIPT_HANDLER(setflag)
SCRIPT_HANDLER(resetflag)
SCRIPT_HANDLER(isflagset)

static int setflag(struct script_run *run, const struct setflag_args *args)
{
	run->msg->flags |= 1u << args->number;
	return SCRIPT_TRUE;
}

static int resetflag(struct script_run *run, const struct resetflag_args *args)
{
	run->msg->flags &= ~(1u << args->number);
	return SCRIPT_TRUE;
}

static int isflagset(struct script_run *run, const struct isflagset_args *args)
{
	return run->msg->flags & (1u << args->number) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- notes of the message: what later rendering and sending looks at ------------------------------------ */

static int note(struct script_run *run, uint32_t bit)
{
	run->msg->notes |= bit;
	return SCRIPT_TRUE;
}

SCRIPT_HANDLER_PLAIN(force_rport)
SCRIPT_HANDLER_PLAIN(add_local_rport)
SCRIPT_HANDLER_PLAIN(set_reply_no_connect)
SCRIPT_HANDLER_PLAIN(set_reply_close)
SCRIPT_HANDLER_PLAIN(set_forward_no_connect)
SCRIPT_HANDLER_PLAIN(set_forward_close)

static int force_rport(struct script_run *run)
{
	return note(run, NOTE_FORCE_RPORT);
}

static int add_local_rport(struct script_run *run)
{
	return note(run, NOTE_ADD_LOCAL_RPORT);
}

static int set_reply_no_connect(struct script_run *run)
{
	return note(run, NOTE_REPLY_NO_CONNECT);
}

static int set_reply_close(struct script_run *run)
{
	return note(run, NOTE_REPLY_CLOSE);
}

static int set_forward_no_connect(struct script_run *run)
{
	return note(run, NOTE_FORWARD_NO_CONNECT);
}

static int set_forward_close(struct script_run *run)
{
	return note(run, NOTE_FORWARD_CLOSE);
}

/* ---- the Request-URI -------------------------------------------------------------------------------------- */

/* A Request-URI in parts; whoever changes one part writes all of them again. */
struct uri_parts {
	struct span user, user_params, password, host, port, params;
	struct span scheme, headers;
	bool has_host; /* tel: URIs have none */
};

static bool uri_take_apart(struct script_run *run, struct uri_parts *out_parts)
{
	struct sip_uri uri;
	if (!message_parse_uri(run->msg, &uri)) {
		log_debug("the Request-URI is malformed: %.*s", SPAN_ARGS(message_uri(run->msg)));
		return false;
	}
	/* A URN that is changed becomes a SIP URI, as with assignments. */
	*out_parts = (struct uri_parts){ .user = uri_seen_user(&uri),
					 .user_params = uri_seen_user_params(&uri),
					 .password = uri.password,
					 .host = uri_seen_host(&uri),
					 .port = uri.port_text,
					 .params = uri.params,
					 .scheme = uri.scheme == URI_URN ? SPAN_OF("sip")
									 : uri.scheme_text,
					 .headers = uri.headers,
					 .has_host = !uri_is_tel(&uri) };
	return true;
}

static int uri_put_together(struct script_run *run, const struct uri_parts *parts)
{
	struct writer w = writer_in_arena(run->arena, 256);
	writer_span(&w, parts->scheme.len ? parts->scheme : SPAN_OF("sip"));
	writer_char(&w, ':');
	if (parts->user.len) {
		writer_span(&w, parts->user);
		if (parts->user_params.len) {
			writer_char(&w, ';');
			writer_span(&w, parts->user_params);
		}
		if (parts->password.len) {
			writer_char(&w, ':');
			writer_span(&w, parts->password);
		}
		if (parts->has_host)
			writer_char(&w, '@');
	}
	writer_span(&w, parts->host);
	if (parts->port.len) {
		writer_char(&w, ':');
		writer_span(&w, parts->port);
	}
	if (parts->params.len) {
		writer_char(&w, ';');
		writer_span(&w, parts->params);
	}
	if (parts->headers.len) {
		writer_char(&w, '?');
		writer_span(&w, parts->headers);
	}
	return !w.failed && message_set_uri(run->msg, writer_result(&w)) ? SCRIPT_TRUE
									 : SCRIPT_FALSE;
}

static const struct field text_fields[] = { FIELD(struct text_args, text,
						  "text, may contain variables") };
static const struct field number_fields[] = { FIELD(
	struct number_args, number, "number of characters", .min = 0, .max = 65535) };
SCRIPT_HANDLER_OF(rewriteuri, text)
SCRIPT_HANDLER_OF(rewriteuser, text)
SCRIPT_HANDLER_OF(rewriteuserpass, text)
SCRIPT_HANDLER_OF(rewritehost, text)
SCRIPT_HANDLER_OF(rewritehostport, text)
SCRIPT_HANDLER_OF(rewritehostporttrans, text)
SCRIPT_HANDLER_OF(rewriteport, text)
SCRIPT_HANDLER_OF(prefix, text)
SCRIPT_HANDLER_OF(strip, number)
SCRIPT_HANDLER_OF(strip_tail, number)
SCRIPT_HANDLER_PLAIN(revert_uri)
SCRIPT_HANDLER_PLAIN(userphone)
SCRIPT_HANDLER_PLAIN(isdsturiset)
SCRIPT_HANDLER_PLAIN(resetdsturi)

static int rewriteuri(struct script_run *run, const struct text_args *args)
{
	return message_set_uri(run->msg, args->text) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int rewriteuser(struct script_run *run, const struct text_args *args)
{
	struct uri_parts parts;
	if (!uri_take_apart(run, &parts))
		return SCRIPT_FALSE;
	parts.user = args->text;
	return uri_put_together(run, &parts);
}

static int rewriteuserpass(struct script_run *run, const struct text_args *args)
{
	struct uri_parts parts;
	if (!uri_take_apart(run, &parts))
		return SCRIPT_FALSE;
	size_t colon = span_find(args->text, ':', 0);
	parts.user = span_slice(args->text, 0, colon);
	parts.password = span_slice(args->text, colon + 1, args->text.len);
	return uri_put_together(run, &parts);
}

/* "host", "[v6]:port", "host:port" */
void split_host_port(struct span text, struct span *out_host, struct span *out_port)
{
	size_t from = text.len && text.at[0] == '[' ? span_find(text, ']', 0) : 0;
	size_t colon = span_find(text, ':', from);
	*out_host = span_slice(text, 0, colon);
	*out_port = span_slice(text, colon + 1, text.len);
}

/* tel:number;x=y is about to get a host: sip:number;x=y@host;user=phone. */
static void tel_to_sip(struct uri_parts *parts)
{
	if (parts->has_host)
		return;
	parts->has_host = true;
	parts->user_params = parts->params;
	parts->params = SPAN_OF("user=phone");
	parts->scheme = SPAN_OF("sip");
}

static int rewrite_place(struct script_run *run, struct span host_port, bool with_port)
{
	struct uri_parts parts;
	if (!uri_take_apart(run, &parts))
		return SCRIPT_FALSE;
	tel_to_sip(&parts);
	if (with_port)
		split_host_port(host_port, &parts.host, &parts.port);
	else
		parts.host = host_port;
	return uri_put_together(run, &parts);
}

static int rewritehost(struct script_run *run, const struct text_args *args)
{
	return rewrite_place(run, args->text, false);
}

static int rewritehostport(struct script_run *run, const struct text_args *args)
{
	return rewrite_place(run, args->text, true);
}

/* "host:port" "tcp" of host:port:tcp; false without a transport at the end. */
static bool split_transport(struct span text, struct span *out_place, struct span *out_transport)
{
	const char *colon = text.len ? memrchr(text.at, ':', text.len) : NULL;
	size_t at = colon ? (size_t)(colon - text.at) : text.len;
	struct span last = span_slice(text, at + 1, text.len);
	if (transport_from_span(last) == TRANSPORT_NONE)
		return false;
	*out_place = span_slice(text, 0, at);
	*out_transport = last;
	return true;
}

/* host[:port][;transport=x] or host:port:x. The old transport goes in any case. */
static int rewritehostporttrans(struct script_run *run, const struct text_args *args)
{
	struct uri_parts parts;
	struct span place = args->text, transport, one;
	if (!uri_take_apart(run, &parts))
		return SCRIPT_FALSE;
	tel_to_sip(&parts);
	struct writer w = writer_in_arena(run->arena, 128);
	if (split_transport(args->text, &place, &transport)) {
		writer_printf(&w, ";transport=%.*s", SPAN_ARGS(transport));
	} else {
		size_t semicolon = span_find(args->text, ';', 0);
		place = span_slice(args->text, 0, semicolon);
		writer_span(&w, span_slice(args->text, semicolon, args->text.len));
	}
	for (struct span rest = parts.params; span_split(&rest, ';', &one);)
		if (one.len && !span_starts_with_nocase(one, SPAN_OF("transport=")))
			writer_printf(&w, ";%.*s", SPAN_ARGS(one));
	if (w.failed)
		return SCRIPT_FALSE;
	parts.params = span_slice(writer_result(&w), 1, SIZE_MAX);
	split_host_port(place, &parts.host, &parts.port);
	return uri_put_together(run, &parts);
}

static int rewriteport(struct script_run *run, const struct text_args *args)
{
	struct uri_parts parts;
	if (!uri_take_apart(run, &parts))
		return SCRIPT_FALSE;
	parts.port = args->text;
	return uri_put_together(run, &parts);
}

static int prefix(struct script_run *run, const struct text_args *args)
{
	struct uri_parts parts;
	if (!uri_take_apart(run, &parts))
		return SCRIPT_FALSE;
	parts.user =
		arena_printf(run->arena, "%.*s%.*s", SPAN_ARGS(args->text), SPAN_ARGS(parts.user));
	return uri_put_together(run, &parts);
}

static int strip(struct script_run *run, const struct number_args *args)
{
	struct uri_parts parts;
	if (!uri_take_apart(run, &parts))
		return SCRIPT_FALSE;
	parts.user = span_slice(parts.user, (size_t)args->number, parts.user.len);
	return uri_put_together(run, &parts);
}

static int strip_tail(struct script_run *run, const struct number_args *args)
{
	struct uri_parts parts;
	if (!uri_take_apart(run, &parts))
		return SCRIPT_FALSE;
	size_t cut = (size_t)args->number < parts.user.len ? (size_t)args->number : parts.user.len;
	parts.user = span_slice(parts.user, 0, parts.user.len - cut);
	return uri_put_together(run, &parts);
}

static int revert_uri(struct script_run *run)
{
	run->msg->target.uri = (struct span){ NULL, 0 };
	run->msg->notes &= ~(uint32_t)NOTE_URI_CHANGED;
	return SCRIPT_TRUE;
}

static int userphone(struct script_run *run)
{
	struct uri_parts parts;
	struct sip_uri uri;
	if (!uri_take_apart(run, &parts) || !message_parse_uri(run->msg, &uri))
		return SCRIPT_FALSE;
	if (uri.user_param.at || uri_is_tel(&uri))
		return SCRIPT_TRUE;
	parts.params = arena_printf(run->arena, "%.*s%suser=phone", SPAN_ARGS(parts.params),
				    parts.params.len ? ";" : "");
	return uri_put_together(run, &parts);
}

static int isdsturiset(struct script_run *run)
{
	return run->msg->target.dst_uri.at ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int resetdsturi(struct script_run *run)
{
	return message_set_dst_uri(run->msg, (struct span){ NULL, 0 }) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* error("code", "text"): logs what the script thinks is wrong. */
struct error_args {
	struct span code, text;
};
static const struct field error_fields[] = {
	FIELD(struct error_args, code, "what kind of error"), FIELD(struct error_args, text, "what is wrong") };
SCRIPT_HANDLER(error)
static int error(struct script_run *run, const struct error_args *args)
{
	log_error("the script reports %.*s: %.*s", SPAN_ARGS(args->code), SPAN_ARGS(args->text));
	return SCRIPT_TRUE;
}

/* ---- log, exec -------------------------------------------------------------------------------------------- */

struct log_args {
	struct span level;
	struct span text;
};
static const struct field log_fields[] = {
	FIELD(struct log_args, level, "-5 … 3 or a name like L_INFO"),
	FIELD(struct log_args, text, "constant text", .literal = true),
};
#define log_plain_args text_args
static const struct field log_plain_fields[] = { FIELD(struct text_args, text, "constant text",
						       .literal = true) };
SCRIPT_HANDLER_OF(log_level, log)
SCRIPT_HANDLER(log_plain)
SCRIPT_HANDLER_OF(exec, text)

static int log_level(struct script_run *run, const struct log_args *args)
{
	int level;
	if (!log_level_from_name(args->level, &level))
		level = LOG_LEVEL_ERROR;
	if (log_script_is_on(level))
		log_script(level, -1, args->text);
	return SCRIPT_TRUE;
}

static int log_plain(struct script_run *run, const struct log_plain_args *args)
{
	if (log_script_is_on(LOG_LEVEL_ERROR))
		log_script(LOG_LEVEL_ERROR, -1, args->text);
	return SCRIPT_TRUE;
}

static int exec(struct script_run *run, const struct text_args *args)
{
	const char *command = arena_string(run->arena, args->text);
	return command && system(command) != -1 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- the table -------------------------------------------------------------------------------------------- */

#define ON_URI                                                                               \
	(ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_BRANCH | ROUTE_BRANCH_FAILURE | ROUTE_LOCAL | \
	 ROUTE_EVENT | ROUTE_ONSEND)

static const struct script_function functions[] = {
	FUNCTION("setflag", setflag, IN_ANY, "Sets a message flag."),
	FUNCTION("resetflag", resetflag, IN_ANY, "Clears a message flag."),
	FUNCTION("isflagset", isflagset, IN_ANY, "True when the message flag is set."),
	FUNCTION_PLAIN("force_rport", force_rport, IN_ANY, "Answers go to the port that the request came from."),
	FUNCTION_PLAIN("add_rport", force_rport, IN_ANY, "The same as force_rport()."),
	FUNCTION_PLAIN("add_local_rport", add_local_rport, IN_ANY, "Puts rport into our own Via."),
	FUNCTION_PLAIN("set_reply_no_connect", set_reply_no_connect, IN_ANY, "Replies open no new connection."),
	FUNCTION_PLAIN("set_reply_close", set_reply_close, IN_ANY, "The connection is closed after the reply."),
	FUNCTION_PLAIN("set_forward_no_connect", set_forward_no_connect, IN_ANY, "Forwarding opens no new connection."),
	FUNCTION_PLAIN("set_forward_close", set_forward_close, IN_ANY, "The connection is closed after forwarding."),
	FUNCTION_OF("rewriteuri", rewriteuri, text, ON_URI, "Replaces the Request-URI."),
	FUNCTION_OF("seturi", rewriteuri, text, ON_URI, "The same as rewriteuri()."),
	FUNCTION_OF("rewriteuser", rewriteuser, text, ON_URI, "Replaces the user of the Request-URI."),
	FUNCTION_OF("setuser", rewriteuser, text, ON_URI, "The same as rewriteuser()."),
	FUNCTION_OF("setu", rewriteuser, text, ON_URI, "The same as rewriteuser()."),
	FUNCTION_OF("rewriteuserpass", rewriteuserpass, text, ON_URI, "Replaces user and password (user:password)."),
	FUNCTION_OF("setuserpass", rewriteuserpass, text, ON_URI, "The same as rewriteuserpass()."),
	FUNCTION_OF("setup", rewriteuserpass, text, ON_URI, "The same as rewriteuserpass()."),
	FUNCTION_OF("rewritehost", rewritehost, text, ON_URI, "Replaces the host of the Request-URI."),
	FUNCTION_OF("sethost", rewritehost, text, ON_URI, "The same as rewritehost()."),
	FUNCTION_OF("seth", rewritehost, text, ON_URI, "The same as rewritehost()."),
	FUNCTION_OF("rewritehostport", rewritehostport, text, ON_URI, "Replaces host and port (host:port)."),
	FUNCTION_OF("sethostport", rewritehostport, text, ON_URI, "The same as rewritehostport()."),
	FUNCTION_OF("sethp", rewritehostport, text, ON_URI, "The same as rewritehostport()."),
	FUNCTION_OF("rewritehostporttrans", rewritehostporttrans, text, ON_URI, "Replaces host, port and transport (host:port;transport=x)."),
	FUNCTION_OF("sethostporttrans", rewritehostporttrans, text, ON_URI, "The same as rewritehostporttrans()."),
	FUNCTION_OF("sethpt", rewritehostporttrans, text, ON_URI, "The same as rewritehostporttrans()."),
	FUNCTION_OF("rewriteport", rewriteport, text, ON_URI, "Replaces the port of the Request-URI."),
	FUNCTION_OF("setport", rewriteport, text, ON_URI, "The same as rewriteport()."),
	FUNCTION_OF("setp", rewriteport, text, ON_URI, "The same as rewriteport()."),
	FUNCTION_OF("prefix", prefix, text, ON_URI, "Puts text before the user of the Request-URI."),
	FUNCTION_OF("strip", strip, number, ON_URI, "Removes characters from the front of the user."),
	FUNCTION_OF("strip_tail", strip_tail, number, ON_URI, "Removes characters from the end of the user."),
	FUNCTION_PLAIN("revert_uri", revert_uri, ON_URI, "Goes back to the Request-URI as received."),
	FUNCTION_PLAIN("userphone", userphone, ON_URI, "Adds ;user=phone to the Request-URI."),
	FUNCTION_PLAIN("isdsturiset", isdsturiset, IN_ANY, "True when the next hop ($du) is set."),
	FUNCTION_PLAIN("resetdsturi", resetdsturi, IN_ANY, "Clears the next hop ($du)."),
	FUNCTION("log", log_plain, IN_ANY, "Logs a constant text as an error."),
	FUNCTION_OF("log", log_level, log, IN_ANY, "Logs a constant text with a level."),
	FUNCTION("error", error, IN_ANY, "Logs an error of the script."),
	FUNCTION_OF("exec", exec, text, IN_ANY, "Runs a shell command and waits for it. True whatever the command returns."),
};

static const struct function_table *const more_functions[] = { &core_sending_functions, NULL };

const struct module core_module = {
	.abi = MODULE_ABI,
	.name = "core",
	.doc = "What the language has without loading a module.",
	.functions = ROWS(functions),
	.more_functions = more_functions,
	.commands = { NULL, 0 },
	.events = { core_events, CORE_EVENT_COUNT },
};
