/* SPDX-License-Identifier: BSD-2-Clause */
/* user: the user that a function of the script means. */
#include "modules/group/group.h"

enum group_source group_source_of(struct span text)
{
	static const struct span names[] = {
		[SOURCE_REQUEST_URI] = SPAN("Request-URI"),
		[SOURCE_TO] = SPAN("To"),
		[SOURCE_FROM] = SPAN("From"),
		[SOURCE_CREDENTIALS] = SPAN("Credentials"),
	};
	unsigned source = 0;
	while (source < SOURCE_URI && !span_equal_nocase(names[source], text))
		source++;
	return source;
}

/* The user name of credentials may have a domain of its own. */
static bool from_credentials(const struct message *msg, struct group_user *out)
{
	struct span name = msg->account_user;
	if (!name.len) {
		log_debug("group: no credentials were checked and found right");
		return false;
	}
	size_t at = span_find(name, '@', 0);
	out->user = span_slice(name, 0, at);
	out->host = at + 1 < name.len ? span_slice(name, at + 1, name.len) : msg->account_realm;
	return out->user.len > 0;
}

bool group_find_user(struct script_run *run, struct span source, struct group_user *out)
{
	struct span text = source;
	struct sip_uri uri;
	switch (group_source_of(source)) {
	case SOURCE_REQUEST_URI: text = message_uri(run->msg); break;
	case SOURCE_TO: text = message_to_uri(run->msg); break;
	case SOURCE_FROM: text = message_from_uri(run->msg); break;
	case SOURCE_CREDENTIALS: return from_credentials(run->msg, out);
	case SOURCE_URI: break;
	}
	if (!uri_parse(text, &uri) || !uri.user.len) {
		log_debug("group: \"%.*s\" has no user", SPAN_ARGS(text));
		return false;
	}
	*out = (struct group_user){ uri.user, uri.host };
	return true;
}
