/* SPDX-License-Identifier: BSD-2-Clause */
/* Switching stacks: assembly for x86-64 and aarch64, ucontext elsewhere. This is the one file of
 * the room that knows the machine. */
#include "core/loop/context.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
static struct context *leaving; /* the context that the last switch left */
#endif

#if defined(__x86_64__)

/* Saves the callee-saved registers of the System V ABI on the old stack, loads those of the new. */
void context_swap_stacks(void **from_sp, void *to_sp);
__asm__(".text\n"
	".globl context_swap_stacks\n"
	".type context_swap_stacks,@function\n"
	"context_swap_stacks:\n"
	"	pushq %rbp\n	pushq %rbx\n	pushq %r12\n	pushq %r13\n	pushq %r14\n	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n	popq %r14\n	popq %r13\n	popq %r12\n	popq %rbx\n	popq %rbp\n"
	"	ret\n"
	".size context_swap_stacks,.-context_swap_stacks\n");

void context_rewind(struct context *context, void (*entry)(void))
{
	/* Six registers, the address to return to, and one word that keeps the stack aligned as if
	 * `entry` had been called. */
	void **top = (void **)((char *)context->stack + context->stack_size) - 8;
	memset(top, 0, 8 * sizeof(*top));
	top[6] = (void *)(uintptr_t)entry;
	context->stack_pointer = top;
}

#elif defined(__aarch64__)

void context_swap_stacks(void **from_sp, void *to_sp);
__asm__(".text\n"
	".globl context_swap_stacks\n"
	".type context_swap_stacks,%function\n"
	"context_swap_stacks:\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp, #0]\n	stp x21, x22, [sp, #16]\n	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n	stp x27, x28, [sp, #64]\n	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n	stp d10, d11, [sp, #112]\n	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x9, sp\n	str x9, [x0]\n	mov sp, x1\n"
	"	ldp x19, x20, [sp, #0]\n	ldp x21, x22, [sp, #16]\n	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n	ldp x27, x28, [sp, #64]\n	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n	ldp d10, d11, [sp, #112]\n	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n	ret\n"
	".size context_swap_stacks,.-context_swap_stacks\n");

void context_rewind(struct context *context, void (*entry)(void))
{
	void **top = (void **)((char *)context->stack + context->stack_size) - 20;
	memset(top, 0, 20 * sizeof(*top));
	top[11] = (void *)(uintptr_t)entry; /* x30 */
	context->stack_pointer = top;
}

#else

#include <ucontext.h>

static void context_swap_stacks(void **from_sp, void *to_sp)
{
	ucontext_t here;
	*from_sp = &here;
	swapcontext(&here, to_sp);
}

void context_rewind(struct context *context, void (*entry)(void))
{
	/* The ucontext lives at the low end of the stack, which runs from the high end. */
	ucontext_t *start = context->stack;
	getcontext(start);
	start->uc_stack.ss_sp = (char *)context->stack + sizeof(*start);
	start->uc_stack.ss_size = context->stack_size - sizeof(*start);
	start->uc_link = NULL;
	makecontext(start, entry, 0);
	context->stack_pointer = start;
}

#endif

_Bool context_create(struct context *context, size_t stack_size, void (*entry)(void))
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *mapping = mmap(NULL, stack_size + page, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (mapping == MAP_FAILED)
		return 0;
	mprotect(mapping, page, PROT_NONE);
	*context = (struct context){ .stack = mapping + page, .stack_size = stack_size };
#ifdef WITH_ASAN
	/* What a parked fiber holds when its process ends is no leak. */
	__lsan_register_root_region(context->stack, stack_size);
#endif
	context_rewind(context, entry);
	return 1;
}

void context_destroy(struct context *context)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	if (context->stack) {
#ifdef WITH_ASAN
		__lsan_unregister_root_region(context->stack, context->stack_size);
#endif
		munmap((char *)context->stack - page, context->stack_size + page);
	}
	*context = (struct context){ 0 };
}

void context_switch(struct context *from, struct context *to)
{
#ifdef WITH_ASAN
	leaving = from;
	__sanitizer_start_switch_fiber(&from->sanitizer_stack, to->stack, to->stack_size);
#endif
	context_swap_stacks(&from->stack_pointer, to->stack_pointer);
#ifdef WITH_ASAN
	const void *bottom;
	size_t size;
	__sanitizer_finish_switch_fiber(from->sanitizer_stack, &bottom, &size);
	if (leaving && !leaving->stack) { /* the process's own stack, learnt from the sanitizer */
		leaving->stack = (void *)(uintptr_t)bottom;
		leaving->stack_size = size;
	}
#endif
}

void context_entered(void)
{
#ifdef WITH_ASAN
	const void *bottom;
	size_t size;
	__sanitizer_finish_switch_fiber(NULL, &bottom, &size);
	if (leaving && !leaving->stack) {
		leaving->stack = (void *)(uintptr_t)bottom;
		leaving->stack_size = size;
	}
#endif
}
