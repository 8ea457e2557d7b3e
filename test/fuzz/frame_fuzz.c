/* SPDX-License-Identifier: BSD-2-Clause */
/* Framing: the answer does not depend on how the bytes arrive, and a framed message is indexed to
 * exactly its length. */
#include <stdlib.h>

#include "parser/frame.h"
#include "parser/message.h"
#include "test/fuzz/fuzz.h"

static void check_message(struct span bytes)
{
	struct sip_message_index *index;
	struct parse_error error;
	struct arena arena;
	arena_init(&arena, 65536, 1 << 24);
	enum parse_result result = sip_message_index(&arena, bytes, &index, &error);
	if (result == PARSE_BAD && !index)
		must(error.reason != NULL);
	else
		must(index && index->len == bytes.len &&
		     !(index->defects & ~SIP_DEFECT_START_LINE));
	arena_free(&arena);
}

/* What came in chunks is a message of its own, and no longer than it was. */
static void check_chunks(struct span bytes, size_t headers_len)
{
	char *joined = malloc(bytes.len);
	must(joined != NULL);
	size_t len = chunks_join(bytes, headers_len, joined);
	must(len <= bytes.len);
	check_message(span_make(joined, len));
	free(joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct framer whole, piecewise;
	struct frame frame, other;
	struct span rest = { (const char *)data, size };

	framer_init(&whole, 4096, 65536);
	framer_init(&piecewise, 4096, 65536);
	whole.accepts_no_length = piecewise.accepts_no_length = size & 1;
	while (rest.len > 0) {
		enum frame_result result = framer_next(&whole, rest, &frame);
		enum frame_result step = FRAME_MORE;
		size_t have = 0;
		while (step == FRAME_MORE && have < rest.len)
			step = framer_next(&piecewise, span_slice(rest, 0, ++have), &other);
		/* Fewer bytes may suffice to see that something is wrong. */
		must(result == step || (result == FRAME_MORE && step == FRAME_BAD) ||
		     step == FRAME_BAD || result == FRAME_BAD);
		if (result == FRAME_MORE || result == FRAME_BAD || step == FRAME_BAD)
			break;
		must(frame.len == other.len && frame.len > 0 && frame.len <= rest.len &&
		     have <= rest.len);
		must(frame.chunked_from == other.chunked_from);
		if (result == FRAME_MESSAGE && frame.chunked_from)
			check_chunks(span_slice(rest, 0, frame.len), frame.chunked_from);
		else if (result == FRAME_MESSAGE)
			check_message(span_slice(rest, 0, frame.len));
		rest = span_slice(rest, frame.len, rest.len);
	}
	return 0;
}
