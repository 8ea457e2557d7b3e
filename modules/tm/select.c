/* SPDX-License-Identifier: BSD-2-Clause */
/* The selects @tm.uas.… and @tm.uac[n].…: what a transaction has received and sent. */
#include "core/script/select.h"
#include "modules/tm/transaction.h"

enum about {
	UAS_REQUEST,
	UAS_STATUS,
	UAS_REPLY,
	UAS_TO_TAG,
	UAC_COUNT,
	UAC_RELAYED,
	UAC_LAST_STATUS,
	UAC_IS_REPEATED,
	BRANCH_REQUEST,
	BRANCH_STATUS,
	BRANCH_REPLY,
};

static const struct part {
	const char *side, *name;
	bool is_indexed;
	enum about about;
} parts[] = {
	{ "uas", "request", false, UAS_REQUEST },
	{ "uas", "status", false, UAS_STATUS },
	{ "uas", "response", false, UAS_REPLY },
	{ "uas", "resp", false, UAS_REPLY },
	{ "uas", "local_to_tag", false, UAS_TO_TAG },
	{ "uac", "count", false, UAC_COUNT },
	{ "uac", "relayed", false, UAC_RELAYED },
	{ "uac", "last_status", false, UAC_LAST_STATUS },
	{ "uac", "response_retransmission", false, UAC_IS_REPEATED },
	{ "uac", "request", true, BRANCH_REQUEST },
	{ "uac", "status", true, BRANCH_STATUS },
	{ "uac", "response", true, BRANCH_REPLY },
	{ "uac", "resp", true, BRANCH_REPLY },
};

/* What a place of the script reads. */
struct wanted {
	enum about about;
	unsigned branch;
};

static const char *bind_select(struct variable_ref *ref, struct arena *arena)
{
	struct select_path path;
	struct wanted *wanted = ARENA_NEW(arena, struct wanted);
	if (!wanted)
		return "out of memory";
	if (!select_path_parse(ref->inner, &path) || path.count != 2)
		return "it is @tm.uas.NAME, @tm.uac.NAME or @tm.uac[n].NAME";
	const struct select_step *side = &path.steps[0], *name = &path.steps[1];
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (!span_equal(side->name, span_from(parts[i].side)) ||
		    !span_equal(name->name, span_from(parts[i].name)) ||
		    side->has_index != parts[i].is_indexed || side->index < 0)
			continue;
		*wanted = (struct wanted){ parts[i].about, (unsigned)side->index };
		ref->bound = wanted;
		return NULL;
	}
	return "tm has uas.request, status, response and local_to_tag, uac.count, relayed, last_status and "
	       "response_retransmission, uac[n].request, status and response";
}

static void set_text(struct value *out, struct span text)
{
	if (text.at)
		*out = (struct value){ .kind = VALUE_TEXT, .text = text };
}

static void set_number(struct value *out, int64_t number)
{
	*out = (struct value){ .kind = VALUE_INT, .number = number };
}

static struct span frozen_text(const void *frozen, struct arena *arena)
{
	const struct message *msg = frozen ? message_thaw(frozen, arena) : NULL;
	return msg ? arena_copy(arena, msg->bytes) : NO_SPAN;
}

/* The tag that we gave; absent when somebody else answered. */
static struct span own_to_tag(const struct transaction *tx, struct arena *arena)
{
	const struct received nobody = { 0 };
	const char *reason;
	if (!(tx->flags & TX_LOCAL_ANSWER))
		return NO_SPAN;
	struct span bytes = arena_copy(arena, bytes_span(tx->reply));
	struct message *reply = bytes.at ? message_parse(arena, bytes, &nobody, &reason) : NULL;
	return reply ? message_to_tag(reply) : NO_SPAN;
}

/* The branch whose reply went upstream; -1: none did, -2: it was made here. */
static int64_t relayed_branch(const struct transaction *tx)
{
	return tx->relayed ? tx->relayed - 1 : tx->code ? -2 : -1;
}

static void read_branch(const struct tx_branch *branch, enum about about, struct arena *arena,
			struct value *out)
{
	if (about == BRANCH_STATUS)
		set_number(out, branch->code);
	else if (about == BRANCH_REQUEST)
		set_text(out, branch->sent->request.at ? arena_copy(arena, branch->sent->request)
						       : NO_SPAN);
	else
		set_text(out, branch->is_local ? NO_SPAN : frozen_text(branch->reply, arena));
}

/* Lock held: everything is copied. */
static void read_part(const struct transaction *tx, const struct wanted *wanted,
		      struct arena *arena, struct value *out)
{
	switch (wanted->about) {
	case UAS_REQUEST: set_text(out, frozen_text(tx->request, arena)); break;
	case UAS_STATUS: set_number(out, tx->code); break;
	case UAS_REPLY:
		set_text(out, tx->reply.len ? arena_copy(arena, bytes_span(tx->reply)) : NO_SPAN);
		break;
	case UAS_TO_TAG: set_text(out, own_to_tag(tx, arena)); break;
	case UAC_COUNT: set_number(out, tx->branch_count); break;
	case UAC_RELAYED: set_number(out, relayed_branch(tx)); break;
	case BRANCH_REQUEST:
	case BRANCH_STATUS:
	case BRANCH_REPLY:
		if (wanted->branch < tx->branch_count)
			read_branch(tx->branches[wanted->branch], wanted->about, arena, out);
		break;
	case UAC_LAST_STATUS:
	case UAC_IS_REPEATED: break;
	}
}

static bool get_select(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct wanted *wanted = ref->bound;
	struct tx_context *context = tx_context(run->msg);
	struct tx_glance glance;
	*out = (struct value){ .kind = VALUE_NULL };
	if (!wanted || !context || !tx_glance(run->msg, &glance))
		return true;
	if (wanted->about == UAC_LAST_STATUS || wanted->about == UAC_IS_REPEATED) {
		/* Only replies that are no repetitions reach a route; the peer says 1 of them, too. */
		if (!message_is_request(run->msg))
			set_number(out,
				   wanted->about == UAC_LAST_STATUS ? run->msg->index->status : 1);
		return true;
	}
	struct shard *shard = shard_lock_number(store_set(), context->shard);
	const struct transaction *tx = slot_at(shard, context->index, context->generation);
	if (tx)
		read_part(tx, wanted, run->arena, out);
	shard_unlock(shard);
	return true;
}

const struct variable_row tm_variable_rows[1] = {
	{ "@tm", INNER_NAME, get_select, NULL, bind_select, .doc = "What the transaction has received and sent: @tm.uas.request, @tm.uac[0].status …" },
};
