/* SPDX-License-Identifier: BSD-2-Clause */
/* profiles: classes of dialogs that can be counted; and keepalive. A dialog's own list says in which it
 * is; the counts are made from these lists and can be made again. */
#pragma once

#include "core/rpc/json.h"
#include "modules/dialog/dialog.h"

#define PROFILES_MOST   32
#define PROFILE_UNKNOWN PROFILES_MOST

/* For the settings profiles_with_value and profiles_no_value: NULL, or what is wrong. */
const char *profiles_define_with_value(struct span list, int64_t number);
const char *profiles_define_plain(struct span list, int64_t number);
[[nodiscard]] bool profiles_prepare(void);
/* PROFILE_UNKNOWN when there is none. */
uint32_t profile_find(struct span name);
struct span profile_name(uint32_t profile);
bool profile_has_value(uint32_t profile);

/* Adds a dialog; false when memory is out (logged) or it is gone. */
bool profile_join(struct dialog_name name, uint32_t profile, struct span value);
/* Takes it out; false when it was not in. An absent value matches any. */
bool profile_leave(struct dialog_name name, uint32_t profile, struct span value);
bool profile_has(struct dialog_name name, uint32_t profile, struct span value);
/* A dialog is over. */
void profiles_leave_all(struct dialog_name name);
/* How many; an absent value: of the whole profile. */
int64_t profile_size(uint32_t profile, struct span value);
bool view_is_in(const struct dialog_view *view, uint32_t profile, struct span value);
/* Lock held: the same for a dialog that is being made; count it afterwards. */
bool membership_add(struct shard *shard, struct dialog *dialog, uint32_t profile,
		    struct span value);
void profile_count(uint32_t profile, struct span value, int by);
/* Members that another server has. */
bool remote_add(uint32_t profile, struct span value, struct span uid, int64_t expires_wall_s);
bool remote_remove(uint32_t profile, struct span value, struct span uid);
/* Drops remote members whose time is over, and counts anew when a worker has died. */
void profiles_tick(void);

/* ---- profile_document.c ---- */
void members_write(struct writer *w, const struct dialog_view *view);
/* The dialog joins those of the document; profiles that are not defined here are left out. */
void members_join(struct dialog_name name, struct span document, struct arena *arena);

/* ---- keepalive.c ---- */
/* Asks the parties that the flags name, with OPTIONS, whether they are still in the call. */
void keepalive_ask(struct dialog_name name, uint32_t iflags);
