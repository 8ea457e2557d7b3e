/* SPDX-License-Identifier: BSD-2-Clause */
/* The accounts in a shard set, found by their uuid or, which is rarer, by walking over all; and the table
 * uacreg. */
#include "modules/uac/accounts.h"

#define SHARDS        8
#define TABLE_VERSION 5
#define NUMBERS       3
#define ROWS_MOST     ((size_t)256 << 20)

const char *const account_names[ACCOUNT_TEXTS] = {
	"l_uuid",	 "l_username",	  "l_domain", "r_username", "r_domain",	    "realm",
	"auth_username", "auth_password", "auth_ha1", "auth_proxy", "contact_addr", "socket",
};

struct slotted {
	struct slot slot;
	struct account account;
};
static const struct shard_type account_type = { .name = "uac accounts",
						.slot_size = sizeof(struct slotted) };

static struct {
	struct shard_set *all;
	struct db *db; /* NULL: there are no registrations */
	struct db_statement *select_all, *select_one;
} state;

bool accounts_are_on(void)
{
	return state.db != NULL;
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static struct slotted *find(struct shard *shard, uint64_t hash, struct span uuid)
{
	for (struct slotted *one = slot_first(shard, hash); one; one = slot_next(shard, &one->slot))
		if (span_equal(one->account.texts[ACCOUNT_UUID], uuid))
			return one;
	return NULL;
}

static bool is_same(const struct account *a, const struct account *b)
{
	for (unsigned i = 0; i < ACCOUNT_TEXTS; i++)
		if (!span_equal(a->texts[i], b->texts[i]))
			return false;
	return a->expires == b->expires;
}

static struct slotted *make(struct shard *shard, uint64_t hash, const struct account *from)
{
	struct slotted *made = slot_new(shard, hash);
	bool is_good = made != NULL;
	if (!made)
		return NULL;
	made->account = *from;
	made->account.call_id = NO_SPAN;
	for (unsigned i = 0; i < ACCOUNT_TEXTS && is_good; i++) {
		struct span text = from->texts[i];
		made->account.texts[i] = text.len ? region_copy(shard, &made->slot, text) : NO_SPAN;
		is_good = !text.len || made->account.texts[i].at;
	}
	if (is_good)
		return made;
	slot_free(shard, &made->slot);
	return NULL;
}

bool account_put(const struct account *account, bool keeps_state)
{
	uint64_t hash = hash_span(account->texts[ACCOUNT_UUID]);
	struct shard *shard = shard_lock(state.all, hash);
	struct slotted *old = find(shard, hash, account->texts[ACCOUNT_UUID]);
	bool is_kept = old && keeps_state && is_same(&old->account, account);
	struct slotted *made = is_kept ? NULL : make(shard, hash, account);
	if (made) {
		slot_publish(shard, &made->slot);
		if (old)
			slot_free(shard, &old->slot);
	}
	shard_unlock(shard);
	return is_kept || made;
}

bool account_remove(struct span uuid)
{
	uint64_t hash = hash_span(uuid);
	struct shard *shard = shard_lock(state.all, hash);
	struct slotted *found = find(shard, hash, uuid);
	if (found)
		slot_free(shard, &found->slot);
	shard_unlock(shard);
	return found != NULL;
}

static bool copy(struct arena *arena, const struct account *from, struct account *out)
{
	bool is_good = true;
	*out = *from;
	for (unsigned i = 0; i < ACCOUNT_TEXTS; i++) {
		out->texts[i] = arena_copy(arena, from->texts[i]);
		is_good = is_good && (out->texts[i].at || !from->texts[i].at);
	}
	out->call_id = arena_copy(arena, from->call_id);
	return is_good;
}

static bool matches(const struct account *account, enum account_text by, struct span text,
		    struct span domain)
{
	if (!span_equal(account->texts[by], text))
		return false;
	return !domain.at || !uac_settings->reg_use_domain ||
	       span_equal_nocase(account->texts[by == ACCOUNT_LOCAL_USER ? ACCOUNT_LOCAL_DOMAIN
									 : ACCOUNT_REMOTE_DOMAIN],
				 domain);
}

bool account_find(enum account_text by, struct span text, struct span domain, struct arena *arena,
		  struct account *out)
{
	bool is_found = false;
	for (unsigned number = 0; number < shard_count(state.all) && !is_found; number++) {
		struct shard *shard = shard_lock_number(state.all, number);
		uint32_t cursor = 0;
		struct slotted *one;
		while (!is_found && (one = slot_each(shard, &cursor)))
			is_found = matches(&one->account, by, text, domain) &&
				   copy(arena, &one->account, out);
		shard_unlock(shard);
	}
	return is_found;
}

struct account *accounts_copy(struct arena *arena, unsigned *out_count)
{
	size_t room = shard_set_live(state.all) + 64;
	struct account *all = ARENA_ARRAY(arena, struct account, room);
	unsigned count = 0;
	for (unsigned number = 0; all && number < shard_count(state.all); number++) {
		struct shard *shard = shard_lock_number(state.all, number);
		uint32_t cursor = 0;
		struct slotted *one;
		while (count < room && (one = slot_each(shard, &cursor)))
			count += copy(arena, &one->account, &all[count]);
		shard_unlock(shard);
	}
	*out_count = count;
	return all;
}

bool account_change(struct span uuid, int64_t without, int64_t with, int64_t timer_wall_s)
{
	uint64_t hash = hash_span(uuid);
	struct shard *shard = shard_lock(state.all, hash);
	struct slotted *found = find(shard, hash, uuid);
	if (found) {
		found->account.flags = (found->account.flags & ~without) | with;
		if (timer_wall_s >= 0)
			found->account.timer_wall_s = timer_wall_s;
	}
	shard_unlock(shard);
	return found != NULL;
}

bool account_set_expires(struct span uuid, int64_t expires)
{
	uint64_t hash = hash_span(uuid);
	struct shard *shard = shard_lock(state.all, hash);
	struct slotted *found = find(shard, hash, uuid);
	if (found)
		found->account.expires = expires;
	shard_unlock(shard);
	return found != NULL;
}

bool account_take(struct span uuid, int64_t now_wall_s)
{
	uint64_t hash = hash_span(uuid);
	struct shard *shard = shard_lock(state.all, hash);
	struct slotted *found = find(shard, hash, uuid);
	if (found) {
		found->account.flags |= ACCOUNT_ONGOING | ACCOUNT_INIT;
		found->account.timer_wall_s = now_wall_s;
	}
	shard_unlock(shard);
	return found != NULL;
}

bool account_note_success(struct span uuid, int64_t ends_wall_s, struct span call_id, int64_t cseq)
{
	uint64_t hash = hash_span(uuid);
	struct shard *shard = shard_lock(state.all, hash);
	struct slotted *found = find(shard, hash, uuid);
	struct span kept = found && !span_equal(found->account.call_id, call_id)
				   ? region_copy(shard, &found->slot, call_id)
				   : NO_SPAN;
	if (found) {
		void *old = (void *)(uintptr_t)found->account.call_id.at;
		slot_change_begin(shard, &found->slot);
		found->account.flags = ACCOUNT_ONLINE | ACCOUNT_INIT;
		found->account.timer_wall_s = ends_wall_s;
		found->account.cseq = cseq;
		if (kept.at)
			found->account.call_id = kept;
		slot_change_end(shard, &found->slot);
		if (kept.at)
			region_free(shard, &found->slot, old);
	}
	shard_unlock(shard);
	return found != NULL;
}

/* ---- the table --------------------------------------------------------------------------------------------------------- */

static struct db_statement *prepare_select(bool is_one)
{
	struct db_column columns[ACCOUNT_TEXTS + NUMBERS];
	for (unsigned i = 0; i < ACCOUNT_TEXTS; i++)
		columns[i] = (struct db_column){ span_from(account_names[i]), DB_TEXT };
	static const char *const numbers[NUMBERS] = { "expires", "flags", "reg_delay" };
	for (unsigned i = 0; i < NUMBERS; i++)
		columns[ACCOUNT_TEXTS + i] = (struct db_column){ span_from(numbers[i]), DB_INT };
	const struct db_key key = { SPAN("l_uuid"), DB_EQUAL };
	const struct db_spec spec = { .verb = DB_SELECT,
				      .table = uac_settings->reg_db_table,
				      .columns = columns,
				      .column_count = ACCOUNT_TEXTS + NUMBERS,
				      .keys = &key,
				      .key_count = is_one ? 1 : 0 };
	return db_prepare(state.db, startup_arena(), &spec);
}

bool accounts_prepare(struct diagnostics *diagnostics)
{
	if (!db_use_optional(uac_settings->reg_db_url, "uac.reg_db_url", diagnostics,
			     module_setting_position("uac", "reg_db_url"), &state.db))
		return false;
	state.all = shard_set_new(&account_type, SHARDS);
	if (!state.db || !state.all)
		return state.all != NULL;
	if (!uac_settings->reg_contact_addr.len)
		return uac_tell(diagnostics, "reg_db_url",
				"registrations need reg_contact_addr, the host[:port] of their "
				"Contact");
	state.select_all = prepare_select(false);
	state.select_one = prepare_select(true);
	return state.select_all && state.select_one;
}

bool accounts_start(void)
{
	return !state.db ||
	       (db_need_table(state.db, "uac", uac_settings->reg_db_table, TABLE_VERSION) &&
		accounts_load());
}

static void read_row(const struct db_value *values, struct account *out)
{
	*out = (struct account){ 0 };
	for (unsigned i = 0; i < ACCOUNT_TEXTS; i++)
		out->texts[i] = values[i].kind == DB_NULL ? NO_SPAN : values[i].text;
	out->expires = values[ACCOUNT_TEXTS].number;
	out->flags = values[ACCOUNT_TEXTS + 1].number & ACCOUNT_DISABLED;
	out->delay_s = values[ACCOUNT_TEXTS + 2].number;
	out->init_wall_s = clock_wall_s();
	if (!out->delay_s && uac_settings->reg_random_delay)
		out->delay_s = random_below((uint32_t)uac_settings->reg_random_delay);
}

static bool is_listed(const struct span *uuids, unsigned count, struct span uuid)
{
	for (unsigned i = 0; i < count; i++)
		if (span_equal(uuids[i], uuid))
			return true;
	return false;
}

/* Those that are not in the table any more go. */
static void remove_others(struct arena *arena, const struct span *uuids, unsigned count)
{
	unsigned all = 0;
	struct account *accounts = accounts_copy(arena, &all);
	for (unsigned i = 0; accounts && i < all; i++)
		if (!is_listed(uuids, count, accounts[i].texts[ACCOUNT_UUID]))
			account_remove(accounts[i].texts[ACCOUNT_UUID]);
}

static bool load_rows(struct arena *arena)
{
	struct db_rows rows;
	struct account account;
	struct span *uuids = NULL;
	unsigned count = 0, room = 0;
	bool is_good = true;
	if (db_run(state.select_all, NULL, &rows) != DB_OK)
		return false;
	while (db_next(&rows)) {
		read_row(rows.values, &account);
		if (!account.texts[ACCOUNT_UUID].len)
			continue;
		if (count == room) {
			unsigned more = room ? 2 * room : 64;
			uuids = arena_grow(arena, uuids, room * sizeof(*uuids),
					   more * sizeof(*uuids));
			room = more;
		}
		is_good = is_good && uuids && account_put(&account, true);
		if (uuids)
			uuids[count++] = arena_copy(arena, account.texts[ACCOUNT_UUID]);
	}
	if (db_end(&rows) != DB_OK)
		return false;
	if (is_good)
		remove_others(arena, uuids, count);
	else
		log_error("not all accounts fit into memory; raise -m");
	return is_good;
}

bool accounts_load(void)
{
	struct arena arena;
	arena_init(&arena, (size_t)64 << 10, ROWS_MOST);
	bool is_good = load_rows(&arena);
	arena_free(&arena);
	return is_good;
}

bool accounts_load_one(struct span uuid)
{
	struct arena arena;
	const struct db_value *row = NULL, key = db_text(uuid);
	struct account account;
	arena_init(&arena, 4096, (size_t)1 << 20);
	bool is_good = db_first(state.select_one, &key, &arena, &row) == DB_OK && row;
	if (is_good) {
		read_row(row, &account);
		is_good = account_put(&account, false);
	}
	arena_free(&arena);
	return is_good;
}
