# SPDX-License-Identifier: BSD-2-Clause
"""Loose routing, preloaded routes, relaying to other places: RFC 3261 16.4-16.6, 12.2."""
import pytest
from settings import RELAY, START, head
from sipua import Dialog
from sipua.message import name_addr

CONFIG = head(rr__append_fromtag=0) + """
request_route {
""" + START + """
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	if (is_method("CANCEL")) {
		if (t_check_trans()) t_relay();
		exit;
	}
	t_check_trans();
	if (has_totag()) {
		if (loose_route()) {
			append_hf("X-Routed: loose\\r\\n");
			route(RELAY);
		}
		if (is_method("ACK")) {
			if (t_check_trans()) t_relay();
			exit;
		}
		sl_send_reply("404", "Not here");
		exit;
	}
	if ($rU == "preloaded") {
		if (loose_route()) {
			append_hf("X-Routed: preloaded\\r\\n");
		}
		route(RELAY);
	}
	remove_hf("Route");
	if (is_method("INVITE")) record_route();
	switch ($rU) {
	case "moved":
		$ru = "sip:new@" + $hdr(X-Target);
		break;
	case "via":
		$du = "sip:" + $hdr(X-Target);
		break;
	case "prefixed":
		strip(3);
		prefix("00");
		rewritehostport("$hdr(X-Target)");
		break;
	}
	if (uri == myself && $du == $null) {
		sl_send_reply("404", "Not Found");
		exit;
	}
	route(RELAY);
}
""" + RELAY

ALLOWED = ["host.invalid", "failure to add branches", "sl_reply_error"]


@pytest.fixture
def pair(agent):
    return agent("alice"), agent("bob")


def call(alice, bob, server, user="via"):
    """A call to bob through the server; both dialogs and bob's INVITE."""
    invite = alice.invite(server.uri(user), headers=[("X-Target", bob.host_port)])
    incoming = bob.expect_request("INVITE")
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, invite)
    caller, callee = Dialog.from_client(alice, invite, ok), \
        Dialog.from_server(bob, incoming, answer)
    caller.ack()
    bob.expect_request("ACK")
    return caller, callee, incoming


def test_request_uri_can_be_rewritten(pair, server):
    alice, bob = pair
    invite = alice.invite(server.uri("moved"), headers=[("X-Target", bob.host_port)])
    incoming = bob.expect_request("INVITE")
    assert incoming.uri == "sip:new@" + bob.host_port
    assert incoming["To"] == invite["To"]
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)


def test_destination_uri_leaves_the_request_uri_alone(pair, server):
    alice, bob = pair
    invite = alice.invite(server.uri("via"), headers=[("X-Target", bob.host_port)])
    incoming = bob.expect_request("INVITE")
    assert incoming.uri == server.uri("via")
    assert "Route" not in incoming
    bob.reply(incoming, 486)
    alice.expect_reply(486, invite)


def test_route_set_brings_in_dialog_requests_through_the_server(pair, server):
    alice, bob = pair
    caller, callee, _ = call(alice, bob, server)
    assert [name_addr(r)[0].split(";")[0] for r in caller.routes] == [server.uri()]
    for dialog, other in ((caller, bob), (callee, alice)):
        info = dialog.send("INFO")
        got = other.expect_request("INFO")
        assert got["X-Routed"] == "loose" and "Route" not in got
        assert got.uri == dialog.target
        other.reply(got, 200)
        dialog.agent.expect_reply(200, info)


def test_in_dialog_request_without_a_route_is_not_ours(pair, server):
    alice, bob = pair
    caller, _, _ = call(alice, bob, server)
    caller.routes = []
    bye = alice.send(caller.request("BYE"), server.address)
    assert alice.expect_reply(404, bye).reason == "Not here"
    bob.expect_nothing(0.1)


def test_ack_without_route_and_transaction_is_dropped(pair, server):
    alice, bob = pair
    caller, _, _ = call(alice, bob, server)
    caller.routes = []
    alice.send(caller.request("ACK", cseq=99), server.address)
    alice.expect_nothing(0.1)
    bob.expect_nothing(0.1)


def test_further_routes_stay_and_are_followed(pair, server, agent):
    alice, bob = pair
    next_proxy = agent("next")
    caller, _, _ = call(alice, bob, server)
    further = "<sip:%s;lr>" % next_proxy.host_port
    caller.routes.append(further)
    caller.send("BYE")
    got = next_proxy.expect_request("BYE")
    assert got.values("Route") == [further]
    assert got.uri == caller.target
    next_proxy.reply(got, 200)
    alice.expect_reply(200)


def test_routes_in_one_header_line_are_split(pair, server, agent):
    alice, bob = pair
    next_proxy = agent("next")
    caller, _, _ = call(alice, bob, server)
    further = '"Next, hop" <sip:%s;lr>' % next_proxy.host_port
    caller.routes = [caller.routes[0] + "," + further]
    request = caller.request("BYE")
    alice.send(request, server.address)
    got = next_proxy.expect_request("BYE")
    assert got.values("Route") == [further]
    next_proxy.reply(got, 200)
    alice.expect_reply(200, request)


def test_strict_router_behind_us_gets_its_uri_as_request_uri(pair, server, agent):
    alice, bob = pair
    strict = agent("strict")
    caller, _, _ = call(alice, bob, server)
    caller.routes.append("<sip:%s>" % strict.host_port)
    caller.send("BYE")
    got = strict.expect_request("BYE")
    assert got.uri == "sip:" + strict.host_port
    assert name_addr(got.values("Route")[-1])[0] == caller.target
    strict.reply(got, 200)
    alice.expect_reply(200)


def test_preloaded_route_is_followed_when_the_script_wants(pair, server):
    alice, bob = pair
    request = alice.request("MESSAGE", "sip:preloaded@192.0.2.77", body="x",
                            content_type="text/plain",
                            headers=[("Route", "<sip:%s;lr>" % server.host_port),
                                     ("Route", "<sip:%s;lr>" % bob.host_port)])
    alice.send(request)
    got = bob.expect_request("MESSAGE")
    assert got["X-Routed"] == "preloaded"
    assert got.uri == "sip:preloaded@192.0.2.77"
    assert got.values("Route") == ["<sip:%s;lr>" % bob.host_port]
    bob.reply(got, 200)
    alice.expect_reply(200, request)


def test_relay_to_a_uri_that_cannot_be_reached_is_answered(pair, server):
    alice, _ = pair
    message = alice.send(alice.request("MESSAGE", "sip:x@host.invalid", body="x",
                                       content_type="text/plain"))
    reply = alice.expect_any(20)
    assert reply.status in (478, 404, 500, 503) and reply.cseq == message.cseq


def test_to_another_host_is_relayed_with_max_forwards_counted_down(pair):
    alice, bob = pair
    message = alice.send(alice.request("MESSAGE", "sip:x@" + bob.host_port, body="x",
                                       content_type="text/plain", max_forwards=12))
    got = bob.expect_request("MESSAGE")
    assert got["Max-Forwards"] == "11"
    bob.reply(got, 200)
    alice.expect_reply(200, message)


def test_missing_max_forwards_is_added(pair):
    alice, bob = pair
    message = alice.request("MESSAGE", "sip:x@" + bob.host_port, body="x",
                            content_type="text/plain").remove("Max-Forwards")
    alice.send(message)
    got = bob.expect_request("MESSAGE")
    assert got["Max-Forwards"] == "10"
    bob.reply(got, 200)
    alice.expect_reply(200, message)
