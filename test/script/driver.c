/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiles and runs scripts for the golden tests, with stand-ins for the modules' functions, so that
 * the language is tested without them.
 *
 *   driver check FILE [-A NAME=VALUE]...   diagnostics; exit code 255 when there are errors
 *   driver dump FILE                       listing of the code
 *   driver run FILE                        runs request_route over a fixed INVITE; print() writes lines */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/script/compile.h"
#include "core/script/core_rows.h"
#include "core/script/layout.h"
#include "core/script/state.h"

/* ---- stand-ins: functions ------------------------------------------------------------------- */

struct text_args {
	struct span a, b, c, d, e, f;
};
#define TEXT(member) FIELD(struct text_args, member, "any text", .optional = true)
static const struct field any_fields[] = { TEXT(a), TEXT(b), TEXT(c), TEXT(d), TEXT(e), TEXT(f) };
#define any_args text_args
SCRIPT_HANDLER(any)
static int any(struct script_run *run, const struct any_args *args)
{
	(void)run;
	(void)args;
	return 1;
}

SCRIPT_HANDLER_PLAIN(nothing)
static int nothing(struct script_run *run)
{
	(void)run;
	return 1;
}

static const struct field print_fields[] = { FIELD(struct text_args, a, "what to print") };
#define print_args text_args
SCRIPT_HANDLER(print)
static int print(struct script_run *run, const struct print_args *args)
{
	(void)run;
	printf("%.*s\n", SPAN_ARGS(args->a));
	return 1;
}

struct give_args {
	int32_t number;
};
static const struct field give_fields[] = { FIELD(struct give_args, number, "the result") };
SCRIPT_HANDLER(give)
static int give(struct script_run *run, const struct give_args *args)
{
	(void)run;
	return args->number;
}

static const struct field one_fields[] = { FIELD(struct text_args, a, "a text") };
#define one_args text_args
SCRIPT_HANDLER(one)
static int one(struct script_run *run, const struct one_args *args)
{
	(void)run;
	return span_equal(args->a, SPAN_OF("INVITE")) ||
			       span_find_span(args->a, SPAN_OF("INVITE")) < args->a.len
		       ? 1
		       : -1;
}

struct reply_args {
	int64_t code;
	struct span reason;
};
static const struct field reply_fields[] = {
	FIELD(struct reply_args, code, "status code", .min = 100, .max = 699),
	FIELD(struct reply_args, reason, "reason phrase"),
};
SCRIPT_HANDLER(reply)
static int reply(struct script_run *run, const struct reply_args *args)
{
	(void)run;
	printf("reply %lld %.*s\n", (long long)args->code, SPAN_ARGS(args->reason));
	return 1;
}

struct flag_args {
	int64_t flag;
};
static const struct field flag_fields[] = {
	FIELD(struct flag_args, flag, "number or name of the flag", .min = 0, .max = 31,
		.flag_kind = FLAG_KIND_MESSAGE),
};
SCRIPT_HANDLER(flag)
static int flag(struct script_run *run, const struct flag_args *args)
{
	run->msg->flags |= 1u << args->flag;
	return 1;
}
static const struct field is_flag_fields[] = {
	FIELD(struct flag_args, flag, "number or name of the flag", .min = 0, .max = 31,
		.flag_kind = FLAG_KIND_MESSAGE),
};
#define is_flag_args flag_args
SCRIPT_HANDLER(is_flag)
static int is_flag(struct script_run *run, const struct is_flag_args *args)
{
	return run->msg->flags & 1u << args->flag ? 1 : -1;
}

static const struct field on_failure_fields[] = { FIELD(struct text_args, a, "route",
							.route_kind = ROUTE_FAILURE) };
static const struct field on_branch_fields[] = { FIELD(struct text_args, a, "route",
						       .route_kind = ROUTE_BRANCH) };
static const struct field on_reply_fields[] = { FIELD(struct text_args, a, "route",
						      .route_kind = ROUTE_TM_REPLY) };
static const struct field on_branch_failure_fields[] = {
	FIELD(struct text_args, a, "route", .route_kind = ROUTE_BRANCH_FAILURE),
};

struct typed_args {
	int32_t number;
	bool yes;
	struct span text;
	const struct pattern *pattern;
	const struct variable_ref *variable;
	const struct text_template *template;
};
static const struct field typed_fields[] = {
	FIELD(struct typed_args, number, "a number", .min = -10, .max = 10),
	FIELD(struct typed_args, yes, "a switch"),
	FIELD(struct typed_args, text, "a text"),
	FIELD(struct typed_args, pattern, "a pattern", .optional = true),
	FIELD(struct typed_args, variable, "a variable", .optional = true),
	FIELD(struct typed_args, template, "a template", .optional = true),
};
SCRIPT_HANDLER(typed)
static int typed(struct script_run *run, const struct typed_args *args)
{
	struct value value = { 0 };
	struct span text = SPAN_OF("-");
	if (args->variable && variable_read(run, args->variable, &value))
		value_to_text(run, &value, &text);
	printf("typed %d %d \"%.*s\" pattern=%d variable=%.*s template=%.*s\n", args->number,
	       args->yes, SPAN_ARGS(args->text),
	       args->pattern ? pattern_search(args->pattern, SPAN_OF("abc"), 0, NULL, 0) : -1,
	       SPAN_ARGS(text),
	       SPAN_ARGS(args->template ? template_text(run, args->template) : SPAN_OF("-")));
	return 1;
}

static const struct field literal_fields[] = { FIELD(struct text_args, a, "literal text",
						     .literal = true) };
#define ROW(script_name, handler, fields, size, where)                                \
	{                                                                             \
		.name = script_name, .call = handler##_thunk, .args = FIELDS(fields), \
		.args_size = size, .contexts = where, .doc = "a stand-in"             \
	}
#define ANY(script_name, where) ROW(script_name, any, any_fields, sizeof(struct text_args), where)
#define ONE(script_name, where) ROW(script_name, one, one_fields, sizeof(struct text_args), where)
#define NONE(script_name, where)                                                                   \
	{                                                                                          \
		.name = script_name, .call = nothing_thunk, .contexts = where, .doc = "a stand-in" \
	}
#define REPLY(script_name, where) \
	ROW(script_name, reply, reply_fields, sizeof(struct reply_args), where)

static const struct script_function core_functions[] = {
	ROW("print", print, print_fields, sizeof(struct text_args), IN_ANY),
	ROW("print_literal", print, literal_fields, sizeof(struct text_args), IN_ANY),
	ROW("give", give, give_fields, sizeof(struct give_args), IN_ANY),
	ROW("typed", typed, typed_fields, sizeof(struct typed_args), IN_ANY),
	ROW("setflag", flag, flag_fields, sizeof(struct flag_args), IN_ANY),
	ROW("isflagset", is_flag, is_flag_fields, sizeof(struct flag_args), IN_ANY),
	NONE("force_rport", IN_ALL_BUT_ONSEND),
	NONE("set_reply_no_connect", IN_ANY),
	NONE("set_forward_no_connect", IN_ANY),
	NONE("set_reply_close", IN_ANY),
	NONE("forward", IN_ALL_BUT_ONSEND),
	ONE("prefix", IN_ANY),
	ONE("strip", IN_ANY),
	{ .name = "old_one",
		.call = nothing_thunk,
		.contexts = IN_ANY,
		.doc = "use new_one()",
		.is_deprecated = true },
};

struct stand_in {
	const char *module;
	const struct script_function *rows;
	uint32_t count;
};
static const struct script_function tm_functions[] = {
	ANY("t_relay", IN_REQUEST | IN_FAILURE),
	NONE("t_check_trans", IN_REQUEST),
	NONE("t_newtran", IN_REQUEST),
	NONE("t_release", IN_REQUEST),
	ONE("t_is_set", IN_ANY),
	ONE("t_check_status", IN_ANY_REPLY | IN_FAILURE),
	NONE("t_is_canceled", IN_ANY),
	REPLY("t_reply", IN_REQUEST | IN_FAILURE),
	NONE("t_drop_replies", IN_FAILURE),
	ROW("t_on_failure", any, on_failure_fields, sizeof(struct text_args), IN_ANY),
	ROW("t_on_branch", any, on_branch_fields, sizeof(struct text_args), IN_ANY),
	ROW("t_on_reply", any, on_reply_fields, sizeof(struct text_args), IN_ANY),
	ROW("t_on_branch_failure", any, on_branch_failure_fields, sizeof(struct text_args), IN_ANY),
};
static const struct script_function sl_functions[] = {
	REPLY("sl_send_reply", IN_REQUEST),
	REPLY("send_reply", IN_REQUEST | IN_FAILURE),
	NONE("sl_reply_error", IN_REQUEST),
};
static const struct script_function xlog_functions[] = {
	ANY("xlog", IN_ANY), ONE("xdbg", IN_ANY), ONE("xinfo", IN_ANY), ONE("xerr", IN_ANY),
};
static const struct script_function textops_functions[] = {
	ONE("is_method", IN_ANY),
	NONE("has_totag", IN_ANY),
	ANY("append_hf", IN_ANY),
	ONE("remove_hf", IN_ANY),
	ONE("has_body", IN_ANY),
	ONE("search", IN_ANY),
};
static const struct script_function other_functions[] = {
	NONE("t_precheck_trans", IN_REQUEST),
	NONE("record_route", IN_REQUEST | IN_BRANCH | IN_FAILURE),
	NONE("loose_route", IN_REQUEST),
	ONE("mf_process_maxfwd_header", IN_REQUEST),
	ANY("sanity_check", IN_ANY),
	ANY("save", IN_REQUEST),
	ANY("lookup", IN_REQUEST | IN_FAILURE),
	NONE("is_request", IN_ANY),
	ANY("setbflag", IN_ANY),
	ANY("isbflagset", IN_ANY),
	ANY("auth_check", IN_REQUEST),
	ANY("auth_challenge", IN_REQUEST),
	NONE("consume_credentials", IN_REQUEST),
	ONE("is_myself", IN_ANY),
	NONE("t_is_branch_route", IN_ANY),
};
static const struct stand_in stand_ins[] = {
	{ "tm", tm_functions, sizeof(tm_functions) / sizeof(tm_functions[0]) },
	{ "sl", sl_functions, sizeof(sl_functions) / sizeof(sl_functions[0]) },
	{ "xlog", xlog_functions, sizeof(xlog_functions) / sizeof(xlog_functions[0]) },
	{ "textops", textops_functions, sizeof(textops_functions) / sizeof(textops_functions[0]) },
	{ "kex", other_functions, sizeof(other_functions) / sizeof(other_functions[0]) },
};

/* ---- stand-ins: variables ------------------------------------------------------------------- */

static const char *bind_var(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	ref->bound = (void *)(uintptr_t)script_var_slot((enum script_var_kind)ref->row->selector,
							ref->inner);
	return NULL;
}

static bool get_var(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	*out = script_var_get(run, (unsigned)(uintptr_t)ref->bound);
	return true;
}

static bool set_var(struct script_run *run, const struct variable_ref *ref,
		    const struct value *value)
{
	return script_var_set(run, (unsigned)(uintptr_t)ref->bound, value);
}

/* $rU bob, $rp 5080, $rm INVITE … : constant texts, so that no parser is needed. */
static const char *const fixed_texts[] = { "bob",   "5080", "INVITE", "sip:bob@127.0.0.1:5080",
					   "alice", "agent" };

static bool get_fixed(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	(void)run;
	*out = VALUE_OF_TEXT(span_from(fixed_texts[ref->row->selector]));
	return true;
}

static bool get_null(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	(void)run;
	(void)ref;
	*out = (struct value){ 0 };
	return true;
}

static bool get_code(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	(void)ref;
	*out = VALUE_OF_INT(run->return_code);
	return true;
}

static bool set_nothing(struct script_run *run, const struct variable_ref *ref,
			const struct value *value)
{
	(void)run;
	(void)ref;
	(void)value;
	return true;
}

static bool get_line(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct script_place place = script_place(run);
	(void)ref;
	*out = ref->row->selector ? VALUE_OF_TEXT(place.route) : VALUE_OF_INT(place.line);
	return true;
}

static const struct variable_row variables[] = {
	{ "var", INNER_NAME, get_var, set_var, bind_var, SCRIPT_VAR_ZERO, .doc = "" },
	{ "vn", INNER_NAME, get_var, set_var, bind_var, SCRIPT_VAR_NULL, .doc = "" },
	{ "avp", INNER_NAME, get_var, set_var, bind_var, SCRIPT_VAR_NULL, .takes_index = true,
		.doc = "" },
	{ "rU", INNER_NONE, get_fixed, set_nothing, .selector = 0, .doc = "" },
	{ "rp", INNER_NONE, get_fixed, set_nothing, .selector = 1, .doc = "" },
	{ "rm", INNER_NONE, get_fixed, .selector = 2, .doc = "" },
	{ "fU", INNER_NONE, get_fixed, set_nothing, .selector = 4, .doc = "" },
	{ "ua", INNER_NONE, get_fixed, .selector = 5, .doc = "" },
	{ "si", INNER_NONE, get_null, .doc = "" },
	{ "T_branch_idx", INNER_NONE, get_null, .contexts = IN_BRANCH, .doc = "" },
	{ "hdr", INNER_NAME, get_null, .takes_index = true, .doc = "" },
	{ "null", INNER_NONE, get_null, .doc = "" },
	{ "rc", INNER_NONE, get_code, .doc = "" },
	{ "retcode", INNER_NONE, get_code, .doc = "" },
	{ "line", INNER_NONE, get_line, .doc = "" },
	{ "routename", INNER_NONE, get_line, .selector = 1, .doc = "" },
};

/* ---- configuration -------------------------------------------------------------------------- */

static bool is_printing;
static bool is_loaded[16];

static bool load_module(void *owner, struct span name, struct source_position at,
			struct diagnostics *diagnostics)
{
	(void)owner;
	(void)diagnostics;
	(void)at;
	if (span_ends_with(name, SPAN_OF(".so")))
		name.len -= 3;
	if (is_printing)
		printf("loadmodule %.*s\n", SPAN_ARGS(name));
	for (size_t i = 0; i < sizeof(stand_ins) / sizeof(stand_ins[0]); i++) {
		if (span_equal(span_from(stand_ins[i].module), name) && !is_loaded[i]) {
			is_loaded[i] = true;
			script_register_functions(stand_ins[i].module, stand_ins[i].rows,
						  stand_ins[i].count);
		}
	}
	return true;
}

static void print_value(const struct config_value *value)
{
	if (value->is_number && !value->is_word)
		printf("%lld", (long long)value->number);
	else
		printf(value->is_word ? "%.*s" : "\"%.*s\"", SPAN_ARGS(value->text));
}

static bool load_path(void *owner, struct span text, struct source_position at,
		      struct diagnostics *diagnostics)
{
	(void)owner;
	(void)at;
	(void)diagnostics;
	if (is_printing)
		printf("loadpath %.*s\n", SPAN_ARGS(text));
	return true;
}

static bool module_param(void *owner, struct span modules, struct span name,
			 const struct config_value *value, struct source_position at,
			 struct diagnostics *diagnostics)
{
	(void)owner;
	(void)at;
	(void)diagnostics;
	if (is_printing) {
		printf("modparam %.*s %.*s ", SPAN_ARGS(modules), SPAN_ARGS(name));
		print_value(value);
		printf("\n");
	}
	return true;
}

static bool global_param(void *owner, struct span name, const struct config_value *value,
			 struct source_position at, struct diagnostics *diagnostics)
{
	(void)owner;
	(void)at;
	(void)diagnostics;
	if (is_printing) {
		printf("%.*s = ", SPAN_ARGS(name));
		print_value(value);
		printf("\n");
	}
	return true;
}

static void print_endpoint(const char *what, const struct listen_directive *listen)
{
	if (!is_printing)
		return;
	printf("%s proto=%.*s host=%.*s port=%u", what, SPAN_ARGS(listen->proto),
	       SPAN_ARGS(listen->host), listen->port);
	if (listen->last_port != listen->port)
		printf("-%u", listen->last_port);
	if (listen->advertised_host.at)
		printf(" advertise %.*s:%u", SPAN_ARGS(listen->advertised_host),
		       listen->advertised_port);
	if (listen->name.at)
		printf(" name %.*s", SPAN_ARGS(listen->name));
	printf(listen->is_virtual ? " virtual\n" : "\n");
}

static bool do_listen(void *owner, const struct listen_directive *listen,
		      struct diagnostics *diagnostics)
{
	(void)owner;
	(void)diagnostics;
	print_endpoint("listen", listen);
	return true;
}

static bool do_alias(void *owner, const struct listen_directive *alias,
		     struct diagnostics *diagnostics)
{
	(void)owner;
	(void)diagnostics;
	print_endpoint("alias", alias);
	return true;
}

static bool custom_param(void *owner, struct span group, struct span name,
			 const struct config_value *value, struct span description,
			 struct source_position at, struct diagnostics *diagnostics)
{
	(void)owner;
	(void)at;
	(void)diagnostics;
	if (is_printing) {
		printf("custom %.*s.%.*s = ", SPAN_ARGS(group), SPAN_ARGS(name));
		print_value(value);
		printf(" \"%.*s\"\n", SPAN_ARGS(description));
	}
	return true;
}

static const struct config_actions actions = { .load_module = load_module,
					       .load_path = load_path,
					       .module_param = module_param,
					       .global_param = global_param,
					       .listen = do_listen,
					       .alias = do_alias,
					       .custom_param = custom_param };

static void register_all(void)
{
	/* First, so that they win over the core's own and the tests do not depend on a message. */
	script_register_variables("test", variables, sizeof(variables) / sizeof(variables[0]));
	core_rows_register();
	script_register_functions("core", core_functions,
				  sizeof(core_functions) / sizeof(core_functions[0]));
	script_register_event("tm", "tm:local-request", ROUTE_LOCAL);
	script_register_event("tm", "tm:branch-failure:", ROUTE_BRANCH_FAILURE);
	script_register_event("htable", "htable:mod-init", ROUTE_EVENT);
	script_register_event("xhttp", "xhttp:request", ROUTE_REQUEST);
}

static int run_script(const struct image *image)
{
	struct arena arena;
	struct script_run run;
	arena_init(&arena, 16384, 16 << 20);
	image_publish(image);
	struct message *msg = script_faked_request(&arena);
	if (!msg || !script_run_init(&run, msg, ROUTE_REQUEST, NULL)) {
		fprintf(stderr, "no memory\n");
		return 1;
	}
	int code = script_run_route(&run, script_route(image, ROUTE_REQUEST, SPAN_OF("")));
	printf("= %d rc %d%s%s\n", code, run.return_code, run.exited ? " exited" : "",
	       run.dropped ? " dropped" : "");
	arena_free(&arena);
	return 0;
}

static void write_diagnostics(struct diagnostics *diagnostics)
{
	struct writer w = writer_in_arena(diagnostics->arena, 4096);
	diagnostics_write(diagnostics, &w);
	fwrite(w.data, 1, w.len, stdout);
}

int main(int argc, char **argv)
{
	struct arena arena;
	struct diagnostics diagnostics;
	struct script_define defines[16];
	struct script_options options = { .defines = defines };
	if (argc < 3) {
		fprintf(stderr, "usage: driver check|read|dump|run FILE [-A NAME=VALUE]...\n");
		return 2;
	}
	if (strcmp(argv[1], "explain") == 0)
		return script_explain(argv[2]) ? 0 : 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	hash_init();
	clock_refresh();
	log_configure(&(struct log_options){ .to_stderr = true });
	is_printing = strcmp(argv[1], "read") == 0;
	options.path = argv[2];
	for (int i = 3; i + 1 < argc && options.define_count < 16; i += 2)
		defines[options.define_count++] =
			(struct script_define){ DEFINE_NAME, span_from(argv[i + 1]) };
	arena_init(&arena, 1 << 16, 256 << 20);
	diagnostics_init(&diagnostics, &arena);
	register_all();
	struct script_source *source = script_read(&options, &actions, &arena, &diagnostics);
	const struct image *image = source ? script_build(source, NULL, &diagnostics) : NULL;
	int result = image && !diagnostics.errors ? 0 : 255;
	if (strcmp(argv[1], "check") == 0 || result || is_printing) {
		write_diagnostics(&diagnostics);
	} else if (strcmp(argv[1], "dump") == 0) {
		struct writer w = writer_in_arena(&arena, 1 << 16);
		image_dump(image, &w);
		fwrite(w.data, 1, w.len, stdout);
	} else {
		result = run_script(image);
		image = NULL; /* published: stays */
	}
	image_free(image);
	arena_free(&arena);
	return result;
}
