/* SPDX-License-Identifier: BSD-2-Clause */
/* method: SIP methods as bits (the same bits as $rmid and the `methods` database columns). */
#pragma once

#include "core/base/span.h"

enum sip_method {
	METHOD_INVITE = 1 << 0,
	METHOD_CANCEL = 1 << 1,
	METHOD_ACK = 1 << 2,
	METHOD_BYE = 1 << 3,
	METHOD_INFO = 1 << 4,
	METHOD_REGISTER = 1 << 5,
	METHOD_SUBSCRIBE = 1 << 6,
	METHOD_NOTIFY = 1 << 7,
	METHOD_MESSAGE = 1 << 8,
	METHOD_OPTIONS = 1 << 9,
	METHOD_PRACK = 1 << 10,
	METHOD_UPDATE = 1 << 11,
	METHOD_REFER = 1 << 12,
	METHOD_PUBLISH = 1 << 13,
	METHOD_KDMQ = 1 << 14,
	METHOD_GET = 1 << 15,
	METHOD_POST = 1 << 16,
	METHOD_PUT = 1 << 17,
	METHOD_DELETE = 1 << 18,
	METHOD_OTHER = 1 << 19,
};

#define METHOD_ALL ((1u << 20) - 1)

/* The bit of a method name; METHOD_OTHER for unknown ones. Methods are case-sensitive
 * (RFC 3261 7.1). */
uint32_t method_from_span(struct span name);
/* "INVITE" …; an absent span for METHOD_OTHER and anything that is not exactly one known bit. */
struct span method_name(uint32_t method);
/* A comma list ("INVITE, ACK", as in Allow and methods="…") as a mask; any case is accepted here.
 * False when an item is not a token; empty items are skipped. */
[[nodiscard]] bool method_list_parse(struct span list, uint32_t *out_mask);
