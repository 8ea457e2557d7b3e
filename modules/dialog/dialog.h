/* SPDX-License-Identifier: BSD-2-Clause */
/* dialog: what the files of the module share. A dialog is a slot of a set of shards, found by its
 * Call-ID. Every change of a live slot is one aligned store (a number, or a pointer to a new block),
 * so a process may die between any two of them; the state is stored last. Locks are held for memory
 * operations only: events, requests and rows come after. */
#pragma once

#include "modules/dialog/dialog_api.h"
#include "modules/rr/rr_api.h"
#include "modules/tm/tm_api.h"

enum dialog_state {
	DIALOG_UNCONFIRMED = 1,
	DIALOG_EARLY,
	DIALOG_UNACKED, /* answered, no ACK yet */
	DIALOG_ACTIVE,
	DIALOG_DELETED,
};

enum leg_kind { CALLER, CALLEE, LEGS };

/* Bits of dialog.iflags, as the peer has them. */
enum dialog_iflag {
	IFLAG_BYE_ON_TIMEOUT = 1 << 0,
	IFLAG_KEEPALIVE_CALLER = 1 << 1,
	IFLAG_KEEPALIVE_CALLEE = 1 << 2,
	IFLAG_TIMEOUT_STAYS = 1 << 3, /* requests do not prolong its life */
};

/* Who still has to be told of the end. */
enum dialog_owed {
	OWED_EVENT = 1 << 0,     /* event_route and observers */
	OWED_OBSERVERS = 1 << 1, /* observers, when the BYE is answered */
	OWED_EXPIRED = 1 << 2,   /* what they hear is DIALOG_EXPIRED */
	OWED_FAILED = 1 << 3,    /* … DIALOG_FAILED */
};

struct text {
	uint32_t len;
	char bytes[];
};
struct dialog_variable {
	struct dialog_variable *next;
	uint32_t key_len, value_len;
	char bytes[];
};
struct dialog_membership {
	struct dialog_membership *next;
	uint32_t profile;
	uint32_t value_len;
	char value[];
};

struct dialog_leg {
	const struct text *tag, *contact, *route_set;
	const struct listener *socket;
	uint32_t cseq;
	uint32_t failures; /* of keepalive, one after the other */
};

struct dialog {
	struct slot slot;
	uint32_t h_entry, h_id;
	uint32_t sflags, iflags;
	uint8_t state;                       /* enum dialog_state */
	uint8_t owed;                        /* enum dialog_owed */
	uint32_t teller, teller_incarnation; /* the process that ended it, and tells it */
	uint8_t is_unacked_long;             /* noack_timeout is over */
	uint8_t has_row;                     /* in the database */
	uint8_t told_state; /* the last one that other servers were told, or told of; 0: none */
	uint8_t has_news;   /* something else changed that they shall know */
	uint32_t changes, written; /* of what the database holds: they differ while it is old */
	int64_t created_us, confirmed_us, ended_us; /* wall */
	int64_t lifetime_s;
	int64_t expires_ms; /* monotonic: end of its life once it is answered */
	int64_t keepalive_ms;
	uint64_t via_check; /* of the INVITE, tells the turns of a spiral apart */
	uint64_t origin;    /* hash of the server that told of it; 0: this one */
	const struct text *call_id, *from_uri, *to_uri, *request_uri, *timeout_route;
	struct dialog_leg legs[LEGS];
	struct dialog_variable *variables;
	struct dialog_membership *memberships;
};
#define TIMER 0
/* Something changed that the database shall hold. Lock held. */
static inline void dialog_touch(struct dialog *dialog)
{
	dialog->changes++;
}
/* The same for what other servers shall know at the end of the script. Lock held. */
static inline void dialog_touch_list(struct dialog *dialog)
{
	dialog->changes++;
	dialog->has_news = true;
}

/* A copy, in an arena. Absent texts are absent spans. */
struct dialog_view {
	struct dialog_name name;
	uint32_t h_entry, h_id;
	uint32_t sflags, iflags;
	enum dialog_state state;
	int64_t created_us, confirmed_us, ended_us;
	int64_t lifetime_s;
	int64_t expires_wall_s; /* 0: no timer */
	struct span call_id, from_uri, to_uri, request_uri, timeout_route;
	struct leg_view {
		struct span tag, contact, route_set;
		const struct listener *socket;
		uint32_t cseq;
	} legs[LEGS];
	struct pair_view {
		struct span name, value;
		uint32_t profile; /* of memberships */
	} * variables, *memberships;
	unsigned variable_count, membership_count;
};

struct dialog_settings {
	bool enable_stats;
	int64_t hash_size, dlg_flag, default_timeout, early_timeout, noack_timeout, end_timeout;
	struct span rr_param, timeout_avp, dlg_extra_hdrs, lreq_callee_headers;
	int64_t dlg_match_mode;
	bool detect_spirals, send_bye, timeout_noreset, initial_cbs_inscript, wait_ack,
		track_cseq_updates;
	int64_t dlg_filter_mode, h_id_start, h_id_step, keep_proxy_rr;
	int64_t ka_timer, ka_interval, ka_failed_limit, bye_early_code;
	struct span bridge_controller, bridge_contact, bye_early_reason;
	bool enable_dmq, enable_dmq_ka_iflags_sync;
	struct span dmq_peer_id;
	int64_t timer_procs;
};
extern const struct dialog_settings *const dialog_settings;
static inline bool dialog_keeps_alive(void)
{
	return dialog_settings->ka_timer && dialog_settings->ka_interval;
}

struct dialog_counters {
	counter_id active, early, processed, expired, failed;
};
extern const struct dialog_counters *const dialog_counters;
const struct tm_api *dialog_tm(void);
const struct rr_api *dialog_rr(void);

/* ---- store.c: slots ---- */
[[nodiscard]] bool store_prepare(void);
struct shard_set *store_set(void);
static inline struct dialog_name name_of(const struct dialog *dialog)
{
	return (struct dialog_name){ dialog->slot.shard, dialog->slot.index,
				     dialog->slot.generation };
}
/* The dialog with its shard locked, or NULL with nothing locked. */
struct dialog *dialog_lock(struct dialog_name name, struct shard **out_shard);
/* Copies; false when memory is out. Lock held. */
[[nodiscard]] bool dialog_copy(const struct dialog *dialog, struct arena *arena,
			       struct dialog_view *out);
/* The same by name; false also when it is gone. */
[[nodiscard]] bool dialog_view(struct dialog_name name, struct arena *arena,
			       struct dialog_view *out);
/* Replaces a text of the dialog by one store; an absent span removes it. False: no memory. Lock held. */
bool text_set(struct shard *shard, struct dialog *dialog, const struct text **place,
	      struct span text);
static inline struct span text_span(const struct text *text)
{
	return text ? span_make(text->bytes, text->len) : (struct span){ NULL, 0 };
}
/* Sets a variable, or removes it with an absent value. Lock held. */
bool variable_put(struct shard *shard, struct dialog *dialog, struct span key, struct span value);
bool dialog_set_variable(struct dialog_name name, struct span key, struct span value);
bool dialog_get_variable(struct dialog_name name, struct span key, struct arena *arena,
			 struct span *out_value);
/* Changes that scripts make; false: gone, or no memory (logged). */
bool dialog_set_lifetime(struct dialog_name name, int64_t seconds);
bool dialog_set_timeout_route(struct dialog_name name, struct span route);
bool dialog_set_iflags(struct dialog_name name, uint32_t iflags, bool is_set);
bool dialog_set_sflags(struct dialog_name name, uint32_t sflags, bool is_set);
bool dialog_get_sflags(struct dialog_name name, uint32_t *out_sflags);
/* Arms the timer by what its state waits for. Lock held. */
void dialog_arm(struct shard *shard, struct dialog *dialog);
/* What a new dialog is made of. */
struct dialog_seed {
	struct span call_id, from_uri, to_uri, request_uri, from_tag, to_tag;
	uint64_t via_check;
	uint32_t h_entry, h_id; /* h_id 0: drawn */
	enum dialog_state state;
	int64_t created_us;
};
/* The shard in which a Call-ID's dialogs are, locked. */
struct shard *store_lock_call(struct span call_id, uint64_t *out_hash);
/* Makes one, still building: fill it and slot_publish. NULL: no memory. Lock held. */
struct dialog *dialog_new(struct shard *shard, uint64_t hash, const struct dialog_seed *seed);

struct dialog_query {
	struct span call_id, from_tag, to_tag; /* as in the message */
	bool has_did;
	uint32_t h_entry, h_id;
	uint64_t via_check; /* 0: unknown */
	bool only_living;
};
/* The best match; `out_leg` is the leg that sent the message. */
bool dialog_find(const struct dialog_query *query, struct dialog_name *out_name,
		 enum leg_kind *out_leg);
/* By the numbers of the cookie. */
bool dialog_find_numbers(uint32_t h_entry, uint32_t h_id, struct dialog_name *out_name);
/* The newest of a call that is not over. */
bool dialog_find_call(struct span call_id, struct dialog_name *out_name);
/* Names of all dialogs, shard after shard: start with a zeroed cursor. No lock is held between two. */
struct dialog_cursor {
	unsigned shard;
	uint32_t position;
};
bool dialog_next(struct dialog_cursor *cursor, struct arena *arena, struct dialog_view *out);

/* ---- context.c: the dialog of a message ---- */
struct pending_variable {
	struct pending_variable *next;
	struct span key, value; /* absent value: removed */
};
struct pending_membership {
	struct pending_membership *next;
	uint32_t profile;
	struct span value;
};
struct dialog_context {
	struct dialog_name name;
	enum leg_kind leg;  /* who sent the message */
	bool is_sequential; /* matched as a request inside the dialog */
	bool is_creator;
	bool is_managed; /* dlg_manage has seen the INVITE */
	bool is_on;
	/* wished before there is a dialog */
	int64_t timeout_s;
	bool wants_bye;
	uint32_t sflags, iflags;
	struct span timeout_route;
	struct pending_variable *pending;
	struct pending_membership *memberships;
};
void context_prepare(void);
/* NULL: no memory. */
struct dialog_context *context_of(struct message *msg);
/* NULL: the message has nothing to do with dialogs so far. */
struct dialog_context *context_peek(const struct message *msg);
/* The dialog that the message belongs to: the one of its context, else by its headers. */
bool context_find(struct message *msg, struct dialog_name *out_name);
uint64_t via_check_of(struct message *msg);
struct dialog_name dialog_of_run(struct script_run *run);

/* ---- manage.c: dialogs come and follow their messages ---- */
[[nodiscard]] bool manage_prepare(struct diagnostics *diagnostics);
/* dlg_manage(): the script's result. */
int manage(struct script_run *run);
/* A request inside a dialog passes: cookie, CSeq, ACK, BYE, timeouts. False: no dialog. */
bool follow_request(struct message *msg);
void request_routed(struct message *msg, struct span params);
void observe_transaction(const struct tm_event_info *info);
void message_ended(struct message *msg);

/* ---- legs.c: what requests of ours to a party need ---- */
/* The Record-Route headers of a message as Route values, one after the other, comma-separated, in the
 * arena. For a reply: those behind ours, the other way round. */
struct span routes_of_request(struct message *request);
struct span routes_of_reply(struct message *reply, struct message *request);
/* Route values for requests to whoever answered a request of ours. */
struct span routes_of_answer(struct message *reply);
/* URI of the first Contact; absent when there is none. */
struct span contact_of(struct message *msg);
/* Sends a request to a leg; false after it was logged. */
struct leg_request {
	struct span method;
	struct span headers; /* complete lines */
	struct span body;
	bool same_cseq; /* keepalive: the number of the last request */
	tm_uac_done done;
};
bool leg_send(struct dialog_name name, enum leg_kind leg, const struct leg_request *request);

/* ---- cseq.c: track_cseq_updates ---- */
/* How far the callee's CSeq is from the caller's; 0 unless that is tracked. */
uint32_t cseq_difference(struct dialog_name name, struct arena *arena);
/* A request of the caller inside the dialog. */
void cseq_shift_request(struct dialog_name name, struct message *msg);
/* Every reply before it is worked on; always CLAIM_PASS. */
enum claim_result cseq_shift_reply(struct message *reply);

/* ---- ending.c ---- */
/* Stores state 5 and what is owed; counts. Lock held. */
void dialog_delete(struct shard *shard, struct dialog *dialog, uint8_t owed);
/* Moves the counters of states. */
void dialog_count_change(enum dialog_state from, enum dialog_state to);
/* Tells event_route and observers what is owed, with the message or one that stands for it. */
void tell_owed(struct dialog_name name, struct message *msg);
void tell(struct dialog_name name, enum dialog_event event, struct message *msg,
	  struct message *reply);
bool observers_add(unsigned events, dialog_observer observer);
/* What dlg_set_state and dlg.set_state do: nobody is told. False: the dialog is gone. */
bool dialog_set_state(struct dialog_name name, enum dialog_state wanted);
/* BYE to the legs (bits of 1 << leg) and the end; an early one is cancelled. False: it is over. */
bool dialog_bye(struct dialog_name name, unsigned legs, struct span headers);
/* The same, done by a worker: for the process of RPC. */
bool dialog_bye_later(struct dialog_name name, unsigned legs, struct span headers);
/* Each worker looks after its shards. */
void dialog_tick(void);
int64_t dialog_tick_period(void);

/* ---- variables.c, script.c, commands.c: rows ---- */
#define DIALOG_VARIABLES 6
extern const struct variable_row dialog_variables[DIALOG_VARIABLES];
extern const struct function_table dialog_functions, profile_functions, bridge_functions;
#define DIALOG_COMMANDS 16
extern const struct rpc_command dialog_command_rows[DIALOG_COMMANDS];
