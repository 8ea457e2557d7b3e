/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings that change while the server runs. */
#include "core/module/live.h"

#include <stdatomic.h>

#include "core/base/arena.h"
#include "core/base/log.h"
#include "core/shm/map.h"

#define LIVE_MOST 512

struct shared_values {
	_Atomic uint64_t generation;
	_Atomic int64_t values[LIVE_MOST];
};

static struct {
	struct live_setting settings[LIVE_MOST];
	unsigned count;
	struct shared_values *shared;
	uint64_t seen;
} state;

void live_add(const char *group, void *object, struct field_table fields)
{
	for (uint32_t i = 0; i < fields.count; i++) {
		const struct field *field = &fields.rows[i];
		bool is_number = field->kind == FIELD_KIND_INT || field->kind == FIELD_KIND_BOOL;
		if (field->is_live && is_number && state.count < LIVE_MOST)
			state.settings[state.count++] = (struct live_setting){ group, field, object };
	}
}

bool live_start(void)
{
	state.shared = shm_reserve(sizeof(*state.shared), "live");
	for (unsigned i = 0; state.shared && i < state.count; i++)
		state.shared->values[i] = live_get(&state.settings[i]);
	return state.shared != NULL;
}

const struct live_setting *live_at(unsigned index)
{
	return index < state.count ? &state.settings[index] : NULL;
}

const struct live_setting *live_find(struct span group, struct span name)
{
	for (unsigned i = 0; i < state.count; i++)
		if (span_equal(span_from(state.settings[i].group), group) &&
			span_equal(span_from(state.settings[i].field->name), name))
			return &state.settings[i];
	return NULL;
}

int64_t live_get(const struct live_setting *setting)
{
	return field_get_int(setting->field, setting->object);
}

const char *live_set(const struct live_setting *setting, int64_t number, struct arena *arena)
{
	const char *wrong = field_set_int(setting->field, setting->object, number, arena);
	if (!wrong && state.shared) {
		state.shared->values[setting - state.settings] = number;
		state.shared->generation++;
	}
	return wrong;
}

void live_poll(void)
{
	if (!state.shared || state.shared->generation == state.seen)
		return;
	struct arena arena;
	arena_init(&arena, 1024, 65536);
	state.seen = state.shared->generation;
	for (unsigned i = 0; i < state.count; i++) {
		const struct live_setting *setting = &state.settings[i];
		int64_t value = state.shared->values[i];
		if (live_get(setting) != value && field_set_int(setting->field, setting->object, value, &arena))
			log_error("%s: the new value of %s is not taken over", setting->group, setting->field->name);
	}
	arena_free(&arena);
}
