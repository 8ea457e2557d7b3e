/* SPDX-License-Identifier: BSD-2-Clause */
/* branch_variables: the scratch branch of $sbranch(...), for the functions of module pv. */
#pragma once

#include "core/script/script.h"

/* The scratch branch of this message, empty at first; NULL when memory is exhausted. */
struct branch *scratch_branch(struct script_run *run);
/* Empties it. */
void scratch_branch_reset(struct script_run *run);
/* Reserves its place in messages; before the first fork. */
void scratch_branch_prepare(void);
