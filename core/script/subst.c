/* SPDX-License-Identifier: BSD-2-Clause */
/* #!subst: sed-like substitutions over the strings and the variables of a configuration file.
 *
 *   replacement = *( text / "\" DIGIT / "\\" / "\$" / "$$" / reference )
 *
 * A variable is replaced by its value while the file is read, so that an address of the environment
 * can stand in a listen address and in a setting; "\$" leaves a dollar to whoever reads the string. */
#include "core/script/lexer.h"
#include "core/script/variable.h"

#include <regex.h>

struct string_subst {
	struct string_subst *next;
	regex_t regex;
	struct span replacement;
	struct source_position at;
	bool is_global;
};

/* subst = SEP pattern SEP replacement SEP *( "i" / "g" ); a backslash before SEP keeps it. */
static bool cut(struct arena *arena, struct span *text, char separator, struct span *out_part)
{
	struct writer w = writer_in_arena(arena, text->len + 1);
	for (size_t i = 0; i < text->len; i++) {
		if (text->at[i] == '\\' && i + 1 < text->len && text->at[i + 1] == separator) {
			i++;
		} else if (text->at[i] == separator) {
			writer_terminate(&w);
			*out_part = w.len ? writer_result(&w) : SPAN_OF("");
			*text = span_slice(*text, i + 1, text->len);
			return !w.failed;
		}
		writer_char(&w, text->at[i]);
	}
	return false;
}

const char *subst_add(struct lexer *lexer, struct span text, struct source_position at,
		      struct span *out_name, struct span *out_value)
{
	struct span pattern, replacement;
	int flags = REG_EXTENDED;
	bool is_global = false;
	if (text.len < 3)
		return "it is too short";
	char separator = text.at[0];
	text = span_slice(text, 1, text.len);
	if (!cut(lexer->arena, &text, separator, &pattern) ||
	    !cut(lexer->arena, &text, separator, &replacement))
		return "a separator is missing";
	pattern = subst_apply(lexer, pattern);
	replacement = subst_apply(lexer, replacement);
	if (pattern.len == 0)
		return "the pattern is empty";
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == 'i')
			flags |= REG_ICASE;
		else if (text.at[i] == 'g')
			is_global = true;
		else
			return "unknown flag";
	}
	struct string_subst *subst = ARENA_NEW(lexer->arena, struct string_subst);
	if (!subst)
		return "out of memory";
	char *zero_terminated = arena_string(lexer->arena, pattern);
	if (!zero_terminated || regcomp(&subst->regex, zero_terminated, flags) != 0)
		return "its pattern is no regular expression";
	subst->replacement = replacement;
	subst->at = at;
	subst->is_global = is_global;
	*lexer->last_subst = subst;
	lexer->last_subst = &subst->next;
	if (out_name)
		*out_name = pattern;
	if (out_value)
		*out_value = replacement;
	return NULL;
}

/* The value of a reference; null is no text, and a text that is no reference stays. Its length is the
 * result. */
static size_t write_variable(struct lexer *lexer, const struct string_subst *subst,
			     struct span text, struct writer *w)
{
	const char *error;
	size_t length = variable_reference_length(text, &error);
	if (!length || error) {
		writer_char(w, text.at[0]);
		return 1;
	}
	struct span reference = span_slice(text, 0, length);
	if (span_equal(reference, SPAN_OF("$$"))) {
		writer_char(w, '$');
		return length;
	}
	struct span value =
		parser_evaluated(lexer->source, reference, subst->at, lexer->diagnostics);
	if (!span_equal(value, SPAN_OF("<null>")))
		writer_span(w, value);
	return length;
}

static void write_replacement(struct lexer *lexer, const struct string_subst *subst,
			      const char *text, const regmatch_t *groups, struct writer *w)
{
	struct span rest = subst->replacement;
	while (rest.len) {
		size_t taken = 1;
		char escaped = rest.at[0] == '\\' && rest.len > 1 ? rest.at[1] : 0;
		if (ascii_is_digit(escaped)) {
			const regmatch_t *group = &groups[escaped - '0'];
			if (group->rm_so >= 0)
				writer_bytes(w, text + group->rm_so,
					     (size_t)(group->rm_eo - group->rm_so));
			taken = 2;
		} else if (escaped == '\\' || escaped == '$') {
			writer_char(w, escaped);
			taken = 2;
		} else if (rest.at[0] == '$') {
			taken = write_variable(lexer, subst, rest, w);
		} else {
			writer_char(w, rest.at[0]);
		}
		rest = span_slice(rest, taken, rest.len);
	}
}

/* `*text` is zero-terminated before and after. */
static void apply_one(struct lexer *lexer, struct string_subst *subst, struct span *text)
{
	regmatch_t groups[10];
	const char *at = text->at;
	if (regexec(&subst->regex, at, 10, groups, 0) != 0)
		return;
	struct writer w = writer_in_arena(lexer->arena, text->len + subst->replacement.len + 32);
	do {
		writer_bytes(&w, at, (size_t)groups[0].rm_so);
		write_replacement(lexer, subst, at, groups, &w);
		at += groups[0].rm_eo;
		if (groups[0].rm_eo == groups[0].rm_so) { /* an empty match moves on by one */
			if (!*at)
				break;
			writer_char(&w, *at++);
		}
	} while (subst->is_global && regexec(&subst->regex, at, 10, groups, REG_NOTBOL) == 0);
	writer_string(&w, at);
	if (writer_terminate(&w))
		*text = writer_result(&w);
}

struct span subst_apply(struct lexer *lexer, struct span text)
{
	if (!lexer->substs || !text.len || memchr(text.at, 0, text.len))
		return text;
	struct span zero_terminated = { arena_string(lexer->arena, text), text.len };
	if (!zero_terminated.at)
		return text;
	for (struct string_subst *subst = lexer->substs; subst; subst = subst->next)
		apply_one(lexer, subst, &zero_terminated);
	return zero_terminated;
}

void subst_free(struct lexer *lexer)
{
	for (struct string_subst *subst = lexer->substs; subst; subst = subst->next)
		regfree(&subst->regex);
	lexer->substs = NULL;
	lexer->last_subst = &lexer->substs;
}
