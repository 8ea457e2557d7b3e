/* SPDX-License-Identifier: BSD-2-Clause */
/* PostgreSQL. The server quotes names (%I of format) and passwords (%L) itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "utils/control/output.h"
#include "utils/control/settings.h"
#include "utils/kamdbctl/engine.h"

static struct db *root(void)
{
	return database_open(ACCESS_ROOT_NO_DATABASE);
}

static bool pgsql_exists(const char *name, bool *out_exists)
{
	return find_row(root(), "SELECT 1 FROM pg_database WHERE datname = ?",
			db_text(span_from(name)), out_exists);
}

static bool pgsql_create(const char *name)
{
	struct db_value value = db_text(span_from(name));
	return run_quoted(root(), "SELECT format('CREATE DATABASE %I TEMPLATE template0', ?::text)",
			  1, &value);
}

static bool pgsql_drop(const char *name)
{
	struct db_value value = db_text(span_from(name));
	return run_quoted(root(), "SELECT format('DROP DATABASE %I', ?::text)", 1, &value);
}

static const struct {
	const char *user, *password, *tables, *sequences;
} users[] = {
	{ "DBRWUSER", "DBRWPW", "SELECT, INSERT, UPDATE, DELETE", "SELECT, UPDATE, USAGE" },
	{ "DBROUSER", "DBROPW", "SELECT", "SELECT" },
};

static bool make_user(struct db *db, size_t user)
{
	bool is_there;
	struct db_value values[] = { db_text(span_from(setting(users[user].user))),
				     db_text(span_from(setting(users[user].password))) };
	if (!find_row(db, "SELECT 1 FROM pg_roles WHERE rolname = ?", values[0], &is_there))
		return false;
	return is_there ||
	       run_quoted(db, "SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', ?::text, ?::text)",
			  2, values);
}

/* What is there now, and what the administrator makes later. */
static bool pgsql_grant(const char *name)
{
	static const char *const grants[] = {
		"SELECT format('GRANT ' || ?::text || ' ON ALL TABLES IN SCHEMA public TO %I', ?::text)",
		"SELECT format('ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ' || ?::text || ' ON TABLES TO %I', "
		"?::text)",
		"SELECT format('GRANT ' || ?::text || ' ON ALL SEQUENCES IN SCHEMA public TO %I', ?::text)",
		"SELECT format('ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ' || ?::text || ' ON SEQUENCES TO "
		"%I', ?::text)",
	};
	struct db *db = database_open_named(ACCESS_ROOT, name);
	for (size_t user = 0; user < ARRAY_SIZE(users); user++) {
		if (!make_user(db, user))
			return false;
		for (size_t i = 0; i < ARRAY_SIZE(grants); i++) {
			struct db_value values[] = {
				db_text(span_from(i < 2 ? users[user].tables
							: users[user].sequences)),
				db_text(span_from(setting(users[user].user)))
			};
			if (!run_quoted(db, grants[i], 2, values))
				return false;
		}
	}
	return true;
}

/* A copy of the database may have the same users: then they stay. */
static bool drop_role(struct db *db, struct db_value name)
{
	bool is_used;
	if (!find_row(db,
		      "SELECT 1 FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND "
		      "refobjid = (SELECT oid FROM pg_roles WHERE rolname = ?)",
		      name, &is_used))
		return false;
	if (!is_used)
		return run_quoted(db, "SELECT format('DROP ROLE %I', ?::text)", 1, &name);
	say("** INFO: user %.*s has rights in other databases and stays", SPAN_ARGS(name.text));
	return true;
}

static bool pgsql_revoke(const char *name)
{
	struct db *db = database_open_named(ACCESS_ROOT, name);
	for (size_t user = 0; user < ARRAY_SIZE(users); user++) {
		bool is_there;
		struct db_value value = db_text(span_from(setting(users[user].user)));
		if (!find_row(db, "SELECT 1 FROM pg_roles WHERE rolname = ?", value, &is_there))
			return false;
		if (is_there &&
		    (!run_quoted(db, "SELECT format('DROP OWNED BY %I', ?::text)", 1, &value) ||
		     !drop_role(db, value)))
			return false;
	}
	return true;
}

static void connection_variables(void)
{
	static const struct {
		const char *variable, *first, *second;
	} rows[] = { { "PGHOST", "DBROOTHOST", "DBHOST" },
		     { "PGPORT", "DBROOTPORT", "DBPORT" },
		     { "PGUSER", "DBROOTUSER", "DBROOTUSER" } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *value =
			*setting(rows[i].first) ? setting(rows[i].first) : setting(rows[i].second);
		if (*value)
			setenv(rows[i].variable, value, 1);
	}
	if (!*setting("DBROOTUSER"))
		setenv("PGUSER", "postgres", 1);
}

static bool pgsql_backup(const char *name, const char *file)
{
	const char *arguments[] = { "pg_dump", "--no-owner", "--dbname", name, NULL };
	connection_variables();
	return run_tool(arguments, NULL, file, "PGPASSWORD", setting("DBROOTPW"));
}

static bool pgsql_restore(const char *name, const char *file)
{
	const char *arguments[] = { "psql",     "--quiet", "--set",    "ON_ERROR_STOP=1",
				    "--dbname", name,      "--output", "/dev/null",
				    NULL };
	connection_variables();
	return run_tool(arguments, file, NULL, "PGPASSWORD", setting("DBROOTPW"));
}

static bool pgsql_copy(const char *name, const char *new_name)
{
	const char *from[] = { "pg_dump", "--no-owner", "--dbname", name, NULL };
	const char *to[] = { "psql",     "--quiet", "--set",    "ON_ERROR_STOP=1",
			     "--dbname", new_name,  "--output", "/dev/null",
			     NULL };
	connection_variables();
	return pgsql_create(new_name) && run_pipe(from, to, "PGPASSWORD", setting("DBROOTPW"));
}

const struct database_maker pgsql_maker = {
	.engine = ENGINE_PGSQL,
	.schema_folder = "postgres",
	.exists = pgsql_exists,
	.create = pgsql_create,
	.drop = pgsql_drop,
	.grant = pgsql_grant,
	.revoke = pgsql_revoke,
	.backup = pgsql_backup,
	.restore = pgsql_restore,
	.copy = pgsql_copy,
};
