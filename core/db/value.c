/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of columns, read as what the caller wants, and times as databases write them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/db/driver.h"

const char *db_status_name(enum db_status status)
{
	switch (status) {
	case DB_OK: return "done";
	case DB_DUPLICATE: return "duplicate";
	case DB_REJECTED: return "rejected";
	case DB_AWAY: return "away";
	}
	return "?";
}

/* ---- numbers --------------------------------------------------------------------------------- */

static double text_to_double(struct span text)
{
	char buffer[64];
	size_t len = text.len < sizeof(buffer) ? text.len : sizeof(buffer) - 1;
	if (!len)
		return 0;
	memcpy(buffer, text.at, len);
	buffer[len] = '\0';
	return strtod(buffer, NULL);
}

static int64_t double_to_int(double real)
{
	if (isnan(real))
		return 0;
	if (real >= 9223372036854775807.0)
		return INT64_MAX;
	return real <= -9223372036854775808.0 ? INT64_MIN : (int64_t)real;
}

int64_t db_as_int(const struct db_value *value)
{
	int64_t number;
	switch (value->kind) {
	case DB_NULL: return 0;
	case DB_INT:
	case DB_TIME: return value->number;
	case DB_DOUBLE: return double_to_int(value->real);
	case DB_TEXT:
	case DB_BLOB:
		if (span_to_int64(span_trim(value->text), &number))
			return number;
		return double_to_int(text_to_double(value->text));
	}
	return 0;
}

double db_as_double(const struct db_value *value)
{
	switch (value->kind) {
	case DB_NULL: return 0;
	case DB_INT:
	case DB_TIME: return (double)value->number;
	case DB_DOUBLE: return value->real;
	case DB_TEXT:
	case DB_BLOB: return text_to_double(value->text);
	}
	return 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* The shortest text that reads back as the same number. */
static struct span write_double(double real, char buffer[32])
{
	int len = snprintf(buffer, 32, "%.15g", real);
	if (strtod(buffer, NULL) != real)
		len = snprintf(buffer, 32, "%.17g", real);
	return span_make(buffer, (size_t)len);
}

struct span db_as_text(const struct db_value *value, char buffer[32])
{
	switch (value->kind) {
	case DB_NULL: return (struct span){ 0 };
	case DB_INT:
		return span_make(buffer,
				 (size_t)snprintf(buffer, 32, "%lld", (long long)value->number));
	case DB_TIME: return db_time_write(value->number, buffer);
	case DB_DOUBLE: return write_double(value->real, buffer);
	case DB_TEXT:
	case DB_BLOB: return value->text;
	}
	return (struct span){ 0 };
}

/* ---- times ----------------------------------------------------------------------------------- */

struct span db_time_write(int64_t wall_s, char buffer[32])
{
	time_t seconds = (time_t)wall_s;
	struct tm parts;
	if (!localtime_r(&seconds, &parts) || parts.tm_year > 8099 || parts.tm_year < -1900)
		return span_make(buffer, (size_t)snprintf(buffer, 32, "1970-01-01 00:00:00"));
	return span_make(buffer, strftime(buffer, 32, "%Y-%m-%d %H:%M:%S", &parts));
}

/* The local times that were asked for lately, in quarters of an hour: no clock is changed within one.
 * mktime() asks the kernel each time whether the time zone's file is the same. */
#define QUARTER_BITS  6
#define QUARTER_SHIFT (64 - QUARTER_BITS)
static struct quarter {
	int64_t name; /* 0: none */
	int64_t begin_s;
} quarters[1 << QUARTER_BITS];

int64_t db_time_of(const struct tm *local)
{
	struct tm parts = *local;
	parts.tm_isdst = -1;
	bool is_proper = parts.tm_mday >= 1 && parts.tm_mday <= 31 && parts.tm_hour >= 0 &&
			 parts.tm_hour < 24 && parts.tm_min >= 0 && parts.tm_min < 60 &&
			 parts.tm_mon >= 0 && parts.tm_mon < 12 && parts.tm_year > 0;
	time_t seconds;
	if (!is_proper) {
		seconds = mktime(&parts);
		return seconds == (time_t)-1 ? 0 : (int64_t)seconds;
	}
	int64_t name = ((int64_t)parts.tm_year * 12 + parts.tm_mon) * 31 + parts.tm_mday;
	name = (name * 24 + parts.tm_hour) * 4 + parts.tm_min / 15;
	/* Days and years are multiples of the table's size: mixed, they do not fall together. */
	struct quarter *quarter = &quarters[(uint64_t)name * 0x9e3779b97f4a7c15u >> QUARTER_SHIFT];
	int rest_s = parts.tm_min % 15 * 60 + parts.tm_sec;
	if (quarter->name != name) {
		parts.tm_min -= parts.tm_min % 15;
		parts.tm_sec = 0;
		seconds = mktime(&parts);
		if (seconds == (time_t)-1)
			return 0;
		quarter->name = name;
		quarter->begin_s = (int64_t)seconds;
	}
	return quarter->begin_s + rest_s;
}

/* A number of `most` digits at most; false when there is none. */
static bool take_number(struct span *rest, size_t most, int *out)
{
	size_t len = 0;
	int number = 0;
	for (; len < rest->len && len < most && ascii_is_digit(rest->at[len]); len++)
		number = 10 * number + (rest->at[len] - '0');
	if (!len)
		return false;
	*rest = span_slice(*rest, len, rest->len);
	*out = number;
	return true;
}

static bool take_mark(struct span *rest, char mark)
{
	if (!rest->len || rest->at[0] != mark)
		return false;
	*rest = span_slice(*rest, 1, rest->len);
	return true;
}

/* time = 4DIGIT "-" 2DIGIT "-" 2DIGIT [ ( " " / "T" ) 2DIGIT ":" 2DIGIT [ ":" 2DIGIT ] ] … */
int64_t db_time_read(struct span text)
{
	struct tm parts = { 0 };
	if (text.len < 10 || !take_number(&text, 4, &parts.tm_year) || !take_mark(&text, '-') ||
	    !take_number(&text, 2, &parts.tm_mon) || !take_mark(&text, '-') ||
	    !take_number(&text, 2, &parts.tm_mday) || parts.tm_year == 0 || parts.tm_mon < 1 ||
	    parts.tm_mon > 12)
		return 0;
	parts.tm_year -= 1900;
	parts.tm_mon -= 1;
	bool has_time = (take_mark(&text, ' ') || take_mark(&text, 'T')) &&
			take_number(&text, 2, &parts.tm_hour) && take_mark(&text, ':') &&
			take_number(&text, 2, &parts.tm_min) && take_mark(&text, ':');
	if (has_time)
		(void)take_number(&text, 2, &parts.tm_sec);
	return db_time_of(&parts);
}

int64_t db_as_time(const struct db_value *value)
{
	if (value->kind == DB_TEXT && span_find(value->text, '-', 1) < value->text.len)
		return db_time_read(value->text);
	return db_as_int(value);
}
