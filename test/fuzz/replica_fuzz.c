/* SPDX-License-Identifier: BSD-2-Clause */
/* What servers tell each other about items of tables: any body is read without harm, and what was read is
 * read again from what is written of it. */
#include "test/fuzz/fuzz.h"

#include "modules/htable/replica_format.c"

static struct arena arena;

static void must_be_same(const struct value *a, const struct value *b)
{
	must(a->kind == b->kind);
	must(a->kind == VALUE_INT ? a->number == b->number : span_equal(a->text, b->text));
}

/* Bytes that are not UTF-8 are told as characters, so only what was told once stays the same. */
static struct span tell_change(const struct replica_change *change)
{
	struct writer w = writer_in_arena(&arena, 256);
	replica_write(&w, change);
	must(!w.failed);
	return writer_result(&w);
}

static void check_change(const struct replica_change *change)
{
	struct replica_change once, twice;
	const struct json_value *row;
	must(replica_read(tell_change(change), &arena, &once, &row) == REPLICA_CHANGE);
	must(replica_read(tell_change(&once), &arena, &twice, &row) == REPLICA_CHANGE);
	must(once.action == change->action && twice.action == once.action);
	must(span_equal(once.table, twice.table) && span_equal(once.key, twice.key));
	if (once.action == REPLICA_SET)
		must_be_same(&once.value, &twice.value);
}

static void check_items(const struct json_value *row)
{
	struct writer w = writer_in_arena(&arena, 1024);
	struct replica_item item;
	struct replica_change unused;
	const struct json_value *again;
	unsigned count = 0;
	writer_literal(&w, REPLICA_LIST_OPEN);
	for (; row; row = row->next) {
		if (!replica_read_item(row, &item))
			continue;
		if (count++)
			writer_char(&w, ',');
		replica_write_item(&w, &item);
	}
	writer_literal(&w, REPLICA_LIST_CLOSE);
	must(!w.failed &&
	     replica_read(writer_result(&w), &arena, &unused, &again) == REPLICA_ITEMS);
	for (; again; again = again->next, count--)
		must(replica_read_item(again, &item));
	must(count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replica_change change;
	const struct json_value *row = NULL;
	arena_init(&arena, 1 << 16, 1 << 26);
	switch (replica_read(span_make((const char *)data, size), &arena, &change, &row)) {
	case REPLICA_BAD: break;
	case REPLICA_CHANGE: check_change(&change); break;
	case REPLICA_ITEMS: check_items(row); break;
	}
	arena_free(&arena);
	return 0;
}
