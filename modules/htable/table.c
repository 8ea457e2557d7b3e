/* SPDX-License-Identifier: BSD-2-Clause */
/* Definitions of tables: "name=>size=8;autoexpire=300;dbtable=t". */
#include "modules/htable/htable.h"

static struct {
	struct table *first;
} state;

struct table *table_first(void)
{
	return state.first;
}

struct table *table_find(struct span name)
{
	struct table *table = state.first;
	while (table && !span_equal(table->name, name))
		table = table->next;
	return table;
}

struct table *table_need(struct span name)
{
	struct table *table = table_find(name);
	if (!table)
		log_error(
			"there is no table \"%.*s\"; modparam(\"htable\", \"htable\", …) defines tables",
			SPAN_ARGS(name));
	return table;
}

struct table *table_of_key(struct span text, struct span *out_key)
{
	size_t arrow = span_find_span(text, SPAN_OF("=>"));
	if (arrow == text.len) {
		log_error("\"%.*s\": expected TABLE=>KEY", SPAN_ARGS(text));
		return NULL;
	}
	*out_key = span_slice(text, arrow + 2, text.len);
	return table_need(span_trim(span_slice(text, 0, arrow)));
}

/* ---- attributes of a definition ---- */

static const char *set_columns(struct table *table, struct span text)
{
	struct span rest = text, column;
	while (span_split(&rest, ',', &column)) {
		if (table->column_count == ARRAY_SIZE(table->columns))
			return "more than 16 columns";
		table->columns[table->column_count] = span_trim(column);
		if (!table->columns[table->column_count++].len)
			return "cols has an empty name";
	}
	return table->column_count < 2 ? "cols needs two columns at least: the key and a value"
				       : NULL;
}

static const char *set_size(struct table *table, int64_t number)
{
	table->size = number < 2 ? 3 : number > 31 ? 14 : (unsigned)number;
	return NULL;
}

static const char *set_expire(struct table *table, int64_t number)
{
	table->expire_s = number > 0 ? number : 0;
	return number > INT32_MAX ? "autoexpire is too long" : NULL;
}

static const char *set_dbmode(struct table *table, int64_t number)
{
	table->is_stored = number != 0;
	return NULL;
}

static const char *set_initial(struct table *table, int64_t number)
{
	table->initial = number;
	table->has_initial = true;
	return NULL;
}

static const char *set_update(struct table *table, int64_t number)
{
	table->keeps_expiry = number == 0;
	return NULL;
}

static const char *set_replicate(struct table *table, int64_t number)
{
	table->is_replicated = number != 0;
	return NULL;
}

static const char *set_db_table(struct table *table, struct span text)
{
	table->db_table = text;
	return NULL;
}

static const char *set_null(struct table *table, struct span text)
{
	table->column_null = text;
	return NULL;
}

static const char *set_delimiter(struct table *table, struct span text)
{
	table->column_delimiter = text.len ? text.at[0] : ',';
	return text.len == 1 ? NULL : "coldelim is one character";
}

static const struct attribute {
	const char *name;
	const char *(*set_number)(struct table *table, int64_t number);
	const char *(*set_text)(struct table *table, struct span text);
} attributes[] = {
	{ "size", set_size, NULL },           { "autoexpire", set_expire, NULL },
	{ "dbtable", NULL, set_db_table },    { "dbmode", set_dbmode, NULL },
	{ "cols", NULL, set_columns },        { "colnull", NULL, set_null },
	{ "coldelim", NULL, set_delimiter },  { "initval", set_initial, NULL },
	{ "updateexpire", set_update, NULL }, { "dmqreplicate", set_replicate, NULL },
};

static struct span unquote(struct span text)
{
	text = span_trim(text);
	if (text.len < 2 || (text.at[0] != '\'' && text.at[0] != '"') ||
	    text.at[text.len - 1] != text.at[0])
		return text;
	return span_slice(text, 1, text.len - 2);
}

/* attribute = name "=" value */
static const char *set_attribute(struct table *table, struct span text)
{
	size_t equals = span_find(text, '=', 0);
	struct span name = span_trim(span_slice(text, 0, equals));
	struct span value = unquote(span_slice(text, equals + 1, text.len));
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		int64_t number;
		if (!span_equal_nocase(name, span_from(attributes[i].name)))
			continue;
		if (attributes[i].set_text)
			return attributes[i].set_text(table, value);
		if (!span_to_int64(value, &number))
			return arena_printf(startup_arena(), "%s needs a number, not \"%.*s\"",
					    attributes[i].name, SPAN_ARGS(value))
				.at;
		return attributes[i].set_number(table, number);
	}
	return arena_printf(
		       startup_arena(),
		       "\"%.*s\" is none of size, autoexpire, dbtable, dbmode, cols, colnull, coldelim, "
		       "initval, updateexpire, dmqreplicate",
		       SPAN_ARGS(name))
		.at;
}

/* Takes the text before the next ';' that is not in quotes. */
static bool next_attribute(struct span *rest, struct span *out)
{
	char quote = 0;
	size_t i = 0;
	if (!rest->at)
		return false;
	for (; i < rest->len && (quote || rest->at[i] != ';'); i++)
		if (quote ? rest->at[i] == quote : rest->at[i] == '\'' || rest->at[i] == '"')
			quote = quote ? 0 : rest->at[i];
	*out = span_slice(*rest, 0, i);
	*rest = i < rest->len ? span_slice(*rest, i + 1, rest->len) : (struct span){ NULL, 0 };
	return true;
}

/* definition = name "=>" [ attribute *( ";" attribute ) [ ";" ] ] */
const char *table_define(struct span text, int64_t number)
{
	struct table *table = ARENA_NEW(startup_arena(), struct table);
	size_t arrow = span_find_span(text, SPAN_OF("=>"));
	const char *wrong = NULL;
	if (!text.at || arrow == text.len)
		return "expected NAME=>size=N;autoexpire=SECONDS;…";
	if (!table)
		return "out of memory";
	struct span rest = span_slice(text, arrow + 2, text.len), attribute;
	*table = (struct table){ .name = span_trim(span_slice(text, 0, arrow)),
				 .size = 3,
				 .column_null = SPAN("*"),
				 .column_delimiter = ',' };
	if (!table->name.len)
		return "the table has no name";
	if (table_find(table->name))
		return "a table of this name was defined before";
	table->expired_event =
		arena_printf(startup_arena(), "htable:expired:%.*s", SPAN_ARGS(table->name)).at;
	if (!table->expired_event)
		return "out of memory";
	while (!wrong && next_attribute(&rest, &attribute))
		if (span_trim(attribute).len)
			wrong = set_attribute(table, attribute);
	table->next = state.first;
	state.first = table;
	return wrong;
}

bool tables_prepare(void)
{
	for (struct table *table = state.first; table; table = table->next)
		if (!items_prepare(table)) {
			log_error("no shared memory for the table \"%.*s\"; -m gives more",
				  SPAN_ARGS(table->name));
			return false;
		}
	return locks_prepare();
}
