/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings that change while the server runs. */
#include "core/module/live.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/log.h"
#include "core/shm/lock.h"
#include "core/shm/map.h"

#define LIVE_MOST 512

/* A shared value. Text is written into the half that is not shown, then `shown` flips, so a writer
 * that dies on the way has changed nothing. */
struct cell {
	uint32_t version; /* grows with each change; 0: as configured */
	uint32_t shown;
	int64_t number;
	struct {
		uint32_t len;
		char text[LIVE_TEXT_MAX];
	} halves[2];
};

struct shared_values {
	_Atomic uint64_t generation; /* grows with every change of any cell */
	struct lock lock;
	struct cell cells[LIVE_MOST];
};

/* What this process knows of a setting. */
struct known {
	uint32_t version;
	char *copies
		[2]; /* texts that replaced the configured one: the newest and the one before it */
};

static struct {
	struct live_setting settings[LIVE_MOST];
	struct known known[LIVE_MOST];
	unsigned count;
	struct shared_values *shared;
	uint64_t seen;
} state;

static bool can_be_shown(const struct field *field)
{
	return field->kind == FIELD_KIND_INT || field->kind == FIELD_KIND_BOOL ||
	       field->kind == FIELD_KIND_TEXT;
}

static bool is_known(const struct field *field)
{
	for (unsigned i = 0; i < state.count; i++)
		if (state.settings[i].field == field)
			return true;
	return false;
}

static void add(const char *group, const char *name, void *object, const struct field *field)
{
	if (state.count == LIVE_MOST) {
		log_warning("%s.%s can not be looked at: there are too many settings", group, name);
		return;
	}
	state.settings[state.count++] = (struct live_setting){ .group = group,
							       .name = name,
							       .field = field,
							       .object = object,
							       .can_change = field->is_live };
}

void live_add(const char *group, void *object, struct field_table fields)
{
	for (uint32_t i = 0; i < fields.count; i++)
		if (fields.rows[i].is_live && can_be_shown(&fields.rows[i]))
			add(group, fields.rows[i].name, object, &fields.rows[i]);
}

void live_add_all(const char *group, const char *prefix, void *object, struct field_table fields)
{
	for (uint32_t i = 0; i < fields.count; i++) {
		const struct field *field = &fields.rows[i];
		if (span_starts_with(span_from(field->name), span_from(prefix)) &&
		    can_be_shown(field) && !is_known(field))
			add(group, field->name + strlen(prefix), object, field);
	}
}

bool live_start(void)
{
	state.shared = shm_reserve(sizeof(*state.shared), "live settings");
	if (!state.shared)
		return false;
	lock_init(&state.shared->lock, LOCK_LEAF);
	for (unsigned i = 0; i < state.count; i++)
		state.settings[i].initial = live_get(&state.settings[i]);
	return true;
}

void live_free(void)
{
	for (unsigned i = 0; i < state.count; i++) {
		free(state.known[i].copies[0]);
		free(state.known[i].copies[1]);
	}
	memset(&state, 0, sizeof(state));
}

/* ---- looking ------------------------------------------------------------------------------------------ */

const struct live_setting *live_at(unsigned index)
{
	return index < state.count ? &state.settings[index] : NULL;
}

const struct live_setting *live_find(struct span group, struct span name)
{
	for (unsigned i = 0; i < state.count; i++)
		if (span_equal(span_from(state.settings[i].group), group) &&
		    span_equal(span_from(state.settings[i].name), name))
			return &state.settings[i];
	return NULL;
}

bool live_is_text(const struct live_setting *setting)
{
	return setting->field->kind == FIELD_KIND_TEXT;
}

struct value live_get(const struct live_setting *setting)
{
	if (!live_is_text(setting))
		return VALUE_OF_INT(field_get_int(setting->field, setting->object));
	struct span text = field_get_text(setting->field, setting->object);
	return text.at ? VALUE_OF_TEXT(text) : (struct value){ .kind = VALUE_NULL };
}

/* ---- changing in this process --------------------------------------------------------------------------- */

const char *live_check(const struct live_setting *setting, const struct value *value,
		       struct arena *arena)
{
	if (!setting->can_change)
		return "it needs a restart";
	if (live_is_text(setting)) {
		if (value->kind == VALUE_INT)
			return "expects a string, not a number";
		return value->text.len > LIVE_TEXT_MAX ? "the text is too long" : NULL;
	}
	if (value->kind != VALUE_INT)
		return "expects a number, not a string";
	struct field plain = *setting->field;
	int64_t scratch = 0;
	plain.offset = 0;
	plain.accept = NULL;
	return field_set_int(&plain, &scratch, value->number, arena);
}

/* The text before the previous one is freed: whoever borrowed it has long finished with its message. */
static const char *store_text(unsigned index, struct span text, struct arena *arena)
{
	struct live_setting *setting = &state.settings[index];
	struct known *known = &state.known[index];
	struct span before = field_get_text(setting->field, setting->object), copy = { NULL, 0 };
	if (text.at) {
		char *bytes = malloc(text.len + 1);
		if (!bytes)
			return "out of memory";
		memcpy(bytes, text.at, text.len);
		bytes[text.len] = 0;
		copy = span_make(bytes, text.len);
	}
	const char *wrong = field_set_text(setting->field, setting->object, copy, arena);
	if (wrong) {
		memcpy((char *)setting->object + setting->field->offset, &before, sizeof(before));
		free((char *)(uintptr_t)copy.at);
		return wrong;
	}
	free(known->copies[1]);
	known->copies[1] = known->copies[0];
	known->copies[0] = (char *)(uintptr_t)copy.at;
	return NULL;
}

static const char *store_number(unsigned index, int64_t number, struct arena *arena)
{
	struct live_setting *setting = &state.settings[index];
	int64_t before = field_get_int(setting->field, setting->object);
	const char *wrong = field_set_int(setting->field, setting->object, number, arena);
	if (wrong) {
		struct field plain = *setting->field;
		plain.accept = NULL;
		(void)field_set_int(&plain, setting->object, before, arena);
	}
	return wrong;
}

static const char *store(unsigned index, const struct value *value, struct arena *arena)
{
	return live_is_text(&state.settings[index]) ? store_text(index, value->text, arena)
						    : store_number(index, value->number, arena);
}

/* ---- all processes ---------------------------------------------------------------------------------------- */

static void take_lock(void)
{
	/* Whatever the dead one did: a half that is not shown does not count. */
	if (lock_take(&state.shared->lock) == LOCK_OWNER_DIED)
		lock_mark_consistent(&state.shared->lock);
}

/* Absent text is told from empty text by a length that no text has. */
#define LEN_ABSENT UINT32_MAX

static void publish(unsigned index, const struct value *value)
{
	struct cell *cell = &state.shared->cells[index];
	take_lock();
	uint32_t next = !cell->shown;
	cell->halves[next].len = value->text.at ? (uint32_t)value->text.len : LEN_ABSENT;
	if (value->text.len)
		memcpy(cell->halves[next].text, value->text.at, value->text.len);
	cell->number = value->number;
	cell->shown = next;
	state.known[index].version = ++cell->version;
	state.shared->generation++;
	lock_release(&state.shared->lock);
}

const char *live_set(const struct live_setting *setting, const struct value *value,
		     struct arena *arena)
{
	unsigned index = (unsigned)(setting - state.settings);
	const char *wrong = live_check(setting, value, arena);
	wrong = wrong ? wrong : store(index, value, arena);
	if (!wrong && state.shared)
		publish(index, value);
	return wrong;
}

/* Copies a cell that this process has not seen; false when there is nothing new. */
static bool fetch(unsigned index, char text[LIVE_TEXT_MAX], struct value *out)
{
	const struct cell *cell = &state.shared->cells[index];
	take_lock();
	bool is_new = cell->version != state.known[index].version;
	uint32_t len = cell->halves[cell->shown & 1].len;
	if (is_new && len <= LIVE_TEXT_MAX)
		memcpy(text, cell->halves[cell->shown & 1].text, len);
	*out = (struct value){ .kind = VALUE_INT, .number = cell->number };
	if (len <= LIVE_TEXT_MAX)
		out->text = span_make(text, len);
	state.known[index].version = cell->version;
	lock_release(&state.shared->lock);
	return is_new;
}

void live_poll(void)
{
	if (!state.shared || state.shared->generation == state.seen)
		return;
	struct arena arena;
	char text[LIVE_TEXT_MAX];
	arena_init(&arena, 1024, 65536);
	state.seen = state.shared->generation;
	for (unsigned i = 0; i < state.count; i++) {
		struct value value;
		const char *wrong = fetch(i, text, &value) ? store(i, &value, &arena) : NULL;
		if (wrong)
			log_error("%s.%s: the new value is not taken over: %s",
				  state.settings[i].group, state.settings[i].name, wrong);
	}
	arena_free(&arena);
}
