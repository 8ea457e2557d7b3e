/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl: RPC commands over control sockets in the binrpc format, as kamcmd speaks it. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#include "modules/ctl/ctl.h"

static struct ctl_access settings = { .mode = 0600, .user = (uid_t)-1, .group = (gid_t)-1 };

static struct {
	struct span addresses[CTL_LISTENERS_MOST];
	struct ctl_listener listeners[CTL_LISTENERS_MOST];
	unsigned count;
	bool serves_here;
} state;

/* ---- settings --------------------------------------------------------------------------------------------- */

static const char *accept_address(struct span text, int64_t number)
{
	struct ctl_listener ignored;
	if (!text.at)
		return "expects an address like \"unix:/run/x.sock\", not a number";
	if (state.count == CTL_LISTENERS_MOST)
		return "there are 16 control sockets already";
	state.addresses[state.count++] = text;
	return ctl_listener_parse(text, &ignored);
}

static const char *accept_user(struct span text, int64_t number)
{
	char name[64];
	int64_t id;
	if (!text.at || span_to_int64(text, &id)) {
		settings.user = (uid_t)(text.at ? id : number);
		return NULL;
	}
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(text));
	struct passwd *account = getpwnam(name);
	if (!account)
		return "there is no such user on this machine";
	settings.user = account->pw_uid;
	return NULL;
}

static const char *accept_group(struct span text, int64_t number)
{
	char name[64];
	int64_t id;
	if (!text.at || span_to_int64(text, &id)) {
		settings.group = (gid_t)(text.at ? id : number);
		return NULL;
	}
	snprintf(name, sizeof(name), "%.*s", SPAN_ARGS(text));
	struct group *group = getgrnam(name);
	if (!group)
		return "there is no such group on this machine";
	settings.group = group->gr_gid;
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("binrpc", accept_address,
		"address to listen on: unix:PATH, unixd:PATH, udp:HOST:PORT, tcp:HOST:PORT; may repeat"),
	FIELD(settings, mode, "permissions of unix sockets", .min = 0, .max = 07777),
	FIELD_ACCEPT("user", accept_user, "owner of unix sockets, name or number"),
	FIELD_ACCEPT("group", accept_group, "group of unix sockets, name or number"),
	FIELD_IGNORED("fifo", "the old FIFO protocol is not spoken; jsonrpcs has a FIFO"),
	FIELD_IGNORED("autoconversion", "arguments are always converted where that is sensible"),
	FIELD_IGNORED("binrpc_buffer_size", "buffers grow as needed"),
	FIELD_IGNORED("binrpc_max_body_size", "answers have no limit"),
	FIELD_IGNORED("binrpc_struct_max_body_size", "structures have no limit"),
};

/* ---- commands ----------------------------------------------------------------------------------------------- */

static void add_text(struct rpc_call *call, const char *text)
{
	rpc_add_text(call, NULL, NULL, span_from(text));
}

static void run_listen(struct rpc_call *call)
{
	for (unsigned i = 0; i < state.count; i++) {
		const struct ctl_listener *listener = &state.listeners[i];
		if (listener->fd < 0)
			continue;
		add_text(call, "binrpc");
		add_text(call, ctl_transport_name(listener->transport));
		rpc_add_text(call, NULL, NULL, listener->shown_host);
		rpc_add_text(call, NULL, NULL, listener->shown_port);
	}
}

/* The connections are known where they are served only. */
static bool is_served_here(struct rpc_call *call)
{
	if (!state.serves_here)
		rpc_fault(call, 500, "this command answers on control sockets only (kamcmd)");
	return state.serves_here;
}

static void run_connections(struct rpc_call *call)
{
	if (is_served_here(call))
		rpc_add_int(call, NULL, NULL, ctl_connection_count());
}

static void run_who(struct rpc_call *call)
{
	if (!is_served_here(call))
		return;
	for (unsigned i = 0; i < CTL_CONNECTIONS_MOST; i++) {
		const struct ctl_connection *connection = ctl_connection_at(i);
		if (!connection)
			continue;
		add_text(call, "binrpc");
		add_text(call, ctl_transport_name(connection->listener->transport));
		add_text(call, connection->peer_host);
		add_text(call, connection->peer_port);
		rpc_add_text(call, NULL, NULL, connection->listener->shown_host);
		rpc_add_text(call, NULL, NULL, connection->listener->shown_port);
	}
}

static const struct rpc_command commands[] = {
	{ "ctl.listen", run_listen, "Lists the control sockets: protocol, transport, address, port.", NULL, true },
	{ "ctl.connections", run_connections, "Counts the open connections of control sockets." },
	{ "ctl.who", run_who, "Lists the open connections of control sockets.", NULL, true },
};

/* ---- life cycle ---------------------------------------------------------------------------------------------- */

/* Only now is the run directory known for sure. */
static bool prepare(struct diagnostics *diagnostics)
{
	if (state.count == 0)
		state.addresses[state.count++] = SPAN_OF("unix:kamailio_ctl");
	for (unsigned i = 0; i < state.count; i++) {
		const char *error = ctl_listener_parse(state.addresses[i], &state.listeners[i]);
		if (error) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-value",
				       module_setting_position("ctl", "binrpc"),
				       "ctl: binrpc \"%.*s\": %s", SPAN_ARGS(state.addresses[i]),
				       error);
			return false;
		}
	}
	return true;
}

/* What cannot be opened was told; calls go on without it. */
static bool start(void)
{
	for (unsigned i = 0; i < state.count; i++)
		if (!ctl_listener_open(&state.listeners[i], &settings))
			ctl_listener_close(&state.listeners[i]);
	return true;
}

static void finish(void)
{
	for (unsigned i = 0; i < state.count; i++)
		ctl_listener_close(&state.listeners[i]);
}

static bool start_role(void)
{
	state.serves_here = true;
	for (unsigned i = 0; i < state.count; i++) {
		struct ctl_listener *listener = &state.listeners[i];
		loop_handler handler = ctl_transport_is_stream(listener->transport)
					       ? ctl_on_stream
					       : ctl_on_datagram;
		if (listener->fd >= 0 && !loop_watch(listener->fd, LOOP_READ, handler, listener))
			return false;
	}
	return true;
}

static const struct module_role roles[] = {
	{ "ctl handler", NULL, start_role },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "ctl",
	.doc = "RPC commands over control sockets (binrpc), for kamcmd.",
	.settings = { &settings, FIELDS(setting_fields) },
	.commands = ROWS(commands),
	.roles = ROWS(roles),
	.prepare = prepare,
	.start = start,
	.finish = finish,
};
