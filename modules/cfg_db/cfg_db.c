/* SPDX-License-Identifier: BSD-2-Clause */
/* cfg_db: values of settings from a database, when the server starts: of those that may change while it
 * runs, and of parameters that the script has made or that the database itself declares. */
#include "core/module/live.h"
#include "core/script/config_names.h"
#include "modules/cfg_db/cfg_db.h"

static struct {
	struct span db_url, transl_tbl, custom_tbl;
} settings = {
	.db_url = SPAN("mysql://kamailioro:kamailioro@localhost/kamailio"),
	.transl_tbl = SPAN("cfg_transl"),
	.custom_tbl = SPAN("cfg_custom"),
};
static const struct field setting_fields[] = {
	FIELD(settings, db_url, "database"),
	FIELD(settings, transl_tbl, "table that says in which tables the values of a group are"),
	FIELD(settings, custom_tbl, "table of parameters that are declared for the script"),
};

static struct db *database;

/* Wraps what the database has as a number or as a text; false after an error was logged. */
static bool convert(struct span group, struct span name, const struct db_value *from, bool is_text,
		    struct value *out)
{
	char buffer[32];
	struct span text = db_as_text(from, buffer);
	if (is_text) {
		*out = VALUE_OF_TEXT(arena_copy(startup_arena(), text));
		return out->text.at;
	}
	*out = VALUE_OF_INT(0);
	if (span_to_int64_any_base(span_trim(text), &out->number))
		return true;
	log_error("cfg_db: the value of %.*s.%.*s is no number: \"%.*s\"", SPAN_ARGS(group),
		  SPAN_ARGS(name), SPAN_ARGS(text));
	return false;
}

/* ---- parameters of the script -------------------------------------------------------------------------- */

enum { GROUP, NAME, TYPE, LEAST, MOST, DESCRIPTION };

static bool is_in_range(const struct db_value *row, const struct value *value)
{
	if (value->kind != VALUE_INT)
		return true;
	return (row[LEAST].kind == DB_NULL || value->number >= db_as_int(&row[LEAST])) &&
	       (row[MOST].kind == DB_NULL || value->number <= db_as_int(&row[MOST]));
}

/* value_type = "int" / "integer" / "string" / "str" */
static bool read_type(struct span type, bool *out_is_text)
{
	*out_is_text = span_starts_with_nocase(type, SPAN_OF("s"));
	return *out_is_text || span_starts_with_nocase(type, SPAN_OF("i"));
}

static bool declare(const struct db_value *row)
{
	struct span group = row[GROUP].text, name = row[NAME].text;
	struct db_value found;
	bool is_text;
	if (!group.len || !name.len || !read_type(row[TYPE].text, &is_text)) {
		log_error(
			"table %.*s: %.*s.%.*s needs a group, a name and the value_type int or string",
			SPAN_ARGS(settings.custom_tbl), SPAN_ARGS(group), SPAN_ARGS(name));
		return false;
	}
	struct value value = is_text ? VALUE_OF_TEXT(SPAN_OF("")) : VALUE_OF_INT(0), wanted;
	config_custom_find(group, name, &value);
	if (find_value(group, name, &found) && convert(group, name, &found, is_text, &wanted)) {
		if (is_in_range(row, &wanted))
			value = wanted;
		else
			log_error("cfg_db: the value of %.*s.%.*s is out of its range: %lld",
				  SPAN_ARGS(group), SPAN_ARGS(name), (long long)wanted.number);
	}
	return config_custom_set(group, name, &value,
				 row[DESCRIPTION].text.at ? row[DESCRIPTION].text : SPAN_OF(""));
}

static bool declare_all(void)
{
	static const struct db_column columns[] = {
		[GROUP] = { SPAN("group_name"), DB_TEXT },
		[NAME] = { SPAN("name"), DB_TEXT },
		[TYPE] = { SPAN("value_type"), DB_TEXT },
		[LEAST] = { SPAN("min_value"), DB_INT },
		[MOST] = { SPAN("max_value"), DB_INT },
		[DESCRIPTION] = { SPAN("description"), DB_TEXT },
	};
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = settings.custom_tbl,
				      .columns = columns,
				      .column_count = ARRAY_SIZE(columns) };
	const struct db_statement *all = db_prepare(database, startup_arena(), &spec);
	struct db_rows rows;
	struct row_set set;
	if (!all || db_run(all, NULL, &rows) != DB_OK ||
	    !row_set_read(&rows, startup_arena(), &set))
		return false;
	for (unsigned row = 0; row < set.rows; row++)
		if (!declare(row_set_at(&set, row, 0)))
			return false;
	return true;
}

/* Those that the configuration declares; the ones of the table have theirs already. */
static bool read_customs(void)
{
	const struct config_custom *custom;
	for (unsigned i = 0; (custom = config_custom_at(i)); i++) {
		struct db_value found;
		struct value value;
		if (find_value(custom->group, custom->name, &found) &&
		    convert(custom->group, custom->name, &found, custom->value.kind == VALUE_TEXT,
			    &value) &&
		    !config_custom_set(custom->group, custom->name, &value, custom->description))
			return false;
	}
	return true;
}

/* ---- settings ------------------------------------------------------------------------------------------ */

static void read_setting(const struct live_setting *setting)
{
	struct span group = span_from(setting->group), name = span_from(setting->name);
	struct db_value found;
	struct value value;
	if (!setting->can_change || !find_value(group, name, &found) ||
	    !convert(group, name, &found, live_is_text(setting), &value))
		return;
	const char *wrong = live_set(setting, &value, startup_arena());
	if (wrong)
		log_error("cfg_db: %.*s.%.*s is not set: %s", SPAN_ARGS(group), SPAN_ARGS(name),
			  wrong);
}

/* ---- module -------------------------------------------------------------------------------------------- */

/* The script may name what is declared here, so this is before the script is compiled. */
static bool prepare(struct diagnostics *diagnostics)
{
	database = db_use(settings.db_url, "cfg_db.db_url", diagnostics,
			  module_setting_position("cfg_db", "db_url"));
	if (!database)
		return false;
	if (!db_need_table(database, "cfg_db", settings.transl_tbl, 0) ||
	    !db_need_table(database, "cfg_db", settings.custom_tbl, 0))
		return false;
	bool is_good = find_prepare(database, settings.transl_tbl) && read_customs() &&
		       declare_all() && config_custom_share();
	if (!is_good)
		log_error("cfg_db: the parameters were not read");
	return is_good;
}

static bool start(void)
{
	const struct live_setting *setting;
	for (unsigned i = 0; (setting = live_at(i)); i++)
		read_setting(setting);
	return true;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "cfg_db",
	.doc = "Values of settings from a database, when the server starts.",
	.settings = { &settings, FIELDS(setting_fields) },
	.prepare = prepare,
	.start = start,
};
