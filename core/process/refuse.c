/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers to requests that no script sees, and the ACKs that come for such answers. */
#include "core/process/refuse.h"

#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/message/render.h"

#define REPLY_ROOM 512

static struct {
	char tag[24];
	size_t tag_len;
} state;

void refuse_prepare(void)
{
	struct writer w = writer_fixed(state.tag, sizeof(state.tag));
	writer_hex(&w, random_uint64(), 16);
	state.tag_len = w.len;
}

void refuse_request(struct message *request, unsigned code, struct span reason, struct span lines)
{
	/* What could not be read for want of memory is not the sender's fault. */
	if (request->arena->is_short && code < 500) {
		code = 500;
		reason = SPAN_OF("Server Internal Error");
	}
	struct local_reply reply = { .request = request,
				     .code = code,
				     .reason = reason,
				     .to_tag = span_make(state.tag, state.tag_len),
				     .extra_lines = lines };
	struct writer w = writer_in_arena(request->arena, request->bytes.len + REPLY_ROOM);
	struct send_target target;
	render_local_reply(&w, &reply);
	reply_target(request, &target);
	if (w.failed || send_bytes(&target, writer_result(&w), false) != SEND_OK)
		log_debug("the answer %u could not be sent", code);
}

bool refuse_is_confirmed_by(const struct message *request)
{
	return message_method(request) == METHOD_ACK &&
	       span_equal(message_to_tag(request), span_make(state.tag, state.tag_len));
}
