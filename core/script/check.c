/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks statements and expressions: names, types, patterns, places. Constants are folded on the
 * way. */
#include "core/net/names.h"
#include "core/script/build.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- saying what is wrong ------------------------------------------------------------------- */

static struct diagnostic *report(struct build *build, enum severity severity, const char *code,
				 struct source_position at, const char *format, va_list args)
{
	char text[600];
	vsnprintf(text, sizeof(text), format, args);
	return diagnostic_add(build->diagnostics, severity, code, at, "%s", text);
}

struct diagnostic *build_error(struct build *build, const char *code, struct source_position at,
			       const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct diagnostic *d = report(build, SEVERITY_ERROR, code, at, format, args);
	va_end(args);
	return d;
}

struct diagnostic *build_warning(struct build *build, const char *code, struct source_position at,
				 const char *format, ...)
{
	if (build->source->quiet_lints)
		return NULL;
	va_list args;
	va_start(args, format);
	struct diagnostic *d = report(build, SEVERITY_WARNING, code, at, format, args);
	va_end(args);
	return d;
}

void build_hint(struct build *build, struct diagnostic *d, const char *text)
{
	if (d)
		diagnostic_hint(build->diagnostics, d, "%s", text);
}

struct span build_text(struct build *build, struct span text)
{
	struct span copy = text.len ? arena_copy(build->arena, text) : SPAN_OF("");
	build->out_of_memory = build->out_of_memory || !copy.at;
	return copy;
}

const char *kind_name(enum route_kind kind)
{
	static const char *const names[] = { "request_route", "reply_route",
					     "onreply_route", "failure_route",
					     "branch_route",  "event_route[tm:branch-failure]",
					     "onsend_route",  "event_route[tm:local-request]",
					     "event_route" };
	for (unsigned i = 0; i < 9; i++)
		if (kind == 1u << i)
			return names[i];
	return "route";
}

uint32_t effective_kinds(uint32_t contexts)
{
	if (contexts & ROUTE_REQUEST)
		contexts |= ROUTE_LOCAL | ROUTE_EVENT | ROUTE_BRANCH_FAILURE;
	if (contexts & ROUTE_FAILURE)
		contexts |= ROUTE_BRANCH_FAILURE;
	return contexts;
}

/* ---- operands ------------------------------------------------------------------------------- */

static void set_constant(struct expr *expr, struct value value)
{
	expr->is_constant = true;
	expr->value = value;
	expr->type = value.kind == VALUE_INT    ? TYPE_INT
		     : value.kind == VALUE_TEXT ? TYPE_TEXT
						: TYPE_ANY;
}

static bool is_null_variable(const struct expr *expr)
{
	return expr->kind == EXPR_VARIABLE && (span_equal(expr->text, SPAN_OF("$null")) ||
					       span_equal(expr->text, SPAN_OF("$(null)")));
}

static void check_variable(struct build *build, struct expr *expr)
{
	if (is_null_variable(expr)) {
		set_constant(expr, (struct value){ 0 });
		return;
	}
	struct span text = expr->text;
	if (expr->kind == EXPR_SELECT)
		text = arena_printf(build->arena, "$sel(%.*s)", (int)expr->text.len - 1,
				    expr->text.at + 1);
	else
		text = build_text(build, text);
	const struct variable_ref *ref =
		variable_compile(text, build->arena, build->diagnostics, expr->at);
	expr->resolved = ref;
	if (!ref || !ref->row || !ref->row->contexts)
		return;
	if (!(effective_kinds(ref->row->contexts) & build->route->kind))
		build_warning(build, "variable-context", expr->at, "%.*s has no value in %s",
			      SPAN_ARGS(expr->text), kind_name(build->route->kind));
}

static bool is_removed_keyword(struct build *build, const struct expr *expr)
{
	if (span_equal(expr->text, SPAN_OF("max_len"))) {
		build_hint(build,
			   build_error(build, "removed-keyword", expr->at,
				       "`max_len` does not exist any more"),
			   "compare with a number: msg:len >= 2048");
	} else if (span_equal(expr->text, SPAN_OF("retcode"))) {
		build_hint(
			build,
			build_error(build, "removed-keyword", expr->at, "`retcode` is no keyword"),
			"the last return code is the variable $rc");
	} else if (span_equal_nocase(expr->text, SPAN_OF("NULL"))) {
		build_hint(build,
			   build_error(build, "unknown-word", expr->at, "`%.*s` is not known here",
				       SPAN_ARGS(expr->text)),
			   "the null value is written $null");
	} else {
		return false;
	}
	return true;
}

static void hint_word(struct build *build, struct diagnostic *d, struct span word)
{
	char variable[64];
	static const char *const keywords[] = { "method", "uri",      "from_uri",  "to_uri",
						"src_ip", "src_port", "dst_ip",    "dst_port",
						"proto",  "af",       "status",    "msg:len",
						"snd_ip", "snd_port", "snd_proto", "snd_af",
						"to_ip",  "to_port",  "myself" };
	for (struct skipped_define *skipped = build->source->skipped; skipped;
	     skipped = skipped->next) {
		if (span_equal(skipped->name, word)) {
			diagnostic_hint(build->diagnostics, d,
					"`%.*s` is set under %.*s at line %u, which is not active",
					SPAN_ARGS(word), SPAN_ARGS(skipped->condition),
					skipped->at.line);
			return;
		}
	}
	const char *near =
		word.len > 2 ? nearest_name(word, keywords, sizeof(keywords) / sizeof(keywords[0]))
			     : NULL;
	if (script_function_named(word, NULL)) {
		diagnostic_hint(build->diagnostics, d, "a call needs parentheses: %.*s()",
				SPAN_ARGS(word));
	} else if (near) {
		diagnostic_hint(build->diagnostics, d, "did you mean `%s`?", near);
	} else if (script_variable_find(word, NULL)) {
		snprintf(variable, sizeof(variable), "variables begin with a dollar sign: $%.*s",
			 word.len > 20 ? 20 : (int)word.len, word.at);
		diagnostic_hint(build->diagnostics, d, "%s", variable);
	} else {
		diagnostic_hint(build->diagnostics, d, "is a #!define missing, or are quotes?");
	}
}

static void unknown_word(struct build *build, const struct expr *expr)
{
	hint_word(build,
		  build_error(build, "unknown-word", expr->at, "`%.*s` is not known here",
			      SPAN_ARGS(expr->text)),
		  expr->text);
}

static void check_keyword(struct build *build, struct expr *expr)
{
	int keyword = keyword_find(expr->text);
	int64_t number;
	if (keyword < 0) {
		const struct script_function *function = script_function_find(expr->text, 0, NULL);
		if (function) { /* a call without parentheses */
			expr->kind = EXPR_CALL;
			check_call(build, expr);
		} else if (build_yes_or_no(expr->text, &number) ||
			   keyword_constant(KEYWORD_FAMILY, expr->text, &number)) {
			set_constant(expr, VALUE_OF_INT(number));
		} else if (!is_removed_keyword(build, expr)) {
			unknown_word(build, expr);
		}
		return;
	}
	const struct keyword_row *row = keyword_row(keyword);
	expr->keyword = keyword;
	expr->type = row->type == KEYWORD_INT || row->type == KEYWORD_PROTOCOL ||
				     row->type == KEYWORD_FAMILY
			     ? TYPE_INT
		     : row->type == KEYWORD_CODE ? TYPE_ANY
						 : TYPE_TEXT;
	if (row->contexts != IN_ANY && !(row->contexts & build->route->kind))
		build_error(build, "keyword-context", expr->at,
			    "`%s` exists only in onsend_route, not in %s", row->name,
			    kind_name(build->route->kind));
}

/* ---- types ---------------------------------------------------------------------------------- */

static bool is_text(const struct expr *expr)
{
	return expr->is_constant && expr->value.kind == VALUE_TEXT;
}

static const char *describe(const struct expr *expr, char text[64])
{
	if (is_text(expr))
		snprintf(text, 64, "the text \"%.*s\"",
			 expr->value.text.len > 30 ? 30 : (int)expr->value.text.len,
			 expr->value.text.at);
	else if (expr->is_constant && expr->value.kind == VALUE_INT)
		snprintf(text, 64, "the number %lld", (long long)expr->value.number);
	else
		snprintf(text, 64, "%s",
			 expr->type == TYPE_INT    ? "a number"
			 : expr->type == TYPE_TEXT ? "a text"
						   : "a value");
	return text;
}

static void type_error(struct build *build, const struct expr *expr, const struct expr *operand,
		       const char *wanted)
{
	char found[64];
	struct diagnostic *d =
		build_error(build, "type-mismatch", operand->at, "`%s` needs a %s here, found %s",
			    operator_text(expr->op), wanted, describe(operand, found));
	if (expr->left->kind == EXPR_UNARY && expr->left->op == OPERATOR_NOT &&
	    !expr->left->in_parentheses)
		build_hint(
			build, d,
			"`!` binds to what follows it only; negate the whole comparison with !(...)");
	else if (expr->op == OPERATOR_ADD)
		build_hint(
			build, d,
			"the left operand decides the type; write (str)x + \"...\" to join texts");
	else if (expr->op == OPERATOR_EQ || expr->op == OPERATOR_NE)
		build_hint(build, d, "the left operand decides the type of the comparison");
}

/* What load-time types can tell; the rest is converted while running. */
static void check_types(struct build *build, struct expr *expr)
{
	const struct expr *left = expr->left, *right = expr->right;
	switch (expr->op) {
	case OPERATOR_ADD:
	case OPERATOR_EQ:
	case OPERATOR_NE:
		if (left->type == TYPE_INT && is_text(right))
			type_error(build, expr, right, "number");
		break;
	case OPERATOR_SUB:
	case OPERATOR_MUL:
	case OPERATOR_DIV:
	case OPERATOR_MOD:
	case OPERATOR_SHL:
	case OPERATOR_SHR:
	case OPERATOR_BIT_AND:
	case OPERATOR_BIT_OR:
	case OPERATOR_BIT_XOR:
	case OPERATOR_LT:
	case OPERATOR_GT:
	case OPERATOR_LE:
	case OPERATOR_GE:
	case OPERATOR_INT_EQ:
	case OPERATOR_INT_NE:
		if (is_text(left))
			type_error(build, expr, left, "number");
		else if (is_text(right))
			type_error(build, expr, right, "number");
		break;
	case OPERATOR_TEXT_EQ:
	case OPERATOR_TEXT_NE:
		if (left->type == TYPE_INT)
			type_error(build, expr, left, "text");
		else if (right->type == TYPE_INT)
			type_error(build, expr, right, "text");
		break;
	default: break;
	}
}

static bool is_comparison(enum operator_kind op)
{
	return op >= OPERATOR_EQ && op <= OPERATOR_NOT_MATCH;
}

static enum value_type result_type(const struct expr *expr)
{
	if (expr->op != OPERATOR_ADD)
		return TYPE_INT;
	return expr->left->type == TYPE_ANY && expr->left->is_constant ? expr->right->type
								       : expr->left->type;
}

/* ---- matching ------------------------------------------------------------------------------- */

static const struct pattern *compile_pattern(struct build *build, struct expr *expr, unsigned flags)
{
	struct span error = { 0 }, text = build_text(build, expr->value.text);
	const struct pattern *pattern = pattern_compile(text, flags, build->arena, &error);
	if (!pattern) {
		struct diagnostic *d =
			build_error(build, "bad-pattern", expr->at, "%.*s", SPAN_ARGS(error));
		build_hint(
			build, d,
			"patterns are POSIX extended; a literal ( [ * + ? is written with a backslash");
		return NULL;
	}
	lint_pattern(build, text, expr->at);
	return pattern;
}

bool is_null_literal(const struct expr *expr)
{
	return expr->kind == EXPR_VARIABLE && expr->is_constant;
}

/* x =~ $null asks, like x == $null, whether x is null. */
static void check_match(struct build *build, struct expr *expr)
{
	if (expr->left->type == TYPE_INT && expr->left->keyword < 0)
		type_error(build, expr, expr->left, "text");
	if (is_null_literal(expr->right))
		expr->op = expr->op == OPERATOR_MATCH ? OPERATOR_EQ : OPERATOR_NE;
	else if (is_text(expr->right))
		expr->resolved = compile_pattern(build, expr->right, PATTERN_IGNORE_CASE);
	else if (expr->right->is_constant)
		type_error(build, expr, expr->right, "regular expression");
	expr->type = TYPE_INT;
}

/* ---- keywords on the left ------------------------------------------------------------------- */

static bool is_word(const struct expr *expr, const char *word)
{
	return expr->kind == EXPR_NAME && span_equal(expr->text, span_from(word));
}

static struct span address_text(struct build *build, const struct expr *expr)
{
	if (!expr->right)
		return build_text(build, expr->text);
	if (expr->right->kind == EXPR_INT)
		return arena_printf(build->arena, "%.*s/%lld", SPAN_ARGS(expr->text),
				    (long long)expr->right->number);
	return arena_printf(build->arena, "%.*s/%.*s", SPAN_ARGS(expr->text),
			    SPAN_ARGS(expr->right->text));
}

static void resolve_network(struct build *build, struct expr *comparison, struct span text,
			    struct source_position at)
{
	struct network *network = ARENA_NEW(build->arena, struct network);
	if (!network) {
		build->out_of_memory = true;
	} else if (network_parse(text, network)) {
		comparison->resolved = network;
	} else {
		build_error(build, "bad-address", at, "`%.*s` is no IP address or network",
			    SPAN_ARGS(text));
	}
}

/* Looked up once, while the script is compiled; the first address counts. */
static bool resolve_host(struct build *build, struct expr *comparison, struct span host)
{
	struct network *network = ARENA_NEW(build->arena, struct network);
	if (!network || !name_addresses(host, &network->address, 1))
		return false;
	network->bits = network->address.family == AF_INET6 ? 128 : 32;
	network->text = build_text(build, host);
	comparison->resolved = network;
	return true;
}

/* src_ip == 10.0.0.0/8, "10.1.2.3", myself, $avp(x) */
static void check_address_comparison(struct build *build, struct expr *expr)
{
	struct expr *right = expr->right;
	struct network probe;
	if (right->kind == EXPR_ADDRESS) {
		resolve_network(build, expr, address_text(build, right), right->at);
		return;
	}
	if (right->kind == EXPR_NAME && keyword_find(right->text) < 0 &&
	    !script_function_find(right->text, 0, NULL))
		set_constant(right, VALUE_OF_TEXT(right->text));
	check_expr(build, right);
	if (is_text(right) && network_parse(right->value.text, &probe))
		resolve_network(build, expr, build_text(build, right->value.text), right->at);
	else if (is_text(right) && right->value.text.len &&
		 !resolve_host(build, expr, right->value.text))
		build_warning(build, "unknown-host", right->at,
			      "the host name \"%.*s\" has no address, so this never matches",
			      SPAN_ARGS(right->value.text));
	else if (right->is_constant && right->value.kind == VALUE_INT)
		type_error(build, expr, right, "address");
}

static void check_constant_word(struct build *build, struct expr *expr,
				const struct keyword_row *row)
{
	struct expr *right = expr->right;
	struct span word = right->text;
	int64_t number;
	if ((right->kind == EXPR_NAME || right->kind == EXPR_TEXT) &&
	    keyword_constant(row->type, word, &number)) {
		set_constant(right, VALUE_OF_INT(number));
		return;
	}
	if (right->kind != EXPR_NAME || keyword_find(word) >= 0)
		check_expr(build, right);
	if ((right->kind == EXPR_NAME && right->keyword < 0) || is_text(right)) {
		struct diagnostic *d =
			build_error(build, "bad-value", right->at, "`%s` is never `%.*s`",
				    row->name, SPAN_ARGS(word));
		build_hint(build, d,
			   row->type == KEYWORD_FAMILY ? "it is INET or INET6"
						       : "it is UDP, TCP, TLS, SCTP, WS or WSS");
	}
}

/* A comparison whose left side is a core keyword. True when it needs nothing more. */
static bool check_keyword_comparison(struct build *build, struct expr *expr)
{
	struct expr *left = expr->left, *right = expr->right;
	if (keyword_find(left->text) < 0)
		return false;
	check_keyword(build, left);
	const struct keyword_row *row = keyword_row((enum keyword)left->keyword);
	expr->type = TYPE_INT;
	if (is_word(right, "myself")) {
		if (row->type != KEYWORD_IS_URI && row->type != KEYWORD_ADDRESS)
			build_error(build, "bad-value", right->at,
				    "`%s` cannot be compared with myself", row->name);
		else if (expr->op != OPERATOR_EQ && expr->op != OPERATOR_NE)
			build_error(build, "bad-operator", expr->at,
				    "`myself` is compared with == or != only");
		return true;
	}
	if (expr->op == OPERATOR_MATCH || expr->op == OPERATOR_NOT_MATCH) {
		check_expr(build, right);
		check_match(build, expr);
		return true;
	}
	if (row->type == KEYWORD_ADDRESS) {
		if (expr->op != OPERATOR_EQ && expr->op != OPERATOR_NE)
			build_error(build, "bad-operator", expr->at,
				    "`%s` is compared with ==, != or =~ only", row->name);
		check_address_comparison(build, expr);
		return true;
	}
	if (row->type == KEYWORD_PROTOCOL || row->type == KEYWORD_FAMILY) {
		check_constant_word(build, expr, row);
		return true;
	}
	if (row->type == KEYWORD_TEXT && right->kind == EXPR_NAME &&
	    keyword_find(right->text) < 0) {
		set_constant(right, VALUE_OF_TEXT(right->text)); /* method == INVITE */
		return true;
	}
	return false;
}

/* ---- expressions ---------------------------------------------------------------------------- */

static void fold(struct build *build, struct expr *expr)
{
	if (!expr->left->is_constant || (expr->right && !expr->right->is_constant))
		return;
	if ((expr->op == OPERATOR_DIV || expr->op == OPERATOR_MOD) &&
	    value_int(&build->folding, &expr->right->value) == 0) {
		build_hint(build,
			   build_warning(build, "division-by-zero", expr->at, "division by zero"),
			   "the assignment will fail and the target keep its value");
		return;
	}
	struct value value = expr->kind == EXPR_BINARY
				     ? value_binary(&build->folding, expr->op, &expr->left->value,
						    &expr->right->value)
				     : value_unary(&build->folding, expr->op, &expr->left->value);
	if (value.kind != VALUE_FAILED)
		set_constant(expr, value);
}

static void check_binary(struct build *build, struct expr *expr)
{
	unsigned errors = diagnostics_told(build->diagnostics);
	if (is_comparison(expr->op) && expr->left->kind == EXPR_NAME &&
	    check_keyword_comparison(build, expr))
		return;
	check_expr(build, expr->left);
	if (is_word(expr->right, "myself")) {
		struct diagnostic *d = build_error(
			build, "bad-value", expr->right->at,
			"only core keywords such as uri and src_ip can be compared with myself");
		build_hint(build, d, "use is_myself(\"...\") or is_uri_host_local()");
		return;
	}
	if (expr->right->kind == EXPR_ADDRESS) {
		set_constant(expr->right, VALUE_OF_TEXT(address_text(build, expr->right)));
	} else {
		check_expr(build, expr->right);
	}
	expr->type = result_type(expr);
	if (expr->op == OPERATOR_MATCH || expr->op == OPERATOR_NOT_MATCH) {
		check_match(build, expr);
		return;
	}
	check_types(build, expr);
	/* `$x == $null` asks whether it is null; it is not folded. */
	if (diagnostics_told(build->diagnostics) == errors)
		fold(build, expr);
}

static void check_unary(struct build *build, struct expr *expr)
{
	check_expr(build, expr->left);
	expr->type = expr->op == OPERATOR_TO_TEXT ? TYPE_TEXT : TYPE_INT;
	if (expr->op != OPERATOR_DEFINED || expr->left->is_constant)
		fold(build, expr);
}

static void check_target(struct build *build, struct expr *target)
{
	if (target->kind == EXPR_SELECT) {
		build_error(build, "read-only", target->at, "a select cannot be assigned");
		return;
	}
	if (target->kind == EXPR_NAME) {
		struct diagnostic *d =
			build_error(build, "bad-assignment", target->at,
				    "`%.*s` cannot be assigned", SPAN_ARGS(target->text));
		if (script_variable_find(target->text, NULL))
			diagnostic_hint(build->diagnostics, d,
					"variables begin with a dollar sign: $%.*s",
					SPAN_ARGS(target->text));
		else
			build_hint(
				build, d,
				"parameters are set outside of routes; variables begin with a dollar sign");
		return;
	}
	if (is_null_variable(target)) {
		build_error(build, "read-only", target->at, "$null cannot be assigned");
		return;
	}
	check_variable(build, target);
	const struct variable_ref *ref = target->resolved;
	if (ref && !variable_is_writable(ref))
		build_error(build, "read-only", target->at,
			    "%.*s cannot be assigned: it is read-only", SPAN_ARGS(target->text));
}

void check_expr(struct build *build, struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_INT: set_constant(expr, VALUE_OF_INT((int32_t)(uint32_t)expr->number)); break;
	case EXPR_TEXT: set_constant(expr, VALUE_OF_TEXT(expr->text)); break;
	case EXPR_VARIABLE:
	case EXPR_SELECT: check_variable(build, expr); break;
	case EXPR_NAME:
		if (expr->keyword < 0 && !expr->is_constant)
			check_keyword(build, expr);
		break;
	case EXPR_ADDRESS: set_constant(expr, VALUE_OF_TEXT(address_text(build, expr))); break;
	case EXPR_CALL:
		check_call(build, expr);
		expr->type = TYPE_INT;
		break;
	case EXPR_ROUTE:
		check_route_call(build, expr);
		expr->type = TYPE_INT;
		break;
	case EXPR_UNARY: check_unary(build, expr); break;
	case EXPR_BINARY: check_binary(build, expr); break;
	case EXPR_ASSIGN: {
		check_target(build, expr->left);
		check_expr(build, expr->right);
		struct diagnostic *d = build_warning(build, "assignment-in-condition", expr->at,
						     "this assigns %.*s and then tests the value",
						     SPAN_ARGS(expr->left->text));
		build_hint(build, d, "a comparison is written ==");
		expr->type = expr->right->type;
		break;
	}
	case EXPR_SELVAL:
		check_expr(build, expr->arguments);
		check_expr(build, expr->left);
		check_expr(build, expr->right);
		expr->type = expr->left->type == expr->right->type ? expr->left->type : TYPE_ANY;
		break;
	}
}

/* ---- statements ----------------------------------------------------------------------------- */

static void check_list(struct build *build, struct statement *list);

static void check_condition(struct build *build, struct expr *expr, const char *where)
{
	check_expr(build, expr);
	/* while(1) is how endless loops are written. */
	if (expr->is_constant &&
	    !(where[0] == 'w' && expr->value.kind == VALUE_INT && expr->value.number == 1)) {
		struct diagnostic *d = build_warning(
			build, "constant-condition", expr->at,
			"this condition of `%s` is always %s", where,
			value_is_true(&build->folding, &expr->value) ? "true" : "false");
		if (is_text(expr))
			build_hint(build, d,
				   "a text is not a condition; compare it with something");
	}
}

static void check_case(struct build *build, struct statement *statement, struct case_label *label)
{
	if (label->kind == CASE_DEFAULT)
		return;
	check_expr(build, label->value);
	if (label->kind == CASE_PATTERN) {
		label->pattern = compile_pattern(build, label->value, 0);
		return;
	}
	if (!label->value->is_constant) {
		if (label->value->kind != EXPR_NAME)
			build_error(build, "bad-case", label->value->at,
				    "the value of a case must be constant");
		return;
	}
	for (struct case_label *other = statement->cases; other != label; other = other->next) {
		if (other->kind != CASE_VALUE || !other->value->is_constant)
			continue;
		if (other->value->type != label->value->type) {
			build_error(
				build, "bad-case", label->value->at,
				"numbers and texts cannot be mixed in one switch (the first case is %s)",
				other->value->type == TYPE_INT ? "a number" : "a text");
			return;
		}
		if (value_binary(&build->folding, OPERATOR_EQ, &other->value->value,
				 &label->value->value)
			    .number) {
			build_error(build, "duplicate-case", label->value->at,
				    "this case stands at line %u already", other->at.line);
			return;
		}
	}
}

static void check_switch(struct build *build, struct statement *statement)
{
	const struct case_label *fallback = NULL;
	check_expr(build, statement->expr);
	if (statement->expr->kind == EXPR_TEXT &&
	    span_find(statement->expr->text, '$', 0) < statement->expr->text.len)
		build_hint(build,
			   build_warning(build, "constant-condition", statement->expr->at,
					 "this switch looks at a constant text"),
			   "write the variable without quotes");
	build->switches++;
	for (struct case_label *label = statement->cases; label; label = label->next) {
		check_case(build, statement, label);
		if (label->kind == CASE_DEFAULT && fallback)
			build_error(build, "duplicate-case", label->at,
				    "a second `default`; the first one is at line %u",
				    fallback->at.line);
		if (label->kind == CASE_DEFAULT)
			fallback = label;
		check_list(build, label->body);
	}
	build->switches--;
}

static void check_expr_statement(struct build *build, struct statement *statement)
{
	struct expr *expr = statement->expr;
	if (expr->kind == EXPR_CALL && expr->argument_count == 0 &&
	    (span_equal(expr->text, SPAN_OF("true")) || span_equal(expr->text, SPAN_OF("false")))) {
		statement->kind = STATEMENT_EMPTY;
		return;
	}
	check_expr(build, expr);
}

static void check_statement(struct build *build, struct statement *statement)
{
	switch (statement->kind) {
	case STATEMENT_EMPTY:
	case STATEMENT_EXIT:
	case STATEMENT_DROP: break;
	case STATEMENT_BLOCK: check_list(build, statement->body); break;
	case STATEMENT_EXPR: check_expr_statement(build, statement); break;
	case STATEMENT_ASSIGN:
		check_target(build, statement->target);
		check_expr(build, statement->expr);
		break;
	case STATEMENT_IF:
		check_condition(build, statement->expr, "if");
		check_statement(build, statement->body);
		if (statement->otherwise)
			check_statement(build, statement->otherwise);
		break;
	case STATEMENT_WHILE:
		check_condition(build, statement->expr, "while");
		build->loops++;
		check_statement(build, statement->body);
		build->loops--;
		break;
	case STATEMENT_SWITCH: check_switch(build, statement); break;
	case STATEMENT_RETURN:
		if (statement->expr)
			check_expr(build, statement->expr);
		break;
	case STATEMENT_BREAK:
		if (!build->loops && !build->switches)
			build_hint(
				build,
				build_warning(
					build, "stray-break", statement->at,
					"this `break` stands outside of `switch` and `while`, so it leaves the route"),
				"write return, or exit to end the script");
		break;
	case STATEMENT_CONTINUE:
		if (!build->loops)
			build_error(build, "stray-break", statement->at,
				    "`continue` stands outside of `while`");
		break;
	}
}

static void check_list(struct build *build, struct statement *list)
{
	for (struct statement *statement = list; statement; statement = statement->next)
		check_statement(build, statement);
}

static void check_event(struct build *build, struct route *route)
{
	enum route_kind kind;
	if (route->class != CLASS_EVENT)
		return;
	if (script_event_find(route->name, &kind)) {
		route->kind = kind;
		return;
	}
	const char *known[128], *name;
	unsigned count = 0;
	for (unsigned i = 0; count < 128 && (name = script_event_at(i, NULL, NULL)); i++)
		known[count++] = name;
	struct diagnostic *d =
		build_warning(build, "unknown-event", route->at,
			      "no loaded module runs event_route[%.*s]", SPAN_ARGS(route->name));
	const char *near = nearest_name(route->name, known, count);
	if (d && near)
		diagnostic_hint(build->diagnostics, d, "did you mean `%s`?", near);
}

void check_routes(struct build *build)
{
	for (struct route *route = build->source->routes; route; route = route->next)
		check_event(build, route);
	for (struct route *route = build->source->routes; route; route = route->next) {
		build->route = route;
		check_statement(build, route->body);
	}
}
