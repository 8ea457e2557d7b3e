# SPDX-License-Identifier: BSD-2-Clause
"""Calls between two registered users through a record-routing proxy."""
import pytest
from settings import PROXY, RELAY, head
from sipua import Dialog
from sipua.message import name_addr, params

CONFIG = head() + PROXY + RELAY


@pytest.fixture
def pair(agent):
    """alice, and bob who is registered under a name of his own."""
    alice, bob = agent("alice"), agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    return alice, bob


def establish(alice, bob):
    """INVITE 180 200 ACK; both dialogs."""
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, invite)
    caller = Dialog.from_client(alice, invite, ok)
    callee = Dialog.from_server(bob, incoming, answer)
    caller.ack()
    bob.expect_request("ACK")
    return caller, callee


def test_call_is_set_up_and_ended_by_the_caller(pair):
    alice, bob = pair
    caller, _ = establish(alice, bob)
    bye = caller.send("BYE")
    bob.reply(bob.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def test_callee_ends_the_call(pair):
    alice, bob = pair
    _, callee = establish(alice, bob)
    bye = callee.send("BYE")
    alice.reply(alice.expect_request("BYE"), 200)
    bob.expect_reply(200, bye)


def test_reinvite_passes_in_both_directions(pair):
    alice, bob = pair
    caller, callee = establish(alice, bob)
    for dialog, other in ((caller, bob), (callee, alice)):
        invite = dialog.send("INVITE", body=dialog.agent.sdp())
        other.reply(other.expect_request("INVITE"), 200, body=other.sdp())
        dialog.agent.expect_reply(200, invite)
        dialog.ack()
        other.expect_request("ACK")


def test_100_comes_from_the_proxy_and_has_no_to_tag(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    trying = alice.expect_reply(100, invite)
    assert trying.to_tag is None
    assert len(trying.via) == 1 and trying.branch == invite.branch
    assert trying.via_params()["rport"] == str(alice.address[1])
    assert "Record-Route" not in trying
    bob.reply(bob.expect_request("INVITE"), 486)
    alice.expect_reply(486, invite)


def test_forwarded_invite_has_via_record_route_and_the_contact_as_request_uri(pair, server):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    assert incoming.uri == "sip:%s@%s" % (bob.user, bob.host_port)
    assert len(incoming.via) == 2
    assert server.host_port in incoming.via[0]
    assert incoming.branch.startswith("z9hG4bK")
    assert params(incoming.via[1])["branch"] == invite.branch
    uri, _ = name_addr(incoming.values("Record-Route")[0])
    assert uri.startswith("sip:" + server.host_port) and "lr" in params(uri)
    assert incoming["Max-Forwards"] == "69"
    assert incoming["To"] == invite["To"]
    assert incoming["From"] == invite["From"]
    assert incoming["Contact"] == alice.contact
    assert incoming.body == invite.body
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)


def test_replies_lose_our_via_and_keep_record_route(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 183, headers=[("X-Custom", "kept")], body=bob.sdp())
    progress = alice.expect_reply(183, invite)
    assert len(progress.via) == 1 and progress.branch == invite.branch
    assert progress.values("Record-Route") == incoming.values("Record-Route")
    assert progress["X-Custom"] == "kept"
    assert progress.body == bob.sdp().encode()
    bob.reply(incoming, 603)
    alice.expect_reply(603, invite)


@pytest.mark.parametrize("status", [302, 404, 480, 486, 488, 500, 503, 600, 603])
def test_final_refusals_pass_and_are_acknowledged_hop_by_hop(pair, status):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, status, "Refused")
    refusal = alice.expect_reply((status, 500 if status == 503 else status), invite)
    assert refusal.to_tag
    ack = bob.expect_request("ACK")
    assert ack.branch == incoming.branch
    assert ack.cseq == (1, "ACK")
    assert len(ack.via) == 1
    bob.expect_nothing(0.1)


def test_ack_to_a_2xx_travels_end_to_end_with_its_body(pair):
    alice, bob = pair
    invite = alice.request("INVITE", bob.aor)
    alice.send(invite)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, invite)
    Dialog.from_client(alice, invite, ok).ack(body=alice.sdp())
    ack = bob.expect_request("ACK")
    assert ack.body == alice.sdp().encode()
    assert len(ack.via) == 2 and ack.branch != incoming.branch
    assert "Route" not in ack
    assert ack.uri == "sip:%s@%s" % (bob.user, bob.host_port)


def test_retransmitted_200_reaches_the_caller_again(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, invite)
    bob.send(answer, incoming.source)
    assert alice.expect_retransmission().status == 200
    dialog = Dialog.from_client(alice, invite, ok)
    dialog.ack()
    bob.expect_request("ACK")
    dialog.ack()
    assert bob.expect_request("ACK").cseq[0] == 1


def test_second_final_reply_of_other_method_does_not_disturb(pair):
    alice, bob = pair
    caller, _ = establish(alice, bob)
    info = caller.send("INFO", body="x", headers=[("Content-Type", "text/plain")])
    bob.reply(bob.expect_request("INFO"), 200)
    alice.expect_reply(200, info)
    bye = caller.send("BYE")
    bob.reply(bob.expect_request("BYE"), 481)
    alice.expect_reply(481, bye)


def test_message_outside_a_dialog_is_delivered(pair):
    alice, bob = pair
    message = alice.send(alice.request("MESSAGE", bob.aor, body="hello",
                                       content_type="text/plain"))
    incoming = bob.expect_request("MESSAGE")
    assert incoming.body == b"hello" and "Record-Route" not in incoming
    bob.reply(incoming, 200)
    alice.expect_reply(200, message)


def test_unknown_user_gets_404(agent, server):
    alice = agent("alice")
    invite = alice.invite(server.uri("nobody"))
    alice.expect_reply(404, invite)
    alice.expect_nothing(0.1)
