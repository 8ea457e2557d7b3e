/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication: what changes here is told to the other servers, what they tell is done here, and a server
 * that starts gets everything from one of them. */
#include <stdlib.h>

#include "modules/dmq/dmq_api.h"
#include "modules/htable/replica.h"
#include "modules/htable/replica_format.h"

/* Room that an item leaves in a message of many. */
#define LIST_MOST (DMQ_BODY_MOST - 16)
/* Servers that get everything from this process at a time. */
#define SYNCS_MOST 4

static struct {
	const struct dmq_api *dmq;
	struct dmq_channel channel;
	unsigned syncs; /* running in this process */
} state;

/* ---- telling ------------------------------------------------------------------------------------------ */

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
		state.dmq->broadcast(&state.channel, writer_result(&w));
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

/* A list of items on its way to one server. */
struct sync {
	struct dmq_node to;
	struct arena arena;
	struct writer list;
	unsigned rows; /* in this message */
	uint64_t sent;
};

static void list_begin(struct sync *sync)
{
	arena_clear(&sync->arena);
	sync->list = writer_in_arena(&sync->arena, DMQ_BODY_MOST);
	sync->rows = 0;
	replica_write_begin(&sync->list);
}

static bool list_send(struct sync *sync)
{
	if (sync->rows == 0)
		return true;
	replica_write_end(&sync->list);
	bool is_sent = !sync->list.failed && state.dmq->wait_for_room(sync->to) &&
		       state.dmq->send(&state.channel, sync->to, writer_result(&sync->list));
	sync->sent += sync->rows;
	list_begin(sync);
	return is_sent;
}

/* What does not fit any more goes into the next message. */
static bool list_add(struct sync *sync, const struct replica_item *item)
{
	size_t before = sync->list.len;
	replica_write_item(&sync->list, item, sync->rows == 0);
	if (sync->list.failed)
		return false;
	if (sync->list.len <= LIST_MOST) {
		sync->rows++;
		return true;
	}
	sync->list.len = before;
	if (sync->rows == 0) {
		log_error("the item %.*s of the table \"%.*s\" is too large to be told to others",
			  SPAN_ARGS(item->key), SPAN_ARGS(item->table));
		return true;
	}
	return list_send(sync) && list_add(sync, item);
}

static bool send_table(struct sync *sync, const struct table *table)
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
		is_good = list_add(sync, &row);
	}
	cursor_free(&cursor);
	return is_good;
}

static void sync_on_fiber(void *arg)
{
	struct sync *sync = arg;
	bool is_good = true;
	list_begin(sync);
	for (const struct table *table = table_first(); table && is_good; table = table->next)
		if (table->is_replicated)
			is_good = send_table(sync, table);
	is_good = is_good && list_send(sync);
	if (is_good)
		log_info("%llu items told to a server that asked", (unsigned long long)sync->sent);
	else
		log_warning("a server that asked for all items got %llu of them only",
			    (unsigned long long)sync->sent);
	arena_free(&sync->arena);
	free(sync);
	state.syncs--;
}

/* On a fiber of its own, because it waits for the answers. */
static bool sync_start(struct dmq_node to)
{
	struct sync *sync =
		to.generation && state.syncs < SYNCS_MOST ? calloc(1, sizeof(*sync)) : NULL;
	if (!sync)
		return false;
	sync->to = to;
	arena_init(&sync->arena, 2 * DMQ_BODY_MOST, 1 << 22);
	state.syncs++;
	if (fiber_start(sync_on_fiber, sync))
		return true;
	state.syncs--;
	arena_free(&sync->arena);
	free(sync);
	return false;
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
	const struct dmq_api *api = dmq;
	if (!api) {
		log_error("enable_dmq needs the module dmq: loadmodule \"dmq.so\"");
		return false;
	}
	state.channel = (struct dmq_channel){ .name = channel,
					      .content_type = SPAN_OF("application/json"),
					      .receive = receive };
	if (asks_at_start)
		state.channel.greeting = SPAN_OF("{\"action\":1}");
	state.dmq = api;
	return api->join(&state.channel);
}
