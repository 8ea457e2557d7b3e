/* SPDX-License-Identifier: BSD-2-Clause */
/* method: names and bits of SIP methods. */
#include "parser/method.h"

#include "core/base/check.h"
#include "parser/values.h"

/* X(name, its first letter), in the order of their bits. */
#define METHODS(X) \
	X(INVITE, 'I') \
	X(CANCEL, 'C') \
	X(ACK, 'A') \
	X(BYE, 'B') \
	X(INFO, 'I') \
	X(REGISTER, 'R') \
	X(SUBSCRIBE, 'S') \
	X(NOTIFY, 'N') \
	X(MESSAGE, 'M') \
	X(OPTIONS, 'O') \
	X(PRACK, 'P') \
	X(UPDATE, 'U') \
	X(REFER, 'R') \
	X(PUBLISH, 'P') \
	X(KDMQ, 'K') \
	X(GET, 'G') \
	X(POST, 'P') \
	X(PUT, 'P') \
	X(DELETE, 'D')

static const struct span names[] = {
#define METHOD_SPAN(name, letter) SPAN(#name),
	METHODS(METHOD_SPAN)
#undef METHOD_SPAN
};
_Static_assert(1u << ARRAY_SIZE(names) == METHOD_OTHER, "one name for each bit");

/* No two methods have both their first letter and their length in common: each has a place of its own. */
#define PLACE(letter, len) ((8 * (unsigned char)(letter) + (len)) % 64)
static const uint8_t by_place[64] = {
#define METHOD_PLACE(name, letter) [PLACE(letter, sizeof(#name) - 1)] = __builtin_ctz(METHOD_##name),
	METHODS(METHOD_PLACE)
#undef METHOD_PLACE
};

/* Are two texts of up to 16 bytes the same? */
static inline bool is_same(const char *a, const char *b, size_t len)
{
	return span_short(a, len) == span_short(b, len) &&
	       (len <= 8 || span_short(a + len - 8, 8) == span_short(b + len - 8, 8));
}

uint32_t method_from_span(struct span name)
{
	if (name.len == 0)
		return METHOD_OTHER;
	unsigned i = by_place[PLACE(name.at[0], name.len)];
	bool is_known = name.len == names[i].len && is_same(name.at, names[i].at, name.len);
	return is_known ? 1u << i : METHOD_OTHER;
}

struct span method_name(uint32_t method)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (method == 1u << i)
			return names[i];
	}
	return (struct span){ NULL, 0 };
}

static uint32_t method_from_any_case(struct span name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (span_equal_nocase(names[i], name))
			return 1u << i;
	}
	return METHOD_OTHER;
}

bool method_list_parse(struct span list, uint32_t *out_mask)
{
	uint32_t mask = 0;
	struct span token;

	for (;;) {
		enum list_result result = token_next(&list, &token);
		if (result == LIST_BAD)
			return false;
		if (result == LIST_END)
			break;
		mask |= method_from_any_case(token);
	}
	*out_mask = mask;
	return true;
}
