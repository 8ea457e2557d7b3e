/* SPDX-License-Identifier: BSD-2-Clause */
/* What our own Via tells about the way of a request: who wrote it, and whether it comes around. */
#include "core/message/hop.h"

#include "core/base/hash.h"
#include "core/base/hex.h"
#include "core/transport/listener.h"
#include "parser/scan.h"

#define COOKIE     "z9hG4bK"
#define COOKIE_LEN 7
#define LOOP_LEN   8
#define CHECK_LEN  16
#define TAIL_LEN   (1 + LOOP_LEN + 1 + CHECK_LEN)

uint32_t hop_loop_hash(struct message *request)
{
	uint32_t cseq = 0;
	if (!message_cseq(request, &cseq))
		cseq = 0;
	const struct listener *listener = request->from.listener;
	uint64_t hash = (uint64_t)cseq << 32 | (listener ? listener->index + 1 : 0);
	hash = hash_more(hash, message_original_uri(request));
	hash = hash_more(hash, message_value(request, HEADER_CALL_ID));
	hash = hash_more(hash, message_from_tag(request));
	for (const struct sip_header *h = message_header(request, HEADER_ROUTE); h;
	     h = message_next_header(request, h))
		hash = hash_more(hash, message_header_value(request, h));
	return (uint32_t)hash;
}

/* The check is over TOKEN "." LOOP as they are written. */
struct span hop_branch_write(const struct hop *hop, char out[HOP_BRANCH_MAX])
{
	char *at = out + COOKIE_LEN;
	memcpy(out, COOKIE, COOKIE_LEN);
	memcpy(at, hop->token.at, hop->token.len);
	at += hop->token.len;
	*at++ = '.';
	at = hex_put(at, hop->loop, LOOP_LEN);
	uint64_t check = hash_keyed(out + COOKIE_LEN, (size_t)(at - out) - COOKIE_LEN);
	*at++ = '.';
	hex_put_sixteen(at, check);
	at += CHECK_LEN;
	*at++ = '.';
	at = hex_put(at, hop->number, 1);
	return span_make(out, (size_t)(at - out));
}

/* Are these the digits of the check? Who writes to us may have made capitals of them. */
static bool is_check(const char *digits, uint64_t check)
{
	char lower[CHECK_LEN];
	uint64_t number;
	hex_put_sixteen(lower, check);
	return memcmp(digits, lower, sizeof(lower)) == 0 ||
	       (span_hex_to_uint64(span_make(digits, CHECK_LEN), &number) && number == check);
}

/* Did we write this TOKEN "." LOOP? */
static bool is_proven(struct span text, const char *check)
{
	char lower[HOP_TOKEN_MAX + 1 + LOOP_LEN];
	if (is_check(check, hash_keyed(text.at, text.len)))
		return true;
	memcpy(lower, text.at, text.len);
	for (size_t i = text.len - LOOP_LEN; i < text.len; i++)
		lower[i] = ascii_lower(lower[i]);
	return memcmp(lower, text.at, text.len) != 0 &&
	       is_check(check, hash_keyed(lower, text.len));
}

static bool begins_with_cookie(const char *at)
{
	return memcmp(at, COOKIE, COOKIE_LEN) == 0 || span_same_nocase(at, COOKIE, COOKIE_LEN);
}

/* The last dot, when it has one or two digits behind it; else 0. */
static size_t number_dot(struct span branch)
{
	for (size_t digits = 1; digits <= 2; digits++)
		if (branch.at[branch.len - 1 - digits] == '.')
			return branch.len - 1 - digits;
	return 0;
}

bool hop_branch_read(struct span branch, struct hop *out)
{
	uint64_t number;
	if (branch.len <= COOKIE_LEN + TAIL_LEN || !begins_with_cookie(branch.at))
		return false;
	size_t end = number_dot(branch);
	if (end <= COOKIE_LEN + TAIL_LEN || end > COOKIE_LEN + HOP_TOKEN_MAX + TAIL_LEN ||
	    !span_hex_to_uint64(span_make(branch.at + end + 1, branch.len - end - 1), &number))
		return false;
	const char *token = branch.at + COOKIE_LEN, *tail = branch.at + end - TAIL_LEN;
	const char *loop = tail + 1, *loop_end = loop + LOOP_LEN;
	if (*tail != '.' || *loop_end != '.' ||
	    !is_proven(span_make(token, (size_t)(loop_end - token)), loop_end + 1))
		return false;
	*out = (struct hop){ span_make(token, (size_t)(tail - token)), hex_read_eight(loop),
			     (unsigned)number };
	return true;
}

/* Takes the next value that begins with the cookie and may be a branch of ours off *rest. */
static bool candidate_next(struct span *rest, struct span *out_branch)
{
	const char *end = rest->at + rest->len;
	for (const char *at = rest->at; (at = memchr(at, '=', (size_t)(end - at)));) {
		const char *stop;
		at++;
		if (end - at <= COOKIE_LEN + TAIL_LEN || memcmp(at, COOKIE, COOKIE_LEN) != 0)
			continue;
		stop = scan_value_stop(at, at, end, ',');
		if (stop - at <= COOKIE_LEN + TAIL_LEN)
			continue;
		*out_branch = span_make(at, (size_t)(stop - at));
		*rest = span_make(stop, (size_t)(end - stop));
		return true;
	}
	return false;
}

unsigned hop_repeats(struct message *request, unsigned *out_passes)
{
	unsigned repeats = 0, passes = 0;
	uint32_t own = 0;
	bool is_hashed = false;
	for (const struct sip_header *h = message_header(request, HEADER_VIA); h;
	     h = message_next_header(request, h)) {
		struct span rest = message_header_value(request, h), branch;
		struct hop hop;
		while (candidate_next(&rest, &branch)) {
			if (!hop_branch_read(branch, &hop))
				continue;
			if (!is_hashed)
				own = hop_loop_hash(request);
			is_hashed = true;
			passes++;
			repeats += hop.loop == own;
		}
	}
	*out_passes = passes;
	return repeats;
}
