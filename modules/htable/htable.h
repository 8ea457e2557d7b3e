/* SPDX-License-Identifier: BSD-2-Clause */
/* htable: what the files of the module share. A table is a set of shards of its own; an item is a slot.
 * Locks are held for one item, or for a handful when all are visited. */
#pragma once

#include "core/module/module.h"

struct table_shared;

/* A table, as the setting `htable` defines it. Lives as long as the server. */
struct table {
	struct table *next; /* the one defined before */
	struct span name;
	const char *expired_event; /* "htable:expired:NAME" */
	unsigned size;             /* 2^size buckets, for those who look at them */
	int64_t expire_s;          /* 0: items stay */
	bool keeps_expiry;         /* a change does not prolong an item's life */
	bool is_replicated;
	bool has_initial;
	int64_t initial;         /* of items that are not there */
	struct span db_table;    /* empty: not from a database */
	bool is_stored;          /* written to the database at the stop */
	struct span columns[16]; /* the key and what its value is made of; none: the usual ones */
	unsigned column_count;
	struct span column_null;
	char column_delimiter;
	struct shard_set *set;
	struct table_shared *shared;
};

/* ---- table.c: definitions ------------------------------------------------------------------------ */

/* For the setting: NULL, or what is wrong. */
const char *table_define(struct span text, int64_t number);
/* The newest one; the others follow by `next`. */
struct table *table_first(void);
struct table *table_find(struct span name);
/* Splits "NAME=>KEY" and finds the table; NULL when it has no "=>" or there is no such table (logged). */
struct table *table_of_key(struct span text, struct span *out_key);
/* Shared memory for all tables; false when there is none. */
bool tables_prepare(void);
/* The same as table_find; NULL is logged. */
struct table *table_need(struct span name);

/* ---- items.c: what is in a table -------------------------------------------------------------------- */

#define EXPIRES_AS_TABLE (-1)
#define EXPIRES_NEVER    0

/* A copy of an item, and its name for changes. */
struct item_copy {
	struct span name;
	struct value value;
	int64_t expires_ms; /* monotonic; 0: never */
	unsigned shard;
	uint32_t index, generation;
};
/* Seconds that the item has left; 0: no end. */
int64_t item_left_s(const struct item_copy *item);

bool items_prepare(struct table *table);
/* Texts are copied into `arena`; false when it is not there. */
bool items_get(const struct table *table, struct span key, struct arena *arena,
	       struct item_copy *out);
/* `expires_s`: EXPIRES_…, or seconds. False when shared memory is out (logged). */
bool items_set(const struct table *table, struct span key, const struct value *value,
	       int64_t expires_s);
/* Adds to a number, or to the table's initial value. False when it is text, or not there. */
bool items_add(const struct table *table, struct span key, int64_t n, int64_t *out_number);
bool items_remove(const struct table *table, struct span key);
bool items_set_expiry(const struct table *table, struct span key, int64_t expires_s);
void items_clear(const struct table *table);
/* The bucket of a key, 0 … 2^size-1. */
unsigned items_bucket(const struct table *table, struct span key);

/* The same for an item that was visited: false when it went meanwhile. */
bool item_change(const struct table *table, const struct item_copy *item,
		 const struct value *value);
bool item_remove(const struct table *table, const struct item_copy *item);
bool item_set_expiry(const struct table *table, const struct item_copy *item, int64_t expires_s);

/* Visits items one by one; no lock is held between two steps. Copies lie in the cursor until the next
 * step. */
struct item_cursor {
	const struct table *table;
	unsigned shard;
	uint32_t position;
	char *buffer;
	size_t capacity;
};
void cursor_init(struct item_cursor *cursor, const struct table *table);
/* Frees the copies; the cursor stays where it is. */
void cursor_free(struct item_cursor *cursor);
/* False after the last one, or when memory is out. */
bool cursor_next(struct item_cursor *cursor, struct item_copy *out);

/* Takes what has expired in shard `number` and copies it into `arena`; how many, at most `most`. */
unsigned items_take_expired(const struct table *table, unsigned number, struct arena *arena,
			    struct item_copy *out, unsigned most);

/* A round of loading: what the round does not bring goes at its end. */
uint32_t load_begin(const struct table *table);
bool load_item(const struct table *table, struct span key, const struct value *value,
	       int64_t expires_s, uint32_t round);
/* The number of elements that `key` counted in this round so far; counts one more. -1: no memory. */
int64_t load_count(const struct table *table, struct span key, uint32_t round);
void load_end(const struct table *table, uint32_t round);

/* ---- locks.c: sht_lock -------------------------------------------------------------------------------- */

bool locks_prepare(void);
/* Waits while another message has the key locked. */
void locks_wait(const struct table *table, struct span key, const struct message *msg);
bool locks_take(const struct table *table, struct span key, struct message *msg);
void locks_release(const struct table *table, struct span key, const struct message *msg);
/* After a message: what it did not release. */
void locks_forget(struct message *msg);

/* ---- match.c, iterator.c, script.c, variables.c, commands.c, rows.c: rows --------------------------------- */

extern const struct function_table item_functions, match_functions, iterator_functions;
#define HTABLE_VARIABLES 9
#define HTABLE_COMMANDS  13
extern const struct variable_row htable_variables[HTABLE_VARIABLES];
extern const struct rpc_command htable_commands[HTABLE_COMMANDS];
/* What the module knows about a message; NULL members until they are needed. */
struct message_notes {
	struct iterators *iterators;
	struct held_locks *locks;
};
void notes_prepare(void);
/* NULL when there are none. */
struct message_notes *notes_of(const struct message *msg);
/* NULL when memory is out. */
struct message_notes *notes_make(struct message *msg);
/* The current item of an iterator, for $shtitkey and $shtitval; NULL when there is none. */
const struct item_copy *iterator_item(const struct message *msg, struct span name);
/* $shtcn and $shtcv: items whose names (or values) match the expression. */
int64_t match_count(const struct table *table, struct span expression, bool by_value);
/* Removes items: re, sw, ew, in. False: no such operation, or a bad expression (logged). */
bool match_remove(const struct table *table, struct span op, struct span text, bool by_value);

/* The record of event_route[htable:expired:…]. */
const struct item_copy *expired_record(const struct script_run *run);

struct row_settings {
	struct span db_url, key_name_column, key_type_column, value_type_column, key_value_column,
		expires_column, array_size_suffix;
	bool db_expires;
};
/* ---- rows.c: the database ------------------------------------------------------------------------- */
bool rows_prepare(const struct row_settings *settings, struct diagnostics *diagnostics);
bool rows_has_database(void);
/* Are the tables there? */
bool rows_check(void);
/* Everything is read before anything changes. False after it was logged; then nothing changed. */
bool rows_load(const struct table *table, uint64_t *out_count);
bool rows_store(const struct table *table, uint64_t *out_count);
