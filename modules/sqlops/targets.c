/* SPDX-License-Identifier: BSD-2-Clause */
/* targets: the list of variables that sql_pvquery assigns to. */
#include "modules/sqlops/sqlops.h"

#define CHUNK 4096
#define LIMIT (1 << 20)

static struct {
	struct arena arena;
	struct targets *first;
} state;

static const char *add_variable(struct targets *targets, struct span text)
{
	struct span error = { 0 };
	const struct text_template *t = template_compile_runtime(text, &state.arena, &error);
	if (!t)
		return error.at ? arena_string(&state.arena, error) : "memory is exhausted";
	if (t->count != 1 || !t->parts[0].variable)
		return "a list of variables is \"$var(a);$avp(b)\"";
	if (!variable_is_writable(t->parts[0].variable))
		return "one of the variables cannot be assigned";
	if (targets->count == TARGETS_MOST)
		return "there are too many variables, at most 64";
	targets->variables[targets->count++] = t->parts[0].variable;
	return NULL;
}

/* targets = variable *( ( ";" / "," ) variable ), with blanks between them */
static const char *read_list(struct targets *targets, struct span text)
{
	size_t at = 0;
	while (at < text.len) {
		const char *wrong = NULL;
		if (ascii_is_space(text.at[at]) || text.at[at] == ';' || text.at[at] == ',') {
			at++;
			continue;
		}
		struct span rest = span_slice(text, at, text.len);
		size_t length = rest.at[0] == '$' ? variable_reference_length(rest, &wrong) : 0;
		if (!wrong && !length)
			return "a list of variables is \"$var(a);$avp(b)\"";
		if (!wrong)
			wrong = add_variable(targets, span_slice(rest, 0, length));
		if (wrong)
			return wrong;
		at += length;
	}
	return targets->count ? NULL : "the list of variables is empty";
}

static const char *targets_add(struct span text, struct targets **out)
{
	if (!state.arena.chunk_size)
		arena_init(&state.arena, CHUNK, LIMIT);
	struct targets *targets = ARENA_NEW(&state.arena, struct targets);
	struct span kept = arena_copy(&state.arena, text);
	if (!targets || !kept.at)
		return "memory is exhausted";
	const char *wrong = read_list(targets, kept);
	if (wrong)
		return wrong;
	targets->text = kept;
	targets->next = state.first;
	*out = state.first = targets;
	return NULL;
}

static struct targets *find(struct span text)
{
	struct targets *one = state.first;
	while (one && !span_equal(one->text, text))
		one = one->next;
	return one;
}

const char *targets_check(struct span text, int64_t number)
{
	struct targets *targets = find(text);
	(void)number;
	return targets ? NULL : targets_add(text, &targets);
}

const struct targets *targets_of(struct span text)
{
	struct targets *targets = find(text);
	const char *wrong = targets ? NULL : targets_add(text, &targets);
	if (wrong)
		log_error("sql_pvquery: %.*s: %s", SPAN_ARGS(text), wrong);
	return targets;
}
