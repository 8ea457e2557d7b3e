/* SPDX-License-Identifier: BSD-2-Clause */
/* From a URI to addresses (RFC 3263): a literal address is taken as it is; a name with a port has
 * address records only; a name without one is asked for SRV records first. */
#include "core/net/locate.h"

#include <stdio.h>

#include "core/net/resolver.h"

static void add_target(struct located *located, struct end_point address, uint16_t port, enum transport transport)
{
	if (located->count == LOCATE_MOST)
		return;
	address.transport = (uint8_t)transport;
	address.port = port ? port : transport_default_port(transport);
	located->targets[located->count++] = address;
}

static bool add_host(struct located *located, struct span host, uint16_t port, enum transport transport)
{
	struct resolved_addresses found;
	if (!resolve_host(host, &found))
		return false;
	for (unsigned i = 0; i < found.count; i++)
		add_target(located, found.addresses[i], port, transport);
	return true;
}

static bool add_services(struct located *located, struct span host, enum transport transport)
{
	struct resolved_services found;
	char name[300];
	bool is_tls = transport == TRANSPORT_TLS;
	int len = snprintf(name, sizeof(name), "_%s._%s.%.*s", is_tls ? "sips" : "sip",
		is_tls ? "tcp" : transport_name_lower(transport), SPAN_ARGS(host));
	if (len >= (int)sizeof(name) || !resolve_services(span_make(name, (size_t)len), &found))
		return false;
	for (unsigned i = 0; i < found.count; i++)
		add_host(located, span_make(found.services[i].target, found.services[i].target_len),
			found.services[i].port, transport);
	return located->count > 0;
}

bool locate_host(struct span host, uint16_t port, enum transport transport, struct located *out_located)
{
	struct end_point literal = { 0 };
	if (transport == TRANSPORT_NONE)
		transport = TRANSPORT_UDP;
	out_located->count = 0;
	if (end_point_parse_ip(host, &literal)) {
		add_target(out_located, literal, port, transport);
		return true;
	}
	if (port == 0 && add_services(out_located, host, transport))
		return true;
	return add_host(out_located, host, port, transport);
}

bool locate_uri(struct span uri, struct located *out_located)
{
	struct sip_uri parsed;
	out_located->count = 0;
	if (!uri_parse(uri, &parsed) || !uri_is_sip(&parsed) || parsed.transport == SIP_TRANSPORT_OTHER)
		return false;
	enum transport transport = (enum transport)parsed.transport;
	if (parsed.scheme == URI_SIPS && (transport == TRANSPORT_NONE || transport == TRANSPORT_TCP))
		transport = TRANSPORT_TLS;
	return locate_host(parsed.maddr.len ? parsed.maddr : parsed.host, parsed.port, transport, out_located);
}
