# SPDX-License-Identifier: BSD-2-Clause
"""Dialogs: states, the cookie, events, variables, profiles, time limits, and what ends a call."""
import os
import re
import signal
import time

import pytest
from settings import START, head
from sipua import Dialog
from sipua.load import Load
from sipua.server import RpcError
from tables import wait_for

SCRIPT = """
request_route {
""" + START + """
	if (is_method("CANCEL")) {
		t_relay();
		exit;
	}
	if (has_totag()) {
		loose_route();
		xlog("L_NOTICE", "inside $rm $ci state=$dlg(state) status=$DLG_status x=$dlg_var(x)\\n");
		if (is_method("MESSAGE")) route(ORDERS);
		t_relay();
		exit;
	}
	if (is_method("INVITE")) {
		if ($rU == "flag") setflag(4);
		if ($rU == "limited") {
			get_profile_size("caller", "$fU", "$var(size)");
			if ($var(size) >= 1) {
				sl_send_reply("486", "Too Many Calls");
				exit;
			}
		}
		$dlg_var(x) = "one";
		if ($rU == "short") {
			$avp(seconds) = 1;
			$dlg_ctx(timeout_route) = "OVER";
		}
		if ($rU == "bye") {
			$avp(seconds) = 1;
			$dlg_ctx(timeout_bye) = 1;
		}
		if ($rU != "flag" && $rU != "untracked") dlg_manage();
		if ($rU == "refused") {
			sl_send_reply("403", "No");
			exit;
		}
		set_dlg_profile("caller", "$fU");
		set_dlg_profile("inbound");
		dlg_setflag(5);
		$dlg_var(y) = "two";
		record_route();
	}
	$du = "sip:" + $hdr(X-Target);
	t_on_reply("REPLY");
	t_relay();
}

route[ORDERS] {
	switch ($hdr(X-Order)) {
	case "bye":
		dlg_bye("all");
		break;
	case "timeout":
		dlg_set_timeout("1");
		break;
	case "by-profile":
		dlg_set_timeout_by_profile("caller", "$hdr(X-Value)", "1");
		break;
	case "leave":
		unset_dlg_profile("inbound");
		break;
	}
}

route[OVER] {
	xlog("L_NOTICE", "timeout route of $dlg(callid)\\n");
}

onreply_route[REPLY] {
	$dlg_var(last) = $rs;
}

event_route[dialog:start] {
	xlog("L_NOTICE", "event start of $dlg(callid) x=$dlg_var(x) y=$dlg_var(y) $rs\\n");
}
event_route[dialog:end] {
	xlog("L_NOTICE", "event end of $dlg(callid) x=$dlg_var(x) last=$dlg_var(last) $rm\\n");
}
event_route[dialog:failed] {
	xlog("L_NOTICE", "event failed of $dlg(callid) x=$dlg_var(x) $rs\\n");
}
"""


def config(script=SCRIPT, **settings):
    values = dict(dialog__timeout_avp='"$avp(seconds)"', dialog__dlg_flag=4,
                  dialog__profiles_with_value='"caller ; callee"',
                  dialog__profiles_no_value='"inbound"')
    values.update(settings)
    return head("dialog", "jsonrpcs", "counters", **values) + script


CONFIG = config()
ALLOWED = [r"dlg timeout", "Couldnt find callid", "no Contact", "bogus ref"]


@pytest.fixture
def pair(agent):
    return agent("alice"), agent("bob")


def invite(server, alice, bob, user="plain", **kwargs):
    return alice.invite(server.uri(user), headers=[("X-Target", bob.host_port)], **kwargs)


def answered(server, alice, bob, user="plain"):
    """A call that was answered: both ends' dialogs."""
    request = invite(server, alice, bob, user)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    caller, callee = Dialog.from_client(alice, request, ok), Dialog.from_server(bob, incoming, answer)
    caller.to_tag = ok.to_tag
    caller.from_tag = request.from_tag
    caller.ack()
    bob.expect_request("ACK")
    return caller, callee


def inside(dialog, near, far, method, **kwargs):
    request = dialog.send(method, **kwargs)
    incoming = far.expect_request(method)
    far.reply(incoming, 200)
    near.expect_reply(200, request)
    return incoming


def shown(server, call_id):
    return server.rpc("dlg.dlg_list", call_id)


def state(server, call_id):
    return shown(server, call_id).get("state")


def statistics(server):
    pairs = [line.replace("dialog:", "").split(" = ")
             for line in server.rpc("stats.get_statistics", "dialog:")]
    return {name.strip(): int(value) for name, value in pairs}


# ---- states ----
def test_states_follow_the_call(pair, server):
    alice, bob = pair
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    assert state(server, request.call_id) == 1
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    wait_for(lambda: state(server, request.call_id) == 2, server.log)
    answer = bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    wait_for(lambda: state(server, request.call_id) == 3, server.log)
    dialog = Dialog.from_client(alice, request, ok)
    assert Dialog.from_server(bob, incoming, answer).call_id == dialog.call_id
    dialog.ack()
    bob.expect_request("ACK")
    wait_for(lambda: state(server, request.call_id) == 4, server.log)
    inside(dialog, alice, bob, "BYE")
    assert state(server, request.call_id) in (None, 5)
    for event in ("start", "end"):
        server.wait_log("event %s of %s x=one" % (event, re.escape(request.call_id)))


def test_the_record_has_what_the_messages_had(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    found = shown(server, caller.call_id)
    assert found["from_uri"] == "sip:alice@" + server.host_port
    assert found["to_uri"] == server.uri("plain")
    assert found["caller"] == {"tag": caller.from_tag, "contact": "sip:alice@" + alice.host_port,
                               "cseq": "1", "route_set": "", "socket": "udp:" + server.host_port}
    assert found["callee"] == {"tag": caller.to_tag, "contact": "sip:bob@" + bob.host_port,
                               "cseq": "0", "route_set": "", "socket": "udp:" + server.host_port}
    assert found["sflags"] == 32 and found["lifetime"] == 43200
    assert sorted(map(str, found["profiles"])) == ["inbound", "{'caller': 'alice'}"]
    variables = {key: value for pair in found["variables"] for key, value in pair.items()}
    assert variables == {"x": "one", "y": "two", "last": "200"}
    assert 0 <= found["timeout"] - found["start_ts"] - 43200 <= 2
    inside(caller, alice, bob, "BYE")


@pytest.mark.parametrize("end", ["caller", "callee"])
def test_either_party_ends_it(pair, server, end):
    alice, bob = pair
    caller, callee = answered(server, alice, bob)
    if end == "caller":
        inside(caller, alice, bob, "BYE")
    else:
        inside(callee, bob, alice, "BYE")
    server.wait_log("event end of %s x=one last=200 BYE" % re.escape(caller.call_id))
    server.wait_log("inside BYE %s state=5 status=5" % re.escape(caller.call_id))


def test_a_refused_call_fails(pair, server):
    alice, bob = pair
    before = statistics(server)
    request = invite(server, alice, bob)
    bob.reply(bob.expect_request("INVITE"), 486)
    alice.expect_reply(486, request)
    server.wait_log("event failed of %s x=one 486" % re.escape(request.call_id))
    after = statistics(server)
    assert after["failed_dialogs"] == before["failed_dialogs"] + 1
    assert after["processed_dialogs"] == before["processed_dialogs"] + 1


def test_a_cancelled_call_fails(pair, server):
    alice, bob = pair
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    cancel = alice.cancel(request)
    alice.expect_reply(200, cancel)
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 487)
    alice.expect_reply(487, request)
    server.wait_log("event failed of %s" % re.escape(request.call_id))


@pytest.mark.viaduct_only("the peer's variable goes to the dialog that is over")
def test_an_invite_that_comes_again_begins_anew(pair, server):
    """The callee's side wants credentials: Call-ID and tag of the second INVITE are the same."""
    alice, bob = pair
    first = invite(server, alice, bob)
    bob.reply(bob.expect_request("INVITE"), 407, headers=[
        ("Proxy-Authenticate", 'Digest realm="x", nonce="y"')])
    alice.expect_reply(407, first)
    bob.expect_request("ACK")
    server.wait_log("event failed of %s x=one 407" % re.escape(first.call_id))
    second = alice.request("INVITE", server.uri("plain"), from_=first["From"],
                           call_id=first.call_id, cseq=2, body=alice.sdp(),
                           headers=[("X-Target", bob.host_port)])
    alice.send(second, server.address)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 200, body=bob.sdp())
    dialog = Dialog.from_client(alice, second, alice.expect_reply(200, second))
    dialog.ack()
    bob.expect_request("ACK")
    found = [d for d in server.rpc("dlg.list") if d["call-id"] == first.call_id and d["state"] == 4]
    assert len(found) == 1 and {"x": "one"} in found[0]["variables"]
    assert sorted(map(str, found[0]["profiles"])) == ["inbound", "{'caller': 'alice'}"]
    inside(dialog, alice, bob, "BYE")
    server.wait_log("event end of %s x=one last=200 BYE" % re.escape(first.call_id))


def test_statistics_count_calls(pair, start_server, agent):
    server = start_server(config())
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    wait_for(lambda: statistics(server)["early_dialogs"] == 1, server.log)
    assert statistics(server)["active_dialogs"] == 0
    bob.reply(incoming, 200, body=bob.sdp())
    dialog = Dialog.from_client(alice, request, alice.expect_reply(200, request))
    dialog.ack()
    bob.expect_request("ACK")
    wait_for(lambda: server.rpc("dlg.stats_active")["ongoing"] == 1, server.log)
    assert statistics(server) == {"active_dialogs": 1, "early_dialogs": 0, "expired_dialogs": 0,
                                  "failed_dialogs": 0, "processed_dialogs": 1}
    inside(dialog, alice, bob, "BYE")
    assert statistics(server)["active_dialogs"] == 0
    assert server.rpc("dlg.stats_active")["all"] == 0


def test_a_stateless_refusal_leaves_no_dialog(pair, server):
    alice, bob = pair
    request = invite(server, alice, bob, "refused")
    alice.expect_reply(403, request)
    wait_for(lambda: state(server, request.call_id) in (None, 5), server.log)


# ---- finding ----
def test_the_cookie_is_in_record_route(pair, server):
    alice, bob = pair
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    found = shown(server, request.call_id)
    cookie = re.search(r";did=([0-9a-f]+)\.([0-9a-f]+)", incoming["Record-Route"]).groups()
    assert [int(part[::-1], 16) for part in cookie] == [found["h_entry"], found["h_id"]]
    bob.reply(incoming, 486)
    alice.expect_reply(486, request)


def test_the_flag_makes_a_dialog(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob, "flag")
    assert state(server, caller.call_id) == 4
    inside(caller, alice, bob, "BYE")
    server.wait_log("event end of %s x=one" % re.escape(caller.call_id))


def test_untracked_calls_stay_so(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob, "untracked")
    assert shown(server, caller.call_id) == {}
    inside(caller, alice, bob, "BYE")


@pytest.mark.parametrize("mode, has_cookie, is_found", [
    (0, True, True), (0, False, False), (1, False, True), (2, False, True)])
def test_match_modes(start_server, agent, mode, has_cookie, is_found):
    server = start_server(config(dialog__dlg_match_mode=mode))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob)
    if mode == 2:
        assert "did=" not in caller.routes[0]
    elif not has_cookie:
        caller.routes[0] = re.sub(r";did=[0-9a-f.]+", "", caller.routes[0])
    inside(caller, alice, bob, "BYE")
    assert state(server, caller.call_id) in ((None, 5) if is_found else (4,))


@pytest.mark.viaduct_only("a foreign cookie is looked up by its tags in the peer's way")
def test_a_forged_cookie_finds_nothing(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    other, _ = answered(server, alice, bob)
    forged = Dialog(alice, caller.local, caller.remote, caller.call_id, caller.target,
                    list(other.routes), caller.cseq)
    inside(forged, alice, bob, "INFO")
    assert state(server, caller.call_id) == 4 and state(server, other.call_id) == 4
    inside(forged, alice, bob, "BYE")
    assert state(server, caller.call_id) == 4
    for dialog in (caller, other):
        inside(dialog, alice, bob, "BYE", cseq=90)


SPIRAL = """
request_route {
""" + START + """
	if (has_totag()) {
		loose_route();
		t_relay();
		exit;
	}
	if (is_method("INVITE")) {
		dlg_manage();
		record_route();
	}
	if ($rU == "again") {
		$rU = "plain";
		$du = "sip:" + $Ri + ":" + $Rp;
	} else {
		$du = "sip:" + $hdr(X-Target);
	}
	t_relay();
}
"""


@pytest.mark.parametrize("detects, count", [(1, 1), (0, 2)])
def test_spirals(start_server, agent, detects, count):
    server = start_server(config(SPIRAL, dialog__detect_spirals=detects))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob, "again")
    wait_for(lambda: [d["state"] for d in server.rpc("dlg.list")] == [4] * count, server.log)
    inside(caller, alice, bob, "BYE")
    wait_for(lambda: all(d["state"] == 5 for d in server.rpc("dlg.list")), server.log)


# ---- time ----
def test_the_time_limit_ends_it(pair, server):
    alice, bob = pair
    before = statistics(server)["expired_dialogs"]
    caller, _callee = answered(server, alice, bob, "short")
    server.wait_log("event end of %s x=one" % re.escape(caller.call_id))
    assert statistics(server)["expired_dialogs"] == before + 1
    bob.expect_nothing()


@pytest.mark.viaduct_only("the peer runs it only by index")
def test_the_timeout_route_runs(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob, "short")
    server.wait_log("timeout route of %s" % re.escape(caller.call_id))


def test_the_time_limit_sends_bye(pair, server):
    alice, bob = pair
    caller, callee = answered(server, alice, bob, "bye")
    to_bob, to_alice = bob.expect_request("BYE"), alice.expect_request("BYE")
    assert (to_bob["From"], to_bob["To"]) == (caller.local, caller.remote)
    assert to_bob.cseq[0] == 2 and to_bob.call_id == caller.call_id
    assert (to_alice["From"], to_alice["To"]) == (callee.local, callee.remote)
    bob.reply(to_bob, 200)
    alice.reply(to_alice, 200)
    server.wait_log("event end of %s" % re.escape(caller.call_id))


def test_the_script_sets_the_time(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    inside(caller, alice, bob, "MESSAGE", headers=[("X-Order", "timeout")])
    assert shown(server, caller.call_id)["lifetime"] == 1
    server.wait_log("event end of %s" % re.escape(caller.call_id))


@pytest.mark.viaduct_only("the peer looks at these times every 90 s")
def test_unanswered_dialogs_are_dropped(start_server, agent):
    server = start_server(config(dialog__early_timeout=1))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    wait_for(lambda: state(server, request.call_id) in (None, 5), server.log)
    assert statistics(server)["early_dialogs"] == 0
    bob.reply(incoming, 200, body=bob.sdp())
    ok = alice.expect_reply(200, request)
    Dialog.from_client(alice, request, ok).ack()
    assert statistics(server)["active_dialogs"] == 0


@pytest.mark.viaduct_only("the peer looks at these times every 90 s")
def test_a_call_without_ack_has_ten_seconds_left(start_server, agent):
    server = start_server(config(dialog__noack_timeout=1))
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    request = invite(server, alice, bob)
    bob.reply(bob.expect_request("INVITE"), 200, body=bob.sdp())
    alice.expect_reply(200, request)

    def life():
        found = shown(server, request.call_id)
        return found["timeout"] - found["start_ts"]
    assert shown(server, request.call_id)["lifetime"] == 43200
    wait_for(lambda: 8 < life() < 100, server.log)


# ---- ending ----
def test_the_script_ends_a_call(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    request = caller.send("MESSAGE", headers=[("X-Order", "bye")])
    seen = [bob.expect_request("BYE|MESSAGE") for _ in range(2)]
    assert {message.method for message in seen} == {"BYE", "MESSAGE"}
    for message in seen:
        bob.reply(message, 200)
    alice.reply(alice.expect_request("BYE"), 200)
    alice.expect_reply(200, request)
    server.wait_log("event end of %s" % re.escape(caller.call_id))


@pytest.mark.parametrize("command", ["dlg.terminate_dlg", "dlg.end_dlg"])
def test_an_operator_ends_a_call(pair, server, command):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)
    found = shown(server, caller.call_id)
    ids = ((caller.call_id, caller.from_tag, caller.to_tag) if command == "dlg.terminate_dlg" else
           (found["h_entry"], found["h_id"]))
    server.rpc(command, *ids)
    for party in (alice, bob):
        party.reply(party.expect_request("BYE"), 200)
    server.wait_log("event end of %s" % re.escape(caller.call_id))
    wait_for(lambda: state(server, caller.call_id) in (None, 5), server.log)


def end_while_it_rings(server, alice, bob, code, reason="Temporarily Unavailable"):
    """An operator ends the call that alice has begun; she gets `code`. Returns the INVITE."""
    request = invite(server, alice, bob)
    incoming = bob.expect_request("INVITE")
    bob.reply(incoming, 180)
    alice.expect_reply(180, request)
    found = shown(server, request.call_id)
    server.rpc("dlg.end_dlg", found["h_entry"], found["h_id"])
    assert alice.expect_reply(code, request).reason == reason
    bob.reply(bob.expect_request("CANCEL"), 200)
    bob.reply(incoming, 487)
    bob.expect_request("ACK")
    return request


@pytest.mark.viaduct_only("the peer waits for the final reply")
def test_an_operator_ends_a_call_that_rings(pair, server):
    request = end_while_it_rings(server, *pair, 480)
    server.wait_log("event failed of %s" % re.escape(request.call_id))


@pytest.mark.parametrize("command, arguments, code", [
    ("dlg.terminate_dlg", ("a", "b", "c"), 500), ("dlg.end_dlg", (1, 2), 404),
    ("dlg.end_dlg", (), 500), ("dlg.is_alive", ("a", "b", "c"), 404),
    ("dlg.profile_get_size", ("nobody",), 404), ("dlg.list_match", ("bad", "eq", "1"), 500),
    ("dlg.list_match", ("furi", "zz", "1"), 500), ("dlg.set_state", ("a", "b", "c", 5), 500)])
def test_commands_say_what_is_wrong(server, command, arguments, code):
    server.allow(".*dialog.*")
    with pytest.raises(RpcError) as error:
        server.rpc(command, *arguments)
    assert error.value.args[0]["code"] == code


def test_dialogs_are_listed_by_what_they_are(pair, server):
    alice, bob = pair
    caller, _callee = answered(server, alice, bob)

    def found(*match):
        return [d["call-id"] for d in server.rpc("dlg.list_match", *match)]
    assert found("callid", "eq", caller.call_id) == [caller.call_id]
    assert caller.call_id in found("furi", "sw", "sip:alice@")
    assert caller.call_id in found("turi", "re", "^sip:.*@127")
    assert caller.call_id in found("start_ts", "gt", "5")
    assert caller.call_id not in found("start_ts", "lt", "5")
    assert len(found("furi", "sw", "sip:", 1)) == 1
    brief = [d for d in server.rpc("dlg.briefing", "fs") if d["from_uri"].startswith("sip:alice")]
    assert set(brief[0]) == {"h_entry", "h_id", "from_uri", "state"}
    assert server.rpc("dlg.is_alive", caller.call_id, caller.from_tag, caller.to_tag) == "Alive"
    inside(caller, alice, bob, "BYE")


# ---- profiles ----
def test_profiles_count_calls(start_server, agent, program):
    server = start_server(config())
    alice, carol, bob = (agent(name, server=server) for name in ("alice", "carol", "bob"))
    calls = [answered(server, who, bob)[0] for who in (alice, alice, carol)]
    size = lambda *profile: server.rpc("dlg.profile_get_size", *profile)  # noqa: E731
    assert (size("inbound"), size("caller"), size("caller", "alice"), size("caller", "carol"),
            size("caller", "dave"), size("callee")) == (3, 3, 2, 1, 0, 0)
    assert sorted(d["call-id"] for d in server.rpc("dlg.profile_list", "caller", "alice")) == \
        sorted(call.call_id for call in calls[:2])
    if program == "viaduct":  # the peer does not let requests leave
        inside(calls[2], carol, bob, "MESSAGE", headers=[("X-Order", "leave")])
        assert size("inbound") == 2
    refused = invite(server, alice, bob, "limited")
    alice.expect_reply(486, refused)
    for who, call in zip((alice, alice, carol), calls):
        inside(call, who, bob, "BYE")
    wait_for(lambda: (size("inbound"), size("caller"), size("caller", "alice")) == (0, 0, 0),
             server.log)
    inside(answered(server, alice, bob, "limited")[0], alice, bob, "BYE")


def test_the_time_of_a_profile_is_set(start_server, agent):
    server = start_server(config())
    alice, carol, bob = (agent(name, server=server) for name in ("alice", "carol", "bob"))
    hers, his = answered(server, carol, bob)[0], answered(server, alice, bob)[0]
    inside(his, alice, bob, "MESSAGE", headers=[("X-Order", "by-profile"), ("X-Value", "carol")])
    server.wait_log("event end of %s" % re.escape(hers.call_id))
    assert state(server, his.call_id) == 4


# ---- death ----
@pytest.mark.viaduct_only("the peer ends when a worker dies")
def test_dialogs_survive_their_workers(start_server, agent):
    server = start_server(config(children=2))
    server.allow("worker", "died", "killed", "signal")
    alice, bob = agent("alice", server=server), agent("bob", server=server)
    caller, _callee = answered(server, alice, bob)
    workers = [int(p["PID"]) for p in server.rpc("core.psx")
               if "receiver" in p["DSC"] or "worker" in p["DSC"]]
    assert len(workers) == 2
    for pid in workers:
        os.kill(pid, signal.SIGKILL)

    def are_replaced():
        now = [int(p["PID"]) for p in server.rpc("core.psx")
               if "receiver" in p["DSC"] or "worker" in p["DSC"]]
        return len(now) == 2 and not set(now) & set(workers)
    wait_for(are_replaced, server.log)
    assert state(server, caller.call_id) == 4
    inside(caller, alice, bob, "BYE")
    server.wait_log("event end of %s x=one last=200 BYE" % re.escape(caller.call_id))
    wait_for(lambda: server.rpc("dlg.profile_get_size", "caller") == 0, server.log)


@pytest.mark.viaduct_only("the peer ends when a worker dies")
def test_every_call_ends_although_workers_are_killed(start_server):
    text = config(acc__cdr_enable=1).replace("$hdr(X-Target)", "$rd + \":\" + $rp")
    server = start_server(text.replace('modparam("dialog"', 'loadmodule "acc.so"\nmodparam("dialog"', 1))
    server.allow("worker", "killed")
    load = Load(server, "call", calls=2000, window=16)      # repeats what it sends after half a second
    killed = 0
    while load.is_running():
        workers = [int(p["PID"]) for p in server.rpc("core.psx") if "worker" in p["DSC"]]
        if killed < 5 and workers:
            os.kill(workers[killed % len(workers)], signal.SIGKILL)
            killed += 1
        time.sleep(0.1)
    figures = load.result()
    assert killed and (figures["done"], figures["lost"], figures["wrong"]) == (2000, 0, 0)
    wait_for(lambda: server.rpc("dlg.stats_active")["all"] == 0, server.log)
    wait_for(lambda: server.rpc("dlg.profile_get_size", "inbound") == 0, server.log)
    # The record that a worker was about to write when it died comes from another.
    wait_for(lambda: len(re.findall("start_time=.* end_time=", server.log())) > 1990,
             lambda: str(len(re.findall("start_time=", server.log()))), 5)


@pytest.mark.viaduct_only("memory of ours")
def test_answered_calls_take_little_memory(start_server):
    """Their transactions forget the request although dialogs watch them."""
    text = config().replace("$hdr(X-Target)", "$rd + \":\" + $rp")
    server = start_server(text.replace('loadmodule "tmx.so"\n', ""))
    figures = Load(server, "call", calls=200, window=16).result()
    assert (figures["done"], figures["wrong"]) == (200, 0)
    used = {row["name"]: row for row in server.rpc("corex.shm.report")}
    assert used["tm"]["live"] >= 200 and used["dialog"]["live"] >= 200
    assert used["tm"]["region_bytes"] / used["tm"]["live"] < 1500
    assert used["dialog"]["region_bytes"] / used["dialog"]["live"] < 2500
