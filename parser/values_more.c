/* SPDX-License-Identifier: BSD-2-Clause */
/* values_more: typed headers of the extensions: events, timers, reasons, identity, dates. */
#include "core/base/check.h"
#include "parser/values.h"

/* A value in seconds inside a parameter list; malformed ones count as absent. */
static bool param_seconds(struct span params, struct span name, uint32_t *out_seconds)
{
	struct param param;
	return params_find(params, ';', name, &param) && expires_parse(param.value, out_seconds);
}

static struct span param_value(struct span params, struct span name)
{
	struct param param;
	return params_find(params, ';', name, &param) && param.has_value ? param.value
									 : (struct span){ NULL, 0 };
}

/* Event = event-type *( SEMI event-param ); event-type = token-nodot *( "." token-nodot ) */
bool event_parse(struct span value, struct event_header *out)
{
	struct value_params both;
	if (!value_params_parse(value, &both) || !span_is_all(both.value, CHAR_TOKEN))
		return false;
	*out = (struct event_header){
		.package = both.value,
		.id = param_value(both.params, SPAN_OF("id")),
		.params = both.params,
	};
	return true;
}

/* Subscription-State = substate-value *( SEMI subexp-params ) */
bool subscription_state_parse(struct span value, struct subscription_state_header *out)
{
	static const struct {
		struct span name;
		enum subscription_state state;
	} states[] = {
		{ SPAN("active"), SUBSCRIPTION_ACTIVE },
		{ SPAN("pending"), SUBSCRIPTION_PENDING },
		{ SPAN("terminated"), SUBSCRIPTION_TERMINATED },
	};
	struct value_params both;
	if (!value_params_parse(value, &both) || !span_is_all(both.value, CHAR_TOKEN))
		return false;
	struct subscription_state_header header = {
		.state = SUBSCRIPTION_OTHER,
		.state_text = both.value,
		.reason = param_value(both.params, SPAN_OF("reason")),
		.params = both.params,
	};
	for (unsigned i = 0; i < ARRAY_SIZE(states); i++) {
		if (span_equal_nocase(states[i].name, both.value))
			header.state = states[i].state;
	}
	header.has_expires = param_seconds(both.params, SPAN_OF("expires"), &header.expires_s);
	header.has_retry_after =
		param_seconds(both.params, SPAN_OF("retry-after"), &header.retry_after_s);
	*out = header;
	return true;
}

/* Session-Expires = delta-seconds *( SEMI se-params ) */
bool session_expires_parse(struct span value, struct session_expires *out)
{
	struct value_params both;
	struct session_expires header = { 0 };
	if (!value_params_parse(value, &both) || !expires_parse(both.value, &header.seconds))
		return false;
	struct span refresher = param_value(both.params, SPAN_OF("refresher"));
	if (span_equal_nocase(refresher, SPAN_OF("uac")))
		header.refresher = REFRESHER_UAC;
	else if (span_equal_nocase(refresher, SPAN_OF("uas")))
		header.refresher = REFRESHER_UAS;
	header.params = both.params;
	*out = header;
	return true;
}

/* reason-value = protocol *( SEMI reason-params ) */
enum list_result reason_next(struct span *rest, struct reason_header *out)
{
	struct value_params both;
	enum list_result result = value_params_next(rest, &both);
	if (result != LIST_ITEM)
		return result;
	if (!span_is_all(both.value, CHAR_TOKEN))
		return LIST_BAD;
	struct reason_header header = {
		.protocol = both.value,
		.text = param_value(both.params, SPAN_OF("text")),
		.params = both.params,
	};
	header.has_cause = number_parse(param_value(both.params, SPAN_OF("cause")), &header.cause);
	*out = header;
	return LIST_ITEM;
}

/* Privacy-hdr = priv-value *( ";" priv-value ) */
bool privacy_parse(struct span value, uint32_t *out_mask)
{
	static const struct {
		struct span name;
		uint32_t bit;
	} rows[] = {
		{ SPAN("none"), PRIVACY_NONE },       { SPAN("header"), PRIVACY_HEADER },
		{ SPAN("session"), PRIVACY_SESSION }, { SPAN("user"), PRIVACY_USER },
		{ SPAN("id"), PRIVACY_ID },           { SPAN("critical"), PRIVACY_CRITICAL },
		{ SPAN("history"), PRIVACY_HISTORY },
	};
	struct cursor in = cursor_over(value);
	uint32_t mask = 0;

	do {
		cursor_skip_space(&in);
		struct span name = cursor_take_while(&in, CHAR_TOKEN);
		cursor_skip_space(&in);
		if (name.len == 0)
			return false;
		uint32_t bit = PRIVACY_OTHER;
		for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
			if (span_equal_nocase(rows[i].name, name))
				bit = rows[i].bit;
		}
		mask |= bit;
	} while (cursor_take(&in, ';') || cursor_take(&in, ','));
	if (!cursor_is_end(&in))
		return false;
	*out_mask = mask;
	return true;
}

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char day_names[] = "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */

/* Days since 1970 of a date in the Gregorian calendar. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
	year -= month <= 2;
	int64_t era = year / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int64_t *out_year, int64_t *out_month, int64_t *out_day)
{
	days += 719468;
	int64_t era = days / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	*out_day = day_of_year - (153 * month + 2) / 5 + 1;
	*out_month = month < 10 ? month + 3 : month - 9;
	*out_year = year_of_era + era * 400 + (*out_month <= 2);
}

static bool name_take(struct cursor *in, const char *names, unsigned *out_index)
{
	for (unsigned i = 0; names[i * 3]; i++) {
		if (cursor_take_word(in, span_make(names + (size_t)i * 3, 3))) {
			*out_index = i;
			return true;
		}
	}
	return false;
}

static bool digits_take(struct cursor *in, unsigned digits, uint64_t max, int64_t *out_number)
{
	const char *start = in->at;
	uint64_t number;
	if (!cursor_take_number(in, max, &number) || (size_t)(in->at - start) != digits)
		return false;
	*out_number = (int64_t)number;
	return true;
}

static unsigned days_in_month(int64_t year, int64_t month)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && is_leap);
}

/* rfc1123-date = wkday "," SP 2DIGIT SP month SP 4DIGIT SP time SP "GMT" */
bool date_parse(struct span value, int64_t *out_seconds)
{
	struct cursor in = cursor_over(value);
	unsigned weekday, month;
	int64_t day, year, hour, minute, second;

	if (!name_take(&in, day_names, &weekday) || !cursor_take_word(&in, SPAN_OF(", ")) ||
	    !digits_take(&in, 2, 31, &day) || !cursor_take(&in, ' ') ||
	    !name_take(&in, month_names, &month) || !cursor_take(&in, ' ') ||
	    !digits_take(&in, 4, 9999, &year) || !cursor_take(&in, ' ') ||
	    !digits_take(&in, 2, 23, &hour) || !cursor_take(&in, ':') ||
	    !digits_take(&in, 2, 59, &minute) || !cursor_take(&in, ':') ||
	    !digits_take(&in, 2, 60, &second) || !cursor_take_word(&in, SPAN_OF(" GMT")) ||
	    !cursor_is_end(&in))
		return false;
	if (year < 1970 || day < 1 || day > days_in_month(year, month + 1))
		return false;
	*out_seconds =
		days_from_date(year, month + 1, day) * 86400 + hour * 3600 + minute * 60 + second;
	return true;
}

static void put_number(char *at, int64_t number, unsigned digits)
{
	while (digits-- > 0) {
		at[digits] = (char)('0' + number % 10);
		number /= 10;
	}
}

void date_format(int64_t seconds, char out_text[30])
{
	if (seconds < 0)
		seconds = 0;
	if (seconds > 253402300799) /* the last second of the year 9999 */
		seconds = 253402300799;
	int64_t days = seconds / 86400, rest = seconds % 86400;
	int64_t year, month, day;
	date_from_days(days, &year, &month, &day);
	memcpy(out_text, "Thu, 00 Jan 0000 00:00:00 GMT", 30);
	memcpy(out_text, day_names + days % 7 * 3, 3);
	memcpy(out_text + 8, month_names + (month - 1) * 3, 3);
	put_number(out_text + 5, day, 2);
	put_number(out_text + 12, year, 4);
	put_number(out_text + 17, rest / 3600, 2);
	put_number(out_text + 20, rest / 60 % 60, 2);
	put_number(out_text + 23, rest % 60, 2);
}

/* Identity = signed-identity-digest SEMI ident-info *( SEMI ident-info-params ) (RFC 8224 4.1) */
bool identity_parse(struct span value, struct identity_header *out)
{
	struct cursor in = cursor_over(value);
	struct identity_header header = { 0 };

	if (cursor_peek(&in) == '"') {
		if (!cursor_take_quoted(&in, &header.token))
			return false;
		header.token = quoted_inside(header.token);
	} else {
		while (!cursor_is_end(&in) && *in.at != ';' && !ascii_is_space(*in.at))
			in.at++;
		header.token = cursor_since(&in, value.at);
	}
	cursor_skip_space(&in);
	if (header.token.len == 0 || (!cursor_is_end(&in) && !cursor_take(&in, ';')))
		return false;
	if (!cursor_is_end(&in))
		header.params = cursor_rest(&in);
	if (!params_are_valid(header.params, ';'))
		return false;
	struct span info = param_value(header.params, SPAN_OF("info"));
	if (info.len >= 2 && info.at[0] == '<' && info.at[info.len - 1] == '>')
		info = span_slice(info, 1, info.len - 2);
	header.info = info;
	header.alg = param_value(header.params, SPAN_OF("alg"));
	header.ppt = param_value(header.params, SPAN_OF("ppt"));
	*out = header;
	return true;
}

/* comment = LPAREN *( ctext / quoted-pair / comment ) RPAREN */
static bool comment_take(struct cursor *in, struct span *out_comment)
{
	const char *start = in->at;
	size_t depth = 0;
	do {
		int c = cursor_peek(in);
		if (c < 0)
			return false;
		if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
		else if (c == '\\' && cursor_left(in) > 1)
			in->at++;
		in->at++;
	} while (depth > 0);
	*out_comment = cursor_since(in, start);
	return true;
}

/* Retry-After = delta-seconds [ comment ] *( SEMI retry-param ) */
bool retry_after_parse(struct span value, struct retry_after *out)
{
	struct cursor in = cursor_over(value);
	struct retry_after header = { 0 };
	const char *start = in.at;

	while (!cursor_is_end(&in) && ascii_is_digit(*in.at))
		in.at++;
	if (!expires_parse(cursor_since(&in, start), &header.seconds))
		return false;
	cursor_skip_space(&in);
	if (cursor_peek(&in) == '(' && !comment_take(&in, &header.comment))
		return false;
	cursor_skip_space(&in);
	if (!cursor_is_end(&in) && !cursor_take(&in, ';'))
		return false;
	struct span params = cursor_rest(&in);
	if (!params_are_valid(params, ';'))
		return false;
	header.has_duration = param_seconds(params, SPAN_OF("duration"), &header.duration_s);
	*out = header;
	return true;
}

/* Replaces = callid *( SEMI replaces-param ) (RFC 3891), Join alike (RFC 3911), Target-Dialog with
 * other names (RFC 4538) */
bool dialog_id_parse(struct span value, struct dialog_id *out)
{
	size_t semicolon = span_find(value, ';', 0);
	struct span call_id = span_trim(span_slice(value, 0, semicolon));
	struct span params = span_slice(value, semicolon, value.len);
	struct param param;

	if (!call_id_is_valid(call_id) || !params_are_valid(params, ';'))
		return false;
	struct dialog_id id = { .call_id = call_id };
	id.to_tag = param_value(params, SPAN_OF("to-tag"));
	id.from_tag = param_value(params, SPAN_OF("from-tag"));
	if (!id.to_tag.at)
		id.to_tag = param_value(params, SPAN_OF("remote-tag"));
	if (!id.from_tag.at)
		id.from_tag = param_value(params, SPAN_OF("local-tag"));
	id.early_only = params_find(params, ';', SPAN_OF("early-only"), &param);
	*out = id;
	return true;
}
