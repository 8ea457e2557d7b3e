/* SPDX-License-Identifier: BSD-2-Clause */
/* Core keywords read the message directly, so they work without any module. */
#include "core/script/keywords.h"

#include "core/message/render.h"
#include "core/script/layout.h"
#include "parser/uri.h"

static const struct keyword_row rows[KEYWORD_COUNT] = {
	[KEYWORD_METHOD] = { "method", KEYWORD_TEXT, IN_ANY },
	[KEYWORD_URI] = { "uri", KEYWORD_IS_URI, IN_ANY },
	[KEYWORD_FROM_URI] = { "from_uri", KEYWORD_IS_URI, IN_ANY },
	[KEYWORD_TO_URI] = { "to_uri", KEYWORD_IS_URI, IN_ANY },
	[KEYWORD_SRC_IP] = { "src_ip", KEYWORD_ADDRESS, IN_ANY },
	[KEYWORD_SRC_PORT] = { "src_port", KEYWORD_INT, IN_ANY },
	[KEYWORD_DST_IP] = { "dst_ip", KEYWORD_ADDRESS, IN_ANY },
	[KEYWORD_DST_PORT] = { "dst_port", KEYWORD_INT, IN_ANY },
	[KEYWORD_PROTO] = { "proto", KEYWORD_PROTOCOL, IN_ANY },
	[KEYWORD_AF] = { "af", KEYWORD_FAMILY, IN_ANY },
	[KEYWORD_STATUS] = { "status", KEYWORD_CODE, IN_ANY },
	[KEYWORD_MSG_LEN] = { "msg:len", KEYWORD_INT, IN_ANY },
	[KEYWORD_SND_IP] = { "snd_ip", KEYWORD_ADDRESS, IN_ONSEND },
	[KEYWORD_SND_PORT] = { "snd_port", KEYWORD_INT, IN_ONSEND },
	[KEYWORD_SND_PROTO] = { "snd_proto", KEYWORD_PROTOCOL, IN_ONSEND },
	[KEYWORD_SND_AF] = { "snd_af", KEYWORD_FAMILY, IN_ONSEND },
	[KEYWORD_TO_IP] = { "to_ip", KEYWORD_ADDRESS, IN_ONSEND },
	[KEYWORD_TO_PORT] = { "to_port", KEYWORD_INT, IN_ONSEND },
};

const struct keyword_row *keyword_row(enum keyword keyword)
{
	return &rows[keyword];
}

int keyword_find(struct span name)
{
	for (int i = 0; i < KEYWORD_COUNT; i++)
		if (span_equal(span_from(rows[i].name), name))
			return i;
	return -1;
}

bool keyword_constant(enum keyword_type type, struct span word, int64_t *out_number)
{
	enum transport transport;
	if (type == KEYWORD_PROTOCOL && (transport = transport_from_span(word)) != TRANSPORT_NONE) {
		*out_number = transport;
		return true;
	}
	if (type == KEYWORD_FAMILY && (span_equal_nocase(word, SPAN_OF("INET")) ||
				       span_equal_nocase(word, SPAN_OF("IPv4")))) {
		*out_number = AF_INET;
		return true;
	}
	if (type == KEYWORD_FAMILY && (span_equal_nocase(word, SPAN_OF("INET6")) ||
				       span_equal_nocase(word, SPAN_OF("IPv6")))) {
		*out_number = AF_INET6;
		return true;
	}
	return false;
}

/* ---- values --------------------------------------------------------------------------------- */

static const struct end_point *address_of(const struct script_run *run, enum keyword keyword)
{
	static const struct end_point none;
	const struct outgoing *out = run->outgoing;
	switch (keyword) {
	case KEYWORD_SRC_IP:
	case KEYWORD_SRC_PORT:
	case KEYWORD_PROTO:
	case KEYWORD_AF: return &run->msg->from.source;
	case KEYWORD_DST_IP:
	case KEYWORD_DST_PORT: return &run->msg->from.local;
	case KEYWORD_SND_IP:
	case KEYWORD_SND_PORT:
	case KEYWORD_SND_PROTO:
	case KEYWORD_SND_AF: return out && out->from ? &out->from->address : &none;
	case KEYWORD_TO_IP:
	case KEYWORD_TO_PORT: return out ? &out->to : &none;
	default: return &none;
	}
}

static struct value address_text(struct script_run *run, const struct end_point *address)
{
	char text[END_POINT_TEXT_MAX];
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write_ip(&w, address);
	return VALUE_OF_TEXT(arena_copy(run->arena, writer_result(&w)));
}

static struct value text_or_empty(struct span text)
{
	return VALUE_OF_TEXT(text.at ? text : SPAN_OF(""));
}

struct value keyword_read(struct script_run *run, enum keyword keyword)
{
	struct message *msg = run->msg;
	switch (keyword) {
	case KEYWORD_METHOD: return text_or_empty(message_method_name(msg));
	case KEYWORD_URI: return text_or_empty(message_uri(msg));
	case KEYWORD_FROM_URI: return text_or_empty(message_from_uri(msg));
	case KEYWORD_TO_URI: return text_or_empty(message_to_uri(msg));
	case KEYWORD_SRC_IP:
	case KEYWORD_DST_IP:
	case KEYWORD_SND_IP:
	case KEYWORD_TO_IP: return address_text(run, address_of(run, keyword));
	case KEYWORD_SRC_PORT:
	case KEYWORD_DST_PORT:
	case KEYWORD_SND_PORT:
	case KEYWORD_TO_PORT: return VALUE_OF_INT(address_of(run, keyword)->port);
	case KEYWORD_PROTO:
	case KEYWORD_SND_PROTO: return VALUE_OF_INT(address_of(run, keyword)->transport);
	case KEYWORD_AF:
	case KEYWORD_SND_AF: return VALUE_OF_INT(address_of(run, keyword)->family);
	case KEYWORD_STATUS:
		return VALUE_OF_TEXT(arena_printf(
			run->arena, "%u", message_is_request(msg) ? 0u : msg->index->status));
	case KEYWORD_MSG_LEN: return VALUE_OF_INT((int64_t)msg->bytes.len);
	case KEYWORD_COUNT: break;
	}
	return (struct value){ 0 };
}

bool keyword_is_myself(struct script_run *run, enum keyword keyword)
{
	if (rows[keyword].type == KEYWORD_IS_URI) {
		struct value text = keyword_read(run, keyword);
		const struct sip_uri *uri = message_read_uri(run->msg, text.text);
		return uri && is_myself(uri->host, uri->port, TRANSPORT_NONE);
	}
	char text[END_POINT_TEXT_MAX];
	const struct end_point *address = address_of(run, keyword);
	struct writer w = writer_fixed(text, sizeof(text));
	end_point_write_host(&w, address);
	uint16_t port = keyword == KEYWORD_SRC_IP || keyword == KEYWORD_TO_IP ? 0 : address->port;
	return is_myself(writer_result(&w), port, TRANSPORT_NONE);
}

/* ---- addresses ------------------------------------------------------------------------------ */

bool network_parse(struct span text, struct network *out_network)
{
	size_t slash = span_find(text, '/', 0);
	struct network network = { .text = text };
	struct end_point mask;
	uint32_t bits;
	if (!end_point_parse_ip(span_slice(text, 0, slash), &network.address))
		return false;
	unsigned most = network.address.family == AF_INET6 ? 128 : 32;
	network.bits = most;
	if (slash < text.len) {
		struct span rest = span_slice(text, slash + 1, text.len);
		if (span_to_uint32(rest, &bits) && bits <= most) {
			network.bits = bits;
		} else if (end_point_parse_ip(rest, &mask) &&
			   mask.family == network.address.family) {
			network.bits = 0;
			while (network.bits < most &&
			       mask.ip[network.bits / 8] & (0x80 >> network.bits % 8))
				network.bits++;
			for (unsigned i = network.bits; i < most; i++)
				if (mask.ip[i / 8] & (0x80 >> i % 8))
					return false;
		} else {
			return false;
		}
	}
	*out_network = network;
	return true;
}

bool keyword_in_network(struct script_run *run, enum keyword keyword, const struct network *network)
{
	const struct end_point *address = address_of(run, keyword);
	return address->family == network->address.family &&
	       end_point_in_network(address, &network->address, network->bits);
}

bool keyword_in_text(struct script_run *run, enum keyword keyword, struct span text)
{
	struct network network;
	if (span_equal_nocase(text, SPAN_OF("myself")))
		return keyword_is_myself(run, keyword);
	return network_parse(span_trim(text), &network) &&
	       keyword_in_network(run, keyword, &network);
}
