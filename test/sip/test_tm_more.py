# SPDX-License-Identifier: BSD-2-Clause
"""Suspending, local requests and commands of tm, and what a dead worker leaves behind."""
import os
import signal
import threading
import time

import pytest
from sipua import Dialog

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
loadmodule "jsonrpcs.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "tmx.so"
loadmodule "sl.so"
loadmodule "textops.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
modparam("tm", "fr_timer", 600)
modparam("tm", "fr_inv_timer", 2000)
modparam("tm", "retr_timer1", 150)
modparam("tm", "wt_timer", 300)
modparam("tm", "max_noninv_lifetime", 1000)

request_route {
	if ($rU == "harness-ready") {
		sl_send_reply("200", "Ready");
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (is_method("ACK")) {
		if (t_check_trans()) {
			$du = "sip:" + $hdr(X-One);
			t_relay();
		}
		exit;
	}
	switch ($rU) {
	case "suspend":
		if (!t_suspend()) exit;
		$shv(index) = $T(id_index);
		$shv(label) = $T(id_label);
		exit;
	case "go":
		t_continue("$shv(index)", "$shv(label)", "GO");
		sl_send_reply("200", "Gone On");
		exit;
	case "quiet":
		t_newtran();
		t_drop();
		exit;
	case "send":
		t_uac_send("MESSAGE", "sip:own@$hdr(X-One)", "", "", "From: <sip:me@here>\\r\\nTo: <sip:own@there>\\r\\nContent-Type: text/plain\\r\\nX-Own: 1\\r\\n", "text");
		send_reply("202", "Sent");
		exit;
	case "redirect":
		$ru = "sip:first@elsewhere";
		append_branch("sip:second@elsewhere");
		t_newtran();
		t_reply("302", "Over There");
		exit;
	}
	$du = "sip:" + $hdr(X-One);
	t_relay();
}

route[GO] {
	$du = "sip:" + $hdr(X-One);
	if (!t_relay()) t_reply("500", "No");
}
"""
ALLOWED = ["worker .* (died|was killed|ended)", "died", "killed", "signal"]


@pytest.fixture
def pair(agent):
    return agent("alice"), agent("one")


def ask(server, alice, one, user, method="MESSAGE"):
    return alice.send(alice.request(method, server.uri(user), body=alice.sdp(),
                                    headers=[("X-One", one.host_port)]))


def test_suspended_request_goes_on_in_a_route(pair, server):
    alice, one = pair
    waiting = ask(server, alice, one, "suspend")
    one.expect_nothing(0.1)
    nudge = ask(server, alice, one, "go")
    one.reply(one.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, nudge)
    alice.expect_reply(200, waiting)


def test_suspended_request_is_answered_after_fr_timer(pair, server):
    alice, one = pair
    waiting = ask(server, alice, one, "suspend", "INVITE")
    start = time.monotonic()
    alice.expect_reply(408, waiting)
    assert 0.4 < time.monotonic() - start < 2


def test_dropped_request_is_not_answered(pair, server):
    alice, one = pair
    request = ask(server, alice, one, "quiet")
    alice.expect_nothing(0.2)
    alice.send(request)
    alice.expect_nothing(0.1)


def test_redirection_names_the_destinations(pair, server):
    alice, one = pair
    reply = alice.expect_reply(302, ask(server, alice, one, "redirect", "INVITE"))
    assert "sip:first@elsewhere" in reply["Contact"] and "sip:second@elsewhere" in reply["Contact"]


def test_script_sends_a_request_of_its_own(pair, server):
    alice, one = pair
    request = ask(server, alice, one, "send")
    got = one.expect_request("MESSAGE")
    assert got.uri == "sip:own@" + one.host_port and got["X-Own"] == "1" and got.body == b"text"
    one.reply(got, 200)
    alice.expect_reply(202, request)


def test_command_waits_for_the_reply_of_its_request(pair, server):
    _, one = pair
    results = []

    def run():
        results.append(server.rpc("tm.t_uac_wait_block", "OPTIONS", "sip:own@" + one.host_port, ".", ".",
                                  "From: <sip:me@here>\r\nTo: <sip:own@there>\r\n", ""))
    thread = threading.Thread(target=run)
    thread.start()
    one.reply(one.expect_request("OPTIONS"), 486)
    thread.join(5)
    assert results == [{"code": 486, "text": "Busy Here"}]


def test_local_invite_gets_its_ack(pair, server):
    _, one = pair
    server.rpc("tm.t_uac_start", "INVITE", "sip:own@" + one.host_port, ".", ".",
               "From: <sip:me@here>\r\nTo: <sip:own@there>\r\nContact: <sip:me@here>\r\n", "")
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 200, body=one.sdp())
    ack = one.expect_request("ACK")
    assert ack.cseq == (incoming.cseq[0], "ACK")


def test_command_cancels_a_call(pair, server):
    alice, one = pair
    invite = ask(server, alice, one, "x", "INVITE")
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 180)
    alice.expect_reply(180, invite)
    listed = [row for row in server.rpc("tm.list") if invite.call_id in row["callid"]]
    assert len(listed) == 1 and listed[0]["method"] == "INVITE"
    server.rpc("tm.cancel", invite.call_id, "1")
    one.reply(one.expect_request("CANCEL"), 200)
    one.reply(incoming, 487)
    alice.expect_reply(487, invite)


def test_finished_transactions_are_freed(pair, server):
    alice, one = pair
    for _ in range(20):
        message = ask(server, alice, one, "x")
        one.reply(one.expect_request("MESSAGE"), 200)
        alice.expect_reply(200, message)
    deadline = time.monotonic() + 8
    while server.rpc("tm.stats")["current"] > 0:
        assert time.monotonic() < deadline, server.rpc("tm.stats")
        time.sleep(0.05)
    stats = server.rpc("tm.stats")
    assert stats["created"] == stats["freed"]


def children_of(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as children:
        return {int(child) for child in children.read().split()}


@pytest.mark.viaduct_only("the peer ends when one of its processes dies")
def test_timers_go_on_after_the_death_of_all_workers(pair, start_server):
    server = start_server(CONFIG)
    alice, one = pair
    alice.server = one.server = server.address
    invite = ask(server, alice, one, "x", "INVITE")
    incoming = one.expect_request("INVITE")
    for child in children_of(server.process.pid):
        os.kill(child, signal.SIGKILL)
    assert one.expect_retransmission(5).branch == incoming.branch
    one.reply(incoming, 180)
    alice.expect_reply(180, invite)
    one.reply(incoming, 200, body=one.sdp())
    Dialog.from_client(alice, invite, alice.expect_reply(200, invite)).ack()


@pytest.mark.viaduct_only("headers_mode is newer than the peer")
def test_failure_route_runs_for_a_request_that_could_not_be_sent(pair, start_server):
    server = start_server(CONFIG.replace("request_route {", """modparam("tm", "failure_exec_mode", 1)
modparam("tm", "headers_mode", 1)
failure_route[NOWHERE] {
	t_reply("404", "Nowhere");
}
request_route {
	if ($rU == "nowhere") {
		t_on_failure("NOWHERE");
		$du = "sip:nowhere.invalid";
		t_relay();
		exit;
	}"""))
    server.allow("cannot resolve", "nowhere.invalid", "failed to resolve|failure to add branches|478", "ERROR: tm")
    alice, one = pair
    alice.server = one.server = server.address
    assert alice.expect_reply(404, ask(server, alice, one, "nowhere")).reason == "Nowhere"
    invite = ask(server, alice, one, "x", "INVITE")
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 180)
    alice.expect_reply(180, invite)
    alice.cancel(invite, headers=[("X-Why", "because")])
    assert one.expect_request("CANCEL")["X-Why"] == "because"
