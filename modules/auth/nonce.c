/* SPDX-License-Identifier: BSD-2-Clause */
/* nonce: proves that we made it, when, for which algorithms and, when the settings want that, for
 * which request (RFC 7616 3.3). Nothing is stored for it.
 *
 *	nonce  = HEX(facts) HEX(proof) [ HEX(bond) ]
 *	facts  = created(4) algorithms(1) pool(1) id(4)
 *	proof  = SipHash-2-4-128 over the facts, keyed by the secret
 *	bond   = first 8 bytes of the same over facts and parts of the request */
#include "modules/auth/auth.h"

#include "core/base/hex.h"
#include "core/base/siphash.h"

#define FACTS_BYTES 10
#define PROOF_BYTES SIPHASH_BYTES
#define BOND_BYTES  8
#define NONCE_BYTES (FACTS_BYTES + PROOF_BYTES + BOND_BYTES)

static struct {
	uint8_t key[SIPHASH_KEY_BYTES];
} state;

struct facts {
	uint32_t created;
	uint8_t algorithms;
	uint8_t pool;
	uint32_t id;
};

bool nonce_prepare(void)
{
	uint8_t whole[DIGEST_BYTES_MAX];
	uint64_t drawn[SIPHASH_KEY_BYTES / sizeof(uint64_t)];
	const struct span purpose = SPAN_OF("nonce");
	if (!auth_settings->secret.len) {
		for (size_t i = 0; i < ARRAY_SIZE(drawn); i++)
			drawn[i] = random_uint64();
		memcpy(state.key, drawn, sizeof(state.key));
	} else if (digest_keyed(DIGEST_SHA256, auth_settings->secret, &purpose, 1, whole)) {
		memcpy(state.key, whole, sizeof(state.key));
	} else {
		log_error("no nonces can be made: OpenSSL does not offer SHA-256");
		return false;
	}
	return count_prepare();
}

static void put32(uint8_t *out, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(number >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static void prove(const uint8_t *facts, uint8_t out[PROOF_BYTES])
{
	const struct span parts[] = { SPAN_OF("nonce"),
				      span_make((const char *)facts, FACTS_BYTES) };
	siphash(state.key, parts, ARRAY_SIZE(parts), out);
}

/* What the settings bind nonces for such requests to. */
static int64_t checks_for(const struct message *msg)
{
	if (message_method(msg) == METHOD_REGISTER)
		return auth_settings->auth_checks_register;
	return message_to_tag(msg).len ? auth_settings->auth_checks_in_dlg
				       : auth_settings->auth_checks_no_dlg;
}

/* The parts are hashed with their lengths, so that none can reach into the next. */
static void bind_to(const struct message *msg, int64_t checks, const uint8_t *facts,
		    uint8_t out[BOND_BYTES])
{
	uint8_t whole[SIPHASH_BYTES], lengths[4][4];
	struct span parts[2 + 2 * 4] = { SPAN_OF("bond"),
					 span_make((const char *)facts, FACTS_BYTES) };
	const struct {
		int64_t check;
		struct span text;
	} rows[] = {
		{ CHECK_URI, message_original_uri(msg) },
		{ CHECK_CALL_ID, message_value(msg, HEADER_CALL_ID) },
		{ CHECK_FROM_TAG, message_from_tag(msg) },
		{ CHECK_SOURCE,
		  span_make((const char *)msg->from.source.ip, sizeof(msg->from.source.ip)) },
	};
	size_t count = 2;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!(checks & rows[i].check))
			continue;
		put32(lengths[i], (uint32_t)rows[i].text.len);
		parts[count++] = span_make((const char *)lengths[i], sizeof(lengths[i]));
		parts[count++] = rows[i].text;
	}
	siphash(state.key, parts, count, whole);
	memcpy(out, whole, BOND_BYTES);
}

void nonce_write(struct writer *w, const struct message *msg, uint8_t algorithms)
{
	uint8_t bytes[NONCE_BYTES], pool;
	uint32_t id;
	int64_t checks = checks_for(msg);
	size_t len = FACTS_BYTES + PROOF_BYTES;
	count_issue(&pool, &id);
	put32(bytes, (uint32_t)clock_wall_s());
	bytes[4] = algorithms;
	bytes[5] = pool;
	put32(bytes + 6, id);
	prove(bytes, bytes + FACTS_BYTES);
	if (checks) {
		bind_to(msg, checks, bytes, bytes + len);
		len += BOND_BYTES;
	}
	char text[2 * NONCE_BYTES];
	digest_write_hex(bytes, len, text);
	writer_bytes(w, text, 2 * len);
}

/* The bytes behind the hexadecimal text; 0 when it is none of ours. Capitals are taken as well. */
static size_t decode(struct span text, uint8_t out[NONCE_BYTES])
{
	uint32_t four;
	size_t len = text.len / 2, i = 0;
	if (text.len % 2 || (len != NONCE_BYTES && len != NONCE_BYTES - BOND_BYTES))
		return 0;
	for (; i + 4 <= len && hex_take_eight(text.at + 2 * i, &four); i += 4)
		put32(out + i, four);
	for (; i < len; i++) {
		int high = ascii_hex_value(text.at[2 * i]),
		    low = ascii_hex_value(text.at[2 * i + 1]);
		if (high < 0 || low < 0)
			return 0;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return len;
}

static bool equal_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
	return digest_equal(span_make((const char *)a, len), span_make((const char *)b, len));
}

static bool is_in_time(uint32_t created)
{
	int64_t age = clock_wall_s() - (int64_t)created;
	return age <= auth_settings->nonce_expire && -age <= auth_settings->nonce_auth_max_drift;
}

/* One use at most, and growing counts: whichever the credentials allow. */
static enum auth_result check_use(const struct facts *facts, const struct auth_params *params,
				  bool *out_is_counted)
{
	*out_is_counted = auth_settings->nonce_count && params->qop && params->nc_text.at;
	if (*out_is_counted)
		return count_advance(facts->pool, facts->id, params->nc) ? AUTH_OK : AUTH_STALE;
	if (!auth_settings->one_time_nonce)
		return AUTH_OK;
	switch (count_use(facts->pool, facts->id)) {
	case COUNT_FIRST_USE: return AUTH_OK;
	case COUNT_USED: return AUTH_REUSED;
	case COUNT_FORGOTTEN: return AUTH_STALE;
	}
	return AUTH_ERROR;
}

enum auth_result nonce_check(const struct message *msg, const struct auth_params *params,
			     uint8_t *out_algorithms)
{
	uint8_t bytes[NONCE_BYTES], proof[PROOF_BYTES], bond[BOND_BYTES];
	size_t len = decode(params->nonce, bytes);
	if (!len)
		return AUTH_ERROR;
	const struct facts facts = { get32(bytes), bytes[4], bytes[5], get32(bytes + 6) };
	/* First of all, so that a phone with an old nonce, made with the secret of an earlier start, hears
	 * that it is stale and does not ask its user for a password. */
	if (!is_in_time(facts.created))
		return AUTH_STALE;
	prove(bytes, proof);
	if (!equal_bytes(proof, bytes + FACTS_BYTES, PROOF_BYTES))
		return AUTH_ERROR;
	*out_algorithms = facts.algorithms;
	bool is_counted;
	enum auth_result result = check_use(&facts, params, &is_counted);
	int64_t checks = checks_for(msg);
	if (result != AUTH_OK || is_counted || !checks)
		return result;
	if (len != NONCE_BYTES)
		return AUTH_ERROR;
	bind_to(msg, checks, bytes, bond);
	return equal_bytes(bond, bytes + FACTS_BYTES + PROOF_BYTES, BOND_BYTES) ? AUTH_OK
										: AUTH_STALE;
}
