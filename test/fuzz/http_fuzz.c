/* SPDX-License-Identifier: BSD-2-Clause */
/* HTTP from the stream to the answer: however the bytes are cut, the same requests are found; path and
 * query lie inside the URL; an answer that is made of a client's own bytes is one message, whose lines are
 * ours. */
#include "core/message/http.h"
#include "parser/frame.h"
#include "test/fuzz/fuzz.h"

#define REPLY_MOST 200000

static void check_answer(const struct message *msg, struct span foreign)
{
	struct http_reply reply = {
		.code = 200, .reason = foreign, .content_type = foreign, .body = message_body(msg)
	};
	struct writer w = writer_in_arena(msg->arena, 1024);
	struct framer framer;
	struct frame frame;
	render_http_reply(&w, msg, &reply);
	must(!w.failed);
	struct span text = writer_result(&w);
	bool has_body = !span_equal(message_method_name(msg), SPAN_OF("HEAD"));
	size_t end = span_find_span(text, SPAN_OF("\r\n\r\n"));
	must(end < text.len && end + 4 + (has_body ? reply.body.len : 0) == text.len);
	/* Status line, type, server, perhaps connection, length: nothing that the client made up. */
	unsigned lines = 0;
	for (size_t i = 0; i < end; i++)
		lines += text.at[i] == '\n';
	must(lines <= 4);
	framer_init(&framer, REPLY_MOST, REPLY_MOST);
	if (has_body)
		must(framer_next(&framer, text, &frame) != FRAME_BAD || foreign.len > 0);
}

static void check_request(struct span bytes)
{
	struct received from = { .connection = 1 };
	const char *reason = NULL;
	struct arena arena;
	arena_init(&arena, 65536, 1 << 24);
	struct message *msg = message_parse(&arena, bytes, &from, &reason);
	if (msg) {
		struct span url = message_original_uri(msg), path = http_path(url),
			    query = http_query(url);
		must(msg->index->is_http && message_is_request(msg));
		must_be_inside(url, bytes);
		must_be_inside(path, url);
		must(query.len == 0 || span_ends_with(url, query));
		must(span_find(path, '?', 0) == path.len);
		touch(message_body(msg));
		check_answer(msg, url);
		check_answer(msg, message_body(msg));
	}
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	struct framer framer;
	struct frame frame;
	enum frame_result result;
	framer_init(&framer, 4096, 65536);
	while (rest.len && (result = framer_next(&framer, rest, &frame)) != FRAME_MORE) {
		if (result == FRAME_BAD) {
			must(frame.reason && frame.status >= 400 && frame.status < 600);
			break;
		}
		must(frame.len > 0 && frame.len <= rest.len);
		if (result == FRAME_MESSAGE && frame.is_http)
			check_request(span_slice(rest, 0, frame.len));
		rest = span_slice(rest, frame.len, rest.len);
	}
	return 0;
}
