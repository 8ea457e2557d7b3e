/* SPDX-License-Identifier: BSD-2-Clause */
/* $ulc(profile=>attribute): bindings fetched by reg_fetch_contacts() under a name, for as long as the
 * message; "exp" is the binding that expired in event_route[usrloc:contact-expired]. */
#include "modules/registrar/registrar.h"

struct profile {
	struct profile *next;
	struct span name;
	struct usrloc_contact *contacts;
	unsigned count;
};

/* ---- attributes ----------------------------------------------------------------------------------------- */

enum attribute {
	ATTR_AOR,
	ATTR_DOMAIN,
	ATTR_AORHASH,
	ATTR_COUNT,
	ATTR_ADDR,
	ATTR_PATH,
	ATTR_RECEIVED,
	ATTR_EXPIRES,
	ATTR_CALLID,
	ATTR_REGID,
	ATTR_Q,
	ATTR_CSEQ,
	ATTR_FLAGS,
	ATTR_CFLAGS,
	ATTR_USER_AGENT,
	ATTR_SOCKET,
	ATTR_MODIFIED,
	ATTR_METHODS,
	ATTR_RUID,
	ATTR_INSTANCE,
	ATTR_CONID,
	ATTR_SERVER_ID
};

static const struct { const char *name; enum attribute attribute; } attributes[] = {
	{ "aor", ATTR_AOR }, { "domain", ATTR_DOMAIN }, { "aorhash", ATTR_AORHASH }, { "count", ATTR_COUNT },
	{ "addr", ATTR_ADDR }, { "path", ATTR_PATH }, { "received", ATTR_RECEIVED }, { "expires", ATTR_EXPIRES },
	{ "callid", ATTR_CALLID }, { "regid", ATTR_REGID }, { "reg_id", ATTR_REGID }, { "q", ATTR_Q },
	{ "cseq", ATTR_CSEQ }, { "flags", ATTR_FLAGS }, { "cflags", ATTR_CFLAGS }, { "user_agent", ATTR_USER_AGENT },
	{ "socket", ATTR_SOCKET }, { "modified", ATTR_MODIFIED }, { "methods", ATTR_METHODS }, { "ruid", ATTR_RUID },
	{ "instance", ATTR_INSTANCE }, { "conid", ATTR_CONID }, { "server_id", ATTR_SERVER_ID },
};

/* What `profile=>attribute` names; bound once per use. */
struct profile_name {
	struct span profile;
	enum attribute attribute;
};

const char *profile_bind(struct variable_ref *ref, struct arena *arena)
{
	size_t arrow = span_find_span(ref->inner, SPAN_OF("=>"));
	if (!ref->inner.at)
		return "the name cannot contain variables";
	if (arrow == ref->inner.len)
		return "expects profile=>attribute, like $ulc(caller=>addr)";
	struct span attribute = span_trim(span_slice(ref->inner, arrow + 2, ref->inner.len));
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
		if (!span_equal(attribute, span_from(attributes[i].name)))
			continue;
		struct profile_name *name = ARENA_NEW(arena, struct profile_name);
		if (!name)
			return "out of memory";
		name->profile = span_trim(span_slice(ref->inner, 0, arrow));
		name->attribute = attributes[i].attribute;
		ref->bound = name;
		return NULL;
	}
	return "unknown attribute; aor, domain, count, addr, path, received, expires, callid, q, cseq, flags, cflags, "
	       "user_agent, socket, modified, methods, ruid, instance, regid, conid and server_id are known";
}

static void set_text(struct value *out, struct span text)
{
	*out = text.at ? VALUE_OF_TEXT(text) : (struct value){ .kind = VALUE_NULL };
}

/* Texts that phones need not send are empty, not null. */
static struct span or_empty(struct span text)
{
	return text.at ? text : SPAN_OF("");
}

/* "udp:host:port": the bound address, or with sock_mode the advertised one. */
static struct span socket_text(struct script_run *run, const struct listener *socket)
{
	if (!socket)
		return (struct span){ NULL, 0 };
	return registrar_settings->sock_mode
		       ? arena_printf(run->arena, "%s:%.*s",
				      transport_name_lower(socket->address.transport),
				      SPAN_ARGS(socket->host_port))
		       : socket->text;
}

static int64_t expires_wall_s(const struct usrloc_contact *contact)
{
	return contact->expires_s == USRLOC_PERMANENT ? 0 : clock_wall_s() + contact->expires_s;
}

static void contact_value(struct script_run *run, const struct usrloc_contact *c,
			  enum attribute attribute, struct value *out)
{
	switch (attribute) {
	case ATTR_AOR: set_text(out, c->aor); break;
	case ATTR_DOMAIN: set_text(out, c->domain); break;
	case ATTR_AORHASH: *out = VALUE_OF_INT(c->hash & 0x7fffffff); break;
	case ATTR_COUNT: *out = VALUE_OF_INT(1); break;
	case ATTR_ADDR: set_text(out, c->contact); break;
	case ATTR_PATH: set_text(out, or_empty(c->path)); break;
	case ATTR_RECEIVED: set_text(out, or_empty(c->received)); break;
	case ATTR_EXPIRES: *out = VALUE_OF_INT(expires_wall_s(c)); break;
	case ATTR_CALLID: set_text(out, c->call_id); break;
	case ATTR_REGID: *out = VALUE_OF_INT(c->reg_id); break;
	case ATTR_Q: *out = VALUE_OF_INT(c->q); break;
	case ATTR_CSEQ: *out = VALUE_OF_INT(c->cseq); break;
	case ATTR_FLAGS: *out = VALUE_OF_INT(c->flags); break;
	case ATTR_CFLAGS: *out = VALUE_OF_INT(c->cflags); break;
	case ATTR_USER_AGENT:
		set_text(out, c->user_agent.len ? c->user_agent : SPAN_OF("n/a"));
		break;
	case ATTR_SOCKET: set_text(out, socket_text(run, c->socket)); break;
	case ATTR_MODIFIED: *out = VALUE_OF_INT(c->modified_wall_s); break;
	case ATTR_METHODS: *out = VALUE_OF_INT(c->methods); break;
	case ATTR_RUID: set_text(out, c->ruid); break;
	case ATTR_INSTANCE: set_text(out, c->instance); break;
	case ATTR_CONID:
		*out = c->connection ? VALUE_OF_INT(c->connection) : (struct value){ 0 };
		break;
	case ATTR_SERVER_ID: *out = VALUE_OF_INT(c->server_id); break;
	}
}

static struct profile *find_profile(struct message *msg, struct span name)
{
	struct registrar_notes *notes = registrar_notes(msg);
	for (struct profile *p = notes ? notes->profiles : NULL; p; p = p->next)
		if (span_equal(p->name, name))
			return p;
	return NULL;
}

bool profile_get(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct profile_name *name = ref->bound;
	int index = 0;
	bool is_all = false;
	*out = (struct value){ .kind = VALUE_NULL };
	if (span_equal(name->profile, SPAN_OF("exp")) && usrloc()->expired(run)) {
		contact_value(run, usrloc()->expired(run), name->attribute, out);
		return true;
	}
	const struct profile *profile = find_profile(run->msg, name->profile);
	if (!profile)
		return true;
	if (name->attribute == ATTR_COUNT) {
		*out = VALUE_OF_INT(profile->count);
		return true;
	}
	if (variable_index(run, ref, &index, &is_all) && index < 0)
		index += (int)profile->count;
	if (index >= 0 && index < (int)profile->count)
		contact_value(run, &profile->contacts[index], name->attribute, out);
	return true;
}

/* ---- functions ---------------------------------------------------------------------------------------------- */

struct fetch_args {
	struct span domain, uri, profile;
};
struct free_args {
	struct span profile;
};
struct xavp_args {
	struct span domain, uri, record, contact;
};
static const struct field fetch_fields[] = {
	FIELD(struct fetch_args, domain, "domain (table) of the location service", .literal = true),
	FIELD(struct fetch_args, uri, "address-of-record"), FIELD(struct fetch_args, profile, "name for $ulc(name=>…)"),
};
static const struct field free_fields[] = { FIELD(struct free_args, profile,
						  "name given to reg_fetch_contacts()") };
static const struct field xavp_fields[] = {
	FIELD(struct xavp_args, domain, "domain (table) of the location service", .literal = true),
	FIELD(struct xavp_args, uri, "address-of-record"), FIELD(struct xavp_args, record, "XAVP of the record"),
	FIELD(struct xavp_args, contact, "XAVP of the contacts"),
};
SCRIPT_HANDLER_OF(reg_fetch_contacts, fetch)
SCRIPT_HANDLER_OF(reg_free_contacts, free)
SCRIPT_HANDLER_OF(lookup_xavp, xavp)

static void forget_profile(struct registrar_notes *notes, struct span name)
{
	for (struct profile **link = &notes->profiles; *link; link = &(*link)->next)
		if (span_equal((*link)->name, name)) {
			*link = (*link)->next;
			return;
		}
}

static int reg_fetch_contacts(struct script_run *run, const struct fetch_args *args)
{
	struct span aor = address_key(run->arena, args->uri);
	struct registrar_notes *notes = registrar_notes(run->msg);
	struct profile *profile = ARENA_NEW(run->arena, struct profile);
	if (!notes || !profile)
		return SCRIPT_FALSE;
	forget_profile(notes, args->profile);
	profile->name = arena_copy(run->arena, args->profile);
	if (aor.len)
		profile->count = usrloc()->get(usrloc()->domain(args->domain), aor, run->arena,
					       &profile->contacts);
	if (!profile->count)
		return SCRIPT_FALSE;
	profile->next = notes->profiles;
	notes->profiles = profile;
	return SCRIPT_TRUE;
}

static int reg_free_contacts(struct script_run *run, const struct free_args *args)
{
	struct registrar_notes *notes = registrar_notes(run->msg);
	if (notes)
		forget_profile(notes, args->profile);
	return SCRIPT_TRUE;
}

static int lookup_xavp(struct script_run *run, const struct xavp_args *args)
{
	struct span aor = address_key(run->arena, args->uri);
	struct attributes *all = &run->msg->attributes;
	struct usrloc_contact *contacts;
	unsigned count =
		aor.len ? usrloc()->get(usrloc()->domain(args->domain), aor, run->arena, &contacts)
			: 0;
	if (count == 0)
		return SCRIPT_FALSE;
	struct xavp *record = xavp_push(all, &all->xavps, args->record, (struct value){ 0 });
	if (!record)
		return SCRIPT_FALSE;
	record->has_children = true;
	xavp_push(all, &record->children, SPAN_OF("aor"), VALUE_OF_TEXT(aor));
	/* The newest XAVP has index 0, so the best contact is pushed last. */
	for (unsigned i = count; i > 0; i--) {
		struct xavp *node = xavp_push(all, &all->xavps, args->contact, (struct value){ 0 });
		if (!node)
			return SCRIPT_FALSE;
		node->has_children = true;
		for (size_t j = 0; j < ARRAY_SIZE(attributes); j++) {
			struct value value = { .kind = VALUE_NULL };
			contact_value(run, &contacts[i - 1], attributes[j].attribute, &value);
			if (value.kind != VALUE_NULL)
				xavp_push(all, &node->children, span_from(attributes[j].name),
					  value);
		}
	}
	return SCRIPT_TRUE;
}

static const struct script_function functions[] = {
	FUNCTION_OF("reg_fetch_contacts", reg_fetch_contacts, fetch, IN_ANY, "Fetches bindings for $ulc(profile=>…)."),
	FUNCTION_OF("reg_free_contacts", reg_free_contacts, free, IN_ANY, "Forgets a profile."),
	FUNCTION_OF("lookup_xavp", lookup_xavp, xavp, IN_ANY, "Puts bindings into XAVPs."),
};
const struct function_table profile_functions = ROWS(functions);
