/* SPDX-License-Identifier: BSD-2-Clause */
/* statistics: counts that the script keeps, group "script"; the older way beside module counters. */
#include "core/module/module.h"

#define DECLARED_MOST 256
#define GROUP         "script"

static struct {
	struct declared {
		struct span name;
		bool stays; /* cannot be reset */
	} declared[DECLARED_MOST];
	unsigned count;
} settings;

static const struct declared *find_declared(struct span name)
{
	for (unsigned i = 0; i < settings.count; i++)
		if (span_equal(settings.declared[i].name, name))
			return &settings.declared[i];
	return NULL;
}

/* variable = name [ "/no_reset" ] */
static const char *declare(struct span text, int64_t number)
{
	size_t slash = span_find(text, '/', 0);
	struct span name = span_trim(span_slice(text, 0, slash));
	struct span flag = span_trim(span_slice(text, slash + 1, text.len));
	if (!name.len)
		return "expected NAME or NAME/no_reset";
	if (slash < text.len && !span_equal_nocase(flag, SPAN_OF("no_reset")))
		return "the only flag is no_reset";
	if (find_declared(name))
		return "a variable of this name was declared before";
	if (settings.count == DECLARED_MOST)
		return "too many variables";
	settings.declared[settings.count++] = (struct declared){ name, slash < text.len };
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("variable", declare, "a count for the script: name or name/no_reset"),
};

static bool prepare(struct diagnostics *diagnostics)
{
	for (unsigned i = 0; i < settings.count; i++) {
		const struct declared *declared = &settings.declared[i];
		const char *name = arena_string(startup_arena(), declared->name);
		if (!name || counter_register(GROUP, name, "count of the script",
					      declared->stays ? COUNTER_GAUGE : COUNTER_COUNT) ==
				     COUNTER_NONE) {
			diagnostic_add(diagnostics, SEVERITY_ERROR, "too-many-counters",
				       module_setting_position("statistics", "variable"),
				       "too many counters");
			return false;
		}
	}
	return true;
}

/* ---- functions ---- */

static counter_id find(struct span name)
{
	counter_id id = counter_find(SPAN_OF(GROUP), name);
	return id != COUNTER_NONE ? id : counter_find_name(name);
}

static const char *check_name(struct span name, int64_t number)
{
	if (!name.at || find(name) != COUNTER_NONE)
		return NULL;
	return "there is no such statistic; modparam(\"statistics\", \"variable\", …) declares one";
}

/* number = [ "+" / "-" ] digits */
static bool read_number(struct span text, int64_t *out_number)
{
	text = span_trim(text);
	if (text.len > 1 && text.at[0] == '+' && ascii_is_digit(text.at[1]))
		text = span_slice(text, 1, text.len);
	return span_to_int64(text, out_number);
}

static const char *check_number(struct span text, int64_t number)
{
	if (text.at && !read_number(text, &number))
		return "expected a number, with or without a sign";
	return number ? NULL : "a change by 0 makes no sense";
}

struct update_stat_args {
	struct span name, number;
};
static const struct field update_stat_fields[] = {
	FIELD(struct update_stat_args, name, "name of the statistic", .accept = check_name),
	FIELD(struct update_stat_args, number, "number to add", .accept = check_number),
};
struct reset_stat_args {
	struct span name;
};
static const struct field reset_stat_fields[] = {
	FIELD(struct reset_stat_args, name, "name of the statistic", .accept = check_name),
};
SCRIPT_HANDLER(update_stat)
SCRIPT_HANDLER(reset_stat)

static counter_id need(struct span name)
{
	counter_id id = find(name);
	if (id == COUNTER_NONE)
		log_error("there is no statistic \"%.*s\"", SPAN_ARGS(name));
	return id;
}

static int update_stat(struct script_run *run, const struct update_stat_args *args)
{
	int64_t number;
	counter_id id = need(args->name);
	if (id == COUNTER_NONE)
		return SCRIPT_FALSE;
	if (!read_number(args->number, &number)) {
		log_error("update_stat: \"%.*s\" is no number", SPAN_ARGS(args->number));
		return SCRIPT_FALSE;
	}
	counter_add(id, number);
	return SCRIPT_TRUE;
}

/* True also for one that cannot be reset, as in the peer. */
static int reset_stat(struct script_run *run, const struct reset_stat_args *args)
{
	counter_id id = need(args->name);
	if (id == COUNTER_NONE)
		return SCRIPT_FALSE;
	counter_reset(id);
	return SCRIPT_TRUE;
}

static const struct script_function functions[] = {
	FUNCTION("update_stat", update_stat, IN_ANY, "Adds a number to a statistic."),
	FUNCTION("reset_stat", reset_stat, IN_ANY, "Sets a statistic to 0."),
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "statistics",
	.doc = "Counts of the script, group script.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.prepare = prepare,
};
