/* SPDX-License-Identifier: BSD-2-Clause */
/* open: what the programs of this folder have in common: PROGRAM URL [load=URL | NAME=VALUE] …
 * `load` takes another driver in (for a cluster), NAME=VALUE is a setting of the URL's driver. */
#pragma once

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/db/driver.h"
#include "core/module/module.h"

/* A setting of a driver; NULL, or what is wrong. */
static inline const char *set_driver(const struct db_driver *driver, struct span name,
				     struct span value)
{
	Dl_info where;
	int64_t number;
	dladdr((const void *)driver, &where);
	const struct module *module = dlsym(dlopen(where.dli_fname, RTLD_NOW), "module_exports");
	const struct field *field = field_find(module->settings.fields, name);
	if (!field)
		return "unknown setting";
	if (span_to_int64(value, &number))
		return field_set_int(field, module->settings.object, number, startup_arena());
	return field_set_text(field, module->settings.object, arena_copy(startup_arena(), value),
			      startup_arena());
}

static inline struct db *open_database(int count, char **arguments)
{
	const char *wrong = "usage: PROGRAM URL [load=URL | NAME=VALUE] …";
	struct db *db = NULL;
	hash_init();
	clock_refresh();
	log_configure(&(struct log_options){ .to_stderr = true });
	log_set_threshold(LOG_LEVEL_INFO);
	if (count < 2)
		goto out;
	struct span url = span_from(arguments[1]);
	db = db_open_tool(url, NULL, &wrong);
	for (int i = 2; i < count; i++) {
		struct span word = span_from(arguments[i]);
		size_t equals = span_find(word, '=', 0);
		struct span name = span_slice(word, 0, equals),
			    value = span_slice(word, equals + 1, word.len);
		const struct db_driver *driver =
			db_driver_of(span_slice(url, 0, span_find(url, ':', 0)));
		if (span_equal(name, SPAN_OF("load")))
			db_open_tool(value, NULL, &wrong);
		else if (!driver || (wrong = set_driver(driver, name, value)))
			goto out;
	}
	if (!db)
		db = db_open_tool(url, NULL, &wrong);
out:
	if (!db)
		fprintf(stderr, "%s: %s\n", arguments[0], wrong);
	return db;
}
