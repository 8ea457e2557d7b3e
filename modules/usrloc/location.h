/* SPDX-License-Identifier: BSD-2-Clause */
/* location: the store behind usrloc: bindings in shards, found by the hash of domain and
 * address-of-record, expired by their shard's wheel. */
#pragma once

#include "modules/usrloc/usrloc_api.h"

enum matching_mode { MATCH_CONTACT, MATCH_CONTACT_CALL_ID, MATCH_CONTACT_PATH, MATCH_CALL_ID };

struct location_options {
	enum matching_mode matching;
	int64_t cseq_delay_s;
	bool by_time;
	uint32_t server_id;
};

/* Reserves shared memory; before the first fork. */
[[nodiscard]] bool location_prepare(const struct location_options *options);
unsigned location_domain(struct span name);
/* Gives a domain its statistics; before the first fork. */
void location_count_domain(unsigned domain);
/* The number of a domain that exists, or USRLOC_NO_DOMAIN. */
unsigned location_domain_find(struct span name);
unsigned location_domain_count(void);
struct span location_domain_name(unsigned domain);

unsigned location_get(unsigned domain, struct span aor, struct arena *arena, struct usrloc_contact **out_contacts);
enum usrloc_result location_apply(unsigned domain, struct span aor, const struct usrloc_change *changes,
	unsigned count, unsigned max_contacts, bool only_these, struct usrloc_outcome *out_outcome);
bool location_get_ruid(unsigned domain, uint64_t hash, struct span ruid, struct arena *arena,
	struct usrloc_contact *out_contact);
unsigned location_remove(unsigned domain, struct span aor, struct span ruid);
/* Copies one shard's bindings of a domain, ordered by address-of-record; 0 when it has none. */
unsigned location_shard_count(void);
unsigned location_copy_shard(unsigned domain, unsigned shard, struct arena *arena,
	struct usrloc_contact **out_contacts);
/* The number that ul.dump shows for an address-of-record. */
uint32_t location_hash_id(unsigned domain, struct span aor);
/* Removes what expired in the shards of this worker, at most `most`, and copies it. */
unsigned location_expire(struct arena *arena, struct usrloc_contact *out_contacts, unsigned most);
