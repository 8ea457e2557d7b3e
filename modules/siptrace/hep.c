/* SPDX-License-Identifier: BSD-2-Clause */
/* hep: Homer's encapsulation. Versions 1 and 2 are one struct in front of the message, addresses in network
 * order, the times of version 2 in that of the machine; version 3 is a list of chunks:
 *
 *   packet  = "HEP3" length-16 *chunk
 *   chunk   = vendor-16 type-16 length-16 value ; lengths count themselves */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "modules/siptrace/siptrace.h"

enum hep_chunk {
	CHUNK_FAMILY = 1,
	CHUNK_PROTOCOL = 2,
	CHUNK_IP4_FROM = 3,
	CHUNK_IP4_TO = 4,
	CHUNK_IP6_FROM = 5,
	CHUNK_IP6_TO = 6,
	CHUNK_PORT_FROM = 7,
	CHUNK_PORT_TO = 8,
	CHUNK_SECONDS = 9,
	CHUNK_MICROSECONDS = 10,
	CHUNK_KIND = 11,
	CHUNK_CAPTURE_ID = 12,
	CHUNK_AUTH_KEY = 14,
	CHUNK_PAYLOAD = 15,
	CHUNK_CORRELATION = 17,
};
#define CHUNK_HEAD 6
#define HEP3_HEAD  6
#define HEP_MOST   UINT16_MAX
/* What HEP calls families. */
enum { FAMILY_IP4 = 2, FAMILY_IP6 = 10 };

static uint8_t ip_protocol(const struct end_point *at)
{
	return transport_is_reliable((enum transport)at->transport) ? IPPROTO_TCP : IPPROTO_UDP;
}

static uint8_t hep_family(const struct end_point *at)
{
	return at->family == AF_INET ? FAMILY_IP4 : FAMILY_IP6;
}

static void write_u16(struct writer *w, uint32_t number)
{
	const uint8_t bytes[2] = { (uint8_t)(number >> 8), (uint8_t)number };
	writer_bytes(w, bytes, sizeof(bytes));
}

static void write_u32(struct writer *w, uint32_t number)
{
	write_u16(w, number >> 16);
	write_u16(w, number & 0xffff);
}

static void write_ip(struct writer *w, const struct end_point *at)
{
	writer_bytes(w, at->ip, at->family == AF_INET ? 4 : 16);
}

/* ---- version 3 ---------------------------------------------------------------------------------------------------- */

static void chunk_head(struct writer *w, enum hep_chunk type, size_t len)
{
	write_u16(w, 0);
	write_u16(w, type);
	write_u16(w, (uint32_t)(CHUNK_HEAD + len));
}

static void chunk_u8(struct writer *w, enum hep_chunk type, uint8_t number)
{
	chunk_head(w, type, 1);
	writer_char(w, (char)number);
}

static void chunk_u16(struct writer *w, enum hep_chunk type, uint16_t number)
{
	chunk_head(w, type, 2);
	write_u16(w, number);
}

static void chunk_u32(struct writer *w, enum hep_chunk type, uint32_t number)
{
	chunk_head(w, type, 4);
	write_u32(w, number);
}

static void chunk_text(struct writer *w, enum hep_chunk type, struct span text)
{
	if (!text.len)
		return;
	chunk_head(w, type, text.len);
	writer_span(w, text);
}

static void chunk_ip(struct writer *w, enum hep_chunk ip4, enum hep_chunk ip6,
		     const struct end_point *at)
{
	bool is_ip4 = at->family == AF_INET;
	chunk_head(w, is_ip4 ? ip4 : ip6, is_ip4 ? 4 : 16);
	write_ip(w, at);
}

static bool write_hep3(struct writer *w, const struct hep_packet *packet)
{
	size_t start = w->len;
	writer_literal(w, "HEP3");
	write_u16(w, 0);
	chunk_u8(w, CHUNK_FAMILY, hep_family(&packet->from));
	chunk_u8(w, CHUNK_PROTOCOL, ip_protocol(&packet->from));
	chunk_ip(w, CHUNK_IP4_FROM, CHUNK_IP6_FROM, &packet->from);
	chunk_ip(w, CHUNK_IP4_TO, CHUNK_IP6_TO, &packet->to);
	chunk_u16(w, CHUNK_PORT_FROM, packet->from.port);
	chunk_u16(w, CHUNK_PORT_TO, packet->to.port);
	chunk_u32(w, CHUNK_SECONDS, (uint32_t)(packet->wall_us / 1000000));
	chunk_u32(w, CHUNK_MICROSECONDS, (uint32_t)(packet->wall_us % 1000000));
	chunk_u8(w, CHUNK_KIND, (uint8_t)packet->kind);
	chunk_u32(w, CHUNK_CAPTURE_ID, packet->capture_id);
	chunk_text(w, CHUNK_AUTH_KEY, packet->auth_key);
	chunk_text(w, CHUNK_CORRELATION, packet->correlation);
	chunk_text(w, CHUNK_PAYLOAD, packet->payload);
	size_t len = w->len - start;
	if (w->failed || len > HEP_MOST)
		return false;
	w->data[start + 4] = (char)(len >> 8);
	w->data[start + 5] = (char)len;
	return true;
}

/* ---- versions 1 and 2 ------------------------------------------------------------------------------------------------ */

static bool write_old(struct writer *w, const struct hep_packet *packet, bool has_times)
{
	size_t head = packet->from.family == AF_INET ? 16 : 40;
	const char front[4] = { has_times ? 2 : 1, (char)head, (char)hep_family(&packet->from),
				(char)ip_protocol(&packet->from) };
	if (packet->kind != HEP_SIP)
		return false;
	writer_bytes(w, front, sizeof(front));
	write_u16(w, packet->from.port);
	write_u16(w, packet->to.port);
	write_ip(w, &packet->from);
	write_ip(w, &packet->to);
	if (has_times) {
		const uint32_t times[2] = { (uint32_t)(packet->wall_us / 1000000),
					    (uint32_t)(packet->wall_us % 1000000) };
		const uint16_t capture[2] = { (uint16_t)packet->capture_id, 0 };
		writer_bytes(w, times, sizeof(times));
		writer_bytes(w, capture, sizeof(capture));
	}
	writer_span(w, packet->payload);
	return !w->failed;
}

bool hep_write(struct writer *w, const struct hep_packet *packet, int64_t version)
{
	if (packet->payload.len + 512 > HEP_MOST || packet->from.family != packet->to.family)
		return false;
	return version == 3 ? write_hep3(w, packet) : write_old(w, packet, version == 2);
}
