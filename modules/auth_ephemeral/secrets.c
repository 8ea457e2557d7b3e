/* SPDX-License-Identifier: BSD-2-Clause */
/* secrets: what the service that gives out credentials shares with us. The list lies in shared memory,
 * so that it changes while the server runs; the newest secret is tried first. */
#include "core/shm/lock.h"
#include "core/shm/map.h"
#include "modules/auth_ephemeral/auth_ephemeral.h"

struct secret {
	uint32_t len;
	char bytes[SECRET_MAX];
};
struct secret_list {
	struct lock lock;
	uint32_t count;
	struct secret secrets[SECRETS_MOST]; /* the newest first */
};
static struct {
	struct span noted[SECRETS_MOST]; /* of the configuration, in its order */
	size_t noted_count;
	struct secret_list *list;
} state;

#define TOO_LONG "a secret has at most 255 bytes"
#define TOO_MANY "there are 64 secrets already"

const char *secrets_note(struct span secret, int64_t number)
{
	(void)number;
	if (!secret.len)
		return "a secret must not be empty";
	if (secret.len > SECRET_MAX)
		return TOO_LONG;
	if (state.noted_count == SECRETS_MOST)
		return TOO_MANY;
	state.noted[state.noted_count++] = secret;
	return NULL;
}

/* A holder that died while it moved the list leaves one secret twice at worst. */
static void list_lock(struct secret_list *list)
{
	if (lock_take(&list->lock) == LOCK_OWNER_DIED)
		lock_mark_consistent(&list->lock);
}

static bool list_insert(struct secret_list *list, struct span text)
{
	list_lock(list);
	bool has_room = list->count < SECRETS_MOST;
	if (has_room) {
		memmove(&list->secrets[1], &list->secrets[0],
			list->count * sizeof(list->secrets[0]));
		list->secrets[0].len = (uint32_t)text.len;
		memcpy(list->secrets[0].bytes, text.at, text.len);
		list->count++;
	}
	lock_release(&list->lock);
	return has_room;
}

static bool list_remove(struct secret_list *list, int64_t place)
{
	list_lock(list);
	bool is_there = place >= 0 && place < list->count;
	if (is_there) {
		list->count--;
		memmove(&list->secrets[place], &list->secrets[place + 1],
			(list->count - (size_t)place) * sizeof(list->secrets[0]));
		explicit_bzero(&list->secrets[list->count], sizeof(list->secrets[0]));
	}
	lock_release(&list->lock);
	return is_there;
}

bool secrets_prepare(struct diagnostics *diagnostics)
{
	state.list = shm_reserve(sizeof(*state.list), "auth_ephemeral secrets");
	if (!state.list)
		return false;
	lock_init(&state.list->lock, LOCK_SHARD);
	for (size_t i = 0; i < state.noted_count; i++)
		list_insert(state.list, state.noted[i]);
	if (!state.noted_count)
		diagnostic_add(
			diagnostics, SEVERITY_NOTE, "no-secret",
			module_setting_position("auth_ephemeral", "secret"),
			"auth_ephemeral has no secret: nobody is let in until autheph.add_secret gives one");
	return true;
}

size_t secrets_copy(struct arena *arena, struct span **out_secrets)
{
	size_t count = 0;
	/* More than there will be; the arena cannot be asked with the lock held. */
	size_t room = state.list->count + 1;
	struct span *texts = arena_alloc(arena, room * sizeof(*texts));
	struct secret *copies = arena_alloc(arena, room * sizeof(*copies));
	if (!texts || !copies)
		return 0;
	list_lock(state.list);
	for (; count < room && count < state.list->count; count++)
		copies[count] = state.list->secrets[count];
	lock_release(&state.list->lock);
	for (size_t i = 0; i < count; i++)
		texts[i] = span_make(copies[i].bytes, copies[i].len);
	*out_secrets = texts;
	return count;
}

/* ---- commands ---------------------------------------------------------------------------------------- */

void secrets_run_add(struct rpc_call *call)
{
	struct span secret;
	if (!rpc_arg_text(call, 0, &secret))
		rpc_fault(call, 500, "Not enough parameters");
	else if (!secret.len || secret.len > SECRET_MAX)
		rpc_fault(call, 500, secret.len ? TOO_LONG : "the secret is empty");
	else if (!list_insert(state.list, secret))
		rpc_fault(call, 500, TOO_MANY);
}

void secrets_run_remove(struct rpc_call *call)
{
	int64_t place;
	if (!rpc_arg_int(call, 0, &place))
		rpc_fault(call, 500, "Not enough parameters");
	else if (!list_remove(state.list, place))
		rpc_fault(call, 500, "Failed removing secret");
}

void secrets_run_dump(struct rpc_call *call)
{
	struct span *secrets;
	size_t count = secrets_copy(rpc_arena(call), &secrets);
	for (size_t i = 0; i < count; i++)
		rpc_add_printf(call, NULL, NULL, "ID %zu: %.*s", i, SPAN_ARGS(secrets[i]));
}
