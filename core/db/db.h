/* SPDX-License-Identifier: BSD-2-Clause */
/* db: databases for modules. A module names a database by its URL, prepares statements from names
 * that the operator chose, and runs them with values; it never sees which engine answers.
 *
 *   prepare()  database = db_use(url, …);  find = db_prepare(database, startup_arena(), &spec);
 *   start()    db_need_table(database, "auth_db", SPAN_OF("subscriber"), 7)
 *   anywhere   db_run(find, values, &rows); while (db_next(&rows)) …; db_end(&rows);
 *
 * A call on a fiber parks it until the database has answered; elsewhere it waits. Connections are
 * opened when they are first needed, in the process that needs them. Values are always bound:
 * no text of a value ever becomes part of a statement. doc/modules.md has the recipe. */
#pragma once

#include "core/base/diagnostic.h"
#include "core/base/field.h"

struct db;           /* a database that settings name; one per URL, shared by modules */
struct db_statement; /* a prepared statement of one database */

/* ---- values ---------------------------------------------------------------------------------- */

enum db_kind {
	DB_NULL, /* as a wish in a spec: "as the database has it" */
	DB_INT,
	DB_DOUBLE,
	DB_TEXT,
	DB_BLOB, /* like text, but the bytes are not characters */
	DB_TIME, /* date and time; `number` is seconds since 1970. Columns hold local time. */
};
struct db_value {
	enum db_kind kind;
	int64_t number;   /* INT, TIME */
	double real;      /* DOUBLE */
	struct span text; /* TEXT, BLOB: borrowed */
};

static inline struct db_value db_null(void)
{
	return (struct db_value){ .kind = DB_NULL };
}
static inline struct db_value db_int(int64_t number)
{
	return (struct db_value){ .kind = DB_INT, .number = number };
}
static inline struct db_value db_double(double real)
{
	return (struct db_value){ .kind = DB_DOUBLE, .real = real };
}
/* The absent span ({NULL, 0}) is NULL in the database. */
static inline struct db_value db_text(struct span text)
{
	return (struct db_value){ .kind = text.at ? DB_TEXT : DB_NULL, .text = text };
}
static inline struct db_value db_blob(struct span bytes)
{
	return (struct db_value){ .kind = bytes.at ? DB_BLOB : DB_NULL, .text = bytes };
}
static inline struct db_value db_time(int64_t wall_s)
{
	return (struct db_value){ .kind = DB_TIME, .number = wall_s };
}

/* Reading a value as something else, where that is possible: text "12" as 12, NULL as 0 or as the
 * absent span, a time as its seconds. */
int64_t db_as_int(const struct db_value *value);
double db_as_double(const struct db_value *value);
/* Text is borrowed from the value or written into `buffer`; a time looks like
 * "2026-01-31 23:59:59". */
struct span db_as_text(const struct db_value *value, char buffer[32]);
int64_t db_as_time(const struct db_value *value);
/* "2026-01-31 23:59:59" (local time) and back; 0 for what is no time ("0000-00-00 00:00:00"). */
struct span db_time_write(int64_t wall_s, char buffer[32]);
int64_t db_time_read(struct span text);

/* ---- results --------------------------------------------------------------------------------- */

/* A caller decides what a failure means for SIP; what it means for the operator was logged already,
 * once per outage (AWAY) or per statement (REJECTED). */
enum [[nodiscard]] db_status{
	DB_OK, DB_DUPLICATE, /* a row with this unique key exists; not logged */
	DB_REJECTED,         /* the database understood and refused: trying again is useless */
	DB_AWAY,             /* not reachable, not in time, or lost meanwhile: try again later */
};
const char *db_status_name(enum db_status status);

/* ---- databases ------------------------------------------------------------------------------- */

/* The database of a URL, for `prepare` of modules: mysql://user:password@host:port/name,
 * postgres://…, sqlite:////path/file, text:///directory, cluster://name. `what` names the setting
 * ("auth_db.db_url") and `at` its place; NULL after a diagnostic (bad URL, driver not loaded).
 * Lives as long as the server. No connection is made. */
struct db *db_use(struct span url, const char *what, struct diagnostics *diagnostics,
		  struct source_position at);
/* The same for settings that may be empty: true and NULL when `url` is empty. */
bool db_use_optional(struct span url, const char *what, struct diagnostics *diagnostics,
		     struct source_position at, struct db **out);
/* The same while the server runs (cfg_db, commands); NULL after the sentence went to `out_wrong`,
 * which is static or lives until the next call. */
struct db *db_find(struct span url, const char **out_wrong);
/* The URL without its password, for logs and answers; borrowed from the database. */
struct span db_shown_url(const struct db *db);
/* A URL as it may be shown, also one that is wrong: "mysql://kamailio:***@localhost/kamailio". */
struct span db_url_without_password(struct span url, struct writer *out);
/* Is the database known to be away right now? False when nobody has asked it yet. */
bool db_is_away(const struct db *db);
/* The last thing that went wrong in this process, for answers to administrators. */
const char *db_last_error(const struct db *db);

/* Checks at start (in `start`, before the workers exist) that the table is there and that the table
 * `version` has this number for it; 0 checks only that the table is there. False after an error was
 * logged that says what to do. */
[[nodiscard]] bool db_need_table(struct db *db, const char *module, struct span table, int version);
/* Only asks: the version of the table, 0 when there is no row for it, -1 when the database or the
 * table `version` is not there. */
int db_table_version(struct db *db, struct span table);

/* ---- statements ------------------------------------------------------------------------------ */

enum db_verb {
	DB_SELECT,
	DB_INSERT,
	DB_UPDATE,
	DB_DELETE,
	DB_UPSERT,  /* insert, or update the row that has the same `keys` */
	DB_REPLACE, /* insert, or put in the place of the row that has the same `keys` */
	DB_RAW,     /* `sql` as it is */
};
enum db_operator {
	DB_EQUAL,
	DB_NOT_EQUAL,
	DB_LESS,
	DB_LESS_OR_EQUAL,
	DB_GREATER,
	DB_GREATER_OR_EQUAL,
	DB_LIKE,        /* with % and _ */
	DB_IS_NULL,     /* takes no value */
	DB_IS_NOT_NULL, /* takes no value */
};

struct db_column {
	struct span name;
	enum db_kind kind; /* SELECT: rows have this kind (or NULL); DB_NULL: as it comes */
};
struct db_key {
	struct span column;
	enum db_operator op;
};
struct db_order {
	struct span column;
	bool is_descending;
};

/* What a statement does. Names are the operator's: any text, quoted as the engine wants it.
 * Values are given to db_run in this order:
 *   SELECT, DELETE   keys
 *   INSERT           columns
 *   UPDATE           columns, then keys
 *   UPSERT, REPLACE  columns (the keys are names of some of them)
 *   RAW              the `?` of the text
 * SELECT without columns yields all of them; UPDATE and DELETE without keys mean all rows. */
struct db_spec {
	enum db_verb verb;
	struct span table;
	const struct db_column *columns;
	unsigned column_count;
	const struct db_key *keys; /* joined by AND */
	unsigned key_count;
	const struct db_order *order;
	unsigned order_count;
	unsigned limit;       /* SELECT: rows at most; 0: all */
	unsigned row_count;   /* INSERT, UPSERT, REPLACE of several rows at once; 0 means 1 */
	struct span sql;      /* RAW; with value_count 0 a `?` has no meaning */
	unsigned value_count; /* RAW: number of `?` */
};

/* Makes a statement; everything is copied into `arena`, which may be that of a message when names
 * are known only then (connections remember what they prepared by its text). NULL when memory is
 * exhausted or a name is unusable (empty, NUL byte). */
struct db_statement *db_prepare(struct db *db, struct arena *arena, const struct db_spec *spec);
/* Number of values that db_run reads. */
unsigned db_value_count(const struct db_statement *statement);
/* Columns from a field table, in its order: INT and BOOL fields are DB_INT, TEXT fields DB_TEXT.
 * `out` has room for fields.count. */
void db_columns_of(struct field_table fields, struct db_column *out);

/* ---- running --------------------------------------------------------------------------------- */

/* A result that is being read: it keeps a connection until db_end. */
struct db_rows {
	const struct db_value
		*values;  /* the current row, borrowed until the next db_next or db_end */
	unsigned count;   /* columns */
	int64_t affected; /* rows that INSERT, UPDATE, DELETE changed */
	int64_t last_id;  /* of an INSERT with an automatic key; 0: none */

	/* private */
	const struct db_statement *statement;
	struct db_connection *connection;
	struct db_value *converted;
	struct db_transaction *transaction;
	enum db_status status;
};

/* Runs the statement. After DB_OK rows are read with db_next and db_end must follow; after anything
 * else `out` is empty (db_next is false, db_end harmless). Rows come as they are read: a million
 * of them needs no more memory than one. The values must stay until db_run returns. */
enum db_status db_run(const struct db_statement *statement, const struct db_value *values,
		      struct db_rows *out);
/* Goes to the next row; false after the last one or when reading failed (db_end tells). */
[[nodiscard]] bool db_next(struct db_rows *rows);
/* Ends reading at any row, gives the connection back; says whether all went well. */
enum db_status db_end(struct db_rows *rows);
/* Name of a column, borrowed until db_end. */
struct span db_column_name(const struct db_rows *rows, unsigned column);
/* Fills the members of a struct from the columns of the current row, in order. Texts are copied
 * into `arena`, or borrowed as values are when it is NULL. False when memory is exhausted. */
bool db_read_fields(const struct db_rows *rows, struct field_table fields, void *object,
		    struct arena *arena);
/* Values from the members of a struct; `out` has room for fields.count. */
void db_write_fields(struct field_table fields, const void *object, struct db_value *out);

/* Runs a statement whose rows are of no interest. `out_affected` may be NULL. */
enum db_status db_execute(const struct db_statement *statement, const struct db_value *values,
			  int64_t *out_affected);
/* The first row, copied into `arena`; *out_row is NULL when there is none. */
enum db_status db_first(const struct db_statement *statement, const struct db_value *values,
			struct arena *arena, const struct db_value **out_row);

/* Several statements as one. Between db_begin and its end the transaction keeps a connection;
 * statements are run with it, one at a time. */
struct db_transaction {
	struct db *db;
	struct db_connection *connection; /* private; NULL when it has ended */
};
enum db_status db_begin(struct db *db, struct db_transaction *out);
enum db_status db_run_in(struct db_transaction *transaction, const struct db_statement *statement,
			 const struct db_value *values, struct db_rows *out);
enum db_status db_execute_in(struct db_transaction *transaction,
			     const struct db_statement *statement, const struct db_value *values,
			     int64_t *out_affected);
/* Ends it; after anything but DB_OK nothing was changed (or, for DB_AWAY, nobody knows). */
enum db_status db_commit(struct db_transaction *transaction);
/* Harmless after an end. */
void db_rollback(struct db_transaction *transaction);

/* ---- processes ------------------------------------------------------------------------------- */

/* Closes the connections of this process that nobody uses. The loader calls it before the first
 * fork: a connection is never shared by two processes. */
void db_close_idle(void);
/* For programs other than the server: loads the driver db_SCHEME.so from one of the directories
 * (separated by ':', NULL: where the server would look beside the program), and opens the database.
 * The program links libcore.a whole and exports its symbols. The URL of a server may end in "/", without
 * a database (PostgreSQL: "postgres" then); db_url_write of driver.h makes URLs from parts. NULL after
 * `out_wrong` says why. */
struct db *db_open_tool(struct span url, const char *directories, const char **out_wrong);
