/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a message (RFC 3261 8.1.1, 8.2.2, 16.3, 18.3, 20.16, RFC 4475). */
#include "core/process/request_check.h"

#include "core/base/check.h"
#include "core/message/render.h"
#include "parser/values.h"

static const enum sip_header_id single_headers[] = { HEADER_TO, HEADER_FROM, HEADER_CSEQ,
						     HEADER_CALL_ID };

static bool fails(struct request_fault *out_fault, unsigned code, const char *reason)
{
	*out_fault = (struct request_fault){ .code = code, .reason = reason };
	return false;
}

/* The first header that is not there once; NULL: all are. */
static const enum sip_header_id *not_once(const struct message *msg)
{
	for (size_t i = 0; i < ARRAY_SIZE(single_headers); i++) {
		const struct sip_header *first = sip_header_first(msg->index, single_headers[i]);
		if (!first || first->next_same != SIP_NO_HEADER)
			return &single_headers[i];
	}
	return NULL;
}

bool request_check_form(const struct message *msg, struct request_fault *out_fault)
{
	if (!msg->index->is_sip_2_0)
		return fails(out_fault, 505, "Version Not Supported");
	if (msg->index->defects & SIP_DEFECT_START_LINE)
		return fails(out_fault, 400, "Bad Request Line");
	const enum sip_header_id *wrong = not_once(msg);
	if (!wrong)
		return true;
	return fails(out_fault, 400,
		     sip_header_first(msg->index, *wrong)
			     ? "Repeated Header That May Stand Once Only"
			     : "Missing Required Header in Request");
}

bool request_check_content(const struct message *msg, struct request_fault *out_fault)
{
	const struct cseq *cseq = message_parsed_cseq(msg);
	if (!cseq)
		return fails(out_fault, 400, "CSeq number is illegal");
	bool is_same_method = cseq->method != METHOD_OTHER
				      ? cseq->method == msg->index->method
				      : span_equal(cseq->method_name, message_method_name(msg));
	if (!is_same_method)
		return fails(out_fault, 400, "CSeq method does not match request method");
	if (msg->index->defects & (SIP_DEFECT_CONTENT_LENGTH | SIP_DEFECT_SHORT_BODY))
		return fails(out_fault, 400, "Content-Length mis-match");
	return true;
}

/* RFC 3261 16.3 step 5; ACK and CANCEL must pass, their request was answered already. */
bool request_check_extensions(struct message *msg, struct span supported,
			      struct request_fault *out_fault)
{
	struct span line;
	if (!sip_header_first(msg->index, HEADER_PROXY_REQUIRE) ||
	    message_method(msg) == METHOD_ACK || message_method(msg) == METHOD_CANCEL ||
	    !unsupported_line(msg, HEADER_PROXY_REQUIRE, supported, &line))
		return true;
	fails(out_fault, 420, "Bad Proxy Require Extension");
	out_fault->line = line;
	return false;
}

bool request_can_be_answered(struct message *msg)
{
	for (size_t i = 0; i < ARRAY_SIZE(single_headers); i++)
		if (!message_header(msg, single_headers[i]))
			return false;
	return message_method(msg) != METHOD_ACK && message_top_via(msg);
}

bool reply_is_broken(const struct message *msg)
{
	return !msg->index->is_sip_2_0 || msg->index->defects || not_once(msg) != NULL;
}
