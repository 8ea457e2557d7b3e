/* SPDX-License-Identifier: BSD-2-Clause */
/* Collecting and showing what is wrong in a file that a person wrote. */
#include "core/base/diagnostic.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void diagnostics_init(struct diagnostics *all, struct arena *arena)
{
	*all = (struct diagnostics){ .arena = arena };
	all->last = &all->first;
}

static struct span format_in_arena(struct arena *arena, const char *format, va_list args)
{
	va_list again;
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
	if (text)
		vsnprintf(text, (size_t)len + 1, format, again);
	va_end(again);
	return text ? (struct span){ text, (size_t)len } : (struct span){ NULL, 0 };
}

struct diagnostic *diagnostic_add(struct diagnostics *all, enum severity severity, const char *code,
				  struct source_position at, const char *format, ...)
{
	static struct diagnostic dropped;
	if (severity == SEVERITY_ERROR)
		all->errors++;
	else if (severity == SEVERITY_WARNING)
		all->warnings++;
	struct diagnostic *d = ARENA_NEW(all->arena, struct diagnostic);
	if (!d)
		return &dropped;
	d->severity = severity;
	d->code = code;
	d->at = at;
	va_list args;
	va_start(args, format);
	d->message = format_in_arena(all->arena, format, args);
	va_end(args);
	*all->last = d;
	all->last = &d->next;
	return d;
}

void diagnostic_hint(struct diagnostics *all, struct diagnostic *d, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	d->hint = format_in_arena(all->arena, format, args);
	va_end(args);
}

static struct span source_line(const struct source_file *file, uint32_t line)
{
	struct span rest = file->text, text = { NULL, 0 };
	for (uint32_t i = 0; i < line; i++)
		if (!span_split(&rest, '\n', &text))
			return (struct span){ NULL, 0 };
	if (text.len && text.at[text.len - 1] == '\r')
		text.len--;
	return text;
}

/* "://user:password@" becomes "://user:********@": the columns below stay where they were. */
static void write_without_passwords(struct span line, struct writer *out)
{
	while (line.len) {
		size_t start = span_find_span(line, SPAN_OF("://"));
		size_t end = start < line.len ? start + 3 : start;
		while (end < line.len && line.at[end] != '"' && line.at[end] != '\'' &&
		       !ascii_is_space(line.at[end]))
			end++;
		struct span url = span_slice(line, 0, end);
		size_t at = url.len;
		while (at > start && url.at[at - 1] != '@')
			at--;
		size_t colon = start + 3 < at ? span_find(url, ':', start + 3) : url.len;
		for (size_t i = 0; i < url.len; i++)
			writer_char(out, i > colon && i + 1 < at ? '*' : url.at[i]);
		line = span_slice(line, end, line.len);
	}
}

/* The strings of a line, counted from 0, that hold a secret from `first` on, if `word` stands before. */
static const struct {
	struct span start, word;
	unsigned first;
} secret_strings[] = {
	{ SPAN("modparam"), SPAN("secret"), 2 },
	{ SPAN("modparam"), SPAN("passw"), 2 },
	{ SPAN("pv_"), SPAN("auth"), 1 },
};

static unsigned first_secret_string(struct span line)
{
	for (size_t i = 0; i < sizeof(secret_strings) / sizeof(secret_strings[0]); i++) {
		struct span rest =
			span_slice(line, span_find_span(line, secret_strings[i].start), line.len);
		if (span_find_span(rest, secret_strings[i].word) < rest.len)
			return secret_strings[i].first;
	}
	return UINT_MAX;
}

/* Hides, in place and without moving anything, what strings hold that may be secrets. */
static void hide_secret_strings(struct span line, char *text)
{
	unsigned first = first_secret_string(line), strings = 0;
	char quote = 0;
	for (size_t i = 0; i < line.len; i++)
		if (quote && text[i] == quote) {
			quote = 0;
			strings++;
		} else if (quote && strings >= first) {
			text[i] = '*';
		} else if (!quote && (text[i] == '"' || text[i] == '\'')) {
			quote = text[i];
		}
}

/* What is shown of a line: all, or of a long one the part around the mark. */
#define SHOWN_MOST   160
#define SHOWN_BEFORE 80
struct window {
	size_t from, end;
};

static size_t character_start(struct span line, size_t at)
{
	while (at > 0 && at < line.len && (line.at[at] & 0xc0) == 0x80)
		at--;
	return at;
}

static struct window window_around(struct span line, size_t column)
{
	if (line.len <= SHOWN_MOST)
		return (struct window){ 0, line.len };
	size_t from = column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 0;
	if (from > line.len - SHOWN_MOST)
		from = line.len - SHOWN_MOST;
	return (struct window){ character_start(line, from),
				character_start(line, from + SHOWN_MOST) };
}

/* Without secrets. */
static void write_shown(struct span line, struct window shown, struct writer *out)
{
	if (shown.from > 0)
		writer_literal(out, "…");
	size_t start = out->len;
	write_without_passwords(line, out);
	if (out->failed || out->len - start != line.len)
		return;
	hide_secret_strings(line, out->data + start);
	memmove(out->data + start, out->data + start + shown.from, shown.end - shown.from);
	out->len = start + shown.end - shown.from;
	if (shown.end < line.len)
		writer_literal(out, "…");
}

/* The line and under it a caret; tabs are kept so that both lines indent alike. */
static void write_excerpt(const struct diagnostic *d, struct writer *out)
{
	if (!d->at.file || !d->at.line)
		return;
	struct span line = source_line(d->at.file, d->at.line);
	if (!line.at)
		return;
	size_t column = d->at.column ? d->at.column - 1 : 0;
	struct window shown = window_around(line, column);
	writer_printf(out, "%6u | ", d->at.line);
	write_shown(line, shown, out);
	writer_literal(out, "\n       | ");
	if (shown.from > 0)
		writer_char(out, ' ');
	for (size_t i = shown.from; i < column && i < shown.end; i++)
		if (line.at[i] == '\t')
			writer_char(out, '\t');
		else if ((line.at[i] & 0xc0) != 0x80) /* one blank per UTF-8 character */
			writer_char(out, ' ');
	writer_char(out, '^');
	for (size_t i = column + 1; i < column + d->at.length && i < shown.end; i++)
		if ((line.at[i] & 0xc0) != 0x80)
			writer_char(out, '~');
	writer_char(out, '\n');
}

static void write_one(const struct diagnostic *d, struct writer *out)
{
	static const char *const names[] = { "error", "warning", "note" };
	if (d->at.file)
		writer_printf(out, "%s:%u:%u: ", d->at.file->path, d->at.line, d->at.column);
	writer_printf(out, "%s: %.*s", names[d->severity], SPAN_ARGS(d->message));
	if (d->code)
		writer_printf(out, " [%s]", d->code);
	writer_char(out, '\n');
	write_excerpt(d, out);
	if (d->hint.at)
		writer_printf(out, "       = hint: %.*s\n", SPAN_ARGS(d->hint));
}

struct sort_entry {
	const struct diagnostic *diagnostic;
	unsigned order;
};

static int compare_places(const void *left, const void *right)
{
	const struct sort_entry *a = left, *b = right;
	const struct source_position *p = &a->diagnostic->at, *q = &b->diagnostic->at;
	if (p->file == q->file && p->line != q->line)
		return p->line < q->line ? -1 : 1;
	if (p->file == q->file && p->column != q->column)
		return p->column < q->column ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

/* So many warnings in the same words are shown whole; of the others only the lines are told. */
#define WARNINGS_SHOWN 3

static bool is_folded_with(const struct diagnostic *a, const struct diagnostic *b)
{
	return a->severity == SEVERITY_WARNING && b->severity == SEVERITY_WARNING && a->at.file &&
	       a->at.file == b->at.file && span_equal(a->message, b->message);
}

/* "file: warning: likewise in line 96, 111, 117 [stray-break]", for those after the last that is
 * shown. */
static void write_folded(const struct sort_entry *sorted, unsigned count, unsigned last,
			 struct writer *out)
{
	const struct diagnostic *kind = sorted[last].diagnostic;
	unsigned folded = 0;
	for (unsigned i = last + 1; i < count; i++) {
		const struct diagnostic *d = sorted[i].diagnostic;
		if (!is_folded_with(kind, d))
			continue;
		if (!folded++)
			writer_printf(out, "%s: warning: likewise in line ", d->at.file->path);
		else
			writer_literal(out, ", ");
		writer_printf(out, "%u", d->at.line);
	}
	if (folded)
		writer_printf(out, " [%s]\n", kind->code ? kind->code : "warning");
}

static unsigned alike_before(const struct sort_entry *sorted, unsigned at)
{
	unsigned alike = 0;
	for (unsigned i = 0; i < at && alike < WARNINGS_SHOWN; i++)
		alike += is_folded_with(sorted[i].diagnostic, sorted[at].diagnostic);
	return alike;
}

void diagnostics_write(struct diagnostics *all, struct writer *out)
{
	unsigned count = 0;
	for (const struct diagnostic *d = all->first; d; d = d->next)
		count++;
	struct sort_entry *sorted = ARENA_ARRAY(all->arena, struct sort_entry, count + 1);
	if (!sorted)
		return;
	unsigned i = 0;
	for (const struct diagnostic *d = all->first; d; d = d->next, i++)
		sorted[i] = (struct sort_entry){ d, i };
	qsort(sorted, count, sizeof(*sorted), compare_places);
	for (i = 0; i < count; i++) {
		unsigned alike = alike_before(sorted, i);
		if (alike < WARNINGS_SHOWN)
			write_one(sorted[i].diagnostic, out);
		if (alike == WARNINGS_SHOWN - 1)
			write_folded(sorted, count, i, out);
	}
	if (all->errors || all->warnings)
		writer_printf(out, "%u error%s, %u warning%s\n", all->errors,
			      all->errors == 1 ? "" : "s", all->warnings,
			      all->warnings == 1 ? "" : "s");
}

#define DISTANCE_MAX_NAME 64

unsigned name_distance(struct span a, struct span b, unsigned limit)
{
	/* Optimal string alignment: three rows of the classic table, case ignored. */
	unsigned rows[3][DISTANCE_MAX_NAME + 1];
	if (a.len > DISTANCE_MAX_NAME || b.len > DISTANCE_MAX_NAME)
		return limit;
	unsigned *before = rows[0], *previous = rows[1], *current = rows[2];
	for (unsigned j = 0; j <= b.len; j++)
		previous[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		current[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			char x = ascii_lower(a.at[i - 1]), y = ascii_lower(b.at[j - 1]);
			unsigned best = previous[j - 1] + (x != y);
			if (previous[j] + 1 < best)
				best = previous[j] + 1;
			if (current[j - 1] + 1 < best)
				best = current[j - 1] + 1;
			if (i > 1 && j > 1 && x == ascii_lower(b.at[j - 2]) &&
			    ascii_lower(a.at[i - 2]) == y && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			current[j] = best;
		}
		unsigned *oldest = before;
		before = previous;
		previous = current;
		current = oldest;
	}
	return previous[b.len] < limit ? previous[b.len] : limit;
}

const char *nearest_name(struct span name, const char *const *names, size_t count)
{
	unsigned limit = (unsigned)(name.len / 3 + 1), best = limit + 1;
	const char *nearest = NULL;
	for (size_t i = 0; i < count; i++) {
		unsigned distance = name_distance(name, span_from(names[i]), limit + 1);
		if (distance < best) {
			best = distance;
			nearest = names[i];
		}
	}
	return nearest;
}
