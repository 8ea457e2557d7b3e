/* SPDX-License-Identifier: BSD-2-Clause */
/* Keepalive of bindings. A round takes timer_interval seconds; each second every worker copies a part
 * of its shards and asks the contacts in it, with no lock held. The From tag names the binding and the
 * time: RUID "-" HASH "-" MICROSECONDS, so nothing has to be remembered of a request. */
#include "modules/usrloc/keepalive.h"

#include "core/net/locate.h"
#include "core/transport/directory.h"
#include "modules/usrloc/location.h"

#define PERIOD_MS 1000
/* What is left to a contact that was given up: it is still found for that long, and a REGISTER in the
 * meantime saves it. */
#define LAST_SECONDS 10

static struct {
	struct keepalive_options options;
	const struct text_template *log_text;
	unsigned second; /* of the round */
	bool is_running; /* the last second's work waits for DNS */
	struct arena arena;
} state;

/* ---- whom -------------------------------------------------------------------------------------------- */

static bool is_wanted(const struct usrloc_contact *contact)
{
	const struct keepalive_options *options = &state.options;
	bool is_nated = options->nat_flag >= 0 && contact->cflags & 1u << options->nat_flag;
	if (options->mode & KEEPALIVE_NAT && !is_nated)
		return false;
	return !(options->filter & KEEPALIVE_OWN) || contact->server_id == (uint32_t)server_id();
}

/* First proxy of its Path, address that was seen, or the contact itself. */
static bool locate(const struct usrloc_contact *contact, struct end_point *out)
{
	struct located located;
	struct name_addr first;
	struct span path = contact->path;
	struct span uri = contact->received.len ? contact->received : contact->contact;
	if (path.len && name_addr_next(&path, &first) == LIST_ITEM)
		uri = first.uri;
	if (locate_uri(uri, &located)) {
		*out = located.targets[0];
		return true;
	}
	log_info("nobody knows where %.*s is: no keepalive", SPAN_ARGS(uri));
	return false;
}

/* The connection that made the binding, as long as it lives; else where the contact says. */
static bool target_of(const struct usrloc_contact *contact, struct send_target *out)
{
	struct connection_entry connection;
	const struct listener *own = contact->socket;
	*out = (struct send_target){ 0 };
	if (contact->connection && directory_find_id(contact->connection, &connection)) {
		out->to = connection.peer;
		out->connection = contact->connection;
	} else if (!locate(contact, &out->to)) {
		return false;
	}
	bool own_fits = own && own->address.transport == out->to.transport &&
			own->address.family == out->to.family;
	out->from = own_fits ? own : listener_for(&out->to);
	return out->from != NULL;
}

/* Has it been silent for too long? */
static bool is_dead(const struct usrloc_contact *contact)
{
	return state.options.timeout_s && contact->expires_s > LAST_SECONDS &&
	       contact->keepalive_wall_s + state.options.timeout_s < clock_wall_s();
}

/* ---- what -------------------------------------------------------------------------------------------- */

/* Texts come from the network, from databases and from RPC: none may end a line of our request. */
static bool fits_in_a_line(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] < ' ')
			return false;
	return true;
}

static void write_to(struct writer *w, const struct usrloc_contact *contact)
{
	size_t at = state.options.uses_domain ? span_find(contact->aor, '@', 0) : contact->aor.len;
	struct span domain = span_slice(contact->aor, at + 1, contact->aor.len);
	writer_literal(w, "To: <sip:");
	uri_write_escaped_user(w, span_slice(contact->aor, 0, at));
	writer_char(w, '@');
	writer_span(w, domain.len ? domain : state.options.domain);
	writer_literal(w, ">\r\n");
}

static struct span render(const struct usrloc_contact *contact, const struct listener *from)
{
	struct writer w = writer_in_arena(&state.arena, 512);
	struct span method = state.options.method;
	writer_printf(&w, "%.*s %.*s SIP/2.0\r\nVia: ", SPAN_ARGS(method),
		      SPAN_ARGS(contact->contact));
	writer_span(&w, from->via_prefix);
	writer_printf(&w, "z9hG4bK%016llx\r\n", (unsigned long long)random_uint64());
	if (contact->path.len)
		writer_printf(&w, "Route: %.*s\r\n", SPAN_ARGS(contact->path));
	writer_printf(&w, "From: <%.*s>;tag=%.*s-%llx-%llx\r\n", SPAN_ARGS(state.options.from),
		      SPAN_ARGS(contact->ruid), (unsigned long long)contact->hash,
		      (unsigned long long)clock_us_now());
	write_to(&w, contact);
	writer_printf(&w, "Call-ID: %016llx@%.*s\r\n", (unsigned long long)random_uint64(),
		      SPAN_ARGS(from->host));
	writer_printf(&w, "CSeq: 80 %.*s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		      SPAN_ARGS(method));
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

static void ask(const struct usrloc_contact *contact)
{
	struct send_target target;
	if (is_dead(contact)) {
		log_info("the contact %.*s of %.*s does not answer any more and goes",
			 SPAN_ARGS(contact->contact), SPAN_ARGS(contact->aor));
		location_end_soon(contact->hash, contact->ruid, LAST_SECONDS);
		return;
	}
	if (!fits_in_a_line(contact->contact) || !fits_in_a_line(contact->path) ||
	    !fits_in_a_line(contact->aor) || !fits_in_a_line(contact->ruid) ||
	    !target_of(contact, &target) ||
	    (state.options.mode & KEEPALIVE_UDP && target.to.transport != TRANSPORT_UDP))
		return;
	struct span bytes = render(contact, target.from);
	if (bytes.at && send_bytes(&target, bytes, true) != SEND_OK)
		log_info("no keepalive reaches the contact %.*s of %.*s",
			 SPAN_ARGS(contact->contact), SPAN_ARGS(contact->aor));
}

static void ask_part(unsigned domain, unsigned part)
{
	struct usrloc_contact *contacts;
	unsigned count = location_copy_shard(domain, part, &state.arena, &contacts);
	for (unsigned i = 0; i < count; i++)
		if (is_wanted(&contacts[i]))
			ask(&contacts[i]);
	arena_clear(&state.arena);
}

/* Worker w of n serves the shards w, w + n, w + 2n …, in each second of a round as many. */
static void ask_this_second(void)
{
	unsigned workers = worker_count(), seconds = (unsigned)state.options.round_s;
	unsigned parts = (location_shard_count() + workers - 1) / workers;
	unsigned part = (unsigned)((uint64_t)parts * state.second / seconds);
	unsigned end = (unsigned)((uint64_t)parts * (state.second + 1) / seconds);
	state.second = (state.second + 1) % seconds;
	for (; part < end; part++) {
		unsigned shard = part * workers + (unsigned)worker_index();
		for (unsigned domain = 0;
		     shard < location_shard_count() && domain < location_domain_count(); domain++)
			ask_part(domain, shard);
	}
}

void keepalive_run(void)
{
	if (state.is_running)
		return;
	state.is_running = true;
	ask_this_second();
	state.is_running = false;
}

int64_t keepalive_period_ms(void)
{
	return state.options.mode ? PERIOD_MS : 0;
}

/* ---- answers ----------------------------------------------------------------------------------------- */

/* Takes "-" 1*16HEXDIG off the end. */
static bool take_last_number(struct span *tag, uint64_t *out_number)
{
	size_t at = tag->len;
	while (at > 0 && tag->at[at - 1] != '-')
		at--;
	if (at == 0 || tag->len - at > 16 ||
	    !span_hex_to_uint64(span_slice(*tag, at, tag->len), out_number))
		return false;
	*tag = span_slice(*tag, 0, at - 1);
	return true;
}

static void tell(struct message *reply, uint32_t roundtrip_us, struct span ruid)
{
	struct script_run run;
	int level = (int)state.options.log_level;
	if (level == KEEPALIVE_NO_LOG || !log_is_on(level))
		return;
	struct span text = { NULL, 0 };
	if (script_run_init(&run, reply, ROUTE_REPLY, NULL))
		text = template_text(&run, state.log_text);
	log_at(level, "keepalive roundtrip: %u.%06u sec - ruid [%.*s]%.*s",
	       (unsigned)(roundtrip_us / 1000000), (unsigned)(roundtrip_us % 1000000),
	       SPAN_ARGS(ruid), SPAN_ARGS(text));
}

enum claim_result keepalive_answered(struct message *reply)
{
	uint64_t hash, sent_us;
	if (!state.options.mode || reply->notes & NOTE_LOCAL || message_second_via(reply))
		return CLAIM_PASS; /* those that we make ourselves say that a contact is not reached */
	struct span ruid = message_from_tag(reply);
	if (!take_last_number(&ruid, &sent_us) || !take_last_number(&ruid, &hash) || !ruid.len)
		return CLAIM_PASS;
	uint64_t now_us = (uint64_t)clock_us_now();
	if (sent_us > now_us || now_us - sent_us > UINT32_MAX)
		return CLAIM_PASS;
	uint32_t roundtrip_us = (uint32_t)(now_us - sent_us);
	if (!location_answered(hash, ruid, roundtrip_us))
		return CLAIM_PASS;
	tell(reply, roundtrip_us, ruid);
	return CLAIM_CONSUMED;
}

/* ---- setting up -------------------------------------------------------------------------------------- */

static bool refuse(struct diagnostics *diagnostics, const char *setting, const char *sentence)
{
	diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
		       module_setting_position("usrloc", setting), "usrloc: %s", sentence);
	return false;
}

static bool is_method(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alpha(text.at[i]))
			return false;
	return text.len > 0;
}

bool keepalive_prepare(const struct keepalive_options *options, struct diagnostics *diagnostics)
{
	struct sip_uri uri;
	state.options = *options;
	if (!options->mode)
		return true;
	if (!is_method(options->method))
		return refuse(diagnostics, "ka_method", "ka_method is no method");
	if (!uri_parse(options->from, &uri) || !uri_is_sip(&uri))
		return refuse(diagnostics, "ka_from", "ka_from is no SIP URI");
	if (!options->domain.len || !fits_in_a_line(options->domain))
		return refuse(diagnostics, "ka_domain", "ka_domain is no domain");
	if (options->mode & KEEPALIVE_NAT && options->nat_flag < 0)
		return refuse(diagnostics, "ka_mode",
			      "keepalive of contacts behind NATs needs the parameter nat_bflag");
	state.log_text = template_compile(options->log_text, startup_arena(), diagnostics,
					  module_setting_position("usrloc", "ka_logmsg"));
	arena_init(&state.arena, 64u << 10, 64u << 20);
	return state.log_text != NULL;
}
