/* SPDX-License-Identifier: BSD-2-Clause */
/* The checks of module sanity: one function each, one row each. What they say is what the peer
 * says, letter for letter, because scripts and tests look at it. */
#include "modules/sanity/sanity.h"
#include "parser/digest.h"
#include "parser/name_addr.h"
#include "parser/values.h"

static const struct sanity_fault fine = { 0 };

static struct sanity_fault fault(unsigned code, const char *reason)
{
	return (struct sanity_fault){ .code = code, .reason = reason };
}

/* ---- request line ---------------------------------------------------------------------------- */

static struct sanity_fault check_uri_version(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	return !message_is_request(msg) || msg->index->is_sip_2_0 || msg->index->is_http
		       ? fine
		       : fault(505, "Version Not Supported");
}

/* RFC 3261 16.3 step 2 asks for 416; the peer answers 400. */
static struct sanity_fault check_uri_scheme(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	if (!message_is_request(msg))
		return fine;
	const struct sip_uri *uri = message_read_uri(msg, message_uri(msg));
	if (!uri)
		return fault(400, "Bad Request URI");
	if (uri->scheme != URI_OTHER)
		return fine;
	return core_setting_int("rfc_strict") ? fault(416, "Unsupported URI Scheme")
					      : fault(400, "Bad Request URI");
}

/* ---- headers that must be there -------------------------------------------------------------- */

static struct sanity_fault check_required_headers(struct message *msg, int64_t uri_bits)
{
	static const enum sip_header_id required[] = {
		HEADER_TO, HEADER_FROM, HEADER_CSEQ, HEADER_CALL_ID, HEADER_VIA,
	};
	(void)uri_bits;
	for (unsigned i = 0; i < ARRAY_SIZE(required); i++)
		if (!message_header(msg, required[i]))
			return fault(400, "Missing Required Header in Request");
	return fine;
}

static struct sanity_fault check_first_via(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	if (!message_header(msg, HEADER_VIA))
		return fault(400, "Missing Via Header");
	const struct sip_via *via = message_top_via(msg);
	return via && via->host.len ? fine : fault(400, "Bad Via Header");
}

/* ---- CSeq, Content-Length, Expires ----------------------------------------------------------- */

/* CSeq = 1*DIGIT LWS Method: the method is looked at even when the number is wrong. */
static struct sanity_fault check_cseq_method(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	struct span value = message_value(msg, HEADER_CSEQ);
	size_t at = value.len;
	if (!message_is_request(msg))
		return fine;
	if (!value.at)
		return fault(400, "Missing CSeq Header");
	while (at > 0 && !ascii_is_space(value.at[at - 1]))
		at--;
	return span_equal(span_slice(value, at, value.len), message_method_name(msg))
		       ? fine
		       : fault(400, "CSeq method does not match request method");
}

static struct sanity_fault check_cseq_value(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	return message_parsed_cseq(msg) ? fine : fault(400, "CSeq number is illegal");
}

static struct sanity_fault check_content_length(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	/* RFC 3261 18.3: bytes beyond the body are ignored; they go nowhere. */
	bool is_wrong =
		(msg->index->defects & (SIP_DEFECT_CONTENT_LENGTH | SIP_DEFECT_SHORT_BODY)) ||
		((msg->notes & NOTE_TRAILING_BYTES) && !core_setting_int("rfc_strict"));
	return is_wrong ? fault(400, "Content-Length mis-match") : fine;
}

static struct sanity_fault check_expires(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	const struct sip_header *h = message_header(msg, HEADER_EXPIRES);
	uint32_t seconds;
	return !h || expires_parse(message_header_value(msg, h), &seconds)
		       ? fine
		       : fault(400, "Expires value is illegal");
}

/* ---- Proxy-Require --------------------------------------------------------------------------- */

/* RFC 3261 16.3 step 5: the answer lists what is not supported. */
static struct sanity_fault check_proxy_require(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	struct sanity_fault result = fault(420, "Bad Proxy Require Extension");
	bool is_wrong = message_is_request(msg) &&
			unsupported_line(msg, HEADER_PROXY_REQUIRE, sanity_settings->proxy_require,
					 &result.line);
	return is_wrong ? result : fine;
}

/* ---- URIs ------------------------------------------------------------------------------------ */

static bool uri_is_valid(const struct message *msg, struct span text)
{
	return message_read_uri(msg, text) != NULL;
}

static struct sanity_fault check_contacts(struct message *msg)
{
	for (const struct sip_header *h = message_header(msg, HEADER_CONTACT); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr contact;
		enum list_result result;
		while ((result = name_addr_next(&rest, &contact)) == LIST_ITEM)
			if (!contact.is_star && !uri_is_valid(msg, contact.uri))
				return fault(400, "Bad Contact URI");
		/* An address whose brackets are right has a URI that is wrong. */
		if (result == LIST_BAD)
			return fault(400, span_find(rest, '<', 0) < span_find(rest, '>', 0)
						  ? "Bad Contact URI"
						  : "Bad Contact Header");
	}
	return fine;
}

static struct sanity_fault check_uris(struct message *msg, int64_t uri_bits)
{
	if ((uri_bits & SANITY_URI_REQUEST) && message_is_request(msg) &&
	    !uri_is_valid(msg, message_uri(msg)))
		return fault(400, "Bad Request URI");
	if ((uri_bits & SANITY_URI_FROM) && !uri_is_valid(msg, message_from_uri(msg)))
		return fault(400, "Invalid From Header");
	if ((uri_bits & SANITY_URI_TO) && !uri_is_valid(msg, message_to_uri(msg)))
		return fault(400, "Ivalid To Header"); /* as the peer spells it */
	return uri_bits & SANITY_URI_CONTACT ? check_contacts(msg) : fine;
}

/* ---- credentials ----------------------------------------------------------------------------- */

/* What is wrong with digest credentials, which must have all that RFC 7616 3.4 asks for; NULL: nothing. */
static const char *credentials_fault(struct span value, bool allow_other_schemes)
{
	struct auth_params params;
	struct span rest = span_trim(value);
	size_t end = 0;
	while (end < rest.len && !ascii_is_space(rest.at[end]))
		end++;
	if (!span_equal_nocase(span_slice(rest, 0, end), SPAN_OF("Digest")))
		return allow_other_schemes ? NULL : "Bad Auth Credentials";
	if (!auth_parse(value, &params) || (params.username.at && !params.username.len))
		return "Bad Auth Header";
	bool has_all = params.username.len && params.realm.len && params.nonce.len &&
		       params.uri.len && params.response.len &&
		       (!params.qop || (params.cnonce.len && params.nc_text.len));
	return has_all ? NULL : "Bad Auth Credentials";
}

static struct sanity_fault check_credentials(const struct message *msg, enum sip_header_id id,
					     bool allow_other_schemes)
{
	for (const struct sip_header *h = message_header(msg, id); h;
	     h = message_next_header(msg, h)) {
		const char *reason =
			credentials_fault(message_header_value(msg, h), allow_other_schemes);
		if (reason)
			return fault(400, reason);
	}
	return fine;
}

static struct sanity_fault check_digest(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	struct sanity_fault found = check_credentials(msg, HEADER_PROXY_AUTHORIZATION, false);
	return found.code ? found : check_credentials(msg, HEADER_AUTHORIZATION, false);
}

static struct sanity_fault check_authorization(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	return check_credentials(msg, HEADER_AUTHORIZATION, true);
}

/* ---- tags ------------------------------------------------------------------------------------ */

static bool has_many_tags(const struct name_addr *address)
{
	if (!address || !address->params.at)
		return false;
	struct param_list list = params_over(address->params, ';');
	struct param param;
	unsigned count = 0;
	while (params_next(&list, &param) == LIST_ITEM)
		count += span_equal_nocase(param.name, SPAN_OF("tag"));
	return count > 1;
}

static struct sanity_fault check_duplicate_tags(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	if (has_many_tags(message_from(msg)))
		return fault(400, "Many From Tag Params");
	return has_many_tags(message_to(msg)) ? fault(400, "Many To Tag Params") : fine;
}

/* ---- RFC 3261 and no older one --------------------------------------------------------------- */

static struct sanity_fault check_rfc3261(struct message *msg, int64_t uri_bits)
{
	(void)uri_bits;
	const struct sip_via *via = message_top_via(msg);
	if (!via || !via_has_cookie(via))
		return fault(400, "Bad Via Branch Cookie");
	for (const struct sip_header *h = message_header(msg, HEADER_ROUTE); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr route;
		struct sip_uri uri;
		while (name_addr_next(&rest, &route) == LIST_ITEM)
			if (uri_parse(route.uri, &uri) && !uri.lr.at)
				return fault(400, "Missing LR Route Parameter");
	}
	return fine;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static bool exceeds(size_t size, int64_t limit)
{
	return limit > 0 && size > (size_t)limit;
}

static bool list_uri_exceeds(const struct message *msg, enum sip_header_id id, int64_t limit)
{
	for (const struct sip_header *h = message_header(msg, id); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr address;
		while (name_addr_next(&rest, &address) == LIST_ITEM)
			if (exceeds(address.uri.len, limit))
				return true;
	}
	return false;
}

static bool header_exceeds(const struct message *msg, int64_t limit)
{
	for (unsigned i = 0; i < msg->index->header_count; i++)
		if (exceeds(msg->index->headers[i].end - msg->index->headers[i].name_at, limit))
			return true;
	return false;
}

static struct sanity_fault check_sizes(struct message *msg, int64_t uri_bits)
{
	const struct sanity_settings *most = sanity_settings;
	const struct sip_message_index *index = msg->index;
	(void)uri_bits;
	if (exceeds(msg->bytes.len, most->size_message) ||
	    exceeds(index->headers_end - index->headers_at, most->size_headers) ||
	    exceeds(index->body_len, most->size_body) || header_exceeds(msg, most->size_header))
		return fault(513, "Message Too Large");
	if (index->is_request && exceeds(message_original_uri(msg).len, most->size_ruri))
		return fault(414, "Request-URI Too Long");
	if (exceeds(message_method_name(msg).len, most->size_method))
		return fault(400, "Method Too Long");
	if (exceeds(message_from_uri(msg).len, most->size_from_uri) ||
	    exceeds(message_to_uri(msg).len, most->size_to_uri) ||
	    list_uri_exceeds(msg, HEADER_CONTACT, most->size_contact_uri) ||
	    list_uri_exceeds(msg, HEADER_ROUTE, most->size_route_uri) ||
	    list_uri_exceeds(msg, HEADER_RECORD_ROUTE, most->size_route_uri) ||
	    list_uri_exceeds(msg, HEADER_PATH, most->size_path_uri) ||
	    list_uri_exceeds(msg, HEADER_P_ASSERTED_IDENTITY, most->size_pai_uri))
		return fault(400, "Header URI Too Long");
	return fine;
}

const struct sanity_row sanity_rows[] = {
	{ SANITY_SIZES, check_sizes },
	{ SANITY_URI_VERSION, check_uri_version },
	{ SANITY_URI_SCHEME, check_uri_scheme },
	{ SANITY_REQUIRED_HEADERS, check_required_headers },
	{ SANITY_FIRST_VIA, check_first_via },
	{ SANITY_RFC3261, check_rfc3261 },
	{ SANITY_CSEQ_METHOD, check_cseq_method },
	{ SANITY_CSEQ_VALUE, check_cseq_value },
	{ SANITY_CONTENT_LENGTH, check_content_length },
	{ SANITY_EXPIRES, check_expires },
	{ SANITY_PROXY_REQUIRE, check_proxy_require },
	{ SANITY_URIS, check_uris },
	{ SANITY_DIGEST, check_digest },
	{ SANITY_AUTHORIZATION, check_authorization },
	{ SANITY_DUPLICATE_TAGS, check_duplicate_tags },
};
const unsigned sanity_row_count = ARRAY_SIZE(sanity_rows);
