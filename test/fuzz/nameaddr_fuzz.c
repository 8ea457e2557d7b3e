/* SPDX-License-Identifier: BSD-2-Clause */
#include "parser/name_addr.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, rest = text;
	struct name_addr address, again;
	struct contact_params params;
	struct param param;
	struct arena arena;

	arena_init(&arena, 65536, 1 << 24);
	while (name_addr_next(&rest, &address) == LIST_ITEM) {
		must_be_inside(address.whole, text);
		must_be_inside(address.uri, address.whole);
		must_be_inside(address.display, address.whole);
		must_be_inside(address.params, address.whole);
		must_be_inside(address.tag, address.whole);
		must(address.is_star == !address.uri.at);
		must(name_addr_parse(address.whole, &again) && span_equal(again.uri, address.uri));
		must(!address.tag.at || name_addr_param(&address, SPAN_OF("tag"), &param));
		touch(name_addr_display(&address, &arena));
		if (contact_params_parse(&address, &params))
			must(params.q >= CONTACT_NO_Q && params.q <= 1000);
	}
	arena_free(&arena);
	return 0;
}
