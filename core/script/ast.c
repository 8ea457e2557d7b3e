/* SPDX-License-Identifier: BSD-2-Clause */
/* Building the trees of a configuration file. */
#include "core/script/ast.h"
#include "core/script/parser.h"

const char *operator_text(enum operator_kind op)
{
	static const char *const texts[] = {
#define X(name, text) text,
		OPERATORS(X)
#undef X
	};
	return texts[op];
}

const char *route_class_name(enum route_class class)
{
	static const char *const names[CLASS_COUNT] = { "route",         "onreply_route",
							"failure_route", "branch_route",
							"onsend_route",  "event_route" };
	return names[class];
}

struct route *source_route(const struct script_source *source, enum route_class class,
			   struct span name)
{
	for (struct route *route = source->routes; route; route = route->next)
		if (route->class == class && span_equal(route->name, name))
			return route;
	return NULL;
}

/* Actions of the grammar cannot fail, so a node is always made; without memory it is this one and
 * the whole reading fails at its end. */
static void *node(struct parser *parser, size_t size)
{
	static _Alignas(max_align_t) char nowhere[sizeof(struct expr) + sizeof(struct statement)];
	void *made = arena_zalloc(parser->arena, 1, size);
	if (made)
		return made;
	parser->out_of_memory = true;
	memset(nowhere, 0, sizeof(nowhere));
	return nowhere;
}

struct statement *statement_new(struct parser *parser, enum statement_kind kind,
				struct source_position at)
{
	struct statement *statement = node(parser, sizeof(*statement));
	statement->kind = kind;
	statement->at = at;
	return statement;
}

struct statement *parser_block(struct parser *parser, struct statement *list,
			       struct source_position at)
{
	struct statement *block = statement_new(parser, STATEMENT_BLOCK, at);
	block->body = list;
	return block;
}

struct statement *parser_append(struct statement *list, struct statement *last)
{
	if (!list)
		return last;
	(list->last ? list->last : list)->next = last;
	list->last = last;
	return list;
}

struct statement *statement_if(struct parser *parser, struct expr *condition,
			       struct statement *body, struct statement *otherwise,
			       struct source_position at)
{
	struct statement *statement = statement_new(parser, STATEMENT_IF, at);
	statement->expr = condition;
	statement->body = body;
	statement->otherwise = otherwise;
	return statement;
}

struct statement *statement_while(struct parser *parser, struct expr *condition,
				  struct statement *body, struct source_position at)
{
	struct statement *statement = statement_new(parser, STATEMENT_WHILE, at);
	statement->expr = condition;
	statement->body = body;
	return statement;
}

struct statement *statement_switch(struct parser *parser, struct expr *subject,
				   struct case_label *cases, struct source_position at)
{
	struct statement *statement = statement_new(parser, STATEMENT_SWITCH, at);
	statement->expr = subject;
	statement->cases = cases;
	return statement;
}

struct statement *statement_expr(struct parser *parser, struct expr *expr)
{
	struct statement *statement = statement_new(parser, STATEMENT_EXPR, expr->at);
	statement->expr = expr;
	return statement;
}

struct statement *statement_assign(struct parser *parser, struct expr *target, struct expr *value,
				   struct source_position at)
{
	struct statement *statement = statement_new(parser, STATEMENT_ASSIGN, target->at);
	statement->target = target;
	statement->expr = value;
	(void)at;
	return statement;
}

struct statement *statement_return(struct parser *parser, struct expr *value,
				   struct source_position at)
{
	struct statement *statement = statement_new(parser, STATEMENT_RETURN, at);
	statement->expr = value;
	return statement;
}

struct case_label *parser_case(struct parser *parser, struct case_label *cases, int kind,
			       struct expr *value, struct statement *body,
			       struct source_position at)
{
	struct case_label *label = node(parser, sizeof(*label));
	label->at = at;
	label->kind = kind;
	label->value = value;
	label->body = body;
	if (!cases)
		return label;
	struct case_label *end = cases;
	while (end->next)
		end = end->next;
	end->next = label;
	return cases;
}

static struct expr *expr_new(struct parser *parser, enum expr_kind kind, struct source_position at)
{
	struct expr *expr = node(parser, sizeof(*expr));
	expr->kind = kind;
	expr->at = at;
	expr->keyword = -1;
	return expr;
}

struct expr *expr_number(struct parser *parser, int64_t number, struct source_position at)
{
	struct expr *expr = expr_new(parser, EXPR_INT, at);
	expr->number = number;
	return expr;
}

struct expr *expr_text(struct parser *parser, enum expr_kind kind, struct span text,
		       struct source_position at)
{
	struct expr *expr = expr_new(parser, kind, at);
	expr->text = text;
	return expr;
}

/* With a core keyword on the left, `!` negates the whole comparison: !uri==myself. */
static bool negates_keyword(enum operator_kind op, const struct expr *left)
{
	return op >= OPERATOR_EQ && op <= OPERATOR_NOT_MATCH && left->kind == EXPR_UNARY &&
	       left->op == OPERATOR_NOT && !left->in_parentheses && left->left->kind == EXPR_NAME &&
	       !left->left->in_parentheses;
}

struct expr *expr_binary(struct parser *parser, enum operator_kind op, struct expr *left,
			 struct expr *right, struct source_position at)
{
	if (negates_keyword(op, left)) {
		left->left = expr_binary(parser, op, left->left, right, at);
		return left;
	}
	struct expr *expr = expr_new(parser, EXPR_BINARY, at);
	expr->op = op;
	expr->left = left;
	expr->right = right;
	if (op == OPERATOR_DIV && left->kind == EXPR_ADDRESS) { /* 10.0.0.0/8 */
		expr->kind = EXPR_ADDRESS;
		expr->at = left->at;
		expr->text = left->text;
	}
	return expr;
}

struct expr *expr_unary(struct parser *parser, enum operator_kind op, struct expr *left,
			struct source_position at)
{
	if (op == OPERATOR_NEGATE && left->kind == EXPR_INT && !left->in_parentheses) {
		left->number = -left->number;
		left->at = parser_join(&at, &left->at);
		return left;
	}
	struct expr *expr = expr_new(parser, EXPR_UNARY, at);
	expr->op = op;
	expr->left = left;
	return expr;
}

struct expr *expr_assign(struct parser *parser, struct expr *target, struct expr *value,
			 struct source_position at)
{
	struct expr *expr = expr_new(parser, EXPR_ASSIGN, at);
	expr->left = target;
	expr->right = value;
	expr->in_parentheses = true;
	return expr;
}

struct expr *expr_selval(struct parser *parser, struct expr *condition, struct expr *yes,
			 struct expr *no, struct source_position at)
{
	struct expr *expr = expr_new(parser, EXPR_SELVAL, at);
	expr->arguments = condition;
	expr->left = yes;
	expr->right = no;
	return expr;
}

struct expr *expr_call(struct parser *parser, struct span name, struct expr *arguments,
		       struct source_position at)
{
	struct expr *expr = expr_text(parser, EXPR_CALL, name, at);
	expr->arguments = arguments;
	for (struct expr *argument = arguments; argument; argument = argument->next)
		expr->argument_count++;
	return expr;
}

struct expr *expr_route(struct parser *parser, struct expr *name, struct source_position at)
{
	struct expr *expr = expr_new(parser, EXPR_ROUTE, at);
	expr->left = name;
	return expr;
}

static struct span endpoint_part(struct parser *parser, const struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_INT: return parser_number_text(parser, expr->number);
	case EXPR_NAME:
	case EXPR_TEXT: return expr->text;
	case EXPR_ADDRESS:
		return span_find(expr->text, ':', 0) < expr->text.len
			       ? arena_printf(parser->arena, "[%.*s]", SPAN_ARGS(expr->text))
			       : expr->text;
	default: return (struct span){ 0 };
	}
}

struct expr *expr_endpoint(struct parser *parser, struct expr *left, const struct expr *right,
			   struct source_position at)
{
	struct span first = endpoint_part(parser, left), second = endpoint_part(parser, right);
	/* forward(uri:host, uri:port): parts of the Request-URI. */
	if (span_equal(first, SPAN_OF("uri")) && span_equal(second, SPAN_OF("host")))
		return expr_text(parser, EXPR_VARIABLE, SPAN_OF("$rd"), left->at);
	if (span_equal(first, SPAN_OF("uri")) && span_equal(second, SPAN_OF("port")))
		return expr_text(parser, EXPR_VARIABLE, SPAN_OF("$rp"), left->at);
	if (!first.at || !second.at) {
		parser_error(parser, at, "syntax error: unexpected `:`");
		return left;
	}
	return expr_text(parser, EXPR_TEXT, parser_concat(parser, first, ":", second), left->at);
}

struct expr *parser_add_argument(struct expr *list, struct expr *last)
{
	struct expr *end = list;
	while (end->next)
		end = end->next;
	end->next = last;
	return list;
}
