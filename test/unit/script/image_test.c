/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/script/compile.h"
#include "core/script/core_rows.h"
#include "core/script/layout.h"
#include "core/script/state.h"

static struct arena arena;
static struct diagnostics diagnostics;
static int calls;

static int count(struct script_run *run, const void *args)
{
	(void)run;
	(void)args;
	calls++;
	return 1;
}
static const struct script_function functions[] = {
	{ .name = "count", .call = count, .contexts = IN_ANY, .doc = "counts" },
	{ .name = "t_relay", .call = count, .contexts = IN_ANY, .doc = "relays" },
};

static int set_up(void **state)
{
	(void)state;
	hash_init();
	clock_refresh();
	core_rows_register();
	script_register_functions("core", functions, ARRAY_SIZE(functions));
	script_register_event("tm", "tm:branch-failure:", ROUTE_BRANCH_FAILURE);
	arena_init(&arena, 1 << 16, 64 << 20);
	diagnostics_init(&diagnostics, &arena);
	return 0;
}

static unsigned blocks;
static void *block_alloc(size_t size, const char *name)
{
	(void)name;
	blocks++;
	return aligned_alloc(64, (size + 63) & ~(size_t)63);
}
static void block_free(void *block)
{
	blocks--;
	free(block);
}
static const struct script_memory memory = { block_alloc, block_free };

static const struct image *build(const char *text, const struct script_memory *where)
{
	struct script_options options = {
		.path = "test.cfg", .text = span_from(text), .quiet_lints = true
	};
	struct script_source *source = script_read(&options, NULL, &arena, &diagnostics);
	return source ? script_build(source, where, &diagnostics) : NULL;
}

static struct span dump(const struct image *image)
{
	struct writer w = writer_in_arena(&arena, 4096);
	image_dump(image, &w);
	return writer_result(&w);
}

static const char script[] =
	"request_route { $var(a) = 1; if ($rU =~ \"^x\" || src_ip == 10.0.0.0/8) count(); route(SUB); t_relay(); }\n"
	"route[SUB] { $var(b) = $var(a) + 1; switch ($var(b)) { case 2: count(); } }\n"
	"failure_route[F] { count(); }\n"
	"onreply_route[R] { count(); }\n"
	"event_route[tm:branch-failure:X] { count(); }\n"
	"event_route[tm:local-request] { count(); }\n";

static void block_and_heap_give_the_same_code(void **state)
{
	(void)state;
	const struct image *heap = build(script, NULL), *block = build(script, &memory);
	assert_non_null(heap);
	assert_non_null(block);
	struct span a = dump(heap), b = dump(block);
	assert_true(span_equal(a, b));
	assert_int_equal(blocks, 1);
	/* Everything that the image points to lies in its block. */
	assert_in_range((uintptr_t)block->code, (uintptr_t)block, (uintptr_t)block->arena.end);
	assert_in_range((uintptr_t)block->routes[0].file, (uintptr_t)block,
			(uintptr_t)block->arena.end);
	assert_in_range((uintptr_t)block->patterns[0], (uintptr_t)block,
			(uintptr_t)block->arena.end);
	assert_in_range((uintptr_t)block->variables[0], (uintptr_t)block,
			(uintptr_t)block->arena.end);
	assert_true(image_size(block).bytes > 0);
	assert_int_equal(image_size(block).routes, 6);
	image_free(heap);
	image_free(block);
	assert_int_equal(blocks, 0);
}

static void finds_routes_by_kind_and_name(void **state)
{
	static const struct {
		enum route_kind kind;
		const char *name;
		bool is_there;
	} rows[] = {
		{ ROUTE_REQUEST, "", true },
		{ ROUTE_REQUEST, "0", true },
		{ ROUTE_REQUEST, "SUB", true },
		{ ROUTE_REQUEST, "F", false },
		{ ROUTE_FAILURE, "F", true },
		{ ROUTE_FAILURE, "R", false },
		{ ROUTE_TM_REPLY, "R", true },
		{ ROUTE_REPLY, "", false },
		{ ROUTE_BRANCH_FAILURE, "X", true },
		{ ROUTE_BRANCH_FAILURE, "tm:branch-failure:X", true },
		{ ROUTE_BRANCH_FAILURE, "Y", false },
		{ ROUTE_LOCAL, "", true },
		{ ROUTE_EVENT, "tm:local-request", true },
		{ ROUTE_ONSEND, "", false },
	};
	(void)state;
	const struct image *image = build(script, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t route = script_route(image, rows[i].kind, span_from(rows[i].name));
		assert_int_equal(route != 0, rows[i].is_there);
	}
	uint32_t route = script_route(image, ROUTE_BRANCH_FAILURE, SPAN_OF("X"));
	assert_true(
		span_equal(script_route_name(image, ROUTE_BRANCH_FAILURE, route), SPAN_OF("X")));
	assert_int_equal(script_route(NULL, ROUTE_REQUEST, SPAN_OF("")), 0);
	image_free(image);
}

static struct script_run start(struct message *msg, const struct script_run *parent)
{
	struct script_run run;
	assert_true(script_run_init(&run, msg, ROUTE_REQUEST, parent));
	return run;
}

static void places_of_variables_survive_a_reload(void **state)
{
	(void)state;
	const struct image *first = build(script, &memory);
	image_publish(first);
	unsigned a = script_var_slot(SCRIPT_VAR_ZERO, SPAN_OF("a")),
		 b = script_var_slot(SCRIPT_VAR_ZERO, SPAN_OF("b"));
	unsigned late = script_var_slot(SCRIPT_VAR_NULL, SPAN_OF("seen only while running"));
	const struct image *second =
		build("request_route { $var(z) = 1; $var(b) = $var(a); t_relay(); }\n", &memory);
	image_publish(second);
	assert_ptr_equal(script_current_image(), second);
	assert_int_equal(script_var_slot(SCRIPT_VAR_ZERO, SPAN_OF("a")), a);
	assert_int_equal(script_var_slot(SCRIPT_VAR_ZERO, SPAN_OF("b")), b);
	assert_int_equal(script_var_slot(SCRIPT_VAR_NULL, SPAN_OF("seen only while running")),
			 late);
	struct message *msg = script_faked_request(&arena);
	assert_non_null(msg);
	struct script_run run = start(msg, NULL), child = start(msg, &run),
			  other = start(msg, NULL);
	struct value text = VALUE_OF_TEXT(SPAN_OF("kept"));
	assert_true(script_var_set(&run, late, &text));
	assert_int_equal(script_var_get(&child, late).kind, VALUE_TEXT);
	assert_int_equal(script_var_get(&other, late).kind, VALUE_NULL);
	assert_int_equal(script_var_get(&run, a).number, 0);
	assert_int_equal(script_run_route(&run, script_route(second, ROUTE_REQUEST, SPAN_OF(""))),
			 1);
	unsigned z = script_var_slot(SCRIPT_VAR_ZERO, SPAN_OF("z"));
	assert_int_equal(script_var_get(&child, z).number, 1);
}

static void old_images_are_freed_when_nobody_can_run_them(void **state)
{
	(void)state;
	image_publish(build(script, &memory));
	image_free_below(image_generation());
	unsigned before = blocks;
	uint32_t first = image_generation();
	for (int i = 0; i < 3; i++)
		image_publish(build(script, &memory));
	assert_int_equal(image_generation(), first + 3);
	/* Somebody still runs the second. */
	image_free_below(first + 1);
	assert_int_equal(blocks, before + 2);
	image_free_below(image_generation());
	assert_int_equal(blocks, before);
	assert_int_equal(*image_generation_address(), first + 3);
}

static void damaged_code_does_not_verify(void **state)
{
	(void)state;
	const struct image *image = build(script, &memory);
	struct instruction *code = (struct instruction *)image->code;
	struct span error;
	assert_true(image_verify(image, &error));
	for (uint32_t i = 0; i < image->code_count; i++) {
		struct instruction saved = code[i];
		code[i].op = 200;
		assert_false(image_verify(image, &error));
		code[i] = saved;
		code[i].c = INT32_MAX;
		/* Some instructions do not use c. */
		(void)image_verify(image, &error);
		code[i] = saved;
	}
	assert_true(image_verify(image, &error));
	image_free(image);
}

static void a_broken_script_gives_no_image(void **state)
{
	(void)state;
	unsigned before = blocks;
	struct diagnostics own;
	diagnostics_init(&own, &arena);
	struct script_options options = { .path = "bad.cfg",
					  .text = SPAN_OF("request_route { nosuch(); }\n") };
	assert_null(script_rebuild(&options, &memory, &arena, &own));
	assert_int_equal(own.errors, 1);
	assert_int_equal(blocks, before);
}

static bool accept_param(void *owner, struct span name, const struct config_value *value,
			 struct source_position at, struct diagnostics *own)
{
	return owner || name.len || value || at.line || own;
}

static void a_reload_names_what_needs_a_restart(void **state)
{
	(void)state;
	struct diagnostics own;
	const struct config_actions actions = { .global_param = accept_param };
	struct script_options options = {
		.path = "test.cfg",
		.text = SPAN_OF(
			"debug=2\nchildren=4\nlisten=udp:127.0.0.1:5060\nrequest_route { t_relay(); }\n")
	};
	diagnostics_init(&own, &arena);
	assert_non_null(script_read(&options, &actions, &arena, &own));
	options.text = SPAN_OF("debug=2\nchildren=8\nrequest_route { t_relay(); }\n");
	const struct image *image = script_rebuild(&options, &memory, &arena, &own);
	assert_non_null(image);
	assert_int_equal(own.errors, 0);
	assert_int_equal(own.warnings, 3); /* the new children, the old ones, the socket */
	for (const struct diagnostic *d = own.first; d; d = d->next)
		assert_string_equal(d->code, "needs-restart");
	image_free(image);
}

static void a_long_chain_is_rebuilt_on_a_small_stack(void **state)
{
	(void)state;
	struct diagnostics own;
	struct rlimit limit;
	diagnostics_init(&own, &arena);
	struct writer w = writer_in_arena(&arena, 1 << 16);
	writer_literal(&w, "request_route { if ($rU == \"a\") exit;\n");
	for (int i = 0; i < 900; i++)
		writer_printf(&w, "else if ($rU == \"x%d\") exit;\n", i);
	writer_literal(&w, "t_relay(); }\n");
	struct script_options options = { .path = "long.cfg",
					  .text = writer_result(&w),
					  .quiet_lints = true };
	assert_int_equal(getrlimit(RLIMIT_STACK, &limit), 0);
	struct rlimit small = { 256 << 10, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_STACK, &small), 0);
	const struct image *image = script_rebuild(&options, &memory, &arena, &own);
	assert_int_equal(setrlimit(RLIMIT_STACK, &limit), 0);
	assert_non_null(image);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_and_heap_give_the_same_code),
		cmocka_unit_test(finds_routes_by_kind_and_name),
		cmocka_unit_test(damaged_code_does_not_verify),
		cmocka_unit_test(a_broken_script_gives_no_image),
		cmocka_unit_test(a_long_chain_is_rebuilt_on_a_small_stack),
		cmocka_unit_test(a_reload_names_what_needs_a_restart),
		cmocka_unit_test(places_of_variables_survive_a_reload),
		cmocka_unit_test(old_images_are_freed_when_nobody_can_run_them),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
