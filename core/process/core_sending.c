/* SPDX-License-Identifier: BSD-2-Clause */
/* Core functions that send, and that say by which way. */
#include "core/net/locate.h"
#include "core/process/core_functions.h"
#include "core/transport/stream.h"

struct destination_args {
	struct span host;
	int64_t port;
};
static const struct field destination_fields[] = {
	FIELD(struct destination_args, host, "host or address", .optional = true),
	FIELD(struct destination_args, port, "port", .optional = true, .max = 65535),
};
struct text_args {
	struct span text;
};
static const struct field text_fields[] = { FIELD(struct text_args, text,
						  "text, may contain variables") };
struct port_args {
	int64_t number;
};
static const struct field port_fields[] = { FIELD(struct port_args, number, "port", .min = 1,
						  .max = 65535) };
SCRIPT_HANDLER_OF(forward, destination)
SCRIPT_HANDLER_OF(forward_udp, destination)
SCRIPT_HANDLER_OF(forward_tcp, destination)
SCRIPT_HANDLER_OF(forward_tls, destination)
SCRIPT_HANDLER_OF(forward_sctp, destination)
SCRIPT_HANDLER_OF(force_send_socket, text)
SCRIPT_HANDLER_PLAIN(clear_branches)

struct branch_index_args {
	int64_t number;
};
static const struct field branch_index_fields[] = { FIELD(
	struct branch_index_args, number, "place of the branch, from 0", .min = 0, .max = 255) };
SCRIPT_HANDLER_OF(remove_branch, branch_index)
SCRIPT_HANDLER_OF(set_advertised_address, text)
SCRIPT_HANDLER_OF(set_advertised_port, port)
SCRIPT_HANDLER_OF(send_raw, text)

static int forward_by(struct script_run *run, struct span hop)
{
	struct span kept = run->msg->target.dst_uri;
	if (hop.at)
		run->msg->target.dst_uri = hop;
	bool is_sent = forward_request(run, run->msg);
	run->msg->target.dst_uri = kept;
	return is_sent ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int forward(struct script_run *run, const struct destination_args *args)
{
	if (!message_is_request(run->msg))
		return forward_reply(run->msg) ? SCRIPT_TRUE : SCRIPT_FALSE;
	struct span hop = { NULL, 0 };
	if (args->host.len)
		hop = arena_printf(run->arena, "sip:%.*s:%u", SPAN_ARGS(args->host),
				   args->port ? (unsigned)args->port : 5060u);
	return forward_by(run, hop);
}

/* To a host and port, or where the request would go, with a transport chosen by the script. */
static int forward_over(struct script_run *run, const struct destination_args *args,
			enum transport transport)
{
	struct message *msg = run->msg;
	struct sip_uri uri;
	struct span next = msg->target.dst_uri.at ? msg->target.dst_uri : message_uri(msg);
	unsigned port = args->port ? (unsigned)args->port : transport_default_port(transport);
	struct span host = args->host;
	if (!message_is_request(msg))
		return forward_reply(msg) ? SCRIPT_TRUE : SCRIPT_FALSE;
	if (!host.len) {
		if (!uri_parse(next, &uri) || !uri_is_sip(&uri)) {
			msg->last_error = locate_failure(next);
			return SCRIPT_FALSE;
		}
		host = uri.maddr.len ? uri.maddr : uri.host;
		port = uri.port ? uri.port : port;
	}
	return forward_by(run, arena_printf(run->arena, "sip:%.*s:%u;transport=%s", SPAN_ARGS(host),
					    port, transport_name_lower(transport)));
}

static int forward_udp(struct script_run *run, const struct destination_args *args)
{
	return forward_over(run, args, TRANSPORT_UDP);
}

static int forward_tcp(struct script_run *run, const struct destination_args *args)
{
	return forward_over(run, args, TRANSPORT_TCP);
}

static int forward_tls(struct script_run *run, const struct destination_args *args)
{
	return forward_over(run, args, TRANSPORT_TLS);
}

static int forward_sctp(struct script_run *run, const struct destination_args *args)
{
	return forward_over(run, args, TRANSPORT_SCTP);
}

static int clear_branches(struct script_run *run)
{
	message_clear_branches(run->msg);
	return SCRIPT_TRUE;
}

static int remove_branch(struct script_run *run, const struct branch_index_args *args)
{
	message_remove_branch(run->msg, (size_t)args->number);
	return SCRIPT_TRUE;
}

static int force_send_socket(struct script_run *run, const struct text_args *args)
{
	struct end_point address;
	const struct listener *listener =
		end_point_parse(args->text, &address) ? listener_find(&address) : NULL;
	if (!listener) {
		log_error("force_send_socket: %.*s is none of the listen addresses",
			  SPAN_ARGS(args->text));
		return SCRIPT_FALSE;
	}
	run->msg->target.socket = listener;
	return SCRIPT_TRUE;
}

static int set_advertised_address(struct script_run *run, const struct text_args *args)
{
	run->msg->advertised_host = arena_copy(run->msg->arena, args->text);
	return run->msg->advertised_host.at ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int set_advertised_port(struct script_run *run, const struct port_args *args)
{
	run->msg->advertised_port = (uint16_t)args->number;
	return SCRIPT_TRUE;
}

/* send("ip:port"): the message as received, without a Via of ours. */
static int send_raw(struct script_run *run, const struct text_args *args)
{
	struct span host, port;
	uint32_t number = 5060;
	struct located located;
	split_host_port(args->text, &host, &port);
	if (port.len && !span_to_uint32(port, &number))
		return SCRIPT_FALSE;
	if (!locate_host(host, (uint16_t)number, TRANSPORT_UDP, &located))
		return SCRIPT_FALSE;
	struct send_target target = { .to = located.targets[0],
				      .from = run->msg->target.socket,
				      .wants_result = true };
	return send_bytes(&target, run->msg->bytes, false) == SEND_OK ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* force_tcp_alias([port]): requests for that port of the sender go over this connection. */
struct optional_number_args {
	int64_t number;
};
static const struct field optional_number_fields[] = {
	FIELD(struct optional_number_args, number, "port", .optional = true, .max = 65535) };
SCRIPT_HANDLER_OF(add_tcp_alias, optional_number)
SCRIPT_HANDLER_OF(udp_mtu_try_proto, text)

static int add_tcp_alias(struct script_run *run, const struct optional_number_args *args)
{
	const struct sip_via *via = message_top_via(run->msg);
	uint16_t port = args->number ? (uint16_t)args->number : via ? via_port(via) : 0;
	return port && stream_add_alias(run->msg->from.connection, port) ? SCRIPT_TRUE
									 : SCRIPT_FALSE;
}

/* udp_mtu_try_proto(TCP): for this request instead of the core parameter. */
static int udp_mtu_try_proto(struct script_run *run, const struct text_args *args)
{
	enum transport transport = transport_from_span(args->text);
	if (transport == TRANSPORT_NONE)
		return SCRIPT_FALSE;
	run->msg->large_transport = (uint8_t)transport;
	return SCRIPT_TRUE;
}

static const struct script_function functions[] = {
	FUNCTION_OF("forward", forward, destination, IN_ANY, "Forwards statelessly to the Request-URI, $du, or host and port."),
	FUNCTION_OF("forward_udp", forward_udp, destination, IN_ANY, "The same as forward(), over UDP."),
	FUNCTION_OF("forward_tcp", forward_tcp, destination, IN_ANY, "The same as forward(), over TCP."),
	FUNCTION_OF("forward_tls", forward_tls, destination, IN_ANY, "The same as forward(), over TLS."),
	FUNCTION_OF("forward_sctp", forward_sctp, destination, IN_ANY, "The same as forward(), over SCTP."),
	FUNCTION_PLAIN("clear_branches", clear_branches, IN_ALL_BUT_ONSEND, "Forgets the destinations that append_branch() added."),
	FUNCTION_OF("remove_branch", remove_branch, branch_index, IN_ALL_BUT_ONSEND, "Forgets one destination that append_branch() added."),
	FUNCTION_OF("force_send_socket", force_send_socket, text, IN_ANY, "Sends from this listen address."),
	FUNCTION_OF("set_advertised_address", set_advertised_address, text, IN_ANY, "Host for our Via of this message."),
	FUNCTION_OF("set_advertised_port", set_advertised_port, port, IN_ANY, "Port for our Via of this message."),
	FUNCTION_OF("send", send_raw, text, IN_ANY, "Sends the message as received to ip:port."),
	FUNCTION_OF("add_tcp_alias", add_tcp_alias, optional_number, IN_ANY, "Aliases a stream connection; false over UDP."),
	FUNCTION_OF("force_tcp_alias", add_tcp_alias, optional_number, IN_ANY, "The same as add_tcp_alias()."),
	FUNCTION_OF("udp_mtu_try_proto", udp_mtu_try_proto, text, IN_ANY, "Protocol for this request when it is larger than udp_mtu."),
};
const struct function_table core_sending_functions = ROWS(functions);
