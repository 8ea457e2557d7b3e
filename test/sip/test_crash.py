# SPDX-License-Identifier: BSD-2-Clause
"""Workers that die are replaced; registrations and later calls live on. Ours only: the peer ends
when one of its processes dies."""
import os
import signal
import time

import pytest
from settings import PROXY, RELAY, head
from sipua import Dialog

CONFIG = head(children=2) + PROXY + RELAY
ALLOWED = [r"(worker|process|child).*(died|signal|killed|ended|exit|crash|replac)", "Segmentation"]
pytestmark = pytest.mark.viaduct_only("the peer does not replace its processes")


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        return {int(child) for child in children.read().split()}


def kill_all_but_supervisor(server, number):
    """Sends the signal to every child, waits until all are replaced."""
    before = children_of(server.process.pid)
    for child in before:
        os.kill(child, number)
    deadline = time.monotonic() + 10
    while True:
        now = children_of(server.process.pid)
        if not now & before and len(now) == len(before):
            return
        assert server.process.poll() is None, "the server ended:\n" + server.log()
        assert time.monotonic() < deadline, "children %s, before %s:\n%s" % (now, before,
                                                                            server.log())
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV],
                         ids=lambda number: number.name)
def test_registration_and_later_calls_survive(agent, server, number):
    alice, bob = agent("alice"), agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    if number == signal.SIGSEGV:
        server.allow("AddressSanitizer")  # it reports the signal that we send
    kill_all_but_supervisor(server, number)
    assert len(bob.register(contact=[]).contacts) == 1
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200, body=bob.sdp())
    dialog = Dialog.from_client(alice, invite, alice.expect_reply(200, invite))
    dialog.ack()
    bob.expect_request("ACK")
    bye = dialog.send("BYE")
    bob.reply(bob.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def test_call_that_was_ringing_is_answered_after_the_death(agent, server):
    alice, bob = agent("alice"), agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    kill_all_but_supervisor(server, signal.SIGKILL)
    bob.reply(incoming, 200, body=bob.sdp())
    dialog = Dialog.from_client(alice, invite, alice.expect_reply(200, invite))
    dialog.ack()
    bob.expect_request("ACK")
