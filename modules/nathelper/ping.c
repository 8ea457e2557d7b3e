/* SPDX-License-Identifier: BSD-2-Clause */
/* Pings: packets to registered contacts, which keep the bindings of NATs open. They are four zero
 * bytes, or for contacts with the flag sipping_bflag a request, whose answer shows that the contact
 * lives: its From tag names the binding, "np.DOMAIN.HASH.RUID".
 *
 * A round takes natping_interval seconds; each second a part of the location store is copied and its
 * contacts are pinged, with no lock held. */
#include <stdlib.h>

#include "core/shm/map.h"
#include "modules/nathelper/nathelper.h"

#define PERIOD_MS  1000
#define TAG_PREFIX "np."

static struct {
	const struct usrloc_api *usrloc;
	const struct listener *socket; /* force_socket */
	struct ping_switch {
		bool is_off;
	} * shared;      /* what enable_ping says, for all processes */
	unsigned second; /* of the round */
	bool is_running; /* the last second's work waits for the database */
	struct arena arena;
} state;

/* ---- whom -------------------------------------------------------------------------------------------- */

static bool has_flag(const struct usrloc_contact *contact, int64_t flag)
{
	return flag >= 0 && contact->cflags & 1u << flag;
}

static bool is_wanted(const struct usrloc_contact *contact)
{
	int nat_flag = state.usrloc->nat_flag();
	if (has_flag(contact, nathelper_settings->natping_disable_bflag))
		return false;
	if (nathelper_settings->ping_nated_only && !has_flag(contact, nat_flag))
		return false;
	return !nathelper_settings->filter_server_id || contact->server_id == (uint32_t)server_id();
}

/* ruid = 1*tokenchar; what is not, names nobody */
static bool is_token(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is_alpha(text.at[i]) && !ascii_is_digit(text.at[i]) &&
		    !strchr("-_.!%*+`'~", text.at[i]))
			return false;
	return text.len > 0;
}

/* A request or zero bytes? The flag makes a difference among the contacts behind NATs only. */
static bool gets_request(const struct usrloc_contact *contact)
{
	int64_t flag = nathelper_settings->sipping_bflag;
	return flag >= 0 && nathelper_settings->sipping_from.len && is_token(contact->ruid) &&
	       (!nathelper_settings->ping_nated_only || has_flag(contact, flag));
}

/* Where the ping goes: first proxy of the Path, address that was seen, or Contact. False when that is
 * no address or not UDP. */
static bool target_of(const struct usrloc_contact *contact, struct end_point *out)
{
	struct sip_uri uri;
	struct name_addr first;
	struct span path = contact->path;
	bool has_path = path.len && !nathelper_settings->ignore_path;
	struct span text = contact->received.len ? contact->received : contact->contact;
	if (has_path)
		text = name_addr_next(&path, &first) == LIST_ITEM ? first.uri : text;
	if (!uri_parse(text, &uri) || !uri_is_sip(&uri) || !end_point_parse_ip(uri.host, out))
		return false;
	out->port = uri_port(&uri);
	out->transport = TRANSPORT_UDP;
	return uri.transport == SIP_TRANSPORT_NONE ? uri.scheme == URI_SIP
						   : uri.transport == SIP_TRANSPORT_UDP;
}

static const struct listener *socket_towards(const struct usrloc_contact *contact,
					     const struct end_point *to)
{
	const struct listener *own = contact->socket;
	if (state.socket)
		return state.socket;
	if (own && own->address.transport == TRANSPORT_UDP && own->address.family == to->family)
		return own;
	return listener_for(to);
}

/* ---- what -------------------------------------------------------------------------------------------- */

static struct span render_ping(const struct usrloc_contact *contact, unsigned domain,
			       const struct listener *from)
{
	struct writer w = writer_in_arena(&state.arena, 512);
	struct span method = nathelper_settings->sipping_method;
	bool has_path = contact->path.len && !nathelper_settings->ignore_path;
	writer_printf(&w, "%.*s %.*s SIP/2.0\r\n", SPAN_ARGS(method), SPAN_ARGS(contact->contact));
	writer_literal(&w, "Via: ");
	writer_span(&w, from->via_prefix);
	writer_printf(&w, "z9hG4bK%016llx\r\n", (unsigned long long)random_uint64());
	if (has_path)
		writer_printf(&w, "Route: %.*s\r\n", SPAN_ARGS(contact->path));
	writer_printf(&w, "From: <%.*s>;tag=" TAG_PREFIX "%u.%016llx.%.*s\r\n",
		      SPAN_ARGS(nathelper_settings->sipping_from), domain,
		      (unsigned long long)contact->hash, SPAN_ARGS(contact->ruid));
	writer_printf(&w, "To: <%.*s>\r\nCall-ID: %016llx@%.*s\r\n", SPAN_ARGS(contact->contact),
		      (unsigned long long)random_uint64(), SPAN_ARGS(from->host));
	writer_printf(&w, "CSeq: 1 %.*s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		      SPAN_ARGS(method));
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

/* Has it been asked, and has it not answered for too long? */
static bool is_dead(const struct usrloc_contact *contact)
{
	return nathelper_settings->keepalive_timeout &&
	       contact->keepalive_wall_s + nathelper_settings->keepalive_timeout < clock_wall_s();
}

static void ping(const struct usrloc_contact *contact, unsigned domain)
{
	static const char zeros[4];
	struct send_target target = { 0 };
	if (!is_wanted(contact) || !target_of(contact, &target.to) || target.to.port == 0)
		return;
	target.from = socket_towards(contact, &target.to);
	if (!target.from)
		return;
	if (!gets_request(contact)) {
		send_bytes(&target, span_make(zeros, sizeof(zeros)), true);
		return;
	}
	if (is_dead(contact)) {
		log_info("the contact %.*s of %.*s does not answer any more and goes",
			 SPAN_ARGS(contact->contact), SPAN_ARGS(contact->aor));
		state.usrloc->remove(domain, contact->aor, contact->ruid);
		return;
	}
	struct span bytes = render_ping(contact, domain, target.from);
	if (bytes.at)
		send_bytes(&target, bytes, true);
}

static void ping_part(unsigned domain, unsigned part)
{
	struct usrloc_contact *contacts;
	unsigned count = state.usrloc->copy_part(domain, part, &state.arena, &contacts);
	for (unsigned i = 0; i < count; i++)
		ping(&contacts[i], domain);
	arena_clear(&state.arena);
}

static void ping_this_second(void)
{
	unsigned seconds = (unsigned)nathelper_settings->natping_interval;
	unsigned parts = state.usrloc->part_count();
	unsigned first = (unsigned)((uint64_t)parts * state.second / seconds);
	unsigned end = (unsigned)((uint64_t)parts * (state.second + 1) / seconds);
	state.second = (state.second + 1) % seconds;
	if (state.shared->is_off)
		return;
	for (unsigned part = first; part < end; part++)
		for (unsigned domain = 0; domain < state.usrloc->domain_count(); domain++)
			ping_part(domain, part);
}

void ping_contacts(void)
{
	if (state.is_running)
		return;
	state.is_running = true;
	ping_this_second();
	state.is_running = false;
}

int64_t ping_period_ms(void)
{
	return nathelper_settings->natping_interval ? PERIOD_MS : 0;
}

/* ---- answers ----------------------------------------------------------------------------------------- */

/* tag = "np." domain "." hash "." ruid */
static bool read_tag(struct span tag, unsigned *out_domain, uint64_t *out_hash,
		     struct span *out_ruid)
{
	struct span rest = span_slice(tag, sizeof(TAG_PREFIX) - 1, tag.len), domain, hash;
	int64_t number;
	char digits[17], *end;
	if (!span_starts_with(tag, SPAN_OF(TAG_PREFIX)) || !span_split(&rest, '.', &domain) ||
	    !span_split(&rest, '.', &hash) || !span_to_int64(domain, &number) || number < 0 ||
	    number > UINT16_MAX || hash.len != sizeof(digits) - 1 || !rest.len)
		return false;
	memcpy(digits, hash.at, hash.len);
	digits[hash.len] = '\0';
	*out_hash = strtoull(digits, &end, 16);
	*out_domain = (unsigned)number;
	*out_ruid = rest;
	return *end == '\0';
}

enum claim_result ping_reply(struct message *reply)
{
	unsigned domain;
	uint64_t hash;
	struct span ruid;
	if (!state.usrloc || message_second_via(reply) ||
	    !read_tag(message_from_tag(reply), &domain, &hash, &ruid))
		return CLAIM_PASS;
	if (!state.usrloc->is_alive(domain, hash, ruid))
		log_debug("an answer to a ping of a contact that is gone");
	return CLAIM_CONSUMED;
}

/* ---- setting up -------------------------------------------------------------------------------------- */

void run_enable_ping(struct rpc_call *call)
{
	int64_t number;
	if (!rpc_need_int(call, 0, "0 or 1", &number))
		return;
	if (!nathelper_settings->natping_interval)
		rpc_fault(call, 500, "NAT ping disabled from script");
	else
		state.shared->is_off = number == 0;
}

static bool tell(struct diagnostics *diagnostics, const char *setting, const char *sentence)
{
	diagnostic_add(diagnostics, SEVERITY_ERROR, "bad-setting",
		       module_setting_position("nathelper", setting), "nathelper: %s", sentence);
	return false;
}

static bool find_socket(struct diagnostics *diagnostics)
{
	struct end_point address;
	if (!nathelper_settings->force_socket.len)
		return true;
	if (end_point_parse(nathelper_settings->force_socket, &address)) {
		address.transport = TRANSPORT_UDP;
		state.socket = listener_find(&address);
	}
	return state.socket || tell(diagnostics, "force_socket",
				    "force_socket is no UDP socket of this server (listen=)");
}

bool ping_prepare(const struct usrloc_api *usrloc, struct diagnostics *diagnostics)
{
	struct sip_uri uri;
	struct span from = nathelper_settings->sipping_from;
	state.usrloc = usrloc;
	if (!nathelper_settings->natping_interval)
		return true;
	if (!usrloc)
		return tell(diagnostics, "natping_interval",
			    "natping_interval needs module usrloc: add loadmodule \"usrloc.so\" "
			    "before it");
	if (from.len && (!uri_parse(from, &uri) || !uri_is_sip(&uri)))
		return tell(diagnostics, "sipping_from", "sipping_from is no SIP URI");
	if (nathelper_settings->sipping_bflag >= 0 && !from.len)
		return tell(diagnostics, "sipping_bflag",
			    "pings with requests need sipping_from, a URI for their From");
	if (nathelper_settings->ping_nated_only && usrloc->nat_flag() < 0)
		return tell(diagnostics, "ping_nated_only",
			    "ping_nated_only needs the parameter nat_bflag of usrloc");
	arena_init(&state.arena, 64u << 10, 64u << 20);
	state.shared = shm_reserve(sizeof(*state.shared), "nathelper");
	return find_socket(diagnostics) && state.shared;
}
