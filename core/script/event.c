/* SPDX-License-Identifier: BSD-2-Clause */
/* Event routes on the message's road: asking for one costs a comparison, and bytes that may be no SIP
 * message can be shown to one. */
#include "core/script/image.h"

bool event_route_look(struct event_route *route, uint32_t generation)
{
	const struct image *image = script_current_image();
	route->is_defined = image && script_route(image, ROUTE_EVENT, span_from(route->name));
	route->generation = generation;
	return route->is_defined;
}

struct message *script_message_over(struct arena *arena, struct span bytes,
				    const struct received *from)
{
	const char *reason;
	struct message *msg = message_parse(arena, bytes, from, &reason);
	if (msg && message_top_via(msg))
		return msg;
	msg = script_faked_request(arena);
	if (!msg)
		return NULL;
	msg->from = *from;
	msg->raw = bytes;
	return msg;
}

bool script_run_event_out(struct event_route *route, struct message *msg, struct outgoing *outgoing,
			  struct script_run *out_run)
{
	if (!script_run_init(out_run, msg, ROUTE_EVENT, NULL))
		return false;
	uint32_t number = script_route(out_run->image, ROUTE_EVENT, span_from(route->name));
	out_run->outgoing = outgoing;
	if (number)
		script_run_route(out_run, number);
	return number != 0;
}
