/* SPDX-License-Identifier: BSD-2-Clause */
/* modes: what db_mode makes of reading and changing bindings. */
#pragma once

#include "modules/usrloc/rows.h"

enum db_mode {
	MODE_MEMORY,
	MODE_THROUGH, /* a change is written before it is answered */
	MODE_BACK,    /* changes are written by the keeper */
	MODE_ONLY,    /* the database is asked before everything */
	MODE_LOAD,    /* read at start, never written */
};

void modes_prepare(enum db_mode mode);
enum db_mode modes_now(void);
/* Is the database written at all? */
bool modes_write(void);

unsigned modes_get(unsigned domain, struct span aor, struct arena *arena,
		   struct usrloc_contact **out_contacts);
unsigned modes_get_with_expired(unsigned domain, struct span aor, struct arena *arena,
				struct usrloc_contact **out_contacts);
enum usrloc_result modes_apply(unsigned domain, struct span aor,
			       const struct usrloc_change *changes, unsigned count,
			       unsigned max_contacts, bool only_these,
			       struct usrloc_outcome *out_outcome);
unsigned modes_remove(unsigned domain, struct span aor, struct span ruid);
/* The same without telling observers. */
enum usrloc_result modes_apply_quietly(unsigned domain, struct span aor,
				       const struct usrloc_change *changes, unsigned count);
unsigned modes_remove_quietly(unsigned domain, struct span aor, struct span ruid);
