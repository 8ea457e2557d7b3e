/* SPDX-License-Identifier: BSD-2-Clause */
/* context: a stack and the place where its code stopped; the machine's part of fibers. */
#pragma once

#include <stddef.h>

struct context {
	void *stack_pointer; /* where the registers were saved; the portable form keeps a ucontext_t */
	void *stack;         /* lowest address; NULL for the process's own stack */
	size_t stack_size;
	void *sanitizer_stack; /* what AddressSanitizer keeps while the context does not run */
};

/* Maps a stack with a guard page below it and prepares it to run `entry`, which must never return.
 * False when memory is exhausted. */
[[nodiscard]] _Bool context_create(struct context *context, size_t stack_size, void (*entry)(void));
/* Lets a finished context begin again at `entry` on its old stack. */
void context_rewind(struct context *context, void (*entry)(void));
void context_destroy(struct context *context);
/* Stores the running code in `from` and goes on with `to`. */
void context_switch(struct context *from, struct context *to);
/* The first thing that an entry function calls (sanitizers want to know). */
void context_entered(void);
