# SPDX-License-Identifier: BSD-2-Clause
"""Module counters: counts of the script, and what shows them."""
import pytest
from settings import START
from sipua.server import RpcError

CONFIG = """#!KAMAILIO
debug=1
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "kex.so"
loadmodule "counters.so"
loadmodule "ctl.so"
loadmodule "jsonrpcs.so"
modparam("counters", "script_cnt_grp_name", "mine")
modparam("counters", "script_counter", "calls number of calls")
modparam("counters", "script_counter", "other.added")

request_route {
""" + START + """
	cnt_inc("calls");
	cnt_inc("mine.calls");
	cnt_add("other.added", "5");
	if ($hdr(X-Case) == "reset")
		cnt_reset("calls");
	append_to_reply("X-Result: $stat(calls)\\r\\n");
	sl_send_reply("200", "Done");
}
"""


def ask(agent, case="-"):
    alice = agent("alice")
    request = alice.request("OPTIONS", "sip:x@" + alice.domain)
    request.headers[-1:-1] = [["X-Case", case]]
    alice.send(request)
    return alice.expect_reply(200, request)["X-Result"]


@pytest.fixture(autouse=True)
def from_zero(server):
    server.rpc("cnt.reset", "mine", "calls")
    server.rpc("cnt.reset", "other", "added")


def test_script_counts(server, agent):
    for _ in range(6):
        ask(agent)
    assert server.rpc("cnt.get", "mine", "calls") == 12
    assert server.rpc("cnt.get_raw", "other", "added") == 30
    assert server.rpc("cnt.get_vars", "mine") == {"calls": 12}
    assert server.rpc("cnt.grp_get_all", "other") == {"added": 30}
    assert server.rpc("stats.fetch", "mine:") == {"mine.calls": "12"}
    assert server.rpc("stats.fetchn", "mine:", "other:") == {"mine.calls": 12, "other.added": 30}


def test_script_resets(server, agent):
    ask(agent)
    assert ask(agent, "reset") == "0"
    assert server.rpc("cnt.get", "mine", "calls") == 0


def test_commands_reset(server, agent):
    ask(agent)
    server.rpc("cnt.reset", "mine", "calls")
    assert server.rpc("cnt.get", "mine", "calls") == 0
    ask(agent)
    assert server.rpc("cnt.get", "mine", "calls") == 2


def test_groups_and_names_are_listed(server):
    groups = server.rpc("cnt.grps_list")
    assert groups == sorted(groups) == server.rpc("cnt.list_groups")
    assert {"core", "mine", "other", "shmem"} <= set(groups)
    assert server.rpc("cnt.list_vars", "mine") in (["calls"], "calls")
    names = server.rpc("cnt.var_list", "core")
    assert names == sorted(names) and "rcv_requests" in names


def test_help_is_the_description(server):
    assert server.rpc("cnt.help", "mine", "calls") == "number of calls"
    assert server.rpc("cnt.help", "other", "added") == "custom script counter."


@pytest.mark.parametrize("command", ["cnt.get", "cnt.get_raw", "cnt.reset", "cnt.help"])
def test_unknown_counters_are_named(server, command):
    with pytest.raises(RpcError) as caught:
        server.rpc(command, "mine", "nosuch")
    assert caught.value.args[0]["message"].strip() == "non-existent counter mine.nosuch"
