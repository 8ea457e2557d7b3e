/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication: what changes here is told to the other servers, what they tell is done here, and a server
 * that starts gets everything from one of them. */
#include "modules/dmq/dmq_api.h"
#include "modules/htable/replica.h"
#include "modules/htable/replica_format.h"

static struct {
	const struct dmq_api *dmq;
	struct dmq_channel channel;
} state;

/* ---- telling ------------------------------------------------------------------------------------------ */

/* Changes of one item stay in their order. */
static uint64_t order_of(const struct replica_change *change)
{
	return hash_mix(hash_span(change->table), hash_span(change->key)) | 1;
}

static void tell(const struct table *table, const struct replica_change *change)
{
	struct arena arena;
	if (!state.dmq || !table->is_replicated || state.dmq->is_alone())
		return;
	arena_init(&arena, 1024, 1 << 20);
	struct writer w = writer_in_arena(&arena, 256);
	replica_write(&w, change);
	if (w.failed || w.len > DMQ_BODY_MOST)
		log_error("an item of the table \"%.*s\" is too large to be told to other servers",
			  SPAN_ARGS(table->name));
	else
		state.dmq->broadcast(&state.channel, order_of(change), writer_result(&w));
	arena_free(&arena);
}

void replica_set(const struct table *table, struct span key, const struct value *value)
{
	tell(table,
	     &(struct replica_change){
		     .action = REPLICA_SET, .table = table->name, .key = key, .value = *value });
}

void replica_expire(const struct table *table, struct span key, int64_t seconds)
{
	tell(table, &(struct replica_change){ .action = REPLICA_EXPIRE,
					      .table = table->name,
					      .key = key,
					      .value = VALUE_OF_INT(seconds) });
}

void replica_remove(const struct table *table, struct span key)
{
	tell(table, &(struct replica_change){
			    .action = REPLICA_REMOVE, .table = table->name, .key = key });
}

void replica_remove_matching(const struct table *table, bool is_pattern, struct span text,
			     bool by_value)
{
	tell(table, &(struct replica_change){ .action = is_pattern ? REPLICA_REMOVE_PATTERN
								   : REPLICA_REMOVE_PREFIX,
					      .table = table->name,
					      .value = VALUE_OF_TEXT(text),
					      .by_value = by_value });
}

/* ---- telling everything ---------------------------------------------------------------------------------- */

static void write_item(struct writer *w, const void *row, unsigned index)
{
	(void)index;
	replica_write_item(w, row);
}

static bool send_table(struct dmq_stream *stream, const struct table *table)
{
	struct item_cursor cursor;
	struct item_copy item;
	bool is_good = true;
	cursor_init(&cursor, table);
	while (is_good && cursor_next(&cursor, &item)) {
		const struct replica_item row = {
			table->name, item.name, item.value,
			item.expires_ms ? clock_wall_s_from_ms(item.expires_ms) : 0
		};
		is_good = state.dmq->stream_add(stream, write_item, &row);
	}
	cursor_free(&cursor);
	return is_good;
}

static bool send_tables(struct dmq_stream *stream)
{
	bool is_good = true;
	for (const struct table *table = table_first(); table && is_good; table = table->next)
		if (table->is_replicated)
			is_good = send_table(stream, table);
	return is_good;
}

static bool sync_start(struct dmq_node to)
{
	const struct dmq_stream stream = {
		.channel = &state.channel,
		.to = to,
		.open = SPAN(REPLICA_LIST_OPEN),
		.close = SPAN(REPLICA_LIST_CLOSE),
		.produce = send_tables,
	};
	return state.dmq->stream_start(&stream);
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

static struct table *find_replicated(struct span name)
{
	struct table *table = table_find(name);
	if (table && table->is_replicated)
		return table;
	log_info("another server tells of the table \"%.*s\", which is not replicated here",
		 SPAN_ARGS(name));
	return NULL;
}

static bool apply_item(const struct replica_item *item)
{
	const struct table *table = find_replicated(item->table);
	int64_t left_s = item->expires_wall_s - clock_wall_s();
	if (!table)
		return false;
	if (item->expires_wall_s && left_s <= 0)
		return true;
	return items_set(table, item->key, &item->value,
			 item->expires_wall_s ? left_s : EXPIRES_NEVER);
}

static bool apply_items(const struct json_value *row)
{
	struct replica_item item;
	bool is_good = true;
	for (; row; row = row->next)
		is_good = replica_read_item(row, &item) && apply_item(&item) && is_good;
	return is_good;
}

static bool apply(const struct replica_change *change, struct dmq_node from)
{
	const struct table *table;
	if (change->action == REPLICA_SYNC)
		return sync_start(from);
	table = find_replicated(change->table);
	if (!table)
		return false;
	switch (change->action) {
	case REPLICA_SYNC: break;
	case REPLICA_SET: return items_set(table, change->key, &change->value, EXPIRES_AS_TABLE);
	case REPLICA_EXPIRE: items_set_expiry(table, change->key, change->value.number); break;
	case REPLICA_REMOVE: items_remove(table, change->key); break;
	case REPLICA_REMOVE_PATTERN:
		return match_remove(table, SPAN_OF("re"), change->value.text, change->by_value);
	case REPLICA_REMOVE_PREFIX:
		return match_remove(table, SPAN_OF("sw"), change->value.text, change->by_value);
	}
	return true;
}

static void receive(const struct dmq_message *message, struct arena *arena,
		    struct dmq_answer *answer)
{
	struct replica_change change;
	const struct json_value *row = NULL;
	bool is_done = false;
	switch (replica_read(message->body, arena, &change, &row)) {
	case REPLICA_BAD:
		log_info("a message of another server is no change of a table");
		*answer = (struct dmq_answer){ .code = 400, .reason = SPAN("Bad Request") };
		return;
	case REPLICA_CHANGE: is_done = apply(&change, message->from); break;
	case REPLICA_ITEMS: is_done = apply_items(row); break;
	}
	if (!is_done)
		*answer =
			(struct dmq_answer){ .code = 500, .reason = SPAN("Server Internal Error") };
}

/* ---- start ---------------------------------------------------------------------------------------------------- */

bool replica_prepare(const void *dmq, struct span channel, bool asks_at_start)
{
	const struct dmq_api *api = dmq_wanted(dmq);
	if (!api)
		return false;
	state.channel = (struct dmq_channel){ .name = channel,
					      .content_type = SPAN_OF("application/json"),
					      .receive = receive };
	if (asks_at_start)
		state.channel.greeting = SPAN_OF("{\"action\":1}");
	state.dmq = api;
	return api->join(&state.channel);
}
