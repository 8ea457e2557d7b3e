/* SPDX-License-Identifier: BSD-2-Clause */
/* branch_variables: see the header. One slot of the message holds both. */
#include "core/script/branch_variables.h"

#include "parser/uri.h"

struct scratch {
	struct branch branch;
	struct span uri_text;
	struct sip_uri uri;
};

static struct {
	unsigned slot;
	bool has_slot;
} state;

void scratch_prepare(void)
{
	if (!state.has_slot)
		state.slot = message_slot("script");
	state.has_slot = true;
}

static struct scratch *scratch_of(struct script_run *run)
{
	struct message *msg = run->msg;
	if (!state.has_slot)
		return NULL;
	if (!msg->slots[state.slot]) {
		struct scratch *scratch = ARENA_NEW(msg->arena, struct scratch);
		if (scratch)
			scratch->branch.q = Q_UNSPECIFIED;
		msg->slots[state.slot] = scratch;
	}
	return msg->slots[state.slot];
}

struct branch *scratch_branch(struct script_run *run)
{
	struct scratch *scratch = scratch_of(run);
	return scratch ? &scratch->branch : NULL;
}

void scratch_branch_reset(struct script_run *run)
{
	struct branch *branch = scratch_branch(run);
	if (branch)
		*branch = (struct branch){ .q = Q_UNSPECIFIED };
}

const struct sip_uri *scratch_uri(struct script_run *run, struct span text)
{
	struct scratch *scratch = scratch_of(run);
	if (!scratch)
		return NULL;
	/* The same place is the same text: a message's memory is not reused while it lives. */
	if (scratch->uri_text.at == text.at && scratch->uri_text.len == text.len && text.at)
		return &scratch->uri;
	scratch->uri_text = (struct span){ 0 };
	if (!uri_parse(text, &scratch->uri))
		return NULL;
	scratch->uri_text = text;
	return &scratch->uri;
}
