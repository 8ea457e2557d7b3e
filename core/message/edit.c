/* SPDX-License-Identifier: BSD-2-Clause */
/* The edit list of a message: changes of its text, sorted by place. */
#include "core/message/render.h"

/* Adds an edit behind those at the same place, so that edits apply in the order they were made. */
static struct edit *edit_add(struct message *msg, uint32_t at, uint32_t removed, struct span text,
			     enum sip_header_id header)
{
	struct edit *edit = ARENA_NEW(msg->arena, struct edit);
	if (!edit)
		return NULL;
	edit->at = at;
	edit->removed = removed;
	edit->header = (uint16_t)header;
	edit->text = text.at ? arena_copy(msg->arena, text) : SPAN_OF("");
	if (!edit->text.at)
		return NULL;
	struct edit **link = &msg->edits;
	while (*link && (*link)->at <= at)
		link = &(*link)->next;
	edit->next = *link;
	*link = edit;
	return edit;
}

struct edit *edit_replace(struct message *msg, uint32_t at, uint32_t removed, struct span text)
{
	return edit_add(msg, at, removed, text, HEADER_OTHER);
}

struct edit *edit_remove_header(struct message *msg, const struct sip_header *h)
{
	return edit_add(msg, h->name_at, h->end - h->name_at, (struct span){ NULL, 0 },
			(enum sip_header_id)h->id);
}

struct edit *edit_insert_before(struct message *msg, const struct sip_header *h, struct span line)
{
	return edit_add(msg, h->name_at, 0, line, HEADER_OTHER);
}

struct edit *edit_insert_after(struct message *msg, const struct sip_header *h, struct span line)
{
	return edit_add(msg, h->end, 0, line, HEADER_OTHER);
}

struct edit *edit_append_header(struct message *msg, struct span line)
{
	return edit_add(msg, msg->index->headers_end, 0, line, HEADER_OTHER);
}

struct edit *edit_insert_first(struct message *msg, enum sip_header_id id, struct span line)
{
	const struct sip_header *h = message_header(msg, id);
	struct edit *edit = h ? edit_insert_before(msg, h, line) : edit_append_header(msg, line);
	if (edit)
		edit->header = (uint16_t)id;
	return edit;
}

struct span edited_header_value(const struct message *msg, const struct sip_header *h, uint16_t tag)
{
	struct span value = message_header_value(msg, h);
	uint32_t start = h->value_at, end = h->value_at + h->value_len, done = start;
	struct writer w = writer_in_arena(msg->arena, value.len + 64);
	bool is_edited = false;
	for (const struct edit *edit = msg->edits; edit; edit = edit->next) {
		if (edit->tag != tag || edit->at < done || edit->at + edit->removed > end)
			continue;
		writer_span(&w, span_slice(value, done - start, edit->at - start));
		writer_span(&w, edit->text);
		done = edit->at + edit->removed;
		is_edited = true;
	}
	if (!is_edited)
		return value;
	writer_span(&w, span_slice(value, done - start, value.len));
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

bool edit_removes(const struct message *msg, const struct sip_header *h)
{
	for (const struct edit *e = msg->edits; e && e->at <= h->name_at; e = e->next)
		if (e->at == h->name_at && e->removed >= h->end - h->name_at)
			return true;
	return false;
}

unsigned edit_undo(struct message *msg, uint16_t tag)
{
	unsigned count = 0;
	for (struct edit **link = &msg->edits; *link;) {
		if ((*link)->tag == tag) {
			*link = (*link)->next;
			count++;
		} else {
			link = &(*link)->next;
		}
	}
	return count;
}

/* Forgets earlier changes of the body, which the new body replaces. */
static void drop_body_edits(struct message *msg)
{
	struct edit **link = &msg->edits;
	while (*link && (*link)->at < msg->index->body_at)
		link = &(*link)->next;
	*link = NULL;
}

static struct edit *edit_body(struct message *msg, struct span body)
{
	drop_body_edits(msg);
	return edit_replace(msg, msg->index->body_at, msg->index->body_len, body);
}

struct edit *edit_set_body(struct message *msg, struct span body, struct span content_type)
{
	if (content_type.len) {
		const struct sip_header *type = message_header(msg, HEADER_CONTENT_TYPE);
		if (type && !edit_removes(msg, type) &&
		    span_equal(message_header_value(msg, type), content_type))
			return edit_body(msg, body);
		struct span line =
			arena_printf(msg->arena, "Content-Type: %.*s\r\n", SPAN_ARGS(content_type));
		if (!line.at ||
		    (type && !edit_removes(msg, type) && !edit_remove_header(msg, type)) ||
		    !edit_append_header(msg, line))
			return NULL;
	}
	return edit_body(msg, body);
}

bool message_apply_edits(struct message *msg)
{
	if (!msg->edits && !(msg->notes & NOTE_URI_CHANGED))
		return true;
	struct writer w = writer_in_arena(msg->arena, msg->bytes.len + 512);
	struct outgoing out = { .msg = msg };
	if (msg->index->is_request)
		render_request(&w, &out);
	else
		render_edited(&w, msg);
	if (w.failed)
		return false;
	struct sip_message_index *index;
	if (sip_message_index(msg->arena, writer_result(&w), &index, NULL) != PARSE_OK)
		return false;
	msg->bytes = span_slice(writer_result(&w), 0, index->len);
	msg->index = index;
	msg->edits = NULL;
	message_forget_parsed(msg);
	msg->target.uri = (struct span){ NULL, 0 };
	msg->notes &= ~(uint32_t)NOTE_URI_CHANGED;
	return true;
}
