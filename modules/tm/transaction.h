/* SPDX-License-Identifier: BSD-2-Clause */
/* transaction: the server transaction of a request together with its client transactions (branches),
 * RFC 3261 16 and 17 with RFC 6026 and 4320. A transaction is an actor: only the fiber that holds its
 * lease changes it; what others bring (replies, timer ticks) waits in its queue. */
#pragma once

#include "core/message/hop.h"
#include "core/net/locate.h"
#include "modules/tm/machine.h"
#include "modules/tm/tm_api.h"

#define BRANCHES_MOST   32
#define ALL_BRANCHES    UINT32_MAX
#define BRANCHES_INSIDE 2
#define TIMER           0 /* the one timer of a transaction: its earliest deadline */
#define NO_SPAN       ((struct span){ NULL, 0 })

/* Bytes in the transaction's region. */
struct bytes {
	char *at;
	uint32_t len;
	uint32_t room; /* to grow */
};
static inline struct span bytes_span(struct bytes b)
{
	return (struct span){ b.at, b.len };
}

/* What a branch sent and where, one block with its texts. It is forgotten after the final reply. */
struct tx_sent {
	struct span request;
	struct span uri, dst_uri, path, ruid, instance;
	struct end_point to;
	const struct listener *from;
	const struct end_point *spare; /* where else it may go when it fails (RFC 3263 4.3) */
	unsigned spare_count;
};
/* Stands for what was forgotten: all texts absent. */
extern const struct tx_sent tx_sent_nothing;

struct tx_branch {
	const struct tx_sent *sent;
	void *reply;           /* frozen final reply, NULL when there is none or it is our own */
	struct bytes cancel;   /* CANCEL as sent; absent: none */
	int64_t retransmit_ms; /* next repetition; 0: none */
	int64_t expires_ms;    /* fr_timer or fr_inv_timer; 0: none */
	int64_t cancel_ms;     /* next repetition of CANCEL; 0: none */
	uint32_t interval_ms, cancel_interval_ms;
	uint32_t flags;
	uint16_t on_reply, on_branch_failure; /* routes that were armed when it was made */
	uint16_t on_branch;                   /* branch_route that ran for it */
	uint16_t code;   /* last provisional or the final one; 0: nothing heard */
	uint8_t state;   /* enum client_state */
	uint8_t breadth; /* its share of Max-Breadth; 0: not limited */
	bool is_local;   /* the final code was made here (408, 487 …) */
	bool timed_out;
	bool was_replied;   /* something was heard before what is handled now */
	bool cancel_wanted; /* as soon as a provisional comes */
	bool is_dropped;    /* its reply is not considered any more */
	bool waits;         /* `reply` is one that its route suspended */
};
static inline bool branch_is_done(const struct tx_branch *branch)
{
	return branch->state >= CLIENT_ACCEPTED;
}

/* A reply that came while another process or fiber held the lease: frozen, because reply_route has seen it. */
struct queued {
	struct queued *next;
	uint32_t branch;
	_Alignas(16) char frozen[];
};

enum tx_flag {
	TX_INVITE = 1 << 0,
	TX_LOCAL = 1 << 1, /* made here (UAC) */
	TX_CANCELLED = 1 << 2,
	TX_NO_100 = 1 << 3,
	TX_DISABLE_6XX = 1 << 4,
	TX_SUSPENDED = 1 << 5,
	TX_NO_INTERNAL_REPLY = 1 << 6,
	TX_RELAYED = 1 << 7,         /* some branch was sent */
	TX_WAITING = 1 << 8,         /* only absorbs what comes late */
	TX_REPLY_SUSPENDED = 1 << 9, /* tx_branch.waits somewhere */
	TX_NO_CANCEL_REASON = 1 << 10,
	TX_REPLIES_SILENTLY = 1 << 11, /* t_replicate: nothing goes upstream */
	TX_LIFETIME_OVER = 1 << 12,
	TX_IN_SCRIPT = 1 << 13,    /* its first script run goes on */
	TX_LOCAL_ANSWER = 1 << 14, /* the final reply was made here */
	TX_NO_ACK = 1 << 15,       /* local INVITE: somebody else makes the ACK to a 2xx */
	TX_NO_FAILOVER = 1 << 16,
	TX_USE_UAC_HEADERS = 1 << 17,
	TX_EDITS_REPLIES = 1 << 20, /* an observer of TM_REPLY_PASSING wants its replies */
	TX_UNTOLD = 1 << 18, /* it has its final reply; who waits for that has not heard yet */
};

/* What the end of its time reads stands in the first line of memory: it lay in no cache for seconds. */
struct transaction {
	struct slot slot;
	uint32_t lease_owner; /* process number + 1; 0: free */
	uint32_t flags;       /* enum tx_flag */
	void *request;        /* frozen; NULL: forgotten after the final reply */
	struct queued *queue;
	int64_t wait_ends_ms; /* wt_timer, 0: not finished */
	uint32_t lease_incarnation;
	uint32_t method;
	uint64_t check;    /* of top Via branch and sent-by, for matching */
	uint32_t uri;      /* hash of the Request-URI as received */
	uint32_t from_tag; /* hash: an ACK to a 2xx is found by Call-ID, CSeq and tag */
	uint16_t code;     /* last code sent upstream, 0 none */
	uint8_t server;    /* enum server_state */
	uint8_t branch_count;
	uint8_t branch_room;
	uint8_t first_leg;       /* first branch of the newest serial leg */
	uint8_t relayed;         /* number + 1 of the branch whose reply went upstream last */
	uint8_t is_tick_pending; /* a timer fired while somebody held the lease; under the lock */
	struct bytes reply;      /* last reply sent upstream */
	uint32_t message_flags;  /* setflag bits, for observers */
	uint32_t script_flags;
	struct send_target upstream;
	/* `first` and blocks of the region; the list is `first_branches`, later another block */
	struct tx_branch **branches;
	struct tx_branch *first_branches[BRANCHES_INSIDE];
	struct tx_branch first;
	struct {
		char *at; /* a block of the region, filled from front to back; NULL: none */
		uint32_t used, size;
	} room; /* for what only an unfinished transaction needs */
	int64_t reply_retransmit_ms;
	int64_t life_ends_ms; /* max_inv_lifetime, max_noninv_lifetime */
	uint32_t reply_interval_ms;
	uint32_t fr_ms, fr_inv_ms, retr1_ms, retr2_ms, inv_life_ms,
		noninv_life_ms; /* per transaction */
	uint32_t maker;         /* process in which the first script run goes on */
	uint32_t maker_incarnation;
	uint16_t on_failure, on_reply, on_branch, on_branch_failure; /* route_number */
	int64_t created_ms;
	struct bytes
		attributes; /* frozen attributes as the last route left them; absent: as frozen */
	struct bytes cancel_reason; /* Reason lines for CANCELs that we send */
	tm_uac_done done;           /* TX_LOCAL */
	struct bytes done_data;
};
_Static_assert(sizeof(struct transaction) % 64 <= 48 && sizeof(struct transaction) % 64 > 32,
	       "with its timer, which is 16 bytes, a slot is whole lines of memory");
static inline enum machine_kind tx_kind(const struct transaction *tx)
{
	return tx->flags & TX_INVITE ? MACHINE_INVITE : MACHINE_OTHER;
}

struct tx_key {
	uint64_t hash;  /* Call-ID and CSeq number: INVITE, its CANCEL and its ACK share it */
	uint64_t check; /* top Via branch and sent-by */
};

/* The current transaction of a message that is worked on. */
struct tx_context {
	struct transaction *tx; /* NULL unless this fiber holds the lease */
	uint32_t shard, index, generation;
	bool is_creator;
	bool has_key;
	struct tx_key key;
	const char *via_at; /* of a reply: where the branch of our Via stood, and what it says */
	struct tm_name via;
	uint8_t via_number;
	int branch;    /* of the reply or branch route being run, -1 none */
	unsigned code; /* of the reply being looked at */
	bool reply_is_local;
	struct message *reply; /* failure_route: winning reply; NULL: local */
	uint16_t on_failure, on_reply, on_branch, on_branch_failure; /* armed before there is one */
	uint8_t breadth; /* of the branch that is being made; 0: not limited */
	bool writes_breadth;
	bool replied; /* a final reply was sent in this route */
	bool relayed; /* branches were added in this route */
	bool relay_failed;
	const char *seen_uri, *seen_dst; /* the destination that was used up already */
	bool main_is_used;
	uint32_t kept_flags; /* as the transaction got them from this request */
	struct span kept_attributes;
	uint32_t fr_ms, fr_inv_ms, retr1_ms, retr2_ms, inv_life_ms, noninv_life_ms;
	uint32_t early_flags; /* TX_* wished before there is a transaction */
};

/* local_ack_branch_mode */
enum ack_branch { ACK_BRANCH_OF_INVITE, ACK_BRANCH_ALTERED, ACK_BRANCH_NEW };

struct tm_settings {
	int64_t fr_timer, fr_inv_timer, max_inv_lifetime, max_noninv_lifetime, wt_timer,
		retr_timer1, retr_timer2;
	int64_t cancel_b_method, failure_reply_mode, faked_reply_prio, unmatched_cancel,
		reply_408_code;
	int64_t default_code, headers_mode, rich_redirect, local_ack_mode;
	int64_t evlreq_mode, local_ack_branch_mode;
	bool reparse_invite, reparse_on_dns_failover, reply_relay_mode, e2e_cancel_hop_by_hop;
	bool relay_100, ruri_matching, via1_matching, callid_matching, callid_cseq_matching,
		enable_uac_fr;
	bool auto_inv_100, aggregate_challenges, disable_6xx_block, local_cancel_reason,
		e2e_cancel_reason;
	bool remap_503_500, reply_408_noninvite, noisy_ctimer, restart_fr_on_each_reply,
		delayed_reply, failure_exec_mode;
	struct span auto_inv_100_reason, default_reason, reply_408_reason, on_sl_reply,
		contacts_avp, contact_flows_avp;
	struct span ac_extra_hdrs, failover_reply_codes, xavp_contact;
	struct span fr_timer_avp, fr_inv_timer_avp; /* $avp(name), or the name alone */
	bool blst_503;
	int64_t blst_503_def_timeout, blst_503_min_timeout, blst_503_max_timeout;
	int64_t blst_methods_add, blst_methods_lookup;
};
extern const struct tm_settings *const tm_settings_place;
static inline const struct tm_settings *tm_settings(void)
{
	return tm_settings_place;
}
/* Are requests of answered INVITEs asked for? */
bool tm_keeps_requests(void);

struct tm_counters {
	counter_id uas, uac, by_class[7], in_use, active, rpl_received, rpl_absorbed, rpl_relayed,
		rpl_generated, rpl_sent;
	counter_id created, freed, waiting, local;
};
extern struct tm_counters *const tm_counters;

/* ---- names.c: routes that are remembered ------------------------------------------------------------- */
[[nodiscard]] bool names_prepare(void);
/* The number of a route's name; "0" and "" give 0. False: too many names. */
[[nodiscard]] bool route_number(struct span name, uint16_t *out_number);
struct span route_name(uint16_t number);

/* ---- store.c, claims.c, create.c: leasing, finding, making -------------------------------------------------------------- */
[[nodiscard]] bool store_prepare(void);
extern struct shard_set *const *const tx_set_place;
static inline struct shard_set *store_set(void)
{
	return *tx_set_place;
}
extern const unsigned *const tx_message_slot;
struct tx_context *tx_context_new(struct message *msg);
/* NULL: no memory. */
static inline struct tx_context *tx_context(struct message *msg)
{
	struct tx_context *context = msg->slots[*tx_message_slot];
	return __builtin_expect(context != NULL, 1) ? context : tx_context_new(msg);
}
void context_refer(struct tx_context *context, const struct transaction *tx);
/* A context for work on a transaction whose lease this fiber holds. */
struct tx_context context_holding(struct transaction *tx);
bool context_names(const struct tx_context *context, struct tm_name name);
static inline struct tm_name context_name(const struct tx_context *context)
{
	return (struct tm_name){ context->shard, context->index, context->generation };
}
/* Takes the lease for this fiber; waits while another has it. False: the transaction is gone. */
[[nodiscard]] bool tx_enter(struct tx_context *context);
/* Works off what queued meanwhile and gives the lease back. */
void tx_leave(struct tx_context *context);
struct shard *tx_lock(const struct transaction *tx);
/* Has it only absorbed for a while, and is its time over? Lock held. */
bool tx_is_spent(const struct transaction *tx);
/* Lock held. */
void tx_free(struct shard *shard, struct transaction *tx);
bool lease_is_free(const struct transaction *tx);
/* Makes a transaction of a request and holds its lease: 1 new, 0 it exists already (a
 * retransmission), -1 no memory. `first_reply` is kept for repetitions; may be absent. */
int tx_create(struct message *msg, struct tx_context *context, struct span first_reply);
/* Did the same request come by another way before, and is answered here (RFC 3261 8.2.2.2)? Lease held. */
bool tx_is_merged(const struct transaction *tx);
/* Makes one for a local request of ours; NULL: no memory. Holds its lease. */
struct transaction *tx_create_local(struct message *msg, struct tx_context *context);
/* Finds the INVITE that a CANCEL or ACK belongs to (method INVITE), or the request's own. */
bool tx_find(struct message *msg, uint32_t method, struct tx_context *out_context);
/* Finds the newest INVITE, or with `any_method` any request, of a call. */
bool tx_find_call(struct span call_id, uint32_t cseq, bool any_method,
		  struct tx_context *out_context);
/* Ends the active life: from now on it only absorbs, until wt_timer. Lease held. */
void tx_finish(struct transaction *tx);
/* The stored request as a working message with this context attached; NULL: no memory. */
struct message *tx_request(struct transaction *tx, struct arena *arena,
			   const struct tx_context *context);
/* Keeps attributes and flags that a route changed; false: no memory for them. */
bool tx_keep_state(struct transaction *tx, const struct message *msg);
/* The same for the request whose script goes on: remembers what was kept. */
bool tx_keep_request_state(struct tx_context *context, struct message *msg);
/* Our Via branch for branch number `number`. */
struct span tx_via_branch(const struct transaction *tx, unsigned number, uint32_t loop,
			  char out[HOP_BRANCH_MAX]);
bool tx_from_via(struct span branch, struct tx_context *out_context, unsigned *out_number);
/* Was it sent to anybody? Branches that could not be sent do not count. */
static inline bool tx_was_sent(const struct transaction *tx)
{
	return tx->flags & TX_RELAYED;
}

/* ---- keep.c: what a transaction keeps, and how long. Lease held ---------------------------------------- */
/* Memory of the region for what is forgotten when the transaction is finished; NULL: none is left. */
void *tx_alloc(struct transaction *tx, size_t size);
/* Frees what tx_alloc or tx_freeze gave; NULL does nothing. Lock held. */
void tx_drop(struct shard *shard, struct transaction *tx, const void *at);
void *tx_freeze(struct transaction *tx, const struct message *msg);
/* Stores the request again, as the route that relayed it left it; false: no memory. */
bool tx_refreeze(struct transaction *tx, struct message *msg);
/* Copies into the region. Replaces and frees `*place`. False: memory is out. */
bool tx_keep(struct transaction *tx, struct bytes *place, struct span text);
/* The same for what goes upstream; a final reply outlives the rest. */
bool tx_keep_reply(struct transaction *tx, struct span reply, unsigned code);
/* Gives back the memory that only an unfinished transaction needs. Lock held. */
void tx_forget(struct shard *shard, struct transaction *tx);

void claim_foresee(struct message *msg);
enum claim_result claim_request(struct message *msg);
enum claim_result claim_reply(struct message *reply);
/* The script of a request ended. */
void request_ended(struct message *msg);

/* What can be read without the lease. */
struct tx_glance {
	uint32_t flags;
	uint16_t code;
	unsigned branch_count;
	uint16_t on_failure, on_reply, on_branch;
	struct {
		uint16_t code;
		bool is_done, timed_out, was_replied;
	} branches[BRANCHES_MOST];
};
/* The transaction of a message, its own or what it is looked up to be; false: none. */
bool tx_glance(struct message *msg, struct tx_glance *out);

/* ---- relay.c: sending requests ------------------------------------------------------------------------ */
/* Forwards to the message's destinations as new branches: true when at least one was sent. */
bool relay_branches(struct script_run *run, struct transaction *tx,
		    const struct send_target *forced);
/* What a branch remembers; the texts are copied. */
struct branch_record {
	struct span request; /* as sent */
	struct span uri;     /* its Request-URI; target->uri may be absent */
	const struct branch *target;
	struct end_point to;
	const struct listener *from;
	const struct end_point *spare;
	unsigned spare_count;
};
/* Makes branch number tx->branch_count, not yet sent; NULL: no memory. */
struct tx_branch *branch_add(struct transaction *tx, const struct branch_record *record);
void branch_arm(struct transaction *tx, struct tx_branch *branch);
/* Adds a branch that fails at once, by its timer (failure_exec_mode). */
bool relay_nowhere(struct transaction *tx, const struct message *msg);
/* Sends what msg->target says as a new branch. */
bool relay_one(struct script_run *run, struct transaction *tx, const struct branch *destination,
	       const struct send_target *forced);
/* The same for the next addresses of a destination that failed: `request` is made anew, its branch_route
 * runs again (reparse_on_dns_failover=0). */
bool relay_anew(struct transaction *tx, struct message *request, unsigned failed_number,
		const struct located *located);
/* What a branch is sent to, as it was asked for. */
struct branch branch_target(const struct tx_branch *branch);
void branch_send(const struct tx_branch *branch, struct span bytes);
/* Sends CANCEL to pending branches, those with a bit in `which`. */
void cancel_branches(struct transaction *tx, uint32_t which, struct arena *arena);
/* No CANCEL is made for it any more; its final reply is waited for, not beyond 64*T1 (RFC 3261 9.1). */
void branch_was_cancelled(struct transaction *tx, struct tx_branch *branch);
void send_branch_ack(struct transaction *tx, unsigned number, struct message *reply);
struct message *branch_request(const struct tx_branch *branch, struct arena *arena);

/* ---- cancel.c: e2e_cancel_hop_by_hop=0 ------------------------------------------------------------------- */
/* A CANCEL whose transaction was just made is relayed, or answered when nobody is to hear it. Its lease is
 * given back. False: it is gone. */
bool cancel_end_to_end(struct script_run *run, struct tx_context *own, struct tx_context *invite);
/* A reply to a CANCEL names the INVITE: `context` then refers to the CANCEL that was relayed by this branch,
 * if there is one. */
void cancel_claims(struct message *reply, unsigned number, struct tx_context *context);

/* ---- breadth.c: Max-Breadth --------------------------------------------------------------------------- */
#define BREADTH_UNLIMITED UINT32_MAX
struct breadth {
	unsigned first, each; /* of the first branch and of each other; 0: not limited */
	bool is_written;      /* the header says so, or says it anew */
};
/* Shares what is left of the request's breadth among so many new branches. False: it does not suffice. */
[[nodiscard]] bool breadth_divide(const struct transaction *tx, struct message *msg,
				  unsigned branches, struct breadth *out);
/* Edits the header; false: no memory. */
[[nodiscard]] bool breadth_write(struct message *msg, unsigned breadth);

/* ---- failover.c: targets that fail, and those that come next --------------------------------------------- */
[[nodiscard]] bool failover_prepare(struct diagnostics *diagnostics);
/* Our own Via branch in what a branch sent; absent: it is not there. */
struct span branch_via(const struct transaction *tx, unsigned number, struct hop *out_hop);
/* Leaves the targets that may be tried now: none when all are on the blocklist, one when there is no
 * failover. */
void failover_choose(const struct transaction *tx, struct located *located);
/* A branch got this failure, or nothing at all (`reply` NULL): sends what it carried to its next target
 * as a new branch and takes its place. False: there is none, or the failure is an answer. */
bool branch_fails_over(struct transaction *tx, unsigned number, struct message *reply);
/* The branch could not be sent: it ends, and counts only when no other was sent. */
void branch_refused(struct tx_branch *branch);
/* What left by a branch could not be delivered, as was found out later. */
void claim_undelivered(struct message *request);

/* ---- upstream.c: what goes to the caller ------------------------------------------------------------------ */
struct span reply_reason(const struct message *reply);
/* A final reply went upstream: tells observers, who have heard everything then. `reply` NULL: it was made
 * here. Lease held. */
void tell_final(struct transaction *tx, struct message *reply, unsigned code, struct span reason,
		bool is_first, struct arena *arena);
/* Passes a received reply on. Lease held. */
void relay_upstream(struct transaction *tx, struct message *reply);
/* Reads what the core says about replies; before the first fork. */
void upstream_prepare(void);
/* What should go upstream cannot be made for want of memory: the caller hears 500, made in memory of its
 * own. When even that fails, the transaction ends with its lifetime. */
void refuse_upstream(struct transaction *tx);
/* The caller hears 500, made in memory of its own. */
void fail_upstream(struct transaction *tx);

/* ---- outcome.c: the best of several replies ----------------------------------------------------------------- */
/* The phrase of a status that was made here. */
struct span local_reason(unsigned code);
/* Sends the reply of this branch upstream; `reply` is as it came, or NULL when it has to be fetched. */
void forward_winner(struct transaction *tx, unsigned winner, struct message *reply,
		    struct arena *arena);
/* Tells observers of the failure that failure_route will see; `reply` as above. */
void tell_failure(struct transaction *tx, unsigned winner, struct message *reply,
		  struct arena *arena);
/* The stored request for a route that may send it elsewhere; NULL: no memory. */
struct message *request_for_route(struct transaction *tx, struct tx_context *context,
				  struct arena *arena);

/* ---- reply.c, outcome.c, upstream.c: replies that come, and what goes upstream ------------------------------------------------- */
/* A reply to branch context->branch. Lease held. */
void reply_received(struct tx_context *context, struct message *reply);
/* A local reply upstream. Lease held. */
bool reply_locally(struct script_run *run, struct transaction *tx, struct message *request,
		   unsigned code, struct span reason);
/* The text of a local reply, in the request's arena; absent: too large. */
struct span render_reply_to(struct message *request, unsigned code, struct span reason,
			    struct span extra);
/* Sends finished bytes upstream and keeps them. Lease held. */
bool send_upstream(struct transaction *tx, struct span bytes, unsigned code, bool is_local);
/* All branches are done: failure_route, then the best reply. Lease held. */
void finish_branches(struct transaction *tx, struct arena *arena);
/* A branch has failed for good, by a reply or without one. Lease held. */
void branch_failed(struct transaction *tx, unsigned number, struct message *reply,
		   struct arena *arena);
/* Notes why the branches that are cancelled next are not wanted any more, unless that is known. Lease held. */
void keep_reason(struct transaction *tx, unsigned code);
/* The route on_sl_reply for a reply without transaction: true when it ends there. */
bool stray_reply_ends(struct message *reply);
/* What the caller's CANCEL does. Lease held. `cancel` may be NULL. */
void tx_cancel(struct transaction *tx, struct message *cancel, struct arena *arena);
bool all_done(const struct transaction *tx);
/* Goes on with a suspended transaction in a route. Lease held. */
void tx_resume(struct tx_context *context, struct span route, struct arena *arena);

/* What follows from a reply once its route has seen it; `is_kept`: did not drop it. */
void reply_goes_on(struct transaction *tx, unsigned number, struct message *reply, bool is_kept);
/* The transaction's attributes and flags, as a route that sees the reply finds them; false: no memory. */
bool reply_take_state(const struct transaction *tx, unsigned number, struct message *reply);

/* ---- waiting.c: replies that their route suspended ------------------------------------------------------- */
/* t_suspend() for the reply of context->branch. Lease held. False: no memory. */
bool suspend_reply(struct tx_context *context, const struct message *reply);
/* The branch goes on without what it kept waiting. */
void forget_waiting(struct transaction *tx, struct tx_branch *branch);
/* t_continue() for the first that waits. Lease held. */
void resume_reply(struct transaction *tx, struct span route, struct arena *arena);
/* Nobody went on with them: their branches have failed. */
void end_waiting(struct transaction *tx, struct arena *arena);

/* ---- observers.c ------------------------------------------------------------------------------------------ */
bool observe(unsigned events, uint32_t flag_mask, tm_observer observer);
bool observe_methods(unsigned events, uint32_t flag_mask, uint32_t methods, tm_observer observer);
bool is_observed(const struct transaction *tx, unsigned event);
void tell_observers(struct transaction *tx, enum tm_event event, struct message *request,
		    struct message *reply, unsigned code, struct span reason,
		    const struct branch *branch);
/* Thaws the request only when somebody listens. */
void tell_about(struct transaction *tx, enum tm_event event, struct message *reply, unsigned code,
		struct span reason, struct arena *arena, const struct tx_branch *branch);

/* ---- timers.c ---------------------------------------------------------------------------------------------- */
void tx_tick(struct transaction *tx, struct arena *arena);
bool timers_start(void);
/* A deadline that was armed here: a near one is looked for by this worker. */
void timers_expect(int64_t due_ms);

/* ---- uac.c: local requests ----------------------------------------------------------------------------------- */
bool uac_start(const struct tm_uac *uac, struct tm_name *out_name);
/* Reads header lines: what the request has anyhow goes into `uac`, the others are written to `others`.
 * False: malformed. */
bool uac_read_headers(struct span lines, struct tm_uac *uac, struct writer *others);
/* The final reply of a local request; `reply` NULL: none came. Lease held. */
bool uac_ack(struct transaction *tx, unsigned number, struct message *reply, struct span headers,
	     struct span body);
void uac_finished(struct transaction *tx, unsigned number, struct message *reply, unsigned code,
		  struct arena *arena);
/* Runs event_route[tm:local-request]; false when it dropped the request. */
bool run_local_request(struct message *msg);
/* Tells whoever ordered the request. */
void uac_tell(struct transaction *tx, struct message *reply, unsigned code);

/* ---- recover.c: what a dead worker left -------------------------------------------------------------------------- */
/* In a successor, once its loop runs. */
void recover_start(void);

/* ---- calls.c: what is asked of transactions by name or call ---------------------------------------------------- */
void name_ids(struct tm_name name, uint64_t *out_index, uint64_t *out_label);
bool name_from_ids(uint64_t index, uint64_t label, struct tm_name *out_name);
bool tx_view(struct script_run *run, struct tm_view *out_view);
extern const struct tm_api tm_api;
extern const struct rpc_command tm_commands[];
#define TM_COMMAND_COUNT 22

/* ---- relay_script.c, script.c, contacts.c, questions.c: functions ------------------------------------------------- */
extern const struct function_table tm_function_table, tm_relay_table, tm_question_table,
	tm_contact_table, tm_uac_table;
extern const struct variable_row tm_variable_rows[1];
int relay_current(struct script_run *run, const struct send_target *forced);
/* The same, and its answers end here. */
int replicate_current(struct script_run *run);
int create_current(struct script_run *run);
/* The transaction of the run's request, made when there is none, with its lease: as tx_create. */
int enter_or_create(struct script_run *run, struct tx_context *context, bool with_100);
/* A CANCEL ends the branches of its INVITE and is answered here (RFC 3261 9.2, 16.10); -2: there is no
 * such INVITE. */
int relay_cancel(struct script_run *run);
bool reply_current(struct script_run *run, unsigned code, struct span reason);
int suspend_current(struct script_run *run);
bool resume_named(struct tm_name name, struct span route);
