/* SPDX-License-Identifier: BSD-2-Clause */
/* dispatcher: what the files of the module share. */
#pragma once

#include <stdatomic.h>

#include "core/module/module.h"

/* Flags of a destination; the numbers are those of the list's third column. */
enum destination_flag {
	DESTINATION_INACTIVE = 1,
	DESTINATION_TRYING = 2, /* it failed, but not yet often enough */
	DESTINATION_DISABLED = 4,
	DESTINATION_PROBING = 8,
	DESTINATION_NO_DNS = 16, /* its name is not looked up, so nobody comes from it */
	DESTINATION_STATE = 15,
};
#define DESTINATION_UNUSABLE ((unsigned)DESTINATION_INACTIVE | DESTINATION_DISABLED)

enum { FLAG_HASH_USER = 1, FLAG_FAILOVER = 2 };
enum { XAVP_NO_ATTRS = 1, XAVP_SOCKET = 2, XAVP_SOCKNAME = 4 };
enum { NAMES_AT_LOAD = 1, NAMES_AT_MATCH = 2, NAMES_BY_TIMER = 4, NAMES_SRV = 8 };

struct dispatcher_settings {
	struct span list_file, db_url, table_name;
	struct span setid_col, destination_col, flags_col, priority_col, attrs_col;
	struct span extra_attrs;
	bool force_dst, use_default, attrs_none, load_strictly;
	int64_t flags;
	struct span xavp_dst, xavp_ctx;
	int64_t xavp_dst_mode, xavp_ctx_mode;
	struct span hash_pvar, setid_pvname, attrs_pvname;
	struct span ping_method, ping_from, outbound_proxy;
	int64_t ping_interval, ping_fr_ms, probing_mode;
	int64_t probing_threshold, inactive_threshold;
	struct span ping_reply_codes;
	bool latency_stats, retain_latency;
	int64_t latency_alpha;
	int64_t hash_size, hash_expire, hash_initexpire, hash_check_interval;
	struct span default_socket, default_sockname;
	int64_t reload_delta;
	int64_t dns_mode, dns_interval;
};
extern const struct dispatcher_settings *const dispatcher_settings;

/* Compiled settings. */
const struct text_template *dispatcher_hash_template(void);
const struct variable_ref *dispatcher_setid_variable(void);
const struct variable_ref *dispatcher_attrs_variable(void);
const struct listener *dispatcher_default_socket(void);

/* ---- list.c: the sets, one block of shared memory that is replaced as a whole ----------------------- */

/* What changes while the list stays: lies in the block too, and is carried into the next one. */
struct destination_state {
	_Atomic uint32_t flags;
	_Atomic uint32_t failures, successes;
	_Atomic int32_t load; /* calls */
	struct latency {      /* microseconds, of pings that were answered */
		_Atomic uint32_t count, timeouts;
		_Atomic int64_t average, variance, estimate, most;
	} latency;
};

struct destination {
	struct span uri, attrs;
	struct span duid, ping_from, outbound_proxy, socket_text, sockname;
	struct span host, host_port; /* of the URI; the second with all that follows */
	int32_t priority, weight, rweight, maxload;
	bool has_congestion_control;
	const struct listener *socket; /* NULL: none is named */
	struct end_point address;      /* family 0: not known */
	uint32_t flags;                /* as the list says */
	struct destination_state *state;
};

struct destination_set {
	int64_t id;
	uint32_t count;
	const struct destination *all; /* by priority, largest first */
	_Atomic uint32_t *turn;        /* where round robin goes on */
};

struct destination_list {
	uint32_t set_count, count;
	const struct destination_set *sets; /* by number */
};

/* A destination as it is loaded. */
struct destination_row {
	int64_t set, flags, priority;
	struct span uri, attrs;
	const struct destination *old; /* of the current list: its state goes on; NULL: new */
	bool keeps_latency;            /* of `old` nothing but that */
	struct end_point address;
	uint32_t number; /* its place in the file */
};
struct destination_rows {
	struct arena *arena;
	struct destination_row *rows;
	uint32_t count, capacity;
	bool has_failed; /* something was left out: logged */
};
/* Adds a row, whose texts are copied; false when it is wrong (logged) or memory is exhausted. */
bool rows_add(struct destination_rows *rows, const struct destination_row *row);

bool list_prepare(void);
/* The current list, or NULL. Nothing in between may wait. */
const struct destination_list *list_hold(void);
void list_release(void);
/* NULL when there is no such set. */
const struct destination_set *list_set(const struct destination_list *list, int64_t id);
/* NULL when the set has no such destination. */
const struct destination *set_find(const struct destination_set *set, struct span uri);
/* Only one changes the list at a time. False: somebody does. */
bool list_change_begin(void);
void list_change_end(void);
/* Makes a list of the rows and puts it in the place of the current one. False after an error was
 * logged: shared memory is out. */
bool list_publish(struct destination_rows *rows);
/* Rows of the current list, with their states. */
bool list_rows(struct destination_rows *rows);

/* ---- load.c: file and database ----------------------------------------------------------------------- */

bool load_prepare(struct diagnostics *diagnostics);
/* Is the table there? */
bool load_start(void);
enum load_result { LOAD_OK, LOAD_FAILED, LOAD_BUSY };
enum load_result load_list(void);
/* Looks all names up again. */
void load_names(void);

/* ---- state.c: up and down ------------------------------------------------------------------------------ */

/* "a" "i" "t" "d" with "p", or "p" alone; false for anything else. */
bool state_parse(struct span text, uint32_t *out_flags);
/* Something failed or went well at a destination: thresholds, then events, with `msg` or when it is NULL
 * a request that stands for it. False: there is none such. */
bool state_mark(int64_t set, struct span uri, uint32_t flags, struct message *msg);
/* Sets a state at once: for a URI, or with an absent one for all; by duid when that is present. Without
 * events. False: none was found. */
bool state_set(int64_t set, struct span uri, struct span duid, uint32_t flags);
/* $dsv(...) in event routes. */
bool state_get_event(struct script_run *run, const struct variable_ref *ref, struct value *out);
const char *state_bind_event(struct variable_ref *ref, struct arena *arena);
/* "AP", "IX" … */
void state_write(uint32_t flags, char out[3]);

/* ---- choose.c: algorithms ---------------------------------------------------------------------------------- */

enum algorithm {
	CHOOSE_HASH_CALL_ID,
	CHOOSE_HASH_FROM,
	CHOOSE_HASH_TO,
	CHOOSE_HASH_RURI,
	CHOOSE_ROUND_ROBIN,
	CHOOSE_HASH_AUTH_USER,
	CHOOSE_RANDOM,
	CHOOSE_HASH_VARIABLE,
	CHOOSE_PRIORITY,
	CHOOSE_WEIGHT,
	CHOOSE_LOAD,
	CHOOSE_RELATIVE_WEIGHT,
	CHOOSE_ALL,
	CHOOSE_LATENCY,
	CHOOSE_LAST = CHOOSE_LATENCY,
};
/* The number of the peer's texts: what dispatcher.hash shows. The second text may be absent. */
uint32_t dispatcher_hash(struct span first, struct span second);
/* What an algorithm needs of the message, found before the list is held. */
struct choice_key {
	enum algorithm algorithm; /* round robin when there are no credentials */
	uint32_t hash;
};
bool choice_key(struct script_run *run, int64_t algorithm, struct choice_key *out_key);
#define NOT_CHOSEN UINT32_MAX
/* The number of the destination, or NOT_CHOSEN. */
uint32_t choose(const struct destination_set *set, const struct choice_key *key);
static inline bool destination_is_usable(const struct destination *destination)
{
	return !(destination->state->flags & DESTINATION_UNUSABLE);
}
bool destination_has_room(const struct destination *destination);

/* ---- calls.c: calls and where they went ----------------------------------------------------------------------- */

bool calls_prepare(void);
bool calls_are_on(void);
/* Counts a call; false when it is counted already, or memory is exhausted. */
bool calls_add(struct span call_id, int64_t set, struct span duid);
/* Moves it to another destination of the set. */
void calls_move(struct span call_id, struct span duid);
void calls_confirm(struct span call_id);
/* Forgets it; with a `duid` that is present only when it is there. */
void calls_remove(struct span call_id, struct span duid);
/* The loads are counted again: after a reload. */
void calls_recount(void);
int64_t calls_period_ms(void);
void calls_expire(void);

/* ---- select.c, match.c, probe.c, commands.c ---------------------------------------------------------------------- */

extern const struct function_table select_functions, match_functions;
bool match_prepare(void);
/* $dsg(...). */
bool match_get_counts(struct script_run *run, const struct variable_ref *ref, struct value *out);
const char *match_bind_counts(struct variable_ref *ref, struct arena *arena);
bool probe_prepare(const void *tm);
int64_t probe_period_ms(void);
void probe_run(void);
/* 1: pings are sent. */
_Atomic int64_t *probe_switch(void);
enum { DISPATCHER_COMMANDS = 9 };
extern const struct rpc_command dispatcher_commands[DISPATCHER_COMMANDS];
/* Reloads unless it was done a moment ago: NULL, or why not. */
const char *dispatcher_reload(void);
