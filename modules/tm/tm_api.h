/* SPDX-License-Identifier: BSD-2-Clause */
/* tm_api: stateful transactions for other modules. Interface "tm", version 1. */
#pragma once

#include "core/module/module.h"

#define TM_API_VERSION 1

enum tm_event {
	TM_REPLY_OUT = 1 << 0,      /* a final reply goes upstream, received or our own */
	TM_BRANCH_FAILED = 1 << 1,  /* a branch got a negative final reply or timed out (missed calls) */
	TM_ACK_IN = 1 << 2,         /* an ACK to a 2xx passes (RFC 3261 13.2.2.4) */
	TM_PROVISIONAL_OUT = 1 << 3,
};

/* What an observer gets; everything is borrowed for the call. */
struct tm_event_info {
	enum tm_event event;
	struct script_run *run;       /* of kind ROUTE_EVENT over the stored request, for templates */
	struct message *request;      /* as it was relayed: rewritten URI, flags, attributes */
	struct message *reply;        /* NULL when it was made here (t_reply, timeout) */
	unsigned code;
	struct span reason;
	bool is_cancelled;
	const struct branch *branch;  /* BRANCH_FAILED: where it had been sent */
};
typedef void (*tm_observer)(const struct tm_event_info *info);

struct tm_api {
	/* Asks to be called for these events (mask of enum tm_event) of transactions whose message flags
	 * have one of `flag_mask` (0: all). Before the first fork. */
	bool (*observe)(unsigned events, uint32_t flag_mask, tm_observer observer);
	/* Is there a transaction for the message being worked on? */
	bool (*has_transaction)(struct script_run *run);
	/* Makes one without forwarding (t_newtran): 1 new, 0 it is a retransmission, -1 failed. */
	int (*create)(struct script_run *run);
	/* Stateful reply to the current request (t_reply); false after an error was logged. */
	bool (*reply)(struct script_run *run, unsigned code, struct span reason);
	/* Forwards the current request (t_relay): the function's result. */
	int (*relay)(struct script_run *run);
	bool (*is_cancelled)(struct script_run *run);
};
