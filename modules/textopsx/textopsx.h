/* SPDX-License-Identifier: BSD-2-Clause */
/* textopsx: shared by the files of this module. */
#pragma once

#include "core/module/module.h"

static inline int truth(bool yes)
{
	return yes ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* The function rows of each file. */
extern const struct function_table value_functions, iterator_functions;

/* ---- iterator.c ------------------------------------------------------------------------------ */
void iterator_reserve(void); /* the slot in messages; before the first fork */
#define ITERATOR_VARIABLES 3
extern const struct variable_row iterator_variables[ITERATOR_VARIABLES];
