/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/rpc/jsonrpc.h"
#include "test/fuzz/fuzz.h"

/* An answer is JSON itself. */
static void must_be_json(struct span text, struct arena *arena)
{
	const char *error;
	size_t at;
	must(json_parse(text, arena, &error, &at) != NULL);
}

static void run_echo(struct rpc_call *call)
{
	struct span text;
	for (unsigned i = 0; i < rpc_arg_count(call); i++)
		if (rpc_arg_text(call, i, &text))
			rpc_add_text(call, NULL, NULL, text);
}

static const struct rpc_command commands[] = { { "e", run_echo, "", NULL, true } };
static const struct rpc_table command_table = { commands, 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct jsonrpc_document document;
	struct jsonrpc_answer answer;
	struct arena arena;
	size_t len = 0;

	if (!rpc_command_count())
		(void)rpc_register(&command_table);
	if (json_extent(text, &len) == JSON_WHOLE)
		must(len > 0 && len <= size);
	arena_init(&arena, 4096, 1u << 26);
	jsonrpc_read(text, &arena, &document);
	must(document.root || document.error_at <= size + 1);
	for (unsigned is_pretty = 0; is_pretty < 2; is_pretty++) {
		jsonrpc_run(&document, is_pretty, &arena, &answer);
		if (answer.body.at)
			must_be_json(answer.body, &arena);
	}
	arena_free(&arena);
	return 0;
}
