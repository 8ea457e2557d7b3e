/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a message with its edits in one pass. What the server itself changes (our Via, received
 * and rport, Route from a Path) is written when the pass comes to its place. */
#include "core/message/render.h"

/* A message on its way out: the bytes before `at` are written or gone. */
struct pass {
	struct writer *w;
	const struct message *msg;
	const struct outgoing *out;
	const struct edit *next;   /* the script's edits that are to come … */
	const struct edit *length; /* … and Content-Length of a body that they change; NULL: none */
	uint32_t next_at;          /* where the nearer of the two is; UINT32_MAX: there is none */
	uint32_t at;
	uint32_t end;
	struct span
		body; /* that the script changed, written beforehand; absent: it is as it came */
	struct edit length_edit;
};

static bool length_is_next(const struct pass *pass)
{
	return pass->length && (!pass->next || pass->length->at < pass->next->at);
}

static void pass_find_next(struct pass *pass)
{
	const struct edit *edit = length_is_next(pass) ? pass->length : pass->next;
	pass->next_at = edit ? edit->at : UINT32_MAX;
}

static void pass_set(struct pass *pass, uint32_t from, uint32_t to)
{
	pass->at = from;
	pass->end = to;
	pass->next = pass->msg->edits;
	while (pass->next && pass->next->at < from)
		pass->next = pass->next->next;
	pass_find_next(pass);
}

static void pass_copy(struct pass *pass, uint32_t to)
{
	if (to > pass->at) {
		writer_bytes(pass->w, pass->msg->bytes.at + pass->at, to - pass->at);
		pass->at = to;
	}
}

static void pass_drop(struct pass *pass, uint32_t to)
{
	if (to > pass->at)
		pass->at = to < pass->end ? to : pass->end;
}

[[gnu::noinline]] static void pass_edit(struct pass *pass)
{
	const struct edit *edit = pass->next;
	if (length_is_next(pass)) {
		edit = pass->length;
		pass->length = NULL;
	} else {
		pass->next = edit->next;
	}
	pass_copy(pass, edit->at);
	/* A replacement of text that is gone already has nothing to replace. */
	if (edit->at == pass->at || edit->removed == 0) {
		if (edit->write)
			edit->write(pass->w, edit->text, pass->out);
		else
			writer_span(pass->w, edit->text);
	}
	pass_drop(pass, edit->at + edit->removed);
	pass_find_next(pass);
}

/* Writes what lies before `to` with the script's edits, also those at `to`: there they come before what
 * the server inserts. */
static void pass_until(struct pass *pass, uint32_t to)
{
	while (__builtin_expect(pass->next_at <= to, 0))
		pass_edit(pass);
	pass_copy(pass, to);
}

static uint32_t place(const struct pass *pass, const char *at)
{
	return (uint32_t)(at - pass->msg->bytes.at);
}

static bool body_is_edited(const struct message *msg)
{
	for (const struct edit *e = msg->edits; e; e = e->next)
		if (e->at >= msg->index->body_at)
			return true;
	return false;
}

/* The length is known only after the body is written, so an edited body is written first, into memory of
 * its own, and Content-Length becomes an edit. */
[[gnu::noinline]] static void pass_prepare_body(struct pass *pass)
{
	const struct message *msg = pass->msg;
	const struct sip_header *h = message_header(msg, HEADER_CONTENT_LENGTH);
	struct writer body = writer_in_arena(msg->arena, msg->index->body_len + 256), *w = pass->w;
	pass->w = &body;
	pass_set(pass, msg->index->body_at, msg->index->len);
	pass_until(pass, msg->index->len);
	pass->w = w;
	struct span text =
		arena_printf(msg->arena, h ? "%zu" : "Content-Length: %zu\r\n", body.len);
	w->failed |= body.failed || !text.at;
	pass->body = writer_result(&body);
	pass->length_edit = (struct edit){ .at = h ? h->value_at : msg->index->headers_end,
					   .removed = h ? h->value_len : 0,
					   .text = text };
	pass->length = &pass->length_edit;
}

/* Begins with the byte at `from`. */
static void pass_begin(struct pass *pass, struct writer *w, const struct message *msg,
		       const struct outgoing *out, uint32_t from)
{
	pass->w = w;
	pass->msg = msg;
	pass->out = out;
	pass->length = NULL;
	pass->body.at = NULL;
	if (__builtin_expect(body_is_edited(msg), 0)) {
		pass_prepare_body(pass);
		/* One byte less than body_at, so that edits at the body's first byte are left to the body. */
		pass_set(pass, from, msg->index->body_at - 1);
	} else {
		pass_set(pass, from, msg->index->len);
	}
}

/* Writes the rest. */
static void pass_finish(struct pass *pass)
{
	pass_until(pass, pass->end);
	if (__builtin_expect(pass->body.at != NULL, 0)) {
		writer_char(pass->w, '\n');
		writer_span(pass->w, pass->body);
	}
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
 * via_add_xavp_params, msg_vbflag_set): ";srvid=1;vbf=3;name=value". */
static void write_own_via_params(struct writer *w, const struct message *msg)
{
	const struct render_options *options = render_options();
	if ((msg->notes & NOTE_VIA_SERVER_ID) && options->server_id)
		writer_printf(w, ";srvid=%lld", (long long)options->server_id);
	if (msg->notes & NOTE_VIA_FLAGS)
		writer_printf(w, ";%.*s=%x", SPAN_ARGS(VIA_FLAGS_PARAM), msg->via_flags);
	if (msg->notes & NOTE_VIA_PARAMS)
		render_via_params(w, msg, options->via_params_xavp);
}

/* "Via: SIP/2.0/UDP host:port;branch=" with what the script wants instead of the socket's address. */
static void write_other_via_start(struct writer *w, const struct outgoing *out)
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
		writer_literal(w, "Via: ");
		writer_span(w, out->from->via_prefix);
		return;
	}
	writer_printf(w, "Via: SIP/2.0/%s %.*s:",
		      transport_name((enum transport)out->from->address.transport),
		      SPAN_ARGS(host.len ? host : out->from->host));
	if (port.len)
		writer_span(w, port);
	else
		writer_uint(w,
			    msg->advertised_port ? msg->advertised_port : out->from->address.port);
	writer_literal(w, ";branch=");
}

/* Our Via with what the script wants in it, or a connection. */
static void write_other_via(struct writer *w, const struct outgoing *out)
{
	const struct message *msg = out->msg;
	write_other_via_start(w, out);
	writer_span(w, out->via_branch);
	write_own_via_params(w, msg);
	if (msg->notes & NOTE_ADD_LOCAL_RPORT)
		writer_literal(w, ";rport");
	/* For stateless replies: over which connection the request came. */
	if (msg->from.connection) {
		writer_literal(w, ";i=");
		writer_hex(w, msg->from.connection, 1);
	}
	writer_literal(w, "\r\n");
}

#define VIA_NOTES \
	(NOTE_VIA_SERVER_ID | NOTE_VIA_PARAMS | NOTE_VIA_FLAGS | NOTE_VIA_ADDRESS | NOTE_ADD_LOCAL_RPORT)

static void write_own_via(struct writer *w, const struct outgoing *out)
{
	const struct message *msg = out->msg;
	struct span start = out->from->via_prefix;
	if (__builtin_expect((msg->notes & VIA_NOTES) || msg->advertised_host.len ||
				     msg->advertised_port || msg->from.connection,
			     0)) {
		write_other_via(w, out);
		return;
	}
	char *at = writer_room(w, sizeof("Via: \r\n") - 1 + start.len + out->via_branch.len);
	if (at)
		put_literal(put_span(put_span(put_literal(at, "Via: "), start), out->via_branch),
			    "\r\n");
}

/* Does the sent-by host name the address that the message came from? (RFC 3261 18.2.1) */
[[gnu::noinline]] static bool via_names_source(const struct sip_via *via,
					       const struct end_point *source)
{
	struct end_point ip = { 0 };
	return end_point_parse_ip(via->host, &ip) && end_point_same_ip(&ip, source);
}

bool via_wants_rport(const struct message *msg, const struct sip_via *via)
{
	return via->rport != RPORT_ABSENT || (msg->notes & NOTE_FORCE_RPORT);
}

bool via_wants_received(const struct message *msg, const struct sip_via *via)
{
	return !via->received.at &&
	       (via->rport != RPORT_ABSENT || !via_names_source(via, &msg->from.source));
}

static void write_rport(struct pass *pass, const struct sip_via *via)
{
	bool is_there = true;
	if (via->rport_whole.at) {
		uint32_t at = place(pass, via->rport_whole.at);
		pass_until(pass, at);
		is_there = pass->at == at;
		pass_drop(pass, at + (uint32_t)via->rport_whole.len);
	} else {
		pass_until(pass, place(pass, via->whole.at + via->whole.len));
		writer_char(pass->w, ';');
	}
	if (is_there) {
		writer_literal(pass->w, "rport=");
		writer_uint(pass->w, pass->msg->from.source.port);
	}
}

static void write_received(struct pass *pass, uint32_t at)
{
	pass_until(pass, at);
	writer_literal(pass->w, ";received=");
	end_point_write_ip(pass->w, &pass->msg->from.source);
}

/* Notes in the top Via where the request really came from (RFC 3261 18.2.1, RFC 3581 4): the address behind
 * sent-by, the port where the parameters end. */
static void write_source(struct pass *pass)
{
	const struct message *msg = pass->msg;
	const struct sip_via *via = message_top_via((struct message *)(uintptr_t)msg);
	if (!via || msg->from.source.family == 0)
		return;
	uint32_t sent_by_end = place(pass, via->hostport.at + via->hostport.len);
	bool has_params = sent_by_end < place(pass, via->whole.at + via->whole.len);
	bool wants_received = via_wants_received(msg, via);
	if (wants_received && has_params)
		write_received(pass, sent_by_end);
	if (via_wants_rport(msg, via))
		write_rport(pass, via);
	if (wants_received && !has_params)
		write_received(pass, sent_by_end);
}

/* The Path of a registration as a Route before the others. */
static void write_path(struct pass *pass, struct span path, uint32_t at)
{
	pass_until(pass, at);
	writer_literal(pass->w, "Route: ");
	writer_span(pass->w, path);
	writer_literal(pass->w, "\r\n");
}

/* What makes the request one that came by here. */
static void write_way(struct pass *pass, struct span path)
{
	const struct message *msg = pass->msg;
	const struct sip_header *via = message_header(msg, HEADER_VIA);
	const struct sip_header *route = message_header(msg, HEADER_ROUTE);
	uint32_t via_at = via ? via->name_at : msg->index->headers_at;
	uint32_t path_at = route ? route->name_at : msg->index->headers->name_at;
	if (path.len && path_at < via_at)
		write_path(pass, path, path_at);
	pass_until(pass, via_at);
	write_own_via(pass->w, pass->out);
	if (path.len && path_at == via_at)
		write_path(pass, path, path_at);
	write_source(pass);
	if (path.len && path_at > via_at)
		write_path(pass, path, path_at);
}

static void write_request_line(struct writer *w, const struct message *msg, struct span uri)
{
	struct span method = sip_range_span(msg->bytes, msg->index->method_name);
	struct span version = sip_range_span(msg->bytes, msg->index->version);
	char *at = writer_room(w, method.len + 1 + uri.len + 1 + version.len + 2);
	if (!at)
		return;
	at = put_span(at, method);
	*at++ = ' ';
	at = put_span(at, uri);
	*at++ = ' ';
	put_literal(put_span(at, version), "\r\n");
}

void render_request(struct writer *w, const struct outgoing *out)
{
	const struct message *msg = out->msg;
	const struct branch *branch = out->branch ? out->branch : &msg->target;
	struct pass pass;
	write_request_line(w, msg, branch->uri.at ? branch->uri : message_uri(msg));
	pass_begin(&pass, w, msg, out, msg->index->headers_at);
	if (out->via_branch.at)
		write_way(&pass, branch->path);
	pass_finish(&pass);
}

/* ---- replies that are relayed ------------------------------------------------------------------------ */

void render_edited(struct writer *w, const struct message *msg)
{
	struct pass pass;
	pass_begin(&pass, w, msg, NULL, msg->index->start);
	pass_finish(&pass);
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

/* What the script wants in the Via that is on top when ours is gone. */
static void write_reply_params(struct pass *pass, struct message *reply)
{
	const struct sip_via *via = message_second_via(reply);
	if (!via)
		return;
	pass_until(pass, place(pass, via->whole.at + via->whole.len));
	render_via_params(pass->w, reply, render_options()->via_reply_params_xavp);
}

/* Our own Via goes: its whole line, or up to the next value of the list. */
static void drop_own_via(struct pass *pass, const struct sip_header *h, const struct sip_via *top)
{
	struct span value = message_header_value(pass->msg, h);
	size_t own = (size_t)(top->whole.at + top->whole.len - value.at);
	struct span rest = span_trim(span_slice(value, own, value.len));
	if (rest.len && rest.at[0] == ',') {
		struct span next = span_trim(span_slice(rest, 1, rest.len));
		pass_until(pass, h->value_at);
		pass_drop(pass, place(pass, next.at));
	} else {
		pass_until(pass, h->name_at);
		pass_drop(pass, h->end);
	}
}

void render_reply(struct writer *w, const struct message *reply)
{
	struct message *cache = (struct message *)(uintptr_t)reply;
	const struct sip_header *h = message_header(reply, HEADER_VIA);
	const struct sip_via *top = message_top_via(cache);
	struct pass pass;
	pass_begin(&pass, w, reply, NULL, reply->index->start);
	if (h && top)
		drop_own_via(&pass, h, top);
	if (__builtin_expect((reply->notes & NOTE_VIA_REPLY_PARAMS) != 0, 0))
		write_reply_params(&pass, cache);
	pass_finish(&pass);
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
