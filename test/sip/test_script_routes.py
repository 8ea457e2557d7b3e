# SPDX-License-Identifier: BSD-2-Clause
"""branch_route, onreply_route, failure_route and what they may change."""
import pytest
from settings import START, head

CONFIG = head(timers=True) + """
request_route {
""" + START + """
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	if (is_method("ACK")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	t_check_trans();
	$avp(second) = $hdr(X-Second);
	$du = "sip:" + $hdr(X-First);
	switch ($rU) {
	case "serial":
		t_on_failure("NEXT");
		break;
	case "rewrite":
		t_on_failure("REWRITE");
		break;
	case "parallel":
		$du = $null;
		$ru = "sip:first@" + $hdr(X-First);
		append_branch("sip:other@" + $hdr(X-Second));
		t_on_branch("MARK");
		break;
	case "onebranch":
		$du = $null;
		$ru = "sip:first@" + $hdr(X-First);
		append_branch("sip:drop@" + $hdr(X-Second));
		t_on_branch("DROP_SECOND");
		break;
	case "reply":
		t_on_reply("EDIT");
		break;
	case "dropped":
		t_on_reply("DROP_RINGING");
		break;
	case "redirect":
		t_on_failure("REDIRECT");
		break;
	}
	if (!t_relay()) sl_reply_error();
}

failure_route[NEXT] {
	if (t_is_canceled()) exit;
	xlog("L_NOTICE", "failure $T_reply_code for $rU\\n");
	if (t_check_status("486|408")) {
		$du = "sip:" + $avp(second);
		$rU = "fallback";
		t_on_failure("LAST");
		t_relay();
		exit;
	}
}

failure_route[LAST] {
	if (t_check_status("404")) {
		t_reply("410", "Gone For Good");
	}
}

failure_route[REWRITE] {
	t_reply("480", "Rewritten");
}

failure_route[REDIRECT] {
	if (t_check_status("3[0-9][0-9]")) {
		$du = $null;
		if (t_load_contacts() || 1) {
			$ru = "sip:redirected@" + $avp(second);
			t_relay();
		}
	}
}

branch_route[MARK] {
	append_hf("X-Branch: $T_branch_idx\\r\\n");
	if ($T_branch_idx == 1) {
		$rU = "changed";
		remove_hf("X-First");
	}
}

branch_route[DROP_SECOND] {
	if ($rU == "drop") drop;
}

onreply_route[EDIT] {
	append_hf("X-Seen: $rs $T_branch_idx\\r\\n");
	remove_hf("X-Secret");
	if (status =~ "18[0-9]") {
		change_reply_status("183", "Changed");
	}
}

onreply_route[DROP_RINGING] {
	if (status == "180") drop;
}
"""
ALLOWED = ["t_load_contacts", "sl_reply_error"]


@pytest.fixture
def trio(agent):
    return agent("alice"), agent("one"), agent("two")


def start(alice, one, two, server, user, **kwargs):
    return alice.invite(server.uri(user), headers=[("X-First", one.host_port),
                                                   ("X-Second", two.host_port)], **kwargs)


def test_busy_first_target_leads_to_the_second(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "serial")
    one.reply(one.expect_request("INVITE"), 486)
    one.expect_request("ACK")
    second = two.expect_request("INVITE")
    assert second.uri == "sip:fallback@" + server.host_port
    two.reply(second, 200, body=two.sdp())
    alice.expect_reply(200, invite)


def test_silent_first_target_leads_to_the_second(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "serial")
    one.expect_request("INVITE")
    two.reply(two.expect_request("INVITE"), 200, body=two.sdp())
    alice.expect_reply(200, invite)
    server.wait_log("failure 408 for serial")


def test_other_refusal_passes_through_the_failure_route(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "serial")
    one.reply(one.expect_request("INVITE"), 488)
    alice.expect_reply(488, invite)
    two.expect_nothing(0.1)


def test_second_failure_route_may_reply(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "serial")
    one.reply(one.expect_request("INVITE"), 486)
    two.reply(two.expect_request("INVITE"), 404)
    assert alice.expect_reply(410, invite).reason == "Gone For Good"


def test_failure_route_replaces_the_reply(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "rewrite")
    one.reply(one.expect_request("INVITE"), 500)
    reply = alice.expect_reply(480, invite)
    assert reply.reason == "Rewritten" and reply.to_tag


def test_failure_route_does_not_run_for_an_answer(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "rewrite")
    one.reply(one.expect_request("INVITE"), 200, body=one.sdp())
    alice.expect_reply(200, invite)


def test_cancel_during_serial_forking_ends_it(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "serial")
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 180)
    alice.expect_reply(180, invite)
    alice.expect_reply(200, alice.cancel(invite))
    one.reply(one.expect_request("CANCEL"), 200)
    one.reply(incoming, 486)
    alice.expect_reply((486, 487), invite)
    two.expect_nothing(0.1)


def test_redirection_is_followed_by_the_script(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "redirect")
    one.reply(one.expect_request("INVITE"), 302,
              headers=[("Contact", "<sip:redirected@%s>" % two.host_port)])
    got = two.expect_request("INVITE")
    assert got.uri == "sip:redirected@" + two.host_port
    two.reply(got, 200, body=two.sdp())
    alice.expect_reply(200, invite)


def test_branch_route_changes_its_branch_only(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "parallel")
    first, second = one.expect_request("INVITE"), two.expect_request("INVITE")
    assert (first["X-Branch"], second["X-Branch"]) == ("0", "1")
    assert first.uri == "sip:first@" + one.host_port
    assert second.uri == "sip:changed@" + two.host_port
    assert "X-First" in first and "X-First" not in second
    one.reply(first, 404)
    two.reply(second, 404)
    alice.expect_reply(404, invite)


def test_dropped_branch_is_not_sent(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "onebranch")
    first = one.expect_request("INVITE")
    two.expect_nothing(0.1)
    one.reply(first, 486)
    alice.expect_reply(486, invite)


def test_reply_route_edits_the_reply(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "reply")
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 180, headers=[("X-Secret", "hide")])
    ringing = alice.expect_reply(183, invite)
    assert ringing.reason == "Changed" and ringing["X-Seen"] == "180 0"
    assert "X-Secret" not in ringing
    one.reply(incoming, 200, headers=[("X-Secret", "hide")], body=one.sdp())
    ok = alice.expect_reply(200, invite)
    assert ok["X-Seen"] == "200 0" and "X-Secret" not in ok
    assert ok.body == one.sdp().encode()


def test_dropped_provisional_reply_does_not_pass(trio, server):
    alice, one, two = trio
    invite = start(alice, one, two, server, "dropped")
    incoming = one.expect_request("INVITE")
    one.reply(incoming, 180)
    one.reply(incoming, 183)
    alice.expect_reply(183, invite)
    one.reply(incoming, 486)
    alice.expect_reply(486, invite)
