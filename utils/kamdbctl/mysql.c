/* SPDX-License-Identifier: BSD-2-Clause */
/* MySQL and MariaDB. Names and passwords are quoted by the server itself (QUOTE), names of databases
 * by doubling backquotes. */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "utils/control/output.h"
#include "utils/control/settings.h"
#include "utils/kamdbctl/engine.h"

static struct db *root(void)
{
	return database_open(ACCESS_ROOT_NO_DATABASE);
}

static bool mysql_exists(const char *name, bool *out_exists)
{
	return find_row(root(), "SELECT 1 FROM information_schema.schemata WHERE schema_name = ?",
			db_text(span_from(name)), out_exists);
}

/* Character sets have simple names; anything else is refused. */
static bool is_charset(const char *name)
{
	return span_from(name).len < 32 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

static bool mysql_create(const char *name)
{
	const char *charset = *setting("CHARSET") ? setting("CHARSET") : "utf8mb3";
	if (!is_charset(charset)) {
		say_error("CHARSET=%s is no character set", charset);
		return false;
	}
	struct db_value values[] = { db_text(span_from(name)), db_text(span_from(charset)) };
	return run_quoted(
		root(),
		"SELECT CONCAT('CREATE DATABASE `', REPLACE(?, '`', '``'), '` CHARACTER SET ', ?)",
		2, values);
}

static bool mysql_drop(const char *name)
{
	struct db_value value = db_text(span_from(name));
	return run_quoted(root(), "SELECT CONCAT('DROP DATABASE `', REPLACE(?, '`', '``'), '`')", 1,
			  &value);
}

/* From where the users may come: this host, and DBACCESSHOST. */
static unsigned access_hosts(const char *hosts[3])
{
	unsigned count = 0;
	hosts[count++] = "localhost";
	if (strcmp(setting("DBHOST"), "localhost") != 0 &&
	    strcmp(setting("DBHOST"), "127.0.0.1") != 0)
		hosts[count++] = setting("DBHOST");
	if (*setting("DBACCESSHOST"))
		hosts[count++] = setting("DBACCESSHOST");
	return count;
}

static const struct {
	const char *user, *password, *rights;
} users[] = { { "DBRWUSER", "DBRWPW", "ALL PRIVILEGES" }, { "DBROUSER", "DBROPW", "SELECT" } };

static bool grant_one(struct db *db, const char *name, const char *host, size_t user)
{
	struct db_value account[] = { db_text(span_from(setting(users[user].user))),
				      db_text(span_from(host)),
				      db_text(span_from(setting(users[user].password))) };
	struct db_value rights[] = { db_text(span_from(users[user].rights)),
				     db_text(span_from(name)), account[0], account[1] };
	return run_quoted(db,
			  "SELECT CONCAT('CREATE USER IF NOT EXISTS ', QUOTE(?), '@', QUOTE(?), "
			  "' IDENTIFIED BY ', QUOTE(?))",
			  3, account) &&
	       run_quoted(
		       db,
		       "SELECT CONCAT('GRANT ', ?, ' ON `', REPLACE(?, '`', '``'), '`.* TO ', QUOTE(?), '@', "
		       "QUOTE(?))",
		       4, rights);
}

static bool mysql_grant(const char *name)
{
	const char *hosts[3];
	struct db *db = root();
	unsigned count = access_hosts(hosts);
	for (unsigned i = 0; i < count; i++)
		for (size_t user = 0; user < ARRAY_SIZE(users); user++)
			if (!grant_one(db, name, hosts[i], user))
				return false;
	return true;
}

static bool mysql_revoke(const char *name)
{
	const char *hosts[3];
	struct db *db = root();
	unsigned count = access_hosts(hosts);
	for (unsigned i = 0; i < count; i++)
		for (size_t user = 0; user < ARRAY_SIZE(users); user++) {
			struct db_value account[] = { db_text(span_from(setting(users[user].user))),
						      db_text(span_from(hosts[i])) };
			if (!run_quoted(
				    db,
				    "SELECT CONCAT('DROP USER IF EXISTS ', QUOTE(?), '@', QUOTE(?))",
				    2, account))
				return false;
		}
	return true;
}

/* Connection arguments of the server's own programs, with room for three more. */
struct client {
	const char *arguments[12];
	char host[300], port[32], user[128];
	unsigned count;
};

static struct client client(const char *program)
{
	struct client client = { .count = 1 };
	const char *root_user = *setting("DBROOTUSER") ? setting("DBROOTUSER") : "root";
	const char *port = *setting("DBROOTPORT") ? setting("DBROOTPORT") : setting("DBPORT");
	client.arguments[0] = program;
	snprintf(client.host, sizeof(client.host), "--host=%s",
		 *setting("DBROOTHOST") ? setting("DBROOTHOST") : setting("DBHOST"));
	snprintf(client.port, sizeof(client.port), "--port=%s", port);
	snprintf(client.user, sizeof(client.user), "--user=%s", root_user);
	return client;
}

static const char *const *with(struct client *client, const char *more, const char *name)
{
	const char *words[] = { client->host, client->user, more,
				*strchr(client->port, '=') && strchr(client->port, '=')[1]
					? client->port
					: NULL,
				name };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (words[i])
			client->arguments[client->count++] = words[i];
	client->arguments[client->count] = NULL;
	return client->arguments;
}

static bool mysql_backup(const char *name, const char *file)
{
	struct client dump = client("mysqldump");
	return run_tool(with(&dump, "--single-transaction", name), NULL, file, "MYSQL_PWD",
			setting("DBROOTPW"));
}

static bool mysql_restore(const char *name, const char *file)
{
	struct client shell = client("mysql");
	return run_tool(with(&shell, "--batch", name), file, NULL, "MYSQL_PWD",
			setting("DBROOTPW"));
}

static bool mysql_copy(const char *name, const char *new_name)
{
	struct client dump = client("mysqldump"), shell = client("mysql");
	return mysql_create(new_name) &&
	       run_pipe(with(&dump, "--single-transaction", name),
			with(&shell, "--batch", new_name), "MYSQL_PWD", setting("DBROOTPW"));
}

const struct database_maker mysql_maker = {
	.engine = ENGINE_MYSQL,
	.schema_folder = "mysql",
	.exists = mysql_exists,
	.create = mysql_create,
	.drop = mysql_drop,
	.grant = mysql_grant,
	.revoke = mysql_revoke,
	.backup = mysql_backup,
	.restore = mysql_restore,
	.copy = mysql_copy,
};
