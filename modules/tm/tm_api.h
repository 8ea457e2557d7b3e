/* SPDX-License-Identifier: BSD-2-Clause */
/* tm_api: stateful transactions for other modules. Interface "tm", version 1.
 *
 * A transaction lives in shared memory. Its name is valid in every process and for ever, and leads
 * nowhere once the transaction is gone. */
#pragma once

#include "core/module/module.h"

#define TM_API_VERSION 1

enum tm_event {
	TM_REPLY_OUT = 1 << 0,     /* a final reply goes upstream, received or our own */
	TM_BRANCH_FAILED = 1 << 1, /* a branch got a negative final reply or timed out */
	TM_ACK_IN = 1 << 2,        /* an ACK to a 2xx passes (RFC 3261 13.2.2.4) */
	TM_PROVISIONAL_OUT = 1 << 3,
	TM_REQUEST_IN = 1 << 4, /* made for a received request */
	TM_CANCEL_IN = 1 << 5,  /* the caller cancelled */
	TM_FAILED = 1 << 6, /* all branches failed; the best reply, before failure_route sees it */
	TM_ANSWERED =
		1 << 7, /* the first final reply went upstream; REPLY_OUT comes for each 2xx */
	TM_REPLY_PASSING =
		1 << 8, /* a received reply is about to go upstream: it may be edited; only of
				    * transactions for which `edit_replies` was called */
};

/* What an observer gets; everything is borrowed for the call. */
struct tm_event_info {
	enum tm_event event;
	struct script_run *run;  /* of kind ROUTE_EVENT over the stored request, for templates */
	struct message *request; /* as it was relayed: rewritten URI, flags, attributes */
	struct message *
		reply; /* NULL when it was made here (t_reply, timeout); the ACK or CANCEL itself */
	unsigned code;
	struct span reason;
	bool is_cancelled;
	const struct branch *branch; /* BRANCH_FAILED: where it had been sent */
};
typedef void (*tm_observer)(const struct tm_event_info *info);

struct tm_name {
	uint32_t shard;
	uint32_t slot;
	uint32_t generation; /* 0: no transaction */
};

/* The final outcome of a local request; borrowed for the call. */
struct tm_uac_result {
	struct tm_name name;
	unsigned code; /* 408 after a timeout */
	struct span reason;
	struct message *reply; /* NULL when nothing was received */
	const void *data;      /* the caller's bytes */
	size_t data_len;
};
typedef void (*tm_uac_done)(const struct tm_uac_result *result);

/* A request of our own. Absent texts: From and To are the URI, Call-ID and From tag are drawn. */
struct tm_uac {
	struct span method;
	struct span uri;
	struct span next_hop; /* URI; absent: the URI */
	struct span from, to; /* values of the headers without tag */
	struct span from_tag, to_tag;
	struct span call_id;
	uint32_t cseq;         /* 0: 10 */
	uint32_t max_forwards; /* 0: 70 */
	struct span headers;   /* complete lines */
	struct span body;
	const struct listener *socket;
	bool no_ack;               /* somebody else makes the ACK to a 2xx */
	uint32_t fr_ms, fr_inv_ms; /* 0: settings */
	/* Called in some worker with the final reply (for INVITE with each 2xx). A function of the core or of a
	 * module, which is at the same address in every process; NULL: nobody waits. `data` is copied. */
	tm_uac_done done;
	const void *data;
	size_t data_len;
};

/* What a script run sees of the transaction. */
struct tm_view {
	struct tm_name name;
	uint64_t index, label; /* $T(id_index), $T(id_label) */
	int branch;            /* $T_branch_idx */
	unsigned branch_count;
	unsigned sent_code; /* last reply sent upstream; 0: none */
	unsigned code;      /* reply in context: of a reply route, the winner of a failure route */
	struct span reason;
	unsigned last_received; /* of the branch in context */
	struct span ruid;       /* location record of the branch in context */
	uint32_t branch_flags;
	struct span branch_uri;
	bool is_reply_local;
	bool is_cancelled;
};

enum tm_cancel_which { TM_CANCEL_ALL, TM_CANCEL_OTHERS, TM_CANCEL_THIS };

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

	/* The transaction of this run's message; false when there is none. Texts are in run->arena. */
	bool (*view)(struct script_run *run, struct tm_view *out_view);
	/* Starts a local request; false after an error was logged. From any process. */
	bool (*uac)(const struct tm_uac *uac, struct tm_name *out_name);
	/* Suspends and goes on, like t_suspend() and t_continue(): 1, -1. */
	int (*suspend)(struct script_run *run);
	bool (*resume)(struct tm_name name, struct span route);
	bool (*name_from_ids)(uint64_t index, uint64_t label, struct tm_name *out_name);
	/* Stored messages of the transaction in run->arena; NULL when there is none. */
	struct message *(*request)(struct script_run *run);
	struct message *(*best_reply)(struct script_run *run);
	struct message *(*invite)(struct script_run *run); /* of a CANCEL */
	/* Functions of tmx; results as in the script. */
	int (*cancel_branches)(struct script_run *run, enum tm_cancel_which which);
	/* CANCEL to all branches; from 300 on the caller gets this answer, with an empty reason "Canceled". */
	bool (*cancel_call)(struct span call_id, uint32_t cseq, unsigned reply_code,
			    struct span reason);
	bool (*cancel_branch)(struct tm_name name, unsigned branch);
	bool (*reply_call)(struct span call_id, uint32_t cseq, unsigned code, struct span reason);
	int (*flush_flags)(struct script_run *run);
	int (*drop)(struct script_run *run, unsigned code);
	int (*reuse_branch)(struct script_run *run);
	/* Has another process made a transaction for this very request meanwhile? */
	bool (*is_known)(struct script_run *run);
	/* The same as `observe` for some methods only (mask of METHOD_*), so that others cost nothing. */
	bool (*observe_methods)(unsigned events, uint32_t flag_mask, uint32_t methods,
				tm_observer observer);
	bool (*ack_local)(struct span call_id, uint32_t cseq, struct span headers,
			  struct span body);
	/* The same as relay, but nobody hears of the answers (t_replicate). */
	int (*replicate)(struct script_run *run);
	/* The replies to this request are shown to observers of TM_REPLY_PASSING. */
	void (*edit_replies)(struct message *request);
};
