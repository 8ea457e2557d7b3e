/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of contacts: 144 bytes and one block of texts each. */
#include "modules/usrloc/binding.h"

#include <unistd.h>

#include "modules/usrloc/agents.h"
#include "modules/usrloc/location.h"

static struct {
	int64_t boot_s;
	uint64_t last_ruid;
	char ruid_start[48]; /* of all that this process makes */
	size_t ruid_start_len;
	uint32_t server_id;
	int64_t linger_ms;
} state;

const struct shard_type binding_type = {
	.name = "usrloc",
	.slot_size = sizeof(struct binding),
	.timer_count = BINDING_TIMERS,
};

/* "uloc-<boot>-<process>-<number>", as other servers name their records. */
static void begin_ruids(void)
{
	struct writer w = writer_fixed(state.ruid_start, sizeof(state.ruid_start));
	writer_literal(&w, "uloc-");
	writer_hex(&w, (uint64_t)state.boot_s, 1);
	writer_char(&w, '-');
	writer_hex(&w, (uint64_t)getpid(), 1);
	writer_char(&w, '-');
	state.ruid_start_len = w.len;
}

bool bindings_prepare(uint32_t server_id)
{
	state.boot_s = clock_wall_s();
	state.server_id = server_id;
	begin_ruids();
	return agents_prepare();
}

void bindings_start_worker(void)
{
	begin_ruids();
}

void bindings_linger(int64_t linger_ms)
{
	state.linger_ms = linger_ms;
}

int64_t binding_cleared_ms(const struct binding *binding)
{
	return binding->expires_ms == INT64_MAX ? INT64_MAX : binding->expires_ms + state.linger_ms;
}

uint64_t binding_hash(unsigned domain, struct span aor)
{
	return hash_mix(hash_span(aor), domain);
}

struct span binding_text(const struct binding *binding, enum binding_text which)
{
	size_t at = 0;
	if (binding->lengths[which] == 0)
		return (struct span){ NULL, 0 };
	for (unsigned i = 0; i < which; i++)
		at += binding->lengths[i];
	return span_make(binding->texts + at, binding->lengths[which]);
}

struct span binding_user_agent(const struct binding *binding)
{
	return binding->agent ? agent_text(binding->agent) : binding_text(binding, TEXT_USER_AGENT);
}

bool binding_is_of(const struct binding *binding, const struct binding_owner *owner)
{
	return binding->domain == owner->domain && binding->lengths[TEXT_AOR] == owner->aor.len &&
	       memcmp(binding->texts, owner->aor.at, owner->aor.len) == 0;
}

bool binding_is_over(const struct binding *binding)
{
	return binding->state == BINDING_GONE || binding->expires_ms <= clock_ms();
}

/* ---- filling ---- */

static struct span make_ruid(char out[64])
{
	struct writer w = writer_fixed(out, 64);
	writer_bytes(&w, state.ruid_start, state.ruid_start_len);
	writer_hex(&w, ++state.last_ruid, 1);
	return writer_result(&w);
}

static bool fill_texts(struct shard *shard, struct binding *binding, const struct span *texts,
		       char **out_texts, uint16_t *out_lengths)
{
	size_t size = 0;
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		if (texts[i].len > UINT16_MAX)
			return false;
		size += texts[i].len;
	}
	char *block = region_alloc(shard, &binding->slot, size);
	if (!block)
		return false;
	*out_texts = block;
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		if (texts[i].len)
			memcpy(block, texts[i].at, texts[i].len);
		block += texts[i].len;
		out_lengths[i] = (uint16_t)texts[i].len;
	}
	return true;
}

/* A phone that registers again says the same as a rule: then nothing is copied. */
static bool has_texts(const struct binding *binding, const struct span *texts)
{
	const char *at = binding->texts;
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		size_t len = binding->lengths[i];
		if (len != texts[i].len || (len && memcmp(at, texts[i].at, len) != 0))
			return false;
		at += len;
	}
	return true;
}

static void list_texts(struct span aor, const struct usrloc_contact *contact, struct span ruid,
		       uint16_t agent, struct span out_texts[TEXT_COUNT])
{
	out_texts[TEXT_AOR] = aor;
	out_texts[TEXT_CONTACT] = contact->contact;
	out_texts[TEXT_RECEIVED] = contact->received;
	out_texts[TEXT_PATH] = contact->path;
	out_texts[TEXT_CALL_ID] = contact->call_id;
	out_texts[TEXT_USER_AGENT] = agent ? (struct span){ NULL, 0 } : contact->user_agent;
	out_texts[TEXT_INSTANCE] = contact->instance;
	out_texts[TEXT_RUID] = ruid;
	out_texts[TEXT_ATTRIBUTES] = contact->attributes;
}

/* 136 years of seconds: more would pass the clock's range. */
#define EXPIRES_MOST_S ((int64_t)UINT32_MAX)

static void fill_numbers(struct binding *binding, const struct usrloc_contact *contact)
{
	int64_t expires_s =
		contact->expires_s < EXPIRES_MOST_S ? contact->expires_s : EXPIRES_MOST_S;
	binding->socket = contact->socket ? (uint16_t)contact->socket->index : USRLOC_NO_SOCKET;
	binding->expires_ms =
		contact->expires_s == USRLOC_PERMANENT ? INT64_MAX : clock_ms() + expires_s * 1000;
	binding->modified_s =
		(uint32_t)(contact->modified_wall_s ? contact->modified_wall_s : clock_wall_s());
	binding->q = (int16_t)contact->q;
	binding->cseq = contact->cseq;
	binding->flags = contact->flags;
	binding->cflags = contact->cflags;
	binding->methods = contact->methods;
	binding->reg_id = contact->reg_id;
	binding->server_id = contact->server_id ? contact->server_id : state.server_id;
	binding->connection = contact->connection;
	binding->memory_only = contact->memory_only;
	binding->keepalive_s = (uint32_t)clock_wall_s();
}

static void arm_expiry(struct shard *shard, struct binding *binding)
{
	if (binding->expires_ms == INT64_MAX)
		timer_disarm(shard, &binding->slot, TIMER_EXPIRY);
	else
		timer_arm(shard, &binding->slot, TIMER_EXPIRY, binding_cleared_ms(binding));
}

struct binding *binding_insert(struct shard *shard, const struct binding_owner *owner,
			       const struct usrloc_contact *contact, uint32_t order)
{
	char ruid[64];
	struct span texts[TEXT_COUNT];
	struct binding *binding = slot_new(shard, owner->hash);
	if (!binding)
		return NULL;
	binding->agent = agent_number(contact->user_agent);
	list_texts(owner->aor, contact, contact->ruid.len ? contact->ruid : make_ruid(ruid),
		   binding->agent, texts);
	if (!fill_texts(shard, binding, texts, &binding->texts, binding->lengths)) {
		slot_free(shard, &binding->slot);
		return NULL;
	}
	binding->domain = (uint8_t)owner->domain;
	binding->order = order;
	binding->version = contact->version ? contact->version : 1;
	binding->call_since = binding->version;
	binding->state = BINDING_NEW;
	fill_numbers(binding, contact);
	arm_expiry(shard, binding);
	slot_publish(shard, &binding->slot);
	return binding;
}

bool binding_update(struct shard *shard, struct binding *binding,
		    const struct usrloc_contact *contact)
{
	char *texts, *old = binding->texts;
	uint16_t lengths[TEXT_COUNT], agent = agent_number(contact->user_agent);
	struct span all[TEXT_COUNT];
	bool same_call = span_equal(binding_text(binding, TEXT_CALL_ID), contact->call_id);
	list_texts(binding_text(binding, TEXT_AOR), contact, binding_text(binding, TEXT_RUID),
		   agent, all);
	bool is_same = has_texts(binding, all);
	if (!is_same && !fill_texts(shard, binding, all, &texts, lengths))
		return false;
	slot_change_begin(shard, &binding->slot);
	if (!is_same) {
		binding->texts = texts;
		memcpy(binding->lengths, lengths, sizeof(lengths));
	}
	binding->agent = agent;
	binding->version++;
	if (!same_call)
		binding->call_since = binding->version;
	if (binding->state == BINDING_SYNC)
		binding->state = BINDING_DIRTY;
	fill_numbers(binding, contact);
	arm_expiry(shard, binding);
	slot_change_end(shard, &binding->slot);
	if (!is_same)
		region_free(shard, &binding->slot, old);
	return true;
}

void binding_end_soon(struct shard *shard, struct binding *binding, int64_t seconds)
{
	int64_t end_ms = clock_ms() + seconds * 1000;
	if (binding->expires_ms <= end_ms)
		return;
	slot_change_begin(shard, &binding->slot);
	binding->version++;
	if (binding->state == BINDING_SYNC)
		binding->state = BINDING_DIRTY;
	binding->expires_ms = end_ms;
	arm_expiry(shard, binding);
	slot_change_end(shard, &binding->slot);
}

bool binding_set_attributes(struct shard *shard, struct binding *binding, struct span attributes)
{
	char *texts, *old = binding->texts;
	uint16_t lengths[TEXT_COUNT];
	struct span all[TEXT_COUNT];
	for (unsigned i = 0; i < TEXT_COUNT; i++)
		all[i] = binding_text(binding, i);
	all[TEXT_ATTRIBUTES] = attributes;
	if (!fill_texts(shard, binding, all, &texts, lengths))
		return false;
	slot_change_begin(shard, &binding->slot);
	binding->texts = texts;
	memcpy(binding->lengths, lengths, sizeof(lengths));
	slot_change_end(shard, &binding->slot);
	region_free(shard, &binding->slot, old);
	return true;
}

/* ---- copies ---- */

static void copy_numbers(const struct binding *binding, struct usrloc_contact *out)
{
	out->socket = binding->socket < listener_count() ? listener_at(binding->socket) : NULL;
	out->expires_s = binding->expires_ms == INT64_MAX
				 ? USRLOC_PERMANENT
				 : (binding->expires_ms - clock_ms() + 999) / 1000;
	out->modified_wall_s = binding->modified_s;
	out->q = binding->q;
	out->cseq = binding->cseq;
	out->flags = binding->flags;
	out->cflags = binding->cflags;
	out->methods = binding->methods;
	out->reg_id = binding->reg_id;
	out->server_id = binding->server_id;
	out->connection = binding->connection;
	out->memory_only = binding->memory_only;
	out->version = binding->version;
	out->call_since = binding->call_since;
	out->state = binding->state;
	out->keepalive_wall_s = binding->keepalive_s;
	out->roundtrip_us = binding->roundtrip_us;
	out->domain = location_domain_name(binding->domain);
	out->domain_number = binding->domain;
	out->hash = binding->slot.hash;
}

bool binding_copy(const struct binding *binding, struct arena *arena, struct usrloc_contact *out)
{
	size_t size = 0;
	for (unsigned i = 0; i < TEXT_COUNT; i++)
		size += binding->lengths[i];
	char *texts = arena_alloc(arena, size + 1);
	if (!texts)
		return false;
	memcpy(texts, binding->texts, size);
	struct span *const spans[TEXT_COUNT] = { &out->aor,      &out->contact, &out->received,
						 &out->path,     &out->call_id, &out->user_agent,
						 &out->instance, &out->ruid,    &out->attributes };
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		*spans[i] = binding->lengths[i] ? span_make(texts, binding->lengths[i])
						: (struct span){ NULL, 0 };
		texts += binding->lengths[i];
	}
	if (binding->agent)
		out->user_agent = agent_text(binding->agent);
	copy_numbers(binding, out);
	return true;
}
