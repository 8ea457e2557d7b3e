/* SPDX-License-Identifier: BSD-2-Clause */
/* host: host, port and transport (RFC 3261 25.1, RFC 5954). */
#include "parser/host.h"

#include <arpa/inet.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/ipv4.h"
#include "parser/scan.h"

static bool ipv6_read(struct span text, unsigned char out_address[16])
{
	char copy[INET6_ADDRSTRLEN];
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.at, '\0', text.len))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	return inet_pton(AF_INET6, copy, out_address) == 1;
}

static struct span without_brackets(struct span text)
{
	if (text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']')
		return span_slice(text, 1, text.len - 2);
	return text;
}

/* IPv6reference = "[" IPv6address "]" */
[[gnu::noinline]] static const char *ipv6_end(const char *at, const char *end)
{
	unsigned char address[16];
	const char *close = memchr(at, ']', (size_t)(end - at));
	if (!close || !ipv6_read(span_make(at + 1, (size_t)(close - at - 1)), address))
		return NULL;
	return close + 1;
}

/* host = hostname / IPv4address / IPv6reference; an IPv4address has the characters of a name */
const char *host_end(const char *begin, const char *at, const char *end)
{
	const char *stop = scan_host(begin, at, end);
	if (stop > at)
		return stop;
	return at < end && *at == '[' ? ipv6_end(at, end) : NULL;
}

enum host_kind host_kind_of(struct span text)
{
	unsigned char address[16];
	const char *end = text.at + text.len;
	if (text.len && ipv4_read(text.at, end).end == end)
		return HOST_IPV4;
	if (ipv6_read(without_brackets(text), address))
		return HOST_IPV6;
	return span_is_all(text, CHAR_HOST) ? HOST_NAME : HOST_NONE;
}

enum sip_transport sip_transport_from_span(struct span name)
{
	static const struct {
		struct span name;
		enum sip_transport transport;
	} rows[] = {
		{ SPAN("udp"), SIP_TRANSPORT_UDP }, { SPAN("tcp"), SIP_TRANSPORT_TCP },
		{ SPAN("tls"), SIP_TRANSPORT_TLS }, { SPAN("sctp"), SIP_TRANSPORT_SCTP },
		{ SPAN("ws"), SIP_TRANSPORT_WS },   { SPAN("wss"), SIP_TRANSPORT_WSS },
	};
	if (name.len == 0)
		return SIP_TRANSPORT_NONE;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].name.len == name.len && span_equal_nocase(rows[i].name, name))
			return rows[i].transport;
	}
	return SIP_TRANSPORT_OTHER;
}

static struct span without_last_dot(struct span host)
{
	return host.len > 1 && host.at[host.len - 1] == '.' ? span_slice(host, 0, host.len - 1)
							    : host;
}

bool host_equal(struct span a, struct span b)
{
	unsigned char left[16], right[16];
	a = without_brackets(a);
	b = without_brackets(b);
	if (span_equal_nocase(without_last_dot(a), without_last_dot(b)))
		return true;
	if (span_find(a, ':', 0) == a.len || span_find(b, ':', 0) == b.len)
		return false;
	return ipv6_read(a, left) && ipv6_read(b, right) && memcmp(left, right, sizeof(left)) == 0;
}

uint64_t host_hash(struct span host)
{
	unsigned char address[16];
	host = without_brackets(host);
	if (span_find(host, ':', 0) < host.len && ipv6_read(host, address))
		return hash_bytes(address, sizeof(address));
	return hash_span_nocase(without_last_dot(host));
}
