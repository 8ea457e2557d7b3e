/* SPDX-License-Identifier: BSD-2-Clause */
/* xmlrpc: RPC commands as XML-RPC over HTTP on the SIP ports. */
#include "modules/xmlrpc/xmlrpc.h"

#include <libxml/parser.h>

#include "core/message/http.h"
#include "core/script/registry.h"

/* After xhttp, which works on all HTTP requests that its url_match does not leave out. */
#define CLAIM_ORDER 20
/* What the Request-URI of an HTTP request becomes, so that functions which read it find a URI. */
#define SIP_URI "sip:127.0.0.1:9"

enum { MODE_HTTP, MODE_FUNCTIONS_ONLY };

static struct {
	struct span route;
	bool escape_cr, double_lf_to_crlf;
	int64_t mode;
	const struct pattern *match, *skip;
} settings = { .escape_cr = true };

static const char *accept_pattern(struct span text, const struct pattern **out_pattern)
{
	struct span error;
	if (!text.at)
		return "expected a regular expression";
	*out_pattern = pattern_compile(text, 0, startup_arena(), &error);
	return *out_pattern ? NULL : arena_string(startup_arena(), error);
}

static const char *accept_match(struct span text, int64_t number)
{
	return accept_pattern(text, &settings.match);
}

static const char *accept_skip(struct span text, int64_t number)
{
	return accept_pattern(text, &settings.skip);
}

static const char *note_route(struct span text, int64_t number)
{
	(void)number;
	script_register_route(text);
	return NULL;
}

static const struct field setting_fields[] = {
	FIELD(settings, route, "route that works on HTTP requests; empty: the main route",
		.accept = note_route),
	FIELD(settings, escape_cr, "write a carriage return as &#xD;"),
	FIELD(settings, double_lf_to_crlf, "two line feeds in a parameter are a CR LF"),
	FIELD(settings, mode, "1: HTTP requests go to others, the functions work", .max = 1),
	FIELD_ACCEPT("url_match", accept_match, "only URLs that match are worked on"),
	FIELD_ACCEPT("url_skip", accept_skip, "URLs that match are left to others"),
	FIELD_IGNORED("autoconversion", "parameters are always converted where that is possible"),
	FIELD_IGNORED("event_callback", "routes are in the native language"),
};

/* ---- requests ---- */

static bool is_wanted(const struct message *msg)
{
	struct span method = message_method_name(msg), url = message_original_uri(msg);
	if (settings.mode == MODE_FUNCTIONS_ONLY ||
	    (!span_equal(method, SPAN_OF("POST")) && !span_equal(method, SPAN_OF("GET"))))
		return false;
	if (settings.skip && pattern_search(settings.skip, url, 0, NULL, 0))
		return false;
	return !settings.match || pattern_search(settings.match, url, 0, NULL, 0);
}

static enum claim_result claim_http(struct message *msg)
{
	struct script_run run;
	if (!is_wanted(msg))
		return CLAIM_PASS;
	if (!message_set_uri(msg, SPAN_OF(SIP_URI)) ||
	    !script_run_init(&run, msg, ROUTE_REQUEST, NULL))
		return CLAIM_CONSUMED;
	uint32_t route = script_route(run.image, ROUTE_REQUEST, settings.route);
	if (route)
		script_run_route(&run, route);
	else
		log_error("there is no route[%.*s] for XML-RPC", SPAN_ARGS(settings.route));
	return CLAIM_CONSUMED;
}

/* ---- functions ---- */

struct xmlrpc_reply_args {
	int64_t code;
	struct span reason;
};
static const struct field xmlrpc_reply_fields[] = {
	FIELD(struct xmlrpc_reply_args, code, "faultCode; 200-299: no fault", .min = 0, .max = INT32_MAX),
	FIELD(struct xmlrpc_reply_args, reason, "faultString"),
};
SCRIPT_HANDLER(xmlrpc_reply)
SCRIPT_HANDLER_PLAIN(dispatch_rpc)

static int send_answer(struct script_run *run, const struct writer *w)
{
	struct http_reply reply = { .code = 200,
				    .reason = SPAN("OK"),
				    .content_type = SPAN("text/xml"),
				    .body = writer_result(w) };
	if (w->failed) {
		log_error("an XML-RPC answer needs more memory than a message may have");
		reply = (struct http_reply){ .code = 500, .reason = SPAN("Internal Server Error") };
	}
	return http_reply_send(run->msg, &reply) ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static bool need_http(const struct script_run *run, const char *function)
{
	if (!run->msg->index->is_http)
		log_error("%s: the current message is no HTTP request", function);
	return run->msg->index->is_http;
}

static int xmlrpc_reply(struct script_run *run, const struct xmlrpc_reply_args *args)
{
	struct writer w = writer_in_arena(run->arena, 512);
	if (!need_http(run, "xmlrpc_reply"))
		return SCRIPT_FALSE;
	if (args->code >= 200 && args->code < 300)
		xmlrpc_write_success(&w);
	else
		xmlrpc_write_fault(&w, (int)args->code, args->reason, settings.escape_cr);
	return send_answer(run, &w);
}

static int dispatch_rpc(struct script_run *run)
{
	struct writer w = writer_in_arena(run->arena, 1024);
	struct xmlrpc_fault fault;
	if (!need_http(run, "dispatch_rpc"))
		return SCRIPT_FALSE;
	struct rpc_call *call = xmlrpc_read(message_body(run->msg), settings.double_lf_to_crlf,
					    run->msg->arena, &fault);
	if (call) {
		rpc_run(call);
		xmlrpc_write_answer(&w, call, settings.escape_cr);
	} else {
		xmlrpc_write_fault(&w, fault.code, span_from(fault.text), settings.escape_cr);
	}
	return send_answer(run, &w);
}

static const struct script_function functions[] = {
	FUNCTION_PLAIN("dispatch_rpc", dispatch_rpc, IN_ANY, "Answers the XML-RPC call of an HTTP message."),
	FUNCTION("xmlrpc_reply", xmlrpc_reply, IN_ANY, "Answers with a fault, or with 1 when the code is below 300."),
};

/* ---- life cycle ---- */

/* libxml2 has tables to make, once and before there are several processes. */
static bool prepare(struct diagnostics *diagnostics)
{
	xmlInitParser();
	return true;
}

static bool start(void)
{
	if (settings.mode == MODE_HTTP &&
	    !script_route(script_current_image(), ROUTE_REQUEST, settings.route)) {
		log_error(
			"xmlrpc: there is no route[%.*s], which modparam(\"xmlrpc\", \"route\", …) names",
			SPAN_ARGS(settings.route));
		return false;
	}
	return true;
}

static const struct claim claims[] = {
	{ .name = "xmlrpc", .order = CLAIM_ORDER, .http = claim_http },
};

MODULE_EXPORT const struct module module_exports = {
	.abi = MODULE_ABI,
	.name = "xmlrpc",
	.doc = "RPC commands as XML-RPC over HTTP on the SIP ports.",
	.settings = { &settings, FIELDS(setting_fields) },
	.functions = ROWS(functions),
	.claims = ROWS(claims),
	.prepare = prepare,
	.start = start,
};
