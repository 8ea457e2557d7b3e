/* SPDX-License-Identifier: BSD-2-Clause */
/* The lists by which nodes tell whom they know: any bytes are read to their end without harm, and a node
 * that is found is the same one when it is told on. */
#include "test/fuzz/fuzz.h"

#include "modules/dmq/list.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span list = span_make((const char *)data, size), rest = list;
	struct node_entry entry, again;
	unsigned skipped = 0;
	while (node_list_next(&rest, &entry, &skipped)) {
		char text[512];
		struct writer w = writer_fixed(text, sizeof(text));
		must_be_inside(entry.host, list);
		must(entry.status < NODE_STATUS_COUNT);
		node_entry_write_line(&w, &entry);
		must(!w.failed && node_entry_parse(writer_result(&w), &again));
		must(node_entry_equal(&entry, &again) && again.status == entry.status);
		must(node_entry_hash(&entry) == node_entry_hash(&again));
	}
	return 0;
}
