/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON by recursive descent with a bound on the depth.
 *
 *   value  = object / array / string / number / "true" / "false" / "null"
 *   object = "{" [ string ":" value *( "," string ":" value ) ] "}"
 *   array  = "[" [ value *( "," value ) ] "]"
 */
#include "core/rpc/json.h"

#include <math.h>
#include <stdlib.h>

struct reader {
	struct span text;
	size_t at;
	struct arena *arena;
	const char *error;
	unsigned depth;
};

static bool fail(struct reader *r, const char *error)
{
	if (!r->error)
		r->error = error;
	return false;
}

static char peek(const struct reader *r)
{
	return r->at < r->text.len ? r->text.at[r->at] : '\0';
}

static void skip_space(struct reader *r)
{
	while (r->at < r->text.len && ascii_is_space(r->text.at[r->at]))
		r->at++;
}

static bool take(struct reader *r, char c)
{
	if (r->at >= r->text.len || r->text.at[r->at] != c)
		return false;
	r->at++;
	return true;
}

/* ---- strings ------------------------------------------------------------------------------------------- */

static void write_utf8(struct writer *w, uint32_t code)
{
	if (code < 0x80) {
		writer_char(w, (char)code);
	} else if (code < 0x800) {
		writer_char(w, (char)(0xC0 | code >> 6));
		writer_char(w, (char)(0x80 | (code & 63)));
	} else if (code < 0x10000) {
		writer_char(w, (char)(0xE0 | code >> 12));
		writer_char(w, (char)(0x80 | (code >> 6 & 63)));
		writer_char(w, (char)(0x80 | (code & 63)));
	} else {
		writer_char(w, (char)(0xF0 | code >> 18));
		writer_char(w, (char)(0x80 | (code >> 12 & 63)));
		writer_char(w, (char)(0x80 | (code >> 6 & 63)));
		writer_char(w, (char)(0x80 | (code & 63)));
	}
}

static bool read_hex4(struct reader *r, uint32_t *out_code)
{
	uint32_t code = 0;
	if (r->text.len - r->at < 4)
		return fail(r, "\\u needs four hexadecimal digits");
	for (unsigned i = 0; i < 4; i++) {
		int digit = ascii_hex_value(r->text.at[r->at]);
		if (digit < 0)
			return fail(r, "\\u needs four hexadecimal digits");
		code = code << 4 | (uint32_t)digit;
		r->at++;
	}
	*out_code = code;
	return true;
}

/* After "\u"; two halves of a surrogate pair make one character. */
static bool read_unicode(struct reader *r, struct writer *w)
{
	uint32_t code, low;
	if (!read_hex4(r, &code))
		return false;
	if (code >= 0xD800 && code < 0xDC00) {
		if (!take(r, '\\') || !take(r, 'u') || !read_hex4(r, &low) || low < 0xDC00 || low > 0xDFFF)
			return fail(r, "half a surrogate pair");
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
	} else if (code == 0 || (code >= 0xDC00 && code <= 0xDFFF)) {
		return fail(r, "no such character");
	}
	write_utf8(w, code);
	return true;
}

static bool read_escape(struct reader *r, struct writer *w)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char c = peek(r);
	const char *found = c ? strchr(from, c) : NULL;
	r->at++;
	if (found)
		writer_char(w, to[found - from]);
	else if (c == 'u')
		return read_unicode(r, w);
	else
		return fail(r, "no such escape");
	return true;
}

static bool read_string(struct reader *r, struct span *out_text)
{
	if (!take(r, '"'))
		return fail(r, "a string in quotes is expected");
	struct writer w = writer_in_arena(r->arena, 32);
	while (r->at < r->text.len) {
		char c = r->text.at[r->at++];
		if (c == '"') {
			*out_text = w.len ? writer_result(&w) : SPAN_OF("");
			return w.failed ? fail(r, "out of memory") : true;
		}
		if (c == '\0')
			return fail(r, "a NUL byte");
		if (c != '\\')
			writer_char(&w, c);
		else if (!read_escape(r, &w))
			return false;
	}
	return fail(r, "a string without end");
}

/* ---- numbers and words ------------------------------------------------------------------------------------ */

static size_t skip_digits(struct reader *r)
{
	size_t from = r->at;
	while (ascii_is_digit(peek(r)))
		r->at++;
	return r->at - from;
}

static bool read_number(struct reader *r, struct json_value *value)
{
	size_t from = r->at;
	bool is_whole = true;
	take(r, '-');
	if (skip_digits(r) == 0)
		return fail(r, "a value is expected");
	if (take(r, '.')) {
		is_whole = false;
		if (skip_digits(r) == 0)
			return fail(r, "digits are expected after the dot");
	}
	if (take(r, 'e') || take(r, 'E')) {
		is_whole = false;
		if (!take(r, '+'))
			take(r, '-');
		if (skip_digits(r) == 0)
			return fail(r, "digits are expected after the e");
	}
	value->text = span_slice(r->text, from, r->at - from);
	char *copy = arena_string(r->arena, value->text);
	if (!copy)
		return fail(r, "out of memory");
	value->real = strtod(copy, NULL);
	value->kind = is_whole && span_to_int64(value->text, &value->number) ? JSON_INT : JSON_REAL;
	return true;
}

static bool read_word(struct reader *r, struct json_value *value)
{
	static const struct {
		struct span word;
		enum json_kind kind;
		int64_t number;
	} words[] = {
		{ SPAN("true"), JSON_BOOL, 1 },
		{ SPAN("false"), JSON_BOOL, 0 },
		{ SPAN("null"), JSON_NULL, 0 },
	};
	struct span rest = span_slice(r->text, r->at, r->text.len);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (span_starts_with(rest, words[i].word)) {
			r->at += words[i].word.len;
			value->kind = words[i].kind;
			value->number = words[i].number;
			return true;
		}
	return fail(r, "a value is expected");
}

/* ---- values ------------------------------------------------------------------------------------------------- */

static bool read_value(struct reader *r, struct json_value *value);

static bool read_members(struct reader *r, struct json_value *value, char end)
{
	struct json_value **last = &value->first;
	skip_space(r);
	if (take(r, end))
		return true;
	for (;;) {
		struct json_value *member = ARENA_NEW(r->arena, struct json_value);
		if (!member)
			return fail(r, "out of memory");
		skip_space(r);
		if (end == '}') {
			if (!read_string(r, &member->name))
				return false;
			skip_space(r);
			if (!take(r, ':'))
				return fail(r, "':' is expected");
		}
		if (!read_value(r, member))
			return false;
		*last = member;
		last = &member->next;
		skip_space(r);
		if (take(r, end))
			return true;
		if (!take(r, ','))
			return fail(r, end == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
	}
}

static bool read_container(struct reader *r, struct json_value *value, char end)
{
	r->at++;
	value->kind = end == '}' ? JSON_OBJECT : JSON_ARRAY;
	if (++r->depth > JSON_DEPTH_MOST)
		return fail(r, "nested too deeply");
	bool is_good = read_members(r, value, end);
	r->depth--;
	return is_good;
}

static bool read_value(struct reader *r, struct json_value *value)
{
	skip_space(r);
	switch (peek(r)) {
	case '{':
		return read_container(r, value, '}');
	case '[':
		return read_container(r, value, ']');
	case '"':
		value->kind = JSON_TEXT;
		return read_string(r, &value->text);
	case 't':
	case 'f':
	case 'n':
		return read_word(r, value);
	default:
		return read_number(r, value);
	}
}

const struct json_value *json_parse(struct span document, struct arena *arena, const char **out_error,
	size_t *out_at)
{
	struct reader r = { .text = document, .arena = arena };
	struct json_value *value = ARENA_NEW(arena, struct json_value);
	bool is_good = value ? read_value(&r, value) : fail(&r, "out of memory");
	skip_space(&r);
	if (is_good && r.at < document.len)
		is_good = fail(&r, "something follows the document");
	*out_error = r.error;
	*out_at = r.at;
	return is_good ? value : NULL;
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
	} forms[] = { { 0xE0, 0xC0, 2, 0x80 }, { 0xF0, 0xE0, 3, 0x800 }, { 0xF8, 0xF0, 4, 0x10000 } };
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
		bool is_good = code >= forms[i].least && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
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
