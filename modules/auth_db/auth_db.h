/* SPDX-License-Identifier: BSD-2-Clause */
/* auth_db: what the files of the module share. */
#pragma once

#include "core/db/tables.h"
#include "core/module/module.h"
#include "modules/auth/auth_api.h"

struct auth_db_settings {
	struct span db_url;
	struct span user_column, domain_column, password_column, password_column_2;
	bool calculate_ha1, use_domain, version_table, force_generate_avps;
	struct span load_credentials;
};
extern const struct auth_db_settings *const auth_db_settings;

/* ---- lookup.c: subscribers ------------------------------------------------------------------------- */

struct lookup {
	struct span table;
	struct span user;
	struct span domain; /* absent: of any domain */
	bool with_ha1b;     /* the password is in password_column_2 */
};
/* A row that was found; in the run's arena. */
struct subscriber {
	struct span password;               /* absent when the column is NULL */
	const struct db_value *credentials; /* of load_credentials */
};

/* Reads the setting load_credentials and uses the database; false after a diagnostic. */
bool lookup_prepare(struct diagnostics *diagnostics);
/* Checks the tables that the script names. */
bool lookup_start(void);
const char *lookup_note_table(struct span table, int64_t number);
/* AUTH_OK, AUTH_NO_USER, or AUTH_ERROR when the database did not answer. */
enum auth_result lookup_subscriber(struct script_run *run, const struct lookup *lookup,
				   struct subscriber *out);
/* Assigns what load_credentials names. */
void lookup_load(struct script_run *run, const struct subscriber *subscriber);
