/* SPDX-License-Identifier: BSD-2-Clause */
/* Headers of load balancers: what is accepted lies within the bytes, and does not depend on how they arrive. */
#include "parser/proxy_protocol.h"
#include "test/fuzz/fuzz.h"

#define ALL_FORMS (PROXY_HAPROXY | PROXY_SIMPLE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = { (const char *)data, size };
	struct proxy_header header, again;
	enum parse_result result = proxy_header_parse(bytes, ALL_FORMS, &header);

	must(result == PARSE_BAD || size == 0 || result == PARSE_MORE ||
	     proxy_header_begins(bytes, ALL_FORMS));
	if (result != PARSE_OK)
		return 0;
	must(header.len > 0 && header.len <= size);
	must(!header.has_addresses || header.source.is_ipv6 == header.destination.is_ipv6 ||
	     header.form == PROXY_SIMPLE);
	must(proxy_header_parse(span_slice(bytes, 0, header.len), header.form, &again) ==
		     PARSE_OK &&
	     again.len == header.len);
	for (size_t have = 0; have < header.len; have++)
		must(proxy_header_parse(span_slice(bytes, 0, have), ALL_FORMS, &again) ==
		     PARSE_MORE);
	return 0;
}
