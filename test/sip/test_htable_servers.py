# SPDX-License-Identifier: BSD-2-Clause
"""htable on MariaDB and PostgreSQL: what is stored comes back, what a column cannot hold costs that item
only, and an outage changes nothing in memory."""
import time

import pytest
from settings import START, head
from sipua.server import RpcError
from test_htable import items
from test_journal import stop

SCRIPT = """
request_route {
""" + START + """
	$sht(d=>$rU) = $hdr(X-Value);
	sl_send_reply("200", "OK");
}
"""
DRIVERS = {"mysql": "db_mysql", "postgres": "db_postgres"}


@pytest.fixture(params=["mariadb", "postgres"])
def database(request):
    return request.getfixturevalue(request.param)


def config(database, name):
    return head("jsonrpcs", DRIVERS[database.scheme], "htable",
                htable__db_url='"%s"' % database.create_tables(name, "htable")) + """
modparam("htable", "htable", "d=>size=8;dbtable=htable;dbmode=1;")
""" + SCRIPT


def stores(server):
    try:
        return server.rpc("htable.store", "d")
    except RpcError:
        return None


def fault(server, *call):
    with pytest.raises(RpcError) as error:
        server.rpc(*call)
    return error.value.args[0]["code"]


@pytest.mark.viaduct_only("the peer stores what it can, and says nothing")
def test_what_is_stored_comes_back(start_server, database):
    server = start_server(config(database, "htable_stored"))
    wanted = {"plain": "text", "quote'd": 'a "b" \\ ; -- $x', "ü": "ß€", "empty": "", "number": -7}
    for key, value in wanted.items():
        server.rpc("htable.seti" if isinstance(value, int) else "htable.sets", "d", key, value)
    for i in range(500):
        server.rpc("htable.seti", "d", "many-%d" % i, i)
    wanted.update(("many-%d" % i, i) for i in range(500))
    assert server.rpc("htable.store", "d") == "Ok. Htable successfully stored to DB."
    server.rpc("htable.flush", "d")
    assert server.rpc("htable.reload", "d") == "Ok. Htable reloaded."
    assert items(server, "d") == wanted
    stop(server, "term")
    server.start()
    assert items(server, "d") == wanted


@pytest.mark.viaduct_only("the peer cuts it, or loses all of them")
def test_an_item_too_long_costs_itself_only(start_server, database):
    server = start_server(config(database, "htable_long"))
    server.allow("refuse", "too long", "is not stored", "Data too long", "db_")
    for key, value in (("a", "first"), ("long", "x" * 5000), ("k" * 300, "long key"), ("z", "last")):
        server.rpc("htable.sets", "d", key, value)
    assert server.rpc("htable.store", "d") == "Ok. Htable successfully stored to DB."
    server.expect_log("refuses the item d=>long", "refuses the item d=>kkk")
    assert sorted(database.sql("htable_long", "SELECT key_name, key_value FROM htable")) == [
        ["a", "first"], ["z", "last"]]
    server.rpc("htable.delete", "d", "long")
    server.rpc("htable.delete", "d", "k" * 300)


@pytest.mark.viaduct_only("the peer empties the table before it reads")
def test_an_outage_changes_nothing(start_server, database):
    server = start_server(config(database, "htable_outage"))
    server.allow("ERROR")
    server.rpc("htable.sets", "d", "kept", "x")
    server.rpc("htable.store", "d")
    database.stop()
    try:
        assert fault(server, "htable.reload", "d") == 500
        assert fault(server, "htable.store", "d") == 500
        assert items(server, "d") == {"kept": "x"}
    finally:
        database.start()
    assert database.sql("htable_outage", "SELECT key_name FROM htable") == [["kept"]]
    server.rpc("htable.sets", "d", "more", "y")
    deadline = time.monotonic() + 20
    while not stores(server):
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)
    assert len(database.sql("htable_outage", "SELECT key_name FROM htable")) == 2


@pytest.mark.viaduct_only("the peer's worker would wait for itself")
def test_who_waits_for_a_lock_holds_up_nobody(start_server, agent, mariadb):
    """One worker; the script that has the lock waits for the database."""
    url = mariadb.create_tables("htable_locks", "htable")
    server = start_server(head("jsonrpcs", "db_mysql", "sqlops", "htable", children=1,
                               sqlops__sqlcon='"db=>%s"' % url) + """
modparam("htable", "htable", "d=>size=4")
request_route {
""" + START + """
	if ($rU == "count") {
		sht_lock("d=>counter");
		$var(now) = $sht(d=>counter);
		sql_query("db", "select sleep(0.2)", "r");
		$sht(d=>counter) = $var(now) + 1;
		sht_unlock("d=>counter");
	}
	sl_send_reply("200", "$sht(d=>other)");
}
""")
    server.rpc("htable.seti", "d", "counter", 0)
    server.rpc("htable.sets", "d", "other", "free")
    callers = [agent("caller%d" % i, server=server) for i in range(4)]
    requests = [caller.send(caller.request("OPTIONS", "sip:count@" + server.host_port))
                for caller in callers]
    other = agent("other", server=server)
    other.expect_reply(200, other.send(other.request("OPTIONS", "sip:x@" + server.host_port)))
    assert sum(caller.read(0) for caller in callers) < len(callers)
    for caller, request in zip(callers, requests):
        caller.expect_reply(200, request, timeout=20)
    assert server.rpc("htable.get", "d", "counter")["item"]["value"] == 4
