/* SPDX-License-Identifier: BSD-2-Clause */
/* Expressions of #!ifexp and #!defexp.
 *
 *   list   = expr *( ( "," / ";" ) expr )            the last one counts
 *   expr   = unary *( operator unary )               by precedence, ** binds tightest
 *   unary  = *( "!" / "-" / "+" ) ( NUMBER / STRING / NAME / "(" list ")" )
 *
 * A name that is not defined is 0, one without a value is 1. Of mixed operands the left one's type
 * counts. */
#include "core/script/lexer.h"

struct reader {
	struct lexer *lexer;
	struct span text;
	size_t at;
	const char *error;
	unsigned depth;
};

static const struct operator_row {
	const char *text;
	int precedence;
	char code;
} operators[] = {
	{ "||", 1, 'O' }, { "&&", 2, 'A' }, { "==", 6, '=' }, { "!=", 6, '!' },  { "<=", 7, 'l' },
	{ ">=", 7, 'g' }, { "<<", 8, 'L' }, { ">>", 8, 'R' }, { "**", 11, 'p' }, { "|", 3, '|' },
	{ "^", 4, '^' },  { "&", 5, '&' },  { "<", 7, '<' },  { ">", 7, '>' },   { "+", 9, '+' },
	{ "-", 9, '-' },  { "*", 10, '*' }, { "/", 10, '/' }, { "%", 10, '%' },
};

static struct value read_expr(struct reader *r, int least);

static struct value fail(struct reader *r, const char *error)
{
	if (!r->error)
		r->error = error;
	return VALUE_OF_INT(0);
}

static char peek(struct reader *r)
{
	while (r->at < r->text.len && ascii_is_space(r->text.at[r->at]))
		r->at++;
	return r->at < r->text.len ? r->text.at[r->at] : 0;
}

static struct value from_text(struct reader *r, struct span text)
{
	int64_t number;
	(void)r;
	text = span_trim(text);
	if (text.len >= 2 && (text.at[0] == '"' || text.at[0] == '\'') &&
	    text.at[text.len - 1] == text.at[0])
		return VALUE_OF_TEXT(span_slice(text, 1, text.len - 2));
	if (text.len == 0)
		return VALUE_OF_INT(1);
	if (span_to_int64_any_base(text, &number))
		return VALUE_OF_INT(number);
	return VALUE_OF_TEXT(text);
}

static struct value read_name(struct reader *r)
{
	size_t start = r->at;
	while (r->at < r->text.len &&
	       (ascii_is_alpha(r->text.at[r->at]) || ascii_is_digit(r->text.at[r->at]) ||
		r->text.at[r->at] == '_'))
		r->at++;
	struct span word = span_slice(r->text, start, r->at - start);
	int64_t number;
	if (span_to_int64_any_base(word, &number))
		return VALUE_OF_INT(number);
	if (ascii_is_digit(word.at[0]))
		return fail(r, "this expression has a malformed number");
	struct define *define = preprocess_find(r->lexer, word);
	return define ? from_text(r, define->value) : VALUE_OF_INT(0);
}

static int64_t as_int(struct value value)
{
	int64_t number = 0;
	if (value.kind == VALUE_TEXT)
		return span_to_int64_any_base(value.text, &number) ? number : 0;
	return value.number;
}

static struct span as_text(struct reader *r, struct value value)
{
	return value.kind == VALUE_TEXT
		       ? value.text
		       : arena_printf(r->lexer->arena, "%lld", (long long)value.number);
}

static struct value read_list(struct reader *r)
{
	struct value value = read_expr(r, 1);
	while (!r->error && (peek(r) == ',' || peek(r) == ';')) {
		r->at++;
		if (!peek(r))
			break;
		value = read_expr(r, 1);
	}
	return value;
}

static struct value read_unary(struct reader *r)
{
	char c = peek(r);
	if (++r->depth > 100)
		return fail(r, "this expression is nested too deep");
	struct value value;
	if (c == '!' || c == '-' || c == '+') {
		r->at++;
		value = read_unary(r);
		if (c == '!')
			value = VALUE_OF_INT(!(value.kind == VALUE_TEXT ? value.text.len > 0
									: value.number != 0));
		else if (c == '-')
			value = VALUE_OF_INT((int64_t)(0 - (uint64_t)as_int(value)));
	} else if (c == '(') {
		r->at++;
		value = read_list(r);
		if (peek(r) != ')')
			return fail(r, "a ) is missing in this expression");
		r->at++;
	} else if (c == '"' || c == '\'') {
		size_t end = span_find(r->text, c, r->at + 1);
		if (end >= r->text.len)
			return fail(r, "a string of this expression is not closed");
		value = VALUE_OF_TEXT(span_slice(r->text, r->at + 1, end - r->at - 1));
		r->at = end + 1;
	} else if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '_') {
		value = read_name(r);
	} else {
		return fail(r, c ? "unexpected character in this expression"
				 : "this expression is incomplete");
	}
	r->depth--;
	return value;
}

static int64_t power(int64_t base, int64_t exponent)
{
	uint64_t result = 1;
	for (int64_t i = 0; i < exponent && i < 64; i++)
		result *= (uint64_t)base;
	return (int64_t)result;
}

static struct value compare(struct reader *r, char code, struct value a, struct value b)
{
	int order;
	if (a.kind == VALUE_TEXT)
		order = span_compare(a.text, as_text(r, b));
	else
		order = a.number < as_int(b) ? -1 : a.number > as_int(b);
	switch (code) {
	case '=': return VALUE_OF_INT(order == 0);
	case '!': return VALUE_OF_INT(order != 0);
	case '<': return VALUE_OF_INT(order < 0);
	case '>': return VALUE_OF_INT(order > 0);
	case 'l': return VALUE_OF_INT(order <= 0);
	default: return VALUE_OF_INT(order >= 0);
	}
}

static struct value apply(struct reader *r, char code, struct value a, struct value b)
{
	if (strchr("=!<>lg", code))
		return compare(r, code, a, b);
	if (code == '+' && a.kind == VALUE_TEXT)
		return VALUE_OF_TEXT(arena_printf(r->lexer->arena, "%.*s%.*s", SPAN_ARGS(a.text),
						  SPAN_ARGS(as_text(r, b))));
	int64_t x = as_int(a), y = as_int(b);
	switch (code) {
	case 'O': return VALUE_OF_INT(x || y);
	case 'A': return VALUE_OF_INT(x && y);
	case '|': return VALUE_OF_INT(x | y);
	case '^': return VALUE_OF_INT(x ^ y);
	case '&': return VALUE_OF_INT(x & y);
	case 'L': return VALUE_OF_INT((int64_t)((uint64_t)x << (y & 63)));
	case 'R': return VALUE_OF_INT(x >> (y & 63));
	case '+': return VALUE_OF_INT((int64_t)((uint64_t)x + (uint64_t)y));
	case '-': return VALUE_OF_INT((int64_t)((uint64_t)x - (uint64_t)y));
	case '*': return VALUE_OF_INT((int64_t)((uint64_t)x * (uint64_t)y));
	case 'p': return VALUE_OF_INT(power(x, y));
	default: break;
	}
	if (y == 0 || (x == INT64_MIN && y == -1))
		return fail(r, "division by zero in this expression");
	return VALUE_OF_INT(code == '/' ? x / y : x % y);
}

static const struct operator_row *next_operator(struct reader *r)
{
	peek(r);
	struct span rest = span_slice(r->text, r->at, 2);
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (span_starts_with(rest, span_from(operators[i].text)))
			return &operators[i];
	return NULL;
}

static struct value read_expr(struct reader *r, int least)
{
	struct value left = read_unary(r);
	const struct operator_row *row;
	while (!r->error && (row = next_operator(r)) && row->precedence >= least) {
		r->at += strlen(row->text);
		struct value right = read_expr(r, row->precedence + 1);
		left = apply(r, row->code, left, right);
	}
	return left;
}

bool ifexp_evaluate(struct lexer *lexer, struct span text, struct value *out_value,
		    const char **out_error)
{
	struct reader r = { .lexer = lexer, .text = text };
	struct value value = read_list(&r);
	if (!r.error && peek(&r))
		fail(&r, "unexpected text behind this expression");
	if (r.error) {
		*out_error = r.error;
		return false;
	}
	*out_value = value;
	return true;
}
