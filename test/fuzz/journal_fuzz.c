/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of bindings: any bytes are read to their end without harm, and every record that is
 * found encodes to what was read. */
#include "test/fuzz/fuzz.h"

#include "modules/usrloc/journal_format.c"

static char copy[JOURNAL_RECORD_MOST];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = span_make((const char *)data, size);
	struct journal_record record;
	uint64_t generation;
	const char *error;
	size_t at = 0, skipped = 0, used = 0;
	(void)journal_header_read(bytes, &generation, &error);
	while (journal_decode(bytes, &at, &record, &skipped) == JOURNAL_RECORD) {
		size_t written = journal_encode(&record, copy, sizeof(copy));
		used += at - record.at;
		if (written && written != at - record.at)
			abort();
	}
	/* What is neither are zeros, which nobody has written to. */
	if (at != size || used + skipped > size)
		abort();
	/* What the fuzzer cannot guess, checksums, is added, so that the fields are read too. */
	if (size >= FIXED_BYTES && size <= sizeof(copy)) {
		struct record_head head = { .magic = RECORD_MAGIC,
					    .size = (uint32_t)size,
					    .check = hash_stable(data + sizeof(head),
								 size - sizeof(head)) };
		memcpy(copy, data, size);
		memcpy(copy, &head, sizeof(head));
		at = 0;
		(void)journal_decode(span_make(copy, size), &at, &record, &skipped);
	}
	return 0;
}
