/* SPDX-License-Identifier: BSD-2-Clause */
/* The messages of the channel:
 *
 *   {"action":3}
 *   {"action":1,"aor":"alice","ruid":"…","c":"sip:alice@host","received":"","sock":"udp:ip:port","path":"",
 *    "callid":"…","user_agent":"…","instance":"","expires":WALL,"cseq":1,"flags":0,"cflags":0,"q":-1,
 *    "last_modified":WALL,"methods":4294967295,"reg_id":0,"server_id":0}         2 instead of 1: it is gone
 *   {"multi":{"1":{…},"2":{…}}}
 */
#include "modules/dmq_usrloc/format.h"

enum place { IN_CONTACT, IN_ROW };

/* Members with text, in their order; "sock" comes after "received". */
static const struct text_member {
	const char *name;
	size_t at;
	enum place place;
} texts[] = {
#define TEXT(name, member) { name, offsetof(struct usrloc_contact, member), IN_CONTACT }
	TEXT("aor", aor),
	TEXT("ruid", ruid),
	TEXT("c", contact),
	TEXT("received", received),
	{ "sock", offsetof(struct location_row, socket), IN_ROW },
	TEXT("path", path),
	TEXT("callid", call_id),
	TEXT("user_agent", user_agent),
	TEXT("instance", instance),
#undef TEXT
};
#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static struct span *text_at(const struct text_member *member, struct location_row *row)
{
	char *base = member->place == IN_ROW ? (char *)row : (char *)&row->contact;
	return (struct span *)(void *)(base + member->at);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

enum location_kind location_read(struct span body, struct arena *arena,
				 const struct json_value **out_first)
{
	const char *error;
	size_t at;
	const struct json_value *root = json_parse(body, arena, &error, &at);
	if (!root || root->kind != JSON_OBJECT)
		return LOCATION_BAD;
	const struct json_value *list = json_member(root, "multi");
	*out_first = list ? list->first : root;
	if (list)
		return list->kind == JSON_OBJECT ? LOCATION_MANY : LOCATION_BAD;
	return LOCATION_ONE;
}

static int64_t number_of(const struct json_value *object, const char *name, int64_t least,
			 int64_t most, int64_t otherwise)
{
	const struct json_value *member = json_member(object, name);
	if (!member || member->kind != JSON_INT || member->number < least || member->number > most)
		return otherwise;
	return member->number;
}

static bool read_texts(const struct json_value *object, struct location_row *row)
{
	for (size_t i = 0; i < TEXTS; i++) {
		const struct json_value *member = json_member(object, texts[i].name);
		if (member && member->kind != JSON_TEXT)
			return false;
		if (member && member->text.len)
			*text_at(&texts[i], row) = member->text;
	}
	return true;
}

static void read_numbers(const struct json_value *object, struct location_row *row)
{
	struct usrloc_contact *contact = &row->contact;
	row->expires_wall_s = number_of(object, "expires", 0, UINT32_MAX, 0);
	contact->cseq = (uint32_t)number_of(object, "cseq", 0, UINT32_MAX, 0);
	contact->flags = (uint32_t)number_of(object, "flags", 0, UINT32_MAX, 0);
	contact->cflags = (uint32_t)number_of(object, "cflags", 0, UINT32_MAX, 0);
	contact->q = (int32_t)number_of(object, "q", Q_UNSPECIFIED, 1000, Q_UNSPECIFIED);
	contact->modified_wall_s = number_of(object, "last_modified", 0, UINT32_MAX, 0);
	contact->methods = (uint32_t)number_of(object, "methods", 0, UINT32_MAX, USRLOC_ANY_METHOD);
	contact->reg_id = (uint32_t)number_of(object, "reg_id", 0, UINT32_MAX, 0);
	contact->server_id = (uint32_t)number_of(object, "server_id", 0, UINT32_MAX, 0);
}

bool location_read_row(const struct json_value *object, enum location_action *out_action,
		       struct location_row *out)
{
	struct location_row row = { .expires_wall_s = 0 };
	int64_t action = number_of(object, "action", LOCATION_NOTHING, LOCATION_SYNC, -1);
	if (action < 0)
		return false;
	*out_action = (enum location_action)action;
	if (action == LOCATION_NOTHING || action == LOCATION_SYNC)
		return true;
	if (!read_texts(object, &row) || !row.contact.aor.len || !row.contact.contact.len)
		return false;
	read_numbers(object, &row);
	*out = row;
	return true;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

void location_write_number(struct writer *w, unsigned number)
{
	writer_printf(w, "\"%u\":", number);
}

void location_write(struct writer *w, enum location_action action, const struct location_row *row)
{
	struct location_row copy = *row;
	const struct usrloc_contact *contact = &row->contact;
	writer_printf(w, "{\"action\":%d", action);
	for (size_t i = 0; i < TEXTS; i++) {
		struct span text = *text_at(&texts[i], &copy);
		if (texts[i].place == IN_ROW && !text.at)
			continue;
		writer_printf(w, ",\"%s\":", texts[i].name);
		json_write_text(w, text.at ? text : SPAN_OF(""));
	}
	writer_printf(w, ",\"expires\":%lld,\"cseq\":%u,\"flags\":%u,\"cflags\":%u,\"q\":%d",
		      (long long)row->expires_wall_s, contact->cseq, contact->flags,
		      contact->cflags, (int)contact->q);
	writer_printf(w, ",\"last_modified\":%lld,\"methods\":%u,\"reg_id\":%u,\"server_id\":%u}",
		      (long long)contact->modified_wall_s, contact->methods, contact->reg_id,
		      contact->server_id);
}
