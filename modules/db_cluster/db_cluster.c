/* SPDX-License-Identifier: BSD-2-Clause */
/* db_cluster: several databases as one, for failover and for spreading reads.
 *
 *   connection = name "=>" URL
 *   cluster    = name "=>" member *( ";" member )
 *   member     = connection-name "=" role role          reads first, then writes
 *   role       = priority mode                          "9s", "8r", "9p"
 *   mode       = "s" (the first that works) / "r" (taking turns) / "p" (all of them; writes only) */
#include <stdio.h>
#include <sys/mman.h>

#include "modules/db_cluster/db_cluster.h"

static struct {
	int64_t inactive_interval; /* s */
	int64_t max_query_length;
	struct {
		struct span name, url;
	} connections[CLUSTER_CONNECTIONS_MOST];
	unsigned connection_count;
	struct cluster clusters[CLUSTERS_MOST];
	unsigned cluster_count;
	char wrong[256];
} settings = { .inactive_interval = 300 };

int64_t cluster_inactive_ms(void)
{
	return 1000 * settings.inactive_interval;
}

/* ---- settings -------------------------------------------------------------------------------- */

static bool split_arrow(struct span text, struct span *out_name, struct span *out_rest)
{
	size_t arrow = span_find_span(text, SPAN_OF("=>"));
	*out_name = span_trim(span_slice(text, 0, arrow));
	*out_rest = span_trim(span_slice(text, arrow + 2, text.len));
	return arrow < text.len && out_name->len && out_rest->len;
}

static struct span url_of(struct span name)
{
	for (unsigned i = 0; i < settings.connection_count; i++)
		if (span_equal(settings.connections[i].name, name))
			return settings.connections[i].url;
	return (struct span){ 0 };
}

static const char *accept_connection(struct span text, int64_t number)
{
	struct span name, url;
	if (!split_arrow(text, &name, &url))
		return "expects name=>URL";
	if (url_of(name).len)
		return "there is a connection of this name already";
	if (settings.connection_count == CLUSTER_CONNECTIONS_MOST)
		return "too many connections";
	settings.connections[settings.connection_count].name = name;
	settings.connections[settings.connection_count++].url = url;
	return NULL;
}

static bool parse_role(struct span text, bool may_be_parallel, struct cluster_role *out)
{
	if (text.len != 2 || !ascii_is_digit(text.at[0]))
		return false;
	out->priority = (unsigned)(text.at[0] - '0');
	out->mode = (enum cluster_mode)ascii_lower(text.at[1]);
	return out->mode == CLUSTER_SERIAL || out->mode == CLUSTER_ROUND_ROBIN ||
	       (may_be_parallel && out->mode == CLUSTER_PARALLEL);
}

static const char *parse_member(struct span text, struct cluster *cluster)
{
	size_t equals = span_find(text, '=', 0);
	struct span name = span_trim(span_slice(text, 0, equals));
	struct span roles = span_trim(span_slice(text, equals + 1, text.len));
	if (cluster->count == CLUSTER_MEMBERS_MOST)
		return "a cluster has at most 10 databases";
	struct cluster_member *member = &cluster->members[cluster->count];
	if (!url_of(name).len)
		return "names a connection that no \"connection\" parameter before it defines";
	if (roles.len != 4 || !parse_role(span_slice(roles, 0, 2), false, &member->reads) ||
	    !parse_role(span_slice(roles, 2, 2), true, &member->writes))
		return "after the connection comes \"=\", priority and mode of reads (s, r), and of writes "
		       "(s, r, p), like con1=9s9p";
	member->connection = name;
	cluster->count++;
	return NULL;
}

static const char *accept_cluster(struct span text, int64_t number)
{
	struct span name, rest, member;
	if (!split_arrow(text, &name, &rest))
		return "expects name=>connection=9s9p;connection=8s9p";
	if (settings.cluster_count == CLUSTERS_MOST)
		return "too many clusters";
	struct cluster *cluster = &settings.clusters[settings.cluster_count];
	*cluster = (struct cluster){ .name = name };
	while (span_split(&rest, ';', &member)) {
		const char *wrong = span_trim(member).len ? parse_member(member, cluster) : NULL;
		if (wrong)
			return wrong;
	}
	/* Before the first fork, and in no hurry to be given back. */
	cluster->inactive_until_ms =
		mmap(NULL, CLUSTER_MEMBERS_MOST * sizeof(int64_t), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cluster->inactive_until_ms == MAP_FAILED)
		return "there is no memory for it";
	settings.cluster_count++;
	return cluster->count ? NULL : "the cluster has no database";
}

struct cluster *cluster_at(unsigned index)
{
	return index < settings.cluster_count ? &settings.clusters[index] : NULL;
}

struct span cluster_url_of(const struct cluster_member *member)
{
	return url_of(member->connection);
}

/* ---- use ------------------------------------------------------------------------------------- */

struct cluster *cluster_find(struct span name, const char **out_wrong)
{
	struct cluster *cluster = NULL;
	for (unsigned i = 0; i < settings.cluster_count; i++)
		if (span_equal(settings.clusters[i].name, name))
			cluster = &settings.clusters[i];
	if (!cluster) {
		*out_wrong = "there is no such cluster: modparam(\"db_cluster\", \"cluster\", "
			     "\"name=>connection=9s9p\")";
		return NULL;
	}
	for (unsigned i = 0; i < cluster->count; i++) {
		struct cluster_member *member = &cluster->members[i];
		const char *wrong = "it is a cluster itself";
		struct span url = url_of(member->connection);
		if (!member->db && !span_starts_with(url, SPAN_OF("cluster:")))
			member->db = db_find(url, &wrong);
		if (!member->db) {
			snprintf(settings.wrong, sizeof(settings.wrong), "connection %.*s: %.200s",
				 SPAN_ARGS(member->connection), wrong);
			*out_wrong = settings.wrong;
			return NULL;
		}
	}
	return cluster;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("connection", accept_connection, "name=>URL of a database"),
	FIELD_ACCEPT("cluster", accept_cluster,
		     "name=>connection=9s9p;…: priorities and modes of reads and writes"),
	FIELD(settings, inactive_interval,
	      "seconds for which a database that failed is not preferred", .min = 0, .max = 86400),
	FIELD_IGNORED("max_query_length", "the time limits of the drivers hold"),
};

static const struct module_interface offers[] = {
	{ DB_DRIVER, DB_DRIVER_VERSION, &cluster_driver },
};

MODULE_EXPORT const struct db_driver *const db_driver_export = &cluster_driver;
MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "db_cluster",
	.doc = "Several databases as one, for failover and for spreading reads: cluster://name.",
	.settings = { &settings, FIELDS(setting_fields) },
	.offers = ROWS(offers),
	.commands = { cluster_commands, CLUSTER_COMMAND_COUNT },
};
