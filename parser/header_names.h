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
};

/* Filled once before main. */
const struct header_names *header_names(void);

/* The place of a name in by_hash; `third` is its third character, or its colon. Bit 5 of a character is
 * lost, so that its case does not matter. Nearly all names have a place of their own. */
static inline uint8_t header_name_hash(char first, char third, unsigned len)
{
	return (uint8_t)(8 * (2u * (unsigned char)first + (unsigned char)third) + len);
}

/* A header name that a colon follows at once. */
struct name_found {
	unsigned len; /* 0: there is none */
	unsigned id;  /* enum sip_header_id */
};

/* Reads any name at the front of a text. */
struct name_found header_name_read(const char *at, const char *end);

/* The same by one look at 16 bytes, which finds most of the known names. */
static inline bool header_name_find(const struct header_names *names, const char *at,
				    struct name_found *out_name)
{
	const struct scan_block block = scan_block_read(at);
	unsigned colons = scan_block_places(block, ':');
	unsigned len = (unsigned)__builtin_ctz(colons | 1u << 16);
	uint8_t id = names->by_hash[header_name_hash(at[0], at[2], len)];
	/* Up to the first colon, so that the length is right, too; without one nothing is the same. */
	unsigned places = colons ^ (colons - 1);
	unsigned same = scan_block_same(scan_block_lower(block), scan_block_read(names->start[id]));
	*out_name = (struct name_found){ len, id };
	return (places & ~same) == 0;
}
