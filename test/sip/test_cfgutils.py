# SPDX-License-Identifier: BSD-2-Clause
"""Module cfgutils: what rows of sip/functions/cfgutils.txt cannot show."""
import time

import pytest
from settings import START, head
from sipua.server import RpcError

ROUTE = """
request_route {
""" + START + """
	if ($rU == "exit") {
		route_if_exists("EXITS");
		sl_send_reply("500", "Went On");
	}
	if ($rU == "nap") sleep("1");
	if ($rU == "hold") {
		lock("key");
		usleep("300000");
		unlock("key");
	}
	if ($rU == "wait") {
		lock("key");
		unlock("key");
	}
	if ($rU == "keep") lock("key");
	if ($rU == "missing") route_if_exists("NO_SUCH_ROUTE");
	sl_send_reply("200", "Done");
}
route[EXITS] {
	sl_send_reply("200", "Exited");
	exit;
}
"""


def config(**settings):
    values = {"cfgutils__lock_set_size": 4, "cfgutils__initial_gflags": 5}
    return head("cfgutils", "ctl", "jsonrpcs", **{**values, **settings}) + ROUTE


@pytest.fixture
def server(start_server):
    return start_server(config())


def send(agent, server, user):
    phone = agent(user, server=server)
    request = phone.request("MESSAGE", "sip:%s@%s" % (user, phone.domain))
    phone.send(request, server.address)
    return phone, request


def test_exit_in_such_a_route_ends_the_script(agent, server):
    phone, request = send(agent, server, "exit")
    assert phone.expect_reply(200, request).reason == "Exited"


def test_a_route_that_is_not_there_is_no_error(agent, server):
    phone, request = send(agent, server, "missing")
    phone.expect_reply(200, request)


def test_who_waits_for_a_lock_gets_it_later(agent, server):
    holder, held = send(agent, server, "hold")
    start = time.monotonic()
    holder.collect(0.05)
    waiter, waiting = send(agent, server, "wait")
    waiter.expect_reply(200, waiting)
    assert time.monotonic() - start > 0.2
    holder.expect_reply(200, held)


@pytest.mark.viaduct_only("the peer's process sleeps, and all that wait for it")
def test_sleep_holds_up_nobody_else(agent, start_server):
    server = start_server(config().replace("children=2", "children=1"))
    sleeper, slept = send(agent, server, "nap")
    for number in range(5):
        phone, request = send(agent, server, "other%d" % number)
        phone.expect_reply(200, request)
    assert not sleeper.inbox
    sleeper.expect_reply(200, slept)


@pytest.mark.viaduct_only("there such a lock is never free again")
def test_a_lock_that_nobody_releases_is_taken_over(agent, server):
    server.allow("never released")
    phone, request = send(agent, server, "keep")
    phone.expect_reply(200, request)
    waiter, waiting = send(agent, server, "wait")
    waiter.expect_reply(200, waiting, timeout=20)


def test_probability_by_rpc(server):
    assert server.rpc("cfgutils.rand_get_prob") == "actual probability: 10 percent"
    server.rpc("cfgutils.rand_set_prob", 25)
    assert server.rpc("cfgutils.rand_get_prob") == "actual probability: 25 percent"
    server.rpc("cfgutils.rand_reset_prob")
    assert server.rpc("cfgutils.rand_get_prob") == "actual probability: 10 percent"


def test_flags_by_rpc(server):
    assert server.rpc("cfgutils.get_gflags") == "0x5 (5)"
    server.rpc("cfgutils.set_gflag", 1024)
    assert server.rpc("cfgutils.is_gflag", 1024) == "TRUE"
    assert server.rpc("cfgutils.is_gflag", 1026) == "FALSE"
    assert server.rpc("cfgutils.get_gflags") == "0x405 (1029)"
    server.rpc("cfgutils.reset_gflag", 1025)
    assert server.rpc("cfgutils.get_gflags") == "0x4 (4)"
    with pytest.raises(RpcError):
        server.rpc("cfgutils.set_gflag")


def test_a_changed_file_is_found_out(start_server, tmp_path):
    path = tmp_path / "some.cfg"
    path.write_text("one")
    server = start_server(config(cfgutils__hash_file='"%s"' % path))
    assert server.rpc("cfgutils.get_config_hash") == "f97c5d29941bfb1b2fdab0874906ab82"
    assert server.rpc("cfgutils.check_config_hash") == "Identical hash"
    path.write_text("two")
    assert server.rpc("cfgutils.check_config_hash") == "Different hash"


def test_without_a_file_there_is_no_hash(server):
    with pytest.raises(RpcError):
        server.rpc("cfgutils.check_config_hash")


@pytest.mark.viaduct_only("the peer's answer is empty")
def test_without_a_file_there_is_nothing_to_show(server):
    with pytest.raises(RpcError):
        server.rpc("cfgutils.get_config_hash")
