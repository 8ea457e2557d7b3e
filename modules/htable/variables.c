/* SPDX-License-Identifier: BSD-2-Clause */
/* $sht and its kin: the table is found when the script is compiled, the key for each use. */
#include "modules/htable/replica.h"

/* What `bind` makes of "table=>key". */
struct bound {
	struct span table_name;
	const struct table *table; /* NULL: there is none of this name */
	size_t key_at;
};

static const char *bind_key(struct variable_ref *ref, struct arena *arena)
{
	const struct text_template *template = ref->inner_template;
	struct span text = ref->inner;
	if (template && template->count && !template->parts[0].variable)
		text = template->parts[0].text;
	size_t arrow = span_find_span(text, SPAN_OF("=>"));
	struct bound *bound = ARENA_NEW(arena, struct bound);
	if (!bound)
		return "out of memory";
	if (!text.at || arrow == text.len || !span_trim(span_slice(text, 0, arrow)).len)
		return "expected TABLE=>KEY; the name of the table cannot be a variable";
	bound->table_name = arena_copy(arena, span_trim(span_slice(text, 0, arrow)));
	bound->table = table_find(bound->table_name);
	bound->key_at = arrow + 2;
	ref->bound = bound;
	return NULL;
}

/* The table and the key of this use; NULL after it was logged. */
static const struct table *find_key(struct script_run *run, const struct variable_ref *ref,
				    struct span *out_key)
{
	const struct bound *bound = ref->bound;
	if (!bound->table) {
		table_need(bound->table_name);
		return NULL;
	}
	struct span text = variable_inner_text(run, ref);
	*out_key = span_slice(text, bound->key_at, text.len);
	return text.at ? bound->table : NULL;
}

static const struct table *find_item(struct script_run *run, const struct variable_ref *ref,
				     struct span *out_key)
{
	const struct table *table = find_key(run, ref, out_key);
	if (table)
		locks_wait(table, *out_key, run->msg);
	return table;
}

/* ---- $sht ---- */

static bool get_item(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span key;
	struct item_copy item;
	const struct table *table = find_item(run, ref, &key);
	*out = (struct value){ .kind = VALUE_NULL };
	if (!table)
		return false;
	if (items_get(table, key, run->arena, &item))
		*out = item.value;
	else if (table->has_initial)
		*out = VALUE_OF_INT(table->initial);
	return true;
}

static bool set_item(struct script_run *run, const struct variable_ref *ref,
		     const struct value *value)
{
	struct span key;
	const struct table *table = find_item(run, ref, &key);
	if (!table)
		return false;
	if (!value || value->kind == VALUE_NULL) {
		items_remove(table, key);
		replica_remove(table, key);
		return true;
	}
	if (!items_set(table, key, value, EXPIRES_AS_TABLE))
		return false;
	replica_set(table, key, value);
	return true;
}

/* ---- $shtex ---- */

static bool get_expiry(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span key;
	struct item_copy item;
	const struct table *table = find_item(run, ref, &key);
	*out = VALUE_OF_INT(0);
	if (table && items_get(table, key, run->arena, &item))
		*out = VALUE_OF_INT(item_left_s(&item));
	return table != NULL;
}

static bool set_expiry(struct script_run *run, const struct variable_ref *ref,
		       const struct value *value)
{
	struct span key;
	int64_t seconds = 0;
	const struct table *table = find_item(run, ref, &key);
	if (!table || (value && value->kind == VALUE_TEXT && !value_to_int(value, &seconds))) {
		log_error("%.*s: expected a number of seconds", SPAN_ARGS(ref->text));
		return false;
	}
	if (value && value->kind == VALUE_INT)
		seconds = value->number;
	items_set_expiry(table, key, seconds);
	replica_expire(table, key, seconds);
	return true;
}

/* ---- $shtinc, $shtdec, $shtcn, $shtcv ---- */

static bool get_sum(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span key;
	const struct table *table = find_item(run, ref, &key);
	*out = (struct value){ .kind = VALUE_NULL };
	if (table && items_add(table, key, ref->row->selector, &out->number)) {
		out->kind = VALUE_INT;
		replica_set(table, key, out);
	}
	return table != NULL;
}

enum count_by { BY_NAME, BY_VALUE };

static bool get_count(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span expression;
	const struct table *table = find_key(run, ref, &expression);
	*out = (struct value){ .kind = VALUE_NULL };
	if (table)
		*out = VALUE_OF_INT(match_count(table, expression, ref->row->selector == BY_VALUE));
	return table != NULL;
}

/* ---- $shtitkey, $shtitval, $shtrecord ---- */

enum item_part { PART_KEY, PART_VALUE };

static bool get_iterator(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct item_copy *item = iterator_item(run->msg, variable_inner_text(run, ref));
	*out = (struct value){ .kind = VALUE_NULL };
	if (item)
		*out = ref->row->selector == PART_KEY ? VALUE_OF_TEXT(item->name) : item->value;
	return true;
}

static const char *bind_record(struct variable_ref *ref, struct arena *arena)
{
	if (span_equal(ref->inner, SPAN_OF("key")))
		ref->bound = (void *)(uintptr_t)PART_KEY;
	else if (span_equal(ref->inner, SPAN_OF("value")))
		ref->bound = (void *)(uintptr_t)PART_VALUE;
	else
		return "expected $shtrecord(key) or $shtrecord(value)";
	return NULL;
}

static bool get_record(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct item_copy *item = expired_record(run);
	*out = VALUE_OF_TEXT(SPAN_OF(""));
	if (item)
		*out = ref->bound == (void *)(uintptr_t)PART_KEY ? VALUE_OF_TEXT(item->name)
								 : item->value;
	return true;
}

const struct variable_row htable_variables[HTABLE_VARIABLES] = {
	{ .name = "sht", .inner = INNER_NAME, .get = get_item, .set = set_item, .bind = bind_key,
		.doc = "item of a table: $sht(table=>key); null when it is not there, null removes" },
	{ .name = "shtex", .inner = INNER_NAME, .get = get_expiry, .set = set_expiry,
		.bind = bind_key,
		.doc = "seconds that an item has left; 0: it stays, or is not there" },
	{ .name = "shtinc", .inner = INNER_NAME, .get = get_sum, .bind = bind_key, .selector = 1,
		.doc = "adds 1 to an item and is the sum; null when it is no number" },
	{ .name = "shtdec", .inner = INNER_NAME, .get = get_sum, .bind = bind_key, .selector = -1,
		.doc = "takes 1 from an item and is the rest; null when it is no number" },
	{ .name = "shtcn", .inner = INNER_NAME, .get = get_count, .bind = bind_key,
		.selector = BY_NAME,
		.doc = "number of items by name: expression, ~~expression, %~beginning, ~%end, "
		       "==name, **" },
	{ .name = "shtcv", .inner = INNER_NAME, .get = get_count, .bind = bind_key,
		.selector = BY_VALUE,
		.doc = "number of items by value, as $shtcn by text, and eqNUMBER" },
	{ .name = "shtitkey", .inner = INNER_NAME, .get = get_iterator, .selector = PART_KEY,
		.doc = "name of the item where an iterator is" },
	{ .name = "shtitval", .inner = INNER_NAME, .get = get_iterator, .selector = PART_VALUE,
		.doc = "value of the item where an iterator is" },
	{ .name = "shtrecord", .inner = INNER_NAME, .get = get_record, .bind = bind_record,
		.doc = "key or value of the item that expired, in event_route[htable:expired:TABLE]" },
};
