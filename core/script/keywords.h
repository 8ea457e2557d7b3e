/* SPDX-License-Identifier: BSD-2-Clause */
/* keywords: the bare words of old conditions (method, uri, src_ip …) and their values. */
#pragma once

#include "core/script/ast.h"

struct network;

enum keyword {
	KEYWORD_METHOD,
	KEYWORD_URI,
	KEYWORD_FROM_URI,
	KEYWORD_TO_URI,
	KEYWORD_SRC_IP,
	KEYWORD_SRC_PORT,
	KEYWORD_DST_IP,
	KEYWORD_DST_PORT,
	KEYWORD_PROTO,
	KEYWORD_AF,
	KEYWORD_STATUS,
	KEYWORD_MSG_LEN,
	KEYWORD_SND_IP,
	KEYWORD_SND_PORT,
	KEYWORD_SND_PROTO,
	KEYWORD_SND_AF,
	KEYWORD_TO_IP,
	KEYWORD_TO_PORT,
	KEYWORD_COUNT,
};

enum keyword_type {
	KEYWORD_TEXT,
	KEYWORD_IS_URI,
	KEYWORD_INT,
	KEYWORD_CODE /* text or number */,
	KEYWORD_ADDRESS,
	KEYWORD_PROTOCOL,
	KEYWORD_FAMILY
};

struct keyword_row {
	const char *name;
	enum keyword_type type;
	uint32_t contexts;
};
const struct keyword_row *keyword_row(enum keyword keyword);
/* -1 when it is none. */
int keyword_find(struct span name);
/* A word on the right side ("UDP", "INET6"): its number for this type of keyword. */
bool keyword_constant(enum keyword_type type, struct span word, int64_t *out_number);

struct value keyword_read(struct script_run *run, enum keyword keyword);
bool keyword_is_myself(struct script_run *run, enum keyword keyword);
bool keyword_in_network(struct script_run *run, enum keyword keyword,
			const struct network *network);
/* `text`: an address, a network or a host name. */
bool keyword_in_text(struct script_run *run, enum keyword keyword, struct span text);
/* "10.0.0.0/8", "10.0.0.0/255.0.0.0", "::1". */
bool network_parse(struct span text, struct network *out_network);
