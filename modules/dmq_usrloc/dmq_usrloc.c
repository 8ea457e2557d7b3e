/* SPDX-License-Identifier: BSD-2-Clause */
/* dmq_usrloc: bindings are the same on all servers of a cluster. What a REGISTER or a command changes here is
 * told to the others, what they tell is done here without telling it on, and a server that starts gets all
 * bindings from one of them. */
#include "modules/dmq/dmq_api.h"
#include "modules/dmq_usrloc/format.h"

/* How the field tells that there is none. */
#define NO_USER_AGENT "n/a"

static struct {
	bool enable, sync, replicate_socket_info, replicate_cflags, usrloc_delete;
	int64_t batch_size, batch_usleep, batch_msg_size, batch_msg_contacts;
	struct span usrloc_domain, dmq_peer_id;
} settings = {
	.sync = true,
	.replicate_cflags = true,
	.usrloc_delete = true,
	.batch_msg_size = DMQ_BODY_MOST,
	.batch_msg_contacts = 1,
	.usrloc_domain = SPAN("location"),
	.dmq_peer_id = SPAN("usrloc"),
};
static const struct field setting_fields[] = {
	FIELD(settings, enable, "bindings are replicated"),
	FIELD(settings, sync, "at the start another server is asked for all bindings"),
	FIELD(settings, batch_size, "bindings after which batch_usleep is waited; 0: none", .max = INT32_MAX),
	FIELD(settings, batch_usleep, "microseconds between two batches", .max = 60000000),
	FIELD(settings, batch_msg_size, "largest message, bytes", .min = 1000, .max = 500000),
	FIELD(settings, batch_msg_contacts, "bindings in one message", .min = 1, .max = 150),
	FIELD(settings, usrloc_domain, "domain of the location service"),
	FIELD(settings, replicate_socket_info, "the socket of a binding is told, too"),
	FIELD(settings, replicate_cflags, "the branch flags of a binding are told, too"),
	FIELD(settings, usrloc_delete, "removals are told, too"),
	FIELD(settings, dmq_peer_id, "name of the channel between the servers"),
	FIELD_IGNORED("usrloc_delete_expired", "each server expires its bindings itself"),
};

static struct {
	const void *dmq, *usrloc;
	struct dmq_channel channel;
	unsigned domain;
} state;

static const struct dmq_api *dmq(void)
{
	return state.dmq;
}

static const struct usrloc_api *usrloc(void)
{
	return state.usrloc;
}

/* ---- telling ------------------------------------------------------------------------------------------ */

static struct location_row row_of(const struct usrloc_contact *contact)
{
	struct location_row row = { .contact = *contact };
	if (contact->expires_s != USRLOC_PERMANENT)
		row.expires_wall_s = clock_wall_s() + contact->expires_s;
	if (settings.replicate_socket_info && contact->socket)
		row.socket = contact->socket->text;
	if (!settings.replicate_cflags)
		row.contact.cflags = 0;
	if (!contact->user_agent.len)
		row.contact.user_agent = SPAN_OF(NO_USER_AGENT);
	return row;
}

static void on_change(enum usrloc_event event, unsigned domain,
		      const struct usrloc_contact *contact)
{
	struct arena arena;
	bool is_removal = event == USRLOC_REMOVED;
	if (domain != state.domain || dmq()->is_alone() || (is_removal && !settings.usrloc_delete))
		return;
	arena_init(&arena, 4096, 1 << 20);
	struct writer w = writer_in_arena(&arena, 1024);
	const struct location_row row = row_of(contact);
	location_write(&w, is_removal ? LOCATION_REMOVE : LOCATION_UPDATE, &row);
	if (!w.failed)
		dmq()->broadcast(&state.channel, hash_span(contact->aor) | 1, writer_result(&w));
	arena_free(&arena);
}

/* ---- telling everything ---------------------------------------------------------------------------------- */

static void write_row(struct writer *w, const void *row, unsigned index)
{
	if (settings.batch_msg_contacts > 1)
		location_write_number(w, index + 1);
	location_write(w, LOCATION_UPDATE, row);
}

static void rest_between_batches(uint64_t told)
{
	if (settings.batch_size && settings.batch_usleep &&
	    told % (uint64_t)settings.batch_size == 0)
		fiber_sleep_ms((settings.batch_usleep + 999) / 1000);
}

static bool send_part(struct dmq_stream *stream, unsigned part, struct arena *arena, uint64_t *told)
{
	struct usrloc_contact *contacts;
	unsigned count = usrloc()->copy_part(state.domain, part, arena, &contacts);
	for (unsigned i = 0; i < count; i++) {
		const struct location_row row = row_of(&contacts[i]);
		if (!dmq()->stream_add(stream, write_row, &row))
			return false;
		rest_between_batches(++*told);
	}
	return true;
}

static bool send_all(struct dmq_stream *stream)
{
	bool is_good = true;
	uint64_t told = 0;
	for (unsigned part = 0; part < usrloc()->part_count() && is_good; part++) {
		struct arena arena;
		arena_init(&arena, 1 << 16, 1u << 30);
		is_good = send_part(stream, part, &arena, &told);
		arena_free(&arena);
	}
	return is_good;
}

static bool sync_start(struct dmq_node to)
{
	bool is_single = settings.batch_msg_contacts == 1;
	const struct dmq_stream stream = {
		.channel = &state.channel,
		.to = to,
		.open = is_single ? SPAN_OF("") : SPAN_OF(LOCATION_LIST_OPEN),
		.close = is_single ? SPAN_OF("") : SPAN_OF(LOCATION_LIST_CLOSE),
		.body_most = (size_t)settings.batch_msg_size,
		.rows_most = (unsigned)settings.batch_msg_contacts,
		.produce = send_all,
	};
	return dmq()->stream_start(&stream);
}

/* ---- hearing ------------------------------------------------------------------------------------------------ */

/* The socket is ours when it has our address. */
static const struct listener *socket_of(struct span text)
{
	struct end_point address;
	return text.len && end_point_parse(text, &address) ? listener_find(&address) : NULL;
}

static bool is_done(enum usrloc_result result)
{
	/* With BAD_CSEQ we know something newer. */
	return result == USRLOC_OK || result == USRLOC_BAD_CSEQ;
}

static bool update(const struct location_row *row)
{
	struct usrloc_change change = { .contact = row->contact };
	struct sip_uri uri;
	int64_t left_s = row->expires_wall_s - clock_wall_s();
	if (!uri_parse(row->contact.contact, &uri))
		return false;
	if (row->expires_wall_s && left_s <= 0)
		return true;
	change.contact.expires_s = row->expires_wall_s ? left_s : USRLOC_PERMANENT;
	change.contact.socket = socket_of(row->socket);
	if (span_equal(row->contact.user_agent, SPAN_OF(NO_USER_AGENT)))
		change.contact.user_agent = (struct span){ NULL, 0 };
	return is_done(usrloc()->apply_quietly(state.domain, row->contact.aor, &change, 1));
}

/* By the name that the other server gave it, or else by its address. */
static bool remove_one(const struct location_row *row)
{
	const struct usrloc_change change = { .contact = row->contact, .remove = true };
	if (row->contact.ruid.len &&
	    usrloc()->remove_quietly(state.domain, row->contact.aor, row->contact.ruid))
		return true;
	return is_done(usrloc()->apply_quietly(state.domain, row->contact.aor, &change, 1));
}

static bool apply(const struct json_value *object, struct dmq_node from)
{
	struct location_row row;
	enum location_action action;
	if (!location_read_row(object, &action, &row))
		return false;
	switch (action) {
	case LOCATION_NOTHING: return true;
	case LOCATION_UPDATE: return update(&row);
	case LOCATION_REMOVE: return remove_one(&row);
	case LOCATION_SYNC: return sync_start(from);
	}
	return false;
}

static void receive(const struct dmq_message *message, struct arena *arena,
		    struct dmq_answer *answer)
{
	const struct json_value *object = NULL;
	enum location_kind kind = location_read(message->body, arena, &object);
	bool is_good =
		kind == LOCATION_MANY || (kind == LOCATION_ONE && apply(object, message->from));
	for (; kind == LOCATION_MANY && object; object = object->next)
		is_good = apply(object, message->from) && is_good;
	if (is_good)
		return;
	log_info("a message of another server is no change of bindings, or could not be done");
	*answer = (struct dmq_answer){ .code = 400, .reason = SPAN("Bad Request") };
}

/* ---- life cycle --------------------------------------------------------------------------------------------- */

static bool prepare(struct diagnostics *diagnostics)
{
	(void)diagnostics;
	if (!settings.enable)
		return true;
	state.domain = usrloc()->domain(settings.usrloc_domain);
	state.channel = (struct dmq_channel){ .name = settings.dmq_peer_id,
					      .content_type = SPAN_OF("application/json"),
					      .receive = receive };
	if (settings.sync)
		state.channel.greeting = SPAN_OF("{\"action\":3}");
	return state.domain != USRLOC_NO_DOMAIN && dmq()->join(&state.channel) &&
	       usrloc()->observe(on_change);
}

static const struct module_need needs[] = {
	{ .name = "dmq", .version = DMQ_API_VERSION, .out_functions = &state.dmq },
	{ .name = "usrloc", .version = USRLOC_API_VERSION, .out_functions = &state.usrloc },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "dmq_usrloc",
	.doc = "Replicates bindings between the servers of a cluster.",
	.settings = { &settings, FIELDS(setting_fields) },
	.needs = ROWS(needs),
	.prepare = prepare,
};
