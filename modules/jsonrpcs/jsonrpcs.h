/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of jsonrpcs share; private to the module. */
#pragma once

#include <sys/types.h>

#include "core/module/module.h"
#include "core/rpc/jsonrpc.h"

#define JSONRPCS_REQUEST_MAX (1u << 20)
#define JSONRPCS_ANSWER_MAX  (1u << 30)
#define JSONRPCS_STALL_MS    10000 /* for a client to take its answer */

struct jsonrpcs_access {
	int64_t mode;
	uid_t user; /* -1: left as it is */
	gid_t group;
};

struct jsonrpcs_settings {
	bool pretty_format;
	int64_t transport;
	struct span fifo_name, fifo_reply_dir, dgram_socket, tcp_socket;
	struct jsonrpcs_access fifo, dgram;
	int64_t dgram_timeout;
};
extern const struct jsonrpcs_settings *const jsonrpcs_settings;

/* Reads and runs one document on the caller's fiber, with memory of its own in `*out_arena`, which
 * the caller frees. False: no JSON (told), or the answer is too large. */
[[nodiscard]] bool jsonrpcs_run(struct span text, struct arena *out_arena,
				struct span *out_reply_name, struct span *out_body);
/* `name` below the run directory, or as it is when it is absolute; false when it is too long. */
[[nodiscard]] bool jsonrpcs_path(struct span name, char *out_path, size_t size);
void jsonrpcs_set_access(const char *path, const struct jsonrpcs_access *access);

/* Each transport: opened by the supervisor, so that requests wait for a successor of the process;
 * then served by its process. What cannot be opened is told, and the server goes on without it. */
void jsonrpcs_fifo_open(void);
bool jsonrpcs_fifo_serve(void);
void jsonrpcs_fifo_close(void);
void jsonrpcs_datagram_open(void);
bool jsonrpcs_datagram_serve(void);
void jsonrpcs_datagram_close(void);
void jsonrpcs_stream_open(void);
bool jsonrpcs_stream_serve(void);
