/* SPDX-License-Identifier: BSD-2-Clause */
/* name_addr: parses addresses in headers (RFC 3261 20.10 and 25.1). */
#include "parser/name_addr.h"

#include "parser/method.h"
#include "parser/scan.h"

#define EXPIRES_WHEN_MALFORMED 3600

/* absoluteURI begins with scheme ":" */
static bool begins_with_scheme(struct span uri)
{
	size_t i = 0;
	if (uri.len > 4 && memcmp(uri.at, "sip:", 4) == 0)
		return true;
	if (uri.len == 0 || !ascii_is_alpha(uri.at[0]))
		return false;
	while (i < uri.len && (ascii_is_alpha(uri.at[i]) || ascii_is_digit(uri.at[i]) ||
			       uri.at[i] == '+' || uri.at[i] == '-' || uri.at[i] == '.'))
		i++;
	return i + 1 < uri.len && uri.at[i] == ':';
}

/* LAQUOT addr-spec RAQUOT */
static bool bracketed_take(struct cursor *in, struct name_addr *address)
{
	const char *start = ++in->at;
	in->at = scan_for(start, in->end, "><\"\"");
	address->uri = cursor_since(in, start);
	address->has_brackets = true;
	return cursor_take(in, '>') && begins_with_scheme(address->uri);
}

/* addr-spec without brackets: what follows ";" belongs to the header */
static bool bare_take(struct cursor *in, struct name_addr *address)
{
	const char *start = in->at;
	while (in->at < in->end && !ascii_is_space(*in->at) && *in->at != ';' && *in->at != ',') {
		if (*in->at == '?' || *in->at == '"' || *in->at == '<' || *in->at == '>')
			return false;
		in->at++;
	}
	address->uri = cursor_since(in, start);
	return begins_with_scheme(address->uri);
}

/* name-addr = [ display-name ] LAQUOT addr-spec RAQUOT
 * display-name = *( token LWS ) / quoted-string; unquoted names may hold what is not a token,
 * except separators that decide where things end. */
static bool address_take(struct cursor *in, struct name_addr *address)
{
	if (cursor_peek(in) == '"') {
		if (!cursor_take_quoted(in, &address->display))
			return false;
		cursor_skip_space(in);
		return cursor_peek(in) == '<' && bracketed_take(in, address);
	}
	struct cursor ahead = *in;
	ahead.at = scan_for(ahead.at, ahead.end, "<,;\"");
	if (cursor_peek(&ahead) == '"')
		return false;
	if (cursor_peek(&ahead) != '<')
		return bare_take(in, address);
	struct span name = span_trim(cursor_since(&ahead, in->at));
	if (name.len > 0)
		address->display = name;
	*in = ahead;
	return bracketed_take(in, address);
}

/* *( SEMI generic-param ) up to a comma or the end */
static bool params_take(struct cursor *in, struct name_addr *address, const char **out_end)
{
	const char *start = in->at;
	while (cursor_take(in, ';')) {
		struct param param;
		*out_end = in->at;
		cursor_skip_space(in);
		if (cursor_is_end(in) || *in->at == ';' || *in->at == ',')
			continue;
		if (!param_take(in, ';', ',', &param))
			return false;
		if (!address->tag.at && span_equal_nocase(param.name, SPAN_OF("tag")))
			address->tag = param.has_value ? param.value : span_make(param.name.at, 0);
		*out_end = param.whole.at + param.whole.len;
	}
	if (in->at > start)
		address->params = span_make(start + 1, (size_t)(*out_end - start - 1));
	return true;
}

/* STAR, which stands alone */
static bool star_take(struct cursor *in)
{
	struct cursor ahead = *in;
	if (!cursor_take(&ahead, '*'))
		return false;
	cursor_skip_space(&ahead);
	if (!cursor_is_end(&ahead))
		return false;
	*in = ahead;
	return true;
}

enum list_result name_addr_next(struct span *rest, struct name_addr *out_address)
{
	struct cursor in = cursor_over(*rest);
	struct name_addr address = { 0 };

	do
		cursor_skip_space(&in);
	while (cursor_take(&in, ','));
	if (cursor_is_end(&in)) {
		*rest = (struct span){ NULL, 0 };
		return LIST_END;
	}
	const char *start = in.at;
	const char *end;
	if (star_take(&in)) {
		address.is_star = true;
		end = start + 1;
	} else {
		if (!address_take(&in, &address))
			return LIST_BAD;
		end = in.at;
		cursor_skip_space(&in);
		if (!params_take(&in, &address, &end))
			return LIST_BAD;
		if (!cursor_is_end(&in) && !cursor_take(&in, ','))
			return LIST_BAD;
	}
	address.whole = span_make(start, (size_t)(end - start));
	*rest = cursor_rest(&in);
	*out_address = address;
	return LIST_ITEM;
}

bool name_addr_parse(struct span value, struct name_addr *out_address)
{
	struct name_addr address;
	if (name_addr_next(&value, &address) != LIST_ITEM || span_trim(value).len > 0)
		return false;
	*out_address = address;
	return true;
}

bool name_addr_list_check(struct span value, unsigned *out_count)
{
	struct name_addr address;
	unsigned count = 0;
	enum list_result result;

	while ((result = name_addr_next(&value, &address)) == LIST_ITEM)
		count++;
	if (result == LIST_BAD || count == 0)
		return false;
	*out_count = count;
	return true;
}

bool name_addr_param(const struct name_addr *address, struct span name, struct param *out_param)
{
	return address->params.at && params_find(address->params, ';', name, out_param);
}

struct span name_addr_display(const struct name_addr *address, struct arena *arena)
{
	if (address->display.len > 0 && address->display.at[0] == '"')
		return quoted_unescape(arena, address->display);
	return address->display;
}

bool q_parse(struct span text, int32_t *out_thousandths)
{
	struct cursor in = cursor_over(text);
	int32_t thousandths = 0;

	if (cursor_take(&in, '1'))
		thousandths = 1000;
	else if (!cursor_take(&in, '0') && cursor_peek(&in) != '.')
		return false;
	if (cursor_take(&in, '.')) {
		for (int32_t unit = 100; unit > 0 && !cursor_is_end(&in) && ascii_is_digit(*in.at);
		     unit /= 10)
			thousandths += (*in.at++ - '0') * unit;
	}
	if (!cursor_is_end(&in) || thousandths > 1000 || text.len == 0 ||
	    (text.len == 1 && text.at[0] == '.'))
		return false;
	*out_thousandths = thousandths;
	return true;
}

static bool note_contact_param(struct contact_params *params, const struct param *param)
{
	uint64_t number;
	struct cursor in = cursor_over(param->value);

	if (span_equal_nocase(param->name, SPAN_OF("q")))
		return q_parse(param->value, &params->q);
	if (span_equal_nocase(param->name, SPAN_OF("expires"))) {
		params->has_expires = true;
		params->expires_s = EXPIRES_WHEN_MALFORMED;
		if (cursor_take_number(&in, UINT64_MAX, &number) && cursor_is_end(&in))
			params->expires_s = number > UINT32_MAX ? UINT32_MAX : (uint32_t)number;
		return true;
	}
	if (span_equal_nocase(param->name, SPAN_OF("reg-id"))) {
		if (!cursor_take_number(&in, INT32_MAX, &number) || !cursor_is_end(&in) ||
		    number == 0)
			return false;
		params->reg_id = (uint32_t)number;
		return true;
	}
	if (span_equal_nocase(param->name, SPAN_OF("methods"))) {
		params->has_methods = true;
		return method_list_parse(param->value, &params->methods);
	}
	if (span_equal_nocase(param->name, SPAN_OF("+sip.instance")))
		params->instance = param->value;
	else if (span_equal_nocase(param->name, SPAN_OF("received")))
		params->received = param->value;
	else if (span_equal_nocase(param->name, SPAN_OF("pub-gruu")))
		params->pub_gruu = param->value;
	else if (span_equal_nocase(param->name, SPAN_OF("temp-gruu")))
		params->temp_gruu = param->value;
	else if (span_equal_nocase(param->name, SPAN_OF("ob")))
		params->has_ob = true;
	return true;
}

bool contact_params_parse(const struct name_addr *address, struct contact_params *out)
{
	struct contact_params params = { .q = CONTACT_NO_Q, .methods = METHOD_ALL };
	struct param_list list = params_over(address->params, ';');
	struct param param;
	enum list_result result;

	while ((result = params_next(&list, &param)) == LIST_ITEM) {
		if (!note_contact_param(&params, &param))
			return false;
	}
	if (result == LIST_BAD)
		return false;
	*out = params;
	return true;
}
