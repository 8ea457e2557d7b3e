/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads a configuration file from arbitrary bytes and builds it; what builds is verified and printed. */
#include "core/base/hash.h"
#include "core/script/compile.h"
#include "core/script/core_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int call(struct script_run *run, const void *args)
{
	(void)run;
	(void)args;
	return 1;
}

struct any_args {
	struct span text;
	const struct pattern *pattern;
	int64_t number;
};
static const struct field fields[] = {
	FIELD(struct any_args, text, "a text", .optional = true),
	FIELD(struct any_args, pattern, "a pattern", .optional = true),
	FIELD(struct any_args, number, "a number", .optional = true,
		.flag_kind = FLAG_KIND_MESSAGE),
};
static const struct script_function functions[] = {
	{ .name = "f",
		.call = call,
		.args = FIELDS(fields),
		.args_size = sizeof(struct any_args),
		.contexts = IN_ANY,
		.doc = "" },
	{ .name = "t_relay", .call = call, .contexts = IN_REQUEST, .doc = "" },
};

static void set_up(void)
{
	static bool done;
	if (done)
		return;
	done = true;
	hash_init();
	core_rows_register();
	script_register_functions("core", functions, sizeof(functions) / sizeof(functions[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct diagnostics diagnostics;
	struct script_options options = { .path = "fuzz.cfg",
					  .text = span_make(size ? (const char *)data : "", size) };
	set_up();
	/* Files of the machine are none of the fuzzer's business. */
	if (span_find_span(options.text, SPAN_OF("_file")) < options.text.len)
		return 0;
	arena_init(&arena, 1 << 16, 64 << 20);
	diagnostics_init(&diagnostics, &arena);
	struct script_source *source = script_read(&options, NULL, &arena, &diagnostics);
	const struct image *image = source ? script_build(source, NULL, &diagnostics) : NULL;
	struct writer w = writer_in_arena(&arena, 4096);
	diagnostics_write(&diagnostics, &w);
	if (image) {
		image_dump(image, &w);
		image_free(image);
	}
	arena_free(&arena);
	return 0;
}
