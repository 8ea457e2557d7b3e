/* SPDX-License-Identifier: BSD-2-Clause */
/* list: the sets of destinations as one block of shared memory. Readers hold it without a lock; a
 * change makes a new block beside it. States live in the block and are carried over: also those that
 * change while the new block is made. */
#include <errno.h>
#include <stdlib.h>

#include "core/shm/map.h"
#include "core/shm/published.h"
#include "modules/dispatcher/dispatcher.h"

#define WEIGHT_MOST 100

static struct {
	struct published *list;
	_Atomic uint64_t *writer; /* process and incarnation of who changes it; 0: nobody */
} state;

bool list_prepare(void)
{
	state.list = published_new("dispatcher");
	state.writer = shm_reserve(sizeof(*state.writer), "dispatcher");
	return state.list && state.writer;
}

const struct destination_list *list_hold(void)
{
	return published_hold(state.list, process_index());
}

void list_release(void)
{
	published_release(state.list, process_index());
}

const struct destination_set *list_set(const struct destination_list *list, int64_t id)
{
	uint32_t low = 0, high = list ? list->set_count : 0;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (list->sets[middle].id == id)
			return &list->sets[middle];
		if (list->sets[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct destination *set_find(const struct destination_set *set, struct span uri)
{
	for (uint32_t i = 0; set && i < set->count; i++)
		if (span_equal_nocase(set->all[i].uri, uri))
			return &set->all[i];
	return NULL;
}

/* ---- who changes it ------------------------------------------------------------------------------------ */

bool list_change_begin(void)
{
	uint64_t process = process_index();
	uint64_t own = (process + 1) << 32 | process_incarnation((unsigned)process);
	uint64_t holder = atomic_load(state.writer);
	if (holder && process_incarnation((unsigned)(holder >> 32) - 1) == (uint32_t)holder)
		return false;
	return atomic_compare_exchange_strong(state.writer, &holder, own);
}

void list_change_end(void)
{
	atomic_store(state.writer, 0);
}

/* ---- attributes -------------------------------------------------------------------------------------------- */

static int32_t number_of(struct span value, int64_t most)
{
	int64_t number;
	return span_to_int64(value, &number) && number >= 0 && number <= most ? (int32_t)number : 0;
}

static void take_attribute(struct destination *to, struct span name, struct span value)
{
	const struct { struct span name; struct span *text; } texts[] = {
		{ SPAN("duid"), &to->duid }, { SPAN("ping_from"), &to->ping_from },
		{ SPAN("obproxy"), &to->outbound_proxy }, { SPAN("socket"), &to->socket_text },
		{ SPAN("sockname"), &to->sockname },
	};
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (span_equal_nocase(name, texts[i].name))
			*texts[i].text = value;
	const struct { struct span name; int32_t *number; int64_t most; } numbers[] = {
		{ SPAN("weight"), &to->weight, WEIGHT_MOST },
		{ SPAN("rweight"), &to->rweight, WEIGHT_MOST },
		{ SPAN("maxload"), &to->maxload, INT32_MAX },
	};
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (span_equal_nocase(name, numbers[i].name))
			*numbers[i].number = number_of(value, numbers[i].most);
	if (span_equal_nocase(name, SPAN_OF("cc")))
		to->has_congestion_control = number_of(value, INT32_MAX) != 0;
	if (span_equal_nocase(name, SPAN_OF("latency")) && !to->state->latency.count) {
		int64_t us = (int64_t)number_of(value, INT32_MAX) * 1000;
		to->state->latency.average = to->state->latency.estimate = us;
		to->state->latency.most = us;
		to->state->latency.count = us ? 1 : 0;
	}
}

/* attrs = name "=" value *( ";" name "=" value ) */
static void take_attributes(struct destination *to)
{
	struct span rest = to->attrs, item;
	while (rest.at && span_split(&rest, ';', &item)) {
		size_t equals = span_find(item, '=', 0);
		if (equals < item.len)
			take_attribute(to, span_trim(span_slice(item, 0, equals)),
				       span_trim(span_slice(item, equals + 1, item.len)));
	}
}

/* False when it names a socket that is none of ours. */
static bool find_socket(struct destination *to)
{
	struct end_point address;
	if (to->sockname.len)
		to->socket = listener_by_name(to->sockname);
	else if (to->socket_text.len && end_point_parse(to->socket_text, &address))
		to->socket = listener_find(&address);
	return to->socket || (!to->sockname.len && !to->socket_text.len);
}

static bool names_our_socket(const struct destination_row *row)
{
	struct destination_state state_of_it = { 0 };
	struct destination looked_at = { .attrs = row->attrs, .state = &state_of_it };
	take_attributes(&looked_at);
	return find_socket(&looked_at);
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

static bool is_wrong(struct destination_rows *rows, const struct destination_row *row,
		     const char *why)
{
	log_error("the destination %.*s of set %lld is left out: %s", SPAN_ARGS(row->uri),
		  (long long)row->set, why);
	rows->has_failed = true;
	return false;
}

bool rows_add(struct destination_rows *rows, const struct destination_row *row)
{
	struct sip_uri uri;
	if (row->set < INT32_MIN || row->set > INT32_MAX)
		return is_wrong(rows, row, "the number of its set is too large");
	if (!uri_parse(row->uri, &uri) || !uri_is_sip(&uri))
		return is_wrong(rows, row, "it is no SIP URI");
	if (row->priority < INT32_MIN || row->priority > INT32_MAX)
		return is_wrong(rows, row, "its priority is too large");
	if (!names_our_socket(row))
		return is_wrong(rows, row, "its socket is none of this server (listen=)");
	if (rows->count == rows->capacity) {
		uint32_t more = rows->capacity ? 2 * rows->capacity : 64;
		struct destination_row *grown =
			arena_grow(rows->arena, rows->rows, rows->capacity * sizeof(*row),
				   more * sizeof(*row));
		if (!grown)
			return is_wrong(rows, row, "memory is exhausted");
		rows->rows = grown;
		rows->capacity = more;
	}
	struct destination_row *added = &rows->rows[rows->count];
	*added = *row;
	added->number = rows->count;
	added->uri = arena_copy(rows->arena, row->uri);
	added->attrs = arena_copy(rows->arena, row->attrs);
	if (!added->attrs.len && dispatcher_settings->attrs_none)
		added->attrs = SPAN_OF("none=yes");
	if (!added->uri.at || (row->attrs.at && !added->attrs.at))
		return is_wrong(rows, row, "memory is exhausted");
	rows->count++;
	return true;
}

/* By set, then by priority; among equals the last comes first, as in the peer. */
static int in_order(const void *left, const void *right)
{
	const struct destination_row *a = left, *b = right;
	if (a->set != b->set)
		return a->set < b->set ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	return a->number > b->number ? -1 : 1;
}

bool list_rows(struct destination_rows *rows)
{
	const struct destination_list *list = list_hold();
	bool is_good = true;
	for (uint32_t i = 0; list && i < list->set_count; i++) {
		const struct destination_set *set = &list->sets[i];
		for (uint32_t j = set->count; j-- > 0;) {
			const struct destination *old = &set->all[j];
			struct destination_row row = { .set = set->id,
						       .flags = old->flags,
						       .priority = old->priority,
						       .uri = old->uri,
						       .attrs = old->attrs,
						       .address = old->address,
						       .old = old };
			is_good = rows_add(rows, &row) && is_good;
		}
	}
	list_release();
	return is_good;
}

/* ---- building ------------------------------------------------------------------------------------------------- */

static void carry_state(struct destination_state *to, const struct destination_row *row)
{
	if (!row->old) {
		to->flags = (uint32_t)row->flags & DESTINATION_STATE;
		return;
	}
	*to = *row->old->state;
	if (row->keeps_latency) {
		to->flags = (uint32_t)row->flags & DESTINATION_STATE;
		to->failures = to->successes = 0;
		to->load = 0;
	}
}

static struct span keep(char **end, struct span text)
{
	if (!text.len)
		return (struct span){ NULL, 0 };
	char *at = *end;
	memcpy(at, text.at, text.len);
	*end += text.len;
	return span_make(at, text.len);
}

static void fill(struct destination *to, const struct destination_row *row, char **end)
{
	struct sip_uri uri;
	carry_state(to->state, row);
	to->uri = keep(end, row->uri);
	to->attrs = keep(end, row->attrs);
	to->priority = (int32_t)row->priority;
	to->flags = (uint32_t)row->flags;
	take_attributes(to);
	find_socket(to);
	if (!uri_parse(to->uri, &uri))
		return;
	to->host = uri.host;
	to->host_port = span_make(uri.host.at, (size_t)(to->uri.at + to->uri.len - uri.host.at));
	to->address = row->address;
	if (!to->address.family && !end_point_parse_ip(uri.host, &to->address))
		to->address = (struct end_point){ 0 };
	to->address.port = uri_port(&uri);
	to->address.transport = uri.transport == SIP_TRANSPORT_NONE
					? TRANSPORT_NONE
					: (uint8_t)transport_from_span(uri.transport_text);
}

static uint32_t count_sets(const struct destination_rows *rows)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < rows->count; i++)
		count += !i || rows->rows[i].set != rows->rows[i - 1].set;
	return count;
}

static struct destination_list *build(const struct destination_rows *rows)
{
	uint32_t sets = count_sets(rows);
	size_t texts = 1;
	for (uint32_t i = 0; i < rows->count; i++)
		texts += rows->rows[i].uri.len + rows->rows[i].attrs.len;
	size_t size =
		sizeof(struct destination_list) + sets * sizeof(struct destination_set) +
		rows->count * (sizeof(struct destination) + sizeof(struct destination_state)) +
		sets * sizeof(_Atomic uint32_t) + texts;
	struct destination_list *list = shm_run_alloc(size, "dispatcher");
	if (!list)
		return NULL;
	memset(list, 0, size);
	struct destination_set *set = (struct destination_set *)(void *)(list + 1);
	struct destination *all = (struct destination *)(void *)(set + sets);
	struct destination_state *states = (struct destination_state *)(void *)(all + rows->count);
	_Atomic uint32_t *turns = (_Atomic uint32_t *)(void *)(states + rows->count);
	char *end = (char *)(turns + sets);
	*list = (struct destination_list){ sets, rows->count, set };
	for (uint32_t i = 0; i < rows->count; i++) {
		bool begins = !i || rows->rows[i].set != rows->rows[i - 1].set;
		if (begins && i)
			set++;
		if (begins)
			*set = (struct destination_set){ rows->rows[i].set, 0, &all[i], turns++ };
		set->count++;
		all[i].state = &states[i];
		fill(&all[i], &rows->rows[i], &end);
	}
	return list;
}

/* A state that changed after it was copied, and before the new list was seen, is copied once more. */
static void carry_late(const struct destination_list *list, const struct destination_rows *rows,
		       const uint32_t *copied)
{
	for (uint32_t i = 0; i < rows->count; i++) {
		const struct destination_row *row = &rows->rows[i];
		if (!row->old || row->keeps_latency || row->old->state->flags == copied[i])
			continue;
		uint32_t expected = copied[i];
		atomic_compare_exchange_strong(&list->sets[0].all[i].state->flags, &expected,
					       row->old->state->flags);
	}
}

bool list_publish(struct destination_rows *rows)
{
	const struct destination_list *old = list_hold();
	uint32_t *copied = ARENA_ARRAY(rows->arena, uint32_t, rows->count + 1);
	if (rows->count)
		qsort(rows->rows, rows->count, sizeof(*rows->rows), in_order);
	struct destination_list *list = copied ? build(rows) : NULL;
	for (uint32_t i = 0; list && i < list->set_count; i++) {
		const struct destination_set *before = list_set(old, list->sets[i].id);
		if (before)
			*list->sets[i].turn = *before->turn;
	}
	for (uint32_t i = 0; list && i < rows->count; i++)
		copied[i] = list->sets[0].all[i].state->flags;
	if (list) {
		published_put(state.list, list);
		carry_late(list, rows, copied);
	} else {
		log_error("%u destinations do not fit into memory; raise -m", rows->count);
	}
	list_release();
	return list != NULL;
}
