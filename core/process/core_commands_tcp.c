/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about stream connections: core.tcp_info, core.tcp_list, core.tcp_options. */
#include "core/process/process.h"
#include "core/transport/stream.h"

#define PREFIX "tcp_"

static void run_tcp_info(struct rpc_call *call)
{
	const struct stream_settings *settings = &core_settings()->stream;
	struct stream_usage usage;
	stream_get_usage(&usage);
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "readers", worker_count());
	rpc_add_int(call, node, "max_connections", settings->max_connections);
	rpc_add_int(call, node, "max_tls_connections", settings->tls_max_connections);
	rpc_add_int(call, node, "opened_connections", usage.connections);
	rpc_add_int(call, node, "opened_tls_connections", usage.tls_connections);
	rpc_add_int(call, node, "write_queued_bytes", (int64_t)usage.queued_bytes);
}

static void add_end(struct rpc_call *call, struct rpc_node *node, const char *prefix,
		    const struct end_point *end)
{
	char name[16], text[END_POINT_TEXT_MAX];
	struct writer names = writer_fixed(name, sizeof(name)),
		      w = writer_fixed(text, sizeof(text));
	end_point_write_ip(&w, end);
	writer_printf(&names, "%s_ip%c", prefix, 0);
	rpc_add_text(call, node, name, writer_result(&w));
	names.len = 0;
	writer_printf(&names, "%s_port%c", prefix, 0);
	rpc_add_int(call, node, name, end->port);
}

static void run_tcp_list(struct rpc_call *call)
{
	struct connection_entry entry;
	uint64_t cursor = 0;
	while (directory_each(&cursor, &entry)) {
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_int(call, node, "id", entry.id);
		rpc_add_text(call, node, "type",
			     span_from(transport_name((enum transport)entry.peer.transport)));
		rpc_add_text(call, node, "state",
			     entry.is_outgoing ? SPAN_OF("CONN_OK (outgoing)")
					       : SPAN_OF("CONN_OK"));
		rpc_add_int(call, node, "age", (clock_ms() - entry.opened_ms) / 1000);
		rpc_add_int(call, node, "lifetime", core_settings()->stream.connection_lifetime);
		rpc_add_int(call, node, "process", entry.process);
		add_end(call, node, "src", &entry.peer);
		add_end(call, node, "dst", &entry.local);
	}
}

/* Some have another name here than in the script. */
static const char *shown_name(const char *name)
{
	return strcmp(name, "max_connections") == 0 ? "max_connections(soft)" : name;
}

static void show_option(struct rpc_call *call, struct rpc_node *node, const struct field *field)
{
	const char *name = field->name + strlen(PREFIX);
	if (field->kind == FIELD_KIND_INT || field->kind == FIELD_KIND_BOOL)
		rpc_add_int(call, node, shown_name(name), field_get_int(field, core_settings()));
	else if (field->kind == FIELD_KIND_TEXT)
		rpc_add_text(call, node, name, field_get_text(field, core_settings()));
}

/* The core parameters tcp_* by their names, as configured. */
static void run_tcp_options(struct rpc_call *call)
{
	struct field_table fields = core_setting_fields();
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	for (uint32_t i = 0; i < fields.count; i++)
		if (span_starts_with(span_from(fields.rows[i].name), SPAN_OF(PREFIX)))
			show_option(call, node, &fields.rows[i]);
	rpc_add_int(call, node, "max_tls_connections(soft)",
		    core_settings()->stream.tls_max_connections);
}

static const struct rpc_command commands[] = {
	{ "core.tcp_info", run_tcp_info, "Shows counts of stream connections." },
	{ "core.tcp_list", run_tcp_list, "Lists stream connections.", NULL, true },
	{ "core.tcp_options", run_tcp_options, "Shows the parameters of stream transports." },
};
const struct rpc_table core_commands_tcp = { commands, ARRAY_SIZE(commands) };
