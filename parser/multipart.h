/* SPDX-License-Identifier: BSD-2-Clause */
/* multipart: MIME multipart bodies (RFC 2046 5.1, RFC 5621) as spans into the body. */
#pragma once

#include "parser/values.h"

#define MULTIPART_MAX_DEPTH 4

struct multipart {
	struct cursor rest;
	struct span boundary;
};

struct multipart_part {
	struct span whole; /* headers and body, from after the delimiter line to before the next */
	struct span with_delimiter; /* from its "--boundary" to before the next, to remove it */
	struct span headers;        /* lines with their ends; may be empty */
	struct span body;
	struct span content_type; /* value; absent: text/plain */
	struct span content_disposition;
	struct span content_id;
	struct span content_transfer_encoding;
};

/* Starts before the first part. False when the boundary is empty or longer than 70 bytes, or the
 * body has no first delimiter. */
[[nodiscard]] bool multipart_begin(struct span body, struct span boundary, struct multipart *out);
/* The next part. LIST_END only after the closing delimiter; LIST_BAD when it is missing or a part's
 * header is malformed. */
enum list_result multipart_next(struct multipart *parts, struct multipart_part *out_part);
/* The value of a header inside a part; false when absent. */
bool multipart_header(const struct multipart_part *part, struct span name, struct span *out_value);
/* Finds the body with a media type ("application/sdp"): the body itself, or a part of it, also in
 * nested multiparts up to MULTIPART_MAX_DEPTH. `content_type` is that of the body. */
bool body_find(struct span body, struct span content_type, struct span wanted,
	       struct span *out_body, struct multipart_part *out_part);
