/* SPDX-License-Identifier: BSD-2-Clause */
/* values: the smaller typed headers, numbers and tokens first (RFC 3261 20 and 25.1). */
#include "parser/values.h"

#include "core/base/check.h"
#include "parser/method.h"

#define CSEQ_MAX 0x7fffffffu

/* CSeq = 1*DIGIT LWS Method; the value must end with it */
bool cseq_parse(struct span value, struct cseq *out)
{
	const char *end = value.at + value.len;
	struct digits number = digits_read(value.at, end, CSEQ_MAX);
	if (!number.end)
		return false;
	const char *start = space_end(number.end, end);
	struct span name = span_make(start, (size_t)(end - start));
	uint32_t method = method_from_span(name);
	if (start == number.end || (method == METHOD_OTHER && !span_is_all(name, CHAR_TOKEN)))
		return false;
	*out = (struct cseq){
		.number = (uint32_t)number.number,
		.number_text = span_make(value.at, (size_t)(number.end - value.at)),
		.method = method,
		.method_name = name,
	};
	return true;
}

/* RAck = response-num LWS CSeq-num LWS Method (RFC 3262 7.2) */
bool rack_parse(struct span value, struct rack *out)
{
	struct cursor in = cursor_over(value);
	struct rack rack;
	uint64_t number;

	if (!cursor_take_number(&in, UINT32_MAX, &number))
		return false;
	rack.rseq = (uint32_t)number;
	const char *start = in.at;
	cursor_skip_space(&in);
	if (in.at == start || !cseq_parse(cursor_rest(&in), &rack.cseq))
		return false;
	*out = rack;
	return true;
}

static bool bounded_number_parse(struct span value, uint64_t max, uint32_t *out_number)
{
	struct cursor in = cursor_over(value);
	uint64_t number;
	if (!cursor_take_number(&in, max, &number) || !cursor_is_end(&in))
		return false;
	*out_number = (uint32_t)number;
	return true;
}

bool number_parse(struct span value, uint32_t *out_number)
{
	return bounded_number_parse(value, UINT32_MAX, out_number);
}

bool max_forwards_parse(struct span value, uint32_t *out_number)
{
	return bounded_number_parse(value, 255, out_number);
}

/* delta-seconds = 1*DIGIT; what does not fit is the largest value */
static bool seconds_take(struct cursor *in, uint32_t *out_seconds)
{
	const char *start = in->at;
	uint64_t seconds = 0;
	for (; in->at < in->end && ascii_is_digit(*in->at); in->at++) {
		if (seconds <= UINT32_MAX)
			seconds = seconds * 10 + (uint64_t)(*in->at - '0');
	}
	if (in->at == start)
		return false;
	*out_seconds = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
	return true;
}

bool expires_parse(struct span value, uint32_t *out_seconds)
{
	struct cursor in = cursor_over(value);
	uint32_t seconds;
	if (!seconds_take(&in, &seconds) || !cursor_is_end(&in))
		return false;
	*out_seconds = seconds;
	return true;
}

/* Takes text up to `stop` or `other`, quoted strings as a whole, and trims it. */
static bool text_take(struct cursor *in, char stop, char other, struct span *out_text)
{
	const char *start = in->at;
	while (in->at < in->end && *in->at != stop && *in->at != other) {
		struct span quoted;
		if (*in->at != '"')
			in->at++;
		else if (!cursor_take_quoted(in, &quoted))
			return false;
	}
	*out_text = span_trim(cursor_since(in, start));
	return out_text->len > 0;
}

/* value *( SEMI generic-param ) up to `terminator` or the end */
static bool value_params_take(struct cursor *in, char terminator, struct value_params *out)
{
	struct value_params found = { 0 };
	if (!text_take(in, ';', terminator, &found.value))
		return false;
	const char *start = in->at;
	while (cursor_take(in, ';')) {
		struct param param;
		cursor_skip_space(in);
		if (cursor_is_end(in) || *in->at == ';' || *in->at == terminator)
			continue;
		const char *at = param_read(start, in->at, in->end, ';', terminator, &param);
		if (!at)
			return false;
		in->at = at;
	}
	if (in->at > start)
		found.params = span_trim(span_make(start + 1, (size_t)(in->at - start - 1)));
	*out = found;
	return true;
}

bool value_params_parse(struct span text, struct value_params *out)
{
	struct cursor in = cursor_over(text);
	struct value_params found;
	if (!value_params_take(&in, ';', &found) || !cursor_is_end(&in))
		return false;
	*out = found;
	return true;
}

/* Steps over white space and the commas of empty items; true when something is left. */
static bool item_begin(struct cursor *in, struct span *rest)
{
	*in = cursor_over(*rest);
	do
		cursor_skip_space(in);
	while (cursor_take(in, ','));
	if (!cursor_is_end(in))
		return true;
	*rest = (struct span){ NULL, 0 };
	return false;
}

/* After an item: a comma or the end. */
static enum list_result item_end(struct cursor *in, struct span *rest)
{
	cursor_skip_space(in);
	if (!cursor_is_end(in) && !cursor_take(in, ','))
		return LIST_BAD;
	*rest = cursor_rest(in);
	return LIST_ITEM;
}

enum list_result list_item_next(struct span *rest, struct span *out_item)
{
	struct cursor in;
	bool is_bracketed = false;
	if (!item_begin(&in, rest))
		return LIST_END;
	const char *start = in.at;
	while (!cursor_is_end(&in) && (is_bracketed || *in.at != ',')) {
		struct span quoted;
		if (*in.at == '"' && !is_bracketed) {
			if (!cursor_take_quoted(&in, &quoted))
				return LIST_BAD;
			continue;
		}
		if (*in.at == '<' || *in.at == '>')
			is_bracketed = *in.at == '<';
		in.at++;
	}
	if (is_bracketed)
		return LIST_BAD;
	*out_item = span_trim(cursor_since(&in, start));
	cursor_take(&in, ',');
	*rest = cursor_rest(&in);
	return LIST_ITEM;
}

enum list_result value_params_next(struct span *rest, struct value_params *out)
{
	struct cursor in;
	struct value_params found;
	if (!item_begin(&in, rest))
		return LIST_END;
	if (!value_params_take(&in, ',', &found) || item_end(&in, rest) == LIST_BAD)
		return LIST_BAD;
	*out = found;
	return LIST_ITEM;
}

enum list_result token_next(struct span *rest, struct span *out_token)
{
	struct cursor in;
	if (!item_begin(&in, rest))
		return LIST_END;
	struct span token = cursor_take_while(&in, CHAR_TOKEN);
	if (token.len == 0 || item_end(&in, rest) == LIST_BAD)
		return LIST_BAD;
	*out_token = token;
	return LIST_ITEM;
}

static const struct {
	struct span name;
	uint32_t tag;
} option_tags[] = {
	{ SPAN("100rel"), OPTION_100REL },
	{ SPAN("path"), OPTION_PATH },
	{ SPAN("gruu"), OPTION_GRUU },
	{ SPAN("outbound"), OPTION_OUTBOUND },
	{ SPAN("timer"), OPTION_TIMER },
	{ SPAN("replaces"), OPTION_REPLACES },
	{ SPAN("join"), OPTION_JOIN },
	{ SPAN("eventlist"), OPTION_EVENTLIST },
	{ SPAN("norefersub"), OPTION_NOREFERSUB },
	{ SPAN("sec-agree"), OPTION_SEC_AGREE },
	{ SPAN("tdialog"), OPTION_TDIALOG },
	{ SPAN("from-change"), OPTION_FROM_CHANGE },
	{ SPAN("privacy"), OPTION_PRIVACY },
	{ SPAN("precondition"), OPTION_PRECONDITION },
	{ SPAN("histinfo"), OPTION_HISTINFO },
	{ SPAN("ice"), OPTION_ICE },
	{ SPAN("pref"), OPTION_PREF },
};

uint32_t option_tag_from_span(struct span name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(option_tags); i++) {
		if (span_equal_nocase(option_tags[i].name, name))
			return option_tags[i].tag;
	}
	return OPTION_OTHER;
}

struct span option_tag_name(uint32_t tag)
{
	for (unsigned i = 0; i < ARRAY_SIZE(option_tags); i++) {
		if (option_tags[i].tag == tag)
			return option_tags[i].name;
	}
	return (struct span){ NULL, 0 };
}

bool option_tags_parse(struct span value, uint32_t *mask)
{
	uint32_t found = 0;
	struct span token;
	enum list_result result;
	while ((result = token_next(&value, &token)) == LIST_ITEM)
		found |= option_tag_from_span(token);
	if (result == LIST_BAD)
		return false;
	*mask |= found;
	return true;
}

/* m-type SLASH m-subtype, or ranges with "*" */
static bool media_type_take(struct cursor *in, char terminator, struct media_type *out)
{
	struct media_type type = { 0 };
	struct value_params both;
	if (!value_params_take(in, terminator, &both))
		return false;
	struct cursor name = cursor_over(both.value);
	type.type = cursor_take_while(&name, CHAR_TOKEN);
	cursor_skip_space(&name);
	if (type.type.len == 0 || !cursor_take(&name, '/'))
		return false;
	cursor_skip_space(&name);
	type.subtype = cursor_take_while(&name, CHAR_TOKEN);
	if (type.subtype.len == 0 || !cursor_is_end(&name))
		return false;
	type.full = both.value;
	type.params = both.params;
	struct param param;
	if (params_find(type.params, ';', SPAN_OF("boundary"), &param))
		type.boundary = param.value;
	if (params_find(type.params, ';', SPAN_OF("charset"), &param))
		type.charset = param.value;
	*out = type;
	return true;
}

/* Content-Type = media-type = m-type SLASH m-subtype *( SEMI m-parameter ) */
bool content_type_parse(struct span value, struct media_type *out)
{
	struct cursor in = cursor_over(value);
	struct media_type type;
	if (!media_type_take(&in, ';', &type) || !cursor_is_end(&in))
		return false;
	*out = type;
	return true;
}

enum list_result accept_next(struct span *rest, struct media_type *out)
{
	struct cursor in;
	struct media_type type;
	if (!item_begin(&in, rest))
		return LIST_END;
	if (!media_type_take(&in, ',', &type) || item_end(&in, rest) == LIST_BAD)
		return LIST_BAD;
	*out = type;
	return LIST_ITEM;
}

bool media_type_is(const struct media_type *type, struct span name)
{
	size_t slash = span_find(name, '/', 0);
	return slash < name.len && span_equal_nocase(type->type, span_slice(name, 0, slash)) &&
	       span_equal_nocase(type->subtype, span_slice(name, slash + 1, name.len));
}

/* callid = word [ "@" word ]; in practice any visible text counts as a word */
bool call_id_is_valid(struct span value)
{
	size_t at = span_find(value, '@', 0);
	struct span host = span_slice(value, at + 1, value.len);
	return span_is_all(span_slice(value, 0, at), CHAR_WORD) &&
	       (at >= value.len || span_is_all(host, CHAR_WORD));
}
