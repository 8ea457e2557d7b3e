/* SPDX-License-Identifier: BSD-2-Clause */
/* The headers of load balancers, as haproxy.org's proxy-protocol.txt and Cloudflare's Spectrum reference
 * describe them. */
#include "parser/proxy_protocol.h"

#include <arpa/inet.h>

#include "core/base/check.h"

#define TEXT_MOST      107 /* of a line of version 1, with CRLF */
#define BINARY_FIXED   16
#define IPV4_BLOCK     12
#define IPV6_BLOCK     36
#define BINARY_VERSION 0x20
#define COMMAND_LOCAL  0
#define COMMAND_PROXY  1
#define FAMILY_IPV4    1
#define FAMILY_IPV6    2
#define SIMPLE_ADDRESS 16

static const struct signature {
	enum proxy_form form;
	struct span bytes;
} signatures[] = {
	{ PROXY_TEXT, SPAN("PROXY ") },
	{ PROXY_BINARY, SPAN("\r\n\r\n\0\r\nQUIT\n") },
	{ PROXY_SIMPLE, SPAN("\x56\xEC") },
};

static uint16_t read_uint16(const char *at)
{
	return (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]);
}

/* ---- version 1 ---- */

/* As in the line: no sign, no leading zeros beyond "0". */
static bool read_port(struct span text, uint16_t *out_port)
{
	int64_t number;
	if (!text.len || text.len > 5 || (text.len > 1 && text.at[0] == '0') ||
	    !ascii_is_digit(text.at[0]) || !span_to_int64(text, &number) || number > UINT16_MAX)
		return false;
	*out_port = (uint16_t)number;
	return true;
}

static bool read_ip(struct span text, bool is_ipv6, struct proxy_address *out)
{
	char ip[INET6_ADDRSTRLEN];
	if (!text.len || text.len >= sizeof(ip))
		return false;
	memcpy(ip, text.at, text.len);
	ip[text.len] = '\0';
	*out = (struct proxy_address){ .is_ipv6 = is_ipv6 };
	return inet_pton(is_ipv6 ? AF_INET6 : AF_INET, ip, out->ip) == 1;
}

/* line = "PROXY" SP ("UNKNOWN" *any / family SP source SP destination SP port SP port) CRLF
 * family = "TCP4" / "TCP6" / "UDP4" / "UDP6" */
static enum parse_result parse_text(struct span bytes, struct proxy_header *out)
{
	size_t end = span_find(span_slice(bytes, 0, TEXT_MOST), '\n', 0);
	struct span family, source, destination, source_port, destination_port;
	if (end == span_slice(bytes, 0, TEXT_MOST).len)
		return bytes.len < TEXT_MOST ? PARSE_MORE : PARSE_BAD;
	if (bytes.at[end - 1] != '\r')
		return PARSE_BAD;
	size_t start = signatures[0].bytes.len;
	struct span rest = span_slice(bytes, start, end - 1 - start);
	out->len = end + 1;
	if (span_starts_with(rest, SPAN_OF("UNKNOWN")))
		return PARSE_OK;
	if (!span_split(&rest, ' ', &family) || !span_split(&rest, ' ', &source) ||
	    !span_split(&rest, ' ', &destination) || !span_split(&rest, ' ', &source_port) ||
	    !span_split(&rest, ' ', &destination_port) || rest.len || family.len != 4 ||
	    !(span_starts_with(family, SPAN_OF("TCP")) || span_starts_with(family, SPAN_OF("UDP"))))
		return PARSE_BAD;
	bool is_ipv6 = family.at[3] == '6';
	if (!(is_ipv6 || family.at[3] == '4') || !read_ip(source, is_ipv6, &out->source) ||
	    !read_ip(destination, is_ipv6, &out->destination) ||
	    !read_port(source_port, &out->source.port) ||
	    !read_port(destination_port, &out->destination.port))
		return PARSE_BAD;
	out->has_addresses = true;
	return PARSE_OK;
}

/* ---- version 2 ---- */

/* addresses = source destination source-port destination-port, each of them fixed by the family */
static void read_addresses(const char *at, bool is_ipv6, struct proxy_header *out)
{
	size_t size = is_ipv6 ? 16 : 4;
	out->source.is_ipv6 = out->destination.is_ipv6 = is_ipv6;
	memcpy(out->source.ip, at, size);
	memcpy(out->destination.ip, at + size, size);
	out->source.port = read_uint16(at + 2 * size);
	out->destination.port = read_uint16(at + 2 * size + 2);
	out->has_addresses = true;
}

/* header = signature version/command family/protocol length, then so many bytes: the addresses, and
 * TLVs, which are passed over */
static enum parse_result parse_binary(struct span bytes, struct proxy_header *out)
{
	if (bytes.len < BINARY_FIXED)
		return PARSE_MORE;
	unsigned version = (uint8_t)bytes.at[12], family = (uint8_t)bytes.at[13] >> 4;
	size_t len = read_uint16(bytes.at + 14);
	unsigned command = version & 0x0F;
	if ((version & 0xF0) != BINARY_VERSION || command > COMMAND_PROXY)
		return PARSE_BAD;
	if (bytes.len < BINARY_FIXED + len)
		return PARSE_MORE;
	out->len = BINARY_FIXED + len;
	bool is_ipv6 = family == FAMILY_IPV6;
	if (command == COMMAND_LOCAL || (family != FAMILY_IPV4 && !is_ipv6))
		return PARSE_OK;
	if (len < (is_ipv6 ? IPV6_BLOCK : IPV4_BLOCK))
		return PARSE_BAD;
	read_addresses(bytes.at + BINARY_FIXED, is_ipv6, out);
	return PARSE_OK;
}

/* ---- Simple Proxy Protocol ---- */

/* An IPv4 address is mapped into IPv6 (RFC 4291 2.5.5.2). */
static void read_simple_address(const char *at, const char *port, struct proxy_address *out)
{
	static const char mapped[12] = "\0\0\0\0\0\0\0\0\0\0\xFF\xFF";
	*out = (struct proxy_address){ .is_ipv6 = memcmp(at, mapped, sizeof(mapped)) != 0,
				       .port = read_uint16(port) };
	if (out->is_ipv6)
		memcpy(out->ip, at, SIMPLE_ADDRESS);
	else
		memcpy(out->ip, at + sizeof(mapped), SIMPLE_ADDRESS - sizeof(mapped));
}

/* header = magic client-address proxy-address client-port proxy-port */
static enum parse_result parse_simple(struct span bytes, struct proxy_header *out)
{
	if (bytes.len < PROXY_SIMPLE_LEN)
		return PARSE_MORE;
	const char *client = bytes.at + signatures[2].bytes.len, *proxy = client + SIMPLE_ADDRESS;
	const char *ports = proxy + SIMPLE_ADDRESS;
	read_simple_address(client, ports, &out->source);
	read_simple_address(proxy, ports + 2, &out->destination);
	out->has_addresses = true;
	out->len = PROXY_SIMPLE_LEN;
	return PARSE_OK;
}

/* ---- which of them ---- */

/* The one whose signature begins the bytes, or may do so when more come; NULL: none. */
static const struct signature *find_signature(struct span bytes, unsigned forms, bool *out_is_whole)
{
	for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
		struct span wanted = signatures[i].bytes;
		size_t len = bytes.len < wanted.len ? bytes.len : wanted.len;
		*out_is_whole = len == wanted.len;
		if ((forms & signatures[i].form) && memcmp(bytes.at, wanted.at, len) == 0)
			return &signatures[i];
	}
	return NULL;
}

bool proxy_header_begins(struct span bytes, unsigned forms)
{
	bool is_whole;
	return bytes.len && find_signature(bytes, forms, &is_whole) && is_whole;
}

enum parse_result proxy_header_parse(struct span bytes, unsigned forms,
				     struct proxy_header *out_header)
{
	bool is_whole;
	if (!bytes.len)
		return PARSE_MORE;
	const struct signature *signature = find_signature(bytes, forms, &is_whole);
	if (!signature)
		return PARSE_BAD;
	if (!is_whole)
		return PARSE_MORE;
	struct proxy_header header = { .form = signature->form };
	enum parse_result result = signature->form == PROXY_TEXT     ? parse_text(bytes, &header)
				   : signature->form == PROXY_BINARY ? parse_binary(bytes, &header)
								     : parse_simple(bytes, &header);
	if (result == PARSE_OK)
		*out_header = header;
	return result;
}
