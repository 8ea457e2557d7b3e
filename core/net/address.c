/* SPDX-License-Identifier: BSD-2-Clause */
/* IP addresses, transports and end points as values. */
#include "core/net/address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include "core/base/hash.h"
#include "core/base/ipv4.h"

static const char *const upper_names[] = { "NONE", "UDP", "TCP", "TLS", "SCTP", "WS", "WSS" };
static const char *const lower_names[] = { "none", "udp", "tcp", "tls", "sctp", "ws", "wss" };

const char *transport_name(enum transport transport)
{
	return transport < TRANSPORT_COUNT ? upper_names[transport] : "NONE";
}

const char *transport_name_lower(enum transport transport)
{
	return transport < TRANSPORT_COUNT ? lower_names[transport] : "none";
}

enum transport transport_from_span(struct span name)
{
	for (unsigned i = TRANSPORT_UDP; i < TRANSPORT_COUNT; i++)
		if (span_equal_nocase(name, span_from(lower_names[i])))
			return (enum transport)i;
	return TRANSPORT_NONE;
}

static void become_ip(struct end_point *end, const struct end_point *ip)
{
	uint16_t port = end->port;
	uint8_t transport = end->transport;
	*end = *ip;
	end->port = port;
	end->transport = transport;
}

/* IPv6, with or without brackets and zone; and what else the system takes for an address. */
[[gnu::noinline]] static bool parse_other_ip(struct span text, struct end_point *out_ip)
{
	struct end_point ip = { .family = AF_INET };
	char copy[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
	if (text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']')
		text = span_slice(text, 1, text.len - 2);
	if (text.len == 0 || text.len >= sizeof(copy))
		return false;
	memcpy(copy, text.at, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, ip.ip) != 1) {
		char *zone = strchr(copy, '%');
		if (zone) {
			*zone++ = '\0';
			ip.scope = if_nametoindex(zone);
		}
		if (inet_pton(AF_INET6, copy, ip.ip) != 1)
			return false;
		ip.family = AF_INET6;
	}
	become_ip(out_ip, &ip);
	return true;
}

bool end_point_parse_ip(struct span text, struct end_point *out_ip)
{
	struct ipv4_text ipv4 = ipv4_read(text.at, text.at + text.len);
	if (ipv4.end != text.at + text.len || !ipv4.end || ipv4.has_leading_zeros)
		return parse_other_ip(text, out_ip);
	uint32_t number = htonl(ipv4.number);
	memset(out_ip->ip, 0, sizeof(out_ip->ip));
	memcpy(out_ip->ip, &number, sizeof(number));
	out_ip->family = AF_INET;
	out_ip->scope = 0;
	return true;
}

bool end_point_parse(struct span text, struct end_point *out_end)
{
	struct end_point end = { 0 };
	size_t colon = span_find(text, ':', 0);
	enum transport transport = transport_from_span(span_slice(text, 0, colon));
	if (colon < text.len && transport != TRANSPORT_NONE) {
		end.transport = (uint8_t)transport;
		text = span_slice(text, colon + 1, text.len);
	}
	struct span host = text, port = { NULL, 0 };
	if (text.len && text.at[0] == '[') {
		size_t close = span_find(text, ']', 0);
		host = span_slice(text, 0, close + 1);
		port = span_slice(text, close + 1, text.len);
		if (port.len && port.at[0] != ':')
			return false;
	} else if (span_find(text, ':', 0) ==
			   text.len || /* a bare IPv6 address has several colons */
		   span_find(text, ':', span_find(text, ':', 0) + 1) == text.len) {
		size_t at = span_find(text, ':', 0);
		host = span_slice(text, 0, at);
		port = span_slice(text, at, text.len);
	}
	if (!end_point_parse_ip(host, &end))
		return false;
	uint32_t number;
	if (port.len) {
		if (!span_to_uint32(span_slice(port, 1, port.len), &number) || number > 65535)
			return false;
		end.port = (uint16_t)number;
	}
	*out_end = end;
	return true;
}

bool end_point_same_ip(const struct end_point *a, const struct end_point *b)
{
	return a->family == b->family && memcmp(a->ip, b->ip, a->family == AF_INET ? 4 : 16) == 0;
}

bool end_point_equal(const struct end_point *a, const struct end_point *b)
{
	return a->port == b->port && a->transport == b->transport && end_point_same_ip(a, b);
}

uint64_t end_point_hash(const struct end_point *a)
{
	return hash_mix(hash_bytes(a->ip, sizeof(a->ip)), (uint64_t)a->port << 8 | a->transport);
}

bool end_point_in_network(const struct end_point *a, const struct end_point *net,
			  unsigned prefix_bits)
{
	if (a->family != net->family)
		return false;
	unsigned most = a->family == AF_INET ? 32 : 128;
	if (prefix_bits > most)
		prefix_bits = most;
	if (memcmp(a->ip, net->ip, prefix_bits / 8) != 0)
		return false;
	unsigned rest = prefix_bits % 8;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));
	return rest == 0 || (a->ip[prefix_bits / 8] & mask) == (net->ip[prefix_bits / 8] & mask);
}

bool end_point_is_any(const struct end_point *a)
{
	static const uint8_t zero[16];
	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

/* "127.", for each byte of an address. */
#define DIGIT(n) (char)('0' + (n) % 10)
#define PART(n)                                                                    \
	{                                                                          \
		{ (n) > 99  ? DIGIT((n) / 100)                                     \
		  : (n) > 9 ? DIGIT((n) / 10)                                      \
			    : DIGIT(n),                                            \
		  (n) > 99 ? DIGIT((n) / 10) : (n) > 9 ? DIGIT(n) : '.',           \
		  (n) > 99 ? DIGIT(n) : '.', '.' },                                \
			2 + ((n) > 9) + ((n) > 99)                                 \
	}
#define PART4(n)  PART(n), PART((n) + 1), PART((n) + 2), PART((n) + 3)
#define PART16(n) PART4(n), PART4((n) + 4), PART4((n) + 8), PART4((n) + 12)
#define PART64(n) PART16(n), PART16((n) + 16), PART16((n) + 32), PART16((n) + 48)
static const struct {
	char text[4];
	uint32_t len;
} parts[256] = { PART64(0), PART64(64), PART64(128), PART64(192) };

static inline char *put_part(char *end, uint8_t part)
{
	memcpy(end, parts[part].text, 4);
	return end + parts[part].len;
}

static inline size_t put_ipv4(char text[16], const uint8_t ip[4])
{
	char *end = put_part(put_part(put_part(put_part(text, ip[0]), ip[1]), ip[2]), ip[3]);
	return (size_t)(end - text) - 1; /* no dot after the last */
}

/* Near the end of the room. */
[[gnu::noinline]] static void write_last_ipv4(struct writer *w, const uint8_t ip[4])
{
	char text[16];
	writer_bytes(w, text, put_ipv4(text, ip));
}

static void write_ipv4(struct writer *w, const uint8_t ip[4])
{
	if (w->cap - w->len < 16)
		write_last_ipv4(w, ip);
	else
		w->len += put_ipv4(w->data + w->len, ip);
}

[[gnu::noinline]] static void write_ipv6(struct writer *w, const uint8_t ip[16])
{
	char text[INET6_ADDRSTRLEN];
	if (inet_ntop(AF_INET6, ip, text, sizeof(text)))
		writer_string(w, text);
}

void end_point_write_ip(struct writer *w, const struct end_point *a)
{
	if (a->family == AF_INET)
		write_ipv4(w, a->ip);
	else if (a->family == AF_INET6)
		write_ipv6(w, a->ip);
}

void end_point_write_host(struct writer *w, const struct end_point *a)
{
	if (a->family == AF_INET6)
		writer_char(w, '[');
	end_point_write_ip(w, a);
	if (a->family == AF_INET6)
		writer_char(w, ']');
}

void end_point_write(struct writer *w, const struct end_point *a)
{
	writer_string(w, transport_name_lower((enum transport)a->transport));
	writer_char(w, ':');
	end_point_write_host(w, a);
	writer_char(w, ':');
	writer_uint(w, a->port);
}

socklen_t end_point_to_sockaddr(const struct end_point *a, struct sockaddr_storage *out_address)
{
	if (a->family == AF_INET) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)out_address;
		memset(v4, 0, sizeof(*v4));
		v4->sin_family = AF_INET;
		v4->sin_port = htons(a->port);
		memcpy(&v4->sin_addr, a->ip, 4);
		return sizeof(*v4);
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out_address;
	memset(v6, 0, sizeof(*v6));
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(a->port);
	v6->sin6_scope_id = a->scope;
	memcpy(&v6->sin6_addr, a->ip, 16);
	return sizeof(*v6);
}

void end_point_from_sockaddr(const struct sockaddr_storage *address, enum transport transport,
			     struct end_point *out_end)
{
	*out_end = (struct end_point){ .transport = (uint8_t)transport };
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
		out_end->family = AF_INET;
		out_end->port = ntohs(v4->sin_port);
		memcpy(out_end->ip, &v4->sin_addr, 4);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
		out_end->family = AF_INET6;
		out_end->port = ntohs(v6->sin6_port);
		out_end->scope = v6->sin6_scope_id;
		memcpy(out_end->ip, &v6->sin6_addr, 16);
	}
}

bool end_point_is_private(const struct end_point *a)
{
	static const struct {
		uint8_t ip[4];
		unsigned bits;
	} networks[] = {
		{ { 10 }, 8 },       { { 172, 16 }, 12 },   { { 192, 168 }, 16 },
		{ { 100, 64 }, 10 }, { { 192, 0, 0 }, 29 },
	};
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		struct end_point net = { .family = AF_INET };
		memcpy(net.ip, networks[i].ip, sizeof(networks[i].ip));
		if (end_point_in_network(a, &net, networks[i].bits))
			return true;
	}
	return false;
}
