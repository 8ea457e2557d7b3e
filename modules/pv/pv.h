/* SPDX-License-Identifier: BSD-2-Clause */
/* pv: shared by the files of this module. */
#pragma once

#include "core/module/module.h"

static inline int truth(bool yes)
{
	return yes ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- xavp.c, branch.c: their function rows ---- */
extern const struct function_table xavp_functions, xavp_list_functions, branch_functions;

/* ---- shared.c: $shv ---- */
extern const struct rpc_command shared_command_rows[2];
/* Reserves shared memory; false after logging. */
bool shared_prepare(void);
/* A preset of modparam shvset; before the first fork, after shared_prepare. */
bool shared_set(struct span name, const struct value *value);
bool shared_get(struct script_run *run, const struct variable_ref *ref, struct value *out);
bool shared_assign(struct script_run *run, const struct variable_ref *ref,
		   const struct value *value);
/* Name or index of a list: finds a root of $xavp or $xavi. */
struct xavp **xavp_roots(struct script_run *run, bool nocase);
