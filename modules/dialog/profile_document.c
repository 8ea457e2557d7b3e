/* SPDX-License-Identifier: BSD-2-Clause */
/* The profiles of a dialog as a JSON document, in the column xdata and in messages to other servers:
 * {"profiles":[{"name":"caller","value":"alice","puid":"…"}]} */
#include "modules/dialog/profiles.h"

void members_write(struct writer *w, const struct dialog_view *view)
{
	writer_literal(w, "{\"profiles\":[");
	for (unsigned i = 0; i < view->membership_count; i++) {
		const struct pair_view *member = &view->memberships[i];
		writer_string(w, i ? ",{\"name\":" : "{\"name\":");
		json_write_text(w, profile_name(member->profile));
		if (profile_has_value(member->profile)) {
			writer_literal(w, ",\"value\":");
			json_write_text(w, member->value);
		}
		writer_printf(w, ",\"puid\":\"%x-%x-%u\"}", view->h_entry, view->h_id, i);
	}
	writer_literal(w, "]}");
}

void members_join(struct dialog_name name, struct span document, struct arena *arena)
{
	const char *error;
	size_t at;
	const struct json_value *root =
		document.len ? json_parse(document, arena, &error, &at) : NULL;
	const struct json_value *list = root ? json_member(root, "profiles") : NULL;
	for (const struct json_value *member = list ? list->first : NULL; member;
	     member = member->next) {
		const struct json_value *profile = json_member(member, "name");
		const struct json_value *value = json_member(member, "value");
		uint32_t number = profile ? profile_find(profile->text) : PROFILE_UNKNOWN;
		if (number != PROFILE_UNKNOWN)
			(void)profile_join(name, number, value ? value->text : SPAN_OF(""));
	}
}
