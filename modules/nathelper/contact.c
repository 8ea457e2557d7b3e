/* SPDX-License-Identifier: BSD-2-Clause */
/* Contacts: the address that a message came from in place of, or beside, what the phone says.
 *
 * alias = address "~" port "~" transport number, a URI parameter. Where a message has several
 * contacts, the last one of the first header counts. Changes carry EDIT_TAG_CONTACT, so that
 * registrars see them before they are applied. */
#include "modules/nathelper/nathelper.h"

enum { ALIAS_DONE = 1, ALIAS_NOTHING = 2 };

bool contact_of(const struct message *msg, struct contact *out)
{
	out->header = message_header(msg, HEADER_CONTACT);
	if (!out->header)
		return false;
	struct span rest = message_header_value(msg, out->header);
	bool is_found = false;
	while (name_addr_next(&rest, &out->address) == LIST_ITEM)
		is_found = true;
	return is_found && !out->address.is_star && uri_parse(out->address.uri, &out->uri) &&
	       uri_is_sip(&out->uri);
}

static bool change(struct message *msg, const char *at, size_t removed, struct span text)
{
	struct edit *edit =
		edit_replace(msg, (uint32_t)(at - msg->bytes.at), (uint32_t)removed, text);
	if (!edit)
		return false;
	edit->header = HEADER_CONTACT;
	edit->tag = EDIT_TAG_CONTACT;
	return true;
}

/* Has this very URI been changed already? The script cannot see that yet. */
static bool is_changed(const struct message *msg, const struct contact *contact)
{
	size_t start = (size_t)(contact->uri.whole.at - msg->bytes.at);
	for (const struct edit *edit = msg->edits; edit; edit = edit->next)
		if (edit->tag == EDIT_TAG_CONTACT && edit->at >= start &&
		    edit->at <= start + contact->uri.whole.len)
			return true;
	return false;
}

/* ---- texts ----------------------------------------------------------------------------------------- */

static struct span source_alias(struct message *msg)
{
	const struct end_point *source = &msg->from.source;
	struct writer w = writer_in_arena(msg->arena, 80);
	end_point_write_host(&w, source);
	writer_printf(&w, "~%u~%u", source->port, source->transport);
	return w.failed ? SPAN_OF("") : writer_result(&w);
}

/* "sip:192.0.2.1:5060;transport=tcp", without the transport for UDP. */
static struct span source_uri(struct message *msg)
{
	const struct end_point *source = &msg->from.source;
	struct writer w = writer_in_arena(msg->arena, 80);
	writer_literal(&w, "sip:");
	end_point_write_host(&w, source);
	writer_printf(&w, ":%u", source->port);
	if (source->transport != TRANSPORT_UDP)
		writer_printf(&w, ";transport=%s", transport_name_lower(source->transport));
	return w.failed ? SPAN_OF("") : writer_result(&w);
}

static struct span source_host_port(struct message *msg)
{
	struct writer w = writer_in_arena(msg->arena, 80);
	end_point_write_host(&w, &msg->from.source);
	writer_printf(&w, ":%u", msg->from.source.port);
	return w.failed ? SPAN_OF("") : writer_result(&w);
}

/* The URI that an alias means; absent when it is malformed. Web sockets are named alike, secure or
 * not (RFC 7118). */
static struct span alias_uri(struct arena *arena, struct span alias)
{
	struct span rest = alias, address, port, number;
	struct end_point end;
	int64_t port_number, transport;
	if (!span_split(&rest, '~', &address) || !span_split(&rest, '~', &port) ||
	    !span_split(&rest, '~', &number) || !end_point_parse_ip(address, &end) ||
	    !span_to_int64(port, &port_number) || port_number <= 0 || port_number > 65535 ||
	    !span_to_int64(number, &transport) || transport <= TRANSPORT_NONE ||
	    transport >= TRANSPORT_COUNT)
		return (struct span){ NULL, 0 };
	struct writer w = writer_in_arena(arena, 80);
	writer_literal(&w, "sip:");
	end_point_write_host(&w, &end);
	writer_printf(&w, ":%d", (int)port_number);
	if (transport == TRANSPORT_WSS)
		transport = TRANSPORT_WS;
	if (transport != TRANSPORT_UDP)
		writer_printf(&w, ";transport=%s", transport_name_lower((enum transport)transport));
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

/* The alias parameter of a URI, the first or the last one; `*out_whole` is it with its ";". */
static bool find_alias(const struct sip_uri *uri, bool last, struct span *out_value,
		       struct span *out_whole)
{
	struct param_list list = params_over(uri->params, ';');
	struct param param;
	bool is_found = false;
	while (uri->params.at && (last || !is_found) && params_next(&list, &param) == LIST_ITEM) {
		if (!span_equal_nocase(param.name, nathelper_settings->alias_name) ||
		    !param.value.len)
			continue;
		*out_value = param.value;
		*out_whole = span_make(param.whole.at - 1, param.whole.len + 1);
		is_found = true;
	}
	return is_found;
}

/* ---- Contact --------------------------------------------------------------------------------------- */

SCRIPT_HANDLER_PLAIN(fix_contact)

static int fix_contact(struct script_run *run)
{
	struct message *msg = run->msg;
	struct contact contact;
	if (!contact_of(msg, &contact))
		return SCRIPT_FALSE;
	if (is_changed(msg, &contact))
		return SCRIPT_TRUE;
	struct span text = source_host_port(msg);
	return text.len && change(msg, contact.uri.hostport.at, contact.uri.hostport.len, text)
		       ? SCRIPT_TRUE
		       : SCRIPT_FALSE;
}

/* Inserts ";alias=…" at a place in the URI; one without brackets gets them, else it would be a
 * parameter of the header. */
static bool insert_alias(struct message *msg, const struct contact *contact, const char *at,
			 struct span alias)
{
	struct span uri = contact->address.uri;
	bool at_end = at == uri.at + uri.len, bare = !contact->address.has_brackets;
	struct span text =
		arena_printf(msg->arena, ";%.*s=%.*s%s", SPAN_ARGS(nathelper_settings->alias_name),
			     SPAN_ARGS(alias), bare && at_end ? ">" : "");
	return alias.len && text.at && (!bare || change(msg, uri.at, 0, SPAN_OF("<"))) &&
	       change(msg, at, 0, text) &&
	       (!bare || at_end || change(msg, uri.at + uri.len, 0, SPAN_OF(">")));
}

/* Does the URI say where the message came from? */
static bool contact_is_source(const struct message *msg, const struct sip_uri *uri)
{
	const struct end_point *source = &msg->from.source;
	struct end_point address;
	unsigned transport = uri->transport == SIP_TRANSPORT_NONE ? TRANSPORT_UDP : uri->transport;
	return end_point_parse_ip(uri->host, &address) && end_point_same_ip(&address, source) &&
	       uri_port(uri) == source->port && transport == source->transport;
}

struct alias_args {
	struct span address, port, transport;
};
static const struct field alias_fields[] = {
	FIELD(struct alias_args, address, "IP address", .optional = true),
	FIELD(struct alias_args, port, "port", .optional = true),
	FIELD(struct alias_args, transport, "udp, tcp, tls, sctp, ws or wss", .optional = true),
};
SCRIPT_HANDLER_OF(add_alias, alias)

/* The alias of three arguments; empty when they are no address. */
static struct span given_alias(struct message *msg, const struct alias_args *args)
{
	struct end_point address;
	int64_t port;
	enum transport transport = transport_from_span(args->transport);
	if (!end_point_parse_ip(args->address, &address) || !span_to_int64(args->port, &port) ||
	    port <= 0 || port > 65535 || transport == TRANSPORT_NONE) {
		log_error("add_contact_alias: \"%.*s\", \"%.*s\", \"%.*s\" are no IP address, port "
			  "and transport",
			  SPAN_ARGS(args->address), SPAN_ARGS(args->port),
			  SPAN_ARGS(args->transport));
		return SPAN_OF("");
	}
	return arena_printf(msg->arena, "%.*s~%d~%d", SPAN_ARGS(args->address), (int)port,
			    (int)transport);
}

static int add_alias(struct script_run *run, const struct alias_args *args)
{
	struct message *msg = run->msg;
	struct contact contact;
	if (!message_header(msg, HEADER_CONTACT))
		return ALIAS_NOTHING;
	if (!contact_of(msg, &contact))
		return SCRIPT_FALSE;
	if (!args->address.at && contact_is_source(msg, &contact.uri))
		return ALIAS_NOTHING;
	struct span alias = args->address.at ? given_alias(msg, args) : source_alias(msg);
	const char *at = contact.uri.hostport.at + contact.uri.hostport.len;
	return insert_alias(msg, &contact, at, alias) ? ALIAS_DONE : SCRIPT_FALSE;
}

struct set_alias_args {
	int64_t trim;
};
static const struct field set_alias_fields[] = {
	FIELD(struct set_alias_args, trim, "1: an alias that is there goes", .optional = true,
		.max = 1),
};
SCRIPT_HANDLER(set_alias)

static int set_alias(struct script_run *run, const struct set_alias_args *args)
{
	struct message *msg = run->msg;
	struct contact contact;
	struct span value, whole;
	if (!contact_of(msg, &contact))
		return SCRIPT_FALSE;
	if (is_changed(msg, &contact))
		return SCRIPT_TRUE;
	if (args->trim && find_alias(&contact.uri, false, &value, &whole) &&
	    !change(msg, whole.at, whole.len, SPAN_OF("")))
		return SCRIPT_FALSE;
	struct span uri = contact.address.uri;
	const char *at = contact.uri.headers.at ? contact.uri.headers.at - 1 : uri.at + uri.len;
	return insert_alias(msg, &contact, at, source_alias(msg)) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- received -------------------------------------------------------------------------------------- */

struct received_args {
	int64_t in_uri;
};
static const struct field received_fields[] = {
	FIELD(struct received_args, in_uri, "1: into the URI, else into the header",
		.optional = true),
};
SCRIPT_HANDLER_OF(add_received, received)
SCRIPT_HANDLER_PLAIN(fix_register)

static bool add_received_to(struct message *msg, const struct name_addr *address, bool in_uri)
{
	struct span source = source_uri(msg);
	struct span place = in_uri ? address->uri : address->whole;
	struct span text = arena_printf(
		msg->arena, in_uri ? ";received=%.*s" : ";received=\"%.*s\"", SPAN_ARGS(source));
	return source.len && text.at && change(msg, place.at + place.len, 0, text);
}

static int add_received(struct script_run *run, const struct received_args *args)
{
	struct message *msg = run->msg;
	if (args->in_uri && msg->from.source.transport != TRANSPORT_UDP) {
		log_error("add_rcv_param: a parameter of the URI can only tell of UDP");
		return SCRIPT_FALSE;
	}
	for (const struct sip_header *h = message_header(msg, HEADER_CONTACT); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr address;
		while (name_addr_next(&rest, &address) == LIST_ITEM)
			if (!address.is_star && !add_received_to(msg, &address, args->in_uri != 0))
				return SCRIPT_FALSE;
	}
	return SCRIPT_TRUE;
}

static int fix_register(struct script_run *run)
{
	if (!nathelper_settings->received) {
		log_error("fix_nated_register: the parameter received_avp is not set");
		return SCRIPT_FALSE;
	}
	struct value value = VALUE_OF_TEXT(source_uri(run->msg));
	return value.text.len && variable_write(run, nathelper_settings->received, &value)
		       ? SCRIPT_TRUE
		       : SCRIPT_FALSE;
}

/* ---- the way back ---------------------------------------------------------------------------------- */

struct handle_args {
	struct span mode;
};
static const struct field handle_fields[] = {
	FIELD(struct handle_args, mode, "0 the first alias counts, else the last",
		.optional = true),
};
SCRIPT_HANDLER(handle)

static int handle(struct script_run *run, const struct handle_args *args)
{
	struct message *msg = run->msg;
	bool last = args->mode.len && !span_equal(args->mode, SPAN_OF("0"));
	struct sip_uri uri;
	struct span value, whole;
	if (!message_parse_uri(msg, &uri))
		return SCRIPT_FALSE;
	if (!find_alias(&uri, last, &value, &whole))
		return ALIAS_NOTHING;
	struct span next_hop = alias_uri(msg->arena, value);
	if (!next_hop.at) {
		log_info("the alias \"%.*s\" of a Request-URI is no address", SPAN_ARGS(value));
		return SCRIPT_FALSE;
	}
	size_t before = (size_t)(whole.at - uri.whole.at);
	struct span after = span_slice(uri.whole, before + whole.len, uri.whole.len);
	struct span without =
		arena_printf(msg->arena, "%.*s%.*s", (int)before, uri.whole.at, SPAN_ARGS(after));
	return without.at && message_set_uri(msg, without) && message_set_dst_uri(msg, next_hop)
		       ? ALIAS_DONE
		       : SCRIPT_FALSE;
}

struct alias_to_args {
	const struct variable_ref *target;
};
static const struct field alias_to_fields[] = {
	FIELD(struct alias_to_args, target, "takes the URI"),
};
SCRIPT_HANDLER(alias_to)

static int alias_to(struct script_run *run, const struct alias_to_args *args)
{
	struct contact contact;
	struct span alias, whole;
	if (!contact_of(run->msg, &contact) || !find_alias(&contact.uri, false, &alias, &whole))
		return SCRIPT_FALSE;
	struct value value = VALUE_OF_TEXT(alias_uri(run->arena, alias));
	return value.text.at && variable_write(run, args->target, &value) ? SCRIPT_TRUE
									  : SCRIPT_FALSE;
}

#define PROXIED (IN_ALL_BUT_ONSEND)

static const struct script_function functions[] = {
	FUNCTION_PLAIN("fix_nated_contact", fix_contact, PROXIED,
		"Puts the source address into Contact."),
	FUNCTION_OF("add_contact_alias", add_alias, alias, PROXIED,
		"Adds an alias to Contact when it does not say where the message came from; 2: it does."),
	FUNCTION("set_contact_alias", set_alias, PROXIED,
		"Adds an alias with the source address to Contact."),
	FUNCTION_OF("add_rcv_param", add_received, received, IN_REQUEST,
		"Adds the source address to all Contacts as a parameter received."),
	FUNCTION_PLAIN("fix_nated_register", fix_register, IN_REQUEST,
		"Puts the source address into received_avp, for save()."),
	FUNCTION("handle_ruri_alias", handle, PROXIED,
		"Sends to the alias of the Request-URI and removes it; 2: it has none."),
	FUNCTION("set_alias_to_pv", alias_to, PROXIED,
		"Puts the alias of Contact into a variable, as a URI."),
};
const struct function_table contact_functions = ROWS(functions);
