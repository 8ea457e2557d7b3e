/* SPDX-License-Identifier: BSD-2-Clause */
/* Which rows a statement means. Everything is compared as the column's kind. */
#include "modules/db_text/db_text.h"

int text_compare(const struct db_value *a, const struct db_value *b)
{
	char buffer[32];
	if (a->kind == DB_NULL || b->kind == DB_NULL)
		return (a->kind != DB_NULL) - (b->kind != DB_NULL);
	if (a->kind == DB_INT && b->kind != DB_DOUBLE) {
		int64_t x = a->number, y = db_as_int(b);
		return (x > y) - (x < y);
	}
	if (a->kind == DB_INT || a->kind == DB_DOUBLE) {
		double x = db_as_double(a), y = db_as_double(b);
		return (x > y) - (x < y);
	}
	return span_compare(a->text, db_as_text(b, buffer));
}

/* pattern = *( "%" / "_" / any ) ; "%" stands for any text, "_" for one byte; case does not matter */
static bool is_like(struct span text, struct span pattern)
{
	size_t t = 0, p = 0, star = SIZE_MAX, resume = 0;
	while (t < text.len) {
		if (p < pattern.len && pattern.at[p] == '%') {
			star = p++;
			resume = t;
		} else if (p < pattern.len &&
			   (pattern.at[p] == '_' ||
			    ascii_lower(pattern.at[p]) == ascii_lower(text.at[t]))) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '%')
		p++;
	return p == pattern.len;
}

static bool meets(const struct db_value *cell, enum db_operator op, const struct db_value *value)
{
	char text[32], pattern[32];
	bool is_null = cell->kind == DB_NULL;
	if (op == DB_IS_NULL || op == DB_IS_NOT_NULL)
		return is_null == (op == DB_IS_NULL);
	if (is_null || value->kind == DB_NULL)
		return false;
	int order = op == DB_LIKE ? 0 : text_compare(cell, value);
	switch (op) {
	case DB_EQUAL: return order == 0;
	case DB_NOT_EQUAL: return order != 0;
	case DB_LESS: return order < 0;
	case DB_LESS_OR_EQUAL: return order <= 0;
	case DB_GREATER: return order > 0;
	case DB_GREATER_OR_EQUAL: return order >= 0;
	case DB_LIKE: return is_like(db_as_text(cell, text), db_as_text(value, pattern));
	case DB_IS_NULL:
	case DB_IS_NOT_NULL: break;
	}
	return false;
}

bool text_row_matches(const struct db_value *row, const struct db_spec *spec, const int *columns,
		      const struct db_value *values)
{
	for (unsigned i = 0; i < spec->key_count; i++) {
		enum db_operator op = spec->keys[i].op;
		bool has_value = op != DB_IS_NULL && op != DB_IS_NOT_NULL;
		if (!meets(&row[columns[i]], op, values))
			return false;
		values += has_value;
	}
	return true;
}
