/* SPDX-License-Identifier: BSD-2-Clause */
/* pv: questions about variables, double evaluation, variables of the server, presets. The variables
 * and transformations of the core need no module; loading pv adds what is below. */
#include "modules/pv/pv.h"

#include <unistd.h>

#include "core/script/config_names.h"
#include "core/script/state.h"

/* ---- settings: name=i:1, name=s:text --------------------------------------------------------- */

#define PRESETS_MAX 256

static struct {
	struct preset {
		struct span name;
		struct value value;
	} shared[PRESETS_MAX];
	unsigned shared_count;
	uint32_t unique;
} state;

static const char *parse_preset(struct span text, struct preset *out)
{
	size_t equals = span_find(text, '=', 0);
	struct span kind = span_trim(span_slice(text, equals + 1, text.len));
	out->name = span_trim(span_slice(text, 0, equals));
	if (!out->name.len || equals == text.len || kind.len < 2 || kind.at[1] != ':')
		return "the form is name=i:number or name=s:text";
	struct span value = span_slice(kind, 2, kind.len);
	if (kind.at[0] == 's') {
		out->value = VALUE_OF_TEXT((value.at ? value : SPAN_OF("")));
		return NULL;
	}
	out->value = VALUE_OF_INT(0);
	if (kind.at[0] != 'i' || !span_to_int64_any_base(value, &out->value.number))
		return "the form is name=i:number or name=s:text";
	return NULL;
}

static const char *accept_shared(struct span text, int64_t number)
{
	if (state.shared_count == PRESETS_MAX)
		return "too many presets";
	const char *wrong = parse_preset(text, &state.shared[state.shared_count]);
	if (!wrong)
		state.shared_count++;
	return wrong;
}

static const char *accept_var(struct span text, int64_t number)
{
	struct preset preset;
	const char *wrong = parse_preset(text, &preset);
	if (wrong)
		return wrong;
	return script_var_preset(script_var_slot(SCRIPT_VAR_ZERO, preset.name), &preset.value)
		       ? NULL
		       : "too many presets";
}

static const char *accept_aliases(struct span text, int64_t number)
{
	struct span rest = text, item;
	while (span_split(&rest, ';', &item)) {
		size_t equals = span_find(item, '=', 0);
		struct span alias = span_trim(span_slice(item, 0, equals));
		struct span name = span_trim(span_slice(item, equals + 1, item.len));
		if (!span_trim(item).len)
			continue;
		if (!alias.len || !name.len)
			return "the form is alias=s:name;alias=i:number";
		if (!config_avp_alias_set(alias, name))
			return "out of memory";
	}
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("shvset", accept_shared, "initial value of a $shv: name=i:number or name=s:text"),
	FIELD_ACCEPT("varset", accept_var, "initial value of a $var: name=i:number or name=s:text"),
	FIELD_ACCEPT("avp_aliases", accept_aliases, "other names for AVPs: alias=s:name;..."),
};

/* ---- questions ------------------------------------------------------------------------------- */

struct variable_args {
	const struct variable_ref *variable;
};
static const struct field variable_fields[] = {
	FIELD(struct variable_args, variable, "variable"),
};
struct typeof_args {
	const struct variable_ref *variable;
	struct span type;
};
static const char *check_type(struct span text, int64_t number)
{
	bool known = span_equal(text, SPAN_OF("int")) || span_equal(text, SPAN_OF("str")) ||
		     span_equal(text, SPAN_OF("null"));
	return known ? NULL : "the type is int, str or null";
}
static const struct field typeof_fields[] = {
	FIELD(struct typeof_args, variable, "variable"),
	FIELD(struct typeof_args, type, "int, str or null", .accept = check_type),
};
struct evalx_args {
	const struct variable_ref *variable;
	const struct text_template *text;
};
static const struct field evalx_fields[] = {
	FIELD(struct evalx_args, variable, "variable that takes the result"),
	FIELD(struct evalx_args, text, "text whose expansion is expanded again"),
};

SCRIPT_HANDLER_OF(pv_isset, variable)
SCRIPT_HANDLER_OF(pv_unset, variable)
SCRIPT_HANDLER_OF(is_int, variable)
SCRIPT_HANDLER_OF(not_empty, variable)
SCRIPT_HANDLER_OF(has_type, typeof)
SCRIPT_HANDLER_OF(evaluate, evalx)

static enum value_kind kind_of(struct script_run *run, const struct variable_ref *variable,
			       struct value *out)
{
	variable_read(run, variable, out);
	return out->kind;
}

static int pv_isset(struct script_run *run, const struct variable_args *args)
{
	struct value value;
	return truth(kind_of(run, args->variable, &value) != VALUE_NULL);
}

static int pv_unset(struct script_run *run, const struct variable_args *args)
{
	struct value null = { .kind = VALUE_NULL };
	return truth(variable_write(run, args->variable, &null));
}

static int is_int(struct script_run *run, const struct variable_args *args)
{
	struct value value;
	return truth(kind_of(run, args->variable, &value) == VALUE_INT);
}

static int not_empty(struct script_run *run, const struct variable_args *args)
{
	struct value value;
	return truth(kind_of(run, args->variable, &value) == VALUE_TEXT && value.text.len > 0);
}

static int has_type(struct script_run *run, const struct typeof_args *args)
{
	static const struct span names[] = {
		[VALUE_NULL] = SPAN("null"), [VALUE_INT] = SPAN("int"), [VALUE_TEXT] = SPAN("str"),
	};
	struct value value;
	return truth(span_equal(args->type, names[kind_of(run, args->variable, &value)]));
}

static int evaluate(struct script_run *run, const struct evalx_args *args)
{
	struct span error, once = template_text(run, args->text);
	if (!once.at)
		return SCRIPT_FALSE;
	const struct text_template *again = template_compile_runtime(once, run->arena, &error);
	if (!again) {
		log_error("pv_evalx: \"%.*s\": %.*s\n", SPAN_ARGS(once), SPAN_ARGS(error));
		return SCRIPT_FALSE;
	}
	struct value value;
	return truth(template_value(run, again, &value) &&
		     variable_write(run, args->variable, &value));
}

static const struct script_function functions[] = {
	FUNCTION_OF("pv_isset", pv_isset, variable, IN_ANY, "True when the variable is not null."),
	FUNCTION_OF("pv_unset", pv_unset, variable, IN_ANY, "Sets the variable to null."),
	FUNCTION_OF("is_int", is_int, variable, IN_ANY, "True when the value is a number."),
	FUNCTION_OF("typeof", has_type, typeof, IN_ANY, "True when the value is of the type int, str or null."),
	FUNCTION_OF("not_empty", not_empty, variable, IN_ANY, "True when the value is a text that is not empty."),
	FUNCTION_OF("pv_evalx", evaluate, evalx, IN_ANY, "Expands a text twice and assigns the result."),
};
static const struct function_table *const more_functions[] = {
	&xavp_functions, &xavp_list_functions, &branch_functions, NULL,
};

/* ---- variables of the server ----------------------------------------------------------------- */

static bool get_start_time(struct script_run *run, const struct variable_ref *ref,
			   struct value *out)
{
	*out = VALUE_OF_INT(server_start_wall_s());
	return true;
}

static bool get_server_id(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	*out = VALUE_OF_INT(server_id());
	return true;
}

/* Unique for each reading: start of the server, process, number in the process, and with a
 * server_id
 * that as well. */
static bool get_unique_id(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct writer w = writer_in_arena(run->arena, 48);
	writer_literal(&w, "srid-");
	if (server_id())
		writer_printf(&w, "%x-", (unsigned)server_id());
	writer_printf(&w, "%llx-%x-%x", (unsigned long long)server_start_wall_s(),
		      (unsigned)getpid(), state.unique++);
	*out = VALUE_OF_TEXT(writer_result(&w));
	return !w.failed;
}

static const struct variable_row variables[] = {
	{ "Tb", INNER_NONE, get_start_time, .doc = "Seconds since 1970 when the server started." },
	{ "sid", INNER_NONE, get_server_id, .doc = "The core parameter server_id." },
	{ "sruid", INNER_NONE, get_unique_id, .doc = "A new unique id each time." },
	{ "shv", INNER_NAME, shared_get, shared_assign, .doc = "A variable that all processes share; 0 when unset." },
};

static bool prepare(struct diagnostics *diagnostics)
{
	return shared_prepare();
}

static bool start(void)
{
	for (unsigned i = 0; i < state.shared_count; i++)
		if (!shared_set(state.shared[i].name, &state.shared[i].value))
			return false;
	return true;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "pv",
	.doc = "Functions on variables, XAVPs and branches; $shv, shared by all processes.",
	.settings = { &state, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.more_functions = more_functions,
	.variables = ROWS(variables),
	.commands = { shared_command_rows, 2 },
	.prepare = prepare,
	.start = start,
};
