/* SPDX-License-Identifier: BSD-2-Clause */
/* What servers tell each other about bindings: any body is read without harm, and what was read is read again
 * from what is written of it. */
#include "test/fuzz/fuzz.h"

#include "modules/dmq_usrloc/format.c"

static struct arena arena;

static void check_row(const struct json_value *object)
{
	enum location_action action, again_action;
	struct location_row row, again;
	const struct json_value *first;
	struct writer w = writer_in_arena(&arena, 1024);
	if (!location_read_row(object, &action, &row) || action == LOCATION_NOTHING ||
	    action == LOCATION_SYNC)
		return;
	must(row.contact.aor.len && row.contact.contact.len);
	location_write(&w, action, &row);
	must(!w.failed);
	must(location_read(writer_result(&w), &arena, &first) == LOCATION_ONE);
	must(location_read_row(first, &again_action, &again) && again_action == action);
	must(again.expires_wall_s == row.expires_wall_s && again.contact.q == row.contact.q &&
	     again.contact.cseq == row.contact.cseq &&
	     again.contact.methods == row.contact.methods);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct json_value *object = NULL;
	arena_init(&arena, 1 << 16, 1 << 26);
	enum location_kind kind =
		location_read(span_make((const char *)data, size), &arena, &object);
	if (kind == LOCATION_ONE)
		check_row(object);
	for (; kind == LOCATION_MANY && object; object = object->next)
		check_row(object);
	arena_free(&arena);
	return 0;
}
