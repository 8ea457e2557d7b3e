/* SPDX-License-Identifier: BSD-2-Clause */
/* host: host, port and transport (RFC 3261 25.1, RFC 5954). */
#include "parser/host.h"

#include <arpa/inet.h>

#include "core/base/check.h"
#include "core/base/hash.h"

/* IPv4address = 1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT
 * Where it ends, when one begins at the place and nothing of a host name follows; else NULL. */
static const char *ipv4_end(const struct cursor *in)
{
	const char *at = in->at, *end = in->end;
	for (int part = 0; part < 4; part++) {
		if (at == end || !ascii_is_digit(*at))
			return NULL;
		unsigned number = (unsigned)(*at++ - '0');
		if (at < end && ascii_is_digit(*at)) {
			number = number * 10 + (unsigned)(*at++ - '0');
			if (at < end && ascii_is_digit(*at))
				number = number * 10 + (unsigned)(*at++ - '0');
		}
		if (number > 255 || (part < 3 && (at == end || *at++ != '.')))
			return NULL;
	}
	return at < end && char_is((unsigned char)*at, CHAR_HOST) ? NULL : at;
}

static bool is_ipv4(struct span text)
{
	struct cursor in = cursor_over(text);
	return ipv4_end(&in) == in.end && text.len > 0;
}

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

/* host = hostname / IPv4address / IPv6reference */
bool host_take(struct cursor *in, struct span *out_host, enum host_kind *out_kind)
{
	const char *start = in->at;

	if (cursor_peek(in) == '[') {
		size_t close = span_find(cursor_rest(in), ']', 0);
		unsigned char address[16];
		struct span inside = span_slice(cursor_rest(in), 1, close - 1);
		if (close == cursor_left(in) || !ipv6_read(inside, address))
			return false;
		in->at += close + 1;
		*out_host = cursor_since(in, start);
		*out_kind = HOST_IPV6;
		return true;
	}
	const char *ipv4 = ipv4_end(in);
	if (ipv4) {
		in->at = ipv4;
		*out_host = cursor_since(in, start);
		*out_kind = HOST_IPV4;
		return true;
	}
	struct span host = cursor_take_while(in, CHAR_HOST);
	if (host.len == 0)
		return false;
	*out_host = host;
	*out_kind = HOST_NAME;
	return true;
}

enum host_kind host_kind_of(struct span text)
{
	unsigned char address[16];
	if (is_ipv4(text))
		return HOST_IPV4;
	if (ipv6_read(without_brackets(text), address))
		return HOST_IPV6;
	return span_is_all(text, CHAR_HOST) ? HOST_NAME : HOST_NONE;
}

bool port_take(struct cursor *in, uint16_t *out_port)
{
	uint64_t port;
	unsigned number = 0;
	const char *at = in->at;
	const char *end = cursor_left(in) > 5 ? at + 5 : in->end;
	for (; at < end && ascii_is_digit(*at); at++)
		number = number * 10 + (unsigned)(*at - '0');
	if (at == in->at || number > UINT16_MAX)
		return false;
	if (at == end && at < in->end && ascii_is_digit(*at)) { /* leading zeros */
		if (!cursor_take_number(in, UINT16_MAX, &port))
			return false;
		*out_port = (uint16_t)port;
		return true;
	}
	in->at = at;
	*out_port = (uint16_t)number;
	return true;
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
