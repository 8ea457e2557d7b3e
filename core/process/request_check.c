/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a message (RFC 3261 8.1.1, 8.2.2, 16.3, 18.3, 20.16, RFC 4475). */
#include "core/process/request_check.h"

#include "core/base/check.h"
#include "core/message/render.h"
#include "parser/values.h"

static const enum sip_header_id single_headers[] = { HEADER_TO, HEADER_FROM, HEADER_CSEQ,
						     HEADER_CALL_ID };

static const struct request_fault fine;

static struct request_fault fault(unsigned code, const char *reason)
{
	return (struct request_fault){ .code = code, .reason = reason };
}

static bool is_repeated(const struct message *msg, enum sip_header_id id)
{
	const struct sip_header *first = message_header(msg, id);
	return first && message_next_header(msg, first);
}

struct request_fault request_check_form(const struct message *msg)
{
	if (!msg->index->is_sip_2_0)
		return fault(505, "Version Not Supported");
	if (msg->index->defects & SIP_DEFECT_START_LINE)
		return fault(400, "Bad Request Line");
	for (size_t i = 0; i < ARRAY_SIZE(single_headers); i++) {
		if (!message_header(msg, single_headers[i]))
			return fault(400, "Missing Required Header in Request");
		if (is_repeated(msg, single_headers[i]))
			return fault(400, "Repeated Header That May Stand Once Only");
	}
	return fine;
}

struct request_fault request_check_content(const struct message *msg)
{
	const struct cseq *cseq = message_parsed_cseq(msg);
	if (!cseq)
		return fault(400, "CSeq number is illegal");
	if (!span_equal(cseq->method_name, message_method_name(msg)))
		return fault(400, "CSeq method does not match request method");
	if (msg->index->defects & (SIP_DEFECT_CONTENT_LENGTH | SIP_DEFECT_SHORT_BODY))
		return fault(400, "Content-Length mis-match");
	return fine;
}

/* RFC 3261 16.3 step 5; ACK and CANCEL must pass, their request was answered already. */
struct request_fault request_check_extensions(struct message *msg, struct span supported)
{
	struct request_fault result = fault(420, "Bad Proxy Require Extension");
	if (!message_header(msg, HEADER_PROXY_REQUIRE) || message_method(msg) == METHOD_ACK ||
	    message_method(msg) == METHOD_CANCEL)
		return fine;
	return unsupported_line(msg, HEADER_PROXY_REQUIRE, supported, &result.line) ? result : fine;
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
	if (!msg->index->is_sip_2_0 || msg->index->defects)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(single_headers); i++)
		if (!message_header(msg, single_headers[i]) || is_repeated(msg, single_headers[i]))
			return true;
	return false;
}
