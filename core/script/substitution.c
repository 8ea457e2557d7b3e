/* SPDX-License-Identifier: BSD-2-Clause */
/* substitution: "/re/replacement/flags", the way of sed.
 *
 *   substitution = d re d replacement d *( "i" / "g" / "s" )     ; d is any byte, "\d" stands for
 * it
 *   replacement  = *( text / "\" DIGIT / "\n" / "\r" / "\t" / "\\" / "\$" / reference ) */
#include <stdlib.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/script/pattern.h"
#include "core/script/template.h"

#define CACHE_SIZE 256 /* texts that are kept per process; a power of two */
#define TEXT_LIMIT (64 * 1024)

/* The replacement is a list of pieces: text, a group of the match, or a template. */
struct piece {
	enum { PIECE_TEXT, PIECE_GROUP, PIECE_TEMPLATE } kind;
	struct span text;
	unsigned group;
	const struct text_template *template;
};

struct substitution {
	const struct pattern *pattern;
	struct piece *pieces;
	unsigned count;
	bool is_global;
};

/* ---- compiling ----------------------------------------------------------------------------- */

/* Takes the text up to the next unescaped delimiter; an escaped one loses its backslash. */
static bool take_part(struct span *rest, char delimiter, struct arena *arena, struct span *out_part)
{
	struct writer w = writer_in_arena(arena, rest->len + 1);
	for (size_t i = 0; i < rest->len; i++) {
		char c = rest->at[i];
		if (c == delimiter) {
			*rest = span_make(rest->at + i + 1, rest->len - i - 1);
			*out_part = writer_result(&w);
			return !w.failed;
		}
		if (c == '\\' && i + 1 < rest->len) {
			if (rest->at[i + 1] != delimiter)
				writer_char(&w, c);
			c = rest->at[++i];
		}
		writer_char(&w, c);
	}
	return false;
}

static bool read_flags(struct span text, unsigned *pattern_flags, bool *is_global)
{
	*pattern_flags = PATTERN_NEWLINE;
	for (size_t i = 0; i < text.len; i++) {
		switch (text.at[i]) {
		case 'i': *pattern_flags |= PATTERN_IGNORE_CASE; break;
		case 'g': *is_global = true; break;
		case 's': *pattern_flags &= ~(unsigned)PATTERN_NEWLINE; break;
		default: return false;
		}
	}
	return true;
}

static void add_piece(struct substitution *s, struct piece piece)
{
	if (piece.kind != PIECE_TEXT || piece.text.len)
		s->pieces[s->count++] = piece;
}

/* A run of the replacement without backslashes: text, perhaps with variables in it. */
static bool add_plain(struct substitution *s, struct span text, struct arena *arena,
		      struct span *out_error)
{
	if (span_find(text, '$', 0) == text.len) {
		add_piece(s, (struct piece){ .kind = PIECE_TEXT, .text = text });
		return true;
	}
	const struct text_template *t = template_compile_runtime(text, arena, out_error);
	if (t)
		add_piece(s, (struct piece){ .kind = PIECE_TEMPLATE, .template = t });
	return t != NULL;
}

static const struct { char letter; struct span text; } escapes[] = {
	{ 'n', SPAN("\n") }, { 'r', SPAN("\r") }, { 't', SPAN("\t") }, { '\\', SPAN("\\") }, { '$',
		SPAN("$") },
};

static void add_escape(struct substitution *s, struct span pair)
{
	char c = pair.at[1];
	if (ascii_is_digit(c)) {
		add_piece(s, (struct piece){ .kind = PIECE_GROUP, .group = (unsigned)(c - '0') });
		return;
	}
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
		if (escapes[i].letter == c)
			pair = escapes[i].text;
	add_piece(s, (struct piece){ .kind = PIECE_TEXT, .text = pair });
}

static bool compile_replacement(struct substitution *s, struct span text, struct arena *arena,
				struct span *out_error)
{
	size_t backslashes = 0;
	for (size_t i = 0; i < text.len; i++)
		backslashes += text.at[i] == '\\';
	s->pieces = ARENA_ARRAY(arena, struct piece, 2 * backslashes + 2);
	if (!s->pieces) {
		*out_error = SPAN_OF("out of memory");
		return false;
	}
	size_t start = 0;
	for (size_t i = 0; i + 1 < text.len; i++) {
		if (text.at[i] != '\\')
			continue;
		if (!add_plain(s, span_slice(text, start, i - start), arena, out_error))
			return false;
		add_escape(s, span_slice(text, i, 2));
		start = i + 2;
		i++;
	}
	return add_plain(s, span_slice(text, start, text.len), arena, out_error);
}

const struct substitution *substitution_compile(struct span text, struct arena *arena,
						struct span *out_error)
{
	struct span rest = arena_copy(arena, span_trim(text));
	struct substitution *s = ARENA_NEW(arena, struct substitution);
	struct span expression, replacement;
	unsigned flags;
	*out_error = SPAN_OF("out of memory");
	if (!s || (text.len && !rest.at))
		return NULL;
	if (rest.len < 3 || text.len > TEXT_LIMIT) {
		*out_error = SPAN_OF("a substitution has the form /expression/replacement/flags");
		return NULL;
	}
	char delimiter = rest.at[0];
	rest = span_make(rest.at + 1, rest.len - 1);
	if (delimiter == '\\' || !take_part(&rest, delimiter, arena, &expression) ||
	    !take_part(&rest, delimiter, arena, &replacement)) {
		*out_error =
			arena_printf(arena,
				     "a substitution has the form /expression/replacement/flags: "
				     "there must be three \"%c\"",
				     delimiter);
		return NULL;
	}
	if (!read_flags(rest, &flags, &s->is_global)) {
		*out_error =
			arena_printf(arena, "\"%.*s\": the flags of a substitution are i, g and s",
				     SPAN_ARGS(rest));
		return NULL;
	}
	s->pattern = pattern_compile(expression, flags, arena, out_error);
	if (!s->pattern || !compile_replacement(s, replacement, arena, out_error))
		return NULL;
	return s;
}

/* ---- the cache of this process ------------------------------------------------------------- */

static struct {
	struct {
		struct span text; /* own copy, in the arena of its generation */
		const struct substitution *compiled;
	} entries[CACHE_SIZE];
	struct arena arenas[2];
	unsigned young, count;
	bool is_ready;
} cache;

const struct substitution *substitution_cached(struct span text)
{
	if (!cache.is_ready) {
		arena_init(&cache.arenas[0], 16384, 64u << 20);
		arena_init(&cache.arenas[1], 16384, 64u << 20);
		cache.is_ready = true;
	}
	size_t slot = (size_t)hash_span(text) % CACHE_SIZE;
	if (cache.entries[slot].text.at && span_equal(cache.entries[slot].text, text))
		return cache.entries[slot].compiled;
	/* Entries are only ever overwritten; their memory goes when two generations have been
	 * filled, so
	 * what a caller holds outlives the next CACHE_SIZE new texts. */
	if (cache.count++ >= CACHE_SIZE) {
		cache.young = 1 - cache.young;
		memset(cache.entries, 0, sizeof(cache.entries));
		arena_clear(&cache.arenas[cache.young]);
		cache.count = 1;
	}
	struct arena *arena = &cache.arenas[cache.young];
	struct span error, copy = arena_copy(arena, text);
	const struct substitution *s = substitution_compile(text, arena, &error);
	if (!s)
		log_error("\"%.*s\": %.*s\n", SPAN_ARGS(text), SPAN_ARGS(error));
	if (copy.at) {
		cache.entries[slot].text = copy;
		cache.entries[slot].compiled = s;
	}
	return s;
}

/* ---- applying ------------------------------------------------------------------------------ */

bool substitution_is_global(const struct substitution *s)
{
	return s->is_global;
}

static bool write_replacement(struct script_run *run, const struct substitution *s,
			      struct span subject, const struct pattern_match *groups,
			      struct writer *w)
{
	for (unsigned i = 0; i < s->count; i++) {
		const struct piece *piece = &s->pieces[i];
		switch (piece->kind) {
		case PIECE_TEXT: writer_span(w, piece->text); break;
		case PIECE_GROUP: {
			const struct pattern_match *group = &groups[piece->group];
			if (group->start <= group->end)
				writer_bytes(w, subject.at + group->start,
					     group->end - group->start);
			break;
		}
		case PIECE_TEMPLATE:
			if (!template_write_plain(run, piece->template, w))
				return false;
			break;
		}
	}
	return !w->failed;
}

bool substitution_next(struct script_run *run, const struct substitution *s, struct span subject,
		       size_t from, struct pattern_match *out_where, struct span *out_text)
{
	struct pattern_match groups[PATTERN_MAX_GROUPS];
	if (!pattern_search(s->pattern, subject, from, groups, PATTERN_MAX_GROUPS))
		return false;
	struct writer w = writer_in_arena(run->arena, 64);
	if (!write_replacement(run, s, subject, groups, &w))
		return false;
	*out_where = groups[0];
	*out_text = writer_result(&w);
	return true;
}

unsigned substitution_apply(struct script_run *run, const struct substitution *s,
			    struct span subject, struct writer *w)
{
	struct pattern_match groups[PATTERN_MAX_GROUPS];
	size_t done = 0, from = 0;
	unsigned count = 0;
	while (from <= subject.len &&
	       pattern_search(s->pattern, subject, from, groups, PATTERN_MAX_GROUPS)) {
		writer_bytes(w, subject.at + done, groups[0].start - done);
		if (!write_replacement(run, s, subject, groups, w))
			return 0;
		done = groups[0].end;
		from = groups[0].end > groups[0].start ? done : done + 1;
		count++;
		if (!s->is_global)
			break;
	}
	if (count)
		writer_bytes(w, subject.at + done, subject.len - done);
	return count;
}
