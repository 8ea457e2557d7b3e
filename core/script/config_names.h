/* SPDX-License-Identifier: BSD-2-Clause */
/* config_names: what the configuration file named and the script may ask for: preprocessor defines
 * ($def), custom parameters `group.name = value` ($sel(cfg_get.group.name), $ccp) and AVP aliases.
 * Filled while the configuration is read; texts are copied and live as long as the process. */
#pragma once

#include "core/message/attributes.h"

/* The preprocessor tells each define; an absent value (`#!define NAME`) counts as empty. */
void config_define_set(struct span name, struct span value);
void config_define_remove(struct span name);
bool config_define_find(struct span name, struct span *out_value);
/* Walks over all of them; false past the end. */
bool config_define_at(unsigned index, struct span *out_name, struct span *out_value);

/* A custom parameter: VALUE_INT or VALUE_TEXT. Setting it again replaces the value. */
bool config_custom_set(struct span group, struct span name, const struct value *value,
		       struct span description);
bool config_custom_find(struct span group, struct span name, struct value *out_value);
/* Moves the values into shared memory, so that config_custom_change reaches all processes; before
 * the first fork, after shm_init. False when there is no room. */
bool config_custom_share(void);
/* Changes a value while the server runs; its kind stays. False: no such parameter, another kind, a
 * text above 200 bytes. */
bool config_custom_change(struct span group, struct span name, const struct value *value);
struct config_custom {
	struct span group, name, description;
	struct value value;
	struct value initial; /* as configured */
	/* private: the shared value, how much of it this process has seen, texts it replaced */
	struct custom_cell *cell;
	uint32_t seen;
	char *copies[2];
};
/* Walks over all of them; NULL past the end. */
const struct config_custom *config_custom_at(unsigned index);

/* modparam("pv", "avp_aliases", "alias=s:name"): `$avp(alias)` means `$avp(s:name)`. */
bool config_avp_alias_set(struct span alias, struct span name);
/* The name itself when it is no alias. */
struct span config_avp_alias_find(struct span alias);
