# SPDX-License-Identifier: BSD-2-Clause
"""Requests that the server makes inside calls: BYE, keepalive, REFER, bridged calls; their routes."""
import json
import os

import pytest
from settings import START, head
from sipua import Dialog
from sipua.server import RpcError
from tables import Sqlite, wait_for
from test_dialog import answered, end_while_it_rings, inside, invite, shown, state

SCRIPT = """
request_route {
""" + START + """
	if (is_method("CANCEL")) {
		t_relay();
		exit;
	}
	if (has_totag()) {
		loose_route();
		if (is_method("MESSAGE")) route(ORDERS);
		t_relay();
		exit;
	}
	if (is_method("PUBLISH")) {
		if ($hdr(X-Order) == "bridge") {
			dlg_bridge("$hdr(X-From)", "sip:carol@example.org", "");
		} else if ($hdr(X-Order) == "load") {
			$var(loaded) = -1;
			if (dlg_db_load_callid("$hdr(X-Call)")) $var(loaded) = 1;
			xlog("L_NOTICE", "loaded: $var(loaded)\\n");
		} else if ($hdr(X-Order) == "variables") {
			if (dlg_get_var("$hdr(X-Call)", "$hdr(X-Ftag)", "$hdr(X-Ttag)", "x", "$var(x)"))
				xlog("L_NOTICE", "variable x of another: $var(x)\\n");
			dlg_set_var("$hdr(X-Call)", "$hdr(X-Ftag)", "$hdr(X-Ttag)", "x", "changed");
			if (dlg_get("$hdr(X-Call)", "$hdr(X-Ftag)", "$hdr(X-Ttag)"))
				xlog("L_NOTICE", "the other is $dlg(callid) $dlg_var(x)\\n");
		} else {
			dlg_refer_dcid("$hdr(X-Call)", "caller", "sip:dave@example.org");
		}
		sl_send_reply("200", "OK");
		exit;
	}
	$dlg_var(x) = "one";
	dlg_set_property("ka-dst");
	dlg_manage();
	record_route();
	$du = "sip:" + $hdr(X-Target);
	t_relay();
}

route[ORDERS] {
	switch ($hdr(X-Order)) {
	case "refer":
		dlg_refer("caller", "sip:carol@example.org");
		break;
	case "info":
		dlg_req_within("callee", "INFO", "X-Hint: yes\\r\\n", "text/plain", "hello");
		break;
	case "state":
		$var(done) = dlg_set_state("$hdr(X-Value)");
		xlog("L_NOTICE", "state $hdr(X-Value) set: $var(done)\\n");
		break;
	case "ruri":
		$ru = "sip:elsewhere@example.org";
		dlg_set_ruri();
		break;
	}
}

event_route[dialog:end] {
	xlog("L_NOTICE", "event end of $dlg(callid)\\n");
}
"""


def config(**settings):
    values = {"dialog__" + name: value for name, value in settings.items()}
    return head("dialog", "jsonrpcs", **values) + SCRIPT


CONFIG = config(dlg_extra_hdrs='"X-Reason: time is up\\r\\n"', lreq_callee_headers='"X-Callee: yes\\r\\n"',
                bridge_controller='"sip:bridge@example.org"',
                bridge_contact='"sip:bridge@example.org:5070"')
ALLOWED = ["no keepalive is sent", "is none of unconfirmed, early"]
pytestmark = pytest.mark.viaduct_only("settings and functions that the peer of this version lacks")


@pytest.fixture
def pair(agent):
    return agent("alice"), agent("bob")


def publish(server, who, **headers):
    request = who.request("PUBLISH", server.uri("orders"),
                          headers=[("X-" + name.title(), value) for name, value in headers.items()])
    who.send(request, server.address)
    who.expect_reply(200, request)


# ---- BYE ----
def test_bye_has_the_operators_headers(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    found = shown(server, caller.call_id)
    server.rpc("dlg.end_dlg", found["h_entry"], found["h_id"], "X-More: one\r\n")
    for party in (alice, bob):
        bye = party.expect_request("BYE")
        assert (bye["X-Reason"], bye["X-More"]) == ("time is up", "one")
        assert bye.values("X-Callee") == (["yes"] if party is bob else [])
        party.reply(bye, 200)


def test_send_bye_is_for_all_dialogs(start_server, agent):
    server = start_server(config(send_bye=1, default_timeout=1))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob)
    for party in (alice, bob):
        party.reply(party.expect_request("BYE"), 200)
    server.wait_log("event end of " + caller.call_id)


def test_routes_of_other_proxies_are_followed(pair, server, agent):
    """The caller is behind a proxy, the callee behind another: BYE goes by them."""
    alice, bob = pair
    near, far = agent("near"), agent("far")
    near_route, far_route = "<sip:%s;lr>" % near.host_port, "<sip:%s;lr>" % far.host_port
    request = alice.invite(server.uri("plain"), headers=[
        ("X-Target", bob.host_port), ("Record-Route", near_route)])
    incoming = bob.expect_request("INVITE")
    # As if "far" had added itself before bob answered.
    incoming.headers = [("Record-Route", far_route)] + list(incoming.headers)
    bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    dialog = Dialog.from_client(alice, request, ok)
    dialog.routes = dialog.routes[1:]
    dialog.send("ACK", cseq=1)
    (bob if len(dialog.routes) == 1 else far).expect_request("ACK")
    found = shown(server, request.call_id)
    assert found["caller"]["route_set"] == near_route
    assert found["callee"]["route_set"] == far_route
    server.rpc("dlg.end_dlg", found["h_entry"], found["h_id"])
    for proxy, route, target in ((near, near_route, alice), (far, far_route, bob)):
        bye = proxy.expect_request("BYE")
        assert bye["Route"] == route and bye.start_line.split()[1].endswith(target.host_port)
        proxy.reply(bye, 200)


def test_a_party_that_moved_is_found(pair, server, agent):
    alice, bob = pair
    moved = agent("moved")
    caller, _callee = answered(server, alice, bob)
    again = caller.request("INVITE", body=alice.sdp())
    again.headers = [(name, "<sip:moved@%s>" % moved.host_port if name == "Contact" else value)
                     for name, value in again.headers]
    alice.send(again, caller.next_hop)
    bob.reply(bob.expect_request("INVITE"), 200, body=bob.sdp())
    alice.expect_reply(200, again)
    caller.ack()
    bob.expect_request("ACK")
    wait_for(lambda: shown(server, caller.call_id)["caller"]["contact"].endswith(moved.host_port),
             server.log)
    found = shown(server, caller.call_id)
    server.rpc("dlg.end_dlg", found["h_entry"], found["h_id"])
    for party in (moved, bob):
        party.reply(party.expect_request("BYE"), 200)


def test_the_early_answer_is_a_setting(start_server, agent):
    server = start_server(config(bye_early_code=486, bye_early_reason='"Not Now"'))
    end_while_it_rings(server, agent("alice", server=server), agent("bob", server=server), 486,
                       "Not Now")


@pytest.mark.parametrize("name, number, done", [
    ("early", 2, 1), ("Answered", 3, 1), ("confirmed", 4, 1), ("unconfirmed", 1, 1),
    ("busy", 4, -1), ("terminated", 5, 1)])
def test_a_script_sets_the_state(pair, server, name, number, done):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    wait_for(lambda: state(server, caller.call_id) == 4, server.log)
    inside(caller, alice, bob, "MESSAGE", headers=[("X-Order", "state"), ("X-Value", name)])
    server.wait_log("state %s set: %d" % (name, done))
    assert state(server, caller.call_id) == number
    inside(caller, alice, bob, "BYE")


# ---- keepalive ----
def test_keepalive_finds_that_a_party_has_gone(start_server, agent):
    server = start_server(config(ka_timer=1, ka_interval=1, ka_failed_limit=2))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob)
    first = bob.expect_request("OPTIONS")
    assert (first["From"], first["To"], first.cseq) == (caller.local, caller.remote, (1, "OPTIONS"))
    for status in (200, 481, 200, 481):
        bob.reply(first, status)
        first = bob.expect_request("OPTIONS")
    assert state(server, caller.call_id) == 4
    bob.reply(first, 481)
    server.wait_log("event end of " + caller.call_id)
    alice.expect_nothing()


# ---- other requests ----
def test_a_party_is_referred(pair, server):
    alice, bob = pair
    caller, callee = answered(server, alice, bob)
    request = caller.send("MESSAGE", headers=[("X-Order", "refer")])
    refer = alice.expect_request("REFER")
    assert refer["Refer-To"] == "<sip:carol@example.org>"
    assert (refer["From"], refer["To"]) == (callee.local, callee.remote)
    alice.reply(refer, 202)
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, request)
    publish(server, alice, order="refer", call=caller.call_id)
    assert alice.expect_request("REFER")["Refer-To"] == "<sip:dave@example.org>"
    inside(caller, alice, bob, "BYE", cseq=90)


def test_a_request_within_the_dialog(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    request = caller.send("MESSAGE", headers=[("X-Order", "info")])
    seen = {m.method: m for m in (bob.expect_request("INFO|MESSAGE") for _ in range(2))}
    info = seen["INFO"]
    assert (info["X-Hint"], info["Content-Type"], info.body) == ("yes", "text/plain", b"hello")
    for message in seen.values():
        bob.reply(message, 200)
    alice.expect_reply(200, request)
    inside(caller, alice, bob, "BYE", cseq=90)


def test_the_request_uri_is_the_contact(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    incoming = inside(caller, alice, bob, "MESSAGE", headers=[("X-Order", "ruri")])
    assert incoming.start_line == "MESSAGE sip:bob@%s SIP/2.0" % bob.host_port
    inside(caller, alice, bob, "BYE")


def test_dialogs_of_others_are_reached(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    publish(server, alice, order="variables", call=caller.call_id, ftag=caller.from_tag,
            ttag=caller.to_tag)
    server.wait_log("variable x of another: one")
    server.wait_log("the other is %s changed" % caller.call_id)
    inside(caller, alice, bob, "BYE")


# ---- bridge ----
@pytest.mark.parametrize("how", ["script", "operator"])
def test_a_bridge_calls_refers_and_leaves(pair, server, how):
    alice, bob = pair
    where = "sip:bob@" + bob.host_port
    if how == "script":
        publish(server, alice, order="bridge", **{"from": where})
    else:
        server.rpc("dlg.bridge_dlg", where, "sip:carol@example.org")
    incoming = bob.expect_request("INVITE")
    assert incoming["From"].startswith("<sip:bridge@example.org>;tag=")
    assert incoming["Contact"] == "<sip:bridge@example.org:5070>" and b"sendonly" in incoming.body
    bob.reply(incoming, 200, body=bob.sdp())
    assert bob.expect_request("ACK").cseq == (1, "ACK")
    refer = bob.expect_request("REFER")
    assert refer["Refer-To"] == "<sip:carol@example.org>" and refer.cseq[0] == 2
    assert refer.call_id == incoming.call_id and refer["From"] == incoming["From"]
    bob.reply(refer, 202)
    bye = bob.expect_request("BYE")
    assert bye.cseq[0] == 3 and bye["To"] == refer["To"]
    bob.reply(bye, 200)


def test_a_bridge_to_somebody_who_refuses_ends(pair, server):
    _alice, bob = pair
    server.rpc("dlg.bridge_dlg", "sip:bob@" + bob.host_port, "sip:carol@example.org", ".", "_")
    incoming = bob.expect_request("INVITE")
    assert incoming.body == b""
    bob.reply(incoming, 486)
    bob.expect_request("ACK")
    server.wait_log("bridge: .* does not answer: 486")


# ---- the rest ----
def test_all_dialogs_are_dumped(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    path = os.path.join(server.directory, "dialogs.json")
    server.rpc("dlg.dump_file", path)
    with open(path) as file:
        found = {dialog["call-id"]: dialog for dialog in json.load(file)}[caller.call_id]
    assert found["state"] == 4 and found["variables"] == {"x": "one"}
    assert found["callee"]["contact"] == "sip:bob@" + bob.host_port
    with pytest.raises(RpcError):
        server.rpc("dlg.dump_file", "/no/such/folder/file")
    inside(caller, alice, bob, "BYE")


def test_a_dialog_is_loaded_from_the_database(start_server, agent, tmp_path):
    tables = Sqlite(str(tmp_path), "dialog")
    text = config(db_mode=1, db_url='"%s"' % tables.url, db_skip_load=1).replace(
        'loadmodule "kex.so"', 'loadmodule "db_sqlite.so"\nloadmodule "kex.so"')
    first = start_server(text)
    alice, bob = agent("alice", server=first), agent("bob", server=first)
    caller, _callee = answered(first, alice, bob)
    wait_for(lambda: tables.sql("SELECT state FROM dialog") == [[4]], first.log)
    second = start_server(text)
    assert shown(second, caller.call_id) == {}
    carol = agent("carol", server=second)
    publish(second, carol, order="load", call=caller.call_id)
    second.wait_log("loaded: 1")
    assert state(second, caller.call_id) == 4
    publish(second, carol, order="load", call=caller.call_id)
    assert len(second.rpc("dlg.list")) == 1


@pytest.mark.parametrize("setting, words", [
    ('modparam("dialog", "enable_dmq", 1)', "needs the module dmq"),
    ('modparam("dialog", "hash_size", 1000)', "power of two"),
    ('modparam("dialog", "timeout_avp", "nothing")', "timeout_avp|variable"),
    ('modparam("dialog", "profiles_no_value", "a;a")', "defined before"),
    ('route[X] { dlg_bye(); }', "dlg_bye"), ('route[X] { xlog("$dlg(nothing)\\n"); }', "attribute"),
    ('route[X] { set_dlg_profile(); }', "set_dlg_profile"),
])
def test_what_cannot_be_is_an_error_at_start(start_server, setting, words):
    with pytest.raises(AssertionError, match=words):
        start_server(config() + setting + "\n")


def test_unknown_dialogs_are_no_trouble(pair, server):
    alice, bob = pair
    publish(server, alice, order="refer", call="nobody")
    request = invite(server, alice, bob)
    bob.reply(bob.expect_request("INVITE"), 404)
    alice.expect_reply(404, request)
