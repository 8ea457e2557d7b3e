# SPDX-License-Identifier: BSD-2-Clause
"""Functions of tm and tmx beyond plain relaying: serial forking by q, suspending, timers per
transaction, cancelling branches, requests of our own, replication."""
import time

import pytest
from settings import START, head
from sipua import Dialog

CONFIG = head("ctl", "jsonrpcs", timers=True, tm__contacts_avp='"tm_contacts"',
              tm__contact_flows_avp='"tm_flows"') + """
request_route {
""" + START + """
	if (is_method("CANCEL|ACK")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	t_check_trans();
	switch ($rU) {
	case "byq":
		$ru = "sip:low@" + $hdr(X-Low);
		append_branch("sip:high@$hdr(X-High)", "0.9");
		append_branch("sip:mid@$hdr(X-Mid)", "0.5");
		if (!t_load_contacts()) {
			sl_send_reply("500", "No Contacts");
			exit;
		}
		t_on_failure("NEXT_CONTACT");
		if (!t_next_contacts()) {
			sl_send_reply("500", "No Next Contact");
			exit;
		}
		t_relay();
		break;
	case "suspend":
		if (!t_suspend()) {
			sl_send_reply("500", "Not Suspended");
			exit;
		}
		$shv(index) = $T(id_index);
		$shv(label) = $T(id_label);
		break;
	case "continue":
		t_continue("$shv(index)", "$shv(label)", "RESUMED");
		sl_send_reply("200", "Continued");
		break;
	case "setfr":
		$du = "sip:" + $hdr(X-High);
		t_set_fr(4000, 300);
		t_relay();
		break;
	case "cancelothers":
		$ru = "sip:one@" + $hdr(X-High);
		append_branch("sip:two@" + $hdr(X-Mid));
		t_on_reply("CANCEL_OTHERS");
		t_relay();
		break;
	case "replicate":
		t_replicate("sip:" + $hdr(X-High));
		break;
	case "branchfailure":
		$ru = "sip:one@" + $hdr(X-High);
		append_branch("sip:two@" + $hdr(X-Mid));
		t_on_branch_failure("retry");
		t_relay();
		break;
	case "dropreplies":
		$du = "sip:" + $hdr(X-High);
		t_on_failure("DROP");
		t_relay();
		break;
	case "stateless":
		$du = "sip:" + $hdr(X-High);
		forward();
		break;
	case "noautoinv":
		$du = "sip:" + $hdr(X-High);
		t_set_auto_inv_100(0);
		t_relay();
		break;
	case "noack":
		t_newtran();
		t_reply("486", "Busy Locally");
		break;
	default:
		sl_send_reply("404", "Not Found");
	}
	exit;
}

failure_route[NEXT_CONTACT] {
	if (t_is_canceled()) exit;
	if (t_next_contacts()) {
		t_on_failure("NEXT_CONTACT");
		t_relay();
	}
}

route[RESUMED] {
	t_reply("202", "Resumed");
}

failure_route[DROP] {
	t_drop_replies();
	$du = "sip:" + $hdr(X-Mid);
	t_relay();
}

onreply_route[CANCEL_OTHERS] {
	if (status == "183") t_cancel_branches("others");
}

event_route[tm:branch-failure:retry] {
	if (t_check_status("486")) {
		$ru = "sip:retried@" + $hdr(X-Low);
		append_branch();
		t_relay();
	}
}

event_route[tm:local-request] {
	append_hf("X-Local: yes\\r\\n");
}
"""
ALLOWED = ["t_continue", "t_next_contacts"]


@pytest.fixture
def phones(agent):
    """alice and three places to call."""
    return agent("alice"), agent("high"), agent("mid"), agent("low")


def call(server, alice, high, mid, low, user, method="INVITE"):
    request = alice.request(method, server.uri(user), body=alice.sdp(), headers=[
        ("X-High", high.host_port), ("X-Mid", mid.host_port), ("X-Low", low.host_port)])
    return alice.send(request)


def test_contacts_are_tried_by_falling_q(phones, server):
    alice, high, mid, low = phones
    invite = call(server, *phones, "byq")
    # The request URI has no q and goes last.
    for phone, status in ((high, 404), (mid, 486), (low, 404)):
        phone.reply(phone.expect_request("INVITE"), status)
        phone.expect_request("ACK")
    alice.expect_reply(404, invite)


def test_suspended_request_is_continued_by_another(phones, server, agent):
    alice = phones[0]
    waiting = call(server, *phones, "suspend", "MESSAGE")
    alice.expect_nothing(0.15)
    other = agent("other")
    nudge = other.send(other.request("MESSAGE", server.uri("continue")))
    other.expect_reply(200, nudge)
    assert alice.expect_reply(202, waiting).reason == "Resumed"


def test_timers_can_be_set_for_one_transaction(phones, server):
    alice, high, _, _ = phones
    start = time.monotonic()
    invite = call(server, *phones, "setfr")
    high.expect_request("INVITE")
    alice.expect_reply(408, invite)
    assert time.monotonic() - start < 0.9


def test_other_branches_can_be_cancelled(phones, server):
    alice, high, mid, _ = phones
    invite = call(server, *phones, "cancelothers")
    first, second = high.expect_request("INVITE"), mid.expect_request("INVITE")
    mid.reply(second, 180)
    alice.expect_reply(180, invite)
    high.reply(first, 183, body=high.sdp())
    alice.expect_reply(183, invite)
    mid.reply(mid.expect_request("CANCEL"), 200)
    mid.reply(second, 487)
    mid.expect_request("ACK")
    high.reply(first, 200, body=high.sdp())
    Dialog.from_client(alice, invite, alice.expect_reply(200, invite)).ack()


def test_replicated_request_gets_no_reply_from_there(phones, server):
    alice, high, _, _ = phones
    call(server, *phones, "replicate", "MESSAGE")
    high.reply(high.expect_request("MESSAGE"), 200)
    alice.expect_nothing(0.2)


def test_failed_branch_is_retried_elsewhere(phones, server):
    alice, high, mid, low = phones
    invite = call(server, *phones, "branchfailure")
    first, second = high.expect_request("INVITE"), mid.expect_request("INVITE")
    mid.reply(second, 180)
    alice.expect_reply(180, invite)
    high.reply(first, 486)
    again = low.expect_request("INVITE")
    assert again.uri == "sip:retried@" + low.host_port
    mid.reply(second, 404)
    low.reply(again, 200, body=low.sdp())
    alice.expect_reply(200, invite)


def test_dropped_replies_do_not_become_the_best(phones, server):
    alice, high, mid, _ = phones
    invite = call(server, *phones, "dropreplies")
    high.reply(high.expect_request("INVITE"), 404)
    mid.reply(mid.expect_request("INVITE"), 480)
    alice.expect_reply(480, invite)


def test_stateless_forwarding_keeps_no_transaction(phones, server):
    alice, high, _, _ = phones
    message = call(server, *phones, "stateless", "MESSAGE")
    incoming = high.expect_request("MESSAGE")
    assert len(incoming.via) == 2
    high.reply(incoming, 404)
    alice.expect_reply(404, message)
    alice.send(message)
    assert high.expect_again().method == "MESSAGE"


def test_automatic_100_can_be_turned_off(phones, server):
    alice, high, _, _ = phones
    invite = call(server, *phones, "noautoinv")
    high.reply(high.expect_request("INVITE"), 486)
    alice.expect_reply(486, invite)
    assert not [m for _, way, _, m in alice.trace if way == "in" and m.status == 100]


def test_local_refusal_absorbs_its_ack(phones, server):
    alice = phones[0]
    invite = call(server, *phones, "noack")
    assert alice.expect_reply(486, invite).reason == "Busy Locally"
    alice.expect_nothing(0.5)
    assert not alice.retransmissions


def test_request_of_our_own_by_rpc(phones, server):
    _, high, _, _ = phones
    target = "sip:own@" + high.host_port
    server.rpc("tm.t_uac_start", "OPTIONS", target, ".", ".",
               "From: <sip:me@example.com>\r\nTo: <%s>\r\nX-Own: 1\r\n" % target, "")
    got = high.expect_request("OPTIONS")
    assert got.uri == target and got["X-Own"] == "1"
    assert got["X-Local"] == "yes"
    high.reply(got, 200)
