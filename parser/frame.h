/* SPDX-License-Identifier: BSD-2-Clause */
/* frame: where a message ends in a stream (RFC 3261 18.3, RFC 5626 3.5.1 and 4.4.1). */
#pragma once

#include "parser/chunked.h"
#include "parser/result.h"

enum frame_result {
	FRAME_MORE,    /* no complete message yet */
	FRAME_MESSAGE, /* the first `len` bytes are a message (leading empty lines included) */
	FRAME_PING,    /* the first `len` bytes are a double CRLF: answer with CRLF */
	FRAME_PONG,    /* the first `len` bytes are a single CRLF: ignore */
	FRAME_BAD,     /* close the connection; `reason` says why */
};

/* Framing state of one connection; survives between reads so that no byte is looked at twice. */
struct framer {
	size_t max_headers;     /* bytes of start line and headers */
	size_t max_message;     /* bytes of a whole message */
	bool accepts_no_length; /* a SIP message without Content-Length has no body; else it is BAD */
	bool knows_first_line; /* private: the first line was seen and is right */
	bool is_http; /* the message that is coming is an HTTP request, as far as is known */
	bool expects_continue; /* … which waits for "100 Continue" before its body; the caller clears it */
	size_t scanned;       /* private: bytes of the current header section already searched */
	size_t message_len;   /* private: known length of the current message, 0 while unknown */
	size_t chunked_from;  /* private: an HTTP body in chunks begins here; 0: there is none */
	struct chunks chunks; /* private: those that were found */
};

struct frame {
	size_t len;         /* bytes to take from the buffer (MESSAGE, PING, PONG) */
	size_t wanted;      /* MORE: bytes that the buffer must hold, 0 while unknown */
	const char *reason; /* BAD: static text */
	unsigned status;    /* BAD: the answer when the peer speaks HTTP */
	bool is_http;       /* MESSAGE, BAD: an HTTP request */
	/* MESSAGE: its body comes in chunks from here on, and chunks_join makes a message of it; 0: it does not */
	size_t chunked_from;
};

void framer_init(struct framer *framer, size_t max_headers, size_t max_message);
/* Looks at the bytes received and not yet taken. After MESSAGE, PING and PONG the caller removes
 * `len` bytes and calls again. Between two calls that give MORE the buffer only grows. */
enum frame_result framer_next(struct framer *framer, struct span buffer, struct frame *out_frame);
