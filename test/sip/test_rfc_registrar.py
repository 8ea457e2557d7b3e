# SPDX-License-Identifier: BSD-2-Clause
"""The registrar by the RFCs where the peer does otherwise: RFC 3261 8.2.2.3, 10.3, 19.1.4, RFC 5627.
Each choice that breaks with the peer has a parameter, and its other side is tested too."""
import re

import pytest
from settings import RELAY, START, head

SCRIPT = """
request_route {
""" + START + """
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	$var(result) = lookup("location");
	if ($var(result) < 0) {
		sl_send_reply("404", "Result $var(result)");
		exit;
	}
	sl_send_reply("302", "Found");
}
"""


def config(**settings):
    return head(registrar__use_path=1, registrar__path_mode=1, **settings) + SCRIPT


CONFIG = config()
pytestmark = pytest.mark.viaduct_only("the peer does otherwise")


@pytest.fixture
def phone(agent, server):
    made = agent("phone")
    made.user = "phone%d" % made.address[1]
    return made


@pytest.fixture
def phone_of(agent, start_server):
    def make(**settings):
        return agent("phone", server=start_server(config(**settings)))
    return make


def expires_of(reply):
    (found,) = reply.contacts.values()
    return int(found["expires"])


# ---- extensions ----
@pytest.mark.parametrize("require, unsupported", [
    ("foo", "foo"), ("foo, path, gruu", "foo"), ("outbound", "outbound"), ("a,b , c", "a, b, c"),
    ("sec-agree", "sec-agree"), ("PATH, Bar", "Bar")])
def test_unknown_extension_is_refused_by_name(phone, require, unsupported):
    reply = phone.register(headers=[("Require", require)], status=420)
    assert reply["Unsupported"] == unsupported
    assert "Contact" not in phone.register(contact=[])


def test_several_require_headers_count(phone):
    reply = phone.register(headers=[("Require", "path"), ("Require", "foo"), ("Require", "bar")],
                           status=420)
    assert reply["Unsupported"] == "foo, bar"


def test_known_extensions_may_be_required(phone):
    phone.register(headers=[("Require", "path, gruu")])


def test_require_can_be_ignored_as_the_peer_does(phone_of):
    phone = phone_of(registrar__check_require=0)
    phone.register(headers=[("Require", "foo")])
    assert phone.register(headers=[("Require", "foo, outbound")], status=420)["Unsupported"] == \
        "outbound"


# ---- expiry ----
def test_too_brief_an_interval_is_refused_with_the_least(phone_of):
    phone = phone_of(registrar__min_expires_mode=1, registrar__min_expires=120)
    assert phone.register(expires=119, status=423)["Min-Expires"] == "120"
    assert phone.register(contact="%s;expires=1" % phone.contact, status=423)["Min-Expires"] == "120"
    assert "Contact" not in phone.register(contact=[])
    assert expires_of(phone.register(expires=120)) in (119, 120)
    phone.register(expires=0)


@pytest.mark.parametrize("expires", ["4294967295", "4294967296", "4294967356", "18446744073709551616",
                                     "9" * 100])
def test_seconds_beyond_32_bits_are_many_not_few(phone, expires):
    assert expires_of(phone.register(headers=[("Expires", expires)])) in (3599, 3600)
    assert expires_of(phone.register(contact="%s;expires=%s" % (phone.contact, expires))) in (3599, 3600)


def test_without_a_limit_they_stay_many(phone_of):
    phone = phone_of(registrar__max_expires=0)
    assert expires_of(phone.register(headers=[("Expires", "9" * 30)])) > 4 * 10**9


@pytest.mark.parametrize("expires", ["-1", "abc", "1 2", "0x10", ""])
def test_malformed_seconds_count_as_the_default(phone, expires):
    assert expires_of(phone.register(headers=[("Expires", expires)])) in (3599, 3600)


# ---- wildcard ----
@pytest.mark.parametrize("contact, headers", [
    (["*"], []), (["*"], [("Expires", "1")]), (["*"], [("Expires", "abc")]),
    (["*, <sip:a@192.0.2.1>"], [("Expires", "0")]), (["<sip:a@192.0.2.1>, *"], [("Expires", "0")]),
    (["<sip:a@192.0.2.1>", "*"], [("Expires", "0")]), (["*", "*"], [("Expires", "0")]),
    (["*;expires=0"], []), (["*;q=1"], [("Expires", "0")]), (['"All" <*>'], [("Expires", "0")])])
def test_a_star_that_breaks_the_rules_removes_nothing(phone, contact, headers):
    phone.register()
    phone.register(contact=contact, headers=headers, status=400)
    assert len(phone.register(contact=[]).contacts) == 1


def test_a_star_removes_all_bindings_but_not_against_the_order_of_a_call(phone):
    phone.register(contact=["<sip:a@192.0.2.1>"], call_id="star-" + phone.user, cseq=5)
    phone.register(contact=["<sip:b@192.0.2.1>"])
    phone.register(contact=["*"], expires=0, call_id="star-" + phone.user, cseq=4, status=400)
    assert len(phone.register(contact=[]).contacts) == 2
    phone.register(contact=["*"], expires=0, call_id="star-" + phone.user, cseq=6)
    assert "Contact" not in phone.register(contact=[])


# ---- order ----
def test_a_late_register_of_the_same_call_changes_nothing(phone):
    call = "order-" + phone.user
    phone.register(expires=600, call_id=call, cseq=7)
    phone.register(expires=0, call_id=call, cseq=6, status=400)
    phone.register(expires=60, call_id=call, cseq=6, status=400)
    assert expires_of(phone.register(contact=[])) > 590
    # A phone that was restarted begins anew with another Call-ID.
    phone.register(expires=60, call_id=call + "-new", cseq=1)


def test_one_late_contact_refuses_the_whole_request(phone):
    call = "whole-" + phone.user
    phone.register(contact=["<sip:a@192.0.2.1>"], call_id=call, cseq=7)
    phone.register(contact=["<sip:new@192.0.2.1>, <sip:a@192.0.2.1>"], call_id=call, cseq=6, status=400)
    assert list(phone.register(contact=[]).contacts) == ["sip:a@192.0.2.1"]


# ---- comparison of contacts ----
@pytest.mark.parametrize("first, second, same", [
    ("sip:a@PHONE.example", "sip:a@phone.EXAMPLE", True),
    ("sip:%61@192.0.2.1", "sip:a@192.0.2.1", True),
    ("sip:a@192.0.2.1", "sip:A@192.0.2.1", False),
    ("sip:a@192.0.2.1", "sip:a@192.0.2.1:5060", False),
    ("sip:a@192.0.2.1;transport=udp", "sip:a@192.0.2.1;transport=UDP", True),
    ("sip:a@192.0.2.1;transport=udp", "sip:a@192.0.2.1", False),
    ("sip:a@192.0.2.1;line=1;x=2", "sip:a@192.0.2.1;x=2", True),
    ("sip:a@192.0.2.1;line=1", "sip:a@192.0.2.1;line=2", False),
    ("sips:a@192.0.2.1", "sip:a@192.0.2.1", False)])
def test_contacts_are_compared_as_uris(phone, first, second, same):
    phone.register(contact=["<%s>" % first])
    phone.register(contact=["<%s>" % second])
    assert len(phone.register(contact=[]).contacts) == (1 if same else 2)


# ---- temporary GRUUs ----
GRUU = [("Supported", "gruu")]
CONTACT = '<sip:a@192.0.2.1>;+sip.instance="<urn:uuid:1>"'


def temporary(reply):
    return re.search(r'temp-gruu="([^"]+)"', reply["Contact"]).group(1)


def reaches(phone, uri):
    """The contact that lookup() put into the Request-URI shows in the 302, or None."""
    request = phone.send(phone.request("MESSAGE", uri, body="x", content_type="text/plain"))
    reply = phone.expect_reply((302, 404), request)
    return reply.status == 302


def test_each_register_yields_another_temporary_gruu_and_all_work(phone):
    call = "gruu-" + phone.user
    given = [temporary(phone.register(contact=[CONTACT], headers=GRUU, call_id=call, cseq=i))
             for i in range(1, 6)]
    assert len(set(given)) == 5
    users = [uri[4:].split("@")[0] for uri in given]
    # Nothing that they have in common tells whose they are.
    assert not any(set(zip(users[0][6:], range(32))) == set(zip(u[6:], range(32))) for u in users[1:])
    assert all(reaches(phone, uri) for uri in given)


def test_another_call_id_ends_earlier_temporary_gruus(phone):
    old = temporary(phone.register(contact=[CONTACT], headers=GRUU))
    new = temporary(phone.register(contact=[CONTACT], headers=GRUU))
    assert not reaches(phone, old) and reaches(phone, new)


def test_temporary_gruus_end_with_the_binding(phone):
    gruu = temporary(phone.register(contact=[CONTACT], headers=GRUU))
    phone.register(contact=["*"], expires=0)
    phone.register(contact=[CONTACT], headers=GRUU)
    assert not reaches(phone, gruu)


@pytest.mark.parametrize("spoil", [lambda u: u[:-1] + ("0" if u[-1] != "0" else "1"), lambda u: u[:-1],
                                   lambda u: u + "0", lambda u: "x" + u[1:], lambda u: u[:6] + "g" * 32])
def test_a_forged_temporary_gruu_reaches_nobody(phone, spoil):
    gruu = temporary(phone.register(contact=[CONTACT], headers=GRUU))
    user, rest = gruu[4:].split("@", 1)
    assert not reaches(phone, "sip:%s@%s" % (spoil(user), rest))
