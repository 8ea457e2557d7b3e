/* SPDX-License-Identifier: BSD-2-Clause */
/* branch: functions on the scratch branch $sbranch(...). */
#include "core/script/branch_variables.h"
#include "modules/pv/pv.h"

SCRIPT_HANDLER_PLAIN(set_ruri)
SCRIPT_HANDLER_PLAIN(append)
SCRIPT_HANDLER_PLAIN(reset)

static struct branch *scratch_with_uri(struct script_run *run)
{
	struct branch *scratch = scratch_branch(run);
	if (scratch && scratch->uri.len)
		return scratch;
	log_error("the scratch branch has no URI: assign $sbranch(uri) first\n");
	return NULL;
}

/* The scratch branch becomes the message's first destination. */
static int set_ruri(struct script_run *run)
{
	const struct branch *scratch = scratch_with_uri(run);
	struct message *msg = run->msg;
	if (!scratch || !message_set_uri(msg, scratch->uri))
		return SCRIPT_FALSE;
	if (!message_set_dst_uri(msg, scratch->dst_uri))
		return SCRIPT_FALSE;
	msg->target.path = scratch->path;
	msg->target.q = scratch->q;
	msg->target.flags = scratch->flags;
	if (scratch->socket)
		msg->target.socket = scratch->socket;
	msg->target.ruid = scratch->ruid;
	msg->target.instance = scratch->instance;
	msg->target.location_ua = scratch->location_ua;
	return SCRIPT_TRUE;
}

static int append(struct script_run *run)
{
	const struct branch *scratch = scratch_with_uri(run);
	return truth(scratch && message_add_branch(run->msg, scratch));
}

static int reset(struct script_run *run)
{
	scratch_branch_reset(run);
	return SCRIPT_TRUE;
}

static const struct script_function functions[] = {
	FUNCTION_PLAIN("sbranch_set_ruri", set_ruri, IN_ANY, "Makes the scratch branch the first destination."),
	FUNCTION_PLAIN("sbranch_append", append, IN_ANY, "Adds the scratch branch as a further destination."),
	FUNCTION_PLAIN("sbranch_reset", reset, IN_ANY, "Empties the scratch branch."),
};
const struct function_table branch_functions = ROWS(functions);
