# SPDX-License-Identifier: BSD-2-Clause
"""Module textopsx where it goes beyond one request: replies, applied changes, routes over copies. What
its functions do to requests is in functions/textopsx.txt."""
import pytest
from settings import START

MODULES = ("tm", "sl", "rr", "pv", "textops", "textopsx", "siputils", "xlog")
HEAD = "\n".join(["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
                  "disable_tcp=yes"] + ['loadmodule "%s.so"' % name for name in MODULES])

CONFIG = HEAD + """
request_route {
""" + START + """
	if ($rU == "applied") {
		append_hf("X-New: one\\r\\n");
		if (is_present_hf("X-New")) append_hf("X-Early: yes\\r\\n");
		remove_hf("Subject");
		$rU = "changed";
		msg_apply_changes();
		if (is_present_hf("X-New") && !is_present_hf("Subject"))
			append_hf("X-Seen: $hdr(X-New) $ou\\r\\n");
	}
	if ($rU == "open") {
		append_hf("X-Open: one");
		msg_apply_changes();
	}
	$du = "sip:" + $hdr(X-Target);
	t_on_reply("R");
	t_on_branch("B");
	t_relay();
}
branch_route[B] {
	append_hf("X-Branch: yes\\r\\n");
	route(APPLY);
}
route[APPLY] {
	if (!msg_apply_changes()) append_hf("X-Refused: yes\\r\\n");
}
onreply_route[R] {
	if (status == "603") change_reply_status("404", "Not Found");
	if (status == "480") change_reply_status_code("486");
	if (status == "183") change_reply_status("180", "Ringing");
	if (status == "202") {
		if (!change_reply_status("404", "Never")) append_hf("X-Kept: yes\\r\\n");
	}
	if (status == "299") {
		append_hf("X-Inner: yes\\r\\n");
		remove_body();
	}
}
"""
ALLOWED = [".*"]


def send(agent, server, user):
    alice, bob = agent("alice"), agent("bob")
    request = alice.request("MESSAGE", "sip:%s@example.com" % user,
                            headers=[("X-Target", bob.host_port), ("Subject", "hello")])
    alice.send(request, server.address)
    return alice, bob, request, bob.expect_request("MESSAGE")


def test_applied_changes_are_visible(agent, server):
    _, bob, _, incoming = send(agent, server, "applied")
    assert incoming["X-Seen"] == "one sip:changed@example.com"
    assert "X-Early" not in incoming and "Subject" not in incoming
    assert incoming.uri == "sip:changed@example.com"
    bob.reply(incoming, 200)


def test_branches_do_not_apply_changes(agent, server):
    _, bob, _, incoming = send(agent, server, "plain")
    assert (incoming["X-Branch"], incoming["X-Refused"]) == ("yes", "yes")
    bob.reply(incoming, 200)


@pytest.mark.viaduct_only("the peer sends a message whose headers have no end")
def test_an_open_header_line_ends_by_itself(agent, server):
    _, bob, _, incoming = send(agent, server, "open")
    assert (incoming["X-Open"], incoming["X-Branch"]) == ("one", "yes")
    bob.reply(incoming, 200)


@pytest.mark.parametrize("sent, received, reason", [
    (603, 404, "Not Found"), (480, 486, None), (202, 202, None),
])
def test_status_of_a_reply_changes(agent, server, sent, received, reason):
    alice, bob, request, incoming = send(agent, server, "plain")
    bob.reply(incoming, sent)
    reply = alice.expect_reply(received, request)
    assert reason is None or reply.reason == reason
    assert ("X-Kept" in reply) == (sent == 202)


def test_reply_loses_its_body(agent, server):
    alice, bob, request, incoming = send(agent, server, "plain")
    bob.reply(incoming, 299, "Fine", body="some body")
    reply = alice.expect_reply(299, request)
    assert (reply.body, reply["Content-Length"], reply["X-Inner"]) == (b"", "0", "yes")


@pytest.mark.viaduct_only("newer than 5.6")
def test_route_over_a_changed_copy_leaves_the_message_alone(agent, start_server):
    server = start_server(HEAD + """
request_route {
""" + START + """
	append_hf("X-New: one\\r\\n");
	msg_changed_route("COPY");
	$var(code) = $rc;
	if (is_present_hf("X-New")) append_hf("X-Visible: yes\\r\\n");
	append_hf("X-Result: $var(code) $avp(seen)\\r\\n");
	$du = "sip:" + $hdr(X-Target);
	forward();
}
route[COPY] {
	if (is_present_hf("X-New")) return 7;
	return -7;
}
""")
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    alice.send(alice.request("MESSAGE", "sip:bob@example.com", headers=[("X-Target", bob.host_port)]),
               server.address)
    incoming = bob.expect_request("MESSAGE")
    assert incoming["X-Result"].startswith("7 ") and "X-Visible" not in incoming
