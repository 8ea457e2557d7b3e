# SPDX-License-Identifier: BSD-2-Clause
"""tm's rarer settings: CANCEL end to end, replies that wait, addresses that are tried anew, branches of ACKs."""
import re

import pytest
from settings import START, head
from sipua import Agent
from sipua.dns import DnsServer
from test_tm_settings import LOCAL, call, expect_of, heard, relayed

# ---- the Via branch of a local ACK ----


@pytest.mark.viaduct_only("the parameter is newer than 5.6, which always takes that of the INVITE")
@pytest.mark.parametrize("mode", [0, 1, 2, None])
def test_a_local_ack_has_the_branch_that_is_wished(start_server, agent, mode):
    settings = {} if mode is None else {"tm__local_ack_branch_mode": mode}
    server = start_server(head(**settings) + LOCAL)
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    alice.send(alice.request("OPTIONS", "sip:x@example.com", headers=[("X-Bob", bob.host_port)]))
    invite = bob.expect_request("INVITE")
    bob.reply(invite, 200)
    ack = bob.expect_request("ACK").branch
    assert (ack == invite.branch) == (mode == 0)
    assert ack.startswith(invite.branch) == (mode in (0, 1))
    assert ack.startswith("z9hG4bK")


# ---- CANCEL end to end ----

def two_ways(start_server, agent, mode, **settings):
    alice, bob, server = relayed(start_server, agent, tm__e2e_cancel_hop_by_hop=mode, tm__fr_inv_timer=5000,
                                 **settings)
    invite = call(alice, bob)
    return alice, bob, invite, expect_of(bob, "INVITE", invite)


newer = pytest.mark.viaduct_only("the parameter is newer than 5.6")


@newer
def test_a_cancel_goes_end_to_end_when_wished(start_server, agent):
    alice, bob, invite, incoming = two_ways(start_server, agent, 0)
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite, headers=[("X-Note", "hello"), ("Reason", "SIP;cause=487")])
    got = bob.expect_request("CANCEL")
    assert got["X-Note"] == "hello" and got["Reason"] == "SIP;cause=487"
    assert got.branch == incoming.branch and got.uri == incoming.uri
    assert [v.split("branch=")[1] for v in got.all("Via")][1].split(";")[0] == cancel.branch
    assert len(got.via) == 2 and got.cseq == (1, "CANCEL")
    alice.expect_nothing(0.1)  # nothing is said before the callee has answered
    bob.reply(got, 200, "Heard by Bob")
    assert alice.expect_reply(200, cancel).reason == "Heard by Bob"
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)
    bob.expect_request("ACK")


@newer
def test_a_refused_cancel_is_refused_end_to_end(start_server, agent):
    alice, bob, invite, incoming = two_ways(start_server, agent, 0)
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite)
    bob.reply(bob.expect_request("CANCEL"), 481)
    alice.expect_reply(481, cancel)
    bob.reply(incoming, 200)
    alice.expect_reply(200, invite)


@newer
def test_a_cancel_end_to_end_is_repeated_and_absorbed(start_server, agent):
    alice, bob, invite, incoming = two_ways(start_server, agent, 0)
    bob.reply(incoming, 180)
    alice.expect_reply(180, invite)
    cancel = alice.cancel(invite)
    first = bob.expect_request("CANCEL")
    bob.expect_retransmission()
    bob.reply(first, 200)
    alice.expect_reply(200, cancel)
    alice.send(cancel)  # its caller did not hear the answer
    alice.expect_retransmission()
    bob.reply(incoming, 487)
    alice.expect_reply(487, invite)


@newer
def test_a_cancel_before_a_provisional_is_answered_here(start_server, agent):
    alice, bob, invite, incoming = two_ways(start_server, agent, 0)
    cancel = alice.cancel(invite)
    alice.expect_reply(200, cancel)
    bob.reply(incoming, 180)
    got = expect_of(bob, "CANCEL", invite)
    assert len(got.via) == 1 and got.branch == incoming.branch
    bob.reply(got, 200)
    bob.reply(incoming, 487)
    alice.expect_reply((180, 487), invite)


@newer
def test_all_branches_of_a_fork_hear_the_cancel(start_server, agent):
    server = start_server(head(tm__e2e_cancel_hop_by_hop=0) + """
request_route {""" + START + """
	if (is_method("ACK|CANCEL")) { t_relay(); exit; }
	$ru = "sip:bob@" + $hdr(X-Bob);
	append_branch("sip:carol@" + $hdr(X-Carol));
	t_relay();
}""")
    alice, bob, carol = (agent(n, server=server) for n in ("alice", "bob", "carol"))
    invite = alice.send(alice.request("INVITE", "sip:x@example.com", headers=[
        ("X-Bob", bob.host_port), ("X-Carol", carol.host_port)]))
    calls = bob.expect_request("INVITE"), carol.expect_request("INVITE")
    carol.reply(calls[1], 180)
    alice.expect_reply(180, invite)
    bob.reply(calls[0], 486)
    bob.expect_request("ACK")
    cancel = alice.cancel(invite)
    got = carol.expect_request("CANCEL")
    assert got.branch == calls[1].branch and len(got.via) == 2
    carol.reply(got, 200, "Heard by Carol")
    assert alice.expect_reply(200, cancel).reason == "Heard by Carol"
    carol.reply(calls[1], 487)
    alice.expect_reply((486, 487), invite)
    assert not heard(bob, lambda m: m.is_request and m.method == "CANCEL")


# ---- the next address ----

FAILOVER = """
request_route {""" + START + """
	if (is_method("ACK")) { t_relay(); exit; }
	t_on_branch("MARK");
	append_hf("X-Route: once\\r\\n");
	$ru = "sip:bob@one.test";
	if (!t_relay()) sl_reply_error();
}
branch_route[MARK] {
	append_hf("X-Mark: $T_branch_idx\\r\\n");
	t_on_reply("ANSWERED");
}
onreply_route[ANSWERED] { append_hf("X-Answered: $T_branch_idx\\r\\n"); }
"""


@pytest.mark.viaduct_only("the peer asks the DNS servers of the system only")
@pytest.mark.parametrize("mode", [0, 1])
def test_the_next_address_gets_a_new_request_when_wished(start_server, agent, mode):
    phones = [Agent("phone%d" % i) for i in range(3)]
    dns = DnsServer({("_sip._udp.one.test", "SRV"): [(i, 0, p.address[1], "host.test")
                                                     for i, p in enumerate(phones)],
                     ("host.test", "A"): ["127.0.0.1"]})
    server = start_server(head(timers=True, tm__reparse_on_dns_failover=mode) + 'workers=1\n'
                          'dns_servers="%s"\nuse_dns_failover=yes\n' % dns.address + FAILOVER)
    alice = agent("alice", server=server)
    request = alice.send(alice.request("MESSAGE", "sip:x@one.test"))
    branches = []
    for number, phone in enumerate(phones):
        got = phone.expect_request("MESSAGE")
        branches.append(got.branch)
        assert got.all("X-Mark") == [str(0 if mode else number)]
        assert got.all("X-Route") == ["once"] and got.uri == "sip:bob@one.test"
        phone.reply(got, 503 if number < 2 else 200)
    assert alice.expect_reply(200, request)["X-Answered"] == "2"
    assert len(set(branches)) == 3
    for one in phones + [dns]:
        one.close()


# ---- replies that wait ----

WAITING = """
request_route {""" + START + """
	if (is_method("ACK|CANCEL")) { t_relay(); exit; }
	if (is_method("OPTIONS")) {
		$var(index) = $(hdr(X-Index){s.int});
		$var(label) = $(hdr(X-Label){s.int});
		if (t_continue("$var(index)", "$var(label)", "GO"))
			sl_send_reply("200", "Continued");
		else
			sl_send_reply("404", "Nobody Waits");
		exit;
	}
	t_on_reply("LOOK");
	if ($rU == "guarded") t_on_failure("FAILED");
	$ru = "sip:bob@" + $hdr(X-Bob);
	if ($hdr(X-Carol) != $null) append_branch("sip:carol@" + $hdr(X-Carol));
	if (!t_relay()) sl_reply_error();
}
onreply_route[LOOK] {
	append_hf("X-Seen: $rs\\r\\n");
	if ($hdr(X-Wait) != $null) {
		setflag(5);
		$avp(mark) = "kept";
		if (t_suspend()) xlog("L_WARN", "waits as $T(id_index) $T(id_label)\\n");
	}
}
route[GO] {
	append_hf("X-Go: $rm $rs $T_reply_code $mf $avp(mark)\\r\\n");
	if ($hdr(X-Wait) == "drop") drop;
	if ($hdr(X-Wait) == "twice") {
		if (!isflagset(6)) { setflag(6); t_suspend(); xlog("L_WARN", "waits as $T(id_index) $T(id_label)\\n"); }
	}
}
failure_route[FAILED] { t_reply("480", "Guarded $T_reply_code"); }
"""


class Waiting:
    def __init__(self, start_server, agent, **settings):
        self.server = start_server(head(timers=True, **dict(dict(
            tm__fr_timer=5000, tm__fr_inv_timer=10000), **settings)) + WAITING)
        self.server.allow("waits as")
        self.alice, self.bob, self.carol = (agent(n, server=self.server) for n in ("alice", "bob", "carol"))
        self.waited = 0

    def ask(self, method, user="x", forks=False):
        carol = [("X-Carol", self.carol.host_port)] if forks else []
        request = self.alice.send(self.alice.request(method, "sip:%s@example.com" % user, headers=[
            ("X-Bob", self.bob.host_port)] + carol))
        return request, self.bob.expect_request(method)

    def wait(self, incoming, code, how="yes"):
        """Bob answers, and the answer waits; gives the transaction's ids."""
        self.waited += 1
        self.bob.reply(incoming, code, headers=[("X-Wait", how)])
        return self.ids()

    def ids(self):
        self.server.wait_log(r"(?s)(waits as \d+ \d+\n.*){%d}" % self.waited)
        return re.findall(r"waits as (\d+) (\d+)", self.server.log())[-1]

    def go_on(self, ids, status=200):
        self.alice.expect_reply(status, self.alice.send(self.alice.request(
            "OPTIONS", "sip:x@example.com", headers=[("X-Index", ids[0]), ("X-Label", ids[1])])))


@pytest.mark.parametrize("method,code", [("MESSAGE", 200), ("MESSAGE", 404), ("INVITE", 180), ("INVITE", 200),
                                         ("INVITE", 486)])
def test_a_suspended_reply_goes_on_later(start_server, agent, method, code):
    place = Waiting(start_server, agent)
    request, incoming = place.ask(method)
    ids = place.wait(incoming, code)
    assert not heard(place.alice, lambda m: m.status == code)
    place.go_on(ids)
    got = place.alice.expect_reply(code, request)
    assert got.all("X-Go") == ["%s %d %d 32 kept" % (method, code, code)]
    assert got.all("X-Seen") == [str(code)]
    if code == 180:
        place.bob.reply(incoming, 486)
        place.alice.expect_reply(486, request)


@pytest.mark.viaduct_only("the peer loses the reply of the other branch")
@pytest.mark.parametrize("mode", [0, 1])
def test_a_late_2xx_is_relayed_as_wished(start_server, agent, mode):
    place = Waiting(start_server, agent, tm__reply_relay_mode=mode)
    request, incoming = place.ask("INVITE", forks=True)
    other = place.carol.expect_request("INVITE")
    ids = place.wait(incoming, 200)
    place.carol.reply(other, 200, headers=[("X-Who", "carol")])
    assert place.alice.expect_reply(200, request)["X-Who"] == "carol"
    place.go_on(ids)
    if not mode:
        assert place.alice.expect_reply(200, request)["X-Wait"] == "yes"
    else:
        assert not heard(place.alice, lambda m: m.cseq[1] == "INVITE" and m.get("X-Wait"))


@pytest.mark.viaduct_only("the peer runs no failure_route after it")
def test_a_suspended_failure_runs_the_failure_route_later(start_server, agent):
    place = Waiting(start_server, agent)
    request, incoming = place.ask("INVITE", "guarded")
    ids = place.wait(incoming, 486)
    place.bob.expect_request("ACK")
    place.go_on(ids)
    assert place.alice.expect_reply(480, request).reason == "Guarded 486"


@pytest.mark.viaduct_only("repetitions are absorbed before the script")
def test_repetitions_of_a_suspended_reply_are_absorbed(start_server, agent):
    place = Waiting(start_server, agent)
    request, incoming = place.ask("INVITE")
    ids = place.wait(incoming, 200)
    place.bob.reply(incoming, 200, headers=[("X-Wait", "yes")])
    place.go_on(ids)
    place.alice.expect_reply(200, request)
    assert len(re.findall("waits as", place.server.log())) == 1
    place.go_on(ids, 404)


@pytest.mark.viaduct_only("ours only")
def test_a_final_reply_takes_the_place_of_a_suspended_provisional(start_server, agent):
    place = Waiting(start_server, agent)
    request, incoming = place.ask("INVITE")
    ids = place.wait(incoming, 180)
    place.bob.reply(incoming, 200)
    place.alice.expect_reply(200, request)
    place.go_on(ids, 404)


@pytest.mark.viaduct_only("ours only")
def test_a_suspended_reply_can_be_suspended_again_and_dropped(start_server, agent):
    place = Waiting(start_server, agent)
    request, incoming = place.ask("INVITE")
    ids = place.wait(incoming, 183, "twice")
    place.waited += 1
    place.go_on(ids)
    place.go_on(place.ids())
    assert place.alice.expect_reply(183, request)
    ids = place.wait(incoming, 180, "drop")
    place.go_on(ids)
    place.bob.reply(incoming, 486)
    place.alice.expect_reply(486, request)
    assert not heard(place.alice, lambda m: m.status == 180)


@pytest.mark.viaduct_only("ours only")
def test_a_reply_with_which_nobody_goes_on_is_a_time_out(start_server, agent):
    place = Waiting(start_server, agent, tm__fr_timer=400)
    request, incoming = place.ask("INVITE", "guarded")
    place.wait(incoming, 486)
    assert place.alice.expect_reply(480, request, timeout=5).reason == "Guarded 408"
