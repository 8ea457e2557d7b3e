/* SPDX-License-Identifier: BSD-2-Clause */
/* OPTIONS inside the dialog, to find out that a party has gone without a word. */
#include "modules/dialog/profiles.h"

enum { CODE_TIMEOUT = 408, CODE_NO_CALL = 481 };

static void take_answer(const struct tm_uac_result *result, enum leg_kind leg)
{
	struct dialog_name name;
	struct shard *shard;
	bool is_gone = result->code == CODE_NO_CALL || result->code == CODE_TIMEOUT;
	if (result->data_len != sizeof(name))
		return;
	memcpy(&name, result->data, sizeof(name));
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	struct dialog_leg *asked = &dialog->legs[leg];
	asked->failures = is_gone ? asked->failures + 1 : 0;
	if (asked->failures >= (uint32_t)dialog_settings->ka_failed_limit && is_gone &&
	    dialog->state == DIALOG_ACTIVE) {
		dialog->expires_ms = clock_ms();
		dialog_arm(shard, dialog);
	}
	shard_unlock(shard);
	if (is_gone)
		log_notice("the %s of a dialog does not answer keepalive: %u",
			   leg == CALLER ? "caller" : "callee", result->code);
}

static void take_caller(const struct tm_uac_result *result)
{
	take_answer(result, CALLER);
}

static void take_callee(const struct tm_uac_result *result)
{
	take_answer(result, CALLEE);
}

void keepalive_ask(struct dialog_name name, uint32_t iflags)
{
	struct leg_request request = { .method = SPAN("OPTIONS"), .same_cseq = true };
	request.done = take_caller;
	if (iflags & IFLAG_KEEPALIVE_CALLER)
		(void)leg_send(name, CALLER, &request);
	request.done = take_callee;
	if (iflags & IFLAG_KEEPALIVE_CALLEE)
		(void)leg_send(name, CALLEE, &request);
}
