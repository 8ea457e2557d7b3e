# SPDX-License-Identifier: BSD-2-Clause
"""A worker dies at one point after the other of the road of a BYE: the caller is answered, the dialog ends and
the call is recorded, all within seconds."""
import time

import pytest
from settings import START, head
from sipua import Dialog
from soak import SOAK
from tables import wait_for
from test_unbreakable_points import BINARY, plan    # noqa: F401

CONFIG = head("dialog", "acc", "jsonrpcs", children=1, acc__cdr_enable=1, acc__early_media=0,
              dialog__enable_stats=1) + """
request_route {""" + START + """
	if (is_method("CANCEL")) exit;
	if (has_totag()) loose_route();
	else {
		record_route();
		dlg_manage();
	}
	$du = "sip:" + $hdr(X-Target);
	t_relay();
}
"""
ALLOWED = [r"was killed by signal|was repaired|no shared memory"]
END_SECONDS = 5
pytestmark = pytest.mark.viaduct_only("the peer ends when a worker dies")


def target(bob):
    return [("X-Target", "%s:%d" % bob.address)]


def answered_call(server, alice, bob):
    invite = alice.invite("sip:bob@" + server.host_port, headers=target(bob))
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200)
    ok = alice.expect_reply(200, invite)
    call = Dialog.from_client(alice, invite, ok)
    call.ack(headers=target(bob))
    bob.expect_request("ACK")
    return call


def hang_up(call, alice, bob):
    """The BYE is repeated until it is answered; whatever bob gets of it, he answers."""
    bye = call.request("BYE", headers=target(bob))
    deadline = time.monotonic() + END_SECONDS
    while True:
        assert time.monotonic() < deadline, "the BYE is answered:\n" + alice.history()
        alice.send(bye)
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            if bob.read(0.01):
                for message in bob.inbox + bob.retransmissions:
                    if message.is_request and message.method == "BYE":
                        bob.reply(message, 200)
                bob.inbox.clear()
                bob.retransmissions.clear()
            alice.read(0.01)
            answers = [m for m in alice.inbox if m.branch == bye.branch]
            if answers:
                assert answers[0].status == 200, answers[0]
                return


def test_a_call_ends_although_its_worker_dies(plan, start_server, agent):    # noqa: F811
    server = start_server(CONFIG, binary=BINARY)
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    ended = 0
    for nth in range(1, 200, 1 if SOAK else 5):
        call = answered_call(server, alice, bob)
        died = plan.at.deaths
        plan.at.countdown = nth
        hang_up(call, alice, bob)
        ended += 1
        wait_for(lambda: server.rpc("dlg.stats_active")["all"] == 0 and server.log().count("end_time=") >= ended,
                 lambda: "call %d, death at %d (%s)" % (ended, nth, plan.at.last), END_SECONDS)
        plan.spare()
        if plan.at.deaths == died:
            break
    assert plan.at.deaths > 5
    assert server.rpc("core.shm_check") == 0
    wait_for(lambda: server.rpc("tm.stats")["waiting"] == server.rpc("tm.stats")["current"], "nothing is left behind")
