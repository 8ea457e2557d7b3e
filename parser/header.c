/* SPDX-License-Identifier: BSD-2-Clause */
/* header: the table of known header names and the search in it (RFC 3261 7.3.1, 7.3.3). */
#include "parser/line.h"

#include "core/base/check.h"

#define NAME_TABLE_SIZE 1024 /* a power of two, far above the number of names: few collisions */

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

/* Filled once before main; read-only afterwards. */
static struct {
	struct {
		uint8_t id_plus_1; /* 0 is free; collisions go to the next place */
		uint8_t len;
	} by_hash[NAME_TABLE_SIZE];
	uint8_t by_letter[256];                    /* id + 1 of a compact form */
	_Alignas(16) char lower[HEADER_OTHER][16]; /* the first bytes of each name, lower case */
} table;
_Static_assert(HEADER_OTHER < 255, "ids are stored in a byte");

/* Bit 5 is set in both characters so that the case does not matter. */
static inline unsigned name_hash(unsigned char first, unsigned char last, size_t len)
{
	return ((first | 0x20u) + (last | 0x20u) * 13u + (unsigned)len * 59u) &
	       (NAME_TABLE_SIZE - 1);
}

[[gnu::constructor]] static void fill_table(void)
{
	for (unsigned id = 0; id < HEADER_OTHER; id++) {
		const struct header_row *row = &rows[id];
		const char *name = row->name.at;
		unsigned place = name_hash((unsigned char)name[0],
					   (unsigned char)name[row->len - 1], row->len);
		while (table.by_hash[place].id_plus_1)
			place = (place + 1) & (NAME_TABLE_SIZE - 1);
		table.by_hash[place].id_plus_1 = (uint8_t)(id + 1);
		table.by_hash[place].len = row->len;
		for (unsigned i = 0; i < 16 && i < row->len; i++)
			table.lower[id][i] = ascii_lower(name[i]);
		if (!row->compact)
			continue;
		table.by_letter[(unsigned char)row->compact] = (uint8_t)(id + 1);
		table.by_letter[(unsigned char)ascii_upper(row->compact)] = (uint8_t)(id + 1);
	}
}

static enum sip_header_id id_from_letter(char letter)
{
	unsigned found = table.by_letter[(unsigned char)letter];
	return found ? (enum sip_header_id)(found - 1) : HEADER_OTHER;
}

enum sip_header_id header_id_from_name(struct span name)
{
	if (name.len == 0)
		return HEADER_OTHER;
	if (name.len == 1)
		return id_from_letter(name.at[0]);
	unsigned place = name_hash((unsigned char)name.at[0], (unsigned char)name.at[name.len - 1],
				   name.len);
	for (; table.by_hash[place].id_plus_1; place = (place + 1) & (NAME_TABLE_SIZE - 1)) {
		unsigned id = table.by_hash[place].id_plus_1 - 1u;
		if (span_equal_nocase(rows[id].name, name))
			return (enum sip_header_id)id;
	}
	return HEADER_OTHER;
}

enum sip_header_id header_id_of_block(const char *name, unsigned len)
{
	if (len == 1)
		return id_from_letter(name[0]);
	unsigned place = name_hash((unsigned char)name[0], (unsigned char)name[len - 1], len);
	for (; table.by_hash[place].id_plus_1; place = (place + 1) & (NAME_TABLE_SIZE - 1)) {
		unsigned id = table.by_hash[place].id_plus_1 - 1u;
		if (table.by_hash[place].len == len && scan_name_is(name, table.lower[id], len))
			return (enum sip_header_id)id;
	}
	return HEADER_OTHER;
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
