/* SPDX-License-Identifier: BSD-2-Clause */
/* observe: tells other modules what became of the bindings of an address-of-record. */
#pragma once

#include "modules/usrloc/usrloc_api.h"

/* Before the first fork; false when there are too many. */
bool observers_add(usrloc_observer observer);

/* The bindings of an address-of-record before a change. */
struct observation {
	bool is_wanted;
	unsigned domain;
	struct span aor;
	struct arena arena;
	struct usrloc_contact *before;
	unsigned count;
};
/* Looks at the bindings, when there is an observer. */
void observation_begin(struct observation *observation, unsigned domain, struct span aor);
/* Tells the difference. */
void observation_end(struct observation *observation);
