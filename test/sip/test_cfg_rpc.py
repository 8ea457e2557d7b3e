# SPDX-License-Identifier: BSD-2-Clause
"""Module cfg_rpc: settings that change while the server runs, in all processes."""
import time

import pytest
from settings import START
from sipua.server import RpcError

CONFIG = """#!KAMAILIO
debug=1
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
tick.limit = 5 desc "how often"
tick.word = "abc" desc "what to say"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "textopsx.so"
loadmodule "xlog.so"
loadmodule "corex.so"
loadmodule "cfg_rpc.so"
loadmodule "ctl.so"
loadmodule "jsonrpcs.so"
modparam("maxfwd", "max_limit", 70)

request_route {
""" + START + """
	if ($hdr(X-Case) == "custom") {
		append_to_reply("X-Result: $sel(cfg_get.tick.limit) $sel(cfg_get.tick.word)\\r\\n");
		sl_send_reply("200", "Done");
		exit;
	}
	if (!mf_process_maxfwd_header("10")) {
		sl_send_reply("483", "Too Many Hops");
		exit;
	}
	append_to_reply("X-Result: $hdr(Max-Forwards)\\r\\n");
	msg_apply_changes();
	sl_send_reply("200", "$hdr(Max-Forwards)");
}
"""

ALLOWED = ["cfg_ctx.c"]


def fault(server, *call):
    with pytest.raises(RpcError) as caught:
        server.rpc(*call)
    return caught.value.args[0]


def ask(agent, case, max_forwards=70):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:x@" + alice.domain, max_forwards=max_forwards)
    request.headers[-1:-1] = [["X-Case", case]]
    alice.send(request)
    return alice.expect_reply(200, request)


def ask_until(agent, wanted, answer):
    """Other processes take a change over in their next turn."""
    deadline = time.monotonic() + 8
    while True:
        got = answer()
        if got == wanted:
            return
        assert time.monotonic() < deadline, "%r, wanted %r" % (got, wanted)


@pytest.fixture(autouse=True)
def as_configured(server):
    yield
    server.rpc("cfg.rollback")
    server.rpc("cfg.sets", "tick", "word", "abc")
    for group, name, value in ("tick", "limit", 5), ("maxfwd", "max_limit", 70), ("core", "debug", 1):
        server.rpc("cfg.seti", group, name, value)


def test_what_can_change_is_listed(server):
    assert server.rpc("cfg.list", "tick") == ["tick: limit", "tick: word"]
    assert server.rpc("cfg.list", "maxfwd") in (["maxfwd: max_limit"], "maxfwd: max_limit")
    everything = server.rpc("cfg.list")
    assert "core: debug" in everything and "tick: word" in everything


def test_values_and_groups_are_shown(server):
    assert server.rpc("cfg.get", "tick") == {"limit": 5, "word": "abc"}
    assert server.rpc("cfg.get", "tick", "limit") == 5
    assert server.rpc("cfg.get", "tick", "word") == "abc"
    assert server.rpc("cfg.get", "maxfwd", "max_limit") == 70
    assert server.rpc("cfg.get", "nosuch") == {}
    error = fault(server, "cfg.get", "tick", "nosuch")
    assert error["message"].startswith("Failed to get the variable")


def test_help_tells_kind(server):
    """The peer's JSON has the last of the two texts only."""
    assert "(parameter type is integer)" in server.rpc("cfg.help", "tick", "limit")
    assert "(parameter type is string)" in server.rpc("cfg.help", "tick", "word")
    assert "how often" in server.rpc("cfg.help", "tick", "limit") or server.program == "kamailio"


def test_custom_parameters_change_in_all_processes(server, agent):
    assert ask(agent, "custom")["X-Result"] == "5 abc"
    server.rpc("cfg.seti", "tick", "limit", 9)
    server.rpc("cfg.sets", "tick", "word", "new")
    for _ in range(8):
        ask_until(agent, "9 new", lambda: ask(agent, "custom")["X-Result"])
    server.rpc("cfg.set_now_int", "tick", "limit", 12)
    server.rpc("cfg.set_now_string", "tick", "word", "newer")
    assert server.rpc("cfg.get", "tick") == {"limit": 12, "word": "newer"}


@pytest.mark.viaduct_only("the peer takes texts in JSON for numbers")
def test_values_take_the_kind_of_the_setting(server):
    server.rpc("cfg.set", "tick", "limit", "13")
    server.rpc("cfg.set", "tick", "word", 14)
    assert server.rpc("cfg.get", "tick") == {"limit": 13, "word": "14"}
    fault(server, "cfg.seti", "tick", "limit", "abc")
    fault(server, "cfg.sets", "tick", "word", "x" * 300)
    fault(server, "cfg.seti", "tick")
    assert server.rpc("cfg.get", "tick") == {"limit": 13, "word": "14"}


def test_module_settings_change_in_all_processes(server, agent):
    server.rpc("cfg.set_now_int", "maxfwd", "max_limit", 20)
    for _ in range(8):
        ask_until(agent, "20", lambda: ask(agent, "-").reason)
    assert server.rpc("cfg.get", "maxfwd") == {"max_limit": 20}


def test_values_out_of_range_are_refused(server):
    assert fault(server, "cfg.set_now_int", "maxfwd", "max_limit", 1000)["message"].startswith(
        "Failed to set the variable")
    assert fault(server, "cfg.set_now_int", "tick", "nosuch", 1)["message"].startswith(
        "Failed to set the variable")
    assert server.rpc("cfg.get", "maxfwd", "max_limit") == 70
    assert server.rpc("cfg.get", "tick", "limit") == 5


def test_changes_wait_for_commit(server):
    server.rpc("cfg.set_delayed_int", "tick", "limit", 11)
    server.rpc("cfg.set_delayed_string", "tick", "word", "later")
    server.rpc("cfg.set_delayed_int", "maxfwd", "max_limit", 33)
    assert server.rpc("cfg.get", "tick") == {"limit": 5, "word": "abc"}
    waiting = [
        {"group name": "tick", "variable name": "limit", "old value": 5, "new value": 11},
        {"group name": "tick", "variable name": "word", "old value": "abc", "new value": "later"},
        {"group name": "maxfwd", "variable name": "max_limit", "old value": 70, "new value": 33}]
    # The peer's JSON has the last of several structures only.
    assert server.rpc("cfg.diff") == (waiting if server.program == "viaduct" else waiting[-1])
    server.rpc("cfg.commit")
    assert server.rpc("cfg.get", "tick") == {"limit": 11, "word": "later"}
    assert server.rpc("cfg.get", "maxfwd", "max_limit") == 33
    fault(server, "cfg.set_delayed_int", "maxfwd", "max_limit", 999)


def test_rollback_forgets_what_waits(server):
    server.rpc("cfg.set_delayed_int", "tick", "limit", 12)
    server.rpc("cfg.rollback")
    server.rpc("cfg.commit")
    assert server.rpc("cfg.get", "tick", "limit") == 5


@pytest.mark.viaduct_only("the peer dies of it when the group is a custom one")
def test_reset_goes_back_to_the_file(server):
    server.rpc("cfg.seti", "tick", "limit", 9)
    server.rpc("cfg.sets", "tick", "word", "new")
    server.rpc("cfg.reset", "tick")
    assert server.rpc("cfg.get", "tick") == {"limit": 5, "word": "abc"}
    server.rpc("cfg.seti", "maxfwd", "max_limit", 9)
    server.rpc("cfg.reset", "maxfwd")
    assert server.rpc("cfg.get", "maxfwd", "max_limit") == 70
    server.rpc("cfg.reset", "nosuch")


def test_instances_have_values_of_their_own(server):
    server.rpc("cfg.add_group_inst", "tick[1]")
    assert server.rpc("cfg.get", "tick[1]") == {"limit": 5, "word": "abc"}
    server.rpc("cfg.seti", "tick[1]", "limit", 44)
    assert server.rpc("cfg.get", "tick[1]") == {"limit": 44, "word": "abc"}
    assert server.rpc("cfg.get", "tick") == {"limit": 5, "word": "abc"}
    server.rpc("cfg.seti", "tick", "limit", 2)
    assert server.rpc("cfg.get", "tick[1]", "limit") == 44
    server.rpc("cfg.del", "tick[1]", "limit")
    assert server.rpc("cfg.get", "tick[1]", "limit") == 2
    server.rpc("cfg.del_group_inst", "tick[1]")
    for call in (("cfg.get", "tick[1]"), ("cfg.del_group_inst", "tick[1]"), ("cfg.seti", "tick[1]", "limit", 1),
                 ("cfg.add_group_inst", "tick"), ("cfg.add_group_inst", "nosuch[1]"), ("cfg.del", "tick", "limit"),
                 ("cfg.seti", "tick[x]", "limit", 3)):
        fault(server, *call)


@pytest.mark.viaduct_only("the peer has no message for a group that lacks the instance")
def test_staged_changes_of_instances(server):
    server.rpc("cfg.add_group_inst", "tick[7]")
    server.rpc("cfg.set_delayed_int", "tick[7]", "limit", 70)
    assert server.rpc("cfg.diff")[0]["group name"] == "tick[7]"
    server.rpc("cfg.commit")
    assert server.rpc("cfg.get", "tick[7]", "limit") == 70
    server.rpc("cfg.del_delayed", "tick[7]", "limit")
    server.rpc("cfg.commit")
    assert server.rpc("cfg.get", "tick[7]", "limit") == 5
    server.rpc("cfg.del_group_inst", "tick[7]")


@pytest.mark.viaduct_only("the peer's list of processes differs")
def test_debug_is_the_log_level_of_all(server):
    server.rpc("cfg.seti", "core", "debug", 2)
    assert server.rpc("corex.debug") == {"debug": 2}
    server.rpc("corex.debug", 1)
    assert server.rpc("cfg.get", "core", "debug") == 1


@pytest.mark.viaduct_only("sends a signal to a worker")
def test_successors_know_what_changed(start_server, agent):
    import os
    import signal
    server = start_server(CONFIG)
    server.allow(".*")
    server.rpc("cfg.seti", "maxfwd", "max_limit", 20)
    server.rpc("cfg.sets", "tick", "word", "kept")
    workers = [p["PID"] for p in server.rpc("core.psx") if "worker" in p["DSC"]]
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 8
    while set(workers) & {p["PID"] for p in server.rpc("core.psx")}:
        assert time.monotonic() < deadline
    server.ping(deadline)
    for _ in range(4):
        alice = agent("alice", server=server)
        request = alice.request("OPTIONS", "sip:x@" + alice.domain)
        alice.send(request)
        assert alice.expect_reply(200, request).reason == "20"
