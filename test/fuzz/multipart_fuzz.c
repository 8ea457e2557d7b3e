/* SPDX-License-Identifier: BSD-2-Clause */
/* Multipart bodies: the first line is the Content-Type, the rest is the body. */
#include "parser/multipart.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, found, value;
	size_t split = span_find(text, '\n', 0);
	struct span content_type = span_slice(text, 0, split),
		    body = span_slice(text, split + 1, size);
	struct media_type type;
	struct multipart parts;
	struct multipart_part part;

	if (body_find(body, content_type, SPAN_OF("application/sdp"), &found, &part))
		must_be_inside(found, body);
	if (!content_type_parse(content_type, &type) ||
	    !multipart_begin(body, type.boundary, &parts))
		return 0;
	while (multipart_next(&parts, &part) == LIST_ITEM) {
		must_be_inside(part.with_delimiter, body);
		must_be_inside(part.whole, part.with_delimiter);
		must_be_inside(part.headers, part.with_delimiter);
		must_be_inside(part.body, part.whole);
		must_be_inside(part.content_type, part.headers);
		touch(part.whole);
		if (part.content_type.at)
			must(multipart_header(&part, SPAN_OF("Content-Type"), &value));
	}
	return 0;
}
