/* SPDX-License-Identifier: BSD-2-Clause */
/* db_sqlite: databases in files, for sites of one server; the embedded default. */
#include "modules/db_sqlite/db_sqlite.h"

#define FILES_MOST 32

static struct {
	struct sqlite_file files[FILES_MOST];
	unsigned file_count;
} settings;

static struct sqlite_file *file_of(struct span path)
{
	for (unsigned i = 0; i < settings.file_count; i++)
		if (span_equal(settings.files[i].path, path))
			return &settings.files[i];
	if (settings.file_count == FILES_MOST)
		return NULL;
	struct sqlite_file *file = &settings.files[settings.file_count++];
	file->path = path;
	return file;
}

const struct sqlite_file *sqlite_file_settings(struct span path)
{
	static const struct sqlite_file none;
	for (unsigned i = 0; i < settings.file_count; i++)
		if (span_equal(settings.files[i].path, path))
			return &settings.files[i];
	return &none;
}

static const char *accept_readonly(struct span text, int64_t number)
{
	struct sqlite_file *file = text.len ? file_of(text) : NULL;
	if (!file)
		return text.len ? "too many files have settings"
				: "expects the path of a database file";
	file->is_readonly = true;
	return NULL;
}

/* path "=" value */
static struct sqlite_file *split(struct span text, struct span *out_value)
{
	size_t equals = span_find(text, '=', 0);
	*out_value = span_slice(text, equals + 1, text.len);
	return equals > 0 && equals + 1 < text.len ? file_of(span_slice(text, 0, equals)) : NULL;
}

static const char *accept_journal(struct span text, int64_t number)
{
	static const char *const modes[] = {
		"WAL", "DELETE", "TRUNCATE", "PERSIST", "MEMORY", "OFF"
	};
	struct span value;
	struct sqlite_file *file = split(text, &value);
	if (!file)
		return "expects path=mode, like /var/lib/viaduct/viaduct.sqlite=WAL";
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (span_equal_nocase(value, span_from(modes[i]))) {
			file->journal_mode = span_from(modes[i]);
			return NULL;
		}
	return "the mode is WAL, DELETE, TRUNCATE, PERSIST, MEMORY or OFF";
}

static const char *accept_busy(struct span text, int64_t number)
{
	struct span value;
	int64_t busy_ms;
	struct sqlite_file *file = split(text, &value);
	if (!file || !span_to_int64(value, &busy_ms) || busy_ms < 1 || busy_ms > 600000)
		return "expects path=milliseconds, like /var/lib/viaduct/viaduct.sqlite=500";
	file->busy_ms = busy_ms;
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("db_set_readonly", accept_readonly, "path of a file that is only read"),
	FIELD_ACCEPT("db_set_journal_mode", accept_journal,
		     "path=mode; WAL unless this says otherwise"),
	FIELD_ACCEPT(
		"db_set_busy_timeout", accept_busy,
		"path=milliseconds to wait for other users of the file; 4000 unless this says otherwise"),
};

static const struct module_interface offers[] = {
	{ DB_DRIVER, DB_DRIVER_VERSION, &sqlite_driver },
};

MODULE_EXPORT const struct db_driver *const db_driver_export = &sqlite_driver;
MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "db_sqlite",
	.doc = "Databases in SQLite files: sqlite:////path/file.",
	.settings = { &settings, FIELDS(setting_fields) },
	.offers = ROWS(offers),
};
