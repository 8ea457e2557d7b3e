/* SPDX-License-Identifier: BSD-2-Clause */
/* binrpc: the bytes that kamcmd and the ctl module exchange. A frame is
 *
 *   byte 0       magic 0xA in the high nibble, version 1 in the low one
 *   byte 1       type in the high nibble; low nibble: (length bytes - 1) << 2 | (cookie bytes - 1)
 *   length       big-endian, 1-4 bytes, counts the body only
 *   cookie       1-4 bytes, echoed by the answer
 *   body         values; a request begins with the name of the command, a fault is a code and a text
 *
 * and a value is a header byte (flag bit, 3 bits size, 4 bits type), when the flag is set as many
 * length bytes as the size says, and the bytes of the value. */
#pragma once

#include "core/rpc/rpc.h"

#define BINRPC_HEADER_MAX 10
/* Requests are short; more than this is no request. */
#define BINRPC_REQUEST_MAX (1u << 20)

enum binrpc_type { BINRPC_REQUEST = 0, BINRPC_REPLY = 1, BINRPC_FAULT = 3 };

struct binrpc_header {
	enum binrpc_type type;
	uint32_t body_len;
	uint8_t cookie[4];
	uint8_t cookie_len;
	uint8_t header_len;
};

enum binrpc_result { BINRPC_OK, BINRPC_MORE, BINRPC_BAD };

/* Reads the header at the beginning of `bytes`. MORE: the header is not complete yet. */
enum binrpc_result binrpc_header_read(struct span bytes, struct binrpc_header *out_header);
/* Writes a header in front of a body of body_len bytes; returns its length. */
size_t binrpc_header_write(const struct binrpc_header *header, uint8_t out[BINRPC_HEADER_MAX]);

/* ---- values, one by one ----------------------------------------------------------------------------- */

enum binrpc_kind {
	BINRPC_INT,
	BINRPC_TEXT,
	BINRPC_DOUBLE,
	BINRPC_STRUCT,
	BINRPC_ARRAY,
	BINRPC_MEMBER, /* name of the value that follows, inside a struct */
	BINRPC_BYTES,
	BINRPC_STRUCT_END,
	BINRPC_ARRAY_END,
};

struct binrpc_value {
	enum binrpc_kind kind;
	int64_t number;
	double real;
	struct span text; /* without the closing NUL; borrows the body */
};

/* Takes one value off the front of `*body`; MORE: the body is at its end. Nesting is the caller's. */
enum binrpc_result binrpc_value_read(struct span *body, struct binrpc_value *out_value);

/* Numbers that need more than 32 bits are written as text: clients of the field cannot read them. */
void binrpc_write_int(struct writer *w, int64_t number);
/* Three decimals and no sign are what the format has; what does not fit is written as text. */
void binrpc_write_double(struct writer *w, double number);
void binrpc_write_text(struct writer *w, struct span text);

/* ---- calls -------------------------------------------------------------------------------------------- */

/* Makes a call from a request's body; NULL when it is wrong, with a sentence for the fault. */
struct rpc_call *binrpc_call_read(struct span body, struct arena *arena, const char **out_error);
/* The whole answering frame of a finished call, in `arena`; the absent span when memory is exhausted. */
struct span binrpc_answer(const struct binrpc_header *request, const struct rpc_call *call,
			  struct arena *arena);
struct span binrpc_fault(const struct binrpc_header *request, int code, struct span text,
			 struct arena *arena);
