/* SPDX-License-Identifier: BSD-2-Clause */
/* compare: avp_check and avp_op, comparing and computing with values. */
#include <fnmatch.h>

#include "modules/avpops/avpops.h"

/* ---- table ------------------------------------------------------------------------------------------ */

SPEC_ACCEPT(check_checked, SPEC_CHECKED)
SPEC_ACCEPT(check_comparison, SPEC_COMPARISON)
SPEC_ACCEPT(check_operands, SPEC_OPERANDS)
SPEC_ACCEPT(check_operation, SPEC_OPERATION)

struct operation_args {
	struct span name, operation;
};
static const struct field compare_fields[] = {
	FIELD(struct operation_args, name, "variable", .literal = true, .accept = check_checked),
	FIELD(struct operation_args, operation, "eq, ne, lt, le, gt, ge, re, fm, and, or, xor, with a "
		"value or variable and flags: g all values, i any case: \"eq/s:x/g\"", .literal = true,
		.accept = check_comparison),
};
#define compare_args operation_args
SCRIPT_HANDLER_OF(avp_check, compare)

static const struct field compute_fields[] = {
	FIELD(struct operation_args, name, "AVP, with another one for the results", .literal = true,
		.accept = check_operands),
	FIELD(struct operation_args, operation, "add, sub, mul, div, mod, and, or, xor, not (of the operand), with "
		"a number or variable and flags: d deletes the AVP: \"add/i:5/d\"", .literal = true,
		.accept = check_operation),
};
#define compute_args operation_args
SCRIPT_HANDLER_OF(avp_op, compute)

static const struct script_function functions[] = {
	FUNCTION_OF("avp_check", avp_check, compare, IN_ANY, "Compares a value, or with g each value."),
	FUNCTION_OF("avp_op", avp_op, compute, IN_ANY,
		"Computes with each value of an AVP; the results become values."),
};
const struct function_table compare_functions = { functions, ARRAY_SIZE(functions) };

/* The values that stand behind the operator. */
static unsigned operands_of(struct script_run *run, const struct avp_spec *spec, bool all,
			    const struct value **out)
{
	if (spec->variable)
		return values_of(run, spec->variable, all, out);
	*out = &spec->value;
	return 1;
}

/* ---- comparing -------------------------------------------------------------------------------------------- */

static int order_of(const struct value *a, const struct value *b, bool is_nocase)
{
	if (a->kind == VALUE_INT)
		return a->number < b->number ? -1 : a->number > b->number;
	if (is_nocase && span_equal_nocase(a->text, b->text))
		return 0;
	return span_compare(a->text, b->text);
}

static bool matches(struct script_run *run, const struct avp_spec *spec, struct span text,
		    struct span pattern)
{
	if (spec->op == OP_RE) {
		const struct pattern *compiled = pattern_cached(
			pattern, spec->flags & FLAG_NOCASE ? PATTERN_IGNORE_CASE : 0);
		return compiled && pattern_search(compiled, text, 0, NULL, 0);
	}
	const char *shell_pattern = arena_string(run->arena, pattern);
	const char *subject = arena_string(run->arena, text);
	return shell_pattern && subject && fnmatch(shell_pattern, subject, 0) == 0;
}

static bool is_true(struct script_run *run, const struct avp_spec *spec, const struct value *value,
		    const struct value *operand)
{
	bool is_number = value->kind == VALUE_INT;
	if (value->kind != operand->kind) {
		log_debug("avp_check: a number and a text are compared");
		return false;
	}
	int order = order_of(value, operand, spec->flags & FLAG_NOCASE);
	switch (spec->op) {
	case OP_EQ: return order == 0;
	case OP_NE: return order != 0;
	case OP_LT: return order < 0;
	case OP_LE: return order <= 0;
	case OP_GT: return order > 0;
	case OP_GE: return order >= 0;
	case OP_RE:
	case OP_FM: return !is_number && matches(run, spec, value->text, operand->text);
	case OP_AND: return is_number && (value->number & operand->number);
	case OP_OR: return is_number && (value->number | operand->number);
	case OP_XOR: return is_number && (value->number ^ operand->number);
	case OP_ADD:
	case OP_SUB:
	case OP_MUL:
	case OP_DIV:
	case OP_MOD:
	case OP_NOT: break;
	}
	return false;
}

static int avp_check(struct script_run *run, const struct operation_args *args)
{
	const struct avp_spec *name = spec_of(SPEC_CHECKED, args->name);
	const struct avp_spec *spec = spec_of(SPEC_COMPARISON, args->operation);
	const struct value *values, *operands;
	if (!name || !spec)
		return SCRIPT_FALSE;
	bool all = (spec->flags | name->flags) & FLAG_ALL;
	unsigned count = values_of(run, name->variable, all, &values);
	unsigned operand_count = operands_of(run, spec, all, &operands);
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < operand_count; k++)
			if (is_true(run, spec, &values[i], &operands[k]))
				return SCRIPT_TRUE;
	return SCRIPT_FALSE;
}

/* ---- computing ---------------------------------------------------------------------------------------------- */

static int64_t divide(enum avp_operator op, int64_t a, int64_t b)
{
	if (b == 0) {
		log_error("avp_op: division by 0");
		return 0;
	}
	if (b == -1)
		return op == OP_MOD ? 0 : (int64_t)(0 - (uint64_t)a);
	return op == OP_MOD ? a % b : a / b;
}

/* Numbers wrap where they are too large. */
static int64_t compute(enum avp_operator op, int64_t a, int64_t b)
{
	uint64_t x = (uint64_t)a, y = (uint64_t)b;
	switch (op) {
	case OP_ADD: return (int64_t)(x + y);
	case OP_SUB: return (int64_t)(x - y);
	case OP_MUL: return (int64_t)(x * y);
	case OP_DIV:
	case OP_MOD: return divide(op, a, b);
	case OP_AND: return a & b;
	case OP_OR: return a | b;
	case OP_XOR: return a ^ b;
	case OP_NOT: return ~b;
	case OP_EQ:
	case OP_NE:
	case OP_LT:
	case OP_LE:
	case OP_GT:
	case OP_GE:
	case OP_RE:
	case OP_FM: break;
	}
	return 0;
}

/* With an AVP of several values as operand each one works on the result so far, and each result is kept. */
static unsigned push_results(struct script_run *run, const struct avp_spec *spec,
			     struct avp_name to, int64_t number)
{
	const struct value *operands;
	unsigned pushed = 0, count = operands_of(run, spec, true, &operands);
	for (unsigned i = 0; i < count; i++) {
		if (operands[i].kind != VALUE_INT)
			continue;
		number = compute(spec->op, number, operands[i].number);
		if (!avp_push(&run->msg->attributes, to, VALUE_OF_INT(number)))
			return 0;
		pushed++;
	}
	return pushed;
}

static int avp_op(struct script_run *run, const struct operation_args *args)
{
	const struct avp_spec *name = spec_of(SPEC_OPERANDS, args->name);
	const struct avp_spec *spec = spec_of(SPEC_OPERATION, args->operation);
	const struct value *values;
	unsigned pushed = 0;
	if (!name || !spec)
		return SCRIPT_FALSE;
	unsigned count = values_of(run, name->variable, true, &values);
	const struct avp_name from = avp_name_of(run, name->variable);
	const struct avp_name to = name->second ? avp_name_of(run, name->second) : from;
	if (spec->flags & FLAG_DELETE)
		avp_remove(&run->msg->attributes, from, true);
	for (unsigned i = 0; i < count; i++)
		if (values[i].kind == VALUE_INT)
			pushed += push_results(run, spec, to, values[i].number);
	return pushed ? SCRIPT_TRUE : SCRIPT_FALSE;
}
