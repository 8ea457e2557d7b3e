/* SPDX-License-Identifier: BSD-2-Clause */
/* algorithms: the digests of RFC 7616 and RFC 8760 by name. */
#include "modules/auth/auth.h"

static const struct {
	struct span name;
	enum auth_algorithm algorithm;
	enum digest_kind digest;
} rows[AUTH_ALGORITHMS_MOST] = {
	{ SPAN("MD5"), AUTH_MD5, DIGEST_MD5 },
	{ SPAN("SHA-256"), AUTH_SHA256, DIGEST_SHA256 },
	{ SPAN("SHA-512-256"), AUTH_SHA512_256, DIGEST_SHA512_256 },
	{ SPAN("SHA-512"), AUTH_SHA512, DIGEST_SHA512 },
};
#define MASK_MD5 1u

static bool add_row(struct algorithms *all, uint8_t row)
{
	if (algorithms_mask(all) & 1u << row && all->count)
		return false;
	all->rows[all->count++] = row;
	return true;
}

/* list = name *( "," name ) */
bool algorithms_read(struct span list, struct algorithms *out)
{
	struct algorithms all = { 0 };
	struct span item;
	if (span_is_empty(span_trim(list))) {
		*out = all;
		return true;
	}
	while (span_split(&list, ',', &item)) {
		uint8_t row = 0;
		while (row < ARRAY_SIZE(rows) &&
		       !span_equal_nocase(rows[row].name, span_trim(item)))
			row++;
		if (row == ARRAY_SIZE(rows) || !add_row(&all, row))
			return false;
	}
	*out = all;
	return true;
}

uint8_t algorithms_mask(const struct algorithms *all)
{
	unsigned mask = all->count ? 0 : MASK_MD5;
	for (unsigned i = 0; i < all->count; i++)
		mask |= 1u << all->rows[i];
	return (uint8_t)mask;
}

struct span algorithm_name(uint8_t row)
{
	return rows[row].name;
}

/* Credentials that do not say mean the only one that was offered, else MD5 (RFC 7616 3.3). */
bool algorithm_choose(const struct auth_params *params, uint8_t mask, enum digest_kind *out_digest)
{
	bool is_said = params->algorithm_text.at != NULL;
	bool is_single = (mask & (mask - 1)) == 0;
	for (unsigned row = 0; row < ARRAY_SIZE(rows); row++) {
		if (!(mask & 1u << row))
			continue;
		if (is_said ? rows[row].algorithm == params->algorithm : is_single || row == 0) {
			*out_digest = rows[row].digest;
			return true;
		}
	}
	return false;
}
