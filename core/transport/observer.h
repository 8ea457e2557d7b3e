/* SPDX-License-Identifier: BSD-2-Clause */
/* observer: somebody who sees what leaves (siptrace). */
#pragma once

#include "core/transport/send.h"

/* Called for everything that send_bytes has taken, with the socket that was chosen; `bytes` is borrowed for
 * the call, which must not wait. Before the first fork; NULL: nobody. */
void send_set_observer(void (*observer)(const struct send_target *target, struct span bytes));
