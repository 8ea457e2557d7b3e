/* SPDX-License-Identifier: BSD-2-Clause */
/* dns_records: SRV and NAPTR records out of the bytes of a DNS answer (RFC 1035 4, 2782, 3403). libc's
 * ns_parserr reads the message, because c-ares 1.18 loses the TTLs of these records. */
#pragma once

#include "core/base/span.h"

#define DNS_RECORDS_MOST 16
#define DNS_NAME_MOST    255
#define DNS_TTL_MOST_S   86400

struct dns_service { /* one SRV record */
	uint16_t priority, weight, port;
	uint16_t target_len;
	char target[DNS_NAME_MOST + 1];
};
struct dns_services {
	struct dns_service services[DNS_RECORDS_MOST];
	unsigned count;
};

struct dns_pointer { /* one NAPTR record with the flag "s" and no regular expression */
	uint16_t order, preference;
	uint8_t service_len, replacement_len;
	char service[32]; /* "SIP+D2U" */
	char replacement[DNS_NAME_MOST + 1];
};
struct dns_pointers {
	struct dns_pointer pointers[DNS_RECORDS_MOST];
	unsigned count;
};

/* Reads what the answer section has of them, in its order; records that are malformed or of no use are
 * left out. `*out_ttl_s` is the shortest time to live, DNS_TTL_MOST_S when there is no record. */
void dns_read_services(struct span answer, struct dns_services *out_services, int64_t *out_ttl_s);
void dns_read_pointers(struct span answer, struct dns_pointers *out_pointers, int64_t *out_ttl_s);

/* Puts them into the order to be tried (RFC 2782): lower priorities first; among equals each is drawn
 * with a chance that follows its weight or, without `draws`, the heaviest comes first. */
void dns_order_services(struct dns_services *all, bool draws);
