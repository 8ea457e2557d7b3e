# SPDX-License-Identifier: BSD-2-Clause
"""The system refuses a datagram: there is no route, a filter forbids it, it is too long. Whoever wanted it
sent hears of it at once, not when a timer runs out (RFC 3261 16.9, 17.1.4)."""
import errno
import os

import pytest
from settings import START, head
from sipua import Agent
from sipua.dns import DnsServer
from sipua.message import text_address
from sipua.preload import helper
from tables import wait_for

pytestmark = pytest.mark.skipif("asan" in os.environ.get("VIADUCT_BUILD", ""), reason="preloads a library")
ALLOWED = ["sending .* failed|sendto|send failed|sending request on branch|t_forward_noack|could not be sent",
           "precreated request|rewrite by UAS"]

ROUTES = """
request_route {""" + START + """
	if (is_method("ACK")) exit;
	t_on_reply("HEARD");
	if ($rU == "reply") {
		if (!sl_send_reply("200", "OK")) $sht(seen=>reply) = "refused";
		exit;
	}
	if ($rU == "stateful") {
		t_newtran();
		if (t_reply("200", "OK")) $sht(seen=>stateful) = "sent";
		exit;
	}
	if ($rU == "forward") {
		$du = $hdr(X-First);
		if (!forward()) sl_send_reply("480", "Not forwarded");
		exit;
	}
	if ($rU == "copy") {
		$var(uri) = $hdr(X-First);
		if (!t_replicate("$var(uri)")) sl_send_reply("480", "No copy");
		exit;
	}
	if ($rU =~ "serial") $avp(next) = $hdr(X-Second);
	if ($rU =~ "route") t_on_failure("FAILED");
	if ($rU =~ "branch") t_on_branch_failure("FAILED");
	if ($rU =~ "fork") {
		$ru = $hdr(X-First);
		append_branch("$hdr(X-Second)");
	} else {
		$du = $hdr(X-First);
	}
	t_relay();
	$var(rc) = $rc;
	if ($hdr(X-Second) != $null && $rU == "again") {
		$du = $hdr(X-Second);
		t_relay();
	}
	if ($rU == "own" && $var(rc) == -1) t_reply("480", "Own answer");
}
onreply_route[HEARD] {
	append_hf("X-Heard: yes\\r\\n");
}
failure_route[FAILED] {
	$sht(seen=>route) = $T_reply_code;
	if ($avp(next) != $null) {
		$du = $null;
		$ru = $avp(next);
		$avp(next) = $null;
		t_relay();
		exit;
	}
	t_reply("480", "Route $T_reply_code");
}
event_route[tm:branch-failure:FAILED] {
	$sht(seen=>branch) = $T_reply_code;
}
"""
CONFIG = head("htable", "jsonrpcs", timers=True, tm__fr_timer=3000, htable__htable='"seen=>size=4"') + ROUTES


class Refusals:
    """Lets the system refuse what goes to these agents."""

    def __init__(self, path):
        self.path = str(path)
        self.are()

    def are(self, *agents, error=errno.ENETUNREACH):
        with open(self.path + ".new", "w") as out:
            out.writelines("%d %d\n" % (agent.address[1], error) for agent in agents)
        os.rename(self.path + ".new", self.path)


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    refusals = Refusals(tmp_path_factory.mktemp("refused") / "ports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", helper("refuse_send"))
        patch.setenv("REFUSED_PORTS", refusals.path)
        yield refusals


@pytest.fixture(scope="module")
def server(refusals, launch):
    return launch(CONFIG)


@pytest.fixture
def place(server, agent, refusals):
    """alice, a phone to which the system refuses to send, another one."""
    alice, gone, bob = agent("alice"), agent("gone"), agent("bob")
    refusals.are(gone)
    yield alice, gone, bob
    refusals.are()


def ask(server, alice, user, first, second=None, method="MESSAGE", **kwargs):
    places = [("X-First", first)] + ([("X-Second", second)] if second else [])
    return alice.send(alice.request(
        method, "sip:%s@%s" % (user, text_address(server.address)),
        headers=[(name, "sip:x@" + text_address(one.address)) for name, one in places], **kwargs))


def seen(server, name):
    """What the script noted; forgets it."""
    for item in server.rpc("htable.dump", "seen"):
        for slot in item["slot"]:
            if slot["name"] == name:
                server.rpc("htable.delete", "seen", name)
                return slot["value"]
    return None


@pytest.mark.parametrize("error", [errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENETUNREACH,
                                   errno.EHOSTUNREACH, errno.EMSGSIZE])
def test_caller_hears_477_at_once(server, place, refusals, error):
    alice, gone, _ = place
    refusals.are(gone, error=error)
    for method in ("MESSAGE", "INVITE"):
        reply = alice.expect_reply(477, ask(server, alice, "x", gone, method=method), timeout=2)
        assert reply.reason == "Unfortunately error on sending to next hop occurred (477/TM)"


def test_place_without_route_is_refused_by_the_system_itself(server, place, refusals):
    alice, gone, _ = place
    refusals.are()
    gone.address = ("203.0.113.9", 5060)    # not from a loopback address
    alice.expect_reply(477, ask(server, alice, "x", gone), timeout=2)


def test_script_sees_the_result_and_may_answer(server, place):
    alice, gone, _ = place
    assert alice.expect_reply(480, ask(server, alice, "own", gone), timeout=2).reason == "Own answer"


def test_script_may_go_elsewhere(server, place):
    alice, gone, bob = place
    message = ask(server, alice, "again", gone, bob)
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, message)


def test_failure_route_does_not_run_when_t_relay_says_it(server, place):
    alice, gone, _ = place
    alice.expect_reply(477, ask(server, alice, "route-branch", gone), timeout=2)
    assert seen(server, "route") is None and seen(server, "branch") is None


@pytest.mark.parametrize("first", [0, 1])
def test_refused_branch_does_not_count_beside_another(server, place, first):
    alice, gone, bob = place
    phones = (gone, bob) if first == 0 else (bob, gone)
    message = ask(server, alice, "fork", *phones)
    bob.reply(bob.expect_request("MESSAGE"), 486)
    alice.expect_reply(486, message, timeout=2)


def test_refused_leg_of_a_failure_route_decides(server, place):
    alice, gone, bob = place
    message = ask(server, alice, "serial-route", bob, gone)
    bob.reply(bob.expect_request("MESSAGE"), 404)
    alice.expect_reply(477, message, timeout=2)


def test_refused_repetition_is_a_503(server, place, refusals):
    alice, gone, _ = place
    for method in ("MESSAGE", "INVITE"):
        refusals.are()
        request = ask(server, alice, "x-branch", gone, method=method)
        gone.expect_request(method)
        refusals.are(gone)
        reply = alice.expect_reply(503, request, timeout=2)
        assert reply.reason == "Service Unavailable" and "X-Heard" not in reply
        assert seen(server, "branch") == 503


def test_failure_route_runs_for_a_refused_repetition(server, place, refusals):
    alice, gone, bob = place
    refusals.are()
    request = ask(server, alice, "serial-route", gone, bob)
    gone.expect_request("MESSAGE")
    refusals.are(gone)
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, request)
    assert seen(server, "route") == 503


def test_replies_and_copies_say_what_became_of_them(server, place, refusals):
    alice, gone, _ = place
    alice.expect_reply(480, ask(server, alice, "copy", gone), timeout=2)
    alice.expect_reply(480, ask(server, alice, "forward", gone), timeout=2)
    refusals.are(alice)
    for user, result in (("reply", "refused"), ("stateful", "sent")):
        ask(server, alice, user, gone)
        wait_for(lambda user=user, result=result: seen(server, user) == result, user + " was noted")


def test_local_request_ends_with_503(server, place):
    _, gone, _ = place
    answer = server.rpc("tm.t_uac_wait_block", "OPTIONS", "sip:x@" + text_address(gone.address), ".", ".",
                        "From: <sip:a@b.test>\r\nTo: <sip:a@b.test>\r\n")
    assert answer == {"code": 503, "text": "Service Unavailable"}


@pytest.mark.viaduct_only("the peer sends one by one")
def test_what_is_refused_in_the_middle_of_a_batch_is_heard_of(server, place, refusals):
    """In dense traffic a destination that has just worked is believed to go on working."""
    alice, gone, bob = place
    refusals.are()
    for round_ in range(3):
        message = ask(server, alice, "x", gone)
        gone.reply(gone.expect_request("MESSAGE"), 200)
        alice.expect_reply(200, message)
        refusals.are(gone)
        requests = [alice.request("MESSAGE", "sip:x@" + text_address(server.address),
                                  headers=[("X-First", "sip:x@" + text_address(gone.address))])
                    for _ in range(60)]
        for request in requests:
            alice.send(request)
        for request in requests:
            alice.expect_reply((477, 503), request, timeout=2)
        refusals.are()


@pytest.mark.viaduct_only("the peer logs each one")
def test_burst_is_one_line_in_the_log_and_counted(server, place, refusals):
    alice, gone, _ = place

    def count():
        return int(server.rpc("stats.get_statistics", "udp:refused_sends")[0].split("=")[1])
    before = count()
    for _ in range(20):
        alice.expect_reply(477, ask(server, alice, "x", gone), timeout=2)
    assert count() == before + 20
    lines = [line for line in server.log().splitlines() if ":%d failed" % gone.address[1] in line]
    assert 1 <= len(lines) <= 2    # each worker says it once


@pytest.mark.viaduct_only("the peer asks the DNS servers of the system only")
def test_next_address_is_tried_at_once(launch, refusals):
    gone, bob = Agent("gone"), Agent("bob")
    dns = DnsServer({("_sip._udp.one.test", "SRV"): [(0, 0, gone.address[1], "host.test"),
                                                     (1, 0, bob.address[1], "host.test")],
                     ("host.test", "A"): ["127.0.0.1"]})
    server = launch(head(timers=True, tm__fr_timer=3000) + 'dns_servers="%s"\nuse_dns_failover=yes\n' % dns.address + """
request_route {""" + START + """
	$ru = "sip:bob@one.test";
	if (!t_relay()) sl_reply_error();
}
""")
    alice = Agent("alice", server=server.address)
    refusals.are(gone)
    message = alice.send(alice.request("MESSAGE", "sip:x@one.test"))
    bob.reply(bob.expect_request("MESSAGE", timeout=2), 200)
    alice.expect_reply(200, message)
    refusals.are()
    message = alice.send(alice.request("MESSAGE", "sip:x@one.test"))    # the first repetition is refused
    gone.expect_request("MESSAGE")
    refusals.are(gone)
    bob.reply(bob.expect_request("MESSAGE", timeout=2), 200)
    alice.expect_reply(200, message)
    refusals.are()
    for one in (alice, gone, bob, dns):
        one.close()
