/* SPDX-License-Identifier: BSD-2-Clause */
/* results: rows that queries brought, kept with the message and read with $dbr and $sqlrows. */
#include "modules/sqlops/sqlops.h"

#define NAMES_MOST 256
#define KEPT_CHUNK 4096
#define KEPT_BYTES ((size_t)4 << 20) /* of one result; a larger one is for its message alone */

struct results {
	struct result *first;
	int64_t counts[CONNECTIONS_MOST];
};

/* The last result of a name in this process. */
struct kept {
	struct arena arena;
	bool has_arena;
	struct row_set set;
};

static struct {
	unsigned slot;
	struct span names[NAMES_MOST];
	unsigned name_count;
	struct kept kept[NAMES_MOST]; /* in the order of the names */
	int64_t counts[CONNECTIONS_MOST];
} state;

bool results_prepare(void)
{
	state.slot = message_slot("sqlops");
	return true;
}

const char *result_note(struct span name, int64_t number)
{
	(void)number;
	if (!name.len)
		return "the name of a result is missing";
	for (unsigned i = 0; i < state.name_count; i++)
		if (span_equal(state.names[i], name))
			return NULL;
	if (state.name_count == NAMES_MOST)
		return "the script has too many results, at most 256";
	struct span kept = arena_copy(startup_arena(), name);
	if (kept.at)
		state.names[state.name_count++] = kept;
	return kept.at ? NULL : "memory is exhausted";
}

bool results_start(int64_t most)
{
	if (state.name_count <= most)
		return true;
	log_error("the script has %u different results, results_maxsize of sqlops allows %lld",
		  state.name_count, (long long)most);
	return false;
}

/* ---- keeping ---------------------------------------------------------------------------------------- */

static struct results *results_of(struct script_run *run)
{
	if (!run->msg->slots[state.slot])
		run->msg->slots[state.slot] = ARENA_NEW(run->arena, struct results);
	return run->msg->slots[state.slot];
}

static struct result *find(const struct message *msg, struct span name)
{
	const struct results *results = msg->slots[state.slot];
	struct result *one = results ? results->first : NULL;
	while (one && !span_equal(one->name, name))
		one = one->next;
	return one;
}

static struct kept *kept_of(struct span name)
{
	for (unsigned i = 0; i < state.name_count; i++)
		if (span_equal(state.names[i], name))
			return &state.kept[i];
	return NULL;
}

static void kept_clear(struct kept *kept)
{
	if (kept->has_arena)
		arena_free(&kept->arena);
	*kept = (struct kept){ 0 };
}

static bool copy_texts(struct arena *arena, struct row_set *set)
{
	for (unsigned i = 0; i < set->columns; i++)
		if (!(set->names[i] = arena_copy(arena, set->names[i])).at)
			return false;
	for (size_t i = 0; i < (size_t)set->rows * set->columns; i++) {
		struct db_value *value = &set->values[i];
		bool has_text = value->kind == DB_TEXT || value->kind == DB_BLOB;
		if (has_text && !(value->text = arena_copy(arena, value->text)).at)
			return false;
	}
	return true;
}

static bool copy_set(struct arena *arena, const struct row_set *from, struct row_set *out)
{
	size_t count = (size_t)from->rows * from->columns;
	struct row_set set = { .rows = from->rows, .columns = from->columns };
	set.names = ARENA_ARRAY(arena, struct span, from->columns + 1);
	set.values = ARENA_ARRAY(arena, struct db_value, count + 1);
	if (!set.names || !set.values)
		return false;
	memcpy(set.names, from->names, from->columns * sizeof(*set.names));
	memcpy(set.values, from->values, count * sizeof(*set.values));
	if (!copy_texts(arena, &set))
		return false;
	*out = set;
	return true;
}

void result_keep(const struct result *result)
{
	struct kept *kept = kept_of(result->name);
	if (!kept)
		return;
	kept_clear(kept);
	if (!result->set.rows)
		return;
	arena_init(&kept->arena, KEPT_CHUNK, KEPT_BYTES);
	kept->has_arena = true;
	if (!copy_set(&kept->arena, &result->set, &kept->set))
		kept_clear(kept);
}

void result_clear(const struct message *msg, struct span name)
{
	struct result *one = find(msg, name);
	struct kept *kept = kept_of(name);
	if (one)
		one->set = (struct row_set){ 0 };
	if (kept)
		kept_clear(kept);
}

struct result *result_new(struct script_run *run, struct span name)
{
	struct results *results = results_of(run);
	struct result *one = find(run->msg, name);
	if (!one && results) {
		one = ARENA_NEW(run->arena, struct result);
		if (!one)
			return NULL;
		*one = (struct result){ .next = results->first,
					.name = arena_copy(run->arena, name) };
		results->first = one;
	}
	if (one)
		one->set = (struct row_set){ 0 };
	return one;
}

void result_note_count(struct script_run *run, const struct connection *connection, int64_t count)
{
	struct results *results = results_of(run);
	if (results)
		results->counts[connection->number] = count;
	state.counts[connection->number] = count;
}

/* ---- variables ------------------------------------------------------------------------------------------ */

struct place {
	struct span name;
	enum { PLACE_ROWS, PLACE_COLUMNS, PLACE_NAME, PLACE_VALUE } kind;
	int64_t row, column;
};

static bool read_index(struct span text, int64_t *out)
{
	return span_to_int64(span_trim(text), out);
}

/* dbr = result "=>" ( "rows" | "cols" | "colname[" column "]" | "[" row "," column "]" ) */
static bool place_read(struct span text, struct place *out)
{
	const struct span colname = SPAN("colname[");
	size_t arrow = span_find_span(text, SPAN_OF("=>"));
	if (arrow == text.len)
		return false;
	out->name = span_trim(span_slice(text, 0, arrow));
	struct span what = span_trim(span_slice(text, arrow + 2, text.len));
	if (!out->name.len || !what.len)
		return false;
	if (span_equal(what, SPAN_OF("rows")) || span_equal(what, SPAN_OF("cols"))) {
		out->kind = what.at[0] == 'r' ? PLACE_ROWS : PLACE_COLUMNS;
		return true;
	}
	if (what.at[what.len - 1] != ']')
		return false;
	what.len--;
	if (span_starts_with(what, colname)) {
		out->kind = PLACE_NAME;
		return read_index(span_slice(what, colname.len, what.len), &out->column);
	}
	size_t comma = span_find(what, ',', 0);
	out->kind = PLACE_VALUE;
	return what.at[0] == '[' && comma < what.len &&
	       read_index(span_slice(what, 1, comma - 1), &out->row) &&
	       read_index(span_slice(what, comma + 1, what.len), &out->column);
}

static const char *bind_place(struct variable_ref *ref, struct arena *arena)
{
	struct place place;
	(void)arena;
	if (!ref->inner.at || place_read(ref->inner, &place))
		return NULL;
	return "write $dbr(result=>rows), $dbr(result=>cols), $dbr(result=>colname[n]) or "
	       "$dbr(result=>[row,column])";
}

static struct value value_at(struct script_run *run, const struct row_set *set,
			     const struct place *place)
{
	bool has_column = place->column >= 0 && place->column < set->columns;
	switch (place->kind) {
	case PLACE_ROWS: return VALUE_OF_INT(set->rows);
	case PLACE_COLUMNS: return VALUE_OF_INT(set->columns);
	case PLACE_NAME:
		if (has_column)
			return VALUE_OF_TEXT(set->names[place->column]);
		break;
	case PLACE_VALUE:
		if (has_column && place->row >= 0 && place->row < set->rows)
			return row_value(run, row_set_at(set, (unsigned)place->row,
							 (unsigned)place->column));
		break;
	}
	return (struct value){ .kind = VALUE_NULL };
}

static bool get_result(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct place place = { 0 };
	*out = (struct value){ .kind = VALUE_NULL };
	if (!place_read(variable_inner_text(run, ref), &place))
		return true;
	const struct row_set nothing = { 0 };
	const struct result *own = find(run->msg, place.name);
	const struct kept *kept = kept_of(place.name);
	*out = value_at(run, own ? &own->set : kept ? &kept->set : &nothing, &place);
	/* What a process keeps goes with its next query. */
	if (!own && out->kind == VALUE_TEXT)
		out->text = arena_copy(run->arena, out->text);
	return !own && out->kind == VALUE_TEXT ? out->text.at != NULL : true;
}

static bool get_count(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct connection *connection = connection_find(variable_inner_text(run, ref));
	const struct results *results = run->msg->slots[state.slot];
	*out = (struct value){ .kind = VALUE_NULL };
	if (connection)
		*out = VALUE_OF_INT((results ? results->counts : state.counts)[connection->number]);
	return connection;
}

const struct variable_row result_variables[RESULT_VARIABLES] = {
	{ .name = "dbr", .inner = INNER_NAME, .get = get_result, .bind = bind_place,
		.doc = "of a result: $dbr(result=>rows), cols, colname[n], [row,column]" },
	{ .name = "sqlrows", .inner = INNER_NAME, .get = get_count,
		.doc = "rows that the last query of a connection changed or brought; -1: it failed" },
};
