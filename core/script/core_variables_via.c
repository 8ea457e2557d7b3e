/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_via: $via0, $via1, $viaZ and $rpl: Via headers and where a reply goes. */
#include "core/message/render.h"
#include "core/script/core_variables.h"
#include "parser/via.h"

enum which { FIRST_VIA, SECOND_VIA, LAST_VIA };
enum {
	VIA_HOST,
	VIA_PORT,
	VIA_PROTO,
	VIA_PROTOID,
	VIA_BRANCH,
	VIA_RPORT,
	VIA_RECEIVED,
	VIA_I,
	VIA_PARAMS,
	VIA_OC,
	VIA_OCVAL,
	VIA_OCALGO,
	VIA_OCVALIDITY,
	VIA_OCSEQ,
};
static const char *const via_keys[] = {
	"host", "port", "proto", "protoid", "branch", "rport", "received", "i", "params", "oc", "ocval", "ocalgo",
	"ocvalidity", "ocseq",
};

static const char *bind_via(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, via_keys, ARRAY_SIZE(via_keys));
}

static bool find_last_via(const struct message *msg, struct sip_via *out_via)
{
	const struct sip_header *last = NULL;
	bool found = false;
	for (const struct sip_header *h = message_header(msg, HEADER_VIA); h;
	     h = message_next_header(msg, h))
		last = h;
	if (!last)
		return false;
	struct span rest = sip_header_value(msg->bytes, last);
	while (via_next(&rest, out_via) == LIST_ITEM)
		found = true;
	return found;
}

static const struct sip_via *find_via(struct message *msg, enum which which,
				      struct sip_via *scratch)
{
	switch (which) {
	case FIRST_VIA: return message_top_via(msg);
	case SECOND_VIA: return message_second_via(msg);
	case LAST_VIA: return find_last_via(msg, scratch) ? scratch : NULL;
	}
	return NULL;
}

static bool give_rport(struct script_run *run, const struct sip_via *via, struct value *out)
{
	return via->rport != RPORT_VALUE || give_printed(run, out, via->rport_port);
}

/* 0: no "oc", 1: without a value, 2: with one */
static bool give_overload_control(const struct sip_via *via, struct value *out)
{
	struct span oc = via_param_text(via, SPAN_OF("oc"));
	return give_int(out, !oc.at ? 0 : oc.len ? 2 : 1);
}

static bool get_via(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct sip_via scratch;
	const struct sip_via *via = find_via(run->msg, (enum which)ref->row->selector, &scratch);
	int key = key_of(run, ref, via_keys, ARRAY_SIZE(via_keys));
	if (!via || key < 0)
		return key >= 0;
	switch (key) {
	case VIA_HOST: return give_text(out, via->host);
	case VIA_PORT: return give_int(out, via_port(via));
	case VIA_PROTO: return give_text(out, via->transport_text);
	case VIA_PROTOID: return give_int(out, via->transport);
	case VIA_BRANCH: return give_text(out, via->branch);
	case VIA_RPORT: return give_rport(run, via, out);
	case VIA_RECEIVED: return give_text(out, via->received);
	case VIA_I: return give_text(out, via_param_text(via, SPAN_OF("i")));
	case VIA_PARAMS: return give_text(out, via->params);
	case VIA_OC: return give_overload_control(via, out);
	case VIA_OCVAL: return give_nonempty(out, via_param_text(via, SPAN_OF("oc")));
	case VIA_OCALGO: return give_text(out, via_param_text(via, SPAN_OF("oc-algo")));
	case VIA_OCVALIDITY: return give_text(out, via_param_text(via, SPAN_OF("oc-validity")));
	case VIA_OCSEQ: return give_text(out, via_param_text(via, SPAN_OF("oc-seq")));
	default: return false;
	}
}

/* ---- $rpl: the reply in flight, whose next hop is the second Via ----------------------------- */

enum { RPL_URI, RPL_HOST, RPL_PORT, RPL_PROTO, RPL_PROTOID, RPL_COUNT };
static const char *const rpl_keys[] = { "duri", "dhost", "dport", "dproto", "dprotoid", "cntvia" };

static const char *bind_rpl(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, rpl_keys, ARRAY_SIZE(rpl_keys));
}

static unsigned count_vias(const struct message *msg)
{
	unsigned count = 0;
	for (const struct sip_header *h = message_header(msg, HEADER_VIA); h;
	     h = message_next_header(msg, h)) {
		struct span rest = sip_header_value(msg->bytes, h);
		struct sip_via via;
		while (via_next(&rest, &via) == LIST_ITEM)
			count++;
	}
	return count;
}

static bool get_rpl(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	if (message_is_request(run->msg))
		return true;
	int key = key_of(run, ref, rpl_keys, ARRAY_SIZE(rpl_keys));
	const struct sip_via *via = message_second_via(run->msg);
	if (key == RPL_COUNT)
		return give_int(out, count_vias(run->msg));
	if (!via)
		return key >= 0;
	struct span host = via->received.len ? via->received : via->host;
	uint16_t port = via->rport == RPORT_VALUE ? via->rport_port : via_port(via);
	const char *proto =
		transport_name_lower((enum transport)(via->transport % TRANSPORT_COUNT));
	switch (key) {
	case RPL_URI: {
		struct writer w = writer_in_arena(run->arena, host.len + 32);
		writer_printf(&w, "sip:%.*s:%u;transport=%s", SPAN_ARGS(host), port, proto);
		return give_written(out, &w);
	}
	case RPL_HOST: return give_text(out, host);
	case RPL_PORT: return give_int(out, port);
	case RPL_PROTO: return give_text(out, span_from(proto));
	case RPL_PROTOID: return give_int(out, via->transport);
	default: return false;
	}
}

static const struct variable_row rows[] = {
	{ "via0", INNER_NAME, get_via, NULL, bind_via, .selector = FIRST_VIA, .doc = "Parts of the first Via: host port proto protoid branch rport received i params oc ocval ocalgo ocvalidity ocseq." },
	{ "via1", INNER_NAME, get_via, NULL, bind_via, .selector = SECOND_VIA, .doc = "Parts of the second Via." },
	{ "viaZ", INNER_NAME, get_via, NULL, bind_via, .selector = LAST_VIA, .doc = "Parts of the last Via." },
	{ "rpl", INNER_NAME, get_rpl, NULL, bind_rpl, .doc = "Where a reply goes: duri dhost dport dproto dprotoid cntvia." },
};
const struct variable_table via_variables = ROWS(rows);
