/* SPDX-License-Identifier: BSD-2-Clause */
/* jsonrpc: JSON-RPC 2.0 requests and batches in, answers out. What differs from the specification is
 * the field's habit: a request without id is answered too (without id); an unknown command is error
 * 500 "Method Not Found"; object params are taken in their order, their names are not looked at. */
#pragma once

#include "core/rpc/json.h"
#include "core/rpc/rpc.h"

#define JSONRPC_BATCH_MOST 1000

enum { JSONRPC_BAD_DOCUMENT = -32700, JSONRPC_BAD_REQUEST = -32600, JSONRPC_BAD_PARAMS = -32602 };

struct jsonrpc_document {
	const struct json_value *root; /* NULL: no JSON */
	struct span
		reply_name; /* member "reply_name" of a single request; absent when there is none */
	const char *error;  /* why there is no root */
	size_t error_at;
};

struct jsonrpc_answer {
	int code;         /* 200, or the error's code; of a batch: of its last request */
	struct span text; /* "OK", or the error's message */
	struct span body; /* the JSON text; absent when memory is exhausted */
};

void jsonrpc_read(struct span text, struct arena *arena, struct jsonrpc_document *out_document);
/* Runs the commands and writes the answer into `arena`. Commands that answer later need a fiber under
 * the caller. */
void jsonrpc_run(const struct jsonrpc_document *document, bool is_pretty, struct arena *arena,
		 struct jsonrpc_answer *out_answer);
