# SPDX-License-Identifier: BSD-2-Clause
"""Transactions by the RFCs where Kamailio 5.6 is not: RFC 3261 17, 4320, 5393, 6026."""
import os
import subprocess
import time

import pytest
from settings import PROXY, RELAY, head
from sipua import Dialog
from sipua.server import build_dir

CONFIG = head("ctl", tm__fr_timer=1000, tm__fr_inv_timer=3000, tm__retr_timer1=60, tm__retr_timer2=120,
              tm__wt_timer=200, registrar__append_branches=1) + PROXY + RELAY
pytestmark = pytest.mark.viaduct_only("the peer does otherwise")


@pytest.fixture
def pair(agent):
    alice, bob = agent("alice"), agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    return alice, bob


def statistic(server, name):
    done = subprocess.run([os.path.join(build_dir(), "utils", "kamcmd"), "-s", server.rundir + "/kamailio_ctl",
                           "stats.get_statistics", name], capture_output=True, text=True, check=True)
    return int(done.stdout.split("=")[1])


def send_message(alice, bob):
    return alice.send(alice.request("MESSAGE", bob.aor, body="x", content_type="text/plain"))


def test_time_out_of_a_non_invite_is_not_told(pair):
    alice, bob = pair
    send_message(alice, bob)
    bob.expect_request("MESSAGE")
    alice.expect_nothing(1.4)


def test_408_to_a_non_invite_is_not_passed(pair):
    alice, bob = pair
    send_message(alice, bob)
    bob.reply(bob.expect_request("MESSAGE"), 408)
    alice.expect_nothing(0.2)


def test_408_to_an_invite_is_passed(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    bob.reply(bob.expect_request("INVITE"), 408)
    alice.expect_reply(408, invite)


def test_timer_a_doubles_beyond_t2(pair):
    alice, bob = pair
    alice.invite(bob.aor)
    bob.expect_request("INVITE")
    times = [time.monotonic()]
    for _ in range(4):
        bob.expect_again(2)
        times.append(time.monotonic())
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert gaps[3] > 1.5 * gaps[2] > 2 * gaps[1], gaps


def test_invite_that_comes_late_after_a_2xx_is_absorbed(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    bob.reply(bob.expect_request("INVITE"), 200, body=bob.sdp())
    alice.expect_reply(200, invite)
    time.sleep(0.5)  # beyond wt_timer
    alice.send(invite)
    bob.expect_nothing(0.2)
    assert not bob.retransmissions


def test_2xx_passes_again_until_the_ack(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, invite)
    time.sleep(0.5)
    bob.send(answer, incoming.source)
    assert alice.expect_retransmission().status == 200
    Dialog.from_client(alice, invite, ok).ack()
    bob.expect_request("ACK")


def test_reply_to_a_transaction_that_is_gone_is_dropped(pair):
    alice, bob = pair
    message = send_message(alice, bob)
    incoming = bob.expect_request("MESSAGE")
    answer = bob.reply(incoming, 200)
    alice.expect_reply(200, message)
    time.sleep(0.6)
    bob.send(answer, incoming.source)
    alice.expect_nothing(0.2)
    assert not alice.retransmissions


@pytest.mark.parametrize("branch", ["z9hG4bKs0123456789abcdef.00000000.0123456789abcdef.0", "z9hG4bKforeign",
                                    "z9hG4bKt00.1.1.00000000.0123456789abcdef.0", "1", "z9hG4bK..."])
def test_reply_with_a_forged_branch_is_dropped(pair, server, branch):
    alice, bob = pair
    message = send_message(alice, bob)
    incoming = bob.expect_request("MESSAGE")
    before = statistic(server, "stray_replies")
    forged = bob.reply_to(incoming, 200)
    forged.headers[0][1] = forged.headers[0][1].replace(incoming.branch, branch)
    bob.send(forged, incoming.source)
    alice.expect_nothing(0.1)
    assert statistic(server, "stray_replies") == before + 1
    bob.reply(incoming, 202)
    alice.expect_reply(202, message)


def test_address_that_leads_to_itself_ends_in_482(agent, server):
    alice = agent("alice")
    alice.register(aor=server.uri("self"), contact=server.uri("self"))
    before = statistic(server, "rcv_requests")
    invite = alice.invite(server.uri("self"))
    alice.expect_reply(482, invite)
    assert statistic(server, "rcv_requests") - before < 10
    assert statistic(server, "loops") >= 1


def test_two_addresses_that_lead_to_each_other_cost_little(agent, server):
    alice = agent("alice")
    for name in "left", "right":
        for contact in "left", "right":
            alice.register(aor=server.uri(name), contact=server.uri(contact))
    before = statistic(server, "rcv_requests")
    invite = alice.invite(server.uri("left"))
    alice.expect_reply((482, 440), invite)
    assert statistic(server, "rcv_requests") - before < 100


def test_request_that_comes_back_to_another_user_goes_on(pair, server):
    alice, bob = pair
    alice.register(aor=server.uri("forwarded"), contact=server.uri(bob.user))
    invite = alice.invite(server.uri("forwarded"))
    incoming = bob.expect_request("INVITE")
    assert len(incoming.values("Via")) == 3
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)
