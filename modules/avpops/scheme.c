/* SPDX-License-Identifier: BSD-2-Clause */
/* scheme: tables that are not shaped like that of the AVPs: name ":" 1*( key "=" value [ ";" ] ). */
#include "modules/avpops/avpops.h"

#define SCHEMES_MOST 16

static struct {
	struct scheme all[SCHEMES_MOST];
	unsigned count;
} state;

static const struct {
	struct span name;
	size_t offset;
} keys[] = {
	{ SPAN("table"), offsetof(struct scheme, table) },
	{ SPAN("uuid_col"), offsetof(struct scheme, uuid_column) },
	{ SPAN("username_col"), offsetof(struct scheme, username_column) },
	{ SPAN("domain_col"), offsetof(struct scheme, domain_column) },
	{ SPAN("value_col"), offsetof(struct scheme, value_column) },
};

static const char *read_pair(struct scheme *scheme, struct span name, struct span value)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (span_equal_nocase(keys[i].name, name)) {
			*(struct span *)((char *)scheme + keys[i].offset) = value;
			return NULL;
		}
	if (!span_equal_nocase(name, SPAN_OF("value_type")))
		return "a scheme has table, uuid_col, username_col, domain_col, value_col and value_type";
	scheme->is_number = span_equal_nocase(value, SPAN_OF("integer"));
	if (scheme->is_number || span_equal_nocase(value, SPAN_OF("string")))
		return NULL;
	return "value_type of a scheme is string or integer";
}

const char *scheme_add(struct span text, int64_t number)
{
	(void)number;
	size_t colon = span_find(text, ':', 0);
	struct scheme scheme = { .name = span_trim(span_slice(text, 0, colon)) };
	struct span rest = span_slice(text, colon + 1, text.len), item;
	if (!scheme.name.len || colon >= text.len)
		return "a scheme is \"name:table=…;value_col=…\"";
	while (span_split(&rest, ';', &item)) {
		size_t equals = span_find(item, '=', 0);
		if (!span_trim(item).len)
			continue;
		const char *wrong = read_pair(&scheme, span_trim(span_slice(item, 0, equals)),
					      span_trim(span_slice(item, equals + 1, item.len)));
		if (wrong)
			return wrong;
	}
	if (!scheme.table.len || !scheme.value_column.len)
		return "a scheme needs at least table and value_col";
	if (scheme_find(scheme.name))
		return "there is a scheme with this name already";
	if (state.count == SCHEMES_MOST)
		return "there are too many schemes, at most 16";
	state.all[state.count++] = scheme;
	state.all[state.count - 1].number = state.count;
	return NULL;
}

const struct scheme *scheme_find(struct span name)
{
	for (unsigned i = 0; i < state.count; i++)
		if (span_equal(state.all[i].name, name))
			return &state.all[i];
	return NULL;
}
