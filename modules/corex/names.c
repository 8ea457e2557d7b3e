/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of names at start (dns_cache, dns_file), instead of what DNS says. */
#include <stdio.h>

#include "core/net/own_records.h"
#include "modules/corex/corex.h"

#define RECORDS_MOST 256
#define LINE_MOST    1024

static struct {
	struct own_record records[RECORDS_MOST];
	unsigned count;
	struct span file; /* absent: none */
} state;

const char *names_add(struct span text, int64_t number)
{
	(void)number;
	if (state.count == RECORDS_MOST)
		return "takes at most 256 records; put them into a file (dns_file)";
	const char *wrong = own_record_parse(text, &state.records[state.count]);
	state.count += !wrong;
	return wrong;
}

const char *names_add_file(struct span text, int64_t number)
{
	(void)number;
	state.file = text;
	return text.len ? NULL : "expects the path of a file";
}

/* NULL, or what is wrong with the line. */
static const char *take_line(struct span line)
{
	struct own_record record;
	line = span_trim(line);
	if (!line.len || line.at[0] == '#')
		return NULL;
	const char *wrong = own_record_parse(line, &record);
	if (!wrong && !own_record_add(&record))
		wrong = "no shared memory for it, or the name has 16 records already";
	return wrong;
}

static bool read_file(struct diagnostics *diagnostics)
{
	const struct source_position at = module_setting_position("corex", "dns_file");
	const char *path = arena_string(startup_arena(), state.file);
	FILE *file = path ? fopen(path, "re") : NULL;
	char line[LINE_MOST];
	bool is_right = true;
	if (!file) {
		diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-file", at,
			       "dns_file: %.*s cannot be read: %m", SPAN_ARGS(state.file));
		return false;
	}
	for (unsigned number = 1; fgets(line, sizeof(line), file); number++) {
		const char *wrong = take_line(span_from(line));
		if (wrong)
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-file", at,
				       "dns_file: %.*s:%u: %s", SPAN_ARGS(state.file), number,
				       wrong);
		is_right = is_right && !wrong;
	}
	fclose(file);
	return is_right;
}

bool names_prepare(struct diagnostics *diagnostics)
{
	for (unsigned i = 0; i < state.count; i++)
		if (!own_record_add(&state.records[i])) {
			diagnostic_add(
				diagnostics, SEVERITY_ERROR, "no-memory",
				module_setting_position("corex", "dns_cache"),
				"dns_cache: no shared memory for a record of %.*s, or it has 16 already",
				SPAN_ARGS(state.records[i].name));
			return false;
		}
	return !state.file.at || read_file(diagnostics);
}
