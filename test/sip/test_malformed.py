# SPDX-License-Identifier: BSD-2-Clause
"""Messages that are wrong: what sanity_check answers, what is dropped, that nothing breaks.

The reason phrases are the peer's (one of them with its typing error): tools match on them.
"""
import pytest
from settings import START, head

CONFIG = head(sanity__autodrop=0) + """
request_route {
""" + START + """
	if (!sanity_check("17895", "7")) {
		xlog("L_NOTICE", "malformed $rm\\n");
		exit;
	}
	sl_send_reply("200", "Sane");
}
"""
ALLOWED = ["parse", "sanity", "receive_msg", "ERROR: .*core"]


def ask(agent, change):
    """Sends an INVITE after `change(message)`; the message may be replaced by raw bytes."""
    alice = agent("alice")
    alice.auto_ack = False
    request = alice.request("INVITE", "sip:x@" + alice.domain, body=alice.sdp())
    alice.send(change(request) or request)
    return alice


def raw_reply(alice, timeout=0.4):
    """The first datagram as it is; None when nothing comes."""
    alice.socket.settimeout(timeout)
    try:
        return alice.socket.recv(65535)
    except TimeoutError:
        return None


def line(raw):
    """Start line without the version, None for no reply."""
    return raw and raw.split(b"\r\n")[0].decode()[8:]


@pytest.mark.parametrize("change, expected", [
    (lambda m: None, "200 Sane"),
    (lambda m: m.set("CSeq", "1 OPTIONS"), "400 CSeq method does not match request method"),
    (lambda m: m.set("CSeq", "abc INVITE"), "400 CSeq number is illegal"),
    (lambda m: m.set("CSeq", "4294967297 INVITE"), "400 CSeq number is illegal"),
    (lambda m: m.add("Expires", "soon"), "400 Expires value is illegal"),
    (lambda m: m.set("Content-Length", "9999"), "400 Content-Length mis-match"),
    (lambda m: m.set("Content-Length", "3"), {"kamailio": "400 Content-Length mis-match", "viaduct": "200 Sane"}),
    (lambda m: m.set("From", "<sip:>;tag=x"), "400 Invalid From Header"),
    (lambda m: m.set("To", "<sip:[::1>"), "400 Ivalid To Header"),
    (lambda m: m.set("From", "hello"), "400 Invalid From Header"),
    (lambda m: m.set("Max-Forwards", "abc"), "200 Sane"),
    (lambda m: m.remove("Call-ID"), None),
    (lambda m: m.remove("CSeq"), None),
    (lambda m: m.remove("From"), None),
    (lambda m: m.remove("To"), None),
    (lambda m: m.remove("Via"), None),
    (lambda m: m.remove("Contact"), "200 Sane"),
    (lambda m: m.remove("Max-Forwards"), "200 Sane"),
], ids=["sane", "cseq-method", "cseq-text", "cseq-large", "expires-text", "length-more",
        "length-less", "from-empty", "to-bracket", "from-text", "max-forwards-text", "no-call-id",
        "no-cseq", "no-from", "no-to", "no-via", "no-contact", "no-max-forwards"])
def test_header_that_is_wrong(agent, server, change, expected):
    """RFC 3261 18.3: bytes beyond the body are no mistake; the peer takes them for one."""
    if isinstance(expected, dict):
        expected = expected[server.program]
    assert line(raw_reply(ask(agent, lambda m: change(m) and None))) == expected


# RFC 3261 16.3 step 2 wants 416.
SCHEME = {"kamailio": "400 Bad Request URI", "viaduct": "416 Unsupported URI Scheme"}


@pytest.mark.parametrize("uri, expected", [
    ("http://example.com/", SCHEME), ("sip:", "400 Bad Request URI"),
    ("mailto:x@example.com", SCHEME), ("sip:x@y:port", "400 Bad Request URI"),
    ("sip:x@[::1", "400 Bad Request URI"), ("tel:+1234", "200 Sane"),
    ("sips:x@example.com", "200 Sane"), ("sip:x@y;a=b?c=d", "200 Sane"),
])
def test_request_uri(agent, server, uri, expected):
    if isinstance(expected, dict):
        expected = expected[server.program]
    reply = raw_reply(ask(agent, lambda m: m.encode().replace(m.uri.encode(), uri.encode(), 1)))
    assert line(reply) == expected


def test_version(agent, server):
    alice = ask(agent, lambda m: m.encode().replace(b" SIP/2.0\r\n", b" SIP/3.0\r\n", 1))
    # RFC 3261 21.5.6 asks for an answer; the peer gives none.
    expected = "505 Version Not Supported" if server.program == "viaduct" else None
    assert line(raw_reply(alice)) == expected


GARBAGE = [
    b"", b"\r\n", b"\0" * 100, b"INVITE", b"INVITE sip:x", b"INVITE sip:x@y SIP/2.0",
    b"INVITE sip:x@y SIP/2.0\r\n", b"INVITE sip:x@y SIP/2.0\r\n\r\n",
    b"INVITE sip:x@y SIP/2.0\r\nVia: \r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n",
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK\r\n\r\n",
    b"SIP/2.0 99999999999 OK\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n",
    b"OPTIONS sip:x SIP/2.0\r\n" + b"Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n" * 200 + b"\r\n",
    b"OPTIONS sip:x SIP/2.0\r\n" + b"A" * 30000, b"A: b\r\n" * 5000, b"\xff" * 1500,
    b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:1;branch=z9hG4bK\"<>\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x80\x60\x00\x01" + b"\0" * 160,
    b"INVITE " + b"sip:" * 500 + b" SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n",
    b"OPTIONS sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"OPTIONS sip:x@y SIP/2.0\r\n: no name\r\n\r\n",
]


def test_garbage_does_not_stop_the_server(agent):
    alice = agent("alice")
    for raw in GARBAGE:
        alice.socket.sendto(raw, alice.server)
    other = agent("other")
    request = other.send(other.request("OPTIONS", "sip:x@" + other.domain))
    assert other.expect_reply(200, request).reason == "Sane"


def test_every_prefix_of_a_message_is_survived(agent):
    alice = agent("alice")
    raw = alice.request("INVITE", "sip:x@" + alice.domain, body=alice.sdp()).encode()
    for length in range(0, len(raw), 3):
        alice.socket.sendto(raw[:length], alice.server)
    other = agent("other")
    request = other.send(other.request("OPTIONS", "sip:x@" + other.domain))
    other.expect_reply(200, request)
