/* SPDX-License-Identifier: BSD-2-Clause */
/* own_records: what the administrator says of names (corex: dns_cache; dns.add_a …), shared by all
 * processes and stronger than what DNS says. Names are compared without case. */
#pragma once

#include "core/base/writer.h"
#include "core/net/address.h"
#include "core/net/dns_records.h"

enum own_kind { OWN_A, OWN_AAAA, OWN_SRV };

struct own_record {
	enum own_kind kind;
	bool is_permanent; /* holds until it is removed by force */
	bool is_negative;  /* there is no such name */
	struct span name;
	int64_t ttl_s;
	struct end_point address;   /* A, AAAA */
	struct dns_service service; /* SRV */
};

/* Before the first fork; false when shared memory is out. */
[[nodiscard]] bool own_records_prepare(void);
/* Fills the record from the text of an address, or of a target; false: it is none. */
[[nodiscard]] bool own_record_set_target(struct own_record *record, struct span text);
/* "type=A;name=example.org;addr=192.0.2.1;ttl=60;flags=2", for SRV also port, priority, weight. NULL, or a
 * sentence that says what is wrong. `text` is borrowed by the record. */
const char *own_record_parse(struct span text, struct own_record *out);
/* Adds one more record of the name; a negative one replaces the others of its kind, and is replaced by
 * them, unless they are permanent. False: it cannot, or shared memory is out. */
[[nodiscard]] bool own_record_add(const struct own_record *record);

enum own_removal { OWN_REMOVED, OWN_MISSING, OWN_PERMANENT };
enum own_removal own_record_remove(enum own_kind kind, struct span name);
/* Removes all; permanent ones only by force. */
void own_records_clear(bool by_force);

/* What is said of a name; false: nothing. Records of a kind come in the order in which they were added. */
struct own_answer {
	unsigned count; /* 0: it does not exist */
	int64_t expires_ms;
	bool is_permanent;
	union {
		struct end_point addresses[DNS_RECORDS_MOST];
		struct dns_service services[DNS_RECORDS_MOST];
	};
};
bool own_record_find(enum own_kind kind, struct span name, struct own_answer *out);
/* Every kind of every name, one after the other: *cursor = 0 at first; false ends. `out_name` has room for
 * DNS_NAME_MOST + 1 bytes. */
bool own_records_each(uint32_t *cursor, enum own_kind *out_kind, char *out_name,
		      struct own_answer *out);
