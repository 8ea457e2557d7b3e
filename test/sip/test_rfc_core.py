# SPDX-License-Identifier: BSD-2-Clause
"""RFC 3261 and RFC 4475 where Kamailio 5.6 does otherwise: what the core and sanity_check answer."""
import glob
import os
import re
import socket

import pytest
from settings import START, head
from sipua import Agent
from sipua.server import ROOT

pytestmark = pytest.mark.viaduct_only("the peer is wrong by the RFC here")

# force_rport: the torture messages name other hosts in Via; answers come to where they were sent from.
SANE = """force_rport=yes
request_route {""" + START + """
	if (!sanity_check("17895", "7"))
		exit;
	if (is_method("REGISTER")) {
		append_to_reply("Saw: register $tU\\r\\n");
		sl_send_reply("200", "Registers");
		exit;
	}
	sl_send_reply("200", "Sane");
}
"""
PLAIN = "force_rport=yes\nrequest_route {" + START + '\tsl_send_reply("200", "Seen");\n}\n'
RELAY = "request_route {" + START + """
	if (is_method("ACK")) exit;
	if (!t_relay())
		sl_reply_error();
}
"""
CONFIG = head(sanity__autodrop=0) + SANE
ALLOWED = ["255.255.255.255:5060 failed"]  # a torture message wants its answer broadcast


@pytest.fixture
def raw():
    """raw(server, bytes): sends them and gives the first answer, None when there is none."""
    sockets = []

    def ask(server, data, timeout=0.4):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sockets.append(one)
        one.bind(("127.0.0.1", 0))
        one.settimeout(timeout)
        one.sendto(data, server.address)
        try:
            return one.recv(65536).decode("utf-8", "surrogateescape")
        except TimeoutError:
            return None
    yield ask
    for one in sockets:
        one.close()


def status(answer):
    return int(answer.split(" ")[1]) if answer else None


# ---- RFC 4475 ----------------------------------------------------------------------------------
FOLDER = os.path.join(ROOT, "test", "unit", "parser", "rfc4475")
# What a server answers whose script runs sanity_check() and then says 200. Where the RFC's answer
# depends on headers that this script does not read, 200 is right (RFC 3261 16.3).
TORTURE = {
    "wsinv": 200, "intmeth": 200, "esc01": 200, "escnull": 200, "esc02": 200, "lwsdisp": 200, "longreq": 200,
    "dblreq": 200, "semiuri": 200, "transports": 200, "mpart01": 200, "unreason": None, "noreason": None,
    "badinv01": 200, "clerr": 400, "ncl": 400, "scalar02": 400, "scalarlg": None, "quotbal": 400,
    "ltgtruri": 400, "lwsruri": 400, "lwsstart": 400, "trws": 400, "escruri": 200, "baddate": 200,
    "regbadct": 200, "badaspec": 400, "baddn": 400, "badvers": 505, "mismatch01": 400, "mismatch02": 400,
    "bigcode": None, "badbranch": 200, "insuf": None, "unkscm": 416, "novelsc": 416, "unksm2": 200,
    "bext01": 420, "invut": 200, "regaut01": 200, "multi01": 400, "mcl01": 400, "bcast": None,
    "zeromf": 200, "cparam01": 200, "cparam02": 200, "regescrt": 200, "sdp01": 200, "inv2543": 200,
}


def test_every_torture_message_is_known():
    assert sorted(TORTURE) == sorted(os.path.basename(p)[:-4] for p in glob.glob(FOLDER + "/*.dat"))


@pytest.mark.parametrize("name", sorted(TORTURE))
def test_torture_message(server, raw, name):
    with open(os.path.join(FOLDER, name + ".dat"), "rb") as file:
        answer = raw(server, file.read(), 0.3 if TORTURE[name] is None else 5)
    assert status(answer) == TORTURE[name], answer


# ---- one by one --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(launch):
    """A server whose script has no sanity_check."""
    return launch(head().replace('loadmodule "sanity.so"\n', "") + PLAIN)


def lines(*headers, first="OPTIONS sip:x@example.com SIP/2.0", body=""):
    standard = ["Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKrfc", "From: <sip:a@example.com>;tag=1",
                "To: <sip:x@example.com>", "Call-ID: rfc", "CSeq: 1 OPTIONS"]
    names = [h.split(":")[0] for h in headers]
    kept = [h for h in standard if h.split(":")[0] not in names]
    return ("\r\n".join([first] + kept + [h for h in headers if not h.endswith(": -")]) + "\r\n\r\n" + body).encode()


@pytest.mark.parametrize("message, expected", [
    (lines(), 200),
    (lines(first="OPTIONS sip:x@example.com SIP/7.0"), 505),
    (lines("CSeq: 1 INVITE"), 400),
    (lines("CSeq: 36893488147419103232 OPTIONS"), 400),
    (lines("CSeq: 4294967296 OPTIONS"), 400),
    (lines("CSeq: x OPTIONS"), 400),
    (lines("Content-Length: 99"), 400),
    (lines("Content-Length: -1"), 400),
    (lines("Content-Length: 2", "Content-Length: 3", body="abc"), 400),
    (lines("Content-Length: 2", body="abcdef"), 200),
    (lines("To: <sip:x@example.com>", "To: <sip:y@example.com>"), 400),
    (lines("From: <sip:x@example.com>;tag=1", "f: <sip:y@example.com>;tag=2"), 400),
    (lines("Call-ID: a", "i: b"), 400),
    (lines("Call-ID: -"), None),
    (lines("From: -"), None),
    (lines("CSeq: 1 ACK", first="ACK sip:x@example.com SIP/7.0"), None),
    (lines(first=" OPTIONS sip:x@example.com SIP/2.0"), None),
    (lines(first="OPTIONS  sip:x@example.com SIP/2.0"), 400),
], ids=lambda v: re.sub("[^A-Za-z0-9 :-]", "", v.decode().split("\r\n")[0][-30:] + v.decode().split("\r\n")[-3][:30])
    if isinstance(v, bytes) else str(v))
def test_without_sanity_check(plain, raw, message, expected):
    """The core answers what the script would not see to be wrong."""
    answer = raw(plain, message, 0.3 if expected is None else 5)
    assert status(answer) == expected, answer


def test_strictness_can_be_turned_off(start_server, raw):
    server = start_server(head().replace('loadmodule "sanity.so"\n', "") + "rfc_strict=0\n" + PLAIN)
    assert status(raw(server, lines("CSeq: 1 INVITE"))) == 200
    assert status(raw(server, lines("Content-Length: 99"))) == 200


def test_strictness_of_sanity_can_be_turned_off(start_server, raw):
    """As the peer: 400 instead of 416, and a body longer than Content-Length is wrong."""
    server = start_server(head(sanity__autodrop=0) + "rfc_strict=0\n" + SANE)
    assert status(raw(server, lines(first="OPTIONS http://example.com/ SIP/2.0"))) == 400
    assert status(raw(server, lines("Content-Length: 2", body="abcdef"))) == 400


def test_unsupported_lists_what_is_not_supported(start_server, raw):
    server = start_server(head(sanity__autodrop=0, sanity__proxy_require='"foo,bar"') + SANE)
    assert status(raw(server, lines("Proxy-Require: foo,BAR"))) == 200
    answer = raw(server, lines("Proxy-Require: FOO, baz", "Proxy-Require: bar,qux"))
    assert status(answer) == 420
    assert re.search("^Unsupported: *(.*?)\r?$", answer, re.M).group(1).replace(" ", "") == "baz,qux"


def test_an_escaped_method_is_another_method(server, raw):
    """RFC 4475 3.1.1.5: RE%47IST%45R is not REGISTER."""
    answer = raw(server, lines("CSeq: 1 RE%47IST%45R", first="RE%47IST%45R sip:x@example.com SIP/2.0"))
    assert " 200 Sane" in answer
    assert "Registers" in raw(server, lines("CSeq: 1 REGISTER", first="REGISTER sip:x@example.com SIP/2.0"))


def test_escaped_nuls_end_no_text(server, raw):
    """RFC 4475 3.1.1.4."""
    answer = raw(server, lines("CSeq: 1 REGISTER", "To: sip:null-%00-null@example.com",
                               first="REGISTER sip:example.com SIP/2.0"))
    assert "Saw: register null-%00-null\r\n" in answer


def test_folded_via_and_from(server, raw):
    folded = lines("Via: SIP/2.0/UDP\r\n\t127.0.0.1:9\r\n ;branch=z9hG4bKfold",
                   "From: \"A\r\n B\"\r\n <sip:a@example.com>\r\n ;tag=1")
    assert status(raw(server, folded)) == 200


def test_answers_go_to_maddr(start_server, agent):
    """RFC 3261 18.2.2: the address in maddr, and the port of sent-by."""
    server = start_server(head() + PLAIN.replace("force_rport=yes\n", ""))
    alice, bob = agent("alice", server=server), Agent("bob", "127.0.0.2")
    request = alice.request("OPTIONS", server.uri("x"))
    request.set("Via", "SIP/2.0/UDP 192.0.2.1:%d;maddr=127.0.0.2;branch=z9hG4bKmaddr" % bob.address[1])
    try:
        alice.send(request)
        assert bob.expect_any().reason == "Seen"
    finally:
        bob.close()


def test_bytes_beyond_the_body_are_not_relayed(start_server, agent):
    server = start_server(head() + RELAY)
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    request = alice.request("MESSAGE", "sip:bob@" + bob.host_port, body="hello", content_type="text/plain")
    alice.send(request.encode() + b"INVITE sip:smuggled@example.com SIP/2.0\r\n\r\n")
    assert bob.expect_request("MESSAGE").body == b"hello"
    bob.expect_nothing()


@pytest.mark.parametrize("uri, expected", [("http://example.com/", 416), ("nobodyKnowsThisScheme:total", 416),
                                           ("sip:x@[::1", 479), ("sip:x@host.invalid", 478)])
def test_relaying_tells_why_it_cannot(start_server, agent, uri, expected):
    server = start_server(head() + RELAY)
    server.allow("cannot resolve")
    alice = agent("alice", server=server)
    request = alice.send(alice.request("OPTIONS", uri))
    alice.expect_reply(expected, request)


@pytest.mark.parametrize("change", [
    lambda m: m.set("Content-Length", "99"), lambda m: m.add("To", "<sip:other@example.com>;tag=2"),
    lambda m: m.add("CSeq", "2 INVITE"), lambda m: m.remove("From")], ids=["length", "to", "cseq", "from"])
def test_broken_replies_are_discarded(start_server, agent, change):
    """RFC 3261 18.1.2 and 18.3; the right one that follows passes."""
    server = start_server(head() + RELAY)
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    alice.send(alice.request("OPTIONS", "sip:bob@" + bob.host_port))
    came = bob.expect_request("OPTIONS")
    broken = bob.reply_to(came, 404)
    change(broken)
    bob.send(broken)
    bob.send(bob.reply_to(came, 200))
    alice.expect_reply(200)
