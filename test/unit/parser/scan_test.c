/* SPDX-License-Identifier: BSD-2-Clause */
/* The loops for the vector unit find what those find that read byte by byte, wherever a text begins and
 * ends; the names of headers are found in blocks as they are in spans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "parser/cursor.h"
#include "parser/header_names.h"

#define TEXTS     20000
#define TEXT_MOST 120

static uint64_t random_state = 88172645463325252u;

static unsigned random_below(unsigned limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state >> 32) % limit;
}

/* Mostly letters, with what ends runs of text strewn in, and what differs from it in one bit. */
static char random_byte(void)
{
	static const char stops[] = "\r\n\t\0\x0b\x0c\x0e\x1f :\x7f\x80\x8d\x89\xff-=Mm";
	return random_below(20) ? (char)('a' + random_below(26))
				: stops[random_below(sizeof(stops))];
}

/* A text of its own size, so that the sanitizer sees every read beyond it. */
static char *random_text(size_t len)
{
	char *text = malloc(len ? len : 1);
	for (size_t i = 0; i < len; i++)
		text[i] = random_byte();
	return text;
}

SCAN_WIDE static size_t line_stop_wide(const char *text, size_t at, size_t len)
{
	return scan_line_stop_wide(text, at, len);
}

static void finds_the_end_of_a_line(void **state)
{
	for (unsigned i = 0; i < TEXTS; i++) {
		size_t len = random_below(TEXT_MOST), at = random_below((unsigned)len + 1);
		char *text = random_text(len);
		size_t expected = scan_line_stop_bytes(text, at, len);
		assert_int_equal(scan_line_stop(text, at, len), expected);
		if (scan_is_wide(len))
			assert_int_equal(line_stop_wide(text, at, len), expected);
		free(text);
	}
}

static void finds_white_space(void **state)
{
	for (unsigned i = 0; i < TEXTS; i++) {
		size_t len = random_below(TEXT_MOST);
		char *text = random_text(len);
		assert_ptr_equal(scan_space(text, text + len), scan_space_bytes(text, text + len));
		free(text);
	}
}

static void compares_blocks(void **state)
{
	for (unsigned i = 0; i < TEXTS; i++) {
		char *text = random_text(16), *other = random_text(16), byte = random_byte();
		struct scan_block block = scan_block_read(text);
		for (unsigned j = 0; j < 16; j++)
			if (random_below(2))
				other[j] = text[j];
		unsigned places = scan_block_places(block, byte);
		unsigned same = scan_block_same(block, scan_block_read(other));
		for (unsigned j = 0; j < 16; j++) {
			assert_int_equal(places >> j & 1, text[j] == byte);
			assert_int_equal(same >> j & 1, text[j] == other[j]);
		}
		free(text);
		free(other);
	}
}

static bool is_in_names(char c)
{
	return ascii_is_alpha(c) || c == '-' || c == ':';
}

/* Nothing else becomes what is in names. */
static void makes_blocks_lower_case(void **state)
{
	for (unsigned c = 0; c < 256; c++) {
		char text[16], lower[16];
		memset(text, (int)c, sizeof(text));
		struct scan_block block = scan_block_lower(scan_block_read(text));
		memcpy(lower, &block, sizeof(lower));
		assert_int_equal(is_in_names(lower[c % 16]), is_in_names((char)c));
		if (is_in_names((char)c))
			assert_int_equal(lower[c % 16], ascii_lower((char)c));
	}
}

static void finds_names_in_blocks_as_in_spans(void **state)
{
	for (unsigned id = 0; id < HEADER_OTHER; id++) {
		struct span name = header_name((enum sip_header_id)id);
		for (unsigned i = 0; i < 500; i++) {
			char block[33] = { 0 };
			struct name_found found;
			memcpy(block, name.at, name.len);
			block[name.len] = ':';
			for (unsigned change = random_below(4); change > 0; change--)
				block[random_below((unsigned)name.len)] ^=
					(char)(1u << random_below(8));
			for (unsigned j = (unsigned)name.len + 1; j < 32; j++)
				block[j] = random_byte();
			struct span all = span_make(block, 32);
			struct span changed = span_slice(all, 0, span_find(all, ':', 0));
			if (header_name_find(header_names(), block, &found)) {
				assert_int_equal(found.len, changed.len);
				assert_int_equal(found.id, header_id_from_name(changed));
				assert_int_not_equal(found.id, HEADER_OTHER);
			}
			found = header_name_read(block, block + 32);
			bool is_name = span_is_all(changed, CHAR_TOKEN);
			assert_int_equal(found.len, is_name ? changed.len : 0);
			if (is_name)
				assert_int_equal(found.id, header_id_from_name(changed));
		}
	}
}

/* The general way, which is slower, is for rare names, compact forms and unknown names. */
static void finds_most_names_by_one_look(void **state)
{
	static const enum sip_header_id usual[] = {
		HEADER_VIA,          HEADER_FROM,    HEADER_TO,           HEADER_CALL_ID,
		HEADER_CSEQ,         HEADER_CONTACT, HEADER_MAX_FORWARDS, HEADER_CONTENT_LENGTH,
		HEADER_CONTENT_TYPE, HEADER_EXPIRES, HEADER_RECORD_ROUTE, HEADER_AUTHORIZATION,
		HEADER_USER_AGENT,   HEADER_ROUTE,   HEADER_ALLOW,        HEADER_SUPPORTED,
	};
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++) {
		char block[32] = { 0 };
		struct name_found found;
		struct span name = header_name(usual[i]);
		memcpy(block, name.at, name.len);
		assert_false(header_name_find(header_names(), block, &found));
		block[name.len] = ':';
		assert_true(header_name_find(header_names(), block, &found));
		assert_int_equal(found.len, name.len);
		assert_int_equal(found.id, usual[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_end_of_a_line),
		cmocka_unit_test(finds_white_space),
		cmocka_unit_test(compares_blocks),
		cmocka_unit_test(makes_blocks_lower_case),
		cmocka_unit_test(finds_names_in_blocks_as_in_spans),
		cmocka_unit_test(finds_most_names_by_one_look),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
