/* SPDX-License-Identifier: BSD-2-Clause */
/* rules: files in the manner of hosts.allow, read at start.
 *
 *	file        = *( line LF )
 *	line        = [ rule ] [ "#" comment ]
 *	rule        = expressions ":" expressions
 *	expressions = list [ "EXCEPT" list ]
 *	list        = expression *( "," expression )
 *	expression  = "ALL" / DQUOTE extended-regular-expression DQUOTE / expression without blanks */
#include <errno.h>
#include <stdio.h>

#include "modules/permissions/permissions.h"
#include "parser/cursor.h"

#define LINE_MOST 4096

struct expression {
	struct expression *next;
	const struct pattern *pattern; /* NULL: ALL */
};
struct expressions {
	struct expression *some, *except;
};
struct rule {
	struct rule *next;
	struct expressions left, right;
};
struct rule_file {
	struct rule_file *next;
	struct span name; /* as it was asked for */
	struct rule *first, **last;
};

static struct {
	struct rule_file *files;
} state;

/* ---- reading ---------------------------------------------------------------------------------------- */

static struct span take_word(struct span *rest, bool *out_is_quoted)
{
	*rest = span_trim(*rest);
	*out_is_quoted = rest->len && rest->at[0] == '"';
	size_t start = *out_is_quoted ? 1 : 0, end = start;
	while (end < rest->len &&
	       (*out_is_quoted ? rest->at[end] != '"'
			       : !ascii_is_space(rest->at[end]) && !strchr(",:#", rest->at[end])))
		end++;
	struct span word = span_slice(*rest, start, end - start);
	if (*out_is_quoted && end == rest->len)
		word = (struct span){ 0 }; /* no closing quote */
	*rest = span_trim(span_slice(*rest, end + start, rest->len));
	return word;
}

static bool take_char(struct span *rest, char c)
{
	if (!rest->len || rest->at[0] != c)
		return false;
	*rest = span_trim(span_slice(*rest, 1, rest->len));
	return true;
}

static const char *read_list(struct span *rest, struct expression **list)
{
	do {
		bool is_quoted;
		struct span word = take_word(rest, &is_quoted), wrong;
		struct expression *expression = ARENA_NEW(startup_arena(), struct expression);
		if (!word.at)
			return "a quote is not closed";
		if (!word.len)
			return "an expression is missing";
		if (!expression)
			return "memory is exhausted";
		if (is_quoted || !span_equal_nocase(word, SPAN_OF("ALL"))) {
			expression->pattern =
				pattern_compile(arena_copy(startup_arena(), word),
						PATTERN_IGNORE_CASE, startup_arena(), &wrong);
			if (!expression->pattern)
				return arena_string(startup_arena(), wrong);
		}
		*list = expression;
		list = &expression->next;
	} while (take_char(rest, ','));
	return NULL;
}

static const char *read_expressions(struct span *rest, struct expressions *out)
{
	const char *wrong = read_list(rest, &out->some);
	if (wrong || !span_starts_with_nocase(*rest, SPAN_OF("EXCEPT")))
		return wrong;
	*rest = span_slice(*rest, strlen("EXCEPT"), rest->len);
	return read_list(rest, &out->except);
}

static const char *read_rule(struct span line, struct rule_file *file)
{
	struct rule *rule = ARENA_NEW(startup_arena(), struct rule);
	if (!rule)
		return "memory is exhausted";
	const char *wrong = read_expressions(&line, &rule->left);
	if (!wrong && !take_char(&line, ':'))
		wrong = "\":\" is missing between the two lists";
	if (!wrong)
		wrong = read_expressions(&line, &rule->right);
	if (!wrong && line.len && line.at[0] != '#')
		wrong = "something follows the rule";
	if (wrong)
		return wrong;
	*file->last = rule;
	file->last = &rule->next;
	return NULL;
}

static bool read_file(const char *path, FILE *in, struct rule_file *file)
{
	char text[LINE_MOST];
	bool is_good = true;
	for (unsigned number = 1; fgets(text, sizeof(text), in); number++) {
		struct span line = span_trim(span_from(text));
		if (!line.len || line.at[0] == '#')
			continue;
		const char *wrong = strlen(text) == sizeof(text) - 1 ? "the line is too long"
								     : read_rule(line, file);
		if (wrong) {
			log_error("%s:%u: %s", path, number, wrong);
			is_good = false;
		}
	}
	return is_good;
}

const struct rule_file *rules_find(struct span name)
{
	struct rule_file *file = state.files;
	while (file && !span_equal(file->name, name))
		file = file->next;
	return file;
}

const struct rule_file *rules_load(struct span name)
{
	const struct rule_file *known = rules_find(name);
	if (known)
		return known;
	struct rule_file *file = ARENA_NEW(startup_arena(), struct rule_file);
	const char *path = permissions_path(name, startup_arena());
	if (!file || !path)
		return NULL;
	file->name = arena_copy(startup_arena(), name);
	file->last = &file->first;
	FILE *in = fopen(path, "r");
	if (!in && errno != ENOENT) {
		log_error("%s: %s", path, strerror(errno));
		return NULL;
	}
	if (!in)
		log_info("%s is not there, so it has no rules", path);
	bool is_good = !in || read_file(path, in, file);
	if (in)
		fclose(in);
	if (!is_good)
		return NULL;
	file->next = state.files;
	state.files = file;
	return file;
}

/* ---- matching ---------------------------------------------------------------------------------------- */

static bool any_matches(const struct expression *list, struct span text)
{
	for (; list; list = list->next)
		if (!list->pattern || pattern_search(list->pattern, text, 0, NULL, 0))
			return true;
	return false;
}

static bool expressions_match(const struct expressions *all, struct span text)
{
	return any_matches(all->some, text) && !any_matches(all->except, text);
}

bool rules_match(const struct rule_file *file, struct span left, struct span right)
{
	for (const struct rule *rule = file->first; rule; rule = rule->next)
		if (expressions_match(&rule->left, left) && expressions_match(&rule->right, right))
			return true;
	return false;
}
