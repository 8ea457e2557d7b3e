/* SPDX-License-Identifier: BSD-2-Clause */
/* usrloc's interface for other modules ("usrloc", version 1): the location service of RFC 3261 10.
 * A binding is one contact of an address-of-record in a domain (the table name of save() and
 * lookup()). Callers get copies; nothing of the shared store leaves this module. */
#pragma once

#include "core/module/module.h"

#define USRLOC_API_VERSION   1
#define USRLOC_CONTACTS_MOST 256 /* bindings of one address-of-record */

/* A copy of a binding; the texts live in the arena that the caller gave. */
struct usrloc_contact {
	struct span aor;
	struct span contact;  /* the URI */
	struct span received; /* absent when there is none; likewise the following */
	struct span path;     /* "<sip:a;lr>,<sip:b;lr>" */
	struct span call_id;
	struct span user_agent;
	struct span instance;   /* with angle brackets */
	struct span ruid;       /* names the binding; made by usrloc when absent */
	struct span attributes; /* xavp_contact, in the form that attributes_of_contact wrote */
	const struct listener *socket;
	int64_t expires_s; /* seconds from now; USRLOC_PERMANENT: never */
	int64_t modified_wall_s;
	int32_t q; /* thousandths or Q_UNSPECIFIED */
	uint32_t cseq;
	uint32_t flags, cflags; /* flags of this module, and the branch flags of the REGISTER */
	uint32_t methods;       /* METHOD_* mask; USRLOC_ANY_METHOD: not told */
	uint32_t reg_id;
	uint32_t server_id;
	uint32_t connection;
	bool memory_only; /* save() flag 0x01: no database row */
	uint32_t version; /* grows with every change */
	/* Only in what usrloc gives, not in what it takes: */
	uint32_t call_since;      /* the version with which the present Call-ID came */
	uint8_t state;            /* of its database row: enum binding_state */
	int64_t keepalive_wall_s; /* last answer to a keepalive, or registration */
	uint32_t roundtrip_us;
	struct span domain; /* lives as long as the server */
	unsigned domain_number;
	uint64_t hash; /* of domain and address-of-record, for get_hash */
};
#define USRLOC_PERMANENT  INT64_MAX
#define USRLOC_ANY_METHOD UINT32_MAX

/* One thing that a REGISTER asks for. */
struct usrloc_change {
	struct usrloc_contact
		contact; /* matched by instance and reg-id, else as matching_mode says */
	bool remove;
};

enum usrloc_result {
	USRLOC_OK,
	USRLOC_BAD_CSEQ, /* older than what is stored for the same Call-ID (RFC 3261 10.3, 7.) */
	USRLOC_TOO_MANY,
	USRLOC_NO_MEMORY,
	USRLOC_NO_DATABASE, /* db_mode 3: it was not reachable */
};

struct usrloc_outcome {
	struct arena
		*arena; /* the caller's: all live bindings are copied there; NULL: they are not */
	unsigned inserted, updated, removed;
	unsigned count; /* as get() would give them afterwards */
	struct usrloc_contact *contacts;
};

enum usrloc_event { USRLOC_INSERTED, USRLOC_UPDATED, USRLOC_REMOVED };
/* A binding was changed by a REGISTER or a command (not: it expired); the copy is borrowed for the call. */
typedef void (*usrloc_observer)(enum usrloc_event event, unsigned domain,
				const struct usrloc_contact *contact);

struct usrloc_api {
	/* The number of a domain; made when it is new. USRLOC_NO_DOMAIN when there are too many. */
	unsigned (*domain)(struct span name);
	/* All live bindings, best first (q, then age); 0 when there is none or memory is exhausted. */
	unsigned (*get)(unsigned domain, struct span aor, struct arena *arena,
			struct usrloc_contact **out_contacts);
	/* Applies all changes or none (RFC 3261 10.3). `max_contacts` 0: no limit. `only_these`: other
	 * bindings of the address-of-record are removed. The outcome comes with `arena` set or empty, and
	 * is written on success. */
	enum usrloc_result (*apply)(unsigned domain, struct span aor,
				    const struct usrloc_change *changes, unsigned count,
				    unsigned max_contacts, bool only_these,
				    struct usrloc_outcome *out_outcome);
	/* Removes every binding of the address-of-record, or with a ruid only that; returns how many. */
	unsigned (*remove)(unsigned domain, struct span aor, struct span ruid);
	bool (*uses_domain)(void); /* use_domain: keys are user@domain */
	bool (*by_time)(void);     /* desc_time_order */
	/* While event_route[usrloc:contact-expired] runs: the binding that expired. */
	const struct usrloc_contact *(*expired)(const struct script_run *run);
	/* The live bindings with this hash, whatever their address-of-record (temporary GRUUs). */
	unsigned (*get_hash)(unsigned domain, uint64_t hash, struct arena *arena,
			     struct usrloc_contact **out_contacts);
	/* The same as get, with those that expired but were not cleared away yet; `linger`, in prepare
	 * of the module that wants it, lets them stay for timer_interval. */
	unsigned (*get_with_expired)(unsigned domain, struct span aor, struct arena *arena,
				     struct usrloc_contact **out_contacts);
	void (*linger)(void);
	struct span (*xavp_contact)(void); /* name of the XAVP stored with bindings; absent: none */
	uint32_t (*hash_id)(unsigned domain, struct span aor); /* what ul.dump shows */
	int (*nat_flag)(void); /* the branch flag nat_bflag, -1: none */
	/* All bindings, a part of the store at a time, for those who ping contacts. */
	unsigned (*domain_count)(void);
	unsigned (*part_count)(void);
	unsigned (*copy_part)(unsigned domain, unsigned part, struct arena *arena,
			      struct usrloc_contact **out_contacts);
	/* The contact with this hash and ruid answered a keepalive; false: there is none. */
	bool (*is_alive)(unsigned domain, uint64_t hash, struct span ruid);
	/* Asks to be told of changes; in `prepare`. False when there are too many (logged). */
	bool (*observe)(usrloc_observer observer);
	/* The same as apply and remove, but no observer is told: for those who repeat what another server did. */
	enum usrloc_result (*apply_quietly)(unsigned domain, struct span aor,
					    const struct usrloc_change *changes, unsigned count);
	unsigned (*remove_quietly)(unsigned domain, struct span aor, struct span ruid);
	/* Asks for the memory that a change of these bindings will need; nothing may come of it. */
	void (*foresee)(unsigned domain, struct span aor);
};
#define USRLOC_NO_DOMAIN UINT32_MAX
