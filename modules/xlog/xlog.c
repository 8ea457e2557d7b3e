/* SPDX-License-Identifier: BSD-2-Clause */
/* xlog: log lines of the script. A line whose level is off costs a comparison: its text is not
 * expanded. */
#include "core/module/module.h"

#define BUFFER_MAX 65536

static struct {
	int64_t buf_size;
	bool force_color;
	bool long_format;
	bool auto_newline;
	struct span prefix;
	int64_t prefix_mode;
	struct span log_facility;
	int64_t methods_filter;
} settings = { .buf_size = 4096, .prefix = SPAN("<script>: "), .methods_filter = -1 };

static struct {
	int facility;                       /* -1: the core's */
	const struct text_template *prefix; /* prefix_mode=1 */
	const struct text_template *place;  /* "cfg file:line" of xlogl; compiled on first use */
	bool place_failed;
} state = { .facility = -1 };

static const char *accept_colours(struct span text, int64_t number);

static const struct field setting_fields[] = {
	FIELD(settings, buf_size, "longest line, in bytes", .min = 64, .max = BUFFER_MAX),
	FIELD(settings, force_color, "colour codes ($C) also when lines do not go to a terminal"),
	FIELD(settings, long_format, "xlogl and xdbgl name the file, not only the line"),
	FIELD(settings, prefix, "text before every line"),
	FIELD(settings, prefix_mode, "1: variables in the prefix are expanded", .min = 0, .max = 1),
	FIELD(settings, log_facility, "syslog facility of the script's lines (LOG_LOCAL0 ...)"),
	FIELD_ACCEPT("log_colors", accept_colours, "colours of a level: L_ERR=cr;L_WARN=px"),
	FIELD(settings, methods_filter, "methods whose messages xlogm does not log, as bits",
		.is_live = true),
	FIELD(settings, auto_newline, "accepted: a line always ends with one line end"),
};

/* One struct for all forms of one function: the last argument that is there is the text. */
struct print_args {
	const struct text_template *first, *second, *third;
};
static const struct field print_fields[] = {
	FIELD(struct print_args, first, "text; or the level; or the facility"),
	FIELD(struct print_args, second, "text, after a level; or the level, after a facility",
		.optional = true),
	FIELD(struct print_args, third, "text, after facility and level", .optional = true),
};
struct text_args {
	const struct text_template *text;
};
static const struct field text_fields[] = {
	FIELD(struct text_args, text, "text with variables"),
};
struct leveled_args {
	const struct text_template *level, *text;
};
static const struct field leveled_fields[] = {
	FIELD(struct leveled_args, level, "L_ERR ... or a variable with the number"),
	FIELD(struct leveled_args, text, "text with variables"),
};

#define LEVEL_HANDLER(handler, log_level_value)                                       \
	static int handler##_thunk(struct script_run *run, const void *args)          \
	{                                                                             \
		const struct text_args *a = args;                                     \
		return print_text(run, log_level_value, a->text);                     \
	}
#define LEVEL_FUNCTION(script_name, handler, text)                                    \
	{                                                                             \
		.name = script_name, .call = handler##_thunk, .args = FIELDS(text_fields), \
		.args_size = sizeof(struct text_args), .contexts = IN_ANY, .doc = "" text "", \
	}

static int print_text(struct script_run *run, int level, const struct text_template *text);

SCRIPT_HANDLER(print)
SCRIPT_HANDLER_OF(print_l, print)
SCRIPT_HANDLER_OF(print_m, leveled)
LEVEL_HANDLER(debug, LOG_LEVEL_DEBUG)
LEVEL_HANDLER(info, LOG_LEVEL_INFO)
LEVEL_HANDLER(notice, LOG_LEVEL_NOTICE)
LEVEL_HANDLER(warning, LOG_LEVEL_WARNING)
LEVEL_HANDLER(error, LOG_LEVEL_ERROR)
LEVEL_HANDLER(critical, LOG_LEVEL_CRITICAL)
LEVEL_HANDLER(bug, LOG_LEVEL_BUG)
LEVEL_HANDLER(alert, LOG_LEVEL_ALERT)

SCRIPT_HANDLER_OF(debug_l, text)

static const struct script_function functions[] = {
	FUNCTION("xlog", print, IN_ANY, "Logs a line; without a level as an error."),
	FUNCTION_OF("xlogl", print_l, print, IN_ANY,
		"Like xlog, with the place in the configuration in front."),
	FUNCTION_OF("xlogm", print_m, leveled, IN_ANY,
		"Like xlog, but not for the methods of methods_filter."),
	FUNCTION_OF("xdbgl", debug_l, text, IN_ANY,
		"Like xdbg, with the place in the configuration in front."),
	LEVEL_FUNCTION("xdbg", debug, "Logs a line at level DEBUG."),
	LEVEL_FUNCTION("xinfo", info, "Logs a line at level INFO."),
	LEVEL_FUNCTION("xnotice", notice, "Logs a line at level NOTICE."),
	LEVEL_FUNCTION("xwarn", warning, "Logs a line at level WARNING."),
	LEVEL_FUNCTION("xerr", error, "Logs a line at level ERROR."),
	LEVEL_FUNCTION("xcrit", critical, "Logs a line at level CRITICAL."),
	LEVEL_FUNCTION("xbug", bug, "Logs a line at level BUG."),
	LEVEL_FUNCTION("xalert", alert, "Logs a line at level ALERT."),
};

/* ---- names ----------------------------------------------------------------------------------- */

/* A level is a word, of which the peer looks at the third letter only, or a number. */
static bool level_of(struct script_run *run, const struct text_template *text, int *out_level)
{
	struct span name = text->is_constant ? (text->count ? text->parts[0].text : SPAN_OF(""))
					     : template_text(run, text);
	if (name.at && log_level_from_name(span_trim(name), out_level))
		return true;
	static const char letters[] = "ABCEWNID";
	static const int levels[] = { LOG_LEVEL_ALERT, LOG_LEVEL_BUG,     LOG_LEVEL_CRITICAL,
				      LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_NOTICE,
				      LOG_LEVEL_INFO,  LOG_LEVEL_DEBUG };
	const char *letter =
		name.len > 2 && name.at[2] ? strchr(letters, ascii_upper(name.at[2])) : NULL;
	if (!letter)
		return false;
	*out_level = levels[letter - letters];
	return true;
}

/* ---- printing -------------------------------------------------------------------------------- */

static struct span prefix_text(struct script_run *run)
{
	if (!state.prefix)
		return settings.prefix;
	struct span text = template_text(run, state.prefix);
	return text.at ? text : settings.prefix;
}

static int print_line(struct script_run *run, int level, int facility, struct span place,
		      const struct text_template *text)
{
	struct writer w = writer_in_arena(run->arena, 256);
	writer_span(&w, place);
	if (!template_write(run, text, &w) || w.failed) {
		log_error("no memory for a line of the script");
		return SCRIPT_FALSE;
	}
	struct span line = span_slice(writer_result(&w), 0, (size_t)settings.buf_size);
	log_script_prefixed(level, facility < 0 ? state.facility : facility, prefix_text(run),
			    line);
	return SCRIPT_TRUE;
}

static int print_text(struct script_run *run, int level, const struct text_template *text)
{
	if (!log_script_is_on(level))
		return SCRIPT_TRUE;
	return print_line(run, level, -1, SPAN_OF(""), text);
}

/* Sorts the arguments of xlog([[facility,] level,] text) out. False when a name is unknown. */
static bool print_arguments(struct script_run *run, const struct print_args *args, int *out_level,
			    int *out_facility, const struct text_template **out_text)
{
	*out_level = LOG_LEVEL_ERROR;
	*out_facility = -1;
	*out_text = args->third ? args->third : args->second ? args->second : args->first;
	const struct text_template *level = args->third    ? args->second
					    : args->second ? args->first
							   : NULL;
	if (level && !level_of(run, level, out_level)) {
		log_error("\"%.*s\" is no log level", SPAN_ARGS(level->source));
		return false;
	}
	if (!args->third || !log_script_is_on(*out_level))
		return true;
	*out_facility = log_facility_from_name(template_text(run, args->first));
	if (*out_facility < 0)
		log_error("\"%.*s\" is no syslog facility", SPAN_ARGS(args->first->source));
	return *out_facility >= 0;
}

static int print(struct script_run *run, const struct print_args *args)
{
	int level, facility;
	const struct text_template *text;
	if (!print_arguments(run, args, &level, &facility, &text))
		return SCRIPT_FALSE;
	if (!log_script_is_on(level))
		return SCRIPT_TRUE;
	return print_line(run, level, facility, SPAN_OF(""), text);
}

/* "42:" or "/etc/viaduct.cfg:42:". */
static struct span script_place(struct script_run *run)
{
	if (!state.place && !state.place_failed) {
		struct span error = { 0 };
		state.place = template_compile_runtime(settings.long_format
							       ? SPAN_OF("$cfg(name):$cfg(line):")
							       : SPAN_OF("$cfg(line):"),
						       startup_arena(), &error);
		state.place_failed = !state.place;
		if (!state.place)
			log_error("the place in the script is unknown: %.*s", SPAN_ARGS(error));
	}
	return state.place ? template_text(run, state.place) : SPAN_OF("");
}

static int print_l(struct script_run *run, const struct print_args *args)
{
	int level, facility;
	const struct text_template *text;
	if (!print_arguments(run, args, &level, &facility, &text))
		return SCRIPT_FALSE;
	if (!log_script_is_on(level))
		return SCRIPT_TRUE;
	return print_line(run, level, facility, script_place(run), text);
}

static int debug_l(struct script_run *run, const struct text_args *args)
{
	if (!log_script_is_on(LOG_LEVEL_DEBUG))
		return SCRIPT_TRUE;
	return print_line(run, LOG_LEVEL_DEBUG, -1, script_place(run), args->text);
}

static int print_m(struct script_run *run, const struct leveled_args *args)
{
	if ((int64_t)message_method(run->msg) & settings.methods_filter)
		return SCRIPT_TRUE;
	const struct print_args shifted = { .first = args->level, .second = args->text };
	return print(run, &shifted);
}

/* ---- settings -------------------------------------------------------------------------------- */

/* The letters of $C(xy): black red green yellow blue purple cyan white, small for the colour,
 * capital for bright; x is the terminal's own. */
static bool colour_sequence(struct span pair, struct writer *w)
{
	static const char letters[] = "srgybpcw";
	if (pair.len != 2)
		return false;
	writer_literal(w, "\033[");
	for (unsigned i = 0; i < 2; i++) {
		char letter = pair.at[i];
		const char *found = letter ? strchr(letters, ascii_lower(letter)) : NULL;
		if (!found && ascii_lower(letter) != 'x')
			return false;
		if (i == 0)
			writer_string(w, found && letter != ascii_lower(letter) ? "1;" : "0;");
		writer_int(w, (i ? 40 : 30) + (found ? found - letters : 9));
		writer_char(w, i ? 'm' : ';');
	}
	return true;
}

static const char *accept_colours(struct span text, int64_t number)
{
	(void)number;
	struct span rest = text, item;
	if (!text.at)
		return "log_colors wants text: L_ERR=cr;L_WARN=px";
	while (span_split(&rest, ';', &item)) {
		item = span_trim(item);
		if (!item.len)
			continue;
		size_t equals = span_find(item, '=', 0);
		int level;
		if (equals == item.len ||
		    !log_level_from_name(span_trim(span_slice(item, 0, equals)), &level))
			return "log_colors wants LEVEL=colours, for example L_ERR=cr";
		struct writer w = writer_in_arena(startup_arena(), 16);
		if (!colour_sequence(span_trim(span_slice(item, equals + 1, item.len)), &w))
			return "colours are two letters of x s r g y b p c w (text, background)";
		const char *sequence = writer_terminate(&w);
		if (!sequence || !log_set_level_colour(level, sequence))
			return "there is no such level";
	}
	return NULL;
}

static bool prepare(struct diagnostics *diagnostics)
{
	if (settings.force_color)
		log_force_colour();
	if (settings.log_facility.len) {
		state.facility = log_facility_from_name(settings.log_facility);
		if (state.facility < 0) {
			struct diagnostic *d = diagnostic_add(
				diagnostics, SEVERITY_ERROR, "bad-setting",
				module_setting_position("xlog", "log_facility"),
				"\"%.*s\" is no syslog facility", SPAN_ARGS(settings.log_facility));
			diagnostic_hint(diagnostics, d,
					"LOG_LOCAL0 to LOG_LOCAL7, LOG_DAEMON, LOG_USER ...");
			return false;
		}
	}
	if (!settings.prefix_mode)
		return true;
	state.prefix = template_compile(settings.prefix, startup_arena(), diagnostics,
					module_setting_position("xlog", "prefix"));
	return state.prefix != NULL;
}

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "xlog",
	.doc = "Log lines of the script, with variables.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.prepare = prepare,
};
