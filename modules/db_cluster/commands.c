/* SPDX-License-Identifier: BSD-2-Clause */
/* RPC: which databases clusters have, and taking one out for a while. */
#include "modules/db_cluster/db_cluster.h"

#define TEN_YEARS_S (10 * 365 * 86400)

static struct cluster *cluster_named(struct rpc_call *call, struct span name)
{
	struct cluster *cluster;
	for (unsigned i = 0; (cluster = cluster_at(i)); i++)
		if (span_equal(cluster->name, name))
			return cluster;
	rpc_fault(call, 500, "Cluster not found");
	return NULL;
}

static void run_list_clusters(struct rpc_call *call)
{
	struct cluster *cluster;
	for (unsigned i = 0; (cluster = cluster_at(i)); i++)
		rpc_add_text(call, rpc_add_struct(call, NULL, NULL), "cluster", cluster->name);
}

static void add_member(struct rpc_call *call, const struct cluster *cluster, unsigned index)
{
	const struct cluster_member *member = &cluster->members[index];
	int64_t left_ms = cluster->inactive_until_ms[index] - clock_us_now() / 1000;
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	struct writer w = writer_in_arena(rpc_arena(call), 128);
	rpc_add_text(call, node, "connection", member->connection);
	rpc_add_text(call, node, "url", db_url_without_password(cluster_url_of(member), &w));
	rpc_add_int(call, node, "flags", 1);
	rpc_add_text(call, node, "state", left_ms > 0 ? SPAN_OF("inactive") : SPAN_OF("active"));
	rpc_add_int(call, node, "ticks", left_ms > 0 ? (left_ms + 999) / 1000 : 0);
	rpc_add_int(call, node, "ref", 1);
}

static void run_list_connections(struct rpc_call *call)
{
	struct span name;
	if (!rpc_arg_text(call, 0, &name)) {
		rpc_fault(call, 500, "Not enough parameters (cluster)");
		return;
	}
	struct cluster *cluster = cluster_named(call, name);
	for (unsigned i = cluster ? cluster->count : 0; i > 0; i--)
		add_member(call, cluster, i - 1);
}

static void set_inactive(struct rpc_call *call, struct span name, struct span connection,
			 int64_t seconds, const char *answer)
{
	struct cluster *cluster = cluster_named(call, name);
	for (unsigned i = 0; cluster && i < cluster->count; i++) {
		if (!span_equal(cluster->members[i].connection, connection))
			continue;
		cluster->inactive_until_ms[i] =
			seconds ? clock_us_now() / 1000 + 1000 * seconds : 0;
		rpc_add_text(call, NULL, NULL, span_from(answer));
		return;
	}
	if (cluster)
		rpc_fault(call, 500, "Connection not found");
}

static void run_disable(struct rpc_call *call)
{
	struct span name, connection;
	int64_t seconds;
	if (!rpc_arg_text(call, 0, &name) || !rpc_arg_text(call, 1, &connection) ||
	    !rpc_arg_int(call, 2, &seconds) || seconds < 1 || seconds > TEN_YEARS_S) {
		rpc_fault(call, 500, "Not enough parameters (cluster) (connection) (seconds)");
		return;
	}
	set_inactive(call, name, connection, seconds, "Ok. Cluster connection disabled.");
}

static void run_enable(struct rpc_call *call)
{
	struct span name, connection;
	if (!rpc_arg_text(call, 0, &name) || !rpc_arg_text(call, 1, &connection)) {
		rpc_fault(call, 500, "Not enough parameters (cluster) (connection)");
		return;
	}
	set_inactive(call, name, connection, 0, "Ok. Cluster connection enabled.");
}

const struct rpc_command cluster_commands[CLUSTER_COMMAND_COUNT] = {
	{ "dbcl.list_clusters", run_list_clusters, "Lists the clusters.", NULL },
	{ "dbcl.list_connections", run_list_connections, "Lists the databases of a cluster.",
	  "cluster" },
	{ "dbcl.disable_connection", run_disable, "Prefers the other databases for a while.",
	  "cluster connection seconds" },
	{ "dbcl.enable_connection", run_enable,
	  "Takes a database back that failed or was disabled.", "cluster connection" },
};
