/* SPDX-License-Identifier: BSD-2-Clause */
/* domain: what the files of the module share. */
#pragma once

#include "core/module/module.h"

struct domain_settings {
	struct span db_url;
	struct span domain_table, domain_attrs_table;
	struct span did_col, domain_col, name_col, type_col, value_col;
	bool register_myself;
};
extern const struct domain_settings *const domain_settings;

/* ---- table.c: the domains in shared memory ------------------------------------------------------------ */

struct domain_attribute {
	struct span did, name;
	struct value value;
	uint32_t number; /* of its row */
};

struct domain {
	struct span name;
	struct span did;
	const struct domain_attribute *attributes; /* of the did, in the order of their rows */
	uint32_t attribute_count;
	uint32_t next; /* in its bucket: number + 1; 0 ends */
};

/* One block of memory, texts included. */
struct domain_set {
	uint32_t count, attribute_count, bucket_count;
	const struct domain *domains;
	const struct domain_attribute *attributes; /* sorted by did */
	const uint32_t *buckets;
};

/* Prepares the statements; false after a diagnostic. */
bool domains_prepare(struct diagnostics *diagnostics);
/* Checks the tables and reads them. */
bool domains_start(void);
/* Reads the tables and puts the result in the place of what was known; false, and nothing changed,
 * after an error was logged. Waits for the database. */
bool domains_load(void);
/* The current domains, NULL when nothing was read yet; until domains_release, and nothing in between
 * waits. */
const struct domain_set *domains_hold(void);
void domains_release(void);
/* Found in any case; NULL when the set is NULL or has no such domain. */
const struct domain *domain_find(const struct domain_set *set, struct span name);
