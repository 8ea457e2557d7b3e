# SPDX-License-Identifier: BSD-2-Clause
"""Stateless replies: OPTIONS keep-alive, Max-Forwards, Via received and rport."""
from settings import head
from sipua.message import params

CONFIG = head() + """
request_route {
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (is_method("OPTIONS") && uri == myself && $rU == $null) {
		sl_send_reply("200", "Keepalive");
		exit;
	}
	if (is_method("PUBLISH")) {
		append_to_reply("X-Added: one\\r\\nX-Second: two\\r\\n");
		sl_send_reply("202", "Fine, thank you");
		exit;
	}
	if (is_method("INFO")) force_rport();
	send_reply("404", "Not Found");
}
"""


def ask(agent, method="OPTIONS", uri=None, **kwargs):
    alice = agent("alice")
    request = alice.send(alice.request(method, uri or "sip:" + alice.domain, **kwargs))
    return alice, request


def test_keepalive_is_answered(agent):
    alice, request = ask(agent)
    reply = alice.expect_reply(200, request)
    assert reply.reason == "Keepalive"
    assert reply["Content-Length"] == "0"


def test_reply_copies_via_from_to_call_id_and_cseq(agent):
    alice, request = ask(agent, cseq=4711)
    reply = alice.expect_reply(200, request)
    assert reply["From"] == request["From"]
    assert reply["Call-ID"] == request["Call-ID"]
    assert reply["CSeq"] == "4711 OPTIONS"
    assert reply["To"].startswith(request["To"] + ";tag=")
    assert len(reply.via) == 1 and reply.branch == request.branch


def test_to_tag_of_a_retransmission_is_the_same(agent):
    alice, request = ask(agent)
    first = alice.expect_reply(200, request)
    alice.send(request)
    assert alice.expect_retransmission().to_tag == first.to_tag


def test_to_tag_of_the_request_is_kept(agent):
    alice, request = ask(agent, to="<sip:x@example.com>;tag=given")
    assert alice.expect_reply(200, request)["To"] == request["To"]


def test_rport_is_filled_in_and_received_added(agent):
    alice, request = ask(agent)
    found = alice.expect_reply(200, request).via_params()
    assert found["rport"] == str(alice.address[1])
    assert found["received"] == "127.0.0.1"


def test_without_rport_the_reply_goes_to_the_port_in_via(agent):
    alice, other = agent("alice"), agent("other")
    request = alice.request("OPTIONS", "sip:" + alice.domain)
    request.set("Via", "SIP/2.0/UDP %s;branch=%s" % (other.host_port, request.branch))
    alice.send(request)
    reply = other.expect_reply(200)
    assert "rport" not in reply.via_params()
    alice.expect_nothing(0.1)


def test_force_rport_answers_to_the_source_port(agent):
    alice, other = agent("alice"), agent("other")
    request = alice.request("INFO", "sip:x@" + alice.domain)
    request.set("Via", "SIP/2.0/UDP %s;branch=%s" % (other.host_port, request.branch))
    alice.send(request)
    reply = alice.expect_reply(404)
    assert reply.via_params()["rport"] == str(alice.address[1])
    other.expect_nothing(0.1)


def test_received_is_added_when_the_host_in_via_differs(agent):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:" + alice.domain)
    request.set("Via", "SIP/2.0/UDP phone.invalid:%d;branch=%s"
                % (alice.address[1], request.branch))
    alice.send(request)
    assert alice.expect_reply(200).via_params()["received"] == "127.0.0.1"


def test_all_vias_come_back_in_order(agent):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:" + alice.domain)
    request.headers.insert(1, ["v", "SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKsecond, "
                                    "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKthird"])
    alice.send(request)
    reply = alice.expect_reply(200)
    assert [params(v)["branch"] for v in reply.via] == [request.branch, "z9hG4bKsecond",
                                                        "z9hG4bKthird"]


def test_max_forwards_zero_is_refused(agent):
    alice, request = ask(agent, uri="sip:x@192.0.2.1", max_forwards=0)
    assert alice.expect_reply(483, request).reason == "Too Many Hops"


def test_compact_headers_are_understood(agent):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:" + alice.domain)
    short = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Content-Length": "l"}
    request.headers = [[short.get(name, name), value] for name, value in request.headers]
    alice.send(request)
    assert alice.expect_reply(200).call_id == request.call_id


def test_folded_header_lines_are_understood(agent):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:" + alice.domain)
    raw = request.encode().replace(b";rport", b"\r\n ;rport").replace(b";tag=", b"\r\n\t;tag=")
    alice.send(raw)
    assert alice.expect_reply(200).from_tag == request.from_tag


def test_appended_reply_headers_are_sent(agent):
    alice, request = ask(agent, "PUBLISH")
    reply = alice.expect_reply(202, request)
    assert reply.reason == "Fine, thank you"
    assert (reply["X-Added"], reply["X-Second"]) == ("one", "two")


def test_ack_is_never_answered(agent):
    alice, _ = ask(agent, "ACK", uri="sip:x@192.0.2.1")
    alice.expect_nothing(0.2)


def test_ack_to_a_stateless_refusal_is_absorbed(agent, server):
    alice = agent("alice")
    invite = alice.invite(server.uri("nobody"))
    refusal = alice.expect_reply(404, invite)
    assert refusal.to_tag
    alice.expect_nothing(0.2)
    assert not alice.retransmissions


def test_crlf_keepalive_is_not_answered_and_does_no_harm(agent):
    alice = agent("alice")
    for raw in (b"\r\n\r\n", b"\r\n", b"\0\0\0\0"):
        alice.send(raw)
    request = alice.send(alice.request("OPTIONS", "sip:" + alice.domain))
    alice.expect_reply(200, request)
