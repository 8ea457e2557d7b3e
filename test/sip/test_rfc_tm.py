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


# ---- Max-Breadth (RFC 5393 5) ----

FORKING = head("ctl", timers=True) + """
request_route {
	if (is_method("ACK|CANCEL")) { t_relay(); exit; }
	if ($rU == "harness-ready") { sl_send_reply("200", "Ready"); exit; }
	if ($rU =~ "^grow") {
		$var(user) = $rU;
		$ru = "sip:" + $var(user) + "a@" + $Ri + ":" + $Rp;
		append_branch("sip:" + $var(user) + "b@" + $Ri + ":" + $Rp);
	} else {
		$ru = "sip:one@" + $hdr(X-One);
		if ($rU == "one" && $(hdr(X-Two)) != $null) append_branch("sip:two@" + $hdr(X-Two));
		if ($hdr(X-Serial) == "yes") t_on_failure("AGAIN");
	}
	if (!t_relay()) sl_reply_error();
}
failure_route[AGAIN] {
	$ru = "sip:again@" + $hdr(X-One);
	append_branch("sip:again@" + $hdr(X-Two));
	t_relay();
}
"""


@pytest.fixture
def fork(start_server, agent):
    """fork(*headers, two=True) sends a MESSAGE that goes to one phone, or two."""
    server = start_server(FORKING)
    alice, one, two = (agent(name, server=server) for name in ("alice", "one", "two"))

    def send(*headers, both=True, serial=False):
        more = [("X-One", one.host_port)] + [("X-Two", two.host_port)] * both + [("X-Serial", "yes")] * serial
        return alice.send(alice.request("MESSAGE", "sip:x@example.com", headers=more + list(headers)))
    send.alice, send.one, send.two, send.server = alice, one, two, server
    return send


def test_forks_share_the_breadth(fork):
    fork(("Max-Breadth", "5"))
    assert fork.one.expect_request("MESSAGE").all("Max-Breadth") == ["3"]
    assert fork.two.expect_request("MESSAGE").all("Max-Breadth") == ["2"]


def test_a_first_fork_without_breadth_leaves_as_it_came(fork):
    fork()
    assert "Max-Breadth" not in fork.one.expect_request("MESSAGE")
    assert "Max-Breadth" not in fork.two.expect_request("MESSAGE")


def test_a_single_branch_keeps_the_breadth(fork):
    fork(("max-breadth", "007"), both=False)
    assert fork.one.expect_request("MESSAGE").all("Max-Breadth") == ["007"]


@pytest.mark.parametrize("value", ["1", "0", "x", "-1"])
def test_a_fork_beyond_the_breadth_is_refused(fork, value):
    message = fork(("Max-Breadth", value))
    fork.alice.expect_reply(440, message)
    fork.one.expect_nothing(0.1)
    fork.two.expect_nothing(0.1)


def test_a_serial_leg_has_the_breadth_of_the_failed_one(fork):
    fork(("Max-Breadth", "4"), serial=True)
    first = fork.one.expect_request("MESSAGE")
    fork.two.reply(fork.two.expect_request("MESSAGE"), 480)
    fork.one.reply(first, 480)
    assert fork.one.expect_request("MESSAGE").all("Max-Breadth") == ["2"]
    assert fork.two.expect_request("MESSAGE").all("Max-Breadth") == ["2"]


def test_forks_that_return_with_other_users_end(fork):
    before = statistic(fork.server, "rcv_requests")
    invite = fork.alice.send(fork.alice.request("INVITE", "sip:grow@example.com"))
    fork.alice.expect_reply(440, invite)
    assert 10 < statistic(fork.server, "rcv_requests") - before < 2 * 100  # each has its ACK


# ---- merged requests (RFC 3261 8.2.2.2) ----

ANSWERING = head(tm__wt_timer=1000) + """
request_route {
	if ($rU == "harness-ready") { sl_send_reply("200", "Ready"); exit; }
	t_newtran();
	t_reply("200", "OK");
}
"""


def another_way(request, **changes):
    copy = request.copy()
    copy.set("Via", request["Via"] + "-other")
    for name, value in changes.items():
        copy.set(name, value)
    return copy


def test_a_merged_request_is_refused(start_server, agent):
    alice = agent("alice", server=start_server(ANSWERING))
    first = alice.send(alice.request("MESSAGE", "sip:x@example.com"))
    alice.expect_reply(200, first)
    second = alice.send(another_way(first))
    alice.expect_reply(482, second)
    alice.send(first)
    assert alice.expect_retransmission().status == 200
    alice.send(second)
    assert alice.expect_retransmission().status == 482


@pytest.mark.parametrize("change", [
    {"CSeq": "77 MESSAGE"}, {"From": "<sip:alice@example.com>;tag=other"}, {"To": "<sip:x@example.com>;tag=in-dialog"}, {"Call-ID": "other"}])
def test_another_request_is_not_merged(start_server, agent, change):
    alice = agent("alice", server=start_server(ANSWERING))
    first = alice.send(alice.request("MESSAGE", "sip:x@example.com"))
    alice.expect_reply(200, first)
    second = alice.send(another_way(first, **change))
    alice.expect_reply(200, second)


def test_another_user_of_the_same_fork_is_not_merged(start_server, agent):
    alice = agent("alice", server=start_server(ANSWERING))
    first = alice.send(alice.request("MESSAGE", "sip:x@example.com"))
    alice.expect_reply(200, first)
    second = another_way(first)
    second.start_line = second.start_line.replace("x@", "y@")
    alice.expect_reply(200, alice.send(second))
