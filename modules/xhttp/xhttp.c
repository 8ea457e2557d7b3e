/* SPDX-License-Identifier: BSD-2-Clause */
/* xhttp: HTTP requests on the SIP ports, worked on by event_route[xhttp:request]. */
#include "core/message/http.h"
#include "core/module/module.h"

static struct {
	const struct pattern *match, *skip;
} settings;

static const char *accept_pattern(struct span text, const struct pattern **out_pattern)
{
	struct span error;
	*out_pattern = pattern_compile(text, 0, startup_arena(), &error);
	return *out_pattern ? NULL : arena_string(startup_arena(), error);
}

static const char *accept_match(struct span text, int64_t number)
{
	return text.at ? accept_pattern(text, &settings.match) : "expected a regular expression";
}

static const char *accept_skip(struct span text, int64_t number)
{
	return text.at ? accept_pattern(text, &settings.skip) : "expected a regular expression";
}

static const struct field setting_fields[] = {
	FIELD_ACCEPT("url_match", accept_match, "only URLs that match are worked on"),
	FIELD_ACCEPT("url_skip", accept_skip, "URLs that match are left to others"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
};

/* ---- requests ---- */
static enum claim_result claim_http(struct message *msg)
{
	struct span url = message_original_uri(msg);
	if (settings.skip && pattern_search(settings.skip, url, 0, NULL, 0))
		return CLAIM_PASS;
	if (settings.match && !pattern_search(settings.match, url, 0, NULL, 0))
		return CLAIM_PASS;
	return script_run_event("xhttp:request", msg, NULL, NULL) ? CLAIM_CONSUMED : CLAIM_PASS;
}

struct xhttp_reply_args {
	struct span code, reason, content_type, body;
};
static const struct field xhttp_reply_fields[] = {
	FIELD(struct xhttp_reply_args, code, "status"),
	FIELD(struct xhttp_reply_args, reason, "reason phrase"),
	FIELD(struct xhttp_reply_args, content_type, "type of the body; empty: none"),
	FIELD(struct xhttp_reply_args, body, "text of the body"),
};
SCRIPT_HANDLER(xhttp_reply)

static int xhttp_reply(struct script_run *run, const struct xhttp_reply_args *args)
{
	struct http_reply reply = { .reason = args->reason,
				    .content_type = args->content_type,
				    .body = args->body };
	uint32_t code;
	if (!span_to_uint32(args->code, &code) || code < 100 || code > 699) {
		log_error("xhttp_reply: \"%.*s\" is no status", SPAN_ARGS(args->code));
		return SCRIPT_FALSE;
	}
	reply.code = code;
	if (!run->msg->index->is_http) {
		log_error("xhttp_reply: the current message is no HTTP request");
		return SCRIPT_FALSE;
	}
	return http_reply_send(run->msg, &reply) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

/* ---- $hu and {url.…} ---- */
static bool get_url(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	*out = (struct value){ .kind = VALUE_NULL };
	if (run->msg->index->is_http)
		*out = VALUE_OF_TEXT(message_original_uri(run->msg));
	return true;
}

enum url_part { URL_PATH, URL_QUERY };

static bool url_part(struct script_run *run, struct value *value, const struct span *args,
		     unsigned count, intptr_t selector)
{
	struct span url;
	if (!value_to_text(run, value, &url))
		return false;
	struct span part = selector == URL_PATH ? http_path(url) : http_query(url);
	*value = VALUE_OF_TEXT((part.at ? part : SPAN_OF("")));
	return true;
}

static const struct script_function functions[] = {
	FUNCTION("xhttp_reply", xhttp_reply, IN_ANY, "Answers the HTTP request."),
};

static const struct variable_row variables[] = {
	{ .name = "hu", .get = get_url, .doc = "URL of the HTTP request" },
};

static const struct transform_row transforms[] = {
	{ "url", "path", url_part, .selector = URL_PATH, .doc = "path of a URL" },
	{ "url", "querystring", url_part, .selector = URL_QUERY, .doc = "query of a URL" },
};

static const struct module_event events[] = {
	{ "xhttp:request", ROUTE_EVENT, "an HTTP request came" },
};

static const struct claim claims[] = {
	{ .name = "xhttp", .order = 10, .http = claim_http },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "xhttp",
	.doc = "Works on HTTP requests that come to the SIP ports.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.variables = ROWS(variables),
	.transforms = ROWS(transforms),
	.events = ROWS(events),
	.claims = ROWS(claims),
};
