/* SPDX-License-Identifier: BSD-2-Clause */
/* kex: flags of the script and of branches, questions about local names, and the commands for
 * statistics and processes. */
#include <stdio.h>

#include "modules/kex/kex.h"
#include "parser/uri.h"

struct flag_args {
	int64_t flag;
};
struct branch_flag_args {
	int64_t flag, branch;
};
struct text_args {
	struct span text;
};
struct level_args {
	struct span level;
};
struct print_args {
	const struct variable_ref *variable;
	const struct text_template *text;
};

/* ---- script flags ($sf) ----------------------------------------------------------------------------- */

static const struct field flag_fields[] = { FIELD(struct flag_args, flag, "flag 0-31 or its name",
						  .max = 31, .flag_kind = FLAG_KIND_MESSAGE) };
#define setsflag_args     flag_args
#define setsflag_fields   flag_fields
#define resetsflag_args   flag_args
#define resetsflag_fields flag_fields
#define issflagset_args   flag_args
#define issflagset_fields flag_fields
SCRIPT_HANDLER(setsflag)
SCRIPT_HANDLER(resetsflag)
SCRIPT_HANDLER(issflagset)

static int setsflag(struct script_run *run, const struct setsflag_args *args)
{
	run->msg->script_flags |= 1u << args->flag;
	return SCRIPT_TRUE;
}

static int resetsflag(struct script_run *run, const struct resetsflag_args *args)
{
	run->msg->script_flags &= ~(1u << args->flag);
	return SCRIPT_TRUE;
}

static int issflagset(struct script_run *run, const struct issflagset_args *args)
{
	return run->msg->script_flags & (1u << args->flag) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- branch flags ($bf) ------------------------------------------------------------------------------ */

static const struct field branch_flag_fields[] = {
	FIELD(struct branch_flag_args, flag, "flag 0-31 or its name", .max = 31,
	      .flag_kind = FLAG_KIND_MESSAGE),
	FIELD(struct branch_flag_args, branch, "number of the branch, default 0", .optional = true,
	      .max = 31),
};
#define setbflag_args     branch_flag_args
#define setbflag_fields   branch_flag_fields
#define resetbflag_args   branch_flag_args
#define resetbflag_fields branch_flag_fields
#define isbflagset_args   branch_flag_args
#define isbflagset_fields branch_flag_fields
SCRIPT_HANDLER(setbflag)
SCRIPT_HANDLER(resetbflag)
SCRIPT_HANDLER(isbflagset)

/* Branch 0 is the Request-URI, the others are appended ones; NULL when there is no such branch. */
static uint32_t *branch_flags(struct message *msg, int64_t number)
{
	if (number == 0)
		return &msg->target.flags;
	return number <= (int64_t)msg->branch_count ? &msg->branches[number - 1].flags : NULL;
}

static int setbflag(struct script_run *run, const struct setbflag_args *args)
{
	uint32_t *flags = branch_flags(run->msg, args->branch);
	if (flags)
		*flags |= 1u << args->flag;
	return flags ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int resetbflag(struct script_run *run, const struct resetbflag_args *args)
{
	uint32_t *flags = branch_flags(run->msg, args->branch);
	if (flags)
		*flags &= ~(1u << args->flag);
	return flags ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int isbflagset(struct script_run *run, const struct isbflagset_args *args)
{
	const uint32_t *flags = branch_flags(run->msg, args->branch);
	return flags && (*flags & (1u << args->flag)) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- destinations and local names --------------------------------------------------------------------- */

static const struct field text_fields[] = { FIELD(struct text_args, text,
						  "URI, may contain variables") };
static const struct field optional_text_fields[] = { FIELD(
	struct text_args, text, "URI; without it the Request-URI", .optional = true) };
#define setdsturi_args          text_args
#define setdsturi_fields        text_fields
#define uri_is_myself_args      text_args
#define uri_is_myself_fields    text_fields
#define is_myhost_args          text_args
#define is_myhost_fields        text_fields
#define km_append_branch_args   text_args
#define km_append_branch_fields optional_text_fields
SCRIPT_HANDLER(setdsturi)
SCRIPT_HANDLER(uri_is_myself)
SCRIPT_HANDLER(is_myhost)
SCRIPT_HANDLER(km_append_branch)

static int setdsturi(struct script_run *run, const struct setdsturi_args *args)
{
	return message_set_dst_uri(run->msg, args->text) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool uri_is_local(struct span text, bool with_port)
{
	struct sip_uri uri;
	if (!uri_parse(text, &uri) || !uri_is_sip(&uri))
		return false;
	return is_myself(uri.host, with_port && uri.has_port ? uri.port : 0,
			 (enum transport)uri.transport);
}

/* A URI, or "host[:port]" alone. */
static int uri_is_myself(struct script_run *run, const struct uri_is_myself_args *args)
{
	struct span text = args->text;
	if (!span_starts_with_nocase(text, SPAN_OF("sip:")) &&
	    !span_starts_with_nocase(text, SPAN_OF("sips:")))
		text = arena_printf(run->arena, "sip:%.*s", SPAN_ARGS(text));
	return uri_is_local(text, true) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_myhost(struct script_run *run, const struct is_myhost_args *args)
{
	struct sip_uri uri;
	if (uri_parse(args->text, &uri))
		return uri_is_local(args->text, false) ? SCRIPT_TRUE : SCRIPT_FALSE;
	return is_myself(args->text, 0, TRANSPORT_NONE) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int km_append_branch(struct script_run *run, const struct km_append_branch_args *args)
{
	struct branch branch = run->msg->target;
	branch.uri = args->text.len ? args->text : message_uri(run->msg);
	return message_add_branch(run->msg, &branch) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- printing into variables, log level ------------------------------------------------------------------ */

static const struct field pv_printf_fields[] = {
	FIELD(struct print_args, variable, "variable that takes the text"),
	FIELD(struct print_args, text, "text with variables"),
};
#define pv_printf_args print_args
SCRIPT_HANDLER(pv_printf)
static int pv_printf(struct script_run *run, const struct pv_printf_args *args)
{
	struct span text = template_text(run, args->text);
	const struct value value = VALUE_OF_TEXT(text);
	return text.at && variable_write(run, args->variable, &value) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static const struct field level_fields[] = { FIELD(struct level_args, level, "-5 … 3 or a name") };
#define setdebug_args   level_args
#define setdebug_fields level_fields
SCRIPT_HANDLER(setdebug)
SCRIPT_HANDLER_PLAIN(resetdebug)

static int setdebug(struct script_run *run, const struct setdebug_args *args)
{
	int level;
	if (!log_level_from_name(args->level, &level))
		return SCRIPT_FALSE;
	log_set_own_threshold(level);
	return SCRIPT_TRUE;
}

static int resetdebug(struct script_run *run)
{
	log_reset_own_threshold();
	return SCRIPT_TRUE;
}

static const struct script_function functions[] = {
	FUNCTION("setsflag", setsflag, IN_ANY, "Sets a script flag."),
	FUNCTION("resetsflag", resetsflag, IN_ANY, "Clears a script flag."),
	FUNCTION("issflagset", issflagset, IN_ANY, "Is the script flag set?"),
	FUNCTION("setbflag", setbflag, IN_ANY, "Sets a branch flag."),
	FUNCTION("resetbflag", resetbflag, IN_ANY, "Clears a branch flag."),
	FUNCTION("isbflagset", isbflagset, IN_ANY, "Is the branch flag set?"),
	FUNCTION("setdsturi", setdsturi, IN_ANY, "Sets the next hop ($du)."),
	FUNCTION("is_myself", uri_is_myself, IN_ANY, "Is the URI local?"),
	FUNCTION("is_myhost", is_myhost, IN_ANY, "Is the host local, whatever the port?"),
	FUNCTION("km_append_branch", km_append_branch, ROUTE_REQUEST | ROUTE_FAILURE,
		 "Adds a destination; use append_branch()."),
	FUNCTION("pv_printf", pv_printf, IN_ANY, "Writes text with variables into a variable."),
	FUNCTION("avp_printf", pv_printf, IN_ANY, "The same as pv_printf()."),
	FUNCTION("setdebug", setdebug, IN_ANY, "Sets the log level of this worker."),
	FUNCTION_PLAIN("resetdebug", resetdebug, IN_ANY, "Goes back to the log level of all."),
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "kex",
	.doc = "Flags, local names, and commands for statistics and processes.",
	.functions = ROWS(functions),
	.commands = { kex_commands, KEX_COMMAND_COUNT },
};
