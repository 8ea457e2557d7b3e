/* SPDX-License-Identifier: BSD-2-Clause */
/* pattern_ere: reads POSIX extended regular expressions (IEEE 1003.1 9.4) and writes them for
 * PCRE2.
 * Only constructs whose language is the same in both are translated; everything that POSIX leaves
 * undefined and the C library gives a meaning (`\w`, `a**`, `{,3}`) is left to regcomp. Which text
 * a
 * match covers may differ (longest against first alternative), so groups are always regcomp's. */
#include "core/script/pattern_ere.h"

#include "core/base/check.h"
#include "parser/cursor.h"

#define ERE_MAX_DEPTH  100
#define ERE_MAX_REPEAT 255
/* regcomp copies what is repeated: "((a{99}){99}){99}" and "a++++++++++++++++++++" take gigabytes. Copies
 * of what may be empty, "(a|b*){9}{9}", cost time that grows much faster. */
#define ERE_MAX_SIZE 10000

struct ere {
	struct cursor in;
	const char *start;
	unsigned flags;
	struct writer *out;
	enum ere_result result;
	struct ere_error *error;
	uint64_t size; /* atoms of the current alternatives after all copying, about */
};

static void ere_wrong(struct ere *ere, const char *at, const char *reason)
{
	if (ere->result == ERE_WRONG)
		return;
	ere->result = ERE_WRONG;
	ere->error->at = (size_t)(at - ere->start);
	ere->error->reason = reason;
}

static void ere_unsure(struct ere *ere)
{
	if (ere->result == ERE_SAME)
		ere->result = ERE_UNSURE;
}

static bool is_alnum(int c)
{
	return c >= 0 && (ascii_is_digit((char)c) || ascii_is_alpha((char)c));
}

static void write_literal(struct ere *ere, char c)
{
	if (!is_alnum((unsigned char)c) && (unsigned char)c < 128 && c > ' ')
		writer_char(ere->out, '\\');
	writer_char(ere->out, c);
}

/* ---- bracket expressions ------------------------------------------------------------------- */

static const char *const class_names[] = {
	"alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print", "graph",
	"cntrl", "xdigit",
};

/* "[:name:]" inside a bracket expression; the place is after "[:". */
static void read_class(struct ere *ere, const char *open)
{
	struct span rest = cursor_rest(&ere->in);
	size_t end = span_find_span(rest, SPAN_OF(":]"));
	if (end == rest.len) {
		ere_wrong(ere, open, "the character class has no \":]\"");
		return;
	}
	struct span name = span_slice(rest, 0, end);
	bool known = false;
	for (size_t i = 0; i < ARRAY_SIZE(class_names); i++)
		known = known || span_equal(name, span_from(class_names[i]));
	if (!known)
		ere_wrong(ere, open, "unknown character class");
	/* Upper and lower with ignored case: the libraries disagree. */
	if (ere->flags & PATTERN_IGNORE_CASE &&
	    (span_equal(name, SPAN_OF("upper")) || span_equal(name, SPAN_OF("lower"))))
		ere_unsure(ere);
	ere->in.at += end + 2;
	writer_literal(ere->out, "[:");
	writer_span(ere->out, name);
	writer_literal(ere->out, ":]");
}

static int range_kind(unsigned char c)
{
	if (ascii_is_digit((char)c))
		return 1;
	if (c >= 'a' && c <= 'z')
		return 2;
	if (c >= 'A' && c <= 'Z')
		return 3;
	return 0;
}

static void write_bracket_byte(struct ere *ere, char c)
{
	if (strchr("\\[]^-:.=", c) && c)
		writer_char(ere->out, '\\');
	writer_char(ere->out, c);
}

/* "a" or "a-z" inside a bracket expression. */
static void read_range(struct ere *ere)
{
	const char *at = ere->in.at;
	unsigned char low = (unsigned char)*ere->in.at++;
	write_bracket_byte(ere, (char)low);
	if (cursor_peek(&ere->in) != '-' || cursor_peek_at(&ere->in, 1) == ']' ||
	    cursor_peek_at(&ere->in, 1) < 0)
		return;
	int high = cursor_peek_at(&ere->in, 1);
	if (high == '[' && strchr(".=:", cursor_peek_at(&ere->in, 2))) {
		ere_unsure(ere);
		ere->in.at += 1;
		return;
	}
	if (high < low)
		ere_wrong(ere, at, "the range is the wrong way round");
	if (low >= 128 || high >= 128 ||
	    (ere->flags & PATTERN_IGNORE_CASE &&
	     (range_kind(low) != range_kind((unsigned char)high) || !range_kind(low))))
		ere_unsure(ere);
	ere->in.at += 2;
	writer_char(ere->out, '-');
	write_bracket_byte(ere, (char)high);
}

/* "[" ["^"] ["]"] … "]"; the place is after "[". */
static void read_bracket(struct ere *ere, const char *open)
{
	writer_char(ere->out, '[');
	if (cursor_take(&ere->in, '^')) {
		writer_char(ere->out, '^');
		if (ere->flags & PATTERN_NEWLINE)
			writer_literal(ere->out, "\\n");
	}
	bool first = true;
	while (!cursor_is_end(&ere->in) && (first || *ere->in.at != ']')) {
		first = false;
		int next = cursor_peek_at(&ere->in, 1);
		if (*ere->in.at == '[' && next == ':') {
			ere->in.at += 2;
			read_class(ere, open);
			if (ere->result == ERE_WRONG)
				return;
		} else if (*ere->in.at == '[' && (next == '.' || next == '=')) {
			/* Collating elements: let regcomp read them, here only find the end. */
			ere_unsure(ere);
			ere->in.at += 2;
			while (!cursor_is_end(&ere->in) &&
			       !(*ere->in.at == next && cursor_peek_at(&ere->in, 1) == ']'))
				ere->in.at++;
			ere->in.at += cursor_left(&ere->in) >= 2 ? 2 : cursor_left(&ere->in);
		} else {
			read_range(ere);
		}
	}
	if (!cursor_take(&ere->in, ']'))
		ere_wrong(ere, open, "the \"[\" is never closed");
	writer_char(ere->out, ']');
}

/* ---- everything else ----------------------------------------------------------------------- */

/* "{" n ["," [m]] "}"; the place is at "{". True when it is an interval; `*copies` is how often it
 * repeats what precedes it. */
static bool read_interval(struct ere *ere, uint64_t *copies, bool *may_be_none)
{
	const char *open = ere->in.at;
	struct cursor in = ere->in;
	uint64_t low = 0, high = 0;
	in.at++;
	if (!cursor_take_number(&in, 100000, &low)) {
		ere_unsure(ere);
		return false;
	}
	high = low;
	if (cursor_take(&in, ',') && !cursor_take_number(&in, 100000, &high))
		high = UINT64_MAX;
	if (!cursor_take(&in, '}')) {
		ere_unsure(ere);
		return false;
	}
	if (high < low)
		ere_wrong(ere, open, "the repeat count is the wrong way round");
	if (low > 0x7fff || (high > 0x7fff && high != UINT64_MAX))
		ere_wrong(ere, open, "the repeat count is too large");
	if (low > ERE_MAX_REPEAT || (high > ERE_MAX_REPEAT && high != UINT64_MAX))
		ere_unsure(ere);
	writer_bytes(ere->out, open, (size_t)(in.at - open));
	ere->in = in;
	*copies = high == UINT64_MAX ? low + 1 : high ? high : 1;
	*may_be_none = low == 0;
	return true;
}

/* The repeat signs behind an atom; `size` and `can_be_empty` are the atom's. */
static void read_repeats(struct ere *ere, bool is_anchor, uint64_t *size, bool *can_be_empty)
{
	const char *start = ere->in.at;
	unsigned repeats = 0;
	for (;;) {
		uint64_t copies = 1;
		int c = cursor_peek(&ere->in);
		bool may_be_none = c == '*' || c == '?';
		if (*size > ERE_MAX_SIZE) {
			ere_wrong(ere, start, "so many repeats are too much");
			return;
		}
		if (c == '{') {
			if (!read_interval(ere, &copies, &may_be_none)) {
				write_literal(ere, '{');
				ere->in.at++;
				return;
			}
		} else if (c == '*' || c == '+' || c == '?') {
			copies = c == '+' ? 2 : 1;
			writer_char(ere->out, (char)c);
			ere->in.at++;
		} else {
			break;
		}
		*size *= *can_be_empty ? 8 * copies * copies * copies : copies;
		*can_be_empty = *can_be_empty || may_be_none;
		repeats++;
	}
	/* `a**` is one repeat in POSIX; PCRE2 reads `a*+` and `a*?` as something else. */
	if (repeats > 1 || (repeats && is_anchor))
		ere_unsure(ere);
}

static void read_escape(struct ere *ere, const char *at)
{
	if (cursor_is_end(&ere->in)) {
		ere_wrong(ere, at, "a backslash stands at the end");
		return;
	}
	char c = *ere->in.at++;
	if (is_alnum((unsigned char)c) || strchr("<>`'", c) || (unsigned char)c >= 128)
		ere_unsure(ere);
	write_literal(ere, c);
}

static bool read_alternatives(struct ere *ere, unsigned depth);

/* "(" … ")"; true when it can match the empty text. */
static bool read_group(struct ere *ere, const char *open, unsigned depth)
{
	if (depth > ERE_MAX_DEPTH) {
		ere_wrong(ere, open, "groups are nested too deeply");
		return false;
	}
	writer_char(ere->out, '(');
	if (cursor_peek(&ere->in) == '?')
		ere_wrong(ere, ere->in.at,
			  "nothing stands before \"?\" that it could repeat "
			  "(\"(?\" is Perl syntax)");
	bool can_be_empty = read_alternatives(ere, depth + 1);
	if (!cursor_take(&ere->in, ')'))
		ere_wrong(ere, open, "the \"(\" is never closed");
	writer_char(ere->out, ')');
	return can_be_empty;
}

/* One atom with its repeats; true when it can match the empty text. */
static bool read_atom(struct ere *ere, unsigned depth)
{
	const char *at = ere->in.at;
	char c = *ere->in.at++;
	bool is_anchor = false, can_be_empty = false;
	uint64_t before = ere->size;
	ere->size = 0;
	switch (c) {
	case '(': can_be_empty = read_group(ere, at, depth); break;
	case '[': read_bracket(ere, at); break;
	case '\\': read_escape(ere, at); break;
	case '^':
		is_anchor = true;
		if (ere->flags & PATTERN_NEWLINE)
			ere_unsure(ere);
		writer_char(ere->out, c);
		break;
	case '.':
	case '$':
		is_anchor = c == '$';
		writer_char(ere->out, c);
		break;
	case '*':
	case '+':
	case '?':
		ere_wrong(ere, at, "nothing stands before the repeat sign that it could repeat");
		break;
	case '{':
		ere_unsure(ere);
		write_literal(ere, c);
		break;
	default:
		if ((unsigned char)c >= 128 && ere->flags & PATTERN_IGNORE_CASE)
			ere_unsure(ere);
		write_literal(ere, c);
		break;
	}
	uint64_t size = ere->size + 1;
	can_be_empty |= is_anchor;
	read_repeats(ere, is_anchor, &size, &can_be_empty);
	ere->size = before + size;
	return can_be_empty;
}

/* True when one of them can match the empty text. */
static bool read_alternatives(struct ere *ere, unsigned depth)
{
	bool is_absent = true, is_empty = true, can_be_empty = false;
	while (!cursor_is_end(&ere->in) && ere->result != ERE_WRONG) {
		int c = cursor_peek(&ere->in);
		if (c == ')' && depth > 0)
			break;
		if (c == '|') {
			if (is_absent)
				ere_unsure(ere);
			can_be_empty |= is_empty;
			writer_char(ere->out, '|');
			ere->in.at++;
			is_absent = is_empty = true;
			continue;
		}
		is_empty &= read_atom(ere, depth);
		is_absent = false;
	}
	if (is_absent)
		ere_unsure(ere);
	return can_be_empty || is_empty;
}

enum ere_result ere_translate(struct span text, unsigned flags, struct writer *out_pcre,
			      struct ere_error *out_error)
{
	struct ere ere = {
		.in = cursor_over(text), .start = text.at, .flags = flags, .out = out_pcre,
		.result = ERE_SAME, .error = out_error,
	};
	read_alternatives(&ere, 0);
	if (text.len && memchr(text.at, 0, text.len))
		ere_unsure(&ere);
	if (out_pcre->failed)
		ere_unsure(&ere);
	return ere.result;
}
