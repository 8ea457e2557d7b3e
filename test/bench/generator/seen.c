/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads what the server sent, one pass over the lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "load.h"

bool text_is(struct text text, const char *word)
{
	return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

bool text_has(struct text text, const char *word)
{
	return text.len && memmem(text.at, text.len, word, strlen(word)) != NULL;
}

static struct text text_until(struct text *rest, char stop)
{
	const char *end = memchr(rest->at, stop, rest->len);
	struct text part = { rest->at, end ? (size_t)(end - rest->at) : rest->len };
	size_t used = part.len + (end != NULL);

	*rest = (struct text){ rest->at + used, rest->len - used };
	return part;
}

static struct text text_trim(struct text text)
{
	while (text.len && (*text.at == ' ' || *text.at == '\t'))
		text = (struct text){ text.at + 1, text.len - 1 };
	while (text.len && (text.at[text.len - 1] == '\r' || text.at[text.len - 1] == ' '))
		text.len--;
	return text;
}

static bool read_first_line(struct text line, struct seen *out)
{
	struct text first = text_until(&line, ' '), second = text_until(&line, ' ');

	if (text_is(first, "SIP/2.0")) {
		out->status = second.len == 3 ? (int)strtol(second.at, NULL, 10) : 0;
		return out->status >= 100 && out->status < 700;
	}
	out->method = first;
	out->uri = second;
	return text_is(text_trim(line), "SIP/2.0");
}

static void see_via(struct seen *out, struct text value)
{
	if (out->via_count < VIAS_MOST)
		out->vias[out->via_count] = value;
	out->via_count++;
}

static void see_record_route(struct seen *out, struct text value)
{
	if (out->record_route_count++ == 0)
		out->record_route = value;
}

static void see_route(struct seen *out, struct text value)
{
	out->route_count++;
}

static void see_from(struct seen *out, struct text value)
{
	out->from = value;
}

static void see_to(struct seen *out, struct text value)
{
	out->to = value;
}

static void see_contact(struct seen *out, struct text value)
{
	out->contact = value;
}

static void see_cseq(struct seen *out, struct text value)
{
	out->cseq = value;
	text_until(&value, ' ');
	if (out->status)
		out->method = value;
}

static void see_challenge(struct seen *out, struct text value)
{
	out->challenge = value;
}

/* Call-ID: bench-SLOT-NUMBER-RUN */
static void see_call_id(struct seen *out, struct text value)
{
	char *end = NULL;

	if (value.len < 9 || memcmp(value.at, "bench-", 6) != 0)
		return;
	out->slot_index = (uint32_t)strtoul(value.at + 6, &end, 10);
	if (*end == '-')
		out->number = (uint32_t)strtoul(end + 1, NULL, 10);
}

static const struct {
	const char *name;
	void (*see)(struct seen *out, struct text value);
} headers[] = {
	{ "Via", see_via },
	{ "Record-Route", see_record_route },
	{ "Route", see_route },
	{ "From", see_from },
	{ "To", see_to },
	{ "Call-ID", see_call_id },
	{ "CSeq", see_cseq },
	{ "Contact", see_contact },
	{ "WWW-Authenticate", see_challenge },
	{ "Proxy-Authenticate", see_challenge },
};

static void read_header(struct text line, struct seen *out)
{
	struct text name = text_until(&line, ':');

	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		if (strlen(headers[i].name) == name.len &&
		    strncasecmp(headers[i].name, name.at, name.len) == 0) {
			headers[i].see(out, text_trim(line));
			return;
		}
}

bool message_read(struct text message, struct seen *out)
{
	*out = (struct seen){ 0 };
	struct text line = text_until(&message, '\n');
	if (!read_first_line(line, out))
		return false;
	while ((line = text_until(&message, '\n')).len > 1)
		read_header(line, out);
	return out->via_count > 0 && out->cseq.at && out->to.at && out->from.at;
}
