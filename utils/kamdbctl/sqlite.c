/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite: a database is a file; whoever may write the file may write the database. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "utils/control/output.h"
#include "utils/kamdbctl/engine.h"

static bool sqlite_exists(const char *path, bool *out_exists)
{
	struct stat about;
	*out_exists = stat(path, &about) == 0 && about.st_size > 0;
	return true;
}

static bool sqlite_create(const char *path)
{
	char folder[PATH_MAX];
	snprintf(folder, sizeof(folder), "%s", path);
	char *slash = strrchr(folder, '/');
	if (slash && slash != folder) {
		*slash = '\0';
		if (mkdir(folder, 0755) < 0 && errno != EEXIST) {
			say_error("cannot make the folder %s: %s", folder, strerror(errno));
			return false;
		}
	}
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
	if (fd < 0) {
		say_error("cannot make %s: %s", path, strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static bool sqlite_drop(const char *path)
{
	static const char *const beside[] = { "-wal", "-shm", "-journal" };
	if (unlink(path) < 0) {
		say_error("cannot remove %s: %s", path, strerror(errno));
		return false;
	}
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		char name[PATH_MAX];
		if (snprintf(name, sizeof(name), "%s%s", path, beside[i]) < (int)sizeof(name))
			unlink(name);
	}
	return true;
}

static bool sqlite_grant(const char *path)
{
	say_info("SQLite has no users: let the server's user write %s and its folder", path);
	return true;
}

/* A copy that is whole also while the server writes. */
static bool sqlite_backup(const char *path, const char *file)
{
	if (access(file, F_OK) == 0) {
		say_error("%s exists already; a backup does not overwrite", file);
		return false;
	}
	struct db *db = database_open_named(ACCESS_WRITE, path);
	struct db_value value = db_text(span_from(file));
	return database_execute(db, database_sql(db, SPAN_OF("VACUUM INTO ?"), 1), &value, NULL);
}

static bool sqlite_restore(const char *path, const char *file)
{
	bool exists;
	if (!sqlite_exists(file, &exists) || !exists) {
		say_error("%s is not there, or empty", file);
		return false;
	}
	if (sqlite_exists(path, &exists) && exists) {
		say_error("%s exists already; `kamdbctl drop` removes it", path);
		return false;
	}
	if (access(path, F_OK) == 0)
		unlink(path);
	return sqlite_backup(file, path);
}

const struct database_maker sqlite_maker = {
	.engine = ENGINE_SQLITE,
	.schema_folder = "db_sqlite",
	.exists = sqlite_exists,
	.create = sqlite_create,
	.drop = sqlite_drop,
	.grant = sqlite_grant,
	.revoke = sqlite_grant,
	.backup = sqlite_backup,
	.restore = sqlite_restore,
	.copy = sqlite_backup,
};
