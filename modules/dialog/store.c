/* SPDX-License-Identifier: BSD-2-Clause */
/* Where dialogs are: slots by the hash of the Call-ID, their texts and variables in the slot's region. */
#include "core/shm/map.h"
#include "modules/dialog/replica.h"

#define SHARDS 64

/* In shared memory. */
struct store_shared {
	_Atomic uint32_t next_id;
};

static struct {
	struct shard_set *set;
	struct store_shared *shared;
} store;

static bool is_shared(const void *at)
{
	return !at || shm_contains(at);
}

static bool verify(const void *slot)
{
	const struct dialog *dialog = slot;
	return dialog->call_id && shm_contains(dialog->call_id) &&
	       dialog->state >= DIALOG_UNCONFIRMED && dialog->state <= DIALOG_DELETED &&
	       is_shared(dialog->variables) && is_shared(dialog->memberships);
}

static const struct shard_type dialog_type = {
	.name = "dialog",
	.slot_size = sizeof(struct dialog),
	.timer_count = 1,
	.timer_grace_ms = 2000, /* a worker that dies over the end of a dialog leaves it to the next */
	.verify = verify,
};

bool store_prepare(void)
{
	store.set = shard_set_new(&dialog_type, SHARDS);
	store.shared = shm_reserve(sizeof(*store.shared), "dialog");
	if (!store.set || !store.shared)
		return false;
	store.shared->next_id = random_below(10000) + 1;
	return true;
}

struct shard_set *store_set(void)
{
	return store.set;
}

struct dialog *dialog_lock(struct dialog_name name, struct shard **out_shard)
{
	if (!name.generation || name.shard >= shard_count(store.set))
		return NULL;
	struct shard *shard = shard_lock_number(store.set, name.shard);
	struct dialog *dialog = slot_at(shard, name.slot, name.generation);
	if (!dialog)
		shard_unlock(shard);
	*out_shard = shard;
	return dialog;
}

/* ---- texts and variables: the lock is held ---- */

static struct text *text_new(struct shard *shard, struct dialog *dialog, struct span s)
{
	struct text *text = region_alloc(shard, &dialog->slot, sizeof(*text) + s.len);
	if (!text)
		return NULL;
	text->len = (uint32_t)s.len;
	memcpy(text->bytes, s.at, s.len);
	return text;
}

bool text_set(struct shard *shard, struct dialog *dialog, const struct text **place,
	      struct span text)
{
	const struct text *old = *place, *copy = NULL;
	if (text.at && old && span_equal(text, text_span(old)))
		return true;
	if (text.at) {
		copy = text_new(shard, dialog, text);
		if (!copy)
			return false;
	}
	*place = copy;
	dialog_touch(dialog);
	region_free(shard, &dialog->slot, (void *)(uintptr_t)old);
	return true;
}

static struct span variable_key(const struct dialog_variable *variable)
{
	return span_make(variable->bytes, variable->key_len);
}

static struct span variable_value(const struct dialog_variable *variable)
{
	return span_make(variable->bytes + variable->key_len, variable->value_len);
}

/* A new block takes the place of the old one by one store. */
bool variable_put(struct shard *shard, struct dialog *dialog, struct span key, struct span value)
{
	struct dialog_variable **link = &dialog->variables, *fresh = NULL;
	while (*link && !span_equal(variable_key(*link), key))
		link = &(*link)->next;
	struct dialog_variable *old = *link;
	if (value.at) {
		fresh = region_alloc(shard, &dialog->slot, sizeof(*fresh) + key.len + value.len);
		if (!fresh)
			return false;
		fresh->key_len = (uint32_t)key.len;
		fresh->value_len = (uint32_t)value.len;
		memcpy(fresh->bytes, key.at, key.len);
		memcpy(fresh->bytes + key.len, value.at, value.len);
		fresh->next = old ? old->next : dialog->variables;
		if (!old)
			link = &dialog->variables;
		*link = fresh;
	} else if (old) {
		*link = old->next;
	}
	dialog_touch_list(dialog);
	region_free(shard, &dialog->slot, old);
	return true;
}

bool dialog_set_variable(struct dialog_name name, struct span key, struct span value)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	bool is_set = variable_put(shard, dialog, key, value);
	shard_unlock(shard);
	if (!is_set)
		log_error("no shared memory for the dialog variable %.*s; start with a larger -m",
			  SPAN_ARGS(key));
	return is_set;
}

bool dialog_get_variable(struct dialog_name name, struct span key, struct arena *arena,
			 struct span *out_value)
{
	struct shard *shard;
	const struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	const struct dialog_variable *variable = dialog->variables;
	while (variable && !span_equal(variable_key(variable), key))
		variable = variable->next;
	struct span value = { NULL, 0 };
	if (variable)
		value = arena_copy(arena, variable_value(variable));
	shard_unlock(shard);
	if (value.at)
		*out_value = value;
	return value.at != NULL;
}

/* ---- time ---- */

/* The monotonic time `seconds` after a moment of the wall clock. */
static int64_t seconds_after(int64_t since_us, int64_t seconds)
{
	int64_t past_ms = (clock_wall_us() - since_us) / 1000;
	return clock_ms() + seconds * 1000 - (past_ms > 0 ? past_ms : 0);
}

void dialog_arm(struct shard *shard, struct dialog *dialog)
{
	int64_t due = INT64_MAX;
	switch ((enum dialog_state)dialog->state) {
	case DIALOG_UNCONFIRMED:
	case DIALOG_EARLY:
		due = seconds_after(dialog->created_us, dialog_settings->early_timeout);
		break;
	case DIALOG_UNACKED:
		if (!dialog->is_unacked_long)
			due = seconds_after(dialog->confirmed_us, dialog_settings->noack_timeout);
		due = clock_earlier_if_set(due, dialog->expires_ms);
		break;
	case DIALOG_ACTIVE:
		due = clock_earlier_if_set(due, dialog->expires_ms);
		due = clock_earlier_if_set(due, dialog->keepalive_ms);
		break;
	case DIALOG_DELETED: return; /* dialog_delete and who tells the end arm it */
	}
	if (due == INT64_MAX)
		timer_disarm(shard, &dialog->slot, TIMER);
	else
		timer_arm(shard, &dialog->slot, TIMER, due);
}

/* ---- changes by the script ---- */

bool dialog_set_lifetime(struct dialog_name name, int64_t seconds)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	dialog->lifetime_s = seconds;
	dialog_touch(dialog);
	if (dialog->state == DIALOG_UNACKED || dialog->state == DIALOG_ACTIVE)
		dialog->expires_ms = clock_ms() + seconds * 1000;
	dialog_arm(shard, dialog);
	shard_unlock(shard);
	return true;
}

bool dialog_set_timeout_route(struct dialog_name name, struct span route)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	bool is_set = text_set(shard, dialog, &dialog->timeout_route,
			       route.len ? route : (struct span){ NULL, 0 });
	shard_unlock(shard);
	if (!is_set)
		log_error("no shared memory for the timeout route of a dialog");
	return is_set;
}

static void start_keepalive(struct shard *shard, struct dialog *dialog)
{
	if (dialog->state != DIALOG_ACTIVE || dialog->keepalive_ms ||
	    !(dialog->iflags & (IFLAG_KEEPALIVE_CALLER | IFLAG_KEEPALIVE_CALLEE)))
		return;
	dialog->keepalive_ms = clock_ms() + dialog_settings->ka_interval * 1000;
	dialog_arm(shard, dialog);
}

bool dialog_set_iflags(struct dialog_name name, uint32_t iflags, bool is_set)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	dialog->iflags = is_set ? dialog->iflags | iflags : dialog->iflags & ~iflags;
	dialog_touch(dialog);
	if (dialog_keeps_alive())
		start_keepalive(shard, dialog);
	shard_unlock(shard);
	return true;
}

bool dialog_set_sflags(struct dialog_name name, uint32_t sflags, bool is_set)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	dialog->sflags = is_set ? dialog->sflags | sflags : dialog->sflags & ~sflags;
	dialog_touch(dialog);
	shard_unlock(shard);
	return true;
}

bool dialog_get_sflags(struct dialog_name name, uint32_t *out_sflags)
{
	struct shard *shard;
	const struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	*out_sflags = dialog->sflags;
	shard_unlock(shard);
	return true;
}

/* ---- making ---- */

struct shard *store_lock_call(struct span call_id, uint64_t *out_hash)
{
	*out_hash = hash_span(call_id);
	return shard_lock(store.set, *out_hash);
}

static uint32_t draw_id(void)
{
	uint32_t step = (uint32_t)dialog_settings->h_id_step, id = 0;
	int64_t start = dialog_settings->h_id_start < 0 ? server_id() : dialog_settings->h_id_start;
	while (!id)
		id = ((uint32_t)start + store.shared->next_id++ * step) & INT32_MAX;
	return id;
}

static bool fill_texts(struct shard *shard, struct dialog *dialog, const struct dialog_seed *seed)
{
	return text_set(shard, dialog, &dialog->call_id, seed->call_id) &&
	       text_set(shard, dialog, &dialog->from_uri, seed->from_uri) &&
	       text_set(shard, dialog, &dialog->to_uri, seed->to_uri) &&
	       text_set(shard, dialog, &dialog->request_uri, seed->request_uri) &&
	       text_set(shard, dialog, &dialog->legs[CALLER].tag, seed->from_tag) &&
	       (!seed->to_tag.len ||
		text_set(shard, dialog, &dialog->legs[CALLEE].tag, seed->to_tag));
}

struct dialog *dialog_new(struct shard *shard, uint64_t hash, const struct dialog_seed *seed)
{
	struct dialog *dialog = slot_new(shard, hash);
	if (!dialog)
		return NULL;
	if (!fill_texts(shard, dialog, seed)) {
		slot_free(shard, &dialog->slot);
		return NULL;
	}
	dialog->state = (uint8_t)seed->state;
	dialog->h_id = seed->h_id ? seed->h_id : draw_id();
	dialog->h_entry = seed->h_id ? seed->h_entry
				     : hash_portable(seed->call_id, (struct span){ NULL, 0 }) %
					       (uint32_t)dialog_settings->hash_size;
	dialog->created_us = seed->created_us;
	dialog->via_check = seed->via_check;
	return dialog;
}

/* ---- finding ---- */

enum { NO_MATCH, MATCH_ENDED, MATCH_EARLY, MATCH_TAGS, MATCH_VIA };

static bool is_tag(const struct text *text, struct span tag)
{
	return text && span_equal(text_span(text), tag);
}

/* How well the dialog fits; `out_leg` is who sends. */
static unsigned match(const struct dialog *dialog, const struct dialog_query *query,
		      enum leg_kind *out_leg)
{
	const struct text *caller = dialog->legs[CALLER].tag, *callee = dialog->legs[CALLEE].tag;
	bool is_over = dialog->state == DIALOG_DELETED;
	if ((query->only_living && is_over) ||
	    !span_equal(text_span(dialog->call_id), query->call_id) ||
	    (query->has_did && (dialog->h_entry != query->h_entry || dialog->h_id != query->h_id)))
		return NO_MATCH;
	bool is_forward = is_tag(caller, query->from_tag) &&
			  (!query->to_tag.len || !callee || is_tag(callee, query->to_tag));
	bool is_backward = !is_forward && query->to_tag.len && is_tag(caller, query->to_tag) &&
			   (!callee || is_tag(callee, query->from_tag));
	if (!is_forward && !is_backward)
		return NO_MATCH;
	*out_leg = is_forward ? CALLER : CALLEE;
	if (is_over)
		return MATCH_ENDED;
	if (query->via_check && query->via_check == dialog->via_check)
		return MATCH_VIA;
	return callee && query->to_tag.len ? MATCH_TAGS : MATCH_EARLY;
}

bool dialog_find(const struct dialog_query *query, struct dialog_name *out_name,
		 enum leg_kind *out_leg)
{
	uint64_t hash;
	unsigned best = NO_MATCH;
	struct shard *shard = store_lock_call(query->call_id, &hash);
	for (struct dialog *dialog = slot_first(shard, hash); dialog;
	     dialog = slot_next(shard, &dialog->slot)) {
		enum leg_kind leg;
		unsigned fits = match(dialog, query, &leg);
		if (fits <= best)
			continue;
		best = fits;
		*out_name = name_of(dialog);
		*out_leg = leg;
	}
	shard_unlock(shard);
	return best != NO_MATCH;
}

bool dialog_find_call(struct span call_id, struct dialog_name *out_name)
{
	uint64_t hash;
	struct shard *shard = store_lock_call(call_id, &hash);
	const struct dialog *dialog = slot_first(shard, hash);
	while (dialog && (dialog->state == DIALOG_DELETED ||
			  !span_equal(text_span(dialog->call_id), call_id)))
		dialog = slot_next(shard, &dialog->slot);
	if (dialog)
		*out_name = name_of(dialog);
	shard_unlock(shard);
	return dialog != NULL;
}

bool dialog_find_numbers(uint32_t h_entry, uint32_t h_id, struct dialog_name *out_name)
{
	if (replica_is_on())
		return numbers_find(h_entry, h_id, out_name);
	for (unsigned i = 0; i < shard_count(store.set); i++) {
		uint32_t position = 0;
		struct shard *shard = shard_lock_number(store.set, i);
		struct dialog *dialog = slot_each(shard, &position);
		while (dialog && (dialog->h_entry != h_entry || dialog->h_id != h_id))
			dialog = slot_each(shard, &position);
		if (dialog)
			*out_name = name_of(dialog);
		shard_unlock(shard);
		if (dialog)
			return true;
	}
	return false;
}

/* ---- copies ---- */

static struct span copy_text(struct arena *arena, const struct text *text, bool *is_complete)
{
	struct span copy = arena_copy(arena, text_span(text));
	if (text && !copy.at)
		*is_complete = false;
	return copy;
}

static struct span copy_span(struct arena *arena, struct span s, bool *is_complete)
{
	struct span copy = arena_copy(arena, s);
	if (s.at && !copy.at)
		*is_complete = false;
	return copy;
}

static bool copy_lists(const struct dialog *dialog, struct arena *arena, struct dialog_view *out)
{
	bool is_complete = true;
	unsigned n = 0;
	for (const struct dialog_variable *v = dialog->variables; v; v = v->next)
		out->variable_count++;
	for (const struct dialog_membership *m = dialog->memberships; m; m = m->next)
		out->membership_count++;
	out->variables = ARENA_ARRAY(arena, struct pair_view, out->variable_count + 1);
	out->memberships = ARENA_ARRAY(arena, struct pair_view, out->membership_count + 1);
	if (!out->variables || !out->memberships)
		return false;
	for (const struct dialog_variable *v = dialog->variables; v; v = v->next, n++) {
		out->variables[n].name = copy_span(arena, variable_key(v), &is_complete);
		out->variables[n].value = copy_span(arena, variable_value(v), &is_complete);
	}
	n = 0;
	for (const struct dialog_membership *m = dialog->memberships; m; m = m->next, n++) {
		out->memberships[n].profile = m->profile;
		out->memberships[n].value =
			copy_span(arena, span_make(m->value, m->value_len), &is_complete);
	}
	return is_complete;
}

bool dialog_copy(const struct dialog *dialog, struct arena *arena, struct dialog_view *out)
{
	bool is_complete = true;
	bool lives = dialog->state == DIALOG_UNACKED || dialog->state == DIALOG_ACTIVE;
	*out = (struct dialog_view){
		.name = name_of(dialog),
		.h_entry = dialog->h_entry,
		.h_id = dialog->h_id,
		.sflags = dialog->sflags,
		.iflags = dialog->iflags,
		.state = (enum dialog_state)dialog->state,
		.created_us = dialog->created_us,
		.confirmed_us = dialog->confirmed_us,
		.ended_us = dialog->ended_us,
		.lifetime_s = dialog->lifetime_s,
		.expires_wall_s =
			lives && dialog->expires_ms ? clock_wall_s_from_ms(dialog->expires_ms) : 0,
		.call_id = copy_text(arena, dialog->call_id, &is_complete),
		.from_uri = copy_text(arena, dialog->from_uri, &is_complete),
		.to_uri = copy_text(arena, dialog->to_uri, &is_complete),
		.request_uri = copy_text(arena, dialog->request_uri, &is_complete),
		.timeout_route = copy_text(arena, dialog->timeout_route, &is_complete),
	};
	for (unsigned i = 0; i < LEGS; i++) {
		const struct dialog_leg *leg = &dialog->legs[i];
		out->legs[i] = (struct leg_view){
			.tag = copy_text(arena, leg->tag, &is_complete),
			.contact = copy_text(arena, leg->contact, &is_complete),
			.route_set = copy_text(arena, leg->route_set, &is_complete),
			.socket = leg->socket,
			.cseq = leg->cseq,
		};
	}
	return copy_lists(dialog, arena, out) && is_complete;
}

bool dialog_view(struct dialog_name name, struct arena *arena, struct dialog_view *out)
{
	struct shard *shard;
	const struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	bool is_copied = dialog_copy(dialog, arena, out);
	shard_unlock(shard);
	return is_copied;
}

bool dialog_next(struct dialog_cursor *cursor, struct arena *arena, struct dialog_view *out)
{
	for (; cursor->shard < shard_count(store.set); cursor->shard++, cursor->position = 0) {
		struct shard *shard = shard_lock_number(store.set, cursor->shard);
		const struct dialog *dialog = slot_each(shard, &cursor->position);
		bool is_copied = dialog && dialog_copy(dialog, arena, out);
		shard_unlock(shard);
		if (dialog)
			return is_copied;
	}
	return false;
}
