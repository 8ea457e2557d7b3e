/* SPDX-License-Identifier: BSD-2-Clause */
/* params: generic-param = token [ EQUAL ( token / host / quoted-string ) ] (RFC 3261 25.1). */
#include "parser/params.h"

#include "core/base/writer.h"

static struct span take_text(struct cursor *in, unsigned classes, char separator, char terminator)
{
	const char *start = in->at;
	while (in->at < in->end && char_is((unsigned char)*in->at, classes) &&
	       *in->at != separator && *in->at != terminator)
		in->at++;
	return cursor_since(in, start);
}

bool param_take(struct cursor *in, char separator, char terminator, struct param *out_param)
{
	struct param param = { 0 };
	const char *start = in->at;

	param.name = take_text(in, CHAR_TOKEN | CHAR_PARAM, separator, terminator);
	if (param.name.len == 0)
		return false;
	param.whole = cursor_since(in, start);
	cursor_skip_space(in);
	if (cursor_take(in, '=')) {
		cursor_skip_space(in);
		param.has_value = true;
		if (cursor_peek(in) == '"') {
			struct span quoted;
			if (!cursor_take_quoted(in, &quoted))
				return false;
			param.value = span_slice(quoted, 1, quoted.len - 2);
			param.is_quoted = true;
		} else {
			param.value = take_text(in, CHAR_VALUE, separator, terminator);
		}
		param.whole = cursor_since(in, start);
		cursor_skip_space(in);
	}
	int next = cursor_peek(in);
	if (next >= 0 && next != (unsigned char)separator && next != (unsigned char)terminator)
		return false;
	*out_param = param;
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
