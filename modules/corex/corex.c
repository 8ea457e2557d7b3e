/* SPDX-License-Identifier: BSD-2-Clause */
/* corex: destinations, raw sending, sockets and flags beyond what the language itself has. */
#include <errno.h>
#include <stdio.h>

#include "core/net/locate.h"
#include "core/script/registry.h"
#include "modules/corex/corex.h"

struct branch_args { struct span uri, q; };
struct text_args { struct span text; };
struct data_args { struct span uri, data; };
struct datax_args { struct span uri, socket, data; };
struct number_args { int64_t number; };
struct file_args { struct span path; const struct variable_ref *variable; };
struct write_args { struct span path, content; };

/* ---- destinations ------------------------------------------------------------------------------------- */

static const struct field append_branch_fields[] = {
	FIELD(struct branch_args, uri, "URI; without it the current destination", .optional = true),
	FIELD(struct branch_args, q, "0.0 … 1.0", .optional = true),
};
#define append_branch_args branch_args
SCRIPT_HANDLER(append_branch)
static int append_branch(struct script_run *run, const struct append_branch_args *args)
{
	struct branch branch = { .q = Q_UNSPECIFIED };
	if (args->uri.len) {
		branch.uri = args->uri;
		branch.flags = run->msg->target.flags;
		branch.socket = run->msg->target.socket;
	} else {
		branch = run->msg->target;
		branch.uri = message_uri(run->msg);
	}
	if (args->q.len && !q_parse(args->q, &branch.q)) {
		log_error("append_branch: \"%.*s\" is no q value", SPAN_ARGS(args->q));
		return SCRIPT_FALSE;
	}
	return message_add_branch(run->msg, &branch) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- raw sending ----------------------------------------------------------------------------------------- */

static bool send_to(struct script_run *run, struct span place, const struct listener *from, struct span bytes)
{
	struct located located;
	struct sip_uri uri;
	struct span text = uri_parse(place, &uri) && uri_is_sip(&uri) ? place :
		arena_printf(run->arena, "sip:%.*s", SPAN_ARGS(place));
	if (!locate_uri(text, &located)) {
		log_error("cannot resolve \"%.*s\"", SPAN_ARGS(place));
		return false;
	}
	struct send_target target = { .to = located.targets[0], .from = from };
	return send_bytes(&target, bytes, true) == SEND_OK;
}

static const struct field place_fields[] = {
	FIELD(struct text_args, text, "host[:port]; without it the Request-URI or $du", .optional = true) };
static const struct field send_data_fields[] = {
	FIELD(struct data_args, uri, "SIP URI of the receiver"), FIELD(struct data_args, data, "what to send") };
static const struct field sendx_fields[] = {
	FIELD(struct datax_args, uri, "SIP URI of the receiver"), FIELD(struct datax_args, socket, "proto:ip:port to send from"),
	FIELD(struct datax_args, data, "what to send") };
#define send_udp_args text_args
#define send_udp_fields place_fields
#define send_data_args data_args
#define sendx_args datax_args
SCRIPT_HANDLER(send_udp)
SCRIPT_HANDLER(send_data)
SCRIPT_HANDLER(sendx)

static int send_udp(struct script_run *run, const struct send_udp_args *args)
{
	struct span place = args->text;
	if (!place.len)
		place = run->msg->target.dst_uri.at ? run->msg->target.dst_uri : message_uri(run->msg);
	return send_to(run, place, run->msg->target.socket, run->msg->bytes) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int send_data(struct script_run *run, const struct send_data_args *args)
{
	return send_to(run, args->uri, NULL, args->data) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static const struct listener *find_socket(struct span text)
{
	struct end_point address;
	const struct listener *listener = end_point_parse(text, &address) ? listener_find(&address) : NULL;
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

static const struct field text_fields[] = { FIELD(struct text_args, text, "text, may contain variables") };
#define set_send_socket_args text_args
#define set_send_socket_fields text_fields
#define set_send_socket_name_args text_args
#define set_send_socket_name_fields text_fields
#define set_recv_socket_args text_args
#define set_recv_socket_fields text_fields
#define set_recv_socket_name_args text_args
#define set_recv_socket_name_fields text_fields
#define set_source_address_args text_args
#define set_source_address_fields text_fields
#define is_socket_name_args text_args
#define is_socket_name_fields text_fields
SCRIPT_HANDLER(set_send_socket)
SCRIPT_HANDLER(set_send_socket_name)
SCRIPT_HANDLER(set_recv_socket)
SCRIPT_HANDLER(set_recv_socket_name)
SCRIPT_HANDLER(set_source_address)
SCRIPT_HANDLER(is_socket_name)
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

static int set_send_socket(struct script_run *run, const struct set_send_socket_args *args)
{
	return use_send_socket(run, find_socket(args->text));
}

static int set_send_socket_name(struct script_run *run, const struct set_send_socket_name_args *args)
{
	return use_send_socket(run, listener_by_name(args->text));
}

static int set_recv_socket(struct script_run *run, const struct set_recv_socket_args *args)
{
	return use_recv_socket(run, find_socket(args->text));
}

static int set_recv_socket_name(struct script_run *run, const struct set_recv_socket_name_args *args)
{
	return use_recv_socket(run, listener_by_name(args->text));
}

static int set_source_address(struct script_run *run, const struct set_source_address_args *args)
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

static int is_socket_name(struct script_run *run, const struct is_socket_name_args *args)
{
	return listener_by_name(args->text) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_faked_msg(struct script_run *run)
{
	return run->msg->notes & NOTE_FAKED ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- extended flags: 64 bits beside $mf, kept with the message ------------------------------------------------ */

static unsigned xflag_slot;

static uint64_t *xflags(struct message *msg)
{
	if (!msg->slots[xflag_slot])
		msg->slots[xflag_slot] = ARENA_NEW(msg->arena, uint64_t);
	return msg->slots[xflag_slot];
}

static const struct field xflag_fields[] = { FIELD(struct number_args, number, "flag 0-63", .max = 63) };
#define setxflag_args number_args
#define setxflag_fields xflag_fields
#define resetxflag_args number_args
#define resetxflag_fields xflag_fields
#define isxflagset_args number_args
#define isxflagset_fields xflag_fields
SCRIPT_HANDLER(setxflag)
SCRIPT_HANDLER(resetxflag)
SCRIPT_HANDLER(isxflagset)

static int setxflag(struct script_run *run, const struct setxflag_args *args)
{
	uint64_t *flags = xflags(run->msg);
	if (flags)
		*flags |= (uint64_t)1 << args->number;
	return flags ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int resetxflag(struct script_run *run, const struct resetxflag_args *args)
{
	uint64_t *flags = xflags(run->msg);
	if (flags)
		*flags &= ~((uint64_t)1 << args->number);
	return flags ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int isxflagset(struct script_run *run, const struct isxflagset_args *args)
{
	const uint64_t *flags = xflags(run->msg);
	return flags && (*flags >> args->number & 1) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

#define FILE_MOST (1u << 20)

static const struct field file_read_fields[] = {
	FIELD(struct file_args, path, "path of the file"), FIELD(struct file_args, variable, "variable that takes the content") };
static const struct field file_write_fields[] = {
	FIELD(struct write_args, path, "path of the file"), FIELD(struct write_args, content, "what to write") };
#define file_read_args file_args
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
	return !w.failed && variable_write(run, args->variable, &value) ? SCRIPT_TRUE : SCRIPT_FALSE;
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
	return !message_is_request(run->msg) && forward_reply(run->msg) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- settings ------------------------------------------------------------------------------------------------------ */

#define SUBDOMAINS_MOST 64
static struct span subdomains[SUBDOMAINS_MOST];
static unsigned subdomain_count;

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
	xflag_slot = message_slot("corex");
	if (subdomain_count)
		myself_register(is_subdomain);
	return true;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("alias_subdomains", add_subdomain, "[proto:]domain that is ours with all below it, repeatable"),
	FIELD_IGNORED("dns_cache", "use the hosts file of the system"),
	FIELD_IGNORED("dns_file", "use the hosts file of the system"),
	FIELD_IGNORED("evcb_reply_out", "routes are in the native language"),
	FIELD_IGNORED("nio_intercept", "raw packets cannot be changed yet"),
	FIELD_IGNORED("nio_min_msg_len", "raw packets cannot be changed yet"),
	FIELD_IGNORED("nio_msg_avp", "raw packets cannot be changed yet"),
};

static const struct script_function functions[] = {
	FUNCTION("append_branch", append_branch, ROUTE_REQUEST | ROUTE_FAILURE | ROUTE_BRANCH_FAILURE, "Adds a destination."),
	FUNCTION("send_udp", send_udp, IN_ANY, "Sends the message as received."),
	FUNCTION("send_data", send_data, IN_ANY, "Sends any data to the address of a SIP URI."),
	FUNCTION("sendx", sendx, IN_ANY, "Sends any data from a listen address."),
	FUNCTION("set_send_socket", set_send_socket, IN_ANY, "Sends from this listen address."),
	FUNCTION("set_send_socket_name", set_send_socket_name, IN_ANY, "Sends from the listen address with this name."),
	FUNCTION("set_recv_socket", set_recv_socket, IN_ANY, "Treats the message as received on this address."),
	FUNCTION("set_recv_socket_name", set_recv_socket_name, IN_ANY, "Treats the message as received on this socket."),
	FUNCTION("set_source_address", set_source_address, IN_ANY, "Treats the message as sent from this address."),
	FUNCTION("is_socket_name", is_socket_name, IN_ANY, "Is there a listen address with this name?"),
	FUNCTION_PLAIN("is_faked_msg", is_faked_msg, IN_ANY, "Was the message made by the server itself?"),
	FUNCTION("setxflag", setxflag, IN_ANY, "Sets an extended flag."),
	FUNCTION("resetxflag", resetxflag, IN_ANY, "Clears an extended flag."),
	FUNCTION("isxflagset", isxflagset, IN_ANY, "Is the extended flag set?"),
	FUNCTION("file_read", file_read, IN_ANY, "Reads a file into a variable."),
	FUNCTION("file_write", file_write, IN_ANY, "Writes text into a file."),
	FUNCTION_PLAIN("forward_reply", forward_reply_now, IN_ANY_REPLY, "Forwards the reply now, without state."),
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "corex",
	.doc = "Destinations, raw sending, sockets and flags beyond the language itself.",
	.settings = { NULL, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.commands = { corex_commands, COREX_COMMAND_COUNT },
	.prepare = prepare,
};
