/* SPDX-License-Identifier: BSD-2-Clause */
/* The core.* and system.* RPC commands. Names and order of members are what tools rely on. */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "core/process/overload.h"
#include "core/process/process.h"
#include "core/process/reload.h"
#include "core/script/config_names.h"
#include "core/shm/map.h"
#include "core/shm/repair.h"

static struct span time_text(int64_t wall_s, char out[32])
{
	time_t seconds = (time_t)wall_s;
	struct tm local;
	localtime_r(&seconds, &local);
	size_t len = strftime(out, 32, "%a %b %e %H:%M:%S %Y", &local);
	return span_make(out, len);
}

/* ---- system.* -------------------------------------------------------------------------------------------- */

static void run_list_methods(struct rpc_call *call)
{
	for (unsigned i = 0; i < rpc_command_count(); i++)
		rpc_add_text(call, NULL, NULL, span_from(rpc_command_at(i)->name));
}

static void run_method_help(struct rpc_call *call)
{
	struct span name;
	if (!rpc_arg_text(call, 0, &name)) {
		rpc_fault(call, 400, "Method Name Expected");
		return;
	}
	const struct rpc_command *command = rpc_command_find(name);
	if (!command)
		rpc_fault(call, 400, "command not found");
	else if (command->args)
		rpc_add_printf(call, NULL, NULL, "%s Arguments: %s", command->doc, command->args);
	else
		rpc_add_text(call, NULL, NULL, span_from(command->doc));
}

static void run_method_signature(struct rpc_call *call)
{
	rpc_fault(call, 500, "Not Implemented Yet");
}

/* ---- about the server ---------------------------------------------------------------------------------------- */

static void run_version(struct rpc_call *call)
{
	rpc_add_text(call, NULL, NULL, SPAN_OF("viaduct " VIADUCT_VERSION " (x86_64/linux)"));
}

static void run_info(struct rpc_call *call)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_text(call, node, "version", SPAN_OF("viaduct " VIADUCT_VERSION));
	rpc_add_text(call, node, "id", SPAN_OF("unknown"));
	rpc_add_text(call, node, "compiler", SPAN_OF("gcc " __VERSION__));
	rpc_add_text(call, node, "compiled", SPAN_OF("with " VIADUCT_VERSION));
	rpc_add_text(call, node, "flags", SPAN_OF(""));
}

static void run_runinfo(struct rpc_call *call)
{
	char text[32];
	int64_t uptime = clock_wall_s() - server_start_wall_s();
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_text(call, node, "name", SPAN_OF("viaduct"));
	rpc_add_text(call, node, "version", SPAN_OF("viaduct " VIADUCT_VERSION));
	rpc_add_text(call, node, "sourceid", SPAN_OF("unknown"));
	rpc_add_text(call, node, "compiler", SPAN_OF("gcc " __VERSION__));
	rpc_add_text(call, node, "compiled", SPAN_OF("with " VIADUCT_VERSION));
	rpc_add_text(call, node, "time_now", time_text(clock_wall_s(), text));
	rpc_add_text(call, node, "time_started", time_text(server_start_wall_s(), text));
	rpc_add_int(call, node, "uptime_secs", uptime);
	rpc_add_printf(call, node, "utime_days", "%lldd %lldh %lldm %llds",
		       (long long)(uptime / 86400), (long long)(uptime / 3600 % 24),
		       (long long)(uptime / 60 % 60), (long long)(uptime % 60));
}

static void run_uptime(struct rpc_call *call)
{
	char text[32];
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_text(call, node, "now", time_text(clock_wall_s(), text));
	rpc_add_text(call, node, "up_since", time_text(server_start_wall_s(), text));
	rpc_add_int(call, node, "uptime", clock_wall_s() - server_start_wall_s());
}

static void run_time(struct rpc_call *call)
{
	char text[32];
	rpc_add_text(call, NULL, NULL, time_text(clock_wall_s(), text));
}

static void run_pwd(struct rpc_call *call)
{
	char path[4096];
	if (getcwd(path, sizeof(path)))
		rpc_add_text(call, NULL, NULL, span_from(path));
	else
		rpc_fault(call, 500, "the working directory is gone");
}

static void run_arg(struct rpc_call *call)
{
	int count;
	char **arguments;
	startup_arguments(&count, &arguments);
	for (int i = 0; i < count; i++)
		rpc_add_text(call, NULL, NULL, span_from(arguments[i]));
}

static void run_modules(struct rpc_call *call)
{
	for (unsigned i = loader_count(); i > 1; i--)
		rpc_add_text(call, NULL, NULL, span_from(loader_at(i - 1)->name));
}

static void run_ppdefines(struct rpc_call *call)
{
	struct span name, value;
	for (unsigned i = 0; config_define_at(i, &name, &value); i++)
		rpc_add_text(call, NULL, NULL, name);
}

static void run_ppdefines_full(struct rpc_call *call)
{
	struct span name, value;
	for (unsigned i = 0; config_define_at(i, &name, &value); i++) {
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_text(call, node, "name", name);
		rpc_add_int(call, node, "type", 0);
		rpc_add_text(call, node, "value", value.len ? value : SPAN_OF("none"));
	}
}

/* ---- processes -------------------------------------------------------------------------------------------------- */

static void run_ps(struct rpc_call *call)
{
	for (unsigned i = 0; i < role_count(); i++) {
		rpc_add_int(call, NULL, NULL, role_at(i)->pid);
		rpc_add_text(call, NULL, NULL, span_from(role_at(i)->name));
	}
}

static void run_psx(struct rpc_call *call)
{
	for (unsigned i = 0; i < role_count(); i++) {
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_int(call, node, "IDX", i);
		rpc_add_int(call, node, "PID", role_at(i)->pid);
		rpc_add_text(call, node, "DSC", span_from(role_at(i)->name));
	}
}

static int process_rank(const struct role *role)
{
	return role->kind == ROLE_SUPERVISOR ? 0
	       : role->kind == ROLE_WORKER   ? (int)role->number + 1
					     : -2;
}

static void run_psa(struct rpc_call *call)
{
	for (unsigned i = 0; i < role_count(); i++) {
		struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
		rpc_add_int(call, node, "index", i);
		rpc_add_int(call, node, "pid", role_at(i)->pid);
		rpc_add_int(call, node, "status", role_at(i)->pid && role_at(i)->is_ready);
		rpc_add_int(call, node, "rank", process_rank(role_at(i)));
		rpc_add_text(call, node, "description", span_from(role_at(i)->name));
	}
}

static void run_kill(struct rpc_call *call)
{
	int64_t number = SIGTERM;
	if (rpc_arg_count(call) && !rpc_need_int(call, 0, "signal", &number))
		return;
	if (kill(role_at(0)->pid, (int)number) < 0)
		rpc_fault(call, 500, "cannot send the signal");
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static uint64_t memory_unit(struct span name)
{
	switch (name.len ? ascii_lower(name.at[0]) : 'b') {
	case 'k': return 1024;
	case 'm': return 1024 * 1024;
	case 'g': return 1024 * 1024 * 1024;
	default: return 1;
	}
}

/* Every index against what it is an index of; costs time in proportion to the content. */
static void run_shm_check(struct rpc_call *call)
{
	rpc_add_int(call, NULL, NULL, shard_check_all_sets());
}

static void run_shmmem(struct rpc_call *call)
{
	struct shm_usage usage;
	struct span unit_name = { NULL, 0 };
	uint64_t unit = rpc_arg_text(call, 0, &unit_name) ? memory_unit(unit_name) : 1;
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	shm_get_usage(&usage);
	rpc_add_int(call, node, "total", (int64_t)(usage.total / unit));
	rpc_add_int(call, node, "free", (int64_t)(usage.free / unit));
	rpc_add_int(call, node, "used", (int64_t)(usage.used / unit));
	rpc_add_int(call, node, "real_used", (int64_t)(usage.real_used / unit));
	rpc_add_int(call, node, "max_used", (int64_t)(usage.max_used / unit));
	rpc_add_int(call, node, "fragments", (int64_t)usage.fragments);
}

/* ---- network ----------------------------------------------------------------------------------------------------- */

static void run_sockets_list(struct rpc_call *call)
{
	struct rpc_node *all = rpc_add_array(call, NULL, NULL);
	for (unsigned i = 0; i < listener_count(); i++) {
		const struct listener *listener = listener_at(i);
		char text[END_POINT_TEXT_MAX];
		struct writer w = writer_fixed(text, sizeof(text));
		struct rpc_node *node = rpc_add_struct(call, all, "socket");
		end_point_write_ip(&w, &listener->address);
		rpc_add_text(call, node, "proto",
			     span_from(transport_name_lower(
				     (enum transport)listener->address.transport)));
		rpc_add_text(call, node, "address", writer_result(&w));
		rpc_add_text(call, node, "ipaddress", writer_result(&w));
		rpc_add_printf(call, node, "port", "%u", listener->address.port);
		rpc_add_text(call, node, "mcast", SPAN_OF("no"));
		rpc_add_text(call, node, "mhomed", SPAN_OF("no"));
		rpc_add_text(call, node, "virtual",
			     listener->is_virtual ? SPAN_OF("yes") : SPAN_OF("no"));
	}
}

static void run_aliases_list(struct rpc_call *call)
{
	struct rpc_node *all = rpc_add_struct(call, NULL, NULL);
	rpc_add_text(call, all, "myself_callbacks", SPAN_OF("no"));
	struct rpc_node *list = rpc_add_array(call, all, "aliases");
	for (unsigned i = 0; i < alias_count(); i++) {
		struct span rest = alias_text(i), proto, address, port = SPAN("*");
		struct rpc_node *node = rpc_add_struct(call, list, "alias");
		span_split(&rest, ':', &proto);
		span_split(&rest, ':', &address);
		span_split(&rest, ':', &port);
		rpc_add_text(call, node, "proto", proto);
		rpc_add_text(call, node, "address", address);
		rpc_add_text(call, node, "port", port);
	}
}

/* ---- echo ----------------------------------------------------------------------------------------------------------- */

static void run_echo(struct rpc_call *call)
{
	struct span text;
	for (unsigned i = 0; i < rpc_arg_count(call); i++)
		if (rpc_arg_text(call, i, &text))
			rpc_add_text(call, NULL, NULL, text);
}

static void run_printi(struct rpc_call *call)
{
	int64_t number;
	for (unsigned i = 0; i < rpc_arg_count(call); i++)
		if (rpc_need_int(call, i, "number", &number))
			rpc_add_int(call, NULL, NULL, number);
}

/* ---- script ---------------------------------------------------------------------------------------------------------- */

static void run_reload(struct rpc_call *call)
{
	struct span report;
	if (reload_script(rpc_arena(call), &report))
		rpc_add_text(call, NULL, NULL, SPAN_OF("the script was reloaded"));
	else
		rpc_fault(call, 500, "the script was not reloaded, the old one goes on:\n%.*s",
			  SPAN_ARGS(report));
}

static void run_drain(struct rpc_call *call)
{
	int64_t wanted = 1, seconds = 60;
	if ((rpc_arg_count(call) > 0 && !rpc_need_int(call, 0, "on", &wanted)) ||
	    (rpc_arg_count(call) > 1 && !rpc_need_int(call, 1, "retry_after", &seconds)))
		return;
	if (rpc_arg_count(call) > 0)
		overload_set_drain(wanted != 0, (uint32_t)(seconds < 1       ? 1
							   : seconds > 86400 ? 86400
									     : seconds));
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "draining", overload_is_draining());
	rpc_add_int(call, node, "refused",
		    counter_read(counter_find(SPAN_OF("core"), SPAN_OF("refused_drain"))));
}

static const struct rpc_command commands[] = {
	{ "system.listMethods", run_list_methods, "Lists all commands.", NULL, true },
	{ "system.methodHelp", run_method_help, "Shows what a command is for.", "method" },
	{ "system.methodSignature", run_method_signature, "Not offered.", "method" },
	{ "core.version", run_version, "Shows the version." },
	{ "core.info", run_info, "Shows what the server was built from." },
	{ "core.runinfo", run_runinfo, "Shows version and times." },
	{ "core.uptime", run_uptime, "Shows since when the server runs." },
	{ "core.time", run_time, "Shows the server's time." },
	{ "core.pwd", run_pwd, "Shows the working directory.", NULL, true },
	{ "core.arg", run_arg, "Shows the command line.", NULL, true },
	{ "core.modules", run_modules, "Lists the modules, last loaded first.", NULL, true },
	{ "core.ppdefines", run_ppdefines, "Lists the preprocessor's defines.", NULL, true },
	{ "core.ppdefines_full", run_ppdefines_full, "Lists the preprocessor's defines with values.", NULL, true },
	{ "core.ps", run_ps, "Lists the processes.", NULL, true },
	{ "core.psx", run_psx, "Lists the processes as structures.", NULL, true },
	{ "core.psa", run_psa, "Lists the processes with all that is known of them.", NULL, true },
	{ "core.kill", run_kill, "Sends a signal to the server (TERM).", "[signal]" },
	{ "core.shm_check", run_shm_check,
	  "Walks all of the shared memory; the number of inconsistencies, each of which is logged." },
	{ "core.shmmem", run_shmmem, "Shows the shared memory.", "[b|k|m|g]" },
	{ "core.sockets_list", run_sockets_list, "Lists the listen addresses." },
	{ "core.aliases_list", run_aliases_list, "Lists the names that are ours." },
	{ "core.echo", run_echo, "Gives its arguments back as text.", "value …", true },
	{ "core.prints", run_echo, "Gives its arguments back as text.", "value …", true },
	{ "core.printi", run_printi, "Gives its arguments back as numbers.", "number …", true },
	{ "core.drain", run_drain, "Refuses new dialogs and registrations with 503 while what was begun goes on (1), or ends that (0); says how it stands.",
		"[on [retry_after]]" },
	{ "core.reload", run_reload, "Compiles the script again and takes it when it is right." },
};

const struct rpc_table core_commands = ROWS(commands);
