# SPDX-License-Identifier: BSD-2-Clause
"""Transaction timers with fr_timer 500 ms and fr_inv_timer 1.5 s: RFC 3261 17."""
import time

import pytest
from settings import PROXY, RELAY, head

CONFIG = head(timers=True) + PROXY + RELAY


@pytest.fixture
def pair(agent):
    alice, bob = agent("alice"), agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    return alice, bob


def test_silent_callee_gives_408_after_fr_timer(pair):
    alice, bob = pair
    start = time.monotonic()
    invite = alice.invite(bob.aor)
    alice.expect_reply(408, invite)
    assert 0.35 < time.monotonic() - start < 1.5


def test_unanswered_ringing_is_cancelled_after_fr_inv_timer(pair):
    alice, bob = pair
    start = time.monotonic()
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = bob.expect_request("CANCEL")
    assert 1.2 < time.monotonic() - start < 3
    assert cancel.branch == incoming.branch
    bob.reply(cancel, 200)
    bob.reply(incoming, 487)
    alice.expect_reply(408, invite)
    bob.expect_request("ACK")


def test_request_is_retransmitted_until_a_provisional_reply(pair):
    alice, bob = pair
    alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    assert bob.expect_retransmission(3).branch == incoming.branch
    bob.reply(incoming, 180)
    alice.expect_reply(180)
    bob.retransmissions.clear()
    bob.collect(0.9)
    assert not [m for m in bob.retransmissions if m.method == "INVITE"]
    bob.reply(incoming, 486)
    alice.expect_reply(486)


def test_refusal_is_retransmitted_until_the_ack_comes(pair):
    alice, bob = pair
    alice.auto_ack = False
    invite = alice.invite(bob.aor)
    bob.reply(bob.expect_request("INVITE"), 486)
    refusal = alice.expect_reply(486, invite)
    assert alice.expect_retransmission(3).status == 486
    alice.ack_failure(invite, refusal)
    alice.collect(0.2)
    alice.retransmissions.clear()
    alice.collect(1.2)
    assert not alice.retransmissions
