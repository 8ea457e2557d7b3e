/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of the location store share: a store in fresh shared memory, and contacts. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/shm/map.h"
#include "core/shm/repair.h"
#include "modules/usrloc/location.h"

static struct arena arena;

/* Processor time: other programs may run beside a test. */
[[maybe_unused]] static int64_t cpu_us(void)
{
	return (int64_t)clock() * (1000000 / CLOCKS_PER_SEC);
}

static void store_open(const struct location_options *options, size_t bytes)
{
	hash_init();
	clock_refresh();
	assert_true(shm_init(bytes));
	assert_true(location_prepare(options));
	assert_int_equal(location_domain(SPAN_OF("location")), 0);
	arena_init(&arena, 1 << 16, (size_t)1 << 26);
}

static void store_close(void)
{
	assert_int_equal(shard_set_check(location_set()), 0);
	arena_free(&arena);
	counters_free();
	shm_free();
}

static struct usrloc_change change(const char *contact, const char *call_id, uint32_t cseq,
				   int64_t expires_s)
{
	return (struct usrloc_change){ .remove = expires_s == 0,
				       .contact = { .contact = span_from(contact),
						    .call_id = span_from(call_id),
						    .cseq = cseq,
						    .expires_s = expires_s,
						    .q = -1,
						    .methods = USRLOC_ANY_METHOD,
						    .user_agent = SPAN("Phone 1.0") } };
}

static struct usrloc_outcome outcome;

static enum usrloc_result apply(const char *aor, const struct usrloc_change *one)
{
	outcome = (struct usrloc_outcome){ 0 };
	return location_apply(0, span_from(aor), one, 1, 0, false, &outcome);
}

static unsigned get(const char *aor, struct usrloc_contact **out)
{
	arena_clear(&arena);
	return location_get(0, span_from(aor), &arena, out);
}
