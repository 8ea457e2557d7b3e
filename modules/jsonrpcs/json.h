/* SPDX-License-Identifier: BSD-2-Clause */
/* json: JSON-RPC 2.0 documents as calls and replies; knows no transport. */
#pragma once

#include "core/module/module.h"

#define JSON_REQUEST_MOST (1u << 20)
#define JSON_DEPTH_MOST 16

/* What a transport gets when all calls of a document are answered. */
struct json_answer {
	struct span text;       /* absent when nothing is to be answered (notifications) */
	struct span reply_name; /* FIFO: where the client wants it */
	int code;               /* 200, or the error's code, for $jsonrpl(code) */
	bool is_parsed;         /* false: it was no JSON at all */
};

/* Runs a document (one call or a batch). `done` is called exactly once, now or later; all texts live
 * in `arena`. */
void json_run(struct arena *arena, struct span document, bool is_pretty,
	void (*done)(const struct json_answer *answer, void *owner), void *owner);
