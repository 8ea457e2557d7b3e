/* SPDX-License-Identifier: BSD-2-Clause */
/* statistics: what sl counts, by status and class. */
#pragma once

#include "core/module/module.h"

void count_reply(unsigned code);
void count_failure(void);
void count_ack(void);

extern const struct counter_row sl_counters[];
extern const struct rpc_command sl_commands[];
#define SL_COUNTER_COUNT 24
#define SL_COUNTERS                           \
	{                                     \
		sl_counters, SL_COUNTER_COUNT \
	}
#define SL_COMMANDS            \
	{                      \
		sl_commands, 1 \
	}
