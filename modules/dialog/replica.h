/* SPDX-License-Identifier: BSD-2-Clause */
/* replica: dialogs that other servers know, too (enable_dmq). Whoever serves a call tells of its beginning,
 * its states and its end; a server that starts asks for all. A dialog of another server has its `origin`; it
 * counts and is found like any other, but its events, its BYEs and its row are the other's business. */
#pragma once

#include "modules/dialog/profiles.h"

enum replica_action { REPLICA_UPDATE = 1, REPLICA_STATE, REPLICA_REMOVE, REPLICA_SYNC };

/* ---- replica.c ---- */
/* `dmq`: the module's functions, or NULL. Before the first fork; false after it was logged. */
[[nodiscard]] bool replica_prepare(const void *dmq, struct span channel, bool with_iflags);
bool replica_is_on(void);
/* Tells what the others have not heard: the state, when it is another; everything, when something else
 * changed or they do not know the dialog. No lock held. */
void replica_tell(struct dialog_name name);
/* The same when the script of its INVITE has ended: the others hear of it first then. */
void replica_tell_new(struct dialog_name name);
/* Its life was prolonged. */
void replica_tell_life(struct dialog_name name);
/* Drops what the node with this URI told of; returns how many. */
unsigned replica_drop(struct span node_uri);

/* ---- numbers.c: found by h_entry and h_id ---- */
[[nodiscard]] bool numbers_prepare(void);
/* False: no memory. No lock held. */
bool numbers_add(uint32_t h_entry, uint32_t h_id, struct dialog_name name);
void numbers_remove(uint32_t h_entry, uint32_t h_id);
bool numbers_find(uint32_t h_entry, uint32_t h_id, struct dialog_name *out_name);

/* ---- replica_format.c ---- */
struct replica_message {
	enum replica_action action;
	uint32_t h_entry, h_id;
	enum dialog_state state; /* 0: not told */
	bool has_life, has_iflags;
	int64_t created_s, confirmed_s, lifetime_s;
	uint32_t iflags;
	struct span call_id, from_uri, to_uri, request_uri;
	struct leg_view legs[LEGS];
	const struct json_value *variables; /* first of them */
	struct span profiles;               /* a document of its own */
};
/* False: it is none. */
bool replica_read(struct span body, struct arena *arena, struct replica_message *out);
void replica_write_all(struct writer *w, const struct dialog_view *view, bool with_iflags);
void replica_write_state(struct writer *w, const struct dialog_view *view);
