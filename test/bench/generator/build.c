/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes the messages of caller and callee. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

static const char sdp[] =
	"v=0\r\no=bench 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
	"m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
	"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

/* ---- writing text --------------------------------------------------------------------------- */

static char *put_bytes(char *to, struct text text)
{
	memcpy(to, text.at, text.len);
	return to + text.len;
}

static char *put(char *to, const char *text)
{
	return put_bytes(to, (struct text){ text, strlen(text) });
}

static char *put_number(char *to, uint32_t number)
{
	char digits[10];
	int count = 0;

	do
		digits[count++] = (char)('0' + number % 10);
	while (number /= 10);
	while (count > 0)
		*to++ = digits[--count];
	return to;
}

static char *put_user(char *to, uint32_t user)
{
	*to++ = 'u';
	return put_number(to, user);
}

static char *put_local(char *to, enum side side, unsigned socket)
{
	to = put(to, "127.0.0.1:");
	return put_number(to, wire_port(side, socket));
}

/* bench-SLOT-NUMBER-RUN */
static char *put_call_id(char *to, const struct slot *slot)
{
	to = put_number(put(to, "bench-"), slot_index(slot));
	to = put_number(put(to, "-"), slot->number);
	return put_number(put(to, "-"), (uint32_t)getpid());
}

static char *put_branch(char *to, const struct slot *slot, const char *method)
{
	to = put(put(to, "z9hG4bK"), method);
	*to++ = '.';
	to = put_number(to, slot_index(slot));
	*to++ = '.';
	to = put_number(to, slot->number);
	*to++ = '.';
	return put_number(to, slot->cseq);
}

void branch_write(char *to, const struct slot *slot, const char *method)
{
	*put_branch(to, slot, method) = '\0';
}

static char *put_body(char *to, bool has_body)
{
	if (has_body)
		to = put(to, "Content-Type: application/sdp\r\n");
	to = put(to, "Content-Length: ");
	to = put_number(to, has_body ? sizeof(sdp) - 1 : 0);
	to = put(to, "\r\n\r\n");
	return has_body ? put(to, sdp) : to;
}

/* ---- requests ------------------------------------------------------------------------------- */

/* Where the callee of this slot is reached: registered users by their name. */
static char *put_callee(char *to, const struct slot *slot)
{
	to = put(to, "sip:");
	if (settings()->users)
		to = put_user(to, slot->user);
	else
		to = put(to, "callee");
	*to++ = '@';
	return put_local(to, SIDE_CALLEE, slot->callee_socket);
}

static char *put_target(char *to, const struct slot *slot, const char *method)
{
	bool is_through = settings()->scenario == SCENARIO_FORWARD ||
			  settings()->scenario == SCENARIO_CALL ||
			  settings()->scenario == SCENARIO_RING;

	if (strcmp(method, "REGISTER") == 0 || !is_through)
		return put(put(to, "sip:"), settings()->server_text);
	if (strcmp(method, "INVITE") != 0 || !settings()->users)
		return put_callee(to, slot);
	to = put_user(put(to, "sip:"), slot->user);
	*to++ = '@';
	return put(to, settings()->server_text);
}

static char *put_to(char *to, const struct slot *slot, const char *method)
{
	bool is_in_dialog = strcmp(method, "ACK") == 0 || strcmp(method, "BYE") == 0;

	to = put_user(put(to, "To: <sip:"), slot->user);
	to = put(put(put(to, "@"), settings()->server_text), ">");
	if (is_in_dialog)
		to = put_number(put(to, ";tag=t"), slot->number);
	return put(to, "\r\n");
}

static char *put_more(char *to, const struct slot *slot, const char *method)
{
	bool is_register = strcmp(method, "REGISTER") == 0;

	if (is_register) {
		to = put_user(put(to, "Contact: <sip:"), slot->user);
		to = put_local(put(to, "@"), SIDE_CALLEE, slot->user % settings()->sockets);
		to = put(to, ">\r\nExpires: 3600\r\n");
	} else {
		to = put_local(put(to, "Contact: <sip:caller@"), SIDE_CALLER, slot->socket);
		to = put(to, ">\r\n");
	}
	to = put(to, "User-Agent: bench\r\n");
	if (strcmp(method, "INVITE") == 0)
		to = put(to, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n");
	return put_body(to, strcmp(method, "INVITE") == 0);
}

size_t build_request(char *to, const struct slot *slot, const char *method)
{
	char *at = to;
	bool is_register = strcmp(method, "REGISTER") == 0;

	at = put(put(at, method), " ");
	at = put(put_target(at, slot, method), " SIP/2.0\r\nVia: SIP/2.0/UDP ");
	at = put(put_local(at, SIDE_CALLER, slot->socket), ";rport;branch=");
	at = put(put_branch(at, slot, method), "\r\nMax-Forwards: 70\r\n");
	if (slot->route_length) {
		at = put_bytes(put(at, "Route: "),
			       (struct text){ slot->route, slot->route_length });
		at = put(at, "\r\n");
	}
	at = is_register ? put_user(put(at, "From: <sip:"), slot->user)
			 : put(at, "From: \"Caller\" <sip:caller");
	at = put(put(put(at, "@"), settings()->server_text), ">;tag=f");
	at = put(put_number(at, slot->number), "\r\n");
	at = put_to(at, slot, method);
	at = put_call_id(put(at, "Call-ID: "), slot);
	at = put_number(put(at, "\r\nCSeq: "), slot->cseq + (strcmp(method, "BYE") == 0));
	at = put(put(put(at, " "), method), "\r\n");
	if (slot->credentials_length && slot->stage == STAGE_ASKED)
		at = put_bytes(at, (struct text){ slot->credentials, slot->credentials_length });
	return (size_t)(put_more(at, slot, method) - to);
}

void login_write(struct login *out, const struct slot *slot, const char *method)
{
	bool is_register = strcmp(method, "REGISTER") == 0;

	out->method = method;
	*(is_register ? put_user(out->user, slot->user) : put(out->user, "caller")) = '\0';
	*put_target(out->uri, slot, method) = '\0';
}

size_t build_refusal_ack(char *to, const struct slot *slot, const struct seen *refusal)
{
	char *at = put_target(put(to, "ACK "), slot, "INVITE");

	at = put(put_local(put(at, " SIP/2.0\r\nVia: SIP/2.0/UDP "), SIDE_CALLER, slot->socket),
		 ";rport;branch=");
	at = put(put_branch(at, slot, "INVITE"), "\r\nMax-Forwards: 70\r\nFrom: ");
	at = put(put_bytes(at, refusal->from), "\r\nTo: ");
	at = put_number(put(put_bytes(at, refusal->to), "\r\nCall-ID: bench-"), slot_index(slot));
	at = put_number(put(at, "-"), slot->number);
	at = put_number(put(at, "\r\nCSeq: "), slot->cseq);
	return (size_t)(put(at, " ACK\r\nContent-Length: 0\r\n\r\n") - to);
}

/* ---- answers -------------------------------------------------------------------------------- */

bool copy_for_answers(struct slot *slot, const struct seen *request)
{
	size_t needed = request->record_route.len + 32;
	char *at = slot->copied;

	for (unsigned i = 0; i < request->via_count && i < VIAS_MOST; i++)
		needed += request->vias[i].len + 8;
	if (needed > sizeof(slot->copied))
		return false;
	for (unsigned i = 0; i < request->via_count && i < VIAS_MOST; i++)
		at = put(put_bytes(put(at, "Via: "), request->vias[i]), "\r\n");
	if (request->record_route_count)
		at = put(put_bytes(put(at, "Record-Route: "), request->record_route), "\r\n");
	slot->copied_length = (uint16_t)(at - slot->copied);
	return true;
}

/* Everything of an answer after Via and Record-Route. */
static char *put_rest(char *at, const struct slot *slot, struct text cseq, bool has_body)
{
	at = put(at, "From: \"Caller\" <sip:caller@");
	at = put_number(put(put(at, settings()->server_text), ">;tag=f"), slot->number);
	at = put_user(put(at, "\r\nTo: <sip:"), slot->user);
	at = put_number(put(put(put(at, "@"), settings()->server_text), ">;tag=t"), slot->number);
	at = put_call_id(put(at, "\r\nCall-ID: "), slot);
	at = put_bytes(put(at, "\r\nCSeq: "), cseq);
	at = put_callee(put(at, "\r\nContact: <"), slot);
	return put_body(put(at, ">\r\nUser-Agent: bench\r\n"), has_body);
}

size_t build_answer(char *to, const struct slot *slot, const struct seen *request, const char *line)
{
	char *at = put(put(put(to, "SIP/2.0 "), line), "\r\n");

	for (unsigned i = 0; i < request->via_count && i < VIAS_MOST; i++)
		at = put(put_bytes(put(at, "Via: "), request->vias[i]), "\r\n");
	if (request->record_route_count)
		at = put(put_bytes(put(at, "Record-Route: "), request->record_route), "\r\n");
	return (size_t)(put_rest(at, slot, request->cseq, false) - to);
}

size_t build_final_answer(char *to, const struct slot *slot)
{
	char *at = put(to, "SIP/2.0 200 OK\r\n"), cseq[24];
	int length = snprintf(cseq, sizeof(cseq), "%" PRIu32 " INVITE", slot->cseq);

	at = put_bytes(at, (struct text){ slot->copied, slot->copied_length });
	return (size_t)(put_rest(at, slot, (struct text){ cseq, (size_t)length }, true) - to);
}
