/* SPDX-License-Identifier: BSD-2-Clause */
/* refusal: datagrams that the system does not take, because there is no route, a filter forbids it or
 * they are too long. Private to the transport room, except for the counter. */
#pragma once

#include <sys/socket.h>

#include "core/transport/listener.h"

/* Registers the statistics; before counters_start. */
void refusal_counters_prepare(void);

/* A destination as seen from a socket; no secret, because nothing is won by two that are the same. */
uint64_t way_hash(const struct end_point *to, int fd);
/* Did the system take something for it within the last second, and refuse nothing since? */
bool way_is_open(uint64_t way);
void way_note_open(uint64_t way);

/* Counts it and says it in the log, once per burst and destination. True: what caused it lasts, so the
 * same bytes would be refused again. `header` names the destination and has one vector. */
bool refusal_note(const struct mmsghdr *header, int error, int fd);
/* Keeps a refused request until refusal_tell; what nobody listens to is not kept. */
void refusal_keep(struct span bytes);
/* Tells whoever listens (send_set_undelivered) what was kept; false: there was nothing. */
bool refusal_tell(void);
