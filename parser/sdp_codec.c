/* SPDX-License-Identifier: BSD-2-Clause */
/* sdp_codec: what attributes say about a media section: direction, packet time, payload types
 * (RFC 8866 6, RFC 3264, RFC 3551 6). */
#include "core/base/check.h"
#include "parser/sdp.h"

#define MAX_FORMATS 128 /* there are no more payload types; keeps the search in `formats` cheap */

static bool direction_find(struct span lines, enum sdp_direction *out_direction)
{
	static const struct {
		struct span name;
		enum sdp_direction direction;
	} rows[] = {
		{ SPAN("sendrecv"), SDP_SENDRECV },
		{ SPAN("sendonly"), SDP_SENDONLY },
		{ SPAN("recvonly"), SDP_RECVONLY },
		{ SPAN("inactive"), SDP_INACTIVE },
	};
	struct sdp_attribute attribute;
	while (sdp_attribute_next(&lines, &attribute) == LIST_ITEM) {
		for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
			if (!span_equal(rows[i].name, attribute.name))
				continue;
			*out_direction = rows[i].direction;
			return true;
		}
	}
	return false;
}

enum sdp_direction sdp_media_direction(const struct sdp_session *session,
				       const struct sdp_media *media)
{
	enum sdp_direction direction = SDP_SENDRECV;
	if (!direction_find(media->attributes, &direction))
		(void)direction_find(session->header, &direction);
	return direction;
}

bool sdp_media_is_on_hold(const struct sdp_session *session, const struct sdp_media *media)
{
	enum sdp_direction direction = sdp_media_direction(session, media);
	return direction == SDP_SENDONLY || direction == SDP_INACTIVE ||
	       span_equal(media->connection.address, SPAN_OF("0.0.0.0")) ||
	       span_equal(media->connection.address, SPAN_OF("::"));
}

uint32_t sdp_media_ptime(const struct sdp_media *media)
{
	struct sdp_attribute attribute;
	uint64_t ptime;
	if (!sdp_attribute_find(media->attributes, SPAN_OF("ptime"), &attribute))
		return 0;
	struct cursor in = cursor_over(span_trim(attribute.value));
	return cursor_take_number(&in, UINT32_MAX, &ptime) && cursor_is_end(&in) ? (uint32_t)ptime
										 : 0;
}

bool sdp_attribute_of_payload(const struct sdp_media *media, struct span name, struct span payload,
			      struct sdp_attribute *out_attribute)
{
	struct span lines = media->attributes;
	struct sdp_attribute attribute;
	while (sdp_attribute_next(&lines, &attribute) == LIST_ITEM) {
		struct span rest = attribute.value, first;
		if (!span_equal(attribute.name, name) || !sdp_format_next(&rest, &first) ||
		    !span_equal(first, payload))
			continue;
		*out_attribute = attribute;
		return true;
	}
	return false;
}

/* rtpmap-value = payload-type SP encoding-name "/" clock-rate [ "/" encoding-params ] */
static bool rtpmap_parse(struct span value, struct sdp_codec *out_codec)
{
	struct sdp_codec codec = { .channels = 1 };
	struct span rest = value, map;
	uint64_t number;

	if (!sdp_format_next(&rest, &codec.payload) || !sdp_format_next(&rest, &map))
		return false;
	size_t slash = span_find(map, '/', 0);
	codec.encoding = span_slice(map, 0, slash);
	struct cursor in = cursor_over(span_slice(map, slash, map.len));
	if (codec.encoding.len == 0 || !cursor_take(&in, '/') ||
	    !cursor_take_number(&in, UINT32_MAX, &number))
		return false;
	codec.clock_rate = (uint32_t)number;
	if (cursor_take(&in, '/') && cursor_take_number(&in, UINT32_MAX, &number))
		codec.channels = (uint32_t)number;
	*out_codec = codec;
	return true;
}

static bool static_codec(struct span payload, struct sdp_codec *out_codec)
{
	static const struct {
		struct span payload, encoding;
		uint32_t clock_rate, channels;
	} rows[] = {
		{ SPAN("0"), SPAN("PCMU"), 8000, 1 },   { SPAN("3"), SPAN("GSM"), 8000, 1 },
		{ SPAN("4"), SPAN("G723"), 8000, 1 },   { SPAN("5"), SPAN("DVI4"), 8000, 1 },
		{ SPAN("6"), SPAN("DVI4"), 16000, 1 },  { SPAN("7"), SPAN("LPC"), 8000, 1 },
		{ SPAN("8"), SPAN("PCMA"), 8000, 1 },   { SPAN("9"), SPAN("G722"), 8000, 1 },
		{ SPAN("10"), SPAN("L16"), 44100, 2 },  { SPAN("11"), SPAN("L16"), 44100, 1 },
		{ SPAN("12"), SPAN("QCELP"), 8000, 1 }, { SPAN("13"), SPAN("CN"), 8000, 1 },
		{ SPAN("14"), SPAN("MPA"), 90000, 1 },  { SPAN("15"), SPAN("G728"), 8000, 1 },
		{ SPAN("16"), SPAN("DVI4"), 11025, 1 }, { SPAN("17"), SPAN("DVI4"), 22050, 1 },
		{ SPAN("18"), SPAN("G729"), 8000, 1 },  { SPAN("25"), SPAN("CelB"), 90000, 1 },
		{ SPAN("26"), SPAN("JPEG"), 90000, 1 }, { SPAN("28"), SPAN("nv"), 90000, 1 },
		{ SPAN("31"), SPAN("H261"), 90000, 1 }, { SPAN("32"), SPAN("MPV"), 90000, 1 },
		{ SPAN("33"), SPAN("MP2T"), 90000, 1 }, { SPAN("34"), SPAN("H263"), 90000, 1 },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!span_equal(rows[i].payload, payload))
			continue;
		*out_codec = (struct sdp_codec){ payload, rows[i].encoding, rows[i].clock_rate,
						 rows[i].channels };
		return true;
	}
	return false;
}

bool sdp_codec_of(const struct sdp_media *media, struct span payload, struct sdp_codec *out_codec)
{
	struct sdp_attribute attribute;
	if (sdp_attribute_of_payload(media, SPAN_OF("rtpmap"), payload, &attribute))
		return rtpmap_parse(attribute.value, out_codec);
	return static_codec(payload, out_codec);
}

bool sdp_payload_of(const struct sdp_media *media, struct span encoding, uint32_t clock_rate,
		    struct span after, struct span *out_payload)
{
	struct span rest = media->formats, payload;
	struct sdp_codec codec;
	for (unsigned count = 0; count < MAX_FORMATS && sdp_format_next(&rest, &payload); count++) {
		if (after.at && payload.at <= after.at)
			continue;
		if (!sdp_codec_of(media, payload, &codec) ||
		    !span_equal_nocase(codec.encoding, encoding))
			continue;
		if (clock_rate != 0 && clock_rate != codec.clock_rate)
			continue;
		*out_payload = payload;
		return true;
	}
	return false;
}
