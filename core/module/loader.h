/* SPDX-License-Identifier: BSD-2-Clause */
/* loader: finds modules, takes over their tables, and walks them through their life. */
#pragma once

#include "core/module/module.h"
#include "core/script/compile.h"

/* Where to look: directories separated by ':'. `is_explicit` for -L; other directories (mpath) may
 * be another product's, so they come after our own default directory. */
void loader_add_directories(struct span directories, bool is_explicit);
/* Adds a module that is linked in (the core). */
bool loader_add(const struct module *module, struct diagnostics *diagnostics,
		struct source_position at);
/* loadmodule: a name, "name.so" or a path. Loading twice is an error, as in other servers. */
bool loader_load(struct span name, struct source_position at, struct diagnostics *diagnostics);
/* modparam: `modules` is a name or a regular expression over loaded modules. */
bool loader_set(struct span modules, struct span setting, const struct config_value *value,
		struct source_position at, struct diagnostics *diagnostics);

unsigned loader_count(void);
/* In order of loading; the core is number 0. */
const struct module *loader_at(unsigned index);
/* A text setting of a module; absent when it is not loaded or has no such setting. */
struct span loader_setting_text(const char *module, const char *setting);
const struct module *loader_find(struct span name);

/* Resolves needs, then calls `prepare` of all modules, needed ones first. */
bool loader_prepare(struct diagnostics *diagnostics);
bool loader_start(void);
bool loader_start_worker(void);
void loader_stop_worker(void);
void loader_finish(void);
