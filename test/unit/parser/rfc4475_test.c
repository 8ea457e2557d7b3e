/* SPDX-License-Identifier: BSD-2-Clause */
/* The 49 messages of RFC 4475, with the answer that the RFC asks of an element that reads all their
 * headers. The files beside this one are named as in the RFC; those whose defect is in one place are
 * written anew with that defect. */
#include "test/unit/parser/parser_test.h"

#include <libgen.h>

#include "parser/digest.h"
#include "parser/message.h"
#include "parser/name_addr.h"
#include "parser/sdp.h"
#include "parser/multipart.h"
#include "parser/uri.h"
#include "parser/values.h"
#include "parser/via.h"

#define FILE_MAX 65536
#define ACCEPT   0
#define DISCARD  (-1)

/* What is asked; for replies anything wrong means DISCARD. */
static const struct {
	const char *section, *name;
	int answer;
} rows[] = {
	{ "3.1.1.1", "wsinv", ACCEPT },     { "3.1.1.2", "intmeth", ACCEPT },
	{ "3.1.1.3", "esc01", ACCEPT },     { "3.1.1.4", "escnull", ACCEPT },
	{ "3.1.1.5", "esc02", ACCEPT },     { "3.1.1.6", "lwsdisp", ACCEPT },
	{ "3.1.1.7", "longreq", ACCEPT },   { "3.1.1.8", "dblreq", ACCEPT },
	{ "3.1.1.9", "semiuri", ACCEPT },   { "3.1.1.10", "transports", ACCEPT },
	{ "3.1.1.11", "mpart01", ACCEPT },  { "3.1.1.12", "unreason", ACCEPT },
	{ "3.1.1.13", "noreason", ACCEPT }, { "3.1.2.1", "badinv01", 400 },
	{ "3.1.2.2", "clerr", 400 },        { "3.1.2.3", "ncl", 400 },
	{ "3.1.2.4", "scalar02", 400 },     { "3.1.2.5", "scalarlg", DISCARD },
	{ "3.1.2.6", "quotbal", 400 },      { "3.1.2.7", "ltgtruri", 400 },
	{ "3.1.2.8", "lwsruri", 400 },      { "3.1.2.9", "lwsstart", 400 },
	{ "3.1.2.10", "trws", 400 },        { "3.1.2.11", "escruri", 400 },
	{ "3.1.2.12", "baddate", 400 },     { "3.1.2.13", "regbadct", 400 },
	{ "3.1.2.14", "badaspec", 400 },    { "3.1.2.15", "baddn", 400 },
	{ "3.1.2.16", "badvers", 505 },     { "3.1.2.17", "mismatch01", 400 },
	{ "3.1.2.18", "mismatch02", 400 },  { "3.1.2.19", "bigcode", DISCARD },
	{ "3.2.1", "badbranch", ACCEPT },   { "3.3.1", "insuf", 400 },
	{ "3.3.2", "unkscm", 416 },         { "3.3.3", "novelsc", 416 },
	{ "3.3.4", "unksm2", 400 },         { "3.3.5", "bext01", 420 },
	{ "3.3.6", "invut", 415 },          { "3.3.7", "regaut01", ACCEPT },
	{ "3.3.8", "multi01", 400 },        { "3.3.9", "mcl01", 400 },
	{ "3.3.10", "bcast", ACCEPT },      { "3.3.11", "zeromf", 483 },
	{ "3.3.12", "cparam01", ACCEPT },   { "3.3.13", "cparam02", ACCEPT },
	{ "3.3.14", "regescrt", ACCEPT },   { "3.3.15", "sdp01", 406 },
	{ "3.4.1", "inv2543", ACCEPT },
};
_Static_assert(ARRAY_SIZE(rows) == 49, "the RFC has 49 messages");

struct loaded {
	struct arena arena;
	struct span bytes;
	struct sip_message_index *index;
	enum parse_result result;
};

static void load(const char *name, struct loaded *out)
{
	char path[4096], file_name[] = __FILE__;
	static char buffer[FILE_MAX];
	snprintf(path, sizeof(path), "%s/rfc4475/%s.dat", dirname(file_name), name);
	FILE *file = fopen(path, "rb");
	if (!file)
		fail_msg("%s cannot be read (tests run from the project's root)", path);
	size_t len = fread(buffer, 1, sizeof(buffer), file);
	fclose(file);
	arena_init(&out->arena, 16384, 1 << 20);
	out->bytes = exact_copy(span_make(buffer, len));
	out->result = sip_message_index(&out->arena, out->bytes, &out->index, NULL);
}

static void unload(struct loaded *message)
{
	arena_free(&message->arena);
	exact_free(message->bytes);
}

static struct span value_of(const struct loaded *message, enum sip_header_id id)
{
	const struct sip_header *header = sip_header_first(message->index, id);
	return header ? sip_header_value(message->bytes, header) : (struct span){ NULL, 0 };
}

/* True when this one header line can be read by the parser for its kind. */
static bool header_is_right(enum sip_header_id id, struct span value)
{
	struct sip_via via;
	struct name_addr address;
	struct contact_params contact;
	struct cseq cseq;
	struct media_type type;
	struct auth_params auth;
	enum list_result result = LIST_END;
	unsigned count;
	uint32_t number;
	int64_t seconds;

	if (id == HEADER_VIA) {
		while ((result = via_next(&value, &via)) == LIST_ITEM)
			;
		return result == LIST_END;
	}
	if (id == HEADER_CONTACT) {
		while ((result = name_addr_next(&value, &address)) == LIST_ITEM) {
			if (!address.is_star && !contact_params_parse(&address, &contact))
				return false;
		}
		return result == LIST_END;
	}
	if (header_flags(id) & HEADER_ADDRESSES)
		return header_flags(id) & HEADER_ONCE ? name_addr_parse(value, &address)
						      : name_addr_list_check(value, &count);
	switch ((int)id) {
	case HEADER_CSEQ: return cseq_parse(value, &cseq);
	case HEADER_MAX_FORWARDS: return max_forwards_parse(value, &number);
	case HEADER_EXPIRES: return expires_parse(value, &number);
	case HEADER_CALL_ID: return call_id_is_valid(value);
	case HEADER_CONTENT_TYPE: return content_type_parse(value, &type);
	case HEADER_DATE: return date_parse(value, &seconds);
	case HEADER_AUTHORIZATION: return auth_parse(value, &auth);
	}
	return true;
}

static bool headers_are_right(const struct loaded *message)
{
	static const enum sip_header_id required[] = {
		HEADER_VIA, HEADER_FROM, HEADER_TO, HEADER_CALL_ID, HEADER_CSEQ,
	};
	const struct sip_message_index *index = message->index;
	for (unsigned i = 0; i < ARRAY_SIZE(required); i++) {
		if (!sip_header_first(index, required[i]))
			return false;
	}
	for (unsigned i = 0; i < index->header_count; i++) {
		const struct sip_header *header = &index->headers[i];
		if (header->next_same != SIP_NO_HEADER &&
		    (header_flags(header->id) & HEADER_ONCE) && header->id != HEADER_CONTENT_LENGTH)
			return false;
		if (!header_is_right(header->id, sip_header_value(message->bytes, header)))
			return false;
	}
	return true;
}

static int request_answer(const struct loaded *message)
{
	const struct sip_message_index *index = message->index;
	struct sip_uri uri;
	struct cseq cseq;
	struct name_addr to;
	struct media_type type;
	uint32_t number = 70, tags = 0;

	if (!index->is_sip_2_0)
		return 505;
	if (index->defects || !uri_parse(sip_range_span(message->bytes, index->uri), &uri) ||
	    uri.headers.at)
		return 400;
	if (uri.scheme == URI_OTHER)
		return 416;
	if (!headers_are_right(message))
		return 400;
	if (!cseq_parse(value_of(message, HEADER_CSEQ), &cseq) ||
	    !span_equal(cseq.method_name, sip_range_span(message->bytes, index->method_name)))
		return 400;
	if (index->method == METHOD_REGISTER &&
	    (!name_addr_parse(value_of(message, HEADER_TO), &to) ||
	     uri_scheme_of(to.uri) == URI_OTHER))
		return 400;
	if (max_forwards_parse(value_of(message, HEADER_MAX_FORWARDS), &number) && number == 0)
		return 483;
	if (!option_tags_parse(value_of(message, HEADER_REQUIRE), &tags) || (tags & OPTION_OTHER))
		return 420;
	if (index->method != METHOD_INVITE)
		return ACCEPT;
	if (content_type_parse(value_of(message, HEADER_CONTENT_TYPE), &type) &&
	    !media_type_is(&type, SPAN_OF("application/sdp")))
		return 415;
	struct span accept = value_of(message, HEADER_ACCEPT);
	if (accept.at && accept_next(&accept, &type) == LIST_ITEM &&
	    !media_type_is(&type, SPAN_OF("application/sdp")))
		return 406;
	return ACCEPT;
}

static int answer_to(const struct loaded *message)
{
	if (!message->index)
		return DISCARD;
	if (message->index->is_request)
		return request_answer(message);
	return message->result == PARSE_OK && headers_are_right(message) ? ACCEPT : DISCARD;
}

static void gives_the_answers_of_the_rfc(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct loaded message;
		load(rows[i].name, &message);
		int answer = answer_to(&message);
		unload(&message);
		if (answer != rows[i].answer)
			fail_msg("%s %s: %d instead of %d", rows[i].section, rows[i].name, answer,
				 rows[i].answer);
	}
}

static void reads_the_short_tortuous_invite(void **state)
{
	struct loaded message;
	struct name_addr address;
	struct sip_via via;
	struct cseq cseq;
	struct param param;
	uint32_t number;
	load("wsinv", &message);
	assert_int_equal(message.result, PARSE_OK);
	assert_true(name_addr_parse(value_of(&message, HEADER_TO), &address));
	check_span(address.uri, "sip:vivekg@chair-dnrc.example.com", "to", 0);
	check_span(address.tag, "1918181833n", "to tag", 0);
	assert_true(name_addr_parse(value_of(&message, HEADER_FROM), &address));
	check_span(name_addr_display(&address, &message.arena), "J Rosenberg \\\"", "from name", 0);
	check_span(address.tag, "98asjd8", "from tag", 0);
	assert_true(max_forwards_parse(value_of(&message, HEADER_MAX_FORWARDS), &number));
	assert_int_equal(number, 68);
	assert_true(cseq_parse(value_of(&message, HEADER_CSEQ), &cseq));
	assert_int_equal(cseq.number, 9);
	assert_int_equal(cseq.method, METHOD_INVITE);
	const struct sip_header *header = sip_header_first(message.index, HEADER_VIA);
	struct span rest = sip_header_value(message.bytes, header);
	assert_int_equal(via_next(&rest, &via), LIST_ITEM);
	check_span(via.branch, "390skdjuw", "branch", 0);
	assert_int_equal(via_next(&rest, &via), LIST_END);
	rest = sip_header_value(message.bytes, sip_header_next(message.index, header));
	assert_int_equal(via_next(&rest, &via), LIST_ITEM);
	check_span(via.branch, "z9hG4bK9ikj8", "branch", 1);
	assert_int_equal(via.transport, SIP_TRANSPORT_TCP);
	assert_int_equal(via_next(&rest, &via), LIST_ITEM);
	check_span(via.branch, "z9hG4bK30239", "branch", 2);
	assert_int_equal(via_next(&rest, &via), LIST_END);
	check_span(value_of(&message, HEADER_SUBJECT), "", "subject", 0);
	assert_true(name_addr_parse(value_of(&message, HEADER_CONTACT), &address));
	check_span(name_addr_display(&address, &message.arena), "Quoted string \"\"", "contact", 0);
	assert_true(name_addr_param(&address, SPAN_OF("newparam"), &param));
	check_span(param.value, "newvalue", "newparam", 0);
	assert_true(name_addr_param(&address, SPAN_OF("q"), &param));
	check_span(param.value, "0.33", "q", 0);
	unload(&message);
}

static void keeps_unusual_characters(void **state)
{
	struct loaded message;
	struct name_addr address;
	struct sip_uri uri;
	load("intmeth", &message);
	assert_int_equal(message.result, PARSE_OK);
	check_span(sip_range_span(message.bytes, message.index->method_name),
		   "!interesting-Method0123456789_*+`.%indeed'~", "method", 0);
	assert_true(uri_parse(sip_range_span(message.bytes, message.index->uri), &uri));
	check_span(uri.host, "example.com", "host", 0);
	assert_true(name_addr_parse(value_of(&message, HEADER_TO), &address));
	struct span display = name_addr_display(&address, &message.arena);
	assert_true(span_equal(display, SPAN_OF("BEL:\x07 NUL:\0 DEL:\x7f")));
	assert_true(name_addr_parse(value_of(&message, HEADER_FROM), &address));
	check_span(address.tag, "_token~1'+`*%!-.", "tag", 0);
	unload(&message);
}

static void treats_escapes_as_escapes_only_in_uris(void **state)
{
	struct loaded message;
	struct name_addr address;
	struct sip_uri uri, other;
	load("esc01", &message);
	assert_true(uri_parse(sip_range_span(message.bytes, message.index->uri), &uri));
	check_span(uri.user, "sips%3Auser%40example.com", "user", 0);
	check_span(uri.host, "example.net", "host", 0);
	assert_true(name_addr_parse(value_of(&message, HEADER_TO), &address) &&
		    uri_parse(address.uri, &uri));
	assert_true(uri_parse(SPAN_OF("sip:user@example.com"), &other) && uri_equal(&uri, &other));
	assert_true(name_addr_parse(value_of(&message, HEADER_CONTACT), &address) &&
		    uri_parse(address.uri, &uri));
	assert_non_null(uri.lr.at); /* written %6C%72 */
	unload(&message);

	load("escnull", &message);
	const struct sip_header *contact = sip_header_first(message.index, HEADER_CONTACT);
	assert_true(name_addr_parse(sip_header_value(message.bytes, contact), &address) &&
		    uri_parse(address.uri, &uri));
	contact = sip_header_next(message.index, contact);
	assert_true(name_addr_parse(sip_header_value(message.bytes, contact), &address) &&
		    uri_parse(address.uri, &other));
	assert_false(uri_equal(&uri, &other));
	unload(&message);

	load("esc02", &message);
	assert_int_equal(message.index->method, METHOD_OTHER);
	unsigned contacts = 0;
	for (contact = sip_header_first(message.index, HEADER_CONTACT); contact;
	     contact = sip_header_next(message.index, contact))
		contacts++;
	assert_int_equal(contacts, 2);
	unload(&message);
}

static void stops_at_content_length(void **state)
{
	struct loaded message;
	load("dblreq", &message);
	assert_int_equal(message.result, PARSE_OK);
	assert_int_equal(message.index->method, METHOD_REGISTER);
	assert_int_equal(message.index->body_len, 0);
	assert_true(message.index->len < message.bytes.len);
	unload(&message);
}

static void reads_the_binary_multipart(void **state)
{
	struct loaded message;
	struct media_type type;
	struct span found;
	struct multipart_part part;
	load("mpart01", &message);
	assert_int_equal(message.result, PARSE_OK);
	struct span body =
		span_make(message.bytes.at + message.index->body_at, message.index->body_len);
	assert_true(content_type_parse(value_of(&message, HEADER_CONTENT_TYPE), &type));
	check_span(type.boundary, "7a9cbec02ceef655", "boundary", 0);
	assert_true(body_find(body, value_of(&message, HEADER_CONTENT_TYPE), SPAN_OF("text/plain"),
			      &found, &part));
	check_span(found, "Hello", "text", 0);
	assert_true(body_find(body, value_of(&message, HEADER_CONTENT_TYPE),
			      SPAN_OF("application/octet-stream"), &found, &part));
	assert_int_equal(found.len, 338);
	unload(&message);
}

static void finds_no_transaction_identifier_behind_the_cookie(void **state)
{
	struct loaded message;
	struct sip_via via;
	load("badbranch", &message);
	assert_true(via_parse(value_of(&message, HEADER_VIA), &via));
	assert_true(via_has_cookie(&via));
	check_span(via.branch, "z9hG4bK", "branch", 0);
	unload(&message);
}

/* RFC 4475 3.1.1.9: the semicolon belongs to the user. */
static void keeps_semicolons_in_the_user(void **state)
{
	struct loaded message;
	struct sip_uri uri;
	load("semiuri", &message);
	assert_true(uri_parse(sip_range_span(message.bytes, message.index->uri), &uri));
	check_span(uri.user, "user;par=u%40example.net", "user", 0);
	check_span(uri.params, NULL, "params", 0);
	unload(&message);
}

/* RFC 4475 3.3.12 and 3.3.13: whose parameter it is depends on the brackets. */
static void tells_header_from_uri_parameters(void **state)
{
	struct loaded message;
	struct name_addr address;
	load("cparam01", &message);
	assert_true(name_addr_parse(value_of(&message, HEADER_CONTACT), &address));
	check_span(address.params, "unknownparam", "params", 0);
	unload(&message);
	load("cparam02", &message);
	assert_true(name_addr_parse(value_of(&message, HEADER_CONTACT), &address));
	check_span(address.params, NULL, "params", 1);
	check_span(address.uri, "sip:+19725552222@gw1.example.net;unknownparam", "uri", 1);
	unload(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_answers_of_the_rfc),
		cmocka_unit_test(reads_the_short_tortuous_invite),
		cmocka_unit_test(keeps_unusual_characters),
		cmocka_unit_test(treats_escapes_as_escapes_only_in_uris),
		cmocka_unit_test(stops_at_content_length),
		cmocka_unit_test(reads_the_binary_multipart),
		cmocka_unit_test(finds_no_transaction_identifier_behind_the_cookie),
		cmocka_unit_test(keeps_semicolons_in_the_user),
		cmocka_unit_test(tells_header_from_uri_parameters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
