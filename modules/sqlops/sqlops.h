/* SPDX-License-Identifier: BSD-2-Clause */
/* sqlops: what the files of the module share. */
#pragma once

#include "core/module/module.h"
#include "core/module/rows.h"

/* ---- connections.c: the databases of the parameter sqlcon ---------------------------------------------- */

#define CONNECTIONS_MOST 32

struct connection {
	struct span name;
	struct span url;
	struct db *db;
	unsigned number;
};

/* Takes "name=>url"; NULL, or a sentence about what is wrong. */
const char *connection_add(struct span text, int64_t number);
/* For the `.accept` of an argument: a name that the script uses, checked by connections_start. */
const char *connection_note(struct span name, int64_t number);
bool connections_prepare(struct diagnostics *diagnostics);
/* Are the names known, and unless `is_lazy` the databases there? False after errors were logged. */
bool connections_start(bool is_lazy);
/* NULL, and logged, when there is none. */
const struct connection *connection_find(struct span name);
/* Is there a database in whose texts a backslash is special? */
bool connections_read_backslash(void);

/* ---- results.c: what queries of a message brought; where it has not asked, the last answer of this process,
 * so that failure and reply routes find what the request's route asked for ------------------------------- */

/* In the message's arena. */
struct result {
	struct result *next;
	struct span name;
	struct row_set set;
};

bool results_prepare(void);
/* For the `.accept` of an argument and of the parameter sqlres: a name, of which there may be as many as
 * the parameter results_maxsize says. */
const char *result_note(struct span name, int64_t number);
/* Checks the number of names; false after an error was logged. */
bool results_start(int64_t most);
/* The result of this name, emptied; NULL when memory is exhausted. */
struct result *result_new(struct script_run *run, struct span name);
/* The result was filled: later messages may find it. */
void result_keep(const struct result *result);
/* Forgets the result of this name in the message and in the process. */
void result_clear(const struct message *msg, struct span name);
/* $sqlrows: rows that the last query changed or brought; -1 when it failed. */
void result_note_count(struct script_run *run, const struct connection *connection, int64_t count);

#define RESULT_VARIABLES 2
extern const struct variable_row result_variables[RESULT_VARIABLES];

/* ---- targets.c: the variables of sql_pvquery --------------------------------------------------------------- */

#define TARGETS_MOST 64

struct targets {
	struct targets *next;
	struct span text;
	unsigned count;
	const struct variable_ref *variables[TARGETS_MOST];
};

/* For the `.accept` of the argument: NULL, or what is wrong with the list. */
const char *targets_check(struct span text, int64_t number);
/* The list, read when it is first used in this process; NULL after an error was logged. */
const struct targets *targets_of(struct span text);

/* ---- quote.c: {sql.val} and its kin ---------------------------------------------------------------------- */

#define QUOTE_TRANSFORMS 3
extern const struct transform_row quote_transforms[QUOTE_TRANSFORMS];
