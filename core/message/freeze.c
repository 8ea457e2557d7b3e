/* SPDX-License-Identifier: BSD-2-Clause */
/* A message as one flat block for a transaction. The block lies in memory that every process has at
 * the same address, so pointers into the block itself are plain pointers. */
#include "core/base/check.h"
#include "core/message/message.h"

struct frozen {
	struct span attributes;
	struct sip_message_index *index; /* written up to `first`, then come the headers */
	struct sip_header *headers;
	/* Up to its slots. Spans and lists point into this block; caches are empty. */
	struct message head;
};
#define FROZEN_SIZE (offsetof(struct frozen, head) + offsetof(struct message, slots))
#define INDEX_HEAD  offsetof(struct sip_message_index, first)

/* Fills a block from front to back; with `base` NULL it only measures. */
struct block {
	char *base;
	size_t used;
};

static void *block_take(struct block *block, size_t size)
{
	void *at = block->base ? block->base + block->used : NULL;
	block->used += (size + 15) & ~(size_t)15;
	return at;
}

/* Where the message's bytes go: text that lies in them is not copied twice. */
struct moved {
	struct span from;
	const char *to; /* NULL: only measured */
};

static struct span block_copy(struct block *block, struct span text)
{
	char *copy = block_take(block, text.len ? text.len : 1);
	if (copy)
		memcpy(copy, text.at, text.len);
	return span_make(copy, text.len);
}

static struct span block_move(struct block *block, const struct moved *bytes, struct span text)
{
	if (text.at >= bytes->from.at && text.at + text.len <= bytes->from.at + bytes->from.len)
		return span_make(bytes->to ? bytes->to + (text.at - bytes->from.at) : NULL,
				 text.len);
	return block_copy(block, text);
}

/* Most texts are absent. */
static inline struct span block_text(struct block *block, const struct moved *bytes,
				     struct span text)
{
	return __builtin_expect(text.at != NULL, 0) ? block_move(block, bytes, text) : text;
}

static struct edit *block_edits(struct block *block, const struct moved *bytes,
				const struct edit *edits)
{
	struct edit *first = NULL, **last = &first;
	for (const struct edit *e = edits; e; e = e->next) {
		struct edit *copy = block_take(block, sizeof(*copy));
		struct span text = block_text(block, bytes, e->text);
		if (!copy)
			continue;
		*copy = *e;
		copy->text = text;
		copy->next = NULL;
		*last = copy;
		last = &copy->next;
	}
	return first;
}

static struct branch block_branch(struct block *block, const struct moved *bytes,
				  const struct branch *branch)
{
	struct branch copy = *branch;
	copy.uri = block_text(block, bytes, copy.uri);
	copy.dst_uri = block_text(block, bytes, copy.dst_uri);
	copy.path = block_text(block, bytes, copy.path);
	copy.ruid = block_text(block, bytes, copy.ruid);
	copy.instance = block_text(block, bytes, copy.instance);
	copy.location_ua = block_text(block, bytes, copy.location_ua);
	return copy;
}

static struct branch *block_branches(struct block *block, const struct moved *bytes,
				     const struct message *msg)
{
	struct branch *branches = block_take(block, msg->branch_count * sizeof(struct branch));
	for (unsigned i = 0; i < msg->branch_count; i++) {
		struct branch copy = block_branch(block, bytes, &msg->branches[i]);
		if (branches)
			branches[i] = copy;
	}
	return branches;
}

/* The size; 0: no memory. */
static size_t freeze_into(char *base, const struct message *msg)
{
	struct block block = { .base = base };
	struct frozen *frozen = block_take(&block, FROZEN_SIZE);
	size_t headers_size = msg->index->header_count * sizeof(struct sip_header);
	void *index = block_take(&block, INDEX_HEAD);
	void *headers = block_take(&block, headers_size);
	const struct moved bytes = { msg->bytes, block_copy(&block, msg->bytes).at };
	struct branch *branches = block_branches(&block, &bytes, msg);
	struct branch target = block_branch(&block, &bytes, &msg->target);
	struct edit *edits = block_edits(&block, &bytes, msg->edits);
	struct edit *reply_lines = block_edits(&block, &bytes, msg->reply_lines);
	struct span advertised = block_text(&block, &bytes, msg->advertised_host);
	struct span to_tag = block_text(&block, &bytes, msg->to_tag);
	struct span account_user = block_text(&block, &bytes, msg->account_user);
	struct span account_realm = block_text(&block, &bytes, msg->account_realm);

	struct span attributes = { NULL, 0 };
	if (msg->attributes.avps || msg->attributes.xavps || msg->attributes.xavus ||
	    msg->attributes.xavis) {
		struct writer w = writer_in_arena(msg->arena, 1024);
		attributes_freeze(&msg->attributes, &w);
		if (w.failed)
			return 0;
		attributes = block_copy(&block, writer_result(&w));
	}
	if (!base)
		return block.used;

	memcpy(index, msg->index, INDEX_HEAD);
	memcpy(headers, msg->index->headers, headers_size);
	frozen->index = index;
	frozen->headers = headers;
	frozen->attributes = attributes;
	memcpy(&frozen->head, msg, offsetof(struct message, slots));
	struct message *head = &frozen->head;
	head->bytes = span_make(bytes.to, msg->bytes.len);
	head->index = NULL;
	head->arena = NULL;
	head->target = target;
	head->branches = branches;
	head->edits = edits;
	head->reply_lines = reply_lines;
	head->advertised_host = advertised;
	head->to_tag = to_tag;
	head->account_user = account_user;
	head->account_realm = account_realm;
	head->attributes = (struct attributes){ 0 };
	message_forget_parsed(head);
	return block.used;
}

size_t message_frozen_size(const struct message *msg)
{
	return freeze_into(NULL, msg);
}

bool message_freeze(const struct message *msg, void *block)
{
	return freeze_into(block, msg) > 0;
}

/* Edits are relinked when new ones are added, so a working message has its own nodes. */
static bool thaw_edits(struct arena *arena, struct edit **list)
{
	struct edit **link = list;
	for (const struct edit *e = *list; e; e = e->next) {
		struct edit *copy = arena_alloc(arena, sizeof(*copy));
		if (!copy)
			return false;
		*copy = *e;
		*link = copy;
		link = &copy->next;
	}
	return true;
}

static struct sip_message_index *thaw_index(const struct frozen *frozen, struct arena *arena)
{
	unsigned count = frozen->index->header_count;
	struct sip_message_index *index = arena_alloc(arena, sip_index_size_for(count));
	if (!index)
		return NULL;
	memcpy(index, frozen->index, INDEX_HEAD);
	memcpy(index->headers, frozen->headers, count * sizeof(struct sip_header));
	index->header_capacity = (uint16_t)count;
	sip_index_note_first(index);
	return index;
}

struct message *message_thaw(const void *block, struct arena *arena)
{
	const struct frozen *frozen = block;
	struct message *msg = frozen ? arena_alloc(arena, sizeof(*msg)) : NULL;
	if (!msg)
		return NULL;
	memcpy(msg, &frozen->head, offsetof(struct message, slots));
	memset(msg->slots, 0, sizeof(msg->slots));
	msg->arena = arena;
	if (!(msg->index = thaw_index(frozen, arena)))
		return NULL;
	if (msg->branch_count) {
		msg->branches = ARENA_ARRAY(arena, struct branch, MESSAGE_MAX_BRANCHES);
		if (!msg->branches)
			return NULL;
		memcpy(msg->branches, frozen->head.branches,
		       msg->branch_count * sizeof(struct branch));
	} else {
		msg->branches = NULL;
	}
	if (!thaw_edits(arena, &msg->edits) || !thaw_edits(arena, &msg->reply_lines))
		return NULL;
	if (!attributes_thaw(frozen->attributes, arena, &msg->attributes))
		return NULL;
	return msg;
}
