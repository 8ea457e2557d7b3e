/* SPDX-License-Identifier: BSD-2-Clause */
/* Iterators over the headers and over the lines of the body, four of each, known by name. They
 * visit the message as received. */
#include "modules/textopsx/textopsx.h"

#define ITERATOR_COUNT 4

struct iterator {
	struct span name; /* absent: not in use */
	bool is_placed;
	unsigned header;  /* index of the header, when placed */
	uint32_t line_at; /* body lines: place in the message … */
	uint32_t line_len;
};

struct iterators {
	const char *bytes; /* of the message they were started on */
	struct iterator headers[ITERATOR_COUNT];
	struct iterator lines[ITERATOR_COUNT];
};

static unsigned slot;

void iterator_reserve(void)
{
	slot = message_slot("textopsx");
}

/* ---- arguments ------------------------------------------------------------------------------- */

struct name_args {
	struct span name;
};
static const struct field name_fields[] = {
	FIELD(struct name_args, name, "name of the iterator"),
};
struct name_text_args {
	struct span name, text;
};
static const struct field name_text_fields[] = {
	FIELD(struct name_text_args, name, "name of the iterator"),
	FIELD(struct name_text_args, text, "text to add, with its line end"),
};

SCRIPT_HANDLER_OF(header_start, name)
SCRIPT_HANDLER_OF(header_end, name)
SCRIPT_HANDLER_OF(header_next, name)
SCRIPT_HANDLER_OF(header_previous, name)
SCRIPT_HANDLER_OF(header_remove, name)
SCRIPT_HANDLER_OF(header_append, name_text)
SCRIPT_HANDLER_OF(header_insert, name_text)
SCRIPT_HANDLER_OF(line_start, name)
SCRIPT_HANDLER_OF(line_end, name)
SCRIPT_HANDLER_OF(line_next, name)
SCRIPT_HANDLER_OF(line_remove, name)
SCRIPT_HANDLER_OF(line_append, name_text)
SCRIPT_HANDLER_OF(line_insert, name_text)

static const struct script_function functions[] = {
	FUNCTION_OF("hf_iterator_start", header_start, name, IN_ANY,
		"Starts an iterator over the headers."),
	FUNCTION_OF("hf_iterator_end", header_end, name, IN_ANY, "Ends the iterator."),
	FUNCTION_OF("hf_iterator_next", header_next, name, IN_ANY,
		"Goes to the next header; false at the end."),
	FUNCTION_OF("hf_iterator_prev", header_previous, name, IN_ANY, "Goes back one header."),
	FUNCTION_OF("hf_iterator_rm", header_remove, name, IN_ANY, "Removes the header."),
	FUNCTION_OF("hf_iterator_append", header_append, name_text, IN_ANY,
		"Adds header lines after the header."),
	FUNCTION_OF("hf_iterator_insert", header_insert, name_text, IN_ANY,
		"Adds header lines before the header."),
	FUNCTION_OF("bl_iterator_start", line_start, name, IN_ANY,
		"Starts an iterator over the lines of the body."),
	FUNCTION_OF("bl_iterator_end", line_end, name, IN_ANY, "Ends the iterator."),
	FUNCTION_OF("bl_iterator_next", line_next, name, IN_ANY,
		"Goes to the next line; false at the end."),
	FUNCTION_OF("bl_iterator_rm", line_remove, name, IN_ANY, "Removes the line."),
	FUNCTION_OF(
		"bl_iterator_append", line_append, name_text, IN_ANY, "Adds text after the line."),
	FUNCTION_OF(
		"bl_iterator_insert", line_insert, name_text, IN_ANY, "Adds text before the line."),
};
const struct function_table iterator_functions = ROWS(functions);

/* ---- finding --------------------------------------------------------------------------------- */

/* The iterators of this message; those of an older text of it are forgotten. */
static struct iterators *all_of(struct message *msg, bool make)
{
	struct iterators *all = msg->slots[slot];
	if (all && all->bytes == msg->bytes.at)
		return all;
	if (!make)
		return NULL;
	all = ARENA_NEW(msg->arena, struct iterators);
	if (all)
		all->bytes = msg->bytes.at;
	msg->slots[slot] = all;
	return all;
}

static struct iterator *find_in(struct iterator *list, struct span name)
{
	for (unsigned i = 0; i < ITERATOR_COUNT; i++)
		if (list[i].name.at && span_equal(list[i].name, name))
			return &list[i];
	return NULL;
}

static struct iterator *header_iterator(struct message *msg, struct span name)
{
	struct iterators *all = all_of(msg, false);
	return all ? find_in(all->headers, name) : NULL;
}

static struct iterator *line_iterator(struct message *msg, struct span name)
{
	struct iterators *all = all_of(msg, false);
	return all ? find_in(all->lines, name) : NULL;
}

static int start_in(struct message *msg, struct iterator *list, struct span name)
{
	struct iterator *iterator = name.len ? find_in(list, name) : NULL;
	for (unsigned i = 0; name.len && !iterator && i < ITERATOR_COUNT; i++)
		if (!list[i].name.at)
			iterator = &list[i];
	if (!iterator) {
		log_error("iterator \"%.*s\": %s", SPAN_ARGS(name),
			  name.len ? "four are in use already" : "a name is missing");
		return SCRIPT_FALSE;
	}
	*iterator = (struct iterator){ .name = arena_copy(msg->arena, name) };
	return truth(iterator->name.at);
}

static int end_of(struct iterator *iterator)
{
	if (!iterator)
		return SCRIPT_FALSE;
	iterator->name = (struct span){ 0 };
	return SCRIPT_TRUE;
}

/* ---- headers --------------------------------------------------------------------------------- */

static int header_start(struct script_run *run, const struct name_args *args)
{
	struct iterators *all = all_of(run->msg, true);
	return all ? start_in(run->msg, all->headers, args->name) : SCRIPT_FALSE;
}

static int header_end(struct script_run *run, const struct name_args *args)
{
	return end_of(header_iterator(run->msg, args->name));
}

static int header_next(struct script_run *run, const struct name_args *args)
{
	struct iterator *iterator = header_iterator(run->msg, args->name);
	unsigned next = iterator && iterator->is_placed ? iterator->header + 1 : 0;
	if (!iterator || next >= run->msg->index->header_count)
		return SCRIPT_FALSE;
	iterator->header = next;
	iterator->is_placed = true;
	return SCRIPT_TRUE;
}

static int header_previous(struct script_run *run, const struct name_args *args)
{
	struct iterator *iterator = header_iterator(run->msg, args->name);
	if (!iterator || !iterator->is_placed || iterator->header == 0)
		return SCRIPT_FALSE;
	iterator->header--;
	return SCRIPT_TRUE;
}

static const struct sip_header *current_header(struct message *msg, struct span name)
{
	const struct iterator *iterator = header_iterator(msg, name);
	return iterator && iterator->is_placed ? &msg->index->headers[iterator->header] : NULL;
}

static int header_remove(struct script_run *run, const struct name_args *args)
{
	const struct sip_header *h = current_header(run->msg, args->name);
	return truth(h && (edit_removes(run->msg, h) || edit_remove_header(run->msg, h)));
}

static int header_append(struct script_run *run, const struct name_text_args *args)
{
	const struct sip_header *h = current_header(run->msg, args->name);
	return truth(h && args->text.len && edit_insert_after(run->msg, h, args->text));
}

static int header_insert(struct script_run *run, const struct name_text_args *args)
{
	const struct sip_header *h = current_header(run->msg, args->name);
	return truth(h && args->text.len && edit_insert_before(run->msg, h, args->text));
}

/* ---- lines of the body ----------------------------------------------------------------------- */

static int line_start(struct script_run *run, const struct name_args *args)
{
	struct iterators *all = all_of(run->msg, true);
	return all ? start_in(run->msg, all->lines, args->name) : SCRIPT_FALSE;
}

static int line_end(struct script_run *run, const struct name_args *args)
{
	return end_of(line_iterator(run->msg, args->name));
}

static int line_next(struct script_run *run, const struct name_args *args)
{
	const struct sip_message_index *index = run->msg->index;
	struct iterator *iterator = line_iterator(run->msg, args->name);
	if (!iterator)
		return SCRIPT_FALSE;
	uint32_t at = iterator->is_placed ? iterator->line_at + iterator->line_len : index->body_at;
	uint32_t end = index->body_at + index->body_len;
	if (at >= end)
		return SCRIPT_FALSE;
	struct span rest = span_slice(run->msg->bytes, at, end - at);
	size_t len = span_find(rest, '\n', 0);
	iterator->line_at = at;
	iterator->line_len = (uint32_t)(len < rest.len ? len + 1 : rest.len);
	iterator->is_placed = true;
	return SCRIPT_TRUE;
}

static const struct iterator *placed_line(struct message *msg, struct span name)
{
	const struct iterator *iterator = line_iterator(msg, name);
	return iterator && iterator->is_placed ? iterator : NULL;
}

static int line_remove(struct script_run *run, const struct name_args *args)
{
	const struct iterator *line = placed_line(run->msg, args->name);
	return truth(line && edit_replace(run->msg, line->line_at, line->line_len, SPAN_OF("")));
}

static int line_append(struct script_run *run, const struct name_text_args *args)
{
	const struct iterator *line = placed_line(run->msg, args->name);
	return truth(line && edit_replace(run->msg, line->line_at + line->line_len, 0, args->text));
}

static int line_insert(struct script_run *run, const struct name_text_args *args)
{
	const struct iterator *line = placed_line(run->msg, args->name);
	return truth(line && edit_replace(run->msg, line->line_at, 0, args->text));
}

/* ---- variables ------------------------------------------------------------------------------- */

enum { PART_NAME, PART_BODY };

static bool get_header_part(struct script_run *run, const struct variable_ref *ref,
			    struct value *out)
{
	const struct sip_header *h = current_header(run->msg, variable_inner_text(run, ref));
	*out = (struct value){ 0 };
	if (h)
		*out = VALUE_OF_TEXT(ref->row->selector == PART_NAME
					     ? sip_header_name(run->msg->bytes, h)
					     : sip_header_value(run->msg->bytes, h));
	return true;
}

static bool get_line(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct iterator *line = placed_line(run->msg, variable_inner_text(run, ref));
	*out = (struct value){ 0 };
	if (line)
		*out = VALUE_OF_TEXT(span_slice(run->msg->bytes, line->line_at, line->line_len));
	return true;
}

const struct variable_row iterator_variables[ITERATOR_VARIABLES] = {
	{ .name = "hfitname", .inner = INNER_NAME, .get = get_header_part, .selector = PART_NAME,
		.doc = "Name of the header at which the iterator stands." },
	{ .name = "hfitbody", .inner = INNER_NAME, .get = get_header_part, .selector = PART_BODY,
		.doc = "Value of the header at which the iterator stands." },
	{ .name = "blitval", .inner = INNER_NAME, .get = get_line,
		.doc = "Line of the body at which the iterator stands, with its line end." },
};
