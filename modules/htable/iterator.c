/* SPDX-License-Identifier: BSD-2-Clause */
/* sht_iterator_*: up to four iterators of a message. They hold no lock between two steps, so the script
 * may change the table meanwhile. */
#include "modules/htable/replica.h"

#define ITERATORS_MOST 4
#define REMOVED_LAST   (-2)

struct iterator {
	struct span name; /* absent: free */
	struct item_cursor cursor;
	struct item_copy item;
	bool has_item;
	char *text; /* of the item, in the message's arena */
	size_t capacity;
};
struct iterators {
	struct iterator all[ITERATORS_MOST];
};

static struct iterator *find(const struct message *msg, struct span name)
{
	const struct message_notes *notes = notes_of(msg);
	struct iterators *iterators = notes ? notes->iterators : NULL;
	for (unsigned i = 0; iterators && name.len && i < ITERATORS_MOST; i++)
		if (iterators->all[i].name.at && span_equal(iterators->all[i].name, name))
			return &iterators->all[i];
	return NULL;
}

const struct item_copy *iterator_item(const struct message *msg, struct span name)
{
	const struct iterator *iterator = find(msg, name);
	return iterator && iterator->has_item ? &iterator->item : NULL;
}

/* The cursor's memory ends with the step; the iterator keeps its texts in the arena, in one place. */
static bool keep(struct iterator *iterator, struct arena *arena)
{
	struct item_copy *item = &iterator->item;
	size_t text_len = item->value.kind == VALUE_TEXT ? item->value.text.len : 0;
	size_t size = item->name.len + text_len + 1;
	if (size > iterator->capacity) {
		iterator->text = arena_grow(arena, NULL, 0, 2 * size);
		iterator->capacity = iterator->text ? 2 * size : 0;
	}
	if (!iterator->text)
		return false;
	memcpy(iterator->text, item->name.at, item->name.len);
	item->name.at = iterator->text;
	if (text_len)
		memcpy(iterator->text + item->name.len, item->value.text.at, text_len);
	item->value.text.at = iterator->text + item->name.len;
	return true;
}

static bool step(struct iterator *iterator, struct arena *arena)
{
	iterator->has_item = cursor_next(&iterator->cursor, &iterator->item);
	if (iterator->has_item)
		iterator->has_item = keep(iterator, arena);
	/* Nobody says when a message is done with an iterator that was not ended. */
	cursor_free(&iterator->cursor);
	return iterator->has_item;
}

/* ---- functions ---- */

struct start_args {
	struct span iterator, table;
};
static const struct field start_fields[] = {
	FIELD(struct start_args, iterator, "name of the iterator"),
	FIELD(struct start_args, table, "table"),
};
struct iterator_args {
	struct span iterator;
};
static const struct field iterator_fields[] = {
	FIELD(struct iterator_args, iterator, "name of the iterator"),
};
struct text_args {
	struct span iterator, value;
};
static const struct field text_fields[] = {
	FIELD(struct text_args, iterator, "name of the iterator"),
	FIELD(struct text_args, value, "text"),
};
struct number_args {
	struct span iterator;
	int64_t number;
};
static const struct field number_fields[] = {
	FIELD(struct number_args, iterator, "name of the iterator"),
	FIELD(struct number_args, number, "number, or seconds"),
};
SCRIPT_HANDLER(start)
SCRIPT_HANDLER_OF(end, iterator)
SCRIPT_HANDLER_OF(next, iterator)
SCRIPT_HANDLER_OF(rm, iterator)
SCRIPT_HANDLER_OF(sets, text)
SCRIPT_HANDLER_OF(seti, number)
SCRIPT_HANDLER_OF(setex, number)

static struct iterator *place_for(struct script_run *run, struct span name)
{
	struct message *msg = run->msg;
	struct iterator *iterator = find(msg, name);
	struct message_notes *notes = notes_make(msg);
	if (iterator || !notes)
		return iterator;
	if (!notes->iterators)
		notes->iterators = ARENA_NEW(msg->arena, struct iterators);
	struct iterators *iterators = notes->iterators;
	for (unsigned i = 0; iterators && i < ITERATORS_MOST; i++)
		if (!iterators->all[i].name.at)
			return &iterators->all[i];
	log_error("sht_iterator_start: more than %d iterators at a time", ITERATORS_MOST);
	return NULL;
}

static int start(struct script_run *run, const struct start_args *args)
{
	struct table *table = table_need(args->table);
	struct iterator *iterator =
		table && args->iterator.len ? place_for(run, args->iterator) : NULL;
	if (!iterator)
		return SCRIPT_FALSE;
	*iterator = (struct iterator){ .name = arena_copy(run->msg->arena, args->iterator) };
	cursor_init(&iterator->cursor, table);
	return iterator->name.at ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int end(struct script_run *run, const struct iterator_args *args)
{
	struct iterator *iterator = find(run->msg, args->iterator);
	if (!iterator)
		return SCRIPT_FALSE;
	*iterator = (struct iterator){ .has_item = false };
	return SCRIPT_TRUE;
}

static int next(struct script_run *run, const struct iterator_args *args)
{
	struct iterator *iterator = find(run->msg, args->iterator);
	return iterator && step(iterator, run->msg->arena) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int rm(struct script_run *run, const struct iterator_args *args)
{
	struct iterator *iterator = find(run->msg, args->iterator);
	if (!iterator || !iterator->has_item)
		return SCRIPT_FALSE;
	if (item_remove(iterator->cursor.table, &iterator->item))
		replica_remove(iterator->cursor.table, iterator->item.name);
	return step(iterator, run->msg->arena) ? SCRIPT_TRUE : REMOVED_LAST;
}

static int set_value(struct script_run *run, struct span name, const struct value *value)
{
	struct iterator *iterator = find(run->msg, name);
	if (!iterator || !iterator->has_item ||
	    !item_change(iterator->cursor.table, &iterator->item, value))
		return SCRIPT_FALSE;
	iterator->item.value = *value;
	replica_set(iterator->cursor.table, iterator->item.name, value);
	return SCRIPT_TRUE;
}

static int sets(struct script_run *run, const struct text_args *args)
{
	struct value value = VALUE_OF_TEXT(arena_copy(run->msg->arena, args->value));
	return value.text.at ? set_value(run, args->iterator, &value) : SCRIPT_FALSE;
}

static int seti(struct script_run *run, const struct number_args *args)
{
	return set_value(run, args->iterator, &VALUE_OF_INT(args->number));
}

static int setex(struct script_run *run, const struct number_args *args)
{
	struct iterator *iterator = find(run->msg, args->iterator);
	if (!iterator || !iterator->has_item)
		return SCRIPT_FALSE;
	if (!item_set_expiry(iterator->cursor.table, &iterator->item, args->number))
		return SCRIPT_FALSE;
	replica_expire(iterator->cursor.table, iterator->item.name, args->number);
	return SCRIPT_TRUE;
}

static const struct script_function functions[] = {
	FUNCTION("sht_iterator_start", start, IN_ANY, "Begins to walk through a table."),
	FUNCTION_OF("sht_iterator_end", end, iterator, IN_ANY, "Ends an iterator."),
	FUNCTION_OF("sht_iterator_next", next, iterator, IN_ANY,
		"Goes to the next item, $shtitkey and $shtitval; false after the last one."),
	FUNCTION_OF("sht_iterator_rm", rm, iterator, IN_ANY,
		"Removes the current item and goes to the next; -2 when it was the last one."),
	FUNCTION_OF("sht_iterator_sets", sets, text, IN_ANY, "Sets the current item to a text."),
	FUNCTION_OF("sht_iterator_seti", seti, number, IN_ANY, "Sets the current item to a number."),
	FUNCTION_OF("sht_iterator_setex", setex, number, IN_ANY,
		"Sets the seconds that the current item has left."),
};
const struct function_table iterator_functions = ROWS(functions);
