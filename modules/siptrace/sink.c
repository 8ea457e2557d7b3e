/* SPDX-License-Identifier: BSD-2-Clause */
/* sink: where captured messages go: the table, Homer, another SIP server. */
#include "modules/siptrace/siptrace.h"

#define TABLE_VERSION 4
#define COLUMNS       12
#define USERS_MOST    16

static struct {
	struct db *db; /* NULL: there is none */
	struct db_statement *insert;
} state;

static struct db_statement *prepare_insert(struct arena *arena, struct span table)
{
	const struct siptrace_settings *s = siptrace_settings;
	const struct db_column columns[COLUMNS] = {
		{ s->date_column, DB_TIME },	    { s->callid_column, DB_TEXT },
		{ s->traced_user_column, DB_TEXT }, { s->msg_column, DB_TEXT },
		{ s->method_column, DB_TEXT },	    { s->status_column, DB_TEXT },
		{ s->fromip_column, DB_TEXT },	    { s->toip_column, DB_TEXT },
		{ s->fromtag_column, DB_TEXT },	    { s->totag_column, DB_TEXT },
		{ s->direction_column, DB_TEXT },   { s->time_us_column, DB_INT },
	};
	const struct db_spec spec = {
		.verb = DB_INSERT, .table = table, .columns = columns, .column_count = COLUMNS
	};
	return db_prepare(state.db, arena, &spec);
}

bool sink_prepare(struct diagnostics *diagnostics)
{
	const struct siptrace_settings *s = siptrace_settings;
	if (!s->trace_to_database && !(s->trace_mode & MODE_DATABASE))
		return true;
	if (!db_use_optional(s->db_url, "siptrace.db_url", diagnostics,
			     module_setting_position("siptrace", "db_url"), &state.db))
		return false;
	if (!state.db)
		return true;
	state.insert = prepare_insert(startup_arena(), s->table);
	return state.insert != NULL;
}

bool sink_start(void)
{
	return !state.db ||
	       db_need_table(state.db, "siptrace", siptrace_settings->table, TABLE_VERSION);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static struct span present(struct span text)
{
	return text.at ? text : SPAN_OF("");
}

static struct span end_point_text(struct arena *arena, const struct end_point *at)
{
	struct writer w = writer_in_arena(arena, END_POINT_TEXT_MAX);
	end_point_write(&w, at);
	return present(writer_result(&w));
}

static void store_for(const struct capture *capture, const struct db_statement *insert,
		      struct span user)
{
	struct message *msg = capture->msg;
	struct arena *arena = msg->arena;
	struct span from = end_point_text(arena, &capture->from), status = SPAN_OF("");
	if (capture->is_out && siptrace_settings->trace_local_ip.len)
		from = siptrace_settings->trace_local_ip;
	if (!message_is_request(msg))
		status = arena_printf(arena, "%u", msg->index->status);
	const struct db_value values[COLUMNS] = {
		db_time(capture->wall_us / 1000000),
		db_text(present(message_value(msg, HEADER_CALL_ID))),
		db_text(present(user)),
		db_text(capture->bytes),
		db_text(present(message_method_name(msg))),
		db_text(present(status)),
		db_text(from),
		db_text(end_point_text(arena, &capture->to)),
		db_text(present(message_from_tag(msg))),
		db_text(present(message_to_tag(msg))),
		db_text(capture->is_out ? SPAN_OF("out") : SPAN_OF("in")),
		db_int(capture->wall_us % 1000000),
	};
	if (db_execute(insert, values, NULL) != DB_OK)
		log_debug("a traced message was not stored");
}

static void store(const struct capture *capture)
{
	const struct db_statement *insert = state.insert;
	struct span rest = capture->users, user;
	if (capture->table.len && !span_equal(capture->table, siptrace_settings->table))
		insert = prepare_insert(capture->msg->arena, capture->table);
	if (!insert)
		return;
	if (!rest.len)
		store_for(capture, insert, SPAN_OF(""));
	while (rest.len && span_split(&rest, '\n', &user))
		store_for(capture, insert, user);
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static void send_hep(const struct capture *capture, const struct end_point *to)
{
	const struct siptrace_settings *s = siptrace_settings;
	const struct hep_packet packet = { .from = capture->from,
					   .to = capture->to,
					   .wall_us = capture->wall_us,
					   .kind = HEP_SIP,
					   .capture_id = (uint32_t)s->hep_capture_id,
					   .auth_key = s->auth_key,
					   .correlation = capture->correlation,
					   .payload = capture->bytes };
	struct writer w = writer_in_arena(capture->msg->arena, capture->bytes.len + 256);
	if (hep_write(&w, &packet, s->hep_version))
		siptrace_send(to, writer_result(&w));
	else
		log_debug("a message of %zu bytes does not fit into HEP", capture->bytes.len);
}

static bool is_dropped_by_route(const struct capture *capture)
{
	bool is_dropped = false;
	return capture->runs_route &&
	       script_run_event("siptrace:msg", capture->msg, NULL, &is_dropped) && is_dropped;
}

void sink_take(const struct capture *seen)
{
	struct capture read = *seen;
	const struct capture *capture = &read;
	const struct end_point *to =
		capture->collector.family ? &capture->collector : collector_default();
	bool has_lines = !capture->runs_route; /* of what the script wants traced */
	if (has_lines && siptrace_settings->xheaders_read && !xheaders_read(&read)) {
		log_debug("a message without X-Siptrace headers is not traced");
		return;
	}
	if (is_dropped_by_route(capture))
		return;
	if (capture->sinks & MODE_HEP && to->family)
		send_hep(capture, to);
	if (capture->sinks & MODE_URI && to->family)
		siptrace_send(to, has_lines && siptrace_settings->xheaders_write
					  ? xheaders_write(capture)
					  : capture->bytes);
	if (capture->sinks & MODE_DATABASE && state.db)
		store(capture);
}
