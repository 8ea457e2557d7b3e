/* SPDX-License-Identifier: BSD-2-Clause */
/* request_check: what is wrong with a received message by RFC 3261, before any script sees it. */
#pragma once

#include "core/message/message.h"

struct request_fault {
	unsigned code; /* of the answer */
	const char *reason;
	struct span line; /* a header line for the answer; absent: none */
};

/* Each is true when the request passes; else *out_fault says what is wrong. */

/* Headers that must be there once, and a protocol that we speak. What is found here no script sees: in
 * the peer neither. */
bool request_check_form(const struct message *msg, struct request_fault *out_fault);
/* CSeq and Content-Length, which module sanity looks at too; only for scripts without it. */
bool request_check_content(const struct message *msg, struct request_fault *out_fault);
/* Extensions in Proxy-Require that are not in `supported` (a list with commas): 420 that lists them. */
bool request_check_extensions(struct message *msg, struct span supported,
			      struct request_fault *out_fault);

/* Can the request be answered: has it what every reply repeats (8.2.6.2), and is it no ACK? */
bool request_can_be_answered(struct message *msg);
/* Is this reply broken, so that it is to be discarded (18.1.2, 18.3)? */
bool reply_is_broken(const struct message *msg);
