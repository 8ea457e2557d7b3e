# SPDX-License-Identifier: BSD-2-Clause
"""Module siputils where replies are involved: options_reply, is_first_hop, is_reply, set_reply_body.
What its functions do to requests is in functions/siputils.txt."""
import pytest
from settings import START

MODULES = ("tm", "sl", "rr", "pv", "textops", "textopsx", "siputils", "xlog")


def config(route, **settings):
    lines = ["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
             "disable_tcp=yes"] + ['loadmodule "%s.so"' % name for name in MODULES]
    lines += ['modparam("siputils", "%s", %s)' % pair for pair in settings.items()]
    return "\n".join(lines) + "\nrequest_route {" + START + route


CONFIG = config("""
	if (is_method("OPTIONS")) {
		if (!options_reply()) sl_send_reply("404", "Refused");
		exit;
	}
	if ($rU == "body") {
		set_reply_body("alive", "text/plain");
		append_to_reply("X-One: 1\\r\\n");
		append_to_reply("X-Two: 2\\r\\n");
		append_time();
		sl_send_reply("200", "OK");
		exit;
	}
	if ($rU == "hex") {
		set_reply_body("61 6c 69", "text/plain");
		sl_send_reply("200", "OK");
		exit;
	}
	$du = "sip:" + $hdr(X-Target);
	t_on_reply("R");
	t_relay();
}
onreply_route[R] {
	$var(kind) = 0;
	if (is_reply()) $var(kind) = 1;
	if (is_request()) $var(kind) = 2;
	is_first_hop();
	append_hf("X-First: $rc\\r\\n");
	is_first_hop("1");
	append_hf("X-First-Mode: $rc\\r\\n");
	append_hf("X-Kind: $var(kind)\\r\\n");
	if (has_totag()) append_hf("X-Tag: yes\\r\\n");
}
""", options_accept='"application/sdp"', options_accept_encoding='"gzip"',
                options_accept_language='"de"', options_support='"path"')
ALLOWED = ["options_reply", "ki_opt_reply"]


def test_options_to_the_server_are_answered(agent, server):
    alice = agent("alice")
    alice.send(alice.request("OPTIONS", server.uri()), server.address)
    reply = alice.expect_any()
    assert (reply.status, reply.reason) == (200, "OK")
    assert [reply[name] for name in ("Accept", "Accept-Encoding", "Accept-Language", "Supported")] \
        == ["application/sdp", "gzip", "de", "path"]


def test_options_to_a_user_are_refused(agent, server):
    alice = agent("alice")
    alice.send(alice.request("OPTIONS", server.uri("bob")), server.address)
    assert alice.expect_any().status == 404


def test_reply_gets_body_and_headers(agent, server):
    alice = agent("alice")
    alice.send(alice.request("MESSAGE", server.uri("body")), server.address)
    reply = alice.expect_any()
    assert (reply.body, reply["Content-Type"], reply["Content-Length"]) == (b"alive", "text/plain", "5")
    assert (reply["X-One"], reply["X-Two"]) == ("1", "2")
    assert reply["Date"].endswith("GMT")


FIRST_HOPS = [
    ([], "1", "1"),
    ([("Record-Route", "<sip:SERVER;lr>")], "1", "1"),
    ([("Record-Route", "<sip:192.0.2.1;lr>, <sip:SERVER;lr>")], "-1", "-1"),
    ([("Record-Route", "<sip:host.example;lr>")], "-1", "-1"),
]


@pytest.mark.parametrize("headers, first, mode", FIRST_HOPS)
def test_reply_from_an_end_point_is_known_by_its_record_routes(agent, server, headers, first, mode):
    alice, bob = agent("alice"), agent("bob")
    request = alice.request("MESSAGE", "sip:bob@example.com", headers=[("X-Target", bob.host_port)])
    alice.send(request, server.address)
    incoming = bob.expect_request("MESSAGE")
    bob.send(bob.reply_to(incoming, 200, headers=[
        (name, value.replace("SERVER", server.host_port)) for name, value in headers]), server.address)
    reply = alice.expect_reply(200, request)
    assert (reply["X-First"], reply["X-First-Mode"]) == (first, mode)
    assert (reply["X-Kind"], reply["X-Tag"]) == ("1", "yes")
