/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of administrators about transactions. */
#include "modules/tm/commands.h"

#define LIST_PER_SHARD 64

/* ---- figures ------------------------------------------------------------------------------------------------ */

static void run_stats(struct rpc_call *call)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	int64_t current = (int64_t)shard_set_live(store_set()),
		in_use = counter_read(tm_counters->in_use);
	int64_t local = counter_read(tm_counters->local);
	static const char *const names[] = { "6xx", "5xx", "4xx", "3xx", "2xx" };
	rpc_add_int(call, node, "current", current);
	rpc_add_int(call, node, "waiting", current > in_use ? current - in_use : 0);
	rpc_add_int(call, node, "total", counter_read(tm_counters->uas) + local);
	rpc_add_int(call, node, "total_local", local);
	rpc_add_int(call, node, "rpl_received", counter_read(tm_counters->rpl_received));
	rpc_add_int(call, node, "rpl_generated", counter_read(tm_counters->rpl_generated));
	rpc_add_int(call, node, "rpl_sent", counter_read(tm_counters->rpl_sent));
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		rpc_add_int(call, node, names[i], counter_read(tm_counters->by_class[6 - i]));
	rpc_add_int(call, node, "created", counter_read(tm_counters->created));
	rpc_add_int(call, node, "freed", counter_read(tm_counters->freed));
	rpc_add_int(call, node, "delayed_free", 0);
}

/* A transaction as tm.list shows it, copied under the lock. */
struct listed {
	struct tm_name name;
	const void *cell;
	struct span method, from, to, call_id, cseq;
	uint32_t flags, branch_count;
	int64_t age_s;
};

static struct span header_line(const struct message *msg, enum sip_header_id id,
			       struct arena *arena)
{
	const struct sip_header *h = message_header(msg, id);
	return h ? arena_copy(arena, sip_header_line(msg->bytes, h)) : NO_SPAN;
}

static void copy_listed(const struct transaction *tx, struct arena *arena, struct listed *out)
{
	struct message *msg = message_thaw(tx->request, arena);
	const char *reason;
	if (!msg) /* forgotten; the reply says the same of the call */
		msg = message_parse(arena, bytes_span(tx->reply), &(struct received){ 0 }, &reason);
	*out = (struct listed){ .name = { tx->slot.shard, tx->slot.index, tx->slot.generation },
				.flags = tx->flags,
				.branch_count = tx->branch_count,
				.age_s = (clock_ms() - tx->created_ms) / 1000 };
	if (!msg)
		return;
	out->method = arena_copy(arena, message_method_name(msg));
	out->from = header_line(msg, HEADER_FROM, arena);
	out->to = header_line(msg, HEADER_TO, arena);
	out->call_id = header_line(msg, HEADER_CALL_ID, arena);
	out->cseq = arena_copy(arena, message_value(msg, HEADER_CSEQ));
	out->cell = tx;
}

static void write_listed(struct rpc_call *call, const struct listed *tx)
{
	uint64_t index, label;
	uint32_t cseq_end = (uint32_t)span_find(tx->cseq, ' ', 0);
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	name_ids(tx->name, &index, &label);
	rpc_add_printf(call, node, "cell", "%p", tx->cell);
	rpc_add_int(call, node, "tindex", (int64_t)index);
	rpc_add_int(call, node, "tlabel", (int64_t)label);
	rpc_add_text(call, node, "method", tx->method);
	rpc_add_text(call, node, "from", tx->from);
	rpc_add_text(call, node, "to", tx->to);
	rpc_add_text(call, node, "callid", tx->call_id);
	rpc_add_printf(call, node, "cseq", "CSeq: %.*s",
		       SPAN_ARGS(span_slice(tx->cseq, 0, cseq_end)));
	rpc_add_text(call, node, "uas_request",
		     tx->flags & TX_LOCAL ? SPAN_OF("no") : SPAN_OF("yes"));
	rpc_add_int(call, node, "tflags", tx->flags);
	rpc_add_int(call, node, "outgoings", tx->branch_count);
	rpc_add_int(call, node, "ref_count", 1);
	rpc_add_int(call, node, "lifetime", tx->age_s);
}

/* Nothing is left of it but what absorbs a late request: its caller has confirmed the answer. */
static bool is_bare(const struct transaction *tx)
{
	return !tx->request && !tx->reply.len;
}

/* One shard at a time: nothing is written while a lock is held. */
static void run_list(struct rpc_call *call)
{
	for (unsigned number = 0; number < shard_count(store_set()); number++) {
		uint32_t cursor = 0;
		unsigned count;
		do {
			struct listed list[LIST_PER_SHARD];
			const struct transaction *tx;
			count = 0;
			struct shard *shard = shard_lock_number(store_set(), number);
			while (count < LIST_PER_SHARD && (tx = slot_each(shard, &cursor)))
				if (!is_bare(tx))
					copy_listed(tx, rpc_arena(call), &list[count++]);
			shard_unlock(shard);
			for (unsigned i = 0; i < count; i++)
				write_listed(call, &list[i]);
		} while (count == LIST_PER_SHARD);
	}
}

static void run_clean(struct rpc_call *call)
{
	(void)call; /* the wheel frees what is over, at its time */
}

static void run_hash_stats(struct rpc_call *call)
{
	struct shard_usage usage;
	shard_set_usage(store_set(), &usage);
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "current", (int64_t)usage.live);
	rpc_add_int(call, node, "slot_bytes", (int64_t)usage.slot_bytes);
	rpc_add_int(call, node, "region_bytes", (int64_t)usage.region_bytes);
	rpc_add_int(call, node, "page_bytes", (int64_t)usage.page_bytes);
	rpc_add_int(call, node, "repairs", (int64_t)usage.repairs);
}

/* ---- one transaction ------------------------------------------------------------------------------------------ */

/* callid cseq, where cseq may be followed by the method. */
static bool read_call(struct rpc_call *call, unsigned first, struct span *out_call_id,
		      uint32_t *out_cseq)
{
	struct span cseq;
	if (!rpc_need_text(call, first, "callid", out_call_id) ||
	    !rpc_need_text(call, first + 1, "cseq", &cseq))
		return false;
	if (span_to_uint32(span_slice(cseq, 0, span_find(cseq, ' ', 0)), out_cseq))
		return true;
	rpc_fault(call, 400, "cseq must be a number");
	return false;
}

static void run_cancel(struct rpc_call *call)
{
	struct span call_id;
	uint32_t cseq;
	if (!read_call(call, 0, &call_id, &cseq))
		return;
	if (!tm_api.cancel_call(call_id, cseq, 0, NO_SPAN))
		rpc_fault(call, 400, "Transaction not found");
}

/* "index:label" as $T(id_index) and $T(id_label). */
static bool read_name(struct rpc_call *call, unsigned at, struct tm_name *out_name)
{
	struct span text;
	int64_t index, label;
	if (!rpc_need_text(call, at, "trans_id", &text))
		return false;
	size_t colon = span_find(text, ':', 0);
	if (span_to_int64(span_slice(text, 0, colon), &index) && index >= 0 &&
	    span_to_int64(span_slice(text, colon + 1, text.len), &label) &&
	    name_from_ids((uint64_t)index, (uint64_t)label, out_name))
		return true;
	rpc_fault(call, 400, "trans_id must be index:label");
	return false;
}

static bool enter_name(struct rpc_call *call, struct tm_name name, struct tx_context *out_context)
{
	*out_context = (struct tx_context){
		.shard = name.shard, .index = name.slot, .generation = name.generation, .branch = -1
	};
	if (tx_enter(out_context))
		return true;
	rpc_fault(call, 481, "No such transaction");
	return false;
}

/* code reason … to_tag headers [body], around the name of the transaction. */
static void reply_by(struct rpc_call *call, struct tx_context *context, unsigned after)
{
	struct arena *arena = rpc_arena(call);
	struct transaction *tx = context->tx;
	struct span reason, tag, headers, body = NO_SPAN;
	int64_t code;
	struct tx_context own = context_holding(tx);
	if (!rpc_need_int(call, 0, "code", &code) || !rpc_need_text(call, 1, "reason", &reason) ||
	    !rpc_need_text(call, after, "to_tag", &tag) ||
	    !rpc_need_text(call, after + 1, "headers", &headers))
		return;
	(void)!rpc_arg_text(call, after + 2, &body);
	struct message *request = code >= 100 && code <= 699 ? tx_request(tx, arena, &own) : NULL;
	struct script_run run;
	if (!request || !script_run_init(&run, request, ROUTE_EVENT, NULL)) {
		rpc_fault(call, 400, "code must be a status");
		return;
	}
	if (tag.len && !span_equal(tag, SPAN_OF(".")))
		request->to_tag = tag;
	if (headers.len && !span_equal(headers, SPAN_OF(".")))
		message_add_reply_line(
			request, span_ends_with(headers, SPAN_OF("\n"))
					 ? headers
					 : arena_printf(arena, "%.*s\r\n", SPAN_ARGS(headers)));
	if (body.len)
		message_set_reply_body(request, body, NO_SPAN);
	if (!reply_locally(&run, tx, request, (unsigned)code, reason))
		rpc_fault(call, 500, "Reply not sent");
	send_flush();
}

static void run_reply(struct rpc_call *call)
{
	struct tm_name name;
	struct tx_context context;
	if (!read_name(call, 2, &name) || !enter_name(call, name, &context))
		return;
	reply_by(call, &context, 3);
	tx_leave(&context);
	send_flush();
}

static bool enter_call(struct rpc_call *call, unsigned first, struct tx_context *out_context)
{
	struct span call_id;
	uint32_t cseq;
	*out_context = (struct tx_context){ .branch = -1 };
	if (!read_call(call, first, &call_id, &cseq))
		return false;
	if (tx_find_call(call_id, cseq, true, out_context) && tx_enter(out_context))
		return true;
	rpc_fault(call, 404, "Transaction not found");
	return false;
}

static void run_reply_callid(struct rpc_call *call)
{
	struct tx_context context;
	if (!enter_call(call, 2, &context))
		return;
	reply_by(call, &context, 4);
	tx_leave(&context);
	send_flush();
}

static void retransmit(struct rpc_call *call, struct tx_context *context)
{
	const struct transaction *tx = context->tx;
	if (tx->reply.len)
		send_bytes(&tx->upstream, bytes_span(tx->reply), true);
	else
		rpc_fault(call, 404, "No reply was sent yet");
	tx_leave(context);
	send_flush();
}

static void run_retransmit(struct rpc_call *call)
{
	struct tm_name name;
	struct tx_context context;
	if (read_name(call, 0, &name) && enter_name(call, name, &context))
		retransmit(call, &context);
}

static void run_retransmit_callid(struct rpc_call *call)
{
	struct tx_context context;
	if (enter_call(call, 0, &context))
		retransmit(call, &context);
}

#define UAC_ARGS "method ruri nexthop|. socket|. headers [body]"
#define UAC_ROW(suffix, run, text)                                              \
	{                                                                       \
		"tm.t_uac_" suffix, run, text, UAC_ARGS, .returns_array = false \
	}
const struct rpc_command tm_commands[] = {
	{ "tm.stats", run_stats, "Shows counts of transactions and replies.", NULL,
	  .returns_array = false },
	{ "tm.list", run_list, "Shows all transactions.", NULL, .returns_array = true },
	{ "tm.clean", run_clean, "Nothing to do: what is over frees itself.", NULL,
	  .returns_array = false },
	{ "tm.hash_stats", run_hash_stats, "Shows the memory of transactions.", NULL,
	  .returns_array = false },
	{ "tm.cancel", run_cancel, "Cancels an INVITE.", "callid cseq", .returns_array = false },
	{ "tm.reply", run_reply, "Answers a request.",
	  "code reason index:label to_tag headers|. [body]", .returns_array = false },
	{ "tm.reply_callid", run_reply_callid, "Answers a request.",
	  "code reason callid cseq to_tag headers|. [body]", .returns_array = false },
	{ "tm.retransmit_reply", run_retransmit, "Sends the last reply again.", "index:label",
	  .returns_array = false },
	{ "tm.retransmit_reply_callid", run_retransmit_callid, "Sends the last reply again.",
	  "callid cseq", .returns_array = false },
	UAC_ROW("start", uac_command_start, "Sends a request of our own and does not wait."),
	UAC_ROW("start_hex", uac_command_start_hex, "The same; the body is hexadecimal."),
	UAC_ROW("start_noack", uac_command_start_noack,
		"The same; a 2xx to INVITE gets no ACK from us."),
	UAC_ROW("start_noack_hex", uac_command_start_noack_hex,
		"The same; the body is hexadecimal."),
	UAC_ROW("wait", uac_command_wait,
		"Sends a request of our own and answers with its final reply."),
	UAC_ROW("wait_hex", uac_command_wait_hex, "The same; the body is hexadecimal."),
	UAC_ROW("wait_noack", uac_command_wait_noack,
		"The same; a 2xx to INVITE gets no ACK from us."),
	UAC_ROW("wait_noack_hex", uac_command_wait_noack_hex, "The same; the body is hexadecimal."),
	UAC_ROW("wait_block", uac_command_block,
		"Sends a request of our own and answers with the code of its final reply."),
	UAC_ROW("wait_block_hex", uac_command_block_hex, "The same; the body is hexadecimal."),
	UAC_ROW("wait_block_noack", uac_command_block_noack,
		"The same; a 2xx to INVITE gets no ACK from us."),
	UAC_ROW("wait_block_noack_hex", uac_command_block_noack_hex,
		"The same; the body is hexadecimal."),
	{ "tm.t_uac_attrs", uac_command_attrs, "Sends a request of our own, with attributes.",
	  "attrs " UAC_ARGS, .returns_array = false },
};
_Static_assert(ARRAY_SIZE(tm_commands) == TM_COMMAND_COUNT, "adapt TM_COMMAND_COUNT");
