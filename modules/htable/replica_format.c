/* SPDX-License-Identifier: BSD-2-Clause */
/* The messages of the channel:
 *
 *   {"action":1}
 *   {"action":2,"htname":"a","cname":"key","type":2,"strval":"text","mode":1}
 *   {"action":2,"htname":"a","cname":"key","type":0,"intval":5,"mode":1}
 *   {"action":3,"htname":"a","cname":"key","type":0,"intval":SECONDS,"mode":0}
 *   {"action":4,"htname":"a","cname":"key","mode":0}
 *   {"action":5,"htname":"a","type":2,"strval":"^key","mode":0}     mode 1: by value; 6: begins with
 *   {"cells":[{"htname":"a","cname":"key","type":2,"strval":"text","expire":1700000000}, …]}
 */
#include "modules/htable/replica_format.h"

#define TYPE_NUMBER 0
#define TYPE_TEXT   2

/* ---- reading ------------------------------------------------------------------------------------------ */

static bool read_number(const struct json_value *object, const char *name, int64_t *out)
{
	const struct json_value *member = json_member(object, name);
	if (!member || (member->kind != JSON_INT && member->kind != JSON_BOOL))
		return false;
	*out = member->number;
	return true;
}

static bool read_text(const struct json_value *object, const char *name, struct span *out)
{
	const struct json_value *member = json_member(object, name);
	if (!member || member->kind != JSON_TEXT)
		return false;
	*out = member->text;
	return true;
}

static bool read_value(const struct json_value *object, struct value *out)
{
	int64_t type;
	struct value value = { .kind = VALUE_TEXT };
	if (!read_number(object, "type", &type))
		return false;
	if (type == TYPE_NUMBER)
		value.kind = VALUE_INT;
	else if (type != TYPE_TEXT)
		return false;
	if (type == TYPE_NUMBER ? !read_number(object, "intval", &value.number)
				: !read_text(object, "strval", &value.text))
		return false;
	*out = value;
	return true;
}

static bool read_change(const struct json_value *object, struct replica_change *out)
{
	int64_t action, mode = 0;
	if (!read_number(object, "action", &action) || action < REPLICA_SYNC ||
	    action > REPLICA_REMOVE_PREFIX)
		return false;
	out->action = (enum replica_action)action;
	if (action == REPLICA_SYNC)
		return true;
	if (!read_text(object, "htname", &out->table))
		return false;
	bool has_key = read_text(object, "cname", &out->key);
	bool has_value = read_value(object, &out->value);
	out->by_value = read_number(object, "mode", &mode) && mode != 0;
	switch (out->action) {
	case REPLICA_SYNC: break;
	case REPLICA_SET: return has_key && has_value;
	case REPLICA_EXPIRE: return has_key && has_value && out->value.kind == VALUE_INT;
	case REPLICA_REMOVE: return has_key;
	case REPLICA_REMOVE_PATTERN:
	case REPLICA_REMOVE_PREFIX: return has_value && out->value.kind == VALUE_TEXT;
	}
	return true;
}

enum replica_kind replica_read(struct span body, struct arena *arena,
			       struct replica_change *out_change,
			       const struct json_value **out_first)
{
	const char *error;
	size_t at;
	struct replica_change change = { .key = { NULL, 0 } };
	const struct json_value *root = json_parse(body, arena, &error, &at), *cells;
	if (!root)
		return REPLICA_BAD;
	cells = json_member(root, "cells");
	if (cells && cells->kind == JSON_ARRAY) {
		*out_first = cells->first;
		return REPLICA_ITEMS;
	}
	if (!read_change(root, &change))
		return REPLICA_BAD;
	*out_change = change;
	return REPLICA_CHANGE;
}

bool replica_read_item(const struct json_value *row, struct replica_item *out)
{
	struct replica_item item = { .expires_wall_s = 0 };
	bool is_good = read_text(row, "htname", &item.table) &&
		       read_text(row, "cname", &item.key) && read_value(row, &item.value);
	if (!is_good)
		return false;
	if (!read_number(row, "expire", &item.expires_wall_s) || item.expires_wall_s < 0)
		item.expires_wall_s = 0;
	*out = item;
	return true;
}

/* ---- writing ------------------------------------------------------------------------------------------- */

static void write_name(struct writer *w, const char *name, struct span text)
{
	writer_printf(w, ",\"%s\":", name);
	json_write_text(w, text);
}

static void write_value(struct writer *w, const struct value *value)
{
	bool is_number = value->kind == VALUE_INT;
	writer_printf(w, ",\"type\":%d", is_number ? TYPE_NUMBER : TYPE_TEXT);
	if (is_number)
		writer_printf(w, ",\"intval\":%lld", (long long)value->number);
	else
		write_name(w, "strval", value->text);
}

void replica_write(struct writer *w, const struct replica_change *change)
{
	writer_printf(w, "{\"action\":%d", change->action);
	if (change->action != REPLICA_SYNC) {
		write_name(w, "htname", change->table);
		if (change->action < REPLICA_REMOVE_PATTERN)
			write_name(w, "cname", change->key);
		if (change->action != REPLICA_REMOVE)
			write_value(w, &change->value);
		writer_printf(w, ",\"mode\":%d", change->action == REPLICA_SET || change->by_value);
	}
	writer_char(w, '}');
}

void replica_write_item(struct writer *w, const struct replica_item *item)
{
	writer_literal(w, "{\"htname\":");
	json_write_text(w, item->table);
	write_name(w, "cname", item->key);
	write_value(w, &item->value);
	writer_printf(w, ",\"expire\":%lld}", (long long)item->expires_wall_s);
}
