/* SPDX-License-Identifier: BSD-2-Clause */
/* live: settings that change while the server runs (cfg.set_now_int). A setting is a member of a
 * struct that every process has its own copy of; the new value goes into shared memory, and each
 * process takes it over in the next turn of its loop. Only numbers (INT, BOOL with `is_live`). */
#pragma once

#include "core/base/field.h"

/* Makes the live rows of a table known under a group ("tm"); before the first fork. */
void live_add(const char *group, void *object, struct field_table fields);
/* Reserves the shared values; before the first fork, after all live_add. False: out of memory. */
[[nodiscard]] bool live_start(void);
/* Takes over what changed; each process calls it once per turn of its loop (one load when nothing did). */
void live_poll(void);

struct live_setting {
	const char *group;
	const struct field *field;
	void *object;
};
/* Walks over all; NULL past the end. */
const struct live_setting *live_at(unsigned index);
const struct live_setting *live_find(struct span group, struct span name);
int64_t live_get(const struct live_setting *setting);
/* NULL, or a sentence that says why the value is refused. */
const char *live_set(const struct live_setting *setting, int64_t number, struct arena *arena);
