/* SPDX-License-Identifier: BSD-2-Clause */
/* http: answers to HTTP requests, which come over the same connections as SIP. */
#pragma once

#include "core/message/render.h"

struct http_reply {
	unsigned code;
	struct span reason, content_type, body; /* without a type there is no Content-Type */
};

/* Writes the reply: with the request's reply lines (append_to_reply) as header lines. */
void render_http_reply(struct writer *w, const struct message *request,
		       const struct http_reply *reply);
/* Sends it over the connection of the request, and closes that when the client wishes it so. False
 * when it could not be sent, or the request is no HTTP. */
bool http_reply_send(const struct message *request, const struct http_reply *reply);
/* The path and the query (without "?") of a URL or request target; an absent query is empty. */
struct span http_path(struct span url);
struct span http_query(struct span url);
