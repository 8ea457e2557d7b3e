/* SPDX-License-Identifier: BSD-2-Clause */
/* The reply to a REGISTER (RFC 3261 10.3, 8.): all bindings in one Contact, with public and temporary
 * GRUUs (RFC 5627 5.2) for those who know them, Path (RFC 3327 5.3), outbound (RFC 5626 6). */
#include "modules/registrar/registrar.h"
#include "parser/values.h"

/* What the phone is told; the text is that of P-Registrar-Error. */
static const struct error_row {
	unsigned code;
	const char *reason;
	const char *text;     /* NULL: nothing to add */
	bool with_contacts;   /* the bindings, unchanged, go with it */
} error_rows[REGISTER_ERROR_COUNT] = {
	[REGISTER_OK] = { 200, "OK", NULL, true },
	[REGISTER_NO_MEMORY] = { 500, "Server Internal Error", "Out of memory", false },
	[REGISTER_NO_DATABASE] = { 500, "Server Internal Error", "Location database not reachable",
				   false },
	[REGISTER_BAD_REQUEST] = { 400, "Bad Request", "Call-ID or CSeq missing", false },
	[REGISTER_BAD_ADDRESS] = { 400, "Bad Request", "Address-of-record parse error", false },
	[REGISTER_BAD_CONTACT] = { 400, "Bad Request", "Contact parse error", false },
	[REGISTER_STAR_EXPIRES] = { 400, "Bad Request", "* used in contact and expires is not zero",
				    false },
	[REGISTER_STAR_MIXED] = { 400, "Bad Request", "* used in contact and more than 1 contact",
				  false },
	[REGISTER_TOO_LONG] = { 400, "Bad Request", "Contact/received too long", true },
	[REGISTER_BAD_Q] = { 400, "Bad Request", "Invalid q param in contact", true },
	[REGISTER_BAD_PATH] = { 400, "Bad Request", "Path parse error", true },
	[REGISTER_BAD_CSEQ] = { 400, "Bad Request", "Invalid CSeq number", true },
	[REGISTER_TOO_MANY] = { 503, "Service Unavailable", "Too many registered contacts", true },
	[REGISTER_TOO_BRIEF] = { 423, "Interval Too Brief", "Interval too brief", true },
	[REGISTER_PATH_UNSUPPORTED] = { 420, "Bad Extension", "No support for found Path indicated",
					true },
	[REGISTER_OUTBOUND_NEEDED] = { 421, "Extension Required",
				       "No support for Outbound indicated", false },
	[REGISTER_EXTENSION_UNSUPPORTED] = { 420, "Bad Extension",
					     "An extension in Require is not supported", false },
	[REGISTER_OUTBOUND_FIRST_HOP] = { 439, "First Hop Lacks Outbound Support",
					  "No support for Outbound on edge proxy", false },
};

/* ---- Contact --------------------------------------------------------------------------------------------- */

/* The instance without angle brackets: the value of "gr". */
static struct span instance_urn(struct span instance)
{
	bool has_brackets =
		instance.len > 2 && instance.at[0] == '<' && instance.at[instance.len - 1] == '>';
	return has_brackets ? span_slice(instance, 1, instance.len - 2) : instance;
}

/* Both are of our domain; the temporary one is new in every answer (RFC 5627 5.2). */
static void write_gruus(struct writer *w, const struct usrloc_contact *contact,
			struct span user_host)
{
	size_t at = span_find(user_host, '@', 0);
	struct span host =
		at < user_host.len ? span_slice(user_host, at + 1, user_host.len) : user_host;
	writer_printf(w, ";pub-gruu=\"sip:%.*s;gr=%.*s\"", SPAN_ARGS(user_host),
		      SPAN_ARGS(instance_urn(contact->instance)));
	size_t before = w->len;
	writer_literal(w, ";temp-gruu=\"sip:");
	if (gruu_write_temporary(w, contact))
		writer_printf(w, "@%.*s;gr\"", SPAN_ARGS(host));
	else
		w->len = before;
}

static void write_contact(struct writer *w, const struct usrloc_contact *contact,
			  struct span user_host)
{
	struct span received_param = registrar_settings->received_param;
	writer_char(w, '<');
	writer_span(w, contact->contact);
	writer_char(w, '>');
	if (contact->q != Q_UNSPECIFIED) {
		writer_literal(w, ";q=");
		write_q(w, contact->q);
	}
	writer_literal(w, ";expires=");
	writer_int(w, contact->expires_s == USRLOC_PERMANENT ? registrar_settings->default_expires
							     : contact->expires_s);
	if (contact->received.len && received_param.len)
		writer_printf(w, ";%.*s=\"%.*s\"", SPAN_ARGS(received_param),
			      SPAN_ARGS(contact->received));
	if (contact->instance.len && user_host.len)
		write_gruus(w, contact, user_host);
	if (contact->instance.len)
		writer_printf(w, ";+sip.instance=\"%.*s\"", SPAN_ARGS(contact->instance));
	if (contact->instance.len && contact->reg_id)
		writer_printf(w, ";reg-id=%u", contact->reg_id);
}

static void write_contacts(struct writer *w, struct arena *arena,
			   const struct registration *registration)
{
	struct usrloc_contact *contacts = registration->contacts;
	struct span user_host = { NULL, 0 };
	unsigned count =
		contacts ? registration->contact_count
			 : usrloc()->get(registration->domain, registration->aor, arena, &contacts);
	if (count == 0)
		return;
	if (registrar_settings->gruu_enabled && registration->supported & OPTION_GRUU)
		user_host = address_user_host(arena, registration->address);
	writer_literal(w, "Contact: ");
	for (unsigned i = 0; i < count; i++) {
		if (i)
			writer_literal(w, ", ");
		write_contact(w, &contacts[i], user_host);
	}
	writer_literal(w, "\r\n");
}

/* ---- other header lines ------------------------------------------------------------------------------------ */

static void write_outbound(struct writer *w, const struct registration *registration)
{
	bool is_told = registration->error == REGISTER_OK ||
		       registration->error == REGISTER_OUTBOUND_NEEDED;
	if (registration->error == REGISTER_EXTENSION_UNSUPPORTED)
		writer_printf(w, "Unsupported: %.*s\r\n", SPAN_ARGS(registration->unsupported));
	if (registrar_settings->outbound_mode == 0 || !is_told)
		return;
	if (registrar_settings->outbound_mode == 2)
		writer_literal(w, "Require: outbound\r\nSupported: outbound\r\n");
	else
		writer_literal(w, "Supported: outbound\r\n");
	if (!registration->uses_outbound)
		return;
	if (registrar_settings->outbound_mode == 1)
		writer_literal(w, "Require: outbound\r\n");
	if (registrar_settings->flow_timer > 0)
		writer_printf(w, "Flow-Timer: %lld\r\n", (long long)registrar_settings->flow_timer);
}

static void write_path(struct writer *w, const struct registration *registration)
{
	bool is_unsupported = registration->error == REGISTER_PATH_UNSUPPORTED;
	bool is_echoed = registration->error == REGISTER_OK && registration->path.len &&
			 registrar_settings->path_mode > 0 && registration->supported & OPTION_PATH;
	if (is_unsupported)
		writer_literal(w, "Unsupported: path\r\n");
	if (is_unsupported || is_echoed)
		writer_printf(w, "Path: %.*s\r\n", SPAN_ARGS(registration->path));
}

bool answer_prepare(struct script_run *run, const struct registration *registration)
{
	const struct error_row *row = &error_rows[registration->error];
	struct writer w = writer_in_arena(run->arena, 512);
	if (row->with_contacts)
		write_contacts(&w, run->arena, registration);
	write_outbound(&w, registration);
	write_path(&w, registration);
	if (registration->error == REGISTER_TOO_BRIEF)
		writer_printf(&w, "Min-Expires: %lld\r\n",
			      (long long)registrar_settings->min_expires);
	const char *text = span_equal_nocase(registration->unsupported, SPAN_OF("outbound"))
				   ? "No support for Outbound on server"
				   : row->text;
	if (row->text)
		writer_printf(&w, "P-Registrar-Error: %s\r\n", text);
	if (row->code >= 500 && registrar_settings->retry_after > 0)
		writer_printf(&w, "Retry-After: %lld\r\n",
			      (long long)registrar_settings->retry_after);
	return !w.failed && (w.len == 0 || message_add_reply_line(run->msg, writer_result(&w)));
}

bool answer_send(struct script_run *run, const struct registration *registration)
{
	const struct error_row *row = &error_rows[registration->error];
	if (sl()->send_reply(run, row->code, span_from(row->reason)))
		return true;
	log_error("the reply %u to a REGISTER could not be sent", row->code);
	return false;
}
