/* SPDX-License-Identifier: BSD-2-Clause */
/* request_check: what is wrong with a received message by RFC 3261, before any script sees it. */
#pragma once

#include "core/message/message.h"

struct request_fault {
	unsigned code; /* of the answer; 0: nothing is wrong */
	const char *reason;
	struct span line; /* a header line for the answer; absent: none */
};

/* Headers that must be there once, and a protocol that we speak. What is found here no script sees: in
 * the peer neither. */
struct request_fault request_check_form(const struct message *msg);
/* CSeq and Content-Length, which module sanity looks at too; only for scripts without it. */
struct request_fault request_check_content(const struct message *msg);
/* Extensions in Proxy-Require that are not in `supported` (a list with commas): 420 that lists them. */
struct request_fault request_check_extensions(struct message *msg, struct span supported);
/* Can the request be answered: has it what every reply repeats (8.2.6.2), and is it no ACK? */
bool request_can_be_answered(struct message *msg);
/* Is this reply broken, so that it is to be discarded (18.1.2, 18.3)? */
bool reply_is_broken(const struct message *msg);
