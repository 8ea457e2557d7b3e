/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared User-Agent texts: an array that only grows, and an index by open addressing. Two processes
 * that meet a new text at once may keep it twice, which costs a row and nothing else. */
#include "modules/usrloc/agents.h"

#include "core/base/hash.h"
#include "core/shm/map.h"

#define PLACES (AGENTS_MOST * 2)
/* A place further away is not looked for: a full table must not cost time. */
#define PROBES 16

struct agent {
	uint16_t length;
	char text[AGENT_BYTES_MOST];
};

struct agents {
	_Atomic uint32_t count;
	_Atomic uint16_t places[PLACES]; /* number of an agent, 0: free */
	struct agent rows[AGENTS_MOST];
};

static struct agents *agents;

bool agents_prepare(void)
{
	agents = shm_reserve(sizeof(*agents), "user agents");
	return agents != NULL;
}

struct span agent_text(uint16_t number)
{
	const struct agent *agent = &agents->rows[number - 1];
	return span_make(agent->text, agent->length);
}

static uint16_t agent_add(struct span text, _Atomic uint16_t *place)
{
	uint16_t expected = 0;
	if (agents->count >= AGENTS_MOST)
		return 0;
	uint32_t at = agents->count++;
	if (at >= AGENTS_MOST)
		return 0;
	struct agent *agent = &agents->rows[at];
	memcpy(agent->text, text.at, text.len);
	agent->length = (uint16_t)text.len;
	/* The text is whole before its number is seen. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	__atomic_compare_exchange_n((uint16_t *)place, &expected, (uint16_t)(at + 1), false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	return (uint16_t)(at + 1);
}

uint16_t agent_number(struct span text)
{
	if (!text.len || text.len > AGENT_BYTES_MOST)
		return 0;
	uint64_t hash = hash_span(text);
	for (unsigned i = 0; i < PROBES; i++) {
		_Atomic uint16_t *place = &agents->places[(hash + i) % PLACES];
		uint16_t number = *place;
		if (!number)
			return agent_add(text, place);
		if (span_equal(agent_text(number), text))
			return number;
	}
	return 0;
}
