/* SPDX-License-Identifier: BSD-2-Clause */
/* The binrpc format: reading on untrusted bytes, writing of answers. */
#include "core/rpc/binrpc.h"

#include "core/base/check.h"

#define MAGIC_AND_VERSION  0xA1
#define FLAG               0x80
#define SIZE_MAX_IN_HEADER 7

/* Types on the wire. */
enum { WIRE_INT, WIRE_TEXT, WIRE_DOUBLE, WIRE_STRUCT, WIRE_ARRAY, WIRE_MEMBER, WIRE_BYTES };

static uint64_t big_endian(const char *at, size_t len)
{
	uint64_t number = 0;
	for (size_t i = 0; i < len; i++)
		number = number << 8 | (uint8_t)at[i];
	return number;
}

/* Bytes that `number` needs, at least `least`. */
static size_t bytes_of(uint64_t number, size_t least)
{
	size_t len = 0;
	for (; number; number >>= 8)
		len++;
	return len < least ? least : len;
}

/* ---- frames -------------------------------------------------------------------------------------------- */

enum binrpc_result binrpc_header_read(struct span bytes, struct binrpc_header *out_header)
{
	if (bytes.len >= 1 && (uint8_t)bytes.at[0] != MAGIC_AND_VERSION)
		return BINRPC_BAD;
	if (bytes.len < 2)
		return BINRPC_MORE;
	uint8_t layout = (uint8_t)bytes.at[1];
	size_t length_len = ((layout >> 2) & 3) + 1u, cookie_len = (layout & 3) + 1u;
	unsigned type = layout >> 4;
	if (type != BINRPC_REQUEST && type != BINRPC_REPLY && type != BINRPC_FAULT)
		return BINRPC_BAD;
	if (bytes.len < 2 + length_len + cookie_len)
		return BINRPC_MORE;
	*out_header =
		(struct binrpc_header){ .type = (enum binrpc_type)type,
					.body_len = (uint32_t)big_endian(bytes.at + 2, length_len),
					.cookie_len = (uint8_t)cookie_len,
					.header_len = (uint8_t)(2 + length_len + cookie_len) };
	memcpy(out_header->cookie, bytes.at + 2 + length_len, cookie_len);
	return BINRPC_OK;
}

size_t binrpc_header_write(const struct binrpc_header *header, uint8_t out[BINRPC_HEADER_MAX])
{
	size_t length_len = bytes_of(header->body_len, 1);
	size_t cookie_len = header->cookie_len ? header->cookie_len : 1;
	out[0] = MAGIC_AND_VERSION;
	out[1] = (uint8_t)(header->type << 4 | (length_len - 1) << 2 | (cookie_len - 1));
	for (size_t i = 0; i < length_len; i++)
		out[2 + i] = (uint8_t)(header->body_len >> 8 * (length_len - 1 - i));
	memcpy(out + 2 + length_len, header->cookie, cookie_len);
	return 2 + length_len + cookie_len;
}

/* ---- reading values --------------------------------------------------------------------------------------- */

/* Up to 4 bytes are a 32-bit number, negative ones in two's complement. */
static int64_t to_number(struct span bytes)
{
	uint64_t number = big_endian(bytes.at, bytes.len);
	return bytes.len <= 4 ? (int64_t)(int32_t)(uint32_t)number : (int64_t)number;
}

static bool text_without_nul(struct span bytes, struct span *out_text)
{
	*out_text = bytes.len ? span_slice(bytes, 0, bytes.len - 1) : SPAN_OF("");
	return bytes.len == 0 ||
	       (bytes.at[bytes.len - 1] == '\0' && !memchr(bytes.at, '\0', bytes.len - 1));
}

static bool value_fill(unsigned type, struct span bytes, struct binrpc_value *out)
{
	switch (type) {
	case WIRE_INT:
		*out = (struct binrpc_value){ .kind = BINRPC_INT, .number = to_number(bytes) };
		return bytes.len <= 8;
	case WIRE_DOUBLE:
		*out = (struct binrpc_value){ .kind = BINRPC_DOUBLE,
					      .real = (double)big_endian(bytes.at, bytes.len) /
						      1000 };
		return bytes.len <= 8;
	case WIRE_TEXT:
		*out = (struct binrpc_value){ .kind = BINRPC_TEXT };
		return text_without_nul(bytes, &out->text);
	case WIRE_MEMBER:
		*out = (struct binrpc_value){ .kind = BINRPC_MEMBER };
		return text_without_nul(bytes, &out->text);
	case WIRE_BYTES:
		*out = (struct binrpc_value){ .kind = BINRPC_BYTES, .text = bytes };
		return true;
	default: return false;
	}
}

enum binrpc_result binrpc_value_read(struct span *body, struct binrpc_value *out_value)
{
	if (body->len == 0)
		return BINRPC_MORE;
	uint8_t header = (uint8_t)body->at[0];
	unsigned type = header & 15, size = (header >> 4) & 7;
	bool flag = header & FLAG;
	struct span rest = span_slice(*body, 1, body->len);
	struct binrpc_value value;
	if (type == WIRE_STRUCT || type == WIRE_ARRAY) {
		bool is_struct = type == WIRE_STRUCT;
		if (size)
			return BINRPC_BAD;
		*out_value = (struct binrpc_value){
			.kind = flag ? (is_struct ? BINRPC_STRUCT_END : BINRPC_ARRAY_END)
				     : (is_struct ? BINRPC_STRUCT : BINRPC_ARRAY)
		};
		*body = rest;
		return BINRPC_OK;
	}
	uint64_t len = size;
	if (flag) {
		if (size == 0 || size > 4 || rest.len < size)
			return BINRPC_BAD;
		len = big_endian(rest.at, size);
		rest = span_slice(rest, size, rest.len);
	}
	if (len > rest.len || !value_fill(type, span_slice(rest, 0, (size_t)len), &value))
		return BINRPC_BAD;
	*out_value = value;
	*body = span_slice(rest, (size_t)len, rest.len);
	return BINRPC_OK;
}

/* ---- writing values ------------------------------------------------------------------------------------------ */

static void write_value_header(struct writer *w, unsigned type, size_t len)
{
	if (len <= SIZE_MAX_IN_HEADER) {
		writer_char(w, (char)(len << 4 | type));
		return;
	}
	size_t length_len = bytes_of(len, 1);
	writer_char(w, (char)(FLAG | length_len << 4 | type));
	for (size_t i = length_len; i > 0; i--)
		writer_char(w, (char)(len >> 8 * (i - 1)));
}

static void write_number(struct writer *w, unsigned type, uint32_t number)
{
	size_t len = bytes_of(number, 0);
	write_value_header(w, type, len);
	for (size_t i = len; i > 0; i--)
		writer_char(w, (char)(number >> 8 * (i - 1)));
}

static void write_terminated(struct writer *w, unsigned type, struct span text)
{
	const char *nul = text.len ? memchr(text.at, '\0', text.len) : NULL;
	if (nul)
		text.len = (size_t)(nul - text.at);
	write_value_header(w, type, text.len + 1);
	writer_span(w, text);
	writer_char(w, '\0');
}

void binrpc_write_text(struct writer *w, struct span text)
{
	write_terminated(w, WIRE_TEXT, text);
}

void binrpc_write_int(struct writer *w, int64_t number)
{
	if (number >= INT32_MIN && number <= UINT32_MAX) {
		write_number(w, WIRE_INT, (uint32_t)number);
		return;
	}
	char text[24];
	struct writer digits = writer_fixed(text, sizeof(text));
	writer_int(&digits, number);
	binrpc_write_text(w, writer_result(&digits));
}

void binrpc_write_double(struct writer *w, double number)
{
	double thousandths = number * 1000 + 0.5;
	if (thousandths >= 0 && thousandths < UINT32_MAX) {
		write_number(w, WIRE_DOUBLE, (uint32_t)thousandths);
		return;
	}
	char text[400];
	struct writer digits = writer_fixed(text, sizeof(text));
	writer_printf(&digits, "%.3f", number);
	binrpc_write_text(w, writer_result(&digits));
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

struct rpc_call *binrpc_call_read(struct span body, struct arena *arena, const char **out_error)
{
	struct binrpc_value value;
	enum binrpc_result result = binrpc_value_read(&body, &value);
	if (result != BINRPC_OK || value.kind != BINRPC_TEXT) {
		*out_error = result == BINRPC_MORE
				     ? "bad request method: end of packet encountered"
				     : "bad request method: record doesn't match type";
		return NULL;
	}
	struct rpc_call *call = rpc_call_new(arena, value.text);
	if (!call) {
		*out_error = "out of memory";
		return NULL;
	}
	while ((result = binrpc_value_read(&body, &value)) == BINRPC_OK) {
		switch (value.kind) {
		case BINRPC_INT: rpc_call_add_arg_int(call, value.number); continue;
		case BINRPC_TEXT:
		case BINRPC_BYTES: rpc_call_add_arg_text(call, value.text); continue;
		case BINRPC_DOUBLE: rpc_call_add_arg_double(call, value.real); continue;
		case BINRPC_STRUCT:
		case BINRPC_ARRAY:
		case BINRPC_MEMBER:
		case BINRPC_STRUCT_END:
		case BINRPC_ARRAY_END: break;
		}
		*out_error = "bad request: structures and arrays are no arguments";
		return NULL;
	}
	*out_error = "bad request: corrupted packet";
	return result == BINRPC_BAD ? NULL : call;
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

/* Clients of the field read arrays of plain values at the top only; elsewhere an array is a struct
 * whose members have no name when they are structs, and are called by their position else. */
static bool is_plain_array(const struct rpc_value *value)
{
	if (value->kind != RPC_ARRAY)
		return false;
	for (const struct rpc_value *member = value->first; member; member = member->next)
		if (member->name.at || member->kind == RPC_STRUCT || member->kind == RPC_ARRAY)
			return false;
	return value->first != NULL;
}

static void write_tree(struct writer *w, const struct rpc_value *value);

static void write_members(struct writer *w, const struct rpc_value *first)
{
	char text[24];
	unsigned position = 0;
	for (const struct rpc_value *member = first; member; member = member->next, position++) {
		struct writer digits = writer_fixed(text, sizeof(text));
		writer_uint(&digits, position);
		if (member->name.at || member->kind != RPC_STRUCT)
			write_terminated(w, WIRE_MEMBER,
					 member->name.at ? member->name : writer_result(&digits));
		write_tree(w, member);
	}
}

static void write_tree(struct writer *w, const struct rpc_value *value)
{
	switch (value->kind) {
	case RPC_INT: binrpc_write_int(w, value->number); return;
	case RPC_TEXT: binrpc_write_text(w, value->text); return;
	case RPC_DOUBLE: binrpc_write_double(w, value->real); return;
	case RPC_NULL: binrpc_write_text(w, SPAN_OF("<null string>")); return;
	case RPC_STRUCT:
	case RPC_ARRAY:
		writer_char(w, WIRE_STRUCT);
		write_members(w, value->first);
		writer_char(w, (char)(FLAG | WIRE_STRUCT));
		return;
	}
}

static void write_top(struct writer *w, const struct rpc_value *value)
{
	if (!is_plain_array(value)) {
		write_tree(w, value);
		return;
	}
	writer_char(w, WIRE_ARRAY);
	for (const struct rpc_value *member = value->first; member; member = member->next)
		write_tree(w, member);
	writer_char(w, (char)(FLAG | WIRE_ARRAY));
}

/* The frame's header goes right-aligned into the room that was kept in front of the body. */
static struct span frame(const struct binrpc_header *request, enum binrpc_type type,
			 struct writer *w)
{
	uint8_t bytes[BINRPC_HEADER_MAX];
	if (w->failed || w->len - BINRPC_HEADER_MAX > UINT32_MAX)
		return (struct span){ NULL, 0 };
	struct binrpc_header header = *request;
	header.type = type;
	header.body_len = (uint32_t)(w->len - BINRPC_HEADER_MAX);
	size_t len = binrpc_header_write(&header, bytes);
	memcpy(w->data + BINRPC_HEADER_MAX - len, bytes, len);
	return span_slice(writer_result(w), BINRPC_HEADER_MAX - len, w->len);
}

struct span binrpc_answer(const struct binrpc_header *request, const struct rpc_call *call,
			  struct arena *arena)
{
	const struct rpc_value *values;
	struct span fault;
	struct writer w = writer_in_arena(arena, 4096);
	int code = rpc_result(call, &values, &fault);
	if (code)
		return binrpc_fault(request, code, fault, arena);
	writer_bytes(&w, "          ", BINRPC_HEADER_MAX);
	for (; values; values = values->next)
		write_top(&w, values);
	return frame(request, BINRPC_REPLY, &w);
}

struct span binrpc_fault(const struct binrpc_header *request, int code, struct span text,
			 struct arena *arena)
{
	struct writer w = writer_in_arena(arena, 256 + text.len);
	writer_bytes(&w, "          ", BINRPC_HEADER_MAX);
	binrpc_write_int(&w, code);
	binrpc_write_text(&w, text);
	return frame(request, BINRPC_FAULT, &w);
}
