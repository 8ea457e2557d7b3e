/* SPDX-License-Identifier: BSD-2-Clause */
/* script_fixture: a run over a message that lives for one test. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/script/core_rows.h"
#include "core/script/registry.h"
#include "core/script/script.h"
#include "core/script/template.h"

static struct {
	struct arena arena;
	struct script_run run;
	struct listener listener;
} fixture;

static const char fixture_invite[] =
	"INVITE sip:bob;x=y:pw@example.com:5070;transport=tcp;p=1;lr?h=1 SIP/2.0\r\n"
	"Via: SIP/2.0/UDP 127.77.3.2:5062;branch=z9hG4bKabc;rport;i=7\r\n"
	"Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKdef;received=10.0.0.8\r\n"
	"Max-Forwards: 70\r\n"
	"From: \"Alice A\" <sip:alice@a.example.com:5080;u=1>;tag=ft1\r\n"
	"To: Bob <sip:bob@b.example.com>\r\n"
	"Call-ID: cid1@host\r\n"
	"CSeq: 42 INVITE\r\n"
	"Contact: <sip:alice@127.77.3.2:5062;ob>;expires=100;q=0.5, <sip:a2@h2>;expires=20\r\n"
	"Record-Route: <sip:r1;lr>, <sip:r2;lr>\r\n"
	"Route: <sip:r3;lr>, <sip:r4;lr>\r\n"
	"P-Asserted-Identity: \"PAI\" <sip:pai@x.example>, <tel:+123>\r\n"
	"P-Preferred-Identity: <sip:ppi@y.example>\r\n"
	"Remote-Party-ID: \"RPID\" <sip:rpid@z.example>;party=calling\r\n"
	"Refer-To: <sip:refer@rt>\r\n"
	"Diversion: <sip:div@d>;privacy=full;reason=busy;counter=3\r\n"
	"User-Agent: UA/1.0\r\n"
	"X-One: first\r\n"
	"X-One: second\r\n"
	"X-List: a, b,  c\r\n"
	"Authorization: Digest username=\"au@dom\", realm=\"rlm\", nonce=\"n\", uri=\"sip:adu\", "
	"response=\"0123456789abcdef0123456789abcdef\", algorithm=MD5\r\n"
	"Expires: 300\r\n"
	"Content-Type: text/plain\r\n"
	"Content-Length: 8\r\n"
	"\r\n"
	"body\r\nxy";

static inline void fixture_end_point(struct end_point *at, const char *text)
{
	bool ok = end_point_parse(span_from(text), at);
	assert_true(ok);
}

/* Starts a run over the bytes. */
static inline void fixture_message(const char *bytes)
{
	struct received from = { .listener = &fixture.listener };
	const char *reason = NULL;
	fixture_end_point(&from.source, "udp:127.77.3.2:5062");
	fixture_end_point(&from.local, "udp:127.77.3.1:5060");
	fixture.listener.address = from.local;
	fixture.listener.text = SPAN_OF("udp:127.77.3.1:5060");
	struct span copy = arena_copy(&fixture.arena, span_from(bytes));
	struct message *msg = message_parse(&fixture.arena, copy, &from, &reason);
	if (!msg)
		fail_msg("fixture: %s", reason);
	assert_true(script_run_init(&fixture.run, msg, ROUTE_REQUEST, NULL));
}

/* The expansion of a text; a mistake in it fails the test. */
static inline const char *fixture_expand(const char *text)
{
	struct span error = { 0 };
	const struct text_template *t =
		template_compile_runtime(span_from(text), &fixture.arena, &error);
	if (!t)
		fail_msg("%s: %.*s", text, SPAN_ARGS(error));
	struct writer w = writer_in_arena(&fixture.arena, 256);
	assert_true(template_write(&fixture.run, t, &w));
	return writer_terminate(&w);
}

static inline const struct variable_ref *fixture_variable(const char *text)
{
	struct span error = { 0 };
	const struct text_template *t =
		template_compile_runtime(span_from(text), &fixture.arena, &error);
	if (!t || t->count != 1 || !t->parts[0].variable)
		fail_msg("%s: %.*s", text, SPAN_ARGS(error));
	return t->parts[0].variable;
}

static inline void fixture_set_text(const char *variable, const char *text)
{
	struct value value = VALUE_OF_TEXT(span_from(text));
	if (!variable_write(&fixture.run, fixture_variable(variable), &value))
		fail_msg("%s = %s", variable, text);
}

static inline void fixture_set_int(const char *variable, int64_t number)
{
	struct value value = VALUE_OF_INT(number);
	if (!variable_write(&fixture.run, fixture_variable(variable), &value))
		fail_msg("%s = %lld", variable, (long long)number);
}

static inline bool fixture_set_null(const char *variable)
{
	struct value value = { .kind = VALUE_NULL };
	return variable_write(&fixture.run, fixture_variable(variable), &value);
}

static inline void fixture_is(const char *text, const char *expected)
{
	const char *got = fixture_expand(text);
	if (strcmp(got, expected) != 0)
		fail_msg("%s\n   is: %s\n  not: %s", text, got, expected);
}

static inline int fixture_set_up(void **state)
{
	hash_init();
	core_rows_register();
	arena_init(&fixture.arena, 65536, 1 << 26);
	fixture_message(fixture_invite);
	return 0;
}

static inline int fixture_tear_down(void **state)
{
	arena_free(&fixture.arena);
	return 0;
}
