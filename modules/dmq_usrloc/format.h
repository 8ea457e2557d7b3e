/* SPDX-License-Identifier: BSD-2-Clause */
/* format: what servers tell each other about bindings, as JSON. */
#pragma once

#include "core/rpc/json.h"
#include "modules/usrloc/usrloc_api.h"

enum location_action { /* the numbers are those of the messages */
		       LOCATION_NOTHING = 0,
		       LOCATION_UPDATE = 1,
		       LOCATION_REMOVE = 2,
		       LOCATION_SYNC = 3, /* give me all that you have */
};

/* A binding as it is told: times are wall clock, texts empty when absent. */
struct location_row {
	struct usrloc_contact contact;
	struct span socket;     /* "udp:ip:port"; absent: not told */
	int64_t expires_wall_s; /* 0: never */
};

enum location_kind { LOCATION_BAD, LOCATION_ONE, LOCATION_MANY };
/* What a body says; texts live in `arena`. `*out_first` is the message, or the first of the members of a list,
 * which follow by `next`. */
enum location_kind location_read(struct span body, struct arena *arena,
				 const struct json_value **out_first);
/* One message. False: it is none. `out` is set for UPDATE and REMOVE. */
bool location_read_row(const struct json_value *object, enum location_action *out_action,
		       struct location_row *out);

#define LOCATION_LIST_OPEN  "{\"multi\":{"
#define LOCATION_LIST_CLOSE "}}"
/* Writes a message; in a list with its number. */
void location_write(struct writer *w, enum location_action action, const struct location_row *row);
void location_write_number(struct writer *w, unsigned number);
