/* SPDX-License-Identifier: BSD-2-Clause */
/* The parameter by which uac finds the other From or To: any value is read without harm, and one that was made
 * of two URIs leads from each to the other. The first line is the value, the second a URI, the third another. */
#include "test/fuzz/fuzz.h"

#include "modules/uac/parameter.c"
#include "parser/uri.h"

static const struct uac_settings fixed = { .restore_passwd = SPAN("secret") };
const struct uac_settings *const uac_settings = &fixed;

static void check_pair(struct arena *arena, struct span one, struct span other)
{
	struct sip_uri parsed;
	struct span name = SPAN_OF("vsf");
	if (!uri_parse(one, &parsed) || !uri_parse(other, &parsed) ||
	    span_find(one, '\0', 0) < one.len || span_find(other, '\0', 0) < other.len)
		return;
	struct span text = parameter_make(arena, name, one, other);
	must(text.at && span_starts_with(text, SPAN_OF(";vsf=")));
	struct span value = span_slice(text, 5, text.len);
	must(span_equal(parameter_apply(arena, value, one), other));
	must(span_equal(parameter_apply(arena, value, other), one));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct span rest = { (const char *)data, size }, value = rest, one = { NULL, 0 };
	struct sip_uri parsed;
	span_split(&rest, '\n', &value);
	span_split(&rest, '\n', &one);
	arena_init(&arena, 16384, 1 << 22);
	if (one.at) {
		struct span found = parameter_apply(&arena, value, one);
		must(!found.at || uri_parse(found, &parsed));
	}
	if (one.at && rest.at)
		check_pair(&arena, one, rest);
	arena_free(&arena);
	return 0;
}
