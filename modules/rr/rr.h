/* SPDX-License-Identifier: BSD-2-Clause */
/* rr: shared by the files of this module. */
#pragma once

#include "core/module/module.h"
#include "modules/rr/rr_api.h"

struct rr_settings {
	bool enable_full_lr;
	bool append_fromtag;
	int64_t enable_double_rr;
	bool add_username;
	bool enable_socket_mismatch_warning;
	struct span custom_user_avp;
	bool force_send_socket;
	bool ignore_sips;
	bool sockname_mode;
	int64_t loose_route_mode;
	const struct variable_ref *custom_user; /* compiled from custom_user_avp */
};
extern const struct rr_settings *const rr_settings;

/* ---- record.c -------------------------------------------------------------------------------- */
bool record_route(struct script_run *run, struct span params);
bool record_route_preset(struct script_run *run, struct span first, struct span second);
bool record_route_advertised(struct script_run *run, struct span address);
bool record_route_add_param(struct message *msg, struct span param);
/* Undoes what was added; false when there was nothing. */
bool record_route_remove(struct message *msg);

/* Writes ";lr" as it stands in all of them. */
void record_write_lr(struct writer *w);

/* ---- route_uri.c ----------------------------------------------------------------------------- */
/* A URI of a Route, as far as routing asks. */
struct route_uri {
	struct span text;
	struct span params; /* with the first ";"; empty: none */
	const struct listener
		*listener; /* ours: the socket that it names; NULL: none has that address */
	bool is_ours;
	bool is_loose;  /* lr */
	bool is_double; /* r2 */
};
/* False when it is malformed. */
[[nodiscard]] bool route_uri_read(struct span text, struct route_uri *out);
/* Knows our own beforehand; before the first fork, when the sockets are open. False: no memory. */
bool route_uris_start(void);
/* "sip:host:port;lr" of one of our sockets; empty: a name belongs into it, or it is none of ours. */
struct span route_uri_known(const struct listener *listener);
bool uri_is_ours(const struct sip_uri *uri);
/* Its parameters with the first ";", as patterns like ";nat=yes" expect; empty: none. */
struct span uri_params_with_start(const struct sip_uri *uri);

/* ---- loose.c --------------------------------------------------------------------------------- */
enum loose_result {
	LOOSE_ROUTED = 1,
	LOOSE_NOT_ROUTED = -1,
	LOOSE_PRELOADED = -3, /* only our own Route, in a request without dialog */
};
enum { LOOSE_SKIP_STRICT = 1, LOOSE_SKIP_FLOW = 2 };
void loose_reserve(void); /* the slot in messages; before the first fork */
enum loose_result loose_route(struct message *msg, unsigned mode);
/* URI parameters of our own Route with the first ";"; empty when there are none. */
struct span loose_own_params(struct message *msg);
enum rr_direction loose_direction(struct message *msg);
bool loose_param(struct message *msg, struct span name, struct span *out_value);
bool loose_has_next_hop(const struct message *msg);
bool loose_on_routed(rr_routed callback);
/* URI of the topmost Route as received; absent when there is none. */
struct span loose_top_uri(const struct message *msg);
