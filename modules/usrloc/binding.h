/* SPDX-License-Identifier: BSD-2-Clause */
/* binding: the record of one contact in shared memory. A slot is one binding; its texts are one
 * block of its region. Bindings of one address-of-record share their hash, so no other index is
 * needed. All calls with the shard's lock held unless said otherwise. */
#pragma once

#include "modules/usrloc/usrloc_api.h"

#define USRLOC_DOMAINS_MOST 16
#define USRLOC_NO_SOCKET    UINT16_MAX

enum binding_text {
	TEXT_AOR,
	TEXT_CONTACT,
	TEXT_RECEIVED,
	TEXT_PATH,
	TEXT_CALL_ID,
	TEXT_USER_AGENT, /* only when it could not be shared (agents.h) */
	TEXT_INSTANCE,
	TEXT_RUID,
	TEXT_ATTRIBUTES,
	TEXT_COUNT
};

/* How the database row of a binding stands. */
enum binding_state {
	BINDING_NEW,   /* no row yet */
	BINDING_SYNC,  /* the row says the same */
	BINDING_DIRTY, /* the row is older */
	BINDING_GONE,  /* removed; kept until its row is deleted; invisible to everybody else */
};

enum { TIMER_EXPIRY, BINDING_TIMERS };

struct binding {
	struct slot slot;
	char *texts; /* one block: all texts, one after the other */
	uint16_t lengths[TEXT_COUNT];
	uint16_t socket; /* listener's index */
	uint16_t agent;  /* shared text + 1, 0: none */
	int16_t q;
	uint8_t domain;
	uint8_t state;       /* enum binding_state */
	bool memory_only;    /* save() asked for no row */
	bool is_doubted;     /* db-only mode: the row was not seen again yet */
	uint32_t modified_s; /* wall clock */
	int64_t expires_ms;  /* monotonic; INT64_MAX: never */
	uint32_t cseq, flags, cflags, methods, reg_id, server_id, connection;
	uint32_t order;       /* age among the bindings of the address-of-record */
	uint32_t version;     /* grows with every change */
	uint32_t call_since;  /* version at which the present Call-ID came */
	uint32_t keepalive_s; /* wall clock of the last answer to a keepalive */
	uint32_t roundtrip_us;
	uint32_t
		writer; /* who writes its row now: incarnation and number of the process, 0: nobody */
};

extern const struct shard_type binding_type;

/* Tells how bindings are made: before the first fork. False when shared memory is out. */
[[nodiscard]] bool bindings_prepare(uint32_t server_id);

/* Expired bindings stay that long before they are cleared away; before the first fork. */
void bindings_linger(int64_t linger_ms);
/* In each process after the fork. */
void bindings_start_worker(void);
/* When an expired binding is cleared away; INT64_MAX: never. */
int64_t binding_cleared_ms(const struct binding *binding);

uint64_t binding_hash(unsigned domain, struct span aor);
/* Whose bindings are meant: an address-of-record of a domain, and the hash of both. */
struct binding_owner {
	unsigned domain;
	struct span aor;
	uint64_t hash;
};
static inline struct binding_owner binding_owner(unsigned domain, struct span aor)
{
	return (struct binding_owner){ domain, aor, binding_hash(domain, aor) };
}
struct span binding_text(const struct binding *binding, enum binding_text which);
struct span binding_user_agent(const struct binding *binding);
bool binding_is_of(const struct binding *binding, const struct binding_owner *owner);
/* Its time has come, or it was removed. */
bool binding_is_over(const struct binding *binding);

/* A new live binding; made from `contact`, whose ruid, version, modified time, server_id are kept
 * when they are set. NULL when memory is out. */
struct binding *binding_insert(struct shard *shard, const struct binding_owner *owner,
			       const struct usrloc_contact *contact, uint32_t order);
/* False when memory is out; nothing changed then. */
bool binding_update(struct shard *shard, struct binding *binding,
		    const struct usrloc_contact *contact);
/* It has so many seconds left at most. */
void binding_end_soon(struct shard *shard, struct binding *binding, int64_t seconds);
/* Replaces the attributes alone. */
bool binding_set_attributes(struct shard *shard, struct binding *binding, struct span attributes);
/* Copies it into the arena; false when that is full. */
bool binding_copy(const struct binding *binding, struct arena *arena, struct usrloc_contact *out);
