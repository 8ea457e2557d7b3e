/* SPDX-License-Identifier: BSD-2-Clause */
/* streams: bindings and the connections that they were made by. */
#pragma once

#include "modules/usrloc/modes.h"

/* `handles_lost`: bindings go with their connection; `closes_expired`: connections go with their
 * binding. Before the first fork. */
void streams_prepare(bool handles_lost, bool closes_expired);
/* modes_apply, and notes by which connections of this process bindings were made. */
enum usrloc_result streams_apply(unsigned domain, struct span aor,
				 const struct usrloc_change *changes, unsigned count,
				 unsigned max_contacts, bool only_these,
				 struct usrloc_outcome *out_outcome);
/* Removes the bindings of connections that ended; may wait for the database. */
void streams_remove_lost(struct arena *arena);
/* These bindings are over. */
void streams_expired(const struct usrloc_contact *contacts, unsigned count);
