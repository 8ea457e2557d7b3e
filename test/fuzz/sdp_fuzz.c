/* SPDX-License-Identifier: BSD-2-Clause */
#include "parser/sdp.h"
#include "test/fuzz/fuzz.h"

static void check_media(const struct sdp_session *session, const struct sdp_media *media,
			struct span text)
{
	struct sdp_attribute attribute;
	struct sdp_codec codec;
	struct span lines = media->attributes, formats = media->formats, payload, found;

	must_be_inside(media->text, session->media);
	must_be_inside(media->line, media->text);
	must_be_inside(media->port_text, media->line);
	must_be_inside(media->formats, media->line);
	must_be_inside(media->attributes, media->text);
	must_be_inside(media->connection.address, text);
	while (sdp_attribute_next(&lines, &attribute) == LIST_ITEM) {
		must_be_inside(attribute.with_end, media->attributes);
		must_be_inside(attribute.value, attribute.line);
	}
	for (unsigned i = 0; i < 8 && sdp_format_next(&formats, &payload); i++) {
		if (!sdp_codec_of(media, payload, &codec))
			continue;
		touch(codec.encoding);
		must(sdp_payload_of(media, codec.encoding, codec.clock_rate, (struct span){ 0 },
				    &found));
	}
	(void)sdp_media_direction(session, media);
	(void)sdp_media_is_on_hold(session, media);
	(void)sdp_media_ptime(media);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, rest = text;
	struct sdp_session session;
	struct sdp_media media;

	while (sdp_session_next(&rest, &session) == LIST_ITEM) {
		unsigned count = 0;
		struct span media_rest = session.media;
		must_be_inside(session.text, text);
		must_be_inside(session.header, session.text);
		must_be_inside(session.media, session.text);
		must_be_inside(session.origin.address, session.header);
		must_be_inside(session.connection.address, session.header);
		while (sdp_media_next(&session, &media_rest, &media) == LIST_ITEM) {
			check_media(&session, &media, text);
			count++;
		}
		must(count == session.media_count);
	}
	return 0;
}
