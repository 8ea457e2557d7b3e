/* SPDX-License-Identifier: BSD-2-Clause */
/* tm: stateful transactions (RFC 3261 16 and 17). */
#include "modules/tm/transaction.h"

static struct tm_settings settings = {
	.fr_timer = 30000,
	.fr_inv_timer = 120000,
	.max_inv_lifetime = 180000,
	.max_noninv_lifetime = 32000,
	.wt_timer = 5000,
	.retr_timer1 = 500,
	.retr_timer2 = 4000,
	.auto_inv_100 = true,
	.auto_inv_100_reason = SPAN("trying -- your call is important to us"),
	.aggregate_challenges = true,
	.cancel_b_method = 1,
	.failure_reply_mode = 3,
	.local_cancel_reason = true,
	.e2e_cancel_reason = true,
	.remap_503_500 = true,
	.noisy_ctimer = true,
	.restart_fr_on_each_reply = true,
	.delayed_reply = true,
	.reply_408_code = 408,
	.reply_408_reason = SPAN("Request Timeout"),
	.blst_503_max_timeout = 3600,
	.blst_methods_add = METHOD_INVITE,
	.blst_methods_lookup = (uint32_t)~METHOD_BYE,
	.default_code = 500,
	.ruri_matching = true,
	.reparse_invite = true,
	.via1_matching = true,
	.local_ack_branch_mode = ACK_BRANCH_NEW,
	.e2e_cancel_hop_by_hop = true,
	.reparse_on_dns_failover = true,
	.reply_relay_mode = true,
	.default_reason = SPAN("Server Internal Error"),
};

const struct tm_settings *const tm_settings_place = &settings;

static struct tm_counters counters;
struct tm_counters *const tm_counters = &counters;

#define SET(member, text, ...) FIELD(settings, member, text, __VA_ARGS__)
static const struct field setting_fields[] = {
	SET(fr_timer, "ms to wait for any reply", .min = 1, .max = 86400000, .is_live = true),
	SET(fr_inv_timer, "ms to wait for a final reply after a provisional one", .min = 1,
	    .max = 86400000, .is_live = true),
	SET(max_inv_lifetime, "ms that an INVITE may live", .min = 1, .max = 86400000,
	    .is_live = true),
	SET(max_noninv_lifetime, "ms that another request may live", .min = 1, .max = 86400000,
	    .is_live = true),
	SET(wt_timer, "ms that a finished transaction absorbs late messages", .min = 1,
	    .max = 86400000, .is_live = true),
	SET(retr_timer1, "first repetition in ms (T1)", .min = 1, .max = 600000, .is_live = true),
	SET(retr_timer2, "longest repetition interval in ms (T2)", .min = 1, .max = 600000,
	    .is_live = true),
	SET(noisy_ctimer, "callers of an INVITE that nobody answered hear 408, not nothing",
	    .is_live = true),
	SET(restart_fr_on_each_reply, "each provisional restarts fr_inv_timer", .is_live = true),
	SET(auto_inv_100, "send 100 for INVITE", .is_live = true),
	SET(auto_inv_100_reason, "its reason phrase"),
	SET(aggregate_challenges, "merge the challenges of all 401 and 407", .is_live = true),
	SET(cancel_b_method,
	    "branches without a reply: 0 end them, 1 wait for a provisional, 2 CANCEL at once",
	    .max = 2, .is_live = true),
	SET(failure_reply_mode,
	    "replies that failure_route looks at: 0, 1 all legs, 2, 3 the newest", .max = 3,
	    .is_live = true),
	SET(faked_reply_prio, "penalty of local replies when the best is picked", .min = -2000,
	    .max = 2000, .is_live = true),
	SET(unmatched_cancel, "CANCEL without INVITE: 0 forward statefully, 1 statelessly, 2 drop",
	    .max = 2, .is_live = true),
	SET(disable_6xx_block, "6xx are ordinary failures", .is_live = true),
	SET(local_cancel_reason, "Reason in CANCELs that a final reply causes", .is_live = true),
	SET(e2e_cancel_reason, "copy Reason from a received CANCEL", .is_live = true),
	SET(remap_503_500, "503 becomes 500 upstream", .is_live = true),
	SET(reply_408_noninvite,
	    "time-outs of other requests than INVITE are answered, too, which RFC 4320 forbids",
	    .is_live = true),
	SET(failure_exec_mode, "branches that fail locally run failure_route"),
	SET(reply_408_code, "code of time-outs", .min = 300, .max = 699),
	SET(reply_408_reason, "its reason phrase"),
	SET(default_code, "code when t_reply cannot read its argument", .min = 400, .max = 699,
	    .is_live = true),
	SET(default_reason, "reason in that case", .is_live = true),
	SET(delayed_reply, "error replies wait for the end of the script"),
	SET(on_sl_reply, "onreply_route for replies without transaction"),
	SET(contacts_avp, "XAVP of t_load_contacts"),
	SET(contact_flows_avp, "XAVP of further flows"),
	SET(ac_extra_hdrs, "prefix of headers copied into CANCEL and ACK"),
	SET(reparse_invite,
	    "CANCEL and ACK are made from what was sent; else from what was received, which RFC 3261 forbids",
	    .is_live = true),
	SET(evlreq_mode, "1: event_route[tm:local-request] runs for our CANCELs, too", .max = 1,
	    .is_live = true),
	SET(headers_mode, "1: copy headers of a received CANCEL", .max = 1),
	SET(relay_100, "100 is relayed like other provisional replies"),
	SET(failover_reply_codes, "codes besides 503 that make the next address be tried: \"code=404;class=5\""),
	SET(xavp_contact,
	    "XAVP of per-contact values, as in usrloc: t_next_contacts() gives those of its group"),
	SET(fr_timer_avp, "AVP that overrides fr_timer, in seconds"),
	SET(fr_inv_timer_avp, "AVP that overrides fr_inv_timer, in seconds"),
	SET(rich_redirect, "bits: what Contact of 3xx tells, 1 branch flags, 2 Path", .max = 3),
	SET(ruri_matching, "requests without the cookie of RFC 3261 match by Request-URI, too",
	    .is_live = true),
	SET(via1_matching, "… and by their topmost Via", .is_live = true),
	SET(callid_matching, "replies match by Call-ID and CSeq number, too", .is_live = true),
	SET(callid_cseq_matching, "requests match by Call-ID and CSeq, not by Via branch",
	    .is_live = true),
	SET(local_ack_mode,
	    "ACK of a local INVITE: 0 by RFC 3261, 1 where the INVITE went, 2 where the 2xx came from",
	    .max = 2, .is_live = true),
	SET(local_ack_branch_mode,
	    "Via branch of that ACK: 0 of the INVITE, 1 of the INVITE with a suffix, 2 new (RFC 3261)",
	    .max = ACK_BRANCH_NEW, .is_live = true),
	SET(e2e_cancel_hop_by_hop,
	    "0: a CANCEL is relayed with its headers, and what the callee answers to it goes back",
	    .is_live = true),
	SET(reparse_on_dns_failover,
	    "0: for the next address the request is made anew and its branch_route runs again",
	    .is_live = true),
	SET(reply_relay_mode,
	    "a 2xx that was suspended is not relayed when another final reply was meanwhile",
	    .is_live = true),
	SET(enable_uac_fr, "local requests run the failure_route of event_route[tm:local-request]"),
	SET(blst_503, "a 503 puts its sender on the blocklist (core: use_dst_blocklist)",
	    .is_live = true),
	SET(blst_503_def_timeout, "seconds for a 503 without Retry-After; 0: it does not count",
	    .max = 86400, .is_live = true),
	SET(blst_503_min_timeout, "seconds that Retry-After counts at least", .max = 86400,
	    .is_live = true),
	SET(blst_503_max_timeout, "seconds that Retry-After counts at most", .max = 86400,
	    .is_live = true),
	SET(blst_methods_add, "bits of the methods whose silence puts a destination on the blocklist",
	    .min = INT32_MIN, .max = UINT32_MAX, .is_live = true),
	SET(blst_methods_lookup, "bits of the methods that heed the blocklist", .min = INT32_MIN,
	    .max = UINT32_MAX, .is_live = true),
	FIELD_IGNORED("unix_tx_timeout", "there is no unix socket to write to"),
	FIELD_IGNORED("reply_matching", "replies name their transaction"),
	FIELD_IGNORED("pass_provisional_replies", "observers ask for what they want"),
	FIELD_IGNORED("dns_reuse_rcv_socket", "the next address is tried from the same socket when it fits"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
	FIELD_IGNORED("event_callback_lres_sent", "routes are in the native language"),
	FIELD_IGNORED("evcb_local_ack_sent", "routes are in the native language"),
	FIELD_IGNORED("exec_time_check", "transactions are leased"),
};

/* ---- statistics and commands ------------------------------------------------------------------------------- */

static int64_t count_live(void)
{
	return (int64_t)shard_set_live(store_set());
}

static int64_t count_active(void)
{
	return counter_read(counters.in_use);
}

static const struct counter_row counter_rows[] = {
	{ "tmx", "UAS_transactions", "transactions of received requests", &counters.uas },
	{ "tmx", "UAC_transactions", "transactions of local requests", &counters.local },
	{ "tmx", "2xx_transactions", "final replies 2xx", &counters.by_class[2] },
	{ "tmx", "3xx_transactions", "final replies 3xx", &counters.by_class[3] },
	{ "tmx", "4xx_transactions", "final replies 4xx", &counters.by_class[4] },
	{ "tmx", "5xx_transactions", "final replies 5xx", &counters.by_class[5] },
	{ "tmx", "6xx_transactions", "final replies 6xx", &counters.by_class[6] },
	{ .group = "tmx",
	  .name = "inuse_transactions",
	  .doc = "transactions that there are now",
	  .compute = count_live },
	{ .group = "tmx",
	  .name = "active_transactions",
	  .doc = "those without a final reply",
	  .compute = count_active },
	{ "tm", "unfinished", "transactions begun and not yet finished", &counters.in_use },
	{ "tm", "relayed", "requests relayed", &counters.active },
	{ "tm", "branches", "branches sent", &counters.uac },
	{ "tmx", "rpl_received", "replies received", &counters.rpl_received },
	{ "tmx", "rpl_absorbed", "repeated replies absorbed", &counters.rpl_absorbed },
	{ "tmx", "rpl_relayed", "replies relayed", &counters.rpl_relayed },
	{ "tmx", "rpl_generated", "replies made here", &counters.rpl_generated },
	{ "tmx", "rpl_sent", "replies sent", &counters.rpl_sent },
	{ "tm", "created", "transactions made", &counters.created },
	{ "tm", "freed", "transactions freed", &counters.freed },
};

static bool keeps_requests;

bool tm_keeps_requests(void)
{
	return keeps_requests;
}

static bool prepare(struct diagnostics *diagnostics)
{
	keeps_requests = module_is_loaded("tmx");
	upstream_prepare();
	if (!names_prepare() || !store_prepare()) {
		log_critical("no shared memory for transactions; start with a larger -m");
		return false;
	}
	return failover_prepare(diagnostics);
}

static const struct claim claims[] = {
	{ .name = "tm",
	  .order = 10,
	  .foresee = claim_foresee,
	  .request = claim_request,
	  .reply = claim_reply,
	  .undelivered = claim_undelivered,
	  .after = request_ended },
};
static const struct module_interface offers[] = { { "tm", TM_API_VERSION, &tm_api } };
static const struct module_event events[] = {
	{ "tm:branch-failure:", ROUTE_BRANCH_FAILURE, "a branch got a negative final reply" },
	{ "tm:local-request", ROUTE_LOCAL, "a request that is made here" },
	{ "tm:local-response", ROUTE_EVENT, "a reply was made and sent here" },
	{ "tm:local-ack-sent", ROUTE_EVENT, "the ACK of a local INVITE was sent" },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "tm",
	.doc = "Stateful transactions.",
	.settings = { &settings, FIELDS(setting_fields) },
	.more_functions =
		(const struct function_table *const[]){ &tm_relay_table, &tm_function_table, &tm_question_table,
							&tm_contact_table, &tm_uac_table, NULL },
	.variables = { tm_variable_rows, 1 },
	.commands = { tm_commands, TM_COMMAND_COUNT },
	.counters = ROWS(counter_rows),
	.events = ROWS(events),
	.claims = ROWS(claims),
	.offers = ROWS(offers),
	.prepare = prepare,
	.start_worker = timers_start,
};
