/* SPDX-License-Identifier: BSD-2-Clause */
/* permissions: what the files of the module share. */
#pragma once

#include "core/db/db.h"
#include "core/module/module.h"

/* Bits of load_backends. */
enum { BACKEND_ADDRESS = 1, BACKEND_TRUSTED = 2, BACKEND_ALLOW = 4, BACKEND_DENY = 8 };

struct permissions_settings {
	struct span default_allow_file, default_deny_file;
	bool check_all_branches;
	struct span allow_suffix, deny_suffix;
	struct span address_file;
	struct span db_url, address_table, trusted_table;
	struct span grp_col, ip_addr_col, mask_col, port_col, source_col, proto_col, from_col,
		ruri_col, tag_col, priority_col;
	int64_t db_mode;
	struct span peer_tag_avp;
	int64_t peer_tag_mode;
	int64_t max_subnets, subnet_match_mode;
	int64_t load_backends;
	int64_t reload_delta, trusted_cleanup_interval;
};
extern const struct permissions_settings *const permissions_settings;

/* The whole path of a file that is named beside the main configuration file; in `arena`. */
const char *permissions_path(struct span name, struct arena *arena);
/* Puts a tag into peer_tag_avp; nothing for the absent tag. */
void permissions_tag(struct script_run *run, struct span tag);

/* ---- set.c: addresses, as one block of shared memory ---------------------------------------------- */

enum address_kind { ADDRESS_HOST, ADDRESS_SUBNET, ADDRESS_DOMAIN };
struct address_row {
	enum address_kind kind;
	uint32_t group;
	uint32_t bits; /* subnets */
	uint16_t port; /* 0: any */
	struct end_point ip;
	struct span domain;
	struct span tag; /* absent: none */
	uint32_t next;   /* in the same bucket, from 1; 0 ends */
};
struct address_set {
	uint32_t count;
	uint32_t bucket_count;
	const struct address_row *rows; /* by group, else in their order */
	const uint32_t *buckets;        /* of hosts and domains: a row's number from 1 */
	uint32_t subnet_count;
	const uint32_t *subnets;
};

/* Rows that are being collected. */
struct address_list {
	struct arena *arena;
	struct address_row *rows;
	uint32_t count, capacity, subnets;
};
/* Adds a row; NULL, or a sentence (static) that says why it is left out. */
const char *address_list_add(struct address_list *list, int64_t group, struct span address,
			     int64_t bits, int64_t port, struct span tag);
/* The set in a new block of shared memory; NULL when that is out. */
struct address_set *address_set_build(struct address_list *list);
/* The row of this group (0: any) for an address; NULL when there is none. */
const struct address_row *address_find(const struct address_set *set, uint32_t group,
				       struct span address, int64_t port);

/* ---- address.c: the functions and commands for addresses ---------------------------------------- */

bool address_prepare(struct diagnostics *diagnostics, struct db *db);
bool address_start(void);
extern const struct function_table address_functions;
void address_reload(struct rpc_call *call);
void address_dump(struct rpc_call *call);
void subnet_dump(struct rpc_call *call);
void domain_dump(struct rpc_call *call);
/* Writes "Reload OK", or the fault: too early, or `load` failed. */
void permissions_reload(struct rpc_call *call, _Atomic int64_t *last_ms, bool (*load)(void));

/* ---- trusted.c ----------------------------------------------------------------------------------- */

bool trusted_prepare(struct diagnostics *diagnostics, struct db *db);
bool trusted_start(void);
extern const struct function_table trusted_functions;
void trusted_reload(struct rpc_call *call);
void trusted_dump(struct rpc_call *call);

/* ---- rules.c: files of rules ----------------------------------------------------------------------- */

struct rule_file;
/* Reads the file, or finds it among those that were read; a missing file has no rules. NULL after an
 * error was logged. Before the first fork. */
const struct rule_file *rules_load(struct span name);
/* One that was read at start, or NULL. */
const struct rule_file *rules_find(struct span name);
/* Is there a rule for this pair? */
bool rules_match(const struct rule_file *file, struct span left, struct span right);

/* ---- routing.c: the functions that use them ------------------------------------------------------- */

bool routing_start(void);
extern const struct function_table routing_functions;
void test_uri(struct rpc_call *call);
