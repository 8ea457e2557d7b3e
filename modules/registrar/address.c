/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses-of-record (RFC 3261 10.3, 5.): the key under which bindings are kept is the user part, or
 * with usrloc's use_domain user@host; and the settings that a script gives for one message. */
#include "modules/registrar/registrar.h"

static struct span without_prefix(struct span host)
{
	struct span prefix = registrar_settings->realm_prefix;
	return prefix.len && span_starts_with_nocase(host, prefix)
		       ? span_slice(host, prefix.len, host.len)
		       : host;
}

static struct span lower_case(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text[i] = ascii_lower(text[i]);
	return span_make(text, len);
}

struct span address_key(struct arena *arena, struct span text)
{
	struct sip_uri uri;
	return address_key_of(arena, uri_parse(text, &uri) ? &uri : NULL);
}

struct span address_key_of(struct arena *arena, const struct sip_uri *uri)
{
	if (!uri || (!uri_is_sip(uri) && !uri_is_tel(uri)))
		return (struct span){ NULL, 0 };
	struct writer w = writer_in_arena(arena, uri->whole.len + 1);
	bool has_host = uri_is_sip(uri) && uri->host.len;
	uri_write_unescaped(&w, uri->user);
	if (has_host && (usrloc()->uses_domain() || !uri->user.len)) {
		if (uri->user.len)
			writer_char(&w, '@');
		writer_span(&w, without_prefix(uri->host));
	}
	if (w.failed || !w.len)
		return (struct span){ NULL, 0 };
	return registrar_settings->case_sensitive ? writer_result(&w) : lower_case(w.data, w.len);
}

struct span address_user_host(struct arena *arena, struct span text)
{
	struct sip_uri uri;
	if (!uri_parse(text, &uri) || !uri_is_sip(&uri))
		return (struct span){ NULL, 0 };
	struct span host = without_prefix(uri.host);
	return uri.user.len ? arena_printf(arena, "%.*s@%.*s", SPAN_ARGS(uri.user), SPAN_ARGS(host))
			    : host;
}

/* ---- $xavp(xavp_cfg=>name) ------------------------------------------------------------------------------- */

static const struct value *config_value(const struct message *msg, struct span name)
{
	if (!registrar_settings->xavp_cfg.len)
		return NULL;
	struct xavp *all = xavp_find(msg->attributes.xavps, registrar_settings->xavp_cfg, 0, false);
	struct xavp *found = all ? xavp_find(all->children, name, 0, false) : NULL;
	return found && !found->has_children && found->value.kind != VALUE_NULL ? &found->value
										: NULL;
}

bool config_number(const struct message *msg, struct span name, int64_t *out_number)
{
	const struct value *value = config_value(msg, name);
	return value && value_to_int(value, out_number);
}

struct span config_text(const struct message *msg, struct span name)
{
	const struct value *value = config_value(msg, name);
	return value && value->kind == VALUE_TEXT ? value->text : (struct span){ NULL, 0 };
}

/* qvalue: "1" or "0.5" without trailing zeros. */
void write_q(struct writer *w, int32_t q)
{
	if (q % 1000 == 0) {
		writer_int(w, q / 1000);
		return;
	}
	unsigned digits = (unsigned)q % 1000, width = 3;
	for (; digits % 10 == 0; width--)
		digits /= 10;
	writer_printf(w, "0.%0*u", (int)width, digits);
}
