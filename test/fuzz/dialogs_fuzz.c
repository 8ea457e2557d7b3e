/* SPDX-License-Identifier: BSD-2-Clause */
/* What servers tell each other about dialogs: any body is read without harm, and what is written of a dialog
 * is read as what it was. */
#include "test/fuzz/fuzz.h"

#include "modules/dialog/replica_format.c"

static struct arena arena;

/* Of profiles only their document counts here. */
void members_write(struct writer *w, const struct dialog_view *view)
{
	(void)view;
	writer_literal(w, "{\"profiles\":[]}");
}

static void check_same(const struct replica_message *a, const struct replica_message *b)
{
	must(a->h_entry == b->h_entry && a->h_id == b->h_id && a->state == b->state);
	must(!a->has_life || a->lifetime_s == b->lifetime_s);
	for (unsigned i = 0; i < LEGS; i++)
		must(!a->legs[i].tag.at || a->legs[i].cseq == b->legs[i].cseq);
}

static struct dialog_view view_of(const struct replica_message *message)
{
	struct dialog_view view = { .h_entry = message->h_entry,
				    .h_id = message->h_id,
				    .state = message->state,
				    .created_us = message->created_s * 1000000,
				    .confirmed_us = message->confirmed_s * 1000000,
				    .lifetime_s = message->lifetime_s,
				    .call_id = message->call_id };
	memcpy(view.legs, message->legs, sizeof(view.legs));
	return view;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replica_message message, again;
	struct span body = { (const char *)data, size };
	arena_init(&arena, 65536, 1 << 24);
	if (replica_read(body, &arena, &message) && message.action != REPLICA_SYNC &&
	    message.state) {
		struct dialog_view view = view_of(&message);
		struct writer w = writer_in_arena(&arena, 256);
		bool is_all = message.action == REPLICA_UPDATE;
		if (is_all)
			replica_write_all(&w, &view, message.has_iflags);
		else
			replica_write_state(&w, &view);
		must(!w.failed && replica_read(writer_result(&w), &arena, &again));
		must(again.action == (is_all ? REPLICA_UPDATE : REPLICA_STATE));
		if (message.state >= DIALOG_EARLY && message.state < DIALOG_DELETED &&
		    message.has_life)
			check_same(&message, &again);
	}
	arena_free(&arena);
	return 0;
}
