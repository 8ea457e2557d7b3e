/* SPDX-License-Identifier: BSD-2-Clause */
/* Sending requests: branches of a forwarded request (RFC 3261 16.6), CANCEL (9.1) and the ACK to a
 * negative final reply (17.1.1.3). */
#include "core/net/locate.h"
#include "modules/tm/transaction.h"

void branch_send(const struct tx_branch *branch, struct span bytes)
{
	struct send_target target = { .to = branch->sent->to, .from = branch->sent->from };
	/* Copied, because another process may free the transaction before the batch leaves. */
	send_bytes(&target, bytes, true);
}

/* ---- routes of a branch --------------------------------------------------------------------------------- */

static bool run_branch_route(struct script_run *parent, struct transaction *tx, struct message *msg)
{
	struct script_run run;
	if (!tx->on_branch || !script_run_init(&run, msg, ROUTE_BRANCH, parent))
		return true;
	uint32_t route = script_route(run.image, ROUTE_BRANCH, route_name(tx->on_branch));
	if (route)
		script_run_route(&run, route);
	return !run.dropped;
}

/* Of the errors of several branches the largest is told. */
static void note_failure(struct message *msg, int error)
{
	if (error > msg->last_error)
		msg->last_error = error;
}

/* ---- one branch ----------------------------------------------------------------------------------------------- */

/* Copies `text` behind what is in the block already. */
static struct span place(char **end, struct span text)
{
	if (!text.at)
		return text;
	char *at = *end;
	memcpy(at, text.at, text.len);
	*end = at + text.len;
	return span_make(at, text.len);
}

/* NULL: no memory. */
static struct tx_sent *sent_new(struct transaction *tx, const struct branch_record *record)
{
	const struct branch *target = record->target;
	size_t spare_bytes = record->spare_count * sizeof(*record->spare);
	size_t size = sizeof(struct tx_sent) + spare_bytes + record->request.len + record->uri.len +
		      target->dst_uri.len + target->path.len + target->ruid.len +
		      target->instance.len;
	struct tx_sent *sent = tx_alloc(tx, size);
	if (!sent)
		return NULL;
	struct end_point *spare = (struct end_point *)(sent + 1);
	char *end = (char *)spare + spare_bytes;
	if (spare_bytes)
		memcpy(spare, record->spare, spare_bytes);
	*sent = (struct tx_sent){ .to = record->to,
				  .from = record->from,
				  .spare = spare,
				  .spare_count = record->spare_count };
	sent->uri = place(&end, record->uri);
	sent->dst_uri = place(&end, target->dst_uri);
	sent->path = place(&end, target->path);
	sent->ruid = place(&end, target->ruid);
	sent->instance = place(&end, target->instance);
	sent->request = place(&end, record->request);
	return sent;
}

/* The place of a branch that is not in the transaction itself, and in the list; NULL: no memory. */
static struct tx_branch *further_place(struct transaction *tx)
{
	struct tx_branch **list = tx->branches;
	struct shard *shard = tx_lock(tx);
	if (tx->branch_count == tx->branch_room)
		list = region_alloc(shard, &tx->slot, BRANCHES_MOST * sizeof(*list));
	struct tx_branch *branch =
		list ? region_alloc(shard, &tx->slot, sizeof(struct tx_branch)) : NULL;
	if (branch && list != tx->branches) {
		memcpy(list, tx->branches, tx->branch_count * sizeof(*list));
		tx->branches = list;
		tx->branch_room = BRANCHES_MOST;
	} else if (list != tx->branches) {
		region_free(shard, &tx->slot, list);
	}
	shard_unlock(shard);
	return branch;
}

struct tx_branch *branch_add(struct transaction *tx, const struct branch_record *record)
{
	const struct tx_sent *sent = sent_new(tx, record);
	struct tx_branch *branch = !sent ? NULL : tx->branch_count ? further_place(tx) : &tx->first;
	if (!branch)
		return NULL;
	*branch = (struct tx_branch){ .sent = sent,
				      .state = CLIENT_TERMINATED,
				      .flags = record->target->flags };
	/* Others look at it without the lease. */
	tx->branches[tx->branch_count] = branch;
	__atomic_store_n(&tx->branch_count, (uint8_t)(tx->branch_count + 1), __ATOMIC_RELEASE);
	return branch;
}

struct branch branch_target(const struct tx_branch *branch)
{
	const struct tx_sent *sent = branch->sent;
	return (struct branch){ .uri = sent->uri,
				.dst_uri = sent->dst_uri,
				.path = sent->path,
				.ruid = sent->ruid,
				.instance = sent->instance,
				.flags = branch->flags };
}

void branch_arm(struct transaction *tx, struct tx_branch *branch)
{
	int64_t now = clock_ms();
	branch->state = CLIENT_CALLING;
	branch->expires_ms = now + tx->fr_ms;
	if (transport_is_reliable((enum transport)branch->sent->to.transport))
		return;
	branch->interval_ms = tx->retr1_ms;
	branch->retransmit_ms = now + tx->retr1_ms;
}

static const struct listener *choose_listener(const struct message *msg, const struct end_point *to)
{
	const struct listener *forced = msg->target.socket;
	if (forced && forced->address.family == to->family &&
	    forced->address.transport == to->transport)
		return forced;
	return listener_towards(msg->from.listener, to);
}

/* Renders msg->target and sends it to the first target as a new branch, which remembers the bytes and
 * the other targets. */
static bool branch_start(struct transaction *tx, struct message *msg,
			 const struct end_point *targets, unsigned count)
{
	char via[HOP_BRANCH_MAX];
	const struct tx_context *context = tx_context(msg);
	struct outgoing out = { .msg = msg, .branch = &msg->target, .to = targets[0] };
	struct writer w = writer_in_arena(msg->arena, msg->bytes.len + 512);
	out.from = choose_listener(msg, &out.to);
	if (!out.from) {
		note_failure(msg, listener_failure(&out.to));
		log_error("no listen address can reach %.*s", SPAN_ARGS(message_uri(msg)));
		return false;
	}
	out.via_branch = tx_via_branch(tx, tx->branch_count, hop_loop_hash(msg), via);
	render_sized_request(&w, &out);
	if (w.failed || !onsend_allows(msg, &out)) {
		note_failure(msg, !w.failed ? 477 : msg->arena->is_short ? 500 : 513);
		return false;
	}
	const struct branch_record record = {
		.request = writer_result(&w),
		.uri = message_uri(msg),
		.target = &msg->target,
		.to = out.to,
		.from = out.from,
		.spare = targets + 1,
		.spare_count = count - 1,
	};
	struct tx_branch *branch = branch_add(tx, &record);
	if (!branch) {
		note_failure(msg, 500);
		log_error("no shared memory for a branch; start with a larger -m");
		return false;
	}
	branch->on_reply = tx->on_reply;
	branch->on_branch_failure = tx->on_branch_failure;
	branch->on_branch = tx->on_branch;
	branch->breadth = context->breadth;
	const struct send_target target = {
		.to = out.to,
		.from = out.from,
		.no_connect = msg->notes & NOTE_FORWARD_NO_CONNECT,
		.close_after = msg->notes & NOTE_FORWARD_CLOSE,
		/* Whoever orders a local request hears of it as of any other failure. */
		.wants_result = !(tx->flags & TX_LOCAL),
	};
	branch_arm(tx, branch); /* first: who dies after the sending leaves a branch that goes on */
	if (send_bytes(&target, writer_result(&w), false) != SEND_OK) {
		branch_refused(branch);
		note_failure(msg, 477);
		return false;
	}
	counter_inc(tm_counters->uac);
	return true;
}

static bool find_targets(const struct transaction *tx, struct message *msg,
			 const struct send_target *forced, struct located *out)
{
	struct span next_hop = msg->target.dst_uri.at ? msg->target.dst_uri : message_uri(msg);
	if (msg->target.uri.at && !message_read_uri(msg, msg->target.uri)) {
		note_failure(msg, msg->arena->is_short ? 500 : 479);
		log_error("the Request-URI %s: %.*s",
			  msg->arena->is_short ? "finds no memory" : "is none any more",
			  SPAN_ARGS(msg->target.uri));
		return false;
	}
	if (forced && forced->to.family) {
		out->targets[0] = forced->to;
		out->count = 1;
	} else if (!locate_parsed_uri(message_read_uri(msg, next_hop), out)) {
		note_failure(msg, msg->arena->is_short     ? 500
				  : msg->target.dst_uri.at ? 478
							   : locate_failure(next_hop));
		log_error("cannot resolve the next hop %.*s", SPAN_ARGS(next_hop));
		return false;
	}
	for (unsigned i = 0; forced && forced->to.transport && i < out->count; i++)
		out->targets[i].transport = forced->to.transport;
	failover_choose(tx, out);
	if (out->count)
		return true;
	note_failure(msg, 473);
	log_debug("%.*s is on the blocklist of destinations", SPAN_ARGS(next_hop));
	return false;
}

/* The first target to which it can be sent. */
static bool start_somewhere(struct transaction *tx, struct message *msg,
			    const struct located *located)
{
	for (unsigned i = 0; i < located->count && tx->branch_count < BRANCHES_MOST; i++)
		if (branch_start(tx, msg, &located->targets[i], located->count - i))
			return true;
	return false;
}

/* A branch route changes its own copy of the edits only. False: no memory; the edits are as before. */
static bool copy_edits(struct message *msg)
{
	struct edit *first = NULL, **last = &first;
	for (const struct edit *edit = msg->edits; edit; edit = edit->next) {
		struct edit *copy = arena_alloc(msg->arena, sizeof(*copy));
		if (!copy)
			return false;
		*copy = *edit;
		copy->next = NULL;
		*last = copy;
		last = &copy->next;
	}
	msg->edits = first;
	return true;
}

/* What the branch has of its own before its route runs. */
static bool prepare_edits(struct message *msg, const struct tx_context *context)
{
	if (copy_edits(msg) && (!context->writes_breadth || breadth_write(msg, context->breadth)))
		return true;
	note_failure(msg, 500);
	return false;
}

/* Sends to msg->target. */
static bool start_target(struct transaction *tx, struct message *msg,
			 const struct send_target *forced, const struct located *known)
{
	struct located located;
	return (known || find_targets(tx, msg, forced, &located)) &&
	       start_somewhere(tx, msg, known ? known : &located);
}

/* The same with a target of its own, and with what its route changes for this branch only. */
static bool start_changed(struct script_run *run, struct transaction *tx,
			  const struct branch *destination, const struct send_target *forced,
			  const struct located *known)
{
	struct message *msg = run->msg;
	struct branch kept_target = msg->target;
	struct edit *kept_edits = msg->edits;
	if (destination)
		msg->target = *destination;
	bool is_sent = prepare_edits(msg, tx_context(msg)) && run_branch_route(run, tx, msg) &&
		       start_target(tx, msg, forced, known);
	msg->target = kept_target;
	msg->edits = kept_edits;
	return is_sent;
}

/* Sends to a destination; `known`: what its addresses are, when somebody asked already. */
static bool start_destination(struct script_run *run, struct transaction *tx,
			      const struct branch *destination, const struct send_target *forced,
			      const struct located *known)
{
	struct message *msg = run->msg;
	struct tx_context *context = tx_context(msg);
	int kept_branch = context->branch;
	if (tx->branch_count == BRANCHES_MOST) {
		log_error("a transaction has at most %d branches", BRANCHES_MOST);
		return false;
	}
	context->branch = tx->branch_count;
	bool is_changed = destination || tx->on_branch || context->writes_breadth;
	bool is_sent = is_changed ? start_changed(run, tx, destination, forced, known)
				  : start_target(tx, msg, forced, known);
	context->branch = kept_branch;
	return is_sent;
}

bool relay_one(struct script_run *run, struct transaction *tx, const struct branch *destination,
	       const struct send_target *forced)
{
	return start_destination(run, tx, destination, forced, NULL);
}

bool relay_anew(struct transaction *tx, struct message *request, unsigned failed_number,
		const struct located *located)
{
	const struct tx_branch *failed = tx->branches[failed_number];
	struct tx_context *context = tx_context(request);
	struct script_run run;
	const struct branch destination = branch_target(failed);
	uint16_t armed = tx->on_branch;
	if (!context || !script_run_init(&run, request, ROUTE_REQUEST, NULL))
		return false;
	context->breadth = failed->breadth;
	context->writes_breadth = failed->breadth;
	tx->on_branch = failed->on_branch;
	bool is_sent = start_destination(&run, tx, &destination, NULL, located);
	tx->on_branch = armed;
	return is_sent;
}

bool relay_nowhere(struct transaction *tx, const struct message *msg)
{
	const struct branch_record record = {
		.request = SPAN_OF(""), .uri = message_uri(msg), .target = &msg->target
	};
	struct tx_branch *branch =
		tx->branch_count < BRANCHES_MOST ? branch_add(tx, &record) : NULL;
	if (!branch)
		return false;
	branch->state = CLIENT_CALLING;
	branch->expires_ms = clock_ms() + 1;
	tx->flags |= TX_RELAYED;
	return true;
}

static bool same_destination(const struct branch *a, struct span uri, const struct branch *b)
{
	return span_equal(a->uri, uri) && span_equal(a->dst_uri, b->dst_uri);
}

/* Is the message's first destination one to send to? After a failure it is only when the route set a
 * new one; never when append_branch() made a branch of it. */
static bool main_counts(const struct message *msg, const struct tx_context *context)
{
	if (context->main_is_used && msg->target.uri.at == context->seen_uri &&
	    msg->target.dst_uri.at == context->seen_dst)
		return false;
	for (unsigned i = 0; i < msg->branch_count; i++)
		if (same_destination(&msg->branches[i], message_uri(msg), &msg->target))
			return false;
	return true;
}

/* What became of earlier serial legs counts no more, as failure_reply_mode says. */
static void drop_replies_of_old_legs(struct transaction *tx)
{
	int64_t mode = tm_settings()->failure_reply_mode;
	unsigned from = mode == 2 ? tx->first_leg : 0;
	for (unsigned i = from; mode != 0 && i < tx->branch_count; i++)
		tx->branches[i]->is_dropped = true;
}

/* A failure_route made the branches from `first` on. When none of them could be sent, that is what became
 * of the leg. */
static void begin_leg(struct transaction *tx, unsigned first, bool any_sent)
{
	unsigned count = tx->branch_count;
	tx->branch_count = (uint8_t)first;
	drop_replies_of_old_legs(tx);
	tx->branch_count = (uint8_t)count;
	tx->first_leg = (uint8_t)first;
	tx->branches[first]->is_dropped = tx->branches[first]->is_dropped && any_sent;
}

static unsigned count_branches(const struct message *msg)
{
	unsigned count = 0;
	for (unsigned i = 0; i < msg->branch_count; i++)
		count += msg->branches[i].uri.at != NULL;
	return count;
}

/* Sends to the Request-URI, when it counts, and to all branches; each gets its share of the breadth. */
static bool relay_all(struct script_run *run, struct transaction *tx,
		      const struct send_target *forced, bool with_main,
		      const struct breadth *breadth)
{
	struct message *msg = run->msg;
	struct tx_context *context = tx_context(msg);
	bool any_sent = false;
	context->writes_breadth = breadth->is_written;
	context->breadth = (uint8_t)breadth->first;
	if (with_main) {
		any_sent = relay_one(run, tx, NULL, forced);
		context->breadth = (uint8_t)breadth->each;
	}
	for (unsigned i = 0; i < msg->branch_count; i++) {
		struct branch destination = msg->branches[i];
		if (!destination.uri.at)
			continue;
		any_sent = relay_one(run, tx, &destination, forced) || any_sent;
		context->breadth = (uint8_t)breadth->each;
	}
	context->breadth = 0;
	context->writes_breadth = false;
	return any_sent;
}

bool relay_branches(struct script_run *run, struct transaction *tx,
		    const struct send_target *forced)
{
	struct message *msg = run->msg;
	struct tx_context *context = tx_context(msg);
	unsigned old_count = tx->branch_count;
	bool with_main = main_counts(msg, context), any_sent = false;
	struct breadth breadth;
	if (breadth_divide(tx, msg, with_main + count_branches(msg), &breadth)) {
		any_sent = relay_all(run, tx, forced, with_main, &breadth);
	} else {
		note_failure(msg, 440);
		log_debug("the request's Max-Breadth does not suffice for its branches");
	}
	message_clear_branches(msg);
	context->main_is_used = true;
	context->seen_uri = msg->target.uri.at;
	context->seen_dst = msg->target.dst_uri.at;
	tx->on_branch = 0; /* whoever relays again arms it again */
	if (run->kind == ROUTE_FAILURE && tx->branch_count > old_count)
		begin_leg(tx, old_count, any_sent);
	if (any_sent && !(tx->flags & TX_RELAYED)) {
		tx->flags |= TX_RELAYED;
		counter_inc(tm_counters->active);
	}
	return any_sent;
}

/* ---- CANCEL and ACK, made from the request as it was sent -------------------------------------------------------- */

/* Copies the headers that a CANCEL or ACK shares with its INVITE: with those of the hop as sent, the others
 * from `shown`, which is the same unless reparse_invite is off. */
static void write_shared_headers(struct writer *w, struct message *sent, struct message *shown,
				 const char *method, struct span to)
{
	uint32_t cseq = 0;
	if (!message_cseq(sent, &cseq))
		cseq = 0;
	writer_printf(w, "%s %.*s SIP/2.0\r\n", method, SPAN_ARGS(message_original_uri(sent)));
	for (unsigned i = 0; i < shown->index->header_count; i++) {
		const struct sip_header *h = &shown->index->headers[i];
		switch (h->id) {
		case HEADER_VIA:
			if (h == message_header(shown, HEADER_VIA))
				writer_span(w, sip_header_line(sent->bytes,
							       message_header(sent, HEADER_VIA)));
			break;
		case HEADER_TO: writer_span(w, to); break;
		case HEADER_CSEQ: writer_printf(w, "CSeq: %u %s\r\n", cseq, method); break;
		case HEADER_ROUTE:
		case HEADER_MAX_FORWARDS:
		case HEADER_FROM:
		case HEADER_CALL_ID: writer_span(w, sip_header_line(shown->bytes, h)); break;
		default: break;
		}
	}
}

struct message *branch_request(const struct tx_branch *branch, struct arena *arena)
{
	const struct received nobody = { 0 };
	const char *reason;
	struct message *sent = message_parse(arena, branch->sent->request, &nobody, &reason);
	bool is_whole = sent && message_header(sent, HEADER_VIA) &&
			message_header(sent, HEADER_FROM) && message_header(sent, HEADER_TO) &&
			message_header(sent, HEADER_CALL_ID);
	return is_whole ? sent : NULL;
}

/* Copies the headers of the INVITE whose names begin with ac_extra_hdrs. */
static void write_extra_headers(struct writer *w, const struct message *sent)
{
	struct span prefix = tm_settings()->ac_extra_hdrs;
	for (unsigned i = 0; prefix.len && i < sent->index->header_count; i++) {
		const struct sip_header *h = &sent->index->headers[i];
		if (h->id == HEADER_OTHER &&
		    span_starts_with_nocase(sip_header_name(sent->bytes, h), prefix))
			writer_span(w, sip_header_line(sent->bytes, h));
	}
}

/* What the other headers of a CANCEL or ACK come from. */
static struct message *shown_invite(struct transaction *tx, struct message *sent,
				    struct arena *arena)
{
	struct tx_context context = context_holding(tx);
	struct message *received =
		tm_settings()->reparse_invite ? NULL : tx_request(tx, arena, &context);
	bool is_whole = received && message_header(received, HEADER_VIA) &&
			message_header(received, HEADER_TO);
	return is_whole ? received : sent;
}

/* evlreq_mode: the route may change the CANCEL. False: it dropped it. */
static bool run_cancel_route(struct span *cancel, struct arena *arena)
{
	const struct received nobody = { 0 };
	const char *reason;
	struct message *msg = message_parse(arena, *cancel, &nobody, &reason);
	if (!msg)
		return true;
	msg->notes |= NOTE_LOCAL;
	if (!run_local_request(msg))
		return false;
	if (msg->edits && message_apply_edits(msg))
		*cancel = msg->bytes;
	return true;
}

/* The CANCEL of a branch, kept; absent: no memory. */
static struct span make_cancel(struct transaction *tx, struct tx_branch *branch,
			       struct arena *arena, bool *out_is_dropped)
{
	struct message *sent = branch_request(branch, arena);
	struct writer w = writer_in_arena(arena, 1024);
	if (!sent)
		return NO_SPAN;
	struct message *shown = shown_invite(tx, sent, arena);
	write_shared_headers(&w, sent, shown, "CANCEL",
			     sip_header_line(shown->bytes, message_header(shown, HEADER_TO)));
	if (shown == sent)
		write_extra_headers(&w, sent);
	writer_literal(&w, "Content-Length: 0\r\n");
	writer_span(&w, bytes_span(tx->cancel_reason));
	writer_literal(&w, "\r\n");
	struct span cancel = w.failed ? NO_SPAN : writer_result(&w);
	*out_is_dropped =
		cancel.at && (tm_settings()->evlreq_mode & 1) && !run_cancel_route(&cancel, arena);
	return cancel.at && tx_keep(tx, &branch->cancel, cancel) ? cancel : NO_SPAN;
}

void branch_was_cancelled(struct transaction *tx, struct tx_branch *branch)
{
	branch->cancel_wanted = false;
	branch->retransmit_ms = 0;
	branch->expires_ms =
		clock_ms() + (tx->fr_ms < 64 * tx->retr1_ms ? tx->fr_ms : 64 * tx->retr1_ms);
}

static void cancel_branch(struct transaction *tx, struct tx_branch *branch, struct arena *arena)
{
	if (branch->cancel.at)
		return;
	bool is_dropped = false;
	struct span cancel = make_cancel(tx, branch, arena, &is_dropped);
	if (!cancel.at) {
		branch->cancel_ms = clock_ms() + tx->retr1_ms; /* it is tried again then */
		return;
	}
	branch_was_cancelled(tx, branch);
	if (!is_dropped && !transport_is_reliable((enum transport)branch->sent->to.transport)) {
		branch->cancel_interval_ms = tx->retr1_ms;
		branch->cancel_ms = clock_ms() + tx->retr1_ms;
	}
	if (!is_dropped)
		branch_send(branch, cancel);
}

void cancel_branches(struct transaction *tx, uint32_t which, struct arena *arena)
{
	if (!(tx->flags & TX_INVITE))
		return;
	for (unsigned i = 0; i < tx->branch_count; i++) {
		struct tx_branch *branch = tx->branches[i];
		if (!(which & (1u << i)) || branch_is_done(branch))
			continue;
		/* RFC 3261 9.1: no CANCEL before a provisional was heard. */
		if (branch->state == CLIENT_PROCEEDING || tm_settings()->cancel_b_method == 2) {
			cancel_branch(tx, branch, arena);
		} else if (tm_settings()->cancel_b_method == 0) {
			branch->state =
				client_step(MACHINE_INVITE, (enum client_state)branch->state,
					    CLIENT_GIVES_UP)
					.next;
			branch->retransmit_ms = branch->expires_ms = 0;
			branch->code = 487;
			branch->is_local = true;
		} else {
			branch->cancel_wanted = true;
		}
	}
}

void send_branch_ack(struct transaction *tx, unsigned number, struct message *reply)
{
	const struct tx_branch *branch = tx->branches[number];
	struct message *sent = branch_request(branch, reply->arena);
	const struct sip_header *to = message_header(reply, HEADER_TO);
	if (!sent || !to)
		return;
	struct writer w = writer_in_arena(reply->arena, 1024);
	struct message *shown = shown_invite(tx, sent, reply->arena);
	write_shared_headers(&w, sent, shown, "ACK", sip_header_line(reply->bytes, to));
	if (shown == sent)
		write_extra_headers(&w, sent);
	writer_literal(&w, "Content-Length: 0\r\n\r\n");
	const struct send_target target = { .to = branch->sent->to, .from = branch->sent->from };
	if (!w.failed)
		send_bytes(&target, writer_result(&w), false);
}
