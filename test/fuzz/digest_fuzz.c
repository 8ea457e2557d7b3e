/* SPDX-License-Identifier: BSD-2-Clause */
#include "parser/digest.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	struct auth_params params;
	struct arena arena;

	if (!auth_parse(text, &params))
		return 0;
	const struct span *const parts[] = {
		&params.scheme_text, &params.rest, &params.username, &params.realm, &params.nonce, &params.uri,
		&params.response, &params.cnonce, &params.opaque, &params.qop_text, &params.nc_text,
		&params.algorithm_text, &params.domain, &params.auts, &params.username_star,
	};
	arena_init(&arena, 4096, 1 << 22);
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		must_be_inside(*parts[i], text);
		touch(quoted_unescape(&arena, *parts[i]));
	}
	if (auth_is_complete(&params))
		must(params.username.len && params.nonce.len && params.response.len &&
		     params.uri.len);
	(void)auth_is_challenge(&params);
	arena_free(&arena);
	return 0;
}
