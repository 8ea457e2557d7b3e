/* SPDX-License-Identifier: BSD-2-Clause */
/* path: Path headers for registrations that pass this proxy (RFC 3327), with the address that the
 * REGISTER came from, and routing to that address when a request comes back with it.
 *
 * The address of the socket by which the request leaves is known when it is rendered, so the header
 * is an edit whose text is a list of fields, one per line, that write_path makes headers of. */
#include "core/message/render.h"
#include "core/module/module.h"
#include "modules/rr/rr_api.h"

#define RECEIVED_LONGEST 256

static struct {
	bool use_received, enable_r2, sockname_mode;
	int64_t received_format;
	struct span received_name;
} settings = { .received_name = SPAN("received") };
enum { RECEIVED_URI, RECEIVED_COMPACT };

static const struct field setting_fields[] = {
	FIELD(settings, use_received, "loose_route() sends to the address in the received parameter"),
	FIELD(settings, received_format, "of the received parameter: 0 a URI, 1 ip~port~transport",
		.min = RECEIVED_URI, .max = RECEIVED_COMPACT),
	FIELD(settings, received_name, "name of the received parameter"),
	FIELD(settings, enable_r2, "two headers, for the arriving and for the leaving side"),
	FIELD(settings, sockname_mode, "sockets' names go into a parameter sn"),
};

static const struct rr_api *rr;
static const struct module_need needs[] = {
	{ "rr", RR_API_VERSION, (const void **)&rr, .is_optional = true },
};

/* ---- the header ------------------------------------------------------------------------------------ */

/* The fields of the edit's text, in order. */
enum path_field {
	PATH_LISTENER, /* index of the socket on which the request came */
	PATH_USER,
	PATH_ADDRESS,  /* given by the script; empty: the socket's */
	PATH_RECEIVED, /* value of the received parameter; empty: none */
	PATH_PARAMS,
	PATH_FIELD_COUNT,
};

static void write_uri(struct writer *w, const struct span fields[PATH_FIELD_COUNT],
		      const struct listener *socket)
{
	writer_literal(w, "<sip:");
	if (fields[PATH_USER].len) {
		writer_span(w, fields[PATH_USER]);
		writer_char(w, '@');
	}
	if (fields[PATH_ADDRESS].len)
		writer_span(w, fields[PATH_ADDRESS]);
	else if (socket)
		listener_write_reachable(w, socket);
	writer_literal(w, ";lr");
}

static void write_end(struct writer *w, const struct span fields[PATH_FIELD_COUNT],
		      const struct listener *socket)
{
	if (fields[PATH_PARAMS].len) {
		writer_char(w, ';');
		writer_span(w, fields[PATH_PARAMS]);
	}
	if (settings.sockname_mode && socket && socket->name.len) {
		writer_literal(w, ";sn=");
		writer_span(w, socket->name);
	}
	writer_string(w, settings.enable_r2 ? ";r2=on>" : ">");
}

static void write_received(struct writer *w, struct span value)
{
	if (!value.len)
		return;
	writer_char(w, ';');
	writer_span(w, settings.received_name);
	writer_char(w, '=');
	writer_span(w, value);
}

/* The edit's writer. Without `to` the leaving side is unknown and counts as the arriving one. */
static void write_path(struct writer *w, struct span text, const struct outgoing *to)
{
	struct span fields[PATH_FIELD_COUNT], rest = text;
	int64_t index;
	for (unsigned i = 0; i < PATH_FIELD_COUNT; i++)
		if (!span_split(&rest, '\n', &fields[i]))
			return;
	const struct listener *in = NULL;
	if (span_to_int64(fields[PATH_LISTENER], &index) && index >= 0 && index < listener_count())
		in = listener_at((unsigned)index);
	const struct listener *out = to && to->from ? to->from : in;
	writer_literal(w, "Path: ");
	write_uri(w, fields, out);
	write_received(w, fields[PATH_RECEIVED]);
	write_end(w, fields, out);
	if (settings.enable_r2) {
		writer_literal(w, "\r\nPath: ");
		write_uri(w, fields, in);
		write_received(w, fields[PATH_RECEIVED]);
		write_end(w, fields, in);
	}
	writer_literal(w, "\r\n");
}

/* "sip:192.0.2.1:5062;transport=tcp" with what a parameter must not contain escaped, or
 * "192.0.2.1~5062~2". */
static struct span received_value(struct message *msg)
{
	const struct end_point *source = &msg->from.source;
	char text[RECEIVED_LONGEST];
	struct writer w = writer_fixed(text, sizeof(text));
	bool is_compact = settings.received_format == RECEIVED_COMPACT;
	if (!is_compact)
		writer_literal(&w, "sip:");
	end_point_write_host(&w, source);
	if (is_compact)
		writer_printf(&w, "~%u~%u", source->port, source->transport);
	else
		writer_printf(&w, ":%u", source->port);
	if (!is_compact && source->transport != TRANSPORT_UDP)
		writer_printf(&w, "%%3Btransport%%3D%s", transport_name_lower(source->transport));
	return w.failed ? SPAN_OF("") : arena_copy(msg->arena, writer_result(&w));
}

/* Nothing that ends the URI or the line. */
static bool is_safe(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] == '\r' || text.at[i] == '\n' || text.at[i] == '<' ||
		    text.at[i] == '>')
			return false;
	return true;
}

static int add(struct message *msg, struct span fields[PATH_FIELD_COUNT], bool with_received)
{
	for (unsigned i = 0; i < PATH_FIELD_COUNT; i++)
		if (!is_safe(fields[i])) {
			log_error("add_path: an argument has characters that a Path header "
				  "must not contain");
			return SCRIPT_FALSE;
		}
	if (msg->from.listener)
		fields[PATH_LISTENER] = arena_printf(msg->arena, "%u", msg->from.listener->index);
	if (with_received)
		fields[PATH_RECEIVED] = received_value(msg);
	struct writer w = writer_in_arena(msg->arena, 128);
	for (unsigned i = 0; i < PATH_FIELD_COUNT; i++) {
		writer_span(&w, fields[i]);
		writer_char(&w, '\n');
	}
	if (w.failed)
		return SCRIPT_FALSE;
	struct edit *edit = edit_insert_first(msg, HEADER_PATH, writer_result(&w));
	if (!edit)
		return SCRIPT_FALSE;
	edit->write = write_path;
	edit->header = HEADER_PATH;
	edit->tag = EDIT_TAG_MODULE;
	return SCRIPT_TRUE;
}

/* ---- functions ------------------------------------------------------------------------------------- */

struct user_args {
	struct span user, params;
};
static const struct field user_fields[] = {
	FIELD(struct user_args, user, "user part of the URI", .optional = true),
	FIELD(struct user_args, params, "URI parameters", .optional = true),
};
struct address_args {
	struct span address, user, params;
};
static const struct field address_fields[] = {
	FIELD(struct address_args, address, "host[:port] in place of the socket's"),
	FIELD(struct address_args, user, "user part of the URI", .optional = true),
	FIELD(struct address_args, params, "URI parameters", .optional = true),
};
SCRIPT_HANDLER_OF(add_path, user)
SCRIPT_HANDLER_OF(add_path_received, user)
SCRIPT_HANDLER_OF(add_path_address, address)
SCRIPT_HANDLER_OF(add_path_received_address, address)

static int add_path(struct script_run *run, const struct user_args *args)
{
	struct span fields[PATH_FIELD_COUNT] = {
		[PATH_USER] = args->user, [PATH_PARAMS] = args->params
	};
	return add(run->msg, fields, false);
}

static int add_path_received(struct script_run *run, const struct user_args *args)
{
	struct span fields[PATH_FIELD_COUNT] = {
		[PATH_USER] = args->user, [PATH_PARAMS] = args->params
	};
	return add(run->msg, fields, true);
}

static int add_path_address(struct script_run *run, const struct address_args *args)
{
	struct span fields[PATH_FIELD_COUNT] = { [PATH_USER] = args->user,
						 [PATH_ADDRESS] = args->address,
						 [PATH_PARAMS] = args->params };
	return add(run->msg, fields, false);
}

static int add_path_received_address(struct script_run *run, const struct address_args *args)
{
	struct span fields[PATH_FIELD_COUNT] = { [PATH_USER] = args->user,
						 [PATH_ADDRESS] = args->address,
						 [PATH_PARAMS] = args->params };
	return add(run->msg, fields, true);
}

static const struct script_function functions[] = {
	FUNCTION_OF("add_path", add_path, user, IN_REQUEST,
		"Adds a Path header with the address of the leaving socket."),
	FUNCTION_OF("add_path_received", add_path_received, user, IN_REQUEST,
		"The same, with the address that the request came from."),
	FUNCTION_OF("add_path_advertised_address", add_path_address, address, IN_REQUEST,
		"Adds a Path header with a given address."),
	FUNCTION_OF("add_path_received_advertised_address", add_path_received_address, address,
		IN_REQUEST, "The same, with the address that the request came from."),
};

/* ---- the way back ------------------------------------------------------------------------------------ */

/* compact = address "~" port "~" transport number */
static bool write_compact(struct writer *w, struct span text)
{
	struct span rest = text, address, port, number;
	int64_t port_number, transport;
	if (!span_split(&rest, '~', &address) || !span_split(&rest, '~', &port) ||
	    !span_split(&rest, '~', &number) || !span_to_int64(port, &port_number) ||
	    !span_to_int64(number, &transport) || port_number < 0 || port_number > 65535 ||
	    transport <= TRANSPORT_NONE || transport >= TRANSPORT_COUNT || !address.len)
		return false;
	writer_printf(w, "sip:%.*s:%d", SPAN_ARGS(address), (int)port_number);
	if (transport != TRANSPORT_UDP)
		writer_printf(w, ";transport=%s", transport_name_lower((enum transport)transport));
	return true;
}

static void on_routed(struct message *msg, struct span params)
{
	struct span value;
	(void)params;
	if (!rr->route_param(msg, settings.received_name, &value) || !value.len)
		return;
	struct writer w = writer_in_arena(msg->arena, 64);
	bool is_uri = settings.received_format == RECEIVED_URI;
	if (is_uri)
		uri_write_unescaped(&w, value);
	struct sip_uri uri;
	if ((!is_uri && !write_compact(&w, value)) || w.failed ||
	    !uri_parse(writer_result(&w), &uri)) {
		log_info("the parameter %.*s of a Route header is no address",
			 SPAN_ARGS(settings.received_name));
		return;
	}
	message_set_dst_uri(msg, writer_result(&w));
}

static bool prepare(struct diagnostics *diagnostics)
{
	if (!settings.use_received)
		return true;
	if (rr)
		return rr->on_routed(on_routed);
	diagnostic_add(diagnostics, SEVERITY_ERROR, "module-needs",
		       module_setting_position("path", "use_received"),
		       "path: use_received needs module rr: add loadmodule \"rr.so\" before it");
	return false;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "path",
	.doc = "Path headers for registrations that pass a proxy.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.needs = ROWS(needs),
	.prepare = prepare,
};
