/* SPDX-License-Identifier: BSD-2-Clause */
/* What a reload does not change: parameters, modules and sockets. They are noted while a file is read,
 * and a reload says which of them differ from those that the server started with. */
#include "core/script/parser.h"

struct setting_note {
	struct setting_note *next;
	struct span text; /* "modparam tm fr_timer 30000" */
	struct source_position at;
	bool is_known;
};

/* Of the file that the server started with; lives in its start-up arena. */
static struct setting_note *started_with;

void restart_note(struct parser *parser, struct span text, struct source_position at)
{
	struct setting_note *note = ARENA_NEW(parser->arena, struct setting_note);
	if (!note || !text.at)
		return;
	*note = (struct setting_note){ .next = parser->source->settings, .text = text, .at = at };
	parser->source->settings = note;
}

void restart_remember(const struct script_source *source)
{
	started_with = source->settings;
}

static struct setting_note *find(struct setting_note *list, struct span text)
{
	for (struct setting_note *note = list; note; note = note->next)
		if (span_equal(note->text, text))
			return note;
	return NULL;
}

void restart_compare(const struct script_source *source, struct diagnostics *diagnostics)
{
	if (!started_with)
		return;
	for (struct setting_note *note = started_with; note; note = note->next)
		note->is_known = false;
	for (struct setting_note *note = source->settings; note; note = note->next) {
		struct setting_note *same = find(started_with, note->text);
		if (same) {
			same->is_known = true;
			continue;
		}
		diagnostic_add(diagnostics, SEVERITY_WARNING, "needs-restart", note->at,
			       "`%.*s` differs from the running server and needs a restart",
			       SPAN_ARGS(note->text));
	}
	for (struct setting_note *note = started_with; note; note = note->next)
		if (!note->is_known)
			diagnostic_add(diagnostics, SEVERITY_WARNING, "needs-restart",
				       (struct source_position){ 0 },
				       "`%.*s` is gone from the file, but stays until a restart",
				       SPAN_ARGS(note->text));
}
