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
SCRIPT_HANDLER_OF(setsflag, flag)
SCRIPT_HANDLER_OF(resetsflag, flag)
SCRIPT_HANDLER_OF(issflagset, flag)

static int setsflag(struct script_run *run, const struct flag_args *args)
{
	run->msg->script_flags |= 1u << args->flag;
	return SCRIPT_TRUE;
}

static int resetsflag(struct script_run *run, const struct flag_args *args)
{
	run->msg->script_flags &= ~(1u << args->flag);
	return SCRIPT_TRUE;
}

static int issflagset(struct script_run *run, const struct flag_args *args)
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
SCRIPT_HANDLER_OF(setbflag, branch_flag)
SCRIPT_HANDLER_OF(resetbflag, branch_flag)
SCRIPT_HANDLER_OF(isbflagset, branch_flag)

/* Branch 0 is the Request-URI, the others are appended ones; NULL when there is no such branch. */
static uint32_t *branch_flags(struct message *msg, int64_t number)
{
	if (number == 0)
		return &msg->target.flags;
	return number <= (int64_t)msg->branch_count ? &msg->branches[number - 1].flags : NULL;
}

static int setbflag(struct script_run *run, const struct branch_flag_args *args)
{
	uint32_t *flags = branch_flags(run->msg, args->branch);
	if (flags)
		*flags |= 1u << args->flag;
	return flags ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int resetbflag(struct script_run *run, const struct branch_flag_args *args)
{
	uint32_t *flags = branch_flags(run->msg, args->branch);
	if (flags)
		*flags &= ~(1u << args->flag);
	return flags ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int isbflagset(struct script_run *run, const struct branch_flag_args *args)
{
	const uint32_t *flags = branch_flags(run->msg, args->branch);
	return flags && (*flags & (1u << args->flag)) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- destinations and local names --------------------------------------------------------------------- */

static const struct field text_fields[] = { FIELD(struct text_args, text,
						  "URI, may contain variables") };
static const struct field optional_text_fields[] = { FIELD(
	struct text_args, text, "URI; without it the Request-URI", .optional = true) };
#define km_append_branch_args   text_args
#define km_append_branch_fields optional_text_fields
SCRIPT_HANDLER_OF(setdsturi, text)
SCRIPT_HANDLER_OF(uri_is_myself, text)
SCRIPT_HANDLER_OF(is_myhost, text)
SCRIPT_HANDLER(km_append_branch)

static int setdsturi(struct script_run *run, const struct text_args *args)
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
static int uri_is_myself(struct script_run *run, const struct text_args *args)
{
	struct span text = args->text;
	if (!span_starts_with_nocase(text, SPAN_OF("sip:")) &&
	    !span_starts_with_nocase(text, SPAN_OF("sips:")))
		text = arena_printf(run->arena, "sip:%.*s", SPAN_ARGS(text));
	return uri_is_local(text, true) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int is_myhost(struct script_run *run, const struct text_args *args)
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
SCRIPT_HANDLER_OF(setdebug, level)
SCRIPT_HANDLER_PLAIN(resetdebug)

static int setdebug(struct script_run *run, const struct level_args *args)
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
	FUNCTION_OF("setsflag", setsflag, flag, IN_ANY, "Sets a script flag."),
	FUNCTION_OF("resetsflag", resetsflag, flag, IN_ANY, "Clears a script flag."),
	FUNCTION_OF("issflagset", issflagset, flag, IN_ANY, "Is the script flag set?"),
	FUNCTION_OF("setbflag", setbflag, branch_flag, IN_ANY, "Sets a branch flag."),
	FUNCTION_OF("resetbflag", resetbflag, branch_flag, IN_ANY, "Clears a branch flag."),
	FUNCTION_OF("isbflagset", isbflagset, branch_flag, IN_ANY, "Is the branch flag set?"),
	FUNCTION_OF("setdsturi", setdsturi, text, IN_ANY, "Sets the next hop ($du)."),
	FUNCTION_OF("is_myself", uri_is_myself, text, IN_ANY, "Is the URI local?"),
	FUNCTION_OF("is_myhost", is_myhost, text, IN_ANY, "Is the host local, whatever the port?"),
	FUNCTION("km_append_branch", km_append_branch, ROUTE_REQUEST | ROUTE_FAILURE,
		 "Adds a destination; use append_branch()."),
	FUNCTION("pv_printf", pv_printf, IN_ANY, "Writes text with variables into a variable."),
	FUNCTION("avp_printf", pv_printf, IN_ANY, "The same as pv_printf()."),
	FUNCTION_OF("setdebug", setdebug, level, IN_ANY, "Sets the log level of this worker."),
	FUNCTION_PLAIN("resetdebug", resetdebug, IN_ANY, "Goes back to the log level of all."),
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "kex",
	.doc = "Flags, local names, and commands for statistics and processes.",
	.functions = ROWS(functions),
	.commands = { kex_commands, KEX_COMMAND_COUNT },
};
