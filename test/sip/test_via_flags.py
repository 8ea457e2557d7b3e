# SPDX-License-Identifier: BSD-2-Clause
"""corex: flags in our Via, and who took shared memory."""
import pytest
from settings import START, head

pytestmark = pytest.mark.viaduct_only("newer than 5.6")

CONFIG = head("jsonrpcs", tm__fr_inv_timer=5000) + """
request_route {""" + START + """
	if (is_method("ACK|CANCEL")) { t_relay(); exit; }
	if ($rU == "look") {
		$var(r) = "";
		if (msg_vbflag_is_set("3")) $var(r) = $var(r) + "early ";
		if (msg_vbflag_parse()) $var(r) = $var(r) + "parsed ";
		if (msg_vbflag_is_set("3")) $var(r) = $var(r) + "3 ";
		if (msg_vbflag_is_set("31")) $var(r) = $var(r) + "31 ";
		sl_send_reply("200", "$var(r)");
		exit;
	}
	msg_vbflag_set("3");
	msg_vbflag_set("31");
	msg_vbflag_set("4");
	msg_vbflag_reset("4");
	$ru = "sip:bob@" + $hdr(X-Bob);
	if ($hdr(X-Way) == "stateless") { forward(); exit; }
	if ($hdr(X-Way) == "none") { msg_vbflag_reset("3"); msg_vbflag_reset("31"); }
	t_on_branch("MARK");
	t_on_reply("BACK");
	t_relay();
}
branch_route[MARK] { if ($hdr(X-Way) == "branch") msg_vbflag_set("0"); }
reply_route { route(LOOK); }
onreply_route[BACK] { route(LOOK); }
route[LOOK] {
	if (!msg_vbflag_parse()) return;
	append_hf("X-Flags: parsed\\r\\n");
	if (msg_vbflag_is_set("3") && msg_vbflag_is_set("31") && !msg_vbflag_is_set("4"))
		append_hf("X-Right: yes\\r\\n");
}
"""


def relay(alice, bob, way, method="MESSAGE"):
    request = alice.send(alice.request(method, "sip:x@example.com",
                                       headers=[("X-Bob", bob.host_port), ("X-Way", way)]))
    return request, bob.expect_request(method)


@pytest.mark.parametrize("way,parameter", [("stateful", "80000008"), ("stateless", "80000008"),
                                           ("branch", "80000009"), ("none", None)])
def test_flags_go_with_the_request_and_come_back(agent, way, parameter):
    alice, bob = agent("alice"), agent("bob")
    request, incoming = relay(alice, bob, way)
    assert incoming.via_params().get("vbf") == parameter
    bob.reply(incoming, 200)
    reply = alice.expect_reply(200, request)
    assert bool(reply.get("X-Flags")) == bool(reply.get("X-Right")) == (parameter is not None)


def test_cancel_and_ack_carry_the_flags(agent):
    alice, bob = agent("alice"), agent("bob")
    invite, incoming = relay(alice, bob, "stateful", "INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    alice.cancel(invite)
    got = bob.expect_request("CANCEL")
    assert got.via_params()["vbf"] == "80000008"
    bob.reply(got, 200)
    bob.reply(incoming, 487)
    assert bob.expect_request("ACK").via_params()["vbf"] == "80000008"


@pytest.mark.parametrize("parameter,reason", [
    (";vbf=80000008", "parsed 3 31"), (";vbf=8", "parsed 3"), ("", ""), (";vbf", ""), (";vbf=", ""),
    (";vbf=g", ""), (";vbf=123456789", ""), (";vbf=-8", "")])
def test_the_next_hop_reads_them(agent, parameter, reason):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:look@example.com")
    request.set("Via", request["Via"] + parameter)
    assert alice.expect_reply(200, alice.send(request)).reason.strip() == reason


def test_who_took_shared_memory(server):
    everybody = server.rpc("corex.shm.rprint")
    tm = server.rpc("corex.shm.rprint", "tm")
    assert everybody[-1]["module"] == "-" and everybody[-1]["bytes"] > 0
    assert tm and all("tm" in row["module"] + row["name"] for row in tm)
    assert {row["name"] for row in tm} < {row["name"] for row in everybody}
    assert all(row["bytes"] >= row["used"] >= 0 for row in tm)
    assert server.rpc("corex.shm.rprint", "nobody") in (None, [], "")
