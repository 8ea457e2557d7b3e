/* SPDX-License-Identifier: BSD-2-Clause */
/* Who else wants to know: accounting, dialogs. */
#include "modules/tm/transaction.h"

#define OBSERVERS_MOST 16

static struct {
	struct observer {
		unsigned events;
		uint32_t flag_mask;
		uint32_t methods;
		tm_observer call;
	} list[OBSERVERS_MOST];
	unsigned count;
} observers;

bool observe_methods(unsigned events, uint32_t flag_mask, uint32_t methods, tm_observer observer)
{
	if (observers.count == OBSERVERS_MOST)
		return false;
	observers.list[observers.count++] =
		(struct observer){ events, flag_mask, methods, observer };
	return true;
}

bool observe(unsigned events, uint32_t flag_mask, tm_observer observer)
{
	return observe_methods(events, flag_mask, UINT32_MAX, observer);
}

static bool wants(const struct observer *observer, const struct transaction *tx, unsigned event)
{
	return (observer->events & event) && (observer->methods & tx->method) &&
	       (!observer->flag_mask || (observer->flag_mask & tx->message_flags));
}

bool is_observed(const struct transaction *tx, unsigned event)
{
	for (unsigned i = 0; i < observers.count; i++)
		if (wants(&observers.list[i], tx, event))
			return true;
	return false;
}

void tell_observers(struct transaction *tx, enum tm_event event, struct message *request,
		    struct message *reply, unsigned code, struct span reason,
		    const struct branch *branch)
{
	struct script_run run;
	if (!is_observed(tx, event) || !script_run_init(&run, request, ROUTE_EVENT, NULL))
		return;
	const struct tm_event_info info = { .event = event,
					    .run = &run,
					    .request = request,
					    .reply = reply,
					    .code = code,
					    .reason = reason,
					    .is_cancelled = tx->flags & TX_CANCELLED,
					    .branch = branch };
	for (unsigned i = 0; i < observers.count; i++)
		if (wants(&observers.list[i], tx, event))
			observers.list[i].call(&info);
	tx->message_flags = request->flags;
}

[[gnu::noinline]] static void tell(struct transaction *tx, enum tm_event event,
				   struct message *reply, unsigned code, struct span reason,
				   struct arena *arena, const struct tx_branch *branch)
{
	struct tx_context context = context_holding(tx);
	context.code = code;
	context.reply = reply;
	struct message *request = tx_request(tx, arena, &context);
	if (!request)
		return;
	if (branch && branch->sent->uri.at)
		message_set_uri(request, branch->sent->uri);
	if (branch)
		request->target.dst_uri = branch->sent->dst_uri;
	tell_observers(tx, event, request, reply, code, reason, branch ? &request->target : NULL);
}

void tell_about(struct transaction *tx, enum tm_event event, struct message *reply, unsigned code,
		struct span reason, struct arena *arena, const struct tx_branch *branch)
{
	if (is_observed(tx, event))
		tell(tx, event, reply, code, reason, arena, branch);
}
