/* SPDX-License-Identifier: BSD-2-Clause */
/* server: commands to the running server, as JSON-RPC over the FIFO of module jsonrpcs. */
#pragma once

#include <stdbool.h>

#include "core/rpc/json.h"

/* Sends a command and prints the answer as the server wrote it. Words become parameters: whole
 * numbers and numbers with a point are numbers, `s:` in front makes anything a text. Returns an exit
 * code: EXIT_REFUSED for an error from the server, EXIT_UNREACHABLE after a message. */
int server_call(const char *method, const char *const *words, unsigned count);

/* The same without printing; `*out_result` is the member "result", and lives until exit. An error
 * from the server is told on stderr. */
int server_ask(const char *method, const char *const *words, unsigned count,
	       const struct json_value **out_result);
