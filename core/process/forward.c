/* SPDX-License-Identifier: BSD-2-Clause */
/* Stateless forwarding (RFC 3261 16.11): nothing is remembered, so the branch is computed from the
 * request and a retransmission gets the same one. */
#include "core/message/hop.h"
#include "core/net/locate.h"
#include "core/process/process.h"

static counter_id forwarded_requests, forwarded_replies, forward_failures, stray_replies;

void forward_prepare(void)
{
	forwarded_requests = counter_register("core", "fwd_requests",
					      "requests forwarded statelessly", COUNTER_COUNT);
	forwarded_replies = counter_register("core", "fwd_replies", "replies forwarded statelessly",
					     COUNTER_COUNT);
	stray_replies =
		counter_register("core", "stray_replies",
				 "replies to nothing that was sent from here", COUNTER_COUNT);
	forward_failures = counter_register("core", "err_replies",
					    "replies that could not be forwarded", COUNTER_COUNT);
}

/* A branch that depends on the request alone; CANCEL and ACK to a failure get the one of their
 * INVITE because they carry its top branch. */
static struct span stateless_branch(struct message *msg, char out[HOP_BRANCH_MAX])
{
	const struct sip_via *via = message_top_via(msg);
	uint32_t loop = hop_loop_hash(msg);
	uint64_t key[] = { hash_span(via->branch), loop };
	char token[HOP_TOKEN_MAX];
	struct writer w = writer_fixed(token, sizeof(token));
	writer_char(&w, 's');
	writer_hex(&w, hash_keyed(key, sizeof(key)), 16);
	return hop_branch_write(&(struct hop){ writer_result(&w), loop, 0 }, out);
}

bool onsend_allows(struct message *msg, struct outgoing *out)
{
	return script_run_main(msg, ROUTE_ONSEND, out);
}

static bool forward_to(struct message *msg, const struct end_point *to)
{
	char branch[HOP_BRANCH_MAX];
	struct outgoing out = { .msg = msg, .branch = &msg->target, .to = *to };
	struct writer w = writer_in_arena(msg->arena, msg->bytes.len + 512);
	out.from = msg->target.socket;
	if (!out.from || out.from->address.family != to->family ||
	    out.from->address.transport != to->transport)
		out.from = listener_towards(msg->from.listener, to);
	if (!out.from) {
		msg->last_error = listener_failure(to);
		log_error("no listen address can reach the destination");
		return false;
	}
	out.via_branch = stateless_branch(msg, branch);
	render_sized_request(&w, &out);
	if (w.failed || !onsend_allows(msg, &out))
		return false;
	struct send_target target = { .to = out.to,
				      .from = out.from,
				      .no_connect = msg->notes & NOTE_FORWARD_NO_CONNECT,
				      .close_after = msg->notes & NOTE_FORWARD_CLOSE,
				      .wants_result = true };
	return send_bytes(&target, writer_result(&w), false) == SEND_OK;
}

bool forward_request(struct script_run *run, struct message *msg)
{
	struct located located;
	if (!message_top_via(msg)) {
		log_error("forward: a request without a Via, as of HTTP, cannot be forwarded");
		return false;
	}
	struct span next_hop = msg->target.dst_uri.at ? msg->target.dst_uri : message_uri(msg);
	if (!locate_parsed_uri(message_read_uri(msg, next_hop), &located)) {
		msg->last_error = msg->target.dst_uri.at ? 478 : locate_failure(next_hop);
		log_error("forward: cannot resolve %.*s", SPAN_ARGS(next_hop));
		return false;
	}
	for (unsigned i = 0; i < located.count; i++)
		if (forward_to(msg, &located.targets[i])) {
			counter_inc(forwarded_requests);
			msg->notes |= NOTE_TAKEN;
			return true;
		}
	return false;
}

bool forward_reply(struct message *reply)
{
	const struct sip_via *top = message_top_via(reply);
	struct send_target target;
	struct hop hop;
	if (top && !core_settings()->forward_stray_replies && !hop_branch_read(top->branch, &hop)) {
		counter_inc(stray_replies);
		log_debug("a reply to nothing that was sent from here is dropped");
		return false;
	}
	if (core_settings()->check_via && top &&
	    !is_myself(top->host, via_port(top), (enum transport)top->transport)) {
		log_debug("a reply whose top Via is not ours is dropped");
		return false;
	}
	if (!relay_target(reply, &target)) {
		counter_inc(forward_failures);
		log_debug("a reply without a second Via ends here");
		return false;
	}
	struct outgoing out = { .msg = reply,
				.to = target.to,
				.from = target.from ? target.from : listener_for(&target.to) };
	if (core_settings()->onsend_route_reply && !onsend_allows(reply, &out))
		return false;
	struct writer w = writer_in_arena(reply->arena, reply->bytes.len + 256);
	render_reply(&w, reply);
	if (w.failed || send_bytes(&target, writer_result(&w), false) != SEND_OK) {
		counter_inc(forward_failures);
		return false;
	}
	counter_inc(forwarded_replies);
	return true;
}
