/* SPDX-License-Identifier: BSD-2-Clause */
/* accounts: users of other servers for whom this one registers, in shared memory. */
#pragma once

#include "modules/uac/uac.h"

enum account_text {
	ACCOUNT_UUID,
	ACCOUNT_LOCAL_USER,
	ACCOUNT_LOCAL_DOMAIN,
	ACCOUNT_REMOTE_USER,
	ACCOUNT_REMOTE_DOMAIN,
	ACCOUNT_REALM,
	ACCOUNT_AUTH_USER,
	ACCOUNT_AUTH_PASSWORD,
	ACCOUNT_AUTH_HA1,
	ACCOUNT_AUTH_PROXY,
	ACCOUNT_CONTACT,
	ACCOUNT_SOCKET,
	ACCOUNT_TEXTS,
};
/* The column of each, also its name in commands. */
extern const char *const account_names[ACCOUNT_TEXTS];

enum account_flag {
	ACCOUNT_DISABLED = 1,
	ACCOUNT_ONGOING = 2,
	ACCOUNT_ONLINE = 4,
	ACCOUNT_AUTH_SENT = 8,
	ACCOUNT_INIT = 16,
};

/* A copy, or what a slot is made of. */
struct account {
	struct span texts[ACCOUNT_TEXTS];
	int64_t expires, delay_s;
	int64_t flags;
	int64_t timer_wall_s; /* the registration ends, or the next try */
	int64_t init_wall_s;
	struct span call_id; /* of the last registration that went well */
	int64_t cseq;
};

bool accounts_prepare(struct diagnostics *diagnostics);
bool accounts_start(void);
/* Is reg_db_url set? */
bool accounts_are_on(void);
/* Adds one, in the place of another with its uuid; a row that is the same keeps its state. False: memory is
 * out. */
bool account_put(const struct account *account, bool keeps_state);
bool account_remove(struct span uuid);
/* A copy in `arena` of the first whose text is this; false when there is none. A user name may have a
 * domain that has to match: reg_use_domain. */
bool account_find(enum account_text by, struct span text, struct span domain, struct arena *arena,
		  struct account *out);
/* Copies of all. */
struct account *accounts_copy(struct arena *arena, unsigned *out_count);
/* Changes state: flags that go and come, and the time when it is not negative. */
bool account_change(struct span uuid, int64_t without, int64_t with, int64_t timer_wall_s);
/* Takes an account over for a registration: marks it ongoing; false when somebody else did, or it is gone. */
bool account_take(struct span uuid, int64_t now_wall_s);
bool account_note_success(struct span uuid, int64_t ends_wall_s, struct span call_id, int64_t cseq);
bool account_set_expires(struct span uuid, int64_t expires);
/* Reads the table: all, or the row of one uuid. False after an error was logged, or without such a row. */
bool accounts_load(void);
bool accounts_load_one(struct span uuid);

/* ---- register.c ------------------------------------------------------------------------------------------------ */

int64_t register_period_ms(void);
void register_run(void);
/* Ends a registration now. */
bool register_end(const struct account *account);
bool register_prepare(void);
_Atomic int64_t *register_switch(void);

/* ---- reg_commands.c ---------------------------------------------------------------------------------------------- */

enum { REG_COMMANDS = 10, REG_COUNTERS = 3 };
extern const struct rpc_command reg_commands[REG_COMMANDS];
extern const struct function_table reg_functions;
extern const struct counter_row reg_counters[REG_COUNTERS];
bool reg_commands_prepare(struct diagnostics *diagnostics);
