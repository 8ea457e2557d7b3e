/* SPDX-License-Identifier: BSD-2-Clause */
/* header: the table of known header names and the search in it (RFC 3261 7.3.1, 7.3.3). */
#include "parser/header_names.h"

#include "core/base/check.h"
#include "parser/cursor.h"

struct header_row {
	struct span name;
	char compact;
	uint8_t flags;
	uint8_t len;
};

static const struct header_row rows[HEADER_OTHER] = {
#define SIP_HEADER_ROW(id, text, compact_form, flag_bits) \
	[HEADER_##id] = { SPAN(text), compact_form, flag_bits, sizeof(text) - 1 },
	SIP_HEADERS(SIP_HEADER_ROW)
#undef SIP_HEADER_ROW
};

/* Read-only from main on. */
static struct header_names table;
_Static_assert(HEADER_OTHER < 128, "ids are stored in a byte, and half of the places are free");

static uint8_t first_place(struct span name)
{
	return header_name_hash(name.at[0], name.len > 2 ? name.at[2] : ':', (unsigned)name.len);
}

[[gnu::constructor]] static void fill_table(void)
{
	memset(table.by_hash, HEADER_OTHER, sizeof(table.by_hash));
	memset(table.by_letter, HEADER_OTHER, sizeof(table.by_letter));
	for (unsigned id = 0; id < HEADER_OTHER; id++) {
		const struct header_row *row = &rows[id];
		const char *name = row->name.at;
		uint8_t place = first_place(row->name);
		while (table.by_hash[place] != HEADER_OTHER)
			place++;
		table.by_hash[place] = (uint8_t)id;
		for (unsigned i = 0; i <= row->len && i < sizeof(table.start[id]); i++)
			table.start[id][i] = i < row->len ? ascii_lower(name[i]) : ':';
		if (!row->compact)
			continue;
		table.by_letter[(unsigned char)row->compact] = (uint8_t)id;
		table.by_letter[(unsigned char)ascii_upper(row->compact)] = (uint8_t)id;
	}
}

const struct header_names *header_names(void)
{
	return &table;
}

enum sip_header_id header_id_from_name(struct span name)
{
	if (name.len == 0)
		return HEADER_OTHER;
	if (name.len == 1)
		return (enum sip_header_id)table.by_letter[(unsigned char)name.at[0]];
	for (uint8_t place = first_place(name);; place++) {
		unsigned id = table.by_hash[place];
		if (id == HEADER_OTHER || span_equal_nocase(rows[id].name, name))
			return (enum sip_header_id)id;
	}
}

struct name_found header_name_read(const char *at, const char *end)
{
	const char *stop = chars_end(at, end, CHAR_TOKEN);
	struct span name = span_make(at, (size_t)(stop - at));
	if (stop == end || *stop != ':' || name.len > UINT16_MAX)
		return (struct name_found){ 0 };
	return (struct name_found){ (uint32_t)name.len, header_id_from_name(name) };
}

struct span header_name(enum sip_header_id id)
{
	return (unsigned)id < HEADER_OTHER ? rows[id].name : (struct span){ NULL, 0 };
}

char header_compact(enum sip_header_id id)
{
	return (unsigned)id < HEADER_OTHER ? rows[id].compact : 0;
}

unsigned header_flags(enum sip_header_id id)
{
	return (unsigned)id < HEADER_OTHER ? rows[id].flags : 0;
}
