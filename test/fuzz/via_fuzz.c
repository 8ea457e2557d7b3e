/* SPDX-License-Identifier: BSD-2-Clause */
#include "parser/via.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size }, rest = text;
	struct sip_via via, again;
	struct param param;

	while (via_next(&rest, &via) == LIST_ITEM) {
		must(via.host.len > 0 && via.transport_text.len > 0);
		must_be_inside(via.whole, text);
		must_be_inside(via.hostport, via.whole);
		must_be_inside(via.params, via.whole);
		must_be_inside(via.branch, via.whole);
		must_be_inside(via.received, via.params);
		must_be_inside(via_version(&via), via.whole);
		must_be_inside(via.rport_whole, via.params);
		touch(via.whole);
		must(!via.branch.at || via_param(&via, SPAN_OF("branch"), &param));
		must(via.rport == RPORT_ABSENT || via_param(&via, SPAN_OF("rport"), &param));
		must(via_parse(via.whole, &again) && span_equal(again.branch, via.branch) &&
		     again.port == via.port);
		(void)via_port(&via);
		(void)via_has_cookie(&via);
	}
	return 0;
}
