/* SPDX-License-Identifier: BSD-2-Clause */
/* name_addr: addresses in headers: From, To, Contact, Route, Record-Route, Path, Service-Route,
 * P-Asserted-Identity, P-Preferred-Identity, Remote-Party-ID, Diversion, Refer-To, Referred-By …
 * (RFC 3261 20.10 and 25.1). */
#pragma once

#include "parser/params.h"

struct name_addr {
	struct span whole;   /* from display name to last parameter */
	struct span display; /* as written, quotes included; absent when there is none */
	struct span uri;     /* without angle brackets */
	struct span params;  /* header parameters after the first ";"; absent when none */
	struct span tag;     /* From and To; absent when there is none */
	bool has_brackets;
	bool is_star; /* Contact: * (uri is then absent) */
};

/* Takes the next address off the front of a header value: `rest` begins as the whole value. The URI
 * itself is not parsed; it is checked to begin with a scheme. LIST_BAD leaves *rest where it was.
 * Without brackets, ";" ends the URI and "?" or "," in it is malformed (RFC 3261 20). */
enum list_result name_addr_next(struct span *rest, struct name_addr *out_address);
/* Parses a value that is exactly one address (From, To …); false, and rubbish in *out_address, otherwise. */
[[nodiscard]] bool name_addr_parse(struct span value, struct name_addr *out_address);
/* True when every item is well-formed and there is at least one; counts them. */
[[nodiscard]] bool name_addr_list_check(struct span value, unsigned *out_count);
/* Any header parameter; false when it is absent. */
bool name_addr_param(const struct name_addr *address, struct span name, struct param *out_param);
/* The display name without quotes and escapes, borrowed when possible; absent when there is none or
 * memory is exhausted. */
struct span name_addr_display(const struct name_addr *address, struct arena *arena);

#define CONTACT_NO_Q (-1)

/* Parameters of a Contact (RFC 3261 20.10, 5626, 5627, 3840). */
struct contact_params {
	int32_t q; /* thousandths 0-1000, or CONTACT_NO_Q */
	bool has_expires;
	uint32_t expires_s;   /* a malformed value counts as 3600 (RFC 3261 20.10 via 10.3) */
	struct span received; /* without quotes */
	struct span instance; /* +sip.instance: without quotes, angle brackets kept */
	uint32_t reg_id;      /* 0: absent, or no number from 1 */
	uint32_t methods;     /* METHOD_* mask; METHOD_ALL when absent */
	bool has_methods;
	struct span pub_gruu; /* without quotes */
	struct span temp_gruu;
	bool has_ob;
};
/* False when the parameters are malformed or q is out of its range; a q without value is none. */
[[nodiscard]] bool contact_params_parse(const struct name_addr *address,
					struct contact_params *out);
/* qvalue = "0" [. 0*3DIGIT] / "1" [. 0*3("0")] as thousandths; false when it is none. Zeros in front and
 * further digits are borne, for phones write them. */
[[nodiscard]] bool q_parse(struct span text, int32_t *out_thousandths);
