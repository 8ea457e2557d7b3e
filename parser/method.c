/* SPDX-License-Identifier: BSD-2-Clause */
/* method: names and bits of SIP methods. */
#include "parser/method.h"

#include "core/base/check.h"
#include "parser/values.h"

static const struct span names[] = {
	SPAN("INVITE"),
	SPAN("CANCEL"),
	SPAN("ACK"),
	SPAN("BYE"),
	SPAN("INFO"),
	SPAN("REGISTER"),
	SPAN("SUBSCRIBE"),
	SPAN("NOTIFY"),
	SPAN("MESSAGE"),
	SPAN("OPTIONS"),
	SPAN("PRACK"),
	SPAN("UPDATE"),
	SPAN("REFER"),
	SPAN("PUBLISH"),
	SPAN("KDMQ"),
	SPAN("GET"),
	SPAN("POST"),
	SPAN("PUT"),
	SPAN("DELETE"),
};
/* The first letters of the names above. */
static const char initials[] = "ICABIRSNMOPURPKGPPD";
_Static_assert(sizeof(initials) - 1 == ARRAY_SIZE(names), "one letter for each name");
_Static_assert(1u << ARRAY_SIZE(names) == METHOD_OTHER, "one name for each bit");

uint32_t method_from_span(struct span name)
{
	char first = name.len ? name.at[0] : 0;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (initials[i] == first && names[i].len == name.len &&
		    memcmp(names[i].at, name.at, name.len) == 0)
			return 1u << i;
	}
	return METHOD_OTHER;
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
