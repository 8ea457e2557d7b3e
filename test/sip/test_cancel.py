# SPDX-License-Identifier: BSD-2-Clause
"""CANCEL: RFC 3261 9 and 16.10."""
import pytest
from settings import PROXY, RELAY, head
from sipua import Dialog

CONFIG = head() + PROXY + RELAY


@pytest.fixture
def pair(agent):
    alice, bob = agent("alice"), agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    return alice, bob


def test_cancel_while_ringing(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    got = bob.expect_request("CANCEL")
    assert got.branch == incoming.branch and got.uri == incoming.uri
    assert got.cseq == (1, "CANCEL") and got["To"] == incoming["To"]
    assert len(got.via) == 1
    bob.reply(got, 200)
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)
    assert bob.expect_request("ACK").branch == incoming.branch


def test_cancel_before_a_provisional_reply_waits_for_it(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    bob.expect_nothing(0.2)
    bob.reply(incoming, 180)
    got = bob.expect_request("CANCEL")
    bob.reply(got, 200)
    bob.reply(incoming, 487)
    alice.expect_reply((180, 487), invite)
    bob.expect_request("ACK")


def test_cancel_keeps_the_reason_of_the_caller(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite, headers=[
        ("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
    got = bob.expect_request("CANCEL")
    assert got["Reason"] == 'SIP;cause=200;text="Call completed elsewhere"'
    bob.reply(got, 200)
    bob.reply(incoming, 487)
    alice.expect_reply(200, cancel)
    alice.expect_reply(487, invite)


def test_cancel_of_an_unknown_transaction_is_silent_in_the_script(pair):
    alice, bob = pair
    invite = alice.request("INVITE", bob.aor)
    alice.cancel(invite)
    alice.expect_nothing(0.2)
    bob.expect_nothing(0.1)


def test_cancel_after_the_final_reply_changes_nothing(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)
    bob.expect_request("ACK")
    alice.cancel(invite)
    alice.collect(0.2)
    bob.expect_nothing(0.1)


def test_answer_that_crosses_a_cancel_wins(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    bob.reply(bob.expect_request("CANCEL"), 200)
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, invite)
    caller = Dialog.from_client(alice, invite, ok)
    caller.ack()
    bob.expect_request("ACK")
    assert answer["To"] == ok["To"]
    bye = caller.send("BYE")
    bob.reply(bob.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def test_refusal_that_crosses_a_cancel_is_passed(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    alice.expect_reply(200, alice.cancel(invite))
    bob.reply(bob.expect_request("CANCEL"), 481)
    bob.reply(incoming, 486)
    alice.expect_reply((486, 487), invite)
    bob.expect_request("ACK")


def test_retransmitted_cancel_is_answered_again(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    alice.send(cancel)
    assert alice.expect_retransmission().cseq[1] == "CANCEL"
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)
