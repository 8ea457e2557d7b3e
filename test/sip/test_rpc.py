# SPDX-License-Identifier: BSD-2-Clause
"""RPC over the JSON-RPC datagram socket: what monitoring asks a running server."""
import pytest
from settings import PROXY, RELAY, head
from sipua.server import RpcError

CONFIG = head("ctl", "jsonrpcs", "counters") + PROXY + RELAY
ALLOWED = ["jsonrpc", "method callback"]


def test_methods_are_listed(server):
    methods = server.rpc("system.listMethods")
    for name in ("core.version", "core.uptime", "core.shmmem", "core.ps", "ul.dump", "tm.stats",
                 "stats.get_statistics", "system.listMethods"):
        assert name in methods


def test_version_is_a_text(server):
    assert isinstance(server.rpc("core.version"), str)


def test_uptime_has_the_known_fields(server):
    uptime = server.rpc("core.uptime")
    assert {"now", "up_since", "uptime"} <= set(uptime)
    assert int(uptime["uptime"]) >= 0


def test_shared_memory_is_reported(server):
    memory = server.rpc("core.shmmem")
    assert {"total", "free", "used", "real_used", "max_used", "fragments"} <= set(memory)
    assert 0 < int(memory["used"]) < int(memory["total"])


def test_processes_are_listed(server):
    text = str(server.rpc("core.ps"))
    assert str(server.process.pid) in text


def test_unknown_method_is_an_error(server):
    with pytest.raises(RpcError) as error:
        server.rpc("no.such.method")
    assert error.value.args[0]["code"] in (-32601, 500, 404, -32000)


def test_transaction_counts_grow(server, agent):
    alice, bob = agent("alice"), agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    before = server.rpc("tm.stats")
    message = alice.send(alice.request("MESSAGE", bob.aor, body="x", content_type="text/plain"))
    bob.reply(bob.expect_request("MESSAGE"), 200)
    alice.expect_reply(200, message)
    after = server.rpc("tm.stats")
    assert int(after["total"]) == int(before["total"]) + 1
    assert int(after["2xx"]) == int(before["2xx"]) + 1


def test_bindings_are_shown_and_removed(server, agent):
    bob = agent("bob")
    bob.user = "bob%d" % bob.address[1]
    bob.register()
    shown = str(server.rpc("ul.lookup", "location", bob.user))
    assert bob.host_port in shown
    assert bob.host_port in str(server.rpc("ul.dump"))
    server.rpc("ul.rm", "location", bob.user)
    assert "Contact" not in bob.register(contact=[])


def test_statistics_are_answered_by_name_and_group(server):
    one = server.rpc("stats.get_statistics", "rcv_requests")
    assert any("rcv_requests" in str(line) for line in one)
    assert len(server.rpc("stats.get_statistics", "all")) > 20
