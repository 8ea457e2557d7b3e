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


RECORDS = "\n".join(["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
                     "disable_tcp=yes"]
                    + ['loadmodule "%s.so"' % name
                       for name in "tm sl rr pv textops siputils xlog acc".split()]) + """
modparam("acc", "log_flag", 1)
modparam("acc", "failed_transaction_flag", 3)
modparam("acc", "failed_filter", "404,407")
modparam("acc", "early_media", 1)
modparam("acc", "detect_direction", 1)
modparam("acc", "reason_from_hf", 1)
modparam("acc", "time_mode", 2)
modparam("acc", "time_attr", "exact")
modparam("acc", "multi_leg_info", "from=$avp(from);to=$avp(to)")
modparam("acc", "log_extra", "none=$avp(none);all=$(avp(all)[*]);cut=$(hdr(X-Target){s.select,0,:})")
request_route {
""" + START + """
	$avp(all) = "one";
	$avp(all) = "two";
	if ($rU == "legs") {
		$avp(from) = "A"; $avp(to) = "B";
		$avp(from) = "B"; $avp(to) = "C";
	}
	if ($rU == "comment") {
		acc_log_request("$hdr(X-Comment)");
		acc_request("480 Not $rU", "acc");
		sl_send_reply("200", "OK");
		exit;
	}
	if (is_method("ACK")) {
		t_relay();
		exit;
	}
	setflag(1);
	setflag(3);
	if (has_totag()) {
		loose_route();
		t_relay();
		exit;
	}
	if ($rU == "local") {
		t_newtran();
		t_reply("200", "Said Here");
		exit;
	}
	record_route();
	$du = "sip:" + $hdr(X-Target);
	t_relay();
}
"""


@pytest.fixture(scope="module")
def records(launch):
    server = launch(RECORDS)
    server.allow(".*")
    return server


def record_pair(agent, server):
    return agent("alice", server=server), agent("bob", server=server)


def test_early_media_and_legs_are_written(agent, records):
    alice, bob = record_pair(agent, records)
    request = invite(records, alice, bob, "legs")
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    bob.reply(incoming, 183, body=bob.sdp())
    alice.expect_reply(183, request)
    line = records.wait_log(r"ACC: transaction answered: (.*call_id=%s;.*)"
                            % re.escape(request.call_id)).group(1)
    assert ";code=183;reason=" in line
    assert line.rstrip().endswith(";none=;all=two, one;cut=127.0.0.1;from=B;to=C;from=A;to=B")
    assert re.search(r"timestamp=(\d+);exact=\1\.\d{3};method=INVITE;", line)
    bob.reply(incoming, 486)
    alice.expect_reply(486, request)


def test_direction_is_that_of_the_first_request(agent, records):
    alice, bob = record_pair(agent, records)
    request = invite(records, alice, bob, "plain")
    incoming = bob.expect_request("INVITE")
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    caller = Dialog.from_client(alice, request, ok)
    caller.ack()
    bob.expect_request("ACK")
    callee = Dialog.from_server(bob, incoming, answer)
    bye = callee.send("BYE")
    alice.reply(alice.expect_request("BYE"), 200)
    bob.expect_reply(200, bye)
    line = records.wait_log(r"ACC: transaction answered: (.*method=BYE;.*call_id=%s;.*)"
                            % re.escape(request.call_id)).group(1)
    assert ";from_tag=%s;to_tag=%s;" % (request.from_tag, ok.to_tag) in line


def test_filtered_failure_is_not_written_and_reason_header_is_used(agent, records):
    alice, bob = record_pair(agent, records)
    filtered = invite(records, alice, bob, "plain")
    bob.reply(bob.expect_request("INVITE"), 404)
    alice.expect_reply(404, filtered)
    bob.expect_request("ACK")
    written = invite(records, alice, bob, "plain")
    bob.reply(bob.expect_request("INVITE"), 486, headers=[("Reason", 'SIP;cause=486;text="Gone"')])
    alice.expect_reply(486, written)
    found = records.wait_log(r"ACC: transaction answered: (.*call_id=%s;.*)"
                             % re.escape(written.call_id)).group(1)
    assert ';code=486;reason=SIP;cause=486;text="Gone";' in found
    assert "call_id=%s;" % filtered.call_id not in records.log()


@pytest.mark.viaduct_only("the peer writes the standard reason of the code")
def test_local_reply_is_written(agent, records):
    alice, bob = record_pair(agent, records)
    request = invite(records, alice, bob, "local")
    alice.expect_reply(200, request)
    records.wait_log(r"ACC: transaction answered: .*call_id=%s;code=200;reason=Said Here;"
                     % re.escape(request.call_id))


@pytest.mark.parametrize("comment, expected", [
    ("404 Not Found", "code=404;reason=Not Found;"),
    pytest.param("just words", "code=;reason=just words;", marks=pytest.mark.viaduct_only(
        "the peer repeats the code of its last record")),
])
def test_comment_becomes_code_and_reason(agent, records, comment, expected):
    alice = agent("alice", server=records)
    request = alice.request("MESSAGE", records.uri("comment"), headers=[("X-Comment", comment)])
    alice.send(request, records.address)
    alice.expect_reply(200, request)
    records.wait_log(r"ACC: request accounted: .*call_id=%s;%s"
                     % (re.escape(request.call_id), re.escape(expected)))
    records.wait_log(r"ACC: request accounted: .*call_id=%s;code=480;reason=Not comment;"
                     % re.escape(request.call_id))


MISSED = "\n".join(["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
                    "disable_tcp=yes"]
                   + ['loadmodule "%s.so"' % name
                      for name in "tm sl rr pv textops siputils xlog corex acc".split()]) + """
modparam("acc", "log_flag", 1)
modparam("acc", "log_missed_flag", 2)
request_route {
""" + START + """
	if (is_method("ACK")) exit;
	setflag(1);
	setflag(2);
	$ru = "sip:one@" + $hdr(X-Target);
	if ($hdr(X-How) == "parallel") append_branch("sip:two@$hdr(X-Target)");
	t_on_failure("AGAIN");
	t_relay();
}
failure_route[AGAIN] {
	if ($hdr(X-How) =~ "serial") {
		if ($hdr(X-How) =~ "flag") setflag(2);
		$ru = "sip:two@" + $hdr(X-Target);
		t_relay();
	}
}
"""


@pytest.fixture(scope="module")
def missed(launch):
    server = launch(MISSED)
    server.allow(".*")
    return server


@pytest.mark.parametrize("how, answers, missed_calls", [
    ("parallel", (486, 480), 1), ("parallel", (486, 200), 0),
    ("serial", (486, 480), 1), ("serial flag", (486, 480), 2),
])
def test_missed_call_is_written_once_for_a_set_of_branches(agent, missed, how, answers,
                                                           missed_calls):
    alice, bob = agent("alice", server=missed), agent("bob", server=missed)
    request = alice.invite(missed.uri("x"), headers=[("X-Target", bob.host_port), ("X-How", how)])
    if how == "parallel":
        for branch, status in zip([bob.expect_request("INVITE"), bob.expect_request("INVITE")],
                                  answers):
            bob.reply(branch, status)
    else:
        for status in answers:
            bob.reply(bob.expect_request("INVITE"), status)
            bob.expect_request("ACK")
    alice.expect_reply((200, 480, 486), request)
    done = alice.request("MESSAGE", missed.uri("x"), headers=[("X-Target", bob.host_port)])
    alice.send(done, missed.address)
    bob.reply(bob.expect_request("MESSAGE") if how != "parallel" else next_message(bob), 200)
    missed.wait_log(r"transaction answered: .*call_id=%s;" % re.escape(done.call_id))
    found = re.findall(r"ACC: call missed: .*call_id=%s;" % re.escape(request.call_id), missed.log())
    assert len(found) == missed_calls


def next_message(agent):
    """The MESSAGE behind the ACKs."""
    while True:
        request = agent.expect_request("ACK|MESSAGE")
        if request.method == "MESSAGE":
            return request
