/* SPDX-License-Identifier: BSD-2-Clause */
/* What the running server is asked and told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "utils/control/arguments.h"
#include "utils/kamctl/commands.h"
#include "utils/kamctl/process.h"

#define MONITOR_PERIOD_S 2

int run_rpc(const struct command *command, struct words words)
{
	return server_call(command->with, words.at, words.count);
}

static int run_raw(const struct command *command, struct words words)
{
	return server_call(words.at[0], words.at + 1, words.count - 1);
}

static int run_srv_debug(const struct command *command, struct words words)
{
	int64_t level;
	if (words.count && !span_to_int64(span_from(words.at[0]), &level)) {
		say_error("\"%s\" is no level (-5 to 3)", words.at[0]);
		return EXIT_USAGE;
	}
	return server_call("corex.debug", words.at, words.count);
}

static int run_stats(const struct command *command, struct words words)
{
	static const char *const all[] = { "all" };
	if (!words.count)
		return server_call("stats.get_statistics", all, 1);
	const char *group[] = { arena_printf(tool_arena(), "%s:%c", words.at[0], 0).at };
	return server_call("stats.get_statistics", group, 1);
}

/* ---- monitor ------------------------------------------------------------------------------------ */

static const struct view {
	const char *title, *method;
	const char *words[8];
} views[] = {
	{ "Runtime", "core.version", { NULL } },
	{ "Uptime", "core.uptime", { NULL } },
	{ "Transactions",
	  "stats.get_statistics",
	  { "UAS_transactions", "UAC_transactions", "active_transactions", "inuse_transactions",
	    NULL } },
	{ "Stateless replies",
	  "stats.get_statistics",
	  { "sent_replies", "sent_err_replies", NULL } },
	{ "Bindings", "stats.get_statistics", { "usrloc:", NULL } },
	{ "Messages",
	  "stats.get_statistics",
	  { "rcv_requests", "fwd_requests", "rcv_replies", "fwd_replies", NULL } },
	{ "Shared memory", "stats.get_statistics", { "shmem:", NULL } },
};

static void print_value(const struct json_value *value)
{
	for (const struct json_value *member = value->first; member; member = member->next)
		print_value(member);
	if (value->first)
		return;
	if (value->name.len)
		printf("  %.*s: ", SPAN_ARGS(value->name));
	else
		printf("  ");
	printf("%.*s\n", SPAN_ARGS(value->text));
}

static int show_views(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		const struct json_value *result;
		unsigned count = 0;
		while (views[i].words[count])
			count++;
		int code = server_ask(views[i].method, views[i].words, count, &result);
		if (code == EXIT_UNREACHABLE)
			return code;
		printf("%s:\n", views[i].title);
		if (code == EXIT_DONE)
			print_value(result);
		putchar('\n');
	}
	return EXIT_DONE;
}

/* Shows the same again and again on a terminal, once elsewhere. */
static int run_monitor(const struct command *command, struct words words)
{
	bool is_terminal = isatty(STDOUT_FILENO);
	for (unsigned cycle = 1;; cycle++) {
		if (is_terminal)
			fputs("\033[H\033[2J", stdout);
		printf("[cycle #: %u; if constant make sure server lives]\n", cycle);
		int code = show_views();
		if (!is_terminal || code != EXIT_DONE)
			return code;
		fflush(stdout);
		arena_clear(tool_arena());
		sleep(MONITOR_PERIOD_S);
	}
}

/* ---- requests of the server's own ------------------------------------------------------------- */

/* `with`: method, SIP method and more headers. */
struct uac {
	const char *rpc, *method, *headers;
};
static const struct uac options_request = { "tm.t_uac_wait_block", "OPTIONS", "" };
static const struct uac check_sync = { "tm.t_uac_start", "NOTIFY", "Event:check-sync\r\n" };

static int run_uac(const struct command *command, struct words words)
{
	const struct uac *uac = command->with;
	const char *uri = words.at[0], *domain = setting("SIP_DOMAIN");
	if (strpbrk(uri, "\r\n<> ")) {
		say_error("\"%s\" is no SIP URI", uri);
		return EXIT_USAGE;
	}
	struct span headers = arena_printf(
		tool_arena(), "From:sip:daemon@%s\r\nTo:<%s>\r\n%sContact:sip:daemon@%s\r\n%c",
		*domain ? domain : "localhost", uri, uac->headers, *domain ? domain : "localhost",
		0);
	const char *parameters[] = { uac->method, uri, ".", ".", headers.at };
	return server_call(uac->rpc, parameters, ARRAY_SIZE(parameters));
}

static int run_kamcmd(const struct command *command, struct words words)
{
	const char *arguments[WORDS_MOST + 4] = { "kamcmd", "-s", setting("CTLSOCKET") };
	for (unsigned i = 0; i < words.count; i++)
		arguments[3 + i] = words.at[i];
	program_become("kamcmd", arguments);
	return EXIT_UNREACHABLE;
}

static int run_version(const struct command *command, struct words words)
{
	(void)command;
	(void)words;
	if (output_is_json())
		printf("{\"program\": \"kamctl\", \"version\": \"%s\"}\n", VIADUCT_VERSION);
	else
		arguments_print_version();
	return EXIT_DONE;
}

static const struct command version_commands[] = { { "", "", "which kamctl this is", 0, 0,
						     run_version, NULL } };
static const struct command ps_commands[] = { { "", "", "the processes of the server", 0, 0,
						run_rpc, "core.psx" } };
static const struct command psa_commands[] = { { "", "", "all that is known of its processes", 0, 0,
						 run_rpc, "core.psa" } };
static const struct command uptime_commands[] = { { "", "", "since when the server runs", 0, 0,
						    run_rpc, "core.uptime" } };
static const struct command stats_commands[] = {
	{ "", "[GROUP]", "statistics, all or those of a group", 0, 1, run_stats, NULL }
};
static const struct command monitor_commands[] = {
	{ "", "", "shows the server's state every 2 seconds", 0, 0, run_monitor, NULL }
};
static const struct command ping_commands[] = { { "", "URI", "sends OPTIONS, shows the answer", 1,
						  1, run_uac, &options_request } };
static const struct command restart_phone_commands[] = {
	{ "", "URI",
	  "tells a phone to read its settings again "
	  "(NOTIFY check-sync)",
	  1, 1, run_uac, &check_sync }
};
static const struct command rpc_commands[] = { { "", "METHOD [PARAMETER]...", "any RPC command", 1,
						 WORDS_MOST, run_raw, NULL } };
static const struct command kamcmd_commands[] = { { "", "[METHOD [PARAMETER]...]",
						    "any RPC command by kamcmd", 0, WORDS_MOST,
						    run_kamcmd, NULL } };
static const struct command srv_commands[] = {
	{ "sockets", "", "where the server listens", 0, 0, run_rpc, "corex.list_sockets" },
	{ "aliases", "", "names that are the server", 0, 0, run_rpc, "corex.list_aliases" },
	{ "rpclist", "", "all RPC commands", 0, 0, run_rpc, "system.listMethods" },
	{ "modules", "", "modules that are loaded", 0, 0, run_rpc, "core.modules" },
	{ "version", "", "version of the server", 0, 0, run_rpc, "core.version" },
	{ "debug", "[LEVEL]", "shows or sets the log level", 0, 1, run_srv_debug, NULL },
};
static const struct command dialog_rpc_commands[] = {
	{ "show", "", "dialogs in memory", 0, 0, run_rpc, "dlg.list" },
	{ "showdb", "", "dialogs in the database", 0, 0, run_dialog_showdb, NULL },
};
static const struct command start_commands[] = { { "", "", "starts the server", 0, 0, run_start,
						   NULL } };
static const struct command stop_commands[] = { { "", "", "stops the server in order", 0, 0,
						  run_stop, NULL } };
static const struct command restart_commands[] = {
	{ "", "", "checks the configuration, stops, starts", 0, 0, run_restart, NULL }
};
static const struct command trap_commands[] = {
	{ "", "", "writes backtraces of all processes, by gdb", 0, 0, run_trap, NULL }
};

const struct family server_families[] = {
	FAMILY("start", start_commands, "the server"),
	FAMILY("stop", stop_commands, "the server"),
	FAMILY("restart", restart_commands, "the server"),
	FAMILY("trap", trap_commands, "for reports of faults"),
	FAMILY("pstrap", trap_commands, "for reports of faults"),
	FAMILY("srv", srv_commands, "the running server"),
	FAMILY("dialog", dialog_rpc_commands, "dialogs"),
	FAMILY("ps", ps_commands, "processes"),
	FAMILY("psa", psa_commands, "processes"),
	FAMILY("version", version_commands, "version of this tool"),
	FAMILY("uptime", uptime_commands, "time of the server"),
	FAMILY("stats", stats_commands, "statistics"),
	FAMILY("monitor", monitor_commands, "the server's state, again and again"),
	FAMILY("moni", monitor_commands, "the same"),
	FAMILY("ping", ping_commands, "a SIP URI"),
	FAMILY("cisco_restart", restart_phone_commands, "a phone"),
	FAMILY("rpc", rpc_commands, "any RPC command"),
	FAMILY("fifo", rpc_commands, "the same"),
	FAMILY("kamcmd", kamcmd_commands, "any RPC command"),
	{ 0 },
};
