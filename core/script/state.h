/* SPDX-License-Identifier: BSD-2-Clause */
/* state: what a running script keeps beside the message: `$var` and friends, and where it stands.
 * Made by script_run_init in the message's arena. */
#pragma once

#include "core/script/script.h"

/* ---- $var, $vn, $vz ------------------------------------------------------------------------- */
/* Variables of the script are places in an array. The place of a name never changes while the
 * server runs, also not by a reload. Different kinds with the same name are different variables. */
enum script_var_kind { SCRIPT_VAR_ZERO /* $var, $vz: 0 when unset */, SCRIPT_VAR_NULL /* $vn */ };

/* The place of a variable; for `bind` handlers and run-time templates. */
unsigned script_var_slot(enum script_var_kind kind, struct span name);
/* The current value: what was assigned in this event, else 0 or null. Text is valid until the next
 * assignment to the same variable. */
struct value script_var_get(struct script_run *run, unsigned slot);
/* Copies text into the run's memory; NULL or a null value resets. False: out of memory. */
bool script_var_set(struct script_run *run, unsigned slot, const struct value *value);

/* The value that the variable has in every event until something is assigned; before the first
 * fork. Text is copied. False: too many, or out of memory. */
bool script_var_preset(unsigned slot, const struct value *value);

/* Walks over all names that have a place, in no order; false past the end. */
bool script_var_name_at(unsigned i, enum script_var_kind *out_kind, struct span *out_name);

/* ---- where the script stands ---------------------------------------------------------------- */
struct script_place {
	const char *file; /* NULL when nothing runs */
	unsigned line;
	struct span route; /* "RELAY", "request_route" …: as `$cfg(route)` shows it */
	enum route_kind kind;
};
/* The statement that is being executed ($cfg(line), $cfg(name), $cfg(route), logs). */
struct script_place script_place(const struct script_run *run);

/* ---- state ---------------------------------------------------------------------------------- */
struct script_var; /* vm.c */
struct script_vars {
	struct script_var *slots[2]; /* by image number; numbers that were made while running */
	unsigned counts[2];
	struct arena *arena;
};

/* A route that runs, or waits for one that it called. */
struct instruction;
struct script_frame {
	const struct instruction *at; /* being executed */
	uint32_t route;               /* index in the image */
	uint32_t base, end;           /* its registers */
	uint8_t result;               /* register of the caller that takes the result */
};

struct script_state {
	struct script_vars *vars; /* shared by the runs of one event */
	struct value *registers;
	uint32_t register_count;
	struct script_frame *frames;
	uint32_t frame_count, depth; /* allocated, in use */
	bool has_moved;              /* registers or frames lie elsewhere than in the beginning */
};
