/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of columns, read as what the caller wants, and times as databases write them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/db/db.h"

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

/* time = 4DIGIT "-" 2DIGIT "-" 2DIGIT [ ( " " / "T" ) 2DIGIT ":" 2DIGIT [ ":" 2DIGIT ] ] … */
int64_t db_time_read(struct span text)
{
	char buffer[32];
	struct tm parts = { .tm_isdst = -1 };
	size_t len = text.len < sizeof(buffer) ? text.len : sizeof(buffer) - 1;
	if (len < 10)
		return 0;
	memcpy(buffer, text.at, len);
	buffer[len] = '\0';
	int got = sscanf(buffer, "%4d-%2d-%2d%*1[ T]%2d:%2d:%2d", &parts.tm_year, &parts.tm_mon,
			 &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec);
	if (got < 3 || parts.tm_year == 0 || parts.tm_mon < 1 || parts.tm_mon > 12)
		return 0;
	parts.tm_year -= 1900;
	parts.tm_mon -= 1;
	time_t seconds = mktime(&parts);
	return seconds == (time_t)-1 ? 0 : (int64_t)seconds;
}

int64_t db_as_time(const struct db_value *value)
{
	if (value->kind == DB_TEXT && span_find(value->text, '-', 1) < value->text.len)
		return db_time_read(value->text);
	return db_as_int(value);
}
