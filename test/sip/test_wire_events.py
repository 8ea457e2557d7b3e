# SPDX-License-Identifier: BSD-2-Clause
"""Event routes on a message's road: what comes before it is parsed and before it is routed, what leaves
after it was written, replies that leave; onsend_route for replies."""
import base64

import pytest
from settings import START

CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
children=1
auto_aliases=no
received_route_mode=1
onsend_route_reply=yes
#!ifdef VIADUCT
xavp_via_reply_params="xreply"
#!endif
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "textopsx.so"
loadmodule "kex.so"
loadmodule "corex.so"
modparam("corex", "nio_intercept", 1)
modparam("corex", "nio_min_msg_len", 10)
modparam("corex", "nio_msg_avp", "$avp(msg)")
modparam("pv", "shvset", "began=i:0")
modparam("tm", "retr_timer1", 100)

request_route {
""" + START + """
	$var(h) = $hdr(X-Value);
	append_to_reply("X-Result: $hdr(X-Text) $avp(early) $shv(began)\\r\\n");
	switch ($hdr(X-Case)) {
	case "relay":
		$du = "sip:" + $var(h);
		t_relay();
		exit;
	case "forward":
		$du = "sip:" + $var(h);
		forward();
		exit;
	case "data":
		send_data("sip:$var(h)", "OUT=1 and more");
		break;
#!ifdef VIADUCT
	case "stateful":
		t_newtran();
		$xavp(xreply=>a) = "1";
		via_reply_add_xavp_params("1");
		t_reply("404", "None");
		exit;
	case "params":
		$xavp(xreply=>a) = "1";
		$xavp(xreply[0]=>b) = "two";
		via_reply_add_xavp_params("1");
		break;
#!endif
	}
	sl_send_reply("200", "Fine");
}

reply_route {
#!ifdef VIADUCT
	if ($hdr(X-Case) == "params") {
		$xavp(xreply=>c) = "three";
		via_reply_add_xavp_params("1");
	}
#!endif
	return 1;
}

onsend_route {
	if ($rs == "299") drop;
}

event_route[network:msg] {
	if (is_incoming()) {
		if ($(mb{s.substr,0,4}) == "B64:")
			$avp(msg) = $(mb{s.substr,4,0}{s.decode.base64});
		else
			$avp(msg) = $(mb{s.replace,IN=1,IN=2});
		if ($mb =~ "DROPPED") drop;
		$avp(early) = "early";
	} else if ($mb =~ "OUT=1") {
		$avp(msg) = $(mb{s.replace,OUT=1,OUT=2});
#!ifdef VIADUCT
	} else if ($mb =~ "WHERETO") {
		$avp(msg) = $(mb{s.replace,WHERETO,$sndfrom(ip) $sndto(ip):$sndto(port) $sndto(sproto) $Ri});
	} else if ($mb =~ "UNTOUCHED") {
		$avp(early) = "nothing is left for the next one";
#!endif
	} else {
		$avp(msg) = $mb;
	}
}

event_route[core:msg-received] {
	if ($(rcv(buf)) =~ "UNWANTED") drop;
}

event_route[core:pre-routing] {
	if ($ua == "evil" || $rr == "Evil") drop;
}

event_route[core:receive-parse-error] {
	send_data("sip:$si:$sp", "no SIP: $ml $mb");
}

event_route[core:worker-one-init] {
	$shv(began) = $shv(began) + 1;
}

#!ifdef VIADUCT
event_route[corex:reply-out] {
	if ($rs == "404") send_data("sip:$sndto(ip):$sndto(port)", "told $rs $rr $ci $sndto(sproto) OUT=1");
}
#!endif
"""
SERVER = {"transports": ("udp", "tcp")}
ALLOWED = ["address family", "no CSEQ", "bad header field", "parse_first_line", "parse_msg", "receive_msg",
           "R-URI", "Call-Id", "error parsing", "loss detected", "load_tm", "onsend_route"]


def make(alice, case="", text="-", value="-", method="OPTIONS", **headers):
    request = alice.request(method, "sip:x@" + alice.domain)
    request.headers[-1:-1] = [["X-Case", case], ["X-Value", value], ["X-Text", text]]
    request.headers[-1:-1] = [[name.replace("_", "-"), value] for name, value in headers.items()]
    return request


def send(alice, *args, **headers):
    request = make(alice, *args, **headers)
    alice.send(request)
    return request


def raw(agent):
    """What comes is no SIP."""
    agent.socket.settimeout(8)
    return agent.socket.recv(65536).decode()


# ---- network:msg ----

@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_comes_is_changed_before_it_is_parsed(agent, stream_agent, transport):
    alice = {"udp": agent, "tcp": stream_agent}[transport]("alice")
    reply = alice.expect_reply(200, send(alice, "", "IN=1"))
    assert reply["X-Result"] == "IN=2 early 1"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_leaves_is_changed_after_it_was_written(agent, stream_agent, transport):
    alice = {"udp": agent, "tcp": stream_agent}[transport]("alice")
    reply = alice.expect_reply(200, send(alice, "", "OUT=1"))
    assert reply["X-Result"] == "OUT=2 early 1"


def test_message_may_be_something_else_on_the_wire(agent):
    alice = agent("alice")
    request = make(alice, "", "hidden")
    alice.send(b"B64:" + base64.b64encode(request.encode()))
    assert alice.expect_reply(200, request)["X-Result"] == "hidden early 1"


def test_drop_does_not_keep_it(agent):
    alice = agent("alice")
    alice.expect_reply(200, send(alice, "", "DROPPED"))


@pytest.mark.parametrize("case", ["relay", "forward"])
def test_requests_and_replies_that_pass_are_changed(agent, case):
    alice, bob = agent("alice"), agent("bob")
    request = send(alice, case, "OUT=1", bob.host_port)
    incoming = bob.expect_request("OPTIONS")
    assert incoming["X-Text"] == "OUT=2"
    bob.reply(incoming, 200, headers=[("X-Text", "OUT=1")])
    assert alice.expect_reply(200, request)["X-Text"] == "OUT=2"


def test_retransmissions_are_changed_too(agent):
    alice, bob = agent("alice"), agent("bob")
    request = send(alice, "relay", "OUT=1", bob.host_port)
    first = bob.expect_request("OPTIONS")
    again = bob.expect_retransmission()
    assert first["X-Text"] == again["X-Text"] == "OUT=2"
    bob.reply(again, 200)
    alice.expect_reply(200, request)


def test_data_is_sent_as_it_is(agent):
    alice, bob = agent("alice"), agent("bob")
    request = send(alice, "data", value=bob.host_port)
    assert raw(bob) == "OUT=1 and more"
    alice.expect_reply(200, request)


@pytest.mark.viaduct_only("nothing arrives that the peer sends from there")
def test_short_messages_are_left_alone(agent):
    alice = agent("alice")
    for sent, told in (("IN=1 and more", "13 IN=2 and more"), ("IN=1 and", "8 IN=1 and")):
        alice.send(sent.encode())
        assert raw(alice) == "no SIP: " + told


@pytest.mark.viaduct_only("the peer uses what the event before it left")
def test_bytes_of_one_message_are_not_used_for_another(agent):
    alice = agent("alice")
    reply = alice.expect_reply(200, send(alice, "", "IN=1 UNTOUCHED"))
    assert reply["X-Result"] == "IN=2 UNTOUCHED early 1"


@pytest.mark.viaduct_only("the peer knows nothing but the bytes there")
def test_the_way_of_what_leaves_is_known(agent):
    alice = agent("alice")
    reply = alice.expect_reply(200, send(alice, "", "WHERETO"))
    assert reply["X-Result"].startswith("%s %s:%d udp %s " % (
        alice.server[0], *alice.address, alice.server[0]))


# ---- events of the core ----

def test_dropped_bytes_are_no_message(agent):
    alice = agent("alice")
    send(alice, "", "UNWANTED")
    alice.expect_reply(200, send(alice, "", "wanted"))
    alice.expect_nothing(0.1)


def test_message_dropped_before_routing(agent):
    alice, bob = agent("alice"), agent("bob")
    send(alice, User_Agent="evil")
    request = send(alice, "relay", value=bob.host_port)
    incoming = bob.expect_request("OPTIONS")
    bob.reply(incoming, 486, "Evil")
    bob.reply(incoming, 200)
    assert alice.expect_reply(200, request)["CSeq"] == request["CSeq"]
    alice.expect_nothing(0.1)


@pytest.mark.viaduct_only("nothing arrives that the peer sends from there")
def test_bytes_that_are_no_message_are_told(agent):
    alice = agent("alice")
    alice.send(b"not a SIP message\r\n\r\n")
    assert raw(alice) == "no SIP: 21 not a SIP message\r\n\r\n"


# ---- replies ----

@pytest.mark.parametrize("case", ["relay", "forward"])
def test_onsend_route_keeps_a_reply(agent, case):
    alice, bob = agent("alice"), agent("bob")
    request = send(alice, case, value=bob.host_port)
    incoming = bob.expect_request("OPTIONS")
    bob.reply(incoming, 299)
    alice.expect_nothing(0.3)
    assert request["CSeq"] == incoming["CSeq"]


@pytest.mark.viaduct_only("the peer of this age never runs it")
@pytest.mark.parametrize("case", ["stateful"])
def test_replies_that_leave_are_told(agent, case):
    """What the route sends is not shown to it, nor to network:msg."""
    alice = agent("alice")
    request = send(alice, case)
    assert raw(alice) == "told 404 None %s udp OUT=1" % request["Call-ID"]
    assert alice.expect_reply(404, request)["Via"].endswith(";a=1")


@pytest.mark.viaduct_only("the peer of this age has no such function")
def test_parameters_in_the_top_via_of_our_replies(agent):
    alice = agent("alice")
    assert alice.expect_reply(200, send(alice, "params"))["Via"].endswith(";b=two;a=1")


@pytest.mark.viaduct_only("the peer of this age has no such function")
def test_parameters_in_the_top_via_of_replies_that_pass(agent):
    alice, bob = agent("alice"), agent("bob")
    request = send(alice, "forward", value=bob.host_port)
    bob.reply(bob.expect_request("OPTIONS"), 200, headers=[("X-Case", "params")])
    via = alice.expect_reply(200, request).all("Via")
    assert len(via) == 1 and via[0].endswith(";c=three")
