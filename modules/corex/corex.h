/* SPDX-License-Identifier: BSD-2-Clause */
/* corex: the tables of this module's files. */
#pragma once

#include "core/module/module.h"

#define COREX_COMMAND_COUNT 12
extern const struct rpc_command corex_commands[COREX_COMMAND_COUNT];
