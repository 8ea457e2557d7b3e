/* SPDX-License-Identifier: BSD-2-Clause */
/* What the core parameters say about sockets and DNS, given to the rooms below. */
#include <netinet/ip.h>

#include "core/net/blocklist.h"
#include "core/net/locate.h"
#include "core/net/resolver.h"
#include "core/process/settings.h"
#include "core/script/keywords.h"
#include "core/script/layout.h"
#include "core/transport/proxied.h"
#include "parser/proxy_protocol.h"

#define NETWORKS_MOST 64

static struct proxied_network balancers[NETWORKS_MOST];

enum { DNS_ONLY_IPV4 = 1, DNS_ONLY_IPV6 = 2, DNS_PREFER_IPV6 = 4 }; /* bits of dns_cache_flags */

bool tos_from_name(struct span name, int64_t *out_tos)
{
	static const struct { struct span name; int64_t tos; } names[] = {
		{ SPAN("IPTOS_LOWDELAY"), IPTOS_LOWDELAY }, { SPAN("IPTOS_THROUGHPUT"), IPTOS_THROUGHPUT },
		{ SPAN("IPTOS_RELIABILITY"), IPTOS_RELIABILITY }, { SPAN("IPTOS_MINCOST"), IPTOS_MINCOST },
		{ SPAN("IPTOS_LOWCOST"), IPTOS_LOWCOST },
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (span_equal_nocase(name, names[i].name)) {
			*out_tos = names[i].tos;
			return true;
		}
	return false;
}

static bool has_family(int family)
{
	for (unsigned i = 0; i < listener_count(); i++)
		if (listener_at(i)->address.family == family)
			return true;
	return false;
}

static uint32_t supported_transports(void)
{
	uint32_t transports = 0;
	for (unsigned i = 0; i < listener_count(); i++)
		transports |= 1u << listener_at(i)->address.transport;
	return transports;
}

static void apply_dns(const struct core_settings *settings)
{
	bool ipv4 = has_family(AF_INET) && !(settings->dns_cache_flags & DNS_ONLY_IPV6);
	bool ipv6 = has_family(AF_INET6) && !(settings->dns_cache_flags & DNS_ONLY_IPV4);
	struct resolver_options resolver = {
		.ipv4 = ipv4, .ipv6 = ipv6 && (settings->dns_try_ipv6 || !ipv4),
		.prefers_ipv6 = settings->dns_cache_flags & DNS_PREFER_IPV6,
		.use_cache = settings->use_dns_cache && settings->dns_cache_init,
		.drops_live = settings->dns_cache_del_nonexp, .bytes_most = (size_t)settings->dns_cache_mem << 10,
		.min_ttl_s = settings->dns_cache_min_ttl, .max_ttl_s = settings->dns_cache_max_ttl,
		.negative_ttl_s = settings->dns_cache_negative_ttl, .sweep_s = settings->dns_cache_gc_interval,
		.try_ms = settings->dns_retr_time * 1000, .tries = settings->dns_retr_no,
		.servers_most = settings->dns_servers_no, .search = settings->dns_use_search_list,
		.slow_ms = settings->dns_slow_query_ms, .draws_services = settings->dns_srv_lb,
		.servers = settings->dns_servers.len ? arena_string(startup_arena(), settings->dns_servers) : NULL,
	};
	struct locate_options locate = {
		.asks_naptr = settings->dns_try_naptr, .prefers_own = settings->dns_naptr_ignore_rfc,
		.supported = supported_transports(), .fails_over = settings->use_dns_failover,
		.preferences = {
			[TRANSPORT_UDP] = (int32_t)settings->dns_udp_pref, [TRANSPORT_TCP] = (int32_t)settings->dns_tcp_pref,
			[TRANSPORT_TLS] = (int32_t)settings->dns_tls_pref, [TRANSPORT_SCTP] = (int32_t)settings->dns_sctp_pref,
		},
	};
	resolver_configure(&resolver);
	locate_configure(&locate);
}

/* list = network *("," network); an empty one has none */
bool balancers_parse(struct span text, unsigned *out_count)
{
	struct span rest = text, item;
	unsigned count = 0;
	while (span_trim(text).len && span_split(&rest, ',', &item)) {
		struct network network;
		if (count == NETWORKS_MOST || !network_parse(span_trim(item), &network))
			return false;
		balancers[count++] = (struct proxied_network){ network.address, network.bits };
	}
	if (out_count)
		*out_count = count;
	return true;
}

static bool apply_balancers(const struct core_settings *settings)
{
	struct proxied_options options = { .networks = balancers };
	if (settings->udp_accept_proxy & 1)
		options.forms |= PROXY_HAPROXY;
	if (settings->udp_accept_proxy & 2)
		options.forms |= PROXY_SIMPLE;
	return balancers_parse(settings->udp_proxy_networks, &options.network_count) &&
	       proxied_prepare(&options);
}

bool network_settings_apply(void)
{
	const struct core_settings *settings = core_settings();
	const struct socket_options sockets = { .tos = (int)settings->tos,
						.free_bind = settings->ip_free_bind,
						.discovers_mtu = settings->pmtu_discovery > 0,
						.multihomed = settings->mhomed != 0 };
	sockets_configure(&sockets);
	apply_dns(settings);
	const struct blocklist_options blocklist = { .is_on = settings->use_dst_blocklist,
						     .expire_s = settings->dst_blocklist_expire,
						     .bytes_most =
							     (size_t)settings->dst_blocklist_mem
							     << 10 };
	if (blocklist_prepare(&blocklist) && apply_balancers(settings))
		return true;
	log_critical("no shared memory for tables of destinations; start with a larger -m");
	return false;
}
