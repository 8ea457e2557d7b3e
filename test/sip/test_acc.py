# SPDX-License-Identifier: BSD-2-Clause
"""Accounting to the log: answered, failed and missed calls, with extra values."""
import re

import pytest
from settings import START, head
from sipua import Dialog

CONFIG = head("acc", acc__log_flag=1, acc__log_missed_flag=2, acc__failed_transaction_flag=3,
              acc__log_extra='"caller=$fU;ruri_user=$rU;source=$si"') + """
request_route {
""" + START + """
	if (is_method("CANCEL|ACK")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	t_check_trans();
	if (is_method("INVITE")) {
		setflag(1);
		if ($rU == "missed") setflag(2);
		if ($rU == "failed") setflag(3);
	}
	if (is_method("PUBLISH")) {
		acc_log_request("200 From Script");
		sl_send_reply("200", "OK");
		exit;
	}
	$du = "sip:" + $hdr(X-Target);
	t_relay();
}
"""


@pytest.fixture
def pair(agent):
    return agent("alice"), agent("bob")


def invite(server, alice, bob, user):
    return alice.invite(server.uri(user), headers=[("X-Target", bob.host_port)])


def fields(server, kind, call_id):
    """The name=value pairs of the accounting line of this call."""
    match = server.wait_log(r"ACC: %s: (.*call_id=%s;.*)" % (kind, re.escape(call_id)))
    return dict(pair.partition("=")[::2] for pair in match.group(1).split(";"))


def test_answered_call_is_written(pair, server):
    alice, bob = pair
    request = invite(server, alice, bob, "plain")
    bob.reply(bob.expect_request("INVITE"), 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    Dialog.from_client(alice, request, ok).ack()
    found = fields(server, "transaction answered", request.call_id)
    assert found["method"] == "INVITE" and (found["code"], found["reason"]) == ("200", "OK")
    assert (found["from_tag"], found["to_tag"]) == (request.from_tag, ok.to_tag)
    assert (found["caller"], found["ruri_user"], found["source"]) == ("alice", "plain",
                                                                     "127.0.0.1")
    assert int(found["timestamp"]) > 1700000000


def test_missed_call_is_written(pair, server):
    alice, bob = pair
    request = invite(server, alice, bob, "missed")
    bob.reply(bob.expect_request("INVITE"), 486)
    alice.expect_reply(486, request)
    found = fields(server, "call missed", request.call_id)
    assert (found["code"], found["reason"]) == ("486", "Busy Here")


def test_failed_call_is_written_when_wanted(pair, server):
    alice, bob = pair
    request = invite(server, alice, bob, "failed")
    bob.reply(bob.expect_request("INVITE"), 404)
    alice.expect_reply(404, request)
    assert fields(server, "transaction answered", request.call_id)["code"] == "404"


def test_refused_call_without_the_flag_is_not_written(pair, server):
    alice, bob = pair
    request = invite(server, alice, bob, "plain")
    bob.reply(bob.expect_request("INVITE"), 404)
    alice.expect_reply(404, request)
    bob.expect_request("ACK")
    assert not re.search("ACC: .*call_id=%s;" % re.escape(request.call_id), server.log())


def test_script_writes_a_line_of_its_own(pair, server):
    alice, _ = pair
    request = alice.send(alice.request("PUBLISH", server.uri("x")))
    alice.expect_reply(200, request)
    found = fields(server, "request acknowledged|request accounted|.*", request.call_id)
    assert found["code"] == "200" and found["reason"] == "From Script"
