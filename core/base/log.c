/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines for the operator, on stderr or to syslog. */
#include "core/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include "core/base/log_filter.h"
#include "core/base/log_sink.h"
#include "core/base/writer.h"

#define LINE_MAX_BYTES 4096

static int own_threshold = LOG_LEVEL_INFO - 1;
static int *threshold = &own_threshold;
static int *common_threshold = &own_threshold; /* of all processes, once it is shared */
int *const *const log_threshold_address = &threshold;
static log_filter filter;

static struct {
	struct log_options options;
	int index;
	uint64_t own_lost; /* lines of this process that nobody took, since it last said so */
	uint64_t lost;     /* of all processes, until log_share_lost */
	uint64_t *common_lost;
	bool colour_forced;
	struct span (*prefix_source)(void);
	bool in_prefix;
} state = { .options = { .to_stderr = true, .facility = LOG_DAEMON, .name = "viaduct" } };

static struct level_row {
	int level;
	const char *name;
	const char *colour;
	int priority;
} levels[] = {
	{ LOG_LEVEL_ALERT, "ALERT", "\033[1;31m", LOG_ALERT },
	{ LOG_LEVEL_BUG, "BUG", "\033[1;31m", LOG_CRIT },
	{ -3, "CRITICAL", "\033[1;31m", LOG_CRIT },
	{ LOG_LEVEL_CRITICAL, "CRITICAL", "\033[1;31m", LOG_CRIT },
	{ LOG_LEVEL_ERROR, "ERROR", "\033[31m", LOG_ERR },
	{ LOG_LEVEL_WARNING, "WARNING", "\033[33m", LOG_WARNING },
	{ LOG_LEVEL_NOTICE, "NOTICE", "\033[36m", LOG_NOTICE },
	{ LOG_LEVEL_INFO, "INFO", "\033[32m", LOG_INFO },
	{ LOG_LEVEL_DEBUG, "DEBUG", "\033[2m", LOG_DEBUG },
};

static struct level_row *level_row(int level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (levels[i].level == level)
			return &levels[i];
	return level < LOG_LEVEL_ALERT ? &levels[0]
				       : &levels[sizeof(levels) / sizeof(levels[0]) - 1];
}

const char *log_level_name(int level)
{
	return level_row(level)->name;
}

bool log_level_from_name(struct span name, int *out_level)
{
	static const struct { const char *name; int level; } names[] = {
		{ "ALERT", -5 }, { "BUG", -4 }, { "CRIT2", -3 }, { "CRIT", -2 }, { "CRITICAL", -2 },
		{ "ERR", -1 }, { "ERROR", -1 }, { "WARN", 0 }, { "WARNING", 0 }, { "NOTICE", 1 },
		{ "INFO", 2 }, { "DBG", 3 }, { "DEBUG", 3 },
	};
	int64_t number;
	if (span_to_int64(name, &number) && number >= -5 && number <= 100) {
		*out_level = number > 3 ? 3 : (int)number;
		return true;
	}
	if (span_starts_with_nocase(name, SPAN_OF("L_")))
		name = span_slice(name, 2, name.len);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_equal_nocase(name, span_from(names[i].name))) {
			*out_level = names[i].level;
			return true;
		}
	return false;
}

bool log_set_level_colour(int level, const char *sequence)
{
	struct level_row *row = level_row(level);
	if (row->level != level)
		return false;
	row->colour = sequence;
	return true;
}

bool log_shows_colour(void)
{
	return state.colour_forced || state.options.to_stderr;
}

void log_force_colour(void)
{
	state.colour_forced = true;
}

void log_configure(const struct log_options *options)
{
	state.options = *options;
	if (options->to_stderr)
		log_sink_use_stderr();
	else
		log_sink_use_syslog(options->socket ? options->socket : "/dev/log", options->name);
}

void log_process(int index)
{
	state.index = index;
}

void log_set_threshold(int level)
{
	*common_threshold = level;
}

int log_get_threshold(void)
{
	return *common_threshold;
}

void log_set_own_threshold(int level)
{
	own_threshold = level;
	threshold = &own_threshold;
}

void log_reset_own_threshold(void)
{
	threshold = common_threshold;
}

void log_share(int *shared)
{
	*shared = *threshold;
	threshold = common_threshold = shared;
}

void log_set_prefix_source(struct span (*source)(void))
{
	state.prefix_source = source;
}

static struct span current_prefix(void)
{
	if (!state.prefix_source || state.in_prefix)
		return (struct span){ NULL, 0 };
	state.in_prefix = true;
	struct span prefix = state.prefix_source();
	state.in_prefix = false;
	return prefix;
}

uint64_t log_lost(void)
{
	return __atomic_load_n(state.common_lost ? state.common_lost : &state.lost,
			       __ATOMIC_RELAXED);
}

void log_share_lost(uint64_t *cell)
{
	*cell = state.lost;
	state.common_lost = cell;
}

static bool emit_stderr(const struct level_row *row, const char *text, size_t len)
{
	char line[LOG_SINK_LINE_MOST];
	const char *colour = state.options.use_colour ? row->colour : "";
	const char *plain = *colour ? "\033[0m" : "";
	if (len > sizeof(line) - 64)
		len = sizeof(line) - 64;
	int size = snprintf(line, sizeof(line), "%s%2d(%d) %.*s%s\n", colour, state.index,
			    (int)getpid(), (int)len, text, plain);
	return log_sink_write(line, (size_t)size);
}

static bool emit_line(int level, int facility, const char *text, size_t len)
{
	struct level_row *row = level_row(level);
	if (state.options.to_stderr)
		return emit_stderr(row, text, len);
	return log_sink_write_syslog(
		(facility < 0 ? state.options.facility : facility) | row->priority, text, len);
}

/* Sends one line; on stderr with the process in front, as operators know it. A reader that is slow
 * costs lines, not time. */
static void emit(int level, int facility, const char *text, size_t len)
{
	if (state.own_lost) {
		char notice[128];
		int size = snprintf(
			notice, sizeof(notice),
			"WARNING: core: %llu lines of this process were lost, because nobody read them",
			(unsigned long long)state.own_lost);
		if (emit_line(LOG_LEVEL_WARNING, -1, notice, (size_t)size))
			state.own_lost = 0;
	}
	if (state.own_lost || !emit_line(level, facility, text, len)) {
		state.own_lost++;
		__atomic_fetch_add(state.common_lost ? state.common_lost : &state.lost, 1,
				   __ATOMIC_RELAXED);
	}
}

void log_set_filter(log_filter is_wanted)
{
	filter = is_wanted;
}

/* What a call of snprintf has written into a line, without line ends at its end. */
static size_t line_end(const char text[LINE_MAX_BYTES], int written)
{
	size_t len = written < LINE_MAX_BYTES ? (size_t)written : LINE_MAX_BYTES - 1;
	while (len && text[len - 1] == '\n')
		len--;
	return len;
}

static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
}

/* What somebody sent must not look like lines of ours, nor move the cursor of who reads them: writes the
 * control characters of a line as in C, and returns its new length. */
static size_t escape_controls(char text[LINE_MAX_BYTES], size_t len)
{
	char raw[LINE_MAX_BYTES];
	size_t at = 0;
	while (at < len && !is_control(text[at]))
		at++;
	if (at == len)
		return len;
	struct writer w = writer_fixed(text + at, LINE_MAX_BYTES - at);
	memcpy(raw, text + at, len - at);
	for (size_t i = 0; i < len - at && w.len + sizeof("\\x00") < LINE_MAX_BYTES - at; i++) {
		if (!is_control(raw[i]))
			writer_char(&w, raw[i]);
		else if (raw[i] == '\r' || raw[i] == '\n')
			writer_span(&w, raw[i] == '\r' ? SPAN_OF("\\r") : SPAN_OF("\\n"));
		else
			writer_printf(&w, "\\x%02x", (unsigned char)raw[i]);
	}
	return at + w.len;
}

void log_write(int level, const char *origin, const char *file, int line, const char *function,
	       const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	int facility = -1;
	if (filter && !filter(level, origin, &facility))
		return;
	struct span prefix = current_prefix();
	const char *slash = strrchr(file, '/');
	int used =
		snprintf(text, sizeof(text), "%s: %.*s%s [%s:%d]: %s(): ", level_row(level)->name,
			 SPAN_ARGS(prefix), origin, slash ? slash + 1 : file, line, function);
	va_list args;
	va_start(args, format);
	int more = vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	va_end(args);
	emit(level, facility, text, escape_controls(text, line_end(text, used + more)));
}

void log_named(int level, int facility, struct span name, struct span line)
{
	char text[LINE_MAX_BYTES];
	int used = snprintf(text, sizeof(text), "%.*s: %.*s", SPAN_ARGS(name), SPAN_ARGS(line));
	emit(level, facility, text, escape_controls(text, line_end(text, used)));
}

void log_script(int level, int facility, struct span line)
{
	log_script_prefixed(level, facility, SPAN_OF("<script>: "), line);
}

void log_script_prefixed(int level, int facility, struct span prefix, struct span line)
{
	char text[LINE_MAX_BYTES];
	if (filter && !filter(level, NULL, &facility))
		return;
	struct span line_prefix = current_prefix();
	int used = snprintf(text, sizeof(text), "%s: %.*s%.*s%.*s", level_row(level)->name,
			    SPAN_ARGS(line_prefix), SPAN_ARGS(prefix), SPAN_ARGS(line));
	emit(level, facility, text, line_end(text, used));
}

static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{ "AUTH", LOG_AUTH },         { "CRON", LOG_CRON },     { "DAEMON", LOG_DAEMON },
	{ "KERN", LOG_KERN },         { "LOCAL0", LOG_LOCAL0 }, { "LOCAL1", LOG_LOCAL1 },
	{ "LOCAL2", LOG_LOCAL2 },     { "LOCAL3", LOG_LOCAL3 }, { "LOCAL4", LOG_LOCAL4 },
	{ "LOCAL5", LOG_LOCAL5 },     { "LOCAL6", LOG_LOCAL6 }, { "LOCAL7", LOG_LOCAL7 },
	{ "LPR", LOG_LPR },           { "MAIL", LOG_MAIL },     { "NEWS", LOG_NEWS },
	{ "SYSLOG", LOG_SYSLOG },     { "USER", LOG_USER },     { "UUCP", LOG_UUCP },
	{ "AUTHPRIV", LOG_AUTHPRIV }, { "FTP", LOG_FTP },
};

int log_facility_from_name(struct span name)
{
	if (span_starts_with_nocase(name, SPAN_OF("LOG_")))
		name = span_slice(name, 4, name.len);
	for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (span_equal_nocase(name, span_from(facilities[i].name)))
			return facilities[i].facility;
	return -1;
}

const char *log_facility_name(int facility)
{
	if (facility < 0)
		facility = state.options.facility;
	for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (facilities[i].facility == facility)
			return facilities[i].name;
	return "?";
}
