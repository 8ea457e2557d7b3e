/* SPDX-License-Identifier: BSD-2-Clause */
/* Multipart bodies (RFC 2046 5.1): made, extended, taken apart. What is written is complete, with
 * its closing delimiter, at every step. */
#include "modules/textops/textops.h"
#include "parser/multipart.h"

#define DEFAULT_BOUNDARY "unique-boundary-1"

/* ---- arguments ------------------------------------------------------------------------------- */

struct make_args {
	struct span first, content_type, boundary;
};
static const struct field make_fields[] = {
	FIELD(struct make_args, first, "body of the first part; alone: the boundary",
		.optional = true),
	FIELD(struct make_args, content_type, "its Content-Type", .optional = true),
	FIELD(struct make_args, boundary, "boundary; default " DEFAULT_BOUNDARY, .optional = true),
};
struct append_args {
	struct span text, content_type, disposition;
};
static const struct field append_fields[] = {
	FIELD(struct append_args, text, "body of the part"),
	FIELD(struct append_args, content_type,
		"its Content-Type; further header lines may follow"),
	FIELD(struct append_args, disposition, "its Content-Disposition", .optional = true),
};
struct get_args {
	struct span content_type;
	const struct variable_ref *result;
};
static const struct field get_fields[] = {
	FIELD(struct get_args, content_type, "Content-Type of the part"),
	FIELD(struct get_args, result, "variable that takes it"),
};
struct type_args {
	struct span content_type;
};
static const struct field type_fields[] = {
	FIELD(struct type_args, content_type, "Content-Type of the part"),
};

SCRIPT_HANDLER_OF(make, make)
SCRIPT_HANDLER_OF(append, append)
SCRIPT_HANDLER_OF(append_hex, append)
SCRIPT_HANDLER_OF(get, get)
SCRIPT_HANDLER_OF(get_raw, get)
SCRIPT_HANDLER_OF(remove_part, type)

#define IN_MESSAGE IN_ALL_BUT_ONSEND

static const struct script_function functions[] = {
	FUNCTION_OF("set_body_multipart", make, make, IN_MESSAGE,
		"Makes the body multipart: the present one, or the given, becomes its first part."),
	FUNCTION_OF(
		"append_body_part", append, append, IN_MESSAGE, "Adds a part to a multipart body."),
	FUNCTION_OF("append_body_part_hex", append_hex, append, IN_MESSAGE,
		"Like append_body_part, with the body in hexadecimal."),
	FUNCTION_OF("get_body_part", get, get, IN_ANY, "Puts the body of a part into a variable."),
	FUNCTION_OF("get_body_part_raw", get_raw, get, IN_ANY,
		"Puts a part with its headers into a variable."),
	FUNCTION_OF("remove_body_part", remove_part, type, IN_MESSAGE,
		"Removes the first part of that type."),
};
const struct function_table multipart_functions = ROWS(functions);

/* ---- making ---------------------------------------------------------------------------------- */

static int make(struct script_run *run, const struct make_args *args)
{
	struct message *msg = run->msg;
	bool brings_body = args->content_type.at && args->first.len;
	struct span body = brings_body ? args->first : message_body(msg);
	struct span type = !brings_body             ? message_value(msg, HEADER_CONTENT_TYPE)
			   : args->content_type.len ? args->content_type
						    : SPAN_OF("text/plain");
	struct span boundary = args->content_type.at ? args->boundary : args->first;
	if (!boundary.len)
		boundary = SPAN_OF(DEFAULT_BOUNDARY);
	if (!body.len || !type.len || boundary.len > 70) {
		log_error("set_body_multipart: %s",
			  boundary.len > 70 ? "the boundary is longer than 70 characters"
			  : body.len        ? "the Content-Type is missing"
					    : "there is no body");
		return SCRIPT_FALSE;
	}
	struct writer w = writer_in_arena(run->arena, body.len + 200);
	writer_printf(&w, "--%.*s\r\nContent-Type: %.*s\r\n\r\n", SPAN_ARGS(boundary),
		      SPAN_ARGS(type));
	writer_span(&w, body);
	writer_printf(&w, "\r\n--%.*s--\r\n", SPAN_ARGS(boundary));
	struct span new_type =
		arena_printf(run->arena, "multipart/mixed;boundary=\"%.*s\"", SPAN_ARGS(boundary));
	if (w.failed || !new_type.at || !edit_set_body(msg, writer_result(&w), new_type))
		return SCRIPT_FALSE;
	if (message_header(msg, HEADER_MIME_VERSION))
		return SCRIPT_TRUE;
	return truth(edit_append_header(msg, SPAN_OF("Mime-Version: 1.0\r\n")));
}

/* ---- parts ----------------------------------------------------------------------------------- */

static bool begin(const struct message *msg, struct multipart *out, struct span *out_boundary)
{
	struct media_type type;
	if (!content_type_parse(message_value(msg, HEADER_CONTENT_TYPE), &type) ||
	    !type.boundary.len || !multipart_begin(message_body(msg), type.boundary, out))
		return false;
	*out_boundary = type.boundary;
	return true;
}

/* The first part of a type. A part without Content-Type is text/plain (RFC 2046 5.2). */
static bool find_part(const struct message *msg, struct span wanted, struct multipart_part *out)
{
	struct multipart parts;
	struct span boundary;
	if (!begin(msg, &parts, &boundary))
		return false;
	while (multipart_next(&parts, out) == LIST_ITEM) {
		struct media_type type;
		struct span value =
			out->content_type.at ? out->content_type : SPAN_OF("text/plain");
		if (content_type_parse(value, &type) && media_type_is(&type, wanted))
			return true;
	}
	return false;
}

static int append(struct script_run *run, const struct append_args *args)
{
	struct message *msg = run->msg;
	struct multipart parts;
	struct multipart_part part, last = { 0 };
	struct span boundary;
	if (!args->content_type.len) {
		log_error("append_body_part: the Content-Type is empty");
		return SCRIPT_FALSE;
	}
	if (!begin(msg, &parts, &boundary)) {
		log_error("append_body_part: the body is not multipart");
		return SCRIPT_FALSE;
	}
	while (multipart_next(&parts, &part) == LIST_ITEM)
		last = part;
	if (!last.with_delimiter.at)
		return SCRIPT_FALSE;
	struct writer w = writer_in_arena(run->arena, args->text.len + 160);
	writer_printf(&w, "--%.*s\r\nContent-Type: %.*s\r\n", SPAN_ARGS(boundary),
		      SPAN_ARGS(args->content_type));
	if (args->disposition.len)
		writer_printf(&w, "Content-Disposition: %.*s\r\n", SPAN_ARGS(args->disposition));
	writer_literal(&w, "\r\n");
	writer_span(&w, args->text);
	writer_literal(&w, "\r\n");
	uint32_t at = (uint32_t)(last.with_delimiter.at + last.with_delimiter.len - msg->bytes.at);
	return truth(!w.failed && edit_replace(msg, at, 0, writer_result(&w)));
}

static int append_hex(struct script_run *run, const struct append_args *args)
{
	struct append_args decoded = *args;
	decoded.text = hex_decode(run->arena, args->text);
	if (decoded.text.at)
		return append(run, &decoded);
	log_error("append_body_part_hex: the body is not hexadecimal");
	return SCRIPT_FALSE;
}

static int get(struct script_run *run, const struct get_args *args)
{
	struct multipart_part part;
	if (!find_part(run->msg, args->content_type, &part))
		return SCRIPT_FALSE;
	struct value value = VALUE_OF_TEXT(part.body);
	return truth(variable_write(run, args->result, &value));
}

static int get_raw(struct script_run *run, const struct get_args *args)
{
	struct multipart_part part;
	if (!find_part(run->msg, args->content_type, &part))
		return SCRIPT_FALSE;
	struct value value = VALUE_OF_TEXT(part.whole);
	return truth(variable_write(run, args->result, &value));
}

static int remove_part(struct script_run *run, const struct type_args *args)
{
	struct message *msg = run->msg;
	struct multipart_part part;
	if (!find_part(msg, args->content_type, &part))
		return SCRIPT_FALSE;
	return truth(edit_replace(msg, (uint32_t)(part.with_delimiter.at - msg->bytes.at),
				  (uint32_t)part.with_delimiter.len, SPAN_OF("")));
}
