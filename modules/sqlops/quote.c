/* SPDX-License-Identifier: BSD-2-Clause */
/* quote: {sql.val}, {sql.val.int}, {sql.val.str}: a value as a literal of SQL, so that whatever a
 * message holds is a value in the query and nothing else. */
#include "modules/sqlops/sqlops.h"

enum null_is { NULL_IS_NULL, NULL_IS_ZERO, NULL_IS_EMPTY };

/* A doubled quote is a quote in every engine. A backslash is a letter, except where it may take the
 * quote's meaning away: there it is doubled. */
static bool write_text(struct writer *w, struct span text)
{
	bool is_special = connections_read_backslash();
	writer_char(w, '\'');
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '\'' || (is_special && text.at[i] == '\\'))
			writer_char(w, text.at[i]);
		if (text.at[i] == '\0') {
			log_error("sql.val: a text with a NUL byte cannot be part of a query");
			return false;
		}
		writer_char(w, text.at[i]);
	}
	writer_char(w, '\'');
	return !w->failed;
}

static bool quote(struct script_run *run, struct value *value, const struct span *args,
		  unsigned count, intptr_t null_is)
{
	static const struct span nothing[] = {
		[NULL_IS_NULL] = SPAN("NULL"), [NULL_IS_ZERO] = SPAN("0"), [NULL_IS_EMPTY] = SPAN("''")
	};
	(void)args;
	(void)count;
	if (value->kind == VALUE_INT)
		return true;
	if (value->kind == VALUE_NULL) {
		*value = VALUE_OF_TEXT(nothing[null_is]);
		return true;
	}
	struct writer w = writer_in_arena(run->arena, value->text.len + 16);
	if (!write_text(&w, value->text))
		return false;
	*value = VALUE_OF_TEXT(writer_result(&w));
	return true;
}

const struct transform_row quote_transforms[QUOTE_TRANSFORMS] = {
	{ .class_name = "sql", .name = "val", .apply = quote, .takes_null = true,
		.selector = NULL_IS_NULL, .doc = "as a literal of SQL; null is NULL" },
	{ .class_name = "sql", .name = "val.int", .apply = quote, .takes_null = true,
		.selector = NULL_IS_ZERO, .doc = "as a literal of SQL; null is 0" },
	{ .class_name = "sql", .name = "val.str", .apply = quote, .takes_null = true,
		.selector = NULL_IS_EMPTY, .doc = "as a literal of SQL; null is ''" },
};
