/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_header: $hdr and its kin, Contact, Expires. Edits stay invisible until they are
 * applied. */
#include "core/script/core_variables.h"
#include "parser/name_addr.h"
#include "parser/values.h"
#include "parser/via.h"

/* A name as the script gave it. */
struct wanted {
	enum sip_header_id id; /* HEADER_OTHER: by `name` */
	struct span name;
	bool is_any; /* "*" */
};

static const char *bind_name(struct variable_ref *ref, struct arena *arena)
{
	if (ref->inner_template)
		return NULL;
	if (!ref->inner.len)
		return "needs the name of a header";
	ref->bound = (void *)(intptr_t)(header_id_from_name(ref->inner) + 1);
	return NULL;
}

static struct wanted wanted_of(struct script_run *run, const struct variable_ref *ref)
{
	struct span name = variable_inner_text(run, ref);
	return (struct wanted){
		.id = ref->bound ? (enum sip_header_id)((intptr_t)ref->bound - 1)
				 : header_id_from_name(name),
		.name = name,
		.is_any = name.len == 1 && name.at[0] == '*',
	};
}

/* The first such header after `after` (NULL: of all). */
static const struct sip_header *next_wanted(const struct message *msg, const struct wanted *wanted,
					    const struct sip_header *after)
{
	const struct sip_message_index *index = msg->index;
	if (wanted->is_any) {
		size_t i = after ? (size_t)(after - index->headers) + 1 : 0;
		return i < index->header_count ? &index->headers[i] : NULL;
	}
	if (wanted->id != HEADER_OTHER)
		return after ? sip_header_next(index, after) : sip_header_first(index, wanted->id);
	return sip_header_named(index, msg->bytes, wanted->name, after);
}

static unsigned count_wanted(const struct message *msg, const struct wanted *wanted)
{
	unsigned count = 0;
	for (const struct sip_header *h = next_wanted(msg, wanted, NULL); h;
	     h = next_wanted(msg, wanted, h))
		count++;
	return count;
}

/* White space at the end of the line belongs to the value, as in the peer. */
static struct span whole_value(const struct message *msg, const struct sip_header *h)
{
	const char *start = msg->bytes.at + h->value_at, *end = msg->bytes.at + h->end;
	while (end > start && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	return span_make(start, (size_t)(end - start));
}

/* All values, joined by commas; none before the first that is not empty, as in the peer. */
static bool give_all(struct script_run *run, const struct wanted *wanted, struct value *out)
{
	struct writer w = writer_in_arena(run->arena, 256);
	const struct sip_header *h = next_wanted(run->msg, wanted, NULL);
	if (!h)
		return true;
	for (; h; h = next_wanted(run->msg, wanted, h)) {
		writer_string(&w, writer_result(&w).len ? "," : "");
		writer_span(&w, whole_value(run->msg, h));
	}
	return give_written(out, &w);
}

static bool give_header(struct script_run *run, const struct variable_ref *ref,
			const struct wanted *wanted, struct value *out)
{
	int index;
	bool all;
	variable_index(run, ref, &index, &all);
	if (all)
		return give_all(run, wanted, out);
	if (index < 0)
		index += (int)count_wanted(run->msg, wanted);
	if (index < 0)
		return true;
	const struct sip_header *h = next_wanted(run->msg, wanted, NULL);
	while (h && index-- > 0)
		h = next_wanted(run->msg, wanted, h);
	return give_text(out, h ? whole_value(run->msg, h) : (struct span){ 0 });
}

static bool get_hdr(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	/* The usual case: a name that is known and no index. */
	if (ref->bound && ref->index_kind == INDEX_NONE &&
	    (enum sip_header_id)((intptr_t)ref->bound - 1) != HEADER_OTHER) {
		const struct sip_header *h =
			message_header(run->msg, (enum sip_header_id)((intptr_t)ref->bound - 1));
		return give_text(out, h ? whole_value(run->msg, h) : (struct span){ 0 });
	}
	struct wanted wanted = wanted_of(run, ref);
	return give_header(run, ref, &wanted, out);
}

static bool get_hdrc(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct wanted wanted = wanted_of(run, ref);
	return give_int(out, count_wanted(run->msg, &wanted));
}

/* ---- lists: one body of a comma list --------------------------------------------------------- */

static bool is_list(enum sip_header_id id)
{
	switch ((int)id) {
	case HEADER_CONTACT:
	case HEADER_RECORD_ROUTE:
	case HEADER_ROUTE:
	case HEADER_VIA:
	case HEADER_DIVERSION:
	case HEADER_P_ASSERTED_IDENTITY:
	case HEADER_P_PREFERRED_IDENTITY:
	case HEADER_PATH:
	case HEADER_SERVICE_ROUTE:
	case HEADER_HISTORY_INFO: return true;
	default: return false;
	}
}

static bool next_body(enum sip_header_id id, struct span *rest, struct span *out_body)
{
	if (id == HEADER_VIA) {
		struct sip_via via;
		if (via_next(rest, &via) != LIST_ITEM)
			return false;
		*out_body = via.whole;
		return true;
	}
	struct name_addr address;
	if (name_addr_next(rest, &address) != LIST_ITEM)
		return false;
	*out_body = address.whole;
	return true;
}

/* The index-th body, or with index -1 only their number in `*out_count`. */
static struct span list_body(const struct message *msg, enum sip_header_id id, int index,
			     int *out_count)
{
	int seen = 0;
	for (const struct sip_header *h = message_header(msg, id); h;
	     h = message_next_header(msg, h)) {
		struct span rest = sip_header_value(msg->bytes, h), body;
		while (next_body(id, &rest, &body))
			if (seen++ == index)
				return body;
	}
	if (out_count)
		*out_count = seen;
	return (struct span){ 0 };
}

static bool get_hfl(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct wanted wanted = wanted_of(run, ref);
	int index;
	bool all;
	if (!is_list(wanted.id))
		return give_header(run, ref, &wanted, out);
	variable_index(run, ref, &index, &all);
	if (all)
		return give_all(run, &wanted, out);
	return index < 0 || give_text(out, list_body(run->msg, wanted.id, index, NULL));
}

static bool get_hflc(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct wanted wanted = wanted_of(run, ref);
	int count;
	if (!is_list(wanted.id))
		return give_int(out, count_wanted(run->msg, &wanted));
	list_body(run->msg, wanted.id, -1, &count);
	return give_int(out, count);
}

/* ---- Contact and Expires --------------------------------------------------------------------- */

static bool get_contact(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	return give_nonempty(out, message_value(run->msg, HEADER_CONTACT));
}

static bool first_contact(const struct message *msg, struct name_addr *out_address)
{
	struct span rest = message_value(msg, HEADER_CONTACT);
	return rest.at && name_addr_next(&rest, out_address) == LIST_ITEM;
}

static bool get_contact_uri(struct script_run *run, const struct variable_ref *ref,
			    struct value *out)
{
	struct name_addr address;
	return !first_contact(run->msg, &address) || address.is_star || give_text(out, address.uri);
}

static bool get_contact_star(struct script_run *run, const struct variable_ref *ref,
			     struct value *out)
{
	struct name_addr address;
	return give_int(out, first_contact(run->msg, &address) && address.is_star);
}

static const char *const expires_keys[] = { "min", "max" };

static const char *bind_expires(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, expires_keys, ARRAY_SIZE(expires_keys));
}

/* The smallest or largest expiry of the contacts: their parameter, else the Expires header. */
static bool get_expires(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct message *msg = run->msg;
	bool is_max = key_of(run, ref, expires_keys, ARRAY_SIZE(expires_keys)) == 1;
	bool found = false;
	uint32_t best = 0, seconds, header;
	bool has_header = expires_parse(message_value(msg, HEADER_EXPIRES), &header);
	for (const struct sip_header *h = message_header(msg, HEADER_CONTACT); h;
	     h = message_next_header(msg, h)) {
		struct span rest = sip_header_value(msg->bytes, h);
		struct name_addr address;
		struct param param;
		while (name_addr_next(&rest, &address) == LIST_ITEM) {
			if (!name_addr_param(&address, SPAN_OF("expires"), &param) ||
			    !expires_parse(param.value, &seconds)) {
				if (!has_header)
					continue;
				seconds = header;
			}
			if (!found || (is_max ? seconds > best : seconds < best))
				best = seconds;
			found = true;
		}
	}
	if (!found && has_header)
		return give_int(out, header);
	return !found || give_int(out, best);
}

static const struct variable_row rows[] = {
	{ "hdr", INNER_NAME, get_hdr, NULL, bind_name, .takes_index = true, .doc = "A header's value by name; [n] the n-th, negative from the end, [*] all joined by commas." },
	{ "hdrc", INNER_NAME, get_hdrc, NULL, bind_name, .doc = "How many headers have this name." },
	{ "hfl", INNER_NAME, get_hfl, NULL, bind_name, .takes_index = true, .doc = "One value of a header that is a list." },
	{ "hflc", INNER_NAME, get_hflc, NULL, bind_name, .doc = "How many values a header that is a list has." },
	{ "ct", INNER_NONE, get_contact, .takes_index = true, .doc = "First Contact header." },
	{ "ctu", INNER_NONE, get_contact_uri, .doc = "URI of the first contact." },
	{ "cts", INNER_NONE, get_contact_star, .doc = "1 when the Contact is *." },
	{ "expires", INNER_NAME, get_expires, NULL, bind_expires, .doc = "Smallest (min) or largest (max) expiry of the contacts." },
};
const struct variable_table header_variables = ROWS(rows);
