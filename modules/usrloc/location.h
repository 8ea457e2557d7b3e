/* SPDX-License-Identifier: BSD-2-Clause */
/* location: the store behind usrloc: bindings in shards, found by the hash of domain and
 * address-of-record, expired by their shard's wheel. Calls take one shard's lock. */
#pragma once

#include "modules/usrloc/binding.h"

enum matching_mode { MATCH_CONTACT, MATCH_CONTACT_CALL_ID, MATCH_CONTACT_PATH, MATCH_CALL_ID };

struct location_options {
	enum matching_mode matching;
	int64_t cseq_delay_s;
	bool by_time;
	bool keeps_rows; /* removed bindings stay until their database row is deleted */
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

unsigned location_get(unsigned domain, struct span aor, struct arena *arena,
		      struct usrloc_contact **out_contacts);
enum usrloc_result location_apply(unsigned domain, struct span aor,
				  const struct usrloc_change *changes, unsigned count,
				  unsigned max_contacts, bool only_these,
				  struct usrloc_outcome *out_outcome);
unsigned location_get_with_expired(unsigned domain, struct span aor, struct arena *arena,
				   struct usrloc_contact **out_contacts);
unsigned location_get_hash(unsigned domain, uint64_t hash, struct arena *arena,
			   struct usrloc_contact **out_contacts);
unsigned location_remove(unsigned domain, struct span aor, struct span ruid);
/* The number that ul.dump shows for an address-of-record. */
uint32_t location_hash_id(unsigned domain, struct span aor);
void location_foresee(unsigned domain, struct span aor);
struct shard_set *location_set(void);

/* ---- restore.c: what journal and database say ---- */
/* Puts back a binding unless its ruid is there already. `state` tells of its row; BINDING_GONE: only
 * the row is left to be deleted. False when memory is out. */
bool location_restore(unsigned domain, const struct usrloc_contact *contact,
		      enum binding_state state);
/* A row of the database, after the journal was read: the one that was modified last counts. */
bool location_restore_row(unsigned domain, const struct usrloc_contact *row);
void location_restore_attributes(unsigned domain, struct span aor, struct span ruid,
				 struct span attributes);
/* The store as a copy of the database for one address-of-record: begin, each row, end. What waits to
 * be written stays. */
void location_refresh_begin(unsigned domain, struct span aor);
void location_refresh_row(unsigned domain, const struct usrloc_contact *row);
void location_refresh_end(unsigned domain, struct span aor);

/* A contact answered a keepalive: its binding by hash and ruid. */
bool location_is_alive(unsigned domain, uint64_t hash, struct span ruid);
/* The same with how long that took. */
bool location_answered(uint64_t hash, struct span ruid, uint32_t roundtrip_us);
/* It has so many seconds left at most. */
void location_end_soon(uint64_t hash, struct span ruid, int64_t seconds);

/* ---- report.c ---- */
unsigned location_shard_count(void);
/* Copies one shard's bindings of a domain, ordered by address-of-record; 0 when it has none. */
unsigned location_copy_shard(unsigned domain, unsigned shard, struct arena *arena,
			     struct usrloc_contact **out_contacts);
/* Removes what expired in the shards of this worker, at most `most`, and copies it. Fewer than `most`:
 * no more is due. */
unsigned location_expire(struct arena *arena, struct usrloc_contact *out_contacts, unsigned most);

/* ---- for the files of the store ---- */
/* Older than all others of an address-of-record. */
uint32_t location_next_order(struct binding *const *found, unsigned count);
/* Live bindings of an address-of-record, at most USRLOC_CONTACTS_MOST; lock held. */
unsigned location_collect(struct shard *shard, const struct binding_owner *owner,
			  struct binding **out_bindings);
/* The binding with this hash and ruid, also when it is BINDING_GONE; lock held. */
struct binding *location_find_ruid(struct shard *shard, uint64_t hash, struct span ruid);
/* Takes a binding out of service: frees it, or keeps it as BINDING_GONE while its row must be
 * deleted; lock held. */
void location_drop(struct shard *shard, struct binding *binding);
void location_count_users(unsigned domain, unsigned before, unsigned after);
void location_count_expired(unsigned domain);
