/* SPDX-License-Identifier: BSD-2-Clause */
/* Targets that fail: the next address of the same destination is tried by a new branch (RFC 3263 4.3),
 * and what is dead is passed over for a while. */
#include "core/net/blocklist.h"
#include "core/transport/udp.h"
#include "modules/tm/transaction.h"
#include "parser/values.h"

#define CODES_MOST 32

/* failover_reply_codes: single codes, and classes as their first digit. */
static struct {
	uint16_t codes[CODES_MOST];
	unsigned count;
} wanted;

/* codes = item *(";" item) ; item = ("code" / "class") "=" number */
static bool read_codes(struct span text)
{
	struct span item;
	while (span_split(&text, ';', &item)) {
		int64_t number;
		size_t equals = span_find(item, '=', 0);
		struct span name = span_trim(span_slice(item, 0, equals));
		bool is_class = span_equal_nocase(name, SPAN_OF("class"));
		if (span_trim(item).len == 0)
			continue;
		if ((!is_class && !span_equal_nocase(name, SPAN_OF("code"))) ||
		    !span_to_int64(span_trim(span_slice(item, equals + 1, item.len)), &number) ||
		    number < (is_class ? 3 : 300) || number > (is_class ? 6 : 699) ||
		    wanted.count == CODES_MOST)
			return false;
		wanted.codes[wanted.count++] = (uint16_t)number;
	}
	return true;
}

bool failover_prepare(struct diagnostics *diagnostics)
{
	if (read_codes(tm_settings()->failover_reply_codes))
		return true;
	diagnostic_add(
		diagnostics, SEVERITY_ERROR, "bad-value",
		module_setting_position("tm", "failover_reply_codes"),
		"failover_reply_codes wants up to %d items \"code=NNN\" or \"class=N\", with "
		"semicolons between them",
		CODES_MOST);
	return false;
}

static bool is_failover_code(unsigned code)
{
	for (unsigned i = 0; i < wanted.count; i++)
		if (wanted.codes[i] == code || wanted.codes[i] == code / 100)
			return true;
	return code == 503;
}

void failover_choose(const struct transaction *tx, struct located *located)
{
	bool is_heeded = blocklist_is_on() && (tm_settings()->blst_methods_lookup & tx->method);
	unsigned count = 0;
	if (!locate_fails_over() || (tx->flags & TX_NO_FAILOVER))
		located->count = 1;
	for (unsigned i = 0; i < located->count; i++)
		if (!is_heeded || !blocklist_has(&located->targets[i]))
			located->targets[count++] = located->targets[i];
	located->count = count;
}

/* ---- what is dead ------------------------------------------------------------------------------------ */

/* Of a 503; the configured default when it does not say. */
static int64_t pause_s(const struct message *reply)
{
	const struct tm_settings *settings = tm_settings();
	struct retry_after wish;
	if (!retry_after_parse(message_value(reply, HEADER_RETRY_AFTER), &wish))
		return settings->blst_503_def_timeout;
	if (wish.seconds < settings->blst_503_min_timeout)
		return settings->blst_503_min_timeout;
	return wish.seconds > settings->blst_503_max_timeout ? settings->blst_503_max_timeout
							     : wish.seconds;
}

static void note_failure(const struct transaction *tx, const struct tx_branch *branch,
			 const struct message *reply)
{
	if (!blocklist_is_on())
		return;
	if (!reply) {
		if (!branch->timed_out || (tm_settings()->blst_methods_add & tx->method))
			blocklist_add(&branch->sent->to, 0);
		return;
	}
	int64_t seconds = tm_settings()->blst_503 && branch->code == 503 ? pause_s(reply) : 0;
	if (seconds)
		blocklist_add(&branch->sent->to, seconds * 1000);
}

/* ---- the next target ------------------------------------------------------------------------------------ */

/* Its length depends on the token and the number only. */
struct span branch_via(const struct transaction *tx, unsigned number, struct hop *out_hop)
{
	char text[HOP_BRANCH_MAX];
	struct span request = tx->branches[number]->sent->request;
	struct span probe = tx_via_branch(tx, number, 0, text);
	struct hop hop;
	if (!hop_branch_read(probe, &hop))
		return NO_SPAN;
	size_t start = (size_t)(hop.token.at + hop.token.len - probe.at) + 1;
	size_t at = span_find_span(request, span_slice(probe, 0, start));
	struct span found = span_slice(request, at, probe.len);
	return hop_branch_read(found, out_hop) ? found : NO_SPAN;
}

/* The request as the failed branch sent it, with the Via of the new one. */
static void write_again(struct writer *w, const struct transaction *tx, unsigned failed_number,
			const struct listener *from)
{
	char new_text[HOP_BRANCH_MAX];
	struct hop hop;
	const struct tx_branch *failed = tx->branches[failed_number];
	struct span request = failed->sent->request, prefix = NO_SPAN;
	struct span old = branch_via(tx, failed_number, &hop);
	if (!old.at) {
		w->failed = true;
		return;
	}
	size_t at = (size_t)(old.at - request.at);
	struct span before = span_slice(request, 0, at);
	if (from != failed->sent->from && span_ends_with(before, failed->sent->from->via_prefix)) {
		before.len -= failed->sent->from->via_prefix.len;
		prefix = from->via_prefix;
	}
	writer_span(w, before);
	writer_span(w, prefix);
	writer_span(w, tx_via_branch(tx, tx->branch_count, hop.loop, new_text));
	writer_span(w, span_slice(request, at + old.len, request.len));
}

static bool send_again(struct transaction *tx, unsigned failed_number, unsigned target)
{
	const struct tx_branch *failed = tx->branches[failed_number];
	const struct end_point *to = &failed->sent->spare[target];
	const struct listener *from = listener_towards(failed->sent->from, to);
	struct datagram *event = from ? datagram_take() : NULL;
	struct tx_branch *branch = NULL;
	if (event) {
		struct writer w = writer_in_arena(&event->arena, failed->sent->request.len + 128);
		write_again(&w, tx, failed_number, from);
		const struct branch destination = branch_target(failed);
		const struct branch_record record = {
			.request = writer_result(&w),
			.uri = destination.uri,
			.target = &destination,
			.to = *to,
			.from = from,
			.spare = failed->sent->spare + target + 1,
			.spare_count = failed->sent->spare_count - target - 1,
		};
		branch = w.failed ? NULL : branch_add(tx, &record);
		datagram_release(event);
	}
	if (!branch)
		return false;
	branch->on_reply = failed->on_reply;
	branch->on_branch_failure = failed->on_branch_failure;
	branch->on_branch = failed->on_branch;
	branch->breadth = failed->breadth;
	const struct send_target way = { .to = *to, .from = from, .wants_result = true };
	branch_arm(tx, branch);
	if (send_bytes(&way, branch->sent->request, true) != SEND_OK) {
		branch_refused(branch);
		return false;
	}
	counter_inc(tm_counters->uac);
	return true;
}

/* The same with a request that is made anew: all targets from this one on are tried. */
static bool send_anew(struct transaction *tx, unsigned failed_number, unsigned target)
{
	const struct tx_branch *failed = tx->branches[failed_number];
	struct datagram *event = datagram_take();
	struct tx_context context = context_holding(tx);
	struct located located = { .count = failed->sent->spare_count - target };
	if (!event)
		return false;
	memcpy(located.targets, failed->sent->spare + target,
	       located.count * sizeof(*failed->sent->spare));
	struct message *request = request_for_route(tx, &context, &event->arena);
	bool is_sent = request && relay_anew(tx, request, failed_number, &located);
	datagram_release(event);
	return is_sent;
}

bool branch_fails_over(struct transaction *tx, unsigned number, struct message *reply)
{
	struct tx_branch *failed = tx->branches[number];
	if (reply && !is_failover_code(failed->code))
		return false;
	note_failure(tx, failed, reply);
	if (tx->server != SERVER_PROCEEDING ||
	    (tx->flags & (TX_CANCELLED | TX_NO_FAILOVER | TX_LIFETIME_OVER)))
		return false;
	for (unsigned i = 0; i < failed->sent->spare_count && tx->branch_count < BRANCHES_MOST;
	     i++) {
		bool is_heeded = tm_settings()->blst_methods_lookup & tx->method;
		if (is_heeded && blocklist_has(&failed->sent->spare[i]))
			continue;
		if (tm_settings()->reparse_on_dns_failover ? send_again(tx, number, i)
							   : send_anew(tx, number, i)) {
			failed->is_dropped = true;
			return true;
		}
	}
	return false;
}

/* ---- what cannot be sent -------------------------------------------------------------------------------- */

void branch_refused(struct tx_branch *branch)
{
	branch->state = CLIENT_TERMINATED;
	branch->retransmit_ms = branch->expires_ms = 0;
	branch->code = 477;
	branch->is_local = branch->is_dropped = true;
	if (blocklist_is_on())
		blocklist_add(&branch->sent->to, 0);
}

/* RFC 3261 16.9, 17.1.4: as if 503 had come. */
static void branch_is_lost(struct transaction *tx, unsigned number, struct arena *arena)
{
	struct tx_branch *branch = tx->branches[number];
	branch->state =
		client_step(tx_kind(tx), (enum client_state)branch->state, CLIENT_GIVES_UP).next;
	branch->retransmit_ms = branch->expires_ms = branch->cancel_ms = 0;
	branch->is_local = true;
	branch->code = tx->flags & TX_CANCELLED ? 487 : 503;
	if (branch_fails_over(tx, number, NULL))
		return;
	branch_failed(tx, number, NULL, arena);
	if (all_done(tx) && tx->server == SERVER_PROCEEDING)
		finish_branches(tx, arena);
}

void claim_undelivered(struct message *request)
{
	struct tx_context context = { .branch = -1 };
	unsigned number;
	if (!tx_from_via(message_top_via(request)->branch, &context, &number) ||
	    !tx_enter(&context))
		return;
	struct transaction *tx = context.tx;
	/* Of a CANCEL or ACK that is lost nothing follows: the other side repeats what they answer. */
	if (message_method(request) == tx->method && number < tx->branch_count &&
	    !branch_is_done(tx->branches[number]))
		branch_is_lost(tx, number, request->arena);
	tx_leave(&context);
}
