/* SPDX-License-Identifier: BSD-2-Clause */
/* params: generic-param = token [ EQUAL ( token / host / quoted-string ) ] (RFC 3261 25.1). */
#include "parser/params.h"

#include "core/base/writer.h"
#include "parser/scan.h"

/* The name: no separator but "&" is a character of names. */
static struct span take_name(struct cursor *in, char separator, char terminator)
{
	const char *start = in->at, *at = start, *end = in->end;
	while (at < end && (char_classes[(unsigned char)*at] & (CHAR_TOKEN | CHAR_PARAM)))
		at++;
	if (separator == '&' || terminator == '&') {
		const char *stop = memchr(start, '&', (size_t)(at - start));
		at = stop ? stop : at;
	}
	in->at = at;
	return cursor_since(in, start);
}

/* A value without quotes ends the parameter; a quoted one is returned without its quotes. */
static bool take_value(struct cursor *in, char separator, char terminator, struct span *out_value,
		       bool *out_quoted)
{
	struct span quoted;
	*out_quoted = cursor_peek(in) == '"';
	if (!*out_quoted) {
		const char *start = in->at;
		in->at = scan_value_stop(start, in->end, separator, terminator);
		*out_value = cursor_since(in, start);
		return true;
	}
	if (!cursor_take_quoted(in, &quoted))
		return false;
	*out_value = span_slice(quoted, 1, quoted.len - 2);
	return true;
}

/* "name=value" and "name" as nearly all are written, without white space and quotes, up to the next
 * parameter or the end; `name` was taken. False for other ones. */
static inline bool take_plain(struct cursor *in, char separator, char terminator, struct span name,
			      struct param *out_param)
{
	const char *at = in->at;
	out_param->value = (struct span){ NULL, 0 };
	out_param->has_value = false;
	if (at < in->end && *at == '=') {
		const char *start = at + 1;
		at = scan_value_stop(start, in->end, separator, terminator);
		if (at == start)
			return false;
		out_param->value = span_make(start, (size_t)(at - start));
		out_param->has_value = true;
	}
	if (at < in->end && *at != separator && *at != terminator)
		return false;
	out_param->whole = span_make(name.at, (size_t)(at - name.at));
	out_param->name = name;
	out_param->is_quoted = false;
	in->at = at;
	return true;
}

bool param_take(struct cursor *in, char separator, char terminator, struct param *out_param)
{
	const char *start = in->at, *end;
	struct span name = take_name(in, separator, terminator), value = { NULL, 0 };
	bool has_value = false, is_quoted = false;

	if (name.len == 0)
		return false;
	if (take_plain(in, separator, terminator, name, out_param))
		return true;
	end = in->at;
	cursor_skip_space(in);
	if (cursor_take(in, '=')) {
		cursor_skip_space(in);
		has_value = true;
		if (!take_value(in, separator, terminator, &value, &is_quoted))
			return false;
		end = in->at;
		cursor_skip_space(in);
	}
	int next = cursor_peek(in);
	if (next >= 0 && next != (unsigned char)separator && next != (unsigned char)terminator)
		return false;
	/* Member by member: a copy of a struct that was just written would wait for the stores. */
	out_param->whole = span_make(start, (size_t)(end - start));
	out_param->name = name;
	out_param->value = value;
	out_param->has_value = has_value;
	out_param->is_quoted = is_quoted;
	return true;
}

struct param_list params_over(struct span text, char separator)
{
	return (struct param_list){ cursor_over(text), separator };
}

enum list_result params_next(struct param_list *list, struct param *out_param)
{
	for (;;) {
		cursor_skip_space(&list->rest);
		if (!cursor_take(&list->rest, list->separator))
			break;
	}
	if (cursor_is_end(&list->rest))
		return LIST_END;
	return param_take(&list->rest, list->separator, list->separator, out_param) ? LIST_ITEM
										    : LIST_BAD;
}

bool params_find(struct span text, char separator, struct span name, struct param *out_param)
{
	struct param_list list = params_over(text, separator);
	struct param param;

	while (params_next(&list, &param) == LIST_ITEM) {
		if (span_equal_nocase(param.name, name)) {
			*out_param = param;
			return true;
		}
	}
	return false;
}

bool params_are_valid(struct span text, char separator)
{
	struct param_list list = params_over(text, separator);
	struct param param;
	enum list_result result;

	while ((result = params_next(&list, &param)) == LIST_ITEM)
		;
	return result == LIST_END;
}

struct span quoted_inside(struct span text)
{
	if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
		return span_slice(text, 1, text.len - 2);
	return text;
}

struct span quoted_unescape(struct arena *arena, struct span quoted)
{
	struct span inside = quoted_inside(quoted);
	if (span_find(inside, '\\', 0) == inside.len)
		return inside;
	struct writer w = writer_in_arena(arena, inside.len);
	for (size_t i = 0; i < inside.len; i++) {
		if (inside.at[i] == '\\' && i + 1 < inside.len)
			i++;
		writer_char(&w, inside.at[i]);
	}
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}
