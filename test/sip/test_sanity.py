# SPDX-License-Identifier: BSD-2-Clause
"""Module sanity: every check, what it answers, and what its settings do."""
import re

import pytest
from settings import START

MODULES = ("tm", "sl", "rr", "pv", "textops", "sanity", "xlog")


def config(route, **settings):
    lines = ["#!KAMAILIO", "debug=2", "log_stderror=yes", "children=2", "auto_aliases=no",
             "disable_tcp=yes"] + ['loadmodule "%s.so"' % name for name in MODULES]
    lines += ['modparam("sanity", "%s", %s)' % pair for pair in settings.items()]
    return "\n".join(lines) + "\nrequest_route {" + START + route + "}\n"


CONFIG = config("""
	$var(checks) = $(hdr(X-Checks){s.int});
	if (sanity_check("$var(checks)", "15")) sl_send_reply("200", "Fine");
""", autodrop=0, proxy_require='"foo, bar"')

DIGEST = 'Digest username="a",realm="b",nonce="c",uri="sip:x",response="%s"' % ("0" * 32)
ALLOWED = [".*"]        # the peer's parser complains
FINE = (200, "Fine")

# bits, changes of the request, answer
CHECKS = [
    (17895, {}, FINE),
    (2, {"uri": "http://example.com/"}, {"kamailio": (400, "Bad Request URI"), "viaduct": (416, "Unsupported URI Scheme")}),
    (2, {"uri": "tel:+123"}, FINE),
    (2, {"uri": "urn:service:sos"}, FINE),
    (32, {"CSeq": "1 BYE"}, (400, "CSeq method does not match request method")),
    (64, {"CSeq": "x MESSAGE"}, (400, "CSeq number is illegal")),
    (64, {"CSeq": "-1 MESSAGE"}, (400, "CSeq number is illegal")),
    (64, {"CSeq": "2147483647 MESSAGE"}, FINE),
    (128, {"Content-Length": "10"}, (400, "Content-Length mis-match")),
    (128, {"Content-Length": "1", "body": "abc"}, {"kamailio": (400, "Content-Length mis-match"), "viaduct": FINE}),
    (256, {"Expires": "abc"}, (400, "Expires value is illegal")),
    (256, {"Expires": "4294967295"}, FINE),
    (512, {"Proxy-Require": "bar"}, FINE),
    (512, {"Proxy-Require": "foo, baz"}, (420, "Bad Proxy Require Extension")),
    (1024, {"uri": "sip:"}, (400, "Bad Request URI")),
    (1024, {"uri": "sip:a@b:99999999"}, (400, "Bad Request URI")),
    (1024, {"From": "<sip:>;tag=1"}, (400, "Invalid From Header")),
    (1024, {"To": "<sip:@@@>"}, (400, "Ivalid To Header")),
    (1024, {"Contact": "<sip:>"}, (400, "Bad Contact URI")),
    (1024, {"Contact": "foo bar baz"}, (400, "Bad Contact Header")),
    (1024, {"Contact": "*"}, FINE),
    (2048, {"Proxy-Authorization": DIGEST}, FINE),
    (2048, {"Authorization": 'Digest username="a"'}, (400, "Bad Auth Credentials")),
    (4096, {"From": "<sip:a@b>;tag=1;tag=2"}, (400, "Many From Tag Params")),
    (4096, {"To": "<sip:a@b>;tag=1;tag=2"}, (400, "Many To Tag Params")),
    (8192, {"Authorization": 'Digest username="a"'}, (400, "Bad Auth Credentials")),
    (8192, {"Authorization": "Basic abc"}, FINE),
    (16384, {}, FINE),
]


def request_with(alice, changes):
    changes = dict(changes)
    request = alice.request("MESSAGE", changes.pop("uri", "sip:bob@example.com"),
                            to="<sip:bob@example.com>")
    request.body = changes.pop("body", "").encode()
    for name, value in changes.items():
        request.headers = [h for h in request.headers if h[0] != name] + [[name, value]]
    return request


@pytest.mark.parametrize("bits, changes, expected", CHECKS)
def test_check_answers_what_is_wrong(agent, server, bits, changes, expected):
    alice = agent("alice")
    request = request_with(alice, changes)
    request.add("X-Checks", str(bits))
    alice.send(request, server.address)
    reply = alice.expect_any()
    if isinstance(expected, dict):
        expected = expected[server.program]
    assert (reply.status, reply.reason) == expected
    if expected[0] == 420:
        assert reply["Unsupported"] == "baz"


@pytest.mark.viaduct_only("the peer names the first only")
def test_all_unsupported_options_are_named(agent, server):
    alice = agent("alice")
    request = request_with(alice, {"Proxy-Require": "one, foo"})
    request.add("Proxy-Require", "two").add("X-Checks", "512")
    alice.send(request, server.address)
    assert alice.expect_any()["Unsupported"] == "one, two"


def test_autodrop_ends_the_script(agent, start_server):
    server = start_server(config("""
	sanity_check("256");
	sl_send_reply("299", "Went on");
"""))
    alice = agent("alice", server=server)
    alice.send(request_with(alice, {"Expires": "abc"}), server.address)
    assert alice.expect_any().reason == "Expires value is illegal"
    alice.expect_nothing()


def test_sanity_reply_answers_later(agent, start_server):
    server = start_server(config("""
	if (!sanity_check("256")) {
		append_to_reply("X-Later: yes\\r\\n");
		sanity_reply();
		exit;
	}
	sl_send_reply("200", "Fine");
""", autodrop=0, noreply=1))
    alice = agent("alice", server=server)
    alice.send(request_with(alice, {"Expires": "abc"}), server.address)
    reply = alice.expect_any()
    assert (reply.status, reply["X-Later"]) == (400, "yes")
    alice.send(request_with(alice, {}), server.address)
    assert alice.expect_any().status == 200


def test_ack_is_not_answered(agent, server):
    alice = agent("alice")
    ack = alice.request("ACK", "sip:bob@example.com", headers=[("Expires", "x"), ("X-Checks", "256")])
    alice.send(ack, server.address)
    alice.expect_nothing()


SIZES = [
    ("size_header", {"Subject": "x" * 3000}, 513),
    ("size_body", {"body": "x" * 9000}, 513),
    ("size_ruri", {"uri": "sip:" + "u" * 300 + "@example.com"}, 414),
    ("size_from_uri", {"From": "<sip:%s@example.com>;tag=1" % ("u" * 300)}, 400),
    ("size_contact_uri", {"Contact": "<sip:%s@example.com>" % ("u" * 300)}, 400),
    ("size_route_uri", {"Route": "<sip:%s.example.com;lr>" % ("u" * 300)}, 400),
]


@pytest.mark.viaduct_only("newer than 5.6")
def test_sizes_are_limited(agent, start_server):
    server = start_server(config("""
	if (sanity_check("65536")) sl_send_reply("200", "Fine");
""", autodrop=0))
    alice = agent("alice", server=server)
    for name, changes, status in SIZES:
        request = request_with(alice, changes)
        request.set("Content-Length", str(len(request.body)))
        alice.send(request, server.address)
        assert alice.expect_any().status == status, name
    alice.send(request_with(alice, {}), server.address)
    assert alice.expect_any().status == 200


def test_malformed_reply_is_dropped(agent, start_server):
    server = start_server(config("""
	$du = "sip:" + $hdr(X-Target);
	forward();
""", autodrop=1) + """
reply_route {
	sanity_check("64");
}
""")
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    request = alice.request("MESSAGE", "sip:bob@example.com", headers=[("X-Target", bob.host_port)])
    alice.send(request, server.address)
    incoming = bob.expect_request("MESSAGE")
    bad = bob.reply_to(incoming, 200)
    bad.set("CSeq", "99999999999 MESSAGE")
    bob.send(bad, server.address)
    alice.expect_nothing()
    bob.reply(incoming, 200)
    assert re.match("[0-9]+ MESSAGE", alice.expect_any()["CSeq"])
