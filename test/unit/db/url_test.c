/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/db/driver.h"

static struct arena arena;

static int set_up(void **state)
{
	arena_init(&arena, 4096, 1 << 20);
	return 0;
}

static int tear_down(void **state)
{
	arena_free(&arena);
	return 0;
}

#define assert_part(part, text) assert_string_equal((part).at ? (part).at : "", text)

static void takes_urls_apart(void **state)
{
	static const struct {
		struct span url;
		const char *user, *password, *host, *name, *shown;
		unsigned port;
	} rows[] = {
		{ SPAN("mysql://kamailio:kamailiorw@localhost/kamailio"), "kamailio", "kamailiorw",
		  "localhost", "kamailio", "mysql://kamailio:***@localhost/kamailio", 0 },
		{ SPAN("postgres://u:p@10.0.0.1:5433/db"), "u", "p", "10.0.0.1", "db",
		  "postgres://u:***@10.0.0.1:5433/db", 5433 },
		{ SPAN("mysql://u:p@ss/w:rd@[::1]:3306/db"), "u", "p@ss/w:rd", "::1", "db",
		  "mysql://u:***@[::1]:3306/db", 3306 },
		{ SPAN("mysql://root@localhost/db"), "root", "", "localhost", "db",
		  "mysql://root@localhost/db", 0 },
		{ SPAN("mysql://host/db"), "", "", "host", "db", "mysql://host/db", 0 },
		{ SPAN("postgres://u:p@%2Frun%2Fpg/db"), "u", "p", "/run/pg", "db",
		  "postgres://u:***@%2Frun%2Fpg/db", 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct db_url url;
		assert_null(db_url_parse(rows[i].url, &arena, &url));
		assert_part(url.user, rows[i].user);
		assert_part(url.password, rows[i].password);
		assert_part(url.host, rows[i].host);
		assert_part(url.name, rows[i].name);
		assert_part(url.shown, rows[i].shown);
		assert_int_equal(url.port, rows[i].port);
	}
}

static void keeps_everything_after_the_scheme_for_files(void **state)
{
	struct db_url url;
	assert_null(db_url_parse(SPAN_OF("sqlite:////var/lib/a.db"), &arena, &url));
	assert_part(url.rest, "////var/lib/a.db");
	assert_null(db_url_parse(SPAN_OF("sqlite:/var/lib/a.db"), &arena, &url));
	assert_part(url.rest, "/var/lib/a.db");
}

static void refuses_what_is_no_url(void **state)
{
	static const struct span urls[] = {
		SPAN(""),
		SPAN("kamailio"),
		SPAN("/var/lib/a.db"),
		SPAN("my sql://host/db"),
		SPAN("mysql://u:p@host:0/db"),
		SPAN("mysql://u:p@host:65536/db"),
		SPAN("mysql://u:p@host:x/db"),
		SPAN("mysql://u:p@[::1/db"),
		SPAN("mysql://u:p@[::1]x/db"),
		SPAN("mysql://u\0:p@host/db"),
	};
	struct db_url url;
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		assert_non_null(db_url_parse(urls[i], &arena, &url));
}

static void never_shows_a_password(void **state)
{
	static const struct span urls[] = {
		SPAN("mysql://u:secret@host/db"),
		SPAN("mysql:u:secret@host"),
		SPAN("u:secret@host/db"),
		SPAN("mysql://u:sec@ret:secret@host:x/db"),
	};
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		char buffer[128];
		struct writer w = writer_fixed(buffer, sizeof(buffer));
		struct span shown = db_url_without_password(urls[i], &w);
		assert_int_equal(span_find_span(shown, SPAN_OF("secret")), shown.len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_urls_apart),
		cmocka_unit_test(keeps_everything_after_the_scheme_for_files),
		cmocka_unit_test(refuses_what_is_no_url),
		cmocka_unit_test(never_shows_a_password),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
