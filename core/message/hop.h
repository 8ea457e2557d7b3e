/* SPDX-License-Identifier: BSD-2-Clause */
/* hop: the branch parameters of our own Vias, and what they tell when they come back. A branch is
 *
 *   z9hG4bK TOKEN "." LOOP "." CHECK "." NUMBER
 *
 * TOKEN is what its writer wants to find again; LOOP is a hash of what decides about the way of the
 * request (RFC 5393 4.2); CHECK is keyed, so that nobody else can write a branch of ours; NUMBER tells
 * the branches of a fork apart. A reply without such a branch is no answer to anything that we sent. */
#pragma once

#include "core/message/message.h"

#define HOP_BRANCH_MAX 104
#define HOP_TOKEN_MAX  56

struct hop {
	struct span token; /* borrowed from the branch */
	uint32_t loop;
	unsigned number;
};

/* Hash of Request-URI, Route, Call-ID, From tag, CSeq number as received, and of the socket: the same
 * for an INVITE, its CANCEL and its ACK. */
uint32_t hop_loop_hash(struct message *request);
/* Writes a branch; `out` has room for HOP_BRANCH_MAX. The token has at most HOP_TOKEN_MAX bytes, the
 * number is below 256. */
struct span hop_branch_write(const struct hop *hop, char out[HOP_BRANCH_MAX]);
/* False: not a branch of ours. */
[[nodiscard]] bool hop_branch_read(struct span branch, struct hop *out);

/* How often this request came by before, unchanged in all that decides about its way: our own Vias
 * with its loop hash. `*out_passes` counts our own Vias, whatever their hash. */
unsigned hop_repeats(struct message *request, unsigned *out_passes);
