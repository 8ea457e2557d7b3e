/* SPDX-License-Identifier: BSD-2-Clause */
/* Encoding and decoding of binrpc. */
#include "core/rpc/binrpc.h"

#define MAGIC 0xa1
#define FLAG 0x80
#define DEPTH_MOST 32

/* ---- reading --------------------------------------------------------------------------------------------- */

/* A big-endian number of `size` bytes; the caller made sure that they are there. */
static uint64_t read_number(const char *at, size_t size)
{
	uint64_t number = 0;
	for (size_t i = 0; i < size; i++)
		number = number << 8 | (uint8_t)at[i];
	return number;
}

enum binrpc_result binrpc_packet(struct span bytes, size_t body_most, struct binrpc_packet *out_packet)
{
	if (bytes.len && (uint8_t)bytes.at[0] != MAGIC)
		return BINRPC_BAD;
	if (bytes.len < 2)
		return BINRPC_MORE;
	uint8_t sizes = (uint8_t)bytes.at[1];
	size_t length_size = (sizes >> 2 & 3) + 1u, cookie_size = (sizes & 3) + 1u;
	size_t head = 2 + length_size + cookie_size;
	if (bytes.len < head)
		return BINRPC_MORE;
	uint64_t len = read_number(bytes.at + 2, length_size);
	if (len > body_most)
		return BINRPC_BAD;
	if (bytes.len < head + len)
		return BINRPC_MORE;
	*out_packet = (struct binrpc_packet){ .type = (enum binrpc_type)(sizes >> 4),
		.cookie = (uint32_t)read_number(bytes.at + 2 + length_size, cookie_size),
		.body = span_slice(bytes, head, len), .len = head + len };
	return BINRPC_OK;
}

/* The content's length; false when it does not fit into the rest. */
static bool take_length(struct span *body, unsigned size, bool has_flag, size_t *out_length)
{
	uint64_t length = size;
	if (has_flag) {
		if (size == 0 || size > 4 || body->len < size)
			return false;
		length = read_number(body->at, size);
		*body = span_slice(*body, size, body->len);
	}
	*out_length = length;
	return length <= body->len;
}

bool binrpc_next(struct span *body, struct binrpc_value *out_value, bool *out_bad)
{
	struct span rest = *body;
	*out_bad = false;
	if (rest.len == 0)
		return false;
	uint8_t head = (uint8_t)rest.at[0];
	struct binrpc_value value = { .kind = (enum binrpc_kind)(head & 15) };
	size_t length = 0;
	rest = span_slice(rest, 1, rest.len);
	*out_bad = true;
	if (value.kind == BINRPC_STRUCT || value.kind == BINRPC_ARRAY) {
		value.is_end = head & FLAG;
	} else if (value.kind > BINRPC_BYTES || !take_length(&rest, head >> 4 & 7, head & FLAG, &length)) {
		return false;
	}
	switch (value.kind) {
	case BINRPC_INT:
	case BINRPC_DOUBLE:
		if (length > 8)
			return false;
		value.number = (int64_t)read_number(rest.at, length);
		if (length == 4)
			value.number = (int32_t)value.number;
		break;
	case BINRPC_STRING:
	case BINRPC_MEMBER:
		/* A closing zero belongs to the encoding, not to the text. */
		value.text = span_slice(rest, 0, length && rest.at[length - 1] == '\0' ? length - 1 : length);
		break;
	case BINRPC_BYTES:
		value.text = span_slice(rest, 0, length);
		break;
	case BINRPC_STRUCT:
	case BINRPC_ARRAY:
		break;
	}
	*body = span_slice(rest, length, rest.len);
	*out_value = value;
	*out_bad = false;
	return true;
}

struct rpc_call *binrpc_read_call(struct arena *arena, struct span body)
{
	struct binrpc_value value;
	bool is_bad;
	if (!binrpc_next(&body, &value, &is_bad) || value.kind != BINRPC_STRING)
		return NULL;
	struct rpc_call *call = rpc_call_new(arena, value.text);
	while (call && binrpc_next(&body, &value, &is_bad)) {
		switch (value.kind) {
		case BINRPC_INT:
			rpc_call_add_arg_int(call, value.number);
			break;
		case BINRPC_DOUBLE:
			rpc_call_add_arg_double(call, (double)value.number / 1000);
			break;
		case BINRPC_STRING:
		case BINRPC_BYTES:
			rpc_call_add_arg_text(call, value.text);
			break;
		case BINRPC_STRUCT:
		case BINRPC_ARRAY:
		case BINRPC_MEMBER:
			break; /* arguments are positional: members count like plain values */
		}
	}
	return is_bad ? NULL : call;
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

static unsigned bytes_needed(uint64_t number)
{
	unsigned count = 0;
	for (; number; number >>= 8)
		count++;
	return count;
}

static void write_number(struct writer *w, uint64_t number, unsigned size)
{
	while (size > 0)
		writer_char(w, (char)(number >> (8 * --size) & 0xff));
}

static void write_integer(struct writer *w, enum binrpc_kind kind, int64_t number)
{
	uint64_t bits = number < 0 ? (uint32_t)(int32_t)number : (uint64_t)number;
	unsigned size = bytes_needed(bits);
	if (size > 4) {
		/* Readers know 32 bits; a larger count is cut to the largest of them. */
		bits = INT32_MAX;
		size = 4;
	}
	writer_char(w, (char)(size << 4 | kind));
	write_number(w, bits, size);
}

void binrpc_write_int(struct writer *w, int64_t number)
{
	write_integer(w, BINRPC_INT, number);
}

void binrpc_write_double(struct writer *w, double number)
{
	write_integer(w, BINRPC_DOUBLE, (int64_t)(number * 1000 + (number < 0 ? -0.5 : 0.5)));
}

static void write_text(struct writer *w, enum binrpc_kind kind, struct span text)
{
	size_t length = text.len + 1;
	if (length < 8) {
		writer_char(w, (char)(length << 4 | kind));
	} else {
		unsigned size = bytes_needed(length);
		writer_char(w, (char)(FLAG | size << 4 | kind));
		write_number(w, length, size);
	}
	writer_span(w, text);
	writer_char(w, '\0');
}

void binrpc_write_string(struct writer *w, struct span text)
{
	write_text(w, BINRPC_STRING, text);
}

void binrpc_write_member(struct writer *w, struct span name)
{
	write_text(w, BINRPC_MEMBER, name);
}

void binrpc_write_mark(struct writer *w, enum binrpc_kind kind, bool is_end)
{
	writer_char(w, (char)((is_end ? FLAG : 0) | kind));
}

void binrpc_write_head(struct writer *w, enum binrpc_type type, uint32_t cookie, size_t body_len)
{
	unsigned length_size = bytes_needed(body_len), cookie_size = bytes_needed(cookie);
	length_size = length_size ? length_size : 1;
	cookie_size = cookie_size ? cookie_size : 1;
	writer_char(w, (char)MAGIC);
	writer_char(w, (char)((unsigned)type << 4 | (length_size - 1) << 2 | (cookie_size - 1)));
	write_number(w, body_len, length_size);
	write_number(w, cookie, cookie_size);
}

static void write_values(struct writer *w, const struct rpc_value *values, bool with_names, unsigned depth)
{
	for (const struct rpc_value *v = values; v && depth < DEPTH_MOST; v = v->next) {
		if (with_names)
			binrpc_write_member(w, v->name);
		switch (v->kind) {
		case RPC_INT:
			binrpc_write_int(w, v->number);
			break;
		case RPC_TEXT:
			binrpc_write_string(w, v->text);
			break;
		case RPC_DOUBLE:
			binrpc_write_double(w, v->real);
			break;
		case RPC_NULL:
			binrpc_write_string(w, SPAN_OF("<null string>"));
			break;
		case RPC_STRUCT:
		case RPC_ARRAY: {
			/* An array inside a struct is shown as a struct of unnamed members by nobody's client; kamcmd
			 * prints arrays and structs alike. */
			enum binrpc_kind kind = v->kind == RPC_STRUCT ? BINRPC_STRUCT : BINRPC_ARRAY;
			binrpc_write_mark(w, kind, false);
			write_values(w, v->first, v->kind == RPC_STRUCT, depth + 1);
			binrpc_write_mark(w, kind, true);
			break;
		}
		}
	}
}

void binrpc_write_reply(struct writer *w, const struct rpc_call *call, uint32_t cookie, struct arena *arena)
{
	const struct rpc_value *values;
	struct span fault;
	int code = rpc_result(call, &values, &fault);
	struct writer body = writer_in_arena(arena, 4096);
	if (code) {
		binrpc_write_int(&body, code);
		binrpc_write_string(&body, fault);
	} else {
		write_values(&body, values, false, 0);
	}
	if (body.failed) {
		w->failed = true;
		return;
	}
	binrpc_write_head(w, code ? BINRPC_FAULT : BINRPC_REPLY, cookie, body.len);
	writer_span(w, writer_result(&body));
}
