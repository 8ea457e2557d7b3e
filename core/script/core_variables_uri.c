/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_uri: Request-URI, original URI, next hop, forced socket, redirect set. */
#include "core/message/render.h"
#include "core/script/branch_variables.h"
#include "core/script/core_variables.h"
#include "core/script/uri_edit.h"
#include "parser/via.h"

enum part {
	PART_WHOLE,
	PART_USER,
	PART_HOST,
	PART_PORT,
	PART_TRANSPORT,
	PART_SCHEME,
	PART_LENGTH,
	PART_USER_LENGTH
};
enum source { FROM_CURRENT, FROM_ORIGINAL, FROM_NEXT_HOP };
#define SELECT(source, part) ((intptr_t)(source) << 8 | (part))

/* ---- reading --------------------------------------------------------------------------------- */

static struct span host_of(const struct sip_uri *uri)
{
	return uri_is_tel(uri) ? (struct span){ 0 } : uri_seen_host(uri);
}

/* 5061 for transport=tls, else 5060, also for sips: as the peer has it. */
static int port_of(const struct sip_uri *uri)
{
	if (uri->has_port)
		return uri->port;
	return uri->transport == SIP_TRANSPORT_TLS ? 5061 : 5060;
}

static bool give_part(struct script_run *run, struct span text, enum part part, struct value *out)
{
	if (!text.at)
		return true;
	if (part == PART_WHOLE)
		return give_text(out, text);
	if (part == PART_LENGTH)
		return give_int(out, (int64_t)text.len);
	const struct sip_uri *uri = scratch_uri(run, text);
	if (!uri || uri->scheme == URI_OTHER) {
		log_debug("\"%.*s\" is no URI", SPAN_ARGS(text));
		return false;
	}
	switch (part) {
	case PART_USER: return give_nonempty(out, uri_seen_user(uri));
	case PART_HOST: return give_nonempty(out, host_of(uri));
	case PART_PORT: return give_printed(run, out, port_of(uri));
	case PART_TRANSPORT:
		return give_text(out,
				 uri->transport_text.len ? uri->transport_text : SPAN_OF("UDP"));
	case PART_SCHEME:
		return give_text(out,
				 uri->scheme_text.len ? uri_seen_scheme(uri) : SPAN_OF("none"));
	case PART_USER_LENGTH: return give_int(out, (int64_t)uri_seen_user(uri).len);
	case PART_WHOLE:
	case PART_LENGTH: break;
	}
	return false;
}

static struct span source_uri(const struct message *msg, enum source source)
{
	switch (source) {
	case FROM_CURRENT: return message_is_request(msg) ? message_uri(msg) : (struct span){ 0 };
	case FROM_ORIGINAL:
		return message_is_request(msg) ? message_original_uri(msg) : (struct span){ 0 };
	case FROM_NEXT_HOP: return msg->target.dst_uri;
	}
	return (struct span){ 0 };
}

static bool get_uri(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	intptr_t selector = ref->row->selector;
	return give_part(run, source_uri(run->msg, (enum source)(selector >> 8)),
			 (enum part)(selector & 0xff), out);
}

/* ---- assigning ------------------------------------------------------------------------------- */

static bool set_whole(struct script_run *run, const struct variable_ref *ref,
		      const struct value *value)
{
	if (!value || value->kind != VALUE_TEXT) {
		log_error("%.*s needs a text\n", SPAN_ARGS(ref->text));
		return false;
	}
	return message_set_uri(run->msg, value->text);
}

static bool set_piece(struct script_run *run, const struct variable_ref *ref,
		      const struct value *value)
{
	static const enum uri_piece pieces[] = {
		[PART_USER] = URI_PIECE_USER, [PART_HOST] = URI_PIECE_HOST,
			[PART_PORT] = URI_PIECE_PORT,
		[PART_TRANSPORT] = URI_PIECE_TRANSPORT,
	};
	enum part part = (enum part)(ref->row->selector & 0xff);
	struct span text = { 0 }, current = source_uri(run->msg, FROM_CURRENT);
	struct sip_uri uri;
	int64_t port;
	if (value && value->kind != VALUE_NULL && !value_to_text(run, value, &text))
		return false;
	if (value && value->kind == VALUE_INT && part != PART_PORT) {
		log_error("%.*s needs a text\n", SPAN_ARGS(ref->text));
		return false;
	}
	if (part == PART_PORT && text.len &&
	    (!span_to_int64(text, &port) || port < 0 || port > 65535))
		log_error("$rp cannot be \"%.*s\": the request will not be forwarded\n",
			  SPAN_ARGS(text));
	struct writer w = writer_in_arena(run->arena, current.len + text.len + 32);
	if (!current.at || !uri_parse(current, &uri) ||
	    !uri_write_changed(&w, &uri, pieces[part], text)) {
		log_debug("%.*s cannot be set to \"%.*s\" in \"%.*s\"", SPAN_ARGS(ref->text),
			  SPAN_ARGS(text), SPAN_ARGS(current));
		return false;
	}
	return message_set_uri(run->msg, writer_result(&w));
}

static bool set_next_hop(struct script_run *run, const struct variable_ref *ref,
			 const struct value *value)
{
	struct span text = { 0 };
	if (value && value->kind != VALUE_NULL && !value_to_text(run, value, &text))
		return false;
	return message_set_dst_uri(run->msg, text.len ? text : (struct span){ 0 });
}

/* ---- $nh: where it goes next ----------------------------------------------------------------- */

static const char *const hop_keys[] = { "u", "U", "d", "p", "P" };

static const char *bind_hop(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, hop_keys, ARRAY_SIZE(hop_keys));
}

static bool give_reply_hop(struct script_run *run, enum part part, struct value *out)
{
	const struct sip_via *via = message_second_via(run->msg);
	if (!via || part == PART_USER)
		return true;
	struct span host = via->received.len ? via->received : via->host;
	uint16_t port = via->rport == RPORT_VALUE ? via->rport_port : via_port(via);
	struct writer w = writer_in_arena(run->arena, host.len + 48);
	struct span transport =
		via->transport == SIP_TRANSPORT_OTHER
			? via->transport_text
			: span_from(transport_name_lower((enum transport)via->transport));
	switch (part) {
	case PART_HOST: return give_text(out, host);
	case PART_PORT: return give_printed(run, out, port);
	case PART_TRANSPORT: return give_text(out, transport);
	case PART_WHOLE:
	case PART_USER:
	case PART_SCHEME:
	case PART_LENGTH:
	case PART_USER_LENGTH: break;
	}
	writer_printf(&w, "sip:%.*s:%u;transport=%.*s", SPAN_ARGS(host), port,
		      SPAN_ARGS(transport));
	return give_written(out, &w);
}

static bool get_hop(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	static const enum part parts[] = { PART_WHOLE, PART_USER, PART_HOST, PART_PORT,
					   PART_TRANSPORT };
	int key = key_of(run, ref, hop_keys, ARRAY_SIZE(hop_keys));
	if (key < 0)
		return false;
	if (!message_is_request(run->msg))
		return give_reply_hop(run, parts[key], out);
	struct span uri = source_uri(run->msg, FROM_NEXT_HOP);
	return give_part(run, uri.at ? uri : source_uri(run->msg, FROM_CURRENT), parts[key], out);
}

/* ---- sockets, redirect set, location record -------------------------------------------------- */

static bool get_socket(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct listener *socket = run->msg->target.socket;
	if (!socket)
		return true;
	return give_nonempty(out, ref->row->selector ? socket->name : socket->text);
}

static bool set_socket(struct script_run *run, const struct variable_ref *ref,
		       const struct value *value)
{
	const struct listener *found = NULL;
	struct end_point address;
	if (!value || value->kind == VALUE_NULL) {
		run->msg->target.socket = NULL;
		return true;
	}
	if (value->kind != VALUE_TEXT) {
		log_error("%.*s needs a text\n", SPAN_ARGS(ref->text));
		return false;
	}
	if (ref->row->selector)
		found = listener_by_name(value->text);
	else if (end_point_parse(value->text, &address))
		found = listener_find(&address);
	if (found)
		run->msg->target.socket = found;
	else
		log_warning("%.*s: no such socket: \"%.*s\"\n", SPAN_ARGS(ref->text),
			    SPAN_ARGS(value->text));
	return true;
}

static bool get_destination_set(struct script_run *run, const struct variable_ref *ref,
				struct value *out)
{
	struct writer w = writer_in_arena(run->arena, 256);
	if (!render_destination_set(&w, run->msg, 0)) {
		log_warning("$ds: no destination was set\n");
		return true;
	}
	if (w.failed)
		return false;
	return give_text(out, span_trim(writer_result(&w)));
}

static bool get_ruid(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_nonempty(out, run->msg->target.ruid);
}

static const struct variable_row rows[] = {
	{ "ru", INNER_NONE, get_uri, set_whole, .selector = SELECT(FROM_CURRENT, PART_WHOLE), .doc = "Request-URI." },
	{ "ruri", INNER_NONE, get_uri, set_whole, .selector = SELECT(FROM_CURRENT, PART_WHOLE), .doc = "Request-URI." },
	{ "rU", INNER_NONE, get_uri, set_piece, .selector = SELECT(FROM_CURRENT, PART_USER), .doc = "Request-URI: user." },
	{ "rd", INNER_NONE, get_uri, set_piece, .selector = SELECT(FROM_CURRENT, PART_HOST), .doc = "Request-URI: domain." },
	{ "rp", INNER_NONE, get_uri, set_piece, .selector = SELECT(FROM_CURRENT, PART_PORT), .doc = "Request-URI: port." },
	{ "rP", INNER_NONE, get_uri, set_piece, .selector = SELECT(FROM_CURRENT, PART_TRANSPORT), .doc = "Request-URI: transport." },
	{ "rz", INNER_NONE, get_uri, .selector = SELECT(FROM_CURRENT, PART_SCHEME), .doc = "Request-URI: scheme." },
	{ "rul", INNER_NONE, get_uri, .selector = SELECT(FROM_CURRENT, PART_LENGTH), .doc = "Request-URI: its length." },
	{ "rUl", INNER_NONE, get_uri, .selector = SELECT(FROM_CURRENT, PART_USER_LENGTH), .doc = "Request-URI: length of the user." },
	{ "ou", INNER_NONE, get_uri, .selector = SELECT(FROM_ORIGINAL, PART_WHOLE), .doc = "Request-URI as received." },
	{ "ouri", INNER_NONE, get_uri, .selector = SELECT(FROM_ORIGINAL, PART_WHOLE), .doc = "Request-URI as received." },
	{ "oU", INNER_NONE, get_uri, .selector = SELECT(FROM_ORIGINAL, PART_USER), .doc = "Request-URI as received: user." },
	{ "od", INNER_NONE, get_uri, .selector = SELECT(FROM_ORIGINAL, PART_HOST), .doc = "Request-URI as received: domain." },
	{ "op", INNER_NONE, get_uri, .selector = SELECT(FROM_ORIGINAL, PART_PORT), .doc = "Request-URI as received: port." },
	{ "oP", INNER_NONE, get_uri, .selector = SELECT(FROM_ORIGINAL, PART_TRANSPORT), .doc = "Request-URI as received: transport." },
	{ "oUl", INNER_NONE, get_uri, .selector = SELECT(FROM_ORIGINAL, PART_USER_LENGTH), .doc = "Request-URI as received: length of the user." },
	{ "du", INNER_NONE, get_uri, set_next_hop, .selector = SELECT(FROM_NEXT_HOP, PART_WHOLE), .doc = "URI of the next hop; null clears it." },
	{ "duri", INNER_NONE, get_uri, set_next_hop, .selector = SELECT(FROM_NEXT_HOP, PART_WHOLE), .doc = "URI of the next hop; null clears it." },
	{ "dd", INNER_NONE, get_uri, .selector = SELECT(FROM_NEXT_HOP, PART_HOST), .doc = "Next hop: domain." },
	{ "dp", INNER_NONE, get_uri, .selector = SELECT(FROM_NEXT_HOP, PART_PORT), .doc = "Next hop: port." },
	{ "dP", INNER_NONE, get_uri, .selector = SELECT(FROM_NEXT_HOP, PART_TRANSPORT), .doc = "Next hop: transport." },
	{ "nh", INNER_NAME, get_hop, NULL, bind_hop, .doc = "Where the message goes next: u URI, U user, d domain, p port, P transport." },
	{ "ds", INNER_NONE, get_destination_set, .doc = "The destinations as a Contact header." },
	{ "fs", INNER_NONE, get_socket, set_socket, .selector = 0, .doc = "Socket that the message leaves by: proto:ip:port." },
	{ "fsn", INNER_NONE, get_socket, set_socket, .selector = 1, .doc = "The same by its name." },
	{ "ruid", INNER_NONE, get_ruid, .doc = "Identity of the location record that lookup chose." },
};
const struct variable_table uri_variables = ROWS(rows);
