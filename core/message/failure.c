/* SPDX-License-Identifier: BSD-2-Clause */
/* What a caller is told about an internal error (message.last_error): status and reason phrase. */
#include "core/base/check.h"
#include "core/message/render.h"

static const struct {
	int error;
	const char *phrase;
} phrases[] = {
	{ 400, "Bad Request" },
	{ 404, "Not Found" },
	{ 416, "Unsupported URI Scheme" },
	{ 440, "Max-Breadth Exceeded" },
	{ 476, "Unresolvable destination" },
	{ 477, "Unfortunately error on sending to next hop occurred" },
	{ 478, "Unresolvable destination" },
	{ 479, "Regretfully, we were not able to process the URI" },
	{ 483, "Too Many Hops" },
	{ 503, "Service Unavailable" },
};

unsigned message_failure(const struct message *msg, const char *who, struct span *out_reason)
{
	int error = msg->last_error ? msg->last_error : 1;
	const char *phrase = "I'm terribly sorry, server error occurred";
	for (size_t i = 0; i < ARRAY_SIZE(phrases); i++)
		if (phrases[i].error == error)
			phrase = phrases[i].phrase;
	*out_reason = arena_printf(msg->arena, "%s (%d/%s)", phrase, error, who);
	return error >= 400 && error <= 699 ? (unsigned)error : 500;
}
