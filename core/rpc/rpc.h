/* SPDX-License-Identifier: BSD-2-Clause */
/* rpc: commands that administrators call. A command is a row; its handler reads arguments and
 * writes a reply tree through the functions below; transports (ctl: binrpc, jsonrpcs: JSON) only
 * encode. Handlers run in a process of their own and may take shard locks, briefly. */
#pragma once

#include "core/base/field.h"
#include "core/base/writer.h"

struct rpc_call; /* one call in progress */
struct rpc_node; /* a struct or array in the reply */

struct rpc_command {
	const char *name; /* "tm.stats" */
	void (*run)(struct rpc_call *call);
	const char *doc;
	const char *args;   /* "[brief] {table} …" for humans and completion; NULL: none */
	bool returns_array; /* reply is always a list, also with one element */
};
struct rpc_table {
	const struct rpc_command *rows;
	uint32_t count;
};

/* ---- arguments: positional, converted where that is sensible ------------------------------------ */
unsigned rpc_arg_count(const struct rpc_call *call);
/* False when absent or not convertible; then nothing was written. Text lives as long as the call. */
[[nodiscard]] bool rpc_arg_text(struct rpc_call *call, unsigned index, struct span *out_text);
[[nodiscard]] bool rpc_arg_int(struct rpc_call *call, unsigned index, int64_t *out_number);
[[nodiscard]] bool rpc_arg_double(struct rpc_call *call, unsigned index, double *out_number);
/* The same, and answers fault 400 naming the argument when it is missing or wrong. */
[[nodiscard]] bool rpc_need_text(struct rpc_call *call, unsigned index, const char *name,
				 struct span *out_text);
[[nodiscard]] bool rpc_need_int(struct rpc_call *call, unsigned index, const char *name,
				int64_t *out_number);

/* ---- reply ---------------------------------------------------------------------------------------- */
/* Top-level values are added in order; a NULL `parent` means top level. Structs take named members,
 * arrays unnamed ones (name NULL). Text is copied. */
void rpc_add_int(struct rpc_call *call, struct rpc_node *parent, const char *name, int64_t number);
void rpc_add_double(struct rpc_call *call, struct rpc_node *parent, const char *name,
		    double number);
void rpc_add_text(struct rpc_call *call, struct rpc_node *parent, const char *name,
		  struct span text);
[[gnu::format(printf, 4, 5)]] void rpc_add_printf(struct rpc_call *call, struct rpc_node *parent,
						  const char *name, const char *format, ...);
void rpc_add_null(struct rpc_call *call, struct rpc_node *parent, const char *name);
/* Never NULL: after memory is exhausted a dummy node absorbs what follows and the call faults. */
struct rpc_node *rpc_add_struct(struct rpc_call *call, struct rpc_node *parent, const char *name);
struct rpc_node *rpc_add_array(struct rpc_call *call, struct rpc_node *parent, const char *name);
/* Ends the call with an error; what was added before is discarded. The first fault wins. */
[[gnu::format(printf, 3, 4)]] void rpc_fault(struct rpc_call *call, int code, const char *format,
					     ...);
struct arena *rpc_arena(struct rpc_call *call);

/* Answers later (t_uac_wait): the handler returns and somebody calls rpc_finish in the same process. */
void rpc_defer(struct rpc_call *call);
void rpc_finish(struct rpc_call *call);

/* ---- for transports --------------------------------------------------------------------------------- */
enum rpc_kind { RPC_INT, RPC_TEXT, RPC_DOUBLE, RPC_STRUCT, RPC_ARRAY, RPC_NULL };
struct rpc_value { /* the reply as a tree; siblings in order */
	struct rpc_value *next;
	enum rpc_kind kind;
	struct span name; /* absent for array members and top-level values */
	int64_t number;
	double real;
	struct span text;
	struct rpc_value *first, **last; /* members */
};
struct rpc_call *rpc_call_new(struct arena *arena, struct span method);
void rpc_call_add_arg_text(struct rpc_call *call, struct span text);
void rpc_call_add_arg_int(struct rpc_call *call, int64_t number);
void rpc_call_add_arg_double(struct rpc_call *call, double number);
/* Finds and runs the command; `done` is called exactly once, now or later (deferred). */
void rpc_dispatch(struct rpc_call *call, void (*done)(struct rpc_call *call, void *owner),
		  void *owner);
/* The same for callers on a fiber: returns when the command has answered. */
void rpc_run(struct rpc_call *call);
/* After `done`: the reply's values, or a fault when the code is not 0. */
int rpc_result(const struct rpc_call *call, const struct rpc_value **out_values,
	       struct span *out_fault);
bool rpc_returns_array(const struct rpc_call *call);

/* ---- the registry: filled by the loader before the first fork ----------------------------------------- */
bool rpc_register(const struct rpc_table *table);
unsigned rpc_command_count(void);
const struct rpc_command *rpc_command_at(unsigned index); /* sorted by name */
const struct rpc_command *rpc_command_find(struct span name);
