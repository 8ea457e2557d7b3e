# SPDX-License-Identifier: BSD-2-Clause
"""Repetitions are absorbed before the script runs: RFC 3261 17.2."""
import pytest
from settings import RELAY, START, head

CONFIG = head() + """
request_route {
""" + START + """
	xlog("L_NOTICE", "script ran for $rm $ci\\n");
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	t_check_trans();
	if (is_method("REGISTER")) {
		save("location");
		exit;
	}
	if ($rU == "local") {
		t_newtran();
		t_reply("480", "Nobody Home");
		exit;
	}
	if (!lookup("location")) {
		sl_send_reply("404", "Not Found");
		exit;
	}
	route(RELAY);
}
""" + RELAY


@pytest.fixture
def pair(agent):
    alice, bob = agent("alice"), agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    return alice, bob


def test_repeated_invite_gets_the_last_provisional_reply_again(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    alice.send(invite)
    assert alice.expect_retransmission().status == 180
    bob.expect_nothing(0.1)
    assert not bob.retransmissions
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)


def test_repeated_request_gets_the_stored_final_reply(pair):
    alice, bob = pair
    message = alice.send(alice.request("MESSAGE", bob.aor, body="x", content_type="text/plain"))
    bob.reply(bob.expect_request("MESSAGE"), 202)
    alice.expect_reply(202, message)
    alice.send(message)
    assert alice.expect_retransmission().status == 202
    bob.expect_nothing(0.1)
    assert not bob.retransmissions


def test_repeated_invite_after_a_refusal_gets_it_again(pair):
    alice, bob = pair
    alice.auto_ack = False
    invite = alice.invite(bob.aor)
    bob.reply(bob.expect_request("INVITE"), 486)
    refusal = alice.expect_reply(486, invite)
    alice.send(invite)
    assert alice.expect_retransmission().status == 486
    alice.ack_failure(invite, refusal)
    bob.expect_request("ACK")
    bob.expect_nothing(0.1)


def test_local_reply_is_repeated_and_its_ack_absorbed(pair, server):
    alice, _ = pair
    alice.auto_ack = False
    invite = alice.invite(server.uri("local"))
    refusal = alice.expect_reply(480, invite)
    assert refusal.reason == "Nobody Home" and refusal.to_tag
    alice.send(invite)
    assert alice.expect_retransmission().raw == refusal.raw
    alice.ack_failure(invite, refusal)
    alice.expect_nothing(0.1)


def test_repeated_refusal_of_the_callee_is_acknowledged_again_and_not_passed(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    refusal = bob.reply(incoming, 486)
    alice.expect_reply(486, invite)
    bob.expect_request("ACK")
    bob.send(refusal, incoming.source)
    assert bob.expect_retransmission().method == "ACK"
    alice.expect_nothing(0.1)
    assert not alice.retransmissions


def test_repeated_provisional_reply_is_passed(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    ringing = bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    bob.send(ringing, incoming.source)
    assert alice.expect_retransmission().status == 180
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)


def test_script_runs_once_per_request(pair, server):
    alice, bob = pair
    message = alice.send(alice.request("MESSAGE", bob.aor, body="x", content_type="text/plain"))
    incoming = bob.expect_request("MESSAGE")
    for _ in range(3):
        alice.send(message)
    bob.reply(incoming, 200)
    alice.expect_reply(200, message)
    server.wait_log("script ran for MESSAGE " + message.call_id)
    assert not bob.collect(0.1) and not bob.retransmissions


def test_reply_with_a_foreign_branch_is_dropped(pair):
    alice, bob = pair
    invite = alice.invite(bob.aor)
    incoming = bob.expect_request("INVITE")
    strange = bob.reply_to(incoming, 200)
    strange.headers[0][1] = strange.headers[0][1].replace("z9hG4bK", "z9hG4bKx")
    bob.send(strange, incoming.source)
    bob.reply(incoming, 486)
    assert alice.expect_any().status == 100
    alice.expect_reply((200, 486), invite)
