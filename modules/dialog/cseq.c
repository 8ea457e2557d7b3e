/* SPDX-License-Identifier: BSD-2-Clause */
/* track_cseq_updates: a call whose CSeq is another one behind this server, because the INVITE was sent
 * again with credentials (RFC 3261 22.2). The difference is found in the callee's first reply and kept in
 * the variable cseq_diff; the caller's requests get it on top, replies to them lose it. */
#include "modules/dialog/dialog.h"

#define DIFFERENCE SPAN_OF("cseq_diff")
#define CSEQ_MOST  INT32_MAX /* RFC 3261 8.1.1.5: less than 2^31 */

static bool is_tracked(void)
{
	return dialog_settings->track_cseq_updates;
}

uint32_t cseq_difference(struct dialog_name name, struct arena *arena)
{
	struct span text;
	int64_t number;
	if (!is_tracked() || !dialog_get_variable(name, DIFFERENCE, arena, &text) ||
	    !span_to_int64(text, &number) || number < 0 || number > CSEQ_MOST)
		return 0;
	return (uint32_t)number;
}

/* CSeq = 1*DIGIT LWS Method */
static void shift(struct message *msg, int64_t difference)
{
	uint32_t number;
	struct span value = message_value(msg, HEADER_CSEQ);
	size_t digits = 0;
	while (digits < value.len && ascii_is_digit(value.at[digits]))
		digits++;
	if (!digits || !message_cseq(msg, &number) || number + difference < 0 ||
	    number + difference > CSEQ_MOST)
		return;
	struct span text =
		arena_printf(msg->arena, "%lld", (long long)((int64_t)number + difference));
	if (!text.at ||
	    !edit_replace(msg, (uint32_t)(value.at - msg->bytes.at), (uint32_t)digits, text))
		log_error("no memory to change CSeq of call %.*s",
			  SPAN_ARGS(message_value(msg, HEADER_CALL_ID)));
}

void cseq_shift_request(struct dialog_name name, struct message *msg)
{
	uint32_t difference = cseq_difference(name, msg->arena);
	if (difference)
		shift(msg, difference);
}

/* How far the number of an INVITE's first reply is from the number that the caller sent. */
static uint32_t find_difference(struct dialog_name name, const struct message *reply)
{
	struct shard *shard;
	uint32_t number;
	if (reply->index->status <= 100 || !message_cseq(reply, &number))
		return 0;
	const struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return 0;
	uint32_t sent = dialog->legs[CALLER].cseq;
	bool is_open = dialog->state < DIALOG_UNACKED && sent && number > sent;
	shard_unlock(shard);
	return is_open ? number - sent : 0;
}

static void keep_difference(struct dialog_name name, uint32_t difference, struct arena *arena)
{
	struct span text = arena_printf(arena, "%u", (unsigned)difference);
	if (!text.at || !dialog_set_variable(name, DIFFERENCE, text))
		log_error("no memory to keep the difference of CSeq of a call");
}

enum claim_result cseq_shift_reply(struct message *reply)
{
	struct dialog_name name;
	enum leg_kind leg;
	if (!is_tracked() || reply->notes & NOTE_LOCAL)
		return CLAIM_PASS;
	const struct dialog_query query = { .call_id = message_value(reply, HEADER_CALL_ID),
					    .from_tag = message_from_tag(reply),
					    .to_tag = message_to_tag(reply) };
	if (!dialog_find(&query, &name, &leg) || leg != CALLER)
		return CLAIM_PASS;
	uint32_t difference = cseq_difference(name, reply->arena);
	if (!difference && message_method(reply) == METHOD_INVITE) {
		difference = find_difference(name, reply);
		if (difference)
			keep_difference(name, difference, reply->arena);
	}
	if (difference)
		shift(reply, -(int64_t)difference);
	return CLAIM_PASS;
}
