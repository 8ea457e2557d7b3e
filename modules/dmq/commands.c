/* SPDX-License-Identifier: BSD-2-Clause */
/* What administrators see and change of the nodes. */
#include "modules/dmq/dmq.h"

static void add_node(struct rpc_call *call, const struct node_view *node)
{
	char ip[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(ip, sizeof(ip));
	struct rpc_node *row = rpc_add_struct(call, NULL, NULL);
	end_point_write_ip(&w, &node->address);
	rpc_add_text(call, row, "host", node->entry.host);
	if (node->entry.port)
		rpc_add_printf(call, row, "port", "%u", node->entry.port);
	else
		rpc_add_null(call, row, "port");
	rpc_add_text(call, row, "proto",
		     node->entry.transport == TRANSPORT_NONE
			     ? SPAN_OF("*")
			     : span_from(transport_name_lower(node->entry.transport)));
	rpc_add_text(call, row, "resolved_ip",
		     node->address.family ? writer_result(&w) : SPAN_OF(""));
	rpc_add_text(call, row, "status", span_from(node_status_name(node->entry.status)));
	rpc_add_int(call, row, "last_notification", node->heard_wall_s);
	rpc_add_int(call, row, "local", node->is_local);
}

static void run_list(struct rpc_call *call)
{
	struct node_view view;
	uint32_t cursor = 0;
	while (nodes_next(&cursor, &view))
		add_node(call, &view);
}

static bool need_address(struct rpc_call *call, struct node_entry *out)
{
	struct span text;
	if (!rpc_arg_text(call, 0, &text)) {
		rpc_fault(call, 500, "Invalid Parameters");
		return false;
	}
	if (node_entry_parse(text, out))
		return true;
	rpc_fault(call, 500, "Failure");
	return false;
}

static void run_remove(struct rpc_call *call)
{
	struct node_entry entry;
	if (!need_address(call, &entry))
		return;
	nodes_remove(nodes_find(&entry));
	rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. DMQ node removed."));
}

/* A name is resolved when something is sent to it. */
static void run_add(struct rpc_call *call)
{
	struct node_entry entry;
	struct dmq_node name;
	struct end_point address = { 0 };
	if (!need_address(call, &entry))
		return;
	if (end_point_parse_ip(entry.host, &address)) {
		address.transport = (uint8_t)(entry.transport == TRANSPORT_NONE ? TRANSPORT_UDP
										: entry.transport);
		address.port = entry.port ? entry.port : transport_default_port(entry.transport);
	}
	entry.status = NODE_PENDING;
	if (!nodes_add(&entry, &address, false, &name)) {
		rpc_fault(call, 500, "Failure");
		return;
	}
	notify_node(name, 2);
	rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. DMQ node added."));
}

static void run_change(struct rpc_call *call)
{
	struct node_entry entry;
	struct span text;
	enum node_status status;
	if (!need_address(call, &entry))
		return;
	if (!rpc_arg_text(call, 1, &text) || !node_status_from(text, &status)) {
		rpc_fault(call, 500, "Invalid Parameters");
		return;
	}
	struct dmq_node name = nodes_find(&entry);
	struct node_view view;
	if (!nodes_view(name, &view) || view.is_local) {
		rpc_fault(call, 404, "DMQ node not found");
		return;
	}
	nodes_set_status(name, status);
	rpc_add_text(call, NULL, NULL, SPAN_OF("Ok. DMQ node status changed."));
}

const struct rpc_command dmq_commands[DMQ_COMMANDS] = {
	{ "dmq.list_nodes", run_list, "Lists the nodes of the cluster.", NULL, true },
	{ "dmq.remove", run_remove, "Forgets a node.", "address" },
	{ "dmq.add", run_add, "Adds a node and speaks to it.", "address" },
	{ "dmq.change_status", run_change, "Sets the status of a node.", "address status" },
};
