/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of the journal: magic, size, checksum, fixed part, lengths, texts. A reader that meets
 * damage looks for the next magic whose checksum holds, so a torn write costs its own record only. */
#include "modules/usrloc/journal_format.h"

#define FORMAT_VERSION  1
#define BYTE_ORDER_MARK 0x01020304u
#define RECORD_MAGIC    0x52434f4cu /* "LOCR" */

static const char file_magic[16] = "viaduct-location";

struct file_header {
	char magic[16];
	uint32_t version;
	uint32_t byte_order;
	uint64_t generation;
	uint64_t check; /* of everything before */
};
_Static_assert(sizeof(struct file_header) == JOURNAL_HEADER_BYTES, "the header has no gaps");

/* Texts behind those of the binding itself. */
enum { TEXT_DOMAIN = TEXT_COUNT, TEXT_SOCKET, TEXTS };

struct record_head {
	uint32_t magic;
	uint32_t size;  /* of the record, this head included */
	uint64_t check; /* of everything behind it */
};

struct record_body {
	uint64_t generation;
	int64_t expires_wall_ms;
	int64_t modified_wall_s;
	uint32_t version;
	uint32_t cseq, flags, cflags, methods, reg_id, server_id;
	int32_t q;
	uint16_t lengths[TEXTS];
	uint8_t kind;
	uint8_t memory_only;
};
#define FIXED_BYTES (sizeof(struct record_head) + sizeof(struct record_body))

void journal_header_write(uint64_t generation, char out[JOURNAL_HEADER_BYTES])
{
	struct file_header header = { .version = FORMAT_VERSION,
				      .byte_order = BYTE_ORDER_MARK,
				      .generation = generation };
	memcpy(header.magic, file_magic, sizeof(header.magic));
	header.check = hash_stable(&header, offsetof(struct file_header, check));
	memcpy(out, &header, sizeof(header));
}

bool journal_header_read(struct span bytes, uint64_t *out_generation, const char **out_error)
{
	struct file_header header;
	*out_error = NULL;
	if (bytes.len >= sizeof(header))
		memcpy(&header, bytes.at, sizeof(header));
	if (bytes.len < sizeof(header))
		*out_error = "it is shorter than its header";
	else if (memcmp(header.magic, file_magic, sizeof(header.magic)) != 0)
		*out_error = "it is no journal of bindings";
	else if (header.byte_order != BYTE_ORDER_MARK)
		*out_error = "it was written on a machine with another byte order";
	else if (header.version != FORMAT_VERSION)
		*out_error = "its format is of another release";
	else if (header.check != hash_stable(&header, offsetof(struct file_header, check)))
		*out_error = "its header is damaged";
	else
		*out_generation = header.generation;
	return !*out_error;
}

static void list_texts(const struct journal_record *record, struct span out_texts[TEXTS])
{
	const struct usrloc_contact *contact = &record->contact;
	out_texts[TEXT_AOR] = contact->aor;
	out_texts[TEXT_CONTACT] = contact->contact;
	out_texts[TEXT_RECEIVED] = contact->received;
	out_texts[TEXT_PATH] = contact->path;
	out_texts[TEXT_CALL_ID] = contact->call_id;
	out_texts[TEXT_USER_AGENT] = contact->user_agent;
	out_texts[TEXT_INSTANCE] = contact->instance;
	out_texts[TEXT_RUID] = contact->ruid;
	out_texts[TEXT_ATTRIBUTES] = contact->attributes;
	out_texts[TEXT_DOMAIN] = contact->domain;
	out_texts[TEXT_SOCKET] = record->socket;
}

size_t journal_encode(const struct journal_record *record, char *out, size_t room)
{
	const struct usrloc_contact *contact = &record->contact;
	struct span texts[TEXTS];
	struct record_body body = { .generation = record->generation,
				    .expires_wall_ms = record->expires_wall_ms,
				    .modified_wall_s = contact->modified_wall_s,
				    .version = contact->version,
				    .cseq = contact->cseq,
				    .flags = contact->flags,
				    .cflags = contact->cflags,
				    .methods = contact->methods,
				    .reg_id = contact->reg_id,
				    .server_id = contact->server_id,
				    .q = contact->q,
				    .kind = (uint8_t)record->kind,
				    .memory_only = contact->memory_only };
	size_t size = FIXED_BYTES;
	list_texts(record, texts);
	for (unsigned i = 0; i < TEXTS; i++) {
		if (texts[i].len > UINT16_MAX)
			return 0;
		body.lengths[i] = (uint16_t)texts[i].len;
		size += texts[i].len;
	}
	if (size > room || size > JOURNAL_RECORD_MOST)
		return 0;
	char *to = out + FIXED_BYTES;
	for (unsigned i = 0; i < TEXTS; i++) {
		if (texts[i].len)
			memcpy(to, texts[i].at, texts[i].len);
		to += texts[i].len;
	}
	struct record_head head = { .magic = RECORD_MAGIC, .size = (uint32_t)size };
	memcpy(out + sizeof(head), &body, sizeof(body));
	head.check = hash_stable(out + sizeof(head), size - sizeof(head));
	memcpy(out, &head, sizeof(head));
	return size;
}

/* The size of a sound record at the start of `bytes`, 0: there is none. */
static size_t record_size(struct span bytes)
{
	struct record_head head;
	struct record_body body;
	if (bytes.len < FIXED_BYTES)
		return 0;
	memcpy(&head, bytes.at, sizeof(head));
	if (head.magic != RECORD_MAGIC || head.size < FIXED_BYTES || head.size > bytes.len ||
	    head.check != hash_stable(bytes.at + sizeof(head), head.size - sizeof(head)))
		return 0;
	memcpy(&body, bytes.at + sizeof(head), sizeof(body));
	size_t size = FIXED_BYTES;
	for (unsigned i = 0; i < TEXTS; i++)
		size += body.lengths[i];
	bool is_known = body.kind == JOURNAL_KEEP || body.kind == JOURNAL_FORGET;
	return size == head.size && is_known && body.q >= -1 && body.q <= 1000 ? size : 0;
}

static struct span take_text(const char **from, uint16_t length)
{
	struct span text = { length ? *from : NULL, length };
	*from += length;
	return text;
}

static void read_record(const char *at, struct journal_record *out)
{
	struct record_body body;
	const char *from = at + FIXED_BYTES;
	memcpy(&body, at + sizeof(struct record_head), sizeof(body));
	*out = (struct journal_record){ .kind = body.kind,
					.generation = body.generation,
					.expires_wall_ms = body.expires_wall_ms };
	struct usrloc_contact *contact = &out->contact;
	struct span *const texts[TEXTS] = {
		&contact->aor,        &contact->contact,    &contact->received, &contact->path,
		&contact->call_id,    &contact->user_agent, &contact->instance, &contact->ruid,
		&contact->attributes, &contact->domain,     &out->socket
	};
	for (unsigned i = 0; i < TEXTS; i++)
		*texts[i] = take_text(&from, body.lengths[i]);
	contact->modified_wall_s = body.modified_wall_s;
	contact->version = body.version;
	contact->cseq = body.cseq;
	contact->flags = body.flags;
	contact->cflags = body.cflags;
	contact->methods = body.methods;
	contact->reg_id = body.reg_id;
	contact->server_id = body.server_id;
	contact->q = body.q;
	contact->memory_only = body.memory_only;
}

/* Where the zeros end that begin at `at`: room that nobody has written to. */
static size_t skip_zeros(struct span bytes, size_t at)
{
	uint64_t word;
	while (at + sizeof(word) <= bytes.len) {
		memcpy(&word, bytes.at + at, sizeof(word));
		if (word)
			break;
		at += sizeof(word);
	}
	while (at < bytes.len && bytes.at[at] == 0)
		at++;
	return at;
}

enum journal_found journal_decode(struct span bytes, size_t *at, struct journal_record *out,
				  size_t *skipped)
{
	while (*at < bytes.len) {
		size_t size = record_size(span_slice(bytes, *at, bytes.len));
		if (size) {
			read_record(bytes.at + *at, out);
			out->at = *at;
			*at += size;
			return JOURNAL_RECORD;
		}
		size_t damage = skip_zeros(bytes, *at);
		if (damage > *at) {
			*at = damage;
			continue;
		}
		/* The first byte of the magic is where the next record may begin. */
		size_t next = span_find(bytes, (char)(RECORD_MAGIC & 0xff), *at + 1), end = next;
		while (bytes.at[end - 1] == 0)
			end--;
		*skipped += end - *at;
		*at = next;
	}
	return JOURNAL_END;
}
