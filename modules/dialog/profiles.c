/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles: who is in, and how many. */
#include "core/shm/map.h"
#include "modules/dialog/profiles.h"

#define SHARDS   16
#define QUIET_MS 1000 /* nobody came or went for so long: then they can be counted */

static struct {
	struct profile {
		struct span name;
		bool has_value;
	} list[PROFILES_MOST];
	unsigned count;
	struct shard_set *counts, *remotes;
	struct profile_shared {
		_Atomic int64_t totals[PROFILES_MOST];
		uint64_t incarnations; /* of all workers, when the counts were made */
		_Atomic uint64_t changes;
		bool is_doubtful; /* they were made while members came and went */
	} * shared;
} state;

/* How many members a value has. */
struct value_count {
	struct slot slot;
	uint32_t profile;
	int32_t members;
	struct text *value;
};

/* A member of another server (dlg_remote_profile). */
struct remote_member {
	struct slot slot;
	uint32_t profile;
	struct text *value, *uid;
};

static bool verify_count(const void *slot)
{
	const struct value_count *count = slot;
	return count->value && shm_contains(count->value) && count->profile < PROFILES_MOST;
}

static const struct shard_type count_type = {
	.name = "dialog profiles",
	.slot_size = sizeof(struct value_count),
	.verify = verify_count,
};
static const struct shard_type remote_type = {
	.name = "dialog remote",
	.slot_size = sizeof(struct remote_member),
	.timer_count = 1,
};

/* ---- definitions ---- */

/* names = name *( ";" name ) ; name may end in "/s", "shared between servers" */
static const char *define(struct span list, bool has_value)
{
	struct span rest = list, name;
	while (span_split(&rest, ';', &name)) {
		name = span_trim(name);
		if (!name.len)
			continue;
		if (span_ends_with(name, SPAN_OF("/s")))
			name = span_slice(name, 0, name.len - 2);
		if (state.count == PROFILES_MOST)
			return "more than 32 profiles";
		if (profile_find(name) != PROFILE_UNKNOWN)
			return "a profile of this name was defined before";
		state.list[state.count++] = (struct profile){ name, has_value };
	}
	return NULL;
}

const char *profiles_define_with_value(struct span list, int64_t number)
{
	(void)number;
	return define(list, true);
}

const char *profiles_define_plain(struct span list, int64_t number)
{
	(void)number;
	return define(list, false);
}

bool profiles_prepare(void)
{
	state.counts = shard_set_new(&count_type, SHARDS);
	state.remotes = shard_set_new(&remote_type, 2);
	state.shared = shm_reserve(sizeof(*state.shared), "dialog profiles");
	return state.counts && state.remotes && state.shared;
}

uint32_t profile_find(struct span name)
{
	for (unsigned i = 0; i < state.count; i++)
		if (span_equal(state.list[i].name, name))
			return i;
	return PROFILE_UNKNOWN;
}

struct span profile_name(uint32_t profile)
{
	return profile < state.count ? state.list[profile].name : SPAN_OF("");
}

bool profile_has_value(uint32_t profile)
{
	return profile < state.count && state.list[profile].has_value;
}

/* ---- counts ---- */

static uint64_t hash_value(uint32_t profile, struct span value)
{
	return hash_span(value) ^ (uint64_t)(profile + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct text *new_text(struct shard *shard, struct slot *slot, struct span s)
{
	struct text *text = region_alloc(shard, slot, sizeof(*text) + s.len);
	if (!text)
		return NULL;
	text->len = (uint32_t)s.len;
	if (s.len)
		memcpy(text->bytes, s.at, s.len);
	return text;
}

static struct value_count *find_count(struct shard *shard, uint64_t hash, uint32_t profile,
				      struct span value)
{
	struct value_count *count = slot_first(shard, hash);
	while (count && (count->profile != profile || !span_equal(text_span(count->value), value)))
		count = slot_next(shard, &count->slot);
	return count;
}

static bool new_count(struct shard *shard, uint64_t hash, uint32_t profile, struct span value,
		      int members)
{
	struct value_count *count = slot_new(shard, hash);
	if (!count)
		return false;
	count->profile = profile;
	count->members = members;
	count->value = new_text(shard, &count->slot, value);
	if (!count->value) {
		slot_free(shard, &count->slot);
		return false;
	}
	slot_publish(shard, &count->slot);
	return true;
}

static void add_to_count(uint32_t profile, struct span value, int by)
{
	bool is_counted = true;
	state.shared->totals[profile] += by;
	if (!profile_has_value(profile))
		return;
	uint64_t hash = hash_value(profile, value);
	struct shard *shard = shard_lock(state.counts, hash);
	struct value_count *count = find_count(shard, hash, profile, value);
	if (count)
		count->members += by;
	else if (by > 0)
		is_counted = new_count(shard, hash, profile, value, by);
	if (count && count->members <= 0)
		slot_free(shard, &count->slot);
	shard_unlock(shard);
	if (!is_counted)
		log_error("no shared memory for a value of the profile %.*s",
			  SPAN_ARGS(profile_name(profile)));
}

void profile_count(uint32_t profile, struct span value, int by)
{
	state.shared->changes++;
	add_to_count(profile, value, by);
}

int64_t profile_size(uint32_t profile, struct span value)
{
	if (!profile_has_value(profile) || !value.at) {
		int64_t total = state.shared->totals[profile];
		return total > 0 ? total : 0;
	}
	uint64_t hash = hash_value(profile, value);
	struct shard *shard = shard_lock(state.counts, hash);
	const struct value_count *count = find_count(shard, hash, profile, value);
	int64_t members = count ? count->members : 0;
	shard_unlock(shard);
	return members;
}

/* ---- members ---- */

static struct span member_value(const struct dialog_membership *member)
{
	return span_make(member->value, member->value_len);
}

static bool fits(const struct dialog_membership *member, uint32_t profile, struct span value)
{
	return member->profile == profile && (!value.at || !profile_has_value(profile) ||
					      span_equal(member_value(member), value));
}

bool membership_add(struct shard *shard, struct dialog *dialog, uint32_t profile, struct span value)
{
	size_t len = profile_has_value(profile) ? value.len : 0;
	struct dialog_membership *member =
		region_alloc(shard, &dialog->slot, sizeof(*member) + len);
	if (!member)
		return false;
	member->profile = profile;
	member->value_len = (uint32_t)len;
	if (len)
		memcpy(member->value, value.at, len);
	member->next = dialog->memberships;
	dialog->memberships = member;
	dialog_touch_list(dialog);
	return true;
}

bool profile_join(struct dialog_name name, uint32_t profile, struct span value)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	bool lives = dialog->state != DIALOG_DELETED;
	bool is_in = lives && membership_add(shard, dialog, profile, value);
	shard_unlock(shard);
	if (is_in)
		profile_count(profile, value, 1);
	else if (lives)
		log_error("no shared memory for a member of the profile %.*s",
			  SPAN_ARGS(profile_name(profile)));
	return is_in;
}

/* Unlinks the first member that fits and copies its value. Lock held. */
static bool unlink_member(struct shard *shard, struct dialog *dialog, uint32_t profile,
			  struct span value, struct arena *arena, struct span *out_value)
{
	struct dialog_membership **link = &dialog->memberships;
	while (*link && !fits(*link, profile, value))
		link = &(*link)->next;
	struct dialog_membership *member = *link;
	if (!member)
		return false;
	*out_value = arena_copy(arena, member_value(member));
	*link = member->next;
	dialog_touch_list(dialog);
	region_free(shard, &dialog->slot, member);
	return true;
}

bool profile_leave(struct dialog_name name, uint32_t profile, struct span value)
{
	struct arena arena;
	struct shard *shard;
	struct span left = { NULL, 0 };
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	arena_init(&arena, 512, 1 << 20);
	bool was_in = unlink_member(shard, dialog, profile, value, &arena, &left);
	shard_unlock(shard);
	if (was_in)
		profile_count(profile, left, -1);
	arena_free(&arena);
	return was_in;
}

bool profile_has(struct dialog_name name, uint32_t profile, struct span value)
{
	struct shard *shard;
	const struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	const struct dialog_membership *member = dialog->memberships;
	while (member && !fits(member, profile, value))
		member = member->next;
	shard_unlock(shard);
	return member != NULL;
}

bool view_is_in(const struct dialog_view *view, uint32_t profile, struct span value)
{
	for (unsigned i = 0; i < view->membership_count; i++)
		if (view->memberships[i].profile == profile &&
		    (!value.at || !profile_has_value(profile) ||
		     span_equal(view->memberships[i].value, value)))
			return true;
	return false;
}

void profiles_leave_all(struct dialog_name name)
{
	struct arena arena;
	struct shard *shard;
	bool is_out = true;
	arena_init(&arena, 1024, 1 << 20);
	for (uint32_t profile = 0; profile < state.count;) {
		struct span value = { NULL, 0 };
		struct dialog *dialog = dialog_lock(name, &shard);
		if (!dialog)
			break;
		is_out = !dialog->memberships ||
			 !unlink_member(shard, dialog, profile, (struct span){ NULL, 0 }, &arena,
					&value);
		bool is_last = !dialog->memberships;
		shard_unlock(shard);
		if (!is_out)
			profile_count(profile, value, -1);
		else
			profile++;
		if (is_last)
			break;
	}
	arena_free(&arena);
}

/* ---- members of other servers ---- */

bool remote_add(uint32_t profile, struct span value, struct span uid, int64_t expires_wall_s)
{
	uint64_t hash = hash_span(uid);
	struct shard *shard = shard_lock(state.remotes, hash);
	struct remote_member *member = slot_new(shard, hash);
	bool is_made = false;
	if (member) {
		member->profile = profile;
		member->value = new_text(shard, &member->slot, value);
		member->uid = new_text(shard, &member->slot, uid);
		is_made = member->value && member->uid;
		if (is_made)
			slot_publish(shard, &member->slot);
		else
			slot_free(shard, &member->slot);
	}
	if (is_made && expires_wall_s > 0)
		timer_arm(shard, &member->slot, 0, clock_ms_from_wall_s(expires_wall_s));
	shard_unlock(shard);
	if (is_made)
		profile_count(profile, value, 1);
	return is_made;
}

/* Copies the value and frees the member; lock held. */
static struct span free_remote(struct shard *shard, struct remote_member *member,
			       struct arena *arena)
{
	struct span value = arena_copy(arena, text_span(member->value));
	slot_free(shard, &member->slot);
	return value;
}

bool remote_remove(uint32_t profile, struct span value, struct span uid)
{
	uint64_t hash = hash_span(uid);
	struct shard *shard = shard_lock(state.remotes, hash);
	struct remote_member *member = slot_first(shard, hash);
	while (member && (member->profile != profile || !span_equal(text_span(member->uid), uid) ||
			  !span_equal(text_span(member->value), value)))
		member = slot_next(shard, &member->slot);
	if (member)
		slot_free(shard, &member->slot);
	shard_unlock(shard);
	if (member)
		profile_count(profile, value, -1);
	return member != NULL;
}

static void expire_remotes(unsigned number)
{
	struct timer_due due[16];
	unsigned count;
	do {
		struct arena arena;
		struct span values[16];
		uint32_t profiles[16];
		unsigned freed = 0;
		arena_init(&arena, 1024, 1 << 20);
		struct shard *shard = shard_lock_number(state.remotes, number);
		count = wheel_collect(shard, clock_ms(), due, 16);
		for (unsigned i = 0; i < count; i++) {
			struct remote_member *member = (struct remote_member *)due[i].slot;
			profiles[freed] = member->profile;
			values[freed++] = free_remote(shard, member, &arena);
		}
		shard_unlock(shard);
		for (unsigned i = 0; i < freed; i++)
			profile_count(profiles[i], values[i], -1);
		arena_free(&arena);
	} while (count == 16);
}

/* ---- after a death ---- */

static void forget_counts(void)
{
	for (unsigned i = 0; i < PROFILES_MOST; i++)
		state.shared->totals[i] = 0;
	for (unsigned i = 0; i < shard_count(state.counts); i++) {
		uint32_t position = 0;
		struct value_count *count;
		struct shard *shard = shard_lock_number(state.counts, i);
		while ((count = slot_each(shard, &position)))
			slot_free(shard, &count->slot);
		shard_unlock(shard);
	}
}

static void count_dialogs(void)
{
	struct dialog_cursor cursor = { 0 };
	struct dialog_view view;
	struct arena arena;
	arena_init(&arena, 8192, 1 << 24);
	while (dialog_next(&cursor, &arena, &view)) {
		for (unsigned i = 0; i < view.membership_count; i++)
			add_to_count(view.memberships[i].profile, view.memberships[i].value, 1);
		arena_clear(&arena);
	}
	arena_free(&arena);
}

static void count_remotes(void)
{
	for (unsigned i = 0; i < shard_count(state.remotes); i++) {
		uint32_t position = 0;
		for (;;) {
			struct arena arena;
			arena_init(&arena, 512, 1 << 20);
			struct shard *shard = shard_lock_number(state.remotes, i);
			const struct remote_member *member = slot_each(shard, &position);
			uint32_t profile = member ? member->profile : 0;
			struct span value = { NULL, 0 };
			if (member)
				value = arena_copy(&arena, text_span(member->value));
			shard_unlock(shard);
			if (member)
				add_to_count(profile, value, 1);
			arena_free(&arena);
			if (!member)
				break;
		}
	}
}

/* Members that come and go meanwhile may be counted twice or not at all. */
static void count_again(void)
{
	uint64_t changes = state.shared->changes;
	forget_counts();
	count_dialogs();
	count_remotes();
	state.shared->is_doubtful = changes != state.shared->changes;
}

static void count_when_quiet(void)
{
	static uint64_t seen;
	static int64_t quiet_since_ms;
	uint64_t changes = state.shared->changes;
	if (changes != seen || !quiet_since_ms) {
		seen = changes;
		quiet_since_ms = clock_ms();
	} else if (clock_ms() - quiet_since_ms >= QUIET_MS) {
		count_again();
	}
}

void profiles_tick(void)
{
	uint64_t incarnations = 0;
	if (!state.count)
		return;
	for (unsigned i = 0; i < shard_count(state.remotes); i++)
		if (shard_next_deadline(state.remotes, i) <= clock_ms())
			expire_remotes(i);
	for (unsigned i = 0; i < worker_count(); i++)
		incarnations += worker_incarnation(i);
	if (incarnations == state.shared->incarnations) {
		if (state.shared->is_doubtful)
			count_when_quiet();
		return;
	}
	bool is_start = !state.shared->incarnations;
	state.shared->incarnations = incarnations;
	if (is_start)
		return;
	count_again();
	state.shared->is_doubtful = true; /* somebody may have left and not yet said so */
}
