/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/sdp.h"

static const struct span offer =
	SPAN("v=0\r\n"
	     "o=- 20518 7 IN IP4 203.0.113.1\r\n"
	     "s= \r\n"
	     "c=IN IP4 203.0.113.2/127\r\n"
	     "t=0 0\r\n"
	     "a=sendonly\r\n"
	     "m=audio 54400/2 RTP/SAVPF 0 96 97 101\r\n"
	     "a=rtpmap:96 opus/48000/2\r\n"
	     "a=rtpmap:97 iLBC/8000\r\n"
	     "a=rtpmap:101 telephone-event/8000\r\n"
	     "a=fmtp:101 0-15\r\n"
	     "a=ptime:20\r\n"
	     "a=recvonly\r\n"
	     "m=video 0 RTP/AVP 31\r\n"
	     "c=IN IP6 2001:db8::1\r\n"
	     "a=candidate:0 1 UDP 2113667327 203.0.113.1 54400 typ host\r\n"
	     "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n");

static void reads_the_session_level(void **state)
{
	struct sdp_session session;
	assert_true(sdp_parse(offer, &session));
	assert_int_equal(session.text.len, offer.len);
	assert_int_equal(session.media_count, 2);
	check_span(session.origin.username, "-", "user", 0);
	check_span(session.origin.session_id, "20518", "id", 0);
	check_span(session.origin.version, "7", "version", 0);
	check_span(session.origin.address, "203.0.113.1", "origin", 0);
	check_span(session.connection.address, "203.0.113.2", "address", 0);
	check_span(session.connection.line, "c=IN IP4 203.0.113.2/127", "line", 0);
	assert_true(span_starts_with(session.media, SPAN_OF("m=audio")));
}

static void reads_media_with_fallback(void **state)
{
	struct sdp_session session;
	struct sdp_media audio, video, none;
	struct sdp_attribute attribute;
	assert_true(sdp_parse(offer, &session));
	struct span rest = session.media;
	assert_int_equal(sdp_media_next(&session, &rest, &audio), LIST_ITEM);
	check_span(audio.type, "audio", "type", 0);
	check_span(audio.port_text, "54400", "port", 0);
	assert_int_equal(audio.port, 54400);
	assert_int_equal(audio.port_count, 2);
	check_span(audio.protocol, "RTP/SAVPF", "protocol", 0);
	check_span(audio.formats, "0 96 97 101", "formats", 0);
	assert_false(audio.has_own_connection);
	check_span(audio.connection.address, "203.0.113.2", "address", 0);
	assert_int_equal(sdp_media_direction(&session, &audio), SDP_RECVONLY);
	assert_int_equal(sdp_media_ptime(&audio), 20);
	assert_int_equal(sdp_media_next(&session, &rest, &video), LIST_ITEM);
	assert_true(video.has_own_connection);
	assert_true(video.connection.is_ipv6);
	check_span(video.connection.address, "2001:db8::1", "address", 1);
	assert_int_equal(sdp_media_direction(&session, &video), SDP_SENDONLY);
	assert_true(sdp_media_is_on_hold(&session, &video));
	assert_true(sdp_attribute_find(video.attributes, SPAN_OF("crypto"), &attribute));
	check_span(attribute.value, "1 AES_CM_128_HMAC_SHA1_80 inline:abc", "crypto", 0);
	check_span(attribute.with_end, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n",
		   "crypto", 1);
	assert_false(sdp_attribute_find(video.attributes, SPAN_OF("ptime"), &attribute));
	assert_int_equal(sdp_media_next(&session, &rest, &none), LIST_END);
}

static void finds_codecs(void **state)
{
	struct sdp_session session;
	struct sdp_media audio;
	struct sdp_codec codec;
	struct sdp_attribute attribute;
	struct span payload;
	assert_true(sdp_parse(offer, &session));
	struct span rest = session.media;
	assert_int_equal(sdp_media_next(&session, &rest, &audio), LIST_ITEM);
	assert_true(sdp_codec_of(&audio, SPAN_OF("0"), &codec));
	check_span(codec.encoding, "PCMU", "static", 0);
	assert_true(sdp_codec_of(&audio, SPAN_OF("96"), &codec));
	check_span(codec.encoding, "opus", "rtpmap", 0);
	assert_int_equal(codec.clock_rate, 48000);
	assert_int_equal(codec.channels, 2);
	assert_false(sdp_codec_of(&audio, SPAN_OF("98"), &codec));
	assert_true(sdp_payload_of(&audio, SPAN_OF("TELEPHONE-EVENT"), 8000, (struct span){ 0 },
				   &payload));
	check_span(payload, "101", "payload", 0);
	assert_false(sdp_payload_of(&audio, SPAN_OF("telephone-event"), 8000, payload, &payload));
	assert_false(sdp_payload_of(&audio, SPAN_OF("telephone-event"), 48000, (struct span){ 0 },
				    &payload));
	assert_true(sdp_attribute_of_payload(&audio, SPAN_OF("fmtp"), SPAN_OF("101"), &attribute));
	check_span(attribute.value, "101 0-15", "fmtp", 0);
}

static void iterates_sessions_and_tolerates_line_ends(void **state)
{
	struct span rest = SPAN_OF("\nv=0\no=a b 1 2 IN IP4 1.1.1.1\ns=x\n\nm=audio 1 RTP/AVP\n"
				   "v=0\r\ns=y");
	struct sdp_session session;
	assert_int_equal(sdp_session_next(&rest, &session), LIST_ITEM);
	check_span(session.origin.username, "a b", "user", 0);
	assert_int_equal(session.media_count, 1);
	assert_int_equal(sdp_session_next(&rest, &session), LIST_ITEM);
	check_span(session.header, "v=0\r\ns=y", "header", 1);
	assert_int_equal(session.media.len, 0);
	assert_null(session.connection.line.at);
	assert_int_equal(sdp_session_next(&rest, &session), LIST_END);
}

static void refuses_what_is_malformed(void **state)
{
	static const struct span rows[] = {
		SPAN(""), SPAN("o=x"), SPAN("v=0\r\nxyz"), SPAN("v=0\r\nm=audio"), SPAN("v=0\r\nm=audio x RTP/AVP 0"),
		SPAN("v=0\r\nm=audio 65536 RTP/AVP 0"), SPAN("v=0\r\nm=audio 1/ RTP/AVP 0"), SPAN("v=0\r\nm=audio 1/x RTP/AVP 0"),
		SPAN("v=0\r\nc=IN IP4"), SPAN("v=0\r\nc=IN IP4 1.1.1.1 x"), SPAN("v=0\r\nc=IN IP4 /5"), SPAN("v=0\r\no=- 1 2 IN IP4"),
		SPAN("v=0\r\na"), SPAN("v=0\r\n=x"), SPAN("v"), SPAN("v=0\r\no=1 2 IN IP4 1.1.1.1"),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sdp_session session;
		struct span text = exact_copy(rows[i]);
		if (sdp_parse(text, &session))
			fail_msg("row %u is accepted: %s", i, rows[i].at);
		exact_free(text);
	}
}

static void survives_empty_attributes(void **state)
{
	struct span text = exact_copy(SPAN_OF(
		"v=0\r\nm=audio 1 RTP/AVP 96\r\na=\r\na=rtpmap:\r\na=rtpmap:96\r\na=rtpmap:96 \r\n"
		"a=fmtp:\r\na=ptime:\r\na=:"));
	struct sdp_session session;
	struct sdp_media media;
	struct sdp_codec codec;
	assert_true(sdp_parse(text, &session));
	struct span rest = session.media;
	assert_int_equal(sdp_media_next(&session, &rest, &media), LIST_ITEM);
	assert_false(sdp_codec_of(&media, SPAN_OF("96"), &codec));
	assert_int_equal(sdp_media_ptime(&media), 0);
	exact_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_session_level),
		cmocka_unit_test(reads_media_with_fallback),
		cmocka_unit_test(finds_codecs),
		cmocka_unit_test(iterates_sessions_and_tolerates_line_ends),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(survives_empty_attributes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
