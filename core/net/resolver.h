/* SPDX-License-Identifier: BSD-2-Clause */
/* resolver: DNS by c-ares on this process's loop, with a cache that keeps what the records' TTLs allow
 * and remembers for a while what does not exist. Asking parks the fiber; what is cached is answered
 * at once, also outside fibers. */
#pragma once

#include "core/net/address.h"
#include "core/net/dns_records.h"

struct resolved_addresses {
	struct end_point addresses[DNS_RECORDS_MOST]; /* port 0, no transport */
	unsigned count;
};

struct resolver_options {
	/* addresses */
	bool ipv4, ipv6;   /* which families are of use */
	bool prefers_ipv6; /* asked for first */
	/* cache */
	bool use_cache;
	bool drops_live; /* a full cache forgets records that still hold; else it keeps no new ones */
	int64_t min_ttl_s, max_ttl_s, negative_ttl_s;
	int64_t sweep_s; /* how often what has expired is forgotten */
	size_t bytes_most;
	/* questions */
	int64_t try_ms;       /* 0: the system's */
	int64_t tries;        /* 0: the system's */
	int64_t servers_most; /* 0: all */
	bool search;          /* names without a dot get the domains of resolv.conf */
	int64_t slow_ms;      /* answers that take longer are counted; 0: none */
	const char *servers;  /* "ip:port,…" instead of resolv.conf's; NULL: those */
	bool draws_services; /* SRV records of one priority are drawn by weight; else the heaviest is first */
};

/* The options hold from the next question on; `options->servers` must stay. Before the first question. */
void resolver_configure(const struct resolver_options *options);
const struct resolver_options *resolver_options(void);
/* Counters; before counters_start. */
void resolver_prepare(void);

/* The addresses of a name: of the first family that has some; /etc/hosts counts. False when there is
 * none, DNS does not answer, or waiting is not possible. */
bool resolve_host(struct span name, struct resolved_addresses *out);
/* The SRV records of "_sip._udp.example.org", best first, weights drawn anew each time. */
bool resolve_services(struct span name, struct dns_services *out);
/* The NAPTR records of a domain, in the order of the answer. */
bool resolve_pointers(struct span name, struct dns_pointers *out);

struct resolver_figures {
	uint64_t queries, hits, failures;
	unsigned entries;
	size_t bytes;
};
struct resolver_figures resolver_figures(void);
/* Writes what this process remembers and what still holds, a name a line, until the writer is full:
 *
 *   line = type TAB name TAB seconds-left TAB bytes TAB seconds-unused TAB ( "yes" / "no" )
 *          *( TAB record ) LF ; "yes": it is permanent; no record: it does not exist */
void resolver_list(struct writer *out);
/* The same of what the administrator said (own_records.h). */
void resolver_list_own(struct writer *out);
/* Writes what is known of the name, after asking when that is possible; `type` is "A", "AAAA", "SRV" or
 * "NAPTR". False: there is no such record. */
bool resolver_show(const char *type, struct span name, struct writer *out);
/* What is cached of a name holds for so long from now on, whatever its records say; said once of an answer,
 * so that it does not stay for ever. */
void resolver_keep_for(struct span name, int64_t seconds);
/* Forgets a name that is cached. */
void resolver_forget(const char *type, struct span name);
/* Forgets everything that is cached. */
void resolver_flush(void);
