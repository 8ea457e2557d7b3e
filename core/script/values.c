/* SPDX-License-Identifier: BSD-2-Clause */
/* The left operand decides the type; what cannot be converted counts as 0. Numbers are 32 bits
 * wide, as scripts that hash and mask expect. */
#include "core/script/values.h"

#include "core/base/log.h"
#include "core/script/state.h"

static void warn(const struct value_context *context, struct span text)
{
	if (!context->run || !log_is_on(LOG_LEVEL_WARNING))
		return;
	struct script_place place = script_place(context->run);
	log_warning("%s:%u: \"%.*s\" is used as a number but is none: 0",
		    place.file ? place.file : "?", place.line, SPAN_ARGS(text));
}

static int64_t wrap(uint64_t number)
{
	return (int32_t)(uint32_t)number;
}

int64_t value_int(const struct value_context *context, const struct value *value)
{
	int64_t number = 0;
	if (value->kind == VALUE_INT)
		return value->number;
	if (value->kind != VALUE_TEXT)
		return 0;
	bool is_hex = span_starts_with_nocase(value->text, SPAN_OF("0x"));
	if (is_hex ? span_to_int64_any_base(value->text, &number)
		   : span_to_int64(value->text, &number))
		return number;
	if (value->text.len)
		warn(context, value->text);
	return 0;
}

struct span value_text(const struct value_context *context, const struct value *value)
{
	char digits[24];
	switch (value->kind) {
	case VALUE_TEXT: return value->text;
	case VALUE_INT: {
		struct writer w = writer_fixed(digits, sizeof(digits));
		writer_int(&w, value->number);
		struct span text = arena_copy(context->arena, writer_result(&w));
		return text.at ? text : SPAN_OF("");
	}
	case VALUE_NULL: break;
	}
	return SPAN_OF("");
}

static struct value join(const struct value_context *context, const struct value *a,
			 const struct value *b)
{
	struct span left = value_text(context, a), right = value_text(context, b);
	char *joined = arena_alloc(context->arena, left.len + right.len + 1);
	if (!joined)
		return (struct value){ .kind = VALUE_FAILED };
	memcpy(joined, left.at, left.len);
	memcpy(joined + left.len, right.at, right.len);
	joined[left.len + right.len] = 0;
	return VALUE_OF_TEXT(span_make(joined, left.len + right.len));
}

static struct value add(const struct value_context *context, const struct value *a,
			const struct value *b)
{
	enum value_kind kind = a->kind == VALUE_NULL ? b->kind : a->kind;
	if (kind == VALUE_INT)
		return VALUE_OF_INT(
			wrap((uint64_t)value_int(context, a) + (uint64_t)value_int(context, b)));
	return join(context, a, b);
}

static struct value divide(const struct value_context *context, enum operator_kind op, int64_t x,
			   int64_t y)
{
	x = wrap((uint64_t)x);
	y = wrap((uint64_t)y);
	if (y == 0) {
		if (context->run) {
			struct script_place place = script_place(context->run);
			log_error("%s:%u: division by zero", place.file ? place.file : "?",
				  place.line);
		}
		return (struct value){ .kind = VALUE_FAILED };
	}
	return VALUE_OF_INT(wrap((uint64_t)(op == OPERATOR_DIV ? x / y : x % y)));
}

static bool is_equal(const struct value_context *context, const struct value *a,
		     const struct value *b)
{
	enum value_kind kind = a->kind == VALUE_NULL ? b->kind : a->kind;
	if (kind == VALUE_INT)
		return value_int(context, a) == value_int(context, b);
	return span_equal(value_text(context, a), value_text(context, b));
}

struct value value_binary(const struct value_context *context, enum operator_kind op,
			  const struct value *a, const struct value *b)
{
	if (a->kind == VALUE_FAILED || b->kind == VALUE_FAILED)
		return (struct value){ .kind = VALUE_FAILED };
	if (op == OPERATOR_ADD)
		return add(context, a, b);
	if (op == OPERATOR_EQ)
		return VALUE_OF_INT(is_equal(context, a, b));
	if (op == OPERATOR_NE)
		return VALUE_OF_INT(!is_equal(context, a, b));
	if (op == OPERATOR_TEXT_EQ || op == OPERATOR_TEXT_NE)
		return VALUE_OF_INT(span_equal(value_text(context, a), value_text(context, b)) ==
				    (op == OPERATOR_TEXT_EQ));
	int64_t x = value_int(context, a), y = value_int(context, b);
	switch (op) {
	case OPERATOR_SUB: return VALUE_OF_INT(wrap((uint64_t)x - (uint64_t)y));
	case OPERATOR_MUL: return VALUE_OF_INT(wrap((uint64_t)x * (uint64_t)y));
	case OPERATOR_DIV:
	case OPERATOR_MOD: return divide(context, op, x, y);
	case OPERATOR_SHL: return VALUE_OF_INT(wrap((uint64_t)x << (y & 31)));
	case OPERATOR_SHR: return VALUE_OF_INT(wrap((uint64_t)(wrap((uint64_t)x) >> (y & 31))));
	case OPERATOR_BIT_AND: return VALUE_OF_INT(wrap((uint64_t)(x & y)));
	case OPERATOR_BIT_OR: return VALUE_OF_INT(wrap((uint64_t)(x | y)));
	case OPERATOR_BIT_XOR: return VALUE_OF_INT(wrap((uint64_t)(x ^ y)));
	case OPERATOR_LT: return VALUE_OF_INT(x < y);
	case OPERATOR_GT: return VALUE_OF_INT(x > y);
	case OPERATOR_LE: return VALUE_OF_INT(x <= y);
	case OPERATOR_GE: return VALUE_OF_INT(x >= y);
	case OPERATOR_INT_EQ: return VALUE_OF_INT(x == y);
	case OPERATOR_INT_NE: return VALUE_OF_INT(x != y);
	case OPERATOR_AND: return VALUE_OF_INT(x && y);
	case OPERATOR_OR: return VALUE_OF_INT(x || y);
	default: return (struct value){ .kind = VALUE_FAILED };
	}
}

struct value value_unary(const struct value_context *context, enum operator_kind op,
			 const struct value *a)
{
	if (a->kind == VALUE_FAILED)
		return *a;
	switch (op) {
	case OPERATOR_NOT: return VALUE_OF_INT(value_int(context, a) == 0);
	case OPERATOR_BIT_NOT: return VALUE_OF_INT(wrap(~(uint64_t)value_int(context, a)));
	case OPERATOR_NEGATE: return VALUE_OF_INT(wrap(0 - (uint64_t)value_int(context, a)));
	case OPERATOR_TO_INT: return VALUE_OF_INT(value_int(context, a));
	case OPERATOR_TO_TEXT: return VALUE_OF_TEXT(value_text(context, a));
	case OPERATOR_DEFINED: return VALUE_OF_INT(a->kind != VALUE_NULL);
	case OPERATOR_STRLEN: return VALUE_OF_INT((int64_t)value_text(context, a).len);
	case OPERATOR_STREMPTY: return VALUE_OF_INT(value_text(context, a).len == 0);
	default: return (struct value){ .kind = VALUE_FAILED };
	}
}

struct value value_is_filled(const struct value_context *context, const struct value *a)
{
	if (a->kind == VALUE_FAILED)
		return *a;
	return VALUE_OF_INT(a->kind == VALUE_INT ? a->number != 0 : value_text(context, a).len > 0);
}

bool value_is_true(const struct value_context *context, const struct value *value)
{
	return value->kind != VALUE_FAILED && value_int(context, value) > 0;
}
