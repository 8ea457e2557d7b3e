/* SPDX-License-Identifier: BSD-2-Clause */
/* A message as one flat block for a transaction. The block lies in memory that every process has at
 * the same address, so pointers into the block itself are plain pointers. */
#include "core/base/check.h"
#include "core/message/message.h"

struct frozen {
	struct span attributes;
	struct sip_message_index *index; /* written up to `first`, then come the headers */
	struct sip_header *headers;
	/* Without what one process works with. Spans and lists point into this block. */
	struct message head;
};
#define KEPT_SIZE   offsetof(struct message, top_via)
#define FROZEN_SIZE (offsetof(struct frozen, head) + KEPT_SIZE)
#define INDEX_HEAD  offsetof(struct sip_message_index, first)

/* A block that is filled from front to back. */
struct block {
	char *at;
	const struct message *msg;
	const char *bytes; /* the copy of the message's bytes */
};

static size_t padded(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

static void *block_take(struct block *block, size_t size)
{
	void *at = block->at;
	block->at += padded(size);
	return at;
}

static void *block_copy(struct block *block, const void *from, size_t size)
{
	void *at = block_take(block, size);
	return size ? memcpy(at, from, size) : at;
}

/* Every text that is not absent has an address of its own, also an empty one. */
static size_t text_size(struct span text)
{
	return text.at ? padded(text.len + 1) : 0;
}

/* Text that lies in the message's bytes is not copied twice. */
static struct span block_move(struct block *block, struct span text)
{
	const struct span bytes = block->msg->bytes;
	if (text.at >= bytes.at && text.at + text.len <= bytes.at + bytes.len)
		return span_make(block->bytes + (text.at - bytes.at), text.len);
	char *copy = block_take(block, text.len + 1);
	memcpy(copy, text.at, text.len);
	return span_make(copy, text.len);
}

/* Most texts are absent. */
static inline struct span block_text(struct block *block, struct span text)
{
	return __builtin_expect(text.at != NULL, 0) ? block_move(block, text) : text;
}

static size_t edits_size(const struct edit *edits)
{
	size_t size = 0;
	for (const struct edit *e = edits; e; e = e->next)
		size += padded(sizeof(*e)) + text_size(e->text);
	return size;
}

static struct edit *block_edits(struct block *block, const struct edit *edits)
{
	struct edit *first = NULL, **last = &first;
	for (const struct edit *e = edits; e; e = e->next) {
		struct edit *copy = block_copy(block, e, sizeof(*e));
		copy->text = block_text(block, e->text);
		*last = copy;
		last = &copy->next;
	}
	*last = NULL;
	return first;
}

static size_t branch_texts_size(const struct branch *branch)
{
	return text_size(branch->uri) + text_size(branch->dst_uri) + text_size(branch->path) +
	       text_size(branch->ruid) + text_size(branch->instance) +
	       text_size(branch->location_ua);
}

static void block_branch_texts(struct block *block, struct branch *branch)
{
	branch->uri = block_text(block, branch->uri);
	branch->dst_uri = block_text(block, branch->dst_uri);
	branch->path = block_text(block, branch->path);
	branch->ruid = block_text(block, branch->ruid);
	branch->instance = block_text(block, branch->instance);
	branch->location_ua = block_text(block, branch->location_ua);
}

/* False: no memory. */
[[gnu::noinline]] static bool write_attributes(const struct message *msg, struct span *out_text)
{
	struct writer w = writer_in_arena(msg->arena, 1024);
	attributes_freeze(&msg->attributes, &w);
	*out_text = writer_result(&w);
	return !w.failed;
}

/* The same, for messages of which most have none. */
static inline bool freeze_attributes(const struct message *msg, struct span *out_text)
{
	const struct attributes *all = &msg->attributes;
	*out_text = (struct span){ NULL, 0 };
	if (!all->avps && !all->xavps && !all->xavus && !all->xavis)
		return true;
	return write_attributes(msg, out_text);
}

static size_t headers_size(const struct message *msg)
{
	return msg->index->header_count * sizeof(struct sip_header);
}

size_t message_frozen_size(const struct message *msg)
{
	struct span attributes;
	if (!freeze_attributes(msg, &attributes))
		return 0;
	size_t size = padded(FROZEN_SIZE) + padded(INDEX_HEAD) + padded(headers_size(msg)) +
		      text_size(msg->bytes) + padded(msg->branch_count * sizeof(struct branch)) +
		      branch_texts_size(&msg->target) + edits_size(msg->edits) +
		      edits_size(msg->reply_lines) + text_size(msg->advertised_host) +
		      text_size(msg->to_tag) + text_size(msg->account_user) +
		      text_size(msg->account_realm) + text_size(attributes);
	for (unsigned i = 0; i < msg->branch_count; i++)
		size += branch_texts_size(&msg->branches[i]);
	return size;
}

static void block_message(struct block *block, struct message *head)
{
	const struct message *msg = block->msg;
	memcpy(head, msg, KEPT_SIZE);
	head->bytes = span_make(block->bytes, msg->bytes.len);
	head->index = NULL;
	head->arena = NULL;
	head->branches =
		block_copy(block, msg->branches, msg->branch_count * sizeof(struct branch));
	block_branch_texts(block, &head->target);
	for (unsigned i = 0; i < msg->branch_count; i++)
		block_branch_texts(block, &head->branches[i]);
	head->edits = block_edits(block, msg->edits);
	head->reply_lines = block_edits(block, msg->reply_lines);
	head->advertised_host = block_text(block, msg->advertised_host);
	head->to_tag = block_text(block, msg->to_tag);
	head->account_user = block_text(block, msg->account_user);
	head->account_realm = block_text(block, msg->account_realm);
	head->attributes = (struct attributes){ 0 };
}

bool message_freeze(const struct message *msg, void *at)
{
	struct block block = { .at = at, .msg = msg };
	struct frozen *frozen = block_take(&block, FROZEN_SIZE);
	struct span attributes;
	if (!freeze_attributes(msg, &attributes))
		return false;
	frozen->index = block_copy(&block, msg->index, INDEX_HEAD);
	frozen->headers = block_copy(&block, msg->index->headers, headers_size(msg));
	char *bytes = block_take(&block, msg->bytes.len + 1);
	block.bytes = memcpy(bytes, msg->bytes.at, msg->bytes.len);
	block_message(&block, &frozen->head);
	frozen->attributes = block_text(&block, attributes);
	return true;
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
	memcpy(msg, &frozen->head, KEPT_SIZE);
	memset((char *)msg + KEPT_SIZE, 0, sizeof(*msg) - KEPT_SIZE);
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
