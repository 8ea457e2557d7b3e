/* SPDX-License-Identifier: BSD-2-Clause */
/* connections: databases by the names that the script has for them. */
#include "modules/sqlops/sqlops.h"

#define NOTED_MOST 64

static struct {
	struct connection all[CONNECTIONS_MOST];
	unsigned count;
	struct span noted[NOTED_MOST];
	unsigned noted_count;
} state;

/* sqlcon = name "=>" url */
const char *connection_add(struct span text, int64_t number)
{
	(void)number;
	size_t arrow = span_find_span(text, SPAN_OF("=>"));
	if (!text.len || arrow == text.len)
		return "a connection is name=>url: \"ca=>mysql://user:password@host/database\"";
	struct span name = span_trim(span_slice(text, 0, arrow));
	struct span url = span_trim(span_slice(text, arrow + 2, text.len));
	if (!name.len || !url.len)
		return "the name or the URL of the connection is empty";
	if (state.count == CONNECTIONS_MOST)
		return "there are too many connections, at most 32";
	for (unsigned i = 0; i < state.count; i++)
		if (span_equal(state.all[i].name, name))
			return "there is a connection with this name already";
	state.all[state.count] = (struct connection){ name, url, NULL, state.count };
	state.count++;
	return NULL;
}

const char *connection_note(struct span name, int64_t number)
{
	(void)number;
	if (!name.len)
		return "the name of a connection is missing";
	for (unsigned i = 0; i < state.noted_count; i++)
		if (span_equal(state.noted[i], name))
			return NULL;
	if (state.noted_count == NOTED_MOST)
		return NULL;
	/* The script's text is gone when the server starts. */
	struct span kept = arena_copy(startup_arena(), name);
	if (kept.at)
		state.noted[state.noted_count++] = kept;
	return kept.at ? NULL : "memory is exhausted";
}

bool connections_prepare(struct diagnostics *diagnostics)
{
	bool all = true;
	for (unsigned i = 0; i < state.count; i++) {
		struct connection *one = &state.all[i];
		one->db = db_use(one->url, "sqlops.sqlcon", diagnostics,
				 module_setting_position("sqlops", "sqlcon"));
		if (!one->db)
			all = false;
	}
	return all;
}

/* A database that knows no SQL refuses the question, but it is there. */
static bool is_there(const struct connection *one)
{
	const struct db_spec spec = { .verb = DB_RAW, .sql = SPAN("SELECT 1") };
	struct db_rows rows;
	const struct db_statement *ask = db_prepare(one->db, startup_arena(), &spec);
	if (!ask)
		return false;
	enum db_status status = db_run(ask, NULL, &rows);
	if (status == DB_OK)
		status = db_end(&rows);
	if (status != DB_AWAY)
		return true;
	log_error(
		"sqlops: the database of connection \"%.*s\" (%.*s) is not there; with connect_mode=1 "
		"the server starts without it",
		SPAN_ARGS(one->name), SPAN_ARGS(db_shown_url(one->db)));
	return false;
}

static const struct connection *find(struct span name)
{
	for (unsigned i = 0; i < state.count; i++)
		if (span_equal(state.all[i].name, name))
			return &state.all[i];
	return NULL;
}

bool connections_start(bool is_lazy)
{
	bool all = true;
	for (unsigned i = 0; i < state.noted_count; i++) {
		if (find(state.noted[i]))
			continue;
		log_error("sqlops: the script uses the connection \"%.*s\", which no sqlcon sets: "
			  "modparam(\"sqlops\", \"sqlcon\", \"%.*s=>URL\")",
			  SPAN_ARGS(state.noted[i]), SPAN_ARGS(state.noted[i]));
		all = false;
	}
	for (unsigned i = 0; !is_lazy && i < state.count; i++)
		if (!is_there(&state.all[i]))
			all = false;
	return all;
}

const struct connection *connection_find(struct span name)
{
	const struct connection *one = find(name);
	if (!one)
		log_error("there is no connection \"%.*s\"", SPAN_ARGS(name));
	return one;
}

bool connections_read_backslash(void)
{
	for (unsigned i = 0; i < state.count; i++)
		if (!span_starts_with(state.all[i].url, SPAN_OF("sqlite:")) &&
		    !span_starts_with(state.all[i].url, SPAN_OF("postgres:")))
			return true;
	return false;
}
