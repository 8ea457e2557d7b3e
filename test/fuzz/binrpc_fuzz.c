/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/rpc/binrpc.h"
#include "test/fuzz/fuzz.h"

static void read_values(struct span body)
{
	struct span rest = body;
	struct binrpc_value value;
	while (binrpc_value_read(&rest, &value) == BINRPC_OK) {
		must_be_inside(rest, body);
		if (value.text.len)
			must_be_inside(value.text, body);
		touch(value.text);
	}
}

static void on_done(struct rpc_call *call, void *owner)
{
	*(bool *)owner = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, body = text;
	struct binrpc_header header = { .cookie_len = 1 };
	const char *error;
	struct arena arena;
	bool is_done = false;

	read_values(text);
	if (binrpc_header_read(text, &header) == BINRPC_OK) {
		uint8_t again[BINRPC_HEADER_MAX];
		must(header.header_len <= size);
		must(binrpc_header_write(&header, again) <= header.header_len);
		body = span_slice(text, header.header_len, header.body_len);
	}
	arena_init(&arena, 4096, 1u << 24);
	struct rpc_call *call = binrpc_call_read(body, &arena, &error);
	if (call) {
		rpc_dispatch(call, on_done, &is_done);
		must(is_done);
		touch(binrpc_answer(&header, call, &arena));
	} else {
		must(error != NULL);
	}
	arena_free(&arena);
	return 0;
}
