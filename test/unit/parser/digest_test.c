/* SPDX-License-Identifier: BSD-2-Clause */
#include "test/unit/parser/parser_test.h"

#include "parser/digest.h"

#define CREDENTIALS \
	"Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b\", uri=\"sip:bob@biloxi.com\""
#define RESPONSE ", response=\"6629fae49393a05397450978507c4ef1\""

static void reads_credentials_in_any_order(void **state)
{
	static const struct span rows[] = {
		SPAN(CREDENTIALS ", qop=auth, nc=0000000a, cnonce=\"0a4f\"" RESPONSE ", opaque=\"5cc\", algorithm=MD5"),
		SPAN("digest  algorithm=md5 ,opaque = \"5cc\",\r\n response=\"6629fae49393a05397450978507c4ef1\",,"
			"cnonce=\"0a4f\",nc=0000000A,qop=\"auth\",x-other=1,uri=\"sip:bob@biloxi.com\",nonce=\"dcd98b\","
			"realm=\"biloxi.com\",username=\"bob\""),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct auth_params auth;
		struct span text = exact_copy(rows[i]);
		if (!auth_parse(text, &auth))
			fail_msg("row %u is refused", i);
		check_number(auth.scheme, AUTH_DIGEST, "scheme", i);
		check_span(auth.username, "bob", "username", i);
		check_span(auth.realm, "biloxi.com", "realm", i);
		check_span(auth.nonce, "dcd98b", "nonce", i);
		check_span(auth.uri, "sip:bob@biloxi.com", "uri", i);
		check_span(auth.response, "6629fae49393a05397450978507c4ef1", "response", i);
		check_span(auth.cnonce, "0a4f", "cnonce", i);
		check_span(auth.opaque, "5cc", "opaque", i);
		check_number(auth.nc, 10, "nc", i);
		check_number(auth.qop, QOP_AUTH, "qop", i);
		check_number(auth.algorithm, AUTH_MD5, "algorithm", i);
		check_number(auth_is_complete(&auth), true, "complete", i);
		exact_free(text);
	}
}

static void refuses_what_is_malformed(void **state)
{
	static const struct span rows[] = {
		SPAN(""), SPAN("=x"), SPAN("Digest,"), SPAN("Digest username"), SPAN("Digest username=\"a"),
		SPAN("Digest username=\"a\", username=\"b\""), SPAN("Digest nc=1"), SPAN("Digest nc=0000000g"),
		SPAN("Digest response=\"xyz\""), SPAN("Digest response=\"\""), SPAN("Digest qop=\"a b\""),
		SPAN("Digest realm=\"a\" nonce=\"b\""), SPAN("Digest =\"a\""), SPAN("Digest nonce=a, Nonce=b"),
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct auth_params auth;
		struct span text = exact_copy(rows[i]);
		if (auth_parse(text, &auth))
			fail_msg("row %u is accepted: %s", i, rows[i].at);
		exact_free(text);
	}
}

static void knows_what_credentials_need(void **state)
{
	static const struct {
		struct span text;
		bool complete;
	} rows[] = {
		{ SPAN(CREDENTIALS RESPONSE), true },
		{ SPAN(CREDENTIALS), false },
		{ SPAN(CREDENTIALS RESPONSE ", qop=auth"), false },
		{ SPAN(CREDENTIALS RESPONSE ", qop=auth, nc=00000001"), false },
		{ SPAN(CREDENTIALS RESPONSE ", qop=auth, nc=00000001, cnonce=\"x\""), true },
		{ SPAN(CREDENTIALS RESPONSE ", algorithm=SHA-256"), true },
		{ SPAN(CREDENTIALS RESPONSE ", algorithm=ROT13"), false },
		{ SPAN("Digest"), false },
		{ SPAN("Basic dXNlcjpwYXNz"), false },
	};
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct auth_params auth;
		if (!auth_parse(rows[i].text, &auth))
			fail_msg("row %u is refused", i);
		check_number(auth_is_complete(&auth), rows[i].complete, "complete", i);
	}
}

static void reads_challenges(void **state)
{
	struct auth_params auth;
	assert_true(auth_parse(
		SPAN_OF("Digest realm=\"a \\\"b\\\"\", qop=\"auth,auth-int\", nonce=\"n\", stale=TRUE, "
			"algorithm=SHA-512-256-sess, domain=\"sip:x\", userhash=true"),
		&auth));
	assert_true(auth_is_challenge(&auth));
	assert_int_equal(auth.qop, QOP_AUTH | QOP_AUTH_INT);
	assert_true(auth.stale);
	assert_true(auth.userhash);
	assert_int_equal(auth.algorithm, AUTH_SHA512_256_SESS);
	check_span(auth.realm, "a \\\"b\\\"", "realm", 0);
	struct arena arena;
	arena_init(&arena, 4096, 65536);
	check_span(quoted_unescape(&arena, auth.realm), "a \"b\"", "realm", 1);
	arena_free(&arena);
}

static void keeps_other_schemes_whole(void **state)
{
	struct auth_params auth;
	assert_true(auth_parse(SPAN_OF("NoOneKnowsThisScheme opaque-data=here"), &auth));
	assert_int_equal(auth.scheme, AUTH_OTHER);
	check_span(auth.rest, "opaque-data=here", "rest", 0);
	assert_true(auth_parse(SPAN_OF("Bearer a.b-c=="), &auth));
	assert_int_equal(auth.scheme, AUTH_BEARER);
	check_span(auth.rest, "a.b-c==", "rest", 1);
}

static void names_algorithms(void **state)
{
	for (int i = AUTH_MD5; i < AUTH_ALGORITHM_OTHER; i++) {
		struct span name = auth_algorithm_name((enum auth_algorithm)i);
		assert_int_equal(auth_algorithm_from_span(name), i);
	}
	assert_null(auth_algorithm_name(AUTH_ALGORITHM_OTHER).at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_credentials_in_any_order),
		cmocka_unit_test(refuses_what_is_malformed),
		cmocka_unit_test(knows_what_credentials_need),
		cmocka_unit_test(reads_challenges),
		cmocka_unit_test(keeps_other_schemes_whole),
		cmocka_unit_test(names_algorithms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
