/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_time: wall-clock time, as of the message's arrival or of now. */
#include <time.h>

#include "core/base/clock.h"
#include "core/script/core_variables.h"

#define US_PER_S 1000000

/* When the message arrived; an event without one happens now. */
static int64_t message_us(struct script_run *run)
{
	if (!run->msg->wall_us)
		run->msg->wall_us = clock_wall_us_now();
	return run->msg->wall_us;
}

static int64_t time_us(struct script_run *run, bool is_live)
{
	return is_live ? clock_wall_us_now() : message_us(run);
}

static bool get_seconds(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_int(out, time_us(run, ref->row->selector) / US_PER_S);
}

static bool give_format(struct script_run *run, time_t when, bool is_utc, const char *format,
			struct value *out)
{
	struct tm parts;
	char buffer[512];
	if (!(is_utc ? gmtime_r(&when, &parts) : localtime_r(&when, &parts)))
		return false;
	size_t len = strftime(buffer, sizeof(buffer), format, &parts);
	struct span text = arena_copy(run->arena, span_make(buffer, len));
	return text.at && give_text(out, text);
}

static bool get_text(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_format(run, (time_t)(time_us(run, ref->row->selector) / US_PER_S), false,
			   "%a %b %e %H:%M:%S %Y", out);
}

static bool get_timef(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const char *format = arena_string(run->arena, variable_inner_text(run, ref));
	return format && give_format(run, (time_t)(clock_wall_us_now() / US_PER_S),
				     ref->row->selector, format, out);
}

enum { TV_S, TV_U, TV_SN, TV_UN, TV_TEXT, TV_MONOTONIC };
static const char *const tv_keys[] = { "s", "u", "sn", "un", "Sn", "Sm" };

static const char *bind_tv(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, tv_keys, ARRAY_SIZE(tv_keys));
}

static bool get_tv(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	int key = key_of(run, ref, tv_keys, ARRAY_SIZE(tv_keys));
	switch (key) {
	case TV_S:
	case TV_SN: return give_int(out, time_us(run, key == TV_SN) / US_PER_S);
	case TV_U:
	case TV_UN: return give_int(out, time_us(run, key == TV_UN) % US_PER_S);
	case TV_TEXT:
	case TV_MONOTONIC: break;
	default: return false;
	}
	int64_t now = key == TV_TEXT ? clock_wall_us_now() : clock_us_now();
	struct writer w = writer_in_arena(run->arena, 32);
	writer_printf(&w, "%lld.%06d", (long long)(now / US_PER_S), (int)(now % US_PER_S));
	return give_written(out, &w);
}

enum {
	TIME_SEC,
	TIME_MIN,
	TIME_HOUR,
	TIME_MDAY,
	TIME_MON,
	TIME_YEAR,
	TIME_WDAY,
	TIME_YDAY,
	TIME_ISDST
};
static const char *const time_keys[] = { "sec",  "min",  "hour", "mday", "mon",
					 "year", "wday", "yday", "isdst" };

static const char *bind_time(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, time_keys, ARRAY_SIZE(time_keys));
}

static bool get_time(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	time_t now = (time_t)(clock_wall_us_now() / US_PER_S);
	struct tm parts;
	if (!(ref->row->selector ? gmtime_r(&now, &parts) : localtime_r(&now, &parts)))
		return false;
	switch (key_of(run, ref, time_keys, ARRAY_SIZE(time_keys))) {
	case TIME_SEC: return give_int(out, parts.tm_sec);
	case TIME_MIN: return give_int(out, parts.tm_min);
	case TIME_HOUR: return give_int(out, parts.tm_hour);
	case TIME_MDAY: return give_int(out, parts.tm_mday);
	case TIME_MON: return give_int(out, parts.tm_mon + 1);
	case TIME_YEAR: return give_int(out, parts.tm_year + 1900);
	case TIME_WDAY: return give_int(out, parts.tm_wday + 1);
	case TIME_YDAY: return give_int(out, parts.tm_yday + 1);
	case TIME_ISDST: return give_int(out, parts.tm_isdst);
	default: return false;
	}
}

static const struct variable_row rows[] = {
	{ "Ts", INNER_NONE, get_seconds, .selector = 0, .doc = "Seconds since 1970 when the message arrived." },
	{ "TS", INNER_NONE, get_seconds, .selector = 1, .doc = "Seconds since 1970 now." },
	{ "Tf", INNER_NONE, get_text, .selector = 0, .doc = "Time when the message arrived, as ctime(3) writes it." },
	{ "TF", INNER_NONE, get_text, .selector = 1, .doc = "Time now, as ctime(3) writes it." },
	{ "TV", INNER_NAME, get_tv, NULL, bind_tv, .doc = "Seconds and microseconds: s u of the message, sn un now, Sn both as text, Sm monotonic." },
	{ "time", INNER_NAME, get_time, NULL, bind_time, .selector = 0, .doc = "Local time: sec min hour mday mon year wday yday isdst." },
	{ "utime", INNER_NAME, get_time, NULL, bind_time, .selector = 1, .doc = "UTC: sec min hour mday mon year wday yday isdst." },
	{ "timef", INNER_NAME, get_timef, .selector = 0, .doc = "Local time in a form of strftime(3)." },
	{ "utimef", INNER_NAME, get_timef, .selector = 1, .doc = "UTC in a form of strftime(3)." },
};
const struct variable_table time_variables = ROWS(rows);
