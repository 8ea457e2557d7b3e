/* SPDX-License-Identifier: BSD-2-Clause */
/* save(): what a REGISTER asks for (RFC 3261 10.3), turned into changes of the location service. */
#include "modules/registrar/registrar.h"
#include "parser/values.h"

enum { RECEIVED_MOST = 255 }; /* bytes of the column "received" */

/* What the whole request says, the same for all of its contacts. */
struct common {
	struct usrloc_contact
		contact; /* call_id, cseq, user_agent, received, path, socket, flags */
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

/* What the phone tells: the parameter of the contact, else (also without a value) the header. A value that
 * is no number counts as none. */
static bool told_expires(const struct common *common, const struct name_addr *address,
			 uint32_t *out_expires)
{
	struct param param;
	if (name_addr_param(address, SPAN_OF("expires"), &param) && param.value.len)
		return expires_parse(param.value, out_expires);
	*out_expires = common->expires_s;
	return common->has_expires;
}

/* Seconds for one contact; 0 removes it. False: too brief (min_expires_mode 1). */
static bool choose_expires(const struct message *msg, const struct common *common,
			   const struct name_addr *address, unsigned flags, int64_t *out_expires)
{
	const struct registrar_settings *settings = registrar_settings;
	int64_t expires = 0;
	uint32_t told;
	if (config_number(msg, SPAN_OF("expires"), &expires))
		expires = expires < 0 ? 0 : expires;
	else if (told_expires(common, address, &told))
		expires = spread(told, settings->expires_range, flags);
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

/* The extensions that this registrar follows as it is set up. */
static uint32_t known_options(void)
{
	const struct registrar_settings *settings = registrar_settings;
	return (settings->use_path ? OPTION_PATH : 0) | (settings->gruu_enabled ? OPTION_GRUU : 0) |
	       (settings->outbound_mode ? OPTION_OUTBOUND : 0);
}

/* What Require names and we do not follow, as the value of Unsupported (RFC 3261 8.2.2.3). Without
 * check_require only outbound counts. */
static void read_required(struct registration *registration, struct script_run *run)
{
	uint32_t known = known_options();
	struct writer w = writer_in_arena(run->arena, 64);
	for (const struct sip_header *h = message_header(run->msg, HEADER_REQUIRE); h;
	     h = message_next_header(run->msg, h)) {
		struct span rest = message_header_value(run->msg, h), token;
		while (token_next(&rest, &token) == LIST_ITEM) {
			uint32_t tag = option_tag_from_span(token);
			registration->supported |= tag;
			if (tag & known ||
			    (!registrar_settings->check_require && tag != OPTION_OUTBOUND))
				continue;
			if (w.len)
				writer_literal(&w, ", ");
			writer_span(&w, token);
		}
	}
	if (w.len && !w.failed)
		registration->unsupported = writer_result(&w);
}

static void read_options(struct registration *registration, struct script_run *run)
{
	struct message *msg = run->msg;
	for (const struct sip_header *h = message_header(msg, HEADER_SUPPORTED); h;
	     h = message_next_header(msg, h))
		if (!option_tags_parse(message_header_value(msg, h), &registration->supported))
			log_debug("a list of option tags is malformed");
	read_required(registration, run);
}

/* The next hop on the way to the phone must be a loose router (RFC 3327 5.2). */
static bool is_loose(struct span path)
{
	struct name_addr first;
	struct sip_uri uri;
	return name_addr_next(&path, &first) == LIST_ITEM && uri_parse(first.uri, &uri) &&
	       uri_param_text(&uri, SPAN_OF("lr")).at;
}

/* All Path values as one list. */
static enum register_error read_path(struct script_run *run, struct registration *registration)
{
	const struct registrar_settings *settings = registrar_settings;
	struct writer w = writer_in_arena(run->arena, 128);
	unsigned count;
	if (!settings->use_path)
		return REGISTER_OK;
	for (const struct sip_header *h = message_header(run->msg, HEADER_PATH); h;
	     h = message_next_header(run->msg, h)) {
		struct span value = sip_unfold(run->arena, message_header_value(run->msg, h));
		if (value.len == 0)
			continue;
		if (!name_addr_list_check(value, &count) || (!w.len && !is_loose(value)))
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
	if (registrar_settings->received &&
	    variable_read(run, registrar_settings->received, &value) && value.kind == VALUE_TEXT &&
	    value.text.len)
		return arena_copy(run->arena, value.text);
	if (registrar_settings->path_use_received && rest.len &&
	    name_addr_next(&rest, &first) == LIST_ITEM && uri_parse(first.uri, &uri) &&
	    uri_param(&uri, SPAN_OF("received"), &param)) {
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
	bool by_flag = registrar_settings->sock_flag >= 0 &&
		       registrar_settings->sock_hdr_name.len &&
		       (run->msg->flags & (1u << registrar_settings->sock_flag));
	if (!named.len && by_flag)
		named = message_header_value(
			run->msg,
			message_header_named(run->msg, registrar_settings->sock_hdr_name));
	const struct listener *found =
		named.len && end_point_parse(named, &end) ? listener_find(&end) : NULL;
	if (named.len && !found)
		log_error(
			"\"%.*s\" is no socket of ours; the one that received the request is kept",
			SPAN_ARGS(named));
	return found ? found : run->msg->from.listener;
}

/* Without a methods parameter Allow tells what the phone understands. */
static uint32_t allowed_methods(const struct message *msg)
{
	uint32_t all = 0, some;
	for (const struct sip_header *h = message_header(msg, HEADER_ALLOW); h;
	     h = message_next_header(msg, h))
		if (method_list_parse(message_header_value(msg, h), &some))
			all |= some;
	return all ? all : USRLOC_ANY_METHOD;
}

static enum register_error read_common(struct script_run *run,
				       const struct registration *registration, struct common *out)
{
	struct message *msg = run->msg;
	struct span expires = message_value(msg, HEADER_EXPIRES);
	*out = (struct common){ 0 };
	out->contact.call_id = message_value(msg, HEADER_CALL_ID);
	if (!out->contact.call_id.len || !message_cseq(msg, &out->contact.cseq))
		return REGISTER_BAD_REQUEST;
	out->contact.user_agent = message_value(msg, HEADER_USER_AGENT);
	out->contact.path = registration->path;
	out->contact.methods = allowed_methods(msg);
	out->contact.received = read_received(run, registration);
	out->contact.socket = read_socket(run);
	out->contact.connection = msg->from.connection;
	out->contact.cflags = msg->target.flags;
	out->contact.memory_only = registration->flags & SAVE_MEMORY_ONLY;
	out->contact.attributes = contact_attributes(msg, run->arena);
	if (out->contact.received.len && registrar_settings->path_use_received &&
	    usrloc()->nat_flag() >= 0)
		out->contact.cflags |= 1u << usrloc()->nat_flag();
	/* A malformed value counts as the default (RFC 3261 20.19). */
	out->has_expires = expires.at && expires_parse(expires, &out->expires_s);
	return out->contact.received.len > RECEIVED_MOST ? REGISTER_TOO_LONG : REGISTER_OK;
}

/* ---- contacts ----------------------------------------------------------------------------------------------- */

/* Which of them is wrong. */
static enum register_error params_error(const struct name_addr *address)
{
	struct param param;
	int32_t q;
	bool is_bad_q = name_addr_param(address, SPAN_OF("q"), &param) && param.value.len &&
			!q_parse(param.value, &q);
	return is_bad_q ? REGISTER_BAD_Q : REGISTER_BAD_CONTACT;
}

static enum register_error read_contact(struct script_run *run,
					const struct registration *registration,
					const struct common *common,
					const struct name_addr *address, struct usrloc_change *out)
{
	struct contact_params params;
	struct sip_uri uri;
	int64_t expires, q;
	if (!uri_parse(address->uri, &uri))
		return REGISTER_BAD_CONTACT;
	if (!contact_params_parse(address, &params))
		return params_error(address);
	if (address->uri.len > (size_t)registrar_settings->contact_max_size ||
	    params.received.len > RECEIVED_MOST)
		return REGISTER_TOO_LONG;
	if (!choose_expires(run->msg, common, address, registration->flags, &expires))
		return REGISTER_TOO_BRIEF;
	out->contact = common->contact;
	out->contact.contact = address->uri;
	/* reg-id has a meaning beside an instance only (RFC 5626 4.2). */
	out->contact.instance = params.instance;
	/* Another server of ours has seen where the phone is (add_rcv_param() of nathelper). */
	if (params.received.len)
		out->contact.received = params.received;
	out->contact.reg_id = params.instance.len ? params.reg_id : 0;
	if (params.has_methods)
		out->contact.methods = params.methods;
	out->contact.expires_s = expires;
	out->contact.q =
		params.q != CONTACT_NO_Q ? params.q : (int32_t)registrar_settings->default_q;
	if (config_number(run->msg, SPAN_OF("q"), &q) && q >= 0 && q <= 1000)
		out->contact.q = (int32_t)q;
	out->remove = expires == 0;
	return REGISTER_OK;
}

/* The contacts of a request as changes. */
struct changes {
	struct usrloc_change *rows;
	unsigned count, room;
	unsigned seen; /* contacts of the request, also those that name one twice */
	/* Hashes, made when a second one comes: comparing URIs is dear, and most differ there. As long as
	 * `rows`. */
	uint64_t *hosts;
	bool is_star;
};

static uint64_t place_hash(struct span contact)
{
	struct sip_uri uri;
	return uri_parse(contact, &uri) ? hash_span_nocase(uri.host) : 0;
}

/* Does an earlier contact of the same request name the same binding? The first one counts: the second
 * has no higher CSeq (RFC 3261 10.3, 7.). */
static bool is_named_before(struct changes *changes, const struct usrloc_contact *contact)
{
	if (changes->count == 0)
		return false;
	if (changes->count == 1)
		changes->hosts[0] = place_hash(changes->rows[0].contact.contact);
	uint64_t host = changes->hosts[changes->count] = place_hash(contact->contact);
	for (unsigned i = 0; i < changes->count; i++) {
		const struct usrloc_contact *earlier = &changes->rows[i].contact;
		bool is_same = contact->instance.len
				       ? span_equal(earlier->instance, contact->instance) &&
						 earlier->reg_id == contact->reg_id
				       : changes->hosts[i] == host &&
						 uri_text_equal(earlier->contact, contact->contact);
		if (is_same)
			return true;
	}
	return false;
}

static bool make_room(struct changes *changes, struct arena *arena)
{
	if (changes->count < changes->room)
		return true;
	unsigned room = changes->room ? changes->room * 4 : 4;
	changes->rows = arena_grow(arena, changes->rows, changes->room * sizeof(*changes->rows),
				   room * sizeof(*changes->rows));
	changes->hosts = arena_grow(arena, changes->hosts, changes->room * sizeof(*changes->hosts),
				    room * sizeof(*changes->hosts));
	changes->room = room;
	return changes->rows && changes->hosts;
}

static enum register_error add_contact(struct script_run *run,
				       const struct registration *registration,
				       const struct common *common, const struct name_addr *address,
				       struct changes *changes)
{
	if (address->is_star || changes->is_star) {
		bool is_alone = address->is_star && !changes->is_star && changes->count == 0;
		changes->is_star = true;
		return is_alone ? REGISTER_OK : REGISTER_STAR_MIXED;
	}
	if (changes->seen++ == USRLOC_CONTACTS_MOST)
		return REGISTER_TOO_MANY;
	if (!make_room(changes, run->arena))
		return REGISTER_NO_MEMORY;
	struct usrloc_change *change = &changes->rows[changes->count];
	enum register_error error = read_contact(run, registration, common, address, change);
	if (error != REGISTER_OK)
		return error;
	if (!is_named_before(changes, &change->contact))
		changes->count++;
	return REGISTER_OK;
}

/* The contacts of one header count from its end, as in the peer: the order among equals is seen in
 * the answer. */
static void reverse(struct changes *changes, unsigned from)
{
	for (unsigned to = changes->count; to > from + 1; from++) {
		struct usrloc_change row = changes->rows[--to];
		uint64_t host = changes->hosts[to];
		changes->rows[to] = changes->rows[from];
		changes->hosts[to] = changes->hosts[from];
		changes->rows[from] = row;
		changes->hosts[from] = host;
	}
}

static enum register_error read_contacts(struct script_run *run,
					 const struct registration *registration,
					 const struct common *common, struct changes *changes)
{
	enum register_error error = REGISTER_OK;
	for (const struct sip_header *h = message_header(run->msg, HEADER_CONTACT); h;
	     h = message_next_header(run->msg, h)) {
		struct span rest =
			sip_unfold(run->arena, edited_header_value(run->msg, h, EDIT_TAG_CONTACT));
		struct name_addr address;
		enum list_result result = rest.at ? LIST_END : LIST_BAD;
		unsigned before = changes->count;
		while (rest.at && error == REGISTER_OK &&
		       (result = name_addr_next(&rest, &address)) == LIST_ITEM)
			error = add_contact(run, registration, common, &address, changes);
		if (error != REGISTER_OK)
			return error;
		/* Also a header without any contact. */
		if (result == LIST_BAD || (changes->seen == 0 && !changes->is_star))
			return REGISTER_BAD_CONTACT;
		reverse(changes, before);
	}
	bool removes_all = common->has_expires && common->expires_s == 0;
	return changes->is_star && !removes_all ? REGISTER_STAR_EXPIRES : REGISTER_OK;
}

/* save() with flag 0x04: the first contact that is added, in the order in which they count, replaces
 * all others. True when there is one. */
static bool keep_first_only(struct changes *changes)
{
	for (unsigned i = 0; i < changes->count; i++)
		if (!changes->rows[i].remove) {
			changes->rows[0] = changes->rows[i];
			changes->count = 1;
			return true;
		}
	return false;
}

/* ---- changing ------------------------------------------------------------------------------------------------- */

static enum register_error to_error(enum usrloc_result result)
{
	switch (result) {
	case USRLOC_OK: return REGISTER_OK;
	case USRLOC_BAD_CSEQ: return REGISTER_BAD_CSEQ;
	case USRLOC_TOO_MANY: return REGISTER_TOO_MANY;
	case USRLOC_NO_MEMORY: return REGISTER_NO_MEMORY;
	case USRLOC_NO_DATABASE: return REGISTER_NO_DATABASE;
	}
	return REGISTER_NO_MEMORY;
}

/* A "*" removes all bindings, unless one is newer for the same Call-ID (RFC 3261 10.3, 6.). */
static enum register_error remove_all(struct script_run *run,
				      const struct registration *registration,
				      const struct common *common)
{
	struct usrloc_contact *contacts;
	unsigned count =
		usrloc()->get(registration->domain, registration->aor, run->arena, &contacts);
	for (unsigned i = 0; i < count; i++)
		if (span_equal(contacts[i].call_id, common->contact.call_id) &&
		    contacts[i].cseq > common->contact.cseq)
			return REGISTER_BAD_CSEQ;
	usrloc()->remove(registration->domain, registration->aor, (struct span){ NULL, 0 });
	return REGISTER_OK;
}

/* The first proxy must keep the flow (RFC 5626 6): it tells by "ob" in its Path. */
static enum register_error check_first_hop(struct script_run *run,
					   const struct registration *registration,
					   const struct changes *changes)
{
	struct span rest = registration->path;
	struct name_addr address;
	struct sip_uri uri;
	bool has_ob = false, has_reg_id = false;
	for (unsigned i = 0; i < changes->count; i++)
		has_reg_id |= changes->rows[i].contact.reg_id != 0;
	if (!registration->uses_outbound || !has_reg_id || !message_second_via(run->msg))
		return REGISTER_OK;
	/* The last entry is that of the first proxy on the way. */
	while (rest.len && name_addr_next(&rest, &address) == LIST_ITEM)
		has_ob = uri_parse(address.uri, &uri) && uri_param_text(&uri, SPAN_OF("ob")).at;
	return has_ob ? REGISTER_OK : REGISTER_OUTBOUND_FIRST_HOP;
}

static enum register_error apply(struct script_run *run, struct registration *registration,
				 struct changes *changes, enum save_result *out_result)
{
	struct usrloc_outcome outcome = { .arena = run->arena };
	int64_t most = registrar_settings->max_contacts;
	if (config_number(run->msg, SPAN_OF("max_contacts"), &most) && most < 0)
		most = 0;
	bool only_these = registration->flags & SAVE_ONE_CONTACT && keep_first_only(changes);
	enum register_error error =
		to_error(usrloc()->apply(registration->domain, registration->aor, changes->rows,
					 changes->count, (unsigned)most, only_these, &outcome));
	registration->contacts = outcome.contacts;
	registration->contact_count = outcome.count;
	/* What flag 0x04 pushed out is not what the phone asked to remove. */
	if (outcome.removed && !only_these)
		*out_result = SAVE_DELETED;
	else
		*out_result = outcome.updated && !outcome.inserted ? SAVE_UPDATED : SAVE_INSERTED;
	return error;
}

static enum register_error change(struct script_run *run, struct registration *registration,
				  enum save_result *out_result)
{
	struct common common;
	struct changes changes = { 0 };
	enum register_error error = read_path(run, registration);
	if (error == REGISTER_OK)
		error = read_common(run, registration, &common);
	if (error == REGISTER_OK)
		error = read_contacts(run, registration, &common, &changes);
	if (error == REGISTER_OK)
		error = check_first_hop(run, registration, &changes);
	if (error != REGISTER_OK)
		return error;
	*out_result = changes.is_star ? SAVE_DELETED : SAVE_LISTED;
	if (changes.is_star)
		return remove_all(run, registration, &common);
	return changes.count ? apply(run, registration, &changes, out_result) : REGISTER_OK;
}

/* RFC 5626 6: what the phone wants and what we are set to do must fit. */
static enum register_error check_extensions(struct registration *registration)
{
	bool is_outbound = registration->supported & OPTION_OUTBOUND;
	if (registration->unsupported.len)
		return REGISTER_EXTENSION_UNSUPPORTED;
	if (registrar_settings->outbound_mode == 0)
		return REGISTER_OK;
	if (registrar_settings->outbound_mode == 2 && !is_outbound)
		return REGISTER_OUTBOUND_NEEDED;
	registration->uses_outbound = is_outbound;
	return REGISTER_OK;
}

/* Where a reply to a REGISTER passes, nothing is answered. */
static bool answer_if_wanted(struct script_run *run, struct registration *registration)
{
	bool is_silent = registration->flags & SAVE_NO_REPLY || !message_is_request(run->msg);
	bool wants_headers = !is_silent || registration->flags & SAVE_REPLY_HEADERS;
	if (!message_is_request(run->msg))
		return true;
	registration->is_prepared = wants_headers && answer_prepare(run, registration);
	if (wants_headers && !registration->is_prepared)
		return false;
	return is_silent || answer_send(run, registration);
}

static struct span key_of(struct script_run *run, const struct registrar_notes *notes,
			  struct span address)
{
	bool is_known = notes->key.len && address.at == notes->foreseen.at &&
			address.len == notes->foreseen.len;
	return is_known ? notes->key
			: address_key_of(run->arena, message_read_uri(run->msg, address));
}

enum save_result save_registration(struct script_run *run, struct span domain, unsigned flags,
				   struct span uri)
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
	registration->aor = key_of(run, notes, registration->address);
	read_options(registration, run);
	registration->error = check_extensions(registration);
	if (registration->error == REGISTER_OK && !registration->aor.len)
		registration->error = REGISTER_BAD_ADDRESS;
	if (registration->error == REGISTER_OK)
		registration->error = change(run, registration, &result);
	count_registration(registration->error == REGISTER_OK);
	if (!answer_if_wanted(run, registration))
		return SAVE_ERROR;
	if (registration->error == REGISTER_TOO_MANY)
		return SAVE_TOO_MANY;
	return registration->error == REGISTER_OK ? result : SAVE_ERROR;
}
