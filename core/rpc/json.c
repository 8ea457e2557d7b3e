/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON texts: json-c reads them, and its tree is copied into the arena, so that what came from outside
 * lives exactly as long as the request. json-c accepts a little more than RFC 8259 (NaN, Infinity,
 * NUL in strings); that is refused here. */
#include "core/rpc/json.h"

#include <json-c/json.h>
#include <math.h>

#define DOCUMENT_MOST (64u << 20)

struct copying {
	struct arena *arena;
	const char *error;
};

static bool fail(struct copying *copying, const char *error)
{
	copying->error = error;
	return false;
}

static bool copy_text(struct copying *copying, const char *text, size_t len, struct span *out_text)
{
	if (memchr(text, '\0', len))
		return fail(copying, "a NUL character");
	*out_text = len ? arena_copy(copying->arena, span_make(text, len)) : SPAN_OF("");
	return out_text->at ? true : fail(copying, "out of memory");
}

static bool has_digit_after_dot(struct span number)
{
	struct span rest = span_slice(number, span_find(number, '.', 0), number.len);
	return rest.len == 0 || (rest.len > 1 && ascii_is_digit(rest.at[1]));
}

/* Numbers beyond 63 bits are real. "1." is taken for a number by json-c. */
static bool copy_number(struct copying *copying, struct json_object *from, struct json_value *value)
{
	const char *text = json_object_to_json_string_ext(from, JSON_C_TO_STRING_PLAIN);
	if (!text || !copy_text(copying, text, strlen(text), &value->text))
		return fail(copying, "out of memory");
	value->real = json_object_get_double(from);
	if (!isfinite(value->real) || !has_digit_after_dot(value->text))
		return fail(copying, "a number without a value");
	bool is_whole = json_object_is_type(from, json_type_int) &&
			span_to_int64(value->text, &value->number);
	value->kind = is_whole ? JSON_INT : JSON_REAL;
	return true;
}

static bool copy_value(struct copying *copying, struct json_object *from, struct json_value *value);

static struct json_value *add_member(struct copying *copying, struct json_value ***last)
{
	struct json_value *member = ARENA_NEW(copying->arena, struct json_value);
	if (!member) {
		fail(copying, "out of memory");
		return NULL;
	}
	**last = member;
	*last = &member->next;
	return member;
}

static bool copy_array(struct copying *copying, struct json_object *from, struct json_value *value)
{
	struct json_value **last = &value->first;
	value->kind = JSON_ARRAY;
	for (size_t i = 0; i < json_object_array_length(from); i++) {
		struct json_value *member = add_member(copying, &last);
		if (!member || !copy_value(copying, json_object_array_get_idx(from, i), member))
			return false;
	}
	return true;
}

static bool copy_object(struct copying *copying, struct json_object *from, struct json_value *value)
{
	struct json_value **last = &value->first;
	value->kind = JSON_OBJECT;
	json_object_object_foreach(from, name, inner)
	{
		struct json_value *member = add_member(copying, &last);
		if (!member || !copy_text(copying, name, strlen(name), &member->name) ||
		    !copy_value(copying, inner, member))
			return false;
	}
	return true;
}

static bool copy_value(struct copying *copying, struct json_object *from, struct json_value *value)
{
	switch (json_object_get_type(from)) {
	case json_type_null: value->kind = JSON_NULL; return true;
	case json_type_boolean:
		value->kind = JSON_BOOL;
		value->number = json_object_get_boolean(from);
		return true;
	case json_type_int:
	case json_type_double: return copy_number(copying, from, value);
	case json_type_string:
		value->kind = JSON_TEXT;
		return copy_text(copying, json_object_get_string(from),
				 (size_t)json_object_get_string_len(from), &value->text);
	case json_type_array: return copy_array(copying, from, value);
	case json_type_object: return copy_object(copying, from, value);
	}
	return fail(copying, "a value is expected");
}

/* The document as json-c's tree; NULL with `*out_error` set when it is none. "null" gives NULL too. */
static struct json_object *read_tree(struct json_tokener *tokener, struct span document,
				     const char **out_error, size_t *out_at)
{
	struct json_object *tree =
		json_tokener_parse_ex(tokener, document.at ? document.at : "", (int)document.len);
	*out_at = json_tokener_get_parse_end(tokener);
	/* A number, or true, at the very end of the text may go on until json-c sees that it does not. */
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		tree = json_tokener_parse_ex(tokener, " ", 1);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	if (error == json_tokener_continue)
		*out_error = "the document has no end";
	else if (error != json_tokener_success)
		*out_error = json_tokener_error_desc(error);
	else if (*out_at < document.len)
		*out_error = "something follows the document";
	return tree;
}

const struct json_value *json_parse(struct span document, struct arena *arena,
				    const char **out_error, size_t *out_at)
{
	struct copying copying = { .arena = arena };
	struct json_value *value = ARENA_NEW(arena, struct json_value);
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MOST + 1);
	*out_error = NULL;
	*out_at = 0;
	if (!value || !tokener || document.len > DOCUMENT_MOST) {
		*out_error = document.len > DOCUMENT_MOST ? "the document is too large"
							  : "out of memory";
	} else {
		json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
		struct json_object *tree = read_tree(tokener, document, out_error, out_at);
		if (!*out_error && !copy_value(&copying, tree, value))
			*out_error = copying.error;
		json_object_put(tree);
	}
	if (tokener)
		json_tokener_free(tokener);
	return *out_error ? NULL : value;
}

const struct json_value *json_member(const struct json_value *object, const char *name)
{
	if (object->kind != JSON_OBJECT)
		return NULL;
	for (const struct json_value *member = object->first; member; member = member->next)
		if (span_equal(member->name, span_from(name)))
			return member;
	return NULL;
}

enum json_extent json_extent(struct span stream, size_t *out_len)
{
	size_t at = 0, depth = 0;
	bool in_string = false;
	while (at < stream.len && ascii_is_space(stream.at[at]))
		at++;
	if (at == stream.len)
		return JSON_MORE;
	if (stream.at[at] != '{' && stream.at[at] != '[')
		return JSON_GARBAGE;
	for (; at < stream.len; at++) {
		char c = stream.at[at];
		if (in_string) {
			if (c == '\\')
				at++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if ((c == '}' || c == ']') && --depth == 0) {
			*out_len = at + 1;
			return JSON_WHOLE;
		}
	}
	return JSON_MORE;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

/* Length of the well-formed UTF-8 character at the beginning (RFC 3629), 0 when there is none. */
static size_t utf8_length(struct span text)
{
	static const struct {
		uint8_t mask, lead, len;
		uint32_t least;
	} forms[] = { { 0xE0, 0xC0, 2, 0x80 },
		      { 0xF0, 0xE0, 3, 0x800 },
		      { 0xF8, 0xF0, 4, 0x10000 } };
	uint8_t lead = (uint8_t)text.at[0];
	if (lead < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if ((lead & forms[i].mask) != forms[i].lead || text.len < forms[i].len)
			continue;
		uint32_t code = lead & (uint8_t)~forms[i].mask;
		for (size_t j = 1; j < forms[i].len; j++) {
			if (((uint8_t)text.at[j] & 0xC0) != 0x80)
				return 0;
			code = code << 6 | ((uint8_t)text.at[j] & 63);
		}
		bool is_good = code >= forms[i].least && code <= 0x10FFFF &&
			       (code < 0xD800 || code > 0xDFFF);
		return is_good ? forms[i].len : 0;
	}
	return 0;
}

static void write_escaped(struct writer *w, char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	const char *found = c ? strchr(from, c) : NULL;
	if (found) {
		writer_char(w, '\\');
		writer_char(w, to[found - from]);
	} else {
		writer_literal(w, "\\u");
		writer_hex(w, (uint8_t)c, 4);
	}
}

void json_write_text(struct writer *w, struct span text)
{
	writer_char(w, '"');
	while (text.len) {
		char c = text.at[0];
		size_t len = utf8_length(text);
		if (len == 0 || (uint8_t)c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
			write_escaped(w, c);
			len = 1;
		} else {
			writer_bytes(w, text.at, len);
		}
		text = span_slice(text, len, text.len);
	}
	writer_char(w, '"');
}

void json_write_real(struct writer *w, double number)
{
	if (!isfinite(number))
		writer_literal(w, "null");
	else if (number == floor(number) && fabs(number) < 1e15)
		writer_printf(w, "%.0f", number);
	else if (fabs(number) < 1e-6 || fabs(number) > 1e9)
		writer_printf(w, "%e", number);
	else
		writer_printf(w, "%f", number);
}
