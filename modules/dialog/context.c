/* SPDX-License-Identifier: BSD-2-Clause */
/* The dialog of a message: kept with the message once it is known, else looked up by its headers. */
#include "modules/dialog/dialog.h"

static struct {
	unsigned slot;
} state;

void context_prepare(void)
{
	state.slot = message_slot("dialog");
}

struct dialog_context *context_of(struct message *msg)
{
	if (!msg->slots[state.slot])
		msg->slots[state.slot] = ARENA_NEW(msg->arena, struct dialog_context);
	return msg->slots[state.slot];
}

struct dialog_context *context_peek(const struct message *msg)
{
	return msg->slots[state.slot];
}

uint64_t via_check_of(struct message *msg)
{
	const struct sip_via *via = message_top_via(msg);
	return via && via->branch.len ? hash_span(via->branch) : 0;
}

bool context_find(struct message *msg, struct dialog_name *out_name)
{
	struct dialog_context *context = context_of(msg);
	if (!context)
		return false;
	if (!context->name.generation) {
		struct dialog_query query = { .call_id = message_value(msg, HEADER_CALL_ID),
					      .from_tag = message_from_tag(msg),
					      .to_tag = message_to_tag(msg) };
		if (message_is_request(msg) && !query.to_tag.len) {
			query.via_check = via_check_of(msg);
			/* An INVITE that comes again with credentials begins anew. */
			query.only_living = true;
		}
		if (!query.call_id.len || !query.from_tag.len ||
		    !dialog_find(&query, &context->name, &context->leg))
			return false;
	}
	*out_name = context->name;
	return true;
}

struct dialog_name dialog_of_run(struct script_run *run)
{
	struct dialog_name name = { 0 };
	(void)context_find(run->msg, &name);
	return name;
}
