/* SPDX-License-Identifier: BSD-2-Clause */
/* state: destinations that go down and come up: by the script, by pings, by commands. */
#include "modules/dispatcher/dispatcher.h"

/* What an event route is told. */
struct state_event {
	int64_t set;
	struct span uri;
	uint32_t flags;
};

/* state = ( "a" / "i" / "t" / "d" ) [ "p" ] / "p" */
bool state_parse(struct span text, uint32_t *out_flags)
{
	static const struct { char letter; uint32_t flags; } letters[] = {
		{ 'a', 0 }, { 'i', DESTINATION_INACTIVE }, { 't', DESTINATION_TRYING },
		{ 'd', DESTINATION_DISABLED }, { 'p', DESTINATION_PROBING },
	};
	if (!text.len || text.len > 2 || (text.len == 2 && ascii_lower(text.at[1]) != 'p'))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(letters); i++) {
		if (ascii_lower(text.at[0]) != letters[i].letter)
			continue;
		*out_flags = letters[i].flags;
		if (text.len == 2 && letters[i].letter != 'd')
			*out_flags |= DESTINATION_PROBING;
		return true;
	}
	return false;
}

void state_write(uint32_t flags, char out[3])
{
	out[0] = flags & DESTINATION_INACTIVE   ? 'I'
		 : flags & DESTINATION_DISABLED ? 'D'
		 : flags & DESTINATION_TRYING   ? 'T'
						: 'A';
	out[1] = flags & DESTINATION_PROBING ? 'P' : 'X';
	out[2] = '\0';
}

/* ---- events ------------------------------------------------------------------------------------------------ */

/* The route sees the message that was being worked on, else an OPTIONS to the destination. */
static void tell(const char *name, struct message *msg, struct state_event *event)
{
	const struct image *image = script_current_image();
	struct arena arena;
	if (!image || !script_route(image, ROUTE_EVENT, span_from(name)))
		return;
	arena_init(&arena, 4096, (size_t)1 << 20);
	if (!msg) {
		msg = script_faked_request(&arena);
		if (msg && !message_set_uri(msg, event->uri))
			msg = NULL;
	}
	if (msg)
		script_run_event(name, msg, event, NULL);
	arena_free(&arena);
}

bool state_get_event(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct state_event *event = script_event_data(run, "dispatcher");
	struct span name = variable_inner_text(run, ref);
	*out = (struct value){ 0 };
	if (!event)
		return true;
	if (span_equal(name, SPAN_OF("uri")))
		*out = VALUE_OF_TEXT(event->uri);
	else if (span_equal(name, SPAN_OF("setid")))
		*out = VALUE_OF_INT(event->set);
	else if (span_equal(name, SPAN_OF("flags")))
		*out = VALUE_OF_INT(event->flags);
	return true;
}

const char *state_bind_event(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	if (span_equal(ref->inner, SPAN_OF("uri")) || span_equal(ref->inner, SPAN_OF("setid")) ||
	    span_equal(ref->inner, SPAN_OF("flags")))
		return NULL;
	return "$dsv(uri), $dsv(setid) and $dsv(flags) are known";
}

/* ---- changes ------------------------------------------------------------------------------------------------- */

/* An active destination that fails is tried on until it failed often enough; an inactive one comes back
 * when it answered often enough. */
static uint32_t apply_thresholds(struct destination_state *to, uint32_t before, uint32_t flags)
{
	uint32_t probing = flags & DESTINATION_PROBING;
	if (flags & DESTINATION_TRYING) {
		to->successes = 0;
		if (before & DESTINATION_INACTIVE)
			return DESTINATION_INACTIVE | probing;
		uint32_t failures = atomic_fetch_add(&to->failures, 1) + 1;
		return probing | (failures >= (uint64_t)dispatcher_settings->probing_threshold
					  ? (uint32_t)DESTINATION_INACTIVE
					  : (uint32_t)DESTINATION_TRYING);
	}
	if (flags & DESTINATION_UNUSABLE)
		return flags;
	to->failures = 0;
	if (!(before & DESTINATION_INACTIVE))
		return flags;
	uint32_t successes = atomic_fetch_add(&to->successes, 1) + 1;
	if (successes < (uint64_t)dispatcher_settings->inactive_threshold)
		return DESTINATION_INACTIVE | probing;
	to->successes = 0;
	return flags;
}

bool state_mark(int64_t set, struct span uri, uint32_t flags, struct message *msg)
{
	uint32_t before = 0, after = 0;
	bool is_found = false;
	const struct destination_list *list, *seen = NULL;
	/* Once more when the list was replaced meanwhile: perhaps without this change. */
	for (;;) {
		list = list_hold();
		const struct destination *to =
			list == seen ? NULL : set_find(list_set(list, set), uri);
		if (to && !is_found) {
			before = to->state->flags;
			after = apply_thresholds(to->state, before, flags);
		}
		if (to)
			to->state->flags = after;
		is_found = is_found || to;
		list_release();
		if (list == seen || !to)
			break;
		seen = list;
	}
	if (!is_found)
		return false;
	bool was_down = before & DESTINATION_UNUSABLE, is_down = after & DESTINATION_UNUSABLE;
	struct state_event event = { set, uri, after };
	if (was_down != is_down)
		tell(is_down ? "dispatcher:dst-down" : "dispatcher:dst-up", msg, &event);
	return true;
}

bool state_set(int64_t set, struct span uri, struct span duid, uint32_t flags)
{
	const struct destination_set *found = list_set(list_hold(), set);
	bool is_set = false;
	for (uint32_t i = 0; found && i < found->count; i++) {
		const struct destination *to = &found->all[i];
		if ((uri.at && !span_equal_nocase(to->uri, uri)) ||
		    (duid.at && !span_equal(to->duid, duid)))
			continue;
		to->state->flags = flags;
		to->state->failures = to->state->successes = 0;
		is_set = true;
	}
	list_release();
	return is_set;
}
