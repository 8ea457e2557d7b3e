/* SPDX-License-Identifier: BSD-2-Clause */
/* Storing values into struct members that a table of fields describes. */
#include "core/base/field.h"

#include "core/base/arena.h"

const struct field *field_find(struct field_table table, struct span name)
{
	for (uint32_t i = 0; i < table.count; i++)
		if (span_equal(span_from(table.rows[i].name), name))
			return &table.rows[i];
	return NULL;
}

static const char *range_error(const struct field *field, int64_t number, struct arena *arena)
{
	struct span text =
		arena_printf(arena, "%lld is out of range, expected %lld to %lld",
			     (long long)number, (long long)field->min, (long long)field->max);
	return text.at ? text.at : "out of range";
}

static void store_int(const struct field *field, void *object, int64_t number)
{
	char *member = (char *)object + field->offset;
	if (field->size == sizeof(int64_t)) {
		memcpy(member, &number, sizeof(number));
	} else {
		int32_t narrow = (int32_t)number;
		memcpy(member, &narrow, sizeof(narrow));
	}
}

const char *field_set_int(const struct field *field, void *object, int64_t number,
			  struct arena *arena)
{
	switch (field->kind) {
	case FIELD_KIND_ACCEPT: return field->accept((struct span){ NULL, 0 }, number);
	case FIELD_KIND_IGNORED: return NULL;
	case FIELD_KIND_BOOL: *((bool *)((char *)object + field->offset)) = number != 0; break;
	case FIELD_KIND_INT:
		if ((field->min || field->max) &&
		    (number < field->min || (field->max && number > field->max)))
			return range_error(field, number, arena);
		if (field->size == sizeof(int32_t) && (number < INT32_MIN || number > UINT32_MAX))
			return "the number needs more than 32 bits";
		store_int(field, object, number);
		break;
	case FIELD_KIND_TEXT:
	case FIELD_KIND_PATTERN:
	case FIELD_KIND_VARIABLE:
	case FIELD_KIND_TEMPLATE: return "expects a string, not a number";
	}
	return field->accept ? field->accept((struct span){ NULL, 0 }, number) : NULL;
}

const char *field_set_text(const struct field *field, void *object, struct span text,
			   struct arena *arena)
{
	static const char *const yes[] = { "yes", "true", "on", "enable", "1" };
	static const char *const no[] = { "no", "false", "off", "disable", "0" };
	switch (field->kind) {
	case FIELD_KIND_ACCEPT: return field->accept(text, 0);
	case FIELD_KIND_IGNORED: return NULL;
	case FIELD_KIND_TEXT:
		memcpy((char *)object + field->offset, &text, sizeof(text));
		return field->accept ? field->accept(text, 0) : NULL;
	case FIELD_KIND_BOOL:
		for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
			if (span_equal_nocase(text, span_from(yes[i])))
				return field_set_int(field, object, 1, arena);
			if (span_equal_nocase(text, span_from(no[i])))
				return field_set_int(field, object, 0, arena);
		}
		return "expects a number (0 or 1), not a string";
	case FIELD_KIND_INT: return "expects a number, not a string";
	case FIELD_KIND_PATTERN:
	case FIELD_KIND_VARIABLE:
	case FIELD_KIND_TEMPLATE: break;
	}
	return "cannot be set from text";
}

int64_t field_get_int(const struct field *field, const void *object)
{
	const char *member = (const char *)object + field->offset;
	if (field->kind == FIELD_KIND_BOOL)
		return *(const bool *)member;
	if (field->size == sizeof(int64_t)) {
		int64_t number;
		memcpy(&number, member, sizeof(number));
		return number;
	}
	int32_t narrow;
	memcpy(&narrow, member, sizeof(narrow));
	return narrow;
}

struct span field_get_text(const struct field *field, const void *object)
{
	struct span text;
	memcpy(&text, (const char *)object + field->offset, sizeof(text));
	return text;
}
