/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts by RFC 3629, cut between characters. */
#include "core/db/mend.h"

/* The widths of the columns that the standard tables have. */
static const size_t lengths[DB_MEND_WAYS] = { 255, 128, 64, 16 };

static bool is_inner(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Length of the character at the begin of the text; 0 when it is none.
 *
 *   UTF8-2 = %xC2-DF tail ; UTF8-3 without surrogates ; UTF8-4 up to U+10FFFF */
static size_t character(struct span text)
{
	const unsigned char *c = (const unsigned char *)text.at;
	size_t len = c[0] < 0x80   ? 1
		     : c[0] < 0xc2 ? 0
		     : c[0] < 0xe0 ? 2
		     : c[0] < 0xf0 ? 3
		     : c[0] < 0xf5 ? 4
				   : 0;
	if (!c[0] || len > text.len)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (!is_inner(c[i]))
			return 0;
	bool is_wrong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
			(c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f);
	return is_wrong ? 0 : len;
}

static bool mend_text(struct span *text, size_t most, struct arena *arena)
{
	struct writer out = writer_in_arena(arena, text->len < most ? text->len + 1 : most);
	struct span rest = *text;
	while (rest.len) {
		size_t len = character(rest), step = len ? len : 1;
		if (out.len + step > most)
			break;
		writer_span(&out, len ? span_slice(rest, 0, len) : SPAN_OF("?"));
		rest = span_slice(rest, step, rest.len);
	}
	*text = out.len ? writer_result(&out) : SPAN_OF("");
	return !out.failed;
}

bool db_mend(struct db_value *values, unsigned count, unsigned way, struct arena *arena)
{
	for (unsigned i = 0; i < count; i++)
		if (values[i].kind == DB_TEXT && !mend_text(&values[i].text, lengths[way], arena))
			return false;
	return true;
}
