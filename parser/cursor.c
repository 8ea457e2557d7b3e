/* SPDX-License-Identifier: BSD-2-Clause */
/* cursor: character classes and the pieces of text that many grammars share (RFC 3261 25.1). */
#include "parser/cursor.h"

#include "parser/scan.h"

#define IS_ALPHA(c) (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))
#define IS_ALNUM(c) (IS_ALPHA(c) || ((c) >= '0' && (c) <= '9'))
/* token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~") */
#define IS_TOKEN(c)                                                                           \
	(IS_ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '!' || (c) == '%' || (c) == '*' || \
	 (c) == '_' || (c) == '+' || (c) == '`' || (c) == '\'' || (c) == '~')
/* word = token and ( ) < > : \ " / [ ] ? { } */
#define IS_WORD(c)                                                                            \
	(IS_TOKEN(c) || (c) == '(' || (c) == ')' || (c) == '<' || (c) == '>' || (c) == ':' || \
	 (c) == '\\' || (c) == '"' || (c) == '/' || (c) == '[' || (c) == ']' || (c) == '?' || \
	 (c) == '{' || (c) == '}')
/* unreserved = alphanum / "-" / "_" / "." / "!" / "~" / "*" / "'" / "(" / ")" */
#define IS_UNRESERVED(c)                                                                      \
	(IS_ALNUM(c) || (c) == '-' || (c) == '_' || (c) == '.' || (c) == '!' || (c) == '~' || \
	 (c) == '*' || (c) == '\'' || (c) == '(' || (c) == ')')
/* user-unreserved = "&" / "=" / "+" / "$" / "," / ";" / "?" / "/" */
#define IS_USER(c)                                                                                 \
	(IS_UNRESERVED(c) || (c) == '&' || (c) == '=' || (c) == '+' || (c) == '$' || (c) == ',' || \
	 (c) == ';' || (c) == '?' || (c) == '/')
/* param-unreserved = "[" / "]" / "/" / ":" / "&" / "+" / "$" */
#define IS_PARAM(c)                                                                                \
	(IS_UNRESERVED(c) || (c) == '[' || (c) == ']' || (c) == '/' || (c) == ':' || (c) == '&' || \
	 (c) == '+' || (c) == '$')
#define IS_HOST(c) (IS_ALNUM(c) || (c) == '-' || (c) == '.' || (c) == '_')
/* What an unquoted value may hold in practice: all that is visible, but no quote and semicolon. */
#define IS_VALUE(c) ((c) > ' ' && (c) != 127 && (c) != '"' && (c) != ';')
#define IS_SPACE(c) ((c) == ' ' || (c) == '\t' || (c) == '\r' || (c) == '\n')

#define CLASS(c)                                                                   \
	((IS_TOKEN(c) ? CHAR_TOKEN : 0) | (IS_WORD(c) ? CHAR_WORD : 0) |           \
	 (IS_USER(c) ? CHAR_USER : 0) | (IS_PARAM(c) ? CHAR_PARAM : 0) |           \
	 (IS_HOST(c) ? CHAR_HOST : 0) | (IS_UNRESERVED(c) ? CHAR_UNRESERVED : 0) | \
	 (IS_VALUE(c) ? CHAR_VALUE : 0) | (IS_SPACE(c) ? CHAR_SPACE : 0))
#define CLASS4(c)  CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define CLASS16(c) CLASS4(c), CLASS4((c) + 4), CLASS4((c) + 8), CLASS4((c) + 12)
#define CLASS64(c) CLASS16(c), CLASS16((c) + 16), CLASS16((c) + 32), CLASS16((c) + 48)

const unsigned char char_classes[256] = { CLASS64(0), CLASS64(64), CLASS64(128), CLASS64(192) };

/* quoted-string = DQUOTE *(qdtext / quoted-pair) DQUOTE; quoted-pair = "\" any byte */
const char *quoted_end(const char *begin, const char *at, const char *end)
{
	at++;
	while ((at = scan_quote(begin, at, end)) < end) {
		if (*at == '"')
			return at + 1;
		if (end - at == 1)
			return NULL;
		at += 2;
	}
	return NULL;
}

bool cursor_take_quoted(struct cursor *in, struct span *out_quoted)
{
	const char *start = in->at;
	const char *stop = cursor_peek(in) == '"' ? quoted_end(start, start, in->end) : NULL;
	if (!stop)
		return false;
	in->at = stop;
	*out_quoted = cursor_since(in, start);
	return true;
}

/* So many digits cannot overflow. */
#define SAFE_DIGITS 19

/* The number of the first `count` (1-7) of eight digits in memory, whose zero is taken off. */
static uint64_t number_of(uint64_t digits, unsigned count)
{
	digits <<= 64 - 8 * count; /* the others become leading zeros */
	digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ff;
	digits = (digits * 100 + (digits >> 16)) & 0x0000ffff0000ffff;
	return (digits * 10000 + (digits >> 32)) & 0xffffffff;
}

struct digits digits_read(const char *at, const char *end, uint64_t max)
{
	struct digits none = { NULL, 0 }, found = { at, 0 };
	unsigned digit;
	if (end - at >= 8) {
		uint64_t eight = span_short(at, 8) ^ 0x3030303030303030;
		uint64_t others = (eight | (eight + 0x7676767676767676)) & 0x8080808080808080;
		unsigned count = others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
		if (count == 0)
			return none;
		if (count < 8) {
			found.number = number_of(eight, count);
			found.end = at + count;
			return found.number <= max ? found : none;
		}
	}
	const char *safe_end = end - at > SAFE_DIGITS ? at + SAFE_DIGITS : end;

	for (; at < safe_end && (digit = (unsigned char)*at - (unsigned)'0') <= 9; at++)
		found.number = found.number * 10 + digit;
	for (; at < end && ascii_is_digit(*at); at++) {
		if (__builtin_mul_overflow(found.number, (uint64_t)10, &found.number) ||
		    __builtin_add_overflow(found.number, (uint64_t)(*at - '0'), &found.number))
			return none;
	}
	if (at == found.end || found.number > max)
		return none;
	found.end = at;
	return found;
}

bool cursor_take_number(struct cursor *in, uint64_t max, uint64_t *out_number)
{
	struct digits digits = digits_read(in->at, in->end, max);
	if (!digits.end)
		return false;
	in->at = digits.end;
	*out_number = digits.number;
	return true;
}

bool cursor_take_word(struct cursor *in, struct span word)
{
	if (cursor_left(in) < word.len || !span_equal_nocase(span_make(in->at, word.len), word))
		return false;
	in->at += word.len;
	return true;
}

bool span_is_all(struct span s, unsigned classes)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!(char_classes[(unsigned char)s.at[i]] & classes))
			return false;
	}
	return s.len > 0;
}
