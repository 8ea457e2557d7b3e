/* SPDX-License-Identifier: BSD-2-Clause */
/* cfg_rpc: one view of the settings of the core, of those that can change while the server runs, and what administrators
 * keep beside them: instances of groups ("tm[3]") and changes that wait for cfg.commit. Both lie in
 * shared memory, because each RPC transport is a process of its own. */
#pragma once

#include "core/module/live.h"
#include "core/module/module.h"
#include "core/script/config_names.h"

/* A setting of the core or of a module, or a custom parameter of the script's file: exactly one of
 * the two is set. */
struct setting {
	unsigned index; /* the same in every process */
	const struct live_setting *live;
	const struct config_custom *custom;
};

/* Walks over all; false past the end. */
bool setting_at(unsigned index, struct setting *out);
bool setting_find(struct span group, struct span name, struct setting *out);
struct span setting_group(const struct setting *setting);
struct span setting_name(const struct setting *setting);
struct span setting_doc(const struct setting *setting);
bool setting_is_text(const struct setting *setting);
bool setting_can_change(const struct setting *setting);
struct value setting_value(const struct setting *setting);
struct value setting_initial(const struct setting *setting);
/* NULL, or a sentence that says why the value would be refused. */
const char *setting_check(const struct setting *setting, const struct value *value,
			  struct arena *arena);
/* Changes it in all processes; NULL, or why it is refused. */
const char *setting_change(const struct setting *setting, const struct value *value,
			   struct arena *arena);
bool setting_group_exists(struct span group);

/* "group" or "group[id]". */
struct place {
	struct span group;
	bool has_instance;
	uint32_t instance;
};
[[nodiscard]] bool place_parse(struct span text, struct place *out);

/* Reserves the shared memory; before the first fork. */
[[nodiscard]] bool store_prepare(void);

/* ---- instances: the values of their group, unless they have their own ------------------------------- */
bool instance_exists(const struct place *place);
/* Adding one that exists is no error. NULL, or why not. */
const char *instance_add(const struct place *place);
bool instance_remove(const struct place *place);
/* Text is copied into `arena`. */
struct value instance_value(const struct place *place, const struct setting *setting,
			    struct arena *arena);
/* NULL, or why not. */
const char *instance_change(const struct place *place, const struct setting *setting,
			    const struct value *value);
/* Goes back to the group's values: one setting, or all with NULL. */
void instance_forget(const struct place *place, const struct setting *setting);

/* ---- changes that wait ------------------------------------------------------------------------------- */
struct staged {
	struct setting setting;
	bool has_instance, is_removal;
	uint32_t instance;
	struct value value;
};
/* NULL, or why not. */
const char *staged_add(const struct place *place, const struct setting *setting,
		       const struct value *value);
/* The index-th change, texts copied into `arena`; false past the end. */
bool staged_at(unsigned index, struct arena *arena, struct staged *out);
void staged_clear(void);
