/* SPDX-License-Identifier: BSD-2-Clause */
/* trusted: peers that are believed without credentials: rows of source, protocol, patterns for From
 * and Request-URI, and a tag. They are asked for each time, or kept in memory (db_mode 1). */
#include "core/shm/map.h"
#include "core/shm/published.h"
#include "modules/permissions/permissions.h"

#define TRUSTED_VERSION 6
#define CHUNK           (64 << 10)
#define MOST            ((size_t)512 << 20)

struct trusted_row {
	struct span source;
	struct span protocol;
	struct span from, uri; /* absent: any */
	struct span tag;
	int64_t priority;
	struct trusted_row *next;
};
struct trusted_set {
	uint32_t count;
	struct trusted_row rows[]; /* by priority, the highest first */
};

static struct {
	struct db *db;
	struct db_statement *all, *of_source;
	struct published *set;
	_Atomic int64_t *last_reload_ms;
} state;

/* Numbers in dumps, as the peer's administrators know them. */
static const struct span protocols[] = {
	SPAN("any"), SPAN("udp"), SPAN("tcp"), SPAN("tls"), SPAN("sctp"), SPAN("ws"), SPAN("wss"),
};

static bool is_protocol(struct span name)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (span_equal_nocase(protocols[i], name))
			return true;
	return false;
}

/* ---- matching -------------------------------------------------------------------------------------- */

struct question {
	struct span source, protocol, from, uri;
	int matches;
};

static bool pattern_agrees(struct span pattern, struct span text)
{
	if (!pattern.at || !pattern.len)
		return true;
	const struct pattern *compiled = pattern_cached(pattern, 0);
	return compiled && pattern_search(compiled, text, 0, NULL, 0);
}

static bool row_agrees(const struct trusted_row *row, const struct question *question)
{
	return (span_equal_nocase(row->protocol, SPAN_OF("any")) ||
		span_equal_nocase(row->protocol, question->protocol)) &&
	       pattern_agrees(row->from, question->from) && pattern_agrees(row->uri, question->uri);
}

/* Notes a match; true when no further row is of interest. */
static bool note(struct script_run *run, const struct trusted_row *row, struct question *question)
{
	question->matches++;
	permissions_tag(run, row->tag);
	return permissions_settings->peer_tag_mode == 0;
}

static void read_row(const struct db_value *values, struct trusted_row *out)
{
	*out = (struct trusted_row){ .source = values[0].text,
				     .protocol = values[1].text,
				     .from = values[2].text,
				     .uri = values[3].text,
				     .tag = values[4].text,
				     .priority = values[5].number };
}

/* The setting is not cached: the rows of the source, in the order of their priority. */
static bool ask_database(struct script_run *run, struct question *question)
{
	const struct db_value key = db_text(question->source);
	struct db_rows rows;
	struct trusted_row row;
	if (db_run(state.of_source, &key, &rows) != DB_OK)
		return false;
	while (db_next(&rows)) {
		read_row(rows.values, &row);
		if (is_protocol(row.protocol) && row_agrees(&row, question) &&
		    note(run, &row, question))
			break;
	}
	return db_end(&rows) == DB_OK;
}

static void ask_memory(struct script_run *run, struct question *question)
{
	const struct trusted_set *set = published_hold(state.set, process_index());
	for (uint32_t i = 0; set && i < set->count; i++) {
		const struct trusted_row *row = &set->rows[i];
		if (span_equal(row->source, question->source) && row_agrees(row, question) &&
		    note(run, row, question))
			break;
	}
	published_release(state.set, process_index());
}

/* ---- functions of the script ----------------------------------------------------------------------- */

struct allow_trusted_args {
	struct span source;
	struct span protocol;
	struct span from;
};
static const struct field allow_trusted_fields[] = {
	FIELD(struct allow_trusted_args, source, "IP address; of the message when absent",
		.optional = true),
	FIELD(struct allow_trusted_args, protocol, "udp, tcp, tls, sctp, ws, wss", .optional = true),
	FIELD(struct allow_trusted_args, from, "URI in place of that of From", .optional = true),
};
SCRIPT_HANDLER(allow_trusted)
static const struct script_function functions[] = {
	FUNCTION("allow_trusted", allow_trusted, IN_ANY,
		"Is the sender in the table of trusted peers? With peer_tag_mode 1 the number of rows."),
};
const struct function_table trusted_functions = { functions, ARRAY_SIZE(functions) };

static int allow_trusted(struct script_run *run, const struct allow_trusted_args *args)
{
	char text[64];
	struct writer w = writer_fixed(text, sizeof(text));
	const struct end_point *source = &run->msg->from.source;
	end_point_write_ip(&w, source);
	struct question question = {
		.source = args->source.at ? args->source : writer_result(&w),
		.protocol = args->protocol.at ? args->protocol :
						span_from(transport_name_lower(source->transport)),
		.from = args->from.at ? args->from : message_from_uri(run->msg),
		.uri = message_is_request(run->msg) ? message_uri(run->msg) : SPAN_OF(""),
	};
	if (!state.db || !(permissions_settings->load_backends & BACKEND_TRUSTED)) {
		log_error("allow_trusted: there is no table of trusted peers: set db_url");
		return SCRIPT_FALSE;
	}
	if (!is_protocol(question.protocol))
		return SCRIPT_FALSE;
	if (permissions_settings->db_mode == 1)
		ask_memory(run, &question);
	else if (!ask_database(run, &question))
		return SCRIPT_FALSE;
	if (!question.matches)
		return SCRIPT_FALSE;
	return permissions_settings->peer_tag_mode ? question.matches : SCRIPT_TRUE;
}

/* ---- loading ---------------------------------------------------------------------------------------- */

struct list {
	struct arena arena;
	struct trusted_row *first, **last;
	uint32_t count;
	size_t texts;
};

static bool add_row(struct list *list, const struct db_value *values)
{
	struct trusted_row read, *row = ARENA_NEW(&list->arena, struct trusted_row);
	read_row(values, &read);
	if (!is_protocol(read.protocol))
		return true; /* "none": never */
	if (!row)
		return false;
	*row = read;
	struct span *const texts[] = { &row->source, &row->protocol, &row->from, &row->uri,
				       &row->tag };
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		*texts[i] = arena_copy(&list->arena, *texts[i]);
		list->texts += texts[i]->len;
	}
	*list->last = row;
	list->last = &row->next;
	list->count++;
	return true;
}

static struct trusted_set *build(struct list *list)
{
	struct trusted_set *set = shm_run_alloc(
		sizeof(*set) + list->count * sizeof(struct trusted_row) + list->texts + 1,
		"trusted");
	if (!set)
		return NULL;
	char *end = (char *)(set->rows + list->count);
	set->count = 0;
	for (const struct trusted_row *row = list->first; row; row = row->next) {
		struct trusted_row *copy = &set->rows[set->count++];
		*copy = *row;
		struct span *const texts[] = { &copy->source, &copy->protocol, &copy->from,
					       &copy->uri, &copy->tag };
		for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
			if (texts[i]->len)
				memcpy(end, texts[i]->at, texts[i]->len);
			if (texts[i]->at)
				texts[i]->at = end;
			end += texts[i]->len;
		}
	}
	return set;
}

static bool load(void)
{
	struct list list = { .last = &list.first };
	struct db_rows rows;
	arena_init(&list.arena, CHUNK, MOST);
	if (db_run(state.all, NULL, &rows) != DB_OK)
		return false;
	bool is_good = true;
	while (is_good && db_next(&rows))
		is_good = add_row(&list, rows.values);
	is_good = db_end(&rows) == DB_OK && is_good;
	struct trusted_set *set = is_good ? build(&list) : NULL;
	if (is_good && !set)
		log_error("%u trusted peers do not fit into shared memory; raise -m", list.count);
	if (set)
		published_put(state.set, set);
	arena_free(&list.arena);
	return set != NULL;
}

bool trusted_prepare(struct diagnostics *diagnostics, struct db *db)
{
	const struct permissions_settings *s = permissions_settings;
	(void)diagnostics;
	state.db = db;
	state.set = published_new("permissions trusted");
	state.last_reload_ms = shm_reserve(sizeof(*state.last_reload_ms), "permissions");
	if (!state.set || !state.last_reload_ms)
		return false;
	if (!db)
		return true;
	const struct db_column columns[] = {
		{ s->source_col, DB_TEXT }, { s->proto_col, DB_TEXT }, { s->from_col, DB_TEXT },
		{ s->ruri_col, DB_TEXT },   { s->tag_col, DB_TEXT },   { s->priority_col, DB_INT }
	};
	const struct db_key key = { s->source_col, DB_EQUAL };
	struct db_order order = { s->priority_col, true };
	struct db_spec spec = { .verb = DB_SELECT,
				.table = s->trusted_table,
				.columns = columns,
				.column_count = ARRAY_SIZE(columns),
				.order = &order,
				.order_count = 1 };
	state.all = db_prepare(db, startup_arena(), &spec);
	order.is_descending = false;
	spec.keys = &key;
	spec.key_count = 1;
	state.of_source = db_prepare(db, startup_arena(), &spec);
	return state.all && state.of_source;
}

bool trusted_start(void)
{
	if (!state.db || !(permissions_settings->load_backends & BACKEND_TRUSTED))
		return true;
	return db_need_table(state.db, "permissions", permissions_settings->trusted_table,
			     TRUSTED_VERSION) &&
	       (permissions_settings->db_mode != 1 || load());
}

/* ---- commands ------------------------------------------------------------------------------------------ */

void trusted_reload(struct rpc_call *call)
{
	if (!state.db || permissions_settings->db_mode != 1)
		rpc_fault(call, 500, "Reload failed: nothing is kept without db_url and db_mode 1");
	else
		permissions_reload(call, state.last_reload_ms, load);
}

static int64_t protocol_number(struct span name)
{
	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
		if (span_equal_nocase(protocols[i], name))
			return (int64_t)i;
	return 0;
}

static void add_text(struct rpc_call *call, struct rpc_node *node, const char *name,
		     struct span text)
{
	rpc_add_text(call, node, name, text.at ? text : SPAN_OF("NULL"));
}

void trusted_dump(struct rpc_call *call)
{
	if (permissions_settings->db_mode != 1) {
		rpc_fault(call, 500, "Nothing is kept with db_mode 0");
		return;
	}
	const struct trusted_set *set = published_hold(state.set, process_index());
	for (uint32_t i = 0; set && i < set->count; i++) {
		const struct trusted_row *row = &set->rows[i];
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_int(call, node, "table", i);
		struct rpc_node *item = rpc_add_struct(call, node, "item");
		rpc_add_text(call, item, "ip", row->source);
		rpc_add_int(call, item, "proto", protocol_number(row->protocol));
		add_text(call, item, "pattern", row->from);
		add_text(call, item, "ruri_pattern", row->uri);
		add_text(call, item, "tag", row->tag);
		rpc_add_int(call, item, "priority", row->priority);
	}
	published_release(state.set, process_index());
}
