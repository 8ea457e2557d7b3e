/* SPDX-License-Identifier: BSD-2-Clause */
/* registrar: shared by the files of this module. */
#pragma once

#include "core/module/module.h"
#include "core/transport/udp.h"
#include "modules/sl/sl_api.h"
#include "modules/usrloc/usrloc_api.h"

struct registrar_settings {
	int64_t default_expires, default_expires_range, expires_range;
	int64_t min_expires, min_expires_mode, max_expires;
	int64_t default_q;
	struct span realm_prefix;
	int64_t append_branches, case_sensitive;
	struct span received_avp, received_param;
	int64_t max_contacts, retry_after;
	int64_t sock_flag;
	struct span sock_hdr_name;
	int64_t sock_mode, method_filtering;
	int64_t use_path, path_mode, path_use_received, path_check_local;
	struct span xavp_cfg, xavp_rcd;
	int64_t xavp_rcd_mask;
	int64_t gruu_enabled, outbound_mode, regid_mode, flow_timer;
	int64_t contact_max_size, lookup_filter_mode, use_expired_contacts;
	bool check_require;
	struct span reg_callid_avp;
	const struct variable_ref *received; /* compiled from received_avp */
	const struct variable_ref *reg_callid;
};
extern const struct registrar_settings *const registrar_settings;

const struct usrloc_api *usrloc(void);
const struct sl_api *sl(void);
void count_registration(bool is_accepted);

/* What the module keeps beside a message. */
struct registrar_notes {
	struct registration *registration; /* of the last save(), for reg_send_reply() */
	struct profile *profiles;          /* of $ulc(profile=>…) */
	struct span foreseen, key;         /* the URI of To as received, and its key */
};
/* NULL when memory is exhausted. */
struct registrar_notes *registrar_notes(struct message *msg);

/* ---- address.c: addresses-of-record and what the script told in $xavp(xavp_cfg=>…) ------------------------ */
/* The key under which bindings of this URI are kept; absent when it is no URI or memory is exhausted. */
struct span address_key(struct arena *arena, struct span uri);
struct span address_key_of(struct arena *arena, const struct sip_uri *uri);
/* The text that address_key began with, without realm prefix: "user@host" for GRUUs. */
struct span address_user_host(struct arena *arena, struct span uri);
bool config_number(const struct message *msg, struct span name, int64_t *out_number);
/* Absent when the script did not set it. */
struct span config_text(const struct message *msg, struct span name);
void write_q(struct writer *w, int32_t q);

/* ---- save.c ---------------------------------------------------------------------------------------------- */
enum save_flags {
	SAVE_MEMORY_ONLY = 0x01,
	SAVE_NO_REPLY = 0x02,
	SAVE_ONE_CONTACT = 0x04,
	SAVE_NO_RANGE = 0x08,
	SAVE_REPLY_HEADERS = 0x10,
};
enum save_result {
	SAVE_INSERTED = 1,
	SAVE_UPDATED = 2,
	SAVE_DELETED = 3,
	SAVE_LISTED = 4,
	SAVE_ERROR = -1,
	SAVE_TOO_MANY = -2,
};
enum save_result save_registration(struct script_run *run, struct span domain, unsigned flags,
				   struct span uri);

/* ---- answer.c: the reply to a REGISTER ------------------------------------------------------------------- */
/* What was wrong; the rows of answer.c say what the phone is told. */
enum register_error {
	REGISTER_OK,
	REGISTER_NO_MEMORY,
	REGISTER_NO_DATABASE,
	REGISTER_BAD_REQUEST,
	REGISTER_BAD_ADDRESS,
	REGISTER_BAD_CONTACT,
	REGISTER_STAR_EXPIRES,
	REGISTER_STAR_MIXED,
	REGISTER_TOO_LONG,
	REGISTER_BAD_Q,
	REGISTER_BAD_PATH,
	REGISTER_BAD_CSEQ,
	REGISTER_TOO_MANY,
	REGISTER_TOO_BRIEF,
	REGISTER_PATH_UNSUPPORTED,
	REGISTER_OUTBOUND_NEEDED,
	REGISTER_EXTENSION_UNSUPPORTED,
	REGISTER_OUTBOUND_FIRST_HOP,
	REGISTER_ERROR_COUNT,
};
/* A REGISTER and what became of it. */
struct registration {
	unsigned domain;
	struct span address;     /* as told: the URI of To, or the function's argument */
	struct span aor;         /* its key; absent: could not be made */
	unsigned flags;          /* enum save_flags */
	uint32_t supported;      /* OPTION_* of Supported and Require */
	struct span unsupported; /* option tags of Require that are not known here, as a list */
	bool uses_outbound;      /* the procedures of RFC 5626 are followed */
	struct span path;        /* as received */
	bool is_prepared;        /* the reply's header lines are in the request's reply lines */
	struct usrloc_contact *contacts; /* that are there after the change; NULL: not known here */
	unsigned contact_count;
	enum register_error error;
};
/* Adds the header lines of the reply to the request's reply lines; false when memory is exhausted. */
bool answer_prepare(struct script_run *run, const struct registration *registration);
/* Sends the reply; false after an error was logged. */
bool answer_send(struct script_run *run, const struct registration *registration);

/* ---- gruu.c ---------------------------------------------------------------------------------------------- */
void gruu_prepare(void);
/* The user part of a new temporary GRUU; false when the cipher is not there. */
bool gruu_write_temporary(struct writer *w, const struct usrloc_contact *contact);
/* The binding that a temporary GRUU's user part names; false: it is none of ours, or over. */
bool gruu_find_temporary(struct script_run *run, unsigned domain, struct span user,
			 struct usrloc_contact *out);

/* ---- contact_xavp.c: what scripts keep with a binding ---------------------------------------------------- */
struct span contact_attributes(const struct message *msg, struct arena *arena);
void contact_attributes_restore(struct message *msg, const struct usrloc_contact *contact);

/* ---- lookup.c -------------------------------------------------------------------------------------------- */
enum lookup_result { LOOKUP_FOUND = 1, LOOKUP_NONE = -1, LOOKUP_NO_METHOD = -2, LOOKUP_ERROR = -3 };
extern const struct function_table lookup_functions;

/* ---- profile.c: $ulc(profile=>attribute), reg_fetch_contacts, lookup_xavp ------------------------------------ */
extern const struct function_table profile_functions;
bool profile_get(struct script_run *run, const struct variable_ref *ref, struct value *out);
const char *profile_bind(struct variable_ref *ref, struct arena *arena);
