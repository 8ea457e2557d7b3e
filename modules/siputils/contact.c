/* SPDX-License-Identifier: BSD-2-Clause */
/* Contacts that hide where somebody is: encoded into the user part
 * (prefix*user*password*host*port*transport@ours), or as base64url in a URI parameter. */
#include "modules/siputils/siputils.h"

/* ---- arguments ------------------------------------------------------------------------------- */

struct encode_args {
	struct span prefix, host;
};
static const struct field encode_fields[] = {
	FIELD(struct encode_args, prefix, "text by which an encoded contact is known"),
	FIELD(struct encode_args, host, "host of the encoded contact"),
};
struct param_encode_args {
	struct span param, address;
};
static const struct field param_encode_fields[] = {
	FIELD(struct param_encode_args, param, "name of the URI parameter"),
	FIELD(struct param_encode_args, address, "sip: URI of this server"),
};
struct param_name_args {
	struct span param;
};
static const struct field param_name_fields[] = {
	FIELD(struct param_name_args, param, "name of the URI parameter"),
};

SCRIPT_HANDLER_OF(encode_contact, encode)
SCRIPT_HANDLER_PLAIN(decode_uri)
SCRIPT_HANDLER_PLAIN(decode_header)
SCRIPT_HANDLER(param_encode)
SCRIPT_HANDLER_OF(param_encode_alias, param_encode)
SCRIPT_HANDLER_OF(param_decode, param_name)
SCRIPT_HANDLER_OF(param_decode_uri, param_name)
SCRIPT_HANDLER_OF(param_remove, param_name)
SCRIPT_HANDLER_OF(param_check, param_name)

static const struct script_function functions[] = {
	FUNCTION_OF("encode_contact", encode_contact, encode, IN_ANY,
		"Contact URIs become prefix*user*password*host*port*transport@host."),
	FUNCTION_PLAIN(
		"decode_contact", decode_uri, IN_ANY, "Undoes encode_contact in the Request-URI."),
	FUNCTION_PLAIN("decode_contact_header", decode_header, IN_ANY,
		"Undoes encode_contact in Contact."),
	FUNCTION("contact_param_encode", param_encode, IN_ANY,
		"Contact URIs become the address, with the old URI as base64url in a parameter."),
	FUNCTION_OF("contact_param_encode_alias", param_encode_alias, param_encode, IN_ANY,
		"Like contact_param_encode, with the source address as ;alias= in the old URI."),
	FUNCTION_OF("contact_param_decode", param_decode, param_name, IN_ANY,
		"Undoes contact_param_encode in Contact."),
	FUNCTION_OF("contact_param_decode_uri", param_decode_uri, param_name, IN_ANY,
		"Undoes contact_param_encode in the Request-URI."),
	FUNCTION_OF("contact_param_decode_ruri", param_decode_uri, param_name, IN_ANY,
		"Same as contact_param_decode_uri."),
	FUNCTION_OF("contact_param_rm", param_remove, param_name, IN_ANY,
		"Removes a parameter from all Contact URIs."),
	FUNCTION_OF("contact_param_check", param_check, param_name, IN_ANY,
		"Has a Contact URI the parameter?"),
};
const struct function_table contact_functions = ROWS(functions);

/* ---- every Contact URI ----------------------------------------------------------------------- */

enum rewrite_result { REWRITE_KEEP, REWRITE_DONE, REWRITE_FAILED };
/* Writes what replaces the URI. */
typedef enum rewrite_result (*rewrite)(struct writer *w, const struct sip_uri *uri,
				       const void *data);

/* Rewrites every URI of every Contact; "*" stays. True without any Contact as well. */
static bool rewrite_contacts(struct message *msg, rewrite function, const void *data)
{
	for (const struct sip_header *h = message_header(msg, HEADER_CONTACT); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr contact;
		enum list_result result;
		while ((result = name_addr_next(&rest, &contact)) == LIST_ITEM) {
			struct sip_uri uri;
			struct writer w = writer_in_arena(msg->arena, contact.uri.len * 2 + 64);
			if (contact.is_star)
				continue;
			if (!uri_parse(contact.uri, &uri))
				return false;
			if (!contact.has_brackets)
				writer_char(&w, '<');
			enum rewrite_result done = function(&w, &uri, data);
			if (!contact.has_brackets)
				writer_char(&w, '>');
			if (done == REWRITE_KEEP)
				continue;
			if (done == REWRITE_FAILED || w.failed ||
			    !edit_replace(msg, (uint32_t)(contact.uri.at - msg->bytes.at),
					  (uint32_t)contact.uri.len, writer_result(&w)))
				return false;
		}
		if (result == LIST_BAD)
			return false;
	}
	return true;
}

/* ---- encoded into the user part -------------------------------------------------------------- */

static char separator(void)
{
	return siputils_settings->contact_flds_separator.len
		       ? siputils_settings->contact_flds_separator.at[0]
		       : '*';
}

static enum rewrite_result encode_into_user(struct writer *w, const struct sip_uri *uri,
					    const void *data)
{
	const struct encode_args *args = data;
	const struct span parts[] = { uri->user, uri->password, uri->host, uri->port_text,
				      uri->transport_text };
	if (!uri_is_sip(uri))
		return REWRITE_KEEP;
	writer_literal(w, "sip:");
	writer_span(w, args->prefix);
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		writer_char(w, separator());
		writer_span(w, parts[i]);
	}
	writer_char(w, '@');
	writer_span(w, args->host);
	return REWRITE_DONE;
}

static int encode_contact(struct script_run *run, const struct encode_args *args)
{
	return truth(rewrite_contacts(run->msg, encode_into_user, args));
}

/* user = prefix SEP user SEP [password] SEP host SEP [port] SEP [transport] */
static bool write_decoded_user(struct writer *w, struct span user)
{
	enum { PREFIX, USER, PASSWORD, HOST, PORT, TRANSPORT, PART_COUNT };
	struct span parts[PART_COUNT], rest = user;
	unsigned count = 0;
	while (count < PART_COUNT && span_split(&rest, separator(), &parts[count]))
		count++;
	if (count != PART_COUNT || rest.at || !parts[HOST].len)
		return false;
	writer_literal(w, "sip:");
	if (parts[USER].len) {
		writer_span(w, parts[USER]);
		if (parts[PASSWORD].len) {
			writer_char(w, ':');
			writer_span(w, parts[PASSWORD]);
		}
		writer_char(w, '@');
	}
	writer_span(w, parts[HOST]);
	if (parts[PORT].len) {
		writer_char(w, ':');
		writer_span(w, parts[PORT]);
	}
	if (parts[TRANSPORT].len) {
		writer_literal(w, ";transport=");
		writer_span(w, parts[TRANSPORT]);
	}
	return true;
}

static enum rewrite_result decode_from_user(struct writer *w, const struct sip_uri *uri,
					    const void *data)
{
	(void)data;
	return write_decoded_user(w, uri->user) ? REWRITE_DONE : REWRITE_FAILED;
}

static int decode_header(struct script_run *run)
{
	return truth(rewrite_contacts(run->msg, decode_from_user, NULL));
}

static int decode_uri(struct script_run *run)
{
	struct sip_uri uri, checked;
	if (!message_parse_uri(run->msg, &uri))
		return SCRIPT_FALSE;
	struct writer w = writer_in_arena(run->arena, uri.whole.len + 32);
	if (!write_decoded_user(&w, uri.user) || w.failed ||
	    !uri_parse(writer_result(&w), &checked))
		return SCRIPT_FALSE;
	return truth(message_set_uri(run->msg, writer_result(&w)));
}

/* ---- base64url in a parameter (RFC 4648 5, without padding) ---------------------------------- */

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void write_base64url(struct writer *w, struct span text)
{
	for (size_t i = 0; i < text.len; i += 3) {
		uint32_t bits = (uint32_t)(unsigned char)text.at[i] << 16;
		if (i + 1 < text.len)
			bits |= (uint32_t)(unsigned char)text.at[i + 1] << 8;
		if (i + 2 < text.len)
			bits |= (unsigned char)text.at[i + 2];
		for (unsigned k = 0; k < 4 && i + k <= text.len; k++)
			writer_char(w, base64url[bits >> (18 - 6 * k) & 63]);
	}
}

static bool write_base64url_decoded(struct writer *w, struct span text)
{
	uint32_t bits = 0;
	unsigned held = 0;
	while (text.len && text.at[text.len - 1] == '=')
		text.len--;
	if (text.len % 4 == 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char *found = text.at[i] ? strchr(base64url, text.at[i]) : NULL;
		if (!found)
			return false;
		bits = bits << 6 | (uint32_t)(found - base64url);
		held += 6;
		if (held >= 8) {
			held -= 8;
			writer_char(w, (char)(bits >> held & 255));
		}
	}
	return true;
}

struct param_encoding {
	const struct param_encode_args *args;
	const struct end_point *alias; /* NULL: none */
};

static enum rewrite_result encode_into_param(struct writer *w, const struct sip_uri *uri,
					     const void *data)
{
	const struct param_encoding *encoding = data;
	char text[2048];
	struct writer inner = writer_fixed(text, sizeof(text));
	writer_span(&inner, uri->whole);
	if (encoding->alias) {
		writer_literal(&inner, ";alias=");
		end_point_write_host(&inner, encoding->alias);
		writer_printf(&inner, "~%u~%u", encoding->alias->port, encoding->alias->transport);
	}
	if (inner.failed)
		return REWRITE_FAILED;
	writer_span(w, encoding->args->address);
	writer_char(w, ';');
	writer_span(w, encoding->args->param);
	writer_char(w, '=');
	write_base64url(w, writer_result(&inner));
	return REWRITE_DONE;
}

static int param_encode(struct script_run *run, const struct param_encode_args *args)
{
	const struct param_encoding encoding = { .args = args };
	return truth(args->param.len && rewrite_contacts(run->msg, encode_into_param, &encoding));
}

static int param_encode_alias(struct script_run *run, const struct param_encode_args *args)
{
	const struct param_encoding encoding = { .args = args, .alias = &run->msg->from.source };
	return truth(args->param.len && rewrite_contacts(run->msg, encode_into_param, &encoding));
}

/* The URI that the parameter hides; false when there is no such parameter or it hides none. */
static bool write_hidden_uri(struct writer *w, const struct sip_uri *uri, struct span name)
{
	struct param param;
	struct sip_uri hidden;
	size_t before = w->len;
	if (!uri_param(uri, name, &param) || !param.value.len ||
	    !write_base64url_decoded(w, param.value) || w->failed)
		return false;
	return uri_parse(span_make(w->data + before, w->len - before), &hidden);
}

static enum rewrite_result decode_from_param(struct writer *w, const struct sip_uri *uri,
					     const void *data)
{
	const struct span *name = data;
	return write_hidden_uri(w, uri, *name) ? REWRITE_DONE : REWRITE_KEEP;
}

static int param_decode(struct script_run *run, const struct param_name_args *args)
{
	return truth(rewrite_contacts(run->msg, decode_from_param, &args->param));
}

/* True without such a parameter as well, like in the peer: there was nothing to undo. */
static int param_decode_uri(struct script_run *run, const struct param_name_args *args)
{
	struct sip_uri uri;
	if (!message_parse_uri(run->msg, &uri))
		return SCRIPT_FALSE;
	struct writer w = writer_in_arena(run->arena, uri.whole.len);
	if (!write_hidden_uri(&w, &uri, args->param))
		return SCRIPT_TRUE;
	return truth(message_set_uri(run->msg, writer_result(&w)));
}

static enum rewrite_result remove_from_params(struct writer *w, const struct sip_uri *uri,
					      const void *data)
{
	const struct span *name = data;
	struct param param;
	if (!uri_param(uri, *name, &param))
		return REWRITE_KEEP;
	const char *start = param.whole.at - 1; /* with the ";" */
	const char *end = param.whole.at + param.whole.len;
	writer_bytes(w, uri->whole.at, (size_t)(start - uri->whole.at));
	writer_bytes(w, end, (size_t)(uri->whole.at + uri->whole.len - end));
	return REWRITE_DONE;
}

static int param_remove(struct script_run *run, const struct param_name_args *args)
{
	return truth(rewrite_contacts(run->msg, remove_from_params, &args->param));
}

static int param_check(struct script_run *run, const struct param_name_args *args)
{
	struct message *msg = run->msg;
	for (const struct sip_header *h = message_header(msg, HEADER_CONTACT); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		struct name_addr contact;
		while (name_addr_next(&rest, &contact) == LIST_ITEM) {
			struct sip_uri uri;
			struct param param;
			if (!contact.is_star && uri_parse(contact.uri, &uri) &&
			    uri_param(&uri, args->param, &param))
				return SCRIPT_TRUE;
		}
	}
	return SCRIPT_FALSE;
}
