/* SPDX-License-Identifier: BSD-2-Clause */
/* From checked trees to instructions. Registers are taken and given back like a stack; a condition
 * becomes jumps, without values in between. */
#include "core/script/build.h"

struct jump_list {
	struct list at; /* uint32_t: instructions whose c is to be set */
	struct jump_list *outer;
};

/* ---- parts of the image --------------------------------------------------------------------- */

uint32_t list_add(struct build *build, struct list *list, const void *item)
{
	if (list->count == list->room) {
		uint32_t room = list->room ? list->room * 2 : 16;
		void *grown =
			arena_grow(build->scratch, list->items, (size_t)list->room * list->size,
				   (size_t)room * list->size);
		if (!grown) {
			build->out_of_memory = true;
			return 0;
		}
		list->items = grown;
		list->room = room;
	}
	memcpy((char *)list->items + (size_t)list->count * list->size, item, list->size);
	return list->count++;
}

const void *list_copy(struct build *build, const struct list *list)
{
	if (list->count == 0)
		return NULL;
	void *copy = arena_alloc(build->arena, (size_t)list->count * list->size);
	if (!copy) {
		build->out_of_memory = true;
		return NULL;
	}
	return memcpy(copy, list->items, (size_t)list->count * list->size);
}

static uint32_t emit(struct build *build, enum opcode op, unsigned a, unsigned b, int64_t c)
{
	struct instruction instruction = { (uint8_t)op, (uint8_t)a, (uint16_t)b, (int32_t)c };
	return list_add(build, &build->code, &instruction);
}

static uint32_t here(const struct build *build)
{
	return build->code.count;
}

static void mark(struct build *build, struct source_position at)
{
	const char *file = at.file ? at.file->path : "";
	if (at.line == build->marked_line && file == build->marked_file)
		return;
	build->marked_line = at.line;
	build->marked_file = file;
	struct source_mark made = { here(build), at.line, file };
	list_add(build, &build->marks, &made);
}

static unsigned take_register(struct build *build, struct source_position at)
{
	unsigned taken = build->used_registers++;
	if (taken == 250) {
		build_error(build, "too-complex", at, "this expression is too complex");
		build->out_of_memory = true;
	}
	if (build->used_registers > build->most_registers)
		build->most_registers = build->used_registers;
	return taken < 250 ? taken : 250;
}

/* ---- jumps ---------------------------------------------------------------------------------- */

static struct jump_list *jumps_new(struct build *build)
{
	static struct jump_list none;
	struct jump_list *jumps = ARENA_NEW(build->scratch, struct jump_list);
	if (!jumps) {
		build->out_of_memory = true;
		none = (struct jump_list){ .at = { .size = sizeof(uint32_t) } };
		return &none;
	}
	jumps->at.size = sizeof(uint32_t);
	return jumps;
}

static void jump_later(struct build *build, struct jump_list *jumps, uint32_t instruction)
{
	list_add(build, &jumps->at, &instruction);
}

static void jumps_land(struct build *build, const struct jump_list *jumps, uint32_t target)
{
	for (uint32_t i = 0; i < jumps->at.count && !build->out_of_memory; i++)
		LIST_AT(&build->code, struct instruction, LIST_AT(&jumps->at, uint32_t, i)).c =
			(int32_t)target;
}

/* ---- expressions ---------------------------------------------------------------------------- */

static void emit_expr(struct build *build, struct expr *expr, unsigned into);

static void emit_constant(struct build *build, const struct value *value, unsigned into)
{
	if (value->kind == VALUE_INT && value->number == (int32_t)value->number) {
		emit(build, OP_LOAD_INT, into, 0, value->number);
		return;
	}
	struct value copy = *value;
	if (copy.kind == VALUE_TEXT)
		copy.text = build_text(build, copy.text);
	emit(build, OP_LOAD_CONST, into, 0, list_add(build, &build->constants, &copy));
}

static uint32_t variable_number(struct build *build, const void *ref)
{
	for (uint32_t i = 0; i < build->variables.count; i++)
		if (LIST_AT(&build->variables, const void *, i) == ref)
			return i;
	return list_add(build, &build->variables, &ref);
}

/* In comparisons and arithmetic a call counts 1 or 0. */
static void emit_operand(struct build *build, struct expr *expr, unsigned into)
{
	emit_expr(build, expr, into);
	if (!expr->is_constant && (expr->kind == EXPR_CALL || expr->kind == EXPR_ROUTE))
		emit(build, OP_TRUTH, into, into, 0);
}

static void emit_call(struct build *build, const struct expr *expr, unsigned into)
{
	const struct call_site *site = expr->resolved;
	unsigned before = build->used_registers, first = before;
	uint32_t next = 0;
	unsigned number = 0;
	for (struct expr *argument = expr->arguments; argument; argument = argument->next) {
		const struct field *field = &site->function->args.rows[number++];
		if (next >= site->dynamic_count || site->dynamic[next].field != field)
			continue;
		if (!site->dynamic[next++].template)
			emit_operand(build, argument, take_register(build, argument->at));
	}
	mark(build, expr->at);
	emit(build, OP_CALL, into, site->register_count ? first : into,
	     list_add(build, &build->calls, site));
	build->used_registers = before;
}

static void emit_route_call(struct build *build, const struct expr *expr, unsigned into)
{
	const struct route *route = expr->resolved;
	mark(build, expr->at);
	if (route) {
		emit(build, OP_CALL_ROUTE, into, 0, route->index);
		return;
	}
	unsigned before = build->used_registers, name = take_register(build, expr->at);
	emit_operand(build, expr->left, name);
	emit(build, OP_CALL_ROUTE_TEXT, into, name, 0);
	build->used_registers = before;
}

static enum opcode opcode_of(enum operator_kind op)
{
	static const uint8_t codes[] = {
		[OPERATOR_ADD] = OP_ADD,
		[OPERATOR_SUB] = OP_SUB,
		[OPERATOR_MUL] = OP_MUL,
		[OPERATOR_DIV] = OP_DIV,
		[OPERATOR_MOD] = OP_MOD,
		[OPERATOR_SHL] = OP_SHL,
		[OPERATOR_SHR] = OP_SHR,
		[OPERATOR_BIT_AND] = OP_BIT_AND,
		[OPERATOR_BIT_OR] = OP_BIT_OR,
		[OPERATOR_BIT_XOR] = OP_BIT_XOR,
		[OPERATOR_EQ] = OP_EQ,
		[OPERATOR_NE] = OP_NE,
		[OPERATOR_LT] = OP_LT,
		[OPERATOR_GT] = OP_GT,
		[OPERATOR_LE] = OP_LE,
		[OPERATOR_GE] = OP_GE,
		[OPERATOR_TEXT_EQ] = OP_TEXT_EQ,
		[OPERATOR_TEXT_NE] = OP_TEXT_NE,
		[OPERATOR_INT_EQ] = OP_INT_EQ,
		[OPERATOR_INT_NE] = OP_INT_NE,
		[OPERATOR_MATCH] = OP_MATCH,
		[OPERATOR_NOT_MATCH] = OP_MATCH,
		[OPERATOR_AND] = OP_JUMP,
		[OPERATOR_OR] = OP_JUMP,
		[OPERATOR_NOT] = OP_NOT,
		[OPERATOR_BIT_NOT] = OP_BIT_NOT,
		[OPERATOR_NEGATE] = OP_NEGATE,
		[OPERATOR_TO_INT] = OP_TO_INT,
		[OPERATOR_TO_TEXT] = OP_TO_TEXT,
		[OPERATOR_DEFINED] = OP_DEFINED,
		[OPERATOR_STRLEN] = OP_STRLEN,
		[OPERATOR_STREMPTY] = OP_STREMPTY,
	};
	return codes[op];
}

/* x == "" asks whether x is empty as text: the number 0 is not. But x != "" is false for it, so that
 * an unset $var() counts as nothing. */
static bool is_empty_text(const struct expr *expr)
{
	return expr->is_constant && expr->value.kind == VALUE_TEXT && expr->value.text.len == 0;
}

static bool is_address_test(const struct expr *expr)
{
	return expr->left->keyword >= 0 && (expr->op == OPERATOR_EQ || expr->op == OPERATOR_NE) &&
	       keyword_row((enum keyword)expr->left->keyword)->type == KEYWORD_ADDRESS;
}

static void negate_if(struct build *build, bool negate, unsigned into)
{
	if (negate)
		emit(build, OP_NOT, into, into, 0);
}

static void emit_comparison(struct build *build, struct expr *expr, unsigned into)
{
	unsigned before = build->used_registers;
	bool negate = expr->op == OPERATOR_NE;
	if (expr->left->keyword >= 0 && expr->right->kind == EXPR_NAME &&
	    span_equal(expr->right->text, SPAN_OF("myself"))) {
		emit(build, OP_IS_MYSELF, into, 0, expr->left->keyword);
		negate_if(build, negate, into);
	} else if (is_address_test(expr) && expr->resolved) {
		emit(build, OP_IN_NETWORK, into, (unsigned)expr->left->keyword,
		     list_add(build, &build->networks, expr->resolved));
		negate_if(build, negate, into);
	} else if (is_address_test(expr)) {
		unsigned text = take_register(build, expr->at);
		emit_operand(build, expr->right, text);
		emit(build, OP_IN_NETWORK_TEXT, into, (unsigned)expr->left->keyword, text);
		negate_if(build, negate, into);
	} else if ((expr->op == OPERATOR_EQ || negate) && is_null_literal(expr->right)) {
		emit_operand(build, expr->left, into);
		emit(build, negate ? OP_DEFINED : OP_IS_NULL, into, into, 0);
	} else if ((expr->op == OPERATOR_EQ || negate) && is_empty_text(expr->right)) {
		emit_operand(build, expr->left, into);
		emit(build, negate ? OP_IS_FILLED : OP_STREMPTY, into, into, 0);
	} else {
		emit_operand(build, expr->left, into);
		unsigned right = take_register(build, expr->at);
		emit_operand(build, expr->right, right);
		emit(build, opcode_of(expr->op), into, into, right);
	}
	build->used_registers = before;
}

static void emit_match(struct build *build, struct expr *expr, unsigned into)
{
	unsigned before = build->used_registers;
	emit_operand(build, expr->left, into);
	if (expr->resolved) {
		emit(build, OP_MATCH, into, into,
		     list_add(build, &build->patterns, &expr->resolved));
	} else {
		unsigned right = take_register(build, expr->at);
		emit_operand(build, expr->right, right);
		emit(build, OP_MATCH_TEXT, into, into, right);
	}
	negate_if(build, expr->op == OPERATOR_NOT_MATCH, into);
	build->used_registers = before;
}

/* ---- conditions ----------------------------------------------------------------------------- */

static void emit_condition(struct build *build, struct expr *expr, bool jump_when,
			   bool is_outermost, struct jump_list *jumps);

/* a && b jumps when false if a is false or b is false; the other forms go around. */
static void emit_logical(struct build *build, struct expr *expr, bool jump_when,
			 struct jump_list *jumps)
{
	bool short_way = expr->op == OPERATOR_AND ? !jump_when : jump_when;
	if (short_way) {
		emit_condition(build, expr->left, jump_when, false, jumps);
		emit_condition(build, expr->right, jump_when, false, jumps);
		return;
	}
	struct jump_list *around = jumps_new(build);
	emit_condition(build, expr->left, !jump_when, false, around);
	emit_condition(build, expr->right, jump_when, false, jumps);
	jumps_land(build, around, here(build));
}

/* Jumps when the condition is `jump_when`. The outermost value counts as true above 0; a value
 * under && || ! counts as true unless it is 0. */
static void emit_condition(struct build *build, struct expr *expr, bool jump_when,
			   bool is_outermost, struct jump_list *jumps)
{
	if (!expr->is_constant && expr->kind == EXPR_BINARY &&
	    (expr->op == OPERATOR_AND || expr->op == OPERATOR_OR)) {
		emit_logical(build, expr, jump_when, jumps);
		return;
	}
	if (!expr->is_constant && expr->kind == EXPR_UNARY && expr->op == OPERATOR_NOT) {
		emit_condition(build, expr->left, !jump_when, false, jumps);
		return;
	}
	unsigned before = build->used_registers, value = take_register(build, expr->at);
	bool by_sign = is_outermost || expr->kind == EXPR_CALL || expr->kind == EXPR_ROUTE;
	emit_expr(build, expr, value);
	jump_later(build, jumps,
		   emit(build,
			by_sign     ? (jump_when ? OP_JUMP_TRUE : OP_JUMP_FALSE)
			: jump_when ? OP_JUMP_NONZERO
				    : OP_JUMP_ZERO,
			0, value, 0));
	build->used_registers = before;
}

/* The condition as a value. */
static void emit_truth(struct build *build, struct expr *expr, unsigned into)
{
	struct jump_list *no = jumps_new(build);
	emit_condition(build, expr, false, false, no);
	emit(build, OP_LOAD_INT, into, 0, 1);
	uint32_t over = emit(build, OP_JUMP, 0, 0, 0);
	jumps_land(build, no, here(build));
	emit(build, OP_LOAD_INT, into, 0, 0);
	if (!build->out_of_memory)
		LIST_AT(&build->code, struct instruction, over).c = (int32_t)here(build);
}

static void emit_selval(struct build *build, struct expr *expr, unsigned into)
{
	struct jump_list *no = jumps_new(build);
	emit_condition(build, expr->arguments, false, true, no);
	emit_operand(build, expr->left, into);
	uint32_t over = emit(build, OP_JUMP, 0, 0, 0);
	jumps_land(build, no, here(build));
	emit_operand(build, expr->right, into);
	if (!build->out_of_memory)
		LIST_AT(&build->code, struct instruction, over).c = (int32_t)here(build);
}

static void emit_binary(struct build *build, struct expr *expr, unsigned into)
{
	if (expr->op == OPERATOR_AND || expr->op == OPERATOR_OR)
		emit_truth(build, expr, into);
	else if (expr->op == OPERATOR_MATCH || expr->op == OPERATOR_NOT_MATCH)
		emit_match(build, expr, into);
	else
		emit_comparison(build, expr, into);
}

static void emit_assign(struct build *build, struct expr *target, struct expr *value, unsigned into)
{
	emit_expr(build, value, into);
	mark(build, target->at);
	emit(build, OP_STORE, 0, into, variable_number(build, target->resolved));
}

static void emit_expr(struct build *build, struct expr *expr, unsigned into)
{
	if (expr->is_constant) {
		emit_constant(build, &expr->value, into);
		return;
	}
	switch (expr->kind) {
	case EXPR_VARIABLE:
		emit(build, OP_LOAD_VAR, into, 0, variable_number(build, expr->resolved));
		break;
	case EXPR_SELECT: /* always text, empty when the message has no such thing */
		emit(build, OP_LOAD_VAR, into, 0, variable_number(build, expr->resolved));
		emit(build, OP_TO_TEXT, into, into, 0);
		break;
	case EXPR_NAME:
		emit(build, OP_LOAD_KEYWORD, into, 0, expr->keyword < 0 ? 0 : expr->keyword);
		break;
	case EXPR_CALL: emit_call(build, expr, into); break;
	case EXPR_ROUTE: emit_route_call(build, expr, into); break;
	case EXPR_UNARY:
		if (expr->op == OPERATOR_NOT &&
		    (expr->left->kind == EXPR_BINARY || expr->left->kind == EXPR_UNARY)) {
			emit_truth(build, expr, into);
		} else {
			emit_operand(build, expr->left, into);
			emit(build, opcode_of(expr->op), into, into, 0);
		}
		break;
	case EXPR_BINARY: emit_binary(build, expr, into); break;
	case EXPR_ASSIGN: emit_assign(build, expr->left, expr->right, into); break;
	case EXPR_SELVAL: emit_selval(build, expr, into); break;
	case EXPR_INT:
	case EXPR_TEXT:
	case EXPR_ADDRESS: break; /* constants */
	}
}

/* ---- statements ----------------------------------------------------------------------------- */

static void emit_list(struct build *build, struct statement *list, bool is_tail);
static void emit_statement(struct build *build, struct statement *statement, bool is_tail);

static void emit_if(struct build *build, struct statement *statement, bool is_tail)
{
	struct jump_list *otherwise = jumps_new(build);
	emit_condition(build, statement->expr, false, true, otherwise);
	emit_statement(build, statement->body, is_tail);
	if (!statement->otherwise) {
		jumps_land(build, otherwise, here(build));
		return;
	}
	uint32_t over = emit(build, OP_JUMP, 0, 0, 0);
	jumps_land(build, otherwise, here(build));
	emit_statement(build, statement->otherwise, is_tail);
	if (!build->out_of_memory)
		LIST_AT(&build->code, struct instruction, over).c = (int32_t)here(build);
}

static void emit_while(struct build *build, struct statement *statement)
{
	unsigned before = build->used_registers, rounds = take_register(build, statement->at);
	struct jump_list *out = jumps_new(build), *again = jumps_new(build);
	out->outer = build->breaks;
	again->outer = build->continues;
	build->breaks = out;
	build->continues = again;
	emit(build, OP_LOAD_INT, rounds, 0, 0);
	uint32_t top = here(build);
	jump_later(build, out, emit(build, OP_LOOP, rounds, 0, 0));
	emit_condition(build, statement->expr, false, true, out);
	emit_statement(build, statement->body, false);
	emit(build, OP_JUMP, 0, 0, top);
	build->breaks = out->outer;
	build->continues = again->outer;
	jumps_land(build, again, top);
	jumps_land(build, out, here(build));
	build->used_registers = before;
}

static void emit_case_test(struct build *build, struct case_label *label, unsigned subject,
			   struct jump_list *found)
{
	unsigned before = build->used_registers, result = take_register(build, label->at);
	if (label->kind == CASE_PATTERN) {
		emit(build, OP_MATCH, result, subject,
		     list_add(build, &build->patterns, &label->pattern));
	} else {
		emit_operand(build, label->value, result);
		emit(build, label->value->type == TYPE_INT ? OP_INT_EQ : OP_TEXT_EQ, result,
		     subject, result);
	}
	jump_later(build, found, emit(build, OP_JUMP_NONZERO, 0, result, 0));
	build->used_registers = before;
}

static void emit_switch(struct build *build, struct statement *statement)
{
	unsigned before = build->used_registers, subject = take_register(build, statement->at);
	struct list starts = { .size = sizeof(struct jump_list *) };
	struct jump_list *out = jumps_new(build), *none = jumps_new(build);
	emit_operand(build, statement->expr, subject);
	for (struct case_label *label = statement->cases; label; label = label->next) {
		struct jump_list *found = label->kind == CASE_DEFAULT ? none : jumps_new(build);
		mark(build, label->at);
		if (label->kind != CASE_DEFAULT)
			emit_case_test(build, label, subject, found);
		list_add(build, &starts, &found);
	}
	jump_later(build, none, emit(build, OP_JUMP, 0, 0, 0));
	out->outer = build->breaks;
	build->breaks = out;
	bool has_default = false;
	uint32_t i = 0;
	for (struct case_label *label = statement->cases; label && !build->out_of_memory;
	     label = label->next) {
		jumps_land(build, LIST_AT(&starts, struct jump_list *, i++), here(build));
		has_default = has_default || label->kind == CASE_DEFAULT;
		emit_list(build, label->body, false);
	}
	build->breaks = out->outer;
	if (!has_default)
		jumps_land(build, none, here(build));
	jumps_land(build, out, here(build));
	build->used_registers = before;
}

static void emit_return(struct build *build, struct statement *statement)
{
	if (!statement->expr) {
		emit(build, OP_RETURN_INT, 0, 0, 1);
	} else if (statement->expr->is_constant && statement->expr->value.kind == VALUE_INT) {
		emit(build, OP_RETURN_INT, 0, 0, statement->expr->value.number);
	} else {
		unsigned before = build->used_registers,
			 value = take_register(build, statement->at);
		emit_expr(build, statement->expr, value);
		emit(build, OP_RETURN, 0, value, 0);
		build->used_registers = before;
	}
}

/* A route that ends without `return` gives the code of its last statement: that of a call, else
 * 1. */
static void emit_statement(struct build *build, struct statement *statement, bool is_tail)
{
	unsigned before = build->used_registers;
	mark(build, statement->at);
	switch (statement->kind) {
	case STATEMENT_EMPTY: break;
	case STATEMENT_BLOCK: emit_list(build, statement->body, is_tail); break;
	case STATEMENT_EXPR: {
		unsigned result = take_register(build, statement->at);
		if (statement->expr->is_constant)
			break;
		emit_expr(build, statement->expr, result);
		if (is_tail)
			emit(build, OP_RETURN, 0, result, 0);
		break;
	}
	case STATEMENT_ASSIGN:
		emit_assign(build, statement->target, statement->expr,
			    take_register(build, statement->at));
		break;
	case STATEMENT_IF: emit_if(build, statement, is_tail); break;
	case STATEMENT_WHILE: emit_while(build, statement); break;
	case STATEMENT_SWITCH: emit_switch(build, statement); break;
	case STATEMENT_RETURN: emit_return(build, statement); break;
	case STATEMENT_EXIT: emit(build, OP_EXIT, 0, 0, 0); break;
	case STATEMENT_DROP: emit(build, OP_DROP, 0, 0, 0); break;
	case STATEMENT_BREAK:
		if (build->breaks)
			jump_later(build, build->breaks, emit(build, OP_JUMP, 0, 0, 0));
		else
			emit(build, OP_LEAVE, 0, 0, 0);
		break;
	case STATEMENT_CONTINUE:
		jump_later(build, build->continues, emit(build, OP_JUMP, 0, 0, 0));
		break;
	}
	build->used_registers = before;
}

static void emit_list(struct build *build, struct statement *list, bool is_tail)
{
	for (struct statement *statement = list; statement && !build->out_of_memory;
	     statement = statement->next) {
		struct statement *rest = statement->next;
		while (rest && rest->kind == STATEMENT_EMPTY)
			rest = rest->next;
		emit_statement(build, statement, is_tail && !rest);
	}
}

/* ---- the image ------------------------------------------------------------------------------ */

static struct span shown_name(struct build *build, const struct route *route)
{
	static const char *const main_names[CLASS_COUNT] = { "request_route", "reply_route",
							     "failure_route", "branch_route",
							     "onsend_route",  "event_route" };
	return route->name.len ? build_text(build, route->name)
			       : span_from(main_names[route->class]);
}

static const char *kept_path(struct build *build, const char *path)
{
	struct span copy = arena_printf(build->arena, "%s", path);
	build->out_of_memory = build->out_of_memory || !copy.at;
	return copy.at ? copy.at : "";
}

static void emit_route(struct build *build, struct route *route, struct list *entries)
{
	struct route_entry entry = { .class = route->class,
				     .kind = route->kind,
				     .name = build_text(build, route->name),
				     .shown = shown_name(build, route),
				     .begin = here(build),
				     .line = route->at.line,
				     .file = route->at.file ? route->at.file->path : "" };
	build->route = route;
	build->used_registers = build->most_registers = 0;
	build->breaks = build->continues = NULL;
	emit_statement(build, route->body, true);
	emit(build, OP_RETURN_INT, 0, 0, 1);
	entry.end = here(build);
	entry.registers = build->most_registers;
	list_add(build, entries, &entry);
}

/* Paths live in the sources; the image keeps one copy of each. */
static void keep_paths(struct build *build, struct list *entries)
{
	const char *from[64], *to[64];
	unsigned count = 0;
	for (uint32_t i = 0; i < build->marks.count + entries->count; i++) {
		const char **path =
			i < build->marks.count
				? &LIST_AT(&build->marks, struct source_mark, i).file
				: &LIST_AT(entries, struct route_entry, i - build->marks.count)
					   .file;
		unsigned k = 0;
		while (k < count && from[k] != *path)
			k++;
		if (k == count) {
			const char *kept = kept_path(build, *path);
			if (count < 64) {
				from[count] = *path;
				to[count++] = kept;
			}
			*path = kept;
		} else {
			*path = to[k];
		}
	}
}

uint32_t image_route_hash(enum route_class class, struct span name)
{
	uint32_t hash = 2166136261u ^ (uint32_t) class;
	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.at[i]) * 16777619u;
	return hash ^ hash >> 15;
}

static void build_route_table(struct build *build, struct image *image)
{
	uint32_t size = 8;
	while (size < image->route_count * 2)
		size *= 2;
	uint32_t *table = ARENA_ARRAY(build->arena, uint32_t, size);
	if (!table) {
		build->out_of_memory = true;
		return;
	}
	for (uint32_t i = 0; i < image->route_count; i++) {
		uint32_t at = image_route_hash(image->routes[i].class, image->routes[i].name);
		while (table[at & (size - 1)])
			at++;
		table[at & (size - 1)] = i + 1;
		if (image->routes[i].name.len == 0)
			image->main_routes[image->routes[i].class] = i + 1;
		image->event_count += image->routes[i].class == CLASS_EVENT;
	}
	image->route_table = table;
	image->route_table_mask = size - 1;
}

bool emit_image(struct build *build, struct image *image)
{
	struct list entries = { .size = sizeof(struct route_entry) };
	unsigned index = 0;
	build->code.size = sizeof(struct instruction);
	build->constants.size = sizeof(struct value);
	build->variables.size = build->patterns.size = sizeof(void *);
	build->calls.size = sizeof(struct call_site);
	build->networks.size = sizeof(struct network);
	build->marks.size = sizeof(struct source_mark);
	for (struct route *route = build->source->routes; route; route = route->next)
		route->index = index++;
	for (struct route *route = build->source->routes; route && !build->out_of_memory;
	     route = route->next)
		emit_route(build, route, &entries);
	if (build->out_of_memory)
		return false;
	keep_paths(build, &entries);
	image->code = list_copy(build, &build->code);
	image->code_count = build->code.count;
	image->constants = list_copy(build, &build->constants);
	image->constant_count = build->constants.count;
	image->variables = list_copy(build, &build->variables);
	image->variable_count = build->variables.count;
	image->patterns = list_copy(build, &build->patterns);
	image->pattern_count = build->patterns.count;
	image->calls = list_copy(build, &build->calls);
	image->call_count = build->calls.count;
	image->networks = list_copy(build, &build->networks);
	image->network_count = build->networks.count;
	image->marks = list_copy(build, &build->marks);
	image->mark_count = build->marks.count;
	image->routes = list_copy(build, &entries);
	image->route_count = entries.count;
	build_route_table(build, image);
	image->var_count = script_vars_copy(build->arena, &image->vars);
	return !build->out_of_memory;
}
