/* SPDX-License-Identifier: BSD-2-Clause */
/* counters: the list of counters is private and equal in all processes (made before the first
 * fork); their values are rows in shared memory, one per role, and one row of what resets
 * subtract. */
#include "core/shm/counters.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/shm/map.h"

#define PROCESSES_MOST 1024

struct counter {
	char *group;
	char *name;
	char *doc;
	enum counter_kind kind;
	int64_t (*compute)(void);
};

static int64_t first_row[COUNTERS_MOST]; /* used until counters_start */
static struct {
	struct counter *counters; /* [0] is COUNTER_NONE */
	uint32_t count;           /* ids below are in use; 0 before the first registration */
	uint32_t capacity;
	int64_t *rows; /* processes × row_length, in shared memory */
	int64_t *resets;
	uint32_t row_length;
	unsigned processes;
} state;
static int64_t *own_row = first_row;
int64_t *const *const counter_row_address = &own_row;

/* ---- registration ---- */
static bool make_room(void)
{
	if (state.count < state.capacity)
		return true;
	uint32_t capacity = state.capacity ? state.capacity * 2 : 128;
	struct counter *counters = realloc(state.counters, capacity * sizeof(*counters));
	if (!counters)
		return false;
	if (state.count == 0)
		counters[state.count++] = (struct counter){ 0 };
	state.counters = counters;
	state.capacity = capacity;
	return true;
}

static counter_id find(struct span group, struct span name)
{
	for (counter_id id = 1; id < state.count; id++) {
		if (span_equal(span_from(state.counters[id].name), name) &&
		    (!group.at || span_equal(span_from(state.counters[id].group), group)))
			return id;
	}
	return COUNTER_NONE;
}

static counter_id counter_new(const char *group, const char *name, const char *doc,
			      enum counter_kind kind)
{
	counter_id id = find(span_from(group), span_from(name));
	if (id != COUNTER_NONE)
		return id;
	if (state.rows || state.count >= COUNTERS_MOST || !make_room()) {
		log_error("counter %s.%s: %s", group, name,
			  state.rows ? "registered too late" : "too many counters");
		return COUNTER_NONE;
	}
	struct counter counter = { strdup(group), strdup(name), strdup(doc ? doc : ""), kind,
				   NULL };
	if (!counter.group || !counter.name || !counter.doc) {
		free(counter.group);
		free(counter.name);
		free(counter.doc);
		return COUNTER_NONE;
	}
	state.counters[state.count] = counter;
	return state.count++;
}

counter_id counter_register(const char *group, const char *name, const char *doc,
			    enum counter_kind kind)
{
	bug_if(kind == COUNTER_COMPUTED, "counter %s.%s has no function", group, name);
	return counter_new(group, name, doc, kind);
}

counter_id counter_register_computed(const char *group, const char *name, const char *doc,
				     int64_t (*compute)(void))
{
	counter_id id = counter_new(group, name, doc, COUNTER_COMPUTED);
	if (id != COUNTER_NONE && state.counters[id].kind == COUNTER_COMPUTED)
		state.counters[id].compute = compute;
	return id;
}

/* ---- life ---- */
bool counters_start(unsigned processes)
{
	bug_if(state.rows, "counters are started twice");
	bug_if(processes == 0 || processes > PROCESSES_MOST, "counters for %u processes",
	       processes);
	uint32_t length = ((state.count ? state.count : 1) + 7) & ~7u;
	int64_t *rows = shm_reserve((processes + 1) * (size_t)length * sizeof(int64_t), "counters");
	if (!rows)
		return false;
	memcpy(rows, first_row, length * sizeof(int64_t));
	state.rows = rows;
	state.resets = rows + (size_t)processes * length;
	state.row_length = length;
	state.processes = processes;
	own_row = rows;
	return true;
}

void counters_select(unsigned process)
{
	bug_if(process >= state.processes, "there is no counter row %u", process);
	own_row = state.rows + (size_t)process * state.row_length;
}

void counters_free(void)
{
	for (counter_id id = 1; id < state.count; id++) {
		free(state.counters[id].group);
		free(state.counters[id].name);
		free(state.counters[id].doc);
	}
	free(state.counters);
	memset(&state, 0, sizeof(state));
	memset(first_row, 0, sizeof(first_row));
	own_row = first_row;
}

/* ---- values ---- */
int64_t counter_read_row(counter_id id, unsigned process)
{
	if (id >= state.count)
		return 0;
	if (!state.rows)
		return process == 0 ? first_row[id] : 0;
	if (process >= state.processes)
		return 0;
	return __atomic_load_n(&state.rows[(size_t)process * state.row_length + id],
			       __ATOMIC_RELAXED);
}

static int64_t sum_of_rows(counter_id id)
{
	int64_t sum = 0;
	for (unsigned process = 0; process < (state.processes ? state.processes : 1); process++)
		sum += counter_read_row(id, process);
	return sum;
}

int64_t counter_read(counter_id id)
{
	if (id == COUNTER_NONE || id >= state.count)
		return 0;
	if (state.counters[id].compute)
		return state.counters[id].compute();
	int64_t reset = state.resets ? __atomic_load_n(&state.resets[id], __ATOMIC_RELAXED) : 0;
	return sum_of_rows(id) - reset;
}

bool counter_reset(counter_id id)
{
	if (id == COUNTER_NONE || id >= state.count || state.counters[id].kind != COUNTER_COUNT)
		return false;
	if (state.resets)
		__atomic_store_n(&state.resets[id], sum_of_rows(id), __ATOMIC_RELAXED);
	else
		first_row[id] = 0;
	return true;
}

/* ---- finding ---- */
counter_id counter_find(struct span group, struct span name)
{
	return group.at ? find(group, name) : COUNTER_NONE;
}

counter_id counter_find_name(struct span name)
{
	return find((struct span){ 0 }, name);
}

bool counter_describe(counter_id id, struct counter_info *out_info)
{
	if (id == COUNTER_NONE || id >= state.count)
		return false;
	const struct counter *counter = &state.counters[id];
	*out_info =
		(struct counter_info){ counter->group, counter->name, counter->doc, counter->kind };
	return true;
}

counter_id counter_next(counter_id id, struct span group)
{
	for (id++; id < state.count; id++) {
		if (!group.at || span_equal(span_from(state.counters[id].group), group))
			return id;
	}
	return COUNTER_NONE;
}

/* Does a counter before `id` have the same group? */
static bool group_was_seen(counter_id id)
{
	for (counter_id before = 1; before < id; before++) {
		if (strcmp(state.counters[before].group, state.counters[id].group) == 0)
			return true;
	}
	return false;
}

const char *counter_next_group(const char *group)
{
	bool is_behind = group == NULL;
	for (counter_id id = 1; id < state.count; id++) {
		if (group_was_seen(id))
			continue;
		if (is_behind)
			return state.counters[id].group;
		is_behind = strcmp(state.counters[id].group, group) == 0;
	}
	return NULL;
}
