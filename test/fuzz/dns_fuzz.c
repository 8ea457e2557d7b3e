/* SPDX-License-Identifier: BSD-2-Clause */
/* SRV and NAPTR records of a DNS answer. */
#include "core/net/dns_records.h"
#include "test/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_services services;
	struct dns_pointers pointers;
	int64_t ttl_s;
	struct span answer = span_make((const char *)data, size);
	dns_read_services(answer, &services, &ttl_s);
	dns_order_services(&services, true);
	dns_read_pointers(answer, &pointers, &ttl_s);
	return 0;
}
