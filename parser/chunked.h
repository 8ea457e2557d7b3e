/* SPDX-License-Identifier: BSD-2-Clause */
/* chunked: bodies of HTTP that come in chunks (RFC 9112 7.1). */
#pragma once

#include "parser/result.h"

/* How far the chunks of a body were found. */
struct chunks {
	size_t at;      /* where the next chunk begins, or the trailers */
	size_t data;    /* bytes of the body so far */
	bool has_ended; /* the last chunk was there; what follows are trailers */
};

/* Goes on from `chunks->at` in `message`, which may have grown since. OK: the body and its trailers end at
 * `chunks->at`. BAD: `out_reason` says why. */
enum parse_result chunks_take(struct span message, struct chunks *chunks, const char **out_reason);
/* Writes a message whose chunks were found, headers of `headers_len` bytes included, as one with a
 * Content-Length in place of Transfer-Encoding and without trailers. `out` has room for the message as it
 * came; returns what was written, which is never more. */
size_t chunks_join(struct span message, size_t headers_len, char *out);
