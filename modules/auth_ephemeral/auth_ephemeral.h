/* SPDX-License-Identifier: BSD-2-Clause */
/* auth_ephemeral: what the files of the module share. */
#pragma once

#include "core/module/module.h"

/* ---- secrets.c: the secrets that are shared with the service that gives out credentials ---------------- */
#define SECRET_MAX   255
#define SECRETS_MOST 64

/* In `accept` of the setting: keeps the secret until secrets_prepare. NULL, or what is wrong. */
const char *secrets_note(struct span secret, int64_t number);
/* Makes the list in shared memory. */
bool secrets_prepare(struct diagnostics *diagnostics);
/* Copies the secrets, the newest first, and returns their number; 0 also when memory is exhausted. */
size_t secrets_copy(struct arena *arena, struct span **out_secrets);
/* Commands. */
void secrets_run_add(struct rpc_call *call);
void secrets_run_dump(struct rpc_call *call);
void secrets_run_remove(struct rpc_call *call);

/* ---- username.c: user names that say when they expire --------------------------------------------------- */
struct ephemeral_name {
	struct span user; /* "alice" or "alice@example.org"; absent when the name is a time only */
	struct span time; /* until when it is good: seconds since 1970, in decimal digits */
};

enum name_format { NAME_THEN_TIME, TIME_THEN_NAME };

/* name = time [ ":" user ] / [ user ":" ] time ; the first colon counts, and something follows it. */
[[nodiscard]] bool ephemeral_name_parse(struct span text, enum name_format format,
					struct ephemeral_name *out_name);

enum name_state { NAME_GOOD, NAME_EXPIRED, NAME_MALFORMED };
enum name_state ephemeral_name_state(const struct ephemeral_name *name, int64_t now_s);
/* Is this the name of the user of the URI? With a domain, that must be the URI's host too. */
bool ephemeral_name_fits(const struct ephemeral_name *name, struct span uri);
