# SPDX-License-Identifier: BSD-2-Clause
"""Settings and arguments of registrar and usrloc that decide what is stored and what comes back."""
import time

import pytest
from settings import START, head

SCRIPT = """
request_route {
""" + START + """
	switch ($hdr(X-Do)) {
	case "memory":
		save("location", "0x01");
		exit;
	case "attributes":
		$xavp(ulattrs=>colour) = "red";
		$xavp(ulattrs[0]=>size) = 7;
		save("location");
		exit;
	case "lookup":
		$var(result) = lookup("location");
		$var(text) = $_s($var(result):$xavp(ulattrs=>colour):$xavp(ulattrs=>size));
		break;
	case "registered":
		$var(match) = $(hdr(X-Match){s.int});
		$var(action) = $(hdr(X-Action){s.int});
		$avp(call) = $hdr(X-Call);
		$xavp(reg=>match_callid) = $hdr(X-Call);
		$xavp(reg[0]=>match_contact) = $hdr(X-Contact);
		$var(result) = registered("location", "$ru", "$var(match)", "$var(action)");
		$var(text) = $_s($var(result):$xavp(ulattrs=>colour):$xavp(rcd=>contact));
		break;
	case "socket":
		add_sock_hdr("X-$rU");
		msg_apply_changes();
		$var(text) = $_s($(hdr(X-me)));
		break;
	default:
		save("location");
		exit;
	}
	append_to_reply("X-Result: $var(text)\\r\\n");
	sl_send_reply("200", "OK");
}
"""


def config(**settings):
    values = dict(usrloc__xavp_contact='"ulattrs"', tm__xavp_contact='"ulattrs"',
                  registrar__xavp_cfg='"reg"', registrar__xavp_rcd='"rcd"')
    values.update(settings)
    return head("jsonrpcs", **values) + SCRIPT


CONFIG = config()


@pytest.fixture
def phone(agent, server):
    made = agent("phone")
    made.user = "phone%d" % made.address[1]
    made.registrar = server
    return made


@pytest.fixture
def phone_of(agent, start_server):
    def make(**settings):
        server = start_server(config(**settings))
        made = agent("phone", server=server)
        made.registrar = server
        return made
    return make


def ask(phone, what, user=None, **headers):
    lines = [("X-Do", what)] + [("X-" + name.capitalize(), str(value)) for name, value in headers.items()]
    uri = phone.registrar.uri(user or phone.user)
    request = phone.send(phone.request("MESSAGE", uri, body="x", content_type="text/plain", headers=lines))
    return phone.expect_reply(200, request)["X-Result"]


def register(phone, what, **kwargs):
    return phone.register(headers=[("X-Do", what)], **kwargs)


def test_values_of_the_xavp_come_back_with_the_binding(phone):
    register(phone, "attributes")
    assert ask(phone, "lookup") == "1:red:7"


def test_a_refresh_without_values_takes_them_away(phone):
    register(phone, "attributes")
    phone.register()
    assert ask(phone, "lookup") in ("1:<null>:<null>", "1::")


def test_registered_restores_and_records_as_its_action_says(phone):
    register(phone, "attributes", contact=["<sip:a@192.0.2.1>"])
    assert ask(phone, "registered", match=0, action=0).split(":", 2)[1] in ("", "<null>")
    assert ask(phone, "registered", match=0, action=0).endswith(":sip:a@192.0.2.1")
    assert ask(phone, "registered", match=0, action=1) == "1:red:sip:a@192.0.2.1"
    assert ask(phone, "registered", match=0, action=3).startswith("1:red:")
    assert not ask(phone, "registered", match=0, action=3).endswith("192.0.2.1")


@pytest.mark.viaduct_only("the peer compares nothing when another value of the XAVP is null")
def test_registered_compares_what_its_bits_say(phone):
    call = "match-" + phone.user
    phone.register(contact=["<sip:a@192.0.2.1>"], call_id=call)
    for match, values, result in ((1, {"call": call}, "1"), (1, {"call": "x"}, "-1"),
                                  (4, {"contact": "sip:a@192.0.2.1"}, "1"),
                                  (4, {"contact": "sip:b@192.0.2.1"}, "-1"),
                                  (5, {"call": call, "contact": "sip:b@192.0.2.1"}, "-1"),
                                  (0, {"call": "x", "contact": "x"}, "1")):
        assert ask(phone, "registered", match=match, action=2, **values).split(":")[0] == result


@pytest.mark.viaduct_only("the peer has given the parameter up")
def test_reg_callid_avp_asks_for_one_call_id(phone_of):
    phone = phone_of(registrar__reg_callid_avp='"$avp(call)"')
    phone.register(call_id="the-call")
    assert ask(phone, "registered", match=0, action=2, call="the-call").startswith("1:")
    assert ask(phone, "registered", match=0, action=2, call="another").startswith("-1:")


def test_name_of_the_socket_header_may_have_variables(phone):
    assert ask(phone, "socket", user="me") == "udp:%s" % phone.registrar.host_port


def test_contacts_of_one_header_count_from_its_end(phone):
    reply = phone.register(contact=["<sip:a@192.0.2.1>, <sip:b@192.0.2.1>", "<sip:c@192.0.2.1>"])
    assert list(reply.contacts) == ["sip:b@192.0.2.1", "sip:a@192.0.2.1", "sip:c@192.0.2.1"]
    reply = phone.register(contact=["<sip:d@192.0.2.1>"])
    assert list(reply.contacts)[3] == "sip:d@192.0.2.1"


@pytest.mark.viaduct_only("the peer keeps expired bindings as long as it likes")
def test_expired_bindings_serve_until_they_are_cleared_away(phone_of):
    phone = phone_of(registrar__use_expired_contacts=1, registrar__min_expires=0,
                     usrloc__timer_interval=1)
    began = time.monotonic()
    phone.register(expires=1)
    while time.monotonic() < began + 1.2:
        assert ask(phone, "lookup").startswith("1:")
    assert "Contact" not in phone.register(contact=[])
    while ask(phone, "lookup").startswith("1:"):
        assert time.monotonic() < began + 8
