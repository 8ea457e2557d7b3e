/* SPDX-License-Identifier: BSD-2-Clause */
/* transaction: the server transaction of a request together with its client transactions (branches),
 * RFC 3261 16 and 17 with RFC 6026 and 4320. A transaction is an actor: only the process that holds
 * its lease changes it; what others bring (replies, timer ticks) waits in its queue. */
#pragma once

#include "modules/tm/tm_api.h"

#define BRANCHES_MOST 32
#define TIMER 0 /* the one timer of a transaction: its earliest deadline */

enum server_state {
	SERVER_PROCEEDING, /* no final reply was sent */
	SERVER_ACCEPTED,   /* INVITE: 2xx sent; further 2xx pass (RFC 6026) */
	SERVER_COMPLETED,  /* final sent; INVITE: waits for ACK and repeats the reply */
	SERVER_CONFIRMED,  /* ACK seen */
};

enum branch_state {
	BRANCH_CALLING,    /* sent, nothing heard */
	BRANCH_PROCEEDING, /* 1xx heard */
	BRANCH_DONE,       /* final reply, timeout or never sent */
};

/* Bytes in the transaction's region. */
struct bytes {
	char *at;
	uint32_t len;
};

struct tx_branch {
	struct bytes request;    /* as sent */
	struct bytes cancel;     /* CANCEL as sent; absent: none */
	struct end_point to;
	const struct listener *from;
	void *reply;             /* frozen final reply, NULL when there is none or it is our own */
	struct bytes uri, ruid, dst_uri;
	struct bytes on_reply;   /* route armed in branch_route */
	int64_t retransmit_ms;   /* next repetition; 0: none */
	int64_t expires_ms;      /* fr_timer or fr_inv_timer; 0: none */
	int64_t cancel_ms;       /* next repetition of CANCEL; 0: none */
	uint32_t interval_ms, cancel_interval_ms;
	uint32_t flags;
	uint16_t code;           /* best so far: last provisional or the final one */
	uint8_t state;           /* enum branch_state */
	bool is_local;           /* the final code was made here (408, 477 …) */
	bool timed_out;
	bool was_replied;        /* something was heard */
	bool cancel_wanted;      /* as soon as a provisional comes */
	bool is_old;             /* of an earlier serial leg */
};

/* A reply that came while another process held the lease. */
struct queued {
	struct queued *next;
	struct received from;
	uint32_t len;
	char bytes[];
};

enum tx_flag {
	TX_INVITE = 1 << 0,
	TX_LOCAL = 1 << 1,          /* made here (UAC) */
	TX_CANCELLED = 1 << 2,
	TX_NO_100 = 1 << 3,
	TX_DISABLE_6XX = 1 << 4,
	TX_SUSPENDED = 1 << 5,
	TX_NO_INTERNAL_REPLY = 1 << 6,
	TX_RELAYED = 1 << 7,        /* has or had branches */
	TX_WAITING = 1 << 8,        /* only absorbs what comes late */
	TX_TICK_PENDING = 1 << 9,   /* a timer fired while somebody held the lease */
	TX_NO_CANCEL_REASON = 1 << 10,
	TX_REPLIES_SILENTLY = 1 << 11, /* t_replicate: nothing goes upstream */
	TX_LIFETIME_OVER = 1 << 12,
};

struct transaction {
	struct slot slot;
	uint64_t created_ms;
	uint32_t lease_owner;       /* worker number + 1; 0: free */
	uint32_t lease_incarnation;
	uint32_t flags;             /* enum tx_flag */
	uint32_t message_flags;     /* setflag bits, for observers */
	uint32_t method;
	uint16_t code;              /* last code sent upstream, 0 none */
	uint8_t server;             /* enum server_state */
	uint8_t branch_count;
	uint8_t first_leg;          /* first branch of the newest serial leg */
	uint8_t winner;             /* branch of the reply that failure_route looks at */
	void *request;              /* frozen */
	uint64_t key;               /* with slot.hash: top Via branch and sent-by, for matching */
	struct bytes reply;         /* last reply sent upstream */
	struct send_target upstream;
	struct bytes to_tag;        /* of our replies */
	struct bytes attributes;    /* frozen attributes as the last route left them; absent: as frozen */
	struct bytes on_failure, on_reply, on_branch, on_branch_failure;
	struct bytes cancel_reason; /* Reason lines for CANCELs that we send */
	struct tx_branch *branches[BRANCHES_MOST]; /* each a block of the region */
	struct queued *queue;
	int64_t reply_retransmit_ms;
	int64_t life_ends_ms;       /* max_inv_lifetime, max_noninv_lifetime */
	int64_t wait_ends_ms;       /* wt_timer, 0: not finished */
	uint32_t reply_interval_ms;
	uint32_t fr_ms, fr_inv_ms, retr1_ms, retr2_ms, inv_life_ms, noninv_life_ms; /* per transaction */
};

/* The current transaction of a message that is worked on. */
struct tx_context {
	struct transaction *tx;       /* valid while the lease is held or the reference was checked */
	uint32_t shard, index, generation;
	bool holds_lease;             /* this fiber */
	bool is_creator;
	int branch;                   /* of the reply or branch route being run, -1 none */
	unsigned code;                /* of the reply being looked at */
	bool reply_is_local;
	struct message *reply;        /* failure_route: winning reply; NULL: local */
	struct span on_failure, on_reply, on_branch, on_branch_failure; /* armed before there is one */
	struct span branch_on_reply;
	bool replied;                 /* a final reply was sent in this route */
	bool relayed;                 /* branches were added in this route */
	uint32_t fr_ms, fr_inv_ms, retr1_ms, retr2_ms, inv_life_ms, noninv_life_ms;
	uint32_t early_flags;         /* TX_* wished before there is a transaction */
};

struct tm_settings {
	int64_t fr_timer, fr_inv_timer, max_inv_lifetime, max_noninv_lifetime, wt_timer, retr_timer1, retr_timer2;
	int64_t cancel_b_method, failure_reply_mode, faked_reply_prio, unmatched_cancel, reply_408_code;
	int64_t default_code, headers_mode, relay_100;
	bool auto_inv_100, aggregate_challenges, disable_6xx_block, local_cancel_reason, e2e_cancel_reason;
	bool remap_503_500, noisy_ctimer, restart_fr_on_each_reply, delayed_reply, failure_exec_mode;
	struct span auto_inv_100_reason, default_reason, reply_408_reason, on_sl_reply, contacts_avp, contact_flows_avp;
	struct span ac_extra_hdrs, failover_reply_codes, xavp_contact;
};
const struct tm_settings *tm_settings(void);

struct tm_counters {
	counter_id uas, uac, by_class[7], in_use, active, rpl_received, rpl_absorbed, rpl_relayed, rpl_generated, rpl_sent;
	counter_id created, freed, waiting;
};
extern struct tm_counters *const tm_counters;

/* ---- store.c: finding, making, leasing -------------------------------------------------------------- */
[[nodiscard]] bool store_prepare(void);
struct shard_set *store_set(void);
struct tx_context *tx_context(struct message *msg);
/* Takes the lease for this fiber; waits while another process has it. False: it is gone. */
[[nodiscard]] bool tx_enter(struct tx_context *context);
/* Works off what queued meanwhile and gives the lease back. */
void tx_leave(struct tx_context *context);
struct shard *tx_lock(const struct transaction *tx);
/* Makes a transaction of a request and holds its lease: 1 new, 0 it exists already (a
 * retransmission), -1 no memory. */
int tx_create(struct message *msg, struct tx_context *context);
/* Finds the INVITE that an ACK or CANCEL belongs to, or the request's own transaction. */
bool tx_find(struct message *msg, uint32_t method, struct tx_context *out_context);
/* Ends the active life: from now on it only absorbs, until wt_timer. Lease held. */
void tx_finish(struct transaction *tx);
/* Copies into the region; absent when memory is out. Replaces and frees `*place`. Lease held. */
bool tx_keep(struct transaction *tx, struct bytes *place, struct span text);
void *tx_freeze(struct transaction *tx, const struct message *msg);
static inline struct span bytes_span(struct bytes b)
{
	return (struct span){ b.at, b.len };
}
/* The stored request as a working message with this context attached; NULL: no memory. */
struct message *tx_request(struct transaction *tx, struct arena *arena, const struct tx_context *context);
/* Stores the request again, as the route that relayed it left it. Lease held. */
void tx_refreeze(struct transaction *tx, struct message *msg);
/* Keeps attributes and flags that a route changed. */
void tx_keep_state(struct transaction *tx, const struct message *msg);
/* Our Via branch for branch number `number`. */
struct span tx_via_branch(const struct transaction *tx, unsigned number, char out[80]);
bool tx_from_via(struct span branch, struct tx_context *out_context, unsigned *out_number);
enum claim_result claim_request(struct message *msg);
enum claim_result claim_reply(struct message *reply);

/* ---- relay.c: sending requests ------------------------------------------------------------------------ */
/* Forwards to the message's destinations as new branches: true when at least one was sent. */
bool relay_branches(struct script_run *run, struct transaction *tx, const struct send_target *forced);
void branch_send(const struct tx_branch *branch, struct span bytes);
/* Sends CANCEL to pending branches, all or only those with a bit in `which`. */
void cancel_branches(struct transaction *tx, uint32_t which, struct arena *arena);
void send_branch_ack(struct transaction *tx, unsigned number, struct message *reply);

/* ---- reply.c: replies that come, and what goes upstream ------------------------------------------------- */
void reply_received(struct tx_context *context, struct message *reply);
/* A local reply upstream. Lease held. */
bool reply_locally(struct script_run *run, struct transaction *tx, struct message *request, unsigned code,
	struct span reason);
/* All branches are done: failure_route, then the best reply. Lease held. */
void finish_branches(struct transaction *tx, struct arena *arena);
void tell_observers(struct transaction *tx, enum tm_event event, struct message *request, struct message *reply,
	unsigned code, struct span reason, const struct branch *branch);
bool observe(unsigned events, uint32_t flag_mask, tm_observer observer);
bool is_observed(const struct transaction *tx, unsigned event);
bool all_done(const struct transaction *tx);

/* ---- timers.c ---------------------------------------------------------------------------------------------- */
void tx_tick(struct transaction *tx, struct arena *arena);
bool timers_start(void);

/* ---- script.c: functions and variables ------------------------------------------------------------------- */
extern const struct function_table tm_function_table;
int relay_current(struct script_run *run, const struct send_target *forced);
int create_current(struct script_run *run);
bool reply_current(struct script_run *run, unsigned code, struct span reason);
