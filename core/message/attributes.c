/* SPDX-License-Identifier: BSD-2-Clause */
/* AVPs and XAVPs: newest-first lists in the message's arena, and their flat form. */
#include "core/message/attributes.h"

#include "core/base/hash.h"

#define DEPTH_MOST 16 /* nesting of XAVPs in the flat form */

struct avp_name avp_name_parse(struct span name)
{
	struct avp_name parsed = { .text = name };
	if (name.len > 2 && name.at[1] == ':') {
		parsed.text = span_slice(name, 2, name.len);
		parsed.is_number = name.at[0] == 'i' && span_to_int64(parsed.text, &parsed.number);
	}
	return parsed;
}

static uint64_t avp_hash(struct avp_name name)
{
	return name.is_number ? hash_mix(1, (uint64_t)name.number) : hash_span(name.text);
}

static bool avp_is(const struct avp *avp, struct avp_name name, uint64_t hash)
{
	if (avp->hash != hash || avp->name_is_number != name.is_number)
		return false;
	return name.is_number ? avp->number_name == name.number : span_equal(avp->name, name.text);
}

/* Copies the text of a value into the arena; false when memory is exhausted. */
static bool value_keep(struct arena *arena, struct value *value)
{
	if (value->kind != VALUE_TEXT)
		return true;
	value->text = arena_copy(arena, value->text.at ? value->text : SPAN_OF(""));
	return value->text.at != NULL;
}

bool avp_push(struct attributes *all, struct avp_name name, struct value value)
{
	struct avp *avp = ARENA_NEW(all->arena, struct avp);
	if (!avp || !value_keep(all->arena, &value))
		return false;
	avp->hash = avp_hash(name);
	avp->name_is_number = name.is_number;
	avp->number_name = name.number;
	avp->name = arena_copy(all->arena, name.text);
	avp->value = value;
	if (!avp->name.at)
		return false;
	avp->next = all->avps;
	all->avps = avp;
	return true;
}

struct avp *avp_find(const struct attributes *all, struct avp_name name, unsigned index)
{
	if (!all->avps)
		return NULL;
	uint64_t hash = avp_hash(name);
	for (struct avp *avp = all->avps; avp; avp = avp->next)
		if (avp_is(avp, name, hash) && index-- == 0)
			return avp;
	return NULL;
}

unsigned avp_count(const struct attributes *all, struct avp_name name)
{
	unsigned count = 0;
	uint64_t hash = avp_hash(name);
	for (const struct avp *avp = all->avps; avp; avp = avp->next)
		count += avp_is(avp, name, hash);
	return count;
}

unsigned avp_remove(struct attributes *all, struct avp_name name, bool every)
{
	unsigned count = 0;
	uint64_t hash = avp_hash(name);
	for (struct avp **link = &all->avps; *link && (every || count == 0);) {
		if (avp_is(*link, name, hash)) {
			*link = (*link)->next;
			count++;
		} else {
			link = &(*link)->next;
		}
	}
	return count;
}

/* ---- XAVPs ------------------------------------------------------------------------------------- */

static bool xavp_is(const struct xavp *node, struct span name, uint64_t hash, bool nocase)
{
	return node->hash == hash &&
	       (nocase ? span_equal_nocase(node->name, name) : span_equal(node->name, name));
}

struct xavp *xavp_push(struct attributes *all, struct xavp **list, struct span name,
		       struct value value)
{
	struct xavp *node = ARENA_NEW(all->arena, struct xavp);
	if (!node || !value_keep(all->arena, &value))
		return NULL;
	/* One hash for all kinds of lists, so that a node can be compared with and without case. */
	node->hash = hash_span_nocase(name);
	node->name = arena_copy(all->arena, name);
	node->value = value;
	if (!node->name.at)
		return NULL;
	node->next = *list;
	*list = node;
	return node;
}

struct xavp *xavp_find(struct xavp *list, struct span name, unsigned index, bool nocase)
{
	uint64_t hash = list ? hash_span_nocase(name) : 0;
	for (struct xavp *node = list; node; node = node->next)
		if (xavp_is(node, name, hash, nocase) && index-- == 0)
			return node;
	return NULL;
}

unsigned xavp_remove(struct xavp **list, struct span name, int index, bool nocase)
{
	unsigned count = 0;
	int position = 0;
	uint64_t hash = hash_span_nocase(name);
	for (struct xavp **link = list; *link;) {
		if (!xavp_is(*link, name, hash, nocase)) {
			link = &(*link)->next;
			continue;
		}
		if (index < 0 || position == index) {
			*link = (*link)->next;
			count++;
			if (index >= 0)
				break;
		} else {
			link = &(*link)->next;
		}
		position++;
	}
	return count;
}

unsigned xavp_count(struct xavp *list, struct span name, bool nocase)
{
	unsigned count = 0;
	uint64_t hash = list ? hash_span_nocase(name) : 0;
	for (const struct xavp *node = list; node; node = node->next)
		count += xavp_is(node, name, hash, nocase);
	return count;
}

/* ---- the flat form: counts first, then records in the order of the lists ------------------------- */

static void write_number(struct writer *out, uint64_t number)
{
	writer_bytes(out, &number, sizeof(number));
}

static void write_text(struct writer *out, struct span text)
{
	write_number(out, text.len);
	writer_span(out, text);
}

static void write_value(struct writer *out, const struct value *value)
{
	write_number(out, value->kind);
	write_number(out, (uint64_t)value->number);
	write_text(out, value->kind == VALUE_TEXT ? value->text : SPAN_OF(""));
}

static void write_xavps(struct writer *out, const struct xavp *list, unsigned depth)
{
	uint64_t count = 0;
	for (const struct xavp *node = list; node; node = node->next)
		count++;
	write_number(out, depth < DEPTH_MOST ? count : 0);
	if (depth >= DEPTH_MOST)
		return;
	for (const struct xavp *node = list; node; node = node->next) {
		write_text(out, node->name);
		write_value(out, &node->value);
		write_number(out, node->has_children);
		write_xavps(out, node->children, depth + 1);
	}
}

void attributes_freeze(const struct attributes *all, struct writer *out)
{
	uint64_t count = 0;
	if (!all->avps && !all->xavps && !all->xavus && !all->xavis)
		return; /* most messages have none: nothing at all is written */
	for (const struct avp *avp = all->avps; avp; avp = avp->next)
		count++;
	write_number(out, count);
	for (const struct avp *avp = all->avps; avp; avp = avp->next) {
		write_number(out, (uint64_t)avp->flags << 1 | avp->name_is_number);
		write_number(out, (uint64_t)avp->number_name);
		write_text(out, avp->name);
		write_value(out, &avp->value);
	}
	write_xavps(out, all->xavps, 0);
	write_xavps(out, all->xavus, 0);
	write_xavps(out, all->xavis, 0);
}

struct flat_reader {
	struct span rest;
	bool failed;
};

static uint64_t read_number(struct flat_reader *in)
{
	uint64_t number = 0;
	if (in->rest.len < sizeof(number)) {
		in->failed = true;
		return 0;
	}
	memcpy(&number, in->rest.at, sizeof(number));
	in->rest = span_slice(in->rest, sizeof(number), in->rest.len);
	return number;
}

static struct span read_text(struct flat_reader *in)
{
	uint64_t len = read_number(in);
	if (len > in->rest.len) {
		in->failed = true;
		return SPAN_OF("");
	}
	struct span text = span_slice(in->rest, 0, len);
	in->rest = span_slice(in->rest, len, in->rest.len);
	return text;
}

static struct value read_value(struct flat_reader *in)
{
	struct value value = { .kind = (enum value_kind)read_number(in) };
	value.number = (int64_t)read_number(in);
	value.text = read_text(in);
	return value;
}

/* Reads one list; nodes come in list order, so they are appended. */
static struct xavp *read_xavps(struct flat_reader *in, struct attributes *all, unsigned depth)
{
	struct xavp *first = NULL, **last = &first;
	for (uint64_t count = read_number(in); count && !in->failed && depth < DEPTH_MOST;
	     count--) {
		struct span name = read_text(in);
		struct value value = read_value(in);
		struct xavp *node = xavp_push(all, last, name, value);
		if (!node) {
			in->failed = true;
			break;
		}
		node->has_children = read_number(in) != 0;
		node->children = read_xavps(in, all, depth + 1);
		last = &node->next;
	}
	return first;
}

bool attributes_thaw(struct span frozen, struct arena *arena, struct attributes *out_all)
{
	struct flat_reader in = { .rest = frozen };
	struct attributes all = { .arena = arena };
	if (frozen.len == 0) {
		*out_all = all;
		return true;
	}
	struct avp *first = NULL, **last = &first;
	for (uint64_t count = read_number(&in); count && !in.failed; count--) {
		uint64_t flags = read_number(&in);
		struct avp_name name = { .is_number = flags & 1,
					 .number = (int64_t)read_number(&in) };
		name.text = read_text(&in);
		all.avps = NULL;
		if (!avp_push(&all, name, read_value(&in)))
			return false;
		all.avps->flags = (uint32_t)(flags >> 1);
		*last = all.avps;
		last = &all.avps->next;
	}
	all.avps = first;
	all.xavps = read_xavps(&in, &all, 0);
	all.xavus = read_xavps(&in, &all, 0);
	all.xavis = read_xavps(&in, &all, 0);
	if (in.failed)
		return false;
	*out_all = all;
	return true;
}
