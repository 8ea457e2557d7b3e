/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a message with its edits in one pass. What the server itself changes (our Via, received
 * and rport, Route from a Path, Content-Length) takes part in the same pass as a few more edits. */
#include "core/message/render.h"

#include "core/base/check.h"

#define OWN_EDITS_MOST 8

/* Edits of the server itself, sorted by place; filled as far as `count` says. */
struct own_edits {
	struct edit list[OWN_EDITS_MOST];
	unsigned count;
};

static void own_edit_add(struct own_edits *own, uint32_t at, uint32_t removed, struct span text)
{
	if (own->count == OWN_EDITS_MOST || text.len + removed == 0)
		return;
	unsigned i = own->count++;
	for (; i > 0 && own->list[i - 1].at > at; i--)
		own->list[i] = own->list[i - 1];
	own->list[i] = (struct edit){ .at = at, .removed = removed, .text = text };
}

/* Writes bytes [from, to) with both edit lists; at one place the script's edits come first. */
static void write_edited(struct writer *w, const struct message *msg, uint32_t from, uint32_t to,
			 const struct own_edits *own, const struct outgoing *out)
{
	const struct edit *next = msg->edits;
	unsigned own_next = 0;
	uint32_t at = from;
	while (next && next->at < from)
		next = next->next;
	for (;;) {
		const struct edit *edit = next;
		if (own_next < own->count && (!edit || own->list[own_next].at < edit->at))
			edit = &own->list[own_next++];
		else if (edit)
			next = edit->next;
		if (!edit || edit->at > to)
			break;
		bool is_inside_removed = edit->at < at;
		if (!is_inside_removed) {
			writer_bytes(w, msg->bytes.at + at, edit->at - at);
			at = edit->at;
		}
		/* A replacement of text that is gone already has nothing to replace. */
		if (!is_inside_removed || edit->removed == 0) {
			if (edit->write)
				edit->write(w, edit->text, out);
			else
				writer_span(w, edit->text);
		}
		uint32_t end = edit->at + edit->removed;
		if (end > at)
			at = end < to ? end : to;
	}
	if (at < to)
		writer_bytes(w, msg->bytes.at + at, to - at);
}

/* ---- the body's length --------------------------------------------------------------------------- */

static bool body_is_edited(const struct message *msg)
{
	for (const struct edit *e = msg->edits; e; e = e->next)
		if (e->at >= msg->index->body_at)
			return true;
	return false;
}

/* The length is known only after the body is written, so an edited body is written first, into
 * memory of its own, and Content-Length becomes an edit. */
static struct span render_edited_body(const struct message *msg, const struct outgoing *out,
				      struct own_edits *own, char length_text[64])
{
	static const struct own_edits none;
	struct writer body = writer_in_arena(msg->arena, msg->index->body_len + 256);
	write_edited(&body, msg, msg->index->body_at, msg->index->len, &none, out);
	const struct sip_header *h = message_header(msg, HEADER_CONTENT_LENGTH);
	struct writer text = writer_fixed(length_text, 64);
	if (h) {
		writer_uint(&text, body.len);
		own_edit_add(own, h->value_at, h->value_len, writer_result(&text));
	} else {
		writer_printf(&text, "Content-Length: %zu\r\n", body.len);
		own_edit_add(own, msg->index->headers_end, 0, writer_result(&text));
	}
	return body.failed ? (struct span){ NULL, 0 } : writer_result(&body);
}

static void write_headers_and_body(struct writer *w, const struct message *msg, uint32_t from,
				   struct own_edits *own, const struct outgoing *out)
{
	char length_text[64];
	if (!body_is_edited(msg)) {
		write_edited(w, msg, from, msg->index->len, own, out);
		return;
	}
	struct span body = render_edited_body(msg, out, own, length_text);
	if (!body.at) {
		w->failed = true;
		return;
	}
	/* One byte less than body_at, so that edits at the body's first byte are left to the body. */
	write_edited(w, msg, from, msg->index->body_at - 1, own, out);
	writer_char(w, '\n');
	writer_span(w, body);
}

/* ---- requests -------------------------------------------------------------------------------------- */

/* A member of an XAVP as text; absent when there is none. */
static struct span xavp_member(const struct message *msg, struct span list, struct span name)
{
	const struct xavp *node =
		list.len ? xavp_find(msg->attributes.xavps, list, 0, false) : NULL;
	const struct xavp *member = node ? xavp_find(node->children, name, 0, false) : NULL;
	if (!member || member->value.kind == VALUE_NULL)
		return (struct span){ NULL, 0 };
	return member->value.kind == VALUE_TEXT
		       ? member->value.text
		       : arena_printf(msg->arena, "%lld", (long long)member->value.number);
}

void render_via_params(struct writer *w, const struct message *msg, struct span xavp)
{
	const struct xavp *list =
		xavp.len ? xavp_find(msg->attributes.xavps, xavp, 0, false) : NULL;
	for (const struct xavp *member = list ? list->children : NULL; member;
	     member = member->next) {
		writer_printf(w, ";%.*s", SPAN_ARGS(member->name));
		if (member->value.kind == VALUE_INT)
			writer_printf(w, "=%lld", (long long)member->value.number);
		else if (member->value.kind == VALUE_TEXT && member->value.text.len)
			writer_printf(w, "=%.*s", SPAN_ARGS(member->value.text));
	}
}

/* What the script wants behind the branch parameter of our Via (corex: via_add_srvid,
 * via_add_xavp_params): ";srvid=1;name=value". */
static struct span own_via_params(const struct message *msg)
{
	const struct render_options *options = render_options();
	struct writer w = writer_in_arena(msg->arena, 128);
	if (!(msg->notes & (NOTE_VIA_SERVER_ID | NOTE_VIA_PARAMS)))
		return SPAN_OF("");
	if ((msg->notes & NOTE_VIA_SERVER_ID) && options->server_id)
		writer_printf(&w, ";srvid=%lld", (long long)options->server_id);
	if (msg->notes & NOTE_VIA_PARAMS)
		render_via_params(&w, msg, options->via_params_xavp);
	return w.failed ? SPAN_OF("") : writer_result(&w);
}

/* "SIP/2.0/UDP host:port;branch=" with what the script wants instead of the socket's address. */
static void write_via_start(struct writer *text, const struct outgoing *out)
{
	const struct message *msg = out->msg;
	struct span host = msg->advertised_host, port = { NULL, 0 };
	if (msg->notes & NOTE_VIA_ADDRESS) {
		struct span own =
			xavp_member(msg, render_options()->via_fields_xavp, SPAN_OF("address"));
		host = own.len ? own : host;
		port = xavp_member(msg, render_options()->via_fields_xavp, SPAN_OF("port"));
	}
	if (!host.len && !port.len && !msg->advertised_port) {
		writer_span(text, out->from->via_prefix);
		return;
	}
	writer_printf(text, "SIP/2.0/%s %.*s:",
		      transport_name((enum transport)out->from->address.transport),
		      SPAN_ARGS(host.len ? host : out->from->host));
	if (port.len)
		writer_span(text, port);
	else
		writer_uint(text,
			    msg->advertised_port ? msg->advertised_port : out->from->address.port);
	writer_literal(text, ";branch=");
}

static void add_own_via(struct own_edits *own, struct writer *text, const struct outgoing *out,
			struct span params)
{
	const struct message *msg = out->msg;
	const struct sip_header *via = message_header(msg, HEADER_VIA);
	size_t start = text->len;
	writer_literal(text, "Via: ");
	write_via_start(text, out);
	writer_span(text, out->via_branch);
	writer_span(text, params);
	if (msg->notes & NOTE_ADD_LOCAL_RPORT)
		writer_literal(text, ";rport");
	/* For stateless replies: over which connection the request came. */
	if (msg->from.connection) {
		writer_literal(text, ";i=");
		writer_hex(text, msg->from.connection, 1);
	}
	writer_literal(text, "\r\n");
	own_edit_add(own, via ? via->name_at : msg->index->headers_at, 0,
		     span_make(text->data + start, text->len - start));
}

/* Does the sent-by host name the address that the message came from? (RFC 3261 18.2.1) */
static bool via_names_source(const struct sip_via *via, const struct end_point *source)
{
	struct end_point ip = { 0 };
	return end_point_parse_ip(via->host, &ip) && end_point_same_ip(&ip, source);
}

bool via_wants_rport(const struct message *msg, const struct sip_via *via)
{
	return via->rport != RPORT_ABSENT || (msg->notes & NOTE_FORCE_RPORT);
}

static bool via_wants_received(const struct message *msg, const struct sip_via *via)
{
	return via->rport != RPORT_ABSENT || !via_names_source(via, &msg->from.source);
}

/* Notes in the top Via where the request really came from (RFC 3261 18.2.1, RFC 3581 4). */
static void add_received(struct own_edits *own, struct writer *text, struct message *msg)
{
	const struct sip_via *via = message_top_via(msg);
	if (!via || msg->from.source.family == 0)
		return;
	if (via_wants_rport(msg, via)) {
		size_t start = text->len;
		bool has_param = via->rport_whole.at != NULL;
		writer_string(text, has_param ? "rport=" : ";rport=");
		writer_uint(text, msg->from.source.port);
		struct span added = span_make(text->data + start, text->len - start);
		const char *place =
			has_param ? via->rport_whole.at : via->whole.at + via->whole.len;
		own_edit_add(own, (uint32_t)(place - msg->bytes.at), (uint32_t)via->rport_whole.len,
			     added);
	}
	if (via_wants_received(msg, via) && !via->received_whole.at) {
		size_t start = text->len;
		writer_literal(text, ";received=");
		end_point_write_ip(text, &msg->from.source);
		own_edit_add(own, (uint32_t)(via->hostport.at + via->hostport.len - msg->bytes.at),
			     0, span_make(text->data + start, text->len - start));
	}
}

static void add_path(struct own_edits *own, struct writer *text, const struct outgoing *out)
{
	const struct branch *branch = out->branch ? out->branch : &out->msg->target;
	if (branch->path.len == 0)
		return;
	const struct sip_header *route = message_header(out->msg, HEADER_ROUTE);
	const struct sip_header *first = route ? route : out->msg->index->headers;
	size_t start = text->len;
	writer_literal(text, "Route: ");
	writer_span(text, branch->path);
	writer_literal(text, "\r\n");
	own_edit_add(own, first->name_at, 0, span_make(text->data + start, text->len - start));
}

void render_request(struct writer *w, const struct outgoing *out)
{
	const struct message *msg = out->msg;
	const struct branch *branch = out->branch ? out->branch : &msg->target;
	struct own_edits own;
	own.count = 0;
	/* The texts of our own edits must not move while they are collected. */
	char buffer[1280];
	size_t room = sizeof(buffer);
	char *space = buffer;
	struct span via_params = own_via_params(msg);
	size_t wanted = branch->path.len + out->via_branch.len + via_params.len + 1024;
	if (wanted > room) {
		space = arena_alloc(msg->arena, wanted);
		room = space ? wanted : 0;
	}
	struct writer text = writer_fixed(space ? space : buffer, room);
	if (out->via_branch.at) {
		add_own_via(&own, &text, out, via_params);
		add_received(&own, &text, (struct message *)(uintptr_t)msg);
		add_path(&own, &text, out);
	}
	if (text.failed) {
		w->failed = true;
		return;
	}
	writer_span(w, sip_range_span(msg->bytes, msg->index->method_name));
	writer_char(w, ' ');
	writer_span(w, branch->uri.at ? branch->uri : message_uri(msg));
	writer_char(w, ' ');
	writer_span(w, sip_range_span(msg->bytes, msg->index->version));
	writer_literal(w, "\r\n");
	write_headers_and_body(w, msg, msg->index->headers_at, &own, out);
}

/* ---- replies that are relayed ------------------------------------------------------------------------ */

void render_edited(struct writer *w, const struct message *msg)
{
	struct own_edits own;
	own.count = 0;
	write_headers_and_body(w, msg, msg->index->start, &own, NULL);
}

void render_sized_request(struct writer *w, struct outgoing *out)
{
	const struct render_options *options = render_options();
	render_request(w, out);
	enum transport transport = out->msg->large_transport
					   ? (enum transport)out->msg->large_transport
					   : options->large_transport;
	if (!options->udp_mtu || w->len <= options->udp_mtu || out->to.transport != TRANSPORT_UDP ||
	    transport == TRANSPORT_UDP || transport == TRANSPORT_NONE)
		return;
	struct end_point to = out->to;
	to.transport = (uint8_t)transport;
	const struct listener *from = listener_for(&to);
	if (!from || from->fd < 0)
		return;
	out->to = to;
	out->from = from;
	w->len = 0;
	render_request(w, out);
}

/* The Via that is on top when ours is gone. */
static void add_reply_params(struct own_edits *own, struct message *reply)
{
	const struct sip_via *via = message_second_via(reply);
	struct writer text = writer_in_arena(reply->arena, 128);
	render_via_params(&text, reply, render_options()->via_reply_params_xavp);
	if (via && !text.failed)
		own_edit_add(own, (uint32_t)(via->whole.at + via->whole.len - reply->bytes.at), 0,
			     writer_result(&text));
}

void render_reply(struct writer *w, const struct message *reply)
{
	struct own_edits own;
	own.count = 0;
	const struct sip_header *h = message_header(reply, HEADER_VIA);
	const struct sip_via *top = message_top_via((struct message *)(uintptr_t)reply);
	if (h && top) {
		/* Our own Via goes: its whole line, or up to the next value of the list. */
		struct span value = message_header_value(reply, h);
		size_t end = (size_t)(top->whole.at + top->whole.len - value.at);
		struct span rest = span_trim(span_slice(value, end, value.len));
		if (rest.len && rest.at[0] == ',') {
			struct span next = span_trim(span_slice(rest, 1, rest.len));
			own_edit_add(&own, h->value_at, (uint32_t)(next.at - value.at),
				     SPAN_OF(""));
		} else {
			own_edit_add(&own, h->name_at, h->end - h->name_at, SPAN_OF(""));
		}
	}
	if (reply->notes & NOTE_VIA_REPLY_PARAMS)
		add_reply_params(&own, (struct message *)(uintptr_t)reply);
	write_headers_and_body(w, reply, reply->index->start, &own, NULL);
}

/* hvalue = *( hnv-unreserved / unreserved / escaped ) ; RFC 3261 25.1 */
static void write_uri_header_value(struct writer *w, struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.at[i];
		if (ascii_is_alpha(value.at[i]) || ascii_is_digit(value.at[i]) ||
		    (c && strchr("[]/?:+$-_.!~*'()", c)))
			writer_char(w, value.at[i]);
		else
			writer_printf(w, "%%%02x", c);
	}
}

static void write_destination_uri(struct writer *w, struct span uri, struct span path)
{
	writer_char(w, '<');
	writer_span(w, uri);
	if (path.len) {
		writer_string(w, span_find(uri, '?', 0) < uri.len ? "&Route=" : "?Route=");
		write_uri_header_value(w, path);
	}
	writer_char(w, '>');
}

bool render_destination_set(struct writer *w, const struct message *msg, unsigned details)
{
	bool has_any = msg->notes & NOTE_URI_CHANGED;
	if (!has_any && msg->branch_count == 0)
		return false;
	writer_literal(w, "Contact: ");
	for (int i = has_any ? -1 : 0; i < (int)msg->branch_count; i++) {
		const struct branch *branch = i < 0 ? &msg->target : &msg->branches[i];
		if (i > (has_any ? -1 : 0))
			writer_literal(w, ", ");
		write_destination_uri(w, branch->uri.at ? branch->uri : message_uri(msg),
				      details & DESTINATION_PATH ? branch->path
								 : (struct span){ NULL, 0 });
		if (branch->q == 1000)
			writer_literal(w, ";q=1");
		else if (branch->q >= 0) {
			unsigned digits = (unsigned)branch->q % 1000, width = 3;
			for (; width > 1 && digits % 10 == 0; width--)
				digits /= 10;
			writer_printf(w, ";q=0.%0*u", (int)width, digits);
		}
		if (details & DESTINATION_FLAGS && branch->flags)
			writer_printf(w, ";flags=%u", branch->flags);
	}
	return true;
}
