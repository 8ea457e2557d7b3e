/* SPDX-License-Identifier: BSD-2-Clause */
/* load: destinations from the list file or from the table, and the addresses of their names. */
#include <errno.h>
#include <stdio.h>

#include "core/net/locate.h"
#include "core/net/names.h"
#include "modules/dispatcher/dispatcher.h"

#define TABLE_VERSION 4
#define ROWS_CHUNK    ((size_t)64 << 10)
#define ROWS_MOST     ((size_t)512 << 20)
#define EXTRA_MOST    16
#define COLUMNS       5
#define LINE_LONGEST  4096

static struct {
	struct db *db; /* NULL: the file is used */
	struct db_statement *all;
	struct span extra_names[EXTRA_MOST]; /* of attributes that have a column of their own */
	uint32_t extra_count;
} state;

/* ---- the table -------------------------------------------------------------------------------------------- */

/* ds_db_extra_attrs = attribute "=" column *( ";" attribute "=" column ) */
static bool add_extra_columns(struct db_column *columns, struct diagnostics *diagnostics)
{
	struct span rest = dispatcher_settings->extra_attrs, item;
	while (rest.len && span_split(&rest, ';', &item)) {
		size_t equals = span_find(item, '=', 0);
		if (!span_trim(item).len)
			continue;
		if (equals == item.len || state.extra_count == EXTRA_MOST) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
				       module_setting_position("dispatcher", "ds_db_extra_attrs"),
				       "dispatcher: ds_db_extra_attrs is a list of at most %d "
				       "attribute=column, separated by semicolons",
				       EXTRA_MOST);
			return false;
		}
		state.extra_names[state.extra_count] = span_trim(span_slice(item, 0, equals));
		columns[COLUMNS + state.extra_count++] =
			(struct db_column){ span_trim(span_slice(item, equals + 1, item.len)),
					    DB_TEXT };
	}
	return true;
}

bool load_prepare(struct diagnostics *diagnostics)
{
	const struct dispatcher_settings *s = dispatcher_settings;
	if (!db_use_optional(s->db_url, "dispatcher.db_url", diagnostics,
			     module_setting_position("dispatcher", "db_url"), &state.db))
		return false;
	struct db_column columns[COLUMNS + EXTRA_MOST] = { { s->setid_col, DB_INT },
							   { s->destination_col, DB_TEXT },
							   { s->flags_col, DB_INT },
							   { s->priority_col, DB_INT },
							   { s->attrs_col, DB_TEXT } };
	if (!add_extra_columns(columns, diagnostics))
		return false;
	if (!state.db)
		return true;
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = s->table_name,
				      .columns = columns,
				      .column_count = COLUMNS + state.extra_count };
	state.all = db_prepare(state.db, startup_arena(), &spec);
	return state.all != NULL;
}

bool load_start(void)
{
	return !state.db || db_need_table(state.db, "dispatcher", dispatcher_settings->table_name,
					  TABLE_VERSION);
}

/* The attributes, and those with a column of their own behind them. */
static struct span all_attributes(const struct db_value *values, struct arena *arena)
{
	struct writer w = writer_in_arena(arena, 128);
	struct span attrs = values[COLUMNS - 1].text;
	if (values[COLUMNS - 1].kind != DB_NULL)
		writer_span(&w, attrs);
	for (uint32_t i = 0; i < state.extra_count; i++) {
		const struct db_value *value = &values[COLUMNS + i];
		if (value->kind == DB_NULL || !value->text.len)
			continue;
		writer_string(&w, w.len && w.data[w.len - 1] != ';' ? ";" : "");
		writer_printf(&w, "%.*s=%.*s", SPAN_ARGS(state.extra_names[i]),
			      SPAN_ARGS(value->text));
	}
	return writer_result(&w);
}

static bool read_table(struct destination_rows *to)
{
	struct db_rows rows;
	if (db_run(state.all, NULL, &rows) != DB_OK)
		return false;
	while (db_next(&rows)) {
		const struct db_value *v = rows.values;
		const struct destination_row row = { .set = v[0].number,
						     .uri = span_trim(v[1].text),
						     .flags = v[2].number,
						     .priority = v[3].number,
						     .attrs = all_attributes(v, to->arena) };
		rows_add(to, &row);
	}
	return db_end(&rows) == DB_OK;
}

/* ---- the file ------------------------------------------------------------------------------------------------ */

static struct span next_word(struct span *rest)
{
	*rest = span_trim(*rest);
	size_t end = 0;
	while (end < rest->len && !ascii_is_space(rest->at[end]))
		end++;
	struct span word = span_slice(*rest, 0, end);
	*rest = span_slice(*rest, end, rest->len);
	return word;
}

/* line = set URI [ flags [ priority [ attributes ] ] ] */
static const char *read_line(struct destination_rows *to, struct span line)
{
	struct destination_row row = { 0 };
	struct span set = next_word(&line);
	row.uri = next_word(&line);
	struct span flags = next_word(&line), priority = next_word(&line);
	row.attrs = span_trim(line);
	if (!row.uri.len)
		return "a line is: set URI [flags [priority [attributes]]]";
	if (!span_to_int64(set, &row.set))
		return "the set is no number";
	if (flags.len && !span_to_int64(flags, &row.flags))
		return "the flags are no number";
	if (priority.len && !span_to_int64(priority, &row.priority))
		return "the priority is no number";
	rows_add(to, &row);
	return NULL;
}

static bool read_file(struct destination_rows *to)
{
	const char *path = arena_string(to->arena, dispatcher_settings->list_file);
	FILE *file = path ? fopen(path, "r") : NULL;
	char text[LINE_LONGEST];
	if (!file) {
		log_error("list_file %s: %s", path ? path : "", strerror(errno));
		return false;
	}
	for (unsigned line = 1; fgets(text, sizeof(text), file); line++) {
		struct span content = span_trim(span_from(text));
		if (!content.len || content.at[0] == '#')
			continue;
		const char *wrong = read_line(to, content);
		if (wrong) {
			log_error("%s:%u: %s", path, line, wrong);
			to->has_failed = true;
		}
	}
	bool is_read = !ferror(file);
	fclose(file);
	return is_read;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

/* The address of a name. Waits: on a fiber of a worker the fiber, elsewhere (start, commands) the
 * process. */
static bool find_address(struct span text, const struct sip_uri *uri, struct end_point *out)
{
	struct located located;
	if (worker_index() < 0 || !fiber_is_running())
		return name_addresses(uri->host, out, 1) == 1;
	bool asks_srv = dispatcher_settings->dns_mode & NAMES_SRV;
	if (asks_srv ? !locate_uri(text, &located)
		     : !locate_host(uri->host, uri_port(uri), TRANSPORT_UDP, &located))
		return false;
	*out = located.targets[0];
	return true;
}

static void find_addresses(struct destination_rows *rows)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		struct destination_row *row = &rows->rows[i];
		struct sip_uri uri;
		struct end_point address;
		if (row->flags & DESTINATION_NO_DNS || !uri_parse(row->uri, &uri) ||
		    end_point_parse_ip(uri.host, &address))
			continue;
		if (find_address(row->uri, &uri, &address))
			row->address = address;
		else
			log_warning("destination %.*s: nobody knows the address of %.*s; requests "
				    "from there are not recognised",
				    SPAN_ARGS(row->uri), SPAN_ARGS(uri.host));
	}
}

/* ---- putting them in place ---------------------------------------------------------------------------------- */

static void find_old(struct destination_rows *rows)
{
	const struct destination_list *list = list_hold();
	for (uint32_t i = 0; i < rows->count; i++) {
		struct destination_row *row = &rows->rows[i];
		row->old = set_find(list_set(list, row->set), row->uri);
		row->keeps_latency = true;
	}
	list_release();
}

static bool load_into(struct destination_rows *rows)
{
	if (state.db ? !read_table(rows) : !read_file(rows))
		return false;
	if (rows->has_failed && dispatcher_settings->load_strictly) {
		log_error("the destinations are not used: some are wrong (ds_load_mode is 1)");
		return false;
	}
	if (dispatcher_settings->dns_mode & (NAMES_AT_LOAD | NAMES_BY_TIMER))
		find_addresses(rows);
	/* Nobody else replaces the list now, so what it holds stays. */
	if (dispatcher_settings->retain_latency)
		find_old(rows);
	return list_publish(rows);
}

enum load_result load_list(void)
{
	struct arena arena;
	if (!list_change_begin())
		return LOAD_BUSY;
	arena_init(&arena, ROWS_CHUNK, ROWS_MOST);
	struct destination_rows rows = { .arena = &arena };
	bool is_good = load_into(&rows);
	arena_free(&arena);
	list_change_end();
	if (is_good)
		calls_recount();
	return is_good ? LOAD_OK : LOAD_FAILED;
}

void load_names(void)
{
	struct arena arena;
	if (!list_change_begin())
		return;
	arena_init(&arena, ROWS_CHUNK, ROWS_MOST);
	struct destination_rows rows = { .arena = &arena };
	if (list_rows(&rows)) {
		find_addresses(&rows);
		list_publish(&rows);
	}
	arena_free(&arena);
	list_change_end();
}
