/* SPDX-License-Identifier: BSD-2-Clause */
/* commands: the ul.* RPC commands. */
#pragma once

#include "core/rpc/rpc.h"

/* Whether addresses-of-record have a domain; before the first command. */
void commands_prepare(bool uses_domain, int nat_flag);

#define USRLOC_COMMAND_COUNT 9
extern const struct rpc_command usrloc_commands[USRLOC_COMMAND_COUNT];
