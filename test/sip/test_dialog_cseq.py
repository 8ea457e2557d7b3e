# SPDX-License-Identifier: BSD-2-Clause
"""track_cseq_updates of dialog: behind this server a call counts its requests from another number on, as
after an INVITE that was sent again with credentials. Here the callee answers as if it had got one."""
import pytest
from settings import head
from sipua import Dialog
from tables import wait_for
from test_dialog import invite, shown, state
from test_dialog_requests import SCRIPT

AHEAD = 3


def config(**settings):
    return head("dialog", "jsonrpcs", **{"dialog__" + name: value for name, value in settings.items()}) + SCRIPT


CONFIG = config(track_cseq_updates=1)
ALLOWED = ["no keepalive is sent"]
pytestmark = pytest.mark.viaduct_only("the peer hears of it from uac_auth()")


def number(message):
    return message.cseq[0]


def answered(server, alice, bob, ahead=AHEAD):
    """A call whose INVITE bob takes for one with a later number; both dialogs."""
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    incoming.set("CSeq", "%d INVITE" % (number(incoming) + ahead))
    bob.reply(incoming, 180)
    assert number(alice.expect_reply(180, request)) == number(request)
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    assert number(ok) == number(request)
    caller, callee = Dialog.from_client(alice, request, ok), Dialog.from_server(bob, incoming, answer)
    caller.ack()
    assert number(bob.expect_request("ACK")) == number(request) + ahead
    wait_for(lambda: state(server, caller.call_id) == 4, server.log)
    return caller, callee


def exchanged(dialog, near, far, method, status=200, **kwargs):
    """The numbers of a request as the other side saw it, and of the reply as it came back."""
    request = dialog.send(method, **kwargs)
    incoming = far.expect_request(method)
    far.reply(incoming, status)
    return number(request), number(incoming), number(near.expect_reply(status, request))


@pytest.fixture
def pair(agent):
    return agent("alice"), agent("bob")


def test_the_callers_numbers_are_shifted(pair, server):
    alice, bob = pair
    caller, callee = answered(server, alice, bob)
    assert "'cseq_diff': '%d'" % AHEAD in str(shown(server, caller.call_id)["variables"])
    sent, seen, back = exchanged(caller, alice, bob, "INFO")
    assert (seen, back) == (sent + AHEAD, sent)
    # A re-INVITE that is refused: its ACK is made here.
    request = caller.send("INVITE")
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 488)
    assert number(alice.expect_reply(488, request)) == number(request)
    assert number(bob.expect_request("ACK")) == number(incoming) == number(request) + AHEAD
    # And one that is accepted.
    request = caller.send("INVITE")
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200)
    assert number(alice.expect_reply(200, request)) == number(request)
    caller.ack()
    assert number(bob.expect_request("ACK")) == number(incoming)
    # The callee's own requests are as they are.
    sent, seen, back = exchanged(callee, bob, alice, "INFO")
    assert seen == back == sent
    sent, seen, back = exchanged(caller, alice, bob, "BYE")
    assert (seen, back) == (sent + AHEAD, sent)


def test_requests_of_the_server_go_on_from_there(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    sent, seen, _back = exchanged(caller, alice, bob, "INFO")
    found = shown(server, caller.call_id)
    server.rpc("dlg.end_dlg", found["h_entry"], found["h_id"])
    last = bob.expect_request("BYE")
    assert number(last) == seen + 1 == sent + 1 + AHEAD
    bob.reply(last, 200)
    alice.reply(alice.expect_request("BYE"), 200)


def test_calls_that_count_alike_stay_as_they_are(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob, ahead=0)
    assert "cseq_diff" not in str(shown(server, caller.call_id))
    sent, seen, back = exchanged(caller, alice, bob, "BYE")
    assert sent == seen == back


def refused(server, alice, bob):
    """The numbers of an INVITE and of its refusal, which comes for a later one."""
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    incoming.set("CSeq", "%d INVITE" % (number(incoming) + AHEAD))
    bob.reply(incoming, 486)
    final = alice.take(lambda m: not m.is_request and m.status == 486, 8, "486")
    return number(request), number(final)


def test_a_refusal_has_the_callers_number(pair, server):
    sent, seen = refused(server, *pair)
    assert seen == sent


def test_without_the_setting_nothing_is_changed(start_server, agent):
    server = start_server(config())
    sent, seen = refused(server, agent("alice", server=server), agent("bob", server=server))
    assert seen == sent + AHEAD
