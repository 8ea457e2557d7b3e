/* SPDX-License-Identifier: BSD-2-Clause */
/* What save() makes of a REGISTER and which bindings lookup() chooses, beside a location service that
 * only notes what it is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "modules/registrar/registrar.h"

static struct registrar_settings set_up;
const struct registrar_settings *const registrar_settings = &set_up;

#include "modules/registrar/address.c"
#include "modules/registrar/lookup.c"
#include "modules/registrar/save.c"

/* ---- stand-ins ---------------------------------------------------------------------------------- */

static struct arena arena;
static struct registrar_notes notes;
static struct {
	/* what usrloc was asked for */
	struct usrloc_change changes[USRLOC_CONTACTS_MOST];
	unsigned count, max_contacts, removed_all;
	bool only_these;
	/* what it says */
	enum usrloc_result result;
	struct usrloc_outcome outcome;
	struct usrloc_contact *bindings;
	unsigned binding_count;
	bool uses_domain;
	/* what became of the REGISTER */
	enum register_error error;
	unsigned accepted, rejected, answers, prepared;
} fake;

static unsigned fake_domain(struct span name)
{
	return span_equal(name, SPAN_OF("full")) ? USRLOC_NO_DOMAIN : 0;
}

static unsigned fake_get(unsigned domain, struct span aor, struct arena *for_copies,
			 struct usrloc_contact **out)
{
	struct usrloc_contact *copies =
		ARENA_ARRAY(for_copies, struct usrloc_contact, fake.binding_count + 1);
	assert_non_null(copies);
	if (fake.binding_count)
		memcpy(copies, fake.bindings, fake.binding_count * sizeof(*copies));
	*out = copies;
	return fake.binding_count;
}

static enum usrloc_result fake_apply(unsigned domain, struct span aor,
				     const struct usrloc_change *changes, unsigned count,
				     unsigned max_contacts, bool only_these,
				     struct usrloc_outcome *out)
{
	memcpy(fake.changes, changes, count * sizeof(*changes));
	fake.count = count;
	fake.max_contacts = max_contacts;
	fake.only_these = only_these;
	*out = fake.outcome;
	return fake.result;
}

static unsigned fake_remove(unsigned domain, struct span aor, struct span ruid)
{
	fake.removed_all++;
	return fake.binding_count;
}

static bool fake_uses_domain(void)
{
	return fake.uses_domain;
}

static int no_nat_flag(void)
{
	return -1;
}

const struct usrloc_api *usrloc(void)
{
	static const struct usrloc_api api = {
		.domain = fake_domain,
		.get = fake_get,
		.get_with_expired = fake_get,
		.apply = fake_apply,
		.remove = fake_remove,
		.uses_domain = fake_uses_domain,
		.nat_flag = no_nat_flag,
	};
	return &api;
}

void count_registration(bool is_accepted)
{
	fake.accepted += is_accepted;
	fake.rejected += !is_accepted;
}

struct registrar_notes *registrar_notes(struct message *msg)
{
	return &notes;
}

bool answer_prepare(struct script_run *run, const struct registration *registration)
{
	fake.prepared++;
	return true;
}

bool answer_send(struct script_run *run, const struct registration *registration)
{
	fake.error = registration->error;
	fake.answers++;
	return true;
}

struct span contact_attributes(const struct message *msg, struct arena *for_text)
{
	return (struct span){ NULL, 0 };
}

void contact_attributes_restore(struct message *msg, const struct usrloc_contact *contact)
{
}

bool gruu_find_temporary(struct script_run *run, unsigned domain, struct span user,
			 struct usrloc_contact *out)
{
	return false;
}

static int open_test(void **unused)
{
	hash_init();
	clock_refresh();
	arena_init(&arena, 1 << 14, (size_t)1 << 22);
	return 0;
}

static int reset(void **unused)
{
	arena_clear(&arena);
	fake = (typeof(fake)){ .outcome = { .inserted = 1 } };
	notes = (struct registrar_notes){ 0 };
	set_up = (struct registrar_settings){ .default_expires = 3600,
					      .min_expires = 60,
					      .default_q = -1,
					      .append_branches = 1,
					      .sock_flag = -1,
					      .contact_max_size = 512,
					      .check_require = true,
					      .xavp_cfg = SPAN("reg") };
	return 0;
}

static int close_test(void **unused)
{
	arena_free(&arena);
	return 0;
}

static struct message *parse(const char *method, const char *uri, const char *lines)
{
	const char *reason;
	const struct received from = { 0 };
	struct span text =
		arena_printf(&arena,
			     "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\n"
			     "From: <sip:Bob@example.com>;tag=from\r\nTo: <sip:Bob@example.com>\r\n"
			     "Call-ID: call\r\nCSeq: 7 %s\r\n%sContent-Length: 0\r\n\r\n",
			     method, uri, method, lines);
	struct message *msg = message_parse(&arena, text, &from, &reason);
	assert_non_null(msg);
	return msg;
}

static struct script_run run_of(struct message *msg)
{
	return (struct script_run){ .msg = msg, .kind = ROUTE_REQUEST, .arena = &arena };
}

static enum save_result save_lines(const char *lines, unsigned flags)
{
	struct script_run run = run_of(parse("REGISTER", "sip:example.com", lines));
	return save_registration(&run, SPAN_OF("location"), flags, (struct span){ NULL, 0 });
}

/* With $xavp(reg=>name)=number. */
static enum save_result save_with(const char *lines, const char *name, int64_t number)
{
	struct message *msg = parse("REGISTER", "sip:example.com", lines);
	struct xavp *root = xavp_push(&msg->attributes, &msg->attributes.xavps, SPAN_OF("reg"),
				      (struct value){ 0 });
	root->has_children = true;
	xavp_push(&msg->attributes, &root->children, span_from(name), VALUE_OF_INT(number));
	struct script_run run = run_of(msg);
	return save_registration(&run, SPAN_OF("location"), 0, (struct span){ NULL, 0 });
}

/* ---- expiry ------------------------------------------------------------------------------------- */

struct expires_case {
	const char *lines;
	int64_t min, max, expected;
};

static void seconds_come_from_contact_then_header_then_default(void **unused)
{
	static const struct expires_case cases[] = {
		{ "Contact: <sip:a@192.0.2.1>\r\n", 60, 0, 3600 },
		{ "Contact: <sip:a@192.0.2.1>\r\nExpires: 900\r\n", 60, 0, 900 },
		{ "Contact: <sip:a@192.0.2.1>;expires=300\r\nExpires: 900\r\n", 60, 0, 300 },
		{ "Contact: <sip:a@192.0.2.1>;expires=10\r\n", 60, 0, 60 },
		{ "Contact: <sip:a@192.0.2.1>;expires=10\r\n", 0, 0, 10 },
		{ "Contact: <sip:a@192.0.2.1>;expires=7200\r\n", 60, 1800, 1800 },
		{ "Contact: <sip:a@192.0.2.1>;expires=0\r\nExpires: 900\r\n", 60, 1800, 0 },
		{ "Contact: <sip:a@192.0.2.1>\r\nExpires: 0\r\n", 60, 1800, 0 },
		{ "Contact: <sip:a@192.0.2.1>;expires=soon\r\nExpires: 900\r\n", 60, 0, 3600 },
		{ "Contact: <sip:a@192.0.2.1>\r\nExpires: soon\r\n", 60, 0, 3600 },
		/* RFC 3261 20.19: the largest number, not a small one */
		{ "Contact: <sip:a@192.0.2.1>;expires=99999999999\r\n", 60, 0, 4294967295 },
		{ "Contact: <sip:a@192.0.2.1>;expires=99999999999\r\n", 60, 3600, 3600 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		reset(NULL);
		set_up.min_expires = cases[i].min;
		set_up.max_expires = cases[i].max;
		assert_int_equal(save_lines(cases[i].lines, 0), SAVE_INSERTED);
		assert_int_equal(fake.count, 1);
		if (fake.changes[0].contact.expires_s != cases[i].expected ||
		    fake.changes[0].remove != (cases[i].expected == 0))
			fail_msg("%s: %lld", cases[i].lines,
				 (long long)fake.changes[0].contact.expires_s);
	}
}

static void too_brief_is_refused_when_wanted(void **unused)
{
	set_up.min_expires_mode = 1;
	assert_int_equal(save_lines("Contact: <sip:a@192.0.2.1>;expires=59\r\n", 0), SAVE_ERROR);
	assert_int_equal(fake.error, REGISTER_TOO_BRIEF);
	assert_int_equal(fake.count, 0);
	assert_int_equal(fake.rejected, 1);
	assert_int_equal(save_lines("Contact: <sip:a@192.0.2.1>;expires=60\r\n", 0), SAVE_INSERTED);
	/* Going away is never too brief. */
	assert_int_equal(save_lines("Contact: <sip:a@192.0.2.1>;expires=0\r\n", 0), SAVE_INSERTED);
}

static void a_random_part_is_taken_off(void **unused)
{
	int64_t least = INT64_MAX, most = 0;
	set_up.default_expires_range = 50;
	for (unsigned i = 0; i < 200; i++) {
		arena_clear(&arena);
		assert_int_equal(save_lines("Contact: <sip:a@192.0.2.1>\r\n", 0), SAVE_INSERTED);
		int64_t expires = fake.changes[0].contact.expires_s;
		least = expires < least ? expires : least;
		most = expires > most ? expires : most;
	}
	assert_in_range(least, 1800, 2700);
	assert_in_range(most, 2700, 3600);
	/* flag 0x08, and times that the phone told, have none */
	save_lines("Contact: <sip:a@192.0.2.1>\r\n", SAVE_NO_RANGE);
	assert_int_equal(fake.changes[0].contact.expires_s, 3600);
	save_lines("Contact: <sip:a@192.0.2.1>;expires=600\r\n", 0);
	assert_int_equal(fake.changes[0].contact.expires_s, 600);
}

static void the_script_decides_when_it_says_so(void **unused)
{
	save_with("Contact: <sip:a@192.0.2.1>;expires=600\r\n", "expires", 1200);
	assert_int_equal(fake.changes[0].contact.expires_s, 1200);
	save_with("Contact: <sip:a@192.0.2.1>;expires=600\r\n", "expires", 0);
	assert_true(fake.changes[0].remove);
	save_with("Contact: <sip:a@192.0.2.1>;q=0.1\r\n", "q", 700);
	assert_int_equal(fake.changes[0].contact.q, 700);
	set_up.max_contacts = 5;
	save_with("Contact: <sip:a@192.0.2.1>\r\n", "max_contacts", 2);
	assert_int_equal(fake.max_contacts, 2);
	save_with("Contact: <sip:a@192.0.2.1>\r\n", "max_contacts", 0);
	assert_int_equal(fake.max_contacts, 0);
	save_lines("Contact: <sip:a@192.0.2.1>\r\n", 0);
	assert_int_equal(fake.max_contacts, 5);
}

/* ---- contacts ----------------------------------------------------------------------------------- */

struct contact_case {
	const char *lines;
	enum save_result result;
	enum register_error error;
	unsigned count;
};

static void contacts_are_checked_before_anything_changes(void **unused)
{
	static const struct contact_case cases[] = {
		{ "", SAVE_LISTED, REGISTER_OK, 0 },
		{ "Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.2>\r\nContact: <sip:c@192.0.2.3>\r\n",
		  SAVE_INSERTED, REGISTER_OK, 3 },
		{ "Contact: <sip:a@192.0.2.1>, <sip:a@192.0.2.1>\r\n", SAVE_INSERTED, REGISTER_OK, 1 },
		{ "Contact: <sip:a@192.0.2.1>;q=2\r\n", SAVE_ERROR, REGISTER_BAD_Q, 0 },
		{ "Contact: <sip:a@192.0.2.1>;q=0.1234\r\n", SAVE_INSERTED, REGISTER_OK, 1 },
		{ "Contact: \r\n", SAVE_ERROR, REGISTER_BAD_CONTACT, 0 },
		{ "Contact: ,\r\n", SAVE_ERROR, REGISTER_BAD_CONTACT, 0 },
		{ "Contact: <sip:a@192.0.2.1>, <sip:>\r\n", SAVE_ERROR, REGISTER_BAD_CONTACT, 0 },
		{ "Contact: <sip:a@192.0.2.1\r\n", SAVE_ERROR, REGISTER_BAD_CONTACT, 0 },
		{ "Contact: <sip:a@192.0.2.1>;reg-id=0;+sip.instance=\"<urn:x>\"\r\n",
		  SAVE_INSERTED, REGISTER_OK, 1 },
		{ "Contact: *\r\nExpires: 0\r\n", SAVE_DELETED, REGISTER_OK, 0 },
		{ "Contact: *\r\n", SAVE_ERROR, REGISTER_STAR_EXPIRES, 0 },
		{ "Contact: *\r\nExpires: 60\r\n", SAVE_ERROR, REGISTER_STAR_EXPIRES, 0 },
		{ "Contact: *, <sip:a@192.0.2.1>\r\nExpires: 0\r\n", SAVE_ERROR, REGISTER_BAD_CONTACT,
		  0 },
		{ "Contact: <sip:a@192.0.2.1>\r\nContact: *\r\nExpires: 0\r\n", SAVE_ERROR,
		  REGISTER_STAR_MIXED, 0 },
		{ "Contact: <sip:a@192.0.2.1>\r\nRequire: unheard\r\n", SAVE_ERROR,
		  REGISTER_EXTENSION_UNSUPPORTED, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		reset(NULL);
		enum save_result result = save_lines(cases[i].lines, 0);
		if (result != cases[i].result || fake.error != cases[i].error ||
		    fake.count != cases[i].count)
			fail_msg("%s: result %d, error %d, %u contacts", cases[i].lines,
				 (int)result, (int)fake.error, fake.count);
		assert_int_equal(fake.answers, 1);
		assert_int_equal(fake.accepted, cases[i].error == REGISTER_OK);
	}
}

static void q_is_told_or_the_default_or_unset(void **unused)
{
	static const struct {
		const char *q;
		int64_t default_q;
		int32_t expected;
	} cases[] = { { "", -1, -1 },       { "", 500, 500 },        { ";q=0", 500, 0 },
		      { ";q=1", -1, 1000 }, { ";q=0.123", -1, 123 }, { ";q=0.5", -1, 500 } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		set_up.default_q = cases[i].default_q;
		struct span line =
			arena_printf(&arena, "Contact: <sip:a@192.0.2.1>%s\r\n", cases[i].q);
		assert_int_equal(save_lines(line.at, 0), SAVE_INSERTED);
		assert_int_equal(fake.changes[0].contact.q, cases[i].expected);
	}
}

static void long_contacts_are_refused(void **unused)
{
	char lines[700];
	snprintf(lines, sizeof(lines), "Contact: <sip:%0505d@h>\r\n", 1);
	assert_int_equal(save_lines(lines, 0), SAVE_INSERTED); /* 511 bytes of URI */
	snprintf(lines, sizeof(lines), "Contact: <sip:%0507d@h>\r\n", 1);
	assert_int_equal(save_lines(lines, 0), SAVE_ERROR);
	assert_int_equal(fake.error, REGISTER_TOO_LONG);
}

static void reg_id_counts_beside_an_instance_only(void **unused)
{
	save_lines("Contact: <sip:a@192.0.2.1>;reg-id=2\r\n", 0);
	assert_int_equal(fake.changes[0].contact.reg_id, 0);
	save_lines("Contact: <sip:a@192.0.2.1>;reg-id=2;+sip.instance=\"<urn:x>\"\r\n", 0);
	assert_int_equal(fake.changes[0].contact.reg_id, 2);
	assert_true(span_equal(fake.changes[0].contact.instance, SPAN_OF("<urn:x>")));
}

static void one_contact_flag_keeps_the_first_that_is_added(void **unused)
{
	save_lines("Contact: <sip:a@192.0.2.1>;expires=0, <sip:b@192.0.2.2>, <sip:c@192.0.2.3>\r\n",
		   SAVE_ONE_CONTACT);
	assert_true(fake.only_these);
	assert_int_equal(fake.count, 1);
	assert_false(fake.changes[0].remove);
}

static void flags_decide_about_the_answer(void **unused)
{
	save_lines("Contact: <sip:a@192.0.2.1>\r\n", SAVE_NO_REPLY);
	assert_int_equal(fake.answers, 0);
	assert_int_equal(fake.prepared, 0);
	save_lines("Contact: <sip:a@192.0.2.1>\r\n", SAVE_NO_REPLY | SAVE_REPLY_HEADERS);
	assert_int_equal(fake.answers, 0);
	assert_int_equal(fake.prepared, 1);
	assert_non_null(notes.registration);
	save_lines("Contact: <sip:a@192.0.2.1>\r\n", SAVE_MEMORY_ONLY);
	assert_true(fake.changes[0].contact.memory_only);
	assert_int_equal(fake.answers, 1);
}

static void results_tell_what_usrloc_did(void **unused)
{
	static const struct {
		enum usrloc_result result;
		struct usrloc_outcome outcome;
		enum save_result expected;
	} cases[] = {
		{ USRLOC_OK, { .inserted = 1 }, SAVE_INSERTED },
		{ USRLOC_OK, { .updated = 1 }, SAVE_UPDATED },
		{ USRLOC_OK, { .inserted = 1, .updated = 1 }, SAVE_INSERTED },
		{ USRLOC_OK, { .removed = 1, .inserted = 1 }, SAVE_DELETED },
		{ USRLOC_TOO_MANY, { 0 }, SAVE_TOO_MANY },
		{ USRLOC_BAD_CSEQ, { 0 }, SAVE_ERROR },
		{ USRLOC_NO_DATABASE, { 0 }, SAVE_ERROR },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake.result = cases[i].result;
		fake.outcome = cases[i].outcome;
		assert_int_equal(save_lines("Contact: <sip:a@192.0.2.1>\r\n", 0),
				 cases[i].expected);
	}
}

static void a_star_of_an_older_request_removes_nothing(void **unused)
{
	struct usrloc_contact newer = { .call_id = SPAN("call"), .cseq = 8 };
	fake.bindings = &newer;
	fake.binding_count = 1;
	assert_int_equal(save_lines("Contact: *\r\nExpires: 0\r\n", 0), SAVE_ERROR);
	assert_int_equal(fake.error, REGISTER_BAD_CSEQ);
	assert_int_equal(fake.removed_all, 0);
	newer.cseq = 6;
	assert_int_equal(save_lines("Contact: *\r\nExpires: 0\r\n", 0), SAVE_DELETED);
	assert_int_equal(fake.removed_all, 1);
}

static void path_is_kept_as_path_mode_says(void **unused)
{
	static const struct {
		int64_t use, mode;
		bool is_supported;
		enum register_error error;
		const char *path;
	} cases[] = {
		{ 0, 2, false, REGISTER_OK, "" },
		{ 1, 0, false, REGISTER_OK, "<sip:p@192.0.2.8;lr>" },
		{ 1, 1, false, REGISTER_OK, "<sip:p@192.0.2.8;lr>" },
		{ 1, 2, false, REGISTER_PATH_UNSUPPORTED, "" },
		{ 1, 2, true, REGISTER_OK, "<sip:p@192.0.2.8;lr>" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		reset(NULL);
		set_up.use_path = cases[i].use;
		set_up.path_mode = cases[i].mode;
		struct span lines = arena_printf(
			&arena, "Contact: <sip:a@192.0.2.1>\r\nPath: <sip:p@192.0.2.8;lr>\r\n%s",
			cases[i].is_supported ? "Supported: path\r\n" : "");
		save_lines(lines.at, 0);
		assert_int_equal(fake.error, cases[i].error);
		assert_true(span_equal(fake.changes[0].contact.path, span_from(cases[i].path)));
	}
}

static void keys_follow_the_address(void **unused)
{
	static const struct {
		const char *uri;
		bool uses_domain, case_sensitive;
		const char *key;
	} cases[] = {
		{ "sip:Bob@Example.com", false, false, "bob" },
		{ "sip:Bob@Example.com", true, false, "bob@example.com" },
		{ "sip:Bob@Example.com", false, true, "Bob" },
		{ "sip:b%6fb@example.com", false, false, "bob" },
		{ "sip:bob@sip.example.com", true, false, "bob@example.com" },
		{ "sip:example.com", false, false, "example.com" },
		{ "tel:+123", false, false, "+123" },
		{ "mailto:a@b", false, false, "" },
	};
	set_up.realm_prefix = SPAN_OF("sip.");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake.uses_domain = cases[i].uses_domain;
		set_up.case_sensitive = cases[i].case_sensitive;
		struct span key = address_key(&arena, span_from(cases[i].uri));
		if (!span_equal(key, span_from(cases[i].key)))
			fail_msg("%s: %.*s", cases[i].uri, SPAN_ARGS(key));
	}
}

/* ---- choosing ----------------------------------------------------------------------------------- */

static struct usrloc_contact binding(const char *contact)
{
	return (struct usrloc_contact){ .contact = span_from(contact),
					.q = Q_UNSPECIFIED,
					.methods = USRLOC_ANY_METHOD,
					.expires_s = 60 };
}

static void best_binding_is_the_uri_and_the_others_are_branches(void **unused)
{
	struct usrloc_contact all[] = { binding("sip:a@192.0.2.1"), binding("sip:b@192.0.2.2"),
					binding("sip:c@192.0.2.3") };
	all[0].received = SPAN_OF("sip:192.0.2.99:5099");
	all[1].path = SPAN_OF("<sip:192.0.2.8;lr>,<sip:192.0.2.7;lr>");
	all[1].q = 300;
	fake.bindings = all;
	fake.binding_count = 3;
	for (unsigned branches = 0; branches < 2; branches++) {
		set_up.append_branches = branches;
		struct message *msg = parse("MESSAGE", "sip:bob@example.com", "");
		struct script_run run = run_of(msg);
		const struct domain_args args = { .domain = SPAN("location") };
		assert_int_equal(lookup(&run, &args), LOOKUP_FOUND);
		assert_true(span_equal(message_uri(msg), SPAN_OF("sip:a@192.0.2.1")));
		assert_true(span_equal(msg->target.dst_uri, SPAN_OF("sip:192.0.2.99:5099")));
		assert_int_equal(msg->branch_count, branches * 2);
		if (!branches)
			continue;
		assert_true(span_equal(msg->branches[0].dst_uri, SPAN_OF("sip:192.0.2.8;lr")));
		assert_int_equal(msg->branches[0].q, 300);
		assert_false(msg->branches[1].dst_uri.len);
	}
}

static void nobody_and_nowhere_are_told_apart(void **unused)
{
	struct usrloc_contact *contacts;
	unsigned count;
	struct span none = { NULL, 0 };
	struct script_run run = run_of(parse("MESSAGE", "sip:bob@example.com", ""));
	assert_int_equal(find(&run, SPAN_OF("location"), none, &contacts, &count), LOOKUP_NONE);
	assert_int_equal(find(&run, SPAN_OF("full"), none, &contacts, &count), LOOKUP_ERROR);
	assert_int_equal(find(&run, SPAN_OF("location"), SPAN_OF("hello"), &contacts, &count),
			 LOOKUP_ERROR);
}

static void methods_filter_initial_requests(void **unused)
{
	struct usrloc_contact *contacts,
		all[] = { binding("sip:a@192.0.2.1"), binding("sip:b@192.0.2.2") };
	unsigned count;
	struct span none = { NULL, 0 };
	all[0].methods = METHOD_INVITE;
	fake.bindings = all;
	fake.binding_count = 2;
	struct script_run run = run_of(parse("MESSAGE", "sip:bob@example.com", ""));
	assert_int_equal(find(&run, SPAN_OF("location"), none, &contacts, &count), LOOKUP_FOUND);
	assert_int_equal(count, 2);
	set_up.method_filtering = 1;
	assert_int_equal(find(&run, SPAN_OF("location"), none, &contacts, &count), LOOKUP_FOUND);
	assert_int_equal(count, 1);
	assert_true(span_equal(contacts[0].contact, SPAN_OF("sip:b@192.0.2.2")));
	fake.binding_count = 1;
	assert_int_equal(find(&run, SPAN_OF("location"), none, &contacts, &count),
			 LOOKUP_NO_METHOD);
}

static void branch_flags_filter_when_the_script_asks(void **unused)
{
	struct usrloc_contact *contacts,
		all[] = { binding("sip:a@192.0.2.1"), binding("sip:b@192.0.2.2") };
	unsigned count;
	struct span none = { NULL, 0 };
	all[1].cflags = 4;
	fake.bindings = all;
	fake.binding_count = 2;
	struct message *msg = parse("MESSAGE", "sip:bob@example.com", "");
	struct xavp *root = xavp_push(&msg->attributes, &msg->attributes.xavps, SPAN_OF("reg"),
				      (struct value){ 0 });
	root->has_children = true;
	xavp_push(&msg->attributes, &root->children, SPAN_OF("rlf_bflags"), VALUE_OF_INT(6));
	struct script_run run = run_of(msg);
	find(&run, SPAN_OF("location"), none, &contacts, &count);
	assert_int_equal(count, 2); /* lookup_filter_mode is 0 */
	set_up.lookup_filter_mode = 1;
	find(&run, SPAN_OF("location"), none, &contacts, &count);
	assert_int_equal(count, 1);
	assert_true(span_equal(contacts[0].contact, SPAN_OF("sip:b@192.0.2.2")));
}

static void dead_connections_are_left_out_when_wanted(void **unused)
{
	static const struct listener tcp = { .address = { .transport = TRANSPORT_TCP } };
	static const struct listener udp = { .address = { .transport = TRANSPORT_UDP } };
	struct usrloc_contact *contacts,
		all[] = { binding("sip:a@192.0.2.1"), binding("sip:b@192.0.2.2") };
	unsigned count;
	struct span none = { NULL, 0 };
	all[0].socket = &tcp;
	all[1].socket = &udp;
	fake.bindings = all;
	fake.binding_count = 2;
	set_up.lookup_filter_mode = 2;
	struct script_run run = run_of(parse("MESSAGE", "sip:bob@example.com", ""));
	assert_int_equal(find(&run, SPAN_OF("location"), none, &contacts, &count), LOOKUP_FOUND);
	assert_int_equal(count, 1);
	assert_true(span_equal(contacts[0].contact, SPAN_OF("sip:b@192.0.2.2")));
}

static void public_gruu_names_one_instance(void **unused)
{
	struct usrloc_contact *contacts,
		all[] = { binding("sip:a@192.0.2.1"), binding("sip:b@192.0.2.2") };
	unsigned count;
	all[0].instance = SPAN_OF("<urn:uuid:1>");
	all[1].instance = SPAN_OF("<urn:uuid:2>");
	fake.bindings = all;
	fake.binding_count = 2;
	struct script_run run = run_of(parse("MESSAGE", "sip:bob@example.com", ""));
	find(&run, SPAN_OF("location"), SPAN_OF("sip:bob@example.com;gr=urn:uuid:2"), &contacts,
	     &count);
	assert_int_equal(count, 1);
	assert_true(span_equal(contacts[0].contact, SPAN_OF("sip:b@192.0.2.2")));
	find(&run, SPAN_OF("location"), SPAN_OF("sip:bob@example.com;gr=urn:uuid:3"), &contacts,
	     &count);
	assert_int_equal(count, 0);
}

static void q_is_written_without_zeros_at_its_end(void **unused)
{
	static const struct {
		int32_t q;
		const char *text;
	} cases[] = { { 0, "0" },       { 1000, "1" },   { 500, "0.5" }, { 50, "0.05" },
		      { 123, "0.123" }, { 120, "0.12" }, { 1, "0.001" } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct writer w = writer_in_arena(&arena, 16);
		write_q(&w, cases[i].q);
		assert_true(span_equal(writer_result(&w), span_from(cases[i].text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(seconds_come_from_contact_then_header_then_default, reset),
		cmocka_unit_test_setup(too_brief_is_refused_when_wanted, reset),
		cmocka_unit_test_setup(a_random_part_is_taken_off, reset),
		cmocka_unit_test_setup(the_script_decides_when_it_says_so, reset),
		cmocka_unit_test_setup(contacts_are_checked_before_anything_changes, reset),
		cmocka_unit_test_setup(q_is_told_or_the_default_or_unset, reset),
		cmocka_unit_test_setup(long_contacts_are_refused, reset),
		cmocka_unit_test_setup(reg_id_counts_beside_an_instance_only, reset),
		cmocka_unit_test_setup(one_contact_flag_keeps_the_first_that_is_added, reset),
		cmocka_unit_test_setup(flags_decide_about_the_answer, reset),
		cmocka_unit_test_setup(results_tell_what_usrloc_did, reset),
		cmocka_unit_test_setup(a_star_of_an_older_request_removes_nothing, reset),
		cmocka_unit_test_setup(path_is_kept_as_path_mode_says, reset),
		cmocka_unit_test_setup(keys_follow_the_address, reset),
		cmocka_unit_test_setup(best_binding_is_the_uri_and_the_others_are_branches, reset),
		cmocka_unit_test_setup(nobody_and_nowhere_are_told_apart, reset),
		cmocka_unit_test_setup(methods_filter_initial_requests, reset),
		cmocka_unit_test_setup(branch_flags_filter_when_the_script_asks, reset),
		cmocka_unit_test_setup(dead_connections_are_left_out_when_wanted, reset),
		cmocka_unit_test_setup(public_gruu_names_one_instance, reset),
		cmocka_unit_test_setup(q_is_written_without_zeros_at_its_end, reset),
	};
	return cmocka_run_group_tests(tests, open_test, close_test);
}
