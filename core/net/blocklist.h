/* SPDX-License-Identifier: BSD-2-Clause */
/* blocklist: destinations that did not answer or asked for a pause, shared by all processes. Whoever
 * sends passes them over for a while when there is another one (RFC 3263 4.3, RFC 3261 21.5.4). */
#pragma once

#include "core/net/address.h"

struct blocklist_options {
	bool is_on;       /* use_dst_blocklist; off: nothing is kept and nothing is found */
	int64_t expire_s; /* how long a destination stays when nobody says it */
	size_t bytes_most;
};
/* Before the first fork; false when shared memory is out. */
[[nodiscard]] bool blocklist_prepare(const struct blocklist_options *options);
bool blocklist_is_on(void);

/* Keeps address, port and transport for `duration_ms` (0: the configured time), or longer when that is
 * so already. A full list forgets what is over and, failing that, keeps nothing new. */
void blocklist_add(const struct end_point *to, int64_t duration_ms);
bool blocklist_has(const struct end_point *to);
/* False when it was not there. */
bool blocklist_remove(const struct end_point *to);
/* Returns how many there were. */
unsigned blocklist_clear(void);

struct blocklist_figures {
	unsigned entries;
	size_t bytes, bytes_most;
};
struct blocklist_figures blocklist_figures(void);
/* Those that hold now, one after the other: *cursor = 0 at first; false ends. */
bool blocklist_next(uint64_t *cursor, struct end_point *out_to, int64_t *out_remaining_ms);
