/* SPDX-License-Identifier: BSD-2-Clause */
/* transform_string: {s.…} that measure and edit texts. */
#include <time.h>

#include "core/script/transform.h"

static bool apply_len(struct script_run *run, struct value *value, const struct span *args,
		      unsigned count, intptr_t selector)
{
	struct span text;
	return transform_input(run, value, &text) && transform_int(value, (int64_t)text.len);
}

/* Decimal only; anything else is null, which is empty in a text. */
static bool apply_int(struct script_run *run, struct value *value, const struct span *args,
		      unsigned count, intptr_t selector)
{
	int64_t number;
	if (value->kind == VALUE_INT)
		return true;
	if (!span_to_int64(value->text, &number))
		return transform_null(value);
	return transform_int(value, number);
}

static bool apply_intv(struct script_run *run, struct value *value, const struct span *args,
		       unsigned count, intptr_t selector)
{
	struct span text;
	if (value->kind == VALUE_TEXT && !apply_int(run, value, args, count, selector))
		return false;
	if (value->kind == VALUE_NULL)
		return true;
	return transform_input(run, value, &text) && transform_text(value, text);
}

enum keep { KEEP_DIGITS, KEEP_NOT_BLANK, KEEP_NOT_FOLD, KEEP_NOT_LINE };

/* Copies the bytes that a rule keeps. rmhdws and rmhlws take white space at the start of header
 * fields' lines away: blanks that follow a line end. */
static bool apply_keep(struct script_run *run, struct value *value, const struct span *args,
		       unsigned count, intptr_t selector)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	struct writer w = writer_in_arena(run->arena, text.len + 1);
	bool after_blank = false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.at[i];
		bool is_kept = true;
		switch ((enum keep)selector) {
		case KEEP_DIGITS: is_kept = ascii_is_digit(c); break;
		case KEEP_NOT_BLANK: is_kept = !ascii_is_space(c); break;
		case KEEP_NOT_FOLD: /* runs of white space become one blank */
			is_kept = !ascii_is_space(c) || !after_blank;
			after_blank = ascii_is_space(c);
			if (after_blank)
				c = ' ';
			break;
		case KEEP_NOT_LINE: /* line ends and the blanks behind them */
			if (c == '\r' || c == '\n')
				after_blank = true;
			else if (c != ' ' && c != '\t')
				after_blank = false;
			is_kept = !after_blank;
			break;
		}
		if (is_kept)
			writer_char(&w, c);
	}
	return transform_written(value, &w);
}

static bool apply_case(struct script_run *run, struct value *value, const struct span *args,
		       unsigned count, intptr_t to_upper)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	char *copy = arena_alloc(run->arena, text.len + 1);
	if (!copy)
		return false;
	for (size_t i = 0; i < text.len; i++)
		copy[i] = to_upper ? ascii_upper(text.at[i]) : ascii_lower(text.at[i]);
	return transform_text(value, span_make(copy, text.len));
}

static bool apply_trim(struct script_run *run, struct value *value, const struct span *args,
		       unsigned count, intptr_t sides)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	while (sides & 1 && text.len && ascii_is_space(text.at[0])) {
		text.at++;
		text.len--;
	}
	while (sides & 2 && text.len && ascii_is_space(text.at[text.len - 1]))
		text.len--;
	return transform_text(value, text);
}

static bool apply_unquote(struct script_run *run, struct value *value, const struct span *args,
			  unsigned count, intptr_t selector)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	if (text.len >= 2) {
		char first = text.at[0], last = text.at[text.len - 1];
		bool is_wrapped = selector == '<'
					  ? first == '<' && last == '>'
					  : (first == '"' || first == '\'') && first == last;
		if (is_wrapped)
			text = span_slice(text, 1, text.len - 2);
	}
	return transform_text(value, text);
}

static bool replace(struct script_run *run, struct value *value, struct span old, struct span new)
{
	struct span text;
	if (!transform_input(run, value, &text))
		return false;
	size_t at = old.len ? span_find_span(text, old) : text.len;
	if (at == text.len)
		return transform_text(value, text);
	struct writer w = writer_in_arena(run->arena, text.len + new.len);
	while (at < text.len) {
		writer_bytes(&w, text.at, at);
		writer_span(&w, new);
		text = span_slice(text, at + old.len, text.len);
		at = span_find_span(text, old);
	}
	writer_span(&w, text);
	return transform_written(value, &w);
}

static bool apply_replace(struct script_run *run, struct value *value, const struct span *args,
			  unsigned count, intptr_t selector)
{
	return replace(run, value, args[0], args[1]);
}

static bool apply_rm(struct script_run *run, struct value *value, const struct span *args,
		     unsigned count, intptr_t selector)
{
	return replace(run, value, args[0], SPAN_OF(""));
}

static bool apply_count(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t selector)
{
	struct span text;
	int64_t hits = 0;
	if (!transform_input(run, value, &text) || !args[0].len)
		return false;
	for (size_t i = 0; i < text.len; i++)
		hits += text.at[i] == args[0].at[0];
	return transform_int(value, hits);
}

static bool apply_charat(struct script_run *run, struct value *value, const struct span *args,
			 unsigned count, intptr_t as_number)
{
	struct span text;
	int64_t place;
	if (!transform_input(run, value, &text) || !transform_number(args[0], &place))
		return false;
	if (place < 0)
		place += (int64_t)text.len;
	if (place < 0 || place >= (int64_t)text.len)
		return transform_null(value);
	if (as_number)
		return transform_int(value, (unsigned char)text.at[place]);
	return transform_text(value, span_slice(text, (size_t)place, 1));
}

/* Lines of at most n bytes, all but the first with m blanks (or tabs) before them. */
static bool apply_fmtlines(struct script_run *run, struct value *value, const struct span *args,
			   unsigned count, intptr_t padding)
{
	struct span text;
	int64_t width, indent;
	if (!transform_input(run, value, &text) || !transform_number(args[0], &width) ||
	    !transform_number(args[1], &indent))
		return false;
	if (width < 1 || indent < 0 || indent >= width) {
		log_error("lines of %lld bytes cannot begin with %lld blanks\n", (long long)width,
			  (long long)indent);
		return false;
	}
	struct writer w = writer_in_arena(run->arena, text.len * 2);
	size_t room = (size_t)width;
	while (text.len > room && !w.failed) {
		writer_bytes(&w, text.at, room);
		writer_literal(&w, "\r\n");
		for (int64_t i = 0; i < indent; i++)
			writer_char(&w, (char)padding);
		text = span_slice(text, room, text.len);
		room = (size_t)(width - indent);
	}
	writer_span(&w, text);
	return transform_written(value, &w);
}

static bool apply_ftime(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t selector)
{
	int64_t seconds;
	struct tm parts;
	char buffer[256];
	if (!value_to_int(value, &seconds))
		return false;
	time_t when = (time_t)seconds;
	const char *format = arena_string(run->arena, args[0]);
	if (!format || !localtime_r(&when, &parts))
		return false;
	size_t len = strftime(buffer, sizeof(buffer), format, &parts);
	struct span text = arena_copy(run->arena, span_make(buffer, len));
	return text.at && transform_text(value, text);
}

/* {val.…}: what to make of null and empty values. */
enum val { VAL_ZERO, VAL_EMPTY, VAL_JSON, VAL_JSON_QUOTED };

static void write_json_text(struct writer *w, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		switch (c) {
		case '"': writer_literal(w, "\\\""); break;
		case '\\': writer_literal(w, "\\\\"); break;
		case '\n': writer_literal(w, "\\n"); break;
		case '\r': writer_literal(w, "\\r"); break;
		case '\t': writer_literal(w, "\\t"); break;
		default:
			if (c < 0x20)
				writer_printf(w, "\\u%04x", c);
			else
				writer_char(w, (char)c);
			break;
		}
	}
}

static bool apply_val(struct script_run *run, struct value *value, const struct span *args,
		      unsigned count, intptr_t selector)
{
	switch ((enum val)selector) {
	case VAL_ZERO: return value->kind != VALUE_NULL || transform_int(value, 0);
	case VAL_EMPTY: return value->kind != VALUE_NULL || transform_text(value, SPAN_OF(""));
	case VAL_JSON:
	case VAL_JSON_QUOTED: break;
	}
	if (value->kind == VALUE_NULL)
		return transform_text(value, SPAN_OF("null"));
	if (value->kind == VALUE_INT)
		return true;
	struct writer w = writer_in_arena(run->arena, value->text.len + 16);
	if (selector == VAL_JSON_QUOTED)
		writer_char(&w, '"');
	write_json_text(&w, value->text);
	if (selector == VAL_JSON_QUOTED)
		writer_char(&w, '"');
	return transform_written(value, &w);
}

/* {num.fdigit} and {num.ldigit}: first and last digit of a number. */
static bool apply_digit(struct script_run *run, struct value *value, const struct span *args,
			unsigned count, intptr_t is_last)
{
	struct span text;
	int64_t number;
	if (!transform_input(run, value, &text) || !span_to_int64(text, &number))
		return transform_null(value);
	if (text.at[0] == '-')
		text = span_slice(text, 1, text.len);
	return transform_int(value, text.at[is_last ? text.len - 1 : 0] - '0');
}

static const struct transform_row rows[] = {
	{ "s", "len", apply_len, .doc = "Length in bytes." },
	{ "s", "int", apply_int, .doc = "The text as a number; null when it is none." },
	{ "s", "intv", apply_intv, .doc = "The text as a number, printed." },
	{ "s", "numeric", apply_keep, .selector = KEEP_DIGITS, .doc = "The digits only." },
	{ "s", "charat", apply_charat, 1, 1, .check = transform_check_numbers, .doc = "The character at a place, from 0." },
	{ "s", "byte", apply_charat, 1, 1, .check = transform_check_numbers, .selector = 1, .doc = "The number of the byte at a place, from 0." },
	{ "s", "byteat", apply_charat, 1, 1, .check = transform_check_numbers, .selector = 1, .doc = "The number of the byte at a place, from 0." },
	{ "s", "count", apply_count, 1, 1, .doc = "How often a character occurs." },
	{ "s", "tolower", apply_case, .selector = 0, .doc = "In lower case." },
	{ "s", "toupper", apply_case, .selector = 1, .doc = "In upper case." },
	{ "s", "replace", apply_replace, 2, 2, .doc = "Every occurrence of the first text replaced by the second." },
	{ "s", "rm", apply_rm, 1, 1, .doc = "Without every occurrence of a text." },
	{ "s", "trim", apply_trim, .selector = 3, .doc = "Without white space at both ends." },
	{ "s", "ltrim", apply_trim, .selector = 1, .doc = "Without white space at the start." },
	{ "s", "rtrim", apply_trim, .selector = 2, .doc = "Without white space at the end." },
	{ "s", "rmws", apply_keep, .selector = KEEP_NOT_BLANK, .doc = "Without any white space." },
	{ "s", "rmhdws", apply_keep, .selector = KEEP_NOT_FOLD, .doc = "Every run of white space as one blank." },
	{ "s", "rmhlws", apply_keep, .selector = KEEP_NOT_LINE, .doc = "Without line ends and the white space behind them." },
	{ "s", "unquote", apply_unquote, .selector = '"', .doc = "Without the surrounding quotes." },
	{ "s", "unbracket", apply_unquote, .selector = '<', .doc = "Without the surrounding angle brackets." },
	{ "s", "fmtlines", apply_fmtlines, 2, 2, .check = transform_check_numbers, .selector = ' ', .doc = "In lines of n bytes, continued after m blanks." },
	{ "s", "fmtlinet", apply_fmtlines, 2, 2, .check = transform_check_numbers, .selector = '\t', .doc = "In lines of n bytes, continued after m tabs." },
	{ "s", "ftime", apply_ftime, 1, 1, .doc = "Seconds since 1970 in a form of strftime(3), local time." },
	{ "val", "n0", apply_val, .takes_null = true, .selector = VAL_ZERO, .doc = "Null as 0." },
	{ "val", "ne", apply_val, .takes_null = true, .selector = VAL_EMPTY, .doc = "Null as the empty text." },
	{ "val", "json", apply_val, .takes_null = true, .selector = VAL_JSON, .doc = "Escaped for a JSON string; null as null." },
	{ "val", "jsonqe", apply_val, .takes_null = true, .selector = VAL_JSON_QUOTED, .doc = "A JSON value: texts quoted and escaped." },
	{ "num", "fdigit", apply_digit, .selector = 0, .doc = "The first digit of a number." },
	{ "num", "ldigit", apply_digit, .selector = 1, .doc = "The last digit of a number." },
};
const struct transform_table transform_string_table = ROWS(rows);
