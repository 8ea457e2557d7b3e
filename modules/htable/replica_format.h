/* SPDX-License-Identifier: BSD-2-Clause */
/* replica_format: what servers tell each other about items, as JSON. */
#pragma once

#include "core/rpc/json.h"
#include "core/message/attributes.h"

enum replica_action {                   /* the numbers are those of the messages */
		      REPLICA_SYNC = 1, /* give me all that you have */
		      REPLICA_SET = 2,
		      REPLICA_EXPIRE = 3,
		      REPLICA_REMOVE = 4,
		      REPLICA_REMOVE_PATTERN = 5,
		      REPLICA_REMOVE_PREFIX = 6,
};

struct replica_change {
	enum replica_action action;
	struct span table, key;
	struct value value; /* SET; EXPIRE: seconds; REMOVE_…: what to compare with */
	bool by_value;      /* REMOVE_…: values are compared, not names */
};

/* An item of a whole table. */
struct replica_item {
	struct span table, key;
	struct value value;
	int64_t expires_wall_s; /* 0: never */
};

enum replica_kind { REPLICA_BAD, REPLICA_CHANGE, REPLICA_ITEMS };
/* What a body says; texts live in `arena`. Of a list of items `*out_first` is the first row. */
enum replica_kind replica_read(struct span body, struct arena *arena,
			       struct replica_change *out_change,
			       const struct json_value **out_first);
/* One row of the list; the rows follow by `next`. False: it is none. */
bool replica_read_item(const struct json_value *row, struct replica_item *out);

void replica_write(struct writer *w, const struct replica_change *change);
/* One row of the list; commas separate them. */
#define REPLICA_LIST_OPEN  "{\"cells\":["
#define REPLICA_LIST_CLOSE "]}"
void replica_write_item(struct writer *w, const struct replica_item *item);
