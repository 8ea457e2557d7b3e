/* SPDX-License-Identifier: BSD-2-Clause */
/* The location store: matching, order, limits, expiry, memory, a million bindings. */
#include "usrloc_fixture.h"

static int open_store(void **unused)
{
	store_open(&(struct location_options){ .cseq_delay_s = 20 }, (size_t)64 << 20);
	return 0;
}

static int close_store(void **unused)
{
	store_close();
	return 0;
}

/* ---- matching ---- */

struct match_case {
	const char *first, *second;
	bool is_same;
};

static void compares_contacts_as_uris(void **unused)
{
	/* RFC 3261 19.1.4 */
	static const struct match_case cases[] = {
		{ "sip:a@10.0.0.1", "sip:a@10.0.0.1", true },
		{ "sip:a@PHONE.example", "sip:a@phone.EXAMPLE", true },
		{ "sip:a@10.0.0.1", "sip:A@10.0.0.1", false },
		{ "sip:a@10.0.0.1;transport=udp", "sip:a@10.0.0.1", false },
		{ "sip:a@10.0.0.1;transport=udp", "sip:a@10.0.0.1;transport=UDP", true },
		{ "sip:a@10.0.0.1;line=1", "sip:a@10.0.0.1", true },
		{ "sip:a@10.0.0.1;line=1", "sip:a@10.0.0.1;line=2", false },
		{ "sip:%61@10.0.0.1", "sip:a@10.0.0.1", true },
		{ "sip:a@10.0.0.1:5060", "sip:a@10.0.0.1", false },
		{ "sips:a@10.0.0.1", "sip:a@10.0.0.1", false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct usrloc_contact *found;
		struct usrloc_change first = change(cases[i].first, "one", 1, 60);
		struct usrloc_change second = change(cases[i].second, "two", 1, 60);
		assert_int_equal(apply("a", &first), USRLOC_OK);
		assert_int_equal(apply("a", &second), USRLOC_OK);
		if (get("a", &found) != (cases[i].is_same ? 1 : 2))
			fail_msg("%s and %s", cases[i].first, cases[i].second);
		location_remove(0, SPAN_OF("a"), (struct span){ NULL, 0 });
	}
}

static void an_instance_names_the_binding_whatever_its_contact(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@10.0.0.1", "one", 1, 60);
	one.contact.instance = SPAN_OF("<urn:uuid:1>");
	assert_int_equal(apply("a", &one), USRLOC_OK);
	one.contact.contact = SPAN_OF("sip:a@10.0.0.2");
	one.contact.call_id = SPAN_OF("two");
	assert_int_equal(apply("a", &one), USRLOC_OK);
	assert_int_equal(outcome.updated, 1);
	one.contact.reg_id = 2;
	assert_int_equal(apply("a", &one), USRLOC_OK);
	assert_int_equal(outcome.inserted, 1);
	assert_int_equal(get("a", &found), 2);
}

static void matching_modes_add_what_must_agree(void **unused)
{
	static const struct {
		enum matching_mode mode;
		const char *contact, *call_id, *path;
		bool is_same;
	} cases[] = {
		{ MATCH_CONTACT, "sip:a@1", "other", "<sip:p>", true },
		{ MATCH_CONTACT_CALL_ID, "sip:a@1", "call", "<sip:p>", true },
		{ MATCH_CONTACT_CALL_ID, "sip:a@1", "other", NULL, false },
		{ MATCH_CONTACT_PATH, "sip:a@1", "other", NULL, true },
		{ MATCH_CONTACT_PATH, "sip:a@1", "other", "<sip:p>", false },
		{ MATCH_CALL_ID, "sip:b@2", "call", "<sip:p>", true },
		{ MATCH_CALL_ID, "sip:a@1", "other", NULL, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		store_close();
		store_open(&(struct location_options){ .matching = cases[i].mode },
			   (size_t)64 << 20);
		struct usrloc_change first = change("sip:a@1", "call", 1, 60);
		struct usrloc_change second = change(cases[i].contact, cases[i].call_id, 2, 60);
		second.contact.path = span_from(cases[i].path);
		assert_int_equal(apply("a", &first), USRLOC_OK);
		assert_int_equal(apply("a", &second), USRLOC_OK);
		if (outcome.updated != cases[i].is_same)
			fail_msg("case %zu", i);
	}
}

/* ---- order of requests ---- */

static void an_older_cseq_of_the_same_call_changes_nothing(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@1", "call", 5, 60);
	assert_int_equal(apply("a", &one), USRLOC_OK);
	struct usrloc_change older = change("sip:a@1", "call", 4, 600);
	assert_int_equal(apply("a", &older), USRLOC_BAD_CSEQ);
	older = change("sip:a@1", "call", 4, 0);
	assert_int_equal(apply("a", &older), USRLOC_BAD_CSEQ);
	assert_int_equal(get("a", &found), 1);
	assert_true(found->expires_s <= 60);
	/* Another call begins anew. */
	older.contact.call_id = SPAN_OF("rebooted");
	assert_int_equal(apply("a", &older), USRLOC_OK);
	assert_int_equal(get("a", &found), 0);
}

static void one_refused_change_refuses_all(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@1", "call", 5, 60);
	assert_int_equal(apply("a", &one), USRLOC_OK);
	struct usrloc_change both[] = { change("sip:a@2", "call", 4, 60),
					change("sip:a@1", "call", 4, 60) };
	assert_int_equal(location_apply(0, SPAN_OF("a"), both, 2, 0, false, &outcome),
			 USRLOC_BAD_CSEQ);
	assert_int_equal(get("a", &found), 1);
}

static void limits_count_what_would_be_there(void **unused)
{
	struct usrloc_change two[] = { change("sip:a@1", "c", 1, 60),
				       change("sip:a@2", "c", 1, 60) };
	assert_int_equal(location_apply(0, SPAN_OF("a"), two, 2, 1, false, &outcome),
			 USRLOC_TOO_MANY);
	assert_int_equal(location_apply(0, SPAN_OF("a"), two, 2, 2, false, &outcome), USRLOC_OK);
	/* One goes, one comes. */
	struct usrloc_change swap[] = { change("sip:a@1", "c", 2, 0),
					change("sip:a@3", "c", 2, 60) };
	assert_int_equal(location_apply(0, SPAN_OF("a"), swap, 2, 2, false, &outcome), USRLOC_OK);
	assert_int_equal(outcome.inserted, 1);
	assert_int_equal(outcome.removed, 1);
	/* A refresh is allowed when the limit was lowered. */
	struct usrloc_change again = change("sip:a@3", "c", 3, 60);
	assert_int_equal(location_apply(0, SPAN_OF("a"), &again, 1, 1, false, &outcome), USRLOC_OK);
}

static void only_these_removes_all_others(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@1", "c", 1, 60),
			     two = change("sip:a@2", "d", 1, 60);
	assert_int_equal(apply("a", &one), USRLOC_OK);
	assert_int_equal(location_apply(0, SPAN_OF("a"), &two, 1, 0, true, &outcome), USRLOC_OK);
	assert_int_equal(get("a", &found), 1);
	assert_true(span_equal(found->contact, SPAN_OF("sip:a@2")));
}

static void best_first_by_q_then_age(void **unused)
{
	static const struct {
		const char *contact;
		int32_t q;
	} rows[] = {
		{ "sip:a@1", 500 }, { "sip:a@2", 1000 }, { "sip:a@3", 500 }, { "sip:a@4", -1 }
	};
	static const char *const expected[] = { "sip:a@2", "sip:a@1", "sip:a@3", "sip:a@4" };
	struct usrloc_contact *found;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct usrloc_change one = change(rows[i].contact, "c", 1, 60);
		one.contact.q = rows[i].q;
		assert_int_equal(apply("a", &one), USRLOC_OK);
	}
	assert_int_equal(get("a", &found), 4);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		assert_true(span_equal(found[i].contact, span_from(expected[i])));
}

/* ---- time ---- */

static void an_expired_binding_is_gone_before_the_wheel_turns(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@1", "c", 1, 60);
	assert_int_equal(apply("a", &one), USRLOC_OK);
	clock_advance(59000);
	assert_int_equal(get("a", &found), 1);
	assert_int_equal(found->expires_s, 1);
	clock_advance(1001);
	assert_int_equal(get("a", &found), 0);
}

static void no_expiry_is_too_far_away(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@1", "c", 1, INT64_MAX / 2),
			     two = change("sip:a@2", "c", 1, USRLOC_PERMANENT);
	assert_int_equal(apply("a", &one), USRLOC_OK);
	assert_int_equal(apply("a", &two), USRLOC_OK);
	assert_int_equal(get("a", &found), 2);
	assert_true(found[0].expires_s > 1000000000);
	assert_true(found[1].expires_s == USRLOC_PERMANENT);
}

static void a_copy_has_everything_that_was_stored(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@1", "call", 7, 60);
	struct usrloc_contact *c = &one.contact;
	c->received = SPAN_OF("sip:192.0.2.7:1024");
	c->path = SPAN_OF("<sip:p1;lr>,<sip:p2;lr>");
	c->attributes = SPAN_OF("attributes");
	c->cflags = 5;
	c->flags = 9;
	c->methods = 31;
	c->connection = 77;
	assert_int_equal(apply("a", &one), USRLOC_OK);
	assert_int_equal(get("a", &found), 1);
	assert_true(span_equal(found->received, c->received) && span_equal(found->path, c->path));
	assert_true(span_equal(found->attributes, c->attributes));
	assert_true(span_equal(found->user_agent, c->user_agent) &&
		    span_equal(found->call_id, c->call_id));
	assert_true(found->cflags == 5 && found->flags == 9 && found->methods == 31 &&
		    found->connection == 77);
	assert_true(found->cseq == 7 && found->q == -1 && found->version == 1);
	assert_true(span_starts_with(found->ruid, SPAN_OF("uloc-")));
}

static void more_user_agents_than_are_shared_stay_with_their_bindings(void **unused)
{
	struct usrloc_contact *found;
	for (unsigned i = 0; i < 5000; i++) {
		char aor[16], agent[32];
		snprintf(aor, sizeof(aor), "user%u", i);
		snprintf(agent, sizeof(agent), "Phone number %u", i);
		struct usrloc_change one = change("sip:a@1", "c", 1, 60);
		one.contact.user_agent = span_from(agent);
		assert_int_equal(apply(aor, &one), USRLOC_OK);
		assert_int_equal(get(aor, &found), 1);
		assert_true(span_equal(found->user_agent, span_from(agent)));
	}
}

/* ---- rows of a database ---- */

static void what_has_a_row_stays_until_the_row_is_deleted(void **unused)
{
	struct usrloc_contact *found;
	store_close();
	store_open(&(struct location_options){ .keeps_rows = true }, (size_t)64 << 20);
	struct usrloc_contact old = change("sip:a@1", "c", 1, 60).contact;
	old.aor = SPAN_OF("a");
	old.ruid = SPAN_OF("uloc-1");
	old.version = 3;
	assert_true(location_restore(0, &old, BINDING_SYNC));
	assert_int_equal(get("a", &found), 1);
	assert_int_equal(found->state, BINDING_SYNC);
	struct usrloc_change refresh = change("sip:a@1", "c", 2, 60);
	assert_int_equal(apply("a", &refresh), USRLOC_OK);
	assert_int_equal(get("a", &found), 1);
	assert_int_equal(found->state, BINDING_DIRTY);
	assert_int_equal(found->version, 4);
	assert_int_equal(location_remove(0, SPAN_OF("a"), (struct span){ NULL, 0 }), 1);
	assert_int_equal(get("a", &found), 0);
	assert_int_equal(shard_set_live(location_set()), 1);
	/* A binding without a row goes at once. */
	struct usrloc_change fresh = change("sip:b@1", "c", 1, 60);
	assert_int_equal(apply("b", &fresh), USRLOC_OK);
	assert_int_equal(location_remove(0, SPAN_OF("b"), (struct span){ NULL, 0 }), 1);
	assert_int_equal(shard_set_live(location_set()), 1);
}

/* ---- many ---- */

#define MANY       1000000
#define MEASURED   300000
#define BYTES_MOST 400

static void add_many(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char aor[16], contact[64], call_id[48];
		snprintf(aor, sizeof(aor), "user%07u", i);
		snprintf(contact, sizeof(contact), "sip:%s@10.%u.%u.%u:5060;transport=udp", aor,
			 i >> 16, i >> 8 & 255, i & 255);
		snprintf(call_id, sizeof(call_id), "%08x-1234-5678-9abc-%012x", i * 2654435761u, i);
		struct usrloc_change one = change(contact, call_id, 1, 60 + i % 3000);
		one.contact.user_agent = SPAN_OF("Manufacturer Model-77 1.0.33.8");
		one.contact.received = SPAN_OF("sip:198.51.100.17:45321");
		if (apply(aor, &one) != USRLOC_OK)
			fail_msg("binding %u", i);
	}
}

static int64_t microseconds_each(unsigned from, unsigned to)
{
	int64_t began = cpu_us();
	add_many(from, to);
	return (cpu_us() - began) * 1000 / (to - from);
}

static int64_t lookups_ns(unsigned among)
{
	struct usrloc_contact *found;
	int64_t began = cpu_us();
	for (unsigned i = 0; i < 20000; i++) {
		char aor[16];
		snprintf(aor, sizeof(aor), "user%07u", (unsigned)(i * 2654435761u % among));
		assert_int_equal(get(aor, &found), 1);
	}
	return (cpu_us() - began) / 20;
}

static void a_million_bindings_cost_no_more_each_than_few(void **unused)
{
	struct shm_usage before, after;
	struct timer_due due[64];
	shm_get_usage(&before);
	int64_t first_ns = microseconds_each(0, 50000), lookup_few = lookups_ns(50000);
	add_many(50000, MEASURED);
	shm_get_usage(&after);
	uint64_t bytes = (after.real_used - before.real_used) / MEASURED;
	add_many(MEASURED, MANY - 50000);
	int64_t last_ns = microseconds_each(MANY - 50000, MANY), lookup_many = lookups_ns(MANY);
	print_message(
		"%llu bytes a binding; insert %lld ns first, %lld ns last; lookup %lld ns, %lld ns\n",
		(unsigned long long)bytes, (long long)first_ns, (long long)last_ns,
		(long long)lookup_few, (long long)lookup_many);
	assert_true(bytes <= BYTES_MOST);
	/* Misses of the processor's caches are allowed, searching is not. */
	assert_true(last_ns < first_ns * 5 + 2000);
	assert_true(lookup_many < lookup_few * 8 + 2000);
	/* Finding what is due costs for what is due. */
	clock_advance(61 * 1000);
	int64_t began = cpu_us();
	unsigned found = 0;
	for (unsigned number = 0; number < location_shard_count(); number++) {
		struct shard *shard = shard_lock_number(location_set(), number);
		unsigned some;
		while ((some = wheel_collect(shard, clock_ms(), due, ARRAY_SIZE(due))))
			found += some;
		shard_unlock(shard);
	}
	int64_t each_ns = (cpu_us() - began) * 1000 / (found ? found : 1);
	print_message("%u due, %lld ns each\n", found, (long long)each_ns);
	assert_true(found > 300);
	/* The wheel moves far entries down as time passes, a share of all in each turn. */
	assert_true(each_ns < 2000000);
}

static int open_large_store(void **unused)
{
	store_open(&(struct location_options){ .cseq_delay_s = 20 }, (size_t)640 << 20);
	return 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

/* ---- keepalive ---- */

static void an_answer_says_when_and_how_fast(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@10.0.0.1", "call", 1, 60);
	one.contact.modified_wall_s =
		clock_wall_s() - 3000; /* restored: nobody was asked meanwhile */
	assert_int_equal(apply("a", &one), USRLOC_OK);
	assert_int_equal(get("a", &found), 1);
	assert_int_equal(found[0].keepalive_wall_s, clock_wall_s());
	clock_advance(5000);
	clock_refresh();
	assert_true(location_answered(found[0].hash, found[0].ruid, 1234));
	assert_false(location_answered(found[0].hash + 1, found[0].ruid, 1));
	assert_false(location_answered(found[0].hash, SPAN_OF("other"), 1));
	assert_int_equal(get("a", &found), 1);
	assert_int_equal(found[0].keepalive_wall_s, clock_wall_s());
	assert_int_equal(found[0].roundtrip_us, 1234);
}

static void a_silent_contact_ends_soon_but_never_later(void **unused)
{
	struct usrloc_contact *found;
	struct usrloc_change one = change("sip:a@10.0.0.1", "call", 1, 60);
	assert_int_equal(apply("a", &one), USRLOC_OK);
	assert_int_equal(get("a", &found), 1);
	uint32_t version = found[0].version;
	location_end_soon(found[0].hash, found[0].ruid, 100);
	assert_int_equal(get("a", &found), 1);
	assert_int_equal(found[0].expires_s, 60);
	location_end_soon(found[0].hash, found[0].ruid, 10);
	assert_int_equal(get("a", &found), 1);
	assert_int_equal(found[0].expires_s, 10);
	assert_int_equal(found[0].version, version + 1);
	clock_advance(10000);
	clock_refresh();
	assert_int_equal(get("a", &found), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(compares_contacts_as_uris),
		CASE(an_instance_names_the_binding_whatever_its_contact),
		CASE(matching_modes_add_what_must_agree),
		CASE(an_older_cseq_of_the_same_call_changes_nothing),
		CASE(one_refused_change_refuses_all),
		CASE(limits_count_what_would_be_there),
		CASE(only_these_removes_all_others),
		CASE(best_first_by_q_then_age),
		CASE(an_expired_binding_is_gone_before_the_wheel_turns),
		CASE(no_expiry_is_too_far_away),
		CASE(a_copy_has_everything_that_was_stored),
		CASE(more_user_agents_than_are_shared_stay_with_their_bindings),
		CASE(an_answer_says_when_and_how_fast),
		CASE(a_silent_contact_ends_soon_but_never_later),
		CASE(what_has_a_row_stays_until_the_row_is_deleted),
		cmocka_unit_test_setup_teardown(a_million_bindings_cost_no_more_each_than_few,
						open_large_store, close_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
