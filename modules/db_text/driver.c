/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver: tables are read when their files have changed, changes are written at once, under a
 * lock of the directory that all processes respect. Transactions are accepted, but what was written
 * is not taken back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "modules/db_text/db_text.h"

#define LOCK_MS      4000
#define COLUMNS_MOST 256

struct connection {
	struct db_connection base;
	struct span directory;
	int directory_fd;
	struct text_table *tables;
	/* the result that is being read */
	struct db_value **found;
	unsigned found_count, found_room, next;
	int columns[COLUMNS_MOST];
	struct span names[COLUMNS_MOST];
	struct db_value row[COLUMNS_MOST];
};

static struct span directory_of(const struct db_url *url)
{
	struct span rest = url->rest;
	return span_starts_with(rest, SPAN_OF("//")) ? span_slice(rest, 2, rest.len) : rest;
}

static const char *check_url(const struct db_url *url)
{
	return directory_of(url).len ? NULL
				     : "it names no directory, like text:///var/lib/viaduct/tables";
}

/* ---- connections ----------------------------------------------------------------------------- */

static void driver_close(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	while (self->tables) {
		struct text_table *table = self->tables;
		self->tables = table->next;
		text_table_free(table);
	}
	if (self->directory_fd >= 0)
		close(self->directory_fd);
	free(self->found);
	free(self);
}

static struct db_connection *driver_open(const struct db_url *url, char error[256],
					 enum db_status *out_status)
{
	struct connection *self = calloc(1, sizeof(*self));
	if (!self) {
		snprintf(error, 256, "no memory");
		return NULL;
	}
	self->directory = directory_of(url);
	self->directory_fd = open(self->directory.at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self->directory_fd >= 0)
		return &self->base;
	snprintf(error, 256, "%s: %m", self->directory.at);
	*out_status = DB_AWAY;
	driver_close(&self->base);
	return NULL;
}

static bool lock(struct connection *self)
{
	int64_t until_ms = db_now_ms() + LOCK_MS;
	while (flock(self->directory_fd, LOCK_EX | LOCK_NB) < 0) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || db_now_ms() >= until_ms)
			return false;
		db_sleep_ms(2);
	}
	return true;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void drop_table(struct connection *self, struct text_table *table)
{
	for (struct text_table **at = &self->tables; *at; at = &(*at)->next)
		if (*at == table) {
			*at = table->next;
			text_table_free(table);
			return;
		}
}

/* Names become paths: nothing that leads elsewhere. */
static bool is_file_name(struct span name)
{
	return span_find(name, '/', 0) == name.len && name.at[0] != '.';
}

static enum db_status table_of(struct connection *self, struct span name, struct text_table **out)
{
	struct text_table *table = self->tables;
	while (table && !span_equal(table->name, name))
		table = table->next;
	if (table && !text_table_is_current(table, self->directory)) {
		drop_table(self, table);
		table = NULL;
	}
	if (!table) {
		if (!is_file_name(name))
			return db_fail(&self->base, DB_REJECTED, "a table's name is a file's name");
		table = text_table_read(self->directory, name, self->base.error);
		if (!table)
			return DB_REJECTED;
		table->next = self->tables;
		self->tables = table;
	}
	*out = table;
	return DB_OK;
}

/* The places of columns in the table. */
static enum db_status find_columns(struct connection *self, const struct text_table *table,
				   const struct db_column *columns, unsigned count, int *out)
{
	if (count > COLUMNS_MOST)
		return db_fail(&self->base, DB_REJECTED, "too many columns");
	for (unsigned i = 0; i < count; i++) {
		out[i] = text_table_column(table, columns[i].name);
		if (out[i] < 0)
			return db_fail(&self->base, DB_REJECTED, "there is no column %.*s",
				       SPAN_ARGS(columns[i].name));
	}
	return DB_OK;
}

static enum db_status find_keys(struct connection *self, const struct text_table *table,
				const struct db_spec *spec, int *out)
{
	if (spec->key_count > COLUMNS_MOST)
		return db_fail(&self->base, DB_REJECTED, "too many columns");
	for (unsigned i = 0; i < spec->key_count; i++) {
		out[i] = text_table_column(table, spec->keys[i].column);
		if (out[i] < 0)
			return db_fail(&self->base, DB_REJECTED, "there is no column %.*s",
				       SPAN_ARGS(spec->keys[i].column));
	}
	return DB_OK;
}

/* ---- SELECT ---------------------------------------------------------------------------------- */

static bool keep_row(struct connection *self, struct db_value *row)
{
	if (self->found_count == self->found_room) {
		unsigned room = self->found_room ? 2 * self->found_room : 64;
		struct db_value **found = realloc(self->found, room * sizeof(*found));
		if (!found)
			return false;
		self->found = found;
		self->found_room = room;
	}
	self->found[self->found_count++] = row;
	return true;
}

struct sorting {
	const struct db_spec *spec;
	int columns[COLUMNS_MOST];
};

static int compare_rows(const void *a, const void *b, void *data)
{
	const struct db_value *x = *(struct db_value *const *)a, *y = *(struct db_value *const *)b;
	const struct sorting *sorting = data;
	for (unsigned i = 0; i < sorting->spec->order_count; i++) {
		int order = text_compare(&x[sorting->columns[i]], &y[sorting->columns[i]]);
		if (order)
			return sorting->spec->order[i].is_descending ? -order : order;
	}
	return 0;
}

static enum db_status sort(struct connection *self, const struct text_table *table,
			   const struct db_spec *spec)
{
	struct sorting sorting = { .spec = spec };
	for (unsigned i = 0; i < spec->order_count; i++) {
		sorting.columns[i] = text_table_column(table, spec->order[i].column);
		if (sorting.columns[i] < 0)
			return db_fail(&self->base, DB_REJECTED, "there is no column %.*s",
				       SPAN_ARGS(spec->order[i].column));
	}
	if (spec->order_count)
		qsort_r(self->found, self->found_count, sizeof(self->found[0]), compare_rows,
			&sorting);
	return DB_OK;
}

static enum db_status choose_columns(struct connection *self, const struct text_table *table,
				     const struct db_spec *spec)
{
	unsigned count = spec->column_count ? spec->column_count : table->column_count;
	if (count > COLUMNS_MOST)
		return db_fail(&self->base, DB_REJECTED, "too many columns");
	for (unsigned i = 0; i < count; i++)
		self->columns[i] = (int)i;
	if (spec->column_count) {
		enum db_status status =
			find_columns(self, table, spec->columns, count, self->columns);
		if (status != DB_OK)
			return status;
	}
	for (unsigned i = 0; i < count; i++)
		self->names[i] = table->columns[self->columns[i]].name;
	self->base.column_names = self->names;
	self->base.column_count = count;
	return DB_OK;
}

static enum db_status run_select(struct connection *self, const struct db_spec *spec,
				 const struct db_value *values)
{
	struct text_table *table = NULL;
	int keys[COLUMNS_MOST];
	enum db_status status = table_of(self, spec->table, &table);
	if (status == DB_OK)
		status = find_keys(self, table, spec, keys);
	if (status == DB_OK)
		status = choose_columns(self, table, spec);
	self->found_count = self->next = 0;
	for (unsigned i = 0; status == DB_OK && i < table->row_count; i++)
		if (text_row_matches(table->rows[i], spec, keys, values) &&
		    !keep_row(self, table->rows[i]))
			status = db_fail(&self->base, DB_AWAY, "no memory");
	if (status == DB_OK)
		status = sort(self, table, spec);
	if (status == DB_OK && spec->limit && self->found_count > spec->limit)
		self->found_count = spec->limit;
	if (self->found_count > text_settings->rows_most)
		self->found_count = (unsigned)text_settings->rows_most;
	if (status != DB_OK)
		self->base.column_count = 0;
	return status;
}

static enum db_status driver_next_row(struct db_connection *base, const struct db_value **out_row)
{
	struct connection *self = (struct connection *)base;
	*out_row = NULL;
	if (self->next == self->found_count)
		return DB_OK;
	const struct db_value *cells = self->found[self->next++];
	for (unsigned i = 0; i < base->column_count; i++)
		self->row[i] = cells[self->columns[i]];
	*out_row = self->row;
	return DB_OK;
}

static void driver_end(struct db_connection *base)
{
	struct connection *self = (struct connection *)base;
	self->found_count = self->next = 0;
}

/* ---- changes --------------------------------------------------------------------------------- */

static enum db_status set_row(struct connection *self, struct text_table *table,
			      struct db_value *row, const int *columns, unsigned count,
			      const struct db_value *values)
{
	for (unsigned i = 0; i < count; i++)
		if (!text_table_set(table, row, (unsigned)columns[i], &values[i]))
			return db_fail(&self->base, DB_AWAY, "no memory");
	return DB_OK;
}

/* Automatic numbers go on after the highest. */
static void set_automatic(struct text_table *table, struct db_value *row, const int *columns,
			  unsigned count, int64_t *out_last)
{
	for (unsigned i = 0; i < table->column_count; i++) {
		bool is_given = !table->columns[i].is_auto || table->columns[i].kind != DB_INT;
		for (unsigned j = 0; j < count; j++)
			is_given |= columns[j] == (int)i && row[i].kind != DB_NULL;
		if (is_given)
			continue;
		int64_t last = 0;
		for (unsigned j = 0; j < table->row_count; j++)
			if (table->rows[j] != row && table->rows[j][i].number > last)
				last = table->rows[j][i].number;
		row[i] = db_int(last + 1);
		*out_last = last + 1;
	}
}

/* The row whose key columns have the values that are to be written. */
static struct db_value *same_key(const struct text_table *table, const struct db_spec *spec,
				 const int *columns, const struct db_value *values)
{
	for (unsigned r = 0; r < table->row_count; r++) {
		unsigned equal = 0;
		for (unsigned k = 0; k < spec->key_count; k++)
			for (unsigned c = 0; c < spec->column_count; c++)
				if (span_equal(spec->columns[c].name, spec->keys[k].column) &&
				    text_compare(&table->rows[r][columns[c]], &values[c]) == 0)
					equal++;
		if (equal == spec->key_count)
			return table->rows[r];
	}
	return NULL;
}

static enum db_status insert_rows(struct connection *self, struct text_table *table,
				  const struct db_spec *spec, const struct db_value *values,
				  struct db_outcome *out)
{
	int columns[COLUMNS_MOST];
	enum db_status status =
		find_columns(self, table, spec->columns, spec->column_count, columns);
	unsigned rows = spec->row_count ? spec->row_count : 1;
	for (unsigned i = 0; status == DB_OK && i < rows; i++, values += spec->column_count) {
		struct db_value *row =
			spec->verb == DB_INSERT ? NULL : same_key(table, spec, columns, values);
		bool is_new = row == NULL;
		if (is_new)
			row = text_table_add(table);
		if (!row)
			return db_fail(&self->base, DB_AWAY, "no memory");
		status = set_row(self, table, row, columns, spec->column_count, values);
		if (is_new)
			set_automatic(table, row, columns, spec->column_count, &out->last_id);
		out->affected++;
	}
	return status;
}

static enum db_status change_rows(struct connection *self, struct text_table *table,
				  const struct db_spec *spec, const struct db_value *values,
				  struct db_outcome *out)
{
	int columns[COLUMNS_MOST], keys[COLUMNS_MOST];
	unsigned set = spec->verb == DB_UPDATE ? spec->column_count : 0;
	enum db_status status = find_columns(self, table, spec->columns, set, columns);
	if (status == DB_OK)
		status = find_keys(self, table, spec, keys);
	for (unsigned i = 0; status == DB_OK && i < table->row_count; i++) {
		if (!text_row_matches(table->rows[i], spec, keys, values + set))
			continue;
		out->affected++;
		if (spec->verb == DB_UPDATE)
			status = set_row(self, table, table->rows[i], columns, set, values);
		else
			table->rows[i] = NULL;
	}
	return status;
}

static enum db_status run_change(struct connection *self, const struct db_spec *spec,
				 const struct db_value *values, struct db_outcome *out)
{
	struct text_table *table = NULL;
	if (!lock(self))
		return db_fail(&self->base, DB_AWAY, "somebody else keeps the tables locked");
	enum db_status status = table_of(self, spec->table, &table);
	if (status == DB_OK)
		status = spec->verb == DB_UPDATE || spec->verb == DB_DELETE
				 ? change_rows(self, table, spec, values, out)
				 : insert_rows(self, table, spec, values, out);
	if (status == DB_OK && out->affected &&
	    !text_table_write(table, self->directory, self->base.error))
		status = DB_AWAY;
	flock(self->directory_fd, LOCK_UN);
	if (table)
		drop_table(self, table); /* it is read anew: memory does not grow with changes */
	return status;
}

static enum db_status driver_run(struct db_connection *base, const struct db_statement *statement,
				 const struct db_value *values, struct db_outcome *out)
{
	struct connection *self = (struct connection *)base;
	switch (statement->spec.verb) {
	case DB_SELECT: return run_select(self, &statement->spec, values);
	case DB_INSERT:
	case DB_UPSERT:
	case DB_REPLACE:
	case DB_UPDATE:
	case DB_DELETE: return run_change(self, &statement->spec, values, out);
	case DB_RAW: break;
	}
	return db_fail(base, DB_REJECTED, "text files do not understand SQL");
}

static enum db_status driver_control(struct db_connection *base, enum db_control what)
{
	return DB_OK;
}

static const char *const other_schemes[] = { "dbtext", NULL };

const struct db_driver text_driver = {
	.name = "text",
	.module = "db_text",
	.other_schemes = other_schemes,
	.check_url = check_url,
	.open = driver_open,
	.close = driver_close,
	.run = driver_run,
	.next_row = driver_next_row,
	.end = driver_end,
	.control = driver_control,
};
