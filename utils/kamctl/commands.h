/* SPDX-License-Identifier: BSD-2-Clause */
/* commands: what a command of kamctl is. A family is a table of rows; a row names its words, says
 * what it does, and is run with the words that follow its name. */
#pragma once

#include <stdbool.h>

#include "core/base/check.h"
#include "utils/control/database.h"
#include "utils/control/output.h"
#include "utils/control/server.h"
#include "utils/control/settings.h"

#define WORDS_MOST 24

struct words {
	const char *const *at;
	unsigned count;
};

struct command {
	const char *name;      /* "add", or "" when the family's name is all */
	const char *arguments; /* as --help shows them */
	const char *doc;
	unsigned min, max;                                             /* words after the name */
	int (*run)(const struct command *command, struct words words); /* an exit code */
	const void *with; /* of runners that serve several rows */
};

struct family {
	const char *name;
	const char *other_name; /* may be NULL */
	const char *doc;
	const struct command *commands;
	unsigned count;
};
#define FAMILY(label, rows, text)                                                       \
	{                                                                               \
		.name = label, .doc = text, .commands = rows, .count = ARRAY_SIZE(rows) \
	}

extern const struct family subscriber_families[], table_families[], alias_families[],
	server_families[], location_families[], database_families[], certificate_families[];

/* The word at `index`, or `fallback` when there are not so many. */
static inline const char *word_or(struct words words, unsigned index, const char *fallback)
{
	return index < words.count ? words.at[index] : fallback;
}

/* ---- for several families --------------------------------------------------------------------- */

/* user or user@domain; without a domain it is SIP_DOMAIN's. */
struct user {
	struct span name, domain;
};
/* False after a message: no user part, or no domain anywhere. */
[[nodiscard]] bool user_read(const char *word, struct user *out);
/* 1, 0, or -1 after an error. */
int user_exists(struct db *db, const struct user *user);

/* A runner for commands that only ask the server: `with` is the method; words become parameters. */
int run_rpc(const struct command *command, struct words words);
/* "2026-01-31 23:59:59" now. */
struct db_value time_now(void);
