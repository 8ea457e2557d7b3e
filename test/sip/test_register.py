# SPDX-License-Identifier: BSD-2-Clause
"""The registrar: RFC 3261 10.3 as the module registrar implements it."""
import pytest
from settings import PROXY, RELAY, head
from sipua.message import name_addr

CONFIG = head(registrar__min_expires=60, registrar__default_expires=1800,
              registrar__max_contacts=4) + PROXY + RELAY

ALLOWED = ["sl_reply_error", "invalid cseq for aor", "max_contacts"]


@pytest.fixture
def phone(agent):
    """An agent whose address-of-record nobody else uses."""
    made = agent("phone")
    made.user = "phone%d" % made.address[1]
    return made


def uris(reply):
    return sorted(reply.contacts)


def lasts(reply):
    """The expires parameter of the only contact."""
    (found,) = reply.contacts.values()
    return int(found["expires"])


def about(seconds):
    """A second may begin between storing and answering, and a server's clock may tick slowly."""
    return range(seconds - 2, seconds + 1)


def test_binding_is_added_and_listed_with_its_expiry(phone):
    reply = phone.register(expires=600)
    assert uris(reply) == [name_addr(phone.contact)[0]]
    assert lasts(reply) in about(600)


def test_query_without_contact_lists_the_bindings(phone):
    phone.register()
    assert uris(phone.register(contact=[])) == [name_addr(phone.contact)[0]]


def test_query_of_an_unknown_user_lists_nothing(phone):
    assert "Contact" not in phone.register(contact=[])


def test_refresh_keeps_one_binding(phone):
    call = "refresh-%d" % phone.address[1]
    phone.register(expires=100, call_id=call, cseq=1)
    reply = phone.register(expires=300, call_id=call, cseq=2)
    assert lasts(reply) in about(300)


def test_expires_zero_removes_the_binding(phone):
    phone.register()
    assert "Contact" not in phone.register(expires=0)
    assert "Contact" not in phone.register(contact=[])


def test_expires_parameter_of_the_contact_wins_over_the_header(phone):
    reply = phone.register(contact=phone.contact + ";expires=120", expires=900)
    assert lasts(reply) in about(120)


def test_default_expires_applies_when_none_is_given(phone):
    reply = phone.register()
    assert lasts(reply) in about(1800)


def test_too_short_interval_is_raised_to_the_minimum(phone):
    reply = phone.register(expires=30)
    assert lasts(reply) in about(60)


def test_too_long_interval_is_cut_to_the_maximum(phone):
    reply = phone.register(expires=1000000)
    assert lasts(reply) in about(3600)


def test_several_contacts_in_one_request(phone):
    wanted = ["sip:a@192.0.2.1", "sip:b@192.0.2.2:5080;transport=udp", "sip:c@192.0.2.3"]
    reply = phone.register(contact=["<%s>;q=0.5, <%s>" % tuple(wanted[:2]), "<%s>" % wanted[2]])
    assert uris(reply) == sorted(wanted)
    assert float(reply.contacts[wanted[0]]["q"]) == 0.5


def test_star_removes_everything(phone):
    phone.register(contact=["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>"])
    assert "Contact" not in phone.register(contact="*", expires=0)
    assert "Contact" not in phone.register(contact=[])


def test_star_with_an_interval_is_refused(phone):
    phone.register(contact="*", expires=60, status=400)


def test_star_beside_another_contact_is_refused(phone):
    phone.register(contact=["*", "<sip:a@192.0.2.1>"], expires=0, status=400)


def test_one_of_several_is_removed(phone):
    phone.register(contact=["<sip:a@192.0.2.1>", "<sip:b@192.0.2.2>"])
    reply = phone.register(contact="<sip:a@192.0.2.1>;expires=0")
    assert uris(reply) == ["sip:b@192.0.2.2"]


def test_old_cseq_of_the_same_call_is_refused(phone):
    call = "order-%d" % phone.address[1]
    phone.register(call_id=call, cseq=20, expires=600)
    phone.register(call_id=call, cseq=19, expires=0, status=400)
    assert uris(phone.register(contact=[])) == [name_addr(phone.contact)[0]]


def test_more_contacts_than_max_contacts_are_refused(phone):
    phone.register(contact=["<sip:%d@192.0.2.1>" % i for i in range(4)])
    phone.register(contact="<sip:5@192.0.2.1>", status=503)
    assert len(phone.register(contact=[]).contacts) == 4


def test_parameters_of_the_contact_uri_come_back(phone):
    uri = "sip:x@192.0.2.9:5099;transport=tcp;line=abc123;ob"
    assert uris(phone.register(contact="<%s>" % uri)) == [uri]


def test_display_name_in_the_contact_is_accepted(phone):
    reply = phone.register(contact='"A, B <c>" <sip:x@192.0.2.9>')
    assert len(reply.values("Contact")) == 1


def test_registration_retransmitted_gets_the_same_answer(phone):
    request = phone.request("REGISTER", "sip:" + phone.domain, to="<%s>" % phone.aor,
                            headers=[("Contact", phone.contact), ("Expires", "600")])
    phone.send(request)
    phone.expect_reply(200, request)
    assert phone.resend(request).status == 200


def test_call_goes_to_the_new_place_after_a_move(agent, phone):
    new = agent("new")
    phone.register()
    phone.register(contact="%s;expires=0" % phone.contact)
    new.user = phone.user
    new.register()
    caller = agent("caller")
    invite = caller.invite(phone.aor)
    new.reply(new.expect_request("INVITE"), 486)
    caller.expect_reply(486, invite)
    phone.expect_nothing(0.1)


def test_call_after_removal_gets_404(agent, phone):
    phone.register()
    phone.register(expires=0)
    caller = agent("caller")
    caller.expect_reply(404, caller.invite(phone.aor))


def test_case_of_the_user_part_is_ignored_by_default(agent, phone):
    phone.register()
    caller = agent("caller")
    invite = caller.invite("sip:%s@%s" % (phone.user.upper(), phone.domain))
    phone.reply(phone.expect_request("INVITE"), 486)
    caller.expect_reply(486, invite)
