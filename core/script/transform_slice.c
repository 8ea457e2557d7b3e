/* SPDX-License-Identifier: BSD-2-Clause */
/* transform_slice: {s.…} that take a part of a text. */
#include "core/script/transform.h"

/* substr,offset,length: a negative offset counts from the end, length 0 goes to the end. */
static bool apply_substr(struct script_run *run, struct value *value, const struct span *args,
			 unsigned count, intptr_t selector)
{
	struct span text;
	int64_t offset, length = 0;
	if (!transform_input(run, value, &text) || !transform_number(args[0], &offset) ||
	    (count > 1 && !transform_number(args[1], &length)))
		return false;
	int64_t len = (int64_t)text.len;
	if (offset < 0)
		offset = offset < -len ? -1 : offset + len;
	if (offset < 0 || offset >= len) {
		log_error("{s.substr}: the offset is outside of \"%.*s\"\n", SPAN_ARGS(text));
		return false;
	}
	if (length < 0)
		length = length <= -(len - offset) ? -1 : len - offset + length;
	if (length < 0)
		return transform_null(value);
	if (length == 0 || length > len - offset)
		length = len - offset;
	return transform_text(value, span_slice(text, (size_t)offset, (size_t)length));
}

/* "\\", "\t", "\n", "\r", "\w" and "\s" stand for a backslash, characters, a blank. */
static bool is_separator(struct span separator, char c)
{
	if (separator.len >= 2 && separator.at[0] == '\\') {
		switch (separator.at[1]) {
		case 't': return c == '\t';
		case 'n': return c == '\n';
		case 'r': return c == '\r';
		case 's': return c == ' ';
		case 'w': return ascii_is_space(c);
		default: return c == separator.at[1];
		}
	}
	return c == separator.at[0];
}

static unsigned count_items(struct span text, struct span separator)
{
	unsigned items = 1;
	for (size_t i = 0; i < text.len; i++)
		items += is_separator(separator, text.at[i]);
	return items;
}

/* The index-th item of a list; a negative index counts from the end. Absent when there is none. */
static struct span select_item(struct span text, int64_t index, struct span separator)
{
	if (index < 0)
		index += count_items(text, separator);
	if (index < 0)
		return (struct span){ 0 };
	size_t start = 0;
	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && !is_separator(separator, text.at[i]))
			continue;
		if (index-- == 0)
			return span_slice(text, start, i - start);
		start = i + 1;
	}
	return (struct span){ 0 };
}

static bool apply_select(struct script_run *run, struct value *value, const struct span *args,
			 unsigned count, intptr_t selector)
{
	struct span text;
	int64_t index;
	if (!transform_input(run, value, &text) || !transform_number(args[0], &index))
		return false;
	if (!args[1].len) {
		log_error("{s.select}: the separator is empty\n");
		return false;
	}
	return transform_text(value, select_item(text, index, args[1]));
}

/* Items that runs of white space separate. */
static bool apply_selectws(struct script_run *run, struct value *value, const struct span *args,
			   unsigned count, intptr_t selector)
{
	struct span text, found = { 0 };
	int64_t index;
	if (!transform_input(run, value, &text) || !transform_number(args[0], &index))
		return false;
	for (int pass = index < 0 ? 0 : 1; pass < 2; pass++) {
		struct span rest = span_trim(text);
		int64_t seen = 0;
		while (rest.len && !found.at) {
			size_t end = 0;
			while (end < rest.len && !ascii_is_space(rest.at[end]))
				end++;
			if (pass && seen == index)
				found = span_slice(rest, 0, end);
			seen++;
			rest = span_trim(span_slice(rest, end, rest.len));
		}
		if (!pass)
			index += seen;
	}
	return transform_text(value, found);
}

static bool apply_strip(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t is_tail)
{
	struct span text;
	int64_t n;
	if (!transform_input(run, value, &text) || !transform_number(args[0], &n))
		return false;
	if (n > 0) {
		size_t cut = (uint64_t)n > text.len ? text.len : (size_t)n;
		text = is_tail ? span_slice(text, 0, text.len - cut)
			       : span_slice(text, cut, text.len);
	}
	return transform_text(value, text);
}

enum side { AFTER, LAST_AFTER, BEFORE, LAST_BEFORE };

static bool apply_side(struct script_run *run, struct value *value, const struct span *args,
		       unsigned count, intptr_t selector)
{
	struct span text;
	if (!transform_input(run, value, &text) || !args[0].len)
		return false;
	size_t at = text.len;
	const char *last = text.len ? memrchr(text.at, args[0].at[0], text.len) : NULL;
	if (selector == AFTER || selector == BEFORE)
		at = span_find(text, args[0].at[0], 0);
	else if (last)
		at = (size_t)(last - text.at);
	if (selector == BEFORE || selector == LAST_BEFORE)
		return transform_text(value, span_slice(text, 0, at));
	return transform_text(value,
			      at < text.len ? span_slice(text, at + 1, text.len) : SPAN_OF(""));
}

/* prefixes[,max]: "a,ab,abc", shortest first; quoted with single quotes. */
static bool apply_prefixes(struct script_run *run, struct value *value, const struct span *args,
			   unsigned count, intptr_t is_quoted)
{
	struct span text;
	int64_t most = 0;
	if (!transform_input(run, value, &text) || (count && !transform_number(args[0], &most)))
		return false;
	if (most <= 0 || most > (int64_t)text.len)
		most = (int64_t)text.len;
	if (most > 1024) {
		log_error("{s.prefixes} of %lld characters is refused\n", (long long)most);
		return false;
	}
	struct writer w = writer_in_arena(run->arena, 256);
	for (int64_t i = 1; i <= most; i++) {
		writer_printf(&w, "%s%s", i > 1 ? "," : "", is_quoted ? "'" : "");
		writer_bytes(&w, text.at, (size_t)i);
		if (is_quoted)
			writer_char(&w, '\'');
	}
	return transform_written(value, &w);
}

/* {line.…}: LF ends a line, a CR before it is not part of the line. */
static struct span line_at(struct span text, int64_t index)
{
	if (index < 0)
		index += count_items(text, SPAN_OF("\n")) -
			 (text.len && text.at[text.len - 1] == '\n');
	struct span line = index < 0 ? (struct span){ 0 } : select_item(text, index, SPAN_OF("\n"));
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool apply_line_count(struct script_run *run, struct value *value, const struct span *args,
			     unsigned count, intptr_t selector)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	if (!text.len)
		return transform_null(value);
	return transform_int(value,
			     count_items(text, SPAN_OF("\n")) - (text.at[text.len - 1] == '\n'));
}

static bool apply_line_at(struct script_run *run, struct value *value, const struct span *args,
			  unsigned count, intptr_t selector)
{
	struct span text;
	int64_t index;
	if (!transform_input(run, value, &text) || !transform_number(args[0], &index))
		return false;
	return transform_text(value, line_at(text, index));
}

static bool apply_line_sw(struct script_run *run, struct value *value, const struct span *args,
			  unsigned count, intptr_t selector)
{
	struct span rest, line;
	if (!transform_input(run, value, &rest))
		return false;
	while (args[0].len && span_split(&rest, '\n', &line)) {
		if (!span_starts_with(line, args[0]))
			continue;
		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		return transform_text(value, line);
	}
	return transform_text(value, SPAN_OF(""));
}

static const struct transform_row rows[] = {
	{ "s", "substr", apply_substr, 1, 2, .check = transform_check_numbers, .doc = "offset,length: a part; a negative offset counts from the end, length 0 goes to the end." },
	{ "s", "select", apply_select, 2, 2, .check = transform_check_number, .doc = "index,separator: an item of a list; a negative index counts from the end." },
	{ "s", "selectws", apply_selectws, 1, 1, .check = transform_check_number, .doc = "index: an item of a list separated by white space." },
	{ "s", "strip", apply_strip, 1, 1, .check = transform_check_numbers, .selector = 0, .doc = "Without the first n bytes." },
	{ "s", "striptail", apply_strip, 1, 1, .check = transform_check_numbers, .selector = 1, .doc = "Without the last n bytes." },
	{ "s", "after", apply_side, 1, 1, .selector = AFTER, .doc = "What follows the first such character; empty without one." },
	{ "s", "rafter", apply_side, 1, 1, .selector = LAST_AFTER, .doc = "What follows the last such character; empty without one." },
	{ "s", "before", apply_side, 1, 1, .selector = BEFORE, .doc = "What precedes the first such character; all without one." },
	{ "s", "rbefore", apply_side, 1, 1, .selector = LAST_BEFORE, .doc = "What precedes the last such character; all without one." },
	{ "s", "prefixes", apply_prefixes, 0, 1, .check = transform_check_numbers, .selector = 0, .doc = "All prefixes up to a length, shortest first, separated by commas." },
	{ "s", "prefixes.quoted", apply_prefixes, 0, 1, .check = transform_check_numbers, .selector = 1, .doc = "The same, each in single quotes." },
	{ "line", "count", apply_line_count, .doc = "Number of lines." },
	{ "line", "at", apply_line_at, 1, 1, .check = transform_check_numbers, .doc = "A line by number, from 0; negative from the end." },
	{ "line", "sw", apply_line_sw, 1, 1, .doc = "The first line that starts with a text." },
};
const struct transform_table transform_slice_table = ROWS(rows);
