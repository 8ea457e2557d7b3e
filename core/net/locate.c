/* SPDX-License-Identifier: BSD-2-Clause */
/* From a URI to addresses (RFC 3263 4): a literal address is taken as it is; a name with a port has
 * address records only; of other names NAPTR records say the transports, SRV records the hosts. */
#include "core/net/locate.h"

#include <stdio.h>

#include "core/loop/fiber.h"
#include "core/net/names.h"
#include "core/net/resolver.h"

/* What DNS calls the transports: in SRV names, and in NAPTR records (RFC 3263 4.1, 7118 5.5). */
static const struct service {
	enum transport transport;
	const char *prefix;
	struct span naptr;
	bool is_secure;
} services[] = {
	{ TRANSPORT_UDP, "_sip._udp", SPAN("SIP+D2U"), false },
	{ TRANSPORT_TCP, "_sip._tcp", SPAN("SIP+D2T"), false },
	{ TRANSPORT_TLS, "_sips._tcp", SPAN("SIPS+D2T"), true },
	{ TRANSPORT_SCTP, "_sip._sctp", SPAN("SIP+D2S"), false },
	{ TRANSPORT_WS, "_sip._ws", SPAN("SIP+D2W"), false },
	{ TRANSPORT_WSS, "_sips._ws", SPAN("SIPS+D2W"), true },
};
#define SERVICE_COUNT (sizeof(services) / sizeof(services[0]))

static struct locate_options options = {
	.prefers_own = true, .supported = 1u << TRANSPORT_UDP,
	.preferences = { [TRANSPORT_UDP] = 30, [TRANSPORT_TCP] = 20, [TRANSPORT_TLS] = 10, [TRANSPORT_SCTP] = 20 },
};

void locate_configure(const struct locate_options *chosen)
{
	options = *chosen;
}

bool locate_fails_over(void)
{
	return options.fails_over;
}

static void add_target(struct located *located, struct end_point address, uint16_t port,
		       enum transport transport)
{
	if (located->count == LOCATE_MOST)
		return;
	address.transport = (uint8_t)transport;
	address.port = port ? port : transport_default_port(transport);
	located->targets[located->count++] = address;
}

/* False: it is no address. */
static bool add_address(struct located *located, struct span text, uint16_t port,
			enum transport transport)
{
	struct end_point address = { 0 };
	if (!end_point_parse_ip(text, &address))
		return false;
	add_target(located, address, port, transport);
	return true;
}

static bool add_name(struct located *located, struct span host, uint16_t port,
		     enum transport transport)
{
	struct resolved_addresses found;
	if (!resolve_host(host, &found))
		return false;
	for (unsigned i = 0; i < found.count; i++)
		add_target(located, found.addresses[i], port, transport);
	return true;
}

static bool add_host(struct located *located, struct span host, uint16_t port,
		     enum transport transport)
{
	return add_address(located, host, port, transport) ||
	       add_name(located, host, port, transport);
}

/* The hosts of the SRV records with this name. */
static bool add_services(struct located *located, struct span name, enum transport transport)
{
	struct dns_services found;
	unsigned before = located->count;
	if (!resolve_services(name, &found))
		return false;
	for (unsigned i = 0; i < found.count; i++)
		add_host(located, span_make(found.services[i].target, found.services[i].target_len),
			 found.services[i].port, transport);
	return located->count > before;
}

static bool add_services_of(struct located *located, struct span host,
			    const struct service *service)
{
	char name[DNS_NAME_MOST + 32];
	int len = snprintf(name, sizeof(name), "%s.%.*s", service->prefix, SPAN_ARGS(host));
	return len < (int)sizeof(name) &&
	       add_services(located, span_make(name, (size_t)len), service->transport);
}

static const struct service *service_of(enum transport transport)
{
	for (size_t i = 0; i < SERVICE_COUNT; i++)
		if (services[i].transport == transport)
			return &services[i];
	return &services[0];
}

/* May DNS choose this transport? A sips URI wants the secure ones (RFC 3261 26.2.2). */
static bool is_eligible(const struct service *service, bool is_secure)
{
	return (options.supported & 1u << service->transport) &&
	       options.preferences[service->transport] >= 0 && (service->is_secure || !is_secure);
}

/* ---- NAPTR ------------------------------------------------------------------------------------------------- */

static const struct service *pointed_service(const struct dns_pointer *pointer, bool is_secure)
{
	struct span name = span_make(pointer->service, pointer->service_len);
	for (size_t i = 0; i < SERVICE_COUNT; i++)
		if (span_equal_nocase(name, services[i].naptr))
			return is_eligible(&services[i], is_secure) ? &services[i] : NULL;
	return NULL;
}

/* Does `a` come before `b`? RFC 3403 4.1: by order, then preference; our own preferences come before
 * that, or between them. */
static bool is_better(const struct dns_pointer *a, const struct dns_pointer *b, bool is_secure)
{
	int32_t own_a = options.preferences[pointed_service(a, is_secure)->transport];
	int32_t own_b = options.preferences[pointed_service(b, is_secure)->transport];
	if (options.prefers_own && own_a != own_b)
		return own_a > own_b;
	if (a->order != b->order)
		return a->order < b->order;
	return own_a != own_b ? own_a > own_b : a->preference < b->preference;
}

/* RFC 3263 4.1: the domain says which transports it wants, and where their SRV records are. */
static bool add_pointers(struct located *located, struct span host, bool is_secure)
{
	struct dns_pointers found;
	uint32_t used = 0;
	if (!options.asks_naptr || !resolve_pointers(host, &found))
		return false;
	for (unsigned round = 0; round < found.count; round++) {
		const struct dns_pointer *best = NULL;
		for (unsigned i = 0; i < found.count; i++) {
			const struct dns_pointer *one = &found.pointers[i];
			if (!(used & 1u << i) && pointed_service(one, is_secure) &&
			    (!best || is_better(one, best, is_secure)))
				best = one;
		}
		if (!best)
			break;
		used |= 1u << (best - found.pointers);
		add_services(located, span_make(best->replacement, best->replacement_len),
			     pointed_service(best, is_secure)->transport);
	}
	return located->count > 0;
}

/* ---- without NAPTR ------------------------------------------------------------------------------------------ */

/* SRV records for each transport that we can use, best first, until one has some. */
static bool add_any_service(struct located *located, struct span host, bool is_secure)
{
	uint32_t asked = 0;
	for (size_t round = 0; round < SERVICE_COUNT; round++) {
		const struct service *best = NULL;
		for (size_t i = 0; i < SERVICE_COUNT; i++)
			if (is_eligible(&services[i], is_secure) &&
			    !(asked & 1u << services[i].transport) &&
			    (!best || options.preferences[services[i].transport] >
					      options.preferences[best->transport]))
				best = &services[i];
		if (!best)
			break;
		asked |= 1u << best->transport;
		if (add_services_of(located, host, best))
			return true;
	}
	return false;
}

static enum transport usual_transport(enum transport wanted, bool is_secure)
{
	if (wanted != TRANSPORT_NONE)
		return wanted;
	return is_secure ? TRANSPORT_TLS : TRANSPORT_UDP;
}

[[gnu::noinline]] static bool locate_name(struct span host, uint16_t port, enum transport transport,
					  bool is_secure, struct located *located)
{
	if (port == 0 && transport != TRANSPORT_NONE &&
	    add_services_of(located, host, service_of(transport)))
		return true;
	if (port == 0 && transport == TRANSPORT_NONE &&
	    (add_pointers(located, host, is_secure) || add_any_service(located, host, is_secure)))
		return true;
	return add_name(located, host, port, usual_transport(transport, is_secure));
}

/* RFC 3263 4: `transport` NONE lets DNS choose. */
static bool locate(struct span host, uint16_t port, enum transport transport, bool is_secure,
		   struct located *located)
{
	located->count = 0;
	return add_address(located, host, port, usual_transport(transport, is_secure)) ||
	       locate_name(host, port, transport, is_secure, located);
}

bool locate_host(struct span host, uint16_t port, enum transport transport,
		 struct located *out_located)
{
	return locate(host, port, transport == TRANSPORT_NONE ? TRANSPORT_UDP : transport, false,
		      out_located);
}

bool locate_parsed_uri(const struct sip_uri *uri, struct located *out_located)
{
	out_located->count = 0;
	if (!uri || !uri_is_sip(uri) || uri->transport == SIP_TRANSPORT_OTHER)
		return false;
	enum transport transport = (enum transport)uri->transport;
	bool is_secure = uri->scheme == URI_SIPS;
	if (is_secure && transport == TRANSPORT_TCP)
		transport = TRANSPORT_TLS;
	if (is_secure && transport == TRANSPORT_WS)
		transport = TRANSPORT_WSS;
	return locate(uri->maddr.len ? uri->maddr : uri->host, uri->port, transport, is_secure,
		      out_located);
}

bool locate_uri(struct span uri, struct located *out_located)
{
	struct sip_uri parsed;
	return locate_parsed_uri(uri_parse(uri, &parsed) ? &parsed : NULL, out_located);
}

static bool find_address(const struct sip_uri *uri, struct end_point *out)
{
	struct located located;
	if (end_point_parse_ip(uri->host, out))
		return true;
	if (!fiber_is_running())
		return name_addresses(uri->host, out, 1) == 1;
	if (!locate_host(uri->host, uri_port(uri), TRANSPORT_UDP, &located))
		return false;
	*out = located.targets[0];
	return true;
}

bool locate_address(struct span text, struct end_point *out_address)
{
	struct sip_uri uri;
	struct end_point address;
	if (!uri_parse(text, &uri) || !uri_is_sip(&uri) || !find_address(&uri, &address))
		return false;
	address.port = uri_port(&uri);
	address.transport = uri.transport == SIP_TRANSPORT_NONE
				    ? TRANSPORT_UDP
				    : (uint8_t)transport_from_span(uri.transport_text);
	*out_address = address;
	return true;
}

int locate_failure(struct span uri)
{
	struct sip_uri parsed;
	if (!uri_parse(uri, &parsed))
		return 479;
	return parsed.scheme == URI_OTHER ? 416 : 478;
}
