/* SPDX-License-Identifier: BSD-2-Clause */
/* config_names: see the header. Few entries, looked up while compiling: plain lists. */
#include "core/script/config_names.h"

#include <sched.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/shm/map.h"

struct named {
	struct span name, value;
	bool is_removed;
};

struct list {
	struct named *items;
	unsigned count, room;
};

static struct {
	struct list defines, aliases;
	struct config_custom *customs;
	unsigned custom_count, custom_room;
} names;

static struct span keep(struct span text)
{
	char *copy = malloc(text.len + 1);
	if (!copy)
		return (struct span){ 0 };
	if (text.len)
		memcpy(copy, text.at, text.len);
	copy[text.len] = 0;
	return span_make(copy, text.len);
}

static struct named *list_find(const struct list *list, struct span name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (span_equal(list->items[i].name, name))
			return &list->items[i];
	return NULL;
}

/* A value that is replaced stays: compiled references may borrow it. */
static bool list_set(struct list *list, struct span name, struct span value)
{
	struct named *item = list_find(list, name);
	if (item && span_equal(item->value, value)) {
		item->is_removed = false;
		return true;
	}
	if (item) {
		item->name.len = 0;
		item->is_removed = true;
	}
	if (list->count == list->room) {
		unsigned room = list->room ? 2 * list->room : 64;
		struct named *grown = realloc(list->items, room * sizeof(*grown));
		if (!grown)
			return false;
		list->items = grown;
		list->room = room;
	}
	struct span kept = keep(value), kept_name = keep(name);
	if (!kept.at || !kept_name.at)
		return false;
	list->items[list->count++] = (struct named){ .name = kept_name, .value = kept };
	return true;
}

void config_define_set(struct span name, struct span value)
{
	list_set(&names.defines, name, value);
}

void config_define_remove(struct span name)
{
	struct named *item = list_find(&names.defines, name);
	if (item)
		item->is_removed = true;
}

bool config_define_find(struct span name, struct span *out_value)
{
	const struct named *item = list_find(&names.defines, name);
	if (!item || item->is_removed)
		return false;
	*out_value = item->value;
	return true;
}

bool config_define_at(unsigned index, struct span *out_name, struct span *out_value)
{
	for (unsigned i = 0; i < names.defines.count; i++) {
		if (names.defines.items[i].is_removed || index-- > 0)
			continue;
		*out_name = names.defines.items[i].name;
		*out_value = names.defines.items[i].value;
		return true;
	}
	return false;
}

static struct config_custom *custom_find(struct span group, struct span name)
{
	for (unsigned i = 0; i < names.custom_count; i++)
		if (span_equal(names.customs[i].group, group) &&
		    span_equal(names.customs[i].name, name))
			return &names.customs[i];
	return NULL;
}

bool config_custom_set(struct span group, struct span name, const struct value *value,
		       struct span description)
{
	struct value kept = *value;
	if (kept.kind == VALUE_TEXT) {
		kept.text = keep(value->text);
		if (!kept.text.at)
			return false;
	}
	struct config_custom *custom = custom_find(group, name);
	if (custom) {
		custom->value = kept;
		return true;
	}
	if (names.custom_count == names.custom_room) {
		unsigned room = names.custom_room ? 2 * names.custom_room : 32;
		struct config_custom *grown = realloc(names.customs, room * sizeof(*grown));
		if (!grown)
			return false;
		names.customs = grown;
		names.custom_room = room;
	}
	struct config_custom added = {
		.group = keep(group), .name = keep(name), .description = keep(description),
			.value = kept,
	};
	if (!added.group.at || !added.name.at || !added.description.at)
		return false;
	names.customs[names.custom_count++] = added;
	return true;
}

/* ---- values that change while the server runs ------------------------------------------------- */

#define CELL_TEXT_MAX 200

/* Guarded by its sequence: odd while somebody writes, another even number after each change. */
struct custom_cell {
	_Atomic uint32_t sequence;
	uint32_t len;
	int64_t number;
	char text[CELL_TEXT_MAX];
};

bool config_custom_share(void)
{
	if (!names.custom_count)
		return true;
	struct custom_cell *cells =
		shm_reserve(names.custom_count * sizeof(*cells), "custom parameters");
	for (unsigned i = 0; cells && i < names.custom_count; i++) {
		struct config_custom *custom = &names.customs[i];
		custom->cell = &cells[i];
		custom->initial = custom->value;
	}
	return cells != NULL;
}

/* Takes over what another process changed. The text before the previous one is freed: whoever got
 * it has long finished with its message. */
static void custom_refresh(struct config_custom *custom)
{
	struct custom_cell *cell = custom->cell;
	uint32_t sequence = cell->sequence;
	struct custom_cell copy;
	if (sequence == custom->seen || sequence & 1)
		return;
	copy.len = cell->len;
	copy.number = cell->number;
	memcpy(copy.text, cell->text, sizeof(copy.text));
	if (cell->sequence != sequence || copy.len > CELL_TEXT_MAX)
		return;
	custom->value.number = copy.number;
	if (custom->value.kind == VALUE_TEXT) {
		struct span text = keep(span_make(copy.text, copy.len));
		if (!text.at)
			return;
		free(custom->copies[1]);
		custom->copies[1] = custom->copies[0];
		custom->copies[0] = (char *)(uintptr_t)text.at;
		custom->value.text = text;
	}
	custom->seen = sequence;
}

bool config_custom_change(struct span group, struct span name, const struct value *value)
{
	struct config_custom *custom = custom_find(group, name);
	if (!custom || !custom->cell || value->kind != custom->value.kind ||
	    value->text.len > CELL_TEXT_MAX)
		return false;
	struct custom_cell *cell = custom->cell;
	uint32_t sequence = cell->sequence;
	/* A writer that died leaves an odd number: after some patience its place is taken. */
	for (unsigned tries = 0; tries < 10000 && (sequence & 1); tries++) {
		sched_yield();
		sequence = cell->sequence;
	}
	cell->sequence = sequence | 1;
	cell->number = value->number;
	cell->len = (uint32_t)value->text.len;
	if (value->text.len)
		memcpy(cell->text, value->text.at, value->text.len);
	cell->sequence = (sequence | 1) + 1;
	return true;
}

bool config_custom_find(struct span group, struct span name, struct value *out_value)
{
	struct config_custom *custom = custom_find(group, name);
	if (!custom)
		return false;
	if (custom->cell)
		custom_refresh(custom);
	*out_value = custom->value;
	return true;
}

const struct config_custom *config_custom_at(unsigned index)
{
	if (index >= names.custom_count)
		return NULL;
	if (names.customs[index].cell)
		custom_refresh(&names.customs[index]);
	return &names.customs[index];
}

bool config_avp_alias_set(struct span alias, struct span name)
{
	return list_set(&names.aliases, alias, name);
}

struct span config_avp_alias_find(struct span alias)
{
	const struct named *item = list_find(&names.aliases, alias);
	return item ? item->value : alias;
}
