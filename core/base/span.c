/* SPDX-License-Identifier: BSD-2-Clause */
/* Text that somebody else owns: comparing, cutting and converting it. */
#include "core/base/span.h"

/* Kept out of the way: most texts are written alike. */
[[gnu::noinline]] static bool is_same_in_lower(uint64_t a, uint64_t b)
{
	return ascii_lower_eight(a) == ascii_lower_eight(b);
}

/* Capitals and small letters differ in one bit only. */
static inline bool same_nocase(uint64_t a, uint64_t b)
{
	return a == b || (((a ^ b) & ~0x2020202020202020u) == 0 && is_same_in_lower(a, b));
}

bool span_same_nocase(const char *a, const char *b, size_t len)
{
	for (; len > 8; a += 8, b += 8, len -= 8)
		if (!same_nocase(span_short(a, 8), span_short(b, 8)))
			return false;
	return same_nocase(span_short(a, len), span_short(b, len));
}

int span_compare(struct span a, struct span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len ? memcmp(a.at, b.at, len) : 0;
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool span_starts_with(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_equal(span_make(s.at, prefix.len), prefix);
}

bool span_ends_with(struct span s, struct span suffix)
{
	return s.len >= suffix.len &&
	       span_equal(span_make(s.at + s.len - suffix.len, suffix.len), suffix);
}

size_t span_find(struct span s, char byte, size_t from)
{
	if (from >= s.len)
		return s.len;
	const char *found = memchr(s.at + from, byte, s.len - from);
	return found ? (size_t)(found - s.at) : s.len;
}

size_t span_find_span(struct span s, struct span needle)
{
	if (needle.len == 0)
		return 0;
	if (needle.len > s.len)
		return s.len;
	const char *found = memmem(s.at, s.len, needle.at, needle.len);
	return found ? (size_t)(found - s.at) : s.len;
}

struct span span_slice(struct span s, size_t from, size_t len)
{
	if (from > s.len)
		from = s.len;
	if (len > s.len - from)
		len = s.len - from;
	return (struct span){ s.at ? s.at + from : NULL, len };
}

struct span span_trim(struct span s)
{
	while (s.len && ascii_is_space(s.at[s.len - 1]))
		s.len--;
	while (s.len && ascii_is_space(s.at[0])) {
		s.at++;
		s.len--;
	}
	return s;
}

bool span_split(struct span *rest, char separator, struct span *out_item)
{
	if (!rest->at)
		return false;
	size_t at = span_find(*rest, separator, 0);
	*out_item = span_slice(*rest, 0, at);
	if (at < rest->len)
		*rest = span_slice(*rest, at + 1, rest->len);
	else
		*rest = (struct span){ NULL, 0 };
	return true;
}

/* Digits of `base`, at least one; no sign. */
static bool digits_to_uint64(struct span s, unsigned base, uint64_t *out_number)
{
	uint64_t number = 0;
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		int digit = ascii_hex_value(s.at[i]);
		if (digit < 0 || (unsigned)digit >= base)
			return false;
		if (__builtin_mul_overflow(number, base, &number) ||
		    __builtin_add_overflow(number, (unsigned)digit, &number))
			return false;
	}
	*out_number = number;
	return true;
}

bool span_hex_to_uint64(struct span s, uint64_t *out_number)
{
	return digits_to_uint64(s, 16, out_number);
}

static bool signed_to_int64(struct span s, unsigned base, bool negative, int64_t *out_number)
{
	uint64_t number;
	if (!digits_to_uint64(s, base, &number))
		return false;
	if (number > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return false;
	*out_number = negative ? (int64_t)(0 - number) : (int64_t)number;
	return true;
}

static bool take_sign(struct span *s)
{
	if (s->len == 0 || (s->at[0] != '-' && s->at[0] != '+'))
		return false;
	bool negative = s->at[0] == '-';
	*s = span_slice(*s, 1, s->len);
	return negative;
}

bool span_to_int64(struct span s, int64_t *out_number)
{
	bool negative = take_sign(&s);
	return signed_to_int64(s, 10, negative, out_number);
}

bool span_to_uint32(struct span s, uint32_t *out_number)
{
	uint64_t number;
	if (!digits_to_uint64(s, 10, &number) || number > UINT32_MAX)
		return false;
	*out_number = (uint32_t)number;
	return true;
}

bool span_to_int64_any_base(struct span s, int64_t *out_number)
{
	bool negative = take_sign(&s);
	if (s.len > 2 && s.at[0] == '0' && ascii_lower(s.at[1]) == 'x')
		return signed_to_int64(span_slice(s, 2, s.len), 16, negative, out_number);
	if (s.len > 1 && s.at[0] == '0')
		return signed_to_int64(span_slice(s, 1, s.len), 8, negative, out_number);
	return signed_to_int64(s, 10, negative, out_number);
}
