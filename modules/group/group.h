/* SPDX-License-Identifier: BSD-2-Clause */
/* group: what the files of the module share. */
#pragma once

#include "core/module/module.h"

#define GROUP_VERSION 2

struct group_settings {
	struct span db_url;
	struct span table, user_column, domain_column, group_column;
	struct span re_table, re_exp_column, re_gid_column;
	bool use_domain, multiple_gid;
};
extern const struct group_settings *const group_settings;

/* ---- user.c: whom a function is asked about --------------------------------------------------------- */

enum group_source { SOURCE_REQUEST_URI, SOURCE_TO, SOURCE_FROM, SOURCE_CREDENTIALS, SOURCE_URI };

struct group_user {
	struct span user, host; /* borrowed from the message or from the text */
};

/* "Request-URI" … in any case; everything else is a URI. */
enum group_source group_source_of(struct span text);
/* False when there is no user: no credentials were checked, or the URI has none. */
bool group_find_user(struct script_run *run, struct span source, struct group_user *out);

/* ---- expressions.c: groups by regular expression ----------------------------------------------------- */

/* Reads the table, if there is one; false after an error was logged. */
bool expressions_load(struct db *db);
/* Assigns the numbers of the groups that match to the variable, one after the other, so that the first
 * row is read first; how many there were. With multiple_gid=0 only that of the last row. */
int expressions_match(struct script_run *run, struct span subject,
		      const struct variable_ref *output);
