# SPDX-License-Identifier: BSD-2-Clause
"""What a transaction still holds once it only absorbs repetitions."""
import pytest

# Without tmx: its $T_req wants the requests of answered INVITEs.
CONFIG = """#!KAMAILIO
debug=2
log_stderror=yes
auto_aliases=no
disable_tcp=yes
loadmodule "jsonrpcs.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "ctl.so"

request_route {
	if ($rU == "one") {
		$du = "sip:" + $hdr(X-One);
		t_relay();
		exit;
	}
	if ($rU == "many") {
		$var(i) = 1;
		$ru = $(hdr(X-All){s.select,0,,});
		while ($(hdr(X-All){s.select,$var(i),,}) != "") {
			append_branch("$(hdr(X-All){s.select,$var(i),,})");
			$var(i) = $var(i) + 1;
		}
		t_relay();
		exit;
	}
	sl_send_reply("200", "OK");
}
"""
TIMES, BODY = 20, b"x" * 8000


@pytest.fixture
def pair(agent):
    return agent("alice"), agent("one")


def used(server):
    return int(server.rpc("core.shmmem")["used"])


def ask(server, alice, one, method):
    return alice.send(alice.request(method, server.uri("one"), body=BODY,
                                    headers=[("X-One", one.host_port), ("Content-Type", "text/plain")]))


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_an_answered_request_is_forgotten(server, pair, method):
    alice, one = pair
    before, asked = used(server), []
    for _ in range(TIMES):
        asked.append(ask(server, alice, one, method))
        one.reply(one.expect_request(method), 200)
        alice.expect_reply(200, asked[-1])
    assert used(server) - before < TIMES * len(BODY) / 2
    # It still knows its call and answers repetitions.
    rows = [row for row in server.rpc("tm.list")
            if row["callid"].split()[-1] == asked[0].call_id]
    assert [row["method"] for row in rows] == [method]
    assert "alice" in rows[0]["from"]
    alice.send(asked[0])
    assert alice.expect_retransmission().status == 200


def test_a_request_without_answer_is_kept(server, pair):
    alice, one = pair
    before = used(server)
    ask(server, alice, one, "INVITE")
    one.reply(one.expect_request("INVITE"), 180)
    alice.expect_reply(180)
    assert used(server) - before > 2 * len(BODY)


def test_many_branches_have_room(server, agent):
    """More branches than fit into the transaction itself."""
    alice, callees = agent("alice"), [agent("callee") for _ in range(5)]
    uris = ",".join("sip:callee@" + callee.host_port for callee in callees)
    invite = alice.send(alice.request("INVITE", server.uri("many"), body=alice.sdp(),
                                      headers=[("X-All", uris)]))
    incoming = [callee.expect_request("INVITE") for callee in callees]
    for callee, request in zip(callees[1:], incoming[1:]):
        callee.reply(request, 486)
        callee.expect_request("ACK")
    callees[0].reply(incoming[0], 200, body=callees[0].sdp())
    alice.expect_reply(200, invite)
