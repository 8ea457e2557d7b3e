/* SPDX-License-Identifier: BSD-2-Clause */
/* params: generic-param = token [ EQUAL ( token / host / quoted-string ) ] (RFC 3261 25.1). */
#include "parser/params.h"

#include "core/base/writer.h"
#include "parser/scan.h"

/* The name: no separator but "&" is a character of names. */
static const char *name_end(const char *at, const char *end, char separator)
{
	const char *stop = chars_end(at, end, CHAR_TOKEN | CHAR_PARAM);
	if (separator != '&')
		return stop;
	while (at < stop && *at != '&')
		at++;
	return at;
}

/* With white space, with quotes, or malformed: from the end of the name, `at`, on. */
[[gnu::noinline]] static const char *read_spaced(const char *begin, const char *at, const char *end,
						 char separator, char terminator, struct param *out)
{
	const char *next = space_end(at, end);
	if (next < end && *next == '=') {
		const char *start = space_end(next + 1, end);
		out->has_value = true;
		out->is_quoted = start < end && *start == '"';
		if (out->is_quoted) {
			at = quoted_end(begin, start, end);
			if (!at)
				return NULL;
			out->value = span_make(start + 1, (size_t)(at - start - 2));
		} else {
			at = scan_value_stop(begin, start, end,
					     separator == ';' ? terminator : separator);
			out->value = span_make(start, (size_t)(at - start));
		}
		next = space_end(at, end);
	}
	out->whole.len = (size_t)(at - out->whole.at);
	return next == end || *next == separator || *next == terminator ? next : NULL;
}

const char *param_read(const char *begin, const char *at, const char *end, char separator,
		       char terminator, struct param *out_param)
{
	const char *name = at;
	const char *equals = at = name_end(at, end, separator);
	if (at == name)
		return NULL;
	out_param->name = span_make(name, (size_t)(at - name));
	out_param->value = (struct span){ NULL, 0 };
	out_param->has_value = false;
	out_param->is_quoted = false;
	if (at < end && *at == '=' && (end - at == 1 || at[1] != '"')) {
		at = scan_value_stop(begin, at + 1, end, separator == ';' ? terminator : separator);
		out_param->value = span_make(equals + 1, (size_t)(at - equals - 1));
		out_param->has_value = true;
	}
	out_param->whole = span_make(name, (size_t)(at - name));
	if (at == end || *at == separator || *at == terminator)
		return at;
	return read_spaced(begin, equals, end, separator, terminator, out_param);
}

struct param_list params_over(struct span text, char separator)
{
	return (struct param_list){ text.at, cursor_over(text), separator };
}

enum list_result params_next(struct param_list *list, struct param *out_param)
{
	const char *at = list->rest.at, *end = list->rest.end;
	char separator = list->separator;
	do
		at = space_end(at, end);
	while (at < end && *at == separator && at++);
	list->rest.at = at;
	if (at == end)
		return LIST_END;
	at = param_read(list->begin, at, end, separator, separator, out_param);
	if (!at)
		return LIST_BAD;
	list->rest.at = at;
	return LIST_ITEM;
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
