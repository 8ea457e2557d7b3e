/* SPDX-License-Identifier: BSD-2-Clause */
/* From a URI to addresses (RFC 3263). */
#include "core/net/locate.h"

bool locate_host(struct span host, uint16_t port, enum transport transport, struct located *out_located)
{
	struct end_point target = { 0 };
	out_located->count = 0;
	if (!end_point_parse_ip(host, &target))
		return false;
	target.transport = (uint8_t)(transport == TRANSPORT_NONE ? TRANSPORT_UDP : transport);
	target.port = port ? port : transport_default_port((enum transport)target.transport);
	out_located->targets[out_located->count++] = target;
	return true;
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
