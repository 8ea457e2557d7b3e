/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands udp.proxy.*: clients whose datagrams come through load balancers (udp_accept_proxy). */
#include "core/transport/proxied.h"
#include "modules/kex/kex.h"

static bool is_refused(struct rpc_call *call)
{
	if (!proxied_is_on())
		rpc_fault(call, 500, "No load balancers are expected; set udp_accept_proxy");
	return !proxied_is_on();
}

static void add_address(struct rpc_call *call, struct rpc_node *node, const char *name,
			const struct end_point *address)
{
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write(&w, address);
	rpc_add_text(call, node, name, writer_result(&w));
}

void kex_proxy_dump(struct rpc_call *call)
{
	struct proxied_entry entry;
	uint64_t cursor = 0;
	if (is_refused(call))
		return;
	while (proxied_next(&cursor, &entry)) {
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		add_address(call, node, "real", &entry.client);
		add_address(call, node, "proxy", &entry.balancer);
		rpc_add_text(call, node, "socket", entry.listener->text);
		rpc_add_text(call, node, "protocol",
			     entry.is_simple ? SPAN_OF("simple") : SPAN_OF("haproxy"));
		rpc_add_int(call, node, "idle", entry.idle_ms / 1000);
	}
}

void kex_proxy_stats(struct rpc_call *call)
{
	if (is_refused(call))
		return;
	struct proxied_figures figures = proxied_figures();
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "real", figures.clients);
	rpc_add_int(call, node, "proxy", figures.balancers);
	rpc_add_int(call, node, "max", figures.most);
	rpc_add_int(call, node, "received", (int64_t)figures.received);
	rpc_add_int(call, node, "sent", (int64_t)figures.sent);
	rpc_add_int(call, node, "refused", (int64_t)figures.refused);
}

static void forget(struct rpc_call *call, bool all)
{
	if (!is_refused(call))
		rpc_add_int(call, rpc_add_struct(call, NULL, NULL), "removed", proxied_forget(all));
}

void kex_proxy_clean(struct rpc_call *call)
{
	forget(call, false);
}

void kex_proxy_flush(struct rpc_call *call)
{
	forget(call, true);
}
