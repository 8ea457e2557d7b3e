/* SPDX-License-Identifier: BSD-2-Clause */
/* Replication: what happens to a dialog here is told to the other servers, what they tell is done here. */
#include "modules/dialog/replica.h"

#include "modules/dmq/dmq_api.h"

static struct {
	const struct dmq_api *dmq; /* NULL: off */
	struct dmq_channel channel;
	bool with_iflags;
} state;

bool replica_is_on(void)
{
	return state.dmq != NULL;
}

/* ---- telling ------------------------------------------------------------------------------------------ */

enum news { NEWS_NONE, NEWS_STATE, NEWS_ALL };

/* What the others do not know. They hear first of a dialog when the script of its INVITE has ended; or, when
 * its worker died, once it was answered. Lock held. */
static enum news take_news(struct dialog *dialog, bool is_new)
{
	bool is_unknown = dialog->told_state == 0, is_over = dialog->state == DIALOG_DELETED;
	enum news news = NEWS_NONE;
	if (is_unknown && (is_over || !(is_new || dialog->state == DIALOG_ACTIVE)))
		return NEWS_NONE;
	if (is_unknown || (dialog->has_news && !is_over))
		news = NEWS_ALL;
	else if (dialog->told_state != dialog->state)
		news = NEWS_STATE;
	dialog->told_state = dialog->state;
	dialog->has_news = false;
	return news;
}

static void broadcast(const struct dialog_view *view, enum news news)
{
	struct arena arena;
	arena_init(&arena, 2048, 1 << 20);
	struct writer w = writer_in_arena(&arena, 1024);
	if (news == NEWS_ALL)
		replica_write_all(&w, view, state.with_iflags);
	else
		replica_write_state(&w, view);
	if (w.failed || w.len > DMQ_BODY_MOST)
		log_error("the dialog of call %.*s is too large to be told to other servers",
			  SPAN_ARGS(view->call_id));
	else
		state.dmq->broadcast(&state.channel, hash_mix(view->h_entry, view->h_id) | 1,
				     writer_result(&w));
	arena_free(&arena);
}

static void spread(struct dialog_name name, bool is_new, bool again)
{
	struct arena arena;
	struct shard *shard;
	struct dialog_view view;
	struct dialog *dialog = state.dmq ? dialog_lock(name, &shard) : NULL;
	if (!dialog)
		return;
	enum news news = take_news(dialog, is_new);
	if (again && news == NEWS_NONE && dialog->told_state)
		news = NEWS_STATE;
	bool is_heard = news != NEWS_NONE && !state.dmq->is_alone();
	arena_init(&arena, 4096, 1 << 20);
	bool is_copied = is_heard && dialog_copy(dialog, &arena, &view);
	shard_unlock(shard);
	if (is_copied)
		broadcast(&view, news);
	else if (is_heard)
		log_error("no memory to tell other servers of a dialog");
	arena_free(&arena);
}

void replica_tell(struct dialog_name name)
{
	spread(name, false, false);
}

void replica_tell_new(struct dialog_name name)
{
	spread(name, true, false);
}

void replica_tell_life(struct dialog_name name)
{
	spread(name, false, true);
}

/* ---- telling everything ---------------------------------------------------------------------------------- */

static void write_row(struct writer *w, const void *row, unsigned index)
{
	(void)index;
	replica_write_all(w, row, state.with_iflags);
}

static bool send_dialogs(struct dmq_stream *stream)
{
	struct dialog_cursor cursor = { 0 };
	struct dialog_view view;
	struct arena arena;
	bool is_good = true;
	arena_init(&arena, 8192, 1 << 24);
	while (is_good && dialog_next(&cursor, &arena, &view)) {
		if (view.state != DIALOG_DELETED)
			is_good = state.dmq->stream_add(stream, write_row, &view);
		arena_clear(&arena);
	}
	arena_free(&arena);
	return is_good;
}

static bool sync_start(struct dmq_node to)
{
	const struct dmq_stream stream = {
		.channel = &state.channel, .to = to, .rows_most = 1, .produce = send_dialogs
	};
	return state.dmq->stream_start(&stream);
}

/* ---- hearing: lock held ----------------------------------------------------------------------------------- */

static bool take_leg(struct shard *shard, struct dialog *dialog, unsigned number,
		     const struct leg_view *told)
{
	struct dialog_leg *leg = &dialog->legs[number];
	if (told->cseq)
		leg->cseq = told->cseq;
	return (!told->tag.len || text_set(shard, dialog, &leg->tag, told->tag)) &&
	       (!told->contact.len || text_set(shard, dialog, &leg->contact, told->contact)) &&
	       (!told->route_set.len || text_set(shard, dialog, &leg->route_set, told->route_set));
}

/* What is told of the end of its life is as old as the answer; a state is told when it begins. */
static void take_life(struct dialog *dialog, const struct replica_message *message)
{
	int64_t ends_s = message->confirmed_s + message->lifetime_s;
	if (!message->has_life)
		return;
	dialog->lifetime_s = message->lifetime_s;
	if (message->confirmed_s)
		dialog->confirmed_us = message->confirmed_s * 1000000;
	if (message->action == REPLICA_UPDATE && ends_s > clock_wall_s())
		dialog->expires_ms = clock_ms_from_wall_s(ends_s);
	else
		dialog->expires_ms = clock_ms() + message->lifetime_s * 1000;
}

/* A state never goes back. Gives the one before. */
static enum dialog_state take_state(struct shard *shard, struct dialog *dialog,
				    const struct replica_message *message)
{
	enum dialog_state before = (enum dialog_state)dialog->state;
	if (message->state > before && message->state < DIALOG_DELETED)
		dialog->state = (uint8_t)message->state;
	dialog->told_state = dialog->state;
	if (dialog->state != DIALOG_DELETED)
		dialog_arm(shard, dialog);
	return before;
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

/* Who serves the call tells events and writes records. */
static void end_quietly(struct dialog_name name)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	bool lives = dialog->state != DIALOG_DELETED;
	if (lives) {
		dialog_delete(shard, dialog, 0);
		dialog->told_state = DIALOG_DELETED;
	}
	shard_unlock(shard);
	if (lives)
		tell_owed(name, NULL);
}

static void put_variables(struct dialog_name name, const struct json_value *variable)
{
	for (; variable; variable = variable->next)
		if (variable->kind == JSON_TEXT)
			(void)dialog_set_variable(name, variable->name, variable->text);
}

/* The lists that were told take the place of those that there are. */
static void take_lists(struct dialog_name name, const struct replica_message *message,
		       struct arena *arena)
{
	struct shard *shard;
	put_variables(name, message->variables);
	if (message->profiles.at) {
		profiles_leave_all(name);
		members_join(name, message->profiles, arena);
	}
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	dialog->has_news = false;
	shard_unlock(shard);
}

static bool make(const struct replica_message *message, uint64_t origin, struct arena *arena)
{
	uint64_t hash;
	struct dialog_name name = { 0 };
	const struct dialog_seed seed = {
		.call_id = message->call_id,
		.from_uri = message->from_uri.at ? message->from_uri : SPAN_OF(""),
		.to_uri = message->to_uri.at ? message->to_uri : SPAN_OF(""),
		.request_uri = message->request_uri.at ? message->request_uri : SPAN_OF(""),
		.from_tag = message->legs[CALLER].tag,
		.h_entry = message->h_entry,
		.h_id = message->h_id,
		.state = DIALOG_UNCONFIRMED,
		.created_us = (message->created_s ? message->created_s : clock_wall_s()) * 1000000,
	};
	if (message->state == DIALOG_DELETED)
		return true;
	if (!seed.call_id.len || !seed.from_tag.len)
		return false;
	struct shard *shard = store_lock_call(seed.call_id, &hash);
	struct dialog *dialog = dialog_new(shard, hash, &seed);
	bool is_made = dialog != NULL;
	for (unsigned i = 0; i < LEGS && is_made; i++)
		is_made = take_leg(shard, dialog, i, &message->legs[i]);
	if (is_made) {
		name = name_of(dialog);
		dialog->origin = origin;
		dialog->lifetime_s = dialog_settings->default_timeout;
		dialog->expires_ms = clock_ms() + dialog->lifetime_s * 1000;
		if (state.with_iflags && message->has_iflags)
			dialog->iflags = message->iflags;
		take_life(dialog, message);
		slot_publish(shard, &dialog->slot);
		(void)take_state(shard, dialog, message);
	} else if (dialog) {
		slot_free(shard, &dialog->slot);
	}
	shard_unlock(shard);
	if (!is_made || !numbers_add(seed.h_entry, seed.h_id, name)) {
		log_error("no shared memory for a dialog of another server");
		return false;
	}
	dialog_count_change(DIALOG_UNCONFIRMED, message->state ? message->state : seed.state);
	take_lists(name, message, arena);
	return true;
}

static void change(struct dialog_name name, const struct replica_message *message,
		   struct arena *arena)
{
	struct shard *shard;
	bool is_complete = true;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return;
	bool is_ours = !dialog->origin, is_over = dialog->state == DIALOG_DELETED;
	if (is_over || (is_ours && message->action == REPLICA_UPDATE)) {
		shard_unlock(shard);
		return; /* we know better */
	}
	for (unsigned i = 0; i < LEGS && !is_ours; i++)
		is_complete = take_leg(shard, dialog, i, &message->legs[i]) && is_complete;
	if (!is_ours)
		take_life(dialog, message);
	enum dialog_state before = take_state(shard, dialog, message);
	enum dialog_state now = (enum dialog_state)dialog->state;
	shard_unlock(shard);
	dialog_count_change(before, now);
	if (!is_complete)
		log_error("no shared memory for a dialog of another server");
	if (message->action == REPLICA_UPDATE)
		take_lists(name, message, arena);
}

static uint64_t origin_of(struct span uri)
{
	struct sip_uri parsed;
	return uri_parse(uri, &parsed) ? hash_span_nocase(parsed.hostport) | 1 : 1;
}

static bool apply(const struct replica_message *message, const struct dmq_message *from,
		  struct arena *arena)
{
	struct dialog_name name;
	if (message->action == REPLICA_SYNC)
		return sync_start(from->from);
	bool is_known = numbers_find(message->h_entry, message->h_id, &name);
	if (message->action == REPLICA_REMOVE || message->state == DIALOG_DELETED) {
		if (is_known)
			end_quietly(name);
	} else if (is_known) {
		change(name, message, arena);
	} else if (message->action == REPLICA_UPDATE) {
		return make(message, origin_of(from->from_uri), arena);
	}
	return true;
}

static void receive(const struct dmq_message *message, struct arena *arena,
		    struct dmq_answer *answer)
{
	struct replica_message told;
	if (!replica_read(message->body, arena, &told)) {
		log_info("a message of another server is none about dialogs");
		*answer = (struct dmq_answer){ .code = 400, .reason = SPAN("Bad Request") };
	} else if (!apply(&told, message, arena)) {
		*answer =
			(struct dmq_answer){ .code = 500, .reason = SPAN("Server Internal Error") };
	}
}

/* ---- a node that is gone ------------------------------------------------------------------------------------ */

#define DROPPED_AT_ONCE 64

/* Names of dialogs of that origin in a shard; returns how many there are in `out`. */
static unsigned find_of(uint64_t origin, unsigned number, struct dialog_name out[DROPPED_AT_ONCE])
{
	unsigned count = 0;
	uint32_t position = 0;
	struct shard *shard = shard_lock_number(store_set(), number);
	const struct dialog *dialog;
	while (count < DROPPED_AT_ONCE && (dialog = slot_each(shard, &position)))
		if (dialog->origin == origin && dialog->state != DIALOG_DELETED)
			out[count++] = name_of(dialog);
	shard_unlock(shard);
	return count;
}

unsigned replica_drop(struct span node_uri)
{
	struct dialog_name names[DROPPED_AT_ONCE];
	uint64_t origin = origin_of(node_uri);
	unsigned dropped = 0, count;
	for (unsigned i = 0; i < shard_count(store_set()); i++)
		do {
			count = find_of(origin, i, names);
			for (unsigned j = 0; j < count; j++)
				end_quietly(names[j]);
			dropped += count;
		} while (count == DROPPED_AT_ONCE);
	return dropped;
}

/* ---- start ---------------------------------------------------------------------------------------------------- */

bool replica_prepare(const void *dmq, struct span channel, bool with_iflags)
{
	const struct dmq_api *api = dmq_wanted(dmq);
	if (!api)
		return false;
	state.channel = (struct dmq_channel){ .name = channel,
					      .content_type = SPAN_OF("application/json"),
					      .receive = receive,
					      .greeting = SPAN_OF("{\"action\":4}") };
	state.with_iflags = with_iflags;
	if (!numbers_prepare() || !api->join(&state.channel))
		return false;
	state.dmq = api;
	return true;
}
