/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of administrators: arguments in, a tree of values out. Transports encode; commands know
 * nothing of them. */
#include "core/rpc/rpc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/diagnostic.h"
#include "core/loop/fiber.h"

#define COMMANDS_MOST 1024
#define ARGS_MOST     64

struct rpc_node {
	struct rpc_value value;
};

struct rpc_arg {
	enum rpc_kind kind;
	struct span text;
	int64_t number;
	double real;
};

struct rpc_call {
	struct arena *arena;
	struct span method;
	const struct rpc_command *command;
	struct rpc_arg args[ARGS_MOST];
	unsigned arg_count;
	struct rpc_value *first, **last; /* top-level values */
	struct rpc_node dummy;           /* takes what is added after memory ran out */
	int fault_code;
	struct span fault_text;
	bool is_deferred;
	bool is_finished;
	void (*done)(struct rpc_call *call, void *owner);
	void *owner;
};

static struct {
	const struct rpc_command *commands[COMMANDS_MOST]; /* sorted by name */
	unsigned count;
} registry;

/* ---- registry -------------------------------------------------------------------------------------------- */

static unsigned position_of(struct span name, bool *out_found)
{
	unsigned low = 0, high = registry.count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		int order = span_compare(name, span_from(registry.commands[middle]->name));
		if (order == 0) {
			*out_found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	*out_found = false;
	return low;
}

bool rpc_register(const struct rpc_table *table)
{
	bool is_good = true;
	for (uint32_t i = 0; i < table->count; i++) {
		bool is_found;
		unsigned at = position_of(span_from(table->rows[i].name), &is_found);
		if (is_found || registry.count == COMMANDS_MOST) {
			is_good = false;
			continue;
		}
		memmove(&registry.commands[at + 1], &registry.commands[at],
			(registry.count - at) * sizeof(registry.commands[0]));
		registry.commands[at] = &table->rows[i];
		registry.count++;
	}
	return is_good;
}

unsigned rpc_command_count(void)
{
	return registry.count;
}

const struct rpc_command *rpc_command_at(unsigned index)
{
	return index < registry.count ? registry.commands[index] : NULL;
}

const struct rpc_command *rpc_command_find(struct span name)
{
	bool is_found;
	unsigned at = position_of(name, &is_found);
	return is_found ? registry.commands[at] : NULL;
}

/* ---- calls ------------------------------------------------------------------------------------------------- */

struct rpc_call *rpc_call_new(struct arena *arena, struct span method)
{
	struct rpc_call *call = ARENA_NEW(arena, struct rpc_call);
	if (!call)
		return NULL;
	call->arena = arena;
	call->method = arena_copy(arena, method);
	call->last = &call->first;
	call->dummy.value.kind = RPC_STRUCT;
	call->dummy.value.last = &call->dummy.value.first;
	return call;
}

static struct rpc_arg *arg_add(struct rpc_call *call)
{
	static struct rpc_arg ignored;
	return call->arg_count < ARGS_MOST ? &call->args[call->arg_count++] : &ignored;
}

void rpc_call_add_arg_text(struct rpc_call *call, struct span text)
{
	*arg_add(call) =
		(struct rpc_arg){ .kind = RPC_TEXT, .text = arena_copy(call->arena, text) };
}

void rpc_call_add_arg_int(struct rpc_call *call, int64_t number)
{
	*arg_add(call) = (struct rpc_arg){ .kind = RPC_INT, .number = number };
}

void rpc_call_add_arg_double(struct rpc_call *call, double number)
{
	*arg_add(call) = (struct rpc_arg){ .kind = RPC_DOUBLE, .real = number };
}

struct arena *rpc_arena(struct rpc_call *call)
{
	return call->arena;
}

void rpc_dispatch(struct rpc_call *call, void (*done)(struct rpc_call *call, void *owner),
		  void *owner)
{
	call->done = done;
	call->owner = owner;
	call->command = rpc_command_find(call->method);
	if (call->command)
		call->command->run(call);
	else
		rpc_fault(call, 500, "command %.*s not found", SPAN_ARGS(call->method));
	if (!call->is_deferred)
		rpc_finish(call);
}

struct waiting {
	struct fiber_event event;
	bool is_done;
};

static void on_done(struct rpc_call *call, void *owner)
{
	struct waiting *waiting = owner;
	waiting->is_done = true;
	fiber_wake(&waiting->event);
}

void rpc_run(struct rpc_call *call)
{
	struct waiting waiting = { 0 };
	rpc_dispatch(call, on_done, &waiting);
	if (!waiting.is_done)
		fiber_wait(&waiting.event, -1);
}

void rpc_defer(struct rpc_call *call)
{
	call->is_deferred = true;
}

void rpc_finish(struct rpc_call *call)
{
	bug_if(call->is_finished, "%.*s is answered twice", SPAN_ARGS(call->method));
	call->is_finished = true;
	call->done(call, call->owner);
}

int rpc_result(const struct rpc_call *call, const struct rpc_value **out_values,
	       struct span *out_fault)
{
	*out_values = call->fault_code ? NULL : call->first;
	*out_fault = call->fault_text;
	return call->fault_code;
}

bool rpc_returns_array(const struct rpc_call *call)
{
	return call->command && call->command->returns_array;
}

/* ---- arguments ----------------------------------------------------------------------------------------------- */

unsigned rpc_arg_count(const struct rpc_call *call)
{
	return call->arg_count;
}

bool rpc_arg_text(struct rpc_call *call, unsigned index, struct span *out_text)
{
	struct span text = { NULL, 0 };
	if (index >= call->arg_count)
		return false;
	const struct rpc_arg *arg = &call->args[index];
	switch (arg->kind) {
	case RPC_TEXT: text = arg->text; break;
	case RPC_INT: text = arena_printf(call->arena, "%lld", (long long)arg->number); break;
	case RPC_DOUBLE: /* as other servers cut it when a command reads text */
		text = arena_printf(call->arena, "%lld", (long long)arg->real);
		break;
	case RPC_STRUCT:
	case RPC_ARRAY:
	case RPC_NULL: break;
	}
	if (text.at)
		*out_text = text;
	return text.at != NULL;
}

bool rpc_arg_int(struct rpc_call *call, unsigned index, int64_t *out_number)
{
	if (index >= call->arg_count)
		return false;
	const struct rpc_arg *arg = &call->args[index];
	switch (arg->kind) {
	case RPC_INT: *out_number = arg->number; return true;
	case RPC_DOUBLE: *out_number = (int64_t)arg->real; return true;
	case RPC_TEXT: return span_to_int64_any_base(arg->text, out_number);
	case RPC_STRUCT:
	case RPC_ARRAY:
	case RPC_NULL: break;
	}
	return false;
}

bool rpc_arg_double(struct rpc_call *call, unsigned index, double *out_number)
{
	if (index >= call->arg_count)
		return false;
	const struct rpc_arg *arg = &call->args[index];
	if (arg->kind == RPC_TEXT) {
		char *text = arena_string(call->arena, arg->text), *end;
		double number = text ? strtod(text, &end) : 0;
		if (!text || end == text || *end)
			return false;
		*out_number = number;
		return true;
	}
	*out_number = arg->kind == RPC_INT ? (double)arg->number : arg->real;
	return arg->kind == RPC_INT || arg->kind == RPC_DOUBLE;
}

bool rpc_need_text(struct rpc_call *call, unsigned index, const char *name, struct span *out_text)
{
	if (rpc_arg_text(call, index, out_text))
		return true;
	rpc_fault(call, 400, "Parameter %u (%s) is missing", index + 1, name);
	return false;
}

bool rpc_need_int(struct rpc_call *call, unsigned index, const char *name, int64_t *out_number)
{
	if (rpc_arg_int(call, index, out_number))
		return true;
	rpc_fault(call, 400, "Parameter %u (%s) is %s", index + 1, name,
		  index < call->arg_count ? "no number" : "missing");
	return false;
}

/* ---- reply ----------------------------------------------------------------------------------------------------- */

static struct rpc_node *node_add(struct rpc_call *call, struct rpc_node *parent, const char *name,
				 enum rpc_kind kind)
{
	struct rpc_node *node =
		parent == &call->dummy ? NULL : ARENA_NEW(call->arena, struct rpc_node);
	if (!node) {
		rpc_fault(call, 500, "the answer is too large");
		return &call->dummy;
	}
	node->value.kind = kind;
	node->value.last = &node->value.first;
	if (name)
		node->value.name = arena_copy(call->arena, span_from(name));
	struct rpc_value ***last = parent ? &parent->value.last : &call->last;
	**last = &node->value;
	*last = &node->value.next;
	return node;
}

void rpc_add_int(struct rpc_call *call, struct rpc_node *parent, const char *name, int64_t number)
{
	node_add(call, parent, name, RPC_INT)->value.number = number;
}

void rpc_add_double(struct rpc_call *call, struct rpc_node *parent, const char *name, double number)
{
	node_add(call, parent, name, RPC_DOUBLE)->value.real = number;
}

void rpc_add_text(struct rpc_call *call, struct rpc_node *parent, const char *name,
		  struct span text)
{
	struct span copy = arena_copy(call->arena, text.at ? text : SPAN_OF(""));
	node_add(call, parent, name, RPC_TEXT)->value.text = copy.at ? copy : SPAN_OF("");
}

void rpc_add_printf(struct rpc_call *call, struct rpc_node *parent, const char *name,
		    const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	rpc_add_text(call, parent, name, span_make(text, len > 0 ? (size_t)len : 0));
}

void rpc_add_null(struct rpc_call *call, struct rpc_node *parent, const char *name)
{
	node_add(call, parent, name, RPC_NULL);
}

struct rpc_node *rpc_add_struct(struct rpc_call *call, struct rpc_node *parent, const char *name)
{
	return node_add(call, parent, name, RPC_STRUCT);
}

struct rpc_node *rpc_add_array(struct rpc_call *call, struct rpc_node *parent, const char *name)
{
	return node_add(call, parent, name, RPC_ARRAY);
}

void rpc_fault(struct rpc_call *call, int code, const char *format, ...)
{
	char text[512];
	va_list args;
	if (call->fault_code)
		return;
	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	call->fault_code = code;
	call->fault_text = arena_copy(call->arena, span_make(text, len > 0 ? (size_t)len : 0));
	if (!call->fault_text.at)
		call->fault_text = SPAN_OF("out of memory");
}
