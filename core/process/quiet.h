/* SPDX-License-Identifier: BSD-2-Clause */
/* quiet: after a burst the memory that it needed goes back to the system, in the first second in which
 * this process has hardly anything to do. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Once a turn of the loop. */
void quiet_turn(void);

/* Is it time to give memory back? `was_busy` remembers a busy second until a quiet one came. Apart for
 * tests. */
bool quiet_is_due(int64_t elapsed_us, int64_t slept_us, bool *was_busy);
