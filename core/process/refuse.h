/* SPDX-License-Identifier: BSD-2-Clause */
/* refuse: answers that are given before any script runs and without a transaction. Their To tag is one
 * for all, so that the ACKs to them are known and end here. */
#pragma once

#include "core/message/message.h"

/* Draws the tag; before the first fork. */
void refuse_prepare(void);
/* Sends the answer. `lines`: complete header lines, may be absent. */
void refuse_request(struct message *request, unsigned code, struct span reason, struct span lines);
/* Is this the ACK to such an answer? */
bool refuse_is_confirmed_by(const struct message *request);
