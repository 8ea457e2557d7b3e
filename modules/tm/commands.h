/* SPDX-License-Identifier: BSD-2-Clause */
/* commands: the handlers of tm.t_uac_*. */
#pragma once

#include "modules/tm/transaction.h"

void uac_command_start(struct rpc_call *call);
void uac_command_start_hex(struct rpc_call *call);
void uac_command_start_noack(struct rpc_call *call);
void uac_command_start_noack_hex(struct rpc_call *call);
void uac_command_wait(struct rpc_call *call);
void uac_command_wait_hex(struct rpc_call *call);
void uac_command_wait_noack(struct rpc_call *call);
void uac_command_wait_noack_hex(struct rpc_call *call);
void uac_command_block(struct rpc_call *call);
void uac_command_block_hex(struct rpc_call *call);
void uac_command_block_noack(struct rpc_call *call);
void uac_command_block_noack_hex(struct rpc_call *call);
void uac_command_attrs(struct rpc_call *call);
