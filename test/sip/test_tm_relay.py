# SPDX-License-Identifier: BSD-2-Clause
"""Transactions without registrar: the request says itself where it wants to go. RFC 3261 16, 17."""
import time

import pytest
from sipua import Dialog

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "siputils.so"
loadmodule "corex.so"
loadmodule "sl.so"
loadmodule "textops.so"
loadmodule "xlog.so"
loadmodule "rr.so"
loadmodule "pv.so"
modparam("tm", "fr_timer", 500)
modparam("tm", "fr_inv_timer", 1500)
modparam("tm", "retr_timer1", 150)
modparam("tm", "retr_timer2", 300)

request_route {
	if (is_method("OPTIONS") && $rU == "harness-ready") {
		sl_send_reply("200", "Ready");
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	t_check_trans();
	if (is_method("ACK")) {
		if (!loose_route() && !t_check_trans()) exit;
		t_relay();
		exit;
	}
	if (has_totag()) {
		if (!loose_route()) {
			sl_send_reply("404", "Not here");
			exit;
		}
		t_relay();
		exit;
	}
	if (is_method("INVITE")) record_route();
	$avp(mark) = "marked";
	setflag(5);
	if ($rU == "local") {
		t_newtran();
		t_reply("480", "Nobody Home");
		exit;
	}
	if ($rU == "accept") {
		append_to_reply("Contact: <$ru>\r\n");
		t_newtran();
		t_reply("200", "Accepted");
		exit;
	}
	$ru = "sip:one@" + $hdr(X-One);
	if (is_present_hf("X-Two")) {
		append_branch("sip:two@" + $hdr(X-Two));
	}
	if ($oU == "serial") t_on_failure("SERIAL");
	if ($oU == "answer") t_on_failure("ANSWER");
	if ($oU == "routes") {
		t_on_branch("MARK");
		t_on_reply("SEEN");
	}
	if ($oU == "unresolvable") $ru = "sip:x@nowhere.invalid";
	if (!t_relay()) {
		sl_reply_error();
	}
}

branch_route[MARK] {
	append_hf("X-Branch: $T_branch_idx\\r\\n");
}

onreply_route[SEEN] {
	if (status == "180" && $avp(mark) == "marked" && isflagset(5)) {
		append_hf("X-Seen: $T_branch_idx\\r\\n");
	}
	if (status == "183") drop;
}

failure_route[SERIAL] {
	if (t_is_canceled()) exit;
	if (t_check_status("486|408") && $avp(mark) == "marked" && isflagset(5)) {
		$ru = "sip:three@" + $hdr(X-Three);
		t_relay();
	}
}

failure_route[ANSWER] {
	t_reply("488", "Not Like This");
}
"""
ALLOWED = ["cannot resolve", "478", "resolve"]


@pytest.fixture
def phones(agent):
    """alice and two places to call."""
    return agent("alice"), agent("one"), agent("two")


def call(server, alice, one, two=None, user="x", three=None, method="INVITE"):
    headers = [("X-One", one.host_port)]
    headers += [("X-Two", two.host_port)] if two else []
    headers += [("X-Three", three.host_port)] if three else []
    return alice.send(alice.request(method, server.uri(user), body=alice.sdp(), headers=headers))


def test_call_is_made_and_ended(phones, server):
    alice, one, _ = phones
    invite = call(server, alice, one)
    incoming = one.expect_request("INVITE")
    assert alice.expect_reply(100, invite).reason.startswith("trying")
    one.reply(incoming, 180)
    alice.expect_reply(180, invite)
    one.reply(incoming, 200, body=one.sdp())
    dialog = Dialog.from_client(alice, invite, alice.expect_reply(200, invite))
    dialog.ack()
    one.expect_request("ACK")
    bye = dialog.send("BYE")
    one.reply(one.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def test_refusal_is_passed_and_acknowledged_hop_by_hop(phones, server):
    alice, one, _ = phones
    invite = call(server, alice, one)
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 486)
    alice.expect_reply(486, invite)
    ack = one.expect_request("ACK")
    assert ack.branch == incoming.branch
    one.expect_nothing(0.5)


def test_cancel_reaches_the_ringing_phone(phones, server):
    alice, one, _ = phones
    invite = call(server, alice, one)
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    got = one.expect_request("CANCEL")
    assert got.branch == incoming.branch and got.uri == incoming.uri and len(got.via) == 1
    one.reply(got, 200)
    one.reply(incoming, 487)
    alice.expect_reply(487, invite)
    one.expect_request("ACK")
    alice.send(cancel)
    assert alice.expect_retransmission().cseq[1] == "CANCEL"


def test_first_answer_wins_and_the_others_are_cancelled(phones, server):
    alice, one, two = phones
    invite = call(server, alice, one, two)
    first, second = one.expect_request("INVITE"), two.expect_request("INVITE")
    assert first.branch.rpartition(".")[0] == second.branch.rpartition(".")[0]
    for phone, incoming in ((one, first), (two, second)):
        phone.reply(incoming, 180)
        alice.expect_reply(180, invite)
    two.reply(second, 200, body=two.sdp())
    ok = alice.expect_reply(200, invite)
    cancel = one.expect_request("CANCEL")
    assert cancel["Reason"].replace(" ", "").startswith("SIP;cause=200")
    one.reply(cancel, 200)
    one.reply(first, 487)
    one.expect_request("ACK")
    Dialog.from_client(alice, invite, ok).ack()
    two.expect_request("ACK")
    alice.expect_nothing(0.1)


@pytest.mark.parametrize("statuses, best", [
    ((486, 404), 404), ((404, 486), 404), ((503, 486), 486), ((408, 480), 408), ((500, 404), 404),
    ((486, 302), 302), ((401, 404), 401), ((407, 603), 603), ((503, 503), 500), ((403, 500), 403),
    ((484, 404), 484), ((415, 401), 401), ((420, 408), 420), ((500, 503), 500), ((504, 503), 500),
    ((305, 302), 302), ((486, 407), 407), ((401, 302), 302), ((422, 404), 404),
])
def test_best_refusal_is_chosen(phones, server, statuses, best):
    alice, one, two = phones
    invite = call(server, alice, one, two)
    incoming = one.expect_request("INVITE"), two.expect_request("INVITE")
    for phone, request in zip((one, two), incoming):
        phone.reply(request, 180)
        alice.expect_reply(180, invite)
    for phone, request, status in zip((one, two), incoming, statuses):
        phone.reply(request, status)
        phone.expect_request("ACK")
    alice.expect_reply(best, invite)


def test_failure_route_tries_somebody_else(phones, server, agent):
    alice, one, _ = phones
    three = agent("three")
    invite = call(server, alice, one, user="serial", three=three)
    one.reply(one.expect_request("INVITE"), 486)
    one.expect_request("ACK")
    incoming = three.expect_request("INVITE")
    assert incoming.uri == "sip:three@" + three.host_port
    three.reply(incoming, 200, body=three.sdp())
    alice.expect_reply(200, invite)


def test_failure_route_answers(phones, server):
    alice, one, _ = phones
    invite = call(server, alice, one, user="answer")
    one.reply(one.expect_request("INVITE"), 486)
    assert alice.expect_reply(488, invite).reason == "Not Like This"


def test_silence_gives_408_also_through_failure_route(phones, server, agent):
    alice, one, _ = phones
    three = agent("three")
    invite = call(server, alice, one, user="serial", three=three)
    one.expect_request("INVITE")
    three.reply(three.expect_request("INVITE"), 404)
    alice.expect_reply(404, invite)


def test_branch_and_reply_routes_see_their_branch(phones, server):
    alice, one, two = phones
    invite = call(server, alice, one, two, user="routes")
    first, second = one.expect_request("INVITE"), two.expect_request("INVITE")
    assert (first["X-Branch"], second["X-Branch"]) == ("0", "1")
    two.reply(second, 180)
    assert alice.expect_reply(180, invite)["X-Seen"] == "1"
    one.reply(first, 183)
    alice.expect_nothing(0.1)
    one.reply(first, 486)
    two.reply(second, 486)
    alice.expect_reply(486, invite)


def test_local_refusal_is_repeated_until_its_ack_comes(phones, server):
    alice, _, _ = phones
    alice.auto_ack = False
    invite = alice.send(alice.request("INVITE", server.uri("local"), body=alice.sdp()))
    refusal = alice.expect_reply(480, invite)
    assert alice.expect_retransmission(3).raw == refusal.raw
    alice.ack_failure(invite, refusal)
    alice.collect(0.2)
    alice.retransmissions.clear()
    alice.collect(0.6)
    assert not alice.retransmissions


def test_local_answer_is_repeated_until_its_ack_comes(phones, server):
    alice, _, _ = phones
    invite = alice.send(alice.request("INVITE", server.uri("accept"), body=alice.sdp()))
    answer = alice.expect_reply(200, invite)
    assert alice.expect_retransmission(3).raw == answer.raw
    Dialog.from_client(alice, invite, answer).ack()
    alice.collect(0.2)
    alice.retransmissions.clear()
    alice.collect(0.6)
    assert not alice.retransmissions


@pytest.mark.viaduct_only("the peer answers twice")
def test_unresolvable_destination_gets_one_error_reply(phones, server):
    alice, one, _ = phones
    invite = call(server, alice, one, user="unresolvable")
    assert alice.expect_reply(478, invite).reason == "Unresolvable destination (478/SL)"
    alice.expect_nothing(0.3)


def test_ringing_without_answer_is_cancelled(phones, server):
    alice, one, _ = phones
    start = time.monotonic()
    invite = call(server, alice, one)
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = one.expect_request("CANCEL")
    assert 1.2 < time.monotonic() - start < 3
    one.reply(cancel, 200)
    one.reply(incoming, 487)
    alice.expect_reply(408, invite)
    one.expect_request("ACK")


def test_repeated_request_gets_the_stored_reply(phones, server):
    alice, one, _ = phones
    message = call(server, alice, one, method="MESSAGE")
    one.reply(one.expect_request("MESSAGE"), 202)
    alice.expect_reply(202, message)
    alice.send(message)
    assert alice.expect_retransmission().status == 202
    one.expect_nothing(0.1)
    assert not one.retransmissions
