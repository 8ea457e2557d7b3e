/* SPDX-License-Identifier: BSD-2-Clause */
/* ipops: what the files of the module share. */
#pragma once

#include "core/module/module.h"

/* ---- names.c: questions to DNS; their answers are kept beside the message ------------------------------------ */

enum names_kind { NAMES_ADDRESSES, NAMES_SERVICES, NAMES_POINTERS };

bool names_prepare(struct diagnostics *diagnostics);
extern const struct function_table names_functions;
/* $dns(...), $srvquery(...), $naptrquery(...): an inner text "id=>key" or "id=>key[index]". */
const char *names_bind(struct variable_ref *ref, struct arena *arena);
bool names_get_addresses(struct script_run *run, const struct variable_ref *ref, struct value *out);
bool names_get_services(struct script_run *run, const struct variable_ref *ref, struct value *out);
bool names_get_pointers(struct script_run *run, const struct variable_ref *ref, struct value *out);
/* $HN(...). */
const char *names_bind_host(struct variable_ref *ref, struct arena *arena);
bool names_get_host(struct script_run *run, const struct variable_ref *ref, struct value *out);
