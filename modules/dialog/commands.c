/* SPDX-License-Identifier: BSD-2-Clause */
/* dlg.*: what administrators see and do. */
#include "modules/dialog/bridge.h"

#include "core/rpc/json.h"

#include <errno.h>
#include <stdio.h>

/* ---- one dialog as a struct ---- */

static void add_span(struct rpc_call *call, struct rpc_node *node, const char *name,
		     struct span text)
{
	rpc_add_text(call, node, name, text.at ? text : SPAN_OF(""));
}

static void add_leg(struct rpc_call *call, struct rpc_node *parent, const char *name,
		    const struct leg_view *leg)
{
	struct rpc_node *node = rpc_add_struct(call, parent, name);
	add_span(call, node, "tag", leg->tag);
	add_span(call, node, "contact", leg->contact);
	rpc_add_printf(call, node, "cseq", "%u", leg->cseq);
	add_span(call, node, "route_set", leg->route_set);
	add_span(call, node, "socket", leg->socket ? leg->socket->text : SPAN_OF(""));
}

/* Names of members are the operator's: they are copied to be zero-terminated. */
static void add_pair(struct rpc_call *call, struct rpc_node *list, struct span name,
		     struct span value)
{
	const char *text = arena_string(rpc_arena(call), name);
	add_span(call, rpc_add_struct(call, list, NULL), text ? text : "", value);
}

static int64_t seconds(int64_t us)
{
	return us / 1000000;
}

static int64_t duration(const struct dialog_view *view)
{
	int64_t until_us = view->ended_us ? view->ended_us : clock_wall_us_now();
	return view->confirmed_us ? seconds(until_us) - seconds(view->confirmed_us) : 0;
}

static void add_dialog(struct rpc_call *call, const struct dialog_view *view)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "h_entry", view->h_entry);
	rpc_add_int(call, node, "h_id", view->h_id);
	rpc_add_int(call, node, "ref", 1);
	add_span(call, node, "call-id", view->call_id);
	add_span(call, node, "from_uri", view->from_uri);
	add_span(call, node, "to_uri", view->to_uri);
	rpc_add_int(call, node, "state", view->state);
	rpc_add_int(call, node, "start_ts", seconds(view->confirmed_us));
	rpc_add_int(call, node, "init_ts", seconds(view->created_us));
	rpc_add_int(call, node, "end_ts", seconds(view->ended_us));
	rpc_add_int(call, node, "duration", duration(view));
	rpc_add_int(call, node, "timeout", view->expires_wall_s);
	rpc_add_int(call, node, "lifetime", view->lifetime_s);
	rpc_add_int(call, node, "dflags", 0);
	rpc_add_int(call, node, "sflags", view->sflags);
	rpc_add_int(call, node, "iflags", view->iflags);
	add_leg(call, node, "caller", &view->legs[CALLER]);
	add_leg(call, node, "callee", &view->legs[CALLEE]);
	struct rpc_node *list = rpc_add_array(call, node, "profiles");
	for (unsigned i = 0; i < view->membership_count; i++) {
		const struct pair_view *member = &view->memberships[i];
		if (profile_has_value(member->profile))
			add_pair(call, list, profile_name(member->profile), member->value);
		else
			rpc_add_text(call, list, NULL, profile_name(member->profile));
	}
	list = rpc_add_array(call, node, "variables");
	for (unsigned i = 0; i < view->variable_count; i++)
		add_pair(call, list, view->variables[i].name, view->variables[i].value);
}

/* ---- lists ---- */

/* Calls `add` for the dialogs that `wants`, at most `most` (0: all). */
struct selection {
	bool (*wants)(const struct selection *selection, const struct dialog_view *view);
	struct span text, tag;
	int64_t number;
	uint32_t profile;
	const struct pattern *pattern;
	unsigned key, op;
};

static void list(struct rpc_call *call, const struct selection *selection, int64_t most)
{
	struct dialog_cursor cursor = { 0 };
	struct dialog_view view;
	struct arena arena;
	int64_t count = 0;
	arena_init(&arena, 8192, 1 << 24);
	while ((!most || count < most) && dialog_next(&cursor, &arena, &view)) {
		if (!selection->wants || selection->wants(selection, &view)) {
			add_dialog(call, &view);
			count++;
		}
		arena_clear(&arena);
	}
	arena_free(&arena);
}

static void run_list(struct rpc_call *call)
{
	list(call, &(struct selection){ 0 }, 0);
}

static bool is_of_call(const struct selection *selection, const struct dialog_view *view)
{
	return span_equal(view->call_id, selection->text) &&
	       (!selection->tag.at || span_equal(view->legs[CALLER].tag, selection->tag));
}

static void run_dialog(struct rpc_call *call)
{
	struct selection selection = { .wants = is_of_call };
	if (!rpc_need_text(call, 0, "callid", &selection.text))
		return;
	(void)!rpc_arg_text(call, 1, &selection.tag);
	list(call, &selection, 1);
}

enum { KEY_RURI, KEY_FURI, KEY_TURI, KEY_CALLID, KEY_START };
enum { OP_EQ, OP_RE, OP_SW, OP_GT, OP_LT };
static const char *const keys[] = { "ruri", "furi", "turi", "callid", "start_ts" };
static const char *const operators[] = { "eq", "re", "sw", "gt", "lt" };

static unsigned find_word(const char *const *words, unsigned count, struct span word)
{
	unsigned i = 0;
	while (i < count && !span_equal(word, span_from(words[i])))
		i++;
	return i;
}

static bool matches(const struct selection *s, const struct dialog_view *view)
{
	const struct span texts[] = { view->request_uri, view->from_uri, view->to_uri,
				      view->call_id };
	int64_t start_s = seconds(view->confirmed_us);
	if (s->key == KEY_START)
		return s->op == OP_EQ   ? start_s == s->number
		       : s->op == OP_GT ? start_s > s->number
					: start_s < s->number;
	struct span text = texts[s->key];
	switch (s->op) {
	case OP_EQ: return span_equal(text, s->text);
	case OP_SW: return span_starts_with(text, s->text);
	default: return pattern_search(s->pattern, text, 0, NULL, 0);
	}
}

static bool read_match(struct rpc_call *call, struct selection *s)
{
	struct span key, word;
	if (!rpc_arg_text(call, 0, &key) || !rpc_arg_text(call, 1, &word) ||
	    !rpc_arg_text(call, 2, &s->text)) {
		rpc_fault(call, 500, "Invalid parameters");
		return false;
	}
	s->key = find_word(keys, ARRAY_SIZE(keys), key);
	s->op = find_word(operators, ARRAY_SIZE(operators), word);
	if (s->key == ARRAY_SIZE(keys)) {
		rpc_fault(call, 500, "Invalid matching key parameter");
		return false;
	}
	bool is_number = s->key == KEY_START;
	if (s->op == ARRAY_SIZE(operators) ||
	    (is_number ? s->op == OP_RE || s->op == OP_SW : s->op >= OP_GT)) {
		rpc_fault(call, 500, "Invalid matching operator parameter");
		return false;
	}
	if (is_number && !span_to_int64(s->text, &s->number)) {
		rpc_fault(call, 500, "Invalid matching value parameter");
		return false;
	}
	return true;
}

static void run_match(struct rpc_call *call)
{
	struct selection selection = { .wants = matches };
	int64_t limit = 0;
	if (!read_match(call, &selection))
		return;
	if (selection.op == OP_RE) {
		selection.pattern = pattern_cached(selection.text, 0);
		if (!selection.pattern) {
			rpc_fault(call, 500, "Invalid regular expression");
			return;
		}
	}
	if (!rpc_arg_int(call, 3, &limit) || limit < 0)
		limit = 0;
	list(call, &selection, limit);
}

/* attrs: which members a briefing has */
static void add_brief(struct rpc_call *call, const struct dialog_view *view, struct span attrs)
{
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	rpc_add_int(call, node, "h_entry", view->h_entry);
	rpc_add_int(call, node, "h_id", view->h_id);
	for (size_t i = 0; i < attrs.len; i++) {
		switch (attrs.at[i]) {
		case 'f': add_span(call, node, "from_uri", view->from_uri); break;
		case 't': add_span(call, node, "to_uri", view->to_uri); break;
		case 'c': add_span(call, node, "call-id", view->call_id); break;
		case 'F': add_span(call, node, "from_tag", view->legs[CALLER].tag); break;
		case 'T': add_span(call, node, "to_tag", view->legs[CALLEE].tag); break;
		case 'I': rpc_add_int(call, node, "init_ts", seconds(view->created_us)); break;
		case 'S': rpc_add_int(call, node, "start_ts", seconds(view->confirmed_us)); break;
		case 'E': rpc_add_int(call, node, "end_ts", seconds(view->ended_us)); break;
		case 's': rpc_add_int(call, node, "state", view->state); break;
		default: break;
		}
	}
}

static void run_briefing(struct rpc_call *call)
{
	struct span attrs = SPAN("ftcFT");
	struct dialog_cursor cursor = { 0 };
	struct dialog_view view;
	struct arena arena;
	(void)!rpc_arg_text(call, 0, &attrs);
	arena_init(&arena, 8192, 1 << 24);
	while (dialog_next(&cursor, &arena, &view)) {
		add_brief(call, &view, attrs);
		arena_clear(&arena);
	}
	arena_free(&arena);
}

static void run_stats(struct rpc_call *call)
{
	static const char *const names[] = { [DIALOG_UNCONFIRMED] = "starting",
					     [DIALOG_EARLY] = "connecting",
					     [DIALOG_UNACKED] = "answering",
					     [DIALOG_ACTIVE] = "ongoing" };
	int64_t counts[DIALOG_DELETED + 1] = { 0 }, all = 0, only_local = 0;
	(void)!rpc_arg_int(call, 0, &only_local);
	for (unsigned i = 0; i < shard_count(store_set()); i++) {
		uint32_t position = 0;
		const struct dialog *dialog;
		struct shard *shard = shard_lock_number(store_set(), i);
		while ((dialog = slot_each(shard, &position)))
			if (dialog->state <= DIALOG_DELETED &&
			    (!only_local || dialog->legs[CALLER].socket))
				counts[dialog->state]++;
		shard_unlock(shard);
	}
	struct rpc_node *node = rpc_add_struct(call, NULL, NULL);
	for (unsigned i = DIALOG_UNCONFIRMED; i < DIALOG_DELETED; i++) {
		rpc_add_int(call, node, names[i], counts[i]);
		all += counts[i];
	}
	rpc_add_int(call, node, "all", all);
}

/* ---- one dialog by its identifiers ---- */

static bool need_ids(struct rpc_call *call, int code, const char *missing,
		     struct dialog_name *out_name)
{
	struct dialog_query query = { 0 };
	enum leg_kind leg;
	if (!rpc_arg_text(call, 0, &query.call_id) || !rpc_arg_text(call, 1, &query.from_tag) ||
	    !rpc_arg_text(call, 2, &query.to_tag)) {
		rpc_fault(call, 500, "Invalid parameters");
		return false;
	}
	if (dialog_find(&query, out_name, &leg))
		return true;
	rpc_fault(call, code, "%s", missing);
	return false;
}

static void run_is_alive(struct rpc_call *call)
{
	struct dialog_name name;
	struct dialog_view view;
	if (!need_ids(call, 404, "Dialog not found", &name))
		return;
	if (!dialog_view(name, rpc_arena(call), &view) ||
	    (view.state != DIALOG_UNACKED && view.state != DIALOG_ACTIVE))
		rpc_fault(call, 500, "Dialog not in confirmed state");
	else
		rpc_add_text(call, NULL, NULL, SPAN_OF("Alive"));
}

static void order_bye(struct rpc_call *call, struct dialog_name name, struct span headers)
{
	struct dialog_view view;
	if (!dialog_view(name, rpc_arena(call), &view) || view.state == DIALOG_DELETED)
		rpc_fault(call, 404, "Dialog not found");
	else if (!dialog_bye_later(name, 1u << CALLER | 1u << CALLEE, headers))
		rpc_fault(call, 500, "No worker takes the request");
}

static void run_terminate(struct rpc_call *call)
{
	struct dialog_name name;
	if (need_ids(call, 500, "Couldnt find callid in dialog", &name))
		order_bye(call, name, (struct span){ NULL, 0 });
}

static void run_end(struct rpc_call *call)
{
	struct dialog_name name;
	struct span headers = { NULL, 0 };
	int64_t h_entry, h_id;
	if (!rpc_arg_int(call, 0, &h_entry) || !rpc_arg_int(call, 1, &h_id)) {
		rpc_fault(call, 500, "Invalid parameters");
		return;
	}
	(void)!rpc_arg_text(call, 2, &headers);
	if (!dialog_find_numbers((uint32_t)h_entry, (uint32_t)h_id, &name))
		rpc_fault(call, 404, "Dialog not found");
	else
		order_bye(call, name, headers);
}

static void run_set_state(struct rpc_call *call)
{
	struct dialog_name name;
	int64_t wanted;
	if (!need_ids(call, 500, "Dialog not found", &name))
		return;
	if (!rpc_arg_int(call, 3, &wanted) || wanted < DIALOG_UNCONFIRMED ||
	    wanted > DIALOG_DELETED) {
		rpc_fault(call, 500, "Invalid state value");
		return;
	}
	(void)dialog_set_state(name, (enum dialog_state)wanted);
}

/* ---- profiles ---- */

static bool need_profile(struct rpc_call *call, uint32_t *out_profile, struct span *out_value)
{
	struct span name;
	if (!rpc_arg_text(call, 0, &name)) {
		rpc_fault(call, 500, "Profile name not provided");
		return false;
	}
	*out_profile = profile_find(name);
	*out_value = (struct span){ NULL, 0 };
	(void)!rpc_arg_text(call, 1, out_value);
	if (*out_profile == PROFILE_UNKNOWN)
		rpc_fault(call, 404, "Profile not found: %.*s", SPAN_ARGS(name));
	return *out_profile != PROFILE_UNKNOWN;
}

static void run_profile_size(struct rpc_call *call)
{
	uint32_t profile;
	struct span value;
	if (need_profile(call, &profile, &value))
		rpc_add_int(call, NULL, NULL, profile_size(profile, value));
}

static bool is_member(const struct selection *selection, const struct dialog_view *view)
{
	return view_is_in(view, selection->profile, selection->text);
}

static void run_profile_list(struct rpc_call *call)
{
	struct selection selection = { .wants = is_member };
	if (need_profile(call, &selection.profile, &selection.text))
		list(call, &selection, 0);
}

/* ---- more ---- */

/* "." and nothing: not given; "_" and the empty text: none. */
static struct span optional_argument(struct rpc_call *call, unsigned index)
{
	struct span text;
	if (!rpc_arg_text(call, index, &text) || span_equal(text, SPAN_OF(".")))
		return (struct span){ NULL, 0 };
	return span_equal(text, SPAN_OF("_")) ? SPAN_OF("") : text;
}

static void run_bridge(struct rpc_call *call)
{
	struct span from, to;
	if (!rpc_need_text(call, 0, "from", &from) || !rpc_need_text(call, 1, "to", &to))
		return;
	if (!bridge_start(from, to, optional_argument(call, 2), optional_argument(call, 3)))
		rpc_fault(call, 500, "The call cannot be made");
}

static void write_member(struct writer *w, const char *name, struct span text)
{
	writer_printf(w, ",\"%s\":", name);
	json_write_text(w, text.at ? text : SPAN_OF(""));
}

static void write_dialog(struct writer *w, const struct dialog_view *view)
{
	static const char *const legs[LEGS] = { "caller", "callee" };
	writer_printf(w, "{\"h_entry\":%u,\"h_id\":%u,\"state\":%d", view->h_entry, view->h_id,
		      (int)view->state);
	write_member(w, "call-id", view->call_id);
	write_member(w, "from_uri", view->from_uri);
	write_member(w, "to_uri", view->to_uri);
	writer_printf(w, ",\"init_ts\":%lld,\"start_ts\":%lld,\"end_ts\":%lld,\"timeout\":%lld",
		      (long long)seconds(view->created_us), (long long)seconds(view->confirmed_us),
		      (long long)seconds(view->ended_us), (long long)view->expires_wall_s);
	for (unsigned i = 0; i < LEGS; i++) {
		const struct leg_view *leg = &view->legs[i];
		writer_printf(w, ",\"%s\":{\"cseq\":\"%u\"", legs[i], leg->cseq);
		write_member(w, "tag", leg->tag);
		write_member(w, "contact", leg->contact);
		write_member(w, "route_set", leg->route_set);
		write_member(w, "socket", leg->socket ? leg->socket->text : SPAN_OF(""));
		writer_char(w, '}');
	}
	writer_literal(w, ",\"variables\":{");
	for (unsigned i = 0; i < view->variable_count; i++) {
		if (i)
			writer_char(w, ',');
		json_write_text(w, view->variables[i].name);
		writer_char(w, ':');
		json_write_text(w, view->variables[i].value);
	}
	writer_literal(w, "}}");
}

static bool dump(FILE *file)
{
	struct dialog_cursor cursor = { 0 };
	struct dialog_view view;
	struct arena arena;
	bool is_written = fputs("[", file) >= 0, is_first = true;
	arena_init(&arena, 1 << 14, 1 << 24);
	while (is_written && dialog_next(&cursor, &arena, &view)) {
		struct writer w = writer_in_arena(&arena, 2048);
		writer_string(&w, is_first ? "\n" : ",\n");
		write_dialog(&w, &view);
		is_first = false;
		is_written = !w.failed && fwrite(w.data, 1, w.len, file) == w.len;
		arena_clear(&arena);
	}
	arena_free(&arena);
	return is_written && fputs("\n]\n", file) >= 0;
}

static void run_dump(struct rpc_call *call)
{
	struct span path;
	if (!rpc_need_text(call, 0, "file name", &path))
		return;
	const char *name = arena_string(rpc_arena(call), path);
	FILE *file = name ? fopen(name, "we") : NULL;
	if (!file) {
		rpc_fault(call, 500, "%.*s cannot be written: %s", SPAN_ARGS(path),
			  strerror(errno));
		return;
	}
	bool is_written = dump(file);
	if (fclose(file) || !is_written)
		rpc_fault(call, 500, "%.*s was not written to its end", SPAN_ARGS(path));
}

#define IDS "callid from_tag to_tag"

const struct rpc_command dialog_command_rows[DIALOG_COMMANDS] = {
	{ "dlg.list", run_list, "All dialogs.", NULL, true },
	{ "dlg.list_ctx", run_list, "All dialogs with what modules keep of them.", NULL, true },
	{ "dlg.list_match", run_match, "Dialogs that match.",
		"ruri|furi|turi|callid|start_ts eq|re|sw|gt|lt value [limit]", true },
	{ "dlg.list_match_ctx", run_match, "Dialogs that match.",
		"ruri|furi|turi|callid|start_ts eq|re|sw|gt|lt value [limit]", true },
	{ "dlg.dlg_list", run_dialog, "One dialog.", "callid [from_tag]", false },
	{ "dlg.dlg_list_ctx", run_dialog, "One dialog.", "callid [from_tag]", false },
	{ "dlg.briefing", run_briefing, "All dialogs, the members that letters name.",
		"[ftcFTISEs]", true },
	{ "dlg.stats_active", run_stats, "How many dialogs are in which state; 1: of this server's sockets only.",
		"[local_only]", false },
	{ "dlg.is_alive", run_is_alive, "Was the call answered, and is it not over?", IDS, false },
	{ "dlg.terminate_dlg", run_terminate, "Ends a call with BYE to both.", IDS, false },
	{ "dlg.end_dlg", run_end, "Ends a call with BYE to both.", "h_entry h_id [headers]",
		false },
	{ "dlg.set_state", run_set_state, "Sets the state; nobody is told.", IDS " state", false },
	{ "dlg.profile_get_size", run_profile_size, "How many dialogs are in a profile.",
		"profile [value]", false },
	{ "dlg.profile_list", run_profile_list, "The dialogs of a profile.", "profile [value]",
		true },
	{ "dlg.bridge_dlg", run_bridge, "Calls an address and refers it to another.",
		"from to [proxy] [body]", false },
	{ "dlg.dump_file", run_dump, "Writes all dialogs to a file, as JSON.", "path", false },
};
