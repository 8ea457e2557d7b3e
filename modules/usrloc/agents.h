/* SPDX-License-Identifier: BSD-2-Clause */
/* agents: User-Agent texts that many bindings share. A text that was seen is kept for the life of
 * the server; the table is bounded, and what does not fit stays with its binding. */
#pragma once

#include "core/base/span.h"

#define AGENTS_MOST      2048
#define AGENT_BYTES_MOST 94

[[nodiscard]] bool agents_prepare(void);
/* The number of a text from 1 on; 0: it is not shared (empty, too long, table full). Any process,
 * without lock. */
uint16_t agent_number(struct span text);
/* Borrowed for ever. */
struct span agent_text(uint16_t number);
