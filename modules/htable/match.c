/* SPDX-License-Identifier: BSD-2-Clause */
/* Items chosen by their names or text values: removing, asking and counting them. */
#include "modules/htable/replica.h"

enum operation {
	OP_EQUAL,
	OP_NOT_EQUAL,
	OP_PATTERN,
	OP_STARTS,
	OP_ENDS,
	OP_CONTAINS,
	OP_ALL,
	OP_NUMBER
};

struct condition {
	enum operation op;
	bool by_value;
	struct span text;
	const struct pattern *pattern;
	int64_t number;
};

#define FOR_REMOVAL 1u
#define FOR_SEARCH  2u
static const struct {
	const char *name;
	enum operation op;
	unsigned use;
} operations[] = {
	{ "eq", OP_EQUAL, FOR_SEARCH },
	{ "ne", OP_NOT_EQUAL, FOR_SEARCH },
	{ "re", OP_PATTERN, FOR_SEARCH | FOR_REMOVAL },
	{ "sw", OP_STARTS, FOR_SEARCH | FOR_REMOVAL },
	{ "ew", OP_ENDS, FOR_SEARCH | FOR_REMOVAL },
	{ "in", OP_CONTAINS, FOR_SEARCH | FOR_REMOVAL },
};

static bool set_pattern(struct condition *condition, struct span text)
{
	condition->op = OP_PATTERN;
	condition->pattern = pattern_cached(text, PATTERN_IGNORE_CASE);
	return condition->pattern != NULL;
}

static bool set_condition(struct condition *condition, struct span op, struct span text,
			  unsigned use)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		if (!span_equal(op, span_from(operations[i].name)) || !(operations[i].use & use))
			continue;
		condition->op = operations[i].op;
		condition->text = text;
		return condition->op != OP_PATTERN || set_pattern(condition, text);
	}
	log_error("\"%.*s\" is no operation: %s re, sw, ew or in", SPAN_ARGS(op),
		  use == FOR_SEARCH ? "eq, ne," : "");
	return false;
}

static bool text_matches(const struct condition *condition, struct span text)
{
	switch (condition->op) {
	case OP_EQUAL: return span_equal(text, condition->text);
	case OP_NOT_EQUAL: return !span_equal(text, condition->text);
	case OP_PATTERN: return pattern_search(condition->pattern, text, 0, NULL, 0);
	case OP_STARTS: return span_starts_with(text, condition->text);
	case OP_ENDS: return span_ends_with(text, condition->text);
	case OP_CONTAINS:
		return !condition->text.len || span_find_span(text, condition->text) < text.len;
	case OP_ALL: return true;
	case OP_NUMBER: return false;
	}
	return false;
}

static bool matches(const struct condition *condition, const struct item_copy *item)
{
	if (condition->op == OP_ALL)
		return true;
	if (!condition->by_value)
		return text_matches(condition, item->name);
	if (item->value.kind == VALUE_INT)
		return condition->op == OP_NUMBER && item->value.number == condition->number;
	return text_matches(condition, item->value.text);
}

/* `tells`: other servers are told of each. */
static void remove_all(const struct table *table, const struct condition *condition, bool tells)
{
	struct item_cursor cursor;
	struct item_copy item;
	cursor_init(&cursor, table);
	while (cursor_next(&cursor, &item))
		if (matches(condition, &item) && item_remove(table, &item) && tells)
			replica_remove(table, item.name);
	cursor_free(&cursor);
}

bool match_remove(const struct table *table, struct span op, struct span text, bool by_value)
{
	struct condition condition = { .by_value = by_value };
	if (!set_condition(&condition, op, text, FOR_REMOVAL))
		return false;
	remove_all(table, &condition, false);
	return true;
}

static bool is_any(const struct table *table, const struct condition *condition)
{
	struct item_cursor cursor;
	struct item_copy item;
	bool is_found = false;
	cursor_init(&cursor, table);
	while (!is_found && cursor_next(&cursor, &item))
		is_found = matches(condition, &item);
	cursor_free(&cursor);
	return is_found;
}

/* ---- counting ---- */

/* expression = "**" / "~~" pattern / "~%" end / "%~" beginning / "==" text / "eq" number / pattern */
static bool parse_expression(struct condition *condition, struct span text)
{
	static const struct {
		struct span sign;
		enum operation op;
	} signs[] = {
		{ SPAN("~~"), OP_PATTERN }, { SPAN("~%"), OP_ENDS }, { SPAN("%~"), OP_STARTS },
		{ SPAN("=="), OP_EQUAL },   { SPAN("**"), OP_ALL },
	};
	if (condition->by_value && span_starts_with(text, SPAN_OF("eq")) &&
	    span_to_int64(span_slice(text, 2, text.len), &condition->number)) {
		condition->op = OP_NUMBER;
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
		if (!span_starts_with(text, signs[i].sign))
			continue;
		condition->op = signs[i].op;
		condition->text = span_slice(text, 2, text.len);
		return condition->op != OP_PATTERN || set_pattern(condition, condition->text);
	}
	return set_pattern(condition, text);
}

int64_t match_count(const struct table *table, struct span expression, bool by_value)
{
	struct condition condition = { .by_value = by_value };
	struct item_cursor cursor;
	struct item_copy item;
	int64_t count = 0;
	if (!parse_expression(&condition, expression))
		return 0;
	if (condition.op == OP_ALL)
		return (int64_t)shard_set_live(table->set);
	cursor_init(&cursor, table);
	while (cursor_next(&cursor, &item))
		count += matches(&condition, &item);
	cursor_free(&cursor);
	return count;
}

/* ---- functions ---- */

struct pattern_args {
	struct span text;
};
static const struct field pattern_fields[] = {
	FIELD(struct pattern_args, text, "TABLE=>regular expression"),
};
struct choice_args {
	struct span table, op, text;
};
static const struct field choice_fields[] = {
	FIELD(struct choice_args, table, "table"),
	FIELD(struct choice_args, op, "re, sw, ew, in; for questions also eq, ne"),
	FIELD(struct choice_args, text, "what to compare with"),
};
SCRIPT_HANDLER_OF(rm_name_re, pattern)
SCRIPT_HANDLER_OF(rm_value_re, pattern)
SCRIPT_HANDLER_OF(rm_name, choice)
SCRIPT_HANDLER_OF(rm_value, choice)
SCRIPT_HANDLER_OF(match_name, choice)
SCRIPT_HANDLER_OF(match_value, choice)

static int remove_by_pattern(struct span text, bool by_value)
{
	struct condition condition = { .by_value = by_value };
	struct span expression;
	struct table *table = table_of_key(text, &expression);
	if (!table || !set_pattern(&condition, expression))
		return SCRIPT_FALSE;
	remove_all(table, &condition, false);
	replica_remove_matching(table, true, expression, by_value);
	return SCRIPT_TRUE;
}

static int rm_name_re(struct script_run *run, const struct pattern_args *args)
{
	return remove_by_pattern(args->text, false);
}

static int rm_value_re(struct script_run *run, const struct pattern_args *args)
{
	return remove_by_pattern(args->text, true);
}

static int remove_by_choice(const struct choice_args *args, bool by_value)
{
	struct condition condition = { .by_value = by_value };
	struct table *table = table_need(args->table);
	if (!table || !set_condition(&condition, args->op, args->text, FOR_REMOVAL))
		return SCRIPT_FALSE;
	/* There are messages for these two operations only. */
	bool is_known = condition.op == OP_PATTERN || condition.op == OP_STARTS;
	remove_all(table, &condition, !is_known);
	if (is_known)
		replica_remove_matching(table, condition.op == OP_PATTERN, args->text, by_value);
	return SCRIPT_TRUE;
}

static int rm_name(struct script_run *run, const struct choice_args *args)
{
	return remove_by_choice(args, false);
}

static int rm_value(struct script_run *run, const struct choice_args *args)
{
	return remove_by_choice(args, true);
}

static int ask(const struct choice_args *args, bool by_value)
{
	struct condition condition = { .by_value = by_value };
	struct table *table = table_need(args->table);
	if (!table || !set_condition(&condition, args->op, args->text, FOR_SEARCH))
		return SCRIPT_FALSE;
	return is_any(table, &condition) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int match_name(struct script_run *run, const struct choice_args *args)
{
	return ask(args, false);
}

static int match_value(struct script_run *run, const struct choice_args *args)
{
	return ask(args, true);
}

#define NAME_DOC  "Has an item a name that matches?"
#define VALUE_DOC "Has an item a text value that matches?"
static const struct script_function functions[] = {
	FUNCTION_OF("sht_rm_name_re", rm_name_re, pattern, IN_ANY,
		"Removes items whose names match an expression."),
	FUNCTION_OF("sht_rm_value_re", rm_value_re, pattern, IN_ANY,
		"Removes items whose text values match an expression."),
	FUNCTION_OF("sht_rm_name", rm_name, choice, IN_ANY, "Removes items by their names."),
	FUNCTION_OF("sht_rm_value", rm_value, choice, IN_ANY, "Removes items by their text values."),
	FUNCTION_OF("sht_match_name", match_name, choice, IN_ANY, NAME_DOC),
	FUNCTION_OF("sht_has_name", match_name, choice, IN_ANY, NAME_DOC),
	FUNCTION_OF("sht_match_str_value", match_value, choice, IN_ANY, VALUE_DOC),
	FUNCTION_OF("sht_has_str_value", match_value, choice, IN_ANY, VALUE_DOC),
};
const struct function_table match_functions = ROWS(functions);
