/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls: the function by name and number of arguments, each argument by its field. Constants are
 * converted here, once; what depends on the message becomes a dynamic argument. */
#include "core/script/build.h"
#include "core/base/missing.h"

#include <stdio.h>

/* ---- the function --------------------------------------------------------------------------- */

static void unknown_function(struct build *build, const struct expr *expr)
{
	struct span name = expr->text;
	const char *removed = known_removed_function(name);
	const char *module = known_function_module(name);
	const char *near = script_nearest_function(name);
	bool is_absent = module && !script_registry_has_functions(module);
	if (is_absent &&
	    missing_module_uses(build->diagnostics, span_from(module), MISSING_CALL, name))
		return;
	if (!is_absent && missing_function_again(build->diagnostics, name, expr->at.line))
		return;
	struct diagnostic *d = build_error(build, "unknown-function", expr->at,
					   "there is no function `%.*s`", SPAN_ARGS(name));
	char hint[128] = "";
	struct writer w = writer_fixed(hint, sizeof(hint) - 1);
	if (removed)
		writer_string(&w, removed);
	else if (is_absent)
		writer_printf(&w, "module %s provides it: add loadmodule \"%s.so\"", module,
			      module);
	else if (module)
		writer_printf(&w,
			      "module %s is loaded, but its function %.*s is not available here",
			      module, SPAN_ARGS(name));
	else if (near)
		writer_printf(&w, "did you mean `%s`?", near);
	hint[w.len] = '\0';
	if (is_absent)
		missing_module_told(build->diagnostics, span_from(module), d, hint);
	else
		missing_function_told(build->diagnostics, name, d, w.len ? hint : NULL);
}

static void wrong_arity(struct build *build, const struct expr *expr,
			const struct script_function *function)
{
	unsigned least = 99, most = 0;
	const struct script_function *row;
	for (unsigned i = 0; (row = script_function_at(i, NULL)); i++) {
		if (!span_equal(span_from(row->name), expr->text))
			continue;
		unsigned fewest = script_function_least_args(row);
		least = fewest < least ? fewest : least;
		most = row->args.count > most ? row->args.count : most;
	}
	char wanted[40];
	if (least == most)
		snprintf(wanted, sizeof(wanted), "%u argument%s", most, most == 1 ? "" : "s");
	else
		snprintf(wanted, sizeof(wanted), "%u to %u arguments", least, most);
	struct diagnostic *d = build_error(build, "wrong-arity", expr->at, "%s takes %s, found %u",
					   function->name, wanted, expr->argument_count);
	char usage[256];
	struct writer w = writer_fixed(usage, sizeof(usage) - 1);
	writer_printf(&w, "%s(", function->name);
	for (uint32_t i = 0; i < function->args.count; i++)
		writer_printf(
			&w, "%s%s%s%s", i ? ", " : "", function->args.rows[i].optional ? "[" : "",
			function->args.rows[i].name, function->args.rows[i].optional ? "]" : "");
	writer_char(&w, ')');
	usage[w.len] = 0;
	build_hint(build, d, usage);
}

static const struct script_function *find_function(struct build *build, struct expr *expr,
						   const char **out_module)
{
	const struct script_function *function =
		script_function_find(expr->text, expr->argument_count, out_module);
	if (function)
		return function;
	function = script_function_named(expr->text, NULL);
	if (function)
		wrong_arity(build, expr, function);
	else
		unknown_function(build, expr);
	return NULL;
}

static void check_context(struct build *build, const struct expr *expr,
			  const struct script_function *function)
{
	const struct route *route = build->route;
	uint32_t allowed = effective_kinds(function->contexts);
	/* The text of route[X] counts as request_route, from wherever it is called. */
	if (!(allowed & route->kind) &&
	    !(route->class == CLASS_REQUEST && route->name.len && (allowed & route->reached))) {
		struct diagnostic *d = build_error(
			build, "function-context", expr->at, "%s cannot be used in %s%s%.*s%s",
			function->name,
			route->name.len ? route_class_name(route->class) : kind_name(route->kind),
			route->name.len ? "[" : "", SPAN_ARGS(route->name),
			route->name.len ? "]" : "");
		char where[256];
		struct writer w = writer_fixed(where, sizeof(where) - 1);
		writer_string(&w, function->contexts == IN_ALL_BUT_ONSEND
					  ? "it works everywhere else"
					  : "it works in");
		for (unsigned i = 0; i < 9; i++)
			if (function->contexts != IN_ALL_BUT_ONSEND && function->contexts & 1u << i)
				writer_printf(&w, " %s", kind_name(1u << i));
		where[w.len] = 0;
		build_hint(build, d, where);
	} else if (route->class == CLASS_REQUEST && route->reached && !(allowed & route->reached)) {
		build_warning(build, "function-context", expr->at,
			      "route[%.*s] is only called from %s, where %s does not work",
			      SPAN_ARGS(route->name), kind_name(route->reached & -route->reached),
			      function->name);
	}
	if (function->is_deprecated)
		build_warning(build, "deprecated", expr->at, "%s is deprecated: %s", function->name,
			      function->doc);
}

/* ---- arguments ------------------------------------------------------------------------------ */

struct argument {
	const struct script_function *function;
	const struct field *field;
	struct expr *expr;
	unsigned number; /* from 1 */
	void *into;      /* the handler's struct */
};

static const char *kind_text(enum field_kind kind)
{
	switch (kind) {
	case FIELD_KIND_INT: return "a number";
	case FIELD_KIND_BOOL: return "yes or no (1 or 0)";
	case FIELD_KIND_PATTERN: return "a regular expression";
	case FIELD_KIND_VARIABLE: return "a variable";
	case FIELD_KIND_TEXT:
	case FIELD_KIND_TEMPLATE:
	case FIELD_KIND_ACCEPT:
	case FIELD_KIND_IGNORED: break;
	}
	return "a text";
}

static struct diagnostic *bad_argument(struct build *build, const struct argument *argument,
				       const char *sentence)
{
	char found[48] = "a value";
	const struct expr *expr = argument->expr;
	if (expr->kind == EXPR_TEXT || expr->kind == EXPR_NAME || expr->kind == EXPR_VARIABLE)
		snprintf(found, sizeof(found), expr->kind == EXPR_TEXT ? "\"%.*s\"" : "%.*s",
			 expr->text.len > 40 ? 40 : (int)expr->text.len, expr->text.at);
	else if (expr->is_constant && expr->value.kind == VALUE_INT)
		snprintf(found, sizeof(found), "%lld", (long long)expr->value.number);
	if (sentence)
		return build_error(build, "bad-argument", expr->at, "%s: argument %u (%s): %s",
				   argument->function->name, argument->number,
				   argument->field->name, sentence);
	return build_error(build, "bad-argument", expr->at,
			   "%s: argument %u (%s) expects %s, found %s", argument->function->name,
			   argument->number, argument->field->name,
			   kind_text(argument->field->kind), found);
}

static void store(struct build *build, const struct argument *argument, const void *pointer)
{
	(void)build;
	memcpy((char *)argument->into + argument->field->offset, &pointer, sizeof(pointer));
}

static bool find_flag(struct build *build, enum flag_kind kind, struct span name,
		      int64_t *out_number)
{
	for (struct flag_name *flag = build->source->flags; flag; flag = flag->next) {
		if (flag->kind == kind && span_equal(flag->name, name)) {
			*out_number = flag->number;
			return true;
		}
	}
	return false;
}

static void hint_flag(struct build *build, struct diagnostic *d, const struct argument *argument)
{
	const char *names[64];
	unsigned count = 0;
	for (struct flag_name *flag = build->source->flags; flag && count < 64; flag = flag->next)
		if (flag->kind == (enum flag_kind)argument->field->flag_kind)
			names[count++] = arena_string(build->scratch, flag->name);
	const char *near = nearest_name(argument->expr->text, names, count);
	for (struct skipped_define *skipped = build->source->skipped; skipped;
	     skipped = skipped->next) {
		if (span_equal(skipped->name, argument->expr->text)) {
			diagnostic_hint(build->diagnostics, d,
					"it is set under %.*s at line %u, which is not active",
					SPAN_ARGS(skipped->condition), skipped->at.line);
			return;
		}
	}
	if (near)
		diagnostic_hint(build->diagnostics, d, "did you mean `%s`?", near);
	else
		build_hint(build, d, "write a number, a #!define, or declare it: flags name;");
}

static void store_number(struct build *build, const struct argument *argument, int64_t number)
{
	const char *sentence = field_set_int(argument->field, argument->into, number, build->arena);
	if (sentence)
		bad_argument(build, argument, sentence);
}

bool build_yes_or_no(struct span word, int64_t *out_number)
{
	static const char *const words[] = { "no",  "yes", "false",   "true",
					     "off", "on",  "disable", "enable" };
	for (unsigned i = 0; i < 8; i++) {
		if (span_equal_nocase(word, span_from(words[i]))) {
			*out_number = i & 1;
			return true;
		}
	}
	return false;
}

/* A constant for INT and BOOL. */
static void constant_number(struct build *build, const struct argument *argument)
{
	const struct expr *expr = argument->expr;
	const struct field *field = argument->field;
	struct span text =
		expr->is_constant && expr->value.kind == VALUE_TEXT ? expr->value.text : expr->text;
	int64_t number;
	if (expr->kind == EXPR_INT)
		store_number(build, argument, expr->number);
	else if (expr->is_constant && expr->value.kind == VALUE_INT)
		store_number(build, argument, expr->value.number);
	else if (span_to_int64_any_base(span_trim(text), &number) || build_yes_or_no(text, &number))
		store_number(build, argument, number);
	else if (field->flag_kind && find_flag(build, field->flag_kind, text, &number))
		store_number(build, argument, number);
	else if (field->flag_kind)
		hint_flag(build,
			  build_error(build, "unknown-flag", expr->at,
				      "%s: flag `%.*s` is not declared", argument->function->name,
				      SPAN_ARGS(text)),
			  argument);
	else
		bad_argument(build, argument, NULL);
}

/* A field that names a route: it must exist. */
static void check_named_route(struct build *build, const struct argument *argument,
			      struct span name)
{
	static const struct {
		uint32_t kinds;
		enum route_class class;
		const char *prefix;
	} rows[] = {
		{ ROUTE_REQUEST, CLASS_REQUEST, "" },
		{ ROUTE_FAILURE, CLASS_FAILURE, "" },
		{ ROUTE_BRANCH_FAILURE, CLASS_EVENT, "tm:branch-failure:" },
		{ ROUTE_BRANCH, CLASS_BRANCH, "" },
		{ ROUTE_REPLY | ROUTE_TM_REPLY, CLASS_REPLY, "" },
	};
	if (name.len == 0 || span_equal(name, SPAN_OF("0")))
		return;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!(argument->field->route_kind & rows[i].kinds))
			continue;
		struct span full =
			arena_printf(build->scratch, "%s%.*s", rows[i].prefix, SPAN_ARGS(name));
		struct route *route = source_route(build->source, rows[i].class, full);
		if (route) {
			route->is_used = true;
			return;
		}
		if (argument->field->is_optional_route)
			return;
		const char *names[256];
		unsigned count = 0;
		for (struct route *other = build->source->routes; other && count < 256;
		     other = other->next)
			if (other->class == rows[i].class &&
			    other->name.len > strlen(rows[i].prefix))
				names[count++] =
					arena_string(build->scratch,
						     span_slice(other->name, strlen(rows[i].prefix),
								other->name.len));
		struct diagnostic *d =
			build_error(build, "unknown-route", argument->expr->at,
				    "%s: no %s named \"%.*s\"", argument->function->name,
				    i == 2 ? "event_route[tm:branch-failure:...]"
					   : route_class_name(rows[i].class),
				    SPAN_ARGS(name));
		const char *near = nearest_name(name, names, count);
		if (near)
			diagnostic_hint(build->diagnostics, d, "did you mean \"%s\"?", near);
		return;
	}
}

/* A template over the text of an argument, or NULL after a diagnostic. */
static const struct text_template *argument_template(struct build *build,
						     const struct argument *argument,
						     struct span text)
{
	return template_compile(build_text(build, text), build->arena, build->diagnostics,
				argument->expr->at);
}

static const struct text_template *plain_template(struct build *build, struct span text)
{
	struct text_template *template = ARENA_NEW(build->arena, struct text_template);
	struct template_part *part = ARENA_NEW(build->arena, struct template_part);
	if (!template || !part) {
		build->out_of_memory = true;
		return NULL;
	}
	part->text = build_text(build, text);
	*template = (struct text_template){
		.parts = part, .count = 1, .is_constant = true, .source = part->text
	};
	return template;
}

static void store_text(struct build *build, const struct argument *argument, struct span text)
{
	const struct field *field = argument->field;
	struct span error = { 0 };
	const char *sentence;
	switch (field->kind) {
	case FIELD_KIND_TEXT:
		if (field->route_kind)
			check_named_route(build, argument, text);
		sentence = field_set_text(field, argument->into, build_text(build, text),
					  build->arena);
		if (sentence)
			bad_argument(build, argument, sentence);
		break;
	case FIELD_KIND_PATTERN: {
		const struct pattern *pattern = pattern_compile(
			build_text(build, text), PATTERN_IGNORE_CASE, build->arena, &error);
		if (pattern) {
			store(build, argument, pattern);
			lint_pattern(build, text, argument->expr->at);
		} else {
			build_error(build, "bad-pattern", argument->expr->at,
				    "%s: argument %u (%s): %.*s", argument->function->name,
				    argument->number, argument->field->name, SPAN_ARGS(error));
		}
		break;
	}
	case FIELD_KIND_TEMPLATE: store(build, argument, plain_template(build, text)); break;
	case FIELD_KIND_INT:
	case FIELD_KIND_BOOL:
	case FIELD_KIND_VARIABLE:
	case FIELD_KIND_ACCEPT:
	case FIELD_KIND_IGNORED: break;
	}
}

/* What an argument is made of. */
static bool is_bare_word(const struct expr *expr)
{
	return expr->kind == EXPR_NAME && keyword_find(expr->text) < 0 &&
	       !script_function_find(expr->text, 0, NULL);
}

static struct dynamic_argument from_template(const struct argument *argument,
					     const struct text_template *template)
{
	return (struct dynamic_argument){ argument->field, template };
}

/* A constant string, `$` without meaning. */
static void store_plain(struct build *build, const struct argument *argument)
{
	check_expr(build, argument->expr);
	if (argument->field->kind == FIELD_KIND_INT || argument->field->kind == FIELD_KIND_BOOL)
		constant_number(build, argument);
	else
		store_text(build, argument, argument->expr->text);
}

/* In patterns `$` is an anchor unless it begins a variable with parentheses. */
static bool has_variables(const struct field *field, struct span text)
{
	for (size_t i = span_find(text, '$', 0); i + 1 < text.len;
	     i = span_find(text, '$', i + 1)) {
		if (field->kind != FIELD_KIND_PATTERN || text.at[i + 1] == '(')
			return true;
		size_t end = i + 1;
		while (end < text.len && (ascii_is_alpha(text.at[end]) || text.at[end] == '_'))
			end++;
		if (end > i + 1 && end < text.len && text.at[end] == '(')
			return true;
	}
	return false;
}

/* A string: constant, or with variables in it. */
static void check_string(struct build *build, const struct argument *argument, struct list *dynamic)
{
	const struct field *field = argument->field;
	struct expr *expr = argument->expr;
	if (field->kind == FIELD_KIND_VARIABLE) {
		store(build, argument,
		      variable_compile(build_text(build, expr->text), build->arena,
				       build->diagnostics, expr->at));
		return;
	}
	if (field->literal || !has_variables(field, expr->text)) {
		store_plain(build, argument);
		return;
	}
	const struct text_template *template = argument_template(build, argument, expr->text);
	if (!template)
		return;
	if (field->kind == FIELD_KIND_TEMPLATE) {
		store(build, argument, template);
	} else if (template->is_constant) { /* "$$" is a dollar sign */
		struct expr plain = *expr;
		plain.text = template->count ? template->parts[0].text : SPAN_OF("");
		struct argument again = *argument;
		again.expr = &plain;
		store_plain(build, &again);
	} else {
		struct dynamic_argument made = from_template(argument, template);
		list_add(build, dynamic, &made);
	}
}

static void check_variable_argument(struct build *build, const struct argument *argument,
				    struct list *dynamic)
{
	struct expr *expr = argument->expr;
	struct span text = expr->text;
	if (expr->kind == EXPR_SELECT)
		text = arena_printf(build->scratch, "$sel(%.*s)", (int)expr->text.len - 1,
				    expr->text.at + 1);
	if (argument->field->kind == FIELD_KIND_VARIABLE) {
		store(build, argument,
		      variable_compile(build_text(build, text), build->arena, build->diagnostics,
				       expr->at));
		return;
	}
	const struct text_template *template = argument_template(build, argument, text);
	if (!template)
		return;
	if (argument->field->kind == FIELD_KIND_TEMPLATE) {
		store(build, argument, template);
		return;
	}
	struct dynamic_argument made = from_template(argument, template);
	list_add(build, dynamic, &made);
}

static void check_argument(struct build *build, const struct argument *argument,
			   struct list *dynamic)
{
	struct expr *expr = argument->expr;
	const struct field *field = argument->field;
	bool wants_number = field->kind == FIELD_KIND_INT || field->kind == FIELD_KIND_BOOL;
	if (expr->kind == EXPR_TEXT) {
		check_string(build, argument, dynamic);
		return;
	}
	if (expr->kind == EXPR_VARIABLE || expr->kind == EXPR_SELECT) {
		check_variable_argument(build, argument, dynamic);
		return;
	}
	if (is_bare_word(expr)) { /* a flag, a protocol, yes */
		if (wants_number)
			constant_number(build, argument);
		else if (field->kind == FIELD_KIND_TEXT || field->kind == FIELD_KIND_TEMPLATE)
			store_text(build, argument, expr->text);
		else
			bad_argument(build, argument, NULL);
		return;
	}
	check_expr(build, expr);
	if (field->kind == FIELD_KIND_VARIABLE) {
		bad_argument(build, argument, NULL);
	} else if (expr->is_constant) {
		if (wants_number)
			constant_number(build, argument);
		else
			store_text(build, argument, value_text(&build->folding, &expr->value));
	} else {
		struct dynamic_argument made = { field, NULL };
		list_add(build, dynamic, &made);
	}
}

void check_call(struct build *build, struct expr *expr)
{
	const char *module = NULL;
	const struct script_function *function = find_function(build, expr, &module);
	struct list dynamic = { .size = sizeof(struct dynamic_argument) };
	unsigned number = 0, registers = 0;
	expr->resolved = NULL;
	if (!function) {
		for (struct expr *argument = expr->arguments; argument; argument = argument->next)
			if (argument->kind == EXPR_CALL || argument->kind == EXPR_ROUTE)
				check_expr(build, argument);
		return;
	}
	check_context(build, expr, function);
	struct call_site *site = ARENA_NEW(build->arena, struct call_site);
	void *into =
		function->args_size ? arena_zalloc(build->arena, 1, function->args_size) : NULL;
	if (!site || (function->args_size && !into)) {
		build->out_of_memory = true;
		return;
	}
	for (struct expr *argument = expr->arguments; argument; argument = argument->next) {
		const struct field *field = &function->args.rows[number++];
		check_argument(build, &(struct argument){ function, field, argument, number, into },
			       &dynamic);
	}
	for (uint32_t i = 0; i < dynamic.count; i++)
		registers += LIST_AT(&dynamic, struct dynamic_argument, i).template == NULL;
	*site = (struct call_site){ .function = function,
				    .module = module,
				    .arguments = into,
				    .dynamic = list_copy(build, &dynamic),
				    .dynamic_count = dynamic.count,
				    .register_count = registers };
	expr->resolved = site;
}

/* ---- routes --------------------------------------------------------------------------------- */

bool static_route_name(struct build *build, const struct expr *expr, struct span *out_name)
{
	if (expr->kind == EXPR_NAME || expr->kind == EXPR_TEXT) {
		*out_name = expr->text;
	} else if (expr->kind == EXPR_INT) {
		*out_name = arena_printf(build->scratch, "%lld", (long long)expr->number);
	} else {
		return false;
	}
	if (span_equal(*out_name, SPAN_OF("0")))
		*out_name = SPAN_OF("");
	return true;
}

void check_route_call(struct build *build, struct expr *expr)
{
	struct span name;
	expr->resolved = NULL;
	if (!static_route_name(build, expr->left, &name)) {
		check_expr(build, expr->left);
		return;
	}
	struct route *route = source_route(build->source, CLASS_REQUEST, name);
	if (route) {
		expr->resolved = route;
		return;
	}
	const char *names[256];
	unsigned count = 0;
	for (struct route *other = build->source->routes; other && count < 256; other = other->next)
		if (other->class == CLASS_REQUEST && other->name.len)
			names[count++] = arena_string(build->scratch, other->name);
	struct diagnostic *d = build_error(build, "unknown-route", expr->left->at,
					   "there is no route[%.*s]", SPAN_ARGS(name));
	const char *near = nearest_name(name, names, count);
	if (near)
		diagnostic_hint(build->diagnostics, d, "did you mean `%s`?", near);
	else if (name.len && span_find(name, '$', 0) < name.len)
		build_hint(build, d,
			   "without quotes, route($var(x)) chooses the route while running");
}
