/* SPDX-License-Identifier: BSD-2-Clause */
/* live: settings that change while the server runs (cfg.set_now_int). A setting is a member of a
 * struct that every process has its own copy of; a new value goes into shared memory, and each
 * process takes it over in the next turn of its loop. Rows of kind INT, BOOL and TEXT with
 * `is_live` take part; their `accept` is called in every process. Those of the core can be looked at
 * even when they cannot change. */
#pragma once

#include "core/base/field.h"
#include "core/message/attributes.h"

#define LIVE_TEXT_MAX 256

struct live_setting {
	const char *group;
	const char *name;
	const struct field *field;
	void *object;
	bool can_change;      /* else it is only looked at */
	struct value initial; /* as configured when the server started */
};

/* Makes the live rows of a table known under a group ("tm"); before the first fork. */
void live_add(const char *group, void *object, struct field_table fields);
/* Makes all rows known whose names begin with `prefix`, without it, those that are not live to be
 * looked at; rows that are known already stay where they are. For tables without secrets. */
void live_add_all(const char *group, const char *prefix, void *object, struct field_table fields);
/* Reserves the shared values; before the first fork, after all live_add. False: out of memory. */
[[nodiscard]] bool live_start(void);
/* Takes over what changed; each process calls it once per turn of its loop (one load when nothing did). */
void live_poll(void);

/* Walks over all; NULL past the end. */
const struct live_setting *live_at(unsigned index);
const struct live_setting *live_find(struct span group, struct span name);
bool live_is_text(const struct live_setting *setting);
/* The value in this process. Text stays valid until the setting has changed twice. */
struct value live_get(const struct live_setting *setting);
/* NULL, or a sentence (static or in `arena`) that says why the value would be refused: it cannot change,
 * kind, range, length. The row's `accept` is not asked. */
const char *live_check(const struct live_setting *setting, const struct value *value,
		       struct arena *arena);
/* Changes it here at once and in the other processes soon. NULL, or why it is refused. */
const char *live_set(const struct live_setting *setting, const struct value *value,
		     struct arena *arena);
/* Forgets everything: tests. */
void live_free(void);
