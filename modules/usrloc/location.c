/* SPDX-License-Identifier: BSD-2-Clause */
/* The store of bindings. A slot is one binding; its texts are one block of its region, and bindings
 * of the same address-of-record share their hash, so no other index is needed. */
#include "modules/usrloc/location.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/shm/map.h"
#include "parser/uri.h"

#define SHARDS 64
#define DOMAINS_MOST 16
#define EXPIRY 0 /* the one timer of a binding */
#define NO_SOCKET UINT16_MAX

enum text { TEXT_AOR, TEXT_CONTACT, TEXT_RECEIVED, TEXT_PATH, TEXT_CALL_ID, TEXT_USER_AGENT, TEXT_INSTANCE,
	TEXT_RUID, TEXT_COUNT };

struct binding {
	struct slot slot;
	char *texts;               /* one block: all texts, one after the other */
	uint16_t lengths[TEXT_COUNT];
	uint16_t socket;           /* listener's index */
	uint8_t domain;
	bool is_permanent;
	int32_t q;
	int64_t expires_ms;        /* monotonic */
	int64_t modified_wall_s;
	uint32_t cseq, flags, cflags, methods, reg_id, server_id, connection;
	uint32_t order;            /* grows with every insertion: age among equals */
};

struct domain {
	char name[64];
	uint32_t length;
};

static struct {
	struct shard_set *set;
	struct domain *domains;      /* shared memory; a name is written before the count grows */
	_Atomic uint32_t *domain_count;
	_Atomic uint32_t *order;
	struct location_options options;
	uint64_t last_ruid;
	int64_t boot_s;
	counter_id contacts[DOMAINS_MOST], users[DOMAINS_MOST], expired[DOMAINS_MOST], all_users;
} store;

static const struct shard_type binding_type = {
	.name = "usrloc",
	.slot_size = sizeof(struct binding),
	.timer_count = 1,
};

/* ---- domains ------------------------------------------------------------------------------------------ */

unsigned location_domain_find(struct span name)
{
	for (unsigned i = 0; i < *store.domain_count; i++)
		if (span_equal(location_domain_name(i), name))
			return i;
	return USRLOC_NO_DOMAIN;
}

unsigned location_domain(struct span name)
{
	unsigned domain = location_domain_find(name);
	if (domain != USRLOC_NO_DOMAIN)
		return domain;
	/* Two processes may meet a new name at once: the shard's lock of that name orders them. */
	struct shard *shard = shard_lock_number(store.set, 0);
	domain = location_domain_find(name);
	uint32_t count = *store.domain_count;
	if (domain == USRLOC_NO_DOMAIN && count < DOMAINS_MOST && name.len && name.len < sizeof(store.domains->name)) {
		memcpy(store.domains[count].name, name.at, name.len);
		store.domains[count].length = (uint32_t)name.len;
		*store.domain_count = count + 1;
		domain = count;
	}
	shard_unlock(shard);
	return domain;
}

unsigned location_domain_count(void)
{
	return *store.domain_count;
}

struct span location_domain_name(unsigned domain)
{
	return span_make(store.domains[domain].name, store.domains[domain].length);
}

void location_count_domain(unsigned domain)
{
	struct span name = location_domain_name(domain);
	char text[96];
	struct writer w = writer_fixed(text, sizeof(text) - 1);
	writer_printf(&w, "%.*s_contacts", SPAN_ARGS(name));
	store.contacts[domain] = counter_register("usrloc", writer_terminate(&w), "bindings now", COUNTER_GAUGE);
	w.len = 0;
	writer_printf(&w, "%.*s_users", SPAN_ARGS(name));
	store.users[domain] = counter_register("usrloc", writer_terminate(&w), "addresses-of-record with bindings now",
		COUNTER_GAUGE);
	w.len = 0;
	writer_printf(&w, "%.*s_expires", SPAN_ARGS(name));
	store.expired[domain] = counter_register("usrloc", writer_terminate(&w), "bindings that expired", COUNTER_COUNT);
}

bool location_prepare(const struct location_options *options)
{
	store.options = *options;
	store.set = shard_set_new(&binding_type, SHARDS);
	store.domains = shm_reserve(DOMAINS_MOST * sizeof(struct domain), "usrloc");
	uint32_t *numbers = shm_reserve(64, "usrloc");
	if (!store.set || !store.domains || !numbers)
		return false;
	store.domain_count = (_Atomic uint32_t *)&numbers[0];
	store.order = (_Atomic uint32_t *)&numbers[1];
	store.boot_s = clock_wall_s();
	store.all_users = counter_register("usrloc", "registered_users", "addresses-of-record with bindings now",
		COUNTER_GAUGE);
	return true;
}

/* ---- one binding ----------------------------------------------------------------------------------------- */

static uint64_t aor_hash(unsigned domain, struct span aor)
{
	return hash_mix(hash_span(aor), domain);
}

uint32_t location_hash_id(unsigned domain, struct span aor)
{
	return (uint32_t)(aor_hash(domain, aor) & 0x7fffffff);
}

static struct span binding_text(const struct binding *binding, enum text which)
{
	size_t at = 0;
	if (binding->lengths[which] == 0)
		return (struct span){ NULL, 0 };
	for (unsigned i = 0; i < which; i++)
		at += binding->lengths[i];
	return span_make(binding->texts + at, binding->lengths[which]);
}

static bool binding_is_of(const struct binding *binding, unsigned domain, struct span aor)
{
	return binding->domain == domain && span_equal(binding_text(binding, TEXT_AOR), aor);
}

static bool binding_is_over(const struct binding *binding)
{
	return !binding->is_permanent && binding->expires_ms <= clock_ms();
}

/* "uloc-<boot>-<process>-<number>", as other servers name their records. */
static struct span make_ruid(char out[64])
{
	struct writer w = writer_fixed(out, 64);
	writer_literal(&w, "uloc-");
	writer_hex(&w, (uint64_t)store.boot_s, 1);
	writer_char(&w, '-');
	writer_hex(&w, (uint64_t)getpid(), 1);
	writer_char(&w, '-');
	writer_hex(&w, ++store.last_ruid, 1);
	return writer_result(&w);
}

static bool fill_texts(struct shard *shard, struct binding *binding, struct span aor,
	const struct usrloc_contact *contact, struct span ruid, char **out_texts, uint16_t *out_lengths)
{
	const struct span texts[TEXT_COUNT] = { aor, contact->contact, contact->received, contact->path,
		contact->call_id, contact->user_agent, contact->instance, ruid };
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

static void fill_numbers(struct binding *binding, const struct usrloc_contact *contact)
{
	binding->socket = contact->socket ? (uint16_t)contact->socket->index : NO_SOCKET;
	binding->is_permanent = contact->expires_s == USRLOC_PERMANENT;
	binding->expires_ms = binding->is_permanent ? INT64_MAX : clock_ms() + contact->expires_s * 1000;
	binding->modified_wall_s = clock_wall_s();
	binding->q = contact->q;
	binding->cseq = contact->cseq;
	binding->flags = contact->flags;
	binding->cflags = contact->cflags;
	binding->methods = contact->methods;
	binding->reg_id = contact->reg_id;
	binding->server_id = store.options.server_id;
	binding->connection = contact->connection;
}

static void arm_expiry(struct shard *shard, struct binding *binding)
{
	if (binding->is_permanent)
		timer_disarm(shard, &binding->slot, EXPIRY);
	else
		timer_arm(shard, &binding->slot, EXPIRY, binding->expires_ms);
}

static bool binding_insert(struct shard *shard, unsigned domain, struct span aor,
	const struct usrloc_contact *contact)
{
	char ruid[64];
	struct binding *binding = slot_new(shard, aor_hash(domain, aor));
	if (!binding)
		return false;
	binding->domain = (uint8_t)domain;
	binding->order = ++*store.order;
	if (!fill_texts(shard, binding, aor, contact, contact->ruid.len ? contact->ruid : make_ruid(ruid),
		    &binding->texts, binding->lengths)) {
		slot_free(shard, &binding->slot);
		return false;
	}
	fill_numbers(binding, contact);
	arm_expiry(shard, binding);
	slot_publish(shard, &binding->slot);
	counter_inc(store.contacts[domain]);
	return true;
}

static bool binding_update(struct shard *shard, struct binding *binding, const struct usrloc_contact *contact)
{
	char *texts, *old = binding->texts;
	uint16_t lengths[TEXT_COUNT];
	struct span aor = binding_text(binding, TEXT_AOR), ruid = binding_text(binding, TEXT_RUID);
	if (!fill_texts(shard, binding, aor, contact, ruid, &texts, lengths))
		return false;
	slot_change_begin(shard, &binding->slot);
	binding->texts = texts;
	memcpy(binding->lengths, lengths, sizeof(lengths));
	fill_numbers(binding, contact);
	arm_expiry(shard, binding);
	slot_change_end(shard, &binding->slot);
	region_free(shard, &binding->slot, old);
	return true;
}

static void binding_free(struct shard *shard, struct binding *binding)
{
	counter_add(store.contacts[binding->domain], -1);
	slot_free(shard, &binding->slot);
}

/* ---- all bindings of an address-of-record ---------------------------------------------------------------------- */

static unsigned collect(struct shard *shard, unsigned domain, struct span aor, struct binding **out_bindings)
{
	unsigned count = 0;
	struct binding *binding = slot_first(shard, aor_hash(domain, aor));
	for (; binding && count < USRLOC_CONTACTS_MOST; binding = slot_next(shard, &binding->slot))
		if (binding_is_of(binding, domain, aor))
			out_bindings[count++] = binding;
	return count;
}

static void count_users(unsigned domain, unsigned before, unsigned after)
{
	int change = (after > 0) - (before > 0);
	if (change) {
		counter_add(store.users[domain], change);
		counter_add(store.all_users, change);
	}
}

static bool copy_out(const struct binding *binding, struct arena *arena, struct usrloc_contact *out)
{
	size_t size = 0;
	for (unsigned i = 0; i < TEXT_COUNT; i++)
		size += binding->lengths[i];
	char *texts = arena_alloc(arena, size + 1);
	if (!texts)
		return false;
	memcpy(texts, binding->texts, size);
	struct span *const spans[TEXT_COUNT] = { &out->aor, &out->contact, &out->received, &out->path,
		&out->call_id, &out->user_agent, &out->instance, &out->ruid };
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		*spans[i] = binding->lengths[i] ? span_make(texts, binding->lengths[i]) : (struct span){ NULL, 0 };
		texts += binding->lengths[i];
	}
	out->socket = binding->socket < listener_count() ? listener_at(binding->socket) : NULL;
	out->expires_s = binding->is_permanent ? USRLOC_PERMANENT : (binding->expires_ms - clock_ms() + 999) / 1000;
	out->modified_wall_s = binding->modified_wall_s;
	out->q = binding->q;
	out->cseq = binding->cseq;
	out->flags = binding->flags;
	out->cflags = binding->cflags;
	out->methods = binding->methods;
	out->reg_id = binding->reg_id;
	out->server_id = binding->server_id;
	out->connection = binding->connection;
	out->domain = location_domain_name(binding->domain);
	out->hash = aor_hash(binding->domain, out->aor);
	return true;
}

/* Best first: higher q, then the older one; with desc_time_order the one modified last. */
static int compare_bindings(const void *left, const void *right)
{
	const struct binding *a = *(struct binding *const *)left, *b = *(struct binding *const *)right;
	if (store.options.by_time) {
		if (a->modified_wall_s != b->modified_wall_s)
			return a->modified_wall_s > b->modified_wall_s ? -1 : 1;
		return a->order > b->order ? -1 : 1;
	}
	if (a->q != b->q)
		return a->q > b->q ? -1 : 1;
	return (int32_t)(a->order - b->order) < 0 ? -1 : 1;
}

unsigned location_get(unsigned domain, struct span aor, struct arena *arena, struct usrloc_contact **out_contacts)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	if (domain == USRLOC_NO_DOMAIN)
		return 0;
	struct shard *shard = shard_lock(store.set, aor_hash(domain, aor));
	unsigned count = collect(shard, domain, aor, found), copied = 0;
	struct usrloc_contact *contacts = count ? ARENA_ARRAY(arena, struct usrloc_contact, count) : NULL;
	if (count > 1)
		qsort(found, count, sizeof(found[0]), compare_bindings);
	for (unsigned i = 0; contacts && i < count; i++)
		if (!binding_is_over(found[i]) && copy_out(found[i], arena, &contacts[copied]))
			copied++;
	shard_unlock(shard);
	*out_contacts = contacts;
	return copied;
}

bool location_get_ruid(unsigned domain, uint64_t hash, struct span ruid, struct arena *arena,
	struct usrloc_contact *out_contact)
{
	bool is_found = false;
	struct shard *shard = shard_lock(store.set, hash);
	for (struct binding *binding = slot_first(shard, hash); binding && !is_found;
		binding = slot_next(shard, &binding->slot))
		is_found = binding->domain == domain && !binding_is_over(binding) &&
			span_equal(binding_text(binding, TEXT_RUID), ruid) && copy_out(binding, arena, out_contact);
	shard_unlock(shard);
	return is_found;
}

unsigned location_remove(unsigned domain, struct span aor, struct span ruid)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	if (domain == USRLOC_NO_DOMAIN)
		return 0;
	struct shard *shard = shard_lock(store.set, aor_hash(domain, aor));
	unsigned count = collect(shard, domain, aor, found), removed = 0;
	for (unsigned i = 0; i < count; i++)
		if (!ruid.len || span_equal(binding_text(found[i], TEXT_RUID), ruid)) {
			binding_free(shard, found[i]);
			removed++;
		}
	shard_unlock(shard);
	count_users(domain, count, count - removed);
	return removed;
}

/* ---- changes of a REGISTER ------------------------------------------------------------------------------------- */

static bool binding_matches(const struct binding *binding, const struct usrloc_contact *contact)
{
	if (contact->instance.len)
		return span_equal(binding_text(binding, TEXT_INSTANCE), contact->instance) &&
		       binding->reg_id == contact->reg_id;
	bool same_contact = uri_text_equal(binding_text(binding, TEXT_CONTACT), contact->contact) ||
		span_equal(binding_text(binding, TEXT_CONTACT), contact->contact);
	switch (store.options.matching) {
	case MATCH_CONTACT:
		return same_contact;
	case MATCH_CONTACT_CALL_ID:
		return same_contact && span_equal(binding_text(binding, TEXT_CALL_ID), contact->call_id);
	case MATCH_CONTACT_PATH:
		return same_contact && span_equal(binding_text(binding, TEXT_PATH), contact->path);
	case MATCH_CALL_ID:
		return span_equal(binding_text(binding, TEXT_CALL_ID), contact->call_id);
	}
	return false;
}

/* A change with what it applies to. */
struct plan {
	struct binding *target; /* NULL: insert, or nothing to remove */
	bool is_repeat;         /* a retransmission: changes nothing */
};

static struct binding *find_match(struct binding *const *found, unsigned count, const struct usrloc_contact *contact)
{
	for (unsigned i = 0; i < count; i++)
		if (!binding_is_over(found[i]) && binding_matches(found[i], contact))
			return found[i];
	return NULL;
}

static enum usrloc_result make_plans(struct binding *const *found, unsigned found_count,
	const struct usrloc_change *changes, unsigned count, struct plan *plans)
{
	for (unsigned i = 0; i < count; i++) {
		const struct usrloc_contact *contact = &changes[i].contact;
		struct binding *target = find_match(found, found_count, contact);
		plans[i] = (struct plan){ .target = target };
		if (!target || !span_equal(binding_text(target, TEXT_CALL_ID), contact->call_id))
			continue;
		if (contact->cseq < target->cseq)
			return USRLOC_BAD_CSEQ;
		plans[i].is_repeat = contact->cseq == target->cseq &&
			target->modified_wall_s + store.options.cseq_delay_s > clock_wall_s();
	}
	return USRLOC_OK;
}

static unsigned count_after(struct binding *const *found, unsigned found_count, const struct usrloc_change *changes,
	const struct plan *plans, unsigned count, bool only_these)
{
	unsigned live = 0, added = 0, gone = 0;
	for (unsigned i = 0; i < found_count; i++)
		live += !binding_is_over(found[i]);
	for (unsigned i = 0; i < count; i++) {
		added += !changes[i].remove && !plans[i].target;
		gone += changes[i].remove && plans[i].target;
	}
	return only_these ? count : live + added - gone;
}

/* Refreshing and removing is always allowed, also when the limit was lowered meanwhile. */
static bool adds_bindings(const struct usrloc_change *changes, const struct plan *plans, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!changes[i].remove && !plans[i].target)
			return true;
	return false;
}

static bool is_planned(const struct binding *binding, const struct plan *plans, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (plans[i].target == binding)
			return true;
	return false;
}

/* What needs memory comes first, so that a failure leaves the old bindings in place. */
static enum usrloc_result carry_out(struct shard *shard, unsigned domain, struct span aor,
	const struct usrloc_change *changes, const struct plan *plans, unsigned count, struct usrloc_outcome *outcome)
{
	for (unsigned i = 0; i < count; i++) {
		if (changes[i].remove || plans[i].is_repeat)
			continue;
		bool is_done = plans[i].target ? binding_update(shard, plans[i].target, &changes[i].contact) :
			binding_insert(shard, domain, aor, &changes[i].contact);
		if (!is_done)
			return USRLOC_NO_MEMORY;
		outcome->updated += plans[i].target != NULL;
		outcome->inserted += plans[i].target == NULL;
	}
	for (unsigned i = 0; i < count; i++)
		if (changes[i].remove && plans[i].target && plans[i].target->slot.state == SLOT_LIVE) {
			binding_free(shard, plans[i].target);
			outcome->removed++;
		}
	return USRLOC_OK;
}

enum usrloc_result location_apply(unsigned domain, struct span aor, const struct usrloc_change *changes,
	unsigned count, unsigned max_contacts, bool only_these, struct usrloc_outcome *out_outcome)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	struct plan plans[USRLOC_CONTACTS_MOST];
	struct usrloc_outcome outcome = { 0 };
	if (domain == USRLOC_NO_DOMAIN || count > USRLOC_CONTACTS_MOST)
		return USRLOC_NO_MEMORY;
	struct shard *shard = shard_lock(store.set, aor_hash(domain, aor));
	unsigned before = collect(shard, domain, aor, found);
	enum usrloc_result result = make_plans(found, before, changes, count, plans);
	unsigned most = max_contacts && max_contacts < USRLOC_CONTACTS_MOST ? max_contacts : USRLOC_CONTACTS_MOST;
	if (result == USRLOC_OK && adds_bindings(changes, plans, count) &&
		count_after(found, before, changes, plans, count, only_these) > most)
		result = USRLOC_TOO_MANY;
	if (result == USRLOC_OK)
		result = carry_out(shard, domain, aor, changes, plans, count, &outcome);
	for (unsigned i = 0; result == USRLOC_OK && only_these && i < before; i++)
		if (!is_planned(found[i], plans, count)) {
			binding_free(shard, found[i]);
			outcome.removed++;
		}
	shard_unlock(shard);
	count_users(domain, before, before + outcome.inserted - outcome.removed);
	if (result == USRLOC_OK)
		*out_outcome = outcome;
	return result;
}

/* ---- reports and expiry ------------------------------------------------------------------------------------------ */

unsigned location_shard_count(void)
{
	return shard_count(store.set);
}

static int compare_aors(const void *left, const void *right)
{
	const struct usrloc_contact *a = left, *b = right;
	int order = span_compare(a->aor, b->aor);
	return order ? order : (a->q < b->q) - (a->q > b->q);
}

unsigned location_copy_shard(unsigned domain, unsigned number, struct arena *arena,
	struct usrloc_contact **out_contacts)
{
	uint32_t cursor = 0;
	unsigned count = 0;
	struct shard *shard = shard_lock_number(store.set, number);
	struct usrloc_contact *contacts = ARENA_ARRAY(arena, struct usrloc_contact, shard_live(store.set, number) + 1);
	struct binding *binding;
	while (contacts && count < shard_live(store.set, number) && (binding = slot_each(shard, &cursor)))
		if (binding->domain == domain && !binding_is_over(binding) && copy_out(binding, arena, &contacts[count]))
			count++;
	shard_unlock(shard);
	if (count > 1)
		qsort(contacts, count, sizeof(*contacts), compare_aors);
	*out_contacts = contacts;
	return count;
}

/* Frees one binding whose time has come. Returns true with a copy. */
static bool expire_one(struct shard *shard, struct binding *binding, struct arena *arena, struct usrloc_contact *out)
{
	struct binding *found[USRLOC_CONTACTS_MOST];
	if (!binding_is_over(binding)) {
		arm_expiry(shard, binding);
		return false;
	}
	unsigned domain = binding->domain;
	unsigned before = collect(shard, domain, binding_text(binding, TEXT_AOR), found);
	bool is_copied = copy_out(binding, arena, out);
	binding_free(shard, binding);
	count_users(domain, before, before - 1);
	counter_inc(store.expired[domain]);
	return is_copied;
}

unsigned location_expire(struct arena *arena, struct usrloc_contact *out_contacts, unsigned most)
{
	struct timer_due due[64];
	unsigned count = 0, workers = worker_count();
	for (unsigned number = (unsigned)worker_index(); number < shard_count(store.set); number += workers) {
		if (shard_next_deadline(store.set, number) > clock_ms())
			continue;
		unsigned room = most - count < ARRAY_SIZE(due) ? most - count : ARRAY_SIZE(due);
		if (room == 0)
			break;
		struct shard *shard = shard_lock_number(store.set, number);
		unsigned collected = wheel_collect(shard, clock_ms(), due, room);
		for (unsigned i = 0; i < collected; i++)
			count += expire_one(shard, (struct binding *)due[i].slot, arena, &out_contacts[count]);
		shard_unlock(shard);
	}
	return count;
}
