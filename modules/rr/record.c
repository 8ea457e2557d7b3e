/* SPDX-License-Identifier: BSD-2-Clause */
/* Record-Route (RFC 3261 16.6 step 4).
 *
 * Which addresses the header names is known when the message leaves: with two sockets, or two
 * transports, there are two headers (the one for the outgoing side on top, both with r2=on). So
 * record_route() adds one edit whose text is a `struct record_head` and the fields that it
 * measures, and `write_headers` makes the headers of it when the message is rendered. All state is in edits, hence it travels
 * with the message into a transaction.
 *
 * Parameters that are added before there is a Record-Route wait in an edit that writes nothing. */
#include "modules/rr/rr.h"

enum record_form {
	RECORD_SOCKETS,
	RECORD_ADVERTISED,
	RECORD_PRESET,
};
/* The texts of a record, in order. */
enum record_field {
	RECORD_SCHEME,
	RECORD_USER,
	RECORD_FTAG,
	RECORD_FIRST,  /* address: advertised, or preset for the outgoing side */
	RECORD_SECOND, /* preset for the incoming side; empty: one header only */
	RECORD_PARAMS, /* added before or by record_route */
	RECORD_LATER,  /* added afterwards */
	RECORD_FIELD_COUNT,
};

struct record {
	enum record_form form;
	int listener; /* index of the socket on which the request came; -1: none */
	struct span fields[RECORD_FIELD_COUNT];
};

/* How the edit's text begins; the bytes of the fields follow. */
struct record_head {
	int16_t listener;
	uint16_t form;
	uint16_t lengths[RECORD_FIELD_COUNT];
};

/* ---- a record as an edit's text -------------------------------------------------------------- */

static bool record_read(struct span text, struct record *out)
{
	struct record_head head;
	if (text.len < sizeof(head))
		return false;
	memcpy(&head, text.at, sizeof(head));
	out->form = (enum record_form)head.form;
	out->listener = head.listener;
	size_t at = sizeof(head);
	for (unsigned i = 0; i < RECORD_FIELD_COUNT; i++) {
		out->fields[i] = span_slice(text, at, head.lengths[i]);
		at += head.lengths[i];
	}
	return at == text.len;
}

/* Absent: no memory, or a text that is longer than any header. */
static struct span record_write(struct arena *arena, const struct record *record)
{
	struct record_head head = { .listener = (int16_t)record->listener,
				    .form = (uint16_t)record->form };
	size_t size = sizeof(head);
	for (unsigned i = 0; i < RECORD_FIELD_COUNT; i++) {
		if (record->fields[i].len > UINT16_MAX)
			return (struct span){ NULL, 0 };
		head.lengths[i] = (uint16_t)record->fields[i].len;
		size += record->fields[i].len;
	}
	char *text = arena_alloc(arena, size);
	if (!text)
		return (struct span){ NULL, 0 };
	char *at = mempcpy(text, &head, sizeof(head));
	for (unsigned i = 0; i < RECORD_FIELD_COUNT; i++)
		if (record->fields[i].len)
			at = put_span(at, record->fields[i]);
	return span_make(text, size);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_start(struct writer *w, const struct record *record)
{
	writer_literal(w, "Record-Route: <");
	writer_span(w, record->fields[RECORD_SCHEME]);
	writer_char(w, ':');
	if (record->fields[RECORD_USER].len) {
		writer_span(w, record->fields[RECORD_USER]);
		writer_char(w, '@');
	}
}

void record_write_lr(struct writer *w)
{
	if (rr_settings->enable_full_lr)
		writer_literal(w, ";lr=on");
	else
		writer_literal(w, ";lr");
}

static void write_ftag(struct writer *w, const struct record *record)
{
	if (!record->fields[RECORD_FTAG].len)
		return;
	writer_literal(w, ";ftag=");
	writer_span(w, record->fields[RECORD_FTAG]);
}

static void write_transport(struct writer *w, enum transport transport)
{
	writer_literal(w, ";transport=");
	writer_string(w, transport_name_lower(transport));
}

/* The address of one of our sockets, as others reach it, with parameters that are not always there. */
static void write_listener_parts(struct writer *w, const struct record *record,
				 const struct listener *listener, bool is_double)
{
	write_start(w, record);
	listener_write_reachable(w, listener);
	if (rr_settings->sockname_mode && listener->name.len) {
		writer_literal(w, ";sn=");
		writer_span(w, listener->name);
	}
	if (is_double)
		writer_literal(w, ";r2=on");
	record_write_lr(w);
	write_ftag(w, record);
	writer_span(w, record->fields[RECORD_PARAMS]);
	writer_span(w, record->fields[RECORD_LATER]);
	writer_literal(w, ">\r\n");
}

/* Most name a socket and a tag: what the socket's URI is was written at start. */
static void write_listener(struct writer *w, const struct record *record,
			   const struct listener *listener, bool is_double)
{
	const struct span *fields = record->fields;
	struct span uri = route_uri_known(listener), ftag = fields[RECORD_FTAG];
	bool is_plain = uri.len && fields[RECORD_SCHEME].len == sizeof("sip") - 1 &&
			!fields[RECORD_USER].len && ftag.len && !is_double;
	if (!is_plain) {
		write_listener_parts(w, record, listener, is_double);
		return;
	}
	char *at = writer_room(w, sizeof("Record-Route: <;ftag=>\r\n") - 1 + uri.len + ftag.len +
					  fields[RECORD_PARAMS].len + fields[RECORD_LATER].len);
	if (!at)
		return;
	at = put_span(put_literal(at, "Record-Route: <"), uri);
	at = put_span(put_literal(at, ";ftag="), ftag);
	at = put_span(put_span(at, fields[RECORD_PARAMS]), fields[RECORD_LATER]);
	put_literal(at, ">\r\n");
}

static void write_sockets(struct writer *w, const struct record *record, const struct listener *in,
			  const struct outgoing *to)
{
	const struct listener *out = to && to->from ? to->from : in;
	if (!out)
		return;
	bool is_double = rr_settings->enable_double_rr == 2 ||
			 (rr_settings->enable_double_rr && in && out != in);
	write_listener(w, record, out, is_double);
	if (is_double)
		write_listener(w, record, in ? in : out, true);
}

static void write_preset(struct writer *w, const struct record *record, struct span address)
{
	write_start(w, record);
	writer_span(w, address);
	write_ftag(w, record);
	writer_span(w, record->fields[RECORD_PARAMS]);
	record_write_lr(w);
	writer_span(w, record->fields[RECORD_LATER]);
	writer_literal(w, ">\r\n");
}

static void write_advertised_line(struct writer *w, const struct record *record,
				  enum transport transport, bool is_double)
{
	write_start(w, record);
	writer_span(w, record->fields[RECORD_FIRST]);
	if (is_double) {
		write_transport(w, transport);
		writer_literal(w, ";r2=on");
	}
	write_ftag(w, record);
	record_write_lr(w);
	writer_span(w, record->fields[RECORD_PARAMS]);
	writer_span(w, record->fields[RECORD_LATER]);
	writer_literal(w, ">\r\n");
}

static void write_advertised(struct writer *w, const struct record *record,
			     const struct listener *in, const struct outgoing *to)
{
	const struct listener *out = to && to->from ? to->from : in;
	enum transport arriving = in ? in->address.transport : TRANSPORT_UDP;
	enum transport leaving = out ? out->address.transport : arriving;
	bool is_double = rr_settings->enable_double_rr == 2 ||
			 (rr_settings->enable_double_rr && arriving != leaving);
	write_advertised_line(w, record, leaving, is_double);
	if (is_double)
		write_advertised_line(w, record, arriving, true);
}

/* The edit's writer. Without `to` the outgoing side is unknown and counts as the incoming one. */
static void write_headers(struct writer *w, struct span text, const struct outgoing *to)
{
	struct record record;
	if (!record_read(text, &record))
		return;
	const struct listener *in = NULL;
	if (record.listener >= 0 && (unsigned)record.listener < listener_count())
		in = listener_at((unsigned)record.listener);
	switch (record.form) {
	case RECORD_SOCKETS: write_sockets(w, &record, in, to); return;
	case RECORD_ADVERTISED: write_advertised(w, &record, in, to); return;
	case RECORD_PRESET:
		write_preset(w, &record, record.fields[RECORD_FIRST]);
		if (record.fields[RECORD_SECOND].len)
			write_preset(w, &record, record.fields[RECORD_SECOND]);
		return;
	}
}

static void write_nothing(struct writer *w, struct span text, const struct outgoing *to)
{
	(void)w;
	(void)text;
	(void)to;
}

/* ---- making ---------------------------------------------------------------------------------- */

static struct edit *find_edit(const struct message *msg, bool pending)
{
	for (struct edit *edit = msg->edits; edit; edit = edit->next)
		if (edit->tag == EDIT_TAG_RECORD_ROUTE && (edit->write == write_nothing) == pending)
			return edit;
	return NULL;
}

/* What a script may put into the header: nothing that ends the URI or the line. */
static bool is_safe(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] == '\n' || text.at[i] == '\r' || text.at[i] == '>' ||
		    text.at[i] == '<')
			return false;
	return true;
}

/* User part of the header's URI: from custom_user_avp, else that of the Request-URI. */
static struct span record_user(struct script_run *run)
{
	struct value value;
	struct span user;
	struct sip_uri uri;
	if (!rr_settings->add_username)
		return SPAN_OF("");
	if (rr_settings->custom_user && variable_read(run, rr_settings->custom_user, &value) &&
	    value.kind != VALUE_NULL && value_to_text(run, &value, &user) && is_safe(user))
		return user;
	return message_parse_uri(run->msg, &uri) && uri.user.at ? uri.user : SPAN_OF("");
}

/* The tag that the dialog's first request had in From, so that later ones know their direction. */
static struct span record_ftag(struct message *msg)
{
	if (!rr_settings->append_fromtag)
		return SPAN_OF("");
	struct span to_tag = message_to_tag(msg);
	if (to_tag.len && loose_direction(msg) == RR_UPSTREAM)
		return to_tag;
	return message_from_tag(msg);
}

static struct span record_scheme(const struct message *msg)
{
	bool is_sips = uri_scheme_of(message_uri(msg)) == URI_SIPS;
	return is_sips && !rr_settings->ignore_sips ? SPAN_OF("sips") : SPAN_OF("sip");
}

static struct edit *insert_edit(struct message *msg, struct span text,
				void (*write)(struct writer *w, struct span text,
					      const struct outgoing *to))
{
	if (!msg->index->header_count)
		return NULL;
	struct edit *edit = edit_insert_before(msg, &msg->index->headers[0], text);
	if (!edit)
		return NULL;
	edit->write = write;
	edit->tag = EDIT_TAG_RECORD_ROUTE;
	edit->header = HEADER_RECORD_ROUTE;
	return edit;
}

static struct span joined(struct arena *arena, struct span a, struct span b)
{
	return a.len ? arena_printf(arena, "%.*s%.*s", SPAN_ARGS(a), SPAN_ARGS(b)) : b;
}

static bool record_add(struct script_run *run, struct record *record)
{
	struct message *msg = run->msg;
	if (find_edit(msg, false)) {
		log_error("this request has a Record-Route of ours already");
		return false;
	}
	const struct edit *pending = find_edit(msg, true);
	const struct listener *listener = msg->from.listener;
	record->listener = listener ? (int)listener->index : -1;
	record->fields[RECORD_SCHEME] = record_scheme(msg);
	record->fields[RECORD_USER] = record_user(run);
	record->fields[RECORD_FTAG] = record_ftag(msg);
	if (pending)
		record->fields[RECORD_PARAMS] =
			joined(msg->arena, record->fields[RECORD_PARAMS], pending->text);
	struct span text = record_write(msg->arena, record);
	if (!text.at)
		return false;
	if (pending)
		edit_undo(msg, EDIT_TAG_RECORD_ROUTE);
	return insert_edit(msg, text, write_headers) != NULL;
}

static bool check_text(struct span text, const char *what)
{
	if (is_safe(text))
		return true;
	log_error("%s \"%.*s\" would break the Record-Route header", what, SPAN_ARGS(text));
	return false;
}

bool record_route(struct script_run *run, struct span params)
{
	if (!check_text(params, "parameter"))
		return false;
	return record_add(run, &(struct record){ .form = RECORD_SOCKETS, .fields = {
		[RECORD_PARAMS] = params } });
}

bool record_route_preset(struct script_run *run, struct span first, struct span second)
{
	if (!first.len) {
		log_error("record_route_preset wants an address");
		return false;
	}
	if (!check_text(first, "address") || !check_text(second, "address"))
		return false;
	return record_add(run, &(struct record){ .form = RECORD_PRESET, .fields = {
		[RECORD_FIRST] = first, [RECORD_SECOND] = second } });
}

bool record_route_advertised(struct script_run *run, struct span address)
{
	if (!address.len || !check_text(address, "address"))
		return false;
	return record_add(run, &(struct record){ .form = RECORD_ADVERTISED, .fields = {
		[RECORD_FIRST] = address } });
}

bool record_route_add_param(struct message *msg, struct span param)
{
	if (!param.len || !check_text(param, "parameter"))
		return false;
	struct edit *edit = find_edit(msg, false);
	if (!edit)
		edit = find_edit(msg, true);
	if (!edit)
		return insert_edit(msg, param, write_nothing) != NULL;
	struct record record;
	struct span text;
	if (edit->write == write_nothing) {
		text = joined(msg->arena, edit->text, param);
	} else if (record_read(edit->text, &record)) {
		record.fields[RECORD_LATER] =
			joined(msg->arena, record.fields[RECORD_LATER], param);
		text = record_write(msg->arena, &record);
	} else {
		return false;
	}
	if (!text.at)
		return false;
	edit->text = text;
	return true;
}

bool record_route_remove(struct message *msg)
{
	return edit_undo(msg, EDIT_TAG_RECORD_ROUTE) > 0;
}
