/* SPDX-License-Identifier: BSD-2-Clause */
/* auth: what the files of the module share. */
#pragma once

#include "core/module/module.h"
#include "modules/auth/auth_api.h"

struct auth_settings {
	int64_t auth_checks_register, auth_checks_no_dlg, auth_checks_in_dlg;
	struct span qop;
	bool nonce_count, one_time_nonce;
	int64_t nid_pool_no;
	int64_t nc_array_size, nc_array_order, otn_in_flight_no, otn_in_flight_order;
	struct span secret;
	int64_t nonce_expire, nonce_auth_max_drift;
	bool force_stateless_reply;
	struct span realm_prefix;
	bool use_domain;
	struct span algorithm;
	bool add_authinfo_hdr;
	struct span proxy_challenge_header, www_challenge_header;
};
extern const struct auth_settings *const auth_settings;

/* ---- algorithms.c: the digests that we offer and take ------------------------------------------ */

#define AUTH_ALGORITHMS_MOST 4

/* In the order of preference (RFC 8760 2.4); `count` 0: MD5, unsaid. */
struct algorithms {
	uint8_t count;
	uint8_t rows[AUTH_ALGORITHMS_MOST];
};

/* "SHA-256, MD5"; false when one is unknown, twice, or too many. Empty text is the empty list. */
[[nodiscard]] bool algorithms_read(struct span list, struct algorithms *out);
/* A bit for each, for the nonce. */
uint8_t algorithms_mask(const struct algorithms *all);
struct span algorithm_name(uint8_t row);
/* The digest of credentials to a nonce that offered `mask`; false when it did not offer that. */
[[nodiscard]] bool algorithm_choose(const struct auth_params *params, uint8_t mask,
				    enum digest_kind *out_digest);

/* ---- nonce.c ----------------------------------------------------------------------------------- */

/* Bits of the settings auth_checks_*: what a nonce is bound to. */
enum { CHECK_URI = 1, CHECK_CALL_ID = 2, CHECK_FROM_TAG = 4, CHECK_SOURCE = 8 };

/* Draws the secret unless one is configured, reserves the memory for counting; before the fork. */
bool nonce_prepare(void);
/* Writes a new nonce for answers to this request. */
void nonce_write(struct writer *w, const struct message *msg, uint8_t algorithms);
/* AUTH_OK, AUTH_ERROR (not ours), AUTH_STALE or AUTH_REUSED; what the nonce offered. */
enum auth_result nonce_check(const struct message *msg, const struct auth_params *params,
			     uint8_t *out_algorithms);

/* ---- count.c: which nonces were used --------------------------------------------------------- */

#define COUNT_UNTRACKED 0xff /* in place of a pool */

bool count_prepare(void);
/* A number for a new nonce; pool COUNT_UNTRACKED when nothing is counted. */
void count_issue(uint8_t *out_pool, uint32_t *out_id);
/* Notes the nonce count of RFC 7616 3.4; false unless it is larger than every one before. */
bool count_advance(uint8_t pool, uint32_t id, uint32_t nc);
enum count_use { COUNT_FIRST_USE, COUNT_USED, COUNT_FORGOTTEN };
enum count_use count_use(uint8_t pool, uint32_t id);

/* ---- challenge.c ------------------------------------------------------------------------------- */

/* Flags of the challenge functions. */
enum {
	CHALLENGE_QOP_AUTH = 1,
	CHALLENGE_QOP_AUTH_INT = 2,
	CHALLENGE_NO_500 = 4,
	CHALLENGE_STALE = 16,
};
struct challenge {
	struct span realm; /* as the script gave it */
	bool is_proxy;
	int64_t flags;
	const struct algorithms *algorithms; /* NULL: those of the message or the setting */
};
/* Writes one header line for each algorithm; false when the realm cannot be used (logged) or memory is
 * exhausted. */
[[nodiscard]] bool challenge_write(struct writer *w, const struct message *msg,
				   const struct challenge *challenge);

/* ---- credentials.c ----------------------------------------------------------------------------- */

/* What is remembered about a message while its script runs. */
struct auth_state {
	struct algorithms algorithms; /* auth_algorithm() */
	bool has_algorithms;
	bool is_stale;                   /* the nonce was ours, but too old or used */
	const char *bytes;               /* of the message when `header` was noted */
	const struct sip_header *header; /* credentials that were looked at */
};

void credentials_reserve(void);
/* NULL when memory is exhausted. */
struct auth_state *auth_state(struct message *msg);
/* NULL when nothing was noted yet. */
const struct auth_state *auth_state_noted(const struct message *msg);
struct algorithms algorithms_wanted(const struct message *msg);
struct span realm_strip(struct span realm);
bool credentials_exist(const struct message *msg, struct span realm);
/* Removes the header that was looked at; false when none was. */
bool credentials_consume(struct message *msg);
struct span authorized_user(struct message *msg);
enum auth_result credentials_begin(struct script_run *run, const struct auth_question *question,
				   struct auth_attempt *out_attempt);
enum auth_result credentials_verify(struct script_run *run, const struct auth_attempt *attempt,
				    struct span secret, enum auth_secret kind);
