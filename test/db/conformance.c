/* SPDX-License-Identifier: BSD-2-Clause */
/* What every driver must do, as a program: conformance URL. The database is empty or holds the tables
 * of an earlier run. Run by test_conformance.py with real servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "test/db/open.h"

#define LONG_TEXT 255

static struct {
	struct db *db;
	struct arena arena;
	bool is_sql;
	struct span engine;
} test;

/* ---- tables ---------------------------------------------------------------------------------- */

static void must(enum db_status status)
{
	if (status != DB_OK)
		print_error("database: %s: %s\n", db_status_name(status), db_last_error(test.db));
	assert_int_equal(status, DB_OK);
}

static struct db_statement *raw(const char *sql, unsigned values)
{
	struct db_spec spec = { .verb = DB_RAW, .sql = span_from(sql), .value_count = values };
	struct db_statement *statement = db_prepare(test.db, &test.arena, &spec);
	assert_non_null(statement);
	return statement;
}

static bool is_engine(const char *name)
{
	return span_equal(test.engine, span_from(name));
}

static void make_tables(void)
{
	char sql[1024];
	bool postgres = is_engine("postgres"), sqlite = is_engine("sqlite");
	must(db_execute(raw("DROP TABLE IF EXISTS contact", 0), NULL, NULL));
	snprintf(sql, sizeof(sql),
		 "CREATE TABLE contact (id %s, name VARCHAR(255) NOT NULL, big BIGINT, q %s, "
		 "expires %s, body %s, text %s, UNIQUE (name))",
		 postgres ? "SERIAL PRIMARY KEY NOT NULL"
		 : sqlite ? "INTEGER PRIMARY KEY NOT NULL"
			  : "INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL",
		 postgres || sqlite ? "REAL" : "FLOAT(10,2)",
		 postgres ? "TIMESTAMP WITHOUT TIME ZONE" : "DATETIME", postgres ? "BYTEA" : "BLOB",
		 postgres || sqlite ? "TEXT" : "MEDIUMTEXT");
	must(db_execute(raw(sql, 0), NULL, NULL));
}

static const struct db_column columns[] = {
	{ SPAN("name"), DB_TEXT },    { SPAN("big"), DB_INT },   { SPAN("q"), DB_DOUBLE },
	{ SPAN("expires"), DB_TIME }, { SPAN("body"), DB_BLOB }, { SPAN("text"), DB_TEXT },
};
enum { COLUMN_COUNT = ARRAY_SIZE(columns) };
static const struct db_key by_name[] = { { SPAN("name"), DB_EQUAL } };
static const struct db_order ordered[] = { { SPAN("name"), false } };

static struct db_statement *prepare(struct db_spec spec)
{
	if (!spec.table.at)
		spec.table = SPAN_OF("contact");
	struct db_statement *statement = db_prepare(test.db, &test.arena, &spec);
	assert_non_null(statement);
	return statement;
}

static struct db_statement *insert_statement(void)
{
	return prepare((struct db_spec){
		.verb = DB_INSERT, .columns = columns, .column_count = COLUMN_COUNT });
}

static struct db_statement *find_statement(void)
{
	return prepare((struct db_spec){ .verb = DB_SELECT,
					 .columns = columns,
					 .column_count = COLUMN_COUNT,
					 .keys = by_name,
					 .key_count = 1 });
}

static int empty_table(void **state)
{
	must(db_execute(prepare((struct db_spec){ .verb = DB_DELETE }), NULL, NULL));
	return 0;
}

static void insert_named(struct span name, int64_t big)
{
	struct db_value values[COLUMN_COUNT] = { db_text(name), db_int(big) };
	must(db_execute(insert_statement(), values, NULL));
}

static int64_t count_rows(void)
{
	struct db_rows rows;
	int64_t count = 0;
	must(db_run(prepare((struct db_spec){
			    .verb = DB_SELECT, .columns = columns, .column_count = 1 }),
		    NULL, &rows));
	while (db_next(&rows))
		count++;
	must(db_end(&rows));
	return count;
}

/* The row of a name, copied; NULL when there is none. */
static const struct db_value *find(struct span name)
{
	const struct db_value *row;
	struct db_value key = db_text(name);
	must(db_first(find_statement(), &key, &test.arena, &row));
	return row;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void values_come_back_as_they_went(void **state)
{
	static const char bytes[] = "\0\1\xff'\"\\;--";
	struct span blob =
		span_make(test.is_sql ? bytes : "no zero", test.is_sql ? sizeof(bytes) : 7);
	struct db_value values[] = { db_text(SPAN_OF("alice")),
				     db_int(INT64_C(9007199254740993)),
				     db_double(0.25),
				     db_time(1700000000),
				     db_blob(blob),
				     db_text(SPAN_OF("two\nlines\t: \\ |")) };
	must(db_execute(insert_statement(), values, NULL));
	const struct db_value *row = find(SPAN_OF("alice"));
	assert_non_null(row);
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		assert_int_equal(row[i].kind, columns[i].kind);
	assert_true(span_equal(row[0].text, values[0].text));
	assert_int_equal(row[1].number, test.is_sql ? values[1].number : row[1].number);
	assert_true(row[2].real == 0.25);
	assert_int_equal(row[3].number, 1700000000);
	assert_true(span_equal(row[4].text, blob));
	assert_true(span_equal(row[5].text, values[5].text));
}

static void null_is_not_empty(void **state)
{
	struct db_value values[COLUMN_COUNT] = { db_text(SPAN_OF("bob")) };
	must(db_execute(insert_statement(), values, NULL));
	const struct db_value *row = find(SPAN_OF("bob"));
	for (size_t i = 1; i < COLUMN_COUNT; i++)
		assert_int_equal(row[i].kind, DB_NULL);
	if (!test.is_sql)
		return; /* a text file has one notation for both */
	values[0] = db_text(SPAN_OF("carol"));
	values[5] = db_text(SPAN_OF(""));
	must(db_execute(insert_statement(), values, NULL));
	row = find(SPAN_OF("carol"));
	assert_int_equal(row[5].kind, DB_TEXT);
	assert_int_equal(row[5].text.len, 0);
}

static void text_is_never_part_of_a_statement(void **state)
{
	static const struct span names[] = { SPAN("o'brien"),
					     SPAN("x' OR '1'='1"),
					     SPAN("\"; DROP TABLE contact; --"),
					     SPAN("back\\slash"),
					     SPAN("back\\'"),
					     SPAN("`tick`"),
					     SPAN("$(id)"),
					     SPAN("100%_"),
					     SPAN("J\xc3\xbcrgen \xe2\x98\x83 \xf0\x9f\x93\x9e"),
					     SPAN("?"),
					     SPAN("$1"),
					     SPAN(":") };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		insert_named(names[i], (int64_t)i);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct db_value *row = find(names[i]);
		assert_non_null(row);
		assert_true(span_equal(row[0].text, names[i]));
		assert_int_equal(row[1].number, (int64_t)i);
	}
	assert_int_equal(count_rows(), ARRAY_SIZE(names));
}

static void long_names_are_kept_and_longer_ones_harm_nobody(void **state)
{
	char name[LONG_TEXT + 45];
	memset(name, 'n', sizeof(name));
	insert_named(span_make(name, LONG_TEXT), 1);
	assert_non_null(find(span_make(name, LONG_TEXT)));
	struct db_value values[COLUMN_COUNT] = { db_text(span_make(name, sizeof(name))),
						 db_int(2) };
	enum db_status status = db_execute(insert_statement(), values, NULL);
	assert_true(status == DB_OK || status == DB_REJECTED || status == DB_DUPLICATE);
	assert_int_equal(find(span_make(name, LONG_TEXT))[1].number, 1);
}

static void a_zero_byte_harms_nobody(void **state)
{
	struct db_value values[COLUMN_COUNT] = { db_text(SPAN_OF("zero\0byte")), db_int(3) };
	insert_named(SPAN_OF("zero"), 1);
	enum db_status status = db_execute(insert_statement(), values, NULL);
	assert_true(status == DB_OK || status == DB_REJECTED);
	assert_int_equal(find(SPAN_OF("zero"))[1].number, 1);
	const struct db_value *row = NULL;
	status = db_first(find_statement(), values, &test.arena, &row);
	assert_true(status == DB_REJECTED || !row || row[1].number == 3);
}

static void large_texts_pass(void **state)
{
	size_t size = test.is_sql ? 300000 : 3000;
	char *text = malloc(size);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)('a' + i % 26);
	struct db_value values[COLUMN_COUNT] = { db_text(SPAN_OF("large")) };
	values[5] = db_text(span_make(text, size));
	must(db_execute(insert_statement(), values, NULL));
	insert_named(SPAN_OF("small"), 1);
	assert_true(span_equal(find(SPAN_OF("large"))[5].text, values[5].text));
	assert_int_equal(find(SPAN_OF("small"))[5].kind, DB_NULL);
	free(text);
}

static void updates_and_deletes_say_how_many(void **state)
{
	static const struct db_column set[] = { { SPAN("big"), DB_INT } };
	static const struct db_key above[] = { { SPAN("big"), DB_GREATER_OR_EQUAL } };
	int64_t affected = -1;
	for (int i = 0; i < 5; i++) {
		char name[8];
		insert_named(span_make(name, (size_t)snprintf(name, sizeof(name), "n%d", i)), i);
	}
	struct db_value change[] = { db_int(100), db_int(3) };
	must(db_execute(prepare((struct db_spec){ .verb = DB_UPDATE,
						  .columns = set,
						  .column_count = 1,
						  .keys = above,
						  .key_count = 1 }),
			change, &affected));
	assert_int_equal(affected, 2);
	struct db_value limit = db_int(100);
	must(db_execute(
		prepare((struct db_spec){ .verb = DB_DELETE, .keys = above, .key_count = 1 }),
		&limit, &affected));
	assert_int_equal(affected, 2);
	must(db_execute(
		prepare((struct db_spec){ .verb = DB_DELETE, .keys = above, .key_count = 1 }),
		&limit, &affected));
	assert_int_equal(affected, 0);
	assert_int_equal(count_rows(), 3);
}

static void conditions_mean_what_they_say(void **state)
{
	static const struct {
		enum db_operator op;
		struct span column;
		struct db_value value;
		const char *names;
	} rows[] = {
		{ DB_EQUAL, SPAN("big"), { .kind = DB_INT, .number = 2 }, "b" },
		{ DB_NOT_EQUAL, SPAN("big"), { .kind = DB_INT, .number = 2 }, "ac" },
		{ DB_LESS, SPAN("big"), { .kind = DB_INT, .number = 2 }, "a" },
		{ DB_LESS_OR_EQUAL, SPAN("big"), { .kind = DB_INT, .number = 2 }, "ab" },
		{ DB_GREATER, SPAN("big"), { .kind = DB_INT, .number = 2 }, "c" },
		{ DB_GREATER_OR_EQUAL, SPAN("big"), { .kind = DB_INT, .number = 2 }, "bc" },
		{ DB_LIKE, SPAN("name"), { .kind = DB_TEXT, .text = SPAN("_%") }, "abcd" },
		{ DB_LIKE, SPAN("name"), { .kind = DB_TEXT, .text = SPAN("a%") }, "a" },
		{ DB_IS_NULL, SPAN("big"), { 0 }, "d" },
		{ DB_IS_NOT_NULL, SPAN("big"), { 0 }, "abc" },
	};
	insert_named(SPAN_OF("c"), 3);
	insert_named(SPAN_OF("a"), 1);
	insert_named(SPAN_OF("b"), 2);
	struct db_value none[COLUMN_COUNT] = { db_text(SPAN_OF("d")) };
	must(db_execute(insert_statement(), none, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct db_key key = { rows[i].column, rows[i].op };
		struct db_rows found;
		char names[8] = "";
		must(db_run(prepare((struct db_spec){ .verb = DB_SELECT,
						      .columns = columns,
						      .column_count = 1,
						      .keys = &key,
						      .key_count = 1,
						      .order = ordered,
						      .order_count = 1 }),
			    &rows[i].value, &found));
		for (size_t n = 0; db_next(&found) && n < 7; n++)
			names[n] = found.values[0].text.at[0];
		must(db_end(&found));
		assert_string_equal(names, rows[i].names);
	}
}

static void order_and_limit(void **state)
{
	static const struct db_order down[] = { { SPAN("big"), true } };
	struct db_rows rows;
	for (int i = 0; i < 4; i++) {
		char name[8];
		insert_named(span_make(name, (size_t)snprintf(name, sizeof(name), "n%d", i)),
			     i * 10);
	}
	must(db_run(prepare((struct db_spec){ .verb = DB_SELECT,
					      .columns = columns,
					      .column_count = 2,
					      .order = down,
					      .order_count = 1,
					      .limit = 2 }),
		    NULL, &rows));
	assert_true(db_next(&rows));
	assert_int_equal(rows.values[1].number, 30);
	assert_true(span_equal(db_column_name(&rows, 1), SPAN_OF("big")));
	assert_true(db_next(&rows));
	assert_int_equal(rows.values[1].number, 20);
	assert_false(db_next(&rows));
	must(db_end(&rows));
}

static void a_second_row_with_the_same_key_is_a_duplicate(void **state)
{
	struct db_value values[COLUMN_COUNT] = { db_text(SPAN_OF("twice")), db_int(2) };
	if (!test.is_sql)
		return; /* text files have no unique keys */
	insert_named(SPAN_OF("twice"), 1);
	assert_int_equal(db_execute(insert_statement(), values, NULL), DB_DUPLICATE);
	assert_int_equal(find(SPAN_OF("twice"))[1].number, 1);
}

static void upsert_inserts_or_updates(void **state)
{
	static const struct db_column two[] = { { SPAN("name"), DB_TEXT },
						{ SPAN("q"), DB_DOUBLE } };
	struct db_statement *upsert = prepare((struct db_spec){ .verb = DB_UPSERT,
								.columns = two,
								.column_count = 2,
								.keys = by_name,
								.key_count = 1,
								.row_count = 2 });
	insert_named(SPAN_OF("old"), 7);
	struct db_value values[] = { db_text(SPAN_OF("old")), db_double(0.5),
				     db_text(SPAN_OF("new")), db_double(0.75) };
	assert_int_equal(db_value_count(upsert), 4);
	must(db_execute(upsert, values, NULL));
	assert_int_equal(count_rows(), 2);
	assert_int_equal(find(SPAN_OF("old"))[1].number, 7);
	assert_true(find(SPAN_OF("old"))[2].real == 0.5);
	assert_true(find(SPAN_OF("new"))[2].real == 0.75);
}

static void replace_leaves_one_row(void **state)
{
	static const struct db_column two[] = { { SPAN("name"), DB_TEXT },
						{ SPAN("big"), DB_INT } };
	struct db_statement *replace = prepare((struct db_spec){ .verb = DB_REPLACE,
								 .columns = two,
								 .column_count = 2,
								 .keys = by_name,
								 .key_count = 1 });
	for (int i = 1; i < 3; i++) {
		struct db_value values[] = { db_text(SPAN_OF("one")), db_int(i) };
		must(db_execute(replace, values, NULL));
	}
	assert_int_equal(count_rows(), 1);
	assert_int_equal(find(SPAN_OF("one"))[1].number, 2);
}

static void an_unknown_table_is_rejected(void **state)
{
	struct db_rows rows;
	struct db_statement *statement =
		prepare((struct db_spec){ .verb = DB_SELECT, .table = SPAN("nosuch") });
	assert_int_equal(db_run(statement, NULL, &rows), DB_REJECTED);
	assert_false(db_next(&rows));
	assert_int_equal(db_end(&rows), DB_OK);
	insert_named(SPAN_OF("after"), 1);
}

static void an_unknown_column_is_rejected(void **state)
{
	static const struct db_column nosuch[] = { { SPAN("nosuch"), DB_TEXT } };
	struct db_rows rows;
	insert_named(SPAN_OF("row"), 1);
	struct db_statement *statement = prepare(
		(struct db_spec){ .verb = DB_SELECT, .columns = nosuch, .column_count = 1 });
	assert_int_equal(db_run(statement, NULL, &rows), DB_REJECTED);
}

static void reading_may_end_at_any_row(void **state)
{
	struct db_rows rows;
	for (int i = 0; i < 50; i++) {
		char name[8];
		insert_named(span_make(name, (size_t)snprintf(name, sizeof(name), "n%d", i)), i);
	}
	for (int stop = 0; stop < 3; stop++) {
		must(db_run(prepare((struct db_spec){ .verb = DB_SELECT }), NULL, &rows));
		for (int i = 0; i < stop; i++)
			assert_true(db_next(&rows));
		must(db_end(&rows));
		assert_int_equal(count_rows(), 50);
	}
}

struct contact {
	struct span name;
	int64_t big;
};
static const struct field contact_fields[] = {
	FIELD(struct contact, name, "who"),
	FIELD(struct contact, big, "a number"),
};

static void fields_are_rows(void **state)
{
	struct field_table fields = FIELDS(contact_fields);
	struct db_column two[2];
	struct db_value values[2];
	struct contact alice = { SPAN("alice"), 5 }, found;
	struct db_rows rows;
	db_columns_of(fields, two);
	db_write_fields(fields, &alice, values);
	must(db_execute(
		prepare((struct db_spec){ .verb = DB_INSERT, .columns = two, .column_count = 2 }),
		values, NULL));
	must(db_run(
		prepare((struct db_spec){ .verb = DB_SELECT, .columns = two, .column_count = 2 }),
		NULL, &rows));
	assert_true(db_next(&rows));
	assert_true(db_read_fields(&rows, fields, &found, &test.arena));
	must(db_end(&rows));
	assert_true(span_equal(found.name, alice.name));
	assert_int_equal(found.big, 5);
}

/* ---- SQL only -------------------------------------------------------------------------------- */

static void transactions_are_all_or_nothing(void **state)
{
	struct db_transaction transaction;
	struct db_value values[COLUMN_COUNT] = { db_text(SPAN_OF("kept")) };
	must(db_begin(test.db, &transaction));
	must(db_execute_in(&transaction, insert_statement(), values, NULL));
	must(db_commit(&transaction));
	values[0] = db_text(SPAN_OF("gone"));
	must(db_begin(test.db, &transaction));
	must(db_execute_in(&transaction, insert_statement(), values, NULL));
	db_rollback(&transaction);
	db_rollback(&transaction);
	assert_non_null(find(SPAN_OF("kept")));
	assert_null(find(SPAN_OF("gone")));
}

static void raw_queries_bind_values_and_tell_kinds(void **state)
{
	struct db_rows rows;
	struct db_value values[COLUMN_COUNT] = { db_text(SPAN_OF("a?b")), db_int(4), db_double(1.5),
						 db_time(1700000000) };
	must(db_execute(insert_statement(), values, NULL));
	must(db_run(
		raw("SELECT name, big, q, expires, text, '?' AS mark FROM contact WHERE name = ? AND big >= ?",
		    2),
		values, &rows));
	assert_true(db_next(&rows));
	assert_int_equal(rows.count, 6);
	assert_int_equal(rows.values[0].kind, DB_TEXT);
	assert_int_equal(rows.values[1].kind, DB_INT);
	assert_int_equal(rows.values[2].kind, DB_DOUBLE);
	assert_int_equal(rows.values[3].kind, DB_TIME);
	assert_int_equal(rows.values[3].number, 1700000000);
	assert_int_equal(rows.values[4].kind, DB_NULL);
	assert_true(span_equal(rows.values[5].text, SPAN_OF("?")));
	assert_true(span_equal(db_column_name(&rows, 5), SPAN_OF("mark")));
	assert_false(db_next(&rows));
	must(db_end(&rows));
	struct db_statement *nonsense = raw("SELEKT 1", 0);
	assert_int_equal(db_run(nonsense, NULL, &rows), DB_REJECTED);
	must(db_run(raw("SELECT COUNT(*) FROM contact", 0), NULL, &rows));
	assert_true(db_next(&rows));
	assert_int_equal(db_as_int(&rows.values[0]), 1);
	must(db_end(&rows));
}

static void many_rows_are_read_one_by_one(void **state)
{
	enum { BATCH = 100, ROWS = 5000 };
	struct db_transaction transaction;
	static struct db_value values[BATCH * 2];
	static char names[BATCH][16];
	static const struct db_column two[] = { { SPAN("name"), DB_TEXT },
						{ SPAN("big"), DB_INT } };
	struct db_statement *insert = prepare((struct db_spec){
		.verb = DB_INSERT, .columns = two, .column_count = 2, .row_count = BATCH });
	must(db_begin(test.db, &transaction));
	for (int i = 0; i < ROWS; i++) {
		int at = i % BATCH;
		values[2 * at] =
			db_text(span_make(names[at], (size_t)snprintf(names[at], 16, "user%d", i)));
		values[2 * at + 1] = db_int(i);
		if (at == BATCH - 1)
			must(db_execute_in(&transaction, insert, values, NULL));
	}
	must(db_commit(&transaction));
	struct db_rows rows;
	int64_t sum = 0;
	must(db_run(
		prepare((struct db_spec){ .verb = DB_SELECT, .columns = two, .column_count = 2 }),
		NULL, &rows));
	while (db_next(&rows))
		sum += rows.values[1].number;
	must(db_end(&rows));
	assert_int_equal(sum, (int64_t)ROWS * (ROWS - 1) / 2);
}

/* ---- fibers ---------------------------------------------------------------------------------- */

static struct {
	int running;
	int64_t last_us, longest_gap_us;
	int64_t took_ms;
	int wrong;
} fibers;

static void on_tick(struct loop_timer *timer)
{
	int64_t now = clock_us_now();
	if (fibers.last_us && now - fibers.last_us > fibers.longest_gap_us)
		fibers.longest_gap_us = now - fibers.last_us;
	fibers.last_us = now;
}

static void fiber_ends(void)
{
	if (--fibers.running == 0)
		loop_stop();
}

/* A query that takes a second, in each engine's words. */
static const char *slow_query(void)
{
	if (is_engine("mysql"))
		return "SELECT SLEEP(1)";
	if (is_engine("postgres"))
		return "SELECT pg_sleep(1)";
	return "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500000) SELECT MAX(i) FROM n";
}

static void run_slow(void *arg)
{
	struct db_rows rows;
	int64_t start = clock_us_now();
	if (db_run(arg, NULL, &rows) != DB_OK || !db_next(&rows) || db_end(&rows) != DB_OK)
		fibers.wrong++;
	fibers.took_ms = (clock_us_now() - start) / 1000;
	fiber_ends();
}

static void run_quick(void *arg)
{
	struct db_value key = db_text(SPAN_OF("quick"));
	struct db_rows rows;
	for (int i = 0; i < 20; i++)
		if (db_run(arg, &key, &rows) != DB_OK || !db_next(&rows) || db_end(&rows) != DB_OK)
			fibers.wrong++;
	fiber_ends();
}

static void a_slow_query_delays_nobody_else(void **state)
{
	struct loop_timer tick = LOOP_TIMER_INIT;
	insert_named(SPAN_OF("quick"), 1);
	assert_true(loop_init());
	fibers = (typeof(fibers)){ 0 };
	struct db_statement *slow = raw(slow_query(), 0), *quick = find_statement();
	/* More fibers than connections. */
	fibers.running = 30;
	fiber_start(run_slow, slow);
	for (int i = 1; i < 30; i++)
		fiber_start(run_quick, quick);
	loop_timer_start(&tick, 5, 5, on_tick, NULL);
	loop_run();
	loop_timer_stop(&tick);
	assert_int_equal(fibers.wrong, 0);
	assert_true(fibers.took_ms > 100);
	print_message("slow query %d ms, the loop's longest pause %d us\n", (int)fibers.took_ms,
		      (int)fibers.longest_gap_us);
	/* Far less than the query; the machine may be busy. */
	assert_true(fibers.longest_gap_us < fibers.took_ms * 1000 / 2);
}

static void write_much(void *arg)
{
	for (int i = 0; i < 20; i++) {
		struct db_transaction transaction;
		struct db_value values[COLUMN_COUNT] = { db_text(SPAN_OF("busy")), db_int(i) };
		if (db_begin(test.db, &transaction) != DB_OK ||
		    db_execute_in(&transaction, arg, values, NULL) != DB_OK) {
			fibers.wrong++;
			db_rollback(&transaction);
			continue;
		}
		fiber_sleep_ms(1); /* with the transaction open */
		if (db_commit(&transaction) != DB_OK)
			fibers.wrong++;
	}
	fiber_ends();
}

static void writers_wait_for_each_other(void **state)
{
	static const struct db_column two[] = { { SPAN("name"), DB_TEXT },
						{ SPAN("big"), DB_INT } };
	assert_true(loop_init());
	insert_named(SPAN_OF("busy"), -1);
	fibers = (typeof(fibers)){ .running = 4 };
	struct db_statement *upsert = prepare((struct db_spec){ .verb = DB_UPSERT,
								.columns = two,
								.column_count = 2,
								.keys = by_name,
								.key_count = 1 });
	for (int i = 0; i < 4; i++)
		fiber_start(write_much, upsert);
	loop_run();
	assert_int_equal(fibers.wrong, 0);
	assert_int_equal(find(SPAN_OF("busy"))[1].number, 19);
}

/* ---------------------------------------------------------------------------------------------- */

int main(int count, char **arguments)
{
	arena_init(&test.arena, 1 << 16, 1 << 28);
	test.db = open_database(count, arguments);
	if (!test.db)
		return 2;
	test.engine = span_from(db_driver_at(test.db)->name);
	test.is_sql = !is_engine("text");
	if (is_engine("cluster")) /* of SQLite files */
		test.engine = SPAN_OF("sqlite");
	if (test.is_sql)
		make_tables();
#define TEST(name) cmocka_unit_test_setup(name, empty_table)
	const struct CMUnitTest common[] = {
		TEST(values_come_back_as_they_went),
		TEST(null_is_not_empty),
		TEST(text_is_never_part_of_a_statement),
		TEST(long_names_are_kept_and_longer_ones_harm_nobody),
		TEST(a_zero_byte_harms_nobody),
		TEST(large_texts_pass),
		TEST(updates_and_deletes_say_how_many),
		TEST(conditions_mean_what_they_say),
		TEST(order_and_limit),
		TEST(a_second_row_with_the_same_key_is_a_duplicate),
		TEST(upsert_inserts_or_updates),
		TEST(replace_leaves_one_row),
		TEST(an_unknown_table_is_rejected),
		TEST(an_unknown_column_is_rejected),
		TEST(reading_may_end_at_any_row),
		TEST(fields_are_rows),
	};
	const struct CMUnitTest sql[] = {
		TEST(transactions_are_all_or_nothing), TEST(raw_queries_bind_values_and_tell_kinds),
		TEST(many_rows_are_read_one_by_one),   TEST(a_slow_query_delays_nobody_else),
		TEST(writers_wait_for_each_other),
	};
	int failed = cmocka_run_group_tests_name("all drivers", common, NULL, NULL);
	if (test.is_sql)
		failed += cmocka_run_group_tests_name("SQL", sql, NULL, NULL);
	db_close_idle();
	arena_free(&test.arena);
	return failed;
}
