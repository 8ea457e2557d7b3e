/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_network: where the message came from, where it goes to, on which sockets. */
#include "core/message/render.h"
#include "core/script/core_variables.h"

/* The bits say how an end point is written. */
enum { AS_URI, AS_URI_WITH_TRANSPORT, AS_SOCKET };

static void write_uri(struct writer *w, const struct end_point *at, bool with_transport)
{
	writer_literal(w, "sip:");
	end_point_write_host(w, at);
	writer_printf(w, ":%u", at->port);
	if (!with_transport && at->transport == TRANSPORT_UDP)
		return;
	/* RFC 7118: wss is a matter of the scheme, the parameter says ws. */
	const char *name = at->transport == TRANSPORT_WSS
				   ? "ws"
				   : transport_name_lower((enum transport)at->transport);
	writer_printf(w, ";transport=%s", name);
}

static bool give_ip(struct script_run *run, const struct end_point *at, bool with_brackets,
		    struct value *out)
{
	struct writer w = writer_in_arena(run->arena, END_POINT_TEXT_MAX);
	if (!at->family)
		return true;
	if (with_brackets)
		end_point_write_host(&w, at);
	else
		end_point_write_ip(&w, at);
	return give_written(out, &w);
}

static bool get_source_ip(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_ip(run, &run->msg->from.source, ref->row->selector, out);
}

static bool get_source_port(struct script_run *run, const struct variable_ref *ref,
			    struct value *out)
{
	return give_int(out, run->msg->from.source.port);
}

static bool get_source(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct writer w = writer_in_arena(run->arena, END_POINT_TEXT_MAX + 32);
	const struct end_point *source = &run->msg->from.source;
	if (!source->family)
		return true;
	if (ref->row->selector == AS_SOCKET)
		end_point_write(&w, source);
	else
		write_uri(&w, source, ref->row->selector == AS_URI_WITH_TRANSPORT);
	return give_written(out, &w);
}

/* ---- our side -------------------------------------------------------------------------------- */

/* Our socket, also where a load balancer says that the client sent to another address. */
static const struct end_point *socket_address(const struct message *msg)
{
	bool is_stream = msg->from.connection && msg->from.listener;
	return is_stream ? &msg->from.listener->address : &msg->from.local;
}

static bool get_local_ip(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_ip(run, socket_address(run->msg), false, out);
}

static bool get_local_port(struct script_run *run, const struct variable_ref *ref,
			   struct value *out)
{
	return give_int(out, socket_address(run->msg)->port);
}

static bool get_local_uri(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct writer w = writer_in_arena(run->arena, END_POINT_TEXT_MAX + 32);
	const struct end_point *own = socket_address(run->msg);
	if (!own->family)
		return true;
	write_uri(&w, own, ref->row->selector == AS_URI_WITH_TRANSPORT);
	return give_written(out, &w);
}

static bool get_local_name(struct script_run *run, const struct variable_ref *ref,
			   struct value *out)
{
	const struct listener *listener = run->msg->from.listener;
	return !listener || give_nonempty(out, listener->name);
}

/* Advertised address and port, else the real ones. */
static bool get_advertised_ip(struct script_run *run, const struct variable_ref *ref,
			      struct value *out)
{
	const struct listener *listener = run->msg->from.listener;
	if (listener && listener->advertised_host.len)
		return give_text(out, listener->advertised_host);
	return get_local_ip(run, ref, out);
}

static uint16_t advertised_port(const struct message *msg)
{
	const struct listener *listener = msg->from.listener;
	return listener && listener->advertised_port ? listener->advertised_port
						     : socket_address(msg)->port;
}

static bool get_advertised_port(struct script_run *run, const struct variable_ref *ref,
				struct value *out)
{
	return give_int(out, advertised_port(run->msg));
}

static bool get_advertised_uri(struct script_run *run, const struct variable_ref *ref,
			       struct value *out)
{
	const struct message *msg = run->msg;
	const struct listener *listener = msg->from.listener;
	struct writer w = writer_in_arena(run->arena, END_POINT_TEXT_MAX + 64);
	if (!listener || !listener->advertised_host.len)
		return get_local_uri(run, ref, out);
	writer_printf(&w, "sip:%.*s:%u", SPAN_ARGS(listener->advertised_host),
		      advertised_port(msg));
	if (ref->row->selector == AS_URI_WITH_TRANSPORT ||
	    msg->from.local.transport != TRANSPORT_UDP)
		writer_printf(&w, ";transport=%s",
			      transport_name_lower((enum transport)msg->from.local.transport));
	return give_written(out, &w);
}

/* ---- transport ------------------------------------------------------------------------------- */

static bool get_transport(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_text(out, span_from(transport_name_lower(
				      (enum transport)run->msg->from.local.transport)));
}

static bool get_transport_id(struct script_run *run, const struct variable_ref *ref,
			     struct value *out)
{
	return give_int(out, run->msg->from.local.transport);
}

static bool get_connection(struct script_run *run, const struct variable_ref *ref,
			   struct value *out)
{
	return !run->msg->from.connection || give_int(out, run->msg->from.connection);
}

/* ---- $snd, $sndfrom, $sndto: onsend_route, event routes about what is sent -------------------- */

enum { SEND_IP, SEND_AF, SEND_PORT, SEND_PROTO, SEND_PROTO_TEXT, SEND_BUFFER, SEND_LENGTH };
static const char *const send_keys[] = { "ip", "af", "port", "proto", "sproto", "buf", "len" };

static const char *bind_send(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, send_keys, ARRAY_SIZE(send_keys));
}

static bool get_send(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	bool is_event = run->kind == ROUTE_EVENT;
	if (!run->outgoing || (run->kind != ROUTE_ONSEND && !is_event))
		return true;
	const struct outgoing *outgoing = run->outgoing;
	if (!ref->row->selector && !outgoing->from)
		return true;
	const struct end_point *at = ref->row->selector ? &outgoing->to : &outgoing->from->address;
	int key = key_of(run, ref, send_keys, ARRAY_SIZE(send_keys));
	switch (key) {
	case SEND_IP: return give_ip(run, at, false, out);
	case SEND_AF: return give_int(out, at->family);
	case SEND_PORT: return give_int(out, at->port);
	case SEND_PROTO: return give_int(out, at->transport);
	case SEND_PROTO_TEXT:
		return give_text(out,
				 span_from(transport_name_lower((enum transport)at->transport)));
	case SEND_BUFFER:
	case SEND_LENGTH: break;
	default: return false;
	}
	if (is_event)
		return key == SEND_BUFFER ? give_text(out, message_shown(run->msg))
					  : give_int(out, (int64_t)message_shown(run->msg).len);
	struct writer w = writer_in_arena(run->arena, run->msg->bytes.len + 512);
	if (message_is_request(run->msg))
		render_request(&w, outgoing);
	else
		render_reply(&w, run->msg);
	return key == SEND_BUFFER ? give_written(out, &w)
				  : !w.failed && give_int(out, (int64_t)w.len);
}

/* ---- $rcv: event_route[core:msg-received] ---------------------------------------------------- */

enum {
	RCV_BUFFER,
	RCV_LENGTH,
	RCV_SRC_IP,
	RCV_LOCAL_IP,
	RCV_SRC_PORT,
	RCV_LOCAL_PORT,
	RCV_PROTO,
	RCV_PROTO_TEXT,
	RCV_AF,
	RCV_SAFE,
	RCV_TYPE,
};
static const char *const rcv_keys[] = {
	"buf", "len", "srcip", "rcvip", "srcport", "rcvport", "proto", "sproto", "af", "safe", "evtype",
};

static const char *bind_rcv(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, rcv_keys, ARRAY_SIZE(rcv_keys));
}

static bool get_rcv(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct message *msg = run->msg;
	switch (key_of(run, ref, rcv_keys, ARRAY_SIZE(rcv_keys))) {
	case RCV_BUFFER:
	case RCV_SAFE: return give_text(out, message_shown(msg));
	case RCV_LENGTH: return give_int(out, (int64_t)message_shown(msg).len);
	case RCV_SRC_IP: return give_ip(run, &msg->from.source, false, out);
	case RCV_LOCAL_IP: return give_ip(run, &msg->from.local, false, out);
	case RCV_SRC_PORT: return give_int(out, msg->from.source.port);
	case RCV_LOCAL_PORT: return give_int(out, msg->from.local.port);
	case RCV_PROTO: return give_int(out, msg->from.local.transport);
	case RCV_PROTO_TEXT:
		return give_text(out, span_from(transport_name_lower(
					      (enum transport)msg->from.local.transport)));
	case RCV_AF: return give_int(out, msg->from.source.family);
	case RCV_TYPE: return give_int(out, 1);
	default: return false;
	}
}

static const struct variable_row rows[] = {
	{ "si", INNER_NONE, get_source_ip, .selector = 0, .doc = "Source address." },
	{ "src_ip", INNER_NONE, get_source_ip, .selector = 0, .doc = "Source address." },
	{ "siz", INNER_NONE, get_source_ip, .selector = 1, .doc = "Source address, IPv6 in brackets." },
	{ "sp", INNER_NONE, get_source_port, .doc = "Source port." },
	{ "su", INNER_NONE, get_source, .selector = AS_URI, .doc = "Source as a URI; transport only when it is not UDP." },
	{ "sut", INNER_NONE, get_source, .selector = AS_URI_WITH_TRANSPORT, .doc = "Source as a URI with its transport." },
	{ "sas", INNER_NONE, get_source, .selector = AS_SOCKET, .doc = "Source as proto:ip:port." },
	{ "Ri", INNER_NONE, get_local_ip, .doc = "Local address on which the message was received." },
	{ "Rp", INNER_NONE, get_local_port, .doc = "Local port." },
	{ "Rn", INNER_NONE, get_local_name, .doc = "Name of the local socket." },
	{ "Ru", INNER_NONE, get_local_uri, .selector = AS_URI, .doc = "Local socket as a URI." },
	{ "Rut", INNER_NONE, get_local_uri, .selector = AS_URI_WITH_TRANSPORT, .doc = "Local socket as a URI with its transport." },
	{ "RAi", INNER_NONE, get_advertised_ip, .doc = "Advertised address, else the local one." },
	{ "RAp", INNER_NONE, get_advertised_port, .doc = "Advertised port, else the local one." },
	{ "RAu", INNER_NONE, get_advertised_uri, .selector = AS_URI, .doc = "Advertised socket as a URI." },
	{ "RAut", INNER_NONE, get_advertised_uri, .selector = AS_URI_WITH_TRANSPORT, .doc = "Advertised socket as a URI with its transport." },
	{ "pr", INNER_NONE, get_transport, .doc = "Transport." },
	{ "proto", INNER_NONE, get_transport, .doc = "Transport." },
	{ "prid", INNER_NONE, get_transport_id, .doc = "Transport as a number." },
	{ "conid", INNER_NONE, get_connection, .doc = "Number of the TCP connection." },
	{ "snd", INNER_NAME, get_send, NULL, bind_send, .selector = 1, .doc = "onsend_route and events about sending: the far side: ip af port proto sproto buf len." },
	{ "sndfrom", INNER_NAME, get_send, NULL, bind_send, .selector = 0, .doc = "onsend_route: our side of the sending." },
	{ "sndto", INNER_NAME, get_send, NULL, bind_send, .selector = 1, .doc = "onsend_route: the far side of the sending." },
	{ "rcv", INNER_NAME, get_rcv, NULL, bind_rcv, .doc = "event_route[core:msg-received]: buf len srcip rcvip srcport rcvport proto sproto af." },
	{ "recv", INNER_NAME, get_rcv, NULL, bind_rcv, .doc = "The same as $rcv." },
};
const struct variable_table network_variables = ROWS(rows);
