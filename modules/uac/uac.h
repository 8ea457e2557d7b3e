/* SPDX-License-Identifier: BSD-2-Clause */
/* uac: what the files of the module share. */
#pragma once

#include "core/module/module.h"
#include "modules/dialog/dialog_api.h"
#include "modules/rr/rr_api.h"
#include "modules/tm/tm_api.h"
#include "parser/digest.h"

#define NO_SPAN ((struct span){ NULL, 0 })

enum restore_mode { RESTORE_NONE, RESTORE_MANUAL, RESTORE_AUTO };

struct uac_settings {
	struct span rr_from_store_param, rr_to_store_param;
	struct span restore_mode, restore_passwd, restore_from_avp, restore_to_avp;
	bool restore_dlg;
	struct span auth_realm_avp, auth_username_avp, auth_password_avp;
	struct span default_socket;
	struct span reg_db_url, reg_db_table, reg_contact_addr;
	int64_t reg_timer_interval, reg_retry_interval, reg_random_delay, reg_gc_interval;
	bool reg_active, reg_keep_callid, reg_use_domain;
};
extern const struct uac_settings *const uac_settings;
const struct tm_api *uac_tm(void);
const struct rr_api *uac_rr(void);         /* NULL: not loaded */
const struct dialog_api *uac_dialog(void); /* NULL: not loaded */
enum restore_mode uac_restore_mode(void);
const struct listener *uac_default_socket(void);
/* Says what is wrong with a setting; false. */
bool uac_tell(struct diagnostics *diagnostics, const char *setting, const char *sentence);

/* ---- parameter.c: what Record-Route tells of two URIs ---------------------------------------------------------- */

/* ";name=value" for these two; absent: no memory. */
struct span parameter_make(struct arena *arena, struct span name, struct span one,
			   struct span other);
/* The other URI of the two; absent when the parameter does not belong to this one. */
struct span parameter_apply(struct arena *arena, struct span value, struct span uri);

/* ---- replace.c: other From and To than the request's ----------------------------------------------------------- */

bool replace_prepare(struct diagnostics *diagnostics);
extern const struct function_table replace_functions;

/* ---- auth.c: answers to challenges ------------------------------------------------------------------------------ */

struct uac_credentials {
	struct span user, realm, secret;
	bool is_ha1;
};
/* credential = user ":" realm ":" password; NULL, or what is wrong. */
const char *credential_add(struct span text, int64_t number);
bool auth_prepare(struct diagnostics *diagnostics);
extern const struct function_table auth_functions;
/* The first challenge of a 401 or 407 that can be answered, for this realm (absent: any); false when there
 * is none. */
bool challenge_find(const struct message *reply, struct span realm, struct auth_params *out);
/* Writes "Authorization: Digest …\r\n", or Proxy-Authorization; false when the algorithm is not known. */
bool answer_write(struct writer *w, struct arena *arena, const struct message *reply,
		  const struct auth_params *challenge, const struct uac_credentials *credentials,
		  struct span method, struct span uri);

/* ---- request.c: requests of our own -------------------------------------------------------------------------------- */

bool request_prepare(void);
extern const struct function_table request_functions;
bool request_get(struct script_run *run, const struct variable_ref *ref, struct value *out);
bool request_set(struct script_run *run, const struct variable_ref *ref, const struct value *value);
const char *request_bind(struct variable_ref *ref, struct arena *arena);
