/* SPDX-License-Identifier: BSD-2-Clause */
/* The corex.* and shm.* commands. */
#include <stdio.h>
#include <unistd.h>

#include "core/module/live.h"
#include "core/process/process.h"
#include "core/shm/map.h"
#include "modules/corex/corex.h"

static struct span or_dash(struct span text)
{
	return text.len ? text : SPAN_OF("-");
}

static void run_list_sockets(struct rpc_call *call)
{
	for (unsigned i = 0; i < listener_count(); i++) {
		const struct listener *listener = listener_at(i);
		char address[END_POINT_TEXT_MAX];
		struct writer w = writer_fixed(address, sizeof(address));
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		end_point_write_ip(&w, &listener->address);
		rpc_add_text(call, node, "PROTO",
			     span_from(transport_name_lower(
				     (enum transport)listener->address.transport)));
		rpc_add_text(call, node, "NAME", writer_result(&w));
		struct rpc_node *list = rpc_add_struct(call, node, "ADDRLIST");
		rpc_add_text(call, list, "ADDR", writer_result(&w));
		rpc_add_printf(call, node, "PORT", "%u", listener->address.port);
		rpc_add_text(call, node, "MCAST", SPAN_OF("no"));
		rpc_add_text(call, node, "MHOMED", SPAN_OF("no"));
		rpc_add_text(call, node, "VIRTUAL",
			     listener->is_virtual ? SPAN_OF("yes") : SPAN_OF("no"));
		rpc_add_text(call, node, "SOCKNAME", or_dash(listener->name));
		rpc_add_text(call, node, "ADVERTISE", or_dash(listener->advertised_host));
	}
}

static void run_list_aliases(struct rpc_call *call)
{
	for (unsigned i = 0; i < alias_count(); i++) {
		struct span rest = alias_text(i), proto = SPAN("*"), address = SPAN(""),
			    port = SPAN("*");
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		span_split(&rest, ':', &proto);
		span_split(&rest, ':', &address);
		span_split(&rest, ':', &port);
		int64_t number;
		rpc_add_text(call, node, "PROTO", proto);
		rpc_add_text(call, node, "ADDR", address);
		rpc_add_int(call, node, "PORT", span_to_int64(port, &number) ? number : 0);
	}
}

static void run_debug(struct rpc_call *call)
{
	int64_t level;
	struct rpc_node *node;
	if (!rpc_arg_count(call)) {
		node = rpc_add_struct(call, NULL, NULL);
		rpc_add_int(call, node, "debug", log_get_threshold());
		return;
	}
	if (!rpc_need_int(call, 0, "level", &level))
		return;
	node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "old", log_get_threshold());
	const struct live_setting *setting = live_find(SPAN_OF("core"), SPAN_OF("debug"));
	const char *wrong =
		setting ? live_set(setting, &VALUE_OF_INT(level), rpc_arena(call)) : NULL;
	if (wrong) {
		rpc_fault(call, 400, "%s", wrong);
		return;
	}
	log_set_threshold((int)level);
	rpc_add_int(call, node, "new", log_get_threshold());
}

static void run_shm_stats(struct rpc_call *call)
{
	struct shm_usage usage;
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	shm_get_usage(&usage);
	rpc_add_int(call, node, "total", (int64_t)usage.total);
	rpc_add_int(call, node, "free", (int64_t)usage.free);
	rpc_add_int(call, node, "used", (int64_t)usage.used);
	rpc_add_int(call, node, "real_used", (int64_t)usage.real_used);
	rpc_add_int(call, node, "max_used", (int64_t)usage.max_used);
	rpc_add_int(call, node, "fragments", (int64_t)usage.fragments);
}

static void run_shm_info(struct rpc_call *call)
{
	struct shm_usage usage;
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	shm_get_usage(&usage);
	rpc_add_text(call, node, "name", SPAN_OF("shards"));
	rpc_add_int(call, node, "size", (int64_t)usage.total);
}

static void run_shm_report(struct rpc_call *call)
{
	for (struct shard_set *set = shard_set_next(NULL); set; set = shard_set_next(set)) {
		struct shard_usage usage;
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		shard_set_usage(set, &usage);
		rpc_add_text(call, node, "name", span_from(shard_set_name(set)));
		rpc_add_int(call, node, "live", (int64_t)usage.live);
		rpc_add_int(call, node, "slot_bytes", (int64_t)usage.slot_bytes);
		rpc_add_int(call, node, "region_bytes", (int64_t)usage.region_bytes);
		rpc_add_int(call, node, "page_bytes", (int64_t)usage.page_bytes);
		rpc_add_int(call, node, "repairs", (int64_t)usage.repairs);
		rpc_add_int(call, node, "lost", (int64_t)usage.lost);
		rpc_add_int(call, node, "quarantined", (int64_t)usage.quarantined);
	}
}

/* What module `owner` reserved as `name`, with the pages of the shards of that name. */
static void add_holder(struct rpc_call *call, const struct shm_reservation *one, size_t *total)
{
	struct shard_usage usage;
	shard_usage_of(one->name, &usage);
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_text(call, node, "module", span_from(one->owner));
	rpc_add_text(call, node, "name", span_from(one->name));
	rpc_add_int(call, node, "bytes", (int64_t)(one->bytes + usage.page_bytes));
	rpc_add_int(call, node, "used",
		    (int64_t)(one->bytes + usage.slot_bytes + usage.region_bytes));
	rpc_add_int(call, node, "pieces", (int64_t)(one->count + usage.live));
	*total += one->bytes + usage.page_bytes;
}

/* Who took shared memory. The peer's filter is the name of a source file; here modules own memory, so it
 * is a part of a module's name or of what it reserved. The rest (script images, tables that modules
 * replace) comes last, without a filter only. */
static void run_shm_rprint(struct rpc_call *call)
{
	const struct shm_reservation *one;
	struct span filter = { NULL, 0 };
	struct shm_usage usage;
	size_t total = 0;
	bool is_filtered = rpc_arg_text(call, 0, &filter) && filter.len;
	for (unsigned i = 0; (one = shm_reservation_at(i)); i++) {
		struct span owner = span_from(one->owner), name = span_from(one->name);
		if (!is_filtered || span_find_span(owner, filter) < owner.len ||
		    span_find_span(name, filter) < name.len)
			add_holder(call, one, &total);
	}
	shm_get_usage(&usage);
	if (is_filtered || usage.real_used < total)
		return;
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_text(call, node, "module", SPAN_OF("-"));
	rpc_add_text(call, node, "name", SPAN_OF("runs of pages"));
	rpc_add_int(call, node, "bytes", (int64_t)(usage.real_used - total));
}

/* ---- reports that go to the log ------------------------------------------------------------------------ */

static void log_shards(void)
{
	for (struct shard_set *set = shard_set_next(NULL); set; set = shard_set_next(set)) {
		struct shard_usage usage;
		shard_set_usage(set, &usage);
		log_notice(
			"shm: %s: %llu live, %llu bytes in slots, %llu in regions, %llu in pages",
			shard_set_name(set), (unsigned long long)usage.live,
			(unsigned long long)usage.slot_bytes,
			(unsigned long long)usage.region_bytes,
			(unsigned long long)usage.page_bytes);
	}
}

static void log_usage(void)
{
	struct shm_usage usage;
	shm_get_usage(&usage);
	log_notice(
		"shm: total %llu, used %llu, real used %llu, free %llu, most used %llu, fragments %llu",
		(unsigned long long)usage.total, (unsigned long long)usage.used,
		(unsigned long long)usage.real_used, (unsigned long long)usage.free,
		(unsigned long long)usage.max_used, (unsigned long long)usage.fragments);
}

static void run_shm_status(struct rpc_call *call)
{
	(void)call;
	log_usage();
	log_shards();
}

/* Resident private bytes of a process, from /proc. */
static int64_t private_bytes(pid_t pid)
{
	char path[64];
	long total = 0, resident = 0, shared = 0;
	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%ld %ld %ld", &total, &resident, &shared) != 3)
		resident = shared = 0;
	fclose(file);
	return (int64_t)(resident - shared) * sysconf(_SC_PAGESIZE);
}

/* Which processes: "pid N" or "idx N"; what they hold is what the system says. */
static void run_pkg_summary(struct rpc_call *call)
{
	struct span selector;
	int64_t wanted;
	if (!rpc_arg_text(call, 0, &selector) || !rpc_arg_int(call, 1, &wanted)) {
		rpc_fault(call, 400, "Selector and value not provided");
		return;
	}
	bool by_pid = span_equal(selector, SPAN_OF("pid"));
	if (!by_pid && !span_equal(selector, SPAN_OF("idx"))) {
		rpc_fault(call, 400, "Invalid selector, expected pid or idx");
		return;
	}
	for (unsigned i = 0; i < role_count(); i++)
		if (by_pid ? role_at(i)->pid == wanted : (int64_t)i == wanted)
			log_notice("pkg: process %u (%d, %s) holds %lld private bytes", i,
				   (int)role_at(i)->pid, role_at(i)->name,
				   (long long)private_bytes(role_at(i)->pid));
}

const struct rpc_command corex_commands[COREX_COMMAND_COUNT] = {
	{ "corex.list_sockets", run_list_sockets, "Lists the listen addresses.", NULL, true },
	{ "corex.list_aliases", run_list_aliases, "Lists the names that are ours.", NULL, true },
	{ "corex.debug", run_debug, "Shows or sets the log level.", "[level]" },
	{ "shm.stats", run_shm_stats, "Shows the shared memory." },
	{ "corex.shm.stats", run_shm_stats, "Shows the shared memory." },
	{ "shm.info", run_shm_info, "Shows what manages the shared memory." },
	{ "corex.shm.info", run_shm_info, "Shows what manages the shared memory." },
	{ "corex.shm.report", run_shm_report, "Shows what modules keep in shared memory.", NULL,
	  true },
	{ "corex.shm.rprint", run_shm_rprint,
	  "Lists who took shared memory, all or those with this in their names.", "[part of a name]",
	  true },
	{ "corex.shm_status", run_shm_status, "Logs the state of the shared memory." },
	{ "corex.shm_summary", run_shm_status, "Logs what is in the shared memory." },
	{ "corex.pkg_summary", run_pkg_summary, "Logs the private memory of a process.",
	  "pid|idx number" },
	{ "shm.report", run_shm_report, "Shows what modules keep in shared memory.", NULL, true },
};
