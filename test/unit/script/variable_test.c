/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of variables over one INVITE, as the peer (5.6.3) gives them, and what assignments do. */
#include "script_fixture.h"

#include "core/message/render.h"
#include "core/script/config_names.h"

static const struct {
	const char *variable, *text;
	enum value_kind kind;
} values[] = {
	{ "$rm", "INVITE", VALUE_TEXT },
	{ "$rmid", "1", VALUE_INT },
	{ "$rs", "<null>", VALUE_NULL },
	{ "$rr", "<null>", VALUE_NULL },
	{ "$rv", "SIP/2.0", VALUE_TEXT },
	{ "$mt", "1", VALUE_INT },
	{ "$bs", "8", VALUE_INT },
	{ "$rb", "body\r\nxy", VALUE_TEXT },
	{ "$ci", "cid1@host", VALUE_TEXT },
	{ "$cs", "42", VALUE_TEXT },
	{ "$csb", "42 INVITE", VALUE_TEXT },
	{ "$cl", "8", VALUE_INT },
	{ "$cT", "text/plain", VALUE_TEXT },
	{ "$ua", "UA/1.0", VALUE_TEXT },
	{ "$ct", "<sip:alice@127.77.3.2:5062;ob>;expires=100;q=0.5, <sip:a2@h2>;expires=20",
	  VALUE_TEXT },
	{ "$ctu", "sip:alice@127.77.3.2:5062;ob", VALUE_TEXT },
	{ "$cts", "0", VALUE_INT },
	{ "$fu", "sip:alice@a.example.com:5080;u=1", VALUE_TEXT },
	{ "$fU", "alice", VALUE_TEXT },
	{ "$fd", "a.example.com", VALUE_TEXT },
	{ "$fn", "\"Alice A\"", VALUE_TEXT },
	{ "$ft", "ft1", VALUE_TEXT },
	{ "$fUl", "5", VALUE_INT },
	{ "$tu", "sip:bob@b.example.com", VALUE_TEXT },
	{ "$tU", "bob", VALUE_TEXT },
	{ "$td", "b.example.com", VALUE_TEXT },
	{ "$tn", "Bob", VALUE_TEXT },
	{ "$tt", "<null>", VALUE_NULL },
	{ "$tts", "0", VALUE_INT },
	{ "$tUl", "3", VALUE_INT },
	{ "$ai", "sip:pai@x.example", VALUE_TEXT },
	{ "$pu", "sip:ppi@y.example", VALUE_TEXT },
	{ "$pU", "ppi", VALUE_TEXT },
	{ "$pd", "y.example", VALUE_TEXT },
	{ "$pn", "<null>", VALUE_NULL },
	{ "$re", "sip:rpid@z.example", VALUE_TEXT },
	{ "$rt", "sip:refer@rt", VALUE_TEXT },
	{ "$di", "sip:div@d", VALUE_TEXT },
	{ "$dip", "full", VALUE_TEXT },
	{ "$dir", "busy", VALUE_TEXT },
	{ "$dic", "3", VALUE_TEXT },
	{ "$expires(min)", "20", VALUE_INT },
	{ "$expires(max)", "100", VALUE_INT },
	{ "$hdr(X-One)", "first", VALUE_TEXT },
	{ "$(hdr(X-One)[1])", "second", VALUE_TEXT },
	{ "$(hdr(X-One)[-1])", "second", VALUE_TEXT },
	{ "$(hdr(X-One)[*])", "first,second", VALUE_TEXT },
	{ "$(hdr(X-One)[5])", "<null>", VALUE_NULL },
	{ "$(hdr(X-One)[-5])", "<null>", VALUE_NULL },
	{ "$hdr(none)", "<null>", VALUE_NULL },
	{ "$hdr(x-one)", "first", VALUE_TEXT },
	{ "$hdr(i)", "cid1@host", VALUE_TEXT },
	{ "$hdr(Call-ID)", "cid1@host", VALUE_TEXT },
	{ "$(hdr(*)[2])", "70", VALUE_TEXT },
	{ "$hdrc(X-One)", "2", VALUE_INT },
	{ "$hdrc(none)", "0", VALUE_INT },
	{ "$hfl(X-List)", "a, b,  c", VALUE_TEXT },
	{ "$hfl(Contact)", "<sip:alice@127.77.3.2:5062;ob>;expires=100;q=0.5", VALUE_TEXT },
	{ "$(hfl(Contact)[1])", "<sip:a2@h2>;expires=20", VALUE_TEXT },
	{ "$(hfl(Contact)[-1])", "<null>", VALUE_NULL },
	{ "$(hfl(Route)[1])", "<sip:r4;lr>", VALUE_TEXT },
	{ "$(hfl(Via)[1])", "SIP/2.0/TCP 10.0.0.9;branch=z9hG4bKdef;received=10.0.0.8",
	  VALUE_TEXT },
	{ "$(hfl(X-One)[1])", "second", VALUE_TEXT },
	{ "$hflc(Route)", "2", VALUE_INT },
	{ "$hflc(Via)", "2", VALUE_INT },
	{ "$hflc(X-One)", "2", VALUE_INT },
	{ "$msg(body)", "body\r\nxy", VALUE_TEXT },
	{ "$msg(body_len)", "8", VALUE_INT },
	{ "$msg(fline)", "INVITE sip:bob;x=y:pw@example.com:5070;transport=tcp;p=1;lr?h=1 SIP/2.0",
	  VALUE_TEXT },
	{ "$msgbuf(0)", "I", VALUE_TEXT },
	{ "$via0(host)", "127.77.3.2", VALUE_TEXT },
	{ "$via0(port)", "5062", VALUE_INT },
	{ "$via0(proto)", "UDP", VALUE_TEXT },
	{ "$via0(protoid)", "1", VALUE_INT },
	{ "$via0(branch)", "z9hG4bKabc", VALUE_TEXT },
	{ "$via0(rport)", "<null>", VALUE_NULL },
	{ "$via0(received)", "<null>", VALUE_NULL },
	{ "$via0(i)", "7", VALUE_TEXT },
	{ "$via0(oc)", "0", VALUE_INT },
	{ "$via1(host)", "10.0.0.9", VALUE_TEXT },
	{ "$via1(port)", "5060", VALUE_INT },
	{ "$via1(received)", "10.0.0.8", VALUE_TEXT },
	{ "$viaZ(host)", "10.0.0.9", VALUE_TEXT },
	{ "$version(num)", "5.6.3", VALUE_TEXT },
	{ "$ru", "sip:bob;x=y:pw@example.com:5070;transport=tcp;p=1;lr?h=1", VALUE_TEXT },
	{ "$rU", "bob;x=y", VALUE_TEXT },
	{ "$rd", "example.com", VALUE_TEXT },
	{ "$rp", "5070", VALUE_TEXT },
	{ "$rP", "tcp", VALUE_TEXT },
	{ "$rz", "sip", VALUE_TEXT },
	{ "$rUl", "7", VALUE_INT },
	{ "$ou", "sip:bob;x=y:pw@example.com:5070;transport=tcp;p=1;lr?h=1", VALUE_TEXT },
	{ "$oU", "bob;x=y", VALUE_TEXT },
	{ "$op", "5070", VALUE_TEXT },
	{ "$oUl", "7", VALUE_INT },
	{ "$du", "<null>", VALUE_NULL },
	{ "$dd", "<null>", VALUE_NULL },
	{ "$dp", "<null>", VALUE_NULL },
	{ "$ds", "<null>", VALUE_NULL },
	{ "$nh(u)", "sip:bob;x=y:pw@example.com:5070;transport=tcp;p=1;lr?h=1", VALUE_TEXT },
	{ "$nh(U)", "bob;x=y", VALUE_TEXT },
	{ "$nh(p)", "5070", VALUE_TEXT },
	{ "$fs", "<null>", VALUE_NULL },
	{ "$br", "<null>", VALUE_NULL },
	{ "$branch(uri)", "<null>", VALUE_NULL },
	{ "$branch(count)", "<null>", VALUE_NULL },
	{ "$sbranch(uri)", "<null>", VALUE_NULL },
	{ "$bf", "0", VALUE_INT },
	{ "$bF", "00000000", VALUE_TEXT },
	{ "$si", "127.77.3.2", VALUE_TEXT },
	{ "$sp", "5062", VALUE_INT },
	{ "$su", "sip:127.77.3.2:5062", VALUE_TEXT },
	{ "$sut", "sip:127.77.3.2:5062;transport=udp", VALUE_TEXT },
	{ "$sas", "udp:127.77.3.2:5062", VALUE_TEXT },
	{ "$Ri", "127.77.3.1", VALUE_TEXT },
	{ "$Rp", "5060", VALUE_INT },
	{ "$Rn", "<null>", VALUE_NULL },
	{ "$Ru", "sip:127.77.3.1:5060", VALUE_TEXT },
	{ "$Rut", "sip:127.77.3.1:5060;transport=udp", VALUE_TEXT },
	{ "$RAi", "127.77.3.1", VALUE_TEXT },
	{ "$RAp", "5060", VALUE_INT },
	{ "$RAu", "sip:127.77.3.1:5060", VALUE_TEXT },
	{ "$pr", "udp", VALUE_TEXT },
	{ "$prid", "1", VALUE_INT },
	{ "$conid", "<null>", VALUE_NULL },
	{ "$mf", "0", VALUE_INT },
	{ "$sF", "00000000", VALUE_TEXT },
	{ "$avp(none)", "<null>", VALUE_NULL },
	{ "$xavp(none=>x)", "<null>", VALUE_NULL },
	{ "$var(unset)", "0", VALUE_INT },
	{ "$vn(unset)", "<null>", VALUE_NULL },
	{ "$cnt($avp(none))", "0", VALUE_INT },
	{ "$def(NOPE)", "<null>", VALUE_NULL },
	{ "$def(FOO)", "foo value", VALUE_TEXT },
	{ "$defn(NUM)", "7", VALUE_INT },
	{ "$env(NO_SUCH_VARIABLE)", "<null>", VALUE_NULL },
	{ "$sel(ruri.user)", "bob;x=y", VALUE_TEXT },
	{ "$sel(via[1].host)", "127.77.3.2", VALUE_TEXT },
	{ "$sel(via[2].branch)", "z9hG4bKdef", VALUE_TEXT },
	{ "$sel(via[-1].host)", "10.0.0.9", VALUE_TEXT },
	{ "$sel(via[0].host)", "<null>", VALUE_NULL },
	{ "$sel(via[3].host)", "<null>", VALUE_NULL },
	{ "$sel(via.host)", "127.77.3.2", VALUE_TEXT },
	{ "$sel(contact.uri.host)", "127.77.3.2", VALUE_TEXT },
	{ "$sel(contact.expires)", "100", VALUE_TEXT },
	{ "$sel(from.uri.params.u)", "1", VALUE_TEXT },
	{ "$sel(from.uri.params)", "<null>", VALUE_NULL },
	{ "$sel(from.tag)", "ft1", VALUE_TEXT },
	{ "$sel(cseq.num)", "42", VALUE_TEXT },
	{ "$sel(authorization[rlm].username.user)", "au", VALUE_TEXT },
	{ "$sel(authorization[other].username)", "<null>", VALUE_NULL },
	{ "$sel(msg.header[\"X-One\"])", "first", VALUE_TEXT },
	{ "$sel(hf_value.x_one)", "first,second", VALUE_TEXT },
	{ "$sel(hf_value[\"X-One\"])", "first,second", VALUE_TEXT },
	{ "$sel(hf_value.x_one[1])", "first", VALUE_TEXT },
	{ "$sel(hf_value.x_one[-1])", "second", VALUE_TEXT },
	{ "$sel(hf_value.x_one[9])", "<null>", VALUE_NULL },
	{ "$sel(hf_value.x_list)", "a,b,c", VALUE_TEXT },
	{ "$sel(hf_value.x_list[2])", "b", VALUE_TEXT },
	{ "$sel(hf_value.diversion[1].uri)", "sip:div@d", VALUE_TEXT },
	{ "$sel(hf_value.diversion[1].p.reason)", "busy", VALUE_TEXT },
	{ "$sel(hf_value.p_asserted_identity[2].uri)", "tel:+123", VALUE_TEXT },
	{ "$sel(hf_value.p_asserted_identity[1].name)", "PAI", VALUE_TEXT },
	{ "$sel(hf_value2.x_list)", "a, b,  c", VALUE_TEXT },
	{ "$sel(from.name)", "\"Alice A\"", VALUE_TEXT },
	{ "$sel(hf_value_exists.x_list.b)", "1", VALUE_TEXT },
	{ "$sel(src.ip_port)", "127.77.3.2:5062", VALUE_TEXT },
	{ "$sel(received.proto_ip_port)", "udp:127.77.3.1:5060", VALUE_TEXT },
	{ "$sel(cfg_get.pstn.gw_port)", "5066", VALUE_INT },
	{ "$ccp(pstn.gw_port)", "5066", VALUE_INT },
	{ "$K(IPv4)", "2", VALUE_INT },
	{ "$K(IPv6)", "10", VALUE_INT },
	{ "$K(WSS)", "6", VALUE_INT },
	{ "$C(rx)", "\033[0;31;49m", VALUE_TEXT },
	{ "$En", "\n", VALUE_TEXT },
	{ "$adu", "sip:adu", VALUE_TEXT },
	{ "$aa", "MD5", VALUE_TEXT },
	{ "$ar", "rlm", VALUE_TEXT },
	{ "$aU", "au@dom", VALUE_TEXT },
	{ "$au", "au", VALUE_TEXT },
	{ "$ad", "dom", VALUE_TEXT },
	{ "$adn", "n", VALUE_TEXT },
	{ "$Au", "alice@a.example.com", VALUE_TEXT },
	{ "$AU", "alice", VALUE_TEXT },
	{ "$ltt(t)", "<null>", VALUE_NULL },
	{ "$null", "<null>", VALUE_NULL },
	{ "$rpl(duri)", "<null>", VALUE_NULL },
	{ "$snd(ip)", "<null>", VALUE_NULL },
	{ "$_s(a$rm)", "aINVITE", VALUE_TEXT },
	{ "$$", "$", VALUE_TEXT },
};

static void values_are_those_of_the_peer(void **state)
{
	unsigned wrong = 0;
	config_define_set(SPAN_OF("FOO"), SPAN_OF("foo value"));
	config_define_set(SPAN_OF("NUM"), SPAN_OF("7"));
	config_custom_set(SPAN_OF("pstn"), SPAN_OF("gw_port"), &VALUE_OF_INT(5066),
			  SPAN_OF("port"));
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const char *text = fixture_expand(values[i].variable);
		struct value value = { .kind = VALUE_TEXT };
		if (strcmp(values[i].variable, "$$") != 0)
			variable_read(&fixture.run, fixture_variable(values[i].variable), &value);
		if (strcmp(text, values[i].text) == 0 && value.kind == values[i].kind)
			continue;
		wrong++;
		printf("%s (kind %d)\n   is: %s\n  not: %s\n", values[i].variable, value.kind, text,
		       values[i].text);
	}
	assert_int_equal(wrong, 0);
}

static void replies_have_status_and_no_request_uri(void **state)
{
	fixture_message(
		"SIP/2.0 183 Session Progress\r\n"
		"Via: SIP/2.0/UDP 127.77.3.1:5060;branch=z9hG4bK1\r\n"
		"Via: SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK2;rport=5099;received=10.0.0.2\r\n"
		"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\nCSeq: 7 INVITE\r\n"
		"Content-Length: 0\r\n\r\n");
	fixture_is("$rs $rr $rm $mt $ru $rU $tt $tts",
		   "183 Session Progress INVITE 2 <null> <null> 2 1");
	fixture_is("$rpl(duri) $rpl(dhost) $rpl(dport) $rpl(cntvia)",
		   "sip:10.0.0.2:5099;transport=udp 10.0.0.2 5099 2");
	fixture_is("$nh(u) $nh(d) $nh(p) $nh(U)",
		   "sip:10.0.0.2:5099;transport=udp 10.0.0.2 5099 <null>");
}

static const struct {
	const char *uri, *variable, *value, *result;
} rewrites[] = {
	{ "sip:bob:pw@example.com:5070;transport=tcp;p=1?h=1", "$rU", "new",
	  "sip:new:pw@example.com:5070;transport=tcp;p=1?h=1" },
	{ "sip:bob:pw@example.com:5070;transport=tcp;p=1?h=1", "$rU", NULL,
	  "sip:example.com:5070;transport=tcp;p=1?h=1" },
	{ "sip:bob:pw@example.com:5070;transport=tcp;p=1?h=1", "$rU", "",
	  "sip:example.com:5070;transport=tcp;p=1?h=1" },
	{ "sip:bob:pw@example.com:5070;transport=tcp;p=1?h=1", "$rd", "nh.com",
	  "sip:bob:pw@nh.com:5070;transport=tcp;p=1?h=1" },
	{ "sip:bob:pw@example.com:5070;transport=tcp;p=1?h=1", "$rp", "5099",
	  "sip:bob:pw@example.com:5099;transport=tcp;p=1?h=1" },
	{ "sip:bob:pw@example.com:5070;transport=tcp;p=1?h=1", "$rp", NULL,
	  "sip:bob:pw@example.com;transport=tcp;p=1?h=1" },
	{ "sip:example.com;lr", "$rU", "new", "sip:new@example.com;lr" },
	{ "sip:example.com;lr", "$rp", "5099", "sip:example.com:5099;lr" },
	{ "sip:a@b;transport=tcp;x", "$rP", "udp", "sip:a@b;transport=udp;x" },
	{ "tel:+123", "$rU", "+9", "tel:+9" },
	{ "tel:+123", "$rd", "z", "sip:+123@z;user=phone" },
	{ "sip:a@b", "$ru", "sip:x@y", "sip:x@y" },
};

static void parts_of_the_request_uri_can_be_assigned(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rewrites); i++) {
		fixture_set_text("$ru", rewrites[i].uri);
		if (rewrites[i].value)
			fixture_set_text(rewrites[i].variable, rewrites[i].value);
		else
			assert_true(fixture_set_null(rewrites[i].variable));
		fixture_is("$ru", rewrites[i].result);
	}
	fixture_is("$ou", "sip:bob;x=y:pw@example.com:5070;transport=tcp;p=1;lr?h=1");
	assert_false(fixture_set_null("$rd"));
	assert_false(fixture_set_null("$ru"));
	fixture_is("$ru", "sip:x@y");
}

static const struct {
	const char *uri, *result;
} parts[] = {
	{ "sip:a@b", "a b 5060 UDP sip 1" },
	{ "sips:a@b", "a b 5060 UDP sips 1" },
	{ "sip:a@b;transport=TLS", "a b 5061 TLS sip 1" },
	{ "sip:[::1]", "<null> [::1] 5060 UDP sip 0" },
	{ "tel:+12", "+12 <null> 5060 UDP tel 3" },
	{ "urn:service:sos", "service sos 5060 UDP urn 7" },
	{ "urn:service:sos.fire", "service sos.fire 5060 UDP urn 7" },
	{ "sip:a@b;transport=foo", "a b 5060 foo sip 1" },
	{ "http://x", "<null> <null> <null> <null> <null> <null>" },
};

static void parts_of_all_kinds_of_uris(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		fixture_set_text("$ru", parts[i].uri);
		fixture_is("$rU $rd $rp $rP $rz $rUl", parts[i].result);
	}
}

static void next_hop_is_set_and_cleared(void **state)
{
	fixture_set_text("$du", "sip:9.9.9.9:5099;transport=tcp");
	fixture_is("$du $dd $dp $dP $nh(d)",
		   "sip:9.9.9.9:5099;transport=tcp 9.9.9.9 5099 tcp 9.9.9.9");
	fixture_set_text("$du", "sip:host.name");
	fixture_is("$dd $dp $dP", "host.name 5060 UDP");
	fixture_set_text("$du", "");
	fixture_is("$du", "<null>");
	fixture_set_text("$du", "sip:h");
	assert_true(fixture_set_null("$du"));
	fixture_is("$du", "<null>");
}

static void branches_are_read_and_changed(void **state)
{
	fixture_set_text("$ru", "sip:m@main;transport=tcp");
	fixture_set_text("$br", "sip:b1@h1");
	fixture_set_int("$(branch(q)[0])", 500);
	fixture_set_text("$br", "sip:b2@h2");
	fixture_is("$bR", "<sip:b1@h1>;q=0.5, sip:b2@h2");
	fixture_is("$ds", "Contact: <sip:m@main;transport=tcp>, <sip:b1@h1>;q=0.5, <sip:b2@h2>");
	fixture_is(
		"$(branch(uri)[-1]) $(branch(q)[0]) $(branch(q)[1]) $branch(count) $(branch(flags)[1])",
		"sip:b2@h2 500 <null> 2 0");
	fixture_is("$(branch(uri)[5]) $(branch(count)[5])", "<null> <null>");
	fixture_set_int("$(branch(q)[1])", 300);
	fixture_set_text("$(branch(uri)[1])", "sip:b2x@h2x");
	assert_true(fixture_set_null("$(branch(uri)[0])"));
	fixture_is("$bR $branch(count)", "<sip:b2x@h2x>;q=0.3 1");
	assert_false(fixture_set_null("$br"));
}

static void flags_are_numbers_and_hexadecimal_text(void **state)
{
	fixture_set_int("$mf", 8);
	fixture_set_int("$bF", 255);
	fixture_is("$mf $mF $bf $bF $sf", "8 00000008 255 000000ff 0");
	assert_true(fixture_set_null("$mf"));
	fixture_is("$mf", "0");
	struct value text = VALUE_OF_TEXT(SPAN_OF("ff"));
	assert_false(variable_write(&fixture.run, fixture_variable("$mF"), &text));
}

static void changes_of_from_and_to_show_when_applied(void **state)
{
	fixture_set_text("$fu", "sip:new@from");
	fixture_set_text("$tU", "tuser");
	fixture_set_text("$fn", "\"Nn\"");
	fixture_set_text("$fd", "fdom");
	fixture_is("$fu $tu $fn",
		   "sip:alice@a.example.com:5080;u=1 sip:bob@b.example.com \"Alice A\"");
	assert_true(message_apply_edits(fixture.run.msg));
	fixture_is("$fu $tu $fn", "sip:new@fdom sip:tuser@b.example.com \"Nn\"");
	fixture_is("$hdr(From)|$hdr(To)",
		   "\"Nn\" <sip:new@fdom>;tag=ft1|Bob <sip:tuser@b.example.com>");
	assert_true(fixture_set_null("$tn"));
	assert_false(fixture_set_null("$fu"));
	assert_true(message_apply_edits(fixture.run.msg));
	fixture_is("$hdr(To)", "<sip:tuser@b.example.com>");
}

static void addresses_without_brackets_get_them(void **state)
{
	fixture_message(
		"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: sip:a@b;tag=1\r\n"
		"To: sip:c@d\r\nCall-ID: x\r\nCSeq: 7 OPTIONS\r\n\r\n");
	fixture_set_text("$tn", "\"X\"");
	fixture_set_text("$tU", "e");
	fixture_set_text("$fd", "bb");
	assert_true(message_apply_edits(fixture.run.msg));
	fixture_is("$hdr(From)|$hdr(To)", "<sip:a@bb>;tag=1|\"X\" <sip:e@d>");
}

static void avps_are_stacks(void **state)
{
	fixture_set_text("$avp(a)", "one");
	fixture_set_text("$avp(s:a)", "two");
	fixture_set_int("$avp(a)", 3);
	fixture_is("$avp(a)|$(avp(a)[*])|$(avp(a)[1])|$(avp(a)[-1])|$(avp(a)[9])|$cnt($avp(a))",
		   "3|3, two, one|two|<null>|<null>|3");
	fixture_set_text("$(avp(a)[1])", "m");
	fixture_is("$(avp(a)[*])", "m, 3, two, one");
	assert_true(fixture_set_null("$avp(a)"));
	fixture_is("$(avp(a)[*])", "3, two, one");
	fixture_set_int("$(avp(a)[*])", 9);
	fixture_is("$(avp(a)[*])", "9");
	assert_true(fixture_set_null("$(avp(a)[*])"));
	fixture_is("$avp(a) $cnt($avp(a))", "<null> 0");
	fixture_set_text("$avp(i:5)", "x");
	fixture_set_text("$avp(5)", "y");
	fixture_set_text("$avp(s:5)", "z");
	fixture_is("$avp(i:5) $avp(5) $(avp(s:5)[*])", "x z z, y");
	fixture_set_text("$var(n)", "dyn");
	fixture_set_text("$avp($var(n))", "d");
	fixture_is("$avp(dyn) $avp($var(n)) $unknown_name", "d d <null>");
	fixture_set_text("$avp(unknown_name)", "as avp");
	fixture_is("$unknown_name", "as avp");
}

static void xavps_nest(void **state)
{
	fixture_set_int("$xavp(a=>x)", 1);
	fixture_set_int("$xavp(a=>y)", 2);
	fixture_is("$xavp(a[0]=>x) $xavp(a[0]=>y) $xavp(a[1]=>x) $cnt($xavp(a))", "<null> 2 1 2");
	fixture_set_int("$xavp(a[0]=>x)", 3);
	fixture_is("$xavp(a[0]=>x) $cnt($xavp(a[0]=>x[*])) $cnt($xavp(a=>x))", "3 1 2");
	fixture_set_int("$xavp(a[0]=>x[0])", 4);
	fixture_is("$xavp(a[0]=>x) $cnt($xavp(a=>x))", "4 2");
	fixture_set_int("$xavp(a[0]=>x)", 5);
	fixture_is("$xavp(a[0]=>x) $xavp(a[0]=>x[1]) $cnt($xavp(a=>x))", "5 4 3");
	struct value four = VALUE_OF_INT(4);
	assert_false(variable_write(&fixture.run, fixture_variable("$xavp(a[5]=>x)"), &four));
	fixture_set_int("$xavp(s)", 5);
	fixture_set_int("$xavp(s)", 6);
	fixture_is("$xavp(s) $xavp(s[1])", "6 5");
	fixture_set_int("$xavp(s[0])", 7);
	fixture_is("$xavp(s) $xavp(s[1])", "7 5");
	assert_true(fixture_set_null("$xavp(s[1])"));
	fixture_is("$xavp(s) $xavp(s[1]) $cnt($xavp(s))", "7 <null> 1");
	assert_true(fixture_set_null("$xavp(a[0]=>x[*])"));
	fixture_is("$xavp(a[0]=>x)", "<null>");
	assert_true(fixture_set_null("$xavp(a)"));
	fixture_is("$cnt($xavp(a))", "1");
	assert_true(fixture_set_null("$xavp(a[*])"));
	fixture_is("$cnt($xavp(a))", "0");
	fixture_set_int("$var(i)", 0);
	fixture_set_text("$xavp(d[$var(i)]=>$rm)", "v");
	fixture_is("$xavp(d=>INVITE) $(xavp(d){s.substr,0,8})", "v <<xavp:0");
}

static void xavus_are_unique_and_xavis_ignore_case(void **state)
{
	fixture_set_int("$xavu(a=>b)", 1);
	fixture_set_int("$xavu(a=>b)", 2);
	fixture_set_text("$xavu(a=>c)", "s");
	fixture_is("$xavu(a=>b) $xavu(a=>c)", "2 s");
	assert_true(fixture_set_null("$xavu(a=>b)"));
	fixture_is("$xavu(a=>b) $xavu(a=>c)", "<null> s");
	fixture_set_int("$xavi(Abc=>Def)", 1);
	fixture_is("$xavi(aBC=>dEF)", "1");
}

static void vars_are_zero_or_null_when_reset(void **state)
{
	fixture_set_text("$var(x)", "text");
	fixture_is("$var(x)", "text");
	assert_true(fixture_set_null("$var(x)"));
	fixture_set_int("$vn(x)", 5);
	fixture_is("$var(x) $vn(x)", "0 5");
	assert_true(fixture_set_null("$vn(x)"));
	fixture_is("$vn(x)", "<null>");
}

static void read_only_variables_say_so(void **state)
{
	struct value value = VALUE_OF_INT(1);
	assert_false(variable_is_writable(fixture_variable("$si")));
	assert_false(variable_write(&fixture.run, fixture_variable("$si"), &value));
	assert_true(variable_is_writable(fixture_variable("$ru")));
	assert_false(variable_is_writable(fixture_variable("$(ru{s.len})")));
}

static void conversions_warn_and_give_zero(void **state)
{
	int64_t number = 9;
	struct span text;
	assert_false(value_to_int(&VALUE_OF_TEXT(SPAN_OF("bob")), &number));
	assert_int_equal(number, 0);
	assert_true(value_to_int(&VALUE_OF_TEXT(SPAN_OF("-12")), &number));
	assert_int_equal(number, -12);
	assert_false(value_to_text(&fixture.run, &(struct value){ 0 }, &text));
	assert_null(text.at);
	assert_true(value_to_text(&fixture.run, &VALUE_OF_INT(-5), &text));
	assert_true(span_equal(text, SPAN_OF("-5")));
}

static void onsend_variables_know_both_ends(void **state)
{
	struct outgoing outgoing = { .msg = fixture.run.msg, .from = &fixture.listener };
	fixture_end_point(&outgoing.to, "tcp:[2001:db8::1]:5099");
	fixture.run.outgoing = &outgoing;
	fixture.run.kind = ROUTE_ONSEND;
	fixture_is(
		"$sndfrom(ip):$sndfrom(port) $sndfrom(sproto) $snd(port) $sndto(ip):$sndto(port) $sndto(af) $sndto(sproto)",
		"127.77.3.1:5060 udp 5099 2001:db8::1:5099 10 tcp");
	fixture_is("$(sndto(buf){s.substr,0,6})", "INVITE");
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(values_are_those_of_the_peer),
		T(replies_have_status_and_no_request_uri),
		T(parts_of_the_request_uri_can_be_assigned),
		T(parts_of_all_kinds_of_uris),
		T(next_hop_is_set_and_cleared),
		T(branches_are_read_and_changed),
		T(flags_are_numbers_and_hexadecimal_text),
		T(changes_of_from_and_to_show_when_applied),
		T(addresses_without_brackets_get_them),
		T(avps_are_stacks),
		T(xavps_nest),
		T(xavus_are_unique_and_xavis_ignore_case),
		T(vars_are_zero_or_null_when_reset),
		T(read_only_variables_say_so),
		T(conversions_warn_and_give_zero),
		T(onsend_variables_know_both_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
