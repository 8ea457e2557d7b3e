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

/* LAQUOT addr-spec RAQUOT; the first bracket is at `at` */
static const char *bracketed_read(const char *at, const char *end, struct name_addr *address)
{
	const char *start = at + 1;
	at = scan_bracket(address->whole.at, start, end);
	address->uri = span_make(start, (size_t)(at - start));
	address->has_brackets = true;
	return at < end && *at == '>' && begins_with_scheme(address->uri) ? at + 1 : NULL;
}

/* addr-spec without brackets: what follows ";" belongs to the header */
static const char *bare_read(const char *at, const char *end, struct name_addr *address)
{
	const char *start = at;
	while (at < end && !ascii_is_space(*at) && *at != ';' && *at != ',') {
		if (*at == '?' || *at == '"' || *at == '<' || *at == '>')
			return NULL;
		at++;
	}
	address->uri = span_make(start, (size_t)(at - start));
	return begins_with_scheme(address->uri) ? at : NULL;
}

/* name-addr = [ display-name ] LAQUOT addr-spec RAQUOT
 * display-name = *( token LWS ) / quoted-string; unquoted names may hold what is not a token,
 * except separators that decide where things end. */
static const char *address_read(const char *at, const char *end, struct name_addr *address)
{
	if (*at == '<')
		return bracketed_read(at, end, address);
	if (*at == '"') {
		const char *stop = quoted_end(at, at, end);
		if (!stop)
			return NULL;
		address->display = span_make(at, (size_t)(stop - at));
		at = space_end(stop, end);
		return at < end && *at == '<' ? bracketed_read(at, end, address) : NULL;
	}
	const char *stop = scan_for(at, end, "<,;\"");
	if (stop < end && *stop == '"')
		return NULL;
	if (stop == end || *stop != '<')
		return bare_read(at, end, address);
	address->display = span_trim(span_make(at, (size_t)(stop - at)));
	return bracketed_read(stop, end, address);
}

/* *( SEMI generic-param ) up to a comma or the end */
static const char *params_read(const char *at, const char *end, struct name_addr *address)
{
	const char *start = at, *last = address->whole.at + address->whole.len;
	while (at < end && *at == ';') {
		struct param param;
		last = at + 1;
		at = space_end(last, end);
		if (at == end || *at == ';' || *at == ',')
			continue;
		at = param_read(address->whole.at, at, end, ';', ',', &param);
		if (!at)
			return NULL;
		if (!address->tag.at && param_is(&param, "tag"))
			address->tag = param_text(&param);
		last = param.whole.at + param.whole.len;
	}
	if (at > start)
		address->params = span_make(start + 1, (size_t)(last - start - 1));
	address->whole.len = (size_t)(last - address->whole.at);
	return at;
}

/* STAR, which stands alone */
static bool is_star(const char *at, const char *end)
{
	return *at == '*' && space_end(at + 1, end) == end;
}

/* Steps over white space and the commas of empty items. */
static const char *item_begin(const char *at, const char *end)
{
	do
		at = space_end(at, end);
	while (at < end && *at == ',' && at++);
	return at;
}

/* One address and the comma after it; NULL when it is malformed. */
static const char *item_read(const char *at, const char *end, struct name_addr *address)
{
	*address = (struct name_addr){ .whole = { at, 1 } };
	if (is_star(at, end)) {
		address->is_star = true;
		return end;
	}
	const char *next = address_read(at, end, address);
	if (!next)
		return NULL;
	address->whole.len = (size_t)(next - at);
	next = params_read(space_end(next, end), end, address);
	if (next && next < end && *next++ != ',')
		return NULL;
	return next;
}

enum list_result name_addr_next(struct span *rest, struct name_addr *out_address)
{
	const char *end = rest->at + rest->len, *at = item_begin(rest->at, end);
	struct name_addr address;

	if (at == end) {
		*rest = (struct span){ NULL, 0 };
		return LIST_END;
	}
	at = item_read(at, end, &address);
	if (!at)
		return LIST_BAD;
	*rest = span_make(at, (size_t)(end - at));
	*out_address = address;
	return LIST_ITEM;
}

bool name_addr_parse(struct span value, struct name_addr *out_address)
{
	const char *end = value.at + value.len, *at = item_begin(value.at, end);
	return at < end && (at = item_read(at, end, out_address)) && space_end(at, end) == end;
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
	bool has_zero = false, is_above_one = false;

	while (cursor_take(&in, '0'))
		has_zero = true;
	if (cursor_take(&in, '1'))
		thousandths = 1000;
	else if (!has_zero && cursor_peek(&in) != '.')
		return false;
	if (cursor_take(&in, '.')) {
		bool is_one = thousandths == 1000;
		for (int32_t unit = 100; !cursor_is_end(&in) && ascii_is_digit(*in.at);
		     unit /= 10) {
			is_above_one |= is_one && *in.at != '0';
			thousandths += (*in.at++ - '0') * unit;
		}
	}
	if (!cursor_is_end(&in) || is_above_one || text.len == 0 ||
	    (text.len == 1 && text.at[0] == '.'))
		return false;
	*out_thousandths = thousandths;
	return true;
}

static bool note_contact_param(struct contact_params *params, const struct param *param)
{
	const struct cursor value = cursor_over(param->value);
	const char *at = value.at, *end = value.end;

	if (param_is(param, "q"))
		return param->value.len == 0 || q_parse(param->value, &params->q);
	if (param_is(param, "expires")) {
		struct digits seconds = digits_read(at, end, UINT64_MAX);
		bool is_number = seconds.end && seconds.end == end;
		params->has_expires = true;
		params->expires_s = !is_number                    ? EXPIRES_WHEN_MALFORMED
				    : seconds.number > UINT32_MAX ? UINT32_MAX
								  : (uint32_t)seconds.number;
		return true;
	}
	if (param_is(param, "reg-id")) {
		struct digits id = digits_read(at, end, INT32_MAX);
		bool is_number = id.end && id.end == end;
		params->reg_id = is_number ? (uint32_t)id.number : 0;
		return true;
	}
	if (param_is(param, "methods")) {
		params->has_methods = true;
		return method_list_parse(param->value, &params->methods);
	}
	if (param_is(param, "+sip.instance"))
		params->instance = param->value;
	else if (param_is(param, "received"))
		params->received = param->value;
	else if (param_is(param, "pub-gruu"))
		params->pub_gruu = param->value;
	else if (param_is(param, "temp-gruu"))
		params->temp_gruu = param->value;
	else if (param_is(param, "ob"))
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
