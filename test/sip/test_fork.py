# SPDX-License-Identifier: BSD-2-Clause
"""Parallel forking: RFC 3261 16.7, best reply, 6xx, CANCEL of the losers."""
import pytest
from settings import PROXY, RELAY, head
from sipua import Dialog

CONFIG = head(timers=True) + PROXY + RELAY


@pytest.fixture
def trio(agent):
    """alice, and two phones with one address-of-record."""
    alice, one, two = agent("alice"), agent("one"), agent("two")
    one.user = two.user = "home%d" % one.address[1]
    one.register()
    two.register()
    return alice, one, two


def ring(alice, *phones):
    """INVITE that all phones answer with 180."""
    invite = alice.invite(phones[0].aor)
    incoming = []
    for phone in phones:
        incoming.append(phone.expect_request("INVITE"))
        phone.reply(incoming[-1], 180)
        alice.expect_reply(180, invite)
    return invite, incoming


def test_both_phones_get_the_call_on_branches_of_their_own(trio):
    alice, one, two = trio
    invite, (first, second) = ring(alice, one, two)
    assert first.branch != second.branch
    assert first.branch.rpartition(".")[0] == second.branch.rpartition(".")[0]
    assert first.uri != second.uri
    for phone, incoming in ((one, first), (two, second)):
        phone.reply(incoming, 486)
    alice.expect_reply(486, invite)


def test_answer_cancels_the_other_branch_with_a_reason(trio):
    alice, one, two = trio
    invite, (first, second) = ring(alice, one, two)
    two.reply(second, 200, body=two.sdp())
    ok = alice.expect_reply(200, invite)
    cancel = one.expect_request("CANCEL")
    assert cancel.branch == first.branch
    assert cancel["Reason"].replace(" ", "").startswith("SIP;cause=200")
    one.reply(cancel, 200)
    one.reply(first, 487)
    one.expect_request("ACK")
    Dialog.from_client(alice, invite, ok).ack()
    two.expect_request("ACK")
    alice.expect_nothing(0.1)


def test_refusal_waits_for_the_other_branch(trio):
    alice, one, two = trio
    invite, (first, second) = ring(alice, one, two)
    one.reply(first, 486)
    one.expect_request("ACK")
    alice.expect_nothing(0.2)
    two.reply(second, 200, body=two.sdp())
    alice.expect_reply(200, invite)


@pytest.mark.parametrize("statuses, best", [
    ((486, 404), 404), ((404, 486), 404), ((503, 486), 486), ((408, 480), 408), ((500, 404), 404),
    ((486, 302), 302),
])
def test_best_refusal_is_chosen(trio, statuses, best):
    alice, one, two = trio
    invite, incoming = ring(alice, one, two)
    for phone, request, status in zip((one, two), incoming, statuses):
        phone.reply(request, status)
        phone.expect_request("ACK")
    alice.expect_reply(best, invite)


def test_6xx_ends_the_other_branch_and_wins(trio):
    alice, one, two = trio
    invite, (first, second) = ring(alice, one, two)
    one.reply(first, 603)
    cancel = two.expect_request("CANCEL")
    two.reply(cancel, 200)
    two.reply(second, 487)
    alice.expect_reply(603, invite)


def test_cancel_of_the_caller_reaches_every_ringing_branch(trio):
    alice, one, two = trio
    invite, incoming = ring(alice, one, two)
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    for phone, request in zip((one, two), incoming):
        phone.reply(phone.expect_request("CANCEL"), 200)
        phone.reply(request, 487)
        phone.expect_request("ACK")
    alice.expect_reply(487, invite)


def test_two_answers_both_reach_the_caller(trio):
    alice, one, two = trio
    invite, (first, second) = ring(alice, one, two)
    one.reply(first, 200, body=one.sdp())
    alice.expect_reply(200, invite)
    two.reply(two.expect_request("CANCEL"), 200)
    two.reply(second, 200, body=two.sdp())
    late = alice.expect_reply(200, invite)
    dialog = Dialog.from_client(alice, invite, late)
    dialog.ack()
    two.expect_request("ACK")
    bye = dialog.send("BYE")
    two.reply(two.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def test_one_dead_phone_does_not_hold_up_the_answer(trio):
    alice, one, two = trio
    two.close()
    invite = alice.invite(one.aor)
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 200, body=one.sdp())
    alice.expect_reply(200, invite)
