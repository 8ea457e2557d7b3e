/* SPDX-License-Identifier: BSD-2-Clause */
/* commands: the ul.* RPC commands. */
#pragma once

#include "core/rpc/rpc.h"

extern const struct rpc_table usrloc_commands;
