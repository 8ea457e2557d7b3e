/* SPDX-License-Identifier: BSD-2-Clause */
/* sanity: refuses malformed messages with an answer that says why. The rows of the module; the
 * checks are in check.c. */
#include "modules/sanity/sanity.h"
#include "modules/sl/sl_api.h"

static struct sanity_settings settings = {
	.default_checks = SANITY_URI_VERSION | SANITY_URI_SCHEME | SANITY_REQUIRED_HEADERS |
		SANITY_CSEQ_METHOD | SANITY_CSEQ_VALUE | SANITY_CONTENT_LENGTH | SANITY_EXPIRES |
		SANITY_PROXY_REQUIRE | SANITY_DIGEST,
	.uri_checks = SANITY_URI_REQUEST | SANITY_URI_FROM | SANITY_URI_TO,
	.autodrop = true,
	.size_message = 16384,
	.size_headers = 8192,
	.size_body = 8192,
	.size_header = 2048,
	.size_method = 32,
	.size_ruri = 256,
	.size_from_uri = 256,
	.size_to_uri = 256,
	.size_contact_uri = 256,
	.size_route_uri = 256,
	.size_path_uri = 256,
	.size_pai_uri = 256,
};
const struct sanity_settings *const sanity_settings = &settings;

static struct {
	unsigned slot; /* of the fault that sanity_reply answers */
	const void *sl;
} state;

static const struct field setting_fields[] = {
	FIELD(settings, default_checks, "bits of the checks when none are given", .min = 1,
		.max = SANITY_ALL),
	FIELD(settings, uri_checks, "bits of the URIs to parse: 1 request, 2 From, 4 To, 8 Contact",
		.min = 1, .max = 15),
	FIELD(settings, proxy_require, "option tags that Proxy-Require may ask for"),
	FIELD(settings, autodrop, "end the script when a check fails; 0: return -1"),
	FIELD(settings, noreply, "do not answer; the script does, or calls sanity_reply()"),
	FIELD(settings, size_checks, "check sizes always, also without the bit 65536"),
	FIELD(settings, size_message, "largest message; 0: no limit", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_headers, "largest header section", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_body, "largest body", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_header, "longest header line", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_method, "longest method name", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_ruri, "longest Request-URI", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_from_uri, "longest URI in From", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_to_uri, "longest URI in To", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_contact_uri, "longest URI in Contact", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_route_uri, "longest URI in Route and Record-Route", .min = 0,
		.max = INT32_MAX),
	FIELD(settings, size_path_uri, "longest URI in Path", .min = 0, .max = INT32_MAX),
	FIELD(settings, size_pai_uri, "longest URI in P-Asserted-Identity", .min = 0,
		.max = INT32_MAX),
};

struct check_args {
	int64_t checks, uris;
};
static const struct field check_fields[] = {
	FIELD(struct check_args, checks, "bits of the checks", .optional = true, .min = 1,
		.max = SANITY_ALL),
	FIELD(struct check_args, uris, "bits of the URIs to parse", .optional = true, .min = 1,
		.max = 15),
};
SCRIPT_HANDLER(check)
SCRIPT_HANDLER_PLAIN(reply)

static const struct script_function functions[] = {
	FUNCTION("sanity_check", check, IN_ANY,
		"Checks the message; answers what is wrong, ends the script (autodrop) or fails."),
	FUNCTION_PLAIN("sanity_reply", reply, IN_ANY,
		"Answers what the last check found, with noreply=1."),
};

static struct sanity_fault find_fault(struct message *msg, int64_t bits, int64_t uri_bits)
{
	for (unsigned i = 0; i < sanity_row_count; i++) {
		if (!(bits & sanity_rows[i].bit))
			continue;
		struct sanity_fault fault = sanity_rows[i].check(msg, uri_bits);
		if (fault.code)
			return fault;
	}
	return (struct sanity_fault){ 0 };
}

/* Replies are not answered, nor is ACK. */
static bool answer(struct script_run *run, const struct sanity_fault *fault)
{
	const struct sl_api *sl = state.sl;
	struct message *msg = run->msg;
	if (!message_is_request(msg) || msg->index->method == METHOD_ACK)
		return true;
	if (fault->line.len && !message_add_reply_line(msg, fault->line))
		return false;
	return sl->send_reply(run, fault->code, span_from(fault->reason));
}

static int check(struct script_run *run, const struct check_args *args)
{
	int64_t bits = args->checks ? args->checks : settings.default_checks;
	int64_t uri_bits = args->uris ? args->uris : settings.uri_checks;
	if (settings.size_checks)
		bits |= SANITY_SIZES;
	struct sanity_fault fault = find_fault(run->msg, bits, uri_bits);
	if (!fault.code)
		return SCRIPT_TRUE;
	log_debug("the message is refused: %u %s", fault.code, fault.reason);
	struct sanity_fault *kept = ARENA_NEW(run->msg->arena, struct sanity_fault);
	if (kept)
		*kept = fault;
	run->msg->slots[state.slot] = kept;
	if (!settings.noreply && !answer(run, &fault))
		log_warning("the answer %u %s could not be sent", fault.code, fault.reason);
	if (!settings.autodrop)
		return SCRIPT_FALSE;
	run->dropped = true; /* a reply must not be relayed */
	run->msg->notes |= NOTE_DROPPED;
	return SCRIPT_STOP;
}

static int reply(struct script_run *run)
{
	const struct sanity_fault *fault = run->msg->slots[state.slot];
	if (!settings.noreply || !fault)
		return SCRIPT_FALSE;
	run->msg->slots[state.slot] = NULL;
	return answer(run, fault) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool prepare(struct diagnostics *diagnostics)
{
	(void)diagnostics;
	state.slot = message_slot("sanity");
	return true;
}

static const struct module_need needs[] = {
	{ .name = "sl", .version = SL_API_VERSION, .out_functions = &state.sl },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "sanity",
	.doc = "Refuses malformed messages with an answer that says why.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.needs = ROWS(needs),
	.prepare = prepare,
};
