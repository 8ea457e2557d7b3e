/* SPDX-License-Identifier: BSD-2-Clause */
/* Accounting records as rows of the tables acc and missed_calls of Kamailio 5.6. Rows go through a
 * queue (core/db/queue.h), so that no answer waits for the database and none is lost while it is away.
 * All of db_insert_mode is therefore the same here. */
#include "modules/acc/acc.h"

#include <stdio.h>

#define ANSWERED_VERSION 5
#define MISSED_VERSION   4
#define FIXED            9 /* columns beside extra fields and legs, at most */

static const struct {
	const char *setting;
	int version;
} tables[] = {
	[ACC_TABLE_ANSWERED] = { "db_table_acc", ANSWERED_VERSION },
	[ACC_TABLE_MISSED] = { "db_table_missed_calls", MISSED_VERSION },
};

static struct {
	struct acc_fields extra;
	const struct text_template *names[ARRAY_SIZE(tables)];
	struct db_column columns[FIXED + 2 * ACC_MAX_FIELDS];
	unsigned column_count;
	struct db *database;
	struct db_queue *queue;
} state;
_Static_assert(ARRAY_SIZE(state.columns) <= DB_QUEUE_COLUMNS_MOST, "a record fits into a row");

/* ---- start ----------------------------------------------------------------------------------- */

static void add_column(struct span name)
{
	state.columns[state.column_count++] = (struct db_column){ .name = name };
}

/* In the order of `fill_row`. */
static void list_columns(void)
{
	const struct acc_fields *legs = fields_legs();
	const struct span fixed[] = {
		acc_settings->acc_method_column,   acc_settings->acc_from_tag_column,
		acc_settings->acc_to_tag_column,   acc_settings->acc_callid_column,
		acc_settings->acc_sip_code_column, acc_settings->acc_sip_reason_column,
		acc_settings->acc_time_column
	};
	for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++)
		add_column(fixed[i]);
	if (acc_settings->time_mode != ACC_TIME_PLAIN)
		add_column(acc_settings->time_attr);
	if (acc_settings->time_mode == ACC_TIME_MICROSECONDS)
		add_column(acc_settings->time_exten);
	for (unsigned i = 0; i < state.extra.count; i++)
		add_column(state.extra.list[i].name);
	for (unsigned i = 0; i < legs->count; i++)
		add_column(legs->list[i].name);
}

bool rows_prepare(struct diagnostics *diagnostics)
{
	const struct span names[] = { [ACC_TABLE_ANSWERED] = acc_settings->db_table_acc,
				      [ACC_TABLE_MISSED] = acc_settings->db_table_missed_calls };
	bool is_right =
		fields_compile("db_extra", acc_settings->db_extra, &state.extra, diagnostics);
	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
		state.names[i] =
			template_compile(names[i], startup_arena(), diagnostics,
					 module_setting_position("acc", tables[i].setting));
		is_right &= state.names[i] != NULL;
	}
	list_columns();
	return db_use_optional(acc_settings->db_url, "acc.db_url", diagnostics,
			       module_setting_position("acc", "db_url"), &state.database) &&
	       is_right;
}

bool rows_wanted(void)
{
	return state.database != NULL;
}

/* Tables whose names depend on the message cannot be asked for yet. */
static bool tables_are_there(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct text_template *name = state.names[i];
		int version = acc_settings->db_version_check ? tables[i].version : 0;
		if (name->is_constant &&
		    !db_need_table(state.database, "acc", name->source, version))
			return false;
	}
	return true;
}

bool rows_start(void)
{
	const struct db_queue_options options = {
		.name = "acc",
		.database = state.database,
		.folder = acc_settings->db_queue_dir.len ? acc_settings->db_queue_dir
							 : core_setting_text("rundir"),
		.most_bytes = (size_t)acc_settings->db_queue_size << 20,
	};
	if (!state.database)
		return true;
	if (!tables_are_there())
		return false;
	state.queue = db_queue_open(&options);
	return state.queue != NULL;
}

bool rows_need_table(struct span name, int version)
{
	return db_need_table(state.database, "acc", name,
			     acc_settings->db_version_check ? version : 0);
}

bool rows_put_row(const struct db_row *row)
{
	return state.queue && db_queue_put(state.queue, row);
}

bool rows_serve(void)
{
	return db_queue_serve(state.queue);
}

void rows_finish(void)
{
	if (state.queue)
		db_queue_close(state.queue);
	state.queue = NULL;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct db_value text_or_empty(struct span text)
{
	return db_text(text.at ? text : SPAN_OF(""));
}

/* What is absent is NULL only when the operator says that the columns take it. */
static struct db_value extra_value(bool has_value, struct span text)
{
	return has_value || !acc_settings->acc_extra_nullable
		       ? text_or_empty(has_value ? text : SPAN_OF(""))
		       : db_null();
}

static unsigned add_time(struct db_value *values, char buffer[160])
{
	int64_t now_us = clock_wall_us_now(), now = now_us / 1000000;
	values[0] = db_time(now);
	switch ((enum acc_time_mode)acc_settings->time_mode) {
	case ACC_TIME_PLAIN: return 1;
	case ACC_TIME_MICROSECONDS:
		values[1] = db_int(now);
		values[2] = db_int(now_us % 1000000);
		return 3;
	case ACC_TIME_MILLISECONDS:
		values[1] = db_double((double)(now_us / 1000) / 1000.0);
		return 2;
	case ACC_TIME_LOCAL:
	case ACC_TIME_GMT: values[1] = text_or_empty(fields_format_time(now, buffer)); return 2;
	}
	return 1;
}

/* What a row borrows until it is put. */
struct row_texts {
	char code[12], time[160];
};

/* All but the legs; the number of values. */
static unsigned fill_row(struct script_run *run, const struct acc_record *record,
			 struct row_texts *texts, struct db_value *values)
{
	struct span from_tag, to_tag, text;
	unsigned count = 0;
	record_tags(record, &from_tag, &to_tag);
	snprintf(texts->code, sizeof(texts->code), record->code ? "%u" : "", record->code);
	values[count++] = text_or_empty(message_method_name(record->message));
	values[count++] = text_or_empty(from_tag);
	values[count++] = text_or_empty(to_tag);
	values[count++] = text_or_empty(message_value(record->message, HEADER_CALL_ID));
	values[count++] = db_text(span_from(texts->code));
	values[count++] = text_or_empty(record->reason);
	count += add_time(values + count, texts->time);
	for (unsigned i = 0; i < state.extra.count; i++) {
		bool has_value = field_read(run, &state.extra.list[i], &text);
		values[count++] = extra_value(has_value, text);
	}
	return count;
}

/* The values of the legs stand behind the first `fixed` ones. */
static bool put_legs(struct script_run *run, const struct db_row *row, struct db_value *values,
		     unsigned fixed)
{
	bool all = true;
	for (int set = 0; set < ACC_MAX_LEGS; set++) {
		struct span texts[ACC_MAX_FIELDS];
		bool has_any = fields_read_leg(run, set, texts);
		if (set && !has_any)
			break;
		for (unsigned i = 0; i < row->count - fixed; i++)
			values[fixed + i] = text_or_empty(texts[i]);
		all &= db_queue_put(state.queue, row);
	}
	return all;
}

bool rows_put_into(struct script_run *run, const struct acc_record *record, struct span table)
{
	struct db_value values[ARRAY_SIZE(state.columns)];
	struct row_texts texts;
	struct db_row row = {
		.table = table,
		.columns = state.columns,
		.values = values,
		.count = state.column_count,
	};
	if (!state.queue)
		return false;
	unsigned count = fill_row(run, record, &texts, values);
	return count < row.count ? put_legs(run, &row, values, count)
				 : db_queue_put(state.queue, &row);
}

bool rows_put(struct script_run *run, const struct acc_record *record, enum acc_table table)
{
	return rows_put_into(run, record, template_text(run, state.names[table]));
}

/* ---- counters -------------------------------------------------------------------------------- */

static struct db_queue_figures figures(void)
{
	struct db_queue_figures out = { 0 };
	if (state.queue)
		db_queue_figures(state.queue, &out);
	return out;
}

static int64_t count_written(void)
{
	return (int64_t)figures().written;
}

static int64_t count_waiting(void)
{
	return (int64_t)figures().waiting;
}

static int64_t count_refused(void)
{
	return (int64_t)figures().refused;
}

static int64_t count_lost(void)
{
	return (int64_t)figures().lost;
}

const struct counter_row acc_counters[ACC_COUNTER_COUNT] = {
	{ NULL, "rows_written", "rows that the database has taken", NULL, count_written },
	{ NULL, "rows_waiting", "bytes of rows that wait for the database", NULL, count_waiting },
	{ NULL, "rows_refused", "rows that the database refused", NULL, count_refused },
	{ NULL, "rows_lost", "rows for which the queue had no room", NULL, count_lost },
};
