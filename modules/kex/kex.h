/* SPDX-License-Identifier: BSD-2-Clause */
/* kex: the tables of this module's files. */
#pragma once

#include "core/module/module.h"
#include "core/script/registry.h"

#define KEX_COMMAND_COUNT 20
extern const struct rpc_command kex_commands[KEX_COMMAND_COUNT];
/* mod.stats and mod.mem_statsx. */
void kex_mod_stats(struct rpc_call *call);
void kex_mod_stats_counted(struct rpc_call *call);
/* udp.proxy.* */
void kex_proxy_dump(struct rpc_call *call);
void kex_proxy_stats(struct rpc_call *call);
void kex_proxy_clean(struct rpc_call *call);
void kex_proxy_flush(struct rpc_call *call);
