# SPDX-License-Identifier: BSD-2-Clause
"""A destination with several addresses: the next one is tried when one fails (RFC 3263 4.3), and what is
dead is passed over for a while."""
import pytest
from settings import START, head
from sipua import Agent
from sipua.dns import DnsServer

pytestmark = pytest.mark.viaduct_only("the peer asks the DNS servers of the system only")

ROUTES = """
request_route {""" + START + """
	if (is_method("ACK")) {
		t_relay();
		exit;
	}
	if (is_method("CANCEL")) {
		t_relay();
		exit;
	}
	if ($rU == "alone") t_set_disable_failover("1");
	t_on_branch("MARK");
	if ($rU == "failure") t_on_failure("FAILED");
	$ru = "sip:bob@one.test";
	if (!t_relay()) sl_reply_error();
}
branch_route[MARK] {
	append_hf("X-Mark: $T_branch_idx\\r\\n");
}
failure_route[FAILED] {
	t_reply("480", "All Of Them");
}
"""
FAILOVER = "use_dns_failover=yes\n"
BLOCKLIST = FAILOVER + "use_dst_blocklist=yes\n"


@pytest.fixture
def place(start_server, agent):
    """place(parameters, count) gives alice, the phones that one.test names in their order, and the server."""
    opened = []

    def start(parameters="", count=2, modparams=""):
        phones = [Agent("phone%d" % i) for i in range(count)]
        records = {("_sip._udp.one.test", "SRV"): [(i, 0, phone.address[1], "host.test")
                                                   for i, phone in enumerate(phones)],
                   ("host.test", "A"): ["127.0.0.1"]}
        dns = DnsServer(records)
        opened.extend(phones + [dns])
        server = start_server(head("jsonrpcs", timers=True) + 'workers=1\ndns_servers="%s"\n%s\n%s\n'
                              % (dns.address, parameters, modparams) + ROUTES)
        return agent("alice", server=server), phones, server
    yield start
    for one in opened:
        one.close()



def ask(alice, user="x", method="MESSAGE"):
    return alice.send(alice.request(method, "sip:%s@one.test" % user))


def test_silence_makes_the_next_address_be_tried(place):
    alice, (first, second), _ = place(FAILOVER)
    invite = ask(alice, method="INVITE")
    dead = first.expect_request("INVITE")
    incoming = second.expect_request("INVITE")
    assert incoming.branch != dead.branch and incoming["X-Mark"] == "0"
    assert incoming.uri == dead.uri and len(incoming.all("Via")) == len(dead.all("Via"))
    second.reply(incoming, 200)
    alice.expect_reply(200, invite)


def test_503_makes_the_next_address_be_tried(place):
    alice, (first, second, third), _ = place(FAILOVER, count=3)
    message = ask(alice)
    first.reply(first.expect_request("MESSAGE"), 503)
    second.reply(second.expect_request("MESSAGE"), 503)
    third.reply(third.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, message)


def test_refused_invite_is_acknowledged_before_the_next_address(place):
    alice, (first, second), _ = place(FAILOVER)
    invite = ask(alice, method="INVITE")
    refused = first.expect_request("INVITE")
    first.reply(refused, 503)
    assert first.expect_request("ACK").branch == refused.branch
    second.reply(second.expect_request("INVITE"), 200)
    alice.expect_reply(200, invite)


def test_the_last_failure_is_the_answer(place):
    alice, (first, second), _ = place(FAILOVER)
    message = ask(alice)
    first.reply(first.expect_request("MESSAGE"), 503)
    second.reply(second.expect_request("MESSAGE"), 404)
    alice.expect_reply(404, message)
    failed = ask(alice, "failure")
    first.reply(first.expect_request("MESSAGE"), 503)
    second.reply(second.expect_request("MESSAGE"), 503)
    assert alice.expect_reply(480, failed).reason == "All Of Them"


@pytest.mark.parametrize("parameters, user", [("", "x"), (FAILOVER, "alone")])
def test_without_failover_the_first_failure_is_the_answer(place, parameters, user):
    alice, (first, second), _ = place(parameters)
    message = ask(alice, user)
    first.reply(first.expect_request("MESSAGE"), 503)
    alice.expect_reply(500, message)
    second.expect_nothing()


def test_an_answer_is_no_reason_to_go_on(place):
    alice, (first, second), _ = place(FAILOVER)
    message = ask(alice)
    first.reply(first.expect_request("MESSAGE"), 486)
    alice.expect_reply(486, message)
    second.expect_nothing()


@pytest.mark.parametrize("status, goes_on", [(404, True), (586, True), (403, False)])
def test_further_codes_go_on(place, status, goes_on):
    alice, (first, second), _ = place(FAILOVER, modparams='modparam("tm", "failover_reply_codes",'
                                      ' "code=404;class=5")')
    message = ask(alice)
    first.reply(first.expect_request("MESSAGE"), status)
    if goes_on:
        second.reply(second.expect_request("MESSAGE"), 200)
    alice.expect_reply(200 if goes_on else status, message)


def test_cancelled_invite_is_not_tried_elsewhere(place):
    alice, (first, second), _ = place(FAILOVER)
    invite = ask(alice, method="INVITE")
    incoming = first.expect_request("INVITE")
    first.reply(incoming, 180)
    alice.expect_reply(180, invite)
    alice.cancel(invite)
    first.reply(first.expect_request("CANCEL"), 200)
    first.reply(incoming, 503)
    alice.expect_reply(500, invite)
    second.expect_nothing()


# ---- the blocklist -------------------------------------------------------------------------------


def test_silent_address_is_passed_over_afterwards(place):
    alice, (first, second), server = place(BLOCKLIST)
    invite = ask(alice, method="INVITE")
    first.expect_request("INVITE")
    second.reply(second.expect_request("INVITE"), 200)
    alice.expect_reply(200, invite)
    first.retransmissions.clear()
    entry, = server.rpc("dst_blocklist.view") if isinstance(server.rpc("dst_blocklist.view"), list) \
        else [server.rpc("dst_blocklist.view")]
    assert entry["port"] == first.address[1] and entry["protocol"] == "udp"
    message = ask(alice)
    second.reply(second.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, message)
    server.rpc("dst_blocklist.delete_all")
    message = ask(alice)
    first.reply(first.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, message)


def test_bye_ignores_the_blocklist(place):
    alice, (first, second), server = place(BLOCKLIST)
    server.rpc("dst_blocklist.add", "udp:127.0.0.1:%d" % first.address[1])
    bye = ask(alice, method="BYE")
    first.reply(first.expect_request("BYE"), 200)
    alice.expect_reply(200, bye)


def test_everything_blocked_is_refused(place):
    alice, (first, second), server = place(BLOCKLIST)
    for phone in (first, second):
        server.rpc("dst_blocklist.add", "udp:127.0.0.1:%d" % phone.address[1])
    assert server.rpc("dst_blocklist.mem_info")["entries"] == 2
    alice.expect_reply(473, ask(alice))


@pytest.mark.parametrize("header, is_blocked", [("30", True), ("0", False), (None, False)])
def test_retry_after_of_a_503_counts(place, header, is_blocked):
    alice, (first, second), server = place(BLOCKLIST, modparams='modparam("tm", "blst_503", 1)')
    message = ask(alice)
    first.reply(first.expect_request("MESSAGE"), 503, headers=[("Retry-After", header)] if header else [])
    second.reply(second.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, message)
    assert server.rpc("dst_blocklist.mem_info")["entries"] == (1 if is_blocked else 0)


def test_methods_that_count_are_configured(place):
    alice, (first, second), server = place(BLOCKLIST, modparams='modparam("tm", "blst_methods_add", 0)')
    invite = ask(alice, method="INVITE")
    first.expect_request("INVITE")
    second.reply(second.expect_request("INVITE"), 200)
    alice.expect_reply(200, invite)
    assert server.rpc("dst_blocklist.mem_info")["entries"] == 0
