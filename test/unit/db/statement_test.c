/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/db/driver.h"

static const struct db_dialect mysql = { .quote = '`',
					 .has_replace = true,
					 .has_duplicate_key = true };
static const struct db_dialect postgres = { .quote = '"',
					    .folds_names = true,
					    .numbers_values = true };

static const struct db_column columns[] = { { SPAN("ruid"), DB_TEXT },
					    { SPAN("Exp`ires"), DB_TIME } };
static const struct db_key keys[] = { { SPAN("ruid"), DB_EQUAL },
				      { SPAN("domain"), DB_IS_NULL },
				      { SPAN("q"), DB_GREATER_OR_EQUAL } };
static const struct db_order order[] = { { SPAN("q"), true }, { SPAN("id"), false } };

#define COLUMNS  .columns = columns, .column_count = 2
#define KEYS     .keys = keys, .key_count = 3
#define ONE_KEY  .keys = keys, .key_count = 1
#define LOCATION .table = SPAN("s.Loc\"ation")

static void writes_sql_of_two_dialects(void **state)
{
	static const struct {
		struct db_spec spec;
		const char *mysql, *postgres;
	} rows[] = {
		{ { .verb = DB_SELECT,
		    LOCATION,
		    COLUMNS,
		    KEYS,
		    .order = order,
		    .order_count = 2,
		    .limit = 5 },
		  "SELECT `ruid`,`Exp``ires` FROM `s`.`Loc\"ation` WHERE `ruid` = ? AND `domain` IS NULL "
		  "AND `q` >= ? ORDER BY `q` DESC,`id` LIMIT 5",
		  "SELECT \"ruid\",\"exp`ires\" FROM \"s\".\"loc\"\"ation\" WHERE \"ruid\" = $1 AND "
		  "\"domain\" IS NULL AND \"q\" >= $2 ORDER BY \"q\" DESC,\"id\" LIMIT 5" },
		{ { .verb = DB_SELECT, .table = SPAN("t") },
		  "SELECT * FROM `t`",
		  "SELECT * FROM \"t\"" },
		{ { .verb = DB_INSERT, .table = SPAN("t"), COLUMNS, .row_count = 2 },
		  "INSERT INTO `t` (`ruid`,`Exp``ires`) VALUES (?,?),(?,?)",
		  "INSERT INTO \"t\" (\"ruid\",\"exp`ires\") VALUES ($1,$2),($3,$4)" },
		{ { .verb = DB_UPDATE, .table = SPAN("t"), COLUMNS, ONE_KEY },
		  "UPDATE `t` SET `ruid`=?,`Exp``ires`=? WHERE `ruid` = ?",
		  "UPDATE \"t\" SET \"ruid\"=$1,\"exp`ires\"=$2 WHERE \"ruid\" = $3" },
		{ { .verb = DB_DELETE, .table = SPAN("t"), ONE_KEY },
		  "DELETE FROM `t` WHERE `ruid` = ?",
		  "DELETE FROM \"t\" WHERE \"ruid\" = $1" },
		{ { .verb = DB_UPSERT, .table = SPAN("t"), COLUMNS, ONE_KEY },
		  "INSERT INTO `t` (`ruid`,`Exp``ires`) VALUES (?,?) ON DUPLICATE KEY UPDATE "
		  "`Exp``ires`=VALUES(`Exp``ires`)",
		  "INSERT INTO \"t\" (\"ruid\",\"exp`ires\") VALUES ($1,$2) ON CONFLICT (\"ruid\") DO UPDATE "
		  "SET \"exp`ires\"=excluded.\"exp`ires\"" },
		{ { .verb = DB_REPLACE, .table = SPAN("t"), COLUMNS, ONE_KEY },
		  "REPLACE INTO `t` (`ruid`,`Exp``ires`) VALUES (?,?)",
		  "INSERT INTO \"t\" (\"ruid\",\"exp`ires\") VALUES ($1,$2) ON CONFLICT (\"ruid\") DO UPDATE "
		  "SET \"exp`ires\"=excluded.\"exp`ires\"" },
		{ { .verb = DB_RAW,
		    .sql = SPAN("select '?' , \"?\" from t where a=? and b=?"),
		    .value_count = 2 },
		  "select '?' , \"?\" from t where a=? and b=?",
		  "select '?' , \"?\" from t where a=$1 and b=$2" },
		{ { .verb = DB_RAW, .sql = SPAN("select a ? b") }, "select a ? b", "select a ? b" },
	};
	char buffer[512];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct writer w = writer_fixed(buffer, sizeof(buffer));
		db_sql_write(&w, &mysql, &rows[i].spec);
		assert_string_equal(writer_terminate(&w), rows[i].mysql);
		w = writer_fixed(buffer, sizeof(buffer));
		db_sql_write(&w, &postgres, &rows[i].spec);
		assert_string_equal(writer_terminate(&w), rows[i].postgres);
	}
}

static void some_names_are_unusable(void **state)
{
	char name[256];
	memset(name, 'x', sizeof(name));
	assert_true(db_name_is_usable(span_make(name, 255)));
	assert_false(db_name_is_usable(span_make(name, 256)));
	assert_false(db_name_is_usable(SPAN_OF("")));
	assert_false(db_name_is_usable(SPAN_OF("a\0b")));
	assert_true(db_name_is_usable(SPAN_OF("a;drop table b--")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_sql_of_two_dialects),
		cmocka_unit_test(some_names_are_unusable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
