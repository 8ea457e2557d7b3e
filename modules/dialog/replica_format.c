/* SPDX-License-Identifier: BSD-2-Clause */
/* The messages of the channel, as Kamailio writes them:
 *
 *   {"action":1,"h_entry":7,"h_id":9,"init_ts":1700000000,"callid":"…","from_uri":"…","to_uri":"…",
 *    "req_uri":"…","tag1":"…","cseq1":"1","route_set1":"","contact1":"sip:…","vars":{"name":"value"},
 *    "profiles":"{\"profiles\":[{\"name\":\"caller\",\"value\":\"alice\",\"puid\":\"…\"}]}","state":1}
 *   {"action":2,"h_entry":7,"h_id":9,"state":4,"start_ts":…,"lifetime":600,"tag1":…,"tag2":…}
 *   {"action":2,"h_entry":7,"h_id":9,"state":5}
 *   {"action":3,"h_entry":7,"h_id":9}
 *   {"action":4}
 *
 * An update holds what a state message holds, too, once the call rings. */
#include "modules/dialog/replica.h"

/* ---- reading -------------------------------------------------------------------------------------------- */

static bool read_number(const struct json_value *object, const char *name, int64_t *out)
{
	const struct json_value *member = json_member(object, name);
	if (!member || member->kind != JSON_INT || member->number < 0)
		return false;
	*out = member->number;
	return true;
}

static bool read_uint32(const struct json_value *object, const char *name, uint32_t *out)
{
	int64_t number;
	if (!read_number(object, name, &number) || number > UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	return true;
}

static struct span read_text(const struct json_value *object, const char *name)
{
	const struct json_value *member = json_member(object, name);
	return member && member->kind == JSON_TEXT ? member->text : (struct span){ NULL, 0 };
}

static void read_leg(const struct json_value *object, unsigned number, struct leg_view *out)
{
	static const char *const names[LEGS][4] = { { "tag1", "contact1", "route_set1", "cseq1" },
						    { "tag2", "contact2", "route_set2", "cseq2" } };
	uint32_t cseq;
	out->tag = read_text(object, names[number][0]);
	out->contact = read_text(object, names[number][1]);
	out->route_set = read_text(object, names[number][2]);
	if (span_to_uint32(read_text(object, names[number][3]), &cseq))
		out->cseq = cseq;
}

static bool read_details(const struct json_value *object, struct replica_message *out)
{
	int64_t state = 0;
	if (read_number(object, "state", &state) && (state < 1 || state > DIALOG_DELETED))
		return false;
	out->state = (enum dialog_state)state;
	out->has_life = read_number(object, "lifetime", &out->lifetime_s) && out->lifetime_s > 0 &&
			out->lifetime_s <= INT32_MAX;
	out->has_iflags = read_uint32(object, "iflags", &out->iflags);
	(void)read_number(object, "start_ts", &out->confirmed_s);
	(void)read_number(object, "init_ts", &out->created_s);
	if (out->created_s > UINT32_MAX || out->confirmed_s > UINT32_MAX)
		return false;
	for (unsigned i = 0; i < LEGS; i++)
		read_leg(object, i, &out->legs[i]);
	return true;
}

bool replica_read(struct span body, struct arena *arena, struct replica_message *out)
{
	const char *error;
	size_t at;
	int64_t action;
	struct replica_message message = { .h_entry = 0 };
	const struct json_value *root = json_parse(body, arena, &error, &at);
	if (!root || root->kind != JSON_OBJECT || !read_number(root, "action", &action) ||
	    action < REPLICA_UPDATE || action > REPLICA_SYNC)
		return false;
	message.action = (enum replica_action)action;
	if (message.action != REPLICA_SYNC && (!read_uint32(root, "h_entry", &message.h_entry) ||
					       !read_uint32(root, "h_id", &message.h_id) ||
					       !message.h_id || !read_details(root, &message)))
		return false;
	message.call_id = read_text(root, "callid");
	message.from_uri = read_text(root, "from_uri");
	message.to_uri = read_text(root, "to_uri");
	message.request_uri = read_text(root, "req_uri");
	message.profiles = read_text(root, "profiles");
	const struct json_value *variables = json_member(root, "vars");
	if (variables && variables->kind == JSON_OBJECT)
		message.variables = variables->first;
	*out = message;
	return message.action != REPLICA_STATE || message.state;
}

/* ---- writing --------------------------------------------------------------------------------------------- */

static void write_member(struct writer *w, const char *name, struct span text)
{
	writer_printf(w, ",\"%s\":", name);
	json_write_text(w, text.at ? text : SPAN_OF(""));
}

static void write_head(struct writer *w, enum replica_action action, const struct dialog_view *view)
{
	writer_printf(w, "{\"action\":%d,\"h_entry\":%u,\"h_id\":%u", action, view->h_entry,
		      view->h_id);
}

static void write_legs(struct writer *w, const struct dialog_view *view)
{
	for (unsigned i = 0; i < LEGS; i++) {
		const struct leg_view *leg = &view->legs[i];
		if (!leg->tag.at)
			continue;
		writer_printf(w, ",\"tag%u\":", i + 1);
		json_write_text(w, leg->tag);
		writer_printf(w, ",\"cseq%u\":\"%u\",\"route_set%u\":", i + 1, leg->cseq, i + 1);
		json_write_text(w, leg->route_set.at ? leg->route_set : SPAN_OF(""));
		writer_printf(w, ",\"contact%u\":", i + 1);
		json_write_text(w, leg->contact.at ? leg->contact : SPAN_OF(""));
	}
}

static void write_state(struct writer *w, const struct dialog_view *view)
{
	writer_printf(w, ",\"state\":%d", view->state);
	if (view->state >= DIALOG_EARLY && view->state <= DIALOG_ACTIVE)
		writer_printf(w, ",\"start_ts\":%lld,\"lifetime\":%lld",
			      (long long)(view->confirmed_us / 1000000),
			      (long long)view->lifetime_s);
}

static void write_profiles(struct writer *w, const struct dialog_view *view)
{
	struct arena arena;
	arena_init(&arena, 4096, 1 << 20);
	struct writer inner = writer_in_arena(&arena, 256);
	members_write(&inner, view);
	if (inner.failed)
		w->failed = true;
	else
		write_member(w, "profiles", writer_result(&inner));
	arena_free(&arena);
}

void replica_write_all(struct writer *w, const struct dialog_view *view, bool with_iflags)
{
	write_head(w, REPLICA_UPDATE, view);
	writer_printf(w, ",\"init_ts\":%lld", (long long)(view->created_us / 1000000));
	write_member(w, "callid", view->call_id);
	write_member(w, "from_uri", view->from_uri);
	write_member(w, "to_uri", view->to_uri);
	write_member(w, "req_uri", view->request_uri);
	write_legs(w, view);
	for (unsigned i = 0; i < view->variable_count; i++) {
		writer_span(w, i ? SPAN_OF(",") : SPAN_OF(",\"vars\":{"));
		json_write_text(w, view->variables[i].name);
		writer_char(w, ':');
		json_write_text(w, view->variables[i].value);
	}
	if (view->variable_count)
		writer_char(w, '}');
	if (view->membership_count)
		write_profiles(w, view);
	if (with_iflags)
		writer_printf(w, ",\"iflags\":%u", view->iflags);
	write_state(w, view);
	writer_char(w, '}');
}

void replica_write_state(struct writer *w, const struct dialog_view *view)
{
	write_head(w, REPLICA_STATE, view);
	write_state(w, view);
	if (view->state < DIALOG_DELETED)
		write_legs(w, view);
	writer_char(w, '}');
}
