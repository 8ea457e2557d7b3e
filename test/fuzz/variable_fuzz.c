/* SPDX-License-Identifier: BSD-2-Clause */
/* Any text as a template: compiled, expanded over a message, each variable in it assigned. */
#include <stddef.h>
#include <stdint.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/script/core_rows.h"
#include "core/script/script.h"
#include "core/script/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char invite[] =
	"INVITE sip:bob@example.com;p=1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n"
	"From: \"A\" <sip:a@b>;tag=1\r\nTo: sip:c@d\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n"
	"Contact: <sip:a@h>;expires=5, <sip:b@h>\r\nRoute: <sip:r;lr>\r\nX-One: 1\r\n\r\nbody";

static void assign(struct script_run *run, const struct text_template *t)
{
	static const struct value values[] = {
		{ .kind = VALUE_NULL }, { .kind = VALUE_INT, .number = -7 }, { .kind = VALUE_TEXT, .text = SPAN("sip:x@y") },
	};
	for (unsigned i = 0; i < t->count; i++)
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++)
			if (t->parts[i].variable && variable_is_writable(t->parts[i].variable))
				variable_write(run, t->parts[i].variable, &values[k]);
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
	struct arena arena;
	arena_init(&arena, 16384, 4 << 20);
	struct received from = { 0 };
	const char *reason;
	struct span bytes = arena_copy(&arena, span_from(invite)), error;
	struct message *msg = message_parse(&arena, bytes, &from, &reason);
	struct script_run run;
	const struct text_template *t =
		template_compile_runtime(span_make((const char *)data, size), &arena, &error);
	if (msg && t && script_run_init(&run, msg, ROUTE_REQUEST, NULL)) {
		for (int round = 0; round < 2; round++) {
			struct writer w = writer_in_arena(&arena, 256);
			template_write(&run, t, &w);
			assign(&run, t);
		}
		if (!message_apply_edits(msg))
			error = SPAN_OF("refused");
	}
	variable_reference_length(span_make((const char *)data, size), &reason);
	arena_free(&arena);
	return 0;
}
