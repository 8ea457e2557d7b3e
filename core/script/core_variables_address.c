/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_address: From, To, identities, Diversion, Refer-To, credentials. Assignments to
 * From and To are edits: they show when they are applied. */
#include "core/script/core_variables.h"
#include "core/script/uri_edit.h"
#include "core/script/uri_edit.h"
#include "parser/digest.h"
#include "parser/name_addr.h"
#include "parser/uri.h"

enum what {
	WHAT_URI,
	WHAT_USER,
	WHAT_HOST,
	WHAT_DISPLAY,
	WHAT_TAG,
	WHAT_USER_LENGTH,
	WHAT_HAS_TAG
};
#define SELECT(header, what) ((intptr_t)(header) << 8 | (what))
#define HEADER_OF(selector)  ((enum sip_header_id)((selector) >> 8))
#define WHAT_OF(selector)    ((enum what)((selector)&0xff))

/* Edits of this file: one per header for the URI, one for the display name. */
enum { EDIT_TAG_ADDRESS_URI = 0x41, EDIT_TAG_ADDRESS_NAME };

/* ---- reading --------------------------------------------------------------------------------- */

static bool find_address(const struct message *msg, enum sip_header_id id,
			 struct name_addr *out_address)
{
	const struct name_addr *kept;
	if (id == HEADER_FROM || id == HEADER_TO) {
		kept = id == HEADER_FROM ? message_from(msg) : message_to(msg);
		if (kept)
			*out_address = *kept;
		return kept != NULL;
	}
	struct span rest = message_value(msg, id);
	return rest.at && name_addr_next(&rest, out_address) == LIST_ITEM;
}

static bool get_address(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	intptr_t selector = ref->row->selector;
	struct name_addr address;
	if (!find_address(run->msg, HEADER_OF(selector), &address))
		return true;
	switch (WHAT_OF(selector)) {
	case WHAT_URI: return give_nonempty(out, address.uri);
	case WHAT_DISPLAY: return give_nonempty(out, address.display);
	case WHAT_TAG: return give_nonempty(out, address.tag);
	case WHAT_HAS_TAG: return give_int(out, address.tag.len > 0);
	case WHAT_USER:
	case WHAT_HOST:
	case WHAT_USER_LENGTH: break;
	}
	const struct sip_uri *uri = message_read_uri(run->msg, address.uri);
	if (!uri)
		return false;
	if (WHAT_OF(selector) == WHAT_USER_LENGTH)
		return give_int(out, (int64_t)uri_seen_user(uri).len);
	return give_nonempty(out, WHAT_OF(selector) == WHAT_USER ? uri_seen_user(uri)
								 : uri_seen_host(uri));
}

/* ---- assigning ------------------------------------------------------------------------------- */

/* The edit that an earlier assignment left. */
static struct edit *pending_edit(const struct message *msg, uint32_t at, uint16_t tag)
{
	for (struct edit *e = msg->edits; e && e->at <= at; e = e->next)
		if (e->at == at && e->tag == tag)
			return e;
	return NULL;
}

static bool put_edit(struct message *msg, struct span place, uint16_t tag, struct span text)
{
	uint32_t at = (uint32_t)(place.at - msg->bytes.at);
	struct edit *edit = pending_edit(msg, at, tag);
	if (edit) {
		edit->text = text;
		return true;
	}
	edit = edit_replace(msg, at, (uint32_t)place.len, text);
	if (edit)
		edit->tag = tag;
	return edit != NULL;
}

/* What the address will be: as received, or as assigned before. Without angle brackets the edit
 * holds a whole `name <uri>`. */
static void current_address(const struct message *msg, const struct name_addr *received,
			    struct span *out_uri, struct span *out_display)
{
	uint32_t at = (uint32_t)(received->uri.at - msg->bytes.at);
	const struct edit *edit = pending_edit(msg, at, EDIT_TAG_ADDRESS_URI);
	struct name_addr changed;
	*out_uri = received->uri;
	*out_display = received->display;
	if (edit && received->has_brackets)
		*out_uri = edit->text;
	else if (edit && name_addr_parse(edit->text, &changed)) {
		*out_uri = changed.uri;
		*out_display = changed.display;
	}
}

static bool put_uri(struct message *msg, const struct name_addr *received, struct span uri,
		    struct span display)
{
	struct writer w = writer_in_arena(msg->arena, uri.len + display.len + 4);
	if (received->has_brackets) {
		writer_span(&w, uri);
	} else {
		writer_span(&w, display);
		writer_string(&w, display.len ? " <" : "<");
		writer_span(&w, uri);
		writer_char(&w, '>');
	}
	return !w.failed && put_edit(msg, received->uri, EDIT_TAG_ADDRESS_URI, writer_result(&w));
}

static bool put_display(struct message *msg, const struct name_addr *received, struct span uri,
			struct span display)
{
	if (!received->has_brackets)
		return put_uri(msg, received, uri, display);
	struct span place = span_make(received->uri.at - 1, 0);
	if (received->display.len)
		place = span_make(received->display.at,
				  (size_t)(received->uri.at - 1 - received->display.at));
	struct writer w = writer_in_arena(msg->arena, display.len + 1);
	writer_span(&w, display);
	if (display.len)
		writer_char(&w, ' ');
	return !w.failed && put_edit(msg, place, EDIT_TAG_ADDRESS_NAME, writer_result(&w));
}

static bool change_uri(struct script_run *run, const struct name_addr *received,
		       struct span current, enum uri_piece piece, struct span value,
		       struct span display)
{
	struct sip_uri uri;
	struct writer w = writer_in_arena(run->msg->arena, current.len + value.len + 16);
	if (!uri_parse(current, &uri) || (piece == URI_PIECE_HOST && !value.len) ||
	    !uri_write_changed(&w, &uri, piece, value))
		return false;
	return put_uri(run->msg, received, writer_result(&w), display);
}

static bool set_address(struct script_run *run, const struct variable_ref *ref,
			const struct value *value)
{
	intptr_t selector = ref->row->selector;
	struct name_addr address;
	struct span text = { 0 }, uri, display;
	struct sip_uri checked;
	if (!find_address(run->msg, HEADER_OF(selector), &address)) {
		log_error("%.*s: the message has no such header\n", SPAN_ARGS(ref->text));
		return false;
	}
	if (value && value->kind != VALUE_NULL && !value_to_text(run, value, &text))
		return false;
	current_address(run->msg, &address, &uri, &display);
	bool ok = false;
	switch (WHAT_OF(selector)) {
	case WHAT_URI:
		ok = text.len && uri_parse(text, &checked) &&
		     put_uri(run->msg, &address, text, display);
		break;
	case WHAT_USER: ok = change_uri(run, &address, uri, URI_PIECE_USER, text, display); break;
	case WHAT_HOST: ok = change_uri(run, &address, uri, URI_PIECE_HOST, text, display); break;
	case WHAT_DISPLAY: ok = put_display(run->msg, &address, uri, text); break;
	case WHAT_TAG:
	case WHAT_USER_LENGTH:
	case WHAT_HAS_TAG: break;
	}
	if (!ok)
		log_error("%.*s cannot be set to \"%.*s\"\n", SPAN_ARGS(ref->text),
			  SPAN_ARGS(text));
	return ok;
}

/* ---- Diversion ------------------------------------------------------------------------------- */

static const struct span diversion_params[] = { SPAN("privacy"), SPAN("reason"), SPAN("counter") };

static bool get_diversion(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct name_addr address;
	struct param param;
	if (!find_address(run->msg, HEADER_DIVERSION, &address) ||
	    !name_addr_param(&address, diversion_params[ref->row->selector], &param))
		return true;
	return give_text(out, param.value);
}

/* ---- digest credentials ---------------------------------------------------------------------- */

enum digest_part {
	AUTH_URI,
	AUTH_ALGORITHM,
	AUTH_REALM,
	AUTH_USERNAME,
	AUTH_USER,
	AUTH_DOMAIN,
	AUTH_NONCE,
	AUTH_CNONCE,
	AUTH_RESPONSE,
};

static bool get_auth(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct auth_params auth;
	struct span value = message_value(run->msg, HEADER_AUTHORIZATION);
	if (!value.at)
		value = message_value(run->msg, HEADER_PROXY_AUTHORIZATION);
	if (!value.at || !auth_parse(value, &auth) || auth.scheme != AUTH_DIGEST || !auth.rest.len)
		return true;
	struct span user, domain;
	auth_name_split(auth.username, &user, &domain);
	switch ((enum digest_part)ref->row->selector) {
	case AUTH_URI: return give_text(out, auth.uri);
	case AUTH_ALGORITHM:
		return give_text(out, auth.algorithm_text.at ? auth.algorithm_text : SPAN_OF(""));
	case AUTH_REALM: return give_text(out, auth.realm.at ? auth.realm : SPAN_OF(""));
	case AUTH_USERNAME: return give_text(out, auth.username.at ? auth.username : SPAN_OF(""));
	case AUTH_USER: return give_text(out, user.at ? user : SPAN_OF(""));
	case AUTH_DOMAIN: return give_text(out, domain.at ? domain : SPAN_OF(""));
	case AUTH_NONCE: return give_text(out, auth.nonce);
	case AUTH_CNONCE: return give_text(out, auth.cnonce.at ? auth.cnonce : SPAN_OF(""));
	case AUTH_RESPONSE: return give_text(out, auth.response);
	}
	return false;
}

/* ---- who sent it, for accounting ------------------------------------------------------------- */

/* The checked credentials, else From; as user@realm or user@host, and as user. */
static bool get_account(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct name_addr address;
	struct sip_uri uri;
	struct span user = run->msg->account_user, domain = run->msg->account_realm;
	if (user.at) {
		struct span unused;
		auth_name_split(user, &user, &unused);
	} else {
		if (!find_address(run->msg, HEADER_FROM, &address) || !uri_parse(address.uri, &uri))
			return true;
		user = uri.user;
		domain = uri.host;
	}
	if (ref->row->selector == WHAT_USER)
		return give_text(out, user.at ? user : SPAN_OF(""));
	struct writer w = writer_in_arena(run->arena, user.len + domain.len + 1);
	writer_span(&w, user);
	writer_char(&w, '@');
	writer_span(&w, domain);
	return give_written(out, &w);
}

#define ADDRESS(name, header, part, text) \
	{ name, INNER_NONE, get_address, .selector = SELECT(header, part), .doc = text }
#define WRITABLE(name, header, part, text) \
	{ name, INNER_NONE, get_address, set_address, .selector = SELECT(header, part), .doc = text }

static const struct variable_row rows[] = {
	WRITABLE("fu", HEADER_FROM, WHAT_URI, "From: URI."),
	WRITABLE("fU", HEADER_FROM, WHAT_USER, "From: user."),
	WRITABLE("fd", HEADER_FROM, WHAT_HOST, "From: domain."),
	WRITABLE("fn", HEADER_FROM, WHAT_DISPLAY, "From: display name, quotes included."),
	WRITABLE("from", HEADER_FROM, WHAT_URI, "From: URI."),
	ADDRESS("ft", HEADER_FROM, WHAT_TAG, "From: tag."),
	ADDRESS("fUl", HEADER_FROM, WHAT_USER_LENGTH, "From: length of the user."),
	WRITABLE("tu", HEADER_TO, WHAT_URI, "To: URI."),
	WRITABLE("tU", HEADER_TO, WHAT_USER, "To: user."),
	WRITABLE("td", HEADER_TO, WHAT_HOST, "To: domain."),
	WRITABLE("tn", HEADER_TO, WHAT_DISPLAY, "To: display name, quotes included."),
	WRITABLE("to", HEADER_TO, WHAT_URI, "To: URI."),
	ADDRESS("tt", HEADER_TO, WHAT_TAG, "To: tag."),
	ADDRESS("tts", HEADER_TO, WHAT_HAS_TAG, "To: 1 with a tag, else 0."),
	ADDRESS("tUl", HEADER_TO, WHAT_USER_LENGTH, "To: length of the user."),
	ADDRESS("ai", HEADER_P_ASSERTED_IDENTITY, WHAT_URI, "P-Asserted-Identity: first URI."),
	ADDRESS("pu", HEADER_P_PREFERRED_IDENTITY, WHAT_URI, "P-Preferred-Identity: first URI."),
	ADDRESS("pU", HEADER_P_PREFERRED_IDENTITY, WHAT_USER, "P-Preferred-Identity: user."),
	ADDRESS("pd", HEADER_P_PREFERRED_IDENTITY, WHAT_HOST, "P-Preferred-Identity: domain."),
	ADDRESS("pn", HEADER_P_PREFERRED_IDENTITY, WHAT_DISPLAY, "P-Preferred-Identity: display name."),
	ADDRESS("re", HEADER_REMOTE_PARTY_ID, WHAT_URI, "Remote-Party-ID: URI."),
	ADDRESS("rt", HEADER_REFER_TO, WHAT_URI, "Refer-To: URI."),
	ADDRESS("di", HEADER_DIVERSION, WHAT_URI, "Diversion: URI."),
	{ "dip", INNER_NONE, get_diversion, .selector = 0, .doc = "Diversion: privacy." },
	{ "dir", INNER_NONE, get_diversion, .selector = 1, .doc = "Diversion: reason." },
	{ "dic", INNER_NONE, get_diversion, .selector = 2, .doc = "Diversion: counter." },
	{ "adu", INNER_NONE, get_auth, .selector = AUTH_URI, .doc = "Credentials: uri." },
	{ "aa", INNER_NONE, get_auth, .selector = AUTH_ALGORITHM, .doc = "Credentials: algorithm." },
	{ "ar", INNER_NONE, get_auth, .selector = AUTH_REALM, .doc = "Credentials: realm." },
	{ "aU", INNER_NONE, get_auth, .selector = AUTH_USERNAME, .doc = "Credentials: username." },
	{ "au", INNER_NONE, get_auth, .selector = AUTH_USER, .doc = "Credentials: user part of the username." },
	{ "ad", INNER_NONE, get_auth, .selector = AUTH_DOMAIN, .doc = "Credentials: domain part of the username." },
	{ "adn", INNER_NONE, get_auth, .selector = AUTH_NONCE, .doc = "Credentials: nonce." },
	{ "adc", INNER_NONE, get_auth, .selector = AUTH_CNONCE, .doc = "Credentials: cnonce." },
	{ "Au", INNER_NONE, get_account, .selector = WHAT_URI, .doc = "Account: user@realm of the checked credentials, else user@host of From." },
	{ "AU", INNER_NONE, get_account, .selector = WHAT_USER, .doc = "Account: user of the checked credentials, else of From." },
	{ "adr", INNER_NONE, get_auth, .selector = AUTH_RESPONSE, .doc = "Credentials: response." },
};
const struct variable_table address_variables = ROWS(rows);
