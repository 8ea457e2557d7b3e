/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_script: variables of the script itself, its place, its configuration, the process.
 * */
#include <stdlib.h>
#include <unistd.h>

#include "core/message/render.h"
#include "core/script/config_names.h"
#include "core/script/core_variables.h"
#include "core/script/state.h"
#include "core/shm/counters.h"

/* ---- $var, $vz, $vn -------------------------------------------------------------------------- */

static const char *bind_var(struct variable_ref *ref, struct arena *arena)
{
	if (ref->inner_template)
		return NULL;
	if (!ref->inner.len)
		return "needs a name";
	unsigned slot = script_var_slot((enum script_var_kind)ref->row->selector, ref->inner);
	ref->bound = (void *)((uintptr_t)slot + 1);
	return NULL;
}

static unsigned slot_of(struct script_run *run, const struct variable_ref *ref)
{
	if (ref->bound)
		return (unsigned)((uintptr_t)ref->bound - 1);
	return script_var_slot((enum script_var_kind)ref->row->selector,
			       variable_inner_text(run, ref));
}

static bool get_var(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	*out = script_var_get(run, slot_of(run, ref));
	return true;
}

static bool set_var(struct script_run *run, const struct variable_ref *ref,
		    const struct value *value)
{
	return script_var_set(run, slot_of(run, ref), value);
}

/* ---- constants, results, formats ------------------------------------------------------------- */

static bool get_null(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return true;
}

static bool get_dollar(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_text(out, SPAN_OF("$"));
}

static bool get_return_code(struct script_run *run, const struct variable_ref *ref,
			    struct value *out)
{
	return give_int(out, run->return_code);
}

static bool get_format(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_text(out, variable_inner_text(run, ref));
}

/* ---- $cfg ------------------------------------------------------------------------------------ */

enum { CFG_LINE, CFG_NAME, CFG_FILE, CFG_ROUTE };
static const char *const cfg_keys[] = { "line", "name", "file", "route" };

static const char *bind_cfg(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, cfg_keys, ARRAY_SIZE(cfg_keys));
}

static bool get_cfg(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct script_place place = script_place(run);
	switch (key_of(run, ref, cfg_keys, ARRAY_SIZE(cfg_keys))) {
	case CFG_LINE: return !place.file || give_int(out, place.line);
	case CFG_NAME:
	case CFG_FILE: return give_text(out, span_from(place.file));
	case CFG_ROUTE: /* the peer's name for the main route */
		return give_text(out, span_equal(place.route, SPAN_OF("request_route"))
					      ? SPAN_OF("DEFAULT_ROUTE")
					      : place.route);
	default: return false;
	}
}

/* ---- $def, $env ------------------------------------------------------------------------------ */

enum { DEF_TEXT, DEF_NUMBER, DEF_QUOTED, DEF_UNQUOTED };

static bool give_number_or_text(struct value *out, struct span text)
{
	int64_t number;
	if (span_to_int64_any_base(text, &number))
		return give_int(out, number);
	return give_text(out, text);
}

static struct span without_quotes(struct span text)
{
	bool is_quoted = text.len >= 2 && (text.at[0] == '"' || text.at[0] == '\'') &&
			 text.at[text.len - 1] == text.at[0];
	return is_quoted ? span_slice(text, 1, text.len - 2) : text;
}

/* A define belongs to the file that is compiled: its value is kept with the reference. */
static const char *bind_def(struct variable_ref *ref, struct arena *arena)
{
	struct span text;
	if (ref->inner_template || !config_define_find(ref->inner, &text))
		return NULL;
	struct span *kept = ARENA_NEW(arena, struct span);
	if (!kept || !(*kept = arena_copy(arena, text)).at)
		return "out of memory";
	ref->bound = kept;
	return NULL;
}

static bool get_def(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span text;
	if (ref->bound)
		text = *(const struct span *)ref->bound;
	else if (!config_define_find(variable_inner_text(run, ref), &text))
		return true;
	switch (ref->row->selector) {
	case DEF_NUMBER: return give_number_or_text(out, text);
	case DEF_UNQUOTED: return give_text(out, without_quotes(text));
	case DEF_QUOTED: {
		struct writer w = writer_in_arena(run->arena, text.len + 2);
		writer_char(&w, '"');
		writer_span(&w, without_quotes(text));
		writer_char(&w, '"');
		return give_written(out, &w);
	}
	default: return give_text(out, text);
	}
}

static bool get_env(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const char *name = arena_string(run->arena, variable_inner_text(run, ref));
	const char *text = name ? getenv(name) : NULL;
	if (!text)
		return name != NULL;
	return ref->row->selector ? give_number_or_text(out, span_from(text))
				  : give_text(out, span_from(text));
}

/* ---- $ccp, $stat ----------------------------------------------------------------------------- */

static bool get_custom(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span name = variable_inner_text(run, ref);
	size_t dot = span_find(name, '.', 0);
	if (!config_custom_find(span_slice(name, 0, dot), span_slice(name, dot + 1, name.len), out))
		log_warning("$ccp: no parameter \"%.*s\"\n", SPAN_ARGS(name));
	return true;
}

/* "name", "group:name" or "group.name". */
static counter_id find_counter(struct span name)
{
	for (int i = 0; i < 2; i++) {
		size_t split = span_find(name, i ? '.' : ':', 0);
		counter_id id = split == name.len
					? COUNTER_NONE
					: counter_find(span_slice(name, 0, split),
						       span_slice(name, split + 1, name.len));
		if (id != COUNTER_NONE)
			return id;
	}
	counter_id id = COUNTER_NONE;
	while ((id = counter_next(id, (struct span){ 0 })) != COUNTER_NONE) {
		struct counter_info info;
		if (counter_describe(id, &info) && span_equal(span_from(info.name), name))
			return id;
	}
	return COUNTER_NONE;
}

static bool get_stat(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span name = variable_inner_text(run, ref);
	counter_id id = find_counter(name);
	if (id != COUNTER_NONE)
		return give_int(out, counter_read(id));
	log_warning("$stat: there is no statistic \"%.*s\"\n", SPAN_ARGS(name));
	return true;
}

#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#else
#define ARCHITECTURE "unknown"
#endif

/* ---- process, version, tags ------------------------------------------------------------------ */

static bool get_pid(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_int(out, getpid());
}

static const char *const version_keys[] = { "num", "full", "hash" };

static const char *bind_version(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, version_keys, ARRAY_SIZE(version_keys));
}

/* `num` is the version of the language, because scripts compare it. */
static bool get_version(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	static const struct span texts[] = {
		SPAN("5.6.3"), SPAN("viaduct " VIADUCT_VERSION " (" ARCHITECTURE "/linux)"),
			SPAN("unknown"),
	};
	int key = key_of(run, ref, version_keys, ARRAY_SIZE(version_keys));
	return key >= 0 && give_text(out, texts[key]);
}

enum { TAG_STATELESS, TAG_TRANSACTION, TAG_EITHER };
static const char *const tag_keys[] = { "s", "t", "x" };

static const char *bind_tag(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, tag_keys, ARRAY_SIZE(tag_keys));
}

static bool get_tag(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	int key = key_of(run, ref, tag_keys, ARRAY_SIZE(tag_keys));
	char buffer[64];
	if (key == TAG_TRANSACTION || (key == TAG_EITHER && run->msg->to_tag.len))
		return give_nonempty(out, run->msg->to_tag);
	struct span tag = arena_copy(run->arena, stateless_to_tag(run->msg, buffer));
	return key >= 0 && tag.at && give_text(out, tag);
}

static const struct variable_row rows[] = {
	{ "var", INNER_NAME, get_var, set_var, bind_var, .selector = SCRIPT_VAR_ZERO, .doc = "A variable of this event, 0 when unset." },
	{ "vz", INNER_NAME, get_var, set_var, bind_var, .selector = SCRIPT_VAR_ZERO, .doc = "The same as $var." },
	{ "vn", INNER_NAME, get_var, set_var, bind_var, .selector = SCRIPT_VAR_NULL, .doc = "A variable of this event, null when unset." },
	{ "null", INNER_NONE, get_null, .doc = "No value." },
	{ "$", INNER_NONE, get_dollar, .doc = "A dollar sign." },
	{ "rc", INNER_NONE, get_return_code, .doc = "Result of the last function or route." },
	{ "retcode", INNER_NONE, get_return_code, .doc = "Result of the last function or route." },
	{ "?", INNER_NONE, get_return_code, .doc = "Result of the last function or route." },
	{ "_s", INNER_NAME, get_format, .doc = "A text with the variables in it evaluated." },
	{ "cfg", INNER_NAME, get_cfg, NULL, bind_cfg, .doc = "Place in the script: line name file route." },
	{ "def", INNER_NAME, get_def, NULL, bind_def, .selector = DEF_TEXT, .doc = "Value of a preprocessor define." },
	{ "defn", INNER_NAME, get_def, NULL, bind_def, .selector = DEF_NUMBER, .doc = "Value of a preprocessor define as a number." },
	{ "defs", INNER_NAME, get_def, NULL, bind_def, .selector = DEF_QUOTED, .doc = "Value of a preprocessor define in quotes." },
	{ "defv", INNER_NAME, get_def, NULL, bind_def, .selector = DEF_UNQUOTED, .doc = "Value of a preprocessor define without quotes." },
	{ "env", INNER_NAME, get_env, .selector = 0, .doc = "Environment variable." },
	{ "envn", INNER_NAME, get_env, .selector = 1, .doc = "Environment variable as a number." },
	{ "ccp", INNER_NAME, get_custom, .doc = "Custom parameter group.name." },
	{ "stat", INNER_NAME, get_stat, .doc = "Value of a statistic." },
	{ "pp", INNER_NONE, get_pid, .doc = "Process id." },
	{ "version", INNER_NAME, get_version, NULL, bind_version, .doc = "Version: num full hash." },
	{ "ltt", INNER_NAME, get_tag, NULL, bind_tag, .doc = "To tag of our replies: s stateless, t of the transaction, x whichever applies." },
};
const struct variable_table script_variables = ROWS(rows);
