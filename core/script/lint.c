/* SPDX-License-Identifier: BSD-2-Clause */
/* What is allowed but probably not meant: routes that nobody runs, statements that are never
 * reached, requests that are never answered, patterns that match something else. */
#include "core/script/build.h"
#include "core/script/registry.h"

/* ---- walking -------------------------------------------------------------------------------- */

/* Called for every expression below a statement list; `data` is the walker's. */
typedef void visit_expr(struct build *build, struct expr *expr, void *data);
typedef void visit_statement(struct build *build, struct statement *statement, void *data);

struct walker {
	visit_expr *expr;
	visit_statement *statement;
	void *data;
};

static void walk_expr(struct build *build, struct expr *expr, const struct walker *walker)
{
	if (!expr)
		return;
	if (walker->expr)
		walker->expr(build, expr, walker->data);
	walk_expr(build, expr->left, walker);
	walk_expr(build, expr->right, walker);
	for (struct expr *argument = expr->arguments; argument; argument = argument->next)
		walk_expr(build, argument, walker);
}

static void walk(struct build *build, struct statement *list, const struct walker *walker)
{
	for (struct statement *statement = list; statement; statement = statement->next) {
		if (walker->statement)
			walker->statement(build, statement, walker->data);
		walk_expr(build, statement->target, walker);
		walk_expr(build, statement->expr, walker);
		walk(build, statement->body, walker);
		if (statement->kind == STATEMENT_IF && statement->otherwise)
			walk(build, statement->otherwise, walker);
		for (struct case_label *label = statement->cases; label; label = label->next)
			walk(build, label->body, walker);
	}
}

/* ---- reach ---------------------------------------------------------------------------------- */

struct reach {
	uint32_t kinds;
	bool changed;
};

static void reach_route(struct route *route, struct reach *reach)
{
	if ((route->reached & reach->kinds) == reach->kinds)
		return;
	route->reached |= reach->kinds;
	route->is_used = true;
	reach->changed = true;
}

static void visit_reach(struct build *build, struct expr *expr, void *data)
{
	struct reach *reach = data;
	struct span name;
	if (expr->kind != EXPR_ROUTE)
		return;
	if (static_route_name(build, expr->left, &name)) {
		struct route *route = source_route(build->source, CLASS_REQUEST, name);
		if (route)
			reach_route(route, reach);
		return;
	}
	for (struct route *route = build->source->routes; route; route = route->next)
		if (route->class == CLASS_REQUEST && route->name.len)
			reach_route(route, reach);
}

/* t_on_branch_failure leaves out the first part of the name of an event route. */
static bool is_called(const struct route *route, struct span name)
{
	static const struct span hidden = SPAN("tm:branch-failure:");
	if (span_equal(route->name, name))
		return true;
	return route->class == CLASS_EVENT && span_starts_with(route->name, hidden) &&
	       span_equal(span_slice(route->name, hidden.len, route->name.len), name);
}

/* A route that a string names: an argument of some function, or a module's parameter. */
static void visit_names(struct build *build, struct expr *expr, void *data)
{
	(void)data;
	if (expr->kind != EXPR_CALL)
		return;
	for (struct expr *argument = expr->arguments; argument; argument = argument->next) {
		struct span name;
		bool is_static = static_route_name(build, argument, &name) &&
				 span_find(name, '$', 0) == name.len;
		bool arms = span_starts_with(expr->text, SPAN_OF("t_on_"));
		if (!is_static && !arms)
			continue;
		for (struct route *route = build->source->routes; route; route = route->next)
			if (route->name.len &&
			    (is_static ? is_called(route, name) : route->class != CLASS_REQUEST))
				route->is_used = true;
	}
}

void lint_reach(struct build *build)
{
	struct reach reach = { .changed = true };
	for (struct route *route = build->source->routes; route; route = route->next) {
		if (route->class != CLASS_REQUEST || route->name.len == 0)
			route->reached = route->kind;
		for (struct parameter_text *text = build->source->parameters; text;
		     text = text->next)
			if (route->name.len &&
			    span_find_span(text->text, route->name) < text->text.len)
				route->is_used = true;
	}
	while (reach.changed) {
		reach.changed = false;
		for (struct route *route = build->source->routes; route; route = route->next) {
			reach.kinds = route->reached;
			if (reach.kinds)
				walk(build, route->body,
				     &(struct walker){ .expr = visit_reach, .data = &reach });
		}
	}
	for (struct route *route = build->source->routes; route; route = route->next)
		walk(build, route->body, &(struct walker){ .expr = visit_names });
}

/* ---- statements that are never reached ------------------------------------------------------ */

/* Does control never go on behind this statement? */
static bool never_goes_on(const struct statement *statement);

static bool list_never_goes_on(const struct statement *list)
{
	for (const struct statement *statement = list; statement; statement = statement->next)
		if (never_goes_on(statement))
			return true;
	return false;
}

static bool is_jump(const struct statement *statement)
{
	return statement->kind == STATEMENT_RETURN || statement->kind == STATEMENT_EXIT ||
	       statement->kind == STATEMENT_DROP || statement->kind == STATEMENT_BREAK ||
	       statement->kind == STATEMENT_CONTINUE;
}

static bool never_goes_on(const struct statement *statement)
{
	switch (statement->kind) {
	case STATEMENT_RETURN:
	case STATEMENT_EXIT:
	case STATEMENT_DROP:
	case STATEMENT_BREAK:
	case STATEMENT_CONTINUE: return true;
	case STATEMENT_BLOCK: return list_never_goes_on(statement->body);
	case STATEMENT_IF:
		return statement->otherwise && never_goes_on(statement->body) &&
		       never_goes_on(statement->otherwise);
	case STATEMENT_EMPTY:
	case STATEMENT_EXPR:
	case STATEMENT_ASSIGN:
	case STATEMENT_WHILE:
	case STATEMENT_SWITCH: break;
	}
	return false;
}

/* Is there a directive of the preprocessor between two statements? Then other defines may make the
 * second one live. */
static bool directive_between(struct source_position from, struct source_position to)
{
	if (!from.file || from.file != to.file)
		return true;
	struct span text = from.file->text;
	size_t offset = 0;
	for (uint32_t line = 1; line < to.line && offset < text.len; line++) {
		size_t next = span_find(text, '\n', offset) + 1;
		struct span content = span_trim(span_slice(text, offset, next - offset));
		if (line > from.line && (span_starts_with(content, SPAN_OF("#!")) ||
					 span_starts_with(content, SPAN_OF("!!"))))
			return true;
		offset = next;
	}
	return false;
}

static void visit_dead(struct build *build, struct statement *statement, void *data)
{
	(void)data;
	struct statement *next = statement->next;
	while (next && next->kind == STATEMENT_EMPTY)
		next = next->next;
	/* `exit; break;` in a case and `drop; exit;` are habits, and nothing is lost by them. */
	if (!next || !never_goes_on(statement) || is_jump(next) ||
	    directive_between(statement->at, next->at))
		return;
	struct diagnostic *d =
		build_warning(build, "unreachable", next->at, "this statement is never reached");
	if (d)
		diagnostic_hint(build->diagnostics, d, "line %u never goes on to it",
				statement->at.line);
}

/* ---- requests without an answer ------------------------------------------------------------- */

static bool may_answer(struct span name)
{
	static const char *const parts[] = {
		"relay",     "reply",   "forward",  "challenge", "send",     "save",      "publish",
		"subscribe", "suspend", "dispatch", "option",    "continue", "replicate", "async",
		"run",       "exec",    "route",    "handshake", "register", "drop",      "cancel",
		"python",    "lua",     "store",    "I_",        "proxy"
	};
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (span_find_span(name, span_from(parts[i])) < name.len)
			return true;
	return false;
}

static void visit_answer(struct build *build, struct expr *expr, void *data)
{
	(void)build;
	if (expr->kind == EXPR_CALL && may_answer(expr->text))
		*(bool *)data = true;
}

static void visit_end(struct build *build, struct statement *statement, void *data)
{
	(void)build;
	if (statement->kind == STATEMENT_EXIT || statement->kind == STATEMENT_DROP)
		*(bool *)data = true;
}

static void lint_answer(struct build *build)
{
	struct route *main = source_route(build->source, CLASS_REQUEST, SPAN_OF(""));
	bool answers = false;
	if (!main)
		return;
	for (struct route *route = build->source->routes; route; route = route->next)
		if (route->reached & ROUTE_REQUEST)
			walk(build, route->body,
			     &(struct walker){ visit_answer, visit_end, &answers });
	if (!answers)
		build_hint(
			build,
			build_warning(
				build, "no-answer", main->at,
				"no path of request_route answers, forwards or drops a request"),
			"the sender repeats it for 32 seconds; call t_relay(), sl_send_reply() or exit");
}

void lint_flow(struct build *build)
{
	for (struct route *route = build->source->routes; route; route = route->next) {
		walk(build, route->body, &(struct walker){ .statement = visit_dead });
		if (route->is_used || route->name.len == 0 || route->class == CLASS_EVENT ||
		    (route->class == CLASS_REQUEST && script_route_is_registered(route->name)))
			continue;
		struct diagnostic *d = build_warning(
			build, "unused-route", route->name_at, "%s[%.*s] is never used",
			route_class_name(route->class), SPAN_ARGS(route->name));
		if (route->class != CLASS_REQUEST)
			build_hint(build, d,
				   route->class == CLASS_FAILURE  ? "arm it with t_on_failure()"
				   : route->class == CLASS_BRANCH ? "arm it with t_on_branch()"
								  : "arm it with t_on_reply()");
	}
	lint_answer(build);
}

/* ---- patterns ------------------------------------------------------------------------------- */

void lint_pattern(struct build *build, struct span pattern, struct source_position at)
{
	static const struct {
		char letter;
		const char *meaning, *instead;
	} classes[] = {
		{ 'd', "never matches a digit", "write [0-9]" },
		{ 'D', "never matches a non-digit", "write [^0-9]" },
	};
	for (size_t i = 0; i + 1 < pattern.len; i++) {
		if (pattern.at[i] != '\\')
			continue;
		for (unsigned k = 0; k < sizeof(classes) / sizeof(classes[0]); k++) {
			if (pattern.at[i + 1] != classes[k].letter)
				continue;
			struct diagnostic *d =
				build_warning(build, "pattern-class", at,
					      "\\%c %s here: patterns are POSIX extended",
					      classes[k].letter, classes[k].meaning);
			build_hint(build, d, classes[k].instead);
			return;
		}
		i++;
	}
}
