/* SPDX-License-Identifier: BSD-2-Clause */
/* htable: tables that all workers share, for the script. Settings, events and the life of the module. */
#include "modules/dmq/dmq_api.h"
#include "modules/htable/replica.h"

#include "core/shm/map.h"

#define EXPIRED_AT_ONCE 32

enum { INIT_AT_START, INIT_IN_WORKER };

static struct {
	struct row_settings rows;
	int64_t timer_interval, event_callback_mode;
	bool enable_dmq, dmq_init_sync;
	struct span dmq_peer_id;
} settings = {
	.rows = {
		.key_name_column = SPAN("key_name"),
		.key_type_column = SPAN("key_type"),
		.value_type_column = SPAN("value_type"),
		.key_value_column = SPAN("key_value"),
		.expires_column = SPAN("expires"),
		.array_size_suffix = SPAN("::size"),
	},
	.timer_interval = 20,
	.dmq_peer_id = SPAN("htable"),
};

static struct {
	uint32_t *is_initialized; /* shared: mod-init ran in a worker */
	unsigned slot;
} state;

static const void *dmq;

static const struct field setting_fields[] = {
	FIELD_ACCEPT("htable", table_define, "a table: name=>size=N;autoexpire=SECONDS;…"),
	FIELD_NAMED(settings, rows.db_url, "db_url", "database of tables that have dbtable"),
	FIELD_NAMED(settings, rows.key_name_column, "key_name_column", "column of keys"),
	FIELD_NAMED(settings, rows.key_type_column, "key_type_column", "column: 0 a key, 1 an array"),
	FIELD_NAMED(settings, rows.value_type_column, "value_type_column",
		"column: 0 a text, 1 a number"),
	FIELD_NAMED(settings, rows.key_value_column, "key_value_column", "column of values"),
	FIELD_NAMED(settings, rows.expires_column, "expires_column", "column of the end of life"),
	FIELD_NAMED(settings, rows.array_size_suffix, "array_size_suffix",
		"what makes the name of an array's length of the array's name"),
	FIELD_NAMED(settings, rows.db_expires, "db_expires",
		"load and store when items with autoexpire end"),
	FIELD(settings, timer_interval, "seconds between looks for expired items", .min = 1,
		.max = 86400),
	FIELD(settings, event_callback_mode,
		"event_route[htable:mod-init] runs 0: before there are workers, 1: in the first worker",
		.max = 1),
	FIELD(settings, enable_dmq, "tables with dmqreplicate are the same on all servers (module dmq)"),
	FIELD(settings, dmq_init_sync, "at the start another server is asked for all items"),
	FIELD(settings, dmq_peer_id, "name of the channel between the servers"),
	FIELD_IGNORED("fetch_rows", "rows are read one by one, however many there are"),
	FIELD_IGNORED("timer_procs", "looking for expired items costs nothing that needs a process"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
};

/* ---- messages ---- */

void notes_prepare(void)
{
	state.slot = message_slot("htable");
}

struct message_notes *notes_of(const struct message *msg)
{
	return msg->slots[state.slot];
}

struct message_notes *notes_make(struct message *msg)
{
	if (!msg->slots[state.slot])
		msg->slots[state.slot] = ARENA_NEW(msg->arena, struct message_notes);
	return msg->slots[state.slot];
}

/* ---- expiry ---- */

static int64_t expiry_period_ms(void)
{
	return table_first() ? settings.timer_interval * 1000 : 0;
}

const struct item_copy *expired_record(const struct script_run *run)
{
	return script_event_data(run, "htable");
}

static void expire_shard(const struct table *table, unsigned number)
{
	struct item_copy items[EXPIRED_AT_ONCE];
	struct arena arena;
	unsigned count;
	do {
		arena_init(&arena, 4096, 1 << 26);
		count = items_take_expired(table, number, &arena, items, EXPIRED_AT_ONCE);
		for (unsigned i = 0; i < count; i++)
			script_run_event(table->expired_event, NULL, &items[i], NULL);
		arena_free(&arena);
	} while (count);
}

/* Each worker looks after its part of the shards. */
static void expire(void)
{
	for (const struct table *table = table_first(); table; table = table->next) {
		for (unsigned i = (unsigned)worker_index(); i < shard_count(table->set);
		     i += worker_count())
			expire_shard(table, i);
	}
}

static const struct module_timer timers[] = {
	{ "htable expiry", expiry_period_ms, expire, true },
};

static const struct module_event events[] = {
	{ "htable:mod-init", ROUTE_EVENT, "the server starts; tables are there and loaded" },
	{ "htable:expired:", ROUTE_EVENT, "an item of the table expired: $shtrecord" },
	{ "htable:reloaded:", ROUTE_EVENT, "the table was read from the database again" },
};

/* ---- life cycle ---- */

static void warn_of_replication(void)
{
	for (const struct table *table = table_first(); table; table = table->next)
		if (table->is_replicated && !settings.enable_dmq)
			log_warning(
				"the table \"%.*s\" has dmqreplicate, but enable_dmq is 0: it is "
				"this server's own",
				SPAN_ARGS(table->name));
}

static bool prepare(struct diagnostics *diagnostics)
{
	state.is_initialized = shm_reserve(sizeof(*state.is_initialized), "htable");
	notes_prepare();
	if (settings.enable_dmq &&
	    !replica_prepare(dmq, settings.dmq_peer_id, settings.dmq_init_sync))
		return false;
	return state.is_initialized && tables_prepare() &&
	       rows_prepare(&settings.rows, diagnostics);
}

static bool load_tables(void)
{
	for (const struct table *table = table_first(); table; table = table->next) {
		int64_t began_us = clock_us_now();
		uint64_t count;
		if (!table->db_table.len)
			continue;
		if (!rows_has_database()) {
			log_warning(
				"the table \"%.*s\" has a dbtable, but there is no db_url: it is empty",
				SPAN_ARGS(table->name));
			continue;
		}
		if (!rows_load(table, &count)) {
			log_error("the table \"%.*s\" cannot be read from the database",
				  SPAN_ARGS(table->name));
			return false;
		}
		log_info("%llu items of the table %.*s read in %.3f s", (unsigned long long)count,
			 SPAN_ARGS(table->name), (double)(clock_us_now() - began_us) / 1e6);
	}
	return true;
}

static bool start(void)
{
	warn_of_replication();
	if (!rows_check() || !load_tables())
		return false;
	if (settings.event_callback_mode == INIT_AT_START)
		script_run_event("htable:mod-init", NULL, NULL, NULL);
	return true;
}

static bool start_worker(void)
{
	if (settings.event_callback_mode == INIT_IN_WORKER && worker_index() == 0 &&
	    !*state.is_initialized) {
		*state.is_initialized = 1;
		script_run_event("htable:mod-init", NULL, NULL, NULL);
	}
	return true;
}

static void finish(void)
{
	for (const struct table *table = table_first(); table; table = table->next) {
		uint64_t count;
		if (table->is_stored && table->db_table.len && rows_has_database() &&
		    !table->column_count && rows_store(table, &count))
			log_info("%llu items of the table %.*s stored", (unsigned long long)count,
				 SPAN_ARGS(table->name));
	}
}

static const struct claim claims[] = {
	{ .name = "htable", .order = 1000, .after = locks_forget },
};

static const struct function_table *const functions[] = {
	&item_functions, &match_functions, &iterator_functions, NULL,
};

static const struct module_need needs[] = {
	{ .name = "dmq", .version = DMQ_API_VERSION, .out_functions = &dmq, .is_optional = true },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "htable",
	.doc = "Tables that all workers share, for the script.",
	.settings = { &settings, FIELDS(setting_fields) },
	.more_functions = functions,
	.variables = { htable_variables, HTABLE_VARIABLES },
	.commands = { htable_commands, HTABLE_COMMANDS },
	.events = ROWS(events),
	.timers = ROWS(timers),
	.claims = ROWS(claims),
	.needs = ROWS(needs),
	.prepare = prepare,
	.start = start,
	.start_worker = start_worker,
	.finish = finish,
};
