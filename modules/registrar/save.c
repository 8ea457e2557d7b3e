/* SPDX-License-Identifier: BSD-2-Clause */
/* save(): what a REGISTER asks for (RFC 3261 10.3), turned into changes of the location service. */
#include "modules/registrar/registrar.h"
#include "parser/values.h"

#define CHANGES_MOST USRLOC_CONTACTS_MOST

/* What the whole request says, the same for all of its contacts. */
struct common {
	struct usrloc_contact contact; /* call_id, cseq, user_agent, received, path, socket, flags */
	bool has_expires;
	uint32_t expires_s;
};

/* ---- expiry ------------------------------------------------------------------------------------------- */

/* A random part is taken off so that phones do not come back all at once. */
static int64_t spread(int64_t expires_s, int64_t percent, unsigned flags)
{
	if (percent <= 0 || (flags & SAVE_NO_RANGE) || expires_s <= 0)
		return expires_s;
	int64_t range = expires_s * percent / 100;
	return expires_s - (range > 0 ? (int64_t)random_below((uint32_t)range + 1) : 0);
}

/* Seconds for one contact; 0 removes it. False: too brief (min_expires_mode 1). */
static bool choose_expires(const struct message *msg, const struct common *common,
	const struct contact_params *params, unsigned flags, int64_t *out_expires)
{
	const struct registrar_settings *settings = registrar_settings;
	int64_t expires = 0, told;
	if (config_number(msg, SPAN_OF("expires"), &told))
		expires = told;
	else if (params->has_expires)
		expires = spread(params->expires_s, settings->expires_range, flags);
	else if (common->has_expires)
		expires = spread(common->expires_s, settings->expires_range, flags);
	else
		expires = spread(settings->default_expires, settings->default_expires_range, flags);
	*out_expires = expires;
	if (expires == 0)
		return true;
	if (settings->min_expires && expires < settings->min_expires) {
		if (settings->min_expires_mode)
			return false;
		expires = settings->min_expires;
	}
	if (settings->max_expires && expires > settings->max_expires)
		expires = settings->max_expires;
	*out_expires = expires;
	return true;
}

/* ---- the request ---------------------------------------------------------------------------------------- */

static void read_options(struct registration *registration, const struct message *msg)
{
	static const enum sip_header_id ids[] = { HEADER_SUPPORTED, HEADER_REQUIRE };
	uint32_t *const masks[] = { &registration->supported, &registration->required };
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		for (const struct sip_header *h = message_header(msg, ids[i]); h; h = message_next_header(msg, h))
			if (!option_tags_parse(message_header_value(msg, h), masks[i]))
				log_debug("a list of option tags is malformed");
	registration->supported |= registration->required;
}

/* All Path values as one list. */
static enum register_error read_path(struct script_run *run, struct registration *registration)
{
	const struct registrar_settings *settings = registrar_settings;
	struct writer w = writer_in_arena(run->arena, 128);
	unsigned count;
	if (!settings->use_path)
		return REGISTER_OK;
	for (const struct sip_header *h = message_header(run->msg, HEADER_PATH); h; h = message_next_header(run->msg, h)) {
		struct span value = sip_unfold(run->arena, message_header_value(run->msg, h));
		if (!name_addr_list_check(value, &count))
			return REGISTER_BAD_PATH;
		if (w.len)
			writer_char(&w, ',');
		writer_span(&w, value);
	}
	registration->path = w.len ? writer_result(&w) : (struct span){ NULL, 0 };
	if (w.len && settings->path_mode == 2 && !(registration->supported & OPTION_PATH))
		return REGISTER_PATH_UNSUPPORTED;
	return w.failed ? REGISTER_NO_MEMORY : REGISTER_OK;
}

/* The received URI: from the AVP, or of the first Path entry's "received" parameter. */
static struct span read_received(struct script_run *run, const struct registration *registration)
{
	struct value value = { .kind = VALUE_NULL };
	struct span rest = registration->path;
	struct name_addr first;
	struct sip_uri uri;
	struct param param;
	if (registrar_settings->received && variable_read(run, registrar_settings->received, &value) &&
		value.kind == VALUE_TEXT && value.text.len)
		return arena_copy(run->arena, value.text);
	if (registrar_settings->path_use_received && rest.len && name_addr_next(&rest, &first) == LIST_ITEM &&
		uri_parse(first.uri, &uri) && uri_param(&uri, SPAN_OF("received"), &param)) {
		struct writer w = writer_in_arena(run->arena, param.value.len + 1);
		uri_write_unescaped(&w, param.value);
		return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
	}
	return (struct span){ NULL, 0 };
}

static const struct listener *read_socket(struct script_run *run)
{
	struct end_point end;
	struct span named = config_text(run->msg, SPAN_OF("socket"));
	bool by_flag = registrar_settings->sock_flag >= 0 && registrar_settings->sock_hdr_name.len &&
		(run->msg->flags & (1u << registrar_settings->sock_flag));
	if (!named.len && by_flag)
		named = message_header_value(run->msg, message_header_named(run->msg, registrar_settings->sock_hdr_name));
	if (named.len && end_point_parse(named, &end) && listener_find(&end))
		return listener_find(&end);
	return run->msg->from.listener;
}

static enum register_error read_common(struct script_run *run, const struct registration *registration,
	struct common *out)
{
	struct message *msg = run->msg;
	struct span expires = message_value(msg, HEADER_EXPIRES);
	*out = (struct common){ 0 };
	out->contact.call_id = message_value(msg, HEADER_CALL_ID);
	if (!out->contact.call_id.len || !message_cseq(msg, &out->contact.cseq))
		return REGISTER_BAD_REQUEST;
	out->contact.user_agent = message_value(msg, HEADER_USER_AGENT);
	out->contact.path = registration->path;
	out->contact.received = read_received(run, registration);
	out->contact.socket = read_socket(run);
	out->contact.connection = msg->from.connection;
	out->contact.cflags = msg->target.flags;
	/* A malformed value counts as the default (RFC 3261 20.19). */
	out->has_expires = expires.at && expires_parse(expires, &out->expires_s);
	if (out->contact.received.len > (size_t)registrar_settings->contact_max_size)
		return REGISTER_TOO_LONG;
	return REGISTER_OK;
}

/* ---- contacts ----------------------------------------------------------------------------------------------- */

static enum register_error read_contact(struct script_run *run, const struct registration *registration,
	const struct common *common, const struct name_addr *address, struct usrloc_change *out)
{
	struct contact_params params;
	struct sip_uri uri;
	int64_t expires, q;
	if (!uri_parse(address->uri, &uri))
		return REGISTER_BAD_CONTACT;
	if (!contact_params_parse(address, &params))
		return REGISTER_BAD_Q;
	if (address->uri.len > (size_t)registrar_settings->contact_max_size)
		return REGISTER_TOO_LONG;
	if (!choose_expires(run->msg, common, &params, registration->flags, &expires))
		return REGISTER_TOO_BRIEF;
	out->contact = common->contact;
	out->contact.contact = address->uri;
	out->contact.instance = params.instance;
	out->contact.reg_id = params.instance.len ? params.reg_id : 0;
	out->contact.methods = params.has_methods ? params.methods : USRLOC_ANY_METHOD;
	out->contact.expires_s = expires;
	out->contact.q = params.q != CONTACT_NO_Q ? params.q :
		registrar_settings->default_q >= 0 && registrar_settings->default_q_is_set ?
		(int32_t)registrar_settings->default_q : Q_UNSPECIFIED;
	if (config_number(run->msg, SPAN_OF("q"), &q))
		out->contact.q = (int32_t)q;
	out->remove = expires == 0;
	return REGISTER_OK;
}

/* Without a methods parameter Allow tells what the phone understands. */
static uint32_t allowed_methods(const struct message *msg)
{
	uint32_t all = 0, some;
	for (const struct sip_header *h = message_header(msg, HEADER_ALLOW); h; h = message_next_header(msg, h))
		if (method_list_parse(message_header_value(msg, h), &some))
			all |= some;
	return all ? all : USRLOC_ANY_METHOD;
}

static enum register_error read_contacts(struct script_run *run, const struct registration *registration,
	const struct common *common, struct usrloc_change *changes, unsigned *out_count, bool *out_star)
{
	unsigned count = 0;
	uint32_t methods = registrar_settings->method_filtering ? allowed_methods(run->msg) : USRLOC_ANY_METHOD;
	*out_star = false;
	for (const struct sip_header *h = message_header(run->msg, HEADER_CONTACT); h; h = message_next_header(run->msg, h)) {
		struct span rest = sip_unfold(run->arena, message_header_value(run->msg, h));
		struct name_addr address;
		enum list_result result;
		while ((result = name_addr_next(&rest, &address)) == LIST_ITEM) {
			enum register_error error;
			if (address.is_star) {
				*out_star = true;
				count++;
				continue;
			}
			if (count == CHANGES_MOST)
				return REGISTER_TOO_MANY;
			error = read_contact(run, registration, common, &address, &changes[count]);
			if (error != REGISTER_OK)
				return error;
			if (changes[count].contact.methods == USRLOC_ANY_METHOD)
				changes[count].contact.methods = methods;
			count++;
		}
		if (result == LIST_BAD)
			return REGISTER_BAD_CONTACT;
	}
	*out_count = count;
	if (*out_star && count > 1)
		return REGISTER_STAR_MIXED;
	if (*out_star && (!common->has_expires || common->expires_s != 0))
		return REGISTER_STAR_EXPIRES;
	return REGISTER_OK;
}

/* ---- changing ------------------------------------------------------------------------------------------------- */

static enum register_error to_error(enum usrloc_result result)
{
	switch (result) {
	case USRLOC_OK: return REGISTER_OK;
	case USRLOC_BAD_CSEQ: return REGISTER_BAD_CSEQ;
	case USRLOC_TOO_MANY: return REGISTER_TOO_MANY;
	case USRLOC_NO_MEMORY: return REGISTER_NO_MEMORY;
	}
	return REGISTER_NO_MEMORY;
}

/* A "*" removes all bindings, unless one is newer for the same Call-ID (RFC 3261 10.3, 6.). */
static enum register_error remove_all(struct script_run *run, const struct registration *registration,
	const struct common *common)
{
	struct usrloc_contact *contacts;
	unsigned count = usrloc()->get(registration->domain, registration->aor, run->arena, &contacts);
	for (unsigned i = 0; i < count; i++)
		if (span_equal(contacts[i].call_id, common->contact.call_id) && contacts[i].cseq > common->contact.cseq)
			return REGISTER_BAD_CSEQ;
	usrloc()->remove(registration->domain, registration->aor, (struct span){ NULL, 0 });
	return REGISTER_OK;
}

static enum register_error change(struct script_run *run, struct registration *registration,
	enum save_result *out_result)
{
	struct common common;
	struct usrloc_outcome outcome = { 0 };
	unsigned count = 0;
	bool is_star;
	int64_t most = registrar_settings->max_contacts, told;
	struct usrloc_change *changes = ARENA_ARRAY(run->arena, struct usrloc_change, CHANGES_MOST);
	enum register_error error = changes ? read_path(run, registration) : REGISTER_NO_MEMORY;
	if (error == REGISTER_OK)
		error = read_common(run, registration, &common);
	if (error == REGISTER_OK)
		error = read_contacts(run, registration, &common, changes, &count, &is_star);
	if (error != REGISTER_OK)
		return error;
	*out_result = SAVE_LISTED;
	if (count == 0)
		return REGISTER_OK;
	*out_result = SAVE_DELETED;
	if (is_star)
		return remove_all(run, registration, &common);
	if (config_number(run->msg, SPAN_OF("max_contacts"), &told))
		most = told;
	error = to_error(usrloc()->apply(registration->domain, registration->aor, changes, count, (unsigned)most,
		registration->flags & SAVE_ONE_CONTACT, &outcome));
	if (outcome.inserted)
		*out_result = SAVE_INSERTED;
	else if (outcome.updated || !changes[0].remove)
		*out_result = SAVE_UPDATED;
	return error;
}

/* RFC 5626 6: what the phone wants and what we are set to do must fit. */
static enum register_error check_outbound(struct registration *registration)
{
	bool is_supported = registration->supported & OPTION_OUTBOUND;
	if (registrar_settings->outbound_mode == 0)
		return registration->required & OPTION_OUTBOUND ? REGISTER_OUTBOUND_UNSUPPORTED : REGISTER_OK;
	if (registrar_settings->outbound_mode == 2 && !is_supported)
		return REGISTER_OUTBOUND_NEEDED;
	registration->uses_outbound = is_supported;
	return REGISTER_OK;
}

enum save_result save_registration(struct script_run *run, struct span domain, unsigned flags, struct span uri)
{
	enum save_result result = SAVE_ERROR;
	struct registrar_notes *notes = registrar_notes(run->msg);
	struct registration *registration = ARENA_NEW(run->arena, struct registration);
	if (!notes || !registration)
		return SAVE_ERROR;
	notes->registration = registration;
	registration->domain = usrloc()->domain(domain);
	registration->flags = flags;
	registration->address = uri.len ? arena_copy(run->arena, uri) : message_to_uri(run->msg);
	registration->aor = address_key(run->arena, registration->address);
	read_options(registration, run->msg);
	registration->error = registration->aor.len ? check_outbound(registration) : REGISTER_BAD_ADDRESS;
	if (registration->error == REGISTER_OK)
		registration->error = change(run, registration, &result);
	count_registration(registration->error == REGISTER_OK);
	bool wants_headers = !(flags & SAVE_NO_REPLY) || (flags & SAVE_REPLY_HEADERS);
	if (wants_headers && !answer_prepare(run, registration))
		return SAVE_ERROR;
	if (!(flags & SAVE_NO_REPLY) && !answer_send(run, registration))
		return SAVE_ERROR;
	if (registration->error == REGISTER_TOO_MANY)
		return SAVE_TOO_MANY;
	return registration->error == REGISTER_OK ? result : SAVE_ERROR;
}
