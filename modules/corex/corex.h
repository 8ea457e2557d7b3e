/* SPDX-License-Identifier: BSD-2-Clause */
/* corex: the tables of this module's files. */
#pragma once

#include "core/module/module.h"

#define COREX_COMMAND_COUNT 13
extern const struct rpc_command corex_commands[COREX_COMMAND_COUNT];
extern const struct function_table wire_functions, via_flag_functions;

/* The settings of event_route[network:msg]. */
struct wire_settings {
	int64_t nio_intercept, nio_min_msg_len;
	struct span nio_msg_avp;
};
[[nodiscard]] bool wire_prepare(const struct wire_settings *settings,
				struct diagnostics *diagnostics);
/* dns_cache and dns_file: accept functions of settings, and what they gave. */
const char *names_add(struct span text, int64_t number);
const char *names_add_file(struct span text, int64_t number);
[[nodiscard]] bool names_prepare(struct diagnostics *diagnostics);
/* While it is on, what this process sends is not shown to event routes; nothing may wait meanwhile. */
void wire_pause(bool is_on);
