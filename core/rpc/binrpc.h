/* SPDX-License-Identifier: BSD-2-Clause */
/* binrpc: the binary wire format of kamcmd. A packet is
 *
 *	0xA1                  magic A, version 1
 *	tttt llcc             type (0 request, 1 reply, 3 fault), bytes of length - 1, of cookie - 1
 *	length, cookie, body  big-endian; the length counts the body only
 *
 * and a value is one byte `fsss tttt` (flag, size, type) with its content; with the flag, `size` is
 * the number of length bytes that follow. Structs and arrays end with a value of their type that has
 * the flag. Doubles are integers in thousandths; negative integers are 32-bit two's complement. */
#pragma once

#include "core/base/writer.h"
#include "core/rpc/rpc.h"

enum binrpc_type { BINRPC_REQUEST = 0, BINRPC_REPLY = 1, BINRPC_FAULT = 3 };

enum binrpc_result {
	BINRPC_OK,
	BINRPC_MORE, /* right so far, the end is missing */
	BINRPC_BAD,
};

struct binrpc_packet {
	enum binrpc_type type;
	uint32_t cookie;
	struct span body;
	size_t len; /* of the whole packet */
};

/* Looks at the first packet of `bytes`; bodies above `body_most` are BAD. */
enum binrpc_result binrpc_packet(struct span bytes, size_t body_most, struct binrpc_packet *out_packet);

/* One value of a body. */
enum binrpc_kind { BINRPC_INT, BINRPC_STRING, BINRPC_DOUBLE, BINRPC_STRUCT, BINRPC_ARRAY, BINRPC_MEMBER, BINRPC_BYTES };
struct binrpc_value {
	enum binrpc_kind kind;
	bool is_end;      /* of a struct or array */
	int64_t number;   /* INT; DOUBLE in thousandths */
	struct span text; /* STRING, MEMBER (without the closing zero), BYTES */
};
/* Takes a value off the front of *body; false at its end or when it is malformed (then *out_bad). */
bool binrpc_next(struct span *body, struct binrpc_value *out_value, bool *out_bad);

void binrpc_write_int(struct writer *w, int64_t number);
void binrpc_write_double(struct writer *w, double number);
void binrpc_write_string(struct writer *w, struct span text);
void binrpc_write_member(struct writer *w, struct span name);
void binrpc_write_mark(struct writer *w, enum binrpc_kind kind, bool is_end); /* STRUCT, ARRAY */
/* Writes the head of a packet whose body is known. */
void binrpc_write_head(struct writer *w, enum binrpc_type type, uint32_t cookie, size_t body_len);

/* A whole request as a call: method and arguments. NULL when it is malformed. */
struct rpc_call *binrpc_read_call(struct arena *arena, struct span body);
/* The reply or fault of a finished call as a packet. */
void binrpc_write_reply(struct writer *w, const struct rpc_call *call, uint32_t cookie, struct arena *arena);
