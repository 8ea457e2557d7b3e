/* SPDX-License-Identifier: BSD-2-Clause */
/* Channels: those of modules, known before the first fork, and the names that scripts send on. */
#include <stdatomic.h>

#include "core/shm/map.h"
#include "modules/dmq/dmq.h"

#define NOTED_MOST      64
#define NOTED_NAME_MOST 64

struct noted {
	char name[NOTED_NAME_MOST];
	uint32_t len;
};

static struct {
	const struct dmq_channel *rows[CHANNELS_MOST];
	unsigned count;
	struct noted *noted; /* shared: NOTED_MOST; one that is being written has no length yet */
	_Atomic uint32_t *noted_count;
} state;

bool channels_prepare(void)
{
	state.noted = shm_reserve(NOTED_MOST * sizeof(struct noted), "dmq");
	state.noted_count = shm_reserve(sizeof(*state.noted_count), "dmq");
	return state.noted && state.noted_count;
}

bool channels_join(const struct dmq_channel *channel)
{
	if (channels_find(channel->name)) {
		log_error("two modules want the channel \"%.*s\"; give one another name",
			  SPAN_ARGS(channel->name));
		return false;
	}
	if (state.count == CHANNELS_MOST) {
		log_error("too many channels");
		return false;
	}
	state.rows[state.count++] = channel;
	return true;
}

const struct dmq_channel *channels_find(struct span name)
{
	for (unsigned i = 0; i < state.count; i++)
		if (span_equal(state.rows[i]->name, name))
			return state.rows[i];
	return NULL;
}

const struct dmq_channel *channels_at(unsigned index)
{
	return index < state.count ? state.rows[index] : NULL;
}

bool channels_is_noted(struct span name)
{
	for (uint32_t i = 0; i < *state.noted_count && i < NOTED_MOST; i++)
		if (span_equal(span_make(state.noted[i].name, state.noted[i].len), name))
			return true;
	return false;
}

void channels_note(struct span name)
{
	if (!name.len || name.len > NOTED_NAME_MOST || channels_find(name) ||
	    channels_is_noted(name))
		return;
	uint32_t place = atomic_fetch_add(state.noted_count, 1);
	if (place >= NOTED_MOST) {
		*state.noted_count = NOTED_MOST;
		return;
	}
	memcpy(state.noted[place].name, name.at, name.len);
	state.noted[place].len = (uint32_t)name.len;
}
