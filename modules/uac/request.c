/* SPDX-License-Identifier: BSD-2-Clause */
/* request: $uac_req(...) and uac_req_send(): requests that the script makes. What a request needs to be sent
 * again after a challenge travels with it. */
#include "modules/uac/uac.h"

enum request_text {
	TEXT_METHOD,
	TEXT_RURI,
	TEXT_FURI,
	TEXT_TURI,
	TEXT_OURI,
	TEXT_CALL_ID,
	TEXT_FROM_TAG,
	TEXT_HEADERS,
	TEXT_BODY,
	TEXT_SOCKET,
	TEXT_USER,
	TEXT_PASSWORD,
	TEXT_PARAM,
	TEXT_COUNT,
};
enum request_number {
	NUMBER_ROUTE, /* evroute */
	NUMBER_CODE,  /* evcode */
	NUMBER_TYPE,  /* evtype: 1 a reply, 2 none came */
	NUMBER_CSEQ,
	NUMBER_AUTH_MODE,
	NUMBER_COUNT,
};

/* The request of a message's script. */
struct request {
	struct span texts[TEXT_COUNT];
	int64_t numbers[NUMBER_COUNT];
};
static unsigned slot;

static const struct key {
	const char *name;
	bool is_number;
	unsigned index;
} keys[] = {
	{ "method", false, TEXT_METHOD },    { "ruri", false, TEXT_RURI },
	{ "furi", false, TEXT_FURI },        { "turi", false, TEXT_TURI },
	{ "ouri", false, TEXT_OURI },        { "callid", false, TEXT_CALL_ID },
	{ "hdrs", false, TEXT_HEADERS },     { "body", false, TEXT_BODY },
	{ "sock", false, TEXT_SOCKET },      { "auser", false, TEXT_USER },
	{ "apasswd", false, TEXT_PASSWORD }, { "evparam", false, TEXT_PARAM },
	{ "evroute", true, NUMBER_ROUTE },   { "evcode", true, NUMBER_CODE },
	{ "evtype", true, NUMBER_TYPE },     { "cseqno", true, NUMBER_CSEQ },
	{ "amode", true, NUMBER_AUTH_MODE },
};

bool request_prepare(void)
{
	slot = message_slot("uac");
	return true;
}

/* ---- $uac_req(...) ------------------------------------------------------------------------------------------------- */

static const struct key *key_of(struct span name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (span_equal(name, span_from(keys[i].name)))
			return &keys[i];
	return NULL;
}

const char *request_bind(struct variable_ref *ref, struct arena *arena)
{
	(void)arena;
	if (ref->inner_template || key_of(ref->inner) || span_equal(ref->inner, SPAN_OF("all")))
		return NULL;
	return "$uac_req(...) knows method ruri furi turi ouri callid hdrs body sock auser apasswd amode "
	       "cseqno evroute evcode evtype evparam all";
}

bool request_get(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	const struct request *request = run->msg->slots[slot];
	const struct key *key = key_of(variable_inner_text(run, ref));
	*out = (struct value){ 0 };
	if (!request || !key)
		return true;
	if (key->is_number)
		*out = VALUE_OF_INT(request->numbers[key->index]);
	else if (request->texts[key->index].len)
		*out = VALUE_OF_TEXT(request->texts[key->index]);
	return true;
}

static struct request *request_of(struct message *msg)
{
	if (!msg->slots[slot])
		msg->slots[slot] = ARENA_NEW(msg->arena, struct request);
	return msg->slots[slot];
}

bool request_set(struct script_run *run, const struct variable_ref *ref, const struct value *value)
{
	struct request *request = request_of(run->msg);
	struct span name = variable_inner_text(run, ref), text;
	const struct key *key = key_of(name);
	if (!request)
		return false;
	if (span_equal(name, SPAN_OF("all"))) {
		*request = (struct request){ 0 };
		return true;
	}
	if (!key)
		return false;
	if (key->is_number)
		return value->kind == VALUE_NULL
			       ? (request->numbers[key->index] = 0, true)
			       : value_to_int(value, &request->numbers[key->index]);
	if (value->kind == VALUE_NULL) {
		request->texts[key->index] = NO_SPAN;
		return true;
	}
	if (!value_to_text(run, value, &text))
		return false;
	request->texts[key->index] = arena_copy(run->msg->arena, text);
	return request->texts[key->index].at != NULL;
}

/* ---- travelling --------------------------------------------------------------------------------------------------------- */

struct packed {
	int64_t numbers[NUMBER_COUNT];
	uint32_t attempt;
	uint32_t lens[TEXT_COUNT];
	char bytes[];
};

static struct packed *pack(struct arena *arena, const struct request *request, uint32_t attempt,
			   size_t *out_len)
{
	size_t len = offsetof(struct packed, bytes);
	for (unsigned i = 0; i < TEXT_COUNT; i++)
		len += request->texts[i].len;
	struct packed *packed = arena_alloc(arena, len + sizeof(*packed));
	if (!packed)
		return NULL;
	memcpy(packed->numbers, request->numbers, sizeof(packed->numbers));
	packed->attempt = attempt;
	char *end = packed->bytes;
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		packed->lens[i] = (uint32_t)request->texts[i].len;
		if (request->texts[i].len)
			memcpy(end, request->texts[i].at, request->texts[i].len);
		end += request->texts[i].len;
	}
	*out_len = len;
	return packed;
}

static bool unpack(const void *data, size_t len, struct request *out, uint32_t *out_attempt)
{
	struct packed head;
	size_t at = offsetof(struct packed, bytes);
	if (len < at)
		return false;
	memcpy(&head, data, at);
	memcpy(out->numbers, head.numbers, sizeof(out->numbers));
	*out_attempt = head.attempt;
	for (unsigned i = 0; i < TEXT_COUNT; i++) {
		if (head.lens[i] > len - at)
			return false;
		out->texts[i] =
			head.lens[i] ? span_make((const char *)data + at, head.lens[i]) : NO_SPAN;
		at += head.lens[i];
	}
	return true;
}

/* ---- sending --------------------------------------------------------------------------------------------------------------- */

static void on_result(const struct tm_uac_result *result);

static const struct listener *socket_of(struct span text)
{
	struct end_point address;
	const struct listener *found = NULL;
	if (!text.len)
		return uac_default_socket();
	found = listener_by_name(text);
	if (!found && end_point_parse(text, &address))
		found = listener_find(&address);
	if (!found)
		log_warning("uac_req_send: %.*s is no socket of this server (listen=)",
			    SPAN_ARGS(text));
	return found;
}

static bool send_it(struct arena *arena, const struct request *request, struct span answer,
		    uint32_t attempt)
{
	const struct span *texts = request->texts;
	size_t len = 0;
	bool is_heard = request->numbers[NUMBER_ROUTE] || texts[TEXT_USER].len;
	struct packed *packed = pack(arena, request, attempt, &len);
	struct span headers = texts[TEXT_HEADERS];
	if (headers.len && !span_ends_with(headers, SPAN_OF("\n")))
		headers = arena_printf(arena, "%.*s\r\n", SPAN_ARGS(headers));
	if (answer.len)
		headers = arena_printf(arena, "%.*s%.*s", SPAN_ARGS(headers), SPAN_ARGS(answer));
	int64_t cseq = request->numbers[NUMBER_CSEQ] > 0 ? request->numbers[NUMBER_CSEQ] : 10;
	struct tm_uac uac = { .method = texts[TEXT_METHOD],
			      .uri = texts[TEXT_RURI],
			      .next_hop = texts[TEXT_OURI],
			      .from = texts[TEXT_FURI],
			      .to = texts[TEXT_TURI],
			      .from_tag = texts[TEXT_FROM_TAG],
			      .call_id = texts[TEXT_CALL_ID],
			      .cseq = (uint32_t)cseq + attempt,
			      .headers = headers,
			      .body = texts[TEXT_BODY],
			      .socket = socket_of(texts[TEXT_SOCKET]) };
	if (!packed || (texts[TEXT_HEADERS].len && !headers.at))
		return false;
	if (is_heard) {
		uac.done = on_result;
		uac.data = packed;
		uac.data_len = len;
	}
	return uac_tm()->uac(&uac, NULL);
}

/* ---- what became of it ---------------------------------------------------------------------------------------------------------- */

static void tell(const struct tm_uac_result *result, const struct request *request)
{
	struct arena arena;
	const struct image *image = script_current_image();
	if (!request->numbers[NUMBER_ROUTE] || !image ||
	    !script_route(image, ROUTE_EVENT, SPAN_OF("uac:reply")))
		return;
	arena_init(&arena, 4096, (size_t)4 << 20);
	struct message *msg = result->reply ? result->reply : script_faked_request(&arena);
	struct request *copy = msg ? ARENA_NEW(msg->arena, struct request) : NULL;
	if (copy) {
		for (unsigned i = 0; i < TEXT_COUNT; i++)
			copy->texts[i] = arena_copy(msg->arena, request->texts[i]);
		memcpy(copy->numbers, request->numbers, sizeof(copy->numbers));
		copy->numbers[NUMBER_CODE] = result->code;
		copy->numbers[NUMBER_TYPE] = result->reply ? 1 : 2;
		void *before = msg->slots[slot];
		msg->slots[slot] = copy;
		script_run_event("uac:reply", msg, NULL, NULL);
		msg->slots[slot] = before;
	}
	arena_free(&arena);
}

static void answer(const struct tm_uac_result *result, const struct request *request)
{
	const struct uac_credentials credentials = {
		.user = request->texts[TEXT_USER],
		.secret = request->texts[TEXT_PASSWORD],
		.is_ha1 = request->numbers[NUMBER_AUTH_MODE] == 1,
	};
	struct auth_params challenge;
	struct arena *arena = result->reply->arena;
	struct writer w = writer_in_arena(arena, 512);
	if (!challenge_find(result->reply, NO_SPAN, &challenge) ||
	    !answer_write(&w, arena, result->reply, &challenge, &credentials,
			  request->texts[TEXT_METHOD], request->texts[TEXT_RURI])) {
		log_debug("the challenge to a request of the script cannot be answered");
		return;
	}
	if (!send_it(arena, request, writer_result(&w), 1))
		log_error("the answer to a challenge could not be sent");
}

static void on_result(const struct tm_uac_result *result)
{
	struct request request;
	uint32_t attempt;
	if (!unpack(result->data, result->data_len, &request, &attempt))
		return;
	tell(result, &request);
	if (attempt == 0 && result->reply && (result->code == 401 || result->code == 407) &&
	    request.texts[TEXT_USER].len)
		answer(result, &request);
}

/* ---- the function --------------------------------------------------------------------------------------------------------------------- */

SCRIPT_HANDLER_PLAIN(uac_req_send)

static const struct script_function functions[] = {
	FUNCTION_PLAIN("uac_req_send", uac_req_send, IN_ANY, "Sends the request that $uac_req(...) describes."),
};
const struct function_table request_functions = { functions, ARRAY_SIZE(functions) };

static struct span drawn(struct arena *arena)
{
	struct writer w = writer_in_arena(arena, 40);
	writer_hex(&w, random_uint64(), 16);
	writer_hex(&w, random_uint64(), 16);
	return writer_result(&w);
}

static int uac_req_send(struct script_run *run)
{
	struct request *request = run->msg->slots[slot];
	if (!request || !request->texts[TEXT_METHOD].len || !request->texts[TEXT_RURI].len ||
	    !request->texts[TEXT_FURI].len || !request->texts[TEXT_TURI].len) {
		log_error("uac_req_send: set $uac_req(method), (ruri), (furi) and (turi) before");
		return SCRIPT_FALSE;
	}
	/* The same again after a challenge. */
	struct request sent = *request;
	sent.texts[TEXT_FROM_TAG] = drawn(run->arena);
	if (!sent.texts[TEXT_CALL_ID].len)
		sent.texts[TEXT_CALL_ID] = drawn(run->arena);
	return send_it(run->arena, &sent, NO_SPAN, 0) ? SCRIPT_TRUE : SCRIPT_FALSE;
}
