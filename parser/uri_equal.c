/* SPDX-License-Identifier: BSD-2-Clause */
/* uri_equal: when two URIs mean the same (RFC 3261 19.1.4, RFC 3966 5, RFC 8141 3). */
#include "parser/uri.h"

#include "core/base/check.h"
#include "core/base/hash.h"

/* Longer lists of parameters or headers are equal only when written the same way, so that comparing
 * cannot be made expensive. */
#define MAX_COMPARED       64
#define MAX_COMPARED_BYTES 4096

#define ESCAPED_RESERVED   256 /* added to a reserved character that is written as an escape */

/* Takes the next character of a URI's text. "%41" and "A" are the same, but not "%3b" and ";"
 * (19.1.4: characters of the reserved set differ from their escapes). -1 at the end. */
static int next_symbol(struct cursor *in)
{
	int c = cursor_peek(in);
	if (c < 0)
		return -1;
	in->at++;
	int high = c == '%' && cursor_left(in) >= 2 ? ascii_hex_value(in->at[0]) : -1;
	int low = high >= 0 ? ascii_hex_value(in->at[1]) : -1;
	if (low < 0)
		return c;
	in->at += 2;
	c = high * 16 + low;
	bool is_reserved = c != 0 && strchr(";/?:@&=+$,%", c) != NULL;
	return is_reserved ? c + ESCAPED_RESERVED : c;
}

static int lower_symbol(int symbol)
{
	return symbol >= 'A' && symbol <= 'Z' ? symbol + 32 : symbol;
}

static bool text_equal(struct span a, struct span b, bool ignore_case)
{
	struct cursor left = cursor_over(a), right = cursor_over(b);
	for (;;) {
		int l = next_symbol(&left);
		int r = next_symbol(&right);
		if (ignore_case) {
			l = lower_symbol(l);
			r = lower_symbol(r);
		}
		if (l != r)
			return false;
		if (l < 0)
			return true;
	}
}

bool uri_piece_equal(struct span a, struct span b)
{
	return span_equal_nocase(a, b) || text_equal(a, b, true);
}

static unsigned count_params(struct span params, char separator)
{
	struct param_list list = params_over(params, separator);
	struct param param;
	unsigned count = 0;
	while (count <= MAX_COMPARED && params_next(&list, &param) == LIST_ITEM)
		count++;
	return count;
}

static bool find_param(struct span params, char separator, struct span name,
		       struct param *out_param)
{
	struct param_list list = params_over(params, separator);
	struct param param;
	while (params_next(&list, &param) == LIST_ITEM) {
		if (text_equal(param.name, name, true)) {
			*out_param = param;
			return true;
		}
	}
	return false;
}

/* Parameters that must be in both URIs or in neither (19.1.4: transport follows from its examples). */
static bool must_be_in_both(struct span name)
{
	static const struct span names[] = {
		SPAN("user"), SPAN("ttl"), SPAN("method"), SPAN("maddr"), SPAN("transport"),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (text_equal(names[i], name, true))
			return true;
	}
	return false;
}

/* Every parameter of `a` that is in `b` too has the same value; `all` demands that it is there. */
static bool params_agree(struct span a, struct span b, char separator, bool all)
{
	struct param_list list = params_over(a, separator);
	struct param mine, first, theirs;

	while (params_next(&list, &mine) == LIST_ITEM) {
		if (find_param(a, separator, mine.name, &first) && first.name.at != mine.name.at)
			continue; /* repeated: the first counts */
		if (!find_param(b, separator, mine.name, &theirs)) {
			if (all || must_be_in_both(mine.name))
				return false;
		} else if (mine.has_value != theirs.has_value ||
			   !text_equal(mine.value, theirs.value, true)) {
			return false;
		}
	}
	return true;
}

static bool lists_equal(struct span a, struct span b, char separator, bool all)
{
	if (span_equal(a, b))
		return true;
	if (a.len > MAX_COMPARED_BYTES || b.len > MAX_COMPARED_BYTES)
		return false;
	unsigned left = count_params(a, separator), right = count_params(b, separator);
	if (left > MAX_COMPARED || right > MAX_COMPARED || (all && left != right))
		return false;
	return params_agree(a, b, separator, all) && params_agree(b, a, separator, all);
}

static bool sip_equal(const struct sip_uri *a, const struct sip_uri *b)
{
	return (a->user.at != NULL) == (b->user.at != NULL) &&
	       (a->password.at != NULL) == (b->password.at != NULL) && a->has_port == b->has_port &&
	       a->port == b->port && text_equal(a->user, b->user, false) &&
	       text_equal(a->password, b->password, false) && host_equal(a->host, b->host) &&
	       lists_equal(a->params, b->params, ';', false) &&
	       lists_equal(a->headers, b->headers, '&', true);
}

static bool is_visual_separator(int c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

static int next_digit(struct cursor *in)
{
	while (!cursor_is_end(in) && is_visual_separator(cursor_peek(in)))
		in->at++;
	return lower_symbol(next_symbol(in));
}

/* RFC 3966 5: visual separators are no part of a number. */
static bool number_equal(struct span a, struct span b)
{
	struct cursor left = cursor_over(a), right = cursor_over(b);
	int l, r;
	do {
		l = next_digit(&left);
		r = next_digit(&right);
	} while (l == r && l >= 0);
	return l == r;
}

/* RFC 3966 5: parameters in any order, ext, isub and phone-context count, in fact all do. */
static bool tel_equal(const struct sip_uri *a, const struct sip_uri *b)
{
	return number_equal(a->user, b->user) && lists_equal(a->params, b->params, ';', true);
}

/* "urn:" NID ":" NSS: NID in any case. */
static bool urn_equal(const struct sip_uri *a, const struct sip_uri *b)
{
	size_t left = span_find(a->host, ':', 0), right = span_find(b->host, ':', 0);
	return span_equal_nocase(span_slice(a->host, 0, left), span_slice(b->host, 0, right)) &&
	       text_equal(span_slice(a->host, left, a->host.len),
			  span_slice(b->host, right, b->host.len), false);
}

bool uri_equal(const struct sip_uri *a, const struct sip_uri *b)
{
	if (span_equal(a->whole, b->whole))
		return true;
	if (a->scheme != b->scheme)
		return false;
	switch (a->scheme) {
	case URI_SIP:
	case URI_SIPS: return sip_equal(a, b);
	case URI_TEL:
	case URI_TELS: return tel_equal(a, b);
	case URI_URN: return urn_equal(a, b);
	case URI_OTHER:
		return span_equal_nocase(a->scheme_text, b->scheme_text) &&
		       span_equal(a->host, b->host);
	}
	return false;
}

bool uri_text_equal(struct span a, struct span b)
{
	struct sip_uri left, right;
	return uri_parse(a, &left) && uri_parse(b, &right) && uri_equal(&left, &right);
}

/* Hashes what next_symbol gives, in pieces, so that equal texts have equal values. */
static uint64_t symbols_hash(struct span text, int (*next)(struct cursor *))
{
	struct cursor in = cursor_over(text);
	uint16_t piece[64];
	uint64_t hash = 0;
	size_t count = 0;

	for (int symbol = next(&in); symbol >= 0; symbol = next(&in)) {
		piece[count++] = (uint16_t)symbol;
		if (count < ARRAY_SIZE(piece))
			continue;
		hash = hash_mix(hash, hash_bytes(piece, sizeof(piece)));
		count = 0;
	}
	return hash_mix(hash, hash_bytes(piece, count * sizeof(piece[0])));
}

uint64_t uri_hash(const struct sip_uri *uri)
{
	uint64_t hash = (uint64_t)uri->scheme;
	switch (uri->scheme) {
	case URI_SIP:
	case URI_SIPS:
		return hash_mix(hash_mix(hash, symbols_hash(uri->user, next_symbol)),
				host_hash(uri->host));
	case URI_TEL:
	case URI_TELS: return hash_mix(hash, symbols_hash(uri->user, next_digit));
	case URI_URN:
		return hash_mix(hash, hash_span_nocase(span_slice(uri->host, 0,
								  span_find(uri->host, ':', 0))));
	case URI_OTHER: return hash_mix(hash, hash_span(uri->host));
	}
	return hash;
}
