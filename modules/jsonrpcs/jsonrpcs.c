/* SPDX-License-Identifier: BSD-2-Clause */
/* jsonrpcs: RPC commands as JSON-RPC 2.0 over a FIFO, datagrams and TCP, each served by a process of
 * its own, and from the script. */
#include "modules/jsonrpcs/jsonrpcs.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/message/http.h"

/* Bits of the setting `transport`. */
enum { OVER_HTTP = 1, OVER_FIFO = 2, OVER_DATAGRAM = 4, OVER_TCP = 8 };

static struct jsonrpcs_settings settings = {
	.pretty_format = true,
	.transport = OVER_FIFO | OVER_DATAGRAM,
	.fifo_name = SPAN("kamailio_rpc.fifo"),
	.fifo_reply_dir = SPAN("/tmp/"),
	.dgram_socket = SPAN("kamailio_rpc.sock"),
	.dgram_timeout = 2000,
	.fifo = { .mode = 0660, .user = (uid_t)-1, .group = (gid_t)-1 },
	.dgram = { .mode = 0660, .user = (uid_t)-1, .group = (gid_t)-1 },
};
const struct jsonrpcs_settings *const jsonrpcs_settings = &settings;

static unsigned answer_slot; /* of the message that ran jsonrpc_exec */

/* ---- settings ---------------------------------------------------------------------------------------------- */

static const char *find_user(struct span text, int64_t number, uid_t *out_user)
{
	char name[64];
	if (!text.at || span_to_int64(text, &number)) {
		*out_user = (uid_t)number;
		return NULL;
	}
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(text));
	struct passwd *account = getpwnam(name);
	if (!account)
		return "there is no such user on this machine";
	*out_user = account->pw_uid;
	return NULL;
}

static const char *find_group(struct span text, int64_t number, gid_t *out_group)
{
	char name[64];
	if (!text.at || span_to_int64(text, &number)) {
		*out_group = (gid_t)number;
		return NULL;
	}
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(text));
	struct group *group = getgrnam(name);
	if (!group)
		return "there is no such group on this machine";
	*out_group = group->gr_gid;
	return NULL;
}

static const char *accept_fifo_user(struct span text, int64_t number)
{
	return find_user(text, number, &settings.fifo.user);
}

static const char *accept_fifo_group(struct span text, int64_t number)
{
	return find_group(text, number, &settings.fifo.group);
}

static const char *accept_dgram_user(struct span text, int64_t number)
{
	return find_user(text, number, &settings.dgram.user);
}

static const char *accept_dgram_group(struct span text, int64_t number)
{
	return find_group(text, number, &settings.dgram.group);
}

static const struct field setting_fields[] = {
	FIELD(settings, pretty_format, "answers over several lines, indented"),
	FIELD(settings, transport, "bits: 1 HTTP, 2 FIFO, 4 datagram, 8 TCP; 0: all", .min = 0, .max = 15),
	FIELD(settings, fifo_name, "path of the FIFO, relative to the run directory; empty: none"),
	FIELD_NAMED(settings, fifo.mode, "fifo_mode", "permissions of the FIFO", .min = 0, .max = 07777),
	FIELD_ACCEPT("fifo_user", accept_fifo_user, "owner of the FIFO, name or number"),
	FIELD_ACCEPT("fifo_group", accept_fifo_group, "group of the FIFO, name or number"),
	FIELD(settings, fifo_reply_dir, "folder in which clients make their reply FIFOs"),
	FIELD(settings, dgram_socket, "path of the datagram socket, or udp:IP:PORT; empty: none"),
	FIELD_NAMED(settings, dgram.mode, "dgram_mode", "permissions of the datagram socket", .min = 0, .max = 07777),
	FIELD_ACCEPT("dgram_user", accept_dgram_user, "owner of the datagram socket, name or number"),
	FIELD_ACCEPT("dgram_group", accept_dgram_group, "group of the datagram socket, name or number"),
	FIELD(settings, dgram_timeout, "how long a datagram client that does not read is waited for, in ms",
		.min = 0, .max = 600000),
	FIELD_IGNORED("dgram_workers", "one process serves all clients, none waits for another"),
	FIELD(settings, tcp_socket, "tcp:IP:PORT to listen on, with bit 8 of transport"),
};

static bool uses(unsigned bit)
{
	return settings.transport == 0 || (settings.transport & bit);
}

static bool uses_fifo(void)
{
	return uses(OVER_FIFO) && settings.fifo_name.len;
}

static bool uses_datagram(void)
{
	return uses(OVER_DATAGRAM) && settings.dgram_socket.len;
}

static bool uses_tcp(void)
{
	return uses(OVER_TCP) && settings.tcp_socket.len;
}

bool jsonrpcs_path(struct span name, char *out_path, size_t size)
{
	struct span directory = core_setting_text("rundir");
	int len = name.len && name.at[0] == '/' ? snprintf(out_path, size, "%.*s", SPAN_ARGS(name))
						: snprintf(out_path, size, "%.*s/%.*s",
							   SPAN_ARGS(directory), SPAN_ARGS(name));
	return len > 0 && (size_t)len < size;
}

void jsonrpcs_set_access(const char *path, const struct jsonrpcs_access *access)
{
	if ((access->user != (uid_t)-1 || access->group != (gid_t)-1) &&
	    chown(path, access->user, access->group) < 0)
		log_warning("cannot give %s to the configured user and group: %m", path);
	if (chmod(path, (mode_t)access->mode) < 0)
		log_warning("cannot set the mode of %s: %m", path);
}

/* ---- documents ----------------------------------------------------------------------------------------------- */

bool jsonrpcs_run(struct span text, struct arena *out_arena, struct span *out_reply_name,
		  struct span *out_body)
{
	struct jsonrpc_document document;
	struct jsonrpc_answer answer;
	arena_init(out_arena, 64u << 10, JSONRPCS_ANSWER_MAX);
	clock_refresh();
	jsonrpc_read(text, out_arena, &document);
	if (!document.root) {
		log_error("a request is no JSON document: %s at byte %zu", document.error,
			  document.error_at);
		return false;
	}
	jsonrpc_run(&document, settings.pretty_format, out_arena, &answer);
	if (!answer.body.at) {
		log_error("an answer needs more than %u bytes; it is not sent",
			  JSONRPCS_ANSWER_MAX);
		return false;
	}
	*out_reply_name = document.reply_name;
	*out_body = answer.body;
	return true;
}

/* ---- script ---------------------------------------------------------------------------------------------------- */

struct jsonrpc_exec_args {
	struct span document;
};
static const struct field jsonrpc_exec_fields[] = {
	FIELD(struct jsonrpc_exec_args, document, "JSON-RPC request"),
};
SCRIPT_HANDLER(jsonrpc_exec)
SCRIPT_HANDLER_PLAIN(jsonrpc_dispatch)

/* The answer lives as long as the message. */
static int jsonrpc_exec(struct script_run *run, const struct jsonrpc_exec_args *args)
{
	struct arena *arena = run->msg->arena;
	struct jsonrpc_answer *answer = ARENA_NEW(arena, struct jsonrpc_answer);
	struct jsonrpc_document document;
	run->msg->slots[answer_slot] = answer;
	if (!answer)
		return SCRIPT_FALSE;
	jsonrpc_read(args->document, arena, &document);
	if (!document.root)
		log_error("jsonrpc_exec: no JSON document: %s at byte %zu", document.error,
			  document.error_at);
	jsonrpc_run(&document, settings.pretty_format, arena, answer);
	return document.root ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* Errors are HTTP errors too, as clients of the peer expect; a batch has no status of its own. */
static void set_status(const struct jsonrpc_document *document, const struct jsonrpc_answer *answer,
		       struct http_reply *out)
{
	bool is_batch =
		document->root && document->root->kind == JSON_ARRAY && document->root->first;
	out->code = 200;
	out->reason = SPAN_OF("OK");
	if (is_batch || answer->code == 200)
		return;
	bool is_status = document->root && answer->code >= 300 && answer->code < 700;
	out->code = is_status ? (unsigned)answer->code : 400;
	out->reason = is_status ? answer->text : SPAN_OF("Bad Request");
}

/* The body of an HTTP POST is the document. */
static int jsonrpc_dispatch(struct script_run *run)
{
	struct message *msg = run->msg;
	struct jsonrpc_document document;
	struct jsonrpc_answer answer = { 0 };
	if (!msg->index->is_http) {
		log_error(
			"jsonrpc_dispatch answers HTTP requests: it belongs into event_route[xhttp:request]");
		return SCRIPT_FALSE;
	}
	jsonrpc_read(message_body(msg), msg->arena, &document);
	jsonrpc_run(&document, settings.pretty_format, msg->arena, &answer);
	struct http_reply reply = { .content_type = SPAN_OF("application/json"),
				    .body = answer.body };
	set_status(&document, &answer, &reply);
	if (!answer.body.at) {
		log_error("jsonrpc_dispatch: the answer needs more memory than a message may have");
		reply = (struct http_reply){ .code = 500, .reason = SPAN_OF("Server Error") };
	}
	return http_reply_send(msg, &reply) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool get_answer(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct jsonrpc_answer *answer = run->msg->slots[answer_slot];
	struct span what = variable_inner_text(run, ref);
	*out = (struct value){ .kind = VALUE_NULL };
	if (!answer || !answer->code)
		return true;
	if (span_equal(what, SPAN_OF("code")))
		*out = VALUE_OF_INT(answer->code);
	else if (span_equal(what, SPAN_OF("text")))
		*out = VALUE_OF_TEXT(answer->text);
	else if (answer->body.at)
		*out = VALUE_OF_TEXT(answer->body);
	return true;
}

static const char *bind_answer(struct variable_ref *ref, struct arena *arena)
{
	if (ref->inner.at && !span_equal(ref->inner, SPAN_OF("code")) &&
	    !span_equal(ref->inner, SPAN_OF("text")) && !span_equal(ref->inner, SPAN_OF("body")))
		return "expects code, text or body";
	return NULL;
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

static void run_echo(struct rpc_call *call)
{
	struct span text;
	for (unsigned i = 0; i < rpc_arg_count(call); i++)
		if (rpc_arg_text(call, i, &text))
			rpc_add_text(call, NULL, NULL, text);
}

static bool prepare(struct diagnostics *diagnostics)
{
	answer_slot = message_slot("jsonrpcs");
	return true;
}

static bool start(void)
{
	if (uses_fifo())
		jsonrpcs_fifo_open();
	if (uses_datagram())
		jsonrpcs_datagram_open();
	if (uses_tcp())
		jsonrpcs_stream_open();
	return true;
}

static void finish(void)
{
	jsonrpcs_fifo_close();
	jsonrpcs_datagram_close();
}

static const struct script_function functions[] = {
	FUNCTION("jsonrpc_exec", jsonrpc_exec, IN_ANY, "Runs a JSON-RPC request; $jsonrpl(...) shows the answer."),
	FUNCTION_PLAIN("jsonrpc_dispatch", jsonrpc_dispatch, IN_ANY, "Answers the JSON-RPC request of an HTTP message."),
};

static const struct variable_row variables[] = {
	{ .name = "jsonrpl", .inner = INNER_NAME, .get = get_answer, .bind = bind_answer,
	  .doc = "code, text or body of the answer to jsonrpc_exec()" },
};

static const struct rpc_command commands[] = {
	{ "jsonrpc.echo", run_echo, "Gives its arguments back.", "value …", true },
};

static const struct module_role roles[] = {
	{ "JSONRPCS FIFO", uses_fifo, jsonrpcs_fifo_serve },
	{ "JSONRPCS DATAGRAM", uses_datagram, jsonrpcs_datagram_serve },
	{ "JSONRPCS TCP", uses_tcp, jsonrpcs_stream_serve },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "jsonrpcs",
	.doc = "RPC commands as JSON-RPC 2.0 over a FIFO, datagrams and TCP.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.variables = ROWS(variables),
	.commands = ROWS(commands),
	.roles = ROWS(roles),
	.prepare = prepare,
	.start = start,
	.finish = finish,
};
