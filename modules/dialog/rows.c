/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing dialogs to the database. */
#include "modules/dialog/rows.h"

#include "core/rpc/json.h"
#include "modules/dialog/row_statements.h"

#include <stdio.h>

#define TABLE_VERSION      7
#define VARS_TABLE_VERSION 1
#define REALTIME_MS        100
#define AT_ONCE            64
#define XDATA_MOST         512

static struct {
	struct rows_settings settings;
	struct db *database;
	struct row_statements statements;
	bool is_running, was_away;
} state;

const struct row_statements *row_statements(void)
{
	return &state.statements;
}

/* ---- start ---- */

static struct db_statement *make(enum db_verb verb, struct span table,
				 const struct db_column *columns, unsigned column_count,
				 const struct db_key *keys, unsigned key_count)
{
	const struct db_spec spec = { .verb = verb,
				      .table = table,
				      .columns = columns,
				      .column_count = column_count,
				      .keys = keys,
				      .key_count = key_count };
	return db_prepare(state.database, startup_arena(), &spec);
}

static bool is_number(unsigned column)
{
	return column == COLUMN_H_ENTRY || column == COLUMN_H_ID || column == COLUMN_STATE ||
	       column == COLUMN_START_TIME || column == COLUMN_TIMEOUT || column == COLUMN_SFLAGS ||
	       column == COLUMN_IFLAGS;
}

static bool prepare_statements(const struct rows_settings *s)
{
	struct db_column columns[ROW_COLUMNS], vars[VAR_COLUMNS];
	const struct db_key keys[] = { { s->columns[COLUMN_H_ENTRY], DB_EQUAL },
				       { s->columns[COLUMN_H_ID], DB_EQUAL } };
	const struct db_key vars_keys[] = { { s->vars[VAR_H_ENTRY], DB_EQUAL },
					    { s->vars[VAR_H_ID], DB_EQUAL } };
	const struct db_key call = { s->columns[COLUMN_CALL_ID], DB_EQUAL };
	struct row_statements *out = &state.statements;
	for (unsigned i = 0; i < ROW_COLUMNS; i++)
		columns[i] = (struct db_column){ s->columns[i], is_number(i) ? DB_INT : DB_TEXT };
	for (unsigned i = 0; i < VAR_COLUMNS; i++)
		vars[i] = (struct db_column){ s->vars[i], i < VAR_KEY ? DB_INT : DB_TEXT };
	out->insert = make(DB_INSERT, s->table_name, columns, ROW_COLUMNS, NULL, 0);
	out->remove = make(DB_DELETE, s->table_name, NULL, 0, keys, 2);
	out->select = make(DB_SELECT, s->table_name, columns, ROW_COLUMNS, NULL, 0);
	out->select_call = make(DB_SELECT, s->table_name, columns, ROW_COLUMNS, &call, 1);
	out->insert_var = make(DB_INSERT, s->vars_table_name, vars, VAR_COLUMNS, NULL, 0);
	out->remove_vars = make(DB_DELETE, s->vars_table_name, NULL, 0, vars_keys, 2);
	out->select_vars = make(DB_SELECT, s->vars_table_name, vars, VAR_COLUMNS, NULL, 0);
	out->select_vars_of = make(DB_SELECT, s->vars_table_name, vars, VAR_COLUMNS, vars_keys, 2);
	return out->insert && out->remove && out->select && out->select_call && out->insert_var &&
	       out->remove_vars && out->select_vars && out->select_vars_of;
}

bool rows_prepare(const struct rows_settings *settings, struct diagnostics *diagnostics)
{
	state.settings = *settings;
	if (settings->db_mode == ROWS_NONE)
		return true;
	state.database = db_use(settings->db_url, "dialog.db_url", diagnostics,
				module_setting_position("dialog", "db_url"));
	if (!state.database)
		return false;
	if (prepare_statements(settings))
		return true;
	diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
		       module_setting_position("dialog", "table_name"),
		       "the names of tables and columns of dialog make no statement");
	return false;
}

bool rows_start(void)
{
	int64_t began_us = clock_us_now();
	if (state.settings.db_mode == ROWS_NONE)
		return true;
	if (!db_need_table(state.database, "dialog", state.settings.table_name, TABLE_VERSION) ||
	    !db_need_table(state.database, "dialog", state.settings.vars_table_name,
			   VARS_TABLE_VERSION))
		return false;
	if (state.settings.db_skip_load)
		return true;
	int64_t count = rows_load((struct span){ NULL, 0 });
	if (count < 0)
		return false;
	log_info("%lld dialogs restored in %.3f s", (long long)count,
		 (double)(clock_us_now() - began_us) / 1e6);
	return true;
}

bool rows_are_kept(void)
{
	return state.settings.db_mode != ROWS_NONE;
}

int64_t rows_period(void)
{
	switch ((enum rows_mode)state.settings.db_mode) {
	case ROWS_REALTIME: return REALTIME_MS;
	case ROWS_DELAYED: return state.settings.db_update_period * 1000;
	case ROWS_NONE:
	case ROWS_AT_STOP: break;
	}
	return 0;
}

/* ---- one dialog ---- */

static struct span write_xdata(const struct dialog_view *view, struct arena *arena)
{
	struct writer w = writer_in_arena(arena, XDATA_MOST);
	if (!view->membership_count)
		return (struct span){ NULL, 0 };
	members_write(&w, view);
	if (w.failed || w.len > XDATA_MOST) {
		log_warning("the profiles of call %.*s are too many for the column xdata",
			    SPAN_ARGS(view->call_id));
		return (struct span){ NULL, 0 };
	}
	return writer_result(&w);
}

static struct db_value text_or_empty(struct span text)
{
	return db_text(text.at ? text : SPAN_OF(""));
}

static struct db_value number_text(struct arena *arena, uint32_t number)
{
	return text_or_empty(arena_printf(arena, "%u", number));
}

static struct span socket_text(const struct leg_view *leg)
{
	return leg->socket ? leg->socket->text : SPAN_OF("");
}

static struct span absent_if_empty(struct span text)
{
	return text.len ? text : (struct span){ NULL, 0 };
}

static void fill_row(const struct dialog_view *view, struct arena *arena,
		     struct db_value row[ROW_COLUMNS])
{
	const struct leg_view *caller = &view->legs[CALLER], *callee = &view->legs[CALLEE];
	row[COLUMN_H_ENTRY] = db_int(view->h_entry);
	row[COLUMN_H_ID] = db_int(view->h_id);
	row[COLUMN_CALL_ID] = text_or_empty(view->call_id);
	row[COLUMN_FROM_URI] = text_or_empty(view->from_uri);
	row[COLUMN_FROM_TAG] = text_or_empty(caller->tag);
	row[COLUMN_TO_URI] = text_or_empty(view->to_uri);
	row[COLUMN_TO_TAG] = text_or_empty(callee->tag);
	row[COLUMN_FROM_CSEQ] = number_text(arena, caller->cseq);
	row[COLUMN_TO_CSEQ] = number_text(arena, callee->cseq);
	row[COLUMN_FROM_ROUTE] = db_text(absent_if_empty(caller->route_set));
	row[COLUMN_TO_ROUTE] = db_text(absent_if_empty(callee->route_set));
	row[COLUMN_FROM_CONTACT] = text_or_empty(caller->contact);
	row[COLUMN_TO_CONTACT] = text_or_empty(callee->contact);
	row[COLUMN_FROM_SOCK] = text_or_empty(socket_text(caller));
	row[COLUMN_TO_SOCK] = text_or_empty(socket_text(callee));
	row[COLUMN_STATE] = db_int(view->state);
	row[COLUMN_START_TIME] = db_int(view->confirmed_us / 1000000);
	row[COLUMN_TIMEOUT] = db_int(view->expires_wall_s);
	row[COLUMN_SFLAGS] = db_int(view->sflags);
	row[COLUMN_IFLAGS] = db_int(view->iflags);
	row[COLUMN_TOROUTE] = db_text(absent_if_empty(view->timeout_route));
	row[COLUMN_REQ_URI] = text_or_empty(view->request_uri);
	row[COLUMN_XDATA] = db_text(write_xdata(view, arena));
}

static enum db_status remove_in(struct db_transaction *transaction, const struct dialog_view *view)
{
	const struct db_value keys[] = { db_int(view->h_entry), db_int(view->h_id) };
	enum db_status status =
		db_execute_in(transaction, state.statements.remove_vars, keys, NULL);
	return status == DB_OK ? db_execute_in(transaction, state.statements.remove, keys, NULL)
			       : status;
}

static enum db_status insert_in(struct db_transaction *transaction, const struct dialog_view *view,
				struct arena *arena)
{
	struct db_value row[ROW_COLUMNS];
	fill_row(view, arena, row);
	enum db_status status = db_execute_in(transaction, state.statements.insert, row, NULL);
	for (unsigned i = 0; status == DB_OK && i < view->variable_count; i++) {
		const struct db_value values[VAR_COLUMNS] = {
			db_int(view->h_entry),
			db_int(view->h_id),
			text_or_empty(view->variables[i].name),
			text_or_empty(view->variables[i].value),
		};
		status = db_execute_in(transaction, state.statements.insert_var, values, NULL);
	}
	return status;
}

/* The row and its variables are put anew, so that it may happen twice. */
static enum db_status write_dialog(const struct dialog_view *view, struct arena *arena)
{
	struct db_transaction transaction;
	enum db_status status = db_begin(state.database, &transaction);
	if (status != DB_OK)
		return status;
	status = remove_in(&transaction, view);
	if (status == DB_OK && view->state != DIALOG_DELETED)
		status = insert_in(&transaction, view, arena);
	if (status == DB_OK)
		return db_commit(&transaction);
	db_rollback(&transaction);
	return status;
}

/* ---- all that changed ---- */

static bool is_due(const struct dialog *dialog)
{
	if (dialog->state == DIALOG_DELETED)
		return dialog->has_row;
	return !dialog->origin && dialog->state >= DIALOG_UNACKED &&
	       dialog->changes != dialog->written;
}

struct work {
	struct dialog_view view;
	uint32_t changes;
};

/* Copies some that are due, from the place where the last look ended. */
static unsigned collect(unsigned number, uint32_t *position, struct arena *arena, struct work *out)
{
	const struct dialog *dialog;
	unsigned count = 0;
	struct shard *shard = shard_lock_number(store_set(), number);
	while (count < AT_ONCE && (dialog = slot_each(shard, position))) {
		if (!is_due(dialog) || !dialog_copy(dialog, arena, &out[count].view))
			continue;
		out[count++].changes = dialog->changes;
	}
	shard_unlock(shard);
	return count;
}

static void note_written(const struct work *work)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(work->view.name, &shard);
	if (!dialog)
		return;
	dialog->has_row = work->view.state != DIALOG_DELETED;
	dialog->written = work->changes;
	shard_unlock(shard);
}

static enum db_status write_one(const struct work *work, struct arena *arena)
{
	enum db_status status = write_dialog(&work->view, arena);
	if (status == DB_AWAY)
		return status;
	if (status != DB_OK)
		log_error("the database refuses the dialog of call %.*s; it will not be restored",
			  SPAN_ARGS(work->view.call_id));
	note_written(work);
	return DB_OK;
}

static enum db_status write_shard(unsigned number)
{
	struct work works[AT_ONCE];
	struct arena arena;
	uint32_t position = 0;
	unsigned count;
	enum db_status status = DB_OK;
	arena_init(&arena, 1 << 15, 1 << 24);
	do {
		count = collect(number, &position, &arena, works);
		for (unsigned i = 0; status == DB_OK && i < count; i++)
			status = write_one(&works[i], &arena);
		arena_clear(&arena);
	} while (status == DB_OK && count == AT_ONCE);
	arena_free(&arena);
	return status;
}

static enum db_status write_all(void)
{
	for (unsigned i = 0; i < shard_count(store_set()); i++) {
		enum db_status status = write_shard(i);
		if (status != DB_OK)
			return status;
	}
	return DB_OK;
}

void rows_tick(void)
{
	if (state.is_running)
		return;
	state.is_running = true;
	enum db_status status = write_all();
	if (status == DB_OK && state.was_away)
		log_notice("the database takes dialogs again; what waited was written");
	state.was_away = status == DB_AWAY;
	state.is_running = false;
}

void rows_finish(void)
{
	if (state.settings.db_mode == ROWS_NONE)
		return;
	if (write_all() != DB_OK)
		log_error("not all dialogs could be written to the database: they will be missing "
			  "or old after the next start");
}
