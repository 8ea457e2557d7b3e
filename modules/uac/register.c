/* SPDX-License-Identifier: BSD-2-Clause */
/* register: keeps accounts registered at their servers (RFC 3261 10.2). One worker looks at intervals which
 * are due; answers arrive in any. */
#include "modules/uac/accounts.h"

#include "core/shm/map.h"
#include "parser/values.h"

/* A registration that has not been answered for so long was lost with its worker. */
#define LOST_AFTER_S 120
#define JOBS_MOST    ((size_t)256 << 20)

static struct {
	_Atomic int64_t *is_on;
} state;

/* What a registration knows when it is answered. */
struct attempt {
	int64_t cseq, expires;
	uint32_t is_answer; /* it has credentials */
	uint32_t uuid_len, call_id_len, tag_len;
	char bytes[];
};

bool register_prepare(void)
{
	state.is_on = shm_reserve(sizeof(*state.is_on), "uac");
	if (state.is_on)
		*state.is_on = uac_settings->reg_active;
	return state.is_on != NULL;
}

_Atomic int64_t *register_switch(void)
{
	return state.is_on;
}

int64_t register_period_ms(void)
{
	return accounts_are_on() ? uac_settings->reg_timer_interval * 1000 : 0;
}

/* ---- sending --------------------------------------------------------------------------------------------------------- */

static void on_answer(const struct tm_uac_result *result);

struct sending {
	struct span call_id, from_tag, answer;
	int64_t cseq, expires;
	bool is_answer;
};

static struct attempt *make_attempt(struct arena *arena, struct span uuid,
				    const struct sending *sending, size_t *out_len)
{
	size_t len = offsetof(struct attempt, bytes) + uuid.len + sending->call_id.len +
		     sending->from_tag.len;
	struct attempt *attempt = arena_alloc(arena, len + sizeof(*attempt));
	if (!attempt)
		return NULL;
	*attempt = (struct attempt){ sending->cseq,
				     sending->expires,
				     sending->is_answer,
				     (uint32_t)uuid.len,
				     (uint32_t)sending->call_id.len,
				     (uint32_t)sending->from_tag.len };
	memcpy(attempt->bytes, uuid.at, uuid.len);
	memcpy(attempt->bytes + uuid.len, sending->call_id.at, sending->call_id.len);
	memcpy(attempt->bytes + uuid.len + sending->call_id.len, sending->from_tag.at,
	       sending->from_tag.len);
	*out_len = len;
	return attempt;
}

static const struct listener *socket_of(struct span text)
{
	struct end_point address;
	const struct listener *found = listener_by_name(text);
	if (!found && text.len && end_point_parse(text, &address))
		found = listener_find(&address);
	return found ? found : uac_default_socket();
}

static bool send_register(struct arena *arena, const struct account *account,
			  const struct sending *sending)
{
	const struct span *texts = account->texts;
	struct span contact = texts[ACCOUNT_CONTACT].len ? texts[ACCOUNT_CONTACT]
							 : uac_settings->reg_contact_addr;
	struct span uri = arena_printf(arena, "sip:%.*s", SPAN_ARGS(texts[ACCOUNT_REMOTE_DOMAIN]));
	struct span user =
		arena_printf(arena, "sip:%.*s@%.*s", SPAN_ARGS(texts[ACCOUNT_REMOTE_USER]),
			     SPAN_ARGS(texts[ACCOUNT_REMOTE_DOMAIN]));
	struct span headers =
		arena_printf(arena, "Contact: <sip:%.*s@%.*s>\r\nExpires: %lld\r\n%.*s",
			     SPAN_ARGS(texts[ACCOUNT_UUID]), SPAN_ARGS(contact),
			     (long long)sending->expires, SPAN_ARGS(sending->answer));
	size_t len = 0;
	struct attempt *attempt = make_attempt(arena, texts[ACCOUNT_UUID], sending, &len);
	if (!uri.at || !user.at || !headers.at || !attempt)
		return false;
	const struct tm_uac uac = { .method = SPAN("REGISTER"),
				    .uri = uri,
				    .next_hop = texts[ACCOUNT_AUTH_PROXY],
				    .from = user,
				    .to = user,
				    .from_tag = sending->from_tag,
				    .call_id = sending->call_id,
				    .cseq = (uint32_t)sending->cseq,
				    .headers = headers,
				    .socket = socket_of(texts[ACCOUNT_SOCKET]),
				    .done = on_answer,
				    .data = attempt,
				    .data_len = len };
	return uac_tm()->uac(&uac, NULL);
}

static struct span drawn(struct arena *arena)
{
	return arena_printf(arena, "%016llx%016llx", (unsigned long long)random_uint64(),
			    (unsigned long long)random_uint64());
}

static struct sending first_attempt(struct arena *arena, const struct account *account)
{
	bool goes_on = uac_settings->reg_keep_callid && account->call_id.len &&
		       account->flags & ACCOUNT_ONLINE;
	return (struct sending){ .call_id = goes_on ? account->call_id : drawn(arena),
				 .from_tag = drawn(arena),
				 .cseq = goes_on ? account->cseq + 1 : 10,
				 .expires = account->expires };
}

/* ---- when -------------------------------------------------------------------------------------------------------------- */

static bool is_due(const struct account *account, int64_t now)
{
	if (account->flags & ACCOUNT_DISABLED)
		return false;
	if (account->flags & ACCOUNT_ONGOING)
		return account->timer_wall_s + LOST_AFTER_S < now;
	if (!(account->flags & ACCOUNT_INIT) && account->init_wall_s + account->delay_s > now)
		return false;
	/* A registration is renewed before it ends; a retry comes when it is due. */
	int64_t ahead = account->flags & ACCOUNT_ONLINE ? uac_settings->reg_timer_interval : 0;
	return account->timer_wall_s <= now + ahead;
}

static void fail(struct span uuid, unsigned code)
{
	int64_t retry = uac_settings->reg_retry_interval;
	log_error("the registration of account %.*s failed: %u%s", SPAN_ARGS(uuid), code,
		  retry ? "" : "; it is disabled (reg_retry_interval is 0)");
	account_change(uuid, ACCOUNT_ONGOING | ACCOUNT_ONLINE | ACCOUNT_AUTH_SENT,
		       retry ? 0 : ACCOUNT_DISABLED, retry ? clock_wall_s() + retry : -1);
}

void register_run(void)
{
	struct arena arena;
	unsigned count = 0;
	int64_t now = clock_wall_s();
	if (!*state.is_on)
		return;
	arena_init(&arena, (size_t)64 << 10, JOBS_MOST);
	struct account *accounts = accounts_copy(&arena, &count);
	for (unsigned i = 0; accounts && i < count; i++) {
		struct span uuid = accounts[i].texts[ACCOUNT_UUID];
		if (!is_due(&accounts[i], now) || !account_take(uuid, now))
			continue;
		struct sending sending = first_attempt(&arena, &accounts[i]);
		if (!send_register(&arena, &accounts[i], &sending))
			fail(uuid, 500);
	}
	arena_free(&arena);
}

bool register_end(const struct account *account)
{
	struct arena arena;
	struct span uuid = account->texts[ACCOUNT_UUID];
	arena_init(&arena, 4096, (size_t)1 << 20);
	struct sending sending = first_attempt(&arena, account);
	sending.expires = 0;
	bool is_sent = account_change(uuid, ACCOUNT_ONLINE, ACCOUNT_DISABLED, -1) &&
		       send_register(&arena, account, &sending);
	arena_free(&arena);
	return is_sent;
}

/* ---- answers -------------------------------------------------------------------------------------------------------------- */

/* How long the registrar keeps our Contact: its parameter, the header, or what was asked for. */
static int64_t granted(struct message *reply, const struct account *account, int64_t asked)
{
	struct name_addr contact;
	struct contact_params params;
	struct sip_uri uri;
	int64_t header;
	for (const struct sip_header *h = message_header(reply, HEADER_CONTACT); h;
	     h = message_next_header(reply, h)) {
		struct span rest = message_header_value(reply, h);
		while (name_addr_next(&rest, &contact) == LIST_ITEM)
			if (!contact.is_star && uri_parse(contact.uri, &uri) &&
			    span_equal(uri.user, account->texts[ACCOUNT_UUID]) &&
			    contact_params_parse(&contact, &params) && params.has_expires)
				return params.expires_s;
	}
	return span_to_int64(message_value(reply, HEADER_EXPIRES), &header) && header >= 0 ? header
											   : asked;
}

static bool answer_challenge(const struct tm_uac_result *result, const struct account *account,
			     const struct sending *before)
{
	struct message *reply = result->reply;
	struct auth_params challenge;
	struct span ha1 = account->texts[ACCOUNT_AUTH_HA1];
	const struct uac_credentials credentials = {
		.user = account->texts[ACCOUNT_AUTH_USER],
		.secret = ha1.len ? ha1 : account->texts[ACCOUNT_AUTH_PASSWORD],
		.is_ha1 = ha1.len > 0,
	};
	struct span uri = arena_printf(reply->arena, "sip:%.*s",
				       SPAN_ARGS(account->texts[ACCOUNT_REMOTE_DOMAIN]));
	struct writer w = writer_in_arena(reply->arena, 512);
	if (!credentials.user.len || !uri.at ||
	    !challenge_find(reply, account->texts[ACCOUNT_REALM], &challenge) ||
	    !answer_write(&w, reply->arena, reply, &challenge, &credentials, SPAN_OF("REGISTER"),
			  uri))
		return false;
	struct sending again = *before;
	again.answer = writer_result(&w);
	again.cseq++;
	again.is_answer = true;
	account_change(account->texts[ACCOUNT_UUID], 0, ACCOUNT_AUTH_SENT, -1);
	return send_register(reply->arena, account, &again);
}

/* The registrar wants longer registrations (RFC 3261 10.2.8). */
static bool lengthen(const struct tm_uac_result *result, struct span uuid)
{
	int64_t least;
	if (!span_to_int64(message_value(result->reply, HEADER_MIN_EXPIRES), &least) || least <= 0)
		return false;
	return account_set_expires(uuid, least) &&
	       account_change(uuid, ACCOUNT_ONGOING | ACCOUNT_AUTH_SENT, 0, clock_wall_s());
}

static bool read_attempt(const struct tm_uac_result *result, struct span *out_uuid,
			 struct sending *out)
{
	struct attempt head;
	size_t start = offsetof(struct attempt, bytes);
	if (result->data_len < start)
		return false;
	memcpy(&head, result->data, start);
	const char *at = (const char *)result->data + start;
	if ((uint64_t)head.uuid_len + head.call_id_len + head.tag_len > result->data_len - start)
		return false;
	*out_uuid = span_make(at, head.uuid_len);
	*out = (struct sending){ .call_id = span_make(at + head.uuid_len, head.call_id_len),
				 .from_tag = span_make(at + head.uuid_len + head.call_id_len,
						       head.tag_len),
				 .cseq = head.cseq,
				 .expires = head.expires,
				 .is_answer = head.is_answer };
	return true;
}

static void work_on(const struct tm_uac_result *result, const struct account *account,
		    const struct sending *sending)
{
	struct span uuid = account->texts[ACCOUNT_UUID];
	bool is_challenge = result->code == 401 || result->code == 407;
	if (is_challenge && result->reply && !sending->is_answer &&
	    answer_challenge(result, account, sending))
		return;
	if (sending->expires == 0) {
		if (result->code >= 300)
			log_error("the registration of account %.*s could not be ended: %u",
				  SPAN_ARGS(uuid), result->code);
		account_change(uuid, ACCOUNT_ONGOING | ACCOUNT_ONLINE | ACCOUNT_AUTH_SENT, 0, -1);
		return;
	}
	if (result->code == 423 && result->reply && lengthen(result, uuid))
		return;
	if (result->code >= 300 || !result->reply) {
		fail(uuid, result->code);
		return;
	}
	int64_t lifetime = granted(result->reply, account, sending->expires);
	account_note_success(uuid, clock_wall_s() + lifetime, sending->call_id, sending->cseq);
}

static void on_answer(const struct tm_uac_result *result)
{
	struct span uuid;
	struct sending sending;
	struct account account;
	struct arena arena;
	if (!read_attempt(result, &uuid, &sending))
		return;
	arena_init(&arena, 4096, (size_t)1 << 20);
	if (account_find(ACCOUNT_UUID, uuid, NO_SPAN, &arena, &account))
		work_on(result, &account, &sending);
	else
		log_debug("an account is gone whose registration was answered");
	arena_free(&arena);
}
