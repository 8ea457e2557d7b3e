/* SPDX-License-Identifier: BSD-2-Clause */
/* The road of a received message up to the script (doc/architecture.md): parse, required headers,
 * claimants, route. */
#include <stdlib.h>

#include "core/message/hop.h"
#include "core/process/flight.h"
#include "core/process/overload.h"
#include "core/process/process.h"
#include "core/process/refuse.h"
#include "core/process/request_check.h"
#include "core/transport/proxied.h"
#include "core/transport/stream.h"
#include "core/transport/udp.h"

#define CLAIMS_MOST 64

static const struct core_settings *settings;
static const struct claim *claims[CLAIMS_MOST];
static unsigned claim_count;
/* Of those, in their order, who is asked about each message; NULL ends them. */
static struct {
	enum claim_result (*request[CLAIMS_MOST + 1])(struct message *msg);
	enum claim_result (*reply[CLAIMS_MOST + 1])(struct message *msg);
	void (*foresee[CLAIMS_MOST + 1])(struct message *msg);
	void (*after[CLAIMS_MOST + 1])(struct message *msg);
} asked;
static struct span supported_extensions; /* for Proxy-Require */
static bool checks_content;   /* CSeq and Content-Length are looked at before the script */
static receive_filter filter; /* NULL: none */
static bool has_balancers;    /* datagrams may begin with a header of theirs */
static struct event_route msg_received = { .name = "core:msg-received" };
static struct event_route pre_routing = { .name = "core:pre-routing" };
static struct event_route parse_error = { .name = "core:receive-parse-error" };

static struct {
	counter_id requests, replies, bad_uri, bad_header, bad_message, dropped_requests,
		dropped_replies;
	counter_id unsupported, overloaded, condemned, loops, refused_acks;
} counters;

void counters_prepare(void)
{
	counters.requests =
		counter_register("core", "rcv_requests", "requests received", COUNTER_COUNT);
	counters.replies =
		counter_register("core", "rcv_replies", "replies received", COUNTER_COUNT);
	counters.bad_uri = counter_register("core", "bad_URIs_rcvd",
					    "requests whose URI is malformed", COUNTER_COUNT);
	counters.bad_header = counter_register("core", "bad_msg_hdr",
					       "messages without a usable Via", COUNTER_COUNT);
	counters.bad_message = counter_register("core", "err_requests",
						"datagrams that are no SIP message", COUNTER_COUNT);
	counters.dropped_requests = counter_register(
		"core", "drop_requests", "requests that the script dropped", COUNTER_COUNT);
	counters.dropped_replies = counter_register(
		"core", "drop_replies", "replies that the script dropped", COUNTER_COUNT);
	counters.unsupported = counter_register("core", "unsupported_methods",
						"requests with an unknown method", COUNTER_COUNT);
	counters.overloaded = counter_register(
		"core", "overloaded", "messages lost because too many wait", COUNTER_COUNT);
	counters.refused_acks = counter_register(
		"core", "refused_acks", "ACKs to answers that were given before the script",
		COUNTER_COUNT);
	counters.loops = counter_register(
		"core", "loops", "requests that came back as they had left (482)", COUNTER_COUNT);
	counters.condemned =
		counter_register("core", "condemned",
				 "messages that killed a process and came again", COUNTER_COUNT);
	overload_counters_prepare();
	statistics_prepare();
}

void receive_set_filter(receive_filter wanted)
{
	filter = wanted;
}

static int compare_claims(const void *left, const void *right)
{
	const struct claim *a = *(const struct claim *const *)left,
			   *b = *(const struct claim *const *)right;
	return (a->order > b->order) - (a->order < b->order);
}

void receive_prepare(void)
{
	settings = core_settings();
	for (unsigned i = 0; i < loader_count(); i++)
		for (uint32_t j = 0; j < loader_at(i)->claims.count && claim_count < CLAIMS_MOST;
		     j++)
			claims[claim_count++] = &loader_at(i)->claims.rows[j];
	supported_extensions = settings->proxy_require.len
				       ? settings->proxy_require
				       : loader_setting_text("sanity", "proxy_require");
	checks_content = settings->rfc_strict > 1 || !module_is_loaded("sanity");
	qsort(claims, claim_count, sizeof(struct claim *), compare_claims);
	unsigned requests = 0, replies = 0, foreseers = 0, afters = 0;
	for (unsigned i = 0; i < claim_count; i++) {
		if (claims[i]->request)
			asked.request[requests++] = claims[i]->request;
		if (claims[i]->reply)
			asked.reply[replies++] = claims[i]->reply;
		if (claims[i]->foresee)
			asked.foresee[foreseers++] = claims[i]->foresee;
		if (claims[i]->after)
			asked.after[afters++] = claims[i]->after;
	}
}

static bool is_claimed(struct message *msg, enum claim_result (**handlers)(struct message *msg))
{
	for (; *handlers; handlers++)
		if ((*handlers)(msg) == CLAIM_CONSUMED)
			return true;
	return false;
}

static void count_request(const struct message *msg)
{
	counter_inc(counters.requests);
	statistics_count_request(msg);
	if (message_method(msg) == METHOD_OTHER)
		counter_inc(counters.unsupported);
}

/* rfc_strict: 0 no checks, 1 what module sanity does not look at, 2 all. */
static bool is_refused(struct message *msg)
{
	if (settings->rfc_strict == 0)
		return false;
	struct request_fault fault;
	if (request_check_form(msg, &fault) &&
	    (!checks_content || request_check_content(msg, &fault)) &&
	    request_check_extensions(msg, supported_extensions, &fault))
		return false;
	counter_inc(counters.bad_header);
	log_debug("a malformed request: %s", fault.reason);
	if (request_can_be_answered(msg))
		refuse_request(msg, fault.code, span_from(fault.reason), fault.line);
	return true;
}

/* RFC 5393 4.2: a request that comes back as it left is answered 482. An ACK to that is nobody's
 * business; CANCEL goes with its INVITE. */
static bool goes_in_circles(struct message *msg)
{
	unsigned passes, allowed = (unsigned)settings->loop_detection;
	uint32_t method = message_method(msg);
	if (!allowed || method == METHOD_ACK || method == METHOD_CANCEL ||
	    hop_repeats(msg, &passes) < allowed)
		return false;
	refuse_request(msg, 482, SPAN_OF("Loop Detected"), (struct span){ NULL, 0 });
	counter_inc(counters.loops);
	return true;
}

static void receive_request(struct message *msg, uint32_t pressed)
{
	count_request(msg);
	if (settings->force_rport)
		msg->notes |= NOTE_FORCE_RPORT;
	if (settings->local_rport)
		msg->notes |= NOTE_ADD_LOCAL_RPORT;
	if (refuse_is_confirmed_by(msg)) {
		counter_inc(counters.refused_acks);
		return;
	}
	if (is_refused(msg) || is_claimed(msg, asked.request))
		return;
	if (__builtin_expect(pressed != 0, 0) && overload_refuses(msg, pressed))
		return;
	if (goes_in_circles(msg))
		return;
	if (!script_run_main(msg, ROUTE_REQUEST, NULL))
		counter_inc(counters.dropped_requests);
	bool was_short = msg->arena->is_short;
	if (was_short)
		arena_give_last_room(msg->arena);
	for (unsigned i = 0; asked.after[i]; i++)
		asked.after[i](msg);
	if (was_short && !(msg->notes & NOTE_TAKEN) && message_method(msg) != METHOD_ACK)
		refuse_request(msg, 500, SPAN_OF("Server Internal Error"),
			       (struct span){ NULL, 0 });
}

static void receive_reply(struct message *msg)
{
	counter_inc(counters.replies);
	if (settings->rfc_strict && reply_is_broken(msg)) {
		counter_inc(counters.bad_header);
		log_debug("a malformed reply is discarded");
		return;
	}
	statistics_count_reply(msg);
	if (!script_run_main(msg, ROUTE_REPLY, NULL)) {
		counter_inc(counters.dropped_replies);
		return;
	}
	if (!is_claimed(msg, asked.reply))
		forward_reply(msg);
}

/* HTTP shares the port with SIP; whoever serves it (xhttp) answers. */
static void receive_http(struct message *msg)
{
	for (unsigned i = 0; i < claim_count; i++)
		if (claims[i]->http && claims[i]->http(msg) == CLAIM_CONSUMED)
			return;
	log_debug("nobody serves HTTP: load the module xhttp");
	stream_close(msg->from.connection);
}

/* RFC 5923: who says ;alias is reached over this connection at the port of its Via. */
static void note_alias(struct message *msg)
{
	const struct sip_via *via = message_top_via(msg);
	struct param alias;
	if (settings->stream.accept_aliases && message_is_request(msg) &&
	    via_param(via, SPAN_OF("alias"), &alias))
		stream_add_alias(msg->from.connection, via_port(via));
}

/* event_route[core:pre-routing] comes before everything that modules do with a message. */
static bool is_dropped_early(struct message *msg)
{
	bool is_dropped = false;
	script_run_event(pre_routing.name, msg, NULL, &is_dropped);
	if (is_dropped)
		counter_inc(message_is_request(msg) ? counters.dropped_requests
						    : counters.dropped_replies);
	return is_dropped;
}

static void work_on(struct datagram *datagram)
{
	struct message *msg = datagram->message;
	fiber_set_local(msg);
	if (msg->index->is_http && message_is_request(msg) && datagram->connection) {
		receive_http(msg);
		return;
	}
	if (!message_top_via(msg) || msg->index->is_http) {
		counter_inc(counters.bad_header);
		log_debug("a message without a usable Via is ignored");
		return;
	}
	if (datagram->connection)
		note_alias(msg);
	if (__builtin_expect(event_route_is_defined(&pre_routing), 0) && is_dropped_early(msg))
		return;
	if (message_is_request(msg))
		receive_request(msg, datagram->pressure);
	else
		receive_reply(msg);
}

static void finish(struct datagram *datagram)
{
	if (datagram->connection)
		stream_message_done(datagram->connection);
	datagram_release(datagram);
}

static struct received origin(const struct datagram *datagram)
{
	struct received from = { .source = datagram->source,
				 .listener = datagram->listener,
				 .local = datagram->listener->address,
				 .connection = datagram->connection };
	const struct end_point *said =
		datagram->connection ? stream_proxied_destination(datagram->connection) : NULL;
	if (said)
		from.local = *said;
	return from;
}

/* Reads a message as far as every message is read; NULL: it is none. */
static struct message *parse(struct datagram *datagram)
{
	struct received from = origin(datagram);
	const char *reason = NULL;
	struct message *msg = message_parse(&datagram->arena, datagram->bytes, &from, &reason);
	if (!msg) {
		counter_inc(counters.bad_message);
		log_debug("not a SIP message (%zu bytes): %s", datagram->bytes.len,
			  reason ? reason : "no memory");
		return NULL;
	}
	bool has_via = message_top_via(msg);
	message_parsed_cseq(msg);
	if (msg->index->is_request)
		message_to(msg);
	for (unsigned i = 0; has_via && asked.foresee[i]; i++)
		asked.foresee[i](msg);
	return msg;
}

/* ---- messages whose bytes the script looks at before they are parsed ------------------------------ */

/* Are there routes or modules that want the bytes as they came? */
static bool is_inspected(void)
{
	return filter || (settings->received_route_mode && event_route_is_defined(&msg_received));
}

/* Shows the bytes to whom they concern; absent: the message ends here. */
static struct span inspect(struct datagram *datagram, struct attributes *out_attributes)
{
	const struct received from = origin(datagram);
	bool is_dropped = false;
	struct message *event = script_message_over(&datagram->arena, datagram->bytes, &from);
	if (!event)
		return (struct span){ NULL, 0 };
	fiber_set_local(event);
	if (settings->received_route_mode)
		script_run_event(msg_received.name, event, NULL, &is_dropped);
	struct span bytes = datagram->bytes;
	if (filter && !is_dropped)
		bytes = filter(event);
	*out_attributes = event->attributes;
	return is_dropped ? (struct span){ NULL, 0 } : bytes;
}

static void tell_parse_error(struct datagram *datagram)
{
	const struct received from = origin(datagram);
	struct message *event = script_message_over(&datagram->arena, datagram->bytes, &from);
	if (!event)
		return;
	fiber_set_local(event);
	script_run_event(parse_error.name, event, NULL, NULL);
}

/* What receive_first left to the fiber. False: there is no message to work on. */
static bool parse_on_fiber(struct datagram *datagram)
{
	struct attributes attributes = { 0 };
	if (is_inspected()) {
		datagram->bytes = inspect(datagram, &attributes);
		if (!datagram->bytes.at)
			return false;
		datagram->message = parse(datagram);
	}
	if (!datagram->message && event_route_is_defined(&parse_error))
		tell_parse_error(datagram);
	if (datagram->message && attributes.arena)
		datagram->message->attributes = attributes;
	return datagram->message != NULL;
}

static void receive_on_fiber(void *arg)
{
	struct datagram *datagram = arg;
	if (datagram->message || parse_on_fiber(datagram))
		work_on(datagram);
	finish(datagram);
}

/* ---- from the transports ----------------------------------------------------------------------------- */

static bool is_reply(struct span bytes)
{
	return span_starts_with(bytes, SPAN_OF("SIP/2.0 "));
}

/* Is it worth any work? */
static bool is_wanted(struct datagram *datagram)
{
	if (sip_is_keepalive(datagram->bytes) ||
	    datagram->bytes.len > (size_t)settings->msg_recv_max_size)
		return false;
	if (flight_is_condemned(datagram->bytes)) {
		counter_inc(counters.condemned);
		return false;
	}
	datagram->pressure = overload_pressure(datagram);
	if (__builtin_expect(datagram->pressure & PRESSURE_TOO_OLD, 0) &&
	    !is_reply(datagram->bytes)) {
		overload_count_old();
		return false;
	}
	return true;
}

static bool receive_first(struct datagram *datagram)
{
	bool goes_on = (!__builtin_expect(has_balancers, 0) || proxied_receive(datagram)) &&
		       is_wanted(datagram);
	datagram->message = NULL;
	if (goes_on && !__builtin_expect(is_inspected(), 0)) {
		flight_look_at(datagram);
		datagram->message = parse(datagram);
		flight_look_at(NULL);
		goes_on = datagram->message || event_route_is_defined(&parse_error);
	}
	if (!goes_on)
		finish(datagram);
	return goes_on;
}

static void receive_then(struct datagram *datagram)
{
	flight_look_at(datagram);
	if (!fiber_start(receive_on_fiber, datagram)) {
		counter_inc(counters.overloaded);
		finish(datagram);
	}
	flight_look_at(NULL);
}

static void receive(struct datagram *datagram)
{
	if (receive_first(datagram))
		receive_then(datagram);
}

/* ---- what could not be delivered --------------------------------------------------------------- */

static void tell_of_failure(void *arg)
{
	struct datagram *datagram = arg;
	struct received from = { .source = datagram->source,
				 .listener = datagram->listener,
				 .local = datagram->listener->address };
	const char *reason = NULL;
	struct message *request = message_parse(&datagram->arena, datagram->bytes, &from, &reason);
	if (request && message_is_request(request) && message_top_via(request)) {
		request->notes |= NOTE_LOCAL;
		fiber_set_local(request);
		for (unsigned i = 0; i < claim_count; i++)
			if (claims[i]->undelivered)
				claims[i]->undelivered(request);
	}
	datagram_release(datagram);
}

static void undelivered(struct span bytes)
{
	struct datagram *datagram = bytes.len <= DATAGRAM_MAX ? datagram_take() : NULL;
	if (!datagram)
		return;
	memcpy(datagram->buffer, bytes.at, bytes.len);
	datagram->buffer[bytes.len] = '\0';
	datagram->bytes = span_make(datagram->buffer, bytes.len);
	datagram->source = listener_at(0)->address;
	datagram->listener = listener_at(0);
	if (!fiber_start(tell_of_failure, datagram))
		datagram_release(datagram);
}

bool receive_start(void)
{
	has_balancers = proxied_is_on();
	send_set_undelivered(undelivered);
	return udp_start(receive_first, receive_then) && stream_start(receive);
}
