/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text through every transformation; the first line of the input is the arguments. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/script/core_rows.h"
#include "core/script/pattern.h"
#include "core/script/registry.h"
#include "core/script/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char invite[] =
	"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
	"From: <sip:a@b>;tag=1\r\nTo: sip:c@d\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n\r\n";

/* Both engines agree on whether there is a match. */
static void compare_patterns(struct arena *arena, struct span expression, struct span subject)
{
	struct span error;
	struct pattern_match group[1];
	for (unsigned flags = 0; flags < 8; flags++) {
		const struct pattern *p =
			flags & PATTERN_PCRE ? NULL
					     : pattern_compile(expression, flags, arena, &error);
		if (p && !memchr(subject.at, 0, subject.len) &&
		    pattern_search(p, subject, 0, NULL, 0) !=
			    pattern_search(p, subject, 0, group, 1))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_ready;
	if (!is_ready) {
		hash_init();
		core_rows_register();
		log_set_threshold(LOG_LEVEL_ALERT - 1);
		is_ready = true;
	}
	if (size > 4096)
		return 0;
	struct span rest = span_make((const char *)data, size), args[2] = { SPAN(""), SPAN("") },
		    line;
	if (span_split(&rest, '\n', &line)) {
		size_t comma = span_find(line, ',', 0);
		args[0] = span_slice(line, 0, comma);
		args[1] = span_slice(line, comma + 1, line.len);
	}
	if (!rest.at)
		rest = SPAN_OF("");
	struct arena arena;
	struct received from = { 0 };
	const char *reason;
	arena_init(&arena, 16384, 4 << 20);
	/* Replacements may hold variables, so there is a message. */
	struct message *msg =
		message_parse(&arena, arena_copy(&arena, span_from(invite)), &from, &reason);
	struct script_run run;
	if (!msg || !script_run_init(&run, msg, ROUTE_REQUEST, NULL))
		abort();
	const struct transform_row *row;
	for (unsigned i = 0; (row = script_transform_at(i, NULL)); i++) {
		if (!row->apply)
			continue;
		unsigned count = row->max_args > 2 ? 2 : row->max_args;
		if (row->raw_args)
			args[0] = line.at ? line : SPAN_OF("");
		struct value value = VALUE_OF_TEXT(rest);
		if (!row->check || !row->check(args, count))
			row->apply(&run, &value, args, count, row->selector);
		if (row->raw_args)
			args[0] = span_slice(line, 0, span_find(line, ',', 0));
	}
	compare_patterns(&arena, line.at ? line : SPAN_OF(""), rest);
	arena_free(&arena);
	return 0;
}
