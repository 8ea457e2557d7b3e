/* SPDX-License-Identifier: BSD-2-Clause */
/* header_names: finds the id of a header name within the parser's loops; everybody else asks
 * header_id_from_name. */
#pragma once

#include "parser/header.h"
#include "parser/scan.h"

struct header_names {
	uint8_t by_hash[256];   /* ids; HEADER_OTHER is free; collisions go to the next place */
	uint8_t by_letter[256]; /* ids of compact forms, or HEADER_OTHER */
	char start[HEADER_OTHER + 1][16]; /* of each name and its colon, lower case */
	char rest[HEADER_OTHER + 1][16];  /* … of those that are longer */
};

/* Filled once before main. */
const struct header_names *header_names(void);

/* The place of a name in by_hash; `third` is its third character, or its colon. Bit 5 of a character is
 * lost, so that its case does not matter. Nearly all names have a place of their own. */
static inline uint8_t header_name_hash(char first, char third, unsigned len)
{
	return (uint8_t)(8 * (2u * (unsigned char)first + (unsigned char)third) + len);
}

/* Where the first of the colons is, and all places before it. */
static inline unsigned header_name_places(unsigned colons)
{
	return colons ^ (colons - 1);
}

static inline bool header_name_is(struct scan_block lower, const char start[16], unsigned places)
{
	return !(places & ~scan_block_same(lower, scan_block_read(start)));
}

/* Finds the id of the name before the first colon of a block; `colons` are their places, `lower` is the
 * block in lower case. */
static inline bool header_id_find(const struct header_names *names, const char *name, unsigned len,
				  unsigned colons, struct scan_block lower, size_t *out_id)
{
	for (uint8_t place = header_name_hash(name[0], name[2], len);; place++) {
		size_t id = *out_id = names->by_hash[place];
		/* With its colon, so that the length is right, too. */
		if (header_name_is(lower, names->start[id], header_name_places(colons)))
			return true;
		if (id == HEADER_OTHER)
			break;
	}
	if (len == 1)
		*out_id = names->by_letter[(unsigned char)*name];
	return *out_id != HEADER_OTHER;
}

/* The same for a colon that is among the next 16 bytes; `colons` are their places. */
static inline bool header_id_find_long(const struct header_names *names, const char *name,
				       unsigned len, unsigned colons, struct scan_block lower,
				       size_t *out_id)
{
	struct scan_block lower_rest = scan_block_lower(scan_block_read(name + 16));
	for (uint8_t place = header_name_hash(name[0], name[2], len);; place++) {
		size_t id = *out_id = names->by_hash[place];
		if (id == HEADER_OTHER)
			return false;
		if (header_name_is(lower, names->start[id], 0xffff) &&
		    header_name_is(lower_rest, names->rest[id], header_name_places(colons)))
			return true;
	}
}
