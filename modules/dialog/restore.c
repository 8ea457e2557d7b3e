/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading dialogs from the database, those of this server and those that Kamailio wrote. */
#include "modules/dialog/replica.h"
#include "modules/dialog/row_statements.h"

/* What was loaded in one go, so that variables find their dialogs. */
struct loaded {
	struct entry {
		uint32_t h_entry, h_id;
		struct dialog_name name;
	} * list;
	unsigned count, capacity;
	struct entry **buckets; /* by number; collisions go on in the next */
	size_t bucket_count;
	struct arena arena;
};

/* ---- an index of them ---- */

static bool note_loaded(struct loaded *loaded, uint32_t h_entry, uint32_t h_id,
			struct dialog_name name)
{
	if (loaded->count == loaded->capacity) {
		unsigned capacity = loaded->capacity ? loaded->capacity * 2 : 64;
		struct entry *list =
			arena_grow(&loaded->arena, loaded->list, loaded->capacity * sizeof(*list),
				   capacity * sizeof(*list));
		if (!list)
			return false;
		loaded->list = list;
		loaded->capacity = capacity;
	}
	loaded->list[loaded->count++] = (struct entry){ h_entry, h_id, name };
	return true;
}

static size_t place_of(const struct loaded *loaded, uint32_t h_entry, uint32_t h_id)
{
	uint64_t key = (uint64_t)h_entry << 32 | h_id;
	return (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (loaded->bucket_count - 1);
}

static bool build_index(struct loaded *loaded)
{
	loaded->bucket_count = 16;
	while (loaded->bucket_count < 2 * (size_t)loaded->count)
		loaded->bucket_count *= 2;
	loaded->buckets = ARENA_ARRAY(&loaded->arena, struct entry *, loaded->bucket_count);
	if (!loaded->buckets)
		return false;
	for (unsigned i = 0; i < loaded->count; i++) {
		struct entry *entry = &loaded->list[i];
		size_t place = place_of(loaded, entry->h_entry, entry->h_id);
		while (loaded->buckets[place])
			place = (place + 1) & (loaded->bucket_count - 1);
		loaded->buckets[place] = entry;
	}
	return true;
}

static const struct entry *find_loaded(const struct loaded *loaded, uint32_t h_entry, uint32_t h_id)
{
	size_t place = place_of(loaded, h_entry, h_id);
	const struct entry *entry;
	while ((entry = loaded->buckets[place]) &&
	       (entry->h_entry != h_entry || entry->h_id != h_id))
		place = (place + 1) & (loaded->bucket_count - 1);
	return entry;
}

/* ---- one row ---- */

/* "udp:127.0.0.1:5060" */
static const struct listener *find_socket(struct span text)
{
	for (unsigned i = 0; i < listener_count(); i++)
		if (span_equal_nocase(listener_at(i)->text, text))
			return listener_at(i);
	return NULL;
}

static uint32_t number_of(const struct db_value *value)
{
	int64_t number = db_as_int(value);
	return number > 0 && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static bool fill_leg(struct shard *shard, struct dialog *dialog, enum leg_kind kind,
		     const struct db_value *row)
{
	struct dialog_leg *leg = &dialog->legs[kind];
	unsigned shift = kind == CALLEE;
	struct span contact = row[COLUMN_FROM_CONTACT + shift].text;
	struct span routes = row[COLUMN_FROM_ROUTE + shift].text;
	leg->cseq = number_of(&row[COLUMN_FROM_CSEQ + shift]);
	leg->socket = find_socket(row[COLUMN_FROM_SOCK + shift].text);
	return (!contact.len || text_set(shard, dialog, &leg->contact, contact)) &&
	       (!routes.len || text_set(shard, dialog, &leg->route_set, routes));
}

static bool fill_dialog(struct shard *shard, struct dialog *dialog, const struct db_value *row)
{
	struct span route = row[COLUMN_TOROUTE].text;
	int64_t start_s = db_as_int(&row[COLUMN_START_TIME]);
	int64_t timeout_s = db_as_int(&row[COLUMN_TIMEOUT]), now_s = clock_wall_s();
	dialog->confirmed_us = start_s * 1000000;
	/* The peer writes rubbish while the ACK is out. */
	if (timeout_s < start_s)
		timeout_s = now_s + dialog_settings->default_timeout;
	dialog->lifetime_s = timeout_s - start_s;
	dialog->expires_ms = clock_ms_from_wall_s(timeout_s);
	dialog->sflags = number_of(&row[COLUMN_SFLAGS]);
	dialog->iflags = number_of(&row[COLUMN_IFLAGS]);
	dialog->has_row = true;
	if (dialog_keeps_alive() &&
	    dialog->iflags & (IFLAG_KEEPALIVE_CALLER | IFLAG_KEEPALIVE_CALLEE))
		dialog->keepalive_ms = clock_ms() + dialog_settings->ka_interval * 1000;
	return fill_leg(shard, dialog, CALLER, row) && fill_leg(shard, dialog, CALLEE, row) &&
	       (!route.len || text_set(shard, dialog, &dialog->timeout_route, route));
}

static bool is_in_memory(const struct db_value *row)
{
	const struct dialog_query query = { .call_id = row[COLUMN_CALL_ID].text,
					    .from_tag = row[COLUMN_FROM_TAG].text,
					    .to_tag = row[COLUMN_TO_TAG].text,
					    .has_did = true,
					    .h_entry = number_of(&row[COLUMN_H_ENTRY]),
					    .h_id = number_of(&row[COLUMN_H_ID]) };
	struct dialog_name name;
	enum leg_kind leg;
	return dialog_find(&query, &name, &leg);
}

/* False: no memory. */
static bool load_row(struct loaded *loaded, const struct db_value *row, struct arena *arena)
{
	uint64_t hash;
	int64_t at = db_as_int(&row[COLUMN_STATE]);
	struct dialog_name name = { 0 };
	const struct dialog_seed seed = {
		.call_id = row[COLUMN_CALL_ID].text,
		.from_uri = row[COLUMN_FROM_URI].text,
		.to_uri = row[COLUMN_TO_URI].text,
		.request_uri = row[COLUMN_REQ_URI].text,
		.from_tag = row[COLUMN_FROM_TAG].text,
		.to_tag = row[COLUMN_TO_TAG].text,
		.h_entry = number_of(&row[COLUMN_H_ENTRY]),
		.h_id = number_of(&row[COLUMN_H_ID]),
		.state = (enum dialog_state)at,
		.created_us = db_as_int(&row[COLUMN_START_TIME]) * 1000000,
	};
	if ((at != DIALOG_UNACKED && at != DIALOG_ACTIVE) || !seed.call_id.len || !seed.h_id ||
	    is_in_memory(row))
		return true;
	struct shard *shard = store_lock_call(seed.call_id, &hash);
	struct dialog *dialog = dialog_new(shard, hash, &seed);
	bool is_made = dialog && fill_dialog(shard, dialog, row);
	if (is_made) {
		name = name_of(dialog);
		slot_publish(shard, &dialog->slot);
		dialog_arm(shard, dialog);
	} else if (dialog) {
		slot_free(shard, &dialog->slot);
	}
	shard_unlock(shard);
	if (!is_made)
		return false;
	dialog_count_change(DIALOG_UNCONFIRMED, seed.state);
	members_join(name, row[COLUMN_XDATA].text, arena);
	if (!numbers_add(seed.h_entry, seed.h_id, name))
		return false;
	return note_loaded(loaded, seed.h_entry, seed.h_id, name);
}

/* ---- tables ---- */

static bool load_rows(struct loaded *loaded, struct span call_id)
{
	struct db_rows rows;
	struct arena arena;
	const struct db_value key = db_text(call_id);
	bool has_memory = true;
	arena_init(&arena, 4096, 1 << 20);
	enum db_status status = db_run(
		call_id.at ? row_statements()->select_call : row_statements()->select, &key, &rows);
	while (status == DB_OK && has_memory && db_next(&rows)) {
		has_memory = load_row(loaded, rows.values, &arena);
		arena_clear(&arena);
	}
	if (status == DB_OK)
		status = db_end(&rows);
	arena_free(&arena);
	if (!has_memory)
		log_error("no shared memory for all dialogs of the database; start with a larger "
			  "-m");
	return status == DB_OK && has_memory;
}

static void put_variable(const struct loaded *loaded, const struct db_value *row)
{
	struct shard *shard;
	const struct entry *entry =
		find_loaded(loaded, number_of(&row[VAR_H_ENTRY]), number_of(&row[VAR_H_ID]));
	struct dialog *dialog = entry ? dialog_lock(entry->name, &shard) : NULL;
	if (!dialog)
		return;
	bool is_put = variable_put(shard, dialog, row[VAR_KEY].text,
				   row[VAR_VALUE].text.at ? row[VAR_VALUE].text : SPAN_OF(""));
	dialog->written = dialog->changes;
	shard_unlock(shard);
	if (!is_put)
		log_error("no shared memory for a variable of a dialog");
}

static bool load_variables_with(const struct loaded *loaded, const struct db_statement *statement,
				const struct db_value *keys)
{
	struct db_rows rows;
	enum db_status status = db_run(statement, keys, &rows);
	if (status != DB_OK)
		return false;
	while (db_next(&rows))
		put_variable(loaded, rows.values);
	return db_end(&rows) == DB_OK;
}

static bool load_variables(const struct loaded *loaded, bool of_all)
{
	if (of_all)
		return load_variables_with(loaded, row_statements()->select_vars, NULL);
	for (unsigned i = 0; i < loaded->count; i++) {
		const struct db_value keys[] = { db_int(loaded->list[i].h_entry),
						 db_int(loaded->list[i].h_id) };
		if (!load_variables_with(loaded, row_statements()->select_vars_of, keys))
			return false;
	}
	return true;
}

int64_t rows_load(struct span call_id)
{
	struct loaded loaded = { 0 };
	arena_init(&loaded.arena, 1 << 15, (size_t)1 << 32);
	bool is_loaded = load_rows(&loaded, call_id) && build_index(&loaded) &&
			 (!loaded.count || load_variables(&loaded, !call_id.at));
	arena_free(&loaded.arena);
	return is_loaded ? (int64_t)loaded.count : -1;
}
