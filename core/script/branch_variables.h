/* SPDX-License-Identifier: BSD-2-Clause */
/* branch_variables: what the variables keep beside a message: the scratch branch of $sbranch(...),
 * for the functions of module pv, and the URI that was parsed last. */
#pragma once

#include "core/script/script.h"

/* The scratch branch of this message, empty at first; NULL when memory is exhausted. */
struct branch *scratch_branch(struct script_run *run);
/* Empties it. */
void scratch_branch_reset(struct script_run *run);
/* The parsed form of a text that lives as long as the message; scripts ask for $rU, $rd and $rp of
 * the same URI again and again. NULL when it is malformed. Valid until the next call. */
const struct sip_uri *scratch_uri(struct script_run *run, struct span text);
/* Reserves their place in messages; before the first fork. */
void scratch_prepare(void);
