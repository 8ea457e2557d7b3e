/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls that this server brings together (dlg_bridge): INVITE to one party, on hold; when it answers,
 * REFER to the other address (RFC 3515); when that is answered, BYE. */
#include "modules/dialog/bridge.h"

#include <stdio.h>

#define ADDRESS_MOST 512
#define ROUTES_MOST  1024

/* What goes from one step to the next, as the data of the request. Texts end in zero. */
struct bridge {
	char from[ADDRESS_MOST]; /* who is called */
	char to[ADDRESS_MOST];   /* whom it shall call */
	char next_hop[ADDRESS_MOST];
	char contact[ADDRESS_MOST];
	char routes[ROUTES_MOST];
	char call_id[40], from_tag[24], to_tag[ADDRESS_MOST];
	uint32_t cseq;
};

static const char held[] = "v=0\r\n"
			   "o=- 1 1 IN IP4 0.0.0.0\r\n"
			   "s=-\r\n"
			   "c=IN IP4 0.0.0.0\r\n"
			   "t=0 0\r\n"
			   "m=audio 9 RTP/AVP 8 0\r\n"
			   "a=rtpmap:8 PCMA/8000\r\n"
			   "a=rtpmap:0 PCMU/8000\r\n"
			   "a=sendonly\r\n";

static bool keep(char *out, size_t size, struct span text)
{
	if (text.len >= size)
		return false;
	if (text.len)
		memcpy(out, text.at, text.len);
	out[text.len] = 0;
	return true;
}

static void draw(char *out, unsigned words, size_t size)
{
	struct writer w = writer_fixed(out, size - 1);
	for (unsigned i = 0; i < words; i++)
		writer_hex(&w, random_uint64(), 16);
	out[w.len] = 0;
}

/* ---- requests ---- */

static bool send_step(const struct bridge *bridge, const char *method, struct span headers,
		      struct span body, tm_uac_done done)
{
	const struct tm_uac uac = {
		.method = span_from(method),
		.uri = span_from(bridge->contact[0] ? bridge->contact : bridge->from),
		.next_hop = span_from(bridge->next_hop[0] ? bridge->next_hop : NULL),
		.from = dialog_settings->bridge_controller,
		.to = span_from(bridge->from),
		.from_tag = span_from(bridge->from_tag),
		.to_tag = span_from(bridge->to_tag[0] ? bridge->to_tag : NULL),
		.call_id = span_from(bridge->call_id),
		.cseq = bridge->cseq,
		.headers = headers,
		.body = body,
		.done = done,
		.data = bridge,
		.data_len = sizeof(*bridge),
	};
	return dialog_tm()->uac(&uac, NULL);
}

static bool take_bridge(const struct tm_uac_result *result, struct bridge *out)
{
	if (result->data_len != sizeof(*out))
		return false;
	memcpy(out, result->data, sizeof(*out));
	return true;
}

static void write_route(const struct bridge *bridge, struct writer *w)
{
	if (bridge->routes[0])
		writer_printf(w, "Route: %s\r\n", bridge->routes);
}

static void referred(const struct tm_uac_result *result)
{
	char headers[ROUTES_MOST + 64];
	struct writer w = writer_fixed(headers, sizeof(headers));
	struct bridge bridge;
	if (!take_bridge(result, &bridge))
		return;
	if (result->code >= 300)
		log_notice("bridge: %s does not call %s: %u %.*s", bridge.from, bridge.to,
			   result->code, SPAN_ARGS(result->reason));
	bridge.cseq++;
	write_route(&bridge, &w);
	if (w.failed || !send_step(&bridge, "BYE", writer_result(&w), SPAN_OF(""), NULL))
		log_error("bridge: no BYE to %s", bridge.from);
}

/* Takes tag, Contact and routes of the answer; false when it lacks them or they are too long. */
static bool learn(struct bridge *bridge, struct message *reply)
{
	struct span routes = routes_of_answer(reply), rest = routes;
	struct name_addr first;
	bridge->next_hop[0] = 0;
	if (routes.len && name_addr_next(&rest, &first) == LIST_ITEM &&
	    !keep(bridge->next_hop, sizeof(bridge->next_hop), first.uri))
		return false;
	return keep(bridge->routes, sizeof(bridge->routes), routes) &&
	       keep(bridge->contact, sizeof(bridge->contact), contact_of(reply)) &&
	       keep(bridge->to_tag, sizeof(bridge->to_tag), message_to_tag(reply));
}

static void answered(const struct tm_uac_result *result)
{
	char headers[ROUTES_MOST + 3 * ADDRESS_MOST];
	struct writer w = writer_fixed(headers, sizeof(headers));
	struct bridge bridge;
	if (!take_bridge(result, &bridge))
		return;
	if (result->code >= 300 || !result->reply) {
		log_notice("bridge: %s does not answer: %u %.*s", bridge.from, result->code,
			   SPAN_ARGS(result->reason));
		return;
	}
	if (!learn(&bridge, result->reply)) {
		log_error("bridge: the answer of %s has addresses that are too long", bridge.from);
		return;
	}
	bridge.cseq++;
	write_route(&bridge, &w);
	writer_printf(&w, "Referred-By: <%.*s>\r\nRefer-To: <%s>\r\nContact: <%.*s>\r\n",
		      SPAN_ARGS(dialog_settings->bridge_controller), bridge.to,
		      SPAN_ARGS(dialog_settings->bridge_contact));
	if (w.failed || !send_step(&bridge, "REFER", writer_result(&w), SPAN_OF(""), referred))
		log_error("bridge: no REFER to %s", bridge.from);
}

bool bridge_start(struct span from, struct span to, struct span proxy, struct span body)
{
	struct bridge bridge = { .cseq = 1 };
	char headers[ADDRESS_MOST + 64];
	struct writer w = writer_fixed(headers, sizeof(headers));
	if (!keep(bridge.from, sizeof(bridge.from), from) ||
	    !keep(bridge.to, sizeof(bridge.to), to) ||
	    !keep(bridge.next_hop, sizeof(bridge.next_hop), proxy)) {
		log_error("bridge: an address is longer than %d bytes", ADDRESS_MOST - 1);
		return false;
	}
	draw(bridge.call_id, 2, sizeof(bridge.call_id));
	draw(bridge.from_tag, 1, sizeof(bridge.from_tag));
	if (!body.at)
		body = span_make(held, sizeof(held) - 1);
	writer_printf(&w, "Contact: <%.*s>\r\n", SPAN_ARGS(dialog_settings->bridge_contact));
	if (body.len)
		writer_literal(&w, "Content-Type: application/sdp\r\n");
	return !w.failed && send_step(&bridge, "INVITE", writer_result(&w), body, answered);
}

/* ---- the script ---- */

struct bridge_args {
	struct span from, to, op;
};
static const struct field bridge_fields[] = {
	FIELD(struct bridge_args, from, "SIP address that is called"),
	FIELD(struct bridge_args, to, "SIP address that it shall call"),
	FIELD(struct bridge_args, op, "URI of the proxy that the requests go to"),
};
struct by_did_args {
	int64_t h_entry, h_id;
	struct span side, address;
};
static const struct field by_did_fields[] = {
	FIELD(struct by_did_args, h_entry, "entry of the dialog"),
	FIELD(struct by_did_args, h_id, "number of the dialog"),
	FIELD(struct by_did_args, side, "caller or callee"),
	FIELD(struct by_did_args, address, "SIP address that the side shall call"),
};
struct by_call_args {
	struct span callid, side, address;
};
static const struct field by_call_fields[] = {
	FIELD(struct by_call_args, callid, "Call-ID"),
	FIELD(struct by_call_args, side, "caller or callee"),
	FIELD(struct by_call_args, address, "SIP address that the side shall call"),
};
struct load_args {
	struct span callid;
};
static const struct field load_fields[] = {
	FIELD(struct load_args, callid, "Call-ID"),
};

SCRIPT_HANDLER(bridge)
SCRIPT_HANDLER(by_did)
SCRIPT_HANDLER(by_call)
SCRIPT_HANDLER(load)
SCRIPT_HANDLER_PLAIN(load_all)

static const struct script_function functions[] = {
	FUNCTION("dlg_bridge", bridge, IN_ANY,
		"Calls an address and refers it to another: INVITE, REFER, BYE."),
	FUNCTION("dlg_refer_did", by_did, IN_ANY, "dlg_refer for the dialog with these numbers."),
	FUNCTION("dlg_refer_dcid", by_call, IN_ANY, "dlg_refer for the dialog of this call."),
	FUNCTION("dlg_db_load_callid", load, IN_ANY,
		"Loads the dialogs of a call from the database (db_mode)."),
	FUNCTION_PLAIN("dlg_db_load_extra", load_all, IN_ANY,
		"Loads the dialogs of the database that are not in memory (db_mode)."),
};
const struct function_table bridge_functions = ROWS(functions);

static int bridge(struct script_run *run, const struct bridge_args *args)
{
	(void)run;
	return bridge_start(args->from, args->to, args->op, (struct span){ NULL, 0 })
		       ? SCRIPT_TRUE
		       : SCRIPT_FALSE;
}

static int by_did(struct script_run *run, const struct by_did_args *args)
{
	struct dialog_name name;
	if (!dialog_find_numbers((uint32_t)args->h_entry, (uint32_t)args->h_id, &name))
		return SCRIPT_FALSE;
	return refer_dialog(run, name, args->side, args->address);
}

static int by_call(struct script_run *run, const struct by_call_args *args)
{
	struct dialog_name name;
	return dialog_find_call(args->callid, &name)
		       ? refer_dialog(run, name, args->side, args->address)
		       : SCRIPT_FALSE;
}

static int load_some(struct span call_id)
{
	if (!rows_are_kept()) {
		log_error("dialogs cannot be loaded from a database: dialog.db_mode is 0");
		return SCRIPT_FALSE;
	}
	return rows_load(call_id) >= 0 ? SCRIPT_TRUE : SCRIPT_FALSE;
}

static int load(struct script_run *run, const struct load_args *args)
{
	(void)run;
	return load_some(args->callid.at ? args->callid : SPAN_OF(""));
}

static int load_all(struct script_run *run)
{
	(void)run;
	return load_some((struct span){ NULL, 0 });
}
