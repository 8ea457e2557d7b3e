/* SPDX-License-Identifier: BSD-2-Clause */
/* siputils: shared by the files of this module. */
#pragma once

#include "core/module/module.h"
#include "parser/name_addr.h"
#include "parser/uri.h"
#include "parser/values.h"

struct siputils_settings {
	struct span options_accept;
	struct span options_accept_encoding;
	struct span options_accept_language;
	struct span options_support;
	struct span contact_flds_separator;
	struct span rpid_prefix;
	struct span rpid_suffix;
	struct span rpid_avp;
	int64_t e164_max_len;
	int64_t ring_timeout;
	const struct variable_ref *rpid; /* compiled from rpid_avp; NULL when that is empty */
};
extern const struct siputils_settings *const siputils_settings;

static inline int truth(bool yes)
{
	return yes ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* The function rows of each file. */
extern const struct function_table uri_functions, contact_functions, charging_functions,
	check_functions;

/* const struct auth_api *, NULL without module auth. */
extern const void *siputils_auth;

/* ---- uri.c ----------------------------------------------------------------------------------- */
/* "+" and digits, at most e164_max_len bytes in all. */
bool is_e164_number(struct span text);

/* ---- charging.c ------------------------------------------------------------------------------ */
void charging_reserve(void);
extern const struct variable_row charging_variable;
