# SPDX-License-Identifier: BSD-2-Clause
"""save(): its results, its flags, the header lines of its answers; Path, GRUU, outbound."""
import pytest
from settings import START, head

SCRIPT = """
request_route {
""" + START + """
	switch ($hdr(X-Flags)) {
	case "0x02":
		$var(result) = save("location", "0x02");
		break;
	case "0x04":
		$var(result) = save("location", "0x04");
		break;
	case "0x12":
		$var(result) = save("location", "0x12");
		break;
	default:
		if ($hdr(X-Expires) != $null) $xavp(reg=>expires) = $(hdr(X-Expires){s.int});
		if ($hdr(X-Seen) != $null) $avp(seen) = $hdr(X-Seen);
		$var(result) = save("location");
	}
	xlog("L_NOTICE", "$ci result $var(result)\\n");
	if ($hdr(X-Flags) == "0x02") reg_send_reply();
	if ($hdr(X-Flags) == "0x12") sl_send_reply("202", "Accepted");
}
"""


def config(**settings):
    values = dict(registrar__use_path=1, registrar__path_mode=1, registrar__xavp_cfg='"reg"',
                  registrar__received_avp='"$avp(seen)"', registrar__max_contacts=3,
                  registrar__retry_after=30)
    values.update(settings)
    return head(**values) + SCRIPT


CONFIG = config()
ALLOWED = ["invalid cseq for aor", "too many contacts", "check_contacts", "calc_contact_q", "pack_ci",
           "insert_contacts", "parse_contact", "test_max_contacts", "outbound", "Outbound", "path",
           "do_parse_rr_body", "update_contacts", "skip_name", "parse_message", "skip_uri", "contact_parser"]
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"'


@pytest.fixture
def phone(agent, server):
    made = agent("phone")
    made.user = "phone%d" % made.address[1]
    made.registrar = server
    return made


def result_of(phone, *contacts, **kwargs):
    """What save() returned to the script."""
    call = phone.unique("result")
    phone.register(contact=list(contacts), call_id=call, **kwargs)
    return int(phone.registrar.wait_log(r"%s result (-?\d+)" % call).group(1))


def test_results_tell_what_was_done(phone):
    assert result_of(phone) == 4
    assert result_of(phone, "<sip:a@192.0.2.1>") == 1
    assert result_of(phone, "<sip:a@192.0.2.1>;expires=100") == 2
    assert result_of(phone, "<sip:b@192.0.2.1>, <sip:a@192.0.2.1>") == 1
    assert result_of(phone, "<sip:a@192.0.2.1>;expires=0, <sip:c@192.0.2.1>") == 3
    assert result_of(phone, "<sip:nobody@192.0.2.1>;expires=0") == 1
    assert result_of(phone, "*", expires=0) == 3


def test_refusals_have_negative_results(phone):
    many = ["<sip:%d@192.0.2.1>" % i for i in range(4)]
    assert result_of(phone, *many, status=503) == -2
    assert result_of(phone, "<sip:a@192.0.2.1>;q=7", status=400) == -1
    assert "Contact" not in phone.register(contact=[])


@pytest.mark.parametrize("contact, expires, status, reason", [
    ("*", 60, 400, "* used in contact and expires is not zero"),
    ("<sip:a@192.0.2.1>;q=abc", 60, 400, "Invalid q param in contact"),
    ("xx<<", 60, 400, "Contact parse error"),
    ("<sip:%s@192.0.2.1>" % ("a" * 600), 60, 400, "Contact/received too long"),
])
def test_error_says_what_was_wrong(phone, contact, expires, status, reason):
    reply = phone.register(contact=contact, expires=expires, status=status)
    assert reply["P-Registrar-Error"] == reason


def test_too_many_tells_when_to_come_back(phone):
    phone.register(contact=["<sip:%d@192.0.2.1>" % i for i in range(3)])
    reply = phone.register(contact="<sip:9@192.0.2.1>", status=503)
    assert reply["Retry-After"] == "30"
    assert len(reply.contacts) == 3


@pytest.mark.parametrize("parameters, expected", [
    ('received="sip:192.0.2.9:5090"', {"received": "sip:192.0.2.9:5090"}),
    ("received", {}), ("q", {}), ('q=""', {}), ("q=01.000", {"q": "1"}), ("q=0.12999", {"q": "0.129"}),
    ("reg-id=x", {}), ("expires", {})])
def test_contact_parameters_are_read_kindly(phone, parameters, expected):
    """received is what another server saw; a parameter without value counts as none."""
    contact = "<sip:a@192.0.2.1>;" + parameters
    (told,) = phone.register(contact=contact, expires=300).contacts.values()
    assert int(told.pop("expires")) in range(298, 301)
    assert {name: value.strip('"') for name, value in told.items()} == expected


@pytest.mark.parametrize("headers", [
    [("Contact", "<sip:b@192.0.2.1>;q=2")], [("Path", "<sip:p.example.org>"), ("Contact", "<sip:b@192.0.2.1>")],
    [("Contact", "<sip:b@192.0.2.1>"), ("X-Seen", "sip:" + "z" * 252)]])
def test_refusal_shows_the_bindings(phone, headers):
    phone.register(contact="<sip:a@192.0.2.1>")
    reply = phone.register(contact=[], headers=headers, status=400)
    assert reply.get("Contact").startswith("<sip:a@192.0.2.1>;expires=")
    assert "b@" not in reply.get("Contact")


@pytest.mark.parametrize("value", ["", ","])
def test_contact_header_without_contact_is_refused(phone, value):
    reply = phone.register(contact=[], headers=[("Contact", value)], status=400)
    assert reply.get("P-Registrar-Error") == "Contact parse error"


def test_empty_path_is_none(phone):
    assert phone.register(headers=[("Path", ""), ("Supported", "path")]).get("Path") is None


def test_refresh_is_allowed_at_the_limit(phone):
    phone.register(contact=["<sip:%d@192.0.2.1>" % i for i in range(3)])
    phone.register(contact="<sip:1@192.0.2.1>;expires=100")


def test_first_of_equal_contacts_counts(phone):
    reply = phone.register(contact="<sip:a@192.0.2.1>;q=0.9, <sip:a@192.0.2.1>;q=0.3")
    assert reply["Contact"].startswith("<sip:a@192.0.2.1>;q=0.9;expires=")
    assert len(reply.contacts) == 1


def test_contacts_are_listed_best_first(phone):
    reply = phone.register(contact="<sip:a@192.0.2.1>, <sip:b@192.0.2.1>;q=0.25, <sip:c@192.0.2.1>;q=1")
    assert list(reply.contacts) == ["sip:c@192.0.2.1", "sip:b@192.0.2.1", "sip:a@192.0.2.1"]
    assert [c.get("q") for c in reply.contacts.values()] == ["1", "0.25", None]


@pytest.mark.parametrize("value", ["abc", "", "-5"])
def test_malformed_expires_counts_as_default(phone, value):
    reply = phone.register(contact="<sip:a@192.0.2.1>;expires=%s" % value) if value else \
        phone.register(contact="<sip:a@192.0.2.1>", headers=[("Expires", "soon")])
    (found,) = reply.contacts.values()
    assert int(found["expires"]) in range(3598, 3601)


def test_script_overrides_expires(phone):
    reply = phone.register(contact="<sip:a@192.0.2.1>;expires=1000", headers=[("X-Expires", "77")])
    (found,) = reply.contacts.values()
    assert int(found["expires"]) in range(75, 78)


def test_received_address_is_shown(phone):
    reply = phone.register(contact="<sip:a@192.0.2.1>", headers=[("X-Seen", "sip:198.51.100.7:99")])
    assert reply["Contact"].endswith(';received="sip:198.51.100.7:99"')


# ---- flags ----
def test_one_contact_replaces_all_others(phone):
    phone.register(contact="<sip:a@192.0.2.1>, <sip:b@192.0.2.1>")
    reply = phone.register(contact="<sip:c@192.0.2.1>", headers=[("X-Flags", "0x04")])
    assert list(reply.contacts) == ["sip:c@192.0.2.1"]
    reply = phone.register(contact="<sip:d@192.0.2.1>, <sip:e@192.0.2.1>", headers=[("X-Flags", "0x04")])
    assert list(reply.contacts) == ["sip:e@192.0.2.1"]


def test_removing_with_one_contact_removes_only_that(phone):
    phone.register(contact="<sip:a@192.0.2.1>")
    reply = phone.register(contact="<sip:b@192.0.2.1>;expires=0", headers=[("X-Flags", "0x04")])
    assert list(reply.contacts) == ["sip:a@192.0.2.1"]


def test_reply_is_sent_later(phone):
    reply = phone.register(contact="<sip:a@192.0.2.1>", headers=[("X-Flags", "0x02")])
    assert list(reply.contacts) == ["sip:a@192.0.2.1"]
    assert len(reply.all("Contact")) == 1


def test_header_lines_are_prepared_for_the_scripts_own_reply(phone):
    reply = phone.register(contact="<sip:a@192.0.2.1>", headers=[("X-Flags", "0x12")], status=202)
    assert list(reply.contacts) == ["sip:a@192.0.2.1"]


# ---- Path, GRUU ----
PATH = [("Path", "<sip:p1.example.org;lr>"), ("Path", "<sip:p2.example.org;lr>")]


def test_path_is_echoed_to_those_who_know_it(phone):
    reply = phone.register(contact="<sip:a@192.0.2.1>", headers=PATH + [("Supported", "path")])
    assert reply["Path"] == "<sip:p1.example.org;lr>,<sip:p2.example.org;lr>"
    assert "Path" not in phone.register(contact="<sip:a@192.0.2.1>", headers=PATH)


def test_malformed_path_is_refused(phone):
    reply = phone.register(contact="<sip:a@192.0.2.1>", headers=[("Path", "foo<<")], status=400)
    assert reply["P-Registrar-Error"] == "Path parse error"


def test_gruus_are_given_to_those_who_know_them(phone):
    contact = "<sip:a@192.0.2.1>;" + INSTANCE
    assert "pub-gruu" not in phone.register(contact=contact)["Contact"]
    reply = phone.register(contact=contact, headers=[("Supported", "gruu")])
    uuid = "urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF"
    host = phone.domain.partition(":")[0]
    assert ';pub-gruu="sip:%s@%s;gr=%s";temp-gruu="sip:' % (phone.user, host, uuid) in \
        reply["Contact"]
    assert reply["Contact"].endswith(';+sip.instance="<%s>"' % uuid)


def test_instance_is_one_binding_wherever_it_is(phone):
    phone.register(contact="<sip:a@192.0.2.1>;" + INSTANCE)
    reply = phone.register(contact="<sip:a@192.0.2.2>;" + INSTANCE)
    assert list(reply.contacts) == ["sip:a@192.0.2.2"]
    reply = phone.register(contact="<sip:a@192.0.2.3>;reg-id=1;" + INSTANCE)
    assert len(reply.values("Contact")) == 2


# ---- other settings ----
@pytest.fixture
def phone_of(agent, start_server):
    def make(**settings):
        server = start_server(config(**settings))
        server.allow(*ALLOWED)
        return agent("phone", server=server)
    return make


def test_too_brief_is_refused_when_wanted(phone_of):
    phone = phone_of(registrar__min_expires_mode=1)
    reply = phone.register(contact="<sip:a@192.0.2.1>;expires=10", status=423)
    assert reply["Min-Expires"] == "60"
    assert reply["P-Registrar-Error"] == "Interval too brief"


def test_unsupported_path_is_refused_when_wanted(phone_of):
    phone = phone_of(registrar__path_mode=2)
    reply = phone.register(contact="<sip:a@192.0.2.1>", headers=PATH, status=420)
    assert reply["Unsupported"] == "path"
    assert reply["Path"] == "<sip:p1.example.org;lr>,<sip:p2.example.org;lr>"


@pytest.mark.viaduct_only("the peer keeps what it refuses")
def test_refused_path_is_not_kept(phone_of):
    phone = phone_of(registrar__path_mode=2)
    phone.register(contact="<sip:a@192.0.2.1>", headers=PATH, status=420)
    assert "Contact" not in phone.register(contact=[])


def test_default_q_and_received_param(phone_of):
    phone = phone_of(registrar__default_q=400, registrar__received_param='"rcv"')
    reply = phone.register(contact="<sip:a@192.0.2.1>", headers=[("X-Seen", "sip:198.51.100.7:99")])
    assert reply["Contact"].startswith("<sip:a@192.0.2.1>;q=0.4;expires=")
    assert reply["Contact"].endswith(';rcv="sip:198.51.100.7:99"')


OUTBOUND = "<sip:a@192.0.2.1>;reg-id=1;" + INSTANCE
PROXY_VIA = ("Via", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKedge")


def test_outbound_is_unsupported_by_default(phone):
    reply = phone.register(contact=OUTBOUND, headers=[("Require", "outbound")], status=420)
    assert reply["Unsupported"] == "outbound"


def test_outbound_is_used_when_the_phone_knows_it(phone_of):
    phone = phone_of(registrar__outbound_mode=1, registrar__flow_timer=25)
    reply = phone.register(contact=OUTBOUND, headers=[("Supported", "outbound")])
    assert (reply["Supported"], reply["Require"], reply["Flow-Timer"]) == ("outbound", "outbound", "25")
    reply = phone.register(contact="<sip:b@192.0.2.1>")
    assert reply["Supported"] == "outbound" and "Require" not in reply


def test_outbound_needs_a_first_hop_that_knows_it(phone_of):
    phone = phone_of(registrar__outbound_mode=1)
    known = [("Supported", "outbound, path"), PROXY_VIA]
    phone.register(contact=OUTBOUND, headers=known, status=439)
    phone.register(contact=OUTBOUND, headers=known + [("Path", "<sip:p;lr>")], status=439)
    phone.register(contact=OUTBOUND, headers=known + [("Path", "<sip:p;lr;ob>")])


def test_outbound_can_be_needed(phone_of):
    phone = phone_of(registrar__outbound_mode=2)
    reply = phone.register(contact=OUTBOUND, headers=[("Supported", "gruu")], status=421)
    assert reply["Require"] == "outbound"
