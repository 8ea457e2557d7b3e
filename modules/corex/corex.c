/* SPDX-License-Identifier: BSD-2-Clause */
/* corex: destinations, raw sending, sockets and flags beyond what the language itself has. */
#include <errno.h>
#include <stdio.h>

#include "core/net/locate.h"
#include "core/script/registry.h"
#include "modules/corex/corex.h"

struct branch_args {
	struct span uri, q;
};
struct text_args {
	struct span text;
};
struct data_args {
	struct span uri, data;
};
struct datax_args {
	struct span uri, socket, data;
};
struct number_args {
	int64_t number;
};
struct file_args {
	struct span path;
	const struct variable_ref *variable;
};
struct write_args {
	struct span path, content;
};

/* ---- destinations ------------------------------------------------------------------------------------- */

static const struct field append_branch_fields[] = {
	FIELD(struct branch_args, uri, "URI; without it the current destination", .optional = true),
	FIELD(struct branch_args, q, "0.0 … 1.0", .optional = true),
};
#define append_branch_args branch_args
SCRIPT_HANDLER(append_branch)
static int append_branch(struct script_run *run, const struct append_branch_args *args)
{
	struct message *msg = run->msg;
	struct branch branch = msg->target;
	branch.uri = args->uri.len ? args->uri : message_uri(msg);
	branch.q = Q_UNSPECIFIED;
	if (args->q.len && !q_parse(args->q, &branch.q)) {
		log_error("append_branch: \"%.*s\" is no q value", SPAN_ARGS(args->q));
		return SCRIPT_FALSE;
	}
	if (!message_add_branch(msg, &branch))
		return SCRIPT_FALSE;
	/* The current destination went into the branch: its way is forgotten, the URI stays. */
	if (!args->uri.len)
		msg->target = (struct branch){ .uri = msg->target.uri, .q = msg->target.q };
	return SCRIPT_TRUE;
}

/* ---- raw sending ----------------------------------------------------------------------------------------- */

/* `transport` NONE: what the place says. */
static bool send_by(struct script_run *run, struct span place, const struct listener *from,
		    enum transport transport, struct span bytes)
{
	struct located located;
	struct sip_uri uri;
	struct span text = uri_parse(place, &uri) && uri_is_sip(&uri)
				   ? place
				   : arena_printf(run->arena, "sip:%.*s", SPAN_ARGS(place));
	if (!locate_uri(text, &located)) {
		log_error("cannot resolve \"%.*s\"", SPAN_ARGS(place));
		return false;
	}
	struct send_target target = { .to = located.targets[0],
				      .from = from,
				      .wants_result = true };
	if (transport != TRANSPORT_NONE)
		target.to.transport = transport;
	/* Without a wish it leaves by the socket that the message came to, when that can reach the place. */
	if (!from)
		target.from = from = run->msg->from.listener;
	if (from && (from->address.transport != target.to.transport ||
		     from->address.family != target.to.family))
		target.from = NULL;
	/* Data of the script's making is not shown to event_route[network:msg]. */
	wire_pause(transport == TRANSPORT_NONE);
	enum send_result result = send_bytes(&target, bytes, true);
	wire_pause(false);
	if (result == SEND_NO_SOCKET)
		log_error("no listen address can send by %s to \"%.*s\"",
			  transport_name((enum transport)target.to.transport), SPAN_ARGS(place));
	return result == SEND_OK;
}

static bool send_to(struct script_run *run, struct span place, const struct listener *from,
		    struct span bytes)
{
	return send_by(run, place, from, TRANSPORT_NONE, bytes);
}

static const struct field place_fields[] = { FIELD(struct text_args, text,
						   "host[:port]; without it the Request-URI or $du",
						   .optional = true) };
static const struct field send_data_fields[] = { FIELD(struct data_args, uri,
						       "SIP URI of the receiver"),
						 FIELD(struct data_args, data, "what to send") };
static const struct field sendx_fields[] = {
	FIELD(struct datax_args, uri, "SIP URI of the receiver"),
	FIELD(struct datax_args, socket, "proto:ip:port to send from"),
	FIELD(struct datax_args, data, "what to send")
};
#define send_udp_args   text_args
#define send_udp_fields place_fields
#define send_tcp_args   text_args
#define send_tcp_fields place_fields
#define send_data_args  data_args
#define sendx_args      datax_args
SCRIPT_HANDLER(send_udp)
SCRIPT_HANDLER(send_tcp)
SCRIPT_HANDLER(send_data)
SCRIPT_HANDLER(sendx)

static bool resend(struct script_run *run, struct span place, enum transport transport)
{
	const struct message *msg = run->msg;
	if (!place.len)
		place = msg->target.dst_uri.at ? msg->target.dst_uri : message_uri(msg);
	return send_by(run, place, msg->target.socket, transport, msg->bytes);
}

static int send_udp(struct script_run *run, const struct send_udp_args *args)
{
	return resend(run, args->text, TRANSPORT_UDP) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int send_tcp(struct script_run *run, const struct send_tcp_args *args)
{
	return resend(run, args->text, TRANSPORT_TCP) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int send_data(struct script_run *run, const struct send_data_args *args)
{
	return send_to(run, args->uri, NULL, args->data) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static const struct listener *find_socket(struct span text)
{
	struct end_point address;
	const struct listener *listener =
		end_point_parse(text, &address) ? listener_find(&address) : NULL;
	if (!listener)
		log_error("%.*s is none of the listen addresses", SPAN_ARGS(text));
	return listener;
}

static int sendx(struct script_run *run, const struct sendx_args *args)
{
	const struct listener *from = find_socket(args->socket);
	return from && send_to(run, args->uri, from, args->data) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- sockets and addresses of the message ------------------------------------------------------------------ */

static const struct field text_fields[] = { FIELD(struct text_args, text,
						  "text, may contain variables") };
SCRIPT_HANDLER_OF(set_send_socket, text)
SCRIPT_HANDLER_OF(set_send_socket_name, text)
SCRIPT_HANDLER_OF(set_recv_socket, text)
SCRIPT_HANDLER_OF(set_recv_socket_name, text)
SCRIPT_HANDLER_OF(set_source_address, text)
SCRIPT_HANDLER_OF(is_socket_name, text)
SCRIPT_HANDLER_PLAIN(is_faked_msg)

static int use_send_socket(struct script_run *run, const struct listener *listener)
{
	if (listener)
		run->msg->target.socket = listener;
	return listener ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int use_recv_socket(struct script_run *run, const struct listener *listener)
{
	if (!listener)
		return SCRIPT_FALSE;
	run->msg->from.listener = listener;
	run->msg->from.local = listener->address;
	return SCRIPT_TRUE;
}

static int set_send_socket(struct script_run *run, const struct text_args *args)
{
	return use_send_socket(run, find_socket(args->text));
}

static int set_send_socket_name(struct script_run *run, const struct text_args *args)
{
	return use_send_socket(run, listener_by_name(args->text));
}

static int set_recv_socket(struct script_run *run, const struct text_args *args)
{
	return use_recv_socket(run, find_socket(args->text));
}

static int set_recv_socket_name(struct script_run *run, const struct text_args *args)
{
	return use_recv_socket(run, listener_by_name(args->text));
}

static int set_source_address(struct script_run *run, const struct text_args *args)
{
	struct end_point source;
	if (!end_point_parse(args->text, &source))
		return SCRIPT_FALSE;
	if (source.transport == TRANSPORT_NONE)
		source.transport = run->msg->from.source.transport;
	if (source.port == 0)
		source.port = transport_default_port((enum transport)source.transport);
	run->msg->from.source = source;
	return SCRIPT_TRUE;
}

static int is_socket_name(struct script_run *run, const struct text_args *args)
{
	return listener_by_name(args->text) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_faked_msg(struct script_run *run)
{
	return run->msg->notes & NOTE_FAKED ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- extended flags: 64 bits beside $mf, kept with message and transaction ------------------------------------------------ */

static const struct field xflag_fields[] = { FIELD(struct number_args, number, "flag 0-63",
						   .max = 63) };
#define setxflag_args     number_args
#define setxflag_fields   xflag_fields
#define resetxflag_args   number_args
#define resetxflag_fields xflag_fields
#define isxflagset_args   number_args
#define isxflagset_fields xflag_fields
SCRIPT_HANDLER(setxflag)
SCRIPT_HANDLER(resetxflag)
SCRIPT_HANDLER(isxflagset)

static int setxflag(struct script_run *run, const struct setxflag_args *args)
{
	run->msg->extended_flags |= (uint64_t)1 << args->number;
	return SCRIPT_TRUE;
}

static int resetxflag(struct script_run *run, const struct resetxflag_args *args)
{
	run->msg->extended_flags &= ~((uint64_t)1 << args->number);
	return SCRIPT_TRUE;
}

static int isxflagset(struct script_run *run, const struct isxflagset_args *args)
{
	return run->msg->extended_flags >> args->number & 1 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- internal flags: other modules' notes on a message ---------------------------------------------------------- */

SCRIPT_HANDLER_OF(msg_iflag_set, text)
SCRIPT_HANDLER_OF(msg_iflag_reset, text)
SCRIPT_HANDLER_OF(msg_iflag_is_set, text)

/* A name's bit, or the number of a bit; 0 with a log line when it is neither. */
static uint32_t internal_flag(struct span name)
{
	static const char *const names[] = { "USE_UAC_FROM", "USE_UAC_TO", "UAC_AUTH",
					     "MSG_APPLY_CHANGES" };
	uint32_t number;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (span_equal_nocase(name, span_from(names[i])))
			return 1u << i;
	if (span_to_uint32(name, &number) && number < 32)
		return 1u << number;
	log_error("there is no internal flag \"%.*s\"", SPAN_ARGS(name));
	return 0;
}

static int msg_iflag_set(struct script_run *run, const struct text_args *args)
{
	uint32_t flag = internal_flag(args->text);
	run->msg->internal_flags |= flag;
	return flag ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int msg_iflag_reset(struct script_run *run, const struct text_args *args)
{
	uint32_t flag = internal_flag(args->text);
	run->msg->internal_flags &= ~flag;
	return flag ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int msg_iflag_is_set(struct script_run *run, const struct text_args *args)
{
	return run->msg->internal_flags & internal_flag(args->text) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- our Via ------------------------------------------------------------------------------------------------------ */

static const struct field switch_fields[] = { FIELD(struct number_args, number, "1: yes, 0: no") };
#define via_add_srvid_args               number_args
#define via_add_srvid_fields             switch_fields
#define via_add_xavp_params_args         number_args
#define via_add_xavp_params_fields       switch_fields
#define via_use_xavp_fields_args         number_args
#define via_use_xavp_fields_fields       switch_fields
#define via_reply_add_xavp_params_args   number_args
#define via_reply_add_xavp_params_fields switch_fields
SCRIPT_HANDLER(via_add_srvid)
SCRIPT_HANDLER(via_add_xavp_params)
SCRIPT_HANDLER(via_use_xavp_fields)
SCRIPT_HANDLER(via_reply_add_xavp_params)

static int switch_note(struct script_run *run, uint32_t note, int64_t number)
{
	run->msg->notes = number & 1 ? run->msg->notes | note : run->msg->notes & ~note;
	return SCRIPT_TRUE;
}

static int via_add_srvid(struct script_run *run, const struct via_add_srvid_args *args)
{
	return switch_note(run, NOTE_VIA_SERVER_ID, args->number);
}

static int via_add_xavp_params(struct script_run *run, const struct via_add_xavp_params_args *args)
{
	return switch_note(run, NOTE_VIA_PARAMS, args->number);
}

static int via_use_xavp_fields(struct script_run *run, const struct via_use_xavp_fields_args *args)
{
	return switch_note(run, NOTE_VIA_ADDRESS, args->number);
}

static int via_reply_add_xavp_params(struct script_run *run,
				     const struct via_reply_add_xavp_params_args *args)
{
	return switch_note(run, NOTE_VIA_REPLY_PARAMS, args->number);
}

/* ---- forwarding with our Via alone ------------------------------------------------------------------------------- */

struct uac_args {
	int64_t branch;
};
struct uac_uri_args {
	struct span uri;
	int64_t branch;
};
static const struct field uac_fields[] = { FIELD(
	struct uac_args, branch, "number of the branch, default 0", .optional = true, .max = 31) };
static const struct field uac_uri_fields[] = {
	FIELD(struct uac_uri_args, uri, "SIP URI of the receiver"),
	FIELD(struct uac_uri_args, branch, "number of the branch, default 0", .optional = true,
	      .max = 31),
};
SCRIPT_HANDLER_OF(forward_uac, uac)
SCRIPT_HANDLER_OF(forward_uac_uri, uac_uri)

#define EDIT_TAG_NO_VIA 0xc0e0 /* undone before the handler returns */

static bool forward_alone(struct script_run *run, struct span uri, int64_t branch)
{
	struct message *msg = run->msg;
	const struct branch kept = msg->target;
	bool is_sent = message_is_request(msg);
	if (branch > (int64_t)msg->branch_count)
		return false;
	if (branch)
		msg->target = msg->branches[branch - 1];
	if (uri.len)
		msg->target.dst_uri = uri;
	for (const struct sip_header *h = message_header(msg, HEADER_VIA); h;
	     h = message_next_header(msg, h)) {
		struct edit *edit = edit_remove_header(msg, h);
		if (edit)
			edit->tag = EDIT_TAG_NO_VIA;
		is_sent = is_sent && edit;
	}
	is_sent = is_sent && forward_request(run, msg);
	edit_undo(msg, EDIT_TAG_NO_VIA);
	msg->target = kept;
	return is_sent;
}

static int forward_uac(struct script_run *run, const struct uac_args *args)
{
	return forward_alone(run, (struct span){ NULL, 0 }, args->branch) ? SCRIPT_TRUE
									  : SCRIPT_FALSE;
}

static int forward_uac_uri(struct script_run *run, const struct uac_uri_args *args)
{
	return forward_alone(run, args->uri, args->branch) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

#define FILE_MOST (1u << 20)

static const struct field file_read_fields[] = { FIELD(struct file_args, path, "path of the file"),
						 FIELD(struct file_args, variable,
						       "variable that takes the content") };
static const struct field file_write_fields[] = {
	FIELD(struct write_args, path, "path of the file"),
	FIELD(struct write_args, content, "what to write")
};
#define file_read_args  file_args
#define file_write_args write_args
SCRIPT_HANDLER(file_read)
SCRIPT_HANDLER(file_write)

static FILE *open_file(struct script_run *run, struct span path, const char *mode)
{
	const char *name = arena_string(run->arena, path);
	FILE *file = name ? fopen(name, mode) : NULL;
	if (!file)
		log_error("cannot open %.*s: %m", SPAN_ARGS(path));
	return file;
}

static int file_read(struct script_run *run, const struct file_read_args *args)
{
	FILE *file = open_file(run, args->path, "re");
	struct writer w = writer_in_arena(run->arena, 4096);
	while (file && w.len < FILE_MOST && writer_reserve(&w, 4096)) {
		size_t got = fread(w.data + w.len, 1, 4096, file);
		if (got == 0)
			break;
		w.len += got;
	}
	if (!file)
		return SCRIPT_FALSE;
	fclose(file);
	const struct value value = VALUE_OF_TEXT(writer_result(&w));
	return !w.failed && variable_write(run, args->variable, &value) ? SCRIPT_TRUE
									: SCRIPT_FALSE;
}

static int file_write(struct script_run *run, const struct file_write_args *args)
{
	FILE *file = open_file(run, args->path, "we");
	if (!file)
		return SCRIPT_FALSE;
	bool is_written = fwrite(args->content.at, 1, args->content.len, file) == args->content.len;
	return fclose(file) == 0 && is_written ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- replies ------------------------------------------------------------------------------------------------------- */

SCRIPT_HANDLER_PLAIN(forward_reply_now)
static int forward_reply_now(struct script_run *run)
{
	return !message_is_request(run->msg) && forward_reply(run->msg) ? SCRIPT_TRUE
									: SCRIPT_FALSE;
}

/* ---- settings ------------------------------------------------------------------------------------------------------ */

#define SUBDOMAINS_MOST 64
static struct span subdomains[SUBDOMAINS_MOST];
static unsigned subdomain_count;
static struct wire_settings settings;

/* "udp:example.org" or "example.org": it and everything below it is ours. */
static const char *add_subdomain(struct span text, int64_t number)
{
	(void)number;
	size_t colon = span_find(text, ':', 0);
	if (!text.len || subdomain_count == SUBDOMAINS_MOST)
		return "expects [proto:]domain, at most 64 of them";
	if (colon < text.len && transport_from_span(span_slice(text, 0, colon)) != TRANSPORT_NONE)
		text = span_slice(text, colon + 1, text.len);
	subdomains[subdomain_count++] = text;
	return NULL;
}

static bool is_subdomain(struct span host, uint16_t port, enum transport transport)
{
	(void)port;
	(void)transport;
	for (unsigned i = 0; i < subdomain_count; i++) {
		struct span domain = subdomains[i];
		if (span_equal_nocase(host, domain))
			return true;
		if (host.len > domain.len && host.at[host.len - domain.len - 1] == '.' &&
		    span_equal_nocase(span_slice(host, host.len - domain.len, domain.len), domain))
			return true;
	}
	return false;
}

static bool prepare(struct diagnostics *diagnostics)
{
	if (subdomain_count)
		myself_register(is_subdomain);
	return names_prepare(diagnostics) && wire_prepare(&settings, diagnostics);
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("alias_subdomains", add_subdomain,
		     "[proto:]domain that is ours with all below it, repeatable"),
	FIELD_ACCEPT("dns_cache", names_add,
		     "what to say of a name instead of DNS: type=A;name=...;addr=...;ttl=...;flags=..., repeatable"),
	FIELD_ACCEPT("dns_file", names_add_file, "file of such records, one a line"),
	FIELD_IGNORED("evcb_reply_out", "routes are in the native language"),
	FIELD(settings, nio_intercept, "not 0: event_route[network:msg] sees what comes and what leaves"),
	FIELD(settings, nio_min_msg_len, "bytes of the smallest message that it sees"),
	FIELD(settings, nio_msg_avp, "variable in which it leaves the bytes to go on with"),
};

/* ---- $lsock(m/value/field): m is n (by name) or l (by address) ------------------------------------------------------- */

enum lsock_field { LSOCK_LISTEN, LSOCK_NAME, LSOCK_ADVERTISE, LSOCK_INDEX };
struct lsock_question {
	bool by_name;
	struct span value;
	enum lsock_field field;
};

static bool parse_lsock(struct span text, struct lsock_question *out)
{
	struct span match, value, field;
	if (!span_split(&text, '/', &match) || !span_split(&text, '/', &value) ||
	    !span_split(&text, '/', &field))
		return false;
	if (match.len != 1 || !strchr("nNlL", match.at[0]) || !value.len || !field.len || text.at)
		return false;
	static const char letters[] = "lnai"; /* in the order of enum lsock_field */
	const char *letter = memchr(letters, ascii_lower(field.at[0]), sizeof(letters) - 1);
	if (letter)
		out->field = (enum lsock_field)(letter - letters);
	out->by_name = ascii_lower(match.at[0]) == 'n';
	out->value = value;
	return letter != NULL;
}

static bool get_lsock(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct lsock_question question;
	struct end_point address;
	if (!parse_lsock(variable_inner_text(run, ref), &question)) {
		log_error(
			"$lsock expects n/NAME/field or l/ADDRESS/field with listen, name, advertise or index");
		return false;
	}
	const struct listener *listener = NULL;
	if (question.by_name)
		listener = listener_by_name(question.value);
	else if (end_point_parse(question.value, &address))
		listener = listener_find(&address);
	if (!listener)
		return true;
	bool is_advertised = listener->advertised_host.at || listener->advertised_port;
	switch (question.field) {
	case LSOCK_LISTEN: *out = VALUE_OF_TEXT(listener->text); break;
	case LSOCK_NAME:
		if (listener->name.at)
			*out = VALUE_OF_TEXT(listener->name);
		break;
	case LSOCK_ADVERTISE:
		if (is_advertised)
			*out = VALUE_OF_TEXT(arena_printf(
				run->arena, "%s:%.*s",
				transport_name_lower((enum transport)listener->address.transport),
				SPAN_ARGS(listener->host_port)));
		break;
	case LSOCK_INDEX: *out = VALUE_OF_INT(listener->index); break;
	}
	return true;
}

static const struct variable_row variables[] = {
	{ "lsock", INNER_NAME, get_lsock,
	  .doc = "A listen address: n/NAME/field or l/ADDRESS/field; fields listen, name, advertise, index." },
};

static const struct script_function functions[] = {
	FUNCTION("append_branch", append_branch,
		 ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_BRANCH_FAILURE, "Adds a destination."),
	FUNCTION("send_udp", send_udp, IN_ANY, "Sends the message as received."),
	FUNCTION("send_tcp", send_tcp, IN_ANY, "Sends the message as received, by TCP."),
	FUNCTION("send_data", send_data, IN_ANY, "Sends any data to the address of a SIP URI."),
	FUNCTION("sendx", sendx, IN_ANY, "Sends any data from a listen address."),
	FUNCTION_OF("set_send_socket", set_send_socket, text, IN_ANY, "Sends from this listen address."),
	FUNCTION_OF("set_send_socket_name", set_send_socket_name, text, IN_ANY,
		 "Sends from the listen address with this name."),
	FUNCTION_OF("set_recv_socket", set_recv_socket, text, IN_ANY,
		 "Treats the message as received on this address."),
	FUNCTION_OF("set_recv_socket_name", set_recv_socket_name, text, IN_ANY,
		 "Treats the message as received on this socket."),
	FUNCTION_OF("set_source_address", set_source_address, text, IN_ANY,
		 "Treats the message as sent from this address."),
	FUNCTION_OF("is_socket_name", is_socket_name, text, IN_ANY,
		 "Is there a listen address with this name?"),
	FUNCTION_PLAIN("is_faked_msg", is_faked_msg, IN_ANY,
		       "Was the message made by the server itself?"),
	FUNCTION("setxflag", setxflag, IN_ANY, "Sets an extended flag."),
	FUNCTION("resetxflag", resetxflag, IN_ANY, "Clears an extended flag."),
	FUNCTION("isxflagset", isxflagset, IN_ANY, "Is the extended flag set?"),
	FUNCTION_OF("msg_iflag_set", msg_iflag_set, text, IN_ANY, "Sets an internal flag."),
	FUNCTION_OF("msg_iflag_reset", msg_iflag_reset, text, IN_ANY, "Clears an internal flag."),
	FUNCTION_OF("msg_iflag_is_set", msg_iflag_is_set, text, IN_ANY, "Is the internal flag set?"),
	FUNCTION("via_add_srvid", via_add_srvid, IN_ANY, "Puts server_id into our Via, or not."),
	FUNCTION("via_add_xavp_params", via_add_xavp_params, IN_ANY,
		 "Puts members of an XAVP into our Via, or not."),
	FUNCTION("via_use_xavp_fields", via_use_xavp_fields, IN_ANY,
		 "Takes the address of our Via from an XAVP, or not."),
	FUNCTION("via_reply_add_xavp_params", via_reply_add_xavp_params, IN_ANY,
		 "Puts members of an XAVP into the top Via of the reply, or not."),
	FUNCTION_OF("forward_uac", forward_uac, uac, IN_REQUEST,
		 "Forwards the request with our Via alone."),
	FUNCTION_OF("forward_uac_uri", forward_uac_uri, uac_uri, IN_REQUEST,
		 "Forwards the request with our Via alone to a URI."),
	FUNCTION("file_read", file_read, IN_ANY, "Reads a file into a variable."),
	FUNCTION("file_write", file_write, IN_ANY, "Writes text into a file."),
	FUNCTION_PLAIN("forward_reply", forward_reply_now, IN_ANY_REPLY,
		       "Forwards the reply now, without state."),
};

static const struct function_table *const more_functions[] = { &wire_functions, &via_flag_functions,
							       NULL };

static const struct module_event events[] = {
	{ "network:msg", ROUTE_EVENT, "bytes came or are about to leave, with nio_intercept" },
	{ "corex:reply-out", ROUTE_EVENT, "a reply leaves" },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "corex",
	.doc = "Destinations, raw sending, sockets and flags beyond the language itself.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.more_functions = more_functions,
	.events = ROWS(events),
	.variables = ROWS(variables),
	.commands = { corex_commands, COREX_COMMAND_COUNT },
	.prepare = prepare,
};
