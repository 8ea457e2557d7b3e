/* SPDX-License-Identifier: BSD-2-Clause */
/* URIs: parts lie inside; equality is reflexive, also through a copy, symmetric, and agrees with
 * the hash. A line end separates two URIs. */
#include "core/base/writer.h"
#include "parser/uri.h"
#include "test/fuzz/fuzz.h"

static bool check_uri(struct span text, struct sip_uri *out_uri)
{
	struct sip_uri uri, again;
	struct param param;
	if (!uri_parse(text, &uri))
		return false;
	must_be_inside(uri.user, text);
	must_be_inside(uri.password, text);
	must_be_inside(uri.host, text);
	must_be_inside(uri.hostport, text);
	must_be_inside(uri.params, text);
	must_be_inside(uri.headers, text);
	must_be_inside(uri.transport_text, text);
	must_be_inside(uri_user_params(&uri), text);
	must(!uri_is_sip(&uri) || uri.host.len > 0);
	must(!uri.lr.at || uri_param(&uri, SPAN_OF("lr"), &param));
	must(uri_scheme_of(text) == uri.scheme);
	must(uri_equal(&uri, &uri));
	char *copy = malloc(text.len);
	memcpy(copy, text.at, text.len);
	must(uri_parse(span_make(copy, text.len), &again) && uri_equal(&uri, &again));
	must(uri_hash(&uri) == uri_hash(&again));
	free(copy);
	(void)uri_port(&uri);
	*out_uri = uri;
	return true;
}

static void check_writing(struct span text, const struct sip_uri *uri)
{
	struct arena arena;
	arena_init(&arena, 4096, 1 << 22);
	struct writer w = writer_in_arena(&arena, 64), back = writer_in_arena(&arena, 64);
	uri_write_aor(&w, uri);
	w.len = 0;
	uri_write_escaped_user(&w, text);
	must(uri_escapes_are_valid(writer_result(&w)));
	uri_write_unescaped(&back, writer_result(&w));
	must(back.failed || w.failed || span_equal(writer_result(&back), text));
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };
	size_t split = span_find(text, '\n', 0);
	struct span left = span_slice(text, 0, split), right = span_slice(text, split + 1, size);
	struct sip_uri a, b;

	if (!check_uri(left, &a))
		return 0;
	check_writing(left, &a);
	if (split < size && check_uri(right, &b)) {
		bool equal = uri_equal(&a, &b);
		must(equal == uri_equal(&b, &a));
		must(!equal || uri_hash(&a) == uri_hash(&b));
	}
	return 0;
}
