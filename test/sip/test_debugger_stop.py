# SPDX-License-Identifier: BSD-2-Clause
"""Module debugger: messages that stop at each action of the script, and commands that look at them. Sentences are the
peer's; it shows an internal number of the action (a=), too, and stops at `if`."""
import re

import pytest
from settings import START, head
from sipua.server import RpcError
from tables import wait_for

pytestmark = pytest.mark.viaduct_only("its JSON-RPC lists one process of many, and it does not end while one is stopped")

CONFIG = head("debugger", "jsonrpcs", children=1, debugger__log_level=2, debugger__mod_hash_size=5,
              debugger__mod_facility_mode=1, debugger__mod_facility='"xlog=LOG_LOCAL1"',
              jsonrpcs__transport=4) + """
request_route {
""" + START + """
	$var(x) = 41;
	$var(x) = $var(x) + 1;
	sl_send_reply("200", "Done");
}
"""
ALLOWED = ["debugger", "breakpoint", "dbg", "pv_"]


def fault(server, *args):
    with pytest.raises(RpcError) as error:
        server.rpc(*args)
    return error.value.args[0]["message"]


def rows(server, *args):
    found = server.rpc("dbg.ls", *args)
    return found if isinstance(found, list) else [found]


@pytest.fixture
def stopped(agent, server):
    """A request that is stopped before the first assignment, and the process."""
    alice = agent("alice")
    server.rpc("dbg.bp", "on")
    request = alice.send(alice.request("OPTIONS", "sip:x@" + alice.domain))
    pid = rows(server)[1]["pid"]

    def is_ours():
        """Questions of the harness, whether the server is ready, may be on their way."""
        if server.rpc("dbg.bp", "eval", pid, "$rU") == "$rU : t=str v=x":
            return True
        server.rpc("dbg.bp", "next", pid)
        return False
    wait_for(is_ours, "the message to stop")
    assert [row["state"] for row in rows(server, pid)] == [1]
    assert server.rpc("dbg.bp", "next", pid).endswith("n=is_method")
    wait_for(lambda: server.rpc("dbg.bp", "show", pid).endswith("n=assign"), "the second action")
    yield alice, request, pid
    server.rpc("dbg.bp", "off")
    server.rpc("dbg.bp", "move", pid)


def test_a_message_goes_on_step_by_step(server, stopped):
    alice, request, pid = stopped
    shown = server.rpc("dbg.bp", "show", pid)
    line = int(re.match(r"at bkp \[.*:(\d+)\] .*n=assign$", shown).group(1))
    assert server.rpc("dbg.bp", "eval", pid, "$var(x)") == "$var(x) : t=int v=0"
    assert server.rpc("dbg.bp", "next", pid).endswith("n=assign")
    wait_for(lambda: server.rpc("dbg.bp", "eval", pid, "$var(x)") == "$var(x) : t=int v=41", "the second step")
    assert ":%d]" % (line + 1) in server.rpc("dbg.bp", "show", pid)
    assert server.rpc("dbg.bp", "eval", pid, "$fU") == "$fU : t=str v=alice"
    assert server.rpc("dbg.bp", "eval", pid, "$avp(nothing)") == "$avp(nothing) : t=null"
    assert server.rpc("dbg.bp", "eval", pid, "$avp(x") == "200 ok"
    assert server.rpc("dbg.bp", "log", pid, "$rm") == "200 ok"
    alice.expect_nothing(0.1)
    assert server.rpc("dbg.bp", "move", pid) == "200 ok"
    alice.expect_reply(200, request)
    assert [row["set"] for row in rows(server, pid)] == [0]
    assert server.rpc("dbg.bp", "show", pid) == "200 ok"        # nobody is stopped


def test_off_ends_with_the_next_step(server, stopped):
    alice, request, pid = stopped
    assert server.rpc("dbg.bp", "off") == "200 ok"
    alice.expect_nothing(0.1)
    assert "n=assign" in server.rpc("dbg.bp", "next", pid)
    alice.expect_reply(200, request)


def test_others_go_on_when_they_are_released(server, stopped, agent):
    alice, request, pid = stopped
    carol = agent("carol")
    other = carol.send(carol.request("OPTIONS", "sip:x@" + carol.domain))
    carol.expect_nothing(0.1)
    server.rpc("dbg.bp", "release")
    carol.expect_reply(200, other)
    alice.expect_nothing(0.05)
    server.rpc("dbg.bp", "move", pid)
    alice.expect_reply(200, request)


def test_bits_of_one_process(server):
    pids = [row["pid"] for row in rows(server)]
    assert server.rpc("dbg.trace", "on", pids[1]) == "200 ok"
    assert server.rpc("dbg.bp", "on") == "200 ok"
    assert [row["set"] for row in rows(server)][:2] == [2, 3]
    assert server.rpc("dbg.bp", "keep", pids[1]) == "200 ok"
    assert server.rpc("dbg.trace", "off") == "200 ok"
    assert [row["set"] for row in rows(server)] == [0, 2] + [0] * (len(pids) - 2)
    assert server.rpc("dbg.bp", "release") == "200 ok"
    assert not any(row["set"] for row in rows(server))


def test_mistakes_are_told(server):
    pid = rows(server)[1]["pid"]
    assert fault(server, "dbg.bp") == "Config breakpoint command missing"
    assert fault(server, "dbg.bp", "nonsense") == "Unknown inner command"
    assert fault(server, "dbg.bp", "next") == "Missing pid parameter"
    assert fault(server, "dbg.bp", "keep") == "Missing pid parameter"
    assert fault(server, "dbg.bp", "eval", pid) == "pv param missing"
    for command in (("dbg.ls", 1), ("dbg.bp", "on", 1), ("dbg.bp", "show", 1), ("dbg.trace", "on", 1)):
        assert fault(server, *command) == "No such pid"


def test_modules_have_facilities(server):
    assert server.rpc("dbg.get_mod_facility", "xlog") == "LOG_LOCAL1"
    assert server.rpc("dbg.get_mod_facility", "tm") == "LOG_DAEMON"
    assert server.rpc("dbg.set_mod_facility", "tm", "LOG_LOCAL2") == "200 ok"
    assert server.rpc("dbg.get_mod_facility", "tm") == "LOG_LOCAL2"
    assert fault(server, "dbg.set_mod_facility", "tm", "nonsense") == "facility not found"
    assert fault(server, "dbg.set_mod_facility", "tm") == "invalid parameters"
