/* SPDX-License-Identifier: BSD-2-Clause */
/* core_variables_constant: $K, $C and $E…: numbers, terminal colours, characters. */
#include "core/base/log.h"
#include "core/net/address.h"
#include "core/script/core_variables.h"

static const char *const k_names[] = { "IPv4", "IPv6", "UDP", "TCP", "TLS", "SCTP", "WS", "WSS" };
static const int k_values[] = {
	AF_INET, AF_INET6, TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_SCTP,
		TRANSPORT_WS, TRANSPORT_WSS,
};

static const char *bind_k(struct variable_ref *ref, struct arena *arena)
{
	return key_bind(ref, k_names, ARRAY_SIZE(k_names));
}

static bool get_k(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	int key = key_of(run, ref, k_names, ARRAY_SIZE(k_names));
	return key >= 0 && give_int(out, k_values[key]);
}

/* Letters are ANSI colours in their order, x is the terminal's own. */
static int colour_of(char letter)
{
	static const char letters[] = "srgybpcw";
	const char *at = strchr(letters, ascii_lower(letter));
	return ascii_lower(letter) == 'x' ? 9 : at && letter ? (int)(at - letters) : -1;
}

static const char *bind_c(struct variable_ref *ref, struct arena *arena)
{
	struct span name = ref->inner;
	if (ref->inner_template)
		return NULL;
	if (name.len != 2 || colour_of(name.at[0]) < 0 || colour_of(name.at[1]) < 0)
		return "needs two letters of x s r g y b p c w: foreground and background";
	return NULL;
}

/* A capital letter for the foreground makes it bold. */
static bool get_c(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	struct span name = variable_inner_text(run, ref);
	struct writer w = writer_in_arena(run->arena, 16);
	if (name.len != 2 || colour_of(name.at[0]) < 0 || colour_of(name.at[1]) < 0)
		return false;
	if (!log_shows_colour())
		return give_text(out, SPAN_OF(""));
	bool is_bold = name.at[0] >= 'A' && name.at[0] <= 'Z';
	writer_printf(&w, "\033[%d;3%d;4%dm", is_bold, colour_of(name.at[0]),
		      colour_of(name.at[1]));
	return give_written(out, &w);
}

static bool get_character(struct script_run *run, const struct variable_ref *ref, struct value *out)
{
	static const char characters[] = "\\\n\r\t ,\"':;`";
	return give_text(out, span_make(characters + ref->row->selector, 1));
}

static const struct variable_row rows[] = {
	{ "K", INNER_NAME, get_k, NULL, bind_k, .doc = "Constants: IPv4 IPv6 UDP TCP TLS SCTP WS WSS." },
	{ "C", INNER_NAME, get_c, NULL, bind_c, .doc = "Terminal colours: foreground and background of x s r g y b p c w." },
	{ "Eb", INNER_NONE, get_character, .selector = 0, .doc = "A backslash." },
	{ "En", INNER_NONE, get_character, .selector = 1, .doc = "A line feed." },
	{ "Er", INNER_NONE, get_character, .selector = 2, .doc = "A carriage return." },
	{ "Et", INNER_NONE, get_character, .selector = 3, .doc = "A tabulator." },
	{ "Es", INNER_NONE, get_character, .selector = 4, .doc = "A blank." },
	{ "Ec", INNER_NONE, get_character, .selector = 5, .doc = "A comma." },
	{ "Eq", INNER_NONE, get_character, .selector = 6, .doc = "A double quote." },
	{ "Ek", INNER_NONE, get_character, .selector = 7, .doc = "A single quote." },
	{ "Ei", INNER_NONE, get_character, .selector = 8, .doc = "A colon." },
	{ "Ej", INNER_NONE, get_character, .selector = 9, .doc = "A semicolon." },
	{ "Ev", INNER_NONE, get_character, .selector = 10, .doc = "A backtick." },
};
const struct variable_table constant_variables = ROWS(rows);
