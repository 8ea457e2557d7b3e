/* SPDX-License-Identifier: BSD-2-Clause */
/* The two parties of a call as this server speaks to them itself: route sets (RFC 3261 12.1, seen from
 * the middle of the path) and requests inside the dialog (12.2.1.1). */
#include "modules/dialog/dialog.h"

#define ROUTES_MOST 32

/* bits of keep_proxy_rr */
enum { KEEP_FOR_CALLEE = 1, KEEP_FOR_CALLER = 2 };

static unsigned collect(struct message *msg, struct name_addr out[ROUTES_MOST])
{
	unsigned count = 0;
	for (const struct sip_header *h = message_header(msg, HEADER_RECORD_ROUTE); h;
	     h = message_next_header(msg, h)) {
		struct span rest = message_header_value(msg, h);
		while (count < ROUTES_MOST && name_addr_next(&rest, &out[count]) == LIST_ITEM)
			count++;
	}
	return count;
}

static void write_route(struct writer *w, const struct name_addr *route)
{
	if (w->len)
		writer_char(w, ',');
	writer_span(w, route->whole);
}

/* Towards the caller: what proxies before us recorded, in this order. */
struct span routes_of_request(struct message *request)
{
	struct name_addr routes[ROUTES_MOST];
	unsigned count = collect(request, routes);
	struct writer w = writer_in_arena(request->arena, 256);
	if (dialog_settings->keep_proxy_rr & KEEP_FOR_CALLER && request->from.listener)
		writer_printf(&w, "<sip:%.*s;lr>", SPAN_ARGS(request->from.listener->host_port));
	for (unsigned i = 0; i < count; i++)
		write_route(&w, &routes[i]);
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

static bool is_ours(const struct name_addr *route)
{
	struct sip_uri uri;
	return uri_parse(route->uri, &uri) && is_myself(uri.host, uri_port(&uri), TRANSPORT_NONE);
}

/* Towards the callee: what proxies behind us recorded. In the reply their Record-Routes stand before
 * ours and before those that the request came with, the last one first. */
struct span routes_of_reply(struct message *reply, struct message *request)
{
	struct name_addr routes[ROUTES_MOST], came_with[ROUTES_MOST];
	unsigned count = collect(reply, routes), before = collect(request, came_with);
	bool keeps_ours = dialog_settings->keep_proxy_rr & KEEP_FOR_CALLEE;
	struct writer w = writer_in_arena(reply->arena, 256);
	count = before < count ? count - before : 0;
	for (unsigned own = 0; own < 2 && !keeps_ours && count && is_ours(&routes[count - 1]);
	     own++)
		count--;
	for (unsigned i = count; i > 0; i--)
		write_route(&w, &routes[i - 1]);
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

struct span routes_of_answer(struct message *reply)
{
	struct name_addr routes[ROUTES_MOST];
	unsigned count = collect(reply, routes);
	struct writer w = writer_in_arena(reply->arena, 256);
	for (unsigned i = count; i > 0; i--)
		write_route(&w, &routes[i - 1]);
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

struct span contact_of(struct message *msg)
{
	struct name_addr contact;
	struct span rest = message_value(msg, HEADER_CONTACT);
	if (rest.at && name_addr_next(&rest, &contact) == LIST_ITEM && !contact.is_star)
		return contact.uri;
	return (struct span){ NULL, 0 };
}

/* ---- requests ---- */

/* Takes the number for a request that we send in the name of the other party. */
static bool take_cseq(struct dialog_name name, enum leg_kind sender, bool is_same,
		      uint32_t *out_cseq)
{
	struct shard *shard;
	struct dialog *dialog = dialog_lock(name, &shard);
	if (!dialog)
		return false;
	if (!is_same || !dialog->legs[sender].cseq)
		dialog->legs[sender].cseq++;
	*out_cseq = dialog->legs[sender].cseq;
	shard_unlock(shard);
	return true;
}

static struct span request_headers(const struct leg_view *to, enum leg_kind leg,
				   const struct leg_request *request, struct arena *arena)
{
	struct writer w = writer_in_arena(arena, 256);
	if (to->route_set.len)
		writer_printf(&w, "Route: %.*s\r\n", SPAN_ARGS(to->route_set));
	writer_span(&w, dialog_settings->dlg_extra_hdrs);
	if (leg == CALLEE)
		writer_span(&w, dialog_settings->lreq_callee_headers);
	writer_span(&w, request->headers);
	return w.failed ? (struct span){ NULL, 0 } : writer_result(&w);
}

static bool send_request(const struct dialog_view *view, enum leg_kind leg,
			 const struct leg_request *request, struct arena *arena)
{
	enum leg_kind other = leg == CALLER ? CALLEE : CALLER;
	const struct leg_view *to = &view->legs[leg];
	struct name_addr first;
	struct span rest = to->route_set;
	struct tm_uac uac = {
		.method = request->method,
		.uri = to->contact,
		.from = leg == CALLER ? view->to_uri : view->from_uri,
		.to = leg == CALLER ? view->from_uri : view->to_uri,
		.from_tag = view->legs[other].tag,
		.to_tag = to->tag,
		.call_id = view->call_id,
		.socket = to->socket,
		.headers = request_headers(to, leg, request, arena),
		.body = request->body,
		.done = request->done,
		.data = &view->name,
		.data_len = request->done ? sizeof(view->name) : 0,
	};
	if (!uac.headers.at || !take_cseq(view->name, other, request->same_cseq, &uac.cseq))
		return false;
	if (leg == CALLEE)
		uac.cseq += cseq_difference(view->name, arena);
	if (rest.len && name_addr_next(&rest, &first) == LIST_ITEM)
		uac.next_hop = first.uri;
	return dialog_tm()->uac(&uac, NULL);
}

bool leg_send(struct dialog_name name, enum leg_kind leg, const struct leg_request *request)
{
	struct arena arena;
	struct dialog_view view;
	bool is_sent = false;
	arena_init(&arena, 4096, 1 << 20);
	if (!dialog_view(name, &arena, &view)) {
		arena_free(&arena);
		return false;
	}
	if (!view.legs[leg].contact.len)
		log_error("no %.*s to the %s of call %.*s: it gave no Contact",
			  SPAN_ARGS(request->method), leg == CALLER ? "caller" : "callee",
			  SPAN_ARGS(view.call_id));
	else
		is_sent = send_request(&view, leg, request, &arena);
	arena_free(&arena);
	return is_sent;
}
