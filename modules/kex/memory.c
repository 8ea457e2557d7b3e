/* SPDX-License-Identifier: BSD-2-Clause */
/* mod.stats: what each module has in shared memory. Processes have no pools of their own, so that there is
 * nothing to tell of "pkg". */
#include "core/module/loader.h"
#include "core/shm/map.h"
#include "modules/kex/kex.h"

static void add_shared(struct rpc_call *call, struct span owner, bool with_counts)
{
	const struct shm_reservation *one;
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	int64_t total = 0;
	for (unsigned i = 0; (one = shm_reservation_at(i)); i++) {
		if (!span_equal(owner, span_from(one->owner)))
			continue;
		struct shard_usage usage;
		shard_usage_of(one->name, &usage);
		int64_t bytes = (int64_t)(one->bytes + usage.page_bytes);
		total += bytes;
		if (with_counts)
			rpc_add_printf(call, node, one->name, "%lld (%llu)", (long long)bytes,
				       (unsigned long long)(one->count + usage.live));
		else
			rpc_add_int(call, node, one->name, bytes);
	}
	rpc_add_int(call, node, "Total", total);
}

static void add_module(struct rpc_call *call, struct span name, struct span what, bool with_counts)
{
	bool all = span_equal(what, SPAN_OF("all"));
	rpc_add_printf(call, NULL, NULL, "Module: %.*s", SPAN_ARGS(name));
	if (all || span_equal(what, SPAN_OF("pkg")))
		rpc_add_int(call, rpc_add_struct(call, NULL, NULL), "Total", 0);
	if (all || span_equal(what, SPAN_OF("shm")))
		add_shared(call, name, with_counts);
	rpc_add_text(call, NULL, NULL, SPAN_OF(""));
}

static void run(struct rpc_call *call, bool with_counts)
{
	struct span name, what;
	if (!rpc_arg_text(call, 0, &name)) {
		rpc_fault(call, 500, "Module name or \"all\" needed");
		return;
	}
	if (!rpc_arg_text(call, 1, &what)) {
		rpc_fault(call, 500, "\"pkg\" or \"shm\" or \"all\" needed");
		return;
	}
	if (!span_equal(name, SPAN_OF("all"))) {
		add_module(call, name, what, with_counts);
		return;
	}
	/* The last loaded first, the core last. */
	for (unsigned i = loader_count(); i-- > 0;)
		add_module(call, span_from(loader_at(i)->name), what, with_counts);
}

void kex_mod_stats(struct rpc_call *call)
{
	run(call, false);
}

void kex_mod_stats_counted(struct rpc_call *call)
{
	run(call, true);
}
